"""Products with sparse matrices.

    structured_dot(x, y)   the gradient of a sparse operand has its entries only
    dot(x, y)              dense; the gradient of a sparse operand has all elements
    true_dot(x, y)         sparse; the gradient likewise

Whichever it is, a sparse matrix times a dense one is computed by the same native routines,
and nothing of its size is made dense.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from symnet.errors import ShapeError, message
from symnet.graph.op import Gradients, Vars
from symnet.graph.types import TensorType
from symnet.graph.variables import Apply, Variable, make_variable, operand_text
from symnet.ops import arithmetic
from symnet.ops.base import as_tensor, common_dtype, disconnected
from symnet.ops.indexing import getitem
from symnet.ops.linalg.products import dot as dense_dot
from symnet.ops.shape import dimshuffle
from symnet.ops.sizes import specify_shape
from symnet.ops.sparse.conversions import (
    CSM,
    FullFromDense,
    SparseFromDense,
    conjugate_of,
    csm_properties,
    full_parts,
    sp_ones_like,
    sparse_format,
)
from symnet.ops.sparse.entries import CompressedProduct, SampledEntries
from symnet.ops.sparse.entrywise import transpose
from symnet.ops.sparse.sparse_arithmetic import (
    as_sparse_or_tensor_variable,
    mul,
    operands,
)
from symnet.ops.sparse.sparse_parts import (
    DenseForms,
    Form,
    SparseOp,
    SparseParts,
    by_matrices,
)
from symnet.ops.sparse.sparse_type import (
    SparseType,
    as_sparse_variable,
    is_sparse,
    scipy_matrix,
)


def times_dense(x: SparseParts, y: Variable) -> Variable:
    """A sparse matrix times a dense one."""
    y = specify_shape(y, [x.shape[1], None])
    product = CompressedProduct(transposed=x.format == "csc")
    return product(x.data, x.indices, x.indptr, y, x.shape[0])


class SparseProductOp(SparseOp):
    """A product whose first operand is sparse; the second is sparse, a matrix or a vector."""

    ranks: ClassVar[tuple[int, ...]] = (2,)

    def make_node(self, x: Any, y: Any) -> Apply:
        x, y = as_sparse_variable(x), as_sparse_or_tensor_variable(y)
        if y.type.ndim not in self.ranks:
            what = " or ".join({1: "a vector", 2: "a matrix"}[n] for n in self.ranks)
            raise TypeError(
                message(
                    f"{self}: a sparse matrix is multiplied with {what}",
                    operation=self,
                    operands=[operand_text(x), operand_text(y)],
                    origin=y.origin,
                )
            )
        kind = self.result_type(x.type, y.type, common_dtype([x, y]))
        return Apply(self, [x, y], [make_variable(kind)])

    def result_type(self, x: Any, y: Any, dtype: str) -> Any:
        raise NotImplementedError(str(self))

    def dense(
        self, node: Apply, inputs: Sequence[Any], forms: DenseForms
    ) -> Sequence[Form]:
        x, y = inputs
        if isinstance(y, SparseParts):
            return by_matrices(node, inputs)
        if y.type.ndim == 2:
            return [times_dense(x, y)]
        return [getitem(times_dense(x, dimshuffle(y, 0, "x")), (slice(None), 0))]

    def matrices(self, node: Apply, values: Sequence[Any]) -> Sequence[Any]:
        x, y = values
        if x.shape[1] != y.shape[0]:
            raise ShapeError(f"shapes {x.shape} and {y.shape} cannot be multiplied")
        kind = node.outputs[0].type
        found = x.astype(kind.dtype) @ y.astype(kind.dtype)
        if isinstance(kind, SparseType):
            return [with_zeros(found, x, y).asformat(kind.format)]
        return [found.toarray() if hasattr(found, "toarray") else found]

    def shapes(self, node: Apply, inputs: Sequence[Any]) -> Sequence[Any]:
        x, y = inputs
        return [(x.shape[0], y.shape[1])] if isinstance(y, SparseParts) else [None]


def with_zeros(product: Any, x: Any, y: Any) -> Any:
    """The product of two matrices of SciPy's, with what adds up to 0 stored as well: its
    gradient is that of an entry."""
    places = (all_ones(x) @ all_ones(y)).tocsr()
    if places.nnz == product.nnz:
        return product
    places.sort_indices()
    product = product.tocsr()
    product.sort_indices()
    columns = max(places.shape[1], 1)

    def numbers(matrix: Any) -> Any:
        """Those of the entries, along rows."""
        rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
        return rows * columns + matrix.indices

    data = np.zeros(places.nnz, product.dtype)
    data[np.searchsorted(numbers(places), numbers(product))] = product.data
    return scipy_matrix("csr")(
        (data, places.indices, places.indptr), shape=places.shape
    )


def all_ones(x: Any) -> Any:
    """A matrix of SciPy's with ones for its entries."""
    return type(x)(
        (np.ones(len(x.data), "float32"), x.indices, x.indptr), shape=x.shape
    )


