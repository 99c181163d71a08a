"""Exponentials and what is made of them: sinh, cosh, tanh, the logistic function.

    e**x = 2**n * e**r,  n = rint(x / log 2),  r = x - n log 2

The product n * log 2 is taken in two parts by fused operations: the first difference
is exact, since it is a multiple of the last place of log 2 and smaller than 1.
"""

from __future__ import annotations

from collections.abc import Sequence

from symnet.kernels.loops import Scalar, select
from symnet.kernels.math.formats import (
    FORMATS,
    at_least,
    at_most,
    bits,
    copysign,
    equal,
    fma,
    magnitude,
    nearest_integer,
    polynomial,
    power_of_two,
    split_polynomial,
)

# (e**r - 1 - r) / r**2 on |r| <= log(2) / 2; error relative to e**r - 1: 2**-26.1,
# 2**-59.8.
EXPONENTIAL = {
    "float32": (0.49999997, 0.16666539, 0.041667763, 0.008367133, 0.0013834814),
    "float64": (
        0.5, 0.16666666666666677, 0.04166666666666669, 0.008333333333321785,
        0.0013888888888887662, 0.00019841269888270225, 2.4801587308449187e-05,
        2.755723894352462e-06, 2.7557283852807443e-07, 2.5111885047882402e-08,
        2.0914925359211587e-09,
    ),
}  # fmt: skip
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

# (tanh(x) / x - 1) / x**2 in x**2, on |x| <= 0.625; relative error 2**-27.7, 2**-57.7.
SMALL_TANH = {
    "float32": (-0.3333328, 0.13331406, -0.053736515, 0.020628167, -0.0056922967),
    "float64": (
        -0.33333333333333315, 0.1333333333332996, -0.05396825396614943,
        0.02186948847069835, -0.008863234338734547, 0.003592114222199147,
        -0.0014557272130777644, 0.0005894567084844686, -0.00023702470846155384,
        9.15810275624242e-05, -3.021083118780842e-05, 6.0536758672645224e-06,
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


def reduce(x: Scalar, tail: Scalar | None = None) -> tuple[Scalar, Scalar, Scalar]:
    """(n, n as low bits, r): x + tail = n log 2 + r, |r| <= log(2) / 2."""
    high, low = LOG2[x.dtype]
    n, n_bits = nearest_integer(x, PER_LOG2)
    r = fma(n, -high, x)
    if tail is None:
        return n, n_bits, fma(n, -low, r)
    return n, n_bits, r + fma(n, -low, tail)


def evaluate(x: Scalar, coefficients: Sequence[float]) -> Scalar:
    """A polynomial; in two chains where it is long."""
    long = len(coefficients) > 8
    return (split_polynomial if long else polynomial)(x, coefficients)


def exponential(r: Scalar) -> Scalar:
    """e**r for |r| <= log(2) / 2."""
    if r.dtype == "float32":
        return polynomial(r, (1.0, 1.0, *EXPONENTIAL[r.dtype]))
    return exponential_minus_one(r) + 1.0


def exponential_minus_one(r: Scalar) -> Scalar:
    """e**r - 1 for |r| <= log(2) / 2."""
    return fma(r * r, evaluate(r, EXPONENTIAL[r.dtype]), r)


def two_powers(n: Scalar, n_bits: Scalar) -> tuple[Scalar, Scalar]:
    """(s, t): 2**n = s t and s nearly t, so that both are normal numbers even where 2**n
    is subnormal or too large."""
    half_bits = bits(fma(n, 0.5, FORMATS[n.dtype].magic))
    return power_of_two(half_bits), power_of_two(n_bits - half_bits)


def clamp(x: Scalar, limits: tuple[float, float]) -> Scalar:
    return at_most(at_least(x, limits[0]), limits[1])


def exp(x: Scalar) -> Scalar:
    n, n_bits, r = reduce(clamp(x, EXP_RANGE[x.dtype]))
    s, t = two_powers(n, n_bits)
    return exponential(r) * s * t


def exp2(x: Scalar) -> Scalar:
    x = clamp(x, EXP2_RANGE[x.dtype])
    n, n_bits = nearest_integer(x, 1.0)
    s, t = two_powers(n, n_bits)
    return polynomial(x - n, (1.0, *BINARY_EXPONENTIAL[x.dtype])) * s * t


def expm1(x: Scalar) -> Scalar:
    """e**x - 1 = 2**n q + (2**n - 1) with q = e**r - 1; at half its size, which cannot
    overflow before the result does."""
    limits = MINUS_ONE[x.dtype], EXP_RANGE[x.dtype][1]
    n, n_bits, r = reduce(clamp(x, limits))
    q = exponential_minus_one(r)
    half = power_of_two(n_bits - 1)
    scaled = fma(half, q, half - 0.5)
    result = select(equal(n, 0.0), q, scaled + scaled)
    return copysign(result, x)  # keeps -0.0


def tanh(x: Scalar) -> Scalar:
    """1 - 2 / (1 + e**(2|x|)), a polynomial below 0.625.

    The low part of log 2 is left out of the reduction: the result changes by less than
    a hundredth of its last place, since (1 - tanh(x)**2) n falls with x.
    """
    a = magnitude(x)
    b = at_most(a, TANH_LIMIT[x.dtype])
    n, n_bits = nearest_integer(b, 2.0 * PER_LOG2)
    r = fma(n, -0.5 * LOG2[x.dtype][0], b)
    large = 1.0 - 2.0 / fma(exponential(r + r), power_of_two(n_bits), 1.0)
    z = x * x
    small = fma(evaluate(z, SMALL_TANH[x.dtype]) * z, a, a)
    return copysign(select(a < 0.625, small, large), x)


def sigmoid(x: Scalar) -> Scalar:
    """1 / (1 + e**-x) = u / (u + s + s q), where e**-x = (1 + q) s / u with powers of two
    s and u that are near 1 / u and 1 / s: no loss down to the subnormal results."""
    lowest = EXP_RANGE[x.dtype][0]
    n, n_bits, r = reduce(clamp(-x, (lowest, -lowest)))
    half_bits = bits(fma(n, 0.5, FORMATS[x.dtype].magic))
    s, u = power_of_two(half_bits), power_of_two(n_bits - half_bits, -1)
    return u / (fma(s, exponential_minus_one(r), u) + s)


def half_exponential(a: Scalar) -> Scalar:
    """e**a / 2 for a >= 0, infinite only where sinh(a) is."""
    n, n_bits, r = reduce(at_most(a, EXP_RANGE[a.dtype][1] + 1.0))
    s, t = two_powers(n, n_bits)
    return exponential(r) * s * (t * 0.5)


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
