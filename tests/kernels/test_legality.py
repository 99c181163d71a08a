"""What may be done with the loops of a kernel."""

from __future__ import annotations

import pytest

from symnet.kernels.legality import axes_of, facts_of, may_be_banded, merge
from symnet.kernels.loopir.scalars import (
    Kernel,
    Output,
    Scalar,
    index,
    load,
    reduction,
    walk,
)
from symnet.kernels.variants import Variant
from tests.kernels.kernel_reference import operand
from tests.kernels.sample_kernels import SAMPLES

F = "float32"
LANES = {
    "gate": ("kept",), "bias": ("kept",), "row_sums": ("kept", "reduced"),
    "column_sums": ("kept", "reduced"), "softmax": ("kept", "reduced"),
    "whole_sum": ("parts",), "gathered": ("kept",), "scattered": ("kept",),
    "uniform": ("kept",),
}  # fmt: skip


@pytest.mark.parametrize("name", LANES)
def test_what_lanes_may_run_along(name: str) -> None:
    assert facts_of(SAMPLES[name].kernel).lanes == LANES[name]


def scatter(axes: list[int], where: Scalar) -> Kernel:
    out = Output(operand(F, axes, 1), load(0, F), (where,), "add")
    return Kernel(1, (False,), (operand(F, [1]), operand("int64", [1])), (out,))


def test_lanes_that_might_write_to_one_place_are_not_allowed() -> None:
    assert facts_of(scatter([0], load(1, "int64"))).lanes == ("one",)
    assert facts_of(scatter([1], index(0))).lanes == ("one",)


def test_order_is_kept_where_it_has_a_meaning() -> None:
    assert facts_of(SAMPLES["gate"].kernel).kept_in_any_order
    assert not facts_of(SAMPLES["scattered"].kernel).kept_in_any_order

    def three(kind: str, result: str) -> Kernel:
        value = reduction(kind, load(0, F), result)
        out = Output(operand(result, [1, 0, 0]), value)
        return Kernel(3, (False, True, True), (operand(F, [1, 1, 1]),), (out,))

    assert facts_of(three("sum", F)).reduced_in_any_order
    assert not facts_of(three("argmax", "int64")).reduced_in_any_order


def test_axes_along_which_values_change() -> None:
    sample = SAMPLES["softmax"].kernel
    nodes = walk(out.value for out in sample.outputs)
    moves = axes_of(nodes, sample.inputs, sample.reduced)
    for node in nodes:
        assert moves[node] == {"reduce": {0}, "literal": set()}.get(node.op, {0, 1})


def test_axes_that_every_operand_walks_as_one_are_merged() -> None:
    facts = facts_of(SAMPLES["bias"].kernel)
    kept = (0, 1)
    whole = [(148, 4)] * 3
    assert merge(kept, facts, (13, 37), whole) == ((0, 1),)
    assert merge(kept, facts, (13, 37), [(148, 4), (0, 4), (148, 4)]) == ((0,), (1,))
    assert merge(kept, facts, (13, 37), [(160, 4), (148, 4), (148, 4)]) == ((0,), (1,))
    counted = facts_of(SAMPLES["uniform"].kernel)
    assert merge(kept, counted, (5, 75), [(0, 0)] * 3 + [(300, 4)]) == ((0,), (1,))


def test_bands_need_lanes_across_rows() -> None:
    facts = facts_of(SAMPLES["column_sums"].kernel)
    across = Variant(((1,),), ((0,),), "kept", "cc")
    assert may_be_banded(across, facts)
    assert not may_be_banded(Variant(((1,),), ((0,),), "reduced", "sf"), facts)
    assert not may_be_banded(Variant(((0, 1),), (), "kept", "cc"), facts)
