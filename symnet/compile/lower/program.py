"""A program: steps over buffers, with sizes still to come.

What lowering makes, memory decides upon, and a plan binds to concrete sizes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from symnet.graph.origin import Origin
from symnet.graph.types import COMPLEX
from symnet.graph.variables import Apply, Variable
from symnet.kernels.loopir.scalars import Kernel, Operand, Output, Scalar, load
from symnet.kernels.loopir.views import ZERO, Size, View, add, size
from symnet.kernels.routines import Routine
from symnet.recent import Recent
from symnet.shared import SharedVariable
from symnet.sizes.infer import Guard, HostArgument

AxisMap = tuple[int | None, ...]


@dataclass(eq=False)
class Buffer:
    """A piece of memory.

    kind: "input" (number `position` of the call), "shared", "constant", "parameters"
    (host integers that kernels read), "output" (made for each call), "temporary", or
    "row" (the place that a loop has reached in other memory).
    A temporary, or a row that a loop need not move, may be given `place`: it then is (the
    first part of) that other buffer.
    """

    kind: str
    dtype: str
    sizes: tuple[Size, ...] = ()
    position: int = 0
    leaf: Variable | None = None
    data: Any = None
    place: Buffer | None = None
    name: str = ""
    row: MovingRow | None = None

    @property
    def home(self) -> Buffer:
        """The buffer that this one is, in the end."""
        buffer = self
        while buffer.place is not None:
            buffer = buffer.place
        return buffer

    @property
    def base(self) -> Buffer:
        """The buffer in which it lies in the end, through rows of rows."""
        buffer = self.home
        while buffer.row is not None:
            buffer = buffer.row.origin.buffer.home
        return buffer

    def __repr__(self) -> str:
        home = self.home
        named = self.name or home.name
        return f"{home.kind}{f' {named}' if named else f' {home.position}'}"


@dataclass(frozen=True, eq=False)
class MovingRow:
    """How the loop number `depth` (0: the outermost) moves a buffer: by `step` bytes in
    each turn, from `origin`.

    slots: if not 0, the origin is the first of so many slots in a ring; the first turn
    uses number `first`.
    """

    origin: View
    step: Size
    depth: int
    slots: int = 0
    first: int = 0


def resolve(view: View) -> tuple[Buffer, Size, list[MovingRow]]:
    """Where a view lies in the end: the buffer, the bytes from its start in the first
    turn of all loops, and how loops move it, outermost first."""
    buffer, offset, rows = view.buffer.home, view.offset, []
    while buffer.row is not None:
        rows.append(buffer.row)
        origin = buffer.row.origin
        buffer, offset = origin.buffer.home, add(offset, origin.offset)
    return buffer, offset, rows[::-1]


@dataclass(frozen=True)
class Access:
    """How a loop walks an array: along which loop axis each array axis moves.

    With `indexed` all axes of the array are read at computed positions instead.
    """

    view: View
    axes: AxisMap
    indexed: bool = False

    def strides(self, rank: int) -> tuple[Size, ...]:
        """Byte strides along the loop axes."""
        steps = [ZERO] * rank
        if not self.indexed:
            for axis, stride in zip(self.axes, self.view.strides, strict=True):
                if axis is not None:
                    steps[axis] = stride
        return tuple(steps)

    def operand(self, rank: int) -> Operand:
        moving = set() if self.indexed else set(self.axes)
        count = self.view.ndim if self.indexed else 0
        return Operand(self.view.dtype, tuple(a in moving for a in range(rank)), count)


@dataclass(eq=False)
class Instruction:
    """Something that runs.  `initial` is what the (first) output's memory must hold
    before: a copy is made where it does not lie there already."""

    nodes: Sequence[Apply]
    inputs: Sequence[View]
    outputs: Sequence[View]
    initial: View | None = None
    fallible: bool = False

    @property
    def origin(self) -> Origin | None:
        return next((n.origin for n in self.nodes if n.origin is not None), None)


@dataclass(eq=False)
class KernelLaunch(Instruction):
    """A kernel over `sizes`; accesses of its inputs, then of its outputs.

    apart: the same in several loops, for sizes where one has no work for all threads.
    """

    kernel: Kernel = None  # type: ignore[assignment]
    sizes: tuple[Size, ...] = ()
    accesses: Sequence[Access] = ()
    apart: Region | None = None


@dataclass(eq=False)
class LibraryCall(Instruction):
    """A routine of a library (`kernels.routines`)."""

    routine: Routine = None  # type: ignore[assignment]


@dataclass(eq=False)
class Region:
    """Steps inside a step, in order; `temporaries` are needed only while they run."""

    steps: Sequence[Instruction]
    temporaries: Sequence[Buffer]


@dataclass(eq=False)
class Loop(Instruction):
    """A loop: the body `turns` times, or until the byte at `until` is true after a turn.
    How many turns were done is written to `done`, an int64."""

    turns: Size = ZERO
    body: Region = None  # type: ignore[assignment]
    until: View | None = None
    done: View | None = None


@dataclass(eq=False)
class If(Instruction):
    """The first body where the byte at `condition` is true, else the second.

    decided: the condition as a host integer, where it is one: a plan then has only the
    body that is taken.
    """

    condition: View = None  # type: ignore[assignment]
    bodies: tuple[Region, Region] = None  # type: ignore[assignment]
    decided: Scalar | None = None


@dataclass(eq=False)
class Linearise(Instruction):
    """Brings the last rows of a history from their ring into order: inputs are the ring
    and the number of turns, the output the rows.  depth: rows at the beginning."""

    depth: int = 1


def regions_of(step: Instruction) -> Sequence[Region]:
    """The steps inside a step."""
    if isinstance(step, Loop):
        return (step.body,)
    if isinstance(step, KernelLaunch):
        return (step.apart,) if step.apart is not None else ()
    return step.bodies if isinstance(step, If) else ()


def every_instruction(steps: Iterable[Instruction]) -> Iterator[Instruction]:
    """The steps, and those inside them."""
    for step in steps:
        yield step
        for body in regions_of(step):
            yield from every_instruction(body.steps)


def every_temporary(steps: Iterable[Instruction]) -> Iterator[Buffer]:
    """The temporaries inside loops and choices."""
    for step in every_instruction(steps):
        for body in regions_of(step):
            yield from body.temporaries


@dataclass(eq=False)
class Program:
    """Steps in order, and what a call must provide and check.

    arguments: the host integers on which sizes depend; parameters: host integers that
    kernels read from memory; updates: shared variables written by the steps, or (with a
    view) to be replaced by a new array after the call, since their size may change.
    meaning: for `compile.memory.verify`, what the program is to compute.
    """

    inputs: Sequence[Variable]
    shared: Sequence[SharedVariable]
    outputs: Sequence[Buffer]
    steps: Sequence[Instruction]
    arguments: Sequence[HostArgument]
    demands: Sequence[Guard]
    parameters: Sequence[Size]
    constants: Sequence[Buffer]
    temporaries: Sequence[Buffer]
    replaced: Sequence[tuple[SharedVariable, int]]
    meaning: Any = None


def copy_launch(
    source: View, target: View, nodes: Sequence[Apply] = ()
) -> KernelLaunch:
    """A loop that copies one view to another of the same sizes."""
    source = source.broadcast_to(target.sizes)
    if target.dtype in COMPLEX:
        source, target = as_pairs(source), as_pairs(target)
    rank = target.ndim
    every = tuple(range(rank))
    accesses = (Access(source, every), Access(target, every))
    operands = [access.operand(rank) for access in accesses]
    kernel = Kernel(
        rank,
        (False,) * rank,
        (operands[0],),
        (Output(operands[1], load(0, source.dtype)),),
    )
    return KernelLaunch(
        nodes, [source], [target], kernel=kernel, sizes=target.sizes, accesses=accesses
    )


def as_pairs(view: View) -> View:
    """A complex array as a real one with a last axis of two: kernels know no complex."""
    half = view.itemsize // 2
    return replace(
        view,
        dtype=f"float{8 * half}",
        sizes=(*view.sizes, size(2)),
        strides=(*view.strides, size(half)),
    )


_kernels: Recent[Any, Kernel] = Recent(1024)


def shared_kernel(kernel: Kernel) -> Kernel:
    """The first kernel seen lately with this text, so that equal kernels are one object.

    Scalars are interned: what is made of the same objects has the same text, which needs
    not be printed to see that.
    """
    outputs = [(o.operand, o.value, o.indices, o.mode) for o in kernel.outputs]
    key = (kernel.rank, kernel.reduced, kernel.inputs, *outputs)
    return _kernels.add(key, kernel)
