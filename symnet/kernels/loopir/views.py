"""Where the elements of an array lie in a buffer, with sizes known only at run time.

Sizes, strides and offsets are `Scalar`s: expressions over the host integers of a call
(sizes of arguments, values of integer scalars).  Equal expressions are the same object,
so "these two sizes are always equal" is `is`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from symnet.data_classes import dataclass
from symnet.kernels.loopir.scalars import Scalar, binary, in_order, literal, select

Size = Scalar


@lru_cache(maxsize=4096)
def size(number: int) -> Size:
    """A size that is known."""
    return literal(number, "int64")


ZERO, ONE = size(0), size(1)
LONGEST_STEP = 2**31


def known(value: Size) -> int | None:
    """The number, where it does not depend on the call."""
    return int(value.value) if value.op == "literal" else None


_FOLD: dict[str, Any] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "floordiv": lambda a, b: a // b if b else 0,
    "mod": lambda a, b: a % b if b else 0,
    "minimum": min,
    "maximum": max,
    "lt": lambda a, b: a < b,
    "le": lambda a, b: a <= b,
    "gt": lambda a, b: a > b,
    "ge": lambda a, b: a >= b,
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b,
}


def combine(name: str, left: Size, right: Size) -> Size:
    """`left name right`, folded where both are known or one is neutral.

    Sums and products are put into one order, so that equal ones are one object.
    """
    a, b = known(left), known(right)
    if a is not None and b is not None:
        result = _FOLD[name](a, b)
        return literal(result, "bool" if isinstance(result, bool) else "int64")
    if name == "add":
        return _add(left, right)
    if name == "sub":
        return _subtract(left, right)
    if name == "mul":
        return _multiply(left, right)
    if name == "floordiv" and b == 1:
        return left
    if left is right and name in ("minimum", "maximum"):
        return left
    if left is right and name in ("eq", "le", "ge"):
        return literal(True, "bool")
    return binary(name, left, right)


def _terms(value: Size, sign: int, into: dict[Size, int]) -> int:
    """Collect `value` as a sum of multiples into `into`; returns the constant part."""
    constant = 0
    stack = [(value, sign)]
    while stack:
        node, factor = stack.pop()
        number = known(node)
        if number is not None:
            constant += factor * number
        elif node.op == "add":
            stack += [(a, factor) for a in node.args]
        elif node.op == "sub":
            stack += [(node.args[0], factor), (node.args[1], -factor)]
        elif node.op == "mul" and (times := known(node.args[1])) is not None:
            stack.append((node.args[0], factor * times))
        else:
            into[node] = into.get(node, 0) + factor
    return constant


def _linear(left: Size, right: Size, sign: int) -> Size:
    terms: dict[Size, int] = {}
    constant = _terms(left, 1, terms) + _terms(right, sign, terms)
    result: Size | None = None
    for node in in_order(terms):
        if factor := terms[node]:
            term = node if factor == 1 else binary("mul", node, size(factor))
            result = term if result is None else binary("add", result, term)
    if result is None:
        return size(constant)
    return binary("add", result, size(constant)) if constant else result


def _multiply(left: Size, right: Size) -> Size:
    factors: list[Size] = []
    number = 1
    stack = [left, right]
    while stack:
        node = stack.pop()
        if node.op == "mul":
            stack += node.args
        elif (one := known(node)) is not None:
            number *= one
        else:
            factors.append(node)
    if not factors or number == 0:
        return size(number)
    first, *rest = in_order(factors)
    for factor in rest:
        first = binary("mul", first, factor)
    return first if number == 1 else binary("mul", first, size(number))


def _add(left: Size, right: Size) -> Size:
    return _linear(left, right, 1)


def _subtract(left: Size, right: Size) -> Size:
    return _linear(left, right, -1)


def add(left: Size, right: Size) -> Size:
    return combine("add", left, right)


def subtract(left: Size, right: Size) -> Size:
    return combine("sub", left, right)


def multiply(left: Size, right: Size) -> Size:
    return combine("mul", left, right)


def floor_divide(left: Size, right: Size) -> Size:
    return combine("floordiv", left, right)


def minimum(left: Size, right: Size) -> Size:
    return combine("minimum", left, right)


def maximum(left: Size, right: Size) -> Size:
    return combine("maximum", left, right)


def choose(condition: Scalar, yes: Size, no: Size) -> Size:
    """`yes` where the condition holds, else `no`."""
    if condition.op == "literal":
        return yes if condition.value else no
    return yes if yes is no else select(condition, yes, no)


def product(sizes: Sequence[Size]) -> Size:
    result = ONE
    for one in sizes:
        result = multiply(result, one)
    return result


@dataclass(frozen=True)
class View:
    """An array over a buffer: element (i, j, ...) lies `offset + i*strides[0] + ...`
    bytes behind the buffer's start.  `buffer` is whatever names the memory."""

    buffer: Any
    dtype: str
    sizes: tuple[Size, ...]
    strides: tuple[Size, ...]
    offset: Size = ZERO

    @property
    def ndim(self) -> int:
        return len(self.sizes)

    @property
    def itemsize(self) -> int:
        return np.dtype(self.dtype).itemsize

    @property
    def contiguous(self) -> bool:
        """Whether the elements certainly lie in C order without gaps."""
        wanted = contiguous_strides(self.sizes, self.itemsize)
        return all(
            stride is want or length is ONE
            for stride, want, length in zip(
                self.strides, wanted, self.sizes, strict=True
            )
        )

    def with_axes(self, pattern: Sequence[int | str]) -> View:
        """Axes in a new order; "x" makes an axis of size 1; axes left out are dropped."""
        sizes = tuple(ONE if p == "x" else self.sizes[int(p)] for p in pattern)
        strides = tuple(ZERO if p == "x" else self.strides[int(p)] for p in pattern)
        return View(self.buffer, self.dtype, sizes, strides, self.offset)

    def sliced(self, axis: int, start: Size, step: Size, length: Size) -> View:
        """`length` elements along `axis` from `start`, `step` apart (all in range)."""
        stride = self.strides[axis]
        offset = add(self.offset, multiply(start, stride))
        sizes = (*self.sizes[:axis], length, *self.sizes[axis + 1 :])
        strides = (
            *self.strides[:axis],
            multiply(stride, step),
            *self.strides[axis + 1 :],
        )
        return View(self.buffer, self.dtype, sizes, strides, offset)

    def at(self, axis: int, position: Size) -> View:
        """The element `position` along `axis`, which disappears."""
        offset = add(self.offset, multiply(position, self.strides[axis]))
        drop = [k for k in range(self.ndim) if k != axis]
        kept = self.with_axes(drop)
        return View(self.buffer, self.dtype, kept.sizes, kept.strides, offset)

    def broadcast_to(self, sizes: Sequence[Size]) -> View:
        """More axes in front, and axes of known size 1 stretched."""
        extra = len(sizes) - self.ndim
        strides = [ZERO] * extra + [
            ZERO if have is ONE and want is not ONE else stride
            for have, want, stride in zip(
                self.sizes, sizes[extra:], self.strides, strict=True
            )
        ]
        return View(self.buffer, self.dtype, tuple(sizes), tuple(strides), self.offset)

    def reshaped(self, sizes: Sequence[Size]) -> View | None:
        """The same elements in C order with other sizes; None where that needs a copy."""
        if not self.contiguous:
            return None
        strides = contiguous_strides(sizes, self.itemsize)
        return View(self.buffer, self.dtype, tuple(sizes), strides, self.offset)


