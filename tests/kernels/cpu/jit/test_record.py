"""Records: numbers of words, which native functions read as constants."""

from __future__ import annotations

import numpy as np
import pytest

from symnet.kernels.cpu.jit.intrinsics import load, store
from symnet.kernels.cpu.jit.native import native
from symnet.kernels.cpu.jit.record import Record
from symnet.kernels.cpu.jit.translator import NativeError, Translator


class Span(Record):
    start: int
    stop: int


class Line(Span):
    width: int


class Roomy(Span, room=2):
    """Spans with two more words."""


@native
def middle(span: int) -> int:
    store(span, Line.width, Line.count)
    return (load(span, Span.start) + load(span, Span.stop)) // Span.stop


def misspelt(span: int) -> int:
    return load(span, Span.strat)  # type: ignore[attr-defined]


def test_words_are_numbered_behind_those_of_the_base() -> None:
    assert (Span.start, Span.stop, Span.count) == (0, 1, 2)
    assert (Roomy.stop, Roomy.count) == (1, 4)
    assert (Line.start, Line.stop, Line.width, Line.count) == (0, 1, 2, 3)
    assert Line.names == ("start", "stop", "width")


def test_packed_words_stand_where_their_numbers_say() -> None:
    assert Roomy.pack(stop=7) == [0, 7, 0, 0]
    assert Line.pack(width=1, start=2) == [2, 0, 1]
    with pytest.raises(TypeError, match="Line has no word 'wide'"):
        Line.pack(wide=1)
    assert Line.show(np.array([2, 0, 1])) == "start 2, stop 0, width 1"


def test_native_functions_read_words() -> None:
    words = np.array(Line.pack(start=3, stop=8), np.int64)
    assert middle(words.ctypes.data) == middle.python(words.ctypes.data) == 11
    assert words.tolist() == [3, 8, 3]
    with pytest.raises(NativeError, match=r"word of a record.*Span\.strat"):
        Translator(misspelt).text()
