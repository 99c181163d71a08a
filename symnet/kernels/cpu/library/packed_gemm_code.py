"""Products with a matrix that was brought into panels before: machine code.

BLAS copies its operands into an order of its own at every call.  Where one matrix serves
many products, as the weights of a recurrent network do, it is copied once:
into panels of PANEL_BYTES beside each other, so that panel p holds of row k the columns
p * width to (p + 1) * width, and the rows follow one another.

The function is `i64 product(i64* words, i64 begin, i64 end)`: C = alpha A B + beta D for
the panels begin..end of B, and thereby as many columns of C.  D may be C itself, but not
lie over it in another way; it is not read where beta is the number 0 of the words.  A
tile of C, some rows of one panel, stays in registers while the rows of the panel pass by.

Source: Goto and van de Geijn 2008, "Anatomy of high-performance matrix multiplication".
"""

from __future__ import annotations

from functools import cache
from hashlib import sha256

from symnet.kernels.llvm.machine import Machine, machine
from symnet.kernels.llvm.object_code import Routine, source_digest

PANEL_BYTES = 64
BLOCK_ROWS = 256  # of a panel at once: they stay in the first cache

# The words: pointers to A, the panels, C and D; bytes from row to row and along a row of
# A, and from row to row of C and of D; sizes; alpha and beta, or where they are.
A, B, C, D = 0, 1, 2, 3
A_ROW, A_STEP, C_ROW, D_ROW = 4, 5, 6, 7
ROWS, INNER, COLUMNS = 8, 9, 10
ALPHA, BETA, ALPHA_AT, BETA_AT = 11, 12, 13, 14
PRODUCT_WORDS = 15

ITEM_BYTES = {"float32": 4, "float64": 8}
TYPES = {"float32": "float", "float64": "double"}


def panel_width(dtype: str) -> int:
    """Columns of one panel."""
    return PANEL_BYTES // ITEM_BYTES[dtype]


@cache
def product(dtype: str) -> Routine:
    """The function for float32 or float64."""
    key = f"{source_digest(__file__)} {dtype}"
    name = f"product_{sha256(key.encode()).hexdigest()[:32]}"
    return Routine(key, name, lambda: machine().compile(emit_product(dtype, name)))


def emit_product(dtype: str, name: str = "product", on: Machine | None = None) -> str:
    """The LLVM module of the function."""
    target = on or machine()
    writer = PackedGemmWriter(dtype, target)
    tiles = [writer.tile(rows) for rows in range(1, writer.most_rows + 1)]
    lines = [
        f'target triple = "{target.triple}"',
        *writer.declarations(),
        *tiles,
        writer.driver(name),
        f"attributes #0 = {{ {target.attributes} }}",
        "",
    ]
    return "\n".join(lines)


