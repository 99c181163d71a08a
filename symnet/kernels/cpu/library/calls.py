"""The CPU's tasks for calls of libraries (`kernels.library`).

The pointers of a task are those of the operands of its call, in order; -1 stands for a
pointer that is not needed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

from symnet.kernels.cpu.library.call_steps import CallArrangement, gemm_step
from symnet.kernels.cpu.library.narrow_gemm import own_gemm
from symnet.kernels.cpu.library.packed_gemm import packed_gemm
from symnet.kernels.cpu.runtime import runner
from symnet.kernels.cpu.runtime.layouts import LineariseWords
from symnet.kernels.library import (
    Call,
    ConvolutionCall,
    DenseCall,
    GemmCall,
    PackedGemm,
    Unwind,
)
from symnet.kernels.loopir import scalars as loops
from symnet.kernels.loopir.scalars import Kernel, Operand, Output
from symnet.kernels.schedule import Schedule
from symnet.lazy import imported_when_called

LIBRARY = "symnet.kernels.cpu.library"
if TYPE_CHECKING:
    from symnet.kernels.cpu.library.convolution_steps import convolution_step
    from symnet.kernels.cpu.library.dense_calls import dense_step, offers_dense
else:
    convolution_step = imported_when_called(
        f"{LIBRARY}.convolution_steps", "convolution_step"
    )
    dense_step = imported_when_called(f"{LIBRARY}.dense_calls", "dense_step")
    offers_dense = imported_when_called(f"{LIBRARY}.dense_calls", "offers_dense")

# Vectors from this length on are multiplied by a loop of our own: it adds up as exactly as
# other sums, and uses all threads.  Measured against BLAS: 0.3 of the time for 1000
# numbers, 0.5 for a million.
LONG = 512

# Kernel, sizes and strides -> how the loop is run.
Arrange = Callable[
    [Kernel, Sequence[int], Sequence[Sequence[int]], dict[int, Any]], Schedule
]
Bound = tuple[CallArrangement | Schedule, Kernel | None]


def bind(call: Call, arrange: Arrange) -> Bound:
    """What runs a call; with a kernel where that is a loop."""
    if isinstance(call, GemmCall):
        return _inner_products(call, arrange) or (own_gemm(call) or gemm(call), None)
    if isinstance(call, PackedGemm):
        return packed_gemm(call), None
    if isinstance(call, ConvolutionCall):
        return convolution_step(call), None
    if isinstance(call, Unwind):
        return unwind(call), None
    assert isinstance(call, DenseCall)
    shapes = [shape for _, shape in call.operands]
    return dense_step(call.routine, shapes, call.sizes), None


def gemm(call: GemmCall) -> CallArrangement:
    m, n, k = call.sizes
    numbers = call.alpha, call.beta
    found = gemm_step(call.dtype, m, n, k, *call.strides, *numbers, call.loops)
    a, b, c, *rest = found.pointer_slots
    places = iter(rest)
    alpha, beta = (next(places) if one is None else -1 for one in numbers)
    return replace(found, pointer_slots=(alpha, a, b, beta, c))


def unwind(call: Unwind) -> CallArrangement:
    words = (0, 0, 0, call.row_bytes, call.slots, call.depth, call.kept)
    pointers = (LineariseWords.ring, LineariseWords.iterations, LineariseWords.target)
    return CallArrangement(runner.linearise, words, pointers)


# ---- long vectors


def _inner_products(call: GemmCall, arrange: Arrange) -> Bound | None:
    """A loop, where all products are of two long vectors."""
    m, n, k = call.sizes
    plain = call.alpha == 1 and call.beta == 0 and call.dtype in ("float32", "float64")
    if not plain or m != 1 or n != 1 or k < LONG:
        return None
    batch = call.loops[0] if call.loops else (1, 0, 0, 0)
    count = len(call.loops)
    (_, along_a), (along_b, _), _ = call.strides
    steps = [
        (*batch[1 + operand : 2 + operand][:count], along)
        for operand, along in enumerate((along_a, along_b, 0))
    ]
    kernel = inner_product(call.dtype, count + 1)
    found = arrange(kernel, (*batch[:count], k), steps, {})
    a, b, c = found.pointer_slots
    return replace(found, pointer_slots=(-1, a, b, -1, c)), kernel


@cache
def inner_product(dtype: str, rank: int) -> Kernel:
    """The loop that multiplies two arrays and adds up along their last axis."""
    kept = (True,) * (rank - 1)
    factors = (Operand(dtype, (*kept, True)),) * 2
    product = loops.call("mul", loops.load(0, dtype), loops.load(1, dtype))
    total = loops.reduction("sum", product, dtype)
    output = Output(Operand(dtype, (*kept, False)), total)
    return Kernel(rank, (*(not k for k in kept), True), factors, (output,))


__all__ = ["bind", "offers_dense"]
