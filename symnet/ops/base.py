"""What every operation is made of: the base of ops, conversion to variables, dtypes, sizes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any, ClassVar, TypeVar

import numpy as np

from symnet.config import config
from symnet.errors import (
    AsTensorError,
    AxisError,
    EmptyConstantError,
    NotScalarConstantError,
    ShapeError,
    message,
)
from symnet.graph.entering import as_plain
from symnet.graph.object_types import holds_objects
from symnet.graph.op import Gradients, Op, Vars
from symnet.graph.types import COMPLEX, FLOATS, DisconnectedType, TensorType
from symnet.graph.variables import (
    Apply,
    Constant,
    Variable,
    make_variable,
    operand_text,
)
from symnet.kernels.loopir.scalars import Scalar
from symnet.kernels.loopir.views import View
from symnet.ops.lowerings import (
    Host,
    Lowering,
    Read,
    Reference,
    Shapes,
    Sizes,
    ViewOf,
    has_arrays,
    point_loop,
)

ListJoin = TypeVar("ListJoin", bound=Callable[..., Variable])


class TensorOp(Op):
    """An op on tensors: what it must say, and what it may."""

    __props__: ClassVar[tuple[str, ...]] = ()

    def infer_sizes(self, node: Apply, inputs: Shapes, sizes: Sizes) -> Shapes | None:
        """The sizes of the outputs from those of the inputs; None: only a run can tell."""
        return None

    def host(
        self, node: Apply, values: Sequence[Host | None], sizes: Sizes
    ) -> Host | None:
        """The outputs' value from those of the inputs, as host integers, where they are
        integer scalars or short vectors that are known before a run; else None."""
        return None

    def elements(self, node: Apply) -> Sequence[Variable] | None:
        """The scalars of which the output, a vector, consists, where its making shows
        them."""
        return None

    def lowering(self, node: Apply) -> Lowering:
        """How the outputs are made: see `ops.lowerings`."""
        return Reference()

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        raise NotImplementedError(f"{self} has no reference evaluation")


class SameShape(TensorOp):
    """An op whose only output has the sizes of its first input."""

    def infer_sizes(self, node: Apply, inputs: Shapes, sizes: Sizes) -> Shapes:
        return [inputs[0]]


class NoGradient(TensorOp):
    """An op whose inputs only decide sizes, positions, or what is drawn."""

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        return [disconnected() for _ in inputs]


def disconnected() -> Variable:
    """The gradient with respect to what only decides sizes or positions."""
    return make_variable(DisconnectedType())


class ViewOp(TensorOp):
    """An op whose output shows the elements of its first input in other places."""

    view_map: ClassVar[dict[int, list[int]]] = {0: [0]}

    def lowering(self, node: Apply) -> Lowering:
        return ViewOf(self.views)

    def views(self, node: Apply, view: View, sizes: Sizes) -> Sequence[View] | None:
        """The outputs as views of the first input; None where a copy is needed."""
        output = self.view(node, view, sizes)
        return None if output is None else [output]

    def view(self, node: Apply, view: View, sizes: Sizes) -> View | None:
        """The same, of an op with one output."""
        raise NotImplementedError(str(self))


class PointOp(TensorOp):
    """An op whose output at each point is a formula of its inputs' elements.

    Example, x[::-1] of a vector:
        def point(self, node, reads, index):
            (x,) = reads
            return x.at([x.sizes[0] - 1 - index[0]])
    """

    def lowering(self, node: Apply) -> Lowering:
        return point_loop(self.point, node) if has_arrays(node) else Reference()

    def point(
        self, node: Apply, reads: Sequence[Read], index: Sequence[Scalar]
    ) -> Scalar:
        """The output's element; `index` holds the int64 counters of the output's axes."""
        raise NotImplementedError(str(self))


def lowering_of(node: Apply) -> Lowering:
    """How any node's outputs are made; those of ops that users write, by the op.  A node
    never changes, so that its op is asked once."""
    if node._lowering is None:
        own = isinstance(node.op, TensorOp)
        node._lowering = node.op.lowering(node) if own else Reference()
    return node._lowering  # type: ignore[no-any-return]


# ---- from values to variables


def as_tensor(
    value: Any,
    name: str | None = None,
    ndim: int | None = None,
    truth: bool = False,
) -> Variable:
    """`value` as a tensor variable.

    Python numbers become weak constants: alone int64, floatX or complex128, beside
    arrays of the arrays' dtype; integers of more than 64 bits are floats.  NumPy arrays keep
    their dtype.  Lists that hold variables are stacked, as T.stack does it.
    truth: whether True and False are numbers here, as beside a variable in `x * True`.
        Where a variable is expected they are what `a == b` gave by mistake.
    Raises: AsTensorError for what is no number, array or tensor variable.
    """
    if isinstance(value, Variable):
        variable = value
    elif isinstance(value, bool) and not truth:
        raise AsTensorError(
            message(
                f"expected a symbolic variable or an array, got Python's {value}",
                cure="`==` and `!=` between variables ask whether they are the same object: "
                "T.eq(a, b) and T.neq(a, b) compare their values; if the number is meant, "
                "write T.constant(True)",
            )
        )
    elif isinstance(value, (list, tuple)) and holds_variable(value):
        variable = _joining_lists[0](value)
    else:
        variable = constant(value)
    if not isinstance(variable.type, TensorType):
        what = f"{variable} of type {variable.type} is not a tensor"
        cure = getattr(variable.type, "to_tensor", "")
        raise AsTensorError(message(what, origin=variable.origin, cure=cure))
    if name is not None and variable.name is None:
        variable.name = name
    if ndim is not None and variable.type.ndim != ndim:
        raise AsTensorError(f"expected rank {ndim}, got {operand_text(variable)}")
    return variable


def as_value(value: Any) -> Variable:
    """`value` as a tensor variable, or a variable of objects of Python as it is.

    Raises: as `as_tensor`.
    """
    if isinstance(value, Variable) and holds_objects(value.type):
        return value
    return as_tensor(value, truth=True)


_joining_lists: list[Callable[[Sequence[Any]], Variable]] = []


def joins_lists(function: ListJoin) -> ListJoin:
    """Make lists that hold variables into arrays by this function.

    It is made of operations, which stand above this module.
    """
    _joining_lists[:] = [function]
    return function


def holds_variable(value: Any) -> bool:
    """Whether a variable is anywhere in nested lists."""
    if isinstance(value, (list, tuple)):
        return any(map(holds_variable, value))
    return isinstance(value, Variable)


def constant(
    x: Any,
    name: str | None = None,
    ndim: int | None = None,
    dtype: str | None = None,
) -> Constant:
    """A constant variable.  Without dtype a Python number is weak (see `as_tensor`).

    >>> T.constant(2.5).eval()
    array(2.5)
    """
    x = as_plain(x)
    weak = dtype is None and isinstance(x, (bool, int, float, complex))
    try:
        if weak and isinstance(x, int) and not -(2**63) <= x < 2**64:
            x = float(x)
        if weak:
            dtype = weak_default(x)
        with np.errstate(over="ignore"):  # infinite as a floatX, perhaps not later
            array = np.asarray(x, dtype=None if dtype == "floatX" else dtype)
    except (TypeError, ValueError, OverflowError) as error:
        raise AsTensorError(f"{x!r:.80} is not an array of numbers: {error}") from None
    if dtype == "floatX" or (dtype is None and isinstance(x, (list, tuple))):
        array = array.astype(_list_dtype(array, dtype))
    if array.dtype.kind not in "biufc":
        text = f"{x!r:.80} ({type(x).__name__}) is not numeric"
        lazily = isinstance(x, Iterator)
        raise AsTensorError(message(text, cure="list(values)") if lazily else text)
    if ndim is not None and array.ndim < ndim:
        array = array.reshape((1,) * (ndim - array.ndim) + array.shape)
    number = x if weak else None
    return Constant(TensorType(array.dtype, array.shape), array, name, number)


def _list_dtype(array: np.ndarray[Any, Any], dtype: str | None) -> np.dtype[Any]:
    """Lists of Python floats are floatX."""
    if dtype == "floatX" or array.dtype == np.float64:
        return np.dtype(config.floatX)
    own: np.dtype[Any] = array.dtype
    return own


def weak_default(value: Any) -> str:
    """The dtype of a Python number that meets nothing stronger."""
    if isinstance(value, (bool, np.bool_)):
        return "bool"
    if isinstance(value, int):
        return "int64" if -(2**63) <= value < 2**63 else "uint64"
    return config.floatX if isinstance(value, float) else "complex128"


def constant_value(variable: Variable) -> np.ndarray[Any, Any] | None:
    """The array of a constant, else None."""
    return variable.data if isinstance(variable, Constant) else None


def scalar_constant(variable: Any) -> Any:
    """The number in a constant of one element.  Raises: NotScalarConstantError.

    >>> T.get_scalar_constant_value(T.constant(3))
    np.int64(3)
    """
    data = variable.data if isinstance(variable, Constant) else variable
    if isinstance(data, Variable) or np.size(data) != 1:
        empty = not isinstance(data, Variable) and np.size(data) == 0
        error = EmptyConstantError if empty else NotScalarConstantError
        raise error(f"{variable} is not a constant of one element")
    return np.asarray(data).reshape(())[()]


# ---- dtypes


# Reference evaluation adds sums of so many terms up in more digits: NumPy and BLAS add one
# by one along some axes, with an error that grows with the length.
LONG_SUM, LONG_PRODUCT = 128, 512
WIDER = {"float32": "float64", "complex64": "complex128"}


def upcast(*dtypes: str) -> str:
    """The dtype that holds them all, by `config.cast_policy`."""
    floats_grow = config.cast_policy != "numpy+floatX" or config.floatX == "float64"
    return _upcast(dtypes, None if floats_grow else config.floatX)


@cache
def _upcast(dtypes: tuple[str, ...], small: str | None) -> str:
    """`small`: what a float64 becomes that no operand had; None: it stays."""
    result = str(np.result_type(*dtypes).name)
    if (
        small is None
        or result != "float64"
        or "float64" in dtypes
        or "complex128" in dtypes
    ):
        return result
    return str(np.result_type(small, *[d for d in dtypes if d in FLOATS]).name)


def to_float(dtype: str) -> str:
    """The dtype of a quotient or mean of `dtype`: floatX of integers; but float32 of
    small ones where floatX is float16."""
    if dtype in FLOATS or dtype in COMPLEX:
        return dtype
    small = np.dtype(dtype).itemsize <= 2
    return "float32" if small and config.floatX != "float64" else config.floatX


def float_of(variables: Sequence[Variable]) -> str:
    """The dtype of a float function: float32 of integers of up to 16 bits, which it holds
    exactly; floatX of others, and of Python's numbers."""
    dtype = common_dtype(variables)
    small = dtype not in FLOATS + COMPLEX and np.dtype(dtype).itemsize <= 2
    numbers = all(isinstance(v, Constant) and v.weak for v in variables)
    return "float32" if small and not numbers else to_float(dtype)


