"""A model: its parameters, its expressions, and that it learns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet import models, optim
from symnet.errors import ShapeError


def tiny(seed: int = 0) -> models.Model:
    layers = [
        models.ConvLayer("conv", 2, 3),
        models.ActivationLayer("relu"),
        models.FlattenLayer("flatten"),
        models.DropoutLayer("dropout"),
        models.DenseLayer("dense", 3),
    ]
    return models.Model("tiny", (1, 5, 5), layers, seed)


def test_parameters_by_name() -> None:
    model = tiny()
    shapes = {
        "conv.W": (2, 1, 3, 3), "conv.b": (2,), "dense.W": (18, 3), "dense.b": (3,)
    }  # fmt: skip
    assert model.parameter_shapes == shapes
    assert list(model.parameters) == list(shapes)
    for name, variable in model.parameters.items():
        assert variable.name == name and variable.get_value().shape == shapes[name]
    assert not model.parameters["conv.b"].get_value().any()
    assert model.parameters is model.parameters


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dtype_and_seed(dtype: str) -> None:
    with symnet.change_flags(floatX=dtype):
        one, two, other = (tiny(seed).values() for seed in (1, 1, 2))
    for name, value in one.items():
        assert value.dtype == dtype
        np.testing.assert_array_equal(value, two[name])
    assert (one["dense.W"] != other["dense.W"]).any()


def test_probabilities_are_the_softmax_of_scores() -> None:
    model = tiny(4)
    x = T.dtensor4("x")
    f = symnet.function([x], [model(x), model.scores(x)])
    images = np.random.default_rng(0).normal(size=(6, 1, 5, 5))
    probabilities, scores = f(images)
    powers = np.exp(scores)
    expected = powers / powers.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(probabilities, expected, rtol=1e-12)
    assert f(images[:0])[0].shape == (0, 3)
    np.testing.assert_allclose(f(images[:1])[0], probabilities[:1], rtol=1e-12)


def test_dropout_drops_in_training_alone() -> None:
    model = tiny(4)
    x = T.dtensor4("x")
    images = np.ones((1, 1, 5, 5))
    f = symnet.function([x], [model.scores(x), model.scores(x, training=True)])
    found = [f(images) for _ in range(4)]
    assert all((one[0] == found[0][0]).all() for one in found)
    assert len({one[1].tobytes() for one in found}) > 1


def test_gradients() -> None:
    model = tiny(4)
    x = T.dtensor4("x")
    values = list(model.values().values())
    inputs = [v.type() for v in model.parameters.values()]
    target = np.array([1, 0], "int32")
    cost = T.nnet.categorical_crossentropy(model(x), target).mean()
    image = np.random.default_rng(0).normal(size=(2, 1, 5, 5))

    def at(*parameters: Any) -> Any:
        given = dict(zip(model.parameters.values(), parameters))
        return symnet.clone(cost, replace={**given, x: T.constant(image)})

    assert len(inputs) == len(values)
    symnet.gradient.verify_grad(at, values)


def test_it_learns() -> None:
    """Where a bright bar is: in which row of three."""
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 3, 60).astype("int32")
    images = rng.normal(size=(60, 1, 5, 5)) * 0.3
    images[np.arange(60), 0, labels + 1] += 1
    model = tiny(1)
    x, y = T.dtensor4("x"), T.ivector("y")
    cost = T.nnet.categorical_crossentropy(model(x, training=True), y).mean()
    updates = optim.adam(cost, model.parameters.values(), learning_rate=0.02)
    train = symnet.function([x, y], cost, updates=updates)
    right = symnet.function([x, y], T.eq(T.argmax(model(x), axis=1), y).mean())
    before = right(images, labels)
    for _ in range(60):
        train(images, labels)
    assert before < 0.7 and right(images, labels) > 0.95


def test_assigning() -> None:
    fresh, used = tiny(1), tiny(1)
    used.values()
    values = {n: np.full(s, 2, "float32") for n, s in fresh.parameter_shapes.items()}
    for model in (fresh, used):
        model.assign(values)
        for name, value in model.values().items():
            assert value.dtype == symnet.config.floatX and (value == 2).all()
            assert model.parameters[name].name == name
    with pytest.raises(ValueError, match=r"values for tiny .*\n  missing: conv\.W"):
        fresh.assign({name: values[name] for name in values if name != "conv.W"})


def test_errors() -> None:
    with pytest.raises(ValueError, match="tiny: two layers are named a, b"):
        names = "aabbc"
        models.Model("tiny", (3,), [models.ActivationLayer(n) for n in names])
    with pytest.raises(ShapeError, match="put a FlattenLayer before it"):
        models.Model("tiny", (1, 5, 5), [models.DenseLayer("dense", 3)])
    with pytest.raises(TypeError, match="a batch of images, an array of rank 4"):
        tiny()(T.dmatrix("x"))
    with pytest.raises(ShapeError, match=r"images of shape \(1, 5, 5\)"):
        tiny()(T.TensorType("float64", (None, 1, 5, 6))("x"))
