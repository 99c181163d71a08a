"""Routines of libraries, as data: what a program asks for and a device finds code for.

A routine says what is computed, not how.  A device's `offers` tells whether it has one;
its operands are arrays whose sizes and strides a plan knows.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from symnet.data_classes import dataclass

# MRG31k3p: the moduli of its two recurrences, and what a draw is multiplied with.  Of a
# draw as float16 only 15 bits are used.
M1 = 2147483647  # 2**31 - 1
M2 = 2147462579  # 2**31 - 21069
NORMS = {
    "float16": float(np.float16(3.0458e-05)),
    "float32": float(np.float32(4.6566126e-10)),
    "float64": 2.0**-31,
}

# The Mersenne Twister's state, by 32-bit word: 624 numbers, how many are used, whether
# there is a normal number left, and that number.
TWISTER_WORDS = 628
HAS_GAUSS, GAUSS = 625, 626
# One draw of these is a row.
ROWS = ("permutation", "multinomial")


@dataclass(frozen=True)
class MatrixProduct:
    """The product of matrices, vectors, or batches of matrices.

    Operands: a, b -> c; with `scaled` alpha, a, b, beta -> c = alpha a b + beta c, which
    lies in c before.
    packed: b lies in panels (see `compile.lower.pack_weights`); c may be another operand.
    """

    dtype: str
    scaled: bool = False
    packed: bool = False

    @property
    def name(self) -> str:
        return "product with panels" if self.packed else "gemm"


@dataclass(frozen=True)
class MrgUniform:
    """Numbers between 0 and 1, both excluded, from states of MRG31k3p: sample number k
    from stream k % streams.

    Operands: -> states int32 (streams, 6), moved on in place; sample `dtype`.
    Source: see `kernels.cpu.library.mrg31k3p`.
    """

    dtype: str
    name = "MRG31k3p"


@dataclass(frozen=True)
class Categorical:
    """Classes drawn from rows of probabilities by uniform numbers.

    counts: how often each class is drawn; else which classes are, none twice, and what is
    left of a row is rounded to float32 where it is `narrow`.
    Operands: probabilities (rows, classes), uniform numbers (draws * rows,) ->
    counts (rows, classes), or classes (rows, draws) and memory (rows, classes).
    """

    counts: bool
    narrow: bool
    name = "pick"


@dataclass(frozen=True)
class NumpyDistribution:
    """Numbers of a distribution, one after another from the state of a generator.

    generator: "twister", a Mersenne Twister's state (`TWISTER_WORDS`,), moved on in place;
    or "philox", key, stream and position (3,), where each draw has a counter of its own.
    Operands: state of "philox", two parameters -> state of "twister", sample.
    A parameter is one number or has one for each draw; see `ops.random`.
    """

    kind: str
    generator: str

    @property
    def name(self) -> str:
        return "Philox" if self.generator == "philox" else "RandomState"


@dataclass(frozen=True)
class Convolve:
    """A convolution: see `ops.nnet.convolution`.  Operands: x, w -> y."""

    dtype: str
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    spreads: tuple[int, ...]
    order: tuple[int, ...]
    name = "convolution"


@dataclass(frozen=True)
class SparseProduct:
    """A matrix in compressed rows times a dense one; with `transposed` the matrix that has
    the same arrays as compressed columns.

    Operands: data (entries,), indices int32 (entries,), indptr int32 (rows + 1,), b of
    `dtype` -> c.  b has as many rows as the matrix columns, c as many as it has rows.
    Refuses indices outside of the matrix, and an indptr that does not rise.
    """

    dtype: str
    transposed: bool
    name = "sparse product"


@dataclass(frozen=True)
class SampledProduct:
    """The elements of u v.T at the entries of a matrix in compressed rows.

    Operands: indices int32 (entries,), indptr int32 (rows + 1,), u (rows, inner) and
    v (columns, inner) of `dtype` -> data (entries,).  Refuses what `SparseProduct` does.
    """

    dtype: str
    name = "sampled product"


@dataclass(frozen=True)
class EntryRows:
    """In which compressed row each entry is.

    Operands: indptr int32 (rows + 1,), indices (entries,), of which only the number counts
    -> rows int32 (entries,).  Refuses an indptr that
    does not rise from 0, or beyond the entries.
    """

    name = "rows of entries"


@dataclass(frozen=True)
class EntryCheck:
    """The indices of a matrix in compressed rows, if they and indptr are in order.

    Operands: indptr int32 (rows + 1,), indices int32 (entries,), limit int64 () ->
    the indices.  Refuses those that are not from 0 to below the limit, and an indptr that
    does not rise from 0 to the number of entries.
    """

    name = "check of entries"


@dataclass(frozen=True)
class MatrixFunction:
    """A function of matrices, or of batches of them, which stand in the last two axes.

    kind, of x (n, n): "inv" and "cholesky_lo", "cholesky_up" (the other triangle is 0)
    -> (n, n); "det" -> (); "slogdet" -> the sign (), the logarithm ();
    "eig", of complex128 -> eigenvalues (n,), eigenvectors (n, n) as columns;
    "eigh_lo", "eigh_up" -> ascending eigenvalues (n,), eigenvectors (n, n) as columns;
    "eigvalsh_lo" -> eigenvalues (n,); of a, b: "solve1" (n, n), (n,) -> (n,); "solve"
    (n, n), (n, k) -> (n, k).  Of x (m, n): "svd" -> descending singular values;
    "svd_s", "svd_f" -> u, s, vt with min(m, n) columns and rows, or square.
    "qr_r_raw", of float64 and complex128 only: the first output lies where x was, and has
    its reflections (see `ops.linalg.spectral.Reflections`); their factors (min(m, n),).
    "qr_reduced", "qr_complete": of these two -> q.
    fallible: whether a matrix that has none of these stops the call; else its result is NaN.
    Dtypes: float32, float64, complex64, complex128; determinants' logarithms, eigenvalues
    and singular values are real.
    """

    kind: str
    dtype: str
    fallible: bool = True

    @property
    def name(self) -> str:
        return f"LAPACK {self.kind}"


@dataclass(frozen=True)
class TriangularSolve:
    """The solution of a x = b with the lower or the upper triangle of a.

    Operands: a (..., n, n), b (..., n) or (..., n, k) -> as b.  It refuses a 0 on the diagonal.
    Dtypes: float32, float64, complex64, complex128, the same for all.
    """

    lower: bool
    dtype: str
    name = "triangular solve"


@dataclass(frozen=True)
class Fourier:
    """Discrete Fourier transforms along one axis, without a factor.

    kind: "fft", "ifft" of complex numbers; "rfft" of real numbers to the first half of
    the complex ones; "irfft" back.  A complex number is a pair of `dtype` in an axis of
    its own behind all others: (..., n, inner, 2) -> (..., n, inner, 2) for "fft" and
    "ifft", (..., n) -> (..., n // 2 + 1, 2) for "rfft", and back for "irfft".
    Dtypes: float32, float64.
    """

    kind: str
    dtype: str

    @property
    def name(self) -> str:
        return self.kind


@dataclass(frozen=True)
class Ordering:
    """The elements of each row (last axis) in ascending order, NaN last; or, with
    `positions`, the positions that sort it, equals in their order: int64.

    Operands: x -> the same shape.
    """

    dtype: str
    positions: bool

    @property
    def name(self) -> str:
        return "argsort" if self.positions else "sort"


@dataclass(frozen=True)
class Largest:
    """The largest elements of each row (last axis), descending, equals in their order and
    NaN as the largest; or, where the number asked for is negative, the smallest, ascending.

    Operands: x -> values, positions (int64), with as many elements in each row as asked for.
    """

    dtype: str
    name = "topk"


@dataclass(frozen=True)
class Places:
    """Where in an ascending vector elements belong, NaN last: before equal elements, or
    behind them where `right`.  Operands: x (n,), v of the same dtype -> int64 like v."""

    dtype: str
    right: bool
    name = "searchsorted"


@dataclass(frozen=True)
class Running:
    """Sums ("add"), products ("mul") or the largest ("max") of the elements up to each along
    an axis, one after the other.  Operands: x -> the same shape.  "linear": a, b -> y of
    their shape, with y[0] = b[0] and y[i] = a[i] y[i - 1] + b[i]."""

    kind: str
    dtype: str
    axis: int
    name = "running total"


Draw: TypeAlias = MrgUniform | Categorical | NumpyDistribution
OnEntries: TypeAlias = SparseProduct | SampledProduct | EntryRows | EntryCheck
# Those whose operands have no gaps.
Dense: TypeAlias = (
    Draw
    | OnEntries
    | MatrixFunction
    | TriangularSolve
    | Fourier
    | Ordering
    | Largest
    | Places
    | Running
)
Routine: TypeAlias = MatrixProduct | Convolve | Dense
