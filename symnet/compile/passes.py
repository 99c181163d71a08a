"""The passes between the user's graph and the program, in order, each with its reason."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from symnet.compile.patterns import Rule
from symnet.compile.rewrite import Fired, Trace, rewrite
from symnet.compile.rules.algebra import ALGEBRA
from symnet.compile.rules.reductions import REDUCTIONS
from symnet.compile.rules.shapes import SHAPES
from symnet.graph.traverse import Graph


@dataclass(frozen=True)
class Pass:
    """Rules that are applied together.  `fold`: constants are folded on the way."""

    name: str
    rules: Sequence[Rule] = ()
    fold: bool = False

    def __call__(self, graph: Graph, note: Callable[[Fired], None] | None = None) -> Graph:
        return rewrite(graph, self.rules, note, self.fold)


PASSES: tuple[Pass, ...] = (
    # Equals first: then the later passes see how often a value is really used.
    Pass("merge"),
    Pass("simplify", (*ALGEBRA, *REDUCTIONS, *SHAPES), fold=True),
)


def rewrite_graph(graph: Graph, mode: str = "FAST_RUN", trace: Trace | None = None) -> Graph:
    """The graph made simpler, stabler and cheaper, with the same values.

    mode: FAST_RUN and DebugMode apply every pass, FAST_COMPILE only merges equals.
    trace: collects the rules used and the graph after every pass.
    """
    for step in PASSES[:1] if mode == "FAST_COMPILE" else PASSES:
        graph = _run(step, graph, trace)
    return graph


def _run(step: Pass, graph: Graph, trace: Trace | None) -> Graph:
    if trace is None:
        return step(graph)
    fired = trace.fired
    graph = step(graph, lambda event: fired.append((step.name, event)))
    trace.graphs.append((step.name, graph))
    return graph
