"""Parts of arrays: basic indexing by integers and slices, and writing to such parts.

Which bounds an index has is a property of the op, their values are its inputs.  Each axis
that is indexed has an entry in the pattern: "i" for an integer, and for a slice "a:b:c"
with the letter of each bound that is given: x[2:, :, k] has the pattern ("a::", "::", "i")
and the further inputs 2 and k.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from itertools import repeat
from typing import Any

import numpy as np

from symnet.errors import ShapeError, message
from symnet.graph.op import Gradients, Vars
from symnet.graph.origin import capture
from symnet.graph.types import TensorType
from symnet.graph.variables import (
    Apply,
    Constant,
    Variable,
    make_variable,
    operand_text,
)
from symnet.kernels.loopir import views
from symnet.kernels.loopir.scalars import Scalar
from symnet.kernels.loopir.views import Size, View
from symnet.ops.alloc import zeros_like
from symnet.ops.base import TensorOp, ViewOp, as_tensor, common_dtype, disconnected
from symnet.ops.elementwise import cast
from symnet.ops.lowerings import (
    Lowering,
    Reference,
    Shapes,
    Sizes,
    WritePart,
    has_arrays,
)
from symnet.ops.sizes import size_scalar, vector_elements

Pattern = tuple[str, ...]


def fill_pattern(pattern: Pattern, bounds: Iterable[Any]) -> list[Any]:
    """One item for each entry: the integer, or (start, stop, step) with None where absent."""
    rest = iter(bounds)
    return [
        next(rest)
        if entry == "i"
        else tuple(next(rest) if b else None for b in entry.split(":"))
        for entry in pattern
    ]


def idx_list(pattern: Pattern) -> list[Any]:
    """The index in Theano's form: a type in the place of each bound."""
    kind = TensorType("int64", ())
    filled = fill_pattern(pattern, repeat(kind))
    return [
        slice(*item, *[None] * (3 - len(item))) if isinstance(item, tuple) else item
        for item in filled
    ]


def static_sizes(
    op: object, pattern: Pattern, x: Variable, bounds: Sequence[Variable]
) -> list[int | None]:
    """What is known at once of the sizes of the part.

    Raises: IndexError for a position known to be out of range; ValueError for a step of 0.
    """
    if len(pattern) > x.type.ndim:
        what = f"{len(pattern)} indices for {operand_text(x)}"
        raise IndexError(message(what, operation=op))
    numbers = [int(b.data) if isinstance(b, Constant) else "?" for b in bounds]
    sizes: list[int | None] = []
    for axis, item in enumerate(fill_pattern(pattern, numbers)):
        length = x.type.shape[axis]
        if isinstance(item, tuple):
            if item[2] == 0:
                raise ValueError(
                    message("a slice has step 0", operands=[operand_text(x)])
                )
            sizes.append(_static_length(item, length))
        elif length is not None and item != "?" and not -length <= item < length:
            what = f"position {item} is out of range: axis {axis} has size {length}"
            shown = [operand_text(x)]
            raise IndexError(
                message(what, operation=op, operands=shown, origin=capture())
            )
    return [*sizes, *x.type.shape[len(pattern) :]]


def _static_length(item: tuple[Any, Any, Any], length: int | None) -> int | None:
    if item in ((None, None, None), (None, None, 1)):
        return length
    if length == 0:
        return 0
    if length is None or "?" in item:
        return None
    return len(range(*slice(*item).indices(length)))


def part_sizes(
    pattern: Pattern, have: Sequence[Size], bounds: Sequence[Size], sizes: Sizes
) -> tuple[Size, ...]:
    """The sizes of the part; demands that positions are in range and no step is 0."""
    result = []
    for axis, item in enumerate(fill_pattern(pattern, bounds)):
        if isinstance(item, tuple):
            start, stop, step = item
            if step is not None:
                not_zero = views.combine("ne", step, views.ZERO)
                sizes.require(not_zero, "a slice has step 0", ValueError)
            pace = views.ONE if step is None else step
            result.append(views.canonical_slice(start, stop, pace, have[axis])[2])
        else:
            what = f"a position is out of range along axis {axis}"
            low = views.combine("ge", item, views.subtract(views.ZERO, have[axis]))
            sizes.require(low, what, IndexError)
            sizes.require(views.combine("lt", item, have[axis]), what, IndexError)
    return (*result, *have[len(pattern) :])


def part_view(pattern: Pattern, view: View, bounds: Sequence[Size]) -> View:
    """The part of an array, as a view of it (positions are in range)."""
    axis = 0
    for item in fill_pattern(pattern, bounds):
        length = view.sizes[axis]
        if isinstance(item, tuple):
            start, stop, step = item
            pace = views.ONE if step is None else step
            first, pace, count = views.canonical_slice(start, stop, pace, length)
            view = view.sliced(axis, first, pace, count)
            axis += 1
        else:
            negative = views.combine("lt", item, views.ZERO)
            view = view.at(axis, views.choose(negative, views.add(item, length), item))
    return view


