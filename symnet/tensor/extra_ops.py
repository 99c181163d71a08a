"""The names of `theano.tensor.extra_ops`."""

from __future__ import annotations

from symnet.ops.creation import bartlett
from symnet.ops.cumulative import cumprod, cumsum
from symnet.ops.diagonal import fill_diagonal, fill_diagonal_offset
from symnet.ops.operation_objects import (
    Bartlett,
    CpuContiguous,
    CumOp,
    CumprodOp,
    CumsumOp,
    DiffOp,
    FillDiagonal,
    FillDiagonalOffset,
    RavelMultiIndex,
    RepeatOp,
    UnravelIndex,
    cpu_contiguous,
)  # fmt: skip
from symnet.ops.picks import compress, to_one_hot
from symnet.ops.positions import ravel_multi_index, unravel_index
from symnet.ops.rearrange import diff, repeat
from symnet.ops.shape import squeeze
from symnet.ops.sorting import SearchSorted as SearchsortedOp
from symnet.ops.sorting import Unique, bincount, searchsorted, unique

bartlett_ = Bartlett()
fill_diagonal_ = FillDiagonal()
fill_diagonal_offset_ = FillDiagonalOffset()

__all__ = [
    "Bartlett", "CpuContiguous", "CumOp", "CumprodOp", "CumsumOp", "DiffOp", "FillDiagonal",
    "FillDiagonalOffset", "RavelMultiIndex", "RepeatOp", "SearchsortedOp", "Unique",
    "UnravelIndex", "bartlett", "bartlett_", "bincount", "compress", "cpu_contiguous",
    "cumprod", "cumsum", "diff", "fill_diagonal", "fill_diagonal_", "fill_diagonal_offset",
    "fill_diagonal_offset_", "ravel_multi_index", "repeat", "searchsorted", "squeeze",
    "to_one_hot", "unique", "unravel_index",
]  # fmt: skip
