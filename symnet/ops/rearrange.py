"""Elements repeated, turned round and shifted: made of joins, slices and reshapes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symnet.errors import message
from symnet.graph.types import INTEGERS, TensorType
from symnet.graph.variables import (
    Apply,
    Constant,
    Variable,
    make_variable,
    operand_text,
)
from symnet.ops.advanced import stretched
from symnet.ops.alloc import alloc, ones, shape_elements
from symnet.ops.arithmetic import maximum, mod, mul, sub
from symnet.ops.base import (
    NoGradient,
    as_tensor,
    constant,
    normalize_axes,
    normalize_axis,
)
from symnet.ops.comparison import neq
from symnet.ops.creation import arange
from symnet.ops.elementwise import cast
from symnet.ops.indexing import getitem, take
from symnet.ops.joining import join
from symnet.ops.methods import method
from symnet.ops.reshape import flatten, reshape
from symnet.ops.shape import dimshuffle
from symnet.ops.sizes import shape_i, size_scalar, size_vector, sizes_of, specify_shape

__all__ = [
    "diff", "flip", "repeat", "roll", "tile",
]  # fmt: skip


def tile(x: Any, reps: Any, ndim: int | None = None) -> Variable:
    """`x` repeated as a whole, `reps` times along each axis (NumPy's meaning).

    reps: an integer, a sequence of integers, or an integer vector.
    ndim: the rank of the result, at least that of x and the number of reps; needed where
    that number is known only at a run.

    >>> T.tile([1, 2], 2).eval()
    array([1, 2, 1, 2])
    """
    variable = as_tensor(x)
    counts: list[Any] = _counts(reps, ndim)
    rank = max(len(counts), variable.type.ndim, ndim or 0)
    if ndim is not None and ndim != rank:
        raise ValueError(f"tile: ndim={ndim} is below {rank}, the rank of x or of reps")
    counts = [1] * (rank - len(counts)) + counts
    missing = rank - variable.type.ndim
    sizes: list[Any] = [1] * missing + list(sizes_of(variable))
    pattern: list[int | str] = []
    for axis in range(rank):
        pattern += ["x", axis - missing if axis >= missing else "x"]
    spread = [one for pair in zip(counts, sizes, strict=True) for one in pair]
    copies = alloc(dimshuffle(variable, *pattern), *spread)
    whole = [mul(size_scalar(c, "reps"), n) for c, n in zip(counts, sizes, strict=True)]
    return reshape(copies, whole, ndim=rank)


def _counts(reps: Any, ndim: int | None) -> list[Any]:
    """The numbers of repetitions; for a vector whose length only a run shows as many as
    `ndim`, of which the first are 1."""
    vector: Any = size_vector(reps, "reps")
    if ndim is None or vector.type.shape[0] is not None:
        return list(shape_elements(vector))
    missing = sub(ndim, shape_i(vector, 0))
    padded: Any = join(0, ones((missing,), dtype="int64"), vector)
    padded = specify_shape(padded, (ndim,))
    return [padded[k] for k in range(ndim)]


class RepeatedPositions(NoGradient):
    """Position k as often as element k of the vector `repeats` says.

    Shapes: the length is known only when it has run.  Raises: ValueError where one is
    negative.
    """

    def make_node(self, repeats: Any) -> Apply:
        repeats = as_tensor(repeats, ndim=1)
        if repeats.type.dtype not in INTEGERS:
            raise TypeError(f"repeats are integers, not {operand_text(repeats)}")
        return Apply(self, [repeats], [make_variable(TensorType("int64", (None,)))])

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        counts = np.asarray(arrays[0]) if xp is np else xp.asnumpy(arrays[0])
        return [xp.asarray(np.repeat(np.arange(len(counts)), counts))]


@method("repeat")
def repeat(x: Any, repeats: Any, axis: int | None = None) -> Variable:
    """Each element of `x` repeated along `axis` (None: of the flattened x).

    repeats: one integer (or a vector of one), or a vector with one for each position.

    >>> T.repeat([1, 2], 2).eval()
    array([1, 1, 2, 2])
    """
    variable, counts = as_tensor(x), as_tensor(repeats)
    if counts.type.ndim > 1 or counts.type.dtype not in INTEGERS:
        raise TypeError(
            message(
                "repeat: repeats are an integer or a vector of integers",
                operands=[operand_text(variable), operand_text(counts)],
            )
        )
    if axis is None:
        variable, axis = flatten(variable), 0
    axis = normalize_axis(axis, variable.type.ndim, "repeat")
    if counts.type.shape == (1,):
        counts = dimshuffle(counts)
    if counts.type.ndim == 1:
        length = shape_i(variable, axis)
        each, _ = stretched([counts, arange(length)])
        each = specify_shape(each, [length])
        return take(variable, RepeatedPositions()(each), axis=axis)
    count = size_scalar(counts, "repeats")
    rank, sizes = variable.type.ndim, sizes_of(variable)
    pattern = [*range(axis + 1), "x", *range(axis + 1, rank)]
    copies = alloc(
        dimshuffle(variable, *pattern), *sizes[: axis + 1], count, *sizes[axis + 1 :]
    )
    known = variable.type.shape[axis]
    if known is not None and isinstance(count, Constant):
        sizes[axis] = constant(known * int(count.data), dtype="int64")
    else:
        sizes[axis] = mul(sizes[axis], count)
    return reshape(copies, sizes, ndim=rank)


def roll(x: Any, shift: Any, axis: int | None = None) -> Variable:
    """`x` with its elements moved by `shift` along `axis` (None: of the flattened x);
    what leaves at one end comes back at the other.

    >>> T.roll([1, 2, 3], 1).eval()
    array([3, 1, 2])
    """
    variable = as_tensor(x)
    if axis is None:
        flat = roll(flatten(variable), shift, 0)
        return reshape(flat, sizes_of(variable), ndim=variable.type.ndim)
    axis = normalize_axis(axis, variable.type.ndim, "roll")
    length = shape_i(variable, axis)
    steps = mod(cast(size_scalar(shift, "a shift"), "int64"), maximum(length, 1))
    cut = sub(length, steps)
    whole = (slice(None),) * axis
    back = getitem(variable, (*whole, slice(cut, None)))
    front = getitem(variable, (*whole, slice(None, cut)))
    return join(axis, back, front)


def flip(x: Any, axis: Any = None) -> Variable:
    """`x` with the order of its elements reversed along `axis` (int, sequence, or all).

    >>> T.flip([1, 2, 3]).eval()
    array([3, 2, 1])
    """
    variable = as_tensor(x)
    axes = normalize_axes(axis, variable.type.ndim, "flip")
    if not axes:
        return variable
    back = slice(None, None, -1)
    key = tuple(back if k in axes else slice(None) for k in range(variable.type.ndim))
    return getitem(variable, key)


def diff(x: Any, n: int = 1, axis: int = -1) -> Variable:
    """Differences of neighbours along `axis`, taken n times (of booleans: whether they
    differ).

    >>> T.diff([1, 4, 9]).eval()
    array([3, 5])
    """
    variable = as_tensor(x)
    axis = normalize_axis(axis, variable.type.ndim, "diff")
    if n < 0:
        raise ValueError(f"diff: n is {n}, below 0")
    whole = (slice(None),) * axis
    for _ in range(n):
        later = getitem(variable, (*whole, slice(1, None)))
        earlier = getitem(variable, (*whole, slice(None, -1)))
        boolean = variable.type.dtype == "bool"
        variable = neq(later, earlier) if boolean else sub(later, earlier)
    return variable
