"""When two graphs are the same computation."""

from __future__ import annotations

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet.graph.same_graph import equal_computations, is_same_graph
from symnet.graph.variables import Variable

DEPTH = 20_000


def test_the_same_operations_on_the_same_variables() -> None:
    x, y, z = T.dvectors("x", "y", "z")
    same = [
        (x, x), (x * 2, x * 2), (T.exp(x + y).sum(), T.exp(x + y).sum()),
        (x[1:3], x[1:3]), (x + np.ones(3), x + np.ones(3)), (x * 0.1, x * 0.1),
        (T.grad(T.exp(x).sum(), x), T.grad(T.exp(x).sum(), x)),
        (x + np.array([0.0, np.nan]), x + np.array([0.0, np.nan])),
    ]  # fmt: skip
    different = [
        (x, y), (x * 2, y * 2), (x * 2, x * 3), (x, -x), (x + y, y + x), (x + y, x - y),
        (x * (y * z), (x * y) * z), (x[1:3], x[1:4]), (x.sum(), x.mean()), (x, x * 1),
        (x + np.ones(3), x + np.zeros(3)), (x + np.ones(3), x + np.ones(4)),
        (x + np.array([0.0, 1.0]), x + np.array([-0.0, 1.0])), (x * 2, x * 2.5),
        (x + T.dvector(), x + T.dvector()), (x.astype("int8"), x.astype("int16")),
    ]  # fmt: skip
    for a, b in same:
        assert equal_computations([a], [b]) and is_same_graph(a, b)
    for a, b in different:
        assert not equal_computations([a], [b]) and not is_same_graph(b, a)
    assert equal_computations([x + y, z], [x + y, z])
    assert not equal_computations([x + y, z], [x + y, x])
    assert equal_computations([], [])
    with pytest.raises(ValueError, match="1 variables are compared with 2"):
        equal_computations([x], [x, x])


def test_outputs_of_one_operation_are_told_apart() -> None:
    x = T.dvector("x")
    first, second = T.split(x, [1, 2], 2)
    again = T.split(x, [1, 2], 2)
    assert equal_computations([first, second], again)
    assert not equal_computations([first], [again[1]])


def test_loops() -> None:
    x, y = T.dvectors("x", "y")

    def loop(v: Variable, factor: float) -> Variable:
        rows, _ = symnet.scan(lambda e: T.exp(e) * factor, v)
        return rows

    assert is_same_graph(loop(x, 2.0), loop(x, 2.0))
    assert not is_same_graph(loop(x, 2.0), loop(x, 3.0))
    assert not is_same_graph(loop(x, 2.0), loop(y, 2.0))


def test_pairs_of_inputs() -> None:
    x, y, z = T.dvectors("x", "y", "z")
    t = x * y
    assert equal_computations([x * 2], [y * 2], [x], [y])
    assert equal_computations([t * 2], [z * 2], [t], [z])
    assert equal_computations([x - y], [y - x], [x, y], [y, x])
    assert not equal_computations([x - y], [y - x], [x], [y])
    assert not equal_computations([x * 2], [x * 2], [x], [T.fvector()])


def test_givens() -> None:
    x, y, z = T.dvectors("x", "y", "z")
    t = x * y
    assert is_same_graph(x + 1, y + 1, givens={x: y})
    assert is_same_graph(x, t, givens=[(t, x)])
    assert not is_same_graph(x * 2, y * 3, givens={y: x})
    assert not is_same_graph(x * x + z, x * y + t, givens={y: x})
    assert is_same_graph(x * x + z, x * y + t, givens={y: x, t: z})


def test_deep_graphs_and_graphs_with_many_paths() -> None:
    x, y = T.dscalars("x", "y")

    def chain(v: Variable, depth: int, many_paths: bool) -> Variable:
        for _ in range(depth):
            v = v + v if many_paths else T.tanh(v)
        return v

    for paths, depth in ((False, DEPTH), (True, 200)):
        assert is_same_graph(chain(x, depth, paths), chain(x, depth, paths))
        assert not is_same_graph(chain(x, depth, paths), chain(y, depth, paths))
