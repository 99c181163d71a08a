from __future__ import annotations

import numpy as np

import symnet
import symnet.tensor as T
from symnet.printing.roots import Root, roots_of
from symnet.viewer.graph_tables import GraphTables
from tests.viewer.programs import loop_and_branch


def test_a_graph_by_value() -> None:
    x, w = T.dmatrix("x"), symnet.shared(np.array([1.0, 2.0]), "w")
    y = T.dot(x, w) * 3
    y.name = "y"
    tables = GraphTables()
    graph = tables.graph([Root(y, "output 0")])
    dot, mul = graph["operations"]
    assert [tables.operations[k]["op"] for k in (dot, mul)] == ["Dot", "mul"]
    assert graph["members"] == [
        {"label": "y", "kind": "scope", "line": None, "members": [dot, mul]}
    ]
    (root,) = graph["roots"]
    assert root == {"variable": tables.variable(y), "role": "output 0"}
    assert tables.variables[root["variable"]] == {
        "kind": "result", "name": "y", "label": "", "type": "float64[?]",
        "shape": [None], "dtype": "float64", "value": "", "number": False,
        "operation": mul,
    }  # fmt: skip
    left, right = (tables.variables[v] for v in tables.operations[dot]["inputs"])
    assert (left["kind"], left["label"], left["operation"]) == ("input", "x", None)
    assert (right["kind"], right["value"]) == ("shared", "[1., 2.]")
    assert tables.operations[dot]["ordered"] and not tables.operations[mul]["ordered"]
    line = tables.lines[tables.operations[mul]["line"]]
    assert line["text"] == "y = T.dot(x, w) * 3"
    assert line["short"].startswith("test_graph_tables.py:")


def test_what_graphs_share_stands_there_once() -> None:
    x = T.dvector("x")
    a = T.exp(x)
    tables = GraphTables()
    first = tables.graph([Root(a)])
    second = tables.graph([Root(T.tanh(a))])
    assert second["operations"][0] == first["operations"][0]
    assert len(tables.operations) == 2


def test_a_loop_has_its_step_inside() -> None:
    f = loop_and_branch()
    tables = GraphTables()
    graph = tables.graph(roots_of(f.request.outputs))
    scan, branch = (
        next(o for o in map(tables.operations.__getitem__, graph["operations"])
             if o["op"] == name)
        for name in ("Scan", "IfElse")
    )  # fmt: skip
    (step,) = scan["inside"]
    assert step["label"] == "in each step"
    inner = [tables.operations[o]["op"] for o in step["graph"]["operations"]]
    assert inner == ["add", "tanh"]
    assert [outer for _, outer in step["inputs"]] == scan["inputs"][1:]
    assert [root["role"] for root in step["graph"]["roots"]] == ["new state 0 (start)"]
    assert step["outputs"] == scan["outputs"]
    assert [one["label"] for one in branch["inside"]] == ["if true", "else"]
    condition, *given = branch["inputs"]
    assert [one["inputs"][0][1] for one in branch["inside"]] == given
