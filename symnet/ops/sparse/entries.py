"""Operations on the arrays of sparse matrices: products, and where entries are.

The arrays are those of a matrix in compressed rows; a CSC matrix is the transpose of one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symnet.errors import ShapeError, message
from symnet.graph.op import Gradients, Vars
from symnet.graph.types import TensorType
from symnet.graph.variables import Apply, Variable, make_variable, operand_text
from symnet.kernels.loopir import views
from symnet.kernels.routines import EntryCheck, EntryRows, SampledProduct, SparseProduct
from symnet.ops.base import NoGradient, TensorOp, as_tensor, common_dtype, disconnected
from symnet.ops.complex_parts import conjugate
from symnet.ops.elementwise import cast
from symnet.ops.lowerings import CallOf, Lowering, Reference, Shapes, Sizes
from symnet.ops.sizes import shape_i, size_scalar
from symnet.ops.sparse.sparse_type import scipy_matrix

NATIVE = ("float32", "float64")  # other dtypes are left to SciPy
REFUSAL = (
    "the arrays of a sparse matrix do not fit: an index is outside of it, or its indptr "
    "does not rise from 0 to the number of entries"
)


class OnCompressedRows(TensorOp):
    """What the operations share: `indices` and `indptr` are int32 vectors."""

    refusal = REFUSAL

    def vectors(self, *arrays: Any) -> list[Variable]:
        """Raises: TypeError for what is no vector."""
        found = [as_tensor(a) for a in arrays]
        for v in found:
            if v.type.ndim != 1:
                raise TypeError(
                    message(
                        f"{self}: an array of a sparse matrix is a vector, not "
                        f"{operand_text(v)}",
                        operation=self,
                    )
                )
        return found


def check_arrays(indptr: Any, indices: Any, limit: int) -> None:
    """Raises: ValueError as the native routines do."""
    rises = len(indptr) and indptr[0] >= 0 and (np.diff(indptr) >= 0).all()
    fits = rises and indptr[-1] <= len(indices)
    if not fits or (len(indices) and not (0 <= min(indices) <= max(indices) < limit)):
        raise ValueError(REFUSAL)


class EntryOwners(OnCompressedRows, NoGradient):
    """The row of each entry: (indptr, indices) -> int32 (entries,).

    >>> EntryOwners()([0, 2, 2, 3], [5, 1, 4]).eval()
    array([0, 0, 2], dtype=int32)

    Raises: ValueError where indptr does not rise from 0 to the number of entries.
    """

    def make_node(self, indptr: Any, indices: Any) -> Apply:
        indptr, indices = self.vectors(indptr, indices)
        kind = TensorType("int32", indices.type.shape)
        return Apply(self, [cast(indptr, "int32"), indices], [make_variable(kind)])

    def infer_sizes(self, node: Apply, inputs: Shapes, sizes: Sizes) -> Shapes:
        return [inputs[1]]

    def lowering(self, node: Apply) -> Lowering:
        return CallOf(EntryRows(), (0, 1), refusal=REFUSAL)

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        indptr, indices = (np.asarray(a) for a in arrays)
        steps = np.diff(indptr)
        if not len(indptr) or indptr[0] or (steps < 0).any():
            raise ValueError(REFUSAL)
        if indptr[-1] != len(indices):
            raise ValueError(REFUSAL)
        return [np.repeat(np.arange(len(steps), dtype="int32"), steps)]


def entry_owners(indptr: Variable, indices: Variable) -> Variable:
    """The row of each entry (see `EntryOwners`)."""
    return EntryOwners()(indptr, indices)


class CheckedIndices(OnCompressedRows, NoGradient):
    """(indptr, indices, limit) -> the indices, where they are from 0 to below the limit and
    indptr rises from 0 to their number.

    Raises: ValueError where that is not so.
    """

    def make_node(self, indptr: Any, indices: Any, limit: Any) -> Apply:
        indptr, indices = self.vectors(indptr, indices)
        kind = TensorType("int32", indices.type.shape)
        inputs = [cast(indptr, "int32"), cast(indices, "int32"), cast(limit, "int64")]
        return Apply(self, inputs, [make_variable(kind)])

    def infer_sizes(self, node: Apply, inputs: Shapes, sizes: Sizes) -> Shapes:
        return [inputs[1]]

    def lowering(self, node: Apply) -> Lowering:
        return CallOf(EntryCheck(), (0, 1, 2), refusal=REFUSAL)

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        indptr, indices, limit = map(np.asarray, arrays)
        check_arrays(indptr, indices, int(limit))
        if indptr[0] or indptr[-1] != len(indices):
            raise ValueError(REFUSAL)
        return [indices]


class CompressedProduct(OnCompressedRows):
    """A matrix in compressed rows times a dense one: (data, indices, indptr, b, rows).

    transposed: the arrays are those of compressed columns, of a matrix that has `rows` rows.
    Shapes: b (n, k) -> (m, k).  Dtypes: that of data and b together.
    Raises: ValueError where indices are outside of the matrix; ShapeError where its columns
    and the rows of b are not as many.
    """

    __props__ = ("transposed",)

    def __init__(self, transposed: bool) -> None:
        self.transposed = transposed

    def make_node(
        self, data: Any, indices: Any, indptr: Any, b: Any, rows: Any
    ) -> Apply:
        data, indices, indptr = self.vectors(data, indices, indptr)
        b, rows = as_tensor(b), size_scalar(rows, "the rows of the product")
        dtype = common_dtype([data, b])
        if b.type.ndim != 2:
            raise TypeError(f"{self}: a sparse matrix times {operand_text(b)}")
        kind = TensorType(dtype, (None, b.type.shape[1]))
        inputs = [cast(data, dtype), cast(indices, "int32"), cast(indptr, "int32")]
        return Apply(self, [*inputs, cast(b, dtype), rows], [make_variable(kind)])

    def infer_sizes(self, node: Apply, inputs: Shapes, sizes: Sizes) -> Shapes:
        data, indices, indptr, b, _ = inputs
        sizes.equal(data[0], indices[0], "the numbers and the indices of entries")
        rows = sizes.value(node.inputs[4])
        steps = b[0] if self.transposed else rows
        sizes.equal(indptr[0], _one_more(steps), "indptr, and one more than the rows")
        return [(rows, b[1])]

    def lowering(self, node: Apply) -> Lowering:
        dtype = node.outputs[0].type.dtype
        if dtype not in NATIVE:
            return Reference()
        routine = SparseProduct(dtype, self.transposed)
        return CallOf(routine, (0, 1, 2, 3), refusal=REFUSAL)

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        data, indices, indptr, b, rows = map(np.asarray, arrays)
        shape = (int(rows), b.shape[0])
        check_product(data, indices, indptr, shape[::-1] if self.transposed else shape)
        made = scipy_matrix("csc" if self.transposed else "csr")
        wide = np.result_type(b.dtype, "float64") if b.dtype == "float32" else b.dtype
        result = made((data.astype(wide), indices, indptr), shape=shape) @ b
        return [np.asarray(result, node.outputs[0].type.dtype)]

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        data, indices, indptr, b, _ = inputs
        (gradient,) = output_gradients
        data, b = conjugate(data), conjugate(b)
        pair = (b, gradient) if self.transposed else (gradient, b)
        other = CompressedProduct(not self.transposed)
        return [
            SampledEntries()(indices, indptr, *pair),
            disconnected(),
            disconnected(),
            other(data, indices, indptr, gradient, shape_i(b, 0)),
            disconnected(),
        ]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[True], [False], [False], [True], [False]]


class SampledEntries(OnCompressedRows):
    """The elements of u v.T at the entries of a matrix in compressed rows:
    (indices, indptr, u, v) -> data.

    Shapes: u (rows, k), v (columns, k) -> (entries,).  Dtypes: that of u and v together.
    Raises: as `CompressedProduct`.
    """

    def make_node(self, indices: Any, indptr: Any, u: Any, v: Any) -> Apply:
        indices, indptr = self.vectors(indices, indptr)
        u, v = as_tensor(u), as_tensor(v)
        dtype = common_dtype([u, v])
        if u.type.ndim != 2 or v.type.ndim != 2:
            raise TypeError(f"{self}: {operand_text(u)} times {operand_text(v)}")
        inputs = [cast(indices, "int32"), cast(indptr, "int32")]
        kind = TensorType(dtype, indices.type.shape)
        return Apply(
            self, [*inputs, cast(u, dtype), cast(v, dtype)], [make_variable(kind)]
        )

    def infer_sizes(self, node: Apply, inputs: Shapes, sizes: Sizes) -> Shapes:
        indices, indptr, u, v = inputs
        sizes.equal(indptr[0], _one_more(u[0]), "indptr, and one more than the rows")
        sizes.equal(u[1], v[1], "the columns of both factors")
        return [indices]

    def lowering(self, node: Apply) -> Lowering:
        dtype = node.outputs[0].type.dtype
        if dtype not in NATIVE:
            return Reference()
        return CallOf(SampledProduct(dtype), (0, 1, 2, 3), refusal=REFUSAL)

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        indices, indptr, u, v = map(np.asarray, arrays)
        if u.shape[1] != v.shape[1]:
            raise ShapeError(f"shapes {u.shape} and {v.shape} cannot be multiplied")
        check_product(indices, indices, indptr, (len(u), len(v)))
        owners = np.repeat(np.arange(len(u)), np.diff(indptr))
        dtype = node.outputs[0].type.dtype
        wide = "float64" if dtype == "float32" else dtype
        terms = u[owners].astype(wide) * v[indices]
        return [terms.sum(1).astype(dtype)]

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        indices, indptr, u, v = inputs
        (gradient,) = output_gradients
        u, v = conjugate(u), conjugate(v)
        forward, back = CompressedProduct(False), CompressedProduct(True)
        return [
            disconnected(),
            disconnected(),
            forward(gradient, indices, indptr, v, shape_i(u, 0)),
            back(gradient, indices, indptr, u, shape_i(v, 0)),
        ]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[False], [False], [True], [True]]


def check_product(data: Any, indices: Any, indptr: Any, shape: tuple[int, int]) -> None:
    """Raises: ShapeError, ValueError where arrays are no matrix of that shape, compressed
    along its first axis."""
    if len(indptr) != shape[0] + 1:
        raise ShapeError(f"indptr has {len(indptr)} elements for {shape[0]} rows")
    if len(data) != len(indices):
        raise ShapeError(f"{len(data)} numbers with {len(indices)} indices")
    check_arrays(indptr, indices[: indptr[-1]], shape[1])


def _one_more(size: Any) -> Any:
    return views.add(size, views.size(1))


def entries_at(
    indices: Any, indptr: Any, data: Any, of_indices: Any, of_indptr: Any
) -> np.ndarray[Any, Any]:
    """What the matrix of the last three arrays holds at the entries of another: sums of
    what it stores several times, 0 where it stores nothing."""
    keys, have = (
        np.repeat(np.arange(len(starts) - 1), np.diff(starts)) << 32 | places
        for starts, places in ((indptr, indices), (of_indptr, of_indices))
    )
    unique, inverse = np.unique(have, return_inverse=True)
    totals = np.zeros(len(unique) + 1, data.dtype)
    np.add.at(totals, inverse, data)
    found = np.searchsorted(unique, keys)
    there = np.append(unique, -1)[found] == keys
    picked: np.ndarray[Any, Any] = np.where(there, totals[found], 0).astype(data.dtype)
    return picked


class PickedEntries(OnCompressedRows):
    """What a matrix holds at the entries of another: (indices, indptr, data, of_indices,
    of_indptr) -> (entries,); both are in compressed rows, as many.

    What is stored several times counts as its sum, and what is not stored as 0; where both
    store the same places, each number belongs to its own.
    """

    def make_node(self, *arrays: Any) -> Apply:
        found = self.vectors(*arrays)
        indices, _, data = found[:3]
        kind = TensorType(data.type.dtype, indices.type.shape)
        return Apply(self, found, [make_variable(kind)])

    def infer_sizes(self, node: Apply, inputs: Shapes, sizes: Sizes) -> Shapes:
        sizes.equal(inputs[1][0], inputs[4][0], "the rows of both matrices")
        return [inputs[0]]

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        indices, indptr, data, of_indices, of_indptr = map(np.asarray, arrays)
        if len(indptr) != len(of_indptr):
            raise ShapeError(f"{len(indptr) - 1} and {len(of_indptr) - 1} rows")
        alike = np.array_equal(indptr, of_indptr)
        if alike and np.array_equal(indices, of_indices):
            return [data.copy()]
        return [entries_at(indices, indptr, data, of_indices, of_indptr)]

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        indices, indptr, _, of_indices, of_indptr = inputs
        (gradient,) = output_gradients
        back = PickedEntries()(of_indices, of_indptr, gradient, indices, indptr)
        none = disconnected
        return [none(), none(), back, none(), none()]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[False], [False], [True], [False], [False]]
