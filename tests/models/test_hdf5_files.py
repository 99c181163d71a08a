"""HDF5 files of Keras and Caffe; those that would lead elsewhere."""

from __future__ import annotations

import pathlib
from typing import Any

import numpy as np
import pytest

from symnet.models.stored_arrays import WeightFileError
from symnet.models.weight_files import open_weights, read_weights
from tests.models.narrow import GOLDEN

h5py = pytest.importorskip("h5py")


def test_keras_order_is_that_of_its_attributes() -> None:
    file = open_weights(GOLDEN / "keras.h5")
    assert file.kind == "keras" and len(file.arrays) == 32
    assert list(file.arrays)[:3] == [
        "layer_0/layer_0_W", "layer_0/layer_0_b", "layer_2/layer_2_W"
    ]  # fmt: skip
    assert list(file.arrays)[-1].startswith("layer_30/")


def test_caffe_has_numbered_arrays_below_its_layers() -> None:
    file = open_weights(GOLDEN / "caffe.h5")
    assert file.kind == "caffe"
    state = read_weights(GOLDEN / "vgg.pth")
    found = read_weights(GOLDEN / "caffe.h5")
    np.testing.assert_array_equal(found["fc8/0"], state["classifier.6.weight"])
    np.testing.assert_array_equal(found["conv1_1/1"], state["features.0.bias"])


def test_keras_models_have_their_weights_below(tmp_path: pathlib.Path) -> None:
    with h5py.File(tmp_path / "model.h5", "w") as file:
        top = file.create_group("model_weights")
        top.attrs["layer_names"] = [b"dense"]
        top.create_group("dense").attrs["weight_names"] = [b"dense/kernel:0"]
        top["dense/dense/kernel:0"] = np.eye(2)
    found = read_weights(tmp_path / "model.h5")
    assert list(found) == ["dense/dense/kernel:0"]
    np.testing.assert_array_equal(found["dense/dense/kernel:0"], np.eye(2))


def test_plain_arrays_go_by_their_path(tmp_path: pathlib.Path) -> None:
    with h5py.File(tmp_path / "plain.h5", "w") as file:
        file["a/b"] = np.float32([1, 2])
        file.create_dataset("c", data=np.ones((50, 50)), compression="gzip")
    found = read_weights(tmp_path / "plain.h5")
    assert list(found) == ["a/b", "c"] and found["c"].sum() == 2500


def build(kind: str, file: Any, secret: str) -> None:
    file.attrs["layer_names"] = [b"layer"]
    group = file.create_group("layer")
    group.attrs["weight_names"] = [b"W"]
    match kind:
        case "external link":
            group["W"] = h5py.ExternalLink(secret, "secret")
        case "soft link":
            group["W"] = h5py.SoftLink("/layer/V")
            group["V"] = np.ones(2)
        case "external storage":
            size = [(secret, 0, 16)]
            group.create_dataset("W", (2,), "f8", external=size)
        case "virtual":
            layout = h5py.VirtualLayout((2,), "f8")
            layout[:] = h5py.VirtualSource(secret, "secret", (2,))
            group.create_virtual_dataset("W", layout)
        case "huge":
            group.create_dataset("W", (2**40,), "f8", chunks=(2**10,))
        case "text":
            group["W"] = "text"
        case "records":
            group["W"] = np.zeros(2, "i4,f8")
        case "group":
            group.create_group("W")
        case "missing":
            pass
        case "above":
            group.attrs["weight_names"] = [b"../layer/W"]
            group["W"] = np.ones(2)
        case "no names":
            group.attrs["weight_names"] = 7


@pytest.mark.parametrize(
    "kind",
    [
        "external link", "soft link", "external storage", "virtual", "huge", "text",
        "records", "group", "missing", "above", "no names",
    ],
)  # fmt: skip
def test_what_is_not_in_the_file_is_not_read(kind: str, tmp_path: pathlib.Path) -> None:
    secret = tmp_path / "secret.h5"
    with h5py.File(secret, "w") as file:
        file["secret"] = np.ones(2)
    with h5py.File(tmp_path / "weights.h5", "w") as file:
        build(kind, file, str(secret))
    with pytest.raises(WeightFileError, match=r"weights\.h5: "):
        read_weights(tmp_path / "weights.h5")


def test_damaged_files(tmp_path: pathlib.Path) -> None:
    whole = (GOLDEN / "caffe.h5").read_bytes()
    path = tmp_path / "cut.h5"
    for length in (8, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(WeightFileError, match=r"cut\.h5: "):
            read_weights(path)
