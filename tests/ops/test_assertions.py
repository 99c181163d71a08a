"""Values that pass where conditions hold."""

from __future__ import annotations

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet.ops.assertions import Assert, Raise, assert_op


def test_a_value_passes_where_all_conditions_hold() -> None:
    x = T.dvector("x")
    checked = Assert("x is positive")(x, x > 0, T.lt(x.sum(), 10))
    f = symnet.function(
        [x], [checked * 2, checked.shape, symnet.grad(checked.sum(), x)]
    )
    doubled, shape, slope = f([1.0, 2.0])
    assert doubled.tolist() == [2, 4]
    assert shape.tolist() == [2]
    assert slope.tolist() == [1, 1]
    for wrong in ([1.0, -1.0], [5.0, 5.0], [np.nan]):
        with pytest.raises(AssertionError, match="x is positive"):
            f(wrong)


def test_of_nothing_every_condition_holds() -> None:
    x = T.dvector()
    assert symnet.function([x], assert_op(x, x > 0))(np.zeros(0)).shape == (0,)


def test_the_error_is_a_choice() -> None:
    x = T.dscalar("x")
    f = symnet.function([x], Assert("no", ValueError)(x, x > 0))
    with pytest.raises(ValueError, match="no"):
        f(-1)


def test_what_nothing_needs_is_not_checked() -> None:
    x = T.dvector()
    unused = Assert("never")(x, x > 0)
    assert symnet.function([x], unused.shape.sum())([-1.0, -1.0]) == 2


def test_ops_with_the_same_message_are_equal() -> None:
    assert Assert("a") == Assert("a")
    assert Assert("a") != Assert("b")
    with pytest.raises(TypeError, match="no condition"):
        Assert("a")(T.dscalar())


def test_raise_is_reached_only_in_its_branch() -> None:
    c, x = T.lscalar(), T.dscalar("x")
    f = symnet.function(
        [c, x], symnet.ifelse.ifelse(c, x, Raise("not here", KeyError)(x))
    )
    assert f(1, 2.0) == 2
    with pytest.raises(KeyError, match="not here"):
        f(0, 2.0)
