"""Calls of libraries by NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symnet.kernels.interface import Place
from symnet.kernels.library import (
    Call,
    ConvolutionCall,
    DenseCall,
    GemmCall,
    PackedGemm,
    Unwind,
    panel_width,
)
from symnet.kernels.reference.host_arrays import CallMemory
from symnet.kernels.stepwise import Refused

Places = Sequence[Place | None]
WIDER = {"f": np.float64, "F": np.complex128}


def run_call(call: Call, places: Places, memory: CallMemory) -> None:
    """Raises: Refused."""
    RUN[type(call)](call, places, memory)


def gemm(call: GemmCall, places: Places, memory: CallMemory) -> None:
    alpha, beta = _factors(call, places, memory)
    (m, n, k), batch = call.sizes, [size for size, *_ in call.loops]
    shapes = ((m, k), (k, n), (m, n))
    steps = [tuple(loop[1 + o] for loop in call.loops) for o in range(3)]
    a, b, c = (
        _array(memory, place, call.dtype, (*batch, *shape), (*step, *strides))
        for place, shape, step, strides in zip(
            (places[1], places[2], places[4]), shapes, steps, call.strides, strict=True
        )
    )
    _put(c, alpha, a, b, beta, None if beta is not None and call.beta == 0 else c)


def packed_gemm(call: PackedGemm, places: Places, memory: CallMemory) -> None:
    alpha, beta = _factors(call, places, memory)
    m, n, k = call.sizes
    a_strides, c_strides, d_strides = call.strides
    width = panel_width(call.dtype)
    panels = -(-n // width)
    a = _array(memory, places[1], call.dtype, (m, k), a_strides)
    packed = _array(memory, places[2], call.dtype, (panels, k, width))
    b = packed.transpose(1, 0, 2).reshape(k, panels * width)[:, :n]
    c = _array(memory, places[5], call.dtype, (m, n), c_strides)
    d = None
    if call.beta != 0:
        d = _array(memory, places[4] or places[5], call.dtype, (m, n), d_strides)
    _put(c, alpha, a, b, beta, d)


def _factors(
    call: GemmCall | PackedGemm, places: Places, memory: CallMemory
) -> tuple[Any, Any]:
    """The numbers alpha and beta."""
    alpha, beta = (
        _array(memory, place, call.dtype, ())[()]
        if known is None
        else np.dtype(call.dtype).type(known)
        for known, place in ((call.alpha, places[0]), (call.beta, places[3]))
    )
    return alpha, beta


def _put(c: Any, alpha: Any, a: Any, b: Any, beta: Any, d: Any) -> None:
    """C = alpha A B + beta D, without the last where D is None.

    Of single precision the sums are made in double: long ones are to be exact."""
    wide = WIDER.get(a.dtype.char, a.dtype)
    with np.errstate(all="ignore"):
        result = alpha * (a.astype(wide) @ b.astype(wide))
        c[...] = result if d is None else result + beta * d


def convolution(call: ConvolutionCall, places: Places, memory: CallMemory) -> None:
    """All windows of the spread and padded input, times the filters."""
    heads = (
        (call.groups, call.images, call.channels, *call.inputs),
        (call.groups, call.outputs, call.channels, *call.taps),
        (call.groups, call.images, call.outputs, *call.sizes),
    )
    x, w, y = (
        _array(memory, place, call.dtype, shape, strides)
        for place, shape, strides in zip(
            places, heads, (call.x_strides, call.w_strides, call.y_strides), strict=True
        )
    )
    spans = [
        max((p - 1) * s + (t - 1) * d + 1, 0)
        for p, s, t, d in zip(
            call.sizes, call.strides, call.taps, call.dilations, strict=True
        )
    ]
    padded = np.zeros((*x.shape[:3], *spans), np.float64)
    for place in np.ndindex(*call.inputs):
        at = [q * e + b for q, e, b in zip(place, call.spreads, call.low, strict=True)]
        if all(0 <= k < span for k, span in zip(at, spans, strict=True)):
            padded[:, :, :, at[0], at[1], at[2]] = x[:, :, :, *place]
    steps = padded.strides[3:]
    windows = np.lib.stride_tricks.as_strided(
        padded,
        (*x.shape[:3], *call.sizes, *call.taps),
        (
            *padded.strides[:3],
            *(k * s for k, s in zip(steps, call.strides, strict=True)),
            *(k * d for k, d in zip(steps, call.dilations, strict=True)),
        ),
        writeable=False,
    )
    y[...] = np.einsum("gncpqrstu,gocstu->gnopqr", windows, w, dtype=np.float64)


def unwind(call: Unwind, places: Places, memory: CallMemory) -> None:
    ring = _array(memory, places[0], "uint8", (call.slots, call.row_bytes))
    iterations = int(_array(memory, places[1], "int64", ()))
    rows = _array(memory, places[2], "uint8", (call.kept, call.row_bytes))
    for k in range(call.kept):
        row = call.depth + iterations - call.kept + k
        rows[k] = ring[row % call.slots] if row >= 0 else 0


def dense_call(call: DenseCall, places: Places, memory: CallMemory) -> None:
    arrays = [
        _array(memory, place, dtype, shape)
        for place, (dtype, shape) in zip(places, call.operands, strict=True)
    ]
    try:
        results = call.reference(arrays)
    except ValueError as error:
        raise Refused from error
    for target, result in zip(arrays[-call.outputs :], results, strict=True):
        target[...] = result


def _array(
    memory: CallMemory,
    place: Place | None,
    dtype: str,
    shape: Sequence[int],
    strides: Sequence[int] | None = None,
) -> np.ndarray[Any, Any]:
    assert place is not None, "an operand of a call has no place"
    return memory.array(place, dtype, shape, strides)


RUN: dict[type, Any] = {
    GemmCall: gemm,
    PackedGemm: packed_gemm,
    ConvolutionCall: convolution,
    Unwind: unwind,
    DenseCall: dense_call,
}

__all__ = ["run_call"]
