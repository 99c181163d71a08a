"""The names of `theano.tensor.sort`."""

from __future__ import annotations

from symnet.ops.sorting import argsort, argtopk, sort, topk, topk_and_argtopk

__all__ = ["argsort", "argtopk", "sort", "topk", "topk_and_argtopk"]
