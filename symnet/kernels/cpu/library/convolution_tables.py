"""The words of a convolution's step: which element of the input meets which pair of
indices, as tables."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from symnet.kernels.cpu.jit.native import Native
from symnet.kernels.cpu.library.call_steps import CallArrangement
from symnet.kernels.cpu.library.convolution_code import NOT_THERE, ConvolutionWords
from symnet.kernels.cpu.library.panel_steps import panel_step
from symnet.kernels.cpu.library.panels_code import BLOCK
from symnet.kernels.library import ITEM_BYTES, ConvolutionCall
from symnet.kernels.llvm.emitted_function import EmittedFunction

NUMBERS_PER_NS = {"float32": 30.0, "float64": 15.0}  # a modest core
SHARED_NS = 20_000.0


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


class ConvolutionBlock:
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
        routines: dict[str, EmittedFunction],
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


def of_x(call: ConvolutionCall, fixes_taps: bool) -> ConvolutionBlock:
    fixed, run = call.taps, call.sizes
    if not fixes_taps:
        fixed, run = run, fixed
    tables = [axis_table(call, axis, fixes_taps) for axis in range(3)]
    return ConvolutionBlock(call, fixed, run, tables, call.x_strides[3:])
