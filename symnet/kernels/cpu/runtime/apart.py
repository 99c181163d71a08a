"""Whether what a call updates in place lies apart from all else that it uses.

Arrays that were lent (`borrow=True`, or a variable's own array as an argument) may have
memory in common.  A program takes for granted that they have not; calls of which it is not
true go to the fallback, which makes copies.
"""

from __future__ import annotations

from symnet.kernels.cpu.jit.intrinsics import load, store
from symnet.kernels.cpu.jit.native import lazily_compiled
from symnet.kernels.cpu.runtime.layouts import (
    ArgumentWords,
    BlockWords,
    CellWords,
    StoreWords,
)
from symnet.kernels.cpu.runtime.runner import WRITES


@lazily_compiled
def overlap(bases: int, left: int, right: int) -> int:
    """Whether two arrays that are bound may have bytes in common, by their records."""
    span = load(left, ArgumentWords.span)
    other = load(right, ArgumentWords.span)
    if span == 0 or other == 0:
        return 0
    low = load(bases, load(left, ArgumentWords.base)) - load(left, ArgumentWords.before)
    base = load(bases, load(right, ArgumentWords.base))
    start = base - load(right, ArgumentWords.before)
    if low < start + other and start < low + span:
        return 1
    return 0


@lazily_compiled
def are_apart(block: int, exchanged: int) -> int:
    """Whether nothing else that is bound lies in what the call updates in place.

    exchanged: whether shared variables have got other arrays since they were compared."""
    bases = load(block, BlockWords.bases)
    cells = load(block, BlockWords.cells)
    for k in range(load(block, BlockWords.cell_count)):
        written = cells + 8 * CellWords.count * k
        if load(written, CellWords.use) == WRITES:
            for j in range(load(block, BlockWords.argument_count)):
                read = load(block, BlockWords.arguments) + 8 * ArgumentWords.count * j
                if overlap(bases, written, read):
                    return 0
            if exchanged:
                for j in range(load(block, BlockWords.cell_count)):
                    read = cells + 8 * CellWords.count * j
                    if j != k and overlap(bases, written, read):
                        return 0
    return 1


@lazily_compiled
def note_versions(block: int) -> int:
    """Remember that the arrays of the shared variables have been looked at."""
    for k in range(load(block, BlockWords.cell_count)):
        record = load(block, BlockWords.cells) + 8 * CellWords.count * k
        words = load(record, CellWords.words)
        store(record, CellWords.version, load(words, StoreWords.version))
    return 0


__all__ = ["are_apart", "note_versions", "overlap"]
