"""Arguments that operations in place write: `add_inplace(x, y)` puts the sum into x.

Graphs are pure, and so is what runs.  A function that is told so (`accept_inplace=True`, or
`In(x, mutable=True)`) computes what x is to hold as one more output, and copies it into the
array that a call brings.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from symnet.compile.arguments import Request
from symnet.errors import message
from symnet.graph.traverse import toposort
from symnet.graph.variables import Variable, operand_text
from symnet.ops.in_place import Overwriting
from symnet.rewriting.function_graph import InconsistencyError


def add_overwritten(request: Request, accept_inplace: bool) -> None:
    """Have a function compute what its arguments are to hold after a call.

    Raises: InconsistencyError where two operations write into one argument, neither of
        which takes the result of the other.
    """
    inputs = request.inputs
    into = {
        one.variable: k for k, one in enumerate(inputs) if accept_inplace or one.mutable
    }
    if not into:
        return
    values = [*request.outputs, *request.updates.values()]
    for target, value in last_written(values, into).items():
        request.overwrites[into[target]] = len(request.outputs)
        request.outputs.append(value)


def last_written(
    values: Sequence[Variable], targets: Iterable[Variable]
) -> dict[Variable, Variable]:
    """What each of the targets that is written in the making of `values` holds then."""
    wanted = set(targets)
    root: dict[Variable, Variable] = {}
    found: dict[Variable, Variable] = {}
    for node in toposort(values):
        if not isinstance(node.op, Overwriting):
            continue
        into, result = node.inputs[1], node.outputs[0]
        target = root[result] = root.get(into, into)
        if target not in wanted:
            continue
        if target in found and found[target] is not into:
            raise InconsistencyError(
                message(
                    "two operations in place write into one argument, and neither takes "
                    "the result of the other",
                    operands=[operand_text(target)],
                    origin=node.origin,
                    cure="let one of them be an operation that is not in place",
                )
            )
        found[target] = result
    return found


def _brought(
    request: Request, position: int, given: Sequence[Any], named: Mapping[str, Any]
) -> Any:
    """What a call brings for the input at a position."""
    name = request.inputs[position].name or ""
    return given[position] if position < len(given) else named.get(name)


def check_writable(
    request: Request, given: Sequence[Any], named: Mapping[str, Any]
) -> None:
    """Before anything runs, for a call that fails changes nothing.

    Raises: ValueError for an array that is to be written and may not be.
    """
    for position in request.overwrites:
        array = _brought(request, position, given, named)
        if isinstance(array, np.ndarray) and not array.flags.writeable:
            raise ValueError(
                message(
                    f"argument {position} is to be written in place and is read-only",
                    operands=[operand_text(request.inputs[position].variable)],
                    cure="pass a copy, array.copy(), or leave accept_inplace out",
                )
            )


def overwrite(
    request: Request,
    given: Sequence[Any],
    named: Mapping[str, Any],
    results: Sequence[Any],
) -> list[Any]:
    """Copy into a call's arrays what they are to hold; the results that the user asked
    for.  What has been converted, as a list, is not the function's own to change."""
    for position, output in request.overwrites.items():
        array, value = _brought(request, position, given, named), results[output]
        if not isinstance(array, np.ndarray):
            continue
        if array.dtype == value.dtype and array.shape == value.shape:
            np.copyto(array, value)
    return list(results[: len(results) - len(request.overwrites)])
