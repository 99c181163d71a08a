"""Joining and splitting, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

import symnet.tensor as T
from symnet.compile.function import function
from symnet.errors import ShapeError
from symnet.gradient import grad, verify_grad
from symnet.graph.evaluate import evaluate
from symnet.graph.types import TensorType
from symnet.graph.variables import Variable
from symnet.ops import joining as J
from symnet.ops import operators  # noqa: F401  (attaches + to variables)
from symnet.ops.reduce import sum as sum_over
from tests.helpers import run

RANDOM = np.random.default_rng(6)
VALUE = RANDOM.standard_normal((4, 3, 5))


def variable(*shape, dtype="float64", name="x"):
    return TensorType(dtype, shape)(name)


def cube(name="x"):
    return variable(None, None, None, name=name)


def same(expression, expected, values):
    got = run(expression, values)
    assert got.shape == np.shape(expected)
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_concatenate(axis):
    x, y = cube(), cube("y")
    other = np.moveaxis(np.moveaxis(VALUE, axis, 0)[:2], 0, axis)
    values = {x: VALUE, y: other}
    expected = np.concatenate([VALUE, other, VALUE], axis)
    same(J.concatenate([x, y, x], axis), expected, values)
    same(J.join(axis, x, y[::-1]), np.concatenate([VALUE, other[::-1]], axis), values)
    weights = RANDOM.standard_normal(expected.shape)
    verify_grad(lambda a, b: J.join(axis, a, b, a) * weights, [VALUE, other])


def test_dtypes_and_static_sizes():
    x, y = variable(2, 3, dtype="int8"), variable(None, 3, dtype="float32")
    joined = J.concatenate([x, y, np.zeros((1, 3), "int16")])
    assert joined.type == TensorType("float32", (None, 3))
    assert J.join(1, x, x).type.shape == (2, 6)
    same(
        joined, np.zeros((4, 3), "float32"), {x: np.zeros((2, 3)), y: np.zeros((1, 3))}
    )


def test_sizes_that_do_not_agree():
    """Also where only the shape is asked for."""
    x, y = variable(None, None), variable(None, None, name="y")
    values = {x: np.zeros((5, 4)), y: np.zeros((3, 3))}
    for expression in (J.join(0, x, y), J.join(0, x, y).shape):
        with pytest.raises(ShapeError):
            function([x, y], expression)(*values.values())
    with pytest.raises(ShapeError):
        evaluate([J.join(0, x, y)], values)
    with pytest.raises(ShapeError):
        J.join(0, variable(5, 4), variable(3, 3))


def test_refused():
    x, axis = variable(None), variable(dtype="int64")
    for call in (
        lambda: J.join(0, x, variable(None, None)),
        lambda: J.join(0, variable(), variable()),
        lambda: J.concatenate(x),
        lambda: J.join(axis + 0.5, x, x),
        lambda: J.stack([x, variable()]),
        lambda: J.horizontal_stack(x, x),
    ):
        with pytest.raises(TypeError):
            call()
    with pytest.raises(ValueError):
        J.join(2, x, x)


@pytest.mark.parametrize("axis", [0, 1, 3, -1, -4])
def test_stack(axis):
    x, y = cube(), cube("y")
    values = {x: VALUE, y: VALUE * 2}
    same(J.stack([x, y], axis=axis), np.stack([VALUE, VALUE * 2], axis), values)
    same(J.stack(x, y, axis=axis), np.stack([VALUE, VALUE * 2], axis), values)
    verify_grad(lambda a, b: J.stack([a, b * a], axis), [VALUE, VALUE[::-1]])


def test_stack_of_scalars():
    a, b = variable(name="a"), variable(dtype="int32", name="b")
    same(J.stack([a, b, 1.0]), [0.5, 2, 1], {a: 0.5, b: 2})
    same(J.stack(a, b), [0.5, 2], {a: 0.5, b: 2})
    same(J.stacklists([[a, b], [b, a]]), [[0.5, 2], [2, 0.5]], {a: 0.5, b: 2})
    with pytest.raises(IndexError):
        J.stack([variable(3)], axis=2)


def test_matrices():
    x = variable(None, None)
    value = VALUE[0]
    same(J.horizontal_stack(x, x), np.hstack([value, value]), {x: value})
    same(J.vertical_stack(x, x), np.vstack([value, value]), {x: value})


def test_shapes_are_joined_size_by_size():
    x = variable(None, 3)
    joined = J.concatenate([x.shape[:1], [7], x.shape[1:]])
    same(joined, [2, 7, 3], {x: np.zeros((2, 3))})
    assert x.reshape(J.concatenate([[1], x.shape])).type.shape == (1, None, 3)


@pytest.mark.parametrize("axis", [0, 2, -2])
def test_split(axis):
    x, sizes = cube(), variable(3, dtype="int64", name="sizes")
    length = VALUE.shape[axis]
    pieces = [1, length - 1, 0]
    expected = np.split(VALUE, np.cumsum(pieces)[:-1], axis)
    for given in (pieces, sizes):
        results = run(J.split(x, given, 3, axis), {x: VALUE, sizes: pieces})
        for got, want in zip(results, expected, strict=True):
            assert got.shape == want.shape
            np.testing.assert_array_equal(got, want)
    assert J.split(x, pieces, 3, axis)[0].type.shape[axis] == 1
    weights = RANDOM.standard_normal(expected[1].shape)
    verify_grad(lambda v: J.split(v, pieces, 3, axis)[1] ** 2 * weights, [VALUE])
    verify_grad(
        lambda v: grad(sum_over(J.split(v, pieces, 3, axis)[1] ** 3), v), [VALUE]
    )


def test_split_by_sizes_that_are_computed():
    x = variable(None, None)
    n = x.shape[0]
    results = run(J.split(x * 2, [n // 2, n - n // 2], 2), {x: VALUE[:, 0]})
    np.testing.assert_array_equal(results[1], VALUE[2:, 0] * 2)


def test_split_refuses():
    x, sizes = cube(), variable(2, dtype="int64", name="sizes")
    for wrong in ([1, 2], [5, -1], [3, 2]):
        with pytest.raises(ShapeError):
            evaluate(J.split(x, sizes, 2), {x: VALUE, sizes: np.array(wrong)})
        with pytest.raises(ShapeError):
            function([x, sizes], J.split(x, sizes, 2))(VALUE, np.array(wrong))
        with pytest.raises(ShapeError):
            J.split(variable(4, 3), wrong, 2)
    with pytest.raises(ValueError):
        J.split(x, [1, 3], 3)


def test_lists_of_variables_are_stacked_for_theano() -> None:
    x, y = TensorType("float64", (None,))("x"), TensorType("float64")("y")
    values = {x: [1.0, 2.0], y: 3.0}
    pair = J.as_tensor_variable([x, x * 2], name="pair")
    assert pair.name == "pair"
    assert run(pair, values).tolist() == [[1, 2], [2, 4]]
    nested = J.as_tensor_variable([[y, 1], (y * 2, 0.5)])
    assert run(nested, values).tolist() == [[3, 1], [6, 0.5]]
    assert run(J.as_tensor_variable(x, ndim=3), values).shape == (1, 1, 2)
    assert J.as_tensor_variable([1, 2]).dtype == "int64"
    with pytest.raises(ValueError, match="rank 0"):
        J.as_tensor_variable(x, ndim=0)


def test_operations_take_lists_of_variables() -> None:
    x, y = TensorType("float32", (None,))("x"), TensorType("float32")("y")
    a, b = np.array([1.0, 2.0], "float32"), np.float32(3.0)
    values = {x: a, y: b}
    both = np.stack([a, a * 2])
    cases: list[tuple[Variable, object]] = [
        (T.sum([x, x * 2], axis=0), both.sum(0)),
        (T.mean((x, x * 2), axis=1), both.mean(1)),
        (T.max([y, 5.0]), np.float32(5.0)),
        (T.exp([[y, 0], [1, y]]), np.exp(np.array([[3, 0], [1, 3]], "float32"))),
        (T.dot([x, x * 2], x), both @ a),
        (x + [y, y * 2], a + [b, b * 2]),
        (T.concatenate([[y, 1.0], x]), np.array([3, 1, 1, 2])),
        (T.as_tensor_variable([x, x]).T, np.stack([a, a]).T),
    ]
    for variable, want in cases:
        assert variable.type.dtype == "float32"
        np.testing.assert_allclose(run(variable, values), want, rtol=1e-6)
    verify_grad(lambda v: T.sum([v**2, v * 3], axis=0), [np.array([1.5, -2.0])])
    for wrong in ([x, y], [x, "text"], [x, [x]]):
        with pytest.raises(TypeError):
            T.sum(wrong)
    with pytest.raises(ShapeError):
        run(T.sum([x, x[1:]], axis=0), values)
