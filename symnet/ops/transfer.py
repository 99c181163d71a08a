"""Where a variable's value lies: on the CPU, or where a user's function puts it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from symnet.graph.variables import Variable
from symnet.ops.base import as_tensor
from symnet.ops.methods import method

__all__ = ["register_transfer", "transfer"]

TARGETS: list[Callable[[Variable, str], Variable | None]] = []


@method("transfer")
def transfer(var: Any, target: str) -> Variable:
    """`var` with its value at `target`: "cpu", or what a registered function knows.

    Raises: ValueError for another target.
    """
    variable = as_tensor(var)
    if target == "cpu":
        return variable
    for function in TARGETS:
        found = function(variable, target)
        if found is not None:
            return found
    raise ValueError(
        f"there is no target {target!r} to transfer {variable} to: values lie on the CPU"
    )


def register_transfer(fn: Callable[[Variable, str], Variable | None]) -> None:
    """Have `transfer` ask `fn(variable, target)`, which gives a variable, or None for a
    target that it does not know."""
    if not callable(fn):
        raise TypeError(f"register_transfer takes a function, not {fn!r}")
    TARGETS.append(fn)
