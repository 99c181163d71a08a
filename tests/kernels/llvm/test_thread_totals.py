"""Running totals and places by threads, against loops in NumPy; and as PTX."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from symnet.kernels.cuda.driver import Grid
from symnet.kernels.cuda.emulated_driver import EmulatedDriver
from symnet.kernels.llvm.ptx import ptx
from symnet.kernels.llvm.target import PTX_OF_ARCHITECTURE, nvptx_target
from symnet.kernels.llvm.thread_totals import emit_totals
from symnet.kernels.routines import Places, Running
from tests.kernels.llvm.test_thread_draws import launched

DTYPES = ("bool", "int8", "int64", "uint16", "float16", "float32", "float64")
NAN = float("nan")


@pytest.fixture(params=["forwards", "backwards"])
def driver(request: pytest.FixtureRequest) -> Iterator[EmulatedDriver]:
    made = EmulatedDriver()
    made.backwards = request.param == "backwards"
    return made


def total(kind: str, x: np.ndarray, axis: int, factors: np.ndarray) -> np.ndarray:
    """Element after element, each rounded."""
    found = np.moveaxis(x.copy(), axis, 0)
    factors = np.moveaxis(factors, axis, 0)
    for k in range(1, len(found)):
        before, new = found[k - 1], found[k].copy()
        if kind == "max":
            found[k] = np.maximum(before, new)
        elif kind == "linear" and x.dtype == "float16":
            wide = factors[k].astype("float32") * before.astype("float32")
            found[k] = wide + new.astype("float32")
        elif kind == "linear":
            found[k] = factors[k] * before + new
        else:
            found[k] = {"add": np.add, "mul": np.multiply}[kind](before, new)
    return np.moveaxis(found, 0, axis)


@pytest.mark.parametrize("grid", [Grid(1, 1), Grid(2, 128)])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", ["add", "mul", "max", "linear"])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_totals(driver: EmulatedDriver, kind: str, dtype: str, grid: Grid) -> None:
    random = np.random.default_rng(3)
    for shape in ((4, 5, 6), (7,), (3, 0), (0, 3), (2, 1)):
        x, factors = random.normal(size=(2, *shape)) * 2
        if dtype.startswith("float") and x.size > 3:
            x.flat[2] = NAN
        x, factors = x.astype(dtype), factors.astype(dtype)
        for axis in range(len(shape)):
            wanted = total(kind, x, axis, factors)
            length, inner = shape[axis], math.prod(shape[axis + 1 :])
            lines = x.size // length if length else 0
            inputs = [factors, x] if kind == "linear" else [x]
            given = [*inputs, np.zeros_like(x)]
            routine = Running(kind, dtype, axis)
            *same, found = launched(
                driver, routine, lines, grid, (length, inner), given
            )
            np.testing.assert_array_equal(found, wanted)
            for got, want in zip(same, inputs, strict=True):
                np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("right", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
def test_places(driver: EmulatedDriver, dtype: str, right: bool) -> None:
    values: Any = [3, 0, 1, 2, 2, 100, 7]
    if dtype.startswith("float"):
        values = [*values, NAN, -np.inf, np.inf, -0.0]
    v = np.array(values).astype(dtype)
    for x in (np.sort(v), v[:0], np.sort(v)[2:3], np.sort(v[:4])):
        side = "right" if right else "left"
        given = [x, v, np.zeros(v.shape, "int64")]
        routine = Places(dtype, right)
        *_, found = launched(driver, routine, v.size, Grid(2, 4), (len(x),), given)
        np.testing.assert_array_equal(found, np.searchsorted(x, v, side))


@pytest.mark.parametrize("name", PTX_OF_ARCHITECTURE)
def test_as_ptx(name: str) -> None:
    """Without calls, and without products that are fused with sums."""
    target = nvptx_target(name)
    for dtype in DTYPES:
        for kind in ("add", "mul", "max", "linear"):
            text = ptx(emit_totals(Running(kind, dtype, 0), target, "one"), target)
            assert ".entry one(" in text and "call" not in text and "fma" not in text
        text = ptx(emit_totals(Places(dtype, True), target, "one"), target)
        assert ".entry one(" in text and "call" not in text
