"""The CPU as a device: tasks become steps of the native runner over NumPy's memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, NoReturn

import numpy as np

from symnet.kernels.boundary import make_builtin, ready
from symnet.kernels.callblock import (
    Argument,
    Cell,
    Output,
    Window,
    call_block,
    execute,
    retire,
)
from symnet.kernels.calls import CallArrangement, gemm_step
from symnet.kernels.device import Following, Place, Signature, Task
from symnet.kernels.layout import Arrangement, Variant, arrange
from symnet.kernels.llvm.cache import compile_kernels
from symnet.kernels.llvm.machine import machine
from symnet.kernels.loops import Kernel
from symnet.kernels.runner import PATCH_WORDS, STEP_WORDS

RELEASE_NS = 20_000.0  # from so much work on other Python threads may run meanwhile
# Arithmetic by bytes of a vector, against those of 64 (AVX2 measured on Zen 1).
SLOWNESS = {32: 3.0, 16: 5.0}
LINE = 64  # bytes: memory begins at a multiple of the cache's lines

Words = np.ndarray[Any, np.dtype[np.int64]]


class Cpu:
    """See `kernels.device.Device`."""

    name = "cpu"

    def __init__(self) -> None:
        self.variants: dict[str, dict[Variant, None]] = {}

    def arrange(
        self,
        kernel: Kernel,
        sizes: Sequence[int],
        strides: Sequence[Sequence[int]],
        indexed: Mapping[int, Sequence[tuple[int, int]]],
    ) -> Arrangement:
        known = self.variants.setdefault(kernel.text, {})
        slowness = SLOWNESS.get(machine().vector_bytes, 1.0)
        found = arrange(kernel, sizes, strides, indexed, known, slowness)
        known.setdefault(found.variant)
        return found

    def product(self, *arguments: Any) -> CallArrangement:
        return gemm_step(*arguments)

    def load(
        self,
        tasks: Sequence[Task],
        arena_bytes: int,
        constants: Sequence[Any],
        parameters: Sequence[int],
        base_count: int,
    ) -> CpuProgram:
        return CpuProgram(tasks, arena_bytes, constants, parameters, base_count)


CPU = Cpu()


class CpuProgram:
    """One block of words: the table of steps, the argument block of each, and behind
    them the patches, which put the addresses of a call where the steps look for them."""

    def __init__(
        self,
        tasks: Sequence[Task],
        arena_bytes: int,
        constants: Sequence[np.ndarray[Any, Any]],
        parameters: Sequence[int],
        base_count: int,
    ) -> None:
        self.base_count = base_count + 1  # the last one holds 0, for what is not moved
        self.parameters: Words = np.array([*parameters, 0], np.int64)
        self.arena = np.empty(arena_bytes + LINE, np.uint8)
        self.arena_bytes = arena_bytes
        self.constants = list(constants)
        self.scratch: list[np.ndarray[Any, Any]] = []
        self.moving: list[
            tuple[int, int, int]
        ] = []  # word, number of the offset, start
        self.cost_ns: float = sum(task.arrangement.cost_ns for task in tasks)
        self.tasks: Sequence[int] = []
        self._lay_out(tasks)

    def _lay_out(self, tasks: Sequence[Task]) -> None:
        steps = self._steps(tasks)
        self.tasks = [number for number, _, _ in steps]
        starts: dict[int, int] = {}
        position = STEP_WORDS * len(steps)
        for number, task in enumerate(tasks):
            starts[number] = position
            position += len(task.arrangement.words)
        pointers = sum(len(task.places) for task in tasks)
        self.block: Words = np.zeros(position + PATCH_WORDS * pointers + 1, np.int64)
        self.address = self.block.ctypes.data
        for k, (number, code, whole) in enumerate(steps):
            work = tasks[number].arrangement
            total, grain = (work.total, work.grain) if whole else (1, 1)
            record = (code, self.address + 8 * starts[number], total, grain)
            self.block[STEP_WORDS * k : STEP_WORDS * (k + 1)] = record
        self.first_patch, self.patch_count = position, 0
        for number, task in enumerate(tasks):
            self._fill(task, starts[number])
        self.step_count = len(steps)

    def _steps(self, tasks: Sequence[Task]) -> list[tuple[int, int, bool]]:
        """(number of the task, address of the code, whether it does the items or only
        combines what they left) of each step.  Loops over nothing are left out."""
        loops = [
            (t.kernel, t.arrangement.variant) for t in tasks if t.kernel is not None
        ]
        codes = iter(compile_kernels(loops))
        steps: list[tuple[int, int, bool]] = []
        for number, task in enumerate(tasks):
            if task.kernel is None:
                steps.append((number, task.arrangement.address, True))
                continue
            code = next(codes)
            if task.arrangement.total or task.arrangement.scratch_bytes:
                steps.append((number, code.address, True))
            if task.arrangement.scratch_bytes:
                steps.append((number, code.combine, False))
        return steps

    def _fill(self, task: Task, start: int) -> None:
        work = task.arrangement
        self.block[start : start + len(work.words)] = work.words
        if isinstance(work, Arrangement) and work.scratch_bytes:
            scratch = np.empty(work.scratch_bytes + LINE, np.uint8)
            self.scratch.append(scratch)
            self.block[start + work.scratch_slot] = aligned(scratch)
        for slot, place in zip(work.pointer_slots, task.places, strict=True):
            if place is not None and slot >= 0:
                self._point(start + slot, place)

    def _point(self, word: int, place: Place) -> None:
        """Set the pointer at `word`, now or by a patch at each call."""
        if place.kind == "base":
            self._patch(word, place.number, 0, place)
        elif place.follows >= 0:
            self._patch(word, self.base_count - 1, self._start(place), place)
        else:
            self.block[word] = self._start(place) + place.offset

    def _start(self, place: Place) -> int:
        if place.kind == "arena":
            return aligned(self.arena) + place.number
        if place.kind == "constant":
            return int(self.constants[place.number].ctypes.data)
        return int(self.parameters.ctypes.data)

    def _patch(self, word: int, base: int, start: int, place: Place) -> None:
        at = self.first_patch + PATCH_WORDS * self.patch_count
        self.patch_count += 1
        record = (self.address + 8 * word, base, start + place.offset)
        self.block[at : at + PATCH_WORDS] = record
        if place.follows >= 0:
            self.moving.append((at + 2, place.follows, start))

    def follow(self, offsets: Sequence[int], parameters: Mapping[int, int]) -> None:
        """Put the host integers of the next call in their places."""
        for word, number, start in self.moving:
            self.block[word] = start + offsets[number]
        for number, value in parameters.items():
            self.parameters[number] = value

    def enter(
        self,
        signature: Signature,
        following: Following | None,
        form: int,
        fallback: Callable[..., Any] | None,
        failure: Callable[[int], Any],
    ) -> CpuEntry:
        return CpuEntry(self, signature, following, form, fallback, failure)

    def windows(self, following: Following) -> list[Window]:
        """The words that native code sets by an integer argument."""
        lines = [
            (self.address + 8 * word, following.offsets[number], start)
            for word, number, start in self.moving
        ]
        first = self.parameters.ctypes.data
        lines += [(first + 8 * n, line, 0) for n, line in following.parameters.items()]
        base, dtype = following.base, following.dtype
        bounds = (following.low, following.high)
        return [
            Window(word, base, dtype, slope, begin + start, *bounds)
            for word, (slope, begin), start in lines
        ]


class CpuEntry:
    """A call block, and the builtin that enters native code by it."""

    def __init__(
        self,
        program: CpuProgram,
        signature: Signature,
        following: Following | None,
        form: int,
        fallback: Callable[..., Any] | None,
        failure: Callable[[int], Any],
    ) -> None:
        self.cells = cells_of(signature)
        first_patch = program.address + 8 * program.first_patch
        self.follows = following is not None
        self.block = call_block(
            arguments=[
                Argument(d, s, b, numbers=n) for d, s, b, n in signature.arguments
            ],
            cells=self.cells,
            outputs=[Output(*output) for output in signature.outputs],
            windows=program.windows(following) if following is not None else (),
            base_count=program.base_count,
            patches=(first_patch, program.patch_count),
            steps=(program.address, program.step_count),
            form=form,
            release=program.cost_ns > RELEASE_NS,
            fallback=fallback or no_fallback,
            failure=failure,
            keep=(program, [cell for cell, _ in signature.cells]),
        )
        self.direct, self.runs = fallback is not None, 0

    @cached_property
    def _builtin(self) -> Callable[..., Any]:
        return make_builtin(self.block)

    @property
    def builtin(self) -> Callable[..., Any] | None:
        """What does calls like this one without Python; None where there is none (yet).

        Its code takes longer to compile than a call by Python takes, so it waits for the
        second call, unless it is compiled already.
        """
        return self._builtin if self.direct and (self.runs > 1 or ready()) else None

    def fits(self, signature: Signature) -> bool:
        """Whether the shared variables still are where they were laid out."""
        return cells_of(signature) == self.cells

    def run(self, arrays: Sequence[np.ndarray[Any, Any]]) -> list[np.ndarray[Any, Any]]:
        self.runs += 1
        return execute(self.block, arrays, windows=self.follows)

    def set_times(self, times: Words | None) -> None:
        self.block.set_times(times)

    def retire(self) -> None:
        retire(self.block)


def cells_of(signature: Signature) -> list[Cell]:
    return [Cell(c.ctypes.data, int(c[1]), base) for c, base in signature.cells]


def no_fallback(*args: Any, **kwargs: Any) -> NoReturn:
    raise RuntimeError("this block is only run from Python")


def aligned(array: np.ndarray[Any, Any]) -> int:
    """The first address in `array` (a line longer than needed) at the start of a line."""
    return -(-int(array.ctypes.data) // LINE) * LINE
