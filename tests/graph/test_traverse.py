"""Walks and copies of graphs, against what the definitions say; deep graphs."""

from __future__ import annotations

import sys

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

import symnet.tensor as T
from symnet.graph.evaluate import evaluate
from symnet.graph.traverse import (
    Graph,
    ancestors,
    change_nodes,
    clone_replace,
    depends_on,
    inputs,
    leaves,
    nearest,
    reached_from_last,
    toposort,
)

DEPTH = 50_000


@st.composite
def graphs(draw):
    """Variables of a random graph: a few leaves, then sums and two-output splits."""
    pool = [T.dvector(f"x{k}") for k in range(3)]
    for _ in range(draw(st.integers(1, 15))):
        a, b = (draw(st.sampled_from(pool)) for _ in range(2))
        pool.append(
            draw(st.sampled_from([lambda a, b: a + b, lambda a, b: T.tanh(a)]))(a, b)
        )
    outputs = draw(st.lists(st.sampled_from(pool), min_size=1, max_size=3))
    blockers = draw(st.lists(st.sampled_from(pool), max_size=3))
    return pool, outputs, blockers


def needed(outputs, blockers):
    """By definition: the variables reached from the outputs without passing a blocker."""
    reached, stack = set(), list(outputs)
    while stack:
        v = stack.pop()
        if v not in reached:
            reached.add(v)
            if v.owner is not None and v not in blockers:
                stack += v.owner.inputs
    return reached


@given(graphs())
def test_toposort_has_what_is_needed_each_after_its_inputs(case):
    _, outputs, blockers = case
    order = toposort(outputs, blockers)
    reached = needed(outputs, set(blockers))
    assert set(order) == {v.owner for v in reached if v.owner and v not in blockers}
    assert len(order) == len(set(order))
    made = {leaf for leaf in reached if leaf.owner is None} | set(blockers)
    for node in order:
        assert made.issuperset(node.inputs)
        made.update(node.outputs)


@given(graphs())
def test_ancestors_and_leaves(case):
    _, outputs, blockers = case
    found = ancestors(outputs, blockers)
    reached = needed(outputs, set(blockers))
    assert set(found) == reached and len(found) == len(reached)
    place = {v: k for k, v in enumerate(found)}
    for v in found:
        if v.owner is not None and v not in blockers:
            assert all(place[i] < place[v] for i in v.owner.inputs)
    want = {v for v in reached if v.owner is None or v in blockers}
    assert set(leaves(outputs, blockers)) == want


def depth_first(outputs, blockers):
    """Theano's order of ancestors, by its definition: last output first, inputs from left
    to right, each variable before its inputs."""
    found = []

    def visit(v):
        if v not in found:
            found.append(v)
            if v.owner is not None and v not in blockers:
                for x in v.owner.inputs:
                    visit(x)

    for v in reversed(outputs):
        visit(v)
    return found


@given(graphs())
def test_inputs_in_the_order_of_theano(case):
    _, outputs, blockers = case
    want = depth_first(outputs, set(blockers))
    assert reached_from_last(outputs, blockers) == want
    assert inputs(outputs, blockers) == [v for v in want if v.owner is None]
    assert reached_from_last(outputs, None) == depth_first(outputs, ())


def test_inputs_of_a_reversed_list_stand_in_its_order():
    w, b, c, x = (T.dvector(name) for name in "wbcx")
    assert inputs(reversed([w, x * c + b])) == [w, x, c, b]


@given(graphs())
def test_depends_on(case):
    pool, outputs, _ = case
    reached = needed(outputs, set())
    for v in pool:
        assert depends_on(outputs, v) is (v in reached)


@given(graphs(), st.data())
def test_clone_replace_computes_with_the_replacements(case, data):
    pool, outputs, _ = case
    olds = data.draw(st.lists(st.sampled_from(pool), max_size=3, unique=True))
    replace = {old: T.dvector() for old in olds}
    copied = clone_replace(outputs, replace)
    rng = np.random.default_rng(0)
    given_values = {v: rng.normal(size=2) for v in [*pool[:3], *replace.values()]}
    with_old = {
        **given_values,
        **{old: given_values[new] for old, new in replace.items()},
    }
    for got, want in zip(evaluate(copied, given_values), evaluate(outputs, with_old)):
        np.testing.assert_array_equal(got, want)
    for old, new in zip(outputs, copied):
        if not needed([old], set()) & set(olds):
            assert new is old
    assert not any(depends_on(copied, old) for old in olds if old.owner is None)


