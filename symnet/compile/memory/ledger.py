"""Two memories beside each other: what a program means, and where it was put.

In the first, `own`, every buffer has memory of its own; a row of a loop lies in what it is
a row of, and the earlier values of a state are known by themselves.  The second, `real`, is
what was decided upon: arguments, results, and one arena.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any, NoReturn

import numpy as np

from symnet.compile.lower.program import (
    Buffer,
    Instruction,
    LibraryCall,
    Loop,
    MovingRow,
    Program,
    Region,
    every_instruction,
    regions_of,
    views_of,
)
from symnet.compile.memory.overwriting import temporaries_of
from symnet.compile.memory.shadow import (
    UNKNOWN,
    Bound,
    Cells,
    MarkedMemory,
    MarkMaker,
    Marks,
    Numbers,
    cells,
    piece_bytes,
)
from symnet.errors import message
from symnet.graph.variables import Variable, operand_text
from symnet.kernels.loopir.views import Size, View
from symnet.kernels.routines import MatrixProduct


class PlacementError(RuntimeError):
    """A program reads memory that does not hold the value it needs, or writes memory that
    it must not write: a bug of symnet."""


def result_views(program: Program) -> list[View]:
    """Where the values that are handed out lie, and belong, and what loops walk over."""
    steps = list(every_instruction(program.steps))
    bodies = [body for step in steps for body in regions_of(step)]
    results = [r for body in bodies for r in body.results]
    results += [*program.results, *program.updates]
    found = [v for r in results for v in (r.value, corner(r.target))]
    found += [buffer.whole for buffer in program.given]
    for loop in steps:
        if isinstance(loop, Loop):
            found += [view for pair in loop.sequences for view in pair]
            for one in loop.carried:
                found += [one.start, one.history, *map(corner, (*one.taps, one.new))]
                found += [one.ring] if one.ring is not None else []
    return found


def buffers_read(body: Region) -> set[Buffer]:
    """The buffers that steps read, and those whose rows they are."""
    found: set[Buffer] = set()
    for step in every_instruction(body.steps):
        for buffer in (view.buffer for view in step.reads):
            found.add(buffer)
            while buffer.row is not None:
                buffer = buffer.row.origin.buffer
                found.add(buffer)
    return found


def corner(buffer: Buffer) -> View:
    """The first element of a buffer."""
    return View(buffer, buffer.dtype, (), ())


class ProofFacts:
    """What the walks through one program, each at one set of sizes, have in common.

    numbers: its sizes; piece: the bytes that one mark stands for; temporaries: those that
    are made in an iteration of each region; read: the buffers that it reads.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        steps = list(every_instruction(program.steps))
        results = result_views(program)
        self.numbers = Numbers(program, results)
        views = (view for step in steps for view in views_of(step))
        self.piece = piece_bytes([*results, *views])
        bodies = [body for step in steps for body in regions_of(step)]
        self.temporaries = {b: temporaries_of(b.steps, b.results) for b in bodies}
        self.read = {body: buffers_read(body) for body in bodies}


