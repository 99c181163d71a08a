"""Values at one point: where they are written, how often, and in which order."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from symnet.kernels.cpu.runtime.run_kernel import run_kernel
from symnet.kernels.llvm.array_access import ArrayAccess
from symnet.kernels.llvm.blocks import Block
from symnet.kernels.llvm.loop_nest import BLOCK, ENTRY, ITEM, Nest
from symnet.kernels.llvm.points import Points, is_rare, needed
from symnet.kernels.llvm.target import cpu_target
from symnet.kernels.loopir.scalars import (
    Kernel,
    Output,
    Scalar,
    call,
    index,
    literal,
    load,
    scalar,
    select,
    walk,
)
from symnet.kernels.variants import Variant
from tests.kernels.kernel_reference import expected, operand
from tests.kernels.llvm.written_functions import FunctionWriter, Module

F = "float32"
SSE = cpu_target("x86_64-unknown-linux-gnu", "x86-64", {})


def points_of(value: Scalar, access: str = "cfc") -> Points:
    """Of out[i, j] = value, with x[i, j] and y[i]; lanes along j, rank by rank open."""
    inputs = (operand(F, [1, 1]), operand(F, [1, 0]))
    out = Output(operand(value.dtype, [1, 1]), value)
    kernel = Kernel(2, (False, False), inputs, (out,))
    nest = Nest(kernel, Variant(((0,), (1,)), (), "kept", access), SSE)
    block = Block(nest, FunctionWriter(Module(SSE)))
    block.counters = {0: "%i", 1: "%j"}
    for rank in (ITEM, BLOCK):
        block.open(rank)
    return Points(block, ArrayAccess(block))


def test_a_value_is_written_where_all_it_needs_is_known() -> None:
    x, y = load(0, F), load(1, F)
    row = y * 2.0
    points = points_of(x - row)
    points.evaluate(points.nest.roots)
    scopes = [points.block.chain[rank].values for rank in (ENTRY, ITEM, BLOCK)]
    assert not scopes[0]
    assert set(scopes[1]) == {y, row} and set(scopes[2]) == {x, x - row}


def test_what_is_written_is_not_written_again() -> None:
    x = load(0, F)
    points = points_of(x * x)
    assert points.unwritten([x * x]) == [x, x * x]
    points.evaluate([x])
    assert points.unwritten([x * x]) == [x * x]
    points.evaluate([x * x])
    lines = list(points.home(x).lines)
    points.evaluate([x * x])
    assert points.home(x).lines == lines


@pytest.mark.parametrize("copies", [1, 2, 4])
def test_one_value_for_each_vector_side_by_side(copies: int) -> None:
    x, y = load(0, F), load(1, F)
    points = points_of(x * y)
    points.block.copies = copies
    points.evaluate([x * y])
    assert len(points.home(x).values[x * y]) == copies
    assert len(points.home(y).values[y]) == 1
    assert len({points.text(x * y, 4, copy) for copy in range(copies)}) == copies
    splat = {points.text(y, 4, copy) for copy in range(copies)}
    assert len(splat) == 1
    text = "\n".join(points.home(y).lines)
    assert text.count("shufflevector") == 1  # made once, and outside


def test_literals_are_no_instructions() -> None:
    one = literal(1.0, F)
    points = points_of(load(0, F) + one)
    assert points.unwritten([one]) == []
    assert points.text(one, 0, 0) == "0x3FF0000000000000"
    assert points.text(one, 4, 0) == "splat (float 0x3FF0000000000000)"


def test_a_rare_value_is_not_needed_before_its_branch() -> None:
    x, y = load(0, F), load(1, F)
    seldom, usual = call("sqrt", x), x + y
    rare = scalar("select", (x > y, seldom, usual), F, "rare")
    assert is_rare(rare) and not is_rare(select(x > y, seldom, usual))
    assert needed(rare) == (x > y, x, usual)
    points = points_of(rare)
    assert seldom not in points.unwritten([rare])


@pytest.mark.parametrize("share", [0.0, 0.02, 1.0])
@pytest.mark.parametrize("size", [1, 16, 203])
def test_rare_values_reach_their_lanes(share: float, size: int) -> None:
    """Whether no lane needs them, some or all; the last ones under a mask."""
    x = load(0, F)
    rare = scalar("select", (x > 0.0, call("sqrt", x), -x), F, "rare")
    kernel = Kernel(
        1, (False,), (operand(F, [1]),), (Output(operand(F, [1]), rare * 1.5),)
    )
    rng = np.random.default_rng(size)
    data = np.where(rng.random(size) < share, 4.0, -3.0).astype(F)
    out = np.zeros(size, F)
    run_kernel(kernel, (size,), [data, out])
    np.testing.assert_array_equal(out, np.where(data > 0, 3.0, 4.5))


def long_formula(depth: int) -> Scalar:
    """Some independent chains, longer than what is written as it comes."""
    x, y = load(0, F), load(1, F)
    parts = []
    for k in range(3):
        value = x * (k + 0.5)
        for _ in range(depth):
            value = value * 0.75 + y
        parts.append(value)
    return parts[0] * parts[1] - parts[2] / (parts[1] + 3.0)


@pytest.mark.parametrize("depth", [1, 3, 20])
def test_long_formulas_in_another_order(depth: int) -> None:
    value = long_formula(depth)
    inputs = (operand(F, [1, 1]), operand(F, [1, 0]))
    kernel = Kernel(2, (False, False), inputs, (Output(operand(F, [1, 1]), value),))
    rng = np.random.default_rng(0)
    arrays: list[Any] = [rng.random((5, 83)).astype(F), rng.random(5).astype(F)]
    out = np.zeros((5, 83), F)
    run_kernel(kernel, (5, 83), [*arrays, out])
    (want,) = expected(kernel, (5, 83), [*arrays, out])
    np.testing.assert_allclose(out, want, rtol=1e-4)


def test_the_order_of_a_long_formula_is_found_once() -> None:
    value = long_formula(20)
    points = points_of(value)
    points.evaluate(points.nest.roots)
    assert len(points.orders) == 1
    (order,) = points.orders.values()
    assert sorted(map(id, order)) == sorted(
        id(n) for n in walk(points.nest.roots) if n.op != "literal"
    )
    points.block.open(ITEM)
    points.block.open(BLOCK)
    points.evaluate(points.nest.roots)
    assert len(points.orders) == 1


def test_counters_of_lanes() -> None:
    value = index(0) * 1000 + index(1)
    out = np.zeros((4, 37), "int64")
    kernel = Kernel(2, (False, False), (), (Output(operand("int64", [1, 1]), value),))
    run_kernel(kernel, out.shape, [out])
    np.testing.assert_array_equal(out, np.add.outer(1000 * np.arange(4), np.arange(37)))
