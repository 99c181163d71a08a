"""Routines that a GPU's threads do, as launches: draws of random numbers, running totals,
places in order."""

from __future__ import annotations

from math import prod

from symnet.data_classes import dataclass
from symnet.kernels.library import DenseCall
from symnet.kernels.llvm.text import MEMORY
from symnet.kernels.llvm.thread_sources import RoutineSource
from symnet.kernels.routines import (
    Categorical,
    MrgUniform,
    Places,
    Routine,
    Running,
)

# Lines of more elements than this, where fewer threads than that would have one, are left to
# the library of arrays, which has all of the GPU for one line.  Reasoned, not measured.
LONG_LINE, FEW_LINES = 4096, 512


@dataclass(frozen=True, slots=True)
class RoutineStep:
    """A routine on operands of a task, by number.

    sizes: the words behind those of the operands; total: threads that have work.
    """

    source: RoutineSource
    sizes: tuple[int, ...]
    total: int
    operands: tuple[int, ...]

    @property
    def offsets(self) -> tuple[int, ...]:
        """Bytes from the start of each operand: none."""
        return (0,) * len(self.operands)


def offers_threads(routine: Routine) -> bool:
    """Whether threads can do it."""
    if isinstance(routine, (Running, Places)):
        return routine.dtype in MEMORY
    return isinstance(routine, (MrgUniform, Categorical))


def routine_step(call: DenseCall, in_order: bool = False) -> RoutineStep | None:
    """What a call launches; None where threads cannot do it, or too few would.

    in_order: whether each sum has the CPU's order, whatever that costs."""
    routine = call.routine
    shapes = [shape for _, shape in call.operands]
    every = tuple(range(len(shapes)))
    if not offers_threads(routine):
        return None
    match routine:
        case MrgUniform():
            (streams, _), numbers = shapes[-2], prod(shapes[-1])
            # States are moved on where the first output lies.
            source, sizes = RoutineSource(routine), (streams, numbers)
            return RoutineStep(source, sizes, min(streams, numbers), every[-2:])
        case Categorical():
            (rows, classes), (numbers,) = shapes[:2]
            draws = numbers // rows if rows else 0
            words = (rows, classes, draws)
            return RoutineStep(RoutineSource(routine), words, rows, every)
        case Running():
            length, inner = (
                shapes[-1][routine.axis],
                prod(shapes[-1][routine.axis + 1 :]),
            )
            lines = prod(shapes[-1]) // length if length else 0
            few = length > LONG_LINE and lines < FEW_LINES
            if few and goes_in_any_order(routine) and not in_order:
                return None
            return RoutineStep(RoutineSource(routine), (length, inner), lines, every)
        case Places():
            source = RoutineSource(routine)
            return RoutineStep(source, shapes[0], prod(shapes[1]), every)
    return None


def goes_in_any_order(routine: Running) -> bool:
    """Whether another order of additions changes no more than roundings.  Of a product of
    floats it does: 0 times infinity may come from numbers that are both finite."""
    whole = not routine.dtype.startswith("float")
    return routine.kind == "add" or (routine.kind == "mul" and whole)


__all__ = ["RoutineStep", "offers_threads", "routine_step"]
