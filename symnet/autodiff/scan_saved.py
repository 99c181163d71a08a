"""What the gradient of a loop takes from the steps forward, and what it computes again.

A value is stored if computing it again would cost more than reading it: products, sums,
transcendental functions, draws of random numbers.  Views and plain arithmetic on values
that are there anyway are computed again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from symnet.graph.inner import InnerGraph
from symnet.graph.traverse import clone_replace, toposort
from symnet.graph.variables import Apply, Constant, Variable
from symnet.ops.alloc import Alloc
from symnet.ops.arithmetic import second
from symnet.ops.base import ViewOp
from symnet.ops.elementwise import Elementwise
from symnet.ops.indexing import getitem
from symnet.ops.scan.loop import Scan
from symnet.ops.sizes import Shape, ShapeI

CHEAP = frozenset(
    "abs add and_ ceil conj eq floor ge gt identity imag invert isinf isnan le lt maximum "
    "minimum mul neg neq or_ real relu second sgn sqr sub switch trunc xor".split()
)


def reads_size_only(node: Apply, position: int) -> bool:
    """Whether an operation needs only to know how large that input is."""
    return isinstance(node.op, (Shape, ShapeI)) or (node.op == second and position == 0)


class Stored:
    """The values of the steps forward that some backward graphs need.

    rows: for each variable of the step that is read as an array over all steps, that
    array; fixed: the same for those that do not change.  Everything else that the graphs
    mention is computed again from these.
    """

    def __init__(
        self,
        op: Scan,
        inputs: Sequence[Variable],
        outputs: Sequence[Variable],
        wanted: Sequence[Variable],
    ) -> None:
        self.op = op
        self.outer, self.inner = (
            op.split_inputs(inputs),
            op.split_inner(op.inner_inputs),
        )
        self.results = op.split_outputs(outputs)
        self.rows: dict[Variable, Variable] = {}
        self.fixed: dict[Variable, Variable] = {}
        self._at_hand()
        values, sizes = self._needed(wanted)
        kept = self._choose(values, sizes)
        self._keep(kept, inputs)
        self._for_sizes(sizes)

    def _at_hand(self) -> None:
        """Where the values lie that need not be stored."""
        self.free: dict[Variable, tuple[str, int, int]] = {}
        for k, v in enumerate(self.inner.sequences):
            self.free[v] = ("sequence", k, 0)
        for k, v in enumerate(self.inner.others):
            self.free[v] = ("other", k, 0)
        parts = self.op.split_outputs(self.op.inner_outputs)
        for k, v in enumerate(parts.collected):
            self.free.setdefault(v, ("collected", k, 0))
        for k, state in enumerate(self.op.states):
            if state.keep is None:
                for tap, v in zip(state.taps, self.inner.taps[k]):
                    self.free.setdefault(v, ("history", k, tap))
                self.free.setdefault(parts.states[k], ("history", k, 0))

    def _needed(
        self, wanted: Sequence[Variable]
    ) -> tuple[dict[Variable, None], dict[Variable, None]]:
        """The forward variables that the backward graphs read: for their values, and for
        nothing but their sizes."""
        forward = set(self.op.inner_inputs)
        for node in self.op.graph.order:
            forward.update(node.outputs)
        values = {v: None for v in wanted if v in forward}
        sizes: dict[Variable, None] = {}
        for node in toposort(wanted, blockers=forward):
            for k, v in enumerate(node.inputs):
                if v in forward:
                    (sizes if reads_size_only(node, k) else values).setdefault(v)
        return values, sizes

    def _choose(
        self, values: dict[Variable, None], sizes: dict[Variable, None]
    ) -> list[Variable]:
        """Which of the needed variables are stored; the others can be computed again.

        sizes: what only the size is needed of, to which that of these others is added.
        """
        kept: dict[Variable, None] = {}
        order = {
            v: k for k, node in enumerate(self.op.graph.order) for v in node.outputs
        }
        pending = sorted(values, key=lambda v: order.get(v, -1))
        loose = self._loose()
        while pending:
            v = pending.pop(0)
            if v in kept or v in loose or isinstance(v, Constant):
                continue
            if v in self.free:
                self._read(v)
                continue
            node = v.owner
            if node is not None and self._again(node, kept, loose):
                for position, w in enumerate(node.inputs):
                    if reads_size_only(node, position):
                        sizes.setdefault(w)
                    else:
                        pending.append(w)
            else:
                kept[v] = None
        return list(kept)

    def _loose(self) -> set[Variable]:
        """What depends on constants only."""
        loose: set[Variable] = set()
        for node in self.op.graph.order:
            if all(isinstance(v, Constant) or v in loose for v in node.inputs):
                loose.update(node.outputs)
        return loose

    def _again(
        self, node: Apply, kept: dict[Variable, None], loose: set[Variable]
    ) -> bool:
        """Whether an operation is rather done again."""
        if isinstance(node.op, (ViewOp, Shape, ShapeI, Alloc)):
            return True
        if not isinstance(node.op, Elementwise):
            return False
        cheap = node.op.name in CHEAP or node.op.name.startswith("cast_")
        return cheap and all(
            v in self.free or v in kept or v in loose or isinstance(v, Constant)
            for v in node.inputs
        )

    def _read(self, v: Variable) -> None:
        """Enter a value that lies somewhere already."""
        kind, k, tap = self.free[v]
        if kind == "other":
            self.fixed[v] = self.outer.others[k]
        elif kind == "sequence":
            self.rows[v] = self.outer.sequences[k]
        elif kind == "collected":
            self.rows[v] = self.results.collected[k]
        else:
            history, depth = self.results.states[k], self.op.states[k].depth
            self.rows[v] = getitem(history, slice(depth + tap or None, tap or None))

    def _keep(self, kept: list[Variable], inputs: Sequence[Variable]) -> None:
        """Have the loop forward hand out more: the same loop, with more collected, which
        is made one with the user's when the graph is compiled."""
        if not kept:
            return
        parts = self.op.split_outputs(self.op.inner_outputs)
        stop = [] if parts.done is None else [parts.done]
        results = [*parts.states, *parts.collected, *kept, *stop]
        wider = self.op.replaced(
            graph=InnerGraph(self.op.inner_inputs, results),
            collected=self.op.collected + len(kept),
        )
        outputs: list[Any] = wider(*inputs, return_list=True)
        found = wider.split_outputs(outputs).collected[self.op.collected :]
        self.rows.update(zip(kept, found))

    def _for_sizes(self, sizes: dict[Variable, None]) -> None:
        """A value of which only the size is read is computed again in form: nobody needs
        its elements.  Of a state the rows before the first step do as well."""
        pending = list(sizes)
        seen: set[Variable] = set()
        while pending:
            v = pending.pop()
            done = v in seen or v in self.rows or v in self.fixed
            if done or isinstance(v, Constant):
                continue
            seen.add(v)
            taps = [k for k, rows in enumerate(self.inner.taps) if v in rows]
            if taps:
                self.fixed[v] = getitem(self.outer.initials[taps[0]], 0)
            elif v.owner is None:
                self._read(v)
            else:
                pending += v.owner.inputs

    def over(
        self, graphs: Sequence[Variable], fresh: dict[Variable, Variable]
    ) -> list[Variable]:
        """The backward graphs over new leaves in the place of the forward variables."""
        return clone_replace(graphs, fresh)