def numpy_index(pattern: Pattern, bounds: Sequence[Any]) -> tuple[Any, ...]:
    """The index as NumPy takes it: what is beyond int64 is beyond every array, too."""
    numbers = [min(int(bound), 2**63 - 1) for bound in bounds]
    items = fill_pattern(pattern, numbers)
    return tuple(slice(*item) if isinstance(item, tuple) else item for item in items)


class Subtensor(ViewOp):
    """The part of x at integers and slices: subtensor(x, *bounds).

    Shapes: an integer drops its axis; a slice keeps it, with Python's meaning of bounds
    that are negative or beyond the end.
    Raises: IndexError for an integer out of range; ValueError for a step of 0.
    """

    __props__ = ("pattern",)

    def __init__(self, pattern: Sequence[str]) -> None:
        self.pattern: Pattern = tuple(pattern)

    def __str__(self) -> str:
        return f"Subtensor{{{', '.join(self.pattern)}}}"

    @property
    def idx_list(self) -> list[Any]:
        """The index as Theano's operation has it: types, for what the inputs bring."""
        return idx_list(self.pattern)

    def make_node(self, x: Any, *bounds: Any) -> Apply:
        x = as_tensor(x)
        scalars = [size_scalar(b, "an index") for b in bounds]
        shape = static_sizes(self, self.pattern, x, scalars)
        return Apply(
            self, [x, *scalars], [make_variable(TensorType(x.type.dtype, shape))]
        )

    def infer_sizes(self, node: Apply, inputs: Shapes, sizes: Sizes) -> Shapes:
        bounds = [sizes.value(b) for b in node.inputs[1:]]
        return [part_sizes(self.pattern, inputs[0], bounds, sizes)]

    def view(self, node: Apply, view: View, sizes: Sizes) -> View:
        return part_view(self.pattern, view, [sizes.value(b) for b in node.inputs[1:]])

    def host(self, node: Apply, values: Sequence[Any], sizes: Sizes) -> Any:
        """A part of a short integer vector, where the bounds are numbers."""
        vector, bounds = values[0], values[1:]
        if not isinstance(vector, tuple) or not all(
            isinstance(b, Scalar) for b in bounds
        ):
            return vector if not self.pattern else None
        numbers = [views.known(b) for b in bounds]
        if None in numbers or len(self.pattern) > 1:
            return None
        index = numpy_index(self.pattern, numbers)
        return vector[index[0]] if index else vector

    def elements(self, node: Apply) -> list[Variable] | None:
        elements = vector_elements(node.inputs[0])
        bounds = [b.data for b in node.inputs[1:] if isinstance(b, Constant)]
        if (
            elements is None
            or len(bounds) < len(node.inputs) - 1
            or "i" in self.pattern
        ):
            return None
        index = numpy_index(self.pattern, bounds)
        return elements[index[0]] if index else elements

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        return [xp.asarray(arrays[0][numpy_index(self.pattern, arrays[1:])])]

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        x, *bounds = inputs
        increment = IncSubtensor(self.pattern, set=False)
        gradient = increment(zeros_like(x), output_gradients[0], *bounds)
        return [gradient, *[disconnected() for _ in bounds]]


class WriteOp(TensorOp):
    """An op whose output is x (its first input) with y (its second) written to a part.

    `set`: y replaces what is there, otherwise it is added.  The compiler copies x, or
    takes its memory where nobody else needs it, and then runs a loop over the part:
    `write_view` says which elements of x, in the order of the axes of y, which is
    broadcast (sizes known to be 1, and missing axes in front, are stretched).
    """

    set: bool

    def lowering(self, node: Apply) -> Lowering:
        adds = not self.set
        return WritePart(self.write_view, adds) if has_arrays(node) else Reference()

    def write_view(self, node: Apply, view: View, sizes: Sizes) -> View:
        """The part of x that is written, as a view of it."""
        raise NotImplementedError(str(self))

    def part_type(self, x: Variable, rest: Sequence[Variable]) -> TensorType:
        """The type of the part."""
        raise NotImplementedError(str(self))

    def written_sizes(
        self, node: Apply, inputs: Sequence[tuple[Size, ...]], sizes: Sizes
    ) -> tuple[Size, ...]:
        """The sizes of the part."""
        raise NotImplementedError(str(self))

    def write_node(self, x: Any, y: Any, rest: Sequence[Variable]) -> Apply:
        """The node, after checking that y fits into the part."""
        x = as_tensor(x)
        part = self.part_type(x, rest)
        y = fitting(self, x, as_tensor(y, truth=True), part.shape)
        return Apply(self, [x, y, *rest], [make_variable(x.type)])

    def infer_sizes(self, node: Apply, inputs: Shapes, sizes: Sizes) -> Shapes:
        part = self.written_sizes(node, inputs, sizes)
        y = node.inputs[1]
        for axis in range(-y.type.ndim, 0):
            if y.type.shape[axis] != 1:
                sizes.equal(
                    part[axis], inputs[1][axis], "the value written, and its place"
                )
        return [inputs[0]]


