"""NumPy: formulas as one writes them, training with gradients derived by hand."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.problem import (
    Array,
    Formula,
    Gradient,
    Inference,
    Program,
    Sampling,
    Training,
    contrast,
    descend,
)


class Names:
    """What formulas call, by NumPy."""

    tanh, exp, sum, mean, dot = np.tanh, np.exp, np.sum, np.mean, np.dot
    reshape, sort, cumsum, solve = np.reshape, np.sort, np.cumsum, np.linalg.solve

    @staticmethod
    def convolve(x: Array, w: Array, border: int) -> Array:
        edges = [(0, 0), (0, 0), (border, border), (border, border)]
        windows = np.lib.stride_tricks.sliding_window_view(
            np.pad(x, edges), w.shape[2:], axis=(2, 3)
        )
        y = np.tensordot(windows, w, ((1, 4, 5), (1, 2, 3)))
        return np.ascontiguousarray(np.moveaxis(y, 3, 1))

    @staticmethod
    def pool(x: Array) -> Array:
        corners = [x[:, :, row::2, column::2] for row in (0, 1) for column in (0, 1)]
        return np.maximum.reduce(corners)

    @staticmethod
    def relu(x: Array) -> Array:
        return np.maximum(x, 0)

    @staticmethod
    def softmax(x: Array, axis: int) -> Array:
        shifted = np.exp(x - x.max(axis=axis, keepdims=True))
        shifted /= shifted.sum(axis=axis, keepdims=True)
        return shifted

    @staticmethod
    def repeat(step: Any, steps: int, x: Array, *constants: Array) -> Array:
        for _ in range(steps):
            x = step(x, *constants)
        return x


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

    def gradient(self, problem: Gradient) -> Program:
        def values(result: Any) -> list[Array]:
            return [np.asarray(result[0]), *result[1]]

        return Program(
            lambda: problem.by_hand(problem.parameters, *problem.arrays), values
        )

    def inference(self, problem: Inference) -> Program:
        return Program(
            lambda *arrays: problem.compute(Names, problem.parameters, *arrays),
            lambda result: [np.asarray(result)],
            tuple(problem.arrays),
        )

    def sampling(self, problem: Sampling) -> Program:
        step, parameters = contrast(problem, "float32")
        return Program(step, lambda _: problem.moved(parameters))

    def training(self, problem: Training) -> Program:
        step, parameters = descend(problem, "float32")
        return Program(step, lambda loss: problem.moved(loss, parameters))


def load() -> NumPy:
    return NumPy()
