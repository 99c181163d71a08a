"""Functions of matrices as native steps: LAPACK as NumPy calls it, triangular systems."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from symnet.kernels.cpu.jit.floats import same, wide_bits
from symnet.kernels.cpu.jit.intrinsics import (
    call,
    load,
    load_i32,
    memcpy,
)
from symnet.kernels.cpu.jit.native import native
from symnet.kernels.cpu.library.blas import (
    begin_product,
    blas_address,
    end_product,
    enter_serial,
    leave_serial,
)
from symnet.kernels.cpu.library.call_steps import LETTERS, CallArrangement
from symnet.kernels.cpu.library.numpy_loops import (
    LoopOperand,
    inner_loop,
    loop_step,
    ufunc_signature,
)
from symnet.kernels.routines import MatrixFunction, TriangularSolve

Shape = tuple[int, ...]
MODULE = "numpy.linalg._umath_linalg"
# How many inputs and outputs a function has; those whose dtypes are real.
OPERANDS: dict[str, tuple[int, int]] = {
    "solve": (2, 1), "solve1": (2, 1), "slogdet": (1, 2), "eig": (1, 2), "eigh_lo": (1, 2),
    "eigh_up": (1, 2), "svd_s": (1, 3), "svd_f": (1, 3), "qr_reduced": (2, 1),
    "qr_complete": (2, 1),
}  # fmt: skip
REAL = {"slogdet": 2, "eigh_lo": 1, "eigh_up": 1, "eigvalsh_lo": 1, "svd": 1,
        "svd_s": 2, "svd_f": 2}  # fmt: skip
# Multiplications of a function, in cubes of a matrix's size, and multiplications in a
# nanosecond.
CUBES = {
    "eig": 25.0,
    "eigh_lo": 9.0,
    "eigh_up": 9.0,
    "svd_s": 20.0,
    "svd_f": 20.0,
    "svd": 4.0,
}
PER_NS, CALL_NS = 8.0, 1000.0
GRAIN_NS = 20_000.0  # of work that one thread takes


def loop_types(function: MatrixFunction) -> str:
    """The types of its operands, as a ufunc names them."""
    character = np.dtype(function.dtype).char
    real = np.zeros(0, function.dtype).real.dtype.char
    inputs, outputs = OPERANDS.get(function.kind, (1, 1))
    given = [character] * (inputs + outputs)
    if function.kind in REAL:
        given[REAL[function.kind]] = real
    return "".join(given[:inputs]) + "->" + "".join(given[inputs:])


def offers_function(function: MatrixFunction) -> bool:
    if function.dtype not in LETTERS:
        return False
    return inner_loop(MODULE, function.kind, loop_types(function)) is not None


def function_step(function: MatrixFunction, shapes: Sequence[Shape]) -> CallArrangement:
    """The step for operands without gaps of these shapes, which are its pointers."""
    kind, in_place = function.kind, function.kind == "qr_r_raw"
    if in_place:  # its result has the place of what it works on
        shapes = shapes[1:]
    if kind == "qr_complete" and shapes[0][0] <= shapes[0][1]:
        kind = "qr_reduced"  # which has all columns then
    found = inner_loop(MODULE, kind, loop_types(function))
    assert found is not None
    cores = core_dimensions(ufunc_signature(MODULE, kind))
    item = np.dtype(function.dtype).itemsize
    items = math.prod(shapes[0][: len(shapes[0]) - len(cores[0])])
    sizes: dict[str, int] = {}
    operands = []
    kinds = loop_types(function).replace("->", "")
    for core, shape, letter in zip(cores, shapes, kinds, strict=True):
        own = shape[len(shape) - len(core) :]
        sizes.update(zip(core, own, strict=True))
        item = np.dtype(letter).itemsize
        steps = dense_steps(own, item)
        operands.append(LoopOperand(math.prod(own) * item, 0, steps))
    work = CUBES.get(function.kind, 1.0) * float(max(sizes.values(), default=0)) ** 3
    cost = (CALL_NS + work / PER_NS) * items
    step = loop_step(
        found, (1, *sizes.values()), operands, items, cost, function.fallible
    )
    return replace(step, pointer_slots=(-1, *step.pointer_slots)) if in_place else step


def core_dimensions(signature: str) -> list[tuple[str, ...]]:
    """The names of the core dimensions of a ufunc's operands, in their order."""
    groups = re.findall(r"\(([^)]*)\)", signature)
    return [tuple(n.strip() for n in g.split(",") if n.strip()) for g in groups]


