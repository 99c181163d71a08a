"""Sums over axes, and where their axes stand afterwards."""

from __future__ import annotations

from typing import Any

import numpy as np

from symnet.data_classes import dataclass
from symnet.graph.variables import Constant, Variable
from symnet.ops.alloc import Alloc
from symnet.ops.arithmetic import mul, second
from symnet.ops.linalg.products import Dot
from symnet.ops.reduce import Reduce
from symnet.ops.reshape import Reshape
from symnet.ops.shape import DimShuffle, dimshuffle
from symnet.ops.subtensor import Subtensor
from symnet.rewriting.patterns import Match, number


@dataclass
class Total:
    """A sum of `operand` over `axes`; `order` tells for each axis of the variable which
    axis of the operand it is, "x" for a new one."""

    operand: Variable
    axes: tuple[int, ...]
    order: tuple[int | str, ...]

    @property
    def restored(self) -> bool:
        """Whether the axes stand where they were, with size 1 (in front: or are gone)."""
        rank = self.operand.type.ndim
        full = ("x",) * (rank - len(self.order)) + self.order
        wanted = tuple("x" if k in self.axes else k for k in range(rank))
        return bool(len(self.order) <= rank and full == wanted)

    @property
    def dropped(self) -> bool:
        kept = [k for k in range(self.operand.type.ndim) if k not in self.axes]
        return self.order == tuple(kept)


def moved(v: Variable, match: Match) -> tuple[Variable, tuple[int | str, ...]] | None:
    """x and the order of its axes in `v`, where `v` is x with axes moved or put in."""
    node = v.owner
    if node is None:
        return None
    x = node.inputs[0]
    if isinstance(node.op, DimShuffle):
        return x, tuple(node.op.new_order)
    if isinstance(node.op, Subtensor):
        whole = all(entry == "::" for entry in node.op.pattern)
        return (x, tuple(range(x.type.ndim))) if whole else None
    if isinstance(node.op, Reshape):
        order = _put_in(x, v)
        if order is not None and match.same_shape(dimshuffle(x, *order), v):
            return x, order
    return None


def _put_in(x: Variable, v: Variable) -> tuple[int | str, ...] | None:
    """The axes of x in a reshaped x, if there are only some of size 1 beside them."""
    wide = [k for k, n in enumerate(v.type.shape) if n != 1]
    if len(wide) != x.type.ndim or 1 in x.type.shape:
        return None
    return tuple(wide.index(k) if k in wide else "x" for k in range(v.type.ndim))


def total_of(v: Variable, match: Match) -> Total | None:
    order: tuple[int | str, ...] = tuple(range(v.type.ndim))
    while (found := moved(v, match)) is not None:
        v, new = found
        order = tuple("x" if k == "x" else new[int(k)] for k in order)
    summed = _summed(v)
    if summed is None:
        return None
    operand, axes = summed
    kept = [axis for axis in range(operand.type.ndim) if axis not in axes]
    full = tuple("x" if k == "x" else kept[int(k)] for k in order)
    return Total(operand, axes, full) if axes else None


def _summed(v: Variable) -> tuple[Variable, tuple[int, ...]] | None:
    """x and the axes over which it is summed to make `v`; a product with ones is a sum."""
    node = v.owner
    if node is None:
        return None
    if isinstance(node.op, Reduce) and node.op.kind == "sum":
        return node.inputs[0], tuple(node.op.axes)
    if isinstance(node.op, Dot):
        x, ones = node.inputs
        if ones.type.ndim == 1 and _are_ones(ones):
            return x, (x.type.ndim - 1,)
        if x.type.ndim == 1 and ones.type.ndim == 2 and _are_ones(x):
            return ones, (0,)
    return None


def _are_ones(v: Variable) -> bool:
    if isinstance(v, Constant):
        return bool(np.all(v.data == 1)) and v.data.size > 0
    if v.owner is None:
        return False
    filled = v.owner.inputs[1 if v.owner.op == second else 0]
    return (v.owner.op == second or isinstance(v.owner.op, Alloc)) and number(
        filled
    ) == 1


def scaled(v: Variable) -> tuple[Variable, Any]:
    """x and c, where v is x times the number c."""
    if v.owner is not None and v.owner.op == mul:
        for factor, x in (v.owner.inputs, v.owner.inputs[::-1]):
            if number(factor) is not None and factor.type.ndim == 0:
                return x, number(factor)
    return v, 1
