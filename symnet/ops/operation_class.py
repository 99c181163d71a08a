"""Functions in Theano's form of an operation: made with settings, then called with arrays.

`Tile(2)(x, reps)` is `tile(x, reps, 2)`.  Such an object is no node of a graph: a call
builds the expression that the function gives.  Its class may recognise ops of a graph: that
of `T.sum(x)` is a `Sum`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from symnet.graph.variables import Apply

REQUIRED = object()


class ClassOfOps(type):
    """A class of Theano's: what it makes is of it, and so are the ops that `recognises`
    says, but of none that is derived from it."""

    def __instancecheck__(cls, value: Any) -> bool:
        if super().__instancecheck__(value):
            return True
        recognises = vars(cls).get("recognises")
        return recognises is not None and bool(recognises(value))


class OperationObject(metaclass=ClassOfOps):
    """A function with its settings; two of one class and equal settings are equal."""

    function: ClassVar[Callable[..., Any]]
    defaults: ClassVar[Mapping[str, Any]] = {}
    # Whether an op of the graph is one of the class, for `isinstance`.
    recognises: ClassVar[Any] = None

    def __init__(self, *given: Any, **named: Any) -> None:
        """Settings in their order, or by name.  Raises: TypeError for others."""
        names = list(self.defaults)
        settings = {**self.defaults, **dict(zip(names, given)), **named}
        if len(given) > len(names) or set(settings) != set(names):
            raise TypeError(f"the settings of {type(self).__name__}: {names or 'none'}")
        missing = [name for name, value in settings.items() if value is REQUIRED]
        if missing:
            raise TypeError(f"{type(self).__name__} needs {', '.join(missing)}")
        self.settings = settings
        vars(self).update(settings)

    def __call__(self, *inputs: Any, name: str | None = None) -> Any:
        result = type(self).function(*inputs, **self.settings)
        if name is not None:
            result.name = name
        return result

    def make_node(self, *inputs: Any) -> Apply:
        """The last operation of the expression that a call builds."""
        result = self(*inputs)
        last: Apply = (result[0] if isinstance(result, (list, tuple)) else result).owner
        return last

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash((type(self), *map(str, self.settings.items())))

    def __repr__(self) -> str:
        settings = ", ".join(f"{k}={v!r}" for k, v in self.settings.items())
        return f"{type(self).__name__}({settings})"


def operation_object(
    name: str,
    about: str,
    function: Callable[..., Any],
    recognises: Callable[[Any], bool] | None = None,
    **defaults: Any,
) -> type[OperationObject]:
    """The class of objects that call `function(*inputs, **settings)`.

    about: its docstring.  recognises: says of an op of a graph whether it is of the class.
    """
    contents = {
        "function": staticmethod(function),
        "defaults": defaults,
        "__doc__": inspect.cleandoc(about),
        "__module__": __name__,
        "recognises": staticmethod(recognises) if recognises else None,
    }
    made: Any = ClassOfOps(name, (OperationObject,), contents)
    known: type[OperationObject] = made
    return known


__all__ = ["REQUIRED", "ClassOfOps", "OperationObject", "operation_object"]
