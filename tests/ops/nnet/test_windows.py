"""Windows of arrays, and values added up where windows lie."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

import symnet
import symnet.tensor as T
from symnet.ops.nnet.windows import AddWindows, SlidingWindows
from tests.helpers import run

RNG = np.random.default_rng(7)


def shown(x: Any, window: Sequence[int], strides: Sequence[int]) -> Any:
    """The windows by NumPy."""
    ndim = len(window)
    every = sliding_window_view(x, tuple(window), axis=tuple(range(-ndim, 0)))
    lead = x.ndim - ndim
    return every[(*[slice(None)] * lead, *[slice(None, None, s) for s in strides])]


@pytest.mark.parametrize("dtype", ["int8", "float16", "float32", "float64"])
@pytest.mark.parametrize(
    ("window", "strides"), [((2, 2), (2, 2)), ((3, 1), (1, 2)), ((2, 5), (4, 1))]
)
def test_windows_overlap_or_leave_gaps(
    dtype: str, window: Sequence[int], strides: Sequence[int]
) -> None:
    x = T.tensor3("x", dtype=dtype)
    value = RNG.integers(-9, 9, (3, 7, 6)).astype(dtype)
    want = shown(value, window, strides)
    y = SlidingWindows(2)(x, *window, *strides, *want.shape[1:3])
    np.testing.assert_array_equal(run(y, {x: value}), want)
    view = value[::-1, :, ::-1]
    np.testing.assert_array_equal(
        symnet.function([x], y + 0)(view), shown(view, window, strides)
    )


def test_sizes_may_be_known_at_a_run_only() -> None:
    x = T.dvector("x")
    w, s, n = T.lscalars("w", "s", "n")
    f = symnet.function([x, w, s, n], SlidingWindows(1)(x, w, s, n) * 2)
    np.testing.assert_array_equal(
        f(np.arange(7.0), 3, 2, 3), [[0, 2, 4], [4, 6, 8], [8, 10, 12]]
    )
    assert f(np.arange(2.0), 3, 2, 0).shape == (0, 3)
    for numbers in [(3, 2, 4), (0, 1, 1), (1, 0, 1), (1, 1, -1), (8, 1, 1)]:
        with pytest.raises(ValueError, match=r"window|stride"):
            f(np.arange(7.0), *numbers)


def test_each_is_the_gradient_of_the_other() -> None:
    x, g, y = T.dtensor3("x"), T.TensorType("float64", (None,) * 5)("g"), T.dtensor3()
    windows = SlidingWindows(2)(x, 3, 2, 2, 1, 2, 4)
    value, weights = RNG.normal(size=(2, 5, 5)), RNG.normal(size=(2, 2, 4, 3, 2))
    want = np.zeros_like(value)
    for k, n in np.ndindex(2, 4):
        want[:, 2 * k : 2 * k + 3, n : n + 2] += weights[:, k, n]
    own = symnet.grad((windows * g).sum(), x)
    np.testing.assert_allclose(run(own, {x: value, g: weights}), want)
    added = AddWindows(2)(x, g, 2, 1)
    np.testing.assert_allclose(run(added, {x: value, g: weights}), value + want)
    by_x, by_g = symnet.grad((added * y).sum(), [x, g])
    other = RNG.normal(size=value.shape)
    got = run([by_x, by_g], {x: value, g: weights, y: other})
    np.testing.assert_allclose(got[0], other)
    np.testing.assert_allclose(got[1], shown(other, (3, 2), (2, 1)))


def test_wrong_windows_are_refused_at_once() -> None:
    x = T.dmatrix("x")
    with pytest.raises(ValueError, match="a window is 1 at least"):
        SlidingWindows(2)(x, 0, 1, 1, 1, 2, 2)
    with pytest.raises(ValueError, match="a stride is 1 at least"):
        SlidingWindows(2)(x, 1, 1, 1, -1, 2, 2)
    with pytest.raises(TypeError, match="windows along 3 axes"):
        SlidingWindows(3)(x, *[1] * 9)
    with pytest.raises(TypeError, match="2 axes more"):
        AddWindows(2)(x, x, 1, 1)
