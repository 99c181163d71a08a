"""The names of `theano.tensor.nnet.conv3d2d`."""

# ruff: noqa: I001  (tables of names, several a line)
from __future__ import annotations

from symnet.ops.nnet.legacy_conv import (
    DiagonalSubtensor,
    IncDiagonalSubtensor,
    diagonal_subtensor,
    inc_diagonal_subtensor,
    spatiotemporal_conv3d as conv3d,
)

__all__ = [
    "DiagonalSubtensor", "IncDiagonalSubtensor", "conv3d", "diagonal_subtensor",
    "inc_diagonal_subtensor",
]  # fmt: skip
