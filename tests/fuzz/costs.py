"""Costs of classifiers as textbooks write them, in all orders of their parts.

A step says which way each part is written; all of them mean the same numbers, which are
finite for every argument, and so are their gradients.
"""

from __future__ import annotations

from typing import Any

# ---- two classes

CHANCES: list[Any] = [
    lambda m, x: m.divide(1.0, m.add(1.0, m.exp(m.neg(x)))),
    lambda m, x: m.divide(1.0, m.add(m.exp(m.neg(x)), 1.0)),
    lambda m, x: m.divide(m.exp(x), m.add(1.0, m.exp(x))),
    lambda m, x: m.divide(m.exp(x), m.add(m.exp(x), 1.0)),
    lambda m, x: m.sigmoid(x),
]
OTHERS: list[Any] = [
    lambda m, p, x, own: m.sub(1.0, p),
    lambda m, p, x, own: m.add(1.0, m.neg(p)),
    lambda m, p, x, own: own(m, m.neg(x)),
]
TARGETS: list[Any] = [
    lambda m, t: m.sigmoid(t),
    lambda m, t: m.switch(m.greater(t, 0.0), m.mul(t, 0.0) + 1.0, m.mul(t, 0.0)),
]
ORDERS: list[Any] = [
    lambda m, t, p, q: m.neg(m.add(m.mul(t, p), m.mul(m.sub(1.0, t), q))),
    lambda m, t, p, q: m.neg(m.add(m.mul(q, m.sub(1.0, t)), m.mul(p, t))),
    lambda m, t, p, q: m.sub(m.mul(m.neg(t), p), m.mul(m.sub(1.0, t), q)),
    lambda m, t, p, q: m.add(m.mul(t, m.neg(p)), m.mul(m.sub(1.0, t), m.neg(q))),
    lambda m, t, p, q: m.sub(m.mul(m.sub(t, 1.0), q), m.mul(t, p)),
    lambda m, t, p, q: m.neg(m.add(q, m.mul(t, m.sub(p, q)))),
]


def two_classes(m: Any, s: Any, x: Any, t: Any) -> Any:
    """-t log p - (1 - t) log(1 - p), of p = 1 / (1 + exp(-x))."""
    own = CHANCES[s["chance"]]
    p = own(m, x)
    q = OTHERS[s["other"]](m, p, x, own)
    target = TARGETS[s["target"]](m, t)
    return ORDERS[s["order"]](m, target, m.log(p), m.log(q))


def chosen_class(m: Any, s: Any, x: Any, t: Any) -> Any:
    """-log p where t > 0, else -log(1 - p): by choice of logarithms, or of chances."""
    own = CHANCES[s["chance"]]
    p = own(m, x)
    q, first = OTHERS[s["other"]](m, p, x, own), m.greater(t, 0.0)
    if s["order"] % 2:
        return m.neg(m.log(m.switch(first, p, q)))
    return m.switch(first, m.neg(m.log(p)), m.neg(m.log(q)))


def signed_labels(m: Any, s: Any, x: Any, t: Any) -> Any:
    """log(1 + exp(-y x)) of labels y = -1 and 1."""
    y = m.switch(m.greater(t, 0.0), m.mul(t, 0.0) + 1.0, m.mul(t, 0.0) - 1.0)
    margin = [
        lambda: m.neg(m.mul(y, x)), lambda: m.mul(m.neg(y), x), lambda: m.mul(y, m.neg(x)),
    ][s["other"]]()  # fmt: skip
    return [
        lambda: m.log(m.add(1.0, m.exp(margin))),
        lambda: m.log(m.add(m.exp(margin), 1.0)),
        lambda: m.log1p(m.exp(margin)),
        lambda: m.neg(m.log(CHANCES[s["chance"]](m, m.neg(margin)))),
        lambda: m.neg(m.neg(m.softplus(margin))),
        lambda: m.neg(m.log(m.sub(1.0, CHANCES[s["chance"]](m, margin)))),
    ][s["order"]]()


# ---- several classes


def total(m: Any, s: Any, x: Any) -> Any:
    return m.reduce("sum", x, s["axis"], True)


def softmax(m: Any, s: Any, x: Any) -> Any:
    if s["chance"] % 2:
        x = m.sub(x, m.reduce("max", x, s["axis"], True), spread=True)
    e = m.exp(x)
    return m.divide(e, total(m, s, e), spread=True)


def log_softmax(m: Any, s: Any, x: Any) -> Any:
    most = m.reduce("max", x, s["axis"], True)
    moved = m.sub(x, most, spread=True)
    return [
        lambda: m.log(softmax(m, s, x)),
        lambda: m.sub(x, m.log(total(m, s, m.exp(x))), spread=True),
        lambda: m.sub(moved, m.log(total(m, s, m.exp(moved))), spread=True),
        lambda: m.sub(m.log(m.exp(x)), m.log(total(m, s, m.exp(x))), spread=True),
        lambda: m.neg(m.sub(m.log(total(m, s, m.exp(x))), x, spread=True)),
        lambda: m.sub(
            x, m.add(m.log(total(m, s, m.exp(moved))), most, spread=True), spread=True
        ),
    ][s["order"]]()


def cross_entropy(m: Any, s: Any, x: Any, t: Any) -> Any:
    """-sum t log softmax(x), of targets that are a softmax, in all orders."""
    target, found = softmax(m, {**s, "chance": 1}, t), log_softmax(m, s, x)
    return [
        lambda: m.neg(m.reduce("sum", m.mul(target, found), s["axis"], False)),
        lambda: m.reduce("sum", m.mul(m.neg(found), target), s["axis"], False),
        lambda: m.reduce("sum", m.neg(m.mul(found, target)), s["axis"], False),
    ][s["other"]]()


def first_class(m: Any, s: Any, x: Any, t: Any) -> Any:
    """-log softmax(x) of the first class of each row; the logarithm, or the chance, taken."""
    where = tuple([slice(None)] * (s["axis"]) + [0])
    if s["order"] == 0:
        return m.neg(m.log(m.at(softmax(m, s, x), where)))
    return m.neg(m.at(log_softmax(m, s, x), where))


COSTS: dict[str, Any] = {
    "two classes": two_classes, "chosen class": chosen_class,
    "signed labels": signed_labels, "cross-entropy": cross_entropy,
    "first class": first_class,
}  # fmt: skip


def costs(self: Any) -> None:
    """A step of `generate.Generator`."""
    x = self.pick_float(lambda a: a.ndim >= 1 and a.size > 0)
    if x is None:
        return
    old = self.values[x]
    t = self.pick_float(lambda a: a.shape == old.shape and a.dtype == old.dtype)
    self.add(
        "form", [x, t], name=self.one_of(list(COSTS)), axis=self.below(old.ndim),
        chance=self.below(len(CHANCES)), other=self.below(len(OTHERS)),
        target=self.below(len(TARGETS)), order=self.below(len(ORDERS)),
    )  # fmt: skip
