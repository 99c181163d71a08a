"""A device without code of its own: NumPy runs each task as the interface says it.

It is what compiled programs are judged by, from their buffers and places to the last
loop, and the shortest answer to what a device must do.  CallMemory that nothing was written
to holds NaN; nothing reaches outside of an array; shared variables change at the end of a
call, or not at all.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from operator import setitem
from time import perf_counter_ns
from typing import Any

import numpy as np

from symnet.kernels.cpu.runtime.runner import CONFLICT, WRITES
from symnet.kernels.cpu.runtime.store import Store, putting
from symnet.kernels.cpu.runtime.tickets import (
    Conflict,
    Queue,
    await_fork,
    committing,
)
from symnet.kernels.interface import (
    AnyTask,
    Choice,
    Following,
    Path,
    Place,
    Repeat,
    Signature,
    Task,
)
from symnet.kernels.library import Call
from symnet.kernels.loopir.scalars import Kernel
from symnet.kernels.memory import HOST
from symnet.kernels.reference.host_arrays import CallMemory, bytes_of, unwritten
from symnet.kernels.reference.interpret_launch import OutOfRange, launch
from symnet.kernels.reference.numpy_library import Refused, run_call
from symnet.kernels.routines import Convolve, MatrixProduct, Routine

PRODUCTS = ("float32", "float64", "complex64", "complex128")


@dataclass(frozen=True, slots=True)
class Launch:
    """A loop with its sizes: the arguments of `Device.arrange`.

    `full` since one loop is always enough where nothing runs side by side."""

    sizes: Sequence[int]
    strides: Sequence[Sequence[int]]
    indexed: Mapping[int, Sequence[tuple[int, int]]]
    full: bool = True


class ReferenceDevice:
    """See `kernels.interface.Device`."""

    name = "reference"
    memory = HOST

    def arrange(
        self,
        kernel: Kernel,
        sizes: Sequence[int],
        strides: Sequence[Sequence[int]],
        indexed: Mapping[int, Sequence[tuple[int, int]]],
    ) -> Launch:
        return Launch(sizes, strides, indexed)

    def offers(self, routine: Routine) -> bool:
        if isinstance(routine, Convolve):
            return routine.dtype in PRODUCTS[:2]
        if not isinstance(routine, MatrixProduct):
            return True
        return routine.dtype in (PRODUCTS[:2] if routine.packed else PRODUCTS)

    def library(self, call: Call) -> tuple[Call, Kernel | None]:
        return call, None

    def load(
        self,
        tasks: Sequence[AnyTask],
        arena_bytes: int,
        constants: Sequence[Any],
        parameters: Sequence[int],
        base_count: int,
        commit: int,
    ) -> LoadedTasks:
        return LoadedTasks(tasks, arena_bytes, constants, parameters, base_count)

    def description(self) -> str:
        return "by NumPy"

    def work(self, task: Task) -> str:
        if isinstance(task.arrangement, Launch):
            return f"{math.prod(task.arrangement.sizes)} points"
        return type(task.arrangement).__name__

    def code(self, task: Task, form: str) -> str:
        return ""


REFERENCE = ReferenceDevice()


class Failed(Exception):
    """A task has failed: the way to it, and in which iteration of each loop around it."""

    def __init__(self, path: Path, iterations: Sequence[int]) -> None:
        super().__init__(path, iterations)
        self.path, self.iterations = path, iterations


class LoadedTasks:
    """See `kernels.interface.Loaded`."""

    cost_ns = 0.0

    def __init__(
        self,
        tasks: Sequence[AnyTask],
        arena_bytes: int,
        constants: Sequence[Any],
        parameters: Sequence[int],
        base_count: int,
    ) -> None:
        self.tasks = tasks
        self.arena_bytes = self.memory_bytes = arena_bytes
        self.constants = [bytes_of(HOST.from_host(c)) for c in constants]
        self.parameters = np.array(parameters, np.int64)
        self.offsets: Sequence[int] = ()
        self.base_count = base_count
        self.paths: Sequence[Path] = list(paths(tasks))
        self.failure = Failed((), ())
        self.times: Any = None

    def failed(self, step: int) -> tuple[Path, Sequence[int]]:
        return self.failure.path, self.failure.iterations

    def follow(self, offsets: Sequence[int], parameters: Mapping[int, int]) -> None:
        self.offsets = list(offsets)
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
    ) -> Entry:
        return Entry(self, signature, following, failure)

    # ---- running

    def run(self, bases: Mapping[int, np.ndarray[Any, Any]]) -> None:
        """Run all tasks on the arrays of a call.  Raises: Failed."""
        nothing = bytes_of(np.empty(0, np.uint8))
        memory = CallMemory(
            [
                bytes_of(bases[k]) if k in bases else nothing
                for k in range(self.base_count)
            ],
            unwritten(self.arena_bytes),
            self.constants,
            bytes_of(self.parameters),
            self.offsets,
        )
        self._body(self.tasks, (), memory)

    def _body(self, tasks: Sequence[AnyTask], path: Path, memory: CallMemory) -> None:
        for number, task in enumerate(tasks):
            start = perf_counter_ns()
            try:
                self._task(task, (*path, number), memory)
            except (OutOfRange, Refused):
                raise Failed((*path, number), tuple(memory.iterations)) from None
            if self.times is not None:
                self.times[self.paths.index((*path, number))] += (
                    perf_counter_ns() - start
                )

    def _task(self, task: AnyTask, path: Path, memory: CallMemory) -> None:
        if isinstance(task, Repeat):
            self._repeat(task, (*path, 0), memory)
        elif isinstance(task, Choice):
            taken = 0 if memory.number(task.condition, "uint8") else 1
            self._body(task.bodies[taken], (*path, taken), memory)
        elif task.kernel is None:
            run_call(task.arrangement, task.places, memory)
        else:
            run_kernel(task.kernel, task.arrangement, task.places, memory)

    def _repeat(self, task: Repeat, path: Path, memory: CallMemory) -> None:
        iteration = 0
        memory.iterations.append(0)
        while iteration < task.iterations:
            memory.iterations[-1] = iteration
            self._body(task.body, path, memory)
            iteration += 1
            if task.until is not None and memory.number(task.until, "uint8"):
                break
        memory.iterations.pop()
        if task.done is not None:
            memory.array(task.done, "int64", ())[...] = iteration


def run_kernel(
    kernel: Kernel, work: Launch, places: Sequence[Place | None], memory: CallMemory
) -> None:
    """Raises: OutOfRange."""
    described = [*kernel.inputs, *(out.operand for out in kernel.outputs)]
    arrays = []
    for number, (place, operand) in enumerate(zip(places, described, strict=True)):
        assert place is not None
        indexed = work.indexed.get(number, ())
        own = zip(work.sizes, operand.axes, strict=True)
        shape = [n for n, _ in indexed] + [n if moves else 1 for n, moves in own]
        strides = [step for _, step in indexed] + list(work.strides[number])
        arrays.append(memory.array(place, operand.dtype, shape, strides))
    launch(kernel, work.sizes, arrays)


def paths(tasks: Sequence[AnyTask], path: Path = ()) -> Iterator[Path]:
    """The ways to all tasks: those of a body, then those inside each of them."""
    yield from ((*path, number) for number, _ in enumerate(tasks))
    for number, task in enumerate(tasks):
        bodies: Sequence[Sequence[AnyTask]] = ()
        if not isinstance(task, Task):
            bodies = (task.body,) if isinstance(task, Repeat) else task.bodies
        for k, body in enumerate(bodies):
            yield from paths(body, (*path, number, k))


class Entry:
    """See `kernels.interface.BoundCall`.  Each call has memory of its own, so that any
    number may run."""

    builtin = None
    usable = True

    def __init__(
        self,
        loaded: LoadedTasks,
        signature: Signature,
        following: Following | None,
        failure: Callable[[int], Any],
    ) -> None:
        self.loaded, self.signature, self.following = loaded, signature, following
        self.failure = failure

    def idle(self) -> bool:
        return True

    def inside(self) -> bool:
        return False

    def retire(self) -> None:
        self.usable = False

    def set_times(self, times: Any) -> None:
        self.loaded.times = times

    def run(
        self,
        arrays: Sequence[Any],
        shared: Sequence[Any],
        replaced: Sequence[tuple[Store, int]],
        moved: Iterable[bool],
    ) -> list[Any]:
        outputs, news = self.rehearse(arrays, shared)
        written = [
            (old, new)
            for (*_, use), old, new in zip(
                self.signature.cells, shared, news, strict=True
            )
            if use == WRITES
        ]
        commit(written, [(store, outputs[k]) for store, k in replaced], moved)
        return outputs

    def rehearse(
        self, arrays: Sequence[Any], shared: Sequence[Any]
    ) -> tuple[list[Any], list[Any]]:
        """Shared variables are written in copies."""
        signature = self.signature
        bases = {a[2]: x for a, x in zip(signature.arguments, arrays, strict=True)}
        outputs = [unwritten(shape, dtype) for dtype, shape, _ in signature.outputs]
        bases |= {o[2]: x for o, x in zip(signature.outputs, outputs, strict=True)}
        cells = [
            array.copy() if use == WRITES else array
            for (*_, use), array in zip(signature.cells, shared, strict=True)
        ]
        bases |= {c[3]: x for c, x in zip(signature.cells, cells, strict=True)}
        self._follow(bases)
        try:
            self.loaded.run(bases)
        except Failed as error:
            self.loaded.failure = error
            self.failure(error.path[0])
        return outputs, cells

    def _follow(self, bases: Mapping[int, Any]) -> None:
        """Set what follows an integer of the call."""
        following = self.following
        if following is None:
            return
        value = int(bases[following.base])
        if not following.low <= value <= following.high:
            raise IndexError("an integer argument is out of its range")
        offsets = [slope * value + start for slope, start in following.offsets]
        lines = following.parameters.items()
        numbers = {k: slope * value + start for k, (slope, start) in lines}
        self.loaded.follow(offsets, numbers)


def commit(
    written: Sequence[tuple[Any, Any]],
    replaced: Sequence[tuple[Store, Any]],
    moved: Iterable[bool],
) -> None:
    """Write new values to arrays and stores, without Python code in between.

    Raises: Conflict, and then nothing has changed."""
    conflict = map({True: CONFLICT}.get, moved)
    targets, values = [old for old, _ in written], [new for _, new in written]
    write = map(setitem, targets, repeat(...), values)
    exchange = putting([store for store, _ in replaced], [new for _, new in replaced])
    steps = chain(conflict, committing(chain(write, exchange)))
    if next(filter(None, steps), 0):
        await_fork()
        raise Conflict


__all__ = ["REFERENCE", "ReferenceDevice"]
