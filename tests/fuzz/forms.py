"""Textbook forms written by hand, in the order in which pieces of them overflow.

Each is a formula of `spaces` names with a finite value and gradient for every argument;
symnet promises to compute it, and its gradient, as if it had been written stably.
"""

from __future__ import annotations

from typing import Any

from tests.fuzz.costs import COSTS


def sigmoid(m: Any, x: Any) -> Any:
    return m.divide(1.0, m.add(1.0, m.exp(m.neg(x))))


def other_sigmoid(m: Any, x: Any) -> Any:
    return m.divide(m.exp(x), m.add(1.0, m.exp(x)))


def softmax(m: Any, s: Any, x: Any) -> Any:
    e = m.exp(x)
    return m.divide(e, m.reduce("sum", e, s["axis"], True), spread=True)


def shifted_softmax(m: Any, s: Any, x: Any) -> Any:
    e = m.exp(m.sub(x, m.reduce("max", x, s["axis"], True), spread=True))
    return m.divide(e, m.reduce("sum", e, s["axis"], True), spread=True)


def logsumexp(m: Any, s: Any, x: Any) -> Any:
    return m.log(m.reduce(s.get("how", "sum"), m.exp(x), s["axis"], s["keepdims"]))


def log_odds_cost(m: Any, s: Any, x: Any, t: Any) -> Any:
    """Cross-entropy of a sigmoid and a target from 0 to 1 (made of t)."""
    target, p = m.sigmoid(t), sigmoid(m, x)
    other = m.mul(m.sub(1.0, target), m.log(m.sub(1.0, p)))
    return m.neg(m.add(m.mul(target, m.log(p)), other))


ELEMENTWISE: dict[str, Any] = {
    "log(1 + exp(x))": lambda m, s, x: m.log(m.add(1.0, m.exp(x))),
    "log(exp(x) + 1)": lambda m, s, x: m.log(m.add(m.exp(x), 1.0)),
    "log1p(exp(x))": lambda m, s, x: m.log1p(m.exp(x)),
    "log(2.5 + exp(x))": lambda m, s, x: m.log(m.add(2.5, m.exp(x))),
    "log2(1 + exp(x))": lambda m, s, x: m.log2(m.add(1.0, m.exp(x))),
    "log10(1 + exp(x))": lambda m, s, x: m.log10(m.add(1.0, m.exp(x))),
    "1/(1 + exp(-x))": lambda m, s, x: sigmoid(m, x),
    "exp(x)/(1 + exp(x))": lambda m, s, x: other_sigmoid(m, x),
    "log(1/(1 + exp(-x)))": lambda m, s, x: m.log(sigmoid(m, x)),
    "log(1 - 1/(1 + exp(-x)))": lambda m, s, x: m.log(m.sub(1.0, sigmoid(m, x))),
    "log(sigmoid(x))": lambda m, s, x: m.log(m.sigmoid(x)),
    "log(1 - sigmoid(x))": lambda m, s, x: m.log(m.sub(1.0, m.sigmoid(x))),
    "-log(1 - sigmoid(-x))": lambda m, s, x: m.neg(
        m.log(m.sub(1.0, m.sigmoid(m.neg(x))))
    ),
    "x/(1 + exp(-x))": lambda m, s, x: m.divide(x, m.add(1.0, m.exp(m.neg(x)))),
    "elu": lambda m, s, x: m.switch(m.greater(x, 0.0), x, m.sub(m.exp(x), 1.0)),
    "log(erfc(x/32))": lambda m, s, x: m.log(m.erfc(m.mul(x, 0.03125))),
    "log(1 - erf(x/32))": lambda m, s, x: m.log(m.sub(1.0, m.erf(m.mul(x, 0.03125)))),
    "x > 0 ? log(x) : 0": lambda m, s, x: m.switch(m.greater(x, 0.0), m.log(x), 0.0),
    "x > 0 ? sqrt(x) : 0": lambda m, s, x: m.switch(m.greater(x, 0.0), m.sqrt(x), 0.0),
    "x > 0 ? 0 : exp(x)": lambda m, s, x: m.switch(m.greater(x, 0.0), 0.0, m.exp(x)),
    "x = 0 ? 1 : tanh(x)/x": lambda m, s, x: m.switch(
        m.equal(x, 0.0), 1.0, m.divide(m.tanh(x), x)
    ),
}
PAIRS: dict[str, Any] = {
    "log(exp(x) + exp(y))": lambda m, s, x, y: m.log(m.add(m.exp(x), m.exp(y))),
    "log_odds": log_odds_cost,
    "softplus(x) - x*sigmoid(y)": lambda m, s, x, y: m.sub(
        m.log(m.add(1.0, m.exp(x))), m.mul(x, m.sigmoid(y))
    ),
}
ROWS: dict[str, Any] = {
    "softmax": softmax,
    "shifted softmax": shifted_softmax,
    "log(softmax)": lambda m, s, x: m.log(softmax(m, s, x)),
    "log(shifted softmax)": lambda m, s, x: m.log(shifted_softmax(m, s, x)),
    "x - log(sum(exp(x)))": lambda m, s, x: m.sub(
        x, m.log(m.reduce("sum", m.exp(x), s["axis"], True)), spread=True
    ),
    "log(sum(exp(x)))": logsumexp,
}


def weighted_sum(m: Any, s: Any, x: Any) -> Any:
    """A cost: every element with a weight of its own, so that no mistake averages out."""
    flat = m.reshape(x, [-1])
    weights = m.weights(flat, s["seed"])
    return m.reduce("sum", m.mul(flat, weights), None, False)


FORMS = ELEMENTWISE | PAIRS | ROWS | COSTS | {"weighted sum": weighted_sum}
