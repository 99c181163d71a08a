"""Sums, products and comparisons of sparse matrices, and of sparse and dense ones."""

from __future__ import annotations

import operator
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from symnet.errors import ShapeError, message
from symnet.graph.op import Gradients, Vars
from symnet.graph.types import TensorType
from symnet.graph.variables import (
    Apply,
    Constant,
    Variable,
    make_variable,
    operand_text,
)
from symnet.ops import arithmetic, comparison
from symnet.ops.base import as_tensor, common_dtype
from symnet.ops.elementwise import cast as dense_cast
from symnet.ops.indexing import getitem, inc_subtensor
from symnet.ops.reduce import sum as dense_sum
from symnet.ops.sizes import specify_shape
from symnet.ops.sparse.conversions import (
    DenseAt,
    conjugate_of,
    csm_properties,
    dense_from_sparse,
    sparse_format,
)
from symnet.ops.sparse.entries import entries_at
from symnet.ops.sparse.entrywise import cast, neg
from symnet.ops.sparse.sparse_parts import DenseForms, Form, SparseOp, SparseParts
from symnet.ops.sparse.sparse_type import (
    as_sparse_variable,
    is_sparse,
    is_sparse_value,
    scipy_matrix,
)


def as_sparse_or_tensor_variable(x: Any, name: str | None = None) -> Variable:
    """`x` as a sparse variable where it is sparse, else as a tensor."""
    if is_sparse_value(x) or (isinstance(x, Variable) and is_sparse(x)):
        return as_sparse_variable(x, name)
    return as_tensor(x, name, truth=True)


def operands(x: Any, y: Any, what: str) -> tuple[Variable, Variable]:
    """Raises: TypeError where neither is sparse."""
    left, right = map(as_sparse_or_tensor_variable, (x, y))
    if not (is_sparse(left) or is_sparse(right)):
        raise TypeError(
            message(
                f"sparse.{what}: one operand at least is sparse",
                operands=[operand_text(left), operand_text(right)],
                cure=f"use symnet.tensor.{what}",
            )
        )
    return left, right


def as_wide_as(x: SparseParts, y: Variable) -> Variable:
    """A dense matrix, checked to have the shape of a sparse one."""
    return specify_shape(y, list(x.shape))


class TwoSparse(SparseOp):
    """An operation of two sparse matrices of one shape; its result has the first one's
    format."""

    def make_node(self, x: Any, y: Any) -> Apply:
        x, y = as_sparse_variable(x), as_sparse_variable(y)
        kind = x.type.clone(dtype=self.dtype_of(x, y))
        return Apply(self, [x, y], [make_variable(kind)])

    def dtype_of(self, x: Variable, y: Variable) -> str:
        return common_dtype([x, y])

    def matrices(self, node: Apply, values: Sequence[Any]) -> Sequence[Any]:
        x, y = values
        if x.shape != y.shape:
            raise ShapeError(f"{self}: shapes {x.shape} and {y.shape}")
        kind = node.outputs[0].type
        found = self.combined(x.astype(kind.dtype), y.astype(kind.dtype))
        return [found.asformat(kind.format).astype(kind.dtype)]

    def combined(self, x: Any, y: Any) -> Any:
        raise NotImplementedError(str(self))

    def shapes(self, node: Apply, inputs: Sequence[Any]) -> Sequence[Any]:
        return [inputs[0].shape]


class AddSS(TwoSparse):
    """The sum of two sparse matrices, which may store different entries.

    >>> x = sparse.csr_from_dense([[0.0, 2.0], [3.0, 0.0]])
    >>> sparse.dense_from_sparse(sparse.AddSS()(x, x)).eval()
    array([[0., 4.],
           [6., 0.]])
    """

    def combined(self, x: Any, y: Any) -> Any:
        """Also what adds up to 0 stays stored: its gradient is that of an entry."""
        left, right = x.tocoo(), y.tocoo()
        data = np.concatenate([left.data, right.data])
        rows = np.concatenate([left.row, right.row])
        columns = np.concatenate([left.col, right.col])
        return scipy_matrix(x.format)((data, (rows, columns)), shape=x.shape)

    def dense(
        self, node: Apply, inputs: Sequence[Any], forms: DenseForms
    ) -> Sequence[Form]:
        x, y = inputs
        if x.is_stored_as(y):
            return [x.with_data(arithmetic.add(x.data, y.data))]
        return super().dense(node, inputs, forms)

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        (gradient,) = output_gradients
        return [sparse_format(gradient, v.type.format) for v in inputs]


