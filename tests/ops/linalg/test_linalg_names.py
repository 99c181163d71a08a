"""Linear algebra and transforms by the names of Theano's classes, against NumPy and SciPy."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg

import symnet
import symnet.tensor as T
from symnet.ops.linalg import linalg_names as names

M = np.random.default_rng(3).normal(size=(4, 4))


def run(op: object, *values: np.ndarray) -> object:
    variables = [T.TensorType("float64", (None,) * v.ndim)() for v in values]
    return symnet.function(variables, op(*variables))(*values)  # type: ignore[operator]


def test_decompositions_and_eigenvalues() -> None:
    for found, want in zip(run(names.QRFull("reduced"), M), np.linalg.qr(M)):
        np.testing.assert_allclose(found, want, atol=1e-12)
    np.testing.assert_allclose(
        run(names.QRIncomplete("r"), M), np.linalg.qr(M, "r"), atol=1e-12
    )
    a, b = M @ M.T, np.eye(4) + 0.1
    np.testing.assert_allclose(run(names.Eigvalsh(), a, b), scipy.linalg.eigvalsh(a, b))
    with pytest.raises(TypeError, match="mode"):
        names.QRFull()


def test_inverses_and_solutions_of_tensors() -> None:
    a = np.eye(24).reshape(4, 6, 8, 3)
    np.testing.assert_allclose(run(names.TensorInv(2), a), np.linalg.tensorinv(a, 2))
    b = np.ones((4, 6))
    np.testing.assert_allclose(
        run(names.TensorSolve(), a, b), np.linalg.tensorsolve(a, b)
    )
    np.testing.assert_array_equal(run(names.AllocDiag(), M[0]), np.diag(M[0]))


def test_transforms_there_and_back() -> None:
    there = run(names.RFFTOp(), M)
    np.testing.assert_allclose(there[..., 0], np.fft.rfft(M).real, atol=1e-12)
    np.testing.assert_allclose(run(names.IRFFTOp(), there), 4 * M, atol=1e-12)
