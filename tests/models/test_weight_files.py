"""Which kind a file is, by its content; npz files; writing."""

from __future__ import annotations

import io
import os
import pathlib
import pickle
import zipfile
from typing import Any

import numpy as np
import pytest

from symnet.models.stored_arrays import WeightFileError
from symnet.models.weight_files import open_weights, read_weights, write_weights
from tests.models.narrow import GOLDEN

ARRAYS = {
    "conv.W": np.arange(6, dtype=np.float32).reshape(1, 2, 3),
    "b": np.array([1.5, np.nan, np.inf]),
    "half": np.float16([[1], [2]]).T,
    "none": np.zeros((0, 3)),
}


@pytest.mark.parametrize("ending", [".npz", ".safetensors"])
def test_what_is_written_is_read(ending: str, tmp_path: pathlib.Path) -> None:
    path = tmp_path / f"weights{ending}"
    for _ in range(2):  # over a file that is there, too
        write_weights(path, ARRAYS)
    found = read_weights(path)
    assert set(found) == set(ARRAYS)
    for name, want in ARRAYS.items():
        assert found[name].dtype == want.dtype
        np.testing.assert_array_equal(found[name], want)
    assert os.listdir(tmp_path) == [path.name]  # nothing is left beside it
    mask = os.umask(0)
    os.umask(mask)
    assert path.stat().st_mode & 0o777 == 0o666 & ~mask


def test_numpy_reads_what_is_written(tmp_path: pathlib.Path) -> None:
    write_weights(tmp_path / "weights.npz", ARRAYS)
    with np.load(tmp_path / "weights.npz") as file:
        for name, want in ARRAYS.items():
            np.testing.assert_array_equal(file[name], want)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_what_numpy_wrote_is_read(save: object, tmp_path: pathlib.Path) -> None:
    save(tmp_path / "weights.npz", *ARRAYS.values())  # type: ignore[operator]
    found = read_weights(tmp_path / "weights.npz")
    assert list(found) == ["arr_0", "arr_1", "arr_2", "arr_3"]
    for got, want in zip(found.values(), ARRAYS.values()):
        np.testing.assert_array_equal(got, want)


def test_other_endings_are_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ValueError, match=r"weights\.pth: .* \.npz or \.safetensors"):
        write_weights(tmp_path / "weights.pth", ARRAYS)


