"""Steps that call libraries: matrix products by BLAS, copies, Python functions.

BLAS (see `kernels.blas`) wants addresses of all its arguments, so the argument block of
a step holds the numbers themselves and the native function here passes their addresses.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from symnet.config import config
from symnet.kernels import threads
from symnet.kernels.blas import (
    blas_address,
    enter_serial,
    leave_serial,
    map_buffers,
)
from symnet.kernels.llvm.native import Native, native
from symnet.kernels.llvm.objects import Routine
from symnet.kernels.llvm.words import C_LIBRARY, External, call, load, stack, store

LETTERS = {"float32": "s", "float64": "d", "complex64": "c", "complex128": "z"}
# Measured: below so many multiplications BLAS has a fast way for small products, above
# it a vector times a matrix is faster by its own routine.
VECTOR_WORK = 100_000
FLOPS_PER_NS = {"float32": 60.0, "float64": 30.0, "complex64": 15.0, "complex128": 7.0}
CALL_NS = 20.0
BYTES_PER_NS = 8.0
PARALLEL_NS = 50_000.0  # work that pays for threads
# OpenBLAS never uses threads for so few multiplications (its limits are 262144, and 9216
# for vectors).
ALONE_WORK = 131_072
ALONE_VECTOR_WORK = 9_000
BLOCK_WORK = 1_000_000  # multiplications in a block that is worth a thread
LANES = 16  # blocks end at a whole vector


class StridesError(ValueError):
    """A matrix lies in memory as BLAS cannot read it: copy operand `operand` first."""

    def __init__(self, operand: int, strides: Sequence[int]) -> None:
        super().__init__(
            f"matrix {'ABC'[operand]} with strides {tuple(strides)}: neither rows nor "
            "columns are contiguous"
        )
        self.operand = operand


@dataclass(frozen=True)
class CallArrangement:
    """A step, lacking only pointers: the function (or its address), the words of its
    argument block, the positions of the pointers there, and (see `kernels.runner`) its
    items."""

    code: Native[Any] | Routine | int
    words: tuple[int, ...]
    pointer_slots: tuple[int, ...]
    total: int = 1
    grain: int = 1
    cost_ns: float = 0.0

    @property
    def address(self) -> int:
        return self.code if isinstance(self.code, int) else self.code.address


# -------------------------------------------------------------------- matrix products

# The argument block of `gemm`, by word.  In Fortran's view (columns contiguous) it says
# C = alpha * op(A) op(B) + beta * C with C of M rows and N columns.
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
RANK = 21  # loops around; for each size, stride of A, of B, of C
LOOPS = 22
LOOP_WORDS = 4


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
    """Put M and N of block `item` into the words of `sizes`: the last may be smaller."""
    store(sizes, 0, load(arguments, M))
    store(sizes, 1, load(arguments, N))
    split = load(arguments, SPLIT)
    if split != 0:
        block = load(arguments, split)
        left = load(arguments, FULL) - item * block
        if left < block:
            store(sizes, split - M, left)
    return 0


@native
def gemm(arguments: int, begin: int, end: int) -> int:
    """Matrix times matrix, for items `begin` to `end` of the loops around."""
    alpha = scalar_address(arguments, ALPHA_POINTER, ALPHA)
    beta = scalar_address(arguments, BETA_POINTER, BETA)
    sizes = stack(2)
    if load(arguments, ALONE) != 0:
        enter_serial()
    for item in range(begin, end):
        fit_block(arguments, item, sizes)
        call(
            load(arguments, ROUTINE),
            arguments + 8 * TRANSPOSE_A,
            arguments + 8 * TRANSPOSE_B,
            sizes,
            sizes + 8,
            arguments + 8 * K,
            alpha,
            load(arguments, A) + matrix_offset(arguments, 1, item),
            arguments + 8 * LEAD_A,
            load(arguments, B) + matrix_offset(arguments, 2, item),
            arguments + 8 * LEAD_B,
            beta,
            load(arguments, C) + matrix_offset(arguments, 3, item),
            arguments + 8 * LEAD_C,
        )
    if load(arguments, ALONE) != 0:
        leave_serial()
    return 0


@native
def gemv(arguments: int, begin: int, end: int) -> int:
    """Matrix times vector in the same block: A is the M x N matrix, B the vector with
    step LEAD_B, C the result with step LEAD_C."""
    alpha = scalar_address(arguments, ALPHA_POINTER, ALPHA)
    beta = scalar_address(arguments, BETA_POINTER, BETA)
    sizes = stack(2)
    if load(arguments, ALONE) != 0:
        enter_serial()
    for item in range(begin, end):
        fit_block(arguments, item, sizes)
        call(
            load(arguments, ROUTINE),
            arguments + 8 * TRANSPOSE_A,
            sizes,
            sizes + 8,
            alpha,
            load(arguments, A) + matrix_offset(arguments, 1, item),
            arguments + 8 * LEAD_A,
            load(arguments, B) + matrix_offset(arguments, 2, item),
            arguments + 8 * LEAD_B,
            beta,
            load(arguments, C) + matrix_offset(arguments, 3, item),
            arguments + 8 * LEAD_C,
        )
    if load(arguments, ALONE) != 0:
        leave_serial()
    return 0


@dataclass(frozen=True)
class Matrix:
    """How BLAS sees a matrix: transposed or not, with columns `lead` elements apart."""

    operand: int
    transposed: bool
    lead: int

    def flipped(self) -> Matrix:
        return Matrix(self.operand, not self.transposed, self.lead)


def fortran_matrix(
    operand: int, rows: int, columns: int, strides: Sequence[int], itemsize: int
) -> Matrix | None:
    """The matrix as Fortran's (or its transpose); None if it has to be copied."""

    def lead(inner: int, count: int, outer: int, others: int) -> int | None:
        """Elements from one contiguous run of `count` to the next, if they are such."""
        if count > 1 and inner != itemsize:
            return None
        if others <= 1:
            return max(1, count)
        if outer % itemsize or outer < max(1, count) * itemsize:
            return None
        return outer // itemsize

    if rows == 0 or columns == 0:
        return Matrix(operand, True, max(1, columns))
    by_row = lead(strides[1], columns, strides[0], rows)
    if by_row is not None:
        return Matrix(operand, True, by_row)
    by_column = lead(strides[0], rows, strides[1], columns)
    return None if by_column is None else Matrix(operand, False, by_column)


