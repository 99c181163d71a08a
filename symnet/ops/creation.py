"""Arrays made from nothing but numbers: ranges, grids, triangles, identities."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np

from symnet.config import config
from symnet.errors import message
from symnet.graph.asked import remember_inputs
from symnet.graph.op import Gradients, Vars
from symnet.graph.types import COMPLEX, FLOATS, TensorType
from symnet.graph.variables import (
    Apply,
    Constant,
    Variable,
    make_variable,
    operand_text,
)
from symnet.kernels.loopir import scalars, views
from symnet.kernels.loopir.scalars import Scalar
from symnet.kernels.loopir.views import Size
from symnet.ops.alloc import alloc
from symnet.ops.arithmetic import (
    absolute,
    add,
    identity,
    maximum,
    mul,
    sub,
    switch,
    true_div,
)
from symnet.ops.base import PointOp, as_tensor, common_dtype, constant, disconnected
from symnet.ops.comparison import eq, ge, le
from symnet.ops.elementwise import cast
from symnet.ops.lowerings import Read, Shapes, Sizes
from symnet.ops.methods import method, prop
from symnet.ops.shape import dimshuffle, shape_padleft, shape_padright
from symnet.ops.sizes import ShapeI, shape_i, size_scalar, sizes_of, specify_shape

__all__ = [
    "Arange", "arange", "bartlett", "eye", "identity_like", "meshgrid", "mgrid", "ogrid", "size",
    "tri", "tril", "triu",
]  # fmt: skip


def size(x: Any) -> Variable:
    """The number of elements of `x`, as an int64 scalar.

    >>> T.size([[1, 2, 3]]).eval()
    array(3)
    """
    variable = as_tensor(x)
    counts = sizes_of(variable)
    if counts:
        return reduce(mul, counts)
    one = constant(np.array(1, dtype="int64"))
    remember_inputs([one], [variable])
    return one


prop("size")(size)


# ---- ranges


class Arange(PointOp):
    """The numbers start, start + step, ... before stop, in `dtype`.

    Raises: ValueError for a step of 0.

    >>> T.ARange("int64")(1, 9, 3).eval()
    array([1, 4, 7])
    """

    __props__ = ("dtype",)

    def __init__(self, dtype: str) -> None:
        self.dtype = TensorType(dtype).dtype

    def make_node(self, start: Any, stop: Any, step: Any) -> Apply:
        numbers = [as_tensor(v, ndim=0) for v in (start, stop, step)]
        length: int | None = None
        values = [v.data for v in numbers if isinstance(v, Constant)]
        if isinstance(numbers[2], Constant) and numbers[2].data == 0:
            raise ValueError("arange: the step is 0")
        if len(values) == 3:
            length = range_length(*values)
        return Apply(self, numbers, [make_variable(TensorType(self.dtype, (length,)))])

    def infer_sizes(self, node: Apply, inputs: Shapes, sizes: Sizes) -> Shapes | None:
        known = node.outputs[0].type.shape[0]
        if known is not None:
            return [(views.size(known),)]
        if any(v.type.dtype in FLOATS for v in node.inputs):
            return None
        start, stop, step = (sizes.value(v) for v in node.inputs)
        sizes.require(views.combine("ne", step, views.ZERO), "arange: the step is 0")
        stop_owner = node.inputs[1].owner
        counts_up = start is views.ZERO and step is views.ONE
        if counts_up and stop_owner is not None and isinstance(stop_owner.op, ShapeI):
            return [(stop,)]  # a size is never negative
        up, down = _steps(start, stop, step, True), _steps(start, stop, step, False)
        return [(views.choose(views.combine("gt", step, views.ZERO), up, down),)]

    def point(
        self, node: Apply, reads: Sequence[Read], index: Sequence[Scalar]
    ) -> Scalar:
        """As NumPy: the distance of the first two numbers, in `dtype`, is the step."""
        start, step = reads[0].here(), reads[2].here()
        second = scalars.binary(
            "add", scalars.cast(start, self.dtype), scalars.cast(step, self.dtype)
        )
        first = scalars.cast(start, self.dtype)
        times = scalars.cast(index[0], self.dtype)
        return first + times * (second - first)

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        if arrays[2] == 0:
            raise ValueError("arange: the step is 0")
        dtype = np.dtype(self.dtype)
        first = arrays[0].astype(dtype)
        distance = first + arrays[2].astype(dtype) - first
        bounds = [np.asarray(a.item(), a.dtype) for a in arrays]
        times = xp.arange(range_length(*bounds)).astype(dtype)
        return [(first + times * distance).astype(dtype)]

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        """At the result's shape: `gradient` sums.  `stop` only decides the length."""
        gradient = output_gradients[0]
        if self.dtype not in FLOATS:
            return [None, disconnected(), None]
        times = cast(arange(shape_i(outputs[0], 0)), self.dtype)
        return [gradient, disconnected(), mul(gradient, times)]


