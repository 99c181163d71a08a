"""Along the rows and columns of sparse matrices: sums, scales, diagonals; their order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from symnet.errors import message
from symnet.graph.op import Gradients, Vars
from symnet.graph.types import TensorType
from symnet.graph.variables import Apply, Variable, make_variable, operand_text
from symnet.ops import arithmetic, comparison
from symnet.ops.alloc import broadcast_to, zeros
from symnet.ops.base import as_tensor, common_dtype, constant
from symnet.ops.creation import arange
from symnet.ops.elementwise import cast as dense_cast
from symnet.ops.indexing import getitem, inc_subtensor
from symnet.ops.reduce import sum as dense_sum
from symnet.ops.shape import dimshuffle
from symnet.ops.sizes import shape_i, specify_shape
from symnet.ops.sparse.conversions import (
    CONTINUOUS,
    FullFromDense,
    conjugate_of,
    sp_ones_like,
    sparse_format,
    sparse_shape,
)
from symnet.ops.sparse.entrywise import EntrywiseOp, transpose
from symnet.ops.sparse.sparse_arithmetic import mul
from symnet.ops.sparse.sparse_parts import DenseForms, Form, SparseOp, SparseParts
from symnet.ops.sparse.sparse_type import SparseType, as_sparse_variable

# ---- a vector along the columns


class ByColumn(SparseOp):
    """Each entry combined with the element of a vector that belongs to its column."""

    function: Callable[[Variable, Variable], Variable]

    def make_node(self, x: Any, y: Any) -> Apply:
        x, y = as_sparse_variable(x), as_tensor(y)
        if y.type.ndim != 1:
            raise TypeError(
                message(
                    f"{self} takes a sparse matrix and a vector",
                    operands=[operand_text(x), operand_text(y)],
                    cure="for a dense matrix write x * y or x + y",
                )
            )
        kind = x.type.clone(dtype=common_dtype([x, y]))
        return Apply(self, [x, y], [make_variable(kind)])

    def dense(
        self, node: Apply, inputs: Sequence[Any], forms: DenseForms
    ) -> Sequence[Form]:
        x, y = inputs
        y = getitem(specify_shape(y, [x.shape[1]]), x.positions[1])
        found = type(self).function(x.data, y)
        return [x.with_data(dense_cast(found, node.outputs[0].type.dtype))]


class MulSV(ByColumn):
    """Each column of a sparse matrix times an element of a vector.

    >>> x = sparse.csr_from_dense([[0.0, 2.0], [3.0, 0.0]])
    >>> sparse.dense_from_sparse(sparse.MulSV()(x, np.array([1.0, 10.0]))).eval()
    array([[ 0., 20.],
           [ 3.,  0.]])
    """

    function = staticmethod(arithmetic.mul)

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        (x, y), (gradient,) = map(conjugate_of, inputs), output_gradients
        return [self(gradient, y), sp_sum(mul(x, gradient), 0, True)]


class StructuredAddSV(ByColumn):
    """An element of a vector added to each stored entry of a column.

    >>> x = sparse.csr_from_dense([[0.0, 2.0], [3.0, 0.0]])
    >>> sparse.dense_from_sparse(sparse.StructuredAddSV()(x, np.array([1.0, 10.0]))).eval()
    array([[ 0., 12.],
           [ 4.,  0.]])
    """

    function = staticmethod(arithmetic.add)

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        # What stands where nothing is stored was added to nothing.
        gradient = mul(sp_ones_like(inputs[0]), output_gradients[0])
        return [gradient, sp_sum(gradient, 0, True)]


mul_s_v, structured_add_s_v = MulSV(), StructuredAddSV()


def col_scale(x: Any, s: Any) -> Variable:
    """Each column of the sparse x times an element of the vector s."""
    return mul_s_v(x, s)


def row_scale(x: Any, s: Any) -> Variable:
    """Each row of the sparse x times an element of the vector s."""
    return transpose(mul_s_v(transpose(x), s))


# ---- sums


class SpSum(SparseOp):
    """The sum of all numbers of a sparse matrix (axis None), of each column (0) or of each
    row (1).

    sparse_grad: the gradient has the entries of the matrix only; else all elements.

    >>> x = sparse.csr_from_dense([[0.0, 2.0], [3.0, 0.0]])
    >>> sparse.SpSum(axis=0)(x).eval()
    array([3., 2.])
    """

    __props__ = ("axis", "structured")

    def __init__(self, axis: int | None = None, sparse_grad: bool = True) -> None:
        if axis not in (None, 0, 1):
            raise ValueError(f"sp_sum: the axis is None, 0 or 1, not {axis!r}")
        self.axis, self.structured = axis, bool(sparse_grad)

    def make_node(self, x: Any) -> Apply:
        x = as_sparse_variable(x)
        kind = TensorType(x.type.dtype, () if self.axis is None else (None,))
        return Apply(self, [x], [make_variable(kind)])

    def dense(
        self, node: Apply, inputs: Sequence[Any], forms: DenseForms
    ) -> Sequence[Form]:
        (x,) = inputs
        dtype = node.outputs[0].type.dtype
        if self.axis is None:
            return [dense_sum(x.data, dtype=dtype)]
        kept = 1 - self.axis
        empty = zeros([x.shape[kept]], dtype=dtype)
        return [inc_subtensor(getitem(empty, x.positions[kept]), x.data)]

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        (x,), (gradient,) = inputs, output_gradients
        if x.type.dtype not in CONTINUOUS:
            return [None]
        if self.structured:
            scale = {None: mul, 0: col_scale, 1: row_scale}[self.axis]
            return [scale(sp_ones_like(x), gradient)]
        if self.axis == 1:
            gradient = dimshuffle(gradient, 0, "x")
        whole = broadcast_to(gradient, sparse_shape(x))
        return [FullFromDense(x.type.format)(whole)]


def sp_sum(x: Any, axis: int | None = None, sparse_grad: bool = False) -> Variable:
    """The sum of all numbers of a sparse matrix (axis None), of each column (0) or of each
    row (1).

    >>> x = csr_matrix("x")
    >>> sp_sum(x, axis=1).type
    float64 vector

    sparse_grad: the gradient has the entries of x only; else all elements.
    Dtypes: that of x.
    """
    return SpSum(axis, sparse_grad)(x)


# ---- diagonals


class Diag(SparseOp):
    """The diagonal of a square sparse matrix, a vector.

    >>> x = sparse.csc_from_dense([[5.0, 2.0], [3.0, 6.0]])
    >>> sparse.Diag()(x).eval()
    array([5., 6.])
    """

    def make_node(self, x: Any) -> Apply:
        x = as_sparse_variable(x)
        return Apply(self, [x], [make_variable(TensorType(x.type.dtype, (None,)))])

    def dense(
        self, node: Apply, inputs: Sequence[Any], forms: DenseForms
    ) -> Sequence[Form]:
        (x,) = inputs
        rows, columns = x.positions
        zero = constant(0, dtype=x.data.type.dtype)
        found = arithmetic.switch(comparison.eq(rows, columns), x.data, zero)
        empty = zeros([x.shape[0]], dtype=x.data.type.dtype)
        diagonal = inc_subtensor(getitem(empty, rows), found)
        return [specify_shape(diagonal, [x.shape[1]])]

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        gradient = square_diagonal(output_gradients[0])
        return [sparse_format(gradient, inputs[0].type.format)]


class SquareDiagonal(SparseOp):
    """The square CSC matrix with a vector on its diagonal.

    >>> x = sparse.SquareDiagonal()(np.array([1.0, 2.0]))
    >>> sparse.dense_from_sparse(x).eval()
    array([[1., 0.],
           [0., 2.]])
    """

    def make_node(self, diagonal: Any) -> Apply:
        diagonal = as_tensor(diagonal)
        if diagonal.type.ndim != 1:
            raise TypeError(
                message(
                    "square_diagonal takes a vector", operands=[operand_text(diagonal)]
                )
            )
        kind = SparseType("csc", diagonal.type.dtype)
        return Apply(self, [diagonal], [make_variable(kind)])

    def dense(
        self, node: Apply, inputs: Sequence[Any], forms: DenseForms
    ) -> Sequence[Form]:
        (diagonal,) = inputs
        count = shape_i(diagonal, 0)
        starts = arange(0, count + 1, dtype="int32")
        indices = arange(0, count, dtype="int32")
        return [SparseParts("csc", diagonal, indices, starts, (count, count))]

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        return [diag(output_gradients[0])]


diag, square_diagonal = Diag(), SquareDiagonal()


# ---- the order of entries


class EnsureSortedIndices(EntrywiseOp):
    """The same matrix, its entries in the order of their indices.

    >>> x = sparse.csr_from_dense([[0.0, 2.0], [3.0, 0.0]])
    >>> sparse.EnsureSortedIndices(False)(x).eval().has_sorted_indices
    True
    """

    def __init__(self, inplace: bool = False) -> None:
        """inplace: accepted as in Theano; no value is overwritten."""

    def dense(
        self, node: Apply, inputs: Sequence[Any], forms: DenseForms
    ) -> Sequence[Form]:
        return SparseOp.dense(self, node, inputs, forms)

    def matrices(self, node: Apply, values: Sequence[Any]) -> Sequence[Any]:
        return [values[0].sorted_indices()]

    def shapes(self, node: Apply, inputs: Sequence[Any]) -> Sequence[Any]:
        return [inputs[0].shape]

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        return [output_gradients[0]]


class Remove0(EnsureSortedIndices):
    """The same matrix without the zeros that it stores.

    >>> x = sparse.csr_from_dense([[0.0, 2.0], [3.0, 0.0]])
    >>> sparse.dense_from_sparse(sparse.Remove0()(x)).eval()
    array([[0., 2.],
           [3., 0.]])
    """

    def matrices(self, node: Apply, values: Sequence[Any]) -> Sequence[Any]:
        found = values[0].copy()
        found.eliminate_zeros()
        return [found]


ensure_sorted_indices, remove0 = EnsureSortedIndices(), Remove0()


def clean(x: Any) -> Variable:
    """The same matrix without stored zeros, its entries in order."""
    return ensure_sorted_indices(remove0(x))
