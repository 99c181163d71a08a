"""How devices hold the values of shared variables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

import numpy as np

from symnet.data_classes import dataclass
from symnet.graph.types import as_kept

LINE = 64  # bytes: where no two arrays share a cache line


class NoRoom(MemoryError):
    """A device has no memory for an array, or a call would take more than it may.

    least: the bytes with which a call would do; 0: it is not known.
    """

    least = 0


@dataclass(frozen=True, slots=True)
class Moved:
    """So many times, so many bytes together."""

    number: int = 0
    bytes: int = 0

    def __add__(self, other: Moved) -> Moved:
        return Moved(self.number + other.number, self.bytes + other.bytes)

    def __sub__(self, other: Moved) -> Moved:
        return Moved(self.number - other.number, self.bytes - other.bytes)


@dataclass(frozen=True, slots=True)
class Traffic:
    """What went between the host and a device's memory.

    to_device, to_host: arrays.  parameters: the few words of a call besides, in both
    directions: integers and addresses that steps read, and what says whether one failed.
    """

    to_device: Moved = Moved()
    to_host: Moved = Moved()
    parameters: Moved = Moved()

    def __add__(self, other: Traffic) -> Traffic:
        return Traffic(
            self.to_device + other.to_device,
            self.to_host + other.to_host,
            self.parameters + other.parameters,
        )

    def __sub__(self, other: Traffic) -> Traffic:
        return Traffic(
            self.to_device - other.to_device,
            self.to_host - other.to_host,
            self.parameters - other.parameters,
        )


Computing: TypeAlias = Callable[[Any, Sequence[Any]], Sequence[Any]]


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
    traffic: what has gone between it and the host so far.
    computed: (do, arrays): new arrays of what `do(xp, given)` gives, where `xp` is a library
        in NumPy's language, and `given` its arrays with the same elements in the same places.
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
    traffic: Callable[[], Traffic] = Traffic
    computed: Callable[[Computing, Sequence[Any]], list[Any]] = lambda do, arrays: [
        _new(one) for one in do(np, arrays)
    ]


def brought_here(values: Iterable[Any], memory: Memory) -> list[Any]:
    """The values, of which those that lie in a device's memory are brought to the host."""
    if memory is HOST:
        return list(values)
    return [memory.to_host(v) if memory.holds(v) else v for v in values]


# What finds the memory of a name that a pickle has; None for a name that is unknown.
FINDERS: list[Callable[[str], Memory | None]] = []


def memory_named(name: str) -> Memory:
    """The memory of that name, or the host's where it is not there."""
    if name == HOST.name:
        return HOST
    for find in FINDERS:
        if (found := find(name)) is not None and found.ready():
            return found
    return HOST


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

__all__ = [
    "Computing",
    "FINDERS",
    "HOST",
    "LINE",
    "Memory",
    "NoRoom",
    "address",
    "memory_named",
]
