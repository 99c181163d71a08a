"""Functions of matrices, against NumPy and SciPy."""

from __future__ import annotations

import numpy as np
import pytest

from symnet.errors import ShapeError
from symnet.gradient import grad, verify_grad
from symnet.graph.types import TensorType
from symnet.ops.diagonal import trace
from symnet.ops.inputs import matrix, tensor3, vector
from symnet.ops.linalg.matrices import (
    kron,
    matrix_dot,
    matrix_power,
    norm,
    tensorinv,
    tensorsolve,
)
from tests.helpers import run

RANDOM = np.random.default_rng(6)
X = RANDOM.normal(size=(3, 3)) + 2 * np.eye(3)


def check(function, reference, *arrays, rtol=1e-10):
    inputs = [TensorType(a.dtype, (None,) * a.ndim)() for a in arrays]
    found = run(function(*inputs), dict(zip(inputs, arrays)))
    np.testing.assert_allclose(found, reference(*arrays), rtol=rtol, atol=1e-13)
    verify_grad(function, list(arrays))


def test_trace_and_products():
    check(trace, np.trace, X)
    check(trace, np.trace, X[:2])
    check(
        lambda a, b, c: matrix_dot(a, b, c),
        lambda a, b, c: a @ b @ c,
        X,
        X[:, :2],
        X[:2],
    )
    with pytest.raises(TypeError, match="matrix"):
        trace(vector())


@pytest.mark.parametrize("n", [0, 1, 2, 3, 6, 7, -1, -2])
def test_matrix_power(n):
    x = matrix("x")
    np.testing.assert_allclose(
        run(matrix_power(x, n), {x: X}), np.linalg.matrix_power(X, n), atol=1e-13
    )
    if n:
        verify_grad(lambda x: matrix_power(x, n), [X])


def test_wrong_powers():
    with pytest.raises(TypeError, match="int"):
        matrix_power(matrix(), 0.5)
    with pytest.raises(TypeError, match="matrix"):
        matrix_power(vector(), 2)
    with pytest.raises(ShapeError):
        matrix_power(np.ones((2, 3)), 2)


@pytest.mark.parametrize(
    ("left", "right"),
    [((2, 3), (4, 1)), ((3,), (2,)), ((2, 2), (3,)), ((3,), (2, 2)), ((0, 2), (2, 2))],
    ids=str,
)
def test_kron(left, right):
    check(kron, np.kron, RANDOM.normal(size=left), RANDOM.normal(size=right))


@pytest.mark.parametrize(
    "ord", [None, 1, 2, 3, 0.5, -1, 0, np.inf, "inf", -np.inf, "-inf"]
)
def test_norms_of_vectors(ord):
    x = np.array([1.5, -2.5, 0.5, 4.0])
    number = {"inf": np.inf, "-inf": -np.inf}.get(ord, ord)
    check(lambda v: norm(v, ord), lambda v: np.linalg.norm(v, number), x)


@pytest.mark.parametrize("ord", [None, "fro", 1, -1, 2, -2, "nuc", np.inf, "-inf"])
def test_norms_of_matrices(ord):
    number = {"inf": np.inf, "-inf": -np.inf}.get(ord, ord)
    check(lambda v: norm(v, ord), lambda v: np.linalg.norm(v, number), X[:2])


def test_gradients_of_norms_at_zero():
    v, x = vector(), matrix()
    for ord in (None, 2, 3, 1, "inf"):
        np.testing.assert_array_equal(run(grad(norm(v, ord), v), {v: np.zeros(3)}), 0)
    np.testing.assert_array_equal(run(grad(norm(x), x), {x: np.zeros((2, 3))}), 0)


def test_wrong_norms():
    with pytest.raises(ValueError, match="order"):
        norm(vector(), "fro")
    with pytest.raises(ValueError, match="order"):
        norm(matrix(), 3)
    with pytest.raises(NotImplementedError, match="vector or a matrix"):
        norm(tensor3())


def test_tensors_as_matrices():
    a = RANDOM.normal(size=(4, 6, 8, 3)) * 0.3 + np.eye(24).reshape(4, 6, 8, 3)
    small = X[:2, :2].reshape(2, 1, 1, 2)
    check(tensorinv, np.linalg.tensorinv, small)
    b = RANDOM.normal(size=(4, 6))
    found = tensorsolve(matrix4 := TensorType("float64", (None,) * 4)(), b)
    np.testing.assert_allclose(run(found, {matrix4: a}), np.linalg.tensorsolve(a, b))
    turned = np.moveaxis(a, 2, 0)
    found = tensorsolve(matrix4, b, axes=(0, 3))
    want = np.linalg.tensorsolve(turned, b, axes=(0, 3))
    np.testing.assert_allclose(run(found, {matrix4: turned}), want)
    with pytest.raises(ValueError, match="ind"):
        tensorinv(matrix(), 2)
