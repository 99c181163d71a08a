"""Where the value of a shared variable is, and who uses it.

Compiled calls read and write the array where it lies, and long ones do so while other
Python threads run.  Three things say so:

- `words`: native calls that work on the array without Python's lock.  They are written
  under that lock, by native code only (`kernels.cpu.runtime.call_boundary`), but for `put`.
- `queue`: the calls that go by Python, and everything else that needs the value whole, in
  the order in which they came (`kernels.cpu.runtime.tickets`).
- `box`: a list whose only item is the array, so that native code finds it, and that it is
  exchanged in one piece.

The array lies in the memory of a device (`kernels.memory`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain, count
from operator import call, is_not, itemgetter, setitem
from typing import Any

import numpy as np

from symnet.kernels.cpu.runtime.layouts import (
    StoreWords,
)
from symnet.kernels.memory import HOST, Memory, memory_named

SMALL = 256  # numbers that NumPy copies without giving up Python's lock
_versions = count(1)


class Store:
    """A value in a memory.  All variables that stand for it have the same store.

    value: a NumPy array, or one that lies in `memory` already.
    """

    __slots__ = ("box", "words", "queue", "memory", "__weakref__")

    def __init__(self, value: Any, memory: Memory = HOST) -> None:
        self.memory = memory
        self.box: list[Any] = [self.kept(value)]
        self.words = np.array([0, 0, next(_versions)], np.int64)
        self.queue: list[Any] = []

    @property
    def array(self) -> Any:
        return self.box[0]

    @property
    def users(self) -> tuple[Callable[[], Any], Callable[[], int]]:
        """Two functions (in C) whose results are both false while nobody uses the value."""
        return self.words[: StoreWords.version].any, self.queue.__len__

    def put(self, array: Any) -> None:
        """Make `array` the value: itself where it lies in memory as native code needs it
        (from a pickle it may be a buffer that must not be written), else a copy."""
        any(putting([self], [array]))

    def kept(self, value: Any) -> Any:
        """A value as it lies in the memory; what is no array, as it is."""
        return self.memory.from_host(value) if isinstance(value, np.ndarray) else value

    def seen(self, value: Any) -> Any:
        """A value that was found here, as the host sees it: a NumPy array, the same one
        where this is the host's memory; what is no array, as it is."""
        return self.memory.to_host(value) if self.memory.holds(value) else value

    def outline(self) -> Any:
        """What has the value's shape and dtype, without bringing it from its memory; what is
        no array, as it is."""
        value = self.array
        if self.memory is HOST or not self.memory.holds(value):
            return value
        return np.broadcast_to(np.zeros((), value.dtype), value.shape)

    # ---- few numbers, in one piece and without waiting

    def copy_of_few(self) -> np.ndarray[Any, Any] | None:
        """A NumPy array with the value; None where that is much, lies elsewhere than in
        the host's memory, or is used by a call."""
        array = self.array
        if self.memory is not HOST or array.size > SMALL:
            return None
        copy, *busy = map(call, (array.copy, *self.users))
        return None if any(busy) else copy

    def write_few(self, array: np.ndarray[Any, Any]) -> bool:
        """Put other numbers in the value's place, under the same conditions; whether that
        was done."""
        old = self.array
        if self.memory is not HOST or array.size > SMALL or old.shape != array.shape:
            return False
        if not old.flags.writeable:
            return False
        replaced = map(is_not, map(itemgetter(0), (self.box,)), (old,))
        write = map(setitem, (old,), (...,), (array,))
        return not any(chain(map(call, self.users), replaced, write))

    def with_value(self, value: Any) -> tuple[Any, ...]:
        """How a pickle makes a store of `value` in the same memory."""
        return _restored, (value, self.memory.name)


def _restored(array: Any, memory: str = "") -> Store:
    """A store from a pickle, with memory of its own: the buffers of a pickle belong to
    whoever loads it, and may serve him twice.  It lies where it lay, or in the host's memory
    where that is not there: what was saved with a GPU can be read without one."""
    borrowed = isinstance(array, np.ndarray) and not array.flags.owndata
    return Store(array.copy() if borrowed else array, memory_named(memory))


def putting(stores: Sequence[Store], arrays: Sequence[Any]) -> Any:
    """An iterator (of None) that exchanges values as it goes, without any Python code: if
    it is gone through in one piece, no other thread and no signal's handler comes between.
    Who reads an old array goes on reading it, and nobody writes to it."""
    places = (StoreWords.readers, StoreWords.version, 0) * len(stores)
    targets: list[Any] = [x for s in stores for x in (s.words, s.words, s.box)]
    pairs = zip(stores, arrays, strict=True)
    values = [x for s, array in pairs for x in (0, next(_versions), s.kept(array))]
    return map(setitem, targets, places, values)


__all__ = ["Store", "putting"]
