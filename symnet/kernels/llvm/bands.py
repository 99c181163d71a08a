"""Blocks of lanes along a kept dimension, and bands of such blocks.

Where rows are reduced together (the sums of columns, softmax over columns), a block of lanes
that went through all rows by itself would take a line or two from a page of memory and go on
to the next page.  In a band many blocks go through a few rows, one after another, before
the next few rows; what a block has accumulated by then waits in a buffer on the stack.
Each lane meets the same numbers in the same order, whatever the width of the band.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from symnet.kernels.llvm.accumulate import STEPS, Passes, States
from symnet.kernels.llvm.accumulators import Accumulator
from symnet.kernels.llvm.blocks import Turn
from symnet.kernels.llvm.loop_nest import BLOCK, ENTRY, LOOP
from symnet.kernels.llvm.text import REGISTER, Scope, type_text
from symnet.kernels.schedule import BAND_LANES, item_lanes

LINE_BYTES = 64


class Bands(Passes):
    """Writes what is done with a piece of the last kept dimension."""

    band_start = "0"  # the first lane of the present band

    def item_lanes(self) -> str:
        """Lanes in one work item, which for bands is one of them."""
        return (
            self.band_word(0) if self.variant.banded else str(item_lanes(self.variant))
        )

    def blocks(self, first: str, stop: str) -> None:
        """The work items `first` to `stop` of one row."""
        here = self.here()
        lanes, size = self.item_lanes(), self.word(len(self.variant.kept) - 1)
        low = here.emit(f"mul i64 {first}, {lanes}")
        far = here.emit(f"mul i64 {stop}, {lanes}")
        high = self.smaller(here, far, size)
        if not self.variant.banded:
            self.lane_loops(low, high, self.vectors, self.block)
            return

        def body(start: str, _: list[str]) -> tuple[str, list[str]]:
            here = self.here()
            following = here.emit(f"add i64 {start}, {lanes}")
            self.band(start, self.smaller(here, following, high))
            return following, []

        self.loop(low, high, (), body)

    def lane_loops(
        self, low: str, high: str, vectors: int, block: Callable[[], None]
    ) -> None:
        """`block` for so many vectors at a time, then for one at a time with a mask."""

        def turn(copies: int, step: int, masked: bool) -> Turn:
            def body(lane: str, _: list[str]) -> tuple[str, list[str]]:
                self.open(BLOCK)
                self.copies = copies
                self.counters[len(self.variant.kept) - 1] = lane
                self.set_mask(BLOCK, lane, high if masked else None)
                block()
                return self.here().emit(f"add i64 {lane}, {step}"), []

            return body

        if self.variant.lanes == "one":
            self.loop(low, high, (), turn(1, 1, False))
        elif vectors == 0:
            self.loop(low, high, (), turn(1, self.lanes, True))
        else:
            step = vectors * self.lanes
            middle = self.whole_steps(low, high, step)
            self.loop(low, middle, (), turn(vectors, step, False))
            again = self.when if vectors == 1 else self.loop
            again(middle, high, (), turn(1, self.lanes, True))
        self.mask = None

    # Bands.

    def band(self, low: str, high: str) -> None:
        """All passes over the lanes `low` to `high`, then the stores."""
        self.band_start = low
        for done in range(max(self.passes, self.store_pass + 1)):
            if self.accumulators(done):
                self.lane_loops(low, high, 0, partial(self.begin_pass, done))
            self.rows(0, done, low, high)
        if self.after:
            self.lane_loops(low, high, 1, self.end_band)

    def begin_pass(self, done: int) -> None:
        self.keep(done, self.starts(done, total=False), total=False)
        self.keep(done, self.starts(done, total=True), total=True)

    def end_band(self) -> None:
        self.recall_results(self.passes)
        self.store(self.after)

    def rows(self, r: int, done: int, low: str, high: str) -> None:
        """The loops of a pass from reduced dimension r inwards; of the last one some rows at
        a time, and where sums must be merged after some rows, no more than that."""
        dimension = len(self.variant.kept) + r
        size = self.word(dimension)

        def row(index: str, _: list[str]) -> tuple[str, list[str]]:
            self.counters[dimension] = index
            self.rows(r + 1, done, low, high)
            return self.here().emit(f"add i64 {index}, 1"), []

        def chunk(start: str, _: list[str]) -> tuple[str, list[str]]:
            here = self.here()
            following = here.emit(f"add i64 {start}, {STEPS}")
            self.few_rows(done, start, self.smaller(here, following, size), low, high)
            return following, []

        if r < len(self.variant.reduced) - 1:
            self.loop("0", size, (), row)
        elif any(a.compensated for a in self.accumulators(done)):
            self.loop("0", size, (), chunk)
        else:
            self.few_rows(done, "0", size, low, high)

    def few_rows(self, done: int, start: str, stop: str, low: str, high: str) -> None:
        """Rows `start` to `stop`, a few at a time, of all blocks of the band."""

        def few(row: str, _: list[str]) -> tuple[str, list[str]]:
            here = self.here()
            following = here.emit(f"add i64 {row}, {self.band_word(1)}")
            end = self.smaller(here, following, stop)
            vectors = self.block_vectors(done)
            self.lane_loops(
                low, high, vectors, lambda: self.one_block(done, row, end, stop)
            )
            return following, []

        self.loop(start, stop, (), few)

    def one_block(self, done: int, row: str, end: str, stop: str) -> None:
        """The rows `row` to `end` of one block, added to what its buffers hold; what rounds
        is merged into its total after the last one before `stop`, as it is without bands."""
        self.recall_results(done)
        for r in range(len(self.variant.reduced) - 1):
            self.open(LOOP + r)
        before = self.recall(done, total=False)
        running = self.run(done, row, end, before)
        apart = [a.rounded for a in self.accumulators(done)]

        def merge(_: str, names: list[str]) -> tuple[str, list[str]]:
            totals, now = self.recall(done, total=True), self.unflatten(running, names)
            self.keep(
                done, self.merge(self.accumulators(done), totals, now), total=True
            )
            fresh = self.starts(done, total=False)
            left = [f if own else n for f, n, own in zip(fresh, now, apart)]
            return "0", self.flatten(left)

        if any(apart):
            last = self.here().emit(f"sub i64 {stop}, 1")
            carried = self.typed(done, running, total=False)
            running = self.unflatten(running, self.when(last, end, carried, merge))
        self.keep(done, running, total=False)

    def block_vectors(self, done: int) -> int:
        """The vectors of a block, which reads whole lines of memory, in one pass."""
        vectors = self.pass_vectors(done)
        return max(vectors, LINE_BYTES // self.machine.vector_bytes) if vectors else 0

    def recall_results(self, done: int) -> None:
        """Make the results of the first `done` passes known."""
        for before in range(done):
            totals = self.recall(before, total=True)
            self.open(BLOCK + before + 1)
            self.finish_pass(before, totals)

    def band_word(self, which: int) -> str:
        """The lanes of a band (0), or how many rows it goes through at a time (1)."""
        return self.word(self.first_word(len(self.operands)) + which)

    # The buffers.  What does not round needs no total apart from its running state.

    def keep(self, done: int, states: States, total: bool) -> None:
        """Put states of the present block in their buffers."""
        here = self.here()
        for k, (a, copies) in enumerate(
            zip(self.accumulators(done), states, strict=True)
        ):
            if total and not a.rounded:
                continue
            # What is one number for all lanes is kept for each vector: other loops may go
            # through fewer of them at once.
            for copy, state in enumerate(copies if a.lanes else copies * self.copies):
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
        here = self.here()

        def state(k: int, a: Accumulator, copy: int) -> tuple[str, ...]:
            own = total and a.rounded
            return tuple(
                self.recall_value(here, (done, k, own, place), dtype, a.lanes, copy)
                for place, dtype in enumerate(a.dtypes(total))
            )

        return [
            [state(k, a, copy) for copy in range(self.total_copies(a))]
            for k, a in enumerate(self.accumulators(done))
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
        entry, made = self.chain[ENTRY].made, ("buffer", *key)
        kind = "i8" if dtype == "bool" else REGISTER[dtype]
        if made not in entry:
            memory = f"alloca [{BAND_LANES} x {kind}], align 64"
            entry[made] = self.chain[ENTRY].emit(memory)
        lane = self.counters[len(self.variant.kept) - 1]
        place = here.emit(f"sub i64 {lane}, {self.band_start}")
        if copy:
            place = here.emit(f"add i64 {place}, {copy * self.lanes}")
        return here.emit(f"getelementptr {kind}, ptr {entry[made]}, i64 {place}")
