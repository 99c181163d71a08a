"""Affine grids and bilinear samples, by hand, by PyTorch and by differences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet.tensor.nnet.spatialtf import affine_grid, bilinear_sample, spatial_transform
from tests.helpers import run

RNG = np.random.default_rng(6)
TURN = np.array([[[0.8, -0.6, 0.1], [0.6, 0.8, -0.2]], [[1.5, 0, 0.3], [0, -1.2, 0]]])


def sampled(image: Any, points: Any, mode: str) -> Any:
    """Point by point."""
    count, channels, rows, columns = image.shape
    result = np.zeros((count, channels, *points.shape[2:]))
    for k, i, j in np.ndindex(count, *points.shape[2:]):
        x = (points[k, 0, i, j] + 1) / 2 * (columns - 1)
        y = (points[k, 1, i, j] + 1) / 2 * (rows - 1)
        for r in (int(np.floor(y)), int(np.floor(y)) + 1):
            for c in (int(np.floor(x)), int(np.floor(x)) + 1):
                share = (1 - abs(y - r)) * (1 - abs(x - c))
                a, b = place(r, rows, mode), place(c, columns, mode)
                if a is not None and b is not None:
                    result[k, :, i, j] += share * image[k, :, a, b]
    return result


def place(k: int, n: int, mode: str) -> int | None:
    if mode == "zeros":
        return k if 0 <= k < n else None
    if mode == "wrap":
        return k % n
    if mode == "mirror":
        period = max(2 * (n - 1), 1)
        return min(k % period, -k % period)
    return min(max(k, 0), n - 1)


@pytest.mark.parametrize("mode", ["nearest", "mirror", "wrap", "zeros"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_samples(mode: str, dtype: str) -> None:
    x, points = T.tensor4("x", dtype=dtype), T.tensor4("points", dtype=dtype)
    image = RNG.normal(size=(2, 3, 4, 5)).astype(dtype)
    where = RNG.uniform(-2, 2, (2, 2, 3, 6)).astype(dtype)
    got = run(bilinear_sample(x, points, mode), {x: image, points: where})
    want = sampled(image, where, mode)
    np.testing.assert_allclose(
        got, want, rtol=1e-5, atol=1e-5 if dtype == "float32" else 1e-14
    )
    single = image[:, :, :1, :1]
    got = run(bilinear_sample(x, points, mode), {x: single, points: where})
    np.testing.assert_allclose(got, sampled(single, where, mode), rtol=1e-5, atol=1e-6)


def test_grids() -> None:
    theta = T.dtensor3("theta")
    got = run(affine_grid(theta, 3, 5), {theta: TURN})
    x, y = np.meshgrid(np.linspace(-1, 1, 5), np.linspace(-1, 1, 3))
    want = TURN @ np.stack([x.ravel(), y.ravel(), np.ones(15)])
    np.testing.assert_allclose(got, want.reshape(2, 2, 3, 5), atol=1e-15)
    flat = T.dmatrix("flat")
    np.testing.assert_allclose(
        run(affine_grid(flat, 3, 5), {flat: TURN.reshape(2, 6)}), got
    )


def test_numbers_of_pytorch() -> None:
    """PyTorch 2.13: grid_sample(torch.arange(12.).double().view(1, 1, 3, 4),
    affine_grid(theta, (1, 1, 2, 3), align_corners=True), align_corners=True,
    padding_mode="zeros" or "border"), theta the first of TURN."""
    image = np.arange(12.0).reshape(1, 1, 3, 4)
    numbers = {
        "zeros": [[0.54, 2.55, 1.35], [2.2, 7.15, 7.96]],
        "nearest": [[1.35, 2.55, 5.4], [4.0, 7.15, 9.95]],
    }
    for mode, want in numbers.items():
        got = spatial_transform(image, TURN[:1], 3 / 4, 2 / 3, mode).eval()
        np.testing.assert_allclose(got[0, 0], want, atol=1e-12)


def test_the_identity_and_other_sizes() -> None:
    x, theta = T.ftensor4("x"), T.fmatrix("theta")
    f = symnet.function([x, theta], spatial_transform(x, theta))
    image = RNG.normal(size=(2, 1, 5, 4)).astype("float32")
    same = np.tile(np.float32([1, 0, 0, 0, 1, 0]), (2, 1))
    np.testing.assert_allclose(f(image, same), image, atol=1e-6)
    g = symnet.function([x, theta], spatial_transform(x, theta, 1.5, 0.5))
    assert g(image, same).shape == (2, 1, 3, 6)


def test_gradients_by_differences() -> None:
    image = RNG.normal(size=(2, 2, 4, 5))
    for mode in ("nearest", "zeros"):
        symnet.gradient.verify_grad(
            lambda x, theta: spatial_transform(x, theta, border_mode=mode),  # noqa: B023
            [image, TURN + RNG.uniform(0.01, 0.05, TURN.shape)],
            rng=np.random.default_rng(1),
            eps=1e-7,
            rel_tol=1e-5,
            abs_tol=1e-5,
        )


def test_wrong_inputs() -> None:
    x = T.dtensor4("x")
    with pytest.raises(ValueError, match="border_mode"):
        bilinear_sample(x, x, "reflect")
    with pytest.raises(TypeError, match="rank 4"):
        bilinear_sample(x, T.dtensor3())
    with pytest.raises(TypeError, match="same float dtype"):
        bilinear_sample(x, T.ftensor4())
    with pytest.raises(TypeError, match=r"\(n, 2, 3\)"):
        affine_grid(T.dvector(), 2, 2)
    with pytest.raises(TypeError, match=r"\(n, 2, 3\)"):
        affine_grid(T.ltensor3(), 2, 2)
    with pytest.raises(TypeError, match="rank 4"):
        spatial_transform(T.dmatrix(), T.dtensor3())
