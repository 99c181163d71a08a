"""Measure symnet and its peers side by side.

    python -m benchmarks.run [--cases WORD ...] [--frameworks NAME ...] [--quick]

symnet and NumPy run in this interpreter, the peers in the one that the environment
variable SYMNET_PEERS_PYTHON names (default: this one).  Frameworks that are not installed
are skipped, which is said.  Every framework has a process of its own; the processes take
turns, so that a slow moment of the machine touches all alike, and every result is checked
against NumPy in float64 before anything is timed.

Writes benchmarks/results/DATE.json, DATE.md and, where matplotlib is installed, DATE.svg.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.util
import json
import os
import pathlib
import statistics
import tempfile
import time
from typing import Any

from benchmarks import bounds, machine, report
from benchmarks.cases import CASES
from benchmarks.cases.case import Case
from benchmarks.frameworks import FRAMEWORKS, THREADS
from benchmarks.processes import Process, import_seconds, run_once

RESULTS = pathlib.Path(__file__).parent / "results"
# Seconds between turns: the threads of OpenMP (PyTorch) and OpenBLAS (NumPy) go on spinning
# for up to 0.2 seconds after their work, on a processor that the next one needs.
PAUSE = 0.25
# Of these one fresh process is enough: they take 10 to 20 seconds.
SLOW_COMPILERS = ("torch-compile", "pytensor-c", "pytensor-numba")

Measured = dict[str, dict[str, Any]]


def say(text: str) -> None:
    print(text, flush=True)


def start_all(names: list[str], folder: str) -> dict[str, Process]:
    """The frameworks that are there, each with an empty cache of its own."""
    present = {}
    for name in names:
        cache = os.path.join(folder, name)
        os.mkdir(cache)
        process = Process(name, cache)
        hello = process.start()
        if "version" in hello:
            present[name] = process
            say(f"{name} {hello['version']}")
        else:
            say(f"{name} SKIPPED: {hello.get('absent') or hello.get('failed')}")
    return present


def time_calls(
    case: Case,
    present: dict[str, Process],
    bounding: list[Process],
    rounds: int,
    seconds: float,
) -> tuple[Measured, dict[str, Any]]:
    """framework -> seconds of a call in each round, or why there are none; and the case's
    necessary work with its seconds in the same rounds, by kind."""
    found: Measured = {}
    limits = prepare_bounds(case, bounding)
    for name, process in present.items():
        found[name] = {"failed": "would take minutes"}
        if name not in case.slow:
            found[name] = process.ask(do="prepare", case=case.name)
        if "build" in found[name]:
            found[name]["seconds"] = []
        elif "absent" not in found[name]:
            say(f"  {name}: {found[name]}")
    for _ in range(rounds):
        for name in [name for name in found if "seconds" in found[name]]:
            time.sleep(PAUSE)
            turn = present[name].ask(do="time", seconds=seconds)
            if "seconds" in turn:
                found[name]["seconds"].append(turn["seconds"])
            else:
                found[name] = turn
        time.sleep(PAUSE)
        for kind, times in limits["seconds"].items():
            times.append(time_bound(kind, bounding, seconds))
    for process in [*bounding, *present.values()]:
        process.ask(do="drop")
    return found, limits


def prepare_bounds(case: Case, bounding: list[Process]) -> dict[str, Any]:
    answers = [
        process.ask(do="prepare_bounds", case=case.name, process=number)
        for number, process in enumerate(bounding)
    ]
    kinds = answers[0]["kinds"]
    return {"work": answers[0]["work"], "seconds": {kind: [] for kind in kinds}}


def time_bound(kind: str, bounding: list[Process], seconds: float) -> float:
    """The processes' mean time of their parts, while all are at work."""
    for process in bounding:
        process.tell(do="time_bound", kind=kind, seconds=seconds)
    return statistics.mean([process.read()["seconds"] for process in bounding])


