"""Convolution on the CPU with vectors along the taps: see `convolution_code`.

Of few places of the output, as where filters are what is sought, each is a sum of
products of two long rows: of what the place meets, and of a filter.  The contracted axis
is cut into pieces (some channels, or some rows of taps).  Pieces next to each other make a
part, whose sums are kept in the memory of a thread, tile by tile, until they are put into
their places.
"""

from __future__ import annotations

from symnet.kernels.cpu.jit.intrinsics import call, load, stack, store
from symnet.kernels.cpu.jit.native import hot
from symnet.kernels.cpu.library.adding_code import add_numbers
from symnet.kernels.cpu.library.convolution_code import W, pack_some
from symnet.kernels.cpu.library.gathering_code import scatter_numbers
from symnet.kernels.cpu.library.panels_code import take_slot

PIECE = 4096  # bytes of y of which parts are added up at once


@hot
def pack_columns(
    arguments: int,
    panel: int,
    x: int,
    column: int,
    stop: int,
    channels: int,
    first: int,
    last: int,
) -> int:
    """A row for each place: what it meets, channel by channel."""
    fixed = load(arguments, W.fixed)
    widths = load(arguments, W.fixed_widths)
    panel_row = load(arguments, W.panel_row)
    number = column
    while number < stop:
        source = x + number // fixed * load(arguments, W.x_image)
        target = panel + (number - column) * panel_row
        most = fixed - number % fixed
        if most > stop - number:
            most = stop - number
        left = widths - number % widths
        if most > left:
            most = left
        for channel in range(channels):
            packed = 0
            while packed < most:
                packed += pack_some(
                    arguments,
                    target + channel * load(arguments, W.stretch) + packed * panel_row,
                    panel_row,
                    source + channel * load(arguments, W.x_channel),
                    number % fixed + packed,
                    most - packed,
                    first,
                    last,
                )
        number += most
    return 0


@hot
def sum_tiles(
    arguments: int,
    panel: int,
    w: int,
    columns: int,
    channels: int,
    length: int,
    result: int,
    fresh: int,
) -> int:
    """All tiles of packed places and filters, tile after tile in `result`."""
    rows = load(arguments, W.tile_rows)
    width = load(arguments, W.tile_columns)
    size = load(arguments, W.tile_bytes)
    outputs = load(arguments, W.outputs)
    places = stack(8)
    sums = stack(32)
    column = 0
    while column < columns:
        output = 0
        while output < outputs:
            for row in range(rows):
                one = output + row
                if one >= outputs:
                    one = outputs - 1
                store(places, row, w + one * load(arguments, W.w_output))
            target = sums
            if fresh != 0:
                target = result
            call(
                load(arguments, W.tile),
                places,
                panel + column * load(arguments, W.panel_row),
                load(arguments, W.panel_row),
                channels,
                load(arguments, W.w_channel),
                load(arguments, W.stretch),
                length,
                target,
            )
            if fresh == 0:
                add_numbers(result, sums, size, load(arguments, W.item))
            result += size
            output += rows
        column += width
    return 0


@hot
def put_tiles(arguments: int, result: int, y: int, column: int, stop: int) -> int:
    """Bring the sums of all tiles to where they belong."""
    item = load(arguments, W.item)
    fixed = load(arguments, W.fixed)
    rows = load(arguments, W.tile_rows)
    width = load(arguments, W.tile_columns)
    size = load(arguments, W.tile_bytes)
    outputs = load(arguments, W.outputs)
    tiles = (outputs + rows - 1) // rows
    for one in range(column, stop):
        target = y + one // fixed * load(arguments, W.y_image) + one % fixed * item
        source = result + (one - column) // width * tiles * size
        source += (one - column) % width * item
        left = outputs
        for _ in range(tiles):
            count = rows
            if count > left:
                count = left
            scatter_numbers(
                target, load(arguments, W.y_output), source, width * item, count, item
            )
            target += rows * load(arguments, W.y_output)
            source += size
            left -= rows
    return 0


@hot
def sum_piece(
    arguments: int,
    memory: int,
    x: int,
    w: int,
    column: int,
    stop: int,
    piece: int,
    fresh: int,
) -> int:
    """One piece of the contracted axis, for places `column` to `stop`."""
    result = memory + load(arguments, W.result)
    row_blocks = load(arguments, W.row_blocks)
    channel = piece // row_blocks * load(arguments, W.channel_block)
    channels = load(arguments, W.channels) - channel
    if channels > load(arguments, W.channel_block):
        channels = load(arguments, W.channel_block)
    first = piece % row_blocks * load(arguments, W.row_block)
    last = first + load(arguments, W.row_block)
    if last > load(arguments, W.rows):
        last = load(arguments, W.rows)
    length = (last - first) * load(arguments, W.width)
    x += channel * load(arguments, W.x_channel)
    w += channel * load(arguments, W.w_channel)
    w += first * load(arguments, W.width) * load(arguments, W.item)
    while column < stop:
        columns = stop - column
        if columns > load(arguments, W.panel_columns):
            columns = load(arguments, W.panel_columns)
        pack_columns(
            arguments, memory, x, column, column + columns, channels, first, last
        )
        sum_tiles(arguments, memory, w, columns, channels, length, result, fresh)
        result += load(arguments, W.panel_result)
        column += columns
    return 0


@hot
def convolve_sums(arguments: int, begin: int, end: int) -> int:
    """Blocks `begin` to `end`: of places of the output of images, of groups, of parts of the
    contracted axis.  The first part is put into y, the others beside each
    other."""
    slot = take_slot(arguments)
    memory = load(arguments, W.scratch) + slot * load(arguments, W.slot_bytes)
    blocks = load(arguments, W.blocks)
    groups = load(arguments, W.groups)
    for number in range(begin, end):
        column = number % blocks * load(arguments, W.column_block)
        stop = column + load(arguments, W.column_block)
        if stop > load(arguments, W.columns):
            stop = load(arguments, W.columns)
        rest = number // blocks
        group = rest % groups
        part = rest // groups
        x = load(arguments, W.x) + group * load(arguments, W.x_group)
        w = load(arguments, W.w) + group * load(arguments, W.w_group)
        piece = part * load(arguments, W.part_pieces)
        last = piece + load(arguments, W.part_pieces)
        if last > load(arguments, W.pieces):
            last = load(arguments, W.pieces)
        fresh = 1
        while piece < last:
            sum_piece(arguments, memory, x, w, column, stop, piece, fresh)
            fresh = 0
            piece += 1
        y = load(arguments, W.y)
        if part > 0:
            y = load(arguments, W.scratch) + load(arguments, W.sums)
            y += (part - 1) * load(arguments, W.y_bytes)
        y += group * load(arguments, W.y_group)
        put_tiles(arguments, memory + load(arguments, W.result), y, column, stop)
    store(arguments, load(arguments, W.flags) + slot, 0)
    return 0


@hot
def add_parts(arguments: int, begin: int, end: int) -> int:
    """Pieces `begin` to `end` of y: what the parts have summed, in their order."""
    item = load(arguments, W.item)
    first = begin * PIECE
    last = end * PIECE
    if last > load(arguments, W.y_bytes):
        last = load(arguments, W.y_bytes)
    source = load(arguments, W.scratch) + load(arguments, W.sums)
    for _ in range(1, load(arguments, W.parts)):
        add_numbers(load(arguments, W.y) + first, source + first, last - first, item)
        source += load(arguments, W.y_bytes)
    return 0
