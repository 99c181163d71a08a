"""Arrays that several variables, or a variable and an argument, were lent (`borrow=True`)."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

import symnet.tensor as T
from symnet import function, shared

MODES = ["FAST_RUN", "FAST_COMPILE"]
PARTS = {
    "the same": slice(None, 40),
    "reversed": slice(39, None, -1),
    "shifted": slice(1, 41),
    "every second": slice(None, None, 2),
}


def until_direct(f: Any, *arguments: Any) -> None:
    """Call until calls are done without Python code, where there is such a way."""
    end = time.time() + 5
    while "__call__" not in type(f).__dict__ and time.time() < end:
        f(*arguments)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("by", ["shared", "set_value"])
def test_two_variables_were_lent_one_array(mode: str, by: str) -> None:
    a, b, c = (shared(np.zeros(40), name=n) for n in "abc")
    updates = [(a, a + 1), (b, b * 10 + a[::-1])]
    f = function([], [a + b, c], updates=updates, mode=mode)
    if mode == "FAST_RUN":
        until_direct(f)
    for _ in range(3):
        lent = np.arange(41.0)
        values = [lent[:40], lent[1:], lent[:40]]
        before = [v.copy() for v in values]
        if by == "shared":
            a, b, c = (shared(v, borrow=True) for v in values)
            updates = [(a, a + 1), (b, b * 10 + a[::-1])]
            f = function([], [a + b, c], updates=updates, mode=mode)
        else:
            for variable, value in zip((a, b, c), values, strict=True):
                variable.set_value(value, borrow=True)
        found, kept = f()
        np.testing.assert_array_equal(found, before[0] + before[1])
        np.testing.assert_array_equal(kept, before[2])
        np.testing.assert_array_equal(a.get_value(), before[0] + 1)
        np.testing.assert_array_equal(b.get_value(), before[1] * 10 + before[0][::-1])
        np.testing.assert_array_equal(c.get_value(), before[2])


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("part", PARTS)
def test_an_argument_lies_in_what_is_updated(mode: str, part: str) -> None:
    a, b = shared(np.zeros(80), name="a"), shared(np.zeros(40), name="b")
    x = T.dvector("x")
    # The first is done in place, the later one reads the argument, too.
    updates = [(a, T.inc_subtensor(a[39::-1], x)), (b, b + T.cumsum(x) + x[::-1])]
    f = function([x], [x * 2, x[::-1]], updates=updates, mode=mode)
    if mode == "FAST_RUN":
        until_direct(f, np.zeros(40))
    for _ in range(3):
        a.set_value(np.arange(80.0))
        b.set_value(np.ones(40))
        argument = a.get_value(borrow=True)[PARTS[part]]
        before = argument.copy()
        double, turned = f(argument)
        np.testing.assert_array_equal(double, before * 2)
        np.testing.assert_array_equal(turned, before[::-1])
        wanted = np.arange(80.0)
        wanted[39::-1] += before
        np.testing.assert_array_equal(a.get_value(), wanted)
        wanted = 1 + np.cumsum(before) + before[::-1]
        np.testing.assert_array_equal(b.get_value(), wanted)


def test_an_argument_of_no_elements_and_one_beside() -> None:
    a, x = shared(np.arange(6.0), name="a"), T.dvector("x")
    f = function([x], x.sum(), updates=[(a, a + x.sum())])
    until_direct(f, np.zeros(2))
    a.set_value(np.arange(6.0))
    whole = a.get_value(borrow=True)
    assert f(whole[3:3]) == 0.0
    assert f(whole[4:]) == 9.0
    np.testing.assert_array_equal(a.get_value(), np.arange(6.0) + 9)
