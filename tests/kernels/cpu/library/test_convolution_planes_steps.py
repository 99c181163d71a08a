"""Convolutions by planes against the equation: every stride, spread, block and rest."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symnet import config
from symnet.kernels.cpu.library import convolution_planes_steps
from symnet.kernels.cpu.library.convolution_planes_steps import planes_step
from symnet.kernels.cpu.runtime import threads
from tests.kernels.cpu.library.convolutions import (
    ONES,
    array,
    by_the_equation,
    call_of,
)
from tests.kernels.cpu.library.steps import carry_out


def by_planes(x, w, low, sizes, *steps, fixes_taps=True, at_once=0):
    """Carried out and compared; whether there is such a step."""
    y = np.full((*x.shape[:2], w.shape[1], *sizes), np.nan, x.dtype)
    found = planes_step(call_of(x, w, y, low, *steps), fixes_taps)
    if found is None:
        return False
    carry_out(found, (x, w, y), at_once)
    want = by_the_equation(x, w, low, sizes, *(steps or (ONES,) * 3))
    exact = 1e-12 if y.itemsize == 8 else 2e-4
    np.testing.assert_allclose(y, want, rtol=exact, atol=exact)
    return True


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_all_that_planes_can_do(data):
    draw = data.draw
    dtype = draw(st.sampled_from(["float32", "float64"]))
    few, fixes_taps = st.integers(1, 3), draw(st.booleans())
    groups = draw(few) if fixes_taps else draw(st.integers(16, 18))
    images, channels = draw(few), draw(few)
    outputs = draw(st.integers(1, 14 if fixes_taps else 3))
    short, long = st.integers(1, 4), st.integers(1, 20)
    inputs = draw(st.tuples(few, short, long))
    taps, sizes = (draw(st.tuples(few, short, n)) for n in (short, long))
    low = draw(st.tuples(*[st.integers(-2, 4)] * 3))
    strides, dilations, spreads = (
        draw(st.tuples(few, few, st.integers(1, 4))) for _ in ONES
    )
    if draw(st.booleans()):
        strides = (*strides[:2], 1)
    else:
        spreads = (*spreads[:2], 1)
    if not fixes_taps:
        taps, sizes, strides, dilations = sizes, taps, dilations, strides
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    x = array(rng, dtype, groups, images, channels, *inputs)
    w = array(rng, dtype, groups, outputs, channels, *taps)
    if draw(st.booleans()):  # other ways to lie in memory
        x = np.ascontiguousarray(x.transpose(4, 2, 3, 1, 0, 5)).transpose(
            4, 3, 1, 2, 0, 5
        )
    if draw(st.booleans()):
        w = np.ascontiguousarray(w.swapaxes(1, 2)).swapaxes(1, 2)
    step = strides if fixes_taps else dilations
    by_planes(x, w, low, sizes, strides, dilations, spreads, fixes_taps=fixes_taps)
    assert min(step[2], spreads[2]) == 1


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("width", [1, 4, 7, 8, 16, 17, 33, 70])
def test_rows_of_every_width(dtype, width):
    rng = np.random.default_rng(1)
    for rows in (1, 2, 5, 9):
        x, w = (
            array(rng, dtype, 3, 2, 1, 1, rows, width),
            array(rng, dtype, 3, 1, 1, 1, 3, 3),
        )
        assert by_planes(x, w, (0, 1, 1), (1, rows, width))
        x, g = (
            array(rng, dtype, 16, 1, 2, 1, rows, width),
            array(rng, dtype, 16, 2, 2, 1, rows, width),
        )
        assert by_planes(x, g, (0, 1, 1), (1, 3, 3), fixes_taps=False)


def test_pieces_of_a_long_sum(monkeypatch):
    """Channels by pieces, rows by blocks, with rests of both."""
    monkeypatch.setattr(convolution_planes_steps, "LONGEST_SUM", 40)
    monkeypatch.setattr(convolution_planes_steps, "PLANE_BYTES", 4096)
    rng = np.random.default_rng(2)
    for outputs in (1, 3, 13):
        x, w = (
            array(rng, "float32", 2, 2, 11, 2, 13, 9),
            array(rng, "float32", 2, outputs, 11, 1, 3, 3),
        )
        for steps in ((ONES,) * 3, ((1, 2, 2), ONES, ONES), (ONES, ONES, (1, 2, 2))):
            assert by_planes(x, w, (0, 1, 1), (2, 7, 8), *steps, at_once=3)


def test_what_planes_cannot_do():
    rng = np.random.default_rng(3)
    x, w = (
        array(rng, "float32", 1, 1, 2, 1, 9, 9),
        array(rng, "float32", 1, 2, 2, 1, 3, 3),
    )
    assert by_planes(x, w, (0, 1, 1), (1, 9, 9))
    assert not by_planes(x[..., ::-1], w, (0, 1, 1), (1, 9, 9))  # rows not by vectors
    assert not by_planes(x, w, (0, 1, 1), (1, 9, 2), (1, 1, 5), ONES, ONES)
    assert not by_planes(x, w, (0, 1, 1), (1, 9, 2), (1, 1, 2), ONES, (1, 1, 2))
    large = array(rng, "float32", 1, 2, 2, 1, 30, 30)
    assert not by_planes(x, large, (0, 29, 29), (1, 2, 2))  # a sum too long
    assert not by_planes(x, large, (0, 0, 0), (1, 2, 2), fixes_taps=False)  # one group


def test_nan_and_infinities_stay_where_they_belong():
    x = np.zeros((16, 1, 1, 1, 6, 9), "float32")
    x[2, 0, 0, 0, 2, 3], x[3, 0, 0, 0, 5, 8] = np.nan, np.inf
    w = np.ones((16, 1, 1, 1, 3, 3), "float32")
    g = np.ones((16, 1, 1, 1, 6, 9), "float32")
    for other, low, sizes, fixes_taps in (
        (w, 1, (1, 6, 9), True),
        (g, 1, (1, 3, 3), False),
    ):
        y = np.empty((16, 1, 1, *sizes), "float32")
        call = call_of(x, other, y, (0, low, low))
        carry_out(planes_step(call, fixes_taps), (x, other, y))
        with np.errstate(invalid="ignore"):
            want = by_the_equation(x, other, (0, low, low), sizes, ONES, ONES, ONES)
        np.testing.assert_array_equal(y, want)


def test_the_number_of_threads_changes_no_bit():
    rng = np.random.default_rng(4)
    x, w = (
        array(rng, "float32", 4, 3, 2, 1, 12, 12),
        array(rng, "float32", 4, 2, 2, 1, 3, 3),
    )
    g = array(rng, "float32", 6, 1, 3, 1, 12, 12)
    z = array(rng, "float32", 6, 3, 3, 1, 12, 12)
    before = config.num_threads
    try:
        for a, b, sizes, fixes_taps in (
            (x, w, (1, 12, 12), True),
            (z, g, (1, 3, 3), False),
        ):
            found = []
            for count in (1, 2, 3, 8):
                config.num_threads = count
                y = np.empty((*a.shape[:2], b.shape[1], *sizes), "float32")
                step = planes_step(call_of(a, b, y, (0, 1, 1)), fixes_taps)
                carry_out(step, (a, b, y), at_once=count)
                found.append(y)
            for other in found[1:]:
                np.testing.assert_array_equal(found[0], other)
    finally:
        config.num_threads = before
        threads.use(before)
