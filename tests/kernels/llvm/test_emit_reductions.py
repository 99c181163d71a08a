"""Kernels that reduce, cut into work items anywhere, beside NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from symnet.kernels.cpu.runtime.run_kernel import run_kernel
from symnet.kernels.loopir.scalars import (
    Kernel,
    Output,
    call,
    index,
    literal,
    load,
    reduction,
)
from tests.kernels.kernel_reference import operand


def softmax_kernel(dtype: str, axis: int) -> Kernel:
    x = load(0, dtype)
    shifted = call("exp", x - reduction("max", x, dtype))
    value = shifted / reduction("sum", shifted, dtype)
    inputs = (operand(dtype, [1, 1]),)
    return Kernel(
        2, (axis == 0, axis == 1), inputs, (Output(operand(dtype, [1, 1]), value),)
    )


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize(
    "shape", [(7, 10), (33, 100), (5, 3), (300, 2), (1, 1), (4, 0)]
)
def test_softmax(dtype: str, axis: int, shape: tuple[int, int]) -> None:
    x = np.random.default_rng(0).standard_normal(shape).astype(dtype) * 10
    out = np.zeros_like(x)
    kernel = softmax_kernel(dtype, axis)
    run_kernel(kernel, shape, [x, out])
    if x.size:
        wide = np.exp(x.astype("float64") - x.max(axis, keepdims=True))
        want = wide / wide.sum(axis, keepdims=True)
        np.testing.assert_allclose(out, want, rtol=12 * np.finfo(dtype).eps, atol=1e-7)
    run_kernel(kernel, shape, [x, x])  # in place
    np.testing.assert_array_equal(x, out)


def test_several_outputs_and_levels() -> None:
    """Variance by the mean, with the deviations stored on the way."""
    x = load(0, "float64")
    count = literal(13.0, "float64")
    deviation = x - reduction("sum", x, "float64") / count
    variance = reduction("sum", deviation * deviation, "float64") / count
    outputs = (
        Output(operand("float64", [1, 1]), deviation / call("sqrt", variance)),
        Output(operand("float64", [1, 0]), variance),
        Output(operand("int64", [1, 0]), reduction("argmax", deviation, "int64")),
    )
    kernel = Kernel(2, (False, True), (operand("float64", [1, 1]),), outputs)
    for order in "CF":
        data = np.asarray(np.random.default_rng(0).random((37, 13)), order=order)
        got = [np.zeros((37, 13)), np.zeros(37), np.zeros(37, "int64")]
        run_kernel(kernel, data.shape, [data, *got])
        np.testing.assert_allclose(got[1], data.var(1), rtol=1e-13)
        np.testing.assert_allclose(
            got[0],
            (data - data.mean(1, keepdims=True)) / data.std(1, keepdims=True),
            rtol=1e-10,
            atol=1e-12,
        )
        np.testing.assert_array_equal(got[2], data.argmax(1))


@given(st.data())
def test_work_can_be_cut_anywhere(data: Any) -> None:
    shape = (
        data.draw(st.sampled_from([1, 3, 8])),
        data.draw(st.sampled_from([5, 100, 3000])),
    )
    kind = data.draw(st.sampled_from(["rows", "columns", "all", "none", "softmax"]))
    x = np.random.default_rng(0).standard_normal(shape).astype("float32")
    value = load(0, "float32") * 1.1 + load(1, "float32")
    reduced = {
        "rows": (False, True),
        "columns": (True, False),
        "all": (True, True),
    }.get(kind)
    if reduced:
        kernel = Kernel(
            2,
            reduced,
            (operand("float32", [1, 1]), operand("float32", [0, 1])),
            (
                Output(
                    operand("float32", [not r for r in reduced]),
                    reduction("sum", value, "float32"),
                ),
            ),
        )
        outs = [
            np.zeros([n for n, r in zip(shape, reduced) if not r], "float32")
            for _ in range(2)
        ]
    else:
        target = Output(operand("float32", [1, 1]), value)
        inputs = (operand("float32", [1, 1]), operand("float32", [0, 1]))
        kernel = Kernel(2, (False, False), inputs, (target,))
        outs = [np.zeros(shape, "float32") for _ in range(2)]
    cut = data.draw(st.integers(1, 5))
    run_kernel(kernel, shape, [x, x[0], outs[0]])
    run_kernel(kernel, shape, [x, x[0], outs[1]], items_at_once=cut)
    np.testing.assert_array_equal(outs[0], outs[1])


@pytest.mark.parametrize("cut", [1, 2, 7])
def test_transposed_work_can_be_cut_anywhere(cut: int) -> None:
    x = np.random.default_rng(0).standard_normal((3, 75, 41)).astype("float32")
    value = load(0, "float32") * 2.0
    full = operand("float32", [1, 1, 1])
    kernel = Kernel(3, (False,) * 3, (full,), (Output(full, value),))
    for view in (x.transpose(0, 2, 1), x.transpose(2, 1, 0), x.transpose(1, 2, 0)):
        out = np.zeros(view.shape, "float32")
        run_kernel(kernel, view.shape, [view, out], items_at_once=cut)
        np.testing.assert_array_equal(out, view * 2)


def test_full_reduction_in_many_parts() -> None:
    x = np.random.default_rng(0).standard_normal(700_001).astype("float32")
    outputs = tuple(
        Output(operand(dtype, [0]), value)
        for dtype, value in [
            ("float32", reduction("sum", load(0, "float32"), "float32") / 2.0),
            ("int64", reduction("argmin", load(0, "float32"), "int64")),
            ("bool", reduction("any", load(0, "float32") > 4.0, "bool")),
        ]
    )
    kernel = Kernel(1, (True,), (operand("float32", [1]),), outputs)
    got = [np.zeros((), out.operand.dtype) for out in outputs]
    arranged = run_kernel(kernel, x.shape, [x, *got])
    assert arranged.total > 1 and arranged.scratch_bytes
    np.testing.assert_allclose(got[0], x.astype(float).sum() / 2, rtol=1e-6)
    assert got[1] == x.argmin() and got[2] == (x > 4).any()


# Counters and computed positions.


@pytest.mark.parametrize("order", ["C", "F"])
def test_counters(order: str) -> None:
    shape = (3, 20, 5)
    value = index(0) * 10000 + index(1) * 100 + index(2)
    out = np.zeros(shape, "int64", order=order)
    kernel = Kernel(3, (False,) * 3, (), (Output(operand("int64", [1, 1, 1]), value),))
    run_kernel(kernel, shape, [out])
    i, j, k = np.indices(shape)
    np.testing.assert_array_equal(out, 10000 * i + 100 * j + k)
    total = Kernel(
        3,
        (False, True, True),
        (),
        (Output(operand("int64", [1, 0, 0]), reduction("sum", value, "int64")),),
    )
    sums = np.zeros(3, "int64")
    run_kernel(total, shape, [sums])
    np.testing.assert_array_equal(sums, out.sum((1, 2)))
