"""Programs whose tasks are gone through one after another by Python.

What devices without a native runner have in common: loops and choices of tasks, what a
call does to shared variables, and what is known of a task that failed.  A device adds where
arrays lie and how one task is run.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, repeat
from operator import setitem
from time import perf_counter_ns
from typing import Any, Generic, TypeVar

import numpy as np

from symnet.kernels.call_places import CallPlaces
from symnet.kernels.cpu.runtime.runner import CONFLICT, WRITES
from symnet.kernels.cpu.runtime.store import Store, putting
from symnet.kernels.cpu.runtime.tickets import (
    Conflict,
    Queue,
    await_fork,
    committing,
    not_committing,
)
from symnet.kernels.interface import (
    AnyTask,
    Choice,
    Following,
    Path,
    Repeat,
    Signature,
    Task,
)

Places = TypeVar("Places", bound=CallPlaces[Any])


class Refused(Exception):
    """A task cannot do its work: a position is out of range, or a routine does not take
    these arguments."""


class Failed(Exception):
    """A task has failed: the way to it, and in which iteration of each loop around it."""

    def __init__(self, path: Path, iterations: Sequence[int]) -> None:
        super().__init__(path, iterations)
        self.path, self.iterations = path, iterations


class StepwiseProgram(ABC, Generic[Places]):
    """See `kernels.interface.Loaded`."""

    cost_ns = 0.0

    def __init__(
        self, tasks: Sequence[AnyTask], arena_bytes: int, parameters: Sequence[int]
    ) -> None:
        self.tasks = tasks
        self.arena_bytes = self.memory_bytes = arena_bytes
        self.parameters = np.array(parameters, np.int64)
        self.offsets: Sequence[int] = ()
        self.paths: Sequence[Path] = [path for path, _ in tasks_by_path(tasks)]
        self.failure = Failed((), ())
        self.times: Any = None

    @property
    def working(self) -> Mapping[int, int]:
        return {}

    def failed(self, step: int) -> tuple[Path, Sequence[int]]:
        return self.failure.path, self.failure.iterations

    def follow(self, offsets: Sequence[int], parameters: Mapping[int, int]) -> None:
        self.offsets = list(offsets)
        for number, value in parameters.items():
            self.parameters[number] = value

    # ---- what a device adds

    @abstractmethod
    def run_task(self, task: Task, path: Path, places: Places) -> None:
        """Run one task.  Raises: Refused."""

    def finish(self, places: Places) -> None:
        """Wait for tasks that were only begun.  Raises: Failed."""

    def mark(self) -> Any:
        """A moment behind all that was begun so far, for times of steps."""
        return perf_counter_ns()

    def nanoseconds(self, first: Any, last: Any) -> int:
        """From one moment to a later one."""
        return int(last - first)

    # ---- running

    def run_call(self, places: Any) -> Any:
        """Run in a call's memory.  Raises: Failed."""
        self.run_all(places)

    def run_all(self, places: Places) -> None:
        """Raises: Failed."""
        self._body(self.tasks, (), places)
        self.finish(places)

    def _body(self, tasks: Sequence[AnyTask], path: Path, places: Places) -> None:
        for number, task in enumerate(tasks):
            self.step(task, (*path, number), places)

    def step(self, task: AnyTask, path: Path, places: Places) -> None:
        """Run what is at a path, and time it where that is asked for."""
        start = self.mark() if self.times is not None else None
        try:
            self._task(task, path, places)
        except Refused:
            self.finish(places)  # what failed before is what is told
            raise Failed(path, tuple(places.iterations)) from None
        if self.times is not None:
            spent = self.nanoseconds(start, self.mark())
            self.times[self.paths.index(path)] += spent

    def _task(self, task: AnyTask, path: Path, places: Places) -> None:
        if isinstance(task, Repeat):
            self._repeat(task, (*path, 0), places)
        elif isinstance(task, Choice):
            taken = 0 if places.number(task.condition, "uint8") else 1
            self._body(task.bodies[taken], (*path, taken), places)
        else:
            self.run_task(task, path, places)

    def _repeat(self, task: Repeat, path: Path, places: Places) -> None:
        iteration = 0
        places.iterations.append(0)
        while iteration < task.iterations:
            places.iterations[-1] = iteration
            self._body(task.body, path, places)
            iteration += 1
            if task.until is not None and places.number(task.until, "uint8"):
                break
        places.iterations.pop()
        if task.done is not None:
            places.array(task.done, "int64", ())[...] = iteration


