"""Where a variable's value lies: a matter of the function, not of the graph; or of a user's
own function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from symnet.config import device_named
from symnet.graph.variables import Variable
from symnet.ops.base import as_tensor
from symnet.ops.methods import method

__all__ = ["register_transfer", "transfer"]

TARGETS: list[Callable[[Variable, str], Variable | None]] = []


@method("transfer")
def transfer(var: Any, target: str | None) -> Variable:
    """The variable itself, under Theano's name for moving a value to a device; or what a
    function makes of it that has been registered for the target.

    A function runs as a whole on one device (`function(..., device=)`) and hands out NumPy
    arrays, so there is nothing to be moved within a graph.
    target: a device's name; None, for Theano its GPU, is any that there is.
    Raises: ValueError where there is no device of that name.

    >>> x = T.dvector("x")
    >>> T.transfer(x, "cpu") is x
    True
    """
    variable = as_tensor(var)
    if target is None or target == "cpu":
        return variable
    for function in TARGETS:
        found = function(variable, target)
        if found is not None:
            return found
    device_named(target, "transfer: ")
    return variable


def register_transfer(fn: Callable[[Variable, str], Variable | None]) -> None:
    """Have `transfer` ask `fn(variable, target)`, which gives a variable, or None for a
    target that it does not know.  Raises: TypeError for what is no function.

    >>> T.register_transfer(lambda v, target: v * 2 if target == "twice" else None)
    >>> T.transfer(T.constant(3.0), "twice").eval()
    array(6.)
    """
    if not callable(fn):
        raise TypeError(f"register_transfer takes a function, not {fn!r}")
    TARGETS.append(fn)
