"""Names in scopes: what viewers of graphs fold up."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet.printing.roots import Root
from symnet.printing.scopes import meeting, plain, scoped_names


def names_of(*variables: Any) -> list[str]:
    return list(scoped_names([Root(v) for v in variables]).values())


def test_operations_belong_to_the_named_result_they_lead_to() -> None:
    x, w = T.matrix("x"), symnet.shared(np.ones((2, 2)), "w")
    hidden: Any = T.tanh(T.dot(x, w))
    hidden.name = "hidden"
    cost: Any = T.exp(hidden).sum()
    cost.name = "cost"
    assert names_of(cost) == [
        "x", "w", "hidden/Dot", "hidden/tanh", "cost/exp", "cost/sum",
    ]  # fmt: skip


def test_what_leads_to_several_lies_where_they_meet() -> None:
    x = T.vector("x")
    both = T.exp(x)
    a, b, c = T.sin(both), T.cos(both), T.tan(T.log(x))
    a.name, b.name, c.name = "net/a", "net/b", "other"
    assert names_of(a, b, c) == [
        "x", "net/exp", "net/a/sin", "net/b/cos", "other/log", "other/tan",
    ]  # fmt: skip


def test_gradients_and_updates_are_apart() -> None:
    w = symnet.shared(np.ones(3), "w")
    cost = T.sqr(T.sin(w)).sum()
    cost.name = "cost"
    new = w - 0.1 * symnet.grad(cost, w)
    names = scoped_names([Root(cost), Root(new, "update of w")])
    found = set(names.values())
    assert {
        "cost/sin",
        "cost/sqr",
        "cost/sum",
        "updates/w/sub",
        "gradients/cos",
    } <= found
    assert all(
        name.startswith(("cost/", "updates/w/", "gradients/")) or name == "w"
        for name in found
    )


def test_every_name_is_another_and_can_be_read() -> None:
    x, y = T.vector("x"), T.vector("x")
    hidden = x + y * 2 + 2
    hidden.name = "x"  # as a leaf is called
    strange = T.exp(hidden)
    strange.name = "_größe [cm]/ /b"
    names = names_of(strange, T.exp(hidden))
    assert len(set(names)) == len(names)
    form = re.compile(r"[A-Za-z0-9.][A-Za-z0-9_.\-/]*")
    assert all(form.fullmatch(name) for name in names)
    parts = {
        "/".join(n.split("/")[:k]) for n in names for k in range(1, n.count("/") + 1)
    }
    assert not parts & set(names)  # none is both a node and a scope


@pytest.mark.parametrize(
    "name, wanted",
    [
        ("W", "W"),
        ("a b", "a_b"),
        ("_x", "._x"),
        ("", "."),
        ("a//b", "a/b"),
        ("é", "._"),
    ],
)
def test_plain_names(name: str, wanted: str) -> None:
    assert plain(name) == wanted


def test_meeting() -> None:
    assert meeting(["a/b", "a/c"]) == "a"
    assert meeting(["ab", "ac"]) == ""
    assert meeting([]) == "" and meeting(["a/b"]) == "a/b"
