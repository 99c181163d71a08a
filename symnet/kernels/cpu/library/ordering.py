"""Sorted rows and the positions that sort them, by NumPy's C functions.

A dtype of NumPy has a table of such functions in its C interface (`PyArray_ArrFuncs` in
NumPy's `ndarraytypes.h`); for numbers they look at nothing but the row.
"""

from __future__ import annotations

import ctypes
import math
from functools import cache

import numpy as np

from symnet.kernels.cpu.jit.intrinsics import (
    call,
    load,
    load_i8,
    load_i16,
    load_i32,
    memcpy,
    store,
    store_i8,
    store_i16,
    store_i32,
)
from symnet.kernels.cpu.jit.native import native
from symnet.kernels.cpu.library.blas_gemm import free, malloc
from symnet.kernels.cpu.library.call_steps import CallArrangement
from symnet.kernels.routines import Largest, Ordering

# Places in the table of C functions of NumPy 2, and in a dtype's own table.
DESCRIPTION, FUNCTIONS = 45, 365  # PyArray_DescrFromType, PyDataType_GetArrFuncs
SORT, ARGSORT = 33, 36  # quicksort, mergesort and so on: three each
FAST, STABLE = 0, 2
SAMPLE = [3, 1, 2, 0]

# The argument block, by word.
FUNCTION, LENGTH, ROW_BYTES, POSITIONS, SOURCE, RESULT = range(6)
NS_PER_STEP = 0.7
GRAIN_NS = 20_000.0


@cache
def order_function(dtype: str, positions: bool) -> int | None:
    """The address of NumPy's function, which has proved that it sorts; None without it.

    Positions come from a stable sort, which keeps equals in their order.
    """
    if int(np.__version__.partition(".")[0]) != 2 or np.intp(0).itemsize != 8:
        return None
    core = getattr(np, "_core", None)
    capsule = getattr(getattr(core, "_multiarray_umath", None), "_ARRAY_API", None)
    if capsule is None:
        return None
    pointer_of = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(
        ("PyCapsule_GetPointer", ctypes.pythonapi)
    )
    functions = (ctypes.c_void_p * (FUNCTIONS + 1)).from_address(
        pointer_of(capsule, None)
    )
    describe = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_int)(
        functions[DESCRIPTION] or 0
    )
    own = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object)(
        functions[FUNCTIONS] or 0
    )
    kind = np.dtype(dtype)
    found = own(describe(kind.num))
    if not found:
        return None
    place = ARGSORT + STABLE if positions else SORT + FAST
    address = (ctypes.c_void_p * (place + 1)).from_address(found)[place]
    return address if address and _sorts(address, kind, positions) else None


def _sorts(address: int, kind: np.dtype[np.generic], positions: bool) -> bool:
    """Whether the function sorts a sample."""
    words = [ctypes.c_void_p, *[ctypes.c_void_p] * positions, ctypes.c_int64]
    function = ctypes.CFUNCTYPE(ctypes.c_int, *words, ctypes.c_void_p)(address)
    sample, order = np.array(SAMPLE, kind), np.arange(4)
    places = [order.ctypes.data] if positions else []
    function(sample.ctypes.data, *places, 4, None)
    given = np.array(SAMPLE, kind)
    want = np.argsort(given, kind="stable") if positions else np.sort(given)
    return bool(np.array_equal(order if positions else sample, want))


@native
def order_rows(arguments: int, begin: int, end: int) -> int:
    """Rows `begin` to `end`.  Not 0: there is no memory for a copy."""
    length = load(arguments, LENGTH)
    size = load(arguments, ROW_BYTES)
    for row in range(begin, end):
        source = load(arguments, SOURCE) + row * size
        if load(arguments, POSITIONS) != 0:
            result = load(arguments, RESULT) + row * length * 8
            for k in range(length):
                store(result, k, k)
            if call(load(arguments, FUNCTION), source, result, length, 0) & LOW_HALF:
                return 1
        else:
            result = load(arguments, RESULT) + row * size
            memcpy(result, source, size)
            if call(load(arguments, FUNCTION), result, length, 0) & LOW_HALF:
                return 1
    return 0


LOW_HALF = 4294967295
# More words: how many are asked for, the bytes of an element, pointers of values and places.
ASKED, ITEM, VALUES, PLACES = 6, 7, 8, 9


@native
def copy_element(target: int, k: int, source: int, j: int, size: int) -> int:
    """Element j of a source as element k of a target."""
    if size == 8:
        return store(target, k, load(source, j))
    if size == 4:
        return store_i32(target, k, load_i32(source, j))
    if size == 2:
        return store_i16(target, k, load_i16(source, j))
    if size == 1:
        return store_i8(target, k, load_i8(source, j))
    store(target, 2 * k, load(source, 2 * j))
    return store(target, 2 * k + 1, load(source, 2 * j + 1))


@native
def largest_rows(arguments: int, begin: int, end: int) -> int:
    """Of rows `begin` to `end`.  Not 0: there is no memory for a copy.

    The largest are the last of the row read backwards, so that equals keep their order.
    """
    length = load(arguments, LENGTH)
    size = load(arguments, ITEM)
    asked = load(arguments, ASKED)
    count = asked
    if asked < 0:
        count = -asked
    turned = malloc(length * (size + 8) + 32)
    if turned == 0:
        return 1
    order = turned + ((length * size + 15) & -16)
    failed = 0
    for row in range(begin, end):
        source = load(arguments, SOURCE) + row * length * size
        values = load(arguments, VALUES) + row * count * size
        places = load(arguments, PLACES) + row * count * 8
        for k in range(length):
            store(order, k, k)
            if asked > 0:
                copy_element(turned, k, source, length - 1 - k, size)
            else:
                copy_element(turned, k, source, k, size)
        failed = call(load(arguments, FUNCTION), turned, order, length, 0) & LOW_HALF
        if failed != 0:
            break
        for k in range(count):
            found = load(order, k)
            if asked > 0:
                found = length - 1 - load(order, length - 1 - k)
            store(places, k, found)
            copy_element(values, k, source, found, size)
    free(turned)
    return failed


def largest_step(
    routine: Largest, shape: tuple[int, ...], asked: int
) -> CallArrangement:
    """The step; pointers: the rows, values, positions."""
    address = order_function(routine.dtype, True)
    assert address is not None
    rows, length = math.prod(shape[:-1]), shape[-1]
    size = np.dtype(routine.dtype).itemsize
    words = (address, length, length * size, 1, 0, 0, asked, size, 0, 0)
    each = (NS_PER_STEP * math.log2(max(length, 1)) + 2.0) * length
    grain = max(1, int(GRAIN_NS / max(each, 1.0)))
    slots = (SOURCE, VALUES, PLACES)
    return CallArrangement(largest_rows, words, slots, rows, grain, each * rows)


def ordering_step(ordering: Ordering, shape: tuple[int, ...]) -> CallArrangement:
    """The step; pointers: the rows, the result."""
    address = order_function(ordering.dtype, ordering.positions)
    assert address is not None
    rows, length = math.prod(shape[:-1]), shape[-1]
    size = length * np.dtype(ordering.dtype).itemsize
    words = (address, length, size, int(ordering.positions), 0, 0)
    each = NS_PER_STEP * length * max(1.0, math.log2(max(length, 1)))
    grain = max(1, int(GRAIN_NS / max(each, 1.0)))
    slots = (SOURCE, RESULT)
    return CallArrangement(order_rows, words, slots, rows, grain, each * rows)
