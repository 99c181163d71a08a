"""PyTorch's files, as torch 2.14 wrote them, without PyTorch."""

from __future__ import annotations

import collections
import io
import os
import pathlib
import pickle
import zipfile
from typing import Any

import numpy as np
import pytest

from symnet.models.stored_arrays import WeightFileError
from symnet.models.weight_files import open_weights, read_weights
from tests.models.narrow import GOLDEN

NUMBERS = np.arange(24, dtype=np.float32).reshape(4, 6)


def test_dtypes_strides_and_wrappings() -> None:
    """A checkpoint of a wrapped model, {"epoch": 3, "state_dict": {"module.half": ...}}."""
    found = read_weights(GOLDEN / "odd.pth")
    expected = {
        "half": NUMBERS.astype(np.float16), "bfloat16": NUMBERS, "turned": NUMBERS.T,
        "part": NUMBERS[1:3, 2:5], "double": NUMBERS.astype(float),
        "count": np.array(3),
    }  # fmt: skip
    assert list(found) == list(expected)
    for name, want in expected.items():
        assert found[name].dtype == want.dtype, name
        np.testing.assert_array_equal(found[name], want)


def test_both_formats_and_safetensors_hold_the_same() -> None:
    one = read_weights(GOLDEN / "vgg.pth")
    for other in ("vgg_legacy.pth", "vgg.safetensors"):
        two = read_weights(GOLDEN / other)
        assert set(one) == set(two) and len(one) == 32
        for name, array in one.items():
            np.testing.assert_array_equal(two[name], array)
    assert list(one)[:2] == ["features.0.weight", "features.0.bias"]


# ---- files made by hand


class Named:
    """Pickled as a global name."""

    def __init__(self, name: str) -> None:
        self.name = name


class Call:
    def __init__(self, name: str, *arguments: Any) -> None:
        self.name, self.arguments = name, arguments


class Storage:
    def __init__(self, key: Any, count: int, kind: str = "torch FloatStorage") -> None:
        self.key, self.count, self.kind = key, count, kind


class HandPickler(pickle._Pickler):  # type: ignore[name-defined, misc]
    """Writes the stand-ins above as PyTorch's pickler would."""

    def persistent_id(self, thing: Any) -> Any:
        if isinstance(thing, Storage):
            return ("storage", Named(thing.kind), thing.key, "cpu", thing.count)
        return None

    def save(self, thing: Any, **rest: Any) -> None:
        if isinstance(thing, Named):
            module, name = thing.name.split(" ")
            self.write(b"c" + f"{module}\n{name}\n".encode())
        elif isinstance(thing, Call):
            self.save(Named(thing.name))
            self.save(thing.arguments)
            self.write(b"R")
        else:
            super().save(thing, **rest)


def tensor(
    storage: Any = None, offset: Any = 0, shape: Any = (2, 3), strides: Any = (3, 1)
) -> Call:
    storage = Storage("0", 6) if storage is None else storage
    name = "torch._utils _rebuild_tensor_v2"
    empty = collections.OrderedDict()
    return Call(name, storage, offset, shape, strides, False, empty)


def archive(
    path: pathlib.Path, content: Any, members: dict[str, bytes] | None = None
) -> pathlib.Path:
    raw = io.BytesIO()
    HandPickler(raw, 2).dump(content)
    if members is None:
        members = {"data/0": np.arange(6, dtype="<f4").tobytes()}
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("model/data.pkl", raw.getvalue())
        file.writestr("model/version", "3\n")
        for name, data in members.items():
            file.writestr(f"model/{name}", data)
    return path


def test_the_hand_writes_what_torch_does(tmp_path: pathlib.Path) -> None:
    path = archive(tmp_path / "model.pth", {"x": tensor()})
    np.testing.assert_array_equal(read_weights(path)["x"], [[0, 1, 2], [3, 4, 5]])
    torch = pytest.importorskip("torch")
    np.testing.assert_array_equal(torch.load(path)["x"], [[0, 1, 2], [3, 4, 5]])


def test_big_endian(tmp_path: pathlib.Path) -> None:
    members = {"data/0": np.arange(6, dtype=">f4").tobytes(), "byteorder": b"big"}
    path = archive(tmp_path / "model.pth", {"x": tensor()}, members)
    np.testing.assert_array_equal(read_weights(path)["x"], [[0, 1, 2], [3, 4, 5]])


