from __future__ import annotations

import symnet.tensor as T
from symnet.graph.variables import Variable
from symnet.rewriting.rewriter import Fired
from symnet.viewer.graph_tables import GraphTables, Record
from symnet.viewer.rewrite_records import MOST_DRAWN, differing, rewrite_record


def record_of(before: Variable, after: Variable) -> tuple[GraphTables, Record]:
    tables = GraphTables()
    return tables, rewrite_record(tables, Fired("a_rule", before, after), 3)


def names(tables: GraphTables, side: Record) -> list[str]:
    return [tables.operations[o]["op"] for o in side["operations"]]


def test_both_sides_down_to_what_they_share() -> None:
    x = T.dvector("x")
    deep = T.sin(T.cos(x))
    tables, record = record_of(T.exp(deep) - 1, T.expm1(deep))
    assert (record["rule"], record["stage"], record["users"]) == ("a_rule", 3, False)
    assert names(tables, record["before"]) == ["exp", "sub"]
    assert names(tables, record["after"]) == ["expm1"]
    assert record["before"]["text"] == "sub(exp(·), 1.0)"
    assert record["after"]["text"] == "expm1(·)"


def test_what_becomes_a_part_of_itself_is_not_drawn_twice() -> None:
    x = T.dvector("x")
    part = T.exp(x)
    tables, record = record_of(part * 1, part)
    assert names(tables, record["before"]) == ["mul"]
    assert record["after"] == {
        "variable": tables.variable(part), "operations": [], "text": "·",
    }  # fmt: skip


def test_what_is_large_is_cut() -> None:
    h: Variable = T.dvector("x")
    for k in range(40):
        h = T.exp(h) * (T.sin(h) + k)
    drawn = differing(h, set())
    assert len(drawn) <= MOST_DRAWN
    seen: set[Variable] = set()
    for node in drawn:  # each after those it needs
        assert not any(v in seen for v in node.outputs)
        seen.update(node.inputs)
    _, record = record_of(h, T.exp(h))
    assert len(record["before"]["text"]) <= 120
