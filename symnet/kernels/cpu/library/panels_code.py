"""Products of packed panels: memory of a thread, copying, tiles.  See `tiles`."""

from __future__ import annotations

import ctypes
from typing import Any

from symnet.kernels.cpu.jit.intrinsics import (
    NativeInstruction,
    call,
    compare_exchange,
    instruction,
    load,
    load_i32,
    pause,
    store,
    store_i32,
)
from symnet.kernels.cpu.jit.native import hot
from symnet.kernels.cpu.jit.record import Record
from symnet.kernels.cpu.runtime.threads import GENERATION, POOL

BLOCK = 64  # bytes that are copied at once


class PanelWords(Record):
    """The first words of an argument block: what all products of packed panels need."""

    scratch: int  # for each thread `slot_bytes`
    slot_bytes: int
    slots: int
    flags: int  # the word of the first flag: for each slot the generation that has taken it
    item: int  # bytes of a number
    panel_row: int  # bytes of a row of the panel
    a_step: int  # bytes from one number of the other matrix to the next in a row
    alpha: int  # addresses of the numbers, and where they may stand; 0 for beta: no D
    beta: int
    first: int
    other: int
    one: int  # the number 1
    # Tiles that make up all rows, each with `few` of them or, `more` times, one more; over
    # `tile_columns` columns or half of them.
    tile_columns: int
    tiles: int
    few: int
    more: int
    wide: int
    wide_more: int
    narrow: int
    narrow_more: int


P = PanelWords


@instruction("""
    %p = inttoptr i64 {target} to ptr
    %q = inttoptr i64 {source} to ptr
    %v = load <64 x i8>, ptr %q, align 1
    store <64 x i8> %v, ptr %p, align 1
""")
def copy_block(target: int, source: int) -> int:
    """Copy 64 bytes."""
    ctypes.memmove(target, source, BLOCK)
    return 0


