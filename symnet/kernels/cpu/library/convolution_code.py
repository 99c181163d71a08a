"""Convolution on the CPU: the native drivers around the micro-kernels, and their words.

Source: Chetlur et al. 2014, "cuDNN: Efficient primitives for deep learning": a convolution is
a product of matrices, of which the larger, a row for each tap with the elements that it
meets, is made piece by piece in the cache.

Along each axis one of two indices is *fixed* in a row of that matrix, and the other one
*runs*:
- `convolve_rows` fixes a tap and runs along the output.
- `convolve_sums` fixes a place of the output and runs along the taps, where these are many:
  so for the gradient of a filter.
- `convolve_inputs` (`convolution_inputs_code`) fixes a tap and runs along the input, where
  that has fewer elements than
  the output: so for the gradient of an input.  The products are added where they belong.
Which element meets which pair stands in tables behind the words.
"""

from __future__ import annotations

from symnet.kernels.cpu.jit.intrinsics import (
    call,
    load,
    load_i32,
    stack,
    store,
    store_i32,
)
from symnet.kernels.cpu.jit.native import hot
from symnet.kernels.cpu.library.panels_code import (
    BLOCK,
    PanelWords,
    add_double,
    add_numbers,
    add_single,
    clear,
    copy_block,
    copy_numbers,
    multiply_panel,
    take_slot,
)

LINE_WORDS = 5
PIECE = 4096  # bytes of y of which parts are added up at once


class ConvolutionWords(PanelWords):
    """The argument block; tables and flags stand behind, at the word that is named."""

    x: int
    w: int
    y: int
    groups: int
    images: int
    outputs: int
    channels: int
    # Bytes from one to the next, of x, w and y.
    x_group: int
    x_image: int
    x_channel: int
    w_group: int
    w_output: int
    w_channel: int
    y_group: int
    y_image: int
    y_output: int
    x_reach: int  # bytes from x on of which 64 may be read at once
    # Fixed and running indices of depth, height and width.
    fixed_heights: int
    fixed_widths: int
    fixed: int  # all of them
    heights: int
    width: int
    rows: int  # depths times heights
    # Bytes from the first element of an image to that which a pair of indices meets, -1
    # for none: of depth, of height; of width for each fixed index a line.
    depth_table: int
    height_table: int
    lines: int
    # How the work is cut.
    row_block: int
    blocks: int  # of rows, or of columns of the matrix
    output_block: int
    output_blocks: int
    inner: int  # the contracted length of `convolve_rows`
    inner_block: int
    # Of `convolve_sums`.
    tile: int
    tile_rows: int
    columns: int
    column_block: int
    channel_block: int
    stretch: int  # bytes of a packed channel
    parts: int
    channel_part: int  # channels of a part
    sums: int  # where those of the second part begin, in bytes of the scratch memory
    y_bytes: int
    # Of `convolve_inputs`.
    x_depth: int
    x_height: int
    x_width: int
    x_dense: int  # whether these say that there are no gaps
    places: int  # bytes of an image of the output
    products: int  # where the products begin, in bytes of a slot


W = ConvolutionWords


# ---- packing


@hot
def scatter_numbers(
    target: int, step: int, source: int, stride: int, count: int, item: int
) -> int:
    """Copy numbers that lie `stride` bytes apart to places `step` bytes apart."""
    if item == 4:
        for _ in range(count):
            store_i32(target, 0, load_i32(source, 0))
            target += step
            source += stride
        return 0
    for _ in range(count):
        store(target, 0, load(source, 0))
        target += step
        source += stride
    return 0


@hot
def pack_rows(
    arguments: int,
    target: int,
    source: int,
    line: int,
    depths: int,
    table: int,
    first: int,
    last: int,
) -> int:
    """The elements of one channel that meet a fixed index, along the rows from `first` to
    `last` of the running ones; up to 63 bytes behind are overwritten.

    line, depths, table: where the line and the tables of the fixed index begin."""
    item = load(arguments, W.item)
    heights = load(arguments, W.heights)
    size = load(arguments, W.width) * item
    start = load(line, 0)  # bytes before the first element
    step = load(line, 1)
    count = load(line, 2)
    source += load(line, 3)
    stride = load(line, 4)
    safe = load(arguments, W.x) + load(arguments, W.x_reach)
    row = first % heights
    level = first // heights
    far = load(depths, level)
    used = count * item
    for _ in range(first, last):
        down = load(table, row)
        begin = source + far + down
        if far < 0 or down < 0 or used == 0:
            clear(target, size)
        elif step == item and stride == item:
            if start > 0:
                clear(target, start)
            done = 0
            while done < used:
                if begin + done > safe:
                    copy_numbers(target + start + done, begin + done, used - done)
                    break
                copy_block(target + start + done, begin + done)
                done += BLOCK
            if start + used < size:
                clear(target + start + used, size - start - used)
        else:
            clear(target, size)
            scatter_numbers(target + start, step, begin, stride, count, item)
        target += size
        row += 1
        if row == heights:
            row = 0
            level += 1
            if level * heights < load(arguments, W.rows):
                far = load(depths, level)
    return 0


