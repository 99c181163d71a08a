from __future__ import annotations

import pytest

import symnet.tensor as T
from symnet.graph.traverse import toposort
from symnet.graph.variables import Apply, Variable
from symnet.printing.roots import roots_of
from symnet.printing.scopes import scopes_of
from symnet.viewer.groups import MOST_MEMBERS, Group, convex_pieces, divided, grouped


def groups_of(*outputs: Variable) -> list[Apply | Group]:
    order = toposort(outputs)
    return grouped(order, scopes_of(order, roots_of(list(outputs))))


def operations(members: list[Apply | Group]) -> list[Apply]:
    found: list[Apply] = []
    for one in members:
        found += [one] if isinstance(one, Apply) else operations(list(one.members))
    return found


def test_names_and_lines_make_groups() -> None:
    x = T.dvector("x")
    hidden = T.tanh(x * 2) + 1
    hidden.name = "net/hidden"
    scaled = T.exp(hidden) * 3
    total = (scaled * scaled + 1).sum()
    net, first, second = groups_of(total)
    assert isinstance(net, Group) and (net.label, net.kind) == ("net", "scope")
    (inner,) = net.members
    assert isinstance(inner, Group) and inner.label == "hidden"
    # One line alone needs no box of its own.
    assert all(isinstance(one, Apply) for one in inner.members)
    for group, text in ((first, "scaled = T.exp"), (second, "total = ")):
        assert isinstance(group, Group) and group.kind == "line"
        assert group.origin is not None and group.origin.text.startswith(text)
        assert group.label.startswith("test_groups.py:")


def layers(count: int) -> Variable:
    h: Variable = T.dvector("x")
    for _ in range(count):
        h = T.exp(h)
        h = T.tanh(h)
    return h


@pytest.mark.parametrize("count", [1, 20, 400])
def test_every_operation_is_in_one_group_and_no_level_is_large(count: int) -> None:
    order = toposort([layers(count)])
    members = groups_of(layers(0), order[-1].outputs[0])
    assert sorted(map(id, operations(members))) == sorted(map(id, order))
    waiting = [members]
    while waiting:
        level = waiting.pop()
        assert len(level) <= MOST_MEMBERS
        waiting += [list(one.members) for one in level if isinstance(one, Group)]


def test_pieces_are_convex() -> None:
    """A line that comes back after another's result begins a piece of its own."""
    x = T.dvector("x")
    a, b = T.exp(x), T.exp(x)
    c = T.tanh(a)
    d = T.exp(c)
    order = toposort([b, d])
    kind = {"exp": 0, "tanh": 1}
    pieces = convex_pieces(order, lambda node: kind[str(node.op)])
    assert [[str(n.op) for n in piece] for piece in pieces] == [
        ["exp", "exp"], ["tanh"], ["exp"],
    ]  # fmt: skip
    assert pieces[2] == [d.owner]


def test_pieces_that_need_more_later_are_seen_by_those_that_need_them() -> None:
    """p1 -> q1, then p takes in something that needs r: q must not go into what r needs."""
    x = T.dvector("x")
    p1 = T.exp(x)
    q1 = T.tanh(p1)
    r = T.sin(x)
    p2 = T.exp(r)
    s = T.sin(q1)  # with r in one piece, s -> q -> p -> r would be a circle
    order = [v.owner for v in (p1, q1, r, p2, s)]
    nodes = [node for node in order if node is not None]
    pieces = convex_pieces(nodes, lambda node: str(node.op))
    where = {node: k for k, piece in enumerate(pieces) for node in piece}
    for node in nodes:
        for v in node.inputs:
            assert v.owner is None or where[v.owner] <= where[node]
    assert where[s.owner] != where[r.owner]
    assert where[p1.owner] == where[p2.owner]


def test_many_members_are_divided_evenly() -> None:
    nodes = toposort([layers(2 * MOST_MEMBERS)])
    parts = divided(nodes)
    assert [one.label for one in parts if isinstance(one, Group)] == [
        f"part {k} of 4" for k in range(1, 5)
    ]
    sizes = [len(one.members) for one in parts if isinstance(one, Group)]
    assert sizes == [MOST_MEMBERS] * 4
    assert divided(nodes[:MOST_MEMBERS]) == nodes[:MOST_MEMBERS]