def contiguous_strides(sizes: Sequence[Size], itemsize: int) -> tuple[Size, ...]:
    """Byte strides of a C-ordered array without gaps."""
    return _contiguous_strides(tuple(sizes), itemsize)


@lru_cache(maxsize=4096)
def _contiguous_strides(sizes: tuple[Size, ...], itemsize: int) -> tuple[Size, ...]:
    strides: list[Size] = []
    step = size(itemsize)
    for length in reversed(sizes):
        strides.append(step)
        step = multiply(step, length)
    return tuple(reversed(strides))


# While a function is compiled the same few are asked for again and again.
@lru_cache(maxsize=4096)
def canonical_slice(
    start: Size | None, stop: Size | None, step: int | Size, length: Size
) -> tuple[Size, Size, Size]:
    """Python's meaning of `[start:stop:step]` on `length` elements: the first position,
    the step and the number of elements, as `slice.indices` gives them."""
    pace = size(step) if isinstance(step, int) else step
    number = known(pace)
    if number is None or abs(number) > LONGEST_STEP:
        # A longer step leads out of the array, too; and its stride would be no int64.
        end = add(length, ONE)
        pace = minimum(maximum(pace, subtract(ZERO, end)), end)
    if number is not None:
        first, count = _slice_bounds(start, stop, length, pace, number > 0)
        return first, pace, count
    up = _slice_bounds(start, stop, length, pace, True)
    down = _slice_bounds(start, stop, length, pace, False)
    forward = combine("gt", pace, ZERO)
    return choose(forward, up[0], down[0]), pace, choose(forward, up[1], down[1])


def _slice_bounds(
    start: Size | None, stop: Size | None, length: Size, step: Size, forward: bool
) -> tuple[Size, Size]:
    last = subtract(length, ONE)
    low, high = (ZERO, length) if forward else (size(-1), last)

    def clamp(bound: Size) -> Size:
        wrapped = choose(combine("lt", bound, ZERO), add(bound, length), bound)
        return minimum(maximum(wrapped, low), high)

    begin = (low if forward else high) if start is None else clamp(start)
    end = (high if forward else low) if stop is None else clamp(stop)
    span = subtract(end, begin) if forward else subtract(begin, end)
    pace = step if forward else subtract(ZERO, step)
    count = floor_divide(add(span, subtract(pace, ONE)), pace)
    if start is None or stop is None:
        return begin, count  # the other bound lies between the ends: never negative
    return begin, maximum(count, ZERO)
