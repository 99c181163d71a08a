"""Tasks laid out as the words that the runner reads.

For every list of steps, that of the program and those inside loops and choices, there is
a table of steps, and behind it the argument block of each; a loop's block is followed by
its own list and by the records that move its pointers.  The patches, which put the
addresses of a call where the steps look for them, stand at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import field, replace
from typing import Any

import numpy as np

from symnet.data_classes import dataclass
from symnet.kernels.cpu.jit.native import Native
from symnet.kernels.cpu.library.call_steps import CallArrangement
from symnet.kernels.cpu.library.scalar_loop import fused_loop
from symnet.kernels.cpu.runtime import runner
from symnet.kernels.cpu.runtime.layouts import (
    BranchWords,
    ChoiceWords,
    MoveWords,
    PatchWords,
    RepeatWords,
    RingWords,
    StepWords,
    WatchWords,
)
from symnet.kernels.cpu.runtime.threads import parallel_for
from symnet.kernels.interface import AnyTask, Choice, Path, Place, Repeat, Task
from symnet.kernels.llvm.emitted_function import EmittedFunction
from symnet.kernels.llvm.kernel_cache import compile_kernels
from symnet.kernels.llvm.machine import machine
from symnet.kernels.memory import LINE, address

# By so much less work is worth handing over to threads that are awake, on the machine
# with 64-byte vectors for which the costs are estimated.
AWAKE = 8
ITERATION_NS, STEP_NS = (
    5.0,
    2.0,
)  # of a loop, beside its steps; of a step, beside its work

Words = np.ndarray[Any, np.dtype[np.int64]]
# Where a pointer that a loop moves is read, and how it moves.
Moves = list[tuple[int, Place]]


@dataclass(eq=False)
class StepList:
    """One list of steps.  path: the way to it; table: the word of its first step; tasks:
    the number of the task of each step; arguments: the word where the block of a task
    begins; inside: the bodies of a task; times: the word for the address of its times."""

    path: Path
    table: int
    times: int
    tasks: list[int] = field(default_factory=list)
    arguments: dict[int, int] = field(default_factory=dict)
    inside: dict[int, list[StepList]] = field(default_factory=dict)


class Assembly:
    """The words of a program.

    start: the address behind which a place lies that is no base of the call.
    zero_base: the number of a base that is 0.
    Afterwards `block` holds the words; `moving` says which of them follow an integer of
    the call: (word, number of the offset, what is added).
    """

    def __init__(
        self, tasks: Sequence[AnyTask], start: Callable[[Place], int], zero_base: int
    ) -> None:
        self.start, self.zero_base = start, zero_base
        self.watch: Words = np.zeros(WatchWords.count, np.int64)
        self.words: list[int] = []
        self.inner: list[int] = []  # words that hold the number of a word: its address
        self.patches: list[tuple[int, int, int]] = []
        self.following: list[tuple[int, int, int]] = []  # patch, number, what is added
        self.loops: list[Moves] = []  # of the loops around what is being laid out
        self.bodies: list[StepList] = []
        leaves = list(leaf_tasks(tasks))
        # One piece for all steps, which come one after another.
        shared = [t for t in leaves if t.scratch is None]
        needed = max((t.arrangement.scratch_bytes for t in shared), default=0)
        self.scratch = np.empty(needed + LINE if needed else 0, np.uint8)
        together = compile_kernels(
            [(t.kernel, t.arrangement.variant) for t in leaves if t.kernel],
            functions_of(tasks, leaves),
        )
        # What the addresses in the words belong to: loaded as long as this is held.
        self.codes: list[object] = [*together]
        self._body(tasks, (), -1)
        self.step_count = len(self.bodies[0].tasks)
        self.first_patch = len(self.words)
        self.block = self._finish()
        del self.start  # the program's: with it the two would hold each other

    # ---- words

    def _place(self, words: Sequence[int]) -> int:
        """Append words; the position of the first."""
        self.words += words
        return len(self.words) - len(words)

    def _link(self, word: int, position: int) -> None:
        """Let a word hold the address of the word at `position`."""
        self.words[word] = position
        self.inner.append(word)

    def _finish(self) -> Words:
        self.moving = []
        for number, follows, added in self.following:
            word = self.first_patch + PatchWords.count * number + PatchWords.distance
            self.moving.append((word, follows, added))
        for word, base, distance in self.patches:
            record = PatchWords.pack(base=base, distance=distance)
            self._link(self._place(record) + PatchWords.place, word)
        block = np.array([*self.words, 0], np.int64)
        block[self.inner] = block[self.inner] * 8 + block.ctypes.data
        return block

    # ---- steps

    def _body(self, tasks: Sequence[AnyTask], path: Path, times: int) -> StepList:
        tasks = [self._fused(task) for task in tasks]
        steps = step_list(tasks, self.codes, bool(self.loops))
        body = StepList(path, self._place([0] * (StepWords.count * len(steps))), times)
        self.bodies.append(body)
        for number, task in enumerate(tasks):
            self._task(body, number, task)
        for k, (number, code, total, grain) in enumerate(steps):
            at = body.table + StepWords.count * k
            body.tasks.append(number)
            step = StepWords.pack(code=code, total=total, grain=grain)
            self.words[at : at + StepWords.count] = step
            self._link(at + StepWords.arguments, body.arguments[number])
        return body

    def _fused(self, task: AnyTask) -> AnyTask:
        """A loop over numbers as one task."""
        if not isinstance(task, Repeat):
            return task
        return fused_loop(task, len(self.loops), self.watch.ctypes.data) or task

    def _task(self, body: StepList, number: int, task: AnyTask) -> None:
        if isinstance(task, Task):
            body.arguments[number] = self._place(task.arrangement.words)
            self._fill(task, body.arguments[number])
        elif isinstance(task, Repeat):
            body.arguments[number] = self._place([0] * RepeatWords.count)
            self._repeat(body, number, task)
        else:
            body.arguments[number] = self._place([0] * ChoiceWords.count)
            self._choice(body, number, task)

    def _fill(self, task: Task, start: int) -> None:
        work = task.arrangement
        if task.scratch is not None:
            self._point(start + work.scratch_slot, task.scratch)
        elif work.scratch_bytes:
            self.words[start + work.scratch_slot] = aligned(self.scratch)
        if isinstance(work, CallArrangement):
            for word, routine in work.routines:
                self.words[start + word] = routine.address
                self.codes.append(routine)
            for word, other in work.own_words:
                self._link(start + word, start + other)
        for slot, place in zip(work.pointer_slots, task.places, strict=True):
            if place is not None and slot >= 0:
                self._point(start + slot, place)

    def _repeat(self, body: StepList, number: int, task: Repeat) -> None:
        start = body.arguments[number]
        self.words[start + RepeatWords.iterations] = task.iterations
        self.words[start + RepeatWords.watch] = self.watch.ctypes.data
        if task.until is not None:
            self._point(start + RepeatWords.until, task.until)
        if task.done is not None:
            self._point(start + RepeatWords.done, task.done)
        self.loops.append([])
        path = (*body.path, number, 0)
        inside = self._body(task.body, path, start + RepeatWords.times)
        body.inside[number] = [inside]
        self._list(start + RepeatWords.steps, inside)
        moves = self.loops.pop()
        straight = [(w, p) for w, p in moves if not p.walks[-1].slots]
        round_ = [(w, p) for w, p in moves if p.walks[-1].slots]
        self._moves(start + RepeatWords.moves, MoveWords.count, straight)
        self._moves(start + RepeatWords.rings, RingWords.count, round_)

    def _list(self, word: int, body: StepList) -> None:
        self._link(word, body.table)
        self.words[word + 1] = len(body.tasks)

    def _moves(self, word: int, size: int, moves: Moves) -> None:
        """The records of pointers that a loop moves: each has an origin, which is itself
        a pointer that an outer loop may move."""
        table = self._place([0] * (size * len(moves)))
        self._link(word, table)
        self.words[word + 1] = len(moves)
        for k, (pointer, place) in enumerate(moves):
            record, walk = table + size * k, place.walks[-1]
            self._link(record + MoveWords.place, pointer)
            origin = replace(place, walks=place.walks[:-1])
            self._point(record + MoveWords.origin, origin)
            self.words[record + MoveWords.step] = walk.step
            if walk.slots:
                self.words[record + RingWords.slots] = walk.slots
                self.words[record + RingWords.first] = walk.first

    def _choice(self, body: StepList, number: int, task: Choice) -> None:
        start = body.arguments[number]
        self._point(start + ChoiceWords.condition, task.condition)
        self.words[start + ChoiceWords.watch] = self.watch.ctypes.data
        body.inside[number] = []
        for k, word in enumerate((ChoiceWords.first, ChoiceWords.second)):
            path = (*body.path, number, k)
            inside = self._body(task.bodies[k], path, start + word + BranchWords.times)
            body.inside[number].append(inside)
            self._list(start + word, inside)

    # ---- pointers

    def _point(self, word: int, place: Place) -> None:
        """Set the pointer at `word`, now, by a patch at each call, or by a loop."""
        if place.walks:
            self.loops[place.walks[-1].depth].append((word, place))
        elif place.kind == "base":
            self._patch(word, place.number, 0, place)
        elif place.follows >= 0:
            self._patch(word, self.zero_base, self.start(place), place)
        else:
            self.words[word] = self.start(place) + place.offset

    def _patch(self, word: int, base: int, start: int, place: Place) -> None:
        if place.follows >= 0:
            self.following.append((len(self.patches), place.follows, start))
        self.patches.append((word, base, start + place.offset))

    # ---- afterwards

    @property
    def paths(self) -> list[Path]:
        """The way to the task of each step, body by body."""
        return [(*body.path, task) for body in self.bodies for task in body.tasks]

    def set_times(self, times: int) -> None:
        """Have the steps of inner bodies timed too: the address of the counters of all
        steps, in the order of `paths`; 0: no more."""
        for body in self.bodies:
            if body.times >= 0:
                self.block[body.times] = times
            times += 8 * len(body.tasks) if times else 0

    def failed(self, step: int) -> tuple[Path, list[int]]:
        """See `Loaded.failed`."""
        body, iterations = self.bodies[0], list[int]()
        while True:
            number = body.tasks[step]
            inside = body.inside.get(number)
            if not inside:
                return (*body.path, number), iterations
            start = body.arguments[number]
            if len(inside) == 1:
                iterations.append(int(self.block[start + RepeatWords.iterations_done]))
                step = int(self.block[start + RepeatWords.failed_step]) - 1
                body = inside[0]
            else:
                step = int(self.block[start + ChoiceWords.failed_step]) - 1
                body = inside[int(self.block[start + ChoiceWords.taken])]


def step_list(
    tasks: Sequence[AnyTask], codes: list[object], awake: bool = False
) -> list[tuple[int, int, int, int]]:
    """(number of the task, address of the code, items, grain) of each step.  Loops over
    nothing are left out; a reduction in parts has a second step that combines them.

    codes: what the addresses belong to is added to these.
    awake: the threads are, as in a loop: to hand work over costs less.
    """
    steps: list[tuple[int, int, int, int]] = []
    for number, task in enumerate(tasks):
        if not isinstance(task, Task):
            code = runner.repeat if isinstance(task, Repeat) else runner.choose
            steps.append((number, code.address, 1, 1))
            continue
        work = task.arrangement
        if task.kernel is None:
            codes.append(work.code)
            steps.append((number, work.address, work.total, work.grain))
            for code, total in work.after:
                codes.append(code)
                steps.append((number, code.address, total, 1))
            continue
        (code_,) = compile_kernels([(task.kernel, work.variant)])
        codes.append(code_)
        if work.total or work.scratch_bytes:
            less = AWAKE * 64 // machine().target.vector_bytes if awake else 1
            grain = max(work.grain // less, 1)
            steps.append((number, code_.address, work.total, grain))
        if work.scratch_bytes:
            steps.append((number, code_.combine, 1, 1))
    return steps


def leaf_tasks(tasks: Sequence[AnyTask]) -> Iterator[Task]:
    """All tasks but loops and choices, in order."""
    for task in tasks:
        if isinstance(task, Task):
            yield task
        elif isinstance(task, Repeat):
            yield from leaf_tasks(task.body)
        else:
            for body in task.bodies:
                yield from leaf_tasks(body)


def functions_of(
    tasks: Sequence[AnyTask], leaves: Sequence[Task]
) -> set[Native[Any] | EmittedFunction]:
    """The functions, other than kernels, that a program needs before it can run."""
    works = [task.arrangement for task in leaves]
    calls = [work for work in works if isinstance(work, CallArrangement)]
    found = {work.code for work in calls}
    found |= {routine for work in calls for _, routine in work.routines}
    found |= {code for work in calls for code, _ in work.after}
    if any(work.total > work.grain for work in works):
        found.add(parallel_for)
    if not all(isinstance(task, Task) for task in tasks):
        found.add(runner.repeat)
    return {code for code in found if not isinstance(code, int)}


def cost(task: AnyTask) -> float:
    """The nanoseconds that a task may take."""
    if isinstance(task, Task):
        return float(task.arrangement.cost_ns)
    if isinstance(task, Repeat):
        once = sum(cost(inner) + STEP_NS for inner in task.body)
        return task.iterations * (ITERATION_NS + once)
    return max(sum(map(cost, body)) for body in task.bodies)


def aligned(array: np.ndarray[Any, Any]) -> int:
    """The first address in `array` (a line longer than needed) at the start of a line."""
    return -(-address(array) // LINE) * LINE
