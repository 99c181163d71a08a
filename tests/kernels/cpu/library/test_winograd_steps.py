"""Convolutions by Winograd's forms against the equation, and against each tap multiplied."""

from __future__ import annotations

import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symnet import config
from symnet.kernels.cpu.library import winograd_steps
from symnet.kernels.cpu.library.convolution_steps import rows_step
from symnet.kernels.cpu.library.winograd_code import convolve_tiles, mend
from symnet.kernels.cpu.library.winograd_forms import POINTS
from symnet.kernels.cpu.library.winograd_steps import winograd_outputs, winograd_step
from symnet.kernels.cpu.runtime import threads
from tests.kernels.cpu.library.convolutions import (
    GuardedMemory,
    array,
    by_the_equation,
    call_of,
)
from tests.kernels.cpu.library.steps import carry_out

EXACT = {"float32": 1e-4, "float64": 1e-12}


def direct(call, x, w, y):
    """The convolution tap by tap."""
    carry_out(rows_step(call), (x, w, y))
    return y


def winograd(call, outputs, x, w, y, at_once=0):
    step = winograd_step(call, outputs, rows_step(call))
    assert step.after[0][0] is convolve_tiles and step.after[1][0] is mend
    carry_out(step, (x, w, y), at_once)
    return y


def result(x, w, low, sizes):
    y = np.full((*x.shape[:2], w.shape[1], *sizes), np.nan, x.dtype)
    return y, call_of(x, w, y, low)


def check(x, w, low, sizes, outputs, at_once=0):
    y, call = result(x, w, low, sizes)
    winograd(call, outputs, x, w, y, at_once)
    want = by_the_equation(x, w, low, sizes)
    scale = by_the_equation(abs(x), abs(w), low, sizes).max() + 1e-30
    np.testing.assert_allclose(
        y / scale, want / scale, rtol=0, atol=EXACT[x.dtype.name]
    )
    return call


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("outputs", POINTS)
@pytest.mark.parametrize(
    "sizes", [(1, 16, 16, 7), (3, 100, 20, 9), (2, 17, 70, 21), (40, 16, 33, 3)]
)
def test_images_channels_and_filters(dtype, outputs, sizes):
    """Filters that are less than inputs, and the other way; pieces of channels, stripes,
    blocks of outputs, and their rests."""
    images, channels, filters, size = sizes
    rng = np.random.default_rng(2)
    x = array(rng, dtype, 1, images, channels, 1, size, size + 2)
    w = array(rng, dtype, 1, filters, channels, 1, 3, 3)
    check(x, w, (0, 1, 1), (1, size, size + 2), outputs, at_once=2)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_all_that_an_equation_can_say(data):
    draw = data.draw
    dtype = draw(st.sampled_from(["float32", "float64"]))
    groups, images = draw(st.integers(1, 2)), draw(st.integers(1, 4))
    channels, filters = draw(st.integers(16, 60)), draw(st.integers(1, 40))
    inputs = draw(st.tuples(st.integers(1, 12), st.integers(1, 40)))
    sizes = draw(st.tuples(st.integers(1, 14), st.integers(1, 44)))
    low = draw(st.tuples(*[st.integers(-2, 4)] * 2))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    x = array(rng, dtype, groups, images, channels, 1, *inputs)
    w = array(rng, dtype, groups, filters, channels, 1, 3, 3)
    if draw(st.booleans()):  # other ways to lie in memory
        x = np.ascontiguousarray(x.transpose(4, 2, 3, 1, 0, 5)).transpose(
            4, 3, 1, 2, 0, 5
        )
    if draw(st.booleans()):
        x = np.ascontiguousarray(x[..., ::-1, :])[..., ::-1, :]
    if draw(st.booleans()):
        w = np.ascontiguousarray(w.swapaxes(1, 2)).swapaxes(1, 2)
    check(x, w, (0, *low), (1, *sizes), draw(st.sampled_from(sorted(POINTS))))


def samples(rng, channels):
    """Images and filters that are hard in different ways."""
    shapes = (1, 1, channels, 1, 22, 22), (1, 32, channels, 1, 3, 3)
    x, w = (rng.normal(size=shape) for shape in shapes)
    rough = rng.normal(size=(1, 1, channels, 1, 1, 1))
    yield "normal", x, w
    yield "half of them 0", np.maximum(x, 0), w
    yield "positive", abs(x), abs(w)
    yield "channels of all magnitudes", x * np.exp(3 * rough), w
    yield "pixels of all magnitudes", x * np.exp(2 * rng.normal(size=shapes[0])), w
    signs = (-1.0) ** np.add.outer(np.arange(22), np.arange(22))
    yield "alternating", signs * (1 + 0.1 * x), w
    yield "smooth", 10 + x, w
    edges = np.array([[1, 0, -1], [2, 0, -2], [1, 0, -1]])
    yield "edges", x, edges * (1 + 0.01 * w)