def test_nothing_is_run(tmp_path: pathlib.Path) -> None:
    trace = tmp_path / "trace"
    for call in (
        "posix system",
        "os system",
        "builtins eval",
        "torch.nn.modules Linear",
    ):
        path = archive(tmp_path / "m.pth", {"x": Call(call, f"touch {trace}")})
        with pytest.raises(WeightFileError, match="asks for " + call.replace(" ", ".")):
            read_weights(path)
    assert not trace.exists()


WRONG: dict[str, Any] = {
    "behind the end": tensor(offset=1),
    "before the beginning": tensor(offset=-1),
    "negative stride": tensor(strides=(-3, 1)),
    "wide stride": tensor(strides=(3, 2)),
    "repeated": tensor(shape=(2**40, 3), strides=(0, 1)),
    "huge": tensor(shape=(2**40, 2**40), strides=(2**40, 1)),
    "negative shape": tensor(shape=(-2, -3)),
    "ranks": tensor(strides=(1,)),
    "no ints": tensor(shape=(2.0, 3)),
    "no offset": tensor(offset="0"),
    "no storage": tensor(storage="0"),
    "no such storage": tensor(storage=Storage("7", 6)),
    "path": tensor(storage=Storage("../../../../../etc/passwd", 6)),
    "absolute path": tensor(storage=Storage("/etc/passwd", 6)),
    "key": tensor(storage=Storage(0, 6)),
    "class": tensor(storage=Storage("0", 6, "torch QInt8Storage")),
    "other class": tensor(storage=Storage("0", 6, "collections OrderedDict")),
    "number": 3,
    "text": "x",
}


@pytest.mark.parametrize("kind", WRONG)
def test_tensors_outside_their_storage(kind: str, tmp_path: pathlib.Path) -> None:
    path = archive(tmp_path / "model.pth", {"x": WRONG[kind]})
    with pytest.raises(WeightFileError, match=r"model\.pth: "):
        read_weights(path)


@pytest.mark.parametrize("content", [[], {}, 3, {"state_dict": 3}, {1: tensor()}])
def test_other_contents(content: Any, tmp_path: pathlib.Path) -> None:
    with pytest.raises(WeightFileError, match=r"save the state dict alone"):
        read_weights(archive(tmp_path / "model.pth", content))


def test_a_tensor_cannot_be_changed_after_its_making(tmp_path: pathlib.Path) -> None:
    """BUILD, which sets attributes."""
    raw = io.BytesIO()
    HandPickler(raw, 2).dump(tensor())
    changed = b"\x80\x02}U\x01x" + raw.getvalue()[2:-1] + b"}U\x05shapeK\x07sbs."
    path = tmp_path / "model.pth"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("model/data.pkl", changed)
        file.writestr("model/data/0", bytes(24))
    with pytest.raises(WeightFileError, match="damaged pickle"):
        read_weights(path)


def test_cut_off_and_changed_archives(tmp_path: pathlib.Path) -> None:
    whole = (GOLDEN / "odd.pth").read_bytes()
    path = tmp_path / "cut.pth"
    for length in range(1, len(whole), 97):
        path.write_bytes(whole[:length])
        with pytest.raises(WeightFileError, match=r"cut\.pth: "):
            read_weights(path)
    place = whole.index(np.float16(NUMBERS).tobytes())
    path.write_bytes(whole[:place] + b"\x00\x00\x07" + whole[place + 3 :])
    with pytest.raises(WeightFileError, match="Bad CRC-32"):
        read_weights(path)


def test_cut_off_legacy_files(tmp_path: pathlib.Path) -> None:
    whole = (GOLDEN / "vgg_legacy.pth").read_bytes()
    path = tmp_path / "cut.pth"
    for length in [*range(1, len(whole), 331), len(whole) - 1]:
        path.write_bytes(whole[:length])
        with pytest.raises(WeightFileError, match=r"cut\.pth: "):
            open_weights(path)


def test_legacy_storages_of_huge_size(tmp_path: pathlib.Path) -> None:
    whole = (GOLDEN / "vgg_legacy.pth").read_bytes()
    first = (54).to_bytes(8, "little")  # 2 filters of 3x3 for 3 channels
    path = tmp_path / "huge.pth"
    path.write_bytes(whole.replace(first, (2**60).to_bytes(8, "little"), 1))
    with pytest.raises(WeightFileError, match="ends within storage"):
        open_weights(path)
    assert os.path.getsize(path) == len(whole)
