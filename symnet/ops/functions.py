"""Mathematical functions of each element: exponential, trigonometric, special.

Integers become floats first; where a domain ends the value is NaN or infinite as in
NumPy and SciPy, whose functions are the references.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from symnet.graph.types import COMPLEX
from symnet.graph.variables import Variable
from symnet.kernels.loopir.scalars import Scalar, call, select
from symnet.ops.arithmetic import add, clip, log, mul, sgn, sqr, sqrt, sub, switch
from symnet.ops.base import as_tensor, float_of
from symnet.ops.comparison import and_, eq, isinf, isnan
from symnet.ops.complex_parts import complex as complex_of
from symnet.ops.complex_parts import (
    complex_dtype,
    imag,
    joined_parts,
    of_parts,
    parts_dtypes,
    real,
)
from symnet.ops.elementwise import Elementwise, cast, elementwise
from symnet.ops.methods import method, unary

# What `symnet.tensor` has of them.
__all__ = [
    "angle", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctan2", "arctanh",
    "complex_from_polar", "cos", "cosh", "deg2rad", "exp", "exp2", "expm1", "hypot",
    "log10", "log1p", "log2", "rad2deg", "sin", "sinh", "tan", "tanh",
]  # fmt: skip

Derivative = Callable[..., Any]


def known_function(
    name: str,
    derivative: Derivative,
    reference: str | Callable[..., Any] | None = None,
    arity: int = 1,
    accepts: str = "fc",
    about: str = "",
    compute: str = "float",
) -> Elementwise:
    """A function known to the kernels by its name."""
    return elementwise(
        lambda *arguments: call(name, *arguments),
        derivative,
        reference or name,
        name=name,
        arity=arity,
        compute=compute,
        accepts=accepts,
        about=about,
    )


# ---- exponentials and logarithms (`log` itself stands in arithmetic)

exp = known_function(
    "exp",
    lambda g, out, x: (g * out,),
    about="e to the power of x.  Gradient: exp(x).  Example: T.exp(0.5) = 1.648721...",
)
exp2 = known_function(
    "exp2",
    lambda g, out, x: (g * out * math.log(2),),
    about="2 to the power of x.  Gradient: log(2) * exp2(x).  Example: T.exp2(0.5) = "
    "1.414213...",
)
expm1 = known_function(
    "expm1",
    lambda g, out, x: (g * (out + 1),),
    about="exp(x) - 1, exact also where x is small.  Gradient: exp(x).  Example: "
    "T.expm1(1e-10) = 1.00000...e-10",
)
log2 = known_function(
    "log2",
    lambda g, out, x: (g / (x * math.log(2)),),
    about="The logarithm to base 2; minus infinity at 0, NaN below.  Gradient: 1 / (x * "
    "log(2)).  Example: T.log2(8.0) = 3.0",
)
log10 = known_function(
    "log10",
    lambda g, out, x: (g / (x * math.log(10)),),
    about="The logarithm to base 10; minus infinity at 0, NaN below.  Gradient: 1 / (x * "
    "log(10)).  Example: T.log10(1000.0) = 3.0",
)


def _log1p_reference(xp: Any, x: Any) -> Any:
    """NumPy's own loses the digits of small complex numbers."""
    if x.dtype.kind != "c":
        return xp.log1p(x)
    z = x.astype("complex128")
    excess = (z.real + 2) * z.real + z.imag**2  # |1 + z|**2 - 1
    size = xp.where(xp.abs(excess) < 0.5, xp.log1p(excess) / 2, xp.log(xp.abs(1 + z)))
    result = xp.empty_like(z)
    result.real, result.imag = size, xp.arctan2(z.imag, z.real + 1)
    return result.astype(x.dtype)


log1p = known_function(
    "log1p",
    lambda g, out, x: (g / (1 + x),),
    _log1p_reference,
    about="log(1 + x), exact also where x is small; NaN below -1.  Gradient: 1 / (1 + x).  "
    "Example: T.log1p(1e-10) = 9.99999...e-11",
)


def _sigmoid_reference(xp: Any, x: Any) -> Any:
    small = xp.exp(-xp.abs(x))
    return xp.where(x >= 0, 1 / (1 + small), small / (1 + small))


