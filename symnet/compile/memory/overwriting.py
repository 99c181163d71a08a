"""What may lie over what: results over the inputs that they are made of.

The result of a step may lie over an input only where it is read at the very same position
of the same loop.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from symnet.compile.lower.program import (
    Access,
    Buffer,
    Instruction,
    KernelLaunch,
    Placement,
    Program,
    Result,
    every_instruction,
    regions_of,
)
from symnet.kernels.loopir.views import ONE, View, product


def overwrites_safely(
    step: Instruction, buffer: Buffer, target: Buffer, placement: Placement
) -> bool:
    """Whether `buffer`, which the step makes, may lie over `target`: the step, and the
    copy from which it starts, read there only what has not been overwritten yet."""
    inside = any(placement.home(v.buffer) is target for v in step.inputs)
    if step.initial is not None:
        started = placement.home(step.initial.buffer) is target
        if started and not dense(step.initial):
            return False  # the copy would read, in another order, what it overwrites
        if not started:
            return not inside
    if not inside:
        return True
    if not isinstance(step, KernelLaunch) or step.split is not None:
        return False
    count = len(step.inputs)
    write = next(a for a in step.accesses[count:] if a.view.buffer is buffer)
    return _written_once(step, write) and all(
        _same_elements(a, write, step.kernel.rank)
        for a in step.accesses[:count]
        if placement.home(a.view.buffer) is target
    )


def _written_once(step: KernelLaunch, write: Access) -> bool:
    """Whether each element is stored once, after all reads at its point of the loop: not
    in a later pass over a row, nor again in every iteration of an axis that it lacks."""
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
    here, there = read.elements, write.elements
    if read.indexed or here.itemsize != there.itemsize:
        return False
    if dense(here) and dense(there):
        return read.axes == write.axes  # then both have the sizes of the loop
    return here.offset is there.offset and all(
        a is b for a, b in zip(read.strides(rank), write.strides(rank), strict=True)
    )


def dense(view: View) -> bool:
    """Whether a view begins where its buffer does, and has no gaps."""
    return view.contiguous and view.offset.op == "literal" and view.offset.value == 0


# ---- the pass


def reuse_dying(program: Program) -> Program:
    """The program with elementwise results over inputs that are read for the last time,
    both temporaries of the same instructions."""
    places = dict(program.placement.places)
    placement = Placement(places)
    regions = [body for s in every_instruction(program.steps) for body in regions_of(s)]
    for body in regions:
        _reuse(body.steps, body.results, placement, places)
    _reuse(program.steps, program.results, placement, places)
    return replace(program, placement=Placement(places))


def temporaries_of(
    steps: Sequence[Instruction], results: Sequence[Result]
) -> set[Buffer]:
    """The temporaries that belong to instructions alone: they live in one iteration."""
    made = {v.buffer for step in steps for v in step.outputs}
    handed_out = {result.target for result in results}
    return {b for b in made if b.kind == "temporary"} - handed_out


def _reuse(
    steps: Sequence[Instruction],
    results: Sequence[Result],
    placement: Placement,
    places: dict[Buffer, Buffer],
) -> None:
    own = temporaries_of(steps, results)
    last = {
        placement.home(v.buffer): step
        for step in steps
        for v in (*step.reads, *step.outputs)
    }
    last = {buffer: step for buffer, step in last.items() if buffer in own}
    # Who begins what several steps make, as a join.
    first: dict[Buffer, Instruction] = {}
    for step in steps:
        for view in step.outputs:
            first.setdefault(view.buffer, step)
        if not isinstance(step, KernelLaunch) or any(step.kernel.reduced):
            continue
        for view in step.outputs if step.initial is None else ():
            buffer = view.buffer
            begins = buffer in last and first[buffer] is step
            if begins and placement.place(buffer) is None:
                old = _dying(step, buffer, last, placement)
                if old is not None:
                    last[old] = last[buffer]
                    places[buffer] = old


def _dying(
    step: KernelLaunch,
    buffer: Buffer,
    last: dict[Buffer, Instruction],
    placement: Placement,
) -> Buffer | None:
    """An input's memory that nobody needs after the step, and which `buffer` may take."""
    taken = {placement.home(v.buffer) for v in step.outputs}
    for view in step.inputs:
        old = placement.home(view.buffer)
        fits = (
            old not in taken
            and last.get(old) is step
            and _fills(buffer, old)
            and overwrites_safely(step, buffer, old, placement)
        )
        if fits:
            return old
    return None


def _fills(new: Buffer, old: Buffer) -> bool:
    """Whether one buffer is certainly as large as the other."""
    same = np.dtype(new.dtype).itemsize == np.dtype(old.dtype).itemsize
    return same and product(new.sizes) is product(old.sizes)
