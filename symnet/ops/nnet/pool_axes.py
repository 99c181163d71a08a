"""Pooling along one axis: how many windows there are, and what they hold."""

from __future__ import annotations

from typing import Any, TypeAlias

from symnet.data_classes import dataclass
from symnet.graph.variables import Constant, Variable
from symnet.ops.arithmetic import add, maximum, minimum, mul, sub, switch
from symnet.ops.comparison import ge
from symnet.ops.creation import arange

# A size: a number, or an integer scalar of the graph.
Number: TypeAlias = Any


def number(value: Variable) -> Number:
    """The number of a constant; another scalar as it is."""
    return int(value.data) if isinstance(value, Constant) else value


def larger(a: Number, b: Number) -> Number:
    known = isinstance(a, int) and isinstance(b, int)
    return max(a, b) if known else maximum(a, b)


def smaller(a: Number, b: Number) -> Number:
    known = isinstance(a, int) and isinstance(b, int)
    return min(a, b) if known else minimum(a, b)


def count_windows(n: Number, w: Number, s: Number, p: Number, ignore: bool) -> Number:
    """How many windows there are along an axis of n elements."""
    whole = n + 2 * p
    if ignore:
        return larger(whole - w + s, 0) // s
    apart = (whole + s - 1) // s  # each element begins one, or is in one
    over = smaller(larger(whole - 1 - w + s, 0) // s + 1, whole)
    if isinstance(w, int) and isinstance(s, int):
        return apart if s >= w else over
    return switch(ge(s, w), apart, over)


@dataclass(frozen=True)
class Axis:
    """Pooling along one axis: elements n, window w, stride s, padding p, windows o."""

    n: Number
    w: Number
    s: Number
    p: Number
    o: Number
    ignore: bool

    @property
    def end(self) -> Number:
        """Where the last window ends, counted from the beginning of the padding."""
        return (self.o - 1) * self.s + self.w

    @property
    def inside(self) -> bool:
        """Whether all windows certainly lie within the image."""
        if not isinstance(self.p, int) or self.p > 0:
            return False
        known = isinstance(self.end, int) and isinstance(self.n, int)
        return self.ignore or (known and self.end <= self.n)

    def elements(self, padding: bool) -> Number | Variable:
        """How many elements each window has, with padding or without: one number for all,
        or a vector."""
        if self.ignore and (padding or (isinstance(self.p, int) and self.p == 0)):
            return self.w
        first = mul(arange(self.o), self.s)
        low, high = (0, self.n + 2 * self.p) if padding else (self.p, self.n + self.p)
        return sub(minimum(add(first, self.w), high), maximum(first, low))