sigmoid = known_function(
    "sigmoid",
    lambda g, out, x: (g * out * (1 - out),),
    _sigmoid_reference,
    accepts="f",
    about="1 / (1 + exp(-x)), between 0 and 1.  Gradient: sigmoid(x) * sigmoid(-x).  Example:"
    " T.nnet.sigmoid(0.5) = 0.622459...",
)
softplus = known_function(
    "softplus",
    lambda g, out, x: (g * sigmoid(x),),
    lambda xp, x: xp.maximum(x, 0) + xp.log1p(xp.exp(-xp.abs(x))),
    accepts="f",
    about="log(1 + exp(x)), finite for all finite x.  Gradient: sigmoid(x).  Example: "
    "T.nnet.softplus(0.5) = 0.974076...",
)

# ---- trigonometric and hyperbolic; 1 - x*x is written as a product, exact near 1

sin = known_function(
    "sin",
    lambda g, out, x: (g * cos(x),),
    about="The sine of an angle in radians.  Gradient: cos(x).  Example: T.sin(0.5) = "
    "0.479425...",
)
cos: Elementwise = known_function(
    "cos",
    lambda g, out, x: (-g * sin(x),),
    about="The cosine of an angle in radians.  Gradient: -sin(x).  Example: T.cos(0.5) = "
    "0.877582...",
)
tan = known_function(
    "tan",
    lambda g, out, x: (g * (1 + sqr(out)),),
    about="The tangent of an angle in radians.  Gradient: 1 + tan(x)**2.  Example: T.tan(0.5)"
    " = 0.546302...",
)


def _turned(x: Variable) -> Variable:
    """i x."""
    return complex_of(-imag(x), real(x))


def _around_one(x: Variable) -> tuple[Any, Any]:
    """x - 1 and x + 1; of complex numbers with the sign of the zero that says on which side
    of a branch cut x lies, which a sum with 1 + 0i may lose."""
    if x.type.dtype not in COMPLEX:
        return x - 1, x + 1
    re, im = real(x), imag(x)
    return complex_of(re - 1, im), complex_of(re + 1, im)


def _root_of_complement(x: Variable) -> Variable:
    """sqrt(1 - x**2): of complex numbers as two roots, whose branch cuts are those of the
    inverse functions."""
    if x.type.dtype not in COMPLEX:
        return sqrt((1 - x) * (1 + x))
    below, above = _around_one(x)
    return sqrt(-below) * sqrt(above)


def _arcsinh_derivative(g: Any, out: Any, x: Any) -> Any:
    if x.type.dtype in COMPLEX:
        return (g / _root_of_complement(_turned(x)),)
    return (g / sqrt(sqr(x) + 1),)


def _arccosh_derivative(g: Any, out: Any, x: Any) -> Any:
    below, above = _around_one(x)
    return (g / (sqrt(below) * sqrt(above)),)


arcsin = known_function(
    "arcsin",
    lambda g, out, x: (g / _root_of_complement(x),),
    about="The angle from -pi/2 to pi/2 whose sine is x; NaN outside of -1 to 1.  Gradient: 1"
    " / sqrt(1 - x**2).  Example: T.arcsin(0.5) = 0.523598...",
)
arccos = known_function(
    "arccos",
    lambda g, out, x: (-g / _root_of_complement(x),),
    about="The angle from 0 to pi whose cosine is x; NaN outside of -1 to 1.  Gradient: -1 / "
    "sqrt(1 - x**2).  Example: T.arccos(0.5) = 1.047197...",
)
arctan = known_function(
    "arctan",
    lambda g, out, x: (g / (1 + sqr(x)),),
    about="The angle from -pi/2 to pi/2 whose tangent is x.  Gradient: 1 / (1 + x**2).  "
    "Example: T.arctan(0.5) = 0.463647...",
)


def _arctan2_derivative(g: Any, out: Any, y: Any, x: Any) -> Any:
    per_square = g / (sqr(x) + sqr(y))
    return x * per_square, -y * per_square


