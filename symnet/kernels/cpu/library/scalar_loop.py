"""Loops over numbers: a loop whose steps all compute single numbers, as one function.

The steps of such a loop would cost less than starting them.  Compiled together, what one
iteration hands to the next stays in registers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeAlias

from symnet.data_classes import dataclass
from symnet.kernels.cpu.library.call_steps import CallArrangement
from symnet.kernels.cpu.library.scalar_loop_code import (
    CELL_WORDS,
    DONE,
    HEAD_WORDS,
    LOOK,
    WATCH,
    compile_recurrence,
)
from symnet.kernels.cpu.runtime.runner import glance
from symnet.kernels.interface import Place, Repeat, Task
from symnet.kernels.loopir.math import expand
from symnet.kernels.loopir.scalars import PRIMITIVES, Kernel, walk
from symnet.lazy import cached_property

LONGEST_CARRY = 8  # iterations that a value is kept in registers for
MOST_NODES = 400  # scalars in the body: bounds the time to compile
ITERATION_NS = 1.5

# Two operands with the same key are the same number in memory.
Key: TypeAlias = tuple[Place, str]


@dataclass(frozen=True)
class ScalarCell:
    """A number in memory that an iteration reads or writes: at a "fixed" place, at one that
    moves on in each iteration ("walk"), or in the slots of a "ring".

    carried: if not negative, it is read before this iteration writes it, and holds what cell
    number `carried` was given `distance` iterations before.
    """

    dtype: str
    how: str
    carried: int = -1
    distance: int = 0


@dataclass(frozen=True)
class ScalarLoop:
    """The body of a loop: kernels without axes, and for each of their operands (inputs,
    then outputs) the number of its cell.  until: the cell that ends the loop, or -1."""

    kernels: tuple[Kernel, ...]
    operands: tuple[tuple[int, ...], ...]
    cells: tuple[ScalarCell, ...]
    until: int

    @cached_property
    def text(self) -> str:
        """What is computed, stable from process to process."""
        lines = [
            f"{kernel.text}\n  on {operands}"
            for kernel, operands in zip(self.kernels, self.operands, strict=True)
        ]
        cells = [f"{c.dtype} {c.how} {c.carried} {c.distance}" for c in self.cells]
        return "\n".join([*lines, *cells, f"until {self.until}"])


def fused_loop(task: Repeat, depth: int, watch: int = 0) -> Task | None:
    """The one task that does all of a loop over numbers, `depth` loops inside others;
    None where the loop is another.  watch: the address of the program's watch."""
    found = _Finder(task, depth)
    if not found.fits:
        return None
    recurrence = found.recurrence()
    cost = sum(float(t.arrangement.cost_ns) for t in found.tasks)
    head = [0] * HEAD_WORDS
    head[0], head[LOOK], head[WATCH] = task.iterations, glance.address, watch
    arrangement = CallArrangement(
        compile_recurrence(recurrence),
        (*head, *found.words),
        (DONE, *(HEAD_WORDS + CELL_WORDS * k for k in range(len(found.places)))),
        cost_ns=task.iterations * max(ITERATION_NS, cost / 10),
    )
    return Task(arrangement, None, [task.done, *found.places])


class _Finder:
    """The cells of a loop over numbers."""

    def __init__(self, task: Repeat, depth: int) -> None:
        self.depth = depth
        self.tasks = [t for t in task.body if isinstance(t, Task)]
        self.fits = len(self.tasks) == len(task.body) and _are_numbers(self.tasks)
        self.keys: dict[Key, int] = {}
        self.written: set[int] = set()
        self.read_first: set[int] = set()
        self.operands: list[tuple[int, ...]] = []
        if not self.fits:
            return
        for one in self.tasks:
            assert one.kernel is not None
            self._add(one.kernel, one.places)
        self.until = -1
        if task.until is not None:
            self.until = self.keys.get((task.until, "bool"), -1)
            self.fits = self.until in self.written

    def _add(self, kernel: Kernel, places: Sequence[Place | None]) -> None:
        dtypes = [o.dtype for o in kernel.inputs]
        dtypes += [out.operand.dtype for out in kernel.outputs]
        numbers = []
        for place, dtype in zip(places, dtypes, strict=True):
            assert place is not None
            numbers.append(self.keys.setdefault((place, dtype), len(self.keys)))
        count = len(kernel.inputs)
        self.read_first |= set(numbers[:count]) - self.written
        self.written |= set(numbers[count:])
        self.operands.append(tuple(numbers))

    @property
    def places(self) -> list[Place]:
        """Where each cell is in the first iteration, or where its ring begins."""
        return [
            replace(place, walks=place.walks[:-1]) if self._moves(place) else place
            for place, _ in self.keys
        ]

    @property
    def words(self) -> list[int]:
        """For each cell: its address, bytes from iteration to iteration, and of a ring the mask of
        the slots (their number is a power of two) and the first."""
        words: list[int] = []
        for place, _ in self.keys:
            last = place.walks[-1] if self._moves(place) else None
            words += [0, last.step, last.slots - 1, last.first] if last else [0] * 4
        return words

    def _moves(self, place: Place) -> bool:
        return bool(place.walks) and place.walks[-1].depth == self.depth

    def recurrence(self) -> ScalarLoop:
        cells = [self._cell(key, number) for key, number in self.keys.items()]
        kernels = tuple(t.kernel for t in self.tasks if t.kernel is not None)
        return ScalarLoop(kernels, tuple(self.operands), tuple(cells), self.until)

    def _cell(self, key: Key, number: int) -> ScalarCell:
        place, dtype = key
        how = "fixed"
        if self._moves(place):
            how = "ring" if place.walks[-1].slots else "walk"
        cell = ScalarCell(dtype, how)
        if number not in self.read_first:
            return cell
        if how == "fixed":
            carried = number in self.written
            return replace(cell, carried=number, distance=1) if carried else cell
        for (other, kind), writer in self.keys.items():
            if writer in self.written and kind == dtype and self._moves(other):
                distance = turns_between(place, other)
                if 1 <= distance <= LONGEST_CARRY:
                    return replace(cell, carried=writer, distance=distance)
        return cell


def turns_between(read: Place, written: Place) -> int:
    """After how many iterations a place that moves is where another one that moves has been;
    0 if never or by chance."""
    a, b = read.walks[-1], written.walks[-1]
    here = replace(read, offset=0, walks=read.walks[:-1])
    there = replace(written, offset=0, walks=written.walks[:-1])
    if here != there or (a.step, a.slots) != (b.step, b.slots):
        return 0
    if a.slots:
        return (b.first - a.first) % a.slots if read.offset == written.offset else 0
    if read.follows >= 0 or a.step == 0 or (written.offset - read.offset) % a.step:
        return 0
    return (written.offset - read.offset) // a.step


def _are_numbers(tasks: Sequence[Task]) -> bool:
    """Whether all tasks are kernels without axes, computed positions or C functions."""
    count = 0
    for task in tasks:
        kernel = task.kernel
        if kernel is None or kernel.rank or any(o.indexed for o in kernel.inputs):
            return False
        if any(out.indices for out in kernel.outputs):
            return False
        nodes = walk(expand([out.value for out in kernel.outputs]))
        if not all(node.op in PRIMITIVES | {"load", "literal"} for node in nodes):
            return False
        count += len(nodes)
    return 0 < count <= MOST_NODES
