"""What brings operands of tiles into their order, and results out of it: machine code."""

from __future__ import annotations

from functools import cache

from symnet.kernels.cpu.library.tiles import RegisterTile, tile_routine
from symnet.kernels.llvm.emitted_function import EmittedFunction
from symnet.kernels.llvm.target import Target
from symnet.kernels.llvm.text import Module, iota, type_text

PART_BYTES = (
    16  # of a vector, within which x86 moves numbers with one cheap instruction
)


@cache
def transposing_tile(dtype: str, exact: bool = False) -> EmittedFunction:
    """`i64 (target, target_row, source, source_row, rows, columns)`: a block of a matrix
    transposed, with as many rows and columns as a vector has lanes, or fewer.

    The target gets whole vectors, `columns` of them; what is behind `rows` is 0, or with
    `exact` is not written.
    """

    def emit(target: Target, name: str) -> str:
        module = Module(target)
        TransposingTile(module, dtype, exact).write(name)
        return module.text()

    kind = "exact transposing tile" if exact else "transposing tile"
    return tile_routine(f"{kind} {dtype}", emit)


@cache
def copying_tile(dtype: str, vectors: int) -> EmittedFunction:
    """`i64 (target, source, source_row, rows, width, count)`: `rows` rows of a matrix, each
    of so many vectors or less, one behind the other.

    Of each row `count` numbers are read and `width` written, what is behind `count` as 0;
    `count` is not larger than `width`.
    """

    def emit(target: Target, name: str) -> str:
        module = Module(target)
        CopyingTile(module, dtype, vectors).write(name)
        return module.text()

    return tile_routine(f"copying tile {dtype} {vectors}", emit)


@cache
def shifted_sum(dtype: str) -> EmittedFunction:
    """`i64 (target, count, source, source_row, rows, shift, step, length, fresh)`: target[x]
    = (fresh ? 0 : target[x]) + the sum over r of source[r, x + shift + r step], where numbers
    outside of 0 to `length` are 0.

    source_row: bytes from row to row.
    """

    def emit(target: Target, name: str) -> str:
        module = Module(target)
        ShiftedSum(module, dtype).write(name)
        return module.text()

    return tile_routine(f"shifted sum {dtype}", emit)


