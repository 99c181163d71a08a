"""What only one branch of a condition needs.

`ifelse` takes its branches as results that are computed already, so that everything in
them can be replaced, and differentiated by.  Before a graph runs, what nothing else needs
is moved into the branch; the backward walk does the same for itself.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from symnet.graph.inner import InnerGraph
from symnet.graph.traverse import Graph, clone_replace
from symnet.graph.variables import Apply, Constant, Variable, make_variable
from symnet.ops.ifelse.conditional import IfElse
from symnet.ops.sparse.sparse_type import is_sparse

Users = Mapping[Variable, Sequence[tuple[Apply, int]]]


def sink_branches(graph: Graph) -> Graph:
    """The graph with what only one branch needs inside the branch.

    Conditions within a branch move as they are: they are seen to when the graph inside is.
    """
    order = graph.toposort()
    if not any(isinstance(node.op, IfElse) for node in order):
        return graph
    moved = find_moved(order, graph.outputs)
    inside = {node for parts in moved.values() for part in parts for node in part}
    new: dict[Variable, Variable] = {}
    for node in order:
        if node in inside:
            continue
        fresh = sunk(node, *moved[node]) if node in moved else node
        args = [new.get(v, v) for v in fresh.inputs]
        if fresh is node and all(a is b for a, b in zip(args, node.inputs)):
            continue
        made = fresh.clone_with_new_inputs(args)
        made.origin = node.origin
        new.update(zip(node.outputs, made.outputs))
    return Graph(graph.inputs, [new.get(v, v) for v in graph.outputs])


Parts = tuple[list[Apply], list[Apply]]


def find_moved(
    order: Sequence[Apply], protected: Iterable[Variable]
) -> dict[Apply, Parts]:
    """For each condition that stays outside and takes something in, the operations that
    move into its first and into its second branch, in order.

    protected: variables that are needed outside in any case.
    """
    needed = set(protected)
    users: dict[Variable, list[tuple[Apply, int]]] = {}
    for node in order:
        for k, v in enumerate(node.inputs):
            users.setdefault(v, []).append((node, k))
    number = {node: k for k, node in enumerate(order)}
    found: dict[Apply, Parts] = {}
    inside: set[Apply] = set()
    for node in reversed(order):
        if isinstance(node.op, IfElse) and node not in inside:
            middle = 1 + len(node.op.then_inputs)
            yes = _only_for(node, range(1, middle), users, needed, number)
            no = _only_for(node, range(middle, node.nin), users, needed, number)
            if yes or no:
                found[node] = yes, no
                inside.update(yes, no)
    return found


def _only_for(
    node: Apply,
    slots: range,
    users: Users,
    needed: Collection[Variable],
    number: Mapping[Apply, int],
) -> list[Apply]:
    """The operations whose results go nowhere but, by way of each other, into `slots`.

    Those of sparse matrices stay outside: a condition is handed none.
    """
    chosen: set[Apply] = set()
    pending = {v.owner for k in slots for v in [node.inputs[k]] if v.owner in number}
    while pending:
        last = max(pending, key=lambda one: number[one])  # type: ignore[index]
        pending.discard(last)
        assert last is not None
        if any(map(is_sparse, (*last.inputs, *last.outputs))):
            continue
        if all(
            v not in needed
            and all(
                user in chosen or (user is node and k in slots)
                for user, k in users.get(v, ())
            )
            for v in last.outputs
        ):
            chosen.add(last)
            pending.update(v.owner for v in last.inputs if v.owner in number)
    return sorted(chosen, key=lambda one: number[one])


def sunk(node: Apply, yes: Sequence[Apply], no: Sequence[Apply]) -> Apply:
    """The condition with these operations inside its branches."""
    op = node.op
    _, then_given, else_given = op.split_inputs(node.inputs)
    first, then_outer = _with(op.then_graph, then_given, yes)
    second, else_outer = _with(op.else_graph, else_given, no)
    made = IfElse(first.inputs, first.outputs, second.inputs, second.outputs, op.name)
    fresh: Apply = made.make_node(node.inputs[0], *then_outer, *else_outer)
    fresh.origin = node.origin
    return fresh


def _with(
    graph: InnerGraph, given: Sequence[Variable], moved: Sequence[Apply]
) -> tuple[InnerGraph, list[Variable]]:
    """A branch that makes some of its arguments itself, and its new arguments."""
    whole = clone_replace(graph.outputs, dict(zip(graph.inputs, given)))
    made = {v for node in moved for v in node.outputs}
    read = [*given, *(v for node in moved for v in node.inputs)]
    outer = dict.fromkeys(
        v for v in read if v not in made and not isinstance(v, Constant)
    )
    leaves = {v: make_variable(v.type, v.name) for v in outer}
    outputs = clone_replace(whole, leaves)
    return InnerGraph(list(leaves.values()), outputs), list(outer)


def absorbed(
    order: Sequence[Apply], protected: Iterable[Variable]
) -> tuple[list[Apply], dict[Apply, Apply]]:
    """An order in which conditions stand with their branches inside, and for each of these
    the condition whose place it takes."""
    if not any(isinstance(node.op, IfElse) for node in order):
        return list(order), {}
    moved = find_moved(order, protected)
    inside = {node for parts in moved.values() for part in parts for node in part}
    stand_ins: dict[Apply, Apply] = {}
    result: list[Apply] = []
    for node in order:
        if node in inside:
            continue
        if node in moved:
            fresh = sunk(node, *moved[node])
            stand_ins[fresh] = node
            node = fresh
        result.append(node)
    return result, stand_ins
