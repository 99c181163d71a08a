"""The elements of an array in other sizes: reshape, flatten, ravel.

A reshape of an array that lies without gaps is a view; of others the compiler makes a
copy.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce
from typing import Any, TypeVar

import numpy as np

from symnet.errors import ShapeError, message
from symnet.graph.op import Gradients, Vars
from symnet.graph.types import TensorType
from symnet.graph.variables import (
    Apply,
    Constant,
    Variable,
    make_variable,
    operand_text,
)
from symnet.kernels.loopir import views
from symnet.kernels.loopir.scalars import Scalar, literal
from symnet.kernels.loopir.views import ONE, Size, View, size
from symnet.ops.arithmetic import mul
from symnet.ops.base import (
    ViewOp,
    as_tensor,
    disconnected,
)
from symnet.ops.lowerings import Shapes, Sizes
from symnet.ops.methods import method
from symnet.ops.sizes import (
    make_vector,
    size_constant,
    size_vector,
    sizes_of,
    static_sizes,
    unbroadcast,
    vector_elements,
)

T = TypeVar("T")

__all__ = ["Reshape", "flatten", "is_flat", "ravel", "reshape"]


class Reshape(ViewOp):
    """The elements of x in C order with other sizes: reshape(x, shape).

    Shapes: x, int64 vector of length `ndim` -> the sizes it lists; one of them may be -1,
    also if only a run shows it, and stands for what is left over.
    Raises: ShapeError where the number of elements differs, or nothing says what -1 is
    (the other sizes of an empty array, as for NumPy).

    >>> x = T.dvector("x")
    >>> T.Reshape(2)(x, [2, -1]).eval({x: [1.0, 2.0, 3.0, 4.0]})
    array([[1., 2.],
           [3., 4.]])
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

    >>> T.reshape([1, 2, 3, 4], (2, 2)).eval()
    array([[1, 2],
           [3, 4]])
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
    result = Reshape(ndim)(variable, named)
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

    >>> T.flatten([[1, 2], [3, 4]]).eval()
    array([1, 2, 3, 4])
    """
    variable = as_tensor(x)
    ndim = outdim if ndim is None else ndim
    ndim = 1 if ndim is None else int(ndim)
    if ndim < 1 or ndim > max(1, variable.type.ndim):
        raise ValueError(f"flatten: ndim={ndim}, for {operand_text(variable)}")
    if ndim == variable.type.ndim:
        return variable
    joined = variable.type.shape[ndim - 1 :]
    last = -1 if None in joined else math.prod(joined)
    return reshape(variable, [*sizes_of(variable)[: ndim - 1], last], ndim=ndim)


def is_flat(var: Variable, ndim: int | None = None, outdim: int | None = None) -> bool:
    """Whether a variable has the rank that `flatten(var, ndim)` would give it.

    >>> T.is_flat(T.matrix()), T.is_flat(T.matrix(), 2)
    (False, True)
    """
    if ndim is not None and outdim is not None:
        raise ValueError("is_flat: ndim and outdim mean the same: give one of them")
    wanted = ndim if ndim is not None else outdim
    return bool(var.type.ndim == (1 if wanted is None else wanted))


def ravel(x: Any) -> Variable:
    """`x` as a vector, in C order.

    >>> T.ravel([[1, 2], [3, 4]]).eval()
    array([1, 2, 3, 4])
    """
    return flatten(x, 1)


# ---- methods of variables


def _reshape_method(
    self: Variable, *sizes: Any, shape: Any = None, ndim: int | None = None
) -> Variable:
    """`x.reshape(2, 3)`, `x.reshape((2, 3))`, `x.reshape(shape=vector, ndim=2)`."""
    shape = sizes if shape is None else (shape,)
    if len(shape) == 2 and ndim is None and not isinstance(shape[0], (int, np.integer)):
        first = shape[0]
        if not isinstance(first, Variable) or first.type.ndim == 1:
            return reshape(self, first, ndim=shape[1])
    return reshape(self, shape[0] if len(shape) == 1 else shape, ndim=ndim)


method("reshape")(_reshape_method)
method("flatten")(flatten)
method("ravel")(ravel)
