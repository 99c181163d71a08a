"""Sparse operations by Theano's other names: casts, comparisons, and classes of what is made
of others.

An object of such a class is no node of a graph: a call builds the expression.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from symnet.graph.variables import Variable
from symnet.ops.operation_class import OperationObject, operation_object
from symnet.ops.sparse import sparse_arithmetic
from symnet.ops.sparse.entrywise import SparseCast
from symnet.ops.sparse.sparse_functions import on_entries
from symnet.ops.sparse.sparse_products import (
    SparseDot,
    dot,
    sampling_dot,
    true_dot,
    usmm,
)
from symnet.ops.sparse.sparse_products import TrueDot as TrueDotOp
from symnet.ops.sparse.sparse_reductions import col_scale, row_scale
from symnet.ops.sparse.sparse_type import as_sparse_variable
from symnet.ops.theano_classes import op_class

__all__ = [
    "ColScaleCSC", "Dot", "EqualSD", "EqualSS", "GreaterEqualSD", "GreaterEqualSS",
    "GreaterThanSD", "GreaterThanSS", "LessEqualSD", "LessEqualSS", "LessThanSD",
    "LessThanSS", "NotEqualSD", "NotEqualSS", "RowScaleCSC", "SamplingDot", "TrueDot", "Usmm",
    "bcast", "ccast", "dcast", "equal_s_d", "equal_s_s", "fcast", "greater_equal_s_d",
    "greater_equal_s_s", "greater_than_s_d", "greater_than_s_s", "icast", "lcast",
    "less_equal_s_d", "less_equal_s_s", "less_than_s_d", "less_than_s_s",
    "not_equal_s_d", "not_equal_s_s", "structured_monoid", "wcast", "zcast",
]  # fmt: skip

bcast, wcast, icast = SparseCast("int8"), SparseCast("int16"), SparseCast("int32")
lcast, fcast, dcast = SparseCast("int64"), SparseCast("float32"), SparseCast("float64")
ccast, zcast = SparseCast("complex64"), SparseCast("complex128")


def _both_sparse(compare: Callable[[Any, Any], Variable]) -> Callable[..., Variable]:
    """A comparison of two sparse matrices.  Raises: TypeError where one is dense."""
    return lambda x, y: compare(as_sparse_variable(x), as_sparse_variable(y))


def _with_dense(compare: Callable[[Any, Any], Variable]) -> Callable[..., Variable]:
    """A comparison of a sparse matrix with a dense one."""
    return lambda x, y: compare(as_sparse_variable(x), y)


# name -> the function, its sign, and what it is of 2 and 3
COMPARISONS = {
    "Equal": ("eq", "==", 0), "NotEqual": ("neq", "!=", 1), "LessThan": ("lt", "<", 1),
    "GreaterThan": ("gt", ">", 0), "LessEqual": ("le", "<=", 1),
    "GreaterEqual": ("ge", ">=", 0),
}  # fmt: skip


def _comparison(name: str, dense: bool) -> type[OperationObject]:
    own, sign, found = COMPARISONS[name]
    compare = getattr(sparse_arithmetic, own)
    full = f"{name}SD" if dense else f"{name}SS"
    what = "a sparse and a dense matrix" if dense else "two sparse matrices"
    given, shown = (
        ("np.array([[3.0]])", "found.eval()") if dense
        else ("x * 1.5", "sparse.dense_from_sparse(found).eval()")
    )  # fmt: skip
    about = f"""x {sign} y of {what}, as uint8.

    >>> x = sparse.csr_from_dense([[2.0]])
    >>> found = sparse.{full}()(x, {given})
    >>> {shown}
    array([[{found}]], dtype=uint8)
    """
    function = _with_dense(compare) if dense else _both_sparse(compare)
    return operation_object(full, about, function)


EqualSS, NotEqualSS, LessThanSS, GreaterThanSS, LessEqualSS, GreaterEqualSS = (
    _comparison(name, dense=False) for name in COMPARISONS
)
EqualSD, NotEqualSD, LessThanSD, GreaterThanSD, LessEqualSD, GreaterEqualSD = (
    _comparison(name, dense=True) for name in COMPARISONS
)
equal_s_s, not_equal_s_s, less_than_s_s = EqualSS(), NotEqualSS(), LessThanSS()
greater_than_s_s, less_equal_s_s = GreaterThanSS(), LessEqualSS()
greater_equal_s_s, equal_s_d, not_equal_s_d = GreaterEqualSS(), EqualSD(), NotEqualSD()
less_than_s_d, greater_than_s_d = LessThanSD(), GreaterThanSD()
less_equal_s_d, greater_equal_s_d = LessEqualSD(), GreaterEqualSD()

ColScaleCSC = operation_object(
    "ColScaleCSC",
    """`col_scale(x, s)`: each column times an element of a vector.

    >>> x = sparse.csr_from_dense([[0.0, 2.0], [3.0, 0.0]])
    >>> sparse.dense_from_sparse(sparse.ColScaleCSC()(x, np.array([1.0, 10.0]))).eval()
    array([[ 0., 20.],
           [ 3.,  0.]])
    """,
    col_scale,
)
RowScaleCSC = operation_object(
    "RowScaleCSC",
    """`row_scale(x, s)`: each row times an element of a vector.

    >>> x = sparse.csr_from_dense([[0.0, 2.0], [3.0, 0.0]])
    >>> sparse.dense_from_sparse(sparse.RowScaleCSC()(x, np.array([1.0, 10.0]))).eval()
    array([[ 0.,  2.],
           [30.,  0.]])
    """,
    row_scale,
)
# Of two matrices either may be the sparse one.
Dot = op_class(
    "Dot",
    """
    >>> x = sparse.csr_from_dense([[0.0, 2.0], [3.0, 0.0]])
    >>> sparse.Dot()(x, np.ones((2, 1))).eval()
    array([[2.],
           [3.]])
    """,
    SparseDot,
    dot,
)
TrueDot = op_class(
    "TrueDot",
    """
    >>> x = sparse.csr_from_dense([[0.0, 2.0], [3.0, 0.0]])
    >>> sparse.dense_from_sparse(sparse.TrueDot()(x, x)).eval()
    array([[6., 0.],
           [0., 6.]])
    """,
    TrueDotOp,
    true_dot,
    grad_preserves_dense=True,
)
SamplingDot = operation_object(
    "SamplingDot",
    """`sampling_dot(x, y, p)`: elements of x y^T where p has entries, times these.

    >>> x = sparse.csr_from_dense([[0.0, 2.0], [3.0, 0.0]])
    >>> sparse.dense_from_sparse(sparse.SamplingDot()(np.eye(2), np.ones((2, 2)), x)).eval()
    array([[0., 2.],
           [3., 0.]])
    """,
    sampling_dot,
)
Usmm = operation_object(
    "Usmm",
    """`usmm(alpha, x, y, z)`: z + alpha x y.

    >>> x = sparse.csr_from_dense([[0.0, 2.0], [3.0, 0.0]])
    >>> sparse.Usmm()(10.0, x, np.ones((2, 1)), np.ones((2, 1))).eval()
    array([[21.],
           [31.]])
    """,
    usmm,
)


def structured_monoid(tensor_op: Callable[..., Variable]) -> Callable[..., Any]:
    """A decorator: the function becomes `tensor_op` of the stored entries of a sparse
    matrix, and of numbers.

    >>> import symnet.sparse as sparse
    >>> import symnet.tensor as T
    >>> @sparse.structured_monoid(T.cos)
    ... def structured_cos(x):
    ...     "cos of the stored entries."
    >>> x = sparse.csr_matrix("x")
    >>> structured_cos(x).type.format
    'csr'
    """

    def decorator(function: Callable[..., Any]) -> Callable[..., Variable]:
        def apply(x: Any, *numbers: Any) -> Variable:
            return on_entries(tensor_op, x, *numbers)

        apply.__name__, apply.__doc__ = function.__name__, function.__doc__
        return apply

    return decorator
