"""Several rewrites as one, and the lines of what rewrites make."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symnet.tensor as T
from symnet import function
from symnet.compile import Mode, optdb
from symnet.gof import FunctionGraph, LocalOptGroup, SeqOptimizer, local_optimizer
from symnet.gof.opt import copy_stack_trace, in2out, inplace_optimizer, out2in

V = np.array([0.5, 1.0, 2.0])


@local_optimizer([T.log])
def log_to_exp(node: Any) -> Any:
    """Changes values, so that it is seen whether it was applied."""
    return [T.exp(node.inputs[0])]


@local_optimizer([T.sin])
def sin_of_cos(node: Any) -> Any:
    inner = node.inputs[0].owner
    return [T.tanh(inner.inputs[0])] if inner and inner.op == T.cos else False


@local_optimizer(None)
def sin_to_sqr(node: Any) -> Any:
    return [T.sqr(node.inputs[0])] if node.op == T.sin else None


def rewritten(rewrite: Any, y: Any, x: Any) -> Any:
    graph = FunctionGraph([x], [y], clone=True)
    rewrite.optimize(graph)
    return function(graph.inputs, graph.outputs[0], mode=Mode("py", None))(V)


@pytest.mark.parametrize("walk", [in2out, out2in])
def test_walks_over_graphs(walk: Any) -> None:
    x = T.dvector("x")
    got = rewritten(walk(log_to_exp, sin_of_cos), T.log(x) + T.sin(T.cos(x)), x)
    np.testing.assert_allclose(got, np.exp(V) + np.tanh(V))
    group = LocalOptGroup(sin_of_cos, sin_to_sqr)
    got = rewritten(walk(group, name="sines"), T.sin(x) + T.sin(T.cos(x)), x)
    np.testing.assert_allclose(got, V**2 + np.tanh(V))
    once = walk(log_to_exp, name="once", ignore_newtrees=True)
    np.testing.assert_allclose(rewritten(once, T.log(x), x), np.exp(V))


def test_a_group_asks_its_members_in_order() -> None:
    group = LocalOptGroup([sin_of_cos, log_to_exp])
    assert group.tracks() == [T.sin, T.log]
    assert LocalOptGroup(sin_of_cos, sin_to_sqr).tracks() is None
    x = T.dvector("x")
    assert group.transform(T.cos(x).owner) is None
    assert group.transform(T.sin(x).owner) is None
    assert group.transform(T.sin(T.cos(x)).owner)[0].owner.op == T.tanh
    assert str(group) == "sin_of_cos, log_to_exp"
    with pytest.raises(TypeError, match="no rewrite of single operations"):
        LocalOptGroup(print)


def test_registered_by_its_walk() -> None:
    optdb.register("log_to_exp_once", in2out(log_to_exp), 1.5, "of_logarithms")
    x = T.dvector("x")
    mode = Mode(optimizer="fast_run").including("of_logarithms")
    np.testing.assert_allclose(function([x], T.log(x), mode=mode)(V), np.exp(V))
    np.testing.assert_allclose(function([x], T.log(x))(V), np.log(V))


@inplace_optimizer
def lines(graph: Any) -> None:
    for node in graph.toposort():
        if node.op == T.log:
            new = T.exp(node.inputs[0])
            assert copy_stack_trace(node.outputs, new) is new
            graph.replace_validate(node.outputs[0], new, "lines")


def test_lines_are_copied() -> None:
    x = T.dvector("x")
    y = T.log(x)
    graph = FunctionGraph([x], [y], clone=True)
    SeqOptimizer(lines).optimize(graph)
    assert graph.outputs[0].owner.op == T.exp
    assert graph.outputs[0].origin == y.origin
    several = [T.sin(x), T.cos(x), x]
    assert copy_stack_trace(y, several) is several
    assert several[0].origin == several[1].origin == y.origin and x.origin is None
