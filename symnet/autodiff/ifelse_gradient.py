"""The gradient of a condition: a condition whose branches are backward graphs, so that
only the branch that was taken is gone back through."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from symnet.autodiff.backward import CONTINUOUS, Terms, backpropagate
from symnet.graph.inner import InnerGraph
from symnet.graph.traverse import clone_replace
from symnet.graph.types import DisconnectedType, NullType
from symnet.graph.variables import Variable, make_variable
from symnet.ops.alloc import full_like
from symnet.ops.ifelse.conditional import IfElse
from symnet.ops.sizes import disconnected


def gradients(
    op: IfElse,
    inputs: Sequence[Variable],
    outputs: Sequence[Variable],
    output_gradients: Sequence[Variable],
) -> list[Any]:
    """The gradients of a condition's inputs: `Op.L_op` of `IfElse`."""
    condition, yes, no = op.split_inputs(inputs)
    given = [
        k for k, (g, v) in enumerate(zip(output_gradients, outputs))
        if not isinstance(g.type, DisconnectedType) and v.type.dtype in CONTINUOUS
    ]  # fmt: skip
    duals = [make_variable(outputs[k].type) for k in given]
    first = _back(op.then_graph, given, duals)
    second = _back(op.else_graph, given, duals)
    for terms in (first, second):
        for term in terms.values():
            if term is not None and isinstance(term.type, NullType):
                return [disconnected(), *[term for _ in inputs[1:]]]
    then_leaves = _leaves(op.then_inputs, first)
    else_leaves = _leaves(op.else_inputs, second)
    found = _choose(op, duals, first, second, then_leaves, else_leaves)
    if found is None:
        results: list[Variable] = []
    else:
        arguments = [*yes, *no, *(output_gradients[k] for k in given)]
        results = found(condition, *arguments, *arguments, return_list=True)
    made = iter(results)
    rows = [(v, first) for v in op.then_inputs] + [(v, second) for v in op.else_inputs]
    return [disconnected(), *(_reply(v, terms, made) for v, terms in rows)]


def _back(graph: InnerGraph, given: Sequence[int], duals: Sequence[Variable]) -> Terms:
    seeds = [(graph.outputs[k], dual) for k, dual in zip(given, duals)]
    return backpropagate(seeds, graph.inputs)


def _leaves(inputs: Sequence[Variable], terms: Terms) -> list[Variable]:
    """The inputs of a branch that something flows back to."""
    return [v for v in inputs if terms.get(v) is not None]


def _choose(
    op: IfElse,
    duals: Sequence[Variable],
    first: Terms,
    second: Terms,
    then_leaves: Sequence[Variable],
    else_leaves: Sequence[Variable],
) -> IfElse | None:
    """The condition backwards: in each branch the gradients of its own inputs, and zeros
    for those of the other."""
    if not then_leaves and not else_leaves:
        return None
    yes = [first[v] for v in then_leaves] + [_zero(v, second) for v in else_leaves]
    no = [_zero(v, first) for v in then_leaves] + [second[v] for v in else_leaves]
    leaves = [*op.then_inputs, *op.else_inputs, *duals]
    name = f"gradient of {op.name or 'ifelse'}"
    return IfElse(*_over_copies(leaves, yes), *_over_copies(leaves, no), name)


def _over_copies(
    leaves: Sequence[Variable], outputs: Sequence[Any]
) -> tuple[list[Variable], list[Variable]]:
    """A graph over leaves of its own."""
    fresh = {v: make_variable(v.type, v.name) for v in leaves}
    return list(fresh.values()), clone_replace(outputs, fresh)


def _zero(v: Variable, terms: Terms) -> Variable:
    term = terms[v]
    assert term is not None
    return full_like(v, 0, term.type.dtype)


def _reply(v: Variable, terms: Terms, made: Any) -> Any:
    if v not in terms:
        return disconnected()
    return None if terms[v] is None else next(made)
