"""Everything that there is to know of symnet on a GPU, by one command.

    make gpu-report
    python -m benchmarks.gpu.gpu_report [--device emulated --quick]

In this order: what the device needs is installed, what there is is listed, the tests run on
the device, and the cases of `gpu_cases` are measured, each in a process of its own, symnet
beside the peers of the interpreter that SYMNET_PEERS_PYTHON names (default: this one).  A
step that fails is noted with its error, and the next one begins; what is known so far is
always on disk: benchmarks/results/gpu-DATE.json and gpu-DATE.md.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as xml
from collections.abc import Callable
from typing import Any

from benchmarks.gpu.gpu_cases import CASES
from benchmarks.gpu.gpu_tables import markdown
from benchmarks.gpu.gpu_worker import FRAMEWORKS

ROOT = pathlib.Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results"
PATIENCE = {False: 3600.0, True: 300.0}  # seconds for a step, and for a quick one
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
    command: list[str], quick: bool, settings: dict[str, str] | None = None
) -> tuple[str, str]:
    """What a process printed, and what went wrong with it ("": nothing)."""
    try:
        done = subprocess.run(
            command,
            env=os.environ | (settings or {}),
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=PATIENCE[quick],
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return "", f"{type(error).__name__}: {error}"
    error = (
        f"ended with {done.returncode}: {done.stderr[-TAIL:]}"
        if done.returncode
        else ""
    )
    return done.stdout, error


class Report:
    """What is known so far, written after each step."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        now = datetime.datetime.now()
        self.path = options.output / f"gpu-{now:%Y-%m-%d-%H%M}.json"
        self.found: dict[str, Any] = {
            "date": now.isoformat(timespec="minutes"),
            "device": options.device,
            "quick": options.quick,
            "steps": [],
            "cases": {},
        }

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
        self.found["steps"].append(found)
        say(f"  {'FAILED: ' + found['error'][-300:] if found['error'] else 'done'}")
        self.write()

    def write(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(self.found, indent=1)
        self.path.write_text(text + "\n", encoding="utf-8")
        self.path.with_suffix(".md").write_text(markdown(self.found), encoding="utf-8")

    # ---- the steps

    def install(self) -> Step:
        command = [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--editable",
            ".[gpu]",
        ]
        text, error = ran(command, self.options.quick)
        return {"text": text[-TAIL:], "error": error}

    def configuration(self) -> Step:
        program = "import symnet; symnet.show_config()"
        text, error = ran([sys.executable, "-c", program], self.options.quick)
        self.found["config"] = text
        wanted = f"  {self.options.device}: "
        (line,) = [one for one in text.splitlines() if one.startswith(wanted)] or [""]
        absent = "CuPy" in line or "no GPU" in line
        return {"text": text, "error": error or (line.strip() if absent else "")}

    def card(self) -> Step:
        text, error = ran(list(NVIDIA), self.options.quick)
        self.found["card"] = text
        return {"text": text, "error": error}

    def tests(self, arguments: list[str], settings: dict[str, str]) -> Step:
        """Counts, and the first line of what went wrong in each test that failed."""
        with tempfile.TemporaryDirectory() as folder:
            report = pathlib.Path(folder) / "tests.xml"
            command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
            command += [f"--junitxml={report}", *arguments]
            text, error = ran(command, self.options.quick, settings)
            counts = counted(report) if report.exists() else {"failures": {}}
        if counts["failures"] or not counts.get("passed"):
            error = error or "no test has passed"
            error = f"{len(counts['failures'])} tests failed; {error[:300]}"
        return {"text": text[-TAIL:], "error": error, **counts}

    def marked_tests(self) -> Step:
        mark = "gpu" if self.options.device == "cuda" else "emulated"
        some = ["-k", QUICK_TESTS] if self.options.quick else []
        return self.tests(["-m", mark, "tests/kernels/cuda", *some], {})

    def suites(self) -> Step:
        flags = os.environ.get("SYMNET_FLAGS", "")
        flags = ",".join(filter(None, [flags, f"device={self.options.device}"]))
        names = QUICK_SUITES if self.options.quick else SUITES
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
            if case in CASES and CASES[case].precision == "tf32":
                settings["CUPY_TF32"] = "1"
            text, error = ran(command, self.options.quick, settings)
        lines = text.splitlines()
        return dict(json.loads(lines[-1])) if lines else {"failed": error}

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
    parser.add_argument("--skip-tests", action="store_true")
    parser.add_argument("--output", type=pathlib.Path, default=RESULTS)
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    """All steps in order; what they found."""
    options = parse(arguments)
    report = Report(options)
    if options.device == "cuda":
        report.step("install the extra gpu", report.install)
        report.step("the card", report.card)
    report.step("configuration", report.configuration)
    if not options.skip_tests:
        report.step("tests of the device", report.marked_tests)
        report.step("tests of the language on the device", report.suites)
    report.step("copies within its memory", report.rate)
    for name in CASES:
        if not options.cases or any(word in name for word in options.cases):
            report.step(name, lambda name=name: report.case(name))  # type: ignore[misc]
    say(f"written: {report.path} and .md beside it")
    return report.found


if __name__ == "__main__":
    found = main()
    sys.exit(any(step["error"] for step in found["steps"]))
