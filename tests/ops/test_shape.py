"""Axes, reshapes, sizes as variables and filled arrays, against NumPy."""

from __future__ import annotations

import pickle
from math import prod

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symnet.compile.function import function
from symnet.errors import ShapeError
from symnet.gradient import grad, verify_grad
from symnet.graph.evaluate import evaluate
from symnet.graph.types import TensorType
from symnet.graph.variables import Constant
from symnet.ops import alloc as A
from symnet.ops import operators  # noqa: F401  (attaches + to variables)
from symnet.ops import shape as S
from symnet.ops import sizes as Z
from symnet.ops.indexing import inc_subtensor, set_subtensor
from tests.helpers import run

RANDOM = np.random.default_rng(3)
VALUE = RANDOM.standard_normal((2, 3, 4))


def variable(*shape, dtype="float64", name="x"):
    return TensorType(dtype, shape)(name)


def cube():
    return variable(None, None, None)


def same(expression, expected, values):
    got = run(expression, values)
    assert got.shape == np.shape(expected)
    assert expression.type.is_valid_value(np.asarray(got))
    np.testing.assert_array_equal(got, expected)


# ---- dimshuffle and its family


@pytest.mark.parametrize(
    "pattern", [(2, 0, 1), ("x", 2, "x", 1, 0), (0, 1, 2), ((1, 0, 2),), (-1, 0, 1)]
)
def test_dimshuffle(pattern):
    x = cube()
    order = pattern[0] if isinstance(pattern[0], tuple) else pattern
    expected = VALUE.transpose([o for o in order if o != "x"])
    for k, axis in enumerate(order):
        if axis == "x":
            expected = np.expand_dims(expected, k)
    same(x.dimshuffle(*pattern), expected, {x: VALUE})
    verify_grad(lambda v: v.dimshuffle(*pattern), [VALUE])


def test_dimshuffle_drops_known_ones():
    x = variable(None, 1, 3)
    value = RANDOM.standard_normal((4, 1, 3))
    same(x.dimshuffle(2, 0), value[:, 0].T, {x: value})
    verify_grad(lambda v: v.dimshuffle(2, 0), [value])


@pytest.mark.parametrize("pattern", [(0,), (0, 0, 1, 2), (0, 1, 3), (0, 1, 2, 5)])
def test_dimshuffle_refuses(pattern):
    with pytest.raises(ValueError, match=r"dropped|once|no axis"):
        cube().dimshuffle(*pattern)


def test_transposes():
    x = cube()
    cases = [
        (x.T, VALUE.T),
        (x.transpose(1, 0, 2), VALUE.transpose(1, 0, 2)),
        (x.transpose((2, 0, 1)), VALUE.transpose(2, 0, 1)),
        (S.transpose(x, None), VALUE.T),
        (x.swapaxes(0, -1), VALUE.swapaxes(0, -1)),
        (S.moveaxis(x, 0, -1), np.moveaxis(VALUE, 0, -1)),
        (S.moveaxis(x, [0, 1], [-1, 0]), np.moveaxis(VALUE, [0, 1], [-1, 0])),
        (S.shape_padleft(x, 2), VALUE[None, None]),
        (S.shape_padright(x), VALUE[..., None]),
        (S.shape_padaxis(x, -2), np.expand_dims(VALUE, -2)),
    ]
    for expression, expected in cases:
        same(expression, expected, {x: VALUE})
    with pytest.raises(ValueError):
        S.transpose(x, (0, 1))


def test_squeeze():
    x = variable(1, None, 1)
    value = RANDOM.standard_normal((1, 1, 1))
    same(x.squeeze(), value[0, :, 0], {x: value})
    same(S.squeeze(x, 1), value[:, 0], {x: value})
    with pytest.raises(ShapeError):
        evaluate([S.squeeze(x, 1)], {x: np.zeros((1, 2, 1))})


# ---- reshape


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
    assert S.zeros(y.shape[:1]).type.shape == (3,) and y.shape[:1][0].data == 3


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


# ---- sizes


def test_shape_of_variables():
    x = variable(None, 3, None)
    same(x.shape, [2, 3, 4], {x: VALUE})
    same(x.shape[1:], [3, 4], {x: VALUE})
    same(x.shape[-1], 4, {x: VALUE})
    assert isinstance(x.shape[1], Constant)
    assert [isinstance(n, Constant) for n in x.shape] == [False, True, False]
    with pytest.raises(IndexError):
        x.shape[3]
    assert Z.get_vector_length(x.shape) == 3


def test_shape_does_not_need_the_values():
    x = cube()
    same((x + 1).reshape((-1, 2)).shape, [12, 2], {x: VALUE})
    assert grad(x.shape[0].astype("float64") * x.sum(), x).type == x.type


