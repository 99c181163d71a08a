"""Graphs as NetworkX graphs, for analysis and for other drawing programs."""

from __future__ import annotations

from typing import Any

from symnet.graph.traverse import ancestors, toposort
from symnet.printing.roots import kind_of, label_of, roots_of


def to_networkx(obj: Any) -> Any:
    """The graph of a variable, a list of them or a compiled function, as a MultiDiGraph.

    Its nodes are the variables and operations (`Apply`) themselves, in topological order,
    with attributes: kind ("input", "shared", "constant", "result", "operation"), label;
    of variables type, and role where they are outputs; of operations origin, the user's
    line.  Edges follow the data; `position` counts inputs and outputs of an operation.
    Raises: TypeError for an object without a graph.
    """
    import networkx  # heavy, and needed by few

    graph = networkx.MultiDiGraph()
    roots = roots_of(obj)
    variables = [root.variable for root in roots]
    for v in ancestors(variables):
        graph.add_node(v, kind=kind_of(v), label=label_of(v), type=v.type)
    for node in toposort(variables):
        graph.add_node(node, kind="operation", label=str(node.op), origin=node.origin)
        for k, v in enumerate(node.inputs):
            graph.add_edge(v, node, position=k)
        for k, v in enumerate(node.outputs):
            graph.add_edge(node, v, position=k)
    for root in roots:
        graph.nodes[root.variable]["role"] = root.role or "output"
    return graph
