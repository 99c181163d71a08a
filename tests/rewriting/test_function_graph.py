"""Graphs that are edited in place: who uses what, replacements, what undoes them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symnet.tensor as T
from symnet.errors import MissingInputError
from symnet.gof import FunctionGraph, InconsistencyError, MergeOptimizer
from symnet.gof.toolbox import Feature, PrintListener
from symnet.graph.evaluate import evaluate
from symnet.rewriting.function_graph import UsersRewriteError

V = np.array([0.5, 1.0, 2.0])


def graph() -> FunctionGraph:
    x = T.dvector("x")
    y = T.exp(x)
    return FunctionGraph([x], [y * y, T.sin(y)])


def texts(g: FunctionGraph) -> list[str]:
    return [str(node.op) for node in g.toposort()]


def value(g: FunctionGraph) -> Any:
    return evaluate(g.outputs, {g.inputs[0]: V})


def test_what_is_where() -> None:
    g = graph()
    assert texts(g) == ["exp", "mul", "sin"]
    exp, mul, sin = g.toposort()
    assert g.clients(exp.outputs[0]) == [(mul, 0), (mul, 1), (sin, 0)]
    assert g.clients(sin.outputs[0]) == [("output", 1)]
    assert g.clients(T.dvector()) == []
    assert g.apply_nodes == {exp, mul, sin}
    assert set(g.variables) == {*g.inputs, *(node.outputs[0] for node in g.toposort())}
    assert g.has(g.inputs[0]) and not g.has(T.dvector())


def test_the_users_graph_stays() -> None:
    x = T.dvector("x")
    y = T.exp(x)
    g = FunctionGraph([x], [y])
    g.replace(g.outputs[0], T.sin(g.inputs[0]))
    assert str(y.owner.op) == "exp" and g.inputs[0] is not x
    own = FunctionGraph([x], [y * 2], clone=False)
    own.replace(y, T.sin(x))
    assert texts(own) == ["sin", "mul"]


def test_replacements() -> None:
    g = graph()
    exp, mul, sin = g.toposort()
    g.replace(exp.outputs[0], T.tanh(g.inputs[0]), reason="test")
    assert mul.inputs[0] is mul.inputs[1] is sin.inputs[0]  # the same nodes, changed
    want = np.tanh(V)
    np.testing.assert_allclose(value(g), [want * want, np.sin(want)])
    assert (
        exp.outputs[0] not in g.variables and g.clients(g.inputs[0])[0][0].op == T.tanh
    )
    g.replace(exp.outputs[0], g.inputs[0])  # it is gone: nothing to do
    assert texts(g) == ["tanh", "mul", "sin"]
    g.replace_all([(g.outputs[0], g.inputs[0]), (g.outputs[1], g.inputs[0])])
    assert texts(g) == []


def test_by_what_needs_the_old() -> None:
    g = graph()
    y = g.toposort()[0].outputs[0]
    g.replace(y, y + 1)
    assert texts(g) == ["exp", "add", "mul", "sin"]
    np.testing.assert_allclose(value(g)[1], np.sin(np.exp(V) + 1))


def test_what_would_go_round_in_circles_is_undone() -> None:
    g = graph()
    exp, mul, _ = g.toposort()
    before = [list(node.inputs) for node in g.toposort()]
    with pytest.raises(InconsistencyError, match="its own result"):
        g.replace_validate(g.inputs[0], mul.outputs[0])
    assert [list(node.inputs) for node in g.toposort()] == before
    np.testing.assert_allclose(value(g)[1], np.sin(np.exp(V)))


def test_all_or_none() -> None:
    g = graph()
    exp, mul, sin = g.toposort()
    x = g.inputs[0]
    pairs = [(sin.outputs[0], x), (mul.outputs[0], T.cast(x, "float32"))]
    with pytest.raises(UsersRewriteError, match="float32"):
        g.replace_all_validate(pairs)
    assert texts(g) == ["exp", "mul", "sin"]
    assert g.clients(sin.outputs[0]) == [("output", 1)]
    g.check_integrity()


def test_wrong_replacements() -> None:
    g = graph()
    old = g.outputs[0]
    x = g.inputs[0]
    for new, error, what in (
        (x.sum(), UsersRewriteError, "has rank 0"),
        (T.cast(x, "int32"), UsersRewriteError, "has dtype int32"),
        (1.0, UsersRewriteError, "is no variable"),
        (T.dvector("other"), MissingInputError, "other, float64 vector is no input"),
    ):
        with pytest.raises(error, match=what) as caught:
            g.replace(old, new)
        assert "test_function_graph.py" in str(caught.value)
        assert g.outputs[0] is old
    with pytest.raises(TypeError, match="3 is no variable"):
        g.replace(3, old)
    with pytest.raises(TypeError, match="rewrites a FunctionGraph"):
        MergeOptimizer().optimize([old])
    with pytest.raises(MissingInputError, match="no input"):
        FunctionGraph([T.dvector()], [T.exp(T.dvector("y"))])


def test_features_are_told() -> None:
    class Record(Feature):
        def __init__(self) -> None:
            self.seen: list[str] = []

        def on_attach(self, graph: Any) -> None:
            self.seen.append("attach")

        def on_detach(self, graph: Any) -> None:
            self.seen.append("detach")

        def on_import(self, graph: Any, node: Any, reason: Any) -> None:
            self.seen.append(f"import {node.op}")

        def on_prune(self, graph: Any, node: Any, reason: Any) -> None:
            self.seen.append(f"prune {node.op}")

        def on_change_input(self, graph: Any, *rest: Any) -> None:
            self.seen.append(f"change {rest[0] if rest[0] == 'output' else rest[0].op}")

        def validate(self, graph: Any) -> None:
            if any(node.op == T.cos for node in graph.toposort()):
                raise InconsistencyError("no cosine")

    g, record = graph(), Record()
    g.attach_feature(record)
    g.attach_feature(record)
    g.replace_validate(g.outputs[1], T.tanh(g.inputs[0]))
    assert record.seen == ["attach", "import tanh", "change output", "prune sin"]
    with pytest.raises(InconsistencyError, match="no cosine"):
        g.replace_validate(g.outputs[1], T.cos(g.inputs[0]))
    assert texts(g) == ["exp", "mul", "tanh"]
    g.remove_feature(record)
    assert record.seen[-1] == "detach"


def test_changes_can_be_printed(capsys: pytest.CaptureFixture[str]) -> None:
    g = graph()
    g.attach_feature(PrintListener())
    g.replace(g.outputs[1], g.inputs[0])
    assert "pruning" in capsys.readouterr().out


def test_change_of_one_input() -> None:
    g = graph()
    _, mul, _ = g.toposort()
    g.change_input(mul, 1, g.inputs[0])
    np.testing.assert_allclose(value(g)[0], np.exp(V) * V)
    g.change_input("output", 1, g.inputs[0])
    np.testing.assert_allclose(value(g)[1], V)
    assert texts(g.clone()) == texts(g) == ["exp", "mul"]


def test_as_text() -> None:
    x, y = T.dvectors("x", "y")
    shared = T.exp(x)
    assert str(FunctionGraph([x, y], [shared * y, T.sin(shared)])) == (
        "[mul(*1 -> exp(x), y), sin(*1)]"
    )
    assert str(FunctionGraph([x], [x, x])) == "[x, x]"
    deep = x
    for _ in range(3000):  # no recursion
        deep = T.exp(deep)
    assert str(FunctionGraph([x], [deep])).endswith("exp(x" + ")" * 3000 + "]")