def range_length(*bounds: Any) -> int:
    """The number of steps from start before stop.  Integers are counted exactly; floats in
    their own dtype, as NumPy does: 0.3 / 0.1 of float32 is 3, and more in float64."""
    numbers = [np.asarray(v)[()] for v in bounds]
    if all(v.dtype.kind in "iub" for v in numbers):
        return len(range(*map(int, numbers)))
    with np.errstate(all="ignore"):
        start, stop, step = (v if v.dtype.kind == "f" else int(v) for v in numbers)
        steps: Any = (stop - start) / step
        if not np.isfinite(steps):  # beyond the range of a small dtype, or NaN
            steps = (float(stop) - float(start)) / float(step)
        if not np.isfinite(steps):
            raise ValueError(
                f"arange: from {start} to {stop} by {step} is no number of elements"
            )
    return max(0, int(math.ceil(steps)))


def _steps(start: Size, stop: Size, step: Size, forward: bool) -> Size:
    span = views.subtract(stop, start) if forward else views.subtract(start, stop)
    pace = step if forward else views.subtract(views.ZERO, step)
    rounded = views.add(span, views.subtract(pace, views.ONE))
    return views.maximum(views.floor_divide(rounded, pace), views.ZERO)


def arange(
    start: Any, stop: Any = None, step: Any = 1, dtype: str | None = None
) -> Variable:
    """The numbers start, start + step, ... before stop; `arange(n)` counts from 0.

    Dtypes: int64 for integers (uint64 where one of them is); float64 for floats, but
        that of their sum where floatX is smaller and none of them is float64.
    Raises: TypeError for what is no real scalar; ValueError for a step of 0.

    >>> T.arange(1, 10, 3).eval()
    array([1, 4, 7])
    """
    if stop is None:
        start, stop = 0, start
    numbers = [as_tensor(v) for v in (start, stop, step)]
    for v in numbers:
        if v.type.ndim != 0 or v.type.dtype in COMPLEX:
            raise TypeError(
                message(
                    "arange takes real scalars",
                    operands=[operand_text(v) for v in numbers],
                )
            )
    if dtype is None:
        dtype = _range_dtype(common_dtype(numbers))
    elif dtype == "floatX":
        dtype = config.floatX
    return Arange(dtype)(*[cast(v, v.type.dtype) for v in numbers])


def _range_dtype(common: str) -> str:
    if common not in FLOATS:
        return "uint64" if common == "uint64" else "int64"
    small = config.cast_policy == "numpy+floatX" and config.floatX != "float64"
    return common if small else "float64"


# ---- grids


class _Grid:
    """`mgrid[0:3, 0:4]` and `ogrid[...]`: one coordinate array for each slice.

    A step that is a complex number, as in `0:1:5j`, is the number of points, the stop
    included.
    """

    def __init__(self, name: str, sparse: bool) -> None:
        self.name = name
        self.sparse = sparse

    def __repr__(self) -> str:
        return self.name

    def __getitem__(self, key: Any) -> Any:
        ranges = [
            self._range(part) for part in (key if isinstance(key, tuple) else (key,))
        ]
        dtype = common_dtype(ranges)
        ranges = [cast(r, dtype) for r in ranges]
        if not isinstance(key, tuple):
            return ranges[0]
        return meshgrid(*ranges, sparse=self.sparse, indexing="ij")

    def _range(self, part: Any) -> Variable:
        if not isinstance(part, slice) or part.stop is None:
            raise TypeError(f"{self.name}[...] takes slices with a stop, not {part!r}")
        start = 0 if part.start is None else part.start
        step = 1 if part.step is None else part.step
        if not isinstance(step, complex):
            return arange(start, part.stop, step)
        count = int(abs(step))
        points = np.linspace(float(start), float(part.stop), count)
        return constant(points, dtype="floatX")


def meshgrid(
    *arrays: Any, sparse: bool = False, indexing: str = "xy"
) -> list[Variable]:
    """Coordinate arrays from vectors of coordinates, as NumPy's: indexing "ij" makes
    the first vector vary along the first axis, "xy" along the second.

    sparse: leave the other axes of each array at size 1.

    >>> columns, rows = T.meshgrid([1, 2], [3, 4])
    >>> columns.eval(), rows.eval()
    (array([[1, 2],
           [1, 2]]), array([[3, 3],
           [4, 4]]))
    """
    if indexing not in ("xy", "ij"):
        raise ValueError(f"meshgrid: indexing is 'xy' or 'ij', not {indexing!r}")
    vectors = [as_tensor(v) for v in arrays]
    vectors = [shape_padright(v) if v.type.ndim == 0 else v for v in vectors]
    rank = len(vectors)
    places = list(range(rank))
    if indexing == "xy" and rank > 1:
        places[:2] = [1, 0]
    grids = []
    for place, vector in zip(places, vectors, strict=True):
        if vector.type.ndim != 1:
            raise TypeError(f"meshgrid takes vectors, not {operand_text(vector)}")
        grids.append(
            dimshuffle(vector, *[0 if k == place else "x" for k in range(rank)])
        )
    if sparse:
        return grids
    lengths = [shape_i(vectors[places.index(k)], 0) for k in range(rank)]
    return [alloc(grid, *lengths) for grid in grids]


