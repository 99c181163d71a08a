"""What is measured on a GPU.  `quick` sizes are for trying out the report without one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from benchmarks.cases import loops, networks, pictures
from benchmarks.cases.arrays import elementwise, normal
from benchmarks.problem import Counter, Formula, Problem


@dataclass(frozen=True)
class GpuCase:
    """make: the problem, of full size or quick.  precision: of matrix products, "float32",
    "tf32" or "bf16".  build: the time to build it and call it once is what counts."""

    name: str
    make: Callable[[bool], Problem]
    precision: str = "float32"
    build: bool = False


def reduction(axis: int | None, quick: bool) -> Formula:
    """Of 1e8 numbers: all of them, rows (axis 1) or columns (axis 0)."""
    rows = 100 if quick else 10_000
    shape = () if axis is None else (rows,)
    # Roundings add up with the numbers; their sum is near zero, so the squares' is taken.
    compute = lambda names, x: names.sum(x * x, axis=axis)  # noqa: E731
    if axis is None:
        compute = lambda names, x: names.sum(x * x)  # noqa: E731
    return Formula(compute, normal(rows, rows), shape)


def softmax_rows(quick: bool) -> Formula:
    arrays = normal(100, 100) if quick else normal(10_000, 10_000)
    return Formula(lambda names, x: names.softmax(x, axis=1), arrays, arrays[0].shape)


def running(shape: tuple[int, ...]) -> Formula:
    """Sums of squares up to each number of a row."""
    last = len(shape) - 1
    compute = lambda names, x: names.cumsum(x * x, axis=last)  # noqa: E731
    return Formula(compute, normal(*shape), shape, tolerance=1e-3)


def sorted_rows(rows: int, columns: int) -> Formula:
    return Formula(
        lambda names, x: names.sort(x), normal(rows, columns), (rows, columns)
    )


def system(size: int, columns: int) -> Formula:
    """Equations whose matrix is far from singular."""
    (a,), (b,) = normal(size, size), normal(size, columns)
    a = (a / size**0.5 + 3 * np.eye(size)).astype("float32")
    compute = lambda names, a, b: names.solve(a, b)  # noqa: E731
    return Formula(compute, [a, b], (size, columns), tolerance=1e-3)


def perceptron(sizes: list[int], batch: int, rows: int, quick: bool) -> Problem:
    if quick:
        sizes, batch, rows = [min(n, 20) for n in sizes], min(batch, 10), 60
    return networks.perceptron(sizes, "tanh", batch, rows)


def sized(make: Callable[..., Problem], full: Any, small: Any, quick: bool) -> Problem:
    return make(*(small if quick else full))


DIGITS, WIDE = [784, 500, 10], [4096, 4096, 4096, 10]
wide = partial(perceptron, WIDE, 4096, 8192)
CASES: dict[str, GpuCase] = {
    case.name: case
    for case in (
        GpuCase("elementwise 1e8", lambda q: elementwise(10_000 if q else 10**8)),
        GpuCase("softmax rows 1e8", softmax_rows),
        GpuCase("row sums 1e8", partial(reduction, 1)),
        GpuCase("column sums 1e8", partial(reduction, 0)),
        GpuCase("full sum 1e8", partial(reduction, None)),
        GpuCase(
            "running sums of rows 1e8",
            partial(sized, running, ((10_000, 10_000),), ((30, 40),)),
        ),
        GpuCase(
            "one running sum 1e7", partial(sized, running, ((10**7,),), ((9000,),))
        ),
        GpuCase(
            "sorted rows 1e7", partial(sized, sorted_rows, (10_000, 1000), (9, 30))
        ),
        GpuCase("a system of 4096", partial(sized, system, (4096, 64), (20, 3))),
        GpuCase("logistic regression", partial(perceptron, [784, 10], 600, 6000)),
        GpuCase("switched network", partial(sized, networks.switched, (100,), (4,))),
        GpuCase("MLP batch 20", partial(perceptron, DIGITS, 20, 6000)),
        GpuCase("MLP batch 100", partial(perceptron, DIGITS, 100, 6000)),
        GpuCase("MLP batch 600", partial(perceptron, DIGITS, 600, 6000)),
        GpuCase("wide MLP float32", wide),
        GpuCase("wide MLP TF32", wide, "tf32"),
        GpuCase("wide MLP bf16", wide, "bf16"),
        GpuCase("LeNet batch 500", partial(sized, pictures.lenet, (500,), (2,))),
        GpuCase("3x3 convolutions", partial(sized, pictures.block, (64,), (1,))),
        GpuCase("LSTM", partial(sized, loops.lstm, (100, 64, 512, 512), (3, 2, 5, 4))),
        GpuCase(
            "RBM CD-15",
            partial(sized, loops.boltzmann, (784, 500, 20, 15), (30, 20, 5, 2)),
        ),
        GpuCase("a call by itself", lambda _: Counter()),
    )
}
# A number by precision that results may be off by, where it is not float32.
TOLERANCES = {"tf32": 2e-2, "bf16": 1e-1}
