"""The names of `theano.tensor.nnet.bn`."""

# ruff: noqa: I001  (tables of names, several a line)
from __future__ import annotations

from symnet.ops.nnet.normalization import (
    batch_normalization,
    batch_normalization_test,
    batch_normalization_train,
)

__all__ = [
    "batch_normalization", "batch_normalization_test", "batch_normalization_train",
]  # fmt: skip