mgrid = _Grid("mgrid", sparse=False)
ogrid = _Grid("ogrid", sparse=True)


# ---- triangles and identities


def _diagonal_grid(rows: Any, columns: Any, k: Any) -> tuple[Variable, Variable]:
    """Row number + k as a column, column number as a row: equal on diagonal k."""
    row_numbers = add(arange(size_scalar(rows, "a size")), size_scalar(k, "a diagonal"))
    column_numbers = arange(size_scalar(columns, "a size"))
    return shape_padright(row_numbers), shape_padleft(column_numbers)


def eye(n: Any, m: Any = None, k: Any = 0, dtype: str | None = None) -> Variable:
    """A matrix of n rows and m (or n) columns, 1 on diagonal k (above the main one for
    k > 0), else 0.

    Raises: ValueError for a negative size.

    >>> T.eye(2).eval()
    array([[1., 0.],
           [0., 1.]])
    """
    sizes = [size_scalar(one, "a size") for one in (n, n if m is None else m)]
    if any(isinstance(one, Constant) and one.data < 0 for one in sizes):
        raise ValueError(f"eye: a size is negative: {n!r}, {m!r}")
    rows, columns = _diagonal_grid(sizes[0], sizes[1], k)
    # Of a negative number there are no positions: the sizes asked for are compared.
    asked = [None if _is_size(one) else one for one in sizes]
    return specify_shape(cast(eq(rows, columns), dtype or config.floatX), asked)


def _is_size(one: Variable) -> bool:
    made = one.owner is not None and isinstance(one.owner.op, ShapeI)
    return made or isinstance(one, Constant)


def identity_like(x: Any) -> Variable:
    """`eye` with the shape and dtype of the matrix x.

    >>> T.identity_like([[1, 2], [3, 4]]).eval()
    array([[1, 0],
           [0, 1]])
    """
    x = as_tensor(x, ndim=2)
    return eye(shape_i(x, 0), shape_i(x, 1), dtype=x.type.dtype)


def tri(N: Any, M: Any = None, k: Any = 0, dtype: str | None = None) -> Variable:
    """A matrix of N rows and M (or N) columns, 1 on and below diagonal k, else 0.

    >>> T.tri(2).eval()
    array([[1., 0.],
           [1., 1.]])
    """
    rows, columns = _diagonal_grid(N, N if M is None else M, k)
    return cast(ge(rows, columns), dtype or config.floatX)


def bartlett(M: Any) -> Variable:
    """A triangle of M numbers from 0 up to 1 and down to 0; of one number 1.

    Dtypes: M an integer; float64.  Raises: TypeError for another dtype or rank.

    >>> T.bartlett(5).eval()
    array([0. , 0.5, 1. , 0.5, 0. ])
    """
    length = maximum(size_scalar(M, "a size"), 0)
    last = maximum(sub(length, 1), 1)
    place = mul(arange(length), 2)
    triangle = sub(1.0, absolute(true_div(cast(sub(place, last), "float64"), last)))
    return cast(switch(eq(length, 1), 1.0, triangle), "float64")


def _triangle(m: Any, k: Any, lower: bool) -> Variable:
    matrix = as_tensor(m)
    if matrix.type.ndim < 2:
        raise ValueError(
            f"a triangle is that of a matrix, not of {operand_text(matrix)}"
        )
    rows, columns = _diagonal_grid(shape_i(matrix, -2), shape_i(matrix, -1), k)
    kept = ge(rows, columns) if lower else le(rows, columns)
    return switch(kept, matrix, constant(np.zeros((), matrix.type.dtype)))


def tril(m: Any, k: Any = 0) -> Variable:
    """The matrix m (or each matrix in its last two axes), 0 above diagonal k.

    >>> T.tril([[1, 2], [3, 4]]).eval()
    array([[1, 0],
           [3, 4]])
    """
    return _triangle(m, k, lower=True)


def triu(m: Any, k: Any = 0) -> Variable:
    """The matrix m (or each matrix in its last two axes), 0 below diagonal k.

    >>> T.triu([[1, 2], [3, 4]]).eval()
    array([[1, 2],
           [0, 4]])
    """
    return _triangle(m, k, lower=False)


def _fill(self: Variable, value: Any) -> Variable:
    """An array of the shape of this one filled with `value`."""
    return alloc(cast(value, self.type.dtype), *sizes_of(self))


method("fill")(_fill)


@method("copy")
def _copy(self: Variable, name: str | None = None) -> Variable:
    """The same value as another variable, which may have another name."""
    result = identity(self)
    result.name = name
    return result
