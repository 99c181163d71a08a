"""Powers: x**y of floats with C's special cases, and of integers."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from symnet.kernels.loopir.math.exponential import (
    LOG2,
    clamp,
    exp2,
    exponential_minus_one,
    reduce,
    two_powers,
)
from symnet.kernels.loopir.math.formats import (
    FORMATS,
    copysign,
    equal,
    fma,
    magnitude,
    nearest_integer,
    number,
    polynomial,
    power_of_two,
    split_any,
    split_exponent,
)
from symnet.kernels.loopir.scalars import Scalar, call, cast, literal, select

# For x**y of float32, computed in float64.  (log(1 + f) - f + f**2 / 2) / f**3 on
# [sqrt(1/2) - 1, sqrt(2) - 1], relative error of the logarithm 2**-38.2; and
# (2**r - 1) / r on |r| <= 1/2, error relative to 2**r 2**-34.3.
LOGARITHM = (
    0.3333333339916584, -0.25000001125682175, 0.19999989264061668,
    -0.1666653246175649, 0.1428617892895511, -0.12505713369432403,
    0.11105475383022802, -0.09889390275311068, 0.09040157483817812,
    -0.09286882609144703, 0.09115897948903745, -0.04822868244195839,
)  # fmt: skip
BINARY_EXPONENTIAL = (
    0.6931471807047507, 0.24022651066914308, 0.05550410366035183,
    0.009618038069113197, 0.0013333935664616473, 0.00015466778742500217,
    1.5196066590010996e-05,
)  # fmt: skip
# For float64.  log((1 + s) / (1 - s)) = 2 s + s z (2/3 + z P(z)) with z = s**2 on
# [0, 0.0294]; relative error of the logarithm 2**-73.5.
TWO_THIRDS = (0.6666666666666666, 3.700743415417188e-17)
AREA_TANGENT = (
    0.3999999999999998, 0.2857142857144384, 0.22222222217789642, 0.18181818844019018,
    0.15384558425806785, 0.13336264638371775, 0.1167577724384483, 0.11981787152544834,
)  # fmt: skip

Pair = tuple[Scalar, Scalar]  # a number as an unevaluated sum, the second part small


def product(a: Pair, b: Pair) -> Pair:
    """The product.  Source: Dekker 1971, with fused operations."""
    high = fma(a[0], b[0], 0.0)  # not "mul", which a printer may join with a sum
    return high, fma(a[0], b[0], -high) + fma(a[0], b[1], a[1] * b[0])


def ordered_sum(a: Pair, b: Pair) -> Pair:
    """The sum, where |a| >= |b| or a is 0."""
    high = a[0] + b[0]
    return high, (a[0] - high) + b[0] + (a[1] + b[1])


def logarithm_pair(x: Scalar) -> Pair:
    """The logarithm to about 68 bits, for positive finite float64 x."""
    n, m = split_any(x)
    f, sum_high = m - 1.0, m + 1.0
    sum_low = m - (sum_high - 1.0)
    inverse = 1.0 / sum_high
    s = f * inverse
    s_low = inverse * fma(-s, sum_low, fma(-s, sum_high, f))
    z = product((s, s_low), (s, s_low))
    tail = polynomial(z[0], AREA_TANGENT) * z[0]
    zero = literal(0.0, x.dtype)
    factor = ordered_sum((number(TWO_THIRDS[0], x.dtype), zero), (tail, zero))
    factor = factor[0], factor[1] + TWO_THIRDS[1]
    rest = product((s, s_low), product(z, factor))
    small = ordered_sum((s + s, s_low + s_low), rest)
    # n * the leading 32 bits of log 2 is exact.
    leading = math.floor(LOG2["float64"][0] * 2.0**32) / 2.0**32
    following = (LOG2["float64"][0] - leading) + LOG2["float64"][1]
    whole = fma(n, leading, 0.0)
    return ordered_sum((whole, n * following), small)


def magnitude_float64(x: Scalar, y: Scalar) -> Scalar:
    """x**y for finite x > 0 and finite y: the logarithm and its product in pairs."""
    high, low = logarithm_pair(x)
    whole = fma(y, high, 0.0)
    rest = fma(y, low, fma(y, high, -whole))
    inside = magnitude(whole) < 800.0
    tail = select(inside, rest, literal(0.0, x.dtype))
    whole = clamp(whole, (-800.0, 800.0))
    n_bits, r = reduce(whole, 2 * FORMATS[x.dtype].bias, tail)
    s, t = two_powers(whole, n_bits)
    return fma(s, exponential_minus_one(r), s) * t


def magnitude_float32(x: Scalar, y: Scalar) -> Scalar:
    """x**y for x > 0: 2**(y log2 x) in float64."""
    shifted, m = split_exponent(cast(x, "float64"))
    n = cast(shifted, "float64") * 2.0**-52
    f = m - 1.0
    tail = f * f * fma(polynomial(f, LOGARITHM), f, -0.5)
    exponent = fma(f + tail, 1 / math.log(2.0), n) * cast(y, "float64")
    exponent = clamp(exponent, (-200.0, 200.0))
    n, n_bits = nearest_integer(exponent, 1.0, FORMATS["float64"].bias)
    value = polynomial(exponent - n, (1.0, *BINARY_EXPONENTIAL)) * power_of_two(n_bits)
    return cast(value, "float32")


def is_integer(y: Scalar) -> Scalar:
    return equal(call("rint", y), y)


def power(x: Scalar, y: Scalar) -> Scalar:
    """x**y.  Source of the special cases: ISO C, annex F."""
    if y.op == "literal" and y.value in SHORT:
        return SHORT[y.value](x)
    if x.op == "literal" and x.value == 2.0:
        return exp2(y)
    # Infinite exponents act like the largest number, save that 1 to it is 1.
    largest = float(np.finfo(x.dtype).max)
    bounded = clamp(y, (-largest, largest))
    a = magnitude(x)
    single = x.dtype == "float32"
    value = magnitude_float32(a, bounded) if single else magnitude_float64(a, bounded)
    limit = call("or", equal(a, 0.0), equal(a, math.inf))
    grows = call("xor", a > 1.0, y < 0.0)
    value = select(limit, select(grows, literal(math.inf, x.dtype), 0.0), value)
    whole = is_integer(y)
    odd = call("and", whole, call("not", is_integer(y * 0.5)))
    value = select(odd, copysign(value, x), value)
    broken = call("and", call("not", whole), call("and", x < 0.0, a < math.inf))
    undefined = call("or", broken, call("isnan", x + bounded))
    value = select(undefined, literal(math.nan, x.dtype), value)
    one = call("or", equal(x, 1.0), equal(y, 0.0))
    return select(one, literal(1.0, x.dtype), value)


def square_root(x: Scalar) -> Scalar:
    """x**0.5, which differs from sqrt(x) at -0.0 (+0) and -infinity (+infinity)."""
    return select(equal(x, -math.inf), -x, call("sqrt", x) + 0.0)


def reciprocal(x: Scalar) -> Scalar:
    """1 / x; of integers the part before the point, and 0 for 1 / 0."""
    if np.dtype(x.dtype).kind == "f":
        return 1.0 / x
    return select(equal(magnitude(x), 1), x, 0)


def fourth_power(x: Scalar) -> Scalar:
    square = x * x
    return square * square


# Powers that have a shorter form, within one unit in the last place.
SHORT: dict[float, Callable[[Scalar], Scalar]] = {
    -1.0: lambda x: 1.0 / x,
    0.0: lambda x: literal(1.0, x.dtype),
    0.5: square_root,
    1.0: lambda x: x,
    2.0: lambda x: x * x,
    3.0: lambda x: x * x * x,
    4.0: fourth_power,
}


def integer_power(x: Scalar, y: Scalar) -> Scalar:
    """x**y of integers, wrapping around like NumPy; 1 / x**-y cut to an integer (0 but
    for x = 1 and -1) where y is negative.

    Source: repeated squaring, Knuth, The Art of Computer Programming, 4.6.3.
    """
    if y.op == "literal" and y.value >= 0:
        return fixed_power(x, int(y.value))
    kind = np.dtype(y.dtype)
    signed = kind.kind == "i"
    one, zero = literal(1, x.dtype), literal(0, x.dtype)
    result, square = one, x
    for bit in range(8 * kind.itemsize - signed):
        if bit:
            square = square * square
        here = call("ne", call("and", y, literal(1 << bit, y.dtype)), 0)
        result = result * select(here, square, one)
    if not signed:
        return result
    odd = call("ne", call("and", y, 1), 0)
    unit = equal(magnitude(x), one)
    inverse = select(unit, select(odd, x, one), zero)
    return select(y < 0, inverse, result)


def fixed_power(x: Scalar, exponent: int) -> Scalar:
    """The product x * x * ... for an exponent that is known."""
    result: Scalar | None = None
    square = x
    while exponent:
        if exponent & 1:
            result = square if result is None else result * square
        exponent >>= 1
        if exponent:
            square = square * square
    return literal(1, x.dtype) if result is None else result


def hypot(x: Scalar, y: Scalar) -> Scalar:
    """sqrt(x**2 + y**2), scaled by a power of two where a square might not be normal."""
    a, b = magnitude(x), magnitude(y)
    swap = b > a
    large, small = select(swap, b, a), select(swap, a, b)
    step, limit = (2.0**90, 2.0**60) if x.dtype == "float32" else (2.0**600, 2.0**480)
    up, down = number(step, x.dtype), number(1 / step, x.dtype)
    huge, tiny = large > limit, large < 1 / limit
    factor = select(huge, down, select(tiny, up, 1.0))
    back = select(huge, up, select(tiny, down, 1.0))
    large, small = large * factor, small * factor
    root = call("sqrt", fma(large, large, small * small)) * back
    infinite = call("or", equal(a, math.inf), equal(b, math.inf))
    return select(infinite, literal(math.inf, x.dtype), root)
