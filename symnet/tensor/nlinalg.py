"""The names of `theano.tensor.nlinalg`."""

# ruff: noqa: I001  (tables of names, several a line)
from __future__ import annotations

from symnet.ops.linalg.determinants import Det, SLogDet, det, slogdet
from symnet.ops.diagonal import alloc_diag, diag, extract_diag, trace
from symnet.ops.linalg.matrices import (
    matrix_dot,
    matrix_power,
    norm,
    tensorinv,
    tensorsolve,
)
from symnet.ops.linalg.linalg_names import (
    AllocDiag, QRFull, QRIncomplete, TensorInv, TensorSolve,
)  # fmt: skip
from symnet.ops.operation_objects import ExtractDiag
from symnet.ops.linalg.least_squares import MatrixPinv, lstsq, pinv
from symnet.ops.linalg.solving import MatrixInverse, matrix_inverse
from symnet.ops.linalg.spectral import SVD, Eig, Eigh, eig, eigh, qr, svd

__all__ = [
    "AllocDiag", "ExtractDiag", "QRFull", "QRIncomplete", "TensorInv", "TensorSolve",
    "Det", "Eig", "Eigh", "MatrixInverse", "MatrixPinv", "SLogDet", "SVD", "alloc_diag", "det",
    "diag", "eig", "eigh", "extract_diag", "lstsq", "matrix_dot", "matrix_inverse",
    "matrix_power", "norm", "pinv", "qr", "slogdet", "svd", "tensorinv", "tensorsolve", "trace",
]  # fmt: skip
