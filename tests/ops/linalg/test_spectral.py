"""Eigenvalues, singular values and orthogonal factors, against NumPy and SciPy."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg

import symnet
import symnet.tensor as T
from symnet.errors import NullTypeGradError
from symnet.gradient import grad, verify_grad
from symnet.graph.types import TensorType
from symnet.ops.inputs import matrix, zmatrix
from symnet.ops.linalg.products import dot
from symnet.ops.linalg.spectral import QR, SVD, Eigh, eig, eigh, eigvalsh, qr, svd
from tests.helpers import run

RANDOM = np.random.default_rng(4)
SQUARE = RANDOM.normal(size=(4, 4))
SYMMETRIC = SQUARE + SQUARE.T
POSITIVE = SQUARE @ SQUARE.T + np.eye(4)


def value(function, *arrays):
    inputs = [TensorType(a.dtype, (None,) * a.ndim)() for a in arrays]
    return run(function(*inputs), dict(zip(inputs, arrays)))


def test_eig():
    values, vectors = value(eig, SYMMETRIC)
    np.testing.assert_allclose(SYMMETRIC @ vectors, vectors * values, atol=1e-12)
    turn = np.array([[0.0, -1.0], [1.0, 0.0]])
    with pytest.raises(ValueError, match="complex eigenvalues"):
        value(eig, turn)
    values, _ = value(eig, turn.astype("complex128"))
    np.testing.assert_allclose(sorted(values.imag), [-1, 1])


def test_eigenvalues_of_complex_matrices_are_native():
    z = zmatrix()
    f = symnet.function([z], eig(z))
    assert not any(segment.reference for segment in f.engine.segments)
    for size in (0, 1, 2, 6):
        matrix = RANDOM.normal(size=(size, size)) + 1j * RANDOM.normal(
            size=(size, size)
        )
        values, vectors = f(matrix)
        np.testing.assert_allclose(matrix @ vectors, vectors * values, atol=1e-12)
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=0), 1)
    with pytest.raises(np.linalg.LinAlgError, match="converge"):
        f(matrix * np.nan)


@pytest.mark.parametrize("uplo", ["L", "U"])
def test_eigh(uplo):
    half = np.tril(SYMMETRIC) if uplo == "L" else np.triu(SYMMETRIC)
    values, vectors = value(lambda x: eigh(x, uplo), half)
    np.testing.assert_allclose(values, np.linalg.eigvalsh(SYMMETRIC))
    np.testing.assert_allclose(SYMMETRIC @ vectors, vectors * values, atol=1e-12)
    verify_grad(lambda x: eigh(x, uplo)[0], [SYMMETRIC])
    verify_grad(lambda x: eigh(x, uplo)[1] ** 2, [SYMMETRIC])
    verify_grad(lambda x: eigh(x, uplo), [SYMMETRIC])

    def slope(x):
        return grad((eigh(x, uplo)[0] ** 3).sum(), x)

    verify_grad(slope, [SYMMETRIC], n_tests=1)
    with pytest.raises(ValueError, match="UPLO"):
        Eigh("X")


@pytest.mark.parametrize("lower", [True, False])
def test_eigvalsh(lower):
    np.testing.assert_allclose(
        value(lambda a: eigvalsh(a, None, lower), SYMMETRIC),
        np.linalg.eigvalsh(SYMMETRIC),
    )
    np.testing.assert_allclose(
        value(lambda a: eigvalsh(a, T.NoneConst, lower), SYMMETRIC),
        np.linalg.eigvalsh(SYMMETRIC),
    )
    want = scipy.linalg.eigvalsh(SYMMETRIC, POSITIVE)
    half = np.tril if lower else np.triu
    found = value(lambda a, b: eigvalsh(a, b, lower), half(SYMMETRIC), half(POSITIVE))
    np.testing.assert_allclose(found, want)
    verify_grad(lambda a, b: eigvalsh(a, b, lower), [SYMMETRIC, POSITIVE])


SHAPES = [(4, 4), (5, 3), (3, 5), (1, 3)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_svd(shape):
    x = RANDOM.normal(size=shape)
    for full in (True, False):
        u, s, vt = value(lambda a: svd(a, full), x)  # noqa: B023
        want = np.linalg.svd(x, full)
        assert [u.shape, s.shape, vt.shape] == [w.shape for w in want]
        k = len(s)
        np.testing.assert_allclose((u[:, :k] * s) @ vt[:k], x, atol=1e-12)
    np.testing.assert_allclose(value(lambda a: svd(a, compute_uv=0), x), s)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_gradients_of_svd(shape):
    x = RANDOM.normal(size=shape)
    thin = SVD(full_matrices=False)
    verify_grad(lambda a: svd(a, compute_uv=0), [x])
    verify_grad(lambda a: svd(a)[1], [x])
    for k in range(3):
        verify_grad(lambda a: thin(a)[k] ** 2, [x])  # noqa: B023
    verify_grad(thin, [x])
    verify_grad(lambda a: grad((svd(a, compute_uv=0) ** 3).sum(), a), [x], n_tests=1)
    v = matrix("v")
    with pytest.raises(NullTypeGradError, match="use False"):
        grad(svd(v)[0].sum(), v)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_qr(shape):
    x = RANDOM.normal(size=shape)
    for mode in ("reduced", "complete"):
        q, r = value(lambda a: qr(a, mode), x)  # noqa: B023
        want = np.linalg.qr(x, mode)
        assert q.shape == want[0].shape and r.shape == want[1].shape
        np.testing.assert_allclose(q @ r, x, atol=1e-12)
    np.testing.assert_allclose(value(lambda a: qr(a, "r"), x), np.linalg.qr(x, "r"))


def test_gradients_of_qr():
    for shape in ((4, 4), (5, 3)):
        x = RANDOM.normal(size=shape)
        verify_grad(qr, [x])
        verify_grad(lambda a: qr(a)[0] ** 2, [x])
        verify_grad(lambda a: qr(a, "r"), [x])
        verify_grad(lambda a: grad((dot(*qr(a)) ** 2).sum(), a), [x], n_tests=1)
    wide = TensorType("float64", (2, 3))()
    with pytest.raises(NullTypeGradError, match="not defined"):
        grad(qr(wide)[1].sum(), wide)
    with pytest.raises(ValueError, match="mode"):
        QR("half")
