"""Windows of an array: every place of a small box that goes over its last axes.

`SlidingWindows` shows them, as a view in which elements may come several times; `AddWindows` adds
values for the elements of windows up where they belong.  Each is the gradient of the other.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

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
from symnet.kernels.loopir.scalars import cast as cast_scalar
from symnet.kernels.loopir.views import ONE, ZERO, Size, View
from symnet.ops.alloc import zeros_like
from symnet.ops.base import TensorOp, ViewOp, as_tensor, disconnected
from symnet.ops.lowerings import (
    Lowering,
    Read,
    Reference,
    Shapes,
    Sizes,
    has_arrays,
    scatter,
)
from symnet.ops.sizes import shape_i, size_scalar


class SlidingWindows(ViewOp):
    """windows(x, *window, *strides, *counts): of the last `ndim` axes of x the boxes of size
    `window` that begin at multiples of the strides, `counts` of them.

    Shapes: x (..., n1, n2) -> (..., counts1, counts2, window1, window2).
    Raises: ValueError (when run, or at once where it is known) for a window or stride below
    1, and for windows that do not lie inside of x.
    """

    __props__ = ("ndim",)

    def __init__(self, ndim: int) -> None:
        self.ndim = int(ndim)

    def make_node(self, x: Any, *numbers: Any) -> Apply:
        x = as_tensor(x)
        check_rank(self, x, self.ndim, numbers, 3)
        scalars = [size_scalar(n, "a size of windows") for n in numbers]
        known = [int(n.data) if isinstance(n, Constant) else None for n in scalars]
        window, strides, counts = in_groups(known, self.ndim)
        check_numbers(self, x, window, strides)
        shape = (*x.type.shape[: x.type.ndim - self.ndim], *counts, *window)
        return Apply(
            self, [x, *scalars], [make_variable(TensorType(x.type.dtype, shape))]
        )

    def infer_sizes(self, node: Apply, inputs: Shapes, sizes: Sizes) -> Shapes:
        numbers = [sizes.value(v) for v in node.inputs[1:]]
        window, strides, counts = in_groups(numbers, self.ndim)
        have = inputs[0][len(inputs[0]) - self.ndim :]
        for n, w, s, c in zip(have, window, strides, counts, strict=True):
            require_inside(n, w, s, c, sizes)
        return [(*inputs[0][: len(inputs[0]) - self.ndim], *counts, *window)]

    def view(self, node: Apply, view: View, sizes: Sizes) -> View:
        numbers = [sizes.value(v) for v in node.inputs[1:]]
        return windows_view(view, *in_groups(numbers, self.ndim))

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        x, *numbers = arrays
        window, strides, counts = in_groups([int(n) for n in numbers], self.ndim)
        lead = x.ndim - self.ndim
        for n, w, s, c in zip(x.shape[lead:], window, strides, counts, strict=True):
            if w < 1 or s < 1 or (c > 0 and (c - 1) * s + w > n):
                raise ValueError(outside(n, w, s, c))
        result = xp.empty((*x.shape[:lead], *counts, *window), x.dtype)
        for at in itertools.product(*map(range, window)):
            result[(..., *at)] = x[(..., *places(at, strides, counts))]
        return [result]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[True], *[[False]] * (3 * self.ndim)]

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        x, *numbers = inputs
        strides = numbers[self.ndim : 2 * self.ndim]
        added = AddWindows(self.ndim)(zeros_like(x), output_gradients[0], *strides)
        return [added, *[disconnected() for _ in numbers]]


class AddWindows(TensorOp):
    """add_windows(x, values, *strides): x with the values for the elements of its windows
    added, one after another.

    Shapes: x (..., n1, n2), values (..., counts1, counts2, window1, window2) -> as x.
    Raises: as `SlidingWindows`.
    """

    __props__ = ("ndim",)

    def __init__(self, ndim: int) -> None:
        self.ndim = int(ndim)

    def make_node(self, x: Any, values: Any, *strides: Any) -> Apply:
        x, values = as_tensor(x), as_tensor(values)
        check_rank(self, x, self.ndim, strides, 1)
        if (
            values.type.ndim != x.type.ndim + self.ndim
            or values.type.dtype != x.type.dtype
        ):
            raise TypeError(
                message(
                    f"values for windows have the array's dtype and {self.ndim} axes more",
                    operation=self,
                    operands=[operand_text(x), operand_text(values)],
                )
            )
        scalars = [size_scalar(n, "a stride") for n in strides]
        return Apply(self, [x, values, *scalars], [make_variable(x.type)])

    def infer_sizes(self, node: Apply, inputs: Shapes, sizes: Sizes) -> Shapes:
        x, values, *_ = inputs
        strides = [sizes.value(v) for v in node.inputs[2:]]
        lead = len(x) - self.ndim
        for axis in range(lead):
            sizes.equal(x[axis], values[axis], f"axis {axis} of windows")
        counts, window = values[lead : lead + self.ndim], values[lead + self.ndim :]
        for n, w, s, c in zip(x[lead:], window, strides, counts, strict=True):
            require_inside(n, w, s, c, sizes)
        return [x]

    def lowering(self, node: Apply) -> Lowering:
        if not has_arrays(node):
            return Reference()
        rank = node.inputs[1].type.ndim
        return scatter(self._space, self._position, True, node, rank)

    def _space(self, node: Apply, inputs: Shapes, sizes: Sizes) -> tuple[Size, ...]:
        return tuple(inputs[1])

    def _position(
        self, node: Apply, reads: Sequence[Read], index: Sequence[Scalar]
    ) -> tuple[list[Scalar], Scalar]:
        lead = len(index) - 2 * self.ndim
        counts, taps = in_groups(index[lead:], self.ndim)
        strides = [cast_scalar(read.here(), "int64") for read in reads[2:]]
        own = [c * s + t for c, s, t in zip(counts, strides, taps, strict=True)]
        return [*index[:lead], *own], reads[1].here()

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        x, values, *strides = arrays
        lead, steps = x.ndim - self.ndim, [int(s) for s in strides]
        counts, window = in_groups(values.shape[lead:], self.ndim)
        if values.shape[:lead] != x.shape[:lead]:
            raise ShapeError(f"windows of {values.shape} in an array of {x.shape}")
        for n, w, s, c in zip(x.shape[lead:], window, steps, counts, strict=True):
            if w < 1 or s < 1 or (c > 0 and (c - 1) * s + w > n):
                raise ValueError(outside(n, w, s, c))
        result = xp.array(x)
        for at in itertools.product(*map(range, window)):
            result[(..., *places(at, steps, counts))] += values[(..., *at)]
        return [result]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[True], [True], *[[False]] * self.ndim]

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        x, values, *strides = inputs
        (g,) = output_gradients
        lead = x.type.ndim - self.ndim
        shape = [shape_i(values, axis) for axis in range(lead, values.type.ndim)]
        counts, window = in_groups(shape, self.ndim)
        own = SlidingWindows(self.ndim)(g, *window, *strides, *counts)
        return [g, own, *[disconnected() for _ in strides]]


# ---- what both have in common


def in_groups(numbers: Sequence[Any], ndim: int) -> list[list[Any]]:
    """Numbers for each axis, kind by kind."""
    return [list(numbers[k : k + ndim]) for k in range(0, len(numbers), ndim)]


def places(
    at: Sequence[int], strides: Sequence[int], counts: Sequence[int]
) -> tuple[slice, ...]:
    """Where the element `at` of each window lies."""
    return tuple(
        slice(first, first + max(c, 0) * s, s) if c > 0 else slice(0, 0)
        for first, s, c in zip(at, strides, counts, strict=True)
    )


def windows_view(
    view: View, window: Sequence[Size], strides: Sequence[Size], counts: Sequence[Size]
) -> View:
    """The windows of an array, as a view of it."""
    lead = view.ndim - len(window)
    own = view.strides[lead:]
    steps = [views.multiply(one, s) for one, s in zip(own, strides, strict=True)]
    return View(
        view.buffer,
        view.dtype,
        (*view.sizes[:lead], *counts, *window),
        (*view.strides[:lead], *steps, *own),
        view.offset,
    )


def require_inside(n: Size, w: Size, s: Size, c: Size, sizes: Sizes) -> None:
    """Demand that `c` windows of `w` elements, `s` apart, lie within `n`."""
    for one, what in ((w, "a window has a size below 1"), (s, "a stride is below 1")):
        sizes.require(views.combine("ge", one, ONE), what)
    sizes.require(views.combine("ge", c, ZERO), "a number of windows is negative")
    last = views.add(views.multiply(views.subtract(c, ONE), s), w)
    end = views.choose(views.combine("gt", c, ZERO), last, ZERO)
    what = "windows reach beyond the end of the array"
    sizes.require(views.combine("le", end, n), what)


def check_rank(
    op: object, x: Variable, ndim: int, numbers: Sequence[Any], each: int
) -> None:
    if x.type.ndim < ndim or len(numbers) != each * ndim:
        raise TypeError(
            message(
                f"windows along {ndim} axes of an array of rank {ndim} at least, with "
                f"{each * ndim} integers",
                operation=op,
                operands=[operand_text(x)],
            )
        )


def check_numbers(
    op: object,
    x: Variable,
    window: Sequence[int | None],
    strides: Sequence[int | None],
) -> None:
    """Raises: ValueError for a window or stride that is known to be below 1."""
    for numbers, what in ((window, "window"), (strides, "stride")):
        if any(n is not None and n < 1 for n in numbers):
            raise ValueError(
                message(
                    f"a {what} is 1 at least, not {tuple(numbers)}",
                    operation=op,
                    operands=[operand_text(x)],
                )
            )


def outside(n: int, w: int, s: int, c: int) -> str:
    return f"{c} windows of size {w}, {s} apart, do not lie in an array of size {n}"
