"""Memory of the reference device: bytes in which arrays lie, looked at through NumPy, which
refuses what reaches outside of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symnet.kernels.interface import Place

Bytes = np.ndarray[Any, np.dtype[np.uint8]]
# What memory holds that nothing was written to: NaN in every float.
NOTHING = 0xFF


def bytes_of(array: np.ndarray[Any, Any]) -> Bytes:
    """The bytes of an array without gaps, in its memory."""
    return array.reshape(-1).view(np.uint8)


def unwritten(shape: Sequence[int] | int, dtype: Any = np.uint8) -> Any:
    """New memory that holds nothing of use."""
    made = np.empty(shape, dtype)
    bytes_of(made)[:] = NOTHING
    return made


class CallMemory:
    """What places mean in one call.

    bases: arrays of the call; offsets: those of what follows an integer; iterations: of the
    loops around, outermost first.
    """

    def __init__(
        self,
        bases: Sequence[Bytes],
        arena: Bytes,
        constants: Sequence[Bytes],
        parameters: Bytes,
        offsets: Sequence[int],
    ) -> None:
        self.bases, self.arena, self.constants = bases, arena, constants
        self.parameters, self.offsets = parameters, offsets
        self.iterations: list[int] = []

    def array(
        self,
        place: Place,
        dtype: str,
        shape: Sequence[int],
        strides: Sequence[int] | None = None,
    ) -> np.ndarray[Any, Any]:
        """The array at a place.

        Raises: ValueError or TypeError where it is not all in the memory."""
        buffer, offset = self._find(place)
        if 0 in shape:
            return np.empty(shape, dtype)
        return np.ndarray(shape, dtype, buffer, offset, strides)

    def number(self, place: Place, dtype: str) -> Any:
        return self.array(place, dtype, ())[()]

    def _find(self, place: Place) -> tuple[Bytes, int]:
        """The memory in which a place lies, and how far from its start."""
        offset = place.offset if place.follows < 0 else self.offsets[place.follows]
        for walk in place.walks:
            iteration = self.iterations[walk.depth]
            offset += walk.step * (
                (iteration + walk.first) % walk.slots if walk.slots else iteration
            )
        if place.kind == "base":
            return self.bases[place.number], offset
        if place.kind == "arena":
            return self.arena, offset + place.number
        if place.kind == "constant":
            return self.constants[place.number], offset
        return self.parameters, offset


__all__ = ["CallMemory", "bytes_of", "unwritten"]
