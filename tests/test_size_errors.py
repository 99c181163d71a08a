"""Random graphs on arrays whose sizes may not fit: the compiled function raises exactly
where evaluating the graph as it was written does, and else gives the same values."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet.errors import ShapeError

Draw = Callable[[], Any]


def vectors(choose: Callable[..., Any], v: Draw, m: Draw) -> Any:
    """A vector made from others."""
    kind = choose(range(10))
    if kind < 3:
        return choose([T.add, T.mul, T.maximum, T.true_div, T.second])(v(), v())
    if kind < 5:
        return choose([T.exp, T.neg, T.zeros_like, lambda x: x[::-1], lambda x: x * 0])(
            v()
        )
    if kind == 5:
        return m().sum(axis=choose([0, 1]))
    if kind == 6:
        return T.dot(m(), v())
    if kind == 7:
        return T.alloc(v().sum(), v().shape[0])
    if kind == 8:
        return T.concatenate([v(), v()])
    return T.set_subtensor(v()[:], v())


def matrices(choose: Callable[..., Any], v: Draw, m: Draw) -> Any:
    """A matrix made from others."""
    kind = choose(range(6))
    if kind == 0:
        return choose([T.add, T.mul, T.second, T.dot])(m(), m())
    if kind == 1:
        return choose([T.add, T.mul])(m(), v())
    if kind == 2:
        return m() - v().dimshuffle(0, "x")
    if kind == 3:
        return T.ones((v().shape[0], m().shape[1]))
    if kind == 4:
        return T.stack([v(), v()])
    return m().T


def finish(choose: Callable[..., Any], x: Any, inputs: list[Any]) -> Any:
    """What is asked of a result: often only something of its shape."""
    kind = choose(range(8))
    if kind == 0:
        return x.shape
    if kind == 1:
        return x.shape[0] * 2
    if kind == 2:
        return T.zeros_like(x)
    if kind == 3:
        return x.sum()
    if kind == 4:
        return x.mean(axis=0)
    if kind == 5:
        return T.grad(x.sum(), choose(inputs), disconnected_inputs="ignore")
    return x


def draw_graph(rng: random.Random) -> tuple[list[Any], list[Any]]:
    inputs = [T.dvector("a"), T.dvector("b"), T.dmatrix("m"), T.dmatrix("n")]
    known = {1: inputs[:2], 2: inputs[2:]}

    def one(rank: int) -> Any:
        return rng.choice(known[rank])

    for _ in range(rng.randint(2, 8)):
        make, rank = rng.choice([(vectors, 1), (vectors, 1), (matrices, 2)])
        known[rank].append(make(rng.choice, lambda: one(1), lambda: one(2)))
    results = [one(rng.choice([1, 2])) for _ in range(rng.randint(1, 2))]
    return inputs, [finish(rng.choice, x, inputs) for x in results]


def outcome(f: Any, values: list[Any]) -> Any:
    try:
        return f(*values)
    except ValueError:  # a ShapeError, or NumPy's own of the reference
        return None


@pytest.mark.parametrize("seed", range(60))
def test_errors_of_size_are_those_of_the_graph_as_written(seed: int) -> None:
    rng = random.Random(seed)
    try:
        inputs, outputs = draw_graph(rng)
    except ShapeError:  # known sizes that do not fit are refused at once
        return
    compiled, reference = (
        symnet.function(inputs, outputs, mode=mode, on_unused_input="ignore")
        for mode in ("FAST_RUN", "FAST_COMPILE")
    )
    for attempt in range(5):
        sizes = [rng.choice([1, 2, 3]) if attempt else 3 for _ in range(6)]
        shapes = [sizes[0], sizes[1], sizes[2:4], sizes[4:6]]
        values = [np.linspace(1, 2, int(np.prod(s))).reshape(s) for s in shapes]
        with np.errstate(all="ignore"):
            got, want = outcome(compiled, values), outcome(reference, values)
        assert (got is None) == (want is None), sizes
        for one, other in zip(got or (), want or (), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-9)
