"""What brings operands of tiles into their order, and results out of it: machine code."""

from __future__ import annotations

from functools import cache, partial

from symnet.kernels.cpu.library.tiles import RegisterTile, tile_routine
from symnet.kernels.llvm.object_code import Routine
from symnet.kernels.llvm.target import Target
from symnet.kernels.llvm.text import Module, iota, type_text


@cache
def transposing_tile(dtype: str) -> Routine:
    """`i64 (target, target_row, source, source_row, rows, columns)`: a block of a matrix
    transposed, with as many rows and columns as a vector has lanes, or fewer.

    The target gets whole vectors, `columns` of them; what is behind `rows` is 0.
    """

    def emit(target: Target, name: str) -> str:
        module = Module(target)
        TransposingTile(module, dtype).write(name)
        return module.text()

    return tile_routine(f"transposing tile {dtype}", emit)


@cache
def shifted_sum(dtype: str) -> Routine:
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

    def write(self, name: str) -> None:
        given = ("target", "target_row", "source", "source_row", "rows", "columns")
        self.source, self.target_place = map(self.pointer, ("%source", "%target"))
        masks = self.mask("%columns", 0)
        for row, value in enumerate(self.exchanged(self.rows(masks))):
            self.writer.when(str(row), "%columns", (), partial(self.put, row, value))
        parameters = ", ".join(f"i64 %{name}" for name in given)
        self.writer.finish(f"define i64 @{name}({parameters})")

    def put(self, row: int, value: str, *_: object) -> tuple[str, list[str]]:
        self.store(self.target_row(row), value)
        return "", []

    def target_row(self, row: int) -> str:
        distance = self.writer.here().emit(f"mul i64 %target_row, {row}")
        return self.moved(self.target_place, distance)

    def rows(self, mask: str) -> list[str]:
        """The rows of the source, as far as there are any."""
        found = []
        for row in range(self.lanes):
            here = self.here()
            distance = here.scope.emit(f"mul i64 %source_row, {row}")
            there = here.scope.emit(f"icmp sgt i64 %rows, {row}")
            some = here.scope.splat(there, "i1", self.lanes)
            lanes = here.scope.emit(f"and {here.type('bool')} {mask}, {some}")
            found.append(self.load(self.moved(self.source, distance), lanes))
        return found

    def exchanged(self, rows: list[str]) -> list[str]:
        """The transposed rows: blocks of half the size are exchanged at each stage."""
        size = self.lanes // 2
        while size:
            new = list(rows)
            for k in (k for k in range(self.lanes) if not k & size):
                low = [
                    j if not j & size else self.lanes + j - size
                    for j in range(self.lanes)
                ]
                on, pair = self.here(), (rows[k], rows[k + size])
                new[k] = self.picked(on, *pair, low)
                new[k + size] = self.picked(on, *pair, [j + size for j in low])
            rows, size = new, size // 2
        return rows


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
