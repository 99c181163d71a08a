"""Inverses of the error function and of its complement, in float64.

With w = -log(1 - x**2) the quotient of erfinv(x) and x is a smooth function of w, and of
sqrt(w) where that is large; for the complement 1 - x**2 is y (2 - y), which has all its
digits for small y.  Float32 is computed so, too: its numbers are then rounded once.
Polynomials were found by Chebyshev interpolation with 40 digits.
Source of the variable w: Giles, "Approximating the erfinv function", GPU Computing Gems
(2011).
"""

from __future__ import annotations

import math

from symnet.kernels.loopir.math.formats import (
    at_most,
    copysign,
    equal,
    fma,
    magnitude,
    split_polynomial,
)
from symnet.kernels.loopir.math.logarithm import log
from symnet.kernels.loopir.scalars import Scalar, call, literal, select

# erfinv(x) / x for w from 0 to 5, in 0.4 w - 1; relative error 2**-58.9.
CENTRE = (
    1.501409351110792, 0.6166006918604175, -0.026108235777397546,
    -0.019573561059547235, 0.00852540095093571, -0.00048789839832821423,
    -0.0008341356436274527, 0.00029219068516379794, 2.0472417318135177e-05,
    -4.143207161087569e-05, 8.652724308992296e-06, 2.851653340750412e-06,
    -1.8538776245567707e-06, 1.358328533200264e-07, 1.9955253577447374e-07,
    -7.089712161469048e-08, -6.723947932139946e-09, 1.1039320695967966e-08,
    -1.9762731377249387e-09, -9.755337189136466e-10, 4.4154081401624544e-10,
    3.858161126784112e-11, -3.8266700213012684e-11,
)  # fmt: skip
# erfinv(x) / x / s for s = sqrt(w) from sqrt(5) to 6.06, in t = K (s - C) / (s + D); 2**-57.4.
TAIL = (
    0.9538161037331212, 0.026189799204435187, -0.0020962968568516305,
    -0.0015378184213856853, 0.0011700209801338117, -0.001134833427111266,
    0.0009008078194374632, -0.000279834834898967, -0.0002641548458521624,
    0.00029119886362944736, 4.24254350709526e-06, -0.00013926193590271254,
    3.151777221343723e-05, 5.4449993330783526e-05, -1.764196437808144e-05,
    -2.0678293588058996e-05, 5.693347392059622e-06, 8.064577906395711e-06,
    -7.587604679673402e-07, -3.077773834907516e-06, -4.3100877309425236e-07,
    1.0401147841288452e-06, 3.793493563457635e-07, -2.7802691347416013e-07,
    -1.5634420633619695e-07, 5.067138265124182e-08, 3.713880418747195e-08,
    -4.625986388394349e-09, -4.063192660338855e-09,
)  # fmt: skip
TAIL_MAP = (3.21555610956186, 3.553435124321862, 2.0)  # K, C, D
# The same from 6 to 27.35, where y is the smallest number; 2**-58.4.
FAR_TAIL = (
    0.9911030355946606, 0.009899888269468264, -0.0037319727662364125,
    0.0007017517970791959, -0.0001131700588128936, 7.690036851413416e-06,
    1.6357397028719314e-06, -1.371207583882879e-06, 4.3198487919605297e-07,
    -1.447633715437467e-07, 3.209506876701047e-08, -9.966833702555405e-09,
    1.5437522616661898e-09, -6.245086980799518e-10, 1.2778685968118802e-11,
    -5.416216783765675e-11, 1.1561012438870237e-13, -1.2913292804957346e-12,
    -4.9373017306097606e-12, -2.3836908269038188e-12,
)  # fmt: skip
FAR_TAIL_MAP = (2.030444964871194, 11.41753171856978, 5.0)
LARGEST = 27.35


def in_tail(
    s: Scalar, coefficients: tuple[float, ...], constants: tuple[float, float, float]
) -> Scalar:
    k, c, d = constants
    return split_polynomial((s - c) / (s + d) * k, coefficients) * s


def quotient(rest: Scalar, far: bool) -> Scalar:
    """erfinv(x) / x, where 1 - x**2 is `rest`.  far: whether that may be below 2**-53."""
    w = -log(rest)
    s = at_most(call("sqrt", w), LARGEST)
    value = in_tail(s, TAIL, TAIL_MAP)
    if far:
        value = select(s < 6.0, value, in_tail(s, FAR_TAIL, FAR_TAIL_MAP))
    centre = split_polynomial(fma(w, 0.4, -1.0), CENTRE)
    return select(w < 5.0, centre, value)


def erfinv(x: Scalar) -> Scalar:
    value = quotient(fma(-x, x, 1.0), far=False) * x
    infinite = copysign(literal(math.inf, x.dtype), x)
    return select(equal(magnitude(x), 1.0), infinite, value)


def erfcinv(y: Scalar) -> Scalar:
    x = 1.0 - y
    small = y < 0.5
    rest = select(small, fma(-y, y, y + y), fma(-x, x, 1.0))
    value = quotient(rest, far=True) * x
    infinite = copysign(literal(math.inf, y.dtype), x)
    return select(equal(rest, 0.0), infinite, value)


__all__ = ["erfcinv", "erfinv"]
