"""Arguments that operations in place write."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet.gof import InconsistencyError
from symnet.tensor import inplace


@pytest.mark.parametrize("mode", ["FAST_RUN", "FAST_COMPILE", "DebugMode"])
def test_a_mutable_argument_holds_the_result(mode: str) -> None:
    x, y = T.dvector("x"), T.dvector("y")
    result = inplace.add_inplace(x, y)
    f = symnet.function([symnet.In(x, mutable=True), y], [result, x * 3], mode=mode)
    for _ in range(3):
        value, other = np.array([1.0, 2.0]), np.array([10.0, 20.0])
        total, product = f(value, other)
        assert total.tolist() == value.tolist() == [11, 22]
        assert other.tolist() == [10, 20]
        assert product.tolist() == [3, 6], "what else reads x reads what a call brought"


def test_accept_inplace_is_for_all_arguments_by_position_or_name() -> None:
    x = T.dvector("x")
    f = symnet.function([x], inplace.exp_inplace(x), accept_inplace=True)
    for g in (f, copy.copy(f), f.copy(), pickle.loads(pickle.dumps(f))):
        value = np.zeros(3)
        assert g(x=value).tolist() == value.tolist() == [1, 1, 1]
        assert g([0.0]).tolist() == [1], "a list is converted, and not written"
    frozen = np.zeros(2)
    frozen.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        f(frozen)


def test_a_call_with_a_read_only_array_changes_nothing() -> None:
    x, y, n = T.dvector("x"), T.dvector("y"), symnet.shared(0.0)
    results = [inplace.exp_inplace(x), inplace.neg_inplace(y)]
    f = symnet.function([x, y], results, updates=[(n, n + 1)], accept_inplace=True)
    value, frozen = np.zeros(2), np.ones(2)
    frozen.flags.writeable = False
    with pytest.raises(ValueError, match="argument 1 is to be written in place"):
        f(value, frozen)
    assert value.tolist() == [0, 0] and n.get_value() == 0


def test_the_last_of_a_chain_is_what_stays() -> None:
    x = T.dmatrix("x")
    last = inplace.sqrt_inplace(inplace.add_inplace(x, 3))
    n = symnet.shared(0.0)
    f = symnet.function([x], last.sum(), updates=[(n, last.max())], accept_inplace=True)
    value = np.array([[1.0, 6.0]])
    assert f(value) == 5
    assert value.tolist() == [[2, 3]]
    assert n.get_value() == 3


def test_two_results_for_one_argument_are_refused() -> None:
    x = T.dvector("x")
    both = [inplace.add_inplace(x, 1), inplace.mul_inplace(x, 2)]
    with pytest.raises(InconsistencyError, match="two operations in place"):
        symnet.function([x], both, accept_inplace=True)
    symnet.function([x], both)


def test_a_gradient_passes_through() -> None:
    x = T.dvector("x")
    g = symnet.grad(inplace.sqr_inplace(x).sum(), x)
    assert symnet.function([x], g)([3.0]).tolist() == [6]
