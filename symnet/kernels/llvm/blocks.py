"""The text of a function while it is written: scopes, loops, addresses and masks."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from symnet.kernels.llvm.loop_nest import ENTRY, Nest
from symnet.kernels.llvm.text import (
    MEMORY,
    Names,
    Scope,
    type_text,
)
from symnet.kernels.loopir.scalars import Output, Scalar

WORD_BYTES = 8


# Writes one turn of a loop, given its index and the carried values; the next ones.
Turn = Callable[[str, list[str]], tuple[str, list[str]]]


class Blocks:
    """The state of the writing of one kernel.

    lanes: numbers in one vector; copies: vectors worked on side by side at present;
    counters: the present position in each dimension; mask: the lanes in use (None: all).
    deals: whether lanes run along an axis along which blocks of random words are dealt
    out: then every turn is a whole group of positions (see `loops.DEALT`), or one vector.
    chain: the open scopes by rank; stream: all scopes in the order of the text.
    """

    def __init__(self, nest: Nest, lanes: int, fused: bool) -> None:
        kernel = nest.kernel
        self.nest = nest
        self.variant = nest.variant
        self.lanes = lanes
        self.names = Names(fused)
        self.stream: list[list[str]] = []
        self.chain: dict[int, Scope] = {}
        self.counters: dict[int, str] = {}
        self.copies = 1
        self.deals = False
        self.mask: str | None = None
        self.may_fail = False
        self.operands = [*kernel.inputs, *(out.operand for out in kernel.outputs)]
        self.scattering = any(out.indices for out in kernel.outputs)
        self.operand_of: dict[Output, int] = {
            out: len(kernel.inputs) + k for k, out in enumerate(kernel.outputs)
        }
        self.value_of: dict[Output, Scalar] = {}
        self.indices_of: dict[Output, list[Scalar]] = {}
        roots = iter(nest.roots)
        for out in kernel.outputs:
            self.indices_of[out] = [next(roots) for _ in out.indices]
            self.value_of[out] = next(roots)

    # Scopes.

    def open(self, rank: int) -> Scope:
        """Begin a scope here in the text; later values of this rank go into it."""
        scope = self.chain[rank] = self.here()
        return scope

    def here(self) -> Scope:
        """A scope at the present end of the text."""
        scope = Scope(self.names)
        self.stream.append(scope.lines)
        return scope

    def smaller(self, scope: Scope, left: str, right: str) -> str:
        return scope.call("llvm.smin.i64", "i64", [("i64", left), ("i64", right)])

    # Loops.

    def loop(
        self,
        start: str,
        stop: str,
        carried: Sequence[tuple[str, str]],
        body: Turn,
    ) -> list[str]:
        """`for index from start while index < stop`, with values carried round.

        `carried` gives type and first value of each; `body(index, values)` writes one
        turn and returns the next index and values.  Returns the values at the end.
        """
        fresh = self.names.fresh
        before, inside, latch, done = (
            fresh(s) for s in ("before", "loop", "latch", "done")
        )
        here = self.here()
        here.line(f"br label %{before}")
        here.label(before)
        go = here.emit(f"icmp slt i64 {start}, {stop}")
        here.line(f"br i1 {go}, label %{inside}, label %{done}")
        here.label(inside)
        index = f"%{fresh('i')}"
        names = [f"%{fresh('c')}" for _ in carried]
        phis = self.here()
        following, values = body(index, names)
        here = self.here()
        here.line(f"br label %{latch}")
        here.label(latch)
        again = here.emit(f"icmp slt i64 {following}, {stop}")
        here.line(f"br i1 {again}, label %{inside}, label %{done}")
        here.label(done)
        phis.line(
            f"{index} = phi i64 [ {start}, %{before} ], [ {following}, %{latch} ]"
        )
        results = []
        for (kind, first), name, value in zip(carried, names, values, strict=True):
            ends = f"phi {kind} [ {first}, %{before} ], [ {value}, %{latch} ]"
            phis.line(f"{name} = {ends}")
            results.append(here.emit(ends))
        return results

    def when(
        self, start: str, stop: str, carried: Sequence[tuple[str, str]], body: Turn
    ) -> list[str]:
        """A loop that is known to have one turn at most."""
        fresh = self.names.fresh
        before, inside, done = (fresh(s) for s in ("before", "when", "done"))
        here = self.here()
        here.line(f"br label %{before}")
        here.label(before)
        go = here.emit(f"icmp slt i64 {start}, {stop}")
        here.line(f"br i1 {go}, label %{inside}, label %{done}")
        here.label(inside)
        _, values = body(start, [first for _, first in carried])
        here = self.here()
        last = fresh("last")
        here.line(f"br label %{last}")
        here.label(last)
        here.line(f"br label %{done}")
        here.label(done)
        return [
            here.emit(f"phi {kind} [ {first}, %{before} ], [ {value}, %{last} ]")
            for (kind, first), value in zip(carried, values, strict=True)
        ]

    def whole_steps(self, low: str, high: str, step: int) -> str:
        """Where the last whole step from `low` that fits before `high` ends."""
        here = self.here()
        span = here.emit(f"sub i64 {high}, {low}")
        whole = here.emit(f"and i64 {span}, {-step}")
        return here.emit(f"add i64 {low}, {whole}")

    # The argument block.

    def word(self, place: int) -> str:
        return self.read_word(place, "i64")

    def read_word(self, place: int, kind: str) -> str:
        """A word of the argument block, read at the entry of the function."""
        scope = self.chain[ENTRY]
        key = ("word", place, kind)
        if key not in scope.made:
            slot = scope.emit(f"getelementptr i64, ptr %words, i64 {place}")
            scope.made[key] = scope.emit(f"load {kind}, ptr {slot}, align {WORD_BYTES}")
        return scope.made[key]

    def first_word(self, operand: int) -> int:
        """The place of an operand's pointer; of one past the last, where they end."""
        dimensions = len(self.nest.dimensions)
        before = self.operands[:operand]
        return dimensions + sum(1 + dimensions + 2 * o.indexed for o in before)

    def stride(self, operand: int, dimension: int) -> str:
        return self.word(self.first_word(operand) + 1 + dimension)

    # Addresses.

    def pointer(self, operand: int) -> tuple[str, int]:
        """The operand's address at the present position (its first lane), and the rank
        of the scope that holds it."""
        rank = ENTRY
        address = self.read_word(self.first_word(operand), "ptr")
        for dimension in self.nest.moving(operand):
            rank = self.nest.dimension_rank(dimension)
            scope = self.chain[rank]
            key = ("pointer", operand, dimension)
            if key not in scope.made:
                scope.made[key] = self.moved(scope, address, operand, dimension)
            address = scope.made[key]
        return address, rank

    def moved(self, scope: Scope, address: str, operand: int, dimension: int) -> str:
        counter = self.counters[dimension]
        if (
            dimension == self.nest.lane_dimension
            and self.variant.access[operand] == "c"
        ):
            element = MEMORY[self.operands[operand].dtype]
            return scope.emit(f"getelementptr {element}, ptr {address}, i64 {counter}")
        offset = scope.emit(f"mul i64 {counter}, {self.stride(operand, dimension)}")
        return scope.emit(f"getelementptr i8, ptr {address}, i64 {offset}")

    def copy_pointer(self, scope: Scope, address: str, operand: int, copy: int) -> str:
        """The address for another of the vectors side by side."""
        if copy == 0 or self.variant.access[operand] == "f":
            return address
        first = copy * self.lanes
        if self.variant.access[operand] == "c":
            element = MEMORY[self.operands[operand].dtype]
            return scope.emit(f"getelementptr {element}, ptr {address}, i64 {first}")
        stride = self.stride(operand, self.nest.lane_dimension)
        offset = scope.emit(f"mul i64 {stride}, {first}")
        return scope.emit(f"getelementptr i8, ptr {address}, i64 {offset}")

    def lane_offsets(self, operand: int) -> str:
        """Byte offsets of the lanes of a strided operand from its first lane."""
        scope = self.chain[ENTRY]
        key = ("offsets", operand)
        if key not in scope.made:
            stride = self.stride(operand, self.nest.lane_dimension)
            kind = type_text("i64", self.lanes)
            splat = self.splat(scope, stride, "i64")
            scope.made[key] = scope.emit(f"mul {kind} {splat}, {self.iota('i64')}")
        return scope.made[key]

    def iota(self, element: str, first: int = 0) -> str:
        places = range(first, first + self.lanes)
        return f"<{', '.join(f'{element} {place}' for place in places)}>"

    def splat(self, scope: Scope, name: str, element: str) -> str:
        """A vector with the same number in all lanes."""
        kind = type_text(element, self.lanes)
        first = scope.emit(f"insertelement {kind} poison, {element} {name}, i64 0")
        zeros = f"{type_text('i32', self.lanes)} zeroinitializer"
        return scope.emit(f"shufflevector {kind} {first}, {kind} poison, {zeros}")

    def set_mask(self, rank: int, index: str, limit: str | None) -> None:
        """Use only lanes whose place, from `index`, is below `limit`."""
        self.mask = None
        if limit is None:
            return
        scope = self.chain[rank]
        left = scope.emit(f"sub i64 {limit}, {index}")
        left = self.smaller(scope, left, str(self.lanes))
        element = "i8" if self.lanes > 32 else "i32"
        kind = type_text(element, self.lanes)
        short = scope.emit(f"trunc i64 {left} to {element}")
        splat = self.splat(scope, short, element)
        self.mask = scope.emit(f"icmp ult {kind} {self.iota(element)}, {splat}")
