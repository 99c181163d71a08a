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
from symnet.kernels.cpu.jit.native import hot, native
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
    # `tile_columns` columns or half of them.
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


@hot
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
    more = load(arguments, P.more)
    tile_columns = load(arguments, P.tile_columns)
    column = 0
    while column < columns:
        left = columns - column
        plain = load(arguments, P.wide)
        higher = load(arguments, P.wide_more)
        if 2 * left <= tile_columns:
            plain = load(arguments, P.narrow)
            higher = load(arguments, P.narrow_more)
        here = a
        target = c + column * item
        old = d + column * item
        for tile in range(first, last):
            code = plain
            height = few
            if tile < more:
                code = higher
                height = few + 1
            call(
                code,
                here,
                a_row,
                load(arguments, P.a_step),
                panel + column * item,
                panel_row,
                inner,
                target,
                c_row,
                left,
                load(arguments, P.alpha),
                beta,
                old,
                d_row,
            )
            here += height * a_row
            target += height * c_row
            old += height * d_row
        column += tile_columns
    return 0
