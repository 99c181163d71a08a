"""Steps that call libraries: matrix products by BLAS (see `kernels.cpu.library.blas_gemm`), copies,
Python functions.
"""

from __future__ import annotations

import ctypes
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import field
from typing import Any

import numpy as np

from symnet.config import config
from symnet.data_classes import dataclass
from symnet.kernels.cpu.jit.intrinsics import C_LIBRARY, CFunction, load
from symnet.kernels.cpu.jit.native import Native, native
from symnet.kernels.cpu.library.blas import blas_address, map_buffers
from symnet.kernels.cpu.library.blas_gemm import (
    ALPHA_POINTER,
    BETA_POINTER,
    LEAD_A,
    LEAD_B,
    LEAD_C,
    TRANSPOSE_A,
    TRANSPOSE_B,
    A,
    B,
    C,
    K,
    M,
    N,
    memset,
    multiply,
)
from symnet.kernels.cpu.runtime import threads
from symnet.kernels.llvm.emitted_function import EmittedFunction

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
# Blocks of a large product: so many multiplications are worth a thread, and each block
# copies what it reads of the other matrix once more: measured, blocks of 100 columns take
# 1.15 of the time of one, and of 250 1.05.
BLOCK_WORK = 1_000_000
BLOCK_WIDTH = 96
LANES = 16  # blocks end at a whole vector
# How a product is cut follows from its sizes and from the machine alone, because BLAS
# rounds by the shape of what it is given: the number of threads changes no bit.
PROCESSORS = os.cpu_count() or 1
# ReductionParts of a long sum.  BLAS adds large products up in blocks of its own, and so the rows
# of a matrix times a vector; small products, the columns of a matrix times a vector, and
# two vectors it adds up one by one.  Measured in float32, where all roundings go one way:
# 1e-5 of the sum lost after 2000 terms, 1e-3 after a million.  In float64 nobody counts
# the last digit of so few.
LARGE_PART, SMALL_PART, NARROW_PART, ROWS_PART = 4096, 512, 1024, 4096
DOUBLE_PARTS = 4  # times as long
NARROW = 8  # elements of a result so small that BLAS adds up most slowly
LARGE_RESULT = 4096  # elements of a large product


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
    argument block, the positions of the pointers there, and (see `kernels.cpu.runtime.runner`) its
    items.

    scratch_bytes: memory that it needs besides, whose address stands at `scratch_slot`.
    routines: the words that hold addresses of other functions.
    own_words: words that hold the address of another word of the block.
    after: what is done afterwards with the same block, one after another, and how many items
    each has."""

    code: Native[Any] | EmittedFunction | int
    words: tuple[int, ...]
    pointer_slots: tuple[int, ...]
    total: int = 1
    grain: int = 1
    cost_ns: float = 0.0
    scratch_bytes: int = 0
    scratch_slot: int = 0
    routines: tuple[tuple[int, EmittedFunction | Native[Any]], ...] = ()
    own_words: tuple[tuple[int, int], ...] = ()
    after: tuple[tuple[Native[Any], int], ...] = ()

    @property
    def address(self) -> int:
        return self.code if isinstance(self.code, int) else self.code.address


# -------------------------------------------------------------------- matrix products


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
    alpha, beta: numbers, or None: read from memory when the step runs.  With the number
    beta == 0 C is not read; a real beta from memory that is 0 keeps its NaN, as a real
    alpha that is 0 keeps those of A @ B.
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
    work, itemsize = m * n * k, np.dtype(dtype).itemsize
    blocks = _Blocks(
        0, 0, [(n, *(steps[i] for i in head.order)) for n, *steps in loops]
    )
    if not loops:
        blocks = _cut(head, work, itemsize)
    alone = work >= (ALONE_VECTOR_WORK if min(m, n) == 1 else ALONE_WORK)
    words = _words(head, blocks, alone, alpha, beta, dtype)
    slots = [(A, B, C)[head.order.index(operand)] for operand in range(3)]
    slots += [ALPHA_POINTER] * (alpha is None) + [BETA_POINTER] * (beta is None)
    total = math.prod(size for size, *_ in blocks.loops)
    cost = CALL_NS + 2.0 * work / FLOPS_PER_NS[dtype] / (total if blocks.split else 1)
    grain = 1 if blocks.split else max(1, int(PARALLEL_NS / cost))
    return CallArrangement(multiply, words, tuple(slots), total, grain, cost * total)


def _words(
    head: _Head,
    blocks: _Blocks,
    alone: bool,
    alpha: complex | None,
    beta: complex | None,
    dtype: str,
) -> tuple[int, ...]:
    """The argument block, with 0 where pointers belong."""
    numbers = [_number_words(number, dtype) for number in (alpha, beta, 1.0, 0.0)]
    item, real = np.dtype(dtype).itemsize, np.zeros(0, dtype).real.itemsize
    words = [
        *head.words, *numbers[0], *numbers[1],
        *[0] * 5,
        blocks.split, blocks.full, int(alone), int(head.vector),
        head.contracted, *_parts(head, item, real), item, real,
        *numbers[2], *numbers[3],
        len(blocks.loops), *[word for loop in blocks.loops for word in loop],
    ]  # fmt: skip
    if blocks.split:
        words[blocks.split] = blocks.size
    return tuple(words)


def _parts(head: _Head, item: int, real: int) -> tuple[int, int, int]:
    """The length of the parts of a long sum (0: it is not long), and the bytes from part
    to part in A and in B."""
    words, length = head.words, head.words[head.contracted]
    most = _longest_part(head) * (DOUBLE_PARTS if real == 8 else 1)
    if length < 2 * most:
        return 0, 0, 0
    part = -(-length // (length // most) // LANES) * LANES
    step_a = 1 if words[TRANSPOSE_A] == ord("T") else words[LEAD_A]
    by_lead = head.vector or words[TRANSPOSE_B] == ord("T")
    step_b = words[LEAD_B] if by_lead else 1
    return part, part * step_a * item, part * step_b * item


def _longest_part(head: _Head) -> int:
    """In float32."""
    words = head.words
    elements = words[M] * words[N]
    if not head.vector:
        return LARGE_PART if elements >= LARGE_RESULT else SMALL_PART
    by_rows = words[TRANSPOSE_A] == ord("T")
    result = elements // words[head.contracted]
    if by_rows and result > 1:
        return ROWS_PART
    return SMALL_PART if result < NARROW else NARROW_PART


@dataclass(frozen=True)
class _Blocks:
    """How one product is cut: the word that is split (M, N, or 0 for not at all), its
    whole size, and the loop over the blocks (as in `gemm_step`, in BLAS's order)."""

    split: int
    full: int
    loops: Sequence[tuple[int, ...]]
    size: int = 0


def _cut(head: _Head, work: int, item: int) -> _Blocks:
    """Blocks along the larger side of C: one for each processor, if they have enough to
    do."""
    words, vector = head.words, head.vector
    sides = (words[M], words[N])
    if vector:
        split = N if words[TRANSPOSE_A] == ord("T") else M
    else:
        split = M if sides[0] >= sides[1] else N
    count = min(PROCESSORS, work // BLOCK_WORK)
    count = min(count, max(2, words[split] // BLOCK_WIDTH))
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
    """The first words of a block, which operand (0 A, 1 B, 2 C) each pointer is, and the
    word of the size that is summed over; vector: whether it is a product with one."""

    words: tuple[int, ...]
    order: tuple[int, int, int]
    contracted: int = K
    vector: bool = False


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
    contracted = M if a.transposed else N
    return _Head(words, (a.operand, b.operand, c.operand), contracted, True)


def _transpose_letter(transposed: bool) -> int:
    return ord("T" if transposed else "N")


def _number_words(number: complex | None, dtype: str) -> list[int]:
    """A scalar as the two words of a block."""
    words = np.zeros(2, np.int64)
    if number is not None:
        words.view(dtype)[0] = number if np.dtype(dtype).kind == "c" else number.real
    return [int(word) for word in words]


# ------------------------------------------------------------------ copying, filling

memcpy = CFunction("memcpy", "i64(i64, i64, i64)", C_LIBRARY)


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


def copy_launch(count: int) -> CallArrangement:
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
