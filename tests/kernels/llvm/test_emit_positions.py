"""Kernels that read and write at computed positions, beside NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from symnet.kernels.cpu.runtime.run_kernel import run_kernel
from symnet.kernels.loopir.scalars import (
    Kernel,
    Output,
    gather,
    load,
)
from tests.kernels.kernel_reference import expected, operand, samples


def rows_kernel(dtype: str) -> Kernel:
    """out[i, j] = table[where[i], j]"""
    value = gather(1, [load(0, "int64")], dtype)
    inputs = (operand("int64", [1, 0]), operand(dtype, [0, 1], 1))
    return Kernel(2, (False, False), inputs, (Output(operand(dtype, [1, 1]), value),))


@pytest.mark.parametrize("dtype", ["float32", "float64", "int8", "bool", "float16"])
def test_gather_rows_and_elements(dtype: str) -> None:
    table = samples(dtype, 12 * 35).reshape(12, 35)
    where = np.array([0, 11, -1, -12, 5, 5], "int64")
    out = np.zeros((6, 35), dtype)
    run_kernel(rows_kernel(dtype), out.shape, [where, table, out])
    np.testing.assert_array_equal(out, table[where])
    run_kernel(rows_kernel(dtype), (6, 12), [where, table.T[:12], out[:, :12]])
    np.testing.assert_array_equal(out[:, :12], table.T[:12][where])
    # Two computed positions, varying from lane to lane.
    value = gather(2, [load(0, "int64"), load(1, "int64")], dtype)
    inputs = (operand("int64", [1]), operand("int64", [1]), operand(dtype, [0], 2))
    kernel = Kernel(1, (False,), inputs, (Output(operand(dtype, [1]), value),))
    rng = np.random.default_rng(0)
    i, j = rng.integers(-12, 12, 100), rng.integers(-35, 35, 100)
    picked = np.zeros(100, dtype)
    run_kernel(kernel, (100,), [i, j, table, picked])
    np.testing.assert_array_equal(picked, table[i, j])


@pytest.mark.parametrize("bad", [12, -13, 2**40])
def test_positions_outside(bad: int) -> None:
    table = samples("float32", 12 * 35).reshape(12, 35)
    out = np.zeros((6, 35), "float32")
    with pytest.raises(IndexError):
        run_kernel(
            rows_kernel("float32"),
            out.shape,
            [np.array([0, 1, bad, 3, 4, 5]), table, out],
        )
    value = gather(1, [load(0, "int64")], "float32")
    inputs = (operand("int64", [1]), operand("float32", [0], 1))
    kernel = Kernel(1, (False,), inputs, (Output(operand("float32", [1]), value),))
    for place in (0, 15, 16, 36):
        where = np.zeros(37, "int64")
        where[place] = bad
        with pytest.raises(IndexError):
            run_kernel(kernel, (37,), [where, table[:, 0], np.zeros(37, "float32")])
    with pytest.raises(IndexError):
        empty = np.zeros(0, "float32")
        run_kernel(kernel, (1,), [np.zeros(1, "int64"), empty, np.zeros(1, "float32")])
    run_kernel(
        kernel,
        (0,),
        [np.zeros(0, "int64"), np.zeros(0, "float32"), np.zeros(0, "float32")],
    )


@pytest.mark.parametrize("mode", ["set", "add"])
@pytest.mark.parametrize("dtype", ["float32", "int64", "float16"])
def test_scatter(mode: str, dtype: str) -> None:
    rng = np.random.default_rng(0)
    where = rng.integers(-7, 7, 50)
    for shape, axes in (((50,), [0]), ((50, 19), [0, 1])):
        rank = len(shape)
        values = samples("int8", int(np.prod(shape))).reshape(shape).astype(dtype)
        target = operand(dtype, axes, 1)
        kernel = Kernel(
            rank,
            (False,) * rank,
            (operand("int64", [1] + [0] * (rank - 1)), operand(dtype, [1] * rank)),
            (Output(target, load(1, dtype) * 2, (load(0, "int64"),), mode),),
        )
        start = np.ones((7, *shape[1:]), dtype)
        got = start.copy()
        run_kernel(kernel, shape, [where, values, got])
        (want,) = expected(kernel, shape, [where, values, start])
        np.testing.assert_array_equal(got, want)
        with pytest.raises(IndexError):
            run_kernel(kernel, shape, [np.full(50, 7), values, got])


# Variants.
