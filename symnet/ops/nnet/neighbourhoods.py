"""Patches of images as the rows of a matrix, and images put together from them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symnet.errors import message
from symnet.graph.op import Gradients, Vars
from symnet.graph.types import INTEGERS, TensorType
from symnet.graph.variables import (
    Apply,
    Constant,
    Variable,
    make_variable,
    operand_text,
)
from symnet.kernels.loopir import views
from symnet.kernels.loopir.views import Size
from symnet.ops.alloc import zeros
from symnet.ops.base import as_tensor, constant, disconnected
from symnet.ops.composed import Composed
from symnet.ops.indexing import getitem, inc_subtensor, set_subtensor
from symnet.ops.joining import concatenate
from symnet.ops.lowerings import Shapes, Sizes
from symnet.ops.nnet.pool_axes import Number, number
from symnet.ops.nnet.pooling import padded
from symnet.ops.nnet.windows import AddWindows, SlidingWindows
from symnet.ops.reshape import reshape
from symnet.ops.shape import dimshuffle
from symnet.ops.sizes import shape_i, size_scalar, size_vector, vector_elements

__all__ = ["Images2Neibs", "images2neibs", "neibs2images"]

MODES = ("valid", "half", "full", "ignore_borders", "wrap_centered")


class Neighbourhoods(Composed):
    """neighbourhoods(x, rows, columns, row step, column step): see `images2neibs`.

    Raises: TypeError (when run) for images that do not fit the patches.
    """

    __props__ = ("mode",)

    def __init__(self, mode: str = "valid") -> None:
        if mode not in MODES:
            raise NotImplementedError(
                f"no mode {mode!r} of images2neibs: there are {', '.join(MODES)}"
            )
        self.mode = mode

    def make_node(self, x: Any, *numbers: Any) -> Apply:
        x = as_tensor(x)
        if x.type.ndim != 4:
            raise TypeError(
                message(
                    "patches are taken of an array of rank 4",
                    operation=self,
                    operands=[operand_text(x)],
                )
            )
        scalars = [size_scalar(n, "a size of patches") for n in numbers]
        known = [int(n.data) for n in scalars if isinstance(n, Constant)]
        if any(n < 1 for n in known):
            raise ValueError(f"patches have sizes and steps of 1 at least, not {known}")
        sides = [number(n) for n in scalars[:2]]
        whole = all(isinstance(n, int) for n in sides)
        shape = (None, sides[0] * sides[1] if whole else None)
        return Apply(
            self, [x, *scalars], [make_variable(TensorType(x.type.dtype, shape))]
        )

    def border(self, side: Any) -> Any:
        """What is added at both ends of an axis, for patches of that side."""
        return {"half": side // 2, "full": side - 1, "wrap_centered": side // 2}.get(
            self.mode, 0
        )

    def infer_sizes(self, node: Apply, inputs: Shapes, sizes: Sizes) -> Shapes:
        numbers = [sizes.value(v) for v in node.inputs[1:]]
        counts = [
            self._count(n, side, step, sizes)
            for n, side, step in zip(
                inputs[0][2:], numbers[:2], numbers[2:], strict=True
            )
        ]
        rows = views.product([*inputs[0][:2], *counts])
        return [(rows, views.product(numbers[:2]))]

    def _count(self, n: Size, side: Size, step: Size, sizes: Sizes) -> Size:
        """How many patches fit along an axis; demands what the mode does."""
        for one in (side, step):
            large = views.combine("ge", one, views.ONE)
            sizes.require(large, "a patch has a size or step below 1")
        two, what = views.size(2), "images do not fit the patches"
        if self.mode == "wrap_centered":
            odd = views.combine("eq", views.combine("mod", side, two), views.ONE)
            sizes.require(odd, "patches that wrap around have odd sizes", TypeError)
            sizes.require(views.combine("ge", n, side), what, TypeError)
            return views.floor_divide(
                views.subtract(views.add(n, step), views.ONE), step
            )
        border = {
            "half": views.floor_divide(side, two),
            "full": views.subtract(side, views.ONE),
        }.get(self.mode, views.ZERO)
        rest = views.subtract(views.add(n, views.multiply(two, border)), side)
        if self.mode != "ignore_borders":
            sizes.require(views.combine("ge", n, side), what, TypeError)
            even = views.combine("eq", views.combine("mod", rest, step), views.ZERO)
            sizes.require(even, what, TypeError)
        whole = views.maximum(views.add(rest, step), views.ZERO)
        return views.floor_divide(whole, step)

    # ---- the value

    def expand(self, *inputs: Variable) -> Variable:
        x, *numbers = inputs
        sides, steps, counts = self.numbers(x, numbers)
        shown = SlidingWindows(2)(self.extended(x, sides), *sides, *steps, *counts)
        return reshape(shown, self._matrix(x, sides, counts), ndim=2)

    def numbers(
        self, x: Variable, numbers: Sequence[Variable]
    ) -> tuple[list[Number], list[Number], list[Number]]:
        """Sides, steps and counts along both axes."""
        own = [number(v) for v in numbers]
        sides, steps, counts = own[:2], own[2:], []
        for k, (side, step) in enumerate(zip(sides, steps, strict=True)):
            n = number(shape_i(x, 2 + k))
            if self.mode == "wrap_centered":
                counts.append((n + step - 1) // step)
            else:
                rest = n + 2 * self.border(side) - side + step
                rest = max(rest, 0) if isinstance(rest, int) else rest
                counts.append(rest // step)
        return sides, steps, counts

    def _matrix(
        self, x: Variable, sides: Sequence[Number], counts: Sequence[Number]
    ) -> list[Number]:
        rows = shape_i(x, 0) * shape_i(x, 1) * counts[0] * counts[1]
        return [rows, sides[0] * sides[1]]

    def extended(self, x: Variable, sides: Sequence[Number]) -> Variable:
        """The images with their borders."""
        low = [self.border(side) for side in sides]
        if self.mode == "wrap_centered":
            for axis, half in zip((2, 3), low, strict=True):
                n = number(shape_i(x, axis))
                x = concatenate(
                    [_part(x, axis, n - half, n), x, _part(x, axis, 0, half)], axis
                )
            return x
        if low == [0, 0]:
            return x
        ends = [number(shape_i(x, 2 + k)) + 2 * low[k] for k in (0, 1)]
        return padded(x, low, ends, constant(np.array(0, x.type.dtype)))

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        x, *numbers = arrays
        sides, steps = [int(n) for n in numbers[:2]], [int(n) for n in numbers[2:]]
        if min(*sides, *steps) < 1:
            raise ValueError("a patch has a size or step below 1")
        places = [
            self._places(n, side, step)
            for n, side, step in zip(x.shape[2:], sides, steps, strict=True)
        ]
        low = [
            0 if self.mode == "wrap_centered" else self.border(side) for side in sides
        ]
        image = xp.pad(x, [(0, 0), (0, 0), *[(b, b) for b in low]])
        rows = image[:, :, places[0]][
            ..., places[1]
        ]  # n, c, counts, side, counts, side
        found = rows.transpose(0, 1, 2, 4, 3, 5)
        return [found.reshape(-1, sides[0] * sides[1])]

    def _places(self, n: int, side: int, step: int) -> Any:
        """Where the elements of each patch lie along an axis: (patches, side)."""
        if self.mode == "wrap_centered":
            if side % 2 == 0 or n < side:
                raise TypeError(f"patches of {side} do not wrap around {n} elements")
            starts = np.arange(0, n, step) - side // 2
            return (starts[:, None] + np.arange(side)) % n
        rest = n + 2 * self.border(side) - side
        if self.mode != "ignore_borders" and (n < side or rest % step):
            raise TypeError(f"patches of {side}, {step} apart, do not fit {n} elements")
        starts = np.arange(max(rest // step + 1, 0)) * step
        return starts[:, None] + np.arange(side)

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[True], *[[False]] * 4]

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        x, *numbers = inputs
        return [
            self.put_back(x, numbers, output_gradients[0]),
            *[disconnected() for _ in numbers],
        ]

    def put_back(
        self, x: Variable, numbers: Sequence[Variable], g: Variable
    ) -> Variable:
        """The rows of g added up where their patches lie in x."""
        sides, steps, counts = self.numbers(x, numbers)
        shape = [number(shape_i(x, k)) for k in range(4)]
        plain = self.mode in ("valid", "ignore_borders")
        if plain and all(a is b for a, b in zip(numbers[:2], numbers[2:], strict=True)):
            return put_together(g, sides, shape)
        values = reshape(g, [*shape[:2], *counts, *sides], ndim=6)
        low = [self.border(side) for side in sides]
        ends = [n + 2 * b for n, b in zip(shape[2:], low, strict=True)]
        image = AddWindows(2)(zeros([*shape[:2], *ends], g.type.dtype), values, *steps)
        for axis, b in zip((2, 3), low, strict=True):
            n, whole = shape[axis], image
            image = _part(whole, axis, b, b + n)
            if self.mode == "wrap_centered":
                last, first = _part(image, axis, n - b, n), _part(whole, axis, 0, b)
                image = inc_subtensor(last, first)
                first = _part(image, axis, 0, b)
                image = inc_subtensor(first, _part(whole, axis, b + n, n + 2 * b))
        return image


def _part(x: Variable, axis: int, start: Number, stop: Number) -> Variable:
    return getitem(x, (*[slice(None)] * axis, slice(start, stop)))


def put_together(
    neibs: Variable, sides: Sequence[Number], shape: Sequence[Number]
) -> Variable:
    """Images of `shape` from patches that do not overlap; zeros beyond the last ones."""
    counts = [n // side for n, side in zip(shape[2:], sides, strict=True)]
    parts = reshape(neibs, [*shape[:2], *counts, *sides], ndim=6)
    covered = [c * side for c, side in zip(counts, sides, strict=True)]
    rows = dimshuffle(parts, 0, 1, 2, 4, 3, 5)
    images = reshape(rows, [*shape[:2], *covered], ndim=4)
    if all(
        isinstance(c, int) and c == n for c, n in zip(covered, shape[2:], strict=True)
    ):
        return images
    base = zeros(list(shape), neibs.type.dtype)
    corner = (slice(None), slice(None), *(slice(0, c) for c in covered))
    return set_subtensor(getitem(base, corner), images)


def images2neibs(
    ten4: Any, neib_shape: Any, neib_step: Any = None, mode: str = "valid"
) -> Variable:
    """The patches of images, one a row.

    Shapes: ten4 (n, c, rows, columns), patches of (r, k) -> (patches of all images, r * k),
        image by image, each from left to right and then downwards.
    neib_shape, neib_step: two ints, or an integer vector; without a step patches are disjoint.
    mode: "valid", the images must fit; "half" and "full", so with r // 2 or r - 1 zeros added
        at each end; "ignore_borders", what does not fit is left out; "wrap_centered", a patch
        around every step-th element, beyond an end goes on at the other.
    Raises: NotImplementedError for another mode; TypeError for a rank other than 4, and when
        run for images that do not fit.

    Example: the four quarters of an image of 10 x 10 as a matrix of 4 x 25.
        images2neibs(x, (5, 5))
    """
    return Images2Neibs(mode)(ten4, neib_shape, neib_step)


class Images2Neibs:
    """Theano's operation as a function: see `images2neibs`."""

    def __init__(self, mode: str = "valid") -> None:
        self.op = Neighbourhoods(mode)
        self.mode = mode

    def __call__(self, ten4: Any, neib_shape: Any, neib_step: Any = None) -> Variable:
        sides = pair(neib_shape, "neib_shape")
        steps = sides if neib_step is None else pair(neib_step, "neib_step")
        result: Variable = self.op(ten4, *sides, *steps)
        return result


