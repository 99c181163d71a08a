"""Between sparse matrices, their arrays, and dense matrices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symnet.errors import message
from symnet.graph.op import Gradients, Vars
from symnet.graph.traverse import toposort
from symnet.graph.types import COMPLEX, FLOATS, INTEGERS, TensorType
from symnet.graph.variables import Apply, Variable, make_variable, operand_text
from symnet.ops.alloc import ones_like, zeros, zeros_like
from symnet.ops.arithmetic import add, mod, mul
from symnet.ops.base import as_tensor, disconnected
from symnet.ops.base import constant as dense_constant
from symnet.ops.complex_parts import conjugate
from symnet.ops.creation import arange
from symnet.ops.elementwise import cast as dense_cast
from symnet.ops.indexing import getitem, inc_subtensor
from symnet.ops.reshape import flatten
from symnet.ops.shape import dimshuffle
from symnet.ops.sizes import make_vector, patternbroadcast, shape_i
from symnet.ops.sparse.sparse_parts import (
    DenseForms,
    Form,
    SparseOp,
    SparseParts,
    checked_parts,
)
from symnet.ops.sparse.sparse_type import (
    FORMATS,
    SparseType,
    as_sparse_variable,
    is_sparse,
    scipy_matrix,
)
from symnet.ops.users import is_disconnected

CONTINUOUS = FLOATS + COMPLEX


# ---- the arrays of a matrix


class CSMProperties(SparseOp):
    """The arrays of a sparse matrix: data, indices, indptr, and its shape.

    >>> x = csr_matrix("x")
    >>> data, indices, indptr, shape = csm_properties(x)

    Shapes: data and indices (entries,), indptr (rows + 1,) or, of a CSC matrix,
    (columns + 1,), shape (2,).  Dtypes: the matrix's own, and int32.
    The gradient of data is a matrix with the same entries.
    """

    def make_node(self, x: Any) -> Apply:
        x = as_sparse_variable(x)
        kinds = [TensorType(x.type.dtype, (None,))]
        kinds += [TensorType("int32", (size,)) for size in (None, None, 2)]
        return Apply(self, [x], [make_variable(kind) for kind in kinds])

    def dense(
        self, node: Apply, inputs: Sequence[Any], forms: DenseForms
    ) -> Sequence[Form]:
        (x,) = inputs
        shape = make_vector([dense_cast(size, "int32") for size in x.shape])
        return [x.data, x.indices, x.indptr, shape]

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        gradient = output_gradients[0]
        if is_disconnected(gradient):
            return [disconnected()]
        return [CSM(inputs[0].type.format)(gradient, *outputs[1:])]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[True, False, False, False]]


csm_properties = CSMProperties()


def csm_data(csm: Any) -> Variable:
    """The stored numbers of a sparse matrix."""
    return csm_properties(csm)[0]


def csm_indices(csm: Any) -> Variable:
    """The column of each stored number of a CSR matrix; of a CSC one, its row."""
    return csm_properties(csm)[1]


def csm_indptr(csm: Any) -> Variable:
    """Where each row of a CSR matrix begins among its stored numbers."""
    return csm_properties(csm)[2]


def csm_shape(csm: Any) -> Variable:
    """Rows and columns of a sparse matrix, an int32 vector."""
    return csm_properties(csm)[3]


class CSM(SparseOp):
    """A sparse matrix of its arrays: CSM(format)(data, indices, indptr, shape).

    >>> import numpy as np
    >>> x = CSR(np.array([1.0, 2.0]), [2, 0], [0, 1, 2], (2, 3))
    >>> dense_from_sparse(x).eval()
    array([[0., 0., 1.],
           [2., 0., 0.]])

    Raises: TypeError for arrays that are no vectors, or no integers; when run, ShapeError
    where their sizes do not fit, and ValueError where an index is outside of the shape.
    """

    __props__ = ("format",)

    def __init__(self, format: str) -> None:
        if format not in FORMATS:
            raise TypeError(f"no format {format!r}: there are {', '.join(FORMATS)}")
        self.format = format

    def make_node(self, data: Any, indices: Any, indptr: Any, shape: Any) -> Apply:
        data = as_tensor(data)
        positions = [_integers(v) for v in (indices, indptr, shape)]
        for v, what in zip((data, *positions), ("data", "indices", "indptr", "shape")):
            whole = v is data or v.type.dtype in INTEGERS
            if v.type.ndim != 1 or not whole:
                raise TypeError(
                    message(
                        f"{self}: {what} is a vector{'' if v is data else ' of integers'}",
                        operation=self,
                        operands=[operand_text(v)],
                    )
                )
        kind = SparseType(self.format, data.type.dtype)
        return Apply(self, [data, *positions], [make_variable(kind)])

    def dense(
        self, node: Apply, inputs: Sequence[Any], forms: DenseForms
    ) -> Sequence[Form]:
        data, indices, indptr, shape = inputs
        known = forms.structure(indices, indptr)
        if known is not None and known.format == self.format:
            return [known.with_data(data)]
        sizes = [dense_cast(getitem(shape, k), "int64") for k in range(2)]
        return [checked_parts(self.format, data, indices, indptr, sizes)]

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        data = EntriesOf(self.format)(*inputs, output_gradients[0])
        return [data, *[disconnected() for _ in inputs[1:]]]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[True], [False], [False], [False]]


CSR, CSC = CSM("csr"), CSM("csc")


def _integers(v: Any) -> Variable:
    """A list or tuple, also an empty one, as an integer vector."""
    if isinstance(v, (list, tuple)) and not v:
        return dense_constant(np.zeros(0, "int32"))
    return as_tensor(v)


class EntriesOf(SparseOp):
    """What the matrix g holds at the entries of another, given by its arrays:
    EntriesOf(format)(data, indices, indptr, shape, g) -> (entries,).

    What g stores several times counts as its sum, unless both have the same arrays.
    """

    __props__ = ("format",)

    def __init__(self, format: str) -> None:
        self.format = format

    def make_node(self, *inputs: Any) -> Apply:
        *arrays, g = inputs
        arrays = [as_tensor(v) for v in arrays]
        g = as_sparse_variable(g)
        kind = TensorType(g.type.dtype, arrays[0].type.shape)
        return Apply(self, [*arrays, g], [make_variable(kind)])

    def dense(
        self, node: Apply, inputs: Sequence[Any], forms: DenseForms
    ) -> Sequence[Form]:
        data, indices, indptr, shape, g = inputs
        parts = CSM(self.format).dense(node, inputs[:4], forms)[0]
        assert isinstance(parts, SparseParts)
        if g.format != self.format:
            node_of = sparse_format(node.inputs[4], self.format)
            return [forms.entries(forms.form(node_of), parts, node_of)]
        return [forms.entries(g, parts, node.inputs[4])]

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        found: list[Any] = [disconnected() for _ in inputs]
        found[4] = sparse_format(
            CSM(self.format)(output_gradients[0], *inputs[1:4]), inputs[4].type.format
        )
        return found

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[False]] * 4 + [[True]]


class SparseShape(SparseOp):
    """Rows and columns of a sparse matrix, an int64 vector; it computes nothing."""

    def make_node(self, x: Any) -> Apply:
        return Apply(
            self, [as_sparse_variable(x)], [make_variable(TensorType("int64", (2,)))]
        )

    def dense(
        self, node: Apply, inputs: Sequence[Any], forms: DenseForms
    ) -> Sequence[Form]:
        return [make_vector(list(inputs[0].shape), "int64")]

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        return [disconnected()]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[False]]


sparse_shape = SparseShape()


def outer_parts(x: Variable) -> SparseParts:
    """The parts of a sparse variable as variables of the graph that it stands in."""
    data, indices, indptr, _ = csm_properties(x)
    sizes = sparse_shape(x)
    shape = (getitem(sizes, 0), getitem(sizes, 1))
    return SparseParts(x.type.format, data, indices, indptr, shape)


def dense_step(outputs: Sequence[Variable], own: Sequence[Variable]) -> list[Variable]:
    """What a step computes, without sparse variables inside: those that do not depend on
    the variables of its `own` are taken apart outside."""
    order = toposort(outputs)
    if not any(is_sparse(v) for node in order for v in (*node.inputs, *node.outputs)):
        return list(outputs)
    changing = set(own)
    for node in order:
        if any(v in changing for v in node.inputs):
            changing.update(node.outputs)
    forms = DenseForms(outer_parts)
    forms.extend(node for node in order if node.outputs[0] in changing)
    return [forms.of(v) for v in outputs]


class ToFormat(SparseOp):
    """A matrix in another format; the entries are brought into its order."""

    __props__ = ("format",)

    def __init__(self, format: str) -> None:
        self.format = format

    def make_node(self, x: Any) -> Apply:
        x = as_sparse_variable(x)
        return Apply(self, [x], [make_variable(x.type.clone(format=self.format))])

    def matrices(self, node: Apply, values: Sequence[Any]) -> Sequence[Any]:
        return [values[0].asformat(self.format)]

    def shapes(self, node: Apply, inputs: Sequence[Any]) -> Sequence[Any]:
        return [inputs[0].shape]

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        return [sparse_format(output_gradients[0], inputs[0].type.format)]


def sparse_format(x: Any, format: str) -> Variable:
    """A sparse matrix in the given format; itself, where it is."""
    x = as_sparse_variable(x)
    return x if x.type.format == format else ToFormat(format)(x)


# ---- with other numbers


def conjugate_of(x: Variable) -> Variable:
    """The complex conjugate of a sparse or dense variable; a real one as it is."""
    if x.type.dtype not in COMPLEX or not is_sparse(x):
        return conjugate(x)
    data, *places = csm_properties(x)
    return CSM(x.type.format)(conjugate(data), *places)


def sp_ones_like(x: Any) -> Variable:
    """Ones at the entries of a sparse matrix."""
    data, indices, indptr, shape = csm_properties(x)
    return CSM(x.type.format)(ones_like(data), indices, indptr, shape)


class SparseZeros(SparseOp):
    """A matrix without entries, of the shape of a sparse one."""

    def make_node(self, x: Any) -> Apply:
        x = as_sparse_variable(x)
        return Apply(self, [x], [make_variable(x.type)])

    def dense(
        self, node: Apply, inputs: Sequence[Any], forms: DenseForms
    ) -> Sequence[Form]:
        (x,) = inputs
        none = dense_constant(np.zeros(0, x.data.type.dtype))
        places = dense_constant(np.zeros(0, "int32"))
        return [SparseParts(x.format, none, places, zeros_like(x.indptr), x.shape)]

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        return [disconnected()]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[False]]


def sp_zeros_like(x: Any) -> Variable:
    """A matrix of the shape and type of a sparse one that stores nothing."""
    return SparseZeros()(x)


# ---- dense and sparse


class DenseFromSparse(SparseOp):
    """The dense matrix of a sparse one.

    >>> x = csc_matrix("x")
    >>> dense_from_sparse(x).type
    float64 matrix

    structured: the gradient has the entries of the matrix only; else all elements.
    """

    __props__ = ("sparse_grad",)

    def __init__(self, structured: bool = True) -> None:
        self.sparse_grad = bool(structured)

    def make_node(self, x: Any) -> Apply:
        x = as_sparse_variable(x)
        kind = TensorType(x.type.dtype, (None, None))
        return Apply(self, [x], [make_variable(kind)])

    def dense(
        self, node: Apply, inputs: Sequence[Any], forms: DenseForms
    ) -> Sequence[Form]:
        (x,) = inputs
        empty = zeros(x.shape, dtype=x.data.type.dtype)
        return [inc_subtensor(getitem(empty, x.positions), x.data)]

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        (x,), (gradient,) = inputs, output_gradients
        if self.sparse_grad:
            return [DenseAt()(x, gradient)]
        return [FullFromDense(x.type.format)(gradient)]


class DenseAt(SparseOp):
    """The elements of a dense matrix at the entries of a sparse one."""

    def make_node(self, x: Any, y: Any) -> Apply:
        x, y = as_sparse_variable(x), as_tensor(y)
        kind = x.type.clone(dtype=y.type.dtype)
        return Apply(self, [x, y], [make_variable(kind)])

    def dense(
        self, node: Apply, inputs: Sequence[Any], forms: DenseForms
    ) -> Sequence[Form]:
        x, y = inputs
        return [x.with_data(getitem(y, x.positions))]

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        gradient = output_gradients[0]
        return [disconnected(), dense_from_sparse(gradient)]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[False], [True]]


dense_from_sparse = DenseFromSparse()


class SparseFromDense(SparseOp):
    """A dense matrix, vector (as a row) or number as a sparse matrix of what is not 0.

    >>> x = sparse.SparseFromDense("csr")(np.eye(2))
    >>> x.eval().nnz
    2
    """

    __props__ = ("format",)

    def __init__(self, format: str) -> None:
        self.format = format

    def make_node(self, x: Any) -> Apply:
        x = as_tensor(x)
        if x.type.ndim > 2:
            raise TypeError(
                message(
                    "a sparse matrix has two axes",
                    operation=self,
                    operands=[operand_text(x)],
                    origin=x.origin,
                )
            )
        if x.type.ndim < 2:
            x = dimshuffle(x, *["x"] * (2 - x.type.ndim), *range(x.type.ndim))
        kind = SparseType(self.format, x.type.dtype)
        return Apply(self, [x], [make_variable(kind)])

    def matrices(self, node: Apply, values: Sequence[Any]) -> Sequence[Any]:
        return [scipy_matrix(self.format)(values[0])]

    def shapes(self, node: Apply, inputs: Sequence[Any]) -> Sequence[Any]:
        return [(shape_i(inputs[0], 0), shape_i(inputs[0], 1))]

    def elements_at(self, inputs: Sequence[Any], parts: SparseParts) -> Variable:
        return getitem(inputs[0], parts.positions)

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        gradient = dense_from_sparse(output_gradients[0])
        return [patternbroadcast(gradient, inputs[0].type.broadcastable)]


csr_from_dense, csc_from_dense = SparseFromDense("csr"), SparseFromDense("csc")


class FullFromDense(SparseFromDense):
    """A dense matrix as a sparse one in which every element is stored, the zeros too.

    Gradients are such: what is not stored has no gradient of its own, and where the first
    gradient happens to be 0 the second need not be.

    >>> FullFromDense("csr")(np.eye(2)).eval().nnz
    4
    """

    def dense(
        self, node: Apply, inputs: Sequence[Any], forms: DenseForms
    ) -> Sequence[Form]:
        return [full_parts(self.format, inputs[0])]

    def matrices(self, node: Apply, values: Sequence[Any]) -> Sequence[Any]:
        return [full_matrix(self.format, values[0])]


def full_parts(format: str, x: Variable) -> SparseParts:
    """A dense matrix as the parts of a sparse one that stores every element."""
    shape = shape_i(x, 0), shape_i(x, 1)
    rows = x if format == "csr" else dimshuffle(x, 1, 0)
    major, minor = shape if format == "csr" else shape[::-1]
    indices = dense_cast(mod(arange(mul(major, minor)), minor), "int32")
    indptr = dense_cast(mul(arange(add(major, 1)), minor), "int32")
    return SparseParts(format, flatten(rows), indices, indptr, shape)


def full_matrix(format: str, x: Any) -> Any:
    """The same of SciPy's."""
    rows = x if format == "csr" else x.T
    major, minor = rows.shape
    indices = np.tile(np.arange(minor, dtype="int32"), major)
    indptr = np.arange(major + 1, dtype="int32") * minor
    return scipy_matrix(format)((rows.reshape(-1), indices, indptr), shape=x.shape)
