"""The transforms of Winograd's minimal filtering (`winograd_forms`): machine code.

Vectors run along tiles that are neighbours in a row of the image, and, of filters, along
channels.  A tile is what makes `outputs` x `outputs` numbers of the result, from `size` x
`size` of the input; the numbers of one place of all tiles make one of `size`^2 matrices.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import cache, partial

from symnet.kernels.cpu.library.tiles import RegisterTile, tile_routine
from symnet.kernels.cpu.library.winograd_forms import TAPS, Matrix, minimal_filter
from symnet.kernels.llvm.emitted_function import EmittedFunction
from symnet.kernels.llvm.target import Target
from symnet.kernels.llvm.text import Module, iota, mangled, type_text


@cache
def input_transform(dtype: str, outputs: int) -> EmittedFunction:
    """`i64 (x, x_row, x_channel, top, left, height, width, count, channels, target, row,
    matrix)`: B d B.T of `count` neighbouring tiles d of each channel.

    x: the first element of the first tile, at row `top` and column `left` of an image of
    `height` x `width`; what lies outside is 0, and is not read.  target: of the first
    matrix; its rows are channels, `row` bytes apart, the matrices `matrix` bytes.
    """
    return _made(InputTransform, dtype, outputs)


@cache
def gradient_transform(dtype: str, outputs: int) -> EmittedFunction:
    """`input_transform`, but for A.T g A of tiles g of `outputs` x `outputs` numbers that do
    not overlap."""
    return _made(GradientTransform, dtype, outputs)


@cache
def tap_transform(dtype: str, outputs: int) -> EmittedFunction:
    """`i64 (source, matrix, y, y_channel, channels)`: G.T m G for each of so many channels,
    the 3 x 3 taps of its filter; 1 if one of them is not finite, else 0.

    source: the first channel, in the first matrix; whole vectors are read.  The taps of one
    channel have no gaps.
    """
    return _made(TapTransform, dtype, outputs)


@cache
def filter_transform(dtype: str, outputs: int) -> EmittedFunction:
    """`i64 (w, w_output, w_channel, filters, channels, target, row, matrix)`: G g G.T of the 3
    x 3 taps g of each filter and channel.

    The taps have no gaps; there are at least as many channels as a vector has lanes.
    target: matrices with a row for each filter and a column for each channel.
    """
    return _made(FilterTransform, dtype, outputs)


@cache
def output_transform(dtype: str, outputs: int) -> EmittedFunction:
    """`i64 (source, matrix, y, y_row, rows, columns, count)`: A m A.T of `count` neighbouring
    tiles m; 1 if a number of them is not finite, else 0.

    source: the first tile, in the first matrix.  Of the result the first `rows` rows, and
    `columns` numbers of each, are written.
    """
    return _made(OutputTransform, dtype, outputs)


def _made(tile: type[WinogradTransform], dtype: str, outputs: int) -> EmittedFunction:
    def emit(target: Target, name: str) -> str:
        module = Module(target)
        tile(module, dtype, outputs).write(name)
        return module.text()

    return tile_routine(f"{tile.__name__} {dtype} {outputs}", emit)


class WinogradTransform(RegisterTile):
    """What the transforms share: products of a known matrix with vectors."""

    def __init__(self, module: Module, dtype: str, outputs: int) -> None:
        super().__init__(module, dtype)
        self.form = minimal_filter(outputs)
        self.outputs, self.size = outputs, self.form.size

    def write(self, name: str) -> None:
        raise NotImplementedError

    def added(self, factor: Fraction, value: str, total: str) -> str:
        """factor * value + total."""
        on = self.here()
        if abs(factor) == 1:
            how = "fadd" if factor > 0 else "fsub"
            return on.binary(how, self.dtype, total, value)
        return self.fused(on.constant(float(factor), self.dtype), value, total)

    def combined(self, factors: Sequence[Fraction], values: Sequence[str]) -> str:
        """The sum of factors times values, of which one factor is not 0."""
        terms = [(f, v) for f, v in zip(factors, values, strict=True) if f]
        terms.sort(key=lambda term: term[0] != 1)
        factor, total = terms[0]
        if factor != 1:
            on = self.here()
            constant = on.constant(float(factor), self.dtype)
            total = on.binary("fmul", self.dtype, constant, total)
        for factor, value in terms[1:]:
            total = self.added(factor, value, total)
        return total

    def by_rows(self, matrix: Matrix, values: Sequence[str]) -> list[str]:
        """The matrix of inputs or of filters times values.  Rows of opposite points are the
        sum and the difference of their even and odd terms."""
        found: list[str] = []
        while len(found) < len(matrix):
            row, following = matrix[len(found)], matrix[len(found) + 1 :][:1]
            if following != (_alternating(row),):
                found.append(self.combined(row, values))
                continue
            scale = next(factor for factor in reversed(row[1::2]) if factor)
            even = self.combined(row[::2], values[::2])
            odd = self.combined([f / scale for f in row[1::2]], values[1::2])
            found += [self.added(scale, odd, even), self.added(-scale, odd, even)]
        return found

    def by_columns(self, matrix: Matrix, values: Sequence[str]) -> list[str]:
        """The matrix of results times values.  Of opposite points even rows need the sum and
        odd rows the difference."""
        first, *pairs, last = values
        both = [list(zip(pairs[::2], pairs[1::2], strict=True))] * 2
        parts = [
            [self.here().binary(how, self.dtype, *pair) for pair in some]
            for how, some in zip(("fadd", "fsub"), both, strict=True)
        ]
        return [
            self.combined(
                (row[0], *row[1:-1:2], row[-1]), [first, *parts[number % 2], last]
            )
            for number, row in enumerate(matrix)
        ]

    def dealt(self, values: Sequence[str]) -> list[str]:
        """Numbers one after another in several vectors, dealt out to as many in turn."""
        if len(values) == 1:
            return list(values)
        on, every = self.here(), range(self.lanes)
        halves = [
            [
                self.picked(on, left, right, [2 * lane + k for lane in every])
                for left, right in zip(values[::2], values[1::2], strict=True)
            ]
            for k in range(2)
        ]
        even, odd = map(self.dealt, halves)
        return [value for pair in zip(even, odd, strict=True) for value in pair]

    def collected(self, values: Sequence[str]) -> list[str]:
        """The opposite of `dealt`."""
        if len(values) == 1:
            return list(values)
        halves = map(self.collected, (values[::2], values[1::2]))
        pairs, found, on = zip(*halves, strict=True), [], self.here()
        for even, odd in pairs:
            for first in (0, self.lanes // 2):
                lanes = range(first, first + self.lanes // 2)
                both = [n for lane in lanes for n in (lane, self.lanes + lane)]
                found.append(self.picked(on, even, odd, both))
        return found

    def columns_before(self, count: str, first: int) -> str:
        """`mask` of numbers that fit 32 bits."""
        on, kind = self.here(), type_text("i32", self.lanes)
        short = on.scope.emit(f"trunc i64 {count} to i32")
        many = on.scope.splat(short, "i32", self.lanes)
        numbers = iota("i32", self.lanes, first)
        return on.scope.emit(f"icmp slt {kind} {numbers}, {many}")

    def stored_matrices(
        self, place: str, values: Sequence[str], mask: str | None
    ) -> None:
        """Store a vector in each of the matrices."""
        for number, value in enumerate(values):
            if number:
                place = self.moved(place, "%matrix")
            self.store(place, value, mask)

    def loaded_matrices(self, place: str) -> list[list[str]]:
        """A vector of each of the matrices: column by column of what a tile is made of."""
        values = []
        for number in range(self.size**2):
            if number:
                place = self.moved(place, "%matrix")
            values.append(self.load(place))
        return [values[k :: self.size] for k in range(self.size)]

    def not_finite(self, total: str) -> str:
        """Whether one of the lanes, sums of numbers times 0, is NaN: a number."""
        on = self.here()
        wrong = on.compare("uno", self.dtype, total, "zeroinitializer")
        either = f"llvm.vector.reduce.or.{mangled('i1', self.lanes)}"
        some = on.scope.call(either, "i1", [(on.type("bool"), wrong)])
        return on.scope.emit(f"zext i1 {some} to i64")

    def tap_slots(self) -> str:
        """Memory for a vector of each tap: numbers of neighbouring channels lie apart, and
        the much code that reads or writes a vector of them is compiled once for all taps."""
        return self.writer.entry.emit(f"alloca [{TAPS * TAPS} x {self.vector}]")

    def slot(self, slots: str, number: int) -> str:
        return self.moved(slots, number * self.lanes * self.item)

    def next_tap(self, number: str, places: list[str]) -> tuple[str, list[str]]:
        """The number of the next tap; where it lies among numbers and slots."""
        following = self.writer.here().emit(f"add i64 {number}, 1")
        steps = self.item, self.lanes * self.item
        return following, [*map(self.moved, places, steps)]

    def finish(self, name: str, given: Sequence[str], end: str = "ret i64 0") -> None:
        parameters = ", ".join(f"i64 %{name}" for name in given)
        self.writer.finish(f"define i64 @{name}({parameters})", end)


class InputTransform(WinogradTransform):
    """Writes `input_transform`."""

    def __init__(self, module: Module, dtype: str, outputs: int) -> None:
        super().__init__(module, dtype, outputs)
        self.matrix = self.form.inputs

    @property
    def reach(self) -> int:
        """Rows and columns of the image that a tile is made of."""
        return len(self.matrix[0])

    def write(self, name: str) -> None:
        given = (
            "x", "x_row", "x_channel", "top", "left", "height", "width", "count",
            "channels", "target", "row", "matrix",
        )  # fmt: skip
        entry = self.writer.entry
        self.there = []  # whether each row of a tile is one of the image
        for row in range(self.reach):
            number = entry.emit(f"add i64 %top, {row}")
            self.there.append(entry.emit(f"icmp ult i64 {number}, %height"))
        # Where tiles overlap, a last one is not in the vectors that are read.
        tiles = self.lanes - (self.reach > self.outputs)
        step = tiles * self.outputs

        def block(tile: str, places: list[str]) -> tuple[str, list[str]]:
            source, target, column = places
            masks = self.masks(column)
            left = self.writer.here().emit(f"sub i64 %count, {tile}")
            kept = self.columns_before(left, 0)
            body = partial(self.channel, masks, kept)
            self.writer.loop("0", "%channels", [("ptr", p) for p in places[:2]], body)
            here = self.writer.here()
            following = here.emit(f"add i64 {tile}, {tiles}")
            source = self.moved(source, step * self.item)
            target = self.moved(target, tiles * self.item)
            return following, [source, target, here.emit(f"add i64 {column}, {step}")]

        x, target = map(self.pointer, ("%x", "%target"))
        carried = [("ptr", x), ("ptr", target), ("i64", "%left")]
        self.writer.loop("0", "%count", carried, block)
        self.finish(name, given)

    def masks(self, column: str) -> list[list[str]]:
        """For each row of a tile, which lanes of its vectors lie in the image."""
        on, kind = self.here(), type_text("i32", self.lanes)
        short = [on.scope.emit(f"trunc i64 {n} to i32") for n in (column, "%width")]
        begin, width = (on.scope.splat(n, "i32", self.lanes) for n in short)
        rows = [on.scope.splat(there, "i1", self.lanes) for there in self.there]
        masks = []
        for vector in range(self.outputs):
            first = iota("i32", self.lanes, vector * self.lanes)
            numbers = on.scope.emit(f"add {kind} {begin}, {first}")
            # Taken as unsigned, numbers below 0 are large.
            masks.append(on.scope.emit(f"icmp ult {kind} {numbers}, {width}"))
        return [
            [on.scope.emit(f"and {on.type('bool')} {mask}, {row}") for mask in masks]
            for row in rows
        ]

    def channel(
        self, masks: list[list[str]], kept: str, index: str, places: list[str]
    ) -> tuple[str, list[str]]:
        """The tiles of a block in one channel: columns first, where vectors are rows of the
        image; then rows, where each vector has one place of all tiles."""
        source, target = places
        lines = []
        for row in masks:
            steps = range(0, len(row) * self.lanes * self.item, self.lanes * self.item)
            pairs = zip(steps, row, strict=True)
            lines.append([self.load(self.moved(source, n), mask) for n, mask in pairs])
            source = self.moved(source, "%x_row")
        columns = [self.by_rows(self.matrix, column) for column in zip(*lines)]
        values, around = [], [*range(1, self.lanes), 0]
        for line in zip(*columns, strict=True):
            dealt, on = self.dealt(line), self.here()
            beside = dealt[: self.reach - self.outputs]
            dealt += [self.picked(on, v, v, around) for v in beside]
            values += self.by_rows(self.matrix, dealt)
        self.stored_matrices(target, values, kept)
        following = self.writer.here().emit(f"add i64 {index}, 1")
        ends = [self.moved(places[0], "%x_channel"), self.moved(target, "%row")]
        return following, ends


class GradientTransform(InputTransform):
    """Writes `gradient_transform`."""

    def __init__(self, module: Module, dtype: str, outputs: int) -> None:
        super().__init__(module, dtype, outputs)
        self.matrix = transposed(self.form.results)


class FilterTransform(WinogradTransform):
    """Writes `filter_transform`."""

    def write(self, name: str) -> None:
        given = (
            "w", "w_output", "w_channel", "filters", "channels", "target", "row", "matrix",
        )  # fmt: skip
        entry, kind = self.writer.entry, type_text("i64", self.lanes)
        step = entry.splat("%w_channel", "i64", self.lanes)
        self.steps = entry.emit(f"mul {kind} {step}, {iota('i64', self.lanes)}")
        # The last vector ends with the last channel: some are made twice.
        self.last = entry.emit(f"sub i64 %channels, {self.lanes}")
        self.slots = self.tap_slots()

        def one(number: str, places: list[str]) -> tuple[str, list[str]]:
            body = partial(self.vector_of_channels, places)
            self.writer.loop("0", "%channels", (), body)
            following = self.writer.here().emit(f"add i64 {number}, 1")
            ends = zip(places, ("%w_output", "%row"), strict=True)
            return following, [self.moved(p, distance) for p, distance in ends]

        carried = [("ptr", self.pointer(p)) for p in ("%w", "%target")]
        self.writer.loop("0", "%filters", carried, one)
        self.finish(name, given)

    def vector_of_channels(
        self, places: list[str], index: str, _: list[str]
    ) -> tuple[str, list[str]]:
        here = self.writer.here()
        channel = self.writer.smaller(here, index, self.last)
        far = here.emit(f"mul i64 {channel}, %w_channel")

        def tap(number: str, places: list[str]) -> tuple[str, list[str]]:
            self.store(places[1], self.gathered(places[0]))
            return self.next_tap(number, places)

        carried = [("ptr", self.moved(places[0], far)), ("ptr", self.slots)]
        self.writer.loop("0", str(TAPS * TAPS), carried, tap)
        taps = [self.load(self.slot(self.slots, k)) for k in range(TAPS * TAPS)]
        columns = [self.by_rows(self.form.filters, taps[k::TAPS]) for k in range(TAPS)]
        values = []
        for line in zip(*columns, strict=True):
            values += self.by_rows(self.form.filters, line)
        distance = self.writer.here().emit(f"mul i64 {channel}, {self.item}")
        self.stored_matrices(self.moved(places[1], distance), values, None)
        return self.writer.here().emit(f"add i64 {index}, {self.lanes}"), []

    def gathered(self, place: str) -> str:
        """The same tap of neighbouring channels."""
        scope, kind = self.writer.here(), type_text("ptr", self.lanes)
        steps = f"{type_text('i64', self.lanes)} {self.steps}"
        places = scope.emit(f"getelementptr i8, ptr {place}, {steps}")
        name = f"llvm.masked.gather.{mangled(self.type, self.lanes)}.v{self.lanes}p0"
        every = (type_text("i1", self.lanes), "splat (i1 true)")
        none = (self.vector, "zeroinitializer")
        align = ("i32", str(self.item))
        return scope.call(name, self.vector, [(kind, places), align, every, none])


class TapTransform(WinogradTransform):
    """Writes `tap_transform`."""

    def write(self, name: str) -> None:
        given = ("source", "matrix", "y", "y_channel", "channels")
        entry, kind = self.writer.entry, type_text("i64", self.lanes)
        step = entry.splat("%y_channel", "i64", self.lanes)
        self.steps = entry.emit(f"mul {kind} {step}, {iota('i64', self.lanes)}")
        far = entry.emit(f"mul i64 %y_channel, {self.lanes}")
        slots = self.tap_slots()

        def vector(channel: str, values: list[str]) -> tuple[str, list[str]]:
            source, y, total = values
            left = self.writer.here().emit(f"sub i64 %channels, {channel}")
            taps, mask = self.taps(source), self.columns_before(left, 0)
            on = self.here()
            zero = on.constant(0.0, self.dtype)
            check = "zeroinitializer"
            for number, value in enumerate(taps):
                self.store(self.slot(slots, number), value)
                check = self.fused(value, zero, check)

            def tap(number: str, places: list[str]) -> tuple[str, list[str]]:
                self.scattered(places[0], self.load(places[1]), mask)
                return self.next_tap(number, places)

            carried = [("ptr", y), ("ptr", slots)]
            self.writer.loop("0", str(TAPS * TAPS), carried, tap)
            on = self.here()
            inside = on.select(mask, self.dtype, check, "zeroinitializer")
            total = on.binary("fadd", self.dtype, total, inside)
            following = self.writer.here().emit(f"add i64 {channel}, {self.lanes}")
            source = self.moved(source, self.lanes * self.item)
            return following, [source, self.moved(y, far), total]

        source, y = map(self.pointer, ("%source", "%y"))
        carried = [("ptr", source), ("ptr", y), (self.vector, "zeroinitializer")]
        total = self.writer.loop("0", "%channels", carried, vector)[2]
        self.finish(name, given, f"ret i64 {self.not_finite(total)}")

    def taps(self, source: str) -> list[str]:
        """The taps of a vector of channels, row by row."""
        matrix = transposed(self.form.filters)
        lines = [self.by_columns(matrix, line) for line in self.loaded_matrices(source)]
        found = []
        for line in zip(*lines, strict=True):
            found += self.by_columns(matrix, line)
        return found

    def scattered(self, place: str, value: str, mask: str) -> None:
        """Store the same tap of neighbouring channels."""
        scope, kind = self.writer.here(), type_text("ptr", self.lanes)
        steps = f"{type_text('i64', self.lanes)} {self.steps}"
        places = scope.emit(f"getelementptr i8, ptr {place}, {steps}")
        name = f"llvm.masked.scatter.{mangled(self.type, self.lanes)}.v{self.lanes}p0"
        masked, align = (type_text("i1", self.lanes), mask), ("i32", str(self.item))
        scope.call_void(name, [(self.vector, value), (kind, places), align, masked])


class OutputTransform(WinogradTransform):
    """Writes `output_transform`."""

    def write(self, name: str) -> None:
        given = ("source", "matrix", "y", "y_row", "rows", "columns", "count")
        step = self.lanes * self.outputs

        def block(tile: str, values: list[str]) -> tuple[str, list[str]]:
            source, y, columns, *sums = values
            sums = self.tiles(source, y, columns, sums)
            here = self.writer.here()
            following = here.emit(f"add i64 {tile}, {self.lanes}")
            source = self.moved(source, self.lanes * self.item)
            y = self.moved(y, step * self.item)
            columns = here.emit(f"sub i64 {columns}, {step}")
            return following, [source, y, columns, *sums]

        zero = (self.vector, "zeroinitializer")
        source, y = map(self.pointer, ("%source", "%y"))
        carried = [("ptr", source), ("ptr", y), ("i64", "%columns"), zero]
        total = self.writer.loop("0", "%count", carried, block)[3]
        self.finish(name, given, f"ret i64 {self.not_finite(total)}")

    def tiles(self, source: str, y: str, columns: str, sums: list[str]) -> list[str]:
        """One vector of tiles.  To the sums its numbers are added, times 0: what is not
        finite makes them NaN."""
        lines = [
            self.by_columns(self.form.results, line)
            for line in self.loaded_matrices(source)
        ]
        starts = range(0, self.outputs * self.lanes, self.lanes)
        masks = [self.columns_before(columns, first) for first in starts]
        checks = ["zeroinitializer"] * self.outputs
        for row, line in enumerate(zip(*lines, strict=True)):
            numbers = self.collected(self.by_columns(self.form.results, line))
            zero = self.here().constant(0.0, self.dtype)
            pairs = zip(numbers, checks, strict=True)
            checks = [self.fused(number, zero, check) for number, check in pairs]
            stored = partial(self.row, y, numbers, masks)
            self.writer.when(str(row), "%rows", (), stored)
            y = self.moved(y, "%y_row")
        (total,), on = sums, self.here()
        for mask, check in zip(masks, checks, strict=True):
            inside = on.select(mask, self.dtype, check, "zeroinitializer")
            total = on.binary("fadd", self.dtype, total, inside)
        return [total]

    def row(
        self, y: str, numbers: list[str], masks: list[str], *_: object
    ) -> tuple[str, list[str]]:
        for number, mask in zip(numbers, masks, strict=True):
            self.store(y, number, mask)
            y = self.moved(y, self.lanes * self.item)
        return "", []


def _alternating(row: Sequence[Fraction]) -> tuple[Fraction, ...]:
    """A row with its odd numbers negated: of the opposite point."""
    return tuple(-f if k % 2 else f for k, f in enumerate(row))


def transposed(matrix: Matrix) -> Matrix:
    return tuple(zip(*matrix, strict=True))
