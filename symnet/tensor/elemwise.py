"""The names of `theano.tensor.elemwise`."""

from __future__ import annotations

from symnet.ops.operation_objects import All, Prod, ProdWithoutZeros, Sum
from symnet.ops.theano_classes import AxesOrder as DimShuffle
from symnet.ops.theano_classes import CAReduce, Elemwise
from symnet.ops.theano_classes import CAReduce as CAReduceDtype

__all__ = [
    "All", "CAReduce", "CAReduceDtype", "DimShuffle", "Elemwise", "Prod",
    "ProdWithoutZeros", "Sum",
]  # fmt: skip
