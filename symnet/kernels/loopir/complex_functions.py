"""Exponentials, logarithms, roots, powers, sines of complex numbers, on pairs of real ones.

Branch cuts, signs of zeros and special values are those of ISO C, annex G, as NumPy's.  A
factor that would overflow although the product does not is taken in two parts: where its
exponent is beyond what a format holds, e**SHIFT is split off.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from symnet.kernels.loopir.complex_arithmetic import (
    Parts,
    both,
    choose,
    constant,
    divide,
    either,
    is_finite,
    is_infinite,
    multiply,
    negation,
)
from symnet.kernels.loopir.scalars import Scalar, call, literal, select

# Beyond the limit e**x may be infinite; e**shift is a normal number, and e**-(limit -
# shift) so small that sinh and cosh of limit - shift are the same.
LIMIT = {"float32": 87.0, "float64": 708.0}
SHIFT = {"float32": 60.0, "float64": 600.0}
# From here on the hyperbolic tangent of a real number is 1.
FLAT = {"float32": 10.0, "float64": 22.0}
# Integer exponents below are powers by multiplication, as they are for NumPy.
INTEGER_POWERS = 100
# Powers of two for squares that might not be normal: limit and its inverse, and the factor.
SCALES = {"float32": (2.0**60, 2.0**80), "float64": (2.0**480, 2.0**600)}


def zero_of(x: Scalar) -> Scalar:
    return literal(0.0, x.dtype)


def is_zero(x: Scalar) -> Scalar:
    return call("eq", x, 0.0)


def lowered(x: Scalar) -> tuple[Scalar, Scalar]:
    """(y, factor): e**x = e**y * factor, for x >= LIMIT both finite if possible."""
    beyond = x > LIMIT[x.dtype]
    shift = SHIFT[x.dtype]
    one = literal(1.0, x.dtype)
    return select(beyond, x - shift, x), select(beyond, math.exp(shift), one)


def exp(z: Parts) -> Parts:
    x, y = z
    lower, factor = lowered(x)
    size = call("exp", lower)
    re = size * call("cos", y) * factor
    im = size * call("sin", y) * factor
    # At infinite x only the direction counts, and that may be unknown.
    unknown = both(is_infinite(x), negation(is_finite(y)))
    gone = select(x > 0.0, x, zero_of(x))
    re = select(unknown, gone, re)
    im = select(both(unknown, x < 0.0), call("copysign", zero_of(x), y), im)
    return select(is_zero(y), size * factor, re), select(is_zero(y), y, im)


# ---- logarithms


def square_and_rest(x: Scalar) -> Parts:
    """x * x as the sum of two numbers.  Source: Dekker 1971, with fused operations."""
    square = call("fma", x, x, 0.0)  # not "mul", which a printer may join with a sum
    return square, call("fma", x, x, -square)


def sum_and_rest(a: Scalar, b: Scalar) -> Parts:
    """a + b as the sum of two numbers.  Source: Knuth, TAOCP, 4.2.2."""
    total = a + b
    virtual = total - a
    return total, (a - (total - virtual)) + (b - virtual)


def log_of_length(x: Scalar, y: Scalar) -> Scalar:
    """log sqrt(x**2 + y**2).

    Near 1 the logarithm is small: there the sum of the squares less 1 is found in twice
    the digits.  Elsewhere the parts are scaled so that no square overflows.
    """
    a, b = call("abs", x), call("abs", y)
    swap = b > a
    large, small = select(swap, b, a), select(swap, a, b)
    limit, step = SCALES[x.dtype]
    huge, tiny = large > limit, large < 1 / limit
    one = literal(1.0, x.dtype)
    factor = select(huge, 1 / step, select(tiny, step, one))
    more = select(huge, math.log(step), select(tiny, -math.log(step), zero_of(x)))
    p, q = large * factor, small * factor
    square = call("fma", p, p, q * q)
    far = call("log", square) * 0.5 + more
    first, first_rest = square_and_rest(large)
    second, second_rest = square_and_rest(small)
    less, less_rest = sum_and_rest(first, literal(-1.0, x.dtype))
    total, total_rest = sum_and_rest(less, second)
    rest = (less_rest + total_rest) + (first_rest + second_rest)
    near = call("log1p", total + rest) * 0.5
    close = both(square > 0.5, square < 2.0, call("eq", factor, 1.0))
    found = select(close, near, far)
    infinite = either(is_infinite(x), is_infinite(y))
    return select(infinite, literal(math.inf, x.dtype), found)


def log(z: Parts) -> Parts:
    return log_of_length(*z), call("arctan2", z[1], z[0])


def scaled_log(factor: float) -> Callable[[Parts], Parts]:
    """The logarithm times a number."""

    def function(z: Parts) -> Parts:
        re, im = log(z)
        return re * factor, im * factor

    return function


def log1p(z: Parts) -> Parts:
    """Where z is small |1 + z|**2 - 1 is x (2 + x) + y**2."""
    x, y = z
    above = x + 1.0
    small = both(call("abs", x) < 0.25, call("abs", y) < 0.25)
    near = call("log1p", call("fma", x, x + 2.0, y * y)) * 0.5
    return select(small, near, log_of_length(above, y)), call("arctan2", y, above)


def exp2(z: Parts) -> Parts:
    return exp((z[0] * math.log(2), z[1] * math.log(2)))


def expm1(z: Parts) -> Parts:
    """With the real part expm1 x cos y - 2 sin(y / 2)**2."""
    x, y = z
    half = call("sin", y * 0.5)
    re = call("expm1", x) * call("cos", y) - half * half * 2.0
    return re, call("exp", x) * call("sin", y)


# ---- roots and powers


def sqrt(z: Parts) -> Parts:
    """The root whose real part is not negative; the cut lies along the negative numbers.

    Source: Kahan 1987, "Branch cuts for complex elementary functions".
    """
    x, y = z
    a, b = call("abs", x), call("abs", y)
    largest = call("maximum", a, b)
    limit, step = SCALES[x.dtype]
    root = math.sqrt(step)
    huge, tiny = largest > limit, largest < 1 / limit
    one = literal(1.0, x.dtype)
    down = select(huge, 1 / step, select(tiny, step, one))
    up = select(huge, root, select(tiny, 1 / root, one))
    p, q = a * down, b * down
    half = call("sqrt", (p + call("hypot", p, q)) * 0.5)
    long, short = half * up, q / (half + half) * up
    found = choose(x >= 0.0, (long, short), (short, long))
    im = call("copysign", found[1], y)
    inside = choose(both(is_zero(x), is_zero(y)), (zero_of(x), y), (found[0], im))
    return _root_at_infinity(z, inside)


def _root_at_infinity(z: Parts, found: Parts) -> Parts:
    x, y = z
    inf, nan = literal(math.inf, x.dtype), literal(math.nan, x.dtype)
    unknown = call("isnan", y)
    right = inf, select(unknown, y, call("copysign", zero_of(x), y))
    left = select(unknown, nan, zero_of(x)), call("copysign", inf, y)
    found = choose(call("eq", x, math.inf), right, found)
    found = choose(call("eq", x, -math.inf), left, found)
    return choose(is_infinite(y), (inf, y), found)


def integer_power(z: Parts, exponent: int) -> Parts:
    """z**exponent by multiplication, for an exponent that is known."""
    result: Parts | None = None
    square, left = z, abs(exponent)
    while left:
        if left & 1:
            result = square if result is None else multiply(result, square)
        left >>= 1
        if left:
            square = multiply(square, square)
    if result is None:
        return constant(1.0, 0.0, z[0])
    return divide(constant(1.0, 0.0, z[0]), result) if exponent < 0 else result


def power(z: Parts, w: Parts) -> Parts:
    """z**w = e**(w log z); whole exponents below INTEGER_POWERS by multiplication."""
    re, im = w
    if re.op == "literal" and im.op == "literal" and float(im.value) == 0:
        exponent = float(re.value)
        if exponent.is_integer() and abs(exponent) < INTEGER_POWERS:
            return _at_zero(z, w, integer_power(z, int(exponent)))
        return _at_zero(z, w, exp(multiply(w, log(z))))
    found = exp(multiply(w, log(z)))
    size = call("abs", re)
    whole = both(is_zero(im), call("eq", call("rint", re), re), size < INTEGER_POWERS)
    return _at_zero(z, w, choose(whole, _whole_power(z, re), found))


def _whole_power(z: Parts, exponent: Scalar) -> Parts:
    """z to a whole exponent below 128: by the bits of its size, from the lowest."""
    one = constant(1.0, 0.0, z[0])
    left = call("abs", exponent)
    result, square = one, z
    for bit in range(INTEGER_POWERS.bit_length()):
        if bit:
            square = multiply(square, square)
        half = call("floor", left * 0.5)
        odd = call("ne", left, half * 2.0)
        result = choose(odd, multiply(result, square), result)
        left = half
    return choose(exponent < 0.0, divide(one, result), result)


def _at_zero(z: Parts, w: Parts, found: Parts) -> Parts:
    """Powers of 0, and with the exponent 0."""
    zero = both(is_zero(z[0]), is_zero(z[1]))
    nan = constant(math.nan, math.nan, z[0])
    nothing = zero_of(z[0]), zero_of(z[0])
    found = choose(zero, choose(w[0] > 0.0, nothing, nan), found)
    constant_one = both(is_zero(w[0]), is_zero(w[1]))
    return choose(constant_one, constant(1.0, 0.0, z[0]), found)


# ---- hyperbolic functions, and sines and cosines by them


def hyperbolic_parts(x: Scalar) -> tuple[Scalar, Scalar, Scalar]:
    """(sinh, cosh, factor) of x, which are to be multiplied by the factor."""
    a, factor = lowered(call("abs", x))
    return call("copysign", call("sinh", a), x), call("cosh", a), factor


def sinh(z: Parts) -> Parts:
    """sinh x cos y + i cosh x sin y."""
    x, y = z
    odd, even, factor = hyperbolic_parts(x)
    re = odd * call("cos", y) * factor
    im = even * call("sin", y) * factor
    # Zero and infinite x where the direction is unknown; real numbers.
    re = select(either(is_zero(y), both(is_zero(x), _unknown(y))), odd * factor, re)
    re = select(both(is_infinite(x), _unknown(y)), even, re)
    return re, select(is_zero(y), y, im)


def cosh(z: Parts) -> Parts:
    """cosh x cos y + i sinh x sin y."""
    x, y = z
    odd, even, factor = hyperbolic_parts(x)
    re = even * call("cos", y) * factor
    im = odd * call("sin", y) * factor
    re = select(
        either(is_zero(y), both(is_infinite(x), _unknown(y))), even * factor, re
    )
    flat = either(is_zero(y), both(is_zero(x), _unknown(y)))
    signed = call(
        "copysign", zero_of(x), call("copysign", literal(1.0, x.dtype), x) * y
    )
    return re, select(flat, signed, im)


def _unknown(y: Scalar) -> Scalar:
    """Whether y is no angle."""
    return negation(is_finite(y))


def tanh(z: Parts) -> Parts:
    """(sinh x cosh x + i sin y cos y) / (sinh(x)**2 + cos(y)**2); where tanh x is 1 in the
    format, i 4 sin y cos y e**(-2 |x|) beside it."""
    x, y = z
    a = call("abs", x)
    flat = a > FLAT[x.dtype]
    inside = select(flat, zero_of(x), x)
    odd, even = call("sinh", inside), call("cosh", inside)
    sine, cosine = call("sin", y), call("cos", y)
    below = call("fma", odd, odd, cosine * cosine)
    one = literal(1.0, x.dtype)
    decay = call("exp", -a)
    far_im = sine * cosine * 4.0 * decay * decay
    nothing = call("copysign", zero_of(x), y)
    far_im = select(both(is_infinite(x), _unknown(y)), nothing, far_im)
    far = call("copysign", one, x), far_im
    found = choose(flat, far, (odd * even / below, sine * cosine / below))
    re = select(both(is_finite(x), _unknown(y)), literal(math.nan, x.dtype), found[0])
    re = select(both(is_zero(x), _unknown(y)), x, re)
    real = is_zero(y)
    return select(real, call("tanh", x), re), select(real, y, found[1])


def sin(z: Parts) -> Parts:
    """sin x cosh y + i cos x sinh y."""
    re, im = sinh((z[1], z[0]))
    return im, re


def cos(z: Parts) -> Parts:
    """cosh(i z)."""
    return cosh((-z[1], z[0]))


def tan(z: Parts) -> Parts:
    """By tanh as the sine by sinh: the parts of y + i x, exchanged."""
    re, im = tanh((z[1], z[0]))
    return im, re
