"""Modified Bessel functions without their growth, against many digits."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import pytest

import symnet.tensor as T
from symnet.compile.function import function
from symnet.gradient import grad
from symnet.graph.evaluate import evaluate
from symnet.graph.types import TensorType
from symnet.ops.bessel_tails import (
    FAR_SLOPE,
    NEAR_SLOPE,
    bessel_ratio,
    bessel_ratio_slope,
    log_i0,
    log_iv,
)  # fmt: skip
from tests.helpers import run

POINTS = [1e-8, 0.3, 0.49, 0.6, 1.0, 5.0, 12.5, 29.9, 30.1, 89.0, 800.0, 1e4]
POINTS += [-p for p in POINTS] + [0.0]


def _quotient(x: Any) -> Any:
    return mpmath.besseli(1, x) / mpmath.besseli(0, x)


def _derivative(exact: Callable[[Any], Any], order: int, point: float) -> Any:
    x = mpmath.mpf(point)
    return mpmath.diff(exact, x, order, h=mpmath.mpf(10) ** -20) if order else exact(x)


def _check(
    got: np.ndarray[Any, Any],
    points: np.ndarray[Any, Any],
    exact: Callable[[Any], Any],
    order: int,
    allowed: float,
) -> None:
    """allowed: in units of the dtype's precision."""
    limits = np.finfo(got.dtype)
    with mpmath.workdps(90):
        for point, value in zip(points, got, strict=True):
            want = _derivative(exact, order, float(point))
            if abs(want) < float(limits.max):
                error = abs(mpmath.mpf(float(value)) - want)
                least = float(limits.smallest_normal)
                assert error <= allowed * float(limits.eps) * abs(want) + least, point


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_log_i0_and_its_derivatives(dtype: str) -> None:
    points = np.array(
        [p for p in POINTS if p == 0 or abs(p) > 1e-4 or dtype[-2:] != "16"]
    )
    points = points.astype(dtype)
    x = TensorType(dtype, (None,))("x")
    outputs = [log_i0(x)]
    for _ in range(2):
        outputs.append(grad(T.sum(outputs[-1]), x))
    for order, got in enumerate(run(outputs, {x: points})):
        # The second is a difference: up to 2 * 30**2 of the digits, where they are double.
        allowed = 4000 if order == 2 and dtype == "float64" else 8
        _check(got, points, lambda z: mpmath.log(mpmath.besseli(0, z)), order, allowed)


def test_the_third_derivative_of_log_i0() -> None:
    points = np.array([p for p in POINTS if abs(p) < 20])
    x = T.dvector("x")
    (got,) = run([grad(T.sum(bessel_ratio_slope(x)), x)], {x: points})
    with mpmath.workdps(90):
        want = [_derivative(_quotient, 2, p) for p in points]
    np.testing.assert_allclose(got, np.array(want, float), rtol=1e-9, atol=1e-16)


def test_log_iv() -> None:
    x, v = T.dvector("x"), T.dscalar("v")
    points = np.array([p for p in POINTS if p > 0])
    outputs = [log_iv(v, x), grad(T.sum(log_iv(v, x)), x)]
    for order, got in enumerate(run(outputs, {x: points, v: 2.5})):
        _check(got, points, lambda z: mpmath.log(mpmath.besseli(2.5, z)), order, 40)


def test_log_iv_of_a_high_order_in_narrow_dtypes() -> None:
    x, v = TensorType("float16", (None,))("x"), TensorType("float16", ())("v")
    points, order = np.array([0.5, 3.0, 40.0], "float16"), np.float16(25)
    with mpmath.workdps(50):
        exact = [
            float(mpmath.log(mpmath.besseli(25, mpmath.mpf(float(p))))) for p in points
        ]
    for got in (
        run([log_iv(v, x)], {x: points, v: order}),
        evaluate([log_iv(v, x)], {x: points, v: order}),
    ):
        np.testing.assert_allclose(got[0], exact, rtol=1e-3)


def test_infinities_have_the_limits() -> None:
    ends = np.array([np.inf, -np.inf, np.nan])
    x = T.dvector("x")
    found = run(
        [
            log_i0(x),
            bessel_ratio(x),
            bessel_ratio_slope(x),
            log_iv(1.0, x),
            log_iv(2.0, x),
        ],
        {x: ends},
    )
    infinity, nan = np.inf, np.nan
    want = [
        [infinity, infinity, nan], [1, -1, nan], [0, 0, nan],
        [infinity, nan, nan], [infinity, infinity, nan],
    ]  # fmt: skip
    np.testing.assert_array_equal(found, want)