class PackedGemmWriter:
    """Writes the functions for tiles of one to `most_rows` rows, and the loops around.

    A tile has as many vectors in each row as a panel is wide; with the vectors of the
    panel's row and one of A's they fill the registers.
    """

    def __init__(self, dtype: str, target: Machine) -> None:
        self.item, self.type = ITEM_BYTES[dtype], TYPES[dtype]
        vector = min(target.vector_bytes, PANEL_BYTES)
        self.lanes = vector // self.item
        self.vectors = PANEL_BYTES // vector
        registers = 16 if target.vector_bytes == 32 else 32
        if target.vector_bytes == 16 and target.triple.startswith("x86"):
            registers = 16
        self.most_rows = max((registers - self.vectors - 1) // self.vectors, 2)
        self.most_rows = min(self.most_rows, 12)
        self.vector = f"<{self.lanes} x {self.type}>"
        self.suffix = f"v{self.lanes}f{8 * self.item}"
        self.fused = target.fused
        self.count = 0
        self.lines: list[str] = []

    def emit(self, expression: str) -> str:
        self.count += 1
        self.lines.append(f"  %t{self.count} = {expression}")
        return f"%t{self.count}"

    def put(self, line: str) -> None:
        self.lines.append(f"  {line}")

    def label(self, name: str) -> None:
        self.lines.append(f"{name}:")

    def declarations(self) -> list[str]:
        kind, mask = self.vector, f"<{self.lanes} x i1>"
        return [
            f"declare {kind} @llvm.fma.{self.suffix}({kind}, {kind}, {kind})",
            f"declare {kind} @llvm.masked.load.{self.suffix}.p0"
            f"(ptr, i32, {mask}, {kind})",
            f"declare void @llvm.masked.store.{self.suffix}.p0"
            f"({kind}, ptr, i32, {mask})",
        ]

    # ---- a tile

    def tile(self, rows: int) -> str:
        """C = alpha A B + beta D for some rows and one panel; if `fresh`, D is not read."""
        self.lines, self.count = [], 0
        parameters = (
            "ptr %a, i64 %a_row, i64 %a_step, ptr %b, i64 %inner, ptr %c, i64 %c_row, "
            f"ptr %d, i64 %d_row, {self.type} %alpha, {self.type} %beta, i1 %fresh, i64 %columns"
        )
        head = f"define internal void @tile{rows}({parameters}) #0 {{"
        self.label("entry")
        sums = self._products(rows)
        alpha, beta = self._splat("%alpha"), self._splat("%beta")
        scaled = [
            [self.emit(f"fmul {self.vector} {s}, {alpha}") for s in row] for row in sums
        ]
        whole = self.emit(f"icmp sge i64 %columns, {self.lanes * self.vectors}")
        self.put(f"br i1 {whole}, label %whole, label %part")
        for name in ("whole", "part"):
            self.label(name)
            self.put(f"br i1 %fresh, label %{name}new, label %{name}old")
            for how in ("new", "old"):
                self.label(name + how)
                masks = self._masks() if name == "part" else None
                self._write(scaled, beta if how == "old" else None, masks)
                self.put("ret void")
        return "\n".join([head, *self.lines, "}"])

    def _products(self, rows: int) -> list[list[str]]:
        """The loop over the rows of the panel; the sums of each row of the tile."""
        # One pointer for two rows: the second is reached by an index, and no pointer has
        # to wait for another (LLVM would compute one from the other: it must not know).
        starts = ["%a"]
        for _ in range(2, rows, 2):
            skipped = self.emit(f"getelementptr i8, ptr {starts[-1]}, i64 %a_row")
            start = self.emit(f"getelementptr i8, ptr {skipped}, i64 %a_row")
            starts.append(self.emit(f'call ptr asm sideeffect "", "=r,0"(ptr {start})'))
        self.put("%any = icmp sgt i64 %inner, 0")
        self.put("br i1 %any, label %again, label %done")
        self.label("again")
        names = [[f"%s{r}.{v}" for v in range(self.vectors)] for r in range(rows)]
        self.put("%k = phi i64 [ 0, %entry ], [ %k.next, %again ]")
        for p, start in enumerate(starts):
            self.put(f"%a{p} = phi ptr [ {start}, %entry ], [ %a{p}.next, %again ]")
        self.put("%row = phi ptr [ %b, %entry ], [ %row.next, %again ]")
        for name in (n for row in names for n in row):
            self.put(
                f"{name} = phi {self.vector} [ zeroinitializer, %entry ], "
                f"[ {name}.next, %again ]"
            )
        panel = []
        for v in range(self.vectors):
            place = self.emit(
                f"getelementptr i8, ptr %row, i64 {v * self.lanes * self.item}"
            )
            panel.append(
                self.emit(f"load {self.vector}, ptr {place}, align {self.item}")
            )
        for r in range(rows):
            place = f"%a{r // 2}"
            if r % 2:
                place = self.emit(f"getelementptr i8, ptr {place}, i64 %a_row")
            number = self.emit(f"load {self.type}, ptr {place}, align {self.item}")
            left = self._splat(number)
            for v, right in enumerate(panel):
                self.put(f"{names[r][v]}.next = {self._fma(left, right, names[r][v])}")
        self.put("%k.next = add i64 %k, 1")
        for p in range(len(starts)):
            self.put(f"%a{p}.next = getelementptr i8, ptr %a{p}, i64 %a_step")
        self.put(f"%row.next = getelementptr i8, ptr %row, i64 {PANEL_BYTES}")
        self.put("%more = icmp slt i64 %k.next, %inner")
        self.put("br i1 %more, label %again, label %done")
        self.label("done")
        return [
            [
                self.emit(
                    f"phi {self.vector} [ zeroinitializer, %entry ], "
                    f"[ {name}.next, %again ]"
                )
                for name in row
            ]
            for row in names
        ]

    def _fma(self, a: str, b: str, c: str) -> str:
        kind = self.vector
        if self.fused:
            arguments = f"{kind} {a}, {kind} {b}, {kind} {c}"
            return f"call {kind} @llvm.fma.{self.suffix}({arguments})"
        return f"fadd {kind} {self.emit(f'fmul {kind} {a}, {b}')}, {c}"

    def _splat(self, number: str) -> str:
        first = self.emit(
            f"insertelement {self.vector} poison, {self.type} {number}, i64 0"
        )
        zeros = f"<{self.lanes} x i32> zeroinitializer"
        return self.emit(
            f"shufflevector {self.vector} {first}, {self.vector} poison, {zeros}"
        )

    def _masks(self) -> list[str]:
        """Which lanes of each vector are columns of C."""
        kind = f"<{self.lanes} x i64>"
        first = self.emit(f"insertelement {kind} poison, i64 %columns, i64 0")
        zeros = f"<{self.lanes} x i32> zeroinitializer"
        many = self.emit(f"shufflevector {kind} {first}, {kind} poison, {zeros}")
        masks = []
        for v in range(self.vectors):
            numbers = ", ".join(f"i64 {v * self.lanes + k}" for k in range(self.lanes))
            masks.append(self.emit(f"icmp slt {kind} <{numbers}>, {many}"))
        return masks

    def _write(
        self, sums: list[list[str]], beta: str | None, masks: list[str] | None
    ) -> None:
        """Store the sums, added to beta times D, if beta is given."""
        kind, row, old_row = self.vector, "%c", "%d"
        for r, values in enumerate(sums):
            if r:
                row = self.emit(f"getelementptr i8, ptr {row}, i64 %c_row")
            if r and beta is not None:
                old_row = self.emit(f"getelementptr i8, ptr {old_row}, i64 %d_row")
            for v, value in enumerate(values):
                distance = v * self.lanes * self.item
                place = self.emit(f"getelementptr i8, ptr {row}, i64 {distance}")
                mask = masks[v] if masks else None
                if beta is not None:
                    there = self.emit(
                        f"getelementptr i8, ptr {old_row}, i64 {distance}"
                    )
                    old = self._load(there, mask)
                    value = self.emit(self._fma(old, beta, value))
                if mask is None:
                    self.put(f"store {kind} {value}, ptr {place}, align {self.item}")
                    continue
                self.put(
                    f"call void @llvm.masked.store.{self.suffix}.p0({kind} {value}, "
                    f"ptr {place}, i32 {self.item}, <{self.lanes} x i1> {mask})"
                )

    def _load(self, place: str, mask: str | None) -> str:
        if mask is None:
            return self.emit(f"load {self.vector}, ptr {place}, align {self.item}")
        return self.emit(
            f"call {self.vector} @llvm.masked.load.{self.suffix}.p0(ptr {place}, "
            f"i32 {self.item}, <{self.lanes} x i1> {mask}, {self.vector} zeroinitializer)"
        )

    # ---- the loops around

    def driver(self, name: str) -> str:
        """The loops over panels, blocks of their rows, and tiles."""
        width = self.lanes * self.vectors
        tail = [
            f"define i64 @{name}(ptr %words, i64 %begin, i64 %end) #0 {{",
            "entry:",
            *self._read_words(),
            f"  %tiles.up = add i64 %rows, {self.most_rows - 1}",
            f"  %tiles = udiv i64 %tiles.up, {self.most_rows}",
            "  %some = icmp sgt i64 %tiles, 0",
            "  %go = icmp slt i64 %begin, %end",
            "  %both = and i1 %some, %go",
            "  br i1 %both, label %start, label %leave",
            "start:",
            "  %few = udiv i64 %rows, %tiles",
            "  %extra = urem i64 %rows, %tiles",
            f"  %panel.bytes = mul i64 %inner, {PANEL_BYTES}",
            "  br label %panels",
            "panels:",
            "  %p = phi i64 [ %begin, %start ], [ %p.next, %panels.end ]",
            "  %b.far = mul i64 %p, %panel.bytes",
            "  %b.here = getelementptr i8, ptr %b, i64 %b.far",
            f"  %first = mul i64 %p, {width}",
            "  %left = sub i64 %columns, %first",
            f"  %c.far = mul i64 %first, {self.item}",
            "  %c.here = getelementptr i8, ptr %c, i64 %c.far",
            "  %d.here = getelementptr i8, ptr %d, i64 %c.far",
            "  br label %blocks",
            "blocks:",
            "  %k = phi i64 [ 0, %panels ], [ %k.next, %blocks.end ]",
            "  %rest = sub i64 %inner, %k",
            f"  %cut = icmp sgt i64 %rest, {BLOCK_ROWS}",
            f"  %length = select i1 %cut, i64 {BLOCK_ROWS}, i64 %rest",
            "  %is.first = icmp eq i64 %k, 0",
            "  %fresh = and i1 %is.first, %overwrites",
            f"  %beta.here = select i1 %is.first, {self.type} %beta, {self.type} 1.0",
            "  %d.block = select i1 %is.first, ptr %d.here, ptr %c.here",
            "  %d.step = select i1 %is.first, i64 %d_row, i64 %c_row",
            "  %a.far = mul i64 %k, %a_step",
            "  %a.block = getelementptr i8, ptr %a, i64 %a.far",
            f"  %b.down = mul i64 %k, {PANEL_BYTES}",
            "  %b.block = getelementptr i8, ptr %b.here, i64 %b.down",
            "  br label %tiles.loop",
            *self._tiles(),
            "blocks.end:",
            "  %k.next = add i64 %k, %length",
            "  %more.k = icmp slt i64 %k.next, %inner",
            "  br i1 %more.k, label %blocks, label %panels.end",
            "panels.end:",
            "  %p.next = add i64 %p, 1",
            "  %more.p = icmp slt i64 %p.next, %end",
            "  br i1 %more.p, label %panels, label %leave",
            "leave:",
            "  ret i64 0",
            "}",
        ]
        return "\n".join(tail)

    def _read_words(self) -> list[str]:
        names = {
            "a": (A, "ptr"), "b": (B, "ptr"), "c": (C, "ptr"), "a_row": (A_ROW, "i64"),
            "d": (D, "ptr"), "d_row": (D_ROW, "i64"),
            "a_step": (A_STEP, "i64"), "c_row": (C_ROW, "i64"), "rows": (ROWS, "i64"),
            "inner": (INNER, "i64"), "columns": (COLUMNS, "i64"),
        }  # fmt: skip
        lines = []
        for name, (word, kind) in names.items():
            lines += [
                f"  %at.{name} = getelementptr i64, ptr %words, i64 {word}",
                f"  %{name} = load {kind}, ptr %at.{name}",
            ]
        for name, word, pointer in (
            ("alpha", ALPHA, ALPHA_AT),
            ("beta", BETA, BETA_AT),
        ):
            lines += [
                f"  %own.{name} = getelementptr i64, ptr %words, i64 {word}",
                f"  %at.{name} = getelementptr i64, ptr %words, i64 {pointer}",
                f"  %other.{name} = load ptr, ptr %at.{name}",
                f"  %none.{name} = icmp eq ptr %other.{name}, null",
                f"  %from.{name} = select i1 %none.{name}, ptr %own.{name}, "
                f"ptr %other.{name}",
                f"  %{name} = load {self.type}, ptr %from.{name}",
            ]
        return [
            *lines,
            f"  %is.zero = fcmp oeq {self.type} %beta, 0.0",
            "  %overwrites = and i1 %is.zero, %none.beta",
        ]

    def _tiles(self) -> list[str]:
        """The loop over tiles, of `few` rows or one more, which call their function."""
        arguments = (
            "ptr %a.tile, i64 %a_row, i64 %a_step, ptr %b.block, i64 %length, "
            f"ptr %c.tile, i64 %c_row, ptr %d.tile, i64 %d.step, {self.type} %alpha, "
            f"{self.type} %beta.here, i1 %fresh, i64 %left"
        )
        cases = " ".join(
            f"i64 {r}, label %rows{r}" for r in range(1, self.most_rows + 1)
        )
        lines = [
            "tiles.loop:",
            "  %tile = phi i64 [ 0, %blocks ], [ %tile.next, %tiles.end ]",
            "  %a.tile = phi ptr [ %a.block, %blocks ], [ %a.next, %tiles.end ]",
            "  %c.tile = phi ptr [ %c.here, %blocks ], [ %c.next, %tiles.end ]",
            "  %d.tile = phi ptr [ %d.block, %blocks ], [ %d.next, %tiles.end ]",
            "  %bigger = icmp slt i64 %tile, %extra",
            "  %one = zext i1 %bigger to i64",
            "  %height = add i64 %few, %one",
            f"  switch i64 %height, label %tiles.end [ {cases} ]",
        ]
        for r in range(1, self.most_rows + 1):
            lines += [
                f"rows{r}:",
                f"  call void @tile{r}({arguments})",
                "  br label %tiles.end",
            ]
        return [
            *lines,
            "tiles.end:",
            "  %a.down = mul i64 %height, %a_row",
            "  %a.next = getelementptr i8, ptr %a.tile, i64 %a.down",
            "  %c.down = mul i64 %height, %c_row",
            "  %c.next = getelementptr i8, ptr %c.tile, i64 %c.down",
            "  %d.down = mul i64 %height, %d.step",
            "  %d.next = getelementptr i8, ptr %d.tile, i64 %d.down",
            "  %tile.next = add i64 %tile, 1",
            "  %more.tiles = icmp slt i64 %tile.next, %tiles",
            "  br i1 %more.tiles, label %tiles.loop, label %blocks.end",
        ]
