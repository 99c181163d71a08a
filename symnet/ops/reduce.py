"""Reductions over axes: sum, prod, max, min, all, any, argmax, ...

Every one takes `axis` as None (all axes), an int (negative from the end) or a sequence
of ints, and `keepdims` to leave the reduced axes with size 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from symnet.errors import message
from symnet.graph.op import Gradients, Vars
from symnet.graph.types import COMPLEX, FLOATS, TensorType
from symnet.graph.variables import (
    Apply,
    TensorLike,
    Variable,
    make_variable,
    operand_text,
)
from symnet.kernels.loopir import views
from symnet.kernels.loopir.scalars import REDUCTIONS
from symnet.kernels.loopir.views import ZERO
from symnet.ops.arithmetic import (
    add,
    isclose,
    maximum,
    minimum,
    mul,
    second,
    sub,
    switch,
)  # fmt: skip
from symnet.ops.base import (
    LONG_SUM,
    WIDER,
    SameShape,
    TensorOp,
    as_tensor,
    normalize_axes,
    upcast,
)
from symnet.ops.comparison import and_, eq, neq, or_
from symnet.ops.complex_parts import conjugate
from symnet.ops.composed import Composed
from symnet.ops.cumulative import derivative_of_others, products_of_others
from symnet.ops.elementwise import cast
from symnet.ops.lowerings import (
    Lowering,
    Reduction,
    Reference,
    Shapes,
    Sizes,
    has_arrays,
)
from symnet.ops.methods import method
from symnet.ops.shape import dimshuffle

# What `symnet.tensor` has of them.
__all__ = [
    "all", "allclose", "any", "argmax", "argmin", "makeKeepDims", "max",
    "max_and_argmax", "min", "prod", "ptp", "sum",
]  # fmt: skip

# kind -> the function of NumPy that joins two elements.
JOINS = {"sum": "add", "prod": "multiply", "max": "maximum", "min": "minimum",
         "all": "logical_and", "any": "logical_or"}  # fmt: skip
# kind -> the operation on elements that joins two.
ELEMENTWISE = {"sum": add, "prod": mul, "max": maximum, "min": minimum, "all": and_,
               "any": or_}  # fmt: skip
DIFFERENTIABLE = ("sum", "prod", "max", "min")
# Reductions of nothing have no value.
NEEDS_ELEMENTS = ("max", "min", "argmax", "argmin")


class Reduce(TensorOp):
    """`kind` applied over `axes` (in order, counted from the front), which disappear.

    kind: one of REDUCTIONS.  argmax and argmin give the int64 position along the reduced
    axes taken together in C order; the first of equals; NaN counts as the extremum.
    dtype: the result's.  acc_dtype: the one in which sums and products are accumulated.
    Raises: ValueError (when run) for the extremum of no elements.
    """

    __props__ = ("kind", "axes", "dtype", "acc_dtype")

    def __init__(
        self, kind: str, axes: Sequence[int], dtype: str, acc_dtype: str | None = None
    ) -> None:
        if kind not in REDUCTIONS:
            raise ValueError(
                f"no reduction {kind!r}: there are {', '.join(REDUCTIONS)}"
            )
        self.kind = kind
        self.axes = tuple(axes)
        self.dtype = dtype
        self.acc_dtype = acc_dtype or dtype

    @property
    def axis(self) -> tuple[int, ...]:
        """The axes by Theano's name."""
        return self.axes

    @property
    def scalar_op(self) -> Any:
        """The operation on two elements.  Raises: AttributeError for a position."""
        if self.kind not in ELEMENTWISE:
            raise AttributeError(f"{self} joins no two elements to one")
        return ELEMENTWISE[self.kind]

    def __str__(self) -> str:
        return f"{self.kind}{{axes={list(self.axes)}}}"

    __repr__ = __str__

    def over(self, axes: Sequence[int]) -> Reduce:
        """The same reduction over other axes."""
        return Reduce(self.kind, axes, self.dtype, self.acc_dtype)

    def kept(self, ndim: int) -> list[int]:
        """The axes that remain."""
        return [axis for axis in range(ndim) if axis not in self.axes]

    def make_node(self, x: Any) -> Apply:
        x = as_tensor(x)
        ndim = x.type.ndim
        if not set(self.axes) <= set(range(ndim)):
            raise ValueError(
                message(f"no axes {self.axes}", operands=[operand_text(x)])
            )
        shape = [x.type.shape[axis] for axis in self.kept(ndim)]
        return Apply(self, [x], [make_variable(TensorType(self.dtype, shape))])

    def infer_sizes(self, node: Apply, inputs: Shapes, sizes: Sizes) -> Shapes:
        ndim = node.inputs[0].type.ndim
        kept = tuple(inputs[0][axis] for axis in self.kept(ndim))
        if self.needs_elements:
            reduced = views.product([inputs[0][axis] for axis in self.axes])
            sizes.require(views.combine("gt", reduced, ZERO), self._nothing)
        return [kept]

    def lowering(self, node: Apply) -> Lowering:
        real = node.inputs[0].type.dtype not in COMPLEX
        if not has_arrays(node) or not (real or self.kind == "sum"):
            return Reference()  # the parts of a product are no products of parts
        return Reduction(self.kind, self.axes, self.acc_dtype)

    @property
    def needs_elements(self) -> bool:
        return self.kind in NEEDS_ELEMENTS

    @property
    def _nothing(self) -> str:
        return f"{self.kind} of no elements has no value"

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        (x,) = arrays
        if self.needs_elements and 0 in [x.shape[axis] for axis in self.axes]:
            raise ValueError(self._nothing)
        dtype = node.outputs[0].type.dtype
        if self.kind in ("argmax", "argmin"):
            value = self._position(x, xp)
        else:
            sums = self.kind in ("sum", "prod")
            wide = self._exact_dtype(x) if sums else None
            value = getattr(xp, JOINS[self.kind]).reduce(x, self.axes, wide)
        return [xp.asarray(value).astype(dtype)]

    def _exact_dtype(self, x: Any) -> str | None:
        """The dtype in which the reference adds up: a long sum in float32 in more digits,
        because NumPy adds in pairs along the last axis only."""
        count = math.prod(x.shape[axis] for axis in self.axes)
        if self.kind != "sum" or count < LONG_SUM:
            return self.acc_dtype
        return WIDER.get(self.acc_dtype or x.dtype.name, self.acc_dtype)

    def _position(self, x: Any, xp: Any) -> Any:
        kept = self.kept(x.ndim)
        sizes = [x.shape[axis] for axis in kept]
        count = int(np.prod([x.shape[axis] for axis in self.axes], dtype=np.int64))
        flat = xp.transpose(x, [*kept, *self.axes]).reshape([*sizes, count])
        return getattr(xp, self.kind)(flat, axis=-1)

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        (x,) = inputs
        if x.type.dtype not in FLOATS + COMPLEX or self.kind not in DIFFERENTIABLE:
            return [None]
        g: Any = restore_axes(cast(output_gradients[0], x.type.dtype), self.axes)
        if self.kind == "sum":
            return [second(x, g)]
        if self.kind == "prod":
            return [mul(g, conjugate(OtherProduct(self.axes)(x)))]
        return [switch(eq(x, restore_axes(outputs[0], self.axes)), g, 0)]


