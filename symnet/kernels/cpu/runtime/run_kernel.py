"""Run one kernel on NumPy arrays, serially: for tests and for the debugger."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np

from symnet.kernels.llvm.kernel_cache import compile_kernels
from symnet.kernels.loopir.scalars import Kernel, Operand
from symnet.kernels.schedule import Schedule, arrange
from symnet.kernels.variants import Variant

Array = np.ndarray[Any, np.dtype[np.generic]]
FUNCTION = ctypes.CFUNCTYPE(
    ctypes.c_int64, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64
)


def run_kernel(
    kernel: Kernel,
    sizes: Sequence[int],
    arrays: Sequence[Array],
    variant: Variant | None = None,
    items_at_once: int = 0,
) -> Schedule:
    """Run `kernel` over loops of these sizes; the last arrays are written to.

    arrays: one for each operand (inputs, then outputs), its indexed axes first, then
    one axis for each loop axis that it moves along.  `variant` asks for a given one if
    it fits; `items_at_once` cuts the work into calls of so many items.

    Raises: IndexError where a computed position is outside its array, ValueError where
    an array does not have the kernel's dtype or sizes.
    """
    operands = (*kernel.inputs, *(out.operand for out in kernel.outputs))
    strides = []
    indexed = {}
    for k, (operand, array) in enumerate(zip(operands, arrays, strict=True)):
        check_array(k, operand, array, sizes)
        outer = operand.indexed
        walked = iter(array.strides[outer:])
        strides.append([next(walked) if moving else 0 for moving in operand.axes])
        if outer:
            indexed[k] = list(
                zip(array.shape[:outer], array.strides[:outer], strict=True)
            )
    arranged = arrange(kernel, sizes, strides, indexed, (variant,) if variant else ())
    (code,) = compile_kernels([(kernel, arranged.variant)])
    words = np.array(arranged.words, np.int64)
    for slot, array in zip(arranged.pointer_slots, arrays, strict=True):
        words[slot] = array.ctypes.data
    scratch = np.zeros(arranged.scratch_bytes, np.uint8)
    if arranged.scratch_bytes:
        words[arranged.scratch_slot] = scratch.ctypes.data
    function = FUNCTION(code.address)
    step = items_at_once or max(arranged.total, 1)
    failed = any(
        function(words.ctypes.data, begin, min(begin + step, arranged.total))
        for begin in range(0, arranged.total, step)
    )
    if arranged.scratch_bytes:
        failed |= bool(FUNCTION(code.combine)(words.ctypes.data, 0, 1))
    if failed:
        raise IndexError("a computed position is outside its array")
    return arranged


def check_array(k: int, operand: Operand, array: Array, sizes: Sequence[int]) -> None:
    """An array must be what the kernel was written for."""
    expected = tuple(
        size for size, moving in zip(sizes, operand.axes, strict=True) if moving
    )
    if array.dtype != operand.dtype or array.shape[operand.indexed :] != expected:
        raise ValueError(
            f"operand {k} must be {operand.dtype} with sizes {expected}, "
            f"not {array.dtype} with {array.shape}"
        )
