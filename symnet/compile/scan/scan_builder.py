"""A loop taken apart, so that passes can add to it and take from it.

A pass takes `ScanBuilder.of(node.op, inputs)`, changes its sequences, states, others and what is
collected, and asks for the `node()` of the loop that it then is, or for its `outputs()` by
their parts.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import is_
from typing import cast

from symnet.data_classes import dataclass
from symnet.graph.inner import InnerGraph
from symnet.graph.traverse import clone_replace, toposort
from symnet.graph.variables import Apply, Variable, make_variable
from symnet.ops.scan.loop import Outputs, Scan, State, labelled


@dataclass(eq=False)
class BuilderState:
    """A state: what a step reads of it at each tap, the rows before the first step, its
    new value; update: its last row is the update of a shared variable."""

    state: State
    taps: list[Variable]
    initial: Variable
    new: Variable
    update: bool = False


@dataclass(eq=False)
class ScanBuilder:
    """The parts of a loop.

    sequences, others: from a variable of the step to the array outside.
    done: with `until` the condition to stop.
    """

    op: Scan
    steps: Variable
    sequences: dict[Variable, Variable]
    states: list[BuilderState]
    others: dict[Variable, Variable]
    collected: list[Variable]
    done: Variable | None = None

    @classmethod
    def of(cls, op: Scan, inputs: Sequence[Variable]) -> ScanBuilder:
        outer, inner = op.split_inputs(inputs), op.split_inner(op.inner_inputs)
        new = op.split_outputs(op.inner_outputs)
        states = [
            BuilderState(state, taps, initial, value, k in op.updates)
            for k, (state, taps, initial, value) in enumerate(
                zip(op.states, inner.taps, outer.initials, new.states, strict=True)
            )
        ]
        return cls(
            op,
            outer.n_steps,
            dict(zip(inner.sequences, outer.sequences, strict=True)),
            states,
            dict(zip(inner.others, outer.others, strict=True)),
            new.collected,
            new.done,
        )

    @property
    def results(self) -> list[Variable]:
        """What a step makes, in the order of the operation."""
        stop = [] if self.done is None else [self.done]
        return [*(one.new for one in self.states), *self.collected, *stop]

    def order(self) -> list[Apply]:
        """The operations of a step, each after those it needs."""
        results, given = self.results, self.op.graph
        if len(results) == len(given.outputs) and all(map(is_, results, given.outputs)):
            return given.order
        return toposort(results)

    @property
    def taps(self) -> list[Variable]:
        return [v for one in self.states for v in one.taps]

    def sequence_name(self, leaf: Variable) -> str:
        """How errors call a sequence."""
        return labelled(f"sequence {[*self.sequences].index(leaf)}", leaf)

    def outside(self, array: Variable) -> Variable:
        """What stands in the step for something that is the same in all steps."""
        leaf = make_variable(array.type, array.name)
        self.others[leaf] = array
        return leaf

    def replace(self, new: dict[Variable, Variable]) -> None:
        """Put other variables in the place of some of the step's."""
        count, found = len(self.states), clone_replace(self.results, new)
        for one, value in zip(self.states, found):
            one.new = value
        self.collected = found[count : count + len(self.collected)]
        self.done = None if self.done is None else found[-1]

    def outputs(self) -> Outputs:
        """The outputs of the loop as it is now, by their parts."""
        node = self.node()
        return cast(Scan, node.op).split_outputs(node.outputs)

    def node(self) -> Apply:
        """The loop as it is now; inputs that no step reads are left out."""
        results, order = self.results, self.order()
        read = set(results)
        for node in order:
            read.update(node.inputs)
        sequences = {v: a for v, a in self.sequences.items() if v in read}
        others = {v: a for v, a in self.others.items() if v in read}
        op = self.op.replaced(
            graph=InnerGraph([*sequences, *self.taps, *others], results, order),
            sequences=len(sequences),
            states=tuple([one.state for one in self.states]),
            collected=len(self.collected),
            updates=tuple([k for k, one in enumerate(self.states) if one.update]),
        )
        initials = [one.initial for one in self.states]
        return op.make_node(
            self.steps, *sequences.values(), *initials, *others.values()
        )
