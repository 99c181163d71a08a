"""Rows of what a loop walks over, or hands out, and which of them are used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from symnet.errors import ShapeError
from symnet.graph.types import TensorType
from symnet.graph.variables import Apply, Constant, Variable, make_variable
from symnet.kernels.loopir import views
from symnet.kernels.loopir.views import View
from symnet.ops.alloc import Alloc
from symnet.ops.base import ViewOp, as_tensor
from symnet.ops.lowerings import Shapes, Sizes
from symnet.ops.scan.loop import LONGER
from symnet.ops.sizes import size_scalar
from symnet.ops.subtensor import IncSubtensor, part_view


class FirstRows(ViewOp):
    """The first rows of x: first_rows(x, n_steps).

    what: how errors call x.
    Shapes: (m, ...), with m >= n_steps -> (n_steps, ...).
    Raises: ShapeError where x has fewer rows, as the loop does; ValueError for a negative
        number of steps.
    Only compilation makes it, when gradients have been taken.
    """

    __props__ = ("what",)

    def __init__(self, what: str) -> None:
        self.what = what

    def make_node(self, x: Any, n_steps: Any) -> Apply:
        x, n_steps = as_tensor(x), size_scalar(n_steps, "n_steps")
        count = int(n_steps.data) if isinstance(n_steps, Constant) else None
        kind = TensorType(x.type.dtype, (count, *x.type.shape[1:]))
        return Apply(self, [x, n_steps], [make_variable(kind)])

    def infer_sizes(self, node: Apply, inputs: Shapes, sizes: Sizes) -> Shapes:
        rows, *rest = inputs[0]
        steps = sizes.value(node.inputs[1])
        sizes.require(views.combine("ge", steps, views.ZERO), "n_steps is negative")
        what = f"{self.what} has fewer rows than there are steps: {LONGER}"
        sizes.require(views.combine("ge", rows, steps), what, ShapeError)
        return [(steps, *rest)]

    def view(self, node: Apply, view: View, sizes: Sizes) -> View:
        return part_view((":b:",), view, [sizes.value(node.inputs[1])])

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        rows, steps = arrays[0], int(arrays[1])
        if steps < 0:
            raise ValueError(f"n_steps is negative: {steps}")
        if len(rows) < steps:
            raise ShapeError(
                f"{self.what} has fewer rows ({len(rows)}) than there are steps "
                f"({steps}): {LONGER}"
            )
        return [rows[:steps]]


def last_row(g: Variable, depth: int) -> Variable | None:
    """The gradient of a history's last row, where `g` is zero everywhere else: that of
    `history[depth:][-1]`, or of `history[depth:end][-1]` of a loop that stopped early."""
    outer = _written(g, ("a::",), ("a:b:",))
    if outer is None or _number(outer[1][0]) != depth:
        return None
    inner = _written(outer[0], ("i",))
    if inner is None or _number(inner[1][0]) != -1:
        return None
    row = inner[0]
    whole = g.type.shape[1:]
    stretched = [a == 1 and b != 1 for a, b in zip(row.type.shape, whole)]
    return None if row.type.ndim != len(whole) or any(stretched) else row


def _written(
    g: Variable, *patterns: tuple[str, ...]
) -> tuple[Variable, list[Variable]] | None:
    """What is added to a part of zeros, and the bounds of the part."""
    node = g.owner
    if node is None or not isinstance(node.op, IncSubtensor):
        return None
    zeros_below = node.inputs[0].owner
    empty = (
        zeros_below is not None
        and isinstance(zeros_below.op, Alloc)
        and _number(zeros_below.inputs[0]) == 0
    )
    if node.op.set or node.op.pattern not in patterns or not empty:
        return None
    return node.inputs[1], node.inputs[2:]


def _number(v: Variable) -> Any:
    return v.data.item() if isinstance(v, Constant) and v.data.size == 1 else None