def tasks_by_path(
    tasks: Sequence[AnyTask], path: Path = ()
) -> Iterator[tuple[Path, AnyTask]]:
    """All tasks with the ways to them: those of a body, then those inside each of them."""
    yield from (((*path, number), task) for number, task in enumerate(tasks))
    for number, task in enumerate(tasks):
        bodies: Sequence[Sequence[AnyTask]] = ()
        if not isinstance(task, Task):
            bodies = (task.body,) if isinstance(task, Repeat) else task.bodies
        for k, body in enumerate(bodies):
            yield from tasks_by_path(body, (*path, number, k))


class StepwiseCall(ABC):
    """See `kernels.interface.BoundCall`.  Each call has memory of its own, so that any
    number may run."""

    builtin = None
    usable = True

    def __init__(
        self,
        loaded: Any,
        signature: Signature,
        following: Following | None,
        fallback: Callable[..., Any] | None,
        failure: Callable[[int], Any],
        queue: Queue,
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

    @abstractmethod
    def run(
        self,
        arrays: Sequence[Any],
        shared: Sequence[Any],
        replaced: Sequence[tuple[Store, int]],
        moved: Iterable[bool],
    ) -> list[Any]:
        """See `BoundCall.run`."""

    @abstractmethod
    def rehearse(
        self, arrays: Sequence[Any], shared: Sequence[Any]
    ) -> tuple[list[Any], list[Any]]:
        """See `BoundCall.rehearse`."""

    def written(self, values: Sequence[Any]) -> list[tuple[Store, Any]]:
        """The stores that the call writes to, each with its own of the cells' values."""
        cells = zip(self.signature.cells, values, strict=True)
        return [(cell[0], value) for cell, value in cells if cell[-1] == WRITES]

    def follow(self, value_at: Callable[[int], int]) -> None:
        """Set what follows an integer of the call, which stands at a base."""
        following = self.following
        if following is None:
            return
        value = value_at(following.base)
        if not following.low <= value <= following.high:
            raise IndexError("an integer argument is out of its range")
        offsets = [slope * value + start for slope, start in following.offsets]
        lines = following.parameters.items()
        numbers = {k: slope * value + start for k, (slope, start) in lines}
        self.loaded.follow(offsets, numbers)

    def run_loaded(self, places: Any) -> Any:
        """Run the program on what it makes a call's memory of, or raise what its failure
        says; what it gives back."""
        try:
            return self.loaded.run_call(places)
        except Failed as error:
            self.loaded.failure = error
            self.failure(error.path[0])


def commit(
    written: Sequence[tuple[Any, Any]],
    replaced: Sequence[tuple[Store, Any]],
    moved: Iterable[bool],
    last: Iterable[int] = (),
) -> int:
    """Write new values to arrays and stores, without Python code in between.

    last: what begins the steps that write shared variables where they lie; where it gives
    something that is not 0, nothing has begun or changes, and that is what is given back.
    Raises: Conflict, and then nothing has changed."""
    conflict = map({True: CONFLICT}.get, moved)
    targets, values = [old for old, _ in written], [new for _, new in written]
    write = map(setitem, targets, repeat(...), values)
    exchange = putting([store for store, _ in replaced], [new for _, new in replaced])
    steps = chain(conflict, committing(chain(last, write, exchange)))
    found = int(next(filter(None, steps), 0))
    if found == CONFLICT:
        await_fork()
        raise Conflict
    if found:
        not_committing()
    return found


__all__ = ["Refused", "StepwiseCall", "StepwiseProgram", "commit"]
