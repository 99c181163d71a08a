"""The names of `theano.scalar`: types of single numbers, and operations on them.

A scalar is a tensor of rank 0 here, and its operations are those of tensors.
"""

# ruff: noqa: I001  (tables of names, several a line)
from __future__ import annotations

from typing import Any

from symnet.graph.types import TensorType as Scalar
from symnet.graph.variables import Constant as ScalarConstant
from symnet.graph.variables import Variable, make_variable
from symnet.graph.variables import Variable as ScalarVariable
from symnet.ops.arithmetic import (
    abs_, add, and_, ceil, clip, div_proxy, eq, floor, floor_div, ge, gt, identity,
    int_div, inv, invert, isinf, isnan, le, log, lt, maximum, minimum, mod, mod_check,
    mul, neg, neq, or_, pow, round_half_away_from_zero, round_half_to_even, second, sgn,
    sqr, sqrt, sub, switch, true_div, trunc, xor,
)  # fmt: skip
from symnet.ops.base import as_tensor, constant, upcast
from symnet.ops.complex_parts import complex, conj, imag, real
from symnet.ops.elementwise import Cast, cast
from symnet.ops.functions import (
    angle, arccos, arccosh, arcsin, arcsinh, arctan, arctan2, arctanh,
    complex_from_polar, cos, cosh, deg2rad, erf, erfc, erfcinv, erfcx, erfinv, exp, exp2,
    expm1, gamma, gammaln, i0, i1, iv, j0, j1, jv, log10, log1p, log2, psi, rad2deg,
    sigmoid, sin, sinh, softplus, tan, tanh, tri_gamma,
)  # fmt: skip
from symnet.ops.scalar_ops import (
    BinaryScalarOp, Composite, ScalarOp, UnaryScalarOp, float_out,
    float_out_nocomplex, int_out, int_out_nocomplex, named_classes, real_out, same_out,
    same_out_nocomplex, specific_out, transfer_type, upcast_out, upcast_out_no_complex,
    upgrade_to_float, upgrade_to_float64, upgrade_to_float_no_complex,
)  # fmt: skip
from symnet.ops.scalar_ops import scalar_type as get_scalar_type

bool = Scalar("bool")
int8, int16, int32, int64 = int_types = tuple(
    map(Scalar, ("int8", "int16", "int32", "int64"))
)
uint8, uint16, uint32, uint64 = uint_types = tuple(
    map(Scalar, ("uint8", "uint16", "uint32", "uint64"))
)
float16, float32, float64 = float_types = tuple(
    map(Scalar, ("float16", "float32", "float64"))
)
complex64, complex128 = complex_types = tuple(map(Scalar, ("complex64", "complex128")))
integer_types = int_types + uint_types
discrete_types = (bool, *integer_types)
continuous_types = float_types + complex_types
all_types = discrete_types + continuous_types


def as_scalar(x: Any, name: str | None = None) -> Variable:
    """`x` as a variable of rank 0.  Raises: AsTensorError for another rank."""
    return as_tensor(x, name, ndim=0, truth=True)


def ints(*names: str) -> list[Variable]:
    """Scalars of int64 of these names."""
    return [make_variable(int64, name) for name in names]


def floats(*names: str) -> list[Variable]:
    """Scalars of float64 of these names."""
    return [make_variable(float64, name) for name in names]


def complexs(*names: str) -> list[Variable]:
    """Scalars of complex128 of these names."""
    return [make_variable(complex128, name) for name in names]


(
    Abs, Add, AND, ArcCos, ArcCosh, ArcSin, ArcSinh, ArcTan, ArcTan2, ArcTanh, Ceil,
    Clip, Conj, Cos, Cosh, Deg2Rad, EQ, Erf, Erfc, Erfcinv, Erfcx, Erfinv, Exp, Exp2,
    Expm1, Floor, GE, GT, Gamma, GammaLn, I0, I1, Identity, Imag, IntDiv, Inv, Invert,
    IsInf, IsNan, Iv, J0, J1, Jv, LE, LT, Log, Log10, Log1p, Log2, Maximum, Minimum, Mod,
    Mul, NEQ, Neg, OR, Pow, Psi, Rad2Deg, Real, RoundHalfAwayFromZero, RoundHalfToEven,
    ScalarSigmoid, ScalarSoftplus, Second, Sgn, Sin, Sinh, Sqr, Sqrt, Sub, Switch, Tan,
    Tanh, TriGamma, TrueDiv, Trunc, UltraFastScalarSigmoid, XOR,
) = named_classes().values()  # fmt: skip

