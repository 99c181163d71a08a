"""Products that are made before a loop: which, which not, and how they are made."""

from __future__ import annotations

import numpy as np
import pytest

import symnet.tensor as T
from symnet import function, scan
from symnet.compile.scan.dead_outputs import keep_last_rows
from symnet.compile.scan.hoist_products import hoist_products
from symnet.ops.scan.loop import Scan
from symnet.scan_module import until
from tests.compile.loop_tools import agree, dots, each_loop, known, loops, passed

rng = np.random.default_rng(6)
XS, H, W = (
    rng.standard_normal(s) for s in ((6, 2, 3), (2, 4), (3, 4))
)  # T x batch x features
VALUES = {"xs": XS, "h": H, "W": W}


def applied(graph):
    lengths = known(graph)
    return each_loop(lambda *loop: hoist_products(*loop, lengths))(graph)


def variables():
    return T.dtensor3("xs"), T.dmatrix("h"), T.dmatrix("W")


def counts(results, inputs):
    """How many products are in the loops, and around them."""
    graph = passed(applied, results, inputs)
    inside = [len(dots(loop.graph.order)) for loop in loops(graph)]
    return sum(inside), len(dots(graph.toposort()))


STEPS = {
    "matrix": (lambda x, W: T.dot(x, W), XS),
    "vector": (lambda x, W: T.dot(x, W), XS[:, 0]),
    "from the left": (lambda x, W: T.dot(W.T, x.T).T, XS),
    "vector from the left": (lambda x, W: T.dot(W.T, x), XS[:, 0]),
    "of a function": (lambda x, W: T.dot(T.tanh(x) ** 2, T.exp(W)), XS),
    "of a part": (lambda x, W: T.dot(x[:, :2], W[:2]), XS),
    "of a part turned": (lambda x, W: T.dot(x[:, ::-1], W), XS),
    "two layers": (lambda x, W: T.dot(T.tanh(T.dot(x, W)), W.T).dot(W), XS),
    "twice": (lambda x, W: T.dot(x, W) + T.dot(x, W * 2), XS),
    "softmax": (lambda x, W: T.dot(T.nnet.softmax(x), W), XS),
    "sums": (lambda x, W: T.dot(x - x.sum(axis=1, keepdims=True), W), XS),
}


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("steps", [0, 1, 4, 6])
def test_products_of_what_is_walked_over(name, backwards, steps):
    product, data = STEPS[name]
    xs = T.TensorType("float64", (None,) * data.ndim)("xs")
    h = T.TensorType("float64", (None,) * (data.ndim - 1))("h")
    W, n = T.dmatrix("W"), T.lscalar("n")

    def step(x, h):
        return T.tanh(product(x, W) + h)

    hs, _ = scan(step, xs, [h], n_steps=n, go_backwards=backwards)
    inside, outside = counts([hs], [xs, h, W, n])
    assert inside == 0
    assert outside >= 1
    agree([hs], {xs: data, h: H if data.ndim == 3 else H[0], W: VALUES["W"], n: steps})


@pytest.mark.parametrize("dtype", ["float32", "complex128", "int32"])
def test_dtypes(dtype):
    xs, h, W = (T.TensorType(dtype, (None,) * k)() for k in (3, 2, 2))
    hs, _ = scan(lambda x, h: T.dot(x, W) + h, xs, [h])
    assert counts([hs], [xs, h, W])[0] == 0
    values = [(np.round(v * 4)).astype(dtype) for v in VALUES.values()]
    agree([hs], dict(zip((xs, h, W), values)), rtol=1e-5)


def test_the_embedding_of_indices():
    ids, E, h, W = T.lmatrix("ids"), T.dmatrix("E"), T.dmatrix("h"), T.dmatrix("W")
    hs, _ = scan(lambda i, h: T.tanh(T.dot(E[i], W) + h), ids, [h])
    table = rng.standard_normal((7, 3))
    agree([hs], {ids: rng.integers(0, 7, (6, 2)), E: table, h: H, W: VALUES["W"]})


def test_rows_beyond_the_last_step_are_not_touched():
    xs, h, W = variables()
    n = T.lscalar("n")
    hs, _ = scan(lambda x, h: T.dot(x, W) + h, xs, [h], n_steps=n)
    data = XS.copy()
    data[4:] = np.nan
    f = function([xs, h, W, n], hs)
    assert np.isfinite(f(data, H, VALUES["W"], 4)).all()


