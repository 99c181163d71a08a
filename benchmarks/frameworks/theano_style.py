"""symnet and PyTensor: the same program in Theano's language for both."""

from __future__ import annotations

import importlib
import warnings
from typing import Any

import numpy as np

from benchmarks.problem import (
    Array,
    Counter,
    Formula,
    Gradient,
    Inference,
    Program,
    Sampling,
    Training,
)

LETTERS = {"float32": "f", "float64": "d", "int64": "l"}
RANKS = ("scalar", "vector", "matrix", "tensor3", "tensor4")


class Names:
    """What formulas call, by `package.tensor`."""

    def __init__(self, package: Any, tensor: Any) -> None:
        self.package, self.tensor = package, tensor
        softmax = (
            tensor.nnet.softmax if hasattr(tensor, "nnet") else tensor.special.softmax
        )
        self.softmax = softmax
        self.sigmoid = (
            tensor.nnet.sigmoid if hasattr(tensor, "nnet") else tensor.sigmoid
        )
        self.softplus = (
            tensor.nnet.softplus if hasattr(tensor, "nnet") else tensor.softplus
        )

    def __getattr__(self, name: str) -> Any:
        return getattr(self.tensor, name)

    def relu(self, x: Any) -> Any:
        return self.tensor.maximum(x, 0)

    def solve(self, a: Any, b: Any) -> Any:
        return self.tensor.slinalg.solve(a, b)

    def convolve(self, x: Any, w: Any, border: int) -> Any:
        return self.tensor.nnet.conv2d(x, w, border_mode=border, filter_flip=False)

    def pool(self, x: Any) -> Any:
        return self.tensor.signal.pool.pool_2d(x, (2, 2), ignore_border=True)

    def nll(self, scores: Any, classes: Any) -> Any:
        """Mean negative log-likelihood of the classes, as Theano's tutorial has it."""
        probabilities = self.softmax(scores, axis=1)
        rows = self.tensor.arange(classes.shape[0])
        return -self.tensor.mean(self.tensor.log(probabilities)[rows, classes])

    def scan(
        self, step: Any, sequences: list[Any], states: list[Any], constants: list[Any]
    ) -> list[Any]:
        start = [self.tensor.as_tensor_variable(state) for state in states]
        states = self.loop(step, sequences, start, constants, return_list=True)
        return states[0]  # type: ignore[no-any-return]

    def repeat(self, step: Any, steps: int, x: Any, *constants: Any) -> Any:
        states, _ = self.loop(step, None, x, constants, n_steps=steps)
        return states[-1]

    def loop(self, *arguments: Any, **options: Any) -> Any:
        """Theano's scan: outputs and updates.  PyTensor warns that these will go."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Scan return signature")
            return self.package.scan(*arguments, **options)


class TheanoStyle:
    """symnet checks its arguments; PyTensor is told to trust them."""

    def __init__(self, package: str, mode: str | None) -> None:
        self.package = importlib.import_module(package)
        self.tensor = importlib.import_module(f"{package}.tensor")
        self.version = self.package.__version__
        self.names = Names(self.package, self.tensor)
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

    def gradient(self, problem: Gradient) -> Program:
        parameters = [self.package.shared(p) for p in problem.parameters]
        variables = [self.variable(array) for array in problem.arrays]
        loss = problem.loss(self.names, parameters, *variables)
        results = [loss, *self.package.grad(loss, parameters)]
        function = self.package.function(variables, results, **self.options)
        return Program(
            function, lambda out: [np.asarray(o) for o in out], tuple(problem.arrays)
        )

    def inference(self, problem: Inference) -> Program:
        parameters = [self.package.shared(p) for p in problem.parameters]
        variables = [self.variable(array) for array in problem.arrays]
        result = problem.compute(self.names, parameters, *variables)
        function = self.package.function(variables, result, **self.options)
        return Program(function, lambda out: [np.asarray(out)], tuple(problem.arrays))

    def sampling(self, problem: Sampling) -> Program:
        """The gradient of the difference of two free energies, with the end of the chain
        held fixed: as in Theano's tutorial."""
        parameters = [self.package.shared(p) for p in problem.parameters]
        data, index = self.package.shared(problem.data), self.tensor.lscalar()
        first = data[index * problem.batch : (index + 1) * problem.batch]
        last, updates = self.chain(problem, parameters, first)
        energy = self.free_energy
        cost = self.tensor.mean(energy(parameters, first) - energy(parameters, last))
        gradients = self.package.grad(cost, parameters, consider_constant=[last])
        updates = list(updates.items()) + [
            (p, p - np.float32(problem.rate) * g) for p, g in zip(parameters, gradients)
        ]
        step = self.package.function([index], [], updates=updates, **self.options)
        indices = map(np.asarray if self.options else int, problem.indices())
        return Program(
            lambda: step(next(indices)),
            lambda _: problem.moved([p.get_value() for p in parameters]),
        )

    def chain(self, problem: Sampling, parameters: list[Any], first: Any) -> Any:
        """The visible units after `steps` of Gibbs sampling, and the streams' updates."""
        weights, visible, hidden = parameters
        tensor, streams = self.tensor, self.streams()

        def draw(signal: Any, size: int) -> Any:
            uniform = streams.uniform(size=(problem.batch, size), dtype="float32")
            chosen = uniform < self.names.sigmoid(signal)
            return tensor.cast(chosen, "float32")

        def step(units: Any) -> Any:
            units = draw(
                tensor.dot(units, weights) + hidden, len(problem.parameters[2])
            )
            return draw(
                tensor.dot(units, weights.T) + visible, len(problem.parameters[1])
            )

        states, updates = self.names.loop(
            step, outputs_info=first, n_steps=problem.steps
        )
        return states[-1], updates

    def streams(self) -> Any:
        if self.package.__name__ == "symnet":
            return importlib.import_module("symnet.random").RandomStream(7)
        utilities = importlib.import_module(
            f"{self.package.__name__}.tensor.random.utils"
        )
        return utilities.RandomStream(7)

    def free_energy(self, parameters: list[Any], units: Any) -> Any:
        weights, visible, hidden = parameters
        signal = self.tensor.dot(units, weights) + hidden
        return -self.tensor.dot(units, visible) - self.tensor.sum(
            self.names.softplus(signal), axis=1
        )

    def counter(self, problem: Counter) -> Program:
        count = self.package.shared(np.int64(0))
        step = self.package.function(
            [], [], updates=[(count, count + 1)], **self.options
        )
        return Program(step, lambda _: [count.get_value()])

    def training(self, problem: Training) -> Program:
        shared, function = self.package.shared, self.package.function
        parameters = [shared(parameter) for parameter in problem.parameters]
        # As PyTorch's tensors do, they lie in the problem's own memory.
        data, labels = (shared(a, borrow=True) for a in (problem.data, problem.labels))
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
