"""A program bound to sizes: numbers where there were expressions, memory, native steps.

A plan is made the first time that a set of sizes is seen.  What may change from call to
call without changing a size (the start of a minibatch) moves a pointer of an existing
plan.  Making a plan compiles only kernel variants that no earlier plan needed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from symnet.compile.lower.program import (
    Buffer,
    If,
    Instruction,
    KernelLaunch,
    LibraryCall,
    Linearise,
    Loop,
    MovingRow,
    Program,
    Region,
    every_instruction,
    first_commit,
    regions_of,
)
from symnet.compile.memory.arena import Room, lifetimes, moments_of, pack
from symnet.compile.memory.verify_placement import ProofFacts, verify
from symnet.compile.plan.library_calls import bind_call
from symnet.config import config
from symnet.data_classes import dataclass
from symnet.errors import message
from symnet.graph.traverse import nearest
from symnet.graph.variables import operand_text
from symnet.kernels.interface import (
    AnyTask,
    BoundCall,
    Choice,
    Device,
    Following,
    Loaded,
    Path,
    Place,
    Repeat,
    Task,
    Walk,
)
from symnet.kernels.loopir.scalars import Scalar, walk
from symnet.kernels.loopir.views import Size, View
from symnet.kernels.memory import HOST, Memory
from symnet.lazy import cached_property
from symnet.sizes.host_code import make_function
from symnet.sizes.infer import SizeGuard

SHARED_SCRATCH = (
    2**20
)  # bytes that all steps of a program have in common, in the caches
SHAPES_TOLD = 12  # of a call's arguments and shared variables, in an error


@dataclass(eq=False)
class Plan:
    """A program for one set of sizes, loaded by its device.

    arena: where in it the temporaries lie, as offset and length in bytes.
    entry, following: how the latest call got in, and what of it moves with an integer.
    """

    loaded: Loaded
    shapes: dict[Any, tuple[int, ...]]  # of the leaves
    outputs: Sequence[tuple[str, tuple[int, ...]]]  # dtype and shape
    steps: Sequence[Instruction]
    tasks: Sequence[AnyTask]  # of the steps
    arena: Mapping[Buffer, tuple[int, int]]
    entry: BoundCall | None = None
    following: Following | None = None

    @property
    def owners(self) -> list[Instruction]:
        """The program's step behind each native step, for errors and profiles; those
        inside loops and choices at the end."""
        return [step_at(self.steps, path) for path in self.loaded.paths]


def step_at(steps: Sequence[Instruction], path: Path) -> Instruction:
    """The step at the end of a way through loops and choices."""
    step = steps[path[0]]
    for body, number in zip(path[1::2], path[2::2], strict=True):
        step = regions_of(step)[body].steps[number]
    return step


class Planner:
    """Makes the plans of one program and knows what a call must compute before."""

    def __init__(self, program: Program, device: Device) -> None:
        self.program = program
        self.placement = program.placement
        self.device = device
        # Where memory is to be proven: what all proofs have in common.
        self.facts = ProofFacts(program) if config.verify == "on" else None
        self.by_value = {
            k for k, argument in enumerate(program.arguments) if argument.axis is None
        }
        self.bases = self._number_bases()
        self._varying: dict[Scalar, bool] = {}

    def _number_bases(self) -> dict[Any, int]:
        leaves = [*self.program.inputs, *self.program.shared]
        numbers: dict[Any, int] = {leaf: k for k, leaf in enumerate(leaves)}
        for k, _ in enumerate(self.program.outputs):
            numbers["output", k] = len(leaves) + k
        return numbers

    # ---- which host integers there are

    @cached_property
    def fixed(self) -> list[Size]:
        """All sizes and strides: what a plan is made for."""
        found: dict[Size, None] = {}
        for step in every_instruction(self.program.steps):
            for one in self._step_sizes(step):
                found.setdefault(one)
        for buffer in [*self.lifetimes, *self.program.outputs]:
            for one in buffer.sizes:
                found.setdefault(one)
        return [s for s in found if s.op != "literal"]

    @cached_property
    def lifetimes(self) -> dict[Buffer, tuple[int, int]]:
        """When each temporary is needed that has memory of its own."""
        return lifetimes(self.program.steps, self.placement)

    def _step_sizes(self, step: Instruction) -> list[Size]:
        found = list(step.sizes) if isinstance(step, KernelLaunch) else []
        if isinstance(step, Loop):
            found.append(step.iterations)
        if isinstance(step, If) and step.decided is not None:
            found.append(step.decided)
        if isinstance(step, LibraryCall):
            found += step.sizes
        for view in _step_views(step):
            found += [*view.sizes, *view.strides]
            found += [row.step for row in self.placement.resolve(view)[2]]
        return found

    @cached_property
    def offsets(self) -> list[Size]:
        found: dict[Size, None] = {}
        for step in every_instruction(self.program.steps):
            for view in _step_views(step):
                found.setdefault(self.placement.resolve(view)[1])
        return [s for s in found if s.op != "literal"]

    def varies(self, value: Scalar) -> bool:
        """Whether a host integer depends on the value of an argument, not only on sizes."""
        known = self._varying
        if value not in known:
            for n in walk([value]):
                own = n.op == "argument" and n.value in self.by_value
                known[n] = own or any(known[a] for a in n.args)
        return known[value]

    @cached_property
    def call_keys(self) -> list[Size]:
        """The sizes that depend on values: a call computes them to find its plan."""
        return [s for s in self.fixed if self.varies(s)]

    @cached_property
    def call_offsets(self) -> list[Size]:
        return [s for s in self.offsets if self.varies(s)]

    @cached_property
    def call_parameters(self) -> list[int]:
        return [k for k, s in enumerate(self.program.parameters) if self.varies(s)]

    @cached_property
    def call_demands(self) -> list[SizeGuard]:
        return [d for d in self.program.demands if self.varies(d.condition)]

    @cached_property
    def needs_values(self) -> bool:
        """Whether a call must compute host integers in Python before it runs."""
        by_call = (
            self.call_keys,
            self.call_offsets,
            self.call_parameters,
            self.call_demands,
        )
        return any(by_call)

    @cached_property
    def call_scalars(self) -> list[Scalar]:
        """All that a call computes: keys, offsets, parameters and demands."""
        parameters = [self.program.parameters[k] for k in self.call_parameters]
        demands = [d.condition for d in self.call_demands]
        return [*self.call_keys, *self.call_offsets, *parameters, *demands]

    @cached_property
    def moving(self) -> set[int]:
        """The arguments by whose values it changes what a call computes."""
        used = {n.value for n in walk(self.call_scalars) if n.op == "argument"}
        return used & self.by_value

    @cached_property
    def host(self) -> Callable[[Sequence[Any]], tuple[Any, ...]]:
        """(arguments) -> the values of `call_scalars`."""
        return make_function(self.call_scalars)

    def parts(self, found: Sequence[Any]) -> tuple[Any, Any, Any, Any]:
        """Values of `call_scalars` as keys, offsets, parameters and demands."""
        keys = len(self.call_keys)
        offsets = keys + len(self.call_offsets)
        parameters = offsets + len(self.call_parameters)
        return (
            found[:keys],
            found[keys:offsets],
            found[offsets:parameters],
            found[parameters:],
        )

    @cached_property
    def _everything(self) -> Callable[[Sequence[Any]], tuple[Any, ...]]:
        return make_function([*self.fixed, *self.offsets, *self.program.parameters])

    @cached_property
    def _conditions(self) -> Callable[[Sequence[Any]], tuple[Any, ...]]:
        return make_function([d.condition for d in self.program.demands])

    # ---- making a plan

    def plan(self, arguments: Sequence[int], shapes: Sequence[tuple[int, ...]]) -> Plan:
        """The plan for the host arguments of a call.

        Raises: what the demands say (ShapeError, IndexError, ...) where one fails.
        """
        return self.bind(arguments, shapes).plan()

    def bind(
        self, arguments: Sequence[int], shapes: Sequence[tuple[int, ...]]
    ) -> Binding:
        """The program with numbers for sizes, proven where that is asked for."""
        self.check(arguments, shapes)
        binding = self._bound(arguments, shapes)
        if self.facts is not None:
            verify(self.facts, arguments, binding.offsets)
            self._prove_larger(arguments, shapes)
        return binding

    def _bound(
        self, arguments: Sequence[int], shapes: Sequence[tuple[int, ...]]
    ) -> Binding:
        values = iter(self._everything(arguments))
        numbers = {s: int(next(values)) for s in [*self.fixed, *self.offsets]}
        parameters = [int(next(values)) for _ in self.program.parameters]
        return Binding(self, numbers, parameters, shapes)

    def _prove_larger(
        self, arguments: Sequence[int], shapes: Sequence[tuple[int, ...]]
    ) -> None:
        """Arrays of one element hide in which order they are read and written: prove the
        program for larger ones too, where it takes them."""
        kinds = self.program.arguments
        larger = [
            3 if kind.axis is not None and number < 2 else number
            for kind, number in zip(kinds, arguments, strict=True)
        ]
        if larger != list(arguments) and all(self._conditions(larger)):
            assert self.facts is not None
            verify(self.facts, larger, self._bound(larger, shapes).offsets)

    def check(
        self, arguments: Sequence[int], shapes: Sequence[tuple[int, ...]]
    ) -> None:
        """Raise what the first demand says that these host arguments do not meet."""
        values = self._conditions(arguments)
        for demand, holds in zip(self.program.demands, values, strict=True):
            if not holds:
                seen = make_function(demand.shown)(arguments) if demand.shown else ()
                raise self.failure(demand, seen, shapes)

    def failure(
        self, demand: SizeGuard, seen: Sequence[Any], shapes: Sequence[tuple[int, ...]]
    ) -> Exception:
        """The error of a demand that does not hold."""
        node = demand.node
        what = demand.what + (f": {' and '.join(map(str, seen))}" if seen else "")
        leaves = [*self.program.inputs, *self.program.shared]
        sizes = dict(zip(leaves, shapes, strict=True))
        operands = [
            operand_text(v) + (f", shape {sizes[v]}" if v in sizes else "")
            for v in (node.inputs if node is not None else ())
        ]
        cure = "look at this call's arguments: their shapes stand below" if seen else ""
        if seen and 1 in seen:
            cure = (
                "to broadcast an axis of size 1, declare it: T.addbroadcast(x, axis), "
                "dimshuffle, or shared(..., broadcastable=...)"
            )
        shaped = [leaf for leaf, shape in sizes.items() if shape]
        told = nearest(node.inputs if node is not None else (), shaped, SHAPES_TOLD)
        given = "; ".join(f"{leaf}: {sizes[leaf]}" for leaf in told)
        if len(told) < len(shaped):
            given += f"; and {len(shaped) - len(told)} that are farther from it"
        text = message(
            what,
            operation=node.op if node is not None else None,
            operands=operands,
            origin=node.origin if node is not None else None,
            cure=cure,
        )
        return demand.kind(f"{text}\n  this call's shapes: {given}" if given else text)


def _step_views(step: Instruction) -> list[View]:
    """The views to which a step itself needs pointers."""
    if isinstance(step, KernelLaunch):
        return [access.view for access in step.accesses]
    if isinstance(step, Loop):
        return [view for view in (step.until, step.done) if view is not None]
    if isinstance(step, If):
        return [step.condition]
    initial = [step.initial] if step.initial is not None else []
    return [*step.inputs, *initial, *step.outputs]


class Binding:
    """One plan in the making."""

    def __init__(
        self,
        planner: Planner,
        numbers: dict[Size, int],
        parameters: Sequence[int],
        shapes: Sequence[tuple[int, ...]],
    ) -> None:
        leaves = [*planner.program.inputs, *planner.program.shared]
        self.shapes = dict(zip(leaves, shapes, strict=True))
        self.planner = planner
        self.program = planner.program
        self.device = planner.device
        self.numbers = numbers
        self.parameters = parameters
        self.moves = {offset: k for k, offset in enumerate(planner.call_offsets)}
        # Equal layers have equal steps: each is arranged once.
        self.arranged: dict[Any, Any] = {}
        lives = planner.lifetimes
        self.sizes = {buffer: self._bytes(buffer) for buffer in lives}
        alignment = planner.device.memory.alignment
        self.offsets, arena_bytes = pack(lives, self.sizes, alignment)
        self.room = Room(lives, self.sizes, self.offsets, arena_bytes, alignment)
        self.moments = (0, 0)  # of the step whose tasks are being made

    @property
    def arena_bytes(self) -> int:
        return self.room.bytes

    @property
    def arena(self) -> dict[Buffer, tuple[int, int]]:
        """Where temporaries lie, as offset and length in bytes."""
        return {b: (offset, self.sizes[b]) for b, offset in self.offsets.items()}

    @property
    def outputs(self) -> list[tuple[str, tuple[int, ...]]]:
        """Dtype and shape of each."""
        return [(o.dtype, self.shape(o.sizes)) for o in self.program.outputs]

    def number(self, value: Size) -> int:
        return int(value.value) if value.op == "literal" else self.numbers[value]

    def shape(self, sizes: Sequence[Size]) -> tuple[int, ...]:
        return tuple(map(self.number, sizes))

    def _bytes(self, buffer: Buffer) -> int:
        return math.prod(self.shape(buffer.sizes)) * np.dtype(buffer.dtype).itemsize

    def plan(self) -> Plan:
        program = self.program
        tasks, moments = [], moments_of(program.steps)
        for step in program.steps:
            self.moments = moments[step]
            tasks.append(self._task(step))
        loaded = self.device.load(
            tasks,
            self.arena_bytes,
            [constant.data for constant in program.constants],
            self.parameters,
            len(self.planner.bases),
            first_commit(program),
        )
        return Plan(loaded, self.shapes, self.outputs, program.steps, tasks, self.arena)

    def _task(self, step: Instruction) -> AnyTask:
        if isinstance(step, Loop):
            until = self._place(step.until) if step.until is not None else None
            done = self._place(step.done) if step.done is not None else None
            return Repeat(
                self.number(step.iterations), self._tasks(step.body), until, done
            )
        if isinstance(step, If):
            return self._choice(step)
        if isinstance(step, (LibraryCall, Linearise)):
            return self._call(step)
        assert isinstance(step, KernelLaunch)
        places = [self._place(access.view) for access in step.accesses]
        work = self._arrange(step)
        if step.split is not None and not work.full:
            return Repeat(1, self._tasks(step.split), None, None)
        return Task(work, step.kernel, places, self._scratch(work))

    def _choice(self, step: If) -> Choice:
        wanted = [True, True]
        if step.decided is not None:
            taken = bool(self.number(step.decided))
            wanted = [taken, not taken]
        first, second = (
            self._tasks(body) if want else []
            for body, want in zip(step.bodies, wanted, strict=True)
        )
        return Choice(self._place(step.condition), (first, second))

    def _tasks(self, body: Region) -> list[AnyTask]:
        return [self._task(step) for step in body.steps]

    def _arrange(self, step: KernelLaunch) -> Any:
        rank, sizes = step.kernel.rank, self.shape(step.sizes)
        strides = tuple([self.shape(a.strides(rank)) for a in step.accesses])
        indexed = {
            k: tuple(
                zip(self.shape(a.view.sizes), self.shape(a.view.strides), strict=True)
            )
            for k, a in enumerate(step.accesses)
            if a.indexed
        }
        key = (step.kernel, sizes, strides, *indexed.items())
        if key not in self.arranged:
            self.arranged[key] = self.device.arrange(
                step.kernel, sizes, strides, indexed
            )
        return self.arranged[key]

    def _call(self, step: LibraryCall | Linearise) -> Task:
        call, operands = bind_call(step, self.shape)
        if call not in self.arranged:
            self.arranged[call] = self.device.library(call)
        places = [self._place(v) if v is not None else None for v in operands]
        work, kernel = self.arranged[call]
        return Task(work, kernel, places, self._scratch(work))

    def _scratch(self, work: Any) -> Place | None:
        """Where a task works that needs much memory besides: among the arrays."""
        needed = self.device.scratch_bytes(work)
        few = needed <= SHARED_SCRATCH
        return None if few else Place("arena", self.room.take(needed, self.moments))

    def _place(self, view: View) -> Place:
        """Where a view lies."""
        home, where, rows = self.planner.placement.resolve(view)
        offset, follows = self.number(where), self.moves.get(where, -1)
        walks = tuple([w for row in rows if (w := self._walk(row)).step])
        if home.kind in ("input", "shared", "output"):
            leaf = home.leaf if home.leaf is not None else ("output", home.position)
            return Place("base", self.planner.bases[leaf], offset, follows, walks)
        if home.kind == "temporary":
            return Place("arena", self.offsets[home], offset, follows, walks)
        kind = "constant" if home.kind == "constant" else "parameter"
        return Place(kind, home.position, offset, follows, walks)

    def _walk(self, row: MovingRow) -> Walk:
        return Walk(row.depth, self.number(row.step), row.slots, row.first)


def shape_arguments(
    program: Program, memory: Memory = HOST
) -> Callable[[Sequence[Any], Sequence[Any]], list[Any]]:
    """(arrays of inputs, arrays of shared variables) -> the host arguments of a call.

    memory: where shared variables lie."""
    leaves = [*program.inputs, *program.shared]
    position = {leaf: k for k, leaf in enumerate(leaves)}
    wanted = [(position[a.leaf], a.axis) for a in program.arguments]

    def arguments(inputs: Sequence[Any], shared: Sequence[Any]) -> list[Any]:
        arrays = [*inputs, *shared]
        return [
            number(arrays[k]) if axis is None else arrays[k].shape[axis]
            for k, axis in wanted
        ]

    def number(array: Any) -> int:
        return int(memory.to_host(array) if memory.holds(array) else array)

    return arguments


__all__ = ["Binding", "Plan", "Planner", "shape_arguments", "step_at"]