convert_to_bool = Cast("bool")
convert_to_int8, convert_to_int16 = Cast("int8"), Cast("int16")
convert_to_int32, convert_to_int64 = Cast("int32"), Cast("int64")
convert_to_uint8, convert_to_uint16 = Cast("uint8"), Cast("uint16")
convert_to_uint32, convert_to_uint64 = Cast("uint32"), Cast("uint64")
convert_to_float16, convert_to_float32 = Cast("float16"), Cast("float32")
convert_to_float64, convert_to_complex64 = Cast("float64"), Cast("complex64")
convert_to_complex128 = Cast("complex128")

__all__ = [
    "AND", "Abs", "Add", "ArcCos", "ArcCosh", "ArcSin", "ArcSinh", "ArcTan",
    "ArcTan2", "ArcTanh", "BinaryScalarOp", "Cast", "Ceil", "Clip", "Composite",
    "Conj", "Cos", "Cosh", "Deg2Rad", "EQ", "Erf", "Erfc", "Erfcinv", "Erfcx",
    "Erfinv", "Exp", "Exp2", "Expm1", "Floor", "GE", "GT", "Gamma", "GammaLn", "I0",
    "I1", "Identity", "Imag", "IntDiv", "Inv", "Invert", "IsInf", "IsNan", "Iv",
    "J0", "J1", "Jv", "LE", "LT", "Log", "Log10", "Log1p", "Log2", "Maximum",
    "Minimum", "Mod", "Mul", "NEQ", "Neg", "OR", "Pow", "Psi", "Rad2Deg", "Real",
    "RoundHalfAwayFromZero", "RoundHalfToEven", "Scalar", "ScalarConstant",
    "ScalarOp", "ScalarSigmoid", "ScalarSoftplus", "ScalarVariable", "Second",
    "Sgn", "Sin", "Sinh", "Sqr", "Sqrt", "Sub", "Switch", "Tan", "Tanh", "TriGamma",
    "TrueDiv", "Trunc", "UltraFastScalarSigmoid", "UnaryScalarOp", "XOR", "abs_",
    "add", "all_types", "and_", "angle", "arccos", "arccosh", "arcsin", "arcsinh",
    "arctan", "arctan2", "arctanh", "as_scalar", "bool", "cast", "ceil", "clip",
    "complex", "complex128", "complex64", "complex_from_polar", "complex_types",
    "complexs", "conj", "constant", "continuous_types", "convert_to_bool",
    "convert_to_complex128", "convert_to_complex64", "convert_to_float16",
    "convert_to_float32", "convert_to_float64", "convert_to_int16",
    "convert_to_int32", "convert_to_int64", "convert_to_int8", "convert_to_uint16",
    "convert_to_uint32", "convert_to_uint64", "convert_to_uint8", "cos", "cosh",
    "deg2rad", "discrete_types", "div_proxy", "eq", "erf", "erfc", "erfcinv",
    "erfcx", "erfinv", "exp", "exp2", "expm1", "float16", "float32", "float64",
    "float_out", "float_out_nocomplex", "float_types", "floats", "floor",
    "floor_div", "gamma", "gammaln", "ge", "get_scalar_type", "gt", "i0", "i1",
    "identity", "imag", "int16", "int32", "int64", "int8", "int_div", "int_out",
    "int_out_nocomplex", "int_types", "integer_types", "ints", "inv", "invert",
    "isinf", "isnan", "iv", "j0", "j1", "jv", "le", "log", "log10", "log1p", "log2",
    "lt", "maximum", "minimum", "mod", "mod_check", "mul", "neg", "neq", "or_",
    "pow", "psi", "rad2deg", "real", "real_out", "round_half_away_from_zero",
    "round_half_to_even", "same_out", "same_out_nocomplex", "second", "sgn",
    "sigmoid", "sin", "sinh", "softplus", "specific_out", "sqr", "sqrt", "sub",
    "switch", "tan", "tanh", "transfer_type", "tri_gamma", "true_div", "trunc",
    "uint16", "uint32", "uint64", "uint8", "uint_types", "upcast", "upcast_out",
    "upcast_out_no_complex", "upgrade_to_float", "upgrade_to_float64",
    "upgrade_to_float_no_complex", "xor",
]  # fmt: skip
