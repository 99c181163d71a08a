"""PyTorch's files of tensors, read without PyTorch and without running their pickles.

Two formats: since version 1.6 a zip archive (`data.pkl`, and a member for each storage);
before, several pickles one after the other with the storages behind them.
Source: `torch/serialization.py` of PyTorch 2.
"""

from __future__ import annotations

import io
import math
import os
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from symnet.data_classes import dataclass
from symnet.models.safe_pickles import SafeUnpickler, load_pickle, mapped
from symnet.models.stored_arrays import (
    StoredArray,
    WeightFile,
    WeightFileError,
    checked_shape,
    reading,
    widened,
)

MAGIC = 0x1950A86A20F9469CFC6C
LEGACY = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # MAGIC as a pickle
PROTOCOL = 1001
# A storage's class in PyTorch -> NumPy's dtype, in the file's byte order.
STORAGES = {
    "DoubleStorage": "f8", "FloatStorage": "f4", "HalfStorage": "f2",
    "BFloat16Storage": "u2", "LongStorage": "i8", "IntStorage": "i4",
    "ShortStorage": "i2", "CharStorage": "i1", "ByteStorage": "u1", "BoolStorage": "?",
}  # fmt: skip
CURE = "save the state dict alone: torch.save(model.state_dict(), FILE)"


class StorageRecord(NamedTuple):
    """A pickle's mention of a storage: its class and its key in the file."""

    kind: str
    key: str


class TensorRecord(NamedTuple):
    """A pickle's mention of a tensor.  A tuple: a pickle cannot change it afterwards."""

    storage: Any
    offset: Any
    shape: Any
    strides: Any


def _tensor(
    storage: Any, offset: Any, shape: Any, strides: Any, *rest: Any
) -> TensorRecord:
    return TensorRecord(storage, offset, shape, strides)


def _parameter(tensor: Any, *rest: Any) -> Any:
    return tensor


ALLOWED: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch", "Size"): tuple,
    ("torch._utils", "_rebuild_tensor"): _tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_parameter"): _parameter,
    **{("torch", name): name for name in STORAGES},
}


class TensorUnpickler(SafeUnpickler):
    """Mentions of storages become records."""

    def persistent_load(self, pid: Any) -> StorageRecord:
        if not isinstance(pid, tuple) or len(pid) < 5 or pid[0] != "storage":
            raise WeightFileError(self.path, f"the pickle refers to {pid!r:.60}")
        if len(pid) > 5 and pid[5] is not None:
            raise WeightFileError(self.path, f"a view of a storage; {CURE}")
        kind, key = pid[1:3]
        if kind not in STORAGES or not isinstance(key, str):
            raise WeightFileError(self.path, f"a storage {kind!r:.40} {key!r:.40}")
        return StorageRecord(kind, key)


@dataclass(frozen=True)
class Storages:
    """Where the storages of a file are: the length of each, and how to read it."""

    order: str  # "<" or ">"
    counts: Mapping[str, int]  # bytes by key
    read: Callable[[str, np.dtype[Any]], NDArray[Any]]


def read_torch_zip(path: str) -> WeightFile:
    """Raises: WeightFileError."""
    with reading(path, "zip archive"), zipfile.ZipFile(path) as archive:
        sizes = {info.filename: info.file_size for info in archive.infolist()}
        (pickled,) = (name for name in sizes if name.endswith("data.pkl"))
        root = pickled.removesuffix("data.pkl")
        big = root + "byteorder" in sizes and archive.read(root + "byteorder") == b"big"
        content = load_pickle(
            io.BytesIO(archive.read(pickled)), path, ALLOWED, TensorUnpickler
        )
    folder = root + "data/"
    # Names are those of members; nothing is unpacked.
    counts = {
        name.removeprefix(folder): size
        for name, size in sizes.items()
        if name.startswith(folder)
    }
    read = partial(_read_member, path, folder)
    return _state_dict(path, content, Storages(">" if big else "<", counts, read))


def _read_member(path: str, folder: str, key: str, kind: np.dtype[Any]) -> NDArray[Any]:
    with reading(path, "zip archive"), zipfile.ZipFile(path) as archive:
        return np.frombuffer(archive.read(folder + key), kind)