@instruction("""
    %p = inttoptr i64 {target} to ptr
    %q = inttoptr i64 {source} to ptr
    %v = load <16 x i8>, ptr %q, align 1
    store <16 x i8> %v, ptr %p, align 1
""")
def copy_quarter(target: int, source: int) -> int:
    """Copy 16 bytes."""
    ctypes.memmove(target, source, BLOCK // 4)
    return 0


@instruction("""
    %p = inttoptr i64 {target} to ptr
    store <64 x i8> zeroinitializer, ptr %p, align 1
""")
def clear_block(target: int) -> int:
    """Set 64 bytes to 0."""
    ctypes.memset(target, 0, BLOCK)
    return 0


# ---- memory of a thread


@hot
def take_slot(arguments: int) -> int:
    """The number of a slot of scratch memory that nobody uses.

    What another generation has taken was taken before a fork, by a thread that is no more.
    """
    process = load(POOL, GENERATION)
    while True:
        for slot in range(load(arguments, P.slots)):
            flag = load(arguments, P.flags) + slot
            holder = load(arguments, flag)
            if holder != process and compare_exchange(arguments, flag, holder, process):
                return slot
        pause()


# ---- copying


@hot
def clear(target: int, count: int) -> int:
    """Set bytes to 0, and up to 63 behind."""
    done = 0
    while done < count:
        clear_block(target + done)
        done += BLOCK
    return 0


@hot
def copy_numbers(target: int, source: int, count: int) -> int:
    """Copy bytes, a multiple of 4."""
    done = 0
    while done + BLOCK <= count:
        copy_block(target + done, source + done)
        done += BLOCK
    while done + 16 <= count:
        copy_quarter(target + done, source + done)
        done += 16
    while done < count:
        store_i32(target + done, 0, load_i32(source + done, 0))
        done += 4
    return 0


@hot
def scatter_numbers(
    target: int, step: int, source: int, stride: int, count: int, item: int
) -> int:
    """Copy numbers that lie `stride` bytes apart to places `step` bytes apart."""
    if item == 4:
        for _ in range(count):
            store_i32(target, 0, load_i32(source, 0))
            target += step
            source += stride
        return 0
    for _ in range(count):
        store(target, 0, load(source, 0))
        target += step
        source += stride
    return 0


def _picking(kind: str, step: int) -> NativeInstruction[[int, int]]:
    """What copies every `step`-th number from `source` on; kind: LLVM's type of the copy."""
    count, number = kind[1:-1].split(" x ")
    real: Any = {"float": ctypes.c_float, "double": ctypes.c_double}[number]
    many = int(count) * step
    wide = f"<{many} x {number}>"
    picked = ", ".join(f"i32 {k}" for k in range(0, many, step))

    def meaning(target: int, source: int) -> int:
        numbers = (real * many).from_address(source)[::step]
        (real * int(count)).from_address(target)[:] = numbers
        return 0

    return NativeInstruction(
        f"""
        %p = inttoptr i64 {{target}} to ptr
        %q = inttoptr i64 {{source}} to ptr
        %all = load {wide}, ptr %q, align 4
        %some = shufflevector {wide} %all, {wide} poison, <{count} x i32> <{picked}>
        store {kind} %some, ptr %p, align 4
        """,
        meaning,
    )


second_singles, second_doubles = (
    _picking("<16 x float>", 2),
    _picking("<8 x double>", 2),
)
third_singles, third_doubles = _picking("<16 x float>", 3), _picking("<8 x double>", 3)
fourth_singles, fourth_doubles = (
    _picking("<16 x float>", 4),
    _picking("<8 x double>", 4),
)


@hot
def gather_numbers(target: int, source: int, stride: int, count: int, item: int) -> int:
    """Copy numbers that lie `stride` bytes apart; nothing behind the last one is read."""
    lanes = BLOCK // item
    step = stride // item
    done = 0
    if step * item == stride and step >= 2 and step <= 4:
        # What is loaded ends before the first number of the next block.
        while done + lanes < count:
            if item == 4:
                if step == 2:
                    second_singles(target, source)
                elif step == 3:
                    third_singles(target, source)
                else:
                    fourth_singles(target, source)
            elif step == 2:
                second_doubles(target, source)
            elif step == 3:
                third_doubles(target, source)
            else:
                fourth_doubles(target, source)
            target += BLOCK
            source += lanes * stride
            done += lanes
    scatter_numbers(target, item, source, stride, count - done, item)
    return 0


@hot
def transpose(
    code: int,
    lanes: int,
    item: int,
    target: int,
    target_row: int,
    source: int,
    source_row: int,
    rows: int,
    columns: int,
) -> int:
    """Columns of a matrix as rows of another, by blocks of `lanes` numbers; code: that of
    `transposing_tile`.  What is behind the rows of a last block is 0."""
    column = 0
    while column < columns:
        row = 0
        while row < rows:
            call(
                code,
                target + column * target_row + row * item,
                target_row,
                source + row * source_row + column * item,
                source_row,
                rows - row,
                columns - column,
            )
            row += lanes
        column += lanes
    return 0


# ---- adding


def _adding(kind: str) -> NativeInstruction[[int, int]]:
    """What adds the numbers at `source` to those at `target`; kind: LLVM's type."""
    count, number = kind[1:-1].split(" x ") if "x" in kind else ("1", kind)
    real: Any = {"float": ctypes.c_float, "double": ctypes.c_double}[number]

    def meaning(target: int, source: int) -> int:
        result = (real * int(count)).from_address(target)
        for k, other in enumerate((real * int(count)).from_address(source)):
            result[k] += other
        return 0

    return NativeInstruction(
        f"""
        %p = inttoptr i64 {{target}} to ptr
        %q = inttoptr i64 {{source}} to ptr
        %old = load {kind}, ptr %p, align 4
        %other = load {kind}, ptr %q, align 4
        %new = fadd {kind} %old, %other
        store {kind} %new, ptr %p, align 4
        """,
        meaning,
    )


add_single, add_double = _adding("float"), _adding("double")
add_singles, add_doubles = _adding("<16 x float>"), _adding("<8 x double>")
add_few_singles, add_few_doubles = _adding("<4 x float>"), _adding("<2 x double>")


@hot
def add_numbers(target: int, source: int, count: int, item: int) -> int:
    """Add `count` bytes of numbers to others."""
    done = 0
    if item == 4:
        while done + BLOCK <= count:
            add_singles(target + done, source + done)
            done += BLOCK
        while done + 16 <= count:
            add_few_singles(target + done, source + done)
            done += 16
        while done < count:
            add_single(target + done, source + done)
            done += 4
        return 0
    while done + BLOCK <= count:
        add_doubles(target + done, source + done)
        done += BLOCK
    while done < count:
        add_double(target + done, source + done)
        done += 8
    return 0


# ---- products


@hot
def multiply_panel(
    arguments: int,
    first: int,
    last: int,
    a: int,
    a_row: int,
    panel: int,
    panel_row: int,
    inner: int,
    c: int,
    c_row: int,
    columns: int,
    beta: int,
    d: int,
    d_row: int,
) -> int:
    """Tiles `first` to `last` of C = alpha A B + beta D, where the panel holds B; a, c and d
    are where the first of them begins, beta is an address or 0."""
    item = load(arguments, P.item)
    few = load(arguments, P.few)
    more = load(arguments, P.more)
    tile_columns = load(arguments, P.tile_columns)
    column = 0
    while column < columns:
        left = columns - column
        plain = load(arguments, P.wide)
        higher = load(arguments, P.wide_more)
        if 2 * left <= tile_columns:
            plain = load(arguments, P.narrow)
            higher = load(arguments, P.narrow_more)
        here = a
        target = c + column * item
        old = d + column * item
        for tile in range(first, last):
            code = plain
            height = few
            if tile < more:
                code = higher
                height = few + 1
            call(
                code,
                here,
                a_row,
                load(arguments, P.a_step),
                panel + column * item,
                panel_row,
                inner,
                target,
                c_row,
                left,
                load(arguments, P.alpha),
                beta,
                old,
                d_row,
            )
            here += height * a_row
            target += height * c_row
            old += height * d_row
        column += tile_columns
    return 0
