"""Diagonals: taken, written to, and made into matrices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from typing import Any

from symnet.errors import ShapeError, message
from symnet.graph.op import Gradients, Vars
from symnet.graph.types import TensorType
from symnet.graph.variables import Apply, Variable, make_variable, operand_text
from symnet.kernels.loopir import views
from symnet.kernels.loopir.views import Size, View
from symnet.ops.alloc import zeros, zeros_like
from symnet.ops.arithmetic import add, switch
from symnet.ops.base import ViewOp, as_tensor, normalize_axis
from symnet.ops.comparison import eq
from symnet.ops.creation import arange
from symnet.ops.elementwise import cast
from symnet.ops.lowerings import Shapes, Sizes
from symnet.ops.methods import method
from symnet.ops.reduce import sum as sum_over
from symnet.ops.shape import shape_padleft, shape_padright
from symnet.ops.sizes import shape_i, size_scalar
from symnet.ops.subtensor import WriteOp, check_fits

__all__ = [
    "Diagonal", "alloc_diag", "diag", "diagonal", "extract_diag", "fill_diagonal",
    "fill_diagonal_offset", "trace",
]  # fmt: skip


class _DiagonalAxes:
    """Which diagonal: of two axes, `offset` to the right of the main one (to the left for
    a negative one); or the main one of several axes of one size."""

    offset: int
    axes: tuple[int, ...]

    def starts(self) -> list[int]:
        """Where along each of the axes the diagonal starts."""
        if len(self.axes) != 2:
            return [0] * len(self.axes)
        return [max(0, -self.offset), max(0, self.offset)]

    def kept(self, ndim: int) -> list[int]:
        return [axis for axis in range(ndim) if axis not in self.axes]

    def static_shape(self, x: Variable) -> list[int | None]:
        if not all(0 <= axis < x.type.ndim for axis in self.axes):
            raise ValueError(f"no axes {self.axes} in {operand_text(x)}")
        known = [x.type.shape[axis] for axis in self.axes]
        length: int | None = None
        if None not in known:
            rooms = [
                int(n) - s
                for n, s in zip(known, self.starts(), strict=True)
                if n is not None
            ]
            length = max(0, min(rooms))
        return [*(x.type.shape[axis] for axis in self.kept(x.type.ndim)), length]

    def part_sizes(self, have: Sequence[Size], sizes: Sizes) -> tuple[Size, ...]:
        if len(self.axes) > 2:
            for axis in self.axes[1:]:
                sizes.equal(have[self.axes[0]], have[axis], "axes of a diagonal")
        return (*(have[axis] for axis in self.kept(len(have))), self.length(have))

    def length(self, have: Sequence[Size]) -> Size:
        rooms = [
            views.subtract(have[axis], views.size(start))
            for axis, start in zip(self.axes, self.starts(), strict=True)
        ]
        return views.maximum(reduce(views.minimum, rooms), views.ZERO)

    def diagonal_view(self, view: View) -> View:
        kept = self.kept(view.ndim)
        offset, stride = view.offset, views.ZERO
        for axis, start in zip(self.axes, self.starts(), strict=True):
            offset = views.add(
                offset, views.multiply(views.size(start), view.strides[axis])
            )
            stride = views.add(stride, view.strides[axis])
        sizes = (*(view.sizes[axis] for axis in kept), self.length(view.sizes))
        strides = (*(view.strides[axis] for axis in kept), stride)
        return replace(view, sizes=sizes, strides=strides, offset=offset)

    def numpy_index(self, array: Any, xp: Any) -> tuple[Any, Any]:
        """The array with the axes of the diagonal last, and the index of the diagonal."""
        moved = array.transpose([*self.kept(array.ndim), *self.axes])
        ends = moved.shape[array.ndim - len(self.axes) :]
        if len(self.axes) > 2 and len(set(ends)) > 1:
            raise ShapeError(f"the axes of a diagonal must have one size, not {ends}")
        length = max(0, min(n - s for n, s in zip(ends, self.starts(), strict=True)))
        places = xp.arange(length)
        return moved, (Ellipsis, *(places + start for start in self.starts()))


class Diagonal(_DiagonalAxes, ViewOp):
    """A diagonal of x, as the last axis.

    Shapes: the axes that are not in `axes`, in order, then the diagonal.

    >>> x = T.dmatrix("x")
    >>> T.diagonal(x, 1).eval({x: [[1.0, 2.0], [3.0, 4.0]]})
    array([2.])
    >>> isinstance(T.diagonal(x).owner.op, T.Diagonal)
    True
    """

    __props__ = ("offset", "axes")

    def __init__(self, offset: int, axes: Sequence[int]) -> None:
        self.offset, self.axes = int(offset), tuple(axes)

    def make_node(self, x: Any) -> Apply:
        x = as_tensor(x)
        kind = TensorType(x.type.dtype, self.static_shape(x))
        return Apply(self, [x], [make_variable(kind)])

    def infer_sizes(self, node: Apply, inputs: Shapes, sizes: Sizes) -> Shapes:
        return [self.part_sizes(inputs[0], sizes)]

    def view(self, node: Apply, view: View, sizes: Sizes) -> View:
        return self.diagonal_view(view)

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        moved, index = self.numpy_index(arrays[0], xp)
        return [moved[index]]

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        write = WriteDiagonal(self.offset, self.axes, set=False)
        return [write(zeros_like(inputs[0]), output_gradients[0])]


class WriteDiagonal(_DiagonalAxes, WriteOp):
    """x with y written to (`set`) or added to a diagonal: see `Diagonal`."""

    __props__ = ("offset", "axes", "set")

    def __init__(self, offset: int, axes: Sequence[int], set: bool) -> None:
        self.offset, self.axes, self.set = int(offset), tuple(axes), bool(set)

    def make_node(self, x: Any, y: Any) -> Apply:
        return self.write_node(x, y, [])

    def part_type(self, x: Variable, rest: Sequence[Variable]) -> TensorType:
        return TensorType(x.type.dtype, self.static_shape(x))

    def written_sizes(
        self, node: Apply, inputs: Sequence[tuple[Size, ...]], sizes: Sizes
    ) -> tuple[Size, ...]:
        return self.part_sizes(inputs[0], sizes)

    def write_view(self, node: Apply, view: View, sizes: Sizes) -> View:
        return self.diagonal_view(view)

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        result = xp.array(arrays[0])
        moved, index = self.numpy_index(result, xp)
        check_fits(node.inputs[1], arrays[1], moved[index].shape)
        moved[index] = arrays[1] if self.set else moved[index] + arrays[1]
        return [result]

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        """The gradient of y is at the part's shape: `gradient` undoes broadcasting."""
        gradient = output_gradients[0]
        part = Diagonal(self.offset, self.axes)(gradient)
        return [self(gradient, 0) if self.set else gradient, part]


