"""Convolution on the CPU with vectors along the input: see `convolution_code`.

The products of the input with each tap of a filter are made, and added where they belong:
where the input has fewer elements than the output, most taps of an output would meet
nothing.
"""

from __future__ import annotations

from symnet.kernels.cpu.jit.intrinsics import C_LIBRARY, CFunction, call, load, store
from symnet.kernels.cpu.jit.native import hot
from symnet.kernels.cpu.library.adding_code import add_double, add_numbers, add_single
from symnet.kernels.cpu.library.convolution_code import (
    LINE_WORDS,
    NOT_THERE,
    W,
)
from symnet.kernels.cpu.library.gathering_code import scatter_numbers
from symnet.kernels.cpu.library.panels_code import (
    clear,
    copy_numbers,
    multiply_panel,
    take_slot,
)

memset = CFunction("memset", "i64(i64, i32, i64)", C_LIBRARY)


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
        if far != NOT_THERE and down != NOT_THERE and count > 0:
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
def sum_taps(arguments: int, y: int, products: int, first: int, last: int) -> int:
    """All products with rows `first` to `last` of the input, where neighbours in the input
    go to neighbours: the taps of a row of the filter are summed for a whole row of y."""
    item = load(arguments, W.item)
    heights = load(arguments, W.heights)
    width = load(arguments, W.width)
    widths = load(arguments, W.fixed_widths)
    fixed_heights = load(arguments, W.fixed_heights)
    panel_row = load(arguments, W.panel_row)
    for taps in range(load(arguments, W.fixed) // widths):
        source = products + taps * widths * panel_row
        table = load(arguments, W.height_table) + taps % fixed_heights * heights
        depths = load(arguments, W.depth_table)
        depths += taps // fixed_heights * (load(arguments, W.rows) // heights)
        for row in range(first, last):
            far = load(arguments, depths + row // heights)
            down = load(arguments, table + row % heights)
            if far != NOT_THERE and down != NOT_THERE:
                call(
                    load(arguments, W.shifting),
                    y + far + down,
                    load(arguments, W.y_width),
                    source,
                    panel_row,
                    widths,
                    load(arguments, W.shift),
                    load(arguments, W.shift_step),
                    width,
                    0,
                )
            source += width * item
    return 0


@hot
def filter_inputs(
    arguments: int, panel: int, w: int, y: int, first: int, last: int
) -> int:
    """One filter: the products of all taps with rows `first` to `last` of the input, which
    the panel holds, added to an image of y."""
    products = panel + load(arguments, W.products)
    panel_row = load(arguments, W.panel_row)
    if first == 0:
        memset(y, 0, load(arguments, W.places))
    k = 0
    beta = 0
    while k < load(arguments, W.inner):
        inner = load(arguments, W.inner_block)
        if k + inner > load(arguments, W.inner):
            inner = load(arguments, W.inner) - k
        multiply_panel(
            arguments,
            0,
            load(arguments, W.tiles),
            w + k * load(arguments, W.a_step),
            load(arguments, W.item),
            panel + k * panel_row,
            panel_row,
            inner,
            products,
            panel_row,
            (last - first) * load(arguments, W.width),
            beta,
            products,
            panel_row,
        )
        beta = load(arguments, W.beta)
        k += inner
    if load(arguments, W.shifting) != 0:
        sum_taps(arguments, y, products, first, last)
        return 0
    for tap in range(load(arguments, W.fixed)):
        add_rows(arguments, y, products + tap * panel_row, tap, first, last)
    return 0


@hot
def convolve_inputs(arguments: int, begin: int, end: int) -> int:
    """Blocks `begin` to `end` of the output: of filters, images, groups."""
    slot = take_slot(arguments)
    panel = load(arguments, W.scratch) + slot * load(arguments, W.slot_bytes)
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
                filters = w + one * load(arguments, W.w_output)
                target = y + one * load(arguments, W.y_output)
                filter_inputs(arguments, panel, filters, target, first, last)
            first = last
    store(arguments, load(arguments, W.flags) + slot, 0)
    return 0
