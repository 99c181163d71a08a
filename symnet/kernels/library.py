"""Calls of libraries as data: routines (`kernels.routines`) on arrays that lie somehow.

A device makes a task of each (`kernels.interface.Device.library`): the CPU by BLAS and by
routines of its own, the reference device by NumPy.  The operands of a call are pointers
in the order that its class names; those of numbers that are known are not needed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from symnet.data_classes import dataclass
from symnet.kernels.routines import Dense

Pair: TypeAlias = tuple[int, int]
PANEL_BYTES = 64
ITEM_BYTES = {"float32": 4, "float64": 8}


def panel_width(dtype: str) -> int:
    """Columns of one panel of a packed matrix of float32 or float64."""
    return PANEL_BYTES // ITEM_BYTES[dtype]


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
class ConvolutionCall:
    """Operands x, w -> y: see `ops.nnet.convolution`, whose equation this is along three
    spatial axes.

    sizes: of the output; taps: of the filters; inputs: of x; low: how far the output
    begins before x.  Strides in bytes: of x (group, image, channel, and three), of w
    (group, output, channel, ...) and of y (group, image, output, ...), whose spatial axes
    have no gaps.
    Dtypes: float32, float64.
    """

    dtype: str
    groups: int
    images: int
    outputs: int
    channels: int
    inputs: tuple[int, int, int]
    taps: tuple[int, int, int]
    sizes: tuple[int, int, int]
    low: tuple[int, int, int]
    strides: tuple[int, int, int]
    dilations: tuple[int, int, int]
    spreads: tuple[int, int, int]
    x_strides: tuple[int, ...]
    w_strides: tuple[int, ...]
    y_strides: tuple[int, ...]

    @property
    def inner(self) -> int:
        """The length of the contracted axes together."""
        return self.channels * math.prod(self.taps)

    @property
    def work(self) -> int:
        """Multiplications."""
        places = self.groups * self.images * self.outputs * math.prod(self.sizes)
        return places * self.inner

    @property
    def taps_are_dense(self) -> bool:
        """Whether the taps of one channel of a filter lie without gaps."""
        return _dense(self.taps, self.w_strides[3:], ITEM_BYTES[self.dtype])

    @property
    def x_is_dense(self) -> bool:
        """Whether an image of one channel of x lies without gaps."""
        return _dense(self.inputs, self.x_strides[3:], ITEM_BYTES[self.dtype])

    @property
    def w_step(self) -> int:
        """Bytes from one number of a filter to the next, where that is a number."""
        one = math.prod(self.taps) == 1
        return self.w_strides[2] if one else ITEM_BYTES[self.dtype]

    @property
    def is_uniform(self) -> bool:
        """Whether all numbers of a filter lie at equal distances."""
        taps = math.prod(self.taps)
        if taps == 1:
            return True
        whole = self.channels == 1 or self.w_strides[2] == taps * self.w_step
        return self.taps_are_dense and whole

    @property
    def is_product(self) -> bool:
        """Whether there is one place of the output, and it meets all numbers of x."""
        met = (self.inputs == self.taps, self.low == (0, 0, 0))
        plain = self.dilations == self.spreads == (1, 1, 1)
        shape = (self.channels, *self.inputs)
        x_dense = _dense(shape, self.x_strides[2:], ITEM_BYTES[self.dtype])
        w_dense = _dense(shape, self.w_strides[2:], ITEM_BYTES[self.dtype])
        return math.prod(self.sizes) == 1 and all(met) and plain and x_dense and w_dense


def _dense(sizes: Sequence[int], strides: Sequence[int], item: int) -> bool:
    for size, stride in zip(reversed(sizes), reversed(strides), strict=True):
        if size != 1 and stride != item:
            return False
        item *= size
    return True


@dataclass(frozen=True, slots=True)
class Unwind:
    """The last `kept` rows of a history from a ring of `slots` rows (a power of two).
    Operands: the ring, the number of iterations (int64), the rows.

    The history begins with `depth` rows and grows by one in each iteration; row number r lies
    in slot r modulo `slots`.  Rows before the first are filled with zeros.
    """

    row_bytes: int
    slots: int
    depth: int
    kept: int


@dataclass(frozen=True, slots=True, eq=False)
class DenseCall:
    """A routine on operands without gaps: inputs, then outputs; in between, of an output
    that is changed in place, what it holds before.

    operands: dtype and shape of each; outputs: how many of them, at the end.
    sizes: inputs that are host integers.
    reference: the arrays of the operands -> those of the outputs, by NumPy; what it
    raises as ValueError is a refusal of the arguments.
    """

    routine: Dense
    operands: tuple[tuple[str, tuple[int, ...]], ...]
    outputs: int
    sizes: tuple[int, ...]
    reference: Callable[[Sequence[Any]], Sequence[Any]]


Call: TypeAlias = GemmCall | PackedGemm | ConvolutionCall | Unwind | DenseCall
