"""Programs whose launches are recorded once and replayed.

Stretches of tasks that are kernels, routines and products, with loops of a known number of
turns rolled out, become graphs (`Driver.record`).  A recorded launch has pointers of 0; where its
arrays lie in a call, it reads from a block of addresses, which is brought to the device only
when it has changed.  A recorded product has addresses of its own: what moves from call to
call is copied for it (`gemm_work`), and where something else has moved, the stretch is
recorded anew.  Between stretches stand other library calls, and loops and choices that the
host decides about.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import field
from typing import Any

import numpy as np

from symnet.data_classes import dataclass
from symnet.kernels.cuda.cublas import CublasProduct
from symnet.kernels.cuda.device_array import DeviceArray, Transfers
from symnet.kernels.cuda.driver import Allocation, GpuLaunch
from symnet.kernels.cuda.gemm_work import ProductStep, Work
from symnet.kernels.cuda.gpu_places import LOGGED, Log
from symnet.kernels.cuda.launched import MOST, Launched, launches_of
from symnet.kernels.interface import AnyTask, Choice, Path, Place, Task

FEWEST = 2  # tasks of a graph
NOTHING = (
    -1
)  # the piece of a pointer that is none: the last of all addresses, which is 0

Iterations = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Once:
    """One task in one iteration of the loops around it."""

    task: Task
    work: Work
    path: Path
    iterations: Iterations


# ---- which tasks are recorded


def rolled_out(
    task: AnyTask, launched: Launched, path: Path, around: Iterations = ()
) -> list[Once] | None:
    """The tasks in one task in order; None where there is one among them that is not
    launched, or too many."""
    if isinstance(task, Choice):
        return None
    if isinstance(task, Task):
        work = launched.works.get(id(task))
        return None if work is None else [Once(task, work, path, around)]
    if task.until is not None or task.done is not None:
        return None
    found: list[Once] = []
    for iteration in range(task.iterations):
        for number, one in enumerate(task.body):
            inside = rolled_out(one, launched, (*path, 0, number), (*around, iteration))
            if inside is None or len(found) + len(inside) > MOST:
                return None
            found += inside
    return found


def stretches(
    tasks: Sequence[AnyTask], launched: Launched, first: int = 0, fewest: int = FEWEST
) -> Iterator[list[Once] | int]:
    """The tasks in order: stretches to be recorded, or the number of one that is not; they
    are numbered from `first` on."""
    waiting: list[Once] = []
    numbers: list[int] = []

    def cut() -> Iterator[list[Once] | int]:
        if len(waiting) >= fewest:
            yield list(waiting)
        else:
            yield from numbers
        waiting.clear()
        numbers.clear()

    for number, task in enumerate(tasks, first):
        found = rolled_out(task, launched, (number,))
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

    def add_nothing(self) -> None:
        """A pointer that the launch has itself."""
        self.pieces.append(NOTHING)
        self.starts.append(0)


class Stretch:
    """Tasks that are recorded.

    number_of: the number of a place's piece of memory; word: the address of a word of the
    log for a launch that may fail, 0 for others; addresses: of the pieces, 0 behind them.
    moves: the numbers of pieces that products read or write, and where these lay.
    """

    def __init__(
        self,
        launched: Launched,
        transfers: Transfers,
        tasks: Sequence[Once],
        number_of: Callable[[Place], int],
        word: Callable[[Once], int],
        addresses: np.ndarray[Any, Any],
    ) -> None:
        driver = launched.driver
        self.transfers, self.number_of = transfers, number_of
        found = Addresses()
        starts = [self._place_all(one, found) for one in tasks]
        self.pieces = np.array(found.pieces, np.int64)
        self.starts = np.array(found.starts, np.int64)
        self.follows = found.follows
        self.block: DeviceArray = transfers.words(max(len(found.pieces), 1))
        self.sent: bytes = b""
        # One piece of memory for all: each task comes after the one before.
        scratch = driver.allocate(max(one.work.scratch_bytes for one in tasks))
        self.held: list[Allocation] = [scratch]
        self.moves: dict[int, int] = {}
        launches: list[GpuLaunch | CublasProduct] = []
        for one, start in zip(tasks, starts, strict=True):
            pointers = self._fixed(one, addresses)
            at = self.block.allocation.address + 8 * start
            more, held = launches_of(
                driver, launched.codes, one.work, pointers, word(one), scratch, at
            )
            launches += more
            self.held += held
        self.recording = driver.record(launches) if launches else None

    def _place_all(self, one: Once, found: Addresses) -> int:
        """Note where a task's kernels and routines find operands; the number of its first word."""
        first, places = len(found.pieces), one.task.places
        for step in one.work.steps:
            if isinstance(step, ProductStep):
                continue
            for number, offset in zip(step.operands, step.offsets, strict=True):
                if number >= len(places):
                    found.add_nothing()
                    continue
                place = places[number]
                assert place is not None, "an operand of a kernel has no place"
                start = offset + start_of(place, one.iterations)
                found.add(self.number_of(place), place, start)
        return first

    def _fixed(self, one: Once, addresses: np.ndarray[Any, Any]) -> list[int]:
        """The addresses of a task's operands for its products; 0 of others."""
        pointers = [0] * len(one.task.places)
        for number in one.work.fixed:
            if number < len(pointers):
                place = one.task.places[number]
                assert place is not None and place.follows < 0
                piece = self.number_of(place)
                self.moves[piece] = int(addresses[piece])
                pointers[number] = self.moves[piece] + start_of(place, one.iterations)
        return pointers

    def moved(self, addresses: np.ndarray[Any, Any]) -> set[int]:
        """The pieces that no longer lie where products look for them."""
        return {k for k, address in self.moves.items() if addresses[k] != address}

    def ready(
        self, addresses: np.ndarray[Any, Any], offsets: Sequence[int]
    ) -> Any | None:
        """What is recorded, when the device knows where pieces of memory lie: at
        `addresses`, 0 behind them, and at the offsets of what follows.  None: nothing."""
        if self.recording is None:
            return None
        words = addresses[self.pieces] + self.starts
        for position, number in self.follows:
            words[position] += offsets[number]
        if (content := words.tobytes()) != self.sent:
            self.transfers.put_words(self.block, words)
            self.sent = content
        return self.recording


