"""The names of `theano.tensor.nnet.blocksparse`."""

from __future__ import annotations

from symnet.ops.nnet.block_products import (
    SparseBlockGemv,
    SparseBlockOuter,
    sparse_block_dot,
    sparse_block_gemv,
    sparse_block_gemv_inplace,
    sparse_block_outer,
    sparse_block_outer_inplace,
)

__all__ = [
    "SparseBlockGemv", "SparseBlockOuter", "sparse_block_dot", "sparse_block_gemv",
    "sparse_block_gemv_inplace", "sparse_block_outer", "sparse_block_outer_inplace",
]  # fmt: skip
