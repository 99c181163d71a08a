"""One primitive of the loop IR on one vector (or one scalar): LLVM instructions.

`apply(scope, op, dtype, sources, values, lanes)` writes what computes `op` from values
of dtypes `sources` and returns the name of the result, of dtype `dtype`.
All results are defined for all values:
  integer floordiv and mod round down, by zero they give 0, overflow wraps (as NumPy);
  shifts by the width or more give 0 (or the sign);
  casts of floats that do not fit an integer give what the x86 instruction gives (the
  smallest int32 or int64; smaller types keep its low bits), as NumPy does there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from symnet.kernels.llvm.lanes import COMPARE, Lanes
from symnet.kernels.llvm.remainders import float_floor_division, float_remainder
from symnet.kernels.llvm.text import (
    REGISTER,
    Scope,
    bits,
    is_float,
    is_signed,
    type_text,
)
from symnet.kernels.loopir.scalars import GROUP_BLOCKS, GROUP_NUMBERS, ROUNDING

LOGIC = ("and", "or", "xor")
FLOAT_INTRINSICS = ("sqrt", "copysign", *ROUNDING)
FLOAT_ARITHMETIC = {"add": "fadd", "sub": "fsub", "mul": "fmul", "div": "fdiv"}
INTEGER_ARITHMETIC = ("add", "sub", "mul")
BOOL_ARITHMETIC = {
    "add": "or",
    "mul": "and",
    "maximum": "or",
    "minimum": "and",
    "sub": "xor",
}


def apply(
    scope: Scope,
    op: str,
    dtype: str,
    sources: Sequence[str],
    values: Sequence[str],
    lanes: int,
) -> str:
    """Write one primitive; see the module's head."""
    on = Lanes(scope, lanes)
    kind = sources[-1]
    if op in CONVERSIONS:
        return CONVERSIONS[op](on, kind, dtype, values[0])
    if op == "select":
        return on.select(values[0], dtype, values[1], values[2])
    if op in COMPARE:
        return on.compare(op, kind, values[0], values[1])
    if op in LOGIC:
        return on.binary(op, dtype, values[0], values[1])
    if dtype == "bool" and op in BOOL_ARITHMETIC:
        return on.binary(BOOL_ARITHMETIC[op], dtype, values[0], values[1])
    if is_float(kind) and op in FLOAT_ARITHMETIC:
        return on.binary(FLOAT_ARITHMETIC[op], dtype, values[0], values[1])
    if is_float(kind) and op in FLOAT_INTRINSICS:
        return on.intrinsic(op, dtype, *values)
    if not is_float(kind) and op in INTEGER_ARITHMETIC:
        return on.binary(op, dtype, values[0], values[1])
    if not is_float(kind) and op in ROUNDING:
        return values[0]
    if op not in SPECIAL:
        raise NotImplementedError(f"no instruction for {op} of {', '.join(sources)}")
    return SPECIAL[op](on, kind, list(values))


def negate(on: Lanes, dtype: str, values: list[str]) -> str:
    if is_float(dtype):
        return on.scope.emit(f"fneg {on.type(dtype)} {values[0]}")
    return on.binary("sub", dtype, on.constant(0, dtype), values[0])


def absolute(on: Lanes, dtype: str, values: list[str]) -> str:
    if is_float(dtype):
        return on.intrinsic("fabs", dtype, values[0])
    if not is_signed(dtype):
        return values[0]
    negative = on.compare("lt", dtype, values[0], on.constant(0, dtype))
    return on.select(negative, dtype, negate(on, dtype, values), values[0])


def logical_not(on: Lanes, dtype: str, values: list[str]) -> str:
    ones = on.constant(1 if dtype == "bool" else -1, dtype)
    return on.binary("xor", dtype, values[0], ones)


