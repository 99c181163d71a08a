"""Products of one value with several fixed matrices in a loop."""

from __future__ import annotations

import numpy as np
import pytest

import symnet.tensor as T
from symnet import grad, scan
from symnet.compile.scan.concat_products import join_products
from symnet.scan_module import until
from tests.compile.loop_tools import agree, dots, each_loop, loops, passed

rng = np.random.default_rng(9)
XS, H = rng.standard_normal((5, 4, 3)), rng.standard_normal((4, 3))
WS = [rng.standard_normal((3, n)) for n in (3, 3, 1)]


def gates(rank=2, stop=False):
    xs = T.TensorType("float64", (None,) * (rank + 1))("xs")
    h = T.TensorType("float64", (None,) * rank)("h")
    weights = [T.dmatrix(name) for name in ("A", "B", "C")]

    def step(x, h):
        a, b, c = (T.dot(h, w) for w in weights)
        new = T.nnet.sigmoid(a) * x + T.tanh(b) * T.nnet.sigmoid(
            c.sum(axis=-1, keepdims=True)
        )
        return (new, until(new.sum() > 50)) if stop else new

    hs, _ = scan(step, xs, [h])
    values = [XS, H, *WS] if rank == 2 else [XS[:, 0], H[0], *WS]
    return hs, dict(zip([xs, h, *weights], values))


@pytest.mark.parametrize("rank", [1, 2])
@pytest.mark.parametrize("stop", [False, True])
def test_gates_are_one_product(rank, stop):
    hs, values = gates(rank, stop)
    graph = passed(each_loop(join_products), [hs], list(values))
    (loop,) = loops(graph)
    assert len(dots(loop.graph.order)) == 1
    agree([hs], values)


def test_gradients_of_gates():
    hs, values = gates()
    agree(grad((hs**2).sum(), list(values)), values)


@pytest.mark.parametrize(
    "case", ["another state", "moving", "vectors", "python", "sizes"]
)
def test_products_that_stay_apart(case):
    xs, h, A, B = T.dtensor3("xs"), T.dmatrix("h"), T.dmatrix("A"), T.dmatrix("B")

    def step(x, h):
        if case == "another state":
            return T.tanh(T.dot(h, A) + T.dot(x + h, B))
        if case == "moving":
            return T.tanh(T.dot(h, A) + T.dot(h, A * x[0, 0]))
        if case == "vectors":
            return T.tanh(h + T.dot(h, A[0])[:, None] + T.dot(h, B[0])[:, None])
        if case == "sizes":
            return T.tanh(T.dot(h, A) + T.ones_like(T.dot(h, B)))
        return T.tanh(T.dot(h, A) + T.dot(h, B))

    hs, _ = scan(step, xs, [h], python_loop=case == "python")
    (loop,) = loops(passed(each_loop(join_products), [hs], [xs, h, A, B]))
    assert len(dots(loop.graph.order)) == 2
    agree([hs], {xs: XS, h: H, A: WS[0], B: WS[1]})


def test_constant_weights():
    xs, h = T.dtensor3("xs"), T.dmatrix("h")
    hs, _ = scan(lambda x, h: T.tanh(T.dot(h, WS[0]) * T.dot(h, WS[1]) + x), xs, [h])
    (loop,) = loops(passed(each_loop(join_products), [hs], [xs, h]))
    assert len(dots(loop.graph.order)) == 1
    agree([hs], {xs: XS, h: H})
