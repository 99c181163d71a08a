"""Weights of other programs in our models: by value, and errors that say what does not fit."""

from __future__ import annotations

import pathlib
import pickle

import numpy as np
import pytest
from scipy.signal import convolve2d, correlate2d

import symnet
import symnet.tensor as T
from symnet import models
from symnet.models.weight_loading import find_convention, torchvision_names
from tests.models.narrow import GOLDEN, narrow


def small(seed: int = 0) -> models.Model:
    """One convolution and one dense layer behind images of 2 x 4 x 5."""
    layers = [
        models.ConvLayer("conv", 3, 2),
        models.FlattenLayer("flatten"),
        models.DropoutLayer("dropout"),
        models.DenseLayer("dense", 4),
    ]
    return models.Model("small", (2, 4, 5), layers, seed)


RNG = np.random.default_rng(5)
FILTERS, BIAS = RNG.normal(size=(3, 2, 2, 2)), RNG.normal(size=3)
DENSE, OFFSET = RNG.normal(size=(36, 4)), RNG.normal(size=4)
IMAGE = RNG.normal(size=(2, 4, 5))


def computed(flips: bool) -> np.ndarray:
    """What the small network of Theano (flips) or another program gives, by SciPy."""
    move = convolve2d if flips else correlate2d
    maps = [
        sum(move(c, f, "valid") for c, f in zip(IMAGE, filters)) + b
        for filters, b in zip(FILTERS, BIAS)
    ]
    return np.ravel(maps) @ DENSE + OFFSET


def scores(model: models.Model) -> np.ndarray:
    x = T.dtensor4("x")
    return symnet.function([x], model.scores(x))(IMAGE[None])[0]


def test_lasagne(tmp_path: pathlib.Path) -> None:
    """Its filters are flipped; those of its zoo are not."""
    arrays = [FILTERS, BIAS, DENSE, OFFSET]
    model = small()
    path = tmp_path / "weights.pkl"
    path.write_bytes(pickle.dumps(arrays, 2))
    assert models.load_weights(model, path).name == "lasagne"
    np.testing.assert_allclose(scores(model), computed(True), rtol=1e-12)
    models.load_weights(model, path, flip=False)
    np.testing.assert_allclose(scores(model), computed(False), rtol=1e-12)
    path.write_bytes(pickle.dumps({"param values": arrays, "synset words": ["a"]}, 2))
    rule = models.load_weights(model, path)
    assert rule.name == "lasagne-zoo" and rule.preprocessing == "caffe"
    np.testing.assert_allclose(scores(model), computed(False), rtol=1e-12)
    np.savez(tmp_path / "weights.npz", *arrays)
    assert models.load_weights(model, tmp_path / "weights.npz").name == "lasagne"
    np.testing.assert_allclose(scores(model), computed(True), rtol=1e-12)


def test_keras(tmp_path: pathlib.Path) -> None:
    """TensorFlow's order of axes: an image is flattened with its channels last."""
    h5py = pytest.importorskip("h5py")
    turned = DENSE.reshape(3, 3, 4, 4).transpose(1, 2, 0, 3).reshape(36, 4)
    orders = {
        "keras-theano": (FILTERS, DENSE, computed(True)),
        "keras-tensorflow": (FILTERS.transpose(2, 3, 1, 0), turned, computed(False)),
    }
    for name, (filters, dense, expected) in orders.items():
        with h5py.File(tmp_path / f"{name}.h5", "w") as file:
            file.attrs["layer_names"] = [b"c", b"flatten", b"a"]
            for layer, pair in (("c", (filters, BIAS)), ("a", (dense, OFFSET))):
                group = file.create_group(layer)
                group.attrs["weight_names"] = [b"W", b"b"]
                group["W"], group["b"] = pair
            file.create_group("flatten").attrs["weight_names"] = []
        model = small()
        assert models.load_weights(model, tmp_path / f"{name}.h5").name == name
        np.testing.assert_allclose(scores(model), expected, rtol=1e-12)


def test_one_network_in_six_files() -> None:
    """PyTorch's weights in all forms are the same weights."""
    reference = narrow("vgg")
    models.load_weights(reference, GOLDEN / "vgg.pth")
    kinds = {"vgg_legacy.pth": "torch", "vgg.safetensors": "torch"}
    try:
        import h5py  # noqa: F401

        kinds |= {"caffe.h5": "caffe", "keras.h5": "keras-tensorflow"}
    except ModuleNotFoundError:
        pass
    for name, convention in kinds.items():
        model = narrow("vgg")
        assert models.load_weights(model, GOLDEN / name).name == convention
        for key, value in reference.values().items():
            np.testing.assert_array_equal(model.values()[key], value)


