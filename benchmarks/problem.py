"""What is measured: formulas over arrays, gradients, training steps and sampling, told apart
from how each framework runs them (`benchmarks/frameworks`)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from benchmarks.work import Product, Work, size

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
    shape: of the result.
    text: the same for numexpr, over a, b, c, ...; empty where it cannot say it.
    """

    compute: Callable[..., Any]
    arrays: list[Array]
    shape: tuple[int, ...] = ()
    text: str = ""
    tolerance: float = 1e-5

    def reference(self, names: Any) -> list[Array]:
        wide = [array.astype(np.float64) for array in self.arrays]
        return [np.asarray(self.compute(names, *wide))]

    def work(self) -> Work:
        dtype = self.arrays[0].dtype
        written = math.prod(self.shape) * dtype.itemsize
        return Work(size(self.arrays), written, dtype=dtype.name)


@dataclass(frozen=True)
class Gradient:
    """A loss and its gradients by the parameters, computed without changing anything.

    loss: takes a framework's names, parameters, then the arrays.
    by_hand: the same in NumPy: (parameters, *arrays) -> (loss, gradients).
    products: the matrix products that this takes.
    """

    arrays: list[Array]
    parameters: list[Array]
    loss: Callable[..., Any]
    by_hand: Callable[..., tuple[Any, list[Array]]]
    products: tuple[Product, ...]
    tolerance: float = 1e-4

    def reference(self) -> list[Array]:
        arrays, parameters = (
            [array.astype(np.float64) for array in group]
            for group in (self.arrays, self.parameters)
        )
        loss, gradients = self.by_hand(parameters, *arrays)
        return [np.asarray(loss), *gradients]

    def work(self) -> Work:
        gradients = size(self.parameters)
        return Work(size(self.arrays) + gradients, gradients, 0, self.products)


@dataclass(frozen=True)
class Inference:
    """What a trained network says, whose parameters stay as they are.

    compute: takes a framework's names, parameters, then the arrays.
    shape: of the result.
    products: the matrix products that this takes.
    """

    arrays: list[Array]
    parameters: list[Array]
    compute: Callable[..., Any]
    shape: tuple[int, ...]
    products: tuple[Product, ...]
    tolerance: float = 1e-4

    def reference(self, names: Any) -> list[Array]:
        arrays, parameters = (
            [array.astype(np.float64) for array in group]
            for group in (self.arrays, self.parameters)
        )
        return [np.asarray(self.compute(names, parameters, *arrays))]

    def work(self) -> Work:
        written = math.prod(self.shape) * self.arrays[0].dtype.itemsize
        return Work(
            size(self.arrays) + size(self.parameters), written, 0, self.products
        )


