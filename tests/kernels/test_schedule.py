"""Layouts: which axes are merged, where the lanes run, what stays the same with sizes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from symnet.kernels.loopir.scalars import (
    Kernel,
    Output,
    call,
    gather,
    index,
    load,
    reduction,
)
from symnet.kernels.schedule import Schedule, arrange
from symnet.kernels.variants import Variant, item_lanes
from tests.kernels.kernel_reference import operand

F = "float32"


def strides_of(
    shape: Sequence[int], axes: Sequence[int], order: str = "C"
) -> list[int]:
    """Byte strides of a float32 array along all loop axes."""
    moving = [k for k, m in enumerate(axes) if m]
    result, step = [0] * len(shape), 4
    for k in reversed(moving) if order == "C" else moving:
        result[k] = step
        step *= max(shape[k], 1)
    return result


def plain(
    shape: Sequence[int],
    inputs: Sequence[Sequence[int]],
    reduced: Sequence[int] = (),
    order: str = "C",
) -> Schedule:
    """The sum of inputs (reduced if asked for), all arrays laid out in one order."""
    rank = len(shape)
    value = load(0, F)
    for k in range(1, len(inputs)):
        value = value + load(k, F)
    target = [k not in reduced for k in range(rank)]
    if reduced:
        value = reduction("sum", value, F)
    kernel = Kernel(
        rank,
        tuple(k in reduced for k in range(rank)),
        tuple(operand(F, axes) for axes in inputs),
        (Output(operand(F, target), value),),
    )
    rows = [strides_of(shape, axes, order) for axes in [*inputs, target]]
    return arrange(kernel, shape, rows)


def test_axes_of_whole_arrays_become_one() -> None:
    arranged = plain((4, 5, 6), [[1, 1, 1]] * 2)
    assert arranged.variant == Variant(((0, 1, 2),), (), "kept", "ccc")
    assert arranged.words == (120, 0, 4, 0, 4, 0, 4)
    assert arranged.pointer_slots == (1, 3, 5)
    assert arranged.total == 1


def test_a_broadcast_operand_keeps_axes_apart() -> None:
    arranged = plain((4, 5, 6), [[1, 1, 1], [0, 1, 1]])
    assert arranged.variant == Variant(((0,), (1, 2)), (), "kept", "ccc")
    assert plain((4, 5, 6), [[1, 1, 1], [1, 1, 0]]).variant.access == "cfc"
    assert plain((4, 5, 6), [[1, 1, 1], [1, 1, 0]]).variant.kept == ((0, 1), (2,))


def test_the_smallest_step_goes_innermost() -> None:
    arranged = plain((4, 5, 6), [[1, 1, 1]], order="F")
    assert arranged.variant == Variant(((2, 1, 0),), (), "kept", "cc")
    assert plain((7, 5), [[1, 1], [0, 1]], order="F").variant.kept == ((1,), (0,))


def test_a_few_numbers_from_lane_to_lane_are_told_apart() -> None:
    kernel = Kernel(
        1, (False,), (operand(F, [1]),), (Output(operand(F, [1]), load(0, F)),)
    )
    steps = [0, 4, 8, 12, 16, 20, -8, 6]
    letters = [arrange(kernel, (9,), [[step], [4]]).variant.access[0] for step in steps]
    assert letters == ["f", "c", "2", "3", "4", "s", "s", "s"]


def test_a_short_last_axis_leaves_no_lanes_empty() -> None:
    """Rows of 2 beside one number for each: joined to the axis before.  Rows of 3 go
    before it; longer ones, and those of whole arrays, stay where they are."""
    paired = plain((50, 2), [[1, 1], [1, 0]])
    assert paired.variant == Variant(((0, 1),), (), "kept", "chc")
    assert paired.words == (100, 0, 4, 0, 0, 0, 4)
    again = plain((50, 2), [[1, 1], [1, 0], [0, 1]])
    assert again.variant == Variant(((0, 1),), (), "kept", "chpc")
    apart = plain((50, 3), [[1, 1], [1, 0]])
    assert apart.variant == Variant(((1,), (0,)), (), "kept", "3c3")
    assert plain((50, 5), [[1, 1], [1, 0]]).variant.kept == ((0,), (1,))
    assert plain((50, 3), [[1, 1]]).variant.kept == ((0, 1),)
    assert plain((50, 3), [[1, 1], [0, 1]]).variant.kept == ((1,), (0,))


def test_lanes_run_where_memory_does() -> None:
    assert plain((4, 50), [[1, 1]], [1]).variant == Variant(
        ((0,),), ((1,),), "reduced", "cf"
    )
    assert plain((4, 50), [[1, 1]], [0]).variant == Variant(
        ((1,),), ((0,),), "kept", "cc"
    )
    assert plain((4, 50), [[1, 1]], [0, 1]).variant == Variant(
        (), ((0, 1),), "parts", "cf"
    )
    assert plain((4, 50), [[1, 1]], [1], "F").variant.lanes == "kept"
    assert (
        plain((1000, 3), [[1, 1]], [1]).variant.lanes == "kept"
    )  # too short for lanes


@pytest.mark.parametrize("reduced", [(), (0,), (1,), (0, 1)])
@pytest.mark.parametrize(
    "inputs", [[[1, 1]], [[1, 1], [0, 1]], [[1, 1], [1, 0]], [[0, 1], [1, 0]]]
)
def test_a_new_batch_size_needs_no_new_code(
    reduced: Sequence[int], inputs: Sequence[Sequence[int]]
) -> None:
    variants = {plain((n, 50), inputs, reduced).variant for n in (0, 1, 2, 3, 16, 1000)}
    if reduced == (0,) and inputs == [[0, 1], [1, 0]]:
        return  # few rows to reduce, no array that moves along both axes
    assert len(variants) == 1


def test_a_known_general_variant_is_preferred() -> None:
    kernel = Kernel(
        2,
        (False, False),
        (operand(F, [1, 1]),),
        (Output(operand(F, [1, 1]), load(0, F)),),
    )
    sliced = arrange(kernel, (7, 10), [(80, 4), (40, 4)]).variant
    assert sliced.kept == ((0,), (1,))
    whole = [(40, 4), (40, 4)]
    assert arrange(kernel, (7, 10), whole).variant.kept == ((0, 1),)
    assert arrange(kernel, (7, 10), whole, available={sliced}).variant == sliced
    both = {sliced, arrange(kernel, (7, 10), whole).variant}
    assert arrange(kernel, (7, 10), whole, available=both).variant.kept == ((0, 1),)


def test_axes_with_a_counter_stay_apart() -> None:
    kernel = Kernel(
        3, (False,) * 3, (), (Output(operand("int64", [1, 1, 1]), index(1) + index(1)),)
    )
    assert arrange(kernel, (2, 3, 4), [(96, 32, 8)]).variant.kept == ((0,), (1,), (2,))


def test_positions_keep_the_order_of_reduced_axes() -> None:
    value = reduction("argmax", load(0, F), "int64")
    kernel = Kernel(
        2,
        (True, True),
        (operand(F, [1, 1]),),
        (Output(operand("int64", [0, 0]), value),),
    )
    assert arrange(kernel, (5, 6), [(4, 20), (0, 0)]).variant.reduced == ((0,), (1,))
    assert arrange(kernel, (5, 6), [(24, 4), (0, 0)]).variant.reduced == ((0, 1),)


def test_scatter_is_one_item_in_order() -> None:
    def scatter(target: Sequence[int]) -> Kernel:
        where = load(0, "int64")
        inputs = (operand("int64", [1, 0]), operand(F, [1, 1]))
        return Kernel(
            2,
            (False, False),
            inputs,
            (Output(operand(F, target, 1), load(1, F), (where,)),),
        )

    rows = arrange(scatter([0, 1]), (50, 8), [(8, 0), (32, 4), (0, 4)], {2: [(9, 32)]})
    assert rows.variant.lanes == "kept" and rows.total == 1
    assert rows.words[-2:] == (9, 32)
    clash = arrange(scatter([0, 0]), (50, 8), [(8, 0), (32, 4), (0, 0)], {2: [(9, 4)]})
    assert clash.variant.lanes == "one"
    assert (
        arrange(
            scatter([0, 1]), (0, 8), [(8, 0), (32, 4), (0, 4)], {2: [(9, 32)]}
        ).total
        == 0
    )


def test_gathers_have_words_for_their_axes() -> None:
    kernel = Kernel(
        1,
        (False,),
        (operand("int64", [1]), operand(F, [0], 2)),
        (Output(operand(F, [1]), gather(1, [load(0, "int64")] * 2, F)),),
    )
    arranged = arrange(kernel, (10,), [(8,), (0,), (4,)], {1: [(5, 24), (6, 4)]})
    assert arranged.words == (10, 0, 8, 0, 0, 5, 24, 6, 4, 0, 4)
    assert arranged.pointer_slots == (1, 3, 9)


def test_items_and_parts() -> None:
    lanes = item_lanes(plain((7, 10), [[1, 1]]).variant)
    assert plain((3, lanes * 2 + 1), [[1, 1], [0, 1]]).total == 9
    assert plain((lanes * 2 + 1,), [[1]]).total == 3
    assert plain((0, 10), [[1, 1]]).total == 0
    assert plain((50, 300), [[1, 1]], [1]).total == 50
    big = plain((1 << 20,), [[1]], [0])
    assert big.total == 8 and big.scratch_bytes and big.words[big.scratch_slot] == 0
    assert plain((0,), [[1]], [0]).total == 0 and plain((0,), [[1]], [0]).scratch_bytes
    scalar = plain((), [[]])
    assert scalar.variant.lanes == "one" and scalar.total == 1


def test_threads_pay_only_for_much_work() -> None:
    small, large = plain((100, 100), [[1, 1]] * 2), plain((3000, 3000), [[1, 1]] * 2)
    assert small.total <= small.grain
    assert large.total > 2 * large.grain
    assert large.cost_ns > 100 * small.cost_ns


def test_whether_all_threads_find_work() -> None:
    kernel = Kernel(
        2,
        (True, False),
        (operand(F, [1, 1]),),
        (Output(operand(F, [0, 1]), reduction("sum", load(0, F), F)),),
    )

    def full(rows: int, columns: int, threads: int) -> bool:
        strides = [(4 * columns, 4), (0, 4)]
        return arrange(kernel, (rows, columns), strides, threads=threads).full

    assert full(100, 10, 8) and full(1_000_000, 512, 8) and full(1_000_000, 10, 1)
    assert not full(1_000_000, 10, 2)


def test_negative_strides_count_by_size() -> None:
    kernel = Kernel(
        2,
        (False, False),
        (operand(F, [1, 1]),),
        (Output(operand(F, [1, 1]), load(0, F)),),
    )
    flipped = arrange(kernel, (4, 5), [(-20, -4), (20, 4)]).variant
    assert flipped == Variant(((0, 1),), (), "kept", "sc")


def test_words_are_plain_integers() -> None:
    arranged = plain((4, 5), [[1, 1], [0, 1]], [0])
    assert np.array(arranged.words, np.int64).tolist() == list(arranged.words)
    assert all(type(word) is int for word in arranged.words)


@pytest.mark.parametrize(
    ("length", "lanes"), [(2, "kept"), (16, "kept"), (17, "reduced")]
)
def test_lanes_run_across_short_rows(length: int, lanes: str) -> None:
    assert plain((600, length), [[1, 1]], reduced=[1]).variant.lanes == lanes
    assert plain((1, length), [[1, 1]], reduced=[1]).variant.lanes == lanes


def test_slow_arithmetic_is_shared_sooner() -> None:
    kernel = Kernel(
        1,
        (False,),
        (operand(F, [1]),),
        (Output(operand(F, [1]), call("tanh", load(0, F))),),
    )
    rows = [(4,), (4,)]
    fast, slow = (arrange(kernel, (100_000,), rows, slowness=s) for s in (1.0, 3.0))
    assert fast.variant == slow.variant and fast.words == slow.words
    assert slow.cost_ns > 2 * fast.cost_ns and slow.grain < fast.grain
