"""Arithmetic on each element: sums, products, powers, rounding, comparison, choice.

Every op here is an `Elementwise`: shapes broadcast, dtypes follow `common_dtype`.  The
derivatives are expressions too, so they can be differentiated again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, overload

import numpy as np

from symnet.graph.types import FLOATS, INTEGERS
from symnet.graph.variables import Constant, Variable
from symnet.kernels.loopir import scalars
from symnet.kernels.loopir.scalars import Scalar, binary, call, literal, select
from symnet.ops.base import as_tensor, common_dtype, upcast
from symnet.ops.elementwise import Elementwise, cast, elementwise


class Foldable(Elementwise):
    """An associative op of two operands that may be called with more, or with one."""

    @overload
    def __call__(
        self, *operands: Any, return_list: Literal[True], **keywords: Any
    ) -> list[Variable]: ...
    @overload
    def __call__(self, *operands: Any, **keywords: Any) -> Variable: ...
    def __call__(self, *operands: Any, **keywords: Any) -> Any:
        if len(operands) == 1:
            return as_tensor(operands[0])
        while len(operands) > 2:
            operands = (super().__call__(*operands[:2]), *operands[2:])
        return super().__call__(*operands, **keywords)


def kind(x: Scalar) -> str:
    """The kind of a scalar's dtype, as NumPy's letters: b, i, u, f."""
    return np.dtype(x.dtype).kind


def numbers(variables: Sequence[Variable]) -> list[str]:
    """The common dtype; booleans count as int8."""
    dtype = common_dtype(variables)
    return ["int8" if dtype == "bool" else dtype] * len(variables)


# ---- sums and products


def _add(x: Scalar, y: Scalar) -> Scalar:
    return call("or", x, y) if kind(x) == "b" else x + y


def _multiply(x: Scalar, y: Scalar) -> Scalar:
    return call("and", x, y) if kind(x) == "b" else x * y


add = Foldable("add", 2, _add, lambda g, out, x, y: (g, g), "add", commutative=True)
mul = Foldable(
    "mul",
    2,
    _multiply,
    lambda g, out, x, y: (g * y, g * x),
    "multiply",
    commutative=True,
)
sub = elementwise(
    lambda x, y: x - y,
    lambda g, out, x, y: (g, -g),
    "subtract", name="sub", arity=2, accepts="iufc",
)  # fmt: skip
neg = elementwise(
    lambda x: -x, lambda g, out, x: (-g,), "negative", name="neg", accepts="iufc"
)
true_div = elementwise(
    lambda x, y: x / y,
    lambda g, out, x, y: (g / y, -g * out / y),
    "true_divide", name="true_div", arity=2, compute="float",
)  # fmt: skip
int_div = elementwise(
    lambda x, y: call("floordiv", x, y),
    None,
    "floor_divide", name="int_div", arity=2, compute=numbers, accepts="iuf",
)  # fmt: skip
mod = elementwise(
    lambda x, y: call("mod", x, y),
    lambda g, out, x, y: (g, -g * int_div(x, y)),
    "mod", name="mod", arity=2, compute=numbers, accepts="iuf",
)  # fmt: skip
reciprocal = elementwise(
    lambda x: 1.0 / x,
    lambda g, out, x: (-g * sqr(out),),
    lambda xp, x: 1 / x, name="reciprocal", compute="float",
)  # fmt: skip
inv = reciprocal
div_proxy = true_div
floor_div = int_div


def divmod(x: Any, y: Any) -> tuple[Variable, Variable]:
    """`(x // y, x % y)`."""
    return int_div(x, y), mod_check(x, y)


def mod_check(x: Any, y: Any) -> Variable:
    """`x % y`.  Raises: TypeError for complex operands."""
    return mod(x, y)


def ceil_intdiv(a: Any, b: Any) -> Variable:
    """The quotient of integers rounded up: `-(-a // b)` without overflow."""
    a, b = as_tensor(a), as_tensor(b)
    return int_div(a, b) + cast(neq(mod(a, b), 0), upcast(a.type.dtype, b.type.dtype))


# ---- powers

sqr: Elementwise = elementwise(
    lambda x: x * x,
    lambda g, out, x: (g * 2 * x,),
    "square", name="sqr", compute=numbers,
)  # fmt: skip
square = sqr
# At 0 the derivative is infinite, as in IEEE arithmetic.
sqrt = elementwise(
    lambda x: call("sqrt", x),
    lambda g, out, x: (0.5 * g / out,),
    "sqrt", name="sqrt", compute="float",
)  # fmt: skip


def _power(x: Scalar, y: Scalar) -> Scalar:
    """A negative power of an integer is the inverse truncated: 1, -1 or 0."""
    if kind(x) != "i":
        return call("pow", x, y)
    odd = call("ne", call("and", y, literal(1, y.dtype)), 0)
    minus = select(call("eq", x, -1), select(odd, literal(-1, x.dtype), 1), 0)
    inverse = select(call("eq", x, 1), literal(1, x.dtype), minus)
    return select(y < 0, inverse, call("pow", x, call("maximum", y, 0)))


def _power_reference(xp: Any, x: Any, y: Any) -> Any:
    if x.dtype.kind != "i":
        return xp.power(x, y)
    inverse = xp.where(x == 1, 1, xp.where(x == -1, 1 - 2 * (y & 1), 0))
    return xp.where(y < 0, inverse, xp.power(x, xp.maximum(y, 0)))


def _power_derivative(g: Any, out: Any, x: Any, y: Any) -> tuple[Any, Any]:
    if isinstance(y, Constant) and y.data.size == 1:
        return _constant_power_derivative(g, x, y.data.reshape(())[()]), None
    # x**0 is constant, also at 0; 0**y is constant where it is defined.
    base = switch(eq(y, 0), 0, y * pow(x, y - 1))
    exponent = switch(eq(x, 0), 0, log(switch(eq(x, 0), 1, x)) * out)
    return g * base, g * exponent


def _constant_power_derivative(g: Any, x: Any, y: Any) -> Any:
    if y == 0:
        return None
    if y == 1:
        return g
    return g * (2 * x if y == 2 else y.item() * pow(x, (y - 1).item()))


WITHIN_INT64 = ("bool", *(dtype for dtype in INTEGERS if dtype != "uint64"))


class Power(Elementwise):
    """x ** y.  A Python int as base is int64 (uint64 beside uint64), whatever the
    exponent's dtype: `pow(2, p)` of an int8 `p` must not wrap at 127."""

    def convert(self, variables: Sequence[Variable]) -> list[Variable]:
        base, exponent = variables
        python_int = getattr(base, "weak", False) and base.type.dtype == "int64"
        if python_int and exponent.type.dtype in WITHIN_INT64:
            return [cast(base, "int64"), cast(exponent, "int64")]
        return super().convert(variables)


