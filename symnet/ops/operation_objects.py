"""Theano's operations that are functions here, in its form (see `operation_class`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from symnet.graph.variables import Variable
from symnet.ops.alloc import empty
from symnet.ops.arithmetic import switch
from symnet.ops.base import as_tensor, constant
from symnet.ops.comparison import eq
from symnet.ops.creation import bartlett, eye, tri
from symnet.ops.cumulative import Cumulative, cumprod, cumsum
from symnet.ops.diagonal import (
    alloc_diag,
    diagonal,
    fill_diagonal,
    fill_diagonal_offset,
)
from symnet.ops.indexing import nonzero
from symnet.ops.operation_class import REQUIRED, operation_object
from symnet.ops.picks import choose
from symnet.ops.positions import (
    permute_row_elements,
    ravel_multi_index,
    unravel_index,
)
from symnet.ops.rearrange import diff, repeat, tile
from symnet.ops.reduce import Reduce, argmax, max_and_argmax
from symnet.ops.reduce import all as all_over
from symnet.ops.reduce import any as any_over
from symnet.ops.reduce import prod as prod_over
from symnet.ops.reduce import sum as sum_over
from symnet.ops.reshape import flatten
from symnet.ops.shape import moveaxis
from symnet.ops.sizes import MakeVector
from symnet.ops.statistics import mean

__all__ = [
    "All", "AllocDiag", "AllocEmpty", "Any_", "Argmax", "Bartlett", "Choose",
    "CpuContiguous", "CumOp", "CumprodOp", "CumsumOp", "DiffOp", "ExtractDiag",
    "Eye", "FillDiagonal", "FillDiagonalOffset", "Flatten", "MaxAndArgmax", "Mean",
    "Nonzero", "PermuteRowElements", "Prod", "ProdWithoutZeros",
    "RavelMultiIndex", "RepeatOp", "ScalarFromTensor", "Sum", "TensorFromScalar",
    "Tile", "Tri", "UnravelIndex", "cpu_contiguous", "scalar_from_tensor",
    "tensor_from_scalar",
]  # fmt: skip


def over_axes(kind: str) -> Callable[[Any], bool]:
    """Whether an op is that reduction."""
    return lambda op: isinstance(op, Reduce) and op.kind == kind


def running(mode: str | None = None) -> Callable[[Any], bool]:
    """Whether an op gives the sums ("add") or products ("mul") up to each element."""
    return lambda op: isinstance(op, Cumulative) and mode in (op.mode, None)


def _diagonal_matrix(v: Any, offset: int, axis1: int, axis2: int) -> Variable:
    return moveaxis(alloc_diag(v, offset), (-2, -1), (axis1, axis2))


def _product_without_zeros(x: Any, axis: Any, dtype: Any, acc_dtype: Any) -> Variable:
    x = as_tensor(x)
    one = constant(1, dtype=x.type.dtype)
    return prod_over(switch(eq(x, 0), one, x), axis, dtype, False, acc_dtype)


def _cumulated(x: Any, axis: Any, mode: str) -> Variable:
    if mode not in ("add", "mul"):
        raise ValueError(f"CumOp: mode is 'add' or 'mul', not {mode!r}")
    return cumsum(x, axis) if mode == "add" else cumprod(x, axis)


def same_scalar(x: Any) -> Variable:
    """A scalar: symnet's tensors of rank 0 are what Theano's scalars are.

    Raises: AsTensorError for another rank.
    """
    return as_tensor(x, ndim=0, truth=True)


def vector_of(*elements: Any) -> Variable:
    """The int64 vector of scalars."""
    return MakeVector("int64")(*elements)


def same_tensor(x: Any) -> Variable:
    """`x`: functions lay arrays out as their kernels need them, C-contiguous if in doubt."""
    return as_tensor(x)


AllocEmpty = operation_object(
    "AllocEmpty",
    """An array whose numbers are not set: `empty(shape, dtype)`.

    >>> T.AllocEmpty("float32")(2, 3).eval().shape
    (2, 3)
    """,
    lambda *shape, dtype: empty(shape, dtype),
    dtype=REQUIRED,
)
AllocDiag = operation_object(
    "AllocDiag",
    """Matrices with vectors on a diagonal, which lies in two axes of the result.

    >>> v = T.dvector("v")
    >>> T.AllocDiag(offset=1)(v).eval({v: [5.0]})
    array([[0., 5.],
           [0., 0.]])
    """,
    _diagonal_matrix,
    offset=0,
    axis1=0,
    axis2=1,
)
ExtractDiag = operation_object(
    "ExtractDiag",
    """A diagonal of two axes: `diagonal(x, offset, axis1, axis2)`.

    >>> x = T.dmatrix("x")
    >>> T.ExtractDiag()(x).eval({x: [[1.0, 2.0], [3.0, 4.0]]})
    array([1., 4.])
    """,
    lambda x, offset, axis1, axis2, view: diagonal(x, offset, axis1, axis2),
    offset=0, axis1=0, axis2=1, view=False,
)  # fmt: skip
Argmax = operation_object(
    "Argmax",
    """Where the largest is along the axes: `argmax(x, axis)`.

    >>> x = T.dvector("x")
    >>> T.Argmax(axis=0)(x).eval({x: [1.0, 3.0, 2.0]})
    array(1)
    """,
    argmax,
    over_axes("argmax"),
    axis=REQUIRED,
)
MaxAndArgmax = operation_object(
    "MaxAndArgmax",
    """The largest along the axes, and where it is: `max_and_argmax(x, axis)`.

    >>> x = T.dvector("x")
    >>> largest, place = T.MaxAndArgmax([0])(x)
    >>> symnet.function([x], [largest, place])([1.0, 3.0, 2.0])
    [array(3.), array(1)]
    """,
    lambda x, axis: list(max_and_argmax(x, axis)),
    axis=REQUIRED,
)
Mean = operation_object(
    "Mean",
    """`mean(x, axis)`.

    >>> x = T.dvector("x")
    >>> T.Mean()(x).eval({x: [1.0, 2.0]})
    array(1.5)
    """,
    mean,
    axis=None,
)
Sum = operation_object(
    "Sum",
    """`sum(x, axis, dtype, acc_dtype)`.

    >>> x = T.dmatrix("x")
    >>> T.Sum(axis=0)(x).eval({x: [[1.0, 2.0], [3.0, 4.0]]})
    array([4., 6.])
    """,
    sum_over,
    over_axes("sum"),
    axis=None,
    dtype=None,
    acc_dtype=None,
)
Prod = operation_object(
    "Prod",
    """`prod(x, axis, dtype, acc_dtype)`.

    >>> x = T.dvector("x")
    >>> T.Prod()(x).eval({x: [2.0, 3.0]})
    array(6.)
    """,
    prod_over,
    over_axes("prod"),
    axis=None,
    dtype=None,
    acc_dtype=None,
    no_zeros_in_input=False,
)
ProdWithoutZeros = operation_object(
    "ProdWithoutZeros",
    """The product of what is not 0.

    >>> x = T.dvector("x")
    >>> T.ProdWithoutZeros()(x).eval({x: [2.0, 0.0, 3.0]})
    array(6.)
    """,
    _product_without_zeros,
    axis=None,
    dtype=None,
    acc_dtype=None,
)
All = operation_object(
    "All",
    """`all(x, axis)`.

    >>> x = T.bvector("x")
    >>> T.All()(x).eval({x: [1, 0]})
    array(False)
    """,
    all_over,
    over_axes("all"),
    axis=None,
)
Any_ = operation_object(
    "Any",
    """`any(x, axis)`.

    >>> from symnet.ops.operation_objects import Any_
    >>> x = T.bvector("x")
    >>> Any_()(x).eval({x: [1, 0]})
    array(True)
    """,
    any_over,
    over_axes("any"),
    axis=None,
)
Eye = operation_object(
    "Eye",
    """`eye(n, m, k, dtype)`.

    >>> T.Eye("int64")(2, 3, 1).eval()
    array([[0, 1, 0],
           [0, 0, 1]])
    """,
    lambda n, m, k, dtype: eye(n, m, k, dtype),
    dtype=None,
)
Tri = operation_object(
    "Tri",
    """`tri(N, M, k, dtype)`.

    >>> T.Tri("int64")(2, 3, 0).eval()
    array([[1, 0, 0],
           [1, 1, 0]])
    """,
    lambda N, M, k, dtype: tri(N, M, k, dtype),
    dtype=None,
)
Tile = operation_object(
    "Tile",
    """`tile(x, reps, ndim)`.

    >>> x = T.lvector("x")
    >>> T.Tile(1)(x, [2]).eval({x: [1, 2]})
    array([1, 2, 1, 2])
    """,
    tile,
    ndim=REQUIRED,
)
Flatten = operation_object(
    "Flatten",
    """`flatten(x, outdim)`: the last axes as one.

    >>> x = T.lmatrix("x")
    >>> T.Flatten()(x).eval({x: [[1, 2], [3, 4]]})
    array([1, 2, 3, 4])
    """,
    flatten,
    outdim=1,
)
Nonzero = operation_object(
    "Nonzero",
    """The positions of what is not 0, a vector for each axis.

    >>> x = T.lvector("x")
    >>> T.Nonzero()(x)[0].eval({x: [0, 7, 8]})
    array([1, 2])
    """,
    lambda a: list(nonzero(a)),
)
Choose = operation_object(
    "Choose",
    """`choose(a, choices, mode)`: element by element, from the array that `a` says.

    >>> a = T.lvector("a")
    >>> T.Choose()(a, [[10, 20], [30, 40]]).eval({a: [1, 0]})
    array([30, 20])
    """,
    lambda a, choices, mode: choose(a, choices, mode=mode),
    mode="raise",
)
PermuteRowElements = operation_object(
    "PermuteRowElements",
    """`permute_row_elements(x, y, inverse)`: the elements of each row in another order.

    >>> x = T.dvector("x")
    >>> T.PermuteRowElements()(x, [2, 0, 1], 0).eval({x: [5.0, 6.0, 7.0]})
    array([7., 5., 6.])
    """,
    permute_row_elements,
)
Bartlett = operation_object(
    "Bartlett",
    """`bartlett(M)`: the triangular window.

    >>> T.Bartlett()(5).eval()
    array([0. , 0.5, 1. , 0.5, 0. ])
    """,
    bartlett,
)
DiffOp = operation_object(
    "DiffOp",
    """`diff(x, n, axis)`: neighbours' differences.

    >>> x = T.dvector("x")
    >>> T.DiffOp()(x).eval({x: [1.0, 4.0, 9.0]})
    array([3., 5.])
    """,
    diff,
    n=1,
    axis=-1,
)
RepeatOp = operation_object(
    "RepeatOp",
    """`repeat(x, repeats, axis)`.

    >>> x = T.lvector("x")
    >>> T.RepeatOp()(x, 2).eval({x: [1, 2]})
    array([1, 1, 2, 2])
    """,
    repeat,
    axis=None,
)
CumOp = operation_object(
    "CumOp",
    """Sums (mode "add") or products ("mul") of the elements up to each.

    >>> x = T.dvector("x")
    >>> T.CumOp(axis=0, mode="mul")(x).eval({x: [2.0, 3.0, 4.0]})
    array([ 2.,  6., 24.])
    """,
    _cumulated,
    running(),
    axis=None,
    mode="add",
)
CumsumOp = operation_object(
    "CumsumOp",
    """`cumsum(x, axis)`.

    >>> x = T.dvector("x")
    >>> T.CumsumOp()(x).eval({x: [1.0, 2.0, 3.0]})
    array([1., 3., 6.])
    """,
    cumsum,
    running("add"),
    axis=None,
)
CumprodOp = operation_object(
    "CumprodOp",
    """`cumprod(x, axis)`.

    >>> x = T.dvector("x")
    >>> T.CumprodOp()(x).eval({x: [2.0, 3.0, 4.0]})
    array([ 2.,  6., 24.])
    """,
    cumprod,
    running("mul"),
    axis=None,
)
FillDiagonal = operation_object(
    "FillDiagonal",
    """`fill_diagonal(x, value)`.

    >>> x = T.dmatrix("x")
    >>> T.FillDiagonal()(x, 7.0).eval({x: np.zeros((2, 2))})
    array([[7., 0.],
           [0., 7.]])
    """,
    fill_diagonal,
)
FillDiagonalOffset = operation_object(
    "FillDiagonalOffset",
    """`fill_diagonal_offset(x, value, offset)`.

    >>> x = T.dmatrix("x")
    >>> T.FillDiagonalOffset()(x, 7.0, 1).eval({x: np.zeros((2, 2))})
    array([[0., 7.],
           [0., 0.]])
    """,
    fill_diagonal_offset,
)
UnravelIndex = operation_object(
    "UnravelIndex",
    """`unravel_index(indices, dims, order, ndim)`: places in an array, from positions.

    >>> n = T.lvector("n")
    >>> [v.eval({n: [5]}) for v in T.UnravelIndex(2)(n, (2, 3))]
    [array([1]), array([2])]
    """,
    lambda indices, dims, ndim, order: unravel_index(indices, dims, order, ndim),
    ndim=REQUIRED, order="C",
)  # fmt: skip
RavelMultiIndex = operation_object(
    "RavelMultiIndex",
    """`ravel_multi_index(places, dims, mode, order)`: positions, from places in an array.

    >>> i, j = T.lvectors("i", "j")
    >>> T.RavelMultiIndex()(i, j, (2, 3)).eval({i: [1], j: [2]})
    array([5])
    """,
    lambda *indices_and_dims, mode, order: ravel_multi_index(
        indices_and_dims[:-1], indices_and_dims[-1], mode, order
    ),
    mode="raise", order="C",
)  # fmt: skip
ScalarFromTensor = operation_object(
    "ScalarFromTensor",
    """A tensor of rank 0 as Theano's scalar: the same variable here.

    >>> x = T.dscalar("x")
    >>> T.ScalarFromTensor()(x).eval({x: 2.0})
    array(2.)
    """,
    same_scalar,
)
TensorFromScalar = operation_object(
    "TensorFromScalar",
    """Theano's scalar as a tensor of rank 0: the same variable here.

    >>> x = T.dscalar("x")
    >>> T.TensorFromScalar()(x).eval({x: 2.0})
    array(2.)
    """,
    same_scalar,
)
CpuContiguous = operation_object(
    "CpuContiguous",
    """Its input; functions lay arrays out as their kernels need them.

    >>> x = T.dvector("x")
    >>> T.CpuContiguous()(x).eval({x: [1.0, 2.0]})
    array([1., 2.])
    """,
    same_tensor,
)

scalar_from_tensor = ScalarFromTensor()
tensor_from_scalar = TensorFromScalar()
cpu_contiguous = CpuContiguous()
