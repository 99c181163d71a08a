"""Which operations share a loop: the order of clusters, their axes, and known networks."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

import symnet
import symnet.tensor as T
from symnet.compile.lower.fuse import MAXIMUM_NODES, MAXIMUM_OPERANDS, fuse, is_loop
from symnet.compile.lower.lowering import lower, needed_nodes
from symnet.compile.lower.program import KernelLaunch, LibraryCall
from symnet.compile.pipeline import rewrite_graph
from symnet.graph.traverse import Graph, leaves, toposort
from symnet.graph.variables import Constant
from symnet.kernels.loopir.views import ONE
from symnet.ops.base import lowering_of
from symnet.sizes.infer import Inference
from tests.helpers import run
from tests.test_fuzz import programs


def clusters(outputs, rewritten=True):
    """The clusters of a graph, in order, and the graph's wanted variables and sizes."""
    if rewritten:
        outputs = rewrite_graph(Graph([], outputs)).outputs
    given_ones = [v for v in leaves(outputs) if not isinstance(v, Constant)]
    inference = Inference(given_ones)
    nodes = needed_nodes(outputs, given_ones)
    return fuse(nodes, outputs, inference), nodes, outputs, inference


def steps(outputs):
    """The steps of a graph, rewritten: loops and calls."""
    outputs = rewrite_graph(Graph([], outputs)).outputs
    given_ones = [v for v in leaves(outputs) if not isinstance(v, Constant)]
    return lower(given_ones, outputs, Inference(given_ones)).steps


def loops_and_calls(outputs):
    kinds = Counter(type(step) for step in steps(outputs))
    assert set(kinds) <= {KernelLaunch, LibraryCall}
    return kinds[KernelLaunch], kinds[LibraryCall]


def check(found, nodes, wanted, inference):
    """What holds of all clusters."""
    home = {}
    for place, cluster in enumerate(found):
        assert cluster.nodes and len(cluster.nodes) <= MAXIMUM_NODES
        for node in cluster.nodes:
            assert node not in home
            home[node] = place
    assert set(home) == set(nodes)
    made = {v: home[node] for node in nodes for v in node.outputs}
    outside = set(wanted)
    for node in nodes:
        for k in nodes[node].reads:
            v = node.inputs[k]
            if v in made:
                assert made[v] <= home[node], "a producer runs after its consumer"
                if made[v] != home[node]:
                    outside.add(v)
    for cluster in found:
        if cluster.loop:
            check_loop(cluster, outside, inference)


def check_loop(cluster, outside, inference):
    made = {node.outputs[0] for node in cluster.nodes}
    assert cluster.stored == made & outside
    everywhere = set(range(len(cluster.space)))
    assert cluster.reduced <= everywhere
    for variable, axes in cluster.maps.items():
        moving = [a for a in axes if a is not None]
        assert len(set(moving)) == len(moving) and set(moving) <= everywhere
        for one, axis in zip(inference.sizes_of(variable), axes, strict=True):
            assert (axis is None) == (one is ONE)
            assert axis is None or inference.same(one, cluster.space[axis])
        if variable in cluster.stored:
            assert set(moving) in (everywhere, everywhere - cluster.reduced)
    inside = [node for node in cluster.nodes if node.op.__class__.__name__ == "Reduce"]
    assert bool(cluster.reduced) <= bool(inside)


