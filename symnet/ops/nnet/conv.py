"""Convolutions: the functions of `theano.tensor.nnet`, and their gradients by name.

Arguments that all of them have:
    input (batch, channels, *spatial), filters (filters, channels of one group, *taps), or of
        filters that are not shared (filters, *places, channels of one group, *taps).
    input_shape, filter_shape: sizes that are known beforehand, None for those that are not;
        a run checks them.
    border_mode: "valid" (no border), "full" (all places where filter and input meet), "half"
        (half the filter on all sides), a number of zeros on all sides, or a tuple with one
        of these, or a pair of numbers (before, after), for each axis.
    subsample: the stride along each axis.
    filter_flip: whether the filters are mirrored, as the mathematical convolution has it.
    filter_dilation: the distance of a filter's elements along each axis.
    num_groups: the channels are cut into so many groups, each with filters of its own.
    unshared: each place has filters of its own.

Floats of different dtypes are computed in their common one, float16 in float32; integers
wrap around and have no gradient.
Raises: TypeError for wrong ranks and dtypes; ValueError for borders, strides and groups that
do not exist and for a filter larger than the input with its border; ShapeError where
channels, groups or given sizes do not fit.  What cannot be known before is checked at a run.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from symnet.graph.variables import Variable
from symnet.ops.base import as_tensor
from symnet.ops.nnet.filter_places import demand_sizes
from symnet.ops.nnet.filter_use import FilterUse, filter_use

__all__ = [
    "abstract_conv2d", "causal_conv1d", "conv2d", "conv2d_grad_wrt_inputs",
    "conv2d_grad_wrt_weights", "conv2d_transpose", "conv3d", "conv3d_grad_wrt_inputs",
    "conv3d_grad_wrt_weights", "separable_conv2d", "separable_conv3d",
]  # fmt: skip

Steps = Any  # an int for each axis


def conv2d(
    input: Any,
    filters: Any,
    input_shape: Any = None,
    filter_shape: Any = None,
    border_mode: Any = "valid",
    subsample: Steps = (1, 1),
    filter_flip: bool = True,
    image_shape: Any = None,
    filter_dilation: Steps = (1, 1),
    num_groups: int = 1,
    unshared: bool = False,
) -> Variable:
    """The convolution of a batch of images with filters.

    Shapes: input (n, c, h, w), filters (o, c, kh, kw) -> (n, o, h', w'), where
    h' = (h + border - (kh - 1) dilation - 1) // stride + 1.
    image_shape: an old name of `input_shape`.

    Example:
        x, w = T.tensor4("x"), T.tensor4("w")
        y = T.nnet.conv2d(x, w, border_mode="half", filter_flip=False)

    >>> x, w = np.ones((1, 1, 4, 4)), np.ones((2, 1, 3, 3))
    >>> T.nnet.conv2d(x, w, border_mode="half").eval().shape
    (1, 2, 4, 4)
    """
    if image_shape is not None:
        if input_shape is not None:
            raise ValueError("conv2d: image_shape is an old name of input_shape")
        warnings.warn("conv2d: image_shape is now input_shape", stacklevel=2)
        input_shape = image_shape
    return abstract_conv2d(
        input, filters, input_shape, filter_shape, border_mode, subsample, filter_flip,
        filter_dilation, num_groups, unshared,
    )  # fmt: skip


def abstract_conv2d(
    input: Any,
    filters: Any,
    input_shape: Any = None,
    filter_shape: Any = None,
    border_mode: Any = "valid",
    subsample: Steps = (1, 1),
    filter_flip: bool = True,
    filter_dilation: Steps = (1, 1),
    num_groups: int = 1,
    unshared: bool = False,
) -> Variable:
    """`conv2d` with the arguments in the order of `theano.tensor.nnet.abstract_conv`.

    >>> x, w = np.ones((1, 1, 4, 4)), np.ones((2, 1, 3, 3))
    >>> T.nnet.abstract_conv2d(x, w).eval().shape
    (1, 2, 2, 2)
    """
    use = filter_use(
        2, input_shape, filter_shape, border_mode, subsample, filter_flip,
        filter_dilation, num_groups, unshared,
    )  # fmt: skip
    return use.convolve(input, filters)


def conv3d(
    input: Any,
    filters: Any,
    input_shape: Any = None,
    filter_shape: Any = None,
    border_mode: Any = "valid",
    subsample: Steps = (1, 1, 1),
    filter_flip: bool = True,
    filter_dilation: Steps = (1, 1, 1),
    num_groups: int = 1,
) -> Variable:
    """The convolution of a batch of volumes with filters.

    Shapes: input (n, c, d, h, w), filters (o, c, kd, kh, kw) -> (n, o, d', h', w').

    >>> x, w = np.ones((1, 1, 4, 4, 4)), np.ones((2, 1, 3, 3, 3))
    >>> T.nnet.conv3d(x, w).eval().shape
    (1, 2, 2, 2, 2)
    """
    use = filter_use(
        3, input_shape, filter_shape, border_mode, subsample, filter_flip,
        filter_dilation, num_groups,
    )  # fmt: skip
    return use.convolve(input, filters)


def conv2d_transpose(
    input: Any,
    filters: Any,
    output_shape: Any,
    filter_shape: Any = None,
    border_mode: Any = "valid",
    input_dilation: Steps = (1, 1),
    filter_flip: bool = True,
    filter_dilation: Steps = (1, 1),
    num_groups: int = 1,
    unshared: bool = False,
) -> Variable:
    """The transposed convolution: `conv2d_grad_wrt_inputs` under the name that networks use.

    Shapes: input (n, c, h, w), filters (c, o, kh, kw) -> (n, o, h', w'), whose last two
    sizes `output_shape` gives, as ints or integer scalars.
    border_mode: what is cut off the output.  input_dilation: the stride of the convolution
    that this one is the transpose of.

    >>> y, w = np.ones((1, 2, 2, 2)), np.ones((2, 1, 3, 3))
    >>> T.nnet.conv2d_transpose(y, w, (1, 1, 4, 4)).eval().shape
    (1, 1, 4, 4)
    """
    return conv2d_grad_wrt_inputs(
        input, filters, output_shape, filter_shape, border_mode, input_dilation,
        filter_flip, filter_dilation, num_groups, unshared,
    )  # fmt: skip


# ---- gradients by name


def conv2d_grad_wrt_inputs(
    output_grad: Any,
    filters: Any,
    input_shape: Any,
    filter_shape: Any = None,
    border_mode: Any = "valid",
    subsample: Steps = (1, 1),
    filter_flip: bool = True,
    filter_dilation: Steps = (1, 1),
    num_groups: int = 1,
    unshared: bool = False,
) -> Variable:
    """The gradient of `conv2d` for its input, from that of its output.

    input_shape: the last two sizes are ints or integer scalars, the others may be None.
    Shapes: output_grad (n, o, h', w'), filters (o, c, kh, kw) -> (n, c, h, w).

    >>> g, w = np.ones((1, 2, 2, 2)), np.ones((2, 1, 3, 3))
    >>> T.nnet.conv2d_grad_wrt_inputs(g, w, (1, 1, 4, 4)).eval().shape
    (1, 1, 4, 4)
    """
    known, spatial = _sizes_of_result(input_shape, 2, 4, "input_shape")
    use = filter_use(
        2, known, filter_shape, border_mode, subsample, filter_flip, filter_dilation,
        num_groups, unshared,
    )  # fmt: skip
    return use.input_gradient(filters, output_grad, spatial)


def conv3d_grad_wrt_inputs(
    output_grad: Any,
    filters: Any,
    input_shape: Any,
    filter_shape: Any = None,
    border_mode: Any = "valid",
    subsample: Steps = (1, 1, 1),
    filter_flip: bool = True,
    filter_dilation: Steps = (1, 1, 1),
    num_groups: int = 1,
) -> Variable:
    """The gradient of `conv3d` for its input, from that of its output.

    input_shape: the last three sizes are ints or integer scalars, the others may be None.
    """
    known, spatial = _sizes_of_result(input_shape, 3, 5, "input_shape")
    use = filter_use(
        3, known, filter_shape, border_mode, subsample, filter_flip, filter_dilation,
        num_groups,
    )  # fmt: skip
    return use.input_gradient(filters, output_grad, spatial)


def conv2d_grad_wrt_weights(
    input: Any,
    output_grad: Any,
    filter_shape: Any,
    input_shape: Any = None,
    border_mode: Any = "valid",
    subsample: Steps = (1, 1),
    filter_flip: bool = True,
    filter_dilation: Steps = (1, 1),
    num_groups: int = 1,
    unshared: bool = False,
) -> Variable:
    """The gradient of `conv2d` for its filters, from that of its output.

    filter_shape: the last two sizes are ints or integer scalars, the others may be None.
    Shapes: input (n, c, h, w), output_grad (n, o, h', w') -> (o, c, kh, kw).
    """
    rank = 6 if unshared else 4
    known, taps = _sizes_of_result(filter_shape, 2, rank, "filter_shape")
    use = filter_use(
        2, input_shape, known, border_mode, subsample, filter_flip, filter_dilation,
        num_groups, unshared,
    )  # fmt: skip
    return use.filter_gradient(input, output_grad, taps)


def conv3d_grad_wrt_weights(
    input: Any,
    output_grad: Any,
    filter_shape: Any,
    input_shape: Any = None,
    border_mode: Any = "valid",
    subsample: Steps = (1, 1, 1),
    filter_flip: bool = True,
    filter_dilation: Steps = (1, 1, 1),
    num_groups: int = 1,
) -> Variable:
    """The gradient of `conv3d` for its filters, from that of its output.

    filter_shape: the last three sizes are ints or integer scalars, the others may be None.
    """
    known, taps = _sizes_of_result(filter_shape, 3, 5, "filter_shape")
    use = filter_use(
        3, input_shape, known, border_mode, subsample, filter_flip, filter_dilation,
        num_groups,
    )  # fmt: skip
    return use.filter_gradient(input, output_grad, taps)


def _sizes_of_result(
    shape: Any, rank: int, ndim: int, what: str
) -> tuple[list[Any], list[Any]]:
    """What is declared of a result's shape, and its last `rank` sizes, which may be
    variables.

    Raises: ValueError where one of them is missing.
    """
    sizes = list(shape) if isinstance(shape, Sequence) else None
    if sizes is None or len(sizes) != ndim or any(one is None for one in sizes[-rank:]):
        raise ValueError(
            f"{what} {shape!r}: {ndim} sizes, the last {rank} of which are ints or integer "
            "scalars"
        )
    return [*sizes[:-rank], *[None] * rank], sizes[-rank:]


# ---- convolutions of several steps


def separable_conv2d(
    input: Any,
    depthwise_filters: Any,
    pointwise_filters: Any,
    num_channels: int,
    input_shape: Any = None,
    depthwise_filter_shape: Any = None,
    pointwise_filter_shape: Any = None,
    border_mode: Any = "valid",
    subsample: Steps = (1, 1),
    filter_flip: bool = True,
    filter_dilation: Steps = (1, 1),
) -> Variable:
    """A convolution of each channel by itself, then one that mixes them at each place.

    Shapes: input (n, num_channels, h, w), depthwise_filters (d, 1, kh, kw),
    pointwise_filters (o, d, 1, 1) -> (n, o, h', w').

    >>> x, each, mix = np.ones((1, 2, 4, 4)), np.ones((2, 1, 3, 3)), np.ones((5, 2, 1, 1))
    >>> T.nnet.separable_conv2d(x, each, mix, num_channels=2).eval().shape
    (1, 5, 2, 2)
    """
    use = filter_use(
        2, input_shape, depthwise_filter_shape, border_mode, subsample, filter_flip,
        filter_dilation, num_channels,
    )  # fmt: skip
    mixed = filter_use(2, None, pointwise_filter_shape)
    return _separable(use, mixed, input, depthwise_filters, pointwise_filters)


def separable_conv3d(
    input: Any,
    depthwise_filters: Any,
    pointwise_filters: Any,
    num_channels: int,
    input_shape: Any = None,
    depthwise_filter_shape: Any = None,
    pointwise_filter_shape: Any = None,
    border_mode: Any = "valid",
    subsample: Steps = (1, 1, 1),
    filter_flip: bool = True,
    filter_dilation: Steps = (1, 1, 1),
) -> Variable:
    """`separable_conv2d` along three axes.

    Shapes: input (n, num_channels, d, h, w), depthwise_filters (e, 1, kd, kh, kw),
    pointwise_filters (o, e, 1, 1, 1) -> (n, o, d', h', w').
    """
    use = filter_use(
        3, input_shape, depthwise_filter_shape, border_mode, subsample, filter_flip,
        filter_dilation, num_channels,
    )  # fmt: skip
    mixed = filter_use(3, None, pointwise_filter_shape)
    return _separable(use, mixed, input, depthwise_filters, pointwise_filters)


def _separable(
    use: FilterUse, mixed: FilterUse, x: Any, depthwise: Any, pointwise: Any
) -> Variable:
    """Raises: ShapeError where a pointwise filter has more than one element."""
    points = as_tensor(pointwise)
    if points.type.ndim == 2 + use.rank:
        wanted = [None, None, *[1] * use.rank]
        points = demand_sizes(points, wanted, "a pointwise filter has one element")
    return mixed.convolve(use.convolve(x, depthwise), points)


def causal_conv1d(
    input: Any,
    filters: Any,
    filter_shape: Any,
    input_shape: Any = None,
    subsample: int = 1,
    filter_flip: bool = True,
    filter_dilation: int = 1,
    num_groups: int = 1,
    unshared: bool = False,
) -> Variable:
    """A convolution along time, of which an output sees no later input.

    Shapes: input (n, c, length), filters (o, c, taps) -> (n, o, (length - 1) // stride + 1);
    filters that are not shared are (o, places, c, taps).
    Source: van den Oord et al. 2016, section 2.1.
    """
    use = filter_use(
        1, input_shape, filter_shape, "valid", subsample, filter_flip, filter_dilation,
        num_groups, unshared,
    )  # fmt: skip
    return replace(use, borders=("causal",)).convolve(input, filters)
