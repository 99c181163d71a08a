"""One framework in a process of its own.

    python -m benchmarks.worker FRAMEWORK                serve requests, one JSON line each
    python -m benchmarks.worker FRAMEWORK --once CASE    import, build, call once, weigh

Requests: {"do": "prepare", "case": ...} builds and checks, {"do": "time", "seconds": ...}
times one turn, {"do": "drop"} forgets the program.  {"do": "prepare_bounds", "case": ...,
"process": ...} and {"do": "time_bound", "kind": ..., "seconds": ...} are about a part of the
case's necessary work alone.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import statistics
import sys
import time
import timeit
import traceback
from collections.abc import Callable
from typing import Any, TextIO

import numpy as np

from benchmarks.bounds import bounds
from benchmarks.cases import CASES
from benchmarks.frameworks import FRAMEWORKS
from benchmarks.frameworks.with_numpy import Names
from benchmarks.problem import (
    Array,
    Counter,
    Formula,
    Gradient,
    Inference,
    Problem,
    Program,
    Sampling,
    Training,
    descend,
)


def render(framework: Any, problem: Problem) -> Program | None:
    """The framework's program for the problem; None where it cannot say it."""
    method = getattr(framework, type(problem).__name__.lower(), None)
    return method(problem) if method else None


def checked_calls(problem: Problem) -> int:
    return problem.checked_steps if isinstance(problem, Training) else 1


def reference(problem: Problem) -> list[Array]:
    """What `Program.values` should give after `checked_calls`, in float64 NumPy."""
    if isinstance(problem, Formula | Inference):
        return problem.reference(Names)
    if isinstance(problem, Gradient | Sampling):
        return problem.reference()
    if isinstance(problem, Counter):
        return [np.array(checked_calls(problem))]
    step, parameters = descend(problem, "float64")
    losses = [step() for _ in range(checked_calls(problem))]
    return problem.moved(losses[-1], parameters)


def largest_error(values: list[Array], expected: list[Array]) -> float:
    """The largest difference in any array, relative to that array's largest element."""
    if [value.shape for value in values] != [value.shape for value in expected]:
        return float("inf")
    errors = []
    for value, right in zip(values, expected, strict=True):
        scale = np.abs(right).max()
        errors.append(np.abs(value.astype(np.float64) - right).max() / (scale or 1))
    return float(np.max(errors))  # nan where any is


def run_turn(program: Program, seconds: float) -> dict[str, float]:
    """Call for about so long; the median time of a call over batches of at least 1 ms."""
    names = [f"a{k}" for k in range(len(program.arguments))]
    scope = {"function": program.function, **dict(zip(names, program.arguments))}
    timer = timeit.Timer(f"function({', '.join(names)})", globals=scope)
    number = 1
    while (took := timer.timeit(number)) < 1e-3:
        number *= 2 if took > 1e-4 else 10
    times, end = [took / number], time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 3:
        times.append(timer.timeit(number) / number)
    # The first batch warms caches up again after the other frameworks' turns.
    return {"seconds": statistics.median(times[1:]), "calls": number * len(times)}


class Worker:
    """Answers the requests; holds at most one program."""

    def __init__(self, framework: Any) -> None:
        self.framework = framework
        self.program: Program | None = None
        self.bounds: dict[str, Program] = {}

    def prepare(self, case: str) -> dict[str, Any]:
        problem = CASES[case].make()
        if isinstance(problem, Sampling):
            # What it draws cannot be compared: a machine that is sure is checked instead.
            answer = self.checked(problem.sure())
            self.program = self.program and render(self.framework, problem)
            return answer
        return self.checked(problem)

    def checked(self, problem: Problem) -> dict[str, Any]:
        """Build, call and compare with the reference; keeps the program if it is right."""
        expected = reference(problem)
        start = time.perf_counter()
        self.program = program = render(self.framework, problem)
        if program is None:
            return {"absent": "cannot express it"}
        result = program.function(*program.arguments)
        built = time.perf_counter() - start
        for _ in range(checked_calls(problem) - 1):
            result = program.function(*program.arguments)
        error = largest_error(program.values(result), expected)
        if not error <= problem.tolerance:
            self.program = None
            return {"wrong": f"error {error:.1e}, allowed {problem.tolerance:.0e}"}
        return {"build": built, "error": error}

    def time(self, seconds: float) -> dict[str, Any]:
        assert self.program is not None
        return run_turn(self.program, seconds)

    def prepare_bounds(self, case: str, process: int) -> dict[str, Any]:
        work = CASES[case].make().work()
        self.bounds = bounds(work, process)
        return {"work": work.summary(), "kinds": list(self.bounds)}

    def time_bound(self, kind: str, seconds: float) -> dict[str, Any]:
        return run_turn(self.bounds[kind], seconds)

    def drop(self) -> dict[str, Any]:
        self.program, self.bounds = None, {}
        return {}

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        method: Callable[..., dict[str, Any]] = getattr(self, request.pop("do"))
        try:
            return method(**request)
        except Exception as error:
            traceback.print_exc()
            self.program = None
            return {"failed": f"{type(error).__name__}: {error}"[:300]}


def serve(framework: Any, answers: TextIO) -> None:
    worker = Worker(framework)
    for line in sys.stdin:
        print(json.dumps(worker.answer(json.loads(line))), file=answers, flush=True)


def resident(field: str) -> float:
    """Megabytes of memory: field VmRSS now, VmHWM at most so far; nan outside Linux."""
    try:
        with open("/proc/self/status", encoding="ascii") as status:
            found = re.search(rf"{field}:\s+(\d+) kB", status.read())
    except OSError:
        return float("nan")
    return int(found[1]) / 1024 if found else float("nan")


def forget_peak() -> None:
    """Let VmHWM start again from now (Linux; elsewhere resident() knows nothing)."""
    with contextlib.suppress(OSError), open("/proc/self/clear_refs", "w") as control:
        control.write("5")


def once(framework: Any, case: str) -> dict[str, float]:
    """Build and call in this fresh process: seconds, and growth of memory over 3 calls."""
    problem = CASES[case].make()
    forget_peak()
    before = resident("VmRSS")
    start = time.perf_counter()
    program = render(framework, problem)
    if program is None:
        raise SystemExit(f"cannot express {case}")
    program.function(*program.arguments)
    built = time.perf_counter() - start
    for _ in range(2):
        program.function(*program.arguments)
    return {"build": built, "growth": resident("VmHWM") - before}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("framework", choices=FRAMEWORKS)
    parser.add_argument("--once", metavar="CASE", choices=CASES)
    arguments = parser.parse_args()
    # Frameworks may print; only answers may go to the real standard output.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    start = time.perf_counter()
    try:
        framework = FRAMEWORKS[arguments.framework].load()
    except ImportError as error:
        print(json.dumps({"absent": str(error)}), file=answers, flush=True)
        return
    hello = {"version": framework.version, "load": time.perf_counter() - start}
    if arguments.once:
        hello.update(once(framework, arguments.once))
    print(json.dumps(hello), file=answers, flush=True)
    if not arguments.once:
        serve(framework, answers)


if __name__ == "__main__":
    main()
