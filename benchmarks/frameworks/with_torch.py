"""PyTorch: eager, or with what is differentiated compiled by torch.compile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from benchmarks.frameworks import THREADS
from benchmarks.problem import Counter, Formula, Program, Training


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

    @staticmethod
    def softmax(x: torch.Tensor, axis: int) -> torch.Tensor:
        return torch.softmax(x, dim=axis)


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


def load(compiled: bool = False) -> Torch:
    torch.set_num_threads(int(THREADS))
    return Torch(compiled)
