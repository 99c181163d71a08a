"""Theano's classes of operations on elements, over axes and of axes, which make, and recognise,
the package's own."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from symnet.errors import message
from symnet.graph.types import Type
from symnet.graph.variables import Variable, operand_text
from symnet.ops.arithmetic import add, maximum, minimum, mod, mul
from symnet.ops.base import as_tensor
from symnet.ops.comparison import and_, or_, xor
from symnet.ops.elementwise import Elementwise, cast
from symnet.ops.indexing import getitem, inc_subtensor, set_subtensor
from symnet.ops.joining import Join as JoinOp
from symnet.ops.joining import Split as SplitOp
from symnet.ops.joining import join, split
from symnet.ops.operation_class import REQUIRED, OperationObject, operation_object
from symnet.ops.reduce import Reduce
from symnet.ops.reduce import all as all_over
from symnet.ops.reduce import any as any_over
from symnet.ops.reduce import max as max_over
from symnet.ops.reduce import min as min_over
from symnet.ops.reduce import prod as prod_over
from symnet.ops.reduce import sum as sum_over
from symnet.ops.scalar_ops import OnElements
from symnet.ops.shape import DimShuffle
from symnet.ops.sizes import SpecifyShape as SpecifyShapeOp
from symnet.ops.sizes import specify_shape
from symnet.ops.subtensor import IncSubtensor as IncSubtensorOp
from symnet.ops.subtensor import Subtensor as SubtensorOp


class ElemwiseClass(type):
    """Asks whether an operation works on each element, and makes one from an operation on
    numbers."""

    def __instancecheck__(cls, op: Any) -> bool:
        return isinstance(op, (Elementwise, OnElements))

    def __call__(
        cls,
        scalar_op: Any,
        inplace_pattern: Any = None,
        name: str | None = None,
        nfunc_spec: Any = None,
        openmp: Any = None,
    ) -> Any:
        if callable(scalar_op):
            return scalar_op
        raise TypeError(
            f"Elemwise takes an operation on numbers, such as symnet.scalar.add or a "
            f"ScalarOp, not {scalar_op!r}"
        )


class Elemwise(metaclass=ElemwiseClass):
    """An operation on numbers as one on each element of arrays: `Elemwise(scalar.add)`.

    The operations of `symnet.scalar`, and those that users write, are such operations
    already.  inplace_pattern, nfunc_spec, openmp: Theano's, without effect: where results
    lie, and on how many threads they are computed, the compiler decides.
    Raises: TypeError for what is no operation.

    >>> x = T.dvector("x")
    >>> T.Elemwise(symnet.scalar.add)(x, 1).eval({x: [1.0, 2.0]})
    array([2., 3.])
    >>> isinstance(T.exp(x).owner.op, T.Elemwise)
    True
    """


class DimShuffleClass(type):
    def __instancecheck__(cls, op: Any) -> bool:
        return isinstance(op, DimShuffle)

    def __call__(
        cls,
        input_broadcastable: Sequence[bool],
        new_order: Sequence[int | str],
        inplace: bool = True,
    ) -> Any:
        op = DimShuffle(new_order)
        axes = [one for one in new_order if one != "x"]
        dropped = [k for k in range(len(input_broadcastable)) if k not in axes]
        for k in dropped:
            if not input_broadcastable[k]:
                raise ValueError(
                    f"DimShuffle: axis {k} is to be dropped, and may have another size than 1"
                )
        return op


class AxesOrder(metaclass=DimShuffleClass):
    """The operation behind `x.dimshuffle`: `DimShuffle(x.broadcastable, (1, "x", 0))(x)`.

    input_broadcastable: the broadcast pattern of the input.  new_order: for each axis of
    the result the axis of the input, or "x" for a new one of size 1.  inplace: Theano's,
    without effect.
    Raises: ValueError where an axis is dropped that is not known to have the size 1.

    >>> v = T.dvector("v")
    >>> T.DimShuffle(v.broadcastable, ("x", 0))(v).eval({v: [1.0, 2.0]})
    array([[1., 2.]])
    """


def _odd(x: Any, axis: Any) -> Variable:
    """Whether an odd number of booleans is true."""
    return cast(mod(sum_over(x, axis), 2), "bool")


# operation on two numbers -> over axes; those of bits are of booleans only
ASSOCIATIVE: dict[Any, Callable[..., Variable]] = {
    add: sum_over, mul: prod_over, maximum: max_over, minimum: min_over,
}  # fmt: skip
OF_TRUTHS: dict[Any, Callable[..., Variable]] = {
    and_: all_over, or_: any_over, xor: _odd,
}  # fmt: skip


def _reduced(x: Any, scalar_op: Any, axis: Any, dtype: Any, acc_dtype: Any) -> Variable:
    x = as_tensor(x)
    own = x.type.dtype
    if own == "bool" and scalar_op in (add, mul):
        scalar_op = {add: or_, mul: and_}[scalar_op]
    if scalar_op in OF_TRUTHS:
        if own != "bool":
            raise TypeError(
                message(
                    f"CAReduce: there is no {scalar_op} over the bits of {own}",
                    operands=[operand_text(x)],
                    cure="of booleans there is: compare first, or use T.all and T.any",
                )
            )
        return cast(OF_TRUTHS[scalar_op](x, axis), dtype or own)
    if scalar_op in (add, mul):
        return ASSOCIATIVE[scalar_op](x, axis, dtype or own, acc_dtype=acc_dtype)
    return cast(ASSOCIATIVE[scalar_op](x, axis), dtype or own)


class CAReduce(OperationObject):
    """An associative operation of two numbers over the axes of an array:
    `CAReduce(scalar.add, axis=0)`.

    The operation is `add`, `mul`, `maximum`, `minimum`, or, of booleans, `and_`, `or_` and
    `xor`.  Dtypes: that of the array, unless `dtype` says another.
    Raises: TypeError for another operation; when called, for another dtype.

    >>> x = T.dmatrix("x")
    >>> largest = T.CAReduce(symnet.scalar.maximum, axis=0)
    >>> largest(x).eval({x: [[1.0, 5.0], [3.0, 2.0]]})
    array([3., 5.])
    """

    recognises = staticmethod(lambda op: isinstance(op, Reduce))
    function = staticmethod(_reduced)
    defaults = {"scalar_op": REQUIRED, "axis": None, "dtype": None, "acc_dtype": None}

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        operation = self.settings["scalar_op"]
        if operation not in ASSOCIATIVE and operation not in OF_TRUTHS:
            raise TypeError(f"CAReduce: {operation} is not associative, or not known")


def op_class(
    name: str, example: str, kind: type, function: Callable[..., Any], **defaults: Any
) -> type[OperationObject]:
    """A class whose objects call a function; ops of `kind` are of that class."""
    about = f"Theano's class of {name}: its objects, and our operations of that kind."
    doc = f"{about}\n\n{inspect.cleandoc(example)}"
    return operation_object(
        name, doc, function, lambda op: isinstance(op, kind), **defaults
    )


def _part(x: Any, *bounds: Any, idx_list: Sequence[Any]) -> Variable:
    return getitem(x, _filled(idx_list, bounds))


def _written(
    x: Any, y: Any, *bounds: Any, idx_list: Sequence[Any], inplace: bool,
    set_instead_of_inc: bool, destroyhandler_tolerate_aliased: Any,
) -> Variable:  # fmt: skip
    place = getitem(x, _filled(idx_list, bounds))
    write = set_subtensor if set_instead_of_inc else inc_subtensor
    return write(place, y)


def _filled(idx_list: Sequence[Any], bounds: Sequence[Any]) -> tuple[Any, ...]:
    """An index: its types replaced by the next of the bounds.

    Raises: TypeError for another number of bounds.
    """
    rest = list(bounds)

    def fill(one: Any) -> Any:
        if isinstance(one, slice):
            return slice(fill(one.start), fill(one.stop), fill(one.step))
        return rest.pop(0) if isinstance(one, (Type, Variable)) else one

    needed = sum(
        isinstance(part, (Type, Variable))
        for one in idx_list
        for part in (
            (one.start, one.stop, one.step) if isinstance(one, slice) else (one,)
        )
    )
    if needed != len(rest):
        raise TypeError(f"an index of {needed} bounds got {len(rest)}")
    return tuple(map(fill, idx_list))


def get_idx_list(inputs: Sequence[Any], idx_list: Sequence[Any]) -> tuple[Any, ...]:
    """The index of an operation on a part, from its inputs (the array first) and its
    `idx_list`.

    >>> node = T.dvector("x")[T.iscalar("n") :].owner
    >>> T.get_idx_list(node.inputs, node.op.idx_list)[0].start
    n
    """
    return _filled(idx_list, inputs[1:])


Join = op_class(
    "Join",
    """>>> x = T.dvector("x")
    >>> T.Join()(0, x, x).eval({x: [1.0, 2.0]})
    array([1., 2., 1., 2.])
    """,
    JoinOp,
    lambda axis, *tensors, view: join(axis, *tensors),
    view=-1,
)
Split = op_class(
    "Split",
    """>>> x = T.dvector("x")
    >>> one, two = T.Split(2)(x, 0, [1, 2])
    >>> symnet.function([x], [one, two])([1.0, 2.0, 3.0])
    [array([1.]), array([2., 3.])]
    """,
    SplitOp,
    lambda x, axis, splits, len_splits: split(x, splits, len_splits, axis),
    len_splits=REQUIRED,
)
SpecifyShape = op_class(
    "SpecifyShape",
    """>>> x = T.dvector("x")
    >>> T.SpecifyShape()(x, (2,)).type.shape
    (2,)
    """,
    SpecifyShapeOp,
    specify_shape,
)
Subtensor = op_class(
    "Subtensor",
    """>>> x = T.dvector("x")
    >>> T.Subtensor([slice(1, None)])(x).eval({x: [1.0, 2.0, 3.0]})
    array([2., 3.])
    """,
    SubtensorOp,
    _part,
    idx_list=REQUIRED,
)
IncSubtensor = op_class(
    "IncSubtensor",
    """>>> x = T.dvector("x")
    >>> T.IncSubtensor([slice(1, None)])(x, 10.0).eval({x: [1.0, 2.0, 3.0]})
    array([ 1., 12., 13.])
    """,
     IncSubtensorOp, _written, idx_list=REQUIRED, inplace=False,
    set_instead_of_inc=False, destroyhandler_tolerate_aliased=None,
)  # fmt: skip

__all__ = [
    "AxesOrder", "CAReduce", "Elemwise", "IncSubtensor", "Join", "SpecifyShape", "Split",
    "Subtensor", "get_idx_list",
]  # fmt: skip
