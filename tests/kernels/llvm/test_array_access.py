"""What is loaded and stored, in every dtype and layout, and what is left alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from symnet.kernels.cpu.runtime.run_kernel import run_kernel
from symnet.kernels.loopir.scalars import Kernel, Output, call, cast, gather, load
from tests.kernels.kernel_reference import operand

DTYPES = ["bool", "int8", "uint16", "int32", "uint64", "float16", "float32", "float64"]
GUARD = 8  # elements on both sides that must not change


def numbers(dtype: str, count: int) -> Any:
    return (np.arange(count) * 7 % 11).astype(dtype)


@pytest.mark.parametrize("step", [1, 2, 3, 4, 5, -2])
@pytest.mark.parametrize("dtype", DTYPES)
def test_copies_touch_only_their_own_places(dtype: str, step: int) -> None:
    """Sizes with all rests; from and to strided memory."""
    kernel = Kernel(
        1,
        (False,),
        (operand(dtype, [1]),),
        (Output(operand(dtype, [1]), load(0, dtype)),),
    )
    for size in [*range(20), 63, 64, 65, 130]:
        length = size * abs(step) + 2 * GUARD
        source, target = numbers(dtype, length), np.ones(length, dtype)
        want = target.copy()
        inner = slice(GUARD, length - GUARD)
        place = slice(None, None, step)
        want[inner][place] = source[inner][place]
        run_kernel(kernel, (size,), [source[inner][place], target[inner][place]])
        np.testing.assert_array_equal(target, want)
        flat = np.ones(size + 2 * GUARD, dtype)
        run_kernel(kernel, (size,), [source[inner][place], flat[GUARD : GUARD + size]])
        np.testing.assert_array_equal(flat[GUARD : GUARD + size], source[inner][place])
        assert flat[:GUARD].all() and flat[GUARD + size :].all()


@pytest.mark.parametrize("wide", ["float64", "float32"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_one_number_for_two_lanes(dtype: str, wide: str) -> None:
    """Beside rows of two, and two numbers for all rows; sizes with all rests."""
    total = cast(load(0, dtype), wide) + load(1, wide) + cast(load(2, dtype), wide)
    kernel = Kernel(
        2,
        (False, False),
        (operand(dtype, [1, 0]), operand(wide, [1, 1]), operand(dtype, [0, 1])),
        (Output(operand(wide, [1, 1]), total),),
    )
    for size in [*range(20), 31, 64, 65, 130, 1500]:
        shared, own = numbers(dtype, size), numbers(wide, 2 * size).reshape(size, 2)
        target = np.ones(2 * size + 2 * GUARD, wide)
        inner = target[GUARD : GUARD + 2 * size].reshape(size, 2)
        two = numbers(dtype, 3)[1:]
        run_kernel(kernel, (size, 2), [shared, own, two, inner])
        want = shared.astype(wide)[:, None] + own + two.astype(wide)
        np.testing.assert_array_equal(inner, want)
        assert (target[:GUARD] == 1).all() and (target[GUARD + 2 * size :] == 1).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_one_number_for_all(dtype: str) -> None:
    value = load(0, dtype)
    kernel = Kernel(
        1, (False,), (operand(dtype, [0]),), (Output(operand(dtype, [1]), value),)
    )
    for number in numbers(dtype, 4):
        out = np.zeros(37, dtype)
        run_kernel(kernel, (37,), [np.array(number), out])
        np.testing.assert_array_equal(out, np.full(37, number))


@pytest.mark.parametrize("dtype", ["bool", "int8", "float16", "float32", "float64"])
@pytest.mark.parametrize("size", [1, 15, 16, 33, 100])
def test_gathers_by_row_and_by_element(dtype: str, size: int) -> None:
    """One position for a whole row, contiguous or strided; one for each lane."""
    table, rng = numbers(dtype, 9 * size).reshape(9, size), np.random.default_rng(size)
    where = rng.integers(-9, 9, (5, size))
    inputs = (operand("int64", [1, 0]), operand(dtype, [0, 1], 1))
    picked = gather(1, [load(0, "int64")], dtype)
    out = np.zeros((5, size), dtype)
    own = (Output(operand(dtype, [1, 1]), picked),)
    rows = Kernel(2, (False, False), inputs, own)
    for source in (table, np.asfortranarray(table)):
        run_kernel(rows, out.shape, [where[:, 0].copy(), source, out])
        np.testing.assert_array_equal(out, table[where[:, 0]])
    inputs = (operand("int64", [1, 1]), operand(dtype, [0, 1], 1))
    run_kernel(Kernel(2, (False, False), inputs, own), out.shape, [where, table, out])
    np.testing.assert_array_equal(out, np.take_along_axis(table, where, 0))


@pytest.mark.parametrize("source", ["float16", "bool", "int8"])
def test_loads_in_masks_of_narrow_numbers(source: str) -> None:
    """Beside wider ones, whose vectors hold fewer lanes."""
    value = cast(load(0, source), "float64") + load(1, "float64")
    inputs = (operand(source, [1]), operand("float64", [1]))
    kernel = Kernel(1, (False,), inputs, (Output(operand("float64", [1]), value),))
    for size in (1, 3, 9, 21):
        x, y = numbers(source, size), numbers("float64", size)
        out = np.zeros(size)
        run_kernel(kernel, (size,), [x, y, out])
        np.testing.assert_array_equal(out, x.astype(float) + y)


@pytest.mark.parametrize("share", [2, 4, 8, 16, 32, 64])
@pytest.mark.parametrize("dtype", ["bool", "uint8", "int8", "int32"])
def test_two_operands_of_which_each_number_is_for_several_lanes(
    dtype: str, share: int
) -> None:
    """Of bytes LLVM did not come to an end where vectors have 64."""
    rows, whole = operand(dtype, [1, 0]), operand(dtype, [1, 1])
    x, y, z = (load(k, dtype) for k in range(3))
    joined = call("and", call("or", x, y), z)
    kernel = Kernel(2, (False, False), (rows, rows, whole), (Output(whole, joined),))
    rng = np.random.default_rng(0)
    for size in (1, 5, 32, 100):
        a, b = (rng.integers(0, 2, size).astype(dtype) for _ in "xy")
        c = rng.integers(0, 2, (size, share)).astype(dtype)
        found = np.zeros((size, share), dtype)
        run_kernel(kernel, (size, share), [a, b, c, found])
        np.testing.assert_array_equal(found, (a | b)[:, None] & c)
