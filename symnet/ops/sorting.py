"""Order: sorting, the largest elements, places in order, distinct elements, counts.

Rows are sorted by NumPy's C functions, called natively.  Distinct elements and counts have
sizes that only their values tell: they run as reference steps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from symnet.errors import message
from symnet.graph.op import Gradients, Op, Vars
from symnet.graph.types import INTEGERS, DisconnectedType, TensorType
from symnet.graph.variables import (
    Apply,
    Constant,
    Variable,
    make_variable,
    operand_text,
)
from symnet.kernels.loopir import views
from symnet.kernels.routines import Largest, Ordering, Places
from symnet.ops.alloc import zeros_like
from symnet.ops.base import (
    NoGradient,
    SameShape,
    TensorOp,
    as_tensor,
    common_dtype,
    disconnected,
    normalize_axis,
)
from symnet.ops.elementwise import cast
from symnet.ops.indexing import getitem, inc_subtensor, take
from symnet.ops.joining import stack
from symnet.ops.lowerings import CallOf, Lowering, Shapes, Sizes
from symnet.ops.methods import method
from symnet.ops.picks import take_along_axis
from symnet.ops.reshape import flatten
from symnet.ops.shape import swapaxes
from symnet.ops.sizes import size_scalar

__all__ = [
    "argsort", "argtopk", "bincount", "searchsorted", "sort", "topk",
    "topk_and_argtopk", "unique",
]  # fmt: skip


NO_MEMORY = "there is no memory for the rows that are sorted"


class RowsInOrder(SameShape):
    """What orders the elements along the last axis."""

    positions: ClassVar[bool]

    def make_node(self, x: Any) -> Apply:
        x = as_tensor(x)
        dtype = "int64" if self.positions else x.type.dtype
        return Apply(self, [x], [make_variable(TensorType(dtype, x.type.shape))])

    def lowering(self, node: Apply) -> Lowering:
        routine = Ordering(node.inputs[0].type.dtype, self.positions)
        return CallOf(routine, (0,), refusal=NO_MEMORY, error=MemoryError)


class Sort(RowsInOrder):
    """x in ascending order along its last axis, NaN last.  Shapes and dtypes: those of x."""

    positions = False

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        return [xp.sort(arrays[0], axis=-1, kind="stable")]

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        return [_put_along_rows(inputs[0], Argsort()(inputs[0]), output_gradients[0])]


class Argsort(NoGradient, RowsInOrder):
    """The positions along the last axis that sort x, equal elements in their order: int64."""

    positions = True

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        return [xp.argsort(arrays[0], axis=-1, kind="stable").astype("int64")]


class TopK(TensorOp):
    """The k largest elements of x along its last axis, in descending order, and their
    positions (int64); for a negative k the -k smallest, in ascending order: topk(x, k).

    Equal elements keep their order; NaN counts as the largest.
    Raises: ValueError for a k of 0 or beyond the size of the axis.
    """

    def make_node(self, x: Any, k: Any) -> Apply:
        x, k = as_tensor(x), size_scalar(k, "k")
        count = abs(int(k.data)) if isinstance(k, Constant) else None
        shape = [*x.type.shape[:-1], count]
        kinds = [TensorType(dtype, shape) for dtype in (x.type.dtype, "int64")]
        return Apply(self, [x, k], [make_variable(kind) for kind in kinds])

    def infer_sizes(self, node: Apply, inputs: Shapes, sizes: Sizes) -> Shapes:
        k, (*outer, length) = sizes.value(node.inputs[1]), inputs[0]
        count = views.maximum(k, views.subtract(views.ZERO, k))
        sizes.require(views.combine("gt", count, views.ZERO), "topk: k is 0")
        enough = views.combine("le", count, length)
        sizes.require(enough, "topk: there are fewer than k elements")
        return [(*outer, count), (*outer, count)]

    def lowering(self, node: Apply) -> Lowering:
        routine = Largest(node.inputs[0].type.dtype)
        return CallOf(routine, (0,), refusal=NO_MEMORY, error=MemoryError)

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        x, k = arrays[0], int(arrays[1])
        length = x.shape[-1]
        if k == 0 or abs(k) > length:
            raise ValueError(f"topk: k is {k}, for {length} elements")
        if k > 0:
            back = xp.argsort(xp.flip(x, -1), axis=-1, kind="stable")
            order = length - 1 - xp.flip(back, -1)
        else:
            order = xp.argsort(x, axis=-1, kind="stable")
        order = order[..., : abs(k)]
        return [xp.take_along_axis(x, order, axis=-1), order.astype("int64")]

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        if isinstance(output_gradients[0].type, DisconnectedType):
            return [None, disconnected()]
        gradient = _put_along_rows(inputs[0], outputs[1], output_gradients[0])
        return [gradient, disconnected()]


def _put_along_rows(x: Variable, order: Variable, gradient: Variable) -> Variable:
    """Zeros like x, with the gradient added at the positions `order` in each row."""
    return inc_subtensor(take_along_axis(zeros_like(x), order, -1), gradient)


def _sortable(a: Any, axis: Any, order: Any) -> tuple[Variable, int]:
    variable = as_tensor(a)
    if order is not None:
        raise TypeError(
            "sort: `order` is for arrays with fields, which do not exist here"
        )
    if axis is None:
        variable, axis = flatten(variable), 0
    return variable, normalize_axis(axis, variable.type.ndim, "sort")


def _along_any(function: Callable[[int], Variable], x: Variable, axis: Any) -> Variable:
    """What a function gives along the axis that a run tells, negative or not."""
    found = [function(one) for one in range(x.type.ndim)]
    return getitem(stack(found), size_scalar(cast(axis, "int64"), "an axis"))


def _is_told_by_a_run(axis: Any) -> bool:
    return isinstance(axis, Variable) and not isinstance(axis, Constant)


def _along_rows(op: Op, variable: Variable, axis: int, *others: Any) -> list[Variable]:
    """The results of an operation on rows, along another axis."""
    last = variable.type.ndim - 1
    results = op(swapaxes(variable, axis, last), *others, return_list=True)
    return [swapaxes(result, axis, last) for result in results]


@method("sort")
def sort(
    a: Any, axis: Any = -1, kind: str = "quicksort", order: None = None
) -> Variable:
    """`a` in ascending order along `axis` (None: flattened), NaN last.

    kind: NumPy's name of an algorithm, without effect.
    An axis that is a variable costs as much as all axes.

    >>> T.sort([30, 10, 20]).eval()
    array([10, 20, 30])
    """
    if _is_told_by_a_run(axis):
        a = as_tensor(a)
        return _along_any(lambda one: sort(a, one, kind, order), a, axis)
    variable, axis = _sortable(a, axis, order)
    return _along_rows(Sort(), variable, axis)[0]


@method("argsort")
def argsort(
    a: Any, axis: Any = -1, kind: str = "quicksort", order: None = None
) -> Variable:
    """The positions along `axis` (None: flattened) that sort `a`; equals keep their order.

    kind: NumPy's name of an algorithm, without effect.
    An axis that is a variable costs as much as all axes.

    >>> T.argsort([30, 10, 20]).eval()
    array([1, 2, 0])
    """
    if _is_told_by_a_run(axis):
        a = as_tensor(a)
        return _along_any(lambda one: argsort(a, one, kind, order), a, axis)
    variable, axis = _sortable(a, axis, order)
    return _along_rows(Argsort(), variable, axis)[0]


def topk_and_argtopk(
    x: Any,
    kth: Any,
    axis: int | None = -1,
    sorted: bool = True,
    idx_dtype: str = "int64",
) -> list[Variable]:
    """The kth largest elements along `axis` in descending order (for a negative kth the
    smallest, ascending) and their positions.

    sorted: without effect, they always are.
    Raises: ValueError where there are fewer than kth elements.

    >>> values, places = T.topk_and_argtopk([30, 10, 20], 2)
    >>> values.eval(), places.eval()
    (array([30, 20]), array([0, 2]))
    """
    variable, axis = _sortable(x, axis, None)
    values, places = _along_rows(TopK(), variable, axis, kth)
    return [values, cast(places, TensorType(idx_dtype).dtype)]


def topk(
    x: Any,
    kth: Any,
    axis: int | None = -1,
    sorted: bool = True,
    idx_dtype: str = "int64",
) -> Variable:
    """The values of `topk_and_argtopk`.

    >>> T.topk([30, 10, 20], 2).eval()
    array([30, 20])
    """
    return topk_and_argtopk(x, kth, axis, sorted, idx_dtype)[0]


def argtopk(
    x: Any,
    kth: Any,
    axis: int | None = -1,
    sorted: bool = True,
    idx_dtype: str = "int64",
) -> Variable:
    """The positions of `topk_and_argtopk`.

    >>> T.argtopk([30, 10, 20], 2).eval()
    array([0, 2])
    """
    return topk_and_argtopk(x, kth, axis, sorted, idx_dtype)[1]


class SearchSorted(TensorOp):
    """Where in the ascending vector x the elements of v belong: op(x, v), int64.

    Shapes: those of v.

    >>> x, v = T.dvectors("x", "v")
    >>> T.SearchsortedOp()(x, v).eval({x: [1.0, 2.0, 3.0], v: [2.5, 0.0]})
    array([2, 0])
    """

    __props__ = ("side",)

    def __init__(self, side: str = "left") -> None:
        if side not in ("left", "right"):
            raise ValueError(f"searchsorted: side is 'left' or 'right', not {side!r}")
        self.side = side

    def make_node(self, x: Any, v: Any) -> Apply:
        x, v = as_tensor(x, ndim=1), as_tensor(v)
        dtype = common_dtype([x, v])
        x, v = cast(x, dtype), cast(v, dtype)
        return Apply(self, [x, v], [make_variable(TensorType("int64", v.type.shape))])

    def infer_sizes(self, node: Apply, inputs: Shapes, sizes: Sizes) -> Shapes:
        return [inputs[1]]

    def lowering(self, node: Apply) -> Lowering:
        routine = Places(node.inputs[0].type.dtype, self.side == "right")
        return CallOf(routine, (0, 1))

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        found = xp.searchsorted(arrays[0], arrays[1], side=self.side)
        return [xp.asarray(found, dtype="int64")]

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        return [None, None]


@method("searchsorted")
def searchsorted(x: Any, v: Any, side: str = "left", sorter: Any = None) -> Variable:
    """The positions at which the elements of v, put into the ascending vector x, keep it
    in order: before ("left") or behind ("right") equal ones.

    sorter: positions that sort x, where it is not ascending.

    >>> T.searchsorted([10, 20, 30], [15, 20]).eval()
    array([1, 1])
    """
    vector = as_tensor(x)
    if sorter is not None:
        vector = take(vector, sorter)
    return SearchSorted(side)(vector, v)


class Unique(TensorOp):
    """The distinct elements of x in ascending order, as a vector; if asked for, also the
    positions of the first of each, the number of each element of x among them, and how
    often each comes (int64).

    axis: the distinct slices along that axis, in lexicographic order, in x's rank.
    Shapes: how many there are is known only when it has run.
    Raises: AxisError, when it is called, for an axis that x has not.

    >>> x = T.lvector("x")
    >>> T.Unique()(x).eval({x: [3, 1, 3]})
    array([1, 3])
    """

    __props__ = ("return_index", "return_inverse", "return_counts", "axis")

    def __init__(
        self,
        return_index: bool = False,
        return_inverse: bool = False,
        return_counts: bool = False,
        axis: int | None = None,
    ) -> None:
        self.axis = axis
        self.return_index = bool(return_index)
        self.return_inverse = bool(return_inverse)
        self.return_counts = bool(return_counts)

    def make_node(self, x: Any) -> Apply:
        x = as_tensor(x)
        number = TensorType("int64", (None,))
        asked = (self.return_index, self.return_inverse, self.return_counts)
        extra = [make_variable(number) for one in asked if one]
        shape: list[int | None] = [None]
        if self.axis is not None:
            axis = normalize_axis(self.axis, x.type.ndim, "unique")
            shape = [None if k == axis else n for k, n in enumerate(x.type.shape)]
        return Apply(
            self, [x], [make_variable(TensorType(x.type.dtype, shape)), *extra]
        )

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        found = xp.unique(
            arrays[0].reshape(-1) if self.axis is None else arrays[0],
            axis=self.axis,
            return_index=self.return_index,
            return_inverse=self.return_inverse,
            return_counts=self.return_counts,
        )
        if len(node.outputs) == 1:
            return [found]
        return [
            found[0],
            *[numbers.reshape(-1).astype("int64") for numbers in found[1:]],
        ]


def unique(
    ar: Any,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: int | None = None,
) -> Any:
    """The distinct elements of `ar` in ascending order, or its distinct slices along
    `axis`; with the further results asked for (first positions, number of each element,
    counts), a list.

    >>> T.unique([3, 1, 3]).eval()
    array([1, 3])
    """
    return Unique(return_index, return_inverse, return_counts, axis)(ar)


class Bincount(TensorOp):
    """How often each of the numbers 0, 1, ... comes in the vector x, or the sum of the
    weights where it does: op(x, minlength) or op(x, minlength, weights).

    Shapes: at least minlength, else one more than the largest number.
    Raises: ValueError for negative numbers.
    """

    def make_node(self, x: Any, minlength: Any, *weights: Any) -> Apply:
        x, least = as_tensor(x, ndim=1), size_scalar(minlength, "minlength")
        if x.type.dtype not in (*INTEGERS, "bool"):
            raise TypeError(
                message("bincount counts integers", operands=[operand_text(x)])
            )
        given = [as_tensor(w, ndim=1) for w in weights]
        dtype = given[0].type.dtype if given else "int64"
        return Apply(
            self, [x, least, *given], [make_variable(TensorType(dtype, (None,)))]
        )

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        x, least, *weights = arrays
        if least < 0:
            raise ValueError(f"minlength is {int(least)}, below 0")
        if x.size and int(x.min()) < 0:
            raise ValueError("bincount: a number is negative")
        length = max(int(least), int(x.max()) + 1 if x.size else 0)
        result = xp.zeros(length, dtype=node.outputs[0].type.dtype)
        if weights and weights[0].shape != x.shape:
            raise ValueError(
                f"bincount: {weights[0].shape} weights for {x.shape} numbers"
            )
        xp.add.at(result, x.astype("int64"), weights[0] if weights else 1)
        return [result]

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        weights = [getitem(output_gradients[0], inputs[0]) for _ in inputs[2:]]
        return [None, disconnected(), *weights]


def bincount(
    x: Any, weights: Any = None, minlength: Any = None, assert_nonneg: bool = False
) -> Variable:
    """How often each of the numbers 0, 1, ... comes in the vector x, or the sum of the
    weights where it does.

    minlength: the least length of the result.
    assert_nonneg: without effect: a negative number raises ValueError in any case.

    >>> T.bincount([0, 2, 2]).eval()
    array([1, 0, 2])
    """
    least = 0 if minlength is None else minlength
    given = [] if weights is None else [weights]
    return Bincount()(x, least, *given)
