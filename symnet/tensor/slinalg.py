"""The names of `theano.tensor.slinalg`."""

# ruff: noqa: I001  (tables of names, several a line)
from __future__ import annotations

from symnet.ops.matrices import Expm, expm, kron
from symnet.ops.solving import (
    Cholesky, Solve, cholesky, solve, solve_lower_triangular, solve_symmetric,
    solve_upper_triangular,
)  # fmt: skip
from symnet.ops.spectral import eigvalsh

__all__ = [
    "Cholesky", "Expm", "Solve", "cholesky", "eigvalsh", "expm", "kron", "solve",
    "solve_lower_triangular", "solve_symmetric", "solve_upper_triangular",
]  # fmt: skip
