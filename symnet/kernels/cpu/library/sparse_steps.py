"""Products with sparse matrices, and where their entries are, as native steps.

A CSR matrix is gone through row by row, and the rows are shared among threads.  A product
with the matrix that has the same arrays as columns adds to rows all over the result: there
each thread has columns of its own.  Either way the order in which a number is added up does
not depend on the threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from symnet.config import config
from symnet.kernels.cpu.jit.intrinsics import call, load, load_i32, store_i32
from symnet.kernels.cpu.jit.native import Native, native
from symnet.kernels.cpu.jit.record import Record
from symnet.kernels.cpu.library.blas_gemm import memset
from symnet.kernels.cpu.library.call_steps import CallArrangement
from symnet.kernels.cpu.library.sparse_tiles import (
    dots_tile,
    gather_tile,
    scatter_tile,
)
from symnet.kernels.cpu.library.tiles import lanes
from symnet.kernels.cpu.runtime import threads
from symnet.kernels.library import ITEM_BYTES
from symnet.kernels.llvm.emitted_function import EmittedFunction
from symnet.kernels.llvm.machine import machine
from symnet.kernels.routines import (
    EntryCheck,
    EntryRows,
    OnEntries,
    SampledProduct,
    SparseProduct,
)

Shape = tuple[int, ...]
# Vectors of a tile: so many accumulators, twice, fit into 16 registers.
VECTORS = 4
SHARED_NS = 20_000.0  # work that pays for a thread
ENTRY_NS = 1.0


class SparseWords(Record):
    """The argument block of all of these steps."""

    data: int  # pointers
    indices: int
    indptr: int
    b: int
    c: int
    rows: int  # compressed rows
    entries: int
    limit: int  # what all indices are below
    columns: int  # of b, or the length of rows that are multiplied
    tile: int  # a micro-kernel
    tile_columns: int  # as many as it does at once
    item: int


W = SparseWords


@native
def entries_of(arguments: int, row: int) -> int:
    """How many entries a row has; -1 where indptr is wrong."""
    first = load_i32(load(arguments, W.indptr), row)
    last = load_i32(load(arguments, W.indptr), row + 1)
    if first < 0 or last < first or last > load(arguments, W.entries):
        return -1
    if last > first and load(arguments, W.limit) < 1:
        return -1
    return last - first


@native
def multiply_rows(arguments: int, begin: int, end: int) -> int:
    """Rows `begin` to `end` of c."""
    item = load(arguments, W.item)
    columns = load(arguments, W.columns)
    row_bytes = columns * item
    for row in range(begin, end):
        count = entries_of(arguments, row)
        if count < 0:
            return 1
        first = load_i32(load(arguments, W.indptr), row)
        done = 0
        while done < columns:
            wrong = call(
                load(arguments, W.tile),
                load(arguments, W.data) + first * item,
                load(arguments, W.indices) + first * 4,
                count,
                load(arguments, W.limit),
                load(arguments, W.b) + done * item,
                row_bytes,
                load(arguments, W.c) + row * row_bytes + done * item,
                columns - done,
            )
            if wrong != 0:
                return 1
            done += load(arguments, W.tile_columns)
    return 0


@native
def add_to_rows(arguments: int, begin: int, end: int) -> int:
    """Tiles `begin` to `end` of the columns of c, in all of its rows."""
    item = load(arguments, W.item)
    columns = load(arguments, W.columns)
    row_bytes = columns * item
    for tile in range(begin, end):
        done = tile * load(arguments, W.tile_columns)
        left = columns - done
        if left > load(arguments, W.tile_columns):
            left = load(arguments, W.tile_columns)
        c = load(arguments, W.c) + done * item
        if left == columns:
            memset(c, 0, load(arguments, W.limit) * row_bytes)
        else:
            for row in range(load(arguments, W.limit)):
                memset(c + row * row_bytes, 0, left * item)
        for row in range(load(arguments, W.rows)):
            count = entries_of(arguments, row)
            if count < 0:
                return 1
            first = load_i32(load(arguments, W.indptr), row)
            wrong = call(
                load(arguments, W.tile),
                load(arguments, W.data) + first * item,
                load(arguments, W.indices) + first * 4,
                count,
                load(arguments, W.limit),
                load(arguments, W.b) + row * row_bytes + done * item,
                c,
                row_bytes,
                left,
            )
            if wrong != 0:
                return 1
    return 0


@native
def multiply_entries(arguments: int, begin: int, end: int) -> int:
    """The numbers of the entries of rows `begin` to `end`; `data` is the row's factor."""
    item = load(arguments, W.item)
    row_bytes = load(arguments, W.columns) * item
    for row in range(begin, end):
        count = entries_of(arguments, row)
        if count < 0:
            return 1
        first = load_i32(load(arguments, W.indptr), row)
        wrong = call(
            load(arguments, W.tile),
            load(arguments, W.indices) + first * 4,
            count,
            load(arguments, W.limit),
            load(arguments, W.data) + row * row_bytes,
            load(arguments, W.b),
            row_bytes,
            load(arguments, W.columns),
            load(arguments, W.c) + first * item,
        )
        if wrong != 0:
            return 1
    return 0


