"""Dtypes and types by their kind, and casts as operations: Theano's tables."""

# ruff: noqa: I001  (tables of names, several a line)
from __future__ import annotations

from typing import Any

from symnet.graph.types import COMPLEX, FLOATS, INTEGERS, TensorType, none_type_t
from symnet.graph.variables import Constant
from symnet.ops.elementwise import Cast
from symnet.ops.inputs import (
    bmatrix, bscalar, bvector, cmatrix, cscalar, cvector, dmatrix, dscalar, dvector,
    fmatrix, fscalar, fvector, imatrix, iscalar, ivector, lmatrix, lscalar, lvector,
    wmatrix, wscalar, wvector, zmatrix, zscalar, zvector,
)  # fmt: skip

# Dtypes by their kind, in lists as Theano has them: programs join them by +.
float_dtypes, complex_dtypes = list(FLOATS), list(COMPLEX)
continuous_dtypes = float_dtypes + complex_dtypes
int_dtypes = [dtype for dtype in INTEGERS if dtype.startswith("int")]
uint_dtypes = [dtype for dtype in INTEGERS if dtype.startswith("uint")]
integer_dtypes = int_dtypes + uint_dtypes
discrete_dtypes = ["bool", *integer_dtypes]
all_dtypes = discrete_dtypes + continuous_dtypes

# Types by their kind.
int_types = (bscalar, wscalar, iscalar, lscalar)
float_types = (fscalar, dscalar)
complex_types = (cscalar, zscalar)
int_vector_types = (bvector, wvector, ivector, lvector)
float_vector_types = (fvector, dvector)
complex_vector_types = (cvector, zvector)
int_matrix_types = (bmatrix, wmatrix, imatrix, lmatrix)
float_matrix_types = (fmatrix, dmatrix)
complex_matrix_types = (cmatrix, zmatrix)

# Casts as operations, under names that programs of Theano import from here.
_convert_to_bool = Cast("bool")
_convert_to_int8, _convert_to_int16 = Cast("int8"), Cast("int16")
_convert_to_int32, _convert_to_int64 = Cast("int32"), Cast("int64")
_convert_to_uint8, _convert_to_uint16 = Cast("uint8"), Cast("uint16")
_convert_to_uint32, _convert_to_uint64 = Cast("uint32"), Cast("uint64")
_convert_to_float16, _convert_to_float32 = Cast("float16"), Cast("float32")
_convert_to_float64, _convert_to_complex64 = Cast("float64"), Cast("complex64")
_convert_to_complex128 = Cast("complex128")

NoneConst = Constant(none_type_t, None, "NoneConst")


def Tensor(*args: Any, **keywords: Any) -> TensorType:
    """Theano's older name of `TensorType`.

    >>> T.Tensor("float32", (False, True))
    float32 tensor (?, 1)
    """
    return TensorType(*args, **keywords)


__all__ = [
    "NoneConst", "Tensor", "all_dtypes", "complex_dtypes", "complex_matrix_types",
    "complex_types", "complex_vector_types", "continuous_dtypes", "discrete_dtypes",
    "float_dtypes", "float_matrix_types", "float_types", "float_vector_types",
    "int_dtypes", "int_matrix_types", "int_types", "int_vector_types",
    "integer_dtypes", "uint_dtypes",
]  # fmt: skip
