"""Lines of host integers, against evaluation at every value of a range."""

from __future__ import annotations

from math import inf

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from symnet.compile.plan.affine import Line, NotLinear, lines
from symnet.kernels.loopir import scalars
from symnet.kernels.loopir.scalars import argument, literal
from symnet.kernels.loopir.views import (
    add,
    canonical_slice,
    choose,
    combine,
    maximum,
    minimum,
    multiply,
    size,
    subtract,
)
from symnet.sizes.host_code import make_function

INDEX, N = argument(0, "int64"), argument(1, "int64")
EVERY = range(-60, 61)


def agrees(roots, numbers):
    """The lines hold wherever their range says so, and the range holds the present."""
    found, span = lines(roots, numbers, 0)
    assert span.low <= numbers[0] <= span.high
    compute = make_function(roots)
    for value in EVERY:
        if span.low <= value <= span.high:
            want = compute([value, *numbers[1:]])
            assert [line.at(value) for line in found] == [int(w) for w in want]
    return found, span


@st.composite
def expressions(draw, depth=4):
    """Sums, multiples, bounds and choices of a moving and a fixed integer."""
    if depth == 0:
        return draw(st.sampled_from([INDEX, INDEX, N, *map(size, range(-3, 4))]))
    kind = draw(st.sampled_from(["add", "sub", "mul", "minimum", "maximum", "choose"]))
    left = draw(expressions(depth - 1))
    if kind == "mul":
        return multiply(left, size(draw(st.integers(-4, 4))))
    right = draw(expressions(depth - 1))
    if kind == "choose":
        test = draw(st.sampled_from(["lt", "le", "gt", "ge", "eq", "ne"]))
        return choose(combine(test, left, right), left, draw(expressions(depth - 1)))
    return combine(kind, left, right)


@settings(max_examples=200)
@given(
    st.lists(expressions(), min_size=1, max_size=3),
    st.integers(-20, 20),
    st.integers(-9, 9),
)
def test_lines_hold_in_their_range(roots, value, other):
    try:
        agrees(roots, [value, other])
    except NotLinear:  # equal at this value only: there is no range
        reject()


def test_sizes_that_must_agree_are_compared_on_a_line():
    """Two slices at the same index, of images and of labels: their lengths are equal in
    the whole range where both are straight lines."""
    start, stop = multiply(INDEX, size(10)), multiply(add(INDEX, size(1)), size(10))
    images = canonical_slice(start, stop, 1, size(95))[2]
    labels = canonical_slice(start, stop, 1, N)[2]
    found, span = agrees([combine("eq", images, labels)], [3, 100])
    assert found == [Line(0, 1)] and span.low <= 0 and span.high >= 8
    with pytest.raises(NotLinear):
        lines([combine("eq", INDEX, N)], [5, 5], 0)
    found, span = agrees([combine("ne", INDEX, N)], [3, 5])
    assert found == [Line(0, 1)] and span.high == 4


@given(
    st.integers(1, 7), st.integers(1, 50), st.integers(-10, 10),
    st.one_of(st.none(), st.integers(-3, 3).filter(bool)),
)  # fmt: skip
def test_slices_of_minibatches(batch, length, value, step):
    start, stop = (
        multiply(INDEX, size(batch)),
        multiply(add(INDEX, size(1)), size(batch)),
    )
    parts = canonical_slice(start, stop, 1 if step is None else step, N)
    if abs(step or 1) == 1:
        agrees(list(parts), [value, length])
    else:
        try:
            agrees(list(parts), [value, length])
        except NotLinear as why:
            assert str(why) == "floordiv"


def test_the_range_of_full_minibatches():
    """Batches of 20 out of 100 rows: indices 0 to 4 share one line."""
    first, _, count = canonical_slice(
        multiply(INDEX, size(20)), multiply(add(INDEX, size(1)), size(20)), 1, size(100)
    )
    for value in range(5):
        (start, length), span = agrees([first, count], [value])
        assert (start, length) == (Line(20, 0), Line(0, 20))
        assert (span.low, span.high) == (0, 4)


def test_without_bounds_the_range_is_open():
    (line,), span = agrees([subtract(multiply(INDEX, size(3)), N)], [2, 5])
    assert line == Line(3, -5) and (span.low, span.high) == (-inf, inf)


def test_what_does_not_move_has_no_slope():
    (line,), span = agrees([multiply(N, N)], [2, 5])
    assert line == Line(0, 25) and (span.low, span.high) == (-inf, inf)
    quotient = [combine(name, N, size(3)) for name in ("floordiv", "mod")]
    found, _ = agrees(quotient, [2, 7])
    assert found == [Line(0, 2), Line(0, 1)]
    (zero,), _ = agrees([combine("floordiv", N, subtract(N, N))], [2, 7])
    assert zero.start == 0


@pytest.mark.parametrize("name", ["lt", "le", "gt", "ge"])
@pytest.mark.parametrize("value", range(-3, 4))
def test_comparisons_stay_what_they_are(name, value):
    for left, right in [
        (INDEX, size(0)),
        (size(1), INDEX),
        (multiply(INDEX, size(-2)), INDEX),
        (N, INDEX),
    ]:
        (line,), _ = agrees([combine(name, left, right)], [value, 2])
        assert line.slope == 0


def test_bounds_exactly_where_they_change():
    for value in range(-2, 8):
        agrees([maximum(minimum(multiply(INDEX, size(2)), size(7)), size(1))], [value])


def test_logic_of_conditions_that_hold():
    both = scalars.call("and", combine("ge", INDEX, size(0)), combine("lt", INDEX, N))
    either = scalars.call("or", combine("ge", INDEX, size(0)), combine("lt", INDEX, N))
    for value in (-1, 0, 4, 5):
        agrees([both, either], [value, 5])


@pytest.mark.parametrize(
    "root",
    [
        multiply(INDEX, INDEX),
        combine("floordiv", INDEX, size(2)),
        combine("mod", INDEX, size(2)),
        combine("eq", INDEX, size(2)),
        scalars.cast(scalars.cast(INDEX, "float64"), "int64"),
        scalars.cast(INDEX, "int8"),
    ],
)
def test_what_has_no_line(root):
    with pytest.raises(NotLinear):
        lines([root], [2, 5], 0)


def test_negation():
    agrees([scalars.call("neg", INDEX), literal(3, "int64")], [4])


def test_the_truth_of_an_integer_changes_at_zero():
    truth = scalars.select(scalars.cast(INDEX, "bool"), size(7), size(3))
    for value in (-2, 1, 3):
        agrees([truth], [value])
    with pytest.raises(NotLinear):  # it holds for this value only
        lines([truth], [0], 0)
    with pytest.raises(NotLinear):
        lines([combine("lt", INDEX, literal(0.5, "float64"))], [0], 0)
