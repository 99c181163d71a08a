"""Running sums, products and maxima along an axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symnet.graph.op import Gradients, Vars
from symnet.graph.types import TensorType
from symnet.graph.variables import Apply, Variable, make_variable, operand_text
from symnet.kernels.routines import Running
from symnet.ops.alloc import full_like
from symnet.ops.arithmetic import add, mul, sub
from symnet.ops.base import SameShape, TensorOp, as_tensor, normalize_axis
from symnet.ops.comparison import neq
from symnet.ops.complex_parts import conjugate
from symnet.ops.elementwise import cast
from symnet.ops.indexing import getitem
from symnet.ops.joining import join
from symnet.ops.lowerings import CallOf, Lowering, Shapes, Sizes
from symnet.ops.methods import method
from symnet.ops.rearrange import flip, roll
from symnet.ops.reshape import flatten, reshape
from symnet.ops.shape import dimshuffle
from symnet.ops.sizes import sizes_of

__all__ = [
    "Cumulative", "cumprod", "cumsum",
]  # fmt: skip


class Cumulative(SameShape):
    """Sums ("add"), products ("mul") or the largest ("max") of the elements of x up to each
    position along `axis`.  Shapes and dtypes: those of x."""

    __props__ = ("axis", "mode")

    def __init__(self, axis: int, mode: str) -> None:
        self.axis, self.mode = int(axis), mode

    def make_node(self, x: Any) -> Apply:
        x = as_tensor(x)
        return Apply(self, [x], [make_variable(x.type)])

    def lowering(self, node: Apply) -> Lowering:
        kind = node.outputs[0].type.dtype
        return CallOf(Running(self.mode, kind, self.axis), (0,))

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        if self.mode == "max":
            return [xp.maximum.accumulate(arrays[0], axis=self.axis)]
        function = xp.cumsum if self.mode == "add" else xp.cumprod
        return [function(arrays[0], axis=self.axis, dtype=arrays[0].dtype)]

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        (x,), (total,), (gradient,) = inputs, outputs, output_gradients
        if self.mode == "add":
            return [flip(self(flip(gradient, self.axis)), self.axis)]
        if self.mode == "max":  # the element that was the first as large
            before = shifted(total, np.nan, self.axis)  # which nothing equals
            new = cast(neq(total, before), x.type.dtype)
            return [mul(new, from_the_end(sub(1, new), gradient, self.axis))]
        # x[i] takes part in every later product: that before it, times what comes after.
        later = from_the_end(conjugate(x), gradient, self.axis)
        return [mul(later, conjugate(shifted(total, 1, self.axis)))]


class LinearRecurrence(TensorOp):
    """y[0] = b[0], y[i] = a[i] * y[i - 1] + b[i] along `axis`.

    Shapes: a and b have one shape, which is that of y.
    """

    __props__ = ("axis",)

    def __init__(self, axis: int) -> None:
        self.axis = int(axis)

    def make_node(self, a: Any, b: Any) -> Apply:
        a, b = as_tensor(a), as_tensor(b)
        if a.type.ndim != b.type.ndim or a.type.dtype != b.type.dtype:
            raise TypeError(f"{self}: {operand_text(a)} and {operand_text(b)}")
        shape = [
            n if m is None else m
            for m, n in zip(a.type.shape, b.type.shape, strict=True)
        ]
        return Apply(self, [a, b], [make_variable(TensorType(a.type.dtype, shape))])

    def infer_sizes(self, node: Apply, inputs: Shapes, sizes: Sizes) -> Shapes:
        pairs = enumerate(zip(*inputs, strict=True))
        return [tuple(sizes.equal(m, n, f"axis {axis}") for axis, (m, n) in pairs)]

    def lowering(self, node: Apply) -> Lowering:
        kind = node.outputs[0].type.dtype
        return CallOf(Running("linear", kind, self.axis), (0, 1))

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        a, b = (xp.moveaxis(array, self.axis, 0) for array in arrays)
        result = xp.array(b)
        for i in range(1, len(result)):
            result[i] += a[i] * result[i - 1]
        return [xp.moveaxis(result, 0, self.axis)]

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        later = from_the_end(conjugate(inputs[0]), output_gradients[0], self.axis)
        before = conjugate(shifted(outputs[0], 0, self.axis))
        return [mul(later, before), later]


def from_the_end(a: Variable, gradient: Variable, axis: int) -> Variable:
    """r[i] = gradient[i] + a[i + 1] * r[i + 1], and r = gradient at the end."""
    factors = roll(flip(a, axis), 1, axis)
    return flip(LinearRecurrence(axis)(factors, flip(gradient, axis)), axis)


def shifted(x: Variable, first: float, axis: int) -> Variable:
    """x moved on by one along `axis`, with `first` at the beginning."""
    whole = (slice(None),) * axis
    start = full_like(getitem(x, (*whole, slice(None, 1))), first)
    return join(axis, start, getitem(x, (*whole, slice(None, -1))))


def products_of_others(x: Variable, axes: Sequence[int]) -> Variable:
    """For each element the product of the others over `axes`: of those before it and those
    after it.  To divide the product by the element would be infinite, zero or NaN where the
    product leaves the dtype's range, or the element is 0."""
    kept = [k for k in range(x.type.ndim) if k not in axes]
    order = [*kept, *axes]
    moved = dimshuffle(x, *order)
    axis = len(kept)
    found = mul(*_before_and_after(flatten(moved, axis + 1), axis))
    found = reshape(found, sizes_of(moved), ndim=x.type.ndim)
    return dimshuffle(found, *[order.index(k) for k in range(x.type.ndim)])


