"""Values that are let pass: where operands fit together, or when something else is there.

A rewrite may find that an operation's result needs only some of its operands, as in
`switch(c, m, m)`.  The others may not be dropped with it: that their sizes fit is part of
what the graph says.

A value that is made again to save memory is made when it is wanted, and not before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from symnet.graph.op import Gradients, Op, Vars
from symnet.graph.variables import Apply, Variable, make_variable
from symnet.kernels.loopir.views import View
from symnet.ops.base import ViewOp, as_tensor, disconnected
from symnet.ops.lowerings import Shapes, Sizes

__all__ = ["Checked", "Delayed", "checked", "delayed"]


class LetPass(ViewOp):
    """An operation whose result is its first input; the others serve by their sizes, or by
    standing before it."""

    def make_node(self, value: Any, *others: Any) -> Apply:
        value = as_tensor(value)
        return Apply(self, [value, *others], [make_variable(value.type)])

    def infer_sizes(self, node: Apply, inputs: Shapes, sizes: Sizes) -> Shapes:
        return [inputs[0]]

    def view(self, node: Apply, view: View, sizes: Sizes) -> View:
        return view

    def host(self, node: Apply, values: Sequence[Any], sizes: Sizes) -> Any:
        return values[0]

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        return [arrays[0]]

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        return [output_gradients[0], *[disconnected() for _ in inputs[1:]]]


class Checked(LetPass):
    """checked(value, *operands): `value`, where `operand_op(*operands)` could be made.

    The operands serve by their sizes only; they are not computed for it.
    Raises: what `operand_op` demands of them.
    """

    __props__ = ("operand_op",)

    def __init__(self, operand_op: Op) -> None:
        self.operand_op = operand_op
        self.size_error = operand_op.size_error  # type: ignore[misc]  # as it would

    def __str__(self) -> str:
        return f"Checked{{{self.operand_op}}}"

    def dropped(self, node: Apply) -> Apply:
        """The operation whose operands are checked."""
        return self.operand_op.make_node(*node.inputs[1:])

    def infer_sizes(self, node: Apply, inputs: Shapes, sizes: Sizes) -> Shapes:
        self.operand_op.infer_sizes(self.dropped(node), inputs[1:], sizes)  # type: ignore[attr-defined]
        return [inputs[0]]

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        self.operand_op.compute(self.dropped(node), arrays[1:], xp)
        return [arrays[0]]


def checked(value: Variable, node: Apply) -> Variable:
    """`value`, where the operands of `node` fit together."""
    return Checked(node.op)(value, *node.inputs)


class Delayed(LetPass):
    """delayed(value, moment): `value`, for operations that come behind `moment`.

    What reads it stands behind `moment` in the order of a graph.  `moment` serves by its
    place in that order only.
    """


def delayed(value: Variable, moment: Variable) -> Variable:
    """`value`, for what is to be done when `moment` is there."""
    return Delayed()(value, moment)
