"""Indexing in Theano's form of operations: `advanced_subtensor1(x, positions)`."""

from __future__ import annotations

from typing import Any

from symnet.graph.variables import Variable
from symnet.ops.advanced import AdvancedIncSubtensor, AdvancedSubtensor
from symnet.ops.indexing import getitem, inc_subtensor, set_subtensor
from symnet.ops.operation_class import operation_object


def advanced_subtensor(x: Any, *index: Any) -> Variable:
    """`x[index]`, with arrays of integers or booleans among the parts of the index.

    >>> T.advanced_subtensor([5, 6, 7], [2, 0]).eval()
    array([7, 5])
    """
    return getitem(x, index)


def advanced_inc_subtensor(x: Any, y: Any, *index: Any) -> Variable:
    """x with y added to x[index], at an element picked twice both times.

    >>> T.advanced_inc_subtensor([5, 6, 7], 1, [2, 2]).eval()
    array([5, 6, 9])
    """
    return inc_subtensor(getitem(x, index), y)


def advanced_set_subtensor(x: Any, y: Any, *index: Any) -> Variable:
    """x with y in the place of x[index].

    >>> T.advanced_set_subtensor([5, 6, 7], [1, 2], [2, 0]).eval()
    array([2, 6, 1])
    """
    return set_subtensor(getitem(x, index), y)


def _write(x: Any, y: Any, ilist: Any, inplace: bool, set_instead_of_inc: bool) -> Any:
    write = advanced_set_subtensor if set_instead_of_inc else advanced_inc_subtensor
    return write(x, y, ilist)


AdvancedSubtensor1 = operation_object(
    "AdvancedSubtensor1",
    """The rows of x at given positions.

    >>> x = T.dvector("x")
    >>> T.AdvancedSubtensor1()(x, [2, 0]).eval({x: [1.0, 2.0, 3.0]})
    array([3., 1.])
    """,
    lambda x, ilist, sparse_grad: getitem(x, ilist),
    lambda op: isinstance(op, AdvancedSubtensor) and op.axes == (0,),
    sparse_grad=False,
)
AdvancedIncSubtensor1 = operation_object(
    "AdvancedIncSubtensor1",
    """x with y added to the rows at given positions, or written there.

    >>> x, y = T.dvectors("x", "y")
    >>> T.AdvancedIncSubtensor1()(x, y, [1, 1]).eval({x: [0.0, 0.0], y: [1.0, 2.0]})
    array([0., 3.])
    """,
    _write,
    lambda op: isinstance(op, AdvancedIncSubtensor) and op.axes == (0,),
    inplace=False,
    set_instead_of_inc=False,
)
AdvancedBooleanSubtensor = operation_object(
    "AdvancedBooleanSubtensor",
    """The elements of x where a mask is true.

    >>> x, m = T.dvector("x"), T.bvector("m")
    >>> T.AdvancedBooleanSubtensor()(x, T.neq(m, 0)).eval({x: [1.0, 2.0], m: [0, 1]})
    array([2.])
    """,
    advanced_subtensor,
)
AdvancedBooleanIncSubtensor = operation_object(
    "AdvancedBooleanIncSubtensor",
    """x with y added to the elements where a mask is true, or written there.

    >>> x, m = T.dvector("x"), T.bvector("m")
    >>> T.AdvancedBooleanIncSubtensor()(x, 5.0, T.neq(m, 0)).eval({x: [1.0, 2.0], m: [0, 1]})
    array([1., 7.])
    """,
    _write,
    inplace=False,
    set_instead_of_inc=False,
)
advanced_subtensor1 = AdvancedSubtensor1()
advanced_inc_subtensor1 = AdvancedIncSubtensor1()
advanced_set_subtensor1 = AdvancedIncSubtensor1(set_instead_of_inc=True)
advanced_boolean_subtensor = advanced_subtensor
advanced_boolean_inc_subtensor = advanced_inc_subtensor
advanced_boolean_set_subtensor = advanced_set_subtensor

__all__ = [
    "AdvancedBooleanIncSubtensor", "AdvancedBooleanSubtensor",
    "AdvancedIncSubtensor1", "AdvancedSubtensor1", "advanced_boolean_inc_subtensor",
    "advanced_boolean_set_subtensor", "advanced_boolean_subtensor",
    "advanced_inc_subtensor", "advanced_inc_subtensor1", "advanced_set_subtensor",
    "advanced_set_subtensor1", "advanced_subtensor", "advanced_subtensor1",
]  # fmt: skip
