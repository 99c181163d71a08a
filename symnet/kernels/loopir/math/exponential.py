"""Exponentials and what is made of them: sinh, cosh, tanh, the logistic function.

    e**x = 2**n * e**r,  n = rint(x / log 2),  r = x - n log 2

The product n * log 2 is taken in two parts by fused operations: the first difference
is exact, since it is a multiple of the last place of log 2 and smaller than 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from symnet.kernels.loopir.math.formats import (
    FORMATS,
    at_least,
    at_most,
    bits,
    copysign,
    equal,
    exponent_of,
    fma,
    from_bits,
    magnitude,
    nearest_integer,
    number,
    polynomial,
    power_of_two,
    sign_of,
    signed,
    split_polynomial,
    with_sign,
)
from symnet.kernels.loopir.scalars import Scalar, call, select

# (e**r - 1 - r) / r**2 on |r| <= log(2) / 2; error relative to e**r - 1: 2**-26.1,
# 2**-55.6.
EXPONENTIAL = {
    "float32": (0.49999997, 0.16666539, 0.041667763, 0.008367133, 0.0013834814),
    "float64": (
        0.5000000000000006, 0.1666666666666662, 0.04166666666657378, 0.00833333333336828,
        0.0013888888932320532, 0.00019841269766219025, 2.480150450979992e-05,
        2.7557364616484013e-06, 2.7626305457201133e-07, 2.5067545947361936e-08,
    ),
}  # fmt: skip
# The same for float64 with one term more, for `expm1`, of which e**r - 1 may be all:
# 2**-59.8.
LONGER_EXPONENTIAL = (
    0.5, 0.16666666666666677, 0.04166666666666669, 0.008333333333321785,
    0.0013888888888887662, 0.00019841269888270225, 2.4801587308449187e-05,
    2.755723894352462e-06, 2.7557283852807443e-07, 2.5111885047882402e-08,
    2.0914925359211587e-09,
)  # fmt: skip
# (2**r - 1) / r on |r| <= 1/2; error relative to 2**r: 2**-26.3, 2**-57.1.
BINARY_EXPONENTIAL = {
    "float32": (
        0.6931472, 0.24022594, 0.055503663, 0.009625443, 0.0013387942, 0.00013335039,
    ),
    "float64": (
        0.6931471805599453, 0.24022650695910172, 0.055504108664824574,
        0.009618129107577119, 0.001333355814556591, 0.00015403530478900435,
        1.5252734741538577e-05, 1.3215424399130988e-06, 1.0177653858167303e-07,
        7.075640510354619e-09, 4.5197344817094144e-10,
    ),
}  # fmt: skip
# (sinh(x) / x - 1) / x**2 in x**2, on |x| <= 1; relative error 2**-31.6, 2**-61.8.
SMALL_SINH = {
    "float32": (0.16666667, 0.0083333105, 0.00019842896, 2.7822132e-06),
    "float64": (
        0.16666666666666669, 0.008333333333332912, 0.00019841269841593427,
        2.755731910666008e-06, 2.5052131037440686e-08, 1.6056653970447883e-10,
        7.776829113392345e-13,
    ),
}  # fmt: skip

# log 2 as the sum of two numbers of the format.
LOG2 = {
    "float32": (0.6931471824645996, -1.9046542121259336e-09),
    "float64": (0.6931471805599453, 2.3190468138462996e-17),
}
PER_LOG2 = 1.4426950408889634

# e**x is 0 below the first, infinite above the second.
EXP_RANGE = {"float32": (-104.0, 89.0), "float64": (-746.0, 710.0)}
EXP2_RANGE = {"float32": (-151.0, 129.0), "float64": (-1076.0, 1025.0)}
# Where e**x - 1 is -1 in the format; where tanh(x) is 1.
MINUS_ONE = {"float32": -18.0, "float64": -39.0}
TANH_LIMIT = {"float32": 9.2, "float64": 19.5}


def reduce(
    x: Scalar, plus: int = 0, tail: Scalar | None = None
) -> tuple[Scalar, Scalar]:
    """(n + plus as low bits, r): x + tail = n log 2 + r, |r| <= log(2) / 2."""
    high, low = LOG2[x.dtype]
    n, n_bits = nearest_integer(x, PER_LOG2, plus)
    r = fma(n, -high, x)
    if tail is None:
        return n_bits, fma(n, -low, r)
    return n_bits, r + fma(n, -low, tail)


def evaluate(x: Scalar, coefficients: Sequence[float]) -> Scalar:
    """A polynomial; in two chains where it is long."""
    long = len(coefficients) > 8
    return (split_polynomial if long else polynomial)(x, coefficients)


def exponential_minus_one(r: Scalar, tail: Scalar | None = None) -> Scalar:
    """e**(r + tail) - 1 for |r| <= log(2) / 2 and a tail of about r's last place."""
    value = evaluate(r, EXPONENTIAL[r.dtype])
    if tail is None:
        return fma(r * r, value, r)
    return r + fma(r * r, value, tail)


def clamp(x: Scalar, limits: tuple[float, float]) -> Scalar:
    return at_most(at_least(x, limits[0]), limits[1])


