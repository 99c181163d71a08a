"""Numbers of a dtype in registers and in memory: what running totals and places in order
(`kernels.routines`) do with them, on the CPU and by a GPU's threads."""

from __future__ import annotations

import numpy as np

from symnet.kernels.llvm.function_writer import FunctionWriter
from symnet.kernels.llvm.lanes import Lanes
from symnet.kernels.llvm.text import MEMORY, REGISTER, is_float, is_signed, type_text


class Elements:
    """Numbers of a dtype in registers and in memory."""

    def __init__(self, dtype: str, lanes: int) -> None:
        self.dtype, self.lanes = dtype, lanes
        self.memory, self.register = MEMORY[dtype], REGISTER[dtype]

    def load(self, on: Lanes, place: str) -> str:
        kind, align = type_text(self.memory, on.lanes), np.dtype(self.dtype).itemsize
        value = on.scope.emit(f"load {kind}, ptr {place}, align {align}")
        if self.memory == self.register:
            return value
        how = "fpext" if self.memory == "half" else "trunc"
        return on.scope.emit(f"{how} {kind} {value} to {on.type(self.dtype)}")

    def store(self, on: Lanes, place: str, value: str) -> str:
        """Put a value in its place; the value as it was rounded."""
        kind, align = type_text(self.memory, on.lanes), np.dtype(self.dtype).itemsize
        if self.memory != self.register:
            how = "fptrunc" if self.memory == "half" else "zext"
            value = on.scope.emit(f"{how} {on.type(self.dtype)} {value} to {kind}")
        on.scope.line(f"store {kind} {value}, ptr {place}, align {align}")
        if self.memory == self.register:
            return value
        how = "fpext" if self.memory == "half" else "trunc"
        return on.scope.emit(f"{how} {kind} {value} to {on.type(self.dtype)}")

    def joined(self, on: Lanes, kind: str, left: str, right: str) -> str:
        """The sum ("add"), product ("mul") or what is larger ("max": NaN, if one is)."""
        if self.dtype == "bool":
            kind = "and" if kind == "mul" else "or"
        elif kind == "max":
            return on.select(self.above(on, right, left), self.dtype, right, left)
        elif is_float(self.dtype):
            kind = f"f{kind}"
        return on.binary(kind, self.dtype, left, right)

    def following(
        self, on: Lanes, kind: str, total: str, new: str, factor: str = ""
    ) -> str:
        """The running total (`kernels.routines.Running`) behind one more element.

        factor: of "linear", where the factor of the total lies."""
        if kind == "linear":
            total = self.joined(on, "mul", self.load(on, factor), total)
            kind = "add"
        return self.joined(on, kind, total, new)

    def above(self, on: Lanes, left: str, right: str) -> str:
        """Whether a number is larger than another, or NaN."""
        if is_float(self.dtype):
            larger = on.binary("fcmp ogt", self.dtype, left, right)
            return on.binary(
                "or", "bool", larger, on.binary("fcmp uno", self.dtype, left, left)
            )
        sign = "s" if is_signed(self.dtype) else "u"
        return on.binary(f"icmp {sign}gt", self.dtype, left, right)

    def before(self, on: Lanes, left: str, right: str) -> str:
        """Whether a number comes before another, NaN after all."""
        sign = "s" if is_signed(self.dtype) else "u"
        if not is_float(self.dtype):
            return on.binary(f"icmp {sign}lt", self.dtype, left, right)
        below = on.binary("fcmp olt", self.dtype, left, right)
        number = on.binary("fcmp ord", self.dtype, left, left)
        last = on.binary("fcmp uno", self.dtype, right, right)
        other = on.binary("and", "bool", number, last)
        return on.binary("or", "bool", below, other)

    def place(self, on: Lanes, base: str, index: str) -> str:
        """The address of an element."""
        return on.scope.emit(f"getelementptr {self.memory}, ptr {base}, i64 {index}")


def place_of(
    writer: FunctionWriter,
    elements: Elements,
    source: str,
    length: str,
    value: str,
    right: bool,
) -> str:
    """Where a value belongs in the `length` ascending elements at `source`, by halving what
    is left: before equal ones, or behind them (`right`)."""
    none = writer.here().emit(f"sub i64 0, {length}")

    def turn(left: str, carried: list[str]) -> tuple[str, list[str]]:
        """left: minus the number of elements among which the place is."""
        here = Lanes(writer.here(), 0)
        emit = here.scope.emit
        count = emit(f"sub i64 0, {left}")
        half = emit(f"lshr i64 {count}, 1")
        middle = emit(f"add i64 {carried[0]}, {half}")
        one = elements.load(here, elements.place(here, source, middle))
        if right:
            behind = emit(f"xor i1 {elements.before(here, value, one)}, true")
        else:
            behind = elements.before(here, one, value)
        after = emit(f"add i64 {middle}, 1")
        start = emit(f"select i1 {behind}, i64 {after}, i64 {carried[0]}")
        above = emit(f"add i64 {emit(f'add i64 {left}, {half}')}, 1")
        below = emit(f"sub i64 0, {half}")
        return emit(f"select i1 {behind}, i64 {above}, i64 {below}"), [start]

    (found,) = writer.loop(none, "0", [("i64", "0")], turn)
    return found


__all__ = ["Elements", "place_of"]
