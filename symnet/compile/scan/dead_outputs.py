"""What nobody reads of a loop, left out of it.

Results that nobody reads are not made, and neither are states, elements of sequences and
other values that only they needed.  Of a state of which only the last rows are read no
more is kept: the memory of `xs[-1]` does not grow with the steps.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from operator import is_
from typing import Any, NamedTuple

from symnet.compile.scan.scan_builder import ScanBuilder
from symnet.graph.inner import InnerGraph
from symnet.graph.traverse import Graph, change_nodes, toposort
from symnet.graph.variables import Apply, Constant, Variable
from symnet.ops.arithmetic import add, minimum, sub
from symnet.ops.indexing import getitem
from symnet.ops.scan.loop import Scan, State
from symnet.ops.sizes import ShapeI, size_constant
from symnet.ops.subtensor import Subtensor
from symnet.rewriting.patterns import number

# ---- what nobody reads


class Kept(NamedTuple):
    """The numbers of the states and of the collected values that a loop keeps."""

    states: list[int]
    collected: list[int]


def trim_loops(graph: Graph, simplify: Callable[[Graph], Graph]) -> Graph:
    """The graph with the steps of its loops made simpler, and without the parts of its
    loops that nobody reads then.

    simplify: makes the graph of a step simpler.
    What a part that is left out would have demanded of sizes is no longer demanded, as of
    any operation that nobody needs.
    """
    loops = {
        node: _simplified(node.op, simplify)
        for node in graph.toposort()
        if isinstance(node.op, Scan)
    }
    kept = _kept_parts(graph, loops)

    def change(node: Apply, inputs: Sequence[Variable]) -> list[Variable | None] | None:
        if node in kept:
            return _trimmed(loops[node], inputs, kept[node])
        if loops[node] is node.op:
            return None
        return [*loops[node].make_node(*inputs).outputs]

    return change_nodes(graph, change, (Scan,))


def _simplified(op: Scan, simplify: Callable[[Graph], Graph]) -> Scan:
    given = op.graph.as_graph()
    found = simplify(given)
    if all(map(is_, found.outputs, given.outputs)):
        return op
    return op.with_graph(InnerGraph(op.inner_inputs, found.outputs))


def _kept_parts(graph: Graph, loops: Mapping[Apply, Scan]) -> dict[Apply, Kept]:
    """What is kept of the loops of which something is not needed, seen from the outputs.

    loops: as what each of them is taken."""
    needed = set(graph.outputs)
    found: dict[Apply, Kept] = {}
    for node in reversed(graph.toposort()):
        if needed.isdisjoint(node.outputs):
            continue
        if node not in loops:
            needed.update(node.inputs)
            continue
        draft = ScanBuilder.of(loops[node], node.inputs)
        kept, read = _needed_parts(draft, node, needed)
        if len(read) < node.nin - 1 or len(kept.collected) < len(draft.collected):
            found[node] = kept
        needed.update(read, node.inputs[:1])
    return found


def _needed_parts(
    draft: ScanBuilder, node: Apply, needed: Collection[Variable]
) -> tuple[Kept, list[Variable]]:
    """What is kept, and the inputs that it reads."""
    outputs = draft.op.split_outputs(node.outputs)
    collected = [k for k, v in enumerate(outputs.collected) if v in needed]
    states = {k for k, v in enumerate(outputs.states) if v in needed}
    results = [draft.collected[k] for k in collected]
    results += [] if draft.done is None else [draft.done]
    while True:
        wanted = [*results, *(draft.states[k].new for k in sorted(states))]
        read = set(wanted)
        for inner in toposort(wanted):
            read.update(inner.inputs)
        more = {
            k for k, one in enumerate(draft.states) if not read.isdisjoint(one.taps)
        } - states
        if not more:
            break
        states |= more
    leaves = {**draft.sequences, **draft.others}
    inputs = [array for leaf, array in leaves.items() if leaf in read]
    inputs += [draft.states[k].initial for k in sorted(states)]
    return Kept(sorted(states), collected), inputs


def _trimmed(op: Scan, inputs: Sequence[Variable], kept: Kept) -> list[Variable | None]:
    """What stands for the outputs of a loop of which only some parts are kept."""
    draft = ScanBuilder.of(op, inputs)
    draft.states = [draft.states[k] for k in kept.states]
    draft.collected = [draft.collected[k] for k in kept.collected]
    found = draft.outputs()
    results: list[Variable | None] = [None] * len(op.inner_outputs)
    count = len(op.states)
    for k, v in zip(kept.states, found.states):
        results[k] = v
    for k, v in zip(kept.collected, found.collected):
        results[count + k] = v
    if found.done is not None:
        results[-1] = found.done
    return results


# ---- how much of a history is read


def keep_last_rows(graph: Graph) -> Graph:
    """The graph with no more kept of a history than is read of it, where that is a number
    of rows from its end.  A row that is not there is still missed where it is read."""
    last = LastRows(graph)
    return change_nodes(graph, last.change) if last.kept else graph


class LastRows:
    """The histories of which only last rows are read.

    kept: for each loop its states that become shorter, with the number of rows kept.
    later: for each slice behind the initial rows its loop, and how many rows are read of it
        at most.
    counts: for each operation that reads how many rows there are its loop, and how many
        of them are initial rows.
    steps, made: for each loop how many steps it is asked for, and how many it did.

    A loop that may stop early has rows behind those that it made.  Of its history only the
    slice of the rows that were made is looked at.
    """

    def __init__(self, graph: Graph) -> None:
        self.users = graph.all_clients()
        self.kept: dict[Apply, dict[int, int]] = {}
        self.later: dict[Apply, tuple[Apply, int]] = {}
        self.counts: dict[Apply, tuple[Apply, int]] = {}
        self.steps: dict[Apply, Variable] = {}
        self.made: dict[Apply, Variable] = {}
        for node in graph.toposort():
            if isinstance(node.op, Scan):
                for k, state in enumerate(node.op.states):
                    if state.keep is None:
                        self._look_at(node, k, state.depth)

    def _look_at(self, node: Apply, k: int, depth: int) -> None:
        """Whether of this history only last rows are read, and by whom."""
        rows, slices, counts = [depth], [], dict[Apply, int]()
        for user, _ in self.users.get(node.outputs[k], []):
            if isinstance(user, Apply) and _reads_made(user, node, depth):
                slices.append(user)
                continue
            found = self._rows_read(user, counts, depth)
            if found is None or found > (0 if node.op.until else depth):
                return
        later: dict[Apply, int] = {}
        for part in slices:
            users = [user for user, _ in self.users.get(part.outputs[0], [])]
            read = [self._rows_read(user, counts, 0) for user in users]
            known = [count for count in read if count is not None]
            if len(known) < len(read):
                return
            later[part] = max(known, default=0)
            rows.append(later[part])
        self.kept.setdefault(node, {})[k] = max(rows)
        self.later |= {part: (node, count) for part, count in later.items()}
        self.counts |= {user: (node, first) for user, first in counts.items()}

    def _rows_read(
        self, user: Apply | str, counts: dict[Apply, int], first: int
    ) -> int | None:
        """How many last rows an operation reads; None where that is not known.  One that
        reads only how many rows there are is noted."""
        if isinstance(user, Apply) and isinstance(user.op, ShapeI):
            if user.op.i == 0:
                counts[user] = first
            return 0
        return _last_rows(user)

    def change(
        self, node: Apply, inputs: list[Variable]
    ) -> list[Variable | None] | None:
        if node in self.kept:
            return self._shortened(node, inputs)
        if node in self.later:
            loop, count = self.later[node]
            return [_from_last(inputs[0], self.made[loop], count)]
        if node in self.counts:
            loop, first = self.counts[node]
            return [add(self.steps[loop], first) if first else self.made[loop]]
        return None

    def _shortened(self, node: Apply, inputs: list[Variable]) -> list[Variable | None]:
        self.steps[node] = inputs[0]
        draft = ScanBuilder.of(node.op, inputs)
        for k, count in self.kept[node].items():
            carried = draft.states[k]
            carried.state = State(carried.state.taps, count)
        outputs = draft.node().outputs
        self.made[node] = outputs[-1] if node.op.until else inputs[0]
        return [*outputs]


def _reads_made(node: Apply, loop: Apply, depth: int) -> bool:
    """Whether an operation is the slice of all whole rows that the steps of a loop made,
    behind `depth` initial ones."""
    if not isinstance(node.op, Subtensor):
        return False
    first, *rest = node.op.pattern
    if first != ("a:b:" if loop.op.until else "a::") or any(e != "::" for e in rest):
        return False
    begin, *end = node.inputs[1:]
    ends = all(_is_sum(bound, loop.outputs[-1], depth) for bound in end)
    return number(begin) == depth and ends


def _is_sum(value: Variable, one: Variable, other: int) -> bool:
    """Whether a value is `one + other`."""
    node = value.owner
    if node is None or node.op is not add:
        return False
    left, right = node.inputs
    pairs = (left, right), (right, left)
    return any(a is one and number(b) == other for a, b in pairs)


def _last_rows(node: Apply | str) -> int | None:
    """How many rows, counted from the end, contain all that an operation reads; None
    where that is not known."""
    if not isinstance(node, Apply) or not isinstance(node.op, Subtensor):
        return None
    if node.op.pattern[0] not in ("i", "a::"):
        return None
    first = number(node.inputs[1])
    return -first if first is not None and first < 0 else None


def _from_last(kept: Variable, steps: Variable, count: int) -> Variable:
    """Of the last rows of a history those that steps made, `count` at most: where there
    were fewer steps, there are fewer rows."""
    have = kept.type.shape[0]
    first: Any
    if isinstance(steps, Constant):
        first = have - min(int(steps.data), count)
    else:
        first = sub(size_constant(have), minimum(steps, size_constant(count)))
    return getitem(kept, slice(first, None))
