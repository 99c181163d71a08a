"""Programs in a GPU's memory: what each task launches, and what a call brings and takes.

A stream does not stop at a step that fails.  So each launch that may fail has a word of its
own in a log, which the host looks at before anything is handed out; shared variables are
written in copies, which become their values at the end, all of them at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from symnet.kernels.call_places import CallPlaces
from symnet.kernels.cpu.runtime.runner import WRITES
from symnet.kernels.cpu.runtime.store import Store
from symnet.kernels.cpu.runtime.tickets import Queue
from symnet.kernels.cuda.array_library import run_call
from symnet.kernels.cuda.device_array import DeviceArray, Transfers
from symnet.kernels.cuda.driver import Allocation, Driver, ThreadCode, grid_for
from symnet.kernels.interface import AnyTask, Following, Path, Place, Signature, Task
from symnet.kernels.loopir.scalars import Kernel, walk
from symnet.kernels.schedule import Schedule
from symnet.kernels.stepwise import Failed, StepwiseCall, StepwiseProgram, commit
from symnet.kernels.variants import Variant, item_threads
from symnet.lazy import cached_property

LOGGED = 1024  # launches that may fail between two looks at the log


class GpuPlaces(CallPlaces[Allocation]):
    """What places mean in one call, and what was launched in it that may have failed."""

    def __init__(self, driver: Driver, transfers: Transfers, *places: Any) -> None:
        super().__init__(*places)
        self.driver, self.transfers = driver, transfers
        self.logged: list[tuple[Path, tuple[int, ...]]] = []

    def array(
        self,
        place: Place,
        dtype: str,
        shape: Sequence[int],
        strides: Sequence[int] | None = None,
    ) -> Any:
        memory, offset = self.find(place)
        return self.driver.view(memory, offset, dtype, shape, strides)

    def number(self, place: Place, dtype: str) -> Any:
        """The number, when what was launched before is done."""
        return self.driver.number(self.array(place, dtype, ()))

    @cached_property
    def log(self) -> DeviceArray:
        return self.transfers.send(np.zeros(LOGGED, np.int32))

    def address(self, place: Place | None) -> int:
        assert place is not None
        memory, offset = self.find(place)
        return memory.address + offset

    def word(self, path: Path) -> int:
        """The address of the word that the next launch of a task sets when it fails."""
        if len(self.logged) == LOGGED:
            self.look()
        self.logged.append((path, tuple(self.iterations)))
        return self.log.allocation.address + 4 * (len(self.logged) - 1)

    def look(self) -> None:
        """Raises: Failed, of the first launch that did."""
        if not self.logged:
            return
        words = self.transfers.fetch(self.log)
        logged, self.logged = self.logged, []
        for word, (path, iterations) in zip(words, logged, strict=False):
            if word:
                raise Failed(path, iterations)


class GpuProgram(StepwiseProgram[GpuPlaces]):
    """See `kernels.interface.Loaded`.  writes: whether some task writes a shared variable;
    of a call's programs only the last one may."""

    def __init__(
        self,
        driver: Driver,
        transfers: Transfers,
        tasks: Sequence[AnyTask],
        arena_bytes: int,
        constants: Sequence[Any],
        parameters: Sequence[int],
        base_count: int,
        writes: bool,
    ) -> None:
        super().__init__(tasks, arena_bytes, parameters)
        self.driver, self.transfers = driver, transfers
        self.constants = [transfers.keep(c) for c in constants]
        self.base_count, self.writes = base_count, writes
        needed = [
            (task.kernel, task.arrangement.variant)
            for task in kernel_tasks(tasks)
            if task.kernel is not None
        ]
        codes = driver.compile(needed)
        self.codes: dict[tuple[Kernel, Variant], ThreadCode] = dict(zip(needed, codes))
        self.fallible = {kernel for kernel, _ in needed if may_fail(kernel)}

    def enter(
        self,
        signature: Signature,
        following: Following | None,
        form: int,
        fallback: Callable[..., Any] | None,
        failure: Callable[[int], Any],
        queue: Queue,
    ) -> GpuCall:
        return GpuCall(self, signature, following, fallback, failure, queue)

    def places(self, bases: Mapping[int, DeviceArray]) -> GpuPlaces:
        """The memory of a call with these arrays."""
        driver, new = self.driver, self.transfers
        nothing = driver.allocate(0)
        return GpuPlaces(
            driver,
            new,
            [
                bases[k].allocation if k in bases else nothing
                for k in range(self.base_count)
            ],
            driver.allocate(self.arena_bytes),
            [c.allocation for c in self.constants],
            new.send(self.parameters).allocation,
            self.offsets,
        )

    def run_task(self, task: Task, path: Path, places: GpuPlaces) -> None:
        if task.kernel is None:
            run_call(task.arrangement, task.places, places, self.driver.xp)
        else:
            self._launch(task.kernel, task.arrangement, path, task.places, places)

    def _launch(
        self,
        kernel: Kernel,
        work: Schedule,
        path: Path,
        operands: Sequence[Place | None],
        places: GpuPlaces,
    ) -> None:
        words = np.array(work.words, np.int64)
        for slot, place in zip(work.pointer_slots, operands, strict=True):
            words[slot] = places.address(place)
        failed = places.word(path) if kernel in self.fallible else 0
        grids = [grid_for(work.total * item_threads(work.variant))]
        scratch = None
        if work.scratch_bytes:
            scratch = self.driver.allocate(work.scratch_bytes)
            words[work.scratch_slot] = scratch.address
            grids.append(grid_for(1))
        elif not work.total:
            return
        code = self.codes[kernel, work.variant]
        for function, grid in zip(code.functions, grids, strict=True):
            self.driver.launch(function, grid, words, work.total, failed)

    def mark(self) -> Any:
        return self.driver.mark()

    def nanoseconds(self, first: Any, last: Any) -> int:
        return self.driver.nanoseconds(first, last)

    def finish(self, places: GpuPlaces) -> None:
        places.look()