def usable(rows: int, columns: int, strides: Sequence[int], dtype: str) -> bool:
    """Whether BLAS can read (and write) a matrix with these strides as it is."""
    return (
        fortran_matrix(0, rows, columns, strides, np.dtype(dtype).itemsize) is not None
    )


def _matrices(
    shapes: Sequence[tuple[int, int]], strides: Sequence[Sequence[int]], itemsize: int
) -> list[Matrix]:
    found = []
    for number, ((rows, columns), steps) in enumerate(
        zip(shapes, strides, strict=True)
    ):
        matrix = fortran_matrix(number, rows, columns, steps, itemsize)
        if matrix is None:
            raise StridesError(number, steps)
        found.append(matrix)
    return found


def gemm_step(
    dtype: str,
    m: int,
    n: int,
    k: int,
    strides_a: Sequence[int],
    strides_b: Sequence[int],
    strides_c: Sequence[int],
    alpha: complex | None = 1.0,
    beta: complex | None = 0.0,
    loops: Sequence[tuple[int, int, int, int]] = (),
) -> CallArrangement:
    """The step C = alpha * A @ B + beta * C, once or (batched) in loops.

    Shapes: A (m, k), B (k, n), C (m, n); strides in bytes, of rows and of columns: a
    transposed matrix is one with exchanged strides.  Each of `loops` is a size and the
    byte strides of A, B and C along it.  C may not overlap A or B.
    Dtypes: float32, float64, complex64, complex128, the same for all.
    alpha, beta: numbers, or None: read from memory when the step runs.  With beta == 0
    C is not read.
    The pointers are those of A, B, C, then of alpha and of beta where they are None.

    Raises: TypeError for another dtype; StridesError where A, B or C must be copied
    first; ValueError for sizes beyond BLAS's integers.
    """
    if dtype not in LETTERS:
        raise TypeError(f"no BLAS for {dtype}; it has {', '.join(LETTERS)}")
    all_strides = (strides_a, strides_b, strides_c)
    a, b, c = _matrices(((m, k), (k, n), (m, n)), all_strides, np.dtype(dtype).itemsize)
    if c.transposed:  # Fortran writes columns: C.T = B.T @ A.T
        a, b, c = b.flipped(), a.flipped(), c.flipped()
        m, n = n, m
    if max(m, n, k, a.lead, b.lead, c.lead) >= 2**31:
        raise ValueError(
            f"a matrix product of {m} x {k} x {n} is too large for this BLAS"
        )
    vector = min(m, n) == 1 and m * n * k >= VECTOR_WORK
    head = (
        _vector_head(dtype, m, n, k, a, b, c)
        if vector
        else _head(dtype, m, n, k, a, b, c)
    )
    work = m * n * k
    blocks = _Blocks(
        0, 0, [(n, *(steps[i] for i in head.order)) for n, *steps in loops]
    )
    if not loops:
        blocks = _cut(head, vector, work, np.dtype(dtype).itemsize)
    alone = work >= (ALONE_VECTOR_WORK if min(m, n) == 1 else ALONE_WORK)
    words = _words(head, blocks, alone, alpha, beta, dtype)
    slots = [(A, B, C)[head.order.index(operand)] for operand in range(3)]
    slots += [ALPHA_POINTER] * (alpha is None) + [BETA_POINTER] * (beta is None)
    total = math.prod(size for size, *_ in blocks.loops)
    cost = CALL_NS + 2.0 * work / FLOPS_PER_NS[dtype] / (total if blocks.split else 1)
    grain = 1 if blocks.split else max(1, int(PARALLEL_NS / cost))
    code = gemv if vector else gemm
    return CallArrangement(code, words, tuple(slots), total, grain, cost * total)