def common_dtype(inputs: Sequence[Variable]) -> str:
    """The dtype in which inputs are combined; weak constants follow the others.

    A Python int beside booleans is int64 (uint64 from 2**63 on), beside integers their
    dtype where it fits; a Python float beside integers is floatX; a complex beside floats
    their complex.
    """
    weak = [v for v in inputs if isinstance(v, Constant) and v.weak]
    if len(weak) == len(inputs):
        return upcast(*(v.type.dtype for v in weak))
    strong = [v.type.dtype for v in inputs if not (weak and v in weak)]
    dtype: str = strong[0]
    if strong.count(dtype) < len(strong):
        dtype = upcast(*strong)
    for number in weak:
        dtype = _meet(dtype, number)
    return dtype


def _meet(dtype: str, number: Constant) -> str:
    kind, have = number.data.dtype.kind, np.dtype(dtype).kind
    if kind == "b" or have == "c":
        return dtype
    if kind == "c":
        return "complex64" if dtype in ("float16", "float32") else "complex128"
    if kind == "f":
        return dtype if have == "f" else config.floatX
    if have == "b":
        return "int64" if number.data.dtype != "uint64" else "uint64"
    if have in "iu" and not _fits(int(number.data), dtype):
        return upcast(dtype, _smallest(int(number.data), have))
    return dtype


