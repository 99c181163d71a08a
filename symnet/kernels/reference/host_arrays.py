"""Memory of the reference device: bytes in which arrays lie, looked at through NumPy, which
refuses what reaches outside of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symnet.kernels.call_places import CallPlaces
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


class CallMemory(CallPlaces[Bytes]):
    """What places mean in one call: bytes of NumPy."""

    def array(
        self,
        place: Place,
        dtype: str,
        shape: Sequence[int],
        strides: Sequence[int] | None = None,
    ) -> np.ndarray[Any, Any]:
        buffer, offset = self.find(place)
        if 0 in shape:
            return np.empty(shape, dtype)
        return np.ndarray(shape, dtype, buffer, offset, strides)

    def number(self, place: Place, dtype: str) -> Any:
        return self.array(place, dtype, ())[()]


__all__ = ["CallMemory", "bytes_of", "unwritten"]
