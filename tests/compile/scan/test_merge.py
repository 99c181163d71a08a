"""Loops that share work become one: what is shared, what keeps two apart."""

from __future__ import annotations

import numpy as np
import pytest

import symnet.tensor as T
from symnet import function, grad, scan, shared
from symnet.compile.pipeline import rewrite_graph
from symnet.compile.scan.merge import merge_loops
from symnet.graph.traverse import Graph
from symnet.ifelse import ifelse
from symnet.ops.scan.loop import Scan
from symnet.random import RandomStream
from symnet.scan_module import until
from tests.compile.loop_tools import agree, loops, passed

rng = np.random.default_rng(3)
XS = rng.standard_normal((5, 3))


def rows(step, *sequences, start=None, **more):
    found, _ = scan(step, list(sequences), [start], return_list=True, **more)
    return found[0]


def test_the_loop_of_a_gradient_is_the_users():
    """The user's loop and the one that stores what the gradient reads are one; another
    goes backwards."""
    xs, h = T.dmatrix("xs"), T.dvector("h")
    hs = rows(lambda x, h: T.tanh(x * T.exp(h)), xs, start=h)
    results = [hs, grad((hs**2).sum(), h)]
    graph = passed(merge_loops, results, [xs, h])
    assert len(loops(graph)) == 2
    agree(results, {xs: XS, h: np.ones(3)})


def test_a_gradient_of_a_gradient():
    xs, h = T.dmatrix("xs"), T.dvector("h")
    hs = rows(lambda x, h: T.tanh(x * T.exp(h)), xs, start=h)
    first = grad((hs**2).sum(), h)
    results = [hs, first, grad((first**2).sum(), xs)]
    graph = passed(merge_loops, results, [xs, h])
    plain = passed(lambda g: g, results, [xs, h])
    assert len(loops(graph)) < len(loops(plain))
    agree(results, {xs: XS, h: np.ones(3)})


def test_states_are_the_same_if_they_become_the_same():
    """Three states, of which two are shared: the third starts alike but goes on otherwise."""
    xs, h = T.dmatrix("xs"), T.dvector("h")

    def step(x, a, b, c):
        return T.tanh(a + b), b * x, c - a

    def other(x, a, b, c):
        return T.tanh(a + b), b * x, c + a

    one, _ = scan(step, xs, [h, h, h])
    two, _ = scan(other, xs, [h, h, h])
    graph = passed(merge_loops, [*one, *two], [xs, h])
    (loop,) = loops(graph)
    assert len(loop.states) == 4
    agree([*one, *two], {xs: XS, h: np.ones(3)})


def test_states_that_need_a_state_that_differs_differ():
    xs, h = T.dmatrix("xs"), T.dvector("h")
    one, _ = scan(lambda x, a, b: (a * 2, T.exp(x) + a + b), xs, [h, h])
    two, _ = scan(lambda x, a, b: (a * 3, T.exp(x) + a + b), xs, [h, h])
    graph = passed(merge_loops, [*one, *two], [xs, h])
    (loop,) = loops(graph)  # the exponential is shared
    assert len(loop.states) == 4
    agree([*one, *two], {xs: XS, h: np.ones(3)})


@pytest.mark.parametrize("difference", ["steps", "start", "taps", "nothing in common"])
def test_loops_that_stay_apart(difference):
    xs, h, g, n = T.dmatrix("xs"), T.dvector("h"), T.dvector("g"), T.lscalar("n")

    def step(x, h):
        return T.tanh(x + T.exp(h))

    one = rows(step, xs, start=h)
    if difference == "steps":
        two = rows(step, xs, start=h, n_steps=n)
    elif difference == "start":
        two = rows(step, xs, start=g)
    elif difference == "taps":
        start = {"initial": xs[:2], "taps": [-2]}
        two = rows(lambda x, h: T.tanh(x + T.exp(h)), xs, start=start)
    else:
        two = rows(lambda x, h: x * h, xs, start=h)
    graph = passed(merge_loops, [one, two], [xs, h, g, n])
    assert len(loops(graph)) == 2
    agree([one, two], {xs: XS, h: np.ones(3), g: np.zeros(3), n: 4})


