"""The names of `theano.scalar`: types of single numbers, and operations on them.

A scalar is a tensor of rank 0 here, and its operations are those of tensors.
"""

# ruff: noqa: I001  (tables of names, several a line)
from __future__ import annotations

from symnet.errors import ComplexError
from symnet.graph.variables import Constant as ScalarConstant
from symnet.graph.variables import Variable as ScalarVariable
from symnet.ops.arithmetic import (
    abs_, add, clip, div_proxy, floor_div, identity, int_div, inv, log, maximum,
    minimum, mod, mod_check, mul, neg, pow, second, sgn, sqr, sqrt, sub, switch, true_div,
)  # fmt: skip
from symnet.ops.base import constant, upcast
from symnet.ops.comparison import (
    and_, eq, ge, gt, invert, isinf, isnan, le, lt, neq, or_, xor,
)  # fmt: skip
from symnet.ops.complex_parts import complex, conj, imag, real
from symnet.ops.whole_numbers import (
    ceil, floor, round_half_away_from_zero, round_half_away_from_zero_vec,
    round_half_to_even, trunc,
)  # fmt: skip
from symnet.ops.elementwise import Cast, cast
from symnet.ops.functions import (
    angle,
    arccos,
    arccosh,
    arcsin,
    arcsinh,
    arctan,
    arctan2,
    arctanh,
    complex_from_polar,
    cos,
    cosh,
    deg2rad,
    exp,
    exp2,
    expm1,
    log10,
    log1p,
    log2,
    rad2deg,
    sigmoid,
    sin,
    sinh,
    softplus,
    tan,
    tanh,
)
from symnet.ops.special import (
    erf,
    erfc,
    erfcinv,
    erfcx,
    erfinv,
    gamma,
    gammaln,
    i0,
    i1,
    iv,
    j0,
    j1,
    jv,
    psi,
    tri_gamma,
)
from symnet.ops.scalar_ops import (
    BinaryScalarOp, Composite, ScalarOp, UnaryScalarOp, call,
)  # fmt: skip
from symnet.ops.scalar_types import (
    float_out, float_out_nocomplex, int_out, int_out_nocomplex, real_out, same_out,
    same_out_nocomplex, specific_out, transfer_type, upcast_out, upcast_out_no_complex,
    upgrade_to_float, upgrade_to_float64, upgrade_to_float_no_complex,
)  # fmt: skip
from symnet.ops.scalar_types import ScalarType as Scalar
from symnet.ops.scalar_types import scalar_type as get_scalar_type
from symnet.ops.scalar_names import *  # noqa: F403
from symnet.ops import scalar_names as _scalar_names

__all__ = [
    "BinaryScalarOp", "Cast", "ComplexError", "Composite", "Scalar", "ScalarConstant", "ScalarOp",
    "ScalarVariable", "UnaryScalarOp", "abs_", "add", "and_", "angle", "arccos",
    "arccosh", "arcsin", "arcsinh", "arctan", "arctan2", "arctanh", "call", "cast",
    "ceil", "clip", "complex", "complex_from_polar", "conj", "constant", "cos", "cosh",
    "deg2rad", "div_proxy", "eq", "erf", "erfc", "erfcinv", "erfcx", "erfinv", "exp",
    "exp2", "expm1", "float_out", "float_out_nocomplex", "floor", "floor_div", "gamma",
    "gammaln", "ge", "get_scalar_type", "gt", "i0", "i1", "identity", "imag", "int_div",
    "int_out", "int_out_nocomplex", "inv", "invert", "isinf", "isnan", "iv", "j0", "j1",
    "jv", "le", "log", "log10", "log1p", "log2", "lt", "maximum", "minimum", "mod",
    "mod_check", "mul", "neg", "neq", "or_", "pow", "psi", "rad2deg", "real",
    "real_out", "round_half_away_from_zero", "round_half_away_from_zero_vec",
    "round_half_to_even", "same_out",
    "same_out_nocomplex", "second", "sgn", "sigmoid", "sin", "sinh", "softplus",
    "specific_out", "sqr", "sqrt", "sub", "switch", "tan", "tanh", "transfer_type",
    "tri_gamma", "true_div", "trunc", "upcast", "upcast_out", "upcast_out_no_complex",
    "upgrade_to_float", "upgrade_to_float64", "upgrade_to_float_no_complex", "xor",
]  # fmt: skip
__all__ += _scalar_names.__all__