class StructuredDot(SparseProductOp):
    """A sparse matrix times a matrix; sparse where both are.

    The gradient of a sparse operand has its entries only.

    >>> x = sparse.csr_from_dense([[0.0, 2.0], [3.0, 0.0]])
    >>> sparse.StructuredDot()(x, np.ones((2, 1))).eval()
    array([[2.],
           [3.]])
    """

    def result_type(self, x: Any, y: Any, dtype: str) -> Any:
        if isinstance(y, SparseType):
            return x.clone(dtype=dtype)
        return TensorType(dtype, (None, y.shape[1]))

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        (x, y), (gradient,) = map(conjugate_of, inputs), output_gradients
        of_y = structured_dot(transpose(x), gradient)
        if is_sparse(y):
            of_y = sparse_format(mul(sp_ones_like(y), of_y), y.type.format)
        return [structured_dot_grad(x, y, gradient), of_y]


class SparseDot(SparseProductOp):
    """A sparse matrix times a matrix or vector, as a dense one.

    The gradient of a sparse operand has all elements.

    >>> x = sparse.csr_from_dense([[0.0, 2.0], [3.0, 0.0]])
    >>> sparse.Dot()(x, np.ones((2, 1))).eval()
    array([[2.],
           [3.]])
    """

    ranks = (1, 2)

    def result_type(self, x: Any, y: Any, dtype: str) -> Any:
        known = (None, None) if isinstance(y, SparseType) else (None, *y.shape[1:])
        return TensorType(dtype, known)

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        (x, y), (gradient,) = map(conjugate_of, inputs), output_gradients
        spread = FullFromDense(x.type.format)
        if is_sparse(y):
            of_y = FullFromDense(y.type.format)(dot(transpose(x), gradient))
            return [spread(dot(gradient, transpose(y))), of_y]
        left, right = gradient, y
        if y.type.ndim == 1:
            left, right = dimshuffle(gradient, 0, "x"), dimshuffle(y, 0, "x")
        return [OuterProduct(x.type.format)(left, right), dot(transpose(x), gradient)]


class OuterProduct(SparseOp):
    """u v.T as a sparse matrix in which every element is stored (see `FullFromDense`).

    Where only some of its elements are asked for, no others are computed.
    """

    __props__ = ("format",)

    def __init__(self, format: str) -> None:
        self.format = format

    def make_node(self, u: Any, v: Any) -> Apply:
        u, v = as_tensor(u), as_tensor(v)
        kind = SparseType(self.format, common_dtype([u, v]))
        return Apply(self, [u, v], [make_variable(kind)])

    def dense(
        self, node: Apply, inputs: Sequence[Any], forms: DenseForms
    ) -> Sequence[Form]:
        u, v = inputs
        return [full_parts(self.format, dense_dot(u, dimshuffle(v, 1, 0)))]

    def elements_at(self, inputs: Sequence[Any], parts: SparseParts) -> Variable:
        return sampled(parts, *inputs)

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        (u, v), (gradient,) = map(conjugate_of, inputs), output_gradients
        return [dot(gradient, v), dot(transpose(gradient), u)]


def sampled(parts: SparseParts, u: Variable, v: Variable) -> Variable:
    """The elements of u v.T at the entries of a matrix."""
    u = specify_shape(u, [parts.shape[0], None])
    v = specify_shape(v, [parts.shape[1], None])
    pair = (u, v) if parts.format == "csr" else (v, u)
    return SampledEntries()(parts.indices, parts.indptr, *pair)


class SampledAt(SparseOp):
    """The elements of u v.T at the entries of a sparse matrix p: (p, u, v) -> sparse."""

    def make_node(self, p: Any, u: Any, v: Any) -> Apply:
        p, u, v = as_sparse_variable(p), as_tensor(u), as_tensor(v)
        for one in (u, v):
            if one.type.ndim != 2:
                raise TypeError(
                    message(
                        "a product that is sampled is one of matrices",
                        operands=[operand_text(w) for w in (p, u, v)],
                    )
                )
        kind = p.type.clone(dtype=common_dtype([u, v]))
        return Apply(self, [p, u, v], [make_variable(kind)])

    def dense(
        self, node: Apply, inputs: Sequence[Any], forms: DenseForms
    ) -> Sequence[Form]:
        p, u, v = inputs
        return [p.with_data(sampled(p, u, v))]

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        (_, u, v), (gradient,) = map(conjugate_of, inputs), output_gradients
        of_u = structured_dot(gradient, v)
        return [disconnected(), of_u, structured_dot(transpose(gradient), u)]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[False], [True], [True]]


