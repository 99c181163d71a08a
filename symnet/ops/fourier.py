"""Fourier transforms of real numbers, with complex numbers as pairs of real ones.

Each operation transforms along one axis and has no factor; what users call goes over the
axes one by one.  All are linear: their gradients are transforms back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symnet.errors import message
from symnet.graph.op import Gradients, Vars
from symnet.graph.types import COMPLEX, TensorType
from symnet.graph.variables import (
    Apply,
    Constant,
    Variable,
    make_variable,
    operand_text,
)
from symnet.kernels.loopir import views
from symnet.kernels.loopir.views import Size
from symnet.kernels.routines import Fourier
from symnet.ops.alloc import alloc, shape_elements
from symnet.ops.arithmetic import add, mul, sqrt, switch, true_div
from symnet.ops.base import TensorOp, as_tensor, disconnected, to_float
from symnet.ops.comparison import eq, or_
from symnet.ops.creation import arange
from symnet.ops.elementwise import cast
from symnet.ops.indexing import getitem, set_subtensor
from symnet.ops.lowerings import CallOf, Lowering, Shapes, Sizes
from symnet.ops.reshape import reshape
from symnet.ops.shape import dimshuffle
from symnet.ops.sizes import shape_i, size_scalar, sizes_of

__all__ = ["irfft", "irfft_op", "rfft", "rfft_op"]

EMPTY = "a Fourier transform along an axis of size 0"


def pairs_of(values: Any, xp: Any) -> Any:
    """Complex numbers as pairs in a last axis."""
    return xp.stack([values.real, values.imag], axis=-1)


def complex_of(pairs: Any) -> Any:
    return pairs[..., 0] + 1j * pairs[..., 1]


def demand_some(size: Size, sizes: Sizes) -> None:
    sizes.require(views.combine("gt", size, views.ZERO), EMPTY)


class Transform(TensorOp):
    """A transform of pairs of real numbers.

    Raises: TypeError for a lower rank, and for complex numbers.
    """

    least_rank = 1

    def operand(self, x: Any) -> Variable:
        x = as_tensor(x)
        if x.type.ndim < self.least_rank or x.type.dtype in COMPLEX:
            raise TypeError(
                message(
                    f"{self} takes real numbers with {self.least_rank} axes or more",
                    operands=[operand_text(x)],
                )
            )
        return cast(x, to_float(x.type.dtype))

    def called(self, node: Apply, kind: str) -> Lowering:
        return CallOf(Fourier(kind, node.outputs[0].type.dtype), (0,))


class ComplexTransform(Transform):
    """y[k] = sum over j of x[j] exp(-2 pi i j k / n); with `inverse` exp(+2 pi i j k / n).

    Shapes: (..., n, inner, 2) -> the same; the last axis has real and imaginary parts.
    Dtypes: floats, the same out.
    """

    __props__ = ("inverse",)
    least_rank = 3

    def __init__(self, inverse: bool) -> None:
        self.inverse = bool(inverse)

    def make_node(self, x: Any) -> Apply:
        x = self.operand(x)
        return Apply(self, [x], [make_variable(x.type)])

    def infer_sizes(self, node: Apply, inputs: Shapes, sizes: Sizes) -> Shapes:
        demand_some(inputs[0][-3], sizes)
        return [inputs[0]]

    def lowering(self, node: Apply) -> Lowering:
        return self.called(node, "ifft" if self.inverse else "fft")

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        function = xp.fft.ifft if self.inverse else xp.fft.fft
        norm = "forward" if self.inverse else "backward"
        found = pairs_of(function(complex_of(arrays[0]), axis=-2, norm=norm), xp)
        return [found.astype(arrays[0].dtype)]

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        return [ComplexTransform(not self.inverse)(output_gradients[0])]


class RealTransform(Transform):
    """The first half of the transform of real numbers; the other is its mirror image.

    Shapes: (..., n) -> (..., n // 2 + 1, 2).  Dtypes: floats, the same out.
    """

    def make_node(self, x: Any) -> Apply:
        x = self.operand(x)
        *outer, n = x.type.shape
        shape = (*outer, None if n is None else n // 2 + 1, 2)
        return Apply(self, [x], [make_variable(TensorType(x.type.dtype, shape))])

    def infer_sizes(self, node: Apply, inputs: Shapes, sizes: Sizes) -> Shapes:
        *outer, n = inputs[0]
        demand_some(n, sizes)
        return [(*outer, half(n), views.size(2))]

    def lowering(self, node: Apply) -> Lowering:
        return self.called(node, "rfft")

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        found = pairs_of(xp.fft.rfft(arrays[0]), xp)
        return [found.astype(arrays[0].dtype)]

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        """The transform back counts each number twice that has a mirror image."""
        (g,), n = output_gradients, shape_i(inputs[0], inputs[0].type.ndim - 1)
        return [RealInverse()(mul(g, weights(g, n, 0.5)), n)]


class RealInverse(Transform):
    """n real numbers of the first half of their transform: op(x, n).

    The imaginary parts of numbers that have no mirror image are not read.
    Shapes: (..., n // 2 + 1, 2), () -> (..., n).  Dtypes: floats, the same out.
    """

    least_rank = 2

    def make_node(self, x: Any, n: Any) -> Apply:
        x, n = self.operand(x), size_scalar(n, "n")
        last = int(n.data) if isinstance(n, Constant) else None
        kind = TensorType(x.type.dtype, (*x.type.shape[:-2], last))
        return Apply(self, [x, n], [make_variable(kind)])

    def infer_sizes(self, node: Apply, inputs: Shapes, sizes: Sizes) -> Shapes:
        (*outer, m, two), n = inputs[0], sizes.value(node.inputs[1])
        demand_some(n, sizes)
        sizes.equal(m, half(n), "the half of a transform")
        sizes.equal(two, views.size(2), "a real and an imaginary part")
        return [(*outer, n)]

    def lowering(self, node: Apply) -> Lowering:
        return self.called(node, "irfft")

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        x, n = arrays
        found = xp.fft.irfft(complex_of(x), n=int(n), norm="forward")
        return [found.astype(x.dtype)]

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        back = RealTransform()(output_gradients[0])
        return [mul(back, weights(back, inputs[1], 2.0)), disconnected()]


def half(n: Size) -> Size:
    """n // 2 + 1."""
    return views.add(views.combine("floordiv", n, views.size(2)), views.ONE)


def weights(pairs: Variable, n: Variable, mirrored: float) -> Variable:
    """1 for each number of a half that is its own mirror image, else `mirrored`."""
    place = arange(shape_i(pairs, pairs.type.ndim - 2))
    alone = or_(eq(place, 0), eq(mul(place, 2), n))
    found = cast(switch(alone, 1.0, mirrored), pairs.type.dtype)
    return dimshuffle(found, *["x"] * (pairs.type.ndim - 2), 0, "x")


# ---- over several axes


def along_axis(pairs: Variable, axis: int, inverse: bool) -> Variable:
    """The transform of pairs along one axis."""
    sizes = sizes_of(pairs)
    between = sizes[axis + 1 : -1]
    inner: Any = between[0] if between else 1
    for one in between[1:]:
        inner = mul(inner, one)
    rank = axis + 3
    found = ComplexTransform(inverse)(
        reshape(pairs, [*sizes[: axis + 1], inner, 2], ndim=rank)
    )
    return reshape(found, sizes, ndim=len(sizes))


def fitted(x: Variable, axis: int, size: Any) -> Variable:
    """x cut off, or filled up with zeros, to a size along an axis."""
    sizes = list(sizes_of(x))
    before = (slice(None),) * axis
    part = getitem(x, (*before, slice(None, size)))
    end = sizes[axis]
    sizes[axis] = size
    zeros = alloc(np.zeros((), x.type.dtype), *sizes)
    return set_subtensor(getitem(zeros, (*before, slice(None, end))), part)


def rfft_op(a: Any, s: Any = None) -> Variable:
    """The transform of each element of the first axis, without a factor.

    s: the sizes to which the other axes are first cut or filled up with zeros.
    Shapes: (m, ..., n) -> (m, ..., n // 2 + 1, 2).  Dtypes: floats, the same out.
    Raises: TypeError for a lower rank than 2, for complex numbers, for sizes that are no
    integers.
    """
    x = batched(a, 2, "rfft")
    if s is not None:
        for axis, size in enumerate(shape_elements(s), 1):
            x = fitted(x, axis, size)
    found: Variable = RealTransform()(x)
    for axis in range(1, x.type.ndim - 1):
        found = along_axis(found, axis, inverse=False)
    return found


def irfft_op(a: Any, s: Any = None) -> Variable:
    """Real numbers of their transforms, times their number.

    s: the sizes of the result but for the first axis; None: those of `a`, and an even last
    one.  See `rfft_op`.
    Shapes: (m, ..., n // 2 + 1, 2) -> (m, ..., n).
    """
    x = batched(a, 3, "irfft")
    if s is None:
        wanted = inverse_sizes(x, is_odd=False)
    else:
        wanted = shape_elements(s)
        for axis, size in enumerate(wanted[:-1], 1):
            x = fitted(x, axis, size)
        x = fitted(x, len(wanted), add(wanted[-1] // 2, 1))
    return transformed_back(x, wanted[-1])


def transformed_back(x: Variable, last: Variable) -> Variable:
    for axis in range(1, x.type.ndim - 2):
        x = along_axis(x, axis, inverse=True)
    found: Variable = RealInverse()(x, last)
    return found


def batched(a: Any, rank: int, name: str) -> Variable:
    x = as_tensor(a)
    if x.type.ndim < rank:
        raise TypeError(
            message(
                f"{name}: the first axis counts transforms, so there are {rank} or more",
                operands=[operand_text(x)],
                cure="give x[None] for a single one",
            )
        )
    return x


def inverse_sizes(x: Variable, is_odd: bool) -> list[Variable]:
    """The sizes of the real numbers of whose transforms x has the halves."""
    *sizes, last = sizes_of(x)[1:-1]
    return [*sizes, add(mul(add(last, -1), 2), int(is_odd))]


def factor(sizes: Sequence[Variable], dtype: str, norm: str | None) -> Variable | None:
    """What a transform back is divided by; with "ortho" one of both."""
    if norm not in (None, "ortho", "no_norm"):
        raise ValueError(f"norm is None, 'ortho' or 'no_norm', not {norm!r}")
    if norm == "no_norm":
        return None
    count: Any = sizes[0]
    for one in sizes[1:]:
        count = mul(count, one)
    count = cast(count, dtype)
    return sqrt(count) if norm == "ortho" else count


def rfft(inp: Any, norm: str | None = None) -> Variable:
    """The Fourier transform of each element of the first axis over all other axes.

    norm: None for no factor, "ortho" to divide by the root of how many numbers there are.
    Shapes: (m, ..., n) -> (m, ..., n // 2 + 1, 2), real and imaginary parts.
    Dtypes: floats, the same out.
    Raises: TypeError for a lower rank and for complex numbers; ValueError for another norm.

    Example:
    >>> rfft(np.array([[1.0, 2.0, 3.0, 4.0]])).eval()
    array([[[10.,  0.],
            [-2.,  2.],
            [-2.,  0.]]])
    """
    found = rfft_op(inp)
    number = factor(sizes_of(as_tensor(inp))[1:], found.type.dtype, norm)
    return true_div(found, number) if norm == "ortho" else found


def irfft(inp: Any, norm: str | None = None, is_odd: bool = False) -> Variable:
    """The real numbers that have these transforms: the inverse of `rfft`.

    norm: None to divide by how many numbers there are, "ortho" by the root of that,
    "no_norm" by nothing.  is_odd: whether the last size of the result is odd.
    Shapes: (m, ..., k, 2) -> (m, ..., 2 (k - 1)), one more where `is_odd`.
    Raises: as `rfft`.

    Example:
    >>> irfft(rfft(np.array([[1.0, 2.0, 3.0]])), is_odd=True).eval()
    array([[1., 2., 3.]])
    """
    if is_odd not in (True, False):
        raise ValueError(f"is_odd is True or False, not {is_odd!r}")
    x = batched(inp, 3, "irfft")
    sizes = inverse_sizes(x, is_odd)
    found = transformed_back(x, sizes[-1])
    number = factor(sizes, found.type.dtype, norm)
    return found if number is None else true_div(found, number)
