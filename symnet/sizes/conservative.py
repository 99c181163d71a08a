"""Sizes as far as they are certain before a run, and what a run must still compare.

Rules rely on it: one that takes a size, or a shape, from elsewhere must not drop the
operation by which a wrong size would have been found.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from symnet.graph.types import TensorType
from symnet.graph.variables import Apply, Variable
from symnet.kernels.loopir.scalars import Scalar, in_order, walk
from symnet.kernels.loopir.views import Size, combine, known
from symnet.ops.checks import Checked
from symnet.ops.lowerings import Host
from symnet.sizes.conditions import implied
from symnet.sizes.infer import DataDependentSize, Inference

# Beyond this many conditions an operation stands for all that was demanded below it.
MOST_DEMANDS = 200
# So many of those are asked again what they stand for.
MOST_ASKED = 2
# Vectors of so many integers have a name for each.
LONGEST_VECTOR = 32


class CertainSizes(Inference):
    """Inference that takes nothing for granted.

    What an operation demands of its operands' sizes is not used to make sizes one.  An
    integer that only a run can tell has a name, and what is demanded of it is a condition
    as any other.  A result whose sizes only a run can tell (or whose rule finds an error,
    which belongs to the run) has sizes of its own; what is demanded there is represented
    by the operation and its operands (`form_of`).
    """

    def __init__(self, leaves: Sequence[Variable]) -> None:
        super().__init__(leaves)
        self._demanded: dict[Variable, frozenset[Any]] = {}
        self._own: dict[Apply, set[Any]] = {}  # what the operation itself demands
        self._summed: dict[Any, frozenset[Any]] = {}  # by what stands for them
        self._silent: set[Apply] = set()  # whose rules say nothing of sizes
        self._depth = 0  # of graphs inside operations
        self._loose: set[Variable] = set()  # in them, with sizes of their own

    def demanded(self, variable: Variable) -> frozenset[Any]:
        """The conditions that hold wherever the variable could be made."""
        self.sizes_of(variable)
        return self._demanded.get(variable, frozenset())

    def lost(self, old: Variable, new: Variable) -> bool:
        """Whether `new` could be made where `old` could not, for all that is seen.

        What an operation demands that says nothing of sizes is only known to its own run:
        it is not counted.
        """
        node, wanted = old.owner, self.demanded(old)
        if node is None or not wanted:
            return False
        form = form_of(node)
        wanted = self._summed.get(form, wanted)
        if node in self._silent:
            wanted -= {form}
        held, sizes = self.demanded(new), self.sizes_of(new)
        for _ in range(MOST_ASKED):
            if implied(wanted, held, sizes):
                return False
            short = [one for one in held if one in self._summed and one not in wanted]
            if not short:
                return True
            held = held.difference(short).union(*(self._summed[one] for one in short))
        return True

    def unknown(self, variable: Variable) -> Host | None:
        kind = variable.type
        if not isinstance(kind, TensorType) or kind.dtype[0] not in "biu":
            return None
        count = kind.shape[0] if kind.ndim == 1 else 1
        if kind.ndim > 1 or count is None or count > LONGEST_VECTOR:
            return None
        if self._depth:
            self._loose.add(variable)
        numbers = tuple(self._argument(variable, None) for _ in range(count))
        return numbers if kind.ndim else numbers[0]

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
        except Exception as error:  # noqa: BLE001
            own.add(form_of(node))
            if isinstance(error, DataDependentSize) and error.variable in node.outputs:
                self._silent.add(node)
            for output in node.outputs:
                self.add_leaf(output)
            if self._depth:
                self._loose.update(node.outputs)
        own |= self._own.pop(node, set())
        below = [self._demanded[v] for v in node.inputs if v in self._demanded]
        if not own and not below:
            return
        found = max(below, key=len, default=frozenset())
        if own or not all(demands <= found for demands in below):
            found = found.union(own, *below)
        if len(found) > MOST_DEMANDS:
            self._summed[form_of(node)] = found
            found = frozenset([form_of(node)])
        if found:
            self._demanded.update(dict.fromkeys(node.outputs, found))


def form_of(node: Apply) -> tuple[Any, ...]:
    """What an operation demands, where that is no condition: that of an equal one, and of a
    check of the same, is the same."""
    if isinstance(node.op, Checked):
        return (node.op.operand_op, *node.inputs[1:])
    return (node.op, *node.inputs)
