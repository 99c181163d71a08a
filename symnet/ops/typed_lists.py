"""Lists of arrays as values of a graph: Theano's typed lists.

An operation gives a new list, and shares the items; nothing is overwritten.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from symnet.errors import message
from symnet.graph.object_types import SliceType, TypedListType, equal_values
from symnet.graph.types import TensorType
from symnet.graph.variables import (
    Apply,
    Constant,
    Variable,
    make_variable,
    operand_text,
)
from symnet.ops.base import TensorOp, as_tensor, constant
from symnet.ops.elementwise import cast


class TypedListVariable(Variable):
    """A variable whose value is a list: `x[0]`, `x[1:]`, `x.append(v)` ..."""

    __slots__ = ()

    @property
    def ttype(self) -> Any:
        return self.type.ttype

    def __getitem__(self, index: Any) -> Variable:
        return getitem(self, index)

    def __len__(self) -> int:
        raise TypeError(
            message(
                f"how long {operand_text(self)} is, only a run knows",
                cure="write typed_list.length(x), a scalar",
            )
        )

    def append(self, item: Any) -> Variable:
        return append(self, item)

    def extend(self, items: Any) -> Variable:
        return extend(self, items)

    def insert(self, index: Any, item: Any) -> Variable:
        return insert(self, index, item)

    def remove(self, item: Any) -> Variable:
        return remove(self, item)

    def reverse(self) -> Variable:
        return reverse(self)

    def count(self, item: Any) -> Variable:
        return count(self, item)

    def ind(self, item: Any) -> Variable:
        """The position of the first equal item (`index` is another attribute)."""
        return index_(self, item)


TypedListType.variable_class = TypedListVariable


class ListOp(TensorOp):
    """An operation on a list; equal ones have one class."""

    __props__: ClassVar[tuple[str, ...]] = ()

    def __init__(self, inplace: bool = False) -> None:
        """inplace: Theano's, without effect."""

    def __str__(self) -> str:
        return type(self).__name__

    def the_list(self, x: Any) -> Any:
        """Raises: TypeError for what is no list."""
        if not (isinstance(x, Variable) and isinstance(x.type, TypedListType)):
            shown = operand_text(x) if isinstance(x, Variable) else repr(x)
            raise TypeError(f"{self} takes a typed list, not {shown:.80}")
        return x

    def item(self, x: Variable, item: Any) -> Variable:
        """An item as a variable of the list's type of items.  Raises: TypeError."""
        made = (
            item if isinstance(item, Variable) else x.type.ttype.filter_variable(item)
        )
        if made.type != x.type.ttype:
            raise TypeError(
                message(
                    f"{self}: the list holds values of type {x.type.ttype}",
                    operands=[operand_text(x), operand_text(made)],
                )
            )
        return made

    def position(self, index: Any) -> Variable:
        """An integer scalar.  Raises: TypeError."""
        place = as_tensor(index)
        if place.type.ndim or np.dtype(place.type.dtype).kind not in "iu":
            raise TypeError(
                f"{self}: a position is an integer, not {operand_text(place)}"
            )
        return cast(place, "int64")

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        return [self.result(node, *arrays)]

    def result(self, node: Apply, *values: Any) -> Any:
        raise NotImplementedError(str(self))

    def found(self, node: Apply, items: list[Any], item: Any) -> list[bool]:
        """For each item whether it equals another."""
        kind = node.inputs[0].type.ttype
        return [equal_values(kind, one, item) for one in items]


class GetItem(ListOp):
    """The item at a position, or the list of those in a slice.

    Raises: IndexError (when run) for a position out of range.
    """

    def make_node(self, x: Any, index: Any) -> Apply:
        x = self.the_list(x)
        if isinstance(index, slice):
            index = Constant(SliceType(), index)
        if isinstance(index, Variable) and isinstance(index.type, SliceType):
            return Apply(self, [x, index], [x.type.make_variable()])
        made = make_variable(x.ttype)
        return Apply(self, [x, self.position(index)], [made])

    def result(self, node: Apply, *values: Any) -> Any:
        items, index = values
        return items[index if isinstance(index, slice) else int(index)]


class Append(ListOp):
    """The list with an item behind the others."""

    def make_node(self, x: Any, item: Any) -> Apply:
        x = self.the_list(x)
        return Apply(self, [x, self.item(x, item)], [x.type.make_variable()])

    def result(self, node: Apply, *values: Any) -> Any:
        return [*values[0], values[1]]


