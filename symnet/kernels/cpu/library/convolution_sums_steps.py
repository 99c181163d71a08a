"""Convolutions with vectors along the taps as steps of the runner: how the work is cut.
See `convolution_sums_code`."""

from __future__ import annotations

import math
from dataclasses import replace

from symnet.data_classes import dataclass
from symnet.kernels.cpu.library.call_steps import CallArrangement
from symnet.kernels.cpu.library.convolution_code import ConvolutionWords
from symnet.kernels.cpu.library.convolution_sums_code import (
    PIECE,
    add_parts,
    convolve_sums,
)
from symnet.kernels.cpu.library.convolution_tables import of_x
from symnet.kernels.cpu.library.panel_steps import whole_lines
from symnet.kernels.cpu.library.panels_code import BLOCK
from symnet.kernels.cpu.library.tiles import INNER_COLUMNS, INNER_ROWS, inner_tile
from symnet.kernels.library import ITEM_BYTES, ConvolutionCall
from symnet.kernels.llvm.machine import machine
from symnet.kernels.memory import LINE

PIECE_BYTES = (
    6144  # of a row that is packed at once: a tile's rows fill the first cache
)
PANEL_BYTES = 96 * 1024  # of the packed rows, which are read from the second cache
RESULT_BYTES = 512 * 1024  # of the sums of a thread
PARTS_BYTES = 4 << 20  # of sums that are made beside each other
ITEMS = 16  # pieces of work that are worth cutting for


@dataclass(frozen=True)
class Pieces:
    """How the contracted axis is cut: into rows of a channel, or whole channels."""

    row_block: int
    row_blocks: int
    channel_block: int
    count: int


def sums_step(call: ConvolutionCall) -> CallArrangement:
    """The step of a convolution whose vectors run along the taps."""
    item, target = ITEM_BYTES[call.dtype], machine().target
    rows, width = INNER_ROWS[target.registers], INNER_COLUMNS[target.registers]
    block, pieces = of_x(call, False), _pieces(call)
    columns = call.images * math.prod(call.sizes)
    y_bytes = call.groups * call.outputs * columns * item
    # A part reads its filters once, but needs sums of its own.  There are no fewer parts
    # than pieces in one, as long as there is memory: each rounds its sum on its own.
    wanted = max(-(-ITEMS // call.groups), math.isqrt(pieces.count))
    parts = max(min(wanted, PARTS_BYTES // y_bytes + 1, pieces.count), 1)
    part_pieces = -(-pieces.count // parts)
    parts = -(-pieces.count // part_pieces)
    tile_bytes = -(-rows * width * item // target.vector_bytes) * target.vector_bytes
    row_bytes = -(-call.outputs // rows) * tile_bytes
    # Where parts are not enough for all threads, columns are cut, too.
    wanted = -(-ITEMS // (call.groups * parts))
    blocks = max(wanted, -(-columns * row_bytes // (width * RESULT_BYTES)))
    column_block = -(-columns // blocks // width) * width
    blocks = -(-columns // column_block)
    stretch = whole_lines(pieces.row_block * call.taps[2] * item)
    panel_row = stretch * pieces.channel_block + BLOCK
    panel_columns = max(PANEL_BYTES // panel_row // width, 1) * width
    panel_columns = min(panel_columns, column_block)
    result = whole_lines(panel_row * panel_columns + LINE)
    block.words |= {
        "columns": columns, "column_block": column_block, "blocks": blocks,
        "panel_columns": panel_columns, "panel_row": panel_row, "stretch": stretch,
        "panel_result": panel_columns // width * row_bytes, "result": result,
        "tile_rows": rows, "tile_columns": width, "tile_bytes": tile_bytes,
        "row_block": pieces.row_block, "row_blocks": pieces.row_blocks,
        "channel_block": pieces.channel_block, "pieces": pieces.count,
        "part_pieces": part_pieces, "parts": parts, "y_bytes": y_bytes,
    }  # fmt: skip
    slot_bytes = result + whole_lines(column_block // width * row_bytes)
    total = call.groups * blocks * parts
    tile = {"tile": inner_tile(call.dtype)}
    found = block.finish(convolve_sums, total, slot_bytes, tile)
    return found if parts == 1 else _with_parts(found, parts, y_bytes)


def _pieces(call: ConvolutionCall) -> Pieces:
    """Pieces of about PIECE_BYTES, at least a row of taps."""
    most = PIECE_BYTES // ITEM_BYTES[call.dtype]
    width, rows = call.taps[2], call.taps[0] * call.taps[1]
    row_blocks = -(-rows // min(max(most // width, 1), rows))
    row_block = -(-rows // row_blocks)
    row_blocks = -(-rows // row_block)
    channel_block = 1
    if row_blocks == 1:
        channel_block = min(max(most // (rows * width), 1), call.channels)
    count = -(-call.channels // channel_block) * row_blocks
    return Pieces(row_block, row_blocks, channel_block, count)


def _with_parts(found: CallArrangement, parts: int, y_bytes: int) -> CallArrangement:
    words = list(found.words)
    words[ConvolutionWords.sums] = found.scratch_bytes
    return replace(
        found,
        words=tuple(words),
        scratch_bytes=found.scratch_bytes + (parts - 1) * y_bytes,
        after=((add_parts, -(-y_bytes // PIECE)),),
    )
