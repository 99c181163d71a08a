"""Types of single numbers, and the package's operations by the names of Theano's classes."""

# ruff: noqa: I001  (tables of names, several a line)
from __future__ import annotations

from typing import Any

from symnet.graph.variables import Variable, make_variable
from symnet.ops.base import as_tensor
from symnet.ops.elementwise import Cast
from symnet.ops.scalar_classes import named_classes
from symnet.ops.scalar_types import ScalarType

bool = ScalarType("bool")
int8, int16, int32, int64 = int_types = tuple(
    map(ScalarType, ("int8", "int16", "int32", "int64"))
)
uint8, uint16, uint32, uint64 = uint_types = tuple(
    map(ScalarType, ("uint8", "uint16", "uint32", "uint64"))
)
float16, float32, float64 = float_types = tuple(
    map(ScalarType, ("float16", "float32", "float64"))
)
complex64, complex128 = complex_types = tuple(
    map(ScalarType, ("complex64", "complex128"))
)
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
    "ArcTan2", "ArcTanh", "Ceil", "Clip", "Conj", "Cos", "Cosh", "Deg2Rad", "EQ",
    "Erf", "Erfc", "Erfcinv", "Erfcx", "Erfinv", "Exp", "Exp2", "Expm1", "Floor",
    "GE", "GT", "Gamma", "GammaLn", "I0", "I1", "Identity", "Imag", "IntDiv", "Inv",
    "Invert", "IsInf", "IsNan", "Iv", "J0", "J1", "Jv", "LE", "LT", "Log", "Log10",
    "Log1p", "Log2", "Maximum", "Minimum", "Mod", "Mul", "NEQ", "Neg", "OR", "Pow",
    "Psi", "Rad2Deg", "Real", "RoundHalfAwayFromZero", "RoundHalfToEven",
    "ScalarSigmoid", "ScalarSoftplus", "Second", "Sgn", "Sin", "Sinh", "Sqr",
    "Sqrt", "Sub", "Switch", "Tan", "Tanh", "TriGamma", "TrueDiv", "Trunc",
    "UltraFastScalarSigmoid", "XOR", "all_types", "as_scalar", "bool", "complex128",
    "complex64", "complex_types", "complexs", "continuous_types", "convert_to_bool",
    "convert_to_complex128", "convert_to_complex64", "convert_to_float16",
    "convert_to_float32", "convert_to_float64", "convert_to_int16",
    "convert_to_int32", "convert_to_int64", "convert_to_int8", "convert_to_uint16",
    "convert_to_uint32", "convert_to_uint64", "convert_to_uint8", "discrete_types",
    "float16", "float32", "float64", "float_types", "floats", "int16", "int32",
    "int64", "int8", "int_types", "integer_types", "ints", "uint16", "uint32",
    "uint64", "uint8", "uint_types",
]  # fmt: skip
