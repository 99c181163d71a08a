"""Code for threads, run on the CPU: each thread of a grid after the others, in some order."""

from __future__ import annotations

import ctypes
import random
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from symnet.kernels.llvm.emit import emit
from symnet.kernels.llvm.machine import machine
from symnet.kernels.llvm.object_code import Library, load_objects
from symnet.kernels.llvm.target import threads_on
from symnet.kernels.llvm.thread_sources import KernelSource
from symnet.kernels.loopir.scalars import Kernel
from symnet.kernels.schedule import Schedule, arrange_threads
from symnet.kernels.variants import WARP, Variant

FUNCTION = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p,
                            ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)  # fmt: skip


@cache
def code(kernel: Kernel, variant: Variant) -> Library:
    text = emit(kernel, variant, threads_on(machine().target), "threads")
    names = KernelSource(kernel, variant).names("threads")
    return load_objects([machine().compile(text)], names)


def run_threads(
    kernel: Kernel, sizes: Sequence[int], arrays: Sequence[Any], threads: int = 7
) -> Schedule:
    """Run `kernel` like `run_kernel`, by so many threads, or warps where these share items.

    Raises: IndexError where a computed position is outside its array.
    """
    operands = (*kernel.inputs, *(out.operand for out in kernel.outputs))
    strides, indexed = [], {}
    for k, (operand, array) in enumerate(zip(operands, arrays, strict=True)):
        walked = iter(array.strides[operand.indexed :])
        strides.append([next(walked) if moving else 0 for moving in operand.axes])
        if operand.indexed:
            indexed[k] = list(zip(array.shape, array.strides))[: operand.indexed]
    schedule = arrange_threads(kernel, sizes, strides, indexed)
    words = np.array(schedule.words, np.int64)
    block = np.full(len(arrays), 4, np.int64)  # pointers begin 4 bytes too early
    for slot, array in zip(schedule.pointer_slots, arrays, strict=True):
        words[slot] = array.ctypes.data - 4
    scratch = np.full(schedule.scratch_bytes, 0xAB, np.uint8)
    if schedule.scratch_bytes:
        words[schedule.scratch_slot] = scratch.ctypes.data
    # Warps merge what threads of their own have left.
    shared = schedule.variant.lanes == "parts" or schedule.variant.warps
    failed, threads = np.zeros(1, np.int32), threads * (WARP if shared else 1)
    for address in code(kernel, schedule.variant).addresses:
        numbers = list(range(threads))
        random.Random(threads).shuffle(numbers)
        for thread in numbers:
            FUNCTION(address)(
                words.ctypes.data,
                schedule.total,
                failed.ctypes.data,
                block.ctypes.data,
                thread,
                threads,
            )
    if failed[0]:
        raise IndexError("a computed position is outside its array")
    return schedule
