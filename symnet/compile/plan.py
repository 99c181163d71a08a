"""A program bound to sizes: numbers where there were expressions, memory, native steps.

A plan is made the first time that a set of sizes is seen.  What may change from call to
call without changing a size (the start of a minibatch) moves a pointer of an existing
plan.  Making a plan compiles only kernel variants that no earlier plan needed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from symnet.compile.calls import arrange_call
from symnet.compile.host import make_function
from symnet.compile.infer import Demand
from symnet.compile.memory import lifetimes, pack
from symnet.compile.program import Buffer, CallStep, LoopStep, Program, Step
from symnet.errors import message
from symnet.graph.variables import operand_text
from symnet.kernels.layout import Arrangement, Variant, arrange
from symnet.kernels.llvm.cache import compile_kernels
from symnet.kernels.loops import Kernel, Scalar, walk
from symnet.kernels.views import Size, View

STEP_WORDS = 4  # function, arguments, items, grain
PATCH_WORDS = 3  # address of a pointer, number of a base, bytes behind it


@dataclass(eq=False)
class Plan:
    """Everything native code needs for one set of sizes.

    `block` holds the steps, their argument blocks and the patches: pointers into the
    arrays of a call (`bases`: inputs, shared variables, outputs) that are set anew.
    """

    block: np.ndarray[Any, Any]
    steps: int  # address
    step_count: int
    patches: int  # address
    patch_count: int
    moving: Sequence[tuple[int, int, int]]  # (word, number of a call's offset, added to it)
    parameters: np.ndarray[Any, Any]
    output_shapes: Sequence[tuple[int, ...]]
    output_dtypes: Sequence[str]
    cost_ns: float
    owners: Sequence[Step]  # the step behind each native step, for errors and profiles
    arena_bytes: int
    shapes: dict[Any, tuple[int, ...]]  # of the leaves
    keep: list[Any] = field(default_factory=list)


class Planner:
    """Makes the plans of one program and knows what a call must compute before."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.variants: dict[str, dict[Variant, None]] = {}
        self.by_value = {
            k for k, argument in enumerate(program.arguments) if argument.axis is None
        }
        self.bases = self._number_bases()

    def _number_bases(self) -> dict[Any, int]:
        leaves = [*self.program.inputs, *self.program.shared]
        numbers: dict[Any, int] = {leaf: k for k, leaf in enumerate(leaves)}
        for k, _ in enumerate(self.program.outputs):
            numbers["output", k] = len(leaves) + k
        numbers["zero"] = len(leaves) + len(self.program.outputs)  # always holds 0
        return numbers

    # ---- which host integers there are

    @cached_property
    def fixed(self) -> list[Size]:
        """All sizes and strides: what a plan is made for."""
        found: dict[Size, None] = {}
        for step in self.program.steps:
            for one in _step_sizes(step):
                found.setdefault(one)
        for buffer in [*self.program.temporaries, *self.program.outputs]:
            for one in buffer.sizes:
                found.setdefault(one)
        return [s for s in found if s.op != "literal"]

    @cached_property
    def offsets(self) -> list[Size]:
        found: dict[Size, None] = {}
        for step in self.program.steps:
            for view in _step_views(step):
                found.setdefault(view.offset)
        return [s for s in found if s.op != "literal"]

    def varies(self, value: Scalar) -> bool:
        """Whether a host integer depends on the value of an argument, not only on sizes."""
        return any(n.op == "argument" and n.value in self.by_value for n in walk([value]))

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
    def call_demands(self) -> list[Demand]:
        return [d for d in self.program.demands if self.varies(d.condition)]

    @cached_property
    def needs_values(self) -> bool:
        """Whether a call must compute host integers in Python before it runs."""
        by_call = (self.call_keys, self.call_offsets, self.call_parameters, self.call_demands)
        return any(by_call)

    @cached_property
    def host(self) -> Callable[[Sequence[Any]], tuple[Any, ...]]:
        """(arguments) -> keys, offsets, parameters and demands of a call, one after another."""
        wanted = [*self.call_keys, *self.call_offsets]
        wanted += [self.program.parameters[k] for k in self.call_parameters]
        wanted += [d.condition for d in self.call_demands]
        return make_function(wanted)

    @cached_property
    def _everything(self) -> Callable[[Sequence[Any]], tuple[Any, ...]]:
        return make_function([*self.fixed, *self.offsets, *self.program.parameters])

    @cached_property
    def _conditions(self) -> Callable[[Sequence[Any]], tuple[Any, ...]]:
        return make_function([d.condition for d in self.program.demands])

    # ---- making a plan

    def plan(self, arguments: Sequence[int], shapes: Sequence[tuple[int, ...]]) -> Plan:
        """Bind to the host arguments of a call.

        Raises: what the demands say (ShapeError, IndexError, ...) where one fails.
        """
        self.check(arguments, shapes)
        values = iter(self._everything(arguments))
        numbers = {s: int(next(values)) for s in [*self.fixed, *self.offsets]}
        parameters = [int(next(values)) for _ in self.program.parameters]
        return Binding(self, numbers, parameters, shapes).plan()

    def check(self, arguments: Sequence[int], shapes: Sequence[tuple[int, ...]]) -> None:
        """Raise what the first demand says that these host arguments do not meet."""
        values = self._conditions(arguments)
        for demand, holds in zip(self.program.demands, values, strict=True):
            if not holds:
                seen = make_function(demand.shown)(arguments) if demand.shown else ()
                raise self.failure(demand, seen, shapes)

    def failure(
        self, demand: Demand, seen: Sequence[Any], shapes: Sequence[tuple[int, ...]]
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
        cure = ""
        if seen and 1 in seen:
            cure = (
                "to broadcast an axis of size 1, declare it: T.addbroadcast(x, axis), "
                "dimshuffle, or shared(..., broadcastable=...)"
            )
        given = "; ".join(f"{leaf}: {shape}" for leaf, shape in sizes.items() if shape)
        text = message(
            what,
            operation=node.op if node is not None else None,
            operands=operands,
            origin=node.origin if node is not None else None,
            cure=cure,
        )
        return demand.kind(f"{text}\n  this call's shapes: {given}" if given else text)


def _step_views(step: Step) -> list[View]:
    if isinstance(step, LoopStep):
        return [access.view for access in step.accesses]
    initial = [step.initial] if step.initial is not None else []
    return [*step.inputs, *initial, *step.outputs]


def _step_sizes(step: Step) -> list[Size]:
    found = list(step.sizes) if isinstance(step, LoopStep) else []
    for view in _step_views(step):
        found += [*view.sizes, *view.strides]
    return found


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
        self.numbers = numbers
        self.parameters = np.array([*parameters, 0], np.int64)
        self.cost = 0.0
        self.keep: list[Any] = [self.parameters]

    def number(self, value: Size) -> int:
        return int(value.value) if value.op == "literal" else self.numbers[value]

    def shape(self, sizes: Sequence[Size]) -> tuple[int, ...]:
        return tuple(map(self.number, sizes))

    def plan(self) -> Plan:
        arranged = [self._arrange(step) for step in self.program.steps]
        codes = self._compile(arranged)
        arena, offsets = self._arena()
        native = list(self._native(arranged, codes))
        block, starts, first = self._layout(native)
        patches: list[tuple[int, int, Size, int]] = []
        address = block.ctypes.data
        for (_, _, arrangement, views), start in zip(native, starts, strict=True):
            for slot, view in zip(arrangement.pointer_slots, views, strict=True):
                if slot >= 0:
                    self._point(block, start + slot, view, arena, offsets, patches, address)
        moving = self._write_patches(block, first, patches)
        return Plan(
            block,
            address,
            len(native),
            address + 8 * first,
            len(patches),
            moving,
            self.parameters,
            [self.shape(o.sizes) for o in self.program.outputs],
            [o.dtype for o in self.program.outputs],
            self.cost,
            [step for step, _, _, _ in native],
            arena.nbytes,
            self.shapes,
            [*self.keep, arena],
        )

    # ---- steps

    def _arrange(self, step: Step) -> Any:
        if isinstance(step, CallStep):
            return arrange_call(step, self.shape)
        assert isinstance(step, LoopStep)
        rank = step.kernel.rank
        strides = [self.shape(access.strides(rank)) for access in step.accesses]
        indexed = {
            k: list(zip(self.shape(a.view.sizes), self.shape(a.view.strides), strict=True))
            for k, a in enumerate(step.accesses)
            if a.indexed
        }
        known = self.planner.variants.setdefault(step.kernel.text, {})
        found = arrange(step.kernel, self.shape(step.sizes), strides, indexed, known)
        known.setdefault(found.variant)
        return found

    def _compile(self, arranged: Sequence[Any]) -> list[Any]:
        requests: list[tuple[Kernel, Variant]] = []
        for step, arrangement in zip(self.program.steps, arranged, strict=True):
            if isinstance(step, LoopStep):
                requests.append((step.kernel, arrangement.variant))
        codes = iter(compile_kernels(requests))
        return [next(codes) if isinstance(s, LoopStep) else None for s in self.program.steps]

    def _native(self, arranged: Sequence[Any], codes: Sequence[Any]) -> Any:
        """(step, function address, arrangement, views at its pointers) of what runs."""
        for step, arrangement, code in zip(self.program.steps, arranged, codes, strict=True):
            views = _step_views(step)
            if isinstance(step, LoopStep):
                if arrangement.total == 0 and not arrangement.scratch_bytes:
                    continue
                self.cost += arrangement.cost_ns
                yield step, code.address, arrangement, views
                if arrangement.scratch_bytes:
                    yield step, code.combine, _Combine(arrangement), []
                continue
            self.cost += arrangement.cost_ns
            yield step, arrangement.address, arrangement, views

    def _layout(self, native: Sequence[Any]) -> tuple[np.ndarray[Any, Any], list[int], int]:
        """A block with the table of steps and the words of each; patches come behind."""
        starts: list[int] = []
        position = STEP_WORDS * len(native)
        pointers = 0
        for _, _, arrangement, _ in native:
            shared = isinstance(arrangement, _Combine)
            starts.append(starts[-1] if shared else position)
            position += 0 if shared else len(arrangement.words)
            pointers += len(arrangement.pointer_slots)
        block = np.zeros(position + PATCH_WORDS * pointers + 1, np.int64)
        base = block.ctypes.data
        for k, ((_, code, arrangement, _), start) in enumerate(zip(native, starts, strict=True)):
            block[STEP_WORDS * k : STEP_WORDS * (k + 1)] = (
                code,
                base + 8 * start,
                arrangement.total,
                arrangement.grain,
            )
            if not isinstance(arrangement, _Combine):
                block[start : start + len(arrangement.words)] = arrangement.words
                self._scratch(block, start, arrangement)
        return block, starts, position

    def _scratch(self, block: np.ndarray[Any, Any], start: int, arrangement: Any) -> None:
        if isinstance(arrangement, Arrangement) and arrangement.scratch_bytes:
            scratch = np.empty(arrangement.scratch_bytes + 64, np.uint8)
            self.keep.append(scratch)
            block[start + arrangement.scratch_slot] = _aligned(scratch)

    # ---- memory

    def _arena(self) -> tuple[np.ndarray[Any, Any], dict[Buffer, int]]:
        lives = lifetimes(self.program.steps)
        sizes = {
            b: int(np.prod(self.shape(b.sizes), dtype=np.int64)) * np.dtype(b.dtype).itemsize
            for b in lives
        }
        offsets, length = pack(lives, sizes)
        return np.empty(length + 64, np.uint8), offsets

    def _point(
        self,
        block: np.ndarray[Any, Any],
        word: int,
        view: View,
        arena: np.ndarray[Any, Any],
        offsets: dict[Buffer, int],
        patches: list[tuple[int, int, Size, int]],
        address: int,
    ) -> None:
        """Set the pointer at `word`, now or by a patch at each call."""
        home = view.buffer.home
        if home.kind in ("input", "shared", "output"):
            leaf = home.leaf if home.leaf is not None else ("output", home.position)
            patches.append((address + 8 * word, self.planner.bases[leaf], view.offset, 0))
            return
        if home.kind == "temporary":
            start = _aligned(arena) + offsets[home]
        elif home.kind == "constant":
            start = home.data.ctypes.data
        else:
            start = self.parameters.ctypes.data
        if self.planner.varies(view.offset):
            nowhere = self.planner.bases["zero"]
            patches.append((address + 8 * word, nowhere, view.offset, start))
        else:
            block[word] = start + self.number(view.offset)

    def _write_patches(
        self,
        block: np.ndarray[Any, Any],
        first: int,
        patches: Sequence[tuple[int, int, Size, int]],
    ) -> list[tuple[int, int, int]]:
        """Write the patches; returns where the moving offsets of a call must be put."""
        moving: list[tuple[int, int, int]] = []
        order = {offset: k for k, offset in enumerate(self.planner.call_offsets)}
        for k, (slot, base, offset, start) in enumerate(patches):
            word = first + PATCH_WORDS * k
            block[word : word + PATCH_WORDS] = (slot, base, self.number(offset) + start)
            if offset in order:
                moving.append((word + 2, order[offset], start))
        return moving


@dataclass(frozen=True)
class _Combine:
    """The second pass of a reduction in parts: it shares the block of the first."""

    arrangement: Arrangement
    total: int = 1
    grain: int = 1
    pointer_slots: tuple[int, ...] = ()
    words: tuple[int, ...] = ()


def _aligned(array: np.ndarray[Any, Any]) -> int:
    """The first address in `array` (64 bytes longer than needed) at a multiple of 64."""
    return -(-int(array.ctypes.data) // 64) * 64


def shape_arguments(program: Program) -> Callable[[Sequence[Any], Sequence[Any]], list[Any]]:
    """(arrays of inputs, arrays of shared variables) -> the host arguments of a call."""
    leaves = [*program.inputs, *program.shared]
    position = {leaf: k for k, leaf in enumerate(leaves)}
    wanted = [(position[a.leaf], a.axis) for a in program.arguments]

    def arguments(inputs: Sequence[Any], shared: Sequence[Any]) -> list[Any]:
        arrays = [*inputs, *shared]
        return [
            int(arrays[k]) if axis is None else arrays[k].shape[axis] for k, axis in wanted
        ]

    return arguments


__all__ = ["Plan", "Planner", "shape_arguments"]
