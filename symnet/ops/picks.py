"""Elements picked by position along an axis, by a condition, or out of several arrays."""

from __future__ import annotations

from typing import Any

from symnet.config import config
from symnet.graph.types import INTEGERS
from symnet.graph.variables import Variable, operand_text
from symnet.ops.alloc import zeros
from symnet.ops.arithmetic import second, switch
from symnet.ops.base import as_tensor, normalize_axis
from symnet.ops.comparison import lt
from symnet.ops.creation import arange
from symnet.ops.elementwise import cast
from symnet.ops.indexing import flatnonzero, getitem, in_range, set_subtensor, take
from symnet.ops.joining import stack
from symnet.ops.methods import method
from symnet.ops.shape import dimshuffle, shape_padleft
from symnet.ops.sizes import shape_i


def take_along_axis(a: Any, indices: Any, axis: int = -1) -> Variable:
    """The elements of `a` at `indices` along `axis`, which vary along the others: what
    argsort gives.

    Shapes: both have one rank, and one shape save for `axis`.

    >>> T.take_along_axis([[1, 2], [3, 4]], [[1], [0]], 1).eval()
    array([[2],
           [3]])
    """
    variable, where = as_tensor(a), as_tensor(indices)
    rank = variable.type.ndim
    if where.type.ndim != rank:
        raise ValueError(
            f"take_along_axis: {operand_text(where)} for {operand_text(variable)}"
        )
    axis = normalize_axis(axis, rank, "take_along_axis")
    key = [
        where if k == axis else along(arange(shape_i(variable, k)), k, rank)
        for k in range(rank)
    ]
    return getitem(variable, tuple(key))


def along(vector: Variable, axis: int, rank: int) -> Variable:
    return dimshuffle(vector, *[0 if k == axis else "x" for k in range(rank)])


def compress(condition: Any, x: Any, axis: int | None = None) -> Variable:
    """The elements of `x` along `axis` (None: flattened) where the vector `condition`
    is true; it may be shorter than x.

    >>> T.compress([True, False, True], [1, 2, 3]).eval()
    array([1, 3])
    """
    return take(x, flatnonzero(condition), axis=axis)


def choose(a: Any, choices: Any, out: None = None, mode: str = "raise") -> Variable:
    """At each place the element of `choices[a]`; a and the choices are broadcast.

    choices: a list of arrays, or an array whose first axis counts them.
    mode: what a number out of range, also a negative one, does: "raise" an IndexError,
        "wrap" or "clip".

    >>> T.choose([0, 1, 1], [[1, 2, 3], [10, 20, 30]]).eval()
    array([ 1, 20, 30])
    """
    if out is not None:
        raise TypeError("choose: a symbolic result has no `out`")
    number = as_tensor(a)
    if isinstance(choices, (list, tuple)):
        arrays = [as_tensor(c) for c in choices]
        shape = arrays[0]
        for one in arrays[1:]:
            shape = second(shape, one)
        options = stack([second(shape, one) for one in arrays])
    else:
        options = as_tensor(choices)
    rank = max(number.type.ndim, options.type.ndim - 1)
    if mode == "raise" and number.type.dtype in INTEGERS:
        number = cast(number, "int64")
        number = switch(lt(number, 0), shape_i(options, 0), number)
    # Axes of size 1 are left to the number: it has them all.
    number = shape_padleft(number, rank - number.type.ndim)
    key: list[Any] = [in_range(number, options, 0, mode)]
    for axis in range(1, options.type.ndim):
        place = rank - options.type.ndim + axis
        one = options.type.shape[axis] == 1
        key.append(0 if one else along(arange(shape_i(options, axis)), place, rank))
    return getitem(options, tuple(key))


def to_one_hot(y: Any, nb_class: Any, dtype: str | None = None) -> Variable:
    """A matrix with a row for each label in the vector y: 1 in the label's column, else 0.

    Raises: IndexError for a label that is not below `nb_class`.

    >>> T.to_one_hot(T.constant([2, 0]), 3).eval()
    array([[0., 0., 1.],
           [1., 0., 0.]])
    """
    labels = as_tensor(y)
    if labels.type.ndim != 1 or labels.type.dtype not in INTEGERS:
        raise TypeError(
            f"to_one_hot takes a vector of integers, not {operand_text(labels)}"
        )
    count = shape_i(labels, 0)
    rows = zeros((count, nb_class), dtype=dtype or config.floatX)
    return set_subtensor(getitem(rows, (arange(count), labels)), 1)


method("choose")(choose)


@method("compress")
def _compress(self: Variable, a: Any, axis: int | None = None) -> Variable:
    """The elements of `a` where this vector, the condition, is true."""
    return compress(self, a, axis=axis)
