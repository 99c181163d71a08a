"""A proof that memory holds what is read, for one program at one set of sizes.

`placement` and `arena` decide where values lie and in which order steps run.  Here
the steps are walked in that order over two memories of marks (see `shadow`): one in which
every buffer has memory of its own, as the graph means it, and the one
that was decided upon, with its overwritten arrays, moving rows, rings and offsets in one
arena.  At each read both must hold the same marks.  Besides

- only what the program may write is written: no argument, no constant, and a shared
  variable only if the call updates it;
- nothing that may fail runs once a shared variable has been written;
- a step that overwrites what it reads reads and writes the same elements at each point
  of its loop, whatever the sizes are;
- every result has memory of its own, in which the right value stands at the end.

Loops are walked for as many iterations as it takes to come round to every slot of their rings,
at least two; of a choice both branches.  Nothing is taken from the reasoning of `memory`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from symnet.compile.lower.program import (
    Access,
    Buffer,
    Carried,
    If,
    Instruction,
    KernelLaunch,
    Linearise,
    Loop,
    Region,
    Result,
)
from symnet.compile.memory.ledger import Ledger, PlacementError, ProofFacts
from symnet.compile.memory.shadow import UNKNOWN, Cells, Marks
from symnet.kernels.loopir.views import ONE, ZERO, View

LARGEST = 1 << 22  # pieces of memory beyond which a set of sizes is not walked
MOST_ITERATIONS = (9, 4)  # of the outermost loop, of a loop in a loop


def verify(
    facts: ProofFacts, arguments: Sequence[Any], arena: Mapping[Buffer, int]
) -> None:
    """Walk through a placed program at one set of sizes.

    facts: `ProofFacts(program)`; arguments: the host integers of a call; arena: where
    temporaries lie in the arena.
    Raises: PlacementError.
    """
    Verification(facts, arguments, arena).run()


class Verification(Ledger):
    """One walk through a program."""

    # ---- the program

    def run(self) -> None:
        if self._too_large():
            return
        self._begin()
        self.walk(self.program.steps)
        self._results()

    def _too_large(self) -> bool:
        buffers = [*self.arena, *self.program.outputs, *self.program.given]
        return sum(map(self._pieces, buffers)) > LARGEST

    def walk(self, steps: Sequence[Instruction]) -> None:
        for step in steps:
            if step.fallible and self.committed is not None:
                self.fail(
                    "a shared variable is written before a step that may fail",
                    step,
                    self.committed.outputs[0].buffer,
                )
            if isinstance(step, Loop):
                self.repeat(step)
            elif isinstance(step, If):
                self.choose(step)
            elif isinstance(step, Linearise):
                self.linearise(step)
            elif isinstance(step, KernelLaunch) and step.split is not None:
                self.split(step)
            else:
                self.step(step)

    def _results(self) -> None:
        """At the end each result, and each updated variable, holds its value."""
        for result in (*self.program.results, *self.program.updates):
            marks = self.read_own(result.value, None)
            at = self._all_real(result.target)
            self.compare(at, result.target, marks, None, result.variable)

    # ---- steps

    def step(self, step: Instruction) -> None:
        """A loop or a call."""
        self.start(step)
        marks = [self.read(view, step) for view in step.inputs]
        self.check_overlap(step)
        for number, view in enumerate(step.outputs):
            source = copied(step, number)
            if source is not None:
                new = marks[source]
            else:
                new = self.fresh(self.own_count(view))
            self.write(view, new, step)

    def start(self, step: Instruction) -> None:
        """The result's memory must hold what the step starts from."""
        if step.initial is None:
            return
        result = step.outputs[0].buffer
        marks = self.read_own(step.initial, step)
        self._all_known(marks, step, step.initial.buffer)
        self.write_own(self._all_own(result), marks, step)
        what = "a result does not begin as the copy that it starts from"
        self.compare(self._all_real(result), result, marks, step, what=what)

    def check_overlap(self, step: Instruction) -> None:
        """What a step writes it reads at the same points of its loop only."""
        writes = [(v, self.real_cells(v)) for v in step.outputs]
        for k, (view, at) in enumerate(writes):
            for other, there in writes[:k]:
                if at.meets(there):
                    self.fail("two results of a step overlap", step, other.buffer)
            for number, read in enumerate(step.inputs):
                here = self.real_cells(read)
                home = self.placement.home
                same = home(read.buffer) is home(view.buffer)
                if not same and not here.meets(at):
                    continue
                if isinstance(step, KernelLaunch):
                    first = len(step.inputs)
                    pair = step.accesses[number], step.accesses[first + k]
                    if self.together(step, *pair):
                        continue
                self.fail("a step overwrites what it still reads", step, read.buffer)

    def together(self, step: KernelLaunch, read: Access, write: Access) -> bool:
        """Whether two accesses meet each element at the same point of the loop, and the
        write comes last there, once."""
        here, there = read.elements, write.elements
        if read.indexed or write.indexed or here.itemsize != there.itemsize:
            return False
        moves = set(write.axes)
        for axis, reduced in enumerate(step.kernel.reduced):
            if (axis in moves) == reduced and step.sizes[axis] is not ONE:
                return False  # written again, or in a later pass
        if all(v.contiguous and v.offset is ZERO for v in (here, there)):
            return read.axes == write.axes
        rank = step.kernel.rank
        pairs = zip(read.strides(rank), write.strides(rank), strict=True)
        same = here.offset is there.offset
        return same and all(one is other for one, other in pairs)

    # ---- loops

    def repeat(self, step: Loop) -> None:
        depth = len(self.iterations)  # of the loops around it
        states = list(zip(step.carried, step.body.results))
        others = step.body.results[len(states) :]
        histories = [self._initial_rows(c, step) for c in step.carried]
        views = collected_views(step)
        collected: list[list[Marks]] = [[] for _ in views]
        iterations = self._iterations(step, depth)
        for iteration in range(iterations):
            self.iterations[depth] = iteration
            self._forget(step.body)
            self._check_sequences(step, iteration)
            for carried, rows in zip(step.carried, histories, strict=True):
                self._show_rows(carried, rows, iteration)
            self.walk(step.body.steps)
            for (_, new), rows in zip(states, histories, strict=True):
                rows.append(self.read_own(new.value, step))
            for result, rows in zip(others, collected, strict=False):
                rows.append(self.read_own(result.value, step))
            self._hand_out(others, step)
        self.iterations.pop(depth, None)
        for carried, rows in zip(step.carried, histories, strict=True):
            for buffer in {*carried.taps, carried.new}:
                self.own.marks.pop(buffer, None)
            self._end_state(step, carried, rows, iterations)
        for view, rows in zip(views, collected, strict=True):
            self._end_rows(step, view, rows)
        if step.done is not None:
            self.write(step.done, self.fresh(self.own_count(step.done)), step)

    def _check_sequences(self, step: Loop, iteration: int) -> None:
        """An iteration sees its own row of each sequence that it reads: for the rest the order
        of the steps need not wait."""
        read = self.facts.read[step.body]
        for sequence, row in step.sequences:
            if row.buffer not in read:
                continue
            rows = self.read_own(sequence, step)
            rows = rows.reshape(self.numbers(sequence.sizes[0]), -1)
            if not np.array_equal(rows[iteration], self.read_own(row, step)):
                self.fail("a loop reads another row of a sequence", step, row.buffer)

    def _iterations(self, step: Loop, depth: int) -> int:
        rings = [c.ring for c in step.carried if c.ring is not None]
        slots = [self.numbers(ring.sizes[0]) for ring in rings]
        most = MOST_ITERATIONS[min(depth, 1)]
        return min(self.numbers(step.iterations), most, 1 + max([1, *slots]))

    def _initial_rows(self, carried: Carried, step: Instruction) -> list[Marks]:
        marks = self.read_own(carried.start, step)
        return list(marks.reshape(carried.state.depth, -1))

    def _show_rows(self, carried: Carried, rows: list[Marks], iteration: int) -> None:
        """The earlier values that an iteration reads."""
        state = carried.state
        for tap, buffer in zip(state.taps, carried.taps, strict=True):
            self.own.marks[buffer] = rows[state.depth + tap + iteration].copy()
        self.own.marks[carried.new] = np.zeros_like(rows[0])

    def _forget(self, body: Region) -> None:
        """An iteration knows nothing of what the iteration before it has computed."""
        for buffer in self.facts.temporaries[body]:
            self.own.marks.pop(buffer, None)

    def _hand_out(self, results: Sequence[Result], step: Instruction) -> None:
        """What an iteration or a branch hands out stands in its place."""
        for result in results:
            marks = self.read_own(result.value, step)
            self.write_own(self._all_own(result.target), marks, step)
            at = self._all_real(result.target)
            self.compare(at, result.target, marks, step, result.variable)

    def _end_state(
        self, step: Loop, carried: Carried, rows: list[Marks], iterations: int
    ) -> None:
        """The history, or the ring from which a later step makes it."""
        if carried.ring is not None:
            self.rings[carried.ring.buffer] = iterations, rows
            return
        keep = carried.state.keep
        shown = rows if keep is None else rows[-keep:]
        self._end_rows(step, carried.history, shown)

    def _end_rows(self, step: Loop, view: View, rows: Sequence[Marks]) -> None:
        """Rows stand where they are handed out; those of iterations that were not walked get
        marks now."""
        marks = np.zeros(self.own_count(view), np.int64)
        have = np.concatenate([marks[:0], *rows])
        marks[: have.size] = have
        self.compare(self.real_cells(view), view.buffer, marks, step)
        marks[have.size :] = self.fresh(marks.size - have.size)
        self.write(view, marks, step)

    def linearise(self, step: Linearise) -> None:
        """The last rows of a history come out of their ring in order."""
        ring, (target,) = step.inputs[0], step.outputs
        self.read(step.inputs[1], step)
        iterations, rows = self.rings.pop(ring.buffer)
        slots, kept = self.numbers(ring.sizes[0]), self.numbers(target.sizes[0])
        at, length = self.real_cells(ring), rows[0].size
        found = [self.fresh(0)]
        for number in range(step.depth + iterations - kept, step.depth + iterations):
            if number < 0:
                found.append(self.fresh(length))
                continue
            low = at.low + number % slots * length
            slot = Cells(at.where, slice(low, low + length), low, low + length)
            what = "a row has left its ring before it is handed out"
            self.compare(slot, ring.buffer, rows[number], step, what=what)
            found.append(rows[number])
        self.write(target, np.concatenate(found), step)

    # ---- choices

    def choose(self, step: If) -> None:
        self.read(step.condition, step)
        bodies = list(step.bodies)
        if step.decided is not None:
            bodies = [bodies[0] if self.numbers(step.decided) else bodies[1]]
        self._each(step, bodies)

    def split(self, step: KernelLaunch) -> None:
        """A loop in two forms, of which the sizes decide."""
        assert step.split is not None
        before = self._kept()
        self.step(step)
        after = self.real.marks
        self._restore(before)
        self._each(step, [step.split])
        self._join(step, [after, self.real.marks])

    def _each(self, step: Instruction, bodies: Sequence[Region]) -> None:
        """Each body from the same beginning; behind them only the results are known."""
        before, ends = self._kept(), []
        for body in bodies:
            self._restore(before)
            self._forget(body)
            self.walk(body.steps)
            self._hand_out(body.results, step)
            ends.append(self.real.marks)
        self._join(step, ends)

    def _kept(self) -> tuple[dict[Any, Marks], dict[Any, Marks]]:
        return self._own_copies(self.real.marks), dict(self.own.marks)

    def _restore(self, kept: tuple[dict[Any, Marks], dict[Any, Marks]]) -> None:
        self.real.marks, self.own.marks = self._own_copies(kept[0]), dict(kept[1])

    def _own_copies(self, marks: dict[Any, Marks]) -> dict[Any, Marks]:
        """Copies of what a program may write."""
        return {
            key: m.copy() if key == "arena" or key.kind in ("output", "shared") else m
            for key, m in marks.items()
        }

    def _join(self, step: Instruction, ends: Sequence[dict[Any, Marks]]) -> None:
        joined = dict(ends[0])
        for other in ends[1:]:
            for key, marks in other.items():
                mine = joined.setdefault(key, marks)
                if mine is not marks:
                    joined[key] = np.where(mine == marks, mine, UNKNOWN)
        self.real.marks = joined
        for view in step.outputs:
            self.write(view, self.fresh(self.own_count(view)), step)


def collected_views(step: Loop) -> list[View]:
    """The outputs of a loop that are neither states nor about its end."""
    others = [v for c in step.carried for v in (c.history, c.ring)]
    others += [step.until, step.done]
    return [view for view in step.outputs if view not in others]


def copied(step: Instruction, number: int) -> int | None:
    """Which input an output is a mere copy of, element by element."""
    if not isinstance(step, KernelLaunch) or step.initial is not None:
        return None
    output = step.kernel.outputs[number]
    if output.indices or output.value.op != "load":
        return None
    source = output.value.value
    read, write = step.accesses[source], step.accesses[len(step.inputs) + number]
    same = (
        not read.indexed
        and read.axes == write.axes
        and read.view.dtype == write.view.dtype
        and read.view.sizes == write.view.sizes
    )
    return source if same else None


__all__ = ["ProofFacts", "PlacementError", "verify"]