def test_shape_i_refuses():
    with pytest.raises(ValueError):
        Z.shape_i(cube(), 3)


def test_specify_shape():
    x = cube()
    same(Z.specify_shape(x, (2, None, 4)), VALUE, {x: VALUE})
    assert Z.specify_shape(x, (2, None, 4)).type.shape == (2, None, 4)
    for wrong in [(2, 3, 5), x.shape + 1]:
        with pytest.raises(ShapeError):
            evaluate([Z.specify_shape(x, wrong)], {x: VALUE})
    with pytest.raises(ShapeError):
        Z.specify_shape(variable(2, 3), (2, 4))
    verify_grad(lambda v: Z.specify_shape(v, (2, 3, 4)), [VALUE])


def test_broadcast_patterns():
    x = variable(None, None)
    row = Z.addbroadcast(x, 0)
    assert row.type.shape == (1, None)
    same(row + np.zeros((3, 4)), np.ones((3, 4)), {x: np.ones((1, 4))})
    with pytest.raises(ShapeError):
        evaluate([row], {x: np.ones((2, 4))})
    back = Z.unbroadcast(row, 0)
    assert back.type.shape == (None, None)
    assert Z.patternbroadcast(x, (False, True)).type.broadcastable == (False, True)
    verify_grad(lambda v: Z.unbroadcast(Z.addbroadcast(v, 0), 0) * 2, [np.ones((1, 4))])


def test_vectors_of_scalars():
    a, b = variable(name="a"), variable(dtype="int8", name="b")
    vector = Z.make_vector([a, b, 2])
    same(vector, [1.5, 3.0, 2.0], {a: 1.5, b: 3})
    verify_grad(lambda x, y: Z.make_vector([x, y, x]) * np.arange(3.0), [1.5, 2.5])
    assert isinstance(Z.make_vector([1, 2]), Constant)


# ---- filled arrays


def test_filled():
    x, n = variable(None, None), variable(dtype="int64", name="n")
    values = {x: VALUE[0], n: 3}
    cases = [
        (A.alloc(2.5, n, 2), np.full((3, 2), 2.5)),
        (A.alloc(x[0], n, 4), np.tile(VALUE[0][0], (3, 1))),
        (A.zeros((n, 2), dtype="int8"), np.zeros((3, 2), "int8")),
        (A.zeros(n), np.zeros(3)),
        (A.zeros(x.shape), np.zeros((3, 4))),
        (A.ones((2, n)), np.ones((2, 3))),
        (A.full((n,), 7, dtype="int64"), np.full(3, 7)),
        (A.zeros_like(x), np.zeros((3, 4))),
        (A.ones_like(x, dtype="int32"), np.ones((3, 4), "int32")),
        (A.full_like(x, 4), np.full((3, 4), 4.0)),
        (
            A.broadcast_to(Z.addbroadcast(x[:1], 0), (n, 4)),
            np.tile(VALUE[0][:1], (3, 1)),
        ),
        (A.empty((0, n)), np.zeros((0, 3))),
    ]
    for expression, expected in cases:
        same(expression, expected, values)
        assert expression.type.dtype == np.asarray(expected).dtype


def test_alloc_refuses():
    x = variable(None)
    with pytest.raises(ShapeError):
        A.alloc(np.ones(3), 2, 4)
    with pytest.raises(TypeError):
        A.alloc(np.ones((3, 3)), 3)
    with pytest.raises(TypeError):
        A.zeros((2.5,))
    with pytest.raises(ValueError, match="negative"):
        A.zeros((-1,))
    with pytest.raises(ShapeError):
        evaluate([A.alloc(x, 4)], {x: np.ones(1)})
    with pytest.raises(ValueError, match="rank"):
        A.zeros(variable(None, dtype="int64"))


def test_alloc_gradient():
    verify_grad(
        lambda v: A.alloc(v, 3, 2, 4) * np.arange(24.0).reshape(3, 2, 4), [VALUE[0][:1]]
    )
    verify_grad(lambda v: A.alloc(v, 3) * np.arange(3.0), [np.array(2.0)])


def test_ops_are_values():
    x = cube()
    ops = [
        x.dimshuffle(2, 1, 0).owner.op, x.flatten(2).owner.op, x.shape.owner.op,
        A.zeros_like(x).owner.op, Z.addbroadcast(x, 0).owner.op, Z.shape_i(x, 1).owner.op,
    ]  # fmt: skip
    for op in ops:
        assert pickle.loads(pickle.dumps(op)) == op
    assert S.DimShuffle((1, 0)) != S.DimShuffle((0, 1))
