"""Windows of an input: which elements they hold, and their transposes."""

from __future__ import annotations

import numpy as np

from symnet.graph.types import TensorType
from symnet.ops.nnet.local_conv import LocalWindows
from symnet.ops.sizes import size_constant
from tests.helpers import run

RANDOM = np.random.default_rng(13)
WINDOWS = LocalWindows(
    places=tuple(map(size_constant, (3, 2))),
    taps=tuple(map(size_constant, (2, 3))),
    borders=((1, 0), (0, 2)),
    strides=(2, 3),
    dilations=(1, 2),
)


def positions():
    """Place and tap of every element of every window, and where it lies in the input."""
    for place in np.ndindex(3, 2):
        for tap in np.ndindex(2, 3):
            row = place[0] * 2 + tap[0] - 1
            column = place[1] * 3 + tap[1] * 2
            yield (*place, *tap), row, column, 0 <= row < 5 and column < 6


def test_windows_hold_elements_and_zeros():
    x = RANDOM.normal(size=(2, 3, 5, 6))
    x[0, 0, 0, 0] = np.inf
    v = TensorType("float64", (None,) * 4)()
    got = run(WINDOWS.gathered(v), {v: x})
    assert got.shape == (2, 3, 3, 2, 2, 3)
    for at, row, column, inside in positions():
        want = x[:, :, row, column] if inside else 0
        np.testing.assert_array_equal(got[(..., *at)], np.broadcast_to(want, (2, 3)))


def test_elements_of_windows_are_added_where_they_came_from():
    v = TensorType("float64", (None,) * 6)()
    windows = RANDOM.normal(size=(2, 3, 3, 2, 2, 3))
    got = run(WINDOWS.scattered(v, (2, 3, 5, 6)), {v: windows})
    want = np.zeros((2, 3, 5, 6))
    for at, row, column, inside in positions():
        if inside:
            want[:, :, row, column] += windows[(..., *at)]
    np.testing.assert_allclose(got, want, atol=1e-12)


def test_integers_wrap_around():
    x, w = TensorType("int8", (None,) * 4)(), TensorType("int8", (None,) * 4)()
    a = RANDOM.integers(-128, 128, (1, 2, 5, 6)).astype("int8")
    b = RANDOM.integers(-128, 128, (4, 1, 2, 3)).astype("int8")
    got = run(WINDOWS.shared_products(x, w, 2), {x: a, w: b})
    want = np.zeros((1, 4, 3, 2), "int64")
    for (i, j, *tap), row, column, inside in positions():
        if inside:
            for o in range(4):
                factor = b[o, 0, tap[0], tap[1]].astype("int64")
                want[:, o, i, j] += a[:, o // 2, row, column] * factor
    np.testing.assert_array_equal(got, want.astype("int8"))
