"""Kernels over operands that lie in any way, reductions among them, against NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from symnet.kernels.cpu.runtime.run_kernel import run_kernel
from symnet.kernels.loopir.scalars import (
    GROUP_BLOCKS,
    GROUP_NUMBERS,
    Kernel,
    Output,
    Scalar,
    binary,
    call,
    cast,
    index,
    load,
    reduction,
    scalar,
)
from tests.kernels.kernel_reference import expected, operand, same, samples

SHAPES = st.lists(
    st.sampled_from([0, 1, 2, 3, 5, 16, 17, 33, 70]), min_size=0, max_size=3
)


def laid_out(data: Any, shape: tuple[int, ...], dtype: str) -> Any:
    """An array of this shape whose axes lie in any order, with any gaps and directions."""
    order = data.draw(st.permutations(range(len(shape))))
    steps = [data.draw(st.sampled_from([1, 1, 1, 2, -1, -3])) for _ in shape]
    padding = [data.draw(st.sampled_from([0, 0, 3])) for _ in shape]
    sizes = [n * abs(s) + p for n, s, p in zip(shape, steps, padding)]
    base = samples(dtype, int(np.prod([sizes[k] for k in order])) + 2, len(shape))[2:]
    base = base.reshape([sizes[k] for k in order]).transpose(np.argsort(order))
    parts = [slice(0, n * abs(s), abs(s)) for n, s in zip(shape, steps)]
    flips = [slice(None, None, 1 if s > 0 else -1) for s in steps]
    result = base[(*parts, ...)][(*flips, ...)]
    assert result.shape == shape
    return result


@given(
    st.data(), SHAPES, st.sampled_from(["float32", "float64", "int8", "bool", "int32"])
)
def test_any_layout(data: Any, shape: list[int], dtype: str) -> None:
    rank = len(shape)
    masks = [data.draw(st.tuples(*[st.booleans()] * rank)) for _ in range(2)]
    operands = tuple(operand(dtype, mask) for mask in masks)
    arrays = [
        laid_out(data, tuple(n for n, m in zip(shape, mask) if m), dtype)
        for mask in masks
    ]
    kernel = Kernel(
        rank,
        (False,) * rank,
        operands,
        (
            Output(
                operand(dtype, [1] * rank),
                binary("maximum", load(0, dtype), load(1, dtype)),
            ),
            Output(operand("float32", [1] * rank), cast(load(1, dtype), "float32")),
        ),
    )
    outputs = [laid_out(data, tuple(shape), dtype), np.zeros(shape, "float32")]
    want = expected(kernel, shape, [*arrays, *outputs])
    run_kernel(kernel, shape, [*arrays, *outputs])
    for got, wanted in zip(outputs, want):
        same(got, wanted)


@given(
    st.data(),
    SHAPES.filter(lambda shape: len(shape) > 0),
    st.sampled_from(["sum", "prod", "max", "min", "argmax", "argmin", "all", "any"]),
    st.sampled_from(["float32", "float64", "int32", "int8", "float16"]),
)
def test_reductions_of_any_layout(
    data: Any, shape: list[int], kind: str, dtype: str
) -> None:
    reduced = data.draw(st.tuples(*[st.booleans()] * len(shape)).filter(any))
    empty = 0 in [n for n, r in zip(shape, reduced) if r]
    if empty and (
        kind.startswith("arg") or (kind in ("max", "min") and "int" in dtype)
    ):
        return
    array = laid_out(data, tuple(shape), dtype)
    if kind in ("sum", "prod") and "float" in dtype:
        array = np.where(np.isfinite(array), array, 1).astype(dtype)
        if kind == "prod":
            array = np.clip(array, -1.05, 1.05)
    result = {"all": "bool", "any": "bool", "argmax": "int64", "argmin": "int64"}.get(
        kind, dtype
    )
    value = reduction(kind, load(0, dtype), result)
    if kind == "sum":
        value = value + 1
    target = operand(result, [not r for r in reduced])
    kernel = Kernel(
        len(shape),
        reduced,
        (operand(dtype, [1] * len(shape)),),
        (Output(target, value),),
    )
    out = np.zeros([n for n, r in zip(shape, reduced) if not r], result)
    run_kernel(kernel, shape, [array, out])
    (want,) = expected(kernel, shape, [array, out])
    if kind in ("sum", "prod") and "float" in dtype:
        scale = np.abs(array.astype(float)).sum() if kind == "sum" else 1.0
        eps = float(np.finfo(dtype).eps)
        np.testing.assert_allclose(
            out, want, rtol=300 * eps, atol=8 * eps * float(scale)
        )
    else:
        same(out, want)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("axis", [0, 1, None])
def test_long_sums_are_accurate(dtype: str, axis: int | None) -> None:
    rng = np.random.default_rng(1)
    x = (rng.random((3000, 500)) + 0.5).astype(dtype)
    reduced = tuple(axis is None or k == axis for k in (0, 1))
    target = operand(dtype, [not r for r in reduced])
    kernel = Kernel(
        2,
        reduced,
        (operand(dtype, [1, 1]),),
        (Output(target, reduction("sum", load(0, dtype), dtype)),),
    )
    out = np.zeros([n for n, r in zip(x.shape, reduced) if not r], dtype)
    run_kernel(kernel, x.shape, [x, out])
    exact = x.astype(np.longdouble).sum(axis)
    error = np.abs(out - exact).max() / np.abs(exact).max()
    numpys = np.abs(x.sum(axis) - exact).max() / np.abs(exact).max()
    assert error <= max(numpys, 1.5 * np.finfo(dtype).eps)


def test_sums_of_infinities_and_nan() -> None:
    x = np.ones((4, 100), "float32")
    x[0, 3] = np.inf
    x[1, 5], x[1, 90] = np.inf, -np.inf
    x[2, 7] = np.nan
    for axis in (0, 1):
        reduced = (axis == 0, axis == 1)
        y = x if axis == 1 else np.ascontiguousarray(x.T)
        kernel = Kernel(
            2,
            reduced,
            (operand("float32", [1, 1]),),
            (
                Output(
                    operand("float32", [not r for r in reduced]),
                    reduction("sum", load(0, "float32"), "float32"),
                ),
            ),
        )
        out = np.zeros(4, "float32")
        run_kernel(kernel, y.shape, [y, out])
        np.testing.assert_array_equal(out, [np.inf, np.nan, np.nan, 100])


@pytest.mark.parametrize("kind", ["max", "min", "argmax", "argmin"])
@pytest.mark.parametrize("axis", [0, 1])
def test_extremes_with_nan_and_ties(kind: str, axis: int) -> None:
    rng = np.random.default_rng(0)
    x = rng.integers(0, 4, (40, 150)).astype("float32")
    x[3, 20] = x[3, 99] = np.nan
    x[5] = -np.inf
    x[6] = np.inf
    x[:, 7] = np.nan if axis == 0 else x[:, 7]
    result = "int64" if kind.startswith("arg") else "float32"
    reduced = (axis == 0, axis == 1)
    target = operand(result, [not r for r in reduced])
    kernel = Kernel(
        2,
        reduced,
        (operand("float32", [1, 1]),),
        (Output(target, reduction(kind, load(0, "float32"), result)),),
    )
    out = np.zeros(x.shape[1 - axis], result)
    run_kernel(kernel, x.shape, [x, out])
    np.testing.assert_array_equal(out, getattr(np, kind)(x, axis=axis))


def interleaved_words(axis: int) -> Scalar:
    """Number 4 b + w, where the position along the axis takes word w of block b."""
    block = call("block_of", index(axis))
    words = [cast(block * 4 + k, "uint32") for k in range(4)]
    return scalar("word_of", (index(axis), *words), "uint32")


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("shape", [(5, 64), (3, 1075), (4, 45), (70, 3), (9, 8)])
def test_interleaved_words(order: str, shape: tuple[int, int]) -> None:
    places = np.indices(shape)[1]
    block, word = (
        places // GROUP_NUMBERS * GROUP_BLOCKS + places % GROUP_BLOCKS,
        places // GROUP_BLOCKS % 4,
    )
    wanted = 4 * block + word
    own = (Output(operand("uint32", [1, 1]), interleaved_words(1)),)
    drawn = np.zeros(shape, "uint32", order=order)  # type: ignore[call-overload]
    run_kernel(Kernel(2, (False, False), (), own), shape, [drawn])
    np.testing.assert_array_equal(drawn, wanted)
    x = np.random.default_rng(0).random(shape).astype("float32")
    value = cast(interleaved_words(1), "float64") * cast(load(0, "float32"), "float64")
    for axis in (0, 1):
        kept = [axis != 0, axis != 1]
        out = Output(operand("float64", kept), reduction("sum", value, "float64"))
        sums = np.zeros(shape[1 - axis])
        inputs = (operand("float32", [1, 1]),)
        kernel = Kernel(2, (axis == 0, axis == 1), inputs, (out,))
        run_kernel(kernel, shape, [np.asarray(x, order=order), sums])  # type: ignore[call-overload]
        total = (wanted * x.astype(float)).sum(axis)
        np.testing.assert_allclose(sums, total, rtol=1e-12)
