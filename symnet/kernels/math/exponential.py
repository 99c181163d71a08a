"""Exponentials and what is made of them: sinh, cosh, tanh, the logistic function.

    e**x = 2**n * e**r,  n = rint(x / log 2),  r = x - n log 2

The product n * log 2 is taken in two parts by fused operations: the first difference
is exact, since it is a multiple of the last place of log 2 and smaller than 1.
"""

from __future__ import annotations

from symnet.kernels.loops import Scalar, select
from symnet.kernels.math.formats import (
    at_least,
    at_most,
    copysign,
    fma,
    magnitude,
    nearest_integer,
    polynomial,
    power_of_two,
)

# (e**r - 1 - r) / r**2 on |r| <= log 2; error relative to e**r: 2**-29.6, 2**-59.7.
EXPONENTIAL = {
    "float32": (
        0.5, 0.16666679, 0.041666754, 0.008332189, 0.0013883075, 0.00020159676,
        2.5791416e-05,
    ),
    "float64": (
        0.5, 0.16666666666666638, 0.04166666666666643, 0.008333333333341762,
        0.001388888888894956, 0.00019841269832427977, 2.4801587248070584e-05,
        2.7557323656086577e-06, 2.755734069418237e-07, 2.5050957724304213e-08,
        2.087267111894063e-09, 1.6208366056947145e-10, 1.1792105263021741e-11,
    ),
}  # fmt: skip
# The same on |r| <= log(2) / 2; error relative to e**r - 1: 2**-26.1, 2**-59.8.
SMALL_EXPONENTIAL = {
    "float32": (0.49999997, 0.16666539, 0.041667763, 0.008367133, 0.0013834814),
    "float64": (
        0.5, 0.16666666666666677, 0.04166666666666669, 0.008333333333321785,
        0.0013888888888887662, 0.00019841269888270225, 2.4801587308449187e-05,
        2.755723894352462e-06, 2.7557283852807443e-07, 2.5111885047882402e-08,
        2.0914925359211587e-09,
    ),
}  # fmt: skip
# (2**r - 1) / r on |r| <= 1; error relative to 2**r: 2**-28.8, 2**-57.6.
BINARY_EXPONENTIAL = {
    "float32": (
        0.6931472, 0.24022655, 0.055504113, 0.009617859, 0.001333264, 0.00015448994,
        1.5440413e-05, 1.0990389e-06,
    ),
    "float64": (
        0.6931471805599453, 0.24022650695910047, 0.05550410866482232,
        0.009618129107633397, 0.0013333558146367702, 0.00015403530390080617,
        1.5252733824327108e-05, 1.321548779912578e-06, 1.0178082947855798e-07,
        7.054756699669432e-09, 4.445721060942408e-10, 2.5794801905295764e-11,
        1.3697100249798365e-12, 3.390576487297048e-14,
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


def reduce_twice(x: Scalar) -> tuple[Scalar, Scalar]:
    """(low bits of k, r): x = 2 k log 2 + r, |r| <= log 2.

    Steps of 2 log 2: then 2**(2k) is the product of two equal powers of two, both of
    them normal numbers even where the result is subnormal or nearly overflows.
    """
    high, low = LOG2[x.dtype]
    k, k_bits = nearest_integer(x, PER_LOG2 / 2)
    return k_bits, fma(k, -2 * low, fma(k, -2 * high, x))


def exponential_parts(x: Scalar, tail: Scalar | None = None) -> tuple[Scalar, Scalar]:
    """(p, s): e**(x + tail) = p * s * s with s a power of two, for x in EXP_RANGE."""
    k_bits, r = reduce_twice(x)
    if tail is not None:
        r = r + tail
    return polynomial(r, (1.0, 1.0, *EXPONENTIAL[x.dtype])), power_of_two(k_bits)


def clamp(x: Scalar, limits: tuple[float, float]) -> Scalar:
    return at_most(at_least(x, limits[0]), limits[1])


def exp(x: Scalar) -> Scalar:
    p, s = exponential_parts(clamp(x, EXP_RANGE[x.dtype]))
    return p * s * s


def exp2(x: Scalar) -> Scalar:
    x = clamp(x, EXP2_RANGE[x.dtype])
    k, k_bits = nearest_integer(x, 0.5)
    r = fma(k, -2.0, x)
    s = power_of_two(k_bits)
    return polynomial(r, (1.0, *BINARY_EXPONENTIAL[x.dtype])) * s * s


def exponential_minus_one(x: Scalar) -> tuple[Scalar, Scalar, Scalar]:
    """(n, bits of n, q): x = n log 2 + r, |r| <= log(2) / 2 and q = e**r - 1."""
    high, low = LOG2[x.dtype]
    n, n_bits = nearest_integer(x, PER_LOG2)
    r = fma(n, -low, fma(n, -high, x))
    return n, n_bits, fma(r * r, polynomial(r, SMALL_EXPONENTIAL[x.dtype]), r)


def expm1(x: Scalar) -> Scalar:
    """e**x - 1 = 2**n q + (2**n - 1), with q as above; at half its size, which cannot
    overflow before the result does."""
    limits = MINUS_ONE[x.dtype], EXP_RANGE[x.dtype][1]
    n, n_bits, q = exponential_minus_one(clamp(x, limits))
    half = power_of_two(n_bits - 1)
    scaled = fma(half, q, half - 0.5)
    result = select(magnitude(n) < 0.5, q, scaled + scaled)
    return copysign(result, x)  # keeps -0.0


def tanh(x: Scalar) -> Scalar:
    """e / (e + 2) with e = e**(2|x|) - 1; errors of a large e cancel."""
    a = at_most(magnitude(x), TANH_LIMIT[x.dtype])
    _, n_bits, q = exponential_minus_one(a + a)
    s = power_of_two(n_bits)
    e = fma(s, q, s - 1.0)
    return copysign(e / (e + 2.0), x)


def sigmoid(x: Scalar) -> Scalar:
    """1 / (1 + e**-x) = u / (u + p s), where e**-x = p s**2 and u = 1 / s: small results
    are exact down to the subnormal ones."""
    lowest = EXP_RANGE[x.dtype][0]
    k_bits, r = reduce_twice(clamp(-x, (lowest, -lowest)))
    p = polynomial(r, (1.0, 1.0, *EXPONENTIAL[x.dtype]))
    u = power_of_two(k_bits, -1)
    return u / fma(p, power_of_two(k_bits), u)


def half_exponential(a: Scalar) -> Scalar:
    """e**a / 2 for a >= 0, infinite only where sinh(a) is."""
    p, s = exponential_parts(at_most(a, EXP_RANGE[a.dtype][1] + 1.0))
    return p * s * (s * 0.5)


def sinh(x: Scalar) -> Scalar:
    """h - 1 / (4 h) with h = e**|x| / 2, a polynomial below 1."""
    a = magnitude(x)
    h = half_exponential(a)
    z = x * x
    small = fma(polynomial(z, SMALL_SINH[x.dtype]) * z, x, x)
    return select(a < 1.0, small, copysign(h - 0.25 / h, x))


def cosh(x: Scalar) -> Scalar:
    """h + 1 / (4 h) with h = e**|x| / 2."""
    h = half_exponential(magnitude(x))
    return h + 0.25 / h
