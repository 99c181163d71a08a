"""Formulas over arrays: elementwise, broadcasting, reductions."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from benchmarks.cases.case import Case
from benchmarks.problem import Array, Formula


def normal(*shape: int, count: int = 1, dtype: str = "float32") -> list[Array]:
    rng = np.random.default_rng(1)
    return [rng.standard_normal(shape, dtype=dtype) for _ in range(count)]


def elementwise(size: int, dtype: str = "float32") -> Formula:
    def compute(names: Any, a: Any, b: Any, c: Any, d: Any) -> Any:
        return names.tanh(a * b + c) * names.exp(-d * d)

    arrays = normal(size, count=4, dtype=dtype)
    text = "tanh(a * b + c) * exp(-d * d)"
    tolerance = 1e-5 if dtype == "float32" else 1e-14
    return Formula(compute, arrays, (size,), text, tolerance)


def broadcast() -> Formula:
    """A matrix with a row and a column."""
    arrays = normal(2000, 2000) + normal(1, 2000) + normal(2000, 1)
    return Formula(
        lambda names, x, row, column: (x + row) * column,
        arrays,
        arrays[0].shape,
        "(a + b) * c",
    )


def mean_square() -> Formula:
    arrays = normal(10_000_000, count=2)
    return Formula(lambda names, a, b: names.mean((a - b) ** 2), arrays)


def softmax(axis: int) -> Formula:
    arrays = normal(1000, 1000)
    return Formula(
        lambda names, x: names.softmax(x, axis=axis), arrays, arrays[0].shape
    )


def sums(axis: int) -> Formula:
    def compute(names: Any, x: Any) -> Any:
        return names.sum(x, axis=axis)

    arrays = normal(100, 200, 300)
    shape = tuple(np.delete(arrays[0].shape, axis).tolist())
    return Formula(compute, arrays, shape, f"sum(a, axis={axis})")


CASES = (
    Case("elementwise 1e3", partial(elementwise, 1_000), goal=0.6),
    Case("elementwise 1e5", partial(elementwise, 100_000), goal=0.6),
    Case("elementwise 1e7", partial(elementwise, 10_000_000), goal=0.6),
    Case(
        "elementwise float64 1e6", partial(elementwise, 1_000_000, "float64"), goal=0.6
    ),
    Case("broadcast 2000x2000", broadcast, goal=0.9),
    Case("mean square 1e7", mean_square, goal=0.9),
    Case("softmax rows", partial(softmax, 1), goal=0.9),
    Case("softmax columns", partial(softmax, 0), goal=0.9),
    Case("sum over axis 0", partial(sums, 0), goal=0.9),
    Case("sum over axis 1", partial(sums, 1), goal=0.9),
    Case("sum over axis 2", partial(sums, 2), goal=0.9),
)
