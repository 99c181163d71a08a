"""The names of `theano.tensor.sort`."""

from __future__ import annotations

from symnet.ops.order_objects import ArgSortOp, SortOp, TopKOp
from symnet.ops.sorting import argsort, argtopk, sort, topk, topk_and_argtopk

__all__ = [
    "ArgSortOp", "SortOp", "TopKOp", "argsort", "argtopk", "sort", "topk",
    "topk_and_argtopk",
]  # fmt: skip
