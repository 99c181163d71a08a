"""Products with a matrix that was brought into panels before: machine code.

BLAS copies its operands into an order of its own at every call.  Where one matrix serves
many products, as the weights of a recurrent network do, it is copied once:
into panels (see `kernels.library.PackedGemm`).

The function is `i64 product(i64* words, i64 begin, i64 end)`: C = alpha A B + beta D for
the panels begin..end of B, and thereby as many columns of C.  D may be C itself, but not
lie over it in another way; it is not read where beta is the number 0 of the words.  A
tile of C, some rows of one panel, stays in registers while the rows of the panel pass by.

Source: Goto and van de Geijn 2008, "Anatomy of high-performance matrix multiplication".
"""

from __future__ import annotations

from functools import cache
from hashlib import sha256

from symnet.kernels import library
from symnet.kernels.library import PANEL_BYTES
from symnet.kernels.llvm.function_writer import FunctionWriter
from symnet.kernels.llvm.kernel_cache import generator
from symnet.kernels.llvm.lanes import Lanes
from symnet.kernels.llvm.machine import machine
from symnet.kernels.llvm.object_code import Routine, source_digest
from symnet.kernels.llvm.primitives import apply
from symnet.kernels.llvm.target import Target
from symnet.kernels.llvm.text import (
    REGISTER,
    Module,
    Scope,
    iota,
    mangled,
    type_text,
)

BLOCK_ROWS = 256  # of a panel at once: they stay in the first cache

# The words: pointers to A, the panels, C and D; bytes from row to row and along a row of
# A, and from row to row of C and of D; sizes; alpha and beta, or where they are.
A, B, C, D = 0, 1, 2, 3
A_ROW, A_STEP, C_ROW, D_ROW = 4, 5, 6, 7
ROWS, INNER, COLUMNS = 8, 9, 10
ALPHA, BETA, ALPHA_AT, BETA_AT = 11, 12, 13, 14
PRODUCT_WORDS = 15

ITEM_BYTES = {"float32": 4, "float64": 8}


@cache
def product(dtype: str) -> Routine:
    """The function for float32 or float64."""
    key = f"{generator()}{source_digest(__file__, library.__file__)}\nproduct {dtype}"
    name = f"product_{sha256(key.encode()).hexdigest()[:32]}"

    def build() -> bytes:
        host = machine()
        return host.compile(emit_product(dtype, host.target, name))

    return Routine(key, name, build)


def emit_product(dtype: str, target: Target, name: str = "product") -> str:
    """The LLVM module of the function."""
    module = Module(target)
    tile = Tile(dtype, target)
    for rows in range(1, tile.most_rows + 1):
        TileWriter(module, tile, rows).write()
    DriverWriter(module, tile).write(name)
    return module.text()


