"""Programs in a GPU's memory: what each task launches, and what a call brings and takes.

A stream does not stop at a step that fails.  So each launch that may fail has a word of its
own in a log, which the host looks at before anything is handed out; shared variables are
written in copies, which become their values at the end, all of them at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from symnet.config import config
from symnet.errors import message
from symnet.kernels.call_places import CallPlaces
from symnet.kernels.cpu.runtime.runner import WRITES
from symnet.kernels.cpu.runtime.store import Store
from symnet.kernels.cpu.runtime.tickets import Queue
from symnet.kernels.cuda.array_library import run_call
from symnet.kernels.cuda.device_array import DeviceArray, Transfers
from symnet.kernels.cuda.driver import Allocation, Driver, ThreadCode
from symnet.kernels.cuda.recording import Once, Stretch, launches_of, stretches
from symnet.kernels.interface import (
    AnyTask,
    Following,
    Path,
    Place,
    Repeat,
    Signature,
    Task,
)
from symnet.kernels.loopir.scalars import Kernel, walk
from symnet.kernels.stepwise import Failed, StepwiseCall, StepwiseProgram, commit
from symnet.kernels.variants import Variant
from symnet.lazy import cached_property

LOGGED = 1024  # launches that may fail between two looks at the log


class Log:
    """Words in a GPU's memory, one for each launch that may fail and sets it then.

    The first LOGGED are handed out anew after each look at them; those behind are of
    recorded launches, which have the same in every call.
    """

    def __init__(self, transfers: Transfers, recorded: int = 0) -> None:
        self.transfers, self.size = transfers, LOGGED + recorded

    @cached_property
    def words(self) -> DeviceArray:
        made = self.transfers.new((self.size,), np.int32)
        self.transfers.put_words(made, np.zeros(self.size, np.int32))
        return made

    def address(self, number: int) -> int:
        return self.words.allocation.address + 4 * number

    def taken(self, count: int) -> np.ndarray[Any, Any]:
        """The first words; where one is set, all are cleared."""
        found = self.transfers.get_words(self.words, count)
        if found.any():
            self.clear()
        return found

    def clear(self) -> None:
        self.transfers.put_words(self.words, np.zeros(self.size, np.int32))


class GpuPlaces(CallPlaces[Allocation]):
    """What places mean in one call, and what was launched in it that may have failed."""

    def __init__(self, driver: Driver, log: Log, *places: Any) -> None:
        super().__init__(*places)
        self.driver, self.log = driver, log
        self.used = 0  # words of the log
        # Of launches in order: their words, and what they were of.
        self.logged: list[tuple[int, Path, tuple[int, ...]]] = []

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

    def address(self, place: Place | None) -> int:
        assert place is not None
        memory, offset = self.find(place)
        return memory.address + offset

    def word(self, path: Path) -> int:
        """The address of the word that the next launch of a task sets when it fails."""
        if self.used == LOGGED:
            self.look()
        self.logged.append((self.used, path, tuple(self.iterations)))
        self.used += 1
        return self.log.address(self.used - 1)

    def look(self) -> None:
        """Raises: Failed, of the first launch that did."""
        if not self.logged:
            return
        words = self.log.taken(1 + max(number for number, *_ in self.logged))
        logged, self.logged, self.used = self.logged, [], 0
        for number, path, iterations in logged:
            if words[number]:
                raise Failed(path, iterations)

    @property
    def pieces(self) -> list[Allocation]:
        """All memory that places may lie in: see `GpuProgram.number_of`."""
        return [*self.bases, self.arena, self.parameters, *self.constants]


class GpuProgram(StepwiseProgram[GpuPlaces]):
    """See `kernels.interface.Loaded`.  writes: whether some task writes a shared variable;
    of a call's programs only the last one may.

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
        self.read = set(bases_read(tasks))
        self.log = Log(transfers)
        self.calls, self.busy = 0, False
        self.pieces: list[Stretch | int] = []
        # What the recorded launches of each stretch log, in their order.
        self.recorded: list[list[tuple[int, Path, tuple[int, ...]]]] = []
        self.kept: tuple[bytes, DeviceArray] | None = None  # the parameters there

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
            driver.allocate(self.arena_bytes),
            [c.allocation for c in self.constants],
            self._parameters(within).allocation,
            self.offsets,
        )

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

    def run_call(self, bases: Mapping[int, DeviceArray]) -> None:
        """Run on arrays by number.  Raises: Failed."""
        within, self.busy = self.busy, True
        try:
            places = self.places(bases, within)
            self.calls += 1
            if within or self.times is not None or not self._recording():
                self.run_all(places)
            else:
                self._replay(places)
        except Failed:
            raise
        except BaseException:
            if not within:
                self.log.clear()  # what was begun may still say that it failed
            raise
        finally:
            self.busy = within

    def _recording(self) -> bool:
        """Whether calls are replayed by now."""
        if self.calls < 2 or not graphs_wanted(self.driver):
            return False
        if not self.pieces:
            self._record()
        return any(isinstance(piece, Stretch) for piece in self.pieces)

    def _record(self) -> None:
        found = list(stretches(self.tasks))
        fallible = [
            one
            for piece in found
            if not isinstance(piece, int)
            for one in piece
            if one.task.kernel in self.fallible
        ]
        self.log = Log(self.transfers, len(fallible))
        numbers = {id(one): LOGGED + k for k, one in enumerate(fallible)}

        def word(one: Once) -> int:
            return self.log.address(numbers[id(one)]) if id(one) in numbers else 0

        for piece in found:
            if isinstance(piece, int):
                self.pieces.append(piece)
                self.recorded.append([])
                continue
            self.pieces.append(
                Stretch(
                    self.driver, self.transfers, self.codes, piece, self.number_of, word
                )
            )
            logged = [o for o in piece if id(o) in numbers]
            self.recorded.append(
                [(numbers[id(o)], o.path, o.iterations) for o in logged]
            )

    def _replay(self, places: GpuPlaces) -> None:
        places.log = self.log
        addresses = np.array([one.address for one in places.pieces], np.int64)
        for piece, logged in zip(self.pieces, self.recorded, strict=True):
            if isinstance(piece, int):
                self.step(self.tasks[piece], (piece,), places)
            else:
                piece.replay(addresses, places.offsets)
                places.logged += logged
        self.finish(places)

    def run_task(self, task: Task, path: Path, places: GpuPlaces) -> None:
        if task.kernel is None:
            run_call(task.arrangement, task.places, places, self.driver.xp)
        else:
            pointers = [places.address(place) for place in task.places]
            failed = places.word(path) if task.kernel in self.fallible else 0
            # The scratch memory stays as long as its launches are being begun.
            launches, _scratch = launches_of(
                self.driver, self.codes, task, pointers, failed, self.driver.still
            )
            for launch in launches:
                self.driver.launch(launch)

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
        written = self.written(news) if self.loaded.writes else []
        commit([], [*written, *((s, outputs[k]) for s, k in replaced)], moved)
        return list(outputs)

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
        bases = {
            base: transfers.keep(array)
            for base, array in given.items()
            if base in self.loaded.read
        }
        outputs = [transfers.new(shape, dtype) for dtype, shape, _ in signature.outputs]
        bases |= {o[2]: x for o, x in zip(signature.outputs, outputs, strict=True)}
        cells = [
            transfers.copied(array) if use == WRITES and self.loaded.writes else array
            for (*_, use), array in zip(signature.cells, shared, strict=True)
        ]
        bases |= {c[3]: x for c, x in zip(signature.cells, cells, strict=True)}
        self.run_loaded(bases)
        return outputs, cells


def host_number(
    given: Mapping[int, Any], held: Mapping[int, Any], base: int, transfers: Transfers
) -> int:
    """An integer of a call as the host sees it."""
    value = given[base] if base in given else held[base]
    return int(transfers.fetch(value) if isinstance(value, DeviceArray) else value)


__all__ = ["GpuProgram"]
