"""Sines, cosines, tangents and their inverses."""

from __future__ import annotations

import math

from symnet.kernels.loopir.math.formats import (
    Number,
    bits,
    copysign,
    equal,
    fma,
    from_bits,
    magnitude,
    nearest_integer,
    number,
    polynomial,
    split_polynomial,
)
from symnet.kernels.loopir.scalars import Scalar, call, literal, scalar, select

# Polynomials in z = r**2 on |r| <= pi/4 (and what n = rint(x 2/pi) may be off for large
# x: 0.006, 1e-6).  (sin(r) / r - 1) / z; relative error 2**-32.5, 2**-63.2.
SINE = {
    "float32": (-0.16666667, 0.0083333785, -0.00019852562, 2.826352e-06),
    "float64": (
        -0.16666666666666666, 0.008333333333333042, -0.00019841269840962462,
        2.7557319073741755e-06, -2.505207076753961e-08, 1.605427877370912e-10,
        -7.387199679295997e-13,
    ),
}  # fmt: skip
# (cos(r) - 1 + z / 2) / z**2; error relative to cos(r) 2**-32.8, 2**-63.9.
COSINE = {
    "float32": (0.041666646, -0.0013887301, 2.443075e-05),
    "float64": (
        0.041666666666666595, -0.0013888888888873342, 2.48015872890021e-05,
        -2.755731421704984e-07, 2.087570539803824e-09, -1.1358749363240419e-11,
    ),
}  # fmt: skip
# (tan(r) / r - 1) / z; relative error 2**-29.3, 2**-58.4.
TANGENT = {
    "float32": (
        0.33333352, 0.13332577, 0.05406987, 0.021230036, 0.010972695, -8.5966945e-05,
        0.0044637816,
    ),
    "float64": (
        0.33333333333333376, 0.13333333333326083, 0.053968253972534075,
        0.02186948840888565, 0.008863237772996465, 0.003592102403587928,
        0.001456034915374874, 0.0005889169398187506, 0.00024356645556803058,
        8.402718295371847e-05, 6.637456395707956e-05, -2.4566650535213122e-05,
        4.774739199696695e-05, -2.383429997677018e-05, 9.701186694237803e-06,
    ),
}  # fmt: skip
# (arctan(t) / t - 1) / t**2 in t**2 on |t| <= 1; relative error 2**-31.0, 2**-59.2.
ARCTANGENT = {
    "float32": (
        -0.33333328, 0.19999716, -0.14280343, 0.11061233, -0.08821461, 0.06763644,
        -0.04498312, 0.022777442, -0.007425254, 0.0011344951,
    ),
    "float64": (
        -0.33333333333333326, 0.19999999999998289, -0.14285714285578038,
        0.11111111105602925, -0.09090908956650022, 0.0769230551701517,
        -0.06666641722401596, 0.05882141528264716, -0.05261791255075742,
        0.04755005739530904, -0.04320127953087695, 0.03910266418568176,
        -0.03466256004349245, 0.02929437449241691, -0.022792411217265243,
        0.015697088722456468, -0.00918390870137141, 0.004369193885683782,
        -0.0016051188938835175, 0.0004239245499179856, -7.125041139783378e-05,
        5.70298584601767e-06,
    ),
}  # fmt: skip
# (arcsin(s) / s - 1) / s**2 in s**2 on |s| <= 1/2; relative error 2**-31.7, 2**-59.6.
ARCSINE = {
    "float32": (
        0.1666666, 0.07500522, 0.044513416, 0.031837612, 0.014327428, 0.03766695,
    ),
    "float64": (
        0.1666666666666676, 0.07499999999970867, 0.04464285717455973,
        0.030381942709898708, 0.022372214994045014, 0.017351609727004672,
        0.013980882397809162, 0.011398082442766041, 0.010786842511347754,
        0.0036740040855490473, 0.02180460175867687, -0.021162130795392663,
        0.03274625105251587,
    ),
}  # fmt: skip

# pi/2 as the sum of three positive numbers of the format (so that r = -0.0 for x = -0.0).
HALF_PI = {
    "float32": (1.570796251296997, 7.549789415861596e-08, 5.390302529957765e-15),
    "float64": (1.5707963267948966, 6.123233995736765e-17, 1.0828566739219139e-32),
}
# Up to here three parts are enough; beyond, the C library reduces the argument.
LARGEST_ANGLE = {"float32": 1e5, "float64": 1e9}


def reduce_angle(x: Scalar) -> tuple[Scalar, Scalar]:
    """(quadrant, r): x = n pi/2 + r, |r| <= pi/4; n mod 4 in the low bits of quadrant.

    The first fused difference is exact (both numbers are multiples of the last place of
    pi/2, the result is below 1), so that r has nearly full relative accuracy.
    Source: Cody and Waite 1980, with fused operations.
    """
    n, quadrant = nearest_integer(x, 2 / math.pi)
    r = x
    for part in HALF_PI[x.dtype]:
        r = fma(n, -part, r)
    return quadrant, r


def reduced_sine(r: Scalar) -> Scalar:
    z = r * r
    # + 0.0 makes the product +0 at r = -0.0, where the sum then stays -0.0.
    return fma(fma(polynomial(z, SINE[r.dtype]), z, 0.0), r, r)


