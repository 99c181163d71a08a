"""The names of `theano.typed_list.basic`: operations on lists of arrays."""

# ruff: noqa: I001  (tables of names, several a line)
from __future__ import annotations

from symnet.ops.typed_lists import (
    Append, Count, Extend, GetItem, Index, Insert, Length, MakeList, Remove, Reverse,
    TypedListVariable, append, count, extend, getitem, index_, insert, length, make_list,
    remove, reverse,
)  # fmt: skip

__all__ = [
    "Append", "Count", "Extend", "GetItem", "Index", "Insert", "Length", "MakeList",
    "Remove", "Reverse", "TypedListVariable", "append", "count", "extend", "getitem",
    "index_", "insert", "length", "make_list", "remove", "reverse",
]  # fmt: skip
