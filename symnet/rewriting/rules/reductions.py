"""Rules of reductions: fewer passes over the elements, the same values."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from symnet.graph.variables import Apply, Variable
from symnet.ops.arithmetic import mul, neg
from symnet.ops.elementwise import cast
from symnet.ops.reduce import Reduce
from symnet.ops.shape import DimShuffle, dimshuffle
from symnet.rewriting.patterns import Match, Rule, number

# Of one element these are the element itself.
KEEPING = ("sum", "prod", "max", "min")


def _of_one_element(match: Match) -> Variable | None:
    """Over axes of size 1 a reduction only drops them."""
    op, operand = match.node.op, match.node.inputs[0]
    ones = [axis for axis in op.axes if operand.type.shape[axis] == 1]
    if op.kind not in KEEPING or len(ones) < len(op.axes):
        return None
    return cast(dimshuffle(operand, *op.kept(operand.type.ndim)), op.dtype)


def _without_axes_of_one(match: Match) -> Variable | None:
    """Axes of size 1 are dropped before, so that they do not hide what is reduced."""
    op: Reduce = match.node.op
    operand = match.node.inputs[0]
    shape = operand.type.shape
    if op.kind not in KEEPING or not any(shape[axis] == 1 for axis in op.axes):
        return None
    kept = [a for a in range(len(shape)) if not (a in op.axes and shape[a] == 1)]
    axes = [k for k, axis in enumerate(kept) if axis in op.axes]
    return op.over(axes)(dimshuffle(operand, *kept))


def _of_reduction(match: Match) -> Variable | None:
    """sum(sum(x, i), j) is one sum over both, where nothing is rounded in between."""
    op: Reduce = match.node.op
    inner = match.node.inputs[0].owner
    if inner is None or type(inner.op) is not type(op) or op.kind != inner.op.kind:
        return None
    first = inner.op
    if op.kind not in (*KEEPING, "all", "any"):
        return None
    if op.kind in ("sum", "prod") and not (
        first.dtype == first.acc_dtype == op.acc_dtype == op.dtype
    ):
        return None
    if first.dtype != op.dtype or not match.used_once(inner.outputs[0]):
        return None
    kept = first.kept(inner.inputs[0].type.ndim)
    axes = sorted([*first.axes, *(kept[axis] for axis in op.axes)])
    return op.over(axes)(inner.inputs[0])


def _of_dimshuffle(match: Match) -> Variable | None:
    """The axes are reduced where they were, and the others moved afterwards."""
    op, inner = match.node.op, match.node.inputs[0].owner
    if inner is None or not isinstance(inner.op, DimShuffle) or op.kind not in KEEPING:
        return None
    below, order = inner.inputs[0], inner.op.new_order
    axes = sorted(int(order[a]) for a in op.axes if order[a] != "x")
    kept = [a for a in range(below.type.ndim) if a not in axes]
    place = {axis: k for k, axis in enumerate(kept)}
    pattern = [order[a] for a in op.kept(len(order))]
    moved = ["x" if a == "x" else place[int(a)] for a in pattern]
    reduced = op.over(axes)(below)
    return dimshuffle(reduced, *moved)


def _of_negative(match: Match) -> Variable | None:
    """sum(-x) is -sum(x), to the last bit."""
    op, inner = match.node.op, match.node.inputs[0].owner
    if op.kind != "sum" or inner is None or inner.op != neg or not _signed(op.dtype):
        return None
    if inner.inputs[0].type.dtype != op.dtype:
        return None
    return neg(op(inner.inputs[0]))


def _signed(dtype: str) -> bool:
    return np.dtype(dtype).kind in "ifc"


def _of_scaled(match: Match) -> Variable | None:
    """sum(c * x) is c * sum(x) for a constant c that is at least 1 in size: a smaller one
    may be what keeps the sum finite."""
    op, inner = match.node.op, match.node.inputs[0].owner
    if op.kind != "sum" or inner is None or inner.op != mul:
        return None
    if not op.dtype == op.acc_dtype == inner.outputs[0].type.dtype:
        return None
    for factor, operand in (inner.inputs, inner.inputs[::-1]):
        value = number(factor)
        if value is None or factor.type.ndim:
            continue
        if np.isfinite(value) and (abs(value) >= 1 or _exact(op.dtype)):
            return mul(op(operand), cast(factor, op.dtype))
    return None


def _exact(dtype: str) -> bool:
    return np.dtype(dtype).kind in "iu"


def on_reduce(name: str, function: Callable[[Match], Variable | None]) -> Rule:
    return Rule(name, Reduce, function)


def is_reduction(variable: Variable, kind: str) -> Apply | None:
    """The reduction of that kind which makes `variable`."""
    node = variable.owner
    if node is not None and isinstance(node.op, Reduce) and node.op.kind == kind:
        return node
    return None


REDUCTIONS: list[Rule] = [
    on_reduce("reduction_of_one_element", _of_one_element),
    on_reduce("reduction_without_axes_of_one", _without_axes_of_one),
    on_reduce("reduction_of_dimshuffle", _of_dimshuffle),
    on_reduce("reduction_of_reduction", _of_reduction),
    on_reduce("sum_of_negative", _of_negative),
    on_reduce("sum_of_scaled", _of_scaled),
]
