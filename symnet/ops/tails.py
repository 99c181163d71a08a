"""Functions that stay finite where what they are named after has under- or overflowed:
logarithms of sums, differences and tails.  The rules of stability put them into graphs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from symnet.kernels.loopir.scalars import Scalar, call, literal, select
from symnet.ops.arithmetic import minimum, switch
from symnet.ops.comparison import eq, lt
from symnet.ops.elementwise import Elementwise, elementwise
from symnet.ops.functions import exp, sigmoid, tanh
from symnet.ops.special import PER_ROOT_PI, from_scipy

LOG_2 = math.log(2)


# ---- exponentials


def _logaddexp(x: Scalar, y: Scalar) -> Scalar:
    # Equal infinities have no difference.
    gap = select(call("eq", x, y), literal(0.0, x.dtype), call("abs", x - y))
    return call("maximum", x, y) + call("log1p", call("exp", -gap))


def _logaddexp_slopes(g: Any, out: Any, x: Any, y: Any) -> tuple[Any, Any]:
    # Of two minus infinities neither has a share: the result stays what it is.
    stays = eq(out, -math.inf)
    return switch(stays, 0, g * sigmoid(x - y)), switch(stays, 0, g * sigmoid(y - x))


logaddexp = elementwise(
    _logaddexp,
    _logaddexp_slopes,
    "logaddexp",
    name="logaddexp", arity=2, compute="float", accepts="f",
    about="log(exp(x) + exp(y)), finite for all finite x and y.  Gradient: "
    "sigmoid(x - y); sigmoid(y - x).  Example: T.logaddexp(800.0, 800.0) = 800.693...",
)  # fmt: skip


def _log1mexp_reference(xp: Any, x: Any) -> Any:
    return xp.where(x > -LOG_2, xp.log(-xp.expm1(x)), xp.log1p(-xp.exp(x)))


# log(1 - exp(x)), NaN where x is positive.
# Source: Maechler 2012 (which form is exact on which side of -log(2)).
log1mexp = elementwise(
    lambda x: select(
        x > -LOG_2, call("log", -call("expm1", x)), call("log1p", -call("exp", x))
    ),
    lambda g, out, x: (-g * reciprocal_expm1(-x),),
    _log1mexp_reference,
    name="log1mexp", compute="float", accepts="f",
)  # fmt: skip

# 1 / (exp(x) - 1); its derivative, written with both signs, is exact in both tails.
reciprocal_expm1: Elementwise = elementwise(
    lambda x: 1.0 / call("expm1", x),
    lambda g, out, x: (g * (out * reciprocal_expm1(-x)),),
    lambda xp, x: 1 / xp.expm1(x),
    name="reciprocal_expm1", compute="float", accepts="f",
)  # fmt: skip


def _log_cosh(x: Scalar) -> Scalar:
    a = call("abs", x)
    half = call("sinh", 0.5 * call("minimum", a, 1.0))
    far = a + (call("log1p", call("exp", -2.0 * a)) - LOG_2)
    return select(a < 1.0, call("log1p", 2.0 * half * half), far)


def _log_cosh_reference(xp: Any, x: Any) -> Any:
    a = xp.abs(x)
    near = xp.log1p(2 * xp.sinh(xp.minimum(a, 1) / 2) ** 2)
    return xp.where(a < 1, near, a + (xp.log1p(xp.exp(-2 * a)) - LOG_2))


# log(cosh(x)).
log_cosh = elementwise(
    _log_cosh,
    lambda g, out, x: (g * tanh(x),),
    _log_cosh_reference,
    name="log_cosh", compute="float", accepts="f",
)  # fmt: skip


def _log1m_tanh(x: Scalar) -> Scalar:
    far = LOG_2 - call("softplus", x + x)
    return select(x < 1.0, call("log1p", -call("tanh", x)), far)


def _log1m_tanh_reference(xp: Any, x: Any) -> Any:
    near = xp.log1p(-xp.tanh(xp.minimum(x, 1)))
    return xp.where(x < 1, near, LOG_2 - _softplus_reference(xp, x + x))


# log(1 - tanh(x)).
log1m_tanh = elementwise(
    _log1m_tanh,
    lambda g, out, x: (g * (-2 * sigmoid(x + x)),),
    _log1m_tanh_reference,
    name="log1m_tanh", compute="float", accepts="f",
)  # fmt: skip


# ---- logarithms of what is itself exponentially small

SMALL = -8.0  # below this logarithm of v, the series in v are used


def _series(v: Any, factors: Sequence[float]) -> Any:
    """factors[0] v + factors[1] v**2 + ..."""
    total: Any = v * factors[-1]
    for factor in factors[-2::-1]:
        total = v * (factor + total)
    return total


# log(log(1 + v) / v), and its derivative times v.
LOG1P_SERIES = (-1 / 2, 5 / 24, -1 / 8, 251 / 2880)
LOG1P_SLOPE = tuple(k * c for k, c in enumerate(LOG1P_SERIES, 1))
# log((1 - exp(-v)) / v), and its derivative times v.
EXPM1_SERIES = (-1 / 2, 1 / 24)
EXPM1_SLOPE = (-1 / 2, 1 / 12)


def _log_softplus(x: Scalar) -> Scalar:
    near = call("log", call("softplus", x))
    return select(x < SMALL, x + _series(call("exp", x), LOG1P_SERIES), near)


def _softplus_reference(xp: Any, x: Any) -> Any:
    return xp.maximum(x, 0) + xp.log1p(xp.exp(-xp.abs(x)))


def _log_softplus_reference(xp: Any, x: Any) -> Any:
    small = x + _series(xp.exp(xp.minimum(x, SMALL)), LOG1P_SERIES)
    return xp.where(x < SMALL, small, xp.log(_softplus_reference(xp, x)))


# log(log(1 + exp(x))).
log_softplus: Any = elementwise(
    _log_softplus,
    lambda g, out, x: (g * log_softplus_slope(x),),
    _log_softplus_reference,
    name="log_softplus", compute="float", accepts="f",
)  # fmt: skip


def _log_softplus_slope(x: Scalar) -> Scalar:
    near = call("sigmoid", x) / call("softplus", x)
    return select(x < SMALL, 1.0 + _series(call("exp", x), LOG1P_SLOPE), near)


def _log_softplus_slope_reference(xp: Any, x: Any) -> Any:
    small = 1 + _series(xp.exp(xp.minimum(x, SMALL)), LOG1P_SLOPE)
    near = 1 / ((1 + xp.exp(-x)) * _softplus_reference(xp, x))
    return xp.where(x < SMALL, small, near)


# The derivative of log_softplus.
log_softplus_slope: Any = elementwise(
    _log_softplus_slope,
    lambda g, out, x: (g * (out * (sigmoid(-x) - out)),),
    _log_softplus_slope_reference,
    name="log_softplus_slope", compute="float", accepts="f",
)  # fmt: skip


def _softplus_ratio(x: Scalar) -> Scalar:
    near = call("softplus", x) * call("exp", -call("minimum", x, 0.0))
    return select(x < SMALL, call("exp", _series(call("exp", x), LOG1P_SERIES)), near)


def _softplus_ratio_reference(xp: Any, x: Any) -> Any:
    small = xp.exp(_series(xp.exp(xp.minimum(x, SMALL)), LOG1P_SERIES))
    near = _softplus_reference(xp, x) * xp.exp(-xp.clip(x, SMALL, 0))
    return xp.where(x < SMALL, small, near)


# log(1 + exp(x)) / exp(minimum(x, 0)): what is left when its decay is taken out.
softplus_ratio: Any = elementwise(
    _softplus_ratio,
    lambda g, out, x: (g * switch(lt(x, 0), sigmoid(-x) - out, sigmoid(x)),),
    _softplus_ratio_reference,
    name="softplus_ratio", compute="float", accepts="f",
)  # fmt: skip


def _log1mexp_exp(x: Scalar) -> Scalar:
    v = call("exp", x)
    near = call("log", -call("expm1", -v))
    middle = select(v > LOG_2, call("log1p", -call("exp", -v)), near)
    return select(x < SMALL, x + _series(v, EXPM1_SERIES), middle)


def _log1mexp_exp_reference(xp: Any, x: Any) -> Any:
    v = xp.exp(x)
    return xp.where(
        x < SMALL,
        x + _series(xp.minimum(v, 1), EXPM1_SERIES),
        _log1mexp_reference(xp, -v),
    )


# log(1 - exp(-exp(x))).
log1mexp_exp: Any = elementwise(
    _log1mexp_exp,
    lambda g, out, x: (g * log1mexp_exp_slope(x),),
    _log1mexp_exp_reference,
    name="log1mexp_exp", compute="float", accepts="f",
)  # fmt: skip

GONE = 1000.0  # v exp(-v) is zero from here on


def _log1mexp_exp_slope(x: Scalar) -> Scalar:
    v = call("minimum", call("exp", x), GONE)
    return select(x < SMALL, 1.0 + _series(v, EXPM1_SLOPE), v / call("expm1", v))


def _log1mexp_exp_slope_reference(xp: Any, x: Any) -> Any:
    v = xp.minimum(xp.exp(x), GONE)
    return xp.where(x < SMALL, 1 + _series(v, EXPM1_SLOPE), v / xp.expm1(v))


# v / (exp(v) - 1) of v = exp(x), the derivative of log1mexp_exp.
log1mexp_exp_slope: Any = elementwise(
    _log1mexp_exp_slope,
    lambda g, out, x: (g * (out * (1 - out - minimum(exp(x), GONE))),),
    _log1mexp_exp_slope_reference,
    name="log1mexp_exp_slope", compute="float", accepts="f",
)  # fmt: skip


# ---- the tail of the normal distribution


def _log_erfc(x: Scalar) -> Scalar:
    far = call("log", call("erfcx", x)) - x * x
    return select(x < 1.0, call("log1p", -call("erf", x)), far)


def _log_erfc_reference(xp: Any, x: Any) -> Any:
    far = xp.log(from_scipy("erfcx")(xp, x)) - x * x
    return xp.where(x < 1, xp.log1p(-from_scipy("erf")(xp, x)), far)


log_erfc: Any = elementwise(
    _log_erfc,
    lambda g, out, x: (g * log_erfc_slope(x),),
    _log_erfc_reference,
    name="log_erfc", compute="float", accepts="f",
)  # fmt: skip


def _slope(x: Scalar) -> Scalar:
    near = call("exp", -(x * x)) / call("erfc", x)
    return -PER_ROOT_PI * select(x < 1.0, near, 1.0 / call("erfcx", x))


def _slope_reference(xp: Any, x: Any) -> Any:
    near = xp.exp(-x * x) / from_scipy("erfc")(xp, x)
    return -PER_ROOT_PI * xp.where(x < 1, near, 1 / from_scipy("erfcx")(xp, x))


# The derivative of log_erfc.
log_erfc_slope: Elementwise = elementwise(
    _slope,
    lambda g, out, x: (-g * (out * log_erfc_excess(x)),),
    _slope_reference,
    name="log_erfc_slope", compute="float", accepts="f",
)  # fmt: skip

TERMS = 20  # of the continued fraction: 3e-15 where it begins to be used


def _fraction(x: Any) -> Any:
    """1/2 / (x + 1 / (x + 3/2 / (x + ...))): by how much -slope/2 is above x."""
    tail = x * 0.0
    for n in range(TERMS, 0, -1):
        tail = (n / 2) / (x + tail)
    return tail


def _excess(x: Scalar) -> Scalar:
    return select(x < 4.0, 2.0 * x + _slope(x), -2.0 * _fraction(x))


# 2 x + slope: what is left of the slope when its straight part is taken off.
log_erfc_excess: Any = elementwise(
    _excess,
    lambda g, out, x: (g * (2 - log_erfc_slope(x) * out),),
    lambda xp, x: xp.where(x < 4, 2 * x + _slope_reference(xp, x), -2 * _fraction(x)),
    name="log_erfc_excess", compute="float", accepts="f",
)  # fmt: skip


def _log_erf_gap(a: Scalar, b: Scalar) -> Scalar:
    # Both on the side where erfc is small: erf(a) - erf(b) = erf(-b) - erf(-a).
    turned = a + b < 0.0
    high, low = select(turned, -b, a), select(turned, -a, b)
    near = call("log", call("erf", high) - call("erf", low))
    top = _log_erfc(low)
    shrink = _log_erfc(high) - top
    rest = select(
        shrink > -LOG_2,
        call("log", -call("expm1", shrink)),
        call("log1p", -call("exp", shrink)),
    )
    # Of equal infinities the difference is no number.
    nothing = call("eq", a, b)
    found = select(low < 0.5, near, top + rest)
    return select(nothing, literal(-math.inf, a.dtype), found)


def _log_erf_gap_reference(xp: Any, a: Any, b: Any) -> Any:
    erf = from_scipy("erf")
    turned = a + b < 0
    high, low = xp.where(turned, -b, a), xp.where(turned, -a, b)
    near = xp.log(erf(xp, high) - erf(xp, low))
    top = _log_erfc_reference(xp, low)
    rest = _log1mexp_reference(xp, _log_erfc_reference(xp, high) - top)
    found = xp.where(low < 0.5, near, top + rest)
    return xp.where(a == b, -math.inf, found).astype(near.dtype)


def _log_erf_gap_slopes(g: Any, out: Any, a: Any, b: Any) -> tuple[Any, Any]:
    return g * PER_ROOT_PI * exp(-a * a - out), -g * PER_ROOT_PI * exp(-b * b - out)


# log(erf(a) - erf(b)), NaN where a is below b: the logarithm of what a normal distribution
# has between two bounds.
log_erf_gap: Elementwise = elementwise(
    _log_erf_gap,
    _log_erf_gap_slopes,
    _log_erf_gap_reference,
    name="log_erf_gap", arity=2, compute="float", accepts="f",
)  # fmt: skip