class OtherProduct(SameShape, Composed):
    """For each element the product of the others over `axes`: the derivative of `prod`.

    It is made of products of what comes before and after an element, and so is its gradient:
    right to every order, however many elements are zero, and wherever the product of all
    leaves the dtype's range.
    """

    __props__ = ("axes",)

    def __init__(self, axes: Sequence[int]) -> None:
        self.axes = tuple(axes)

    def make_node(self, x: Variable) -> Apply:
        return Apply(self, [x], [make_variable(x.type)])

    def expand(self, *inputs: Variable) -> Variable:
        return products_of_others(inputs[0], self.axes)

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        (x,) = arrays
        result = xp.ones_like(x)
        for position in np.ndindex(*(x.shape[axis] for axis in self.axes)):
            where: list[Any] = [slice(None)] * x.ndim
            for axis, number in zip(self.axes, position):
                where[axis] = slice(number, number + 1)
            others = xp.ones_like(x)
            others[...] = x[tuple(where)]
            others[tuple(where)] = 1
            result = result * others
        return [result]

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        return [derivative_of_others(inputs[0], output_gradients[0], self.axes)]


class Top(Reduce):
    """The maximum over `axes` of floats; of no elements minus infinity.

    What is taken out of a sum of exponentials, which of no elements is 0.
    """

    needs_elements = False

    def __init__(self, axes: Sequence[int], dtype: str) -> None:
        super().__init__("max", axes, dtype)

    def over(self, axes: Sequence[int]) -> Reduce:
        return Top(axes, self.dtype)

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        return [xp.amax(arrays[0], axis=self.axes, initial=-np.inf)]


