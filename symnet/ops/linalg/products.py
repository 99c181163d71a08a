"""Products of matrices: dot, tensordot, their batched forms, and what they make up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symnet.errors import ShapeError, message
from symnet.graph.op import Gradients, Vars
from symnet.graph.types import TensorType
from symnet.graph.variables import (
    Apply,
    Constant,
    TensorLike,
    Variable,
    make_variable,
    operand_text,
)
from symnet.kernels.routines import MatrixProduct
from symnet.ops.alloc import alloc
from symnet.ops.arithmetic import mul
from symnet.ops.base import (
    TensorOp,
    as_tensor,
    broadcast_shapes,
    common_dtype,
    constant,
    normalize_axes,
)
from symnet.ops.complex_parts import conjugate
from symnet.ops.elementwise import cast
from symnet.ops.linalg.gemm import exact_product
from symnet.ops.lowerings import CallOf, Lowering, Shapes, Sizes
from symnet.ops.methods import method, on_the_left
from symnet.ops.reshape import flatten, reshape
from symnet.ops.shape import dimshuffle
from symnet.ops.sizes import sizes_of

__all__ = [
    "batched_dot", "batched_tensordot", "BatchedDot", "Dot", "dot", "matmul", "outer",
    "tensordot",
]  # fmt: skip


class Product(TensorOp):
    """What Dot and BatchedDot share: operands of one dtype, contracted along one axis.

    The library takes float32, float64, complex64 and complex128; other dtypes, in which
    nobody multiplies large matrices, are left to the reference.
    """

    def lowering(self, node: Apply) -> Lowering:
        routine = MatrixProduct(node.outputs[0].type.dtype)
        return CallOf(routine, (0, 1))

    def operands(self, x: Any, y: Any) -> tuple[Variable, Variable]:
        x, y = as_tensor(x), as_tensor(y)
        dtype = common_dtype([x, y])
        return cast(x, dtype), cast(y, dtype)

    def agree(self, x: Variable, y: Variable, x_axis: int, y_axis: int) -> None:
        """Raises: ShapeError where two sizes are known and differ."""
        batch = x_axis == 0 and x.type.ndim == 3
        cure = "both batches must have the same number of elements"
        if not batch:
            cure = (
                "the last size of the first operand and the last but one of the second "
            )
            cure += "must be equal: is one of them to be transposed (x.T)?"
        left, right = x.type.shape[x_axis], y.type.shape[y_axis]
        if left is not None and right is not None and left != right:
            raise ShapeError(
                message(
                    f"sizes do not agree: {left} (axis {x_axis} of the first operand) and "
                    f"{right} (axis {y_axis} of the second)",
                    operation=self,
                    operands=[operand_text(x), operand_text(y)],
                    cure=cure,
                )
            )


class Dot(Product):
    """The product of two matrices, of a matrix and a vector, or of two vectors.

    Shapes: (m, k), (k, n) -> (m, n); without m or n where an operand is a vector.
    Dtypes: operands are cast to their common dtype, which is the result's.
    Raises: ShapeError where the contracted sizes differ; TypeError for other ranks.

    >>> x, y = T.dmatrices("x", "y")
    >>> T.Dot()(x, y).eval({x: [[1.0, 2.0]], y: [[3.0], [4.0]]})
    array([[11.]])
    >>> isinstance(T.dot(x, y).owner.op, T.Dot)
    True
    """

    def make_node(self, x: Any, y: Any) -> Apply:
        x, y = self.operands(x, y)
        if x.type.ndim not in (1, 2) or y.type.ndim not in (1, 2):
            raise TypeError(
                message(
                    "Dot takes vectors and matrices",
                    operands=[operand_text(x), operand_text(y)],
                    cure="use T.dot, T.tensordot or T.batched_dot",
                )
            )
        inner = y.type.ndim - 2 if y.type.ndim == 2 else 0
        self.agree(x, y, x.type.ndim - 1, inner)
        shape = (*x.type.shape[:-1], *y.type.shape[inner + 1 :])
        return Apply(self, [x, y], [make_variable(TensorType(x.type.dtype, shape))])

    def infer_sizes(self, node: Apply, inputs: Shapes, sizes: Sizes) -> Shapes:
        x, y = inputs
        sizes.equal(x[-1], y[0], "the contracted axes")
        return [(*x[:-1], *y[1:])]

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        x, y = arrays
        if x.shape[-1] != y.shape[0]:
            raise ShapeError(f"shapes {x.shape} and {y.shape} cannot be multiplied")
        product = exact_product(xp.dot, x, y)
        return [xp.asarray(product, dtype=node.outputs[0].type.dtype)]

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        (x, y), (g,) = inputs, output_gradients
        return [_left_gradient(g, x, y), _right_gradient(g, x, y)]


def _left_gradient(g: Variable, x: Variable, y: Variable) -> Variable:
    y = conjugate(y)
    if y.type.ndim == 1:
        return mul(g, y) if x.type.ndim == 1 else outer(g, y)
    return dot(y, g) if x.type.ndim == 1 else dot(g, swapped(y))


def _right_gradient(g: Variable, x: Variable, y: Variable) -> Variable:
    x = conjugate(x)
    if x.type.ndim == 1:
        return mul(g, x) if y.type.ndim == 1 else outer(x, g)
    return dot(swapped(x), g)


class BatchedDot(Product):
    """The products of matrices of two batches, each with its partner.

    Shapes: (b, m, k), (b, k, n) -> (b, m, n).
    Dtypes: as Dot.  Raises: ShapeError where b or k differ; TypeError for other ranks.

    >>> x = T.dtensor3("x")
    >>> T.BatchedDot()(x, x).eval({x: [[[2.0]], [[3.0]]]}).ravel()
    array([4., 9.])
    """

    def make_node(self, x: Any, y: Any) -> Apply:
        x, y = self.operands(x, y)
        if x.type.ndim != 3 or y.type.ndim != 3:
            raise TypeError(
                message(
                    "BatchedDot takes batches of matrices (rank 3)",
                    operands=[operand_text(x), operand_text(y)],
                    cure="use T.batched_dot, which takes other ranks too",
                )
            )
        self.agree(x, y, 0, 0)
        self.agree(x, y, 2, 1)
        batch = x.type.shape[0] if x.type.shape[0] is not None else y.type.shape[0]
        shape = (batch, x.type.shape[1], y.type.shape[2])
        return Apply(self, [x, y], [make_variable(TensorType(x.type.dtype, shape))])

    def infer_sizes(self, node: Apply, inputs: Shapes, sizes: Sizes) -> Shapes:
        x, y = inputs
        sizes.equal(x[2], y[1], "the contracted axes")
        return [(sizes.equal(x[0], y[0], "the batch axes"), x[1], y[2])]

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        x, y = arrays
        if x.shape[0] != y.shape[0] or x.shape[2] != y.shape[1]:
            raise ShapeError(f"batches {x.shape} and {y.shape} cannot be multiplied")
        product = exact_product(xp.matmul, x, y)
        return [xp.asarray(product, dtype=node.outputs[0].type.dtype)]

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        (x, y), (g,) = inputs, output_gradients
        return [self(g, swapped(conjugate(y))), self(swapped(conjugate(x)), g)]


def swapped(x: Variable) -> Variable:
    """`x` with its last two axes exchanged."""
    order = [*range(x.type.ndim - 2), x.type.ndim - 1, x.type.ndim - 2]
    return dimshuffle(x, *order)


def adjoint(x: Variable) -> Variable:
    """The conjugate transpose of a matrix, or of each of a batch."""
    return conjugate(swapped(x))


# ---- dot and matmul


def dot(a: TensorLike, b: TensorLike) -> Variable:
    """The product of two arrays, as `numpy.dot` defines it.

    Shapes: matrices and vectors as in linear algebra; (..., k), (..., k, n) ->
    (..., ..., n) for higher ranks; a scalar multiplies.
    A variable of another type says itself what its product is (`__dot__`, `__rdot__`).
    Raises: ShapeError where the contracted sizes differ.

    >>> T.dot([[1, 2], [3, 4]], [1, 10]).eval()
    array([21, 43])
    """
    result: Variable
    for one, other, name in ((a, b, "__dot__"), (b, a, "__rdot__")):
        if isinstance(one, Variable) and one.rules_operators:
            result = getattr(one, name)(other)
            return result
    a, b = as_tensor(a), as_tensor(b)
    if a.type.ndim == 0 or b.type.ndim == 0:
        result = mul(a, b)
    elif a.type.ndim > 2 or b.type.ndim > 2:
        result = tensordot(a, b, [[a.type.ndim - 1], [max(0, b.type.ndim - 2)]])
    else:
        result = Dot()(a, b)
    return result


def matmul(a: TensorLike, b: TensorLike) -> Variable:
    """`a @ b`, as `numpy.matmul` defines it: leading axes are batches and broadcast.

    Raises: TypeError for a scalar; ShapeError where sizes do not agree.

    >>> T.matmul([[1, 2], [3, 4]], [1, 10]).eval()
    array([21, 43])
    """
    if any(isinstance(v, Variable) and v.rules_operators for v in (a, b)):
        return dot(a, b)
    a, b = as_tensor(a), as_tensor(b)
    if a.type.ndim == 0 or b.type.ndim == 0:
        raise TypeError(
            message(
                "@ takes no scalars",
                operands=[operand_text(a), operand_text(b)],
                cure="multiply by a scalar with *",
            )
        )
    if b.type.ndim == 1 or a.type.ndim <= 2 >= b.type.ndim:
        return dot(a, b)
    if a.type.ndim == 1:
        rank = b.type.ndim
        product = matmul(dimshuffle(a, "x", 0), b)
        return dimshuffle(product, *range(rank - 2), rank - 1)
    if b.type.ndim == 2:
        return tensordot(a, b, [[a.type.ndim - 1], [0]])
    return _batched_matmul(a, b)


def _batched_matmul(a: Variable, b: Variable) -> Variable:
    shapes = [a.type.shape[:-2], b.type.shape[:-2]]
    rank = len(broadcast_shapes(shapes, "matmul", [a, b]))
    batch: list[Variable] = []
    for axis in range(-rank - 2, -2):
        having = [v for v in (a, b) if v.type.ndim >= -axis]
        wide = [v for v in having if v.type.shape[axis] != 1] or having
        batch.append(sizes_of(wide[0])[axis])
    left, right = (_as_batch(v, batch) for v in (a, b))
    result = BatchedDot()(left, right)
    if rank == 1:
        return result
    return reshape(result, [*batch, sizes_of(a)[-2], sizes_of(b)[-1]], ndim=rank + 2)


def _as_batch(x: Variable, batch: Sequence[Variable]) -> Variable:
    """`x` as a batch of matrices, its leading axes stretched to the sizes `batch`."""
    rank, corner = len(batch), sizes_of(x)[-2:]
    leading = x.type.shape[:-2]
    numbers = [getattr(size, "data", None) for size in batch]
    if len(leading) < rank or any(
        have == 1 and size != 1 for have, size in zip(leading, numbers)
    ):
        x = alloc(x, *batch, *corner)
    return x if rank == 1 else reshape(x, [size_product(batch), *corner], ndim=3)


def size_product(sizes: Sequence[Variable]) -> Variable:
    """The product of sizes; what is known of them is multiplied here."""
    number = 1
    product: Variable | None = None
    for size in sizes:
        if isinstance(size, Constant):
            number *= int(size.data)
        else:
            product = size if product is None else mul(product, size)
    if product is None:
        return constant(np.int64(number))
    return product if number == 1 else mul(product, number)


# ---- contractions along several axes


def tensordot(a: TensorLike, b: TensorLike, axes: Any = 2) -> Variable:
    """The product of two arrays summed over pairs of axes, as `numpy.tensordot`.

    axes: a number n (the last n axes of a with the first n of b), or two sequences (or
    two ints): the axes of a and, in the same order, those of b.
    Shapes: the remaining axes of a, then those of b.
    Raises: ValueError for axes that do not pair up; ShapeError where sizes differ.

    >>> T.tensordot([[1, 2], [3, 4]], [[1, 0], [0, 1]], 2).eval()
    array(5)
    """
    a, b = as_tensor(a), as_tensor(b)
    a_axes, b_axes = contracted_axes(a, b, axes, 0)
    return _contract(a, b, a_axes, b_axes, 0)


def batched_tensordot(x: TensorLike, y: TensorLike, axes: Any = 2) -> Variable:
    """`tensordot` of each element of batch x with its partner in batch y.

    axes: as in `tensordot`; a number counts behind the batch axis, sequences count the
    batch axis (axis 0, which cannot be summed over) too.
    Shapes: the batch axis, the remaining axes of x, then those of y.

    >>> T.batched_tensordot(np.ones((2, 3)), np.ones((2, 3)), 1).eval()
    array([3., 3.])
    """
    x, y = as_tensor(x), as_tensor(y)
    x_axes, y_axes = contracted_axes(x, y, axes, 1)
    return _contract(x, y, x_axes, y_axes, 1)


def contracted_axes(
    a: Variable, b: Variable, axes: Any, first: int
) -> tuple[list[int], list[int]]:
    """Which axes of a and b are summed over; the `first` axes are not among them."""
    operands = [operand_text(a), operand_text(b)]
    ranks = a.type.ndim, b.type.ndim
    if isinstance(axes, (int, np.integer)):
        if not 0 <= axes <= min(ranks) - first:
            raise ValueError(message(f"cannot sum over {axes} axes", operands=operands))
        return list(range(ranks[0] - axes, ranks[0])), list(range(first, first + axes))
    if len(axes) != 2:
        raise ValueError(
            message(
                f"axes is a number, or one sequence for each operand, not {axes!r}",
                operands=operands,
            )
        )
    pair = [_axis_list(one, rank) for one, rank in zip(axes, ranks)]
    if len(pair[0]) != len(pair[1]) or any(a < first for one in pair for a in one):
        raise ValueError(message(f"axes {axes!r} do not pair up", operands=operands))
    return pair[0], pair[1]


def _axis_list(axes: Any, rank: int) -> list[int]:
    """Axes in the order given, counted from the front."""
    listed = [axes] if isinstance(axes, (int, np.integer)) else list(axes)
    normalize_axes(
        listed, rank, "tensordot"
    )  # complains of what is not there, or twice
    return [int(axis) % rank for axis in listed]


def _contract(
    a: Variable, b: Variable, a_axes: list[int], b_axes: list[int], batch: int
) -> Variable:
    """Bring the operands into the form of one matrix product, and its result back."""
    a_free = [k for k in range(batch, a.type.ndim) if k not in a_axes]
    b_free = [k for k in range(batch, b.type.ndim) if k not in b_axes]
    _check_pairs(a, b, a_axes, b_axes)
    shared = list(range(batch))
    left = _grouped(a, [*shared, *a_free, *a_axes], batch, len(a_free), len(a_axes))
    right = _grouped(b, [*shared, *b_axes, *b_free], batch, len(b_axes), len(b_free))
    product = (BatchedDot() if batch else Dot())(left, right)
    a_sizes, b_sizes = sizes_of(a), sizes_of(b)
    sizes = [a_sizes[k] for k in shared + a_free] + [b_sizes[k] for k in b_free]
    rank = batch + len(a_free) + len(b_free)
    if len(a_free) == len(b_free) == 1:
        return product
    return reshape(product, sizes, ndim=rank)


def _check_pairs(
    a: Variable, b: Variable, a_axes: list[int], b_axes: list[int]
) -> None:
    for k, m in zip(a_axes, b_axes):
        left, right = a.type.shape[k], b.type.shape[m]
        if left is not None and right is not None and left != right:
            raise ShapeError(
                message(
                    f"sizes do not agree: {left} (axis {k} of the first operand) and "
                    f"{right} (axis {m} of the second)",
                    operation="tensordot",
                    operands=[operand_text(a), operand_text(b)],
                )
            )


def _grouped(
    x: Variable, order: list[int], batch: int, rows: int, columns: int
) -> Variable:
    """The axes of x in `order`, those of rows and of columns joined."""
    if order != list(range(x.type.ndim)):
        x = dimshuffle(x, *order)
    if rows == columns == 1:
        return x
    sizes = sizes_of(x)
    matrix = [
        size_product(sizes[batch : batch + rows]),
        size_product(sizes[batch + rows :]),
    ]
    return reshape(x, [*sizes[:batch], *matrix], ndim=batch + 2)


def batched_dot(a: TensorLike, b: TensorLike) -> Variable:
    """The products of the elements of two batches (axis 0), each with its partner.

    Shapes: (b, m, k), (b, k, n) -> (b, m, n); (b, k) is a batch of vectors, (b,) one of
    scalars, which multiply; higher ranks sum the last axis of a with the last but one of
    b's element.
    Raises: TypeError for a scalar; ShapeError where sizes differ.

    >>> T.batched_dot(np.ones((2, 3, 4)), np.ones((2, 4))).eval()
    array([[4., 4., 4.],
           [4., 4., 4.]])
    """
    a, b = as_tensor(a), as_tensor(b)
    for v in (a, b):
        if v.type.ndim == 0:
            raise TypeError(
                message(
                    "batched_dot takes batches: rank 1 at least",
                    operands=[operand_text(v)],
                )
            )
    result: Variable
    if a.type.ndim == 1:
        result = mul(dimshuffle(a, 0, *["x"] * (b.type.ndim - 1)), b)
    elif b.type.ndim == 1:
        result = mul(a, dimshuffle(b, 0, *["x"] * (a.type.ndim - 1)))
    elif a.type.ndim > 3 or b.type.ndim > 3:
        result = batched_tensordot(a, b, [[a.type.ndim - 1], [max(1, b.type.ndim - 2)]])
    else:
        left = dimshuffle(a, 0, "x", 1) if a.type.ndim == 2 else a
        right = dimshuffle(b, 0, 1, "x") if b.type.ndim == 2 else b
        kept = [
            0,
            *([1] if a.type.ndim == 3 else []),
            *([2] if b.type.ndim == 3 else []),
        ]
        result = BatchedDot()(left, right)
        result = dimshuffle(result, *kept) if len(kept) < 3 else result
    return result


def outer(x: TensorLike, y: TensorLike) -> Variable:
    """All products of an element of x with one of y; both are flattened first.

    Shapes: (m,), (n,) -> (m, n).

    >>> T.outer([1, 2], [1, 10]).eval()
    array([[ 1, 10],
           [ 2, 20]])
    """
    x, y = (
        flatten(v) if v.type.ndim else dimshuffle(v, "x")
        for v in map(as_tensor, (x, y))
    )
    result: Variable = mul(dimshuffle(x, 0, "x"), dimshuffle(y, "x", 0))
    return result


method("dot", "__dot__")(dot)
method("__matmul__")(on_the_left(matmul, "rmatmul"))


@method("__rmatmul__")
def _reflected_matmul(self: Variable, other: TensorLike) -> Variable:
    return matmul(other, self)
