"""From mathematical functions to arithmetic on primitives."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from symnet.kernels.loopir.math.exponential import (
    cosh,
    exp,
    exp2,
    expm1,
    sigmoid,
    sinh,
    tanh,
)
from symnet.kernels.loopir.math.external import EXTERNAL
from symnet.kernels.loopir.math.formats import magnitude
from symnet.kernels.loopir.math.gamma_functions import gamma, gammaln, psi
from symnet.kernels.loopir.math.gaussian import erf, erfc, erfcx
from symnet.kernels.loopir.math.inverse_errors import erfcinv, erfinv
from symnet.kernels.loopir.math.logarithm import (
    arccosh,
    arcsinh,
    arctanh,
    log,
    log1p,
    log2,
    log10,
    softplus,
)
from symnet.kernels.loopir.math.power import hypot, integer_power, power, reciprocal
from symnet.kernels.loopir.math.trigonometric import (
    arccos,
    arcsin,
    arctan,
    arctan2,
    cos,
    sin,
    tan,
)
from symnet.kernels.loopir.scalars import (
    PRIMITIVES,
    Scalar,
    call,
    cast,
    literal,
    scalar,
    select,
    walk,
)

STRUCTURE = frozenset("literal argument load gather index reduce approximate".split())


def sign(x: Scalar) -> Scalar:
    """-1, 0 or 1; NaN stays NaN and -0.0 gives 0.0."""
    one, zero = literal(1, x.dtype), literal(0, x.dtype)
    kind = np.dtype(x.dtype).kind
    otherwise = magnitude(x) if kind == "f" else zero
    if kind in "bu":
        return select(call("ne", x, zero), one, zero)
    return select(x > zero, one, select(x < zero, literal(-1, x.dtype), otherwise))


def any_power(x: Scalar, y: Scalar) -> Scalar:
    return power(x, y) if np.dtype(x.dtype).kind == "f" else integer_power(x, y)


def square(x: Scalar) -> Scalar:
    return x * x


FLOATING: dict[str, Callable[..., Scalar]] = {
    function.__name__: function
    for function in (
        *(exp, exp2, expm1, tanh, sinh, cosh, sigmoid),
        *(log, log2, log10, log1p, softplus, arcsinh, arccosh, arctanh),
        *(sin, cos, tan, arcsin, arccos, arctan, arctan2),
        *(erf, erfc, hypot),
    )
}
# Those that are computed in float64, whatever their dtype.
WIDE: dict[str, Callable[[Scalar], Scalar]] = {
    function.__name__: function
    for function in (erfcx, erfinv, erfcinv, gamma, gammaln, psi)
}
# Functions of integers as well.
GENERAL: dict[str, Callable[..., Scalar]] = {
    "pow": any_power,
    "reciprocal": reciprocal,
    "sign": sign,
    "square": square,
}


def expand(roots: Sequence[Scalar]) -> list[Scalar]:
    """The `roots` with every mathematical function written out in PRIMITIVES.

    What remains are PRIMITIVES, the structure of a kernel ("load", "reduce", ...) and
    calls of the functions in EXTERNAL: of float64, whatever the dtype of the scalars is.

    Dtypes: float32 and float64 are computed as such, float16 in float32; functions in WIDE
    in float64, all of them.
    Raises: ValueError for a function that nobody knows; TypeError for a function of
    floats with other arguments.
    """
    new: dict[int, Scalar] = {}
    for node in walk(roots):
        args = tuple(new[id(a)] for a in node.args)
        if node.op in PRIMITIVES or node.op in STRUCTURE:
            same = all(a is b for a, b in zip(args, node.args))
            fresh = node if same else scalar(node.op, args, node.dtype, node.value)
        else:
            fresh = _expand_call(node.op, args, node.dtype)
        new[id(node)] = fresh
    return [new[id(root)] for root in roots]


def _expand_call(name: str, args: tuple[Scalar, ...], dtype: str) -> Scalar:
    if name in GENERAL and np.dtype(dtype).kind != "f":
        return GENERAL[name](*args)
    for a in args:
        if np.dtype(a.dtype).kind != "f":
            raise TypeError(f"{name} is not defined for {a.dtype}: cast it to a float")
    if name in EXTERNAL:
        return call(name, *args)
    if name in WIDE:
        return cast(WIDE[name](*(cast(a, "float64") for a in args)), dtype)
    function = FLOATING.get(name) or GENERAL.get(name)
    if function is None:
        raise ValueError(f"no scalar function is called {name!r}")
    if dtype == "float16":
        return cast(function(*(cast(a, "float32") for a in args)), dtype)
    return function(*args)
