"""Convolutions as networks use them: flips, borders, strides, groups, gradients.

`FilterUse` says how filters lie over an input.  From it follow the convolution and, as
expressions of the same kind, what its gradients are.  The axes are Theano's: inputs
(batch, channels, *spatial), filters (filters, channels of one group, *taps), filters that
are not shared (filters, *places, channels of one group, *taps).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from symnet.data_classes import dataclass
from symnet.errors import DeclaredShapeError, ShapeError, message
from symnet.graph.types import COMPLEX, FLOATS
from symnet.graph.variables import Variable, operand_text
from symnet.ops.base import as_tensor, common_dtype
from symnet.ops.elementwise import cast
from symnet.ops.nnet.convolution import (
    IMAGE_FIRST,
    IMAGE_LAST,
    Convolution,
    in_order,
    mirrored,
)
from symnet.ops.nnet.filter_places import (
    Border,
    FilterPlaces,
    borders_of,
    declared_shape,
    demand_sizes,
    divided,
    output_length,
    padding,
    times,
    whole_number,
)
from symnet.ops.nnet.local_conv import LocalWindows
from symnet.ops.reshape import reshape
from symnet.ops.shape import dimshuffle
from symnet.ops.sizes import shape_i, size_scalar, sizes_of

__all__ = ["FilterUse", "filter_use"]


@dataclass(frozen=True)
class FilterUse:
    """How filters lie over an input: see `filter_use`, which makes and checks it."""

    rank: int
    borders: tuple[Border, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    flip: bool
    groups: int
    unshared: bool
    input_shape: tuple[int | None, ...]
    filter_shape: tuple[int | None, ...]

    # ---- what is computed

    def convolve(self, x: Any, w: Any) -> Variable:
        """The convolution of an input with filters: (batch, filters, *places).

        Raises: TypeError for wrong ranks and dtypes; ShapeError where channels or groups
        do not fit; ValueError for filters larger than the input with its border.
        """
        x, w, dtype = self._operands(x, w, "input", "filters", self._filter_rank)
        x = self._declared(x, "input_shape")
        w = self._whole_groups(self._declared(w, "filter_shape"), 0, "filters")
        channels = times(shape_i(w, self.channel_axis), self.groups)
        what = "the channels of the input are num_groups times those of the filters"
        wanted = [None, channels, *[None] * self.rank]
        x = demand_sizes(x, wanted, what, beside=[w])
        taps = sizes_of(w)[-self.rank :]
        places = self._places(sizes_of(x)[2:], taps)
        w = mirrored(w, self.rank) if self.flip else w
        if self.unshared:
            what = "filters that are not shared, one for each place"
            w = demand_sizes(w, [None, *places, None, *[None] * self.rank], what)
            return cast(self._windows(places, taps).products(x, w, self.groups), dtype)
        if x.type.dtype not in FLOATS:
            return self._windows(places, taps).shared_products(x, w, self.groups)
        op = Convolution(self.strides, self.dilations, order=IMAGE_FIRST)
        low = [below for below, _ in self._padding(taps)]
        y = op(self._split(x, 1), self._split(w, 0), *low, *places)
        return cast(self._joined(y, 1), dtype)

    def input_gradient(self, w: Any, g: Any, spatial: Sequence[Any]) -> Variable:
        """The gradient for the input, of sizes `spatial`, from that of the output: the
        transposed convolution.

        Raises: as `convolve`; ShapeError where an input of these sizes has another output.
        """
        w, g, dtype = self._operands(w, g, "filters", "output_grad", 2 + self.rank)
        self._floats(w, g)
        w = self._whole_groups(self._declared(w, "filter_shape"), 0, "filters")
        batch, channels = self.input_shape[:2]
        if channels is not None:
            wanted: list[Any] = [None] * w.type.ndim
            wanted[self.channel_axis] = self._of_one_group(channels)
            w = self._declared(w, "input_shape", wanted)
        unknown = [None] * self.rank
        g = self._declared(g, "input_shape", [batch, None, *unknown])
        g = self._declared(g, "filter_shape", [None, self.filter_shape[0], *unknown])
        spatial = [self._size(one) for one in spatial]
        taps = sizes_of(w)[-self.rank :]
        places = self._places(spatial, taps)
        g = self._output_sized(g, [None, shape_i(w, 0), *places], w)
        if self.unshared:
            w = mirrored(w, self.rank) if self.flip else w
            what = "filters that are not shared, one for each place"
            w = demand_sizes(w, [None, *places, None, *[None] * self.rank], what)
            windows = self._windows(places, taps)
            return cast(windows.input_gradient(w, g, self.groups, spatial), dtype)
        low = [
            (t - 1) * d - below
            for t, d, (below, _) in zip(
                taps, self.dilations, self._padding(taps), strict=True
            )
        ]
        w = w if self.flip else mirrored(w, self.rank)
        steps = (1,) * self.rank, self.dilations, self.strides
        op = Convolution(*steps, order=IMAGE_FIRST)
        filters = in_order(_swapped(self._split(w, 0)))
        found = op(self._split(g, 1), filters, *low, *spatial)
        return cast(self._joined(found, 1), dtype)

    def filter_gradient(self, x: Any, g: Any, taps: Sequence[Any]) -> Variable:
        """The gradient for filters, of sizes `taps`, from that of the output.

        Raises: as `convolve`; ShapeError where filters of these sizes have another output.
        """
        x, g, dtype = self._operands(x, g, "input", "output_grad", 2 + self.rank)
        self._floats(x, g)
        x = self._whole_groups(self._declared(x, "input_shape"), 1, "channels")
        number, channels = self.filter_shape[0], self.filter_shape[self.channel_axis]
        unknown = [None] * self.rank
        if channels is not None:
            wanted = [None, channels * self.groups, *unknown]
            x = self._declared(x, "filter_shape", wanted)
        g = self._declared(g, "filter_shape", [None, number, *unknown])
        g = self._whole_groups(g, 1, "filters")
        taps = [self._size(one) for one in taps]
        places = self._places(sizes_of(x)[2:], taps)
        g = self._output_sized(g, [shape_i(x, 0), None, *places], x)
        if self.unshared:
            windows = self._windows(places, taps)
            found = windows.filter_gradient(x, g, self.groups)
        else:
            low = [below for below, _ in self._padding(taps)]
            op = Convolution(self.dilations, self.strides, order=IMAGE_LAST)
            inputs, filters = (_swapped(self._split(one, 1)) for one in (x, g))
            found = self._joined(op(inputs, filters, *low, *taps), 0)
        found = mirrored(found, self.rank) if self.flip else found
        return cast(found, dtype)

    # ---- operands

    @property
    def _filter_rank(self) -> int:
        return 2 + (2 * self.rank if self.unshared else self.rank)

    @property
    def channel_axis(self) -> int:
        """The axis of the filters along which their channels lie."""
        return 1 + (self.rank if self.unshared else 0)

    def _operands(
        self, left: Any, right: Any, first: str, second: str, second_rank: int
    ) -> tuple[Variable, Variable, str]:
        """Both operands in the dtype in which they are multiplied, and that of the result.

        Raises: TypeError for a wrong rank or dtype.
        """
        pair = [as_tensor(left), as_tensor(right)]
        first_rank = self._filter_rank if first == "filters" else 2 + self.rank
        for one, name, rank in zip(
            pair, (first, second), (first_rank, second_rank), strict=True
        ):
            if one.type.ndim != rank:
                raise TypeError(
                    message(
                        f"a convolution along {self.rank} axes: {name} has {rank} axes, "
                        f"not {one.type.ndim}",
                        operands=[operand_text(v) for v in pair],
                        cure="x.dimshuffle('x', 0, 1, 2) adds an axis of size 1",
                    )
                )
        dtype = common_dtype(pair)
        if dtype in COMPLEX or dtype == "bool":
            raise TypeError(
                message(
                    f"there is no convolution of {dtype}",
                    operands=[operand_text(v) for v in pair],
                    cure="cast booleans; of complex numbers convolve T.real and T.imag",
                )
            )
        inside = "float32" if dtype == "float16" else dtype
        return cast(pair[0], inside), cast(pair[1], inside), dtype

    def _floats(self, *operands: Variable) -> None:
        """Raises: TypeError for integers, of which there is no gradient."""
        if operands[0].type.dtype not in FLOATS:
            raise TypeError(
                message(
                    "the gradient of a convolution is one of floats",
                    operands=[operand_text(v) for v in operands],
                    cure="cast one of them, x.astype('floatX')",
                )
            )

    def _declared(
        self, v: Variable, name: str, sizes: Sequence[int | None] | None = None
    ) -> Variable:
        """v, of the sizes that follow from a declared shape (by default it itself)."""
        shape = self.input_shape if name == "input_shape" else self.filter_shape
        wanted = shape if sizes is None else sizes
        return demand_sizes(v, wanted, f"{name} {shape}", declared=True)

    def _of_one_group(self, channels: int) -> int:
        """The channels of one group.  Raises: ShapeError."""
        if channels % self.groups:
            raise ShapeError(f"{channels} channels in num_groups={self.groups} groups")
        return channels // self.groups

    def _whole_groups(self, v: Variable, axis: int, what: str) -> Variable:
        """v, whose size along an axis is a multiple of the number of groups.

        Raises: ShapeError.
        """
        if self.groups == 1:
            return v
        number = v.type.shape[axis]
        text = f"{what} in num_groups={self.groups} groups of the same size"
        if number is not None and number % self.groups:
            raise ShapeError(
                message(f"{text}: there are {number}", operands=[operand_text(v)])
            )
        wanted: list[Any] = [None] * v.type.ndim
        wanted[axis] = times(divided(shape_i(v, axis), self.groups), self.groups)
        return demand_sizes(v, wanted, text)

    def _output_sized(
        self, g: Variable, wanted: Sequence[Any], other: Variable
    ) -> Variable:
        """The gradient of the output, which has the output's sizes."""
        what = "output_grad has the sizes of the output"
        return demand_sizes(g, wanted, what, beside=[other])

    def _size(self, one: Any) -> Variable:
        """The size of what a gradient is for, which cannot be left out."""
        if one is None:
            raise ValueError(
                "the gradient of a convolution needs the sizes of what it is for: give "
                "ints or integer scalars, such as x.shape[2], not None"
            )
        return size_scalar(one, "a size")

    # ---- sizes

    def _places(self, lengths: Sequence[Any], taps: Sequence[Any]) -> list[Variable]:
        """The sizes of the output."""
        rules = zip(self.borders, self.strides, self.dilations, strict=True)
        return [
            output_length(FilterPlaces(2 + axis, *rule), length, tap)
            for axis, (rule, length, tap) in enumerate(
                zip(rules, lengths, taps, strict=True)
            )
        ]

    def _padding(self, taps: Sequence[Any]) -> list[tuple[Any, Any]]:
        """The zeros before and after the input along each axis."""
        return [
            padding(border, t if d == 1 else (t - 1) * d + 1)
            for border, t, d in zip(self.borders, taps, self.dilations, strict=True)
        ]

    def _windows(self, places: Sequence[Any], taps: Sequence[Any]) -> LocalWindows:
        return LocalWindows(
            tuple(places),
            tuple(taps),
            tuple(self._padding(taps)),
            self.strides,
            self.dilations,
        )

    # ---- groups

    def _split(self, v: Variable, axis: int) -> Variable:
        """v with its groups, which lie along an axis, as a first axis of their own."""
        if self.groups == 1:
            return dimshuffle(v, "x", *range(v.type.ndim))
        shape: list[Any] = list(sizes_of(v))
        shape[axis : axis + 1] = [self.groups, divided(shape[axis], self.groups)]
        split = reshape(v, shape)
        rest = [k for k in range(split.type.ndim) if k != axis]
        return dimshuffle(split, axis, *rest)

    def _joined(self, v: Variable, axis: int) -> Variable:
        """v with its groups, which lie along an axis, joined to the axis behind."""
        if self.groups == 1:
            return dimshuffle(v, *(k for k in range(v.type.ndim) if k != axis))
        shape: list[Any] = list(sizes_of(v))
        shape[axis : axis + 2] = [times(shape[axis + 1], self.groups)]
        return reshape(v, shape)


