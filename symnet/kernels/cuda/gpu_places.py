"""What the places of tasks mean in one call in a GPU's memory, and the log of what failed.

A stream does not stop at a step that fails.  So each launch that may fail has a word of its
own in a log, which the host looks at before anything is handed out or shared variables are
written.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symnet.kernels.call_places import CallPlaces
from symnet.kernels.cuda.device_array import DeviceArray, Transfers
from symnet.kernels.cuda.driver import Allocation, Driver
from symnet.kernels.interface import Path, Place
from symnet.kernels.stepwise import Failed
from symnet.lazy import cached_property

LOGGED = 1024  # launches that may fail between two looks at the log


class Log:
    """Words in a GPU's memory, one for each launch that may fail and sets it then.

    The first LOGGED are handed out anew after each look at them; those behind are of
    recorded launches, which have the same in every call.
    """

    def __init__(self, transfers: Transfers, recorded: int = 0) -> None:
        self.transfers, self.size = transfers, LOGGED + recorded

    @cached_property
    def words(self) -> DeviceArray:
        made = self.transfers.new((self.size,), np.int32)
        self.transfers.put_words(made, np.zeros(self.size, np.int32))
        return made

    def address(self, number: int) -> int:
        return self.words.allocation.address + 4 * number

    def taken(self, count: int) -> np.ndarray[Any, Any]:
        """The first words; where one is set, all are cleared."""
        found = self.transfers.get_words(self.words, count)
        if found.any():
            self.clear()
        return found

    def clear(self) -> None:
        self.transfers.put_words(self.words, np.zeros(self.size, np.int32))


class GpuPlaces(CallPlaces[Allocation]):
    """What places mean in one call, and what was launched in it that may have failed."""

    def __init__(self, driver: Driver, log: Log, *places: Any) -> None:
        super().__init__(*places)
        self.driver, self.log = driver, log
        self.used = 0  # words of the log
        # Of launches in order: their words, and what they were of.
        self.logged: list[tuple[int, Path, tuple[int, ...]]] = []

    def array(
        self,
        place: Place,
        dtype: str,
        shape: Sequence[int],
        strides: Sequence[int] | None = None,
    ) -> Any:
        memory, offset = self.find(place)
        return self.driver.view(memory, offset, dtype, shape, strides)

    def number(self, place: Place, dtype: str) -> Any:
        """The number, when what was launched before is done."""
        return self.driver.number(self.array(place, dtype, ()))

    def address(self, place: Place | None) -> int:
        assert place is not None
        memory, offset = self.find(place)
        return memory.address + offset

    def word(self, path: Path) -> int:
        """The address of the word that the next launch of a task sets when it fails."""
        if self.used == LOGGED:
            self.look()
        self.logged.append((self.used, path, tuple(self.iterations)))
        self.used += 1
        return self.log.address(self.used - 1)

    def look(self) -> None:
        """Raises: Failed, of the first launch that did."""
        if not self.logged:
            return
        words = self.log.taken(1 + max(number for number, *_ in self.logged))
        logged, self.logged, self.used = self.logged, [], 0
        for number, path, iterations in logged:
            if words[number]:
                raise Failed(path, iterations)

    @property
    def pieces(self) -> list[Allocation]:
        """All memory that places may lie in: see `GpuProgram.number_of`."""
        return [*self.bases, self.arena, self.parameters, *self.constants]


__all__ = ["LOGGED", "GpuPlaces", "Log"]
