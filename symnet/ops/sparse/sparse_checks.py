"""Sparse matrices that are checked to have a shape."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from symnet.errors import DeclaredShapeError, message
from symnet.graph.op import Gradients, Vars
from symnet.graph.variables import Apply, Variable, make_variable, operand_text
from symnet.ops.alloc import zeros
from symnet.ops.base import disconnected
from symnet.ops.checks import checked
from symnet.ops.sizes import SpecifyShape, size_scalar, size_vector, vector_elements
from symnet.ops.sparse.sparse_parts import DenseForms, Form, SparseOp, SparseParts
from symnet.ops.sparse.sparse_type import as_sparse_variable


class SpecifySparseShape(SparseOp):
    """`x`, checked to have the rows, the columns or both: op(x, *sizes).

    axes: what the sizes are of, 0 the rows and 1 the columns.
    Raises: DeclaredShapeError where they are others.
    """

    __props__ = ("axes",)

    def __init__(self, axes: Sequence[int]) -> None:
        self.axes = tuple(axes)

    def make_node(self, x: Any, *sizes: Any) -> Apply:
        x = as_sparse_variable(x)
        scalars = [size_scalar(s, "a size") for s in sizes]
        return Apply(self, [x, *scalars], [make_variable(x.type)])

    def dense(
        self, node: Apply, inputs: Sequence[Any], forms: DenseForms
    ) -> Sequence[Form]:
        x, *wanted = inputs
        # Of a dense matrix of that shape, which is not made: all parts hang on its check.
        whole = zeros(x.shape, dtype="bool")
        node = SpecifyShape(self.axes).make_node(whole, *wanted)
        arrays = [checked(v, node) for v in (x.data, x.indices, x.indptr)]
        rows, columns = (checked(v, node) for v in x.shape)
        data, indices, indptr = arrays
        return [
            replace(x, data=data, indices=indices, indptr=indptr, shape=(rows, columns))
        ]

    def shapes(self, node: Apply, inputs: Sequence[Any]) -> Sequence[Any]:
        x: SparseParts = inputs[0]
        return [x.shape]

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        return [output_gradients[0], *[disconnected() for _ in inputs[1:]]]


def specify_sparse_shape(x: Any, shape: Any) -> Variable:
    """`x`, checked to have `shape`: two integers or None, or an integer vector.

    Raises: DeclaredShapeError, a ValueError and an AssertionError, where x has another.

    >>> import symnet.tensor as T
    >>> x = csr_matrix("x")
    >>> T.specify_shape(x, (3, None)).type
    float64 csr matrix
    """
    variable = as_sparse_variable(x)
    if not isinstance(shape, (tuple, list)):
        vector: Any = SpecifyShape((0,))(size_vector(shape), 2)
        shape = vector_elements(vector) or [vector[0], vector[1]]
    if len(shape) != 2:
        raise DeclaredShapeError(
            message(
                f"specify_shape: {len(shape)} sizes for a matrix",
                operands=[operand_text(variable)],
            )
        )
    axes = [k for k, one in enumerate(shape) if one is not None]
    if not axes:
        return variable
    return SpecifySparseShape(axes)(variable, *[shape[k] for k in axes])


__all__ = ["SpecifySparseShape", "specify_sparse_shape"]
