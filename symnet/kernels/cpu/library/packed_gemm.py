"""Products with a matrix in panels, as steps of the runner."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from symnet.kernels.cpu.library import packed_gemm_code
from symnet.kernels.cpu.library.call_steps import CallArrangement
from symnet.kernels.cpu.library.packed_gemm_code import (
    PRODUCT_WORDS,
    product,
)
from symnet.kernels.library import panel_width

FLOPS_PER_NS = {"float32": 35.0, "float64": 17.0}  # a modest core
SHARED_NS = 10_000.0  # from so much work on threads pay: in a loop they are awake


def panel_step(
    dtype: str,
    sizes: tuple[int, int, int],
    strides: Sequence[tuple[int, ...]],
    alpha: float | None = 1.0,
    beta: float | None = 0.0,
) -> CallArrangement:
    """The step C = alpha A B + beta D with B in panels, split among threads by columns.

    sizes: rows of A, its columns, columns of C; strides: bytes of A, of C and of D; the
    rows of C and D have no gaps, and D is C or lies elsewhere.
    alpha, beta: numbers, or None: read from memory when the step runs.
    The pointers are those of A, B, C, D, alpha and beta.
    Dtypes: float32, float64.
    """
    rows, inner, columns = sizes
    (a_row, a_step), (c_row, _), (d_row, _) = strides
    words = np.zeros(PRODUCT_WORDS, np.int64)
    words[packed_gemm_code.A_ROW : packed_gemm_code.COLUMNS + 1] = [
        a_row, a_step, c_row, d_row, rows, inner, columns,
    ]  # fmt: skip
    for word, number in (
        (packed_gemm_code.ALPHA, alpha),
        (packed_gemm_code.BETA, beta),
    ):
        words[word : word + 1].view(dtype)[0] = 0 if number is None else number
    panels = -(-columns // panel_width(dtype)) if rows else 0
    cost = 2.0 * rows * inner * columns / FLOPS_PER_NS[dtype]
    grain = max(int(panels * SHARED_NS / max(cost, 1.0)), 1)
    pointers = (
        packed_gemm_code.A,
        packed_gemm_code.B,
        packed_gemm_code.C,
        packed_gemm_code.D,
    )
    slots = (*pointers, packed_gemm_code.ALPHA_AT, packed_gemm_code.BETA_AT)
    return CallArrangement(
        product(dtype), tuple(words.tolist()), slots, panels, grain, cost
    )
