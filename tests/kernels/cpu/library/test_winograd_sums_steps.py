"""Gradients of filters by Winograd's forms against the equation."""

from __future__ import annotations

import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symnet import config
from symnet.kernels.cpu.library.convolution_steps import direct_step
from symnet.kernels.cpu.library.winograd_forms import POINTS
from symnet.kernels.cpu.library.winograd_sums_code import sum_tiles
from symnet.kernels.cpu.library.winograd_sums_steps import (
    winograd_sums_outputs,
    winograd_sums_step,
)
from symnet.kernels.cpu.runtime import threads
from tests.kernels.cpu.library.convolutions import GuardedMemory, array, call_of
from tests.kernels.cpu.library.steps import carry_out

EXACT = {"float32": 1e-5, "float64": 1e-13}


def by_the_equation(x, w, low):
    """A sum of all places for each tap, in float64."""
    (height, width), (rows, columns) = x.shape[4:], w.shape[4:]
    border = 4  # more than a tap goes beyond the input, at either end
    shape = (max(n, m) + 2 * border for n, m in ((height, rows), (width, columns)))
    padded = np.zeros((*x.shape[:3], *shape))
    padded[..., border : border + height, border : border + width] = x[:, :, :, 0]
    y = np.zeros((*x.shape[:2], w.shape[1], 1, 3, 3))
    for tap in np.ndindex(3, 3):
        at, left = (border + t - far for t, far in zip(tap, low, strict=True))
        met = padded[..., at : at + rows, left : left + columns]
        y[:, :, :, 0, *tap] = np.einsum("gncpq,gocpq->gno", met, w[:, :, :, 0])
    return y


def arrays(rng, dtype, images, inputs, outputs, size, low, groups=1):
    """x and w as a gradient has them: with the axes of images and channels exchanged."""
    sizes = [n + 2 * far - 2 for n, far in zip(size, low, strict=True)]
    x = array(rng, dtype, groups, images, inputs, 1, *size).swapaxes(1, 2)
    w = array(rng, dtype, groups, images, outputs, 1, *sizes).swapaxes(1, 2)
    y = np.full((groups, inputs, outputs, 1, 3, 3), np.nan, dtype)
    return x, w, y, call_of(x, w, y, (0, *low))


def winograd(call, outputs, x, w, y, at_once=0):
    step = winograd_sums_step(call, outputs, direct_step(call))
    assert step.code is sum_tiles
    carry_out(step, (x, w, y), at_once)
    return y


