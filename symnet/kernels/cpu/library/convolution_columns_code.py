"""Convolution on the CPU where the input has one column: the native driver, and its words.

Each column of the output meets one tap of a row of the filter, or none.  So the columns are
those of a product of matrices: of the input, a row for each of its rows and a column for each
channel, with each row of taps.  Gradients of inputs are such whose filters are as wide as the
image.
"""

from __future__ import annotations

from symnet.kernels.cpu.jit.intrinsics import load, memcpy, memset, store
from symnet.kernels.cpu.jit.native import native
from symnet.kernels.cpu.library.gathering_code import scatter_numbers
from symnet.kernels.cpu.library.panels_code import PanelWords, multiply_panel, take_slot


class ColumnWords(PanelWords):
    """The argument block; `a_step`: bytes from channel to channel of x."""

    x: int
    w: int
    y: int
    images: int
    outputs: int
    channels: int
    channel_block: int  # whose products are added up at once
    # Bytes from one to the next.
    x_group: int
    x_image: int
    x_row: int
    w_group: int
    w_output: int
    w_channel: int
    w_row: int
    w_tap: int
    y_group: int
    y_image: int
    y_output: int
    # Rows of taps; columns of the output that meet a tap: the first, how many, and how far
    # the first one's tap is.
    tap_rows: int
    first_column: int
    columns: int
    first_tap: int
    # Rows of the output that are made, of which some may lie outside: the first one's number,
    # how many, and from one row of taps to the next.
    low: int
    made: int
    dilation: int
    rows: int
    width: int
    # Packed filters in the scratch memory.
    filters: int


W = ColumnWords


@native
def filter_rows(arguments: int, group: int, output: int, tap: int) -> int:
    """Where a row of taps of all channels is packed."""
    number = (group * load(arguments, W.outputs) + output) * load(arguments, W.tap_rows)
    size = load(arguments, W.channels) * load(arguments, W.panel_row)
    return (
        load(arguments, W.scratch) + load(arguments, W.filters) + (number + tap) * size
    )


@native
def pack_filters(arguments: int, begin: int, end: int) -> int:
    """Filters `begin` to `end`: for each row of taps and channel the tap of each column."""
    item = load(arguments, W.item)
    row = load(arguments, W.panel_row)
    for number in range(begin, end):
        output = number % load(arguments, W.outputs)
        group = number // load(arguments, W.outputs)
        w = load(arguments, W.w) + group * load(arguments, W.w_group)
        w += output * load(arguments, W.w_output) + load(arguments, W.first_tap)
        for tap in range(load(arguments, W.tap_rows)):
            target = filter_rows(arguments, group, output, tap)
            source = w + tap * load(arguments, W.w_row)
            for _ in range(load(arguments, W.channels)):
                memset(target, 0, row)
                scatter_numbers(
                    target,
                    item,
                    source,
                    load(arguments, W.w_tap),
                    load(arguments, W.columns),
                    item,
                )
                target += row
                source += load(arguments, W.w_channel)
    return 0


@native
def multiply_taps(arguments: int, x: int, filters: int, made: int) -> int:
    """All rows of one image of the output that any row of the input meets."""
    row = load(arguments, W.panel_row)
    channels = load(arguments, W.channels)
    one = arguments + 8 * W.one
    down = load(arguments, W.dilation) * row
    start = made
    if down > 0:
        start = made + (load(arguments, W.tap_rows) - 1) * down
    memset(made, 0, load(arguments, W.made) * row)
    for tap in range(load(arguments, W.tap_rows)):
        target = start - tap * down
        channel = 0
        while channel < channels:
            count = channels - channel
            if count > load(arguments, W.channel_block):
                count = load(arguments, W.channel_block)
            multiply_panel(
                arguments,
                0,
                load(arguments, W.tiles),
                x + channel * load(arguments, W.a_step),
                load(arguments, W.x_row),
                filters,
                row,
                count,
                target,
                row,
                load(arguments, W.columns),
                one,
                target,
                row,
            )
            filters += count * row
            channel += count
    return 0


@native
def put_rows(arguments: int, made: int, y: int) -> int:
    """One image of the output: what was made, and 0 where nothing is met."""
    item = load(arguments, W.item)
    low = load(arguments, W.low)
    size = load(arguments, W.width) * item
    met = load(arguments, W.columns) * item
    for row in range(load(arguments, W.rows)):
        memset(y, 0, size)
        if row >= low and row < low + load(arguments, W.made):
            source = made + (row - low) * load(arguments, W.panel_row)
            memcpy(y + load(arguments, W.first_column) * item, source, met)
        y += size
    return 0


@native
def convolve_columns(arguments: int, begin: int, end: int) -> int:
    """Images `begin` to `end` of the output, of all groups."""
    slot = take_slot(arguments)
    made = load(arguments, W.scratch) + slot * load(arguments, W.slot_bytes)
    images = load(arguments, W.images)
    for number in range(begin, end):
        group = number // images
        x = load(arguments, W.x) + group * load(arguments, W.x_group)
        x += number % images * load(arguments, W.x_image)
        y = load(arguments, W.y) + group * load(arguments, W.y_group)
        y += number % images * load(arguments, W.y_image)
        for output in range(load(arguments, W.outputs)):
            multiply_taps(arguments, x, filter_rows(arguments, group, output, 0), made)
            put_rows(arguments, made, y + output * load(arguments, W.y_output))
    store(arguments, load(arguments, W.flags) + slot, 0)
    return 0
