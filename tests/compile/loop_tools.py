"""What the tests of the passes over loops share."""

from __future__ import annotations

import numpy as np

from symnet import function
from symnet.compile.pipeline import simplified
from symnet.compile.scan.vectorise import Lengths
from symnet.graph.traverse import Graph, change_nodes
from symnet.ops.linalg.products import Dot
from symnet.ops.scan.loop import Scan
from symnet.rewriting.analyses import AnalysisCache


def loops(graph):
    """The operations of a graph that are loops."""
    return [node.op for node in graph.toposort() if isinstance(node.op, Scan)]


def dots(nodes):
    return [node for node in nodes if isinstance(node.op, Dot)]


def passed(one_pass, outputs, inputs):
    """The simplified graph of `outputs`, after a pass."""
    return one_pass(simplified(Graph(inputs, list(outputs))))


def each_loop(change):
    """The pass that puts what `change` gives for a loop's op and inputs in its place."""

    def one(node, inputs):
        loop = change(node.op, inputs)
        return None if loop is None else loop.outputs

    return lambda graph: change_nodes(graph, one, (Scan,))


def known(graph):
    """What `postpone_products` and `hoist_products` ask about sizes."""
    return Lengths(AnalysisCache().sizes(graph))


def agree(outputs, values, rtol=1e-10):
    """Compare what the compiled function gives with what the graph says as it is written;
    returns the former.  values: from inputs to arrays."""
    found = []
    for mode in ("FAST_COMPILE", "FAST_RUN"):
        f = function(list(values), list(outputs), mode=mode, on_unused_input="ignore")
        found.append(f(*values.values()))
    for want, got in zip(*found, strict=True):
        assert (got.dtype, got.shape) == (want.dtype, want.shape)
        np.testing.assert_allclose(got, want, rtol=rtol, atol=1e-12)
    return found[1]
