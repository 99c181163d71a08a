"""The passes over loops, in order, each with its reason."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from symnet.compile.scan.concat_products import join_products
from symnet.compile.scan.dead_outputs import keep_last_rows, trim_loops
from symnet.compile.scan.hoist_products import hoist_products
from symnet.compile.scan.merge import merge_loops
from symnet.compile.scan.sink_products import postpone_products
from symnet.compile.scan.vectorise import Lengths
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
    graph = trim_loops(graph, simplify)
    graph = keep_last_rows(graph)
    return move_products(graph, Lengths(analyses.sizes(graph)))


def move_products(graph: Graph, lengths: Lengths) -> Graph:
    """The graph with products taken out of its loops, and the others joined.

    All is done with one loop before the next: what is behind a loop is made anew once.
    """

    def rest(op: Scan, inputs: Sequence[Variable]) -> Apply | None:
        loop = hoist_products(op, inputs, lengths)
        if loop is None:
            return join_products(op, inputs)
        return join_products(loop.op, loop.inputs) or loop

    def change(node: Apply, inputs: list[Variable]) -> Sequence[Variable] | None:
        found = postpone_products(node, inputs, lengths, rest)
        if found is not None:
            return found
        loop = rest(node.op, inputs)
        return None if loop is None else loop.outputs

    return change_nodes(graph, change, (Scan,))
