"""Running totals and places in order (`kernels.routines`) as code for a GPU's threads.

A thread goes along a line and adds up in its order, so that totals are the CPU's to the last
bit (`kernels.cpu.library.running_code`); neighbouring threads have neighbouring lines.  Words
and functions: see `thread_draws`.
"""

from __future__ import annotations

from symnet.kernels.llvm.elements import Elements, place_of
from symnet.kernels.llvm.lanes import Lanes
from symnet.kernels.llvm.target import Target
from symnet.kernels.llvm.thread_draws import ThreadLoop
from symnet.kernels.routines import Places, Running


def emit_totals(routine: Running | Places, target: Target, name: str) -> str:
    """The module of a routine's function for threads.

    Its words are, of totals: inputs, result, length, inner (see `TotalsOfThreads`); of
    places: the vector, values, places, the vector's length.
    """
    if isinstance(routine, Running):
        return TotalsOfThreads(routine.kind, routine.dtype, target).module(name)
    return OrderOfThreads(routine.dtype, routine.right, target).module(name)


class TotalsOfThreads(ThreadLoop):
    """A thread for each line: `length` elements that lie `inner` elements apart.

    Line number k begins at element k % inner of block k // inner."""

    sizes = 2

    def __init__(self, kind: str, dtype: str, target: Target) -> None:
        super().__init__(target)
        self.kind, self.elements = kind, Elements(dtype, 0)
        self.pointers = 3 if kind == "linear" else 2

    def item(self, item: str) -> None:
        length, inner = self.size(0), self.size(1)
        scope, elements = self.here(), self.elements
        source, result = (
            self.operand(self.pointers - 2),
            self.operand(self.pointers - 1),
        )
        block = scope.emit(f"mul i64 {length}, {inner}")
        column = scope.emit(f"urem i64 {item}, {inner}")
        before = scope.emit(
            f"mul i64 {scope.emit(f'udiv i64 {item}, {inner}')}, {block}"
        )
        start = scope.emit(f"add i64 {before}, {column}")
        end = scope.emit(f"add i64 {before}, {block}")
        on = Lanes(scope, 0)
        first = elements.load(on, elements.place(on, source, start))
        first = elements.store(on, elements.place(on, result, start), first)

        def turn(place: str, totals: list[str]) -> tuple[str, list[str]]:
            on = Lanes(self.here(), 0)
            new = elements.load(on, elements.place(on, source, place))
            factor = ""
            if self.kind == "linear":
                factor = elements.place(on, self.operand(0), place)
            total = elements.following(on, self.kind, totals[0], new, factor)
            total = elements.store(on, elements.place(on, result, place), total)
            return self.here().emit(f"add i64 {place}, {inner}"), [total]

        second = self.here().emit(f"add i64 {start}, {inner}")
        self.writer.loop(second, end, [(elements.register, first)], turn)


class OrderOfThreads(ThreadLoop):
    """A thread for each value, whose place it finds by halving."""

    pointers, sizes = 3, 1

    def __init__(self, dtype: str, right: bool, target: Target) -> None:
        super().__init__(target)
        self.right, self.elements = right, Elements(dtype, 0)

    def item(self, item: str) -> None:
        on, elements = Lanes(self.here(), 0), self.elements
        value = elements.load(on, elements.place(on, self.operand(1), item))
        source, length = self.operand(0), self.size(0)
        found = place_of(self.writer, elements, source, length, value, self.right)
        self.put(self.operand(2), item, found, "int64")


__all__ = ["emit_totals"]
