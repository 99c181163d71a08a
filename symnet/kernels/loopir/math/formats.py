"""Floating-point formats, and the building blocks of the expansions.

Every expansion is straight-line arithmetic that each lane of a vector executes: choices
are selects, tables are polynomials, powers of two are made in the exponent bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from symnet.data_classes import dataclass
from symnet.kernels.loopir.scalars import Scalar, call, cast, literal, scalar, select

Number = Scalar | float


@dataclass(frozen=True)
class Format:
    """What the formulas must know of float32 or float64.

    `magic` = 1.5 * 2**fraction: adding it to a number rounds that to an integer, which
    then stands in the low bits of the sum.  `bias` stands in the exponent of 1.0, `one`
    holds the bits of 1.0, `middle` those of sqrt(1/2), `exponents` the mask of the sign
    and the exponent, `sign` that of the sign.  `far` is a power of two about half way to
    the largest number (and 1 / far to the smallest).
    """

    dtype: str
    integer: str
    fraction: int
    magic: float
    bias: int
    one: int
    middle: int
    exponents: int
    sign: int
    smallest: float
    far: float


FORMATS = {
    "float32": Format(
        dtype="float32",
        integer="int32",
        fraction=23,
        magic=1.5 * 2.0**23,
        bias=127,
        one=0x3F800000,
        middle=0x3F3504F3,
        exponents=-(1 << 23),
        sign=-(1 << 31),
        smallest=2.0**-126,
        far=2.0**64,
    ),
    "float64": Format(
        dtype="float64",
        integer="int64",
        fraction=52,
        magic=1.5 * 2.0**52,
        bias=1023,
        one=0x3FF0000000000000,
        middle=0x3FE6A09E667F3BCD,
        exponents=-(1 << 52),
        sign=-(1 << 63),
        smallest=2.0**-1022,
        far=2.0**512,
    ),
}


@cache
def number(value: float, dtype: str) -> Scalar:
    """A constant other than zero (the two zeros are equal keys), made only once."""
    return literal(value, dtype)


def fma(a: Scalar, b: Number, c: Number) -> Scalar:
    """The sum a * b + c with one rounding."""
    full = [
        v if isinstance(v, Scalar) else number(v, a.dtype) if v else literal(v, a.dtype)
        for v in (b, c)
    ]
    return scalar("fma", (a, *full), a.dtype)


def polynomial(x: Scalar, coefficients: Sequence[float]) -> Scalar:
    """coefficients[0] + coefficients[1] * x + ..., by Horner's rule."""
    value = number(coefficients[-1], x.dtype)
    for coefficient in reversed(coefficients[:-1]):
        value = scalar("fma", (value, x, number(coefficient, x.dtype)), x.dtype)
    return value


def split_polynomial(x: Scalar, coefficients: Sequence[float]) -> Scalar:
    """The same for many coefficients: two independent chains, for even and odd powers,
    halve the time that a processor waits for the chain."""
    square = x * x
    even = polynomial(square, coefficients[0::2])
    odd = polynomial(square, coefficients[1::2])
    return fma(odd, x, even)


def at_most(x: Scalar, limit: float) -> Scalar:
    """min(x, limit); NaN stays NaN.  One instruction on x86."""
    bound = number(limit, x.dtype)
    return select(bound < x, bound, x)


def at_least(x: Scalar, limit: float) -> Scalar:
    """max(x, limit); NaN stays NaN."""
    bound = number(limit, x.dtype)
    return select(x < bound, bound, x)


def magnitude(x: Scalar) -> Scalar:
    return call("abs", x)


def copysign(x: Scalar, sign: Scalar) -> Scalar:
    return call("copysign", x, sign)


def equal(a: Scalar, b: Number) -> Scalar:
    return call("eq", a, b)


def bits(x: Scalar) -> Scalar:
    """The bits of a float as a signed integer of its size."""
    return call("bitcast", x, dtype=FORMATS[x.dtype].integer)


def from_bits(x: Scalar) -> Scalar:
    """The float with these bits."""
    return call("bitcast", x, dtype="float32" if x.dtype == "int32" else "float64")


def sign_of(x: Scalar) -> int:
    """1 if x cannot be below zero, -1 if it cannot be above, 0 if either may be.

    Of NaN nothing is said."""
    if x.op == "literal":
        return -1 if float(x.value) < 0 else 1
    if x.op in ("abs", "sqrt", "square"):
        return 1
    if x.op == "neg":
        return -sign_of(x.args[0])
    if x.op in ("mul", "div"):
        left, right = x.args
        same = left is right and x.op == "mul"
        return 1 if same else sign_of(left) * sign_of(right)
    return 0


def signed(x: Scalar) -> tuple[Scalar, Scalar]:
    """(|x|, the sign bit of x), for `with_sign`."""
    sign = call("and", bits(x), FORMATS[x.dtype].sign)
    return from_bits(call("xor", bits(x), sign)), sign


def with_sign(size: Scalar, sign: Scalar) -> Scalar:
    """`size`, which is not negative, with a sign bit set; cheaper than copysign."""
    return from_bits(call("or", bits(size), sign))


def nearest_integer(x: Scalar, scale: float, plus: int = 0) -> tuple[Scalar, Scalar]:
    """n = rint(x * scale) as a float, and n + plus as an integer of which only the low
    bits count.

    Needs |x * scale| < 2**22 for float32 and 2**51 for float64; else the result is of
    no use but does no harm.
    """
    magic = FORMATS[x.dtype].magic + plus
    shifted = fma(x, scale, magic)
    return shifted - magic, bits(shifted)


def exponent_of(low: Scalar) -> Scalar:
    """The low bits of an integer moved to where a float has its exponent."""
    kind = FORMATS["float32" if low.dtype == "int32" else "float64"]
    return call("shift_left", low, kind.fraction)


def power_of_two(low: Scalar) -> Scalar:
    """2**n, where n + bias stands in the low bits of `low`."""
    return from_bits(exponent_of(low))


def split_exponent(x: Scalar) -> tuple[Scalar, Scalar]:
    """(d, m): x = 2**n * m with m in [sqrt(1/2), sqrt(2)), d = n << fraction.

    For positive normal x.
    """
    kind = FORMATS[x.dtype]
    whole = bits(x)
    exponent = call("and", whole - kind.middle, kind.exponents)
    return exponent, from_bits(whole - exponent)


def split_any(x: Scalar) -> tuple[Scalar, Scalar]:
    """(n, m) as floats, x = 2**n * m as above, for subnormal x too."""
    kind = FORMATS[x.dtype]
    tiny = x < kind.smallest
    exponent, mantissa = split_exponent(select(tiny, x * 2.0**kind.fraction, x))
    shift = select(tiny, number(-kind.fraction, x.dtype), 0.0)
    return fma(cast(exponent, x.dtype), 2.0**-kind.fraction, shift), mantissa
