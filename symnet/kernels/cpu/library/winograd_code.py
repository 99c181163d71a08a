"""Convolution with 3 x 3 taps by Winograd's minimal filtering: the native driver, its words.

The tiles of all images are numbered through, row by row of tiles.  Of inputs and filters one
is transformed first, for all threads; the other one by each piece of work for itself, where
it stays in the second cache: the piece is a stripe of tiles with all outputs, or a block of
outputs with all tiles.  Then come the products of the matrices, piece by piece of the
channels, and their way back.

Numbers that are not finite spoil their whole tile, and large ones may overflow on the way.
Both show in the result, because nothing makes such a number finite again: what holds one is
marked, and made again by the driver that multiplies each tap (`convolve_rows`), whose words
stand behind these.
"""

from __future__ import annotations

from symnet.kernels.cpu.jit.intrinsics import call, load, store
from symnet.kernels.cpu.jit.native import native, rarely
from symnet.kernels.cpu.library.convolution_code import ConvolutionWords, convolve_rows
from symnet.kernels.cpu.library.panels_code import (
    PanelWords,
    multiply_panel,
    take_slot,
)


class TileWords(PanelWords):
    """What drivers of tiles have in common."""

    # Numbers of the output along a side of a tile; tiles in a column and in a row of an
    # image, and of all images.
    side: int
    tile_height: int
    tile_width: int
    all_tiles: int
    matrices: int


class WinogradWords(TileWords):
    """The argument block."""

    x: int
    w: int
    y: int
    images: int
    outputs: int
    channels: int
    # Bytes from one to the next, of x, w and y.
    x_group: int
    x_image: int
    x_channel: int
    x_row: int
    w_group: int
    w_output: int
    w_channel: int
    y_group: int
    y_image: int
    y_output: int
    y_row: int
    height: int  # of the input
    width: int
    rows: int  # of the output
    columns: int
    low: int  # how far the output begins before the input
    low_columns: int
    entering: int  # `input_transform`, `filter_transform`, `output_transform`
    filtering: int
    leaving: int
    # Bytes of a row and of one of the matrices, of filters u, inputs v (row: `panel_row`)
    # and products m; where they begin in a slot, or in the scratch memory.
    u_row: int
    u_matrix: int
    u_group: int
    v_matrix: int
    v_group: int
    m_row: int
    m_matrix: int
    m_place: int
    shared: int
    # How the work is cut.
    shares_filters: int  # or the inputs
    stripe: int  # tiles of a piece of work, or all
    stripes: int
    tile_block: int  # of rows of the products of a piece of work, or all
    tile_blocks: int
    channel_block: int  # that is summed up at once
    share_block: int  # outputs or channels that are transformed at once for all
    share_blocks: int
    # The words of the driver that makes again what is not finite, and the first of the marks
    # of its pieces of work.
    direct: int
    marks: int


T = TileWords
W = WinogradWords
D = ConvolutionWords
convolve_again = rarely(convolve_rows)  # for what is not finite


# ---- transforms


@native
def transform_tiles(
    arguments: int,
    code: int,
    x: int,
    x_row: int,
    x_image: int,
    x_channel: int,
    low: int,
    low_columns: int,
    height: int,
    width: int,
    first: int,
    last: int,
    channels: int,
    target: int,
    row: int,
    matrix: int,
) -> int:
    """Tiles `first` to `last` of so many channels, by a transform of tiles; target, row,
    matrix: as of `input_transform`."""
    item = load(arguments, T.item)
    side = load(arguments, T.side)
    wide = load(arguments, T.tile_width)
    high = load(arguments, T.tile_height)
    tile = first
    while tile < last:
        column = tile % wide
        count = wide - column
        if count > last - tile:
            count = last - tile
        top = tile // wide % high * side - low
        left = column * side - low_columns
        call(
            code,
            x + tile // wide // high * x_image + top * x_row + left * item,
            x_row,
            x_channel,
            top,
            left,
            height,
            width,
            count,
            channels,
            target + (tile - first) * item,
            row,
            matrix,
        )
        tile += count
    return 0


