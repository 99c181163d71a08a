"""A dozen kernels, one of each kind that programs are made of, with sizes to run them at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from symnet.kernels.loopir.scalars import (
    Kernel,
    Output,
    Scalar,
    call,
    cast,
    gather,
    index,
    literal,
    load,
    reduction,
    select,
)
from symnet.kernels.schedule import arrange
from symnet.kernels.variants import Variant
from symnet.ops.random.philox import PhiloxDraw
from tests.kernels.kernel_reference import operand

F = "float32"


@dataclass(frozen=True, eq=False)
class Sample:
    """A kernel, the sizes of its loops, and its arrays (inputs, then outputs).

    reduces: whether sums are made, whose order is a matter of the code.
    """

    kernel: Kernel
    sizes: tuple[int, ...]
    make: Callable[[Any], list[Any]]
    reduces: bool = False

    def arrays(self, seed: int = 0) -> list[Any]:
        return self.make(np.random.default_rng(seed))

    @property
    def variant(self) -> Variant:
        """The CPU's for these arrays."""
        operands = [*self.kernel.inputs, *(o.operand for o in self.kernel.outputs)]
        strides = []
        for each, array in zip(operands, self.arrays(), strict=True):
            walked = iter(array.strides[each.indexed :])
            strides.append([next(walked) if moves else 0 for moves in each.axes])
        indexed = {k: [(1, 1)] * o.indexed for k, o in enumerate(operands) if o.indexed}
        return arrange(self.kernel, self.sizes, strides, indexed).variant


def elementwise(rank: int, inputs: Sequence[Any], *values: Scalar) -> Kernel:
    outs = [Output(operand(v.dtype, [1] * rank), v) for v in values]
    return Kernel(rank, (False,) * rank, tuple(inputs), tuple(outs))


def matrices(count: int, shape: tuple[int, ...], out: str = F) -> Any:
    def make(rng: Any) -> list[Any]:
        given = [rng.standard_normal(shape).astype(F) for _ in range(count)]
        return [*given, np.zeros(shape, out)]

    return make


def gate() -> Sample:
    x, y = load(0, F), load(1, F)
    value = call("tanh", x * 1.5 + 0.25) * call("exp", -y * y)
    full = operand(F, [1, 1])
    kernel = elementwise(2, [full, full], value)
    return Sample(kernel, (13, 37), matrices(2, (13, 37)))


def bias() -> Sample:
    """A broadcast row."""

    def make(rng: Any) -> list[Any]:
        x, b = rng.standard_normal((13, 37)), rng.standard_normal(37)
        return [x.astype(F), b.astype(F), np.zeros((13, 37), F)]

    inputs = [operand(F, [1, 1]), operand(F, [0, 1])]
    value = call("maximum", load(0, F) + load(1, F), 0.0)
    return Sample(elementwise(2, inputs, value), (13, 37), make)


def quotient() -> Sample:
    """Division by what is known outside the loop."""

    def make(rng: Any) -> list[Any]:
        x, s = (
            rng.standard_normal((13, 37)),
            rng.random(13) * 10.0 ** rng.integers(-9, 9),
        )
        return [x.astype(F), s.astype(F), np.zeros((13, 37), F)]

    inputs = [operand(F, [1, 1]), operand(F, [1, 0])]
    return Sample(elementwise(2, inputs, load(0, F) / load(1, F)), (13, 37), make)


def transposed() -> Sample:
    """A strided operand."""

    def make(rng: Any) -> list[Any]:
        x, y = rng.standard_normal((2, 37, 13)).astype(F)
        return [x.T, np.ascontiguousarray(y.T), np.zeros((13, 37), F)]

    full = operand(F, [1, 1])
    kernel = elementwise(2, [full, full], load(0, F) - load(1, F) * 3.0)
    return Sample(kernel, (13, 37), make)


def integers() -> Sample:
    """Rounding down, wrapping, comparing, other dtypes."""

    def make(rng: Any) -> list[Any]:
        a, b = rng.integers(-99, 99, (2, 501)).astype("int32")
        outs = [np.zeros(501, d) for d in ("int32", "int32", "bool", "float16")]
        return [a, b, *outs]

    a, b = load(0, "int32"), load(1, "int32")
    values = [
        call("floordiv", a, b),
        call("mod", a, b),
        a < b,
        cast(select(a < b, a, b), "float16"),
    ]
    full = operand("int32", [1])
    return Sample(elementwise(1, [full, full], *values), (501,), make)