def top_over(x: Variable, axis: Sequence[int]) -> Variable:
    """The maximum of floats over `axis`, which may be empty (see `Top`)."""
    return Top(tuple(axis), x.type.dtype)(x)


def restore_axes(reduced: Variable, axes: Sequence[int]) -> Variable:
    """Put the reduced `axes` back with size 1."""
    ndim = reduced.type.ndim + len(axes)
    remaining = iter(range(reduced.type.ndim))
    return dimshuffle(
        reduced, *["x" if axis in axes else next(remaining) for axis in range(ndim)]
    )


def makeKeepDims(x: Any, y: Variable, axis: Any) -> Variable:
    """Theano's name: `y`, a reduction of `x` over `axis`, with the axes put back.

    >>> x = T.constant([[1, 2], [3, 4]])
    >>> T.makeKeepDims(x, x.sum(axis=1), 1).eval()
    array([[3],
           [7]])
    """
    return restore_axes(y, normalize_axes(axis, as_tensor(x).type.ndim, "makeKeepDims"))


def _reduce(
    kind: str, x: Any, axis: Any, keepdims: bool, dtype: str | None = None,
    acc_dtype: str | None = None,
) -> Variable:  # fmt: skip
    x = as_tensor(x)
    axes = normalize_axes(axis, x.type.ndim, kind)
    dtype = dtype or x.type.dtype
    if not axes and kind in ("argmax", "argmin"):
        return second(x, cast(0, dtype))
    if not axes:
        return cast(x, dtype)
    result = Reduce(kind, axes, dtype, acc_dtype)(x)
    return restore_axes(result, axes) if keepdims else result


# ---- sums and products


def default_dtype(dtype: str) -> str:
    """The dtype of a sum: small integers widen to int64 or uint64."""
    kind = np.dtype(dtype).kind
    return {"b": "int64", "i": "int64", "u": "uint64"}.get(kind, dtype)


def _accumulate(
    kind: str,
    x: Any,
    axis: Any,
    dtype: str | None,
    keepdims: bool,
    acc_dtype: str | None,
) -> Variable:
    x = as_tensor(x)
    have = x.type.dtype
    result = TensorType(dtype).dtype if dtype else default_dtype(have)
    if have in COMPLEX and result not in COMPLEX:
        raise TypeError(_loses(kind, x, "dtype", result))
    if acc_dtype is None:
        whole = {have, result}.isdisjoint(FLOATS + COMPLEX)  # these wrap all alike
        acc_dtype = upcast(default_dtype(have), have if whole else result)
        acc_dtype = "float32" if acc_dtype == "float16" else acc_dtype
    elif upcast(have, acc_dtype) != TensorType(acc_dtype).dtype and not (
        np.dtype(acc_dtype).kind in "fc" and np.dtype(have).kind in "biu"
    ):
        raise TypeError(_loses(kind, x, "acc_dtype", acc_dtype))
    return _reduce(kind, x, axis, keepdims, result, TensorType(acc_dtype).dtype)


def _loses(kind: str, x: Variable, which: str, dtype: str) -> str:
    return message(
        f"{kind} with {which}={dtype} would lose precision",
        operands=[operand_text(x)],
        cure="cast the input first, or leave the dtypes out",
    )


def sum(
    input: TensorLike,
    axis: Any = None,
    dtype: str | None = None,
    keepdims: bool = False,
    acc_dtype: str | None = None,
) -> Variable:
    """The sum over `axis`; of nothing 0.

    Dtypes: bool and int give int64, uint uint64, floats their own; `dtype` another one.
    float16 accumulates in float32, unless `acc_dtype` says otherwise.
    Raises: TypeError where dtype or acc_dtype would lose precision; ValueError for an
    axis that does not exist.

    >>> T.sum([[1, 2], [3, 4]], axis=0).eval()
    array([4, 6])
    """
    return _accumulate("sum", input, axis, dtype, keepdims, acc_dtype)


