"""The passes between the user's graph and the program, in order, each with its reason."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from symnet.compile.inside import rewrite_inside
from symnet.compile.loops import rewrite_loops
from symnet.compile.patterns import Rule
from symnet.compile.rewrite import Fired, Trace, rewrite
from symnet.compile.rules.algebra import ALGEBRA
from symnet.compile.rules.cancel import CANCEL
from symnet.compile.rules.composed import COMPOSED
from symnet.compile.rules.indexing import INDEXING
from symnet.compile.rules.library import GEMM, PRODUCTS
from symnet.compile.rules.reductions import REDUCTIONS
from symnet.compile.rules.shapes import SHAPES
from symnet.compile.rules.stability import STABILITY
from symnet.graph.traverse import Graph
from symnet.ops.branches import sink_branches


@dataclass(frozen=True)
class Pass:
    """Rules that are applied together.

    fold: constants are folded on the way.
    after: the pass is needed only where one of these has used a rule.
    """

    name: str
    rules: Sequence[Rule] = ()
    fold: bool = False
    after: Sequence[str] = ()

    def __call__(
        self, graph: Graph, note: Callable[[Fired], None] | None = None
    ) -> Graph:
        return rewrite(graph, self.rules, note, self.fold)


# The order matters: a rule that knows a special form stands before the one that would
# take it apart.
SIMPLIFY = (
    *CANCEL, *STABILITY, *INDEXING, *ALGEBRA, *REDUCTIONS, *SHAPES, *PRODUCTS,
)  # fmt: skip

PASSES: tuple[Pass, ...] = (
    # Equals first: then the later passes see how often a value is really used.
    Pass("merge"),
    # All at once: stable forms show only after the algebra, and make new work for it.
    Pass("simplify", SIMPLIFY, fold=True),
    # On the simplified graph again, for rules that ask how often a value is used.
    Pass("simplify again", SIMPLIFY, fold=True, after=("simplify",)),
    # When sums have their last form, and before they are hidden in loops.
    Pass("library", GEMM),
    # Late, for until here the rules know softmax as one operation.
    Pass("expand", COMPOSED),
    # What the two before brought in.
    Pass("tidy", (*ALGEBRA, *SHAPES), fold=True, after=("library", "expand")),
)
# What every program needs, also one that is to be compiled fast.
NECESSARY = ("merge", "expand")


def rewrite_graph(
    graph: Graph, mode: str = "FAST_RUN", trace: Trace | None = None
) -> Graph:
    """The graph made simpler, stabler and cheaper, with the same values.

    mode: FAST_RUN and DebugMode apply every pass, FAST_COMPILE only what is NECESSARY.
    trace: collects the rules used and the graph after every pass that was needed.
    """
    used: set[str] = set()
    for step in PASSES:
        if mode == "FAST_COMPILE" and step.name not in NECESSARY:
            continue
        if step.after and used.isdisjoint(step.after):
            continue
        if step.name == "library" and mode != "FAST_COMPILE":
            graph = rewrite_loops(graph, _simplified)
        graph = _run(step, graph, used, trace)
    # On the simplified graph: what was equal, or not needed, is no longer in the way.
    graph = sink_branches(graph)
    # Last, when the operations with graphs inside have their last form.
    inside = rewrite_inside(graph, lambda inner: rewrite_graph(inner, mode))
    if trace is not None and inside is not graph:
        trace.graphs.append(("inside", inside))
    return inside


def _simplified(graph: Graph) -> Graph:
    """What the passes over loops want of a step: the first passes, as far as they help."""
    for step in PASSES[:2]:
        graph = step(graph)
    return graph


def _run(step: Pass, graph: Graph, used: set[str], trace: Trace | None) -> Graph:
    def note(fired: Fired) -> None:
        used.add(step.name)
        if trace is not None:
            trace.fired.append((step.name, fired))

    graph = step(graph, note)
    if trace is not None:
        trace.graphs.append((step.name, graph))
    return graph
