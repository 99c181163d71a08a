"""Borders, numbers of places, and sizes that are demanded."""

from __future__ import annotations

import itertools
from functools import partial

import numpy as np
import pytest

from symnet.compile.function import function
from symnet.errors import DeclaredShapeError, ShapeError
from symnet.gradient import grad
from symnet.graph.types import TensorType
from symnet.graph.variables import Constant
from symnet.ops.base import constant
from symnet.ops.inputs import lscalar, lvector, matrix
from symnet.ops.nnet.filter_places import (
    FilterPlaces,
    SizeAtLeast,
    borders_of,
    declared_shape,
    demand_sizes,
    divided,
    output_length,
    padding,
    times,
)
from symnet.ops.sizes import size_constant
from tests.helpers import run


def counted(length, taps, border, stride, dilation):
    """How many places there are, by trying all."""
    covered = (taps - 1) * dilation + 1
    below, above = padding(border, covered)
    ends = range(0, length + below + above - covered + 1, stride)
    return len(ends)


BORDERS = ["valid", "full", "half", "causal", (0, 0), (2, 1)]


@pytest.mark.parametrize("border", BORDERS)
def test_numbers_of_places(border):
    length, taps = lscalar(), lscalar()
    for stride, dilation in itertools.product((1, 2, 3), (1, 2)):
        rule = FilterPlaces(2, border, stride, dilation)
        f = function([length, taps], rule(length, taps))
        for n, t in itertools.product(range(6), range(1, 5)):
            want = counted(n, t, border, stride, dilation)
            if want:
                assert run(rule(length, taps), {length: n, taps: t}) == want
                assert output_length(rule, n, t).data == want
            else:
                for call in (f, rule.number, partial(output_length, rule)):
                    with pytest.raises(ValueError, match="axis 2 the filter"):
                        call(n, t)
        for call in (f, rule.number):
            with pytest.raises(ValueError, match="axis 2 the filter has"):
                call(5, 0)


def test_a_size_that_is_computed():
    """The number of places decides a size, and a computed value decides it."""
    v = lvector("v")
    rule = FilterPlaces(2, "valid", 2, 1)
    n = rule((v[v > 0]).shape[0], v.max())
    f = function([v], [n, constant(np.arange(9))[:n]])
    number, part = f([3, -1, 2, 2, 1, 1])
    assert number == 2 and part.tolist() == [0, 1]
    with pytest.raises(ValueError, match="larger than the input"):
        f([3, -1, 2])


def test_borders():
    assert borders_of("half", 2) == ("half", "half")
    assert borders_of(3, 1) == ((3, 3),)
    assert borders_of([1, (2, 3), "full"], 3) == ((1, 1), (2, 3), "full")
    assert borders_of((np.int64(1), constant(2)), 2) == ((1, 1), (2, 2))
    assert padding("half", 5) == (2, 2) and padding("half", 4) == (2, 2)
    assert padding("full", 5) == (4, 4) and padding("causal", 5) == (4, 0)
    for wrong in ("causal", None, 1.5, (1, -1), ((1,), 2), ((1, 2.5), 1)):
        with pytest.raises((ValueError, TypeError), match="border_mode"):
            borders_of(wrong, 2)


def test_sizes_times_and_divided():
    assert (
        times(size_constant(6), 2).data == 12 and divided(size_constant(7), 2).data == 3
    )
    n = lscalar()
    assert run(times(n, 3), {n: 4}) == 12 and run(divided(n, 3), {n: 7}) == 2
    assert divided(n, 1) is n


def test_demanded_sizes():
    x, n = matrix("x", dtype="float64"), lscalar("n")
    value = np.ones((2, 3))
    wide = demand_sizes(x, (None, n), "three columns")
    np.testing.assert_array_equal(run(wide, {x: value, n: 3}), value)
    with pytest.raises(ShapeError, match="three columns, along axis 1.: 3 and 4"):
        function([x, n], wide)(value, 4)
    assert demand_sizes(x, (2, None), "rows").type.shape == (2, None)
    assert demand_sizes(x, (x.shape[0], None), "rows") is x
    known = TensorType("float64", (2, 3))("k")
    assert demand_sizes(known, (2, None), "rows") is known
    with pytest.raises(ShapeError, match="rows: axis 0 has size 2, not 5") as caught:
        demand_sizes(known, (5, None), "rows", beside=[x])
    assert "operand 1: x" in str(caught.value)
    assert not isinstance(caught.value, AssertionError)


def test_declared_sizes_are_asserted():
    x, n = matrix("x", dtype="float64"), lscalar("n")
    y = demand_sizes(x, (n, 3), "input_shape", declared=True)
    f = function([x, n], y)
    np.testing.assert_array_equal(f(np.ones((2, 3)), 2), np.ones((2, 3)))
    for value, number in ((np.ones((2, 4)), 2), (np.ones((2, 3)), 1)):
        with pytest.raises(AssertionError, match="input_shape: axis"):
            f(value, number)
        with pytest.raises(DeclaredShapeError):
            f(value, number)
    gradient = grad((y**2).sum(), x)
    assert gradient.type == x.type
    np.testing.assert_array_equal(
        run(gradient, {x: np.ones((2, 3)), n: 2}), np.full((2, 3), 2.0)
    )


def test_a_wrong_size_is_found_where_only_the_size_is_used():
    x = matrix("x", dtype="float64")
    f = function([x], demand_sizes(x, (4, None), "four rows").shape[1])
    assert f(np.ones((4, 2))) == 2
    with pytest.raises(ShapeError, match="four rows"):
        f(np.ones((3, 2)))


def test_least_sizes():
    n = lscalar()
    f = function([n], SizeAtLeast(1, "a size")(n))
    assert f(1) == 1
    with pytest.raises(DeclaredShapeError, match="a size is below 1"):
        f(0)


def test_declared_shapes():
    assert declared_shape(None, 3, "shape") == (None,) * 3
    assert declared_shape((), 3, "shape") == (None,) * 3
    sizes = [2, None, constant(np.int32(4))]
    assert isinstance(sizes[2], Constant)
    assert declared_shape(sizes, 3, "shape") == (2, None, 4)
    for wrong in (
        [1, 2],
        [1, 2, lscalar()],
        [1, 2, -1],
        [1, 2, 0.5],
        lvector(),
        constant([1, 2, 3]),
    ):
        with pytest.raises(ValueError, match="shape"):
            declared_shape(wrong, 3, "shape")
