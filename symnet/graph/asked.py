"""What a derivative or a loop was asked of, where it does not show that any more.

The derivative of 2 * x is 2: x is not in it.  A function that takes x and gives that
derivative is no mistake; for as long as a derivative lives, it remembers the inputs of
the expression that it was taken of.  So does a loop with what it was given and its step
does not read.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from weakref import WeakKeyDictionary

from symnet.graph.traverse import ancestors, leaves
from symnet.graph.variables import Constant, Variable

_inputs: WeakKeyDictionary[Variable, tuple[Variable, ...]] = WeakKeyDictionary()


def remember_inputs(
    derivatives: Iterable[Any], expressions: Iterable[Variable]
) -> None:
    """Note of which inputs the expressions are that derivatives were taken of, or loops
    given."""
    found = tuple(v for v in leaves(list(expressions)) if not _holds_value(v))
    for one in derivatives:
        if isinstance(one, Variable):
            _inputs[one] = (*_inputs.get(one, ()), *found)


def _holds_value(leaf: Variable) -> bool:
    """Constants and shared variables hold arrays, which are not to live on by being noted."""
    return isinstance(leaf, Constant) or hasattr(type(leaf), "get_value")


def inputs_asked(outputs: Iterable[Variable]) -> set[Variable]:
    """The inputs of all expressions of which derivatives among `outputs`, or in their
    making, were taken."""
    return {v for one in ancestors(list(outputs)) for v in _inputs.get(one, ())}
