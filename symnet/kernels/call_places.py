"""What the places of tasks mean in one call, for devices that go through them in Python."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Generic, TypeVar

from symnet.kernels.interface import Place

Piece = TypeVar("Piece")  # of memory


class CallPlaces(Generic[Piece]):
    """Pieces of memory, and where places lie in them.

    bases: arrays of the call; offsets: those of what follows an integer; iterations: of the
    loops around, outermost first.
    """

    def __init__(
        self,
        bases: Sequence[Piece],
        arena: Piece,
        constants: Sequence[Piece],
        parameters: Piece,
        offsets: Sequence[int],
    ) -> None:
        self.bases, self.arena, self.constants = bases, arena, constants
        self.parameters, self.offsets = parameters, offsets
        self.iterations: list[int] = []

    def find(self, place: Place) -> tuple[Piece, int]:
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

    def array(
        self,
        place: Place,
        dtype: str,
        shape: Sequence[int],
        strides: Sequence[int] | None = None,
    ) -> Any:
        """The array at a place, of the library that works on this memory.

        Raises: ValueError or TypeError where it is not all in the memory."""
        raise NotImplementedError

    def number(self, place: Place, dtype: str) -> Any:
        """The number at a place, as the host sees it."""
        raise NotImplementedError


__all__ = ["CallPlaces"]
