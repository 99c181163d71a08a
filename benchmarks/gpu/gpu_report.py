"""Everything that there is to know of symnet on a GPU, by one command.

    make gpu-report
    python -m benchmarks.gpu.gpu_report [--device emulated --quick]
    python -m benchmarks.gpu.gpu_report --list
    python -m benchmarks.gpu.gpu_report --into FILE.json --steps "MLP" "LSTM"

In this order: what the device needs is installed, what there is is listed, the tests run on
the device, and the cases of `gpu_cases` are measured, each in a process of its own, symnet
beside the peers of the interpreter that SYMNET_PEERS_PYTHON names (default: this one).  A
step that fails is noted with its error, and the next one begins; none takes longer than
--limit seconds (600), so that a machine that is lent for a while can do some of them:
--steps names them by words, --into adds them to a report.  What is known so far is always on
disk: benchmarks/results/gpu-DATE.json and gpu-DATE.md.
"""

from __future__ import annotations

import argparse
import ctypes
import datetime
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as xml
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from benchmarks.gpu import deadline
from benchmarks.gpu.gpu_cases import CASES
from benchmarks.gpu.gpu_tables import markdown
from benchmarks.gpu.gpu_worker import FRAMEWORKS

ROOT = pathlib.Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results"
LIMIT = 600.0  # seconds for a step
# Of them, those after which no further test begins: the last one may take a while.
TESTING = 0.8
PARTS = 12  # of the tests of the language
NVIDIA = (
    "nvidia-smi",
    "--query-gpu=name,driver_version,memory.total,compute_cap,clocks.max.sm,clocks.max.mem",
    "--format=csv",
)
# Tests of the language that run on whatever device is set.
SUITES = ("tests/ops", "tests/autodiff", "tests/test_fuzz.py", "tests/fuzz")
QUICK_SUITES = ("tests/ops/test_joining.py",)
QUICK_TESTS = "test_training or test_updates or a_minibatch"
TAIL = 4000  # characters of what a step printed that are kept

Step = dict[str, Any]


def say(text: str) -> None:
    print(text, flush=True)


