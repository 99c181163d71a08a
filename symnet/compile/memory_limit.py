"""A bound on the memory of a call, kept by computing values again.

A graph is compiled as usual first.  Where the temporaries of a call would take more than
the limit, values that are read late are made again (`compile.checkpoints`), as few as
will do, by a program that is compiled for it.  Which one a call takes follows from its
sizes: what fits anyway computes nothing twice.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

import numpy as np

from symnet.compile.checkpoints import Checkpoints, Cutting
from symnet.compile.compiled_segment import OverLimit
from symnet.compile.executable import Executable
from symnet.compile.plan.memory_errors import amount, between_steps, largest
from symnet.errors import message
from symnet.graph.traverse import Graph
from symnet.graph.variables import Apply
from symnet.kernels.memory import NoRoom
from symnet.recent import Recent

Compile = Callable[[Graph, Collection[Apply]], Executable]

ATTEMPTS = 8  # programs that are made for one set of sizes
SMALLEST = 2  # of them, however little they are expected to help
PROGRAMS_KEPT = 8  # of one function
SIZES_KEPT = 64  # sets of sizes of which it is known which program they take

CURE = (
    "use smaller minibatches or a smaller dtype, or a larger memory_limit; loops, "
    "conditions and results of NumPy's operations are kept in any case"
)


class WithinLimit:
    """The programs of one graph: the usual one, and those that make values again.

    compile: makes a program as the usual one was made, of a graph and those of its
        operations that cannot fail since they repeat others.
    limit: bytes that the temporaries of a call may take.
    """

    def __init__(self, usual: Executable, compile: Compile, limit: int) -> None:
        self.compile, self.limit = compile, limit
        self.settings = usual.native[0].settings
        self.programs = [self._bounded(usual)]  # the usual one first, then the latest
        self.known: Recent[Any, Executable] = Recent(SIZES_KEPT)

    def _bounded(self, program: Executable) -> Executable:
        for native in program.native:
            native.limit, native.settings = self.limit, self.settings
        return program

    def run(self, arrays: Sequence[Any]) -> tuple[Executable, list[Any]]:
        """What ran, and the outputs' values.

        Raises: MemoryError where no program fits; nothing is updated then.
        """
        key = tuple(np.shape(a) for a in arrays)
        known = self.known.get(key)
        usual, *others = self.programs
        too_large: dict[Executable, OverLimit] = {}
        for program in dict.fromkeys((known or usual, usual, *others)):
            try:
                results = program.run(arrays)
            except OverLimit as error:
                too_large[program] = error
            else:
                self.known.add(key, program)
                return program, results
        program, results = self._smaller(arrays, usual, too_large[usual])
        self.programs = [usual, program, *others][:PROGRAMS_KEPT]
        self.known.add(key, program)
        return program, results

    def _smaller(
        self,
        arrays: Sequence[Any],
        program: Executable,
        over: OverLimit,
        repeats: frozenset[Apply] = frozenset(),
    ) -> tuple[Executable, list[Any]]:
        """The same by a program which fits, made for these sizes.

        repeats: what is made again in the program already, for a segment before.
        """
        segment = program.native.index(over.segment)
        points = Checkpoints(graph_of(program), over.binding)
        search = _Search(points.choices(), over, self.limit)
        for choice in search:
            graph, copies = points.with_copies(choice)
            copies |= repeats
            made = self._bounded(self.compile(graph, copies))
            try:
                return made, made.run(arrays)
            except OverLimit as error:
                still = error
            if made.native.index(still.segment) > segment:
                return self._smaller(arrays, made, still, frozenset(copies))
            search.note(choice, still)
        raise no_room(over, search.least, self.limit)

    def free(self) -> None:
        """Forget the plans of all programs, and the programs beside the usual one."""
        for program in self.programs:
            program.free()
        del self.programs[1:]
        self.known.clear()


def bytes_of_limit(value: Any) -> int:
    """Raises: TypeError for what is no number; ValueError for one below 0 or NaN."""
    if isinstance(value, (bool, str)) or not isinstance(value, (int, float, np.number)):
        raise TypeError(
            f"memory_limit is a number of bytes, as 500e6; not {value!r:.60}"
        )
    if not value >= 0:
        raise ValueError(f"memory_limit is a number of bytes from 0 on, not {value}")
    return int(min(value, sys.maxsize))


class _Search:
    """What to try, one after the other: what makes least again of that which is expected
    to fit, and at last what takes least, so that what an error promises is kept."""

    def __init__(self, choices: list[Cutting], over: OverLimit, limit: int) -> None:
        self.choices, self.least, self.limit = choices, over, limit
        self.smallest = sorted(choices, key=lambda one: one.peak)[:SMALLEST]
        self.besides = over.size - over.binding.arena_bytes  # what libraries need
        self.factor = 1.0  # by which programs take more than was expected

    def __iter__(self) -> Iterator[Cutting]:
        tried = set[Cutting]()
        for choice in self.choices:
            room = (self.limit - self.besides) / self.factor
            if choice.peak <= room and len(tried) < ATTEMPTS:
                tried.add(choice)
                yield choice
        yield from (one for one in self.smallest if one not in tried)

    def note(self, choice: Cutting, still: OverLimit) -> None:
        """A program of this choice takes more than the limit."""
        arena = still.binding.arena_bytes
        self.least = min(self.least, still, key=lambda one: one.size)
        self.besides = max(self.besides, still.size - arena)
        self.factor = max(self.factor, arena / max(choice.peak, 1))


def no_room(over: OverLimit, least: OverLimit, limit: int) -> NoRoom:
    """The error of a call which cannot be done within the limit.  Its `least` is the bytes
    that would be enough."""
    what = (
        f"a call would take {amount(over.size)} between its steps, more than "
        f"memory_limit, {amount(limit)}"
    )
    if least is not over:
        what += f"; {amount(least.size)} with values made again"
    arrays = between_steps(least.segment.program, least.binding)
    lines = [f"{what}; the largest arrays:", *largest(arrays)]
    error = NoRoom(message("\n".join(lines), cure=CURE))
    error.least = least.size
    return error


def graph_of(program: Executable) -> Graph:
    return Graph(program.inputs, [*program.outputs, *program.updates.values()])


__all__ = ["WithinLimit", "bytes_of_limit"]
