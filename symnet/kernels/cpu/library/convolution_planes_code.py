"""Convolution on the CPU by planes: see `convolution_code`.

Each image is copied once, with its border, into a plane (`plane_tiles`), along which every
tap is a distance.  To pack a row for each tap takes longer, with few filters longer than to
multiply by it; but then rows of the output can be joined to fill vectors.
- `convolve_planes` fixes taps and runs along the output.
- `sum_planes` fixes places of the output and runs along the taps, where these are many: so
  for the gradient of a filter.
"""

from __future__ import annotations

from symnet.kernels.cpu.jit.intrinsics import call, load, store
from symnet.kernels.cpu.jit.native import hot
from symnet.kernels.cpu.library.gathering_code import clear_blocks
from symnet.kernels.cpu.library.panels_code import PanelWords, take_slot

PHASE_WORDS = 3


class PlaneWords(PanelWords):
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
    # Of depth and height: how far a running and a fixed index go, how far apart the elements
    # of x are, how far the output begins before them, how many there are, and bytes.
    run_depth: int
    fixed_depth: int
    depth_spread: int
    depth_low: int
    depths: int
    x_depth: int
    run_height: int
    height_spread: int
    height_low: int
    heights: int
    x_height: int
    # Of width: for each phase how many zeros stand before the numbers, how many numbers, and
    # bytes to the first one in x.
    phases: int
    phase_table: int
    length: int  # of a row, in numbers
    # Bytes from one to the next, and slices for one running depth.
    plane_row: int
    plane_slice: int
    plane_phase: int
    plane_channel: int
    slices: int
    fixed_rows: int  # rows that one running row meets
    filling: int  # `plane_rows`
    # Of the running indices, and how the work is cut: into rows of one depth.
    run_depths: int
    run_rows: int
    width: int
    row_block: int
    blocks: int
    # What pairs meet, as distances in bytes: of x and w, or of x.
    places: int
    pairs: int
    channel_block: int  # channels whose pairs these are
    # Of `sum_planes`.
    w_depth: int
    w_height: int
    sums: int  # where they begin, in bytes of a slot
    vector_bytes: int
    adding: int  # `lane_sums`


W = PlaneWords


# ---- planes


@hot
def fill_rows(
    arguments: int,
    target: int,
    source: int,
    above: int,
    rows: int,
    below: int,
    phase: int,
) -> int:
    """Rows of zeros, of one phase, of zeros."""
    call(
        load(arguments, W.filling),
        target,
        load(arguments, W.plane_row),
        source + load(phase, 2),
        load(arguments, W.x_height),
        above,
        rows,
        below,
        load(phase, 0),
        load(phase, 1),
        load(arguments, W.length),
    )
    return 0


@hot
def fill_slice(
    arguments: int, target: int, source: int, phase: int, top: int, rows: int
) -> int:
    """One phase of an image: `rows` of them, of which the first is `top` rows below the first
    of the image."""
    heights = load(arguments, W.heights)
    spread = load(arguments, W.height_spread)
    stride = load(arguments, W.x_height)
    done = 0  # rows
    if spread == 1:
        if top < 0:
            done = -top
            if done > rows:
                done = rows
        last = heights - top
        if last > rows:
            last = rows
        if last < done:
            last = done
        source += (top + done) * stride
        fill_rows(arguments, target, source, done, last - done, rows - last, phase)
        return 0
    image = 0
    if top > 0:
        image = (top + spread - 1) // spread
    row = image * spread - top
    source += image * stride
    while image < heights and row < rows:
        fill_rows(arguments, target, source, row - done, 1, 0, phase)
        target += (row + 1 - done) * load(arguments, W.plane_row)
        source += stride
        done = row + 1
        row += spread
        image += 1
    fill_rows(arguments, target, source, rows - done, 0, 0, phase)
    return 0


@hot
def fill_plane(
    arguments: int, target: int, x: int, level: int, top: int, rows: int
) -> int:
    """The planes of one channel, phase after phase and slice after slice: what is written
    behind a row is written before the next one."""
    spread = load(arguments, W.depth_spread)
    last = load(arguments, W.depths) - 1
    first = level * load(arguments, W.run_depth) - load(arguments, W.depth_low)
    for number in range(load(arguments, W.phases)):
        phase = load(arguments, W.phase_table) + PHASE_WORDS * number
        phase = arguments + 8 * phase
        place = target + number * load(arguments, W.plane_phase)
        depth = first
        for _ in range(load(arguments, W.slices)):
            image = depth
            if spread > 1:
                image = depth // spread
            source = x + image * load(arguments, W.x_depth)
            if depth >= 0 and image <= last and image * spread == depth:
                fill_slice(arguments, place, source, phase, top, rows)
            else:
                fill_rows(arguments, place, x, rows, 0, 0, phase)
            depth += load(arguments, W.fixed_depth)
            place += load(arguments, W.plane_slice)
    return 0


@hot
def fill_planes(
    arguments: int, target: int, x: int, channels: int, level: int, row: int, rows: int
) -> int:
    """The planes of some channels, as far as running rows from `row` on of the depth `level`
    meet them."""
    top = row * load(arguments, W.run_height) - load(arguments, W.height_low)
    many = (rows - 1) * load(arguments, W.run_height) + load(arguments, W.fixed_rows)
    for _ in range(channels):
        fill_plane(arguments, target, x, level, top, many)
        x += load(arguments, W.x_channel)
        target += load(arguments, W.plane_channel)
    return 0


# ---- along the output


