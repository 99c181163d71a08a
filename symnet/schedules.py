"""Learning rates in time: scalars of floatX that depend on a counted step.

Their names are those of `symnet.optim`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from symnet.errors import briefly
from symnet.ops.arithmetic import minimum, switch
from symnet.ops.base import as_tensor
from symnet.ops.elementwise import cast
from symnet.ops.functions import cos
from symnet.shared import shared

Expression: TypeAlias = Any  # a Variable; +, * and the like are given to it at run time
Number: TypeAlias = Any  # a Python number, or a symbolic or shared scalar


def step_counter(name: str = "step") -> Expression:
    """A shared int64, 0 at first, that goes up by 1 in each call of a function that uses it.

    To look at a rate without counting, compile with no_default_updates=True.  For epochs
    instead of steps, pass step // steps_per_epoch to the functions below.

    >>> step = optim.step_counter()
    >>> f = symnet.function([], step)
    >>> f(), f()
    (array(0), array(1))
    """
    counter: Expression = shared(np.int64(0), name)
    counter.default_update = counter + 1
    return counter


@briefly
def step_decay(
    step: Expression, initial: Number, factor: Number, every: int
) -> Expression:
    """initial * factor^k after k times `every` steps.

    >>> optim.step_decay(T.constant(25), 1.0, factor=0.5, every=10).eval()
    array(0.25)
    """
    return exponential_decay(step // every, initial, factor)


@briefly
def exponential_decay(step: Expression, initial: Number, factor: Number) -> Expression:
    """initial * factor^step.

    >>> optim.exponential_decay(T.constant(2), 1.0, factor=0.5).eval()
    array(0.25)
    """
    return _float_x(initial * factor ** _exact(step))


@briefly
def inverse_time_decay(step: Expression, initial: Number, factor: Number) -> Expression:
    """initial / (1 + factor * step).

    Source: Robbins & Monro 1951, as an instance of the rates that they show to converge.

    >>> optim.inverse_time_decay(T.constant(2), 1.0, factor=0.5).eval()
    array(0.5)
    """
    return _float_x(initial / (1 + factor * _exact(step)))


@briefly
def linear_decay(
    step: Expression, initial: Number, steps: int, final: Number = 0.0
) -> Expression:
    """From `initial` to `final` in a straight line of `steps` steps, then `final`.

    >>> optim.linear_decay(T.constant(5), 1.0, steps=10).eval()
    array(0.5)
    """
    return _float_x(initial + (final - initial) * _part_done(step, steps))


@briefly
def cosine_decay(
    step: Expression, initial: Number, steps: int, final: Number = 0.0
) -> Expression:
    """From `initial` to `final` along half a wave of a cosine in `steps` steps, then `final`.

    Source: Loshchilov & Hutter 2017, arXiv:1608.03983, equation 5, without restarts.

    >>> optim.cosine_decay(T.constant(10), 1.0, steps=10).eval().round(6)
    np.float64(0.0)
    """
    height = (1 + cos(np.pi * _part_done(step, steps))) / 2
    return _float_x(final + (initial - final) * height)


@briefly
def linear_warmup(step: Expression, learning_rate: Number, steps: int) -> Expression:
    """1/steps, 2/steps, ... of a rate, which may itself depend on the step; then all of it.

    Source: Goyal et al. 2017, arXiv:1706.02677, section 2.2 (gradual warmup).

    >>> optim.linear_warmup(T.constant(4), 0.1, steps=10).eval()
    array(0.05)
    """
    return _float_x(learning_rate * _part_done(step + 1, steps))


@briefly
def piecewise(
    step: Expression, boundaries: Sequence[int], rates: Sequence[Number]
) -> Expression:
    """rates[0] before step boundaries[0], rates[1] before boundaries[1], ..., then the last.

    Raises: ValueError unless there is one rate more than (rising) boundaries.

    >>> optim.piecewise(T.constant(150), [100, 200], [0.1, 0.01, 0.001]).eval()
    array(0.01)
    """
    if len(rates) != len(boundaries) + 1 or list(boundaries) != sorted(set(boundaries)):
        raise ValueError(
            "piecewise() takes rising boundaries and one rate more than these"
        )
    value = as_tensor(rates[-1])
    for boundary, earlier in zip(reversed(boundaries), reversed(rates[:-1])):
        value = switch(step < boundary, earlier, value)
    return _float_x(value)


def _exact(step: Expression) -> Expression:
    """The step as a float that holds every count (float32 ends at 2^24)."""
    return cast(step, "float64")


def _part_done(step: Expression, steps: int) -> Expression:
    """step / steps, at most 1."""
    if steps < 1:
        raise ValueError(f"a schedule lasts at least one step, not {steps}")
    return minimum(1.0, _exact(step) / steps)


def _float_x(value: Expression) -> Expression:
    return cast(value, "floatX")