class TrueDot(SparseProductOp):
    """The product of two sparse matrices, with a gradient of all elements.

    >>> x = sparse.csr_from_dense([[0.0, 2.0], [3.0, 0.0]])
    >>> sparse.dense_from_sparse(sparse.TrueDot()(x, x)).eval()
    array([[6., 0.],
           [0., 6.]])
    """

    def result_type(self, x: Any, y: Any, dtype: str) -> Any:
        return x.clone(dtype=dtype)

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        (x, y), (gradient,) = map(conjugate_of, inputs), output_gradients
        return [
            true_dot(gradient, transpose(y)),
            sparse_format(true_dot(transpose(x), gradient), y.type.format),
        ]


# ---- what users call


def structured_dot(x: Any, y: Any) -> Variable:
    """x times y, of which one at least is sparse; the other is a matrix.

    >>> import symnet.tensor as T
    >>> structured_dot(csr_matrix("x"), T.matrix("w")).type
    float64 matrix

    Shapes: (m, k), (k, n) -> (m, n).  Dense where one is dense, else in the format of x.
    The gradient of a sparse operand has its entries only.
    Raises: TypeError where none is sparse, or the other is no matrix; ShapeError where
    sizes differ.
    """
    left, right = operands(x, y, "structured_dot")
    if is_sparse(left):
        return StructuredDot()(left, right)
    return _transposed(StructuredDot()(transpose(right), _transposed(left)))


def structured_dot_grad(sparse_A: Any, dense_B: Any, ga: Any) -> Variable:
    """The gradient of a sparse matrix in `structured_dot(sparse_A, dense_B)`, from that of
    the product; it has the entries of the matrix."""
    if is_sparse(as_sparse_or_tensor_variable(dense_B)):
        whole = structured_dot(ga, transpose(dense_B))
        ones = sp_ones_like(sparse_A)
        return mul(ones, whole)
    return SampledAt()(sparse_A, ga, dense_B)


def dot(x: Any, y: Any) -> Variable:
    """x times y as a dense array; one at least is a sparse matrix, the other a matrix or a
    vector.

    The gradient of a sparse operand has all elements (see `structured_dot`).
    Raises: as `structured_dot`.
    """
    left, right = operands(x, y, "dot")
    if is_sparse(left):
        return SparseDot()(left, right)
    return _transposed(SparseDot()(transpose(right), _transposed(left)))


def true_dot(x: Any, y: Any, grad_preserves_dense: bool = True) -> Variable:
    """x times y as a sparse matrix; one at least is sparse, the other a matrix.

    grad_preserves_dense: the gradient of a dense operand is dense; else sparse.
    The gradient of a sparse operand has all elements (see `structured_dot`).
    Raises: as `structured_dot`.
    """
    left, right = operands(x, y, "true_dot")
    if not is_sparse(left):
        other = true_dot(transpose(right), _transposed(left), grad_preserves_dense)
        return transpose(other)
    if is_sparse(right):
        return TrueDot()(left, right)
    if not grad_preserves_dense:
        return TrueDot()(left, SparseFromDense(left.type.format)(right))
    if right.type.ndim != 2:
        raise TypeError(
            message(
                "true_dot multiplies matrices",
                operands=[operand_text(left), operand_text(right)],
                cure="use dot(x, y) for a vector",
            )
        )
    return SparseFromDense(left.type.format)(dot(left, right))


def usmm(alpha: Any, x: Any, y: Any, z: Any) -> Variable:
    """alpha x y + z, with a number alpha, a dense matrix z, and x or y sparse.

    Raises: TypeError for other ranks; and as `structured_dot`.
    """
    alpha, z = as_tensor(alpha), as_tensor(z)
    if any(size != 1 for size in alpha.type.shape) or z.type.ndim != 2:
        raise TypeError(
            message(
                "usmm takes a number alpha and a matrix z",
                operands=[operand_text(v) for v in (alpha, z)],
            )
        )
    if alpha.type.ndim:
        alpha = dimshuffle(alpha)
    found: Variable = arithmetic.add(arithmetic.mul(alpha, dot(x, y)), z)
    return found


def sampling_dot(x: Any, y: Any, p: Any) -> Variable:
    """The elements of x y.T at the entries of the sparse matrix p, times these.

    Shapes: x (m, k), y (n, k), p (m, n) -> (m, n), stored as p is.
    """
    p = as_sparse_variable(p)
    data, indices, indptr, shape = csm_properties(p)
    found = csm_properties(SampledAt()(p, x, y))[0]
    product = arithmetic.mul(data, found)
    return CSM(p.type.format)(product, indices, indptr, shape)


def _transposed(x: Variable) -> Variable:
    if is_sparse(x):
        return transpose(x)
    return dimshuffle(x, 1, 0) if x.type.ndim == 2 else x