def _swapped(v: Variable) -> Variable:
    """(groups, a, b, ...) -> (groups, b, a, ...)."""
    return dimshuffle(v, 0, 2, 1, *range(3, v.type.ndim))


def filter_use(
    rank: int,
    input_shape: Any = None,
    filter_shape: Any = None,
    border_mode: Any = "valid",
    subsample: Any = None,
    filter_flip: bool = True,
    filter_dilation: Any = None,
    num_groups: Any = 1,
    unshared: bool = False,
) -> FilterUse:
    """How filters lie over an input along `rank` axes; the arguments are those of `conv2d`.

    Raises: ValueError, TypeError for arguments that say nothing.
    """
    filter_rank = 2 + (2 * rank if unshared else rank)
    use = FilterUse(
        rank=rank,
        borders=borders_of(border_mode, rank),
        strides=_steps(subsample, rank, "subsample"),
        dilations=_steps(filter_dilation, rank, "filter_dilation"),
        flip=bool(filter_flip),
        groups=whole_number(num_groups, 1, "num_groups"),
        unshared=bool(unshared),
        input_shape=declared_shape(input_shape, 2 + rank, "input_shape"),
        filter_shape=declared_shape(filter_shape, filter_rank, "filter_shape"),
    )
    channels, own = use.input_shape[1], use.filter_shape[use.channel_axis]
    if channels is not None and own is not None and channels != own * use.groups:
        raise DeclaredShapeError(
            f"input_shape {use.input_shape} has {channels} channels, and filter_shape "
            f"{use.filter_shape} is for {own} in each of {use.groups} groups"
        )
    return use


def _steps(steps: Any, rank: int, what: str) -> tuple[int, ...]:
    """A stride or dilation for each axis.  Raises: ValueError, TypeError."""
    if steps is None:
        return (1,) * rank
    numbers = tuple(steps) if hasattr(steps, "__len__") else (steps,) * rank
    if len(numbers) != rank:
        raise ValueError(f"{what} {steps!r}: one int for each of {rank} axes")
    return tuple(whole_number(n, 1, what) for n in numbers)
