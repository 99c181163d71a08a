"""What values the results of a graph have in one call: shape, range, NaN and infinity."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from symnet.compile.containers import given_states
from symnet.compile.function import Function
from symnet.graph.evaluate import compute, run, value_of
from symnet.graph.traverse import Graph, ancestors, leaves, toposort
from symnet.graph.variables import Apply, Constant, Variable

Range = dict[str, Any]


def value_ranges(
    function: Function, graphs: Sequence[Graph], args: Sequence[Any]
) -> dict[Variable, Range]:
    """For each variable of the graphs what it is in a call with these arguments, by
    reference evaluation; nothing is updated.

    graphs: forms of the function's graph, over its own inputs.  What one has in common
        with an earlier one is computed once.  An operation without reference evaluation
        ends the ranges of its graph.
    Raises: what a call raises.
    """
    states, given, named = function.states_given(args, {})
    arrays = function.edges.split(function.read_arguments(given, named))
    known: dict[Variable, Any] = dict(zip(function.edges.inputs, arrays, strict=True))
    found: dict[Variable, Range] = {}
    with given_states(states):
        for graph, later in zip(graphs, used_later(graphs), strict=True):
            ranges_of_graph(graph.outputs, known, found)
            for v in [v for v in known if v not in later]:
                del known[v]
    return found


def used_later(graphs: Sequence[Graph]) -> list[set[Variable]]:
    """For each graph the variables of those that come after it."""
    found: list[set[Variable]] = []
    used: set[Variable] = set()
    for graph in reversed(graphs):
        found.append(set(used))
        used.update(ancestors(graph.outputs))
    return found[::-1]


def ranges_of_graph(
    outputs: Sequence[Variable],
    known: dict[Variable, Any],
    found: dict[Variable, Range],
) -> None:
    """Enter the ranges of all that `outputs` need, and the values that were computed."""

    def computing(node: Apply, arrays: Sequence[Any], xp: Any) -> list[Any]:
        results = compute(node, arrays, xp)
        for v, result in zip(node.outputs, results, strict=True):
            note(v, result)
        return results

    def note(variable: Variable, value: Any) -> None:
        if variable not in found and (entry := range_of(value)):
            found[variable] = entry

    for leaf in leaves(outputs):
        if not isinstance(leaf, Constant):
            note(leaf, value_of(leaf, known))
    order = toposort(outputs, blockers=tuple(known))
    with suppress(NotImplementedError):
        run(order, outputs, known, computing=computing)


def range_of(value: Any) -> Range:
    """Shape, the smallest, largest and mean number, and how many are none; empty for what
    is no array of real numbers.  Numbers are texts, for JSON has neither NaN nor 64 bits."""
    if not isinstance(value, (np.ndarray, np.generic, int, float)):
        return {}
    array = np.asarray(value)
    if array.dtype.kind not in "biuf":
        return {}
    entry: Range = {"shape": list(array.shape)}
    finite = array
    if array.dtype.kind == "f":
        finite = array[np.isfinite(array)]
        entry["nan"] = int(np.isnan(array).sum())
        entry["inf"] = array.size - finite.size - entry["nan"]
    if finite.size:
        form = ".6g" if array.dtype.kind == "f" else ""
        entry["min"], entry["max"] = f"{finite.min():{form}}", f"{finite.max():{form}}"
        with np.errstate(over="ignore"):
            entry["mean"] = f"{finite.mean(dtype=np.float64):.6g}"
    return entry
