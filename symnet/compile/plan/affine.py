"""Host integers as straight lines: how pointers follow an index without Python.

The start of a minibatch, `clamp(index * 20)`, is a straight line in `index` as long as no
bound is touched.  Around the value of one call this finds the line of every expression
and the range of values in which all of them hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

from symnet.data_classes import dataclass
from symnet.kernels.loopir.scalars import Scalar, walk


class NotLinear(Exception):
    """An expression has a kind of step for which there is no line."""


@dataclass(frozen=True)
class Line:
    """slope * value + start."""

    slope: int
    start: int

    def at(self, value: int) -> int:
        return self.slope * value + self.start


class Range:
    """The values for which all the lines found so far hold."""

    def __init__(self, value: int) -> None:
        self.value = value
        self.low: float = -inf
        self.high: float = inf

    def keep_positive(self, line: Line) -> None:
        """Narrow the range to where `line` is not negative (it is not at `value`)."""
        if line.slope > 0:  # value >= -start / slope, rounded up
            self.low = max(self.low, -(line.start // line.slope))
        elif line.slope < 0:
            self.high = min(self.high, line.start // -line.slope)


def _combine(left: Line, right: Line, sign: int) -> Line:
    return Line(left.slope + sign * right.slope, left.start + sign * right.start)


def lines(
    roots: Sequence[Scalar], numbers: Sequence[int], moving: int
) -> tuple[list[Line], Range]:
    """The line of each root in host argument `moving`, the other arguments fixed at
    `numbers`, and the range around the present value in which they hold.

    Raises: NotLinear.
    """
    span = Range(int(numbers[moving]))
    found: dict[Scalar, Line] = {}
    for node in walk(roots):
        found[node] = _line(node, [found[a] for a in node.args], numbers, moving, span)
    return [found[root] for root in roots], span


def _line(
    node: Scalar, args: list[Line], numbers: Sequence[int], moving: int, span: Range
) -> Line:
    if node.op == "literal":
        if node.dtype[0] == "f":
            raise NotLinear("a number with a fraction")
        return Line(0, int(node.value))
    if node.op == "argument":
        return Line(1, 0) if node.value == moving else Line(0, int(numbers[node.value]))
    if node.op in ("add", "sub"):
        return _combine(args[0], args[1], 1 if node.op == "add" else -1)
    if node.op == "neg":
        return Line(-args[0].slope, -args[0].start)
    if node.op == "mul":
        return _product(args[0], args[1])
    if node.op in ("minimum", "maximum"):
        return _extreme(args[0], args[1], node.op == "minimum", span)
    if node.op in ("lt", "le", "gt", "ge"):
        return _comparison(node.op, args[0], args[1], span)
    if node.op in ("eq", "ne"):
        return _equality(node.op == "eq", args[0], args[1], span)
    if node.op == "select":
        return args[1] if args[0].start else args[2]
    if node.op == "cast" and node.dtype == "bool" and node.args[0].dtype != "bool":
        return _equality(False, args[0], Line(0, 0), span)
    if node.op == "cast" and node.dtype in ("int64", "bool"):
        return args[0]
    if all(line.slope == 0 for line in args) and node.op in ("floordiv", "mod"):
        top, bottom = args[0].start, args[1].start
        quotient = top // bottom if bottom else 0
        return Line(0, quotient if node.op == "floordiv" else top - quotient * bottom)
    if node.op in ("and", "or") and all(line.slope == 0 for line in args):
        pair = [line.start for line in args]
        return Line(0, pair[0] & pair[1] if node.op == "and" else pair[0] | pair[1])
    raise NotLinear(node.op)


def _product(left: Line, right: Line) -> Line:
    if left.slope and right.slope:
        raise NotLinear("mul")
    line, factor = (left, right.start) if left.slope else (right, left.start)
    return Line(line.slope * factor, line.start * factor)


def _extreme(left: Line, right: Line, least: bool, span: Range) -> Line:
    gap = _combine(right, left, -1).at(span.value)
    # Of equals the one that moves: the first and the last minibatch touch the bounds.
    left_wins = (gap > 0) == least if gap else left.slope != 0
    winner = left if left_wins else right
    loser = right if left_wins else left
    span.keep_positive(
        _combine(loser, winner, -1) if least else _combine(winner, loser, -1)
    )
    return winner


def _equality(equal: bool, left: Line, right: Line, span: Range) -> Line:
    """Two lines are the same everywhere, or differ on this side of where they cross."""
    gap = _combine(right, left, -1)
    now = gap.at(span.value)
    if now == 0 and gap.slope:
        raise NotLinear("equal at this value only")
    if now:
        span.keep_positive(
            Line(gap.slope, gap.start - 1)
            if now > 0
            else Line(-gap.slope, -gap.start - 1)
        )
    return Line(0, int((now == 0) == equal))


def _comparison(name: str, left: Line, right: Line, span: Range) -> Line:
    """A bool stays what it is now: 1 or 0."""
    gap = _combine(right, left, -1)  # not negative where left <= right
    if name in ("lt", "ge"):
        holds_below = gap.at(span.value) > 0  # left < right
        below = Line(gap.slope, gap.start - 1)
        span.keep_positive(below if holds_below else Line(-gap.slope, -gap.start))
        return Line(0, int(holds_below == (name == "lt")))
    holds = gap.at(span.value) >= 0  # left <= right
    above = Line(-gap.slope, -gap.start - 1)
    span.keep_positive(gap if holds else above)
    return Line(0, int(holds == (name == "le")))
