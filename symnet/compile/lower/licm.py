"""Loop-invariant code motion: what no iteration of a loop changes is done before it.

Such are instructions that only lowering makes, as the copy of a matrix that a library
cannot read as it lies, and what the user wrote inside the loop though it could stand
outside.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from symnet.compile.lower.lower_scan import loop_inputs
from symnet.compile.lower.program import (
    Buffer,
    Instruction,
    KernelLaunch,
    LibraryCall,
    Loop,
    Program,
    change_loops,
)
from symnet.kernels.loopir.views import View


def hoist_invariants(program: Program) -> Program:
    """The program with what no iteration changes moved out of its loops.

    What may fail stays: a loop without iterations must not fail.
    """
    return replace(program, steps=change_loops(program.steps, _hoist))


def _hoist(loop: Loop, depth: int) -> tuple[Sequence[Instruction], Loop]:
    steps = loop.body.steps
    found = invariant_instructions(steps, depth)
    if not found:
        return (), loop
    body = replace(loop.body, steps=[step for step in steps if step not in found])
    loop = replace(loop, body=body)
    before = [step for step in steps if step in found]
    return before, replace(loop, inputs=loop_inputs(loop, depth))


def invariant_instructions(
    steps: Sequence[Instruction], depth: int
) -> set[Instruction]:
    """The steps that do the same in every iteration of the loop with `depth` loops around it:
    what they read changes in none, and nobody else writes what they write."""
    kinds = (KernelLaunch, LibraryCall)
    found: set[Instruction] = {s for s in steps if isinstance(s, kinds) and _is_safe(s)}
    while True:
        changing = {v.buffer for s in steps if s not in found for v in s.outputs}
        rest = {
            step
            for step in found
            if not any(moves(view, changing, depth) for view in step.reads)
            and not any(view.buffer in changing for view in step.outputs)
        }
        if len(rest) == len(found):
            return found
        found = rest


def _is_safe(step: Instruction) -> bool:
    """Whether a step cannot fail, and its results are not within other memory, where
    others write too."""
    within = any(view.buffer.within is not None for view in step.outputs)
    return not (step.fallible or within)


def moves(view: View, changing: Collection[Buffer], depth: int) -> bool:
    """Whether a view is of something that the loop with `depth` loops around it changes."""
    row = view.buffer.row
    return view.buffer in changing or (row is not None and row.depth >= depth)
