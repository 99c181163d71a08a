"""Mathematical functions of each element: exponential, trigonometric, special.

Integers become floats first; where a domain ends the value is NaN or infinite as in
NumPy and SciPy, whose functions are the references.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable
from typing import Any

from symnet.graph.types import COMPLEX, NullType
from symnet.graph.variables import Variable, make_variable
from symnet.kernels.loopir.scalars import Scalar, call, literal, select
from symnet.ops.arithmetic import (
    clip,
    eq,
    log,
    mul,
    sqr,
    sqrt,
    switch,
)
from symnet.ops.base import as_tensor
from symnet.ops.complex_parts import complex, imag, real
from symnet.ops.elementwise import Elementwise, cast, elementwise
from symnet.ops.methods import method, unary

# What `symnet.tensor` has of them.
__all__ = [
    "angle", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctan2", "arctanh",
    "chi2sf", "complex_from_polar", "cos", "cosh", "deg2rad", "erf", "erfc", "erfcinv",
    "erfcx", "erfinv", "exp", "exp2", "expm1", "gamma", "gammainc", "gammaincc",
    "gammal", "gammaln", "gammau", "i0", "i1", "iv", "j0", "j1", "jv", "log10", "log1p",
    "log2", "psi", "rad2deg", "sin", "sinh", "tan", "tanh", "tri_gamma",
]  # fmt: skip

Derivative = Callable[..., Any]


def _function(
    name: str,
    derivative: Derivative,
    reference: str | Callable[..., Any] | None = None,
    arity: int = 1,
    accepts: str = "fc",
) -> Elementwise:
    """A function known to the kernels by its name."""
    return elementwise(
        lambda *arguments: call(name, *arguments),
        derivative,
        reference or name,
        name=name,
        arity=arity,
        compute="float",
        accepts=accepts,
    )


def _special(
    name: str, derivative: Derivative, arity: int = 1, scipy: str = ""
) -> Elementwise:
    """A function of reals whose reference is SciPy's."""
    return _function(name, derivative, from_scipy(scipy or name), arity, "f")


def from_scipy(name: str) -> Callable[..., Any]:
    def reference(xp: Any, *arrays: Any) -> Any:
        # scipy.special takes long to import, and few programs need it.
        home = "cupyx.scipy.special" if xp.__name__ == "cupy" else "scipy.special"
        return getattr(importlib.import_module(home), name)(*arrays)

    return reference


def _undefined(why: str) -> Variable:
    """The gradient that does not exist."""
    return make_variable(NullType(why))


# ---- exponentials and logarithms (`log` itself stands in arithmetic)

exp = _function("exp", lambda g, out, x: (g * out,))
exp2 = _function("exp2", lambda g, out, x: (g * out * math.log(2),), accepts="f")
expm1 = _function("expm1", lambda g, out, x: (g * (out + 1),))
log2 = _function("log2", lambda g, out, x: (g / (x * math.log(2)),))
log10 = _function("log10", lambda g, out, x: (g / (x * math.log(10)),))
log1p = _function("log1p", lambda g, out, x: (g / (1 + x),))


def _sigmoid_reference(xp: Any, x: Any) -> Any:
    small = xp.exp(-xp.abs(x))
    return xp.where(x >= 0, 1 / (1 + small), small / (1 + small))


sigmoid = _function(
    "sigmoid", lambda g, out, x: (g * out * (1 - out),), _sigmoid_reference, accepts="f"
)
softplus = _function(
    "softplus",
    lambda g, out, x: (g * sigmoid(x),),
    lambda xp, x: xp.maximum(x, 0) + xp.log1p(xp.exp(-xp.abs(x))),
    accepts="f",
)

# ---- trigonometric and hyperbolic; 1 - x*x is written as a product, exact near 1

