"""Files in the safetensors format: a table of arrays, then their bytes.

The format is 8 bytes with the length of a header, the header as JSON, and the arrays'
bytes, each at the offsets that the header gives.  No library is needed.
Source: the page "Safetensors format" of the project of that name, version 0.4.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from functools import partial
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from symnet.models.stored_arrays import (
    StoredArray,
    WeightFile,
    WeightFileError,
    checked_shape,
    reading,
    widened,
)

LONGEST_HEADER = 100_000_000  # the format's own limit
# Their name -> NumPy's, little-endian.
DTYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "I32": "<i4",
    "I16": "<i2", "I8": "i1", "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1",
    "BOOL": "?",
}  # fmt: skip


def looks_like_safetensors(head: bytes, size: int) -> bool:
    """Whether a file of this size that begins so has a header's length and its brace."""
    length = int.from_bytes(head[:8], "little")
    return head[8:9] == b"{" and length <= size


def read_safetensors(path: str) -> WeightFile:
    """Raises: WeightFileError where header, offsets and sizes do not agree."""
    with open(path, "rb") as file, reading(path, "safetensors file"):
        size = os.fstat(file.fileno()).st_size
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= min(LONGEST_HEADER, size - 8):
            raise WeightFileError(
                path, f"a header of {length} bytes in a file of {size}"
            )
        table = json.loads(
            file.read(length).decode("utf-8"), object_pairs_hook=_without_doubles
        )
        arrays, end = {}, 0
        table.pop("__metadata__", None)
        for name, entry in sorted(table.items(), key=_place):
            begin, after = entry["data_offsets"]
            shape = checked_shape(path, name, entry["shape"])
            kind = np.dtype(DTYPES[entry["dtype"]])
            if begin != end or after - begin != math.prod(shape) * kind.itemsize:
                raise WeightFileError(path, f"{name} lies at {begin} to {after}")
            bfloat = entry["dtype"] == "BF16"
            read = partial(_read, path, 8 + length + begin, kind, shape, bfloat)
            given = np.dtype(np.float32) if bfloat else kind
            arrays[name] = StoredArray(shape, given, read)
            end = after
        if 8 + length + end != size:
            raise WeightFileError(path, f"{size} bytes, not {8 + length + end}")
    return WeightFile(path, "safetensors", arrays)


def _place(item: tuple[str, Any]) -> tuple[int, int]:
    begin, end = item[1]["data_offsets"]
    if type(begin) is not int or type(end) is not int:
        raise ValueError(f"{item[0]} lies at {begin!r:.20} to {end!r:.20}")
    return begin, end


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice in the header")
    return found


def _read(
    path: str, offset: int, kind: np.dtype[Any], shape: tuple[int, ...], bfloat: bool
) -> NDArray[Any]:
    count = math.prod(shape)
    array = np.fromfile(path, kind, count, offset=offset)
    if array.size != count:
        raise WeightFileError(path, "the file has become shorter")
    return (widened(array) if bfloat else array).reshape(shape)


def write_safetensors(file: IO[bytes], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays in the order given.

    Raises: TypeError for a dtype without a name; ValueError for the one name that means
        something else in a header.
    """
    names = {np.dtype(kind): name for name, kind in DTYPES.items() if name != "BF16"}
    table, end = {}, 0
    for name, array in arrays.items():
        kind = array.dtype.newbyteorder("<")
        if kind not in names:
            raise TypeError(
                f"{name}: safetensors has no dtype {array.dtype}; .npz files have"
            )
        if name == "__metadata__":
            raise ValueError(f"safetensors has no array named {name}")
        offsets = [end, end := end + array.nbytes]
        table[name] = {
            "dtype": names[kind], "shape": array.shape, "data_offsets": offsets
        }  # fmt: skip
    header = json.dumps(table).encode()
    header += b" " * (-len(header) % 8)  # so that the numbers are aligned
    file.write(len(header).to_bytes(8, "little") + header)
    for array in arrays.values():
        file.write(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).data)
