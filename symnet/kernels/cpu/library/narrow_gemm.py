"""Products with few columns, as steps of the runner: see `narrow_gemm_code`."""

from __future__ import annotations

from dataclasses import replace

from symnet.config import config
from symnet.kernels.cpu.library.call_steps import CallArrangement
from symnet.kernels.cpu.library.narrow_gemm_code import (
    NarrowGemmWords,
    multiply_narrow,
    put_columns,
)
from symnet.kernels.cpu.library.rearranging_tiles import transposing_tile
from symnet.kernels.cpu.library.tiled_gemm import (
    ITEMS,
    NUMBERS_PER_NS,
    SHARED_NS,
    number_bits,
    tiled_step,
    transposed,
)
from symnet.kernels.cpu.library.tiled_gemm_code import TiledGemmWords
from symnet.kernels.cpu.library.tiles import (
    INNER_COLUMNS,
    INNER_ROWS,
    ITEM,
    inner_tile,
    lanes,
)
from symnet.kernels.cpu.runtime import threads
from symnet.kernels.library import GemmCall
from symnet.kernels.llvm.machine import machine
from symnet.kernels.memory import LINE

LONGEST_PIECE = 2048  # of a sum, which is made in as many parts as a vector has lanes
LEAST_ROWS = 16  # of an item
LEAST_SUM = 128  # for fewer terms a tile costs more than it saves
N, T = NarrowGemmWords, TiledGemmWords


def narrow_gemm(call: GemmCall) -> CallArrangement | None:
    """The step of a product of so few columns that they fill no vector, or None.  The
    pointers are those of alpha, A, B, beta and C, whose rows have no gaps."""
    width, item = lanes(call.dtype, machine().target), ITEM[call.dtype]
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
    (m, n, _), item = call.sizes, ITEM[call.dtype]
    other = replace(transposed(call), beta=0.0)
    a, b, _ = other.strides
    made = tiled_step(replace(other, strides=(a, b, (m * item, item))))
    words = list(made.words)
    words[T.through] = -(-made.scratch_bytes // LINE) * LINE
    words[T.result_row], words[T.result_columns] = call.strides[2][0], n
    words[T.other] = number_bits(call.beta, call.dtype)
    alpha, right, left, _, _ = made.pointer_slots
    own = list(made.own_words)
    if call.beta is not None and call.beta != 0:
        own.append((T.result_beta, T.other))
    beta = T.result_beta if call.beta is None else -1
    return replace(
        made,
        words=tuple(words),
        pointer_slots=(alpha, left, right, beta, T.result),
        scratch_bytes=words[T.through] + m * n * item,
        own_words=tuple(own),
        after=(put_columns, m),
    )


def _along(call: GemmCall) -> CallArrangement:
    """A has its rows without gaps: vectors run along them."""
    (m, n, k), item, target = call.sizes, ITEM[call.dtype], machine().target
    width, most = lanes(call.dtype, target), INNER_COLUMNS[target.registers]
    tile_columns = -(-n // -(-n // most))
    tile_rows = INNER_ROWS[target.registers]
    row_block = -(-max(-(-m // ITEMS), LEAST_ROWS) // tile_rows) * tile_rows
    pieces = -(-k // LONGEST_PIECE)
    inner_block = -(-k // (pieces * width)) * width
    panel_row = -(-k // width) * width * item
    rows = -(-n // width) * width + most  # of the panel: blocks and tiles are whole
    slots = threads.use(config.num_threads)
    slot_bytes = panel_row * rows + LINE
    by_rows = call.strides[1][1] == item
    words = {
        "item": item, "slots": slots, "flags": N.count, "slot_bytes": slot_bytes,
        "panel_row": panel_row, "rows": m, "columns": n, "inner": k,
        "a_row": call.strides[0][0], "b_row": call.strides[1][0],
        "b_step": call.strides[1][1], "c_row": call.strides[2][0],
        "row_block": row_block, "inner_block": inner_block, "tile_rows": tile_rows,
        "tile_columns": tile_columns, "lanes": width,
        "one": number_bits(1.0, call.dtype), "first": number_bits(call.alpha, call.dtype),
        "other": number_bits(call.beta, call.dtype),
    }  # fmt: skip
    routines = [(N.tile, inner_tile(call.dtype, tile_columns))]
    if by_rows:
        routines.append((N.transposing, transposing_tile(call.dtype)))
    own = [(N.alpha, N.first)] if call.alpha is not None else []
    own += [(N.beta, N.other)] if call.beta is not None and call.beta != 0 else []
    total = -(-m // row_block)
    cost = m * n * k / NUMBERS_PER_NS[call.dtype]
    return CallArrangement(
        multiply_narrow,
        (*N.pack(**words), *[0] * slots),
        (
            N.alpha if call.alpha is None else -1, N.a, N.b,
            N.beta if call.beta is None else -1, N.c,
        ),
        total,
        max(int(total * SHARED_NS / cost), 1),
        cost,
        scratch_bytes=slot_bytes * slots,
        scratch_slot=N.scratch,
        routines=tuple(routines),
        own_words=tuple(own),
    )  # fmt: skip