def read_torch_legacy(path: str) -> WeightFile:
    """Raises: WeightFileError."""
    file = mapped(path)
    with reading(path, "PyTorch file"):
        magic, protocol, system, content, keys = (
            load_pickle(file, path, ALLOWED, TensorUnpickler) for _ in range(5)
        )
        if magic != MAGIC or protocol != PROTOCOL:
            raise WeightFileError(path, f"PyTorch's protocol {protocol!r:.20}")
        order: Literal["little", "big"] = "little" if system["little_endian"] else "big"
        records = tensors_of(path, content).values()
        kinds = {r.storage.key: r.storage.kind for r in records}
        places, counts = {}, {}
        for key in keys:
            counts[key] = int.from_bytes(file.read(8), order) * _itemsize(kinds[key])
            places[key] = file.tell()
            if places[key] + counts[key] > os.path.getsize(path):
                raise WeightFileError(path, f"the file ends within storage {key!r:.40}")
            file.seek(counts[key], os.SEEK_CUR)

    def read(key: str, kind: np.dtype[Any]) -> NDArray[Any]:
        count = counts[key] // kind.itemsize
        return np.fromfile(path, kind, count, offset=places[key])

    storages = Storages("<" if order == "little" else ">", counts, read)
    return _state_dict(path, content, storages)


def _itemsize(kind: str) -> int:
    return np.dtype(STORAGES[kind]).itemsize


def tensors_of(path: str, content: Any) -> dict[str, TensorRecord]:
    """The tensors of a state dict, also of one under "state_dict" or "model".

    Raises: WeightFileError for something else.
    """
    for name in ("state_dict", "model_state_dict", "model"):
        if isinstance(content, dict) and isinstance(content.get(name), dict):
            content = content[name]
    found = content if isinstance(content, dict) else {}
    tensors = {
        name: value
        for name, value in found.items()
        if isinstance(name, str)
        and isinstance(value, TensorRecord)
        and isinstance(value.storage, StorageRecord)
    }
    if not tensors or len(tensors) != len(found):
        raise WeightFileError(path, f"no state dict, names with tensors; {CURE}")
    return tensors


def _state_dict(path: str, content: Any, storages: Storages) -> WeightFile:
    with reading(path, "PyTorch file"):
        arrays = {
            # As DataParallel and DistributedDataParallel name what they wrap.
            name.removeprefix("module."): _stored(path, name, record, storages)
            for name, record in tensors_of(path, content).items()
        }
    return WeightFile(path, "torch", arrays)


def _stored(
    path: str, name: str, record: TensorRecord, storages: Storages
) -> StoredArray:
    """Raises: WeightFileError where the tensor is not within its storage."""
    shape = checked_shape(path, name, record.shape)
    strides = checked_shape(path, name, record.strides)
    offset, kind = record.offset, record.storage.kind
    dtype = np.dtype(STORAGES[kind]).newbyteorder(storages.order)  # type: ignore[arg-type]
    bfloat = kind == "BFloat16Storage"
    count, spare = divmod(storages.counts[record.storage.key], dtype.itemsize)
    steps = zip(shape, strides, strict=True)
    last = sum((size - 1) * step for size, step in steps)
    size = math.prod(shape)
    inside = type(offset) is int and offset >= 0 and (not size or offset + last < count)
    # A tensor with more elements than its storage repeats some: nobody saves weights so.
    if spare or not inside or size > count:
        raise WeightFileError(
            path, f"{name}, {shape} with strides {strides}, is not within its storage"
        )

    def read() -> NDArray[Any]:
        flat = storages.read(record.storage.key, dtype)
        if flat.size < count:
            raise WeightFileError(path, f"the storage of {name} is too short")
        steps = [step * dtype.itemsize for step in strides]
        view = np.lib.stride_tricks.as_strided(
            flat[offset:], shape, steps, writeable=False
        )
        return widened(view) if bfloat else view

    return StoredArray(shape, np.dtype(np.float32) if bfloat else dtype, read)
