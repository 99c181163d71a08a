"""Micro-kernels of products with sparse matrices: a piece of a dense row stays in registers
while the entries of a sparse row pass by.

- `gather_tile` adds up rows of B, one for each entry: a row of a CSR matrix times B.
- `scatter_tile` adds one row of B to rows of C, one for each entry: CSC times B.
- `dots_tile` multiplies one row with rows of V, one for each entry, and adds up.

An index that is not below the limit is counted as 0, and made known by the result 1.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from symnet.kernels.cpu.library.tiles import RegisterTile, tile_routine
from symnet.kernels.llvm.emitted_function import EmittedFunction
from symnet.kernels.llvm.target import Target
from symnet.kernels.llvm.text import Module

PIECE = 256  # entries that are added up before their sum is added to that of others
AHEAD = 12  # entries by which rows of B are asked for before they are used


@cache
def gather_tile(dtype: str, vectors: int) -> EmittedFunction:
    """`i64 (data, indices, count, limit, b, b_row, c, columns)`: c = the sum over the
    entries of data[k] times row indices[k] of B, whose rows are `b_row` bytes apart; as
    many columns as fill the vectors, or fewer."""
    return _routine("gather", GatherTile, dtype, vectors)


@cache
def scatter_tile(dtype: str, vectors: int) -> EmittedFunction:
    """`i64 (data, indices, count, limit, b, c, c_row, columns)`: data[k] times the row b is
    added to row indices[k] of C, for every entry."""
    return _routine("scatter", ScatterTile, dtype, vectors)


@cache
def dots_tile(dtype: str, vectors: int) -> EmittedFunction:
    """`i64 (indices, count, limit, u, v, v_row, columns, out)`: out[k] = the product of the
    row u with row indices[k] of V, over all `columns`."""
    return _routine("dots", DotsTile, dtype, vectors)


def _routine(
    what: str, tile: type[EntriesTile], dtype: str, vectors: int
) -> EmittedFunction:
    def emit(target: Target, name: str) -> str:
        module = Module(target)
        tile(module, dtype, vectors).write(name)
        return module.text()

    return tile_routine(f"sparse {what} {dtype} {vectors}", emit)


class EntriesTile(RegisterTile):
    """What the three share: entries, and rows at their indices."""

    given: tuple[str, ...]

    def __init__(self, module: Module, dtype: str, vectors: int) -> None:
        super().__init__(module, dtype)
        self.vectors = vectors
        self.size = self.lanes * self.item

    def write(self, name: str) -> None:
        self.start()
        here = self.writer.here()
        whole = here.emit(f"icmp sge i64 %columns, {self.vectors * self.lanes}")
        here.line(f"br i1 {whole}, label %whole, label %part")
        here.label("whole")
        self.finish(self.entries([None] * self.vectors))
        self.writer.here().label("part")
        self.finish(
            self.entries(
                [self.mask("%columns", v * self.lanes) for v in range(self.vectors)]
            )
        )
        parameters = ", ".join(f"i64 %{name}" for name in self.given)
        self.writer.finish(f"define i64 @{name}({parameters})", "unreachable")

    def start(self) -> None:
        """Read the pointers."""
        raise NotImplementedError

    def entries(self, masks: list[str | None]) -> str:
        """Go through the entries; whether an index was wrong, an i64."""
        raise NotImplementedError

    def finish(self, wrong: str) -> None:
        self.writer.here().line(f"ret i64 {wrong}")

    def at(self, indices: str, k: str, wrong: str) -> tuple[str, str]:
        """The index of entry k, 0 where it is wrong; and whether one was by now."""
        here = self.writer.here()
        place = here.emit(f"getelementptr i32, ptr {indices}, i64 {k}")
        narrow = here.emit(f"load i32, ptr {place}, align 4")
        index = here.emit(f"sext i32 {narrow} to i64")
        inside = here.emit(f"icmp ult i64 {index}, %limit")
        safe = here.emit(f"select i1 {inside}, i64 {index}, i64 0")
        return safe, here.emit(f"select i1 {inside}, i64 {wrong}, i64 1")

    def row(self, base: str, index: str, row: str) -> str:
        far = self.writer.here().emit(f"mul i64 {index}, {row}")
        return self.moved(base, far)

    def number(self, data: str, k: str) -> str:
        """The number of entry k in all lanes."""
        here = self.writer.here()
        place = here.emit(f"getelementptr {self.type}, ptr {data}, i64 {k}")
        value = here.emit(f"load {self.type}, ptr {place}, align {self.item}")
        return here.splat(value, self.type, self.lanes)

    def vectors_at(self, place: str, masks: list[str | None]) -> list[str]:
        return [
            self.load(self.moved(place, v * self.size), mask)
            for v, mask in enumerate(masks)
        ]

    def zeros(self, count: int) -> list[tuple[str, str]]:
        return [(self.vector, "zeroinitializer")] * count

    def pairs(
        self,
        start: str,
        stop: str,
        carried: list[tuple[str, str]],
        body: Callable[[str, int, list[str]], list[str]],
    ) -> list[str]:
        """A loop over entries, two at a time; `body` gets which of the two it is."""
        end = self.writer.whole_steps(start, stop, 2)

        def both(k: str, values: list[str]) -> tuple[str, list[str]]:
            values = body(k, 0, values)
            values = body(self.writer.here().emit(f"add i64 {k}, 1"), 1, values)
            return self.writer.here().emit(f"add i64 {k}, 2"), values

        found = self.writer.loop(start, end, carried, both)
        kinds = [kind for kind, _ in carried]
        return self.writer.when(
            end,
            stop,
            list(zip(kinds, found, strict=True)),
            lambda k, values: ("", body(k, 0, values)),
        )


class GatherTile(EntriesTile):
    """Writes `gather_tile`."""

    given = ("data", "indices", "count", "limit", "b", "b_row", "c", "columns")

    def start(self) -> None:
        names = ("data", "indices", "b", "c")
        self.data, self.indices, self.b, self.c = (self.pointer(f"%{n}") for n in names)

    def entries(self, masks: list[str | None]) -> str:
        count = self.vectors

        def entry(k: str, which: int, values: list[str]) -> list[str]:
            wrong, sums = values[0], values[1:]
            index, wrong = self.at(self.indices, k, wrong)
            place, factor = self.row(self.b, index, "%b_row"), self.number(self.data, k)
            new = [
                self.fused(factor, term, total)
                for term, total in zip(
                    self.vectors_at(place, masks),
                    sums[which * count : (which + 1) * count],
                    strict=True,
                )
            ]
            kept = sums[(1 - which) * count : (2 - which) * count]
            return [wrong, *(new + kept if which == 0 else kept + new)]

        def piece(start: str, values: list[str]) -> tuple[str, list[str]]:
            wrong, totals = values[0], values[1:]
            here = self.writer.here()
            stop = self.writer.smaller(
                here, here.emit(f"add i64 {start}, {PIECE}"), "%count"
            )
            carried = [("i64", wrong), *self.zeros(2 * count)]
            wrong, *sums = self.pairs(start, stop, carried, entry)
            on = self.here()
            both = [
                on.binary("fadd", self.dtype, a, b)
                for a, b in zip(sums[:count], sums[count:], strict=True)
            ]
            new = [
                on.binary("fadd", self.dtype, a, b)
                for a, b in zip(totals, both, strict=True)
            ]
            return stop, [wrong, *new]

        carried = [("i64", "0"), *self.zeros(count)]
        wrong, *totals = self.writer.loop("0", "%count", carried, piece)
        for v, (value, mask) in enumerate(zip(totals, masks, strict=True)):
            self.store(self.moved(self.c, v * self.size), value, mask)
        return wrong


class ScatterTile(EntriesTile):
    """Writes `scatter_tile`."""

    given = ("data", "indices", "count", "limit", "b", "c", "c_row", "columns")

    def start(self) -> None:
        names = ("data", "indices", "b", "c")
        self.data, self.indices, self.b, self.c = (self.pointer(f"%{n}") for n in names)

    def entries(self, masks: list[str | None]) -> str:
        terms = self.vectors_at(self.b, masks)

        def entry(k: str, values: list[str]) -> tuple[str, list[str]]:
            index, wrong = self.at(self.indices, k, values[0])
            place, factor = self.row(self.c, index, "%c_row"), self.number(self.data, k)
            for v, (term, mask) in enumerate(zip(terms, masks, strict=True)):
                target = self.moved(place, v * self.size)
                total = self.fused(factor, term, self.load(target, mask))
                self.store(target, total, mask)
            return self.writer.here().emit(f"add i64 {k}, 1"), [wrong]

        return self.writer.loop("0", "%count", [("i64", "0")], entry)[0]


class DotsTile(EntriesTile):
    """Writes `dots_tile`."""

    given = ("indices", "count", "limit", "u", "v", "v_row", "columns", "out")

    def write(self, name: str) -> None:
        names = ("indices", "u", "v", "out")
        indices, self.u, v, self.out = (self.pointer(f"%{n}") for n in names)
        step = self.vectors * self.lanes
        self.whole = self.writer.whole_steps("0", "%columns", step)

        def entry(k: str, values: list[str]) -> tuple[str, list[str]]:
            index, wrong = self.at(indices, k, values[0])
            total = self.product(self.row(v, index, "%v_row"))
            here = self.writer.here()
            place = here.emit(f"getelementptr {self.type}, ptr {self.out}, i64 {k}")
            here.line(f"store {self.type} {total}, ptr {place}, align {self.item}")
            return here.emit(f"add i64 {k}, 1"), [wrong]

        (wrong,) = self.writer.loop("0", "%count", [("i64", "0")], entry)
        parameters = ", ".join(f"i64 %{name}" for name in self.given)
        self.writer.finish(f"define i64 @{name}({parameters})", f"ret i64 {wrong}")

    def product(self, row: str) -> str:
        """The product of two rows: whole tiles, then single vectors, the last in part."""

        def tile(k: str, sums: list[str]) -> tuple[str, list[str]]:
            far = self.writer.here().emit(f"mul i64 {k}, {self.item}")
            lefts, rights = (
                self.vectors_at(self.moved(base, far), [None] * self.vectors)
                for base in (self.u, row)
            )
            new = [self.fused(a, b, c) for a, b, c in zip(lefts, rights, sums)]
            here = self.writer.here()
            return here.emit(f"add i64 {k}, {self.vectors * self.lanes}"), new

        sums = self.writer.loop("0", self.whole, self.zeros(self.vectors), tile)

        def rest(k: str, sums: list[str]) -> tuple[str, list[str]]:
            here = self.writer.here()
            far = here.emit(f"mul i64 {k}, {self.item}")
            mask = self.mask(here.emit(f"sub i64 %columns, {k}"), 0)
            left, right = (self.load(self.moved(b, far), mask) for b in (self.u, row))
            total = self.fused(left, right, sums[0])
            return self.writer.here().emit(f"add i64 {k}, {self.lanes}"), [total]

        (first,) = self.writer.loop(
            self.whole, "%columns", [(self.vector, sums[0])], rest
        )
        return self.added([first, *sums[1:]])

    def added(self, sums: list[str]) -> str:
        """The sum of all lanes of some vectors."""
        on = self.here()
        while len(sums) > 1:
            halves = zip(sums[::2], sums[1::2])
            sums = [on.binary("fadd", self.dtype, a, b) for a, b in halves]
        total, width = sums[0], self.lanes
        while width > 1:  # the upper half onto the lower
            moved = [(k + width // 2) % self.lanes for k in range(self.lanes)]
            other = self.picked(on, total, total, moved)
            total = on.binary("fadd", self.dtype, total, other)
            width //= 2
        return on.scope.emit(f"extractelement {self.vector} {total}, i64 0")
