"""Arithmetic on each element: sums, products, powers, rounding, comparison, choice.

Every op here is an `Elementwise`: shapes broadcast, dtypes follow `common_dtype`.  The
derivatives are expressions too, so they can be differentiated again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from symnet.graph.types import COMPLEX, INTEGERS
from symnet.graph.variables import Constant, Variable
from symnet.kernels.loopir.scalars import Scalar, call, literal, select
from symnet.ops.base import as_tensor, common_dtype, upcast
from symnet.ops.comparison import (
    Foldable,
    and_,
    eq,
    ge,
    gt,
    invert,
    isinf,
    isnan,
    kind,
    le,
    lt,
    neq,
    numbers,
    or_,
)  # fmt: skip
from symnet.ops.elementwise import REGISTRY, Elementwise, cast, elementwise

# ---- sums and products


def _add(x: Scalar, y: Scalar) -> Scalar:
    return call("or", x, y) if kind(x) == "b" else x + y


def _multiply(x: Scalar, y: Scalar) -> Scalar:
    return call("and", x, y) if kind(x) == "b" else x * y


add = Foldable(
    "add",
    2,
    _add,
    lambda g, out, x, y: (g, g),
    "add",
    commutative=True,
    about="x + y; of booleans, or.  Further operands are added in turn.  Gradient: 1; 1.  "
    "Example: T.add(1, 2, 3) = 6",
)
mul = Foldable(
    "mul",
    2,
    _multiply,
    lambda g, out, x, y: (g * y, g * x),
    "multiply",
    commutative=True,
    about="x * y; of booleans, and.  Further operands are multiplied in turn.  Gradient: y; "
    "x.  Example: T.mul(2, 3, 4) = 24",
)
sub = elementwise(
    lambda x, y: x - y,
    lambda g, out, x, y: (g, -g),
    "subtract", name="sub", arity=2, accepts="iufc",
    about="x - y.  Gradient: 1; -1.  Example: T.sub(5, 3) = 2",
)  # fmt: skip
neg = elementwise(
    lambda x: -x,
    lambda g, out, x: (-g,),
    "negative",
    name="neg",
    accepts="iufc",
    about="-x; of unsigned integers, which wrap around, too.  Gradient: -1.  Example: "
    "T.neg(5) = -5",
)
true_div = elementwise(
    lambda x, y: x / y,
    lambda g, out, x, y: (g / y, -g * out / y),
    "true_divide", name="true_div", arity=2, compute="floatX",
    about="x / y, a float also of integers; 1/0 is infinite, 0/0 NaN.  Gradient: 1 / y; -x / "
    "y**2.  Example: T.true_div(1, 4) = 0.25",
)  # fmt: skip
int_div = elementwise(
    lambda x, y: call("floordiv", x, y),
    None,
    "floor_divide", name="int_div", arity=2, compute=numbers, accepts="iuf",
    about="x // y, rounded down; an integer of integers, by 0 it is 0.  Gradient: 0; 0.  "
    "Example: T.int_div(-7, 2) = -4",
)  # fmt: skip
mod = elementwise(
    lambda x, y: call("mod", x, y),
    lambda g, out, x, y: (g, -g * int_div(x, y)),
    "mod", name="mod", arity=2, compute=numbers, accepts="iuf",
    about="x % y, what is left of x // y: of y's sign.  Gradient: 1; -(x // y).  Example: "
    "T.mod(-7, 3) = 2",
)  # fmt: skip
reciprocal = elementwise(
    lambda x: 1.0 / x,
    lambda g, out, x: (-g * sqr(out),),
    lambda xp, x: 1 / x, name="reciprocal", compute="float",
    about="1 / x.  Gradient: -1 / x**2.  Example: T.inv(4.0) = 0.25",
)  # fmt: skip
inv = reciprocal
div_proxy = true_div
floor_div = int_div


def divmod(x: Any, y: Any) -> tuple[Variable, Variable]:
    """`(x // y, x % y)`."""
    return int_div(x, y), mod_check(x, y)


def mod_check(x: Any, y: Any) -> Variable:
    """`x % y`.  Raises: TypeError for complex operands.

    >>> T.mod_check(-7, 3).eval()
    array(2)
    """
    return mod(x, y)


def ceil_intdiv(a: Any, b: Any) -> Variable:
    """The quotient of integers rounded up: `-(-a // b)` without overflow.

    >>> T.ceil_intdiv(7, 2).eval()
    array(4)
    """
    a, b = as_tensor(a), as_tensor(b)
    return int_div(a, b) + cast(neq(mod(a, b), 0), upcast(a.type.dtype, b.type.dtype))


# ---- powers

sqr: Elementwise = elementwise(
    lambda x: x * x,
    lambda g, out, x: (g * 2 * x,),
    "square", name="sqr", compute=numbers,
    about="x * x.  Gradient: 2 * x.  Example: T.sqr(3) = 9",
)  # fmt: skip
square = sqr
# At 0 the derivative is infinite, as in IEEE arithmetic.
sqrt = elementwise(
    lambda x: call("sqrt", x),
    lambda g, out, x: (0.5 * g / out,),
    "sqrt", name="sqrt", compute="float",
    about="The square root; NaN where x is negative.  Gradient: 1 / (2 * sqrt(x)).  Example: "
    "T.sqrt(2.0) = 1.414213...",
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
    # x**0 is constant, also at 0, where less by one power is infinite; elsewhere the factor
    # y says so, and keeps its own derivative.  0**y is constant where it is defined.
    less = pow(x, y - 1)
    base = switch(and_(eq(y, 0), isinf(less)), 0, y * less)
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


pow = Power(
    "pow",
    2,
    _power,
    _power_derivative,
    _power_reference,
    compute=numbers,
    about="x ** y; of integers an integer, whose negative powers are 1, -1 or 0.  Gradient: y"
    " * x ** (y - 1); log(x) * x**y.  Example: T.pow(2.0, 0.5) = 1.414213...",
)
power = pow
# The one transcendental function that arithmetic needs, for the derivative of a power.
log = elementwise(
    lambda x: call("log", x),
    lambda g, out, x: (g / x,),
    "log", name="log", compute="float",
    about="The natural logarithm; minus infinity at 0, NaN below.  Gradient: 1 / x.  Example:"
    " T.log(10.0) = 2.302585...",
)  # fmt: skip

# ---- sign


def _absolute(x: Scalar) -> Scalar:
    return x if kind(x) in "bu" else call("abs", x)


def _sign(x: Scalar) -> Scalar:
    if kind(x) == "u":
        return call("minimum", x, 1)
    if kind(x) == "c":
        return call("sign", x)
    return select(x > 0, literal(1, x.dtype), select(x < 0, literal(-1, x.dtype), x))


def _sign_derivative(g: Any, out: Any, x: Any) -> tuple[Any]:
    """None of real numbers.  A complex sign is a direction: what of g lies across it turns
    it, the more the nearer x is to 0."""
    if x.type.dtype not in COMPLEX:
        return (None,)
    along = REGISTRY["real"](REGISTRY["conj"](out) * g)
    across = (g - out * along) / absolute(switch(eq(x, 0), 1, x))
    return (switch(eq(x, 0), 0, across),)


absolute = elementwise(
    _absolute,
    lambda g, out, x: (g * sgn(x),),
    "abs", name="abs", result=lambda dtypes: real_dtype(dtypes[0]), holomorphic=False,
    about="The absolute value; of a complex number its real length.  Gradient: sgn(x).  "
    "Example: T.abs_(-3) = 3",
)  # fmt: skip
abs_ = absolute
sgn: Elementwise = elementwise(
    _sign,
    _sign_derivative,
    "sign",
    name="sgn",
    accepts="iufc",
    holomorphic=False,
    about="The sign: -1, 0 or 1, NaN of NaN.  Gradient: 0.  Example: T.sgn(-0.5) = -1.0",
)
sign = sgn


def real_dtype(dtype: str) -> str:
    """The dtype of the real part of `dtype`."""
    return {"complex64": "float32", "complex128": "float64"}.get(dtype, dtype)


# ---- choice


def isclose(
    a: Any, b: Any, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
) -> Variable:
    """Where `|a - b| <= atol + rtol * |b|`; infinities are close to themselves alone.

    equal_nan: NaN is close to NaN.  Result: bool, broadcast.

    >>> T.isclose([1.0, 2.0], [1.0, 2.1]).eval()
    array([ True, False])
    """
    a, b = as_tensor(a), as_tensor(b)
    finite = and_(invert(isinf(a)), invert(isinf(b)))
    size = true_div(b, 1)  # the least integer has no absolute value of its dtype
    near = le(absolute(true_div(a, 1) - size), atol + rtol * absolute(size))
    near = and_(finite, near)
    result: Variable = or_(eq(a, b), near)
    return or_(result, and_(isnan(a), isnan(b))) if equal_nan else result


def _choice(variables: Sequence[Variable]) -> list[str]:
    """Bool for the condition, the common dtype for the two branches."""
    dtype = common_dtype(variables[1:])
    return ["bool", dtype, dtype]


switch: Elementwise = elementwise(
    select,
    lambda g, out, condition, x, y: (None, switch(condition, g, 0), switch(condition, 0, g)),
    "where", name="switch", arity=3, compute=_choice, result=lambda dtypes: dtypes[1],
    condition=0,
    about="x where the condition is true, else y.  Both are computed.  Gradient: 0; "
    "switch(condition, 1, 0); switch(condition, 0, 1).  Example: T.switch(T.gt(2, 1), "
    "10, 20) = 10",
)  # fmt: skip
where = switch


def _extremum(name: str, for_bool: str, about: str) -> Foldable:
    """NaN wins over every number.  Where both are equal the first has the gradient.
    Complex numbers are in NumPy's order: by their real parts, then by the imaginary."""

    def derivative(g: Any, out: Any, x: Any, y: Any) -> tuple[Any, Any]:
        first = eq(out, x)
        return switch(first, g, 0), switch(first, 0, g)

    return Foldable(
        name,
        2,
        lambda x, y: call(for_bool if kind(x) == "b" else name, x, y),
        derivative,
        name,
        commutative=True,
        about=about,
    )