pow = Power("pow", 2, _power, _power_derivative, _power_reference, compute=numbers)
power = pow
# The one transcendental function that arithmetic needs, for the derivative of a power.
log = elementwise(
    lambda x: call("log", x),
    lambda g, out, x: (g / x,),
    "log", name="log", compute="float",
)  # fmt: skip

# ---- sign and rounding


def _absolute(x: Scalar) -> Scalar:
    return x if kind(x) in "bu" else call("abs", x)


def _sign(x: Scalar) -> Scalar:
    if kind(x) == "u":
        return call("minimum", x, 1)
    return select(x > 0, literal(1, x.dtype), select(x < 0, literal(-1, x.dtype), x))


absolute = elementwise(
    _absolute,
    lambda g, out, x: (g * sgn(x),),
    "abs", name="abs", result=lambda dtypes: real_dtype(dtypes[0]), holomorphic=False,
)  # fmt: skip
abs_ = absolute
sgn: Elementwise = elementwise(_sign, None, "sign", name="sgn", accepts="iufc")
sign = sgn


def real_dtype(dtype: str) -> str:
    """The dtype of the real part of `dtype`."""
    return {"complex64": "float32", "complex128": "float64"}.get(dtype, dtype)


def _rounding(name: str, primitive: str, reference: str) -> Elementwise:
    return elementwise(
        lambda x: call(primitive, x) if kind(x) == "f" else x,
        None,
        lambda xp, x: getattr(xp, reference)(x) if x.dtype.kind == "f" else x,
        name=name,
        accepts="biuf",
    )