def dense_steps(shape: Shape, item: int) -> tuple[int, ...]:
    """The strides of an array without gaps."""
    return tuple(item * math.prod(shape[k + 1 :]) for k in range(len(shape)))


# ---- triangular systems
#
# Rows here are columns of Fortran: it sees a transposed, and b transposed, so that
# x a' = b' is to be solved for x from the right.

ROUTINE, MATRIX, RIGHT, SOLUTION = 0, 1, 2, 3
ITEM, REALS, BYTES = 4, 5, 6
SIZE, COLUMNS = 7, 8
SIDE, PART, TRANSPOSED, DIAGONAL, FACTOR = 9, 10, 11, 12, 13  # a factor has two words


@native
def is_zero(address: int, narrow: int) -> int:
    """Whether the float at an address is 0."""
    if narrow != 0:
        return same(wide_bits(load_i32(address, 0)), 0)
    return same(load(address, 0), 0)


@native
def solve_triangle(arguments: int, begin: int, end: int) -> int:
    for item in range(begin, end):
        size = load(arguments, SIZE)
        matrix = load(arguments, MATRIX) + item * size * size * load(arguments, ITEM)
        moved = item * load(arguments, BYTES)
        right = load(arguments, RIGHT) + moved
        if solve_one(arguments, matrix, right, load(arguments, SOLUTION) + moved) != 0:
            return 1
    return 0


@native
def solve_one(arguments: int, matrix: int, right: int, solution: int) -> int:
    size = load(arguments, SIZE)
    item = load(arguments, ITEM)
    reals = load(arguments, REALS)
    part = item // reals
    for k in range(size):
        place = matrix + k * (size + 1) * item
        zeros = 0
        for one in range(reals):
            zeros = zeros + is_zero(place + one * part, part == 4)
        if zeros == reals:
            return 1
    memcpy(solution, right, load(arguments, BYTES))
    if load(arguments, BYTES) == 0:
        return 0
    begin_product()
    enter_serial()
    call(
        load(arguments, ROUTINE),
        arguments + 8 * SIDE,
        arguments + 8 * PART,
        arguments + 8 * TRANSPOSED,
        arguments + 8 * DIAGONAL,
        arguments + 8 * COLUMNS,
        arguments + 8 * SIZE,
        arguments + 8 * FACTOR,
        matrix,
        arguments + 8 * SIZE,
        solution,
        arguments + 8 * COLUMNS,
    )
    leave_serial()
    end_product()
    return 0


def triangular_step(
    routine: TriangularSolve, matrix: Shape, right: Shape
) -> CallArrangement:
    """The step; pointers: the matrix, the right side, the solution."""
    kind = np.dtype(routine.dtype)
    reals = 2 if kind.kind == "c" else 1
    rank, size = len(matrix), matrix[-1]
    items, columns = math.prod(matrix[:-2]), math.prod(right[rank - 1 :])
    one = np.zeros(16, np.uint8)
    one[: kind.itemsize] = np.ones(1, kind).view(np.uint8)
    factor = [int(word) for word in one.view(np.int64)]
    words = (
        blas_address(f"{LETTERS[routine.dtype]}trsm"), 0, 0, 0,
        kind.itemsize, reals, kind.itemsize * size * columns, size, columns,
        ord("R"), ord("U" if routine.lower else "L"), ord("N"), ord("N"), *factor,
    )  # fmt: skip
    each = CALL_NS / 10 + size**2 * columns * reals**2 / PER_NS
    grain = max(1, int(GRAIN_NS / each))
    slots = (MATRIX, RIGHT, SOLUTION)
    return CallArrangement(solve_triangle, words, slots, items, grain, each * items)
