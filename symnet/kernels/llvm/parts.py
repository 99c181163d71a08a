"""Reductions to single values, cut into parts that are merged in an order of their own."""

from __future__ import annotations

from symnet.kernels.llvm.accumulate import Passes, flatten, unflatten
from symnet.kernels.llvm.accumulators import Accumulator
from symnet.kernels.llvm.lanes import Lanes
from symnet.kernels.llvm.loop_nest import BLOCK, ITEM
from symnet.kernels.llvm.text import MEMORY, REGISTER
from symnet.kernels.llvm.warps import States, Warp
from symnet.kernels.llvm.work_items import product_of, split_item
from symnet.kernels.variants import WARP


class Parts:
    """Writes one part, and what merges all of them."""

    def __init__(self, passes: Passes) -> None:
        self.passes, self.block, self.writer = passes, passes.block, passes.writer

    def write_items(self) -> None:
        """The parts %begin to %end."""

        def body(part: str, _: list[str]) -> tuple[str, list[str]]:
            self.one_part(part)
            return self.writer.here().emit(f"add i64 {part}, 1"), []

        self.writer.loop("%begin", "%end", (), body)

    def go_to(self, point: str) -> None:
        """The counters of the kept dimensions, at one of their points."""
        extents = self.extents
        places = split_item(self.writer, point, extents) if extents else []
        self.block.counters.update(enumerate(places))
        self.block.open(ITEM)
        self.block.open(BLOCK)

    def one_part(self, item: str) -> None:
        """Reduce one part and leave its results in the scratch memory."""
        parts, here = self.count(), self.writer.here()
        part = here.emit(f"urem i64 {item}, {parts}")
        self.go_to(here.emit(f"udiv i64 {item}, {parts}"))
        here = self.writer.here()
        low = here.emit(f"mul i64 {part}, {self.size}")
        far = here.emit(f"add i64 {low}, {self.size}")
        high = self.writer.smaller(here, far, self.first_size())
        totals = self.passes.one_pass(0, (low, high))
        here = self.writer.here()
        accumulators = self.passes.accumulators(0)
        for k, (a, copies) in enumerate(zip(accumulators, totals, strict=True)):
            on = Lanes(here, a.lanes)
            (state,) = self.passes.finished(a, on, copies)
            for place, (dtype, value) in enumerate(
                zip(a.running_dtypes, state, strict=True)
            ):
                slot = self.slot(item, k, place)
                here = self.writer.here()
                if dtype == "bool":
                    value = here.emit(f"zext i1 {value} to i8")
                here.line(f"store {stored(dtype)} {value}, ptr {slot}")

    def combine_all(self) -> None:
        """Merge the parts of one point after the other."""
        warp = Warp(self.writer)

        def body(point: str, _: list[str]) -> tuple[str, list[str]]:
            self.combine(warp, point)
            return self.writer.here().emit(f"add i64 {point}, 1"), []

        self.writer.loop("0", self.points, (), body)

    def combine(self, warp: Warp, point: str) -> None:
        """Merge the parts of a point, then store the outputs: each lane of a warp takes every
        32nd part, then what the lanes have is merged in their order."""
        self.go_to(point)
        accumulators = [Accumulator(n, 0) for n in self.passes.nest.reductions(0)]
        parts = self.count()
        first = self.writer.here().emit(f"mul i64 {point}, {parts}")
        totals = warp.in_order(
            accumulators,
            self.writer.smaller(self.writer.here(), parts, str(WARP)),
            lambda: self.every(accumulators, warp.lane, first, parts),
        )
        scope = self.block.open(BLOCK + 1)
        for a, total in zip(accumulators, totals, strict=True):
            scope.values[a.node] = (a.finish(Lanes(scope, 0), total)[-1],)
        self.passes.outputs.store(self.passes.plan.after, warp.meet)

    def every(
        self, accumulators: list[Accumulator], lane: str, first: str, parts: str
    ) -> States:
        """The parts `lane`, `lane` + 32, ... merged, of which `first` has the number 0."""
        here = self.writer.here()
        start: States = [
            [a.start(Lanes(here, 0), a.total_dtypes)] for a in accumulators
        ]

        def body(index: str, names: list[str]) -> tuple[str, list[str]]:
            totals = unflatten(start, names)
            item = self.writer.here().emit(f"add i64 {first}, {index}")
            part = self.read(accumulators, item)
            merged = self.passes.merge(accumulators, totals, part)
            following = self.writer.here().emit(f"add i64 {index}, {WARP}")
            return following, flatten(merged)

        kinds = [REGISTER[dtype] for a in accumulators for dtype in a.total_dtypes]
        carried = list(zip(kinds, flatten(start), strict=True))
        return unflatten(start, self.writer.loop(lane, parts, carried, body))

    def count(self) -> str:
        """How many parts there are."""
        here = self.writer.here()
        rounded = here.emit(f"add i64 {self.first_size()}, {self.size}")
        return here.emit(f"sdiv i64 {here.emit(f'sub i64 {rounded}, 1')}, {self.size}")

    def read(self, accumulators: list[Accumulator], part: str) -> States:
        """What a part has left."""
        states: States = []
        for k, a in enumerate(accumulators):
            values = []
            for place, dtype in enumerate(a.running_dtypes):
                slot = self.slot(part, k, place)
                here = self.writer.here()
                value = here.emit(f"load {stored(dtype)}, ptr {slot}")
                if dtype == "bool":
                    value = here.emit(f"trunc i8 {value} to i1")
                values.append(value)
            states.append([tuple(values)])
        return states

    def slot(self, part: str, reduction: int, place: int) -> str:
        """Where a part keeps a value of a reduction."""
        here = self.writer.here()
        count = len(self.passes.nest.reductions(0))
        words = here.emit(f"mul i64 {part}, {2 * count}")
        word = here.emit(f"add i64 {words}, {2 * reduction + place}")
        base = here.emit(f"inttoptr i64 {self.block.last_word(1)} to ptr")
        return here.emit(f"getelementptr i64, ptr {base}, i64 {word}")

    @property
    def extents(self) -> list[str]:
        """Sizes of the kept dimensions."""
        return [self.block.size(k) for k in range(len(self.passes.variant.kept))]

    @property
    def points(self) -> str:
        """Points of the kept dimensions."""
        return product_of(self.writer, self.extents) if self.extents else "1"

    @property
    def size(self) -> str:
        """Positions of the first reduced dimension in one part."""
        return self.block.last_word(0)

    def first_size(self) -> str:
        """All positions of the first reduced dimension."""
        return self.block.size(len(self.passes.variant.kept))


def stored(dtype: str) -> str:
    """The type of a running value in the scratch memory: float16 is not rounded."""
    return MEMORY[dtype] if dtype == "bool" else REGISTER[dtype]
