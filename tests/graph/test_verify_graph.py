"""Graphs with planted faults are refused."""

from __future__ import annotations

import pytest

import symnet
import symnet.sparse
import symnet.tensor as T
from symnet import config, function, scan
from symnet.compile import pipeline
from symnet.graph.traverse import Graph, leaves
from symnet.graph.types import Type
from symnet.graph.variables import Apply
from symnet.graph.verify_graph import GraphError, verify_graph
from symnet.ifelse import ifelse
from symnet.tensor.shared_randomstreams import RandomStreams


def test_right_graphs():
    x, c, k = T.dmatrix("x"), T.bscalar("c"), T.lvector("k")
    rows, _ = scan(lambda row, s: row * s, x, x[0])
    outputs = [ifelse(c, x[k], T.dot(x, x)), rows[-1], T.argmax(x, axis=1)]
    gradient = symnet.grad(sum(v.sum() for v in outputs[:2]), x)
    verify_graph(Graph([x, c, k], [*outputs, gradient]), [])


def test_results_that_are_no_tensors():
    """Sparse matrices, streams of random numbers, types that users write."""

    class Word(Type):
        pass

    class Speak(symnet.Op):
        __props__ = ()

        def make_node(self, x):
            return Apply(self, [x], [Word()()])

    x = T.dmatrix("x")
    sparse_x = symnet.sparse.csc_from_dense(x)
    inner = symnet.OpFromGraph([x], [symnet.sparse.dense_from_sparse(sparse_x * 2)])
    stream = RandomStreams(3).uniform(size=(2,))
    verify_graph(Graph([x], [inner(x), sparse_x, Speak()(x)]), [])
    verify_graph(Graph([], [stream]), leaves([stream]))
    with pytest.raises(GraphError, match="a result is float64 csc matrix, made as"):
        node = symnet.sparse.csr_from_dense(x).owner
        wrong = Apply(node.op, [x], [sparse_x.type()])
        verify_graph(Graph([x], wrong.outputs), [])


def test_what_came_from_nowhere():
    x, y = T.dvector("x"), T.dvector("y")
    verify_graph(Graph([x], [x + y]), [y])
    with pytest.raises(GraphError, match="y.* came from nowhere"):
        verify_graph(Graph([x], [x + y]), [])


def test_an_operation_that_needs_its_own_result():
    x = T.dvector("x")
    y = T.exp(x)
    z = y + 1
    y.owner.inputs[0] = z
    with pytest.raises(GraphError, match="needs its own result"):
        verify_graph(Graph([x], [z]))


def test_a_result_of_another_type():
    x = T.dvector("x")
    node = Apply(T.exp(x).owner.op, [x], [T.fvector()])
    with pytest.raises(GraphError, match="float32"):
        verify_graph(Graph([x], node.outputs))


def test_a_result_that_does_not_know_its_operation():
    x = T.dvector("x")
    y = T.exp(x)
    y.index = 1
    with pytest.raises(
        GraphError, match=r"does not know its operation(.|\n)*your line"
    ):
        verify_graph(Graph([x], [y * 2]))


def test_a_wrong_operation_inside_a_loop():
    x = T.dmatrix("x")
    rows, _ = scan(lambda row: T.exp(row) + 1, x)
    inner = rows.owner.op.graph
    inner.outputs[0].owner.outputs[0].index = 3
    with pytest.raises(GraphError):
        verify_graph(Graph([x], [rows]))


def test_a_pass_at_fault_is_found_where_it_is(monkeypatch):
    """Its graph has the right types, and a leaf that nobody gives."""

    def forgetful(graph, _):
        return Graph(graph.inputs, [v.type() for v in graph.outputs])

    fault = pipeline.Change("forgetful", forgetful)
    monkeypatch.setattr(pipeline, "PASSES", (*pipeline.PASSES, fault))
    x = T.dvector("x")
    what = pytest.raises(GraphError, match="came from nowhere")
    with config.change_flags(verify="on", on_rewrite_error="raise"), what:
        function([x], x * 2)
