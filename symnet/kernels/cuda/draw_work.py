"""Draws of random numbers as launches."""

from __future__ import annotations

from math import prod

from symnet.data_classes import dataclass
from symnet.kernels.library import DenseCall
from symnet.kernels.llvm.thread_sources import DrawSource
from symnet.kernels.routines import Categorical, MrgUniform, Routine


@dataclass(frozen=True, slots=True)
class DrawStep:
    """A draw from operands of a task, by number.

    sizes: the words behind those of the operands; total: threads that have work.
    """

    source: DrawSource
    sizes: tuple[int, ...]
    total: int
    operands: tuple[int, ...]

    @property
    def offsets(self) -> tuple[int, ...]:
        """Bytes from the start of each operand: none."""
        return (0,) * len(self.operands)


def offers_draw(routine: Routine) -> bool:
    """Whether threads can do it."""
    return isinstance(routine, (MrgUniform, Categorical))


def draw_step(call: DenseCall) -> DrawStep | None:
    """What a call launches; None where it is no draw that threads can do."""
    routine = call.routine
    shapes = [shape for _, shape in call.operands]
    if isinstance(routine, MrgUniform):
        (streams, _), numbers = shapes[-2], prod(shapes[-1])
        last = len(shapes) - 1
        # States are moved on where the first output lies.
        total = min(streams, numbers)
        return DrawStep(
            DrawSource(routine), (streams, numbers), total, (last - 1, last)
        )
    if isinstance(routine, Categorical):
        (rows, classes), (numbers,) = shapes[:2]
        draws = numbers // rows if rows else 0
        sizes, operands = (rows, classes, draws), tuple(range(len(shapes)))
        return DrawStep(DrawSource(routine), sizes, rows, operands)
    return None


__all__ = ["DrawStep", "draw_step", "offers_draw"]
