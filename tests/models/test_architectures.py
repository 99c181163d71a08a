"""Networks by name: sizes as their sources say, numbers as PyTorch computes them."""

from __future__ import annotations

import pathlib
from typing import Any

import numpy as np
import pytest
from scipy.signal import correlate2d

import symnet
import symnet.tensor as T
from symnet import models
from tests.golden.models import make
from tests.models.narrow import GOLDEN, narrow


def layer_by_layer(model: models.Model, image: np.ndarray) -> list[np.ndarray]:
    """The output of every layer for one image."""
    x = T.tensor4("x", dtype=image.dtype)
    f = symnet.function([x], list(model.outputs(x).values()))
    return [y[0] for y in f(image[None])]


@pytest.mark.parametrize("name", ["vgg", "alexnet", "alexnet_2012"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_layer_is_pytorchs(name: str, dtype: str) -> None:
    """One set of random weights, written by PyTorch, through both."""
    with np.load(GOLDEN / f"{name}.npz") as file:
        expected = [file[f"output {k}"] for k in range(len(file) - 2)]
        image = file["image"].astype(dtype)
    with symnet.change_flags(floatX=dtype):
        model = narrow(name)
        models.load_weights(model, GOLDEN / f"{name}.pth")
        found = layer_by_layer(model, image)
    assert len(found) == len(expected) == len(model.layers)
    for layer, got, want in zip(model.layers, found, expected):
        assert got.dtype == dtype and got.shape == want.shape, layer
        scale = np.abs(want).max()
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5 * scale)
    assert np.abs(expected[-1]).max() > 1e-3  # nothing has died on the way


def test_live(tmp_path: pathlib.Path) -> None:
    """With PyTorch installed: its networks with other weights, LeNet too."""
    torch = pytest.importorskip("torch")
    for seed, (name, (shape, network)) in enumerate(make.networks(torch).items()):
        make.random_weights(torch, network, seed + 10)
        image = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
        torch.save(network.state_dict(), tmp_path / "weights.pth")
        with symnet.change_flags(floatX="float32"):
            model = narrow(name)
            models.load_weights(model, tmp_path / "weights.pth")
            found = layer_by_layer(model, image)
        for got, want in zip(found, make.outputs(torch, network, image), strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-3, atol=1e-4)


def test_lenet_is_what_scipy_computes() -> None:
    model = models.lenet5(seed=3)
    rng = np.random.default_rng(3)
    model.assign({n: rng.normal(size=s) / 9 for n, s in model.parameter_shapes.items()})
    value = model.values()

    def convolved(image: np.ndarray, name: str) -> np.ndarray:
        return np.array([
            sum(correlate2d(c, f, "valid") for c, f in zip(image, filters)) + b
            for filters, b in zip(value[f"{name}.W"], value[f"{name}.b"])
        ])  # fmt: skip

    def pooled(image: np.ndarray) -> np.ndarray:
        c, h, w = image.shape
        return image.reshape(c, h // 2, 2, w // 2, 2).max(axis=(2, 4))

    image = rng.normal(size=(1, 28, 28))
    first = np.tanh(pooled(convolved(image, "conv1")))
    second = np.tanh(pooled(convolved(first, "conv2")))
    hidden = np.tanh(second.reshape(-1) @ value["hidden.W"] + value["hidden.b"])
    scores = hidden @ value["output.W"] + value["output.b"]
    found = dict(zip([one.name for one in model.layers], layer_by_layer(model, image)))
    np.testing.assert_allclose(found["tanh1"], first, rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(found["output"], scores, rtol=1e-10)
    x = T.dtensor4("x")
    probabilities = np.exp(scores) / np.exp(scores).sum()
    got = symnet.function([x], model(x))(image[None])[0]
    np.testing.assert_allclose(got, probabilities, rtol=1e-10)


SIZES: list[tuple[Any, int]] = [
    # Counted by torchvision 0.29 in its own networks, but for two:
    (models.vgg16, 138_357_544),
    (models.vgg19, 143_667_240),
    (models.alexnet, 61_100_840),
    # Krizhevsky et al. say "60 million"; of Caffe's copy 60,965,224.
    (models.alexnet_2012, 60_965_224),
    # 20 (25 + 1) + 50 (20 * 25 + 1) + 500 (800 + 1) + 10 (500 + 1)
    (models.lenet5, 431_080),
]


@pytest.mark.parametrize(
    "build, count", SIZES, ids=lambda one: getattr(one, "__name__", str(one))
)
def test_numbers_of_parameters(build: Any, count: int) -> None:
    assert models.count_parameters(build()) == count


def test_shapes_of_vgg16_are_those_of_the_paper() -> None:
    model = models.vgg16()
    shapes = dict(zip([layer.name for layer in model.layers], model.shapes[1:]))
    pools = [shapes[f"pool{k}"] for k in range(1, 6)]
    sizes = [(64, 112), (128, 56), (256, 28), (512, 14), (512, 7)]
    assert pools == [(c, n, n) for c, n in sizes]
    assert shapes["fc8"] == (1000,) and model.input_shape == (3, 224, 224)
    assert "parameters" not in vars(model)  # nothing was allocated


def test_shapes_of_alexnet() -> None:
    for build, sizes in (
        (models.alexnet, [(64, 27), (192, 13), (256, 6)]),
        (models.alexnet_2012, [(96, 27), (256, 13), (256, 6)]),
    ):
        model = build()
        shapes = dict(zip([layer.name for layer in model.layers], model.shapes[1:]))
        assert [shapes[n] for n in ("pool1", "pool2", "pool5")] == [
            (c, n, n) for c, n in sizes
        ]


def test_the_number_of_classes_is_the_users() -> None:
    for build in models.ARCHITECTURES.values():
        assert build(classes=3).shapes[-1] == (3,)