@native
def transform_inputs(
    arguments: int, v: int, x: int, first: int, last: int, channel: int, stop: int
) -> int:
    """Tiles `first` to `last` of channels `channel` to `stop`."""
    return transform_tiles(
        arguments,
        load(arguments, W.entering),
        x + channel * load(arguments, W.x_channel),
        load(arguments, W.x_row),
        load(arguments, W.x_image),
        load(arguments, W.x_channel),
        load(arguments, W.low),
        load(arguments, W.low_columns),
        load(arguments, W.height),
        load(arguments, W.width),
        first,
        last,
        stop - channel,
        v,
        load(arguments, W.panel_row),
        load(arguments, W.v_matrix),
    )


@native
def transform_filters(
    arguments: int, u: int, w: int, first: int, last: int, channel: int, stop: int
) -> int:
    """Channels `channel` to `stop` of the filters `first` to `last`."""
    w += first * load(arguments, W.w_output) + channel * load(arguments, W.w_channel)
    return call(
        load(arguments, W.filtering),
        w,
        load(arguments, W.w_output),
        load(arguments, W.w_channel),
        last - first,
        stop - channel,
        u,
        load(arguments, W.u_row),
        load(arguments, W.u_matrix),
    )


@native
def share_transforms(arguments: int, begin: int, end: int) -> int:
    """Blocks `begin` to `end` of what is transformed for all: of outputs or channels."""
    blocks = load(arguments, W.share_blocks)
    shared = load(arguments, W.scratch) + load(arguments, W.shared)
    for number in range(begin, end):
        group = number // blocks
        first = number % blocks * load(arguments, W.share_block)
        last = first + load(arguments, W.share_block)
        if load(arguments, W.shares_filters) != 0:
            if last > load(arguments, W.outputs):
                last = load(arguments, W.outputs)
            transform_filters(
                arguments,
                shared
                + group * load(arguments, W.u_group)
                + first * load(arguments, W.u_row),
                load(arguments, W.w) + group * load(arguments, W.w_group),
                first,
                last,
                0,
                load(arguments, W.channels),
            )
        else:
            if last > load(arguments, W.channels):
                last = load(arguments, W.channels)
            transform_inputs(
                arguments,
                shared
                + group * load(arguments, W.v_group)
                + first * load(arguments, W.panel_row),
                load(arguments, W.x) + group * load(arguments, W.x_group),
                0,
                load(arguments, W.all_tiles),
                first,
                last,
            )
    return 0


# ---- the way back


