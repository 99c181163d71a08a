"""Programs whose launches are recorded once and replayed.

Stretches of tasks that are kernels alone, with loops of a known number of iterations rolled
out, become graphs (`Driver.record`).  A recorded launch has pointers of 0; where its arrays
lie in a call, it reads from a block of addresses, which is brought to the device only when it
has changed.  Between stretches stand library calls, and loops and choices that the host
decides about.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field
from math import prod
from typing import Any

import numpy as np

from symnet.data_classes import dataclass
from symnet.kernels.cuda.device_array import DeviceArray, Transfers
from symnet.kernels.cuda.driver import (
    Allocation,
    Driver,
    GpuLaunch,
    ThreadCode,
    grid_for,
)
from symnet.kernels.interface import AnyTask, Choice, Path, Place, Task
from symnet.kernels.loopir.scalars import Kernel
from symnet.kernels.schedule import Schedule
from symnet.kernels.variants import WARP, Variant, item_threads

FEWEST, MOST = 2, 4096  # launches of a graph

Codes = Mapping[tuple[Kernel, Variant], ThreadCode]
Iterations = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Once:
    """One task in one iteration of the loops around it."""

    task: Task
    path: Path
    iterations: Iterations


def launches_of(
    driver: Driver,
    codes: Codes,
    task: Task,
    pointers: Sequence[int],
    failed: int,
    block: int,
) -> tuple[list[GpuLaunch], Allocation | None]:
    """What a task of a kernel launches, and the memory that it needs meanwhile."""
    assert task.kernel is not None
    work: Schedule = task.arrangement
    words = np.array(work.words, np.int64)
    for slot, pointer in zip(work.pointer_slots, pointers, strict=True):
        words[slot] = pointer
    grids = [grid_for(work.total * item_threads(work.variant))]
    scratch = None
    if work.scratch_bytes:
        scratch = driver.allocate(work.scratch_bytes)
        words[work.scratch_slot] = scratch.address
        rows = prod(work.words[: len(work.variant.kept)])
        grids.append(grid_for(WARP * rows))
    elif not work.total:
        return [], None
    functions = codes[task.kernel, work.variant].functions
    launches = [
        GpuLaunch(function, grid, words, work.total, failed, block)
        for function, grid in zip(functions, grids, strict=True)
    ]
    return launches, scratch


# ---- which tasks are recorded


def rolled_out(task: AnyTask, path: Path, around: Iterations = ()) -> list[Once] | None:
    """The kernels of a task in order; None where there is something else among them, or
    too many."""
    if isinstance(task, Choice):
        return None
    if isinstance(task, Task):
        return [Once(task, path, around)] if task.kernel is not None else None
    if task.until is not None or task.done is not None:
        return None
    found: list[Once] = []
    for iteration in range(task.iterations):
        for number, one in enumerate(task.body):
            inside = rolled_out(one, (*path, 0, number), (*around, iteration))
            if inside is None or len(found) + len(inside) > MOST:
                return None
            found += inside
    return found


def stretches(tasks: Sequence[AnyTask]) -> Iterator[list[Once] | int]:
    """The tasks in order: stretches to be recorded, or the number of one that is not."""
    waiting: list[Once] = []
    numbers: list[int] = []

    def cut() -> Iterator[list[Once] | int]:
        if len(waiting) >= FEWEST:
            yield list(waiting)
        else:
            yield from numbers
        waiting.clear()
        numbers.clear()

    for number, task in enumerate(tasks):
        found = rolled_out(task, (number,))
        if found is None or len(waiting) + len(found) > MOST:
            yield from cut()
        if found is None:
            yield number
        else:
            waiting.extend(found)
            numbers.append(number)
    yield from cut()


# ---- a recorded stretch


@dataclass
class Addresses:
    """Where pointers point: `start` bytes behind the piece of memory of number `piece`, or
    behind one of the offsets that follow an integer."""

    pieces: list[int] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    follows: list[tuple[int, int]] = field(default_factory=list)

    def add(self, piece: int, place: Place, start: int) -> None:
        if place.follows >= 0:
            self.follows.append((len(self.pieces), place.follows))
        self.pieces.append(piece)
        self.starts.append(start)


class Stretch:
    """Tasks that are recorded.

    number_of: the number of a place's piece of memory; moved: how far the loops around move
    a place; word: the address of a word of the log for a launch that may fail, 0 for others.
    """

    def __init__(
        self,
        driver: Driver,
        transfers: Transfers,
        codes: Codes,
        tasks: Sequence[Once],
        number_of: Callable[[Place], int],
        word: Callable[[Once], int],
    ) -> None:
        self.driver, self.transfers = driver, transfers
        found = Addresses()
        starts = [self._place_all(one, found, number_of) for one in tasks]
        self.pieces = np.array(found.pieces, np.int64)
        self.starts = np.array(found.starts, np.int64)
        self.follows = found.follows
        self.block: DeviceArray = transfers.words(max(len(found.pieces), 1))
        self.sent: bytes = b""
        self.held: list[Allocation | None] = []
        launches: list[GpuLaunch] = []
        for one, start in zip(tasks, starts, strict=True):
            nothing = [0] * len(one.task.places)
            at = self.block.allocation.address + 8 * start
            more, scratch = launches_of(driver, codes, one.task, nothing, word(one), at)
            launches += more
            self.held.append(scratch)
        self.recording = driver.record(launches) if launches else None

    def _place_all(
        self, one: Once, found: Addresses, number_of: Callable[[Place], int]
    ) -> int:
        """Note the places of a task; the number of its first word in the block."""
        start = len(found.pieces)
        for place in one.task.places:
            assert place is not None, "an operand of a kernel has no place"
            moved = walked(place, one.iterations)
            offset = 0 if place.follows >= 0 else place.offset
            arena = place.number if place.kind == "arena" else 0
            found.add(number_of(place), place, offset + arena + moved)
        return start

    def replay(self, addresses: np.ndarray[Any, Any], offsets: Sequence[int]) -> None:
        """Begin all of it.  addresses: of the pieces of memory; offsets: of what follows."""
        if self.recording is None:
            return
        words = addresses[self.pieces] + self.starts
        for position, number in self.follows:
            words[position] += offsets[number]
        if (content := words.tobytes()) != self.sent:
            self.transfers.put_words(self.block, words)
            self.sent = content
        self.driver.replay(self.recording)


def walked(place: Place, iterations: Iterations) -> int:
    """How far the loops around have moved a place."""
    moved = 0
    for walk in place.walks:
        iteration = iterations[walk.depth]
        if walk.slots:
            iteration = (iteration + walk.first) % walk.slots
        moved += walk.step * iteration
    return moved


__all__ = ["Once", "Stretch", "launches_of", "stretches"]