class MulSS(TwoSparse):
    """The product of two sparse matrices, element by element.

    >>> x = sparse.csr_from_dense([[0.0, 2.0], [3.0, 0.0]])
    >>> sparse.dense_from_sparse(sparse.MulSS()(x, x)).eval()
    array([[0., 4.],
           [9., 0.]])
    """

    def combined(self, x: Any, y: Any) -> Any:
        """Of what both store, also where the product is 0."""
        y = y.asformat(x.format)
        both = pattern(x).multiply(pattern(y)).asformat(x.format)
        left, right = (
            entries_at(both.indices, both.indptr, v.data, v.indices, v.indptr)
            for v in (x, y)
        )
        return type(x)((left * right, both.indices, both.indptr), shape=x.shape)

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        (x, y), (gradient,) = map(conjugate_of, inputs), output_gradients
        return [
            sparse_format(mul(y, gradient), x.type.format),
            sparse_format(mul(x, gradient), y.type.format),
        ]


class AddSSData(SparseOp):
    """The sum of two matrices that store the same entries, in one order.

    >>> x = sparse.csr_from_dense([[0.0, 2.0], [3.0, 0.0]])
    >>> sparse.dense_from_sparse(sparse.AddSSData()(x, x)).eval()
    array([[0., 4.],
           [6., 0.]])
    """

    def make_node(self, x: Any, y: Any) -> Apply:
        x, y = as_sparse_variable(x), as_sparse_variable(y)
        if x.type != y.type:
            raise TypeError(
                message(
                    "add_s_s_data takes matrices of one format and dtype",
                    operands=[operand_text(x), operand_text(y)],
                    cure="use add(x, y)",
                )
            )
        return Apply(self, [x, y], [make_variable(x.type)])

    def dense(
        self, node: Apply, inputs: Sequence[Any], forms: DenseForms
    ) -> Sequence[Form]:
        x, y = inputs
        return [x.with_data(arithmetic.add(x.data, y.data))]

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        return [output_gradients[0], output_gradients[0]]


class AddSD(SparseOp):
    """The sum of a sparse and a dense matrix, which is dense.

    The gradient of the sparse one has its entries.

    >>> x = sparse.csr_from_dense([[0.0, 2.0], [3.0, 0.0]])
    >>> sparse.AddSD()(x, np.ones((2, 2))).eval()
    array([[1., 3.],
           [4., 1.]])
    """

    def make_node(self, x: Any, y: Any) -> Apply:
        x, y = as_sparse_variable(x), as_tensor(y)
        if y.type.ndim != 2:
            raise TypeError(_no_matrix(self, x, y))
        kind = TensorType(common_dtype([x, y]), y.type.shape)
        return Apply(self, [x, y], [make_variable(kind)])

    def dense(
        self, node: Apply, inputs: Sequence[Any], forms: DenseForms
    ) -> Sequence[Form]:
        x, y = inputs
        kind = node.outputs[0].type
        whole = dense_cast(as_wide_as(x, y), kind.dtype)
        found = inc_subtensor(
            getitem(whole, x.positions), dense_cast(x.data, kind.dtype)
        )
        return [found]

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        return [DenseAt()(inputs[0], output_gradients[0]), output_gradients[0]]


def pattern(x: Any) -> Any:
    """Ones where a matrix of SciPy's stores something."""
    ones = np.ones(len(x.indices), "int8")
    found = type(x)((ones, x.indices.copy(), x.indptr.copy()), shape=x.shape)
    found.sum_duplicates()
    found.data[:] = 1
    return found


def _no_matrix(op: SparseOp, x: Variable, y: Variable) -> str:
    return message(
        f"{op}: a sparse matrix and an array of rank {y.type.ndim}",
        operation=op,
        operands=[operand_text(x), operand_text(y)],
        cure="give a matrix; for a vector see mul_s_v, structured_add_s_v, col_scale",
    )


