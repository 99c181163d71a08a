"""Convolution on the CPU with vectors along the taps: see `convolution_code`.

Of few places of the output, as where filters are what is sought, each is a sum of
products of two long rows.
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
from symnet.kernels.cpu.library.adding_code import add_double, add_numbers, add_single
from symnet.kernels.cpu.library.convolution_code import W, pack_some
from symnet.kernels.cpu.library.panels_code import (
    take_slot,
)

PIECE = 4096  # bytes of y of which parts are added up at once


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
                left = w + channel * load(arguments, W.w_channel)
                left += first * load(arguments, W.width) * item
                length = (last - first) * load(arguments, W.width)
                here = column
                while here < stop:
                    until = here + load(arguments, W.panel_columns)
                    if until > stop:
                        until = stop
                    pack_columns(
                        arguments, panel, source, here, until, channels, first, last
                    )
                    sum_block(
                        arguments, panel, left, y, here, until, channels, length, fresh
                    )
                    here = until
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
