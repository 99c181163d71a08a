"""What the passes over one graph find out, each for those after it.

Operations never change, so what was found out of one holds in every later graph that it
stands in: that no rule has anything for it, which rules could, how large its results are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from operator import is_
from typing import Any

from symnet.graph.inner import InnerGraph
from symnet.graph.traverse import Graph, leaves
from symnet.graph.types import TensorType
from symnet.graph.variables import Apply, Constant, Variable
from symnet.ops.arithmetic import second
from symnet.ops.sizes import Shape, ShapeI
from symnet.rewriting.patterns import Rule, RuleTable, maker
from symnet.sizes.conservative import CertainSizes

# Constants up to this size in bytes are compared by value.
LARGEST_COMPARED = 4096


class AnalysisCache:
    """Kept from pass to pass over what began as one graph.

    given: the operations of the graphs that passes were given, which are not to change.
    finished: the graphs inside operations that have their last form, and the numbers of
        those inputs that a loop around them was known to change.
    """

    def __init__(self) -> None:
        self.given: set[Apply] = set()
        self.finished: dict[InnerGraph, frozenset[int]] = {}
        # By op and identities of inputs, which are kept so that no others get these.
        self._nodes: dict[tuple[int, ...], tuple[Apply, list[Variable]]] = {}
        self._ones: set[Apply] = set()
        self._constants: dict[Any, Constant] = {}
        self._sizes: CertainSizes | None = None
        self._converged: dict[tuple[frozenset[Rule], bool], set[Apply]] = {}
        self._ops: dict[Any, int] = {}
        # Ops are hashed and compared in Python; most are met many times as one object.
        # What is known by the identity of an op keeps it, so that no other one gets that.
        self._numbers: dict[int, tuple[int, Any]] = {}
        self._kinds: dict[RuleTable, dict[int, tuple[Any, Any]]] = defaultdict(dict)
        self._rules: dict[RuleTable, dict[Apply, list[Rule]]] = defaultdict(dict)

    def inside(self) -> AnalysisCache:
        """For a graph inside an operation: what ops and rules are to each other is so
        there, too, and an operation without rules has none when it is met again."""
        found = AnalysisCache()
        found._converged, found._ops = self._converged, self._ops
        found._numbers, found._kinds = self._numbers, self._kinds
        found.finished = self.finished
        return found

    # ---- ops

    def number(self, op: Any) -> int:
        """The same number for equal ops."""
        found = self._numbers.get(id(op))
        if found is None:
            number = self._ops.setdefault(op, len(self._ops))
            found = self._numbers[id(op)] = number, op
        return found[0]

    def candidates(self, table: RuleTable, node: Apply) -> list[Rule]:
        """The rules that may fit, judged by the ops of the node and of its operands."""
        rules = self._rules[table].get(node)
        if rules is None:
            rules = self._rules[table][node] = self._find_candidates(table, node)
        return rules

    def _find_candidates(self, table: RuleTable, node: Apply) -> list[Rule]:
        known, kinds = self._kinds[table], list[Any]()
        for made_by in (node.op, *map(maker, node.inputs)):
            found = known.get(id(made_by))
            if found is None:
                found = known[id(made_by)] = table.kind(made_by), made_by
            if not kinds and not table.rooted(found[0], node.op):
                return []  # whatever makes the operands
            kinds.append(found[0])
        return table.candidates(tuple(kinds), node)

    # ---- of equals, the one that stands for all

    def one_node(self, node: Apply, inputs: list[Variable]) -> Apply:
        """The operation equal to `node`, but on these inputs, that is there already; else
        the node itself, or one made anew.

        inputs: no two of them equal.
        """
        same = all(map(is_, inputs, node.inputs))
        if same and node in self._ones:
            return node
        numbers = list(map(id, inputs))
        if node.op.commutative:
            numbers.sort()
        key = (self.number(node.op), *numbers)
        found = self._nodes.get(key)
        if found is not None:
            return found[0]
        made = node if same else node.clone_with_new_inputs(inputs)
        self._nodes[key] = made, inputs
        if all(map(is_, inputs, made.inputs)):
            self._ones.add(made)
        return made

    def is_one(self, node: Apply) -> bool:
        """Whether this operation, and each that it needs, stands for all equal ones."""
        return node in self._ones

    def one_constant(self, constant: Constant) -> Constant:
        data = constant.data
        key: tuple[Any, ...]
        if not isinstance(constant.type, TensorType):
            if type(data).__hash__ is None:
                return constant
            key = (constant.type, type(data), data)
        elif data.nbytes > LARGEST_COMPARED:
            return constant
        else:
            key = (constant.type, data.shape, data.tobytes())
        return self._constants.setdefault(key, constant)

    # ---- operations for which no rule has anything

    def converged(
        self, table: RuleTable, fold: bool
    ) -> list[tuple[frozenset[Rule], set[Apply]]]:
        """Of these rules those that are known to leave operations as they are, and which;
        where `fold` is asked for, folding does, too."""
        return [
            (table.set & rules, nodes)
            for (rules, folded), nodes in self._converged.items()
            if fold <= folded and not table.set.isdisjoint(rules)
        ]

    def note_converged(self, table: RuleTable, fold: bool, nodes: set[Apply]) -> None:
        """Note that these rules leave `nodes` as they are, whatever uses them."""
        self._converged.setdefault((table.set, fold), set()).update(nodes)

    # ---- sizes

    def sizes(self, graph: Graph) -> CertainSizes:
        """What is known of sizes in a graph whose leaves the first one had, too."""
        if self._sizes is None:
            needed = [*graph.inputs, *leaves(graph.outputs, graph.inputs)]
            unknown = [v for v in dict.fromkeys(needed) if not isinstance(v, Constant)]
            self._sizes = CertainSizes(unknown)
        return self._sizes


def inputs_read(node: Apply) -> Sequence[Variable]:
    """The inputs of which an operation needs elements, not only how large they are."""
    if isinstance(node.op, (Shape, ShapeI)):
        return ()
    return node.inputs[1:] if node.op is second else node.inputs


def readers_of(graph: Graph) -> dict[Variable, list[Apply | None]]:
    """Who reads each variable, as often as it does; None: it is an output."""
    found: dict[Variable, list[Apply | None]] = {}
    for node in graph.toposort():
        for v in inputs_read(node):
            found.setdefault(v, []).append(node)
    for v in graph.outputs:
        found.setdefault(v, []).append(None)
    return found
