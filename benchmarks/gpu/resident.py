"""A program whose arrays stay on a device, and how its calls are timed there."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmarks.problem import Array


@dataclass
class Resident:
    """call: begins one call and may return before it is done.  values: from its result to
    the arrays that are checked.  mark: a moment behind all that was begun; seconds: between
    two moments, when both have come.  profile: where the time goes, in words, and the
    seconds of kernels and library calls of one call."""

    call: Callable[[], Any]
    values: Callable[[Any], list[Array]]
    mark: Callable[[], Any] = time.perf_counter
    seconds: Callable[[Any, Any], float] = lambda first, last: float(last - first)
    profile: Callable[[], dict[str, Any]] | None = None


def timed(program: Resident, rounds: int, long: float) -> dict[str, float]:
    """Medians over rounds of about `long` seconds: "device", by its own moments, of a call
    among many; "wall", by the host's clock, of one that is waited for."""
    began, _ = one_round(program, 1)
    calls = max(1, min(1000, round(long / max(began, 1e-7))))
    device = [one_round(program, calls)[0] for _ in range(rounds)]
    wall = [one_round(program, 1)[1] for _ in range(max(rounds, 5))]
    return {
        "device": statistics.median(device),
        "wall": statistics.median(wall),
        "calls": calls,
    }


def one_round(program: Resident, calls: int) -> tuple[float, float]:
    """Seconds of a call by the device's moments, and by the host's clock to the end."""
    start, first = time.perf_counter(), program.mark()
    for _ in range(calls):
        program.call()
    device = program.seconds(first, program.mark())
    return device / calls, (time.perf_counter() - start) / calls
