"""Theano's older convolutions: of `nnet.conv`, `nnet.conv3d2d` and `signal.conv`.

Each is said in terms of the newer ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from symnet.errors import NotScalarConstantError, message
from symnet.graph.types import INTEGERS
from symnet.graph.variables import Constant, Variable, operand_text
from symnet.ops.arithmetic import add, sub
from symnet.ops.base import as_tensor, normalize_axis, scalar_constant
from symnet.ops.creation import arange
from symnet.ops.indexing import getitem, inc_subtensor
from symnet.ops.nnet.conv_shapes import get_conv_output_shape
from symnet.ops.nnet.filter_places import borders_of
from symnet.ops.nnet.filter_use import filter_use
from symnet.ops.shape import dimshuffle
from symnet.ops.sizes import shape_i, vector_elements

__all__ = [
    "ConvOp", "DiagonalSubtensor", "IncDiagonalSubtensor", "diagonal_subtensor",
    "inc_diagonal_subtensor", "legacy_conv2d", "signal_conv2d", "spatiotemporal_conv3d",
]  # fmt: skip

# Settings of Theano's code generator: nothing here depends on them.
WITHOUT_EFFECT = frozenset(
    "unroll_batch unroll_kern unroll_patch verbose version direction_hint openmp".split()
)
ZEROS_BETWEEN = ("imshp_logical", "kshp_logical", "kshp_logical_top_aligned")


class ConvOp:
    """Theano's first convolution.  It cannot be made; its output's shape is known.

    Raises: NotImplementedError, always.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise NotImplementedError(
            message(
                "ConvOp does not exist here",
                cure="call T.nnet.conv2d(input, filters, border_mode=, subsample=); its "
                "zeros between elements (imshp_logical, kshp_logical) are conv2d_transpose "
                "and filter_dilation",
            )
        )

    @staticmethod
    def getOutputShape(
        inshp: Sequence[Any],
        kshp: Sequence[Any],
        stride: Sequence[int] = (1, 1),
        mode: str = "valid",
    ) -> Sequence[Any]:
        """The rows and columns of a convolution's output: `get_conv_output_shape`, for
        those of images and filters alone.

        >>> T.nnet.conv.ConvOp.getOutputShape((28, 28), (5, 5), (2, 2), "valid")
        (12, 12)
        """
        wanted = ((None, None, *inshp), (None, None, *kshp))
        return get_conv_output_shape(*wanted, mode, stride)[2:]


def _refuse_unknown(settings: dict[str, Any]) -> None:
    """Raises: ValueError, TypeError for keyword arguments that would mean something."""
    for name, value in settings.items():
        if name in ZEROS_BETWEEN and value is not None:
            raise ValueError(
                f"conv2d: {name} is not supported: use conv2d_transpose, or filter_dilation"
            )
        if name not in WITHOUT_EFFECT and name not in ZEROS_BETWEEN:
            raise TypeError(f"conv2d() got an unexpected keyword argument {name!r}")


def legacy_conv2d(
    input: Any,
    filters: Any,
    image_shape: Any = None,
    filter_shape: Any = None,
    border_mode: str = "valid",
    subsample: Any = (1, 1),
    **settings: Any,
) -> Variable:
    """`conv2d` with mirrored filters and without borders other than "valid" and "full".

    settings: unroll_batch, unroll_kern, unroll_patch, openmp, verbose, version and
        direction_hint have no effect.
    Raises: NotScalarConstantError for a shape that is not constant; ValueError for another
    border and for imshp_logical and kshp_logical.
    """
    _refuse_unknown(settings)
    if border_mode not in ("valid", "full"):
        raise ValueError(f"border_mode is 'valid' or 'full', not {border_mode!r}")
    shapes = _constants(image_shape), _constants(filter_shape)
    use = filter_use(2, *shapes, border_mode, subsample)
    return use.convolve(input, filters)


def _constants(shape: Any) -> list[Any] | None:
    """The sizes of a shape as ints.  Raises: NotScalarConstantError, TypeError."""
    if shape is None:
        return None
    sizes = vector_elements(shape) if isinstance(shape, Variable) else shape
    found: list[Any] = []
    for one in [shape] if sizes is None else sizes:
        number = one if one is None else as_tensor(one)
        if isinstance(number, Variable) and number.type.dtype not in INTEGERS:
            raise TypeError(f"{operand_text(number)} is no size: sizes are integers")
        if isinstance(number, Variable) and not isinstance(number, Constant):
            raise NotScalarConstantError(
                f"conv2d: shapes are of constant sizes, unlike {operand_text(number)}"
            )
        found.append(None if number is None else int(scalar_constant(number)))
    return found