class Ledger:
    """Which marks both memories hold, at one set of sizes.

    own: by buffer; real: by buffer, or "arena".  iterations: of the loops being walked, by
    depth.  makers: who has written a buffer.  committed: the first step that wrote a shared
    variable.
    """

    def __init__(
        self, facts: ProofFacts, arguments: Sequence[Any], arena: Mapping[Buffer, int]
    ) -> None:
        self.facts, self.program = facts, facts.program
        self.placement = self.program.placement
        self.numbers: Bound = facts.numbers.bind(arguments)
        self.piece = facts.piece
        self.arena = arena
        self.own, self.real = MarkedMemory(), MarkedMemory()
        self.fresh = MarkMaker()
        self.iterations: dict[int, int] = {}
        self.makers: dict[Buffer, Instruction] = {}
        self.rings: dict[Buffer, tuple[int, list[Marks]]] = {}
        self.committed: Instruction | None = None
        self.updated = {result.target for result in self.program.updates}

    def _pieces(self, buffer: Buffer) -> int:
        if buffer.kind == "parameters":
            return 8 * len(self.program.parameters) // self.piece
        return self._count(buffer.sizes) * np.dtype(buffer.dtype).itemsize // self.piece

    def _count(self, sizes: Sequence[Any]) -> int:
        # A branch that is not taken may stand there at sizes at which it could not be.
        return prod(max(n, 0) for n in self.numbers.shape(sizes))

    def _begin(self) -> None:
        """Marks for what is there before the first step."""
        pieces = {b: self._pieces(b) for b in self.arena}
        ends = [self.arena[b] // self.piece + n for b, n in pieces.items()]
        self.real.marks["arena"] = np.zeros(max(ends, default=0), np.int64)
        for buffer in self.program.outputs:
            placed = self.placement.place(buffer) is not None
            if buffer.kind != "output" or placed:
                self.fail("a result lies in other memory", None, buffer)
            if buffer in self.real.marks:
                self.fail("two results lie in the same memory", None, buffer)
            self.real.marks[buffer] = np.zeros(self._pieces(buffer), np.int64)
        for buffer in self.program.given:
            self.own.marks[buffer] = self.fresh(self._pieces(buffer))
            self.real.marks[buffer] = self.own.marks[buffer].copy()

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
            start += self._iteration(row, view) * self.numbers(row.step)
            buffer = row.origin.buffer
        return self._cells(view, buffer, start)

    def real_cells(self, view: View) -> Cells:
        """Where a view lies in the memory that was decided upon."""
        home, _, rows = self.placement.resolve(view)
        start = self._offset(view)
        for row in rows:
            iteration = self._iteration(row, view)
            iteration = (row.first + iteration) % row.slots if row.slots else iteration
            start += iteration * self.numbers(row.step)
        if home.kind == "temporary":
            return self._cells(view, "arena", self.arena[home] + start)
        return self._cells(view, home, start)

    def _iteration(self, row: MovingRow, view: View) -> int:
        if row.depth not in self.iterations:
            self.fail("a row of a loop is used outside of it", None, view.buffer)
        return self.iterations[row.depth]

    def _offset(self, view: View) -> int:
        home = self.placement.home
        buffer, start = home(view.buffer), self.numbers(view.offset)
        while buffer.row is not None:
            start += self.numbers(buffer.row.origin.offset)
            buffer = home(buffer.row.origin.buffer)
        return start

    # ---- reading and writing

    def read_own(self, view: View, step: Instruction | None) -> Marks:
        """The value of a view."""
        at = self._inside(view, step)
        if at.where not in self.own.marks:
            if at.low == at.high:
                return np.zeros(0, np.int64)
            self.fail("memory is read before it is written", step, view.buffer)
        return self.own.read(at)

    def _inside(self, view: View, step: Instruction | None) -> Cells:
        """The cells of a view, which its memory must have."""
        at = self.own_cells(view)
        where: Any = at.where
        if at.low < at.high and not 0 <= at.low < at.high <= self._pieces(where):
            self.fail("a view reaches beyond its buffer", step, view.buffer)
        return at

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
            at = self._inside(view, step)
            self.write_own(at, marks, step)
            marks = self.own.read(at)
        self._may_be_written(self.placement.base(view.buffer), step)
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
            if base not in self.updated:
                self.fail(
                    "a shared variable is written that is not updated", step, base
                )
            if step.fallible:
                self.fail("a step that may fail writes a shared variable", step, base)
            self.committed = self.committed or step
        elif base.kind not in ("temporary", "output"):
            self.fail("what is not the program's own is written", step, base)

    def own_count(self, view: View) -> int:
        return self._count(view.sizes) * view.itemsize // self.piece

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
                f"{what}: {self._named(buffer)}, {buffer.dtype} "
                f"{self._shape(buffer.sizes)}",
                operation=node.op if node is not None else type(step).__name__,
                operands=operands,
                origin=origin,
                cure="please report this as a bug of symnet, with the program",
            )
        )

    def _named(self, buffer: Buffer) -> str:
        """The memory in the end, by the name of what it holds."""
        home = self.placement.home(buffer)
        return f"{home.kind} {buffer.name or home.name or home.position}"

    def _shape(self, sizes: Sequence[Size]) -> tuple[int | str, ...]:
        return tuple(
            [
                int(s.value) if s.op == "literal" else self.numbers.known.get(s, "?")
                for s in sizes
            ]
        )
