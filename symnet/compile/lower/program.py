"""The program: instructions over buffers, with sizes still to come.

    Program     ::= given: Buffer*  Instruction*  results: Result*  updates: Result*
    Instruction ::= KernelLaunch | LibraryCall | Loop | If | Linearise
    KernelLaunch::= Kernel over sizes, Access*             split: Region?
    LibraryCall ::= Routine                                (`kernels.routines`)
    Loop        ::= iterations times Region, Carried*, sequences: (View, View)*
    If          ::= condition: View ? Region : Region
    Linearise   ::= the last rows of a ring, in order
    Region      ::= Instruction*  results: Result*
    Result      ::= value: View -> target: Buffer
    View        ::= Buffer, offset, sizes, strides         (`kernels.loopir.views`)
    Buffer      ::= input | shared | constant | parameters | output | temporary | row
    Placement   ::= (Buffer -> Buffer)*

Every instruction has inputs, outputs, perhaps an `initial` view from which its result
starts, and says whether it may fail.  Lowering makes a program, passes make new programs
of it (nothing is edited in place), `compile.memory` gives its buffers places, and a plan
binds it to concrete sizes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from typing import Any

import numpy as np

from symnet.data_classes import dataclass
from symnet.graph.origin import Origin
from symnet.graph.types import COMPLEX
from symnet.graph.variables import Apply, Variable
from symnet.kernels.loopir.scalars import Kernel, Operand, Output, Scalar, load
from symnet.kernels.loopir.views import (
    ZERO,
    Size,
    View,
    add,
    contiguous_strides,
    size,
)
from symnet.kernels.routines import Routine
from symnet.ops.scan.loop import State
from symnet.recent import Recent
from symnet.shared import SharedVariable
from symnet.sizes.infer import HostArgument, SizeGuard

AxisMap = tuple[int | None, ...]


# ---- memory


@dataclass(frozen=True, eq=False)
class Buffer:
    """A piece of memory.

    kind: "input", "shared", "constant", "parameters" (host integers that kernels read),
        "output" (made for each call), "temporary", or "row" (the place that a loop has
        reached in other memory: `row` says how).
    position: the number of an output or constant.
    leaf: the variable of an input or shared variable; data: a constant's array.
    within: the buffer at whose beginning it lies by the program's meaning: the first rows
        of a history are a part of it.
    """

    kind: str
    dtype: str
    sizes: tuple[Size, ...] = ()
    position: int = 0
    leaf: Variable | None = None
    data: Any = None
    name: str = ""
    row: MovingRow | None = None
    within: Buffer | None = None

    @property
    def whole(self) -> View:
        """All of it, without gaps."""
        strides = contiguous_strides(self.sizes, np.dtype(self.dtype).itemsize)
        return View(self, self.dtype, self.sizes, strides)

    def __repr__(self) -> str:
        return f"{self.kind} {self.name or self.position}"


@dataclass(frozen=True, eq=False)
class MovingRow:
    """How the loop number `depth` (0: the outermost) moves a buffer: by `step` bytes in
    each iteration, from `origin`.

    slots: if not 0, the origin is the first of so many slots in a ring; the first iteration
    uses number `first`.
    """

    origin: View
    step: Size
    depth: int
    slots: int = 0
    first: int = 0


@dataclass(frozen=True, eq=False)
class Placement:
    """Where buffers lie: buffer -> the buffer whose memory it is given, from its first
    byte on.  What has no place here, and lies `within` no other, has memory of its own.

    Empty until `compile.memory.placement`, which alone decides.
    """

    places: Mapping[Buffer, Buffer] = field(default_factory=dict)

    def place(self, buffer: Buffer) -> Buffer | None:
        """The buffer in which a buffer lies; None where it has memory of its own."""
        return self.places.get(buffer, buffer.within)

    def home(self, buffer: Buffer) -> Buffer:
        """The buffer that this one is, in the end."""
        while (place := self.places.get(buffer, buffer.within)) is not None:
            buffer = place
        return buffer

    def base(self, buffer: Buffer) -> Buffer:
        """The buffer in which it lies in the end, through rows of rows."""
        buffer = self.home(buffer)
        while buffer.row is not None:
            buffer = self.home(buffer.row.origin.buffer)
        return buffer

    def resolve(self, view: View) -> tuple[Buffer, Size, list[MovingRow]]:
        """Where a view lies in the end: the buffer, the bytes from its start in the first
        iteration of all loops, and how loops move it, outermost first."""
        buffer, offset, rows = self.home(view.buffer), view.offset, []
        while buffer.row is not None:
            rows.append(buffer.row)
            origin = buffer.row.origin
            buffer, offset = self.home(origin.buffer), add(offset, origin.offset)
        return buffer, offset, rows[::-1]


@dataclass(frozen=True)
class Access:
    """How a loop walks an array: along which loop axis each array axis moves.

    With `indexed` all axes of the array are read at computed positions instead.
    whole: the complex array of which `view` is one part.
    """

    view: View
    axes: AxisMap
    indexed: bool = False
    whole: View | None = None

    @property
    def elements(self) -> View:
        """The array whose elements are walked: of a part, the complex one."""
        return self.view if self.whole is None else self.whole

    @property
    def parts(self) -> tuple[Access, ...]:
        """The accesses of a kernel: one, or one for each part of complex numbers."""
        if self.view.dtype not in COMPLEX:
            return (self,)
        return tuple(
            replace(self, view=part, whole=self.view) for part in parts_of(self.view)
        )

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
        behind = self.whole is not None and self.view.offset is not self.whole.offset
        axes = tuple(a in moving for a in range(rank))
        return Operand(self.view.dtype, axes, count, behind)


# ---- instructions


@dataclass(frozen=True, eq=False)
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

    @property
    def reads(self) -> list[View]:
        """All that it reads of what was there before."""
        initial = [self.initial] if self.initial is not None else []
        return [*self.inputs, *initial]


@dataclass(frozen=True, eq=False, kw_only=True)
class KernelLaunch(Instruction):
    """A kernel over `sizes`; accesses of its inputs, then of its outputs.

    split: the same in several loops, for sizes where one has no work for all threads.
    """

    kernel: Kernel
    sizes: tuple[Size, ...] = ()
    accesses: Sequence[Access] = ()
    split: Region | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class LibraryCall(Instruction):
    """A routine of a library (`kernels.routines`).  sizes: of the inputs of its node that
    serve as symbolic sizes."""

    routine: Routine
    sizes: Sequence[Size] = ()


@dataclass(frozen=True, eq=False)
class Result:
    """A value, and the buffer that must hold it in the end."""

    variable: Variable
    value: View
    target: Buffer


@dataclass(frozen=True, eq=False)
class Region:
    """Instructions inside an instruction, in order, and what they hand out."""

    steps: Sequence[Instruction]
    results: Sequence[Result] = ()


@dataclass(frozen=True, eq=False)
class Carried:
    """A state of a loop.

    taps: the rows of its earlier values, oldest first; new: that of the new value.
    start: the copy of its initial rows; history: what is handed out.
    ring: the memory of a state of which not all is kept; a Linearise behind the loop
        brings its last rows into the history.  None where each iteration writes there.
    """

    state: State
    taps: Sequence[Buffer]
    new: Buffer
    start: View
    history: View
    ring: View | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class Loop(Instruction):
    """A loop: the body `iterations` times, or until the byte at `until` is true after
    an iteration.
    How many iterations were done is written to `done`, an int64.

    The body's results are the new values of the `carried` states, what is collected, and
    the byte at `until`.  sequences: each array that is walked over, and its present row.
    """

    iterations: Size
    body: Region
    carried: Sequence[Carried] = ()
    sequences: Sequence[tuple[View, View]] = ()
    until: View | None = None
    done: View | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class If(Instruction):
    """The first body where the byte at `condition` is true, else the second.

    decided: the condition as a host integer, where it is one: a plan then has only the
    body that is taken.
    """

    condition: View
    bodies: tuple[Region, Region]
    decided: Scalar | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class Linearise(Instruction):
    """Brings the last rows of a history from their ring into order: inputs are the ring
    and the number of iterations, the output the rows.  depth: rows at the beginning."""

    depth: int = 1


# ---- the program


@dataclass(frozen=True, eq=False)
class Program:
    """Instructions in order, and what a call must provide and check.

    given: the buffers that are there before: of inputs, shared variables, constants and
        parameters.
    results: what a call hands out, each in an output; at `replaced` (shared variable ->
        number of the result) the new values of those whose size may change.
    updates: the new values that are written over the old ones.
    arguments: the host integers on which sizes depend; parameters: host integers that
        kernels read from memory; demands: what must hold of them.
    views: where the variables lie that have memory, as lowering put them.
    """

    given: Sequence[Buffer]
    steps: Sequence[Instruction]
    results: Sequence[Result]
    updates: Sequence[Result]
    replaced: Sequence[tuple[SharedVariable, int]]
    arguments: Sequence[HostArgument]
    demands: Sequence[SizeGuard]
    parameters: Sequence[Size]
    views: Mapping[Variable, View] = field(default_factory=dict, repr=False)
    placement: Placement = Placement()

    def _leaves(self, kind: str) -> list[Any]:
        return [b.leaf for b in self.given if b.kind == kind]

    @property
    def inputs(self) -> list[Variable]:
        return self._leaves("input")

    @property
    def shared(self) -> list[SharedVariable]:
        return self._leaves("shared")

    @property
    def constants(self) -> list[Buffer]:
        return [b for b in self.given if b.kind == "constant"]

    @property
    def outputs(self) -> list[Buffer]:
        return [result.target for result in self.results]


# ---- walks


def regions_of(step: Instruction) -> Sequence[Region]:
    """The instructions inside an instruction."""
    if isinstance(step, Loop):
        return (step.body,)
    if isinstance(step, KernelLaunch):
        return (step.split,) if step.split is not None else ()
    return step.bodies if isinstance(step, If) else ()


def with_regions(step: Instruction, regions: Sequence[Region]) -> Instruction:
    """The instruction with others in the place of `regions_of` it."""
    if isinstance(step, Loop):
        return replace(step, body=regions[0])
    if isinstance(step, KernelLaunch):
        return replace(step, split=regions[0])
    assert isinstance(step, If)
    return replace(step, bodies=(regions[0], regions[1]))


def every_instruction(steps: Iterable[Instruction]) -> Iterator[Instruction]:
    """The instructions, and those inside them."""
    for step in steps:
        yield step
        for body in regions_of(step):
            yield from every_instruction(body.steps)


def first_commit(program: Program) -> int:
    """The number of the first step that writes shared memory (that of all steps if none
    does).  What comes before may fail or be broken off."""
    base = program.placement.base
    for number, step in enumerate(program.steps):
        for one in every_instruction([step]):
            if any(base(v.buffer).kind == "shared" for v in one.outputs):
                return number
    return len(program.steps)


def views_of(step: Instruction) -> Iterator[View]:
    """Every view that an instruction itself knows of."""
    yield from (*step.reads, *step.outputs)
    if isinstance(step, KernelLaunch):
        yield from (access.view for access in step.accesses)
    if isinstance(step, Loop):
        yield from (view for view in (step.until, step.done) if view is not None)
    if isinstance(step, If):
        yield step.condition


# What a pass makes of a loop with so many loops around it: instructions before, the loop.
ChangeLoop = Callable[[Loop, int], tuple[Sequence[Instruction], Loop]]


def change_loops(
    steps: Sequence[Instruction], change: ChangeLoop, depth: int = 0
) -> list[Instruction]:
    """The instructions with every loop changed, the innermost first."""
    found: list[Instruction] = []
    for step in steps:
        regions = regions_of(step)
        if regions:
            inner = depth + isinstance(step, Loop)
            bodies = [
                replace(r, steps=change_loops(r.steps, change, inner)) for r in regions
            ]
            step = with_regions(step, bodies)
        if isinstance(step, Loop):
            before, step = change(step, depth)
            found += before
        found.append(step)
    return found


# ---- parts that several stages make


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


def parts_of(view: View) -> tuple[View, View]:
    """The real and the imaginary parts of a complex array, as real arrays."""
    half = view.itemsize // 2
    real = replace(view, dtype=f"float{8 * half}")
    return real, replace(real, offset=add(view.offset, size(half)))


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