class MulSD(SparseOp):
    """The product of a sparse matrix with a dense one or a number, element by element:
    sparse, with the entries of the first.

    >>> x = sparse.csr_from_dense([[0.0, 2.0], [3.0, 0.0]])
    >>> sparse.dense_from_sparse(sparse.MulSD()(x, np.full((2, 2), 10.0))).eval()
    array([[ 0., 20.],
           [30.,  0.]])
    """

    def make_node(self, x: Any, y: Any) -> Apply:
        x, y = as_sparse_variable(x), as_tensor(y)
        if y.type.ndim not in (0, 2):
            raise TypeError(_no_matrix(self, x, y))
        dtype = common_dtype([x, y])
        if isinstance(y, Constant) and y.weak:  # a rewrite could make it a strong one
            y = dense_cast(y, dtype)
        return Apply(self, [x, y], [make_variable(x.type.clone(dtype=dtype))])

    def dense(
        self, node: Apply, inputs: Sequence[Any], forms: DenseForms
    ) -> Sequence[Form]:
        x, y = inputs
        if y.type.ndim:
            y = getitem(as_wide_as(x, y), x.positions)
        product = arithmetic.mul(x.data, y)
        return [x.with_data(dense_cast(product, node.outputs[0].type.dtype))]

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        (x, y), (gradient,) = map(conjugate_of, inputs), output_gradients
        if y.type.ndim:
            return [mul(gradient, y), dense_from_sparse(mul(x, gradient))]
        at_entries = mul(x, gradient)
        return [mul(gradient, y), dense_sum(csm_properties(at_entries)[0])]


class CompareSS(TwoSparse):
    """A comparison of two sparse matrices, element by element, as uint8."""

    __props__ = ("kind",)

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def dtype_of(self, x: Variable, y: Variable) -> str:
        return "uint8"

    def matrices(self, node: Apply, values: Sequence[Any]) -> Sequence[Any]:
        from scipy.sparse import SparseEfficiencyWarning

        x, y = values
        if x.shape != y.shape:
            raise ShapeError(f"{self}: shapes {x.shape} and {y.shape}")
        with warnings.catch_warnings():
            # SciPy's, of "==" and the like: that the result has few zeros is known.
            warnings.simplefilter("ignore", SparseEfficiencyWarning)
            found = getattr(operator, self.kind)(x, y)
        return [found.asformat(node.outputs[0].type.format).astype("uint8")]

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        return [None, None]


add_s_s, mul_s_s, add_s_s_data = AddSS(), MulSS(), AddSSData()
add_s_d, mul_s_d = AddSD(), MulSD()


# ---- what users call


def add(x: Any, y: Any) -> Variable:
    """x + y, of which one at least is sparse.

    Two sparse matrices give a sparse one, in the format of the first; a dense one a dense.
    Gradients: that of a matrix beside a sparse one has all entries of the sum, beside a
    dense one its own.
    Raises: TypeError where none is sparse, or the other is no matrix; ShapeError where
    sizes differ.
    """
    left, right = operands(x, y, "add")
    if is_sparse(left) and is_sparse(right):
        return add_s_s(left, right)
    return add_s_d(left, right) if is_sparse(left) else add_s_d(right, left)


def sub(x: Any, y: Any) -> Variable:
    """x - y, of which one at least is sparse (see `add`)."""
    left, right = operands(x, y, "sub")
    dtype = common_dtype(
        [left, right]
    )  # before the sign changes: that of unsigned wraps
    if is_sparse(right):
        return add(left, neg(cast(right, dtype)))
    return add(left, arithmetic.neg(dense_cast(right, dtype)))


def mul(x: Any, y: Any) -> Variable:
    """x * y, element by element, of which one at least is sparse; so is the result.

    The other is sparse, a dense matrix or a number.  Raises: as `add`.
    """
    left, right = operands(x, y, "mul")
    if is_sparse(left) and is_sparse(right):
        return mul_s_s(left, right)
    return mul_s_d(left, right) if is_sparse(left) else mul_s_d(right, left)


def _comparison(kind: str, sign: str) -> Callable[[Any, Any], Variable]:
    dense = getattr(comparison, {"ne": "neq"}.get(kind, kind))

    def compare(x: Any, y: Any) -> Variable:
        left, right = operands(x, y, kind)
        if is_sparse(left) and is_sparse(right):
            return CompareSS(kind)(left, right)
        both = [dense_from_sparse(v) if is_sparse(v) else v for v in (left, right)]
        if any(v.type.ndim != 2 for v in both):
            raise TypeError(_no_matrix(CompareSS(kind), left, right))
        return dense_cast(dense(*both), "uint8")

    compare.__name__ = compare.__qualname__ = {"ne": "neq"}.get(kind, kind)
    compare.__doc__ = (
        f"x {sign} y, element by element, of which one at least is sparse: uint8, sparse "
        "where both are.\n\n    Raises: as `add`.\n    "
    )
    return compare


eq, neq = _comparison("eq", "=="), _comparison("ne", "!=")
lt, gt = _comparison("lt", "<"), _comparison("gt", ">")
le, ge = _comparison("le", "<="), _comparison("ge", ">=")
