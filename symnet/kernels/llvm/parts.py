"""What is reduced, cut into parts that are merged in an order of their own.

Where there are several passes (softmax of a long row), each has a function for its parts and
one that merges them: what it found waits in memory for the passes that follow.
"""

from __future__ import annotations

from symnet.kernels.llvm.accumulate import Passes, flatten, unflatten
from symnet.kernels.llvm.accumulators import Accumulator
from symnet.kernels.llvm.boxes import Boxes
from symnet.kernels.llvm.function_writer import product_of, split_item
from symnet.kernels.llvm.lanes import Lanes
from symnet.kernels.llvm.loop_nest import BLOCK, ITEM
from symnet.kernels.llvm.text import MEMORY, REGISTER
from symnet.kernels.llvm.warps import States, Warp
from symnet.kernels.variants import WARP


class Parts:
    """Writes the functions of a pass: one part, and what merges all of them.

    done: the passes that are over before.  What these have found lies in memory.
    """

    def __init__(self, passes: Passes, done: int) -> None:
        self.passes, self.block, self.writer = passes, passes.block, passes.writer
        self.done, self.boxes = done, Boxes(passes.block)
        every = [node for node in passes.nest.nodes if node.op == "reduce"]
        self.numbers = {node: k for k, node in enumerate(every)}

    def write_items(self) -> None:
        """The parts %begin to %end."""

        def body(part: str, _: list[str]) -> tuple[str, list[str]]:
            self.one_part(part)
            return self.writer.here().emit(f"add i64 {part}, 1"), []

        self.writer.loop("%begin", "%end", (), body)

    def go_to(self, point: str) -> None:
        """The counters of the kept dimensions, at one of their points; what earlier passes
        have found there is known."""
        extents = self.extents
        places = split_item(self.writer, point, extents) if extents else []
        self.block.counters.update(enumerate(places))
        self.block.open(ITEM)
        self.block.open(BLOCK)
        for before in range(self.done):
            known = {
                a.node: (self.loaded(a.running_dtypes[-1], self.total_slot(point, a)),)
                for a in self.accumulators(before)
            }
            self.block.open(BLOCK + before + 1).values.update(known)

    def accumulators(self, done: int) -> list[Accumulator]:
        """Of a pass, for single numbers."""
        return [Accumulator(node, 0) for node in self.passes.nest.reductions(done)]

    def one_part(self, item: str) -> None:
        """Reduce one part and leave its results in the scratch memory; neighbouring items
        are neighbouring points."""
        part, point, here = item, "0", self.writer.here()
        if self.extents:
            part = here.emit(f"udiv i64 {item}, {self.points}")
            point = here.emit(f"urem i64 {item}, {self.points}")
        self.go_to(point)
        totals = self.passes.one_pass(self.done, self.boxes.bounds(part))
        states = self.passes.joined(self.done, totals)
        for a, (state,) in zip(self.accumulators(self.done), states, strict=True):
            for place, dtype in enumerate(a.running_dtypes):
                self.keep(dtype, state[place], self.slot(item, a, place))

    def combine_all(self) -> None:
        """Merge the parts of one point after the other."""
        warp = Warp(self.writer)

        def body(point: str, _: list[str]) -> tuple[str, list[str]]:
            self.combine(warp, point)
            return self.writer.here().emit(f"add i64 {point}, 1"), []

        self.writer.loop("0", self.points, (), body)

    def combine(self, warp: Warp, point: str) -> None:
        """Merge the parts of a point: each lane of a warp takes every 32nd part, then what
        the lanes have is merged in their order.  Behind the last pass store the outputs."""
        self.go_to(point)
        accumulators = self.accumulators(self.done)
        parts = self.boxes.count()
        totals = warp.in_order(
            accumulators,
            self.writer.smaller(self.writer.here(), parts, str(WARP)),
            lambda: self.every(accumulators, warp.lane, point, parts),
        )
        scope = self.block.open(BLOCK + self.done + 1)
        on = Lanes(scope, 0)
        last = self.done + 1 == self.passes.plan.total
        for a, total in zip(accumulators, totals, strict=True):
            value = a.finish(on, total)[-1]
            scope.values[a.node] = (value,)
            if not last:
                self.keep(a.running_dtypes[-1], value, self.total_slot(point, a))
        if last:
            self.passes.outputs.store(self.passes.plan.after, warp.meet)

    def end(self, warp: Warp, point: str) -> None:
        """Store what belongs behind all passes."""
        self.go_to(point)
        self.passes.outputs.store(self.passes.plan.after, warp.meet)

    def every(
        self, accumulators: list[Accumulator], lane: str, point: str, parts: str
    ) -> States:
        """The parts `lane`, `lane` + 32, ... of a point merged."""
        here = self.writer.here()
        start: States = [
            [a.start(Lanes(here, 0), a.total_dtypes)] for a in accumulators
        ]

        def body(index: str, names: list[str]) -> tuple[str, list[str]]:
            totals = unflatten(start, names)
            here = self.writer.here()
            before = here.emit(f"mul i64 {index}, {self.points}")
            part = self.read(accumulators, here.emit(f"add i64 {before}, {point}"))
            merged = self.passes.merge(accumulators, totals, part)
            following = self.writer.here().emit(f"add i64 {index}, {WARP}")
            return following, flatten(merged)

        kinds = [REGISTER[dtype] for a in accumulators for dtype in a.total_dtypes]
        carried = list(zip(kinds, flatten(start), strict=True))
        return unflatten(start, self.writer.loop(lane, parts, carried, body))

    def read(self, accumulators: list[Accumulator], item: str) -> States:
        """What a part has left."""
        return [
            [
                tuple(
                    self.loaded(dtype, self.slot(item, a, place))
                    for place, dtype in enumerate(a.running_dtypes)
                )
            ]
            for a in accumulators
        ]

    def total_slot(self, point: str, a: Accumulator) -> str:
        """Where a point keeps what all its parts together have: behind all parts."""
        here = self.writer.here()
        before = product_of(self.writer, [self.points, *self.boxes.counts()])
        return self.slot(here.emit(f"add i64 {before}, {point}"), a, 0)

    def slot(self, number: str, a: Accumulator, place: int) -> str:
        """Where a part, or a point, keeps a value of a reduction."""
        here = self.writer.here()
        words = here.emit(f"mul i64 {number}, {2 * len(self.numbers)}")
        word = here.emit(f"add i64 {words}, {2 * self.numbers[a.node] + place}")
        address = self.block.last_word(len(self.passes.variant.reduced))
        base = here.emit(f"inttoptr i64 {address} to ptr")
        return here.emit(f"getelementptr i64, ptr {base}, i64 {word}")

    def keep(self, dtype: str, value: str, slot: str) -> None:
        here = self.writer.here()
        if dtype == "bool":
            value = here.emit(f"zext i1 {value} to i8")
        here.line(f"store {stored(dtype)} {value}, ptr {slot}")

    def loaded(self, dtype: str, slot: str) -> str:
        here = self.writer.here()
        value = here.emit(f"load {stored(dtype)}, ptr {slot}")
        return here.emit(f"trunc i8 {value} to i1") if dtype == "bool" else value

    @property
    def extents(self) -> list[str]:
        """Sizes of the kept dimensions."""
        return [self.block.size(k) for k in range(len(self.passes.variant.kept))]

    @property
    def points(self) -> str:
        """Points of the kept dimensions."""
        return product_of(self.writer, self.extents) if self.extents else "1"


def stored(dtype: str) -> str:
    """The type of a running value in the scratch memory: float16 is not rounded."""
    return MEMORY[dtype] if dtype == "bool" else REGISTER[dtype]