maximum = _extremum(
    "maximum",
    "or",
    about="The greater of x and y, or of more operands; NaN where one is.  Gradient: x >= y; "
    "x < y.  Example: T.maximum(1, 2) = 2",
)
minimum = _extremum(
    "minimum",
    "and",
    about="The lesser of x and y, or of more operands; NaN where one is.  Gradient: x <= y; x"
    " > y.  Example: T.minimum(1, 2) = 1",
)


def largest(*args: Any) -> Variable:
    """The greatest of the arguments, element by element.

    >>> T.largest([1, 5], [4, 2]).eval()
    array([4, 5])
    """
    result: Variable = maximum(*args)
    return result


def smallest(*args: Any) -> Variable:
    """The least of the arguments, element by element.

    >>> T.smallest([1, 5], [4, 2]).eval()
    array([1, 2])
    """
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
    about="x, but low where below and high where above.  Gradient: and_(x >= low, x <= high);"
    " x < low; x > high.  Example: T.clip(5, 0, 3) = 3",
)  # fmt: skip

# `y` at the shape of `x`: how a gradient gets back a shape that a reduction took.
second = elementwise(
    lambda x, y: y,
    lambda g, out, x, y: (None, g),
    lambda xp, x, y: xp.broadcast_to(y, xp.broadcast(x, y).shape).copy(),
    name="second", arity=2, compute="own", result=lambda dtypes: dtypes[1],
    about="y, stretched to the shape of x.  Gradient: 0; 1.  Example: T.second(1.0, 2.0) = "
    "2.0",
)  # fmt: skip
fill = second
identity = elementwise(
    lambda x: x,
    lambda g, out, x: (g,),
    lambda xp, x: x.copy(),
    name="identity",
    about="x itself, as a new variable.  Gradient: 1.  Example: T.tensor_copy(3) = 3",
)
tensor_copy = identity
