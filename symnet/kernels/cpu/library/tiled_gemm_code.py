"""Products of matrices by our own micro-kernels: the native driver, and its words.

B is packed piece by piece into panels that stay in the second cache; A is read where it
lies, row by row or column by column, and C is written where it lies.

Source: Goto and van de Geijn 2008, "Anatomy of high-performance matrix multiplication".
"""

from __future__ import annotations

from symnet.kernels.cpu.jit.intrinsics import load, memcpy, memset, store
from symnet.kernels.cpu.jit.native import native
from symnet.kernels.cpu.library.panels_code import (
    PanelWords,
    multiply_panel,
    take_slot,
    transpose,
)


class TiledGemmWords(PanelWords):
    """The argument block; the flags of the slots stand behind."""

    a: int
    b: int
    c: int
    inner: int  # the size that is summed over
    columns: int
    # Bytes from row to row, and of B from column to column.
    a_row: int
    b_row: int
    b_step: int
    c_row: int
    # The same from product to product.
    a_batch: int
    b_batch: int
    c_batch: int
    # How the work is cut: into pieces of the sum, columns, and tiles of rows.
    inner_block: int
    column_block: int
    column_blocks: int
    tile_block: int
    tile_blocks: int
    # Where B has its columns without gaps: what transposes blocks of `lanes` numbers.
    transposing: int
    lanes: int
    # Whether whole vectors of B are read where they lie.
    direct: int
    # Where C is made in memory of the step's own first (see `narrow_gemm_code`): how far in
    # the scratch memory, and where it belongs.
    through: int
    result: int
    result_row: int
    result_columns: int
    result_beta: int


W = TiledGemmWords


@native
def pack_b(arguments: int, panel: int, b: int, inner: int, columns: int) -> int:
    """Rows of B, `columns` of each, as rows of whole vectors."""
    item = load(arguments, W.item)
    panel_row = load(arguments, W.panel_row)
    b_row = load(arguments, W.b_row)
    code = load(arguments, W.transposing)
    if code == 0:
        used = columns * item
        for _ in range(inner):
            memcpy(panel, b, used)
            memset(panel + used, 0, panel_row - used)
            panel += panel_row
            b += b_row
        return 0
    transpose(
        code,
        load(arguments, W.lanes),
        item,
        panel,
        panel_row,
        b,
        load(arguments, W.b_step),
        columns,
        inner,
    )
    return 0


@native
def multiply_piece(
    arguments: int,
    panel: int,
    first: int,
    last: int,
    a: int,
    b: int,
    inner: int,
    c: int,
    columns: int,
    beta: int,
) -> int:
    """One piece of the sum, for some columns and tiles of rows."""
    a_row = load(arguments, W.a_row)
    b_row = load(arguments, W.b_row)
    c_row = load(arguments, W.c_row)
    item = load(arguments, W.item)
    whole = 0
    if load(arguments, W.direct) != 0:
        whole = columns - columns % load(arguments, W.tile_columns)
        multiply_panel(
            arguments,
            first,
            last,
            a,
            a_row,
            b,
            b_row,
            inner,
            c,
            c_row,
            whole,
            beta,
            c,
            c_row,
        )
    rest = columns - whole
    if rest > 0:
        pack_b(arguments, panel, b + whole * load(arguments, W.b_step), inner, rest)
        multiply_panel(
            arguments,
            first,
            last,
            a,
            a_row,
            panel,
            load(arguments, W.panel_row),
            inner,
            c + whole * item,
            c_row,
            rest,
            beta,
            c + whole * item,
            c_row,
        )
    return 0


@native
def multiply_tiles(arguments: int, begin: int, end: int) -> int:
    """Blocks `begin` to `end` of C: of columns, tiles of rows, products."""
    slot = take_slot(arguments)
    panel = load(arguments, W.scratch) + slot * load(arguments, W.slot_bytes)
    item = load(arguments, W.item)
    few = load(arguments, W.few)
    more = load(arguments, W.more)
    column_blocks = load(arguments, W.column_blocks)
    tile_blocks = load(arguments, W.tile_blocks)
    for number in range(begin, end):
        column = number % column_blocks * load(arguments, W.column_block)
        columns = load(arguments, W.columns) - column
        if columns > load(arguments, W.column_block):
            columns = load(arguments, W.column_block)
        rest = number // column_blocks
        first = rest % tile_blocks * load(arguments, W.tile_block)
        last = first + load(arguments, W.tile_block)
        if last > load(arguments, W.tiles):
            last = load(arguments, W.tiles)
        row = first * few + first
        if first > more:
            row = first * few + more
        product = rest // tile_blocks
        a = load(arguments, W.a) + product * load(arguments, W.a_batch)
        a += row * load(arguments, W.a_row)
        b = load(arguments, W.b) + product * load(arguments, W.b_batch)
        b += column * load(arguments, W.b_step)
        c = load(arguments, W.c) + product * load(arguments, W.c_batch)
        if load(arguments, W.through) != 0:
            c = load(arguments, W.scratch) + load(arguments, W.through)
        c += row * load(arguments, W.c_row) + column * item
        k = 0
        beta = load(arguments, W.beta)
        while k < load(arguments, W.inner):
            inner = load(arguments, W.inner) - k
            if inner > load(arguments, W.inner_block):
                inner = load(arguments, W.inner_block)
            here = b + k * load(arguments, W.b_row)
            left = a + k * load(arguments, W.a_step)
            multiply_piece(
                arguments, panel, first, last, left, here, inner, c, columns, beta
            )
            beta = arguments + 8 * W.one
            k += inner
    store(arguments, load(arguments, W.flags) + slot, 0)
    return 0
