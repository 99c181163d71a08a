"""Slices whose bounds are known at a run only, brought into one form."""

from __future__ import annotations

from typing import Any

from symnet.graph.variables import Variable
from symnet.ops.arithmetic import (
    abs_,
    add,
    ceil_intdiv,
    clip,
    maximum,
    mul,
    sgn,
    sub,
    switch,
)
from symnet.ops.base import as_tensor, constant
from symnet.ops.comparison import lt
from symnet.ops.elementwise import cast


def get_canonical_form_slice(theslice: Any, length: Any) -> tuple[Any, Variable | int]:
    """`theslice` of an axis of that length with 0 <= start <= stop <= length and step > 0,
    and the direction, 1 or -1: `x[a:b:c]` is `x[start:stop:step][::direction]`.

    theslice: a slice of integers, integer scalars and None; or one index, which becomes
        not negative.

    >>> n = T.lscalar("n")
    >>> part, direction = T.subtensor.get_canonical_form_slice(slice(None, None, -2), n)
    >>> [v.eval({n: 6}).item() for v in (part.start, part.stop, part.step, direction)]
    [1, 6, 2, -1]
    """
    size = cast(as_tensor(length), "int64")
    if not isinstance(theslice, slice):
        index = cast(as_tensor(theslice), "int64")
        return switch(lt(index, 0), add(index, size), index), 1
    step = _integer(theslice.step, 1)
    backwards = lt(step, 0)
    # Forwards positions go from 0 to size; backwards from size - 1 to -1.
    low, high = switch(backwards, -1, 0), switch(backwards, sub(size, 1), size)
    first = _bound(theslice.start, size, low, high, switch(backwards, high, low))
    end = _bound(theslice.stop, size, low, high, switch(backwards, low, high))
    direction, stride = sgn(step), abs_(step)
    count = maximum(ceil_intdiv(mul(direction, sub(end, first)), stride), 0)
    last = add(first, mul(step, sub(count, 1)))
    start = switch(backwards, last, first)
    stop = switch(backwards, add(first, 1), maximum(first, end))
    empty = lt(count, 1)
    return slice(switch(empty, 0, start), switch(empty, 0, stop), stride), direction


def _integer(given: Any, default: int) -> Variable:
    if given is None:
        return constant(default, dtype="int64")
    return cast(as_tensor(given), "int64")


def _bound(given: Any, size: Any, low: Any, high: Any, default: Any) -> Variable:
    """A bound that counts from the beginning, between `low` and `high`."""
    if given is None:
        result: Variable = default
        return result
    bound = cast(as_tensor(given), "int64")
    counted = switch(lt(bound, 0), add(bound, size), bound)
    return clip(counted, low, high)


__all__ = ["get_canonical_form_slice"]
