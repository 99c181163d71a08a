"""Which of our functions each elementwise function of NumPy is, where a variable is among
its arguments.

Apart from `numpy_table`, for every `np.float32(0.1) * x` needs it, and the other needs all
modules of functions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from symnet.ops.arithmetic import divmod
from symnet.ops.tails import logaddexp
from symnet.tensor import basic as T
from symnet.tensor import numpy_compositions as N

# By NumPy's name.
ELEMENTWISE: dict[str, Callable[..., Any]] = {
    "add": T.add, "subtract": T.sub, "multiply": T.mul, "divide": T.true_div,
    "floor_divide": T.int_div, "remainder": T.mod, "divmod": divmod, "power": T.pow,
    "float_power": N.float_power, "negative": T.neg, "positive": N.positive,
    "absolute": T.abs_, "fabs": N.fabs, "sign": T.sgn, "reciprocal": T.inv,
    "square": T.sqr, "sqrt": T.sqrt, "exp": T.exp, "exp2": T.exp2, "expm1": T.expm1,
    "log": T.log, "log2": T.log2, "log10": T.log10, "log1p": T.log1p,
    "logaddexp": logaddexp, "logaddexp2": N.logaddexp2, "sin": T.sin, "cos": T.cos,
    "tan": T.tan, "arcsin": T.arcsin, "arccos": T.arccos, "arctan": T.arctan,
    "arctan2": T.arctan2, "sinh": T.sinh, "cosh": T.cosh, "tanh": T.tanh,
    "arcsinh": T.arcsinh, "arccosh": T.arccosh, "arctanh": T.arctanh,
    "deg2rad": T.deg2rad, "rad2deg": T.rad2deg, "radians": T.deg2rad,
    "degrees": T.rad2deg, "hypot": T.hypot, "maximum": T.maximum,
    "minimum": T.minimum, "fmax": N.fmax, "fmin": N.fmin, "heaviside": N.heaviside,
    "floor": T.floor, "ceil": T.ceil, "trunc": T.trunc, "rint": N.round,
    "equal": T.eq, "not_equal": T.neq, "less": T.lt, "less_equal": T.le,
    "greater": T.gt, "greater_equal": T.ge, "isnan": T.isnan, "isinf": T.isinf,
    "isfinite": N.isfinite, "logical_and": N.logical_and, "logical_or": N.logical_or,
    "logical_xor": N.logical_xor, "logical_not": N.logical_not,
    "bitwise_and": T.and_, "bitwise_or": T.or_, "bitwise_xor": T.xor,
    "invert": T.invert, "conjugate": T.conj, "matmul": T.matmul,
}  # fmt: skip

# What `np.add.reduce` and its like are.
REDUCTIONS: dict[str, Callable[..., Any]] = {
    "add": T.sum, "multiply": T.prod, "maximum": T.max, "minimum": T.min,
    "logical_and": T.all, "logical_or": T.any,
}  # fmt: skip


def elementwise(name: str) -> Callable[..., Any] | None:
    """What `np.name` is of variables; None for what there is not."""
    return ELEMENTWISE.get(name)


def reduction(name: str) -> Callable[..., Any] | None:
    """What `np.name.reduce` is of variables."""
    return REDUCTIONS.get(name)