def test_a_failed_write_leaves_what_was_there(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "weights.safetensors"
    write_weights(path, ARRAYS)
    before = path.read_bytes()
    with pytest.raises(TypeError):
        write_weights(path, {"x": np.ones(2, complex)})
    assert path.read_bytes() == before and os.listdir(tmp_path) == [path.name]


def npz(path: pathlib.Path, **members: bytes) -> str:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members.items():
            file.writestr(f"{name}.npy", data)
    return str(path)


def npy(array: np.ndarray, shape: str = "", dtype: str = "") -> bytes:
    """An array as NumPy saves it, with another shape or dtype in its header."""
    file = io.BytesIO()
    np.save(file, array)
    raw = file.getvalue()
    end = raw.index(b"\n") + 1
    head = raw[10:end].decode().rstrip()
    head = head.replace(f"'shape': {array.shape}", f"'shape': {shape or array.shape}")
    head = head.replace(repr(array.dtype.str), repr(dtype or array.dtype.str))
    return raw[:10] + head.ljust(end - 11).encode() + b"\n" + raw[end:]


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_versions_of_numpys_format(version: Any, tmp_path: pathlib.Path) -> None:
    """The third is for names of fields in other letters, which weights do not have."""
    file, array = io.BytesIO(), np.arange(6.0).reshape(2, 3)
    np.lib.format.write_array(file, array, version=version)
    path = npz(tmp_path / "weights.npz", x=file.getvalue())
    if version == (3, 0):
        with pytest.raises(WeightFileError, match=r"version \(3, 0\)"):
            read_weights(path)
    else:
        np.testing.assert_array_equal(read_weights(path)["x"], array)


DAMAGED = {
    "huge": npy(np.ones(2), "(4611686018427387904,)"),
    "product": npy(np.ones(2), "(4294967296, 4294967296)"),
    "longer": npy(np.ones(2), "(3,)"),
    "shorter": npy(np.ones(2), "(1,)"),
    "negative": npy(np.ones(2), "(-2,)"),
    "code": npy(np.ones(2), "__import__('os')"),
    "objects": npy(np.ones(2), dtype="|O"),
    "text": npy(np.ones(2), dtype="<U2"),
    "version": b"\x93NUMPY\x09\x00" + npy(np.ones(2))[8:],
    "no magic": b"numbers",
    "empty": b"",
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_damaged_arrays(kind: str, tmp_path: pathlib.Path) -> None:
    assert npy(np.ones(2)) == npy(np.ones(2), "(2,)", "<f8")
    path = npz(tmp_path / "weights.npz", x=npy(np.ones(2)), y=DAMAGED[kind])
    with pytest.raises(WeightFileError, match=r"weights\.npz: "):
        read_weights(path)


def test_pickled_objects_are_not_loaded(tmp_path: pathlib.Path) -> None:
    trace = tmp_path / "trace"

    class Runs:
        def __reduce__(self) -> object:
            return os.mkdir, (str(trace),)

    file = tmp_path / "weights.npz"
    np.savez(file, x=np.array([Runs()], object))
    with pytest.raises(WeightFileError, match="dtype object"):
        read_weights(file)
    assert not trace.exists()
    with np.load(file, allow_pickle=True) as loaded:
        assert loaded["x"].dtype == object
    assert trace.exists()  # the test can fail


def test_names_with_paths_write_nothing(tmp_path: pathlib.Path) -> None:
    path = npz(tmp_path / "weights.npz", **{"../../escaped": npy(np.ones(2))})
    assert read_weights(path)["../../escaped"].tolist() == [1, 1]
    assert os.listdir(tmp_path) == ["weights.npz"]


def test_other_members(tmp_path: pathlib.Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr("readme.txt", "text")
    with pytest.raises(WeightFileError, match=r"readme.txt.* is no array"):
        open_weights(tmp_path / "a.zip")


def test_cut_off_anywhere(tmp_path: pathlib.Path) -> None:
    write_weights(tmp_path / "whole.npz", ARRAYS)
    whole = (tmp_path / "whole.npz").read_bytes()
    path = tmp_path / "cut.npz"
    for length in range(0, len(whole), 41):
        path.write_bytes(whole[:length])
        with pytest.raises(WeightFileError, match=r"cut\.npz: "):
            read_weights(path)


@pytest.mark.parametrize(
    "content",
    [b"", b"P", b"GIF89a", b"\x7fELF", b"<html>", b"\x1f\x8b\x08", bytes(100)],
)
def test_unknown_kinds(content: bytes, tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(
        WeightFileError, match="file: (no known kind|the file is empty)"
    ):
        open_weights(tmp_path / "file")


def test_a_file_that_is_not_there(tmp_path: pathlib.Path) -> None:
    with pytest.raises(FileNotFoundError):
        open_weights(tmp_path / "none.npz")
    with pytest.raises(IsADirectoryError):
        open_weights(tmp_path)


def test_kinds_go_by_content_not_by_name(tmp_path: pathlib.Path) -> None:
    kinds = {
        "vgg.pth": "torch", "vgg_legacy.pth": "torch", "vgg.safetensors": "safetensors",
        "vgg.npz": "npz",
    }  # fmt: skip
    for name, kind in kinds.items():
        if name != "vgg.npz":  # it holds a text, too
            (tmp_path / "file").write_bytes((GOLDEN / name).read_bytes())
            assert open_weights(tmp_path / "file").kind == kind
    (tmp_path / "file").write_bytes(pickle.dumps([np.ones(2)]))
    assert open_weights(tmp_path / "file").kind == "lasagne"


def changed(raw: bytes, rng: np.random.Generator) -> bytes:
    """A few bytes replaced, taken out or put in."""
    content = bytearray(raw)
    for _ in range(rng.integers(1, 6)):
        place, kind = int(rng.integers(len(content))), rng.integers(3)
        if kind == 0:
            content[place] = rng.integers(256)
        elif kind == 1:
            del content[place : place + int(rng.integers(1, 9))]
        else:
            content[place:place] = rng.bytes(rng.integers(1, 5))
    return bytes(content)


@pytest.mark.parametrize(
    "kind", ["odd.pth", "vgg_legacy.pth", "vgg.safetensors", "npz"]
)
def test_files_with_changed_bytes(kind: str, tmp_path: pathlib.Path) -> None:
    """They are read or refused: no other error comes out."""
    path = tmp_path / "file.npz"
    write_weights(path, ARRAYS)
    raw = path.read_bytes() if kind == "npz" else (GOLDEN / kind).read_bytes()
    rng, refused = np.random.default_rng(8), 0
    for _ in range(150):
        path.write_bytes(changed(raw, rng))
        try:
            read_weights(path)
        except WeightFileError as error:
            assert "file.npz: " in str(error)
            refused += 1
    assert refused > 50


def test_places_before_the_beginning(tmp_path: pathlib.Path) -> None:
    """A zip archive whose table says that an array begins there."""
    path = tmp_path / "file.npz"
    write_weights(path, ARRAYS)
    raw = path.read_bytes()
    table = raw.rindex(b"PK\x05\x06") + 16
    start = int.from_bytes(raw[table : table + 4], "little") + 5000
    path.write_bytes(raw[:table] + start.to_bytes(4, "little") + raw[table + 4 :])
    with pytest.raises(WeightFileError, match=r"file\.npz: damaged"):
        open_weights(path)
