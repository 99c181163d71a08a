"""Convolutions as steps of the runner: which driver, which tiles, how the work is cut.

How it is cut follows from the sizes and the kind of processor, never from the number of
threads, so that results do not depend on that.
"""

from __future__ import annotations

import math
from dataclasses import replace

from symnet.kernels.cpu.library.call_steps import CallArrangement, fill_step, gemm_step
from symnet.kernels.cpu.library.convolution_code import convolve_rows
from symnet.kernels.cpu.library.convolution_columns_steps import columns_step
from symnet.kernels.cpu.library.convolution_inputs_code import convolve_inputs
from symnet.kernels.cpu.library.convolution_planes_steps import planes_step
from symnet.kernels.cpu.library.convolution_sums_steps import sums_step
from symnet.kernels.cpu.library.convolution_tables import (
    ConvolutionBlock,
    back_table,
    of_x,
)
from symnet.kernels.cpu.library.narrow_gemm import own_gemm
from symnet.kernels.cpu.library.panels_code import BLOCK
from symnet.kernels.cpu.library.rearranging_tiles import shifted_sum
from symnet.kernels.cpu.library.tiles import OUTER_VECTORS, lanes, tile_words
from symnet.kernels.cpu.library.winograd_steps import winograd_outputs, winograd_step
from symnet.kernels.cpu.library.winograd_sums_steps import (
    winograd_sums_outputs,
    winograd_sums_step,
)
from symnet.kernels.library import ITEM_BYTES, ConvolutionCall, GemmCall
from symnet.kernels.llvm.machine import machine
from symnet.kernels.memory import LINE

PANEL_BYTES = 192 * 1024  # of the packed matrix: in the second cache, with the filters
LEAST_INNER, MOST_INNER = 128, 256  # contracted numbers that are packed at once
FEW_ROWS = 8  # of a tile: its accumulators do not hide the multiplier's latency
FEW_CHANNELS = 8  # products of an input's channels with a tap are too short to pay
ITEMS = 16  # pieces of work that are worth cutting for
LEAST_COLUMNS, LEAST_OUTPUTS = 64, 48  # of a piece


def convolution_step(call: ConvolutionCall) -> CallArrangement:
    """The step of a convolution.  The pointers are those of x, w and y."""
    sizes = (call.groups, call.images, call.outputs, *call.sizes)
    if call.inner == 0 or 0 in sizes or 0 in call.inputs:
        found = fill_step(math.prod(sizes) * ITEM_BYTES[call.dtype])
        return replace(found, pointer_slots=(-1, -1, *found.pointer_slots))
    if call.is_product:
        return _product(call)
    outputs = winograd_outputs(call)
    if outputs:
        return winograd_step(call, outputs, rows_step(call))
    outputs = winograd_sums_outputs(call)
    if outputs:
        return winograd_sums_step(call, outputs, sums_step(call))
    return direct_step(call)


def direct_step(call: ConvolutionCall) -> CallArrangement:
    """The step that multiplies each tap."""
    back, taps_run = along_inputs(call), along_taps(call)
    if back and call.channels >= FEW_CHANNELS:
        return columns_step(call) or _inputs(call)
    by_planes = planes_step(call, fixes_taps=back or not taps_run)
    if by_planes is not None:
        return by_planes
    if back:
        return _inputs(call)
    return sums_step(call) if taps_run else rows_step(call)


def along_inputs(call: ConvolutionCall) -> bool:
    """Whether products of the input with each tap are made and added up: fewer than those
    of taps and outputs, most of which would meet nothing."""
    inputs, outputs, taps = map(math.prod, (call.inputs, call.sizes, call.taps))
    few = call.outputs < min(taps, FEW_ROWS) and inputs == outputs
    pays = inputs < outputs or few
    return pays and call.strides == (1, 1, 1) and call.taps_are_dense


def along_taps(call: ConvolutionCall) -> bool:
    """Whether vectors run along the taps: there are many, or filters lie so that nothing
    else is possible."""
    taps = math.prod(call.taps)
    if not call.is_uniform and taps > MOST_INNER:
        return True
    return taps > math.prod(call.sizes) and call.taps_are_dense


def _product(call: ConvolutionCall) -> CallArrangement:
    """One place of the output, which meets all of the input: a product of matrices."""
    item = ITEM_BYTES[call.dtype]
    sizes = (call.images, call.outputs, call.inner)
    strides = (
        (call.x_strides[1], item),
        (item, call.w_strides[1]),
        (call.y_strides[1], call.y_strides[2]),
    )
    loops = [(call.groups, call.x_strides[0], call.w_strides[0], call.y_strides[0])]
    gemm = GemmCall(call.dtype, sizes, strides, loops=tuple(loops[: call.groups > 1]))
    found = own_gemm(gemm)
    if found is None:
        return gemm_step(call.dtype, *sizes, *strides, loops=gemm.loops)
    _, x, w, _, y = found.pointer_slots
    return replace(found, pointer_slots=(x, w, y))


