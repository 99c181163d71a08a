"""What is chosen to be made again: where cuts lie, and what is expected of them."""

from __future__ import annotations

from typing import Any

import numpy as np

import symnet
import symnet.tensor as T
from symnet.compile.checkpoints import Checkpoints, moments_of
from symnet.compile.memory.arena import lifetimes
from symnet.compile.memory_limit import graph_of
from symnet.compile.pipeline import compile_graph
from symnet.graph.traverse import Graph
from symnet.ops.checks import Delayed, delayed
from symnet.ops.linalg.products import Dot

ROWS, WIDE = 40, 8
ONE = 4 * ROWS * WIDE  # bytes of a layer's values


def points_of(graph: Graph, *shapes: tuple[int, ...]) -> Checkpoints:
    made = compile_graph(graph)
    (native,) = made.native
    arrays = [np.zeros(shape, np.float32) for shape in shapes]
    inputs = [arrays[k] for k in native.positions]
    shared = [s.get_value() for s in native.program.shared]
    every = [a.shape for a in (*inputs, *shared)]
    binding = native.planner.bind(native.arguments(inputs, shared), every)
    return Checkpoints(graph_of(made), binding)


def network(depth: int) -> Graph:
    """Gradients of layers tanh(x w), without rewriting: every step is seen."""
    x = T.fmatrix("x")
    w = [symnet.shared(np.eye(WIDE, dtype=np.float32)) for _ in range(depth)]
    value = x
    for one in w:
        value = T.tanh(T.dot(value, one))
    return Graph([x], [*T.grad(value.sum(), w)])


def test_moments_are_those_of_lifetimes() -> None:
    """Also behind loops, whose steps count."""
    x = T.fmatrix("x")
    rows, _ = symnet.scan(lambda r, s: T.tanh(r + s), x, T.zeros_like(x[0]))
    w = T.fmatrix("w")
    points = points_of(Graph([x, w], [T.dot(T.exp(T.dot(rows, w)), w)]), (3, 3), (3, 3))
    program = points.program
    moments = moments_of(program.steps)
    lives = lifetimes(program.steps, program.placement)
    for node, moment in moments.items():
        for v in node.outputs:
            if points._bytes(v):
                home = program.placement.base(program.views[v].buffer)
                first, last = lives[home]
                assert first <= moment <= last
    products = [n for n in points.order if isinstance(n.op, Dot)]
    assert moments[products[1]] > moments[products[0]] > 1  # behind the loop's steps


def test_what_waits() -> None:
    points = points_of(network(6), (ROWS, WIDE))
    values = points.values
    waiting = [v for v, w in zip(values.variables, values.waiting) if w]
    assert 4 <= len(waiting) <= 6
    assert points.profile.max() >= len(waiting) * ONE
    assert all(a < b for a, b in zip(values.made, values.late) if b)


def test_choices_make_least_again_first() -> None:
    choices = points_of(network(16), (ROWS, WIDE)).choices()
    assert [c.size for c in choices] == sorted(c.size for c in choices)
    assert len({c.cuts for c in choices}) == len(choices)
    for choice in choices:
        assert list(choice.cuts) == sorted(set(choice.cuts))
        assert choice.size == ONE * len(choice.dropped)
        assert not choice.kept & choice.dropped.keys()


def test_expected_peaks_are_met() -> None:
    """What waits in the new program is what was expected, within one layer."""
    graph = network(16)
    points = points_of(graph, (ROWS, WIDE))
    for choice in points.choices():
        made, copies = points.with_copies(choice)
        found = points_of(made, (ROWS, WIDE))
        assert abs(int(found.profile.max()) - choice.peak) <= ONE
        assert copies


def test_cuts_lie_where_little_crosses() -> None:
    """Between blocks one array crosses, within them two or three."""
    x = T.fmatrix("x")
    value, parameters = x, []
    for _ in range(8):
        block = [symnet.shared(np.eye(WIDE, dtype=np.float32)) for _ in range(3)]
        parameters += block
        a, b, c = block
        value = value + T.dot(T.tanh(T.dot(T.tanh(T.dot(value, a)), b)), c)
    graph = Graph([x], [*T.grad((value**2).sum(), parameters)])
    points = points_of(graph, (ROWS, WIDE))
    for pieces in (2, 3, 4):
        cuts = points._cuts(pieces)
        assert len(cuts) == pieces - 1
        assert all(points._crossing_bytes(cut) == ONE for cut in cuts)


def test_nothing_to_make_again() -> None:
    x = T.fmatrix("x")
    assert not points_of(Graph([x], [T.exp(x).sum()]), (3, 3)).choices()
    assert not points_of(Graph([x], [x]), (3, 3)).choices()


def test_delayed() -> None:
    """It shows the value, stands behind the moment, and reads nothing of that."""
    x, y = T.fvector("x"), T.fvector("y")
    late = delayed(x, T.exp(y))
    assert isinstance(late.owner.op, Delayed)
    f = symnet.function([x, y], [late, late.shape], on_unused_input="ignore")
    value, shape = f(np.float32([1, 2]), np.float32([np.inf]))
    assert value.tolist() == [1, 2] and shape.tolist() == [2]
    gradients: list[Any] = T.grad((late**2).sum(), [x, y], disconnected_inputs="ignore")
    g = symnet.function([x, y], gradients, on_unused_input="ignore")
    assert [v.tolist() for v in g(np.float32([1, 2]), np.float32([3]))] == [[2, 4], [0]]