def reduced_cosine(r: Scalar) -> Scalar:
    return polynomial(r * r, (1.0, -0.5, *COSINE[r.dtype]))


def exact_when_large(name: str, x: Scalar, result: Scalar) -> Scalar:
    """`result`, or for huge |x| that of the C library.

    The mark "rare" lets a printer branch around the call: hardly any vector needs it.
    """
    exact = call(f"libm_{name}", x)
    large = magnitude(x) > LARGEST_ANGLE[x.dtype]
    return scalar("select", (large, exact, result), x.dtype, "rare")


def turned(r: Scalar, quadrant: Scalar) -> Scalar:
    """sin(r + quadrant pi/2)."""
    odd = call("ne", call("and", quadrant, 1), 0)
    value = bits(select(odd, reduced_cosine(r), reduced_sine(r)))
    distance = 30 if r.dtype == "float32" else 62
    sign = call("shift_left", call("and", quadrant, 2), distance)
    return from_bits(call("xor", value, sign))


def sin(x: Scalar) -> Scalar:
    quadrant, r = reduce_angle(x)
    return exact_when_large("sin", x, turned(r, quadrant))


def cos(x: Scalar) -> Scalar:
    quadrant, r = reduce_angle(x)
    return exact_when_large("cos", x, turned(r, quadrant + 1))


def tan(x: Scalar) -> Scalar:
    """The reduced argument's own rounding error is kept: in `tail`, times about the
    derivative, it is added with the polynomial."""
    n, quadrant = nearest_integer(x, 2 / math.pi)
    first, second, third = HALF_PI[x.dtype]
    exact = fma(n, -first, x)
    r = fma(n, -second, exact)
    r = fma(n, -third, r)
    moved = exact - r
    tail = fma(n, -third, fma(n, -second, moved))
    z = r * r
    # Else the difference would have an error of its own.
    known = magnitude(moved) < magnitude(r)
    rest = select(known, tail * fma(z, 1.6, 1.0), literal(-0.0, x.dtype))
    t = r + fma(split_polynomial(z, TANGENT[x.dtype]) * z, r, rest)
    odd = call("ne", call("and", quadrant, 1), 0)
    return exact_when_large("tan", x, select(odd, -1.0 / t, t))


def arctangent(t: Scalar, start: Number) -> Scalar:
    """The sum start + arctan(t) for |t| <= 1 and start a multiple of pi/2 (rounded; what
    the rounding lost is added again)."""
    high, low, _ = HALF_PI[t.dtype]
    z = t * t
    evaluate = polynomial if t.dtype == "float32" else split_polynomial
    rest = fma(evaluate(z, ARCTANGENT[t.dtype]) * z, t, start * (low / high))
    return start + (t + rest)


def arctan(x: Scalar) -> Scalar:
    a = magnitude(x)
    large = a > 1.0
    start = select(large, number(HALF_PI[x.dtype][0], x.dtype), 0.0)
    return copysign(arctangent(select(large, -1.0 / a, a), start), x)


def arctan2(y: Scalar, x: Scalar) -> Scalar:
    """The angle of the point (x, y), with C's values at zeros and infinities."""
    a, b = magnitude(x), magnitude(y)
    steep = b > a
    small, large = select(steep, a, b), select(steep, b, a)
    one = select(equal(large, 0.0), literal(0.0, x.dtype), 1.0)
    t = copysign(select(equal(small, large), one, small / large), x)
    quarter = HALF_PI[x.dtype][0]
    flat_start = quarter - copysign(number(quarter, x.dtype), x)
    start = select(steep, number(quarter, x.dtype), flat_start)
    return copysign(arctangent(select(steep, -t, t), start), y)


def arcsine_parts(x: Scalar) -> tuple[Scalar, Scalar, Scalar]:
    """(large, s, w): arcsin |x| = s + s w, or pi/2 - 2 (s + s w) where `large`.

    Source: arcsin x = pi/2 - 2 arcsin(sqrt((1 - x) / 2)).
    """
    a = magnitude(x)
    large = a > 0.5
    z = select(large, fma(a, -0.5, 0.5), a * a)
    s = select(large, call("sqrt", z), a)
    return large, s, polynomial(z, ARCSINE[x.dtype]) * z


def arcsin(x: Scalar) -> Scalar:
    high, low, _ = HALF_PI[x.dtype]
    large, s, w = arcsine_parts(x)
    one = literal(1.0, x.dtype)
    factor = select(large, -2.0, one)
    start = select(large, high, literal(0.0, x.dtype))
    rest = fma(w, s, select(large, -low / 2, literal(0.0, x.dtype)))
    return copysign(fma(factor, rest, fma(factor, s, start)), x)


def arccos(x: Scalar) -> Scalar:
    """pi/2 - arcsin(x), or 2 arcsin(sqrt((1 - |x|) / 2)) for large x, or pi minus that."""
    high, low, _ = HALF_PI[x.dtype]
    zero = literal(0.0, x.dtype)
    large, s, w = arcsine_parts(x)
    s = copysign(s, x)
    below = x < 0.0
    factor = select(large, 2.0, literal(-1.0, x.dtype))
    start = select(large, select(below, 2 * high, zero), high)
    rest = fma(w, s, select(large, select(below, low, zero), -low))
    return fma(factor, rest, fma(factor, s, start))