class Tile:
    """How large the piece of C is that stays in registers.

    A tile has as many vectors in each row as a panel is wide; with the vectors of the
    panel's row and one of A's they fill the registers.
    """

    def __init__(self, dtype: str, target: Target) -> None:
        self.dtype, self.item, self.type = dtype, ITEM_BYTES[dtype], REGISTER[dtype]
        vector = min(target.vector_bytes, PANEL_BYTES)
        self.lanes = vector // self.item
        self.vectors = PANEL_BYTES // vector
        self.vector = type_text(self.type, self.lanes)
        most = max((target.registers - self.vectors - 1) // self.vectors, 2)
        self.most_rows = min(most, 12)

    @property
    def width(self) -> int:
        """Columns of a panel."""
        return self.lanes * self.vectors


def moved(scope: Scope, address: str, distance: str | int) -> str:
    """An address so many bytes further."""
    return scope.emit(f"getelementptr i8, ptr {address}, i64 {distance}")


class TileWriter:
    """Writes the function `tile{rows}`: C = alpha A B + beta D for some rows and one panel; if
    `fresh`, D is not read."""

    def __init__(self, module: Module, tile: Tile, rows: int) -> None:
        self.tile, self.rows = tile, rows
        self.writer = FunctionWriter(module)

    def write(self) -> None:
        tile = self.tile
        parameters = (
            "ptr %a, i64 %a_row, i64 %a_step, ptr %b, i64 %inner, ptr %c, i64 %c_row, "
            f"ptr %d, i64 %d_row, {tile.type} %alpha, {tile.type} %beta, i1 %fresh, i64 %columns"
        )
        sums = self.products()
        on = self.here()
        alpha = on.scope.splat("%alpha", tile.type, tile.lanes)
        beta = on.scope.splat("%beta", tile.type, tile.lanes)
        scaled = [
            [on.binary("fmul", tile.dtype, s, alpha) for s in row] for row in sums
        ]
        whole = on.scope.emit(f"icmp sge i64 %columns, {tile.width}")
        on.scope.line(f"br i1 {whole}, label %whole, label %part")
        on.scope.label("whole")
        self.finish(on, "whole", scaled, beta, None)
        on.scope.line("ret void")
        on.scope.label("part")
        self.finish(on, "part", scaled, beta, self.masks(on))
        head = f"define internal void @tile{self.rows}({parameters})"
        self.writer.finish(head, "ret void")

    def here(self) -> Lanes:
        return Lanes(self.writer.here(), self.tile.lanes)

    def products(self) -> list[list[str]]:
        """The loop over the rows of the panel; the sums of each row of the tile."""
        tile, count = self.tile, self.tile.vectors
        starts = self.row_pointers()

        def body(k: str, names: list[str]) -> tuple[str, list[str]]:
            on = self.here()
            pointers, row = names[: len(starts)], names[len(starts)]
            sums = iter(names[len(starts) + 1 :])
            panel = [self.load(on, row, v, None) for v in range(count)]
            new = []
            for r in range(self.rows):
                left = self.number_of_a(on, pointers[r // 2], r % 2 == 1)
                new += [self.fused(on, left, right, next(sums)) for right in panel]
            following = on.scope.emit(f"add i64 {k}, 1")
            pointers = [moved(on.scope, p, "%a_step") for p in pointers]
            return following, [*pointers, moved(on.scope, row, PANEL_BYTES), *new]

        carried = [("ptr", pointer) for pointer in [*starts, "%b"]]
        carried += [(tile.vector, "zeroinitializer")] * (self.rows * count)
        ends = self.writer.loop("0", "%inner", carried, body)[len(starts) + 1 :]
        return [ends[r * count : (r + 1) * count] for r in range(self.rows)]

    def row_pointers(self) -> list[str]:
        """One pointer for two rows of A: the second is reached by an index, and no pointer
        has to wait for another (LLVM would compute one from the other: it must not know)."""
        scope, starts = self.writer.entry, ["%a"]
        for _ in range(2, self.rows, 2):
            start = moved(scope, moved(scope, starts[-1], "%a_row"), "%a_row")
            starts.append(
                scope.emit(f'call ptr asm sideeffect "", "=r,0"(ptr {start})')
            )
        return starts

    def number_of_a(self, on: Lanes, place: str, second: bool) -> str:
        """A number of A in all lanes."""
        tile = self.tile
        if second:
            place = moved(on.scope, place, "%a_row")
        number = on.scope.emit(f"load {tile.type}, ptr {place}, align {tile.item}")
        return on.scope.splat(number, tile.type, tile.lanes)

    def fused(self, on: Lanes, a: str, b: str, c: str) -> str:
        dtype = self.tile.dtype
        if on.scope.module.target.fused:
            return apply(on.scope, "fma", dtype, [dtype] * 3, [a, b, c], on.lanes)
        return on.binary("fadd", dtype, on.binary("fmul", dtype, a, b), c)

    def masks(self, on: Lanes) -> list[str]:
        """Which lanes of each vector are columns of C."""
        lanes = self.tile.lanes
        many = on.scope.splat("%columns", "i64", lanes)
        starts = range(0, self.tile.width, lanes)
        return [
            on.compare("lt", "int64", iota("i64", lanes, start), many)
            for start in starts
        ]

    def finish(
        self,
        on: Lanes,
        name: str,
        sums: list[list[str]],
        beta: str,
        masks: list[str] | None,
    ) -> None:
        """Store the sums, added to beta times D or not."""
        on.scope.line(f"br i1 %fresh, label %{name}new, label %{name}old")
        on.scope.label(f"{name}new")
        self.store(on, sums, None, masks)
        on.scope.line("ret void")
        on.scope.label(f"{name}old")
        self.store(on, sums, beta, masks)

    def store(
        self,
        on: Lanes,
        sums: list[list[str]],
        beta: str | None,
        masks: list[str] | None,
    ) -> None:
        """Store the sums, added to beta times D, if beta is given."""
        tile, row, old_row = self.tile, "%c", "%d"
        for r, values in enumerate(sums):
            if r:
                row = moved(on.scope, row, "%c_row")
            if r and beta is not None:
                old_row = moved(on.scope, old_row, "%d_row")
            for v, value in enumerate(values):
                mask = masks[v] if masks else None
                if beta is not None:
                    old = self.load(on, old_row, v, mask)
                    value = self.fused(on, old, beta, value)
                place = moved(on.scope, row, v * tile.lanes * tile.item)
                self.store_vector(on, place, value, mask)

    def load(self, on: Lanes, row: str, v: int, mask: str | None) -> str:
        """Vector number v of a row."""
        tile = self.tile
        place = moved(on.scope, row, v * tile.lanes * tile.item)
        if mask is None:
            return on.scope.emit(f"load {tile.vector}, ptr {place}, align {tile.item}")
        return on.scope.call(
            f"llvm.masked.load.{mangled(tile.type, tile.lanes)}.p0",
            tile.vector,
            [
                ("ptr", place),
                ("i32", str(tile.item)),
                (on.type("bool"), mask),
                (tile.vector, "zeroinitializer"),
            ],
        )

    def store_vector(self, on: Lanes, place: str, value: str, mask: str | None) -> None:
        tile = self.tile
        if mask is None:
            on.scope.line(
                f"store {tile.vector} {value}, ptr {place}, align {tile.item}"
            )
            return
        on.scope.call_void(
            f"llvm.masked.store.{mangled(tile.type, tile.lanes)}.p0",
            [
                (tile.vector, value),
                ("ptr", place),
                ("i32", str(tile.item)),
                (on.type("bool"), mask),
            ],
        )


class DriverWriter:
    """Writes the loops over panels, blocks of their rows, and tiles."""

    def __init__(self, module: Module, tile: Tile) -> None:
        self.tile = tile
        self.writer = FunctionWriter(module)
        self.read_words()

    def read_words(self) -> None:
        word, entry = self.writer.word, self.writer.entry
        self.a, self.b, self.c, self.d = (word(place, "ptr") for place in (A, B, C, D))
        self.a_row, self.a_step = word(A_ROW), word(A_STEP)
        self.c_row, self.d_row = word(C_ROW), word(D_ROW)
        self.rows, self.inner, self.columns = word(ROWS), word(INNER), word(COLUMNS)
        self.alpha, _ = self.scalar(ALPHA, ALPHA_AT)
        self.beta, own = self.scalar(BETA, BETA_AT)
        zero = entry.emit(f"fcmp oeq {self.tile.type} {self.beta}, 0.0")
        self.overwrites = entry.emit(f"and i1 {zero}, {own}")

    def scalar(self, own: int, elsewhere: int) -> tuple[str, str]:
        """A number that is a word or lies where a word says, and whether it is the word."""
        entry = self.writer.entry
        place = entry.emit(f"getelementptr i64, ptr %words, i64 {own}")
        other = self.writer.word(elsewhere, "ptr")
        none = entry.emit(f"icmp eq ptr {other}, null")
        source = entry.emit(f"select i1 {none}, ptr {place}, ptr {other}")
        return entry.emit(f"load {self.tile.type}, ptr {source}"), none

    def write(self, name: str) -> None:
        entry, most = self.writer.entry, self.tile.most_rows
        up = entry.emit(f"add i64 {self.rows}, {most - 1}")
        self.tiles = entry.emit(f"udiv i64 {up}, {most}")
        some = entry.emit(f"icmp sgt i64 {self.tiles}, 0")
        stop = entry.emit(f"select i1 {some}, i64 %end, i64 %begin")
        # As many rows in each tile as possible: `few`, or one more in the first `extra`.
        least = entry.call("llvm.smax.i64", "i64", [("i64", self.tiles), ("i64", "1")])
        self.few = entry.emit(f"udiv i64 {self.rows}, {least}")
        self.extra = entry.emit(f"urem i64 {self.rows}, {least}")
        self.writer.loop("%begin", stop, (), self.panel)
        self.writer.finish(f"define i64 @{name}(ptr %words, i64 %begin, i64 %end)")

    def panel(self, panel: str, _: list[str]) -> tuple[str, list[str]]:
        """All blocks of rows of a panel; where it has none, C is beta D all the same."""
        tile, here = self.tile, self.writer.here()
        whole = here.emit(f"mul i64 {self.inner}, {PANEL_BYTES}")
        b = moved(here, self.b, here.emit(f"mul i64 {panel}, {whole}"))
        first = here.emit(f"mul i64 {panel}, {tile.width}")
        self.left = here.emit(f"sub i64 {self.columns}, {first}")
        far = here.emit(f"mul i64 {first}, {tile.item}")
        c, d = moved(here, self.c, far), moved(here, self.d, far)
        stop = here.call("llvm.smax.i64", "i64", [("i64", self.inner), ("i64", "1")])

        def block(k: str, _: list[str]) -> tuple[str, list[str]]:
            self.block(k, b, c, d)
            return self.writer.here().emit(f"add i64 {k}, {BLOCK_ROWS}"), []

        self.writer.loop("0", stop, (), block)
        return self.writer.here().emit(f"add i64 {panel}, 1"), []

    def block(self, k: str, b: str, c: str, d: str) -> None:
        """The rows of a panel from k on, for all tiles: the first rows added to beta D, the
        others to C."""
        here, kind = self.writer.here(), self.tile.type
        rest = here.emit(f"sub i64 {self.inner}, {k}")
        length = self.writer.smaller(here, rest, str(BLOCK_ROWS))
        first = here.emit(f"icmp eq i64 {k}, 0")
        fresh = here.emit(f"and i1 {first}, {self.overwrites}")
        beta = here.emit(f"select i1 {first}, {kind} {self.beta}, {kind} 1.0")
        d = here.emit(f"select i1 {first}, ptr {d}, ptr {c}")
        d_row = here.emit(f"select i1 {first}, i64 {self.d_row}, i64 {self.c_row}")
        a = moved(here, self.a, here.emit(f"mul i64 {k}, {self.a_step}"))
        b = moved(here, b, here.emit(f"mul i64 {k}, {PANEL_BYTES}"))

        def tile(number: str, places: list[str]) -> tuple[str, list[str]]:
            height = self.height(number)
            self.call_tile(height, places, b, d_row, length, beta, fresh)
            here = self.writer.here()
            steps = (self.a_row, self.c_row, d_row)
            places = [
                moved(here, place, here.emit(f"mul i64 {height}, {step}"))
                for place, step in zip(places, steps, strict=True)
            ]
            return here.emit(f"add i64 {number}, 1"), places

        self.writer.loop("0", self.tiles, [("ptr", p) for p in (a, c, d)], tile)

    def height(self, number: str) -> str:
        """The rows of a tile."""
        here = self.writer.here()
        bigger = here.emit(f"icmp slt i64 {number}, {self.extra}")
        one = here.emit(f"zext i1 {bigger} to i64")
        return here.emit(f"add i64 {self.few}, {one}")

    def call_tile(
        self,
        height: str,
        places: list[str],
        b: str,
        d_row: str,
        length: str,
        beta: str,
        fresh: str,
    ) -> None:
        """Call the function for tiles of that height."""
        (a, c, d), kind = places, self.tile.type
        arguments = (
            f"ptr {a}, i64 {self.a_row}, i64 {self.a_step}, ptr {b}, i64 {length}, "
            f"ptr {c}, i64 {self.c_row}, ptr {d}, i64 {d_row}, {kind} {self.alpha}, "
            f"{kind} {beta}, i1 {fresh}, i64 {self.left}"
        )
        here, heights = self.writer.here(), range(1, self.tile.most_rows + 1)
        cases = " ".join(f"i64 {rows}, label %rows{rows}" for rows in heights)
        here.line(f"switch i64 {height}, label %done [ {cases} ]")
        for rows in heights:
            here.label(f"rows{rows}")
            here.line(f"call void @tile{rows}({arguments})")
            here.line("br label %done")
        here.label("done")
