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
from symnet.kernels.cpu.runtime.layouts import (
    SPARES,
    ArrayWords,
    BlockWords,
    KeptWords,
    OutputWords,
    SpareWords,
)
from symnet.kernels.cpu.runtime.runner import (
    CPYTHON,
    list_item,
)

LARGE_BYTES = 1 << 18  # results of so many bytes are used again

# The rank and the flags of an ndarray are 32-bit words.
RANK_I32, FLAGS_I32 = 2 * ArrayWords.rank, 2 * ArrayWords.flags

if CPYTHON:
    incref = CFunction("Py_IncRef", "i64(i64)", ctypes.pythonapi)
    decref = CFunction("Py_DecRef", "i64(i64)", ctypes.pythonapi)

_memory = (ctypes.c_int64 * KeptWords.count)()
POOL = Symbol("symnet spares", ctypes.addressof(_memory))
_memory[KeptWords.newer] = _memory[KeptWords.older] = int(POOL)


@native
def take_out(spare: int) -> int:
    """Take a spare out of the list."""
    store(
        load(spare, SpareWords.older), SpareWords.newer, load(spare, SpareWords.newer)
    )
    store(
        load(spare, SpareWords.newer), SpareWords.older, load(spare, SpareWords.older)
    )
    return 0


@native
def put_first(spare: int) -> int:
    """Put a spare where the list is newest."""
    newest = load(POOL, SpareWords.older)
    store(spare, SpareWords.older, newest)
    store(spare, SpareWords.newer, POOL)
    store(newest, SpareWords.newer, spare)
    store(POOL, SpareWords.older, spare)
    return 0


@native
def clear(spare: int) -> int:
    """Make a spare empty; the array that it held, whose reference is the caller's."""
    array = load(spare, SpareWords.array)
    if array != 0:
        take_out(spare)
        store(
            POOL,
            KeptWords.held,
            load(POOL, KeptWords.held) - load(spare, SpareWords.bytes),
        )
        store(spare, SpareWords.array, 0)
    return array


@native
def fill(spare: int, array: int, size: int) -> int:
    """Keep an array of `size` bytes, as it is now, in an empty spare."""
    incref(array)
    store(spare, SpareWords.array, array)
    store(spare, SpareWords.data, load(array, ArrayWords.data))
    store(spare, SpareWords.flags, load_i32(array, FLAGS_I32))
    store(spare, SpareWords.bytes, size)
    store(POOL, KeptWords.held, load(POOL, KeptWords.held) + size)
    return put_first(spare)


@native
def is_free(spare: int, record: int) -> int:
    """Whether nobody but the block holds a spare array, and it is as it was made."""
    array = load(spare, SpareWords.array)
    if array == 0:
        return 0
    if load_i32(array, 0) != 1 or load(array, ArrayWords.weak_references) != 0:
        return 0
    if load(array, ArrayWords.data) != load(spare, SpareWords.data):
        return 0
    if load(array, ArrayWords.dtype) != load(record, OutputWords.dtype):
        return 0
    rank = load(record, OutputWords.rank)
    if load_i32(array, RANK_I32) != rank:
        return 0
    if load_i32(array, FLAGS_I32) != load(spare, SpareWords.flags):
        return 0
    for k in range(rank):
        if load(load(array, ArrayWords.dims), k) != load(
            load(record, OutputWords.dims), k
        ):
            return 0
    return 1


@native
def spare_output(block: int, record: int) -> int:
    """A large result of an earlier call that nobody holds any more, or 0."""
    for k in range(SPARES):
        spare = record + 8 * (OutputWords.spares + SpareWords.count * k)
        if is_free(spare, record):
            array = load(spare, SpareWords.array)
            incref(array)
            store(
                load(block, BlockWords.bases),
                load(record, OutputWords.base),
                load(spare, SpareWords.data),
            )
            return array
    return 0


@native
def keep(record: int, array: int) -> int:
    """Keep a result, or note that it was handed out again."""
    spare = record + 8 * OutputWords.spares
    for _ in range(SPARES):
        if load(spare, SpareWords.array) == array:
            take_out(spare)
            return put_first(spare)
        spare += 8 * SpareWords.count
    size = load(record, OutputWords.bytes)
    if size > load(POOL, KeptWords.allowed):
        return 0
    # In place of the one before the last, which somebody holds: else it had been used.
    turn = load(record, OutputWords.turn)
    store(record, OutputWords.turn, 1 - turn)
    spare = record + 8 * (OutputWords.spares + SpareWords.count * turn)
    before = clear(spare)
    fill(spare, array, size)
    if before != 0:
        decref(before)
    return 0


@native
def trim() -> int:
    """Let go what is too much, and was handed out longest ago."""
    while load(POOL, KeptWords.held) > load(POOL, KeptWords.allowed):
        array = clear(load(POOL, SpareWords.newer))
        if array == 0:
            return 0
        decref(array)
    return 0


@native
def keep_results(block: int, result: int, in_list: int) -> int:
    """Keep the large ones of the results that a call is about to return."""
    for k in range(load(block, BlockWords.output_count)):
        record = load(block, BlockWords.outputs) + 8 * OutputWords.count * k
        if load(record, OutputWords.bytes) != 0:
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
    store(POOL, KeptWords.allowed, config.memory_kept)


def held() -> int:
    """The bytes of large results that are kept for later calls, in the whole process."""
    return load(POOL, KeptWords.held)