@pytest.mark.parametrize("ending", [".npz", ".safetensors"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_own_files(ending: str, dtype: str, tmp_path: pathlib.Path) -> None:
    with symnet.change_flags(floatX=dtype):
        model, other = small(1), small(2)
        models.save_weights(model, tmp_path / f"w{ending}")
        assert models.load_weights(other, tmp_path / f"w{ending}").name == "symnet"
    for name, value in model.values().items():
        assert other.values()[name].dtype == dtype
        np.testing.assert_array_equal(other.values()[name], value)


def test_variables_that_are_in_use_get_new_values(tmp_path: pathlib.Path) -> None:
    model = small(1)
    x = T.dtensor4("x")
    f = symnet.function([x], model.scores(x))
    before = f(IMAGE[None])
    models.save_weights(small(2), tmp_path / "w.npz")
    models.load_weights(model, tmp_path / "w.npz")
    after = f(IMAGE[None])
    assert np.abs(after - before).max() > 0.1
    np.testing.assert_allclose(after[0], scores(small(2)), rtol=1e-12)


def test_names_of_torchvision() -> None:
    """As the state dicts of its networks have them (torchvision 0.29)."""
    names = torchvision_names(models.vgg16())
    assert names["conv5_3.W"] == "features.28.weight"
    assert [names[f"fc{k}.b"] for k in (6, 7, 8)] == [
        f"classifier.{k}.bias" for k in (0, 3, 6)
    ]
    names = torchvision_names(models.alexnet())
    places = [names[f"conv{k}.W"].split(".")[1] for k in range(1, 6)]
    assert places == ["0", "3", "6", "8", "10"]
    assert [names[f"fc{k}.W"].split(".")[1] for k in (6, 7, 8)] == ["1", "4", "6"]


def test_layers_of_ones_own_names(tmp_path: pathlib.Path) -> None:
    """A PyTorch module whose layers are named as ours, and one that is not, in order."""
    own = {"conv.weight": FILTERS, "conv.bias": BIAS}
    own |= {"dense.weight": DENSE.T, "dense.bias": OFFSET}
    models.write_weights(tmp_path / "own.safetensors", own)
    other = {name.replace("conv", "c1"): value for name, value in own.items()}
    models.write_weights(tmp_path / "other.npz", other)
    for name, in_order in (("own.safetensors", False), ("other.npz", True)):
        model = small()
        rule = models.load_weights(model, tmp_path / name, in_order=in_order)
        assert rule.name == "torch"
        np.testing.assert_allclose(scores(model), computed(False), rtol=1e-12)
    with pytest.raises(ValueError, match=r"missing: conv\.weight.*\n.*unexpected: c1"):
        models.load_weights(small(), tmp_path / "other.npz")


def test_what_does_not_fit_is_listed_and_nothing_is_changed(
    tmp_path: pathlib.Path,
) -> None:
    model = small()
    before = model.values()
    wrong = {"conv.W": FILTERS, "dense.W": DENSE.T, "dense.b": OFFSET, "more": OFFSET}
    models.write_weights(tmp_path / "w.npz", wrong)
    with pytest.raises(ValueError) as error:
        models.load_weights(model, tmp_path / "w.npz")
    text = str(error.value)
    assert str(tmp_path / "w.npz") in text and "small" in text
    assert "missing: conv.b\n" in text and "unexpected: more\n" in text
    assert "of another shape: dense.W (4, 36), not (36, 4)" in text
    for name, value in before.items():
        np.testing.assert_array_equal(model.values()[name], value)


def test_huge_arrays_are_not_read(tmp_path: pathlib.Path) -> None:
    """A network of another size is refused by its shapes: 64 MB of zeros stay packed."""
    big = {name: np.zeros(s) for name, s in small().parameter_shapes.items()}
    big["dense.W"] = np.zeros((2**23, 1))
    np.savez_compressed(tmp_path / "w.npz", **big)
    assert (tmp_path / "w.npz").stat().st_size < 100_000
    with pytest.raises(ValueError, match=r"dense\.W \(8388608, 1\), not \(36, 4\)"):
        models.load_weights(small(), tmp_path / "w.npz")


def test_integers_are_no_weights(tmp_path: pathlib.Path) -> None:
    arrays = {n: np.zeros(s, int) for n, s in small().parameter_shapes.items()}
    models.write_weights(tmp_path / "w.npz", arrays)
    with pytest.raises(ValueError, match=r"conv\.W has dtype int64, no floats"):
        models.load_weights(small(), tmp_path / "w.npz")


def test_another_number_of_arrays(tmp_path: pathlib.Path) -> None:
    (tmp_path / "w.pkl").write_bytes(pickle.dumps([FILTERS, BIAS]))
    with pytest.raises(ValueError, match="has 2 arrays, and small has 4 parameters"):
        models.load_weights(small(), tmp_path / "w.pkl")


def test_unknown_conventions(tmp_path: pathlib.Path) -> None:
    models.save_weights(small(), tmp_path / "w.npz")
    with pytest.raises(ValueError, match="no convention 'mxnet'; there are symnet"):
        models.load_weights(small(), tmp_path / "w.npz", convention="mxnet")


def test_filters_that_fit_both_orders(tmp_path: pathlib.Path) -> None:
    h5py = pytest.importorskip("h5py")
    layers = [models.ConvLayer("conv", 3, 3)]
    model = models.Model("cube", (3, 4, 4), layers)
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file.attrs["layer_names"] = [b"c"]
        file.create_group("c").attrs["weight_names"] = [b"W", b"b"]
        file["c/W"], file["c/b"] = np.ones((3, 3, 3, 3)), np.ones(3)
    with pytest.raises(ValueError, match="say convention="):
        find_convention(models.open_weights(tmp_path / "w.h5"), model)
    models.load_weights(model, tmp_path / "w.h5", convention="keras-theano")
