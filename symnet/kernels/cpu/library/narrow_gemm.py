"""Products with few columns, as steps of the runner: see `narrow_gemm_code`."""

from __future__ import annotations

from dataclasses import replace

from symnet.kernels.cpu.library.call_steps import CallArrangement
from symnet.kernels.cpu.library.narrow_gemm_code import (
    NarrowGemmWords,
    multiply_narrow,
    put_columns,
)
from symnet.kernels.cpu.library.panel_steps import (
    number_slot,
    panel_step,
    whole_lines,
)
from symnet.kernels.cpu.library.rearranging_tiles import transposing_tile
from symnet.kernels.cpu.library.tiled_gemm import (
    ITEMS,
    NUMBERS_PER_NS,
    SHARED_NS,
    pays,
    suits_tiles,
    tiled_gemm,
    tiled_step,
    transposed,
)
from symnet.kernels.cpu.library.tiled_gemm_code import TiledGemmWords
from symnet.kernels.cpu.library.tiles import (
    INNER_COLUMNS,
    INNER_ROWS,
    inner_tile,
    lanes,
)
from symnet.kernels.library import ITEM_BYTES, GemmCall
from symnet.kernels.llvm.machine import machine
from symnet.kernels.memory import LINE

LONGEST_PIECE = 2048  # of a sum, which is made in as many parts as a vector has lanes
LEAST_ROWS = 16  # of an item
LEAST_SUM = 128  # for fewer terms a tile costs more than it saves
N, T = NarrowGemmWords, TiledGemmWords


def own_gemm(call: GemmCall) -> CallArrangement | None:
    """A product by our own micro-kernels, where they serve.  Pointers: as `narrow_gemm`."""
    narrow = narrow_gemm(call) if suits_tiles(call) and pays(call) else None
    return narrow or tiled_gemm(call)


def narrow_gemm(call: GemmCall) -> CallArrangement | None:
    """The step of a product of so few columns that they fill no vector, or None.  The
    pointers are those of alpha, A, B, beta and C, whose rows have no gaps."""
    width, item = lanes(call.dtype, machine().target), ITEM_BYTES[call.dtype]
    m, n, k = call.sizes
    small = n >= width or m < 4 * width or k < LEAST_SUM
    if small or call.loops or call.strides[2][1] != item:
        return None
    if item not in call.strides[1]:
        return None
    if call.strides[0][0] == item:
        return _through(call)
    return _along(call) if call.strides[0][1] == item else None


def _through(call: GemmCall) -> CallArrangement:
    """A has its columns without gaps: C.T is made, and brought where it belongs."""
    (m, n, _), item = call.sizes, ITEM_BYTES[call.dtype]
    other = transposed(call)
    a, b, _ = other.strides
    made = tiled_step(replace(other, strides=(a, b, (m * item, item))))
    words = list(made.words)
    words[T.through] = whole_lines(made.scratch_bytes)
    words[T.result_row], words[T.result_columns] = call.strides[2][0], n
    alpha, right, left, _, _ = made.pointer_slots
    own = dict(made.own_words)
    if T.beta in own:
        own[T.result_beta] = own.pop(T.beta)
    return replace(
        made,
        words=tuple(words),
        pointer_slots=(
            alpha, left, right, number_slot(T.result_beta, call.beta), T.result
        ),
        scratch_bytes=words[T.through] + m * n * item,
        own_words=tuple(own.items()),
        after=(*made.after, (put_columns, m)),
    )  # fmt: skip


def _along(call: GemmCall) -> CallArrangement:
    """A has its rows without gaps: vectors run along them."""
    (m, n, k), item, target = call.sizes, ITEM_BYTES[call.dtype], machine().target
    width, most = lanes(call.dtype, target), INNER_COLUMNS[target.registers]
    tile_columns = -(-n // -(-n // most))
    tile_rows = INNER_ROWS[target.registers]
    row_block = -(-max(-(-m // ITEMS), LEAST_ROWS) // tile_rows) * tile_rows
    pieces = -(-k // LONGEST_PIECE)
    inner_block = -(-k // (pieces * width)) * width
    panel_row = -(-k // width) * width * item
    rows = -(-n // width) * width + most  # of the panel: blocks and tiles are whole
    words = {
        "panel_row": panel_row, "rows": m, "columns": n, "inner": k,
        "a_row": call.strides[0][0], "b_row": call.strides[1][0],
        "b_step": call.strides[1][1], "c_row": call.strides[2][0],
        "row_block": row_block, "inner_block": inner_block, "tile_rows": tile_rows,
        "tile_columns": tile_columns, "lanes": width,
    }  # fmt: skip
    routines = {"tile": inner_tile(call.dtype, tile_columns)}
    if call.strides[1][1] == item:
        routines["transposing"] = transposing_tile(call.dtype)
    step = panel_step(
        multiply_narrow,
        N,
        words,
        routines,
        dtype=call.dtype,
        total=-(-m // row_block),
        cost_ns=m * n * k / NUMBERS_PER_NS[call.dtype],
        shared_ns=SHARED_NS,
        slot_bytes=panel_row * rows + LINE,
        numbers=(call.alpha, call.beta),
    )
    alpha, beta = number_slot(N.alpha, call.alpha), number_slot(N.beta, call.beta)
    return replace(step, pointer_slots=(alpha, N.a, N.b, beta, N.c))
