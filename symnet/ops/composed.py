"""Operations that are defined by other operations.

Such an op is kept as one node where that serves the rules (log of a softmax) and the
gradient (a short stable form); before loops are fused the compiler puts its `expand` in
its place, so that it needs no kernel of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

from symnet.graph.variables import Apply, Variable
from symnet.ops.base import TensorOp


class Composed(TensorOp):
    """An op whose value `expand` gives as an expression.

    `expand` returns a variable of the type of the op's output, or one for each of several
    outputs; it is called with the node's own inputs.  `compute` is still the op's own
    reference, written apart from it.
    """

    def expand(self, *inputs: Variable) -> Variable | Sequence[Variable]:
        raise NotImplementedError(str(self))


def expanded(node: Apply) -> Sequence[Variable] | None:
    """What a node's outputs are by definition; None for an op that is not composed."""
    if not isinstance(node.op, Composed):
        return None
    found = node.op.expand(*node.inputs)
    return [found] if isinstance(found, Variable) else found
