"""Steps that do the same in every turn of a loop, done once before it.

Such are steps that only context makes, as the copy of a matrix that a library cannot
read as it lies, and what the user wrote inside the loop though it could stand outside.
"""

from __future__ import annotations

from collections.abc import Sequence

from symnet.compile.lower.context import Context
from symnet.compile.lower.program import Buffer, Instruction, KernelLaunch, LibraryCall
from symnet.kernels.loopir.views import View


def hoist_invariants(context: Context, inner: Context) -> None:
    """Move what no turn changes out of the body `inner` of a loop in `context`.

    Steps that may fail stay: a loop without turns must not fail.
    """
    found = invariant_instructions(inner.steps, context.depth)
    context.steps += [step for step in inner.steps if step in found]
    inner.steps = [step for step in inner.steps if step not in found]
    buffers = {view.buffer for step in found for view in step.outputs}
    context.temporaries += [b for b in inner.temporaries if b in buffers]
    inner.temporaries = [b for b in inner.temporaries if b not in buffers]


def invariant_instructions(
    steps: Sequence[Instruction], depth: int
) -> set[Instruction]:
    """The steps that do the same in every turn of the loop with `depth` loops around it:
    what they read changes in none, and nobody else writes what they write."""
    kinds = (KernelLaunch, LibraryCall)
    found: set[Instruction] = {s for s in steps if isinstance(s, kinds) and _is_safe(s)}
    while True:
        changing = {v.buffer for s in steps if s not in found for v in s.outputs}
        rest = {
            step
            for step in found
            if not any(moves(view, changing, depth) for view in _reads(step))
            and not any(view.buffer in changing for view in step.outputs)
        }
        if len(rest) == len(found):
            return found
        found = rest


def _is_safe(step: Instruction) -> bool:
    """Whether a step cannot fail, and its results have no place in other memory, where
    others write too."""
    placed = any(view.buffer.place is not None for view in step.outputs)
    return not (step.fallible or placed)


def moves(view: View, changing: set[Buffer], depth: int) -> bool:
    """Whether a view is of something that the loop with `depth` loops around it changes."""
    row = view.buffer.row
    return view.buffer in changing or (row is not None and row.depth >= depth)


def _reads(step: Instruction) -> list[View]:
    return [*step.inputs, *([step.initial] if step.initial is not None else [])]