@hot
def slide_filters(
    arguments: int, planes: int, w: int, y: int, channels: int, rows: int, fresh: int
) -> int:
    """What the planes of some channels give to every filter."""
    size = load(arguments, W.width) * load(arguments, W.item)
    taps = load(arguments, W.pairs) // load(arguments, W.channel_block)
    for tile in range(load(arguments, W.tiles)):
        code = load(arguments, W.wide)
        height = load(arguments, W.few)
        if tile < load(arguments, W.more):
            code = load(arguments, W.wide_more)
            height += 1
        call(
            code,
            y,
            load(arguments, W.y_output),
            size,
            w,
            load(arguments, W.w_output),
            arguments + 8 * load(arguments, W.places),
            channels * taps,
            planes,
            load(arguments, W.run_height) * load(arguments, W.plane_row),
            rows,
            load(arguments, W.width),
            fresh,
        )
        y += height * load(arguments, W.y_output)
        w += height * load(arguments, W.w_output)
    return 0


@hot
def convolve_planes(arguments: int, begin: int, end: int) -> int:
    """Blocks `begin` to `end` of the output: of rows, depths, images, groups."""
    slot = take_slot(arguments)
    planes = load(arguments, W.scratch) + slot * load(arguments, W.slot_bytes)
    blocks = load(arguments, W.blocks)
    levels = load(arguments, W.run_depths)
    images = load(arguments, W.images)
    size = load(arguments, W.width) * load(arguments, W.item)
    # The indices of the first block; those of others follow without divisions.
    block = begin % blocks
    level = begin // blocks % levels
    image = begin // blocks // levels % images
    group = begin // blocks // levels // images
    for _ in range(begin, end):
        row = block * load(arguments, W.row_block)
        rows = load(arguments, W.run_rows) - row
        if rows > load(arguments, W.row_block):
            rows = load(arguments, W.row_block)
        x = load(arguments, W.x) + group * load(arguments, W.x_group)
        x += image * load(arguments, W.x_image)
        w = load(arguments, W.w) + group * load(arguments, W.w_group)
        y = load(arguments, W.y) + group * load(arguments, W.y_group)
        y += image * load(arguments, W.y_image)
        y += (level * load(arguments, W.run_rows) + row) * size
        channel = 0
        while channel < load(arguments, W.channels):
            channels = load(arguments, W.channels) - channel
            if channels > load(arguments, W.channel_block):
                channels = load(arguments, W.channel_block)
            fill_planes(arguments, planes, x, channels, level, row, rows)
            fresh = 0
            if channel == 0:
                fresh = 1
            slide_filters(arguments, planes, w, y, channels, rows, fresh)
            x += channels * load(arguments, W.x_channel)
            w += channels * load(arguments, W.w_channel)
            channel += channels
        block += 1
        if block == blocks:
            block = 0
            level += 1
        if level == levels:
            level = 0
            image += 1
        if image == images:
            image = 0
            group += 1
    store(arguments, load(arguments, W.flags) + slot, 0)
    return 0


# ---- along the taps


@hot
def sum_block(
    arguments: int, planes: int, sums: int, w: int, row: int, rows: int
) -> int:
    """What some running rows of one image give to every filter and place."""
    w += row * load(arguments, W.w_height)
    for _ in range(load(arguments, W.outputs)):
        places = arguments + 8 * load(arguments, W.places)
        for tile in range(load(arguments, W.tiles)):
            code = load(arguments, W.wide)
            taps = load(arguments, W.few)
            if tile < load(arguments, W.more):
                code = load(arguments, W.wide_more)
                taps += 1
            call(
                code,
                sums,
                w,
                load(arguments, W.w_height),
                places,
                planes,
                load(arguments, W.run_height) * load(arguments, W.plane_row),
                rows,
                load(arguments, W.width),
            )
            sums += taps * load(arguments, W.vector_bytes)
            places += 8 * taps
        w += load(arguments, W.w_output)
    return 0


@hot
def sum_planes(arguments: int, begin: int, end: int) -> int:
    """Images `begin` to `end` of the output, of all groups."""
    slot = take_slot(arguments)
    planes = load(arguments, W.scratch) + slot * load(arguments, W.slot_bytes)
    sums = planes + load(arguments, W.sums)
    images = load(arguments, W.images)
    outputs = load(arguments, W.outputs)
    total = load(arguments, W.pairs) * load(arguments, W.vector_bytes)
    for number in range(begin, end):
        x = load(arguments, W.x) + number // images * load(arguments, W.x_group)
        x += number % images * load(arguments, W.x_image)
        w = load(arguments, W.w) + number // images * load(arguments, W.w_group)
        y = load(arguments, W.y) + number // images * load(arguments, W.y_group)
        y += number % images * load(arguments, W.y_image)
        clear_blocks(sums, outputs * total)
        for _ in range(load(arguments, W.channels)):
            for level in range(load(arguments, W.run_depths)):
                left = w + level * load(arguments, W.w_depth)
                row = 0
                while row < load(arguments, W.run_rows):
                    rows = load(arguments, W.run_rows) - row
                    if rows > load(arguments, W.row_block):
                        rows = load(arguments, W.row_block)
                    fill_planes(arguments, planes, x, 1, level, row, rows)
                    sum_block(arguments, planes, sums, left, row, rows)
                    row += rows
            x += load(arguments, W.x_channel)
            w += load(arguments, W.w_channel)
        for output in range(outputs):
            call(
                load(arguments, W.adding),
                y + output * load(arguments, W.y_output),
                sums + output * total,
                load(arguments, W.pairs),
            )
    store(arguments, load(arguments, W.flags) + slot, 0)
    return 0