arctan2 = known_function(
    "arctan2",
    _arctan2_derivative,
    arity=2,
    accepts="f",
    about="The angle of the point (y, x), from -pi to pi.  Gradient: x / (x**2 + y**2); -y / "
    "(x**2 + y**2).  Example: T.arctan2(1.0, -1.0) = 2.356194...",
)


def _hypot_slopes(g: Any, out: Any, x: Any, y: Any) -> tuple[Any, Any]:
    # At 0 all slopes are between -1 and 1.  Beside an infinity a number has no weight.
    length = switch(eq(out, 0), 1.0, out)
    return tuple(g * switch(isinf(v), sgn(v), v / length) for v in (x, y))


# The squares neither overflow nor vanish.
hypot = known_function(
    "hypot",
    _hypot_slopes,
    arity=2,
    accepts="f",
    about="sqrt(x**2 + y**2), finite where the squares are not.  Gradient: x / sqrt(x**2 + "
    "y**2); y / sqrt(x**2 + y**2).  Example: T.hypot(3.0, 4.0) = 5.0",
)
sinh = known_function(
    "sinh",
    lambda g, out, x: (g * cosh(x),),
    about="The hyperbolic sine, (exp(x) - exp(-x)) / 2.  Gradient: cosh(x).  Example: "
    "T.sinh(0.5) = 0.521095...",
)
cosh: Elementwise = known_function(
    "cosh",
    lambda g, out, x: (g * sinh(x),),
    about="The hyperbolic cosine, (exp(x) + exp(-x)) / 2.  Gradient: sinh(x).  Example: "
    "T.cosh(0.5) = 1.127625...",
)
tanh = known_function(
    "tanh",
    lambda g, out, x: (g * (1 - sqr(out)),),
    about="The hyperbolic tangent, sinh(x) / cosh(x): between -1 and 1.  Gradient: 1 - "
    "tanh(x)**2.  Example: T.tanh(0.5) = 0.462117...",
)
arcsinh = known_function(
    "arcsinh",
    _arcsinh_derivative,
    about="The inverse of sinh.  Gradient: 1 / sqrt(x**2 + 1).  Example: T.arcsinh(0.5) = "
    "0.481211...",
)
arccosh = known_function(
    "arccosh",
    _arccosh_derivative,
    about="The inverse of cosh, from 0 on; NaN where x is below 1.  Gradient: 1 / sqrt(x**2 -"
    " 1).  Example: T.arccosh(2.0) = 1.316957...",
)
arctanh = known_function(
    "arctanh",
    lambda g, out, x: (g / ((1 - x) * (1 + x)),),
    about="The inverse of tanh; infinite at -1 and 1, NaN beyond.  Gradient: 1 / (1 - x**2)."
    "  Example: T.arctanh(0.5) = 0.549306...",
)
deg2rad = elementwise(
    lambda x: x * (math.pi / 180),
    lambda g, out, x: (g * (math.pi / 180),),
    "deg2rad", name="deg2rad", compute="float", accepts="f",
    about="Degrees as radians, x * pi / 180.  Gradient: arccos(-1) / 180.  Example: "
    "T.deg2rad(90.0) = 1.570796...",
)  # fmt: skip
rad2deg = elementwise(
    lambda x: x * (180 / math.pi),
    lambda g, out, x: (g * (180 / math.pi),),
    "rad2deg", name="rad2deg", compute="float", accepts="f",
    about="Radians as degrees, x * 180 / pi.  Gradient: 180 / arccos(-1).  Example: "
    "T.rad2deg(1.0) = 57.295779...",
)  # fmt: skip

# ---- piecewise


def hard_sigmoid(x: Any) -> Variable:
    """The sigmoid drawn with three straight lines: 0.2 x + 0.5, between 0 and 1.

    Dtypes: as `sigmoid`, float32 of integers of up to 16 bits and floatX of others.

    >>> T.nnet.hard_sigmoid([-9.0, 0.0, 9.0]).eval()
    array([0. , 0.5, 1. ])
    """
    x = as_tensor(x)
    x = cast(x, float_of([x]))
    return clip(mul(x, 0.2) + 0.5, 0.0, 1.0)


