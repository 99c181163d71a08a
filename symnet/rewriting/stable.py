"""Graphs in stable form: what is computed, where the graph as it was written overflows.

Stability is meaning, not speed.  So the backward walk differentiates stable forms (the
pieces of `log(1 + exp(x))` overflow where its derivative does not), and every mode runs
them, however little else it rewrites.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from symnet.config import config
from symnet.graph.op import Op
from symnet.graph.origin import inherit
from symnet.graph.testvalues import compute_test_values
from symnet.graph.traverse import Graph, clone_replace, inline, toposort
from symnet.graph.variables import Apply, Variable, make_variable
from symnet.ops.arithmetic import log, sqrt
from symnet.ops.elementwise import Elementwise
from symnet.ops.functions import (
    cos,
    cosh,
    exp,
    exp2,
    expm1,
    log1p,
    log2,
    log10,
    sigmoid,
    sinh,
    softplus,
    tanh,
)
from symnet.ops.nnet.softmax import LogSoftmax, Softmax
from symnet.ops.special import erf, erfc, i0, i1, iv
from symnet.rewriting.analyses import AnalysisCache
from symnet.rewriting.patterns import Rule
from symnet.rewriting.rewriter import Rewriter
from symnet.rewriting.rules.stability import STABLE, STABLE_TO_RUN

# Without one of these a graph has no unstable form that the rules know.
TELLING = frozenset((
    exp, exp2, expm1, log, log1p, log2, log10, sigmoid, softplus, erf, erfc, sqrt, cosh, tanh,
    sinh, cos, i0, i1, iv,
))  # fmt: skip


def stable_graph(graph: Graph, analyses: AnalysisCache | None = None) -> Graph:
    """The graph in stable form; the graph itself where it has that already.

    A variable below which nothing changes is kept, so that it is still found by those
    who hold it; but with the analyses of passes, for which equals become one anyway.
    """
    found = _rewritten(graph, {}, STABLE_TO_RUN, analyses)
    return graph if found is None else Graph(graph.inputs, found)


def _rewritten(
    graph: Graph,
    originals: Mapping[Variable, Variable],
    rules: Sequence[Rule],
    analyses: AnalysisCache | None = None,
) -> list[Variable] | None:
    """The outputs in stable form; None where nothing changes.

    originals: what stands in the result for variables of the graph, if nothing below them
        changes.
    """
    order = graph.toposort()
    if not may_change(order):
        return None
    walk = Rewriter(graph, rules, analyses=analyses)
    found = walk.run()
    changed = _changed(order, walk.replaced)
    if not changed:
        return None
    if analyses is not None:
        return found.outputs
    back = _unmerged(order, changed, walk)
    back = {copy: originals.get(v, v) for copy, v in back.items()}
    kept = {v: old for v, old in originals.items() if v.owner not in changed}
    return clone_replace(found.outputs, kept | back)


def _changed(order: Sequence[Apply], replaced: Collection[Apply]) -> set[Apply]:
    """The operations that a rule replaced, and those that need what they made."""
    changed: set[Apply] = set()
    for node in order:
        if node in replaced or any(v.owner in changed for v in node.inputs):
            changed.add(node)
    return changed


def _unmerged(
    order: Sequence[Apply], changed: Collection[Apply], walk: Rewriter
) -> dict[Variable, Variable]:
    """Copies that were made because equals became one, and what they are copies of."""
    own = set(order)
    back: dict[Variable, Variable] = {}
    for node in order:
        if node in changed:
            continue
        for v in node.outputs:
            copy = walk.final[v]
            if copy.owner is not None and copy.owner not in own:
                back.setdefault(copy, v)
    return back


def stable_forms(
    sources: Iterable[Variable],
    named: Iterable[Variable],
    fixed: Collection[Variable],
) -> dict[Variable, Variable]:
    """The variables of `named` that have a stabler form, as far as `sources` need them,
    and that form, in order: each is an expression over those before it.

    All of `named` stay where they are; what `fixed` ones are made of is not looked into.
    """
    order = toposort(sources, blockers=fixed)
    if not may_change(order):
        return {}
    held = set(named)
    made = [v for node in order for v in node.outputs if v in held and v not in fixed]
    # A variable that is held fast is not looked into; a second one made alike is.
    again = inline([_made_alike(v) for v in made], held)
    copies = _over_leaves(again, held)
    originals = {copy: v for v, copy in copies.items()}
    found = _rewritten(Graph([], [copies.get(v, v) for v in again]), originals, STABLE)
    if found is None:
        return {}
    pairs = zip(made, again, found)
    forms = {v: new for v, old, new in pairs if new is not old}
    if config.compute_test_value != "off":
        for node in toposort(forms.values(), blockers=held):
            if any(not hasattr(v.tag, "test_value") for v in node.outputs):
                compute_test_values(node)
    return forms


def _over_leaves(
    outputs: Sequence[Variable], held: Collection[Variable]
) -> dict[Variable, Variable]:
    """Leaves in the place of the held variables, and copies of what is made of them:
    rules look at how an operand is made."""
    copies = {v: make_variable(v.type, v.name) for v in held if v.owner is not None}
    for node in toposort(outputs, blockers=held):
        if any(v in copies for v in node.inputs):
            with inherit(node.origin):
                fresh = node.clone_with_new_inputs(
                    [copies.get(v, v) for v in node.inputs]
                )
            copies.update(zip(node.outputs, fresh.outputs))
    return copies


def may_change(order: Iterable[Apply]) -> bool:
    """Whether there is anything that a rule could begin with, or that may hold such."""
    return any(
        node.op in TELLING
        if isinstance(node.op, Elementwise)
        else isinstance(node.op, (Softmax, LogSoftmax))
        or type(node.op).inlined is not Op.inlined
        for node in order
    )


def _made_alike(v: Variable) -> Variable:
    assert v.owner is not None and v.index is not None
    fresh = Apply(
        v.owner.op, v.owner.inputs, [make_variable(u.type) for u in v.owner.outputs]
    )
    fresh.origin = v.owner.origin
    return fresh.outputs[v.index]
