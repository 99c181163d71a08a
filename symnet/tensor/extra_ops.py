"""The names of `theano.tensor.extra_ops`."""

from __future__ import annotations

from symnet.ops.cumulative import cumprod, cumsum
from symnet.ops.diagonal import fill_diagonal, fill_diagonal_offset
from symnet.ops.picks import compress, to_one_hot
from symnet.ops.rearrange import diff, repeat
from symnet.ops.shape import squeeze
from symnet.ops.sorting import bincount, searchsorted, unique

__all__ = [
    "bincount", "compress", "cumprod", "cumsum", "diff", "fill_diagonal",
    "fill_diagonal_offset", "repeat", "searchsorted", "squeeze", "to_one_hot", "unique",
]  # fmt: skip
