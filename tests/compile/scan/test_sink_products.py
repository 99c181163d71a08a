"""What is left until all steps of a loop are done: sums of products, and last products."""

from __future__ import annotations

import numpy as np
import pytest

import symnet.tensor as T
from symnet import foldl, function, grad, scan
from symnet.compile.pipeline import simplified
from symnet.compile.scan.dead_outputs import trim_loops
from symnet.compile.scan.merge import merge_loops
from symnet.compile.scan.scan_builder import ScanBuilder
from symnet.compile.scan.scan_passes import rewrite_loops
from symnet.compile.scan.sink_products import (
    added_terms,
    outer_factors,
    postpone_products,
)
from symnet.graph.traverse import change_nodes
from symnet.ops.scan.loop import Scan, State
from symnet.rewriting.analyses import AnalysisCache
from symnet.scan_module import until
from tests.compile.loop_tools import agree, dots, known, loops, passed

rng = np.random.default_rng(8)
AS, BS = rng.standard_normal((5, 4, 3)), rng.standard_normal((5, 4, 2))
H, W = rng.standard_normal((4, 3)), rng.standard_normal((3, 2))


def applied(graph):
    lengths = known(graph)
    return change_nodes(graph, lambda *loop: postpone_products(*loop, lengths), (Scan,))


def tensor(rank, name):
    return T.TensorType("float64", (None,) * rank)(name)


# ---- sums


TERMS = {
    "dot": lambda a, b: T.dot(a.T, b),
    "dot turned": lambda a, b: T.dot(b.T, a).T,
    "dot, nothing turned": lambda a, b: T.dot(a[:, :2], b.T),
    "two dots": lambda a, b: T.dot(a.T, b) - T.dot((2 * a).T, b),
    "minus": lambda a, b: -T.dot(a.T, b),
    "of functions": lambda a, b: T.dot(T.tanh(a).T, T.exp(b)),
    "outer": lambda a, b: T.outer(a[0], b[1]),
    "vectors": lambda a, b: T.dot(a[:, 0], b[:, 1]),
    "vector": lambda a, b: T.dot(a[:, 0], b),
    "vector on the right": lambda a, b: T.dot(a.T, b[:, 0]),
}


def adding(term, backwards=False, steps=None):
    """A loop that adds up a term of two sequences; its inputs and its result."""
    xs, ys = tensor(3, "xs"), tensor(3, "ys")
    rank = term(xs[0], ys[0]).type.ndim
    start = tensor(rank, "start")
    total, _ = scan(
        lambda a, b, total: total + term(a, b), [xs, ys], [start],
        n_steps=steps, go_backwards=backwards,
    )  # fmt: skip
    return [xs, ys, start], total[-1:].sum(axis=0)


def start_for(term):
    found = function([], term(T.constant(AS[0]), T.constant(BS[0])))()
    return np.ones_like(found)


@pytest.mark.parametrize("name", TERMS)
@pytest.mark.parametrize("backwards", [False, True])
def test_sums_of_products(name, backwards):
    inputs, total = adding(TERMS[name], backwards)
    values = dict(zip(inputs, [AS, BS, start_for(TERMS[name])]))
    agree([total], values)


@pytest.mark.parametrize("steps", [0, 1, 3])
def test_fewer_steps_than_rows(steps):
    n = T.lscalar("n")
    inputs, total = adding(TERMS["dot"], steps=n)
    values = dict(zip(inputs, [AS, BS, np.ones((3, 2))]))
    if steps:
        agree([total], {**values, n: steps})
    data = AS.copy()
    data[3:] = np.nan
    f = function([*inputs, n], total)
    assert np.isfinite(f(data, BS, np.ones((3, 2)), steps)).all()


def test_no_loop_is_left_of_a_sum_of_products():
    a, b, acc = T.dmatrix("a"), T.dmatrix("b"), T.dmatrix("acc")
    xs, ys, start = tensor(3, "xs"), tensor(3, "ys"), tensor(3, "start")
    op = Scan([a, b, acc], [acc + T.dot(a.T, b)], 2, [State((-1,), 1)], 0)
    (total,) = op.make_node(xs.shape[0], xs, ys, start).outputs
    graph = passed(applied, [total], [xs, ys, start])
    assert loops(graph) == []
    assert len(dots(graph.toposort())) == 1
    agree([total], {xs: AS, ys: BS, start: np.ones((1, 3, 2))})


