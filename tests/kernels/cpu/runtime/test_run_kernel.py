"""Running one kernel by hand."""

from __future__ import annotations

import numpy as np
import pytest

from symnet.kernels.cpu.runtime.run_kernel import run_kernel
from symnet.kernels.loopir.scalars import Kernel, Output, call, load, reduction
from tests.kernels.kernel_reference import operand

F = "float32"


def double() -> Kernel:
    full = operand(F, [1, 1])
    return Kernel(2, (False, False), (full,), (Output(full, load(0, F) * 2.0),))


def test_it_writes_the_last_arrays() -> None:
    x, out = np.arange(6, dtype=F).reshape(2, 3), np.zeros((2, 3), F)
    arranged = run_kernel(double(), (2, 3), [x, out])
    np.testing.assert_array_equal(out, 2 * x)
    assert arranged.total == 1


def test_arrays_must_fit_the_kernel() -> None:
    x = np.zeros((2, 3), F)
    with pytest.raises(ValueError, match="operand 1 must be float32"):
        run_kernel(double(), (2, 3), [x, x.astype("float64")])
    with pytest.raises(ValueError, match="operand 0 .* sizes"):
        run_kernel(double(), (2, 3), [x[:, :2], x])


def test_kernels_must_make_sense() -> None:
    x = np.zeros((2, 3), F)
    full, value = operand(F, [1, 1]), load(0, F)
    total = Output(full, reduction("sum", value, F))
    with pytest.raises(ValueError, match="no axis is reduced"):
        run_kernel(Kernel(2, (False, False), (full,), (total,)), (2, 3), [x, x])
    narrow = Output(operand(F, [1, 0]), value)
    for reduced in ((False, False), (False, True)):
        with pytest.raises(ValueError, match="one place along axis 1"):
            run_kernel(
                Kernel(2, reduced, (full,), (narrow,)), (2, 3), [x, x[:, 0].copy()]
            )
    with pytest.raises(NotImplementedError, match="no instruction for div of int64"):
        whole = operand("int64", [1])
        quotient = Output(whole, call("div", load(0, "int64"), 2))
        y = np.ones(3, "int64")
        run_kernel(Kernel(1, (False,), (whole,), (quotient,)), (3,), [y, y])


def test_an_output_may_stand_still_if_its_value_does() -> None:
    row, column = operand(F, [0, 1]), operand(F, [1, 0])
    outputs = (
        Output(operand(F, [1, 1]), load(0, F) + load(1, F)),
        Output(column, load(1, F) * 2.0),
    )
    kernel = Kernel(2, (False, False), (row, column), outputs)
    x, y = np.arange(40, dtype=F), np.arange(3, dtype=F)
    table, doubled = np.zeros((3, 40), F), np.zeros(3, F)
    run_kernel(kernel, (3, 40), [x, y, table, doubled])
    np.testing.assert_array_equal(doubled, 2 * y)
    np.testing.assert_array_equal(table, x + y[:, None])