def test_a_loop_that_needs_the_other_is_not_merged_with_it():
    xs, h = T.dmatrix("xs"), T.dvector("h")
    one = rows(lambda x, h: T.exp(x) + h, xs, start=h)
    two = rows(lambda x, h: T.exp(x) + h, xs, start=one[-1])
    assert len(loops(passed(merge_loops, [one, two], [xs, h]))) == 2
    agree([one, two], {xs: XS, h: np.ones(3)})


def test_no_circle_comes_of_two_pairs():
    """a, b over the same steps, and A(b), B(a): merging a with A forbids b with B."""
    xs, ys, h = T.dmatrix("xs"), T.dmatrix("ys"), T.dvector("h")

    def over(array, first, extra):
        return rows(lambda x, h: T.exp(x) + h, array, start=first) + extra

    a, b = over(xs, h, 0), over(ys, h, 0)
    second_a = rows(lambda x, y, h: T.exp(x) + h + y, xs, b, start=h)
    second_b = rows(lambda x, y, h: T.exp(x) + h + y, ys, a, start=h)
    results = [a, b, second_a, second_b]
    agree(results, {xs: XS, ys: XS[::-1], h: np.ones(3)})


def test_conditions_to_stop_must_agree():
    n, h = T.lscalar("n"), T.dscalar("h")

    def over(limit):
        found, _ = scan(
            lambda a: (T.exp(a / 9) + a, until(T.exp(a / 9) + a > limit)),
            outputs_info=[h],
            n_steps=n,
        )
        return found

    for limit, count in ((20.0, 1), (30.0, 2)):
        results = [over(20.0), over(limit) * 2]
        assert len(loops(passed(merge_loops, results, [n, h]))) == count
        agree(results, {n: 12, h: 1.0})


def test_python_loops_are_left_alone():
    xs, h = T.dmatrix("xs"), T.dvector("h")

    def step(x, h):
        return T.exp(x) + h

    pair = [rows(step, xs, start=h, python_loop=k) for k in (True, False)]
    assert len(loops(passed(merge_loops, pair, [xs, h]))) == 2


def test_draws_are_not_repeated():
    """Two loops that draw from one stream are the same loop, and the stream goes on once."""
    stream = RandomStream(3)
    h = T.dscalar("h")
    total, updates = scan(lambda a: a + stream.normal(), outputs_info=[h], n_steps=4)
    results = [total, grad((total**2).sum(), h)]
    f = function([h], results, updates=updates)
    first, second = f(0.0), f(0.0)
    assert not np.array_equal(first[0], second[0])
    np.testing.assert_allclose(first[1], 2 * first[0].sum())


def test_only_what_a_condition_takes_runs():
    """A loop in a branch is not merged with one outside of it."""
    xs, h, c = T.dmatrix("xs"), T.dvector("h"), T.bscalar("c")

    def step(x, h):
        return T.exp(x) + h

    one = rows(step, xs, start=h)
    two = rows(lambda x, h: T.exp(x) * h, xs, start=h)
    results = [one, ifelse(c, two, xs)]
    graph = rewrite_graph(Graph([xs, h, c], results))
    assert len(loops(graph)) == 1  # the other one is inside the branch
    for flag in (0, 1):
        agree(results, {xs: XS, h: np.ones(3), c: flag})


def test_updates_of_shared_variables_are_kept():
    xs, s = T.dmatrix("xs"), shared(np.zeros(3), "s")
    found, updates = scan(lambda x: (T.exp(x) + s, {s: s + x}), xs)
    cost = (found**2).sum()
    f = function([xs], [cost, grad(cost, xs)], updates=updates)
    f(XS)
    np.testing.assert_allclose(s.get_value(), XS.sum(axis=0))


def test_what_is_merged_is_still_a_loop_of_the_user():
    """Names and lines stay."""
    xs, h = T.dmatrix("xs"), T.dvector("h")
    hs, _ = scan(lambda x, h: T.tanh(T.exp(x) + h), xs, [h], name="mine")
    graph = passed(merge_loops, [hs, grad((hs**2).sum(), h)], [xs, h])
    node = next(n for n in graph.toposort() if isinstance(n.op, Scan))
    assert node.op.name == "mine"
    assert node.origin is not None
    assert node.origin.filename == __file__
