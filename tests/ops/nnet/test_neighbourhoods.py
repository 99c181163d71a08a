"""Patches of images by value, their gradient, and images put together again."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet.tensor.nnet.neighbours import Images2Neibs, images2neibs, neibs2images
from tests.helpers import run

RNG = np.random.default_rng(2)


def patches(x: Any, side: Any, step: Any, mode: str) -> Any:
    """By loops over the patches and their elements."""
    rows = []
    low = {"half": [s // 2 for s in side], "full": [s - 1 for s in side]}.get(
        mode, [0, 0]
    )
    if mode == "wrap_centered":
        half = [s // 2 for s in side]
        starts = [range(-h, n - h, t) for n, t, h in zip(x.shape[2:], step, half)]
    else:
        starts = [
            range(-b, n + b - s + 1, t)
            for n, s, t, b in zip(x.shape[2:], side, step, low)
        ]
    for image in x.reshape(-1, *x.shape[2:]):
        for top in starts[0]:
            for left in starts[1]:
                row = []
                for i in range(top, top + side[0]):
                    for j in range(left, left + side[1]):
                        inside = 0 <= i < image.shape[0] and 0 <= j < image.shape[1]
                        if mode == "wrap_centered":
                            row.append(image[i % image.shape[0], j % image.shape[1]])
                        else:
                            row.append(image[i, j] if inside else 0)
                rows.append(row)
    return np.array(rows, x.dtype)


CASES = [
    ("valid", (6, 8), (2, 4), None),
    ("valid", (6, 8), (2, 2), (1, 3)),
    ("valid", (5, 7), (1, 3), (2, 2)),
    ("half", (6, 8), (3, 3), (1, 1)),
    ("half", (6, 8), (2, 4), (2, 1)),
    ("full", (6, 8), (3, 2), (1, 2)),
    ("ignore_borders", (5, 7), (2, 3), None),
    ("ignore_borders", (5, 7), (3, 2), (1, 2)),
    ("wrap_centered", (5, 7), (3, 5), (1, 2)),
    ("wrap_centered", (5, 7), (3, 1), (2, 3)),
]


@pytest.mark.parametrize(("mode", "size", "side", "step"), CASES)
@pytest.mark.parametrize("dtype", ["float32", "float64", "int16"])
def test_patches(mode: str, size: Any, side: Any, step: Any, dtype: str) -> None:
    x = T.tensor4("x", dtype=dtype)
    value = RNG.integers(1, 99, (2, 3, *size)).astype(dtype)
    want = patches(value, side, step or side, mode)
    got = run(images2neibs(x, side, step, mode), {x: value})
    np.testing.assert_array_equal(got, want)
    ws, st = T.lvectors("ws", "st")
    f = symnet.function([x, ws, st], Images2Neibs(mode)(x, ws, st))
    np.testing.assert_array_equal(f(value, side, step or side), want)


@pytest.mark.parametrize(("mode", "size", "side", "step"), CASES)
def test_gradients_add_up_what_patches_share(
    mode: str, size: Any, side: Any, step: Any
) -> None:
    """By the patches of an image that numbers its elements, from 1."""
    x, g = T.dtensor4("x"), T.dmatrix("g")
    shape = (2, 1, *size)
    numbers = np.arange(1, np.prod(shape) + 1).reshape(shape)
    places = patches(numbers, side, step or side, mode)
    weights = RNG.normal(size=places.shape)
    want = np.bincount(places.ravel(), weights.ravel(), numbers.size + 1)[1:]
    slope = symnet.grad((images2neibs(x, side, step, mode) * g).sum(), x)
    got = run(slope, {x: numbers, g: weights})
    np.testing.assert_allclose(got, want.reshape(shape), atol=1e-14)


def test_images_are_put_together_again() -> None:
    x = T.dtensor4("x")
    value = RNG.normal(size=(2, 3, 6, 8))
    same = neibs2images(images2neibs(x, (2, 4)), (2, 4), x.shape)
    np.testing.assert_array_equal(run(same, {x: value}), value)
    known = neibs2images(images2neibs(x, (2, 4)), (2, 4), value.shape)
    np.testing.assert_array_equal(run(known, {x: value}), value)
    odd = RNG.normal(size=(1, 2, 5, 7))
    rows = images2neibs(x, (2, 3), mode="ignore_borders")
    part = neibs2images(rows, (2, 3), x.shape, mode="ignore_borders")
    want = odd.copy()
    want[..., 4:, :] = 0
    want[..., 6:] = 0
    np.testing.assert_array_equal(run(part, {x: odd}), want)


def test_what_does_not_fit_is_refused() -> None:
    x = T.dtensor4("x")
    for mode, side, step in [
        ("valid", (2, 2), (2, 2)), ("valid", (6, 2), (1, 1)),
        ("half", (3, 3), (3, 3)), ("full", (2, 2), (4, 4)),
        ("wrap_centered", (2, 3), (1, 1)), ("wrap_centered", (7, 3), (1, 1)),
    ]:  # fmt: skip
        with pytest.raises(TypeError, match="patches"):
            f = symnet.function([x], images2neibs(x, side, step, mode))
            f(np.zeros((1, 1, 5, 7)))
        ws, st = T.lvectors("ws", "st")
        f = symnet.function([x, ws, st], images2neibs(x, ws, st, mode))
        with pytest.raises(TypeError, match="patches"):
            f(np.zeros((1, 1, 5, 7)), side, step)
    with pytest.raises(NotImplementedError, match="no mode 'same'"):
        images2neibs(x, (2, 2), mode="same")
    with pytest.raises(NotImplementedError, match="put together"):
        neibs2images(T.dmatrix(), (2, 2), (1, 1, 2, 2), mode="half")
    with pytest.raises(TypeError, match="rank 4"):
        images2neibs(T.dmatrix(), (2, 2))
    with pytest.raises(ValueError, match="1 at least"):
        images2neibs(x, (0, 2))
    with pytest.raises(ValueError, match="two numbers"):
        images2neibs(x, (2, 2, 2))
    with pytest.raises(TypeError, match="tuple of two ints"):
        images2neibs(x, np.array([2.0, 2.0]))
