"""Gradients of 3 x 3 filters by Winograd's minimal filtering: the native driver, its words.

The filters' gradient is the adjoint of the way there: of y = A ((G w G.T) * v) A.T, where v
is a transformed tile of the input, it is G.T (sum over tiles of v * (A.T g A)) G, with g the
gradient of a tile of y.  So the sums over tiles are products of matrices, a stripe of tiles
after the other.

Here "images" and "channels" are those of the call, in which the filters' gradient is a
convolution with large filters: its images are the channels of the input, its filters the
gradients, and its channels the images.

What is not finite spoils all taps of its channel; so if there is something, all is made
again by the driver whose words stand behind these.
"""

from __future__ import annotations

from symnet.kernels.cpu.jit.intrinsics import call, load, store
from symnet.kernels.cpu.jit.native import native
from symnet.kernels.cpu.library.adding_code import add_numbers
from symnet.kernels.cpu.library.panels_code import (
    multiply_panel,
    take_slot,
    transpose,
)
from symnet.kernels.cpu.library.winograd_code import TileWords, transform_tiles


class WinogradSumsWords(TileWords):
    """The argument block."""

    x: int
    w: int
    y: int
    images: int
    outputs: int
    # Bytes from one to the next, of x, w and y.
    x_group: int
    x_image: int
    x_channel: int
    x_row: int
    w_group: int
    w_output: int
    w_channel: int
    w_row: int
    y_group: int
    y_image: int
    y_output: int
    height: int  # of the input
    width: int
    rows: int  # of the gradient
    columns: int
    low: int  # how far the gradient begins before the input
    low_columns: int
    lanes: int
    entering: int  # `input_transform`, `gradient_transform`, `tap_transform`
    leaving: int
    finishing: int
    transposing: int  # `transposing_tile`
    # Bytes of a row and of one of the matrices: of inputs before and after they are
    # transposed, of gradients, and of the sums; where they begin in a slot, or in the scratch
    # memory.
    t_row: int
    t_matrix: int
    v_matrix: int
    v_place: int
    g_row: int
    g_matrix: int
    g_place: int
    m_row: int
    m_matrix: int
    sums: int
    part_bytes: int  # of the sums of a part of the tiles
    # How the work is cut.
    stripe: int  # tiles at once
    part: int  # tiles of a part
    parts: int
    tile_block: int  # of rows of the products of a piece of work
    tile_blocks: int
    image_block: int
    image_blocks: int
    # The words of the other driver, its words for pointers, the addresses of its code, and
    # whether it is needed.
    direct: int
    direct_x: int
    direct_w: int
    direct_y: int
    direct_scratch: int
    direct_code: int
    direct_after: int
    wrong: int


W = WinogradSumsWords


@native
def transform_stripe(
    arguments: int,
    memory: int,
    group: int,
    first: int,
    last: int,
    image: int,
    stop: int,
) -> int:
    """Tiles `first` to `last` of inputs `image` to `stop`, as rows of tiles."""
    lanes = load(arguments, W.lanes)
    item = load(arguments, W.item)
    x = load(arguments, W.x) + group * load(arguments, W.x_group)
    one = image
    while one < stop:
        count = lanes
        if count > stop - one:
            count = stop - one
        transform_tiles(
            arguments,
            load(arguments, W.entering),
            x + one * load(arguments, W.x_image),
            load(arguments, W.x_row),
            load(arguments, W.x_channel),
            load(arguments, W.x_image),
            load(arguments, W.low),
            load(arguments, W.low_columns),
            load(arguments, W.height),
            load(arguments, W.width),
            first,
            last,
            count,
            memory,
            load(arguments, W.t_row),
            load(arguments, W.t_matrix),
        )
        source = memory
        target = memory + load(arguments, W.v_place) + (one - image) * item
        for _ in range(load(arguments, W.matrices)):
            transpose(
                load(arguments, W.transposing),
                lanes,
                item,
                target,
                load(arguments, W.panel_row),
                source,
                load(arguments, W.t_row),
                count,
                last - first,
            )
            source += load(arguments, W.t_matrix)
            target += load(arguments, W.v_matrix)
        one += count
    return 0


@native
def sum_stripe(
    arguments: int,
    memory: int,
    group: int,
    first: int,
    last: int,
    image: int,
    stop: int,
    tile: int,
    tile_end: int,
    output: int,
    output_end: int,
    sums: int,
    beta: int,
) -> int:
    """Add the products of tiles `first` to `last` to the sums."""
    transform_stripe(arguments, memory, group, first, last, image, stop)
    g = memory + load(arguments, W.g_place)
    w = load(arguments, W.w) + group * load(arguments, W.w_group)
    transform_tiles(
        arguments,
        load(arguments, W.leaving),
        w + output * load(arguments, W.w_output),
        load(arguments, W.w_row),
        load(arguments, W.w_channel),
        load(arguments, W.w_output),
        0,
        0,
        load(arguments, W.rows),
        load(arguments, W.columns),
        first,
        last,
        output_end - output,
        g,
        load(arguments, W.g_row),
        load(arguments, W.g_matrix),
    )
    v = memory + load(arguments, W.v_place)
    for _ in range(load(arguments, W.matrices)):
        multiply_panel(
            arguments,
            tile,
            tile_end,
            g,
            load(arguments, W.g_row),
            v,
            load(arguments, W.panel_row),
            last - first,
            sums,
            load(arguments, W.m_row),
            stop - image,
            beta,
            sums,
            load(arguments, W.m_row),
        )
        g += load(arguments, W.g_matrix)
        v += load(arguments, W.v_matrix)
        sums += load(arguments, W.m_matrix)
    return 0


