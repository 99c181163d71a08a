"""Permutations of rows, and positions in several axes counted as one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from symnet.errors import message
from symnet.graph.types import INTEGERS
from symnet.graph.variables import Variable, operand_text
from symnet.ops.alloc import shape_elements, zeros_like
from symnet.ops.arithmetic import add, clip, floor_div, mod, mul, sub, switch
from symnet.ops.assertions import Assert
from symnet.ops.base import as_tensor, constant
from symnet.ops.comparison import and_, ge, lt, neq
from symnet.ops.creation import arange
from symnet.ops.elementwise import cast
from symnet.ops.indexing import getitem, set_subtensor
from symnet.ops.picks import along
from symnet.ops.shape import shape_padleft
from symnet.ops.sizes import get_vector_length, shape_i, size_scalar

__all__ = [
    "inverse_permutation", "permute_row_elements", "ravel_multi_index", "unravel_index",
]  # fmt: skip

MODES = ("raise", "wrap", "clip")
ORDERS = ("C", "F")


# ---- permutations


def permute_row_elements(x: Any, y: Any, inverse: Any = 0) -> Variable:
    """Each row (along the last axis) of x in the order that the row of y says.

    Shapes: the other axes of x and y are broadcast against each other.
    inverse: where true, the permutation that undoes y.
    Raises: TypeError where y holds no integers; IndexError (when run) beyond a row.

    >>> T.permute_row_elements(T.constant([5, 6, 7]), [2, 0, 1]).eval()
    array([7, 5, 6])
    """
    x, y = as_tensor(x), as_tensor(y)
    if y.type.dtype not in INTEGERS or not (x.type.ndim and y.type.ndim):
        raise TypeError(
            message(
                "permute_row_elements takes rows and, for each, integers",
                operands=[operand_text(x), operand_text(y)],
            )
        )
    rank = max(x.type.ndim, y.type.ndim)
    x, y = (shape_padleft(v, rank - v.type.ndim) for v in (x, y))
    if not (isinstance(inverse, int) and not inverse):
        turned = switch(neq(as_tensor(inverse, truth=True), 0), _inverse(y), y)
        y = turned if isinstance(inverse, Variable) else _inverse(y)
    return getitem(x, (*_other_axes(x), y))


def inverse_permutation(perm: Any) -> Variable:
    """The permutation that undoes `perm`, or each row of it.  Shapes and dtype: those of
    perm.

    >>> T.inverse_permutation([2, 0, 1]).eval()
    array([1, 2, 0])
    """
    perm = as_tensor(perm)
    if perm.type.dtype not in INTEGERS or not perm.type.ndim:
        raise TypeError(f"a permutation is a vector of integers: {operand_text(perm)}")
    return _inverse(perm)


def _inverse(y: Variable) -> Variable:
    """Element y[k] of each row is k."""
    place = getitem(zeros_like(y), (*_other_axes(y), y))
    return set_subtensor(place, cast(arange(shape_i(y, -1)), y.type.dtype))


def _other_axes(x: Variable) -> list[Any]:
    """An index for each axis but the last that picks each position: 0 where there is one."""
    rank, sizes = x.type.ndim, x.type.shape
    return [
        0 if sizes[k] == 1 else along(arange(shape_i(x, k)), k, rank)
        for k in range(rank - 1)
    ]


# ---- positions


def unravel_index(
    indices: Any, dims: Any, order: str = "C", ndim: int | None = None
) -> list[Variable]:
    """Positions in a flattened array of sizes `dims` as indices along each of its axes.

    Shapes: that of `indices`, one array (int64) for each size.
    dims: integers, or an integer vector, of which `ndim` says how many there are where
        its type does not.
    order: "C", the last axis runs fastest, or "F", the first.
    Raises: TypeError for indices that are no integers; ValueError for another order, and
        (when run) for a position that is not in the array.

    >>> [v.eval().tolist() for v in T.unravel_index([4, 5], (2, 3))]
    [[1, 1], [1, 2]]
    """
    sizes = _checked_sizes("unravel_index", dims, order, ndim)
    rest = _integers("unravel_index", indices)
    count = size_scalar(1, "a size")
    for size in sizes:
        count = mul(count, size)
    inside = and_(ge(rest, 0), lt(rest, count))
    rest = Assert("unravel_index: a position is not in the array", ValueError)(
        rest, inside
    )
    found: list[Variable] = []
    for size in reversed(sizes) if order == "C" else sizes:
        found.append(mod(rest, size))
        rest = floor_div(rest, size)
    return found[::-1] if order == "C" else found


def ravel_multi_index(
    multi_index: Sequence[Any], dims: Any, mode: str = "raise", order: str = "C"
) -> Variable:
    """Indices along each axis of an array of sizes `dims` as positions in it, flattened.

    Shapes: the indices are broadcast against each other; int64.
    mode: what becomes of an index out of range: "raise", "wrap" or "clip".
    Raises: TypeError for indices that are no integers; ValueError for another mode or
        order, another number of indices than of sizes, and (when run, in mode "raise") for
        an index out of range.

    >>> T.ravel_multi_index(([1, 1], [1, 2]), (2, 3)).eval()
    array([4, 5])
    """
    if mode not in MODES:
        raise ValueError(f"ravel_multi_index: mode is one of {MODES}, not {mode!r}")
    sizes = _checked_sizes("ravel_multi_index", dims, order, len(multi_index))
    if len(sizes) != len(multi_index):
        raise ValueError(
            f"ravel_multi_index: {len(multi_index)} indices for {len(sizes)} sizes"
        )
    pairs = [
        (_inside(_integers("ravel_multi_index", one), size, mode), size)
        for one, size in zip(multi_index, sizes, strict=True)
    ]
    position: Variable = constant(0, dtype="int64")
    for index, size in pairs if order == "C" else reversed(pairs):
        position = add(mul(position, size), index)
    return position


def _checked_sizes(
    what: str, dims: Any, order: str, ndim: int | None
) -> list[Variable]:
    if order not in ORDERS:
        raise ValueError(f"{what}: order is one of {ORDERS}, not {order!r}")
    if isinstance(dims, Variable) and dims.type.ndim == 1:
        if dims.type.dtype not in INTEGERS:
            raise TypeError(f"{what}: sizes are integers, not {operand_text(dims)}")
        count = ndim if ndim is not None else get_vector_length(dims)
        return [getitem(dims, k) for k in range(count)]
    return shape_elements(dims)


def _integers(what: str, value: Any) -> Variable:
    """Raises: TypeError."""
    index = as_tensor(value)
    if index.type.dtype not in INTEGERS:
        raise TypeError(f"{what}: indices are integers, not {operand_text(index)}")
    return cast(index, "int64")


def _inside(index: Variable, size: Any, mode: str) -> Variable:
    if mode == "wrap":
        return mod(index, size)
    if mode == "clip":
        return clip(index, 0, sub(size, 1))
    text = "ravel_multi_index: an index is out of range"
    return Assert(text, ValueError)(index, and_(ge(index, 0), lt(index, size)))