@hot
def pack_fixed(
    arguments: int, target: int, source: int, fixed: int, first: int, last: int
) -> int:
    """`pack_rows` for a fixed index by number."""
    widths = load(arguments, W.fixed_widths)
    fixed_heights = load(arguments, W.fixed_heights)
    heights = load(arguments, W.heights)
    line = load(arguments, W.lines) + LINE_WORDS * (fixed % widths)
    depth = fixed // widths // fixed_heights
    height = fixed // widths % fixed_heights
    depths = load(arguments, W.depth_table)
    depths += depth * (load(arguments, W.rows) // heights)
    table = load(arguments, W.height_table) + height * heights
    pack_rows(
        arguments,
        target,
        source,
        arguments + 8 * line,
        arguments + 8 * depths,
        arguments + 8 * table,
        first,
        last,
    )
    return 0


# ---- taps fixed: vectors along the output


@hot
def pack_panel(
    arguments: int, panel: int, x: int, k: int, stop: int, first: int, last: int
) -> int:
    """Rows `k` to `stop` of the packed matrix: channel by channel, tap by tap."""
    taps = load(arguments, W.fixed)
    used = (last - first) * load(arguments, W.width) * load(arguments, W.item)
    panel_row = load(arguments, W.panel_row)
    for number in range(k, stop):
        source = x + number // taps * load(arguments, W.x_channel)
        pack_fixed(arguments, panel, source, number % taps, first, last)
        clear(panel + used, panel_row - used)
        panel += panel_row
    return 0


@hot
def convolve_rows(arguments: int, begin: int, end: int) -> int:
    """Blocks `begin` to `end` of the output: of filters, rows, images, groups."""
    slot = take_slot(arguments)
    panel = load(arguments, W.scratch) + slot * load(arguments, W.slot_bytes)
    item = load(arguments, W.item)
    parts = load(arguments, W.output_blocks)
    blocks = load(arguments, W.blocks)
    images = load(arguments, W.images)
    for number in range(begin, end):
        part = number % parts
        block = number // parts % blocks
        image = number // parts // blocks % images
        group = number // parts // blocks // images
        first = block * load(arguments, W.row_block)
        last = first + load(arguments, W.row_block)
        if last > load(arguments, W.rows):
            last = load(arguments, W.rows)
        output = part * load(arguments, W.output_block)
        x = load(arguments, W.x) + group * load(arguments, W.x_group)
        x += image * load(arguments, W.x_image)
        w = load(arguments, W.w) + group * load(arguments, W.w_group)
        w += output * load(arguments, W.w_output)
        y = load(arguments, W.y) + group * load(arguments, W.y_group)
        y += image * load(arguments, W.y_image) + output * load(arguments, W.y_output)
        y += first * load(arguments, W.width) * item
        k = 0
        while k < load(arguments, W.inner):
            stop = k + load(arguments, W.inner_block)
            if stop > load(arguments, W.inner):
                stop = load(arguments, W.inner)
            pack_panel(arguments, panel, x, k, stop, first, last)
            beta = 0
            if k > 0:
                beta = load(arguments, W.beta)
            multiply_panel(
                arguments,
                0,
                load(arguments, W.tiles),
                w + k * load(arguments, W.a_step),
                load(arguments, W.w_output),
                panel,
                load(arguments, W.panel_row),
                stop - k,
                y,
                load(arguments, W.y_output),
                (last - first) * load(arguments, W.width),
                beta,
            )
            k = stop
    store(arguments, load(arguments, W.flags) + slot, 0)
    return 0


# ---- places of the output fixed: vectors along the taps


@hot
def add_tile(
    arguments: int, sums: int, y: int, output: int, column: int, stop: int, fresh: int
) -> int:
    """Put the sums of one tile where they belong, or add them."""
    item = load(arguments, W.item)
    taps = load(arguments, W.fixed)
    outputs = load(arguments, W.outputs)
    width = load(arguments, W.tile_columns)
    for row in range(load(arguments, W.tile_rows)):
        if output + row >= outputs:
            return 0
        for k in range(width):
            if column + k < stop:
                place = y + (column + k) // taps * load(arguments, W.y_image)
                place += (output + row) * load(arguments, W.y_output)
                place += (column + k) % taps * item
                source = sums + (row * width + k) * item
                if fresh != 0:
                    if item == 4:
                        store_i32(place, 0, load_i32(source, 0))
                    else:
                        store(place, 0, load(source, 0))
                elif item == 4:
                    add_single(place, source)
                else:
                    add_double(place, source)
    return 0


@hot
def sum_block(
    arguments: int,
    panel: int,
    w: int,
    y: int,
    column: int,
    stop: int,
    channels: int,
    length: int,
    fresh: int,
) -> int:
    """All tiles of one block of columns, for one piece of the contracted axes."""
    rows = load(arguments, W.tile_rows)
    width = load(arguments, W.tile_columns)
    outputs = load(arguments, W.outputs)
    places = stack(8)
    sums = stack(32)
    here = column
    while here < stop:
        output = 0
        while output < outputs:
            for row in range(rows):
                one = output + row
                if one >= outputs:
                    one = outputs - 1
                store(places, row, w + one * load(arguments, W.w_output))
            call(
                load(arguments, W.tile),
                places,
                panel + (here - column) * load(arguments, W.panel_row),
                load(arguments, W.panel_row),
                channels,
                load(arguments, W.w_channel),
                load(arguments, W.stretch),
                length,
                sums,
            )
            add_tile(arguments, sums, y, output, here, stop, fresh)
            output += rows
        here += width
    return 0


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
    """A row for each column of the result: what its place meets, channel by channel."""
    fixed = load(arguments, W.fixed)
    for number in range(column, stop):
        source = x + number // fixed * load(arguments, W.x_image)
        target = panel + (number - column) * load(arguments, W.panel_row)
        for channel in range(channels):
            pack_fixed(
                arguments,
                target + channel * load(arguments, W.stretch),
                source + channel * load(arguments, W.x_channel),
                number % fixed,
                first,
                last,
            )
    return 0


@hot
def convolve_sums(arguments: int, begin: int, end: int) -> int:
    """Blocks `begin` to `end` of columns: places of the output of images, for a group and
    a part of the channels.  The first part is summed in y, the others beside each other."""
    slot = take_slot(arguments)
    panel = load(arguments, W.scratch) + slot * load(arguments, W.slot_bytes)
    item = load(arguments, W.item)
    blocks = load(arguments, W.blocks)
    for number in range(begin, end):
        group = number // blocks % load(arguments, W.groups)
        part = number // blocks // load(arguments, W.groups)
        column = number % blocks * load(arguments, W.column_block)
        stop = column + load(arguments, W.column_block)
        if stop > load(arguments, W.columns):
            stop = load(arguments, W.columns)
        x = load(arguments, W.x) + group * load(arguments, W.x_group)
        w = load(arguments, W.w) + group * load(arguments, W.w_group)
        y = load(arguments, W.y)
        if part > 0:
            y = load(arguments, W.scratch) + load(arguments, W.sums)
            y += (part - 1) * load(arguments, W.y_bytes)
        y += group * load(arguments, W.y_group)
        fresh = 1
        channel = part * load(arguments, W.channel_part)
        channel_end = channel + load(arguments, W.channel_part)
        if channel_end > load(arguments, W.channels):
            channel_end = load(arguments, W.channels)
        while channel < channel_end:
            channels = load(arguments, W.channel_block)
            if channel + channels > channel_end:
                channels = channel_end - channel
            first = 0
            while first < load(arguments, W.rows):
                last = first + load(arguments, W.row_block)
                if last > load(arguments, W.rows):
                    last = load(arguments, W.rows)
                source = x + channel * load(arguments, W.x_channel)
                pack_columns(
                    arguments, panel, source, column, stop, channels, first, last
                )
                left = w + channel * load(arguments, W.w_channel)
                left += first * load(arguments, W.width) * item
                length = (last - first) * load(arguments, W.width)
                sum_block(
                    arguments, panel, left, y, column, stop, channels, length, fresh
                )
                fresh = 0
                first = last
            channel += channels
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