# ---- vectors along the output


def rows_step(call: ConvolutionCall) -> CallArrangement:
    block, target = of_x(call, True), machine().target
    width, rows = call.sizes[2], call.sizes[0] * call.sizes[1]
    tile_columns = OUTER_VECTORS * lanes(call.dtype, target)
    row_block, parts = _cut_rows(call, rows, width)
    output_block = -(-call.outputs // parts)
    while call.outputs % output_block:  # parts are equal: their tiles are the same
        output_block += 1
    parts = call.outputs // output_block
    columns = -(-row_block * width // tile_columns) * tile_columns
    # A block may be copied beyond the end of a row.
    panel_row = columns * block.item + BLOCK
    inner_block = max(PANEL_BYTES // panel_row, LEAST_INNER)
    inner_block = min(inner_block, MOST_INNER, call.inner)
    if not call.is_uniform:  # channel by channel
        inner_block = math.prod(call.taps)
    blocks = -(-rows // row_block)
    block.words |= {
        "row_block": row_block, "blocks": blocks, "output_block": output_block,
        "output_blocks": parts, "inner": call.inner, "inner_block": inner_block,
        "panel_row": panel_row,
    }  # fmt: skip
    counts = _columns(rows, row_block, width)
    words, routines = tile_words(call.dtype, output_block, counts)
    block.words |= words
    total = call.groups * call.images * blocks * parts
    return block.finish(convolve_rows, total, panel_row * inner_block + LINE, routines)


def _columns(rows: int, row_block: int, width: int) -> tuple[int, int]:
    """The columns of the first and of the last block of rows."""
    last = rows - (-(-rows // row_block) - 1) * row_block
    return row_block * width, last * width


def _cut_rows(call: ConvolutionCall, rows: int, width: int) -> tuple[int, int]:
    """Rows of a block, and the parts in which the filters are taken."""
    inner = min(call.inner, LEAST_INNER)
    most = PANEL_BYTES // (inner * ITEM_BYTES[call.dtype])
    row_block = min(max(most // max(width, 1), 1), rows)
    others = call.groups * call.images
    wanted = -(-ITEMS // others)
    row_block = min(row_block, max(-(-rows // wanted), -(-LEAST_COLUMNS // width), 1))
    blocks = -(-rows // row_block)
    row_block = -(-rows // blocks)
    parts = min(-(-wanted // blocks), max(call.outputs // LEAST_OUTPUTS, 1))
    return row_block, parts


# ---- vectors along the input


def _inputs(call: ConvolutionCall) -> CallArrangement:
    tables = [back_table(call, axis) for axis in range(3)]
    block = ConvolutionBlock(call, call.taps, call.inputs, tables, call.y_strides[3:])
    tile_columns = OUTER_VECTORS * lanes(call.dtype, machine().target)
    width, rows = call.inputs[2], call.inputs[0] * call.inputs[1]
    taps = math.prod(call.taps)
    # The input of all channels, and the products of all taps with one filter.
    most = PANEL_BYTES // ((call.channels + taps) * block.item) // width
    row_block = min(max(most, 1), rows)
    row_block = -(-rows // -(-rows // row_block))
    columns = -(-row_block * width // tile_columns) * tile_columns
    panel_row = columns * block.item
    wanted = -(-ITEMS // (call.groups * call.images))
    output_block = -(-call.outputs // min(wanted, call.outputs))
    parts = -(-call.outputs // output_block)
    by_depth, by_height, by_width = call.x_strides[3:]
    products = panel_row * call.channels
    block.words |= {
        "row_block": row_block, "output_block": output_block, "output_blocks": parts,
        "inner": call.channels, "inner_block": min(call.channels, MOST_INNER),
        "a_step": call.w_strides[2], "panel_row": panel_row, "products": products,
        "x_depth": by_depth, "x_height": by_height, "x_width": by_width,
        "x_dense": int(call.x_is_dense),
        "places": math.prod(call.sizes) * block.item,
    }  # fmt: skip
    words, routines = tile_words(call.dtype, taps, _columns(rows, row_block, width))
    if call.spreads[2] == 1:
        routines["shifting"] = shifted_sum(call.dtype)
        words |= {
            "shift": -call.low[2], "shift_step": call.dilations[2],
            "y_width": call.sizes[2],
        }  # fmt: skip
    block.words |= words
    slot_bytes = products + panel_row * taps + LINE
    total = call.groups * call.images * parts
    return block.finish(convolve_inputs, total, slot_bytes, routines)