@pytest.mark.parametrize("dtype", ["float32", "complex128", "int32", "int8"])
def test_dtypes(dtype):
    xs, ys, start = (T.TensorType(dtype, (None,) * k)() for k in (3, 3, 2))
    total, _ = foldl(lambda a, b, t: t + T.dot(a.T, b), [xs, ys], start)
    values = [np.round(v * 2).astype(dtype) for v in (AS, BS, np.ones((3, 2)))]
    agree([total], dict(zip((xs, ys, start), values)), rtol=1e-5)


@pytest.mark.parametrize("dtypes", [("float32", "float64"), ("int32", "int64")])
def test_sums_in_a_wider_dtype_stay_in_it(dtypes):
    """The products are narrow, but added up they are more than that dtype holds."""
    narrow, wide = dtypes
    xs, ys = T.TensorType(narrow, (None,) * 3)(), T.TensorType(narrow, (None,) * 3)()
    start = T.TensorType(wide, (None, None))()
    big = 2**13 if narrow == "int32" else 1e-3
    data = np.full((40, 1, 2), big, narrow), np.full((40, 1, 2), big, narrow)
    begin = np.full((2, 2), 2**24 if narrow == "float32" else 0, wide)
    for cast in (lambda v: v, lambda v: T.cast(v, wide)):
        total, _ = foldl(
            lambda a, b, t, cast=cast: t + cast(T.dot(a.T, b) - 1), [xs, ys], start
        )
        agree([total], {xs: data[0], ys: data[1], start: begin}, rtol=1e-15)


def test_rows_of_which_the_sum_is_free():
    """The sum of what is handed out anyway is taken there; another stays in the loop."""
    xs, start = tensor(3, "xs"), T.dmatrix("start")
    for value, states in ((lambda h: h, 1), (lambda h: T.exp(h), 2)):

        def step(x, h, total, value=value):
            new = T.tanh(x + h)
            return new, total + value(new)

        a, b = T.dmatrix(), T.dmatrix()
        x = T.dmatrix()
        new, total = step(x, a, b)
        op = Scan([x, a, b], [new, total], 1, [State((-1,)), State((-1,), 1)], 0)
        found = op.make_node(xs.shape[0], xs, start[None], start[None]).outputs
        (loop,) = loops(passed(applied, found, [xs, start]))
        assert len(loop.states) == states
        agree(found, {xs: AS, start: H})


def states_that_do_not_only_add():
    a, x = T.dmatrix("acc"), T.dmatrix("x")
    product = T.dot(x, x.T)
    keep = State((-1,), 1)
    yield "read elsewhere", [a + product], [keep], [a * 2], a, x
    yield "handed out", [a + product], [State((-1,))], [], a, x
    yield "an older one", [a + product], [State((-2,))], [], a, x
    yield "twice", [a + a + product], [keep], [], a, x
    yield "scaled", [a * 2 + product], [keep], [], a, x
    yield "also collected", [new := a + product], [keep], [new], a, x


@pytest.mark.parametrize("case", [*states_that_do_not_only_add()], ids=lambda c: c[0])
def test_states_that_stay(case):
    _, news, states, collected, a, x = case
    op = Scan([x, a], [*news, *collected], 1, states, len(collected))
    xs, start = tensor(3, "xs"), tensor(3, "start")
    found = op.make_node(xs.shape[0], xs, start).outputs
    assert added_terms(ScanBuilder.of(op, found[0].owner.inputs)) == {}
    rows = states[0].depth
    agree(found, {xs: AS, start: np.ones((rows, 4, 4))})


def test_what_a_loop_that_may_stop_adds_up_stays():
    xs, ys = tensor(3, "xs"), tensor(3, "ys")
    total, _ = scan(
        lambda a, b, t: (t + T.dot(a.T, b), until(a.sum() > 0)),
        [xs, ys],
        [T.zeros((3, 2))],
    )
    graph = passed(applied, [total[-1]], [xs, ys])
    assert len(dots(loops(graph)[0].graph.order)) == 1
    agree([total[-1]], {xs: AS, ys: BS})


# ---- gradients


