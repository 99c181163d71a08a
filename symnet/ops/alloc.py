"""Arrays filled with one value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from symnet.config import config
from symnet.errors import ShapeError, message
from symnet.graph.op import Gradients, Vars
from symnet.graph.types import TensorType
from symnet.graph.variables import (
    Apply,
    Constant,
    Variable,
    make_variable,
    operand_text,
)
from symnet.kernels.loopir import views
from symnet.kernels.loopir.scalars import Scalar
from symnet.ops.base import PointOp, as_tensor, disconnected
from symnet.ops.elementwise import cast
from symnet.ops.lowerings import Read, Shapes, Sizes
from symnet.ops.sizes import size_scalar, size_vector, sizes_of, vector_elements

__all__ = [
    "Alloc", "alloc", "broadcast_to", "empty", "full", "full_like", "ones", "ones_like",
    "zeros", "zeros_like",
]  # fmt: skip


class Alloc(PointOp):
    """A new array filled with `value`, broadcast: alloc(value, *sizes).

    Shapes: value of rank at most len(sizes), aligned at the last axis; its sizes known to
    be 1 are stretched, the others must equal those asked for.
    Raises: ShapeError where they do not; ValueError for a negative size.

    >>> T.Alloc()(1.5, 2, 3).eval()
    array([[1.5, 1.5, 1.5],
           [1.5, 1.5, 1.5]])
    """

    def make_node(self, value: Any, *sizes: Any) -> Apply:
        value = as_tensor(value, truth=True)
        scalars = [size_scalar(s, "a size") for s in sizes]
        shape = [int(s.data) if isinstance(s, Constant) else None for s in scalars]
        if any(n is not None and n < 0 for n in shape):
            raise ValueError(f"alloc: a size is negative: {shape}")
        missing = value.type.ndim - len(shape)
        if missing > 0:
            raise TypeError(
                f"alloc: {operand_text(value)} has too high a rank for {shape}"
            )
        for axis in range(-value.type.ndim, 0):
            have, want = value.type.shape[axis], shape[axis]
            if have not in (None, 1) and want is None:
                shape[axis] = have
            elif have not in (None, 1, want):
                raise ShapeError(
                    message(
                        f"alloc: an array of size {have} does not fill {want} along axis "
                        f"{len(shape) + axis}",
                        operands=[operand_text(value)],
                    )
                )
        kind = TensorType(value.type.dtype, shape)
        return Apply(self, [value, *scalars], [make_variable(kind)])

    def infer_sizes(self, node: Apply, inputs: Shapes, sizes: Sizes) -> Shapes:
        wanted = [sizes.value(v) for v in node.inputs[1:]]
        for one in wanted:
            enough = views.combine("ge", one, views.ZERO)
            sizes.require(enough, "a size is negative")
        value = node.inputs[0]
        for axis in range(-value.type.ndim, 0):
            if value.type.shape[axis] != 1:
                sizes.equal(inputs[0][axis], wanted[axis], f"axis {len(wanted) + axis}")
        return [tuple(wanted)]

    def point(
        self, node: Apply, reads: Sequence[Read], index: Sequence[Scalar]
    ) -> Scalar:
        return reads[0].here()

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        value, shape = arrays[0], tuple(int(n) for n in arrays[1:])
        for axis in range(-value.ndim, 0):
            if (
                node.inputs[0].type.shape[axis] != 1
                and value.shape[axis] != shape[axis]
            ):
                raise ShapeError(f"shape {value.shape} does not fill {shape}")
        result = xp.empty(shape, dtype=value.dtype)
        result[...] = value
        return [result]

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        """At the result's shape: `gradient` sums over what was stretched."""
        return [output_gradients[0], *[disconnected() for _ in inputs[1:]]]


