"""Convolutions whose input has one column as steps of the runner: see
`convolution_columns_code`."""

from __future__ import annotations

from dataclasses import replace

from symnet.kernels.cpu.library.call_steps import CallArrangement
from symnet.kernels.cpu.library.convolution_columns_code import (
    ColumnWords,
    convolve_columns,
    pack_filters,
)
from symnet.kernels.cpu.library.convolution_tables import NUMBERS_PER_NS, SHARED_NS
from symnet.kernels.cpu.library.panel_steps import panel_step, whole_lines
from symnet.kernels.cpu.library.tiles import tile_words
from symnet.kernels.library import ITEM_BYTES, ConvolutionCall
from symnet.kernels.memory import LINE

LEAST_COLUMNS = 16  # of the output: with fewer most lanes are empty
LONGEST_PIECE = 256  # channels that are added up at once: each piece rounds on its own
FILTER_BYTES = 64 << 20  # of the packed filters
W = ColumnWords


def columns_step(call: ConvolutionCall) -> CallArrangement | None:
    """The step of a convolution whose input has one column, with all steps 1; None for
    others.  The pointers are those of x, w and y."""
    if not _suits(call):
        return None
    item, (_, rows, width) = ITEM_BYTES[call.dtype], call.sizes
    first, last = _columns(call)
    words, routines = tile_words(call.dtype, call.inputs[1], (last - first,))
    tile = words["tile_columns"]
    panel_row = _row_bytes(-(-(last - first) // tile) * tile * item)
    filters = call.groups * call.outputs * call.taps[1] * call.channels * panel_row
    if filters > FILTER_BYTES:
        return None
    dilation = call.dilations[1]
    made = call.inputs[1] + (call.taps[1] - 1) * abs(dilation)
    low, pieces = call.low[1], -(-call.channels // LONGEST_PIECE)
    words |= {
        "panel_row": panel_row, "a_step": call.x_strides[2], "images": call.images,
        "outputs": call.outputs, "channels": call.channels,
        "channel_block": -(-call.channels // pieces),
        "x_group": call.x_strides[0], "x_image": call.x_strides[1],
        "x_row": call.x_strides[4],
        "w_group": call.w_strides[0], "w_output": call.w_strides[1],
        "w_channel": call.w_strides[2], "w_row": call.w_strides[4],
        "w_tap": -call.dilations[2] * call.w_strides[5],
        "y_group": call.y_strides[0], "y_image": call.y_strides[1],
        "y_output": call.y_strides[2], "tap_rows": call.taps[1],
        "first_column": first, "columns": last - first,
        "first_tap": _tap(call, first) * call.w_strides[5],
        "low": low - max((call.taps[1] - 1) * dilation, 0), "made": made,
        "dilation": dilation, "rows": rows, "width": width,
    }  # fmt: skip
    step = panel_step(
        pack_filters,
        W,
        words,
        routines,
        dtype=call.dtype,
        total=call.groups * call.outputs,
        cost_ns=_work(call, last - first) / NUMBERS_PER_NS[call.dtype],
        shared_ns=SHARED_NS,
        slot_bytes=whole_lines(made * panel_row) + LINE,
    )
    numbers = list(step.words)
    numbers[W.filters] = whole_lines(step.scratch_bytes)
    return replace(
        step,
        words=tuple(numbers),
        pointer_slots=(W.x, W.w, W.y),
        scratch_bytes=numbers[W.filters] + filters + LINE,
        after=((convolve_columns, call.groups * call.images),),
    )


def _suits(call: ConvolutionCall) -> bool:
    flat = call.inputs[0] == call.taps[0] == call.sizes[0] == 1 and call.low[0] == 0
    plain = call.strides == call.spreads == (1, 1, 1) and abs(call.dilations[2]) == 1
    wide = call.inputs[2] == 1 and call.sizes[2] >= LEAST_COLUMNS
    return flat and plain and wide and len(range(*_columns(call))) >= LEAST_COLUMNS


def _work(call: ConvolutionCall, columns: int) -> int:
    """Multiplications: those with what is outside of the input are not made."""
    outputs = call.groups * call.images * call.outputs * columns
    return outputs * call.inputs[1] * call.taps[1] * call.channels


def _tap(call: ConvolutionCall, column: int) -> int:
    """The tap by which a column of the output meets the input's one column."""
    return (call.low[2] - column) * call.dilations[2]


def _columns(call: ConvolutionCall) -> tuple[int, int]:
    """The columns of the output that meet it by a tap: first, and behind the last."""
    met = [p for p in range(call.sizes[2]) if 0 <= _tap(call, p) < call.taps[2]]
    return (met[0], met[-1] + 1) if met else (0, 0)


def _row_bytes(row: int) -> int:
    """An odd number of lines: an even one would let rows fall onto few sets of a cache."""
    lines = -(-row // LINE)
    return (lines + (lines + 1) % 2) * LINE


__all__ = ["columns_step"]
