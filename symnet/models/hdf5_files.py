"""HDF5 files of Keras 1 and Caffe.  Needs h5py (`pip install symnet[models]`)."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symnet.models.stored_arrays import (
    StoredArray,
    WeightFile,
    WeightFileError,
    checked_shape,
    reading,
)

# Deflate makes at most 1032 bytes of one: what declares more holds no numbers.
MOST_EXPANSION = 1100


def read_hdf5(path: str) -> WeightFile:
    """The arrays of a file by name.

    Keras: "LAYER/WEIGHT" in the order of the layers, from the attributes `layer_names` and
    `weight_names`, also below `model_weights`.  Caffe: "LAYER/0", "LAYER/1" from `data`.
    Others: every array by its path.
    Raises: WeightFileError, also for links out of the file; ModuleNotFoundError without h5py.
    """
    import h5py

    with reading(path, "HDF5 file"), h5py.File(path, "r") as file:
        top = _inside(path, file, "model_weights") if "model_weights" in file else file
        if "layer_names" in top.attrs:
            kind, names = "keras", _keras_names(path, top)
        elif "data" in top:
            top = _inside(path, top, "data")
            kind, names = "caffe", _all_names(top, h5py)
        else:
            kind, names = "hdf5", _all_names(top, h5py)
        arrays = {}
        for name in names:
            dataset = _inside(path, top, name)
            shape = _checked(path, name, dataset)
            at = str(dataset.name)
            arrays[name] = StoredArray(shape, dataset.dtype, partial(_read, path, at))
    return WeightFile(path, kind, arrays)


def _keras_names(path: str, top: Any) -> list[str]:
    found = []
    for layer in map(_text, top.attrs["layer_names"]):
        weights = _inside(path, top, layer).attrs.get("weight_names", ())
        found += [f"{layer}/{_text(name)}" for name in weights]
    return found


def _all_names(top: Any, h5py: Any) -> list[str]:
    found: list[str] = []

    def visit(name: str, thing: Any) -> None:  # follows no links out of the file
        if isinstance(thing, h5py.Dataset):
            found.append(name)

    top.visititems(visit)
    return found


def _text(name: Any) -> str:
    return name.decode("utf-8") if isinstance(name, bytes) else str(name)


def _inside(path: str, group: Any, name: str) -> Any:
    """What a name leads to without leaving the file or the group."""
    import h5py

    for part in name.split("/"):
        if not isinstance(group.get(part, getlink=True), h5py.HardLink):
            raise WeightFileError(path, f"{name!r:.80} is not in the file itself")
        group = group[part]
    return group


def _checked(path: str, name: str, dataset: Any) -> tuple[int, ...]:
    """The shape of an array of plain numbers.  Raises: WeightFileError for others."""
    shape = checked_shape(path, name, getattr(dataset, "shape", None))
    if dataset.is_virtual or dataset.external:
        raise WeightFileError(path, f"{name} lies in another file")
    if dataset.dtype.kind not in "biuf":
        raise WeightFileError(path, f"{name} has dtype {dataset.dtype}, no numbers")
    if dataset.nbytes > MOST_EXPANSION * dataset.id.get_storage_size():
        raise WeightFileError(
            path,
            f"{name} declares {dataset.nbytes} bytes, and the file has "
            f"{dataset.id.get_storage_size()} of it",
        )
    return shape


def _read(path: str, name: str) -> NDArray[Any]:
    import h5py

    with reading(path, "HDF5 file"), h5py.File(path, "r") as file:
        return np.asarray(file[name][()])