@pytest.mark.parametrize("channels", [16, 64, 300])
def test_errors_stay_within_four_times_those_of_direct_sums(channels):
    """Root mean squares against float64: measured 2.1 to 3.4 for F(4, 3), 0.5 to 1.2 for
    F(2, 3)."""
    for what, x, w in samples(np.random.default_rng(5), channels):
        x, w = x.astype("float32"), w.astype("float32")
        y, call = result(x, w, (0, 1, 1), (1, 22, 22))
        want = by_the_equation(x.astype(float), w.astype(float), (0, 1, 1), (1, 22, 22))

        def error(found, want=want):
            return np.sqrt(np.mean((found - want) ** 2))

        usual = error(direct(call, x, w, y))
        for outputs, most in ((2, 1.5), (4, 4.0)):
            ratio = error(winograd(call, outputs, x, w, y)) / usual
            assert ratio < most, (what, outputs, ratio)


@pytest.mark.parametrize("outputs", POINTS)
@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_reaches_those_who_read_it_alone(outputs, number):
    rng = np.random.default_rng(6)
    for place in ((0, 0), (4, 13), (5, 7), (18, 20)):
        x = array(rng, "float32", 1, 3, 20, 1, 19, 21)
        x[0, 1, 7, 0, *place] = number
        w = array(rng, "float32", 1, 24, 20, 1, 3, 3)
        y, call = result(x, w, (0, 1, 1), (1, 19, 21))
        winograd(call, outputs, x, w, y)
        with np.errstate(invalid="ignore"):
            want = by_the_equation(x, w, (0, 1, 1), (1, 19, 21))
        np.testing.assert_allclose(y, want, rtol=1e-3, atol=1e-3)  # NaN where NaN is


@pytest.mark.parametrize("outputs", POINTS)
def test_filters_that_are_not_finite(outputs):
    rng = np.random.default_rng(7)
    x = array(rng, "float32", 1, 2, 20, 1, 9, 9)
    w = array(rng, "float32", 1, 24, 20, 1, 3, 3)
    w[0, 3, 4, 0, 1, 1], w[0, 17, 0, 0, 0, 2] = np.nan, np.inf
    y, call = result(x, w, (0, 1, 1), (1, 9, 9))
    want = direct(call, x, w, y).copy()
    found = winograd(call, outputs, x, w, np.full_like(y, 5))
    np.testing.assert_allclose(found, want, rtol=1e-3, atol=1e-3)
    assert np.isfinite(found[0, :, [0, 1, 2, 4, 16, 18]]).all()


@pytest.mark.parametrize("outputs", POINTS)
def test_what_overflows_on_the_way_only(outputs):
    """Sums of some inputs, or of filters, are beyond float32, though no result is."""
    rng = np.random.default_rng(8)
    x = np.full((1, 1, 16, 1, 8, 8), 3e38, "float32")
    x[..., 1::2] *= -1
    w = 1e-3 * array(rng, "float32", 1, 16, 16, 1, 3, 3)
    y, call = result(x, w, (0, 0, 0), (1, 6, 6))
    want = direct(call, x, w, y).copy()
    assert np.isfinite(want).all()
    np.testing.assert_allclose(
        winograd(call, outputs, x, w, y), want, rtol=1e-3, atol=1e-3 * abs(want).max()
    )
    # The same step again: what was marked is no longer.
    x[...] = 1.0
    np.testing.assert_allclose(
        winograd(call, outputs, x, w, y), by_the_equation(x, w, (0, 0, 0), (1, 6, 6)),
        rtol=1e-3, atol=1e-5,
    )  # fmt: skip


def test_marks_last_for_one_call():
    """Where something was not finite once, later calls are as if it had never been."""
    rng = np.random.default_rng(9)
    x = array(rng, "float32", 1, 2, 16, 1, 12, 12)
    w = array(rng, "float32", 1, 16, 16, 1, 3, 3)
    y, call = result(x, w, (0, 1, 1), (1, 12, 12))
    step = winograd_step(call, 4, rows_step(call))
    carry_out(step, (x, w, y))
    before, kept = y.copy(), x.copy()
    x[0, 1, 2, 0, 5, 5] = np.nan
    words = carry_out(step, (x, w, y))
    assert np.isnan(y).any()
    x[...] = kept
    carry_out(step, (x, w, y), words=words)
    np.testing.assert_array_equal(y, before)


