"""Modified Bessel functions without their exponential growth: I(x) overflows where its
logarithm, and the quotient of two orders, are ordinary numbers.  The rules of stability put
these into graphs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symnet.kernels.loopir.scalars import Scalar, call, cast, literal, select
from symnet.ops.arithmetic import absolute, switch
from symnet.ops.comparison import lt
from symnet.ops.elementwise import Elementwise, elementwise
from symnet.ops.special import from_scipy, ive, order_undefined

NEAR = 0.5  # below it, power series in x**2 are used
FAR = 30.0  # above it, series in 1 / x

# I0(x) = the sum of (x**2 / 4)**k / k!**2, from k = 1 on.
I0_SERIES = tuple(np.cumprod([1 / k**2 for k in range(1, 8)]).tolist())

# The slope of A = I1 / I0: A' = 1 - A / x - A**2, from which the series of A follow.
# In powers of 1 / x, from 1 / x**2 on; and in powers of x**2, from 1 on.
FAR_SLOPE = (
    0.5, 0.25, 0.375, 0.78125, 2.03125, 6.287109375, 22.53125, 91.731689453125, 418.306640625,
    2112.7614974975586, 11711.46044921875, 70704.5485754013, 461875.40673828125,
    3246384.9033884406, 24431241.798706055, 196017082.1258584, 1670297290.8629532,
    15065216096.039572, 143391319817.9729, 1436322244653.6655, 15103969273540.986,
    166366917192891.28, 1915539816086450.0, 2.3011768447837664e+16,
)  # fmt: skip
NEAR_SLOPE = (
    0.5, -0.1875, 0.052083333333333336, -0.012532552083333334, 0.002783203125,
    -0.0005880850332754629, 0.0001201730556588955, -2.397644141363719e-05,
    4.698666677319861e-06, -9.080547756910931e-07,
)  # fmt: skip
# The derivative of the slope divided by x, near 0.
NEAR_BEND = tuple(2 * k * c for k, c in enumerate(NEAR_SLOPE))[1:]


def _series(v: Any, factors: Sequence[float]) -> Any:
    """factors[0] + factors[1] v + ..."""
    total: Any = v * 0.0 + factors[-1]
    for factor in factors[-2::-1]:
        total = total * v + factor
    return total


def _within(x: Scalar) -> Scalar:
    """x, and a number of its sign in the place of an infinity: the function without growth
    is 0 there, whose logarithm would cancel the growth."""
    end = select(x > 0.0, literal(1.0, x.dtype), literal(-1.0, x.dtype))
    return select(call("isinf", x), end, x)


def _within_reference(xp: Any, x: Any) -> Any:
    return xp.where(xp.isinf(x), xp.sign(x), x)


# ---- order 0


def _log_i0(x: Scalar) -> Scalar:
    quarter = 0.25 * call("minimum", x * x, NEAR**2)
    near = call("log1p", quarter * _series(quarter, I0_SERIES))
    a = call("abs", x)
    return select(a < NEAR, near, a + call("log", call("i0e", _within(x))))


def _log_i0_reference(xp: Any, x: Any) -> Any:
    quarter = xp.minimum(x * x, NEAR**2) / 4
    near = xp.log1p(quarter * _series(quarter, I0_SERIES))
    a = xp.abs(x)
    far = a + xp.log(from_scipy("i0e")(xp, _within_reference(xp, x)))
    return xp.where(a < NEAR, near, far)


# log(i0(x)).
log_i0: Elementwise = elementwise(
    _log_i0,
    lambda g, out, x: (g * bessel_ratio(x),),
    _log_i0_reference,
    name="log_i0", compute="float", accepts="f",
)  # fmt: skip


def _ratio(x: Scalar) -> Scalar:
    end = select(x > 0.0, literal(1.0, x.dtype), literal(-1.0, x.dtype))
    return select(call("isinf", x), end, call("i1e", x) / call("i0e", x))


def _ratio_reference(xp: Any, x: Any) -> Any:
    found = from_scipy("i1e")(xp, x) / from_scipy("i0e")(xp, x)
    return xp.where(xp.isinf(x), xp.sign(x), found)


# i1(x) / i0(x), the mean of a von Mises distribution of concentration x.
bessel_ratio: Elementwise = elementwise(
    _ratio,
    lambda g, out, x: (g * bessel_ratio_slope(x),),
    _ratio_reference,
    name="bessel_ratio", compute="float", accepts="f",
)  # fmt: skip


def _slope(x: Scalar) -> Scalar:
    # It is a difference of numbers near 1: of wider ones, where there are any.
    wide = cast(call("abs", x), "float64")
    inner = call("maximum", wide, NEAR)
    ratio = call("i1e", inner) / call("i0e", inner)
    w = 1.0 / call("maximum", wide, FAR)
    far = w * w * _series(w, FAR_SLOPE)
    near = call("minimum", wide, NEAR)
    middle = 1.0 - ratio / inner - ratio * ratio
    found = select(wide < FAR, middle, far)
    return cast(select(wide < NEAR, _series(near * near, NEAR_SLOPE), found), x.dtype)


def _slope_reference(xp: Any, x: Any) -> Any:
    wide = xp.abs(x).astype("float64")
    inner = xp.maximum(wide, NEAR)
    ratio = from_scipy("i1e")(xp, inner) / from_scipy("i0e")(xp, inner)
    w = 1 / xp.maximum(wide, FAR)
    far = w * w * _series(w, FAR_SLOPE)
    found = xp.where(wide < FAR, 1 - ratio / inner - ratio * ratio, far)
    near = _series(xp.minimum(wide, NEAR) ** 2, NEAR_SLOPE)
    return xp.where(wide < NEAR, near, found).astype(x.dtype)


def _bend(g: Any, out: Any, x: Any) -> tuple[Any]:
    small = lt(absolute(x), NEAR)
    inner = switch(small, 1, x)  # at 0 the difference is that of infinities
    ratio = bessel_ratio(inner)
    middle = (ratio / inner - out) / inner - 2 * ratio * out
    return (g * switch(small, x * _series(x * x, NEAR_BEND), middle),)


# The derivative of bessel_ratio.
bessel_ratio_slope: Elementwise = elementwise(
    _slope,
    _bend,
    _slope_reference,
    name="bessel_ratio_slope", compute="float", accepts="f",
)  # fmt: skip


# CuPy has what their references are made of.
for _one in (log_i0, bessel_ratio, bessel_ratio_slope):
    _one.device_arrays = True


# ---- any order


def _log_iv(v: Scalar, x: Scalar) -> Scalar:
    # Of a high order it is small: below the least number of narrow dtypes.
    order, inner = cast(v, "float64"), cast(_within(x), "float64")
    level = call("abs", cast(x, "float64")) + call("log", call("ive", order, inner))
    return cast(level, x.dtype)


def _log_iv_reference(xp: Any, v: Any, x: Any) -> Any:
    order, inner = v.astype("float64"), _within_reference(xp, x).astype("float64")
    level = xp.abs(x).astype("float64") + xp.log(from_scipy("ive")(xp, order, inner))
    return level.astype(x.dtype)


# log(iv(v, x)), NaN where that is negative.
log_iv: Elementwise = elementwise(
    _log_iv,
    order_undefined(
        lambda v, x: 0.5 * (ive(v - 1, x) + ive(v + 1, x)) / ive(v, x)
    ),
    _log_iv_reference,
    name="log_iv", arity=2, compute="float", accepts="f",
)  # fmt: skip
