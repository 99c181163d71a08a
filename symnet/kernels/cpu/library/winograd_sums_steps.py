"""Gradients of 3 x 3 filters by Winograd's minimal filtering as steps of the runner.

How the work is cut follows from the sizes and the kind of processor, never from the number
of threads, so that results do not depend on that.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from symnet.kernels.cpu.jit.native import Native, rarely
from symnet.kernels.cpu.library.call_steps import CallArrangement
from symnet.kernels.cpu.library.panel_steps import (
    panel_step,
    whole_lines,
    with_words_of,
)
from symnet.kernels.cpu.library.rearranging_tiles import transposing_tile
from symnet.kernels.cpu.library.tiles import lanes, tile_words
from symnet.kernels.cpu.library.winograd_forms import POINTS, TAPS, minimal_filter
from symnet.kernels.cpu.library.winograd_grid import TileGrid
from symnet.kernels.cpu.library.winograd_steps import (
    ITEMS,
    LEAST_CHANNELS,
    NUMBERS_PER_NS,
    SHARED_NS,
    is_plain,
    winograd_costs,
)
from symnet.kernels.cpu.library.winograd_sums_code import (
    WinogradSumsWords,
    add_again,
    finish_taps,
    sum_again,
    sum_tiles,
)
from symnet.kernels.cpu.library.winograd_tiles import (
    gradient_transform,
    input_transform,
    tap_transform,
)
from symnet.kernels.library import ITEM_BYTES, ConvolutionCall
from symnet.kernels.llvm.emitted_function import EmittedFunction
from symnet.kernels.llvm.machine import machine
from symnet.kernels.memory import LINE

BLOCK = 128  # inputs and gradients of a piece of work
STRIPE = 48  # tiles that are added up at once: see `docs/design.md`
LEAST_STRIPES = 4  # of a part: to add parts up takes as long as a stripe or more
MOST_STRIPES = 64  # of a part: sums of more are as inexact as they are long
SUMS_BYTES = 16 << 20  # of all parts
# What transforms cost, in multiplications of a product, for each number of a transformed
# tile, and the tap transform of a filter.
INPUT_COST, GRADIENT_COST, TAP_COST = 12.0, 5.0, 16.0
W = WinogradSumsWords


def winograd_sums_outputs(call: ConvolutionCall) -> int:
    """The m of F(m, 3) by which a gradient of filters is fastest, or 0 where it is not to be
    used."""
    if not _suits(call):
        return 0
    cuts = [_SumsCut(call, minimal_filter(m)) for m in POINTS]
    cuts = [cut for cut in cuts if cut.stripes_of_part <= MOST_STRIPES and cut.fits]
    best = min(cuts, key=lambda cut: cut.cost, default=None)
    lost = winograd_costs().sums_columns / call.taps[2]
    if best is None or best.cost >= call.work * (1 + lost):
        return 0
    return best.form.outputs


def _suits(call: ConvolutionCall) -> bool:
    """Whether a call is of the kind: 3 x 3 places of the output, all steps 1, rows without
    gaps."""
    item, flat = ITEM_BYTES[call.dtype], call.inputs[0] == call.taps[0] == 1
    return (
        is_plain(call)
        and flat
        and call.sizes == (1, TAPS, TAPS)
        and call.x_strides[5] == call.w_strides[5] == item
        and min(call.images, call.outputs) >= LEAST_CHANNELS
        and min(call.taps[1:]) > TAPS
    )


class _SumsCut(TileGrid):
    """How a call is cut, for F(m, 3): its tiles are those of the gradient of the outputs,
    which such a call has in the place of filters."""

    @property
    def planes(self) -> int:
        return self.call.channels

    @property
    def plane(self) -> tuple[int, int]:
        return self.call.taps[1:]

    @property
    def m_row(self) -> int:
        return whole_lines(self.call.images * self.item)

    @property
    def part_bytes(self) -> int:
        """Of the sums over a part of the tiles."""
        return self.matrices * (self.call.outputs * self.m_row + LINE)

    @property
    def fits(self) -> bool:
        return self.call.groups * self.part_bytes <= SUMS_BYTES

    @property
    def image_block(self) -> int:
        """Inputs of a piece of work: equal blocks of whole tiles."""
        columns = -(-self.call.images // self.width)
        blocks = -(-columns * self.width // BLOCK)
        return -(-columns // blocks) * self.width

    @property
    def parts(self) -> int:
        """In how many parts the tiles are taken: each needs sums of its own."""
        blocks = -(-self.call.images // BLOCK) * -(-self.call.outputs // BLOCK)
        wanted = -(-ITEMS // (self.call.groups * blocks))
        most = SUMS_BYTES // (self.part_bytes * self.call.groups)
        return max(min(wanted, most, self.tiles // (LEAST_STRIPES * STRIPE)), 1)

    @property
    def part(self) -> int:
        """Tiles of a part."""
        return -(-self.tiles // self.parts)

    @property
    def stripes_of_part(self) -> int:
        return -(-self.part // STRIPE)

    @property
    def cost(self) -> float:
        """In multiplications, as `ConvolutionCall.work`."""
        call, half = self.call, self.width // 2
        c, k = call.images, call.outputs
        numbers: float = self.tiles * -(-c // half) * half * k
        numbers += self.lane_places * (
            INPUT_COST * c * -(-k // BLOCK) + GRADIENT_COST * k * -(-c // BLOCK)
        )
        return call.groups * self.matrices * (numbers + TAP_COST * self.parts * c * k)


def winograd_sums_step(
    call: ConvolutionCall, outputs: int, direct: CallArrangement
) -> CallArrangement:
    """The step of a gradient of filters by F(outputs, 3).  The pointers are those of x, w
    and y.

    direct: the step of another driver, for what is not finite.
    """
    cut = _SumsCut(call, minimal_filter(outputs))
    rest = call.images - (-(-call.images // cut.image_block) - 1) * cut.image_block
    counts = (min(cut.image_block, call.images), rest)
    words, routines = tile_words(call.dtype, call.outputs, counts)
    blocks = max(BLOCK // (words["few"] + 1), 1)
    blocks = -(-words["tiles"] // -(-words["tiles"] // blocks))
    words |= {"tile_block": blocks, "tile_blocks": -(-words["tiles"] // blocks)}
    memory, slot_bytes = _memory(cut, min(blocks * (words["few"] + 1), call.outputs))
    words |= memory | _sizes(cut)
    start = W.count
    x, w, y = direct.pointer_slots
    words |= {
        "direct": start, "direct_x": x, "direct_w": w, "direct_y": y,
        "direct_scratch": direct.scratch_slot,
    }  # fmt: skip
    routines |= {
        "entering": input_transform(call.dtype, outputs),
        "leaving": gradient_transform(call.dtype, outputs),
        "finishing": tap_transform(call.dtype, outputs),
        "transposing": transposing_tile(call.dtype),
    }
    found = panel_step(
        sum_tiles,
        W,
        words,
        routines,
        dtype=call.dtype,
        total=call.groups * cut.parts * words["tile_blocks"] * words["image_blocks"],
        cost_ns=cut.cost / NUMBERS_PER_NS[call.dtype],
        shared_ns=SHARED_NS,
        slot_bytes=slot_bytes,
        tail=[0] * len(direct.words),
    )
    return _with_direct(cut, found, direct, start)


def _with_direct(
    cut: _SumsCut, step: CallArrangement, direct: CallArrangement, start: int
) -> CallArrangement:
    """The step with its sums, and with what is done afterwards."""
    call, words = cut.call, list(step.words)
    words[W.sums] = step.scratch_bytes
    codes: list[tuple[int, Native[Any] | EmittedFunction | int]] = [
        (W.direct_code, direct.code)
    ]
    after = [(sum_again, direct.total)]
    for code, total in direct.after:
        codes.append((W.direct_after, code))
        after.append((add_again, total))
    routines: list[tuple[int, Native[Any]]] = [
        (word, rarely(code)) for word, code in codes if isinstance(code, Native)
    ]
    step = replace(
        step,
        words=tuple(words),
        pointer_slots=(W.x, W.w, W.y),
        scratch_bytes=step.scratch_bytes + call.groups * cut.parts * cut.part_bytes,
        routines=(*step.routines, *routines),
        after=((finish_taps, call.groups * call.outputs), *after),
    )
    return with_words_of(step, direct, start)


def _sizes(cut: _SumsCut) -> dict[str, int]:
    call = cut.call
    return cut.sizes | {
        "w_row": call.w_strides[4],
        "lanes": lanes(call.dtype, machine().target), "stripe": STRIPE,
        "part": cut.part, "parts": cut.parts, "image_block": cut.image_block,
        "image_blocks": -(-call.images // cut.image_block),
    }  # fmt: skip


def _memory(cut: _SumsCut, rows: int) -> tuple[dict[str, int], int]:
    """Where the matrices lie, and bytes of a slot; rows: of the products of a piece."""
    item, number = cut.item, cut.matrices
    width = lanes(cut.call.dtype, machine().target)
    t_row = whole_lines(STRIPE * item)
    t_matrix = width * t_row + LINE
    v_row = whole_lines(cut.image_block * item)
    v_matrix = STRIPE * v_row + LINE
    g_matrix = rows * t_row + LINE
    m_matrix = cut.call.outputs * cut.m_row + LINE
    v_place = number * t_matrix
    g_place = v_place + number * v_matrix
    words = {
        "t_row": t_row, "t_matrix": t_matrix, "panel_row": v_row, "v_matrix": v_matrix,
        "v_place": v_place, "g_row": t_row, "g_matrix": g_matrix, "g_place": g_place,
        "m_row": cut.m_row, "m_matrix": m_matrix, "part_bytes": number * m_matrix,
    }  # fmt: skip
    return words, g_place + number * g_matrix + LINE


__all__ = ["winograd_sums_outputs", "winograd_sums_step"]
