"""Convolutions whose input has one column, against the equation itself."""

from __future__ import annotations

import os

import numpy as np
import pytest

from symnet import config
from symnet.kernels.cpu.library.convolution_columns_code import convolve_columns
from symnet.kernels.cpu.library.convolution_columns_steps import columns_step
from symnet.kernels.cpu.library.convolution_steps import convolution_step
from symnet.kernels.cpu.runtime import threads
from tests.kernels.cpu.library.convolutions import (
    ONES,
    GuardedMemory,
    array,
    by_the_equation,
    call_of,
)
from tests.kernels.cpu.library.steps import carry_out

rng = np.random.default_rng(12)


def run(x, w, low, sizes, dilations=ONES, at_once=0):
    y = np.full((*x.shape[:2], w.shape[1], *sizes), np.nan, x.dtype)
    step = columns_step(call_of(x, w, y, low, ONES, dilations))
    assert step is not None
    carry_out(step, (x, w, y), at_once)
    return y


# Taps, how far the output begins before the input, sizes of the output, dilations.
KINDS = {
    "each column has its tap": ((3, 20), (0, 2, 19), (11, 20), ONES),
    "a border below and above": ((4, 20), (0, 6, 19), (17, 20), ONES),
    "some rows are not made": ((5, 33), (0, 2, 32), (6, 33), ONES),
    "columns without a tap": ((3, 20), (0, 2, 24), (11, 31), ONES),
    "taps without a column": ((3, 40), (0, 2, 30), (11, 25), ONES),
    "rows far from each other": ((3, 20), (0, 4, 19), (13, 20), (1, 2, 1)),
    "backwards": ((3, 20), (0, 0, 0), (11, 20), (1, -1, -1)),
    "far and backwards": ((3, 20), (0, -1, 0), (14, 20), (1, -2, -1)),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind(kind, dtype):
    taps, low, sizes, dilations = KINDS[kind]
    for groups, images, outputs, channels in ((1, 3, 1, 10), (2, 2, 3, 300)):
        x = array(rng, dtype, groups, images, channels, 1, 9, 1)
        w = array(rng, dtype, groups, outputs, channels, 1, *taps)
        y = run(x, w, low, (1, *sizes), dilations, at_once=2)
        want = by_the_equation(x, w, low, (1, *sizes), ONES, dilations)
        close = 1e-4 if dtype == "float32" else 1e-12
        np.testing.assert_allclose(y, want, rtol=close, atol=10 * close)


def test_where_it_serves():
    """A gradient of filters as wide as the image; nothing with two columns, or steps."""
    x = array(rng, "float32", 1, 3, 16, 1, 9, 1)
    w, y = (
        array(rng, "float32", 1, 1, 16, 1, 3, 40),
        np.empty((1, 3, 1, 1, 11, 40), "f4"),
    )
    call = call_of(x, w, y, (0, 2, 39))
    assert convolution_step(call).after[0][0] is convolve_columns
    wide = np.repeat(x, 2, axis=5)
    assert columns_step(call_of(wide, w, y, (0, 2, 39))) is None
    assert columns_step(call_of(x, w, y, (0, 2, 39), (1, 2, 1))) is None
    assert columns_step(call_of(x, w, y[..., :8].copy(), (0, 2, 7))) is None


def test_nan_and_infinity_stay_where_they_belong():
    x = array(rng, "float32", 1, 2, 10, 1, 9, 1)
    x[0, 0, 3, 0, 4], x[0, 1, 2, 0, 7] = np.nan, np.inf
    w = array(rng, "float32", 1, 1, 10, 1, 3, 20)
    for low, sizes in (((0, 2, 24), (1, 11, 31)), ((0, 5, 19), (1, 16, 20))):
        with np.errstate(invalid="ignore"):
            want = by_the_equation(x, w, low, sizes)
        y = run(x, w, low, sizes)
        np.testing.assert_array_equal(np.isfinite(y), np.isfinite(want))


@pytest.mark.skipif(os.name != "posix", reason="no guard pages")
@pytest.mark.parametrize("place", ["first", "last"])
def test_nothing_is_read_beside_the_arrays(place):
    guarded = GuardedMemory(place).guarded
    x = guarded(array(rng, "float32", 1, 2, 10, 1, 9, 1))
    w = guarded(array(rng, "float32", 1, 1, 10, 1, 3, 21))
    y = guarded(np.full((1, 2, 1, 1, 11, 21), np.nan, "float32"))
    carry_out(columns_step(call_of(x, w, y, (0, 2, 20))), (x, w, y))
    want = by_the_equation(x, w, (0, 2, 20), (1, 11, 21))
    np.testing.assert_allclose(y, want, rtol=1e-4, atol=1e-4)


def test_the_number_of_threads_changes_no_bit():
    x = array(rng, "float32", 1, 9, 40, 1, 12, 1)
    w = array(rng, "float32", 1, 2, 40, 1, 3, 50)
    before, found = config.num_threads, []
    try:
        for count in (1, 2, 3, 8):
            config.num_threads = count
            found.append(run(x, w, (0, 2, 49), (1, 14, 50), at_once=count))
    finally:
        config.num_threads = before
        threads.use(before)
    for other in found[1:]:
        np.testing.assert_array_equal(found[0], other)


def test_long_sums_are_exact():
    """20,000 equal terms of single precision, of which each partial sum rounds."""
    x = np.full((1, 1, 20_000, 1, 2, 1), 0.1, "float32")
    w = np.ones((1, 1, 20_000, 1, 1, 16), "float32")
    y = run(x, w, (0, 0, 15), (1, 2, 16))
    np.testing.assert_allclose(y, float(np.float32(0.1)) * 20_000, rtol=2e-6)
