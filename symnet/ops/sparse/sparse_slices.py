"""SparseParts of sparse matrices, and matrices side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symnet.errors import message
from symnet.graph.op import Gradients, Vars
from symnet.graph.types import INTEGERS, TensorType
from symnet.graph.variables import Apply, Variable, make_variable, operand_text
from symnet.ops.base import as_tensor, disconnected
from symnet.ops.sizes import shape_i
from symnet.ops.sparse.conversions import (
    sparse_format,
    sparse_shape,
)
from symnet.ops.sparse.sparse_parts import SparseOp
from symnet.ops.sparse.sparse_type import (
    SparseType,
    as_sparse_variable,
    scipy_matrix,
)

NEITHER = (
    "x[rows] or x[rows, columns] with slices, x[[1, 2]] for rows, x[[1, 2], [0, 3]] for "
    "numbers, x[i, j] for one"
)


def _positions(x: Variable, index: Any, what: str) -> Variable:
    found = as_tensor(np.asarray(index, "int64") if not len_of(index) else index)
    if found.type.ndim != 1 or found.type.dtype not in INTEGERS:
        raise TypeError(
            message(
                f"{what}: positions are a vector of integers",
                operands=[operand_text(x), operand_text(found)],
                cure=f"write {NEITHER}",
            )
        )
    return found


def len_of(index: Any) -> int:
    return len(index) if isinstance(index, (list, tuple)) else 1


class PartOp(SparseOp):
    """A part of a sparse matrix, by positions.

    The gradient is a matrix with the numbers of the part at their places: `spread`.
    """

    def spread(self, x: Variable, gradient: Variable, inputs: Vars) -> Variable:
        raise NotImplementedError(str(self))

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        x, *rest = inputs
        found = self.spread(x, output_gradients[0], rest)
        return [found, *[disconnected() for _ in rest]]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[k == 0] for k, _ in enumerate(node.inputs)]


class GetItemList(PartOp):
    """Rows of a sparse matrix: (x, positions) -> sparse, in the format of x.

    Raises: IndexError where there is no such row.

    >>> x = sparse.csr_from_dense([[0.0, 2.0], [3.0, 0.0]])
    >>> sparse.dense_from_sparse(sparse.GetItemList()(x, [1, 1])).eval()
    array([[3., 0.],
           [3., 0.]])
    """

    def make_node(self, x: Any, index: Any) -> Apply:
        x = as_sparse_variable(x)
        index = _positions(x, index, "x[rows]")
        return Apply(self, [x, index], [make_variable(x.type)])

    def matrices(self, node: Apply, values: Sequence[Any]) -> Sequence[Any]:
        x, index = values
        return [x[np.asarray(index)].asformat(x.format)]

    def shapes(self, node: Apply, inputs: Sequence[Any]) -> Sequence[Any]:
        x, index = inputs
        return [(shape_i(index, 0), x.shape[1])]

    def spread(self, x: Variable, gradient: Variable, inputs: Vars) -> Variable:
        return RowsAt(x.type.format)(sparse_shape(x), gradient, *inputs)


class RowsAt(SparseOp):
    """A matrix of a shape with the rows of another at given positions, added up where one
    is named twice: (shape, rows, positions) -> sparse."""

    __props__ = ("format",)

    def __init__(self, format: str) -> None:
        self.format = format

    def make_node(self, shape: Any, rows: Any, index: Any) -> Apply:
        shape, rows, index = (
            as_tensor(shape),
            as_sparse_variable(rows),
            as_tensor(index),
        )
        kind = rows.type.clone(format=self.format)
        return Apply(self, [shape, rows, index], [make_variable(kind)])

    def matrices(self, node: Apply, values: Sequence[Any]) -> Sequence[Any]:
        shape, rows, index = values
        found = rows.tocoo()
        places = np.asarray(index)[found.row]
        places = np.where(places < 0, places + shape[0], places)
        made = scipy_matrix(self.format)
        return [made((found.data, (places, found.col)), shape=tuple(map(int, shape)))]

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        _, rows, index = inputs
        part = get_item_list(output_gradients[0], index)
        return [
            disconnected(), sparse_format(part, rows.type.format), disconnected(),
        ]  # fmt: skip

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[False], [True], [False]]


class GetItem2Lists(PartOp):
    """Numbers of a sparse matrix: (x, rows, columns) -> a vector.

    Raises: IndexError where there is no such element.

    >>> x = sparse.csr_from_dense([[0.0, 2.0], [3.0, 0.0]])
    >>> sparse.GetItem2Lists()(x, [0, 1], [1, 1]).eval()
    array([2., 0.])
    """

    def make_node(self, x: Any, ind1: Any, ind2: Any) -> Apply:
        x = as_sparse_variable(x)
        places = [_positions(x, v, "x[rows, columns]") for v in (ind1, ind2)]
        kind = TensorType(x.type.dtype, (None,))
        return Apply(self, [x, *places], [make_variable(kind)])

    def matrices(self, node: Apply, values: Sequence[Any]) -> Sequence[Any]:
        x, rows, columns = values
        if len(rows) != len(columns):
            raise IndexError(f"{len(rows)} rows and {len(columns)} columns")
        return [np.asarray(x[rows, columns], node.outputs[0].type.dtype).reshape(-1)]

    def spread(self, x: Variable, gradient: Variable, inputs: Vars) -> Variable:
        return NumbersAt(x.type.format)(sparse_shape(x), gradient, *inputs)


class NumbersAt(SparseOp):
    """A matrix of a shape with numbers at given positions, added up where one is named
    twice: (shape, numbers, rows, columns) -> sparse."""

    __props__ = ("format",)

    def __init__(self, format: str) -> None:
        self.format = format

    def make_node(self, shape: Any, numbers: Any, rows: Any, columns: Any) -> Apply:
        inputs = [as_tensor(v) for v in (shape, numbers, rows, columns)]
        kind = SparseType(self.format, inputs[1].type.dtype)
        return Apply(self, inputs, [make_variable(kind)])

    def matrices(self, node: Apply, values: Sequence[Any]) -> Sequence[Any]:
        shape, numbers, *places = values
        rows, columns = (
            np.where(place < 0, place + size, place)
            for place, size in zip(places, shape, strict=True)
        )
        made = scipy_matrix(self.format)
        return [made((numbers, (rows, columns)), shape=tuple(map(int, shape)))]

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        found: list[Any] = [disconnected() for _ in inputs]
        found[1] = get_item_2lists(output_gradients[0], *inputs[2:])
        return found

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[k == 1] for k in range(4)]


class GetItemScalar(PartOp):
    """One number of a sparse matrix: (x, row, column) -> scalar.

    Raises: IndexError where there is none.

    >>> x = sparse.csr_from_dense([[0.0, 2.0], [3.0, 0.0]])
    >>> sparse.GetItemScalar()(x, 1, 0).eval()
    array(3.)
    """

    def make_node(self, x: Any, row: Any, column: Any) -> Apply:
        x, places = as_sparse_variable(x), [as_tensor(row), as_tensor(column)]
        if any(v.type.ndim or v.type.dtype not in INTEGERS for v in places):
            raise TypeError(
                message(
                    "x[i, j]: the position of one number is two integers",
                    operands=[operand_text(v) for v in (x, *places)],
                    cure=f"write {NEITHER}",
                )
            )
        kind = TensorType(x.type.dtype, ())
        return Apply(self, [x, *places], [make_variable(kind)])

    def matrices(self, node: Apply, values: Sequence[Any]) -> Sequence[Any]:
        x, row, column = values
        return [np.asarray(x[int(row), int(column)], node.outputs[0].type.dtype)]

    def spread(self, x: Variable, gradient: Variable, inputs: Vars) -> Variable:
        vectors = [v.dimshuffle("x") for v in (gradient, *inputs)]
        return NumbersAt(x.type.format)(sparse_shape(x), *vectors)


class GetItem2d(PartOp):
    """Rows and columns of a sparse matrix by slices: sparse, in the format of x.

    pattern: of each of start, stop, step, twice, whether it is given.

    >>> x = sparse.csr_from_dense([[0.0, 2.0], [3.0, 0.0]])
    >>> part = x[1:, :]
    >>> sparse.dense_from_sparse(part).eval()
    array([[3., 0.]])
    >>> isinstance(part.owner.op, sparse.GetItem2d)
    True
    """

    __props__ = ("pattern",)

    def __init__(self, pattern: tuple[bool, ...]) -> None:
        self.pattern = pattern

    def make_node(self, x: Any, *bounds: Any) -> Apply:
        x, scalars = as_sparse_variable(x), [as_tensor(b) for b in bounds]
        for v in scalars:
            if v.type.ndim or v.type.dtype not in INTEGERS:
                raise TypeError(
                    message(
                        "the bounds of a slice are integers",
                        operands=[operand_text(x), operand_text(v)],
                    )
                )
        return Apply(self, [x, *scalars], [make_variable(x.type)])

    def slices(self, bounds: Sequence[Any]) -> tuple[slice, slice]:
        rest = iter(bounds)
        found = [next(rest) if given else None for given in self.pattern]
        return slice(*found[:3]), slice(*found[3:])

    def matrices(self, node: Apply, values: Sequence[Any]) -> Sequence[Any]:
        x, *bounds = values
        rows, columns = self.slices([int(b) for b in bounds])
        return [x[rows, columns].asformat(x.format)]

    def spread(self, x: Variable, gradient: Variable, inputs: Vars) -> Variable:
        return PartAt(x.type.format, self.pattern)(sparse_shape(x), gradient, *inputs)


class PartAt(SparseOp):
    """A matrix of a shape with another where slices say: (shape, part, bounds...)."""

    __props__ = ("format", "pattern")

    def __init__(self, format: str, pattern: tuple[bool, ...]) -> None:
        self.format, self.pattern = format, pattern

    def make_node(self, shape: Any, part: Any, *bounds: Any) -> Apply:
        part = as_sparse_variable(part)
        inputs = [as_tensor(shape), part, *[as_tensor(b) for b in bounds]]
        kind = part.type.clone(format=self.format)
        return Apply(self, inputs, [make_variable(kind)])

    def matrices(self, node: Apply, values: Sequence[Any]) -> Sequence[Any]:
        shape, part, *bounds = values
        size = tuple(map(int, shape))
        slices = GetItem2d(self.pattern).slices([int(b) for b in bounds])
        rows, columns = (np.arange(n)[s] for n, s in zip(size, slices, strict=True))
        found = part.tocoo()
        made = scipy_matrix(self.format)
        return [made((found.data, (rows[found.row], columns[found.col])), shape=size)]

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        found: list[Any] = [disconnected() for _ in inputs]
        part = GetItem2d(self.pattern)(output_gradients[0], *inputs[2:])
        found[1] = sparse_format(part, inputs[1].type.format)
        return found

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[k == 1] for k, _ in enumerate(node.inputs)]


get_item_list, get_item_2lists = GetItemList(), GetItem2Lists()


def get_item_scalar(x: Any, index: Sequence[Any]) -> Variable:
    """x[row, column] of a sparse matrix."""
    return GetItemScalar()(x, *index)


def get_item_2d(x: Any, index: Any) -> Variable:
    """x[rows, columns] of a sparse matrix, by one or two slices."""
    parts = index if isinstance(index, tuple) else (index,)
    x = as_sparse_variable(x)
    if len(parts) not in (1, 2):
        raise IndexError(f"a sparse matrix has two axes, not {len(parts)}: {NEITHER}")
    bounds: list[Any] = []
    for part in (*parts, slice(None))[:2]:
        if not isinstance(part, slice):
            raise NotImplementedError(
                message(
                    f"a sparse matrix has no part {part!r:.60}: a row alone would be a "
                    "sparse vector",
                    operands=[operand_text(x)],
                    cure=f"write {NEITHER}; for row i, x[i:i + 1]",
                )
            )
        bounds += [part.start, part.stop, part.step]
    pattern = tuple(b is not None for b in bounds)
    return GetItem2d(pattern)(x, *[b for b in bounds if b is not None])


def getitem_sparse(x: Variable, key: Any) -> Variable:
    """x[key] of a sparse variable.

    Slices give a part, a list of rows these, two lists numbers, two integers one number.
    Raises: NotImplementedError for a row or a column alone; IndexError, TypeError.
    """
    parts = key if isinstance(key, tuple) else (key,)
    if len(parts) == 2 and all(map(_is_integer, parts)):
        return get_item_scalar(x, parts)
    if len(parts) == 2 and all(map(_is_list, parts)):
        return get_item_2lists(x, *parts)
    if len(parts) == 1 and _is_list(parts[0]):
        return get_item_list(x, parts[0])
    return get_item_2d(x, parts)


def _is_integer(part: Any) -> bool:
    if isinstance(part, Variable):
        return getattr(part.type, "ndim", 1) == 0 and part.type.dtype in INTEGERS
    return isinstance(part, (int, np.integer)) and not isinstance(part, bool)


def _is_list(part: Any) -> bool:
    if isinstance(part, Variable):
        return isinstance(part.type, TensorType) and part.type.ndim == 1
    return isinstance(part, (list, np.ndarray))
