"""Inner loops of NumPy's generalised ufuncs, called natively by address.

`numpy.linalg` and `numpy.fft` are made of such ufuncs.  Their structure is part of NumPy's
C interface: a table of functions for the dtypes that the ufunc knows, each of which takes
addresses of operands, sizes and strides.  They need no lock of Python's, leave their inputs
as they are, and do matrix after matrix.  What fails raises the floating-point flag for
invalid operations, and its results are NaN.
"""

from __future__ import annotations

import ctypes
import importlib
import os
from collections.abc import Sequence
from functools import cache

import numpy as np

from symnet.data_classes import dataclass
from symnet.kernels.cpu.jit.intrinsics import c_function, call, load, stack, store
from symnet.kernels.cpu.jit.native import native
from symnet.kernels.cpu.library.blas import (
    begin_product,
    end_product,
    enter_serial,
    leave_serial,
    prepare_serial,
)
from symnet.kernels.cpu.library.call_steps import CallArrangement

INVALID = 1 if os.name == "posix" else 16  # FE_INVALID
GRAIN_NS = 20_000.0  # of work that one thread takes


def ufunc_signature(module: str, name: str) -> str:
    """The core dimensions of a ufunc's operands, as "(m,m)->(m),(m,m)"."""
    return str(getattr(importlib.import_module(module), name).signature)


class UfuncStructure(ctypes.Structure):
    """The beginning of `PyUFuncObject` (NumPy's `ufuncobject.h`)."""

    _fields_ = [  # noqa: RUF012
        ("head", ctypes.c_byte * object.__basicsize__),
        ("nin", ctypes.c_int),
        ("nout", ctypes.c_int),
        ("nargs", ctypes.c_int),
        ("identity", ctypes.c_int),
        ("functions", ctypes.POINTER(ctypes.c_void_p)),
        ("data", ctypes.POINTER(ctypes.c_void_p)),
        ("ntypes", ctypes.c_int),
    ]


@cache
def inner_loop(module: str, name: str, types: str) -> tuple[int, int] | None:
    """The address of a ufunc's function for operands of these types, as "dd->d", and of
    the data that it gets; None where this NumPy has no such function."""
    try:
        ufunc = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError):
        return None
    if not isinstance(ufunc, np.ufunc) or types not in ufunc.types:
        return None
    found = UfuncStructure.from_address(id(ufunc))
    counts = (found.nin, found.nout, found.nargs, found.ntypes)
    if counts != (ufunc.nin, ufunc.nout, ufunc.nargs, ufunc.ntypes):
        return None
    number = ufunc.types.index(types)
    if not found.functions or not found.functions[number]:
        return None
    data = found.data[number] if found.data else 0
    return found.functions[number], data or 0


# The argument block, by word.
FUNCTION, DATA, FALLIBLE = 0, 1, 2
CLEAR, TEST = 3, 4  # the C functions feclearexcept and fetestexcept
OPERANDS, STEPS = 5, 6  # how many operands; the word at which steps of the loop begin
# How many words sizes take, where all items are turns of one loop; else 0.
MERGED = 7
POINTERS = 8
MOST = 6  # operands
OUTER = POINTERS + MOST  # bytes from item to item of each operand
SIZES = OUTER + MOST  # of the loop, then of its core


@native
def run_inner_loop(arguments: int, begin: int, end: int) -> int:
    """Items `begin` to `end`, each of them one call, or the turns of one.

    Not 0: an operation was invalid.
    """
    places = stack(6)
    sizes = arguments + 8 * SIZES
    if load(arguments, MERGED) != 0:
        sizes = stack(8)
        for k in range(load(arguments, MERGED)):
            store(sizes, k, load(arguments, SIZES + k))
        store(sizes, 0, end - begin)
        end = begin + 1
    failed = 0
    begin_product()
    enter_serial()
    for item in range(begin, end):
        for k in range(load(arguments, OPERANDS)):
            start = load(arguments, POINTERS + k)
            store(places, k, start + item * load(arguments, OUTER + k))
        call(load(arguments, CLEAR), INVALID)
        call(
            load(arguments, FUNCTION),
            places,
            sizes,
            arguments + 8 * load(arguments, STEPS),
            load(arguments, DATA),
        )
        failed = failed | (call(load(arguments, TEST), INVALID) & INVALID)
    call(load(arguments, CLEAR), INVALID)
    leave_serial()
    end_product()
    if load(arguments, FALLIBLE) == 0:
        return 0
    return failed


@cache
def flag_functions() -> tuple[int, int]:
    """The addresses of feclearexcept and fetestexcept.

    Raises: AttributeError, OSError where the C library has none.
    """
    found = [c_function(name) for name in ("feclearexcept", "fetestexcept")]
    return found[0], found[1]


@dataclass(frozen=True)
class LoopOperand:
    """How an operand lies: bytes from item to item, from turn to turn of the loop, and
    along each axis of its core."""

    outer: int
    inner: int
    core: tuple[int, ...]


def loop_step(
    found: tuple[int, int],
    sizes: Sequence[int],
    operands: Sequence[LoopOperand],
    items: int,
    cost_ns: float,
    fallible: bool = False,
) -> CallArrangement:
    """Call an inner loop once for each of the items, whose pointers are the operands'.

    sizes: of the loop, then of the dimensions of its core.  With a loop of one turn, items
    side by side are turns of a single call.  cost_ns: of all items.
    fallible: whether an invalid operation is a failure.
    """
    prepare_serial()
    count = len(operands)
    missing = (0,) * (MOST - count)
    outer = (*(o.outer for o in operands), *missing)
    merged = sizes[0] == 1
    along = [o.outer if merged else o.inner for o in operands]
    steps = (*along, *(s for o in operands for s in o.core))
    head = (
        *found, int(fallible), *flag_functions(), count, SIZES + len(sizes),
        len(sizes) * merged,
    )  # fmt: skip
    words = (*head, *[0] * MOST, *outer, *sizes, *steps)
    slots = tuple(range(POINTERS, POINTERS + count))
    grain = max(1, int(GRAIN_NS * items / max(cost_ns, 1.0)))
    return CallArrangement(run_inner_loop, words, slots, items, grain, cost_ns)