@pytest.mark.parametrize("op", [log_i0, bessel_ratio, bessel_ratio_slope])
def test_references_round_once(op: Any) -> None:
    array = np.linspace(-40, 40, 161).astype("float16")
    x, wide = TensorType("float16", (None,))("x"), T.dvector("wide")
    (got,) = evaluate([op(x)], {x: array})
    (want,) = evaluate([op(wide)], {wide: array.astype("float64")})
    assert got.dtype == "float16"
    np.testing.assert_allclose(got, want, rtol=2e-3, atol=6e-8)


@pytest.mark.parametrize("mode", ["FAST_RUN", "FAST_COMPILE"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_density_of_von_mises_at_any_concentration(mode: str, dtype: str) -> None:
    k = TensorType(dtype, (None,))("k")
    points = np.array([0.5, 20, 89, 100, 720, 5000], dtype)
    angle = 0.25
    cost = T.sum(k * np.cos(angle).astype(dtype) - T.log(2 * np.pi * T.i0(k)))
    slope = grad(cost, k)
    outputs = [
        cost,
        slope,
        grad(T.sum(slope), k),
        T.i1(k) / T.i0(k),
        T.iv(1, k) / T.iv(0, k),
    ]
    value, first, second, mean, again = function([k], outputs, mode=mode)(points)
    with mpmath.workdps(50):
        c = mpmath.mpf(float(np.cos(angle).astype(dtype)))

        def density(z: Any) -> Any:
            return z * c - mpmath.log(2 * mpmath.pi * mpmath.besseli(0, z))

        exact = [mpmath.mpf(float(p)) for p in points]
        wanted = [[mpmath.diff(density, z, n) for z in exact] for n in (1, 2)]
        total = float(sum(density(z) for z in exact))
        means = np.array([_quotient(z) for z in exact], float)
    rtol = 1e-9 if dtype == "float64" else 2e-5
    np.testing.assert_allclose(value, total, rtol=rtol)
    np.testing.assert_allclose(
        first, np.array(wanted[0], float), rtol=rtol, atol=rtol / 10
    )
    np.testing.assert_allclose(second, np.array(wanted[1], float), rtol=rtol)
    np.testing.assert_allclose(mean, means, rtol=rtol)
    np.testing.assert_allclose(again, means, rtol=rtol)


def test_quotients_and_logarithms_of_other_orders() -> None:
    x = T.dvector("x")
    points = np.array([0.5, 30.0, 900.0])
    with mpmath.workdps(50):
        one, two = (
            [mpmath.besseli(order, mpmath.mpf(p)) for p in points]
            for order in (1.5, 2.5)
        )
        quotient = np.array([b / a for a, b in zip(one, two)], float)
        level = np.array(
            [mpmath.log(mpmath.besseli(1, mpmath.mpf(p))) for p in points], float
        )
    got = function(
        [x], [T.iv(2.5, x) / T.iv(1.5, x), T.log(T.i1(x)), T.log(T.iv(2.5, x))]
    )(points)
    np.testing.assert_allclose(got[0], quotient, rtol=1e-13)
    np.testing.assert_allclose(got[1], level, rtol=1e-13)
    np.testing.assert_allclose(got[2], [float(mpmath.log(b)) for b in two], rtol=1e-13)


def test_the_series_are_those_of_the_equation() -> None:
    """A' = 1 - A / x - A**2, term by term in whole numbers' quotients."""
    far = [Fraction(1)]
    for k in range(1, len(FAR_SLOPE) + 1):
        square = sum((far[j] * far[k - j] for j in range(1, k)), Fraction(0))
        far.append(((k - 2) * far[-1] - square) / 2)
    assert tuple(float(-k * a) for k, a in enumerate(far) if k) == FAR_SLOPE
    near: list[Fraction] = []
    for k in range(len(NEAR_SLOPE)):
        square = sum((near[j] * near[k - 1 - j] for j in range(k)), Fraction(0))
        near.append(((k == 0) - square) / (2 * k + 2))
    assert tuple(float((2 * k + 1) * a) for k, a in enumerate(near)) == NEAR_SLOPE