def ran(
    command: list[str], limit: float, settings: dict[str, str] | None = None
) -> tuple[str, str]:
    """What a process printed, and what went wrong with it ("": nothing).  What it has begun
    ends with it, so that nothing keeps the device for itself."""
    try:
        process = subprocess.Popen(
            command,
            env=os.environ | (settings or {}),
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
    except OSError as error:
        return "", f"{type(error).__name__}: {error}"
    try:
        text, errors = process.communicate(timeout=limit)
    except BaseException as error:
        end_all_of(process)
        if not isinstance(error, subprocess.TimeoutExpired):
            raise
        text, errors = process.communicate()
        return text, f"not done after {limit:.0f} seconds; last: {text[-300:]}"
    failed = process.returncode != 0
    told = f"ended with {process.returncode}: {errors[-TAIL:] or text[-TAIL:]}"
    return text, told if failed else ""


def end_all_of(process: subprocess.Popen[str]) -> None:
    """End a process and those that it has begun."""
    if os.name == "posix":
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()


class Report:
    """What is known so far, written after each step."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options, self.limit = options, options.limit
        now = datetime.datetime.now()
        self.path = options.into or options.output / f"gpu-{now:%Y-%m-%d-%H%M}.json"
        self.found: dict[str, Any] = {
            "date": now.isoformat(timespec="minutes"),
            "device": options.device,
            "quick": options.quick,
            "steps": [],
            "cases": {},
        }
        if self.path.exists():
            self.found |= json.loads(self.path.read_text(encoding="utf-8"))

    def step(self, name: str, work: Callable[[], Step]) -> None:
        """Do some work; whatever it raises is what is known of it."""
        say(f"{name} ...")
        start = time.perf_counter()
        try:
            found = work()
        except Exception as error:
            found = {"error": f"{type(error).__name__}: {error}"}
        found = {
            "name": name,
            "error": "",
            **found,
            "seconds": time.perf_counter() - start,
        }
        steps = [one for one in self.found["steps"] if one["name"] != name]
        self.found["steps"] = [*steps, found]
        say(f"  {'FAILED: ' + found['error'][-300:] if found['error'] else 'done'}")
        self.write()

    def write(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(self.found, indent=1)
        self.path.write_text(text + "\n", encoding="utf-8")
        self.path.with_suffix(".md").write_text(markdown(self.found), encoding="utf-8")

    # ---- the steps

    def install(self) -> Step:
        """CuPy, unless it is there; of the version that the driver runs."""
        there, error = ran([sys.executable, "-c", "import cupy"], self.limit)
        if not error:
            return {"text": "CuPy is there already"}
        extra = extra_for(driver_version())
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--editable"]
        text, error = ran([*command, f".[{extra}]"], self.limit)
        return {"text": f"{extra}: {text[-TAIL:]}", "error": error}

    def configuration(self) -> Step:
        program = (
            "import symnet; symnet.show_config()\n"
            "from symnet.kernels.gpus import CUDA\n"
            "print('missing:', CUDA.missing())"
        )
        text, error = ran([sys.executable, "-c", program], self.limit)
        self.found["config"] = text
        _, _, absent = text.rpartition("missing: ")
        absent = absent.strip() if self.options.device == "cuda" else ""
        return {"text": text, "error": error or absent}

    def card(self) -> Step:
        text, error = ran(list(NVIDIA), self.limit)
        self.found["card"] = text
        return {"text": text, "error": error}

    def tests(self, arguments: list[str], settings: dict[str, str]) -> Step:
        """Counts, and the first line of what went wrong in each test that failed."""
        with tempfile.TemporaryDirectory() as folder:
            report = pathlib.Path(folder) / "tests.xml"
            # Named one by one, so that one that never ends is the last that is told.
            command = [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider"]
            command += ["-p", "benchmarks.gpu.deadline", f"--junitxml={report}"]
            until = {deadline.VARIABLE: f"{TESTING * self.limit:.0f}"}
            text, error = ran([*command, *arguments], self.limit, settings | until)
            counts = counted(report) if report.exists() else {"failures": {}}
        if counts["failures"] or not counts.get("passed"):
            error = error or "no test has passed"
            error = f"{len(counts['failures'])} tests failed; {error[:300]}"
        return {"text": text[-TAIL:], "error": error, **counts}

    def marked_tests(self) -> Step:
        mark = "gpu" if self.options.device == "cuda" else "emulated"
        some = ["-k", QUICK_TESTS] if self.options.quick else []
        return self.tests(["-m", mark, "tests/kernels/cuda", *some], {})

    def suite(self, part: int) -> Step:
        """A part of the tests of the language, by file."""
        flags = os.environ.get("SYMNET_FLAGS", "")
        flags = ",".join(filter(None, [flags, f"device={self.options.device}"]))
        names = QUICK_SUITES if self.options.quick else files_of(SUITES)[part::PARTS]
        return self.tests(list(names), {"SYMNET_FLAGS": flags})

    def worker(self, framework: str, case: str) -> dict[str, Any]:
        peers = os.environ.get("SYMNET_PEERS_PYTHON")
        peer = FRAMEWORKS[framework].peer and peers
        with tempfile.TemporaryDirectory(prefix="symnet-gpu-") as cache:
            command = [peers if peer and peers else sys.executable]
            command += ["-m", "benchmarks.gpu.gpu_worker", framework, case]
            command += ["--device", self.options.device]
            command += ["--quick"] if self.options.quick else []
            settings = caches(cache)
            if case in CASES:
                settings |= precision_settings(CASES[case].precision)
            # All of them together have the time of a step.
            limit = self.limit / max(len(self.options.frameworks), 1)
            text, error = ran(command, limit, settings)
        lines = text.splitlines()
        if error or not lines:
            return {"failed": error or "it printed nothing"}
        return dict(json.loads(lines[-1]))

    def rate(self) -> Step:
        found = self.worker("symnet", "copy")
        self.found["copy"] = found.get("rate")
        return {"error": found.get("failed", ""), "text": str(found)}

    def case(self, name: str) -> Step:
        found = self.found["cases"][name] = {}
        for framework in self.options.frameworks:
            found[framework] = self.worker(framework, name)
            say(
                f"  {framework}: { {k: v for k, v in found[framework].items() if k != 'profile'} }"
            )
        ours = found.get("symnet", {})
        return {"error": ours.get("failed") or ours.get("wrong") or ""}


def precision_settings(precision: str) -> dict[str, str]:
    """Environment variables by which our products may round their factors."""
    if precision == "float32":
        return {}
    flags = os.environ.get("SYMNET_FLAGS", "")
    flags = ",".join(filter(None, [flags, f"gpu_{precision}=on"]))
    return {"SYMNET_FLAGS": flags} | ({"CUPY_TF32": "1"} if precision == "tf32" else {})


def files_of(folders: Sequence[str]) -> list[str]:
    """The test files of folders, in order."""
    found: list[str] = []
    for name in folders:
        path = ROOT / name
        files = sorted(path.rglob("test_*.py")) if path.is_dir() else [path]
        found += [str(one.relative_to(ROOT)) for one in files]
    return found


def driver_version() -> int:
    """The newest CUDA that the driver runs, 12040 for 12.4; 0 without a driver."""
    name = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
    try:
        driver = ctypes.CDLL(name)
    except OSError:
        return 0
    version = ctypes.c_int(0)
    driver.cuDriverGetVersion(ctypes.byref(version))
    return version.value


def extra_for(version: int) -> str:
    """The extra whose CuPy a driver of this version runs."""
    return "gpu12" if 0 < version < 13000 else "gpu"


def caches(folder: str) -> dict[str, str]:
    """Environment variables: compiled code of every framework goes into an empty folder."""
    return {
        "SYMNET_CACHE": folder,
        "CUPY_CACHE_DIR": folder,
        "CUDA_CACHE_PATH": folder,
        "TORCHINDUCTOR_CACHE_DIR": folder,
        "TRITON_CACHE_DIR": folder,
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
    }


def counted(report: pathlib.Path) -> Step:
    """Tests that passed, were skipped, and that failed with their error, of pytest's file."""
    passed = skipped = 0
    failures: dict[str, str] = {}
    for case in xml.parse(report).iter("testcase"):
        wrong = [one for one in case if one.tag in ("failure", "error")]
        if wrong:
            name = f"{case.get('classname')}.{case.get('name')}"
            failures[name] = (wrong[0].get("message") or "")[:300]
        elif case.find("skipped") is not None:
            skipped += 1
        else:
            passed += 1
    return {"passed": passed, "skipped": skipped, "failures": failures}


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu.gpu_report")
    parser.add_argument("--device", choices=("cuda", "emulated"), default="cuda")
    parser.add_argument("--quick", action="store_true", help="small sizes, a few tests")
    parser.add_argument("--cases", nargs="*", metavar="WORD", help="whose name has one")
    parser.add_argument(
        "--frameworks", nargs="*", choices=FRAMEWORKS, default=[*FRAMEWORKS]
    )
    parser.add_argument("--steps", nargs="*", metavar="WORD", help="whose name has one")
    parser.add_argument("--list", action="store_true", help="the names of the steps")
    parser.add_argument("--limit", type=float, default=LIMIT, help="seconds for a step")
    parser.add_argument("--into", type=pathlib.Path, help="a report that is added to")
    parser.add_argument("--skip-tests", action="store_true")
    parser.add_argument("--output", type=pathlib.Path, default=RESULTS)
    return parser.parse_args(arguments)


def steps(report: Report) -> list[tuple[str, Callable[[], Step]]]:
    """All steps in order, by name."""
    options = report.options
    found: list[tuple[str, Callable[[], Step]]] = []
    if options.device == "cuda":
        found += [("install the extra gpu", report.install), ("the card", report.card)]
    found.append(("configuration", report.configuration))
    if not options.skip_tests:
        found.append(("tests of the device", report.marked_tests))
        parts = 1 if options.quick else PARTS
        found += [
            (
                f"tests of the language on the device, {part + 1} of {parts}",
                partial(report.suite, part),
            )
            for part in range(parts)
        ]
    found.append(("copies within its memory", report.rate))
    for name in CASES:
        if not options.cases or any(word in name for word in options.cases):
            found.append((name, partial(report.case, name)))
    wanted = options.steps
    return [
        one for one in found if not wanted or any(word in one[0] for word in wanted)
    ]


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    """All steps in order; what they found."""
    options = parse(arguments)
    report = Report(options)
    for name, work in steps(report):
        if options.list:
            say(name)
        else:
            report.step(name, work)
    if not options.list:
        say(f"written: {report.path} and .md beside it")
    return report.found


if __name__ == "__main__":
    found = main()
    sys.exit(any(step["error"] for step in found["steps"]))
