"""Cheap values that a gradient reads late: what is kept, and that nothing else changes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet.compile.recompute import recompute
from symnet.graph.traverse import Graph

LAYERS, ROWS, WIDTH = 8, 96, 64
ACTIVATIONS = {
    "relu": T.nnet.relu,
    "maximum": lambda z: T.maximum(z, 0),
    "maximum turned": lambda z: T.maximum(0, z),
    "leaky": lambda z: T.nnet.relu(z, 0.25),
    "clip": lambda z: T.clip(z, -0.5, 0.5),
}
# (z, y) -> the slope; where both arguments of a maximum are equal the first has it all.
BY_HAND: dict[str, tuple[Any, Any]] = {
    "relu": (lambda z: np.maximum(z, 0), lambda z: (1 + np.sign(z)) / 2),
    "maximum": (lambda z: np.maximum(z, 0), lambda z: 1.0 * (z >= 0)),
    "maximum turned": (lambda z: np.maximum(z, 0), lambda z: 1.0 * (z > 0)),
    "leaky": (
        lambda z: np.where(z > 0, z, z / 4),
        lambda z: 0.25 + 0.75 * (1 + np.sign(z)) / 2,
    ),
    "clip": (lambda z: np.clip(z, -0.5, 0.5), lambda z: 1.0 * (np.abs(z) <= 0.5)),
}


def deep(activation: Any, dtype: str, layers: int = LAYERS) -> tuple[Any, list[Any]]:
    """The mean of the squares of the last of several layers, as a function of the input
    that gives it and its gradients, and the values of the weights."""
    rng = np.random.default_rng(1)
    # Quarters: their sums are exact, and many are 0.
    values = [rng.integers(-1, 2, (WIDTH, WIDTH)) / 4 for _ in range(layers)]
    weights = [symnet.shared(v.astype(dtype)) for v in values]
    x = T.matrix("x", dtype=dtype)
    y = x
    for w in weights:
        y = activation(T.dot(y, w))
    cost = T.sum(y**2)
    return symnet.function([x], [cost, *symnet.grad(cost, weights)]), values


def deep_by_hand(name: str, x: Any, weights: list[Any]) -> list[Any]:
    value, slope = BY_HAND[name]
    inputs, sums = [x], []
    for w in weights:
        sums.append(inputs[-1] @ w)
        inputs.append(value(sums[-1]))
    gradient, found = 2 * inputs[-1], []
    for w, z, y in zip(weights[::-1], sums[::-1], inputs[-2::-1], strict=True):
        gradient = gradient * slope(z)
        found.append(y.T @ gradient)
        gradient = gradient @ w.T
    return [(inputs[-1] ** 2).sum(), *found[::-1]]


def inputs(rows: int, dtype: str) -> Any:
    return np.random.default_rng(2).integers(-2, 3, (rows, WIDTH)).astype(dtype) / 4


@pytest.mark.parametrize("rows", [0, 1, ROWS])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_values_are_those_of_the_formulas(name: str, rows: int) -> None:
    f, weights = deep(ACTIVATIONS[name], "float64")
    x = inputs(rows, "float64")
    for got, right in zip(f(x), deep_by_hand(name, x, weights), strict=True):
        scale = np.abs(right).max(initial=1)
        np.testing.assert_allclose(got / scale, right / scale, atol=1e-13)


def test_nan_stays_where_it_is() -> None:
    f, weights = deep(T.nnet.relu, "float64", layers=4)
    x = inputs(3, "float64")
    x[1] = np.nan
    for got, right in zip(f(x), deep_by_hand("relu", x, weights), strict=True):
        assert np.array_equal(np.isnan(got), np.isnan(right))


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_one_array_is_kept_for_a_layer(name: str, dtype: str) -> None:
    f, _ = deep(ACTIVATIONS[name], dtype)
    x = inputs(ROWS, dtype)
    f(x)
    (plan,) = f.engine.native[0].entries
    # What is kept, and what one layer works with: the last two layers, a gradient, its
    # product.  Two arrays for each layer would be twice LAYERS.
    assert plan.loaded.arena_bytes < (LAYERS + 4) * x.nbytes


def test_copies_wait_for_their_readers() -> None:
    """A copy that has a loop of its own runs just before the product that reads it."""
    f, _ = deep(T.nnet.relu, "float32")
    names = [str(step.nodes[-1].op) for step in f.engine.native[0].program.steps]
    copies = [k for k, name in enumerate(names) if name == "relu"]
    again = [k for k in copies if k > names.index("mul")]
    assert len(copies) > LAYERS and all(names[k + 1] == "Dot" for k in again[:-1])


def operations(graph: Graph) -> list[str]:
    return sorted(str(node.op) for node in graph.toposort())


def chain(first: Any, rest: Any = lambda y, z: z) -> Graph:
    """y = first(z) of a product is read at once and, like z, three products later."""
    x = T.dmatrix("x")
    z = T.dot(x, x)
    y = first(z)
    late = T.dot(T.dot(T.dot(y, x), x), x)
    return Graph([x], [T.dot(late, y), T.dot(late, rest(y, z))])


def test_a_cheap_value_is_made_again() -> None:
    given = chain(T.nnet.relu)
    found = recompute(given)
    assert operations(found) == sorted([*operations(given), "relu"])


@pytest.mark.parametrize(
    "graph",
    [
        pytest.param(chain(T.exp), id="exp costs more than to read"),
        pytest.param(chain(T.nnet.relu, lambda y, z: y), id="else z need not wait"),
        pytest.param(chain(lambda z: T.dot(z, z)), id="no elementwise operation"),
    ],
)
def test_others_are_kept(graph: Graph) -> None:
    assert recompute(graph) is graph


def test_what_is_handed_out_is_kept() -> None:
    graph = chain(T.nnet.relu)
    y = next(n.out for n in graph.toposort() if str(n.op) == "relu")
    more = Graph(graph.inputs, [*graph.outputs, y])
    assert recompute(more) is more


def test_a_narrow_result_does_not_keep_a_wide_source() -> None:
    """A mask of one byte is not exchanged for an array that else would be gone."""
    x = T.dmatrix("x")
    z = T.dot(x, x)
    mask = z > 0
    near = T.dot(T.switch(mask, x, 0), x)
    middle = T.dot(T.dot(near, x), z)
    late = T.dot(T.dot(T.dot(T.dot(middle, x), x), x), x)
    graph = Graph([x], [T.switch(mask, late, 0)])
    assert operations(recompute(graph)).count("gt") == 1


def test_copies_of_copies() -> None:
    """What a copy is made of is itself made again: what comes late reads z alone."""
    x = T.dmatrix("x")
    z = T.dot(x, x)
    y = T.maximum(z, 0)
    mask = T.eq(y, z)
    early = T.dot(y, T.switch(mask, x, 0))
    late = T.dot(T.dot(early, x), x)
    graph = Graph([x], [T.dot(late, y), T.switch(mask, T.dot(late, x), 0)])
    clients = recompute(graph).all_clients()
    masks = {
        v: v.owner.inputs[0]
        for v in clients
        if v.owner is not None and str(v.owner.op) == "eq"
    }
    assert len(masks) > 1 and len(set(masks.values())) == len(masks)


def test_updates_in_every_mode() -> None:
    x = T.matrix("x", dtype="float64")
    value = np.array([[1.0, -1, 0, 2]])
    start = np.eye(4) / 2
    gradients = deep_by_hand("maximum", value, [start] * 5)[1:]
    for mode in ("DebugMode", "FAST_RUN", "FAST_COMPILE"):
        w = symnet.shared(start)
        y = x
        for _ in range(5):
            y = T.maximum(T.dot(y, w), 0)
        cost = T.sum(y**2)
        update = [(w, w - symnet.grad(cost, w))]
        f = symnet.function([x], cost, updates=update, mode=mode)
        assert f(value) == 5 / 32**2
        np.testing.assert_array_equal(w.get_value(), start - sum(gradients))