@native
def number_entries(arguments: int, begin: int, end: int) -> int:
    """The row of each entry."""
    place = 0
    for row in range(load(arguments, W.rows)):
        count = entries_of(arguments, row)
        if count < 0 or load_i32(load(arguments, W.indptr), row) != place:
            return 1
        for k in range(place, place + count):
            store_i32(load(arguments, W.c), k, row)
        place += count
    if place != load(arguments, W.entries):
        return 1
    return 0


@native
def check_entries(arguments: int, begin: int, end: int) -> int:
    """The indices, where they and indptr are in order; the limit stands at b."""
    place = 0
    limit = load(load(arguments, W.b), 0)
    for row in range(load(arguments, W.rows)):
        count = entries_of(arguments, row)
        if count < 0 or load_i32(load(arguments, W.indptr), row) != place:
            return 1
        place += count
    if place != load(arguments, W.entries):
        return 1
    for k in range(place):
        index = load_i32(load(arguments, W.indices), k)
        if index < 0 or index >= limit:
            return 1
        store_i32(load(arguments, W.c), k, index)
    return 0


# ---- steps


def entries_step(routine: OnEntries, shapes: Sequence[Shape]) -> CallArrangement:
    """The native step; `shapes` are those of the operands, and so are the pointers."""
    if isinstance(routine, (EntryRows, EntryCheck)):
        (starts,), (entries,), *_ = shapes
        words = W.pack(rows=starts - 1, entries=entries, limit=1)
        checks = isinstance(routine, EntryCheck)
        pointers = (W.indptr, W.indices, *([W.b] if checks else []), W.c)
        code = check_entries if checks else number_entries
        return CallArrangement(
            code, tuple(words), pointers, cost_ns=ENTRY_NS * (entries + starts)
        )
    if isinstance(routine, SampledProduct):
        return _sampled(routine, shapes)
    return _product(routine, shapes)


def _product(routine: SparseProduct, shapes: Sequence[Shape]) -> CallArrangement:
    (entries,), _, (starts,), (inner, columns), (rows, _) = shapes
    dtype, width = routine.dtype, lanes(routine.dtype, machine().target)
    total, vectors = starts - 1, -(-columns // width)
    if routine.transposed:
        shared = threads.use(config.num_threads)
        tile_vectors = max(min(VECTORS, -(-vectors // shared)), 1)
        total = -(-vectors // tile_vectors)
        code, tile = add_to_rows, scatter_tile(dtype, tile_vectors)
    else:
        tile_vectors = max(min(VECTORS, vectors), 1)
        code, tile = multiply_rows, gather_tile(dtype, tile_vectors)
    return _step(
        code,
        tile,
        dtype,
        (W.data, W.indices, W.indptr, W.b, W.c),
        {
            "rows": starts - 1, "entries": entries, "columns": columns,
            "limit": rows if routine.transposed else inner,
            "tile_columns": tile_vectors * width,
        },
        total=total,
        cost_ns=ENTRY_NS * entries * max(vectors, 1) + ENTRY_NS * starts,
    )  # fmt: skip


def _sampled(routine: SampledProduct, shapes: Sequence[Shape]) -> CallArrangement:
    (entries,), (starts,), (_, columns), (limit, _), _ = shapes
    dtype, width = routine.dtype, lanes(routine.dtype, machine().target)
    vectors = -(-columns // width)
    return _step(
        multiply_entries,
        dots_tile(dtype, 4 if vectors >= 4 else 1),
        dtype,
        (W.indices, W.indptr, W.data, W.b, W.c),
        {"rows": starts - 1, "entries": entries, "columns": columns, "limit": limit},
        total=starts - 1,
        cost_ns=ENTRY_NS * entries * (vectors + 2) + ENTRY_NS * starts,
    )


def _step(
    code: Native[Any],
    tile: EmittedFunction,
    dtype: str,
    pointers: tuple[int, ...],
    words: dict[str, int],
    *,
    total: int,
    cost_ns: float,
) -> CallArrangement:
    packed = W.pack(item=ITEM_BYTES[dtype], **words)
    grain = max(1, int(total * SHARED_NS / max(cost_ns, 1.0)))
    return CallArrangement(
        code, tuple(packed), pointers, total, grain, cost_ns,
        routines=((W.tile, tile),),
    )  # fmt: skip
