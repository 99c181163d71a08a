"""One case by one framework, in a process of its own: built, checked, timed.

    python -m benchmarks.gpu.gpu_worker FRAMEWORK CASE --device cuda [--quick]

A fault of a GPU spoils all that its process does later; so each case has its own.  Prints
one line of JSON: what was measured, or why there is nothing ("absent", "wrong", "failed").
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
import time
import traceback
from dataclasses import dataclass, field
from typing import Any

from benchmarks.gpu.gpu_cases import CASES, TOLERANCES, GpuCase
from benchmarks.gpu.resident import Resident, timed
from benchmarks.problem import Sampling
from benchmarks.worker import checked_calls, largest_error, reference


@dataclass(frozen=True)
class GpuFramework:
    """module: of this folder, whose `load(device, precision, **options)` imports it."""

    module: str
    options: dict[str, str] = field(default_factory=dict)
    peer: bool = True


FRAMEWORKS = {
    "symnet": GpuFramework("gpu_symnet", peer=False),
    "jax": GpuFramework("gpu_jax"),
    "torch": GpuFramework("gpu_torch", {"mode": "eager"}),
    "torch-compile": GpuFramework("gpu_torch", {"mode": "compile"}),
    "torch-graphs": GpuFramework("gpu_torch", {"mode": "graphs"}),
}
COPIED = 400_000_000  # bytes


def loaded(framework: str, device: str, precision: str) -> Any:
    """Raises: ImportError where it is not installed."""
    known = FRAMEWORKS[framework]
    module = importlib.import_module(f"benchmarks.gpu.{known.module}")
    return module.load(device, precision, **known.options)


def rendered(framework: Any, problem: Any) -> Resident | None:
    method = getattr(framework, type(problem).__name__.lower(), None)
    return method(problem) if method else None


def checked(
    framework: Any, problem: Any, tolerance: float
) -> tuple[Any, dict[str, Any]]:
    """The program where it is right, and what was found of it, by NumPy in float64."""
    expected = reference(problem)
    start = time.perf_counter()
    program = rendered(framework, problem)
    if program is None:
        return None, {"absent": "cannot express it"}
    result = program.call()
    program.seconds(program.mark(), program.mark())
    built = time.perf_counter() - start
    for _ in range(checked_calls(problem) - 1):
        result = program.call()
    error = largest_error(program.values(result), expected)
    if not error <= tolerance:
        return None, {"wrong": f"error {error:.1e}, allowed {tolerance:.0e}"}
    return program, {"build": built, "error": error}


def measured(framework: Any, case: GpuCase, quick: bool) -> dict[str, Any]:
    if framework.lacks:
        return {"absent": framework.lacks}
    problem: Any = case.make(quick)
    tolerance = max(problem.tolerance, TOLERANCES.get(case.precision, 0.0))
    # What a machine draws cannot be compared: one that is sure is checked instead.
    sampling = isinstance(problem, Sampling)
    program, found = checked(
        framework, problem.sure() if sampling else problem, tolerance
    )
    if program is None:
        return found
    if sampling:
        program = rendered(framework, problem)
        assert program is not None
    work = problem.work()
    found |= {"bytes": work.bytes, "flops": work.flops}
    found |= timed(program, 3 if quick else 15, 0.01 if quick else 0.1)
    if program.profile is not None:
        found["profile"] = program.profile()
    return found


def answer(options: argparse.Namespace) -> dict[str, Any]:
    if options.case == "copy":
        symnet = loaded("symnet", options.device, "float32")
        size = COPIED // 1000 if options.quick else COPIED
        return {"rate": symnet.copy_rate(size)}
    case = CASES[options.case]
    try:
        framework = loaded(options.framework, options.device, case.precision)
    except ImportError as error:
        return {"absent": str(error)}
    return {"version": framework.version, **measured(framework, case, options.quick)}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("framework", choices=FRAMEWORKS)
    parser.add_argument("case", choices=[*CASES, "copy"])
    parser.add_argument("--device", choices=("cuda", "emulated"), default="cuda")
    parser.add_argument("--quick", action="store_true")
    # Frameworks may print; only the answer may go to the real standard output.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    try:
        found = answer(parser.parse_args())
    except Exception as error:
        traceback.print_exc()
        found = {"failed": f"{type(error).__name__}: {error}"[:500]}
    print(json.dumps(found), file=answers, flush=True)
    sys.stdout.flush()


if __name__ == "__main__":
    main()
