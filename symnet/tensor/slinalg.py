"""The names of `theano.tensor.slinalg`."""

# ruff: noqa: F401
from symnet.ops.matrices import Expm, expm, kron
from symnet.ops.solving import (
    Cholesky, Solve, cholesky, solve, solve_lower_triangular, solve_symmetric,
    solve_upper_triangular,
)  # fmt: skip
from symnet.ops.spectral import eigvalsh
