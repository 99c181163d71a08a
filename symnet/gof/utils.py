"""The names of `theano.gof.utils` that programs use."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from types import SimpleNamespace as scratchpad
from typing import Any

from symnet.graph.variables import Variable


class MethodNotDefined(Exception):
    """Raised by a method of an operation that has no such thing, as `c_code`."""


class object2:
    """Objects that compare by the attributes that their class names in `__props__`."""

    __props__: tuple[str, ...] = ()

    def _props(self) -> tuple[Any, ...]:
        return tuple(getattr(self, name) for name in self.__props__)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self._props() == other._props()

    def __hash__(self) -> int:
        return hash((type(self), self._props()))


def hashtype(self: Any) -> int:
    """The hash of an object's class.

    >>> T.hashtype(T.dscalar("a")) == T.hashtype(T.dscalar("b"))
    True
    """
    return hash((type(self).__module__, type(self).__name__))


def to_return_values(values: Sequence[Any]) -> Any:
    """The only one of them, or all."""
    return values[0] if len(values) == 1 else values


def from_return_values(values: Any) -> list[Any]:
    """What a function returned as a list."""
    return list(values) if isinstance(values, (list, tuple)) else [values]


def flatten(a: Any) -> list[Any]:
    """The items of nested lists, tuples and sets, one after another."""
    if not isinstance(a, (list, tuple, set)):
        return [a]
    return [one for part in a for one in flatten(part)]


def uniq(seq: Iterable[Hashable]) -> list[Any]:
    """The different ones, in the order of their coming."""
    return list(dict.fromkeys(seq))


def give_variables_names(variables: Iterable[Variable]) -> list[str]:
    """Give variables without a name, or with one that another has, names of their own;
    the names of all."""
    used: set[str] = set()
    names = []
    for number, variable in enumerate(variables):
        if not variable.name or variable.name in used:
            word = variable.name or f"{variable.type}".split(" ")[-1]
            variable.name = f"{word}_{number}"
        used.add(variable.name)
        names.append(variable.name)
    return names


__all__ = [
    "MethodNotDefined", "flatten", "from_return_values", "give_variables_names",
    "hashtype", "object2", "scratchpad", "to_return_values", "uniq",
]  # fmt: skip
