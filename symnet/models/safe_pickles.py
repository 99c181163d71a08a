"""Pickles of arrays, read without running anything that they name.

A pickle is a program: it may call any function that it can name.  Here it may name what a
table lists, and gets stand-ins that only hold what they are called with.  Everything else
is an error that says what was asked for.
"""

from __future__ import annotations

import io
import math
import mmap
import pickle
import pickletools
import re
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from functools import partial
from typing import IO, Any, cast

import numpy as np

from symnet.models.stored_arrays import (
    StoredArray,
    WeightFile,
    WeightFileError,
    checked_shape,
    reading,
)

MEMO = {"PUT", "BINPUT", "LONG_BINPUT"}
OPCODES = {one.code.encode("latin1"): one for one in pickletools.opcodes}


class SafeUnpickler(pickle.Unpickler):
    """An unpickler that knows the names of `allowed`, ("module", "name") -> stand-in."""

    def __init__(
        self, file: IO[bytes], path: str, allowed: Mapping[tuple[str, str], Any]
    ) -> None:
        super().__init__(file, encoding="latin1")  # as Python 2 wrote bytes
        self.path, self.allowed = path, allowed

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self.allowed:
            raise WeightFileError(
                self.path,
                f"the pickle asks for {module}.{name}, which no array needs: a pickle "
                "runs what it names, and of this one nothing was run",
            )
        return self.allowed[module, name]


def load_pickle(
    file: IO[bytes],
    path: str,
    allowed: Mapping[tuple[str, str], Any],
    unpickler: type[SafeUnpickler] = SafeUnpickler,
) -> Any:
    """The next pickle of an open file.  Raises: WeightFileError."""
    with reading(path, "pickle"):
        start = file.tell()
        # The unpickler makes room for any number that a pickle gives to what it remembers.
        for count, (opcode, argument) in enumerate(_instructions(file)):
            if opcode.name in MEMO and not 0 <= int(str(argument)) <= count:
                raise WeightFileError(path, f"damaged pickle: memo {argument}")
            if opcode.name.startswith("EXT"):
                raise WeightFileError(path, "the pickle asks for extensions")
        file.seek(start)
        return unpickler(file, path, allowed).load()


def _instructions(file: IO[bytes]) -> Iterator[tuple[Any, Any]]:
    """The opcodes of a pickle up to its end, and their arguments.

    `pickletools.genops` takes the strings of protocol 0 for ASCII; Python 2 has written
    arrays so.  Raises: ValueError for what is no opcode, or a missing end.
    """
    while True:
        opcode = OPCODES.get(file.read(1))
        if opcode is None:
            raise ValueError("the pickle has no end, or no such instruction")
        if opcode.name == "STRING":
            argument: Any = file.readline()
        else:
            argument = None if opcode.arg is None else opcode.arg.reader(file)
        yield opcode, argument
        if opcode.name == "STOP":
            return


def mapped(path: str) -> IO[bytes]:
    """A file as memory: reads end where it ends, whatever length is asked for."""
    with open(path, "rb") as file:
        if not file.read(1):
            return io.BytesIO()
        memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        return cast("IO[bytes]", memory)


# ---- NumPy's arrays


class DtypeRecord:
    """What a pickle says of a dtype."""

    __slots__ = ("name", "order")

    def __init__(self, name: str = "", *flags: Any) -> None:
        self.name, self.order = name, "="

    def __setstate__(self, state: Any) -> None:
        self.order = state[1]

    def dtype(self) -> np.dtype[Any]:
        """Raises: ValueError for what is no plain number."""
        plain = isinstance(self.name, str) and re.fullmatch("[fiu][1248]|b1", self.name)
        if not plain or self.order not in ("<", ">", "|", "="):
            raise ValueError(f"an array of dtype {self.order!r:.20} {self.name!r:.20}")
        return np.dtype(self.order + self.name)


class ArrayRecord:
    """What a pickle says of an array."""

    __slots__ = ("state",)

    def __init__(self, *arguments: Any) -> None:
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def stored(self, path: str, name: str) -> StoredArray:
        """Raises: WeightFileError, ValueError where shape, dtype and bytes do not agree."""
        _, shape, kind, by_columns, data = self.state
        sizes = checked_shape(path, name, shape)
        if not isinstance(kind, DtypeRecord):
            raise ValueError("an array without a dtype")
        content = data.encode("latin1") if isinstance(data, str) else data
        dtype = kind.dtype()
        if not isinstance(content, (bytes, bytearray)):
            raise ValueError("an array without bytes")
        if len(content) != math.prod(sizes) * dtype.itemsize:
            raise WeightFileError(
                path, f"array {name} of shape {sizes} has {len(content)} bytes"
            )
        order = "F" if by_columns else "C"
        array = np.frombuffer(content, dtype).reshape(sizes, order=order)  # type: ignore[call-overload]
        return StoredArray(sizes, dtype, partial(np.asarray, array))


def _from_buffer(data: Any, kind: Any, shape: Any, order: Any) -> ArrayRecord:
    """Protocol 5: all of an array in one call."""
    record = ArrayRecord()
    record.state = (1, shape, kind, order == "F", data)
    return record


def _encode(text: Any, encoding: Any = "latin1") -> bytes:
    """How Python 3 writes bytes for Python 2."""
    if not isinstance(text, str) or encoding != "latin1":
        raise ValueError(f"text encoded as {encoding!r:.20}")
    return text.encode("latin1")


def _no_bytes() -> bytes:
    """How Python 3 writes b"" for Python 2: as a call of bytes."""
    return b""


NUMPY: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): ArrayRecord,
    ("numpy", "dtype"): DtypeRecord,
    ("_codecs", "encode"): _encode,
    ("__builtin__", "bytes"): _no_bytes,
    ("collections", "OrderedDict"): OrderedDict,
}
for _core in ("numpy.core", "numpy._core"):
    NUMPY[f"{_core}.multiarray", "_reconstruct"] = ArrayRecord
    NUMPY[f"{_core}.numeric", "_frombuffer"] = _from_buffer


def read_lasagne(path: str) -> WeightFile:
    """A pickled list of arrays, as `lasagne.layers.get_all_param_values` gives it, or the
    dict of Lasagne's model zoo that has it under "param values".

    Arrays are named by their number, "0", "1", ...
    Raises: WeightFileError.
    """
    file = mapped(path)
    values = load_pickle(file, path, NUMPY)
    if file.read(1):
        raise WeightFileError(path, "more than one pickle, or bytes behind it")
    kind = "lasagne"
    if isinstance(values, dict):
        kind, values = "lasagne-zoo", values.get("param values")
    if not isinstance(values, (list, tuple)):
        raise WeightFileError(
            path,
            f"a pickle of {type(values).__name__}, not of a list of arrays, or of a dict "
            'with such a list as "param values"',
        )
    arrays: dict[str, StoredArray] = {}
    with reading(path, "pickle"):
        for number, value in enumerate(values):
            if not isinstance(value, ArrayRecord):
                raise WeightFileError(
                    path, f"item {number} is no array, but {type(value).__name__}"
                )
            arrays[str(number)] = value.stored(path, str(number))
    return WeightFile(path, kind, arrays)
