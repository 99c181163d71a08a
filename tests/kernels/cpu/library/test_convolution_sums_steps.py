"""Convolutions along the taps against the equation: pieces, parts, blocks and their rests."""

from __future__ import annotations

import numpy as np
import pytest

from symnet.kernels.cpu.library import convolution_sums_steps
from symnet.kernels.cpu.library.convolution_sums_steps import sums_step
from tests.kernels.cpu.library.convolutions import (
    ONES,
    array,
    by_the_equation,
    call_of,
)
from tests.kernels.cpu.library.steps import carry_out


def by_sums(x, w, low, sizes, *steps, at_once=0):
    y = np.full((*x.shape[:2], w.shape[1], *sizes), np.nan, x.dtype)
    found = sums_step(call_of(x, w, y, low, *steps))
    carry_out(found, (x, w, y), at_once)
    want = by_the_equation(x, w, low, sizes, *(steps or (ONES,) * 3))
    exact = 1e-11 if y.itemsize == 8 else 3e-4
    np.testing.assert_allclose(y, want, rtol=exact, atol=exact)
    return found


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("outputs", [1, 4, 9])
def test_pieces_of_rows_and_of_channels(dtype, outputs, monkeypatch):
    rng = np.random.default_rng(1)
    x = array(rng, dtype, 2, 3, 7, 2, 12, 11)
    w = array(rng, dtype, 2, outputs, 7, 2, 10, 9)
    for size in (1, 100, 6144):
        monkeypatch.setattr(convolution_sums_steps, "PIECE_BYTES", size)
        found = by_sums(x, w, (0, 0, 0), (1, 3, 3), at_once=3)
        one_piece = size == 6144 and dtype == "float32"
        assert (not found.after) == one_piece  # else several parts


def test_one_part_and_many_blocks(monkeypatch):
    monkeypatch.setattr(convolution_sums_steps, "PARTS_BYTES", 0)
    monkeypatch.setattr(convolution_sums_steps, "RESULT_BYTES", 1000)
    monkeypatch.setattr(convolution_sums_steps, "PANEL_BYTES", 1)
    rng = np.random.default_rng(2)
    x, w = (
        array(rng, "float32", 1, 5, 9, 1, 8, 9),
        array(rng, "float32", 1, 6, 9, 1, 6, 7),
    )
    assert not by_sums(x, w, (0, 0, 0), (1, 3, 3)).after


@pytest.mark.parametrize("step", [2, 3, 4, 5])
def test_places_and_taps_apart(step):
    rng = np.random.default_rng(3)
    x = array(rng, "float32", 1, 2, 3, 1, 9, 40 * step)
    w = array(rng, "float32", 1, 3, 3, 1, 7, 37)
    apart = (1, 1, step)
    by_sums(x, w, (0, 0, 1), (1, 3, 3), ONES, apart, ONES)
    by_sums(x, w, (0, 0, 1), (1, 3, 3), apart, ONES, ONES)
    by_sums(x, w, (0, 0, 1), (1, 3, 3), ONES, ONES, apart)


def test_memory_of_parts_is_bounded():
    x, w = (
        np.zeros((1, 512, 64, 1, 14, 14), "f"),
        np.zeros((1, 512, 64, 1, 14, 14), "f"),
    )
    y = np.zeros((1, 512, 512, 1, 3, 3), "f")
    found = sums_step(call_of(x, w, y, (0, 1, 1)))
    assert found.scratch_bytes < 32 << 20
