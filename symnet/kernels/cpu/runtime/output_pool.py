"""Large results that are used again once nobody else holds them.

New memory costs more (a page fault for every 4096 bytes) than filling it, so a call block
keeps the last two arrays of each large output, and hands one out again when it finds that
nobody but the block holds it; two, because `y = f(x)` lets the old `y` go late.

All that is kept in the process stands in one list in order of use, whose links lie in the
blocks' own records.  When its bytes are more than `config.memory_kept`, the arrays that
were handed out longest ago are let go.

The list is changed only by native code that holds Python's global lock.  To let an array
go may run Python code (the callback of a weak reference), even a call of the very same
function: it is the last thing that is done, after a call has ended and the list is whole.
"""

from __future__ import annotations

import ctypes
import sys
from functools import cache
from typing import Any

from symnet.config import config
from symnet.kernels.cpu.jit.intrinsics import CFunction, Symbol, load, load_i32, store
from symnet.kernels.cpu.jit.native import native
from symnet.kernels.cpu.runtime.runner import (
    BASES,
    CPYTHON,
    OUTPUT_COUNT,
    OUTPUTS,
    list_item,
)

LARGE_BYTES = 1 << 18  # results of so many bytes are used again

# Words of an ndarray; its rank and flags are counted in 32-bit words.
DATA, DIMS, STRIDES, DTYPE, WEAK_REFERENCES = 2, 4, 5, 7, 9
RANK_I32, FLAGS_I32 = 6, 16

# An output in a call block: its base, dtype, rank and dims, the bytes of a large one
# (else 0), which spare is filled next, and two spares.
O_BASE, O_DTYPE, O_RANK, O_DIMS, O_BYTES, O_TURN, O_SPARES = range(7)
SPARES = 2
# A spare: an array (0: none), its data, flags and bytes, and its neighbours in the list.
S_ARRAY, S_DATA, S_FLAGS, S_BYTES, S_NEWER, S_OLDER = range(6)
SPARE_WORDS = 6
OUTPUT_WORDS = O_SPARES + SPARES * SPARE_WORDS

if CPYTHON:
    incref = CFunction("Py_IncRef", "i64(i64)", ctypes.pythonapi)
    decref = CFunction("Py_DecRef", "i64(i64)", ctypes.pythonapi)

# The list's ends are joined by a spare that holds nothing: the newest is the next older
# of it, the oldest the next newer.  Behind it stand the bytes held and allowed.
HELD, ALLOWED = SPARE_WORDS, SPARE_WORDS + 1
_memory = (ctypes.c_int64 * (SPARE_WORDS + 2))()
POOL = Symbol("symnet spares", ctypes.addressof(_memory))
_memory[S_NEWER] = _memory[S_OLDER] = int(POOL)


@native
def take_out(spare: int) -> int:
    """Take a spare out of the list."""
    store(load(spare, S_OLDER), S_NEWER, load(spare, S_NEWER))
    store(load(spare, S_NEWER), S_OLDER, load(spare, S_OLDER))
    return 0


@native
def put_first(spare: int) -> int:
    """Put a spare where the list is newest."""
    newest = load(POOL, S_OLDER)
    store(spare, S_OLDER, newest)
    store(spare, S_NEWER, POOL)
    store(newest, S_NEWER, spare)
    store(POOL, S_OLDER, spare)
    return 0


@native
def clear(spare: int) -> int:
    """Make a spare empty; the array that it held, whose reference is the caller's."""
    array = load(spare, S_ARRAY)
    if array != 0:
        take_out(spare)
        store(POOL, HELD, load(POOL, HELD) - load(spare, S_BYTES))
        store(spare, S_ARRAY, 0)
    return array


@native
def fill(spare: int, array: int, size: int) -> int:
    """Keep an array of `size` bytes, as it is now, in an empty spare."""
    incref(array)
    store(spare, S_ARRAY, array)
    store(spare, S_DATA, load(array, DATA))
    store(spare, S_FLAGS, load_i32(array, FLAGS_I32))
    store(spare, S_BYTES, size)
    store(POOL, HELD, load(POOL, HELD) + size)
    return put_first(spare)


@native
def is_free(spare: int, record: int) -> int:
    """Whether nobody but the block holds a spare array, and it is as it was made."""
    array = load(spare, S_ARRAY)
    if array == 0:
        return 0
    if load_i32(array, 0) != 1 or load(array, WEAK_REFERENCES) != 0:
        return 0
    if load(array, DATA) != load(spare, S_DATA):
        return 0
    if load(array, DTYPE) != load(record, O_DTYPE):
        return 0
    rank = load(record, O_RANK)
    if load_i32(array, RANK_I32) != rank:
        return 0
    if load_i32(array, FLAGS_I32) != load(spare, S_FLAGS):
        return 0
    for k in range(rank):
        if load(load(array, DIMS), k) != load(load(record, O_DIMS), k):
            return 0
    return 1


@native
def spare_output(block: int, record: int) -> int:
    """A large result of an earlier call that nobody holds any more, or 0."""
    for k in range(SPARES):
        spare = record + 8 * (O_SPARES + SPARE_WORDS * k)
        if is_free(spare, record):
            array = load(spare, S_ARRAY)
            incref(array)
            store(load(block, BASES), load(record, O_BASE), load(spare, S_DATA))
            return array
    return 0


@native
def keep(record: int, array: int) -> int:
    """Keep a result, or note that it was handed out again."""
    spare = record + 8 * O_SPARES
    for _ in range(SPARES):
        if load(spare, S_ARRAY) == array:
            take_out(spare)
            return put_first(spare)
        spare += 8 * SPARE_WORDS
    size = load(record, O_BYTES)
    if size > load(POOL, ALLOWED):
        return 0
    # In place of the one before the last, which somebody holds: else it had been used.
    turn = load(record, O_TURN)
    store(record, O_TURN, 1 - turn)
    spare = record + 8 * (O_SPARES + SPARE_WORDS * turn)
    before = clear(spare)
    fill(spare, array, size)
    if before != 0:
        decref(before)
    return 0


@native
def trim() -> int:
    """Let go what is too much, and was handed out longest ago."""
    while load(POOL, HELD) > load(POOL, ALLOWED):
        array = clear(load(POOL, S_NEWER))
        if array == 0:
            return 0
        decref(array)
    return 0


@native
def keep_results(block: int, result: int, in_list: int) -> int:
    """Keep the large ones of the results that a call is about to return."""
    for k in range(load(block, OUTPUT_COUNT)):
        record = load(block, OUTPUTS) + 8 * OUTPUT_WORDS * k
        if load(record, O_BYTES) != 0:
            array = result
            if in_list:
                array = list_item(result, k)
            keep(record, array)
    return trim()


@native
def let_go(spare: int) -> int:
    """Let an array go that a block keeps and will not need."""
    array = clear(spare)
    if array != 0:
        decref(array)
    return 0


# ----------------------------------------------------------------------- Python side


@cache
def _let_go() -> Any:
    """The native function, called with Python's global lock."""
    prototype = ctypes.PYFUNCTYPE(ctypes.c_int64, ctypes.c_int64)
    return prototype(let_go.address)


def forget(spare: int) -> None:
    """Let the array of the spare at this address go: its block does."""
    if not sys.is_finalizing():
        _let_go()(spare)


def allow() -> None:
    """Let calls from now on keep as much as the settings say."""
    store(POOL, ALLOWED, config.memory_kept)


def held() -> int:
    """The bytes of large results that are kept for later calls, in the whole process."""
    return load(POOL, HELD)
