"""Routines of libraries, as data: what a program asks for and a device finds code for.

A routine says what is computed, not how.  A device's `offers` tells whether it has one;
its operands are arrays whose sizes and strides a plan knows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

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
    name = "convolution"


Draw: TypeAlias = MrgUniform | Categorical | NumpyDistribution
Routine: TypeAlias = MatrixProduct | Convolve | Draw