@pytest.mark.filterwarnings("ignore")
@settings(
    max_examples=150,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(programs())
def test_clusters_of_random_programs(program):
    _, outputs, updates = program
    results = [*outputs, *updates.values()]
    check(*clusters(results))
    check(*clusters(results, rewritten=False))


# ---- what becomes one loop

matrix, other = T.fmatrices("matrix", "other")
vector = T.fvector("vector")


@pytest.mark.parametrize(
    "build",
    [
        lambda x, y, v: T.tanh(x * y) + v,
        lambda x, y, v: (x * y).sum(),
        lambda x, y, v: T.sqr(x - y).sum(axis=1),
        lambda x, y, v: T.exp(x).sum(axis=0),
        lambda x, y, v: T.nnet.softmax(x),
        lambda x, y, v: T.nnet.logsoftmax(x + v),
        lambda x, y, v: T.nnet.softmax(x * 2 + v) * y,
        lambda x, y, v: (
            (x - x.mean(axis=1, keepdims=True)) / x.std(axis=1, keepdims=True)
        ),
        lambda x, y, v: T.log(T.exp(x).sum(axis=1)),
        lambda x, y, v: x.T + y.T,
        lambda x, y, v: T.arange(x.shape[0]) * 2 + 1,
        lambda x, y, v: T.switch(x > v, x, y).max(axis=1),
        lambda x, y, v: T.argmax(x * y, axis=1),
    ],
)
def test_one_loop(build):
    assert loops_and_calls([build(matrix, other, vector)]) == (1, 0)


def test_a_layer_is_a_product_and_a_loop():
    w = symnet.shared(np.ones((4, 3), "f4"))
    assert loops_and_calls([T.nnet.sigmoid(T.dot(matrix, w) + vector)]) == (1, 1)


def test_column_sums_take_in_what_they_sum():
    """The gradient of a bias: alone it is one pass over the data; where the summed
    matrix is needed too it is stored first, for columns are never written."""
    error = T.nnet.sigmoid(matrix) * (1 - T.nnet.sigmoid(matrix)) * other
    assert loops_and_calls([error.sum(axis=0)]) == (1, 0)
    assert loops_and_calls([error, error.sum(axis=0)]) == (2, 0)
    values = np.random.default_rng(0).normal(size=(6, 5))
    run([error, error.sum(axis=0)], {matrix: values, other: values + 1})


def standardized(x):
    return (x - x.mean(axis=0, keepdims=True)) / x.std(axis=0, keepdims=True)


@pytest.mark.parametrize(
    "build",
    [
        lambda x, v: T.nnet.softmax(x, axis=0),
        lambda x, v: standardized(x),
        lambda x, v: T.tanh(standardized(x * 2) * v + v),
    ],
)
def test_columns_that_are_reduced_and_mapped_are_one_loop_or_several(build):
    (loop,) = steps([build(matrix, vector)])
    assert len(loop.split.steps) >= 4
    assert all(s.split is None for s in loop.split.steps)


@pytest.mark.parametrize(
    "build",
    [
        lambda x, y: x - x.mean(axis=0, keepdims=True),
        lambda x, y: T.nnet.softmax(x * y, axis=0),
    ],
)
def test_one_loop_over_columns_must_save_passes_over_few_arrays(build):
    found = steps([build(matrix, other)])
    assert len(found) > 1 and all(step.split is None for step in found)
    values = np.random.default_rng(0).normal(size=(6, 5)).astype("f4")
    run(build(matrix, other), {matrix: values, other: values + 1})


def test_what_is_looked_up_is_not_looked_up_in_every_pass_over_columns():
    x, rows = T.fmatrix("x"), T.lvector("rows")
    y = T.nnet.softmax(x[rows], axis=0)
    loops = [s for s in steps([y]) if isinstance(s, KernelLaunch)]
    assert [s.fallible for s in loops] == [True, False] and loops[1].split is not None
    value = np.random.default_rng(0).normal(size=(5, 3)).astype("f4")
    run(y, {x: value, rows: np.array([4, 0, 0])})


def test_row_sums_are_stored_along_with_what_they_sum():
    error = T.nnet.sigmoid(matrix) * other
    assert loops_and_calls([error, error.sum(axis=1)]) == (1, 0)


def test_a_value_and_what_is_made_of_it_are_results_of_one_loop():
    y = T.exp(matrix)
    assert loops_and_calls([y, y * 2]) == (1, 0)
    velocity, weights = symnet.shared(np.ones(3)), symnet.shared(np.ones(3))
    moved = 0.9 * velocity - 0.1 * T.tanh(weights)
    assert loops_and_calls([moved, weights + moved]) == (1, 0)


def test_sums_over_different_axes_are_different_loops():
    outputs = [T.exp(matrix).sum(axis=0), T.exp(matrix).sum(axis=1)]
    assert loops_and_calls(outputs)[1] == 0 and 2 <= loops_and_calls(outputs)[0] <= 3
    run(outputs, {matrix: np.random.default_rng(0).normal(size=(6, 5))})


def test_costly_values_of_a_broadcast_row_are_computed_once():
    """tanh of a row is a loop of its own; of a column it is a value of the outer loop."""
    assert loops_and_calls([matrix * T.tanh(vector)]) == (2, 0)
    (found,) = clusters([matrix * T.tanh(vector).dimshuffle(0, "x")])[0]
    (tanh,) = [n for n in found.nodes if getattr(n.op, "name", "") == "tanh"]
    assert found.maps[tanh.outputs[0]] == (0,)


def test_cheap_values_are_computed_again_where_they_are_needed():
    assert loops_and_calls([matrix * (vector * 2)]) == (1, 0)


def test_a_value_needed_by_a_product_too_is_stored_once():
    y = T.tanh(matrix)
    w = symnet.shared(np.ones((4, 3), "f4"))
    found, _, _, _ = clusters([T.dot(y, w), y * 2])
    storing = [
        c for c in found if c.loop and any(v.owner.op.name == "tanh" for v in c.stored)
    ]
    assert len(storing) == 1


# ---- limits


def test_long_chains_are_cut():
    y = x = T.dvector("x")
    for _ in range(3 * MAXIMUM_NODES):
        y = T.tanh(y)
    found, nodes, wanted, inference = clusters([y])
    check(found, nodes, wanted, inference)
    assert 3 <= len(found) <= 4
    run(y, {x: np.linspace(-1, 1, 5)})


def test_many_operands_are_cut():
    xs = [T.dvector(f"x{k}") for k in range(3 * MAXIMUM_OPERANDS)]
    y = xs[0]
    for k, x in enumerate(xs[1:]):
        y = T.tanh(y * (k + 1)) + x
    found, *_ = clusters([y])
    assert len(found) > 1
    for cluster in found:
        read = set(cluster.reads) - set(cluster.maps)
        assert len(read) <= MAXIMUM_OPERANDS + 2
    values = np.random.default_rng(0).normal(size=(len(xs), 4))
    run(y, dict(zip(xs, values)))


def test_a_diamond_with_a_product_in_between_makes_no_cycle():
    """x feeds a product and, beside it, the loop that uses the product."""
    x, w = T.dmatrix("x"), symnet.shared(np.eye(3))
    y = T.tanh(x)
    z = T.dot(y, w) + y
    u = T.dot(z, w) * y + z
    check(*clusters([u, y, z]))
    run([u, y, z], {x: np.random.default_rng(0).normal(size=(4, 3))})


def test_what_cannot_be_in_a_loop():
    def fits(output):
        return is_loop(lowering_of(output.owner))

    z = T.zvector("z")
    assert fits(z * 2) and not fits(T.arccos(z))
    assert not fits(T.dot(matrix, other))
    assert not fits(matrix[1:])
    assert fits(T.tanh(matrix)) and fits(matrix.sum())
    assert fits(matrix.T) and fits(T.arange(vector.shape[0]))


def test_deep_graphs():
    x = T.dvector("x")
    y = x
    for k in range(5000):
        y = T.tanh(y) if k % 2 else y * x
    found, nodes, *_ = clusters([y], rewritten=False)
    assert sum(len(c.nodes) for c in found) == len(nodes) == len(toposort([y]))