def _smallest(value: int, kind: str) -> str:
    """The smallest integer dtype that holds `value`; a signed one (kind "i") if any."""
    if kind == "i" and 0 <= value < 2**63:
        value = -value - 1
    return str(np.min_scalar_type(value).name)


def _fits(value: int, dtype: str) -> bool:
    limits = np.iinfo(dtype)
    return bool(limits.min <= value <= limits.max)


# ---- static shapes


def broadcast_shapes(
    shapes: Sequence[tuple[int | None, ...]],
    operation: object,
    inputs: Sequence[Variable],
) -> tuple[int | None, ...]:
    """The shape of arrays combined element by element, aligned at the last axis.

    A size known to be 1 stretches; one not known (None) must turn out equal to the rest.
    Raises: ShapeError where known sizes contradict.
    """
    if shapes and all(shape == shapes[0] for shape in shapes):
        return shapes[0]
    rank = max(map(len, shapes), default=0)
    result: list[int | None] = []
    for axis in range(-rank, 0):
        sizes = [s[axis] for s in shapes if len(s) >= -axis and s[axis] != 1]
        numbers = {n for n in sizes if n is not None}
        if len(numbers) > 1:
            raise ShapeError(mismatch(operation, inputs, rank + axis, sorted(numbers)))
        result.append(numbers.pop() if numbers else (None if sizes else 1))
    return tuple(result)


