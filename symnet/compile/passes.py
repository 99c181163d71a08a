"""The passes between the user's graph and the program, in order, each with its reason."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from symnet.compile.inner_graphs import rewrite_inside, stable_throughout
from symnet.compile.scan.scan_passes import rewrite_loops
from symnet.graph.traverse import Graph
from symnet.ops.ifelse.branches import sink_branches
from symnet.rewriting.analyses import AnalysisCache
from symnet.rewriting.patterns import Rule
from symnet.rewriting.rewriter import Fired, Trace, leave_out, rewrite
from symnet.rewriting.rules.algebra import ALGEBRA
from symnet.rewriting.rules.cancel import CANCEL
from symnet.rewriting.rules.checks import CHECKS
from symnet.rewriting.rules.composed import COMPOSED
from symnet.rewriting.rules.indexing import INDEXING
from symnet.rewriting.rules.library_forms import GEMM, PRODUCTS
from symnet.rewriting.rules.reductions import REDUCTIONS
from symnet.rewriting.rules.shapes import SHAPES
from symnet.rewriting.rules.stability import STABILITY


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
        self,
        graph: Graph,
        note: Callable[[Fired], None] | None = None,
        findings: AnalysisCache | None = None,
    ) -> Graph:
        return rewrite(graph, self.rules, note, self.fold, findings)


@dataclass(frozen=True)
class Change:
    """A pass that is no set of rules; it gives the graph itself where it changes nothing."""

    name: str
    function: Callable[[Graph], Graph]
    after: Sequence[str] = ()

    def __call__(
        self,
        graph: Graph,
        note: Callable[[Fired], None] | None = None,
        findings: AnalysisCache | None = None,
    ) -> Graph:
        return self.function(graph)


# The order matters: a rule that knows a special form stands before the one that would
# take it apart.
SIMPLIFY = (
    *CHECKS, *CANCEL, *STABILITY, *INDEXING, *ALGEBRA, *REDUCTIONS, *SHAPES, *PRODUCTS,
)  # fmt: skip

# Equals first: then the later passes see how often a value is really used.
MERGE = Pass("merge")
# All at once: stable forms show only after the algebra, and make new work for it.
FIRST = Pass("simplify", SIMPLIFY, fold=True)


def simplified(graph: Graph) -> Graph:
    """The graph as the passes over loops want that of a step."""
    findings = AnalysisCache()
    return FIRST(MERGE(graph, findings=findings), findings=findings)


PASSES: tuple[Pass | Change, ...] = (
    # On what the user wrote, as the gradient has it: part of what the graph means.
    Change("stable", stable_throughout),
    MERGE,
    FIRST,
    # On the simplified graph again, for rules that ask how often a value is used.
    Pass("simplify again", SIMPLIFY, fold=True, after=("simplify",)),
    # On the simplified graph: what was equal, or not needed, is no longer in the way.
    Change("branches", sink_branches),
    # On products as they are written, before they are joined with sums.
    Change("scans", lambda graph: rewrite_loops(graph, simplified)),
    # What was taken out of loops meets what stands around them.
    Pass("simplify scans", SIMPLIFY, fold=True, after=("scans",)),
    # When sums have their last form, and before they are hidden in loops.
    Pass("library", GEMM),
    # Late, for until here the rules know softmax as one operation.
    Pass("expand", COMPOSED),
    # What the two before brought in.
    Pass("tidy", (*ALGEBRA, *SHAPES), fold=True, after=("library", "expand")),
)
# What every program needs, also one that is to be compiled fast.
NECESSARY = ("stable", "merge", "branches", "expand")


def rewrite_graph(
    graph: Graph, mode: str = "FAST_RUN", trace: Trace | None = None
) -> Graph:
    """The graph made simpler, stabler and cheaper, with the same values.

    mode: FAST_RUN and DebugMode apply every pass, FAST_COMPILE only what is NECESSARY
        (and where NumPy runs the graph, not more than that it is stable: `compile.modes`).
    trace: collects the rules used and the graph after every pass that was needed.
    """
    used: set[str] = set()
    findings = AnalysisCache()
    for step in PASSES:
        if mode == "FAST_COMPILE" and step.name not in NECESSARY:
            continue
        if step.after and used.isdisjoint(step.after):
            continue
        graph = _run(step, graph, used, findings, trace)
    # Last, when the operations with graphs inside have their last form.
    inside = Change(
        "inside", lambda g: rewrite_inside(g, lambda inner: rewrite_graph(inner, mode))
    )
    return _run(inside, graph, used, findings, trace)


def _run(
    step: Pass | Change,
    graph: Graph,
    used: set[str],
    findings: AnalysisCache,
    trace: Trace | None,
) -> Graph:
    def note(fired: Fired) -> None:
        used.add(step.name)
        if trace is not None:
            trace.fired.append((step.name, fired))

    try:
        found = step(graph, note, findings)
        _check_types(graph, found)
    except Exception as error:  # noqa: BLE001  a fault of the pass, not of the user
        leave_out(f"pass {step.name}", error)
        return graph
    if isinstance(step, Change) and found is not graph:
        used.add(step.name)
    if trace is not None and (isinstance(step, Pass) or found is not graph):
        trace.graphs.append((step.name, found))
    return found


def _check_types(graph: Graph, found: Graph) -> None:
    """Raises: TypeError where a pass changed what is asked for."""
    for old, new in zip(graph.outputs, found.outputs, strict=True):
        if new is not old and not old.type.accepts(new.type):
            raise TypeError(f"{new.type} has come in the place of {old.type}")
