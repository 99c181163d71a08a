"""Axes: permuting, adding, dropping and joining them.

Nothing here computes on elements.  Where an op cannot be a view (a reshape of an array
that is not contiguous), the compiler copies.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import reduce
from typing import Any, TypeVar

import numpy as np

from symnet.errors import ShapeError, message
from symnet.graph.types import TensorType
from symnet.graph.variables import (
    Apply,
    Constant,
    Gradients,
    Variable,
    Vars,
    make_variable,
    operand_text,
)
from symnet.kernels.loopir import views
from symnet.kernels.loopir.scalars import Scalar, literal
from symnet.kernels.loopir.views import ONE, Size, View, size
from symnet.ops.alloc import (
    alloc,
    broadcast_to,
    empty,
    full,
    full_like,
    ones,
    ones_like,
    zeros,
    zeros_like,
)
from symnet.ops.arithmetic import mul
from symnet.ops.base import (
    ViewOp,
    as_tensor,
    disconnected,
    normalize_axes,
    normalize_axis,
)
from symnet.ops.lowerings import Lowering, Shapes, Sizes, ViewOf, is_real
from symnet.ops.methods import method, prop
from symnet.ops.sizes import (
    add_broadcast,
    addbroadcast,
    get_vector_length,
    make_vector,
    patternbroadcast,
    shape,
    shape_i,
    size_constant,
    size_vector,
    sizes_of,
    specify_shape,
    static_sizes,
    unbroadcast,
    vector_elements,
)

T = TypeVar("T")

# Sizes as variables and filled arrays are part of this family: see `ops.sizes` and
# `ops.alloc`, which stand below.
__all__ = [
    "DimShuffle", "Reshape", "addbroadcast", "alloc", "broadcast_to", "dimshuffle",
    "empty", "expand_dims", "flatten", "full", "full_like", "get_vector_length",
    "make_vector", "moveaxis", "ones", "ones_like", "patternbroadcast", "ravel",
    "reshape", "shape", "shape_i", "shape_padaxis", "shape_padleft", "shape_padright",
    "specify_shape", "squeeze", "swapaxes", "transpose", "unbroadcast", "zeros",
    "zeros_like",
]  # fmt: skip


# ---- permuted, new and dropped axes


class DimShuffle(ViewOp):
    """The axes of x in the order `new_order`; "x" stands for a new axis of size 1.

    Shapes: axes left out must be known to have size 1.
    Raises: ValueError for an axis that does not exist, comes twice, or cannot be dropped.
    """

    __props__ = ("new_order",)

    def __init__(self, new_order: Sequence[int | str]) -> None:
        self.new_order = tuple(o if o == "x" else int(o) for o in new_order)

    def __str__(self) -> str:
        return f"DimShuffle{{{', '.join(map(str, self.new_order))}}}"

    def dropped(self, ndim: int) -> list[int]:
        """The axes of an input of that rank which the output lacks."""
        return [axis for axis in range(ndim) if axis not in self.new_order]

    def make_node(self, x: Any) -> Apply:
        x = as_tensor(x)
        kept = [axis for axis in self.new_order if axis != "x"]
        if len(set(kept)) < len(kept) or not all(
            0 <= int(a) < x.type.ndim for a in kept
        ):
            raise ValueError(
                self._text(x, "each axis may come once, and must exist", "")
            )
        for axis in self.dropped(x.type.ndim):
            if x.type.shape[axis] != 1:
                raise ValueError(
                    self._text(
                        x,
                        f"axis {axis} cannot be dropped: its size is not known to be 1",
                        f"say so with T.addbroadcast(x, {axis}), or take x.sum({axis})",
                    )
                )
        shape = [1 if o == "x" else x.type.shape[int(o)] for o in self.new_order]
        return Apply(self, [x], [make_variable(TensorType(x.type.dtype, shape))])

    def _text(self, x: Variable, what: str, cure: str) -> str:
        order = ", ".join(map(str, self.new_order))
        what = f"dimshuffle({order}): {what}"
        return message(what, operation=self, operands=[operand_text(x)], cure=cure)

    def infer_sizes(self, node: Apply, inputs: Shapes, sizes: Sizes) -> Shapes:
        return [tuple(ONE if o == "x" else inputs[0][int(o)] for o in self.new_order)]

    def lowering(self, node: Apply) -> Lowering:
        axes = tuple(None if o == "x" else int(o) for o in self.new_order)
        return ViewOf(self.views, axes if is_real(node) else None)

    def view(self, node: Apply, view: View, sizes: Sizes) -> View:
        return view.with_axes(self.new_order)

    def host(self, node: Apply, values: Sequence[Any], sizes: Sizes) -> Any:
        """An integer made a vector of one element, or the other way round."""
        value = values[0]
        if value is None or len(self.new_order) > 1:
            return None
        if len(self.new_order) == node.inputs[0].type.ndim:
            return value
        return value[0] if isinstance(value, tuple) else (value,)

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        x = xp.asarray(arrays[0])
        kept = [int(o) for o in self.new_order if o != "x"]
        dropped = self.dropped(x.ndim)
        if any(x.shape[axis] != 1 for axis in dropped):
            raise ShapeError(
                f"an axis dropped has a size other than 1: shape {x.shape}"
            )
        moved = x.transpose(kept + dropped)
        return [
            moved.reshape([1 if o == "x" else x.shape[int(o)] for o in self.new_order])
        ]

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        where = {axis: k for k, axis in enumerate(self.new_order) if axis != "x"}
        new = [k for k, axis in enumerate(self.new_order) if axis == "x"]
        gradient = add_broadcast(output_gradients[0], *new)
        return [
            dimshuffle(
                gradient, *(where.get(a, "x") for a in range(inputs[0].type.ndim))
            )
        ]


def dimshuffle(x: Any, *pattern: Any) -> Variable:
    """`x` with its axes in the order `pattern`, where "x" makes an axis of size 1.

    The pattern comes as several arguments or as one sequence.
    Raises: ValueError for an axis that does not exist, comes twice, or cannot be dropped.
    """
    variable = as_tensor(x)
    if len(pattern) == 1 and isinstance(pattern[0], (tuple, list)):
        pattern = tuple(pattern[0])
    ndim = variable.type.ndim
    order = [p if p == "x" else normalize_axis(p, ndim, "dimshuffle") for p in pattern]
    if order == list(range(ndim)):
        return variable
    result: Variable = DimShuffle(order)(variable)
    return result


def transpose(x: Any, *axes: Any) -> Variable:
    """`x` with its axes reversed, or in the order `axes` (several ints or one sequence)."""
    variable = as_tensor(x)
    order: Any = axes
    if len(axes) == 1 and (axes[0] is None or isinstance(axes[0], (tuple, list))):
        order = axes[0]
    if order is None or axes == ():
        order = range(variable.type.ndim - 1, -1, -1)
    if len(order) != variable.type.ndim:
        raise ValueError(
            f"transpose: {len(order)} axes given for rank {variable.type.ndim}"
        )
    return dimshuffle(variable, *order)


def swapaxes(y: Any, axis1: int, axis2: int) -> Variable:
    """`y` with two axes exchanged."""
    variable = as_tensor(y)
    first = normalize_axis(axis1, variable.type.ndim, "swapaxes")
    second = normalize_axis(axis2, variable.type.ndim, "swapaxes")
    order = list(range(variable.type.ndim))
    order[first], order[second] = order[second], order[first]
    return dimshuffle(variable, *order)


def moveaxis(x: Any, source: Any, destination: Any) -> Variable:
    """`x` with the axes `source` moved to the places `destination` (NumPy's meaning)."""
    variable = as_tensor(x)
    ndim = variable.type.ndim
    sources, places = (
        [normalize_axis(a, ndim, "moveaxis") for a in np.atleast_1d(axes).tolist()]
        for axes in (source, destination)
    )
    if len(set(sources)) != len(sources) or len(set(places)) != len(places):
        raise ValueError(f"moveaxis: an axis comes twice in {source} or {destination}")
    if len(sources) != len(places):
        raise ValueError(f"moveaxis: {len(sources)} axes for {len(places)} places")
    order = [axis for axis in range(ndim) if axis not in sources]
    for place, axis in sorted(zip(places, sources, strict=True)):
        order.insert(place, axis)
    return dimshuffle(variable, *order)


def shape_padleft(t: Any, n_ones: int = 1) -> Variable:
    """`t` with `n_ones` new axes of size 1 in front."""
    variable = as_tensor(t)
    return dimshuffle(variable, *["x"] * n_ones, *range(variable.type.ndim))


def shape_padright(t: Any, n_ones: int = 1) -> Variable:
    """`t` with `n_ones` new axes of size 1 at the end."""
    variable = as_tensor(t)
    return dimshuffle(variable, *range(variable.type.ndim), *["x"] * n_ones)


def shape_padaxis(t: Any, axis: int) -> Variable:
    """`t` with one new axis of size 1, which becomes axis number `axis`.

    Raises: IndexError for an axis outside -ndim-1 .. ndim.
    """
    variable = as_tensor(t)
    ndim = variable.type.ndim + 1
    if not -ndim <= axis < ndim:
        raise IndexError(f"shape_padaxis: axis {axis} is not in -{ndim} .. {ndim - 1}")
    order: list[Any] = list(range(variable.type.ndim))
    order.insert(axis % ndim, "x")
    return dimshuffle(variable, *order)


expand_dims = shape_padaxis


def squeeze(x: Any, axis: Any = None) -> Variable:
    """`x` without its axes known to have size 1, or without `axis` (int or sequence), whose
    size is checked to be 1."""
    variable = as_tensor(x)
    ndim = variable.type.ndim
    if axis is None:
        axes: Sequence[int] = [k for k, n in enumerate(variable.type.shape) if n == 1]
    else:
        axes = normalize_axes(axis, ndim, "squeeze")
    kept = [k for k in range(ndim) if k not in axes]
    return dimshuffle(add_broadcast(variable, *axes), *kept)


# ---- reshape


class Reshape(ViewOp):
    """The elements of x in C order with other sizes: reshape(x, shape).

    Shapes: x, int64 vector of length `ndim` -> the sizes it lists; one of them may be -1,
    also if only a run shows it, and stands for what is left over.
    Raises: ShapeError where the number of elements differs, or nothing says what -1 is
    (the other sizes of an empty array, as for NumPy).
    """

    __props__ = ("ndim",)

    def __init__(self, ndim: int) -> None:
        self.ndim = int(ndim)

    def make_node(self, x: Any, shape: Any) -> Apply:
        x, vector = as_tensor(x), size_vector(shape)
        length = vector.type.shape[0]
        if length is not None and length != self.ndim:
            raise ValueError(f"reshape to rank {self.ndim} got {length} sizes")
        wanted = static_sizes(vector, self.ndim)
        self._check(wanted, x)
        if None not in x.type.shape and None not in wanted:
            wanted = self._complete(wanted, x)
        sizes = [None if n == -1 else n for n in wanted]
        return Apply(
            self, [x, vector], [make_variable(TensorType(x.type.dtype, sizes))]
        )

    def _check(self, wanted: Sequence[int | None], x: Variable) -> None:
        if wanted.count(-1) > 1 or any(n is not None and n < -1 for n in wanted):
            raise ValueError(
                message(
                    f"cannot reshape to {tuple(wanted)}: at most one size may be -1",
                    operation=self,
                    operands=[operand_text(x)],
                )
            )

        if -1 in wanted and 0 in wanted:
            raise ShapeError(
                message(
                    f"cannot reshape to {tuple(wanted)}: nothing says what -1 is",
                    operation=self,
                    operands=[operand_text(x)],
                    cure="write the size itself",
                )
            )

    def _complete(self, wanted: Sequence[int | None], x: Variable) -> list[int | None]:
        """All sizes, when x's and all others are known."""
        numbers = [int(n) for n in wanted if n is not None]
        have = [int(n) for n in x.type.shape]
        return list(complete_shape(numbers, have, f"reshape of {operand_text(x)}"))

    def target(
        self, node: Apply, have: Sequence[Size], sizes: Sizes
    ) -> tuple[Size, ...]:
        """The sizes of the output, the one given as -1 worked out."""
        wanted = sizes.values(node.inputs[1])
        free = [_is_free(one, sizes) for one in wanted]
        open_ends = [k for k, one in enumerate(free) if one is not None]
        if not open_ends:
            total = views.product(have)
            sizes.equal(total, views.product(wanted), "number of elements in a reshape")
            return tuple(wanted)
        certain = len(open_ends) == 1 and views.known(wanted[open_ends[0]]) == -1
        given = [
            views.choose(is_free, ONE, one) if is_free is not None else one
            for one, is_free in zip(wanted, free, strict=True)
        ]
        if not certain:
            _demand_one_free(wanted, free, sizes)
        left, right = _cancel(have, given)
        total, rest = views.product(left), views.product(right)
        missing = views.floor_divide(total, rest)
        what = "the size given as -1 in a reshape does not come out even"
        filled = [
            views.choose(is_free, missing, one) if is_free is not None else one
            for one, is_free in zip(wanted, free, strict=True)
        ]
        if certain:
            fits = views.combine("eq", views.multiply(missing, rest), total)
            some = views.combine("ne", views.product(given), views.ZERO)
            sizes.require(some, what, ShapeError)
        else:
            fits = views.combine("eq", views.product(filled), views.product(have))
            what = f"{what}, or the number of elements differs"
        sizes.require(fits, what, ShapeError)
        return tuple(filled)

    def infer_sizes(self, node: Apply, inputs: Shapes, sizes: Sizes) -> Shapes:
        return [self.target(node, inputs[0], sizes)]

    def view(self, node: Apply, view: View, sizes: Sizes) -> View | None:
        return view.reshaped(sizes.sizes_of(node.outputs[0]))

    def host(self, node: Apply, values: Sequence[Any], sizes: Sizes) -> Any:
        value = values[0]
        if value is None or self.ndim > 1:
            return None
        elements = value if isinstance(value, tuple) else (value,)
        return elements if self.ndim == 1 else elements[0]

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        x, wanted = arrays[0], [int(n) for n in arrays[1]]
        if len(wanted) != self.ndim:
            raise ShapeError(
                f"reshape to rank {self.ndim} got {len(wanted)} sizes: {wanted}"
            )
        return [x.reshape(complete_shape(wanted, x.shape, "reshape"))]

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        x = inputs[0]
        return [
            reshape(output_gradients[0], sizes_of(x), ndim=x.type.ndim),
            disconnected(),
        ]


def _is_free(one: Size, sizes: Sizes) -> Scalar | None:
    """Whether a size asked for is -1, as a host bool; None where it certainly is not."""
    number = views.known(one)
    if number == -1:
        return literal(True, "bool")
    certain = number is not None or sizes.never_negative(one)
    return None if certain else views.combine("eq", one, size(-1))


def _demand_one_free(
    wanted: Sequence[Size], free: Sequence[Scalar | None], sizes: Sizes
) -> None:
    """Sizes that only a run shows: none below -1, no two of them -1; and where one is, the
    others must say what it stands for."""
    count, rest = views.ZERO, ONE
    for one, is_free in zip(wanted, free, strict=True):
        if is_free is None:
            rest = views.multiply(rest, one)
            continue
        count = views.add(count, views.choose(is_free, ONE, views.ZERO))
        rest = views.multiply(rest, views.choose(is_free, ONE, one))
        low = views.combine("ge", one, size(-1))
        sizes.require(low, "a size in a reshape is negative", ShapeError)
    what = "more than one size in a reshape is -1"
    sizes.require(views.combine("le", count, ONE), what, ShapeError)
    some = views.choose(views.combine("eq", count, ONE), rest, ONE)
    what = "nothing says what -1 is in a reshape: the other sizes are 0"
    sizes.require(views.combine("ne", some, views.ZERO), what, ShapeError)


def _cancel(left: Sequence[T], right: Sequence[T]) -> tuple[list[T], list[T]]:
    """The factors of two products without those that both have."""
    rest, kept = list(right), []
    for one in left:
        if one in rest:
            rest.remove(one)
        else:
            kept.append(one)
    return kept, rest


def complete_shape(
    wanted: Sequence[int], have: Sequence[int], what: str
) -> tuple[int, ...]:
    """`wanted` with -1 worked out.  Raises: ShapeError where the numbers do not fit."""
    free = -1 in wanted
    total = math.prod(have)
    rest = math.prod(one for one in wanted if one != -1)
    wrong = wanted.count(-1) > 1 or any(one < -1 for one in wanted)
    if wrong or (free and (rest == 0 or total % rest)) or (not free and total != rest):
        raise ShapeError(
            message(
                f"{what}: {tuple(have)} does not fit into {tuple(wanted)}",
                cure="the number of elements must stay the same",
            )
        )
    return tuple(total // rest if one == -1 else one for one in wanted)


def reshape(x: Any, newshape: Any, ndim: int | None = None) -> Variable:
    """The elements of x in C order with other sizes, one of which may be -1.

    newshape: an integer, a sequence of integers (numbers or scalar variables), or an
    integer vector, whose length must be known or given as `ndim`.
    Raises: ShapeError where the number of elements differs; ValueError for an unknown rank.
    """
    variable, vector = as_tensor(x), size_vector(newshape)
    if ndim is None:
        ndim = vector.type.shape[0]
    if ndim is None:
        raise ValueError(
            message(
                "reshape: the length of the new shape is not known",
                operands=[operand_text(variable), operand_text(vector)],
                cure="pass ndim=, the rank of the result",
            )
        )
    elements = vector_elements(vector)
    same_rank = elements is not None and len(elements) == ndim == variable.type.ndim
    if same_rank and (ndim == 0 or (ndim == 1 and static_sizes(vector, 1) == [-1])):
        return variable
    named = vector if elements is None else _named_rest(variable, elements, vector)
    result: Variable = Reshape(ndim)(variable, named)
    if named is vector:
        return result
    # A size worked out does not count as known to be 1.
    return unbroadcast(
        result, *[k for k, n in enumerate(static_sizes(vector, ndim)) if n == -1]
    )


def _named_rest(x: Variable, wanted: Sequence[Variable], vector: Variable) -> Variable:
    """The sizes `wanted` with -1 said in sizes of x, where all others are sizes of x: so
    does `x.reshape((x.shape[0], -1))` take a batch of no rows.  Else `vector`, as it is."""
    have: list[Variable | None] = list(sizes_of(x))
    rest = None
    for k, one in enumerate(wanted):
        if isinstance(one, Constant) and one.data == -1 and rest is None:
            rest = k
        elif (place := _place_of(one, have)) is not None:
            have[place] = None
        else:
            return vector
    left = [one for one in have if one is not None]
    if rest is None or len(left) == len(have):
        return vector
    known = math.prod(int(one.data) for one in left if isinstance(one, Constant))
    factors = [one for one in left if not isinstance(one, Constant)]
    if known != 1 or not factors:
        factors.append(size_constant(known))
    product = reduce(mul, factors)
    return make_vector([*wanted[:rest], product, *wanted[rest + 1 :]], "int64")


def _place_of(one: Variable, have: Sequence[Variable | None]) -> int | None:
    """Which of the sizes of an array `one` is, written as its size."""
    node = one.owner
    for k, size_ in enumerate(have):
        owner = size_.owner if size_ is not None else None
        if one is size_ and isinstance(one, Constant) and one.data:
            return k
        if node is None or owner is None or node.op != owner.op:
            continue
        if node.inputs[0] is owner.inputs[0]:
            return k
    return None


def flatten(x: Any, ndim: int | None = None, outdim: int | None = None) -> Variable:
    """`x` with its last axes joined, so that `ndim` axes remain (1 by default).

    Raises: ValueError for an ndim below 1 or above the rank of x.
    """
    variable = as_tensor(x)
    ndim = outdim if ndim is None else ndim
    ndim = 1 if ndim is None else int(ndim)
    if ndim < 1 or ndim > max(1, variable.type.ndim):
        raise ValueError(f"flatten: ndim={ndim}, for {operand_text(variable)}")
    if ndim == variable.type.ndim:
        return variable
    return reshape(variable, [*sizes_of(variable)[: ndim - 1], -1], ndim=ndim)


def ravel(x: Any) -> Variable:
    """`x` as a vector, in C order."""
    return flatten(x, 1)


# ---- methods of variables


def _reshape_method(self: Variable, *shape: Any, ndim: int | None = None) -> Variable:
    """`x.reshape(2, 3)`, `x.reshape((2, 3))`, `x.reshape(vector, ndim=2)`."""
    if len(shape) == 2 and ndim is None and not isinstance(shape[0], (int, np.integer)):
        first = shape[0]
        if not isinstance(first, Variable) or first.type.ndim == 1:
            return reshape(self, first, ndim=shape[1])
    return reshape(self, shape[0] if len(shape) == 1 else shape, ndim=ndim)


def _iterate(self: Variable) -> Iterator[Variable]:
    """The rows of a variable, where their number is known."""
    if self.type.ndim == 0 or self.type.shape[0] is None:
        raise TypeError(
            message(
                f"cannot iterate over {operand_text(self)}: its first size is not known",
                cure="index it, use operations on whole arrays, or use scan",
            )
        )
    return iter([self[k] for k in range(self.type.shape[0])])


_METHODS: dict[str, Any] = {
    "dimshuffle": dimshuffle,
    "reshape": _reshape_method,
    "flatten": flatten,
    "ravel": ravel,
    "transpose": transpose,
    "swapaxes": swapaxes,
    "squeeze": squeeze,
    "zeros_like": zeros_like,
    "ones_like": ones_like,
    "__iter__": _iterate,
}
for _name, _function in _METHODS.items():
    method(_name)(_function)
prop("shape")(shape)
prop("T")(transpose)
