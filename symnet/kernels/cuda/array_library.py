"""Calls of libraries by a library of arrays in NumPy's language: on a GPU CuPy, whose products
are cuBLAS's; on an emulated one NumPy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from symnet.kernels.call_places import CallPlaces
from symnet.kernels.interface import Place
from symnet.kernels.library import (
    Call,
    ConvolutionCall,
    GemmCall,
    Unwind,
)
from symnet.kernels.routines import Convolve, MatrixProduct, Routine

DTYPES = ("float32", "float64")
# What products are made in, where it is not their own dtype.
WIDER = {"float16": "float32"}
# Terms of a sum that are left to one product of the library: longer ones are made of parts,
# added in pairs, so that roundings that all go one way do not add up.
LONGEST_SUM = 4096
WINDOW_BYTES = 64 << 20  # of copied windows at a time

Places = Sequence[Place | None]


def offers(routine: Routine) -> bool:
    """Whether there is one of these for a routine."""
    if isinstance(routine, MatrixProduct):
        return not routine.packed and np.dtype(routine.dtype).kind in "fiu"
    return isinstance(routine, Convolve) and routine.dtype in DTYPES


def run_call(call: Call, places: Places, memory: CallPlaces[Any], xp: Any) -> None:
    """Do what a call says.  xp: the library whose arrays `memory` gives."""
    with np.errstate(all="ignore"):
        if isinstance(call, GemmCall):
            gemm(call, places, memory, xp)
        elif isinstance(call, ConvolutionCall):
            convolution(call, places, memory, xp)
        else:
            assert isinstance(call, Unwind), f"no library for {call}"
            unwind(call, places, memory)


def gemm(call: GemmCall, places: Places, memory: CallPlaces[Any], xp: Any) -> None:
    (m, n, k), batch = call.sizes, [size for size, *_ in call.loops]
    shapes = ((m, k), (k, n), (m, n))
    steps = [tuple(loop[1 + o] for loop in call.loops) for o in range(3)]
    a, b, c = (
        array_at(memory, place, call.dtype, (*batch, *shape), (*step, *strides))
        for place, shape, step, strides in zip(
            (places[1], places[2], places[4]), shapes, steps, call.strides, strict=True
        )
    )
    if not c.size:
        return
    if (wide := WIDER.get(call.dtype)) is not None:
        a, b = a.astype(wide), b.astype(wide)
    result = factor(call.alpha, places[0], call, memory) * product(a, b, xp)
    if call.beta is None or call.beta != 0:
        result = result + factor(call.beta, places[3], call, memory) * c
    c[...] = result


def factor(
    known: complex | None, place: Place | None, call: GemmCall, memory: CallPlaces[Any]
) -> Any:
    """A number that a product is multiplied with; one in memory stays there."""
    if known is not None:
        return np.dtype(call.dtype).type(known)
    return array_at(memory, place, call.dtype, (), None)


def product(a: Any, b: Any, xp: Any) -> Any:
    """The product of matrices, in parts where its sums are long."""
    length = a.shape[-1]
    if length <= LONGEST_SUM:
        return xp.matmul(a, b)
    half = length // 2
    left = product(a[..., :half], b[..., :half, :], xp)
    return left + product(a[..., half:], b[..., half:, :], xp)


def convolution(
    call: ConvolutionCall, places: Places, memory: CallPlaces[Any], xp: Any
) -> None:
    """As products: windows of the spread and padded input, times the filters."""
    x, w, y = (
        array_at(memory, place, call.dtype, shape, strides)
        for place, shape, strides in zip(
            places,
            (
                (call.groups, call.images, call.channels, *call.inputs),
                (call.groups, call.outputs, call.channels, *call.taps),
                (call.groups, call.images, call.outputs, *call.sizes),
            ),
            (call.x_strides, call.w_strides, call.y_strides),
            strict=True,
        )
    )
    if not y.size:
        return
    inner, area = call.inner, math.prod(call.sizes)
    filters = w.reshape(call.groups, call.outputs, inner).transpose(0, 2, 1)
    one = area * max(inner, 1) * call.groups * np.dtype(call.dtype).itemsize
    at_once = max(1, WINDOW_BYTES // one)
    for first in range(0, call.images, at_once):
        images = x[:, first : first + at_once]
        windows = windows_of(call, images, xp)
        count = images.shape[1]
        rows = windows.reshape(call.groups, count * area, inner)
        found = product(rows, filters, xp)
        found = found.reshape(call.groups, count, *call.sizes, call.outputs)
        y[:, first : first + at_once] = found.transpose(0, 1, 5, 2, 3, 4)


def windows_of(call: ConvolutionCall, x: Any, xp: Any) -> Any:
    """Axes: group, image, the output's three, channel, the filter's three; a view."""
    spans, target, source = [], [], []
    for p, s, t, d, q, e, low in zip(
        call.sizes, call.strides, call.taps, call.dilations, call.inputs,
        call.spreads, call.low, strict=True,
    ):  # fmt: skip
        span = max((p - 1) * s + (t - 1) * d + 1, 0)
        begin = max(0, -(low // e))
        end = max(begin, min(q, (span - 1 - low) // e + 1))
        spans.append(span)
        source.append(slice(begin, end))
        where = begin * e + low
        target.append(slice(where, where + (end - begin) * e, e) if end > begin else 0)
    padded = xp.zeros((*x.shape[:3], *spans), call.dtype)
    if all(isinstance(one, slice) for one in target):
        padded[(..., *target)] = x[(..., *source)]
    outer, steps = padded.strides[:3], padded.strides[3:]
    windows = xp.lib.stride_tricks.as_strided(
        padded,
        (*x.shape[:3], *call.sizes, *call.taps),
        (
            *outer,
            *(k * s for k, s in zip(steps, call.strides, strict=True)),
            *(k * d for k, d in zip(steps, call.dilations, strict=True)),
        ),
    )
    return windows.transpose(0, 1, 3, 4, 5, 2, 6, 7, 8)


def unwind(call: Unwind, places: Places, memory: CallPlaces[Any]) -> None:
    ring = array_at(memory, places[0], "uint8", (call.slots, call.row_bytes), None)
    rows = array_at(memory, places[2], "uint8", (call.kept, call.row_bytes), None)
    assert places[1] is not None
    iterations = int(memory.number(places[1], "int64"))
    for k in range(call.kept):
        row = call.depth + iterations - call.kept + k
        rows[k] = ring[row % call.slots] if row >= 0 else 0


def array_at(
    memory: CallPlaces[Any],
    place: Place | None,
    dtype: str,
    shape: Sequence[int],
    strides: Sequence[int] | None,
) -> Any:
    assert place is not None, "an operand of a call has no place"
    return memory.array(place, dtype, shape, strides)


__all__ = ["offers", "run_call"]
