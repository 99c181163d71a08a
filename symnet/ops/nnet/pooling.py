"""Pooling: the maximum, the sum or the average of every window of an image.

Along each of the last `ndim` axes a window of `w` elements begins every `s` elements of the
image with `p` elements of padding on both sides.  With `ignore_border` windows that do not
fit are left out; else they count with the elements that they have.  Padding is never a
maximum and adds nothing to a sum; whether an average counts it, its mode says.

The gradient of a maximum goes to every element of its window that equals it, as in Theano.
It is made for all elements of the image at once: the element r of block a of s elements is
in the windows a, a - 1, ..., as far as a window reaches.  So threads share the image.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np

from symnet.errors import message
from symnet.graph.op import Gradients, Vars
from symnet.graph.types import COMPLEX, FLOATS, TensorType
from symnet.graph.variables import Apply, Variable, make_variable, operand_text
from symnet.kernels.loopir import views
from symnet.ops.alloc import alloc, zeros_like
from symnet.ops.arithmetic import add, maximum, switch, true_div
from symnet.ops.base import as_tensor, constant, disconnected
from symnet.ops.comparison import eq
from symnet.ops.composed import Composed
from symnet.ops.elementwise import cast
from symnet.ops.indexing import getitem, set_subtensor
from symnet.ops.lowerings import Shapes, Sizes
from symnet.ops.nnet.pool_axes import Axis, Number, larger, number
from symnet.ops.nnet.windows import AddWindows, SlidingWindows, in_groups
from symnet.ops.reduce import default_dtype
from symnet.ops.reduce import max as max_over
from symnet.ops.reduce import sum as sum_over
from symnet.ops.reshape import reshape
from symnet.ops.shape import dimshuffle
from symnet.ops.sizes import shape_i, size_scalar

MODES = ("max", "sum", "average_inc_pad", "average_exc_pad")

# Windows of so many elements are written out element by element.
SMALL_WINDOW = 16

WITH_BORDER = "padding works only with ignore_border=True"


class Pooling(Composed):
    """pooling(x, *windows, *strides, *paddings, *counts), with a number of each for each of
    the last `ndim` axes.

    Shapes: x (..., n1, n2) -> (..., counts1, counts2).
    Dtypes: those of real numbers, kept; averages of integers are truncated.
    mode: one of MODES.
    Raises: ValueError for a window or stride below 1, and for padding as wide as the window.
    """

    __props__ = ("mode", "ignore_border", "ndim")

    def __init__(self, mode: str, ignore_border: bool, ndim: int) -> None:
        if mode not in MODES:
            raise ValueError(f"no pooling {mode!r}: there are {', '.join(MODES)}")
        self.mode, self.ignore_border, self.ndim = mode, bool(ignore_border), int(ndim)

    def make_node(self, x: Any, *numbers: Any) -> Apply:
        x = as_tensor(x)
        if x.type.dtype in COMPLEX or x.type.dtype == "bool":
            raise TypeError(
                message(
                    f"pooling takes integers and floats, not {x.type.dtype}",
                    operation=self,
                    operands=[operand_text(x)],
                )
            )
        scalars = [size_scalar(n, "a size of pooling") for n in numbers]
        counts = [number(n) for n in scalars[3 * self.ndim :]]
        known = [n if isinstance(n, int) else None for n in counts]
        shape = (*x.type.shape[: x.type.ndim - self.ndim], *known)
        return Apply(
            self, [x, *scalars], [make_variable(TensorType(x.type.dtype, shape))]
        )

    def infer_sizes(self, node: Apply, inputs: Shapes, sizes: Sizes) -> Shapes:
        numbers = [sizes.value(v) for v in node.inputs[1:]]
        window, strides, padding, counts = in_groups(numbers, self.ndim)
        for w, s, p in zip(window, strides, padding, strict=True):
            for one, what in ((w, "window"), (s, "stride")):
                large = views.combine("ge", one, views.ONE)
                sizes.require(large, f"a {what} of pooling is below 1")
            sizes.require(
                views.combine("ge", p, views.ZERO), "a padding of pooling is negative"
            )
            sizes.require(
                views.combine("lt", p, w),
                "a padding of pooling is not smaller than its window",
            )
            if not self.ignore_border:
                none = views.combine("eq", p, views.ZERO)
                sizes.require(none, WITH_BORDER, NotImplementedError)
        return [(*inputs[0][: len(inputs[0]) - self.ndim], *counts)]

    def axes(self, x: Variable, numbers: Sequence[Variable]) -> list[Axis]:
        lead = x.type.ndim - self.ndim
        groups = in_groups([number(v) for v in numbers], self.ndim)
        sizes = [number(shape_i(x, lead + k)) for k in range(self.ndim)]
        rows = zip(sizes, *groups, strict=True)
        return [Axis(n, w, s, p, o, self.ignore_border) for n, w, s, p, o in rows]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[True], *[[False]] * (4 * self.ndim)]

    # ---- the value

    def expand(self, *inputs: Variable) -> Variable:
        x, *numbers = inputs
        axes = self.axes(x, numbers)
        shown = windows_of(self.extended(x, axes), axes)
        if self.mode == "max":
            return greatest(shown, axes)
        return cast(self.divided(total(shown, axes), axes), x.type.dtype)

    def extended(self, x: Variable, axes: Sequence[Axis]) -> Variable:
        """The image with what stands for padding, and for what windows lack."""
        if all(axis.inside for axis in axes):
            return x
        ends = [larger(axis.p + axis.n, axis.end) for axis in axes]
        return padded(x, [a.p for a in axes], ends, self.neutral(x.type.dtype))

    def neutral(self, dtype: str) -> Variable:
        value: Any = 0
        if self.mode == "max":
            value = -np.inf if dtype in FLOATS else np.iinfo(dtype).min
        return constant(np.array(value, dtype))

    def divided(self, sums: Variable, axes: Sequence[Axis]) -> Variable:
        """Sums over windows, for averages divided by the numbers of elements."""
        if self.mode == "sum":
            return sums
        found: Any = 1
        for k, axis in enumerate(axes):
            own = axis.elements(padding=self.mode == "average_inc_pad")
            if not isinstance(own, int) and own.type.ndim:
                own = dimshuffle(own, *[0 if j == k else "x" for j in range(self.ndim)])
            found = found * own
        kind = sums.type.dtype if sums.type.dtype in FLOATS else "float64"
        return true_div(sums, cast(found, kind))

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        x, *numbers = arrays
        groups = in_groups([int(n) for n in numbers], self.ndim)
        for w, s, p in zip(*groups[:3], strict=True):
            if w < 1 or s < 1 or not 0 <= p < w:
                raise ValueError(f"pooling: window {w}, stride {s}, padding {p}")
        if any(groups[2]) and not self.ignore_border:
            raise NotImplementedError(WITH_BORDER)
        return [pooled(self.mode, x, *groups)]

    # ---- the gradient

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        x, *numbers = inputs
        own = None
        if x.type.dtype in FLOATS:
            own = self.spread(x, outputs[0], output_gradients[0], numbers)
        return [own, *[disconnected() for _ in numbers]]

    def spread(
        self, x: Variable, z: Variable, g: Variable, numbers: Sequence[Variable]
    ) -> Variable:
        """g, of the windows, given to the elements of x that have a share in z."""
        axes = self.axes(x, numbers)
        if self.mode != "max":
            g = cast(self.divided(g, axes), x.type.dtype)
        if all(isinstance(a.w, int) and isinstance(a.s, int) for a in axes):
            return Blocks(self, axes).spread(x, z, g)
        image = self.extended(x, axes)
        shown = windows_of(image, axes)
        shares = alloc(beside(g, self.ndim), *_sizes(shown))
        if self.mode == "max":
            shares = switch(eq(shown, beside(z, self.ndim)), shares, 0)
        strides = [axis.s for axis in axes]
        added = AddWindows(self.ndim)(zeros_like(image), shares, *strides)
        return cropped(added, axes)

    def picked(
        self, x: Variable, z: Variable, v: Variable, numbers: Sequence[Variable]
    ) -> Variable:
        """For each window the sum of v where x equals its maximum z."""
        axes = self.axes(x, numbers)
        shown = windows_of(self.extended(x, axes), axes)
        other = Pooling("sum", self.ignore_border, self.ndim).extended(v, axes)
        equal = eq(shown, beside(z, self.ndim))
        sums = total(switch(equal, windows_of(other, axes), 0), axes)
        return cast(sums, v.type.dtype)


class Blocks:
    """The image cut into blocks of as many elements as the strides have, each of which is
    in the same windows but for where these end."""

    def __init__(self, pooling: Pooling, axes: Sequence[Axis]) -> None:
        self.pooling, self.axes = pooling, axes
        # Blocks that cover the image, one at least for each window, and how many windows
        # reach into one.
        self.counts = [
            (axis.n + axis.s - 1) // axis.s
            if isinstance(axis.p, int) and axis.p == 0
            else larger((axis.n + axis.p + axis.s - 1) // axis.s, axis.o)
            for axis in axes
        ]
        self.reach = [-(-axis.w // axis.s) for axis in axes]

    def spread(self, x: Variable, z: Variable, g: Variable) -> Variable:
        """See `Pooling.spread`."""
        compares = self.pooling.mode == "max"
        own = self.elements(x) if compares else None
        shares, sums = self.windows(g), self.windows(z) if compares else None
        wide = "float32" if g.type.dtype == "float16" else g.type.dtype
        terms = []
        for back in itertools.product(*map(range, self.reach)):
            term = cast(self.at(shares, back), wide)
            holds = self.mask(back)
            if own is not None and sums is not None:
                equal = eq(own, self.at(sums, back))
                holds = equal if holds is None else equal & holds
            terms.append(term if holds is None else switch(holds, term, 0))
        sizes = self.sizes(x)
        value = cast(alloc(reduce(add, terms), *sizes), x.type.dtype)
        lead = x.type.ndim - len(self.axes)
        flat = [c * a.s for c, a in zip(self.counts, self.axes, strict=True)]
        image = reshape(value, [*sizes[:lead], *flat], ndim=x.type.ndim)
        whole = all(
            isinstance(f, int) and f == a.n and a.p == 0
            for f, a in zip(flat, self.axes, strict=True)
        )
        return image if whole else cropped(image, self.axes)

    def sizes(self, x: Variable) -> list[Number]:
        """Of the image in blocks: (..., blocks1, s1, blocks2, s2)."""
        lead = x.type.ndim - len(self.axes)
        inner = zip(self.counts, (a.s for a in self.axes), strict=True)
        return [*_sizes(x)[:lead], *itertools.chain(*inner)]

    def elements(self, x: Variable) -> Variable:
        """The image in blocks."""
        ends = [c * a.s for c, a in zip(self.counts, self.axes, strict=True)]
        pads = [axis.p for axis in self.axes]
        exact = all(
            isinstance(e, int) and e == a.n and a.p == 0
            for e, a in zip(ends, self.axes, strict=True)
        )
        if not exact:
            x = padded(x, pads, ends, self.pooling.neutral(x.type.dtype))
        steps = [axis.s for axis in self.axes]
        return self.interleaved(
            SlidingWindows(len(steps))(x, *steps, *steps, *self.counts), len(steps)
        )

    def interleaved(self, x: Variable, ndim: int) -> Variable:
        """(..., blocks1, blocks2, s1, s2) as (..., blocks1, s1, blocks2, s2)."""
        lead = x.type.ndim - 2 * ndim
        pairs = [(lead + k, lead + ndim + k) for k in range(ndim)]
        return dimshuffle(x, *range(lead), *itertools.chain(*pairs))

    def windows(self, z: Variable) -> Variable:
        """What is of windows, for each block that of the windows that reach into it."""
        ndim = len(self.axes)
        low = [reach - 1 for reach in self.reach]
        ends = [c + b for c, b in zip(self.counts, low, strict=True)]
        pairs = zip(ends, self.axes, strict=True)
        known = [isinstance(e, int) and e == a.o for e, a in pairs]
        if any(low) or not all(known):
            z = padded(z, low, ends, constant(np.array(0, z.type.dtype)))
        return SlidingWindows(ndim)(z, *self.reach, *[1] * ndim, *self.counts)

    def at(self, shown: Variable, back: Sequence[int]) -> Variable:
        """What is of the windows that begin so many blocks before."""
        tap = [r - 1 - k for r, k in zip(self.reach, back, strict=True)]
        ndim = len(tap)
        one = _taken(shown, tap)
        lead = one.type.ndim - ndim
        pairs = [(lead + k, "x") for k in range(ndim)]
        return dimshuffle(one, *range(lead), *itertools.chain(*pairs))

    def mask(self, back: Sequence[int]) -> Variable | None:
        """Which elements of a block such windows reach; None where they reach all."""
        found: Variable | None = None
        for k, (blocks, axis) in enumerate(zip(back, self.axes, strict=True)):
            if (blocks + 1) * axis.s > axis.w:
                inside = blocks * axis.s + np.arange(axis.s) < axis.w
                behind = 2 * (len(self.axes) - 1 - k)
                own = constant(inside.reshape(-1, *[1] * behind))
                found = own if found is None else found & own
        return found


# ---- windows of variables


def windows_of(x: Variable, axes: Sequence[Axis]) -> Variable:
    numbers = [[a.w for a in axes], [a.s for a in axes], [a.o for a in axes]]
    result: Variable = SlidingWindows(len(axes))(x, *itertools.chain(*numbers))
    return result


def _written_out(axes: Sequence[Axis]) -> list[tuple[int, ...]] | None:
    """The elements of a window, where they are few; else None."""
    sizes = [axis.w for axis in axes]
    small = all(isinstance(w, int) for w in sizes) and math.prod(sizes) <= SMALL_WINDOW
    return list(itertools.product(*map(range, sizes))) if small else None


def _taken(shown: Variable, at: Sequence[int]) -> Variable:
    """The element `at` of each window."""
    every = [slice(None)] * (shown.type.ndim - len(at))
    return getitem(shown, (*every, *at))


def greatest(shown: Variable, axes: Sequence[Axis]) -> Variable:
    """The maximum of each window."""
    taps = _written_out(axes)
    if taps is None:
        return max_over(shown, axis=list(range(-len(axes), 0)))
    result: Variable = reduce(maximum, [_taken(shown, at) for at in taps])
    return result


def total(shown: Variable, axes: Sequence[Axis]) -> Variable:
    """The sum of each window; that of float16 in float32, of integers in 64 bits."""
    dtype = shown.type.dtype
    wide = "float32" if dtype == "float16" else default_dtype(dtype)
    taps = _written_out(axes)
    if taps is None:
        return sum_over(shown, axis=list(range(-len(axes), 0)), dtype=wide)
    result: Variable = reduce(add, [cast(_taken(shown, at), wide) for at in taps])
    return result


def beside(z: Variable, ndim: int) -> Variable:
    """What is of windows, beside their elements."""
    return dimshuffle(z, *range(z.type.ndim), *["x"] * ndim)


def _sizes(x: Variable) -> list[Number]:
    return [number(shape_i(x, k)) for k in range(x.type.ndim)]


def padded(
    x: Variable, low: Sequence[Number], ends: Sequence[Number], value: Variable
) -> Variable:
    """x in a larger array of `value`: along the last axes of sizes `ends`, from `low` on."""
    have = _sizes(x)
    lead = len(have) - len(low)
    base = alloc(value, *have[:lead], *ends)
    places = [slice(b, b + n) for b, n in zip(low, have[lead:], strict=True)]
    return set_subtensor(getitem(base, (*[slice(None)] * lead, *places)), x)


def cropped(image: Variable, axes: Sequence[Axis]) -> Variable:
    """The image without its padding."""
    lead = image.type.ndim - len(axes)
    places = [slice(axis.p, axis.p + axis.n) for axis in axes]
    return getitem(image, (*[slice(None)] * lead, *places))


# ---- the reference


def pooled(
    mode: str,
    x: Any,
    window: Sequence[int],
    strides: Sequence[int],
    padding: Sequence[int],
    counts: Sequence[int],
) -> Any:
    """Pooling by NumPy, window by window."""
    lead = x.ndim - len(window)
    result = np.zeros((*x.shape[:lead], *counts), x.dtype)
    wide = np.float64 if x.dtype.kind == "f" else f"{x.dtype.kind}8"
    axes = tuple(range(lead, x.ndim))
    for at in np.ndindex(*counts):
        box, elements = [], 1
        for k, (q, w, s, p) in enumerate(
            zip(at, window, strides, padding, strict=True)
        ):
            n, first = x.shape[lead + k], q * s
            box.append(slice(max(first - p, 0), max(first - p + w, 0)))
            elements *= min(first + w, n + 2 * p) - first
        part = x[(..., *box)]
        if mode == "max":
            result[(..., *at)] = part.max(axis=axes)
            continue
        sums = part.sum(axis=axes, dtype=wide)
        if mode == "average_exc_pad":
            elements = math.prod(part.shape[lead:])
        if mode != "sum":
            sums = sums / elements
        result[(..., *at)] = sums
    return result
