"""The error function and its complement."""

from __future__ import annotations

from symnet.kernels.loops import Scalar, select
from symnet.kernels.math.exponential import exponential_parts
from symnet.kernels.math.formats import (
    at_most,
    copysign,
    fma,
    magnitude,
    polynomial,
    split_polynomial,
)

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
# relative error 2**-26.4, 2**-54.0.
SCALED_ERFC = {
    "float32": (
        1.0740069, -0.88339454, 0.5902277, -0.3104647, 0.11953641, -0.026845347,
        -0.0012583451, 0.0030777033, -0.00043791675, -0.0002982883,
    ),
    "float64": (
        1.095995661000491, -0.976548729080882, 0.773208702265255,
        -0.5408538313132439, 0.3308515878771005, -0.1740109372396491,
        0.076381514927456, -0.026370053342004453, 0.006112055470518531,
        -0.00028095889032086195, -0.0004550515888756356, 0.00017681320837881215,
        -3.639133710703007e-06, -1.886314918973313e-05, 4.703251416971331e-06,
        1.4311388667161965e-06, -8.578086583607426e-07, -8.747193651426549e-08,
        1.3180103873793988e-07, 1.175163187597978e-08, -1.6415680667451054e-08,
        -3.965299643591823e-09,
    ),
}  # fmt: skip
CENTRE = {"float32": 3.0, "float64": 4.0}  # K
ERF_LIMIT = {"float32": 4.0, "float64": 6.0}  # erf is 1 from here
ERFC_LIMIT = {"float32": 10.2, "float64": 27.4}  # erfc is 0 from here


def erf(x: Scalar) -> Scalar:
    """1 - exp(log(erfc |x|)) with a polynomial for the logarithm; another below 1."""
    a = at_most(magnitude(x), ERF_LIMIT[x.dtype])
    p, s = exponential_parts(split_polynomial(a, LOG_ERFC[x.dtype]))
    large = copysign(fma(-(p * s), s, 1.0), x)
    small = fma(split_polynomial(x * x, SMALL_ERF[x.dtype]), x, x)
    return select(a < 1.0, small, large)


def erfc(x: Scalar) -> Scalar:
    """exp(-a**2) * the scaled function, a = |x|; 2 minus that for negative x.

    The rounding error of the square is put back: exp(-h - l) = exp(-h) (1 - l).
    Source of the map t: Shepherd and Laframboise, Math. Comp. 36 (1981).
    """
    a = at_most(magnitude(x), ERFC_LIMIT[x.dtype])
    h = a * a
    p, s = exponential_parts(-h)
    p = fma(fma(a, a, -h), -p, p)
    centre = CENTRE[x.dtype]
    inverse = 1.0 / (a + centre)
    t = (a - centre) * inverse
    value = p * (split_polynomial(t, SCALED_ERFC[x.dtype]) * inverse) * s * s
    return select(x < 0.0, 2.0 - value, value)
