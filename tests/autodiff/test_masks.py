"""Gradients of what an index picks: what it leaves out contributes exactly nothing.

Each form adds up log(x) at some elements of x, so that its gradient is the number of times
that each is taken, over x; elsewhere the derivative is infinite or NaN.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet.graph.traverse import toposort
from symnet.ifelse import ifelse

MODES = ("FAST_RUN", "FAST_COMPILE")
V = np.array([0.0, -1.0, 4.0, 2.0, 0.0])
POSITIVE = np.array([0, 0, 1, 1, 0])


def pair(x: Any) -> Any:
    """x twice, as the columns of a matrix."""
    return T.stack([x, x]).T


def scanned(step: Callable[..., Any], sequence: Any, **more: Any) -> Any:
    return symnet.scan(step, sequences=sequence, **more)[0]


def both_uses(x: Any, condition: Any) -> Any:
    """A branch that is taken or not, of what is used outside of it, too."""
    y = T.log(x)
    return T.concatenate([ifelse(condition, y, 0 * x)[2:4], y[2:4]])


# name: (form, how often each element is taken)
FORMS: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "mask": (lambda x: T.log(x)[x > 0], POSITIVE),
    "nonzero": (lambda x: T.log(x)[(x > 0).nonzero()], POSITIVE),
    "compress": (lambda x: T.compress(x > 0, T.log(x)), POSITIVE),
    "slice": (lambda x: T.log(x)[2:4], POSITIVE),
    "slice of a slice": (lambda x: T.log(x)[:-1][2:], POSITIVE),
    "slice backwards": (lambda x: T.log(x)[3:1:-1], POSITIVE),
    "position": (lambda x: T.log(x)[2], [0, 0, 1, 0, 0]),
    "positions": (lambda x: T.log(x)[[2, 3, 2]], [0, 0, 2, 1, 0]),
    "take": (lambda x: T.take(T.log(x), [3, 2]), POSITIVE),
    "argsort": (lambda x: T.log(x)[T.argsort(x)[3:]], POSITIVE),
    "argmax": (lambda x: T.log(x)[T.argmax(x)], [0, 0, 1, 0, 0]),
    "topk": (lambda x: T.topk(T.log(x * (x > 0) + 0), 2), POSITIVE),
    "split": (lambda x: T.split(T.log(x), [2, 2, 1], 3)[1], POSITIVE),
    "repeated": (
        lambda x: T.repeat(T.log(x), T.constant([0, 0, 1, 2, 0])),
        [0, 0, 1, 2, 0],
    ),
    "twice": (lambda x: T.log(x)[2:4] + T.log(x)[(x > 0).nonzero()], 2 * POSITIVE),
    "one expression twice": (
        lambda x: (lambda y: T.concatenate([y[2:4], y[2:3]]))(T.log(x)),
        [0, 0, 2, 1, 0],
    ),
    "reshaped": (lambda x: T.log(pair(x)).flatten()[4:8], 2 * POSITIVE),
    "other axis": (lambda x: T.log(x).dimshuffle("x", 0)[:, 2:4], POSITIVE),
    "last axis": (lambda x: T.log(T.stack([x, x]))[..., 2:4], 2 * POSITIVE),
    "position and positions": (
        lambda x: T.log(T.stack([x, x]))[1, [2, 3]],
        POSITIVE,
    ),
    "of each row": (
        lambda x: T.log(T.stack([x, x]))[T.arange(2), [2, 3]],
        POSITIVE,
    ),
    "diagonal": (
        lambda x: T.diagonal(T.log(T.eye(5) * x)[2:4, 2:4]),
        POSITIVE,
    ),
    "joined": (lambda x: T.concatenate([x, T.log(x)])[7:9], POSITIVE),
    "sum of rows": (lambda x: T.log(pair(x)).sum(axis=1)[x > 0], 2 * POSITIVE),
    "rows of a product": (
        lambda x: T.dot(T.log(pair(x)), np.ones((2, 3)))[2:4],
        6 * POSITIVE,
    ),
    "elements of a product": (
        lambda x: T.dot(T.log(pair(x)), np.ones((2, 3)))[[2, 3], [1, 0]],
        2 * POSITIVE,
    ),
    "product of rows": (
        lambda x: T.dot(T.log(pair(x))[2:4], np.ones((2, 3))),
        6 * POSITIVE,
    ),
    "rows of a softmax": (
        lambda x: T.nnet.softmax(T.log(pair(x)))[2:4].sum() + T.log(x)[2:4],
        POSITIVE,
    ),
    "out of a loop": (lambda x: scanned(T.log, x)[2:4], POSITIVE),
    "through a loop": (lambda x: scanned(lambda v: 1 * v, T.log(x))[2:4], POSITIVE),
    "in a loop": (
        lambda x: scanned(lambda row: row[2:4], T.log(T.stack([x, x]))),
        2 * POSITIVE,
    ),
    "in the step": (
        lambda x: scanned(lambda row: T.log(row)[2:4], T.stack([x, x])),
        2 * POSITIVE,
    ),
    "in each step another": (
        lambda x: scanned(lambda k, y: y[k], T.arange(2, 4), non_sequences=[T.log(x)]),
        POSITIVE,
    ),
    "in each step some": (
        lambda x: scanned(lambda k: T.log(x)[k : k + 2], T.constant([2, 2])),
        2 * POSITIVE,
    ),
    "first steps": (
        lambda x: scanned(lambda v: 1 * v, T.log(x[2:]), n_steps=2),
        POSITIVE,
    ),
    "condition": (lambda x: ifelse(T.gt(x.sum(), 0), T.log(x), x)[2:4], POSITIVE),
    "used in a branch, too": (
        lambda x: both_uses(x, T.gt(x.sum(), 0)),
        2 * POSITIVE,
    ),
    "used in the other branch": (lambda x: both_uses(x, T.lt(x.sum(), 0)), POSITIVE),
}


def slopes(counts: Any) -> tuple[Any, Any]:
    """The first and the second derivative of the sum of counts * log(V)."""
    safe = np.where(np.asarray(counts) > 0, V, 1)
    return counts / safe, -np.asarray(counts) / safe**2


@pytest.mark.parametrize("name", FORMS)
def test_what_is_not_picked_has_no_gradient(name: str) -> None:
    form, counts = FORMS[name]
    x = T.dvector("x")
    total = form(x).sum()
    gradient = T.grad(total, x)
    weights = np.arange(1.0, 6)
    results = [
        gradient,
        T.grad((gradient * weights).sum(), x),
        T.Lop(form(x), x, T.ones_like(form(x))),
        T.jacobian(form(x).flatten(), x).sum(axis=0),
        T.Rop(total, x, weights),
    ]
    first, second = slopes(counts)
    for mode in MODES:
        found = symnet.function([x], results, mode=mode)(V)
        wanted = [first, weights * second, first, first, weights @ first]
        for a, b in zip(found, wanted, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


def test_missing_data_are_left_out_by_an_index() -> None:
    """A finite derivative times NaN is NaN, too."""
    data, w = T.dvector("data"), T.dscalar("w")
    values = np.array([np.nan, 1.0, 2.0])
    for pick in (
        lambda e: e[1:],
        lambda e: e[T.invert(T.isnan(data))],
        lambda e: T.take(e, [1, 2]),
    ):
        cost = (pick(T.tanh(w * data) - data) ** 2).sum()
        found = symnet.function([data, w], T.grad(cost, w))(values, 0.5)
        t = np.tanh(0.5 * values[1:])
        wanted = (2 * (t - values[1:]) * (1 - t**2) * values[1:]).sum()
        np.testing.assert_allclose(found, wanted)


def test_a_factor_of_zero_is_no_choice() -> None:
    x = T.dvector("x")
    for cost in (
        (T.log(x) * POSITIVE).sum(),
        T.dot(T.log(x), POSITIVE),
        (T.log(x)[1:] * POSITIVE[1:]).sum(),
    ):
        found = symnet.function([x], T.grad(cost, x))(V)
        np.testing.assert_allclose(found[2:4], 1 / V[2:4])
        assert np.isnan(found[4])


def test_a_whole_array_needs_no_mask() -> None:
    x, w = T.dmatrix("x"), T.dmatrix("w")

    def choices(form: Callable[[Any], Any]) -> int:
        gradient = T.grad(form(T.dot(x, w)).sum(), w)
        return sum(str(node.op) == "switch" for node in toposort([gradient]))

    assert choices(lambda z: T.tanh(z)[::-1, 0:]) == 0  # takes everything
    assert choices(lambda z: T.tanh(z[:, :2]) * T.tanh(z[:, 2:])) == 0  # below
    assert choices(lambda z: T.log(T.nnet.softmax(z))[T.arange(4), [0, 1, 1, 0]]) == 0
    assert choices(lambda z: T.tanh(z)[:, :2]) == 1


def test_two_results_that_are_one_variable() -> None:
    """The mask of one of them is not that of the other."""
    x, c = T.dvector("x"), T.iscalar("c")
    y = T.sqr(x)
    first, second = ifelse(c, [y, y], [x, x])
    cost = T.switch(x > 1, first, 0).sum() + second.sum()
    f = symnet.function([x, c], symnet.grad(cost, x))
    values = np.array([0.5, 1.5, 3.0])
    np.testing.assert_allclose(f(values, 1), 2 * values * [1, 2, 2], rtol=1e-15)
    np.testing.assert_allclose(f(values, 0), [1, 2, 2], rtol=1e-15)


@pytest.mark.parametrize(
    "of", [T.exp, T.log, T.nnet.softmax], ids=["exp", "log", "softmax"]
)
@pytest.mark.parametrize("places", [[1, 1, 0], [2, 0, 2], [0, 0, 0]])
def test_one_of_several_picks_of_a_row(of: Callable[..., Any], places: Any) -> None:
    """The row was chosen if any of its picks was: the first here, the second not."""
    x = T.dmatrix("x")
    weights = np.array([[0.5, -1.0, 2.0], [0.25, 1.0, -2.0]])
    value = np.array([[0.5, 1.0, 1.5], [0.75, 0.25, 2.0], [1.0, 0.5, 0.25]])

    def cost(part: Any) -> Any:
        rows = of(part)[np.array(places)]
        return (rows[0] * weights[0]).sum() + (rows[:2] * rows[1] * weights).sum()

    f = symnet.function([x], [cost(x), T.grad(cost(x), x)])
    g = T.grad(rows_of_columns(of(x), places), x)
    found, columns = f(value)[1], symnet.function([x], g)(value)
    step = 1e-6
    for place in np.ndindex(3, 3):
        move = np.zeros((3, 3))
        move[place] = step
        want = (f(value + move)[0] - f(value - move)[0]) / (2 * step)
        np.testing.assert_allclose(found[place], want, atol=1e-7)
    h = symnet.function([x], rows_of_columns(of(x), places))
    for place in np.ndindex(3, 3):
        move = np.zeros((3, 3))
        move[place] = step
        want = (h(value + move) - h(value - move)) / (2 * step)
        np.testing.assert_allclose(columns[place], want, atol=1e-7)


def rows_of_columns(x: Any, places: list[int]) -> Any:
    """The same along the second axis."""
    return T.sqr(x[:, np.array(places)][:, 0]).sum()


def test_rectifiers_are_guarded_by_their_own_choice() -> None:
    """Not by which rows the cost reads, which would have to go back through all layers: a
    product of finite numbers mixes them, and no derivative below is infinite."""
    rng = np.random.default_rng(1)
    x, y = T.dmatrix("x"), T.lvector("y")
    weights = [symnet.shared(rng.normal(size=(4, 4))) for _ in range(3)]
    hidden = x
    for weight in weights[:-1]:
        hidden = T.maximum(T.dot(hidden, weight), 0)
    shares = T.nnet.softmax(T.dot(hidden, weights[-1]))
    cost = -T.log(shares)[T.arange(y.shape[0]), y].sum()
    gradients = symnet.grad(cost, weights)
    assert "any{" not in " ".join(str(node.op) for node in toposort(gradients))
    value, classes = rng.normal(size=(5, 4)), np.array([0, 3, 1, 1, 2])

    def by_hand(parts: list[Any]) -> Any:
        rows = value
        for part in parts[:-1]:
            rows = np.maximum(rows @ part, 0)
        scores = rows @ parts[-1]
        totals = np.log(np.exp(scores).sum(1))
        return (totals - scores[np.arange(5), classes]).sum()

    start = [weight.get_value() for weight in weights]
    for mode in MODES:
        found = symnet.function([x, y], gradients, mode=mode)(value, classes)
        for k, gradient in enumerate(found):
            for place in np.ndindex(4, 4):
                sides = []
                for step in (1e-6, -1e-6):
                    moved = [part.copy() for part in start]
                    moved[k][place] += step
                    sides.append(by_hand(moved))
                slope = (sides[0] - sides[1]) / 2e-6
                np.testing.assert_allclose(gradient[place], slope, rtol=1e-5, atol=1e-6)
