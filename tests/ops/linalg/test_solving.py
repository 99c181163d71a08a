"""Inverses, factors and solutions, against NumPy and SciPy."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg

from symnet.errors import ShapeError
from symnet.gradient import grad, verify_grad
from symnet.graph.types import TensorType
from symnet.ops.inputs import vector
from symnet.ops.linalg.determinants import det
from symnet.ops.linalg.solving import (
    Cholesky,
    Solve,
    cholesky,
    matrix_inverse,
    solve,
    solve_lower_triangular,
    solve_symmetric,
    solve_upper_triangular,
)
from tests.helpers import run

RANDOM = np.random.default_rng(2)
A = RANDOM.normal(size=(4, 4)) + 3 * np.eye(4)
POSITIVE = A @ A.T + np.eye(4)


def value(function, *arrays, **settings):
    inputs = [TensorType(a.dtype, (None,) * a.ndim)() for a in arrays]
    return run(function(*inputs), dict(zip(inputs, arrays)), **settings)


def second_order(function, *arrays):
    verify_grad(
        lambda *v: grad((function(*v) ** 2).sum(), list(v)), list(arrays), n_tests=1
    )


def test_inverse_and_determinant():
    np.testing.assert_allclose(value(matrix_inverse, A), np.linalg.inv(A))
    np.testing.assert_allclose(value(det, A), np.linalg.det(A))
    for function in (matrix_inverse, det):
        verify_grad(function, [A])
        second_order(function, A)
    assert value(matrix_inverse, A.astype("float16")).dtype == np.float16
    assert value(det, A.astype("float32")).dtype == np.float32
    assert value(matrix_inverse, A.astype("complex64")).dtype == np.complex64
    whole = value(det, (A * 10).astype("int64"))
    np.testing.assert_allclose(whole, np.linalg.det((A * 10).astype("int64")))
    assert value(matrix_inverse, np.zeros((0, 0))).shape == (0, 0)


def test_a_singular_matrix():
    with pytest.raises(np.linalg.LinAlgError, match="Singular"):
        value(matrix_inverse, np.ones((2, 2)))
    assert value(det, np.ones((2, 2))) == 0


def test_cholesky():
    lower, upper = cholesky, Cholesky(lower=False)
    np.testing.assert_allclose(value(lower, POSITIVE), np.linalg.cholesky(POSITIVE))
    np.testing.assert_allclose(value(upper, POSITIVE), scipy.linalg.cholesky(POSITIVE))
    np.testing.assert_allclose(
        value(lower, np.tril(POSITIVE)), np.linalg.cholesky(POSITIVE)
    )
    np.testing.assert_allclose(
        value(upper, np.triu(POSITIVE)), scipy.linalg.cholesky(POSITIVE)
    )
    for function in (lower, upper):
        verify_grad(function, [POSITIVE])
        second_order(function, POSITIVE)
    with pytest.raises(np.linalg.LinAlgError):
        value(cholesky, -POSITIVE)
    assert np.isnan(value(Cholesky(on_error="nan"), -POSITIVE)).all()
    with pytest.raises(ValueError, match="on_error"):
        Cholesky(on_error="ignore")


@pytest.mark.parametrize("right", [(4,), (4, 3), (4, 0)])
def test_solve(right):
    b = RANDOM.normal(size=right)
    want = np.linalg.solve(A, b)
    np.testing.assert_allclose(value(solve, A, b), want)
    np.testing.assert_allclose(value(solve_symmetric, A, b), want)
    lower = scipy.linalg.solve_triangular(A, b, lower=True)
    np.testing.assert_allclose(value(solve_lower_triangular, A, b), lower)
    upper = scipy.linalg.solve_triangular(A, b, lower=False)
    np.testing.assert_allclose(value(solve_upper_triangular, A, b), upper)
    for function in (solve, solve_lower_triangular, solve_upper_triangular):
        verify_grad(function, [A, b])
    second_order(solve, A, b)
    second_order(solve_upper_triangular, A, b)


def test_wrong_systems():
    with pytest.raises(ShapeError, match="rows"):
        solve(A, np.ones(3))
    with pytest.raises(ShapeError, match="square"):
        solve(np.ones((2, 3)), np.ones(2))
    with pytest.raises(TypeError, match="vector or a matrix"):
        solve(A, np.ones((4, 1, 1)))
    with pytest.raises(TypeError, match="takes a matrix"):
        det(vector())
    with pytest.raises(ValueError):
        value(solve, A, np.ones(3))
    with pytest.raises(ValueError, match="A_structure"):
        Solve("round")
    with pytest.raises(np.linalg.LinAlgError):
        value(solve, np.ones((2, 2)), np.ones(2))
