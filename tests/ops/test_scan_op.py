"""The operation `Scan`: equality, pickling, the rows that it keeps."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet.graph.evaluate import evaluate
from symnet.ops.scan.loop import Scan, State
from tests.helpers import run

RNG = np.random.default_rng(3)


def loops(variables):
    """The loops that a graph holds."""
    return [v.owner for v in symnet.gof.graph.ancestors(variables)
            if v.owner and isinstance(v.owner.op, Scan) and v.index == 0]  # fmt: skip


def only_loop(variable):
    (node,) = loops([variable])
    return node


def test_equal_loops_are_one():
    x = T.vector("x")
    a, _ = symnet.scan(lambda v: T.tanh(v), x)
    b, _ = symnet.scan(lambda v: T.tanh(v), x)
    c, _ = symnet.scan(lambda v: T.sin(v), x)
    d, _ = symnet.scan(lambda v: T.tanh(v), x, truncate_gradient=3)
    ops = [only_loop(v).op for v in (a, b, c, d)]
    assert ops[0] == ops[1]
    assert hash(ops[0]) == hash(ops[1])
    assert ops[0] not in (ops[2], ops[3])
    f = symnet.function([x], [a, b])
    assert len(loops(f.maker.fgraph.outputs)) <= 1


def test_loops_are_pickled():
    x, w = T.vector("x"), symnet.shared(2.0, "w")
    rows, _ = symnet.scan(lambda v, s: s * w + v, x, T.constant(0.0), name="kept")
    op = only_loop(rows).op
    assert pickle.loads(pickle.dumps(op)) == op
    f = pickle.loads(pickle.dumps(symnet.function([x], rows)))
    assert f([1.0, 2.0]).tolist() == [1, 4]


def test_a_loop_on_other_inputs():
    x, y = T.vector("x"), T.vector("y")
    rows, _ = symnet.scan(lambda v: v * 2, x)
    (again,) = symnet.clone([rows], {x: y + 1})
    assert run(again, {y: [1.0, 2.0]}).tolist() == [4, 6]


def test_states():
    assert State((-3, -1)).depth == 3
    for taps, keep in (((0,), None), ((), None), ((-1, -2), None), ((-2,), 1)):
        with pytest.raises(ValueError, match="taps"):
            State(taps, keep)


def test_rows_that_are_kept():
    """With `keep` only the last rows of the history are handed out."""
    s = T.scalar("s")
    for keep, want in ((1, [5.0]), (3, [3.0, 4.0, 5.0]), (6, [0.0, 1, 2, 3, 4, 5])):
        op = Scan([s], [s + 1], 0, [State((-1,), keep)], 0)
        assert run(op(5, np.zeros(1))).tolist() == want


@pytest.mark.parametrize("keep", [2, 3, 5])
def test_gradients_of_rows_that_are_kept(keep):
    a, b, w = T.scalar("a"), T.scalar("b"), T.scalar("w")
    first, weight = T.vector("first"), T.scalar("weight")
    found = []
    for kept in (keep, None):
        op = Scan([a, b, w], [a * b * w + T.sin(b)], 0, [State((-2, -1), kept)], 0)
        rows = op(4, first, weight)[-keep:]
        cost = (rows * T.arange(1, keep + 1)).sum()
        found += symnet.grad(cost, [first, weight])
    values = {first: np.array([0.3, -0.7]), weight: np.array(1.3)}
    got = evaluate(found, values)
    np.testing.assert_allclose(got[0], got[2], rtol=1e-12)
    np.testing.assert_allclose(got[1], got[3], rtol=1e-12)


def test_a_loop_of_many_steps():
    n = T.lscalar("n")
    rows, _ = symnet.scan(lambda v: v + 1, outputs_info=T.constant(0), n_steps=n)
    assert symnet.function([n], rows[-1])(20_000) == 20_000
