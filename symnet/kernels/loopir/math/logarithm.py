"""Logarithms and what is made of them.

    log x = n log 2 + log(1 + f),  x = 2**n * (1 + f),  sqrt(1/2) <= 1 + f < sqrt(2)

No division: the polynomial in f is longer than the usual one in f / (2 + f), but
quicker than the division.
"""

from __future__ import annotations

import math

from symnet.kernels.loopir.math.exponential import LOG2, exp
from symnet.kernels.loopir.math.formats import (
    FORMATS,
    copysign,
    equal,
    fma,
    from_bits,
    magnitude,
    number,
    polynomial,
    split_any,
    split_exponent,
    split_polynomial,
)
from symnet.kernels.loopir.scalars import Scalar, call, cast, literal, select

# (log(1 + f) - f + f**2 / 2) / f**3 on [sqrt(1/2) - 1, sqrt(2) - 1];
# error relative to log(1 + f): 2**-29.3, 2**-59.2.
LOGARITHM = {
    "float32": (
        0.33333313, -0.25000164, 0.2000222, -0.16659516, 0.14209759, -0.1254744,
        0.12105279, -0.109272, 0.053588048,
    ),
    "float64": (
        0.33333333333333454, -0.24999999999998926, 0.19999999999945628,
        -0.1666666666691182, 0.1428571429390326, -0.12499999982430118,
        0.11111110512637405, -0.10000000354855815, 0.09090933593920128,
        -0.08333346773610309, 0.0769171374589517, -0.07141980058573377,
        0.06675135043488259, -0.06270017830923545, 0.058181370239135694,
        -0.053256524618311006, 0.05412933384658399, -0.06276261494055996,
        0.05706062503650632, -0.02434701105224655,
    ),
}  # fmt: skip
# log2(e) and log10(e), log10(2), each as the sum of two numbers of the format.
LOG2_E = {
    "float32": (1.4426950216293335, 1.925963033500011e-08),
    "float64": (1.4426950408889634, 2.0355273740931033e-17),
}
LOG10_E = {
    "float32": (0.4342944920063019, -1.0103049952192578e-08),
    "float64": (0.4342944819032518, 1.098319650216765e-17),
}
LOG10_2 = {
    "float32": (0.3010300099849701, -1.432098883924482e-08),
    "float64": (0.3010299956639812, -2.8037281277851704e-18),
}


def log1p_tail(f: Scalar) -> Scalar:
    """log(1 + f) - f for f in [sqrt(1/2) - 1, sqrt(2) - 1]."""
    evaluate = polynomial if f.dtype == "float32" else split_polynomial
    return f * f * fma(evaluate(f, LOGARITHM[f.dtype]), f, -0.5)


def natural(n: Scalar, f: Scalar) -> Scalar:
    """The sum n log 2 + log(1 + f)."""
    high, low = LOG2[f.dtype]
    return fma(n, high, f + fma(n, low, log1p_tail(f)))


def with_special(result: Scalar, x: Scalar) -> Scalar:
    """The logarithm's values at infinity, NaN, zero (-inf) and below (NaN)."""
    below = select(equal(x, 0.0), literal(-math.inf, x.dtype), math.nan)
    finite = select(equal(x, math.inf), x, result)
    return select(x > 0.0, finite, select(call("isnan", x), x, below))


def log(x: Scalar) -> Scalar:
    n, m = split_any(x)
    return with_special(natural(n, m - 1.0), x)


def log2(x: Scalar) -> Scalar:
    n, m = split_any(x)
    f = m - 1.0
    high, low = LOG2_E[x.dtype]
    small = fma(log1p_tail(f), high, f * low)
    return with_special(n + fma(f, high, small), x)


def log10(x: Scalar) -> Scalar:
    n, m = split_any(x)
    f = m - 1.0
    high, low = LOG10_E[x.dtype]
    high2, low2 = LOG10_2[x.dtype]
    small = fma(n, low2, fma(log1p_tail(f), high, f * low))
    return with_special(fma(n, high2, fma(f, high, small)), x)


def log1p_normal(x: Scalar, plus: Scalar | None = None) -> Scalar:
    """log(1 + x), and `plus` times log 2, for finite x > -1.

    With t = 2**-n the reduced argument f = x t + (t - 1) has one rounding.  For huge x
    (t may not be a normal number) the 1 does not count.
    """
    kind = FORMATS[x.dtype]
    exponent, m = split_exponent(x + 1.0)
    t = from_bits(number(kind.one, kind.integer) - exponent)
    f = select(x < 2.0 ** (2 * kind.fraction), fma(x, t, t - 1.0), m - 1.0)
    n = cast(exponent, x.dtype) * 2.0**-kind.fraction
    return natural(n if plus is None else n + plus, f)


def log1p(x: Scalar) -> Scalar:
    return copysign(with_special(log1p_normal(x), x + 1.0), x)  # keeps -0.0


def softplus(x: Scalar) -> Scalar:
    """log(1 + e**x) = max(x, 0) + log(1 + e**-|x|)."""
    e = exp(-magnitude(x))
    large = e > math.sqrt(2.0) - 1.0
    f = select(large, fma(e, 0.5, -0.5), e)
    log1p_e = natural(select(large, number(1.0, x.dtype), 0.0), f)
    return select(x < 0.0, literal(0.0, x.dtype), x) + log1p_e


def arcsinh(x: Scalar) -> Scalar:
    """log(1 + a + a**2 / (1 + sqrt(1 + a**2))), a = |x|; log(2 a) where that is the same
    and the square might overflow."""
    a = magnitude(x)
    large = a > 2.0 ** (FORMATS[x.dtype].fraction + 3)
    square = a * a
    w = select(large, a, a + square / (call("sqrt", square + 1.0) + 1.0))
    result = log1p_normal(w, select(large, number(1.0, x.dtype), 0.0))
    return copysign(select(a < math.inf, result, a), x)


def arccosh(x: Scalar) -> Scalar:
    """log(1 + t + sqrt(2 t + t**2)), t = x - 1; log(2 x) where that is the same."""
    large = x > 2.0 ** (FORMATS[x.dtype].fraction + 3)
    t = x - 1.0
    w = select(large, x, t + call("sqrt", fma(t, t, t + t)))
    result = log1p_normal(w, select(large, number(1.0, x.dtype), 0.0))
    result = select(x < math.inf, result, x)
    return select(x < 1.0, literal(math.nan, x.dtype), result)


def arctanh(x: Scalar) -> Scalar:
    """log(1 + 2 a / (1 - a)) / 2, a = |x|."""
    a = magnitude(x)
    w = (a + a) / (1.0 - a)
    return copysign(with_special(log1p_normal(w), w + 1.0) * 0.5, x)
