"""Two memories beside each other: what a program means, and where it was put.

In the first, `own`, every buffer of the lowered graph has memory of its own; a row of a
loop lies in what it is a row of, and the earlier values of a state are known by themselves.
The second, `real`, is what was decided upon: arguments, results, and one arena.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import numpy as np

from symnet.compile.lower.context import Context, OpenRegion
from symnet.compile.lower.program import (
    Buffer,
    Instruction,
    LibraryCall,
    Loop,
    MovingRow,
    Program,
    Region,
    every_instruction,
    resolve,
)
from symnet.compile.memory.shadow import (
    UNKNOWN,
    Bound,
    Cells,
    MarkMaker,
    Marks,
    Memory,
    Numbers,
    cells,
    piece_bytes,
    step_views,
)
from symnet.errors import message
from symnet.graph.variables import Variable, operand_text
from symnet.kernels.loopir.views import Size, View
from symnet.kernels.routines import MatrixProduct
from symnet.lazy import cached_property
from symnet.shared import SharedVariable


class PlacementError(RuntimeError):
    """A program reads memory that does not hold the value it needs, or writes memory that
    it must not write: a bug of symnet."""


class Meaning:
    """What a program is to compute: its graph as it was lowered, before places were given,
    and which variables its results and updates are."""

    def __init__(
        self,
        context: Context,
        steps: Sequence[Instruction],
        outputs: Sequence[Variable],
        updates: Mapping[SharedVariable, Variable],
    ) -> None:
        self.context, self.steps = context, steps
        self.outputs, self.updates = outputs, updates
        self.open_regions: dict[Region, OpenRegion] = {}
        # Of each loop the sequences, and the element of each that a turn reads.
        self.sequences: dict[OpenRegion, tuple[list[View], list[View]]] = {}
        stack = [self.context]
        while stack:
            around = stack.pop()
            for inside in around.open_regions:
                self.open_regions[inside.body] = inside
                if isinstance(inside.step, Loop):
                    self.sequences[inside] = sequences_of(around, inside)
                stack.append(inside.context)

    def views(self) -> list[View]:
        """Where the results of the graph and of the graphs inside it lie, and belong."""
        wanted = (*self.outputs, *self.updates.values(), *self.updates)
        found = [self.context.view_of(v) for v in (*wanted, *self.context.leaves)]
        for inside in self.open_regions.values():
            pairs = [*inside.results, *inside.states]
            found += [inside.context.view_of(v) for v, _ in pairs]
            found += [corner(buffer) for _, buffer in inside.results]
            found += [v for views in self.sequences.get(inside, ()) for v in views]
            for _, carried in inside.states:
                found += [carried.start, carried.history]
                found += [carried.ring] if carried.ring is not None else []
                found += [corner(buffer) for buffer in (*carried.taps, carried.new)]
        return found

    @cached_property
    def numbers(self) -> Numbers:
        return Numbers(self.steps, self.views())

    @cached_property
    def piece(self) -> int:
        steps = every_instruction(self.steps)
        return piece_bytes([*self.views(), *(v for s in steps for v in step_views(s))])


def sequences_of(around: Context, inside: OpenRegion) -> tuple[list[View], list[View]]:
    """What a loop walks over, and its present elements; only of what its steps read: the
    rest of the order of the steps need not wait for."""
    (node,) = inside.step.nodes
    outer = map(around.view_of, node.op.split_inputs(node.inputs).sequences)
    leaves = node.op.split_inner(inside.context.leaves).sequences
    inner = map(inside.context.view_of, leaves)
    read = _buffers_read(inside.body)
    pairs = [(a, b) for a, b in zip(outer, inner, strict=True) if b.buffer in read]
    return [a for a, _ in pairs], [b for _, b in pairs]


def _buffers_read(body: Region) -> set[Buffer]:
    """The buffers that steps read, and those whose rows they are."""
    found: set[Buffer] = set()
    for step in every_instruction(body.steps):
        views = [*step.inputs, *([step.initial] if step.initial is not None else [])]
        for buffer in (view.buffer for view in views):
            found.add(buffer)
            while buffer.row is not None:
                buffer = buffer.row.origin.buffer
                found.add(buffer)
    return found


def corner(buffer: Buffer) -> View:
    """The first element of a buffer."""
    return View(buffer, buffer.dtype, (), ())


class Ledger:
    """Which marks both memories hold, at one set of sizes.

    own: by buffer; real: by buffer, or "arena".  turns: of the loops being walked, by
    depth.  makers: who has written a buffer.  committed: the first step that wrote a shared
    variable.
    """

    def __init__(
        self, program: Program, arguments: Sequence[Any], arena: Mapping[Buffer, int]
    ) -> None:
        self.program = program
        self.meaning: Meaning = program.meaning
        self.numbers: Bound = self.meaning.numbers.bind(arguments)
        self.piece: int = self.meaning.piece
        self.arena = arena
        self.own, self.real = Memory(), Memory()
        self.fresh = MarkMaker()
        self.turns: dict[int, int] = {}
        self.makers: dict[Buffer, Instruction] = {}
        self.rings: dict[Buffer, tuple[int, list[Marks]]] = {}
        self.committed: Instruction | None = None
        self.replaced = {shared for shared, _ in self.program.replaced}

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
        context = self.meaning.context
        leaves = [context.view_of(v).buffer for v in context.leaves]
        return [*leaves, *context.constants, context.parameter_buffer]

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
            start += self._turn(row, view) * self.numbers(row.step)
            buffer = row.origin.buffer
        return self._cells(view, buffer, start)

    def real_cells(self, view: View) -> Cells:
        """Where a view lies in the memory that was decided upon."""
        home, _, rows = resolve(view)
        start = self._offset(view)
        for row in rows:
            turn = self._turn(row, view)
            turn = (row.first + turn) % row.slots if row.slots else turn
            start += turn * self.numbers(row.step)
        if home.kind == "temporary":
            return self._cells(view, "arena", self.arena[home] + start)
        return self._cells(view, home, start)

    def _turn(self, row: MovingRow, view: View) -> int:
        if row.depth not in self.turns:
            self.fail("a row of a loop is used outside of it", None, view.buffer)
        return self.turns[row.depth]

    def _offset(self, view: View) -> int:
        buffer, start = view.buffer.home, self.numbers(view.offset)
        while buffer.row is not None:
            start += self.numbers(buffer.row.origin.offset)
            buffer = buffer.row.origin.buffer.home
        return start

    # ---- reading and writing

    def read_own(self, view: View, step: Instruction | None) -> Marks:
        """The value of a view."""
        at = self.own_cells(view)
        if at.where not in self.own.marks:
            if at.low == at.high:
                return np.zeros(0, np.int64)
            self.fail("memory is read before it is written", step, view.buffer)
        return self.own.read(at)

    def read(self, view: View, step: Instruction) -> Marks:
        """The value of a view, which memory must hold."""
        marks = self.read_own(view, step)
        routine = step.routine if isinstance(step, LibraryCall) else None
        in_part = isinstance(routine, MatrixProduct) and routine.packed
        if not in_part:
            self._all_known(marks, step, view.buffer)
        self.compare(self.real_cells(view), view.buffer, marks, step)
        return marks

    def _all_known(self, marks: Marks, step: Instruction, buffer: Buffer) -> None:
        if (marks == UNKNOWN).any():
            self.fail("memory is read before it is written", step, buffer)

    def compare(
        self,
        at: Cells,
        buffer: Buffer,
        marks: Marks,
        step: Instruction | None,
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

    def write(self, view: View, marks: Marks, step: Instruction) -> None:
        """Write marks to a view in both memories."""
        if view.buffer.kind != "shared":  # there the graph means the old value
            at = self.own_cells(view)
            self.write_own(at, marks, step)
            marks = self.own.read(at)
        self._may_be_written(view.buffer.base, step)
        real = self.real_cells(view)
        if real.low < real.high:
            self.real.write(real, marks)

    def write_own(self, at: Cells, marks: Marks, step: Instruction) -> None:
        where: Any = at.where
        if where not in self.own.marks:
            self.own.marks[where] = np.zeros(self._pieces(where), np.int64)
        if at.low < at.high:
            self.own.write(at, marks)
        self.makers[where] = step

    def _may_be_written(self, base: Buffer, step: Instruction) -> None:
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

    def own_count(self, view: View) -> int:
        count = int(np.prod(self.numbers.shape(view.sizes), dtype=np.int64))
        return count * view.itemsize // self.piece

    # ---- what is wrong

    def fail(
        self,
        what: str,
        step: Instruction | None,
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