def two_powers(x: Scalar, n_bits: Scalar) -> tuple[Scalar, Scalar]:
    """(s, t): 2**n = s t for the n of e**x, so that both are normal numbers even where
    2**n is subnormal or too large.  The low bits hold n + 2 * bias."""
    far = FORMATS[x.dtype].far
    t = select(bits(x) < 0, number(1 / far, x.dtype), far)
    return from_bits(exponent_of(n_bits) - bits(t)), t


def exp(x: Scalar) -> Scalar:
    if sign_of(x) < 0:
        return decay(x.args[0] if x.op == "neg" else -x)
    x = clamp(x, EXP_RANGE[x.dtype])
    n_bits, r = reduce(x, 2 * FORMATS[x.dtype].bias)
    s, t = two_powers(x, n_bits)
    return fma(s, exponential_minus_one(r), s) * t


def decay(a: Scalar) -> Scalar:
    """e**-a for a >= 0: one of the two powers of two is a constant."""
    kind = FORMATS[a.dtype]
    a = at_most(a, -EXP_RANGE[a.dtype][0])
    n_bits, r = reduce(-a, kind.bias + round(math.log2(kind.far)))
    s = power_of_two(n_bits)
    return fma(s, exponential_minus_one(r), s) * (1 / kind.far)


def exp2(x: Scalar) -> Scalar:
    x = clamp(x, EXP2_RANGE[x.dtype])
    n, n_bits = nearest_integer(x, 1.0, 2 * FORMATS[x.dtype].bias)
    s, t = two_powers(x, n_bits)
    return polynomial(x - n, (1.0, *BINARY_EXPONENTIAL[x.dtype])) * s * t


def expm1(x: Scalar) -> Scalar:
    """e**x - 1 = 2**n q + (2**n - 1) with q = e**r - 1; at half its size, which cannot
    overflow before the result does."""
    limits = MINUS_ONE[x.dtype], EXP_RANGE[x.dtype][1]
    n_bits, r = reduce(clamp(x, limits), FORMATS[x.dtype].bias - 1)
    single = x.dtype == "float32"
    terms = EXPONENTIAL["float32"] if single else LONGER_EXPONENTIAL
    q = fma(r * r, evaluate(r, terms), r)
    half = power_of_two(n_bits)
    scaled = fma(half, q, half - 0.5)
    result = select(equal(half, 0.5), q, scaled + scaled)
    sign = call("and", bits(x), FORMATS[x.dtype].sign)
    return with_sign(result, sign)  # keeps -0.0


def tanh(x: Scalar) -> Scalar:
    """(1 - e) / (1 + e), e = e**(-2|x|) = s (1 + p) with a power of two s: the two sums
    are rounded once each, and neither is just above a power of two for small |x|, where
    the other roundings count most.

    What the low part of log 2 gives goes in after the exact r, which it would round; in
    float32 it is less than 0.07 of the last place, since (1 - tanh(x)**2) n falls with x.
    """
    size, sign = signed(x)
    a = at_most(size + size, 2.0 * TANH_LIMIT[x.dtype])
    high, low = LOG2[x.dtype]
    n, n_bits = nearest_integer(-a, PER_LOG2, FORMATS[x.dtype].bias)
    r = fma(n, -high, -a)
    p = exponential_minus_one(r, n * -low if x.dtype == "float64" else None)
    s = power_of_two(n_bits)
    return with_sign(fma(-s, p, 1.0 - s) / fma(s, p, 1.0 + s), sign)


def sigmoid(x: Scalar) -> Scalar:
    """1 / (1 + e**-x) = u / (u + s + s q), where e**-x = (1 + q) s / u with powers of two
    s and u (see `two_powers`): no loss down to the subnormal results."""
    lowest = EXP_RANGE[x.dtype][0]
    x = clamp(x, (lowest, -lowest))
    n_bits, r = reduce(-x)
    far = FORMATS[x.dtype].far
    u = select(bits(x) < 0, number(1 / far, x.dtype), far)
    s = from_bits(exponent_of(n_bits) + bits(u))
    return u / (fma(s, exponential_minus_one(r), u) + s)


def half_exponential(a: Scalar) -> Scalar:
    """e**a / 2 for a >= 0, infinite only where sinh(a) is."""
    kind = FORMATS[a.dtype]
    exponent = round(math.log2(kind.far))
    a = at_most(a, EXP_RANGE[a.dtype][1] + 1.0)
    n_bits, r = reduce(a, kind.bias - exponent)
    s = power_of_two(n_bits)
    return fma(s, exponential_minus_one(r), s) * (kind.far / 2)


def sinh(x: Scalar) -> Scalar:
    """With h = e**|x| / 2: h - 1 / (4 h), but a polynomial below 1."""
    a = magnitude(x)
    h = half_exponential(a)
    z = x * x
    small = fma(polynomial(z, SMALL_SINH[x.dtype]) * z, x, x)
    return select(a < 1.0, small, copysign(h - 0.25 / h, x))


def cosh(x: Scalar) -> Scalar:
    """With h = e**|x| / 2: h + 1 / (4 h)."""
    h = half_exponential(magnitude(x))
    return h + 0.25 / h
