"""`OrderedUpdates`: what `scan` returns beside its results."""

from __future__ import annotations

import pytest

import symnet
import symnet.tensor as T
from symnet import OrderedUpdates

a, b = symnet.shared(1.0, "a"), symnet.shared(2.0, "b")


def test_a_dict_in_order():
    value = T.scalar()
    updates = OrderedUpdates([(b, value), (a, 3)])
    assert list(updates) == [b, a]
    assert updates[b] is value
    assert updates[a].data == 3
    updates[a] = value  # a later assignment counts
    assert updates[a] is value
    assert list(OrderedUpdates({a: 1})) == [a]
    assert not OrderedUpdates()


def test_two_together():
    first, second = OrderedUpdates({a: T.scalar()}), OrderedUpdates({b: T.scalar()})
    assert list(first + second) == [a, b]
    assert list(second + {a: first[a]}) == [b, a]
    assert list({b: 1} + first) == [b, a]
    first.update(second)
    first.update(None)
    first.update(second)  # the same value again is no contradiction
    assert list(first) == [a, b]


def test_contradictions():
    first = OrderedUpdates({a: T.scalar()})
    with pytest.raises(KeyError, match="change a, float64 scalar twice"):
        first.update({a: T.scalar()})
    with pytest.raises(KeyError, match="twice"):
        first + {a: T.scalar()}


@pytest.mark.parametrize("key", ["a", T.scalar(), 3])
def test_keys_are_shared_variables(key):
    with pytest.raises(TypeError, match="updates change shared variables"):
        OrderedUpdates()[key] = 1
    with pytest.raises(TypeError, match="updates change shared variables"):
        OrderedUpdates({key: 1})


def test_in_a_function():
    f = symnet.function([], updates=OrderedUpdates({a: a + b}) + {b: b * 2})
    f()
    assert (a.get_value(), b.get_value()) == (3, 4)