def prod(
    input: TensorLike,
    axis: Any = None,
    dtype: str | None = None,
    keepdims: bool = False,
    acc_dtype: str | None = None,
    no_zeros_in_input: bool = False,
) -> Variable:
    """The product over `axis`; of nothing 1.  Dtypes and errors as `sum`.

    `no_zeros_in_input` is a promise that is not needed: the gradient is right with zeros.

    >>> T.prod([2, 3, 4]).eval()
    array(24)
    """
    return _accumulate("prod", input, axis, dtype, keepdims, acc_dtype)


# ---- extrema


def max(x: TensorLike, axis: Any = None, keepdims: bool = False) -> Variable:
    """The greatest element over `axis`; NaN where there is one.

    The gradient goes to every element that equals the maximum, as in Theano.
    Raises: TypeError for complex; ValueError (when run) for no elements.

    >>> T.max([[1, 5], [4, 2]], axis=1).eval()
    array([5, 4])
    """
    return _reduce("max", _ordered("max", x), axis, keepdims)


def min(x: TensorLike, axis: Any = None, keepdims: bool = False) -> Variable:
    """The least element over `axis`; otherwise as `max`.

    >>> T.min([[1, 5], [4, 2]], axis=1).eval()
    array([1, 2])
    """
    return _reduce("min", _ordered("min", x), axis, keepdims)


def argmax(x: TensorLike, axis: Any = None, keepdims: bool = False) -> Variable:
    """The position (int64) of the greatest element, the first of equals or of NaNs.

    Over several axes the position is that in their elements laid out in C order.

    >>> T.argmax([[1, 5], [4, 2]], axis=1).eval()
    array([1, 0])
    """
    return _reduce("argmax", _ordered("argmax", x), axis, keepdims, "int64")


def argmin(x: TensorLike, axis: Any = None, keepdims: bool = False) -> Variable:
    """The position (int64) of the least element; otherwise as `argmax`.

    >>> T.argmin([[1, 5], [4, 2]], axis=1).eval()
    array([0, 1])
    """
    return _reduce("argmin", _ordered("argmin", x), axis, keepdims, "int64")


def max_and_argmax(
    a: Any, axis: Any = None, keepdims: bool = False
) -> tuple[Variable, Variable]:
    """`(max(a, axis), argmax(a, axis))`.

    >>> value, place = T.max_and_argmax([1, 5, 2])
    >>> value.eval(), place.eval()
    (array(5), array(1))
    """
    a = as_tensor(a)
    return max(a, axis, keepdims), argmax(a, axis, keepdims)


def ptp(a: TensorLike, axis: Any = None) -> Variable:
    """Peak to peak: the maximum less the minimum.

    >>> T.ptp([2, 3, 7]).eval()
    array(5)
    """
    a = as_tensor(a)
    return sub(max(a, axis), min(a, axis))


def _ordered(kind: str, x: Any) -> Variable:
    variable = as_tensor(x)
    if variable.type.dtype in COMPLEX:
        raise TypeError(
            message(
                f"{kind} is not defined for complex numbers, which have no order",
                operands=[operand_text(variable)],
                cure=f"take T.{kind}(abs(x))",
            )
        )
    return variable


# ---- truth


def all(x: TensorLike, axis: Any = None, keepdims: bool = False) -> Variable:
    """Whether every element over `axis` is true (not 0); of nothing True.

    >>> T.all([[True, False], [True, True]], axis=1).eval()
    array([False,  True])
    """
    return _reduce("all", cast_truth(x), axis, keepdims)


def any(x: TensorLike, axis: Any = None, keepdims: bool = False) -> Variable:
    """Whether some element over `axis` is true (not 0); of nothing False.

    >>> T.any([[True, False], [False, False]], axis=1).eval()
    array([ True, False])
    """
    return _reduce("any", cast_truth(x), axis, keepdims)


def cast_truth(x: Any) -> Variable:
    """`x` as booleans: what is not 0 (NaN included) is true."""
    x = as_tensor(x)
    return x if x.type.dtype == "bool" else neq(x, 0)


def allclose(
    a: Any, b: Any, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
) -> Variable:
    """Whether all of `isclose(a, b)` holds: a bool scalar.

    >>> T.allclose([1.0, 2.0], [1.0, 2.0 + 1e-9]).eval()
    array(True)
    """
    return all(isclose(a, b, rtol, atol, equal_nan))


for _function in (sum, prod, max, min, argmax, argmin, ptp, all, any):
    method(_function.__name__)(_function)
