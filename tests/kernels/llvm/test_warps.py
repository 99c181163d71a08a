"""Rows shared by the threads of a warp: on a GPU's own code, and on what stands for it."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from symnet.kernels.legality import stages_of
from symnet.kernels.llvm.emit import emit
from symnet.kernels.llvm.ptx import ptx
from symnet.kernels.llvm.target import nvptx_target
from symnet.kernels.loopir.scalars import (
    Kernel,
    Output,
    call,
    cast,
    gather,
    load,
    reduction,
)
from symnet.kernels.schedule import Schedule, arrange_threads
from symnet.kernels.variants import WARP, Variant, item_threads
from tests.kernels.kernel_reference import operand
from tests.kernels.llvm.thread_reference import run_threads
from tests.kernels.llvm.warp_threads import run_warps

DTYPES = ["float64", "float32", "float16", "int64", "int32", "int8", "bool"]
KINDS = ["sum", "max", "argmin", "any"]


def rows(kind: str, dtype: str) -> tuple[Kernel, str]:
    """Of each row one number, and its dtype."""
    result = {"argmin": "int64", "any": "bool"}.get(kind, dtype)
    if kind == "sum" and dtype in ("bool", "int8", "int32"):
        result = "int64"
    out = Output(operand(result, [1, 0]), reduction(kind, load(0, dtype), result))
    return Kernel(2, (False, True), (operand(dtype, [1, 1]),), (out,)), result


def arranged(kernel: Kernel, sizes: Any, *arrays: Any) -> Schedule:
    operands = (*kernel.inputs, *(out.operand for out in kernel.outputs))
    strides = []
    for one, array in zip(operands, arrays, strict=True):
        walked = iter(array.strides)
        strides.append([next(walked) if moves else 0 for moves in one.axes])
    return arrange_threads(kernel, sizes, strides)


def value_of(dtype: str, count: int, length: int) -> Any:
    value = np.random.default_rng(5).integers(-9, 9, (count, length))
    return (value == 0) if dtype == "bool" else (value / 4).astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_gpus_code_and_what_stands_for_it(kind: str, dtype: str) -> None:
    """The same bits, and NumPy's numbers (sums of quarters are exact)."""
    if dtype == "bool" and kind in ("max", "argmin"):
        pytest.skip("of truth there is all and any")
    kernel, result = rows(kind, dtype)
    value = value_of(dtype, 3, 77)
    first, second = (np.zeros(3, result) for _ in range(2))
    schedule = arranged(kernel, value.shape, value, first)
    assert schedule.variant.warps and item_threads(schedule.variant) == WARP
    run_warps(kernel, schedule, [value, first])
    run_threads(kernel, value.shape, [value, second], threads=2)
    np.testing.assert_array_equal(first, second)
    kept = value.astype(result) if kind == "sum" else value
    wanted = getattr(np, kind)(kept, axis=1)
    np.testing.assert_array_equal(first, wanted.astype(result))


def standardised(dtype: str) -> Kernel:
    """Three passes, and outputs inside and behind them; the last lies over an input."""
    count, x, b = operand(dtype, [1, 1]), load(0, dtype), load(1, dtype)
    largest = reduction("max", x, dtype)
    total = reduction("sum", call("exp", x - largest), dtype)
    inside = Output(count, call("exp", x - largest) / total + b)
    behind = Output(operand(dtype, [1, 0]), total + b)
    return Kernel(2, (False, True), (count, operand(dtype, [1, 0])), (inside, behind))