def recurrent(vectors=False):
    rank = 1 if vectors else 2
    xs, h = tensor(rank + 1, "xs"), tensor(rank, "h")
    U, W, b = T.dmatrix("U"), T.dmatrix("W"), T.dvector("b")
    hs, _ = scan(lambda x, h: T.tanh(T.dot(x, U) + T.dot(h, W) + b), xs, [h])
    data = [AS, H, rng.standard_normal((3, 3)), rng.standard_normal((3, 3)), np.ones(3)]
    data = [AS[:, 0], H[0], *data[2:]] if vectors else data
    return hs, dict(zip([xs, h, U, W, b], data))


@pytest.mark.parametrize("vectors", [False, True])
@pytest.mark.parametrize("last", [False, True])
def test_gradients_of_weights_and_inputs(vectors, last):
    """No product of a weight's gradient is in a loop, nor that of the inputs' gradient."""
    hs, values = recurrent(vectors)
    xs, h, U, W, b = values
    cost = ((hs[-1] if last else hs) ** 2).sum()
    results = grad(cost, [U, W, b, xs, h])

    graph = passed(merge_loops, results, list(values))
    graph = rewrite_loops(graph, simplified, AnalysisCache())
    inside = [loop.graph.order for loop in loops(graph)]
    assert [len(dots(order)) for order in inside] == [1, 1]
    assert not any(outer_factors(node) for order in inside for node in order)
    agree(results, values)


def test_gradients_of_the_second_order():
    hs, values = recurrent()
    xs, h, U, W, b = values
    first = grad((hs**2).sum(), [U, W, h])
    second = grad(sum((g**2).sum() for g in first), [U, xs, b])
    agree([*first, *second], values, rtol=1e-9)


# ---- what is handed out


TAILS = {
    "scores": lambda h, V: T.dot(h, V),
    "softmax": lambda h, V: T.nnet.softmax(T.dot(h, V) + V[0]),
    "two": lambda h, V: T.dot(T.tanh(T.dot(h, V)), V.T),
    "shifted": lambda h, V: T.dot(h, V) * 2 - 1,
}


@pytest.mark.parametrize("name", TAILS)
@pytest.mark.parametrize("steps", [0, 1, 5])
def test_products_that_nothing_else_needs(name, steps):
    xs, h, V, n = tensor(3, "xs"), T.dmatrix("h"), T.dmatrix("V"), T.lscalar("n")

    def step(x, h):
        new = T.tanh(x + h)
        return new, TAILS[name](new, V)

    found, _ = scan(step, xs, [h, None], n_steps=n)
    (loop,) = loops(passed(applied, found, [xs, h, V, n]))
    assert dots(loop.graph.order) == []
    assert loop.collected == 0  # the states are there anyway
    agree(found, {xs: AS, h: H, V: W, n: steps})


@pytest.mark.parametrize("case", ["smaller", "needed by a state", "not at once"])
def test_products_that_stay(case):
    """A sum of scores would need the scores of all steps in memory."""
    xs, h, V = tensor(3, "xs"), T.dmatrix("h"), T.dmatrix("V")

    def step(x, h):
        product = T.dot(T.tanh(h), V)
        if case == "smaller":
            return T.tanh(x + h), product.sum()
        if case == "needed by a state":
            return T.tanh(x + h + product.sum()), product
        return T.tanh(x + h), T.sort(product, axis=1) + product

    found, _ = scan(step, xs, [h, None])
    (loop,) = loops(passed(applied, found, [xs, h, V]))
    assert len(dots(loop.graph.order)) == 1
    agree(found, {xs: AS, h: H, V: W})


def test_memory_of_a_loop_without_sequences():
    """A loop that walks over nothing may go on for long: its sums stay in it."""
    h, n = T.dmatrix("h"), T.lscalar("n")

    def step(h, total):
        new = T.tanh(h)
        return new, total + T.dot(new.T, new)

    found, _ = scan(step, None, [h, T.zeros((3, 3))], n_steps=n)
    graph = passed(applied, [found[1][-1]], [h, n])
    assert len(dots(loops(graph)[0].graph.order)) == 1
    agree([found[1][-1]], {h: H, n: 4})


def test_tails_and_sums_share_what_is_collected():
    """The difference that a gradient adds up in two ways is collected once."""
    hs, values = recurrent()
    xs, _, U, _, b = values
    results = grad((hs**2).sum(), [U, b, xs])
    graph = passed(lambda g: applied(trim_loops(g, simplified)), results, list(values))
    assert loops(graph)[-1].collected == 1
    agree(results, values)
