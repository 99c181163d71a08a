"""Programs in a GPU's memory: what each task launches, and what a call brings and takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from symnet.config import config
from symnet.errors import message
from symnet.kernels.cpu.runtime.runner import WRITES
from symnet.kernels.cpu.runtime.store import Store
from symnet.kernels.cpu.runtime.tickets import Queue
from symnet.kernels.cuda.array_library import run_call
from symnet.kernels.cuda.device_array import DeviceArray, Transfers
from symnet.kernels.cuda.driver import Allocation, Driver
from symnet.kernels.cuda.gpu_places import GpuPlaces, Log
from symnet.kernels.cuda.launched import Launched, begin, launches_of
from symnet.kernels.cuda.recording import Recorded, Stretch
from symnet.kernels.interface import (
    AnyTask,
    Following,
    Path,
    Place,
    Repeat,
    Signature,
    Task,
)
from symnet.kernels.memory import NoRoom
from symnet.kernels.stepwise import (
    Failed,
    StepwiseCall,
    StepwiseProgram,
    commit,
    tasks_by_path,
)


class GpuProgram(StepwiseProgram[GpuPlaces]):
    """See `kernels.interface.Loaded`.  commit: the number of the first task that writes a
    shared variable; of a call's programs only the last one may.

    The first call launches task by task; the second one records what can be recorded.  A
    call within a call (of a signal's handler) has memory of its own and is not recorded.
    """

    def __init__(
        self,
        driver: Driver,
        transfers: Transfers,
        tasks: Sequence[AnyTask],
        arena_bytes: int,
        constants: Sequence[Any],
        parameters: Sequence[int],
        base_count: int,
        commit: int,
    ) -> None:
        super().__init__(tasks, arena_bytes, parameters)
        self.driver, self.transfers = driver, transfers
        self.constants = [transfers.keep(c) for c in constants]
        self.base_count, self.commit = base_count, commit
        self.read = set(bases_read(tasks))
        self.calls, self.busy = 0, False
        # The numbers of arrays that may lie elsewhere in the next call.
        self.moving: set[int] = set()
        self._launched: Launched | None = None
        self.recorded: Recorded | None = None
        self.log = Log(transfers)
        self.kept: tuple[bytes, DeviceArray] | None = None  # the parameters there
        self.arena: Allocation | None = None

    @property
    def writes(self) -> bool:
        """Whether some task writes a shared variable."""
        return self.commit < len(self.tasks)

    def enter(
        self,
        signature: Signature,
        following: Following | None,
        form: int,
        fallback: Callable[..., Any] | None,
        failure: Callable[[int], Any],
        queue: Queue,
    ) -> GpuCall:
        with self.driver.use():
            self._prepare(signature)
        return GpuCall(self, signature, following, fallback, failure, queue)

    def _prepare(self, signature: Signature) -> None:
        """Compile, and see which arrays may lie elsewhere in the next call."""
        self._moves({a[2] for a in signature.arguments})
        self._moves({o[2] for o in signature.outputs})
        if not self.direct:
            self._moves({c[3] for c in signature.cells if c[-1] == WRITES})
        self.memory_bytes = self.arena_bytes + self.launched.scratch_bytes

    def _moves(self, numbers: set[int]) -> None:
        """Arrays of these numbers may lie elsewhere in the next call."""
        if not numbers <= self.moving:
            self.moving |= numbers
            self._launched = self.recorded = None

    @property
    def launched(self) -> Launched:
        """What tasks launch, with its code."""
        if self._launched is None:
            self._launched = Launched(self.driver, self.tasks, self.moving)
        return self._launched

    @property
    def direct(self) -> bool:
        """Whether all that writes shared variables can be begun at once."""
        return self.writes and self.launched.begins_at_once(self.tasks[self.commit :])

    @property
    def working(self) -> Mapping[int, int]:
        """See `kernels.interface.Loaded`: of products and convolutions."""
        works = self._launched.works if self._launched is not None else {}
        found = [works.get(id(task)) for _, task in tasks_by_path(self.tasks)]
        return {
            k: work.scratch_bytes
            for k, work in enumerate(found)
            if work is not None and work.scratch_bytes
        }

    def places(self, bases: Mapping[int, DeviceArray], within: bool) -> GpuPlaces:
        """The memory of a call with these arrays.  within: another call of this program."""
        driver = self.driver
        nothing = driver.allocate(0)
        return GpuPlaces(
            driver,
            Log(self.transfers) if within else self.log,
            [
                bases[k].allocation if k in bases else nothing
                for k in range(self.base_count)
            ],
            self._arena(within),
            [c.allocation for c in self.constants],
            self._parameters(within).allocation,
            self.offsets,
        )

    def _arena(self, within: bool) -> Allocation:
        """Memory for temporaries: the same in each call where products know its address."""
        if within or not self.launched.multiplies:
            return self.driver.allocate(self.arena_bytes)
        if self.arena is None:
            self.arena = self.driver.allocate(self.arena_bytes)
        return self.arena

    def _parameters(self, within: bool) -> DeviceArray:
        """The host integers of this call; brought there only where they have changed."""
        content = self.parameters.tobytes()
        if self.kept is not None and not within and self.kept[0] == content:
            return self.kept[1]
        fresh = within or self.kept is None
        there = self.transfers.words(len(self.parameters)) if fresh else self.kept[1]  # type: ignore[index]
        if content:
            self.transfers.put_words(there, self.parameters)
        if not within:
            self.kept = content, there
        return there

    def number_of(self, place: Place) -> int:
        """The number of a place's memory in `GpuPlaces.pieces`."""
        if place.kind == "base":
            return place.number
        behind = {"arena": 0, "parameter": 1}.get(place.kind)
        return self.base_count + (2 + place.number if behind is None else behind)

    # ---- running

    @property
    def replays(self) -> bool:
        """Whether the next call is recorded or replayed."""
        if self.calls < 1 or self.busy or self.times is not None:
            return False
        return graphs_wanted(self.driver)

    def run_call(self, given: tuple[Mapping[int, DeviceArray], bool, bool]) -> Any:
        """Run on arrays by number: task by task, or as it is recorded; then without what
        writes shared variables where that is to be begun by what is returned.

        given: the arrays, whether to replay, whether to leave that.  Raises: Failed."""
        bases, replays, leaves = given
        within, self.busy = self.busy, True
        try:
            places = self.places(bases, within)
            self.calls += 1
            if replays and not within:
                return self._replay(places, leaves), places
            self.run_all(places)
            return (), places
        except Failed:
            raise
        except BaseException:
            if not within:
                self.log.clear()  # what was begun may still say that it failed
            raise
        finally:
            self.busy = within

    def _recorded(self, addresses: Any) -> Recorded:
        """What is recorded, for pieces of memory at these addresses."""
        known = self.recorded
        if known is not None and (moved := known.moved(addresses)):
            # Where a shared variable has got another array; the next time it is copied.
            self._moves({k for k in moved if k < self.base_count})
            self.recorded = None
        if self.recorded is None:
            self.recorded = Recorded(
                self.launched, self.transfers, self.tasks, self.commit,
                self.number_of, addresses,
            )  # fmt: skip
            self.log = self.recorded.log
        return self.recorded

    def _replay(self, places: GpuPlaces, leaves: bool) -> Any:
        addresses = np.array([*(one.address for one in places.pieces), 0], np.int64)
        recorded = self._recorded(addresses)
        places.log = self.log
        pieces = recorded.pieces[:-1] if leaves else recorded.pieces
        for piece, logged in pieces:
            if isinstance(piece, int):
                self.step(self.tasks[piece], (piece,), places)
            else:
                for code in filter(None, self._begun(piece, places, addresses)):
                    self.driver.refused(code)
                places.logged += logged
        self.finish(places)
        if not leaves:
            return ()
        last, _ = recorded.pieces[-1]
        assert isinstance(last, Stretch)
        return self._begun(last, places, addresses)

    def _begun(self, stretch: Stretch, places: GpuPlaces, addresses: Any) -> Any:
        """What begins a stretch as it is gone through, with codes of errors."""
        recording = stretch.ready(addresses, places.offsets)
        return () if recording is None else self.driver.replay(recording)

    def run_task(self, task: Task, path: Path, places: GpuPlaces) -> None:
        work = self.launched.works.get(id(task))
        if work is None:
            self._run_library(task, places)
            return
        pointers = [places.address(p) if p is not None else 0 for p in task.places]
        failed = places.word(path) if self.launched.may_fail(task) else 0
        # The scratch memory stays as long as its launches are being begun.
        scratch = self.driver.allocate(work.scratch_bytes)
        launches, _held = launches_of(
            self.driver, self.launched.codes, work, pointers, failed, scratch
        )
        for launch in launches:
            begin(self.driver, launch)

    def _run_library(self, task: Task, places: GpuPlaces) -> None:
        try:
            run_call(task.arrangement, task.places, places, self.driver.arrays)
        except MemoryError as error:
            raise NoRoom(f"there is no memory left on the GPU ({error})") from None

    def mark(self) -> Any:
        return self.driver.mark()

    def nanoseconds(self, first: Any, last: Any) -> int:
        return self.driver.nanoseconds(first, last)

    def finish(self, places: GpuPlaces) -> None:
        places.look()


def graphs_wanted(driver: Driver) -> bool:
    """Whether `config.gpu_graphs` asks for graphs, and the driver has them.

    Raises: RuntimeError where it asks for what is not there."""
    if config.gpu_graphs == "on" and driver.graphless:
        raise RuntimeError(
            message(
                f"config.gpu_graphs is 'on', and {driver.graphless}",
                cure="set it to 'auto', which has graphs where the driver has them",
            )
        )
    return config.gpu_graphs != "off" and not driver.graphless


def bases_read(tasks: Sequence[AnyTask]) -> Iterator[int]:
    """The numbers of the arrays of a call that tasks go to; what is not among them only
    says how large something is, or where it begins."""
    for task in tasks:
        places: list[Place | None] = []
        if isinstance(task, Task):
            places += task.places
        elif isinstance(task, Repeat):
            places += [task.until, task.done]
            yield from bases_read(task.body)
        else:
            places.append(task.condition)
            for body in task.bodies:
                yield from bases_read(body)
        yield from (p.number for p in places if p is not None and p.kind == "base")


class GpuCall(StepwiseCall):
    """See `kernels.interface.BoundCall`.

    Shared variables are written where they lie, if all that does so can be begun at once,
    when nothing can fail any more; else in copies, which become their values at the end, all
    of them at once.
    """

    loaded: GpuProgram

    def run(
        self,
        arrays: Sequence[Any],
        shared: Sequence[Any],
        replaced: Sequence[tuple[Store, int]],
        moved: Iterable[bool],
    ) -> list[Any]:
        loaded, replays = self.loaded, self.loaded.replays
        with loaded.driver.use():
            direct = replays and loaded.direct
            # What was sent stays until the last of what reads it has begun.
            outputs, news, last, _held = self._run(arrays, shared, replays, direct)
            written = self.written(news) if loaded.writes and not direct else []
            exchanged = [*written, *((s, outputs[k]) for s, k in replaced)]
            if code := commit([], exchanged, moved, last):
                loaded.driver.refused(code)
        return list(outputs)

    def rehearse(
        self, arrays: Sequence[Any], shared: Sequence[Any]
    ) -> tuple[list[Any], list[Any]]:
        with self.loaded.driver.use():
            outputs, news, *_ = self._run(arrays, shared, False, False)
        fetch = self.loaded.transfers.fetch
        return [fetch(made) for made in outputs], [fetch(new) for new in news]

    def _run(
        self, arrays: Sequence[Any], shared: Sequence[Any], replays: bool, direct: bool
    ) -> tuple[list[DeviceArray], list[DeviceArray], Iterable[int], Any]:
        """The outputs, the cells with what they hold then, what is still to be begun, and
        the memory that it reads."""
        signature, transfers = self.signature, self.loaded.transfers
        given = {a[2]: x for a, x in zip(signature.arguments, arrays, strict=True)}
        held = {c[3]: x for c, x in zip(signature.cells, shared, strict=True)}
        self.follow(lambda base: host_number(given, held, base, transfers))
        bases = {
            base: transfers.keep(array)
            for base, array in given.items()
            if base in self.loaded.read
        }
        outputs = [transfers.new(shape, dtype) for dtype, shape, _ in signature.outputs]
        bases |= {o[2]: x for o, x in zip(signature.outputs, outputs, strict=True)}
        copies = self.loaded.writes and not direct
        cells = [
            transfers.copied(array) if use == WRITES and copies else array
            for (*_, use), array in zip(signature.cells, shared, strict=True)
        ]
        bases |= {c[3]: x for c, x in zip(signature.cells, cells, strict=True)}
        last, places = self.run_loaded((bases, replays, direct))
        return outputs, cells, last, places


def host_number(
    given: Mapping[int, Any], held: Mapping[int, Any], base: int, transfers: Transfers
) -> int:
    """An integer of a call as the host sees it."""
    value = given[base] if base in given else held[base]
    return int(transfers.fetch(value) if isinstance(value, DeviceArray) else value)


__all__ = ["GpuProgram"]
