"""Axes, sizes as variables and filled arrays, against NumPy."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from symnet.errors import ShapeError
from symnet.gradient import grad, verify_grad
from symnet.graph.evaluate import evaluate
from symnet.graph.types import TensorType
from symnet.graph.variables import Constant
from symnet.ops import alloc as A
from symnet.ops import operators  # noqa: F401  (attaches + to variables)
from symnet.ops import shape as S
from symnet.ops import sizes as Z
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
    with pytest.raises(ValueError, match=r"dropped|twice|no axis"):
        cube().dimshuffle(*pattern)


def test_transposes():
    x = cube()
    cases = [
        (x.T, VALUE.T),
        (x.transpose(1, 0, 2), VALUE.transpose(1, 0, 2)),
        (x.transpose((2, 0, 1)), VALUE.transpose(2, 0, 1)),
        (S.transpose(x, None), VALUE.T),
        (S.transpose(x, axes=(1, 0, 2)), VALUE.transpose(1, 0, 2)),
        (S.transpose(x, axes=None), VALUE.T),
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
    with pytest.raises(TypeError, match="given twice"):
        S.transpose(x, (0, 1, 2), axes=(0, 1, 2))


def test_squeeze():
    x = variable(1, None, 1)
    value = RANDOM.standard_normal((1, 1, 1))
    same(x.squeeze(), value[0, :, 0], {x: value})
    same(S.squeeze(x, 1), value[:, 0], {x: value})
    with pytest.raises(ShapeError):
        evaluate([S.squeeze(x, 1)], {x: np.zeros((1, 2, 1))})


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
    sizes = TensorType("int64", (None,))("sizes")
    given = Z.specify_shape(x, sizes)
    same(given, VALUE, {x: VALUE, sizes: np.array([2, 3, 4])})
    for wrong in ([], [2, 3], [2, 3, 4, 4]):
        with pytest.raises(ShapeError):
            run(given, {x: VALUE, sizes: np.array(wrong, "int64")})


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
