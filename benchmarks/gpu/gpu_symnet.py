"""symnet on a device for GPUs: data, parameters and results in shared variables there."""

from __future__ import annotations

from typing import Any

import numpy as np

import symnet
from benchmarks.frameworks.theano_style import TheanoStyle
from benchmarks.gpu.resident import Resident
from benchmarks.problem import (
    Array,
    Counter,
    Formula,
    Gradient,
    Sampling,
    Training,
)
from symnet.kernels.gpus import GPUS

# The setting that allows products a precision.
FLAGS = {"tf32": "gpu_tf32", "bf16": "gpu_bf16"}


class GpuSymnet(TheanoStyle):
    """device: "cuda" or "emulated".  Which precision its products have, the environment says:
    SYMNET_FLAGS=gpu_tf32=on or gpu_bf16=on, and CUPY_TF32 for those that CuPy does."""

    def __init__(self, device: str, precision: str) -> None:
        super().__init__("symnet", None)
        symnet.config.device = device
        self.gpu = GPUS[device]
        self.lacks = ""
        if precision in FLAGS and getattr(symnet.config, FLAGS[precision]) != "on":
            raise RuntimeError(f"{FLAGS[precision]} is to be 'on'")

    def resident(self, function: Any, arguments: Any, values: Any) -> Resident:
        """A function without outputs; arguments() gives those of the next call."""
        driver = self.gpu.driver

        def profile() -> dict[str, Any]:
            found = function.profile(*arguments(), repeat=3)
            kernels = sum(
                r.seconds for r in found.rows if r.kind in ("loop", "library", "copy")
            )
            return {"text": found.text(8), "kernels": kernels}

        return Resident(
            lambda: function(*arguments()),
            values,
            driver.mark,
            lambda first, last: driver.nanoseconds(first, last) / 1e9,
            profile,
        )

    def into_shared(self, results: Any, like: Any) -> tuple[Any, list[Any]]:
        """A function that leaves results in shared variables, and these."""
        kept = [self.package.shared(np.zeros(x.shape, x.dtype)) for x in like]
        function = self.package.function([], [], updates=list(zip(kept, results)))
        return function, kept

    def formula(self, problem: Formula) -> Resident:
        given = [self.package.shared(a) for a in problem.arrays]
        result = problem.compute(self.names, *given)
        like = np.empty(problem.shape, problem.arrays[0].dtype)
        function, (out,) = self.into_shared([result], [like])
        return self.resident(function, tuple, lambda _: [out.get_value()])

    def gradient(self, problem: Gradient) -> Resident:
        parameters = [self.package.shared(p) for p in problem.parameters]
        given = [self.package.shared(a) for a in problem.arrays]
        loss = problem.loss(self.names, parameters, *given)
        results = [loss, *self.package.grad(loss, parameters)]
        like = [np.empty((), loss.dtype), *problem.parameters]
        function, kept = self.into_shared(results, like)
        return self.resident(function, tuple, lambda _: [k.get_value() for k in kept])

    def training(self, problem: Training) -> Resident:
        shared, size = self.package.shared, problem.batch
        parameters = [shared(parameter) for parameter in problem.parameters]
        data, labels = shared(problem.data), shared(problem.labels)
        x, y = self.variable(problem.data), self.variable(problem.labels)
        index = self.tensor.lscalar()
        loss = problem.loss(self.names, parameters, x, y, *problem.constants)
        kept = shared(np.zeros((), loss.dtype))
        step = self.package.function(
            [index],
            [],
            updates=[*self.updates(problem, loss, parameters), (kept, loss)],
            givens={
                x: data[index * size : (index + 1) * size],
                y: labels[index * size : (index + 1) * size],
            },
        )
        indices = problem.indices()

        def values(_: Any) -> list[Array]:
            found = [p.get_value() for p in parameters]
            return problem.moved(kept.get_value(), found)

        return self.resident(step, lambda: (next(indices),), values)

    def sampling(self, problem: Sampling) -> Resident:
        program = super().sampling(problem)
        return self.plain(program.function, program.values)

    def counter(self, problem: Counter) -> Resident:
        count = self.package.shared(np.int64(0))
        step = self.package.function([], [], updates=[(count, count + 1)])
        return self.resident(step, tuple, lambda _: [count.get_value()])

    def plain(self, call: Any, values: Any) -> Resident:
        driver = self.gpu.driver
        return Resident(
            call,
            values,
            driver.mark,
            lambda first, last: driver.nanoseconds(first, last) / 1e9,
        )

    def copy_rate(self, size: int) -> float:
        """Bytes read and written in a second by copying so many within its memory."""
        driver = self.gpu.driver
        source, target = driver.allocate(size), driver.allocate(size)
        times = []
        for _ in range(11):
            first = driver.mark()
            driver.copy(target, source)
            times.append(driver.nanoseconds(first, driver.mark()))
        return 2e9 * size / sorted(times)[5]


def load(device: str, precision: str) -> GpuSymnet:
    return GpuSymnet(device, precision)
