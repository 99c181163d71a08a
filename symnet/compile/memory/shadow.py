"""Memory in which every piece knows whose value it holds.

A *mark* is a number that stands for one piece (a few bytes) of one computed value: whatever
computes makes new marks, whatever copies takes them along.  So two places hold the same
value if they hold the same marks, and nothing needs to be computed.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from symnet.compile.lower.program import (
    Buffer,
    If,
    Instruction,
    KernelLaunch,
    Loop,
    Placement,
    Program,
    every_instruction,
    views_of,
)
from symnet.graph.types import COMPLEX
from symnet.kernels.loopir.views import Size, View
from symnet.sizes.host_code import make_function

Marks = np.ndarray[Any, np.dtype[np.int64]]

UNKNOWN = 0  # the mark of what nobody has written


class Numbers:
    """The sizes, strides and offsets of a program, to be computed for a call."""

    def __init__(self, program: Program, views: Iterable[View]) -> None:
        found: dict[Size, None] = {}
        every = list(views)
        for step in every_instruction(program.steps):
            found.update(dict.fromkeys(step_scalars(step)))
            every += views_of(step)
        for view in every:
            found.update(dict.fromkeys(view_scalars(view, program.placement)))
        self.scalars = [s for s in found if s.op != "literal"]
        self.function = make_function(self.scalars)

    def bind(self, arguments: Sequence[Any]) -> Bound:
        """The numbers for the host integers of one call."""
        values = map(int, self.function(arguments))
        return Bound(dict(zip(self.scalars, values, strict=True)))


class Bound:
    """Sizes as numbers."""

    def __init__(self, known: dict[Size, int]) -> None:
        self.known = known

    def __call__(self, value: Size) -> int:
        return int(value.value) if value.op == "literal" else self.known[value]

    def shape(self, sizes: Sequence[Size]) -> tuple[int, ...]:
        return tuple(map(self, sizes))


def step_scalars(step: Instruction) -> Iterator[Size]:
    if isinstance(step, KernelLaunch):
        yield from step.sizes
    if isinstance(step, Loop):
        yield step.iterations
    if isinstance(step, If) and step.decided is not None:
        yield step.decided


def view_scalars(view: View, placement: Placement) -> Iterator[Size]:
    """The host integers of a view, of its buffer, and of what that lies in."""
    yield from (*view.sizes, *view.strides, view.offset)
    buffer: Buffer | None = view.buffer
    while buffer is not None:
        yield from buffer.sizes
        if buffer.row is not None:
            yield buffer.row.step
            yield from view_scalars(buffer.row.origin, placement)
        buffer = placement.place(buffer)


def piece_bytes(views: Iterable[View]) -> int:
    """The largest number of bytes of which every element is a multiple."""
    sizes = {_real_bytes(dtype) for v in views for dtype in (v.dtype, v.buffer.dtype)}
    return min(sizes, default=8)


def _real_bytes(dtype: str) -> int:
    size = np.dtype(dtype).itemsize
    return size // 2 if dtype in COMPLEX else size


class Cells:
    """The pieces of a view: `index` picks them from the marks of the memory `where`, a slice
    where they lie side by side, else their numbers; they lie in low ... high - 1."""

    __slots__ = ("where", "index", "low", "high")

    def __init__(self, where: Hashable, index: Any, low: int, high: int) -> None:
        self.where, self.index, self.low, self.high = where, index, low, high

    def meets(self, other: Cells) -> bool:
        """Whether both have a piece in common."""
        if self.where != other.where or self.low >= other.high:
            return False
        if other.low >= self.high or self.low == self.high or other.low == other.high:
            return False
        if isinstance(self.index, slice) and isinstance(other.index, slice):
            return True
        mine, others = (
            np.arange(c.low, c.high) if isinstance(c.index, slice) else c.index.ravel()
            for c in (self, other)
        )
        return bool(np.isin(mine, others).any())


def cells(
    where: Hashable,
    shape: Sequence[int],
    strides: Sequence[int],
    start: int,
    width: int,
) -> Cells:
    """The cells of an array; strides, start and width of an element in pieces."""
    if 0 in shape:
        return Cells(where, slice(start, start), start, start)
    axes = [(n, s) for n, s in zip(shape, strides, strict=True) if n > 1]
    if _side_by_side(axes, width):
        stop = start + width * math.prod(n for n, _ in axes)
        return Cells(where, slice(start, stop), start, stop)
    index = np.asarray(start)
    for n, stride in [*axes, (width, 1)]:
        index = index[..., None] + np.arange(n) * stride
    return Cells(where, index, int(index.min()), int(index.max()) + 1)


def _side_by_side(axes: Sequence[tuple[int, int]], width: int) -> bool:
    for n, stride in reversed(axes):
        if stride != width:
            return False
        width *= n
    return True


class MarkedMemory:
    """Arrays of marks by name."""

    def __init__(self) -> None:
        self.marks: dict[Any, Marks] = {}

    def read(self, at: Cells) -> Marks:
        found: Marks = self.marks[at.where][at.index].ravel()
        return found

    def write(self, at: Cells, marks: Marks) -> None:
        memory = self.marks[at.where]
        memory[at.index] = marks.reshape(memory[at.index].shape)


class MarkMaker:
    """Makes marks that were never there before."""

    def __init__(self) -> None:
        self.next = 1

    def __call__(self, count: int) -> Marks:
        self.next += count
        return np.arange(self.next - count, self.next, dtype=np.int64)
