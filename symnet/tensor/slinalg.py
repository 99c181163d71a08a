"""The names of `theano.tensor.slinalg`."""

# ruff: noqa: I001  (tables of names, several a line)
from __future__ import annotations

from symnet.ops.linalg.matrices import Expm, expm, kron
from symnet.ops.linalg.solving import (
    Cholesky,
    Solve,
    cholesky,
    solve,
    solve_lower_triangular,
    solve_symmetric,
    solve_upper_triangular,
)
from symnet.ops.linalg.spectral import eigvalsh

__all__ = [
    "Cholesky", "Expm", "Solve", "cholesky", "eigvalsh", "expm", "kron", "solve",
    "solve_lower_triangular", "solve_symmetric", "solve_upper_triangular",
]  # fmt: skip