def row_sums() -> Sample:
    def make(rng: Any) -> list[Any]:
        return [rng.standard_normal((13, 137)).astype(F), np.zeros(13, F)]

    out = Output(operand(F, [1, 0]), reduction("sum", load(0, F), F))
    kernel = Kernel(2, (False, True), (operand(F, [1, 1]),), (out,))
    return Sample(kernel, (13, 137), make, True)


def column_sums() -> Sample:
    def make(rng: Any) -> list[Any]:
        return [rng.standard_normal((400, 300)).astype(F), np.zeros(300, F)]

    out = Output(operand(F, [0, 1]), reduction("sum", load(0, F), F))
    kernel = Kernel(2, (True, False), (operand(F, [1, 1]),), (out,))
    return Sample(kernel, (400, 300), make, True)


def softmax() -> Sample:
    x = load(0, F)
    shifted = call("exp", x - reduction("max", x, F))
    value = shifted / reduction("sum", shifted, F)
    full = operand(F, [1, 1])
    kernel = Kernel(2, (False, True), (full,), (Output(full, value),))
    return Sample(kernel, (13, 137), matrices(1, (13, 137)), True)


def whole_sum() -> Sample:
    """To single values, in parts."""

    def make(rng: Any) -> list[Any]:
        x = rng.standard_normal(300_001).astype(F)
        return [x, *(np.zeros((), d) for d in (F, "int64", "bool"))]

    x = load(0, F)
    values = [
        reduction("sum", x, F) / 2.0,
        reduction("argmin", x, "int64"),
        reduction("any", x > 4.5, "bool"),
    ]
    outs = tuple(Output(operand(v.dtype, [0]), v) for v in values)
    return Sample(Kernel(1, (True,), (operand(F, [1]),), outs), (300_001,), make, True)


def gathered() -> Sample:
    """Rows of a table."""

    def make(rng: Any) -> list[Any]:
        where, table = rng.integers(-12, 12, 9), rng.standard_normal((12, 35))
        return [where, table.astype(F), np.zeros((9, 35), F)]

    inputs = [operand("int64", [1, 0]), operand(F, [0, 1], 1)]
    value = gather(1, [load(0, "int64")], F)
    return Sample(elementwise(2, inputs, value), (9, 35), make)


def scattered() -> Sample:
    """Rows added to a table, several of them to one."""

    def make(rng: Any) -> list[Any]:
        where, rows = rng.integers(-7, 7, 50), rng.standard_normal((50, 19))
        return [where, rows.astype(F), np.ones((7, 19), F)]

    inputs = (operand("int64", [1, 0]), operand(F, [1, 1]))
    out = Output(operand(F, [0, 1], 1), load(1, F), (load(0, "int64"),), "add")
    return Sample(Kernel(2, (False, False), inputs, (out,)), (50, 19), make)


class State:
    """What the body of a draw reads, as operand k."""

    def __init__(self, k: int) -> None:
        self.k = k

    def here(self) -> Scalar:
        return load(self.k, "uint64")


def uniform() -> Sample:
    """Random numbers: Philox, its words interleaved in the lanes."""

    def make(rng: Any) -> list[Any]:
        state = [np.array(v, "uint64") for v in (12345678901, 7, 2**32 - 3)]
        return [*state, np.zeros((5, 75), F)]

    reads: Any = [State(k) for k in range(3)]

    class Size:
        def here(self) -> Scalar:
            return literal(75, "int64")

    draw = PhiloxDraw("uniform", F)
    node: Any = None
    value = draw.point(node, [*reads, Size(), Size()], [index(0), index(1)])
    kernel = elementwise(2, [operand("uint64", [0, 0])] * 3, value)
    return Sample(kernel, (5, 75), make)


SAMPLES: dict[str, Sample] = {
    make.__name__: make()
    for make in [
        gate, bias, quotient, transposed, integers, row_sums, column_sums, softmax,
        whole_sum, gathered, scattered, uniform,
    ]
}  # fmt: skip