class TransposingTile(RegisterTile):
    """Writes `transposing_tile`."""

    def __init__(self, module: Module, dtype: str, exact: bool = False) -> None:
        super().__init__(module, dtype)
        self.exact = exact

    def write(self, name: str) -> None:
        given = ("target", "target_row", "source", "source_row", "rows", "columns")
        target, source = (self.pointer(p) for p in ("%target", "%source"))
        # What is behind the last row is that row again, and its numbers become 0; a vector
        # behind the last column is written over by that column.
        there, mask = self.mask("%rows", 0), self.mask("%columns", 0)
        rows = [self.load(row, mask) for row in self.places(source, "source", "rows")]
        columns = (self.shuffled if self.masked else self.exchanged)(rows)
        places = self.places(target, "target", "columns")
        for place, column in reversed([*zip(places, columns, strict=True)]):
            if self.exact:
                self.store(place, column, there)
                continue
            kinds = f"{self.here().type('bool')} {there}, {self.vector}"
            value = f"{column}, {self.vector} zeroinitializer"
            self.store(place, self.writer.here().emit(f"select {kinds} {value}"))
        parameters = ", ".join(f"i64 %{name}" for name in given)
        self.writer.finish(f"define i64 @{name}({parameters})")

    def places(self, first: str, matrix: str, count: str) -> list[str]:
        """Where the rows of a matrix begin; of those behind the last, the last."""
        found = [first]
        for row in range(1, self.lanes):
            here = self.writer.here()
            more = here.emit(f"icmp sgt i64 %{count}, {row}")
            far = here.emit(f"select i1 {more}, i64 %{matrix}_row, i64 0")
            found.append(self.moved(found[-1], far))
        return found

    def shuffled(self, rows: list[str]) -> list[str]:
        """The transposed rows, where one instruction picks any numbers of two vectors: the
        rows' two halves are interleaved number by number, as often as lanes can be halved.
        The code is that of one round, and so quick to compile."""
        n = self.lanes
        pairs = [[k // 2 + n * (k % 2) for k in range(s, s + n)] for s in (0, n)]

        def round_(number: str, old: list[str]) -> tuple[str, list[str]]:
            on = self.here()
            new = [
                self.picked(on, old[k], old[k + n // 2], lanes)
                for k in range(n // 2)
                for lanes in pairs
            ]
            return self.writer.here().emit(f"add i64 {number}, 1"), new

        carried = [(self.vector, row) for row in rows]
        return self.writer.loop("0", str(n.bit_length() - 1), carried, round_)

    def exchanged(self, rows: list[str]) -> list[str]:
        """The same by what x86 has instructions for without masks (each vector has parts of
        16 bytes): first whole parts, two rows giving one of their even parts and one of their
        odd ones; then numbers within each part, where first halves of two rows are
        interleaved, and second halves."""
        n, part = self.lanes, PART_BYTES // self.item
        even = [k for k in range(2 * n) if k // part % 2 == 0]
        odd = [k + part for k in even]
        first = [
            s + k // 2 + n * (k % 2) for s in range(0, n, part) for k in range(part)
        ]
        second = [k + part // 2 for k in first]
        far = part
        while far < n:
            rows, far = self.paired(rows, far, even, odd), 2 * far
        far = part // 2
        while far:
            rows, far = self.paired(rows, far, first, second), far // 2
        return rows

    def paired(
        self, rows: list[str], far: int, lower: list[int], upper: list[int]
    ) -> list[str]:
        """Of every two rows so far from each other, these lanes of both."""
        new, on = list(rows), self.here()
        for k in (k for k in range(len(rows)) if not k & far):
            pair = rows[k], rows[k + far]
            new[k] = self.picked(on, *pair, lower)
            new[k + far] = self.picked(on, *pair, upper)
        return new


class CopyingTile(RegisterTile):
    """Writes `copying_tile`."""

    def __init__(self, module: Module, dtype: str, vectors: int) -> None:
        super().__init__(module, dtype)
        self.vectors = vectors

    def write(self, name: str) -> None:
        given = ("target", "source", "source_row", "rows", "width", "count")
        self.places = [self.pointer(name) for name in ("%target", "%source")]
        self.step = self.writer.entry.emit(f"mul i64 %width, {self.item}")
        if self.masked:
            self.copy(whole=False)
        else:  # where masks cost much, whole rows have code of their own
            here, size = self.writer.here(), self.vectors * self.lanes
            full = here.emit(f"icmp sge i64 %count, {size}")
            here.line(f"br i1 {full}, label %whole, label %part")
            for label in ("whole", "part"):
                self.writer.here().label(label)
                self.copy(whole=label == "whole")
                self.writer.here().line("br label %end")
            self.writer.here().label("end")
        parameters = ", ".join(f"i64 %{name}" for name in given)
        self.writer.finish(f"define i64 @{name}({parameters})")

    def copy(self, whole: bool) -> None:
        """The loop over the rows."""
        size, masks = self.lanes * self.item, list[tuple[str | None, str | None]]()
        for first in range(0, self.vectors * self.lanes, self.lanes):
            ends = (None, None) if whole else ("%count", "%width")
            read, written = (end and self.mask(end, first) for end in ends)
            masks.append((read, written))

        def row(number: str, places: list[str]) -> tuple[str, list[str]]:
            target, source = places
            for v, (read, written) in enumerate(masks):
                value = self.load(self.moved(source, v * size), read)
                self.store(self.moved(target, v * size), value, written)
            following = self.writer.here().emit(f"add i64 {number}, 1")
            ends = [self.moved(target, self.step), self.moved(source, "%source_row")]
            return following, ends

        self.writer.loop("0", "%rows", [("ptr", place) for place in self.places], row)


class ShiftedSum(RegisterTile):
    """Writes `shifted_sum`."""

    def write(self, name: str) -> None:
        given = (
            "target", "count", "source", "source_row", "rows", "shift", "step", "length",
            "fresh",
        )  # fmt: skip
        self.target_place, self.source = map(self.pointer, ("%target", "%source"))
        entry = self.writer.entry
        self.fresh = entry.emit("icmp ne i64 %fresh, 0")
        self.high = entry.splat("%length", "i64", self.lanes)

        def body(x: str, _: list[str]) -> tuple[str, list[str]]:
            here = self.writer.here()
            left = here.emit(f"sub i64 %count, {x}")
            mask = self.mask(left, 0)
            place = self.at(self.target_place, x)
            old = self.load(place, mask)
            on, kind = self.here(), self.vector
            zero = "zeroinitializer"
            first = on.scope.emit(
                f"select i1 {self.fresh}, {kind} {zero}, {kind} {old}"
            )
            self.store(place, self.row_sum(x, first), mask)
            return self.writer.here().emit(f"add i64 {x}, {self.lanes}"), []

        self.writer.loop("0", "%count", (), body)
        parameters = ", ".join(f"i64 %{name}" for name in given)
        self.writer.finish(f"define i64 @{name}({parameters})")

    def row_sum(self, x: str, first: str) -> str:
        """The sum over the rows, for the vector that begins at x."""
        begin = self.writer.here().emit(f"add i64 {x}, %shift")

        def row(number: str, values: list[str]) -> tuple[str, list[str]]:
            place, begin, total = values
            on = self.here()
            start = on.scope.splat(begin, "i64", self.lanes)
            kind = type_text("i64", self.lanes)
            far = on.scope.emit(f"add {kind} {start}, {iota('i64', self.lanes)}")
            # Taken as unsigned, numbers below 0 are large.
            mask = on.scope.emit(f"icmp ult {kind} {far}, {self.high}")
            value = self.load(self.at(place, begin), mask)
            total = self.here().binary("fadd", self.dtype, total, value)
            following = self.writer.here().emit(f"add i64 {number}, 1")
            begin = self.writer.here().emit(f"add i64 {begin}, %step")
            return following, [self.moved(place, "%source_row"), begin, total]

        carried = [("ptr", self.source), ("i64", begin), (self.vector, first)]
        return self.writer.loop("0", "%rows", carried, row)[2]

    def at(self, place: str, number: str) -> str:
        """The address of a number of an array."""
        return self.writer.here().emit(
            f"getelementptr {self.type}, ptr {place}, i64 {number}"
        )
