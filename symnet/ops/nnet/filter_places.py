"""The sizes of convolutions: borders, what comes out, and what must have gone in.

Along each axis the filter, of `taps` elements with a dilation, covers
(taps - 1) * dilation + 1 elements of the input, to which the border adds elements below and
above; the output has one element for each place of the filter, every stride-th taken.

Source: Dumoulin & Visin 2016, "A guide to convolution arithmetic for deep learning".
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, TypeAlias

from symnet.errors import (
    DeclaredShapeError,
    NotScalarConstantError,
    ShapeError,
    message,
)
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
from symnet.kernels.loopir.views import Size
from symnet.ops.arithmetic import int_div
from symnet.ops.base import NoGradient, as_tensor, disconnected, scalar_constant
from symnet.ops.linalg.products import size_product
from symnet.ops.lowerings import (
    HostValue,
    Lowering,
    Reference,
    Shapes,
    Sizes,
    has_arrays,
)
from symnet.ops.nnet.convolution import no_more_known
from symnet.ops.sizes import (
    SpecifyShape,
    shape_i,
    size_scalar,
)

__all__ = [
    "Border", "FilterPlaces", "SizeAtLeast", "borders_of", "declared_shape", "demand_sizes",
    "divided", "output_length", "padding", "times", "whole_number",
]  # fmt: skip

NAMED = ("valid", "full", "half")
# Along one axis: a name ("causal": zeros only before, so many that no place sees what comes
# after it), or how many zeros stand before the input and after it.
Border: TypeAlias = "str | tuple[int, int]"


def whole_number(value: Any, least: int, what: str) -> int:
    """`value` as an int of at least `least`.  Raises: TypeError, ValueError."""
    if isinstance(value, Constant):
        value = value.data
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{what}: an integer, not {value!r}") from None
    if number < least:
        raise ValueError(f"{what}: at least {least}, not {number}")
    return number


def borders_of(border_mode: Any, rank: int) -> tuple[Border, ...]:
    """The border along each of `rank` axes.

    border_mode: "valid" (none), "full" (all places where filter and input meet), "half"
        (half the filter on both sides), a number of zeros on both sides, or one of these
        for each axis, or a pair of numbers: zeros before and after.
    Raises: ValueError for anything else.
    """
    if isinstance(border_mode, str) or not isinstance(border_mode, Sequence):
        border_mode = (border_mode,) * rank
    if len(border_mode) != rank:
        raise ValueError(
            f"border_mode {border_mode!r}: one border for each of {rank} axes"
        )
    return tuple(_border(one, border_mode) for one in border_mode)


def _border(one: Any, whole: Any) -> Border:
    if isinstance(one, str):
        if one in NAMED:
            return one
    elif isinstance(one, Sequence) and len(one) == 2:
        below, above = (whole_number(n, 0, "border_mode") for n in one)
        return below, above
    elif isinstance(one, (int, Constant)) or hasattr(one, "__index__"):
        number = whole_number(one, 0, "border_mode")
        return number, number
    raise ValueError(
        f"border_mode {whole!r}: 'valid', 'full', 'half', a number of zeros that is not "
        "negative, or a tuple with one of these, or a pair of numbers, for each axis"
    )


def padding(border: Border, covered: Any) -> tuple[Any, Any]:
    """The zeros before and after the input, for a filter that covers that many elements.

    covered: an int, a scalar variable, or a host integer.
    """
    if isinstance(border, tuple):
        return border
    if border == "valid":
        return 0, 0
    if border == "half":
        return covered // 2, covered // 2
    return covered - 1, (0 if border == "causal" else covered - 1)


class FilterPlaces(NoGradient):
    """How many places a filter has in an input along one axis: places(length, taps).

    Shapes: two integer scalars -> an int64 scalar.
    Raises: ValueError for a filter without elements, and for one that is larger than the
    padded input.
    """

    __props__ = ("axis", "border", "stride", "dilation")

    def __init__(self, axis: int, border: Border, stride: int, dilation: int) -> None:
        self.axis, self.border = axis, border
        self.stride, self.dilation = stride, dilation

    def make_node(self, length: Any, taps: Any) -> Apply:
        scalars = [size_scalar(one, "a size") for one in (length, taps)]
        return Apply(self, scalars, [make_variable(TensorType("int64", ()))])

    def room(self, length: int, taps: int) -> int:
        """By how many elements the padded input is longer than what the filter covers."""
        covered = (taps - 1) * self.dilation + 1
        below, above = padding(self.border, covered)
        return length + int(below) + int(above) - covered

    def number(self, length: int, taps: int) -> int:
        """The result, of numbers.  Raises: ValueError."""
        if taps < 1:
            raise ValueError(self.text(f"filter has {taps} elements"))
        if self.room(length, taps) < 0:
            covered = (taps - 1) * self.dilation + 1
            what = f"filter, which covers {covered} elements, is larger than the input"
            raise ValueError(self.text(f"{what} of {length} with its border"))
        return self.room(length, taps) // self.stride + 1

    def text(self, what: str) -> str:
        """What is wrong, and where."""
        dilation = f", dilation {self.dilation}" if self.dilation > 1 else ""
        return f"along axis {self.axis} the {what} (border {self.border!r}{dilation})"

    def infer_sizes(self, node: Apply, inputs: Shapes, sizes: Sizes) -> Shapes:
        taps = sizes.value(node.inputs[1])
        empty = self.text("filter has no elements")
        sizes.require(views.combine("ge", taps, views.ONE), empty)
        room = self._room(sizes.value(node.inputs[0]), taps)
        large = self.text("filter is larger than the input with its border")
        sizes.require(views.combine("ge", room, views.ZERO), large)
        return [()]

    def _room(self, length: Size, taps: Size) -> Size:
        """`room` of host integers."""
        step, one = views.size(self.dilation), views.ONE
        covered = views.add(views.multiply(views.subtract(taps, one), step), one)
        zeros = self.border
        if isinstance(zeros, tuple):
            border = views.size(sum(zeros))
        elif zeros == "half":
            half = views.floor_divide(covered, views.size(2))
            border = views.add(half, half)
        else:
            sides = views.size({"valid": 0, "full": 2, "causal": 1}[zeros])
            border = views.multiply(sides, views.subtract(covered, one))
        return views.subtract(views.add(length, border), covered)

    def host(self, node: Apply, values: Sequence[Any], sizes: Sizes) -> Any:
        length, taps = values
        if length is None or taps is None:
            return None
        steps = views.floor_divide(self._room(length, taps), views.size(self.stride))
        return views.add(steps, views.ONE)

    def lowering(self, node: Apply) -> Lowering:
        return HostValue() if has_arrays(node) else Reference()

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[False], [False]]

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        length, taps = (int(one) for one in arrays)
        return [xp.asarray(self.number(length, taps), dtype="int64")]


def output_length(places: FilterPlaces, length: Any, taps: Any) -> Variable:
    """The size of a convolution along one axis; a constant where both sizes are known."""
    scalars = [size_scalar(one, "a size") for one in (length, taps)]
    if all(isinstance(one, Constant) for one in scalars):
        numbers = [int(one.data) for one in scalars]  # type: ignore[attr-defined]
        return size_scalar(places.number(*numbers), "a size")
    result: Variable = places(*scalars)
    return result


class SizeAtLeast(NoGradient):
    """A size, checked to be at least `least`: `what` says of what.

    Raises: DeclaredShapeError where it is smaller.
    """

    __props__ = ("least", "what")

    def __init__(self, least: int, what: str) -> None:
        self.least, self.what = least, what

    def make_node(self, size: Any) -> Apply:
        scalar = size_scalar(size, "a size")
        return Apply(self, [scalar], [make_variable(TensorType("int64", ()))])

    def text(self) -> str:
        """What is wrong."""
        return f"{self.what} is below {self.least}"

    def infer_sizes(self, node: Apply, inputs: Shapes, sizes: Sizes) -> Shapes:
        least = views.size(self.least)
        enough = views.combine("ge", sizes.value(node.inputs[0]), least)
        sizes.require(enough, self.text(), DeclaredShapeError)
        return [()]

    def host(self, node: Apply, values: Sequence[Any], sizes: Sizes) -> Any:
        return values[0]

    def lowering(self, node: Apply) -> Lowering:
        return HostValue() if has_arrays(node) else Reference()

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[False]]

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        if int(arrays[0]) < self.least:
            raise DeclaredShapeError(self.text())
        return [xp.asarray(arrays[0], dtype="int64")]


def times(size: Variable, number: int) -> Variable:
    """size * number; a constant where the size is known."""
    return size_product([size, size_scalar(number, "a number")])


def divided(size: Variable, number: int) -> Variable:
    """size // number; a constant where the size is known."""
    if isinstance(size, Constant):
        return size_scalar(int(size.data) // number, "a size")
    return size if number == 1 else int_div(size, number)


# ---- sizes that are demanded of arrays


class DemandedSizes(SpecifyShape):
    """x, whose sizes along `axes` are those that `what` demands: demanded(x, *sizes).

    declared: whether they are sizes that the user has declared.
    Raises: ShapeError (of a declared size: DeclaredShapeError) where they are others.
    """

    __props__ = ("axes", "what", "declared")

    def __init__(self, axes: Sequence[int], what: str, declared: bool) -> None:
        super().__init__(axes)
        self.what, self.declared = what, declared

    def __str__(self) -> str:
        return f"DemandedSizes{{{self.what}}}"

    def make_node(self, x: Any, *wanted: Any) -> Apply:
        x = as_tensor(x)
        scalars = [size_scalar(one, "a size") for one in wanted]
        pairs = list(zip(self.axes, scalars, strict=True))
        self.check(x, scalars, ())
        known = [one for one in pairs if isinstance(one[1], Constant)]
        shape = list(x.type.shape)
        for axis, one in known:
            shape[axis] = int(one.data)  # type: ignore[attr-defined]
        output = make_variable(TensorType(x.type.dtype, shape))
        return Apply(self, [x, *scalars], [output])

    def check(
        self, x: Variable, wanted: Sequence[Variable], beside: Sequence[Variable]
    ) -> None:
        """Raises: ShapeError where a known size is another; it shows x and `beside`."""
        for axis, one in zip(self.axes, wanted, strict=True):
            have = x.type.shape[axis]
            if isinstance(one, Constant) and have not in (None, int(one.data)):
                text = self.text(axis, int(one.data), have)
                operands = [operand_text(v) for v in (x, *beside)]
                raise self.kind(message(text, operands=operands))

    @property
    def kind(self) -> type[ShapeError]:
        return DeclaredShapeError if self.declared else ShapeError

    def text(self, axis: int, wanted: Any, have: Any = None) -> str:
        """What is wrong along an axis."""
        if have is None:
            return f"{self.what}: axis {axis} has another size than {wanted}"
        return f"{self.what}: axis {axis} has size {have}, not {wanted}"

    def infer_sizes(self, node: Apply, inputs: Shapes, sizes: Sizes) -> Shapes:
        shape = list(inputs[0])
        for axis, one in zip(self.axes, node.inputs[1:], strict=True):
            wanted = sizes.value(one)
            if self.declared:
                fits = views.combine("eq", shape[axis], wanted)
                number = views.known(wanted)
                text = self.text(axis, one if number is None else number)
                sizes.require(fits, text, self.kind)
                shape[axis] = wanted
            else:
                what = f"{self.what}, along axis {axis}"
                shape[axis] = sizes.equal(shape[axis], wanted, what)
        return [tuple(shape)]

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        for axis, one in zip(self.axes, arrays[1:], strict=True):
            have = arrays[0].shape[axis]
            if have != int(one):
                raise self.kind(self.text(axis, int(one), have))
        return [arrays[0]]

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        x, *sizes = inputs
        gradient = no_more_known(output_gradients[0], x)
        return [gradient, *[disconnected() for _ in sizes]]


def demand_sizes(
    x: Variable,
    wanted: Sequence[Any],
    what: str,
    declared: bool = False,
    beside: Sequence[Variable] = (),
) -> Variable:
    """x, checked to have these sizes (None: any) at once where known, else at a run.

    beside: other operands, which an error is to show.
    """
    named = [(axis, one) for axis, one in enumerate(wanted) if one is not None]
    scalars = [(axis, size_scalar(one, what)) for axis, one in named]
    left = [
        (axis, one) for axis, one in scalars
        if not isinstance(one, Constant) or x.type.shape[axis] != int(one.data)
    ]  # fmt: skip
    left = [(axis, one) for axis, one in left if not _is_size_of(one, x, axis)]
    if not left:
        return x
    op = DemandedSizes([axis for axis, _ in left], what, declared)
    op.check(x, [one for _, one in left], beside)
    result: Variable = op(x, *[one for _, one in left])
    return result


def _is_size_of(one: Variable, x: Variable, axis: int) -> bool:
    """Whether a variable is written as the size of x along that axis."""
    mine, its = shape_i(x, axis).owner, one.owner
    if mine is None or its is None:
        return False
    return mine.op == its.op and mine.inputs[0] is its.inputs[0]


def declared_shape(shape: Any, ndim: int, what: str) -> tuple[int | None, ...]:
    """A shape that a user declares: ints, constants or None, `ndim` of them; None: nothing
    is declared.

    Raises: ValueError for what is not constant, another number of sizes, or below 0.
    """
    if shape is None or (isinstance(shape, Sequence) and not shape):
        return (None,) * ndim
    if isinstance(shape, Variable):
        raise ValueError(
            message(
                f"{what} is a tuple of ints, constants or None",
                operands=[operand_text(shape)],
            )
        )
    sizes = tuple(shape)
    if len(sizes) != ndim:
        raise ValueError(f"{what} {sizes}: {ndim} sizes, or None, are expected")
    found: list[int | None] = []
    for one in sizes:
        if one is None:
            found.append(None)
            continue
        try:
            number = whole_number(scalar_constant(one), 0, what)
        except (NotScalarConstantError, TypeError):
            raise ValueError(
                f"{what} {sizes}: its sizes are ints, constants or None"
            ) from None
        found.append(number)
    return tuple(found)
