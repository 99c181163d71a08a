"""NumPy's arrays beside memory that no one may touch: what reads or writes past an end ends
the process, where it would mostly find other numbers, use none of them, and go unnoticed.

    python -m pytest -p tests.guard_pages tests/kernels        guard pages behind arrays
    SYMNET_GUARD=before python -m pytest -p tests.guard_pages  in front of them

Each array that the process makes afterwards has pages of its own: arguments, shared
variables, results, what a plan works in.  New memory is full of ones, so floats that nobody
has written are NaN.  Arrays of other threads are NumPy's usual ones.

Source: Perens 1987, "Electric Fence"; NumPy's interface is that of its proposal NEP 49.
"""

from __future__ import annotations

import ctypes
import mmap
import os
from collections.abc import Callable
from typing import Any

import numpy as np

from symnet.kernels.cpu.jit.intrinsics import (
    CFunction,
    atomic_add,
    load,
    memcpy,
    memset,
    store,
)
from symnet.kernels.cpu.jit.native import Native, native

PAGE = mmap.PAGESIZE
ACCESS = mmap.PROT_READ | mmap.PROT_WRITE
KIND = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
# A stretch takes two of the mappings that Linux gives to a process (65530): what is beyond
# comes from the C library.
MOST = 25_000
ONES = 0xFF
SET_HANDLER = 304  # the number of PyDataMem_SetHandler in NumPy's table
CAPSULE = b"mem_handler"  # what NumPy calls a handler's capsule

map_pages = CFunction("mmap", "i64(i64, i64, i32, i32, i32, i64)")
unmap = CFunction("munmap", "i32(i64, i64)")
protect = CFunction("mprotect", "i32(i64, i64, i32)")
malloc = CFunction("malloc", "i64(i64)")
release = CFunction("free", "i32(i64)")

# Stretches of fewer pages are used again.
PAGES = 300
# Words of the settings: whether guard pages lie in front, how many stretches there are, and
# by pages the first one that is free; each begins with the address of the next.
BEFORE, ALIVE, FREE = 0, 1, 2


@native
def header(settings: int, place: int) -> int:
    """Where the words about an array lie: where its stretch begins, the bytes of that (0: it
    is the C library's), and the array's bytes."""
    if load(settings, BEFORE) != 0:
        return place - 2 * PAGE
    return place - 24


@native
def taken(settings: int, size: int) -> int:
    """The address of so many bytes; 0 where there are none.  (NumPy asks while it has
    Python's lock.)"""
    before = load(settings, BEFORE)
    room = 24
    if before != 0:
        room = PAGE
    used = (size + room + PAGE - 1) // PAGE * PAGE + PAGE
    begin = 0
    place = 0
    if used < PAGES * PAGE:
        begin = load(settings, FREE + used // PAGE)
    if begin != 0:
        store(settings, FREE + used // PAGE, load(begin, 0))
    elif load(settings, ALIVE) < MOST:
        begin = map_pages(0, used, ACCESS, KIND, -1, 0)
        if begin == -1:
            return 0
        atomic_add(settings, ALIVE, 1)
        guard = begin + used - PAGE
        if before != 0:
            guard = begin + PAGE
        protect(guard, PAGE, 0)
    if begin != 0:
        place = begin + used - PAGE - size
        if before != 0:
            place = begin + 2 * PAGE
    else:
        begin = malloc(used + PAGE)
        if begin == 0:
            return 0
        used = 0
        place = begin + 2 * PAGE
    words = header(settings, place)
    store(words, 0, begin)
    store(words, 1, used)
    store(words, 2, size)
    return place


@native
def guarded_malloc(settings: int, size: int) -> int:
    place = taken(settings, size)
    if place != 0:
        memset(place, ONES, size)
    return place


@native
def guarded_calloc(settings: int, count: int, size: int) -> int:
    place = taken(settings, count * size)
    if place != 0:
        memset(place, 0, count * size)
    return place


@native
def guarded_free(settings: int, place: int, size: int) -> int:
    """size: not looked at."""
    if place != 0:
        words = header(settings, place)
        begin = load(words, 0)
        used = load(words, 1)
        if used == 0:
            release(begin)
        elif used < PAGES * PAGE:
            store(begin, 0, load(settings, FREE + used // PAGE))
            store(settings, FREE + used // PAGE, begin)
        else:
            unmap(begin, used)
            atomic_add(settings, ALIVE, -1)
    return 0


@native
def guarded_realloc(settings: int, old: int, size: int) -> int:
    place = guarded_malloc(settings, size)
    if place != 0 and old != 0:
        count = load(header(settings, old), 2)
        if count > size:
            count = size
        memcpy(place, old, count)
        guarded_free(settings, old, 0)
    return place


class Handler(ctypes.Structure):
    """PyDataMem_Handler, its PyDataMemAllocator included."""

    _fields_ = (
        ("name", ctypes.c_char * 127), ("version", ctypes.c_uint8),
        ("context", ctypes.c_void_p), ("malloc", ctypes.c_void_p),
        ("calloc", ctypes.c_void_p), ("realloc", ctypes.c_void_p),
        ("free", ctypes.c_void_p),
    )  # fmt: skip


def install(before: bool = False) -> Callable[[], object]:
    """From now on this thread's arrays have guard pages behind them, or in front of them;
    calling the result ends that."""
    settings = (ctypes.c_int64 * (FREE + PAGES))(before)
    code: list[Native[Any]] = [
        guarded_malloc, guarded_calloc, guarded_realloc, guarded_free,
    ]  # fmt: skip
    addresses = [function.address for function in code]
    place = ctypes.addressof(settings)
    handler = Handler(b"guard pages", 1, place, *addresses)
    # As long as there is one array, for ever.
    ctypes.pythonapi.Py_IncRef(ctypes.py_object((settings, handler, CAPSULE)))
    new_capsule = ctypes.pythonapi.PyCapsule_New
    new_capsule.restype = ctypes.py_object
    new_capsule.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
    capsule = new_capsule(ctypes.addressof(handler), CAPSULE, None)
    kinds = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.py_object)
    set_handler = kinds(numpy_function(SET_HANDLER))
    old = set_handler(capsule)
    return lambda: set_handler(old)


def numpy_function(number: int) -> int:
    """The address of a function of NumPy's C interface."""
    umath: Any = np._core._multiarray_umath  # type: ignore[attr-defined]
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype = ctypes.c_void_p
    pointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
    entry = pointer(umath._ARRAY_API, None) + number * ctypes.sizeof(ctypes.c_void_p)
    found = ctypes.c_void_p.from_address(entry).value
    assert found
    return found


def side() -> bool:
    """Whether guard pages are to lie in front of arrays."""
    return os.environ.get("SYMNET_GUARD") == "before"


def pytest_configure() -> None:
    """As a plugin of pytest."""
    install(side())
