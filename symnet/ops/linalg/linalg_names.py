"""Linear algebra and Fourier transforms by the names of Theano's classes.

An object of such a class is no node of a graph: a call builds the expression.
"""

from __future__ import annotations

from symnet.ops.diagonal import alloc_diag
from symnet.ops.fourier import irfft_op, rfft_op
from symnet.ops.linalg.matrices import tensorinv, tensorsolve
from symnet.ops.linalg.spectral import eigvalsh, qr
from symnet.ops.operation_class import REQUIRED, operation_object

__all__ = [
    "AllocDiag", "Eigvalsh", "IRFFTOp", "QRFull", "QRIncomplete", "RFFTOp", "TensorInv",
    "TensorSolve",
]  # fmt: skip

AllocDiag = operation_object(
    "AllocDiag",
    """`alloc_diag(v)`: a square matrix with a vector on its diagonal.

    >>> v = T.dvector("v")
    >>> T.nlinalg.AllocDiag()(v).eval({v: [5.0, 6.0]})
    array([[5., 0.],
           [0., 6.]])
    """,
    alloc_diag,
)
Eigvalsh = operation_object(
    "Eigvalsh",
    """The eigenvalues of a symmetric matrix a, ascending; with b those of a v = l b v.

    >>> x = T.dmatrix("x")
    >>> T.slinalg.Eigvalsh()(x, None).eval({x: [[2.0, 0.0], [0.0, -3.0]]})
    array([-3.,  2.])
    """,
    lambda a, b=None, lower=True: eigvalsh(a, b, lower),
    lower=True,
)
QRFull = operation_object(
    "QRFull",
    """`qr(x, mode)` with both results.

    >>> x = T.dmatrix("x")
    >>> q, r = T.nlinalg.QRFull("reduced")(x)
    >>> T.dot(q, r).eval({x: [[2.0, 1.0], [0.0, 3.0]]}).round(6)
    array([[2., 1.],
           [0., 3.]])
    """,
    qr,
    mode=REQUIRED,
)
QRIncomplete = operation_object(
    "QRIncomplete",
    """`qr(x, mode)` with one result, as for mode "r".

    >>> x = T.dmatrix("x")
    >>> abs(T.nlinalg.QRIncomplete("r")(x)).eval({x: [[2.0, 1.0], [0.0, 3.0]]})
    array([[2., 1.],
           [0., 3.]])
    """,
    qr,
    mode=REQUIRED,
)
TensorInv = operation_object(
    "TensorInv",
    """`tensorinv(a, ind)`.

    >>> x = T.dmatrix("x")
    >>> T.nlinalg.TensorInv(ind=1)(x).eval({x: [[2.0, 0.0], [0.0, 4.0]]})
    array([[0.5 , 0.  ],
           [0.  , 0.25]])
    """,
    tensorinv,
    ind=2,
)
TensorSolve = operation_object(
    "TensorSolve",
    """`tensorsolve(a, b, axes)`.

    >>> a, b = T.dmatrix("a"), T.dvector("b")
    >>> T.nlinalg.TensorSolve()(a, b).eval({a: [[2.0, 0.0], [0.0, 4.0]], b: [2.0, 2.0]})
    array([1. , 0.5])
    """,
    tensorsolve,
    axes=None,
)
RFFTOp = operation_object(
    "RFFTOp", "`rfft_op(x, s)`: Theano's real Fourier transform.", rfft_op
)
IRFFTOp = operation_object("IRFFTOp", "`irfft_op(x, s)`: its inverse.", irfft_op)
