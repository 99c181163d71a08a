"""symnet and PyTensor: the same program in Theano's language for both."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from benchmarks.problem import Array, Counter, Formula, Program, Training

LETTERS = {"float32": "f", "float64": "d", "int64": "l"}
RANKS = ("scalar", "vector", "matrix", "tensor3")


class Names:
    """What formulas call, by `package.tensor`."""

    def __init__(self, tensor: Any) -> None:
        self.tensor = tensor
        softmax = (
            tensor.nnet.softmax if hasattr(tensor, "nnet") else tensor.special.softmax
        )
        self.softmax = softmax
        self.sigmoid = (
            tensor.nnet.sigmoid if hasattr(tensor, "nnet") else tensor.sigmoid
        )

    def __getattr__(self, name: str) -> Any:
        return getattr(self.tensor, name)

    def relu(self, x: Any) -> Any:
        return self.tensor.maximum(x, 0)

    def nll(self, scores: Any, classes: Any) -> Any:
        """Mean negative log-likelihood of the classes, as Theano's tutorial has it."""
        probabilities = self.softmax(scores, axis=1)
        rows = self.tensor.arange(classes.shape[0])
        return -self.tensor.mean(self.tensor.log(probabilities)[rows, classes])


class TheanoStyle:
    """symnet checks its arguments; PyTensor is told to trust them."""

    def __init__(self, package: str, mode: str | None) -> None:
        self.package = importlib.import_module(package)
        self.tensor = importlib.import_module(f"{package}.tensor")
        self.version = self.package.__version__
        self.names = Names(self.tensor)
        self.options = {"mode": mode, "trust_input": True} if mode else {}

    def variable(self, like: Array) -> Any:
        letter = LETTERS[like.dtype.name]
        if like.ndim == 2 and 1 in like.shape:
            kind = "row" if like.shape[0] == 1 else "col"
        else:
            kind = RANKS[like.ndim]
        return getattr(self.tensor, letter + kind)()

    def formula(self, problem: Formula) -> Program:
        variables = [self.variable(array) for array in problem.arrays]
        result = problem.compute(self.names, *variables)
        function = self.package.function(variables, result, **self.options)
        return Program(function, lambda out: [np.asarray(out)], tuple(problem.arrays))

    def counter(self, problem: Counter) -> Program:
        count = self.package.shared(np.int64(0))
        step = self.package.function(
            [], [], updates=[(count, count + 1)], **self.options
        )
        return Program(step, lambda _: [count.get_value()])

    def training(self, problem: Training) -> Program:
        shared, function = self.package.shared, self.package.function
        parameters = [shared(parameter) for parameter in problem.parameters]
        data, labels = shared(problem.data), shared(problem.labels)
        x, y = self.variable(problem.data), self.variable(problem.labels)
        index, size = self.tensor.lscalar(), problem.batch
        loss = problem.loss(self.names, parameters, x, y, *problem.constants)
        step = function(
            [index],
            loss,
            updates=self.updates(problem, loss, parameters),
            givens={
                x: data[index * size : (index + 1) * size],
                y: labels[index * size : (index + 1) * size],
            },
            **self.options,
        )
        # PyTensor trusts its arguments to be arrays; symnet gets the number itself.
        make = np.asarray if self.options else int
        indices = map(make, problem.indices())
        return Program(
            lambda: step(next(indices)),
            lambda last: problem.moved(last, [p.get_value() for p in parameters]),
        )

    def updates(self, problem: Training, loss: Any, parameters: list[Any]) -> list[Any]:
        rate, momentum = np.float32(problem.rate), np.float32(problem.momentum)
        gradients = self.package.grad(loss, parameters)
        updates = []
        for parameter, gradient in zip(parameters, gradients):
            change = -rate * gradient
            if momentum:
                velocity = self.package.shared(np.zeros_like(parameter.get_value()))
                change = momentum * velocity + change
                updates.append((velocity, change))
            updates.append((parameter, parameter + change))
        return updates


def load(package: str, mode: str | None = None) -> TheanoStyle:
    return TheanoStyle(package, mode)