class Extend(ListOp):
    """The list with the items of another list behind its own."""

    def make_node(self, x: Any, items: Any) -> Apply:
        x, more = self.the_list(x), self.the_list(items)
        if more.type != x.type:
            raise TypeError(f"{self}: a {x.type} is not extended by a {more.type}")
        return Apply(self, [x, more], [x.type.make_variable()])

    def result(self, node: Apply, *values: Any) -> Any:
        return [*values[0], *values[1]]


class Insert(ListOp):
    """The list with an item before the one at a position."""

    def make_node(self, x: Any, index: Any, item: Any) -> Apply:
        x = self.the_list(x)
        inputs = [x, self.position(index), self.item(x, item)]
        return Apply(self, inputs, [x.type.make_variable()])

    def result(self, node: Apply, *values: Any) -> Any:
        items = list(values[0])
        items.insert(int(values[1]), values[2])
        return items


class Remove(ListOp):
    """The list without the first item that equals another.

    Raises: ValueError (when run) where there is none.
    """

    def make_node(self, x: Any, item: Any) -> Apply:
        x = self.the_list(x)
        return Apply(self, [x, self.item(x, item)], [x.type.make_variable()])

    def result(self, node: Apply, *values: Any) -> Any:
        items = list(values[0])
        del items[_first(self, self.found(node, *values))]
        return items


class Reverse(ListOp):
    """The list from its last item to its first."""

    def make_node(self, x: Any) -> Apply:
        x = self.the_list(x)
        return Apply(self, [x], [x.type.make_variable()])

    def result(self, node: Apply, *values: Any) -> Any:
        return list(values[0])[::-1]


class Count(ListOp):
    """How many items equal another: int64."""

    def make_node(self, x: Any, item: Any) -> Apply:
        x = self.the_list(x)
        number = make_variable(TensorType("int64", ()))
        return Apply(self, [x, self.item(x, item)], [number])

    def result(self, node: Apply, *values: Any) -> Any:
        return np.asarray(sum(self.found(node, *values)), "int64")


class Index(Count):
    """The position of the first item that equals another: int64.

    Raises: ValueError (when run) where there is none.
    """

    def result(self, node: Apply, *values: Any) -> Any:
        return np.asarray(_first(self, self.found(node, *values)), "int64")


class Length(ListOp):
    """How many items there are: int64."""

    def make_node(self, x: Any) -> Apply:
        number = make_variable(TensorType("int64", ()))
        return Apply(self, [self.the_list(x)], [number])

    def result(self, node: Apply, *values: Any) -> Any:
        return np.asarray(len(values[0]), "int64")


class MakeList(ListOp):
    """The list of variables of one type.  Raises: TypeError for other types, or none."""

    def make_node(self, *items: Any) -> Apply:
        """items: as users give them, one list; or one by one."""
        if len(items) == 1 and isinstance(items[0], (list, tuple)):
            items = tuple(items[0])
        if not items:
            raise TypeError("make_list takes a list of variables, at least one")
        made = [
            cast(v, v.type.dtype) if isinstance(v, Constant) and v.weak else v
            for v in (
                one if isinstance(one, Variable) else constant(one) for one in items
            )
        ]
        if any(v.type != made[0].type for v in made):
            raise TypeError(
                message(
                    "make_list takes variables of one type",
                    operands=[operand_text(v) for v in made],
                )
            )
        return Apply(self, made, [TypedListType(made[0].type).make_variable()])

    def result(self, node: Apply, *values: Any) -> Any:
        return list(values)


def _first(op: ListOp, found: list[bool]) -> int:
    if True not in found:
        raise ValueError(f"{op}: no item of the list equals that one")
    return found.index(True)


getitem, append, extend, insert = GetItem(), Append(), Extend(), Insert()
remove, reverse, count, index_ = Remove(), Reverse(), Count(), Index()
length, make_list = Length(), MakeList()

__all__ = [
    "Append", "Count", "Extend", "GetItem", "Index", "Insert", "Length", "ListOp",
    "MakeList", "Remove", "Reverse", "TypedListType", "TypedListVariable", "append",
    "count", "extend", "getitem", "index_", "insert", "length", "make_list", "remove",
    "reverse",
]  # fmt: skip
