"""Parameters in files, beside NumPy's reader and the format's published layout."""

from __future__ import annotations

import doctest
import json
import os
import pathlib
import threading
from typing import Any

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet import models, parameter_files

DTYPES = (
    "bool int8 uint8 int16 uint16 int32 uint32 int64 uint64 float16 float32 float64"
)


def parameters() -> list[Any]:
    rng = np.random.default_rng(0)
    values = [("W", (3, 2)), ("b", (2,)), ("W", (2, 4)), (None, ())]
    return [symnet.shared(rng.normal(size=shape), name) for name, shape in values]


def test_examples() -> None:
    assert doctest.testmod(parameter_files).failed == 0


@pytest.mark.parametrize("ending", [".npz", ".safetensors", ""])
def test_values_come_back(ending: str, tmp_path: pathlib.Path) -> None:
    path, variables = tmp_path / f"mlp{ending}", parameters()
    before = [v.get_value() for v in variables]
    symnet.save(path, variables)
    assert os.listdir(tmp_path) == [path.name]  # nothing else is left
    for v in variables:
        v.zero()
    symnet.load(path, variables)
    for v, value in zip(variables, before):
        np.testing.assert_array_equal(v.get_value(), value)
    assert list(symnet.load(path)) == ["0.W", "b", "2.W", "3"]


@pytest.mark.parametrize("ending", [".npz", ".safetensors"])
@pytest.mark.parametrize("shape", [(), (0,), (1,), (2, 3), (4, 0, 2)])
def test_every_dtype_and_layout(
    ending: str, shape: tuple[int, ...], tmp_path: pathlib.Path
) -> None:
    arrays = {}
    for dtype in DTYPES.split():
        value = np.arange(100)[: int(np.prod(shape))].reshape(shape).astype(dtype)
        arrays[dtype] = value
        arrays[f"{dtype} transposed"] = value.T
        arrays[f"{dtype} backwards"] = value[::-1] if shape else value
        arrays[f"{dtype} swapped"] = value.astype(value.dtype.newbyteorder(">"))
    symnet.save(tmp_path / f"all{ending}", arrays)
    for name, array in symnet.load(tmp_path / f"all{ending}").items():
        assert array.dtype == arrays[name].dtype.newbyteorder("=")
        assert array.shape == arrays[name].shape
        np.testing.assert_array_equal(array, arrays[name])


def test_special_numbers_and_complex(tmp_path: pathlib.Path) -> None:
    value = np.array([np.nan, -np.inf, -0.0, 5e-324])
    numbers = np.array([1 + 2j, complex(np.nan, -0.0)])
    symnet.save(tmp_path / "a.npz", {"x": value, "z": numbers})
    found = symnet.load(tmp_path / "a.npz")
    assert found["x"].tobytes() == value.tobytes()
    assert found["z"].tobytes() == numbers.tobytes()
    with pytest.raises(TypeError, match="z: safetensors has no dtype complex128"):
        symnet.save(tmp_path / "a.safetensors", {"z": numbers})
    assert os.listdir(tmp_path) == ["a.npz"]


def test_another_order_of_bytes_is_the_same_dtype(tmp_path: pathlib.Path) -> None:
    np.savez(tmp_path / "a.npz", w=np.arange(3, dtype=">f8"))
    w = symnet.shared(np.zeros(3), "w")
    symnet.load(tmp_path / "a.npz", [w])
    assert w.get_value().dtype == np.float64
    np.testing.assert_array_equal(w.get_value(), [0, 1, 2])


@pytest.mark.parametrize("ending", [".npz", ".safetensors"])
def test_no_values_at_all(ending: str, tmp_path: pathlib.Path) -> None:
    symnet.save(tmp_path / f"a{ending}", [])
    assert symnet.load(tmp_path / f"a{ending}") == {}


def test_where_no_file_can_be(tmp_path: pathlib.Path) -> None:
    w = symnet.shared(0.0, "w")
    with pytest.raises(FileNotFoundError, match=r"no such folder.*nowhere'$"):
        symnet.save(tmp_path / "nowhere" / "a.npz", [w])
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError, match="folder'$"):
        symnet.save(tmp_path / "folder", [w])
    assert os.listdir(tmp_path) == ["folder"]


def test_numpy_reads_npz_files(tmp_path: pathlib.Path) -> None:
    symnet.save(tmp_path / "a.npz", {"layer/W": np.eye(2)})
    with np.load(tmp_path / "a.npz", allow_pickle=False) as file:
        np.testing.assert_array_equal(file["layer/W"], np.eye(2))


