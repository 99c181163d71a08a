"""Names of the array API (data-apis.org/array-api, 2024.12) for what Theano names otherwise.

Where both have a name, `symnet.tensor` has Theano's: `T.take`, `T.std`, `T.sort`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symnet.config import config
from symnet.graph.types import INTEGERS
from symnet.graph.variables import Variable
from symnet.ops.base import as_tensor, float_of, upcast
from symnet.ops.creation import arange
from symnet.ops.cumulative import cumprod, cumsum
from symnet.ops.sorting import unique
from symnet.ops.tails import logaddexp
from symnet.tensor import basic as T
from symnet.tensor import numpy_compositions as N

acos, acosh, asin, asinh = T.arccos, T.arccosh, T.arcsin, T.arcsinh
atan, atan2, atanh = T.arctan, T.arctan2, T.arctanh
divide, floor_divide, multiply, remainder = T.true_div, T.int_div, T.mul, T.mod
negative, subtract = T.neg, T.sub
equal, not_equal = T.eq, T.neq
greater, greater_equal, less, less_equal = T.gt, T.ge, T.lt, T.le
bitwise_invert = T.invert
asarray = T.as_tensor_variable
matrix_transpose, positive = N.matrix_transpose, N.positive
isfinite, logical_not = N.isfinite, N.logical_not
logical_and, logical_or, logical_xor = N.logical_and, N.logical_or, N.logical_xor
count_nonzero = N.count_nonzero

__all__ = [
    "acos", "acosh", "asarray", "asin", "asinh", "astype", "atan", "atan2", "atanh",
    "bitwise_invert", "bitwise_left_shift", "bitwise_right_shift", "broadcast_arrays",
    "can_cast", "concat", "copysign", "count_nonzero", "cumulative_prod", "cumulative_sum",
    "divide", "empty_like", "equal", "finfo", "floor_divide", "greater", "greater_equal",
    "iinfo", "isdtype", "isfinite", "less", "less_equal", "linspace", "logaddexp",
    "logical_and", "logical_not", "logical_or", "logical_xor", "matrix_transpose",
    "multiply", "negative", "not_equal", "permute_dims", "positive", "remainder",
    "result_type", "signbit", "subtract", "unique_all", "unique_counts", "unique_inverse",
    "unique_values", "unstack", "vecdot",
]  # fmt: skip


def astype(x: Any, dtype: str) -> Variable:
    """x in another dtype, as `T.cast`.

    >>> T.astype([1.5, 2.0], "int64").eval()
    array([1, 2])
    """
    return T.cast(x, dtype)


def empty_like(x: Any, dtype: str | None = None) -> Variable:
    """An array of x's shape (and dtype, unless one is given) for whatever is written over
    it: zeros.

    >>> T.empty_like(T.ones((2, 2))).eval().shape
    (2, 2)
    """
    return T.zeros_like(x, dtype=dtype)


def concat(arrays: Sequence[Any], axis: int | None = 0) -> Variable:
    """Arrays one behind the other along an axis; None: flattened.

    >>> T.concat([[1, 2], [3]]).eval()
    array([1, 2, 3])
    """
    return N.concatenate(arrays, axis)


def permute_dims(x: Any, axes: Sequence[int]) -> Variable:
    """The axes of x in another order.

    >>> T.permute_dims(T.zeros((2, 3, 4)), (2, 0, 1)).eval().shape
    (4, 2, 3)
    """
    return T.transpose(as_tensor(x), axes)


def unstack(x: Any, axis: int = 0) -> tuple[Variable, ...]:
    """The parts of x along an axis, without that axis.

    Raises: TypeError where the size of the axis is not known when the graph is made.

    >>> [part.eval() for part in T.unstack(T.constant([[1, 2], [3, 4]]), axis=1)]
    [array([1, 3]), array([2, 4])]
    """
    moved = T.moveaxis(as_tensor(x), axis, 0)
    size = moved.type.shape[0]
    if size is None:
        raise TypeError(
            f"unstack: the size of axis {axis} of {x} is not known\n  to do: index it, or "
            "use T.specify_shape, or scan over it"
        )
    return tuple(moved[k] for k in range(size))


def broadcast_arrays(*arrays: Any) -> list[Variable]:
    """The arrays, stretched to one shape.

    >>> [a.eval().shape for a in T.broadcast_arrays(T.ones((2, 1)), T.ones((1, 3)))]
    [(2, 3), (2, 3)]
    """
    given = [as_tensor(a) for a in arrays]
    if not given:
        return []
    rank = max(a.type.ndim for a in given)
    given = [T.shape_padleft(a, rank - a.type.ndim) for a in given]
    whole = given[0]
    for one in given[1:]:
        whole = T.second(T.second(one, whole), T.second(whole, one))
    return [T.second(T.cast(whole, a.type.dtype), a) for a in given]


def linspace(
    start: Any, stop: Any, num: Any, *, dtype: str | None = None, endpoint: bool = True
) -> Variable:
    """`num` numbers at equal distances from `start` to `stop`, which is the last of them
    with `endpoint`.

    num: an integer, or an integer scalar of a graph.
    Dtype: that of `start` and `stop`, floatX at least, unless one is given.
    Raises: TypeError for another `num`; ValueError for a negative one.

    >>> T.linspace(0.0, 1.0, 5).eval()
    array([0.  , 0.25, 0.5 , 0.75, 1.  ])
    """
    count = as_tensor(num)
    if count.type.ndim or count.type.dtype not in INTEGERS:
        raise TypeError(f"linspace: num is an integer, not {num!r:.60}")
    if not isinstance(num, Variable) and num < 0:
        raise ValueError(f"linspace: num is a number of elements, not {num}")
    start, stop = as_tensor(start), as_tensor(stop)
    wide = upcast(start.type.dtype, stop.type.dtype, config.floatX)
    steps = T.cast(T.maximum(count - 1 if endpoint else count, 1), wide)
    places = T.cast(arange(count), wide) / steps
    found = start * (1.0 - places) + stop * places
    if dtype in INTEGERS:
        found = T.floor(found)
    return T.cast(found, dtype) if dtype else found


def cumulative_sum(
    x: Any, *, axis: int | None = None, dtype: str | None = None,
    include_initial: bool = False,
) -> Variable:  # fmt: skip
    """Sums up to each position along `axis`, which a vector need not name.

    include_initial: with the 0 before the first.
    Raises: ValueError without `axis` for more than one.

    >>> T.cumulative_sum([1, 2, 3], include_initial=True).eval()
    array([0, 1, 3, 6])
    """
    return _cumulative(cumsum, x, axis, dtype, 0 if include_initial else None)


def cumulative_prod(
    x: Any, *, axis: int | None = None, dtype: str | None = None,
    include_initial: bool = False,
) -> Variable:  # fmt: skip
    """Products up to each position along `axis`, which a vector need not name.

    include_initial: with the 1 before the first.
    Raises: ValueError without `axis` for more than one.

    >>> T.cumulative_prod([1, 2, 3]).eval()
    array([1, 2, 6])
    """
    return _cumulative(cumprod, x, axis, dtype, 1 if include_initial else None)


def _cumulative(
    function: Any, x: Any, axis: int | None, dtype: str | None, initial: int | None
) -> Variable:
    x = as_tensor(x) if dtype is None else T.cast(x, dtype)
    if axis is None:
        if x.type.ndim != 1:
            what = f"cumulative sums and products of {x} of rank {x.type.ndim} need an axis"
            raise ValueError(f"{what}\n  to do: say axis=0, or flatten it")
        axis = 0
    found: Variable = function(x, axis=axis)
    if initial is None:
        return found
    shape: list[Any] = [found.shape[k] for k in range(found.type.ndim)]
    shape[axis] = 1
    edge = T.alloc(T.cast(initial, found.type.dtype), *shape)
    return T.concatenate([edge, found], axis=axis)


def vecdot(x1: Any, x2: Any, *, axis: int = -1) -> Variable:
    """Products of vectors along an axis of both; of complex ones x1 is conjugated.

    >>> T.vecdot([[1.0, 2.0], [3.0, 4.0]], [1.0, 1.0]).eval()
    array([3., 7.])
    """
    products = T.conj(x1) * as_tensor(x2)
    result: Variable = T.sum(products, axis=axis, dtype=products.type.dtype)
    return result


def unique_values(x: Any) -> Variable:
    """The distinct elements of x, in ascending order.

    >>> T.unique_values([3, 1, 3]).eval()
    array([1, 3])
    """
    values: Variable = unique(x)
    return values


def unique_counts(x: Any) -> list[Variable]:
    """The distinct elements of x, and how often each is there.

    >>> [v.eval() for v in T.unique_counts([3, 1, 3])]
    [array([1, 3]), array([1, 2])]
    """
    return list(unique(x, return_counts=True))


def unique_inverse(x: Any) -> list[Variable]:
    """The distinct elements of x, and which of them stands at each place of x.

    >>> [v.eval() for v in T.unique_inverse([3, 1, 3])]
    [array([1, 3]), array([1, 0, 1])]
    """
    values, places = unique(x, return_inverse=True)
    return [values, T.reshape(places, as_tensor(x).shape, ndim=as_tensor(x).type.ndim)]


def unique_all(x: Any) -> list[Variable]:
    """The distinct elements of x, the first place of each in the flattened x, which of them
    stands at each place of x, and how often each is there.

    >>> [v.eval() for v in T.unique_all([3, 1, 3])]
    [array([1, 3]), array([1, 0]), array([1, 0, 1]), array([1, 2])]
    """
    values, first, places, counts = unique(
        x, return_index=True, return_inverse=True, return_counts=True
    )
    x = as_tensor(x)
    return [values, first, T.reshape(places, x.shape, ndim=x.type.ndim), counts]


# ---- signs and bits


def signbit(x: Any) -> Variable:
    """Whether each element is negative, -0.0 too.  NaN counts as positive.

    >>> T.signbit([-1.0, -0.0, 0.0]).eval()
    array([ True,  True, False])
    """
    x = as_tensor(x)
    below: Variable = T.lt(x, 0)
    if x.type.dtype.startswith("float"):
        below = T.or_(below, T.and_(T.eq(x, 0), T.lt(T.inv(x), 0)))
    return below


def copysign(x1: Any, x2: Any) -> Variable:
    """The size of x1 with the sign of x2 (see `signbit`).

    >>> T.copysign([1.0, -2.0], [-0.0, 3.0]).eval()
    array([-1.,  2.])
    """
    x1, x2 = as_tensor(x1), as_tensor(x2)
    size = T.abs_(T.cast(x1, float_of([x1, x2])))
    return T.switch(signbit(x2), T.neg(size), size)


def bitwise_left_shift(x1: Any, x2: Any) -> Variable:
    """x1 with its bits moved up by x2 places: 0 where none is left.

    >>> T.bitwise_left_shift([1, 3], 2).eval()
    array([ 4, 12])
    """
    x1, x2, bits = _shifted(x1, x2)
    moved: Variable = x1 * T.cast(T.pow(2, T.minimum(x2, bits - 1)), x1.type.dtype)
    return T.switch(T.ge(x2, bits), T.cast(0, x1.type.dtype), moved)


def bitwise_right_shift(x1: Any, x2: Any) -> Variable:
    """x1 with its bits moved down by x2 places, its sign kept.

    >>> T.bitwise_right_shift([13, -13], 2).eval()
    array([ 3, -4])
    """
    x1, x2, bits = _shifted(x1, x2)
    most = bits - 1 if x1.type.dtype.startswith("uint") else bits - 2
    power = T.cast(T.pow(2, T.minimum(x2, most)), x1.type.dtype)
    moved: Variable = T.int_div(x1, power)
    rest = T.cast(T.neg(T.cast(T.lt(x1, 0), "int8")), x1.type.dtype)
    return T.switch(T.gt(x2, most), rest, moved)


def _shifted(x1: Any, x2: Any) -> tuple[Variable, Variable, int]:
    """Operands of one dtype, the second in int64 or uint64, and the bits of the first."""
    dtype = np.result_type(as_tensor(x1).type.dtype, as_tensor(x2).type.dtype)
    if dtype.kind not in "iu":
        raise TypeError(f"shifts are of integers, not {dtype}")
    places = T.cast(x2, "uint64" if dtype.kind == "u" else "int64")
    return T.cast(x1, dtype.name), places, 8 * dtype.itemsize


# ---- dtypes


def _dtype(x: Any) -> np.dtype[Any]:
    found: np.dtype[Any] = np.dtype(getattr(getattr(x, "type", x), "dtype", x))
    return found


def finfo(x: Any) -> Any:
    """What NumPy says of a float dtype, or of that of a variable.

    >>> float(T.finfo(T.fvector("x")).eps)
    1.1920928955078125e-07
    """
    return np.finfo(_dtype(x))


def iinfo(x: Any) -> Any:
    """What NumPy says of an integer dtype, or of that of a variable.

    >>> T.iinfo("int8").max
    127
    """
    return np.iinfo(_dtype(x))


def isdtype(dtype: Any, kind: Any) -> bool:
    """Whether a dtype is of a kind: "bool", "integral", "real floating" ...; a dtype; or
    one of several.

    >>> T.isdtype(T.lvector().type.dtype, "integral")
    True
    """
    several = kind if isinstance(kind, tuple) else (kind,)
    kinds = ("bool", "signed integer", "unsigned integer", "integral", "real floating",
             "complex floating", "numeric")  # fmt: skip
    wanted = tuple(one if one in kinds else _dtype(one) for one in several)
    return bool(np.isdtype(_dtype(dtype), wanted))


def can_cast(x: Any, to: Any) -> bool:
    """Whether every value of a dtype, or of a variable's, has one in another.

    >>> T.can_cast("int32", "float64"), T.can_cast("float64", "float32")
    (True, False)
    """
    return bool(np.can_cast(_dtype(x), _dtype(to)))


def result_type(*arrays_and_dtypes: Any) -> str:
    """The dtype that variables, arrays and dtypes together have in NumPy.

    >>> T.result_type(T.fvector("x"), "int8")
    'float32'
    """
    return np.result_type(*map(_dtype, arrays_and_dtypes)).name