def _ultra_fast_sigmoid(x: Scalar) -> Scalar:
    half = call("abs", x) * 0.5
    near = 1.5 * half / (1.0 + half)
    middle = 0.935409070603099 + 0.0458812946797165 * (half - 1.7)
    far = select(half < 3.0, middle, 0.99505475368673)
    bend = select(half < 1.7, near, far)
    return 0.5 * (call("copysign", bend, x) + 1.0)


def _ultra_fast_sigmoid_reference(xp: Any, x: Any) -> Any:
    half = xp.abs(x) * 0.5
    middle = 0.935409070603099 + 0.0458812946797165 * (half - 1.7)
    far = xp.where(half < 3.0, middle, 0.99505475368673)
    bend = xp.where(half < 1.7, 1.5 * half / (1 + half), far)
    return 0.5 * (xp.copysign(bend, x) + 1)


# Theano's approximation of the sigmoid; the gradient is that of the sigmoid in form.
ultra_fast_sigmoid = elementwise(
    _ultra_fast_sigmoid,
    lambda g, out, x: (g * out * (1 - out),),
    _ultra_fast_sigmoid_reference,
    name="ultra_fast_sigmoid", compute="float", accepts="f",
    about="Theano's approximation of the sigmoid by three pieces, off by up to 0.09.  "
    "Gradient: ultra_fast_sigmoid(x) * (1 - ultra_fast_sigmoid(x)).  Example: "
    "T.nnet.ultra_fast_sigmoid(0.5) = 0.65",
)  # fmt: skip

# x log(x) and x log(y), 0 where x is 0 whatever the logarithm.
xlogx = elementwise(
    lambda x: select(call("eq", x, 0), 0.0, x * call("log", x)),
    lambda g, out, x: (g * (1 + log(x)),),
    lambda xp, x: xp.where(x == 0, 0, x * xp.log(x)),
    name="xlogx", compute="float", accepts="f",
    about="x * log(x), 0 where x is 0.  Gradient: 1 + log(x).  Example: T.xlogx.xlogx(0.5) = "
    "-0.346573...",
)  # fmt: skip
xlogy0 = elementwise(
    lambda x, y: select(call("eq", x, 0), 0.0, x * call("log", y)),
    lambda g, out, x, y: (
        g * log(y), switch(and_(eq(x, 0), isnan(x / y)), 0, g * x / y)
    ),
    lambda xp, x, y: xp.where(x == 0, 0, x * xp.log(y)),
    name="xlogy0", arity=2, compute="float", accepts="f",
    about="x * log(y), 0 where x is 0.  Gradient: log(y); x / y.  Example: "
    "T.xlogx.xlogy0(0.0, 0.0) = 0.0",
)  # fmt: skip

# ---- complex numbers in polar form


def angle(z: Any) -> Variable:
    """The angle of a complex number, from -pi to pi; 0 or pi for a real one.

    >>> T.angle(-1.0).eval()
    array(3.14159265)
    """
    z = as_tensor(z)
    if z.type.dtype in COMPLEX:
        return arctan2(imag(z), real(z))
    return arctan2(cast(0, "bool"), z)


def _polar_derivative(g: Any, out: Any, size: Any, turn: Any) -> tuple[Any, Any]:
    """The parts of g along the number's direction, and across it."""
    along, across = cos(turn), sin(turn)
    re, im = real(g), imag(g)
    return add(mul(re, along), mul(im, across)), mul(
        size, sub(mul(im, along), mul(re, across))
    )


complex_from_polar = elementwise(
    lambda size, turn: of_parts(size * call("cos", turn), size * call("sin", turn)),
    _polar_derivative,
    lambda xp, size, turn: joined_parts(xp, size * xp.cos(turn), size * xp.sin(turn)),
    name="complex_from_polar", arity=2, compute=parts_dtypes, result=complex_dtype,
    accepts="f", holomorphic=False,
    about="The complex number of that absolute value and angle.  Example: "
    "T.complex_from_polar(2.0, 0.0) = (2+0j)",
)  # fmt: skip


# ---- methods

for _op in (
    arccos, arccosh, arcsin, arcsinh, arctan, arctanh, cos, cosh, deg2rad, exp, exp2, expm1,
    log10, log1p, log2, rad2deg, sin, sinh, tan, tanh,
):  # fmt: skip
    method(_op.name)(unary(_op))
