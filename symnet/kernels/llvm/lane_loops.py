"""The loop over blocks of lanes along a kept dimension."""

from __future__ import annotations

from collections.abc import Callable

from symnet.kernels.llvm.blocks import Block
from symnet.kernels.llvm.function_writer import Iteration
from symnet.kernels.llvm.loop_nest import BLOCK


def lane_loops(
    block: Block, low: str, high: str, vectors: int, write: Callable[[], None]
) -> None:
    """Write `write` for the lanes `low` to `high`: so many vectors at a time, then one at a
    time with a mask.  0 vectors: with a mask only."""
    writer, lanes = block.writer, block.lanes

    def iteration(copies: int, step: int, masked: bool) -> Iteration:
        def body(lane: str, _: list[str]) -> tuple[str, list[str]]:
            block.open(BLOCK)
            block.copies = copies
            block.counters[len(block.variant.kept) - 1] = lane
            block.set_mask(BLOCK, lane, high if masked else None)
            write()
            return writer.here().emit(f"add i64 {lane}, {step}"), []

        return body

    if block.variant.lanes == "one":
        writer.loop(low, high, (), iteration(1, 1, False))
    elif vectors == 0:
        writer.loop(low, high, (), iteration(1, lanes, True))
    else:
        step = vectors * lanes
        middle = writer.whole_steps(low, high, step)
        writer.loop(low, middle, (), iteration(vectors, step, False))
        again = writer.when if vectors == 1 else writer.loop
        again(middle, high, (), iteration(1, lanes, True))
    block.mask = None
