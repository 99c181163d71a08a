"""Fourier transforms as native steps, by the inner loops of `numpy.fft`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from symnet.kernels.cpu.library.call_steps import CallArrangement
from symnet.kernels.cpu.library.numpy_loops import (
    POINTERS,
    LoopOperand,
    inner_loop,
    loop_step,
)
from symnet.kernels.routines import Fourier

Shape = tuple[int, ...]
MODULE = "numpy.fft._pocketfft_umath"
NS_PER_STEP = 0.6
FACTORS: dict[str, np.ndarray[Any, Any]] = {
    "float32": np.ones(1, np.float32),
    "float64": np.ones(1),
}


def loop_names(routine: Fourier) -> list[tuple[str, str]]:
    """NumPy's ufuncs that serve, and their types: for real input two, of which one is for
    an even length."""
    real = np.dtype(routine.dtype).char
    whole = np.result_type(routine.dtype, np.complex64).char
    if routine.kind == "rfft":
        return [(f"rfft_n_{n}", f"{real}{real}->{whole}") for n in ("even", "odd")]
    result = real if routine.kind == "irfft" else whole
    return [(routine.kind, f"{whole}{real}->{result}")]


def offers_fourier(routine: Fourier) -> bool:
    if routine.dtype not in FACTORS:
        return False
    return all(inner_loop(MODULE, *names) for names in loop_names(routine))


def fourier_step(routine: Fourier, shapes: Sequence[Shape]) -> CallArrangement:
    """The step; pointers: the input, the output."""
    real = np.dtype(routine.dtype).itemsize
    source, target = shapes
    given = 1 if routine.kind == "rfft" else 2  # reals of a number
    made = 1 if routine.kind == "irfft" else 2
    if routine.kind in ("fft", "ifft"):
        *outer, length, inner, _ = source
        lengths = (length, length)
    else:
        outer, inner = list(source[: len(source) - given]), 1
        lengths = source[-given], target[-made]
    items = math.prod(outer)
    names = loop_names(routine)
    found = inner_loop(MODULE, *names[lengths[0] % 2 if len(names) > 1 else 0])
    assert found is not None
    operands = [
        LoopOperand(
            length * inner * parts * real, parts * real, (inner * parts * real,)
        )
        for length, parts in zip(lengths, (given, made), strict=True)
    ]
    operands.insert(1, LoopOperand(0, 0, ()))
    work = sum(lengths) * math.log2(max(2, *lengths))
    cost = (100.0 + NS_PER_STEP * work * inner) * items
    step = loop_step(found, (inner, *lengths), operands, items, cost)
    words = list(step.words)
    words[POINTERS + 1] = FACTORS[routine.dtype].ctypes.data
    slots = (POINTERS, POINTERS + 2)
    return replace(step, words=tuple(words), pointer_slots=slots)
