"""The names of `theano.scalar`: types of single numbers, and operations on them.

A scalar is a tensor of rank 0 here, and its operations are those of tensors.
"""

# ruff: noqa: I001  (tables of names, several a line)
from __future__ import annotations

from symnet.graph.types import DTYPES as all_types
from symnet.graph.types import TensorType as Scalar
from symnet.ops.arithmetic import (
    add, identity, int_div, log, maximum, minimum, mod, mul, neg, pow, second, sgn,
    sqr, sqrt, sub, switch, true_div,
)  # fmt: skip
from symnet.ops.comparison import and_, eq, ge, gt, invert, le, lt, neq, or_, xor
from symnet.ops.base import upcast
from symnet.ops.elementwise import Cast, cast
from symnet.ops.functions import exp, log1p, sigmoid, softplus, tanh
from symnet.ops.scalar_ops import (
    BinaryScalarOp, ScalarOp, UnaryScalarOp, call, same_out, same_out_nocomplex, upcast_out,
    upgrade_to_float, upgrade_to_float_no_complex,
)  # fmt: skip

bool = Scalar("bool")
int8, int16, int32, int64 = map(Scalar, ("int8", "int16", "int32", "int64"))
uint8, uint16, uint32, uint64 = map(Scalar, ("uint8", "uint16", "uint32", "uint64"))
float16, float32, float64 = map(Scalar, ("float16", "float32", "float64"))
complex64, complex128 = map(Scalar, ("complex64", "complex128"))

__all__ = [
    "BinaryScalarOp", "Cast", "Scalar", "ScalarOp", "UnaryScalarOp", "add", "all_types",
    "and_", "bool", "call", "cast", "complex128",
    "complex64", "eq", "exp", "float16", "float32", "float64", "ge", "gt", "identity",
    "int16", "int32", "int64", "int8", "int_div", "invert", "le", "log", "log1p", "lt",
    "maximum", "minimum", "mod", "mul", "neg", "neq", "or_", "pow", "same_out",
    "same_out_nocomplex", "second", "sgn",
    "sigmoid", "softplus", "sqr", "sqrt", "sub", "switch", "tanh", "true_div", "uint16",
    "uint32", "uint64", "uint8", "upcast", "upcast_out", "upgrade_to_float",
    "upgrade_to_float_no_complex", "xor",
]  # fmt: skip
