"""Gradient descent: updates for parameters, limits for gradients, learning rates in time.

    updates = optim.adam(cost, parameters, learning_rate=0.001)
    train = symnet.function([x, y], cost, updates=updates)

Each builder takes a cost or the list of its gradients, and returns pairs (shared variable,
new value): the parameters, and the state that the method keeps between calls.  The state
lies in shared variables of the parameter's dtype, named after it.  Notebooks show the pairs
as a table.  Whatever works on gradients or learning rates is an expression too, so
everything combines:

    step = optim.step_counter()
    rate = optim.linear_warmup(step, optim.cosine_decay(step, 0.1, steps=10_000), steps=500)
    gradients = optim.clip_norm(symnet.grad(cost, parameters), 1.0)
    gradients = optim.decay_weights(gradients, parameters, 1e-4)
    updates = optim.momentum(gradients, parameters, rate)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import numpy as np

from symnet.autodiff.derivatives import grad
from symnet.errors import briefly, message
from symnet.graph.variables import Variable, operand_text
from symnet.ops.arithmetic import clip, minimum, sqr, sqrt, switch
from symnet.ops.base import as_tensor
from symnet.ops.elementwise import cast
from symnet.ops.functions import cos
from symnet.ops.reduce import sum as total
from symnet.shared import SharedVariable, shared
from symnet.update_list import UpdateList

Expression: TypeAlias = Any  # a Variable; +, * and the like are given to it at run time
Number: TypeAlias = Any  # a Python number, or a symbolic or shared scalar
Update: TypeAlias = tuple[SharedVariable, Expression]

__all__ = [
    "adadelta", "adagrad", "adam", "clip_norm", "clip_values", "cosine_decay",
    "decay_weights", "exponential_decay", "global_norm", "inverse_time_decay", "linear_decay",
    "linear_warmup", "momentum", "nesterov", "piecewise", "rmsprop", "sgd", "shrink_weights",
    "step_counter", "step_decay",
]  # fmt: skip


# Methods: what all of them do, then one function each.


@briefly
def sgd(
    cost_or_gradients: Any, params: Iterable[Expression], learning_rate: Number = 0.01
) -> UpdateList:
    """Steepest descent: p <- p - rate * g.

    Raises (all methods): TypeError for a parameter that is not a shared variable of floats
        or a rate that is not a scalar; ValueError for a parameter named twice or another
        number of gradients than of parameters; and as `grad` for a cost.
    """
    pairs = _pairs(cost_or_gradients, params)
    return UpdateList([(p, p - _scalar(learning_rate, p) * g) for p, g in pairs], pairs)


@briefly
def momentum(
    cost_or_gradients: Any,
    params: Iterable[Expression],
    learning_rate: Number = 0.01,
    momentum: Number = 0.9,
) -> UpdateList:
    """Steepest descent with inertia: v <- momentum * v + g, p <- p - rate * v.

    The velocity v adds up gradients, not steps: a change of the rate acts at once.
    Source: Polyak 1964; in this form Sutskever et al. 2013, equations 1 and 2, with the
        rate taken out of v.
    """
    pairs = _pairs(cost_or_gradients, params)
    updates = UpdateList(gradients=pairs)
    for p, g in pairs:
        velocity = _state(p, "velocity")
        moved = _scalar(momentum, p) * velocity + g
        updates += [(velocity, moved), (p, p - _scalar(learning_rate, p) * moved)]
    return updates


@briefly
def nesterov(
    cost_or_gradients: Any,
    params: Iterable[Expression],
    learning_rate: Number = 0.01,
    momentum: Number = 0.9,
) -> UpdateList:
    """Momentum that looks ahead: v <- momentum * v + g, p <- p - rate * (g + momentum * v).

    Source: Nesterov 1983; written for gradients taken where the parameters are, as in
        Bengio, Boulanger-Lewandowski & Pascanu 2013, equation 7.
    """
    pairs = _pairs(cost_or_gradients, params)
    updates = UpdateList(gradients=pairs)
    for p, g in pairs:
        velocity, inertia = _state(p, "velocity"), _scalar(momentum, p)
        moved = inertia * velocity + g
        ahead = g + inertia * moved
        updates += [(velocity, moved), (p, p - _scalar(learning_rate, p) * ahead)]
    return updates


@briefly
def adagrad(
    cost_or_gradients: Any,
    params: Iterable[Expression],
    learning_rate: Number = 0.01,
    epsilon: float = 1e-10,
) -> UpdateList:
    """Steps divided by the root of all squared gradients so far:
    s <- s + g^2, p <- p - rate * g / (sqrt(s) + epsilon).

    Source: Duchi, Hazan & Singer 2011, with a diagonal matrix.
    """
    pairs = _pairs(cost_or_gradients, params)
    updates = UpdateList(gradients=pairs)
    for p, g in pairs:
        squares = _state(p, "squares")
        summed = squares + sqr(g)
        change = _scalar(learning_rate, p) * g / (sqrt(summed) + epsilon)
        updates += [(squares, summed), (p, p - change)]
    return updates


@briefly
def rmsprop(
    cost_or_gradients: Any,
    params: Iterable[Expression],
    learning_rate: Number = 0.01,
    decay: Number = 0.99,
    epsilon: float = 1e-8,
) -> UpdateList:
    """Steps divided by the root of a running mean of squared gradients:
    s <- decay * s + (1 - decay) * g^2, p <- p - rate * g / (sqrt(s) + epsilon).

    Source: Tieleman & Hinton 2012, lecture 6.5 of "Neural networks for machine learning".
    """
    pairs = _pairs(cost_or_gradients, params)
    updates = UpdateList(gradients=pairs)
    for p, g in pairs:
        squares = _state(p, "squares")
        mean = _running_mean(squares, sqr(g), decay, p)
        change = _scalar(learning_rate, p) * g / (sqrt(mean) + epsilon)
        updates += [(squares, mean), (p, p - change)]
    return updates


@briefly
def adadelta(
    cost_or_gradients: Any,
    params: Iterable[Expression],
    learning_rate: Number = 1.0,
    decay: Number = 0.9,
    epsilon: float = 1e-6,
) -> UpdateList:
    """Steps as large as recent steps: with running means s of g^2 and d of change^2,
    change = sqrt(d + epsilon) / sqrt(s + epsilon) * g, p <- p - rate * change.

    Source: Zeiler 2012, arXiv:1212.5701, algorithm 1 (there the rate is 1).
    """
    pairs = _pairs(cost_or_gradients, params)
    updates = UpdateList(gradients=pairs)
    for p, g in pairs:
        squares, changes = _state(p, "squares"), _state(p, "changes")
        mean = _running_mean(squares, sqr(g), decay, p)
        change = sqrt(changes + epsilon) / sqrt(mean + epsilon) * g
        updates += [
            (squares, mean),
            (changes, _running_mean(changes, sqr(change), decay, p)),
            (p, p - _scalar(learning_rate, p) * change),
        ]
    return updates


@briefly
def adam(
    cost_or_gradients: Any,
    params: Iterable[Expression],
    learning_rate: Number = 0.001,
    beta1: Number = 0.9,
    beta2: Number = 0.999,
    epsilon: float = 1e-8,
) -> UpdateList:
    """Running means m of g and s of g^2, both corrected for their start at zero:
    p <- p - rate * (m / (1 - beta1^t)) / (sqrt(s / (1 - beta2^t)) + epsilon), t = 1, 2, ...

    The corrections are computed in float64 whatever the parameters' dtype: in float32,
    1 - 0.999^t keeps only four digits at first.
    Source: Kingma & Ba 2015, arXiv:1412.6980, algorithm 1.
    """
    count: Expression = shared(np.int64(0), "adam_count")
    time = count + 1
    exponent = cast(time, "float64")
    mean_part, square_part = 1 - beta1**exponent, 1 - beta2**exponent
    pairs = _pairs(cost_or_gradients, params)
    updates = UpdateList([(count, time)], pairs)
    for p, g in pairs:
        mean, squares = _state(p, "mean"), _state(p, "squares")
        new_mean = _running_mean(mean, g, beta1, p)
        new_squares = _running_mean(squares, sqr(g), beta2, p)
        rate = cast(_scalar(learning_rate, mean_part) / mean_part, p.type.dtype)
        root = sqrt(new_squares) / cast(sqrt(square_part), p.type.dtype) + epsilon
        updates += [
            (mean, new_mean),
            (squares, new_squares),
            (p, p - rate * (new_mean / root)),
        ]
    return updates


def _pairs(
    cost_or_gradients: Any, params: Iterable[Expression]
) -> list[tuple[Any, Any]]:
    """Each parameter with its gradient, in the parameter's dtype."""
    parameters = _checked(params)
    if isinstance(cost_or_gradients, Variable):
        gradients = grad(cost_or_gradients, parameters)
    else:
        gradients = [as_tensor(g) for g in cost_or_gradients]
    if len(gradients) != len(parameters):
        raise ValueError(
            f"{len(gradients)} gradients for {len(parameters)} parameters: one each, in order"
        )
    return [(p, cast(g, p.type.dtype)) for p, g in zip(parameters, gradients)]


