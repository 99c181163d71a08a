"""Convolutions as steps of the runner: which driver, which tiles, how the work is cut.

How it is cut follows from the sizes and the kind of processor, never from the number of
threads, so that results do not depend on that.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from symnet.kernels.cpu.jit.native import Native
from symnet.kernels.cpu.library.call_steps import CallArrangement, fill_step, gemm_step
from symnet.kernels.cpu.library.convolution_code import (
    NOT_THERE,
    ConvolutionWords,
    convolve_rows,
)
from symnet.kernels.cpu.library.convolution_inputs_code import convolve_inputs
from symnet.kernels.cpu.library.convolution_sums_code import (
    PIECE,
    add_parts,
    convolve_sums,
)
from symnet.kernels.cpu.library.narrow_gemm import own_gemm
from symnet.kernels.cpu.library.panel_steps import panel_step, whole_lines
from symnet.kernels.cpu.library.panels_code import BLOCK
from symnet.kernels.cpu.library.rearranging_tiles import shifted_sum
from symnet.kernels.cpu.library.tiles import (
    INNER_COLUMNS,
    INNER_ROWS,
    OUTER_VECTORS,
    inner_tile,
    lanes,
    tile_words,
)
from symnet.kernels.cpu.library.winograd_steps import winograd_outputs, winograd_step
from symnet.kernels.cpu.library.winograd_sums_steps import (
    winograd_sums_outputs,
    winograd_sums_step,
)
from symnet.kernels.library import ITEM_BYTES, ConvolutionCall, GemmCall
from symnet.kernels.llvm.machine import machine
from symnet.kernels.llvm.object_code import Routine
from symnet.kernels.memory import LINE

PANEL_BYTES = 192 * 1024  # of the packed matrix: in the second cache, with the filters
LEAST_INNER, MOST_INNER = 128, 256  # contracted numbers that are packed at once
STRETCH_BYTES = (
    3072  # of a row that `inner_tile` walks: ten of them fill the first cache
)
FEW_ROWS = 8  # of a tile: its accumulators do not hide the multiplier's latency
PARTS_BYTES = 4 << 20  # of sums that are made beside each other
ITEMS = 16  # pieces of work that are worth cutting for
LEAST_COLUMNS, LEAST_OUTPUTS = 64, 48  # of a piece
NUMBERS_PER_NS = {"float32": 30.0, "float64": 15.0}  # a modest core
SHARED_NS = 20_000.0


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
        return winograd_sums_step(call, outputs, direct_step(call))
    return direct_step(call)


def direct_step(call: ConvolutionCall) -> CallArrangement:
    """The step that multiplies each tap."""
    if along_inputs(call):
        return _inputs(call)
    return _sums(call) if along_taps(call) else rows_step(call)


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


# ---- tables


def axis_table(call: ConvolutionCall, axis: int, fixes_taps: bool) -> list[list[int]]:
    """For each fixed index along an axis the elements of the input that the running ones
    meet: their numbers, or -1."""
    stride, dilation, spread = (
        s[axis] for s in (call.strides, call.dilations, call.spreads)
    )
    table = []
    length, low = call.inputs[axis], call.low[axis]
    counts = (call.taps[axis], call.sizes[axis])
    steps = (dilation, stride)
    if not fixes_taps:
        counts, steps = counts[::-1], steps[::-1]
    for fixed in range(counts[0]):
        places = (fixed * steps[0] + k * steps[1] - low for k in range(counts[1]))
        table.append(
            [
                q // spread if q % spread == 0 and 0 <= q // spread < length else -1
                for q in places
            ]
        )
    return table


def back_table(call: ConvolutionCall, axis: int) -> list[list[int]]:
    """For each tap along an axis the elements of the output that those of the input go to:
    their numbers, or -1."""
    dilation, spread, low = call.dilations[axis], call.spreads[axis], call.low[axis]
    table = []
    for tap in range(call.taps[axis]):
        places = (q * spread + low - tap * dilation for q in range(call.inputs[axis]))
        table.append([p if 0 <= p < call.sizes[axis] else -1 for p in places])
    return table


def line(places: Sequence[int], item: int, stride: int) -> list[int]:
    """Evenly spaced places as words: bytes before the first, from one to the next, how
    many there are, and the same of the input."""
    met = [(k, q) for k, q in enumerate(places) if q >= 0]
    if not met:
        return [0, item, 0, 0, item]
    (first, source), step, jump = met[0], item, stride
    if len(met) > 1:
        step, jump = (met[1][0] - first) * item, (met[1][1] - source) * stride
    elif stride != item:
        jump = item  # of a single element any step is right
    return [first * item, step, len(met), source * stride, jump]


def _reach(call: ConvolutionCall) -> int:
    """Bytes from the first element of x to the end of the last one in memory."""
    sizes = (call.groups, call.images, call.channels, *call.inputs)
    far = (max(n - 1, 0) * s for n, s in zip(sizes, call.x_strides, strict=True))
    return sum(k for k in far if k > 0) + ITEM_BYTES[call.dtype]


def _span(call: ConvolutionCall) -> int:
    """Bytes of a channel of one image, from its first element to the last."""
    steps = zip(call.inputs, call.x_strides[3:], strict=True)
    return sum((n - 1) * s for n, s in steps if s > 0) + ITEM_BYTES[call.dtype]


def _whole(rows: Sequence[list[int]], widths: list[list[int]], plain: bool) -> bool:
    """Whether every pair of indices meets an element, and running ones lie without gaps."""
    near = all(
        q >= 0 and q == line[0] + k for line in widths for k, q in enumerate(line)
    )
    even = len({b[0] - a[0] for a, b in itertools.pairwise(widths)}) <= 1
    return plain and near and even and not any(NOT_THERE in row for row in rows)


def _bytes(number: int, stride: int) -> int:
    """How far an element of a table is, NOT_THERE for -1."""
    return number * stride if number >= 0 else NOT_THERE


class _Block:
    """The words of a step while they are put together."""

    def __init__(
        self,
        call: ConvolutionCall,
        fixed: Sequence[int],
        run: Sequence[int],
        tables: Sequence[list[list[int]]],
        strides: Sequence[int],
    ) -> None:
        """tables: for each axis, of each fixed index the elements of the running ones;
        strides: bytes from one of those to the next."""
        self.call = call
        self.item = ITEM_BYTES[call.dtype]
        depths, heights, widths = tables
        parts = [
            [_bytes(q, strides[0]) for row in depths for q in row],
            [_bytes(q, strides[1]) for row in heights for q in row],
            [n for row in widths for n in line(row, self.item, strides[2])],
        ]
        starts = [ConvolutionWords.count]
        for part in parts:
            starts.append(starts[-1] + len(part))
        self.tail = [n for part in parts for n in part]
        self.words = {
            "groups": call.groups, "images": call.images, "outputs": call.outputs,
            "channels": call.channels,
            "x_group": call.x_strides[0], "x_image": call.x_strides[1],
            "x_channel": call.x_strides[2],
            "w_group": call.w_strides[0], "w_output": call.w_strides[1],
            "w_channel": call.w_strides[2], "a_step": call.w_step,
            "y_group": call.y_strides[0], "y_image": call.y_strides[1],
            "y_output": call.y_strides[2],
            "x_reach": _reach(call) - BLOCK, "x_span": _span(call),
            "whole": int(_whole(parts[:2], tables[2], strides[2] == self.item)),
            "fixed_heights": fixed[1], "fixed_widths": fixed[2], "fixed": math.prod(fixed),
            "heights": run[1], "width": run[2], "rows": run[0] * run[1],
            "depth_table": starts[0], "height_table": starts[1], "lines": starts[2],
        }  # fmt: skip

    def finish(
        self,
        code: Native[Any],
        total: int,
        slot_bytes: int,
        routines: dict[str, Routine],
    ) -> CallArrangement:
        found = panel_step(
            code,
            ConvolutionWords,
            self.words,
            routines,
            dtype=self.call.dtype,
            total=total,
            cost_ns=self.call.work / NUMBERS_PER_NS[self.call.dtype],
            shared_ns=SHARED_NS,
            slot_bytes=slot_bytes,
            tail=self.tail,
        )
        words = ConvolutionWords
        return replace(found, pointer_slots=(words.x, words.w, words.y))


def _of_x(call: ConvolutionCall, fixes_taps: bool) -> _Block:
    fixed, run = call.taps, call.sizes
    if not fixes_taps:
        fixed, run = run, fixed
    tables = [axis_table(call, axis, fixes_taps) for axis in range(3)]
    return _Block(call, fixed, run, tables, call.x_strides[3:])


# ---- vectors along the output


def rows_step(call: ConvolutionCall) -> CallArrangement:
    block, target = _of_x(call, True), machine().target
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
    block = _Block(call, call.taps, call.inputs, tables, call.y_strides[3:])
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


# ---- vectors along the taps


def _sums(call: ConvolutionCall) -> CallArrangement:
    block, target = _of_x(call, False), machine().target
    columns = call.images * math.prod(call.sizes)
    width, rows = call.taps[2], call.taps[0] * call.taps[1]
    stretch_numbers = STRETCH_BYTES // block.item
    row_block = min(max(stretch_numbers // width, 1), rows)
    row_block = -(-rows // -(-rows // row_block))
    channel_block = 1
    if row_block == rows:
        channel_block = max(stretch_numbers // (rows * width), 1)
        channel_block = min(channel_block, call.channels)
    stretch = whole_lines(row_block * width * block.item)
    y_bytes = call.groups * call.outputs * columns * block.item
    parts = _parts(call, channel_block, y_bytes)
    channel_part = -(-call.channels // parts)
    parts = -(-call.channels // channel_part)
    channel_block = -(-channel_part // -(-channel_part // channel_block))
    panel_row = stretch * channel_block + BLOCK
    tile_columns = INNER_COLUMNS[target.registers]
    panel_columns = max(PANEL_BYTES // panel_row // tile_columns, 1) * tile_columns
    # Where parts are not enough for all threads, columns are cut, too.
    wanted = -(-ITEMS // (call.groups * parts))
    column_block = -(-columns // wanted // tile_columns) * tile_columns
    blocks = -(-columns // column_block)
    panel_columns = min(panel_columns, column_block)
    slot_bytes = whole_lines(panel_row * panel_columns + 2 * LINE)
    block.words |= {
        "columns": columns, "column_block": column_block, "panel_columns": panel_columns,
        "blocks": blocks, "row_block": row_block, "channel_block": channel_block,
        "stretch": stretch,
        "panel_row": panel_row, "tile_rows": INNER_ROWS[target.registers],
        "tile_columns": tile_columns, "parts": parts, "channel_part": channel_part,
        "y_bytes": y_bytes,
    }  # fmt: skip
    found = block.finish(
        convolve_sums,
        call.groups * blocks * parts,
        slot_bytes,
        {"tile": inner_tile(call.dtype)},
    )
    if parts == 1:
        return found
    words = list(found.words)
    words[ConvolutionWords.sums] = found.scratch_bytes
    return replace(
        found,
        words=tuple(words),
        scratch_bytes=found.scratch_bytes + (parts - 1) * y_bytes,
        after=((add_parts, -(-y_bytes // PIECE)),),
    )


def _parts(call: ConvolutionCall, channel_block: int, size: int) -> int:
    """In how many parts the contracted axis is taken: each reads its filters once, but needs
    sums of its own, of `size` bytes."""
    wanted = -(-ITEMS // call.groups)
    most = min(PARTS_BYTES // size + 1, call.channels * 2 // channel_block)
    return max(min(wanted, most), 1)
