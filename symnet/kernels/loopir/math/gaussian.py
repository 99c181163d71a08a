"""The error function and its complement."""

from __future__ import annotations

import math

from symnet.kernels.loopir.math.exponential import exponential_minus_one, reduce
from symnet.kernels.loopir.math.formats import (
    FORMATS,
    at_most,
    copysign,
    fma,
    magnitude,
    polynomial,
    power_of_two,
    split_polynomial,
)
from symnet.kernels.loopir.scalars import Scalar, literal, select

# erf(x) / x - 1 in x**2 on |x| <= 1; relative error of erf 2**-29.4, 2**-56.3.
SMALL_ERF = {
    "float32": (
        0.12837917, -0.37612626, 0.11283579, -0.026853347, 0.005187162, -0.0007997853,
        7.806904e-05,
    ),
    "float64": (
        0.1283791670955126, -0.3761263890318375, 0.11283791670954857,
        -0.026866170645072893, 0.005223977624780851, -0.0008548326978741789,
        0.00012055331036892241, -1.4925593506782688e-05, 1.6460972815542676e-06,
        -1.6350025205785687e-07, 1.465787971538782e-08, -1.136566543582286e-09,
        5.945260855021793e-11,
    ),
}  # fmt: skip
# log(erfc(x)) on [1, 4] and [1, 6]; relative error that follows for erf
# 2**-29.8, 2**-57.0.
LOG_ERFC = {
    "float32": (
        -0.00034166963, -1.1270885, -0.638146, -0.10310569, 0.021837523,
        -0.0029475174, 0.00018636463,
    ),
    "float64": (
        -5.032050578735813e-07, -1.1283740860915028, -0.6366436430634634,
        -0.10270339865557834, 0.018990101847592193, 0.0004107342718595474,
        -0.001916054868613858, 0.0007707338740953411, -0.0001351082009407417,
        -2.0237564665791443e-05, 2.2810961987659982e-05, -8.663576573973405e-06,
        2.134813934021416e-06, -3.731452908297783e-07, 4.6401829563490146e-08,
        -3.932319473695686e-09, 2.0438624586610132e-10, -4.925731492549163e-12,
    ),
}  # fmt: skip
# exp(a**2) erfc(a) (a + K) in t = (a - K) / (a + K) for a from 0 to where erfc is 0;
# relative error 2**-26.7, 2**-57.8.
SCALED_ERFC = {
    "float32": (
        1.0437663, -0.7661568, 0.39304176, -0.11843863, 0.0032016626, 0.011710345,
        -0.0019196548, -0.0014575187, 0.00026244656, 0.00019509377,
    ),
    "float64": (
        1.0764090930655679, -0.8932262614540845, 0.6083993762186728, -0.331145341934123,
        0.1356661234626354, -0.03541826930350451, 0.0014559214270615118,
        0.002992945407733663, -0.0008967248413908047, -0.00017987599777384745,
        0.00014193365939688717, 9.80276999248844e-06, -2.1383333272775074e-05,
        -9.15767106559789e-07, 3.4547662506834816e-06, 2.897087652265117e-07,
        -5.869373794350335e-07, -1.0757771862483244e-07, 9.624912721795731e-08,
        3.18136016551954e-08, -1.2971043136236299e-08, -6.589600425168769e-09,
        1.0081881374444129e-09, 6.976327117413644e-10,
    ),
}  # fmt: skip
CENTRE = {"float32": 2.3125, "float64": 3.078125}  # K
ERF_LIMIT = {"float32": 4.0, "float64": 6.0}  # erf is 1 from here
ERFC_LIMIT = {"float32": 10.2, "float64": 27.4}  # erfc is 0 from here


def erf(x: Scalar) -> Scalar:
    """1 - exp(log(erfc |x|)) with a polynomial for the logarithm; another below 1."""
    a = at_most(magnitude(x), ERF_LIMIT[x.dtype])
    exponent = split_polynomial(a, LOG_ERFC[x.dtype])
    n_bits, r = reduce(exponent, FORMATS[x.dtype].bias)
    s = power_of_two(n_bits)
    large = copysign(fma(-s, exponential_minus_one(r), 1.0 - s), x)
    small = fma(split_polynomial(x * x, SMALL_ERF[x.dtype]), x, x)
    return select(a < 1.0, small, large)


def scaled(a: Scalar) -> tuple[Scalar, Scalar]:
    """exp(a**2) erfc(a) for a from 0 to where erfc is 0, and by what part of itself it is to
    grow: what rounding took from the quotient.

    Source of the map t: Shepherd and Laframboise, Math. Comp. 36 (1981).
    """
    centre = CENTRE[a.dtype]
    denominator = a + centre
    inverse = 1.0 / denominator
    lost = a - (denominator - centre)
    error = fma(-inverse, lost, fma(-inverse, denominator, 1.0))
    t = fma(inverse, -2 * centre, 1.0)
    t = fma(t - 1.0, error, t)
    return polynomial(t, SCALED_ERFC[a.dtype]) * inverse, error


def erfc(x: Scalar) -> Scalar:
    """exp(-a**2) * the scaled function, a = |x|; 2 minus that for negative x.

    What rounding took from the square and the quotient goes into the exponent.
    """
    a = at_most(magnitude(x), ERFC_LIMIT[x.dtype])
    value, error = scaled(a)
    square = a * a
    kind = FORMATS[x.dtype]
    plus = kind.bias + round(math.log2(kind.far))
    n_bits, r = reduce(-square, plus, error - fma(a, a, -square))
    s = value * power_of_two(n_bits)
    value = fma(s, exponential_minus_one(r), s) * (1 / kind.far)
    return select(x < 0.0, 2.0 - value, value)


# exp(a**2) erfc(a) a sqrt(pi) in 1 / a**2, for large a.
# Source: Abramowitz and Stegun 7.1.23; the first term left out is 8e-18 from 27 on.
ERFCX_SERIES = (
    1.0, -1 / 2, 3 / 4, -15 / 8, 105 / 16, -945 / 32, 10395 / 64,
)  # fmt: skip
ERFCX_FAR = 27.0
# exp(x**2) is infinite beyond.
LARGEST_ROOT = 26.63


def erfcx(x: Scalar) -> Scalar:
    """exp(x**2) erfc(x) of float64: the scaled function; 2 exp(x**2) minus that for negative x,
    where the ones in both are subtracted first."""
    a = magnitude(x)
    value, error = scaled(at_most(a, ERFC_LIMIT[x.dtype]))
    near = fma(value, error, value)
    inverse = 1.0 / a
    far = polynomial(inverse * inverse, ERFCX_SERIES) * (1 / math.sqrt(math.pi) / a)
    right = select(a < ERFCX_FAR, near, far)
    b = at_most(a, LARGEST_ROOT)
    square = b * b
    kind = FORMATS[x.dtype]
    n_bits, r = reduce(square, kind.bias - 1, fma(b, b, -square))
    half = power_of_two(n_bits)
    left = fma(half, exponential_minus_one(r), fma(right, -0.25, half)) * 4.0
    left = select(a > LARGEST_ROOT, literal(math.inf, x.dtype), left)
    return select(x < 0.0, left, right)