def check_softmax_and_totals(made: Sequence[Any], x: Any, b: Any) -> None:
    """Two runs, the same to the last bit: softmax of each row plus its b, and the total of
    its powers plus b."""
    for one, other in zip(*made, strict=True):
        np.testing.assert_array_equal(one, other)
    shifted = np.exp(x.astype("float64") - x.max(1, keepdims=True))
    total = shifted.sum(1)
    np.testing.assert_allclose(made[0][1], total + b, rtol=1e-6)
    wanted = shifted / total[:, None] + b[:, None]
    np.testing.assert_allclose(made[0][0], wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("length", [32, 33, 1500])
def test_passes_follow_one_another(length: int, order: int) -> None:
    kernel = standardised("float32")
    random = np.random.default_rng(6)
    x = random.normal(size=(5, length)).astype("float32")
    b = random.normal(size=5).astype("float32")
    made = []
    for run in ("gpu", "host"):
        bias, inside = b.copy(), np.zeros_like(x)
        arrays = [x, bias, inside, bias]
        if run == "gpu":
            run_warps(kernel, arranged(kernel, x.shape, *arrays), arrays, order)
        else:
            run_threads(kernel, x.shape, arrays, threads=3)
        made.append((inside, bias))
    check_softmax_and_totals(made, x, b)


@pytest.mark.parametrize("kind", ["sum", "argmin"])
def test_parts_are_shared_too(kind: str) -> None:
    result = "float64" if kind == "sum" else "int64"
    out = Output(operand(result, [0]), reduction(kind, load(0, "float64"), result))
    kernel = Kernel(1, (True,), (operand("float64", [1]),), (out,))
    value = np.random.default_rng(7).normal(size=70_000)
    first, second = (np.zeros((), result) for _ in range(2))
    schedule = arranged(kernel, value.shape, value, first)
    assert schedule.variant.warps and schedule.variant.lanes == "parts"
    run_warps(kernel, schedule, [value, first])
    run_threads(kernel, value.shape, [value, second], threads=5)
    assert first == second
    np.testing.assert_allclose(first, getattr(np, kind)(value), rtol=1e-12)


def test_parts_of_rows() -> None:
    """Few long rows: parts of each, and a warp that merges them."""
    kernel, _ = rows("sum", "float64")
    value = np.random.default_rng(7).normal(size=(3, 20_000))
    first, second = np.zeros(3), np.zeros(3)
    schedule = arranged(kernel, value.shape, value, first)
    assert schedule.variant.lanes == "parts" and schedule.total == 3 * 20
    run_warps(kernel, schedule, [value, first])
    run_threads(kernel, value.shape, [value, second], threads=5)
    np.testing.assert_array_equal(first, second)
    np.testing.assert_allclose(first, value.sum(1), rtol=1e-12)


def test_not_a_number_and_infinities() -> None:
    kernel, _ = rows("argmin", "float32")
    largest, _ = rows("max", "float32")
    value = np.ones((4, 64), "float32")
    value[0, [40, 50]], value[1, 3], value[2, 7] = np.nan, -np.inf, np.inf
    found, most = np.zeros(4, "int64"), np.zeros(4, "float32")
    run_warps(kernel, arranged(kernel, value.shape, value, found), [value, found])
    run_warps(largest, arranged(largest, value.shape, value, most), [value, most])
    np.testing.assert_array_equal(found, np.argmin(value, axis=1))
    np.testing.assert_array_equal(most, value.max(axis=1))


def test_where_rows_are_not_shared() -> None:
    """Short ones, and columns."""
    kernel, result = rows("sum", "float64")
    out = np.zeros(40, result)
    for value in (np.zeros((40, 16)), np.zeros((50, 40)).T):
        assert not arranged(kernel, value.shape, value, out).variant.warps


@pytest.mark.parametrize("place", [0, 8, -9, 9, -10])
def test_positions_in_a_row_that_is_shared(place: int) -> None:
    """A thread whose position is outside says so, and stays with its warp."""
    places = cast(load(0, "float64"), "int64")
    value = reduction("sum", gather(1, [places], "float64"), "float64")
    inputs = (operand("float64", [1, 1]), operand("float64", [0, 0], 1))
    gathers = Kernel(
        2, (False, True), inputs, (Output(operand("float64", [1, 0]), value),)
    )
    where, table = np.zeros((4, 40)), np.arange(1.0, 10)
    where[2, 35] = place
    found, other = np.zeros(4), np.zeros(4)
    strides = [[320, 8], [0, 0], [8, 0]]
    schedule = arrange_threads(gathers, (4, 40), strides, {1: [(9, 8)]})
    assert schedule.variant.warps
    if not -9 <= place < 9:
        with pytest.raises(IndexError):
            run_threads(gathers, (4, 40), [where, table, other])
        with pytest.raises(IndexError):
            run_warps(gathers, schedule, [where, table, found])
        return
    run_threads(gathers, (4, 40), [where, table, other])
    run_warps(gathers, schedule, [where, table, found])
    np.testing.assert_array_equal(found, table[where.astype(int)].sum(1))
    np.testing.assert_array_equal(found, other)


def ptx_of(kernel: Kernel, variant: Variant, architecture: str) -> str:
    target = nvptx_target(architecture)
    return ptx(emit(kernel, variant, target), target)


@pytest.mark.parametrize("architecture", ["sm_75", "sm_80", "sm_90"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int8"])
def test_the_instructions(dtype: str, architecture: str, tmp_path: Path) -> None:
    kernel, result = rows("sum", dtype)
    value, out = np.zeros((9, 64), dtype), np.zeros(9, result)
    text = ptx_of(kernel, arranged(kernel, (9, 64), value, out).variant, architecture)
    words = np.dtype(result).itemsize // 4
    assert len(re.findall(r"shfl\.sync\.bfly\.b32", text)) == 5 * words
    assert text.count("bar.warp.sync") == 1
    assert not re.search(r"\bcall\b|\.extern|\.local", text)
    if (assembler := shutil.which("ptxas")) is not None:
        file = tmp_path / "kernel.ptx"
        file.write_text(text)
        command = [assembler, f"-arch={architecture}", str(file), "-o", "/dev/null"]
        subprocess.run(command, check=True)


@pytest.mark.parametrize("architecture", ["sm_75", "sm_80", "sm_90"])
def test_the_instructions_of_parts(architecture: str) -> None:
    """A merging that passes numbers round, and writes behind what others have read."""
    kernel, result = rows("max", "float32")
    value, out = np.zeros((3, 70_000), "float32"), np.zeros(3, result)
    variant = arranged(kernel, value.shape, value, out).variant
    assert variant.lanes == "parts"
    text = ptx_of(kernel, variant, architecture)
    assert len(re.findall(r"shfl\.sync\.bfly\.b32", text)) == 5
    assert len(re.findall(r"shfl\.sync\.idx\.b32", text)) >= 2  # of 0 and -0; in order
    assert text.count("bar.warp.sync") == 1
    assert not re.search(r"\bcall\b|\.extern|\.local", text)


# ---- several passes, and columns, in parts


@pytest.mark.parametrize("order", [1, -1])
def test_passes_over_a_row_in_parts(order: int) -> None:
    """Softmax and more: each pass has a launch for its parts and one that merges them."""
    kernel = standardised("float32")
    random = np.random.default_rng(6)
    x = random.normal(size=(2, 4100)).astype("float32")
    b = random.normal(size=2).astype("float32")
    made = []
    for run in ("gpu", "host"):
        bias, inside = b.copy(), np.zeros_like(x)
        arrays = [x, bias, inside, bias]
        schedule = arranged(kernel, x.shape, *arrays)
        assert schedule.variant.lanes == "parts" and schedule.total == 10
        if run == "gpu":
            run_warps(kernel, schedule, arrays, order)
        else:
            run_threads(kernel, x.shape, arrays, threads=3)
        made.append((inside, bias))
    check_softmax_and_totals(made, x, b)


def test_the_stages_of_a_kernel() -> None:
    """What lies over an input is stored when all passes have read that."""
    found = [stage.suffix for stage in stages_of(standardised("float32"))]
    assert found == ["", "_combine", "_1", "_combine_1", "_2", "_store"]
    assert [s.suffix for s in stages_of(rows("sum", "float32")[0])] == ["", "_combine"]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", KINDS)
def test_columns_in_parts(kind: str, dtype: str) -> None:
    """The same bits from a GPU's code and what stands for it, and NumPy's numbers."""
    if dtype == "bool" and kind in ("max", "argmin"):
        pytest.skip("of truth there is all and any")
    kernel, result = rows(kind, dtype)
    value = value_of(dtype, 700, 3).T
    first, second = (np.zeros(3, result) for _ in range(2))
    schedule = arranged(kernel, value.shape, value, first)
    assert schedule.variant.lanes == "parts" and not schedule.variant.warps
    assert schedule.total == 3 * 11
    run_warps(kernel, schedule, [value, first])
    run_threads(kernel, value.shape, [value, second], threads=5)
    np.testing.assert_array_equal(first, second)
    kept = value.astype(result) if kind == "sum" else value
    wanted = getattr(np, kind)(kept, axis=1)
    np.testing.assert_array_equal(first, wanted.astype(result))


@pytest.mark.parametrize("axes", [(0, 2), (0, 1), (1, 2)])
def test_parts_of_several_dimensions(axes: tuple[int, ...]) -> None:
    """A few outer positions, and pieces of an inner dimension with gaps."""
    reduced = tuple(k in axes for k in range(3))
    kept = [not one for one in reduced]
    out = Output(
        operand("float64", kept), reduction("sum", load(0, "float64"), "float64")
    )
    kernel = Kernel(3, reduced, (operand("float64", [1, 1, 1]),), (out,))
    value = np.random.default_rng(7).normal(size=(3, 5, 9000))[:, :, ::2]
    (count,) = (n for n, one in zip(value.shape, kept, strict=True) if one)
    first, second = np.zeros(count), np.zeros(count)
    schedule = arranged(kernel, value.shape, value, first)
    assert (schedule.variant.lanes == "parts") == (count < 100)
    run_warps(kernel, schedule, [value, first])
    run_threads(kernel, value.shape, [value, second], threads=5)
    np.testing.assert_array_equal(first, second)
    np.testing.assert_allclose(first, value.sum(axes), rtol=1e-10, atol=1e-10)


def test_short_single_values_need_no_parts() -> None:
    """One warp and one launch."""
    out = Output(
        operand("float64", [0]), reduction("sum", load(0, "float64"), "float64")
    )
    kernel = Kernel(1, (True,), (operand("float64", [1]),), (out,))
    for length in (0, 1, 4095):
        value, found = np.arange(float(length)), np.full((), -1.0)
        schedule = arranged(kernel, value.shape, value, found)
        assert schedule.variant.lanes == "one" and schedule.variant.warps
        run_warps(kernel, schedule, [value, found])
        assert found == value.sum()


@pytest.mark.parametrize("architecture", ["sm_75", "sm_90", "sm_120"])
def test_the_instructions_of_passes_in_parts(architecture: str, tmp_path: Path) -> None:
    kernel = standardised("float32")
    x, b = np.zeros((2, 4100), "float32"), np.zeros(2, "float32")
    text = ptx_of(kernel, arranged(kernel, x.shape, x, b, x, b).variant, architecture)
    assert text.count(".visible .entry") == len(stages_of(kernel))
    assert not re.search(r"\bcall\b|\.extern|\.local", text)
    if (assembler := shutil.which("ptxas")) is not None:
        file = tmp_path / "kernel.ptx"
        file.write_text(text)
        command = [assembler, f"-arch={architecture}", str(file), "-o", "/dev/null"]
        subprocess.run(command, check=True)
