"""Records: words that stand one behind another in memory, under names."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar


class Record:
    """A layout of 64-bit words; each annotated name is the number of its word.

        class Span(Record):
            start: int
            stop: int

    `Span.stop` is 1, `Span.count` is 2, `Span.pack(stop=7)` is [0, 7].  Native functions
    read `Span.stop` as a constant: `load(span, Span.stop)`.  A subclass goes on behind the
    words of its base; `class Line(Record, room=4)` leaves room for four more at its end.
    """

    count: ClassVar[int] = 0  # of all words
    names: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, room: int = 0) -> None:
        own = [name for name in cls.__annotations__ if name not in cls.names]
        for number, name in enumerate(own, len(cls.names)):
            setattr(cls, name, number)
        cls.names = (*cls.names, *own)
        cls.count = len(cls.names) + room

    @classmethod
    def pack(cls, **words: int) -> list[int]:
        """The words of a record; those that are not given are 0.

        Raises: TypeError for a name that the record does not have.
        """
        packed = [0] * cls.count
        for name, word in words.items():
            if name not in cls.names:
                raise TypeError(f"{cls.__name__} has no word {name!r}")
            packed[getattr(cls, name)] = word
        return packed

    @classmethod
    def show(cls, words: Iterable[int]) -> str:
        """The words of a record, for people: "start 0, stop 7"."""
        return ", ".join(f"{name} {int(word)}" for name, word in zip(cls.names, words))
