"""How modules of operations give `Variable` its methods.

`Variable` stands below the operations and knows none of them; each module attaches what
it defines: `method("sum")(sum)`, or as a decorator.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from symnet.graph.variables import Variable

Function = TypeVar("Function", bound=Callable[..., Any])


def method(*names: str) -> Callable[[Function], Function]:
    """Attach a function, whose first argument is the variable, under these names."""

    def attach(function: Function) -> Function:
        for name in names:
            setattr(Variable, name, function)
        return function

    return attach


def prop(name: str) -> Callable[[Function], Function]:
    """Attach a function of the variable as a property."""

    def attach(function: Function) -> Function:
        setattr(Variable, name, property(function))
        return function

    return attach
