"""Eigenvalues, singular values, orthogonal factors, functions of matrices.

As in `ops.linalg.solving`, these are LAPACK's and have gradients for real matrices.
Reference steps: eigenvalues of real matrices that are not symmetric.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symnet.graph.op import Gradients, Vars
from symnet.graph.types import (
    COMPLEX,
    DisconnectedType,
    NoneTypeT,
    NullType,
    TensorType,
)
from symnet.graph.variables import Apply, Variable, make_variable
from symnet.kernels.routines import MatrixFunction
from symnet.ops.arithmetic import (
    add,
    mul,
    neg,
    reciprocal,
    sqr,
    sub,
    switch,
)
from symnet.ops.base import as_tensor
from symnet.ops.composed import Composed
from symnet.ops.creation import eye, tril, triu
from symnet.ops.elementwise import cast
from symnet.ops.indexing import getitem
from symnet.ops.linalg.products import dot, matmul, swapped
from symnet.ops.linalg.solving import (
    Cholesky,
    MatrixOp,
    cholesky,
    known_size,
    only_real,
    precise,
    read_triangle,
    rows_of,
    smallest_size,
    solve_lower_triangular,
    solve_upper_triangular,
    square_size,
)
from symnet.ops.lowerings import CallOf, Lowering, Reference, Shapes, Sizes
from symnet.ops.shape import dimshuffle
from symnet.ops.sizes import shape_i

__all__ = [
    "Eig", "eig", "Eigh", "eigh", "eigvalsh", "QR", "qr", "SVD", "svd",
]  # fmt: skip


def connected(gradient: Variable) -> bool:
    return not isinstance(gradient.type, DisconnectedType)


def row(x: Variable) -> Variable:
    """Vectors as matrices of one row."""
    last = x.type.ndim - 1
    return dimshuffle(x, *range(last), "x", last)


def column(x: Variable) -> Variable:
    """Vectors as matrices of one column."""
    return dimshuffle(x, *range(x.type.ndim), "x")


def differences_inverted(values: Variable) -> Variable:
    """1 / (values[j] - values[i]) at (i, j); 0 on the diagonal."""
    n = shape_i(values, values.type.ndim - 1)
    same = cast(eye(n), "bool")
    apart = sub(row(values), column(values))
    return switch(same, 0, reciprocal(switch(same, 1, apart)))


# ---- eigenvalues


class Eig(MatrixOp):
    """Eigenvalues and right eigenvectors (columns) of a square matrix.

    Dtypes: those of x; a real matrix with complex eigenvalues is refused.
    Complex matrices are LAPACK's, called natively.  Real ones are a reference step, as their
    eigenvalues must be looked at.  It has no gradient, as in Theano.  Of a complex matrix with
    NaN or infinities LAPACK also complains on the standard error output.
    Raises: ValueError for that; LinAlgError where it does not converge.

    >>> x = T.dmatrix("x")
    >>> values, vectors = T.nlinalg.Eig()(x)
    >>> values.eval({x: [[2.0, 1.0], [0.0, 3.0]]})
    array([2., 3.])
    """

    def lowering(self, node: Apply) -> Lowering:
        if node.inputs[0].type.dtype != "complex128":
            return Reference()
        return self.called(node, "eig", "Eigenvalues did not converge")

    def make_node(self, x: Any) -> Apply:
        x = self.matrix(x)
        size = known_size(x)
        return Apply(self, [x], self.outputs(x, (size,), (size, size)))

    def infer_sizes(self, node: Apply, inputs: Shapes, sizes: Sizes) -> Shapes:
        size, batch = square_size(inputs[0], sizes), inputs[0][:-2]
        return [(*batch, size), (*batch, size, size)]

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        x = precise(arrays[0])
        values, vectors = xp.linalg.eig(x)
        if values.dtype.kind == "c" and x.dtype.kind != "c":
            # Since NumPy 2.5 the results are complex even where they are all real.
            if (values.imag != 0).any():
                raise ValueError(
                    "the matrix has complex eigenvalues: cast it to complex first"
                )
            values, vectors = values.real, vectors.real
        return self.finished(node, [values, vectors], xp)


class Eigh(Eig):
    """Eigenvalues (ascending) and eigenvectors (columns) of a symmetric matrix, or of each
    of a batch.

    Shapes: (..., n, n) -> (..., n), (..., n, n).

    UPLO: which triangle is read, "L" or "U".
    Source of the gradient: Giles 2008, section 3.1.  That with respect to eigenvectors is
    not defined where eigenvalues are equal, and is infinite or NaN there; that with
    respect to eigenvalues alone is right for every function that treats equal ones alike.

    >>> x = T.dmatrix("x")
    >>> values, vectors = T.nlinalg.Eigh()(x)
    >>> values.eval({x: [[2.0, 0.0], [0.0, -3.0]]})
    array([-3.,  2.])
    """

    __props__ = ("UPLO",)
    batched = True

    def __init__(self, UPLO: str = "L") -> None:
        if UPLO not in ("L", "U"):
            raise ValueError(f"UPLO is 'L' or 'U', not {UPLO!r}")
        self.UPLO = UPLO

    def make_node(self, x: Any) -> Apply:
        x = self.matrix(x)
        size = known_size(x)
        kind = np.dtype(x.type.dtype).type(0).real.dtype
        values = TensorType(kind, (*x.type.shape[:-2], size))
        return Apply(self, [x], [make_variable(values), *self.outputs(x, (size, size))])

    def lowering(self, node: Apply) -> Lowering:
        kind = f"eigh_{'lo' if self.UPLO == 'L' else 'up'}"
        return self.called(node, kind, "Eigenvalues did not converge")

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        return self.finished(node, xp.linalg.eigh(precise(arrays[0]), self.UPLO), xp)

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        complex_answer = only_real(self, inputs[0])
        if complex_answer is not None:
            return [complex_answer]
        (w, v), (by_w, by_v) = outputs, output_gradients
        inner = (
            mul(eye(rows_of(v), dtype=w.type.dtype), row(by_w))
            if connected(by_w)
            else None
        )
        if connected(by_v):
            turning = mul(differences_inverted(w), matmul(swapped(v), by_v))
            inner = turning if inner is None else add(inner, turning)
        assert inner is not None
        full = matmul(v, matmul(inner, swapped(v)))
        return [read_triangle(full, lower=self.UPLO == "L")]


eig = Eig()


def eigh(a: Any, UPLO: str = "L") -> list[Variable]:
    """Eigenvalues (ascending) and eigenvectors (columns) of the symmetric matrix whose
    lower ("L") or upper ("U") triangle is given."""
    return Eigh(UPLO)(a, return_list=True)


def eigvalsh(a: Any, b: Any = None, lower: bool = True) -> Variable:
    """Eigenvalues (ascending) of a v = w b v; `a` symmetric, `b` positive definite (the
    identity where it is None)."""
    uplo = "L" if lower else "U"
    if b is None or isinstance(getattr(b, "type", None), NoneTypeT):
        return eigh(a, uplo)[0]
    a = as_tensor(a)
    factor = cholesky(b) if lower else swapped(Cholesky(lower=False)(b))
    given = tril(a) if lower else tril(swapped(a))
    whole = add(given, swapped(tril(given, -1)))
    half = solve_lower_triangular(factor, whole)
    return eigh(swapped(solve_lower_triangular(factor, swapped(half))))[0]


# ---- singular values


class SVD(MatrixOp):
    """u, s, vt with x = u diag(s) vt; s descending; for each of a batch.

    Shapes: (..., m, n) -> (..., m, k), (..., k), (..., k, n) with k = min(m, n).

    full_matrices: u and vt square, instead of min(m, n) columns and rows.
    compute_uv: False gives s alone.
    Source of the gradient: Townsend 2016, "Differentiating the singular value
    decomposition".  That of the square u or vt of a matrix that is not square is not
    defined; that of u or vt where singular values are equal or 0 is infinite or NaN.

    >>> x = T.dmatrix("x")
    >>> T.nlinalg.SVD(compute_uv=False)(x).eval({x: [[3.0, 0.0], [0.0, -4.0]]})
    array([4., 3.])
    """

    __props__ = ("full_matrices", "compute_uv")
    batched = True

    def __init__(self, full_matrices: bool = True, compute_uv: bool = True) -> None:
        self.full_matrices, self.compute_uv = bool(full_matrices), bool(compute_uv)

    def make_node(self, x: Any) -> Apply:
        x = self.matrix(x, square=False)
        *batch, m, n = x.type.shape
        k = None if m is None or n is None else min(m, n)
        kind = np.dtype(x.type.dtype).type(0).real.dtype
        values = make_variable(TensorType(kind, (*batch, k)))
        if not self.compute_uv:
            return Apply(self, [x], [values])
        full = self.full_matrices
        u, vt = self.outputs(x, (m, m if full else k), (n if full else k, n))
        return Apply(self, [x], [u, values, vt])

    def infer_sizes(self, node: Apply, inputs: Shapes, sizes: Sizes) -> Shapes:
        *batch, m, n = inputs[0]
        k = smallest_size(inputs[0])
        if not self.compute_uv:
            return [(*batch, k)]
        full = self.full_matrices
        shapes = (m, m if full else k), (k,), (n if full else k, n)
        return [(*batch, *shape) for shape in shapes]

    def lowering(self, node: Apply) -> Lowering:
        kind = "svd_f" if self.full_matrices else "svd_s"
        kind = kind if self.compute_uv else "svd"
        return self.called(node, kind, "SVD did not converge")

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        x = precise(arrays[0])
        found = xp.linalg.svd(x, self.full_matrices, self.compute_uv)
        return self.finished(node, found if self.compute_uv else [found], xp)

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        (x,) = inputs
        complex_answer = only_real(self, x)
        if complex_answer is not None:
            return [complex_answer]
        by_u, by_s, by_vt = (
            output_gradients if self.compute_uv else (None, output_gradients[0], None)
        )
        vectors = any(g is not None and connected(g) for g in (by_u, by_vt))
        if vectors and self.full_matrices:
            rows, columns = x.type.shape[-2:]
            if rows is None or rows != columns:
                why = "the gradient of full_matrices=True is not defined: use False"
                return [make_variable(NullType(why))]
        u, s, vt = SVD(full_matrices=False)(x, return_list=True)
        k, dtype = shape_i(s, s.type.ndim - 1), s.type.dtype
        zero = mul(eye(k, dtype=dtype), 0)
        inner = mul(eye(k, dtype=dtype), row(by_s)) if connected(by_s) else zero
        between = differences_inverted(sqr(s))
        full = None
        if by_u is not None and connected(by_u):
            turning = mul(between, _antisymmetric(matmul(swapped(u), by_u)))
            inner = add(inner, mul(turning, row(s)))
            rest = mul(
                sub(by_u, matmul(u, matmul(swapped(u), by_u))), reciprocal(row(s))
            )
            full = matmul(rest, vt)
        if by_vt is not None and connected(by_vt):
            turning = mul(between, _antisymmetric(matmul(vt, swapped(by_vt))))
            inner = add(inner, mul(column(s), turning))
            rest = mul(
                reciprocal(column(s)),
                sub(by_vt, matmul(matmul(by_vt, swapped(vt)), vt)),
            )
            full = matmul(u, rest) if full is None else add(full, matmul(u, rest))
        result = matmul(u, matmul(inner, vt))
        return [result if full is None else add(result, full)]


def _antisymmetric(x: Variable) -> Any:
    return sub(x, swapped(x))


def svd(a: Any, full_matrices: Any = 1, compute_uv: Any = 1) -> Any:
    """u, s, vt with a = u diag(s) vt, or s alone: see SVD."""
    return SVD(bool(full_matrices), bool(compute_uv))(a)


# ---- QR


class Reflections(MatrixOp):
    """A matrix as LAPACK's geqrf leaves it, and the factors of its reflections.

    Above and on the diagonal stands r; below it, with a 1 on it, the vector v of each
    reflection 1 - factor v v^H, whose product is q.
    Shapes: (m, n) -> (m, n), (min(m, n),).  Dtypes: float64, complex128.
    """

    def make_node(self, x: Any) -> Apply:
        x = self.matrix(x, square=False)
        m, n = x.type.shape
        k = None if m is None or n is None else min(m, n)
        return Apply(self, [x], self.outputs(x, (m, n), (k,)))

    def infer_sizes(self, node: Apply, inputs: Shapes, sizes: Sizes) -> Shapes:
        return [inputs[0], (smallest_size(inputs[0]),)]

    def lowering(self, node: Apply) -> Lowering:
        routine = MatrixFunction("qr_r_raw", node.inputs[0].type.dtype, False)
        return CallOf(routine, (0,), initial=0)

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        turned, factors = xp.linalg.qr(arrays[0], "raw")
        return self.finished(node, [turned.T, factors], xp)


class OrthogonalFactor(MatrixOp):
    """The product q of reflections: its first min(m, n) columns, or all m (`complete`).

    Shapes: (m, n), (min(m, n),) -> (m, min(m, n)) or (m, m).
    """

    __props__ = ("complete",)

    def __init__(self, complete: bool) -> None:
        self.complete = bool(complete)

    def make_node(self, x: Any, factors: Any) -> Apply:
        x, factors = self.matrix(x, square=False), as_tensor(factors, ndim=1)
        m = x.type.shape[0]
        columns = m if self.complete else factors.type.shape[0]
        return Apply(self, [x, factors], self.outputs(x, (m, columns)))

    def infer_sizes(self, node: Apply, inputs: Shapes, sizes: Sizes) -> Shapes:
        m, k = inputs[0][0], smallest_size(inputs[0])
        sizes.equal(inputs[1][0], k, "the reflections of a matrix")
        return [(m, m if self.complete else k)]

    def lowering(self, node: Apply) -> Lowering:
        return self.called(node, "qr_complete" if self.complete else "qr_reduced")

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        x, factors = arrays
        m, k = len(x), len(factors)
        q = xp.eye(m, m if self.complete else k, dtype=x.dtype)
        for i in reversed(range(k)):
            v = x[:, i].copy()
            v[:i], v[i] = 0, 1
            q -= factors[i] * xp.outer(v, v.conj() @ q)
        return [q]


class QR(MatrixOp, Composed):
    """q, r with x = q r; q orthogonal, r upper triangular.

    mode: "reduced" (q of min(m, n) columns), "complete" (q square), "r" (r alone), or
        "raw": the transposed matrix of `Reflections`, and their factors.
    Source of the gradient (of "reduced" with m >= n): Walter & Lehmann 2010.
    """

    __props__ = ("mode",)

    def __init__(self, mode: str = "reduced") -> None:
        if mode not in ("reduced", "complete", "r", "raw"):
            raise ValueError(
                f"mode is 'reduced', 'complete', 'r' or 'raw', not {mode!r}"
            )
        self.mode = mode

    def make_node(self, x: Any) -> Apply:
        x = self.matrix(x, square=False)
        m, n = x.type.shape
        k = None if m is None or n is None else min(m, n)
        if self.mode == "raw":
            return Apply(self, [x], self.outputs(x, (n, m), (k,)))
        k = m if self.mode == "complete" else k
        q, r = self.outputs(x, (m, k), (k, n))
        return Apply(self, [x], [r] if self.mode == "r" else [q, r])

    def infer_sizes(self, node: Apply, inputs: Shapes, sizes: Sizes) -> Shapes:
        m, n = inputs[0]
        if self.mode == "raw":
            return [(n, m), (smallest_size(inputs[0]),)]
        k = m if self.mode == "complete" else smallest_size(inputs[0])
        return [(k, n)] if self.mode == "r" else [(m, k), (k, n)]

    def expand(self, *inputs: Variable) -> Sequence[Variable]:
        (x,) = inputs
        kind = x.type.dtype
        wide = "complex128" if kind in COMPLEX else "float64"
        inside, factors = Reflections()(cast(x, wide), return_list=True)
        if self.mode == "raw":
            return [cast(swapped(inside), kind), cast(factors, kind)]
        whole = self.mode == "complete"
        r = triu(inside if whole else getitem(inside, slice(None, shape_i(factors, 0))))
        if self.mode == "r":
            return [cast(r, kind)]
        q = OrthogonalFactor(whole)(inside, factors)
        return [cast(q, kind), cast(r, kind)]

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        found = xp.linalg.qr(precise(arrays[0]), self.mode)
        return self.finished(node, [found] if self.mode == "r" else found, xp)

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        (x,) = inputs
        rows, columns = x.type.shape
        if self.mode == "r":
            q, r = QR("reduced")(x, return_list=True)
            by_q, by_r = make_variable(DisconnectedType()), output_gradients[0]
        else:
            (q, r), (by_q, by_r) = outputs, output_gradients
        complex_answer = only_real(self, x)
        if complex_answer is not None:
            return [complex_answer]
        wide = rows is not None and columns is not None and rows < columns
        wide = wide or self.mode == "raw"
        if wide or (self.mode == "complete" and (rows is None or rows != columns)):
            why = f"the gradient of {self} is not defined for a matrix of shape {x.type.shape}"
            return [make_variable(NullType(why))]
        return [_qr_gradient(q, r, by_q, by_r)]


def _qr_gradient(q: Variable, r: Variable, by_q: Variable, by_r: Variable) -> Variable:
    middle = dot(r, swapped(by_r)) if connected(by_r) else None
    if connected(by_q):
        turned = neg(dot(swapped(by_q), q))
        middle = turned if middle is None else add(middle, turned)
    assert middle is not None
    lower = tril(middle)
    inner = dot(q, add(lower, swapped(tril(middle, -1))))
    if connected(by_q):
        inner = add(inner, by_q)
    return swapped(solve_upper_triangular(r, swapped(inner)))


def qr(a: Any, mode: str = "reduced") -> Any:
    """q, r with a = q r, or r alone: see QR."""
    return QR("reduced" if mode == "full" else mode)(a)