sin = _function("sin", lambda g, out, x: (g * cos(x),))
cos: Elementwise = _function("cos", lambda g, out, x: (-g * sin(x),))
tan = _function("tan", lambda g, out, x: (g * (1 + sqr(out)),))
arcsin = _function("arcsin", lambda g, out, x: (g / sqrt((1 - x) * (1 + x)),))
arccos = _function("arccos", lambda g, out, x: (-g / sqrt((1 - x) * (1 + x)),))
arctan = _function("arctan", lambda g, out, x: (g / (1 + sqr(x)),))


def _arctan2_derivative(g: Any, out: Any, y: Any, x: Any) -> Any:
    per_square = g / (sqr(x) + sqr(y))
    return x * per_square, -y * per_square


arctan2 = _function("arctan2", _arctan2_derivative, arity=2, accepts="f")
sinh = _function("sinh", lambda g, out, x: (g * cosh(x),))
cosh: Elementwise = _function("cosh", lambda g, out, x: (g * sinh(x),))
tanh = _function("tanh", lambda g, out, x: (g * (1 - sqr(out)),))
arcsinh = _function("arcsinh", lambda g, out, x: (g / sqrt(sqr(x) + 1),))
arccosh = _function("arccosh", lambda g, out, x: (g / sqrt((x - 1) * (x + 1)),))
arctanh = _function("arctanh", lambda g, out, x: (g / ((1 - x) * (1 + x)),))
deg2rad = elementwise(
    lambda x: x * (math.pi / 180),
    lambda g, out, x: (g * (math.pi / 180),),
    "deg2rad", name="deg2rad", compute="float", accepts="f",
)  # fmt: skip
rad2deg = elementwise(
    lambda x: x * (180 / math.pi),
    lambda g, out, x: (g * (180 / math.pi),),
    "rad2deg", name="rad2deg", compute="float", accepts="f",
)  # fmt: skip

# ---- error functions

PER_ROOT_PI = 2 / math.sqrt(math.pi)

erf = _special("erf", lambda g, out, x: (g * PER_ROOT_PI * exp(-sqr(x)),))
erfc = _special("erfc", lambda g, out, x: (-g * PER_ROOT_PI * exp(-sqr(x)),))
# exp(x*x) * erfc(x)
erfcx = _special("erfcx", lambda g, out, x: (g * (2 * x * out - PER_ROOT_PI),))
erfinv = _special("erfinv", lambda g, out, x: (g / PER_ROOT_PI * exp(sqr(out)),))
erfcinv = _special("erfcinv", lambda g, out, x: (-g / PER_ROOT_PI * exp(sqr(out)),))

# ---- gamma functions

gamma = _special("gamma", lambda g, out, x: (g * out * psi(x),))
gammaln = _special("gammaln", lambda g, out, x: (g * psi(x),))
psi: Elementwise = _special("psi", lambda g, out, x: (g * tri_gamma(x),))


def _tri_gamma(x: Scalar) -> Scalar:
    """The second derivative of log(gamma(x)).

    Source: Abramowitz & Stegun 6.4.7 (reflection for x < 1/2), 6.4.6 (recurrence, ten
    steps up), 6.4.12 (asymptotic series, truncated behind B14).
    """
    one = literal(1.0, x.dtype)
    mirrored = x < 0.5
    z = select(mirrored, 1.0 - x, x)
    total = one / (z * z)
    for step in range(1, 10):
        total = total + one / ((z + float(step)) * (z + float(step)))
    w = 1.0 / (z + 10.0)
    square = w * w
    series = literal(7 / 6, x.dtype)
    for bernoulli in (-691 / 2730, 5 / 66, -1 / 30, 1 / 42, -1 / 30, 1 / 6):
        series = series * square + bernoulli
    total = total + w + 0.5 * square + w * square * series
    # The sine of pi*x keeps its zeros when x is brought near 0 first.
    sine = call("sin", (x - call("rint", x)) * math.pi)
    return select(mirrored, math.pi**2 / (sine * sine) - total, total)


tri_gamma: Elementwise = elementwise(
    _tri_gamma,
    lambda g, out, x: (_undefined("tri_gamma has no gradient"),),
    lambda xp, x: from_scipy("polygamma")(xp, 1, x),
    name="tri_gamma", compute="float", accepts="f",
)  # fmt: skip


