"""The names of `theano.tensor.opt`: where users register rewrites, and operations that
rewrites build with."""

from __future__ import annotations

from symnet.compile.databases import (
    register_canonicalize,
    register_specialize,
    register_specialize_device,
    register_stabilize,
    register_uncanonicalize,
    register_useless,
)
from symnet.ops.assertions import Assert, assert_op
from symnet.ops.assertions import assert_op as assert_
from symnet.ops.operation_objects import vector_of as make_vector
from symnet.ops.sizes import MakeVector
from symnet.ops.sizes import ShapeI as Shape_i

__all__ = [
    "Assert", "MakeVector", "Shape_i", "assert_", "assert_op", "make_vector",
    "register_canonicalize",
    "register_specialize", "register_specialize_device", "register_stabilize",
    "register_uncanonicalize", "register_useless",
]  # fmt: skip
