"""Uses of rules as plain data: what stood there before and after."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from symnet.graph.variables import Apply, Variable
from symnet.printing.roots import label_of
from symnet.rewriting.rewriter import Fired
from symnet.viewer.graph_tables import GraphTables, Record

# So much of what a rule replaces is drawn, and so far it is looked for what both have.
MOST_DRAWN, DEEPEST_DRAWN, MOST_COMPARED = 15, 6, 200
LONGEST_TEXT = 120


def rewrite_record(tables: GraphTables, fired: Fired, stage: int) -> Record:
    """One use of a rule, in the pass after which the graph is `stage`: what stood there
    before and after, each as far down as they differ."""
    before, after = fired.before, fired.after
    return {
        "rule": fired.rule, "stage": stage, "users": fired.users,
        "before": _side(tables, before, _near(after)),
        "after": _side(tables, after, _near(before)),
    }  # fmt: skip


def _side(tables: GraphTables, top: Variable, other: set[Variable]) -> Record:
    drawn = differing(top, other)
    return {
        "variable": tables.variable(top),
        "operations": [tables.operation(node) for node in drawn],
        "text": short_text(top, set(drawn)),
    }  # fmt: skip


def _near(top: Variable) -> set[Variable]:
    """A variable and what it is made of, as far as that is near."""
    return set(islice(_levels(top), MOST_COMPARED))


def _levels(top: Variable) -> Iterator[Variable]:
    """A variable, what it is made of, what that is made of, ..."""
    level, seen = [top], {top}
    while level:
        yield from level
        found = [v for w in level if w.owner is not None for v in w.owner.inputs]
        level = [v for v in dict.fromkeys(found) if v not in seen]
        seen.update(level)


def differing(top: Variable, other: set[Variable]) -> list[Apply]:
    """The operations that make a variable, down to what stands on the other side, too;
    each after those it needs."""
    depth: dict[Apply, int] = {}
    level = [top]
    for k in range(DEEPEST_DRAWN):
        owners = [v.owner for v in level if v.owner is not None and v not in other]
        new = [n for n in dict.fromkeys(owners) if n not in depth]
        new = new[: MOST_DRAWN - len(depth)]
        depth.update(dict.fromkeys(new, k))
        level = [v for node in new for v in node.inputs]
    order: list[Apply] = []

    def visit(node: Apply) -> None:
        for v in node.inputs:
            if v.owner in depth and v.owner not in order:
                visit(v.owner)
        order.append(node)

    for node in depth:
        if node not in order:
            visit(node)
    return order


def short_text(top: Variable, drawn: set[Apply]) -> str:
    """As "exp(mul(x, 2.0))"; what is not drawn is written by its name, or as a dot."""

    def text(variable: Variable) -> str:
        node = variable.owner
        if node in drawn:
            return f"{node.op}({', '.join(map(text, node.inputs))})"
        return label_of(variable) if node is None else variable.name or "\u00b7"

    whole = text(top)
    return whole if len(whole) <= LONGEST_TEXT else whole[: LONGEST_TEXT - 1] + "\u2026"
