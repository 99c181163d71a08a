"""`variable.clients` where a rewrite, or one graph, says what is meant."""

from __future__ import annotations

import gc
from typing import Any

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet import function
from symnet.gof import FunctionGraph, Optimizer, TopoOptimizer, local_optimizer

V = np.array([0.5, 1.0, 2.0])


def pieces(graph: Any) -> list[Any]:
    return [node.op for node in graph.toposort()]


def test_in_a_graph_to_edit() -> None:
    x, y = T.dvectors("x", "y")
    graph = FunctionGraph([x, y], [T.exp(x) * y, T.exp(x) + T.exp(x)])
    for variable in graph.variables:
        assert variable.clients == graph.clients(variable)
    assert graph.outputs[0].clients == [("output", 0)]
    assert not hasattr(x, "clients")  # the graph has a copy of it


def test_in_no_graph_or_more_than_one() -> None:
    gc.collect()
    x = T.dvector("x")
    y = T.exp(x)
    for variable in (x, y):
        with pytest.raises(AttributeError, match=r"graph\.clients\(x\)"):
            variable.clients  # noqa: B018
    first = FunctionGraph([x], [y], clone=False)
    assert x.clients == [(y.owner, 0)]
    second = FunctionGraph([x], [y + x], clone=False)
    assert not hasattr(x, "clients")
    del first
    gc.collect()
    assert x.clients == second.clients(x)
    assert len(x.clients) == 2


def test_in_a_rewrite_of_whole_graphs() -> None:
    seen = {}

    class Look(Optimizer):
        def apply(self, graph: FunctionGraph) -> None:
            # Inputs and shared variables are those of other graphs, too.
            seen["x"] = [(c.op, k) for c, k in graph.inputs[0].clients]
            for node in graph.toposort():
                if node.op == T.exp and len(node.outputs[0].clients) == 1:
                    graph.replace_validate(node.outputs[0], T.sin(node.inputs[0]))

    x, w = T.dvector("x"), symnet.shared(V, name="w")
    once, twice = T.exp(x), T.exp(w)
    graph = FunctionGraph([x], [T.cos(once), twice + T.tan(twice)], clone=False)
    other = FunctionGraph([x], [x * w], clone=False)
    Look().optimize(graph)
    assert other.clients(x)
    assert seen["x"] == [(T.exp, 0)]
    assert pieces(graph).count(T.sin) == 1
    assert pieces(graph).count(T.exp) == 1
    np.testing.assert_allclose(function([x], graph.outputs)(V)[0], np.cos(np.sin(V)))


def test_in_a_rewrite_of_single_operations() -> None:
    seen: list[Any] = []

    @local_optimizer([T.exp])
    def alone(node: Any) -> Any:
        """exp becomes sin where one operation only, a cos, uses it."""
        uses = node.outputs[0].clients
        seen.append([(c if c == "output" else c.op, k) for c, k in uses])
        if len(uses) == 1 and uses[0][0] != "output" and uses[0][0].op == T.cos:
            return [T.sin(node.inputs[0])]
        return None

    def rewritten(*outputs: Any) -> list[Any]:
        seen.clear()
        graph = FunctionGraph([x], list(outputs))
        TopoOptimizer(alone).optimize(graph)
        return pieces(graph)

    x = T.dvector("x")
    assert T.sin in rewritten(T.cos(T.exp(x)))
    y = T.exp(x)
    assert T.sin not in rewritten(T.cos(y), y)
    assert ("output", 1) in seen[0] and (T.cos, 0) in seen[0] and len(seen[0]) == 2
    assert T.sin not in rewritten(y * y)
    assert seen[0] == [(T.mul, 0), (T.mul, 1)]


def test_what_uses_a_user_is_seen_too() -> None:
    found: list[Any] = []

    @local_optimizer([T.exp])
    def look(node: Any) -> None:
        ((user, _),) = node.outputs[0].clients
        ((last, _),) = user.outputs[0].clients
        found.append((user.op, last.op))

    x = T.dvector("x")
    TopoOptimizer(look).optimize(FunctionGraph([x], [T.sin(T.cos(T.exp(x)))]))
    assert found[0] == (T.cos, T.sin)


def test_not_after_a_rewrite() -> None:
    kept: list[Any] = []

    @local_optimizer([T.exp])
    def keep(node: Any) -> None:
        kept.append(node.outputs[0])
        assert node.outputs[0].clients
        raise ValueError("on purpose")

    x = T.dvector("x")
    with pytest.raises(ValueError, match="on purpose"):
        TopoOptimizer(keep).optimize(FunctionGraph([x], [T.exp(x)]))
    with pytest.raises(AttributeError, match="clients"):
        T.sin(x).clients  # noqa: B018
