"""Files of weights: which kind a file is, what is in it, and writing one's own."""

from __future__ import annotations

import errno
import math
import os
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from symnet.models.hdf5_files import MOST_EXPANSION, read_hdf5
from symnet.models.safetensors_format import (
    looks_like_safetensors,
    read_safetensors,
    write_safetensors,
)
from symnet.models.stored_arrays import (
    StoredArray,
    WeightFile,
    WeightFileError,
    reading,
)
from symnet.models.theano_pickles import read_pickles
from symnet.models.torch_files import LEGACY, read_torch_legacy, read_torch_zip

PICKLES = (b"\x80", b"(", b"]", b"}", b"c")  # what those of all protocols begin with


def open_weights(path: str | os.PathLike[str]) -> WeightFile:
    """What is in a file of weights: its kind, by its content, and shapes and dtypes of its
    arrays.  Nothing that the file names is run; numbers are read when they are wanted.

    Kinds: npz, safetensors, PyTorch's state dicts (both formats), pickled lists of arrays
    (Lasagne), pickles of Theano's shared variables, HDF5 (Keras 1, Caffe; needs h5py).
    Raises: FileNotFoundError; WeightFileError for a damaged file, an unknown kind, and a
        pickle that asks for more than arrays.
    """
    path = os.fspath(path)
    with open(path, "rb") as file:
        head, size = file.read(64), os.fstat(file.fileno()).st_size
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):  # the second: without members
        with reading(path, "zip archive"), zipfile.ZipFile(path) as archive:
            names = archive.namelist()
        torch = any(name.endswith("/data.pkl") for name in names)
        return read_torch_zip(path) if torch else read_npz(path)
    if head.startswith(b"\x89HDF\r\n\x1a\n"):
        return read_hdf5(path)
    if head.startswith(LEGACY):
        return read_torch_legacy(path)
    if looks_like_safetensors(head, size):
        return read_safetensors(path)
    if head.startswith(PICKLES):
        return read_pickles(path)
    raise WeightFileError(
        path,
        f"no known kind of file of weights: it begins with {head[:8]!r}"
        if head
        else "the file is empty",
    )


def read_weights(path: str | os.PathLike[str]) -> dict[str, NDArray[Any]]:
    """All arrays of a file by name, as they stand in it.  Raises: as `open_weights`.

    Example: for name, array in read_weights("vgg16.pth").items(): print(name, array.shape)
    """
    file = open_weights(path)
    total = sum(array.nbytes for array in file.arrays.values())
    if total > MOST_EXPANSION * os.path.getsize(path):
        raise WeightFileError(path, f"the file declares {total} bytes of arrays")
    return {name: array.read() for name, array in file.arrays.items()}


def write_weights(
    path: str | os.PathLike[str], arrays: Mapping[str, NDArray[Any]]
) -> None:
    """Write arrays by name, as `.npz` or `.safetensors` by the path's ending; a path
    without an ending becomes a safetensors file.

    The file is there as a whole or not at all, after a crash too.
    Raises: ValueError for another ending; TypeError for a dtype that the format lacks;
        OSError.
    """
    path = os.fspath(path)
    ending = os.path.splitext(path)[1]
    if ending not in (".npz", ".safetensors", ""):
        raise ValueError(f"{path}: weights are written as .npz or .safetensors")
    with _replacing(path) as file:
        if ending == ".npz":
            _write_npz(file, arrays)
        else:
            write_safetensors(file, arrays)


@contextmanager
def _replacing(path: str) -> Iterator[IO[bytes]]:
    """A file to write to, which takes the place of the one at `path` in one step, once all
    of it is on the disk.  If the body raises, nothing changes."""
    folder, name = os.path.dirname(path) or ".", os.path.basename(path)
    if not os.path.isdir(folder):
        raise FileNotFoundError(errno.ENOENT, "no such folder", folder)
    if os.path.isdir(path):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    # As `open` would have made it, not for its owner alone.
    mask = os.umask(0)
    os.umask(mask)
    # Who is killed meanwhile leaves a file that says whose it was.
    with tempfile.NamedTemporaryFile(
        dir=folder, prefix=f".{name[:60]}.", suffix=".part", delete=False
    ) as file:
        try:
            yield file
            file.flush()
            os.fsync(file.fileno())
            os.chmod(file.name, 0o666 & ~mask)
            os.replace(file.name, path)
        except BaseException:
            os.unlink(file.name)
            raise
    if hasattr(
        os, "O_DIRECTORY"
    ):  # where folders can be opened, their names are kept too
        entry = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(entry)
        finally:
            os.close(entry)


def _write_npz(file: IO[bytes], arrays: Mapping[str, NDArray[Any]]) -> None:
    with zipfile.ZipFile(file, "w", allowZip64=True) as archive:
        for name, array in arrays.items():
            with archive.open(name + ".npy", "w", force_zip64=True) as to:
                np.lib.format.write_array(to, np.asanyarray(array), allow_pickle=False)


def read_npz(path: str) -> WeightFile:
    """Raises: WeightFileError for a damaged archive and for arrays of objects."""
    arrays = {}
    with reading(path, "npz file"), zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            name = info.filename.removesuffix(".npy")
            if name == info.filename:
                raise WeightFileError(path, f"{name!r:.80} is no array (.npy)")
            with archive.open(info) as member:
                shape, _, kind = _header(member)
                begin = member.tell()
            if kind.kind not in "biufc":
                raise WeightFileError(path, f"{name} has dtype {kind}, no numbers")
            if info.file_size - begin != math.prod(shape) * kind.itemsize:
                raise WeightFileError(
                    path, f"{name} declares the shape {shape}, and has "
                    f"{info.file_size - begin} bytes"
                )  # fmt: skip
            read = partial(_read_member, path, info.filename)
            arrays[name] = StoredArray(shape, kind, read)
    return WeightFile(path, "npz", arrays)


def _header(member: Any) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(member)
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0(member)
    if version == (2, 0):
        return np.lib.format.read_array_header_2_0(member)
    raise ValueError(f"arrays in version {version} of NumPy's format")


def _read_member(path: str, name: str) -> NDArray[Any]:
    with reading(path, "npz file"), zipfile.ZipFile(path) as archive:
        with archive.open(name) as member:
            array: NDArray[Any] = np.lib.format.read_array(member, allow_pickle=False)
        return array