def neibs2images(
    neibs: Any, neib_shape: Any, original_shape: Any, mode: str = "valid"
) -> Variable:
    """Images put together from disjoint patches: undoes `images2neibs(x, neib_shape)`.

    Shapes: neibs (patches, r * k) -> original_shape, four integers.
    mode: "valid", or "ignore_borders": zeros where no patch is.
    Raises: NotImplementedError for another mode; ShapeError where sizes do not fit.
    """
    if mode not in ("valid", "ignore_borders"):
        raise NotImplementedError(
            f"images are put together from patches of mode 'valid' or 'ignore_borders', "
            f"not {mode!r}"
        )
    x = as_tensor(neibs)
    sides = [number(v) for v in pair(neib_shape, "neib_shape")]
    vector = size_vector(original_shape)
    found = vector_elements(vector) or [getitem(vector, k) for k in range(4)]
    shape = [number(v) for v in found]
    if mode == "valid":
        counts = [n // side for n, side in zip(shape[2:], sides, strict=True)]
        parts = reshape(x, [*shape[:2], *counts, *sides], ndim=6)
        return reshape(dimshuffle(parts, 0, 1, 2, 4, 3, 5), shape, ndim=4)
    return put_together(x, sides, shape)


def pair(value: Any, what: str) -> list[Variable]:
    """Two integers as scalars.  Raises: TypeError for what is no integer; ValueError."""
    if isinstance(value, (tuple, list)):
        elements: Sequence[Any] = value
    else:
        vector = as_tensor(value)
        if vector.type.ndim != 1 or vector.type.dtype not in INTEGERS:
            raise TypeError(
                message(
                    f"{what} is a tuple of two ints or an integer vector",
                    operands=[operand_text(vector)],
                )
            )
        elements = vector_elements(vector) or [getitem(vector, k) for k in range(2)]
    if len(elements) != 2:
        raise ValueError(f"{what} has two numbers, not {value}")
    return [size_scalar(one, what) for one in elements]
