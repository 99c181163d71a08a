"""The passes over loops, in order, each with its reason."""

from __future__ import annotations

from collections.abc import Callable

from symnet.compile.scan.concat_products import join_products
from symnet.compile.scan.dead_outputs import keep_last_rows, trim_loops
from symnet.compile.scan.hoist_products import hoist_products
from symnet.compile.scan.merge import merge_loops
from symnet.compile.scan.sink_products import postpone_products
from symnet.compile.scan.vectorise import Lengths
from symnet.graph.inner import InnerGraph
from symnet.graph.traverse import Graph, change_nodes
from symnet.graph.variables import Apply, Variable
from symnet.ops.scan.loop import Scan
from symnet.rewriting.analyses import AnalysisCache


def rewrite_loops(
    graph: Graph, simplify: Callable[[Graph], Graph], analyses: AnalysisCache
) -> Graph:
    """The graph with less to do in its loops; the graph itself where it has none.

    simplify: makes the graph of a step simpler, so that the passes know what is in it.
    analyses: of the passes over the graph.
    """
    if not any(isinstance(node.op, Scan) for node in graph.toposort()):
        return graph
    # While the loop that a gradient brought is still the user's loop with more results.
    graph = merge_loops(graph)
    graph = simplify_steps(graph, simplify)
    graph = trim_loops(graph)
    graph = keep_last_rows(graph)
    lengths = Lengths(analyses.sizes(graph))
    graph = postpone_products(graph, lengths)
    graph = hoist_products(graph, lengths)
    return join_products(graph)


def simplify_steps(graph: Graph, simplify: Callable[[Graph], Graph]) -> Graph:
    """The graph with the graphs of its loops' steps made simpler."""

    def change(node: Apply, inputs: list[Variable]) -> list[Variable]:
        inner = node.op.graph
        found = simplify(inner.as_graph())
        op = node.op.with_graph(InnerGraph(inner.inputs, found.outputs))
        return [*op.make_node(*inputs).outputs]

    return change_nodes(graph, change, (Scan,))
