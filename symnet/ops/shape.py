"""Axes: permuting, adding and dropping them.

Nothing here computes on elements.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from symnet.errors import ShapeError, message
from symnet.graph.op import Gradients, Vars
from symnet.graph.types import TensorType
from symnet.graph.variables import Apply, Variable, make_variable, operand_text
from symnet.kernels.loopir.views import ONE, View
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
from symnet.ops.base import (
    ViewOp,
    as_tensor,
    normalize_axes,
    normalize_axis,
)
from symnet.ops.lowerings import Lowering, Shapes, Sizes, ViewOf, has_arrays
from symnet.ops.methods import method, prop
from symnet.ops.sizes import (
    add_broadcast,
    addbroadcast,
    get_vector_length,
    make_vector,
    patternbroadcast,
    shape,
    shape_i,
    specify_shape,
    unbroadcast,
)

# Sizes as variables and filled arrays are part of this family: see `ops.sizes` and
# `ops.alloc`, which stand below.
__all__ = [
    "DimShuffle", "addbroadcast", "alloc", "broadcast_to", "dimshuffle",
    "empty", "expand_dims", "full", "full_like", "get_vector_length",
    "make_vector", "moveaxis", "ones", "ones_like", "patternbroadcast",
    "shape", "shape_i", "shape_padaxis", "shape_padleft", "shape_padright",
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
                self._text(x, "an axis must exist, and may not appear twice", "")
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
        return ViewOf(self.views, axes if has_arrays(node) else None)

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

    >>> T.dimshuffle([1, 2], 0, "x").eval()
    array([[1],
           [2]])
    """
    variable = as_tensor(x)
    if len(pattern) == 1 and isinstance(pattern[0], (tuple, list)):
        pattern = tuple(pattern[0])
    ndim = variable.type.ndim
    order = [p if p == "x" else normalize_axis(p, ndim, "dimshuffle") for p in pattern]
    if order == list(range(ndim)):
        return variable
    return DimShuffle(order)(variable)


def transpose(x: Any, *order: Any, axes: Any = None) -> Variable:
    """`x` with its axes reversed, or in the order `axes`: one sequence, or several ints.

    >>> T.transpose([[1, 2], [3, 4]]).eval()
    array([[1, 3],
           [2, 4]])
    """
    variable = as_tensor(x)
    if order and axes is not None:
        raise TypeError(
            message(
                f"transpose: axes are given twice, {order} and {axes}",
                operands=[operand_text(variable)],
                cure="give them once, as one sequence or several integers",
            )
        )
    if len(order) == 1 and (order[0] is None or isinstance(order[0], (tuple, list))):
        axes = order[0]
    elif order:
        axes = order
    if axes is None:
        axes = range(variable.type.ndim - 1, -1, -1)
    if len(axes) != variable.type.ndim:
        raise ValueError(
            message(
                f"transpose: {len(axes)} axes given for rank {variable.type.ndim}",
                operands=[operand_text(variable)],
                cure="give every axis once, or none to reverse them",
            )
        )
    return dimshuffle(variable, *axes)


def swapaxes(y: Any, axis1: int, axis2: int) -> Variable:
    """`y` with two axes exchanged.

    >>> T.swapaxes([[1, 2], [3, 4]], 0, 1).eval()
    array([[1, 3],
           [2, 4]])
    """
    variable = as_tensor(y)
    first = normalize_axis(axis1, variable.type.ndim, "swapaxes")
    second = normalize_axis(axis2, variable.type.ndim, "swapaxes")
    order = list(range(variable.type.ndim))
    order[first], order[second] = order[second], order[first]
    return dimshuffle(variable, *order)


def moveaxis(x: Any, source: Any, destination: Any) -> Variable:
    """`x` with the axes `source` moved to the places `destination` (NumPy's meaning).

    >>> T.moveaxis(T.zeros((2, 3, 4)), 0, -1).eval().shape
    (3, 4, 2)
    """
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
    """`t` with `n_ones` new axes of size 1 in front.

    >>> T.shape_padleft(T.vector()).type.shape
    (1, None)
    """
    variable = as_tensor(t)
    return dimshuffle(variable, *["x"] * n_ones, *range(variable.type.ndim))


def shape_padright(t: Any, n_ones: int = 1) -> Variable:
    """`t` with `n_ones` new axes of size 1 at the end.

    >>> T.shape_padright(T.vector()).type.shape
    (None, 1)
    """
    variable = as_tensor(t)
    return dimshuffle(variable, *range(variable.type.ndim), *["x"] * n_ones)


def shape_padaxis(t: Any, axis: int) -> Variable:
    """`t` with one new axis of size 1, which becomes axis number `axis`.

    Raises: IndexError for an axis outside -ndim-1 .. ndim.

    >>> T.expand_dims(T.vector(), 1).type.shape
    (None, 1)
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
    size is checked to be 1.

    >>> T.squeeze(T.TensorType("int8", (1, None, 1))()).type.shape
    (None,)
    """
    variable = as_tensor(x)
    ndim = variable.type.ndim
    if axis is None:
        axes: Sequence[int] = [k for k, n in enumerate(variable.type.shape) if n == 1]
    else:
        axes = normalize_axes(axis, ndim, "squeeze")
    kept = [k for k in range(ndim) if k not in axes]
    return dimshuffle(add_broadcast(variable, *axes), *kept)


# ---- methods of variables


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
