"""Long rows sorted digit by digit: numbers as keys whose unsigned order is theirs.

Source: Knuth, "The Art of Computer Programming" 3, section 5.2.5 (sorting by distribution).

A key is dealt into the buckets of its lowest digit, then of the next: each turn keeps the
order of equals, so the last leaves all sorted.  A digit that all keys share costs no turn.
"""

from __future__ import annotations

import math

import numpy as np

from symnet.kernels.cpu.jit.intrinsics import (
    load,
    load_i32,
    memcpy,
    store,
    store_i32,
)
from symnet.kernels.cpu.jit.native import hot
from symnet.kernels.cpu.library.blas_gemm import free, malloc
from symnet.kernels.cpu.library.call_steps import CallArrangement
from symnet.kernels.routines import Ordering

# Below it NumPy's functions are quicker (measured on Zen 5).
SHORTEST = 1024
DIGIT, BUCKETS = 11, 2048
TURN_NS = 2.0

# The argument block, by word.
LENGTH, WIDTH, FLOAT, SIGN, POSITIONS, SOURCE, RESULT = range(7)
LOW = 4294967295
LARGEST = 9223372036854775807
INFINITY, INFINITY_32 = 0x7FF0000000000000, 0x7F800000
SIGN_32 = 0x80000000


def sorts(ordering: Ordering, length: int) -> bool:
    """Whether rows of that length are sorted so."""
    kind = np.dtype(ordering.dtype)
    return length >= SHORTEST and kind.kind in "iuf" and kind.itemsize in (4, 8)


@hot
def key_of(bits: int, sign: int, is_float: int, inverted: int) -> int:
    """The key of a number, or the number of a key (its own inverse but for floats).

    Of a float above the sign all bits are turned where it is negative.
    """
    if is_float == 0:
        return bits ^ sign
    negative = bits & sign
    if inverted != 0:
        negative = negative ^ sign
    if negative == 0:
        return bits ^ sign
    return bits ^ (sign | (sign - 1))


@hot
def read_keys(arguments: int, source: int, keys: int) -> int:
    """Keys of a row.  Where positions are asked for, zeros of both signs are equal."""
    narrow = load(arguments, WIDTH) == 4
    is_float = load(arguments, FLOAT)
    sign = load(arguments, SIGN)
    top = INFINITY
    if narrow != 0:
        top = INFINITY_32
    for k in range(load(arguments, LENGTH)):
        if narrow != 0:
            bits = load_i32(source, k) & LOW
        else:
            bits = load(source, k)
        if is_float != 0:
            size = bits & (sign - 1)
            if size > top:  # NaN, of either sign, comes last
                store(keys, k, sign | (sign - 1))
                continue
            if size == 0 and load(arguments, POSITIONS) != 0:
                bits = 0
        store(keys, k, key_of(bits, sign, is_float, 0))
    return 0


@hot
def count_digits(keys: int, length: int, counts: int, turns: int) -> int:
    """How often each digit comes, for all turns."""
    for k in range(turns * BUCKETS):
        store(counts, k, 0)
    for k in range(length):
        key = load(keys, k)
        for turn in range(turns):
            place = turn * BUCKETS + ((key >> (turn * DIGIT)) & (BUCKETS - 1))
            store(counts, place, load(counts, place) + 1)
    return 0


@hot
def begin_buckets(counts: int, length: int) -> int:
    """Counts become the places of buckets; whether one bucket has all."""
    total = 0
    for k in range(BUCKETS):
        count = load(counts, k)
        if count == length:
            return 1
        store(counts, k, total)
        total = total + count
    return 0


@hot
def deal(
    keys: int, places: int, new_keys: int, new_places: int, counts: int, shift: int,
    length: int,
) -> int:  # fmt: skip
    """One turn; places: of the keys in the row, 0 for none."""
    for k in range(length):
        key = load(keys, k)
        bucket = (key >> shift) & (BUCKETS - 1)
        place = load(counts, bucket)
        store(counts, bucket, place + 1)
        store(new_keys, place, key)
        if places != 0:
            store(new_places, place, load(places, k))
    return 0


@hot
def write_row(arguments: int, keys: int, places: int, result: int) -> int:
    length = load(arguments, LENGTH)
    if load(arguments, POSITIONS) != 0:
        return memcpy(result, places, 8 * length)
    sign = load(arguments, SIGN)
    is_float = load(arguments, FLOAT)
    for k in range(length):
        bits = key_of(load(keys, k), sign, is_float, 1)
        if load(arguments, WIDTH) == 4:
            store_i32(result, k, bits)
        else:
            store(result, k, bits)
    return 0


@hot
def sort_rows(arguments: int, begin: int, end: int) -> int:
    """Rows `begin` to `end`.  Not 0: there is no memory."""
    length = load(arguments, LENGTH)
    width = load(arguments, WIDTH)
    turns = (8 * width + DIGIT - 1) // DIGIT
    memory = malloc(8 * (4 * length + turns * BUCKETS))
    if memory == 0:
        return 1
    counts = memory + 32 * length
    item = width
    if load(arguments, POSITIONS) != 0:
        item = 8
    for row in range(begin, end):
        keys = memory
        spare = memory + 8 * length
        places = 0
        spare_places = 0
        if load(arguments, POSITIONS) != 0:
            places = memory + 16 * length
            spare_places = memory + 24 * length
            for k in range(length):
                store(places, k, k)
        read_keys(arguments, load(arguments, SOURCE) + row * length * width, keys)
        count_digits(keys, length, counts, turns)
        for turn in range(turns):
            own = counts + 8 * BUCKETS * turn
            if begin_buckets(own, length) != 0:
                continue
            deal(keys, places, spare, spare_places, own, turn * DIGIT, length)
            kept = keys
            keys = spare
            spare = kept
            kept = places
            places = spare_places
            spare_places = kept
        write_row(
            arguments, keys, places, load(arguments, RESULT) + row * length * item
        )
    free(memory)
    return 0


def radix_step(ordering: Ordering, shape: tuple[int, ...]) -> CallArrangement:
    """The step; pointers: the rows, the result."""
    kind = np.dtype(ordering.dtype)
    rows, length = math.prod(shape[:-1]), shape[-1]
    sign = 0 if kind.kind == "u" else -(2**63) if kind.itemsize == 8 else SIGN_32
    words = (
        length, kind.itemsize, int(kind.kind == "f"), sign, int(ordering.positions), 0, 0,
    )  # fmt: skip
    cost = TURN_NS * length * (8 * kind.itemsize / DIGIT + 2)
    slots = (SOURCE, RESULT)
    return CallArrangement(sort_rows, words, slots, rows, 1, cost * rows)
