"""What is taken to pay: that more work costs more, and where the marks lie."""

from __future__ import annotations

import numpy as np
import pytest

from symnet.kernels.cost_model import (
    BAND_BYTES,
    BAND_LEAST,
    BAND_ROWS_FAR,
    BAND_ROWS_NEAR,
    BAND_UNIT,
    COSTS,
    GPU_THREADS,
    IDLE,
    LEAST_OF_THREAD,
    LEAST_OF_WARP,
    LEAST_PARTS,
    NEAR_BYTES,
    SHORT,
    band_lanes,
    band_rows,
    bands_pay,
    best_lanes,
    box_of,
    grain_of,
    is_cut,
    jumps,
    memory_cost,
    moved_bytes,
    part_points,
    point_cost,
    work_cost,
)
from symnet.kernels.legality import facts_of
from symnet.kernels.loopir.scalars import Kernel, Output, Scalar, call, load
from symnet.kernels.variants import BAND_LANES, WARP, Variant
from tests.kernels.kernel_reference import operand
from tests.kernels.sample_kernels import SAMPLES

F = "float32"


def cost_of(value: Scalar) -> float:
    full = operand(value.dtype, [1])
    kernel = Kernel(1, (False,), (full,), (Output(full, value),))
    return point_cost(kernel, facts_of(kernel))


def test_arithmetic() -> None:
    x = load(0, F)
    assert cost_of(x) == 0
    assert cost_of(x + 1.0) == COSTS.primitive
    assert cost_of(call("exp", x)) == COSTS.function
    assert cost_of(call("j0", x)) == COSTS.call
    assert cost_of(load(0, "float64") + 1.0) == 2 * COSTS.primitive


@pytest.mark.parametrize("lanes", ["kept", "reduced"])
def test_more_points_cost_more(lanes: str) -> None:
    sample = SAMPLES["row_sums"].kernel
    facts, variant = facts_of(sample), Variant(((0,),), ((1,),), lanes, "cc")
    costs = [work_cost(sample, variant, facts, (n, 160), 4) for n in (1, 10, 100)]
    assert costs == sorted(set(costs))
    strided = Variant(((0,),), ((1,),), lanes, "sc")
    assert work_cost(sample, strided, facts, (10, 160), 4) > costs[1]


def test_memory() -> None:
    strides, sizes = [(148, 4), (0, 4), (148, 4)], (13, 37)
    assert moved_bytes((4, 4, 4), strides, sizes) == 4 * (13 * 37 * 2 + 37)
    assert memory_cost(NEAR_BYTES) > 2 * memory_cost(NEAR_BYTES - 1)


def test_lanes_run_along_the_axis_with_fewer_jumps() -> None:
    facts = facts_of(SAMPLES["row_sums"].kernel)
    by_rows, by_columns = [(400, 4), (4, 0)], [(4, 400), (4, 0)]
    assert [jumps(axis, facts, by_rows) for axis in (0, 1)] == [1, 0]
    found = [
        best_lanes(facts, (0,), (1,), (50, 100), strides)
        for strides in (by_rows, by_columns)
    ]
    assert found == ["reduced", "kept"]
    assert best_lanes(facts, (0,), (1,), (50, SHORT), by_rows) == "kept"
    assert best_lanes(facts, (0,), (1,), (50, SHORT + 1), by_rows) == "reduced"


def test_bands_pay_for_many_rows_and_lanes_of_much_memory() -> None:
    facts = facts_of(SAMPLES["column_sums"].kernel)
    variant = Variant(((1,),), ((0,),), "kept", "cc")
    rows, lanes, moved = BAND_ROWS_NEAR + 1, BAND_LEAST + 1, BAND_BYTES + 1
    assert bands_pay(variant, facts, (rows, lanes), moved)
    assert not bands_pay(variant, facts, (rows - 1, lanes), moved)
    assert not bands_pay(variant, facts, (rows, lanes - 1), moved)
    assert not bands_pay(variant, facts, (rows, lanes), moved - 1)
    assert [band_rows(m) for m in (0, NEAR_BYTES)] == [BAND_ROWS_NEAR, BAND_ROWS_FAR]


@pytest.mark.parametrize("threads", [1, 2, 7])
@pytest.mark.parametrize("last", [1, 31, 500, 5000])
def test_there_is_a_band_for_each_thread(threads: int, last: int) -> None:
    lanes = band_lanes(1, last, threads)
    assert lanes % BAND_UNIT == 0 and 0 < lanes <= BAND_LANES
    if last >= threads**2 * BAND_UNIT:
        assert -(-last // lanes) >= threads


def test_boxes_have_inner_dimensions_first() -> None:
    assert box_of((10_000_000,), 1 << 17) == (1 << 17,)
    assert box_of((5000, 300), 1 << 15) == (110, 300)
    assert box_of((5, 1_000_000), 2048) == (1, 2048)
    assert box_of((7, 50, 30), 200) == (1, 7, 30)
    assert box_of((3, 4), 100) == (3, 4) and box_of((0, 4), 0) == (1, 1)


@pytest.mark.parametrize("warps", [False, True])
def test_parts_are_long_enough_and_give_work_to_a_gpu(warps: bool) -> None:
    least, threads = (LEAST_OF_WARP, WARP) if warps else (LEAST_OF_THREAD, 1)
    for rows in (1, 3, 100, 500):
        for points in (2 * least, 10**5, 10**6, 10**9):
            size = part_points(rows, points, warps)
            parts = rows * -(-points // size)
            assert size >= least and parts * threads <= GPU_THREADS + rows * threads
            # All threads have work, or parts are as small as they get.
            assert size == least or parts * threads >= GPU_THREADS // 2


@pytest.mark.parametrize("warps", [False, True])
def test_what_is_cut(warps: bool) -> None:
    """Few and long rows, but for a scatter's."""
    facts = facts_of(SAMPLES["row_sums"].kernel)
    least, threads = (LEAST_OF_WARP, WARP) if warps else (LEAST_OF_THREAD, 1)
    few, long = GPU_THREADS // IDLE // threads, LEAST_PARTS * least
    for rows, points, wanted in (
        (1, long, True), (few, long, True), (1, long - 1, False),
        (few + 1, 10**6, False), (0, 10**6, False), (5, 0, False),
    ):  # fmt: skip
        assert is_cut(facts, rows, points, warps) == wanted
    assert not is_cut(facts_of(SAMPLES["scattered"].kernel), 1, 10**6, warps)


def test_threads_pay_for_long_work_only() -> None:
    assert grain_of(COSTS.split / 2, 100) > 100
    long = grain_of(100 * COSTS.split, 100)
    assert 1 <= long <= 2
    for cost in np.geomspace(1, 1e9, 30):
        grain = grain_of(float(cost), 100)
        assert grain >= 1 and (grain < 100) == (cost > COSTS.split)
