"""The names of `theano.scan_module`: loops."""

from __future__ import annotations

from symnet.ops.scan.folds import foldl, foldr, map, reduce, scan_checkpoints
from symnet.ops.scan.scan_function import scan
from symnet.ops.scan.step_graph import until
from symnet.scan_module import scan_op, scan_utils
from symnet.updates import OrderedUpdates

__all__ = [
    "OrderedUpdates", "foldl", "foldr", "map", "reduce", "scan", "scan_checkpoints",
    "scan_op", "scan_utils", "until",
]  # fmt: skip
