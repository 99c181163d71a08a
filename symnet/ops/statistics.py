"""Means, variances and norms, made of reductions: `axis` and `keepdims` as there."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from symnet.config import config
from symnet.graph.types import COMPLEX, FLOATS
from symnet.graph.variables import TensorLike, Variable
from symnet.ops.arithmetic import (
    absolute,
    add,
    mul,
    pow,
    sqr,
    sqrt,
    sub,
    switch,
    true_div,
)
from symnet.ops.base import as_tensor, constant, normalize_axes, to_float
from symnet.ops.comparison import eq
from symnet.ops.complex_parts import imag, real
from symnet.ops.elementwise import cast
from symnet.ops.methods import method
from symnet.ops.reduce import max, min, sum
from symnet.ops.shape import shape_i

# What `symnet.tensor` has of them.
__all__ = ["mean", "norm", "std", "var"]


def mean(
    input: TensorLike,
    axis: Any = None,
    dtype: str | None = None,
    op: bool = False,
    keepdims: bool = False,
    acc_dtype: str | None = None,
) -> Variable:
    """The mean over `axis`; of nothing NaN.

    Dtypes: floats keep theirs (float16 is summed in float32); integers give floatX, and
    are summed in float64, where they do not wrap.
    `op` is accepted for Theano's sake.

    >>> T.mean([[1, 2], [3, 4]], axis=0).eval()
    array([2., 3.])
    """
    x = as_tensor(input)
    axes = normalize_axes(axis, x.type.ndim, "mean")
    half = x.type.dtype == "float16" and dtype is None
    if half:
        dtype = "float32"
    elif dtype is None and x.type.dtype not in FLOATS + COMPLEX:
        dtype, acc_dtype = config.floatX, acc_dtype or "float64"
    total = sum(x, axes, dtype, keepdims, acc_dtype)
    result = true_div(total, cast(count(x, axes), to_float(total.type.dtype)))
    return cast(result, "float16") if half else result


def count(x: Variable, axes: Sequence[int]) -> Variable:
    """How many elements lie along `axes`: an int64 scalar."""
    known = [x.type.shape[axis] for axis in axes]
    number = int(np.prod([n for n in known if n is not None], dtype=np.int64))
    result: Variable = constant(number, dtype="int64")
    for axis, n in zip(axes, known, strict=True):
        if n is None:
            result = mul(shape_i(x, axis), result)
    return result


def var(
    input: TensorLike,
    axis: Any = None,
    ddof: Any = 0,
    keepdims: bool = False,
    corrected: bool = False,
) -> Variable:
    """The mean squared distance from the mean, over `count - ddof`; float16 is computed
    in float32.

    Dtypes: as `mean`; of complex numbers that of their parts, as in NumPy (Theano squares
    without the absolute value, and gives complex numbers).
    corrected: subtract what rounding of the mean leaves.
    Source: Chan, Golub & LeVeque 1983, the corrected two-pass algorithm.

    >>> T.var([1.0, 3.0]).eval()
    array(1.)
    """
    x = as_tensor(input)
    if x.type.dtype == "float16":
        return cast(var(cast(x, "float32"), axis, ddof, keepdims, corrected), "float16")
    axes = normalize_axes(axis, x.type.ndim, "var")
    centered = sub(x, mean(x, axes, keepdims=True))
    squares = sum(_squared_length(centered), axes, keepdims=keepdims)
    if corrected:
        rest = _squared_length(sum(centered, axes, keepdims=keepdims))
        squares = squares - rest / cast(count(x, axes), rest.type.dtype)
    divisor = cast(sub(count(x, axes), ddof), to_float(squares.type.dtype))
    return true_div(squares, divisor)


def _squared_length(x: Variable) -> Variable:
    """|x|**2: smooth at 0 too."""
    if x.type.dtype not in COMPLEX:
        return sqr(x)
    return add(sqr(real(x)), sqr(imag(x)))


def std(
    input: TensorLike,
    axis: Any = None,
    ddof: Any = 0,
    keepdims: bool = False,
    corrected: bool = False,
) -> Variable:
    """The square root of `var`.

    >>> T.std([1.0, 3.0]).eval()
    array(1.)
    """
    return sqrt(var(input, axis, ddof, keepdims, corrected))


# ---- norms


def norm(
    x: TensorLike, L: Any = 2, axis: Any = None, keepdims: bool = False
) -> Variable:
    """The L-norm over `axis`: (sum of |x|**L) ** (1/L); L may be infinite.

    The gradient of a norm with L > 1 at 0 is 0.

    Raises: NotImplementedError for L = 0 (it is not a norm), as Theano.

    >>> T.norm([3.0, 4.0]).eval()
    array(5.)
    """
    if isinstance(L, (int, float)) and L == 0:
        raise NotImplementedError(
            "norm: L = 0 is not a norm: count with T.neq(x, 0).sum()"
        )
    size = absolute(as_floats(x))
    if isinstance(L, (int, float)):
        if math.isinf(L):
            return (max if L > 0 else min)(size, axis, keepdims)
        if L == 1:
            return sum(size, axis, keepdims=keepdims)
        if L == 2:
            return root_of_norm(sum(sqr(size), axis, keepdims=keepdims), 2)
    total = sum(pow(size, L), axis, keepdims=keepdims)
    return root_of_norm(total, L)


def as_floats(x: TensorLike) -> Variable:
    """x, as float64 if it has integers: their absolute values and squares may not fit."""
    x = as_tensor(x)
    return cast(x, "float64") if np.dtype(x.type.dtype).kind in "biu" else x


def root_of_norm(total: Variable, L: Any) -> Variable:
    """total ** (1/L), the last step of an L-norm.

    At 0 the norm has a corner; its gradient there is 0, which lies among the slopes on
    all sides, as that of abs at 0 does.
    """
    if not isinstance(L, (int, float)) or L <= 0:
        return pow(total, true_div(1.0, L))
    nothing = eq(total, 0)
    safe = switch(nothing, 1, total)
    root = sqrt(safe) if L == 2 else pow(safe, 1.0 / L)
    return switch(nothing, 0, root)


method("var")(var)
method("std")(std)


@method("mean")
def _mean(
    self: Variable,
    axis: Any = None,
    dtype: str | None = None,
    keepdims: bool = False,
    acc_dtype: str | None = None,
) -> Variable:
    """The mean over `axis`."""
    return mean(self, axis, dtype, keepdims=keepdims, acc_dtype=acc_dtype)


@method("norm")
def _norm(self: Variable, L: Any, axis: Any = None, keepdims: bool = False) -> Variable:
    """The L-norm over `axis`."""
    return norm(self, L, axis, keepdims)
