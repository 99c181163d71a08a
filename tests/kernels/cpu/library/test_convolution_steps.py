"""Convolutions on the CPU by every driver, against the equation itself."""

from __future__ import annotations

import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symnet import config
from symnet.kernels.cpu.library import panels_code
from symnet.kernels.cpu.library.convolution_code import ConvolutionWords
from symnet.kernels.cpu.library.convolution_steps import (
    along_inputs,
    along_taps,
    convolution_step,
)
from symnet.kernels.cpu.runtime import threads
from tests.kernels.cpu.library.convolutions import (
    ONES,
    GuardedMemory,
    array,
    by_the_equation,
    call_of,
)
from tests.kernels.cpu.library.steps import carry_out


def run(call, x, w, y, at_once=0):
    """Carry out the step of a call, so many items at a time (0: all)."""
    carry_out(convolution_step(call), (x, w, y), at_once)
    return y


def check(x, w, low, sizes, *steps, at_once=0):
    y = np.full((*x.shape[:2], w.shape[1], *sizes), np.nan, x.dtype)
    call = call_of(x, w, y, low, *steps)
    run(call, x, w, y, at_once)
    want = by_the_equation(x, w, low, sizes, *(steps or (ONES,) * 3))
    np.testing.assert_allclose(
        y, want, rtol=2e-4, atol=2e-4 if y.itemsize == 4 else 1e-12
    )
    return call


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_each_driver(dtype):
    rng = np.random.default_rng(1)
    images = array(rng, dtype, 1, 3, 2, 1, 9, 11)
    filters = array(rng, dtype, 1, 9, 2, 1, 3, 3)
    plain = check(images, filters, (0, 1, 1), (1, 9, 11))
    assert not along_taps(plain) and not along_inputs(plain)
    full = check(images, filters, (0, 2, 2), (1, 11, 13))
    assert along_inputs(full)
    large = array(rng, dtype, 1, 5, 2, 1, 7, 9)
    assert along_taps(check(images, large, (0, 0, 0), (1, 3, 3)))
    whole = array(rng, dtype, 1, 5, 2, 1, 9, 11)
    assert check(images, whole, (0, 0, 0), (1, 1, 1)).is_product


@pytest.mark.parametrize("sizes", [(40, 1, 5), (1, 33, 70), (70, 40, 3)])
def test_many_images_channels_and_filters(sizes):
    """Blocks, parts of filters, parts of contracted channels, and their rests."""
    count, channels, outputs = sizes
    rng = np.random.default_rng(2)
    images = array(rng, "float32", 1, count, channels, 1, 6, 5)
    filters = array(rng, "float32", 1, outputs, channels, 1, 2, 3)
    check(images, filters, (0, 0, 0), (1, 5, 3), at_once=2)
    # As for the gradient of filters: a small output, large filters.
    filters = array(rng, "float32", 1, outputs, channels, 1, 5, 4)
    check(images, filters, (0, 0, 0), (1, 2, 2), at_once=1)


@settings(max_examples=120, deadline=None)
@given(st.data())
def test_all_that_an_equation_can_say(data):
    draw = data.draw
    dtype = draw(st.sampled_from(["float32", "float64"]))
    few = st.integers(1, 3)
    groups, images, channels = (draw(few) for _ in range(3))
    outputs = draw(st.integers(1, 14))
    axis = st.integers(1, 5)
    inputs, taps, sizes = (draw(st.tuples(few, axis, axis)) for _ in range(3))
    low = draw(st.tuples(*[st.integers(-2, 4)] * 3))
    steps = [draw(st.tuples(few, few, few)) for _ in range(3)]
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    x = array(rng, dtype, groups, images, channels, *inputs)
    w = array(rng, dtype, groups, outputs, channels, *taps)
    if draw(st.booleans()):  # other ways to lie in memory
        x = np.ascontiguousarray(x.transpose(5, 2, 4, 1, 3, 0)).transpose(
            5, 3, 1, 4, 2, 0
        )
    if draw(st.booleans()):
        x = np.ascontiguousarray(x[..., ::-1])[..., ::-1]
    if draw(st.booleans()):
        w = np.ascontiguousarray(w.swapaxes(1, 2)).swapaxes(1, 2)
    check(x, w, low, sizes, *steps)


@pytest.mark.parametrize("empty", ["images", "channels", "outputs", "size"])
def test_nothing(empty):
    shape = {"images": 2, "channels": 3, "outputs": 2, "size": 4} | {empty: 0}
    x = np.ones((1, shape["images"], shape["channels"], 1, 4, 4), "float32")
    w = np.ones((1, shape["outputs"], shape["channels"], 1, 2, 2), "float32")
    check(x, w, (0, 0, 0), (1, shape["size"], 3))