def start_of(place: Place, iterations: Iterations) -> int:
    """How far a place lies behind its piece of memory, but for what follows an integer."""
    offset = 0 if place.follows >= 0 else place.offset
    arena = place.number if place.kind == "arena" else 0
    return offset + arena + walked(place, iterations)


def walked(place: Place, iterations: Iterations) -> int:
    """How far the loops around have moved a place."""
    moved = 0
    for walk in place.walks:
        iteration = iterations[walk.depth]
        if walk.slots:
            iteration = (iteration + walk.first) % walk.slots
        moved += walk.step * iteration
    return moved


# ---- a recorded program

Logged = list[
    tuple[int, Path, Iterations]
]  # the words of launches, and what they are of


class Recorded:
    """A program's tasks: stretches, or the numbers of those that are not recorded, each with
    what it logs.  Those that write shared variables, from number `commit` on, are not
    recorded together with those before."""

    def __init__(
        self,
        launched: Launched,
        transfers: Transfers,
        tasks: Sequence[AnyTask],
        commit: int,
        number_of: Callable[[Place], int],
        addresses: np.ndarray[Any, Any],
    ) -> None:
        found = [*stretches(tasks[:commit], launched)]
        found += stretches(tasks[commit:], launched, commit, fewest=1)
        every = [one for piece in found if not isinstance(piece, int) for one in piece]
        fallible = [one for one in every if launched.may_fail(one.task)]
        self.log = Log(transfers, len(fallible))
        numbers = {id(one): LOGGED + k for k, one in enumerate(fallible)}

        def word(one: Once) -> int:
            return self.log.address(numbers[id(one)]) if id(one) in numbers else 0

        self.pieces: list[tuple[Stretch | int, Logged]] = []
        for piece in found:
            if isinstance(piece, int):
                self.pieces.append((piece, []))
                continue
            made = Stretch(launched, transfers, piece, number_of, word, addresses)
            logged = [
                (numbers[id(one)], one.path, one.iterations)
                for one in piece
                if id(one) in numbers
            ]
            self.pieces.append((made, logged))

    @property
    def stretches(self) -> list[Stretch]:
        return [one for one, _ in self.pieces if isinstance(one, Stretch)]

    def moved(self, addresses: np.ndarray[Any, Any]) -> set[int]:
        """The pieces of memory that no longer lie where products look for them."""
        return {k for one in self.stretches for k in one.moved(addresses)}


__all__ = ["Recorded", "Stretch"]