def _words(
    head: _Head,
    blocks: _Blocks,
    alone: bool,
    alpha: complex | None,
    beta: complex | None,
    dtype: str,
) -> tuple[int, ...]:
    """The argument block, with 0 where pointers belong."""
    words = [
        *head.words,
        *_number_words(alpha, dtype), *_number_words(beta, dtype),
        *[0] * 5,
        blocks.split, blocks.full, int(alone), len(blocks.loops),
        *[word for loop in blocks.loops for word in loop],
    ]  # fmt: skip
    if blocks.split:
        words[blocks.split] = blocks.size
    return tuple(words)


@dataclass(frozen=True)
class _Blocks:
    """How one product is cut: the word that is split (M, N, or 0 for not at all), its
    whole size, and the loop over the blocks (as in `gemm_step`, in BLAS's order)."""

    split: int
    full: int
    loops: Sequence[tuple[int, ...]]
    size: int = 0


def _cut(head: _Head, vector: bool, work: int, item: int) -> _Blocks:
    """Blocks along the larger side of C: one for each thread, if they have enough to do."""
    words = head.words
    sides = (words[M], words[N])
    count = min(threads.use(config.num_threads), work // BLOCK_WORK)
    if vector:
        split = N if words[TRANSPOSE_A] == ord("T") else M
    else:
        split = M if sides[0] >= sides[1] else N
    full = words[split]
    size = -(-full // max(count, 1) // LANES) * LANES
    if count < 2 or size >= full:
        return _Blocks(0, 0, ())
    transposed_a, transposed_b = (words[t] == ord("T") for t in (1, 2))
    step_a = step_b = step_c = 0
    if vector:  # A is M x N; C has steps of LEAD_C
        step_a, step_c = words[LEAD_A] if split == N else 1, words[LEAD_C]
    elif split == M:
        step_a, step_c = words[LEAD_A] if transposed_a else 1, 1
    else:
        step_b, step_c = 1 if transposed_b else words[LEAD_B], words[LEAD_C]
    steps = (step_a * size * item, step_b * size * item, step_c * size * item)
    return _Blocks(split, full, [(-(-full // size), *steps)], size)


@dataclass(frozen=True)
class _Head:
    """The first words of a block, and which operand (0 A, 1 B, 2 C) each pointer is."""

    words: tuple[int, ...]
    order: tuple[int, int, int]


def _head(dtype: str, m: int, n: int, k: int, a: Matrix, b: Matrix, c: Matrix) -> _Head:
    letters = (_transpose_letter(a.transposed), _transpose_letter(b.transposed))
    routine = blas_address(f"{LETTERS[dtype]}gemm")
    map_buffers(threads.use(config.num_threads))
    words = (routine, *letters, m, n, k, a.lead, b.lead, c.lead)
    return _Head(words, (a.operand, b.operand, c.operand))


def _vector_head(
    dtype: str, m: int, n: int, k: int, a: Matrix, b: Matrix, c: Matrix
) -> _Head:
    """As `gemv`: where the result is a row, everything is transposed first."""
    step = 1
    if n != 1:
        a, b, m, step = b.flipped(), a.flipped(), n, c.lead
    rows, columns = (k, m) if a.transposed else (m, k)
    routine = blas_address(f"{LETTERS[dtype]}gemv")
    letter = _transpose_letter(a.transposed)
    step_b = b.lead if b.transposed else 1
    words = (routine, letter, 0, rows, columns, 0, a.lead, step_b, step)
    return _Head(words, (a.operand, b.operand, c.operand))


def _transpose_letter(transposed: bool) -> int:
    return ord("T" if transposed else "N")


def _number_words(number: complex | None, dtype: str) -> list[int]:
    """A scalar as the two words of a block."""
    words = np.zeros(2, np.int64)
    if number is not None:
        words.view(dtype)[0] = number if np.dtype(dtype).kind == "c" else number.real
    return [int(word) for word in words]


# ------------------------------------------------------------------ copying, filling

memcpy = External("memcpy", "i64(i64, i64, i64)", C_LIBRARY)
memset = External("memset", "i64(i64, i32, i64)", C_LIBRARY)


@native
def copy(arguments: int, begin: int, end: int) -> int:
    """Copy bytes `begin` to `end`: [to, from]."""
    if end > begin:
        memcpy(load(arguments, 0) + begin, load(arguments, 1) + begin, end - begin)
    return 0


@native
def fill(arguments: int, begin: int, end: int) -> int:
    """Set bytes `begin` to `end`: [where, byte]."""
    if end > begin:
        memset(load(arguments, 0) + begin, load(arguments, 1), end - begin)
    return 0


def copy_step(count: int) -> CallArrangement:
    """Copy `count` bytes.  The pointers are those of the target and of the source, which
    may not overlap."""
    return _bytes_step(copy, (0, 0), (0, 1), count)


def fill_step(count: int, byte: int = 0) -> CallArrangement:
    """Set `count` bytes to `byte`.  One pointer."""
    return _bytes_step(fill, (0, byte), (0,), count)


def _bytes_step(
    code: Native[Any], words: tuple[int, ...], slots: tuple[int, ...], count: int
) -> CallArrangement:
    grain = int(PARALLEL_NS * BYTES_PER_NS)
    return CallArrangement(code, words, slots, count, grain, count / BYTES_PER_NS)


# ------------------------------------------------------------------- Python functions

STEP_FUNCTION = ctypes.CFUNCTYPE(
    ctypes.c_int64, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64
)


@dataclass(eq=False)
class PythonStep:
    """A step that calls a Python function without arguments.  It takes the GIL itself.

    An exception ends the run at this step and is kept as `error` (`take_error` hands it
    out).  The object must live as long as the step.
    """

    function: Callable[[], object]
    error: BaseException | None = None
    arrangement: CallArrangement = field(init=False)

    def __post_init__(self) -> None:
        self._trampoline = STEP_FUNCTION(self._call)
        address = ctypes.cast(self._trampoline, ctypes.c_void_p).value or 0
        self.arrangement = CallArrangement(address, (), (), cost_ns=2000.0)

    def _call(self, arguments: int, begin: int, end: int) -> int:
        try:
            self.function()
        except BaseException as error:  # it must not leave through native code
            self.error = error
            return 1
        return 0

    def take_error(self) -> BaseException | None:
        """The exception of the last failed run, once."""
        error, self.error = self.error, None
        return error


def python_step(function: Callable[[], object]) -> PythonStep:
    """The step that calls `function()`; its words are in `.arrangement`."""
    return PythonStep(function)
