from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet.gradient import verify_grad
from symnet.graph.types import TensorType
from tests.helpers import run

WRITTEN = {
    "function": lambda x, a: T.nnet.logcumsumexp(x, a),
    "by hand": lambda x, a: T.log(T.cumsum(T.exp(x), a)),
    "twice": lambda x, a: T.log(2 * T.cumsum(T.exp(x), a)) - np.log(2),
    "by product": lambda x, a: T.log(T.cumsum(1 / T.exp(-x), a)),
}


def by_digits(x: Any) -> Any:
    """Of a vector, in 400 digits."""
    with mpmath.workdps(400):
        powers = [mpmath.exp(mpmath.mpf(float(v))) for v in x]
        sums = [mpmath.fsum(powers[: k + 1]) for k in range(len(x))]
        values = np.array([float(mpmath.log(s)) for s in sums])
        weights = np.cos(np.arange(len(x)))
        slopes = [
            float(mpmath.fsum(w * p / s for w, s in list(zip(weights, sums))[k:]))
            for k, p in enumerate(powers)
        ]
    return values, np.array(slopes)


@pytest.mark.parametrize("mode", ["FAST_RUN", "FAST_COMPILE"])
@pytest.mark.parametrize("name", WRITTEN)
def test_values_and_gradients_where_exp_overflows(name: str, mode: str) -> None:
    rng = np.random.default_rng(0)
    x = T.dvector("x")
    result = WRITTEN[name](x, 0)
    cost = T.dot(T.cos(T.arange(x.shape[0])), result)
    f = symnet.function([x], [result, symnet.grad(cost, x)], mode=mode)
    for value in (rng.normal(size=9), 400 * rng.normal(size=12), np.arange(8) * 200.0,
                  np.arange(8) * -200.0, np.array([-1e4, 1e4, -1e4]), np.array([3.0])):  # fmt: skip
        for got, wanted in zip(f(value), by_digits(value), strict=True):
            np.testing.assert_allclose(got, wanted, rtol=1e-11, atol=1e-13)
    assert f(np.zeros(0))[1].shape == (0,)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_every_axis(dtype: str) -> None:
    x = TensorType(dtype, (None, None, None))("x")
    array = (np.random.default_rng(0).normal(size=(2, 3, 4)) * 50).astype(dtype)
    for axis in (0, 1, 2, -1):
        with np.errstate(all="ignore"):
            wanted = np.logaddexp.accumulate(array.astype("float64"), axis=axis)
        tolerance = 4 * float(np.finfo(dtype).eps)
        got = run(T.nnet.logcumsumexp(x, axis), {x: array}, rtol=tolerance)
        assert got.dtype == np.dtype(dtype)
        np.testing.assert_allclose(got, wanted, rtol=tolerance, atol=tolerance)


def test_infinities_and_nan() -> None:
    x = T.dvector("x")
    inf, nan = np.inf, np.nan
    f = symnet.function([x], T.nnet.logcumsumexp(x))
    for row, wanted in (([-inf, -inf], [-inf, -inf]), ([-inf, -800], [-inf, -800]),
                        ([1, inf, 0], [1, inf, inf]), ([1, nan, 0], [1, nan, nan]),
                        ([5, -inf, 5], [5, 5, 5 + np.log(2)])):  # fmt: skip
        np.testing.assert_allclose(f(row), wanted, rtol=1e-15)
    slope = symnet.function([x], symnet.grad(T.nnet.logcumsumexp(x).sum(), x))
    np.testing.assert_array_equal(slope([-inf, -inf]), [0, 0])
    np.testing.assert_array_equal(slope([-inf, 2.0]), [0, 1])


def test_derivatives_to_second_order() -> None:
    array = np.random.default_rng(1).normal(size=(4, 3))
    for axis in (0, 1):
        made = lambda x, axis=axis: T.nnet.logcumsumexp(x, axis)  # noqa: E731
        verify_grad(made, [array])
        verify_grad(
            lambda x, made=made: T.grad((made(x) ** 2).sum(), x),
            [array],
        )


def test_whole_numbers_become_floats() -> None:
    got = T.nnet.logcumsumexp([0, 0]).eval()
    np.testing.assert_allclose(got, [0, np.log(2)])


def test_partial_likelihood_of_large_risks() -> None:
    """Cox's, with times in order: the risk of an event against those still at risk."""
    x = T.fvector("x")
    cost = -(x - T.log(T.extra_ops.cumsum(T.exp(x)))).mean()
    f = symnet.function([x], [cost, symnet.grad(cost, x)])
    value = np.array([300.0, 299.0, -200.0, 305.0], "float32")
    values, _ = by_digits(value)
    cost_value, slope = f(value)
    np.testing.assert_allclose(cost_value, -(value - values).mean(), rtol=1e-6)
    assert np.all(np.isfinite(slope))
    np.testing.assert_allclose(slope.sum(), 0, atol=1e-6)
