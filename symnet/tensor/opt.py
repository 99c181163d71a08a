"""The names of `theano.tensor.opt` that build expressions."""

from __future__ import annotations

from symnet.ops.assertions import Assert, assert_op
from symnet.ops.operation_objects import vector_of as make_vector
from symnet.ops.sizes import MakeVector
from symnet.ops.sizes import ShapeI as Shape_i

__all__ = ["Assert", "MakeVector", "Shape_i", "assert_op", "make_vector"]