def _gammainc_derivative(sign: int) -> Derivative:
    def derivative(g: Any, out: Any, k: Any, x: Any) -> Any:
        density = exp((k - 1) * log(x) - x - gammaln(k))
        return _undefined(
            "the incomplete gamma function has no gradient by k"
        ), sign * g * density

    return derivative


gammainc = _special("gammainc", _gammainc_derivative(1), 2)
gammaincc = _special("gammaincc", _gammainc_derivative(-1), 2)


def gammau(k: Any, x: Any) -> Variable:
    """The upper incomplete gamma function, not normalised."""
    return mul(gamma(k), gammaincc(k, x))


def gammal(k: Any, x: Any) -> Variable:
    """The lower incomplete gamma function, not normalised."""
    return mul(gamma(k), gammainc(k, x))


def chi2sf(x: Any, k: Any) -> Variable:
    """How probable a value above `x` is for chi squared of `k` degrees of freedom."""
    return gammaincc(mul(k, 0.5), mul(x, 0.5))


# ---- Bessel functions


def _order_undefined(step: Callable[[Any, Any], Any]) -> Derivative:
    def derivative(g: Any, out: Any, v: Any, x: Any) -> Any:
        return _undefined("Bessel functions have no gradient by their order"), g * step(
            v, x
        )

    return derivative


jv: Elementwise = _special(
    "jv", _order_undefined(lambda v, x: 0.5 * (jv(v - 1, x) - jv(v + 1, x))), 2
)
iv: Elementwise = _special(
    "iv", _order_undefined(lambda v, x: 0.5 * (iv(v - 1, x) + iv(v + 1, x))), 2
)
j0 = _special("j0", lambda g, out, x: (-g * j1(x),))
j1: Elementwise = _special("j1", lambda g, out, x: (g * 0.5 * (j0(x) - jv(2, x)),))
i0 = _special("i0", lambda g, out, x: (g * i1(x),))
i1: Elementwise = _special("i1", lambda g, out, x: (g * 0.5 * (i0(x) + iv(2, x)),))

# ---- piecewise


def hard_sigmoid(x: Any) -> Variable:
    """The sigmoid drawn with three straight lines: 0.2 x + 0.5, between 0 and 1."""
    x = as_tensor(x)
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
)  # fmt: skip

# x log(x) and x log(y), 0 where x is 0 whatever the logarithm.
xlogx = elementwise(
    lambda x: select(call("eq", x, 0), 0.0, x * call("log", x)),
    lambda g, out, x: (g * (1 + log(x)),),
    lambda xp, x: xp.where(x == 0, 0, x * xp.log(x)),
    name="xlogx", compute="float", accepts="f",
)  # fmt: skip
xlogy0 = elementwise(
    lambda x, y: select(call("eq", x, 0), 0.0, x * call("log", y)),
    lambda g, out, x, y: (g * log(y), switch(eq(x, 0), 0, g * x / y)),
    lambda xp, x, y: xp.where(x == 0, 0, x * xp.log(y)),
    name="xlogy0", arity=2, compute="float", accepts="f",
)  # fmt: skip

# ---- complex numbers in polar form


def angle(z: Any) -> Variable:
    """The angle of a complex number, from -pi to pi; 0 or pi for a real one."""
    z = as_tensor(z)
    if z.type.dtype in COMPLEX:
        return arctan2(imag(z), real(z))
    return arctan2(cast(0, "bool"), z)


def complex_from_polar(abs: Any, angle: Any) -> Variable:
    """The complex number of that absolute value and angle."""
    return complex(mul(abs, cos(angle)), mul(abs, sin(angle)))


# ---- methods

for _op in (
    arccos, arccosh, arcsin, arcsinh, arctan, arctanh, cos, cosh, deg2rad, exp, exp2, expm1,
    log10, log1p, log2, rad2deg, sin, sinh, tan, tanh,
):  # fmt: skip
    method(_op.name)(unary(_op))
