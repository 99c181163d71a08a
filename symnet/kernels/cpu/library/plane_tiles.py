"""Micro-kernels that read an image where it lies with its border, once for all taps.

A plane is a copy of an image with its border, in rows that begin at equal distances.
Where neighbours of the result meet every second number of the image there are two planes,
of even and of odd numbers, and so on (phases): neighbours meet neighbours.  So what
a tap meets is one distance from where the result stands.

Few filters are slid over planes; many are multiplied by packed rows (`tiles`), which cost a
copy for each tap.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from symnet.kernels.cpu.library.tiles import RegisterTile, tile_routine
from symnet.kernels.llvm.emitted_function import EmittedFunction
from symnet.kernels.llvm.target import Target
from symnet.kernels.llvm.text import Module, mangled, type_text


@cache
def plane_rows(dtype: str, step: int, spread: int) -> EmittedFunction:
    """`i64 (target, target_row, source, source_row, above, rows, below, left, count, length)`:
    rows of a plane: of zeros, of numbers, of zeros.  A row of numbers gets `left` zeros,
    `count` numbers and zeros up to `length`; some more are overwritten behind.

    The numbers are every `step`-th of the source, and come `spread` places apart; zeros are
    in between.  One of both is 1.  The rows are `target_row` and `source_row` bytes apart.
    """

    def emit(target: Target, name: str) -> str:
        module = Module(target)
        PlaneRows(module, dtype, step, spread).write(name)
        return module.text()

    return tile_routine(f"plane rows {dtype} {step} {spread}", emit)


@cache
def plane_tile(
    dtype: str, outputs: int, lines: int, vectors: int, lanes: int
) -> EmittedFunction:
    """`i64 (y, y_output, y_row, w, w_output, places, count, x, x_row, rows, columns,
    fresh)`: for `outputs` filters y[o, r, c] = (fresh ? 0 : y[o, r, c]) + the sum over k of
    w[o, k] x[k, r, c].

    places: `count` pairs of distances in bytes, of x[k] from x and of w[., k] from w.  Rows
    are `x_row` and `y_row` bytes apart, filters `w_output` and `y_output`; columns have no
    gaps.  rows: at least `lines`, so many are made at once, and a multiple of it where
    not fresh.  lanes: of a vector; they and
    the vectors are powers of two.  Numbers of x behind the columns may be read.
    """

    def emit(target: Target, name: str) -> str:
        module = Module(target)
        PlaneTile(module, dtype, outputs, lines, vectors, lanes).write(name)
        return module.text()

    what = f"plane tile {dtype} {outputs} {lines} {vectors} {lanes}"
    return tile_routine(what, emit)


@cache
def tap_sums(dtype: str, taps: int, lanes: int) -> EmittedFunction:
    """`i64 (sums, w, w_row, places, x, x_row, rows, columns)`: to each of `taps` vectors
    of so many lanes in `sums` is added, lane by lane, the sum over r and c of w[r, c]
    x[t, r, c].

    places: the distances of x[t] from x in bytes.  Rows are `w_row` and `x_row` bytes apart;
    columns have no gaps.
    """

    def emit(target: Target, name: str) -> str:
        module = Module(target)
        TapSums(module, dtype, taps, lanes).write(name)
        return module.text()

    return tile_routine(f"tap sums {dtype} {taps} {lanes}", emit)


@cache
def lane_sums(dtype: str, lanes: int) -> EmittedFunction:
    """`i64 (target, source, count)`: the sum of the lanes of each of `count` vectors."""

    def emit(target: Target, name: str) -> str:
        module = Module(target)
        LaneSums(module, dtype, lanes).write(name)
        return module.text()

    return tile_routine(f"lane sums {dtype} {lanes}", emit)


class PlaneTool(RegisterTile):
    """What all of these share."""

    given: tuple[str, ...]

    def __init__(self, module: Module, dtype: str, lanes: int = 0) -> None:
        """lanes: of a vector; 0: as many as there are."""
        super().__init__(module, dtype)
        self.lanes = lanes or self.lanes
        self.vector = type_text(self.type, self.lanes)

    def write(self, name: str) -> None:
        self.body()
        parameters = ", ".join(f"i64 %{name}" for name in self.given)
        self.writer.finish(f"define i64 @{name}({parameters})")

    def body(self) -> None:
        raise NotImplementedError

    def emit(self, line: str) -> str:
        return self.writer.here().emit(line)

    def at(self, place: str, number: str) -> str:
        """The address of a number of an array."""
        return self.emit(f"getelementptr {self.type}, ptr {place}, i64 {number}")

    def word(self, place: str, number: int = 0) -> str:
        """A word of a table."""
        place = self.moved(place, 8 * number)
        return self.emit(f"load i64, ptr {place}, align 8")


class PlaneRows(PlaneTool):
    """Writes `plane_rows`."""

    given = (
        "target", "target_row", "source", "source_row", "above", "rows", "below", "left",
        "count", "length",
    )  # fmt: skip

    def __init__(self, module: Module, dtype: str, step: int, spread: int) -> None:
        super().__init__(module, dtype)
        self.step, self.spread = step, spread

    def body(self) -> None:
        def row(number: str, places: list[str]) -> tuple[str, list[str]]:
            target, source = places
            self.zeros(target, "0", "%left")
            end = self.numbers(self.at(target, "%left"), source)
            begin = self.emit(f"add i64 %left, {end}")
            self.zeros(target, begin, "%length")
            ends = [self.moved(target, "%target_row")]
            ends.append(self.moved(source, "%source_row"))
            return self.emit(f"add i64 {number}, 1"), ends

        begin = self.empty_rows("%above", self.pointer("%target"))
        starts = [("ptr", begin), ("ptr", self.pointer("%source"))]
        end, _ = self.writer.loop("0", "%rows", starts, row)
        self.empty_rows("%below", end)

    def empty_rows(self, count: str, target: str) -> str:
        """Rows of zeros; where they end."""

        def row(number: str, places: list[str]) -> tuple[str, list[str]]:
            self.zeros(places[0], "0", "%length")
            end = self.moved(places[0], "%target_row")
            return self.emit(f"add i64 {number}, 1"), [end]

        return self.writer.loop("0", count, [("ptr", target)], row)[0]

    def zeros(self, target: str, begin: str, end: str) -> None:
        def body(k: str, _: list[str]) -> tuple[str, list[str]]:
            self.store(self.at(target, k), "zeroinitializer")
            return self.emit(f"add i64 {k}, {self.lanes}"), []

        self.writer.loop(begin, end, (), body)

    def numbers(self, target: str, source: str) -> str:
        """Whole vectors of numbers; where they end."""

        def vector(k: str, left: str | None) -> tuple[str, list[str]]:
            place = self.at(target, self.emit(f"mul i64 {k}, {self.spread}"))
            here = self.at(source, self.emit(f"mul i64 {k}, {self.step}"))
            value = self.gathered(here, left)
            for part in range(self.spread):
                far = part * self.lanes * self.item
                some = self.spread_out(value, part) if self.spread > 1 else value
                self.store(self.moved(place, far), some)
            return self.emit(f"add i64 {k}, {self.lanes}"), []

        # Of numbers apart, more is loaded than the last one of a vector.
        most = self.emit(f"sub i64 %count, {int(self.step > 1)}")
        pair = [("i64", most), ("i64", "0")]
        most = self.writer.here().call("llvm.smax.i64", "i64", pair)
        whole = self.writer.whole_steps("0", most, self.lanes)
        self.writer.loop("0", whole, (), lambda k, _: vector(k, None))
        left = self.emit(f"sub i64 %count, {whole}")
        self.writer.when(whole, "%count", (), lambda k, _: vector(k, left))
        vectors = self.emit(f"add i64 %count, {self.lanes - 1}")
        whole = self.emit(f"and i64 {vectors}, {-self.lanes}")
        return self.emit(f"mul i64 {whole}, {self.spread}")

    def gathered(self, source: str, left: str | None) -> str:
        """Every `step`-th number, as far as `left` of them (None: all); nothing else is read
        behind."""
        size = self.lanes
        masks: list[str | None] = [None] * self.step
        if left is not None:
            some = self.emit(f"sub i64 {left}, 1")
            reach = self.emit(f"mul i64 {some}, {self.step}")
            reach = self.emit(f"add i64 {reach}, 1")
            masks = [self.mask(reach, part * size) for part in range(self.step)]
        parts = [
            self.load(self.moved(source, part * size * self.item), mask)
            for part, mask in enumerate(masks)
        ]
        found = parts[0]
        for number, part in enumerate(parts[1:], 1):
            # Lanes before are in their places already, but for those of the first part.
            chosen = []
            for lane in range(size):
                home, far = divmod(lane * self.step, size)
                before = lane * self.step if number == 1 and home == 0 else lane
                chosen.append(size + far if home == number else before)
            found = self.picked(self.here(), found, part, chosen)
        return found

    def spread_out(self, value: str, part: int) -> str:
        """The numbers of one of `spread` vectors, zeros in between."""
        chosen = []
        for lane in range(self.lanes):
            number, rest = divmod(part * self.lanes + lane, self.spread)
            chosen.append(self.lanes if rest else number)
        return self.picked(self.here(), value, "zeroinitializer", chosen)


class PlaneTile(PlaneTool):
    """Writes `plane_tile`."""

    given = (
        "y", "y_output", "y_row", "w", "w_output", "places", "count", "x", "x_row", "rows",
        "columns", "fresh",
    )  # fmt: skip

    def __init__(
        self,
        module: Module,
        dtype: str,
        outputs: int,
        lines: int,
        vectors: int,
        lanes: int,
    ) -> None:
        super().__init__(module, dtype, lanes)
        self.outputs, self.lines, self.vectors = outputs, lines, vectors

    def body(self) -> None:
        self.y, self.w, self.x = (self.pointer(f"%{p}") for p in ("y", "w", "x"))
        self.places = self.pointer("%places")
        self.fresh = self.emit("icmp ne i64 %fresh, 0")
        size = self.lanes * self.vectors

        def row(number: str, _: list[str]) -> tuple[str, list[str]]:
            # The last rows are made again where a whole number of tiles does not fit.
            last = self.emit(f"sub i64 %rows, {self.lines}")
            first = self.writer.smaller(self.writer.here(), number, last)
            x = self.moved(self.x, self.emit(f"mul i64 {first}, %x_row"))
            y = self.moved(self.y, self.emit(f"mul i64 {first}, %y_row"))
            whole = self.writer.whole_steps("0", "%columns", size)

            def columns(at: str, _: list[str]) -> tuple[str, list[str]]:
                self.tile(self.at(y, at), self.at(x, at), [None] * self.vectors)
                return self.emit(f"add i64 {at}, {size}"), []

            def rest(at: str, _: list[str]) -> tuple[str, list[str]]:
                left = self.emit(f"sub i64 %columns, {at}")
                masks = [self.mask(left, v * self.lanes) for v in range(self.vectors)]
                self.tile(self.at(y, at), self.at(x, at), masks)
                return "", []

            self.writer.loop("0", whole, (), columns)
            self.writer.when(whole, "%columns", (), rest)
            return self.emit(f"add i64 {number}, {self.lines}"), []

        self.writer.loop("0", "%rows", (), row)

    def tile(self, y: str, x: str, masks: Sequence[str | None]) -> None:
        """One tile of every filter."""
        vectors = range(self.vectors)

        def product(k: str, names: list[str]) -> tuple[str, list[str]]:
            place, old = names[0], iter(names[1:])
            source = self.moved(x, self.word(place))
            weights = self.moved(self.w, self.word(place, 1))
            met = []
            for line in range(self.lines):
                if line:
                    source = self.moved(source, "%x_row")
                far = self.lanes * self.item
                met += [self.load(self.moved(source, v * far)) for v in vectors]
            new = []
            for output in range(self.outputs):
                if output:
                    weights = self.moved(weights, "%w_output")
                weight = self.number(weights)
                new += [self.fused(weight, one, next(old)) for one in met]
            return self.emit(f"add i64 {k}, 1"), [self.moved(place, 16), *new]

        count = self.outputs * self.lines * self.vectors
        zeros = [(self.vector, "zeroinitializer")] * count
        carried = [("ptr", self.places), *zeros]
        sums = self.writer.loop("0", "%count", carried, product)[1:]
        new, old, end = (self.writer.module.fresh(s) for s in ("new", "old", "end"))
        self.writer.here().line(f"br i1 {self.fresh}, label %{new}, label %{old}")
        for label in (new, old):
            self.writer.here().label(label)
            self.store_all(y, sums, masks, adds=label == old)
            self.writer.here().line(f"br label %{end}")
        self.writer.here().label(end)

    def store_all(
        self, y: str, sums: list[str], masks: Sequence[str | None], adds: bool
    ) -> None:
        """Store the sums of a tile, or add them."""
        left = iter(sums)
        for output in range(self.outputs):
            if output:
                y = self.moved(y, "%y_output")
            row = y
            for line in range(self.lines):
                if line:
                    row = self.moved(row, "%y_row")
                for v, mask in enumerate(masks):
                    place = self.moved(row, v * self.lanes * self.item)
                    value = next(left)
                    if adds:
                        old = self.load(place, mask)
                        value = self.here().binary("fadd", self.dtype, old, value)
                    self.store(place, value, mask)

    def number(self, place: str) -> str:
        """A number in all lanes."""
        value = self.emit(f"load {self.type}, ptr {place}, align {self.item}")
        return self.writer.here().splat(value, self.type, self.lanes)


class TapSums(PlaneTool):
    """Writes `tap_sums`."""

    given = ("sums", "w", "w_row", "places", "x", "x_row", "rows", "columns")

    def __init__(self, module: Module, dtype: str, taps: int, lanes: int) -> None:
        super().__init__(module, dtype, lanes)
        self.taps = taps

    def body(self) -> None:
        starts = [self.pointer("%w"), self.pointer("%x")]
        table, sums = self.pointer("%places"), self.pointer("%sums")
        self.places = [self.word(table, tap) for tap in range(self.taps)]
        whole = self.writer.whole_steps("0", "%columns", self.lanes)
        zeros = [(self.vector, "zeroinitializer")] * self.taps

        def row(number: str, names: list[str]) -> tuple[str, list[str]]:
            (w, x), totals = names[:2], names[2:]

            def columns(at: str, totals: list[str]) -> tuple[str, list[str]]:
                totals = self.products(self.at(w, at), self.at(x, at), totals, None)
                return self.emit(f"add i64 {at}, {self.lanes}"), totals

            def rest(at: str, totals: list[str]) -> tuple[str, list[str]]:
                mask = self.mask(self.emit(f"sub i64 %columns, {at}"), 0)
                return "", self.products(self.at(w, at), self.at(x, at), totals, mask)

            pairs = [(self.vector, total) for total in totals]
            totals = self.writer.loop("0", whole, pairs, columns)
            pairs = [(self.vector, total) for total in totals]
            totals = self.writer.when(whole, "%columns", pairs, rest)
            ends = [self.moved(w, "%w_row"), self.moved(x, "%x_row")]
            return self.emit(f"add i64 {number}, 1"), [*ends, *totals]

        carried = [*(("ptr", p) for p in starts), *zeros]
        totals = self.writer.loop("0", "%rows", carried, row)[2:]
        for tap, total in enumerate(totals):
            place = self.moved(sums, tap * self.lanes * self.item)
            old = self.load(place)
            self.store(place, self.here().binary("fadd", self.dtype, old, total))

    def products(
        self, w: str, x: str, totals: list[str], mask: str | None
    ) -> list[str]:
        """The totals with the products of one vector of every tap."""
        left = self.load(w, mask)
        met = (self.load(self.moved(x, place), mask) for place in self.places)
        return [self.fused(left, m, t) for m, t in zip(met, totals, strict=True)]


class LaneSums(PlaneTool):
    """Writes `lane_sums`."""

    given = ("target", "source", "count")

    def body(self) -> None:
        target, source = self.pointer("%target"), self.pointer("%source")
        name = f"llvm.vector.reduce.fadd.{mangled(self.type, self.lanes)}"

        def one(k: str, _: list[str]) -> tuple[str, list[str]]:
            far = self.emit(f"mul i64 {k}, {self.lanes * self.item}")
            value = self.load(self.moved(source, far))
            place, here = self.at(target, k), self.writer.here()
            parts = [(self.type, "-0.0"), (self.vector, value)]
            total = here.call(name, self.type, parts)
            here.line(f"store {self.type} {total}, ptr {place}, align {self.item}")
            return self.emit(f"add i64 {k}, 1"), []

        self.writer.loop("0", "%count", (), one)
