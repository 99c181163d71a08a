"""Parameters of programs written for Theano, read from their pickles.

Such a program pickles its shared variables, those of a GPU too, or one array after another
into one file.  Nothing of Theano is needed to read them, and nothing that a pickle names is
run: what it calls from Theano is a record of what it was called with.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from symnet.graph.types import DTYPES
from symnet.models.safe_pickles import (
    NUMPY,
    ArrayRecord,
    load_pickle,
    mapped,
    read_lasagne,
)
from symnet.models.stored_arrays import (
    StoredArray,
    WeightFile,
    WeightFileError,
    reading,
)

# Functions by which arrays of a GPU are put back; the first argument is a NumPy array.
FROM_GPU = ("CudaNdarray_unpickler", "GpuArray_unpickler", "load_shared_variable")


class TheanoRecord:
    """What a pickle says of an object of Theano's: how it was made, and its state."""

    theanos: str
    arguments: tuple[Any, ...]
    state: dict[str, Any]

    def __init__(self, *arguments: Any) -> None:
        self.arguments, self.state = arguments, {}

    def __new__(cls, *arguments: Any) -> TheanoRecord:
        record = object.__new__(cls)
        record.arguments, record.state = arguments, {}
        return record

    def __setstate__(self, state: Any) -> None:
        # With slots the state comes in two parts.
        for part in state if isinstance(state, tuple) else (state,):
            self.state.update(part if isinstance(part, dict) else {})


def _reconstructed(kind: Any, base: Any, state: Any) -> Any:
    """How protocols 0 and 1 make an object."""
    if not (isinstance(kind, type) and issubclass(kind, TheanoRecord)):
        raise ValueError("the pickle makes an object that is none of Theano's")
    return kind()


def _number(kind: Any, data: Any = None) -> ArrayRecord:
    """One number of NumPy's: an array of rank 0."""
    record = ArrayRecord()
    record.state = (1, (), kind, False, data)
    return record


class TheanoNames(Mapping[tuple[str, str], Any]):
    """What a pickle of Theano's may name: arrays, and anything of Theano, as records."""

    OTHERS = {
        **NUMPY,
        **{(module, "_reconstructor"): _reconstructed for module in ("copy_reg", "copyreg")},
        **{(module, "object"): object for module in ("__builtin__", "builtins")},
        **{(f"{core}.multiarray", "scalar"): _number for core in ("numpy.core", "numpy._core")},
    }  # fmt: skip

    # Types of numbers, which types of Theano's hold.
    KINDS = {
        *(("numpy", name) for name in DTYPES),
        *((module, name) for module in ("__builtin__", "builtins")
          for name in ("bool", "complex", "float", "int", "long", "slice")),
    }  # fmt: skip

    def __contains__(self, key: object) -> bool:
        return (
            key in self.OTHERS
            or key in self.KINDS
            or (isinstance(key, tuple) and str(key[0]).split(".")[0] == "theano")
        )

    def __getitem__(self, key: tuple[str, str]) -> Any:
        if key in self.OTHERS:
            return self.OTHERS[key]
        return type("Record", (TheanoRecord,), {"theanos": ".".join(key)})

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self.OTHERS)

    def __len__(self) -> int:
        return len(self.OTHERS)


def read_pickles(path: str) -> WeightFile:
    """The arrays in a file of one or more pickles: lists and dicts of arrays and of Theano's
    shared variables, as Lasagne or a program of one's own writes them.

    Arrays have the names of their variables, or their places: "W", "0", "layer1/0".
    Raises: WeightFileError, also for a pickle that asks for anything else.
    """
    file = mapped(path)
    content = file.read()
    if b"theano" not in content and not _several(path):
        return read_lasagne(path)
    file.seek(0)
    values = []
    while file.tell() < len(content):
        values.append(load_pickle(file, path, TheanoNames()))
    found: dict[str, StoredArray] = {}
    with reading(path, "pickle"):
        whole = values[0] if len(values) == 1 else values
        for name, array in _arrays(path, whole, ""):
            free, count = name, 1
            while free in found:
                count += 1
                free = f"{name}_{count}"
            found[free] = array.stored(path, free)
    if not found:
        raise WeightFileError(path, "the pickle holds no array")
    return WeightFile(path, "theano", found)


def _several(path: str) -> bool:
    """Whether a second pickle of an array or list stands behind the first."""
    file = mapped(path)
    load_pickle(file, path, NUMPY)
    rest = file.read(1)
    return rest in (b"\x80", b"(", b"]", b"c")


def _arrays(path: str, value: Any, place: str) -> Iterator[tuple[str, ArrayRecord]]:
    """The arrays in a value, with their names.  Numbers and texts beside them are passed
    over."""
    if isinstance(value, ArrayRecord):
        yield place or "0", value
    elif isinstance(value, (list, tuple)):
        for number, one in enumerate(value):
            yield from _arrays(path, one, f"{place}/{number}" if place else f"{number}")
    elif isinstance(value, dict):
        for key, one in value.items():
            yield from _arrays(path, one, f"{place}/{key}" if place else f"{key}")
    elif isinstance(value, TheanoRecord):
        yield from _of_theano(path, value, place)
    elif not (value is None or isinstance(value, (bool, int, float, str, bytes))):
        kind = type(value).__name__
        raise WeightFileError(path, f"item {place or 0} is no array, but {kind}")


def _of_theano(
    path: str, record: TheanoRecord, place: str
) -> Iterator[tuple[str, ArrayRecord]]:
    """The array of a shared variable, of its container, of a constant, or of a GPU."""
    state = record.state
    if record.theanos.rpartition(".")[2] in FROM_GPU:
        yield from _arrays(path, record.arguments[0], place)
    elif isinstance(state.get("container"), TheanoRecord):
        name = state.get("name")
        where = name if isinstance(name, str) and name else place
        yield from _arrays(path, state["container"], where)
    elif isinstance(state.get("storage"), list):
        yield from _arrays(path, state["storage"][0], place)
    elif isinstance(state.get("data"), (ArrayRecord, TheanoRecord)):
        yield from _arrays(path, state["data"], place)
    else:
        raise WeightFileError(
            path, f"item {place or 0} is a {record.theanos}, which holds no array"
        )
