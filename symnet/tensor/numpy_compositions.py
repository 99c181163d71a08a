"""NumPy's functions that `symnet.tensor` lacks, composed of those that it has.

Each has NumPy's name, parameters and meaning, as far as it takes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np

from symnet.graph.variables import Variable
from symnet.ops.base import as_tensor, constant
from symnet.ops.statistics import as_floats, root_of_norm
from symnet.ops.tails import logaddexp
from symnet.tensor import basic as T

# ---- elementwise


def positive(x: Any) -> Variable:
    """x itself.

    >>> T.positive([1, -2]).eval()
    array([ 1, -2])
    """
    return as_tensor(x)


def float_power(x1: Any, x2: Any) -> Variable:
    """The power in float64 at least (complex128 where an argument is complex)."""
    x1, x2 = as_tensor(x1), as_tensor(x2)
    wide = np.result_type(x1.dtype, x2.dtype, np.float64).name
    return T.pow(T.cast(x1, wide), T.cast(x2, wide))


def isfinite(x: Any) -> Variable:
    """Whether each element is neither NaN nor infinite.

    >>> T.isfinite([1.0, np.inf, np.nan]).eval()
    array([ True, False, False])
    """
    return T.invert(T.or_(T.isnan(x), T.isinf(x)))


def logical_not(x: Any) -> Variable:
    """Whether each element is 0.

    >>> T.logical_not([0, 2]).eval()
    array([ True, False])
    """
    return T.eq(x, 0)


def logical_and(x1: Any, x2: Any) -> Variable:
    """Whether neither of two elements is 0.

    >>> T.logical_and([0, 2], [3, 4]).eval()
    array([False,  True])
    """
    result: Variable = T.and_(T.neq(x1, 0), T.neq(x2, 0))
    return result


def logical_or(x1: Any, x2: Any) -> Variable:
    """Whether one of two elements is not 0.

    >>> T.logical_or([0, 2], [0, 4]).eval()
    array([False,  True])
    """
    result: Variable = T.or_(T.neq(x1, 0), T.neq(x2, 0))
    return result


def logical_xor(x1: Any, x2: Any) -> Variable:
    """Whether exactly one of two elements is not 0.

    >>> T.logical_xor([0, 2], [3, 4]).eval()
    array([ True, False])
    """
    return T.neq(T.neq(x1, 0), T.neq(x2, 0))


def logaddexp2(x1: Any, x2: Any) -> Variable:
    scale = float(np.log(2.0))
    return logaddexp(T.mul(x1, scale), T.mul(x2, scale)) / scale


def fabs(x: Any) -> Variable:
    return T.abs_(as_floats(x))


def heaviside(x1: Any, x2: Any) -> Variable:
    step = T.switch(T.lt(x1, 0), 0.0, T.switch(T.gt(x1, 0), 1.0, x2))
    return T.switch(T.isnan(x1), x1, step)


def fmax(x1: Any, x2: Any) -> Variable:
    return T.switch(T.isnan(x1), x2, T.switch(T.isnan(x2), x1, T.maximum(x1, x2)))


def fmin(x1: Any, x2: Any) -> Variable:
    return T.switch(T.isnan(x1), x2, T.switch(T.isnan(x2), x1, T.minimum(x1, x2)))


# ---- products and sums


def inner(a: Any, b: Any) -> Variable:
    """The sum of products over the last axis of both."""
    a, b = as_tensor(a), as_tensor(b)
    if not (a.ndim and b.ndim):
        result: Variable = T.mul(a, b)
        return result
    return T.tensordot(a, b, axes=[[a.ndim - 1], [b.ndim - 1]])


def vdot(a: Any, b: Any) -> Variable:
    """The product of two arrays as vectors, the first conjugated."""
    return T.dot(T.conj(T.flatten(a)), T.flatten(b))


def outer(a: Any, b: Any) -> Variable:
    return T.outer(T.flatten(a), T.flatten(b))


def trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Variable:
    return T.sum(T.diagonal(a, offset, axis1, axis2), axis=-1)


def linalg_trace(x: Any, *, offset: int = 0) -> Variable:
    return trace(x, offset, -2, -1)


def multi_dot(arrays: Sequence[Any]) -> Variable:
    """Their product, from the left."""
    result: Variable = reduce(T.dot, arrays)
    return result


def average(
    a: Any, axis: Any = None, weights: Any = None, *, keepdims: bool = False
) -> Variable:
    """The mean, or that weighted by `weights`, which have the shape of `a`, or that of its
    only `axis`."""
    if weights is None:
        return T.mean(a, axis=axis, keepdims=keepdims)
    a, weights = as_floats(a), as_floats(weights)
    if weights.ndim == 1 and a.ndim > 1:
        pattern: list[Any] = ["x"] * a.ndim
        pattern[axis] = 0
        weights = weights.dimshuffle(pattern)
    weights = T.ones_like(a) * weights
    total = T.sum(a * weights, axis=axis, keepdims=keepdims)
    return total / T.sum(weights, axis=axis, keepdims=keepdims)


def count_nonzero(a: Any, axis: Any = None, *, keepdims: bool = False) -> Variable:
    """How many elements are not 0, in all or along axes.

    >>> T.count_nonzero([0, 2, 3]).eval()
    array(2)
    """
    return T.sum(T.neq(a, 0), axis=axis, keepdims=keepdims)


def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Variable:
    """The Euclidean norm, or for one axis that of order `ord`.

    Raises: TypeError for orders that are norms of matrices.
    """
    x = as_floats(x)
    if axis is None and x.ndim == 1:
        axis = 0
    if ord is None or (ord == "fro" and (axis is None or isinstance(axis, tuple))):
        return root_of_norm(T.sum(T.sqr(T.abs_(x)), axis=axis, keepdims=keepdims), 2)
    if not isinstance(axis, int) or isinstance(ord, str):
        raise TypeError(
            f"np.linalg.norm of a symbolic variable: order {ord!r} over axis {axis} is a norm "
            "of matrices\n  to do: write it with symnet.tensor.nlinalg.svd"
        )
    if ord == np.inf:
        return T.max(T.abs_(x), axis=axis, keepdims=keepdims)
    if ord == -np.inf:
        return T.min(T.abs_(x), axis=axis, keepdims=keepdims)
    if ord == 0:
        size = T.abs_(x)
        return T.sum(T.cast(T.neq(x, 0), size.dtype), axis=axis, keepdims=keepdims)
    powers = T.sqr(T.abs_(x)) if ord == 2 else T.abs_(x) ** ord
    return root_of_norm(T.sum(powers, axis=axis, keepdims=keepdims), ord)


# ---- shapes and places


def transpose(a: Any, axes: Sequence[int] | None = None) -> Variable:
    return T.transpose(as_tensor(a), axes)


def matrix_transpose(x: Any) -> Variable:
    """The last two axes exchanged.

    >>> T.matrix_transpose(T.zeros((5, 2, 3))).eval().shape
    (5, 3, 2)
    """
    return T.swapaxes(x, -1, -2)


def rollaxis(a: Any, axis: int, start: int = 0) -> Variable:
    """Axis number `axis` moved before axis number `start`."""
    a = as_tensor(a)
    axis, start = axis % a.ndim, start + a.ndim if start < 0 else start
    return T.moveaxis(a, axis, start - 1 if axis < start else start)


def expand_dims(a: Any, axis: int | Sequence[int]) -> Variable:
    a = as_tensor(a)
    if isinstance(axis, int):
        return T.expand_dims(a, axis)
    ndim = a.ndim + len(axis)
    new = {k % ndim for k in axis}
    old = iter(range(a.ndim))
    pattern = ["x" if k in new else next(old) for k in range(ndim)]
    result: Variable = a.dimshuffle(pattern)
    return result


def size(a: Any, axis: int | None = None) -> Variable:
    return T.size(a) if axis is None else T.shape(a)[axis]


def ndim(a: Any) -> int:
    return as_tensor(a).ndim


def copy(a: Any) -> Variable:
    return as_tensor(a).copy()


def atleast_1d(*arys: Any) -> Any:
    return _each(arys, 1)


def atleast_2d(*arys: Any) -> Any:
    return _each(arys, 2)


def _each(arrays: Sequence[Any], rank: int) -> Any:
    """With sizes of 1 in front up to the rank; one alone comes without a tuple."""
    variables = [as_tensor(a) for a in arrays]
    made = [
        T.shape_padleft(v, rank - v.ndim) if v.ndim < rank else v for v in variables
    ]
    return made[0] if len(made) == 1 else tuple(made)


def stack(arrays: Sequence[Any], axis: int = 0) -> Variable:
    return T.stack(list(arrays), axis=axis)


def column_stack(tup: Sequence[Any]) -> Variable:
    columns = [as_tensor(a) for a in tup]
    wide = [v if v.ndim == 2 else T.shape_padright(v, 2 - v.ndim) for v in columns]
    return T.concatenate(wide, axis=1)


def append(arr: Any, values: Any, axis: int | None = None) -> Variable:
    parts = [arr, values] if axis is not None else [T.flatten(arr), T.flatten(values)]
    return T.concatenate(parts, axis=axis or 0)


def split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Variable]:
    """Equal parts, so many as the number says, or those between the indices.

    The call fails where the size is no multiple of the number.
    """
    ary = as_tensor(ary)
    if not isinstance(indices_or_sections, int):
        cuts = [None, *indices_or_sections, None]
        before = (slice(None),) * (axis % ary.ndim)
        return [ary[(*before, slice(a, b))] for a, b in zip(cuts, cuts[1:])]
    count = indices_or_sections
    parts = T.stack([ary.shape[axis] // count] * count)
    return list(T.split(ary, parts, count, axis=axis)) if count > 1 else [ary]


def fliplr(m: Any) -> Variable:
    return as_tensor(m)[:, ::-1]


def flipud(m: Any) -> Variable:
    return as_tensor(m)[::-1]


def concatenate(arrays: Sequence[Any], axis: int | None = 0) -> Variable:
    if axis is None:
        return T.concatenate([T.flatten(a) for a in arrays], axis=0)
    return T.concatenate(list(arrays), axis=axis)


def where(condition: Any, *choices: Any) -> Any:
    """The choice, or with the condition alone the places where it holds."""
    return T.switch(condition, *choices) if choices else T.nonzero(condition)


def clip(
    a: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None
) -> Variable:
    a_min = min if a_min is None else a_min
    a_max = max if a_max is None else a_max
    if a_min is None or a_max is None:
        bounded = as_tensor(a) if a_min is None else T.maximum(a, a_min)
        return bounded if a_max is None else T.minimum(bounded, a_max)
    return T.clip(a, a_min, a_max)


def round(a: Any, decimals: int = 0) -> Variable:
    """To that many decimals, half to even; integers stay integers."""
    a = as_tensor(a)
    whole = np.dtype(a.dtype).kind in "biu"
    if decimals == 0 or (whole and decimals > 0):
        return T.round(a, mode="half_to_even")
    if whole:
        return T.cast(round(T.cast(a, "float64"), decimals), a.dtype)
    scale = 10.0 ** abs(decimals)
    if decimals > 0:
        return T.round(T.mul(a, scale), mode="half_to_even") / scale
    return T.round(T.true_div(a, scale), mode="half_to_even") * scale


def nan_to_num(
    x: Any, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None
) -> Variable:
    """Finite numbers in the place of NaN and infinities: by default the largest there are."""
    x = as_tensor(x)
    if np.dtype(x.dtype).kind != "f":
        result: Variable = x
        return result
    limits = np.finfo(x.dtype)
    high, low = (float(v) for v in (limits.max, limits.min))
    high, low = high if posinf is None else posinf, low if neginf is None else neginf
    bounded = T.switch(T.isinf(x), T.switch(T.gt(x, 0), high, low), x)
    return T.cast(T.switch(T.isnan(x), nan, bounded), x.dtype)


def array_equal(a1: Any, a2: Any) -> Variable:
    """Whether all elements are equal; ranks that differ are known to be unequal."""
    a1, a2 = as_tensor(a1), as_tensor(a2)
    if a1.ndim != a2.ndim:
        return constant(np.array(False))
    return T.all(T.eq(a1, a2))


def meshgrid(
    *xi: Any, sparse: bool = False, indexing: str = "xy"
) -> tuple[Variable, ...]:
    return tuple(T.meshgrid(*xi, sparse=sparse, indexing=indexing))
