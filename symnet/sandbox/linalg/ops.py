"""The names of `theano.sandbox.linalg.ops`."""

from __future__ import annotations

from typing import Any

import numpy as np

from symnet.graph.variables import Variable
from symnet.ops.arithmetic import true_div
from symnet.ops.base import as_tensor
from symnet.ops.diagonal import alloc_diag, diag, extract_diag, trace
from symnet.ops.linalg.determinants import Det, det
from symnet.ops.linalg.least_squares import MatrixPinv, pinv
from symnet.ops.linalg.matrices import matrix_dot
from symnet.ops.linalg.products import dot
from symnet.ops.linalg.solving import (
    Cholesky,
    MatrixInverse,
    Solve,
    cholesky,
    matrix_inverse,
    solve,
)
from symnet.ops.linalg.spectral import eig, eigh, qr, svd


def psd(v: Any) -> Variable:
    """`v`, of which the user says that it is positive semi-definite.  Nothing is made of
    that: solving such a system by its triangles is `T.slinalg.cholesky`."""
    return as_tensor(v, ndim=2)


def spectral_radius_bound(X: Any, log2_exponent: int) -> Variable:
    """An upper bound of the largest absolute eigenvalue of a symmetric matrix of numbers
    that are not negative: (trace of X**k) ** (1/k) with k = 2**log2_exponent.

    Raises: TypeError for what is no matrix; ValueError for an exponent that is not above 0.
    """
    if not isinstance(log2_exponent, (int, np.integer)):
        raise TypeError(f"spectral_radius_bound: {log2_exponent!r} is no integer")
    if log2_exponent <= 0:
        raise ValueError(f"spectral_radius_bound: {log2_exponent} is not above 0")
    matrix = as_tensor(X)
    if matrix.type.ndim != 2:
        raise TypeError(f"spectral_radius_bound takes a matrix, not {matrix.type}")
    power = matrix
    for _ in range(log2_exponent):
        power = dot(power, power)
    result: Any = trace(power) ** true_div(1.0, float(2**log2_exponent))
    return result  # type: ignore[no-any-return]


imported_scipy = True  # programs ask before they solve

__all__ = [
    "Cholesky", "Det", "MatrixInverse", "MatrixPinv", "Solve", "alloc_diag", "cholesky",
    "det", "diag", "eig", "eigh", "extract_diag", "matrix_dot", "matrix_inverse", "pinv",
    "psd", "qr", "solve", "spectral_radius_bound", "svd", "trace",
]  # fmt: skip
