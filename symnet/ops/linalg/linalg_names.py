"""Linear algebra and Fourier transforms by the names of Theano's classes.

An object of such a class is no node of a graph: a call builds the expression.
"""

from __future__ import annotations

from symnet.ops.diagonal import alloc_diag
from symnet.ops.fourier import irfft_op, rfft_op
from symnet.ops.linalg.matrices import tensorinv, tensorsolve
from symnet.ops.linalg.spectral import eigvalsh, qr
from symnet.ops.operation_objects import REQUIRED, operation_object

__all__ = [
    "AllocDiag", "Eigvalsh", "IRFFTOp", "QRFull", "QRIncomplete", "RFFTOp", "TensorInv",
    "TensorSolve",
]  # fmt: skip

AllocDiag = operation_object("AllocDiag", alloc_diag)
Eigvalsh = operation_object(
    "Eigvalsh", lambda a, b=None, lower=True: eigvalsh(a, b, lower), lower=True
)
QRFull = operation_object("QRFull", qr, mode=REQUIRED)
QRIncomplete = operation_object("QRIncomplete", qr, mode=REQUIRED)
TensorInv = operation_object("TensorInv", tensorinv, ind=2)
TensorSolve = operation_object("TensorSolve", tensorsolve, axes=None)
RFFTOp = operation_object("RFFTOp", rfft_op)
IRFFTOp = operation_object("IRFFTOp", irfft_op)
