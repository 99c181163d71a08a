"""The loop over work items, with vectors for points: what one thread of a CPU is given."""

from __future__ import annotations

from collections.abc import Sequence

from symnet.kernels.llvm.accumulate import Passes
from symnet.kernels.llvm.bands import Bands
from symnet.kernels.llvm.function_writer import product_of, split_item
from symnet.kernels.llvm.lane_loops import lane_loops
from symnet.kernels.llvm.loop_nest import BLOCK, ITEM
from symnet.kernels.variants import is_tiled, item_lanes


class WorkItems:
    """Writes the items %begin to %end.

    blocked: an item is a piece of the last kept dimension, not a point of it; tiled: the
    next item is the next row, not the next piece (see `schedule.is_tiled`).
    """

    def __init__(self, passes: Passes) -> None:
        self.passes, self.block, self.writer = passes, passes.block, passes.writer
        self.variant = passes.variant
        self.scattering = passes.nest.scattering
        self.bands = Bands(passes)
        self.blocked = self.variant.lanes in ("kept", "one")
        self.tiled = is_tiled(self.variant) and not self.scattering

    def write(self) -> None:
        begin, end, extents = self.extents()
        if len(extents) == 1 and self.blocked:
            self.block.open(ITEM)
            self.blocks(begin, end)
            return
        go = self.writer.entry.emit(f"icmp slt i64 {begin}, {end}")
        fresh = self.writer.module.fresh
        work, nothing = fresh("work"), fresh("nothing")
        here = self.writer.here()
        here.line(f"br i1 {go}, label %{work}, label %{nothing}")
        here.label(work)
        first = split_item(self.writer, begin, extents)

        def one_item(item: str, places: list[str]) -> tuple[str, list[str]]:
            self.block.open(ITEM)
            outer = places[1:] if self.tiled else places
            self.block.counters.update(enumerate(outer))
            if self.blocked and not self.tiled:
                return self.rest_of_row(item, end, places, extents)
            if self.tiled:
                stop = self.writer.here().emit(f"add i64 {places[0]}, 1")
                self.blocks(places[0], stop)
            else:
                self.block.open(BLOCK)
                self.passes.point()
            following = self.writer.here().emit(f"add i64 {item}, 1")
            return following, self.advance(places, extents)

        self.writer.loop(begin, end, [("i64", place) for place in first], one_item)
        here = self.writer.here()
        here.line(f"br label %{nothing}")
        here.label(nothing)

    def item_lanes(self) -> str:
        """Lanes in one work item, which for bands is one of them."""
        return (
            self.bands.lanes if self.variant.banded else str(item_lanes(self.variant))
        )

    def extents(self) -> tuple[str, str, list[str]]:
        """The items to do, and how many there are along each dimension: blocks of lanes
        instead of positions in the last one, which comes first where it is `tiled`."""
        entry = self.writer.entry
        extents = [self.block.size(k) for k in range(len(self.variant.kept))]
        if self.blocked:
            lanes = self.item_lanes()
            rounded = entry.emit(f"add i64 {extents[-1]}, {lanes}")
            rounded = entry.emit(f"sub i64 {rounded}, 1")
            extents[-1] = entry.emit(f"udiv i64 {rounded}, {lanes}")
        if self.tiled:
            extents = [extents[-1], *extents[:-1]]
        if not self.scattering:
            return "%begin", "%end", extents
        # One item, cut here: writes follow one another.
        return "0", product_of(self.writer, extents), extents

    def advance(self, places: Sequence[str], extents: Sequence[str]) -> list[str]:
        """The counters one item further."""
        here = self.writer.here()
        carry, result = "1", []
        for place, extent in zip(
            reversed(places[1:]), reversed(extents[1:]), strict=True
        ):
            more = here.emit(f"add i64 {place}, {carry}")
            over = here.emit(f"icmp sge i64 {more}, {extent}")
            result.append(here.emit(f"select i1 {over}, i64 0, i64 {more}"))
            carry = here.emit(f"zext i1 {over} to i64")
        result.append(here.emit(f"add i64 {places[0]}, {carry}"))
        return result[::-1]

    def rest_of_row(
        self, item: str, end: str, places: list[str], extents: Sequence[str]
    ) -> tuple[str, list[str]]:
        """The items that lie in one row of the last kept dimension."""
        here = self.writer.here()
        left = here.emit(f"sub i64 {end}, {item}")
        rest = here.emit(f"sub i64 {extents[-1]}, {places[-1]}")
        count = self.writer.smaller(here, left, rest)
        stop = here.emit(f"add i64 {places[-1]}, {count}")
        self.blocks(places[-1], stop)
        following = self.writer.here().emit(f"add i64 {item}, {count}")
        # The next item, if there is one, begins the next row.
        last = self.writer.here().emit(f"sub i64 {extents[-1]}, 1")
        return following, self.advance([*places[:-1], last], extents)

    def blocks(self, first: str, stop: str) -> None:
        """The work items `first` to `stop` of one row."""
        here = self.writer.here()
        lanes, size = self.item_lanes(), self.block.size(len(self.variant.kept) - 1)
        low = here.emit(f"mul i64 {first}, {lanes}")
        far = here.emit(f"mul i64 {stop}, {lanes}")
        high = self.writer.smaller(here, far, size)
        if not self.variant.banded:
            vectors = self.passes.plan.vectors
            lane_loops(self.block, low, high, vectors, self.passes.point)
            return

        def body(start: str, _: list[str]) -> tuple[str, list[str]]:
            here = self.writer.here()
            following = here.emit(f"add i64 {start}, {lanes}")
            self.bands.band(start, self.writer.smaller(here, following, high))
            return following, []

        self.writer.loop(low, high, (), body)
