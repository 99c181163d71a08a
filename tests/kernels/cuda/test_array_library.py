"""Products and rings by a library of arrays, beside NumPy's own sums."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from symnet.kernels.cuda import array_library
from symnet.kernels.cuda.array_library import offers, run_call
from symnet.kernels.cuda.emulated_driver import EmulatedDriver
from symnet.kernels.interface import Place
from symnet.kernels.library import DenseCall, GemmCall, Unwind
from symnet.kernels.reference.host_arrays import CallMemory, bytes_of, unwritten
from symnet.kernels.routines import MatrixProduct, MrgUniform, Ordering


def call(one: Any, *arrays: Any) -> None:
    """Run a library call on arrays (None: not needed)."""
    held = [a if a is not None else np.empty(0) for a in arrays]
    nothing = bytes_of(np.empty(0))
    memory = CallMemory([bytes_of(a) for a in held], nothing, [], nothing, [])
    places = [Place("base", k) if a is not None else None for k, a in enumerate(arrays)]
    run_call(one, places, memory, EmulatedDriver.arrays)


def test_what_there_is() -> None:
    library = EmulatedDriver.arrays
    for routine in (
        MatrixProduct("float32"),
        MatrixProduct("float64", True),
        MatrixProduct("complex64"),
        MatrixProduct("int8"),
        Ordering("int8", True),
    ):
        assert offers(routine, library), routine
    for other in (
        MatrixProduct("float32", packed=True),
        MatrixProduct("bool"),
        MrgUniform("float32"),
    ):
        assert not offers(other, library), other


def test_a_routine_without_gaps() -> None:
    x, found = np.array([[3.0, 1.0], [np.nan, 2.0]]), np.empty((2, 2))
    operands = ("float64", (2, 2)), ("float64", (2, 2))
    call(DenseCall(Ordering("float64", False), operands, 1, (), list), x, found)
    np.testing.assert_array_equal(found, [[1, 3], [2, np.nan]])


@pytest.mark.parametrize("batch", [(), (2,)])
@pytest.mark.parametrize("longest", [1, 3, 4096])
def test_gemm(batch: Any, longest: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """B lies transposed; alpha is in memory; long sums are made of parts."""
    monkeypatch.setattr(array_library, "LONGEST_SUM", longest)
    random = np.random.default_rng(1)
    a, b, c = (random.normal(size=(*batch, *s)) for s in ((3, 4), (5, 4), (3, 5)))
    wanted = 2 * a @ b.swapaxes(-1, -2) + 3 * c
    loops = ((2, *(m.strides[0] for m in (a, b, c))),) if batch else ()
    strides = (a.strides[-2:], b.strides[-2:][::-1], c.strides[-2:])
    product = GemmCall("float64", (3, 5, 4), strides, None, 3.0, loops)
    call(product, np.array(2.0), a, b, None, c)
    np.testing.assert_allclose(c, wanted)


def test_gemm_reads_what_beta_says() -> None:
    """The number 0 forgets; a 0 in memory does not."""
    a, c = np.ones((2, 2)), np.full((2, 2), np.nan)
    known = GemmCall("float64", (2, 2, 2), ((16, 8),) * 3)
    call(known, None, a, a, None, c)
    np.testing.assert_array_equal(c, 2)
    c[0, 0] = np.nan
    there = GemmCall("float64", (2, 2, 2), ((16, 8),) * 3, 1.0, None)
    call(there, None, a, a, np.array(0.0), c)
    np.testing.assert_array_equal(np.isnan(c), [[True, False], [False, False]])


def test_long_sums_of_one_sign_are_exact() -> None:
    """Roundings that all go one way do not add up."""
    count = 1_000_000
    a = np.full((1, count), 1.1, "float32")
    c = np.zeros((1, 1), "float32")
    steps = ((4 * count, 4), (4, 4), (4, 4))
    call(GemmCall("float32", (1, 1, count), steps), None, a, a, None, c)
    wanted = count * float(np.float32(1.1)) ** 2
    assert abs(c[0, 0] / wanted - 1) < 1e-6


@pytest.mark.parametrize(
    ("iterations", "wanted"), [(0, [0, 0, 10]), (1, [0, 10, 11]), (6, [14, 15, 16])]
)
def test_unwind(iterations: int, wanted: list[int]) -> None:
    ring, rows = np.zeros(4), unwritten(3, "float64")
    for row in range(iterations + 1):
        ring[row % 4] = 10 + row
    call(Unwind(8, 4, 1, 3), ring, np.array(iterations), rows)
    np.testing.assert_array_equal(rows, wanted)
