"""Arrays in a GPU's memory, and how they come there and back."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np

from symnet.kernels.cuda.driver import Allocation, Driver
from symnet.kernels.memory import Computing, Memory, Moved, Traffic

ALIGNMENT = 256  # bytes, as CUDA allocates


class DeviceArray:
    """An array without gaps, in C order, in a GPU's memory: only its shape and its dtype are
    seen from outside.  home: what has brought it there."""

    __slots__ = ("home", "allocation", "shape", "dtype")

    def __init__(
        self, home: Transfers, allocation: Allocation, shape: Sequence[int], dtype: Any
    ) -> None:
        self.home, self.allocation = home, allocation
        self.shape: tuple[int, ...] = tuple(shape)
        self.dtype = np.dtype(dtype)

    @property
    def size(self) -> int:
        """How many numbers there are."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        return int(self.size * self.dtype.itemsize)

    def __array__(self, *_: Any, **__: Any) -> NoReturn:
        raise TypeError(
            "this array lies in a GPU's memory: the variable's get_value() brings it here"
        )

    def __repr__(self) -> str:
        return f"DeviceArray(shape={self.shape}, dtype={self.dtype})"


class Transfers:
    """Brings arrays to a driver's memory and back, and words that steps read (`parameters`),
    from any thread.

    traffic: what has gone there and back so far."""

    def __init__(self, driver: Callable[[], Driver]) -> None:
        self._driver = driver
        self.traffic = Traffic()

    def new(self, shape: Sequence[int], dtype: Any) -> DeviceArray:
        size, driver = math.prod(shape) * np.dtype(dtype).itemsize, self._driver()
        with driver.use():
            return DeviceArray(self, driver.allocate(size), shape, dtype)

    def send(self, array: Any) -> DeviceArray:
        """A NumPy array of any layout as a new array there."""
        plain = np.ascontiguousarray(array, np.dtype(array.dtype).newbyteorder("="))
        made = self.new(array.shape, plain.dtype)
        self._write(made, plain)
        return made

    def keep(self, array: Any) -> DeviceArray:
        if not isinstance(array, DeviceArray):
            return self.send(array)
        assert array.home is self, "an array of another GPU's"
        return array

    def fetch(self, array: DeviceArray) -> np.ndarray[Any, Any]:
        found = np.empty(array.shape, array.dtype)
        if found.size:
            self._read(array, found)
            self._add("to_host", found.nbytes)
        return found

    def _read(self, array: DeviceArray, found: np.ndarray[Any, Any]) -> None:
        driver = self._driver()
        with driver.use():
            driver.read(array.allocation, found)

    def words(self, count: int) -> DeviceArray:
        """New memory for so many int64 that steps read."""
        return self.new((count,), np.int64)

    def put_words(self, there: DeviceArray, words: np.ndarray[Any, Any]) -> None:
        """Bring words to the beginning of an array."""
        self._put(there, words)
        self._add("parameters", words.nbytes)

    def get_words(self, there: DeviceArray, count: int) -> np.ndarray[Any, Any]:
        """So many of the first words of an array, when all before is done."""
        found = np.empty(count, there.dtype)
        self._read(there, found)
        self._add("parameters", found.nbytes)
        return found

    def _add(self, way: str, size: int) -> None:
        self.traffic += Traffic(**{way: Moved(1, size)})

    def copied(self, array: DeviceArray) -> DeviceArray:
        made, driver = self.new(array.shape, array.dtype), self._driver()
        if array.size:
            with driver.use():
                driver.copy(made.allocation, array.allocation)
        return made

    def write(self, array: DeviceArray, numbers: np.ndarray[Any, Any]) -> None:
        self._write(array, np.ascontiguousarray(numbers, array.dtype))

    def _write(self, array: DeviceArray, numbers: np.ndarray[Any, Any]) -> None:
        if numbers.size:
            self._put(array, numbers)
            self._add("to_device", numbers.nbytes)

    def _put(self, array: DeviceArray, numbers: np.ndarray[Any, Any]) -> None:
        driver = self._driver()
        with driver.use():
            driver.write(array.allocation, numbers)

    def computed(self, do: Computing, arrays: Sequence[DeviceArray]) -> list[Any]:
        """See `kernels.memory.Memory`."""
        driver = self._driver()
        with driver.use(), driver.arrays.strict():
            found = do(driver.arrays.xp, [self._lent(one) for one in arrays])
            return [self._taken(one) for one in found]

    def _lent(self, array: DeviceArray) -> Any:
        """An array of the driver's library in the same place."""
        where, kind = array.allocation, str(array.dtype)
        return self._driver().view(where, 0, kind, array.shape, None)

    def _taken(self, found: Any) -> DeviceArray:
        """A copy of an array of the driver's library."""
        made = self.new(found.shape, found.dtype)
        self._lent(made)[...] = found
        return made

    def _holds(self, value: Any) -> bool:
        return isinstance(value, DeviceArray) and value.home is self

    def memory(self, name: str, ready: Callable[[], bool]) -> Memory:
        """See `kernels.memory`."""
        return Memory(
            from_host=self.keep,
            to_host=self.fetch,
            copy_in=self.send,
            copy_out=self.fetch,
            copy=self.copied,
            write=self.write,
            holds=self._holds,
            writable=_always,
            lends=_never,
            overlap=_are_same,
            alignment=ALIGNMENT,
            name=name,
            ready=ready,
            traffic=lambda: self.traffic,
            computed=self.computed,
        )


def _always(array: Any) -> bool:
    return True


def _never(array: Any) -> bool:
    return False


def _are_same(one: Any, other: Any) -> bool:
    return one.allocation is other.allocation


__all__ = ["ALIGNMENT", "DeviceArray", "Transfers"]
