"""`variable.eval(values)`: compiled once, and kept by the variable."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from symnet.compile.function import Function, _evaluators, function
from symnet.errors import message
from symnet.graph.variables import Variable
from symnet.ops.methods import method


@method("eval")
def evaluate_variable(
    variable: Variable, inputs_to_values: Mapping[Variable, Any] | None = None
) -> Any:
    """The value of the variable, given those of the inputs it needs.

    Functions compiled for this are kept by the variable itself: they go when it goes.
    Raises: MissingInputError for an input without value.
    """
    try:
        given = dict({} if inputs_to_values is None else inputs_to_values)
    except (TypeError, ValueError):
        raise TypeError(
            message(
                f"eval takes {{variable: value}}, not {inputs_to_values!r:.60}",
                cure="write x.eval({x: value}), with a value for each input",
            )
        ) from None
    for one in given:
        if not isinstance(one, Variable):
            raise TypeError(
                message(
                    f"eval takes {{variable: value}}; {one!r:.60} is no variable",
                    cure="use the variable itself as the key, not its name",
                )
            )
    known: dict[Any, Function] | None = getattr(variable, "_functions", None)
    if known is None:
        variable._functions = known = {}
    key = tuple(given)
    if key not in known:
        made = function(list(given), variable, on_unused_input="ignore")
        known[key] = made
        _evaluators.add(made)
    return known[key](*given.values())


__all__ = ["evaluate_variable"]
