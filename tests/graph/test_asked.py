"""Derivatives remember the inputs of what they were taken of."""

from __future__ import annotations

import gc

import pytest

import symnet
import symnet.tensor as T
from symnet.graph.asked import inputs_asked


def test_an_input_that_a_derivative_lost_is_no_mistake() -> None:
    x, y = T.dscalar("x"), T.dvector("y")
    slope = symnet.grad(3 * x, x)
    f = symnet.function([x], slope * 2)
    assert f(1.0) == 6
    curved = symnet.gradient.hessian((y**2).sum(), y)
    assert symnet.function([y], curved)([1.0, 2.0]).tolist() == [[2, 0], [0, 2]]
    assert symnet.function([x], symnet.gradient.jacobian(2 * x, x))(1.0) == 2


def test_other_inputs_still_are() -> None:
    x, z = T.dscalar("x"), T.dscalar("z")
    slope = symnet.grad(3 * x, x)
    with pytest.raises(symnet.UnusedInputError, match="z"):
        symnet.function([x, z], slope)
    with pytest.raises(symnet.UnusedInputError, match="givens replaces it"):
        symnet.function([x], x * 2, givens={x: T.constant(2.0)})


def test_what_was_asked_for_is_no_mistake_either() -> None:
    x, v = T.dvector("x"), T.dscalar("v")
    slope = symnet.grad(x.sum(), v, disconnected_inputs="ignore")
    assert symnet.function([x, v], slope)([1.0], 2.0) == 0
    rows = symnet.gradient.jacobian(x * 2, v, disconnected_inputs="ignore")
    assert symnet.function([x, v], rows)([1.0, 2.0], 2.0).tolist() == [0, 0]


def test_only_inputs_are_remembered_and_only_as_long() -> None:
    x, w = T.dscalar("x"), symnet.shared(1.0)
    slope = symnet.grad(3 * x * w, x)
    assert inputs_asked([slope * 2]) == {x}
    del slope
    gc.collect()
    assert inputs_asked([x]) == set()


def test_what_passes_nothing_on_gets_its_own_gradient() -> None:
    x, y = T.dscalar("x"), T.dscalar("y")
    z = x * y
    by_z, by_x = symnet.grad(z * x, [z, x], consider_constant=[z])
    found = symnet.function([x, y], [by_z, by_x])(2.0, 3.0)
    assert [float(one) for one in found] == [2, 6]
    known = symnet.grad(None, [x], known_grads={x: y}, consider_constant=[x])
    assert known[0].eval({y: 5.0}) == 5
