"""Library calls of a program, bound to sizes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from symnet.compile.lower.program import LibraryCall, Linearise
from symnet.graph.variables import Apply, Constant
from symnet.kernels.cpu.library.call_steps import CallArrangement
from symnet.kernels.interface import Device
from symnet.kernels.loopir import scalars as loops
from symnet.kernels.loopir.scalars import Kernel, Operand, Output
from symnet.kernels.loopir.views import Size, View
from symnet.kernels.routines import MatrixProduct

Numbers = Callable[[Sequence[Size]], tuple[int, ...]]


# Vectors from this length on are multiplied by a loop of our own: it adds up as exactly as
# other sums, and uses all threads.  Measured against BLAS: 0.3 of the time for 1000
# numbers, 0.5 for a million.
LONG = 512


def arrange_call(
    step: LibraryCall, numbers: Numbers, device: Device
) -> tuple[Any, Kernel | None]:
    """The native call of a step: its words, and at which of them the pointers of the
    step's views belong (in the order of `plan.step_views`: inputs, initial, outputs).
    For the product of two long vectors a loop instead, and its kernel."""
    loop = _inner_products(step, numbers)
    if loop is not None:
        return device.arrange(*loop, {}), loop[0]
    return _library_call(step, numbers, device), None


def _inner_products(
    step: LibraryCall, numbers: Numbers
) -> tuple[Kernel, tuple[int, ...], list[tuple[int, ...]]] | None:
    """Kernel, sizes and strides of a loop, where all products are of two vectors."""
    routine = step.routine
    if not isinstance(routine, MatrixProduct) or routine.scaled or routine.packed:
        return None
    a, b, c = (*step.inputs, step.outputs[0])
    if c.dtype not in ("float32", "float64") or math.prod(numbers(c.sizes[-2:])) != 1:
        return None
    batch = numbers(a.sizes[:1]) if a.ndim == 3 else ()
    (*_, length), steps_a, steps_b = (
        numbers(a.sizes),
        numbers(a.strides),
        numbers(b.strides),
    )
    if length < LONG:
        return None
    along_b = steps_b[0] if b.ndim == 1 else steps_b[-2]
    strides = [
        (*steps_a[: len(batch)], steps_a[-1]),
        (*steps_b[: len(batch)], along_b),
        (*numbers(c.strides)[: len(batch)], 0),
    ]
    return inner_product(c.dtype, len(batch) + 1), (*batch, length), strides


@cache
def inner_product(dtype: str, rank: int) -> Kernel:
    """The loop that multiplies two arrays and adds up along their last axis."""
    kept = (True,) * (rank - 1)
    factors = (Operand(dtype, (*kept, True)),) * 2
    product = loops.call("mul", loops.load(0, dtype), loops.load(1, dtype))
    total = loops.reduction("sum", product, dtype)
    output = Output(Operand(dtype, (*kept, False)), total)
    return Kernel(rank, (*(not k for k in kept), True), factors, (output,))


def _library_call(
    step: LibraryCall, numbers: Numbers, device: Device
) -> CallArrangement:
    (node,), routine = step.nodes, step.routine
    if not isinstance(routine, MatrixProduct):
        initial = [step.initial] if step.initial is not None else []
        views = [*step.inputs, *initial, *step.outputs]
        found: CallArrangement = device.draw(routine, [numbers(v.sizes) for v in views])
        return found
    if routine.packed:
        return _packed(step, node, numbers, device)
    if routine.scaled:
        return _gemm(step, node, numbers, device)
    a, b = step.inputs
    return _product(a, b, step.outputs[0], (1.0, 0.0), numbers, device)


def call_facts(step: LibraryCall, numbers: Numbers) -> tuple[Any, ...] | None:
    """All on which the arrangement of a product depends; None for other routines."""
    (node,), routine = step.nodes, step.routine
    if not isinstance(routine, MatrixProduct):
        return None
    views = [*step.inputs, *step.outputs]
    where = [(v.dtype, numbers(v.sizes), numbers(v.strides)) for v in views]
    scalars = [_number(node, k) for k in (0, 3)] if routine.scaled else []
    # As text, which tells 0.0 from -0.0.
    return (routine, *map(str, scalars), *where)


def _packed(
    step: LibraryCall, node: Apply, numbers: Numbers, device: Device
) -> CallArrangement:
    """A product with a matrix in panels; the pointers as in `_gemm`."""
    scaled = isinstance(step.routine, MatrixProduct) and step.routine.scaled
    a, c = step.inputs[1 if scaled else 0], step.outputs[0]
    scalars = [_number(node, 0), _number(node, 3)] if scaled else [1.0, 0.0]
    (rows, inner), (_, columns) = numbers(a.sizes), numbers(c.sizes)
    added = step.inputs[4] if len(step.inputs) > 4 else c
    strides = [numbers(view.strides) for view in (a, c, added)]
    found: CallArrangement = device.panel_product(
        c.dtype, (rows, inner, columns), strides, *scalars
    )
    slot_a, slot_b, slot_c, slot_d, slot_alpha, slot_beta = found.pointer_slots
    if not scaled:
        return replace(found, pointer_slots=(slot_a, slot_b, slot_c))
    order = [
        slot_alpha if scalars[0] is None else -1, slot_a, slot_b,
        slot_beta if scalars[1] is None else -1, slot_d, slot_c,
    ]  # fmt: skip
    return replace(found, pointer_slots=tuple(order))


def arrange_ring(step: Linearise, numbers: Numbers, device: Device) -> CallArrangement:
    """The native step that brings the rows of a ring into order."""
    ring, target = step.inputs[0], step.outputs[0]
    (slots, *_), (kept, *rest) = numbers(ring.sizes), numbers(target.sizes)
    row_bytes = math.prod(rest) * target.itemsize
    found: CallArrangement = device.straighten(row_bytes, slots, step.depth, kept)
    return found


def _gemm(
    step: LibraryCall, node: Apply, numbers: Numbers, device: Device
) -> CallArrangement:
    """Pointers of alpha and beta only where their values come at the run."""
    alpha, a, b, beta = step.inputs
    scalars = [_number(node, 0), _number(node, 3)]
    found = _product(a, b, step.outputs[0], scalars, numbers, device)
    slot_a, slot_b, slot_c, *rest = found.pointer_slots
    places = iter(rest)
    slot_alpha, slot_beta = (next(places) if s is None else None for s in scalars)
    # -1: no pointer wanted; the initial view lies in the output's memory by now.
    order = [slot_alpha, slot_a, slot_b, slot_beta, None, slot_c]
    return replace(found, pointer_slots=tuple(-1 if s is None else s for s in order))


def _number(node: Apply, position: int) -> Any:
    """A scalar as a number; None where it is read when the step runs.  So is a constant 0,
    which as a number would say that what it multiplies is not to be looked at."""
    variable = node.inputs[position]
    if isinstance(variable, Constant) and variable.data.any():
        return variable.data.reshape(())[()]
    return None


def _product(
    a: View, b: View, c: View, scalars: Sequence[Any], numbers: Numbers, device: Device
) -> CallArrangement:
    """A product of matrices, vectors, or batches of matrices."""
    sizes_a, sizes_b = numbers(a.sizes), numbers(b.sizes)
    steps_a, steps_b = numbers(a.strides), numbers(b.strides)
    steps_c = numbers(c.strides)
    loops: list[tuple[int, int, int, int]] = []
    if len(sizes_a) == 3:
        loops = [(sizes_a[0], steps_a[0], steps_b[0], steps_c[0])]
        sizes_a, sizes_b = sizes_a[1:], sizes_b[1:]
        steps_a, steps_b, steps_c = steps_a[1:], steps_b[1:], steps_c[1:]
    item = c.itemsize
    (m, k), rows_a = _as_rows(sizes_a, steps_a, item)
    (n, _), columns_b = _as_rows(sizes_b[::-1], steps_b[::-1], item)
    rows_b = columns_b[::-1]
    rows_c = _result_strides(len(sizes_a), len(sizes_b), steps_c, m, n, item)
    found: CallArrangement = device.product(
        c.dtype, m, n, k, rows_a, rows_b, rows_c, *scalars, loops
    )
    return found


def _as_rows(
    sizes: tuple[int, ...], strides: tuple[int, ...], item: int
) -> tuple[tuple[int, int], tuple[int, int]]:
    """A vector as a matrix of one row."""
    if len(sizes) == 2:
        return (sizes[0], sizes[1]), (strides[0], strides[1])
    return (1, sizes[0]), (sizes[0] * strides[0] or item, strides[0])


def _result_strides(
    rank_a: int, rank_b: int, strides: tuple[int, ...], m: int, n: int, item: int
) -> tuple[int, int]:
    if rank_a == 2 and rank_b == 2:
        return strides[0], strides[1]
    if rank_a == 2:  # a column
        return strides[0], item
    if rank_b == 2:  # a row
        return n * item, strides[0]
    return item, item
