"""What readers of files of weights give: arrays that are read when they are wanted."""

from __future__ import annotations

import errno
import math
import os
import pickle
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symnet.data_classes import dataclass


class WeightFileError(ValueError):
    """A file of weights is damaged, of an unknown kind, or asks for more than numbers."""

    def __init__(self, path: Any, reason: str) -> None:
        super().__init__(f"{os.fspath(path)}: {reason}")


@dataclass(frozen=True)
class StoredArray:
    """An array in a file: its shape and dtype, and a function that reads it.

    Shapes are compared with those of a model before anything is read: a file that declares
    huge arrays costs no memory.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    read: Callable[[], NDArray[Any]]

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize


@dataclass(frozen=True)
class WeightFile:
    """A file's arrays by name, in the file's order.

    kind: "npz", "safetensors", "torch", "lasagne", "lasagne-zoo", "theano", "keras", "caffe",
        "hdf5".
    """

    path: str
    kind: str
    arrays: Mapping[str, StoredArray]


# What damaged files make the libraries raise that read them.
DAMAGE = (
    ArithmeticError, AssertionError, AttributeError, EOFError, LookupError, MemoryError,
    NotImplementedError, RuntimeError, TypeError, ValueError,
    pickle.PickleError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip


@contextmanager
def reading(path: Any, what: str) -> Iterator[None]:
    """Errors of a reader become a WeightFileError that names the file.

    A file that is not there or may not be read keeps its own error.
    """
    try:
        yield
    except WeightFileError:
        raise
    except OSError as error:
        if error.errno not in (None, errno.EINVAL):  # a place before the beginning
            raise
        raise WeightFileError(path, f"damaged {what}: {error}") from error
    except DAMAGE as error:
        why = str(error) or type(error).__name__
        raise WeightFileError(path, f"damaged {what}: {why:.200}") from error


def checked_shape(path: Any, name: str, shape: Any) -> tuple[int, ...]:
    """A shape that a file declares, as a tuple of ints.  Raises: WeightFileError."""
    sizes = tuple(shape) if isinstance(shape, (tuple, list)) else None
    whole = sizes is not None and all(type(n) is int and n >= 0 for n in sizes)
    if sizes is None or not whole or len(sizes) > 32:
        raise WeightFileError(path, f"{name} declares the shape {shape!r:.60}")
    return sizes


def widened(bfloat16: NDArray[Any]) -> NDArray[np.float32]:
    """The numbers of a dtype that NumPy lacks, given as uint16: the upper halves of
    float32."""
    return (bfloat16.astype(np.uint32) << 16).view(np.float32)
