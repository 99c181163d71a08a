"""Order, distinct elements, counts and running sums, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet.errors import AxisError
from symnet.gradient import grad, verify_grad
from symnet.graph.evaluate import evaluate
from symnet.graph.types import TensorType
from symnet.ops import cumulative as Q
from symnet.ops import operators  # noqa: F401  (attaches + to variables)
from symnet.ops import sorting as S
from symnet.ops.reduce import sum as sum_over
from tests.helpers import run

RANDOM = np.random.default_rng(8)
VALUE = RANDOM.standard_normal((4, 3, 5))
TIES = RANDOM.integers(0, 3, (4, 6))


def variable(*shape, dtype="float64", name="x"):
    return TensorType(dtype, shape)(name)


def cube():
    return variable(None, None, None)


def same(expression, expected, values):
    got = run(expression, values)
    assert got.shape == np.shape(expected)
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("axis", [None, 0, 1, -1])
def test_sort(axis):
    x, t = cube(), variable(None, None, dtype="int64")
    value = VALUE.copy()
    value[1, 1, 1] = np.nan
    same(x.sort(axis), np.sort(value, axis), {x: value})
    same(x.argsort(axis), np.argsort(value, axis, kind="stable"), {x: value})
    if axis != 1:
        same(t.argsort(axis), np.argsort(TIES, axis, kind="stable"), {t: TIES})
    weights = RANDOM.standard_normal(VALUE.size).reshape(np.sort(VALUE, axis).shape)
    verify_grad(lambda v: S.sort(v, axis) * weights, [VALUE])
    with pytest.raises(TypeError):
        S.sort(x, order="f")


@pytest.mark.parametrize("k", [1, 3, -2, 5])
@pytest.mark.parametrize("axis", [-1, None])
def test_topk(k, axis):
    x, n = cube(), variable(dtype="int64", name="n")
    ascending = np.sort(VALUE, axis)
    expected = ascending[..., :-k] if k < 0 else ascending[..., ::-1][..., :k]
    same(S.topk(x, k, axis), expected, {x: VALUE})
    same(S.topk(x, n, axis), expected, {x: VALUE, n: k})
    places = run(S.argtopk(x, k, axis, idx_dtype="int32"), {x: VALUE})
    assert places.dtype == "int32"
    flat = VALUE.reshape(-1) if axis is None else VALUE
    np.testing.assert_array_equal(np.take_along_axis(flat, places, -1), expected)
    verify_grad(lambda v: S.topk(v, k, axis) ** 2, [VALUE])


def test_topk_of_equals():
    x = variable(None, dtype="uint8")
    same(S.argtopk(x, 3), [1, 3, 0], {x: [1, 5, 0, 5, 1]})
    same(S.argtopk(x, -3), [2, 0, 4], {x: [1, 5, 0, 5, 1]})
    for wrong in (0, 6):
        with pytest.raises(ValueError):
            evaluate([S.topk(x, wrong)], {x: np.zeros(5, "uint8")})


@pytest.mark.parametrize("side", ["left", "right"])
def test_searchsorted(side):
    x, v = variable(None), variable(None, None, name="v")
    line, places = np.sort(VALUE[0, 0]), VALUE[1]
    same(
        x.searchsorted(v, side),
        np.searchsorted(line, places, side),
        {x: line, v: places},
    )
    order = np.argsort(VALUE[0, 0])
    got = S.searchsorted(x, v, side, sorter=order)
    same(got, np.searchsorted(line, places, side), {x: VALUE[0, 0], v: places})
    with pytest.raises(ValueError):
        S.searchsorted(x, v, "middle")


def test_unique():
    t = variable(None, None, dtype="int64")
    same(S.unique(t), np.unique(TIES), {t: TIES})
    results = run(S.unique(t, True, True, True), {t: TIES})
    expected = np.unique(TIES.reshape(-1), True, True, True)
    for got, want in zip(results, expected, strict=True):
        np.testing.assert_array_equal(got, want)


def test_bincount():
    t, w = variable(None, dtype="int32", name="t"), variable(None, name="w")
    numbers, weights = np.array([0, 3, 1, 3]), np.arange(1.0, 5)
    values = {t: numbers, w: weights}
    same(S.bincount(t), np.bincount(numbers), values)
    same(S.bincount(t, minlength=6), np.bincount(numbers, minlength=6), values)
    same(S.bincount(t, w), np.bincount(numbers, weights), values)
    same(S.bincount(t), np.zeros(0), {t: []})
    verify_grad(lambda v: S.bincount(numbers, v) ** 2, [weights])
    with pytest.raises(ValueError):
        evaluate([S.bincount(t)], {t: np.array([-1], "int32")})
    with pytest.raises(TypeError):
        S.bincount(variable(None))


# ---- running sums


@pytest.mark.parametrize("axis", [None, 0, -1])
def test_running(axis):
    x = cube()
    same(x.cumsum(axis), np.cumsum(VALUE, axis), {x: VALUE})
    same(x.cumprod(axis), np.cumprod(VALUE, axis), {x: VALUE})
    weights = RANDOM.standard_normal(np.cumsum(VALUE, axis).shape)
    verify_grad(lambda v: Q.cumsum(v, axis) ** 2 * weights, [VALUE])
    with_zeros = VALUE[:, :2, :3].copy()
    with_zeros[1, 0, 1] = with_zeros[2] = 0
    weights = RANDOM.standard_normal(np.cumsum(with_zeros, axis).shape)
    verify_grad(lambda v: Q.cumprod(v, axis) * weights, [with_zeros])
    verify_grad(lambda v: grad(sum_over(Q.cumprod(v, axis) * weights), v), [with_zeros])


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint16", "int64", "float32"])
def test_running_dtypes(dtype):
    x = variable(None, dtype=dtype)
    value = np.array([1, 0, 1, 1]).astype(dtype)
    same(x.cumsum(), np.cumsum(value), {x: value})
    assert x.cumsum().type.dtype == np.cumsum(value).dtype
    same(x.cumsum(), np.cumsum(value[:0]), {x: value[:0]})


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_distinct_slices(axis):
    values = np.array([[1, 2, 1], [1, 2, 1], [0, 5, 0]])
    x = T.lmatrix("x")
    found = T.extra_ops.unique(x, True, True, True, axis=axis)
    expected = np.unique(values, True, True, True, axis=axis)
    for one, want in zip(symnet.function([x], found)(values), expected, strict=True):
        np.testing.assert_array_equal(one, want.reshape(one.shape))
    with pytest.raises(AxisError):
        T.extra_ops.unique(x, axis=2)