def derivative_of_others(x: Variable, gradient: Variable, axes: Sequence[int]) -> Any:
    """What the gradient of every element's product of the others (over `axes`) makes for x:
    of element j the sum over i of gradient[i] * prod of all but i and j.

    With what comes before an element b and after it a, that is
        a[j] * sum over i < j of gradient[i] * b[i] * prod of those between, and
        b[j] * sum over i > j of gradient[i] * a[i] * prod of those between.
    """
    kept = [k for k in range(x.type.ndim) if k not in axes]
    order = [*kept, *axes]
    moved = dimshuffle(conjugate(x), *order)
    factors = flatten(moved, len(kept) + 1)
    given = flatten(dimshuffle(gradient, *order), len(kept) + 1)
    axis = len(kept)
    earlier = _by_those_before(factors, given, axis)
    later = flip(_by_those_before(flip(factors, axis), flip(given, axis), axis), axis)
    total = reshape(add(earlier, later), sizes_of(moved), ndim=x.type.ndim)
    return dimshuffle(total, *[order.index(k) for k in range(x.type.ndim)])


def _before_and_after(x: Variable, axis: int) -> tuple[Variable, Variable]:
    """For each element the product of those before it, and of those after it."""
    before = shifted(Cumulative(axis, "mul")(x), 1, axis)
    after = flip(shifted(Cumulative(axis, "mul")(flip(x, axis)), 1, axis), axis)
    return before, after


def _by_those_before(x: Variable, gradient: Variable, axis: int) -> Variable:
    before, after = _before_and_after(x, axis)
    sums = LinearRecurrence(axis)(x, mul(gradient, before))
    return mul(after, shifted(sums, 0, axis))


def _cumulate(x: Any, axis: int | None, mode: str) -> Variable:
    variable = as_tensor(x)
    kind = np.dtype(variable.type.dtype).kind
    if kind in "biu":
        variable = cast(variable, "uint64" if kind == "u" else "int64")
    if axis is None:
        variable, axis = flatten(variable), 0
    axis = normalize_axis(axis, variable.type.ndim, "cumsum")
    return Cumulative(axis, mode)(variable)


@method("cumsum")
def cumsum(x: Any, axis: int | None = None) -> Variable:
    """Sums up to each position along `axis` (None: of the flattened x).

    Dtypes: those of x; smaller integers and booleans are summed as int64 or uint64.

    >>> T.cumsum([1, 2, 3]).eval()
    array([1, 3, 6])
    """
    return _cumulate(x, axis, "add")


@method("cumprod")
def cumprod(x: Any, axis: int | None = None) -> Variable:
    """Products up to each position along `axis` (None: of the flattened x).

    Dtypes: as `cumsum`.  The gradient is right beside elements that are 0.

    >>> T.cumprod([1, 2, 3]).eval()
    array([1, 2, 6])
    """
    return _cumulate(x, axis, "mul")
