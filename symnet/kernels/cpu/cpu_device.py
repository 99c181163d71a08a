"""The CPU as a device: tasks become steps of the native runner over NumPy's memory."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from symnet.config import config
from symnet.kernels.cost_model import SLOWNESS
from symnet.kernels.cpu.library.call_steps import LETTERS, CallArrangement
from symnet.kernels.cpu.library.calls import bind, offers_dense
from symnet.kernels.cpu.runtime import threads
from symnet.kernels.cpu.runtime.call_block import (
    Argument,
    BlockCell,
    ResultSlot,
    Window,
    call_block,
)
from symnet.kernels.cpu.runtime.call_boundary import make_builtin, make_ready, ready
from symnet.kernels.cpu.runtime.run_block import execute, idle, inside, retire, retired
from symnet.kernels.cpu.runtime.step_table import Assembly, Words, aligned, cost
from symnet.kernels.cpu.runtime.store import Store
from symnet.kernels.cpu.runtime.tickets import Queue
from symnet.kernels.interface import AnyTask, Following, Path, Place, Signature, Task
from symnet.kernels.library import Call
from symnet.kernels.llvm.machine import machine
from symnet.kernels.loopir.scalars import Kernel
from symnet.kernels.memory import HOST, LINE
from symnet.kernels.routines import Convolve, MatrixProduct, Routine
from symnet.kernels.schedule import Schedule, arrange
from symnet.kernels.variants import Variant
from symnet.lazy import cached_property, imported_when_called
from symnet.recent import Recent
from symnet.times import time_text

if TYPE_CHECKING:
    from symnet.kernels.llvm.emit import emit
else:
    emit = imported_when_called("symnet.kernels.llvm.emit", "emit")

RELEASE_NS = 20_000.0  # from so much work on other Python threads may run meanwhile
PACKED = ("float32", "float64")
KERNELS = 4096  # kernels of which the variants are remembered


class Cpu:
    """See `kernels.interface.Device`."""

    name = "cpu"
    memory = HOST

    def __init__(self) -> None:
        # Those that kernels were compiled for, by the kernel's text.
        self.variants: Recent[str, dict[Variant, None]] = Recent(KERNELS)

    def arrange(
        self,
        kernel: Kernel,
        sizes: Sequence[int],
        strides: Sequence[Sequence[int]],
        indexed: Mapping[int, Sequence[tuple[int, int]]],
    ) -> Schedule:
        known = self.variants.add(kernel.text, {})
        slowness = SLOWNESS[machine().target.vector_bytes]
        shared = threads.use(config.num_threads)
        portable = config.of_plan("portable_sums") == "on"
        found = arrange(
            kernel, sizes, strides, indexed, known, slowness, shared, portable
        )
        known.setdefault(found.variant)
        return found

    def offers(self, routine: Routine) -> bool:
        if isinstance(routine, MatrixProduct):
            return routine.dtype in (PACKED if routine.packed else LETTERS)
        if isinstance(routine, Convolve):
            return routine.dtype in PACKED
        return offers_dense(routine)

    def lacks(self, kernel: Kernel) -> Collection[str]:
        return ()

    def library(self, call: Call) -> tuple[CallArrangement | Schedule, Kernel | None]:
        return bind(call, self.arrange)

    def scratch_bytes(self, arrangement: Any) -> int:
        return int(arrangement.scratch_bytes)

    def load(
        self,
        tasks: Sequence[AnyTask],
        arena_bytes: int,
        constants: Sequence[Any],
        parameters: Sequence[int],
        base_count: int,
        commit: int,
    ) -> CpuProgram:
        return CpuProgram(tasks, arena_bytes, constants, parameters, base_count, commit)

    def description(self) -> str:
        return threads.description()

    def work(self, task: Task) -> str:
        work = task.arrangement
        items = f"{work.total} item{'s' if work.total != 1 else ''}"
        text = f"{items}, {len(work.words)} words"
        if work.total > work.grain:
            text += ", shared among threads"
        text += f", about {time_text(work.cost_ns / 1e9)}"
        if isinstance(work, Schedule):
            text += f"; variant {work.variant.text}"
            if work.scratch_bytes:
                text += f", {work.scratch_bytes} bytes for parts"
        return text

    def code(self, task: Task, form: str) -> str:
        if task.kernel is None:
            return ""
        module = emit(task.kernel, task.arrangement.variant, machine().target)
        return module if form == "llvm" else machine().assembly(module)


CPU = Cpu()


class CpuProgram:
    """The tasks as words, and the memory in which they work."""

    def __init__(
        self,
        tasks: Sequence[AnyTask],
        arena_bytes: int,
        constants: Sequence[np.ndarray[Any, Any]],
        parameters: Sequence[int],
        base_count: int,
        commit: int,
    ) -> None:
        self.base_count = base_count + 1  # the last one holds 0, for what is not moved
        self.parameters: Words = np.array([*parameters, 0], np.int64)
        self.arena = np.empty(arena_bytes + LINE, np.uint8)
        self.arena_bytes = arena_bytes
        self.constants = list(constants)
        self.cost_ns: float = sum(map(cost, tasks))
        self.assembly = Assembly(tasks, self._start, base_count)
        self.block: Words = self.assembly.block
        self.address = int(self.block.ctypes.data)
        self.paths: Sequence[Path] = self.assembly.paths
        self.memory_bytes = arena_bytes + self.assembly.scratch.nbytes
        self.working: Mapping[int, int] = {}  # steps share what they need besides
        first = [number < commit for number in self.assembly.bodies[0].tasks]
        self.commit = sum(first)  # steps before that task

    def _start(self, place: Place) -> int:
        if place.kind == "arena":
            return aligned(self.arena) + place.number
        if place.kind == "constant":
            return int(self.constants[place.number].ctypes.data)
        return int(self.parameters.ctypes.data)

    def failed(self, step: int) -> tuple[Path, Sequence[int]]:
        return self.assembly.failed(step)

    def follow(self, offsets: Sequence[int], parameters: Mapping[int, int]) -> None:
        """Put the host integers of the next call in their places."""
        for word, number, start in self.assembly.moving:
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
        queue: Queue,
    ) -> CpuEntry:
        return CpuEntry(self, signature, following, form, fallback, failure, queue)

    def windows(self, following: Following) -> list[Window]:
        """The words that native code sets by an integer argument."""
        lines = [
            (self.address + 8 * word, following.offsets[number], start)
            for word, number, start in self.assembly.moving
        ]
        first = self.parameters.ctypes.data
        lines += [(first + 8 * n, line, 0) for n, line in following.parameters.items()]
        if not lines:  # its range must be looked at: a word that nobody reads
            lines = [(first + 8 * (len(self.parameters) - 1), (0, 0), 0)]
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
        queue: Queue,
    ) -> None:
        self.program = program
        words = program.assembly
        first_patch = program.address + 8 * words.first_patch
        self.follows = following is not None
        self.block = call_block(
            arguments=[
                Argument(d, s, b, numbers=n) for d, s, b, n in signature.arguments
            ],
            cells=[BlockCell(*cell) for cell in signature.cells],
            outputs=[ResultSlot(*output) for output in signature.outputs],
            windows=program.windows(following) if following is not None else (),
            base_count=program.base_count,
            patches=(first_patch, len(words.patches)),
            steps=(program.address, words.step_count),
            form=form,
            release=program.cost_ns > RELEASE_NS,
            fallback=fallback or no_fallback,
            failure=failure,
            commit=program.commit,
            watch=int(words.watch.ctypes.data),
            queue=queue,
            keep=(program,),
        )
        self.direct, self.runs = fallback is not None, 0

    @cached_property
    def _builtin(self) -> Callable[..., Any]:
        return make_builtin(self.block)

    @property
    def builtin(self) -> Callable[..., Any] | None:
        """What does calls like this one without Python; None where there is none (yet).

        Its code takes longer to compile than a program may last that calls once, so that
        begins, where it is not on disk, with the second call, and in the background.
        """
        if not self.direct:
            return None
        if ready():
            return self._builtin
        if self.runs > 1:
            make_ready()
        return None

    def idle(self) -> bool:
        return idle(self.block)

    def inside(self) -> bool:
        return inside(self.block)

    @property
    def usable(self) -> bool:
        return not retired(self.block)

    def run(
        self,
        arrays: Sequence[np.ndarray[Any, Any]],
        shared: Sequence[np.ndarray[Any, Any]],
        replaced: Sequence[tuple[Store, int]],
        moved: Iterable[bool],
    ) -> list[np.ndarray[Any, Any]]:
        self.runs += 1
        return execute(self.block, arrays, self.follows, shared, replaced, moved)

    def rehearse(
        self,
        arrays: Sequence[np.ndarray[Any, Any]],
        shared: Sequence[np.ndarray[Any, Any]],
    ) -> tuple[list[np.ndarray[Any, Any]], list[np.ndarray[Any, Any]]]:
        cells = [array.copy() for array in shared]
        return execute(self.block, arrays, self.follows, shared, copies=cells), cells

    def set_times(self, times: Words | None) -> None:
        self.block.set_times(times)
        self.program.assembly.set_times(0 if times is None else times.ctypes.data)

    def retire(self) -> None:
        retire(self.block)


def no_fallback(*args: Any, **kwargs: Any) -> NoReturn:
    raise RuntimeError("this block is only run from Python")
