"""Decides places of one list of instructions, and in which order they run.

Rules kept here:
- a shared variable is written only after every step that reads its old value, and after
  every step that may fail: a failed call changes nothing;
- a step that starts from a copy overwrites, with that copy, all that lay there: nothing
  of it may be read by the copy or the step, unless it is in place already;
- what `overwriting` forbids.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Sequence
from dataclasses import field, replace

from symnet.compile.lower.program import (
    Buffer,
    Instruction,
    KernelLaunch,
    Placement,
    Result,
    copy_launch,
)
from symnet.compile.memory import overwriting
from symnet.compile.memory.bounds_checks import check_step
from symnet.compile.memory.overwriting import dense
from symnet.data_classes import dataclass
from symnet.graph.variables import Apply, Variable
from symnet.kernels.loopir.views import View


@dataclass(eq=False)
class Layout:
    """The steps with their dependences, while places are being given."""

    steps: list[Instruction]
    after: dict[Instruction, set[Instruction]] = field(
        default_factory=dict
    )  # step -> those it precedes

    def __post_init__(self) -> None:
        writer: dict[Buffer, list[Instruction]] = {}
        for step in self.steps:
            self.after[step] = set()
            for view in step.reads:
                for source in writer.get(view.buffer, ()):
                    if source is not step:
                        self.after[source].add(step)
            for view in step.outputs:
                writer.setdefault(view.buffer, []).append(step)

    def reaches(self, start: Instruction, goals: set[Instruction]) -> bool:
        """Whether any of `goals` must run after `start`."""
        seen, stack = {start}, [start]
        while stack:
            for follower in self.after[stack.pop()]:
                if follower in goals:
                    return True
                if follower not in seen:
                    seen.add(follower)
                    stack.append(follower)
        return False


class Placer:
    """Decides places one by one, keeping the dependences of the steps.

    places: the program's, to which it adds.
    """

    def __init__(
        self, steps: Sequence[Instruction], places: dict[Buffer, Buffer]
    ) -> None:
        self.places, self.placement = places, Placement(places)
        self.layout = Layout(list(steps))
        self.position = {step: k for k, step in enumerate(steps)}
        self.makers: dict[Buffer, Instruction] = {}
        self.reading: dict[Buffer, list[Instruction]] = {}
        self.writers: dict[Buffer, list[Instruction]] = {}
        self.commits: list[Instruction] = []
        # shared -> who writes its new value
        self.overwriting: dict[Buffer, Instruction] = {}
        self.checked: set[Instruction] = set()  # may no longer fail
        for step in steps:
            for buffer in {view.buffer: None for view in step.outputs}:
                self.makers[buffer] = step
                self.writers.setdefault(buffer, []).append(step)
            for view in step.reads:
                self.reading.setdefault(view.buffer, []).append(step)
        self.fallible = {s for s in steps if s.fallible}
        # Others write their beginnings: the first rows of a history.
        within = [b for b in self.makers if b.within is not None]
        self.begun = {self.placement.home(b) for b in within}

    # ---- results

    def result(self, result: Result) -> None:
        """Have a result written to its target: by the step that makes it, or a copy."""
        buffer = result.value.buffer
        if self._whole(result.value) and self._unplaced(buffer):
            self.places[buffer] = result.target
        else:
            self._add(copy_into(result.value, result.target))

    def overwrite(self, view: View, target: Buffer) -> bool:
        """Have a value written over `target` where that is safe; whether it is."""
        buffer = view.buffer
        if not self._whole(view) or not self._unplaced(buffer):
            return False
        if not self._may_write(buffer, target):
            return False
        self.places[buffer] = target
        return True

    def _unplaced(self, buffer: Buffer) -> bool:
        return self.placement.place(buffer) is None

    def _whole(self, view: View) -> bool:
        """Whether the view is all of a temporary of this list of steps, in its order."""
        buffer = view.buffer
        return (
            buffer.kind == "temporary"
            and buffer in self.makers
            and len(view.sizes) == len(buffer.sizes)
            and all(a is b for a, b in zip(view.sizes, buffer.sizes, strict=True))
            and dense(view)
        )

    def _add(self, step: Instruction) -> None:
        self.layout.steps.append(step)
        self.layout.after[step] = set()
        for view in step.inputs:
            self.reading.setdefault(view.buffer, []).append(step)
            for maker in self.writers.get(view.buffer, ()):
                self.layout.after[maker].add(step)
            if view.buffer in self.overwriting:
                self.layout.after[step].add(self.overwriting[view.buffer])
        for view in step.outputs:
            self.writers.setdefault(view.buffer, []).append(step)

    # ---- updates

    def update(self, update: Result, updated: Collection[Variable | None]) -> None:
        """Have a new value written over the old one, directly where that is safe.

        updated: the shared variables that the program writes."""
        view, target = update.value, update.target
        buffer = view.buffer
        if buffer is target:
            if view == target.whole:
                return  # updated with itself
        elif self.overwrite(view, target):
            return
        if self.placement.home(buffer).leaf in updated:
            # A view of something that is overwritten: copied first, committed last.
            view = self._copied(update)
        self.commits.append(copy_into(view, target))

    def _copied(self, update: Result) -> View:
        """A copy of a value, in new memory."""
        source, variable = update.value, update.variable
        name = variable.name or ""
        copy = Buffer("temporary", source.dtype, source.sizes, name=name).whole
        nodes = [variable.owner] if variable.owner is not None else []
        step = copy_launch(source, copy, nodes)
        self.position[step] = len(self.position)
        self._add(step)
        return copy

    def _may_write(self, buffer: Buffer, target: Buffer) -> bool:
        """Whether the step that makes `buffer` may write to `target` at once.  Where it
        may, its order after the readers of `target` is recorded."""
        maker = self.makers[buffer]
        if len(self.writers[buffer]) > 1 or buffer in self.begun:
            return False  # parts made by several steps
        if not overwriting.overwrites_safely(maker, buffer, target, self.placement):
            return False
        before = {s for s in self.reading.get(target, ()) if s is not maker}
        before |= self.fallible - {maker}
        if self.layout.reaches(maker, before):
            return False
        if maker in self.fallible:
            check = self._check_before(maker, target)
            if check is None:
                return False
            before.add(check)
        for step in before:
            self.layout.after[step].add(maker)
        self.overwriting[target] = maker
        return True

    def _check_before(self, maker: Instruction, target: Buffer) -> Instruction | None:
        """A step that fails in place of `maker`, which then may write to `target`."""
        source = maker.initial
        if not isinstance(maker, KernelLaunch) or source is None:
            return None
        if source.buffer is not target or not dense(source):
            return None
        check = check_step(maker, source, Buffer("temporary", "bool").whole)
        if check is not None:
            self.checked.add(maker)
            self.fallible = (self.fallible - {maker}) | {check}
            self._add(check)
        return check

    # ---- results that start from an input

    def initials(self) -> None:
        """A result that starts as a copy of an input takes its memory where nobody else
        needs that, and is preceded by the copy otherwise."""
        home = self.placement.home
        for step in list(self.layout.steps):
            if step.initial is None:
                continue
            result = step.outputs[0].buffer
            source = step.initial
            if home(result) is home(source.buffer) and dense(source):
                continue
            if self._last_use(step, source) and self._unplaced(result):
                self.places[result] = source.buffer
                continue
            self._copy_before(step, source, result)

    def _last_use(self, step: Instruction, source: View) -> bool:
        buffer = source.buffer
        only = all(s is step for s in self.reading.get(buffer, ()))
        inside = any(v.buffer is buffer for v in step.inputs)
        committed = any(v.buffer is buffer for s in self.commits for v in s.inputs)
        free = self._unplaced(buffer) and not committed
        return only and not inside and free and self._whole(source)

    def _copy_before(self, step: Instruction, source: View, result: Buffer) -> None:
        copy = copy_into(source, result, step.nodes)
        # It writes where the step will write: what comes before the one (readers of a
        # shared variable's old value, steps that may fail) comes before the other.
        earlier = [s for s, followers in self.layout.after.items() if step in followers]
        self._add(copy)
        for one in earlier:
            self.layout.after[one].add(copy)
        self.layout.after[copy].add(step)

    # ---- order

    def ordered(self) -> list[Instruction]:
        """The steps in an order that keeps every dependence; those on which nothing
        depends run as soon as they can, so that what they read is freed, and so does what
        only such a step waits for.  Writes to shared variables that free nothing come
        last: a call can be broken off until the first of them."""
        steps, after = self.layout.steps, self.layout.after
        number = {step: k for k, step in enumerate(steps)}
        missing: dict[Instruction, set[Instruction]] = {step: set() for step in steps}
        for step in steps:
            for follower in after[step]:
                missing[follower].add(step)
        ready: list[tuple[int, int, int]] = []

        def push(step: Instruction, turn: int) -> None:
            entry = turn, self.position.get(step, -1), number[step]
            heapq.heappush(ready, entry)

        for step in steps:
            if not missing[step]:
                push(step, self._turn(step))
        order: dict[Instruction, None] = {}
        while ready:
            step = steps[heapq.heappop(ready)[2]]
            if step in order:
                continue
            order[step] = None
            for follower in after[step]:
                missing[follower].discard(step)
                if not missing[follower]:
                    push(follower, self._turn(follower))
                elif self._turn(follower) == 0 and len(missing[follower]) == 1:
                    (last,) = missing[follower]
                    if not missing[last] and after[last] == {follower}:
                        push(last, 0)
        assert len(order) == len(steps), "steps depend on each other in a circle"
        safe = [replace(s, fallible=False) if s in self.checked else s for s in order]
        return safe + self.commits

    def _turn(self, step: Instruction) -> int:
        """Which of the steps that may run do: those of the lowest turn."""
        return 2 if self._only_writes_shared(step) else bool(self.layout.after[step])

    def _only_writes_shared(self, step: Instruction) -> bool:
        """Whether the step writes a shared variable and frees nothing worth mentioning."""
        home = self.placement.home
        if not any(home(v.buffer).kind == "shared" for v in step.outputs):
            return False
        return not any(
            home(v.buffer).kind == "temporary" and v.sizes for v in step.reads
        )


def copy_into(view: View, buffer: Buffer, nodes: Sequence[Apply] = ()) -> KernelLaunch:
    """A copy of a view to a buffer of its sizes."""
    return copy_launch(view, buffer.whole, nodes)
