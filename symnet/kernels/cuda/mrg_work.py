"""Draws of MRG31k3p as kernels: a thread for each stream, which takes several steps.

Source: see `kernels.cpu.library.mrg31k3p`.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from symnet.data_classes import dataclass
from symnet.kernels.cuda.gemm_work import KernelStep, StepPlan, Work
from symnet.kernels.library import DenseCall
from symnet.kernels.loopir.scalars import (
    Kernel,
    Operand,
    Output,
    Scalar,
    call,
    cast,
    literal,
    load,
    select,
)
from symnet.kernels.routines import M1, M2, NORMS
from symnet.kernels.schedule import arrange_threads

STATE, STATE_BYTES = 6, 24  # numbers of a stream's state: int32
MOST_STEPS = 8  # of a launch: each step has an operand of its own
NUMBER_BYTES = {"float16": 2, "float32": 4, "float64": 8}


@dataclass(frozen=True, slots=True)
class Column:
    """Numbers of all streams: an operand by number, bytes behind its start, and bytes from
    stream to stream."""

    number: int
    start: int
    step: int
    dtype: str = "int32"


def columns(number: int) -> list[Column]:
    """The states of all streams (streams, 6)."""
    return [Column(number, 4 * k, STATE_BYTES) for k in range(STATE)]


def work_of_draw(draw: DenseCall) -> Work:
    """See `routines.MrgUniform`: all streams one step further, again and again."""
    (_, (streams, _)), (dtype, shape) = draw.operands[-2:]
    before, after, sample = 0, len(draw.operands) - 2, len(draw.operands) - 1
    plan, size = StepPlan(len(draw.operands)), prod(shape)
    if not streams:
        return plan.work
    item = NUMBER_BYTES[dtype]
    full, rest = divmod(size, streams)

    def numbers(first: int, count: int) -> list[Column]:
        """Where the samples of so many steps lie."""
        starts = (k * streams * item for k in range(first, first + count))
        return [Column(sample, start, item, dtype) for start in starts]

    # What was before may lie where what comes after will: it is read before that is written.
    source, free = (columns(plan.bytes(streams * STATE_BYTES)) for _ in range(2))
    advance(plan, streams, columns(before), source, [])
    for first in range(0, full, MOST_STEPS):
        steps = min(MOST_STEPS, full - first)
        advance(plan, streams, source, free, numbers(first, steps))
        source, free = free, source
    advance(plan, streams, source, columns(after), [])
    if rest:
        advance(plan, rest, source, columns(after), numbers(full, 1))
    return plan.work


def advance(
    plan: StepPlan,
    streams: int,
    source: Sequence[Column],
    target: Sequence[Column],
    samples: Sequence[Column],
) -> None:
    """The first streams so many steps further; each step gives numbers."""
    state = [cast(load(k, "int32"), "int64") for k in range(STATE)]
    drawn: list[Scalar] = []
    for sample in samples:
        state = following(state)
        drawn.append(number_of(state[0], state[3], sample.dtype))
    every = [*source, *target, *samples]
    operands = [Operand(one.dtype, (True,)) for one in every]
    values = [*(cast(one, "int32") for one in state), *drawn]
    outputs = map(Output, operands[STATE:], values)
    kernel = Kernel(1, (False,), tuple(operands[:STATE]), tuple(outputs))
    arrangement = arrange_threads(kernel, (streams,), [(one.step,) for one in every])
    starts = tuple(one.start for one in every)
    numbers = tuple(one.number for one in every)
    plan.steps.append(KernelStep(kernel, arrangement, numbers, starts))


def following(state: Sequence[Scalar]) -> list[Scalar]:
    """A stream's state one step further."""
    x1, x2, x3, y1, y2, y3 = state
    x = call("mod", x2 * 2**22 + x3 * 129, M1)
    y = call("mod", y1 * 2**15 + y3 * (2**15 + 1), M2)
    return [x, x1, x2, y, y1, y2]


def number_of(x: Scalar, y: Scalar, dtype: str) -> Scalar:
    """The number that a step gives."""
    bits = select(x <= y, x - y + M1, x - y)
    if dtype == "float16":
        narrow = call("and", bits, 0x7FFF) + 1
        wide = cast(narrow, "float64") * literal(NORMS[dtype], "float64")
        return cast(wide, dtype)
    return cast(bits, dtype) * literal(NORMS[dtype], dtype)


__all__ = ["work_of_draw"]