@native
def sum_tiles(arguments: int, begin: int, end: int) -> int:
    """Pieces `begin` to `end` of the work: of inputs, gradients, tiles, groups."""
    slot = take_slot(arguments)
    memory = load(arguments, W.scratch) + slot * load(arguments, W.slot_bytes)
    few = load(arguments, W.few)
    more = load(arguments, W.more)
    for number in range(begin, end):
        if number == 0:
            store(arguments, W.wrong, 0)
        rest = number // load(arguments, W.image_blocks)
        image = (
            number % load(arguments, W.image_blocks) * load(arguments, W.image_block)
        )
        stop = image + load(arguments, W.image_block)
        if stop > load(arguments, W.images):
            stop = load(arguments, W.images)
        tile = rest % load(arguments, W.tile_blocks) * load(arguments, W.tile_block)
        tile_end = tile + load(arguments, W.tile_block)
        if tile_end > load(arguments, W.tiles):
            tile_end = load(arguments, W.tiles)
        output = tile * few + tile
        if tile > more:
            output = tile * few + more
        output_end = tile_end * few + tile_end
        if tile_end > more:
            output_end = tile_end * few + more
        rest = rest // load(arguments, W.tile_blocks)
        part = rest % load(arguments, W.parts)
        group = rest // load(arguments, W.parts)
        sums = load(arguments, W.scratch) + load(arguments, W.sums)
        sums += rest * load(arguments, W.part_bytes)
        sums += output * load(arguments, W.m_row) + image * load(arguments, W.item)
        first = part * load(arguments, W.part)
        until = first + load(arguments, W.part)
        if until > load(arguments, W.all_tiles):
            until = load(arguments, W.all_tiles)
        beta = 0
        while first < until:
            last = first + load(arguments, W.stripe)
            if last > until:
                last = until
            sum_stripe(
                arguments,
                memory,
                group,
                first,
                last,
                image,
                stop,
                tile,
                tile_end,
                output,
                output_end,
                sums,
                beta,
            )
            beta = load(arguments, W.beta)
            first = last
    store(arguments, load(arguments, W.flags) + slot, 0)
    return 0


@native
def finish_taps(arguments: int, begin: int, end: int) -> int:
    """Outputs `begin` to `end` of all groups: the parts added in their order, then their
    taps."""
    outputs = load(arguments, W.outputs)
    parts = load(arguments, W.parts)
    used = load(arguments, W.images) * load(arguments, W.item)
    for number in range(begin, end):
        output = number % outputs
        group = number // outputs
        sums = load(arguments, W.scratch) + load(arguments, W.sums)
        sums += group * parts * load(arguments, W.part_bytes)
        sums += output * load(arguments, W.m_row)
        for matrix in range(load(arguments, W.matrices)):
            place = sums + matrix * load(arguments, W.m_matrix)
            for part in range(1, parts):
                other = place + part * load(arguments, W.part_bytes)
                add_numbers(place, other, used, load(arguments, W.item))
        wrong = call(
            load(arguments, W.finishing),
            sums,
            load(arguments, W.m_matrix),
            load(arguments, W.y)
            + group * load(arguments, W.y_group)
            + output * load(arguments, W.y_output),
            load(arguments, W.y_image),
            load(arguments, W.images),
        )
        if wrong != 0:
            store(arguments, W.wrong, 1)
    return 0


@native
def prepare_direct(arguments: int) -> int:
    """The words of the other driver, with the pointers of this call."""
    direct = arguments + 8 * load(arguments, W.direct)
    store(direct, load(arguments, W.direct_x), load(arguments, W.x))
    store(direct, load(arguments, W.direct_w), load(arguments, W.w))
    store(direct, load(arguments, W.direct_y), load(arguments, W.y))
    store(direct, load(arguments, W.direct_scratch), load(arguments, W.scratch))
    return direct


@native
def sum_again(arguments: int, begin: int, end: int) -> int:
    """Pieces `begin` to `end` of the other driver, if something is not finite."""
    if load(arguments, W.wrong) != 0:
        direct = prepare_direct(arguments)
        call(load(arguments, W.direct_code), direct, begin, end)
    return 0


@native
def add_again(arguments: int, begin: int, end: int) -> int:
    """What the other driver does afterwards."""
    if load(arguments, W.wrong) != 0:
        direct = prepare_direct(arguments)
        call(load(arguments, W.direct_after), direct, begin, end)
    return 0
