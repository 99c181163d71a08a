"""A proof that memory holds what is read, for one program at one set of sizes.

`memory`, `rows` and `plan` decide where values lie and in which order steps run.  Here
the steps are walked in that order over two memories of marks (see `shadow`): one in which
every buffer of the lowered graph has memory of its own, as the graph means it, and the one
that was decided upon, with its overwritten arrays, moving rows, rings and offsets in one
arena.  At each read both must hold the same marks.  Besides

- only what the program may write is written: no argument, no constant, and a shared
  variable only if the call updates it;
- nothing that may fail runs once a shared variable has been written;
- a step that overwrites what it reads reads and writes the same elements at each point
  of its loop, whatever the sizes are;
- every result has memory of its own, in which the right value stands at the end.

Loops are walked for as many turns as it takes to come round to every slot of their rings,
at least two; of a choice both branches.  Nothing is taken from the reasoning of `memory`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NoReturn

import numpy as np

from symnet.compile.lower import Lowering
from symnet.compile.panels import PACKED
from symnet.compile.program import (
    Access,
    Body,
    Buffer,
    CallStep,
    ChoiceStep,
    LoopStep,
    Program,
    RepeatStep,
    RingStep,
    Step,
    every_step,
    resolve,
)
from symnet.compile.scans import Carried, Inside
from symnet.compile.shadow import (
    UNKNOWN,
    Cells,
    Maker,
    Marks,
    Memory,
    Numbers,
    cells,
    piece_bytes,
    step_views,
)
from symnet.errors import message
from symnet.graph.variables import Variable, operand_text
from symnet.kernels.views import ONE, Size, View
from symnet.shared import SharedVariable

LARGEST = 1 << 20  # pieces of memory beyond which a set of sizes is not walked
MOST_TURNS = (9, 4)  # of the outermost loop, of a loop in a loop


class PlacementError(RuntimeError):
    """A program reads memory that does not hold the value it needs, or writes memory that
    it must not write: a bug of symnet."""


@dataclass(eq=False)
class Meaning:
    """What a program is to compute: its graph as it was lowered, before places were given,
    and which variables its results and updates are."""

    program: Program
    lowering: Lowering
    outputs: Sequence[Variable]
    updates: Mapping[SharedVariable, Variable]
    insides: dict[Body, Inside] = field(default_factory=dict)

    def __post_init__(self) -> None:
        stack = [self.lowering]
        while stack:
            for inside in stack.pop().insides:
                self.insides[inside.body] = inside
                stack.append(inside.lowering)

    def views(self) -> list[View]:
        """Where the results of the graph and of the graphs inside it lie, and belong."""
        wanted = (*self.outputs, *self.updates.values(), *self.updates)
        found = [self.lowering.view_of(v) for v in (*wanted, *self.lowering.leaves)]
        for inside in self.insides.values():
            pairs = [*inside.results, *inside.states]
            found += [inside.lowering.view_of(v) for v, _ in pairs]
            found += [corner(buffer) for _, buffer in inside.results]
            for _, carried in inside.states:
                found += [carried.start, carried.history]
                found += [carried.ring] if carried.ring is not None else []
                found += [corner(buffer) for buffer in (*carried.taps, carried.new)]
        return found

    @cached_property
    def numbers(self) -> Numbers:
        return Numbers(self.program.steps, self.views())

    @cached_property
    def piece(self) -> int:
        steps = every_step(self.program.steps)
        return piece_bytes([*self.views(), *(v for s in steps for v in step_views(s))])


def corner(buffer: Buffer) -> View:
    """The first element of a buffer."""
    return View(buffer, buffer.dtype, (), ())


def verify(
    meaning: Meaning, arguments: Sequence[Any], arena: Mapping[Buffer, int]
) -> None:
    """Walk through a program at one set of sizes.

    arguments: the host integers of a call; arena: where temporaries lie in the arena.
    Raises: PlacementError.
    """
    meaning.numbers.bind(arguments)
    Walk(meaning, arena).run()


class Walk:
    """One walk.  `own` is the memory that the graph means, with the buffers as names;
    `real` the memory that was decided upon."""

    def __init__(self, meaning: Meaning, arena: Mapping[Buffer, int]) -> None:
        self.meaning, self.program = meaning, meaning.program
        self.numbers, self.piece = meaning.numbers, meaning.piece
        self.arena = arena
        self.own, self.real = Memory(), Memory()
        self.fresh = Maker()
        self.turns: dict[int, int] = {}
        self.makers: dict[Buffer, Step] = {}
        self.rings: dict[Buffer, tuple[int, list[Marks]]] = {}
        self.committed: Step | None = None  # the first to write a shared variable
        self.replaced = {shared for shared, _ in self.program.replaced}

    # ---- the program

    def run(self) -> None:
        if self._too_large():
            return
        self._begin()
        self.walk(self.program.steps)
        self._results()

    def _too_large(self) -> bool:
        buffers = [*self.arena, *self.program.outputs, *self._outside()]
        return sum(map(self._pieces, buffers)) > LARGEST

    def _pieces(self, buffer: Buffer) -> int:
        if buffer.kind == "parameters":
            return 8 * len(self.program.parameters) // self.piece
        count = int(np.prod(self.numbers.shape(buffer.sizes), dtype=np.int64))
        return count * np.dtype(buffer.dtype).itemsize // self.piece

    def _begin(self) -> None:
        """Marks for what is there before the first step."""
        pieces = {b: self._pieces(b) for b in self.arena}
        ends = [self.arena[b] // self.piece + n for b, n in pieces.items()]
        self.real.marks["arena"] = np.zeros(max(ends, default=0), np.int64)
        for buffer in self.program.outputs:
            if buffer.kind != "output" or buffer.place is not None:
                self.fail("a result lies in other memory", None, buffer)
            if buffer in self.real.marks:
                self.fail("two results lie in the same memory", None, buffer)
            self.real.marks[buffer] = np.zeros(self._pieces(buffer), np.int64)
        for buffer in self._outside():
            self.own.marks[buffer] = self.fresh(self._pieces(buffer))
            self.real.marks[buffer] = self.own.marks[buffer].copy()

    def _outside(self) -> list[Buffer]:
        """What a call brings, and what it does not change."""
        lowering = self.meaning.lowering
        leaves = [lowering.view_of(v).buffer for v in lowering.leaves]
        return [*leaves, *lowering.constants, lowering.parameter_buffer]

    def walk(self, steps: Sequence[Step]) -> None:
        for step in steps:
            if step.fallible and self.committed is not None:
                self.fail(
                    "a shared variable is written before a step that may fail",
                    step,
                    self.committed.outputs[0].buffer,
                )
            if isinstance(step, RepeatStep):
                self.repeat(step)
            elif isinstance(step, ChoiceStep):
                self.choose(step)
            elif isinstance(step, RingStep):
                self.straighten(step)
            elif isinstance(step, LoopStep) and step.apart is not None:
                self.apart(step)
            else:
                self.step(step)

    def _results(self) -> None:
        """At the end each result, and each updated variable, holds its value."""
        lowering = self.meaning.lowering
        wanted = list(zip(self.meaning.outputs, self.program.outputs))
        targets = {s: self.program.outputs[k] for s, k in self.program.replaced}
        for shared, value in self.meaning.updates.items():
            target = targets.get(shared, lowering.view_of(shared).buffer)
            wanted.append((value, target))
        for variable, buffer in wanted:
            marks = self.read_own(lowering.view_of(variable), None)
            self.compare(self._all_real(buffer), buffer, marks, None, variable)

    # ---- where things lie

    def _all(self, buffer: Buffer, first: Cells) -> Cells:
        """All cells of a buffer from its first on."""
        end = first.low + self._pieces(buffer)
        return Cells(first.where, slice(first.low, end), first.low, end)

    def _all_own(self, buffer: Buffer) -> Cells:
        return self._all(buffer, self.own_cells(corner(buffer)))

    def _all_real(self, buffer: Buffer) -> Cells:
        return self._all(buffer, self.real_cells(corner(buffer)))

    def _cells(self, view: View, where: Any, start: int) -> Cells:
        shape = self.numbers.shape(view.sizes)
        strides = [s // self.piece for s in self.numbers.shape(view.strides)]
        width = view.itemsize // self.piece
        return cells(where, shape, strides, start // self.piece, width)

    def own_cells(self, view: View) -> Cells:
        """Where a view lies in the memory that the graph means: rows lie in what they are
        rows of, but the earlier values of a state are known by themselves."""
        buffer, start = view.buffer, self.numbers(view.offset)
        while buffer.row is not None and buffer not in self.own.marks:
            row = buffer.row
            start += self.numbers(row.origin.offset)
            start += self.turns[row.depth] * self.numbers(row.step)
            buffer = row.origin.buffer
        return self._cells(view, buffer, start)

    def real_cells(self, view: View) -> Cells:
        """Where a view lies in the memory that was decided upon."""
        home, _, rows = resolve(view)
        start = self._offset(view)
        for row in rows:
            turn = self.turns[row.depth]
            turn = (row.first + turn) % row.slots if row.slots else turn
            start += turn * self.numbers(row.step)
        if home.kind == "temporary":
            return self._cells(view, "arena", self.arena[home] + start)
        return self._cells(view, home, start)

    def _offset(self, view: View) -> int:
        buffer, start = view.buffer.home, self.numbers(view.offset)
        while buffer.row is not None:
            start += self.numbers(buffer.row.origin.offset)
            buffer = buffer.row.origin.buffer.home
        return start

    # ---- reading and writing

    def read_own(self, view: View, step: Step | None) -> Marks:
        """The value of a view."""
        at = self.own_cells(view)
        if at.where not in self.own.marks:
            if at.low == at.high:
                return np.zeros(0, np.int64)
            self.fail("memory is read before it is written", step, view.buffer)
        return self.own.read(at)

    def read(self, view: View, step: Step) -> Marks:
        """The value of a view, which memory must hold."""
        marks = self.read_own(view, step)
        in_part = isinstance(step, CallStep) and step.routine == PACKED
        if not in_part:
            self._all_known(marks, step, view.buffer)
        self.compare(self.real_cells(view), view.buffer, marks, step)
        return marks

    def _all_known(self, marks: Marks, step: Step, buffer: Buffer) -> None:
        if (marks == UNKNOWN).any():
            self.fail("memory is read before it is written", step, buffer)

    def compare(
        self,
        at: Cells,
        buffer: Buffer,
        marks: Marks,
        step: Step | None,
        result: Variable | None = None,
        what: str = "memory no longer holds the value that is read",
    ) -> None:
        """Refuse where memory does not hold these marks of a buffer."""
        if marks.size == 0:
            return
        have = self.real.read(at)
        if ((have != marks) & (marks != UNKNOWN)).any():
            if result is not None:
                what = "the memory of a result does not hold its value at the end"
            self.fail(what, step, buffer, result)

    def write(self, view: View, marks: Marks, step: Step) -> None:
        """Write marks to a view in both memories."""
        if view.buffer.kind != "shared":  # there the graph means the old value
            at = self.own_cells(view)
            self.write_own(at, marks, step)
            marks = self.own.read(at)
        self._may_be_written(view.buffer.base, step)
        real = self.real_cells(view)
        if real.low < real.high:
            self.real.write(real, marks)

    def write_own(self, at: Cells, marks: Marks, step: Step) -> None:
        where: Any = at.where
        if where not in self.own.marks:
            self.own.marks[where] = np.zeros(self._pieces(where), np.int64)
        if at.low < at.high:
            self.own.write(at, marks)
        self.makers[where] = step

    def _may_be_written(self, base: Buffer, step: Step) -> None:
        if base.kind == "shared":
            if base.leaf not in self.meaning.updates or base.leaf in self.replaced:
                self.fail(
                    "a shared variable is written that is not updated", step, base
                )
            if step.fallible:
                self.fail("a step that may fail writes a shared variable", step, base)
            self.committed = self.committed or step
        elif base.kind not in ("temporary", "output"):
            self.fail("what is not the program's own is written", step, base)

    # ---- steps

    def step(self, step: Step) -> None:
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

    def own_count(self, view: View) -> int:
        count = int(np.prod(self.numbers.shape(view.sizes), dtype=np.int64))
        return count * view.itemsize // self.piece

    def start(self, step: Step) -> None:
        """The result's memory must hold what the step starts from."""
        if step.initial is None:
            return
        result = step.outputs[0].buffer
        marks = self.read_own(step.initial, step)
        self._all_known(marks, step, step.initial.buffer)
        self.write_own(self._all_own(result), marks, step)
        what = "a result does not begin as the copy that it starts from"
        self.compare(self._all_real(result), result, marks, step, what=what)

    def check_overlap(self, step: Step) -> None:
        """What a step writes it reads at the same points of its loop only."""
        writes = [(v, self.real_cells(v)) for v in step.outputs]
        for k, (view, at) in enumerate(writes):
            for other, there in writes[:k]:
                if at.meets(there):
                    self.fail("two results of a step overlap", step, other.buffer)
            for number, read in enumerate(step.inputs):
                here = self.real_cells(read)
                same = read.buffer.home is view.buffer.home
                if not same and not here.meets(at):
                    continue
                if isinstance(step, LoopStep):
                    first = len(step.inputs)
                    pair = step.accesses[number], step.accesses[first + k]
                    if self.together(step, *pair):
                        continue
                self.fail("a step overwrites what it still reads", step, read.buffer)

    def together(self, step: LoopStep, read: Access, write: Access) -> bool:
        """Whether two accesses meet each element at the same point of the loop, and the
        write comes last there, once."""
        if read.indexed or write.indexed or read.view.itemsize != write.view.itemsize:
            return False
        rank = step.kernel.rank
        if read.view.offset is not write.view.offset:
            return False
        steps = zip(read.strides(rank), write.strides(rank), strict=True)
        for axis, (here, there) in enumerate(steps):
            if here is not there:
                return False
            moves = axis in write.axes
            if moves == step.kernel.reduced[axis] and step.sizes[axis] is not ONE:
                return False
        return True

    # ---- loops

    def repeat(self, step: RepeatStep) -> None:
        inside = self.meaning.insides[step.body]
        depth = inside.lowering.depth - 1
        histories = [self._initial_rows(c, step) for _, c in inside.states]
        turns = self._turns(step, inside, depth)
        for turn in range(turns):
            self.turns[depth] = turn
            self._forget(inside)
            for (_, carried), rows in zip(inside.states, histories, strict=True):
                self._show_rows(carried, rows, turn)
            self.walk(step.body.steps)
            for (variable, _), rows in zip(inside.states, histories, strict=True):
                rows.append(self.read_own(inside.lowering.view_of(variable), step))
            self._hand_out(inside, step)
        self.turns.pop(depth, None)
        for (_, carried), rows in zip(inside.states, histories, strict=True):
            for buffer in {*carried.taps, carried.new}:
                self.own.marks.pop(buffer, None)
            self._end_state(step, carried, rows, turns)
        states = [c.history for _, c in inside.states]
        states += [c.ring for _, c in inside.states if c.ring is not None]
        for view in step.outputs:
            if view not in states:
                self._end_rows(step, view)
        if step.done is not None:
            self.write(step.done, self.fresh(self.own_count(step.done)), step)

    def _turns(self, step: RepeatStep, inside: Inside, depth: int) -> int:
        slots = [
            self.numbers(c.ring.sizes[0])
            for _, c in inside.states
            if c.ring is not None
        ]
        most = MOST_TURNS[min(depth, 1)]
        return min(self.numbers(step.turns), most, 1 + max([1, *slots]))

    def _initial_rows(self, carried: Carried, step: Step) -> list[Marks]:
        marks = self.read_own(carried.start, step)
        return list(marks.reshape(carried.state.depth, -1))

    def _show_rows(self, carried: Carried, rows: list[Marks], turn: int) -> None:
        """The earlier values that a turn reads."""
        state = carried.state
        for tap, buffer in zip(state.taps, carried.taps, strict=True):
            self.own.marks[buffer] = rows[state.depth + tap + turn].copy()
        self.own.marks[carried.new] = np.zeros_like(rows[0])

    def _forget(self, inside: Inside) -> None:
        """A turn knows nothing of what the turn before it has computed."""
        for buffer in inside.lowering.temporaries:
            self.own.marks.pop(buffer, None)

    def _hand_out(self, inside: Inside, step: Step) -> None:
        """What a turn or a branch hands out stands in its place."""
        for variable, buffer in inside.results:
            marks = self.read_own(inside.lowering.view_of(variable), step)
            self.write_own(self._all_own(buffer), marks, step)
            self.compare(self._all_real(buffer), buffer, marks, step, variable)

    def _end_state(
        self, step: RepeatStep, carried: Carried, rows: list[Marks], turns: int
    ) -> None:
        """The history, or the ring from which a later step makes it."""
        if carried.ring is not None and carried.ring in step.outputs:
            self.rings[carried.ring.buffer] = turns, rows
            return
        keep, history = carried.state.keep, carried.history
        have = np.concatenate(rows if keep is None else rows[-keep:])
        marks = np.zeros(self.own_count(history), np.int64)
        marks[: have.size] = have
        self.write_own(self.own_cells(history), marks, step)
        self._end_rows(step, history)

    def _end_rows(self, step: RepeatStep, view: View) -> None:
        """Rows stand where they are handed out; those of turns that were not walked get
        marks now."""
        at = self.own_cells(view)
        if view.buffer not in self.own.marks:
            self.write_own(at, np.zeros(self.own_count(view), np.int64), step)
        marks = self.own.read(at).copy()
        self.compare(self.real_cells(view), view.buffer, marks, step)
        missing = marks == UNKNOWN
        marks[missing] = self.fresh(int(missing.sum()))
        self.write(view, marks, step)

    def straighten(self, step: RingStep) -> None:
        """The last rows of a history come out of their ring in order."""
        ring, (target,) = step.inputs[0], step.outputs
        self.read(step.inputs[1], step)
        turns, rows = self.rings.pop(ring.buffer)
        slots, kept = self.numbers(ring.sizes[0]), self.numbers(target.sizes[0])
        at, length = self.real_cells(ring), rows[0].size
        found = [self.fresh(0)]
        for number in range(step.depth + turns - kept, step.depth + turns):
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

    def choose(self, step: ChoiceStep) -> None:
        self.read(step.condition, step)
        bodies = list(step.bodies)
        if step.decided is not None:
            bodies = [bodies[0] if self.numbers(step.decided) else bodies[1]]
        self._each(step, bodies)

    def apart(self, step: LoopStep) -> None:
        """A loop in two forms, of which the sizes decide."""
        assert step.apart is not None
        before = self._kept()
        self.step(step)
        after = self.real.marks
        self._restore(before)
        self._each(step, [step.apart])
        self._join(step, [after, self.real.marks])

    def _each(self, step: Step, bodies: Sequence[Body]) -> None:
        """Each body from the same beginning; behind them only the results are known."""
        before, ends = self._kept(), []
        for body in bodies:
            self._restore(before)
            inside = self.meaning.insides[body]
            self._forget(inside)
            self.walk(body.steps)
            self._hand_out(inside, step)
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

    def _join(self, step: Step, ends: Sequence[dict[Any, Marks]]) -> None:
        joined = dict(ends[0])
        for other in ends[1:]:
            for key, marks in other.items():
                mine = joined.setdefault(key, marks)
                if mine is not marks:
                    joined[key] = np.where(mine == marks, mine, UNKNOWN)
        self.real.marks = joined
        for view in step.outputs:
            self.write(view, self.fresh(self.own_count(view)), step)

    # ---- what is wrong

    def fail(
        self,
        what: str,
        step: Step | None,
        buffer: Buffer,
        result: Variable | None = None,
    ) -> NoReturn:
        """Name the step, the buffer and the user's line."""
        maker = self.makers.get(buffer)
        node = next(iter(step.nodes), None) if step is not None else None
        if node is None and result is not None:
            node = result.owner
        origin = node.origin if node is not None else None
        if origin is None and maker is not None:
            origin = maker.origin
        operands = [operand_text(v) for v in node.inputs] if node is not None else []
        raise PlacementError(
            message(
                f"{what}: {buffer!r}, {buffer.dtype} {self._shape(buffer.sizes)}",
                operation=node.op if node is not None else type(step).__name__,
                operands=operands,
                origin=origin,
                cure="please report this as a bug of symnet, with the program",
            )
        )

    def _shape(self, sizes: Sequence[Size]) -> tuple[int | str, ...]:
        return tuple(
            [
                int(s.value) if s.op == "literal" else self.numbers.known.get(s, "?")
                for s in sizes
            ]
        )


def copied(step: Step, number: int) -> int | None:
    """Which input an output is a mere copy of, element by element."""
    if not isinstance(step, LoopStep) or step.initial is not None:
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


__all__ = ["Meaning", "PlacementError", "verify"]
