"""Complex arithmetic on pairs of real scalars: real and imaginary part.

Special values, branches and the order are NumPy's.
"""

from __future__ import annotations

import math

from symnet.kernels.loopir.scalars import (
    Scalar,
    call,
    literal,
    select,
)

Parts = tuple[Scalar, Scalar]
# For lengths: above the first they may be infinite, below the second too short, and then the
# third is a factor.
MIDDLE = {
    "float32": (2.0**120, 2.0**-60, 2.0**100),
    "float64": (2.0**1000, 2.0**-480, 2.0**700),
}


def both(one: Scalar, *others: Scalar) -> Scalar:
    for other in others:
        one = call("and", one, other)
    return one


def either(one: Scalar, *others: Scalar) -> Scalar:
    for other in others:
        one = call("or", one, other)
    return one


def negation(truth: Scalar) -> Scalar:
    return call("not", truth)


def is_infinite(x: Scalar) -> Scalar:
    return call("eq", call("abs", x), math.inf)


def is_finite(x: Scalar) -> Scalar:
    return call("abs", x) < math.inf


def choose(condition: Scalar, yes: Parts, no: Parts) -> Parts:
    """One of two numbers; both are computed."""
    return select(condition, yes[0], no[0]), select(condition, yes[1], no[1])


def constant(re: float, im: float, like: Scalar) -> Parts:
    return literal(re, like.dtype), literal(im, like.dtype)


# ---- arithmetic


def add(x: Parts, y: Parts) -> Parts:
    return x[0] + y[0], x[1] + y[1]


def subtract(x: Parts, y: Parts) -> Parts:
    return x[0] - y[0], x[1] - y[1]


def negative(x: Parts) -> Parts:
    return -x[0], -x[1]


def conjugate(x: Parts) -> Parts:
    return x[0], -x[1]


def multiply(x: Parts, y: Parts) -> Parts:
    """The four products; infinities are not put right afterwards, as they are not by
    NumPy."""
    return x[0] * y[0] - x[1] * y[1], x[0] * y[1] + x[1] * y[0]


def divide(x: Parts, y: Parts) -> Parts:
    """The quotient, by the ratio of the divisor's parts, whose squares might overflow.

    Source: Smith 1962, "Algorithm 116: Complex division".
    """
    (a, b), (c, d) = x, y
    first = call("abs", c) >= call("abs", d)
    large, small = select(first, c, d), select(first, d, c)
    zero = both(call("eq", c, 0.0), call("eq", d, 0.0))
    ratio = select(zero, literal(0.0, a.dtype), small / large)
    # By a zero the parts are divided by its absolute value.
    below = select(zero, call("abs", large), large + small * ratio)
    scale = 1.0 / below
    p, q = select(first, a, b), select(first, b, a)
    re = p + q * ratio
    im = select(first, q - p * ratio, p * ratio - q)
    return re * scale, im * scale


def absolute(x: Parts) -> Parts:
    """The length, as a complex number; no square overflows."""
    length = call("hypot", *x)
    return length, literal(0.0, length.dtype)


def sign(x: Parts) -> Parts:
    """x / |x|, 0 of 0; where one part is infinite, its sign."""
    re, im = x
    factor = _to_the_middle(x)
    a, b = re * factor, im * factor
    length = call("hypot", a, b)
    zero, one = literal(0.0, re.dtype), literal(1.0, re.dtype)
    of_re = select(is_infinite(re), call("copysign", one, re), zero)
    of_im = select(is_infinite(im), call("copysign", one, im), zero)
    infinite = is_infinite(re), is_infinite(im)
    broken = either(is_nan(x), both(*infinite))
    found = choose(broken, constant(math.nan, math.nan, re), (a / length, b / length))
    found = choose(call("xor", *infinite), (of_re, of_im), found)
    nothing = both(call("eq", re, 0.0), call("eq", im, 0.0))
    return choose(nothing, (zero, zero), found)


def _to_the_middle(x: Parts) -> Scalar:
    """A power of two by which the parts are multiplied, so that their length is neither
    infinite nor subnormal."""
    largest = call("maximum", call("abs", x[0]), call("abs", x[1]))
    huge, tiny, up = MIDDLE[largest.dtype]
    one = literal(1.0, largest.dtype)
    return select(largest > huge, 0.25, select(largest < tiny, up, one))


# ---- comparison: by the real parts, then by the imaginary ones


def equal(x: Parts, y: Parts) -> Scalar:
    return both(call("eq", x[0], y[0]), call("eq", x[1], y[1]))


def not_equal(x: Parts, y: Parts) -> Scalar:
    return either(call("ne", x[0], y[0]), call("ne", x[1], y[1]))


def _ordered(x: Parts, y: Parts, last: str) -> Scalar:
    """x before y; `last` compares the imaginary parts."""
    numbers = negation(either(call("isnan", x[1]), call("isnan", y[1])))
    before = both(x[0] < y[0], numbers)
    return either(before, both(call("eq", x[0], y[0]), call(last, x[1], y[1])))


def less(x: Parts, y: Parts) -> Scalar:
    return _ordered(x, y, "lt")


def less_equal(x: Parts, y: Parts) -> Scalar:
    return _ordered(x, y, "le")


def greater(x: Parts, y: Parts) -> Scalar:
    return _ordered(y, x, "lt")


def greater_equal(x: Parts, y: Parts) -> Scalar:
    return _ordered(y, x, "le")


def is_nan(x: Parts) -> Scalar:
    return either(call("isnan", x[0]), call("isnan", x[1]))


def is_inf(x: Parts) -> Scalar:
    return either(call("isinf", x[0]), call("isinf", x[1]))


def maximum(x: Parts, y: Parts) -> Parts:
    return choose(either(is_nan(x), greater_equal(x, y)), x, y)


def minimum(x: Parts, y: Parts) -> Parts:
    return choose(either(is_nan(x), less_equal(x, y)), x, y)
