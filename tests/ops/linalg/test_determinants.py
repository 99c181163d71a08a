"""Determinants and their logarithms, against NumPy; derivatives against minors written
out and differences of them, at singular matrices too."""

from __future__ import annotations

import numpy as np
import pytest

from symnet.compile.function import function
from symnet.errors import ShapeError
from symnet.gradient import grad, verify_grad
from symnet.graph.types import TensorType
from symnet.ops.complex_parts import real
from symnet.ops.inputs import matrix, vector, zmatrix
from symnet.ops.linalg.determinants import det, slogdet

RANDOM = np.random.default_rng(5)
MODES = ["FAST_RUN", "FAST_COMPILE"]


def cofactors(a):
    """By the definition: signed minors."""
    n = len(a)
    found = np.zeros((n, n))
    for i in range(n):
        for j in range(n):
            minor = np.delete(np.delete(a, i, 0), j, 1)
            found[i, j] = (-1) ** (i + j) * np.linalg.det(minor)
    return found


def of_rank(n, rank):
    return RANDOM.normal(size=(n, rank)) @ RANDOM.normal(size=(rank, n))


x, g = matrix("x"), matrix("g")
FIRST = function([x], grad(det(x), x))
SECOND = function([x, g], grad((grad(det(x), x) * g).sum(), x))
RANKS = [(n, r) for n in (0, 1, 2, 3, 5, 7) for r in range(max(0, n - 3), n + 1)]


@pytest.mark.parametrize("n, rank", RANKS)
def test_gradient_at_matrices_of_every_rank(n, rank):
    a = of_rank(n, rank)
    want = cofactors(a)
    np.testing.assert_allclose(FIRST(a), want, rtol=1e-9, atol=1e-12 * 10.0**n)


@pytest.mark.parametrize("n, rank", RANKS)
def test_second_derivatives(n, rank):
    """Cofactors are of second degree at most in each element: differences are exact."""
    a, weights = of_rank(n, rank), RANDOM.normal(size=(n, n))
    want = np.zeros((n, n))
    for place in np.ndindex(n, n):
        step = np.zeros((n, n))
        step[place] = 0.5
        change = cofactors(a + step) - cofactors(a - step)
        want[place] = (change * weights).sum()
    np.testing.assert_allclose(
        SECOND(a, weights), want, rtol=1e-8, atol=1e-11 * 10.0**n
    )


def test_simple_singular_matrices():
    np.testing.assert_allclose(FIRST(np.array([[1.0, 2], [2, 4]])), [[4, -2], [-2, 1]])
    np.testing.assert_allclose(FIRST(np.diag([1.0, 1, 0])), np.diag([0, 0, 1.0]))
    np.testing.assert_array_equal(FIRST(np.zeros((3, 3))), np.zeros((3, 3)))
    np.testing.assert_array_equal(FIRST(np.zeros((1, 1))), [[1]])
    assert np.isnan(FIRST(np.full((2, 2), np.nan))).all()
    # The determinant vanishes, the cofactors do not.
    np.testing.assert_allclose(FIRST(np.diag([1e-200, 1e-200])), np.eye(2) * 1e-200)


def test_third_order():
    def twice(v):
        return grad((grad(det(v), v) ** 2).sum(), v)

    a = RANDOM.normal(size=(3, 3)) + 2 * np.eye(3)
    verify_grad(twice, [a], n_tests=1)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_dtypes(dtype):
    a = TensorType(dtype, (None, None))("a")
    sign, logarithm = slogdet(a)
    outputs = [grad(det(a), a), sign, logarithm, grad(logarithm, a)]
    value = np.array([[1, 2], [3, 4]], dtype)
    for mode in MODES:
        by_det, s, logabs, by_log = function([a], outputs, mode=mode)(value)
        assert {v.dtype.name for v in (by_det, s, logabs, by_log)} == {dtype}
        rtol = 3 * np.finfo(dtype).eps
        np.testing.assert_allclose(by_det, [[4, -3], [-2, 1]], rtol=rtol)
        assert s == -1
        np.testing.assert_allclose(logabs, np.log(2), rtol=rtol)
        np.testing.assert_allclose(
            by_log, np.linalg.inv(value.astype("f8")).T, rtol=rtol
        )
    whole = slogdet(TensorType("int64", (None, None))("i"))
    assert [v.type.dtype for v in whole] == ["float64", "float64"]


def test_sign_and_logarithm():
    compute = function([x], slogdet(x))
    for n in (0, 1, 2, 5):
        a = RANDOM.normal(size=(n, n))
        np.testing.assert_allclose(compute(a), np.linalg.slogdet(a), rtol=1e-12)
    assert [float(v) for v in compute(np.ones((2, 2)))] == [0, -np.inf]
    sign, logarithm = compute(np.diag(np.full(500, -0.01)))
    assert sign == 1
    np.testing.assert_allclose(logarithm, 500 * np.log(0.01), rtol=1e-14)
    nearly = np.array([[1.0, 1], [1, 1 + 1e-14]])
    np.testing.assert_allclose(compute(nearly)[1], np.linalg.slogdet(nearly)[1])


def test_gradient_of_the_logarithm():
    a = RANDOM.normal(size=(4, 4))
    verify_grad(lambda v: slogdet(v)[1], [a])
    verify_grad(lambda v: grad(slogdet(v)[1], v), [a])
    by_sign = function([x], grad(slogdet(x)[0], x))
    np.testing.assert_array_equal(by_sign(a), np.zeros((4, 4)))
    large = np.diag(np.full(500, 0.01))
    by_log = function([x], grad(slogdet(x)[1], x))
    np.testing.assert_allclose(by_log(large), np.diag(np.full(500, 100.0)))
    with pytest.raises(np.linalg.LinAlgError, match="Singular"):
        by_log(np.ones((2, 2)))


def test_complex_matrices():
    z = zmatrix("z")
    compute = function([z], slogdet(z))
    a = RANDOM.normal(size=(3, 3)) + 1j * RANDOM.normal(size=(3, 3))
    got, want = compute(a), np.linalg.slogdet(a)
    np.testing.assert_allclose(got[0], want[0])
    np.testing.assert_allclose(got[1], want[1])
    assert [v.dtype.name for v in got] == ["complex128", "float64"]
    slope = function([z], grad(slogdet(z)[1], z))(a)  # d log|det| = Re tr(inverse da)
    np.testing.assert_allclose(slope, np.linalg.inv(a).conj().T)
    with pytest.raises(np.linalg.LinAlgError):
        function([z], grad(real(det(z)), z))(np.zeros((2, 2)))


def test_errors():
    for op in (det, slogdet):
        with pytest.raises(TypeError, match="takes a matrix"):
            op(vector())
        with pytest.raises(ShapeError, match="square"):
            op(TensorType("float64", (2, 3))())
        with pytest.raises(ValueError, match="square"):
            function([x], op(x))(np.ones((2, 3)))
