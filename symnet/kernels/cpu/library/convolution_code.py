"""Convolution on the CPU: the native drivers around the micro-kernels, and their words.

Source: Chetlur et al. 2014, "cuDNN: Efficient primitives for deep learning": a convolution is
a product of matrices, of which the larger, a row for each tap with the elements that it
meets, is made piece by piece in the cache.

Along each axis one of two indices is *fixed* in a row of that matrix, and the other one
*runs*:
- `convolve_rows` fixes a tap and runs along the output.
- `convolve_sums` (`convolution_sums_code`) fixes a place of the output and runs along the
  taps, where these are many: so for the gradient of a filter.
- `convolve_inputs` (`convolution_inputs_code`) fixes a tap and runs along the input, where
  that has fewer elements than
  the output: so for the gradient of an input.  The products are added where they belong.
Which element meets which pair stands in tables behind the words.
"""

from __future__ import annotations

from symnet.kernels.cpu.jit.intrinsics import load, store
from symnet.kernels.cpu.jit.native import hot
from symnet.kernels.cpu.library.gathering_code import (
    clear_blocks,
    gather_numbers,
    scatter_numbers,
)
from symnet.kernels.cpu.library.panels_code import (
    BLOCK,
    PanelWords,
    copy_block,
    copy_numbers,
    multiply_panel,
    take_slot,
)

LINE_WORDS = 5
NOT_THERE = -(2**62)  # no distance in bytes; of a reversed axis these are negative


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
    x_span: int  # bytes of a channel of one image
    whole: int  # whether every pair of indices meets an element, and rows have no gaps
    # Fixed and running indices of depth, height and width.
    fixed_heights: int
    fixed_widths: int
    fixed: int  # all of them
    heights: int
    width: int
    rows: int  # depths times heights
    # Bytes from the first element of an image to that which a pair of indices meets,
    # NOT_THERE for none: of depth, of height; of width for each fixed index a line.
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
    columns: int  # rows of its result: places of the output, image by image
    column_block: int
    panel_columns: int  # so many of them are packed at once
    panel_result: int  # bytes of their sums
    row_blocks: int
    channel_block: int
    stretch: int  # bytes of a packed channel
    pieces: int  # of the contracted axis
    part_pieces: int
    parts: int
    sums: int  # where those of the second part begin, in bytes of the scratch memory
    y_bytes: int
    result: int  # where the sums begin, in bytes of a slot
    tile: int
    tile_rows: int
    tile_bytes: int
    # Of `convolve_inputs`.
    x_depth: int
    x_height: int
    x_width: int
    x_dense: int  # whether these say that there are no gaps
    places: int  # bytes of an image of the output
    shifting: int  # `shifted_sum`, where it serves, and its arguments
    shift: int
    shift_step: int
    y_width: int
    products: int  # where the products begin, in bytes of a slot


W = ConvolutionWords


# ---- packing


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
        if far == NOT_THERE or down == NOT_THERE or used == 0:
            clear_blocks(target, size)
        elif step == item and stride == item:
            if start > 0:
                clear_blocks(target, start)
            done = 0
            while done < used:
                if begin + done > safe:
                    copy_numbers(target + start + done, begin + done, used - done)
                    break
                copy_block(target + start + done, begin + done)
                done += BLOCK
            if start + used < size:
                clear_blocks(target + start + used, size - start - used)
        elif step == item:
            if used < size:
                clear_blocks(target, size)
            gather_numbers(target + start, begin, stride, count, item)
        else:
            clear_blocks(target, size)
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


@hot
def pack_whole(
    arguments: int,
    target: int,
    target_row: int,
    source: int,
    fixed: int,
    count: int,
    first: int,
    last: int,
) -> int:
    """`pack_rows` for `count` fixed indices that differ in width alone, `target_row` bytes
    apart, where nothing is missing: a row of the input is read once for all of them."""
    item = load(arguments, W.item)
    heights = load(arguments, W.heights)
    size = load(arguments, W.width) * item
    widths = load(arguments, W.fixed_widths)
    fixed_heights = load(arguments, W.fixed_heights)
    line = arguments + 8 * (load(arguments, W.lines) + LINE_WORDS * (fixed % widths))
    source += load(line, 3)
    gap = 0
    if count > 1:
        gap = load(line, LINE_WORDS + 3) - load(line, 3)
    depth = fixed // widths // fixed_heights
    depths = load(arguments, W.depth_table)
    depths += depth * (load(arguments, W.rows) // heights)
    table = load(arguments, W.height_table)
    table += fixed // widths % fixed_heights * heights
    level = first // heights
    row = first % heights
    for _ in range(first, last):
        begin = source + load(arguments, depths + level) + load(arguments, table + row)
        done = 0
        while done < size:
            here = begin + done
            place = target + done
            for _ in range(count):
                copy_block(place, here)
                place += target_row
                here += gap
            done += BLOCK
        target += size
        row += 1
        if row == heights:
            row = 0
            level += 1
    return 0


@hot
def pack_some(
    arguments: int,
    target: int,
    target_row: int,
    source: int,
    fixed: int,
    most: int,
    first: int,
    last: int,
) -> int:
    """Pack fixed indices from `fixed` on, up to `most`, for one channel; how many."""
    x_end = load(arguments, W.x) + load(arguments, W.x_reach)
    if load(arguments, W.whole) != 0 and source + load(arguments, W.x_span) <= x_end:
        widths = load(arguments, W.fixed_widths)
        count = widths - fixed % widths
        if count > most:
            count = most
        pack_whole(arguments, target, target_row, source, fixed, count, first, last)
        return count
    pack_fixed(arguments, target, source, fixed, first, last)
    return 1


# ---- taps fixed: vectors along the output


@hot
def pack_panel(
    arguments: int, panel: int, x: int, k: int, stop: int, first: int, last: int
) -> int:
    """Rows `k` to `stop` of the packed matrix: channel by channel, tap by tap."""
    taps = load(arguments, W.fixed)
    panel_row = load(arguments, W.panel_row)
    number = k
    while number < stop:
        tap = number % taps
        most = taps - tap
        if most > stop - number:
            most = stop - number
        source = x + number // taps * load(arguments, W.x_channel)
        count = pack_some(arguments, panel, panel_row, source, tap, most, first, last)
        number += count
        panel += count * panel_row
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
    taps = load(arguments, W.fixed)
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
                w
                + k // taps * load(arguments, W.w_channel)
                + k % taps * load(arguments, W.item),
                load(arguments, W.w_output),
                panel,
                load(arguments, W.panel_row),
                stop - k,
                y,
                load(arguments, W.y_output),
                (last - first) * load(arguments, W.width),
                beta,
                y,
                load(arguments, W.y_output),
            )
            k = stop
    store(arguments, load(arguments, W.flags) + slot, 0)
    return 0
