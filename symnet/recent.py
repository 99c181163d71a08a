"""A table of what was used last.

Its order is that of a plain dict.  (An OrderedDict ends the process where a key's own
`__hash__` or `__eq__` lets another thread, or a signal's handler, come between.)
"""

from __future__ import annotations

from collections.abc import Hashable
from contextlib import suppress
from typing import Any, Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Recent(Generic[K, V]):
    """The `size` entries that were used last; threads may share it.

    What is worth keeping for who asks again soon, in a process that may live long.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._entries: dict[K, V] = {}

    def get(self, key: K) -> V | None:
        """The value of `key`, which is the latest from now on; None if it is not kept."""
        value = self._entries.pop(key, None)
        if value is not None:
            self._entries[key] = value
        return value

    def add(self, key: K, value: V) -> V:
        """Enter `value`, unless there is one for `key`; the one that is kept."""
        known = self.get(key)
        if known is not None:
            return known
        self._entries[key] = value
        while len(self._entries) > self.size:
            drop_oldest(self._entries)
        return value

    def clear(self) -> None:
        self._entries.clear()

    def __len__(self) -> int:
        return len(self._entries)


def drop_oldest(entries: dict[Any, Any]) -> None:
    """Remove the entry that was made first, if there is one."""
    with suppress(StopIteration, RuntimeError):  # or another thread has changed it
        entries.pop(next(iter(entries)), None)