def fused(on: Lanes, dtype: str, values: list[str]) -> str:
    if is_float(dtype):
        return on.intrinsic("fma", dtype, *values)
    return on.binary(
        "add", dtype, on.binary("mul", dtype, values[0], values[1]), values[2]
    )


def extreme(name: str) -> Callable[[Lanes, str, list[str]], str]:
    """Minimum or maximum that gives NaN where either operand is NaN."""

    def write(on: Lanes, dtype: str, values: list[str]) -> str:
        left, right = values
        if not is_float(dtype):
            prefix = "s" if is_signed(dtype) else "u"
            return on.intrinsic(prefix + name, dtype, left, right)
        # The comparison, one instruction with its selection on x86, takes the right
        # operand if either is NaN; so only a NaN on the left is left to see to.
        better = on.compare("gt" if name == "max" else "lt", dtype, left, right)
        chosen = on.select(better, dtype, left, right)
        missing = on.compare("uno", dtype, left, left)
        return on.select(missing, dtype, left, chosen)

    return write


def is_nan(on: Lanes, dtype: str, values: list[str]) -> str:
    if not is_float(dtype):
        return on.constant(0, "bool")
    return on.compare("uno", dtype, values[0], values[0])


def is_infinite(on: Lanes, dtype: str, values: list[str]) -> str:
    if not is_float(dtype):
        return on.constant(0, "bool")
    size = on.intrinsic("fabs", dtype, values[0])
    return on.compare("eq", dtype, size, on.constant("inf", dtype))


def shift(left: bool) -> Callable[[Lanes, str, list[str]], str]:
    """Shifts that stay defined where the amount is the width or more."""

    def write(on: Lanes, dtype: str, values: list[str]) -> str:
        name = "shl" if left else "ashr" if is_signed(dtype) else "lshr"
        width = bits(dtype)
        amount = values[1]
        if amount in {on.constant(k, dtype) for k in range(width)}:
            return on.binary(name, dtype, values[0], amount)
        fits = on.binary("icmp ult", dtype, amount, on.constant(width, dtype))
        last = on.constant(width - 1, dtype)
        shifted = on.binary(
            name, dtype, values[0], on.select(fits, dtype, amount, last)
        )
        if name == "ashr":
            return shifted
        return on.select(fits, dtype, shifted, on.constant(0, dtype))

    return write


def integer_floor_division(on: Lanes, dtype: str, left: str, right: str) -> str:
    """Rounded down; 0 where the divisor is 0; the smallest number // -1 wraps."""
    zero, one = on.constant(0, dtype), on.constant(1, dtype)
    by_zero = on.compare("eq", dtype, right, zero)
    safe = on.select(by_zero, dtype, one, right)
    if bits(dtype) <= 32:
        whole = divide_as_floats(on, dtype, left, safe)
    elif is_signed(dtype):
        whole = signed_floor_division(on, dtype, left, safe)
    else:
        whole = on.binary("udiv", dtype, left, safe)
    return on.select(by_zero, dtype, zero, whole)


def signed_floor_division(on: Lanes, dtype: str, left: str, right: str) -> str:
    zero, one = on.constant(0, dtype), on.constant(1, dtype)
    by_minus_one = on.compare("eq", dtype, right, on.constant(-1, dtype))
    safe = on.select(by_minus_one, dtype, one, right)
    quotient = on.binary("sdiv", dtype, left, safe)
    rest = on.binary("sub", dtype, left, on.binary("mul", dtype, quotient, safe))
    opposite = on.compare("lt", dtype, on.binary("xor", dtype, rest, safe), zero)
    lower = on.binary("and", "bool", on.compare("ne", dtype, rest, zero), opposite)
    down = on.select(lower, dtype, on.binary("sub", dtype, quotient, one), quotient)
    return on.select(by_minus_one, dtype, negate(on, dtype, [left]), down)