def check(x, w, y, call, low, outputs, at_once=0):
    winograd(call, outputs, x, w, y, at_once)
    want, scale = by_the_equation(x, w, low), by_the_equation(abs(x), abs(w), low).max()
    np.testing.assert_allclose(
        y / scale, want / scale, rtol=0, atol=EXACT[x.dtype.name]
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("outputs", POINTS)
@pytest.mark.parametrize(
    "sizes", [(2, 16, 17, (7, 9)), (3, 150, 33, (13, 12)), (1, 33, 140, (40, 20)),
              (90, 20, 16, (6, 5))],
)  # fmt: skip
def test_images_inputs_and_outputs(dtype, outputs, sizes):
    """Blocks of inputs and of outputs, parts, stripes of tiles, and their rests."""
    images, inputs, filters, size = sizes
    found = arrays(
        np.random.default_rng(2), dtype, images, inputs, filters, size, (1, 1)
    )
    check(*found, (1, 1), outputs, at_once=3)


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_all_that_an_equation_can_say(data):
    draw = data.draw
    dtype = draw(st.sampled_from(["float32", "float64"]))
    groups, images = draw(st.integers(1, 2)), draw(st.integers(1, 4))
    inputs, filters = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    size = draw(st.tuples(st.integers(3, 12), st.integers(3, 40)))
    low = draw(st.tuples(*[st.integers(0, 3)] * 2))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    x, w, y, call = arrays(rng, dtype, images, inputs, filters, size, low, groups)
    if draw(st.booleans()):  # other ways to lie in memory
        x = np.ascontiguousarray(x)
    if draw(st.booleans()):
        w = np.ascontiguousarray(w[:, ::-1, :, :, ::-1])[:, ::-1, :, :, ::-1]
    if draw(st.booleans()):
        y = np.ascontiguousarray(y.swapaxes(1, 2)).swapaxes(1, 2)
    call = call_of(x, w, y, (0, *low))
    check(x, w, y, call, low, draw(st.sampled_from(sorted(POINTS))))


@pytest.mark.parametrize("images", [1, 8])
def test_errors_stay_within_four_times_those_of_plain_sums(images):
    """Root mean squares against float64, with sums one after another in single precision:
    measured for F(4, 3) 0.5 to 1.9, fewer the longer the sums."""
    rng = np.random.default_rng(3)
    size, low = (28, 28), (1, 1)
    for relu in (False, True):
        x, w, y, call = arrays(rng, "float32", images, 16, 20, size, low)
        if relu:
            x = np.maximum(x, 0)
        plain = np.zeros(y.shape[1:3] + (3, 3), "float32")
        padded = np.pad(x[0, :, :, 0], ((0, 0), (0, 0), (1, 1), (1, 1)))
        for image, row, column in np.ndindex(images, *size):
            met = padded[:, None, image, row : row + 3, column : column + 3]
            plain += met * w[0, None, :, image, 0, row, column, None, None]
        want = by_the_equation(x, w, low)

        def error(found, want=want):
            return np.sqrt(np.mean((found - want) ** 2))

        usual = error(plain[None, :, :, None])
        call = call_of(x, w, y, (0, 1, 1))
        for outputs in POINTS:
            ratio = error(winograd(call, outputs, x, w, y)) / usual
            assert ratio < 4


@pytest.mark.parametrize("outputs", POINTS)
@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_what_is_not_finite(outputs, number):
    """At a corner it is read by some taps alone."""
    for place in ((0, 0), (5, 8), (12, 19)):
        for which in range(2):
            found = arrays(
                np.random.default_rng(6), "float32", 3, 20, 24, (13, 20), (1, 1)
            )
            x, w, y, call = found
            found[which][0, 7, 1, 0, *place] = number
            winograd(call, outputs, x, w, y)
            with np.errstate(invalid="ignore"):
                want = by_the_equation(x, w, (1, 1))
            finite = np.isfinite(want)
            # A number of the border times infinity is NaN for some drivers.
            assert not np.isfinite(y[~finite]).any()
            others = np.ones_like(finite)
            others[
                (slice(None), 7) if which == 0 else (slice(None), slice(None), 7)
            ] = False
            assert np.isfinite(y[others]).all()
            met = np.isfinite(y) & finite
            np.testing.assert_allclose(y[met], want[met], rtol=1e-2, atol=1e-2)
            again = np.full_like(y, 5)
            carry_out(direct_step(call), (x, w, again))
            np.testing.assert_array_equal(y, again)


def test_what_was_wrong_once_is_forgotten():
    x, w, y, call = arrays(
        np.random.default_rng(9), "float32", 2, 16, 16, (12, 12), (1, 1)
    )
    step = winograd_sums_step(call, 4, direct_step(call))
    words = carry_out(step, (x, w, y))
    before, kept = y.copy(), x.copy()
    x[0, 1, 1, 0, 5, 5] = np.nan
    words = carry_out(step, (x, w, y), words=words)
    assert np.isnan(y).any()
    x[...] = kept
    carry_out(step, (x, w, y), words=words)
    np.testing.assert_array_equal(y, before)


@pytest.mark.skipif(os.name != "posix", reason="no guard pages")
@pytest.mark.parametrize("place", ["first", "last"])
@pytest.mark.parametrize("outputs", POINTS)
def test_nothing_is_read_beside_the_arrays(place, outputs):
    memory, rng = GuardedMemory(place), np.random.default_rng(3)
    for size, low in (((7, 7), 1), ((5, 37), 2), ((6, 6), 0)):
        sizes = [n + 2 * low - 2 for n in size]
        x = memory.guarded(array(rng, "float32", 1, 2, 17, 1, *size)).swapaxes(1, 2)
        w = memory.guarded(array(rng, "float32", 1, 2, 18, 1, *sizes)).swapaxes(1, 2)
        y = memory.guarded(np.full((1, 17, 18, 1, 3, 3), np.nan, "float32"))
        check(x, w, y, call_of(x, w, y, (0, low, low)), (low, low), outputs)


def test_the_number_of_threads_changes_no_bit():
    rng = np.random.default_rng(4)
    before = config.num_threads
    try:
        for number in (1.0, np.nan):
            x, w, y, call = arrays(rng, "float32", 40, 20, 33, (12, 12), (1, 1))
            x[0, 3, 1, 0, 0, 0] = number
            found = []
            for count in (1, 2, 3, 8):
                config.num_threads = count
                found.append(winograd(call, 4, x, w, np.empty_like(y), at_once=count))
            for other in found[1:]:
                np.testing.assert_array_equal(found[0], other)
    finally:
        config.num_threads = before
        threads.use(before)


def test_where_it_is_used():
    rng = np.random.default_rng(10)

    def chosen(images, inputs, outputs, size, low=1, dtype="float32"):
        found = arrays(rng, dtype, images, inputs, outputs, (size, size), (low, low))
        return winograd_sums_outputs(found[3])

    assert chosen(4, 32, 32, 28) == 4
    assert chosen(4, 32, 32, 28, dtype="float64") in POINTS
    assert not chosen(4, 3, 32, 28)
    assert not chosen(4, 32, 3, 28)
    assert not chosen(1, 32, 32, 5, low=0)
    with config.change_flags(winograd="off"):
        assert not chosen(4, 32, 32, 28)
    x, w, y, _ = arrays(rng, "float32", 4, 32, 32, (28, 28), (1, 1))
    two, one = (1, 2, 2), (1, 1, 1)
    for steps in ((two, one, one), (one, two, one), (one, one, two)):
        assert not winograd_sums_outputs(call_of(x, w, y, (0, 1, 1), *steps))
    columns = np.ascontiguousarray(w.swapaxes(4, 5)).swapaxes(4, 5)
    assert not winograd_sums_outputs(call_of(x, columns, y, (0, 1, 1)))