def test_nan_stays_where_it_belongs():
    x = np.zeros((1, 2, 2, 1, 6, 6), "float32")
    x[0, 1, 1, 0, 2, 3] = np.nan
    w = np.ones((1, 3, 2, 1, 3, 3), "float32")
    for low, sizes in (((0, 0, 0), (1, 4, 4)), ((0, 2, 2), (1, 8, 8))):
        y = np.empty((1, 2, 3, *sizes), "float32")
        run(call_of(x, w, y, low), x, w, y)
        want = by_the_equation(x, w, low, sizes, ONES, ONES, ONES)
        np.testing.assert_array_equal(np.isnan(y), np.isnan(want))


@pytest.mark.skipif(os.name != "posix", reason="no guard pages")
@pytest.mark.parametrize("place", ["first", "last"])
def test_nothing_is_read_beside_the_arrays(place):
    guarded = GuardedMemory(place).guarded
    rng = np.random.default_rng(3)
    shapes = [
        ((1, 2, 3, 1, 7, 5), (1, 13, 3, 1, 3, 3), (0, 0, 0), (1, 5, 3)),
        ((1, 2, 3, 1, 5, 3), (1, 13, 3, 1, 3, 3), (0, 2, 2), (1, 7, 5)),
        ((1, 2, 3, 1, 7, 5), (1, 13, 3, 1, 6, 3), (0, 0, 0), (1, 2, 3)),
        ((1, 2, 1, 1, 7, 40), (1, 13, 1, 1, 3, 3), (0, 1, 1), (1, 7, 40)),
        ((17, 2, 1, 1, 7, 19), (17, 13, 1, 1, 6, 19), (0, 0, 0), (1, 2, 1)),
    ]
    steps = [(1, 1, k) for k in (2, 3, 4, 5)]
    shapes = [(*shape, ONES) for shape in shapes]
    shapes += [
        ((1, 2, 3, 1, 7, 36 * s[2] + 3), (1, 13, 3, 1, 3, 3), (0, 0, 0), (1, 5, 37), s)
        for s in steps
    ]
    for x_shape, w_shape, low, sizes, strides in shapes:
        x, w = (guarded(array(rng, "float32", *s)) for s in (x_shape, w_shape))
        y = guarded(np.full((x_shape[0], 2, 13, *sizes), np.nan, "float32"))
        run(call_of(x, w, y, low, strides), x, w, y)
        want = by_the_equation(x, w, low, sizes, strides, ONES, ONES)
        np.testing.assert_allclose(y, want, rtol=1e-4, atol=1e-4)


def test_the_number_of_threads_changes_no_bit():
    rng = np.random.default_rng(4)
    x = array(rng, "float32", 1, 9, 4, 1, 12, 12)
    cases = [
        ((1, 20, 4, 1, 3, 3), (0, 1, 1), 12),
        ((1, 20, 4, 1, 11, 11), (0, 0, 0), 2),
        ((1, 20, 4, 1, 2, 3), (0, 1, 1), 7),
    ]
    before = config.num_threads
    try:
        for shape, low, size in cases:
            w, found = array(rng, "float32", *shape), []
            for count in (1, 2, 3, 8):
                config.num_threads = count
                y = np.empty((1, 9, 20, 1, size, size), "float32")
                found.append(run(call_of(x, w, y, low), x, w, y, at_once=count))
            for other in found[1:]:
                np.testing.assert_array_equal(found[0], other)
    finally:
        config.num_threads = before
        threads.use(before)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_memory_that_was_taken_before_a_fork_is_free():
    words = np.zeros(ConvolutionWords.count + 2, np.int64)
    words[ConvolutionWords.slots] = 2
    words[ConvolutionWords.flags] = ConvolutionWords.count
    take = panels_code.take_slot
    assert take(words.ctypes.data) == 0
    child = os.fork()
    if child == 0:
        os._exit(10 + take(words.ctypes.data))
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 10
    assert take(words.ctypes.data) == 1


def test_long_sums_are_exact():
    """300,000 equal terms of single precision, of which each partial sum rounds."""
    x = np.full((1, 1, 300, 1, 100, 10), 0.1, "float32")
    w = np.ones((1, 1, 300, 1, 99, 10), "float32")
    y = np.empty((1, 1, 1, 1, 2, 1), "float32")
    run(call_of(x, w, y, (0, 0, 0)), x, w, y)
    exact = float(np.float32(0.1)) * 300 * 990
    np.testing.assert_allclose(y, exact, rtol=2e-6)
