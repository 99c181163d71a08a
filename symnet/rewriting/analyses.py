"""What the passes over one graph find out, each for those after it.

Operations never change, so what was found out of one holds in every later graph that it
stands in: that no rule has anything for it, which rules could, how large its results are.
"""

from __future__ import annotations

from typing import Any

from symnet.graph.traverse import Graph, leaves
from symnet.graph.variables import Apply, Constant, Variable
from symnet.rewriting.patterns import Rule, RuleTable
from symnet.sizes.conservative import CertainSizes

CONSTANT, LEAF = -1, -2  # in the place of the number of an op


class AnalysisCache:
    """Kept from pass to pass over what began as one graph.

    merged: the last graph in which equal operations are known to be one.
    """

    def __init__(self) -> None:
        self.merged: Graph | None = None
        self._sizes: CertainSizes | None = None
        self._converged: list[tuple[frozenset[Rule], bool, set[Apply]]] = []
        self._ops: dict[Any, int] = {}
        # Ops are hashed and compared in Python; most are met many times as one object.
        self._numbers: dict[int, tuple[int, Any]] = {}
        self._candidates: dict[tuple[Any, ...], list[Rule]] = {}

    # ---- ops

    def number(self, op: Any) -> int:
        """The same number for equal ops."""
        found = self._numbers.get(id(op))
        if found is None:
            number = self._ops.setdefault(op, len(self._ops))
            # The op is kept, so that no other one gets its identity.
            found = self._numbers[id(op)] = number, op
        return found[0]

    def candidates(self, table: RuleTable, node: Apply) -> list[Rule]:
        """The rules that may fit, judged by the ops of the node and of its operands."""
        key = [self.number(node.op)]
        for v in node.inputs:
            if v.owner is not None:
                key.append(self.number(v.owner.op))
            else:
                key.append(CONSTANT if isinstance(v, Constant) else LEAF)
        found = self._candidates.get((table, *key))
        if found is None:
            makers = [_maker(v) for v in node.inputs]
            found = [r for r in table.rules_for(node.op) if r.fits(makers)]
            self._candidates[table, *key] = found
        return found

    # ---- operations for which no rule has anything

    def converged(self, table: RuleTable, fold: bool) -> set[Apply]:
        """The operations that these rules, and folding, are known to leave as they are."""
        rules = frozenset(table.rules)
        known = [n for r, f, n in self._converged if rules <= r and fold <= f]
        return set().union(*known)

    def note_converged(self, table: RuleTable, fold: bool, nodes: set[Apply]) -> None:
        """Note that these rules leave `nodes` as they are, whatever uses them."""
        self._converged.append((frozenset(table.rules), fold, nodes))

    # ---- sizes

    def sizes(self, graph: Graph) -> CertainSizes:
        """What is known of sizes in a graph whose leaves the first one had, too."""
        if self._sizes is None:
            needed = [*graph.inputs, *leaves(graph.outputs, graph.inputs)]
            unknown = [v for v in dict.fromkeys(needed) if not isinstance(v, Constant)]
            self._sizes = CertainSizes(unknown)
        return self._sizes


def _maker(variable: Variable) -> Any:
    if variable.owner is not None:
        return variable.owner.op
    return Constant if isinstance(variable, Constant) else None