def _checked(params: Iterable[Expression]) -> list[Expression]:
    """The parameters as a list, after finding them fit to be trained."""
    parameters = [params] if isinstance(params, Variable) else list(params)
    for p in parameters:
        if not isinstance(p, SharedVariable) or not p.type.dtype.startswith("float"):
            raise TypeError(
                message(
                    "parameters are shared variables of floats",
                    operands=[operand_text(p) if isinstance(p, Variable) else repr(p)],
                    cure="make it one with symnet.shared(value)",
                )
            )
    twice = [str(p) for k, p in enumerate(parameters) if p in parameters[:k]]
    if twice:
        raise ValueError(f"parameters named more than once: {', '.join(twice)}")
    return parameters


def _scalar(value: Number, p: Expression) -> Number:
    """A rate or factor that leaves p's dtype as it is."""
    if not isinstance(value, Variable):
        return float(value)
    if value.type.ndim:
        raise TypeError(
            message(
                "learning rates and their like are scalars",
                operands=[operand_text(value)],
            )
        )
    return cast(value, p.type.dtype)


def _state(p: Any, what: str) -> Expression:
    """Zeros of the parameter's form, which the method keeps for it."""
    zeros = np.zeros_like(p.get_value(borrow=True))
    return shared(zeros, f"{p.name or 'parameter'}_{what}", shape=p.type.shape)