floor = _rounding("floor", "floor", "floor")
ceil = _rounding("ceil", "ceil", "ceil")
trunc = _rounding("trunc", "trunc", "trunc")
round_half_to_even = _rounding("round_half_to_even", "rint", "rint")


def _half_away(x: Scalar) -> Scalar:
    if kind(x) != "f":
        return x
    whole = call("trunc", x)
    step = call("copysign", literal(1.0, x.dtype), x)
    return select(call("abs", x - whole) >= 0.5, whole + step, whole)


def _half_away_reference(xp: Any, x: Any) -> Any:
    if x.dtype.kind != "f":
        return x
    whole = xp.trunc(x)
    return xp.where(xp.abs(x - whole) >= 0.5, whole + xp.copysign(1, x), whole)


round_half_away_from_zero = elementwise(
    _half_away,
    None,
    _half_away_reference,
    name="round_half_away_from_zero",
    accepts="biuf",
)


def round(a: Any, mode: str | None = None) -> Variable:
    """The nearest whole number, in `a`'s dtype.

    mode: "half_to_even" (the default, as NumPy) or "half_away_from_zero".
    Raises: ValueError for another mode.
    """
    modes = {
        None: round_half_to_even,
        "half_to_even": round_half_to_even,
        "half_away_from_zero": round_half_away_from_zero,
    }
    if mode not in modes:
        raise ValueError(f"round: no mode {mode!r}: there are {[*modes][1:]}")
    return modes[mode](a)


def iround(a: Any, mode: str | None = None) -> Variable:
    """`round(a, mode)` as int64."""
    return cast(round(a, mode), "int64")


# ---- comparison: the result is bool, the derivative zero


def _compared(variables: Sequence[Variable]) -> list[str]:
    """The dtypes in which numbers are compared: the common one, but that no dtype holds
    both uint64 and a negative number; these stay what they are."""
    common = common_dtype(variables)
    found = [v.type.dtype for v in variables]
    if common in FLOATS and "uint64" in found and set(found) < {*INTEGERS}:
        return ["uint64" if dtype == "uint64" else "int64" for dtype in found]
    return [common] * len(variables)


def _compare(primitive: str, x: Scalar, y: Scalar) -> Scalar:
    """x and y by a primitive; of an int64 and a uint64 the sign is looked at first."""
    if x.dtype == y.dtype:
        return binary(primitive, x, y)
    signed = x if kind(x) == "i" else y
    if primitive in ("eq", "ne"):
        negative = primitive == "ne"
    else:  # the lesser one is asked for on the left, or on the right
        negative = (primitive in ("lt", "le")) == (signed is x)
    as_unsigned = binary(
        primitive, scalars.cast(x, "uint64"), scalars.cast(y, "uint64")
    )
    below = binary("lt", signed, literal(0, "int64"))
    if negative:
        return call("or", below, as_unsigned)
    return call("and", binary("ge", signed, literal(0, "int64")), as_unsigned)


def _comparison(name: str, primitive: str, reference: str, accepts: str) -> Elementwise:
    return elementwise(
        lambda x, y: _compare(primitive, x, y),
        None,
        reference,
        name=name,
        arity=2,
        compute=_compared,
        result="bool",
        accepts=accepts,
        commutative=primitive in ("eq", "ne"),
    )


lt = _comparison("lt", "lt", "less", "biuf")
le = _comparison("le", "le", "less_equal", "biuf")
gt = _comparison("gt", "gt", "greater", "biuf")
ge = _comparison("ge", "ge", "greater_equal", "biuf")
eq = _comparison("eq", "eq", "equal", "biufc")
neq = _comparison("neq", "ne", "not_equal", "biufc")


def _test(name: str) -> Elementwise:
    """isnan, isinf: False for every integer."""
    return elementwise(
        lambda x: call(name, x) if kind(x) == "f" else literal(False, "bool"),
        None,
        name,
        name=name,
        result="bool",
    )


