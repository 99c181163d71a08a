"""Products with few columns: the native drivers, and their words.

Vectors along the columns of such a result would be half empty.  So they run along its rows,
into memory of the step's own, from which the columns are brought where they belong
(`put_columns`); or along the contracted axis (`multiply_narrow`), where A has its rows
without gaps.
"""

from __future__ import annotations

import ctypes
from typing import Any

from symnet.kernels.cpu.jit.intrinsics import (
    NativeInstruction,
    call,
    load,
    memcpy,
    stack,
    store,
)
from symnet.kernels.cpu.jit.native import native
from symnet.kernels.cpu.library.panels_code import (
    PanelWords,
    take_slot,
    transpose,
)
from symnet.kernels.cpu.library.tiled_gemm_code import TiledGemmWords


class NarrowGemmWords(PanelWords):
    """The argument block of `multiply_narrow`; the flags of the slots stand behind."""

    a: int
    b: int
    c: int
    rows: int
    columns: int
    inner: int
    a_row: int  # bytes from row to row
    b_row: int
    b_step: int  # bytes from column to column of B
    c_row: int
    row_block: int  # rows of an item
    inner_block: int  # numbers of the sum that are taken at once
    tile: int
    tile_rows: int
    transposing: int  # where B has its rows without gaps: transposes blocks of `lanes`
    lanes: int


N, T = NarrowGemmWords, TiledGemmWords


def _into(kind: str, adds: bool) -> NativeInstruction[[int, int, int, int]]:
    """target = alpha source, or with `adds` beta target + alpha source, at addresses; kind:
    LLVM's type."""
    real: Any = {"float": ctypes.c_float, "double": ctypes.c_double}[kind]

    def meaning(target: int, beta: int, alpha: int, source: int) -> int:
        place = real.from_address(target)
        value = real.from_address(alpha).value * real.from_address(source).value
        old = place.value * real.from_address(beta).value if adds else 0.0
        place.value = old + value
        return 0

    old = f"""
        %q = inttoptr i64 {{beta}} to ptr
        %before = load {kind}, ptr %p
        %beta = load {kind}, ptr %q
        %old = fmul {kind} %before, %beta
        %new = fadd {kind} %old, %product
    """
    return NativeInstruction(
        f"""
        %p = inttoptr i64 {{target}} to ptr
        %r = inttoptr i64 {{alpha}} to ptr
        %s = inttoptr i64 {{source}} to ptr
        %alpha = load {kind}, ptr %r
        %term = load {kind}, ptr %s
        %product = fmul {kind} %alpha, %term
        {old.strip() if adds else ""}
        store {kind} %{"new" if adds else "product"}, ptr %p
        """,
        meaning,
    )


set_single, set_double = _into("float", False), _into("double", False)
add_single, add_double = _into("float", True), _into("double", True)


@native
def put_number(target: int, beta: int, alpha: int, source: int, item: int) -> int:
    """target = alpha source + beta target; with the address 0 for beta it is not read."""
    if item == 4:
        if beta == 0:
            set_single(target, 0, alpha, source)
        else:
            add_single(target, beta, alpha, source)
    elif beta == 0:
        set_double(target, 0, alpha, source)
    else:
        add_double(target, beta, alpha, source)
    return 0


@native
def put_columns(arguments: int, begin: int, end: int) -> int:
    """Rows `begin` to `end` of C, from columns of the product that `multiply_tiles` made."""
    item = load(arguments, T.item)
    source = load(arguments, T.scratch) + load(arguments, T.through)
    for row in range(begin, end):
        target = load(arguments, T.result) + row * load(arguments, T.result_row)
        for column in range(load(arguments, T.result_columns)):
            put_number(
                target + column * item,
                load(arguments, T.result_beta),
                arguments + 8 * T.one,
                source + column * load(arguments, T.c_row) + row * item,
                item,
            )
    return 0


@native
def pack_narrow(arguments: int, panel: int) -> int:
    """The columns of B as rows of the panel."""
    item = load(arguments, N.item)
    inner = load(arguments, N.inner)
    columns = load(arguments, N.columns)
    panel_row = load(arguments, N.panel_row)
    b = load(arguments, N.b)
    code = load(arguments, N.transposing)
    if code == 0:
        for column in range(columns):
            memcpy(
                panel + column * panel_row,
                b + column * load(arguments, N.b_step),
                inner * item,
            )
        return 0
    transpose(
        code,
        load(arguments, N.lanes),
        item,
        panel,
        panel_row,
        b,
        load(arguments, N.b_row),
        inner,
        columns,
    )
    return 0


@native
def put_tile(
    arguments: int, sums: int, row: int, stop: int, column: int, beta: int
) -> int:
    """The sums of one tile where they belong in C."""
    item = load(arguments, N.item)
    width = load(arguments, N.tile_columns)
    c = load(arguments, N.c) + row * load(arguments, N.c_row) + column * item
    for r in range(load(arguments, N.tile_rows)):
        if row + r < stop:
            for k in range(width):
                if column + k < load(arguments, N.columns):
                    put_number(
                        c + k * item,
                        beta,
                        load(arguments, N.alpha),
                        sums + (r * width + k) * item,
                        item,
                    )
        c += load(arguments, N.c_row)
    return 0


@native
def multiply_rows(
    arguments: int, panel: int, row: int, stop: int, k: int, length: int, beta: int
) -> int:
    """Rows `row` to `stop` of C, for one piece of the sum."""
    item = load(arguments, N.item)
    rows = load(arguments, N.tile_rows)
    a_row = load(arguments, N.a_row)
    panel_row = load(arguments, N.panel_row)
    places = stack(8)
    sums = stack(32)
    while row < stop:
        for r in range(rows):
            one = row + r
            if one >= stop:
                one = stop - 1
            store(places, r, load(arguments, N.a) + one * a_row + k * item)
        column = 0
        while column < load(arguments, N.columns):
            call(
                load(arguments, N.tile),
                places,
                panel + column * panel_row + k * item,
                panel_row,
                1,
                0,
                0,
                length,
                sums,
            )
            put_tile(arguments, sums, row, stop, column, beta)
            column += load(arguments, N.tile_columns)
        row += rows
    return 0


@native
def multiply_narrow(arguments: int, begin: int, end: int) -> int:
    """Blocks `begin` to `end` of the rows of C."""
    slot = take_slot(arguments)
    panel = load(arguments, N.scratch) + slot * load(arguments, N.slot_bytes)
    pack_narrow(arguments, panel)
    for number in range(begin, end):
        row = number * load(arguments, N.row_block)
        stop = row + load(arguments, N.row_block)
        if stop > load(arguments, N.rows):
            stop = load(arguments, N.rows)
        k = 0
        beta = load(arguments, N.beta)
        while k < load(arguments, N.inner):
            length = load(arguments, N.inner) - k
            if length > load(arguments, N.inner_block):
                length = load(arguments, N.inner_block)
            multiply_rows(arguments, panel, row, stop, k, length, beta)
            beta = arguments + 8 * N.one
            k += length
    store(arguments, load(arguments, N.flags) + slot, 0)
    return 0
