"""What the judge asks of arrays of numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def near(got: Array, want: Array, scale: float) -> bool:
    if got.shape != want.shape or got.dtype != want.dtype:
        return False
    if want.dtype.kind not in "fc":
        return bool(np.array_equal(got, want))
    rtol = float(np.finfo(want.dtype).eps) ** (2 / 3)
    return bool(
        np.allclose(got, want, rtol=rtol, atol=rtol * max(scale, 1e-30), equal_nan=True)
    )


def largest(arrays: Any) -> float:
    found = 0.0
    for array in arrays:
        array = np.asarray(array)
        if array.dtype.kind in "fc" and array.size:
            sizes = np.abs(
                array.astype("complex128" if array.dtype.kind == "c" else "float64")
            )
            found = max(found, float(np.max(sizes[np.isfinite(sizes)], initial=0.0)))
    return found


def unstable(values: Mapping[int, Any]) -> bool:
    return any(
        a.dtype.kind in "fc" and not np.all(np.isfinite(a))
        for a in map(np.asarray, values.values())
    )


def narrow(array: Any) -> Array:
    """An array of mpmath's numbers in float64; those that are not real are NaN."""

    def number(wide: Any) -> float:
        return float(wide.real) if wide.imag == 0 else np.nan

    return np.asarray(np.frompyfunc(number, 1, 1)(array)).astype("float64")


def describe(k: int, got: Any, want: Any) -> str:
    with np.printoptions(threshold=40, precision=9):
        got, want = np.asarray(got), np.asarray(want)
        return (
            f"result {k}: got {got.dtype} {got.shape} {got}\n"
            f"wanted {want.dtype} {want.shape} {want}"
        )