def test_a_path_without_an_ending_is_safetensors(tmp_path: pathlib.Path) -> None:
    symnet.save(tmp_path / "file", [symnet.shared(np.float32([1, 2]), "w")])
    content = (tmp_path / "file").read_bytes()
    end = 8 + int.from_bytes(content[:8], "little")
    entry = json.loads(content[8:end])["w"]
    assert entry == {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
    assert content[end:] == np.float32([1, 2]).tobytes()


def test_the_formats_own_library_reads_it(tmp_path: pathlib.Path) -> None:
    library = pytest.importorskip("safetensors.numpy")
    symnet.save(tmp_path / "a.safetensors", {"w": np.eye(3), "n": np.int64(4)})
    found = library.load_file(tmp_path / "a.safetensors")
    np.testing.assert_array_equal(found["w"], np.eye(3))
    assert found["n"] == 4
    library.save_file({"w": np.ones((2, 2))}, tmp_path / "b.safetensors")
    w = symnet.shared(np.zeros((2, 2)))
    symnet.load(tmp_path / "b.safetensors", {"w": w})
    np.testing.assert_array_equal(w.get_value(), np.ones((2, 2)))


def test_what_differs_is_listed_and_nothing_changes(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "a.safetensors"
    stored = {"W": np.ones((3, 2)), "b": np.ones(2, "float32"), "old": np.ones(1)}
    symnet.save(path, {**stored, "same": np.ones(3)})
    mine = {
        "W": symnet.shared(np.zeros((2, 3))),
        "b": symnet.shared(np.zeros(2)),
        "new": symnet.shared(np.zeros(1)),
        "same": symnet.shared(np.zeros(3)),
    }
    with pytest.raises(ValueError) as caught:
        symnet.load(path, mine)
    text = str(caught.value)
    assert "missing: new\n" in text and "unexpected: old\n" in text
    assert "W: float64 (3, 2) in the file, float64 (2, 3) here" in text
    assert "b: float32 (2,) in the file, float64 (2,) here" in text
    assert "same" not in text
    assert all(not v.get_value().any() for v in mine.values())


def test_wrong_arguments(tmp_path: pathlib.Path) -> None:
    path, w = tmp_path / "a.npz", symnet.shared(np.zeros(2), "w")
    wrong: list[tuple[Any, str]] = [
        (w, r"write \[w\]"),
        (np.zeros(2), "a dict or a list"),
        (3, "a dict or a list"),
        ("w", "a dict or a list"),
        ({1: w}, "names of values are texts"),
        ([T.vector("x")], "a file holds numbers"),
        (["text"], "a file holds numbers, not 'text'"),
        ([w + 1], "a file holds numbers"),
    ]
    for values, text in wrong:
        with pytest.raises(TypeError, match=text):
            symnet.save(path, values)
    with pytest.raises(TypeError, match="the file's path first, not list"):
        symnet.save([w], path)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"as \.npz or \.safetensors"):
        symnet.save(tmp_path / "a.pkl", [w])
    with pytest.raises(ValueError, match="two values are called 1.b"):
        symnet.save(path, [symnet.shared(0, "1.b"), symnet.shared(0, "b"),
                           symnet.shared(0, "b")])  # fmt: skip
    with pytest.raises(ValueError, match="no array named __metadata__"):
        symnet.save(tmp_path / "a.safetensors", {"__metadata__": np.zeros(1)})
    assert os.listdir(tmp_path) == []
    with pytest.raises(FileNotFoundError):
        symnet.load(path)
    symnet.save(path, [w])
    with pytest.raises(TypeError, match="loaded into shared variables, not into ndarr"):
        symnet.load(path, {"w": np.zeros(2)})  # type: ignore[call-overload]
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(models.WeightFileError):
        symnet.load(path, [w])


def test_a_failed_write_leaves_the_old_file(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, w = tmp_path / "a.safetensors", symnet.shared(np.arange(3.0), "w")
    symnet.save(path, [w])
    w.zero()

    def full(number: int) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space left"):
        symnet.save(path, [w])
    assert os.listdir(tmp_path) == [path.name]
    symnet.load(path, [w])
    np.testing.assert_array_equal(w.get_value(), [0, 1, 2])


def test_random_states_are_kept(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "a.npz"
    state = symnet.shared(np.random.RandomState(5), "state")
    state.get_value().random_sample()
    symnet.save(path, [state])
    wanted = state.get_value().random_sample(3)
    state.set_value(np.random.RandomState(6))
    symnet.load(path, [state])
    np.testing.assert_array_equal(state.get_value().random_sample(3), wanted)


def test_variables_are_saved_as_of_one_moment(tmp_path: pathlib.Path) -> None:
    """While another thread updates both, they are equal in every file."""
    a, b = (symnet.shared(np.zeros(50_000), name) for name in "ab")
    step = symnet.function([], updates=[(a, a + 1), (b, b + 1)])
    step()
    stop = threading.Event()

    def train() -> None:
        while not stop.is_set():
            step()

    thread = threading.Thread(target=train)
    thread.start()
    try:
        for _ in range(10):
            symnet.save(tmp_path / "a.npz", [a, b])
            found = symnet.load(tmp_path / "a.npz")
            np.testing.assert_array_equal(found["a"], found["b"])
            assert found["a"].min() == found["a"].max() >= 1
    finally:
        stop.set()
        thread.join()


def test_parameters_of_models(tmp_path: pathlib.Path) -> None:
    one, other = (models.lenet5(classes=10, seed=seed) for seed in (1, 2))
    symnet.save(tmp_path / "lenet.safetensors", one.parameters)
    symnet.load(tmp_path / "lenet.safetensors", other.parameters)
    for name, variable in one.parameters.items():
        np.testing.assert_array_equal(
            variable.get_value(), other.parameters[name].get_value()
        )
