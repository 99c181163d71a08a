"""Products of packed panels: memory of a thread, copying, tiles.  See `tiles`."""

from __future__ import annotations

import ctypes

from symnet.kernels.cpu.jit.intrinsics import (
    call,
    compare_exchange,
    instruction,
    load,
    memcpy,
    memset,
    pause,
)
from symnet.kernels.cpu.jit.native import native
from symnet.kernels.cpu.jit.record import Record
from symnet.kernels.cpu.runtime.threads import GENERATION, POOL

BLOCK = 64  # bytes of `copy_block`


class PanelWords(Record):
    """The first words of an argument block: what all products of packed panels need."""

    scratch: int  # for each thread `slot_bytes`
    slot_bytes: int
    slots: int
    flags: int  # the word of the first flag: for each slot the generation that has taken it
    item: int  # bytes of a number
    panel_row: int  # bytes of a row of the panel
    a_step: int  # bytes from one number of the other matrix to the next in a row
    alpha: int  # addresses of the numbers, and where they may stand; 0 for beta: no D
    beta: int
    first: int
    other: int
    one: int  # the number 1
    # Tiles that make up all rows, each with `few` of them or, `more` times, one more; over
    # `tile_columns` columns or half of them.  The code of the higher ones stands behind that
    # of the others.
    tile_columns: int
    tiles: int
    few: int
    more: int
    wide: int
    wide_more: int
    narrow: int
    narrow_more: int


P = PanelWords


# ---- memory of a thread


@native
def take_slot(arguments: int) -> int:
    """The number of a slot of scratch memory that nobody uses.

    What another generation has taken was taken before a fork, by a thread that is no more.
    """
    process = load(POOL, GENERATION)
    while True:
        for slot in range(load(arguments, P.slots)):
            flag = load(arguments, P.flags) + slot
            holder = load(arguments, flag)
            if holder != process and compare_exchange(arguments, flag, holder, process):
                return slot
        pause()


# ---- copying


@instruction("""
    %p = inttoptr i64 {target} to ptr
    %q = inttoptr i64 {source} to ptr
    %v = load <64 x i8>, ptr %q, align 1
    store <64 x i8> %v, ptr %p, align 1
""")
def copy_block(target: int, source: int) -> int:
    """Copy 64 bytes."""
    ctypes.memmove(target, source, BLOCK)
    return 0


# The C library's loops need not be compiled.


@native
def clear(target: int, count: int) -> int:
    """Set bytes to 0."""
    memset(target, 0, count)
    return 0


@native
def copy_numbers(target: int, source: int, count: int) -> int:
    """Copy bytes."""
    memcpy(target, source, count)
    return 0


@native
def transpose(
    code: int,
    lanes: int,
    item: int,
    target: int,
    target_row: int,
    source: int,
    source_row: int,
    rows: int,
    columns: int,
) -> int:
    """Columns of a matrix as rows of another, by blocks of `lanes` numbers; code: that of
    `transposing_tile`.  What is behind the rows of a last block is 0."""
    column = 0
    while column < columns:
        row = 0
        while row < rows:
            call(
                code,
                target + column * target_row + row * item,
                target_row,
                source + row * source_row + column * item,
                source_row,
                rows - row,
                columns - column,
            )
            row += lanes
        column += lanes
    return 0


# ---- products


@native
def multiply_panel(
    arguments: int,
    first: int,
    last: int,
    a: int,
    a_row: int,
    panel: int,
    panel_row: int,
    inner: int,
    c: int,
    c_row: int,
    columns: int,
    beta: int,
    d: int,
    d_row: int,
) -> int:
    """Tiles `first` to `last` of C = alpha A B + beta D, where the panel holds B; a, c and d
    are where the first of them begins, beta is an address or 0."""
    item = load(arguments, P.item)
    few = load(arguments, P.few)
    tile_columns = load(arguments, P.tile_columns)
    higher = load(arguments, P.more) - first  # tiles with one row more come first
    if higher > last - first:
        higher = last - first
    if higher < 0:
        higher = 0
    column = 0
    while column < columns:
        left = columns - column
        place = P.wide
        if 2 * left <= tile_columns:
            place = P.narrow
        row = 0
        for height in range(2):
            tiles = last - first - higher
            if height == 0:
                tiles = higher
            if tiles > 0:
                call(
                    load(arguments, place + 1 - height),
                    a + row * a_row,
                    a_row,
                    load(arguments, P.a_step),
                    panel + column * item,
                    panel_row,
                    inner,
                    c + row * c_row + column * item,
                    c_row,
                    left,
                    load(arguments, P.alpha),
                    beta,
                    d + row * d_row + column * item,
                    d_row,
                    tiles,
                )
            row = higher * (few + 1)
        column += tile_columns
    return 0