def mismatch(
    operation: object, inputs: Sequence[Variable], axis: int, numbers: Sequence[int]
) -> str:
    return message(
        f"sizes do not agree along axis {axis}: {' and '.join(map(str, numbers))}",
        operation=operation,
        operands=[operand_text(v) for v in inputs],
        cure="make the sizes equal, or insert an axis of size 1 (dimshuffle) to broadcast",
    )


def normalize_axis(axis: Any, ndim: int, operation: object) -> int:
    """An axis counted from the front.  Raises: ValueError where there is none such."""
    if type(axis) is int and 0 <= axis < ndim:
        return axis
    if isinstance(axis, Constant):
        axis = scalar_constant(axis)
    if isinstance(axis, Variable):
        raise TypeError(
            message(
                f"{operation}: an axis is an int, known while the graph is made",
                operands=[operand_text(axis)],
            )
        )
    if isinstance(axis, np.ndarray) and axis.ndim == 0:
        axis = axis[()]
    number = isinstance(axis, (int, float, np.number)) and not isinstance(axis, bool)
    if not number or axis % 1 != 0:
        raise TypeError(f"{operation}: an axis is an int, not {axis!r}")
    if not -ndim <= axis < ndim:
        raise AxisError(f"{operation}: no axis {axis} in an array of rank {ndim}")
    return int(axis) % ndim


def normalize_axes(axis: Any, ndim: int, operation: object) -> tuple[int, ...]:
    """Axes in order: None means all; an int, or a sequence without repeats.

    Raises: ValueError for an axis that does not exist or is named twice.
    """
    if axis is None or (isinstance(axis, Constant) and axis.data is None):
        return tuple(range(ndim))
    if isinstance(axis, Constant) and axis.type.ndim == 1:
        axis = axis.data.tolist()
    axis = axis.tolist() if isinstance(axis, np.ndarray) else axis
    several = isinstance(axis, (tuple, list, range, set, frozenset))
    found = [normalize_axis(a, ndim, operation) for a in (axis if several else [axis])]
    if len(set(found)) < len(found):
        raise ValueError(f"{operation}: axis named twice in {axis!r}")
    return tuple(sorted(found))
