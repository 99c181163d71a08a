"""MRG31k3p in Python's integers: what native steps and threads are held against."""

from __future__ import annotations

from typing import Any

import numpy as np

from symnet.kernels.routines import M1, M2, NORMS


def step(state: list[int]) -> tuple[list[int], int]:
    x1, x2, x3, y1, y2, y3 = state
    x = (2**22 * x2 + (2**7 + 1) * x3) % M1
    y = (2**15 * y1 + (2**15 + 1) * y3) % M2
    return [x, x1, x2, y, y1, y2], (x - y) % M1 or M1


def expected(states: Any, count: int, dtype: str) -> tuple[Any, Any]:
    """Sample k comes from stream k % streams."""
    rows = [[int(n) for n in row] for row in states]
    draws = np.zeros(count, np.int64)
    for k in range(count):
        stream = k % len(rows)
        rows[stream], draws[k] = step(rows[stream])
    if dtype == "float16":
        draws = (draws & 0x7FFF) + 1
    wide = "float64" if dtype == "float64" else "float32"
    samples = (draws.astype(wide) * np.array(NORMS[dtype], wide)).astype(dtype)
    return np.array(rows), samples


__all__ = ["expected"]
