"""How modules of operations give `Variable` its methods.

`Variable` stands below the operations and knows none of them; each module attaches what
it defines: `method("sum")(sum)`, or as a decorator.  The function's annotations are what
type checkers read of the method (see `graph.attached`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from symnet.errors import AsTensorError
from symnet.graph.attached import Attached
from symnet.graph.variables import TensorLike, Variable

Function = TypeVar("Function", bound=Callable[..., Any])


def method(*names: str) -> Callable[[Function], Function]:
    """Attach a function, whose first argument is the variable, under these names."""

    def attach(function: Function) -> Function:
        for name in names:
            setattr(Attached, name, function)
        return function

    return attach


def unary(op: Callable[..., Variable]) -> Callable[[Variable], Variable]:
    """The method that applies an op to the variable."""

    def apply(self: Variable) -> Variable:
        return op(self)

    return apply


def on_the_left(
    function: Callable[..., Variable], reflected: str
) -> Callable[..., Variable]:
    """The operator of a variable on the left.

    An operand that is no number may know what it means beside a variable, by an operator of
    its own, the one called `reflected`: then Python asks that.
    """
    name = f"__{reflected}__"

    def apply(self: Variable, other: TensorLike) -> Variable:
        if isinstance(other, Variable) and other.rules_operators:
            return NotImplemented  # type: ignore[no-any-return]
        try:
            return function(self, other)
        except AsTensorError:
            own = getattr(type(other), name, None)
            if own is None or own is getattr(object, name, None):
                raise
            return NotImplemented  # type: ignore[no-any-return]

    return apply


def prop(
    name: str, put: Callable[[Any, Any], None] | None = None
) -> Callable[[Function], Function]:
    """Attach a function of the variable as a property; `put` takes what is assigned."""

    def attach(function: Function) -> Function:
        setattr(Attached, name, property(function, put))
        return function

    return attach
