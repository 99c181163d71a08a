"""Convolution on the CPU: the native drivers around the micro-kernels, and their words.

Source: Chetlur et al. 2014, "cuDNN: Efficient primitives for deep learning": a convolution is
a product of matrices, of which the larger, a row for each tap with the elements that it
meets, is made piece by piece in the cache.

Along each axis one of two indices is *fixed* in a row of that matrix, and the other one
*runs*:
- `convolve_rows` fixes a tap and runs along the output.
- `convolve_sums` fixes a place of the output and runs along the taps, where these are many:
  so for the gradient of a filter.
- `convolve_inputs` fixes a tap and runs along the input, where that has fewer elements than
  the output: so for the gradient of an input.  The products are added where they belong.
Which element meets which pair stands in tables behind the words.
"""

from __future__ import annotations

import ctypes
from typing import Any

from symnet.kernels.cpu.jit.intrinsics import (
    C_LIBRARY,
    CFunction,
    NativeInstruction,
    call,
    compare_exchange,
    instruction,
    load,
    load_i32,
    pause,
    stack,
    store,
    store_i32,
)
from symnet.kernels.cpu.jit.native import hot
from symnet.kernels.cpu.jit.record import Record

getpid = CFunction("getpid", "i32()", C_LIBRARY)
memset = CFunction("memset", "i64(i64, i32, i64)", C_LIBRARY)
LINE_WORDS = 5
BLOCK = 64  # bytes that are copied at once
PIECE = 4096  # bytes of y of which parts are added up at once


class ConvolutionWords(Record):
    """The argument block; tables and flags stand behind, at the word that is named."""

    x: int
    w: int
    y: int
    scratch: int  # for each thread `slot_bytes`
    slot_bytes: int
    slots: int
    flags: int  # of each slot: the process that has taken it
    item: int  # bytes of a number
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
    w_step: int
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
    panel_row: int  # bytes of a row of the packed matrix
    # The micro-kernels.  Of `convolve_rows` and `convolve_inputs`: tiles that make up
    # `tiled` rows, each with `few` or one more, over two vectors or one.
    tile_columns: int
    tiled: int
    few: int
    tiles: int
    wide: int
    wide_more: int
    narrow: int
    narrow_more: int
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


@instruction("""
    %p = inttoptr i64 {target} to ptr
    %q = inttoptr i64 {source} to ptr
    %v = load <16 x i8>, ptr %q, align 1
    store <16 x i8> %v, ptr %p, align 1
""")
def copy_quarter(target: int, source: int) -> int:
    """Copy 16 bytes."""
    ctypes.memmove(target, source, BLOCK // 4)
    return 0


@instruction("""
    %p = inttoptr i64 {target} to ptr
    store <64 x i8> zeroinitializer, ptr %p, align 1
""")
def clear_block(target: int) -> int:
    """Set 64 bytes to 0."""
    ctypes.memset(target, 0, BLOCK)
    return 0


# ---- memory of a thread


@hot
def take_slot(arguments: int) -> int:
    """The number of a slot of scratch memory that nobody uses.

    What another process has taken was taken before a fork, by a thread that is no more.
    """
    process = getpid()
    while True:
        for slot in range(load(arguments, W.slots)):
            flag = load(arguments, W.flags) + slot
            holder = load(arguments, flag)
            if holder != process and compare_exchange(arguments, flag, holder, process):
                return slot
        pause()


# ---- packing


@hot
def clear(target: int, count: int) -> int:
    """Set bytes to 0, and up to 63 behind."""
    done = 0
    while done < count:
        clear_block(target + done)
        done += BLOCK
    return 0


@hot
def copy_numbers(target: int, source: int, count: int) -> int:
    """Copy bytes, a multiple of 4."""
    done = 0
    while done + BLOCK <= count:
        copy_block(target + done, source + done)
        done += BLOCK
    while done + 16 <= count:
        copy_quarter(target + done, source + done)
        done += 16
    while done < count:
        store_i32(target + done, 0, load_i32(source + done, 0))
        done += 4
    return 0


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
    depth: int,
    height: int,
    width: int,
    first: int,
    last: int,
) -> int:
    """The elements of one channel that meet a fixed index, along the rows from `first` to
    `last` of the running ones; up to 63 bytes behind are overwritten."""
    item = load(arguments, W.item)
    heights = load(arguments, W.heights)
    size = load(arguments, W.width) * item
    line = arguments + 8 * (load(arguments, W.lines) + LINE_WORDS * width)
    start = load(line, 0)  # bytes before the first element
    step = load(line, 1)
    count = load(line, 2)
    source += load(line, 3)
    stride = load(line, 4)
    safe = load(arguments, W.x) + load(arguments, W.x_reach)
    level = first // heights
    row = first % heights
    depths = load(arguments, W.depth_table) + depth * (
        load(arguments, W.rows) // heights
    )
    table = load(arguments, W.height_table) + height * heights
    far = load(arguments, depths + level)
    used = count * item
    plain = 0
    if step == item and stride == item:
        plain = 1
    for _ in range(first, last):
        down = load(arguments, table + row)
        if far < 0 or down < 0 or used == 0:
            clear(target, size)
        elif plain != 0:
            if start > 0:
                clear(target, start)
            begin = source + far + down
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
            begin = source + far + down
            scatter_numbers(target + start, step, begin, stride, count, item)
        target += size
        row += 1
        if row == heights:
            row = 0
            level += 1
            if level * heights < load(arguments, W.rows):
                far = load(arguments, depths + level)
    return 0


