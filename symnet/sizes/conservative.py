"""Sizes as far as they are certain before a run, and what a run must still compare.

Rules rely on it: one that takes a size, or a shape, from elsewhere must not drop the
operation by which a wrong size would have been found.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from symnet.graph.variables import Apply, Variable
from symnet.kernels.loopir.scalars import Scalar, in_order, walk
from symnet.kernels.loopir.views import Size, combine, known
from symnet.sizes.infer import Inference

# Beyond this many conditions an operation stands for all that was demanded below it.
MOST_DEMANDS = 200


class CertainSizes(Inference):
    """Inference that takes nothing for granted.

    What an operation demands of its operands' sizes is not used to make sizes one.  A
    result whose sizes only a run can tell (or whose rule finds an error, which belongs to
    the run) has sizes of its own.
    """

    def __init__(self, leaves: Sequence[Variable]) -> None:
        super().__init__(leaves)
        self._demanded: dict[Variable, frozenset[Any]] = {}
        self._own: dict[Apply, set[Any]] = {}  # what the operation itself demands
        self._depth = 0  # of graphs inside operations
        self._loose: set[Variable] = set()  # in them, with sizes of their own

    def demanded(self, variable: Variable) -> frozenset[Any]:
        """The conditions that hold wherever the variable could be made."""
        self.sizes_of(variable)
        return self._demanded.get(variable, frozenset())

    def inner_sizes(
        self, outputs: Sequence[Variable], loop: bool = False
    ) -> list[tuple[Size, ...]] | None:
        """As of `Inference`; sizes that only a run inside can tell mean nothing outside."""
        self._depth += 1
        try:
            found = super().inner_sizes(outputs, loop)
        finally:
            self._depth -= 1
        arguments = walk(one for sizes in found or () for one in sizes)
        loose = (
            self.arguments[one.value].leaf in self._loose
            for one in arguments
            if one.op == "argument"
        )
        return None if any(loose) else found

    # ---- what size rules may ask (see ops.lowerings.Sizes)

    def equal(self, left: Size, right: Size, what: str) -> Size:
        if left is not right:
            self._note(combine("eq", *in_order((left, right))))
        return left if known(right) is None else right

    def require(
        self, condition: Scalar, what: str, kind: type[Exception] = ValueError
    ) -> None:
        self._note(condition)

    def _note(self, condition: Scalar) -> None:
        if self.node is not None and not self._holds(condition):
            self._own.setdefault(self.node, set()).add(condition)

    def _holds(self, condition: Scalar) -> bool:
        if condition.op == "literal":
            return bool(condition.value)
        if condition.op != "ge":
            return False
        value, low = condition.args
        return known(low) == 0 and self.never_negative(value)

    def _infer_node(self, node: Apply) -> None:
        own: set[Any] = set()
        try:
            super()._infer_node(node)
            own = self._own.pop(node, own)
        except Exception:  # noqa: BLE001
            own = {node}
            for output in node.outputs:
                self.add_leaf(output)
            if self._depth:
                self._loose.update(node.outputs)
        below = [self._demanded[v] for v in node.inputs if v in self._demanded]
        found = max(below, key=len, default=frozenset())
        if own or not all(demands <= found for demands in below):
            found = found.union(own, *below)
        if len(found) > MOST_DEMANDS:
            found = frozenset([node])
        if found:
            self._demanded.update(dict.fromkeys(node.outputs, found))
