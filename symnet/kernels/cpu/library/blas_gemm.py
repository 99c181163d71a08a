"""Products of matrices by BLAS: the native functions, and the argument block they read.

BLAS wants addresses of all its arguments, so the block holds the numbers themselves and
`multiply` passes their addresses.  In Fortran's view (columns contiguous) it says
C = alpha * op(A) op(B) + beta * C with C of M rows and N columns; for a product with a
vector (word VECTOR) A is the M x N matrix, B the vector with step LEAD_B, and C the result
with step LEAD_C.

Two things BLAS does not do as they are meant here:
- It adds a long sum up in its order, in float32 with an error that grows with the length.
  So a long contracted dimension is cut into parts, whose products are added in pairs.
- Where alpha or beta is 0 it looks at neither product nor C, and a NaN or infinity there
  is lost.  Where they are numbers of the run that turn out as 0, the product is made by
  itself, and what stands in the formula is multiplied.
"""

from __future__ import annotations

import ctypes
import operator
from typing import Any

from symnet.kernels.cpu.jit.intrinsics import (
    C_LIBRARY,
    CFunction,
    NativeInstruction,
    call,
    load,
    load_i32,
    stack,
    store,
)
from symnet.kernels.cpu.jit.native import native
from symnet.kernels.cpu.library.blas import (
    begin_product,
    end_product,
    enter_serial,
    leave_serial,
)

# The argument block, by word.
ROUTINE = 0
TRANSPOSE_A, TRANSPOSE_B = 1, 2
M, N, K = 3, 4, 5
LEAD_A, LEAD_B, LEAD_C = 6, 7, 8
ALPHA, BETA = 9, 11  # the numbers, up to two words each
A, B, C = 13, 14, 15  # pointers
ALPHA_POINTER, BETA_POINTER = 16, 17  # where the numbers are instead, or 0
# A large product is cut into blocks: of the words M and N, the one at SPLIT is the size
# of a block, and FULL the whole.
SPLIT, FULL = 18, 19
ALONE = 20  # whether the BLAS has to be told to use one thread
VECTOR = 21
# A long sum is cut into parts: of the words M, N and K, the one at LENGTH is the whole,
# and PART the length of a part (0: all at once), PART_A and PART_B the bytes from part to
# part.
LENGTH, PART, PART_A, PART_B = 22, 23, 24, 25
ITEM, REAL = 26, 27  # bytes of an element, and of the numbers that it is made of
ONE, ZERO = 28, 30  # the numbers, as ALPHA
RANK = 32  # loops around; for each size, stride of A, of B, of C
LOOPS = 33
LOOP_WORDS = 4

malloc = CFunction("malloc", "i64(i64)", C_LIBRARY)
free = CFunction("free", "i64(i64)", C_LIBRARY)
memset = CFunction("memset", "i64(i64, i32, i64)", C_LIBRARY)
# All bits of a number but its sign: -0 is 0 too.
FLOAT_BITS, DOUBLE_BITS = 0x7FFFFFFF, 0x7FFFFFFFFFFFFFFF


def _into_place(kind: str, operation: str) -> NativeInstruction[[int, int]]:
    """What combines the number at `target` with that at `source`, in the first's place.

    kind: LLVM's type; operation: LLVM's, one of the keys of MEANING."""
    number, combine = NUMBERS[kind], MEANING[operation]

    def meaning(target: int, source: int) -> int:
        result = number.from_address(target)
        result.value = combine(result.value, number.from_address(source).value)
        return 0

    return NativeInstruction(
        f"""
        %p = inttoptr i64 {{target}} to ptr
        %q = inttoptr i64 {{source}} to ptr
        %old = load {kind}, ptr %p
        %other = load {kind}, ptr %q
        %new = {operation} {kind} %old, %other
        store {kind} %new, ptr %p
        """,
        meaning,
    )


NUMBERS: dict[str, Any] = {"float": ctypes.c_float, "double": ctypes.c_double}
MEANING = {"fadd": operator.add, "fmul": operator.mul}
add_float, add_double = (_into_place(kind, "fadd") for kind in NUMBERS)
scale_float, scale_double = (_into_place(kind, "fmul") for kind in NUMBERS)