def _running_mean(
    old: Expression, new: Expression, decay: Number, p: Expression
) -> Expression:
    """decay * old + (1 - decay) * new."""
    factor = _scalar(decay, p)
    return factor * old + (1 - factor) * new


# What is done to gradients before, and to updates after.


@briefly
def clip_values(gradients: Sequence[Expression], bound: Number) -> list[Expression]:
    """Every element between -bound and bound."""
    return [clip(g, -_scalar(bound, g), _scalar(bound, g)) for g in gradients]


def global_norm(gradients: Sequence[Expression]) -> Expression:
    """The Euclidean norm of all gradients taken as one vector, computed in float64."""
    squares: list[Expression] = [total(sqr(cast(g, "float64"))) for g in gradients]
    return sqrt(sum(squares))


@briefly
def clip_norm(gradients: Sequence[Expression], bound: Number) -> list[Expression]:
    """All gradients scaled by one factor, so that their `global_norm` is at most `bound`.

    Source: Pascanu, Mikolov & Bengio 2013, arXiv:1211.5063, algorithm 1.
    """
    norm = global_norm(gradients)
    # Where all gradients are zero, bound / norm is infinite and the factor 1.
    factor = minimum(1.0, _scalar(bound, norm) / norm)
    return [g * cast(factor, g.type.dtype) for g in gradients]


