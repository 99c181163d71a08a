"""The names of `theano.tensor.nlinalg`."""

# ruff: noqa: F401
from symnet.ops.diagonal import alloc_diag, diag
from symnet.ops.diagonal import diagonal as extract_diag
from symnet.ops.matrices import (
    matrix_dot, matrix_power, norm, tensorinv, tensorsolve, trace,
)  # fmt: skip
from symnet.ops.solving import Det, MatrixInverse, MatrixPinv, det, lstsq, matrix_inverse, pinv
from symnet.ops.spectral import SVD, Eig, Eigh, eig, eigh, qr, svd