@native
def add_numbers(target: int, source: int, count: int, real: int) -> int:
    """Add `count` numbers of `real` bytes to as many others."""
    for k in range(count):
        if real == 4:
            add_float(target + 4 * k, source + 4 * k)
        else:
            add_double(target + 8 * k, source + 8 * k)
    return 0


@native
def scale_numbers(target: int, factor: int, count: int, real: int) -> int:
    """Multiply `count` numbers of `real` bytes by the one at `factor`."""
    for k in range(count):
        if real == 4:
            scale_float(target + 4 * k, factor)
        else:
            scale_double(target + 8 * k, factor)
    return 0


@native
def is_zero(arguments: int, pointer: int) -> int:
    """Whether a scalar that is read from memory is a real 0."""
    address = load(arguments, pointer)
    if address == 0 or load(arguments, REAL) != load(arguments, ITEM):
        return 0
    if load(arguments, REAL) == 4:
        return (load_i32(address, 0) & FLOAT_BITS) == 0
    return (load(address, 0) & DOUBLE_BITS) == 0


@native
def matrix_offset(arguments: int, which: int, item: int) -> int:
    """Bytes from the first A (B, C: `which` 1, 2, 3) to that of product `item`."""
    offset = 0
    rank = load(arguments, RANK)
    for k in range(rank):
        dimension = arguments + 8 * (LOOPS + LOOP_WORDS * (rank - 1 - k))
        size = load(dimension, 0)
        offset += item % size * load(dimension, which)
        item = item // size
    return offset


@native
def scalar_address(arguments: int, pointer: int, number: int) -> int:
    if load(arguments, pointer) != 0:
        return load(arguments, pointer)
    return arguments + 8 * number


@native
def fit_block(arguments: int, item: int, sizes: int) -> int:
    """Put M, N and K of block `item` into the words of `sizes`: the last block may be
    smaller."""
    store(sizes, 0, load(arguments, M))
    store(sizes, 1, load(arguments, N))
    store(sizes, 2, load(arguments, K))
    split = load(arguments, SPLIT)
    if split != 0:
        block = load(arguments, split)
        left = load(arguments, FULL) - item * block
        if left < block:
            store(sizes, split - M, left)
    return 0


@native
def multiply_once(
    arguments: int,
    sizes: int,
    alpha: int,
    a: int,
    b: int,
    beta: int,
    c: int,
    lead_c: int,
) -> int:
    """One call of BLAS.  alpha, beta, lead_c: addresses, as BLAS wants them."""
    begin_product()
    if load(arguments, VECTOR) != 0:
        call(
            load(arguments, ROUTINE),
            arguments + 8 * TRANSPOSE_A,
            sizes,
            sizes + 8,
            alpha,
            a,
            arguments + 8 * LEAD_A,
            b,
            arguments + 8 * LEAD_B,
            beta,
            c,
            lead_c,
        )
        end_product()
        return 0
    call(
        load(arguments, ROUTINE),
        arguments + 8 * TRANSPOSE_A,
        arguments + 8 * TRANSPOSE_B,
        sizes,
        sizes + 8,
        sizes + 16,
        alpha,
        a,
        arguments + 8 * LEAD_A,
        b,
        arguments + 8 * LEAD_B,
        beta,
        c,
        lead_c,
    )
    end_product()
    return 0


@native
def fit_part(arguments: int, sizes: int, part: int) -> int:
    """Put the length of part `part` of the sum into the words of `sizes`."""
    word = load(arguments, LENGTH)
    length = load(arguments, PART)
    left = load(arguments, word) - part * length
    if length == 0 or left < length:
        length = left
    store(sizes, word - M, length)
    return 0