@native
def mark(arguments: int, group: int, image: int, output: int, row: int) -> int:
    """Have a row of tiles of one output made again; row: the first of the output."""
    direct = arguments + 8 * load(arguments, W.direct)
    block = load(direct, D.row_block)
    last = row + load(arguments, W.side) - 1
    if last >= load(arguments, W.rows):
        last = load(arguments, W.rows) - 1
    number = (group * load(arguments, W.images) + image) * load(direct, D.blocks)
    part = output // load(direct, D.output_block)
    for one in range(row // block, last // block + 1):
        piece = (number + one) * load(direct, D.output_blocks) + part
        store(arguments, load(arguments, W.marks) + piece, 1)
    return 0


@native
def finish_output(
    arguments: int, m: int, group: int, output: int, first: int, last: int
) -> int:
    """Tiles `first` to `last` of one output, from the products that begin at m."""
    item = load(arguments, W.item)
    side = load(arguments, W.side)
    wide = load(arguments, W.tile_width)
    high = load(arguments, W.tile_height)
    y = load(arguments, W.y) + group * load(arguments, W.y_group)
    y += output * load(arguments, W.y_output)
    tile = first
    while tile < last:
        column = tile % wide
        count = wide - column
        if count > last - tile:
            count = last - tile
        row = tile // wide % high * side
        image = tile // wide // high
        rows = load(arguments, W.rows) - row
        if rows > side:
            rows = side
        columns = load(arguments, W.columns) - column * side
        if columns > count * side:
            columns = count * side
        target = y + image * load(arguments, W.y_image)
        wrong = call(
            load(arguments, W.leaving),
            m + (tile - first) * item,
            load(arguments, W.m_matrix),
            target + row * load(arguments, W.y_row) + column * side * item,
            load(arguments, W.y_row),
            rows,
            columns,
            count,
        )
        if wrong != 0:
            mark(arguments, group, image, output, row)
        tile += count
    return 0


# ---- products


@native
def multiply_matrices(
    arguments: int,
    u: int,
    v: int,
    m: int,
    tile: int,
    tile_end: int,
    channels: int,
    columns: int,
    beta: int,
) -> int:
    """All products of one piece of the channels."""
    for _ in range(load(arguments, W.matrices)):
        multiply_panel(
            arguments,
            tile,
            tile_end,
            u,
            load(arguments, W.u_row),
            v,
            load(arguments, W.panel_row),
            channels,
            m,
            load(arguments, W.m_row),
            columns,
            beta,
            m,
            load(arguments, W.m_row),
        )
        u += load(arguments, W.u_matrix)
        v += load(arguments, W.v_matrix)
        m += load(arguments, W.m_matrix)
    return 0


@native
def first_row(arguments: int, tile: int) -> int:
    """The row of the products with which a tile of rows begins."""
    more = load(arguments, W.more)
    if tile < more:
        more = tile
    return tile * load(arguments, W.few) + more


@native
def convolve_piece(
    arguments: int,
    slot: int,
    group: int,
    tile: int,
    tile_end: int,
    first: int,
    last: int,
) -> int:
    """Tiles of rows `tile` to `tile_end` (outputs) and tiles `first` to `last` of images."""
    item = load(arguments, W.item)
    shared = load(arguments, W.scratch) + load(arguments, W.shared)
    x = load(arguments, W.x) + group * load(arguments, W.x_group)
    w = load(arguments, W.w) + group * load(arguments, W.w_group)
    m = slot + load(arguments, W.m_place)
    output = first_row(arguments, tile)
    output_end = first_row(arguments, tile_end)
    # Of several stripes the last has whole tiles, too, of which some are of nothing: so no
    # narrower ones need be made.
    columns = last - first
    if load(arguments, W.stripes) > 1:
        whole = load(arguments, W.tile_columns)
        columns = (columns + whole - 1) // whole * whole
    beta = 0
    channel = 0
    while channel < load(arguments, W.channels):
        stop = channel + load(arguments, W.channel_block)
        if stop > load(arguments, W.channels):
            stop = load(arguments, W.channels)
        if load(arguments, W.shares_filters) != 0:
            u = shared + group * load(arguments, W.u_group) + channel * item
            u += output * load(arguments, W.u_row)
            v = slot
            transform_inputs(arguments, v, x, first, last, channel, stop)
        else:
            u = slot
            v = shared + group * load(arguments, W.v_group)
            v += channel * load(arguments, W.panel_row) + first * item
            transform_filters(arguments, u, w, output, output_end, channel, stop)
        multiply_matrices(
            arguments, u, v, m, tile, tile_end, stop - channel, columns, beta
        )
        beta = load(arguments, W.beta)
        channel = stop
    for one in range(output, output_end):
        finish_output(arguments, m, group, one, first, last)
        m += load(arguments, W.m_row)
    return 0


@native
def convolve_tiles(arguments: int, begin: int, end: int) -> int:
    """Pieces `begin` to `end` of the work: of tiles, outputs, groups."""
    slot = take_slot(arguments)
    memory = load(arguments, W.scratch) + slot * load(arguments, W.slot_bytes)
    stripes = load(arguments, W.stripes)
    blocks = load(arguments, W.tile_blocks)
    for number in range(begin, end):
        first = number % stripes * load(arguments, W.stripe)
        last = first + load(arguments, W.stripe)
        if last > load(arguments, W.all_tiles):
            last = load(arguments, W.all_tiles)
        tile = number // stripes % blocks * load(arguments, W.tile_block)
        tile_end = tile + load(arguments, W.tile_block)
        if tile_end > load(arguments, W.tiles):
            tile_end = load(arguments, W.tiles)
        group = number // stripes // blocks
        convolve_piece(arguments, memory, group, tile, tile_end, first, last)
    store(arguments, load(arguments, W.flags) + slot, 0)
    return 0


@native
def mend(arguments: int, begin: int, end: int) -> int:
    """Make again what is marked among the pieces `begin` to `end` of `convolve_rows`."""
    direct = arguments + 8 * load(arguments, W.direct)
    for piece in range(begin, end):
        marked = load(arguments, W.marks) + piece
        if load(arguments, marked) != 0:
            store(arguments, marked, 0)
            store(direct, D.x, load(arguments, W.x))
            store(direct, D.w, load(arguments, W.w))
            store(direct, D.y, load(arguments, W.y))
            store(direct, D.scratch, load(arguments, W.scratch))
            convolve_again(direct, piece, piece + 1)
    return 0
