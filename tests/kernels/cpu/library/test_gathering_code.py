"""Zeros, and numbers that lie apart, gathered as by NumPy's slices."""

from __future__ import annotations

import ctypes
import itertools

import numpy as np
import pytest

from symnet.kernels.cpu.library.gathering_code import clear_blocks, gather_numbers

FUNCTION = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_int64] * 5)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("step", [-2, 1, 2, 3, 4, 5])
def test_gathered_numbers(dtype, step):
    native = FUNCTION(gather_numbers.address)
    numbers = np.arange(400, dtype=dtype)
    for count in (0, 1, 8, 9, 16, 17, 33, 64):
        source = numbers[390 if step < 0 else 5 :: step][:count]
        for call in (native, gather_numbers.python):
            target = np.full(count + 1, -1, dtype)
            place, item = target.ctypes.data, target.itemsize
            call(place, source.ctypes.data, step * item, count, item)
            np.testing.assert_array_equal(target[:-1], source)
            assert target[-1] == -1


def test_zeros():
    native = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_int64] * 2)(
        clear_blocks.address
    )
    for count, call in itertools.product((0, 1, 64, 65), (native, clear_blocks.python)):
        target = np.ones(256, np.uint8)
        call(target.ctypes.data, count)
        assert not target[:count].any() and target[count + 63 :].all()
