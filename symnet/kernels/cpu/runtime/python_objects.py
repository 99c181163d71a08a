"""How objects of Python and NumPy lie in memory, checked on real ones.

Only public parts of the objects' layouts are used, those that every extension module has
compiled into it, and they are checked against real objects before the first use.  Where
they differ (another implementation of Python, a build without the global lock) there is
no builtin (see `call_boundary`).

Source: NumPy C-API reference, "Python types and C structures"; CPython C-API reference,
"Common object structures".
"""

from __future__ import annotations

import ctypes
import struct
import sys
import sysconfig
from functools import cache
from typing import Any

import numpy as np

from symnet.kernels.cpu.jit.intrinsics import Symbol, load, load_i32
from symnet.kernels.cpu.runtime.call_block import ALIGNED, CONTIGUOUS, kind_word
from symnet.kernels.cpu.runtime.layouts import ArrayWords, ListWords, ScalarWords
from symnet.kernels.cpu.runtime.output_pool import FLAGS_I32, RANK_I32
from symnet.kernels.cpu.runtime.runner import CPYTHON

EMPTY_SLOT, TYPE_SLOT = 184, 2  # in NumPy's table of C functions

NDARRAY = Symbol("PyArray_Type", id(np.ndarray))
FLOAT = Symbol("PyFloat_Type", id(float))
INTEGER = Symbol("PyLong_Type", id(int))
BOOLEAN = Symbol("PyBool_Type", id(bool))
TRUE = Symbol("Py_True", id(True))
NONE = Symbol("Py_None", id(None))


def numpy_function(slot: int) -> int:
    """An entry of NumPy's table of C functions; 0 without such a table."""
    umath = getattr(getattr(np, "_core", None), "_multiarray_umath", None)
    capsule = getattr(umath, "_ARRAY_API", None)
    if capsule is None or not CPYTHON:
        return 0
    pointer_of = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(
        ("PyCapsule_GetPointer", ctypes.pythonapi)
    )
    table = ctypes.cast(pointer_of(capsule, None), ctypes.POINTER(ctypes.c_void_p))
    return int(table[slot] or 0)


EMPTY = Symbol("PyArray_Empty", numpy_function(EMPTY_SLOT))


@cache
def obstacle() -> str:
    """Why there can be no builtin here; empty if nothing stands against it."""
    if not CPYTHON or struct.calcsize("P") != 8 or sys.byteorder != "little":
        return "only for 64-bit little-endian CPython"
    if _built_without_lock():
        return "this Python runs without its global lock"
    if numpy_function(TYPE_SLOT) != NDARRAY or not EMPTY:
        return "NumPy's table of C functions is not where it was"
    samples: list[np.ndarray[Any, Any]] = [
        np.zeros((3, 5), np.float32),
        np.zeros((2, 3, 4)).T,
        np.array(7),
    ]
    if not all(array_as_expected(sample) for sample in samples):
        return "NumPy's arrays are laid out in another way"
    if not all(dtype_as_expected(letter) for letter in "?bBhHiIlLfdFD"):
        return "NumPy's dtypes are laid out in another way"
    things = [None, samples]
    size, items = load(id(things), ListWords.size), load(id(things), ListWords.items)
    if size != 2 or load(items, 1) != id(samples):
        return "lists are laid out in another way"
    bits = np.float64(1.5).view(np.int64)
    numbers = 1.5, np.float64(1.5)  # held while they are looked at
    if any(load(id(number), ScalarWords.number) != bits for number in numbers):
        return "numbers are laid out in another way"
    return ""


def _built_without_lock() -> bool:
    """Whether this Python has no global lock: its flags say so ("t", PEP 703), without the
    table of all that it was built with, which takes long to load."""
    flags = getattr(sys, "abiflags", None)  # not on Windows
    if flags is None:
        return bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
    return "t" in flags


def array_as_expected(array: np.ndarray[Any, Any]) -> bool:
    """Whether the fields of an array lie where `enter` reads them."""
    place, rank = id(array), array.ndim
    flags = CONTIGUOUS * array.flags.c_contiguous | ALIGNED * array.flags.aligned
    return (
        load(place, ScalarWords.type) == NDARRAY
        and load(place, ArrayWords.data) == array.ctypes.data
        and load_i32(place, RANK_I32) == rank
        and [load(load(place, ArrayWords.dims), k) for k in range(rank)]
        == list(array.shape)
        and [load(load(place, ArrayWords.strides), k) for k in range(rank)]
        == list(array.strides)
        and load(place, ArrayWords.dtype) == id(array.dtype)
        and load_i32(place, FLAGS_I32) & (CONTIGUOUS | ALIGNED) == flags
        and load(place, ArrayWords.weak_references) == 0
    )


def dtype_as_expected(letter: str) -> bool:
    dtype = np.dtype(letter)
    order = ord(dtype.byteorder)
    head = ord(dtype.kind) | ord(dtype.char) << 8 | order << 16 | dtype.num << 32
    return kind_word(dtype) == head
