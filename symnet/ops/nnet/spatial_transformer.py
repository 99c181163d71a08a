"""Images seen through an affine transformation: a grid of points, and what lies there.

Source: Jaderberg, Simonyan, Zisserman & Kavukcuoglu 2015, equations 1 and 5.
"""

from __future__ import annotations

from typing import Any

from symnet.errors import message
from symnet.graph.variables import Variable, operand_text
from symnet.ops.arithmetic import (
    add,
    clip,
    maximum,
    minimum,
    mod,
    mul,
    sub,
    switch,
    true_div,
)
from symnet.ops.base import as_tensor
from symnet.ops.creation import arange
from symnet.ops.elementwise import cast
from symnet.ops.indexing import getitem
from symnet.ops.reshape import reshape
from symnet.ops.shape import dimshuffle
from symnet.ops.sizes import shape_i, size_scalar
from symnet.ops.whole_numbers import ceil, floor

__all__ = ["affine_grid", "bilinear_sample", "spatial_transform"]

BORDERS = ("nearest", "mirror", "wrap", "zeros")


def affine_grid(theta: Any, height: Any, width: Any) -> Variable:
    """The points of the input at which an affine transformation looks.

    Shapes: theta (n, 2, 3) or (n, 6) -> (n, 2, height, width): x and y of each point of the
        output.  Both images go from -1 to 1 along each axis; x runs along the columns.
    Dtypes: that of theta, a float.
    Raises: TypeError for another rank, or integers.

    Example: the identity.
        grid = affine_grid([[[1., 0, 0], [0, 1, 0]]], 28, 28)
    """
    theta = as_tensor(theta)
    if theta.type.ndim not in (2, 3) or not theta.type.dtype.startswith("float"):
        raise TypeError(
            message(
                "theta is an array of floats (n, 2, 3) or (n, 6)",
                operands=[operand_text(theta)],
            )
        )
    theta = reshape(theta, [shape_i(theta, 0), 2, 3], ndim=3)
    x, y = (
        _from_minus_one(size_scalar(n, "a size of a grid"), theta.type.dtype)
        for n in (width, height)
    )
    along, across, shift = (
        dimshuffle(getitem(theta, (slice(None), slice(None), k)), 0, 1, "x", "x")
        for k in range(3)
    )
    x, y = dimshuffle(x, "x", "x", "x", 0), dimshuffle(y, "x", "x", 0, "x")
    result: Variable = add(add(mul(along, x), mul(across, y)), shift)
    return result


def _from_minus_one(count: Variable, dtype: str) -> Variable:
    """So many numbers from -1 to 1; one alone is -1."""
    step = true_div(cast(2, dtype), cast(maximum(sub(count, 1), 1), dtype))
    return sub(mul(cast(arange(count), dtype), step), 1)


def bilinear_sample(input: Any, grid: Any, border_mode: str = "nearest") -> Variable:
    """The input at points between its elements, interpolated along both axes.

    Shapes: input (n, channels, rows, columns), grid (n, 2, height, width), as
        `affine_grid` gives it -> (n, channels, height, width).
    Dtypes: input and grid of one float dtype, kept.
    border_mode: what is beyond the border: "nearest", the element there; "mirror", the
        image mirrored; "wrap", the image again; "zeros".
    Raises: ValueError for another mode; TypeError for other ranks or dtypes.
    """
    image, points = as_tensor(input), as_tensor(grid)
    if border_mode not in BORDERS:
        raise ValueError(
            f"border_mode is one of {', '.join(BORDERS)}, not {border_mode!r}"
        )
    dtype = image.type.dtype
    if (
        (image.type.ndim, points.type.ndim) != (4, 4)
        or dtype != points.type.dtype
        or not dtype.startswith("float")
    ):
        raise TypeError(
            message(
                "an image and a grid are arrays of rank 4 of the same float dtype",
                operands=[operand_text(image), operand_text(points)],
            )
        )
    row = dimshuffle(arange(shape_i(image, 0)), 0, "x", "x")
    result: Any = None
    ys, xs = (_neighbours(image, points, k, border_mode) for k in (0, 1))
    for y, share_y, inside_y in ys:
        for x, share_x, inside_x in xs:
            found = getitem(image, (row, slice(None), y, x))  # (n, height, width, c)
            share = mul(share_y, share_x)
            if border_mode == "zeros":
                share = switch(inside_y & inside_x, share, 0)
            term = mul(dimshuffle(found, 0, 3, 1, 2), dimshuffle(share, 0, "x", 1, 2))
            result = term if result is None else add(result, term)
    return cast(result, dtype)


def _neighbours(
    image: Variable, points: Variable, axis: int, border_mode: str
) -> list[tuple[Variable, Variable, Any]]:
    """Of the elements before and behind each point along an axis of the image (0: rows):
    position, share, and whether it is inside."""
    n = shape_i(image, 2 + axis)
    dtype = points.type.dtype
    last = cast(sub(n, 1), dtype)
    place = getitem(points, (slice(None), 1 - axis))
    place = mul(true_div(add(place, 1), 2), last)
    first = floor(place)
    found = []
    for k in (0, 1):
        corner = add(first, k)
        share = sub(add(first, 1), place) if k == 0 else sub(place, first)
        own, whole = corner, cast(n, dtype)
        if border_mode == "wrap":
            own = mod(corner, whole)
        if border_mode == "mirror":
            period = maximum(mul(last, 2), 1)
            own = minimum(mod(corner, period), mod(mul(corner, -1), period))
        inside: Any = add(corner, 0) >= 0
        # Also what is no number has a place, so that nothing outside is read.
        position = clip(cast(clip(own, 0, last), "int64"), 0, sub(n, 1))
        found.append((position, share, inside & (corner <= last)))
    return found


def spatial_transform(
    img: Any,
    theta: Any,
    scale_width: float = 1,
    scale_height: float = 1,
    border_mode: str = "nearest",
) -> Variable:
    """Images seen through affine transformations, as Theano's `dnn_spatialtf`.

    Shapes: img (n, channels, rows, columns), theta (n, 2, 3) or (n, 6) -> (n, channels,
        rows * scale_height, columns * scale_width), rounded up.
    Raises: see `affine_grid` and `bilinear_sample`.
    """
    image = as_tensor(img)
    if image.type.ndim != 4:
        raise TypeError(
            message("images are an array of rank 4", operands=[operand_text(image)])
        )
    height, width = (
        cast(ceil(mul(shape_i(image, 2 + k), scale)), "int64")
        for k, scale in enumerate((scale_height, scale_width))
    )
    theta = cast(as_tensor(theta), image.type.dtype)
    return bilinear_sample(image, affine_grid(theta, height, width), border_mode)
