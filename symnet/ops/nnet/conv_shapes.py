"""What Theano's functions tell of the shapes of convolutions, before there is an array.

Sizes are ints, integer scalar variables, or None for those that are not known; what follows
from one that is not known is None.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from symnet.errors import NotScalarConstantError
from symnet.graph.variables import Constant, Variable
from symnet.ops.base import as_tensor, scalar_constant
from symnet.ops.nnet.filter_places import (
    Border,
    SizeAtLeast,
    borders_of,
    demand_sizes,
    padding,
    whole_number,
)

__all__ = [
    "assert_conv_shape", "assert_shape", "border_mode_to_pad", "check_conv_gradinputs_shape",
    "get_conv_gradinputs_shape", "get_conv_gradinputs_shape_1axis",
    "get_conv_gradweights_shape", "get_conv_gradweights_shape_1axis",
    "get_conv_output_shape", "get_conv_shape_1axis",
]  # fmt: skip

Lengths = tuple[Any, ...]


def get_conv_output_shape(
    image_shape: Sequence[Any],
    kernel_shape: Sequence[Any],
    border_mode: Any,
    subsample: Sequence[int],
    filter_dilation: Sequence[int] | None = None,
) -> Lengths:
    """The shape of a convolution's output.

    image_shape: (batch, channels, *spatial); kernel_shape: (filters, channels, *taps), or
        (filters, *spatial, channels, *taps) of filters that are not shared.
    Returns: (batch, filters, *spatial).

    Example: get_conv_output_shape((8, 3, 28, 28), (16, 3, 5, 5), "valid", (1, 1)) is
    (8, 16, 24, 24).
    """
    rank = len(image_shape) - 2
    axes = _axes(image_shape[2:], kernel_shape[-rank:], border_mode, subsample)
    steps = filter_dilation or (1,) * rank
    found = [get_conv_shape_1axis(*one, d) for one, d in zip(axes, steps, strict=True)]
    return (image_shape[0], kernel_shape[0], *found)


def _axes(
    left: Sequence[Any], right: Sequence[Any], border_mode: Any, steps: Sequence[int]
) -> list[tuple[Any, Any, Border, int]]:
    """For each axis its two sizes, border and stride."""
    borders = borders_of(border_mode, len(left))
    return list(zip(left, right, borders, steps, strict=True))


def get_conv_shape_1axis(
    image_shape: Any, kernel_shape: Any, border_mode: Any, subsample: Any,
    dilation: Any = 1,
) -> Any:  # fmt: skip
    """The size of a convolution's output along one axis."""
    if None in _known(image_shape, kernel_shape, border_mode, subsample, dilation):
        return None
    covered = _covered(kernel_shape, dilation)
    below, above = padding(_one_border(border_mode), covered)
    room = image_shape - covered + below + above
    return (room if _is_one(subsample) else room // subsample) + 1


def get_conv_gradweights_shape(
    image_shape: Sequence[Any],
    top_shape: Sequence[Any],
    border_mode: Any,
    subsample: Sequence[int],
    filter_dilation: Sequence[int] | None = None,
    num_groups: int = 1,
    unshared: bool = False,
) -> Lengths:
    """The shape of filters that make an output of `top_shape` from an image, as far as it
    follows: not along axes with a stride, or with border "half".

    Returns: (filters, channels, *taps), or (filters, *spatial, channels, *taps).
    """
    axes = _axes(image_shape[2:], top_shape[2:], border_mode, subsample)
    steps = filter_dilation or (1,) * len(axes)
    taps = [
        get_conv_gradweights_shape_1axis(*one, d)
        for one, d in zip(axes, steps, strict=True)
    ]
    channels, filters = image_shape[1], top_shape[1]
    if num_groups > 1 and channels is not None:
        channels = channels // num_groups
    places = tuple(top_shape[2:]) if unshared else ()
    return (filters, *places, channels, *taps)


def get_conv_gradweights_shape_1axis(
    image_shape: Any, top_shape: Any, border_mode: Any, subsample: Any, dilation: Any
) -> Any:
    """The size of a filter along one axis, or None where it does not follow."""
    known = _known(image_shape, top_shape, border_mode, subsample, dilation)
    if None in known or not _is_one(subsample):
        return None
    border = _one_border(border_mode)
    if border == "half":
        return None
    if border == "full":
        reach = top_shape - image_shape
    else:
        below, above = padding(border, 0)
        reach = image_shape + below + above - top_shape
    return reach // dilation + 1


def get_conv_gradinputs_shape(
    kernel_shape: Sequence[Any],
    top_shape: Sequence[Any],
    border_mode: Any,
    subsample: Sequence[int],
    filter_dilation: Sequence[int] | None = None,
    num_groups: int = 1,
) -> Lengths:
    """The shape of an image of which filters make an output of `top_shape`, as far as it
    follows: not along axes with a stride.

    Returns: (batch, channels, *spatial).
    """
    rank = len(top_shape) - 2
    axes = _axes(kernel_shape[-rank:], top_shape[2:], border_mode, subsample)
    steps = filter_dilation or (1,) * rank
    found = [
        get_conv_gradinputs_shape_1axis(*one, d)
        for one, d in zip(axes, steps, strict=True)
    ]
    channels = kernel_shape[-rank - 1]
    if num_groups > 1 and channels is not None:
        channels = channels * num_groups
    return (top_shape[0], channels, *found)


def get_conv_gradinputs_shape_1axis(
    kernel_shape: Any, top_shape: Any, border_mode: Any, subsample: Any, dilation: Any
) -> Any:
    """The size of an image along one axis, or None where it does not follow."""
    known = _known(kernel_shape, top_shape, border_mode, subsample, dilation)
    if None in known or not _is_one(subsample):
        return None
    covered = _covered(kernel_shape, dilation)
    below, above = padding(_one_border(border_mode), covered)
    return top_shape + covered - 1 - below - above


def check_conv_gradinputs_shape(
    image_shape: Sequence[Any],
    kernel_shape: Sequence[Any],
    output_shape: Sequence[Any],
    border_mode: Any,
    subsample: Sequence[int],
    filter_dilation: Sequence[int] | None = None,
) -> bool:
    """Whether a convolution of that image and those filters can have that output: False
    where a known size is another, or a number of sizes."""
    ranks = {len(image_shape), len(kernel_shape), len(output_shape)}
    ranks.add(len(subsample) + 2)
    ranks.add(len(filter_dilation or subsample) + 2)
    if len(ranks) > 1:
        return False
    found = get_conv_output_shape(
        image_shape, kernel_shape, border_mode, subsample, filter_dilation
    )
    pairs = zip(map(_number, output_shape), map(_number, found), strict=True)
    return all(given is None or one is None or given == one for given, one in pairs)


def assert_conv_shape(shape: Sequence[Any]) -> Lengths:
    """The sizes of an input, output or filters, checked: the first two are not negative,
    the others positive.  Variables are checked when a function runs.

    Raises: ValueError; DeclaredShapeError (which is one) at a run.
    """
    checked: list[Any] = []
    for axis, one in enumerate(shape):
        least, number = int(axis >= 2), _number(one)
        what = f"a convolution has no such shape: size {axis}"
        if number is None and one is not None:
            one = SizeAtLeast(least, what)(one)
        elif number is not None and number < least:
            raise ValueError(f"{what} is {number}, and at least {least} is needed")
        checked.append(one)
    return tuple(checked)


def assert_shape(
    x: Any, expected_shape: Any, msg: str = "Unexpected shape."
) -> Variable:
    """x, checked to have the sizes of `expected_shape`; those that are None may be any.

    Raises: DeclaredShapeError, which is an AssertionError, with `msg`.
    """
    variable = as_tensor(x)
    if expected_shape is None:
        return variable
    return demand_sizes(variable, tuple(expected_shape), msg, declared=True)


def border_mode_to_pad(
    mode: Any, convdim: int, kshp: Sequence[Any]
) -> tuple[tuple[Any, Any], ...]:
    """How many zeros stand before and after the input along each of `convdim` axes.

    kshp: how many elements the filter covers along each (with its dilation).
    Raises: ValueError for a border that does not exist.
    """
    borders = borders_of(mode, convdim)
    return tuple(padding(one, n) for one, n in zip(borders, kshp, strict=True))


def _one_border(border_mode: Any) -> Border:
    """The border along the only axis: a pair is the zeros before and after."""
    pair = not isinstance(border_mode, str) and isinstance(border_mode, Sequence)
    return borders_of((border_mode,) if pair else border_mode, 1)[0]


def _covered(taps: Any, dilation: Any) -> Any:
    return taps if _is_one(dilation) else (taps - 1) * dilation + 1


def _known(*values: Any) -> list[Any]:
    """The values, of which variables do not compare."""
    return [1 if isinstance(one, Variable) else one for one in values]


def _is_one(value: Any) -> bool:
    return not isinstance(value, Variable) and whole_number(value, 1, "a step") == 1


def _number(one: Any) -> int | None:
    """The int that a size is, None for a variable that is none and for None."""
    if one is None or (isinstance(one, Variable) and not isinstance(one, Constant)):
        return None
    try:
        return int(scalar_constant(one))
    except NotScalarConstantError:
        return None
