"""How each kind of reduction accumulates: states, steps and their combination.

A loop steps one or more *running* states; now and then these are merged into a *total*,
which for floating-point sums is a pair (sum, what rounding lost), after Knuth's
two-sum.  With a bounded number of steps between merges the error of a sum does not grow
with its length.
"""

from __future__ import annotations

import numpy as np

from symnet.kernels.llvm.lanes import Lanes
from symnet.kernels.llvm.primitives import apply
from symnet.kernels.llvm.text import is_float, type_text
from symnet.kernels.loopir.scalars import Scalar
from symnet.lazy import cached_property

State = tuple[str, ...]

OPERATION = {
    "sum": "add",
    "prod": "mul",
    "max": "maximum",
    "min": "minimum",
    "all": "and",
    "any": "or",
}


class Accumulator:
    """The reduction `node` on vectors of `lanes` lanes (0: scalars)."""

    def __init__(self, node: Scalar, lanes: int) -> None:
        self.node = node
        self.kind: str = node.value
        self.lanes = lanes
        self.dtype = node.args[0].dtype
        self.positional = self.kind in ("argmax", "argmin")
        # Whether it matters what is joined with what; and the total is a pair of numbers.
        self.rounded = self.kind in ("sum", "prod") and is_float(self.dtype)
        self.compensated = self.rounded and self.kind == "sum"

    @cached_property
    def running_dtypes(self) -> tuple[str, ...]:
        return (self.dtype, "int64") if self.positional else (self.dtype,)

    @cached_property
    def total_dtypes(self) -> tuple[str, ...]:
        return (self.dtype, self.dtype) if self.compensated else self.running_dtypes

    def dtypes(self, total: bool) -> tuple[str, ...]:
        """Of a total, or of a running state."""
        return self.total_dtypes if total else self.running_dtypes

    @cached_property
    def neutral(self) -> float | str:
        """What changes nothing; of nothing at all, the result."""
        if self.kind in ("max", "argmax"):
            return lowest(self.dtype)
        if self.kind in ("min", "argmin"):
            return highest(self.dtype)
        return 1 if self.kind in ("prod", "all") else 0

    def start(self, on: Lanes, dtypes: tuple[str, ...]) -> State:
        """A running state or a total before the first step."""
        first = on.constant(self.neutral, dtypes[0])
        return (first, *(on.constant(0, dtype) for dtype in dtypes[1:]))

    def step(self, on: Lanes, state: State, sample: State) -> State:
        """The running state after one more value (with its position)."""
        if self.positional:
            better = self.better(on, sample[0], state[0])
            return self.choose(on, better, sample, state)
        return (self.combine(on, state[0], sample[0]),)

    def combine(self, on: Lanes, left: str, right: str) -> str:
        kinds = (self.dtype, self.dtype)
        op = OPERATION[self.kind]
        return apply(on.scope, op, self.dtype, kinds, (left, right), on.lanes)

    def better(self, on: Lanes, new: str, old: str) -> str:
        """Does `new` win against `old`: further out, or the first NaN."""
        op = "gt" if self.kind == "argmax" else "lt"
        if not is_float(self.dtype):
            return on.compare(op, self.dtype, new, old)
        wins = on.compare(f"u{op}", self.dtype, new, old)
        number = on.compare("ord", self.dtype, old, old)
        return on.binary("and", "bool", wins, number)

    def choose(self, on: Lanes, condition: str, yes: State, no: State) -> State:
        pairs = zip(self.running_dtypes, yes, no, strict=True)
        return tuple(on.select(condition, dtype, a, b) for dtype, a, b in pairs)

    def join(self, on: Lanes, left: State, right: State) -> State:
        """Two running states as one; of equal values the smaller position."""
        if not self.positional:
            return (self.combine(on, left[0], right[0]),)
        wins = self.better(on, right[0], left[0])
        loses = self.better(on, left[0], right[0])
        first = on.compare("lt", "int64", right[1], left[1])
        tie = on.select(loses, "bool", on.constant(0, "bool"), first)
        return self.choose(on, on.binary("or", "bool", wins, tie), right, left)

    def merge(self, on: Lanes, total: State, running: State) -> State:
        """The total with a running state added."""
        if not self.compensated:
            return self.join(on, total, running)
        dtype, (high, low), x = self.dtype, total, running[0]
        new = on.binary("fadd", dtype, high, x)
        back = on.binary("fsub", dtype, new, high)
        lost_high = on.binary("fsub", dtype, high, on.binary("fsub", dtype, new, back))
        lost_x = on.binary("fsub", dtype, x, back)
        lost = on.binary("fadd", dtype, lost_high, lost_x)
        return new, on.binary("fadd", dtype, low, lost)

    def finish(self, on: Lanes, total: State) -> State:
        """A total as a running state.  Where infinities met, the correction is NaN."""
        if not self.compensated:
            return total
        high, low = total
        known = on.compare("ord", self.dtype, low, low)
        corrected = on.binary("fadd", self.dtype, high, low)
        return (on.select(known, self.dtype, corrected, high),)

    def across(self, on: Lanes, state: State) -> State:
        """The lanes of a vector joined into one scalar state, by halves."""
        lanes = on.lanes
        if not lanes:
            return state
        while lanes > 1:
            halves = [self.half(on, state, lanes, k) for k in (0, 1)]
            lanes //= 2
            on = Lanes(on.scope, lanes)
            state = self.join(on, halves[0], halves[1])
        return tuple(
            on.scope.emit(f"extractelement {on.type(dtype)} {name}, i64 0")
            for dtype, name in zip(self.running_dtypes, state, strict=True)
        )

    def half(self, on: Lanes, state: State, lanes: int, which: int) -> State:
        """The lower or upper half of the lanes."""
        places = range(which * lanes // 2, (which + 1) * lanes // 2)
        mask = (
            f"{type_text('i32', lanes // 2)} <{', '.join(f'i32 {k}' for k in places)}>"
        )
        return tuple(
            on.scope.emit(
                f"shufflevector {on.type(dtype)} {name}, {on.type(dtype)} poison, {mask}"
            )
            for dtype, name in zip(self.running_dtypes, state, strict=True)
        )


def lowest(dtype: str) -> float | str:
    if is_float(dtype):
        return "-inf"
    return 0 if dtype == "bool" else int(np.iinfo(dtype).min)


def highest(dtype: str) -> float | str:
    if is_float(dtype):
        return "inf"
    return 1 if dtype == "bool" else int(np.iinfo(dtype).max)
