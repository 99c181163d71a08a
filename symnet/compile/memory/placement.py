"""Where results lie, and in which order steps run.

Temporaries are given the memory of an output, of the shared variable that they update,
or of an array that is used for the last time; the rest share one arena.  This is the
only place where anything is decided to be overwritten.

Rules kept here:
- a shared variable is written only after every step that reads its old value, and after
  every step that may fail: a failed call changes nothing;
- the result of one step may lie over an input only where it is read at the very same
  position of the same loop;
- a step that starts from a copy overwrites, with that copy, all that lay there: nothing
  of it may be read by the copy or the step, unless it is in place already.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from symnet.compile.lower.context import Context
from symnet.compile.lower.program import (
    Access,
    Buffer,
    Instruction,
    KernelLaunch,
    copy_launch,
    regions_of,
)
from symnet.compile.memory.bounds_checks import check_step
from symnet.graph.variables import Apply, Variable
from symnet.kernels.loopir.views import ONE, View, contiguous_strides, product
from symnet.shared import SharedVariable
from symnet.sizes.infer import Inference


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
            for view in _reads(step):
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


def _reads(step: Instruction) -> list[View]:
    initial = [step.initial] if step.initial is not None else []
    return [*step.inputs, *initial]


def place(
    context: Context,
    outputs: Sequence[Variable],
    updates: Mapping[SharedVariable, Variable],
    inference: Inference,
) -> tuple[list[Instruction], list[Buffer], list[tuple[SharedVariable, int]]]:
    """Give every temporary its place and order the steps.

    Returns the steps in order, the buffers of the outputs (with those of shared
    variables whose size may change behind them), and which of these replace whom.
    """
    placer = Placer(context, inference)
    results = [placer.output(k, v) for k, v in enumerate(outputs)]
    replaced: list[tuple[SharedVariable, int]] = []
    for shared, value in updates.items():
        if placer.same_sizes(shared, value):
            placer.update(shared, value, updates)
        else:
            replaced.append((shared, len(results)))
            results.append(placer.output(len(results), value))
    placer.initials()
    return placer.ordered(), results, replaced


class Placer:
    """Decides places one by one, keeping the dependences of the steps."""

    def __init__(self, context: Context, inference: Inference) -> None:
        self.context = context
        self.inference = inference
        self.layout = Layout(list(context.steps))
        self.makers: dict[Buffer, Instruction] = {}
        self.reading: dict[Buffer, list[Instruction]] = {}
        self.commits: list[Instruction] = []
        self.writers: dict[Buffer, list[Instruction]] = {}
        self.overwriting: dict[
            Buffer, Instruction
        ] = {}  # shared -> who writes its new value
        for step in self.layout.steps:
            for view in step.outputs:
                self.makers[view.buffer] = step
                self.writers.setdefault(view.buffer, []).append(step)
            for view in _reads(step):
                self.reading.setdefault(view.buffer, []).append(step)
        self.fallible = {s for s in self.layout.steps if s.fallible}
        written = [v.buffer for s in self.layout.steps for v in s.outputs]
        # Others write their beginnings: the first rows of a history.
        self.begun = {b.home for b in written if b.place is not None}

    # ---- outputs

    def output(self, position: int, variable: Variable) -> Buffer:
        """The buffer of a result: the temporary itself, or a copy."""
        view = self.context.view_of(variable)
        sizes = self.inference.sizes_of(variable)
        buffer = Buffer("output", view.dtype, sizes, position, name=variable.name or "")
        self._give(view, buffer)
        return buffer

    def result(self, variable: Variable, buffer: Buffer) -> None:
        """Have a result inside a loop or a choice written to its buffer."""
        self._give(self.context.view_of(variable), buffer)

    def _give(self, view: View, buffer: Buffer) -> None:
        if self._whole(view) and view.buffer.place is None:
            view.buffer.place = buffer
        else:
            self._add(_copy_into(view, buffer))

    def overwrite(self, view: View, target: Buffer) -> bool:
        """Have a value written over `target` where that is safe; whether it is."""
        buffer = view.buffer
        if not self._whole(view) or buffer.place is not None:
            return False
        if not self._may_write(buffer, target):
            return False
        buffer.place = target
        return True

    def _whole(self, view: View) -> bool:
        """Whether the view is all of a temporary of this list of steps, in its order."""
        buffer = view.buffer
        return (
            buffer.kind == "temporary"
            and buffer in self.makers
            and len(view.sizes) == len(buffer.sizes)
            and all(a is b for a, b in zip(view.sizes, buffer.sizes, strict=True))
            and view.contiguous
            and view.offset.op == "literal"
            and view.offset.value == 0
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

    def same_sizes(self, shared: Variable, value: Variable) -> bool:
        """Whether the new value certainly has the old one's sizes."""
        old, new = self.inference.sizes_of(shared), self.inference.sizes_of(value)
        return all(self.inference.same(a, b) for a, b in zip(old, new, strict=True))

    def update(
        self,
        shared: Variable,
        value: Variable,
        updates: Mapping[SharedVariable, Variable],
    ) -> None:
        """Have the new value written over the old one, directly where that is safe."""
        target = self.context.view_of(shared).buffer
        view = self.context.view_of(value)
        buffer = view.buffer
        if buffer is target:
            if view == self.context.view_of(shared):
                return  # updated with itself
        elif self.overwrite(view, target):
            return
        if buffer.home.leaf in updates:
            # A view of something that is overwritten: copied first, committed last.
            view = self.context.dense(value, view, value.owner)  # type: ignore[arg-type]
            self._add(self.context.steps[-1])
        self.commits.append(_copy_into(view, target))

    def _may_write(self, buffer: Buffer, target: Buffer) -> bool:
        """Whether the step that makes `buffer` may write to `target` at once.  Where it
        may, its order after the readers of `target` is recorded."""
        maker = self.makers[buffer]
        if len(self.writers[buffer]) > 1 or buffer in self.begun:
            return False  # parts made by several steps
        if not _overwrites_safely(maker, buffer, target):
            return False
        before = {s for s in self.reading.get(target, ()) if s is not maker}
        before |= self.fallible - {maker}
        if self.layout.reaches(maker, before):
            return False
        if maker.fallible:
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
        if source.buffer is not target or not _dense(source):
            return None
        flag = Buffer("temporary", "bool", position=len(self.context.temporaries))
        check = check_step(maker, source, View(flag, "bool", (), ()))
        if check is not None:
            self.context.temporaries.append(flag)
            maker.fallible = False
            self.fallible = (self.fallible - {maker}) | {check}
            self._add(check)
        return check

    # ---- results that start from an input

    def initials(self) -> None:
        """A result that starts as a copy of an input takes its memory where nobody else
        needs that, and is preceded by the copy otherwise."""
        for step in list(self.layout.steps):
            if step.initial is None:
                continue
            result = step.outputs[0].buffer
            source = step.initial
            if result.home is source.buffer.home and _dense(source):
                continue
            if self._last_use(step, source) and result.place is None:
                result.place = source.buffer
                continue
            self._copy_before(step, source, result)

    def _last_use(self, step: Instruction, source: View) -> bool:
        buffer = source.buffer
        only = all(s is step for s in self.reading.get(buffer, ()))
        inside = any(v.buffer is buffer for v in step.inputs)
        unshared = len(self.context.owners.get(buffer, ())) <= 1
        free = buffer.place is None and buffer not in self.results
        return only and not inside and unshared and free and self._whole(source)

    @property
    def results(self) -> set[Buffer]:
        return {v.buffer for s in self.commits for v in s.inputs}

    def _copy_before(self, step: Instruction, source: View, result: Buffer) -> None:
        copy = _copy_into(source, result, step.nodes)
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
        depends run as soon as they can, so that what they read is freed.  Writes to
        shared variables that free nothing come last: a call can be broken off until the
        first of them."""
        steps = self.layout.steps
        position = {step: k for k, step in enumerate(self.context.steps)}
        waiting = dict.fromkeys(steps, 0)
        for step in steps:
            for follower in self.layout.after[step]:
                waiting[follower] += 1
        ready: list[tuple[int, int, int]] = []

        def push(k: int, step: Instruction) -> None:
            turn = 2 if _only_writes_shared(step) else bool(self.layout.after[step])
            heapq.heappush(ready, (turn, position.get(step, -1), k))

        number = {step: k for k, step in enumerate(steps)}
        for k, step in enumerate(steps):
            if not waiting[step]:
                push(k, step)
        order: list[Instruction] = []
        while ready:
            step = steps[heapq.heappop(ready)[2]]
            order.append(step)
            for follower in self.layout.after[step]:
                waiting[follower] -= 1
                if not waiting[follower]:
                    push(number[follower], follower)
        assert len(order) == len(steps), "steps depend on each other in a circle"
        return order + self.commits


def _copy_into(view: View, buffer: Buffer, nodes: Sequence[Apply] = ()) -> KernelLaunch:
    strides = contiguous_strides(buffer.sizes, view.itemsize)
    target = View(buffer, view.dtype, buffer.sizes, strides)
    return copy_launch(view, target, nodes)


def _only_writes_shared(step: Instruction) -> bool:
    """Whether the step writes a shared variable and frees nothing worth mentioning."""
    frees = any(v.buffer.home.kind == "temporary" and v.sizes for v in _reads(step))
    return not frees and any(v.buffer.home.kind == "shared" for v in step.outputs)


def _overwrites_safely(step: Instruction, buffer: Buffer, target: Buffer) -> bool:
    """Whether `buffer`, which the step makes, may lie over `target`: the step, and the
    copy from which it starts, read there only what has not been overwritten yet."""
    inside = any(v.buffer.home is target for v in step.inputs)
    if step.initial is not None:
        started = step.initial.buffer.home is target
        if started and not _dense(step.initial):
            return False  # the copy would read, in another order, what it overwrites
        if not started:
            return not inside
    if not inside:
        return True
    if not isinstance(step, KernelLaunch) or step.apart is not None:
        return False
    count = len(step.inputs)
    write = next(a for a in step.accesses[count:] if a.view.buffer is buffer)
    return _written_once(step, write) and all(
        _same_elements(a, write, step.kernel.rank)
        for a in step.accesses[:count]
        if a.view.buffer.home is target
    )


def _written_once(step: KernelLaunch, write: Access) -> bool:
    """Whether each element is stored once, after all reads at its point of the loop: not
    in a later pass over a row, nor again in every turn of an axis that it lacks."""
    if write.indexed:
        return False
    along = {axis for axis in write.axes if axis is not None}
    return all(
        (axis not in along) if reduced else (axis in along or length is ONE)
        for axis, (reduced, length) in enumerate(
            zip(step.kernel.reduced, step.sizes, strict=True)
        )
    )


def _same_elements(read: Access, write: Access, rank: int) -> bool:
    """Whether both are at the same bytes in each point of the loop, if both arrays begin
    at the same place."""
    if read.indexed or read.view.itemsize != write.view.itemsize:
        return False
    if _dense(read.view) and _dense(write.view):
        return read.axes == write.axes  # then both have the sizes of the loop
    return read.view.offset is write.view.offset and all(
        a is b for a, b in zip(read.strides(rank), write.strides(rank), strict=True)
    )


def _dense(view: View) -> bool:
    return view.contiguous and view.offset.op == "literal" and view.offset.value == 0


def reuse_dying(steps: Sequence[Instruction], own: Collection[Buffer]) -> None:
    """Let an elementwise result lie over an input that is read for the last time; both
    are among `own`, the temporaries of these steps alone."""
    last = {
        v.buffer.home: step for step in steps for v in (*_reads(step), *step.outputs)
    }
    last = {buffer: step for buffer, step in last.items() if buffer in own}
    first: dict[
        Buffer, Instruction
    ] = {}  # who begins what several steps make, as a join
    for step in steps:
        for view in step.outputs:
            first.setdefault(view.buffer, step)
        if (
            not isinstance(step, KernelLaunch)
            or any(step.kernel.reduced)
            or step.initial
        ):
            continue
        for view in step.outputs:
            buffer = view.buffer
            if buffer.place is None and buffer in last and first[buffer] is step:
                _take_over(step, buffer, last)


def _take_over(
    step: KernelLaunch, buffer: Buffer, last: dict[Buffer, Instruction]
) -> None:
    taken = {v.buffer.home for v in step.outputs}
    for view in step.inputs:
        old = view.buffer.home
        fits = (
            old not in taken
            and last.get(old) is step
            and _fills(buffer, old)
            and _overwrites_safely(step, buffer, old)
        )
        if fits:
            last[old] = last[buffer]
            buffer.place = old
            return


def _fills(new: Buffer, old: Buffer) -> bool:
    """Whether one buffer is certainly as large as the other."""
    same = np.dtype(new.dtype).itemsize == np.dtype(old.dtype).itemsize
    return same and product(new.sizes) is product(old.sizes)


def lifetimes(steps: Sequence[Instruction]) -> dict[Buffer, tuple[int, int]]:
    """For each temporary the first and the last moment at which it is touched.

    What a loop or choice touches of its surroundings it needs from its beginning to its
    end: it comes back to it in every turn.  Its own temporaries live inside one turn.
    """
    found: dict[Buffer, tuple[int, int]] = {}
    _live(steps, 0, found)
    return found


def _live(
    steps: Sequence[Instruction], moment: int, found: dict[Buffer, tuple[int, int]]
) -> int:
    """Enter the lifetimes, from `moment` on; the moment after the last step."""
    for step in steps:
        begin = moment
        for body in regions_of(step):
            moment = _live(body.steps, moment, found)
        for view in (*_reads(step), *step.outputs):
            base = view.buffer.base
            if base.kind == "temporary":
                first, last = found.get(base, (begin, moment))
                found[base] = min(first, begin), max(last, moment)
        moment += 1
    return moment


def pack(
    lives: Mapping[Buffer, tuple[int, int]], sizes: Mapping[Buffer, int]
) -> tuple[dict[Buffer, int], int]:
    """Offsets in one arena so that arrays that live at the same time do not overlap.

    First fit in order of first use, each at a multiple of 64 bytes.
    Returns the offsets, and the size of the arena in bytes.
    """
    free: list[tuple[int, int]] = []  # (offset, length), by offset
    dying: list[tuple[int, int, int]] = []  # (last step, offset, length)
    offsets: dict[Buffer, int] = {}
    end = 0
    for buffer, (first, last) in sorted(lives.items(), key=lambda item: item[1]):
        length = -(-max(sizes[buffer], 1) // 64) * 64
        while dying and dying[0][0] < first:
            _, offset, gone = heapq.heappop(dying)
            free = _with_block(free, offset, gone)
        fit = min((b for b in free if b[1] >= length), key=lambda b: b[1], default=None)
        if fit is None and free and free[-1][0] + free[-1][1] == end:
            fit = free[-1]  # the last block grows
            end = fit[0] + length
            free.remove(fit)
            offset = fit[0]
        elif fit is None:
            offset, end = end, end + length
        else:
            free.remove(fit)
            offset = fit[0]
            if fit[1] > length:
                free = _with_block(free, offset + length, fit[1] - length)
        offsets[buffer] = offset
        heapq.heappush(dying, (last, offset, length))
    return offsets, end


def _with_block(
    free: list[tuple[int, int]], offset: int, length: int
) -> list[tuple[int, int]]:
    """The free blocks with one more, neighbours joined."""
    joined: list[tuple[int, int]] = []
    for block in sorted([*free, (offset, length)]):
        if joined and joined[-1][0] + joined[-1][1] == block[0]:
            joined[-1] = (joined[-1][0], joined[-1][1] + block[1])
        else:
            joined.append(block)
    return joined