@pytest.mark.skipif(os.name != "posix", reason="no guard pages")
@pytest.mark.parametrize("place", ["first", "last"])
@pytest.mark.parametrize("outputs", POINTS)
def test_nothing_is_read_beside_the_arrays(place, outputs):
    memory, rng = GuardedMemory(place), np.random.default_rng(3)
    for size, low in ((7, 1), (33, 1), (5, 2), (5, 0)):
        x = memory.guarded(array(rng, "float32", 1, 2, 17, 1, size, size))
        w = memory.guarded(array(rng, "float32", 1, 18, 17, 1, 3, 3))
        sizes = (1, size + 2 * low - 2, size + 2 * low - 2)
        y = memory.guarded(np.full((1, 2, 18, *sizes), np.nan, "float32"))
        winograd(call_of(x, w, y, (0, low, low)), outputs, x, w, y)
        want = by_the_equation(x, w, (0, low, low), sizes)
        np.testing.assert_allclose(y, want, rtol=1e-3, atol=1e-3)


def test_the_number_of_threads_changes_no_bit():
    rng = np.random.default_rng(4)
    before = config.num_threads
    try:
        for images, filters in ((9, 20), (1, 200)):
            x = array(rng, "float32", 1, images, 40, 1, 12, 12)
            w, found = array(rng, "float32", 1, filters, 40, 1, 3, 3), []
            x[0, 0, 3, 0, 4, 4] = np.inf
            for count in (1, 2, 3, 8):
                config.num_threads = count
                y, call = result(x, w, (0, 1, 1), (1, 12, 12))
                found.append(winograd(call, 4, x, w, y, at_once=count))
            for other in found[1:]:
                np.testing.assert_array_equal(found[0], other)
    finally:
        config.num_threads = before
        threads.use(before)


def test_where_it_is_used():
    def chosen(images, channels, filters, size, dtype="float32"):
        x = np.zeros((1, images, channels, 1, size, size), dtype)
        w = np.zeros((1, filters, channels, 1, 3, 3), dtype)
        y = np.empty(
            (1, images, filters, 1, size, size), dtype
        )  # of which nothing is touched
        return winograd_outputs(call_of(x, w, y, (0, 1, 1)))

    assert chosen(8, 64, 64, 56) == 4
    assert chosen(1, 512, 512, 14) in POINTS
    assert chosen(8, 64, 64, 56, dtype="float64") in POINTS
    assert not chosen(8, 3, 64, 56)
    assert not chosen(8, 64, 3, 56)
    assert not chosen(1, 32, 32, 2)
    assert not chosen(1, 16, 9000, 400)  # products of all outputs for each thread
    assert not chosen(1, 2048, 2048, 200)  # 600 MB of transformed filters
    with config.change_flags(winograd="off"):
        assert not chosen(8, 64, 64, 56)


@pytest.mark.parametrize("vector", [64, 32])
def test_where_it_is_used_by_the_costs_of_a_processor(vector, monkeypatch):
    """Many channels everywhere; few of large images where planes need no packing alone."""
    costs = winograd_steps.COSTS[vector]
    monkeypatch.setattr(winograd_steps, "winograd_costs", lambda: costs)
    rng = np.random.default_rng(9)

    def chosen(channels, size):
        x = array(rng, "float32", 1, 1, channels, 1, size, size)
        w = array(rng, "float32", 1, channels, channels, 1, 3, 3)
        return winograd_outputs(result(x, w, (0, 1, 1), (1, size, size))[1])

    assert chosen(256, 28) == 4
    assert chosen(64, 56) == 4
    assert chosen(16, 112) == (4 if vector == 64 else 0)


def test_costs_of_other_processors_are_those_of_wide_vectors(monkeypatch):
    class Other:
        class target:  # noqa: N801
            vector_bytes = 16

    monkeypatch.setattr(winograd_steps, "machine", Other)
    assert winograd_steps.winograd_costs() is winograd_steps.COSTS[64]


def test_only_what_it_can_do():
    rng = np.random.default_rng(10)
    x = array(rng, "float32", 1, 4, 32, 1, 30, 30)
    w = array(rng, "float32", 1, 32, 32, 1, 3, 3)
    y, call = result(x, w, (0, 1, 1), (1, 30, 30))
    assert winograd_outputs(call)
    two, one = (1, 2, 2), (1, 1, 1)
    for steps in ((two, one, one), (one, two, one), (one, one, two)):
        assert not winograd_outputs(call_of(x, w, y, (0, 1, 1), *steps))
    columns = np.ascontiguousarray(x.swapaxes(4, 5)).swapaxes(4, 5)
    assert not winograd_outputs(call_of(columns, w, y, (0, 1, 1)))
    mirrored = w[..., ::-1]
    assert not winograd_outputs(call_of(x, mirrored, y, (0, 1, 1)))
    large = array(rng, "float32", 1, 32, 32, 1, 5, 5)
    assert not winograd_outputs(call_of(x, large, y, (0, 2, 2)))
    far = call_of(x, w, y, (0, 1, 2**32 + 1))  # nothing is met
    assert not winograd_outputs(far)
    assert not winograd_outputs(call_of(x, w, y, (0, 1, 1 - 2**32)))
