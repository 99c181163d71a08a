"""Draws of random numbers (`kernels.routines`) as code for a GPU's threads.

The functions are those of `thread_items`: an operand's pointer stands in the argument block,
by the operand's number, and is moved by the word of that number in the call's block; behind
the pointers come the sizes.  `end` is how many threads have something to do, and they share
it as any grid says: no thread reads what another one writes.  The numbers are those of the
CPU's steps (`kernels.cpu.library.mrg31k3p`, `kernels.cpu.library.categorical`), in the same
order of operations.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from symnet.kernels.llvm.function_writer import FunctionWriter
from symnet.kernels.llvm.lanes import Lanes
from symnet.kernels.llvm.mrg_arithmetic import advance, number
from symnet.kernels.llvm.target import Target
from symnet.kernels.llvm.text import MEMORY, Module, Scope, constant
from symnet.kernels.llvm.thread_items import thread_head, thread_number
from symnet.kernels.routines import Categorical, MrgUniform

STATE_NUMBERS = 6
ZERO = constant(0.0, "float64")


def emit_draws(draw: MrgUniform | Categorical, target: Target, name: str) -> str:
    """The module of a routine's function for threads.

    Its words are, of MRG31k3p: states, sample, streams, numbers; of classes: probabilities,
    uniform numbers, counts (or classes, and memory), rows, classes, draws.
    """
    if isinstance(draw, MrgUniform):
        return StreamsOfThreads(draw.dtype, target).module(name)
    if draw.counts:
        return CountsOfThreads(target).module(name)
    return ChoicesOfThreads(target, draw.narrow).module(name)


class ThreadLoop:
    """Writes a function whose threads go through items, each through its own.

    pointers: operands; sizes: words behind them.
    """

    pointers, sizes = 0, 0

    def __init__(self, target: Target) -> None:
        self.writer = FunctionWriter(Module(target))

    def module(self, name: str) -> str:
        first, threads = thread_number(self.writer)

        def body(item: str, _: list[str]) -> tuple[str, list[str]]:
            self.item(item)
            return self.writer.here().emit(f"add i64 {item}, {threads}"), []

        self.writer.loop(first, "%end", (), body)
        words = self.pointers + self.sizes
        self.writer.finish(thread_head(self.writer.module, name, words), "ret void")
        return self.writer.module.text()

    def item(self, item: str) -> None:
        """What is done for one item."""
        raise NotImplementedError

    # Words, and numbers in memory.

    def operand(self, which: int) -> str:
        """The address of an operand in this call."""
        return self.writer.moved_pointer(which, which)

    def size(self, which: int) -> str:
        return self.writer.word(self.pointers + which)

    def here(self) -> Scope:
        return self.writer.here()

    def read(self, start: str, place: str, dtype: str) -> str:
        scope, kind = self.here(), MEMORY[dtype]
        where = scope.emit(f"getelementptr {kind}, ptr {start}, i64 {place}")
        align = np.dtype(dtype).itemsize
        return scope.emit(f"load {kind}, ptr {where}, align {align}")

    def put(self, start: str, place: str, value: str, dtype: str) -> None:
        scope, kind = self.here(), MEMORY[dtype]
        where = scope.emit(f"getelementptr {kind}, ptr {start}, i64 {place}")
        align = np.dtype(dtype).itemsize
        scope.line(f"store {kind} {value}, ptr {where}, align {align}")

    def row(self, operand: int, row: str, length: str, dtype: str) -> str:
        """Where a row of an operand begins."""
        scope = self.here()
        place = scope.emit(f"mul i64 {row}, {length}")
        start = self.operand(operand)
        return scope.emit(f"getelementptr {MEMORY[dtype]}, ptr {start}, i64 {place}")

    def each(self, stop: str, do: Callable[[str], None], start: str = "0") -> None:
        """Do something at start, start + 1, ... below `stop`."""

        def body(k: str, _: list[str]) -> tuple[str, list[str]]:
            do(k)
            return self.here().emit(f"add i64 {k}, 1"), []

        self.writer.loop(start, stop, (), body)


# ---- MRG31k3p


class StreamsOfThreads(ThreadLoop):
    """A thread for each stream that has a number to make: neighbouring threads write
    neighbouring numbers."""

    pointers, sizes = 2, 2

    def __init__(self, dtype: str, target: Target) -> None:
        super().__init__(target)
        self.dtype = dtype

    def item(self, item: str) -> None:
        """All numbers of one stream."""
        streams, numbers = self.size(0), self.size(1)
        state = self.row(0, item, str(STATE_NUMBERS), "int32")
        before = [self.read(state, str(k), "int32") for k in range(STATE_NUMBERS)]

        def body(sample: str, names: list[str]) -> tuple[str, list[str]]:
            on = Lanes(self.here(), 0)
            after, draw = advance(on, names)
            value = number(on, draw, self.dtype)
            self.put(self.operand(1), sample, value, self.dtype)
            return self.here().emit(f"add i64 {sample}, {streams}"), after

        carried = [("i32", value) for value in before]
        after = self.writer.loop(item, numbers, carried, body)
        for k, value in enumerate(after):
            self.put(state, str(k), value, "int32")


# ---- classes from uniform numbers


class ClassesOfThreads(ThreadLoop):
    """A thread for each row of probabilities."""

    CHANCES, UNIFORMS, RESULT, MEMORY = range(4)

    @property
    def classes(self) -> str:
        return self.size(1)

    def uniform(self, draw: str, row: str) -> str:
        """The uniform number of a draw."""
        scope, rows = self.here(), self.size(0)
        place = scope.emit(f"mul i64 {draw}, {rows}")
        place = scope.emit(f"add i64 {place}, {row}")
        return self.read(self.operand(self.UNIFORMS), place, "float64")

    def first_above(self, chances: str, uniform: str) -> str:
        """The first class at which the sum exceeds the number; their number if there is none."""
        classes = self.classes

        def body(k: str, names: list[str]) -> tuple[str, list[str]]:
            total, found = names
            chance = self.read(chances, k, "float64")
            scope = self.here()
            total = scope.emit(f"fadd double {total}, {chance}")
            above = scope.emit(f"fcmp olt double {uniform}, {total}")
            found = scope.emit(f"select i1 {above}, i64 {k}, i64 {found}")
            following = scope.emit(f"add i64 {k}, 1")
            following = scope.emit(f"select i1 {above}, i64 {classes}, i64 {following}")
            return following, [total, found]

        carried = [("double", ZERO), ("i64", classes)]
        return self.writer.loop("0", classes, carried, body)[1]


class CountsOfThreads(ClassesOfThreads):
    """How often each class is drawn."""

    pointers, sizes = 3, 3

    def item(self, item: str) -> None:
        chances = self.row(self.CHANCES, item, self.classes, "float64")
        counts = self.row(self.RESULT, item, self.classes, "int64")
        self.each(self.classes, lambda k: self.put(counts, k, "0", "int64"))

        def count(found: str, _: list[str]) -> tuple[str, list[str]]:
            old = self.read(counts, found, "int64")
            self.put(counts, found, self.here().emit(f"add i64 {old}, 1"), "int64")
            return "", []

        def draw(k: str) -> None:
            found = self.first_above(chances, self.uniform(k, item))
            self.writer.when(found, self.classes, (), count)

        self.each(self.size(2), draw)


class ChoicesOfThreads(ClassesOfThreads):
    """Which classes are drawn, none twice; -1 where none is left.

    narrow: what is left of a row is rounded to float32.
    """

    pointers, sizes = 4, 3

    def __init__(self, target: Target, narrow: bool) -> None:
        super().__init__(target)
        self.narrow = narrow

    def item(self, item: str) -> None:
        given = self.row(self.CHANCES, item, self.classes, "float64")
        chances = self.row(self.MEMORY, item, self.classes, "float64")

        def copy(k: str) -> None:
            self.put(chances, k, self.read(given, k, "float64"), "float64")

        self.each(self.classes, copy)
        draws = self.size(2)
        result = self.row(self.RESULT, item, draws, "int64")

        def forbid(found: str, _: list[str]) -> tuple[str, list[str]]:
            self.forbid(chances, found)
            return "", []

        def draw(k: str) -> None:
            found = self.first_above(chances, self.uniform(k, item))
            scope = self.here()
            some = scope.emit(f"icmp slt i64 {found}, {self.classes}")
            class_ = scope.emit(f"select i1 {some}, i64 {found}, i64 -1")
            self.put(result, k, class_, "int64")
            scope = self.here()
            following = scope.emit(f"add i64 {k}, 1")
            more = scope.emit(f"icmp slt i64 {following}, {draws}")
            stop = scope.emit(f"select i1 {more}, i64 {self.classes}, i64 0")
            self.writer.when(found, stop, (), forbid)

        self.each(draws, draw)

    def forbid(self, chances: str, found: str) -> None:
        """Take a class out of a row and make the others sum to one again.

        The sum is made of what came before the class, then the rest in order.
        """
        first = self.here().emit(f"add i64 {found}, 1")
        total = self.sum(chances, "0", first, ZERO, False)
        own = self.read(chances, found, "float64")
        total = self.rounded(self.here().emit(f"fsub double {total}, {own}"))
        self.put(chances, found, ZERO, "float64")
        total = self.sum(chances, found, self.classes, total, self.narrow)

        def share(k: str) -> None:
            chance = self.read(chances, k, "float64")
            quotient = self.here().emit(f"fdiv double {chance}, {total}")
            self.put(chances, k, self.rounded(quotient), "float64")

        self.each(self.classes, share)

    def sum(self, chances: str, start: str, stop: str, total: str, narrow: bool) -> str:
        """`total` and the probabilities from `start` below `stop`, one after another."""

        def body(k: str, names: list[str]) -> tuple[str, list[str]]:
            chance = self.read(chances, k, "float64")
            total = self.here().emit(f"fadd double {names[0]}, {chance}")
            total = self.rounded(total) if narrow else total
            return self.here().emit(f"add i64 {k}, 1"), [total]

        return self.writer.loop(start, stop, [("double", total)], body)[0]

    def rounded(self, value: str) -> str:
        """The nearest float32, where numbers are `narrow`."""
        if not self.narrow:
            return value
        scope = self.here()
        single = scope.emit(f"fptrunc double {value} to float")
        return scope.emit(f"fpext float {single} to double")


__all__ = ["emit_draws"]
