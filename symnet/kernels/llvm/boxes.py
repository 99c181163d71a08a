"""Parts of what is reduced: boxes, which have a range of each reduced dimension."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from symnet.kernels.llvm.accumulators import Accumulator, State
from symnet.kernels.llvm.blocks import Block
from symnet.kernels.llvm.function_writer import product_of, split_item
from symnet.kernels.llvm.lanes import Lanes
from symnet.kernels.llvm.text import REGISTER, Scope
from symnet.kernels.variants import WARP

# Of each reduced dimension the first position, and the one behind the last.
Bounds = Sequence[tuple[str, str]]


class Boxes:
    """Writes how many parts there are, and where they lie."""

    def __init__(self, block: Block) -> None:
        self.block, self.writer = block, block.writer
        first = len(block.variant.kept)
        self.dimensions = range(first, first + len(block.variant.reduced))

    def counts(self) -> list[str]:
        """Parts side by side along each reduced dimension."""
        entry, counts = self.writer.entry, []
        for r, dimension in enumerate(self.dimensions):
            key = ("boxes", r)
            if key not in entry.made:
                piece = self.block.last_word(r)
                far = entry.emit(f"add i64 {self.block.size(dimension)}, {piece}")
                last = entry.emit(f"sub i64 {far}, 1")
                entry.made[key] = entry.emit(f"sdiv i64 {last}, {piece}")
            counts.append(entry.made[key])
        return counts

    def count(self) -> str:
        """All parts of a point."""
        return product_of(self.writer, self.counts())

    def bounds(self, part: str) -> Bounds:
        """Where a part lies."""
        found = []
        places = split_item(self.writer, part, self.counts())
        here = self.writer.here()
        for r, place in enumerate(places):
            piece, size = self.block.last_word(r), self.block.size(self.dimensions[r])
            low = here.emit(f"mul i64 {place}, {piece}")
            far = here.emit(f"add i64 {low}, {piece}")
            found.append((low, self.writer.smaller(here, far, size)))
        return found

    def merged(
        self,
        accumulators: Sequence[Accumulator],
        part: Callable[[Bounds], Sequence[State]],
    ) -> list[State]:
        """What all parts of a point have accumulated, each by `part`, in the order in which
        `parts.Parts` merges them: every 32nd part, then these 32 totals."""
        count, totals = self.count(), Totals(self.block, accumulators)
        totals.clear()

        def body(number: str, _: list[str]) -> tuple[str, list[str]]:
            states = part(self.bounds(number))
            here = self.writer.here()
            lane = here.emit(f"and i64 {number}, {WARP - 1}")
            old = totals.read(here, lane)
            on = Lanes(here, 0)
            new = [
                a.merge(on, total, state)
                for a, total, state in zip(accumulators, old, states, strict=True)
            ]
            totals.write(here, lane, new)
            return self.writer.here().emit(f"add i64 {number}, 1"), []

        self.writer.loop("0", count, (), body)
        return totals.in_order(
            self.writer.smaller(self.writer.here(), count, str(WARP))
        )


class Totals:
    """Memory for what the lanes of a warp have accumulated, on the stack."""

    def __init__(self, block: Block, accumulators: Sequence[Accumulator]) -> None:
        self.writer, self.accumulators = block.writer, accumulators
        self.slots = [
            [
                block.writer.entry.emit(f"alloca [{WARP} x {REGISTER[dtype]}]")
                for dtype in a.total_dtypes
            ]
            for a in accumulators
        ]

    def clear(self) -> None:
        def body(lane: str, _: list[str]) -> tuple[str, list[str]]:
            here = self.writer.here()
            self.write(here, lane, self.starts(here))
            return here.emit(f"add i64 {lane}, 1"), []

        self.writer.loop("0", str(WARP), (), body)

    def starts(self, here: Scope) -> list[State]:
        on = Lanes(here, 0)
        return [a.start(on, a.total_dtypes) for a in self.accumulators]

    def read(self, here: Scope, lane: str) -> list[State]:
        return [
            tuple(
                here.emit(
                    f"load {REGISTER[dtype]}, ptr {place(here, dtype, slot, lane)}"
                )
                for dtype, slot in zip(a.total_dtypes, slots, strict=True)
            )
            for a, slots in zip(self.accumulators, self.slots, strict=True)
        ]

    def write(self, here: Scope, lane: str, totals: Sequence[State]) -> None:
        for a, slots, total in zip(self.accumulators, self.slots, totals, strict=True):
            for dtype, slot, value in zip(a.total_dtypes, slots, total, strict=True):
                where = place(here, dtype, slot, lane)
                here.line(f"store {REGISTER[dtype]} {value}, ptr {where}")

    def in_order(self, lanes: str) -> list[State]:
        """The first `lanes` totals, finished and merged one after the other."""
        start = self.starts(self.writer.here())

        def body(lane: str, names: list[str]) -> tuple[str, list[str]]:
            here, left = self.writer.here(), iter(names)
            on, merged = Lanes(here, 0), list[str]()
            states = self.read(here, lane)
            for a, state in zip(self.accumulators, states, strict=True):
                total = tuple(next(left) for _ in a.total_dtypes)
                merged += a.merge(on, total, a.finish(on, state))
            return here.emit(f"add i64 {lane}, 1"), merged

        kinds = [REGISTER[dtype] for a in self.accumulators for dtype in a.total_dtypes]
        first = [name for state in start for name in state]
        ends = iter(
            self.writer.loop("0", lanes, list(zip(kinds, first, strict=True)), body)
        )
        on = Lanes(self.writer.here(), 0)
        return [
            a.finish(on, tuple(next(ends) for _ in a.total_dtypes))
            for a in self.accumulators
        ]


def place(scope: Scope, dtype: str, slot: str, lane: str) -> str:
    return scope.emit(f"getelementptr {REGISTER[dtype]}, ptr {slot}, i64 {lane}")
