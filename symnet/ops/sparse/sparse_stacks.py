"""Sparse matrices side by side, and those that are made of rows of a dense one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from symnet.errors import message
from symnet.graph.op import Gradients, Vars
from symnet.graph.types import INTEGERS, TensorType
from symnet.graph.variables import Apply, Variable, make_variable, operand_text
from symnet.ops.advanced import AdvancedSubtensor
from symnet.ops.alloc import broadcast_to
from symnet.ops.arithmetic import switch
from symnet.ops.base import as_tensor, common_dtype, constant, disconnected
from symnet.ops.comparison import lt
from symnet.ops.composed import Composed
from symnet.ops.creation import arange
from symnet.ops.elementwise import cast as dense_cast
from symnet.ops.indexing import getitem
from symnet.ops.lowerings import Shapes, Sizes
from symnet.ops.sizes import shape as dense_shape
from symnet.ops.sizes import shape_i, specify_shape
from symnet.ops.sparse.conversions import (
    EntriesOf,
    csm_properties,
    sparse_format,
    sparse_shape,
)
from symnet.ops.sparse.sparse_parts import DenseForms, Form, SparseOp, SparseParts
from symnet.ops.sparse.sparse_slices import get_item_2d
from symnet.ops.sparse.sparse_type import FORMATS, SparseType, as_sparse_variable

# ---- side by side


class Stack(SparseOp):
    """Sparse matrices put together along an axis, as one of a format and dtype."""

    __props__ = ("format", "dtype")
    axis: ClassVar[int]

    def __init__(self, format: str | None = None, dtype: Any = None) -> None:
        if format not in (None, *FORMATS):
            raise TypeError(f"no format {format!r}: there are {', '.join(FORMATS)}")
        self.format, self.dtype = format or "csc", TensorType(dtype).dtype

    def make_node(self, *blocks: Any) -> Apply:
        if not blocks:
            raise ValueError("there are no matrices to put side by side")
        kind = SparseType(self.format, self.dtype)
        return Apply(
            self, [as_sparse_variable(b) for b in blocks], [make_variable(kind)]
        )

    def matrices(self, node: Apply, values: Sequence[Any]) -> Sequence[Any]:
        import scipy.sparse

        join = scipy.sparse.hstack if self.axis else scipy.sparse.vstack
        return [join(values, format=self.format, dtype=self.dtype)]

    def shapes(self, node: Apply, inputs: Sequence[Any]) -> Sequence[Any]:
        total = inputs[0].shape[self.axis]
        for one in inputs[1:]:
            total = total + one.shape[self.axis]
        other = inputs[0].shape[1 - self.axis]
        return [(other, total) if self.axis else (total, other)]

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        (gradient,) = output_gradients
        start: Any = constant(0, dtype="int64")
        found = []
        for v in inputs:
            stop = start + getitem(sparse_shape(v), self.axis)
            whole, part = slice(None), slice(start, stop)
            piece = get_item_2d(gradient, (whole, part) if self.axis else (part, whole))
            found.append(sparse_format(piece, v.type.format))
            start = stop
        return found


class HStack(Stack):
    """Sparse matrices side by side.

    >>> x = sparse.csr_from_dense([[0.0, 2.0], [3.0, 0.0]])
    >>> sparse.dense_from_sparse(sparse.HStack("csr")(x, x)).eval()
    array([[0., 2., 0., 2.],
           [3., 0., 3., 0.]])
    """

    axis = 1


class VStack(Stack):
    """Sparse matrices one below the other.

    >>> x = sparse.csr_from_dense([[0.0, 2.0], [3.0, 0.0]])
    >>> sparse.dense_from_sparse(sparse.VStack("csr")(x, x)).eval()
    array([[0., 2.],
           [3., 0.],
           [0., 2.],
           [3., 0.]])
    """

    axis = 0


def _stack(kind: type[Stack], blocks: Any, format: str | None, dtype: Any) -> Variable:
    variables = [as_sparse_variable(b) for b in blocks]
    if not variables:
        raise ValueError("there are no matrices to put side by side")
    return kind(format, dtype or common_dtype(variables))(*variables)


def hstack(blocks: Any, format: str | None = None, dtype: Any = None) -> Variable:
    """Sparse matrices side by side, as one of a format (by default CSC) and dtype (that of
    all together)."""
    return _stack(HStack, blocks, format, dtype)


def vstack(blocks: Any, format: str | None = None, dtype: Any = None) -> Variable:
    """Sparse matrices one below the other: see `hstack`."""
    return _stack(VStack, blocks, format, dtype)


# ---- sparse gradients of dense matrices


class ConstructSparseFromList(SparseOp):
    """A CSC matrix of a shape whose entries are rows at given positions: (shape, values,
    positions); rows that are named twice are added up.

    >>> x = sparse.ConstructSparseFromList()((3, 2), [[1.0, 2.0]], [2])
    >>> sparse.dense_from_sparse(x).eval()
    array([[0., 0.],
           [0., 0.],
           [1., 2.]])
    """

    def make_node(self, shape: Any, values: Any, ilist: Any) -> Apply:
        shape, values, ilist = as_tensor(shape), as_tensor(values), as_tensor(ilist)
        if ilist.type.dtype not in INTEGERS or ilist.type.ndim != 1:
            raise TypeError(
                f"positions are a vector of integers, not {operand_text(ilist)}"
            )
        if values.type.ndim != 2:
            raise TypeError(f"the rows are a matrix, not {operand_text(values)}")
        kind = SparseType("csc", values.type.dtype)
        return Apply(self, [shape, values, ilist], [make_variable(kind)])

    def dense(
        self, node: Apply, inputs: Sequence[Any], forms: DenseForms
    ) -> Sequence[Form]:
        shape, values, ilist = inputs
        rows, columns = (dense_cast(getitem(shape, k), "int64") for k in range(2))
        count = shape_i(ilist, 0)
        values = specify_shape(values, [count, columns])
        places = switch(lt(ilist, 0), ilist + rows, ilist)
        indices = dense_cast(broadcast_to(places, [columns, count]), "int32")
        starts = dense_cast(arange(0, columns + 1) * count, "int32")
        arrays = (values.dimshuffle(1, 0).flatten(), indices.flatten(), starts)
        return [SparseParts("csc", *arrays, (rows, columns))]

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        (made,), (gradient,) = outputs, output_gradients
        entries = EntriesOf("csc")(*csm_properties(made), gradient)
        columns = entries.reshape((getitem(inputs[0], 1), shape_i(inputs[2], 0)))
        return [disconnected(), columns.dimshuffle(1, 0), disconnected()]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[False], [True], [False]]


def construct_sparse_from_list(x: Any, values: Any, ilist: Any) -> Variable:
    """A CSC matrix of the shape of the dense matrix x whose entries are the rows `values`,
    at the positions `ilist`; rows that are named twice are added up.

    Raises: TypeError for an x or values of another rank, and positions that are no vector
    of integers.
    """
    x = as_tensor(x)
    if x.type.ndim != 2:
        raise TypeError(f"a sparse matrix has two axes, not {x.type.ndim}")
    return ConstructSparseFromList()(dense_shape(x), values, ilist)


class RowsSparsely(Composed):
    """x[positions] of a dense matrix, whose gradient is sparse."""

    def make_node(self, x: Any, index: Any) -> Apply:
        x, index = as_tensor(x), as_tensor(index)
        shape = (index.type.shape[0], x.type.shape[1])
        kind = TensorType(x.type.dtype, shape)
        return Apply(self, [x, index], [make_variable(kind)])

    def expand(self, *inputs: Variable) -> Variable:
        return getitem(*inputs)

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        return [arrays[0][arrays[1]]]

    def infer_sizes(self, node: Apply, inputs: Shapes, sizes: Sizes) -> Shapes:
        return [(inputs[1][0], inputs[0][1])]

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        x, index = inputs
        gradient = construct_sparse_from_list(x, output_gradients[0], index)
        return [gradient, disconnected()]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[True], [False]]


def sparse_grad(var: Variable) -> Variable:
    """Rows of a dense matrix, `x[positions]`, with a gradient of x that is sparse.

    An update such as `(x, x - rate * grad(cost, x))` then takes as long as there are rows.

    Raises: TypeError for another expression.
    """
    node = var.owner
    if node is not None and isinstance(node.op, AdvancedSubtensor):
        x, *indices = node.inputs
        if node.op.axes == (0,) and x.type.ndim == var.type.ndim == 2:
            return RowsSparsely()(x, indices[0].flatten())
    raise TypeError(
        message(
            "sparse_grad takes rows of a matrix, x[positions]",
            operands=[operand_text(var)],
            origin=var.origin,
            cure="index a matrix with one vector of integers",
        )
    )
