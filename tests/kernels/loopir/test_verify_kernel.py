"""Kernels with planted faults are refused, those of all programs are not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from symnet.kernels.loopir import scalars
from symnet.kernels.loopir.scalars import Kernel, Operand, Output, load
from symnet.kernels.loopir.verify_kernel import KernelError, verify_kernel

ROWS = Operand("float64", (True, True))
ROW = Operand("float64", (True, False))
X = load(0, "float64")
TOTAL = scalars.reduction("sum", X, "float64")


def kernel(value, operand=ROWS, inputs=(ROWS,), reduced=(False, True), **more):
    return Kernel(2, reduced, tuple(inputs), (Output(operand, value, **more),))


RIGHT = {
    "a softmax": kernel(scalars.call("div", X, TOTAL)),
    "a sum": kernel(TOTAL, ROW),
    "a sum of what a sum is taken from": kernel(
        scalars.reduction("sum", X - TOTAL, "float64"), ROW
    ),
    "a gather": kernel(
        scalars.gather(0, [scalars.index(1)], "float64"),
        inputs=[replace(ROW, indexed=1)],
    ),
    "a position": kernel(
        scalars.reduction("argmax", X, "int64"), replace(ROW, dtype="int64")
    ),
}

WRONG = {
    "a load of another dtype": (kernel(load(0, "float32")), "operand 0 is float64"),
    "a load of no operand": (kernel(load(1, "float64")), "no operand 1"),
    "a gather without indices": (
        kernel(X, inputs=[replace(ROWS, indexed=1)]),
        "load of operand 0",
    ),
    "an axis that is not there": (
        kernel(scalars.index(2), replace(ROWS, dtype="int64")),
        "no axis 2",
    ),
    "a host integer": (kernel(scalars.argument(0, "float64")), "no arguments"),
    "a sum of two dtypes": (
        kernel(scalars.scalar("add", [X, load(1, "float32")], "float64"),
               inputs=[ROWS, replace(ROWS, dtype="float32")]),
        "add of",
    ),
    "a comparison that is a number": (
        kernel(scalars.scalar("lt", [X, X], "float64")),
        "lt of",
    ),
    "a choice by a number": (kernel(scalars.select(X, X, X)), "select of"),
    "a total of another dtype": (
        kernel(scalars.reduction("sum", load(0, "float64"), "float32"),
               replace(ROW, dtype="float32")),
        "sum of float64: float32",
    ),
    "a reduction over nothing": (
        kernel(TOTAL, reduced=(False, False)),
        "without axes",
    ),
    "a value behind its reduction": (kernel(X, ROW), r"does not move along i\[1\]"),
    "an output of another dtype": (
        kernel(X, replace(ROWS, dtype="float32")),
        "stores a value of its dtype",
    ),
    "indices that are missing": (kernel(X, replace(ROWS, indexed=1)), "all its indices"),
    "an operand of another rank": (
        kernel(X, inputs=[Operand("float64", (True,))]),
        "of each axis",
    ),
    "no such mode": (kernel(X, mode="swap"), "no mode"),
}  # fmt: skip


@pytest.mark.parametrize("name", RIGHT)
def test_right_kernels(name):
    verify_kernel(RIGHT[name])


@pytest.mark.parametrize("name", WRONG)
def test_a_fault_is_named_with_the_kernel(name):
    wrong, what = WRONG[name]
    with pytest.raises(KernelError, match=what) as caught:
        verify_kernel(wrong)
    assert "kernel for i0" in str(caught.value)


def test_imaginary_parts_lie_behind_real_ones():
    part = replace(ROWS, behind=True)
    verify_kernel(
        Kernel(2, (False, False), (ROWS, part), (Output(ROWS, load(1, "float64")),))
    )
    with pytest.raises(KernelError, match="behind real"):
        verify_kernel(
            Kernel(2, (False, False), (part,), (Output(ROWS, load(0, "float64")),))
        )
