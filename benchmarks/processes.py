"""Talking to the workers: persistent ones, and fresh ones for what happens once."""

from __future__ import annotations

import json
import pathlib
import subprocess
import threading
from typing import Any

from benchmarks.frameworks import FRAMEWORKS

ROOT = pathlib.Path(__file__).parent.parent
LIMIT = 600.0  # seconds that a worker may take for one answer
LOG = "worker.log"


class Process:
    """A worker that is started when first needed, and again after it has died."""

    def __init__(
        self, framework: str, cache: str, settings: dict[str, str] | None = None
    ) -> None:
        """settings: environment variables besides the framework's own."""
        self.framework, self.cache = framework, cache
        self.settings = settings or {}
        self.child: subprocess.Popen[str] | None = None
        self.hello: dict[str, Any] = {}

    def start(self) -> dict[str, Any]:
        """The worker's greeting: its version, or why it is absent."""
        self.child = start_worker(self.framework, self.cache, settings=self.settings)
        self.hello = self.read()
        return self.hello

    def read(self) -> dict[str, Any]:
        assert self.child is not None and self.child.stdout is not None
        watchdog = threading.Timer(LIMIT, self.child.kill)
        watchdog.start()
        line = self.child.stdout.readline()
        watchdog.cancel()
        if line:
            return dict(json.loads(line))
        code = self.child.wait()
        self.child = None
        return {
            "failed": f"the process ended with code {code}: {last_words(self.cache)}"
        }

    def ask(self, **request: Any) -> dict[str, Any]:
        self.tell(**request)
        return self.read()

    def tell(self, **request: Any) -> None:
        """Ask, and let the answer wait."""
        if self.child is None:
            self.start()
        assert self.child is not None and self.child.stdin is not None
        print(json.dumps(request), file=self.child.stdin, flush=True)

    def close(self) -> None:
        if self.child is not None and self.child.stdin is not None:
            self.child.stdin.close()
            self.child.wait()


def start_worker(
    framework: str, cache: str, *options: str, settings: dict[str, str] | None = None
) -> subprocess.Popen[str]:
    """What the worker prints and complains goes to a file in its cache folder."""
    kind = FRAMEWORKS[framework]
    with open(pathlib.Path(cache) / LOG, "a", encoding="utf-8") as log:
        return subprocess.Popen(
            [kind.interpreter(), "-m", "benchmarks.worker", framework, *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=kind.environment(cache) | (settings or {}),
            cwd=ROOT,
            text=True,
        )


def last_words(cache: str) -> str:
    lines = (pathlib.Path(cache) / LOG).read_text(encoding="utf-8").splitlines()
    return lines[-1] if lines else "it said nothing"


def run_once(framework: str, cache: str, case: str) -> dict[str, Any]:
    """What a fresh process measures of building and first calling a case."""
    child = start_worker(framework, cache, "--once", case)
    try:
        answer, _ = child.communicate(timeout=LIMIT)
    except subprocess.TimeoutExpired:
        child.kill()
        child.communicate()
        return {"failed": f"took more than {LIMIT:.0f} s"}
    if child.returncode or not answer:
        return {"failed": f"code {child.returncode}: {last_words(cache)}"}
    return dict(json.loads(answer))


def import_seconds(framework: str, statement: str, cache: str) -> float | None:
    """Seconds of an import in a fresh process; None where it fails."""
    kind = FRAMEWORKS[framework]
    program = (
        "import time; start = time.perf_counter()\n"
        f"{statement}\n"
        "print(time.perf_counter() - start)"
    )
    done = subprocess.run(
        [kind.interpreter(), "-c", program],
        capture_output=True,
        env=kind.environment(cache),
        cwd=ROOT,
        text=True,
    )
    return None if done.returncode else float(done.stdout.split()[-1])