@native
def sum_parts(
    arguments: int,
    sizes: int,
    alpha: int,
    a: int,
    b: int,
    first: int,
    parts: int,
    partial: int,
    run: int,
    columns: int,
) -> int:
    """The product of the parts from `first` on, into the first of the partial products at
    `partial`: `columns` times `run` elements each."""
    item = load(arguments, ITEM)
    real = load(arguments, REAL)
    count = run * columns * (item // real)
    size = run * columns * item
    lead = stack(1)
    store(lead, 0, run | (run == 0))  # BLAS wants a 1 at least
    top = 0
    for part in range(first, parts):
        fit_part(arguments, sizes, part)
        multiply_once(
            arguments,
            sizes,
            alpha,
            a + part * load(arguments, PART_A),
            b + part * load(arguments, PART_B),
            arguments + 8 * ZERO,
            partial + top * size,
            lead,
        )
        top += 1
        joined = part - first + 1
        # Two partial products of as many parts become one: a sum of pairs.
        while (joined & 1) == 0:
            top -= 1
            add_numbers(partial + (top - 1) * size, partial + top * size, count, real)
            joined = joined >> 1
    while top > 1:
        top -= 1
        add_numbers(partial + (top - 1) * size, partial + top * size, count, real)
    return 0


@native
def prepare_result(
    arguments: int, beta: int, c: int, run: int, columns: int, step: int
) -> int:
    """C = beta * C for a real beta, in full; where it is the number 0, C is not read."""
    real = load(arguments, REAL)
    overwrites = 0
    if load(arguments, BETA_POINTER) == 0 and load(arguments, BETA) == 0:
        overwrites = 1
    for column in range(columns):
        if overwrites != 0:
            memset(c + column * step, 0, run * real)
        else:
            scale_numbers(c + column * step, beta, run, real)
    return 0


@native
def multiply_in_parts(
    arguments: int, sizes: int, alpha: int, a: int, b: int, beta: int, c: int, zero: int
) -> int:
    """One product as a sum of parts.  zero: whether alpha or beta is 0 at this run.

    Without memory for the partial products BLAS adds up by itself: less exact, but a step
    that fails half-way could leave half of a call's updates.  Returns 1 where that cannot
    be, because the product must not be scaled by BLAS.
    """
    item = load(arguments, ITEM)
    real = load(arguments, REAL)
    run = load(sizes, 0)
    columns = load(sizes, 1)
    if load(arguments, VECTOR) != 0:  # the one that is not summed over
        columns = load(sizes, M + N - load(arguments, LENGTH) - M)
        run = 1
    parts = 1
    if load(arguments, PART) != 0:
        length = load(arguments, PART)
        parts = (load(arguments, load(arguments, LENGTH)) + length - 1) // length
    levels = 1
    while parts >> levels != 0:
        levels += 1
    partial = malloc(run * columns * item * levels + 64)
    if partial == 0:
        if zero != 0:
            return 1
        multiply_once(arguments, sizes, alpha, a, b, beta, c, arguments + 8 * LEAD_C)
        return 0
    step = load(arguments, LEAD_C) * item
    first = 0
    factor = alpha
    if zero != 0:
        prepare_result(arguments, beta, c, run, columns, step)
        if is_zero(arguments, ALPHA_POINTER) != 0:
            factor = arguments + 8 * ONE
    else:
        first = 1
        fit_part(arguments, sizes, 0)
        multiply_once(arguments, sizes, alpha, a, b, beta, c, arguments + 8 * LEAD_C)
    sum_parts(arguments, sizes, factor, a, b, first, parts, partial, run, columns)
    if factor != alpha:
        scale_numbers(partial, alpha, run * columns, real)
    numbers = run * (item // real)
    for column in range(columns):
        add_numbers(c + column * step, partial + column * run * item, numbers, real)
    free(partial)
    return 0


@native
def multiply(arguments: int, begin: int, end: int) -> int:
    """Matrix times matrix or vector, for items `begin` to `end` of the loops around."""
    alpha = scalar_address(arguments, ALPHA_POINTER, ALPHA)
    beta = scalar_address(arguments, BETA_POINTER, BETA)
    zero = is_zero(arguments, ALPHA_POINTER) | is_zero(arguments, BETA_POINTER)
    sizes = stack(3)
    failed = 0
    if load(arguments, ALONE) != 0:
        enter_serial()
    for item in range(begin, end):
        fit_block(arguments, item, sizes)
        a = load(arguments, A) + matrix_offset(arguments, 1, item)
        b = load(arguments, B) + matrix_offset(arguments, 2, item)
        c = load(arguments, C) + matrix_offset(arguments, 3, item)
        if zero != 0 or load(arguments, PART) != 0:
            failed = failed | multiply_in_parts(
                arguments, sizes, alpha, a, b, beta, c, zero
            )
        else:
            lead = arguments + 8 * LEAD_C
            multiply_once(arguments, sizes, alpha, a, b, beta, c, lead)
    if load(arguments, ALONE) != 0:
        leave_serial()
    return failed