isnan = _test("isnan")
isinf = _test("isinf")


def isclose(
    a: Any, b: Any, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
) -> Variable:
    """Where `|a - b| <= atol + rtol * |b|`; infinities are close to themselves alone.

    equal_nan: NaN is close to NaN.  Result: bool, broadcast.
    """
    a, b = as_tensor(a), as_tensor(b)
    finite = and_(invert(isinf(a)), invert(isinf(b)))
    distance = absolute(true_div(a, 1) - true_div(b, 1))
    near = and_(finite, le(distance, atol + rtol * absolute(b)))
    result: Variable = or_(eq(a, b), near)
    return or_(result, and_(isnan(a), isnan(b))) if equal_nan else result


# ---- logic: of booleans, or bit by bit of integers


def _logic(name: str, primitive: str, reference: str) -> Foldable:
    return Foldable(
        name,
        2,
        lambda x, y: call(primitive, x, y),
        None,
        reference,
        accepts="biu",
        commutative=True,
    )


and_ = _logic("and_", "and", "bitwise_and")
or_ = _logic("or_", "or", "bitwise_or")
xor = _logic("xor", "xor", "bitwise_xor")
bitwise_and, bitwise_or, bitwise_xor = and_, or_, xor
invert = elementwise(
    lambda x: call("not", x), None, "invert", name="invert", accepts="biu"
)
bitwise_not = invert

# ---- choice


def _choice(variables: Sequence[Variable]) -> list[str]:
    """Bool for the condition, the common dtype for the two branches."""
    dtype = common_dtype(variables[1:])
    return ["bool", dtype, dtype]


switch: Elementwise = elementwise(
    select,
    lambda g, out, condition, x, y: (None, switch(condition, g, 0), switch(condition, 0, g)),
    "where", name="switch", arity=3, compute=_choice, result=lambda dtypes: dtypes[1],
    condition=0,
)  # fmt: skip
where = switch


def _extremum(name: str, for_bool: str) -> Foldable:
    """NaN wins over every number.  Where both are equal the first has the gradient."""

    def derivative(g: Any, out: Any, x: Any, y: Any) -> tuple[Any, Any]:
        first = eq(out, x)
        return switch(first, g, 0), switch(first, 0, g)

    return Foldable(
        name,
        2,
        lambda x, y: call(for_bool if kind(x) == "b" else name, x, y),
        derivative,
        name,
        accepts="biuf",
        commutative=True,
    )


maximum = _extremum("maximum", "or")
minimum = _extremum("minimum", "and")


def largest(*args: Any) -> Variable:
    """The greatest of the arguments, element by element."""
    result: Variable = maximum(*args)
    return result


def smallest(*args: Any) -> Variable:
    """The least of the arguments, element by element."""
    result: Variable = minimum(*args)
    return result


def _clip_derivative(
    g: Any, out: Any, x: Any, low: Any, high: Any
) -> tuple[Any, Any, Any]:
    """Inside the bounds, themselves included, `x` has the gradient."""
    inside = and_(ge(x, low), le(x, high))
    above = gt(maximum(x, low), high)
    below = and_(lt(x, low), invert(above))
    return switch(inside, g, 0), switch(below, g, 0), switch(above, g, 0)


def _clip(x: Scalar, low: Scalar, high: Scalar) -> Scalar:
    return call("minimum", call("maximum", x, low), high)


clip = elementwise(
    _clip,
    _clip_derivative,
    lambda xp, x, low, high: xp.minimum(xp.maximum(x, low), high),
    name="clip", arity=3, accepts="iuf",
)  # fmt: skip

# `y` at the shape of `x`: how a gradient gets back a shape that a reduction took.
second = elementwise(
    lambda x, y: y,
    lambda g, out, x, y: (None, g),
    lambda xp, x, y: xp.broadcast_to(y, xp.broadcast(x, y).shape).copy(),
    name="second", arity=2, compute="own", result=lambda dtypes: dtypes[1],
)  # fmt: skip
fill = second
identity = elementwise(
    lambda x: x, lambda g, out, x: (g,), lambda xp, x: x.copy(), name="identity"
)
tensor_copy = identity
