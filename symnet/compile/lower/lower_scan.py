"""From a Scan to a loop over a region.

The inner graph is lowered at the sizes of the outer arrays, into views of them: an element
of a sequence is a row of it, a pointer that moves from iteration to iteration; so are the earlier
values of a state, and the places for what a step makes.  Where a state needs few rows,
`memory` decides whether one place is enough or a ring of them goes round.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from symnet.compile.lower.context import Context
from symnet.compile.lower.program import (
    Buffer,
    Carried,
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
        self.iterations = context.inference.value(self.outer.n_steps)
        self.outputs = self.op.split_outputs(
            [context.temporary(v) for v in node.outputs]
        )
        # With leaves of its own, which inference has given their sizes.
        ((self.leaves, self.wanted),) = context.inference.inner[node]

    def build(self) -> None:
        whole = [self.context.view_of(v) for v in self.outer.sequences]
        rows = [self._row(array, ZERO) for array in whole]
        carried = [self._state(k) for k in range(len(self.op.states))]
        views = [*rows, *(self._tap(b, c) for c in carried for b in c.taps)]
        views += [self.context.view_of(v) for v in self.outer.others]
        where = dict(zip(self.leaves, views, strict=True))
        child = self.context.inside(where, self.wanted, True)
        until = Buffer("temporary", "bool", name="until") if self.op.until else None
        body = child.region([child.result(*r) for r in self._results(carried, until)])
        outputs = [c.history if c.ring is None else c.ring for c in carried]
        outputs += self.outputs.collected
        done = self.outputs.done
        if until is not None:
            outputs += [until.whole, done]
        loop = Loop(
            [self.node],
            [],
            outputs,
            fallible=True,  # a signal may break it off
            iterations=self.iterations,
            body=body,
            carried=carried,
            sequences=list(zip(whole, rows)),
            until=until.whole if until is not None else None,
            done=done,
        )
        self.context.steps.append(replace(loop, inputs=loop_inputs(loop, self.depth)))
        self._linearise(carried)

    def _results(
        self, carried: Sequence[Carried], until: Buffer | None
    ) -> list[tuple[Variable, Buffer]]:
        """What an iteration makes, and where that belongs."""
        inner = self.op.split_outputs(self.wanted)
        places = [c.new for c in carried]
        places += [self._row(array, ZERO).buffer for array in self.outputs.collected]
        found = list(zip([*inner.states, *inner.collected], places, strict=True))
        return [*found, (inner.done, until)] if until is not None else found

    # ---- rows

    def _row(self, array: View, first: Size) -> View:
        """The row of an array that the loop has reached, `first` rows from its start."""
        origin = array.at(0, first)
        row = MovingRow(origin, array.strides[0], self.depth)
        name = array.buffer.name
        buffer = Buffer("row", array.dtype, origin.sizes, name=name, row=row)
        return replace(origin, buffer=buffer, offset=ZERO)

    def _tap(self, buffer: Buffer, carried: Carried) -> View:
        history = carried.history
        return View(buffer, history.dtype, history.sizes[1:], history.strides[1:])

    # ---- states

    def _state(self, k: int) -> Carried:
        state, history = self.op.states[k], self.outputs.states[k]
        initial = self.outer.initials[k]
        if state.keep is None:
            start = self._start(initial, state.depth, history.buffer)
            rows = [self._row(history, size(state.depth + tap)) for tap in state.taps]
            new = self._row(history, size(state.depth)).buffer
            return Carried(state, [r.buffer for r in rows], new, start, history)
        slots = ring_slots(state)
        sizes = (size(slots), *history.sizes[1:])
        ring = Buffer("temporary", history.dtype, sizes, name="ring")
        view = View(ring, history.dtype, sizes, history.strides)
        start = self._start(initial, state.depth, ring)
        places = [state.depth + tap for tap in state.taps]
        taps = [self._slot(view, slots, place) for place in places]
        new = self._slot(view, slots, state.depth)
        return Carried(state, taps, new, start, history, view)

    def _slot(self, ring: View, slots: int, first: int) -> Buffer:
        """One of a ring's slots, which the loop goes round."""
        origin = ring.at(0, ZERO)
        row = MovingRow(origin, ring.strides[0], self.depth, slots, first % slots)
        return Buffer("row", ring.dtype, origin.sizes, row=row)

    def _start(self, variable: Variable, depth: int, within: Buffer) -> View:
        """A copy of the initial rows, at the beginning of other memory."""
        source = self.context.view_of(variable)
        sizes = (size(depth), *source.sizes[1:])
        buffer = Buffer("temporary", source.dtype, sizes, name="start", within=within)
        strides = contiguous_strides(sizes, source.itemsize)
        target = View(buffer, source.dtype, sizes, strides)
        self.context.steps.append(copy_launch(source, target, [self.node]))
        return target

    def _linearise(self, carried: Sequence[Carried]) -> None:
        done = self.outputs.done
        for one in carried:
            if one.ring is None:
                continue
            count = self.context.parameter(self.iterations) if done is None else done
            step = Linearise(
                [self.node], [one.ring, count], [one.history], depth=one.state.depth
            )
            self.context.steps.append(step)


def ring_slots(state: State) -> int:
    """Slots for the rows that are handed out, or read by the next step together with the
    row that it makes; a power of two, so that the runner finds a slot quickly."""
    needed = max(state.keep or 1, state.depth + 1)
    return 1 << (needed - 1).bit_length()


def outside_reads(inner: Region, depth: int) -> list[View]:
    """What a region reads of arrays that are made outside of it, or hands out as it is;
    depth: the number of loops around it (rows that these move are outside)."""
    own = {view.buffer for step in inner.steps for view in step.outputs}
    reads = [result.value for result in inner.results]
    reads += [view for step in inner.steps for view in step.reads]
    found: dict[Buffer, View] = {}
    for view in reads:
        while view.buffer.row is not None and view.buffer.row.depth >= depth:
            view = view.buffer.row.origin
        if view.buffer not in own:
            found.setdefault(view.buffer, view)
    return list(found.values())


def loop_inputs(loop: Loop, depth: int) -> list[View]:
    """What a loop reads of what is there before it: it may come back to that in each
    iteration."""
    return [*outside_reads(loop.body, depth), *(c.start for c in loop.carried)]


__all__ = ["loop_inputs", "lower_scan", "outside_reads"]
