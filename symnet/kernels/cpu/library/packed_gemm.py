"""Products with a matrix in panels, as steps of the runner."""

from __future__ import annotations

from dataclasses import replace

from symnet.kernels.cpu.library.call_steps import CallArrangement
from symnet.kernels.cpu.library.packed_gemm_code import (
    PackedGemmWords,
    multiply_panels,
)
from symnet.kernels.cpu.library.panel_steps import number_slot, panel_step
from symnet.kernels.cpu.library.tiles import tile_words
from symnet.kernels.library import ITEM_BYTES, PANEL_BYTES, PackedGemm, panel_width
from symnet.kernels.llvm.machine import machine

BLOCK_ROWS = 256  # of a panel at once: they stay in the first cache
NUMBERS_PER_NS = {"float32": 17.5, "float64": 8.5}  # a modest core
SHARED_NS = 10_000.0  # from so much work on threads pay: in a loop they are awake


def packed_gemm(call: PackedGemm) -> CallArrangement:
    """The step of a product, split among threads by columns.  The pointers are those of
    alpha, A, B, beta, D and C."""
    (m, n, k), item = call.sizes, ITEM_BYTES[call.dtype]
    (a_row, a_step), (c_row, _), (d_row, _) = call.strides
    vectors = max(PANEL_BYTES // machine().target.vector_bytes, 1)
    width = panel_width(call.dtype)
    counts = (min(n, width), n % width)
    words, routines = tile_words(call.dtype, max(m, 1), counts, vectors)
    words |= {
        "panel_row": width * item, "a_row": a_row, "a_step": a_step, "c_row": c_row,
        "d_row": d_row, "inner": k, "inner_block": BLOCK_ROWS, "columns": n,
    }  # fmt: skip
    step = panel_step(
        multiply_panels,
        PackedGemmWords,
        words,
        routines,
        dtype=call.dtype,
        total=-(-n // width) if m else 0,
        cost_ns=m * n * k / NUMBERS_PER_NS[call.dtype],
        shared_ns=SHARED_NS,
        numbers=(call.alpha, call.beta),
    )
    at, alpha, beta = PackedGemmWords, call.alpha, call.beta
    return replace(
        step,
        pointer_slots=(
            number_slot(at.alpha, alpha), at.a, at.b, number_slot(at.beta, beta),
            at.d, at.c,
        ),
    )  # fmt: skip