@hot
def pack_fixed(
    arguments: int, target: int, source: int, fixed: int, first: int, last: int
) -> int:
    """`pack_rows` for a fixed index by number."""
    widths = load(arguments, W.fixed_widths)
    heights = load(arguments, W.fixed_heights)
    width = fixed % widths
    rest = fixed // widths
    pack_rows(
        arguments, target, source, rest // heights, rest % heights, width, first, last
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
def multiply_panel(
    arguments: int,
    w: int,
    w_row: int,
    panel: int,
    inner: int,
    y: int,
    y_row: int,
    columns: int,
    fresh: int,
) -> int:
    """All tiles of a product: `tiled` rows of numbers at w times the packed rows."""
    item = load(arguments, W.item)
    few = load(arguments, W.few)
    more = load(arguments, W.tiled) - few * load(arguments, W.tiles)
    tile_columns = load(arguments, W.tile_columns)
    column = 0
    while column < columns:
        left = columns - column
        plain = load(arguments, W.wide)
        higher = load(arguments, W.wide_more)
        if 2 * left <= tile_columns:
            plain = load(arguments, W.narrow)
            higher = load(arguments, W.narrow_more)
        a = w
        c = y + column * item
        for tile in range(load(arguments, W.tiles)):
            code = plain
            height = few
            if tile < more:
                code = higher
                height = few + 1
            call(
                code,
                a,
                w_row,
                load(arguments, W.w_step),
                panel + column * item,
                load(arguments, W.panel_row),
                inner,
                c,
                y_row,
                left,
                fresh,
            )
            a += height * w_row
            c += height * y_row
        column += tile_columns
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
            multiply_panel(
                arguments,
                w + k * load(arguments, W.w_step),
                load(arguments, W.w_output),
                panel,
                stop - k,
                y,
                load(arguments, W.y_output),
                (last - first) * load(arguments, W.width),
                k == 0,
            )
            k = stop
    store(arguments, load(arguments, W.flags) + slot, 0)
    return 0


# ---- taps fixed: vectors along the input


def _adding(kind: str) -> NativeInstruction[[int, int]]:
    """What adds the numbers at `source` to those at `target`; kind: LLVM's type."""
    count, number = kind[1:-1].split(" x ") if "x" in kind else ("1", kind)
    real: Any = {"float": ctypes.c_float, "double": ctypes.c_double}[number]

    def meaning(target: int, source: int) -> int:
        result = (real * int(count)).from_address(target)
        for k, other in enumerate((real * int(count)).from_address(source)):
            result[k] += other
        return 0

    return NativeInstruction(
        f"""
        %p = inttoptr i64 {{target}} to ptr
        %q = inttoptr i64 {{source}} to ptr
        %old = load {kind}, ptr %p, align 4
        %other = load {kind}, ptr %q, align 4
        %new = fadd {kind} %old, %other
        store {kind} %new, ptr %p, align 4
        """,
        meaning,
    )


add_single, add_double = _adding("float"), _adding("double")
add_singles, add_doubles = _adding("<16 x float>"), _adding("<8 x double>")
add_few_singles, add_few_doubles = _adding("<4 x float>"), _adding("<2 x double>")


@hot
def add_numbers(target: int, source: int, count: int, item: int) -> int:
    """Add `count` bytes of numbers to others."""
    done = 0
    if item == 4:
        while done + BLOCK <= count:
            add_singles(target + done, source + done)
            done += BLOCK
        while done + 16 <= count:
            add_few_singles(target + done, source + done)
            done += 16
        while done < count:
            add_single(target + done, source + done)
            done += 4
        return 0
    while done + BLOCK <= count:
        add_doubles(target + done, source + done)
        done += BLOCK
    while done < count:
        add_double(target + done, source + done)
        done += 8
    return 0


@hot
def add_rows(
    arguments: int, y: int, source: int, tap: int, first: int, last: int
) -> int:
    """The products of one tap, rows `first` to `last` of the input, to one image of y."""
    item = load(arguments, W.item)
    heights = load(arguments, W.heights)
    size = load(arguments, W.width) * item
    widths = load(arguments, W.fixed_widths)
    rest = tap // widths
    height = rest % load(arguments, W.fixed_heights)
    depth = rest // load(arguments, W.fixed_heights)
    line = arguments + 8 * (load(arguments, W.lines) + LINE_WORDS * (tap % widths))
    start = load(line, 0)
    count = load(line, 2)
    stride = load(line, 4)
    y += load(line, 3)
    table = load(arguments, W.height_table) + height * heights
    depths = load(arguments, W.depth_table) + depth * (
        load(arguments, W.rows) // heights
    )
    for row in range(first, last):
        far = load(arguments, depths + row // heights)
        down = load(arguments, table + row % heights)
        if far >= 0 and down >= 0 and count > 0:
            target = y + far + down
            if stride == item:
                add_numbers(target, source + start, count * item, item)
            elif item == 4:
                for k in range(count):
                    add_single(target + k * stride, source + start + 4 * k)
            else:
                for k in range(count):
                    add_double(target + k * stride, source + start + 8 * k)
        source += size
    return 0


@hot
def pack_inputs(arguments: int, panel: int, x: int, first: int, last: int) -> int:
    """Rows `first` to `last` of every channel of an image."""
    item = load(arguments, W.item)
    heights = load(arguments, W.heights)
    width = load(arguments, W.width)
    panel_row = load(arguments, W.panel_row)
    used = (last - first) * width * item
    for channel in range(load(arguments, W.channels)):
        source = x + channel * load(arguments, W.x_channel)
        if load(arguments, W.x_dense) != 0:
            copy_numbers(panel, source + first * width * item, used)
        else:
            for row in range(first, last):
                scatter_numbers(
                    panel + (row - first) * width * item,
                    item,
                    source
                    + row // heights * load(arguments, W.x_depth)
                    + row % heights * load(arguments, W.x_height),
                    load(arguments, W.x_width),
                    width,
                    item,
                )
        clear(panel + used, panel_row - used)
        panel += panel_row
    return 0


@hot
def convolve_inputs(arguments: int, begin: int, end: int) -> int:
    """Blocks `begin` to `end` of the output: of filters, images, groups."""
    slot = take_slot(arguments)
    panel = load(arguments, W.scratch) + slot * load(arguments, W.slot_bytes)
    products = panel + load(arguments, W.products)
    panel_row = load(arguments, W.panel_row)
    parts = load(arguments, W.output_blocks)
    images = load(arguments, W.images)
    for number in range(begin, end):
        output = number % parts * load(arguments, W.output_block)
        stop = output + load(arguments, W.output_block)
        if stop > load(arguments, W.outputs):
            stop = load(arguments, W.outputs)
        image = number // parts % images
        group = number // parts // images
        x = load(arguments, W.x) + group * load(arguments, W.x_group)
        x += image * load(arguments, W.x_image)
        w = load(arguments, W.w) + group * load(arguments, W.w_group)
        y = load(arguments, W.y) + group * load(arguments, W.y_group)
        y += image * load(arguments, W.y_image)
        first = 0
        while first < load(arguments, W.rows):
            last = first + load(arguments, W.row_block)
            if last > load(arguments, W.rows):
                last = load(arguments, W.rows)
            pack_inputs(arguments, panel, x, first, last)
            for one in range(output, stop):
                target = y + one * load(arguments, W.y_output)
                if first == 0:
                    memset(target, 0, load(arguments, W.places))
                k = 0
                while k < load(arguments, W.inner):
                    inner = load(arguments, W.inner_block)
                    if k + inner > load(arguments, W.inner):
                        inner = load(arguments, W.inner) - k
                    multiply_panel(
                        arguments,
                        w
                        + one * load(arguments, W.w_output)
                        + k * load(arguments, W.w_step),
                        load(arguments, W.item),
                        panel + k * panel_row,
                        inner,
                        products,
                        panel_row,
                        (last - first) * load(arguments, W.width),
                        k == 0,
                    )
                    k += inner
                for tap in range(load(arguments, W.fixed)):
                    source = products + tap * panel_row
                    add_rows(arguments, target, source, tap, first, last)
            first = last
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
