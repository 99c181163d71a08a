"""Theano's helpers of graphs: walks, test values, names."""

from __future__ import annotations

import numpy as np
import pytest

import symnet.tensor as T
from symnet.config import config
from symnet.gof import graph, op, utils

X, Y = T.dscalar("x"), T.dscalar("y")
OUT = (X * Y + 2) * X


def test_walks() -> None:
    product = OUT.owner.inputs[0]
    assert set(graph.variables([X, Y], [OUT])) >= {X, Y, product, OUT}
    assert X not in graph.orphans([X, Y], [OUT])
    assert [v.data for v in graph.orphans([X, Y], [OUT])] == [2]
    assert graph.list_of_nodes([X, Y], [OUT])[-1] is OUT.owner
    assert graph.ops([X, Y], [OUT]) == graph.list_of_nodes([X, Y], [OUT])


def test_search() -> None:
    after = {1: [2, 3], 2: [4], 3: [4], 4: None}
    assert graph.stack_search([1], after.get) == [1, 2, 3, 4]
    assert graph.stack_search([1], after.get, "dfs") == [1, 3, 4, 2]
    _, inverse = graph.stack_search([1], after.get, build_inv=True)
    assert inverse == {2: [1], 3: [1], 4: [2, 3]}
    with pytest.raises(ValueError, match="mode"):
        graph.stack_search([1], after.get, "best")


def test_samples_of_variables() -> None:
    x, y = T.dvector("x"), T.dvector("y")
    x.tag.test_value = np.ones(2)
    assert op.get_debug_values(x) == []
    with config.change_flags(compute_test_value="raise"):
        ((value, number),) = op.get_debug_values(x, 3)
        assert value.tolist() == [1, 1] and number == 3
        (alone,) = op.get_debug_values(x)
        assert alone.tolist() == [1, 1]
        with pytest.raises(AttributeError, match="no test value"):
            op.get_debug_values(x, y)
        with pytest.raises(ValueError, match="shapes differ"):
            op.debug_assert(False, "shapes differ")
        op.debug_assert(True)
    with config.change_flags(compute_test_value="warn"):
        with pytest.warns(UserWarning, match="no test value"):
            assert op.get_debug_values(y) == []
        with pytest.warns(UserWarning, match="does not hold"):
            op.debug_assert(False)
    with config.change_flags(compute_test_value="ignore"):
        assert op.get_debug_values(y) == []
        op.debug_error_message("nobody hears")


def test_helpers() -> None:
    class Pair(utils.object2):
        __props__ = ("a",)

        def __init__(self, a: int) -> None:
            self.a = a

    assert Pair(1) == Pair(1) != Pair(2)
    assert hash(Pair(1)) == hash(Pair(1))
    assert utils.hashtype(Pair(1)) == utils.hashtype(Pair(2))
    assert utils.to_return_values([1]) == 1
    assert utils.to_return_values([1, 2]) == [1, 2]
    assert utils.from_return_values(1) == [1]
    assert utils.from_return_values((1, 2)) == [1, 2]
    assert utils.flatten([1, (2, [3]), []]) == [1, 2, 3]
    assert utils.uniq([2, 1, 2]) == [2, 1]
    a, b, c = T.dscalar("a"), T.dscalar("a"), T.dvector()
    assert len(set(utils.give_variables_names([a, b, c]))) == 3
    assert a.name == "a"
