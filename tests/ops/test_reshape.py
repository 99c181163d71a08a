"""The elements of an array in other sizes, against NumPy."""

from __future__ import annotations

from math import prod

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symnet.compile.function import function
from symnet.errors import ShapeError
from symnet.gradient import grad, verify_grad
from symnet.graph.evaluate import evaluate
from symnet.ops import alloc as A
from symnet.ops import operators  # noqa: F401  (attaches + to variables)
from symnet.ops import reshape as S
from symnet.ops.indexing import inc_subtensor, set_subtensor
from tests.ops.test_shape import VALUE, cube, same, variable


@pytest.mark.parametrize(
    "shape",
    [(6, 4), (-1,), (4, -1), (2, -1, 2), (24,), (1, 24, 1), -1, np.array([8, 3])],
)
def test_reshape(shape):
    x = cube()
    same(S.reshape(x, shape), VALUE.reshape(shape), {x: VALUE})
    verify_grad(lambda v: S.reshape(v, shape), [VALUE])


def test_reshape_of_what_is_not_contiguous():
    x = cube()
    same(x.T.reshape((6, 4)), VALUE.T.reshape(6, 4), {x: VALUE})
    same(x[:, ::-1, 1:].reshape((-1, 3)), VALUE[:, ::-1, 1:].reshape(-1, 3), {x: VALUE})


def test_reshape_by_variables():
    x, n = cube(), variable(dtype="int64", name="n")
    vector = variable(2, dtype="int32", name="v")
    same(x.reshape((n, -1)), VALUE.reshape(8, 3), {x: VALUE, n: 8})
    same(x.reshape((x.shape[0], -1)), VALUE.reshape(2, 12), {x: VALUE})
    same(
        x.reshape((x.shape[2] * x.shape[0], x.shape[1])),
        VALUE.reshape(8, 3),
        {x: VALUE},
    )
    same(x.reshape(vector, ndim=2), VALUE.reshape(8, 3), {x: VALUE, vector: [8, 3]})
    same(x.reshape(x.shape[::-1]), VALUE.reshape(4, 3, 2), {x: VALUE})
    same(x.reshape((6, 4), 2), VALUE.reshape(6, 4), {x: VALUE})
    same(x.reshape(6, 4), VALUE.reshape(6, 4), {x: VALUE})


def test_reshape_refuses():
    x, n = cube(), variable(dtype="int64", name="n")
    with pytest.raises(ShapeError):
        S.reshape(variable(2, 3), (4, 2))
    with pytest.raises(ValueError, match="at most one"):
        x.reshape((-1, -1))
    with pytest.raises(TypeError):
        x.reshape((2.0, 12))
    with pytest.raises(TypeError):
        x.reshape((True, 24))
    with pytest.raises(ValueError, match="ndim"):
        S.reshape(x, variable(None, dtype="int64"))
    for shape in [(5, 5), (5, -1), (n, 24), (n, 12)]:
        with pytest.raises(ShapeError):
            evaluate([x.reshape(shape)], {x: VALUE, n: np.array(-2)})


MODES = ["FAST_RUN", "FAST_COMPILE", "DebugMode"]
SHAPES = [
    (3, -1), (-1,), (-1, -1), (0, -1), (-1, 0), (6,), (2, 3), (-1, 3), (1, -1, 1), (0,),
    (5, -1), (0, 0), (-1, 2, 2), (), (-3, 2),
]  # fmt: skip


