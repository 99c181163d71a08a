"""Products of matrices by our own micro-kernels: the native driver, and its words.

B is packed piece by piece into panels that stay in the second cache, strip after strip as
wide as a tile.  A is read where it lies, row by row or column by column; or it is packed
before, tile after tile, by all threads for all.  C is written where it lies.

Source: Goto and van de Geijn 2008, "Anatomy of high-performance matrix multiplication".
"""

from __future__ import annotations

from symnet.kernels.cpu.jit.intrinsics import call, load, store
from symnet.kernels.cpu.jit.native import native
from symnet.kernels.cpu.library.panels_code import (
    PanelWords,
    multiply_panel,
    take_slot,
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
    # What packs B, and A: rows as they lie, or else (0) columns of blocks of `lanes` numbers.
    copying: int
    transposing: int
    copying_left: int
    transposing_left: int
    lanes: int
    # Where A is packed: how far in the scratch memory (0: it is not), how many rows it has,
    # and how the work is cut: into pieces of the sum, and tiles.
    left: int
    rows: int
    packed_tiles: int
    packed_blocks: int
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
def pack_strip(
    arguments: int,
    copying: int,
    transposing: int,
    target: int,
    source: int,
    along: int,
    across: int,
    inner: int,
    width: int,
    count: int,
) -> int:
    """`count` rows of A (columns of B) as one strip, with `width` numbers for each of `inner`
    terms of the sum.  along, across: bytes from one term to the next, and from one of its
    numbers to the next."""
    if copying != 0:
        call(copying, target, source, along, inner, width, count)
        return 0
    item = load(arguments, W.item)
    row = 0
    while row < width:
        there = row * across
        if row >= count:  # only zeros are written: read what there is
            there = 0
        step = 0
        while step < inner:
            call(
                transposing,
                target + (step * width + row) * item,
                width * item,
                source + step * along + there,
                across,
                count - row,
                inner - step,
            )
            step += load(arguments, W.lanes)
        row += load(arguments, W.lanes)
    return 0


@native
def smaller(left: int, right: int) -> int:
    """The smaller of two numbers."""
    if left < right:
        return left
    return right


@native
def first_row(arguments: int, tile: int) -> int:
    """The row at which a tile begins."""
    more = smaller(tile, load(arguments, W.more))
    return tile * load(arguments, W.few) + more


@native
def pack_left(arguments: int, begin: int, end: int) -> int:
    """Blocks `begin` to `end` of A: of pieces of the sum, and tiles."""
    item = load(arguments, W.item)
    blocks = load(arguments, W.packed_blocks)
    for number in range(begin, end):
        k = number // blocks * load(arguments, W.inner_block)
        inner = smaller(load(arguments, W.inner) - k, load(arguments, W.inner_block))
        panel = load(arguments, W.scratch) + load(arguments, W.left)
        panel += k * load(arguments, W.rows) * item
        first = number % blocks * load(arguments, W.packed_tiles)
        last = first + load(arguments, W.packed_tiles)
        for tile in range(first, smaller(last, load(arguments, W.tiles))):
            row = first_row(arguments, tile)
            height = first_row(arguments, tile + 1) - row
            a = load(arguments, W.a) + row * load(arguments, W.a_row)
            pack_strip(
                arguments,
                load(arguments, W.copying_left),
                load(arguments, W.transposing_left),
                panel + row * inner * item,
                a + k * load(arguments, W.a_step),
                load(arguments, W.a_step),
                load(arguments, W.a_row),
                inner,
                height,
                height,
            )
    return 0


@native
def multiply_piece(
    arguments: int,
    panel: int,
    first: int,
    last: int,
    a: int,
    a_row: int,
    b: int,
    inner: int,
    c: int,
    columns: int,
    beta: int,
) -> int:
    """One piece of the sum, for some columns and tiles of rows."""
    b_row = load(arguments, W.b_row)
    b_step = load(arguments, W.b_step)
    c_row = load(arguments, W.c_row)
    item = load(arguments, W.item)
    strip = load(arguments, W.tile_columns)
    column = 0
    while column < columns:
        many = smaller(columns - column, strip)
        strip_at = b + column * b_step
        strip_row = b_row
        if many < strip or load(arguments, W.direct) == 0:
            strip_at = panel
            strip_row = strip * item
            pack_strip(
                arguments,
                load(arguments, W.copying),
                load(arguments, W.transposing),
                panel,
                b + column * b_step,
                b_row,
                b_step,
                inner,
                strip,
                many,
            )
        multiply_panel(
            arguments,
            first,
            last,
            a,
            a_row,
            strip_at,
            strip_row,
            inner,
            c + column * item,
            c_row,
            many,
            beta,
            c + column * item,
            c_row,
        )
        column += strip
    return 0


@native
def multiply_tiles(arguments: int, begin: int, end: int) -> int:
    """Blocks `begin` to `end` of C: of columns, tiles of rows, products."""
    slot = take_slot(arguments)
    panel = load(arguments, W.scratch) + slot * load(arguments, W.slot_bytes)
    item = load(arguments, W.item)
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
        row = first_row(arguments, first)
        product = rest // tile_blocks
        a = load(arguments, W.a) + product * load(arguments, W.a_batch)
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
            a_row = load(arguments, W.a_row)
            left = a + k * load(arguments, W.a_step)
            if load(arguments, W.left) != 0:
                a_row = inner * item
                left = load(arguments, W.scratch) + load(arguments, W.left)
                left += k * load(arguments, W.rows) * item
            left += row * a_row
            multiply_piece(
                arguments,
                panel,
                first,
                last,
                left,
                a_row,
                here,
                inner,
                c,
                columns,
                beta,
            )
            beta = arguments + 8 * W.one
            k += inner
    store(arguments, load(arguments, W.flags) + slot, 0)
    return 0
