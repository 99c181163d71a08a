"""A call of gemm as products that cuBLAS can do, and kernels around them.

cuBLAS wants numbers of one column (or row) side by side, and in a recording fixed
addresses.  What lies otherwise, or moves from call to call, is copied by a kernel, which may
read its address from a block; so are results.  Sums of many terms are made of parts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field, replace
from operator import add
from typing import TypeAlias

import numpy as np

from symnet.data_classes import dataclass
from symnet.kernels.cuda.array_library import LONGEST_SUM
from symnet.kernels.cuda.cublas import LARGEST, SUMS, CublasProduct
from symnet.kernels.cuda.device_array import ALIGNMENT
from symnet.kernels.cuda.routine_work import RoutineStep
from symnet.kernels.library import GemmCall
from symnet.kernels.llvm.thread_sources import KernelSource
from symnet.kernels.loopir.scalars import (
    Kernel,
    Operand,
    Output,
    Scalar,
    cast,
    literal,
    load,
)
from symnet.kernels.schedule import Schedule, arrange_threads

ALPHA, A, B, BETA, C = range(5)  # operands of a GemmCall
Strides: TypeAlias = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class KernelStep:
    """A kernel on operands of a task, by number, each so many bytes behind its start; behind
    them come its pieces of scratch memory."""

    kernel: Kernel
    arrangement: Schedule
    operands: tuple[int, ...]
    offsets: tuple[int, ...]

    @property
    def source(self) -> KernelSource:
        return KernelSource(self.kernel, self.arrangement.variant)


@dataclass(frozen=True, slots=True)
class ProductStep:
    """A product of operands of a task, by number, each so many bytes behind its start."""

    product: CublasProduct
    operands: tuple[int, int, int]
    offsets: tuple[int, int, int]

    def at(self, pointers: Sequence[int]) -> CublasProduct:
        """The product, with the addresses of all operands and pieces of memory."""
        a, b, c = (
            pointers[number] + offset
            for number, offset in zip(self.operands, self.offsets, strict=True)
        )
        return self.product.at((a, b, c))


@dataclass(frozen=True, slots=True)
class Work:
    """What a task launches, in order.  scratch: where its pieces begin in `scratch_bytes`
    bytes of memory."""

    steps: tuple[KernelStep | RoutineStep | ProductStep, ...]
    scratch: tuple[int, ...] = ()
    scratch_bytes: int = 0

    @property
    def fixed(self) -> set[int]:
        """The operands whose addresses cannot be read from a block."""
        products = [one for one in self.steps if isinstance(one, ProductStep)]
        return {number for one in products for number in one.operands}


@dataclass(frozen=True, slots=True)
class Matrices:
    """Equal matrices: the number of an operand, bytes behind its start, the shape of the
    batch, of one matrix, and all strides in bytes."""

    number: int
    dtype: str
    shape: tuple[int, ...]
    strides: Strides
    start: int = 0

    @property
    def turned(self) -> Matrices:
        *batch, rows, columns = self.shape
        *steps, down, along = self.strides
        shape, strides = (*batch, columns, rows), (*steps, along, down)
        return replace(self, shape=shape, strides=strides)

    @property
    def item(self) -> int:
        return np.dtype(self.dtype).itemsize

    def leading(self) -> int | None:
        """Elements from row to row; None where a row has gaps, or cuBLAS cannot say how
        far it is to the next."""
        *steps, down, along = self.strides
        *_, rows, columns = self.shape
        near = columns == 1 or along == self.item
        if rows == 1:
            down = max(columns, 1) * self.item
        whole = all(step % self.item == 0 and step >= 0 for step in (down, *steps))
        far = down // self.item
        return far if near and whole and max(columns, 1) <= far <= LARGEST else None

    @property
    def readable(self) -> bool:
        """Whether cuBLAS can read them, by rows or by columns."""
        return self.leading() is not None or self.turned.leading() is not None

    @property
    def by_columns(self) -> bool:
        """Whether neighbours in a column are nearer to each other than those in a row."""
        *_, down, along = (abs(s) for s in self.strides)
        return down < along


@dataclass(slots=True)
class StepPlan:
    """Steps and memory of one call, as they are found.

    operands: how many the call has.  end: where memory that is used begins to be free; most:
    where it ended at most.
    """

    operands: int
    steps: list[KernelStep | ProductStep] = field(default_factory=list)
    scratch: list[int] = field(default_factory=list)
    end: int = 0
    most: int = 0

    @property
    def work(self) -> Work:
        return Work(tuple(self.steps), tuple(self.scratch), self.most)

    def bytes(self, size: int) -> int:
        """Scratch memory: its number among the operands."""
        self.scratch.append(self.end)
        self.end += -(-size // ALIGNMENT) * ALIGNMENT
        self.most = max(self.most, self.end)
        return self.operands - 1 + len(self.scratch)

    def forget(self) -> None:
        """What comes next may use the same memory again."""
        self.end = 0

    def memory(self, dtype: str, like: Matrices) -> Matrices:
        """Memory without gaps for matrices, in the order in which others lie."""
        if like.by_columns:
            return self.memory(dtype, like.turned).turned
        strides = [np.dtype(dtype).itemsize]
        for size in like.shape[:0:-1]:
            strides.insert(0, strides[0] * max(size, 1))
        size = strides[0] * max(like.shape[0], 1)
        return Matrices(self.bytes(size), dtype, like.shape, tuple(strides))

    def kernel(
        self, value: Scalar, inputs: Sequence[Matrices], target: Matrices
    ) -> None:
        """A loop over matrices; load number k of `value` reads inputs[k]."""
        rank, every = len(target.shape), [*inputs, target]
        moving = [tuple(x.shape == target.shape for _ in range(rank)) for x in every]
        operands = [Operand(x.dtype, m) for x, m in zip(every, moving, strict=True)]
        kernel = Kernel(
            rank,
            (False,) * rank,
            tuple(operands[:-1]),
            (Output(operands[-1], cast(value, target.dtype)),),
        )
        strides = [x.strides if m[0] else (0,) * rank for x, m in zip(every, moving)]
        arrangement = arrange_threads(kernel, target.shape, strides)
        numbers, starts = tuple(x.number for x in every), tuple(x.start for x in every)
        self.steps.append(KernelStep(kernel, arrangement, numbers, starts))

    def copied(self, source: Matrices) -> Matrices:
        made = self.memory(source.dtype, source)
        self.kernel(load(0, source.dtype), [source], made)
        return made


def work_of_product(
    call: GemmCall, moving: Sequence[bool], rounded: str
) -> Work | None:
    """How a call is done; None where cuBLAS does not know its dtype, or cannot count so far.

    moving: whether each of its operands may lie elsewhere in the next call; rounded: what
    factors of float32 may be rounded to, as in `CublasProduct`.
    """
    if call.dtype not in SUMS or np.dtype(call.dtype).kind == "c":
        return None
    (m, n, k), batch = call.sizes, tuple(size for size, *_ in call.loops)
    if 0 in (m, n, *batch):
        return Work(())
    if max(m, n, k, *batch) > LARGEST:
        return None
    a, b, c = (
        Matrices(number, call.dtype, (*batch, *shape), (*steps, *strides))
        for number, shape, steps, strides in zip(
            (A, B, C),
            ((m, k), (k, n), (m, n)),
            zip(*(loop[1:] for loop in call.loops)) if batch else ((),) * 3,
            call.strides,
            strict=True,
        )
    )
    plan, sums = StepPlan(C + 1), SUMS[call.dtype]
    known = call.alpha is not None and call.beta is not None
    long = k > LONGEST_SUM and sums != call.dtype
    direct = known and k > 0 and not long and c.readable and not moving[C]
    if k:
        a, b = (
            x if x.readable and not moving[x.number] else plan.copied(x) for x in (a, b)
        )
    if direct:
        assert call.alpha is not None and call.beta is not None
        multiply(plan, a, b, c, call.alpha, call.beta, rounded)
    else:
        made = plan.memory(sums, c) if k else None
        if made is not None:
            alpha = 1.0 if call.alpha is None else call.alpha
            multiply(plan, a, b, made, alpha, 0.0, rounded)
        finish(plan, call, made, c, sums)
    return plan.work


def finish(
    plan: StepPlan, call: GemmCall, made: Matrices | None, c: Matrices, sums: str
) -> None:
    """C = alpha made + beta C of numbers in memory, which may be 0 and meet NaN; an alpha
    that was known is in `made`.  made: None for 0."""
    inputs: list[Matrices] = []
    rank = len(c.shape)

    def read(x: Matrices) -> Scalar:
        inputs.append(x)
        return cast(load(len(inputs) - 1, x.dtype), sums)

    def number(which: int) -> Scalar:
        return read(Matrices(which, call.dtype, (), (0,) * rank))

    value = literal(0.0, sums) if made is None else read(made)
    if call.alpha is None:
        value = number(ALPHA) * value
    if call.beta is None:
        value = value + number(BETA) * read(c)
    elif call.beta != 0:
        value = value + literal(call.beta.real, sums) * read(c)
    plan.kernel(value, inputs, c)


def multiply(
    plan: StepPlan,
    a: Matrices,
    b: Matrices,
    c: Matrices,
    alpha: complex,
    beta: complex,
    rounded: str,
) -> None:
    """C = alpha A B + beta C of matrices that cuBLAS can read, in parts of their sums."""
    if c.leading() is None:  # C' = B' A'
        a, b, c = b.turned, a.turned, c.turned
    *batch, m, k = a.shape
    n = b.shape[-1]
    # A matrix by rows is its transpose by columns: C' = B' A'.
    turned = b.leading() is None, a.leading() is None
    leading = (
        (b.turned if turned[0] else b).leading() or 0,
        (a.turned if turned[1] else a).leading() or 0,
        c.leading() or 0,
    )
    last = len(batch) - 1
    step_b, step_a, step_c = (
        x.strides[last] // x.item if batch else 0 for x in (b, a, c)
    )
    outer, count = batch[:-1], batch[-1] if batch else 1
    for place in np.ndindex(*outer):
        starts = [sum(i * step for i, step in zip(place, x.strides)) for x in (b, a, c)]
        for first in range(0, k, LONGEST_SUM):
            product = CublasProduct(
                a.dtype, c.dtype, (n, m, min(LONGEST_SUM, k - first)), turned,
                alpha, beta if first == 0 else 1.0, leading, (step_b, step_a, step_c),
                count, rounded if a.dtype == "float32" else "",
            )  # fmt: skip
            offsets = [
                b.start + first * b.strides[-2], a.start + first * a.strides[-1], c.start
            ]  # fmt: skip
            at_b, at_a, at_c = map(add, starts, offsets)
            numbers = (b.number, a.number, c.number)
            plan.steps.append(ProductStep(product, numbers, (at_b, at_a, at_c)))


__all__ = [
    "KernelStep", "Matrices", "ProductStep", "StepPlan", "Work", "multiply",
    "work_of_product",
]  # fmt: skip