def signal_conv2d(
    input: Any,
    filters: Any,
    image_shape: Any = None,
    filter_shape: Any = None,
    border_mode: str = "valid",
    subsample: Any = (1, 1),
    **settings: Any,
) -> Variable:
    """Each image convolved with each filter, as `scipy.signal.convolve2d`.

    Shapes: input (h, w) or (images, h, w), filters (kh, kw) or (filters, kh, kw) ->
    (images, filters, h', w'), without the axes that input and filters do not have.
    image_shape, filter_shape: sizes that are known, as many as there are axes or only the
        last two.
    Raises: ValueError for another rank; what `legacy_conv2d` raises.
    """
    _refuse_unknown(settings)
    if border_mode not in ("valid", "full"):
        raise ValueError(f"border_mode is 'valid' or 'full', not {border_mode!r}")
    arrays = [as_tensor(input), as_tensor(filters)]
    if any(v.type.ndim not in (2, 3) for v in arrays):
        raise ValueError(
            message(
                "signal.conv.conv2d takes one image or several, and one filter or several: "
                "two axes or three",
                operands=[operand_text(v) for v in arrays],
                cure="arrays of four axes are convolved by T.nnet.conv2d",
            )
        )
    shapes = _declared_of(arrays[0], image_shape), _declared_of(arrays[1], filter_shape)
    x, w = (
        dimshuffle(v, *["x"] * (3 - v.type.ndim), *range(v.type.ndim)) for v in arrays
    )
    use = filter_use(2, *shapes, border_mode, subsample)
    y = use.convolve(dimshuffle(x, 0, "x", 1, 2), dimshuffle(w, 0, "x", 1, 2))
    kept = [axis for axis, v in enumerate(arrays) if v.type.ndim == 3]
    return dimshuffle(y, *kept, 2, 3)


def _declared_of(v: Variable, shape: Any) -> list[Any] | None:
    """The shape of one channel of each image, or filter."""
    sizes = _constants(shape)
    if not sizes:
        return None
    if len(sizes) not in (2, 3):
        raise ValueError(f"a shape of two or three sizes, not {shape}")
    several = sizes[0] if v.type.ndim == 3 and len(sizes) == 3 else None
    return [1 if v.type.ndim == 2 else several, 1, *sizes[-2:]]


# ---- signals that change in time


def spatiotemporal_conv3d(
    signals: Any,
    filters: Any,
    signals_shape: Any = None,
    filters_shape: Any = None,
    border_mode: Any = "valid",
) -> Variable:
    """`conv3d` of films: the channels stand behind the time.

    Shapes: signals (n, time, c, h, w), filters (o, taps, c, kh, kw) ->
    (n, time', o, h', w').
    border_mode: "valid", "full" or "half", or a tuple of three of them, for time, height
        and width.
    """
    borders = borders_of(border_mode, 3)
    arrays = [as_tensor(signals), as_tensor(filters)]
    for v, name in zip(arrays, ("signals", "filters"), strict=True):
        if v.type.ndim != 5:
            raise TypeError(
                message(f"{name} have five axes", operands=[operand_text(v)])
            )
    shapes = _channels_first(signals_shape), _channels_first(filters_shape)
    use = replace(filter_use(3, *shapes), borders=borders)
    x, w = (dimshuffle(v, 0, 2, 1, 3, 4) for v in arrays)
    return dimshuffle(use.convolve(x, w), 0, 2, 1, 3, 4)


def _channels_first(shape: Any) -> list[Any] | None:
    if shape is None:
        return None
    sizes = list(shape)
    sizes[1:3] = sizes[2:0:-1]
    return sizes


class DiagonalSubtensor:
    """A stripe along the diagonals of two axes: `diagonal_subtensor(x, i0, i1)`.

    inplace: kept for programs that set it; it has no effect.
    """

    def __init__(self, inplace: bool = False) -> None:
        self.inplace = bool(inplace)

    def __call__(self, x: Any, i0: int, i1: int) -> Variable:
        """y[.., i, .., j, ..] = x[.., i + n - 1 - j, .., j, ..], for axes i0 and i1 of
        sizes m and n, with m - n + 1 rows i.

        Raises: ValueError for one axis twice.
        """
        variable = as_tensor(x)
        result: Variable = getitem(variable, _stripe(variable, i0, i1))
        return result


class IncDiagonalSubtensor:
    """x with `amt` added to its stripe: the gradient of `DiagonalSubtensor`.

    inplace: kept for programs that set it; it has no effect.
    """

    def __init__(self, inplace: bool = False) -> None:
        self.inplace = bool(inplace)

    def __call__(self, x: Any, i0: int, i1: int, amt: Any) -> Variable:
        variable = as_tensor(x)
        part = getitem(variable, _stripe(variable, i0, i1))
        return inc_subtensor(part, amt)


diagonal_subtensor = DiagonalSubtensor()
inc_diagonal_subtensor = IncDiagonalSubtensor()


def _stripe(x: Variable, i0: Any, i1: Any) -> tuple[Any, ...]:
    """The index of the stripe: one array of positions for each axis, so that the order of
    the axes stays."""
    rows, columns = (
        normalize_axis(int(scalar_constant(one)), x.type.ndim, "diagonal_subtensor")
        for one in (i0, i1)
    )
    if rows == columns:
        raise ValueError(f"diagonal_subtensor: axis {rows} twice")
    lines = add(sub(shape_i(x, rows), shape_i(x, columns)), 1)
    index: list[Any] = []
    for axis in range(x.type.ndim):
        length = lines if axis == rows else shape_i(x, axis)
        index.append(_along(arange(length), axis, x.type.ndim))
    last = sub(shape_i(x, columns), 1)
    index[rows] = sub(add(index[rows], last), index[columns])
    return tuple(index)


def _along(vector: Variable, axis: int, rank: int) -> Variable:
    return dimshuffle(vector, *["x"] * axis, 0, *["x"] * (rank - axis - 1))
