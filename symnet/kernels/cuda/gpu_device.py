"""A GPU as a device: a point of a loop is a thread, values of shared variables stay in its
memory."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from symnet.config import config, gpu_name, kind_and_number
from symnet.data_classes import dataclass
from symnet.kernels.cuda.array_library import offers
from symnet.kernels.cuda.device_array import Transfers
from symnet.kernels.cuda.driver import Driver, grid_for, no_gpu
from symnet.kernels.cuda.gpu_program import GpuProgram
from symnet.kernels.cuda.routine_work import offers_threads, routine_step
from symnet.kernels.interface import AnyTask, Task
from symnet.kernels.library import Call, DenseCall
from symnet.kernels.llvm.external_calls import ANGLES
from symnet.kernels.llvm.thread_sources import KernelSource
from symnet.kernels.loopir.math import EXTERNAL, expand
from symnet.kernels.loopir.scalars import Kernel, walk
from symnet.kernels.routines import Convolve, Routine
from symnet.kernels.schedule import Schedule, arrange_threads
from symnet.kernels.variants import item_threads


class Gpu:
    """See `kernels.interface.Device`.  Nothing is initialised before it is needed.

    transfers: what goes to its memory and back, and counts it.
    missing: what there is not of all that it needs, in words.
    """

    def __init__(
        self,
        name: str,
        make_driver: Callable[[], Driver],
        missing: Callable[[], str] = str,
    ) -> None:
        self.name = name
        self._make_driver = make_driver
        self._drivers: list[Driver] = []
        self.transfers = Transfers(lambda: self.driver)
        self.missing = missing
        self.memory = self.transfers.memory(name, lambda: not missing())

    @property
    def driver(self) -> Driver:
        """The first that was made: memory of two threads' drivers would not be the same.

        Raises: RuntimeError where the GPU is not there, with what is missing."""
        if not self._drivers:
            self.require()
            self._drivers.append(self._make_driver())
        return self._drivers[0]

    def require(self) -> None:
        """Raises: RuntimeError where the GPU is not there, with what is missing."""
        if why := self.missing():
            raise RuntimeError(no_gpu(why))

    def arrange(
        self,
        kernel: Kernel,
        sizes: Sequence[int],
        strides: Sequence[Sequence[int]],
        indexed: Mapping[int, Sequence[tuple[int, int]]],
    ) -> Schedule:
        atomics = config.of_plan("gpu_atomics") == "on"
        portable = config.of_plan("portable_sums") == "on"
        found = arrange_threads(kernel, sizes, strides, indexed, atomics, portable)
        if config.of_plan("gpu_approximate") == "off":
            return found
        return replace(found, variant=replace(found.variant, approximate=True))

    def offers(self, routine: Routine) -> bool:
        if isinstance(routine, Convolve):
            return True
        driver = self.driver
        return offers_threads(routine) or offers(routine, driver.arrays)

    def lacks(self, kernel: Kernel) -> Collection[str]:
        """C functions have no code for threads."""
        roots = [r for out in kernel.outputs for r in (*out.indices, out.value)]
        used = {node.op for node in walk(expand(roots))}
        return used & EXTERNAL.keys() - ANGLES.keys()

    def library(self, call: Call) -> tuple[Call, Kernel | None]:
        return call, None

    def scratch_bytes(self, arrangement: Any) -> int:
        return 0  # its plans have their own

    def load(
        self,
        tasks: Sequence[AnyTask],
        arena_bytes: int,
        constants: Sequence[Any],
        parameters: Sequence[int],
        base_count: int,
        commit: int,
    ) -> GpuProgram:
        return GpuProgram(
            self.driver,
            self.transfers,
            tasks,
            arena_bytes,
            constants,
            parameters,
            base_count,
            commit,
        )

    def description(self) -> str:
        return self.driver.description()

    def work(self, task: Task) -> str:
        work = task.arrangement
        step = routine_step(work) if isinstance(work, DenseCall) else None
        if step is not None:
            return threads_text(step.total, step.total, "streams, rows or lines")
        if not isinstance(work, Schedule):
            return type(work).__name__
        threads = work.total * item_threads(work.variant)
        text = threads_text(threads, work.total, "points")
        return f"{text}, variant {work.variant.text}"

    def code(self, task: Task, form: str) -> str:
        work = task.arrangement
        if task.kernel is not None:
            return self.driver.text(KernelSource(task.kernel, work.variant), form)
        step = routine_step(work) if isinstance(work, DenseCall) else None
        return "" if step is None else self.driver.text(step.source, form)


@dataclass(frozen=True, slots=True)
class GpuKind:
    """A kind of GPUs, which have numbers from 0 on.

    make_driver: of a number.  count: how many there are, as far as can be seen.
    missing: what there is not of all that any of them needs; what the one of a number needs
    besides.
    """

    make_driver: Callable[[int], Driver]
    count: Callable[[], int]
    missing: Callable[[int], str]


class Gpus(Mapping[str, Gpu]):
    """GPUs by name: "cuda", "cuda1" ...; of each kind the first one always, and those that are
    there.  A device is made when it is first asked for, and stays.

    Raises: KeyError for what is no name of a GPU; nothing for one that is not there.
    """

    def __init__(self, kinds: Mapping[str, GpuKind]) -> None:
        self._kinds = kinds
        self._made: dict[str, Gpu] = {}

    def __getitem__(self, name: str) -> Gpu:
        kind, number = kind_and_number(name)
        found = self._kinds[kind]
        if name != gpu_name(kind, number):
            raise KeyError(name)
        if name not in self._made:
            made = Gpu(
                name,
                lambda: found.make_driver(number),
                lambda: self._missing(kind, number),
            )
            self._made.setdefault(name, made)
        return self._made[name]

    def _missing(self, kind: str, number: int) -> str:
        found = self._kinds[kind]
        if not number or found.missing(0):
            return found.missing(0)
        if number < found.count():
            return found.missing(number)
        there = ", ".join(self.of_kind(kind))
        return f"none has the name {gpu_name(kind, number)!r}; there are {there}"

    def of_kind(self, kind: str) -> list[str]:
        """The names of a kind: the first one, and the others that are there."""
        return [gpu_name(kind, k) for k in range(max(self._kinds[kind].count(), 1))]

    def __iter__(self) -> Iterator[str]:
        return (name for kind in self._kinds for name in self.of_kind(kind))

    def __len__(self) -> int:
        return sum(1 for _ in self)


def threads_text(threads: int, items: int, what: str) -> str:
    grid = grid_for(threads)
    return f"{grid.blocks} x {grid.threads} threads for {items} {what}"


__all__ = ["Gpu", "GpuKind", "Gpus"]
