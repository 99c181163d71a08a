"""The passes over loops together: random recurrent layers, rewritten and as written."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import symnet
import symnet.tensor as T
from symnet.compile.pipeline import rewrite_graph, simplified
from symnet.compile.scan.scan_passes import rewrite_loops
from symnet.graph.traverse import Graph
from symnet.ops.scan.loop import Scan
from symnet.rewriting.analyses import AnalysisCache
from symnet.scan_module import until

BATCH, INPUTS, HIDDEN, CLASSES = 3, 4, 5, 2


@dataclass
class Layer:
    """A recurrent layer that was drawn.

    terms: what is added up for the new state; outputs: what a step hands out besides;
    read: what of these the function returns; wrt: what it is differentiated by.
    """

    steps: int
    rows: int
    vectors: bool
    backwards: bool
    checkpoints: int
    limit: float | None
    terms: frozenset
    outputs: frozenset
    read: frozenset
    wrt: frozenset
    seed: int


def subset(*names):
    return st.frozensets(st.sampled_from(names), min_size=1)


@st.composite
def layers(draw):
    steps = draw(st.integers(0, 4))
    return Layer(
        steps,
        steps + draw(st.integers(0, 2)),
        draw(st.booleans()),
        draw(st.booleans()),
        draw(st.sampled_from([0, 0, 2])),
        draw(st.sampled_from([None, None, 0.5, 3.0])),
        draw(subset("input", "state", "older", "gates", "weights", "transposed")),
        draw(subset("state", "scores", "product", "sum", "inputs", "left")),
        draw(subset("states", "last", "rows", "sums")),
        draw(subset("U", "W", "V", "b", "xs", "h0")),
        draw(st.integers(0, 10)),
    )


def build(layer):
    """Inputs with their values, and results."""
    rng = np.random.default_rng(layer.seed)
    batch = () if layer.vectors else (BATCH,)
    shapes = {
        "xs": (layer.rows, *batch, INPUTS), "h0": (2, *batch, HIDDEN),
        "U": (INPUTS, HIDDEN), "W": (HIDDEN, HIDDEN), "W2": (HIDDEN, HIDDEN),
        "V": (HIDDEN, CLASSES), "b": (HIDDEN,), "total": (INPUTS, HIDDEN),
    }  # fmt: skip
    values = {name: rng.standard_normal(shape) / 2 for name, shape in shapes.items()}
    names = {k: T.TensorType("float64", (None,) * v.ndim)(k) for k, v in values.items()}
    n = names

    def step(x, *arguments):
        older, h, total, sums = arguments[:4]
        parts = {
            "input": lambda: T.dot(x, n["U"]),
            "state": lambda: T.dot(h, n["W"]),
            "older": lambda: T.tanh(older),
            "gates": lambda: T.dot(h, n["W2"]) * T.nnet.sigmoid(T.dot(h, n["W"])),
            "weights": lambda: T.dot(T.tanh(x * 2), n["U"]) ** 2,
            "transposed": lambda: T.dot(n["W"].T, h.T).T,
        }
        new = T.tanh(sum(parts[k]() for k in sorted(layer.terms)) + n["b"])
        made = {
            "state": lambda: new * 2,
            "scores": lambda: T.nnet.softmax(T.dot(new, n["V"]) + 1),
            "product": lambda: T.dot(h, n["V"]),
            "sum": lambda: (T.dot(new, n["V"]) ** 2).sum(),
            "inputs": lambda: T.dot(x, n["U"]) + h,
            "left": lambda: T.dot(n["V"].T, new.T),
        }
        product = T.outer(x, new) if layer.vectors else T.dot(x.T, new)
        row = new if layer.vectors else new.sum(axis=0)
        handed = [made[k]() for k in sorted(layer.outputs)]
        results = [new, total + product, sums + row, *handed]
        if layer.limit is None or layer.checkpoints:
            return results
        return results, until((new**2).sum() > layer.limit)

    infos = [
        {"initial": n["h0"], "taps": [-2, -1]}, n["total"], n["b"],
        *[None] * len(layer.outputs),
    ]  # fmt: skip
    more = {"checkpoint_every": layer.checkpoints} if layer.checkpoints else {}
    found, _ = symnet.scan(
        step, n["xs"], infos, n_steps=layer.steps, go_backwards=layer.backwards, **more
    )
    states, totals, sums, *rows = found
    read = {
        "states": states, "last": states[-1:], "rows": sum(r.sum() for r in rows),
        "sums": totals[-1:].sum() + sums[-1:].sum(),
    }  # fmt: skip
    results = [read[k] for k in sorted(layer.read)]
    cost = sum((r * T.cos(r)).sum() for r in results)
    wrt = [n[k] for k in sorted(layer.wrt)]
    return names, values, [*results, *T.grad(cost, wrt, disconnected_inputs="ignore")]


@settings(max_examples=20, deadline=None)
@given(layers())
def test_layers_mean_the_same(layer):
    names, values, results = build(layer)
    found = []
    for mode in ("FAST_COMPILE", "FAST_RUN"):
        f = symnet.function(
            list(names.values()), results, mode=mode, on_unused_input="ignore"
        )
        found.append(f(*values.values()))
    for want, got in zip(*found, strict=True):
        assert got.dtype == want.dtype
        assert got.shape == want.shape
        np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-12)


def test_a_graph_without_loops_is_left_alone():
    x = T.dmatrix()
    graph = Graph([x], [T.dot(x, x) + 1])
    assert rewrite_loops(graph, simplified, AnalysisCache()) is graph


@pytest.mark.parametrize("order", [1, 2])
def test_gradients_of_a_layer_in_debug_mode(order):
    layer = Layer(3, 4, False, False, 0, None, frozenset(["input", "state"]),
                  frozenset(["scores"]), frozenset(["last"]), frozenset("UW"), 0)  # fmt: skip
    names, values, results = build(layer)
    if order == 2:
        results = T.grad(results[-1].sum(), [names["U"], names["xs"]])
    f = symnet.function(
        list(names.values()), results, mode="DebugMode", on_unused_input="ignore"
    )
    f(*values.values())


def test_a_recurrent_layer_is_two_loops_and_products_outside():
    """One product in each step forwards, one backwards; three over all steps: of the
    inputs, and for the gradients of the two weights."""
    xs, h0, U, W = T.dtensor3("xs"), T.dmatrix("h0"), T.dmatrix("U"), T.dmatrix("W")
    hs, _ = symnet.scan(lambda x, h: T.tanh(T.dot(x, U) + T.dot(h, W)), xs, [h0])
    graph = rewrite_graph(Graph([xs, h0, U, W], T.grad((hs**2).sum(), [U, W])))
    nodes = graph.toposort()
    loops = [node for node in nodes if isinstance(node.op, Scan)]
    assert [len(products(loop.op.graph.order)) for loop in loops] == [1, 1]
    assert len(products(nodes)) == 3


def products(nodes):
    return [n for n in nodes if str(n.op).startswith(("Dot", "Gemm"))]
