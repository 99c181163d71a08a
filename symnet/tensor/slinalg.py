"""The names of `theano.tensor.slinalg`."""

# ruff: noqa: I001  (tables of names, several a line)
from __future__ import annotations

from symnet.ops.linalg.linalg_names import Eigvalsh
from symnet.ops.linalg.matrices import kron
from symnet.ops.linalg.matrix_exponential import Expm, expm
from symnet.ops.linalg.solving import (
    STRUCTURES as MATRIX_STRUCTURES,
    Cholesky,
    Solve,
    cholesky,
    solve,
    solve_lower_triangular,
    solve_symmetric,
    solve_upper_triangular,
)
from symnet.ops.linalg.spectral import eigvalsh

imported_scipy = True  # programs ask before they solve

__all__ = [
    "Cholesky", "Eigvalsh", "Expm", "MATRIX_STRUCTURES", "Solve", "imported_scipy", "cholesky",
    "eigvalsh", "expm", "kron", "solve",
    "solve_lower_triangular", "solve_symmetric", "solve_upper_triangular",
]  # fmt: skip
