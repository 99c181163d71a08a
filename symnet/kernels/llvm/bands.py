"""Bands: many blocks of lanes along a kept dimension go through a few rows together.

Where rows are reduced together (the sums of columns, softmax over columns), a block of lanes
that went through all rows by itself would take a line or two from a page of memory and go on
to the next page.  In a band many blocks go through a few rows, one after another, before
the next few rows; what a block has accumulated by then waits in a buffer on the stack.
Each lane meets the same numbers in the same order, whatever the width of the band.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from symnet.kernels.llvm.accumulate import STEPS, Passes, flatten, unflatten
from symnet.kernels.llvm.accumulators import Accumulator
from symnet.kernels.llvm.lane_loops import lane_loops
from symnet.kernels.llvm.loop_nest import BLOCK, LOOP
from symnet.kernels.llvm.text import REGISTER, Scope, type_text
from symnet.kernels.llvm.warps import States
from symnet.kernels.variants import BAND_LANES

LINE_BYTES = 64


class Bands:
    """Writes what is done with a band."""

    def __init__(self, passes: Passes) -> None:
        self.passes, self.block, self.plan = passes, passes.block, passes.plan
        self.writer = passes.writer
        self.buffers = Buffers(passes)
        self.vector_bytes = self.writer.module.target.vector_bytes

    @property
    def lanes(self) -> str:
        """The lanes of a band."""
        return self.block.last_word(0)

    def band(self, low: str, high: str) -> None:
        """All passes over the lanes `low` to `high`, then the stores."""
        self.buffers.start = low
        for done in range(self.plan.total):
            if self.passes.accumulators(done):
                begin = partial(self.begin_pass, done)
                lane_loops(self.block, low, high, 0, begin)
            self.rows(0, done, low, high)
        if self.plan.after:
            lane_loops(self.block, low, high, 1, self.end_band)

    def begin_pass(self, done: int) -> None:
        for total in (False, True):
            self.buffers.keep(done, self.passes.starts(done, total), total)

    def end_band(self) -> None:
        self.recall_results(self.plan.count)
        self.passes.outputs.store(self.plan.after)

    def rows(self, r: int, done: int, low: str, high: str) -> None:
        """The loops of a pass from reduced dimension r inwards; of the last one some rows at
        a time, and where sums must be merged after some rows, no more than that."""
        dimension = len(self.block.variant.kept) + r
        size = self.block.size(dimension)

        def row(index: str, _: list[str]) -> tuple[str, list[str]]:
            self.block.counters[dimension] = index
            self.rows(r + 1, done, low, high)
            return self.writer.here().emit(f"add i64 {index}, 1"), []

        def chunk(start: str, _: list[str]) -> tuple[str, list[str]]:
            here = self.writer.here()
            following = here.emit(f"add i64 {start}, {STEPS}")
            self.few_rows(
                done, start, self.writer.smaller(here, following, size), low, high
            )
            return following, []

        if r < len(self.block.variant.reduced) - 1:
            self.writer.loop("0", size, (), row)
        elif any(a.compensated for a in self.passes.accumulators(done)):
            self.writer.loop("0", size, (), chunk)
        else:
            self.few_rows(done, "0", size, low, high)

    def few_rows(self, done: int, start: str, stop: str, low: str, high: str) -> None:
        """Rows `start` to `stop`, a few at a time, of all blocks of the band."""

        def few(row: str, _: list[str]) -> tuple[str, list[str]]:
            here = self.writer.here()
            following = here.emit(f"add i64 {row}, {self.block.last_word(1)}")
            end = self.writer.smaller(here, following, stop)
            vectors = self.block_vectors(done)
            one = partial(self.one_block, done, row, end, stop)
            lane_loops(self.block, low, high, vectors, one)
            return following, []

        self.writer.loop(start, stop, (), few)

    def one_block(self, done: int, row: str, end: str, stop: str) -> None:
        """The rows `row` to `end` of one block, added to what its buffers hold; what rounds
        is merged into its total after the last one before `stop`, as it is without bands."""
        self.recall_results(done)
        for r in range(len(self.block.variant.reduced) - 1):
            self.block.open(LOOP + r)
        before = self.buffers.recall(done, total=False)
        running = self.passes.run(done, row, end, before)
        rounded = [a.rounded for a in self.passes.accumulators(done)]

        def merge(_: str, names: list[str]) -> tuple[str, list[str]]:
            totals, now = (
                self.buffers.recall(done, total=True),
                unflatten(running, names),
            )
            merged = self.passes.merge(self.passes.accumulators(done), totals, now)
            self.buffers.keep(done, merged, total=True)
            fresh = self.passes.starts(done, total=False)
            left = [f if own else n for f, n, own in zip(fresh, now, rounded)]
            return "0", flatten(left)

        if any(rounded):
            last = self.writer.here().emit(f"sub i64 {stop}, 1")
            carried = self.passes.typed(done, running, total=False)
            running = unflatten(running, self.writer.when(last, end, carried, merge))
        self.buffers.keep(done, running, total=False)

    def block_vectors(self, done: int) -> int:
        """The vectors of a block, which reads whole lines of memory, in one pass."""
        vectors = self.plan.vectors_of(done)
        return max(vectors, LINE_BYTES // self.vector_bytes) if vectors else 0

    def recall_results(self, done: int) -> None:
        """Make the results of the first `done` passes known."""
        for before in range(done):
            totals = self.buffers.recall(before, total=True)
            states = self.passes.joined(before, totals)
            self.block.open(BLOCK + before + 1)
            self.passes.make_known(before, states)


class Buffers:
    """What the blocks of a band have accumulated, on the stack.

    What does not round needs no total apart from its running state.
    start: the first lane of the present band.
    """

    def __init__(self, passes: Passes) -> None:
        self.passes, self.block, self.writer = passes, passes.block, passes.writer
        self.start = "0"

    def keep(self, done: int, states: States, total: bool) -> None:
        """Put states of the present block in their buffers."""
        here = self.writer.here()
        for k, (a, copies) in enumerate(
            zip(self.passes.accumulators(done), states, strict=True)
        ):
            if total and not a.rounded:
                continue
            # What is one number for all lanes is kept for each vector: other loops may go
            # through fewer of them at once.
            for copy, state in enumerate(
                copies if a.lanes else copies * self.block.copies
            ):
                for place, value in enumerate(state):
                    dtype = a.dtypes(total)[place]
                    where = self.buffer(here, (done, k, total, place), dtype, copy)
                    kind = type_text(REGISTER[dtype], a.lanes)
                    if dtype == "bool":
                        value = here.emit(
                            f"zext {kind} {value} to {type_text('i8', a.lanes)}"
                        )
                        kind = type_text("i8", a.lanes)
                    align = np.dtype(dtype).itemsize
                    here.line(f"store {kind} {value}, ptr {where}, align {align}")

    def recall(self, done: int, total: bool) -> States:
        """The states of the present block from their buffers."""
        here = self.writer.here()

        def state(k: int, a: Accumulator, copy: int) -> tuple[str, ...]:
            own = total and a.rounded
            return tuple(
                self.recall_value(here, (done, k, own, place), dtype, a.lanes, copy)
                for place, dtype in enumerate(a.dtypes(total))
            )

        return [
            [state(k, a, copy) for copy in range(self.passes.total_copies(a))]
            for k, a in enumerate(self.passes.accumulators(done))
        ]

    def recall_value(
        self, here: Scope, key: tuple[int, ...], dtype: str, lanes: int, copy: int
    ) -> str:
        where = self.buffer(here, key, dtype, copy)
        memory = "i8" if dtype == "bool" else REGISTER[dtype]
        kind = type_text(memory, lanes)
        align = np.dtype(dtype).itemsize
        value = here.emit(f"load {kind}, ptr {where}, align {align}")
        if dtype != "bool":
            return value
        return here.emit(f"trunc {kind} {value} to {type_text('i1', lanes)}")

    def buffer(self, here: Scope, key: tuple[int, ...], dtype: str, copy: int) -> str:
        """Where a value of the present block waits."""
        entry, made = self.writer.entry, ("buffer", *key)
        kind = "i8" if dtype == "bool" else REGISTER[dtype]
        if made not in entry.made:
            memory = f"alloca [{BAND_LANES} x {kind}], align 64"
            entry.made[made] = entry.emit(memory)
        lane = self.block.counters[len(self.block.variant.kept) - 1]
        place = here.emit(f"sub i64 {lane}, {self.start}")
        if copy:
            place = here.emit(f"add i64 {place}, {copy * self.block.lanes}")
        return here.emit(f"getelementptr {kind}, ptr {entry.made[made]}, i64 {place}")
