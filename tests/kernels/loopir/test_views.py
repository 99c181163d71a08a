"""Sizes as expressions, and arrays seen through strides: against Python's integers,
`slice.indices` and NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.lib.stride_tricks import as_strided

from symnet.kernels.loopir.scalars import argument, literal
from symnet.kernels.loopir.views import (
    ONE,
    ZERO,
    View,
    add,
    canonical_slice,
    choose,
    combine,
    contiguous_strides,
    floor_divide,
    known,
    maximum,
    minimum,
    multiply,
    product,
    size,
    subtract,
)
from symnet.sizes.host_code import make_function

NAMES = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "floordiv": lambda a, b: a // b if b else 0,
    "mod": lambda a, b: a % b if b else 0,
    "minimum": min,
    "maximum": max,
    "lt": lambda a, b: a < b,
    "le": lambda a, b: a <= b,
    "gt": lambda a, b: a > b,
    "ge": lambda a, b: a >= b,
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b,
}
COMPARISONS = ("lt", "le", "gt", "ge", "eq", "ne")
N, M = argument(0, "int64"), argument(1, "int64")


def evaluated(sizes, numbers):
    return make_function(list(sizes))(numbers)


# ---- arithmetic


@st.composite
def expressions(draw, depth=4):
    """An expression over two host integers, with a Python function that computes it."""
    if depth == 0 or draw(st.integers(0, 3)) == 0:
        k = draw(st.integers(-3, 4))
        if k >= 3:
            return argument(k - 3, "int64"), lambda a, k=k: a[k - 3]
        return size(k), lambda a, k=k: k
    left, f = draw(expressions(depth - 1))
    right, g = draw(expressions(depth - 1))
    name = draw(st.sampled_from([n for n in NAMES if n not in COMPARISONS]))
    if draw(st.integers(0, 5)) == 0:
        test = draw(st.sampled_from(COMPARISONS))
        chosen = choose(combine(test, left, right), left, right)
        return chosen, lambda a: f(a) if NAMES[test](f(a), g(a)) else g(a)
    return combine(name, left, right), lambda a: NAMES[name](f(a), g(a))


@given(expressions(), st.integers(-5, 5), st.integers(-5, 5))
def test_combined_sizes_mean_what_they_say(case, n, m):
    expression, meaning = case
    assert evaluated([expression], [n, m]) == (meaning([n, m]),)


@given(st.sampled_from(list(NAMES)), st.integers(-9, 9), st.integers(-9, 9))
def test_known_numbers_are_folded(name, a, b):
    found = combine(name, size(a), size(b))
    assert found.op == "literal" and found.value == NAMES[name](a, b)
    assert found.dtype == ("bool" if name in COMPARISONS else "int64")


def test_neutral_elements_vanish():
    assert add(N, ZERO) is N and add(ZERO, N) is N and subtract(N, ZERO) is N
    assert multiply(N, ONE) is N and multiply(ONE, N) is N
    assert multiply(N, ZERO) is ZERO and multiply(ZERO, N) is ZERO
    assert floor_divide(N, ONE) is N
    assert minimum(N, N) is N and maximum(N, N) is N
    assert combine("eq", N, N) is literal(True, "bool")
    assert choose(combine("lt", N, M), N, N) is N


def test_equal_sums_and_products_are_one_object():
    assert add(N, M) is add(M, N) and multiply(N, M) is multiply(M, N)
    assert add(add(N, ONE), M) is add(N, add(M, ONE))
    assert subtract(add(N, M), M) is N and subtract(N, N) is ZERO
    assert subtract(multiply(size(3), add(N, ONE)), size(3)) is multiply(N, size(3))
    assert add(N, N) is multiply(size(2), N)
    assert product([N, M, size(4)]) is product([size(4), M, N])
    assert product([]) is ONE


def test_known():
    assert known(size(-3)) == -3 and known(N) is None and known(add(N, ONE)) is None


# ---- slices

BOUND = st.one_of(st.none(), st.integers(-12, 12))


@given(BOUND, BOUND, st.integers(-4, 4).filter(bool), st.integers(0, 8), st.data())
def test_canonical_slice_is_slice_indices(start, stop, step, length, data):
    """Whatever of bounds, step and length is known only at the call."""
    numbers = []

    def given_as(value):
        if value is None or data.draw(st.booleans()):
            return None if value is None else size(value)
        numbers.append(value)
        return argument(len(numbers) - 1, "int64")

    parts = canonical_slice(
        given_as(start), given_as(stop), given_as(step), given_as(length)
    )
    first, pace, count = evaluated(parts, numbers)
    positions = range(*slice(start, stop, step).indices(length))
    # What comes after one element does not matter.
    assert count == len(positions) and (count < 2 or pace == step)
    if positions:
        assert first == positions[0]
    if not numbers:
        assert all(p.op == "literal" for p in parts)


def test_a_whole_slice_has_the_length_itself():
    assert canonical_slice(None, None, 1, N) == (ZERO, ONE, N)
    first, _, count = canonical_slice(None, None, -1, N)
    assert first is subtract(N, ONE) and count is N


# ---- views


def shown(view, memory, numbers=()):
    """The array that a view of `memory` shows."""
    count = view.ndim
    found = evaluated([*view.sizes, *view.strides, view.offset], list(numbers))
    start = memory[found[-1] // memory.itemsize :]
    return as_strided(start, found[:count], found[count:-1])


def whole(shape, symbolic=False):
    """A view of all of an array, its sizes known or given at the call; its memory."""
    memory = np.arange(int(np.prod(shape)), dtype=np.float64)
    kinds = [argument(k, "int64") if symbolic else size(n) for k, n in enumerate(shape)]
    view = View("memory", "float64", tuple(kinds), contiguous_strides(kinds, 8))
    return view, memory, memory.reshape(shape)


@given(st.lists(st.integers(0, 4), max_size=4), st.booleans())
def test_contiguous_strides_are_numpys(shape, symbolic):
    view, memory, array = whole(shape, symbolic)
    strides = evaluated(view.strides, shape) if shape else ()
    expected, step = [], 8
    for n in reversed(shape):
        expected.insert(0, step)
        step *= n
    assert list(strides) == expected and view.contiguous
    assert (view.ndim, view.itemsize) == (len(shape), 8)
    if array.size:
        np.testing.assert_array_equal(shown(view, memory, shape), array)


@st.composite
def walks(draw):
    """A view through random steps, with the NumPy array that it must show."""
    shape = draw(st.lists(st.integers(1, 4), min_size=1, max_size=3))
    view, memory, array = whole(shape, draw(st.booleans()))
    for _ in range(draw(st.integers(0, 5))):
        kind = draw(st.sampled_from(["axes", "slice", "at", "broadcast"]))
        if kind == "axes":
            order = draw(st.permutations(range(array.ndim)))
            spot = draw(st.integers(0, array.ndim))
            pattern = [*order[:spot], "x", *order[spot:]]
            view = view.with_axes(pattern)
            array = np.expand_dims(array.transpose(order), spot)
        elif array.ndim and kind == "slice":
            axis = draw(st.integers(0, array.ndim - 1))
            piece = slice(
                draw(BOUND), draw(BOUND), draw(st.sampled_from([None, 2, -1, -2]))
            )
            bounds = [None if b is None else size(b) for b in (piece.start, piece.stop)]
            length = view.sizes[axis]
            first, pace, count = canonical_slice(*bounds, piece.step or 1, length)
            view = view.sliced(axis, first, pace, count)
            array = array[(slice(None),) * axis + (piece,)]
        elif array.ndim and kind == "at" and 0 not in array.shape:
            axis = draw(st.integers(0, array.ndim - 1))
            position = draw(st.integers(0, array.shape[axis] - 1))
            view, array = view.at(axis, size(position)), array.take(position, axis)
        elif kind == "broadcast" and array.ndim < 6:
            sizes = [size(3), *(size(2) if s is ONE else s for s in view.sizes)]
            target = (
                3,
                *(2 if s is ONE else n for s, n in zip(view.sizes, array.shape)),
            )
            view, array = view.broadcast_to(sizes), np.broadcast_to(array, target)
    return view, memory, array, shape


@given(walks())
def test_views_show_what_numpy_shows(case):
    view, memory, array, numbers = case
    sizes = evaluated(view.sizes, numbers) if view.ndim else ()
    assert sizes == array.shape
    if array.size:
        np.testing.assert_array_equal(shown(view, memory, numbers), array)
    if view.contiguous and array.size:
        start = array.reshape(-1)[0] if array.size else 0
        np.testing.assert_array_equal(array.ravel(), start + np.arange(array.size))


@given(walks(), st.data())
def test_reshaped_views_need_no_copy_or_say_so(case, data):
    view, memory, array, numbers = case
    target = data.draw(
        st.sampled_from([(array.size,), (1, array.size), (array.size, 1)])
    )
    found = view.reshaped([size(n) for n in target])
    assert (found is None) is not view.contiguous
    if found is not None and array.size:
        np.testing.assert_array_equal(
            shown(found, memory, numbers), array.reshape(target)
        )


def test_axes_of_size_1_do_not_disturb_contiguity():
    view, _, _ = whole((2, 3))
    assert view.with_axes([0, "x", 1]).contiguous
    assert view.with_axes(["x", 0, 1, "x"]).contiguous
    assert not view.with_axes([1, 0]).contiguous
    assert not view.sliced(1, ZERO, ONE, size(2)).contiguous
    assert view.sliced(0, ONE, ONE, ONE).contiguous


def test_views_drop_axes_that_a_pattern_leaves_out():
    view, _, _ = whole((1, 3))
    assert view.with_axes([1]).sizes == (size(3),)


@pytest.mark.parametrize(
    "dtype, width", [("bool", 1), ("float16", 2), ("complex128", 16)]
)
def test_itemsizes(dtype, width):
    assert View(None, dtype, (), ()).itemsize == width
