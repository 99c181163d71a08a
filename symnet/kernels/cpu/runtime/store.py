"""Where the value of a shared variable is, and who uses it.

Compiled calls read and write the array where it lies, and long ones do so while other
Python threads run.  Three things say so:

- `words`: native calls that work on the array without Python's lock.  They are written
  under that lock, by native code only (`kernels.cpu.runtime.call_boundary`), but for `put`.
- `queue`: the calls that go by Python, and everything else that needs the value whole, in
  the order in which they came (`kernels.cpu.runtime.turns`).
- `box`: a list whose only item is the array, so that native code finds it, and that it is
  exchanged in one piece.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count
from operator import setitem
from typing import Any

import numpy as np

from symnet.graph.types import as_kept
from symnet.kernels.cpu.runtime.layouts import (
    StoreWords,
)

_versions = count(1)


class Store:
    """A value.  All variables that stand for it have the same store."""

    __slots__ = ("box", "words", "queue", "__weakref__")

    def __init__(self, array: Any) -> None:
        self.box: list[Any] = [kept(array)]
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

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (self.array,)


def kept(array: Any) -> Any:
    return as_kept(array) if isinstance(array, np.ndarray) else array


def _restored(array: Any) -> Store:
    """A store from a pickle, with memory of its own: the buffers of a pickle belong to
    whoever loads it, and may serve him twice."""
    borrowed = isinstance(array, np.ndarray) and not array.flags.owndata
    return Store(array.copy() if borrowed else array)


def putting(stores: Sequence[Store], arrays: Sequence[Any]) -> Any:
    """An iterator (of None) that exchanges values as it goes, without any Python code: if
    it is gone through in one piece, no other thread and no signal's handler comes between.
    Who reads an old array goes on reading it, and nobody writes to it."""
    places = (StoreWords.readers, StoreWords.version, 0) * len(stores)
    targets: list[Any] = [x for s in stores for x in (s.words, s.words, s.box)]
    values = [x for array in arrays for x in (0, next(_versions), kept(array))]
    return map(setitem, targets, places, values)


__all__ = ["Store", "putting"]
