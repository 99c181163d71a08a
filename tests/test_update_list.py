"""Updates as tables: formulas in terms of gradients and of other new values."""

from __future__ import annotations

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet import optim
from symnet.update_list import LONGEST, UpdateList
from tests.test_html_tables import cells


def problem() -> tuple[T.TensorVariable, list[symnet.SharedVariable]]:
    w, b = symnet.shared(np.ones((4, 3), "f"), "w"), symnet.shared(np.float32(0), "b")
    return T.sqr(T.tanh(w).sum() + b), [w, b]


def test_formulas() -> None:
    cost, params = problem()
    assert optim.momentum(cost, params, 0.5, 0.25).formulas() == [
        "0.25 * w_velocity + gradient_w",
        "w - 0.5 * new_w_velocity",
        "0.25 * b_velocity + gradient_b",
        "b - 0.5 * new_b_velocity",
    ]
    sgd = optim.sgd(symnet.grad(cost, params), params, 0.5)
    assert sgd.formulas() == ["w - 0.5 * gradient_w", "b - 0.5 * gradient_b"]
    rate = T.scalar("rate", dtype="float32")
    assert optim.sgd(cost, params, rate).formulas()[1] == "b - rate * gradient_b"


@pytest.mark.parametrize(
    "method", "sgd momentum nesterov adagrad rmsprop adadelta adam".split()
)
def test_every_method_gives_a_table(method: str) -> None:
    cost, params = problem()
    updates = getattr(optim, method)(cost, params)
    assert isinstance(updates, list)
    for table in (updates, optim.shrink_weights(updates, params, 0.01)):
        head, *rows = cells(table._repr_html_())
        assert head == ["shared variable", "type", "becomes"]
        assert [row[0] for row in rows] == [p.name for p, _ in updates]
        assert any("gradient_w" in row[2] for row in rows)
        assert not any("tanh" in row[2] for row in rows)


def test_tables_leave_the_graph_as_it_is() -> None:
    cost, params = problem()
    updates = optim.adam(cost, params)
    before = list(updates)
    updates._repr_html_()
    assert list(updates) == before
    step = symnet.function([], cost, updates=updates)
    step()
    assert params[1].get_value() != 0


def test_lists_of_updates_are_added() -> None:
    cost, (w, b) = problem()
    n = symnet.shared(0, "n<1>")
    both = optim.sgd(cost, [w]) + optim.sgd(cost, [b]) + [(n, n + 1)]
    assert isinstance(both, UpdateList)
    assert both.formulas()[1:] == ["b - 0.01 * gradient_b", "n<1> + 1"]
    assert cells(both._repr_html_())[-1] == ["n<1>", "int64 scalar", "n<1> + 1"]
    with pytest.raises(TypeError):
        both + (1,)


def test_odd_values() -> None:
    w, v = symnet.shared(np.zeros(2)), symnet.shared(np.zeros(2), "v")
    long = w
    for _ in range(100):
        long = T.exp(long)
    shown = UpdateList([(v, np.ones(2)), (w, v), (v, long)])
    one, two, three = shown.formulas()
    assert (one, two) == ("[1. 1.]", "v")
    assert len(three) == LONGEST and three.endswith("...")
    assert cells(shown._repr_html_())[2][0] == "unnamed"


def test_a_gradient_that_is_an_input_keeps_its_name() -> None:
    x, w = T.dvector("x"), symnet.shared(np.zeros(3), "w")
    updates = optim.sgd([x], [w], 1.0)
    assert updates.formulas() == ["w - 1 * x"]
