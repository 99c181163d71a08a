"""Kernels drawn at random: any mixture of loops, levels of reductions and layouts; by
vectors and by threads."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from symnet.kernels.cpu.runtime.run_kernel import run_kernel
from symnet.kernels.loopir.scalars import (
    Kernel,
    Operand,
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
from tests.kernels.kernel_reference import expected, operand
from tests.kernels.llvm.test_emit_layouts import laid_out
from tests.kernels.llvm.thread_reference import run_threads

WHOLE = "int32"  # wraps alike everywhere, so results must be equal to the last bit
SIZES = st.sampled_from([1, 2, 3, 7, 18, 40])


def draw_scalar(data: Any, pool: list[Scalar], reduces: bool, rank: int) -> Scalar:
    kind = data.draw(
        st.sampled_from(["arithmetic", "select", "reduce", "index", "gather"])
    )
    a, b = data.draw(st.sampled_from(pool)), data.draw(st.sampled_from(pool))
    if kind == "reduce" and reduces:
        how = data.draw(st.sampled_from(["sum", "max", "min", "argmax", "any", "prod"]))
        result = {"argmax": "int64", "any": "bool"}.get(how, WHOLE)
        return cast(reduction(how, a, result), WHOLE)
    if kind == "index" and rank:
        return cast(index(data.draw(st.integers(0, rank - 1))), WHOLE)
    if kind == "gather":
        place = call("mod", cast(a, "int64"), literal(9, "int64"))
        return gather(2, [place], WHOLE)
    if kind == "select":
        return select(a < b, a, b + 1)
    name = data.draw(
        st.sampled_from(["add", "sub", "mul", "maximum", "floordiv", "xor"])
    )
    return call(name, a, b)


def moves(node: Scalar, inputs: list[Operand], rank: int) -> set[int]:
    """The loop axes along which a value changes."""
    if node.op == "reduce":
        inner = set[int]().union(*(moves(a, inputs, rank) for a in node.args))
        return inner - REDUCED
    own = {node.value} if node.op == "index" else set()
    if node.op in ("load", "gather"):
        own = {k for k, m in enumerate(inputs[node.value].axes) if m}
    return own.union(*(moves(a, inputs, rank) for a in node.args))


REDUCED: set[int] = set()


@settings(max_examples=120)
@given(st.data())
def test_random_kernels(data: Any) -> None:
    rank = data.draw(st.integers(0, 3))
    sizes = tuple(data.draw(SIZES) for _ in range(rank))
    reduced = tuple(data.draw(st.booleans()) for _ in range(rank))
    REDUCED.clear()
    REDUCED.update(k for k, r in enumerate(reduced) if r)
    masks = [tuple(data.draw(st.booleans()) for _ in range(rank)) for _ in range(2)]
    inputs = [*(operand(WHOLE, mask) for mask in masks), operand(WHOLE, [0] * rank, 1)]
    pool = [load(0, WHOLE), load(1, WHOLE), literal(3, WHOLE)]
    for _ in range(data.draw(st.integers(1, 8))):
        pool.append(draw_scalar(data, pool, any(reduced), rank))
    outputs = []
    for value in pool[-data.draw(st.integers(1, 3)) :]:
        inside = bool(moves(value, inputs, rank) & REDUCED)
        axes = [inside or not r for r in reduced]
        outputs.append(Output(operand(WHOLE, axes), value))
    kernel = Kernel(rank, reduced, tuple(inputs), tuple(outputs))
    shapes = [tuple(n for n, m in zip(sizes, o.axes) if m) for o in inputs[:2]]
    arrays = [laid_out(data, shape, WHOLE) for shape in shapes]
    arrays.append(np.arange(-4, 5, dtype=WHOLE) ** 3)
    for out in outputs:
        shape = tuple(n for n, m in zip(sizes, out.operand.axes) if m)
        arrays.append(laid_out(data, shape, WHOLE).copy(order="K"))
    want = expected(kernel, sizes, arrays)
    results = arrays[len(inputs) :]
    run_kernel(
        kernel, sizes, arrays, items_at_once=data.draw(st.sampled_from([0, 1, 3]))
    )
    for got, wanted in zip(results, want):
        np.testing.assert_array_equal(got, wanted, kernel.text)
        got.fill(77)
    run_threads(kernel, sizes, arrays, data.draw(st.sampled_from([1, 5, 99])))
    for got, wanted in zip(results, want):
        np.testing.assert_array_equal(got, wanted, kernel.text)
