"""How devices hold arrays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

LINE = 64  # bytes: where no two arrays share a cache line


@dataclass(frozen=True, slots=True)
class Memory:
    """What a device's memory can do.

    empty: (shape, dtype) -> a new array without gaps.
    from_host: a NumPy array of any layout -> an array without gaps: the same one where it
        has none already and lies in this memory.
    to_host: an array -> a NumPy array.
    address: an array -> the address of its first byte.
    alignment: in bytes, of arrays that lie in one piece of memory.
    xp: the module with NumPy's functions for such arrays.
    """

    empty: Callable[[Any, Any], Any]
    from_host: Callable[[Any], Any]
    to_host: Callable[[Any], Any]
    address: Callable[[Any], int]
    alignment: int
    xp: ModuleType


def without_gaps(array: Any) -> np.ndarray[Any, Any]:
    """In C order; itself where it is so already.  (`np.ascontiguousarray` gives what has no
    axes one.)"""
    return np.ascontiguousarray(array).reshape(np.shape(array))


def address(array: np.ndarray[Any, Any]) -> int:
    return int(array.ctypes.data)


HOST = Memory(np.empty, without_gaps, np.asarray, address, LINE, np)

__all__ = ["HOST", "Memory"]