def kernel_tasks(tasks: Sequence[AnyTask]) -> Iterator[Task]:
    """All tasks, those inside loops and choices too."""
    for task in tasks:
        if isinstance(task, Task):
            yield task
        else:
            bodies = task.bodies if hasattr(task, "bodies") else (task.body,)
            for body in bodies:
                yield from kernel_tasks(body)


def may_fail(kernel: Kernel) -> bool:
    """Whether it goes to computed positions."""
    values = walk(out.value for out in kernel.outputs)
    return any(out.indices for out in kernel.outputs) or any(
        node.op == "gather" for node in values
    )


class GpuCall(StepwiseCall):
    """See `kernels.interface.BoundCall`."""

    loaded: GpuProgram

    def run(
        self,
        arrays: Sequence[Any],
        shared: Sequence[Any],
        replaced: Sequence[tuple[Store, int]],
        moved: Iterable[bool],
    ) -> list[Any]:
        outputs, news = self._run(arrays, shared)
        new_stores = {number for _, number in replaced}
        fetch = self.loaded.transfers.fetch
        results = [
            made if k in new_stores else fetch(made) for k, made in enumerate(outputs)
        ]
        written = self.written(news) if self.loaded.writes else []
        commit([], [*written, *((s, outputs[k]) for s, k in replaced)], moved)
        return results

    def rehearse(
        self, arrays: Sequence[Any], shared: Sequence[Any]
    ) -> tuple[list[Any], list[Any]]:
        outputs, news = self._run(arrays, shared)
        fetch = self.loaded.transfers.fetch
        return [fetch(made) for made in outputs], [fetch(new) for new in news]

    def _run(
        self, arrays: Sequence[Any], shared: Sequence[Any]
    ) -> tuple[list[DeviceArray], list[DeviceArray]]:
        """The outputs, and the cells with what they hold then."""
        signature, transfers = self.signature, self.loaded.transfers
        given = {a[2]: x for a, x in zip(signature.arguments, arrays, strict=True)}
        held = {c[3]: x for c, x in zip(signature.cells, shared, strict=True)}
        self.follow(lambda base: host_number(given, held, base, transfers))
        bases = {base: transfers.keep(array) for base, array in given.items()}
        outputs = [transfers.new(shape, dtype) for dtype, shape, _ in signature.outputs]
        bases |= {o[2]: x for o, x in zip(signature.outputs, outputs, strict=True)}
        cells = [
            transfers.copied(array) if use == WRITES and self.loaded.writes else array
            for (*_, use), array in zip(signature.cells, shared, strict=True)
        ]
        bases |= {c[3]: x for c, x in zip(signature.cells, cells, strict=True)}
        self.run_loaded(self.loaded.places(bases))
        return outputs, cells


def host_number(
    given: Mapping[int, Any], held: Mapping[int, Any], base: int, transfers: Transfers
) -> int:
    """An integer of a call as the host sees it."""
    return int(given[base] if base in given else transfers.fetch(held[base]))


__all__ = ["GpuProgram"]