@briefly
def decay_weights(
    gradients: Sequence[Expression], params: Iterable[Expression], amount: Number
) -> list[Expression]:
    """Gradients of the cost plus amount / 2 * (sum of all squared parameters).

    Source: Krogh & Hertz 1992.
    """
    return [g + _scalar(amount, p) * p for p, g in _pairs(gradients, params)]


@briefly
def shrink_weights(
    updates: Iterable[Update], params: Iterable[Expression], amount: Number
) -> UpdateList:
    """The updates, with amount * p taken from the new value of each parameter p.

    With `adam` and amount = learning rate * weight decay this is AdamW: the decay is not
    divided by the running means.  Source: Loshchilov & Hutter 2019, arXiv:1711.05101,
    algorithm 2.
    """
    chosen = set(_checked(params))
    pairs = updates if isinstance(updates, UpdateList) else UpdateList(updates)
    return UpdateList(
        [(p, new - _scalar(amount, p) * p if p in chosen else new) for p, new in pairs],
        pairs.gradients,
    )


# Learning rates in time: scalars of floatX that depend on a counted step.


def step_counter(name: str = "step") -> Expression:
    """A shared int64, 0 at first, that goes up by 1 in each call of a function that uses it.

    To look at a rate without counting, compile with no_default_updates=True.  For epochs
    instead of steps, pass step // steps_per_epoch to the functions below.
    """
    counter: Expression = shared(np.int64(0), name)
    counter.default_update = counter + 1
    return counter


@briefly
def step_decay(
    step: Expression, initial: Number, factor: Number, every: int
) -> Expression:
    """initial * factor^k after k times `every` steps."""
    return exponential_decay(step // every, initial, factor)


@briefly
def exponential_decay(step: Expression, initial: Number, factor: Number) -> Expression:
    """initial * factor^step."""
    return _float_x(initial * factor ** _exact(step))


@briefly
def inverse_time_decay(step: Expression, initial: Number, factor: Number) -> Expression:
    """initial / (1 + factor * step).

    Source: Robbins & Monro 1951, as an instance of the rates that they show to converge.
    """
    return _float_x(initial / (1 + factor * _exact(step)))


@briefly
def linear_decay(
    step: Expression, initial: Number, steps: int, final: Number = 0.0
) -> Expression:
    """From `initial` to `final` in a straight line of `steps` steps, then `final`."""
    return _float_x(initial + (final - initial) * _part_done(step, steps))


@briefly
def cosine_decay(
    step: Expression, initial: Number, steps: int, final: Number = 0.0
) -> Expression:
    """From `initial` to `final` along half a wave of a cosine in `steps` steps, then `final`.

    Source: Loshchilov & Hutter 2017, arXiv:1608.03983, equation 5, without restarts.
    """
    height = (1 + cos(np.pi * _part_done(step, steps))) / 2
    return _float_x(final + (initial - final) * height)


@briefly
def linear_warmup(step: Expression, learning_rate: Number, steps: int) -> Expression:
    """1/steps, 2/steps, ... of a rate, which may itself depend on the step; then all of it.

    Source: Goyal et al. 2017, arXiv:1706.02677, section 2.2 (gradual warmup).
    """
    return _float_x(learning_rate * _part_done(step + 1, steps))


@briefly
def piecewise(
    step: Expression, boundaries: Sequence[int], rates: Sequence[Number]
) -> Expression:
    """rates[0] before step boundaries[0], rates[1] before boundaries[1], ..., then the last.

    Raises: ValueError unless there is one rate more than (rising) boundaries.
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
