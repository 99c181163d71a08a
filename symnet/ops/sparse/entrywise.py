"""Operations on sparse matrices that keep the entries where they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from symnet.graph.op import Gradients, Vars
from symnet.graph.types import COMPLEX, FLOATS, TensorType
from symnet.graph.variables import Apply, Variable, make_variable
from symnet.ops.complex_parts import real
from symnet.ops.elementwise import cast as dense_cast
from symnet.ops.sparse.sparse_parts import DenseForms, Form, SparseOp, SparseParts
from symnet.ops.sparse.sparse_type import SparseType, as_sparse_variable

CONTINUOUS = FLOATS + COMPLEX


class EntrywiseOp(SparseOp):
    """An operation with one sparse input whose entries stay where they are, and whose
    gradient is of the same kind."""

    def make_node(self, x: Any) -> Apply:
        x = as_sparse_variable(x)
        return Apply(self, [x], [make_variable(self.result_type(x.type))])

    def result_type(self, kind: SparseType) -> SparseType:
        return kind

    def dense(
        self, node: Apply, inputs: Sequence[Any], forms: DenseForms
    ) -> Sequence[Form]:
        return [self.of_parts(inputs[0])]

    def of_parts(self, x: SparseParts) -> SparseParts:
        raise NotImplementedError(str(self))


class SparseTranspose(EntrywiseOp):
    """The transpose, in the other format; no entry moves in memory.

    >>> x = sparse.csr_from_dense([[0.0, 2.0], [3.0, 0.0]])
    >>> sparse.dense_from_sparse(sparse.Transpose()(x)).eval()
    array([[0., 3.],
           [2., 0.]])
    """

    def result_type(self, kind: SparseType) -> SparseType:
        return kind.clone(format="csc" if kind.format == "csr" else "csr")

    def of_parts(self, x: SparseParts) -> SparseParts:
        return x.transposed

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        return [transpose(output_gradients[0])]


class SparseNeg(EntrywiseOp):
    """Each entry with the other sign.

    >>> x = sparse.csr_from_dense([[0.0, 2.0], [3.0, 0.0]])
    >>> sparse.dense_from_sparse(sparse.Neg()(x)).eval()
    array([[ 0., -2.],
           [-3.,  0.]])
    """

    def of_parts(self, x: SparseParts) -> SparseParts:
        return x.with_data(-x.data)

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        return [neg(output_gradients[0])]


class SparseCast(EntrywiseOp):
    """Each entry converted to another dtype.

    >>> x = sparse.csr_from_dense([[0.0, 2.0], [3.0, 0.0]])
    >>> sparse.Cast("float32")(x).dtype
    'float32'
    """

    __props__ = ("dtype",)

    def __init__(self, dtype: str) -> None:
        self.dtype = TensorType(dtype).dtype

    def result_type(self, kind: SparseType) -> SparseType:
        return kind.clone(dtype=self.dtype)

    def of_parts(self, x: SparseParts) -> SparseParts:
        data = x.data if self.dtype in COMPLEX else real(x.data)  # as SciPy
        return x.with_data(dense_cast(data, self.dtype))

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        dtype = inputs[0].type.dtype
        gradient = output_gradients[0]
        return [cast(gradient, dtype) if dtype in CONTINUOUS else gradient]


transpose, neg = SparseTranspose(), SparseNeg()


def cast(variable: Any, dtype: Any) -> Variable:
    """A sparse matrix with its numbers converted to `dtype`."""
    x = as_sparse_variable(variable)
    dtype = TensorType(dtype).dtype
    return x if x.type.dtype == dtype else SparseCast(dtype)(x)
