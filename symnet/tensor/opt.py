"""The names of `theano.tensor.opt` that build expressions."""

from __future__ import annotations

from typing import Any

from symnet.graph.variables import Variable
from symnet.ops.assertions import Assert, assert_op
from symnet.ops.sizes import MakeVector
from symnet.ops.sizes import ShapeI as Shape_i


def make_vector(*elements: Any) -> Variable:
    """The int64 vector of scalars."""
    return MakeVector("int64")(*elements)


__all__ = ["Assert", "MakeVector", "Shape_i", "assert_op", "make_vector"]
