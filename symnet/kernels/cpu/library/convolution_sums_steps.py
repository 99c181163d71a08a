"""Convolutions with vectors along the taps as steps of the runner: which tile, how the work
is cut.  See `convolution_sums_code`."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

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
from symnet.kernels.cpu.library.rearranging_tiles import transposing_tile
from symnet.kernels.cpu.library.tiles import (
    INNER_COLUMNS,
    INNER_ROWS,
    OUTER_ROWS,
    OUTER_VECTORS,
    inner_tile,
    lanes,
    tile_words,
)
from symnet.kernels.library import ITEM_BYTES, ConvolutionCall
from symnet.kernels.llvm.machine import machine
from symnet.kernels.llvm.object_code import Routine
from symnet.kernels.memory import LINE

# Bytes of a row that is packed at once: with `inner_tile` a tile's rows fill the first
# cache, with `outer_tile` the filters beside them do.
INNER_BYTES, OUTER_BYTES = 6144, 1024
PANEL_BYTES = 96 * 1024  # of the packed rows, which are read from the second cache
FILTER_BYTES = 192 * 1024  # of the transposed filters, there too
RESULT_BYTES = 256 * 1024  # of the sums of a thread
PARTS_BYTES = 4 << 20  # of sums that are made beside each other
ITEMS = 16  # pieces of work that are worth cutting for
LEAST_COLUMNS = 128  # of a block: each transposes the filters
FEW_FILTERS = 2  # vectors: fewer leave lanes empty


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
    outer = call.outputs >= FEW_FILTERS * lanes(call.dtype, target)
    block = of_x(call, False)
    pieces = _pieces(call, OUTER_BYTES if outer else INNER_BYTES)
    columns = call.images * math.prod(call.sizes)
    words, routines = (_outer if outer else _inner)(call, pieces, columns)
    output_blocks = -(-call.outputs // words["output_block"])
    y_bytes = call.groups * call.outputs * columns * item
    parts, column_block = _cut(call, pieces, columns, y_bytes, words, output_blocks)
    part_pieces = -(-pieces.count // parts)
    parts = -(-pieces.count // part_pieces)
    blocks = -(-columns // column_block)
    panel_columns = min(words["panel_columns"], column_block)
    height = words.pop("height")
    left = whole_lines(words["panel_row"] * panel_columns + LINE)
    result = left + words.pop("left_bytes")
    panel_result = words.pop("row_bytes") * panel_columns // height
    rows = whole_lines(panel_result * -(-column_block // panel_columns))
    block.words |= words | {
        "columns": columns, "column_block": column_block, "blocks": blocks,
        "panel_columns": panel_columns, "panel_result": panel_result,
        "output_blocks": output_blocks, "row_block": pieces.row_block,
        "row_blocks": pieces.row_blocks, "channel_block": pieces.channel_block,
        "pieces": pieces.count, "part_pieces": part_pieces, "parts": parts,
        "left": left, "result": result, "y_bytes": y_bytes,
    }  # fmt: skip
    total = call.groups * output_blocks * blocks * parts
    found = block.finish(convolve_sums, total, result + rows + LINE, routines)
    return found if parts == 1 else _with_parts(found, parts, y_bytes)


def _pieces(call: ConvolutionCall, size: int) -> Pieces:
    """Pieces of about `size` bytes, at least a row of taps."""
    most = size // ITEM_BYTES[call.dtype]
    width, rows = call.taps[2], call.taps[0] * call.taps[1]
    row_blocks = -(-rows // min(max(most // width, 1), rows))
    row_block = -(-rows // row_blocks)
    row_blocks = -(-rows // row_block)
    channel_block = 1
    if row_blocks == 1:
        channel_block = min(max(most // (rows * width), 1), call.channels)
    count = -(-call.channels // channel_block) * row_blocks
    return Pieces(row_block, row_blocks, channel_block, count)


def _outer(
    call: ConvolutionCall, pieces: Pieces, columns: int
) -> tuple[dict[str, int], dict[str, Routine]]:
    """Words and routines for vectors along the filters."""
    item, target = ITEM_BYTES[call.dtype], machine().target
    width = OUTER_VECTORS * lanes(call.dtype, target)
    length = pieces.row_block * call.taps[2]
    inner = length * pieces.channel_block
    most = max(FILTER_BYTES // (inner * item) // width, 1) * width
    output_block = -(-call.outputs // -(-call.outputs // most) // width) * width
    height = -(-columns // -(-columns // OUTER_ROWS[target.registers]))
    counts = (min(output_block, call.outputs), call.outputs % output_block)
    words, routines = tile_words(call.dtype, height, counts)
    routines["transposing"] = transposing_tile(call.dtype)
    panel_row = inner * item + BLOCK
    left_row = output_block * item
    # Whole blocks are transposed.
    kept = inner + lanes(call.dtype, target)
    words |= {
        "panel_row": panel_row, "stretch": length * item, "left_row": left_row,
        "output_block": output_block, "lanes": lanes(call.dtype, target),
        "left_bytes": kept * left_row, "row_bytes": height * left_row, "height": height,
        "panel_columns": max(PANEL_BYTES // panel_row // height, 1) * height,
    }  # fmt: skip
    return words, routines


def _inner(
    call: ConvolutionCall, pieces: Pieces, columns: int
) -> tuple[dict[str, int], dict[str, Routine]]:
    """Words and routines for vectors along both rows."""
    item, target = ITEM_BYTES[call.dtype], machine().target
    rows, width = INNER_ROWS[target.registers], INNER_COLUMNS[target.registers]
    stretch = whole_lines(pieces.row_block * call.taps[2] * item)
    panel_row = stretch * pieces.channel_block + BLOCK
    tile_bytes = -(-rows * width * item // target.vector_bytes) * target.vector_bytes
    words = {
        "panel_row": panel_row, "stretch": stretch, "tile_rows": rows,
        "tile_columns": width, "tile_bytes": tile_bytes, "output_block": call.outputs,
        "left_bytes": 0, "row_bytes": -(-call.outputs // rows) * tile_bytes,
        "height": width, "panel_columns": max(PANEL_BYTES // panel_row // width, 1) * width,
    }  # fmt: skip
    return words, {"tile": inner_tile(call.dtype)}


def _cut(
    call: ConvolutionCall,
    pieces: Pieces,
    columns: int,
    y_bytes: int,
    words: dict[str, int],
    output_blocks: int,
) -> tuple[int, int]:
    """The parts of the contracted axis, and the columns of a block.

    A part reads its filters once, but needs sums of its own.  There are no fewer parts than
    pieces in one, as long as there is memory: each rounds its sum on its own.
    """
    height = words["height"]
    wanted = -(-ITEMS // (call.groups * output_blocks))
    wanted = max(wanted, math.isqrt(pieces.count))
    parts = max(min(wanted, PARTS_BYTES // y_bytes + 1, pieces.count), 1)
    most = max(RESULT_BYTES // words["row_bytes"], 1) * height
    wanted = -(-ITEMS // (call.groups * output_blocks * parts))
    column_block = max(-(-columns // wanted), min(LEAST_COLUMNS, columns))
    column_block = -(-columns // -(-columns // min(column_block, most)))
    return parts, -(-column_block // height) * height


def _with_parts(found: CallArrangement, parts: int, y_bytes: int) -> CallArrangement:
    words = list(found.words)
    words[ConvolutionWords.sums] = found.scratch_bytes
    return replace(
        found,
        words=tuple(words),
        scratch_bytes=found.scratch_bytes + (parts - 1) * y_bytes,
        after=(add_parts, -(-y_bytes // PIECE)),
    )