def divide_as_floats(on: Lanes, dtype: str, left: str, right: str) -> str:
    """Floor of a quotient of integers of up to 32 bits, through a wider float.

    Exact: a quotient a/b just below a whole number k is at least 1/b away from it, in
    proportion to k at least 1/a, which float64 tells apart for 32 bits and float32 for 8.
    """
    wide, between = ("float64", "int64") if bits(dtype) > 8 else ("float32", "int32")
    quotient = on.binary(
        "fdiv", wide, cast(on, dtype, wide, left), cast(on, dtype, wide, right)
    )
    whole = on.intrinsic("floor", wide, quotient)
    return cast(on, between, dtype, cast(on, wide, between, whole))


def floor_division(on: Lanes, dtype: str, values: list[str]) -> str:
    if dtype == "bool":
        return on.binary("and", dtype, *values)
    divide = float_floor_division if is_float(dtype) else integer_floor_division
    return divide(on, dtype, *values)


def remainder(on: Lanes, dtype: str, values: list[str]) -> str:
    """What floor division leaves; 0 for an integer divisor 0."""
    left, right = values
    if is_float(dtype):
        return float_remainder(on, dtype, left, right)
    if dtype == "bool":
        return on.constant(0, dtype)
    whole = integer_floor_division(on, dtype, left, right)
    rest = on.binary("sub", dtype, left, on.binary("mul", dtype, whole, right))
    zero = on.constant(0, dtype)
    return on.select(on.compare("eq", dtype, right, zero), dtype, zero, rest)


def cast(on: Lanes, source: str, dtype: str, value: str) -> str:
    """Convert; see the module's head for floats that do not fit."""
    if source == dtype:
        return value
    if dtype == "bool":
        return on.compare("ne", source, value, on.constant(0, source))
    if is_float(dtype):
        return cast_to_float(on, source, dtype, value)
    if is_float(source):
        return cast_float_to_integer(on, source, dtype, value)
    if bits(source) == bits(dtype):
        return value
    if bits(source) > bits(dtype):
        return on.convert("trunc", source, dtype, value)
    return on.convert("sext" if is_signed(source) else "zext", source, dtype, value)


def cast_to_float(on: Lanes, source: str, dtype: str, value: str) -> str:
    if not is_float(source):
        value = on.convert(
            "sitofp" if is_signed(source) else "uitofp", source, dtype, value
        )
    elif dtype == "float16" and source == "float64":
        value = narrow_towards_odd(on, value)
    elif REGISTER[source] != REGISTER[dtype]:
        value = on.convert(
            "fpext" if dtype == "float64" else "fptrunc", source, dtype, value
        )
    if dtype == "float16":
        half = type_text("half", on.lanes)
        narrow = on.scope.emit(f"fptrunc {on.type(dtype)} {value} to {half}")
        value = on.scope.emit(f"fpext {half} {narrow} to {on.type(dtype)}")
    return value


def narrow_towards_odd(on: Lanes, value: str) -> str:
    """float64 to float32 such that rounding again, to float16, rounds as if once.

    What is not exact is cut towards zero and its last bit set ("round to odd").
    Source: Boldo & Melquiond 2008, "Emulation of FMA and correctly rounded sums".
    """
    near = on.convert("fptrunc", "float64", "float32", value)
    back = on.convert("fpext", "float32", "float64", near)
    far = on.compare(
        "gt",
        "float64",
        on.intrinsic("fabs", "float64", back),
        on.intrinsic("fabs", "float64", value),
    )
    pattern = on.convert("bitcast", "float32", "int32", near)
    one = on.constant(1, "int32")
    cut = on.select(far, "int32", on.binary("sub", "int32", pattern, one), pattern)
    odd = on.binary("or", "int32", cut, one)
    inexact = on.binary("fcmp one", "float64", back, value)
    pattern = on.select(inexact, "int32", odd, pattern)
    return on.convert("bitcast", "int32", "float32", pattern)


