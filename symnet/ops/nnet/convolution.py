"""Convolution: one operation, which is its own gradient in both operands.

With a stride s, a dilation d of the filter and a spread e of the input along each spatial
axis, an output element is

    y[g, n, o, p] = sum over c, t of x[g, n, c, q] w[g, o, c, t],  q e = p s + t d - low

where the sum goes over the t for which an element q of the input is there: others are
zeros.  The filter is not flipped.  Whoever is to flip it, or has groups or a batch in other
places, hands in views.

The equation is symmetric in p, q and t up to the roles of s, d and e, so the gradients
are convolutions of the same kind, and so are theirs.  It is JAX's and XLA's
`conv_general_dilated`, but for the upper padding: the size of the output is given instead.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

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
from symnet.kernels.routines import Convolve
from symnet.ops.base import PointOp, SameShape, TensorOp, as_tensor, disconnected
from symnet.ops.indexing import getitem
from symnet.ops.lowerings import CallOf, Lowering, Read, Shapes, Sizes
from symnet.ops.shape import dimshuffle
from symnet.ops.sizes import ForgetShape, size_scalar, sizes_of

LEADING = 3  # axes before the spatial ones: group, batch, channel
# Orders of the axes g, n and o of a result.
GROUP_FIRST, IMAGE_FIRST, IMAGE_LAST = (0, 1, 2), (1, 0, 2), (0, 2, 1)


class Convolution(TensorOp):
    """See the module.

    Shapes: x (g, n, c, *inputs), w (g, o, c, *taps), then a number `low` for each spatial
    axis and a size of the output for each -> (g, n, o, *sizes), the first three axes in
    `order`: what is needed as (n, g o, *sizes) is made so, and need not be copied.
    Dtypes: float32 or float64, the same for x and w; integers.
    strides, dilations, spreads: a positive int for each spatial axis, of which there are
    one, two or three.  order: a permutation of (0, 1, 2).
    Raises: ShapeError where groups or channels differ; TypeError for other ranks, dtypes.
    """

    __props__ = ("strides", "dilations", "spreads", "order")

    def __init__(
        self,
        strides: Sequence[int],
        dilations: Sequence[int] | None = None,
        spreads: Sequence[int] | None = None,
        order: tuple[int, int, int] = GROUP_FIRST,
    ) -> None:
        self.strides = tuple(strides)
        self.dilations = tuple(dilations or (1,) * len(self.strides))
        self.spreads = tuple(spreads or (1,) * len(self.strides))
        steps = (*self.strides, *self.dilations, *self.spreads)
        if not 1 <= self.rank <= 3 or len(steps) != 3 * self.rank or min(steps) < 1:
            raise ValueError(
                f"strides {self.strides}, dilations {self.dilations} and spreads "
                f"{self.spreads}: one positive int each for one to three spatial axes"
            )
        self.order = tuple(order)
        if sorted(self.order) != [0, 1, 2]:
            raise ValueError(f"order {order}: a permutation of (0, 1, 2)")

    @property
    def rank(self) -> int:
        """The number of spatial axes."""
        return len(self.strides)

    def make_node(self, x: Any, w: Any, *numbers: Any) -> Apply:
        x, w = as_tensor(x), as_tensor(w)
        kinds = {x.type.dtype, w.type.dtype}
        fits = len(kinds) == 1 and kinds <= {"float32", "float64"}
        ranks = {x.type.ndim, w.type.ndim} == {LEADING + self.rank}
        if not fits or not ranks or len(numbers) != 2 * self.rank:
            raise TypeError(
                message(
                    f"a convolution along {self.rank} axes takes two arrays of rank "
                    f"{LEADING + self.rank} of one dtype, float32 or float64, and "
                    f"{2 * self.rank} integers",
                    operation=self,
                    operands=[operand_text(x), operand_text(w)],
                )
            )
        self._agree(x, w)
        scalars = [size_scalar(n, "a padding or size") for n in numbers]
        group = x.type.shape[0] if x.type.shape[0] is not None else w.type.shape[0]
        leading = (group, x.type.shape[1], w.type.shape[1])
        shape = (*self._ordered(leading), *map(_known, scalars[self.rank :]))
        output = make_variable(TensorType(x.type.dtype, shape))
        return Apply(self, [x, w, *scalars], [output])

    def _agree(self, x: Variable, w: Variable) -> None:
        """Raises: ShapeError where known numbers of groups or channels differ."""
        for axis, what in ((0, "groups"), (2, "channels")):
            left, right = x.type.shape[axis], w.type.shape[axis]
            if left is not None and right is not None and left != right:
                raise ShapeError(
                    message(
                        f"an input of {left} {what} and filters for {right}",
                        operation=self,
                        operands=[operand_text(x), operand_text(w)],
                    )
                )

    def lowering(self, node: Apply) -> Lowering:
        dtype = node.outputs[0].type.dtype
        return CallOf(
            Convolve(dtype, self.strides, self.dilations, self.spreads, self.order),
            (0, 1),
        )

    def infer_sizes(self, node: Apply, inputs: Shapes, sizes: Sizes) -> Shapes:
        x, w, *_ = inputs
        group = sizes.equal(x[0], w[0], "the groups of input and filters")
        sizes.equal(x[2], w[2], "the channels of input and filters")
        numbers = [sizes.value(v) for v in node.inputs[2:]]
        for number in numbers[self.rank :]:
            at_least = views.combine("ge", number, views.ZERO)
            sizes.require(at_least, "a convolution has a size below 0")
        leading = self._ordered((group, x[1], w[1]))
        return [(*leading, *numbers[self.rank :])]

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        x, w, *numbers = arrays
        low = [int(n) for n in numbers[: self.rank]]
        sizes = [int(n) for n in numbers[self.rank :]]
        for axis, what in ((0, "groups"), (2, "channels")):
            if x.shape[axis] != w.shape[axis]:
                raise ShapeError(
                    f"an input of {x.shape[axis]} {what}, filters for {w.shape[axis]}"
                )
        if min(sizes) < 0:
            raise ValueError(f"a convolution of sizes {sizes}")
        found = convolved(self, x, w, low, sizes)
        spatial = range(LEADING, found.ndim)
        return [np.ascontiguousarray(found.transpose(*self.order, *spatial))]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[True], [True], *[[False]] * (2 * self.rank)]

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        x, w, *numbers = inputs
        (g,) = output_gradients
        g = dimshuffle(g, *self._back, *range(LEADING, g.type.ndim))
        rest = [disconnected() for _ in numbers]
        return [
            no_more_known(self.input_gradient(x, w, numbers, g), x),
            no_more_known(self.filter_gradient(x, w, numbers, g), w),
            *rest,
        ]

    def input_gradient(
        self, x: Variable, w: Variable, numbers: Sequence[Variable], g: Variable
    ) -> Variable:
        """The gradient for x: g, spread by the strides, with the filters mirrored.

        g: with its axes as `GROUP_FIRST` has them.
        """
        taps = sizes_of(w)[LEADING:]
        low = [
            (t - 1) * d - b
            for t, d, b in zip(taps, self.dilations, numbers[: self.rank], strict=True)
        ]
        back = Convolution(self.spreads, self.dilations, self.strides, IMAGE_FIRST)
        filters = in_order(_channels_first(mirrored(w, self.rank)))
        found = back(g, filters, *low, *sizes_of(x)[LEADING:])
        return dimshuffle(found, 1, 0, *range(2, found.type.ndim))

    def filter_gradient(
        self, x: Variable, w: Variable, numbers: Sequence[Variable], g: Variable
    ) -> Variable:
        """The gradient for w: x, with batch and channels exchanged, along g as a filter.

        g: with its axes as `GROUP_FIRST` has them.
        """
        along = Convolution(self.dilations, self.strides, self.spreads, IMAGE_LAST)
        low, sizes = numbers[: self.rank], sizes_of(w)[LEADING:]
        return along(_channels_first(x), _channels_first(g), *low, *sizes)

    @property
    def _back(self) -> tuple[int, ...]:
        """Where each of the first three axes of the equation stands in the result."""
        return tuple(self.order.index(axis) for axis in range(LEADING))

    def _ordered(self, leading: Sequence[Any]) -> tuple[Any, ...]:
        return tuple(leading[axis] for axis in self.order)


class InOrder(SameShape, PointOp):
    """x, its elements in C order in memory: filters are small and walked over often."""

    def make_node(self, x: Any) -> Apply:
        x = as_tensor(x)
        return Apply(self, [x], [make_variable(x.type)])

    def point(
        self, node: Apply, reads: Sequence[Read], index: Sequence[Scalar]
    ) -> Scalar:
        return reads[0].here()

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        return [xp.array(arrays[0], order="C")]

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        return [output_gradients[0]]


in_order = InOrder()


def _known(scalar: Variable) -> int | None:
    return int(scalar.data) if isinstance(scalar, Constant) else None


def _channels_first(x: Variable) -> Variable:
    """The axes of batch and channel exchanged."""
    return dimshuffle(x, 0, 2, 1, *range(LEADING, x.type.ndim))


def no_more_known(gradient: Variable, v: Variable) -> Variable:
    """A gradient of whose sizes no more is known than of those of its variable."""
    pairs = zip(gradient.type.shape, v.type.shape, strict=True)
    axes = [
        axis for axis, (n, its) in enumerate(pairs) if its is None and n is not None
    ]
    return ForgetShape(axes)(gradient) if axes else gradient


def mirrored(w: Variable, rank: int) -> Variable:
    """Filters with their last `rank` axes reversed.

    An axis known to have one element stays: reversed, filters would be copied to be read.
    """
    own = w.type.shape[w.type.ndim - rank :]
    steps = [None if size == 1 else -1 for size in own]
    if not any(steps):
        return w
    key = (..., *[slice(None, None, step) for step in steps])
    result: Variable = getitem(w, key)
    return result


# ---- the reference


def convolved(
    op: Convolution, x: Any, w: Any, low: Sequence[int], sizes: Sequence[int]
) -> Any:
    """The convolution by NumPy: a product of matrices for each tap of the filter."""
    y = np.zeros((x.shape[0], x.shape[1], w.shape[1], *sizes), x.dtype)
    terms = [
        _taps(op, axis, x.shape[LEADING + axis], w.shape[LEADING + axis], low, sizes)
        for axis in range(op.rank)
    ]
    wide = np.zeros_like(y, np.float64) if x.dtype == np.float32 else y
    every = slice(None)
    for taps in itertools.product(*terms):
        filters = w[(every, every, every, *(tap for tap, _, _ in taps))]
        source = x[(every, every, every, *(s for _, s, _ in taps))]
        target = wide[(every, every, every, *(t for _, _, t in taps))]
        flat = source.reshape(
            *source.shape[:LEADING], math.prod(source.shape[LEADING:])
        )
        product = np.matmul(
            filters[:, None].astype(wide.dtype), flat.astype(wide.dtype)
        )
        target += product.reshape(target.shape)
    return wide.astype(x.dtype)


def _taps(
    op: Convolution,
    axis: int,
    length: int,
    taps: int,
    low: Sequence[int],
    sizes: Sequence[int],
) -> list[tuple[int, slice, slice]]:
    """For each tap along an axis the elements that meet: (tap, of x, of y)."""
    stride, dilation, spread = (s[axis] for s in (op.strides, op.dilations, op.spreads))
    found = []
    for tap in range(taps):
        pairs = [
            (p, q // spread)
            for p in range(sizes[axis])
            if (q := p * stride + tap * dilation - low[axis]) % spread == 0
            and 0 <= q // spread < length
        ]
        if pairs:
            found.append(
                (tap, _every([q for _, q in pairs]), _every([p for p, _ in pairs]))
            )
    return found


def _every(numbers: Sequence[int]) -> slice:
    """Evenly spaced numbers as a slice."""
    step = numbers[1] - numbers[0] if len(numbers) > 1 else 1
    return slice(numbers[0], numbers[-1] + 1, step)
