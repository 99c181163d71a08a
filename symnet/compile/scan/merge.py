"""Loops over the same steps that do the same work, made one.

The gradient of a loop reads more of its steps than the user asked for, and so brings a
second loop that runs through the same states again.  Two loops become one that hands out
what either does, where an operation of their steps is then done once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence

from symnet.compile.scan.scan_builder import BuilderState, ScanBuilder
from symnet.graph.inner import constant_key
from symnet.graph.origin import inherit
from symnet.graph.traverse import Graph, clone_replace
from symnet.graph.variables import Apply, Constant, Variable
from symnet.ops.base import ViewOp
from symnet.ops.scan.loop import Scan
from symnet.ops.sizes import Shape, ShapeI

Numbers = dict[Variable, Hashable]


def merge_loops(graph: Graph) -> Graph:
    """The graph with loops merged that share work."""
    compared: set[tuple[Apply, Apply]] = set()
    while True:
        pair = _next_pair(graph, compared)
        if pair is None:
            return graph
        first, second = pair
        with inherit(first.origin):
            replace = Union(first, second).replacements()
        if replace is not None:
            kept = {v: v for v in graph.inputs}
            outputs = clone_replace(graph.outputs, {**kept, **replace})
            graph = Graph(graph.inputs, outputs)


def _next_pair(
    graph: Graph, compared: set[tuple[Apply, Apply]]
) -> tuple[Apply, Apply] | None:
    """Two loops that may be one and have not been looked at; they are noted."""
    order = graph.toposort()
    groups: dict[Hashable, list[Apply]] = defaultdict(list)
    for node in order:
        if isinstance(node.op, Scan) and not node.op.python_loop:
            groups[_form(node)].append(node)
    groups = {key: nodes for key, nodes in groups.items() if len(nodes) > 1}
    if not groups:
        return None
    needs = _needed_loops(order)
    for nodes in groups.values():
        for k, second in enumerate(nodes):
            for first in nodes[:k]:
                independent = first not in needs[second] and second not in needs[first]
                alike = not set(first.inputs[1:]).isdisjoint(second.inputs[1:])
                if independent and alike and (first, second) not in compared:
                    compared.add((first, second))
                    return first, second
    return None


def _form(node: Apply) -> Hashable:
    """What must be the same for two loops to run as one."""
    steps = node.inputs[0]
    count = constant_key(steps) if isinstance(steps, Constant) else steps
    return count, node.op.until, node.op.profile


def _needed_loops(order: Sequence[Apply]) -> dict[Apply, frozenset[Apply]]:
    """For each loop, the loops whose results it needs."""
    below: dict[Variable, frozenset[Apply]] = {}
    found: dict[Apply, frozenset[Apply]] = {}
    for node in order:
        parts = {below[v] for v in node.inputs if v in below}
        together = frozenset().union(*parts)
        if isinstance(node.op, Scan):
            found[node] = together
            together |= {node}
        if together:
            below.update(dict.fromkeys(node.outputs, together))
    return found


class Union:
    """Two loops over the same steps.

    ScanInputs that are the same variable outside are one inside.  States are taken to be the
    same as long as nothing speaks against it: they start from the same rows, are read at
    the same taps, and with that assumed their new values are the same expressions.
    """

    def __init__(self, first: Apply, second: Apply) -> None:
        self.nodes = first, second
        self.one = ScanBuilder.of(first.op, first.inputs)
        own = second.op.with_graph(second.op.graph.copy())
        self.other = ScanBuilder.of(own, second.inputs)
        self.same = _same_leaves(self.one.sequences, self.other.sequences)
        self.same |= _same_leaves(self.one.others, self.other.others)
        self.saved = 0
        self.states = self._same_states()

    def _same_states(self) -> dict[int, int]:
        """Which states of the second loop are states of the first."""
        pairs: dict[int, int] = {}
        for k, state in enumerate(self.other.states):
            for j, candidate in enumerate(self.one.states):
                if j not in pairs.values() and _start_alike(candidate, state):
                    pairs[k] = j
                    break
        while True:
            self.numbers = self._number(pairs)
            wrong = [k for k, j in pairs.items() if not self._are_one(j, k)]
            if not wrong:
                return pairs
            for k in wrong:
                del pairs[k]

    def _are_one(self, j: int, k: int) -> bool:
        new = self.one.states[j].new, self.other.states[k].new
        return _value(new[0], self.numbers) == _value(new[1], self.numbers)

    def _renamed(self, states: Mapping[int, int]) -> dict[Variable, Variable]:
        """What the second step reads that the first reads too, by the first's names."""
        same = dict(self.same)
        for k, j in states.items():
            rows = zip(self.other.states[k].taps, self.one.states[j].taps, strict=True)
            same |= dict(rows)
        return same

    def _number(self, states: Mapping[int, int]) -> Numbers:
        """Equal values of the two steps have equal numbers."""
        same = self._renamed(states)
        numbers: Numbers = {}
        for v in _leaves(self.one):
            numbers[v] = v
        for v in _leaves(self.other):
            numbers[v] = same.get(v, v)
        known: dict[Hashable, int] = {}
        self.saved = 0
        for draft in (self.one, self.other):
            for node in draft.order():
                values = tuple(_value(v, numbers) for v in node.inputs)
                key = (node.op, values, tuple(v.type for v in node.outputs))
                if draft is self.other and key in known:
                    self.saved += _is_work(node)
                place = known.setdefault(key, len(known))
                for k, v in enumerate(node.outputs):
                    numbers[v] = (place, k)
        return numbers

    def replacements(self) -> dict[Variable, Variable] | None:
        """What stands for the outputs of both; None where nothing would be saved."""
        one, other, numbers = self.one, self.other, self.numbers
        stops = [_value(v, numbers) for v in (one.done, other.done) if v is not None]
        if not self.saved or len(set(stops)) > 1:
            return None
        have = [_value(v, numbers) for v in one.collected]
        wanted = [_value(v, numbers) for v in other.collected]
        other.replace(self._renamed(self.states))
        places = self._take_states()
        one.sequences |= {
            v: a for v, a in other.sequences.items() if v not in self.same
        }
        one.others |= {v: a for v, a in other.others.items() if v not in self.same}
        rows = []
        for v, value in zip(other.collected, wanted, strict=True):
            if value not in have:
                have.append(value)
                one.collected.append(v)
            rows.append(have.index(value))
        new = one.outputs()
        old = [n.op.split_outputs(n.outputs) for n in self.nodes]
        found = dict(zip(old[0].states, new.states))
        found |= dict(zip(old[0].collected, new.collected))
        found |= {v: new.states[k] for v, k in zip(old[1].states, places, strict=True)}
        found |= {v: new.collected[k] for v, k in zip(old[1].collected, rows)}
        if new.done is not None:
            found |= {parts.done: new.done for parts in old}
        return found

    def _take_states(self) -> list[int]:
        """Add to the first loop the states that only the second has: where each of the
        second's is now."""
        places = []
        for k, carried in enumerate(self.other.states):
            if k not in self.states:
                places.append(len(self.one.states))
                self.one.states.append(carried)
                continue
            place = self.states[k]
            self.one.states[place].update |= carried.update
            places.append(place)
        return places


def _same_leaves(
    one: Mapping[Variable, Variable], other: Mapping[Variable, Variable]
) -> dict[Variable, Variable]:
    """The leaves of the other step that stand for what one has a leaf for."""
    known = {array: leaf for leaf, array in reversed(list(one.items()))}
    return {
        leaf: known[array]
        for leaf, array in other.items()
        if array in known and known[array].type == leaf.type
    }


def _start_alike(one: BuilderState, other: BuilderState) -> bool:
    """Whether two states start from the same rows and are read at the same taps."""
    if one.initial is not other.initial or one.state != other.state:
        return False
    return all(a.type == b.type for a, b in zip(one.taps, other.taps, strict=True))


def _leaves(draft: ScanBuilder) -> list[Variable]:
    return [*draft.sequences, *draft.taps, *draft.others]


def _is_work(node: Apply) -> bool:
    """Whether an operation costs anything in every step."""
    free = isinstance(node.op, (ViewOp, Shape, ShapeI))
    return not free and not all(isinstance(v, Constant) for v in node.inputs)


def _value(variable: Variable, numbers: Numbers) -> Hashable:
    if isinstance(variable, Constant):
        return constant_key(variable)
    return numbers[variable]
