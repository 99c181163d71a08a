"""How devices hold the values of shared variables."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from symnet.data_classes import dataclass
from symnet.graph.types import as_kept

LINE = 64  # bytes: where no two arrays share a cache line


@dataclass(frozen=True, slots=True)
class Memory:
    """What a device's memory can do with arrays in it; all else sees these only by `shape`
    and `dtype`.

    from_host: a NumPy array of any layout -> an array that programs read and write in its
        place: the same one, where it lies in this memory and may be used so.
    to_host: an array -> a NumPy array: the same one, where this is the host's memory.
    copy_in: a NumPy array -> a new array, which is nobody else's.
    copy_out: an array -> a new NumPy array.
    copy: an array -> another with the same numbers.
    write: (array, NumPy array of its shape): put the numbers in its place, as if those that
        are still needed were read first.
    holds: whether a value is an array in this memory.
    writable: whether an array in it may be written.
    lends: whether `from_host` gives a NumPy array itself.
    overlap: whether two arrays in it may share an element.
    alignment: in bytes, of arrays that lie in one piece of memory.
    name: by which a pickle finds it again; ready: whether it is there, in this process.
    """

    from_host: Callable[[Any], Any]
    to_host: Callable[[Any], np.ndarray[Any, Any]]
    copy_in: Callable[[Any], Any]
    copy_out: Callable[[Any], np.ndarray[Any, Any]]
    copy: Callable[[Any], Any]
    write: Callable[[Any, Any], Any]
    holds: Callable[[Any], bool]
    writable: Callable[[Any], bool]
    lends: Callable[[Any], bool]
    overlap: Callable[[Any, Any], bool]
    alignment: int
    name: str = ""
    ready: Callable[[], bool] = lambda: True


# All that pickles may name.
MEMORIES: dict[str, Memory] = {}


def memory_named(name: str) -> Memory:
    """The memory of that name, or the host's where it is not there."""
    found = MEMORIES.get(name, HOST)
    return found if found.ready() else HOST


def address(array: np.ndarray[Any, Any]) -> int:
    return int(array.ctypes.data)


def _new(array: Any) -> np.ndarray[Any, Any]:
    return np.array(array, order="C")


def _is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray)


def _is_writable(array: Any) -> bool:
    return bool(array.flags.writeable)


def _lends(array: Any) -> bool:
    return as_kept(array) is array


HOST = Memory(
    from_host=as_kept,
    to_host=np.asarray,
    copy_in=_new,
    copy_out=_new,
    copy=_new,
    write=np.copyto,
    holds=_is_array,
    writable=_is_writable,
    lends=_lends,
    overlap=np.may_share_memory,
    alignment=LINE,
)

__all__ = ["HOST", "LINE", "MEMORIES", "Memory", "address", "memory_named"]
