"""Loops in blocks: the same values and gradients, with less stored."""

from __future__ import annotations

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet.graph.evaluate import evaluate
from symnet.ops.scan.loop import Scan
from tests.helpers import run

RNG = np.random.default_rng(3)


def loops(variables):
    """The loops that a graph holds."""
    return [v.owner for v in symnet.gof.graph.ancestors(variables)
            if v.owner and isinstance(v.owner.op, Scan) and v.index == 0]  # fmt: skip


def only_loop(variable):
    (node,) = loops([variable])
    return node


def test_checkpoints_of_theano():
    x = T.arange(25)
    rows, updates = symnet.scan_checkpoints(lambda v, s: s + v, x, T.constant(0))
    assert not updates
    assert run(rows).tolist() == [45, 190, 300]
    n = T.lscalar("n")
    rows, _ = symnet.scan_checkpoints(
        lambda s: s + 1, outputs_info=T.constant(0), n_steps=n, save_every_N=4
    )
    f = symnet.function([n], rows)
    assert f(8).tolist() == [4, 8]
    assert f(3).tolist() == [3]
    assert f(0).tolist() == []


@pytest.mark.parametrize("steps", [0, 2, 7, 9])
@pytest.mark.parametrize("backwards", [False, True])
def test_blocks_change_nothing(steps, backwards):
    x, h, deep, w = T.matrix("x"), T.vector("h"), T.matrix("deep"), T.matrix("w")
    values = {
        x: RNG.normal(size=(steps + 2, 3)), h: RNG.normal(size=3),
        deep: RNG.normal(size=(2, 3)), w: RNG.normal(size=(3, 3)),
    }  # fmt: skip

    def fn(before, after, a, b, c, w):
        return T.tanh(T.dot(a, w) + before), c * after * T.sum(b), before + a

    found = []
    for every in (None, 3):
        rows, _ = symnet.scan(
            fn,
            {"input": x, "taps": [-1, 1]},
            [h, {"initial": deep, "taps": [-1, -2]}, None],
            w,
            go_backwards=backwards,
            checkpoint_every=every,
        )
        cost = sum((T.sqr(r).sum() * (k + 1) for k, r in enumerate(rows)), 0.0)
        wanted = [*rows, *symnet.grad(cost, list(values))]
        found.append(evaluate(wanted, values))
        f = symnet.function(list(values), wanted)
        found.append(f(*values.values()))
    for results in zip(*found, strict=True):
        for one in results[1:]:
            np.testing.assert_allclose(one, results[0], atol=1e-12)


def test_blocks_store_less():
    """The loop forward hands its gradient one row a block instead of one a step."""
    x, w = T.vector("x"), T.scalar("w")

    def stored(every):
        rows, _ = symnet.scan(
            lambda v, h: T.tanh(h * w + v), x, T.constant(0.0), checkpoint_every=every
        )
        return symnet.grad(rows[-1], w)

    given = {x: np.linspace(-1, 1, 100), w: 0.4}
    plain, blocks = stored(None), stored(10)
    np.testing.assert_allclose(*evaluate([plain, blocks], given), rtol=1e-12)
    widest = [
        max(
            len(a)
            for a in evaluate([v for v in node.inputs if v.type.ndim == 1], given)
        )
        for node in loops([blocks])
        if node.op.name.startswith("gradient")
    ]
    assert max(widest) < 100