def numpys(function):
    """What NumPy gives; None where it refuses."""
    try:
        return function()
    except ValueError:
        return None


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", [(2, 3), (0, 3), (3, 0), (0, 0), (1, 1)])
def test_a_shape_known_at_a_run_only(size, mode):
    x, vector = variable(None, None), variable(None, dtype="int64")
    value = np.arange(float(np.prod(size))).reshape(size)
    for shape in SHAPES:
        scalars = [variable(dtype="int64") for _ in shape]
        some = [scalars[0], *shape[1:]] if shape else []
        want = numpys(lambda: value.reshape(shape))  # noqa: B023
        for new, leaves, sizes in (
            (S.reshape(x, vector, ndim=len(shape)), [vector], [np.array(shape, int)]),
            (x.reshape(vector * 1, ndim=len(shape)), [vector], [np.array(shape, int)]),
            (x.reshape(scalars), scalars, shape), (x.reshape(some), scalars[:1], shape[:1]),
        ):  # fmt: skip
            gradient = grad((new * new).sum(), x)
            f = function([x, *leaves], [new, new.sum(), gradient], mode=mode)
            if want is None or min(shape, default=0) < -1:
                with pytest.raises(ShapeError):
                    f(value, *sizes)
                continue
            for got, right in zip(f(value, *sizes), (want, value.sum(), 2 * value)):
                np.testing.assert_array_equal(got, right)
                assert got.shape == right.shape


@pytest.mark.parametrize("mode", MODES)
def test_nothing_says_what_is_left_of_an_empty_array(mode):
    x = variable(None, None)
    for shape in ((0, -1), (-1, 0), ((x * 2).shape[0] * 1, -1)):
        with pytest.raises(ShapeError):
            function([x], x.reshape(shape), mode=mode)(np.zeros((0, 3)))
    # Where the other sizes are the array's own, they say it.
    for new in (x.reshape((x.shape[0], -1)), x.reshape((-1, x.shape[1]))):
        assert function([x], new, mode=mode)(np.zeros((0, 3))).shape == (0, 3)
    for empty, want in (((0, 3, 4), (0, 12)), ((2, 0, 4), (2, 0))):
        y = cube()
        assert function([y], y.flatten(2), mode=mode)(np.zeros(empty)).shape == want


@pytest.mark.parametrize("mode", MODES)
def test_writing_to_a_part_of_a_shape(mode):
    x, y = variable(None, None), variable(3, None)
    value = np.zeros((3, 2))
    for output, want in (
        (set_subtensor(x.shape[1:], [7]), [3, 7]), (set_subtensor(x.shape[:1], 7), [7, 2]),
        (set_subtensor(x.shape[::-1], [7, 8]), [8, 7]), (inc_subtensor(x.shape[0], 7), [10, 2]),
        (inc_subtensor(x.shape[-1], 7), [3, 9]), (set_subtensor(y.shape[:1], 7), [7, 2]),
    ):  # fmt: skip
        f = function([x, y], output, mode=mode, on_unused_input="ignore")
        np.testing.assert_array_equal(f(value, value), want)
    assert A.zeros(y.shape[:1]).type.shape == (3,) and y.shape[:1][0].data == 3


def test_reshape_without_elements():
    x = cube()
    empty = np.zeros((0, 3, 4))
    same(x.reshape((x.shape[0], -1)), np.zeros((0, 12)), {x: empty})
    same(x.flatten(), np.zeros(0), {x: empty})
    same(x.reshape((0, 7)), np.zeros((0, 7)), {x: empty})


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.integers(1, 4), min_size=1, max_size=4),
    st.randoms(use_true_random=False),
)
def test_reshape_finds_the_missing_size(sizes, random):
    value = np.arange(prod(sizes))
    target = list(sizes)
    random.shuffle(target)
    target[random.randrange(len(target))] = -1
    x = variable(*[None] * len(sizes), dtype="int64")
    shaped = value.reshape(sizes)
    np.testing.assert_array_equal(
        evaluate([S.reshape(x, target)], {x: shaped})[0], shaped.reshape(target)
    )


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_flatten(ndim):
    x = cube()
    expected = VALUE.reshape((*VALUE.shape[: ndim - 1], -1))
    same(x.flatten(ndim), expected, {x: VALUE})
    same(S.flatten(x, outdim=ndim), expected, {x: VALUE})
    verify_grad(lambda v: v.flatten(ndim), [VALUE])
    assert S.flatten(variable(2, 3, 4), 2).type.shape == (2, 12)
    with pytest.raises(ValueError):
        x.flatten(4)


def test_flatten_of_a_scalar():
    x = variable()
    same(x.flatten(), np.array([2.0]), {x: 2.0})
