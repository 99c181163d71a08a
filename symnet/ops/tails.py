"""Functions that stay finite where what they are named after has under- or overflowed:
logarithms of sums, differences and tails.  The rules of stability put them into graphs.
"""

from __future__ import annotations

import math
from typing import Any

from symnet.kernels.loopir.scalars import Scalar, call, literal, select
from symnet.ops.elementwise import elementwise
from symnet.ops.functions import PER_ROOT_PI, from_scipy, sigmoid

LOG_2 = math.log(2)


# ---- exponentials


def _logaddexp(x: Scalar, y: Scalar) -> Scalar:
    # Equal infinities have no difference.
    gap = select(call("eq", x, y), literal(0.0, x.dtype), call("abs", x - y))
    return call("maximum", x, y) + call("log1p", call("exp", -gap))


# log(exp(x) + exp(y))
logaddexp = elementwise(
    _logaddexp,
    lambda g, out, x, y: (g * sigmoid(x - y), g * sigmoid(y - x)),
    "logaddexp",
    name="logaddexp", arity=2, compute="float", accepts="f",
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
reciprocal_expm1: Any = elementwise(
    lambda x: 1.0 / call("expm1", x),
    lambda g, out, x: (g * (out * reciprocal_expm1(-x)),),
    lambda xp, x: 1 / xp.expm1(x),
    name="reciprocal_expm1", compute="float", accepts="f",
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
log_erfc_slope: Any = elementwise(
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
