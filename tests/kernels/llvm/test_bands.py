"""Reductions in bands of lanes: the same bits as without them, whatever their width."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from symnet.kernels.cpu.runtime.run_kernel import run_kernel
from symnet.kernels.loopir.scalars import (
    Kernel,
    Output,
    Scalar,
    call,
    literal,
    load,
    reduction,
)
from symnet.kernels.schedule import arrange
from symnet.kernels.variants import BAND_LANES, Variant
from tests.kernels.kernel_reference import expected, operand

# Rows and lanes: none, one, below and above the rows of a turn, the steps between merges
# of sums, the lanes of a vector, of a block and of a band.
SHAPES = [
    (0, 5), (5, 0), (1, 1), (3, 7), (8, 64), (17, 100),
    (33, 129), (65, 300), (101, BAND_LANES + 13), (1000, 3),
]  # fmt: skip
RESULTS = {"all": "bool", "any": "bool", "argmax": "int64", "argmin": "int64"}


def column_kernel(kind: str, dtype: str, value: Scalar | None = None) -> Kernel:
    """A reduction of the rows of a matrix."""
    reduced = reduction(kind, value or load(0, dtype), RESULTS.get(kind, dtype))
    target = Output(operand(reduced.dtype, [0, 1]), reduced)
    return Kernel(2, (True, False), (operand(dtype, [1, 1]),), (target,))


def numbers(shape: tuple[int, ...], dtype: str) -> Any:
    rng = np.random.default_rng(5)
    if dtype == "bool":
        return rng.random(shape) < 0.5
    if "int" in dtype:
        return rng.integers(-9, 9, shape).astype(dtype)
    return rng.standard_normal(shape).astype(dtype)


def both_ways(kernel: Kernel, sizes: Any, inputs: list[Any], outs: list[Any]) -> None:
    """Into the outputs in bands, after making sure that without them it is the same."""
    plain = [np.zeros_like(out) for out in outs]
    usual = run_kernel(kernel, sizes, [*inputs, *plain]).variant
    assert usual.lanes == "kept" and usual.reduced
    used = run_kernel(kernel, sizes, [*inputs, *outs], banded(usual))
    if not usual.banded:
        assert used.variant.banded
    for got, want in zip(outs, plain, strict=True):
        np.testing.assert_array_equal(got, want)


def banded(variant: Variant) -> Variant:
    return replace(variant, banded=True)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    ("kind", "dtype"),
    [
        ("sum", "float32"), ("sum", "float64"), ("sum", "float16"), ("sum", "int64"),
        ("prod", "float32"), ("max", "float32"), ("min", "float64"), ("max", "int16"),
        ("all", "bool"), ("any", "bool"), ("argmax", "float32"), ("argmin", "int32"),
    ],
)  # fmt: skip
def test_reductions_of_rows(kind: str, dtype: str, shape: tuple[int, int]) -> None:
    rows, lanes = shape
    least = kind.startswith("arg") or (kind == "max" and "int" in dtype)
    if least and not (rows and lanes):
        return  # has no meaning without rows, and none in NumPy without lanes
    x, kernel = numbers((rows, lanes), dtype), column_kernel(kind, dtype)
    out = np.zeros(lanes, RESULTS.get(kind, dtype))
    (want,) = expected(kernel, shape, [x, out])
    # Few rows or lanes may ask for another variant: that of a larger array serves them.
    item = x.itemsize
    like = arrange(kernel, (40, 70), [(70 * item, item), (0, out.itemsize)]).variant
    run_kernel(kernel, shape, [x, out], banded(like))
    tolerance = 64 * float(np.finfo(dtype).eps) if "float" in dtype else 0.0
    np.testing.assert_allclose(out, want, rtol=tolerance, atol=tolerance * 40)
    if kind not in ("sum", "prod"):
        np.testing.assert_array_equal(out, want)


@pytest.mark.parametrize("kind", ["sum", "max", "argmax"])
def test_not_a_number_and_infinities(kind: str) -> None:
    x = numbers((70, 200), "float32")
    x[3, 5] = x[50, 6] = np.nan
    x[4, 7] = x[60, 8] = x[2, 9] = np.inf
    x[69, 9] = x[33, 10] = -np.inf
    kernel = column_kernel(kind, "float32")
    out = np.zeros(200, RESULTS.get(kind, "float32"))
    both_ways(kernel, x.shape, [x], [out])
    with np.errstate(invalid="ignore"):
        want = getattr(np, kind)(x.astype("float64"), axis=0)
    np.testing.assert_allclose(out, want, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "where",
    [
        np.s_[::-1], np.s_[:, ::-1], np.s_[::2], np.s_[:, ::3], np.s_[::-2, 5:-7],
        np.s_[:, :],
    ],
)  # fmt: skip
def test_any_strides(where: Any) -> None:
    x = numbers((90, 700), "float32")[where]
    kernel = column_kernel("sum", "float32")
    out = np.zeros(x.shape[1], "float32")
    strides = [x.strides, (0, 4)]
    used = arrange(kernel, x.shape, strides)
    if used.variant.lanes != "kept":
        pytest.skip("lanes run along the rows")
    both_ways(kernel, x.shape, [x], [out])
    np.testing.assert_allclose(out, x.astype(float).sum(0), rtol=1e-5, atol=1e-5)


def softmax(x: Scalar) -> Scalar:
    exponential = call("exp", x - reduction("max", x, x.dtype))
    return exponential / reduction("sum", exponential, x.dtype)


@pytest.mark.parametrize("shape", SHAPES[2:])
def test_passes_that_store_on_the_way(shape: tuple[int, int]) -> None:
    """The second pass of softmax leaves what the third one needs in the result."""
    x = 5 * numbers(shape, "float32")
    value = softmax(load(0, "float32"))
    target = operand("float32", [1, 1])
    kernel = Kernel(2, (True, False), (target,), (Output(target, value),))
    like = arrange(kernel, (40, 70), [(280, 4), (280, 4)]).variant
    out = np.zeros_like(x)
    run_kernel(kernel, shape, [x, out], banded(like))
    wide = np.exp(x.astype(float) - x.max(0))
    np.testing.assert_allclose(out, wide / wide.sum(0), rtol=1e-6, atol=1e-9)
    run_kernel(kernel, shape, [x, x], banded(like))  # in place
    np.testing.assert_array_equal(x, out)


@pytest.mark.parametrize("rows_reduced", [True, False])
@pytest.mark.parametrize("shape", SHAPES[2:])
def test_a_value_is_kept_for_all_later_passes(
    shape: tuple[int, int], rows_reduced: bool
) -> None:
    """The gradient of softmax needs the exponentials twice, each time with another array."""
    x, w = 3 * numbers(shape, "float32"), numbers(shape[::-1], "float32").reshape(shape)
    y, weight = softmax(load(0, "float32")), load(1, "float32")
    value = y * (weight - reduction("sum", y * weight, "float32"))
    full, axis = operand("float32", [1, 1]), 0 if rows_reduced else 1
    kernel = Kernel(
        2, (rows_reduced, not rows_reduced), (full, full), (Output(full, value),)
    )
    out = np.zeros_like(x)
    run_kernel(kernel, shape, [x, w, out])
    wide = np.exp(x.astype(float) - x.max(axis, keepdims=True))
    want = wide / wide.sum(axis, keepdims=True)
    want *= w - (want * w).sum(axis, keepdims=True)
    np.testing.assert_allclose(out, want, rtol=1e-5, atol=1e-6)


def test_several_results_of_several_passes() -> None:
    """With a row beside the matrix, a number for each row, and results that need both a
    sum, which is merged now and then, and a maximum, which is not."""
    kind = "float64"
    x, shift, weight = load(0, kind), load(1, kind), load(2, kind)
    moved = (x - shift) * weight
    total, most = reduction("sum", moved, kind), reduction("max", moved, kind)
    apart = moved - total / literal(77.0, kind)
    kernel = Kernel(
        2,
        (True, False),
        (operand(kind, [1, 1]), operand(kind, [0, 1]), operand(kind, [1, 0])),
        (
            Output(operand(kind, [0, 1]), total * most + shift),
            Output(operand(kind, [1, 1]), apart),
            Output(operand("int64", [0, 1]), reduction("argmin", apart, "int64")),
        ),
    )
    a, b, c = numbers((77, 333), kind), numbers((333,), kind), numbers((77,), kind)
    outs = [np.zeros(333), np.zeros((77, 333)), np.zeros(333, "int64")]
    both_ways(kernel, a.shape, [a, b, c], outs)
    want = (a - b) * c[:, None]
    np.testing.assert_allclose(outs[0], want.sum(0) * want.max(0) + b, rtol=1e-10)
    np.testing.assert_allclose(outs[1], want - want.mean(0), rtol=1e-10, atol=1e-12)
    np.testing.assert_array_equal(outs[2], (want - want.mean(0)).argmin(0))


@pytest.mark.parametrize("kind", ["sum", "argmax", "prod"])
def test_two_reduced_dimensions_that_are_apart(kind: str) -> None:
    """Axes 0 and 2 of four, as around the channels of images."""
    shape = (5, 3, 45, 70)
    x = numbers(shape, "float32")
    result = RESULTS.get(kind, "float32")
    kernel = Kernel(
        4,
        (True, False, True, False),
        (operand("float32", [1, 1, 1, 1]),),
        (
            Output(
                operand(result, [0, 1, 0, 1]),
                reduction(kind, load(0, "float32"), result),
            ),
        ),
    )
    out = np.zeros((3, 70), result)
    both_ways(kernel, shape, [x], [out])
    (want,) = expected(kernel, shape, [x, out])
    np.testing.assert_allclose(out, want, rtol=1e-4, atol=1e-5)


def test_a_number_that_is_the_same_in_all_lanes() -> None:
    """A reduction of what does not move along the lanes waits in its buffer as well."""
    x, along = numbers((90, 150), "float32"), numbers((90,), "float32")
    value = reduction("sum", load(1, "float32"), "float32") * reduction(
        "max", load(0, "float32"), "float32"
    )
    kernel = Kernel(
        2,
        (True, False),
        (operand("float32", [1, 1]), operand("float32", [1, 0])),
        (Output(operand("float32", [0, 1]), value),),
    )
    out = np.zeros(150, "float32")
    both_ways(kernel, x.shape, [x, along], [out])
    np.testing.assert_allclose(out, x.max(0) * along.sum(), rtol=1e-5)


@pytest.mark.parametrize("cut", [1, 2, 5])
def test_work_can_be_cut_anywhere(cut: int) -> None:
    x = numbers((3, 50, 1500), "float32")
    kernel = Kernel(
        3,
        (False, True, False),
        (operand("float32", [1, 1, 1]),),
        (
            Output(
                operand("float32", [1, 0, 1]),
                reduction("sum", load(0, "float32"), "float32"),
            ),
        ),
    )
    whole, pieces = np.zeros((2, 3, 1500), "float32")
    variant = run_kernel(kernel, x.shape, [x, whole]).variant
    assert variant.banded
    run_kernel(kernel, x.shape, [x, pieces], items_at_once=cut)
    np.testing.assert_array_equal(whole, pieces)
    np.testing.assert_allclose(whole, x.astype(float).sum(1), rtol=1e-5, atol=1e-5)


def test_where_bands_are_used() -> None:
    """Where there are many rows, many lanes, and more than a cache near the core holds; and
    where they are there already, so that a smaller array needs no new code."""
    kernel = column_kernel("sum", "float32")

    def chosen(rows: int, lanes: int, available: tuple[Variant, ...] = ()) -> Variant:
        strides = [(4 * lanes, 4), (0, 4)]
        return arrange(kernel, (rows, lanes), strides, available=available).variant

    large = chosen(1000, 1000)
    assert large.banded
    for rows, lanes in [(20, 500), (100_000, 3), (100, 500)]:
        assert not chosen(rows, lanes).banded
        assert chosen(rows, lanes, (large,)) == large
    small = chosen(100, 500)
    assert chosen(100, 500, (large, small)) == small
    assert large.text != small.text


def test_width_of_bands() -> None:
    """A band for each thread, if there are lanes enough; whole blocks of lanes."""
    kernel = column_kernel("sum", "float32")

    def width(lanes: int, threads: int) -> int:
        strides = [(4 * lanes, 4), (0, 4)]
        arranged = arrange(kernel, (1000, lanes), strides, threads=threads)
        assert arranged.variant.banded
        assert arranged.total == -(-lanes // arranged.words[-2])
        return arranged.words[-2]

    assert width(1000, 1) == 1024
    assert width(1000, 2) == 512
    assert width(100, 2) == 64
    assert width(1000, 64) == 32
    assert width(100_000, 2) == BAND_LANES
