"""Elements repeated, turned round, shifted and on diagonals, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import symnet
from symnet.compile.function import function
from symnet.errors import ShapeError
from symnet.gradient import verify_grad
from symnet.graph.evaluate import evaluate
from symnet.graph.types import TensorType
from symnet.ops import diagonal as D
from symnet.ops import operators  # noqa: F401  (attaches + to variables)
from symnet.ops import rearrange as R
from tests.helpers import run

RANDOM = np.random.default_rng(7)
VALUE = RANDOM.standard_normal((4, 3, 5))


def variable(*shape, dtype="float64", name="x"):
    return TensorType(dtype, shape)(name)


def cube():
    return variable(None, None, None)


def same(expression, expected, values=None):
    got = run(expression, values)
    assert got.shape == np.shape(expected)
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("reps", [2, (2, 1, 3), (2, 1), (2, 1, 1, 3), (0, 1, 2), [1]])
def test_tile(reps):
    x = cube()
    same(R.tile(x, reps), np.tile(VALUE, reps), {x: VALUE})
    if np.all(np.array(reps) > 0):
        verify_grad(lambda v: R.tile(v, reps) ** 2, [VALUE[:2, :2, :2]])


def test_tile_by_variables():
    x, n = variable(None), variable(dtype="int64", name="n")
    same(R.tile(x, (n, 2)), np.tile(VALUE[0, 0], (3, 2)), {x: VALUE[0, 0], n: 3})
    same(R.tile(x, n, ndim=2), np.tile(VALUE[0, 0], (1, 3)), {x: VALUE[0, 0], n: 3})
    with pytest.raises(ValueError):
        R.tile(cube(), 2, ndim=2)


@pytest.mark.parametrize("axis", [None, 0, 1, -1])
def test_repeat(axis):
    x, n = cube(), variable(dtype="int64", name="n")
    for count in (0, 1, 3):
        same(R.repeat(x, n, axis), np.repeat(VALUE, count, axis), {x: VALUE, n: count})
    same(R.repeat(x, [2], axis), np.repeat(VALUE, 2, axis), {x: VALUE})
    verify_grad(lambda v: R.repeat(v, 2, axis) ** 2, [VALUE])
    counts = RANDOM.integers(0, 3, VALUE.size if axis is None else VALUE.shape[axis])
    v = variable(None, dtype="int64", name="counts")
    same(x.repeat(v, axis), np.repeat(VALUE, counts, axis), {x: VALUE, v: counts})
    verify_grad(lambda a: R.repeat(a, counts, axis) ** 2, [VALUE])


def test_repeat_refuses():
    x, v = cube(), variable(None, dtype="int64", name="v")
    with pytest.raises(TypeError):
        x.repeat(1.5)
    with pytest.raises(ShapeError):
        evaluate([x.repeat(v, 0)], {x: VALUE, v: np.array([1, 2])})
    with pytest.raises(ValueError):
        evaluate([x.repeat(v, 0)], {x: VALUE, v: np.array([1, 2, -1, 0])})


@pytest.fixture(scope="module")
def rolled():
    x, n = cube(), variable(dtype="int64", name="n")
    return function([x, n], [R.roll(x, n, axis) for axis in (0, 1, -1, None)])


@settings(max_examples=30, deadline=None)
@given(st.integers(-12, 12), st.integers(0, 4))
def test_roll(rolled, shift, rows):
    value = VALUE[:rows]
    for got, axis in zip(rolled(value, shift), (0, 1, -1, None), strict=True):
        np.testing.assert_array_equal(got, np.roll(value, shift, axis))


def test_roll_gradient():
    verify_grad(lambda v: R.roll(v, 2, 1) * VALUE, [VALUE])


@pytest.mark.parametrize("axis", [None, 0, (0, 2)])
def test_flip(axis):
    x = cube()
    same(R.flip(x, axis), np.flip(VALUE, axis), {x: VALUE})


@pytest.mark.parametrize("n", [0, 1, 2, 6])
def test_diff(n):
    x = cube()
    same(R.diff(x, n, 1), np.diff(VALUE, n, 1), {x: VALUE})
    b = variable(None, dtype="bool")
    flags = np.array([True, False, False])
    same(R.diff(b, n), np.diff(flags, n), {b: flags})


# ---- diagonals


@pytest.mark.parametrize("offset", [-5, -1, 0, 2, 7])
@pytest.mark.parametrize("axes", [(0, 1), (2, 0), (1, -1)])
def test_diagonal(offset, axes):
    x = cube()
    expected = np.diagonal(VALUE, offset, *axes)
    same(x.diagonal(offset, *axes), expected, {x: VALUE})
    verify_grad(lambda v: D.diagonal(v, offset, *axes) ** 2, [VALUE])
    shape = D.diagonal(variable(4, 3, 5), offset, *axes).type.shape
    assert shape == expected.shape


@pytest.mark.parametrize("k", [-2, 0, 1])
def test_diag(k):
    x, v = variable(None, None), variable(None, name="v")
    same(D.diag(x, k), np.diag(VALUE[0], k), {x: VALUE[0]})
    same(D.diag(v, k), np.diag(VALUE[0, 0], k), {v: VALUE[0, 0]})
    verify_grad(lambda a: D.diag(a, k) * 2, [VALUE[0, 0]])
    batch = np.stack([np.diag(row, k) for row in VALUE[0]])
    same(D.alloc_diag(x, k), batch, {x: VALUE[0]})
    with pytest.raises(ValueError):
        D.diag(cube())


@pytest.mark.parametrize("shape", [(3, 3), (2, 5), (5, 2), (3, 3, 3)])
def test_fill_diagonal(shape):
    x = variable(*[None] * len(shape))
    value = RANDOM.standard_normal(shape)
    expected = value.copy()
    if len(shape) == 2:
        np.einsum("ii->i", expected[: min(shape), : min(shape)])[...] = 9
    else:
        np.fill_diagonal(expected, 9)
    same(D.fill_diagonal(x, 9), expected, {x: value})
    weights = RANDOM.standard_normal(shape)
    verify_grad(lambda a, b: D.fill_diagonal(a, b) * weights, [value, np.array(2.0)])


def test_fill_diagonal_offset():
    x, k = variable(None, None), variable(dtype="int64", name="k")
    expected = VALUE[0] * (1 - np.eye(3, 5, 1)) + 4 * np.eye(3, 5, 1)
    same(D.fill_diagonal_offset(x, 4, k), expected, {x: VALUE[0], k: 1})
    verify_grad(
        lambda a, b: D.fill_diagonal_offset(a, b, -1) * VALUE[0],
        [VALUE[0], np.array(2.0)],
    )


def test_diagonal_refuses():
    with pytest.raises(ValueError):
        D.diagonal(cube(), 0, 1, 1)
    with pytest.raises(TypeError):
        D.fill_diagonal(variable(3), 1)
    with pytest.raises(ShapeError):
        x = cube()
        evaluate([D.fill_diagonal(x, 1)], {x: VALUE})


@pytest.mark.parametrize("mode", ["FAST_RUN", "FAST_COMPILE", "DebugMode"])
def test_tile_by_a_vector(mode):
    x, reps = (
        TensorType("float64", (None, None))("x"),
        TensorType("int64", (None,))("r"),
    )
    for value in (np.arange(6.0).reshape(2, 3), np.zeros((0, 3))):
        for counts in ((2, 1), (3,), (), (0, 2), (2, 1, 3), (1, 2, 1, 2), (-1, 2)):
            for ndim in (2, 4):
                tiled = R.tile(x, reps, ndim=ndim)
                f = symnet.function(
                    [x, reps], [tiled, symnet.grad(tiled.sum(), x)], mode=mode
                )
                if len(counts) > ndim or min(counts, default=0) < 0:
                    with pytest.raises(ValueError, match="your line"):
                        f(value, np.array(counts, int))
                    continue
                want = np.tile(value, (1,) * (ndim - len(counts)) + counts)
                got, gradient = f(value, np.array(counts, int))
                assert got.shape == want.shape
                np.testing.assert_array_equal(got, want)
                np.testing.assert_array_equal(
                    gradient, np.full(value.shape, np.prod(counts))
                )
    with pytest.raises(ValueError, match="length of the shape"):
        R.tile(x, reps)
