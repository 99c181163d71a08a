"""A GPU as a device: a point of a loop is a thread, values of shared variables stay in its
memory."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from symnet.config import config
from symnet.kernels.cuda.array_library import offers
from symnet.kernels.cuda.device_array import Transfers
from symnet.kernels.cuda.draw_work import draw_step, offers_draw
from symnet.kernels.cuda.driver import Driver, grid_for
from symnet.kernels.cuda.gpu_program import GpuProgram
from symnet.kernels.interface import AnyTask, Task
from symnet.kernels.library import Call, DenseCall
from symnet.kernels.llvm.external_calls import ANGLES
from symnet.kernels.llvm.thread_sources import KernelSource
from symnet.kernels.loopir.math import EXTERNAL, expand
from symnet.kernels.loopir.scalars import Kernel, walk
from symnet.kernels.routines import Convolve, Routine
from symnet.kernels.schedule import Schedule, arrange_threads
from symnet.kernels.variants import item_threads
from symnet.lazy import cached_property


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
        self.transfers = Transfers(lambda: self.driver)
        self.missing = missing
        self.memory = self.transfers.memory(name, lambda: not missing())

    @cached_property
    def driver(self) -> Driver:
        return self._make_driver()

    def require(self) -> None:
        """Raises: RuntimeError where there is no GPU, with what is missing."""
        assert self.driver is not None

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
        return isinstance(routine, Convolve) or offers(routine) or offers_draw(routine)

    def lacks(self, kernel: Kernel) -> Collection[str]:
        """C functions have no code for threads."""
        roots = [r for out in kernel.outputs for r in (*out.indices, out.value)]
        used = {node.op for node in walk(expand(roots))}
        return used & EXTERNAL.keys() - ANGLES.keys()

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
        draw = draw_step(work) if isinstance(work, DenseCall) else None
        if draw is not None:
            return threads_text(draw.total, draw.total, "streams or rows")
        if not isinstance(work, Schedule):
            return type(work).__name__
        threads = work.total * item_threads(work.variant)
        text = threads_text(threads, work.total, "points")
        return f"{text}, variant {work.variant.text}"

    def code(self, task: Task, form: str) -> str:
        work = task.arrangement
        if task.kernel is not None:
            return self.driver.text(KernelSource(task.kernel, work.variant), form)
        draw = draw_step(work) if isinstance(work, DenseCall) else None
        return "" if draw is None else self.driver.text(draw.source, form)


def threads_text(threads: int, items: int, what: str) -> str:
    grid = grid_for(threads)
    return f"{grid.blocks} x {grid.threads} threads for {items} {what}"


__all__ = ["Gpu"]
