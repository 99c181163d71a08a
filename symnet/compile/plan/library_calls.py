"""Library calls of a program, bound to sizes: data that a device makes a task of."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from symnet.compile.lower.program import LibraryCall, Linearise
from symnet.graph.op import computed
from symnet.graph.variables import Apply, Constant
from symnet.kernels.library import (
    Call,
    ConvolutionCall,
    DenseCall,
    GemmCall,
    PackedGemm,
    Pair,
    Unwind,
)
from symnet.kernels.loopir.views import Size, View
from symnet.kernels.routines import Convolve, Dense, MatrixProduct

Numbers = Callable[[Sequence[Size]], tuple[int, ...]]
# Views of the operands of a call; None for a number that is known.
Operands = Sequence[View | None]


def bind_call(step: LibraryCall | Linearise, numbers: Numbers) -> tuple[Call, Operands]:
    """The call with numbers for sizes, and its operands."""
    if isinstance(step, Linearise):
        return _unwind(step, numbers)
    (node,), routine = step.nodes, step.routine
    if isinstance(routine, Convolve):
        return _convolution(step, routine, numbers)
    if not isinstance(routine, MatrixProduct):
        return _dense(step, node, routine, numbers)
    (target,) = step.outputs
    alpha: View | None = None
    beta: View | None = None
    factors: tuple[Any, Any] = (1.0, 0.0)
    views, added = list(step.inputs), target
    if routine.scaled:
        alpha, a, b, beta = views[:4]
        factors = _number(node, 0), _number(node, 3)
        alpha, beta = (v if f is None else None for v, f in zip((alpha, beta), factors))
        added = views[4] if len(views) > 4 else target
    else:
        a, b = views
    if routine.packed:
        packed = _packed(a, added, target, factors, numbers)
        return packed, (alpha, a, b, beta, added, target)
    return _gemm(a, b, target, factors, numbers), (alpha, a, b, beta, target)


def _number(node: Apply, position: int) -> Any:
    """A scalar as a number; None where it is read when the step runs.  So is a constant 0,
    which as a number would say that what it multiplies is not to be looked at."""
    variable = node.inputs[position]
    if isinstance(variable, Constant) and variable.data.any():
        return variable.data.reshape(())[()]
    return None


def _packed(
    a: View, added: View, c: View, factors: Any, numbers: Numbers
) -> PackedGemm:
    (m, k), (_, n) = numbers(a.sizes), numbers(c.sizes)
    strides_a, strides_c, strides_d = (
        _pair(numbers(view.strides)) for view in (a, c, added)
    )
    strides = (strides_a, strides_c, strides_d)
    return PackedGemm(c.dtype, (m, n, k), strides, *factors)


def _gemm(a: View, b: View, c: View, factors: Any, numbers: Numbers) -> GemmCall:
    """A product of matrices, vectors, or batches of matrices."""
    sizes_a, sizes_b = numbers(a.sizes), numbers(b.sizes)
    steps_a, steps_b = numbers(a.strides), numbers(b.strides)
    steps_c = numbers(c.strides)
    loops: tuple[tuple[int, int, int, int], ...] = ()
    if len(sizes_a) == 3:
        loops = ((sizes_a[0], steps_a[0], steps_b[0], steps_c[0]),)
        sizes_a, sizes_b = sizes_a[1:], sizes_b[1:]
        steps_a, steps_b, steps_c = steps_a[1:], steps_b[1:], steps_c[1:]
    item = c.itemsize
    (m, k), rows_a = _as_rows(sizes_a, steps_a, item)
    (n, _), columns_b = _as_rows(sizes_b[::-1], steps_b[::-1], item)
    rows_c = _result_strides(len(sizes_a), len(sizes_b), steps_c, m, n, item)
    strides = (rows_a, _pair(columns_b[::-1]), rows_c)
    alpha, beta = factors
    return GemmCall(c.dtype, (m, n, k), strides, alpha, beta, loops)


def _convolution(
    step: LibraryCall, routine: Convolve, numbers: Numbers
) -> tuple[ConvolutionCall, Operands]:
    """A convolution along three axes: those that are missing have one element."""
    (x, w), (y,) = step.inputs, step.outputs
    rank, item = len(routine.strides), y.itemsize
    low = numbers(step.sizes)[:rank]

    def three(values: Sequence[int], fill: int) -> tuple[int, int, int]:
        first, second, third = (*[fill] * (3 - rank), *values)
        return first, second, third

    sizes = [numbers(view.sizes) for view in (x, w, y)]
    strides = [
        (*steps[:3], *three(steps[3:], item))
        for steps in (numbers(view.strides) for view in (x, w, y))
    ]
    leading, strides[2] = strides[2][:3], strides[2][3:]
    strides[2] = (*(leading[routine.order.index(k)] for k in range(3)), *strides[2])
    (groups, images, channels, *inputs), (_, outputs, _, *taps), (*_,) = sizes
    call = ConvolutionCall(
        y.dtype, groups, images, outputs, channels,
        three(inputs, 1), three(taps, 1), three(sizes[2][3:], 1), three(low, 0),
        three(routine.strides, 1), three(routine.dilations, 1),
        three(routine.spreads, 1), *strides,
    )  # fmt: skip
    return call, (x, w, y)


def _pair(numbers: Sequence[int]) -> Pair:
    first, second = numbers
    return first, second


def _as_rows(
    sizes: tuple[int, ...], strides: tuple[int, ...], item: int
) -> tuple[Pair, Pair]:
    """A vector as a matrix of one row."""
    if len(sizes) == 2:
        return _pair(sizes), _pair(strides)
    return (1, sizes[0]), (sizes[0] * strides[0] or item, strides[0])


def _result_strides(
    rank_a: int, rank_b: int, strides: tuple[int, ...], m: int, n: int, item: int
) -> Pair:
    if rank_a == 2 and rank_b == 2:
        return _pair(strides)
    if rank_a == 2:  # a column
        return strides[0], item
    if rank_b == 2:  # a row
        return n * item, strides[0]
    return item, item


def _unwind(step: Linearise, numbers: Numbers) -> tuple[Unwind, Operands]:
    ring, target = step.inputs[0], step.outputs[0]
    (slots, *_), (kept, *rest) = numbers(ring.sizes), numbers(target.sizes)
    row_bytes = math.prod(rest) * target.itemsize
    call = Unwind(row_bytes, slots, step.depth, kept)
    return call, (*step.inputs, *step.outputs)


def _dense(
    step: LibraryCall, node: Apply, routine: Dense, numbers: Numbers
) -> tuple[DenseCall, Operands]:
    # What an output holds before has been brought to where that output lies.
    initial = step.outputs[:1] if step.initial is not None else ()
    operands = (*step.inputs, *initial, *step.outputs)
    shown = tuple((v.dtype, numbers(v.sizes)) for v in operands)
    sizes = numbers(step.sizes)
    reference = _reference(step, node, sizes)
    return DenseCall(routine, shown, len(step.outputs), sizes, reference), operands


def _reference(
    step: LibraryCall, node: Apply, sizes: Sequence[int]
) -> Callable[[Sequence[Any]], Sequence[Any]]:
    """The operation's own reference on the operands of a call."""
    count = len(step.inputs)

    def compute(arrays: Sequence[Any]) -> Sequence[Any]:
        given = [array.copy() for array in arrays[:count]]
        if step.initial is not None:  # what it holds lies where the result will be
            old = arrays[count + 1].copy()
            given.insert(node.op.lowering(node).initial, old)
        rest = node.inputs[len(given) :]
        given += [np.asarray(n, v.type.dtype) for n, v in zip(sizes, rest, strict=True)]
        return computed(node, given)

    return compute


__all__ = ["bind_call"]