def time_builds(case: Case, names: list[str], folder: str, repeats: int) -> Measured:
    """framework -> seconds to build and call once in fresh processes, with an empty cache
    and with the cache that this left; megabytes of memory that three calls take."""
    found: Measured = {name: {} for name in names if name not in case.slow}
    for repeat in range(repeats):
        for name, lists in found.items():
            if name in SLOW_COMPILERS and repeat:
                continue
            cache = tempfile.mkdtemp(dir=folder)
            for state in ("cold", "warm"):
                answer = run_once(name, cache, case.name)
                if "build" in answer:
                    lists.setdefault(state, []).append(answer["build"])
                    lists.setdefault("growth", []).append(answer["growth"])
                else:
                    lists["failed"] = answer.get("failed", "absent")
    return found


def time_imports(names: list[str], folder: str, repeats: int) -> dict[str, list[float]]:
    """framework -> seconds of its import in fresh processes; the first is not counted."""
    statements = {name: FRAMEWORKS[name].statement for name in names}
    statements |= {report.IMPORT_FLOOR: "import numpy, scipy.linalg, llvmlite.binding"}
    found: dict[str, list[float]] = {name: [] for name in statements}
    for _ in range(repeats + 1):
        for name, statement in statements.items():
            interpreter = name if name in FRAMEWORKS else "symnet"
            seconds = import_seconds(interpreter, statement, folder)
            if seconds is not None:
                found[name].append(seconds)
    return {name: seconds[1:] for name, seconds in found.items() if len(seconds) > 1}


def measure(options: argparse.Namespace, folder: str) -> dict[str, Any]:
    present = start_all(options.frameworks, folder)
    bounding = [
        Process("numpy", tempfile.mkdtemp(dir=folder), bounds.SETTINGS)
        for _ in range(bounds.PROCESSES)
    ]
    names = list(present)
    chosen = [
        c
        for n, c in CASES.items()
        if not options.cases or any(w in n for w in options.cases)
    ]
    results: dict[str, Any] = {"calls": {}, "bounds": {}, "builds": {}}
    for case in chosen:
        if case.timed:
            found, limits = time_calls(
                case, present, bounding, options.rounds, options.seconds
            )
            results["calls"][case.name], results["bounds"][case.name] = found, limits
            say(report.call_line(case, found))
    for process in [*bounding, *present.values()]:
        process.close()
    for case in chosen:
        if (case.compiled or case.weighed) and not options.quick:
            found = time_builds(case, names, folder, options.repeats)
            results["builds"][case.name] = found
            say(report.build_line(case, found))
    results["imports"] = time_imports(names, folder, options.repeats)
    results["versions"] = {
        name: process.hello["version"] for name, process in present.items()
    }
    return results


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run")
    parser.add_argument(
        "--cases", nargs="*", metavar="WORD", help="cases whose name has one"
    )
    parser.add_argument(
        "--frameworks", nargs="*", choices=FRAMEWORKS, default=list(FRAMEWORKS)
    )
    parser.add_argument("--rounds", type=int, default=7, help="turns of each framework")
    parser.add_argument("--seconds", type=float, default=0.2, help="length of a turn")
    parser.add_argument(
        "--repeats", type=int, default=3, help="fresh processes a build"
    )
    parser.add_argument(
        "--quick", action="store_true", help="leave out fresh processes"
    )
    parser.add_argument("--output", type=pathlib.Path, default=RESULTS)
    return parser.parse_args()


def write(results: dict[str, Any], path: pathlib.Path) -> None:
    """The measurements, their tables and their figure, side by side."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    path.with_suffix(".md").write_text(report.markdown(results), encoding="utf-8")
    if importlib.util.find_spec("matplotlib"):
        from benchmarks.draw import draw  # optional

        draw(results, path.with_suffix(".svg"))
    else:
        say("no figure: matplotlib is not installed")
    say(f"written: {path} and beside it")


def main() -> None:
    options = parse()
    with tempfile.TemporaryDirectory(prefix="symnet-bench-") as folder:
        results = measure(options, folder)
    now = datetime.datetime.now()
    results |= {
        "date": now.isoformat(timespec="minutes"),
        "machine": machine.description(),
        "threads": int(THREADS),
        "rounds": options.rounds,
    }
    write(results, options.output / f"{now:%Y-%m-%d-%H%M}.json")


if __name__ == "__main__":
    main()
