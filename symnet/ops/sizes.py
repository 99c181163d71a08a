"""Sizes as variables: the shape of an array, vectors of sizes, what is known of sizes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np

from symnet.errors import DeclaredShapeError, message
from symnet.graph.op import Gradients, Vars
from symnet.graph.types import INTEGERS, TensorType
from symnet.graph.variables import (
    Apply,
    Constant,
    Variable,
    make_variable,
    operand_text,
)
from symnet.kernels.loopir import scalars as loops
from symnet.kernels.loopir import views
from symnet.kernels.loopir.scalars import Scalar
from symnet.kernels.loopir.views import View
from symnet.ops.base import (
    NoGradient,
    PointOp,
    SameShape,
    TensorOp,
    ViewOp,
    as_tensor,
    common_dtype,
    constant,
    disconnected,
    normalize_axis,
)
from symnet.ops.elementwise import cast
from symnet.ops.lowerings import (
    HostValue,
    Lowering,
    Read,
    Reference,
    Shapes,
    Sizes,
    has_arrays,
)


class Shape(NoGradient):
    """The shape of x as an int64 vector.

    >>> x = T.dmatrix("x")
    >>> T.Shape()(x).eval({x: np.zeros((2, 5))})
    array([2, 5])
    """

    def make_node(self, x: Any) -> Apply:
        x = as_tensor(x)
        return Apply(self, [x], [make_variable(TensorType("int64", (x.type.ndim,)))])

    def infer_sizes(self, node: Apply, inputs: Shapes, sizes: Sizes) -> Shapes:
        return [(views.size(node.inputs[0].type.ndim),)]

    def lowering(self, node: Apply) -> Lowering:
        return HostValue() if has_arrays(node) else Reference()

    def host(self, node: Apply, values: Sequence[Any], sizes: Sizes) -> Any:
        return tuple(sizes.sizes_of(node.inputs[0]))

    def elements(self, node: Apply) -> list[Variable]:
        return sizes_of(node.inputs[0])

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[False]]  # a size does not depend on the elements

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        return [xp.asarray(arrays[0].shape, dtype="int64")]


class ShapeI(NoGradient):
    """The size of x along axis `i`, as an int64 scalar."""

    __props__ = ("i",)

    def __init__(self, i: int) -> None:
        self.i = int(i)

    def make_node(self, x: Any) -> Apply:
        x = as_tensor(x)
        if not 0 <= self.i < x.type.ndim:
            raise TypeError(f"{self}: no axis {self.i} in {operand_text(x)}")
        return Apply(self, [x], [make_variable(TensorType("int64", ()))])

    def infer_sizes(self, node: Apply, inputs: Shapes, sizes: Sizes) -> Shapes:
        return [()]

    def lowering(self, node: Apply) -> Lowering:
        return HostValue() if has_arrays(node) else Reference()

    def host(self, node: Apply, values: Sequence[Any], sizes: Sizes) -> Any:
        return sizes.sizes_of(node.inputs[0])[self.i]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[False]]  # a size does not depend on the elements

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        return [xp.asarray(arrays[0].shape[self.i], dtype="int64")]


class MakeVector(PointOp):
    """The vector of its scalar inputs, all cast to `dtype`."""

    __props__ = ("dtype",)

    def __init__(self, dtype: str = "int64") -> None:
        self.dtype = TensorType(dtype).dtype

    def make_node(self, *elements: Any) -> Apply:
        scalars = [cast(as_tensor(e, ndim=0), self.dtype) for e in elements]
        return Apply(
            self, scalars, [make_variable(TensorType(self.dtype, (len(scalars),)))]
        )

    def infer_sizes(self, node: Apply, inputs: Shapes, sizes: Sizes) -> Shapes:
        return [(views.size(len(node.inputs)),)]

    def host(self, node: Apply, values: Sequence[Any], sizes: Sizes) -> Any:
        return None if any(v is None for v in values) else tuple(values)

    def elements(self, node: Apply) -> list[Variable]:
        return node.inputs

    def point(
        self, node: Apply, reads: Sequence[Read], index: Sequence[Scalar]
    ) -> Scalar:
        if not reads:
            return loops.literal(0, self.dtype)
        value = reads[-1].here()
        for k in reversed(range(len(reads) - 1)):
            here = loops.call("eq", index[0], views.size(k))
            value = loops.select(here, reads[k].here(), value)
        return value

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        vector = xp.empty(len(arrays), dtype=self.dtype)
        for k, array in enumerate(arrays):
            vector[k] = array
        return [vector]

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        if self.dtype in INTEGERS or self.dtype == "bool":
            return [None] * len(inputs)
        gradient: Any = output_gradients[0]
        return [gradient[k] for k in range(len(inputs))]


def make_vector(elements: Sequence[Any], dtype: str | None = None) -> Variable:
    """The vector of scalars (numbers or variables); a constant where they all are."""
    scalars = [as_tensor(e, ndim=0) for e in elements]
    if dtype is None:
        dtype = common_dtype(scalars) if scalars else "int64"
    numbers = [s.data for s in scalars if isinstance(s, Constant)]
    if len(numbers) == len(scalars):
        return constant(np.array(numbers, dtype=dtype))
    return MakeVector(dtype)(*scalars)


def shape(x: Any) -> Variable:
    """The shape of x as an int64 vector.  What is known of it is known of its elements.

    >>> T.shape([[1, 2, 3]]).eval()
    array([1, 3])
    """
    return Shape()(as_tensor(x))


def shape_i(x: Any, i: int) -> Variable:
    """The size of x along axis i as an int64 scalar; a constant where it is known."""
    variable = as_tensor(x)
    axis = normalize_axis(i, variable.type.ndim, "shape_i")
    number = variable.type.shape[axis]
    if number is not None:
        return size_constant(number)
    return _size_along(axis)(variable)


@lru_cache(maxsize=64)
def _size_along(axis: int) -> ShapeI:
    """One op for each axis: many sizes are asked for, and ops are told apart by identity
    first."""
    return ShapeI(axis)


def sizes_of(x: Variable) -> list[Variable]:
    """The size along each axis of x, as int64 scalars."""
    return [shape_i(x, axis) for axis in range(x.type.ndim)]


def vector_elements(vector: Variable) -> list[Variable] | None:
    """The scalars that a vector consists of, where its making shows them, else None."""
    if isinstance(vector, Constant) and vector.type.ndim == 1:
        if vector.type.dtype == "int64":
            return [size_constant(int(element)) for element in vector.data]
        return [constant(element) for element in vector.data]
    node = vector.owner
    if node is None or not isinstance(node.op, TensorOp):
        return None
    found = node.op.elements(node)
    return None if found is None else list(found)


def get_vector_length(v: Any) -> int:
    """The number of elements of a vector.  Raises: ValueError where it is not known.

    >>> T.get_vector_length(T.constant([1, 2, 3]))
    3
    """
    vector = as_tensor(v)
    if vector.type.ndim != 1:
        raise TypeError(f"get_vector_length takes a vector, not {operand_text(vector)}")
    if vector.type.shape[0] is None:
        raise ValueError(f"the length of {operand_text(vector)} is not known")
    return int(vector.type.shape[0])


@lru_cache(maxsize=4096)
def size_constant(number: int) -> Constant:
    """The one int64 constant of that value (sizes and positions are made again and again)."""
    return constant(np.array(number, dtype="int64"))


def size_scalar(value: Any, what: str) -> Variable:
    """A number or scalar variable that is to be a size or position, as an integer scalar.

    Raises: TypeError for booleans, floats and arrays.
    """
    if type(value) is int:
        return size_constant(value)
    variable = as_tensor(value)
    if variable.type.ndim != 0 or variable.type.dtype not in INTEGERS:
        raise TypeError(
            message(
                f"{what} is an integer, not {operand_text(variable)}",
                cure="give an int or an integer scalar; cast a float with .astype('int64')",
            )
        )
    if isinstance(variable, Constant):
        return size_constant(int(variable.data))
    return variable


def size_vector(sizes: Any, what: str = "a size") -> Variable:
    """Sizes (an integer, a sequence of integers, or an integer vector) as an int64 vector.

    Raises: TypeError for what is no integer, and for a rank above 1.
    """
    if isinstance(sizes, (tuple, list)):
        return make_vector([size_scalar(s, what) for s in sizes], "int64")
    vector = as_tensor(sizes)
    if vector.type.ndim == 0:
        return make_vector([size_scalar(vector, what)], "int64")
    empty = vector.type.shape == (0,)
    if vector.type.ndim != 1 or (vector.type.dtype not in INTEGERS and not empty):
        raise TypeError(
            f"{what}: expected an integer vector, got {operand_text(vector)}"
        )
    made = vector.owner is not None and isinstance(vector.owner.op, MakeVector)
    if made and vector.type.dtype == "int64":
        return vector
    elements = vector_elements(vector)
    return cast(vector, "int64") if elements is None else make_vector(elements, "int64")


def static_sizes(vector: Variable, ndim: int) -> list[int | None]:
    """What is known at once of the numbers in a vector of that length."""
    elements = vector_elements(vector)
    if elements is None:
        return [None] * ndim
    return [int(e.data) if isinstance(e, Constant) else None for e in elements]


# ---- what is known of sizes


class SpecifyShape(ViewOp):
    """`x`, whose sizes along `axes` are known to be those given: specify(x, *sizes).

    Raises: DeclaredShapeError where they are others.
    """

    __props__: ClassVar[tuple[str, ...]] = ("axes",)
    size_error = DeclaredShapeError

    def __init__(self, axes: Sequence[int]) -> None:
        self.axes = tuple(axes)

    def make_node(self, x: Any, *sizes: Any) -> Apply:
        x = as_tensor(x)
        scalars = [size_scalar(s, "a size") for s in sizes]
        shape = list(x.type.shape)
        for axis, one in zip(self.axes, scalars, strict=True):
            number = int(one.data) if isinstance(one, Constant) else shape[axis]
            if shape[axis] not in (None, number):
                what = f"axis {axis} has size {shape[axis]}, not {number}"
                raise DeclaredShapeError(
                    message(what, operation=self, operands=[operand_text(x)])
                )
            shape[axis] = number
        return Apply(
            self, [x, *scalars], [make_variable(TensorType(x.type.dtype, shape))]
        )

    def infer_sizes(self, node: Apply, inputs: Shapes, sizes: Sizes) -> Shapes:
        shape = list(inputs[0])
        for axis, one in zip(self.axes, node.inputs[1:], strict=True):
            shape[axis] = sizes.equal(shape[axis], sizes.value(one), f"axis {axis}")
        return [tuple(shape)]

    def view(self, node: Apply, view: View, sizes: Sizes) -> View:
        return view

    def host(self, node: Apply, values: Sequence[Any], sizes: Sizes) -> Any:
        return values[0]

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        for axis, one in zip(self.axes, arrays[1:], strict=True):
            if arrays[0].shape[axis] != int(one):
                raise DeclaredShapeError(
                    f"axis {axis} has size {arrays[0].shape[axis]}, not {int(one)}"
                )
        return [arrays[0]]

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        return [output_gradients[0], *[disconnected() for _ in inputs[1:]]]


class ForgetShape(SameShape, ViewOp):
    """`x`, with nothing known of its sizes along `axes` (so they no longer broadcast)."""

    __props__ = ("axes",)

    def __init__(self, axes: Sequence[int]) -> None:
        self.axes = tuple(axes)

    def make_node(self, x: Any) -> Apply:
        x = as_tensor(x)
        shape = [None if k in self.axes else n for k, n in enumerate(x.type.shape)]
        return Apply(self, [x], [make_variable(TensorType(x.type.dtype, shape))])

    def view(self, node: Apply, view: View, sizes: Sizes) -> View:
        return view

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        return [arrays[0]]

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        known = [k for k in self.axes if inputs[0].type.shape[k] == 1]
        return [add_broadcast(output_gradients[0], *known)]


def specify_shape(x: Any, shape: Any) -> Variable:
    """`x`, checked to have `shape`: a sequence of integers or None, or an integer vector.

    A variable of another type says itself how it is checked, as a sparse one.
    Raises: DeclaredShapeError, a ValueError and an AssertionError, where x has another.

    >>> T.specify_shape(T.dmatrix(), (3, None)).type.shape
    (3, None)
    """
    if isinstance(x, Variable) and x.rules_operators and hasattr(x, "specify_shape"):
        checked: Variable = x.specify_shape(shape)
        return checked
    variable = as_tensor(x)
    ndim = variable.type.ndim
    wanted: Sequence[Any]
    if isinstance(shape, (tuple, list)):
        wanted = shape
    else:
        vector: Any = size_vector(shape)
        if (
            vector.type.shape[0] is None
        ):  # of another length it says of x what is not so
            vector = SpecifyShape((0,))(vector, ndim)
        wanted = vector_elements(vector) or [vector[k] for k in range(ndim)]
    if len(wanted) != ndim:
        raise DeclaredShapeError(
            f"specify_shape: {len(wanted)} sizes for {operand_text(variable)}"
        )
    named = {
        axis: size_scalar(one, "a size")
        for axis, one in enumerate(wanted)
        if one is not None
    }
    open_axes = [
        axis for axis, one in named.items()
        if not isinstance(one, Constant) or variable.type.shape[axis] != int(one.data)
    ]  # fmt: skip
    if not open_axes:
        return variable
    return SpecifyShape(open_axes)(variable, *[named[axis] for axis in open_axes])


def add_broadcast(x: Any, *axes: int) -> Variable:
    """`x`, whose sizes along `axes` are known (and at a run checked) to be 1.

    >>> T.addbroadcast(T.dmatrix(), 1).type.shape
    (None, 1)
    """
    variable = as_tensor(x)
    wanted: list[int | None] = [None] * variable.type.ndim
    for axis in axes:
        wanted[normalize_axis(axis, variable.type.ndim, "addbroadcast")] = 1
    return specify_shape(variable, wanted)


def unbroadcast(x: Any, *axes: int) -> Variable:
    """`x`, whose sizes along `axes` no longer count as known to be 1.

    >>> T.unbroadcast(T.col(), 1).type.shape
    (None, None)
    """
    variable = as_tensor(x)
    named = [normalize_axis(axis, variable.type.ndim, "unbroadcast") for axis in axes]
    open_axes = sorted({axis for axis in named if variable.type.shape[axis] == 1})
    if not open_axes:
        return variable
    return ForgetShape(open_axes)(variable)


def patternbroadcast(x: Any, broadcastable: Sequence[bool]) -> Variable:
    """`x` with exactly the sizes where `broadcastable` is True known to be 1; axes behind
    its last stay as they are.

    >>> T.patternbroadcast(T.dmatrix(), (False, True)).type.shape
    (None, 1)
    """
    variable = as_tensor(x)
    if len(broadcastable) > variable.type.ndim:
        raise ValueError(
            f"patternbroadcast: {broadcastable} for {operand_text(variable)}"
        )
    ones = [axis for axis, one in enumerate(broadcastable) if one]
    others = [axis for axis, one in enumerate(broadcastable) if not one]
    return unbroadcast(add_broadcast(variable, *ones), *others)


def convert_variable(self: TensorType, var: Variable) -> Variable | None:
    """`var` as a variable of this type: itself, or without the knowledge that a size is 1
    which the type has not.  None where not every value of `var` is one of the type.

    >>> T.dmatrix.convert_variable(T.drow()).type.shape
    (None, None)
    >>> T.drow.convert_variable(T.dmatrix()) is None
    True
    """
    have = var.type
    if not isinstance(have, TensorType) or (self.dtype, self.ndim) != (
        have.dtype,
        have.ndim,
    ):
        return None
    pairs = list(zip(self.shape, have.shape, strict=True))
    if any(want not in (None, known) for want, known in pairs):
        return None
    return unbroadcast(var, *(k for k, (want, _) in enumerate(pairs) if want is None))


TensorType.convert_variable = convert_variable


class Rebroadcast:
    """Theano's name for both: `Rebroadcast((0, True), (1, False))(x)` knows that axis 0
    has size 1, and nothing of axis 1.

    Raises: ValueError for what is no pair of an axis and a truth value.

    >>> x = T.dmatrix("x")
    >>> T.Rebroadcast((0, True))(x).broadcastable
    (True, False)
    """

    def __init__(self, *axis: tuple[int, bool]) -> None:
        for pair in axis:
            if not (isinstance(pair, tuple) and len(pair) == 2):
                raise ValueError(
                    f"Rebroadcast takes pairs (axis, True), not {pair!r:.60}"
                )
        self.axis = dict(axis)

    def __call__(self, x: Any) -> Variable:
        closed = [axis for axis, one in self.axis.items() if one]
        opened = [axis for axis, one in self.axis.items() if not one]
        return unbroadcast(add_broadcast(x, *closed), *opened)


addbroadcast = add_broadcast
