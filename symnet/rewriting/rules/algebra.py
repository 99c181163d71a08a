"""Rules of arithmetic: fewer operations, the same values.

Kept as they are: NaN, infinities, integer wrap-around.  So there is no x*0 -> 0 for
floats, no x/x -> 1, no x-x -> 0.  The forms that other rules may rely on:
    a sign stands outside products and quotients: (-x)*y becomes -(x*y);
    sums of a negative become differences: x + (-y) becomes x - y, x + (-2) x - 2;
    constants of nested products and sums meet: (x*2)*3 becomes x*6;
    1/x stands for reciprocal(x), sqr(x) for x*x and x**2.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from symnet.graph.types import COMPLEX, FLOATS
from symnet.graph.variables import Variable
from symnet.ops.arithmetic import (
    absolute,
    identity,
    maximum,
    minimum,
    mul,
    neg,
    pow,
    reciprocal,
    sqr,
    sqrt,
    switch,
    true_div,
)
from symnet.ops.barriers import Barrier
from symnet.ops.base import constant
from symnet.ops.comparison import and_, eq, ge, gt, invert, le, lt, or_
from symnet.ops.elementwise import Cast, cast
from symnet.rewriting.patterns import Match, Rule, number, pattern_vars

x, y = pattern_vars("x y")
c, d = pattern_vars("c d", constant=True)
(condition,) = pattern_vars("condition", dtype="bool")
(whole,) = pattern_vars("whole", dtype="int64")


def is_exact(match: Match) -> bool:
    """Whether the result is an integer or boolean: no rounding, no NaN."""
    return match.out.type.dtype not in FLOATS + COMPLEX


def is_real(match: Match) -> bool:
    return match.out.type.dtype not in COMPLEX


def has_sign(match: Match) -> bool:
    return np.dtype(match.out.type.dtype).kind in "ifc"


def joins(name: str, *constants: Variable) -> Any:
    """A condition: the constants can be combined by NumPy's `name` without overflow or
    underflow, and in sums without losing what a difference was to bring out."""

    def holds(match: Match) -> bool:
        if is_exact(match):
            return True
        values = [np.asarray(number(match[v]), match.out.type.dtype) for v in constants]
        with np.errstate(all="ignore"):
            result = getattr(np, name)(*values)
        if name == "add":
            return bool(np.isfinite(result)) and bool(
                np.signbit(values[0].real) == np.signbit(values[1].real)
            )
        if not np.isfinite(result) or any(not np.isfinite(v) for v in values):
            return False
        tiny = np.finfo(match.out.type.dtype).tiny
        return bool(np.abs(result) >= tiny) or bool(values[0] == 0)

    return holds


# ---- neutral elements

NEUTRAL = [
    Rule("add_zero", x + 0, x),
    Rule("subtract_zero", x - 0, x),
    Rule("zero_minus", 0 - x, -x, has_sign),
    Rule("multiply_one", x * 1, x),
    Rule("multiply_minus_one", x * -1, -x, has_sign),
    Rule("divide_one", true_div(x, 1), x),
    Rule("divide_minus_one", true_div(x, -1), -x),
    Rule("multiply_zero", mul(x, c), lambda m: _zero(m, m[c]), is_exact),
    Rule("subtract_itself", x - x, lambda m: constant(0, dtype=m.out.type.dtype), is_exact),
    Rule("and_itself", and_(whole, whole), whole),
    Rule("or_itself", or_(whole, whole), whole),
    Rule("maximum_itself", maximum(x, x), x),
    Rule("minimum_itself", minimum(x, x), x),
    Rule("less_than_itself", lt(x, x), lambda m: constant(False)),
    Rule("greater_than_itself", gt(x, x), lambda m: constant(False)),
    Rule("invert_twice", invert(invert(whole)), whole),
    Rule("identity", identity, lambda m: m.node.inputs[0]),
    Rule("barrier", Barrier, lambda m: m.node.inputs[0]),
    Rule("switch_of_equals", switch(condition, x, x), x),
    Rule("switch_known", switch(condition, x, y), lambda m: _chosen(m)),
    Rule(
        "switch_again", switch(condition, switch(condition, x, c), y),
        switch(condition, x, y), lambda m: _same_dtypes(m),
    ),
    Rule(
        "switch_again_otherwise", switch(condition, x, switch(condition, c, y)),
        switch(condition, x, y), lambda m: _same_dtypes(m),
    ),
]  # fmt: skip


def _equal_to_itself(match: Match) -> bool:
    return match[x].type.dtype not in FLOATS + COMPLEX


NEUTRAL += [
    Rule(f"{op.name}_itself", op(x, x), lambda m: constant(True), _equal_to_itself)
    for op in (eq, le, ge)
]


def _zero(match: Match, factor: Variable) -> Variable | None:
    return constant(0, dtype=match.out.type.dtype) if number(factor) == 0 else None


def _same_dtypes(match: Match) -> bool:
    dtypes = {match[x].type.dtype, match[y].type.dtype}
    return dtypes == {match.out.type.dtype}


def _chosen(match: Match) -> Variable | None:
    value = number(match[condition])
    return None if value is None else match[x] if value else match[y]


# ---- signs

SIGNS = [
    Rule("negate_twice", neg(neg(x)), x),
    Rule("negate_difference", -(x - y), y - x),
    Rule("negate_sum_with_constant", -(x + c), -c - x, is_real),
    Rule("add_negative", x + (-y), x - y),
    Rule("subtract_negative", x - (-y), x + y),
    Rule("subtract_from_negative", -x - y, -(x + y)),
    Rule("multiply_negative", (-x) * y, -(x * y)),
    Rule("divide_negative", true_div(-x, y), -true_div(x, y)),
    Rule("divide_by_negative", true_div(x, -y), -true_div(x, y)),
    Rule("negate_product_with_constant", -(x * c), x * (-c)),
    Rule("negate_quotient_of_constant", -true_div(c, x), true_div(-c, x)),
    Rule("negate_quotient_by_constant", -true_div(x, c), true_div(x, -c)),
    Rule("add_negative_constant", x + c, x - (-c), lambda m: _is_negative(m[c])),
    Rule("subtract_negative_constant", x - c, x + (-c), lambda m: _is_negative(m[c])),
    Rule("square_of_negative", sqr(-x), sqr(x)),
    Rule("absolute_of_negative", absolute(-x), absolute(x), lambda m: _is_float(m.out)),
    Rule("absolute_twice", absolute(absolute(x)), absolute(x)),
    Rule("square_of_absolute", sqr(absolute(x)), sqr(x), lambda m: _is_float(m[x])),
]


def _is_float(variable: Variable) -> bool:
    return variable.type.dtype in FLOATS


def _is_negative(variable: Variable) -> bool:
    """Whether a constant can be negated: the least integer cannot."""
    value = number(variable)
    if isinstance(value, complex) or not value < 0:
        return False
    dtype = variable.type.dtype
    return dtype in FLOATS or int(value) != np.iinfo(dtype).min


# ---- constants meet

CONSTANTS = [
    Rule("gather_factors", (x * c) * d, x * (c * d), joins("multiply", c, d)),
    Rule("gather_factor_and_divisor", true_div(x * c, d), x * true_div(c, d),
         joins("divide", c, d)),
    Rule("gather_divisor_and_factor", true_div(x, c) * d, x * true_div(d, c),
         joins("divide", d, c)),
    Rule("gather_divisors", true_div(true_div(x, c), d), true_div(x, c * d),
         joins("multiply", c, d)),
    Rule("gather_numerators", true_div(c, x) * d, true_div(c * d, x),
         joins("multiply", c, d)),
    Rule("gather_terms", (x + c) + d, x + (c + d), joins("add", c, d)),
    Rule("gather_subtracted_terms", (x - c) - d, x - (c + d), joins("add", c, d)),
    Rule("gather_sum_and_difference", (x + c) - d, x + (c - d), is_exact),
    Rule("gather_difference_and_sum", (x - c) + d, x + (d - c), is_exact),
]  # fmt: skip

# ---- powers and quotients

POWERS = [
    Rule("product_with_itself", x * x, sqr(x), lambda m: m.out.type.dtype != "bool"),
    Rule("root_of_square", sqrt(sqr(x)), absolute(x), is_real),
    Rule("constant_power", pow(x, c), lambda m: power(m[x], number(m[c]))),
    Rule("reciprocal", reciprocal, lambda m: true_div(1, m.node.inputs[0])),
    Rule("multiply_by_reciprocal", x * true_div(1, y), true_div(x, y), is_real),
]  # fmt: skip


def power(base: Any, exponent: Any) -> Variable | None:
    """`base ** exponent` as a product or root, for the exponents where that is shorter.

    x**0.5 becomes sqrt(x), as NumPy computes it: NaN at minus infinity.
    """
    floating = base.type.dtype in FLOATS
    if isinstance(exponent, complex) or (exponent < 0 and not floating):
        return None
    if exponent == 0.5 and floating:
        return sqrt(base)
    result = _product(base, abs(exponent))
    return true_div(1, result) if exponent < 0 and result is not None else result


def _product(base: Variable, exponent: float) -> Variable | None:
    """The powers from 0 to 4."""
    one, square = constant(1, dtype=base.type.dtype), sqr(base)
    powers: dict[float, Variable] = {0: one, 1: base, 2: square}
    powers |= {3: mul(base, square), 4: sqr(square)}
    return powers.get(exponent)


# ---- casts


def _cast_of_cast(match: Match) -> Variable | None:
    """cast(cast(x, a), b) is cast(x, b) where a holds every value of x."""
    inner = match.node.inputs[0].owner
    if inner is None or not isinstance(inner.op, Cast):
        return None
    source = inner.inputs[0]
    first, middle, last = source.type.dtype, inner.op.dtype, match.node.op.dtype
    if not holds_all(first, middle):
        return None
    kinds = "".join(np.dtype(dtype).kind for dtype in (first, middle, last))
    if kinds[0] in "iu" and kinds[1] in "fc" and kinds[2] in "iu":
        # Integers wrap around; from a float what is out of range is not defined.
        return cast(source, last) if holds_all(first, last) else None
    return cast(source, last)


def holds_all(dtype: str, wider: str) -> bool:
    """Whether every value of `dtype` is one of `wider`, exactly."""
    have, want = np.dtype(dtype), np.dtype(wider)
    if have.kind in "iu" and want.kind in "fc":
        # NumPy counts int64 to float64 as safe; 53 bits do not hold 63.
        real = want.type(0).real.dtype
        return have.itemsize * 8 - (have.kind == "i") <= np.finfo(real).nmant + 1
    return bool(np.can_cast(have, want, "safe"))


CASTS = [Rule("cast_of_cast", Cast, _cast_of_cast)]

ALGEBRA: list[Rule] = [*NEUTRAL, *SIGNS, *CONSTANTS, *POWERS, *CASTS]
