"""Types whose values are Python objects: lists of arrays, slices, anything; and types
that users write.

Operations on them run as reference steps, in Python; a function that returns one runs in
Python altogether.  They have no gradients.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import numpy as np

from symnet.errors import message
from symnet.graph.types import TensorType, Type


class ObjectType(Type):
    """A type whose values are objects of Python.  What a function returns of it is its own:
    a deep copy."""

    def fresh(self, value: Any) -> Any:
        return deepcopy(value)


def holds_objects(kind: Type) -> bool:
    """Whether values of a type are objects of Python: of those here, and of types of
    users' own, which say by their `filter` what a value is."""
    if isinstance(kind, ObjectType):
        return True
    if type(kind) is Type:
        return "filter" in vars(kind)
    own = not type(kind).__module__.startswith("symnet.")
    return (
        own
        and not isinstance(kind, TensorType)
        and type(kind).filter is not Type.filter
    )


def own_object(kind: Type, value: Any) -> Any:
    """A value of such a type that nobody else has.

    Raises: TypeError where it cannot be copied.
    """
    if isinstance(kind, ObjectType):
        return kind.fresh(value)
    try:
        return deepcopy(value)
    except TypeError as error:
        raise TypeError(
            message(
                f"a value of type {kind} cannot be returned: {error}",
                cure="give the values __deepcopy__, or derive the type from "
                "symnet.gof.Generic, whose values are handed on as they are",
            )
        ) from None


class Generic(ObjectType):
    """Any object.  Two are equal; nothing is asked of a value, and nothing converted."""

    def filter(
        self, value: Any, strict: bool = False, allow_downcast: Any = None
    ) -> Any:
        return value

    def fresh(self, value: Any) -> Any:
        return value  # it may be what cannot be copied, as a file

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self)

    def __hash__(self) -> int:
        return hash(type(self))

    def __repr__(self) -> str:
        return type(self).__name__


class SliceType(Generic):
    """Slices of Python."""

    def filter(
        self, value: Any, strict: bool = False, allow_downcast: Any = None
    ) -> slice:
        if not isinstance(value, slice):
            raise TypeError(f"expected a slice, got {value!r:.60}")
        return value


class TypedListType(ObjectType):
    """Lists of values of one type `ttype`, which may be lists; depth: how many lists lie
    around it, beside this one.

    Raises: TypeError for what is no type; ValueError for a negative depth.
    """

    def __init__(self, ttype: Type, depth: int = 0) -> None:
        if depth < 0:
            raise ValueError(f"the depth of a list is not below 0: {depth}")
        if not isinstance(ttype, Type):
            raise TypeError(
                f"a list is one of a type, such as T.dmatrix, not {ttype!r}"
            )
        self.ttype: Type = TypedListType(ttype, depth - 1) if depth else ttype

    def filter(
        self, value: Any, strict: bool = False, allow_downcast: Any = None
    ) -> list[Any]:
        """A list with each item as a value of `ttype`.

        strict: take a list only, and items of the very type.
        """
        if strict and not isinstance(value, list):
            raise TypeError(f"expected {self}, got {type(value).__name__}")
        if isinstance(value, str) or not hasattr(value, "__iter__"):
            raise TypeError(f"expected {self}, got {value!r:.60}")
        return [self.ttype.filter(one, strict, allow_downcast) for one in value]

    def get_depth(self) -> int:
        """How many lists lie around the items, beside this one."""
        inner = self.ttype
        return inner.get_depth() + 1 if isinstance(inner, TypedListType) else 0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TypedListType) and self.ttype == other.ttype

    def __hash__(self) -> int:
        return hash((TypedListType, self.ttype))

    def __repr__(self) -> str:
        return f"TypedList <{self.ttype}>"

    def values_eq(self, a: Any, b: Any) -> bool:
        """Whether two lists have as many items, which are equal."""
        return len(a) == len(b) and all(map(equal_values, [self.ttype] * len(a), a, b))


def equal_values(kind: Type, a: Any, b: Any) -> bool:
    """Whether two values of a type are equal."""
    if isinstance(kind, TypedListType):
        return kind.values_eq(a, b)
    if isinstance(kind, TensorType):
        return kind.values_eq(np.asarray(a), np.asarray(b))
    return bool(np.all(a == b))


generic = Generic()