def fitting(op: Any, x: Variable, y: Variable, part: Sequence[int | None]) -> Variable:
    """y, cast to the dtype of x, after checking that it fits into a part of x.

    Raises: TypeError where its dtype would not fit into x's, or its rank is too high;
    ShapeError where known sizes contradict.
    """
    what = cure = ""
    kind: type[Exception] = TypeError
    strong = cast(x, x.type.dtype)
    wider = common_dtype([strong, y]) != x.type.dtype
    if wider and not _narrowed(op, x, y):
        what = f"cannot write {y.type.dtype} into {x.type.dtype}"
        cure = f"cast the value with .astype({x.type.dtype!r}), or the array written to"
    elif y.type.ndim > len(part):
        what = f"a value of rank {y.type.ndim} does not fit into a part of rank {len(part)}"
        kind = ValueError
    else:
        for axis in range(-y.type.ndim, 0):
            have, want = y.type.shape[axis], part[axis]
            if have not in (None, 1) and want not in (None, have):
                what = f"size {have} does not fit into size {want} along axis {len(part) + axis}"
                kind = ShapeError
    if what:
        operands = [operand_text(x), operand_text(y)]
        raise kind(message(what, operation=op, operands=operands, cure=cure))
    return cast(y, x.type.dtype)


class Narrowing:
    """Whether float64 is written into float32, and int64 into int8, as in Theano."""

    allowed = False


def _narrowed(op: Any, x: Variable, y: Variable) -> bool:
    """Whether y, of a wider dtype of the same kind, is written into x; warns where it is."""
    into = x.type.dtype
    if not Narrowing.allowed or not np.can_cast(y.type.dtype, into, "same_kind"):
        return False
    text = f"as in Theano, {y.type.dtype} is cast to {into} where it is written"
    cure = f"say so with .astype({into!r}), or make the array written to {y.type.dtype}"
    operands = [operand_text(x), operand_text(y)]
    warnings.warn(
        message(text, operation=op, operands=operands, origin=capture(), cure=cure),
        stacklevel=2,
    )
    return True


def check_fits(y: Variable, value: Any, part: Sequence[int]) -> None:
    """Sizes of the value written must be those of the part, where not known to be 1.

    Raises: ShapeError.
    """
    for axis in range(-value.ndim, 0):
        if y.type.shape[axis] != 1 and value.shape[axis] != part[axis]:
            raise ShapeError(
                message(
                    f"a value of shape {value.shape} does not fit into a part of shape "
                    f"{tuple(part)}",
                    cure="make the sizes equal; to stretch a size of 1 say so with "
                    "T.addbroadcast(y, axis)",
                )
            )


class IncSubtensor(WriteOp):
    """x with y written to (`set`) or added to a part: inc_subtensor(x, y, *bounds).

    The pattern is that of `Subtensor`.
    """

    __props__ = ("pattern", "set")
    inplace = False
    set_instead_of_inc = property(lambda self: self.set)  # by Theano's name

    def __init__(self, pattern: Sequence[str], set: bool = False) -> None:
        self.pattern: Pattern = tuple(pattern)
        self.set = bool(set)

    def __str__(self) -> str:
        return f"{'Set' if self.set else 'Inc'}Subtensor{{{', '.join(self.pattern)}}}"

    @property
    def idx_list(self) -> list[Any]:
        """The index as Theano's operation has it: types, for what the inputs bring."""
        return idx_list(self.pattern)

    def make_node(self, x: Any, y: Any, *bounds: Any) -> Apply:
        return self.write_node(x, y, [size_scalar(b, "an index") for b in bounds])

    def part_type(self, x: Variable, rest: Sequence[Variable]) -> TensorType:
        return TensorType(x.type.dtype, static_sizes(self, self.pattern, x, rest))

    def written_sizes(
        self, node: Apply, inputs: Sequence[tuple[Size, ...]], sizes: Sizes
    ) -> tuple[Size, ...]:
        bounds = [sizes.value(b) for b in node.inputs[2:]]
        return part_sizes(self.pattern, inputs[0], bounds, sizes)

    def write_view(self, node: Apply, view: View, sizes: Sizes) -> View:
        return part_view(self.pattern, view, [sizes.value(b) for b in node.inputs[2:]])

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        x, y, *bounds = arrays
        result = xp.array(x)
        index = numpy_index(self.pattern, bounds)
        check_fits(node.inputs[1], y, result[index].shape)
        if self.set:
            result[index] = y
        else:
            result[index] += y
        return [result]

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        """The gradient of y is at the part's shape: `gradient` undoes broadcasting."""
        gradient, bounds = output_gradients[0], inputs[2:]
        part = Subtensor(self.pattern)(gradient, *bounds)
        if self.set:
            gradient = self(gradient, 0, *bounds)
        return [gradient, part, *[disconnected() for _ in bounds]]