def cast_float_to_integer(on: Lanes, source: str, dtype: str, value: str) -> str:
    """What does not fit, and NaN, is the least number of 32 or 64 bits, as x86-64's
    instructions give it and NumPy with them, on all processors alike.

    (On ARM NumPy gives now the nearest number, now the lower bits, as its loops go.)
    """
    if dtype == "uint64":
        return cast_float_to_uint64(on, source, value)
    wide = "int64" if bits(dtype) == 64 or dtype == "uint32" else "int32"
    whole = whole_number(on, source, wide, value)
    return (
        whole if bits(wide) == bits(dtype) else on.convert("trunc", wide, dtype, whole)
    )


def whole_number(on: Lanes, source: str, dtype: str, value: str) -> str:
    """A float cut to a signed integer; the least one for what does not fit."""
    # That is "poison" to LLVM; frozen, it is what the instruction gave.
    whole = on.convert("fptosi", source, dtype, value)
    whole = on.scope.emit(f"freeze {on.type(dtype)} {whole}")
    target = on.scope.module.target
    if target.is_x86 and not target.threads:
        return whole
    least = on.constant(-(2 ** (bits(dtype) - 1)), dtype)
    end = on.constant(2.0 ** (bits(dtype) - 1), source)
    size = on.intrinsic("fabs", source, value)
    return on.select(on.compare("lt", source, size, end), dtype, whole, least)


def cast_float_to_uint64(on: Lanes, source: str, value: str) -> str:
    """Numbers from 2**63 are converted after taking that much off; negative ones wrap."""
    middle = on.constant(2.0**63, source)
    large = on.compare("ge", source, value, middle)
    reduced = on.select(large, source, on.binary("fsub", source, value, middle), value)
    whole = cast_float_to_integer(on, source, "int64", reduced)
    top = on.constant(-(2**63), "int64")
    return on.select(large, "int64", on.binary("xor", "int64", whole, top), whole)


def bitcast(on: Lanes, source: str, dtype: str, value: str) -> str:
    if REGISTER[source] == REGISTER[dtype]:
        return value
    return on.convert("bitcast", source, dtype, value)


def block_of(on: Lanes, dtype: str, values: list[str]) -> str:
    (place,) = values
    group = on.binary(
        "lshr", dtype, place, on.constant(GROUP_NUMBERS.bit_length() - 1, dtype)
    )
    first = on.binary("mul", dtype, group, on.constant(GROUP_BLOCKS, dtype))
    own = on.binary("and", dtype, place, on.constant(GROUP_BLOCKS - 1, dtype))
    return on.binary("or", dtype, first, own)


def word_of(on: Lanes, dtype: str, values: list[str], lanes: int | None = None) -> str:
    """The words of vectors; with `lanes` 0 the place is one number, and the lanes that
    begin there have the same word."""
    place, chosen, *others = values
    where = on if lanes is None else Lanes(on.scope, lanes)
    chosen_word = where.binary(
        "and", "int64", place, where.constant(GROUP_NUMBERS - GROUP_BLOCKS, "int64")
    )
    kind = on.type(dtype)
    for k, word in enumerate(others, 1):
        own = where.compare(
            "eq", "int64", chosen_word, where.constant(k * GROUP_BLOCKS, "int64")
        )
        chosen = on.scope.emit(
            f"select {where.type('bool')} {own}, {kind} {word}, {kind} {chosen}"
        )
    return chosen


CONVERSIONS = {"cast": cast, "bitcast": bitcast}

SPECIAL: dict[str, Callable[[Lanes, str, list[str]], str]] = {
    "neg": negate,
    "abs": absolute,
    "not": logical_not,
    "fma": fused,
    "minimum": extreme("min"),
    "maximum": extreme("max"),
    "isnan": is_nan,
    "isinf": is_infinite,
    "shift_left": shift(True),
    "shift_right": shift(False),
    "floordiv": floor_division,
    "mod": remainder,
    "block_of": block_of,
    "word_of": word_of,
}
