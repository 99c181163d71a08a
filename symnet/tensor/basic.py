"""The names of `theano.tensor.basic`: variables, arithmetic, functions, reductions, shapes."""

# ruff: noqa: I001  (tables of names, several a line)
from __future__ import annotations

from symnet.gof.utils import MethodNotDefined, hashtype
from symnet.errors import (
    AsTensorError,
    EmptyConstantError,
    NotScalarConstantError,
    ShapeError,
)
from symnet.gradient import (
    DisconnectedType, Lop, Rop, consider_constant, disconnected_grad, grad,
    grad_not_implemented, grad_undefined, hessian, jacobian, numeric_grad, verify_grad,
    zero_grad,
)  # fmt: skip
from symnet.graph.types import (
    NoneTypeT, TensorType, none_type_t,
)  # fmt: skip
from symnet.graph.op import Op
from symnet.graph.variables import Apply, Constant, Variable
from symnet.graph.variables import Constant as TensorConstant
from symnet.ops.alloc import (
    Alloc, alloc, broadcast_to, empty, full, full_like, ones, ones_like, zeros,
    zeros_like,
)  # fmt: skip
from symnet.ops.arithmetic import (
    abs_, absolute, add, ceil_intdiv, clip, div_proxy, fill, floor_div, int_div,
    inv, isclose, largest, log, maximum, minimum, mod, mod_check, mul, neg, pow,
    power, reciprocal, second, sgn, sign, smallest, sqr, sqrt, square, sub, switch,
    tensor_copy, true_div, where,
)  # fmt: skip
from symnet.ops.comparison import (
    and_, bitwise_and, bitwise_not, bitwise_or, bitwise_xor, eq, ge, gt, invert,
    isinf, isnan, le, lt, neq, or_, xor,
)  # fmt: skip
from symnet.ops.base import constant
from symnet.ops.complex_parts import conj, imag, real
from symnet.ops.creation import (
    Arange, arange, eye, identity_like, meshgrid, mgrid, ogrid, size, tri, tril, triu,
)  # fmt: skip
from symnet.ops.creation import Arange as ARange
from symnet.ops.diagonal import Diagonal, diag, diagonal
from symnet.ops.elementwise import cast
from symnet.ops.functions import *  # noqa: F403
from symnet.ops.special import *  # noqa: F403
from symnet.ops import functions as _functions
from symnet.ops import special as _special
from symnet.ops import inputs as _inputs
from symnet.ops import reduce as _reduce
from symnet.ops import statistics as _statistics
from symnet.ops.inputs import *  # noqa: F403
from symnet.ops.indexing import flatnonzero, nonzero, nonzero_values
from symnet.ops.picks import choose, take_along_axis
from symnet.ops.joining import (
    as_tensor_variable, concatenate, horizontal_stack, hstack, join, split,
    stack, stacklists, vertical_stack, vstack,
)  # fmt: skip
from symnet.ops.linalg.covariances import cov
from symnet.ops.linalg.products import (
    BatchedDot,
    Dot,
    batched_dot,
    batched_tensordot,
    dot,
    matmul,
    outer,
    tensordot,
)
from symnet.ops.known_values import extract_constant, get_scalar_constant_value
from symnet.ops.loading import LoadFromDisk, load
from symnet.ops.operation_objects import (
    AllocDiag, AllocEmpty, Argmax, Choose, ExtractDiag, Eye, Flatten, MaxAndArgmax, Mean,
    Nonzero, PermuteRowElements, ScalarFromTensor, TensorFromScalar, Tile, Tri,
    scalar_from_tensor, tensor_from_scalar,
)  # fmt: skip
from symnet.ops.positions import inverse_permutation, permute_row_elements
from symnet.ops.rearrange import flip, roll, tile
from symnet.ops.reduce import *  # noqa: F403
from symnet.ops.reshape import Reshape, flatten, is_flat, ravel, reshape
from symnet.ops.shape import (
    dimshuffle,
    expand_dims,
    moveaxis,
    shape_padaxis,
    shape_padleft,
    shape_padright,
    swapaxes,
    transpose,
)
from symnet.ops.sizes import (
    Rebroadcast, Shape, addbroadcast, get_vector_length, patternbroadcast, shape,
    specify_shape, unbroadcast,
)  # fmt: skip
from symnet.graph.attached import Attached as _tensor_py_operators  # noqa: F401
from symnet.ops.statistics import *  # noqa: F403
from symnet.ops.whole_numbers import (
    ceil, floor, iround, round, round_half_away_from_zero, round_half_to_even, trunc,
)  # fmt: skip
from symnet.ops.theano_classes import Join, SpecifyShape, Split
from symnet.ops.transfer import register_transfer, transfer
from symnet.tensor.variable_class import TensorVariable
from symnet.tensor.type import (
    values_eq_approx_always_true, values_eq_approx_remove_inf,
    values_eq_approx_remove_inf_nan, values_eq_approx_remove_nan,
)  # fmt: skip
from symnet.ops.named_types import (  # noqa: F401  programs import casts from here
    _convert_to_bool, _convert_to_complex128, _convert_to_complex64,
    _convert_to_float16, _convert_to_float32, _convert_to_float64,
    _convert_to_int16, _convert_to_int32, _convert_to_int64, _convert_to_int8,
    _convert_to_uint16, _convert_to_uint32, _convert_to_uint64, _convert_to_uint8,
)  # fmt: skip
from symnet.ops.named_types import *  # noqa: F403
from symnet.ops.joining import as_tensor_variable as as_tensor
from symnet.ops.joining import join as join_
from symnet.ops.comparison import isinf as isinf_, isnan as isnan_
from symnet.ops import named_types as _named_types

