"""The names of `theano.tensor.elemwise`."""

from __future__ import annotations

from symnet.ops.elementwise import Elementwise as Elemwise
from symnet.ops.reduce import Reduce as CAReduce
from symnet.ops.shape import DimShuffle

__all__ = ["CAReduce", "DimShuffle", "Elemwise"]
