"""A device without code of its own: NumPy runs each task as the interface says it.

It is what compiled programs are judged by, from their buffers and places to the last
loop, and the shortest answer to what a device must do.  Memory that nothing was written
to holds NaN; nothing reaches outside of an array; shared variables change at the end of a
call, or not at all.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from symnet.data_classes import dataclass
from symnet.kernels.cpu.runtime.runner import WRITES
from symnet.kernels.cpu.runtime.store import Store
from symnet.kernels.cpu.runtime.tickets import Queue
from symnet.kernels.interface import (
    AnyTask,
    Following,
    Path,
    Place,
    Signature,
    Task,
)
from symnet.kernels.library import Call
from symnet.kernels.loopir.scalars import Kernel
from symnet.kernels.memory import HOST
from symnet.kernels.reference.host_arrays import CallMemory, bytes_of, unwritten
from symnet.kernels.reference.interpret_launch import launch
from symnet.kernels.reference.numpy_library import run_call
from symnet.kernels.routines import Convolve, MatrixProduct, Routine
from symnet.kernels.stepwise import StepwiseCall, StepwiseProgram, commit

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

    def lacks(self, kernel: Kernel) -> Collection[str]:
        return ()

    def library(self, call: Call) -> tuple[Call, Kernel | None]:
        return call, None

    def scratch_bytes(self, arrangement: Any) -> int:
        return 0

    def load(
        self,
        tasks: Sequence[AnyTask],
        arena_bytes: int,
        constants: Sequence[Any],
        parameters: Sequence[int],
        base_count: int,
        commit: int,
    ) -> ReferenceProgram:
        return ReferenceProgram(tasks, arena_bytes, constants, parameters, base_count)

    def description(self) -> str:
        return "by NumPy"

    def work(self, task: Task) -> str:
        if isinstance(task.arrangement, Launch):
            return f"{math.prod(task.arrangement.sizes)} points"
        return type(task.arrangement).__name__

    def code(self, task: Task, form: str) -> str:
        return ""


REFERENCE = ReferenceDevice()


class ReferenceProgram(StepwiseProgram[CallMemory]):
    """Tasks and the memory in which they work."""

    def __init__(
        self,
        tasks: Sequence[AnyTask],
        arena_bytes: int,
        constants: Sequence[Any],
        parameters: Sequence[int],
        base_count: int,
    ) -> None:
        super().__init__(tasks, arena_bytes, parameters)
        self.constants = [bytes_of(HOST.from_host(c)) for c in constants]
        self.base_count = base_count

    def enter(
        self,
        signature: Signature,
        following: Following | None,
        form: int,
        fallback: Callable[..., Any] | None,
        failure: Callable[[int], Any],
        queue: Queue,
    ) -> ReferenceCall:
        return ReferenceCall(self, signature, following, fallback, failure, queue)

    def memory(self, bases: Mapping[int, np.ndarray[Any, Any]]) -> CallMemory:
        """The memory of a call with these arrays."""
        nothing = bytes_of(np.empty(0, np.uint8))
        return CallMemory(
            [
                bytes_of(bases[k]) if k in bases else nothing
                for k in range(self.base_count)
            ],
            unwritten(self.arena_bytes),
            self.constants,
            bytes_of(self.parameters),
            self.offsets,
        )

    def run_task(self, task: Task, path: Path, places: CallMemory) -> None:
        if task.kernel is None:
            run_call(task.arrangement, task.places, places)
        else:
            run_kernel(task.kernel, task.arrangement, task.places, places)


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


class ReferenceCall(StepwiseCall):
    """Shared variables are written in copies, and changed when all has been done."""

    loaded: ReferenceProgram

    def run(
        self,
        arrays: Sequence[Any],
        shared: Sequence[Any],
        replaced: Sequence[tuple[Store, int]],
        moved: Iterable[bool],
    ) -> list[Any]:
        outputs, news = self.rehearse(arrays, shared)
        new, old = self.written(news), self.written(shared)
        pairs = [(before, after) for (_, before), (_, after) in zip(old, new)]
        commit(pairs, [(store, outputs[k]) for store, k in replaced], moved)
        return outputs

    def rehearse(
        self, arrays: Sequence[Any], shared: Sequence[Any]
    ) -> tuple[list[Any], list[Any]]:
        signature = self.signature
        bases = {a[2]: x for a, x in zip(signature.arguments, arrays, strict=True)}
        outputs = [unwritten(shape, dtype) for dtype, shape, _ in signature.outputs]
        bases |= {o[2]: x for o, x in zip(signature.outputs, outputs, strict=True)}
        cells = [
            array.copy() if use == WRITES else array
            for (*_, use), array in zip(signature.cells, shared, strict=True)
        ]
        bases |= {c[3]: x for c, x in zip(signature.cells, cells, strict=True)}
        self.follow(lambda base: int(bases[base]))
        self.run_loaded(self.loaded.memory(bases))
        return outputs, cells


__all__ = ["REFERENCE", "ReferenceDevice"]
