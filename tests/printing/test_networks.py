from __future__ import annotations

import networkx
import numpy as np

import symnet
import symnet.tensor as T
from symnet.printing import to_networkx


def test_nodes_and_edges() -> None:
    x = T.vector("x", dtype="float64")
    w = symnet.shared(np.zeros(2), "w")
    product = x * w
    out = product - product
    graph = to_networkx(out)
    assert networkx.is_directed_acyclic_graph(graph)
    kinds = networkx.get_node_attributes(graph, "kind")
    assert kinds[x] == "input" and kinds[w] == "shared" and kinds[out] == "result"
    assert kinds[out.owner] == "operation"
    assert graph.nodes[out]["role"] == "output"
    assert graph.nodes[out.owner]["label"] == "sub"
    assert graph.nodes[out.owner]["origin"].filename == __file__
    # The same input twice: two edges, told apart by position.
    edges = graph.get_edge_data(product, out.owner)
    assert sorted(e["position"] for e in edges.values()) == [0, 1]
    assert networkx.ancestors(graph, out) == {x, w, product, product.owner, out.owner}


def test_functions_have_roles() -> None:
    x = T.vector("x", dtype="float64")
    w = symnet.shared(np.zeros(2), "w")
    f = symnet.function([x], x.sum(), updates=[(w, w + x)])
    roles = networkx.get_node_attributes(to_networkx(f), "role")
    assert sorted(roles.values()) == ["output 0", "update of w"]
