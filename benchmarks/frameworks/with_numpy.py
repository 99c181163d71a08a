"""NumPy: formulas as one writes them, training with gradients derived by hand."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.problem import Array, Formula, Program, Training, descend


class Names:
    """What formulas call, by NumPy."""

    tanh, exp, sum, mean = np.tanh, np.exp, np.sum, np.mean

    @staticmethod
    def softmax(x: Array, axis: int) -> Array:
        shifted = np.exp(x - x.max(axis=axis, keepdims=True))
        shifted /= shifted.sum(axis=axis, keepdims=True)
        return shifted


class NumPy:
    names: Any = Names
    version = np.__version__

    def formula(self, problem: Formula) -> Program:
        arrays = tuple(problem.arrays)
        return Program(
            lambda *arguments: problem.compute(Names, *arguments),
            lambda result: [np.asarray(result)],
            arrays,
        )

    def training(self, problem: Training) -> Program:
        step, parameters = descend(problem, "float32")
        return Program(step, lambda loss: problem.moved(loss, parameters))


def load() -> NumPy:
    return NumPy()
