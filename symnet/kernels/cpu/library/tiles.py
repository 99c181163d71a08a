"""Micro-kernels of products: a tile of the result stays in registers while the contracted
axis passes by.

Two of them, printed from a description (rows, vectors), because operands can lie in two
ways:
- `outer_tile`: vectors run along the columns of the result; B has its columns side by side.
- `inner_tile`: vectors run along the contracted axis, which both operands have without
  gaps; the lanes are added up at the end.

Sums are made in the dtype itself, in as many parts as there are calls.

Source: Goto and van de Geijn 2008, "Anatomy of high-performance matrix multiplication";
the sizes follow Van Zee and van de Geijn 2015, "BLIS": accumulators hide the latency of
the multiplier, and a row of loads serves several of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache
from inspect import getfile

from symnet.kernels.library import ITEM_BYTES
from symnet.kernels.llvm.emitted_function import EmittedFunction
from symnet.kernels.llvm.function_writer import FunctionWriter
from symnet.kernels.llvm.kernel_cache import generator
from symnet.kernels.llvm.lanes import Lanes
from symnet.kernels.llvm.machine import machine
from symnet.kernels.llvm.object_code import source_digest
from symnet.kernels.llvm.primitives import apply
from symnet.kernels.llvm.target import Target
from symnet.kernels.llvm.text import REGISTER, Module, iota, mangled, type_text
from symnet.kernels.memory import LINE

# Rows and vectors of the largest tiles by the number of registers.
OUTER_ROWS, OUTER_VECTORS = {16: 6, 32: 12}, 2
# Behind so many tiles half a tile may be empty: to compile a smaller one takes longer.
MANY_TILES = 16
# Tiles of so much of the largest height take as long with 32 registers (measured on Zen 4:
# within 2 %), and where all have one height half as much is to be compiled.
LEAST_HEIGHT = {16: 1.0, 32: 2 / 3}
# For reading, into the second cache, of data: LLVM's numbers.
PREFETCH = (0, 2, 1)
INNER_ROWS, INNER_COLUMNS = {16: 3, 32: 4}, {16: 4, 32: 6}


def lanes(dtype: str, target: Target) -> int:
    """Numbers in one vector."""
    return target.vector_bytes // ITEM_BYTES[dtype]


@cache
def outer_tile(
    dtype: str,
    rows: int,
    vectors: int,
    packed: bool = False,
    ahead: bool = False,
) -> EmittedFunction:
    """`i64 (a, a_row, a_step, b, b_row, inner, c, c_row, columns, alpha, beta, d, d_row,
    tiles)`: C = alpha A B + beta D, for as many columns as fill the vectors or fewer, and
    `tiles` times `rows` rows of C.  D is C, or lies elsewhere.

    The rows of the matrices are so many bytes apart, and the numbers of A's `a_step`; the
    rows of the others have no gaps, and those of B are whole vectors long.  alpha and beta:
    addresses of numbers; with the address 0 for beta D is not read.

    packed: A lies tile after tile, the numbers of a column side by side.  Then `a_row` is
    the bytes that a row takes of a tile, and `a_step` is not looked at.
    ahead: a tile's part of C is asked for before its products are taken.
    """

    def emit(target: Target, name: str) -> str:
        module = Module(target)
        OuterTile(module, dtype, rows, vectors, packed, ahead).write(name)
        return module.text()

    kind = f"outer tile{', packed' if packed else ''}{', ahead' if ahead else ''}"
    return tile_routine(f"{kind} {dtype} {rows} {vectors}", emit)


@cache
def inner_tile(dtype: str, columns: int = 0) -> EmittedFunction:
    """`i64 (a, b, b_row, images, a_image, b_image, length, out)`: sums of products.

    a: the addresses of the rows of A; the rows of B are `b_row` bytes apart.  Each row has
    `images` stretches of `length` numbers, `a_image` and `b_image` bytes apart.  out: the
    sums, as a matrix without gaps: one row for each of A's, one column for each of B's; whole
    vectors are written.

    columns: how many rows B has, INNER_COLUMNS or fewer (0: as many).
    """

    def emit(target: Target, name: str) -> str:
        module = Module(target)
        InnerTile(module, dtype, columns).write(name)
        return module.text()

    return tile_routine(f"inner tile {dtype} {columns}", emit)


def tile_words(
    dtype: str,
    rows: int,
    columns: Sequence[int],
    vectors: int = OUTER_VECTORS,
    total: int = 0,
    packed: bool = False,
    ahead: bool = False,
) -> tuple[dict[str, int], dict[str, EmittedFunction]]:
    """Tiles of so many vectors that make up so many rows (at least one), as equal as can be:
    words of `PanelWords`, and the routines whose addresses belong in others.

    columns: the counts that occur; tiles that none of them needs are not made.
    total: of all columns, where only the last count may end with a part of a tile.
    packed, ahead: see `outer_tile`.
    """
    target = machine().target
    room = (target.registers - vectors - 1) // vectors
    highest = OUTER_ROWS[target.registers]
    most = max(min(highest, highest * OUTER_VECTORS // vectors, room), 2)
    least = math.ceil(LEAST_HEIGHT[target.registers] * most)
    tiles, few, more = heights(rows, least, most)
    whole = vectors * lanes(dtype, target)
    words = {"tiles": tiles, "few": few, "more": more, "tile_columns": whole}
    sizes = {}
    if any(count >= whole or 2 * (count % whole) > whole for count in columns):
        sizes["wide"] = vectors
    if any(0 < 2 * (count % whole) <= whole for count in columns):
        many = total >= MANY_TILES * whole
        sizes["narrow"] = vectors if many else -(-vectors // 2)
    routines = {}
    for name, size in sizes.items():
        routines[name] = outer_tile(dtype, few, size, packed, ahead)
        if more:
            routines[f"{name}_more"] = outer_tile(dtype, few + 1, size, packed, ahead)
    return words, routines


def heights(rows: int, least: int, most: int) -> tuple[int, int, int]:
    """So many rows in tiles of at most `most`: how many tiles, the rows of the lower ones,
    and how many of them have one more; none, if tiles of `least` rows or more fit."""
    for height in range(most, least - 1, -1):
        if rows % height == 0 and rows:
            return rows // height, height, 0
    tiles = -(-rows // most)
    return tiles, rows // tiles, rows % tiles


def tile_routine(what: str, emit: Callable[[Target, str], str]) -> EmittedFunction:
    key = f"{generator()}{source_digest(__file__, getfile(emit))}\n{what}"
    return EmittedFunction(key, emit)


class RegisterTile:
    """What both tiles share: pointers, loads and stores of vectors, sums of products."""

    def __init__(self, module: Module, dtype: str) -> None:
        self.dtype, self.item, self.type = dtype, ITEM_BYTES[dtype], REGISTER[dtype]
        self.target = module.target
        self.lanes = lanes(dtype, module.target)
        self.vector = type_text(self.type, self.lanes)
        self.masked = self.target.has_masks
        self.writer = FunctionWriter(module)

    def here(self) -> Lanes:
        return Lanes(self.writer.here(), self.lanes)

    def pointer(self, name: str) -> str:
        return self.writer.entry.emit(f"inttoptr i64 {name} to ptr")

    def pointer_here(self, name: str) -> str:
        return self.writer.here().emit(f"inttoptr i64 {name} to ptr")

    def moved(self, place: str, distance: str | int) -> str:
        """An address so many bytes further."""
        return self.writer.here().emit(f"getelementptr i8, ptr {place}, i64 {distance}")

    def load(self, place: str, mask: str | None = None) -> str:
        on = self.here()
        if mask is None:
            return on.scope.emit(f"load {self.vector}, ptr {place}, align {self.item}")
        name = f"llvm.masked.load.{mangled(self.type, self.lanes)}.p0"
        align, none = ("i32", str(self.item)), (self.vector, "zeroinitializer")
        masked = (on.type("bool"), mask)
        return on.scope.call(name, self.vector, [("ptr", place), align, masked, none])

    def store(self, place: str, value: str, mask: str | None = None) -> None:
        on = self.here()
        if mask is None:
            on.scope.line(
                f"store {self.vector} {value}, ptr {place}, align {self.item}"
            )
            return
        name = f"llvm.masked.store.{mangled(self.type, self.lanes)}.p0"
        align, masked = ("i32", str(self.item)), (on.type("bool"), mask)
        values = [(self.vector, value), ("ptr", place), align, masked]
        on.scope.call_void(name, values)

    def mask(self, count: str, first: int) -> str:
        """Which lanes are before `count`, where lane 0 has the number `first`."""
        on = self.here()
        many = on.scope.splat(count, "i64", self.lanes)
        return on.compare("lt", "int64", iota("i64", self.lanes, first), many)

    def picked(self, on: Lanes, left: str, right: str, lanes: list[int]) -> str:
        """Lanes of two vectors, counted through."""
        numbers = ", ".join(f"i32 {k}" for k in lanes)
        kinds = f"{self.vector} {left}, {self.vector} {right}"
        return on.scope.emit(f"shufflevector {kinds}, <{len(lanes)} x i32> <{numbers}>")

    def fused(self, a: str, b: str, c: str) -> str:
        on, kinds = self.here(), [self.dtype] * 3
        if self.target.fused:
            return apply(on.scope, "fma", self.dtype, kinds, [a, b, c], on.lanes)
        return on.binary("fadd", self.dtype, on.binary("fmul", self.dtype, a, b), c)


class OuterTile(RegisterTile):
    """Writes `outer_tile`."""

    def __init__(
        self,
        module: Module,
        dtype: str,
        rows: int,
        vectors: int,
        packed: bool = False,
        ahead: bool = False,
    ) -> None:
        super().__init__(module, dtype)
        self.rows, self.vectors, self.packed = rows, vectors, packed
        self.ahead = ahead

    def write(self, name: str) -> None:
        given = (
            "a", "a_row", "a_step", "b", "b_row", "inner", "c", "c_row", "columns",
            "alpha", "beta", "d", "d_row", "tiles",
        )  # fmt: skip
        self.b, *places = (self.pointer(f"%{p}") for p in "bacd")
        heights = [
            self.writer.entry.emit(f"mul i64 %{p}_row, {self.rows}") for p in "acd"
        ]

        def tile(number: str, names: list[str]) -> tuple[str, list[str]]:
            a, c, d = names
            if self.ahead:
                self.ask_for(c)
            sums = self.scaled(self.products(a))
            (self.finish if self.masked else self.finish_by_cases)(sums, c, d)
            following = self.writer.here().emit(f"add i64 {number}, 1")
            return following, [*map(self.moved, names, heights)]

        self.writer.loop("0", "%tiles", [("ptr", p) for p in places], tile)
        parameters = ", ".join(f"i64 %{name}" for name in given)
        self.writer.finish(f"define i64 @{name}({parameters})")

    def ask_for(self, c: str) -> None:
        """Prefetch the lines that the rows of the tile lie in, wherever they begin."""
        row, end = c, self.vectors * self.target.vector_bytes + LINE
        for r in range(self.rows):
            if r:
                row = self.moved(row, "%c_row")
            for far in range(0, end, LINE):
                place, scope = self.moved(row, far), self.writer.here()
                how = [("i32", str(word)) for word in PREFETCH]
                scope.call_void("llvm.prefetch.p0", [("ptr", place), *how])

    def products(self, a: str) -> list[list[str]]:
        """The loop along the contracted axis; the sums of each row."""
        starts = [a] if self.packed else self.row_pointers(a)
        step = self.rows * self.item if self.packed else "%a_step"
        size = self.lanes * self.item

        def body(k: str, names: list[str]) -> tuple[str, list[str]]:
            rows, b = names[: len(starts)], names[len(starts)]
            old, new = iter(names[len(starts) + 1 :]), []
            row = [self.load(self.moved(b, v * size)) for v in range(self.vectors)]
            for r in range(self.rows):
                left = self.number(self.place_in_column(rows, r))
                new += [self.fused(left, right, next(old)) for right in row]
            following = self.writer.here().emit(f"add i64 {k}, 1")
            rows = [self.moved(place, step) for place in rows]
            return following, [*rows, self.moved(b, "%b_row"), *new]

        zeros = [(self.vector, "zeroinitializer")] * (self.rows * self.vectors)
        carried = [*(("ptr", p) for p in (*starts, self.b)), *zeros]
        ends = self.writer.loop("0", "%inner", carried, body)[len(starts) + 1 :]
        count = self.vectors
        return [ends[r * count : (r + 1) * count] for r in range(self.rows)]

    def place_in_column(self, starts: list[str], row: int) -> str:
        """The address of a row's number of A, in the column that has been reached."""
        if self.packed:
            return self.moved(starts[0], row * self.item)
        return self.moved(starts[row // 2], "%a_row") if row % 2 else starts[row // 2]

    def row_pointers(self, a: str) -> list[str]:
        """One pointer for two rows of A: the second is reached by an index, and no pointer
        waits for another (LLVM would compute one from the other: it must not know)."""
        scope, starts = self.writer.here(), [a]
        twice = scope.emit("shl i64 %a_row, 1")
        for _ in range(2, self.rows, 2):
            start = scope.emit(f"getelementptr i8, ptr {starts[-1]}, i64 {twice}")
            start = scope.emit(f'call ptr asm sideeffect "", "=r,0"(ptr {start})')
            starts.append(start)
        return starts

    def scaled(self, sums: list[list[str]]) -> list[list[str]]:
        """The sums times alpha."""
        alpha = self.number(self.pointer_here("%alpha"))
        on = self.here()
        return [[on.binary("fmul", self.dtype, s, alpha) for s in row] for row in sums]

    def number(self, place: str) -> str:
        """A number in all lanes."""
        scope = self.writer.here()
        value = scope.emit(f"load {self.type}, ptr {place}, align {self.item}")
        return scope.splat(value, self.type, self.lanes)

    def masks(self) -> list[str]:
        """Which lanes of the vectors of a row are columns of C."""
        return [self.mask("%columns", v * self.lanes) for v in range(self.vectors)]

    def finish(self, sums: list[list[str]], c: str, d: str) -> None:
        """Store the sums, or add them: one code for all cases, of which less than half has
        to be compiled, where masks cost nothing.

        Without beta no lane of D is read, and the factor of the zeros in its place is -0:
        a sum with that is the other number, its sign included."""
        masks, kind = self.masks(), self.here().type("bool")
        here = self.writer.here()
        new = here.emit("icmp eq i64 %beta, 0")
        place = here.emit(f"select i1 {new}, i64 %alpha, i64 %beta")
        there = here.emit(f"inttoptr i64 {place} to ptr")
        value = here.emit(f"load {self.type}, ptr {there}, align {self.item}")
        factor = here.emit(f"select i1 {new}, {self.type} -0.0, {self.type} {value}")
        beta = here.splat(factor, self.type, self.lanes)
        none = f"{kind} zeroinitializer"
        read = [here.emit(f"select i1 {new}, {none}, {kind} {m}") for m in masks]
        self.store_rows(sums, c, d, masks, read, beta)

    def finish_by_cases(self, sums: list[list[str]], c: str, d: str) -> None:
        """The same with code of its own for whole rows of vectors, and without beta."""
        fresh, here = self.writer.module.fresh, self.writer.here()
        whole, part, done = fresh("whole"), fresh("part"), fresh("stored")
        full = here.emit(f"icmp sge i64 %columns, {self.vectors * self.lanes}")
        here.line(f"br i1 {full}, label %{whole}, label %{part}")
        for label in (whole, part):
            here = self.writer.here()
            here.label(label)
            masks: Sequence[str | None] = [None] * self.vectors
            if label is part:
                masks = self.masks()
            new, old = fresh("new"), fresh("old")
            here = self.writer.here()
            is_new = here.emit("icmp eq i64 %beta, 0")
            here.line(f"br i1 {is_new}, label %{new}, label %{old}")
            for case in (new, old):
                self.writer.here().label(case)
                beta = self.number(self.pointer_here("%beta")) if case is old else None
                self.store_rows(sums, c, d, masks, masks, beta)
                self.writer.here().line(f"br label %{done}")
        self.writer.here().label(done)

    def store_rows(
        self,
        sums: list[list[str]],
        c: str,
        d: str,
        masks: Sequence[str | None],
        read: Sequence[str | None],
        beta: str | None,
    ) -> None:
        """read: which lanes of D are read."""
        row, old_row = c, d
        for r, values in enumerate(sums):
            if r:
                row = self.moved(row, "%c_row")
                old_row = self.moved(old_row, "%d_row")
            for v, value in enumerate(values):
                far = v * self.lanes * self.item
                if beta is not None:
                    old = self.load(self.moved(old_row, far), read[v])
                    value = self.fused(old, beta, value)
                self.store(self.moved(row, far), value, masks[v])


class InnerTile(RegisterTile):
    """Writes `inner_tile`."""

    def __init__(self, module: Module, dtype: str, columns: int = 0) -> None:
        super().__init__(module, dtype)
        self.rows = INNER_ROWS[self.target.registers]
        self.columns = columns or INNER_COLUMNS[self.target.registers]

    def write(self, name: str) -> None:
        given = ("a", "b", "b_row", "images", "a_image", "b_image", "length", "out")
        table, b, out = (self.pointer(p) for p in ("%a", "%b", "%out"))
        entry, starts = self.writer.entry, []
        for r in range(self.rows):
            place = entry.emit(f"getelementptr i8, ptr {table}, i64 {8 * r}")
            starts.append(entry.emit(f"load ptr, ptr {place}, align 8"))
        self.whole = "%length"
        if not self.masked:
            self.whole = entry.emit(f"and i64 %length, {-self.lanes}")

        def image(number: str, names: list[str]) -> tuple[str, list[str]]:
            pointers, sums = names[: self.rows + 1], names[self.rows + 1 :]
            sums = self.stretch(pointers, sums)
            ends = [self.moved(p, "%a_image") for p in pointers[:-1]]
            ends.append(self.moved(pointers[-1], "%b_image"))
            following = self.writer.here().emit(f"add i64 {number}, 1")
            return following, [*ends, *sums]

        zeros = [(self.vector, "zeroinitializer")] * (self.rows * self.columns)
        carried = [*(("ptr", p) for p in (*starts, b)), *zeros]
        sums = self.writer.loop("0", "%images", carried, image)[self.rows + 1 :]
        for first in range(0, len(sums), self.lanes):
            place = self.moved(out, first * self.item)
            self.store(place, self.added_up(sums[first : first + self.lanes]))
        parameters = ", ".join(f"i64 %{name}" for name in given)
        self.writer.finish(f"define i64 @{name}({parameters})")

    def stretch(self, pointers: list[str], sums: list[str]) -> list[str]:
        """The products of one stretch added to the sums: whole vectors, then a part; where
        masks cost nothing, all under one."""
        size = self.lanes * self.item

        def body(k: str, names: list[str]) -> tuple[str, list[str]]:
            places, old = names[: self.rows + 1], names[self.rows + 1 :]
            mask = None
            if self.masked:
                left = self.writer.here().emit(f"sub i64 %length, {k}")
                mask = self.mask(left, 0)
            new = self.step(places, old, mask)
            following = self.writer.here().emit(f"add i64 {k}, {self.lanes}")
            return following, [*(self.moved(p, size) for p in places), *new]

        pairs = [(self.vector, s) for s in sums]
        carried = [*(("ptr", p) for p in pointers), *pairs]
        ends = self.writer.loop("0", self.whole, carried, body)
        places, sums = ends[: self.rows + 1], ends[self.rows + 1 :]
        if self.masked:
            return sums

        def rest(_: str, old: list[str]) -> tuple[str, list[str]]:
            return "", self.step(places, old, self.mask(left, 0))

        left = self.writer.entry.emit(f"sub i64 %length, {self.whole}")
        return self.writer.when("0", left, [(self.vector, s) for s in sums], rest)

    def step(self, places: list[str], sums: list[str], mask: str | None) -> list[str]:
        """One vector of every row."""
        *rows, b = places
        left = [self.load(row, mask) for row in rows]
        new: list[list[str]] = [[] for _ in rows]
        for column in range(self.columns):
            place = b if column == 0 else self.moved(b, self.distance(column))
            right = self.load(place, mask)
            for r in range(self.rows):
                total = sums[r * self.columns + column]
                new[r].append(self.fused(left[r], right, total))
        return [total for row in new for total in row]

    def distance(self, column: int) -> str:
        entry = self.writer.entry
        key = ("distance", column)
        if key not in entry.made:
            entry.made[key] = entry.emit(f"mul i64 %b_row, {column}")
        return entry.made[key]

    def added_up(self, totals: list[str]) -> str:
        """One vector with the sum of the lanes of each of up to as many vectors.

        Two vectors become one that has the sums of halves of the first, then of the
        second; and so on in blocks half as long each time.
        """
        on, block = self.here(), self.lanes
        while block > 1:
            starts = range(0, self.lanes, block)
            low = [s + k for s in starts for k in range(block // 2)]
            low += [self.lanes + k for k in low]
            pairs = [
                (*totals[k : k + 2], totals[k])[:2] for k in range(0, len(totals), 2)
            ]
            totals = []
            for left, right in pairs:
                halves = [
                    self.picked(on, left, right, [k + far for k in low])
                    for far in (0, block // 2)
                ]
                totals.append(on.binary("fadd", self.dtype, *halves))
            block //= 2
        return totals[0]
