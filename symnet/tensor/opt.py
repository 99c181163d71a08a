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
from symnet.errors import NotScalarConstantError, ShapeError
from symnet.ops.assertions import Assert, assert_op
from symnet.ops.assertions import assert_op as assert_
from symnet.ops.known_values import extract_constant, get_scalar_constant_value
from symnet.ops.operation_objects import vector_of as make_vector
from symnet.ops.sizes import MakeVector
from symnet.ops.sizes import ShapeI as Shape_i

__all__ = [
    "Assert", "MakeVector", "NotScalarConstantError", "ShapeError", "Shape_i", "assert_",
    "assert_op", "extract_constant", "get_scalar_constant_value", "make_vector",
    "register_canonicalize", "register_specialize", "register_specialize_device",
    "register_stabilize", "register_uncanonicalize", "register_useless",
]  # fmt: skip
