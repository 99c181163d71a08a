"""From a Scan to a step that repeats steps.

The inner graph is lowered at the sizes of the outer arrays, into views of them: an element
of a sequence is a row of it, a pointer that moves from turn to turn; so are the earlier
values of a state, and the places for what a step makes.  Where a state needs few rows,
`memory` decides whether one place is enough or a ring of them goes round.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from symnet.compile.lower.context import CarriedState, Context, OpenRegion
from symnet.compile.lower.licm import hoist_invariants
from symnet.compile.lower.pack_weights import pack_weights
from symnet.compile.lower.program import (
    Buffer,
    Linearise,
    Loop,
    MovingRow,
    Region,
    copy_launch,
)
from symnet.graph.variables import Apply, Variable
from symnet.kernels.loopir.views import ZERO, Size, View, contiguous_strides, size
from symnet.ops.scan.loop import Scan, State


def lower_scan(context: Context, node: Apply) -> None:
    """Append the steps of a Scan: copies of the initial rows, the loop, and what brings
    rows into order."""
    LoopLowering(context, node).build()


class LoopLowering:
    """The loop of one Scan."""

    def __init__(self, context: Context, node: Apply) -> None:
        self.context, self.node = context, node
        self.op: Scan = node.op
        self.depth = context.depth
        self.outer = self.op.split_inputs(node.inputs)
        self.turns = context.inference.value(self.outer.n_steps)
        self.outputs = self.op.split_outputs(
            [context.temporary(v) for v in node.outputs]
        )
        # With leaves of its own, which inference has given their sizes.
        ((self.leaves, self.wanted),) = context.inference.inner[node]

    def build(self) -> None:
        done = self.outputs.done
        views = [self._sequence(v) for v in self.outer.sequences]
        carried = [self._state(k) for k in range(len(self.op.states))]
        for one in carried:
            views += [self._view(b, one.history) for b in one.taps]
        views += [self.context.view_of(v) for v in self.outer.others]
        inner = self.op.split_outputs(self.wanted)
        where = dict(zip(self.leaves, views, strict=True))
        child = self.context.inside(where, self.wanted, True)
        hoist_invariants(self.context, child)
        pack_weights(self.context, child)
        body = Region(child.steps, child.temporaries)
        step = Loop(
            [self.node], [], [], turns=self.turns, body=body, done=done,
            fallible=True,  # a signal may break it off
        )  # fmt: skip
        inside = OpenRegion(child, step, body, states=list(zip(inner.states, carried)))
        for v, target in zip(inner.collected, self.outputs.collected, strict=True):
            inside.results.append((v, self._row(target, ZERO).buffer))
        step.outputs = [c.history if c.ring is None else c.ring for c in carried]
        step.outputs += self.outputs.collected
        if self.op.until:
            flag = self.context.buffer("bool", (), "until")
            step.until = View(flag, "bool", (), ())
            inside.results.append((inner.done, flag))
            step.outputs += [step.until, done]
        reads = outside_reads(child, self.depth)
        step.inputs = [*reads, *(c.start for c in carried)]
        self.context.steps.append(step)
        self.context.open_regions.append(inside)
        self._straighten(carried)

    # ---- rows

    def _row(self, array: View, first: Size) -> View:
        """The row of an array that the loop has reached, `first` rows from its start."""
        origin = array.at(0, first)
        buffer = Buffer("row", array.dtype, origin.sizes, name=array.buffer.name)
        buffer.row = MovingRow(origin, array.strides[0], self.depth)
        return replace(origin, buffer=buffer, offset=ZERO)

    def _sequence(self, variable: Variable) -> View:
        return self._row(self.context.view_of(variable), ZERO)

    def _view(self, buffer: Buffer, history: View) -> View:
        return View(buffer, history.dtype, history.sizes[1:], history.strides[1:])

    # ---- states

    def _state(self, k: int) -> CarriedState:
        state, history = self.op.states[k], self.outputs.states[k]
        start = self._start(self.outer.initials[k], state.depth)
        if state.keep is None:
            start.buffer.place = history.buffer
            rows = [self._row(history, size(state.depth + tap)) for tap in state.taps]
            new = self._row(history, size(state.depth))
            return CarriedState(
                state, [r.buffer for r in rows], new.buffer, history, start
            )
        slots = ring_slots(state)
        sizes = (size(slots), *history.sizes[1:])
        buffer = self.context.buffer(history.dtype, sizes, "ring")
        ring = View(buffer, history.dtype, sizes, history.strides)
        start.buffer.place = buffer
        places = [state.depth + tap for tap in state.taps]
        taps = [self._slot(ring, slots, place) for place in places]
        new_place = self._slot(ring, slots, state.depth)
        return CarriedState(state, taps, new_place, history, start, ring)

    def _slot(self, ring: View, slots: int, first: int) -> Buffer:
        """One of a ring's slots, which the loop goes round."""
        origin = ring.at(0, ZERO)
        row = MovingRow(origin, ring.strides[0], self.depth, slots, first % slots)
        return Buffer("row", ring.dtype, origin.sizes, row=row)

    def _start(self, variable: Variable, depth: int) -> View:
        """A copy of the initial rows, which will lie at the beginning of other memory."""
        source = self.context.view_of(variable)
        sizes = (size(depth), *source.sizes[1:])
        buffer = self.context.buffer(source.dtype, sizes, "start")
        strides = contiguous_strides(sizes, source.itemsize)
        target = View(buffer, source.dtype, sizes, strides)
        self.context.steps.append(copy_launch(source, target, [self.node]))
        return target

    def _straighten(self, carried: Sequence[CarriedState]) -> None:
        turns = self.outputs.done
        for one in carried:
            if one.ring is None:
                continue
            count = self.context.parameter(self.turns) if turns is None else turns
            one.straighten = Linearise(
                [self.node], [one.ring, count], [one.history], depth=one.state.depth
            )
            self.context.steps.append(one.straighten)


def ring_slots(state: State) -> int:
    """Slots for the rows that are handed out, or read by the next step together with the
    row that it makes; a power of two, so that the runner finds a slot quickly."""
    needed = max(state.keep or 1, state.depth + 1)
    return 1 << (needed - 1).bit_length()


def outside_reads(inner: Context, depth: int) -> list[View]:
    """What an inner graph reads of arrays that are made outside of it, or hands out as
    it is; depth: the number of loops around it (rows that these move are outside)."""
    own = {view.buffer for step in inner.steps for view in step.outputs}
    reads = [inner.view_of(v) for v in inner.wanted]
    for step in inner.steps:
        reads += step.inputs
        reads += [step.initial] if step.initial is not None else []
    found: dict[Buffer, View] = {}
    for view in reads:
        while view.buffer.row is not None and view.buffer.row.depth >= depth:
            view = view.buffer.row.origin
        if view.buffer not in own:
            found.setdefault(view.buffer, view)
    return list(found.values())


__all__ = ["lower_scan", "outside_reads"]