@dataclass(frozen=True)
class Sampling:
    """Contrastive divergence: a step moves a restricted Boltzmann machine's weights
    (visible, hidden), visible biases and hidden biases by

        rate * ((positive statistics) - (negative statistics)) / batch

    The positive statistics are v'h, v and h of a minibatch v with h = sigmoid(v W + c); the
    negative ones the same after `steps` times drawing hidden and then visible units, each
    1 with its probability.  Every step draws new numbers.

    Shapes: data (rows, visible), of 0 and 1.
    Source: Hinton 2002, "Training products of experts by minimizing contrastive divergence".
    """

    data: Array
    parameters: list[Array]
    steps: int
    batch: int
    rate: float = 0.1
    tolerance: float = 1e-6

    def work(self) -> Work:
        """Both statistics are one product, of the minibatches one below the other."""
        visible, hidden = self.parameters[0].shape
        products = (
            Product(self.batch, visible, hidden, times=self.steps + 1),
            Product(self.batch, hidden, visible, "b", times=self.steps),
            Product(visible, 2 * self.batch, hidden, "a"),
        )
        read = size([self.data[: self.batch]])
        return Work(read, updated=size(self.parameters), products=products)

    def sure(self) -> Sampling:
        """The same machine with weights so large that every probability is 0 or 1 exactly,
        so that the result is known: each unit's input is an odd multiple of 200, and each
        parameter moves by a whole number."""
        rng = np.random.default_rng(5)
        weights, *biases = self.parameters
        large = [400.0 * rng.integers(-1, 2, weights.shape)]
        large += [200.0 * rng.choice([-1, 1], bias.shape) for bias in biases]
        exact = [array.astype(np.float32) for array in large]
        return replace(self, parameters=exact, rate=float(self.batch))

    def reference(self) -> list[Array]:
        """How far one step moves each parameter of the sure machine."""
        step, parameters = contrast(self, "float64")
        step()
        return self.moved(parameters)

    def moved(self, parameters: Sequence[Any]) -> list[Array]:
        pairs = zip(parameters, self.parameters, strict=True)
        return [np.asarray(new, np.float64) - old for new, old in pairs]

    def indices(self) -> Iterator[int]:
        """The number of the minibatch of each step, for ever."""
        return itertools.cycle(range(len(self.data) // self.batch))


@dataclass(frozen=True)
class Counter:
    """A shared int64 that grows by one at each call."""

    tolerance: float = 0.0

    def work(self) -> Work:
        return Work()


@dataclass(frozen=True)
class Training:
    """Steps of gradient descent on minibatches cut by index out of resident data.

    Shapes: data (rows, features); labels (rows,) classes or (rows, outputs).
    loss: takes a framework's names, parameters, a minibatch x and y, then `constants`.
    by_hand: the same in NumPy: (parameters, x, y, *constants) -> (loss, gradients).
    products: the matrix products that a step takes.
    momentum: v <- momentum * v - rate * gradient; parameter <- parameter + v.
    """

    data: Array
    labels: Array
    parameters: list[Array]
    loss: Callable[..., Any]
    by_hand: Callable[..., tuple[Any, list[Array]]]
    batch: int
    products: tuple[Product, ...]
    rate: float = 0.1
    momentum: float = 0.0
    constants: Sequence[Array] = field(default=())
    checked_steps: int = 3
    tolerance: float = 2e-3

    def indices(self) -> Iterator[int]:
        """The number of the minibatch of each step, for ever."""
        return itertools.cycle(range(len(self.data) // self.batch))

    def work(self) -> Work:
        minibatch = [self.data[: self.batch], self.labels[: self.batch]]
        updated = size(self.parameters) * (2 if self.momentum else 1)
        read = size([*minibatch, *self.constants])
        return Work(read, 0, updated, self.products)

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


def contrast(problem: Sampling, dtype: Any) -> tuple[Callable[[], Any], list[Array]]:
    """Contrastive divergence in NumPy: a step to call, and the parameters that it changes
    in place."""
    rng = np.random.default_rng(6)
    data = problem.data.astype(dtype)
    weights, visible, hidden = parameters = [
        p.astype(dtype) for p in problem.parameters
    ]
    indices, size, rate = problem.indices(), problem.batch, problem.rate / problem.batch

    def chances(units: Array, weights: Array, bias: Array) -> Array:
        signal = units @ weights
        signal += bias
        return logistic(signal)

    def draw(chances: Array) -> Array:
        return (rng.random(chances.shape, chances.dtype) < chances).astype(dtype)

    def step() -> Any:
        start = next(indices) * size
        first = data[start : start + size]
        up = chances(first, weights, hidden)
        units, up_now = first, up
        for _ in range(problem.steps):
            units = draw(chances(draw(up_now), weights.T, visible))
            up_now = chances(units, weights, hidden)
        change = first.T @ up
        change -= units.T @ up_now
        change *= rate
        weights[...] += change
        visible[...] += rate * (first.sum(0) - units.sum(0))
        hidden[...] += rate * (up.sum(0) - up_now.sum(0))

    return step, parameters


def logistic(x: Array) -> Array:
    """1 / (1 + exp(-x)), written over x."""
    np.negative(x, out=x)
    with np.errstate(over="ignore"):
        np.exp(x, out=x)
    x += 1
    return np.reciprocal(x, out=x)


Problem = Formula | Gradient | Inference | Sampling | Counter | Training
