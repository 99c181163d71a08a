"""PyTorch: eager, or with what is differentiated compiled by torch.compile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from benchmarks.frameworks import THREADS
from benchmarks.problem import (
    Counter,
    Formula,
    Gradient,
    Inference,
    Program,
    Sampling,
    Training,
)


class Names:
    """What formulas call, by torch."""

    tanh, exp, log, sum, mean, dot = (
        torch.tanh,
        torch.exp,
        torch.log,
        torch.sum,
        torch.mean,
        torch.matmul,
    )
    sigmoid, relu = torch.sigmoid, torch.relu
    nll = torch.nn.functional.cross_entropy

    reshape, solve = torch.reshape, torch.linalg.solve

    @staticmethod
    def sort(x: torch.Tensor) -> torch.Tensor:
        return torch.sort(x).values

    @staticmethod
    def cumsum(x: torch.Tensor, axis: int) -> torch.Tensor:
        return torch.cumsum(x, dim=axis)

    @staticmethod
    def convolve(x: torch.Tensor, w: torch.Tensor, border: int) -> torch.Tensor:
        return torch.nn.functional.conv2d(x, w, padding=border)

    @staticmethod
    def pool(x: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.max_pool2d(x, 2)

    @staticmethod
    def softmax(x: torch.Tensor, axis: int) -> torch.Tensor:
        return torch.softmax(x, dim=axis)

    @staticmethod
    def scan(step: Any, sequences: Any, states: Any, constants: Any) -> Any:
        states, history = [torch.from_numpy(state) for state in states], []
        for elements in zip(*(sequence.unbind() for sequence in sequences)):
            states = step(*elements, *states, *constants)
            history.append(states)
        return [torch.stack(states) for states in zip(*history)]

    @staticmethod
    def repeat(step: Any, steps: int, x: Any, *constants: Any) -> torch.Tensor:
        for _ in range(steps):
            x = step(x, *constants)
        return x  # type: ignore[no-any-return]

    @staticmethod
    def elman(*inputs: Any) -> torch.Tensor:
        return torch.rnn_tanh(*fused(*inputs))[0]

    @staticmethod
    def lstm(*inputs: Any) -> torch.Tensor:
        x, start, *options = fused(*inputs)
        return torch.lstm(x, (start, start), *options)[0]

    @staticmethod
    def gru(*inputs: Any) -> torch.Tensor:
        return torch.gru(*fused(*inputs))[0]


def fused(x: Any, into: Any, again: Any, bias: Any, start: Any) -> Any:
    """What PyTorch's own recurrent layers take.  They have a second bias, here zero."""
    weights = [into.T, again.T, bias, torch.zeros_like(bias)]
    start = torch.from_numpy(start)[None]
    # has_biases, num_layers, dropout, train, bidirectional, batch_first
    return x, start, weights, True, 1, 0.0, bias.requires_grad, False, False


class Torch:
    names = Names
    version = torch.__version__

    def __init__(self, compiled: bool) -> None:
        self.compiled = compiled

    def prepare(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function itself, or compiled for the sizes of its first call."""
        return torch.compile(function, dynamic=False) if self.compiled else function

    def formula(self, problem: Formula) -> Program:
        function = self.prepare(lambda *arrays: problem.compute(Names, *arrays))
        arrays = tuple(map(torch.from_numpy, problem.arrays))
        return Program(torch.no_grad()(function), lambda out: [out.numpy()], arrays)

    def counter(self, problem: Counter) -> Program | None:
        if self.compiled:
            return None
        count = torch.zeros((), dtype=torch.int64)
        return Program(lambda: count.add_(1), lambda _: [count.numpy()])

    def gradient(self, problem: Gradient) -> Program:
        arrays = tuple(map(torch.from_numpy, problem.arrays))
        parameters = [torch.tensor(p, requires_grad=True) for p in problem.parameters]
        compute = self.prepare(lambda *a: problem.loss(Names, parameters, *a))

        def call(*arguments: Any) -> Any:
            loss = compute(*arguments)
            return [loss.detach(), *torch.autograd.grad(loss, parameters)]

        return Program(call, lambda out: [part.numpy() for part in out], arrays)

    def inference(self, problem: Inference) -> Program:
        arrays = tuple(map(torch.from_numpy, problem.arrays))
        parameters = list(map(torch.from_numpy, problem.parameters))
        compute = self.prepare(lambda *a: problem.compute(Names, parameters, *a))
        call = torch.inference_mode()(compute)
        return Program(call, lambda out: [out.numpy()], arrays)

    def sampling(self, problem: Sampling) -> Program:
        data = torch.from_numpy(problem.data)
        parameters = [torch.tensor(parameter) for parameter in problem.parameters]
        indices, size = problem.indices(), problem.batch

        def step() -> None:
            start = next(indices) * size
            contrast(problem, parameters, data[start : start + size])

        return Program(
            torch.no_grad()(step),
            lambda _: problem.moved([parameter.numpy() for parameter in parameters]),
        )

    def training(self, problem: Training) -> Program:
        data, labels = torch.from_numpy(problem.data), torch.from_numpy(problem.labels)
        constants = [torch.from_numpy(constant) for constant in problem.constants]
        parameters = [torch.tensor(p, requires_grad=True) for p in problem.parameters]
        velocities = [torch.zeros_like(parameter) for parameter in parameters]
        indices, size = problem.indices(), problem.batch
        compute = self.prepare(
            lambda x, y: problem.loss(Names, parameters, x, y, *constants)
        )

        def step() -> Any:
            start = next(indices) * size
            loss = compute(data[start : start + size], labels[start : start + size])
            gradients = torch.autograd.grad(loss, parameters)
            with torch.no_grad():
                if problem.momentum:
                    torch._foreach_mul_(velocities, problem.momentum)
                    torch._foreach_add_(velocities, gradients, alpha=-problem.rate)
                    torch._foreach_add_(parameters, velocities)
                else:
                    torch._foreach_add_(parameters, gradients, alpha=-problem.rate)
            return loss

        def values(loss: torch.Tensor) -> Any:
            found = [parameter.detach().numpy() for parameter in parameters]
            return problem.moved(loss.detach().numpy(), found)

        return Program(step, values)


def draw(chances: torch.Tensor) -> torch.Tensor:
    """Faster here than torch.bernoulli."""
    return (torch.rand_like(chances) < chances).to(chances.dtype)


def contrast(
    problem: Sampling, parameters: list[torch.Tensor], first: torch.Tensor
) -> None:
    """One step of contrastive divergence, in place."""
    weights, visible, hidden = parameters
    above = torch.addmm(hidden, first, weights).sigmoid_()
    units, above_now = first, above
    for _ in range(problem.steps):
        drawn = draw(above_now)
        units = draw(torch.addmm(visible, drawn, weights.T).sigmoid_())
        above_now = torch.addmm(hidden, units, weights).sigmoid_()
    rate = problem.rate / problem.batch
    weights.addmm_(first.T, above, alpha=rate).addmm_(units.T, above_now, alpha=-rate)
    visible.add_((first - units).sum(0), alpha=rate)
    hidden.add_((above - above_now).sum(0), alpha=rate)


def load(compiled: bool = False) -> Torch:
    torch.set_num_threads(int(THREADS))
    return Torch(compiled)