def shape_elements(shape: Any) -> list[Variable]:
    """A shape (integer, sequence of integers, or integer vector of known length) as
    integer scalars.  Raises: ValueError for a vector of unknown length."""
    vector: Any = size_vector(shape)
    elements = vector_elements(vector)
    if elements is not None:
        return elements
    length = vector.type.shape[0]
    if length is None:
        raise ValueError(
            message(
                "the length of the shape is not known, so neither is the rank of the result",
                operands=[operand_text(vector)],
                cure="give a tuple of sizes, or say T.specify_shape(shape, (rank,))",
            )
        )
    return [vector[k] for k in range(length)]


def alloc(value: Any, *shape: Any) -> Variable:
    """A new array of sizes `shape` (several integers, or one sequence) filled with
    `value`, which is broadcast.

    Raises: ShapeError where `value` does not fit; TypeError for a size that is no integer.

    >>> T.alloc(7, 2, 3).eval()
    array([[7, 7, 7],
           [7, 7, 7]])
    """
    if len(shape) == 1 and isinstance(shape[0], (tuple, list)):
        shape = tuple(shape[0])
    elif len(shape) == 1 and isinstance(shape[0], Variable) and shape[0].type.ndim == 1:
        shape = tuple(shape_elements(shape[0]))
    return Alloc()(value, *shape)


def broadcast_to(x: Any, shape: Any) -> Variable:
    """`x` stretched to `shape` (NumPy's rule, for sizes known to be 1).

    >>> T.broadcast_to([1, 2], (2, 2)).eval()
    array([[1, 2],
           [1, 2]])
    """
    return alloc(x, *shape_elements(shape))


def full(shape: Any, fill_value: Any, dtype: str | None = None) -> Variable:
    """An array of sizes `shape` filled with `fill_value`, in its dtype or `dtype`.

    >>> T.full((2,), 7).eval()
    array([7, 7])
    """
    value = as_tensor(fill_value, truth=True)
    return alloc(value if dtype is None else cast(value, dtype), *shape_elements(shape))


def zeros(shape: Any, dtype: str | None = None) -> Variable:
    """Zeros of sizes `shape`, floatX unless a dtype is given.

    >>> T.zeros((2,)).eval()
    array([0., 0.])
    """
    return full(shape, 0, dtype or config.floatX)


def ones(shape: Any, dtype: str | None = None) -> Variable:
    """Ones of sizes `shape`, floatX unless a dtype is given.

    >>> T.ones((2,)).eval()
    array([1., 1.])
    """
    return full(shape, 1, dtype or config.floatX)


def empty(shape: Any, dtype: str | None = None) -> Variable:
    """An array to be overwritten.  It holds zeros, so that every run gives the same.

    >>> T.empty((2, 2)).eval()
    array([[0., 0.],
           [0., 0.]])
    """
    return zeros(shape, dtype)


def full_like(model: Any, fill_value: Any, dtype: str | None = None) -> Variable:
    """An array of the shape of `model` filled with `fill_value`, in the dtype of `model`.

    >>> T.full_like([1, 2], 7).eval()
    array([7, 7])
    """
    variable = as_tensor(model)
    value = cast(as_tensor(fill_value, truth=True), dtype or variable.type.dtype)
    if variable.type.ndim == 0 and value.type.ndim == 0:
        return value
    return alloc(value, *sizes_of(variable))


def zeros_like(model: Any, dtype: str | None = None, opt: bool = False) -> Variable:
    """Zeros of the shape of `model`, in its dtype unless another is given.

    opt: Theano's flag, without effect: sizes alone are used of `model` in any case.

    >>> T.zeros_like([5, 6]).eval()
    array([0, 0])
    """
    return full_like(model, 0, dtype)


def ones_like(model: Any, dtype: str | None = None, opt: bool = False) -> Variable:
    """Ones of the shape of `model`, in its dtype unless another is given.

    >>> T.ones_like([5, 6]).eval()
    array([1, 1])
    """
    return full_like(model, 1, dtype)
