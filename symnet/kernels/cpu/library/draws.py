"""Draws of random numbers (`kernels.routines`) as native steps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from symnet.kernels.cpu.library import distributions, mrg31k3p
from symnet.kernels.cpu.library.call_steps import CallArrangement
from symnet.kernels.cpu.library.categorical import choose_step, count_step
from symnet.kernels.cpu.library.twister_draws import twister_step
from symnet.kernels.routines import (
    ROWS,
    Categorical,
    Draw,
    MrgUniform,
    NumpyDistribution,
)

Shape = tuple[int, ...]


def offers_draw(draw: Draw) -> bool:
    """Whether there is native code for it on this machine, with this build of NumPy."""
    match draw:
        case MrgUniform():
            return mrg31k3p.draws(draw.dtype)
        case NumpyDistribution():
            return distributions.available(draw.kind)
        case Categorical():
            return True


def draw_step(draw: Draw, shapes: Sequence[Shape]) -> CallArrangement:
    """The native step; `shapes` are those of the inputs, of what lies in the first output
    before (where that is so), and of the outputs, and so are the pointers."""
    match draw:
        case MrgUniform():
            (streams, _), _, sample = shapes
            found = mrg31k3p.mrg_step(draw.dtype, streams, math.prod(sample))
            # A state that is changed in place needs one pointer.
            return replace(found, pointer_slots=(-1, *found.pointer_slots))
        case Categorical():
            (rows, classes), (numbers,) = shapes[:2]
            draws = numbers // rows if rows else 0
            if draw.counts:
                return count_step(rows, classes, draws)
            return choose_step(rows, classes, draws, draw.narrow)
        case NumpyDistribution():
            return _variates(draw, shapes)


def _variates(draw: NumpyDistribution, shapes: Sequence[Shape]) -> CallArrangement:
    kind, result = draw.kind, shapes[-1]
    counted = draw.generator == "philox"
    first, second = shapes[1:3] if counted else shapes[:2]
    width = result[-1] if kind in ROWS else 1
    count = math.prod(result[:-1] if kind in ROWS else result)
    steps = (8 if first else 0, 8 if second else 0)
    if kind == "multinomial":
        steps = (steps[0], 8 * width if len(second) > 1 else 0)
    if kind == "search":
        steps = (0, first[0])
    if counted:
        return distributions.variates_step(kind, count, steps, width)
    found = twister_step(kind, count, steps, width)
    state, one, two, sample = found.pointer_slots
    return replace(found, pointer_slots=(one, two, -1, state, sample))