def test_sequences_of_different_lengths():
    xs, h, W = variables()
    ys = T.dtensor3("ys")
    hs, _ = scan(lambda x, y, h: T.dot(x + y, W) + h, [xs, ys], [h])
    assert counts([hs], [xs, ys, h, W])[0] == 0
    agree([hs], {xs: XS, ys: XS[:4] * 2, h: H, W: VALUES["W"]})


def test_products_turned_round_are_made_as_they_lie():
    """A sequence that is walked from its end is not copied for its product."""
    xs, h, W = variables()
    hs, _ = scan(lambda x, h: T.dot(x, W) + h, xs, [h], go_backwards=True)
    graph = passed(applied, [hs], [xs, h, W])
    (node,) = dots(graph.toposort())
    maker = node.inputs[0].owner
    assert str(maker.op).startswith("Reshape")
    assert maker.inputs[0] is graph.inputs[0]


# ---- what stays


def test_products_with_a_state_stay():
    xs, h, W = variables()
    hs, _ = scan(lambda x, h: T.tanh(T.dot(h, W.T).dot(W) + T.dot(x, W)), xs, [h])
    assert counts([hs], [xs, h, W]) == (2, 1)
    agree([hs], {xs: XS, h: H, W: VALUES["W"]})


def test_products_of_two_things_walked_over_stay():
    xs, h = T.dtensor3("xs"), T.dmatrix("h")
    hs, _ = scan(lambda x, y, h: T.dot(x, y) + h, [xs, xs], [h])
    assert counts([hs], [xs, h]) == (1, 0)


@pytest.mark.parametrize("why", ["until", "python", "last rows only"])
def test_loops_that_are_left_alone(why):
    xs, h, W = variables()

    def step(x, h):
        new = T.dot(x, W) + h
        return (new, until(new.sum() > 1e9)) if why == "until" else new

    hs, _ = scan(step, xs, [h], python_loop=why == "python")
    graph = passed(lambda g: g, [hs], [xs, h, W])
    if why == "last rows only":
        graph = keep_last_rows(passed(lambda g: g, [hs[-1]], [xs, h, W]))
    graph = applied(graph)
    (loop,) = loops(graph)
    assert len(dots(loop.graph.order)) == 1
    agree([hs], {xs: XS, h: H, W: VALUES["W"]})


def test_a_product_of_which_only_the_size_is_read_is_not_made():
    xs, h, W = variables()
    hs, _ = scan(lambda x, h: T.ones_like(T.dot(x, W)) + h, xs, [h])
    assert counts([hs], [xs, h, W])[1] == 0


def test_what_cannot_be_done_for_all_steps_at_once_stays():
    """A part of which the position moves with the steps."""
    xs, h, W = variables()
    at = T.lvector("at")
    hs, _ = scan(lambda x, k, h: T.dot(x[:, : k + 1], W[:1]) + h, [xs, at], [h])
    graph = passed(applied, [hs], [xs, at, h, W])
    (loop,) = loops(graph)
    assert len(dots(loop.graph.order)) == 1
    agree([hs], {xs: XS, at: np.zeros(6, "int64"), h: H, W: VALUES["W"]})


def test_errors_in_sizes_are_still_found():
    xs, h, W = variables()
    hs, _ = scan(lambda x, h: T.dot(x, W) + h, xs, [h])
    f = function([xs, h, W], hs)
    with pytest.raises(ValueError, match="test_hoist_products"):
        f(XS, H, VALUES["W"].T)


def test_loops_in_loops():
    xs, h, W = T.dtensor3("xs"), T.dvector("h"), T.dmatrix("W")

    def outer(x, h):
        inner, _ = scan(lambda row, h: T.tanh(T.dot(row, W) + h), x, [h])
        return inner[-1] + inner.sum(axis=0)

    hs, _ = scan(outer, xs, [h])
    agree([hs], {xs: XS, h: H[0], W: VALUES["W"]})


def test_known_sizes_are_kept():
    """A row that is known to have one column is broadcast after it, too."""
    xs, h = T.dtensor3("xs"), T.dmatrix("h")
    column = T.TensorType("float64", (None, 1))("column")
    hs, _ = scan(lambda x, h: T.dot(x, column) + h, xs, [h])
    graph = passed(applied, [hs], [xs, h, column])
    assert any(isinstance(node.op, Scan) for node in graph.toposort())
    agree([hs], {xs: XS, h: H, column: VALUES["W"][:, :1]})
