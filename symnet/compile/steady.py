"""Steps that do the same in every turn of a loop, done once before it.

Rewriting has moved operations out of the loop already; what is left are steps that only
lowering makes, such as the copy of a matrix that a library cannot read as it lies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from symnet.compile.program import Buffer, CallStep, LoopStep, Step
from symnet.kernels.views import View

if TYPE_CHECKING:
    from symnet.compile.lower import Lowering


def hoist_steps(lowering: Lowering, inner: Lowering) -> None:
    """Move what no turn changes out of the body `inner` of a loop in `lowering`.

    Steps that may fail stay: a loop without turns must not fail.
    """
    writers: dict[Buffer, int] = {}
    for step in inner.steps:
        for view in step.outputs:
            writers[view.buffer] = writers.get(view.buffer, 0) + 1
    changing = set(writers)
    kept: list[Step] = []
    for step in inner.steps:
        movable = isinstance(step, (LoopStep, CallStep)) and not step.fallible
        # What has its place in other memory is written there by others too.
        single = all(
            writers[view.buffer] == 1 and view.buffer.place is None
            for view in step.outputs
        )
        if (
            movable
            and single
            and not any(moves(view, changing, lowering.depth) for view in _reads(step))
        ):
            lowering.steps.append(step)
            for view in step.outputs:
                changing.discard(view.buffer)
                inner.temporaries.remove(view.buffer)
                lowering.temporaries.append(view.buffer)
        else:
            kept.append(step)
    inner.steps = kept


def moves(view: View, changing: set[Buffer], depth: int) -> bool:
    """Whether a view is of something that the loop with `depth` loops around it changes."""
    row = view.buffer.row
    return view.buffer in changing or (row is not None and row.depth >= depth)


def _reads(step: Step) -> list[View]:
    return [*step.inputs, *([step.initial] if step.initial is not None else [])]
