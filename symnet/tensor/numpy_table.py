"""Which of our functions each function of NumPy is, where a variable is among its arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from symnet.ops import sorting
from symnet.ops.arithmetic import divmod
from symnet.ops.tails import logaddexp
from symnet.tensor import basic as T
from symnet.tensor import extra_ops, nlinalg, numpy_compositions, slinalg, subtensor

N = numpy_compositions

# ---- elementwise functions, by NumPy's name

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

# ---- other functions

# Of each its parameters in NumPy's order.  Those before the bar are handed on by place,
# those behind it by name, where they are given.  A star: all as they come.
FUNCTIONS: dict[str, tuple[Callable[..., Any], str]] = {
    "sum": (T.sum, "a | axis dtype out keepdims"),
    "prod": (T.prod, "a | axis dtype out keepdims"),
    "mean": (T.mean, "a | axis dtype out keepdims"),
    "std": (T.std, "a | axis dtype out ddof keepdims"),
    "var": (T.var, "a | axis dtype out ddof keepdims"),
    "average": (N.average, "a | axis weights returned keepdims"),
    "max": (T.max, "a | axis out keepdims"),
    "amax": (T.max, "a | axis out keepdims"),
    "min": (T.min, "a | axis out keepdims"),
    "amin": (T.min, "a | axis out keepdims"),
    "ptp": (T.ptp, "a | axis out"),
    "all": (T.all, "a | axis out keepdims"),
    "any": (T.any, "a | axis out keepdims"),
    "count_nonzero": (N.count_nonzero, "a | axis keepdims"),
    "argmax": (T.argmax, "a | axis out keepdims"),
    "argmin": (T.argmin, "a | axis out keepdims"),
    "cumsum": (extra_ops.cumsum, "a | axis dtype out"),
    "cumprod": (extra_ops.cumprod, "a | axis dtype out"),
    "diff": (extra_ops.diff, "a | n axis"),
    "dot": (T.dot, "a b | out"),
    "vdot": (N.vdot, "a b |"),
    "inner": (N.inner, "a b |"),
    "outer": (N.outer, "a b | out"),
    "tensordot": (T.tensordot, "a b | axes"),
    "kron": (slinalg.kron, "a b |"),
    "trace": (N.trace, "a | offset axis1 axis2 dtype out"),
    "diagonal": (T.diagonal, "a | offset axis1 axis2"),
    "diag": (T.diag, "v | k"),
    "tril": (T.tril, "m | k"),
    "triu": (T.triu, "m | k"),
    "shape": (T.shape, "a |"),
    "ndim": (N.ndim, "a |"),
    "size": (N.size, "a | axis"),
    "copy": (N.copy, "a | order subok"),
    "reshape": (T.reshape, "a shape | order copy"),
    "ravel": (T.flatten, "a | order"),
    "transpose": (N.transpose, "a | axes"),
    "matrix_transpose": (N.matrix_transpose, "x |"),
    "swapaxes": (T.swapaxes, "a axis1 axis2 |"),
    "moveaxis": (T.moveaxis, "a source destination |"),
    "rollaxis": (N.rollaxis, "a axis | start"),
    "expand_dims": (N.expand_dims, "a axis |"),
    "squeeze": (extra_ops.squeeze, "a | axis"),
    "atleast_1d": (N.atleast_1d, "*"),
    "atleast_2d": (N.atleast_2d, "*"),
    "concatenate": (N.concatenate, "arrays | axis out dtype casting"),
    "stack": (N.stack, "arrays | axis out dtype casting"),
    "hstack": (T.hstack, "tup | dtype casting"),
    "vstack": (T.vstack, "tup | dtype casting"),
    "column_stack": (N.column_stack, "tup |"),
    "append": (N.append, "arr values | axis"),
    "split": (N.split, "ary indices_or_sections | axis"),
    "tile": (T.tile, "A reps |"),
    "repeat": (extra_ops.repeat, "a repeats | axis"),
    "roll": (T.roll, "a shift | axis"),
    "flip": (T.flip, "m | axis"),
    "fliplr": (N.fliplr, "m |"),
    "flipud": (N.flipud, "m |"),
    "broadcast_to": (T.broadcast_to, "array shape | subok"),
    "meshgrid": (N.meshgrid, "*"),
    "where": (N.where, "*"),
    "clip": (N.clip, "a | a_min a_max out min max"),
    "round": (N.round, "a | decimals out"),
    "around": (N.round, "a | decimals out"),
    "nan_to_num": (N.nan_to_num, "x | copy nan posinf neginf"),
    "sort": (sorting.sort, "a | axis kind order stable"),
    "argsort": (sorting.argsort, "a | axis kind order stable"),
    "take": (subtensor.take, "a indices | axis out mode"),
    "take_along_axis": (T.take_along_axis, "arr indices | axis"),
    "choose": (T.choose, "a choices | out mode"),
    "compress": (extra_ops.compress, "condition a | axis out"),
    "nonzero": (T.nonzero, "a |"),
    "flatnonzero": (T.flatnonzero, "a |"),
    "searchsorted": (extra_ops.searchsorted, "a v | side sorter"),
    "bincount": (extra_ops.bincount, "x | weights minlength"),
    "unique": (extra_ops.unique, "ar | return_index return_inverse return_counts"),
    "zeros_like": (T.zeros_like, "a | dtype order subok shape device"),
    "ones_like": (T.ones_like, "a | dtype order subok shape device"),
    "full_like": (T.full_like, "a fill_value | dtype order subok shape device"),
    "empty_like": (T.zeros_like, "prototype | dtype order subok shape device"),
    "isclose": (T.isclose, "a b | rtol atol equal_nan"),
    "allclose": (T.allclose, "a b | rtol atol equal_nan"),
    "array_equal": (N.array_equal, "a1 a2 | equal_nan"),
    "real": (T.real, "val |"),
    "imag": (T.imag, "val |"),
    "angle": (T.angle, "z | deg"),
    "linalg.norm": (N.norm, "x | ord axis keepdims"),
    "linalg.det": (nlinalg.det, "a |"),
    "linalg.inv": (nlinalg.matrix_inverse, "a |"),
    "linalg.pinv": (nlinalg.pinv, "a | rcond hermitian rtol"),
    "linalg.slogdet": (nlinalg.slogdet, "a |"),
    "linalg.solve": (slinalg.solve, "a b |"),
    "linalg.cholesky": (slinalg.cholesky, "a | upper"),
    "linalg.eigh": (nlinalg.eigh, "a | UPLO"),
    "linalg.eig": (nlinalg.eig, "a |"),
    "linalg.svd": (nlinalg.svd, "a | full_matrices compute_uv hermitian"),
    "linalg.qr": (nlinalg.qr, "a | mode"),
    "linalg.matrix_power": (nlinalg.matrix_power, "a n |"),
    "linalg.tensorinv": (nlinalg.tensorinv, "a | ind"),
    "linalg.tensorsolve": (nlinalg.tensorsolve, "a b | axes"),
    "linalg.trace": (N.linalg_trace, "x | offset"),
    "linalg.multi_dot": (N.multi_dot, "arrays | out"),
}


def elementwise(name: str) -> Callable[..., Any] | None:
    """What `np.name` is of variables; None for what there is not."""
    return ELEMENTWISE.get(name)


def reduction(name: str) -> Callable[..., Any] | None:
    """What `np.name.reduce` is of variables."""
    return REDUCTIONS.get(name)


def function(name: str) -> tuple[Callable[..., Any], str] | None:
    """What `np.name` is of variables, and NumPy's parameters of it."""
    return FUNCTIONS.get(name)
