"""Functions of sums, differences and tails, against many digits."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest

from symnet.gradient import grad
from symnet.graph.evaluate import evaluate
from symnet.graph.types import TensorType
from symnet.ops.reduce import sum as sum_over
from symnet.ops.tails import (
    log1m_tanh,
    log1mexp,
    log1mexp_exp,
    log1mexp_exp_slope,
    log_cosh,
    log_erf_gap,
    log_erfc,
    log_erfc_excess,
    log_erfc_slope,
    log_softplus,
    log_softplus_slope,
    logaddexp,
    reciprocal_expm1,
    softplus_ratio,
)
from tests.helpers import run

POINTS = [1e-8, 0.3, 1.0, 3.9, 4.1, 12.5, 50.0, 100.0, 800.0, 1e4]
POINTS += [-p for p in POINTS]


def _slope(x: Any) -> Any:
    return -2 / mpmath.sqrt(mpmath.pi) * mpmath.exp(-x * x) / mpmath.erfc(x)


def _softplus(x: Any) -> Any:
    return mpmath.log1p(mpmath.exp(x))


def _log1mexp_exp(x: Any) -> Any:
    # At the far end it is -exp(-exp(x)), which is nothing to any number of digits.
    return mpmath.log(-mpmath.expm1(-mpmath.exp(x))) if x < 20 else mpmath.mpf(0)


ONE = {
    "log1mexp": (log1mexp, lambda x: mpmath.log(-mpmath.expm1(x))),
    "reciprocal_expm1": (reciprocal_expm1, lambda x: 1 / mpmath.expm1(x)),
    "log_erfc": (log_erfc, lambda x: mpmath.log(mpmath.erfc(x))),
    "log_erfc_slope": (log_erfc_slope, _slope),
    "log_erfc_excess": (log_erfc_excess, lambda x: 2 * x + _slope(x)),
    "log1m_tanh": (log1m_tanh, lambda x: mpmath.log(2 / (1 + mpmath.exp(2 * x)))),
    "log_cosh": (log_cosh, lambda x: mpmath.log(mpmath.cosh(x))),
    "log_softplus": (log_softplus, lambda x: mpmath.log(_softplus(x))),
    "log_softplus_slope": (
        log_softplus_slope, lambda x: 1 / ((1 + mpmath.exp(-x)) * _softplus(x))),
    "softplus_ratio": (
        softplus_ratio, lambda x: _softplus(x) / mpmath.exp(min(x, mpmath.mpf(0)))),
    "log1mexp_exp": (log1mexp_exp, _log1mexp_exp),
    "log1mexp_exp_slope": (
        log1mexp_exp_slope,
        lambda x: mpmath.exp(x) / mpmath.expm1(mpmath.exp(x)) if x < 20 else mpmath.mpf(0)),
}  # fmt: skip
# Of the derivatives of these, which are differences, only the absolute error is small.
LAST = ("log_erfc_excess", "log_softplus_slope", "log1mexp_exp_slope", "softplus_ratio")


@pytest.mark.parametrize("name", ONE)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_values_and_derivatives_agree_with_many_digits(name: str, dtype: str) -> None:
    op, exact = ONE[name]
    points = [p for p in POINTS if p < 0 or name != "log1mexp"]
    array = np.array([p for p in points if abs(p) >= np.finfo(dtype).tiny], dtype)
    x = TensorType(dtype, (None,))("x")
    y = op(x)
    orders = 3 if name == "log_erfc" else 2
    outputs = [y]
    while len(outputs) < orders and name not in LAST:
        outputs.append(grad(sum_over(outputs[-1]), x))
    limits = np.finfo(dtype)
    with mpmath.workdps(110):
        for order, got in enumerate(run(outputs, {x: array})):
            for point, value in zip(array, got, strict=True):
                want = mpmath.diff(
                    exact, mpmath.mpf(float(point)), order, h=mpmath.mpf(10) ** -40
                )
                if abs(want) < limits.max:
                    error = abs(mpmath.mpf(float(value)) - want)
                    assert error <= 60 * limits.eps * abs(want) + limits.tiny, point


@pytest.mark.parametrize("name", ONE)
def test_references_round_to_float16_once(name: str) -> None:
    op, exact = ONE[name]
    limits = np.finfo("float16")
    low, high = (-6, -0.125) if name == "log1mexp" else (-9, 6)
    array = np.linspace(low, high, 79).astype("float16")
    x = TensorType("float16", (None,))("x")
    (got,) = evaluate([op(x)], {x: array})
    assert got.dtype == "float16"
    with mpmath.workdps(110):
        for point, value in zip(array, got, strict=True):
            want = exact(mpmath.mpf(float(point)))
            if limits.tiny < abs(want) < limits.max:
                error = abs(mpmath.mpf(float(value)) - want)
                assert error <= 1.02 * limits.eps * abs(want), point


def test_logaddexp() -> None:
    x, y = TensorType("float64", (None,))("x"), TensorType("float64", (None,))("y")
    infinity = np.inf
    left = np.array(
        [1.0, 1000, -1000, infinity, -infinity, infinity, -infinity, 3, np.nan]
    )
    right = np.array([2.0, 999, 800, infinity, -infinity, -infinity, 5, 3, 1])
    outputs = [logaddexp(x, y), *grad(sum_over(logaddexp(x, y)), [x, y])]
    value, by_x, by_y = run(outputs, {x: left, y: right})
    with np.errstate(invalid="ignore"):
        np.testing.assert_allclose(value, np.logaddexp(left, right), rtol=1e-15)
        finite = np.isfinite(left - right)
        shares = 1 / (1 + np.exp(np.clip(right - left, -700, 700)))[finite]
    np.testing.assert_allclose(by_x[finite], shares, rtol=1e-14, atol=1e-300)
    np.testing.assert_allclose(by_y[finite], 1 - shares, rtol=1e-14, atol=1e-300)


def test_where_they_are_not_defined() -> None:
    x = TensorType("float64", (None,))("x")
    points = np.array([0.0, -0.0, 1.0, -np.inf, np.inf, np.nan])
    (value,) = run([log1mexp(x)], {x: points})
    np.testing.assert_array_equal(value, [-np.inf, -np.inf, np.nan, 0, np.nan, np.nan])
    (value,) = run([reciprocal_expm1(x)], {x: points})
    assert value[0] == np.inf and value[1] == -np.inf and value[3:5].tolist() == [-1, 0]
    (value,) = run([log_erfc(x)], {x: points})
    assert value[0] == 0 and value[3] == np.log(2) and value[4] == -np.inf
    assert np.isnan(value[5])


@pytest.mark.parametrize("name", LAST[1:])
def test_derivatives_of_the_slopes(name: str) -> None:
    op, exact = ONE[name]
    x = TensorType("float64", (None,))("x")
    array = np.array(POINTS)
    (got,) = run([grad(sum_over(op(x)), x)], {x: array})
    with mpmath.workdps(110):
        want = [
            mpmath.diff(exact, mpmath.mpf(p), h=mpmath.mpf(10) ** -40) for p in POINTS
        ]
    np.testing.assert_allclose(got, np.array(want, float), rtol=1e-14, atol=4e-16)


def test_their_ends() -> None:
    x = TensorType("float64", (None,))("x")
    ends = np.array([-np.inf, np.inf, np.nan])
    ops = (log_softplus, log_softplus_slope, log1mexp_exp, log1mexp_exp_slope)
    found = run([op(x) for op in ops], {x: ends})
    want = [[-np.inf, np.inf], [1, 0], [-np.inf, 0], [1, 0]]
    for value, limits in zip(found, want):
        np.testing.assert_array_equal(value, [*limits, np.nan])


BOUNDS = [
    (0.5, 0.25), (1.0, -1.0), (0.2, -3.0), (9.0, 8.0), (-8.0, -9.0), (30.0, 29.5),
    (-29.5, -40.0), (40.0, 0.0), (0.7, 0.6), (-0.4, -0.6), (3.0, -30.0), (200.0, 100.0),
]  # fmt: skip


def _between(a: Any, b: Any) -> Any:
    """Log of erf(a) - erf(b), of many digits."""
    if a + b < 0:
        a, b = -b, -a
    return mpmath.log(mpmath.erfc(b) - mpmath.erfc(a))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_what_lies_between_bounds(dtype: str) -> None:
    left, right = np.array(BOUNDS).T.astype(dtype)
    a, b = TensorType(dtype, (None,))("a"), TensorType(dtype, (None,))("b")
    y = log_erf_gap(a, b)
    found = run([y, *grad(sum_over(y), [a, b])], {a: left, b: right})
    limits = np.finfo(dtype)
    with mpmath.workdps(60):
        for k, (high, low) in enumerate(zip(left.tolist(), right.tolist())):
            one, two = mpmath.mpf(high), mpmath.mpf(low)
            level = _between(one, two)
            share = 2 / mpmath.sqrt(mpmath.pi)
            want = [level, share * mpmath.exp(-one * one - level),
                    -share * mpmath.exp(-two * two - level)]  # fmt: skip
            # The logarithm's own rounding becomes the slopes'.
            size = 1 + max(abs(level), one * one, two * two)
            for got, exact, scale in zip(found, want, [10, 10 * size, 10 * size]):
                if abs(exact) < float(limits.max):
                    error = abs(mpmath.mpf(float(got[k])) - exact)
                    least = float(limits.smallest_normal)
                    assert error <= scale * float(limits.eps) * abs(exact) + least, (
                        high,
                        low,
                    )


def test_bounds_that_have_nothing_or_all_between_them() -> None:
    a, b = TensorType("float64", (None,))("a"), TensorType("float64", (None,))("b")
    infinity, nan = np.inf, np.nan
    left = np.array([infinity, infinity, 3.0, infinity, -infinity, 1.0, 1.0, nan, 1.0])
    right = np.array(
        [-infinity, 3.0, -infinity, infinity, -infinity, 1.0, 2.0, 1.0, nan]
    )
    (got,) = run([log_erf_gap(a, b)], {a: left, b: right})
    tail = float(mpmath.log(mpmath.erfc(3)))
    rest = float(mpmath.log(1 + mpmath.erf(3)))
    want = [np.log(2), tail, rest, -infinity, -infinity, -infinity, nan, nan, nan]
    np.testing.assert_allclose(got, want, rtol=1e-15)
