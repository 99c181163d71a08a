"""PyTorch on a GPU: eager, by torch.compile, or a step recorded as a CUDA graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

import torch

from benchmarks.frameworks.with_torch import Names, contrast
from benchmarks.gpu.resident import Resident
from benchmarks.problem import Counter, Formula, Gradient, Sampling, Training


class GpuTorch:
    """mode: "eager", "compile" or "graphs".  device: "emulated" stands for the CPU, where
    there are no graphs.  bfloat16 is by autocast, the way that PyTorch has: it also keeps what
    products give in bfloat16, while JAX and symnet round factors only."""

    version = torch.__version__
    lacks = ""

    def __init__(self, device: str, precision: str, mode: str) -> None:
        self.device = "cuda" if device == "cuda" else "cpu"
        self.mode, self.bf16 = mode, precision == "bf16"
        if mode == "graphs" and self.device == "cpu":
            self.lacks = "graphs need a GPU"
        torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
        torch.backends.cudnn.allow_tf32 = precision == "tf32"
        if self.device == "cuda":
            torch.zeros(1, device="cuda")  # fails here where there is no GPU
        self.names = self.names_here()

    def names_here(self) -> type[Names]:
        device = self.device

        class Here(Names):
            """Its recurrent layer is cuDNN's."""

            @staticmethod
            def lstm(x: Any, into: Any, again: Any, bias: Any, start: Any) -> Any:
                weights = [into.T, again.T, bias, torch.zeros_like(bias)]
                first = torch.tensor(start, device=device)[None]
                options = (True, 1, 0.0, True, False, False)
                return torch.lstm(x, (first, first), weights, *options)[0]

        return Here

    def here(self, arrays: Sequence[Any], **options: Any) -> list[torch.Tensor]:
        return [torch.tensor(a, device=self.device, **options) for a in arrays]

    def precision(self) -> Any:
        if not self.bf16:
            return nullcontext()
        return torch.autocast(self.device, dtype=torch.bfloat16)

    def prepare(self, function: Callable[..., Any]) -> Callable[..., Any]:
        return (
            torch.compile(function, dynamic=False)
            if self.mode == "compile"
            else function
        )

    def resident(self, call: Callable[[], Any], values: Any) -> Resident:
        if self.device == "cpu":
            return Resident(call, values)

        def mark() -> Any:
            event = torch.cuda.Event(enable_timing=True)
            event.record()
            return event

        def seconds(first: Any, last: Any) -> float:
            last.synchronize()
            return float(first.elapsed_time(last)) / 1e3

        return Resident(call, values, mark, seconds)

    def recorded(self, call: Callable[[], Any]) -> Callable[[], Any]:
        """The call as a graph, where that is asked for.  It is run first, as PyTorch wants
        it, so that what it updates must be put back."""
        if self.mode != "graphs":
            return call
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                call()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            result = call()

        def replay() -> Any:
            graph.replay()
            return result

        return replay

    def formula(self, problem: Formula) -> Resident:
        arrays = self.here(problem.arrays)
        compute = self.prepare(lambda *a: problem.compute(self.names, *a))
        call = self.recorded(torch.no_grad()(lambda: compute(*arrays)))
        return self.resident(call, lambda out: [out.cpu().numpy()])

    def gradient(self, problem: Gradient) -> Resident:
        arrays = self.here(problem.arrays)
        parameters = self.here(problem.parameters, requires_grad=True)
        compute = self.prepare(lambda *a: problem.loss(self.names, parameters, *a))

        def call() -> Any:
            with self.precision():
                loss = compute(*arrays)
            return [loss.detach(), *torch.autograd.grad(loss, parameters)]

        return self.resident(
            self.recorded(call), lambda out: [part.cpu().numpy() for part in out]
        )

    def training(self, problem: Training) -> Resident:
        data, labels = self.here([problem.data, problem.labels])
        constants = self.here(problem.constants)
        parameters = self.here(problem.parameters, requires_grad=True)
        indices, size = problem.indices(), problem.batch
        x, y = data[:size].clone(), labels[:size].clone()
        compute = self.prepare(
            lambda x, y: problem.loss(self.names, parameters, x, y, *constants)
        )

        def update(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            with self.precision():
                loss = compute(x, y)
            gradients = torch.autograd.grad(loss, parameters)
            with torch.no_grad():
                torch._foreach_add_(parameters, gradients, alpha=-problem.rate)
            return loss.detach()

        replay = self.recorded(lambda: update(x, y))
        with torch.no_grad():  # what recording has changed
            for parameter, old in zip(parameters, self.here(problem.parameters)):
                parameter.copy_(old)

        def step() -> Any:
            start = next(indices) * size
            if self.mode != "graphs":
                return update(data[start : start + size], labels[start : start + size])
            x.copy_(data[start : start + size])
            y.copy_(labels[start : start + size])
            return replay()

        def values(loss: torch.Tensor) -> Any:
            found = [p.detach().cpu().numpy() for p in parameters]
            return problem.moved(loss.cpu().float().numpy(), found)

        return self.resident(step, values)

    def sampling(self, problem: Sampling) -> Resident | None:
        if self.mode == "compile":
            return None
        (data,), parameters = self.here([problem.data]), self.here(problem.parameters)
        indices, size = problem.indices(), problem.batch
        units = data[:size].clone()
        replay = self.recorded(
            torch.no_grad()(lambda: contrast(problem, parameters, units))
        )
        for parameter, old in zip(parameters, self.here(problem.parameters)):
            parameter.copy_(old)

        def step() -> None:
            start = next(indices) * size
            units.copy_(data[start : start + size])
            replay()

        return self.resident(
            step, lambda _: problem.moved([p.cpu().numpy() for p in parameters])
        )

    def counter(self, problem: Counter) -> Resident | None:
        if self.mode == "compile":
            return None
        (count,) = self.here([0])
        call = self.recorded(lambda: count.add_(1))
        count.zero_()
        return self.resident(call, lambda _: [count.cpu().numpy()])


def load(device: str, precision: str, mode: str) -> GpuTorch:
    return GpuTorch(device, precision, mode)
