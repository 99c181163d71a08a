"""The names of `theano.sparse`: sparse matrices, what is done with them, their products.

    import symnet.sparse as sparse

    x = sparse.csr_matrix("x")
    w = symnet.shared(np.zeros((10_000, 10)), "w")
    scores = sparse.structured_dot(x, w)

What is defined in `symnet.ops.sparse`, in one place.
"""

# ruff: noqa: I001  (tables of names, several a line)
from __future__ import annotations

from symnet.graph.types import COMPLEX as _COMPLEX, FLOATS as _FLOATS
from symnet.ops.sparse.conversions import (
    CSC, CSM, CSMProperties, CSR, DenseFromSparse, SparseFromDense, csc_from_dense,
    csm_data, csm_indices, csm_indptr, csm_properties, csm_shape, csr_from_dense,
    dense_from_sparse, sp_ones_like, sp_zeros_like, sparse_format,
)  # fmt: skip
from symnet.ops.sparse.entrywise import (
    SparseCast as Cast, SparseNeg as Neg, SparseTranspose as Transpose, cast, neg,
    transpose,
)  # fmt: skip
from symnet.ops.sparse.sparse_arithmetic import (
    AddSD, AddSS, AddSSData, MulSD, MulSS, add, add_s_d, add_s_s, add_s_s_data,
    as_sparse_or_tensor_variable, eq, ge, gt, le, lt, mul, mul_s_d, mul_s_s, neq, sub,
)  # fmt: skip
from symnet.ops.sparse.sparse_functions import (
    arcsin, arcsinh, arctan, arctanh, ceil, conj, deg2rad, expm1, floor, log1p, rad2deg,
    rint, sgn, sin, sinh, sqr, sqrt, structured_add, structured_exp, structured_log,
    structured_maximum, structured_minimum, structured_pow, structured_sigmoid, tan, tanh,
    trunc,
)  # fmt: skip
from symnet.ops.sparse.sparse_names import *  # noqa: F403
from symnet.ops.sparse import sparse_names as _sparse_names
from symnet.ops.sparse.sparse_products import (
    StructuredDot, dot, sampling_dot, structured_dot,
    structured_dot_grad, true_dot, usmm,
)  # fmt: skip
from symnet.ops.sparse.sparse_reductions import (
    Diag, EnsureSortedIndices, MulSV, Remove0, SpSum, SquareDiagonal, StructuredAddSV,
    clean, col_scale, diag, ensure_sorted_indices, mul_s_v, remove0, row_scale, sp_sum,
    square_diagonal, structured_add_s_v,
)  # fmt: skip
from symnet.ops.sparse.sparse_slices import (
    GetItem2Lists, GetItem2d, GetItemList, GetItemScalar, get_item_2d, get_item_2lists,
    get_item_list, get_item_scalar,
)  # fmt: skip
from symnet.ops.sparse.sparse_stacks import (
    ConstructSparseFromList, HStack, VStack, construct_sparse_from_list, hstack,
    sparse_grad, vstack,
)  # fmt: skip
from symnet.ops.sparse.sparse_type import (
    FORMATS as sparse_formats, SPARSE_DTYPES as all_dtypes, SparseConstant, SparseType,
    SparseVariable, as_sparse_variable,
    as_sparse_variable as as_sparse, constant, csc_dmatrix, csc_fmatrix, csc_matrix,
    csr_dmatrix, csr_fmatrix, csr_matrix, matrix,
)  # fmt: skip
from symnet.sparse_shared import SparseSharedVariable, sparse_constructor as shared

enable_sparse = imported_scipy = True  # Theano's, which could be without SciPy
float_dtypes = [d for d in all_dtypes if d in _FLOATS]
complex_dtypes = [d for d in all_dtypes if d in _COMPLEX]
continuous_dtypes = [*complex_dtypes, *float_dtypes]
int_dtypes = [d for d in all_dtypes if d.startswith("int")]
uint_dtypes = [d for d in all_dtypes if d.startswith("uint")]
integer_dtypes = discrete_dtypes = [*int_dtypes, *uint_dtypes]

__all__ = [
    "add", "add_s_d", "add_s_s", "add_s_s_data", "AddSD", "AddSS", "AddSSData",
    "all_dtypes", "arcsin", "arcsinh", "arctan", "arctanh", "as_sparse",
    "as_sparse_or_tensor_variable", "as_sparse_variable", "Cast", "cast", "ceil",
    "clean", "col_scale", "complex_dtypes", "conj", "constant",
    "construct_sparse_from_list", "ConstructSparseFromList", "continuous_dtypes", "CSC",
    "csc_dmatrix", "csc_fmatrix", "csc_from_dense", "csc_matrix", "CSM", "csm_data",
    "csm_indices", "csm_indptr", "csm_properties", "csm_shape", "CSMProperties", "CSR",
    "csr_dmatrix", "csr_fmatrix", "csr_from_dense", "csr_matrix", "deg2rad",
    "dense_from_sparse", "DenseFromSparse", "Diag", "diag", "discrete_dtypes",
    "dot", "enable_sparse", "ensure_sorted_indices", "EnsureSortedIndices", "eq",
    "expm1", "float_dtypes", "floor", "ge", "get_item_2d", "get_item_2lists",
    "get_item_list", "get_item_scalar", "GetItem2d", "GetItem2Lists", "GetItemList",
    "GetItemScalar", "gt", "HStack", "hstack", "int_dtypes", "integer_dtypes", "le",
    "log1p", "lt", "matrix", "mul", "mul_s_d", "mul_s_s", "mul_s_v", "MulSD", "MulSS",
    "MulSV", "Neg", "neg", "neq", "rad2deg", "Remove0", "remove0", "rint", "row_scale",
    "sampling_dot", "sgn", "shared", "sin", "sinh", "sp_ones_like", "sp_sum",
    "sp_zeros_like", "sparse_format", "sparse_formats", "sparse_grad", "SparseConstant",
    "SparseFromDense", "SparseSharedVariable", "SparseType", "SparseVariable", "SpSum",
    "sqr", "sqrt", "square_diagonal", "SquareDiagonal", "structured_add",
    "structured_add_s_v", "structured_dot", "structured_dot_grad", "structured_exp",
    "structured_log", "structured_maximum", "structured_minimum", "structured_pow",
    "structured_sigmoid", "StructuredAddSV", "StructuredDot", "sub", "tan", "tanh",
    "Transpose", "transpose", "true_dot", "trunc", "uint_dtypes", "usmm",
    "VStack", "vstack", "imported_scipy",
]  # fmt: skip
__all__ += _sparse_names.__all__
