"""Images made larger by bilinear interpolation.

Output element j of an axis, which grows by p / q, has the value at position
(j q - (p - 1) // 2) / p of the input: on the straight line between two elements, and
beyond the border that of the outermost.  For q = 1 it is Theano's transposed convolution
with a pyramid of p as filter.
"""

from __future__ import annotations

import math
from typing import Any

from symnet.config import config
from symnet.errors import message
from symnet.graph.types import COMPLEX
from symnet.graph.variables import Variable, operand_text
from symnet.ops.arithmetic import add, clip, int_div, mod, mul, sub, switch, true_div
from symnet.ops.base import as_tensor, to_float
from symnet.ops.comparison import eq, gt
from symnet.ops.creation import arange
from symnet.ops.elementwise import cast
from symnet.ops.indexing import getitem, take
from symnet.ops.joining import concatenate
from symnet.ops.nnet.filter_places import divided, whole_number
from symnet.ops.shape import dimshuffle
from symnet.ops.sizes import shape_i, size_scalar

__all__ = [
    "bilinear_kernel_1D", "bilinear_kernel_2D", "bilinear_upsampling",
    "frac_bilinear_upsampling",
]  # fmt: skip


def bilinear_kernel_1D(ratio: Any, normalize: bool = True) -> Variable:
    """1, 2, ..., ratio, ..., 2, 1, divided by ratio if `normalize`: a vector of floatX.

    ratio: an int or an integer scalar, at least 1.
    """
    number = size_scalar(ratio, "the ratio of an upsampling")
    half = arange(1, add(number, 1), dtype=config.floatX)
    kernel = concatenate([half, getitem(half, slice(-2, None, -1))])
    return true_div(kernel, cast(number, config.floatX)) if normalize else kernel


def bilinear_kernel_2D(ratio: Any, normalize: bool = True) -> Variable:
    """The outer product of two `bilinear_kernel_1D`: a matrix.

    ratio: an int or an integer scalar, or a pair of them: rows and columns.
    """
    rows, columns = ratio if isinstance(ratio, tuple) else (ratio, ratio)
    down = bilinear_kernel_1D(rows, normalize)
    right = bilinear_kernel_1D(columns, normalize)
    product: Variable = mul(dimshuffle(down, 0, "x"), dimshuffle(right, "x", 0))
    return product


def bilinear_upsampling(
    input: Any,
    ratio: Any = None,
    frac_ratio: Any = None,
    batch_size: Any = None,
    num_input_channels: Any = None,
    use_1D_kernel: bool = True,
) -> Variable:
    """Images made larger by bilinear interpolation.

    Shapes: input (n, c, h, w) -> (n, c, h ratio, w ratio).
    ratio: an int or an integer scalar.
    frac_ratio: (p, q), or a pair of these for rows and columns: sizes grow by p / q and are
        rounded up.
    batch_size, num_input_channels, use_1D_kernel: kept for programs that give them; nothing
        depends on them.
    Raises: ValueError unless one of ratio and frac_ratio is given; TypeError for another rank.

    Example: T.nnet.bilinear_upsampling([[[[0.0, 1.0]]]], ratio=2) is
    [[[[0, 0.5, 1, 1], [0, 0.5, 1, 1]]]].
    """
    if (ratio is None) == (frac_ratio is None):
        raise ValueError("bilinear_upsampling: give either ratio or frac_ratio")
    if ratio is None:
        return frac_bilinear_upsampling(input, frac_ratio)
    if isinstance(ratio, Variable):
        number = size_scalar(ratio, "the ratio of an upsampling")
    else:
        least = whole_number(ratio, 1, "the ratio of an upsampling")
        number = size_scalar(least, "the ratio of an upsampling")
    return _interpolated(input, [(number, 1), (number, 1)])


def frac_bilinear_upsampling(input: Any, frac_ratio: Any) -> Variable:
    """`bilinear_upsampling` with `frac_ratio`.

    Raises: ValueError for what is no pair of positive ints, or pair of such pairs.
    """
    if not isinstance(frac_ratio, tuple) or len(frac_ratio) != 2:
        raise ValueError(f"frac_ratio is a tuple (p, q), or two, not {frac_ratio!r}")
    both = frac_ratio if isinstance(frac_ratio[0], tuple) else (frac_ratio,) * 2
    ratios = []
    for pair in both:
        if not isinstance(pair, tuple) or len(pair) != 2:
            raise ValueError(
                f"frac_ratio is a tuple (p, q), or two, not {frac_ratio!r}"
            )
        p, q = (whole_number(n, 1, "frac_ratio") for n in pair)
        shared = math.gcd(p, q)
        ratios.append((size_scalar(p // shared, "a ratio"), q // shared))
    return _interpolated(input, ratios)


def _interpolated(input: Any, ratios: list[tuple[Variable, int]]) -> Variable:
    """The last two axes interpolated, one after the other."""
    x = as_tensor(input)
    if x.type.ndim != 4 or x.type.dtype in COMPLEX:
        raise TypeError(
            message(
                "an upsampling takes images (batch, channels, rows, columns) of real numbers",
                operands=[operand_text(x)],
            )
        )
    dtype = to_float(x.type.dtype)
    x = cast(x, "float32" if dtype == "float16" else dtype)
    for axis, (p, q) in zip((2, 3), ratios, strict=True):
        x = _along(x, axis, p, q)
    return cast(x, dtype)


def _along(x: Variable, axis: int, p: Variable, q: int) -> Variable:
    """One axis interpolated.  Positions are counted in p-ths of an element, as integers."""
    length = shape_i(x, axis)
    places = arange(divided(add(mul(length, p), q - 1), q))
    unclipped = sub(mul(places, q), int_div(sub(p, 1), 2))
    at = clip(unclipped, 0, mul(sub(length, 1), p))
    below, part = int_div(at, p), mod(at, p)
    above = add(
        below, cast(gt(part, 0), "int64")
    )  # the same where it lies on an element
    share = cast(true_div(part, p), x.type.dtype)
    pattern = ["x"] * axis + [0] + ["x"] * (3 - axis)
    weight = dimshuffle(share, *pattern)
    left, right = (take(x, at, axis=axis) for at in (below, above))
    mixed = add(mul(left, sub(1, weight)), mul(right, weight))
    # A whole position has its element, be it infinite.
    result: Variable = switch(eq(weight, 0), left, mixed)
    return result
