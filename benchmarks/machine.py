"""What the figures were measured on, and the two limits that bound them."""

from __future__ import annotations

import os
import platform
import re
import time
from collections.abc import Callable
from typing import Any

import numpy as np


def description() -> dict[str, Any]:
    """The processor, its cores and memory; gigabytes a second of copying a large array and
    float32 gigaflops of a large matrix product (NumPy's, all its threads)."""
    return {
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else None,
        "memory": memory(),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "copy": round(copy_rate(), 1),
        "gemm": round(gemm_rate()),
    }


def processor() -> str:
    """The processor's name with family and model: clouds call many of them alike."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as info:
            text = info.read()
    except OSError:
        return platform.processor() or platform.machine()
    parts = [
        re.search(rf"^{name}\s*: (.*)$", text, re.M) for name in ("model name", "model")
    ]
    return " model ".join(part[1] for part in parts if part) or platform.machine()


def memory() -> str:
    try:
        return f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2**30:.0f} GiB"
    except (ValueError, OSError, AttributeError):
        return "unknown"


def shortest(work: Callable[[], Any], repeats: int = 7) -> float:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def copy_rate() -> float:
    """Gigabytes read and written a second by copying 200 MB on one thread."""
    source = np.ones(25_000_000)
    target = np.empty_like(source)
    return 2 * source.nbytes / shortest(lambda: np.copyto(target, source)) / 1e9


def gemm_rate() -> float:
    """Gigaflops of a float32 product of 2000x2000 matrices."""
    a = np.ones((2000, 2000), np.float32)
    return 2 * 2000**3 / shortest(lambda: a @ a) / 1e9
