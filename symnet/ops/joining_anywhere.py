"""Joining and splitting along an axis that only a run tells.

What stands before the axis is made one axis, what stands behind it another: of rank 3, any
axis is the middle one.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np

from symnet.errors import NotScalarConstantError
from symnet.graph.types import INTEGERS
from symnet.graph.variables import Variable, operand_text
from symnet.ops.arithmetic import add, mul, switch
from symnet.ops.base import constant, normalize_axis
from symnet.ops.comparison import eq, gt, lt
from symnet.ops.indexing import getitem
from symnet.ops.joining import (
    Split,
    axes_of_a_run,
    join,
    split,
)
from symnet.ops.known_values import get_scalar_constant_value
from symnet.ops.reshape import reshape
from symnet.ops.sizes import make_vector, shape_i, size_constant, specify_shape


def join_anywhere(axis: Variable, variables: Sequence[Variable]) -> Variable:
    """The arrays one after another along an integer scalar, which may count from the end.

    Raises: TypeError where the axis is no integer scalar, or the ranks differ; in a run
        IndexError where there is no such axis, DeclaredShapeError where other sizes differ.
    """
    first, rank = variables[0], variables[0].type.ndim
    where = _axis(axis, rank, "join")
    if isinstance(where, int):
        return join(where, *variables)
    if any(v.type.ndim != rank for v in variables):
        texts = ", ".join(operand_text(v) for v in variables)
        raise TypeError(f"join: arrays of one rank are needed, not {texts}")
    along = [eq(where, k) for k in range(rank)]
    wanted, pieces = _sizes(first), []
    total: list[Variable] = [size_constant(0)] * rank
    for v in variables:
        sizes = _sizes(v)
        fits = specify_shape(v, list(map(switch, along, sizes, wanted)))
        pieces.append(_three(fits, sizes, where))
        total = [add(*pair) for pair in zip(total, sizes, strict=True)]
    shape = list(map(switch, along, total, wanted))
    return reshape(join(1, *pieces), make_vector(shape, "int64"), ndim=rank)


def split_anywhere(
    axis: Variable, x: Variable, lengths: Any, count: int
) -> list[Variable]:
    """`x` cut into `count` pieces along an integer scalar.  Raises: as `join_anywhere`,
    and as `split`."""
    rank = x.type.ndim
    where = _axis(axis, rank, "split")
    if isinstance(where, int):
        return split(x, lengths, count, where)
    sizes, found = _sizes(x), []
    three = _three(x, sizes, where)
    for piece in Split(1, count)(three, lengths, return_list=True):
        length = shape_i(piece, 1)
        shape = [switch(eq(where, k), length, size) for k, size in enumerate(sizes)]
        found.append(reshape(piece, make_vector(shape, "int64"), ndim=rank))
    return found


axes_of_a_run(join_anywhere, split_anywhere)


def _axis(axis: Variable, rank: int, operation: str) -> int | Variable:
    """The axis from the front: a number where it is known."""
    if axis.type.ndim != 0 or axis.type.dtype not in INTEGERS:
        raise TypeError(
            f"{operation}: an axis is an integer scalar, not {operand_text(axis)}"
        )
    try:
        return normalize_axis(int(get_scalar_constant_value(axis)), rank, operation)
    except NotScalarConstantError:
        # What an index does not find it refuses, with the user's line.
        return getitem(constant(np.arange(rank)), axis)


def _sizes(v: Variable) -> list[Variable]:
    return [shape_i(v, k) for k in range(v.type.ndim)]


def _three(v: Variable, sizes: list[Variable], axis: Variable) -> Variable:
    """An array of rank 3: what is before the axis, the axis, what is behind it."""
    one = size_constant(1)
    shape = [
        reduce(
            mul,
            [
                switch(compare(size_constant(k), axis), size, one)
                for k, size in enumerate(sizes)
            ],
        )
        for compare in (lt, eq, gt)
    ]
    return reshape(v, make_vector(shape, "int64"), ndim=3)


__all__ = ["join_anywhere", "split_anywhere"]