__all__ = [
    "ARange", "Alloc", "AllocDiag", "AllocEmpty", "Apply", "Arange", "Argmax",
    "AsTensorError", "BatchedDot", "Choose", "Constant", "Diagonal", "DisconnectedType",
    "Dot", "ExtractDiag", "Eye", "Flatten", "Join", "LoadFromDisk", "Lop",
    "MaxAndArgmax", "Mean", "MethodNotDefined", "NoneTypeT", "Nonzero",
    "EmptyConstantError", "NotScalarConstantError", "Op", "PermuteRowElements",
    "Rebroadcast", "Reshape",
    "Rop", "ScalarFromTensor", "Shape", "ShapeError", "SpecifyShape", "Split",
    "TensorConstant", "TensorFromScalar", "TensorType", "TensorVariable", "Tile", "Tri",
    "Variable", "abs_", "absolute", "add", "addbroadcast", "alloc", "and_", "arange",
    "as_tensor", "as_tensor_variable", "batched_dot", "batched_tensordot", "bitwise_and",
    "bitwise_not", "bitwise_or", "bitwise_xor", "broadcast_to", "cast", "ceil",
    "ceil_intdiv", "choose", "clip", "concatenate", "conj", "consider_constant",
    "constant", "cov", "diag", "diagonal", "dimshuffle", "disconnected_grad",
    "div_proxy", "dot", "empty", "eq", "expand_dims", "extract_constant", "eye", "fill",
    "flatnonzero", "flatten", "flip", "floor", "floor_div", "full", "full_like", "ge",
    "get_scalar_constant_value", "get_vector_length", "grad", "grad_not_implemented",
    "grad_undefined", "gt", "hashtype", "hessian", "horizontal_stack", "hstack",
    "identity_like", "imag", "int_div", "inv", "inverse_permutation", "invert",
    "iround", "is_flat", "isclose", "isinf", "isinf_", "isnan", "isnan_",
    "jacobian", "join", "join_",
    "largest", "le", "load", "log", "lt", "matmul", "maximum", "meshgrid", "mgrid",
    "minimum", "mod", "mod_check", "moveaxis", "mul", "neg", "neq", "none_type_t",
    "nonzero",
    "nonzero_values", "numeric_grad", "ogrid", "ones", "ones_like", "or_", "outer",
    "patternbroadcast", "permute_row_elements", "pow", "power", "ravel", "real",
    "reciprocal", "register_transfer", "reshape", "roll", "round",
    "round_half_away_from_zero", "round_half_to_even", "scalar_from_tensor",
    "second", "sgn", "shape", "shape_padaxis", "shape_padleft", "shape_padright",
    "sign", "size", "smallest", "specify_shape", "split", "sqr", "sqrt", "square",
    "stack", "stacklists", "sub", "swapaxes", "switch", "take_along_axis",
    "tensor_copy", "tensor_from_scalar", "tensordot", "tile", "transfer",
    "transpose", "tri", "tril", "triu", "true_div", "trunc", "unbroadcast",
    "values_eq_approx_always_true", "values_eq_approx_remove_inf",
    "values_eq_approx_remove_inf_nan", "values_eq_approx_remove_nan", "verify_grad",
    "vertical_stack", "vstack", "where", "xor", "zero_grad", "zeros", "zeros_like",
]  # fmt: skip
# One by one, as type checkers read it.
__all__ += _functions.__all__
__all__ += _special.__all__
__all__ += _inputs.__all__
__all__ += _named_types.__all__
__all__ += _reduce.__all__
__all__ += _statistics.__all__