def test_replacements_happen_at_once():
    x, y = T.dscalars("x", "y")
    (swapped,) = clone_replace([x - 2 * y], {x: y, y: x})
    assert evaluate([swapped], {x: np.array(1.0), y: np.array(10.0)})[0] == 8.0
    inner = x * 2
    (grown,) = clone_replace([inner + 1], {x: inner})
    assert evaluate([grown], {x: np.array(3.0)})[0] == 13.0


@given(graphs())
def test_changed_nodes_are_seen_with_what_they_need_changed(case):
    """Every sum becomes a difference; the line of each is kept."""
    pool, outputs, blockers = case
    graph = Graph(blockers or pool[:3], outputs)

    def change(node, inputs):
        return [inputs[0] - inputs[1]] if node.op == T.add else None

    found = change_nodes(graph, change)
    assert change_nodes(graph, lambda node, inputs: None) is graph
    stop = set(graph.inputs)
    sums = [node for node in toposort(found.outputs, stop) if node.op == T.add]
    assert sums == []
    assert found.inputs == graph.inputs
    new = {id(node.origin) for node in toposort(found.outputs, stop)}
    assert new <= {id(node.origin) for node in toposort(outputs, stop)}
    arrays = np.random.default_rng(0).standard_normal((len(pool), 2))
    values = dict(zip(dict.fromkeys([*graph.inputs, *pool[:3]]), arrays))
    known = dict(values)
    for node in toposort(outputs, stop):
        a = [known[v] for v in node.inputs]
        known[node.outputs[0]] = a[0] - a[1] if node.op == T.add else np.tanh(a[0])
    for got, old in zip(evaluate(found.outputs, values), outputs, strict=True):
        np.testing.assert_allclose(got, known[old], rtol=1e-14)


def test_replacing_an_inner_variable_stops_there():
    x = T.dscalar("x")
    inner = T.tanh(x)
    (result,) = clone_replace([inner * 2], [(inner, x)])
    assert result.owner.inputs[0] is x or result.owner.inputs[1] is x
    assert toposort([result])[-1].op == toposort([inner * 2])[-1].op
    assert len(toposort([result])) == 1


def test_copies_keep_names_and_origins():
    x, z = T.dvectors("x", "z")
    y = T.exp(x)
    y.name = "y"
    (copied,) = clone_replace([y], {x: z})
    assert copied is not y and copied.name == "y" and copied.origin == y.origin


# ---- Graph


def test_graph_says_who_uses_what():
    x, y = T.dvectors("x", "y")
    total = x + y
    graph = Graph([x, y], [total * total, total])
    product = graph.outputs[0].owner
    assert graph.clients(total) == [(product, 0), (product, 1), ("output", 1)]
    assert graph.clients(x) == [(total.owner, 0)]
    assert graph.apply_nodes == {total.owner, product}
    assert graph.toposort() == [total.owner, product]
    assert set(graph.variables) == {x, y, total, graph.outputs[0]}


def test_graph_stops_at_its_inputs():
    x = T.dvector("x")
    y = T.tanh(x)
    graph = Graph([y], [y + 1])
    assert graph.toposort() == [graph.outputs[0].owner]
    assert x not in graph.variables
    assert [c.data for c in graph.constants()] == [1]


# ---- distance


def test_the_nearest_leaves_are_those_that_few_operations_part():
    a, b, c, d, other = T.dscalars("a", "b", "c", "d", "other")
    start = [d + T.tanh(c + T.exp(b + T.exp(a)))]
    given = [other, a, b, c, d]
    for count, wanted in (
        (0, []),
        (1, [d]),
        (2, [c, d]),
        (4, [a, b, c, d]),
        (9, given),
    ):
        assert nearest(start, given, count) == wanted
    assert nearest([], given, 2) == [other, a]


# ---- depth


def test_deep_graphs_do_not_recurse():
    assert sys.getrecursionlimit() <= 10 * DEPTH
    x, z = T.dscalars("x", "z")
    y = x
    for _ in range(DEPTH):
        y = y + x
    assert len(toposort([y])) == DEPTH
    assert len(ancestors([y])) == DEPTH + 1
    assert leaves([y]) == [x] and depends_on([y], x)
    (copied,) = clone_replace([y], {x: z})
    assert leaves([copied]) == [z]
    assert evaluate([copied], {z: np.array(1.0)})[0] == DEPTH + 1
    del y, copied  # nor does giving the memory back
