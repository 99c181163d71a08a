"""What is measured: formulas over arrays and training steps, told apart from how each
framework runs them (`benchmarks/frameworks`)."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


@dataclass
class Program:
    """A framework's rendering of a problem, ready to be called and timed.

    function, arguments: one call does the whole work and returns when it is done.
    values: from the last call's result to the arrays that are checked.
    """

    function: Callable[..., Any]
    values: Callable[[Any], list[Array]]
    arguments: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Formula:
    """One expression over arrays.

    compute: takes a framework's names (tanh, exp, sum, ...) and its arrays.
    text: the same for numexpr, over a, b, c, ...; empty where it cannot say it.
    """

    compute: Callable[..., Any]
    arrays: list[Array]
    text: str = ""
    tolerance: float = 1e-5

    def reference(self, names: Any) -> list[Array]:
        wide = [array.astype(np.float64) for array in self.arrays]
        return [np.asarray(self.compute(names, *wide))]


@dataclass(frozen=True)
class Counter:
    """A shared int64 that grows by one at each call."""

    tolerance: float = 0.0


@dataclass(frozen=True)
class Training:
    """Steps of gradient descent on minibatches cut by index out of resident data.

    Shapes: data (rows, features); labels (rows,) classes or (rows, outputs).
    loss: takes a framework's names, parameters, a minibatch x and y, then `constants`.
    by_hand: the same in NumPy: (parameters, x, y, *constants) -> (loss, gradients).
    momentum: v <- momentum * v - rate * gradient; parameter <- parameter + v.
    """

    data: Array
    labels: Array
    parameters: list[Array]
    loss: Callable[..., Any]
    by_hand: Callable[..., tuple[Any, list[Array]]]
    batch: int
    rate: float = 0.1
    momentum: float = 0.0
    constants: Sequence[Array] = field(default=())
    checked_steps: int = 3
    tolerance: float = 2e-3

    def indices(self) -> Iterator[int]:
        """The number of the minibatch of each step, for ever."""
        return itertools.cycle(range(len(self.data) // self.batch))

    def moved(self, loss: Any, parameters: Sequence[Any]) -> list[Array]:
        """What is checked: the last loss, and how far each parameter has moved."""
        pairs = zip(parameters, self.parameters, strict=True)
        return [np.asarray(loss)] + [np.asarray(new) - old for new, old in pairs]


def descend(problem: Training, dtype: str) -> tuple[Callable[[], Any], list[Array]]:
    """Gradient descent in NumPy with the gradients derived by hand: a step to call, and
    the parameters that it changes in place.

    In float64 it is the reference, in float32 a peer.
    """
    data = problem.data.astype(dtype, copy=False)
    exact = problem.labels.dtype.kind == "i"
    labels = problem.labels if exact else problem.labels.astype(dtype, copy=False)
    constants = [constant.astype(dtype) for constant in problem.constants]
    parameters = [parameter.astype(dtype) for parameter in problem.parameters]
    velocities = [np.zeros_like(parameter) for parameter in parameters]
    indices, size = problem.indices(), problem.batch

    def step() -> Any:
        start = next(indices) * size
        x, y = data[start : start + size], labels[start : start + size]
        loss, gradients = problem.by_hand(parameters, x, y, *constants)
        for parameter, gradient, velocity in zip(parameters, gradients, velocities):
            gradient *= -problem.rate
            if problem.momentum:
                velocity *= problem.momentum
                velocity += gradient
                gradient = velocity
            parameter += gradient
        return loss

    return step, parameters


Problem = Formula | Counter | Training
