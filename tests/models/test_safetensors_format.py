"""Arrays in the safetensors format, beside a file that the format's own library wrote."""

from __future__ import annotations

import io
import json
import pathlib
from typing import Any

import numpy as np
import pytest

from symnet.models.safetensors_format import read_safetensors, write_safetensors
from symnet.models.stored_arrays import WeightFileError
from symnet.models.weight_files import open_weights, read_weights
from tests.models.narrow import GOLDEN

# What safetensors 0.8.0 makes of {"b": float16 [0, 1, 2], "a": float32 [[1.5, -2]],
# "c": True, "d": int64 of shape (0, 2)} and the metadata {"format": "np"}.
WRITTEN = (
    b"\x00\x01\x00\x00\x00\x00\x00\x00"
    b'{"__metadata__":{"format":"np"},'
    b'"d":{"dtype":"I64","shape":[0,2],"data_offsets":[0,0]},'
    b'"a":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]},'
    b'"b":{"dtype":"F16","shape":[3],"data_offsets":[8,14]},'
    b'"c":{"dtype":"BOOL","shape":[],"data_offsets":[14,15]}}     '
    b"\x00\x00\xc0?\x00\x00\x00\xc0\x00\x00\x00<\x00@\x01"
)


def content(table: Any, data: bytes = b"", length: int | None = None) -> bytes:
    header = table if isinstance(table, bytes) else json.dumps(table).encode()
    size = len(header) if length is None else length
    return size.to_bytes(8, "little") + header + data


def entry(shape: Any = (2,), offsets: Any = (0, 8), dtype: str = "F32") -> Any:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


def test_reads_what_the_library_wrote(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(WRITTEN)
    found = read_weights(path)
    assert set(found) == {"a", "b", "c", "d"}
    assert found["a"].dtype == "f4" and found["a"].tolist() == [[1.5, -2.0]]
    assert found["b"].dtype == "f2" and found["b"].tolist() == [0, 1, 2]
    assert found["c"].dtype == "?" and found["c"].tolist() is True
    assert found["d"].dtype == "i8" and found["d"].shape == (0, 2)


def test_bfloat16_is_widened(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "file"
    halves = np.array([1.5, -2.0], ">f4").tobytes()
    upper = halves[1::-1] + halves[5:3:-1]  # little-endian, the upper half of each
    path.write_bytes(content({"x": entry((2,), (0, 4), "BF16")}, upper))
    found = read_weights(path)["x"]
    assert found.dtype == np.float32 and found.tolist() == [1.5, -2.0]


@pytest.mark.parametrize("dtype", ["f8", "f4", "f2", ">f4", "i8", "u1", "?"])
@pytest.mark.parametrize("shape", [(), (0, 3), (1,), (2, 3, 4)])
def test_what_is_written_is_read(
    dtype: str, shape: tuple[int, ...], tmp_path: pathlib.Path
) -> None:
    array = np.random.default_rng(0).integers(0, 2, shape).astype(dtype)
    arrays = {"ü": array, "t": array.T, "back": array[..., ::-1] if shape else array}
    with open(tmp_path / "file", "wb") as file:
        write_safetensors(file, arrays)
    assert int.from_bytes((tmp_path / "file").read_bytes()[:8], "little") % 8 == 0
    for name, found in read_weights(tmp_path / "file").items():
        np.testing.assert_array_equal(found, arrays[name])
        assert found.dtype == np.dtype(dtype).newbyteorder("<")


def test_the_library_reads_what_is_written() -> None:
    library = pytest.importorskip("safetensors.numpy")
    arrays = {"a": np.arange(6.0).reshape(2, 3), "b": np.ones((0,), np.float16)}
    file = io.BytesIO()
    write_safetensors(file, arrays)
    found = library.load(file.getvalue())
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)


def test_complex_numbers_have_no_name() -> None:
    with pytest.raises(TypeError, match="x: safetensors has no dtype complex128"):
        write_safetensors(io.BytesIO(), {"x": np.ones(2, complex)})


DAMAGED = {
    "length": content({"x": entry()}, b"", 2**40),
    "short": content({"x": entry()}, bytes(7)),
    "long": content({"x": entry()}, bytes(9)),
    "huge": content({"x": entry((2**50,), (0, 2**52))}, bytes(8)),
    "hole": content({"x": entry((1,), (4, 8))}, bytes(8)),
    "overlap": content({"x": entry(), "y": entry((1,), (4, 8))}, bytes(8)),
    "negative": content({"x": entry((-2,), (0, -8))}),
    "bool": content({"x": entry((True, 2), (0, 8))}, bytes(8)),
    "shape": content({"x": entry("22", (0, 8))}, bytes(8)),
    "dtype": content({"x": entry(dtype="F31")}, bytes(8)),
    "no offsets": content({"x": {"dtype": "F32"}}, bytes(8)),
    "offsets": content({"x": entry(offsets=(0, "8"))}, bytes(8)),
    "list": content([1, 2]),
    "no JSON": content(b'{"x": '),
    "no text": content(b'{"\xff": 1}'),
    "twice": content(b'{"x":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},' * 2),
    "deep": content(b'{"x":' * 100_000),
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_damaged_files(kind: str, tmp_path: pathlib.Path) -> None:
    path = tmp_path / f"{kind}.safetensors"
    path.write_bytes(DAMAGED[kind])
    with pytest.raises(WeightFileError, match=f"{kind}.safetensors: "):
        read_safetensors(str(path))


def test_a_name_that_stands_twice(tmp_path: pathlib.Path) -> None:
    one = b'"x":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}'
    path = tmp_path / "file"
    path.write_bytes(content(b"{" + one + b"," + one + b"}"))
    with pytest.raises(WeightFileError, match="twice"):
        open_weights(path)


def test_cut_off_anywhere(tmp_path: pathlib.Path) -> None:
    whole = (GOLDEN / "vgg.safetensors").read_bytes()
    for length in [*range(0, 200, 7), len(whole) // 2, len(whole) - 1]:
        path = tmp_path / "cut"
        path.write_bytes(whole[:length])
        with pytest.raises(WeightFileError, match="cut: "):
            open_weights(path)
