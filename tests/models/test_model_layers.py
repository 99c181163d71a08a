"""Layers one by one, beside NumPy and SciPy; shapes that do not fit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.signal import correlate2d

import symnet
import symnet.tensor as T
from symnet import models
from symnet.errors import ShapeError
from symnet.random import RandomStream

RNG = np.random.default_rng(2)


def output(layer: models.LayerBase, image: np.ndarray, **parameters: Any) -> np.ndarray:
    """Of one image; the shape is the one that the layer says."""
    x = T.TensorType("float64", (None,) * (image.ndim + 1))("x")
    y = layer.apply(x, {n: T.constant(v) for n, v in parameters.items()}, None)
    found = symnet.function([x], y)(np.stack([image, image * 0]))
    assert found[0].shape == layer.output_shape(image.shape)
    return found[0]


@pytest.mark.parametrize("stride, pad, groups", [(1, 0, 1), (2, 1, 1), (3, 2, 2)])
def test_convolution(stride: int, pad: int, groups: int) -> None:
    image = RNG.normal(size=(4, 9, 7))
    layer = models.ConvLayer("c", 6, 3, stride, pad, groups)
    shapes = layer.parameter_shapes(image.shape)
    w, b = (RNG.normal(size=shapes[name]) for name in "Wb")
    padded = np.pad(image, [(0, 0), (pad, pad), (pad, pad)])
    expected = np.array([
        sum(
            correlate2d(padded[c + k // (6 // groups) * (4 // groups)], f, "valid")
            for c, f in enumerate(w[k])
        )[::stride, ::stride] + b[k]
        for k in range(6)
    ])  # fmt: skip
    np.testing.assert_allclose(output(layer, image, W=w, b=b), expected, rtol=1e-9)
    taps = 4 // groups * 9
    assert layer.multiply_adds(image.shape) == expected.size * taps


@pytest.mark.parametrize("size, stride", [(2, None), (3, 2), (3, 4), (1, 1)])
def test_maxima(size: int, stride: int | None) -> None:
    image = RNG.normal(size=(2, 9, 8))
    windows = np.lib.stride_tricks.sliding_window_view(image, (size, size), (1, 2))
    step = stride or size
    expected = windows[:, ::step, ::step].max(axis=(3, 4))
    np.testing.assert_array_equal(
        output(models.MaxPoolLayer("p", size, stride), image), expected
    )


@pytest.mark.parametrize("n", [1, 3, 5])
def test_response_normalisation(n: int) -> None:
    image = RNG.normal(size=(7, 3, 4)) * 20
    around = np.array([
        (image[max(0, i - n // 2) : i + n // 2 + 1] ** 2).sum(axis=0) for i in range(7)
    ])  # fmt: skip
    layer = models.ResponseNormLayer("n", n, k=1.5, alpha=0.01, beta=0.6)
    expected = image / (1.5 + 0.01 * around) ** 0.6
    np.testing.assert_allclose(output(layer, image), expected, rtol=1e-12)


def test_flattening_dense_and_activation() -> None:
    image = RNG.normal(size=(2, 3, 4))
    vector = output(models.FlattenLayer("f"), image)
    np.testing.assert_array_equal(vector, image.ravel())
    w, b = RNG.normal(size=(24, 5)), RNG.normal(size=5)
    found = output(models.DenseLayer("d", 5), vector, W=w, b=b)
    np.testing.assert_allclose(found, vector @ w + b, rtol=1e-12)
    relu = output(models.ActivationLayer("r"), image)
    np.testing.assert_array_equal(relu, np.maximum(image, 0))
    tanh = output(models.ActivationLayer("t", T.tanh), image)
    np.testing.assert_allclose(tanh, np.tanh(image), rtol=1e-14)


@pytest.mark.parametrize("rate", [0, 0.2, 0.5])
def test_dropout(rate: float) -> None:
    image = RNG.normal(size=(1, 200, 50)) + 9
    layer = models.DropoutLayer("d", rate)
    np.testing.assert_array_equal(output(layer, image), image)  # not in training
    x = T.dtensor4("x")
    f = symnet.function([x], layer.apply(x, {}, RandomStream(3)))
    one, two = (f(image[None])[0] for _ in range(2))
    kept = one != 0
    np.testing.assert_allclose(one[kept], image[kept] / (1 - rate), rtol=1e-14)
    assert abs(kept.mean() - (1 - rate)) < 0.02
    assert rate == 0 or (kept != (two != 0)).any()  # others in each call


@pytest.mark.parametrize(
    "layer, shape",
    [
        (models.ConvLayer("c", 4, 5), (3, 4, 9)),
        (models.ConvLayer("c", 4, 3), (3,)),
        (models.ConvLayer("c", 4, 1, groups=2), (3, 4, 4)),
        (models.ConvLayer("c", 3, 1, groups=2), (4, 4, 4)),
        (models.MaxPoolLayer("p", 3), (3, 2, 9)),
        (models.DenseLayer("d", 3), (3, 2, 2)),
        (models.ResponseNormLayer("n", 4), (3, 2, 2)),
    ],
    ids=lambda one: str(one),
)
def test_shapes_that_do_not_fit(layer: models.LayerBase, shape: Any) -> None:
    with pytest.raises(ShapeError, match=f"'{layer.name}'|{layer.name}:"):
        layer.output_shape(shape)


def test_rates_that_are_none() -> None:
    for rate in (-0.1, 1.0, 2.0):
        with pytest.raises(ValueError, match="between 0 and 1"):
            models.DropoutLayer("d", rate).output_shape((3,))
