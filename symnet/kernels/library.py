"""Calls of libraries as data: routines (`kernels.routines`) on arrays that lie somehow.

A device makes a task of each (`kernels.interface.Device.library`): the CPU by BLAS and by
routines of its own, the reference device by NumPy.  The operands of a call are pointers
in the order that its class names; those of numbers that are known are not needed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from symnet.kernels.routines import Draw

Pair: TypeAlias = tuple[int, int]
PANEL_BYTES = 64


def panel_width(dtype: str) -> int:
    """Columns of one panel of a packed matrix of float32 or float64."""
    return PANEL_BYTES // {"float32": 4, "float64": 8}[dtype]


@dataclass(frozen=True, slots=True)
class GemmCall:
    """C = alpha A B + beta C, once or (batched) in loops.  Operands: alpha, A, B, beta, C.

    sizes: m, n, k of A (m, k), B (k, n), C (m, n); strides: bytes from row to row and from
    column to column of A, B and C; each of `loops` is a size and the byte strides of A, B
    and C along it.  C does not overlap A or B.
    alpha, beta: numbers, or None: read from memory when the call runs.  With the number
    beta = 0 C is not read.
    Dtypes: float32, float64, complex64, complex128, the same for all.
    """

    dtype: str
    sizes: tuple[int, int, int]
    strides: tuple[Pair, Pair, Pair]
    alpha: complex | None = 1.0
    beta: complex | None = 0.0
    loops: tuple[tuple[int, int, int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class PackedGemm:
    """C = alpha A B + beta D with B packed.  Operands: alpha, A, B, beta, D, C.

    B has its columns in panels of PANEL_BYTES: (panels, k, width); panel p holds of row k
    the columns p * width to (p + 1) * width, the last one perhaps only some of them.
    sizes: m, n, k; strides: bytes of A, of C and of D, whose rows have no gaps; D is C or
    lies elsewhere.
    alpha, beta: numbers, or None: read from memory when the call runs.
    Dtypes: float32, float64.
    """

    dtype: str
    sizes: tuple[int, int, int]
    strides: tuple[Pair, Pair, Pair]
    alpha: float | None = 1.0
    beta: float | None = 0.0


@dataclass(frozen=True, slots=True)
class Unwind:
    """The last `kept` rows of a history from a ring of `slots` rows (a power of two).
    Operands: the ring, the number of turns (int64), the rows.

    The history begins with `depth` rows and grows by one in each turn; row number r lies
    in slot r modulo `slots`.  Rows before the first are filled with zeros.
    """

    row_bytes: int
    slots: int
    depth: int
    kept: int


@dataclass(frozen=True, slots=True, eq=False)
class BoundDraw:
    """A draw of random numbers.  Operands, without gaps: inputs, then outputs; in between,
    of an output that is changed in place, what it holds before.

    operands: dtype and shape of each; outputs: how many of them, at the end.
    reference: the arrays of the operands -> those of the outputs, by NumPy; what it
    raises as ValueError is a refusal of the arguments.
    """

    draw: Draw
    operands: tuple[tuple[str, tuple[int, ...]], ...]
    outputs: int
    reference: Callable[[Sequence[Any]], Sequence[Any]]


Call: TypeAlias = GemmCall | PackedGemm | Unwind | BoundDraw
