"""The exponential of matrices, against SciPy, mpmath and differences."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
import scipy.linalg

import symnet
import symnet.tensor as T
from symnet.gradient import grad, verify_grad
from symnet.ops.linalg.matrix_exponential import expm

RANDOM = np.random.default_rng(6)


def numbers(shape, dtype):
    found = RANDOM.normal(size=shape).astype(dtype)
    if found.dtype.kind == "c":
        found.imag = RANDOM.normal(size=shape)
    return found


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
def test_sizes_and_norms(dtype):
    x = T.TensorType(dtype, (None, None))("x")
    f = symnet.function([x], expm(x))
    assert len(f.engine.segments) == 1  # natively as a whole
    eps = np.finfo(dtype).eps
    for size in (0, 1, 2, 5, 30):
        for scale in (0, 1e-8, 0.1, 1, 20):
            value = numbers((size, size), dtype) * np.array(scale / max(size, 1), dtype)
            wide = value.astype("complex128" if value.dtype.kind == "c" else "float64")
            want, got = scipy.linalg.expm(wide), f(value)
            assert got.dtype == dtype and got.shape == value.shape
            limit = 200 * eps * np.abs(want).max(initial=1)
            np.testing.assert_allclose(got, want, atol=limit)


def test_matrices_far_from_normal():
    """Norms of powers, not the norm, say how often to square."""
    f = symnet.function([x := T.dmatrix()], expm(x))
    for value in ([[1.0, 1e6], [0.0, -1.0]], [[0.0, 1e12], [0.0, 0.0]]):
        value = np.array(value)
        with mpmath.workdps(60):
            want = np.array(mpmath.expm(mpmath.matrix(value)).tolist(), dtype=float)
        np.testing.assert_allclose(f(value), want, rtol=1e-13)
    np.testing.assert_allclose(f(np.diag([-1e7, 0, 5])), np.diag([0, 1, np.exp(5)]))
    assert np.isnan(f(np.array([[np.nan, 0], [0, 1]]))).any()


def test_batches():
    x = T.dtensor3("x")
    value = RANDOM.normal(size=(4, 3, 3)) * np.array([0.1, 1, 30, 0])[:, None, None]
    f = symnet.function([x], expm(x))
    assert not any(segment.reference for segment in f.engine.segments)
    np.testing.assert_allclose(f(value), scipy.linalg.expm(value), rtol=1e-10)
    assert f(value[:0]).shape == (0, 3, 3)
    slope = symnet.function([x], grad(expm(x).sum(), x))(value[:2])
    for one, found in zip(value, slope, strict=False):
        _, want = scipy.linalg.expm_frechet(one.T, np.ones((3, 3)))
        np.testing.assert_allclose(found, want, rtol=1e-9)


def test_gradients():
    value = RANDOM.normal(size=(3, 3)) + 2 * np.eye(3)
    verify_grad(lambda x: grad((expm(x) ** 2).sum(), x), [value / 3], n_tests=1)
    x, direction = T.dmatrix("x"), RANDOM.normal(size=(3, 3))
    slope = symnet.function([x], grad((expm(x) * direction).sum(), x))
    _, want = scipy.linalg.expm_frechet(value.T, direction)
    np.testing.assert_allclose(slope(value), want, rtol=1e-10)


def test_in_loops_and_in_debugmode():
    x = T.dmatrix("x")
    rows, _ = symnet.scan(lambda s: expm(s) / 5, outputs_info=x, n_steps=3)
    value = want = RANDOM.normal(size=(3, 3))
    for _ in range(3):
        want = scipy.linalg.expm(want) / 5
    np.testing.assert_allclose(symnet.function([x], rows[-1])(value), want, rtol=1e-9)
    f = symnet.function([x], expm(x), mode="DebugMode")
    np.testing.assert_allclose(f(value), scipy.linalg.expm(value), rtol=1e-10)
    with pytest.raises(ValueError, match="square|agree"):
        f(np.zeros((2, 3)))