@method("diagonal")
def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Variable:
    """The diagonal of two axes of `a`, as the last axis (NumPy's meaning).

    >>> T.diagonal([[1, 2], [3, 4]]).eval()
    array([1, 4])
    """
    variable = as_tensor(a)
    axes = [
        normalize_axis(axis, variable.type.ndim, "diagonal") for axis in (axis1, axis2)
    ]
    if axes[0] == axes[1]:
        raise ValueError("diagonal: the two axes are the same")
    return Diagonal(offset, axes)(variable)


extract_diag = diagonal


def alloc_diag(v: Any, offset: int = 0) -> Variable:
    """Zeros with `v` on a diagonal.

    Shapes: (..., n) -> (..., n + |offset|, n + |offset|).
    """
    variable = as_tensor(v)
    ndim = variable.type.ndim
    if ndim == 0:
        raise ValueError("alloc_diag takes a vector, not a scalar")
    sizes = [shape_i(variable, axis) for axis in range(ndim)]
    length = add(sizes[-1], abs(int(offset)))
    base = zeros((*sizes[:-1], length, length), dtype=variable.type.dtype)
    write = WriteDiagonal(offset, (ndim - 1, ndim), set=True)
    return write(base, variable)


def diag(v: Any, k: int = 0) -> Variable:
    """A square matrix with the vector v on diagonal k, or diagonal k of a matrix v.

    Raises: ValueError for other ranks.

    >>> T.diag([1, 2]).eval()
    array([[1, 0],
           [0, 2]])
    """
    variable = as_tensor(v)
    if variable.type.ndim == 1:
        return alloc_diag(variable, k)
    if variable.type.ndim == 2:
        return diagonal(variable, k)
    raise ValueError(f"diag takes a vector or a matrix, not {operand_text(variable)}")


def fill_diagonal(a: Any, val: Any) -> Variable:
    """`a` with the scalar `val` on its main diagonal.

    Shapes: a matrix, or an array of more axes that all have one size.

    >>> T.fill_diagonal(T.zeros((2, 2)), 5).eval()
    array([[5., 0.],
           [0., 5.]])
    """
    variable, value = as_tensor(a), as_tensor(val, truth=True)
    if variable.type.ndim < 2 or value.type.ndim != 0:
        operands = [operand_text(variable), operand_text(value)]
        raise TypeError(
            message("fill_diagonal takes a matrix and a scalar", operands=operands)
        )
    return WriteDiagonal(0, range(variable.type.ndim), set=True)(variable, value)


def fill_diagonal_offset(a: Any, val: Any, offset: Any) -> Variable:
    """The matrix `a` with the scalar `val` on the diagonal `offset`, which may be a
    symbolic integer.

    >>> T.fill_diagonal_offset(T.zeros((2, 2)), 5, 1).eval()
    array([[0., 5.],
           [0., 0.]])
    """
    matrix, value = as_tensor(a, ndim=2), as_tensor(val, ndim=0, truth=True)
    rows = add(arange(shape_i(matrix, 0)), size_scalar(offset, "a diagonal"))
    columns = arange(shape_i(matrix, 1))
    there = eq(shape_padright(rows), shape_padleft(columns))
    return switch(there, cast(value, matrix.type.dtype), matrix)


@method("trace")
def trace(X: Any) -> Variable:
    """The sum of the elements on the diagonal of a matrix.

    Raises: TypeError for another rank.
    """
    matrix = as_tensor(X)
    if matrix.type.ndim != 2:
        raise TypeError(
            message("trace takes a matrix", operands=[operand_text(matrix)])
        )
    return sum_over(diagonal(matrix))
