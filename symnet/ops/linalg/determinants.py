"""Determinants: their values, logarithms, cofactors, and all derivatives of these.

A determinant is a polynomial in the elements, so it has derivatives of every order at
singular matrices too.  They are products of singular values of which one, two, ... are
left out, between orthogonal matrices; far from singular matrices, where the inverse is
exact, they are got from it, which is quicker.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symnet.graph.op import Gradients, Vars
from symnet.graph.types import COMPLEX, DisconnectedType, TensorType
from symnet.graph.variables import Apply, Variable, make_variable
from symnet.ops.alloc import zeros_like
from symnet.ops.arithmetic import add, mul, neg, sub
from symnet.ops.complex_parts import conjugate, imag
from symnet.ops.elementwise import cast
from symnet.ops.linalg.products import adjoint, matmul, swapped
from symnet.ops.linalg.solving import (
    MatrixInverse,
    MatrixOp,
    matrix_inverse,
    precise,
    square_size,
)
from symnet.ops.lowerings import Lowering, Shapes, Sizes
from symnet.ops.reduce import sum as sum_over
from symnet.ops.shape import dimshuffle

__all__ = ["Det", "SLogDet", "det", "slogdet"]

# With a condition number up to this the inverse gives cofactors to ten digits.
WELL_CONDITIONED = 1e6


class Det(MatrixOp):
    """The determinant of a square matrix, or of each of a batch; of one without elements
    it is 1.

    Shapes: (..., n, n) -> (...).
    Its gradient is the matrix of cofactors, at singular matrices too, unless they are
    complex: there it raises numpy.linalg.LinAlgError.

    >>> x = T.dmatrix("x")
    >>> T.nlinalg.Det()(x).eval({x: [[2.0, 0.0], [1.0, 3.0]]})
    array(6.)
    """

    batched = True

    def make_node(self, x: Any) -> Apply:
        x = self.matrix(x)
        return Apply(self, [x], self.outputs(x, ()))

    def infer_sizes(self, node: Apply, inputs: Shapes, sizes: Sizes) -> Shapes:
        square_size(inputs[0], sizes)
        return [inputs[0][:-2]]

    def lowering(self, node: Apply) -> Lowering:
        return self.called(node, "det")

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        return self.finished(node, [xp.linalg.det(precise(arrays[0]))], xp)

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        (x,) = inputs
        (g,) = output_gradients
        if x.type.dtype in COMPLEX:
            number = mul(g, conjugate(outputs[0]))
            return [mul(as_matrices(number), adjoint(matrix_inverse(x)))]
        return [mul(as_matrices(g), cofactors(x))]


def as_matrices(x: Variable) -> Variable:
    """Numbers as matrices of one element."""
    return dimshuffle(x, *range(x.type.ndim), "x", "x")


class SLogDet(MatrixOp):
    """The sign of a determinant, and the logarithm of its absolute value.

    It is exact where the determinant itself is too large or too small for its dtype; of a
    singular matrix it is 0 and minus infinity, of one without elements 1 and 0.
    Shapes: (..., n, n) -> (...), (...).
    Dtypes: those of x; the sign of a complex matrix is a complex number of size 1, the
    logarithm is real.
    Raises: LinAlgError for the gradient at a singular matrix, where there is none.

    >>> x = T.dmatrix("x")
    >>> sign, log = T.nlinalg.SLogDet()(x)
    >>> symnet.function([x], [sign, log])([[0.0, 1.0], [1.0, 0.0]])
    [array(-1.), array(0.)]
    """

    batched = True

    def make_node(self, x: Any) -> Apply:
        x = self.matrix(x)
        kind = np.dtype(x.type.dtype).type(0).real.dtype.name
        number = make_variable(TensorType(kind, x.type.shape[:-2]))
        return Apply(self, [x], [*self.outputs(x, ()), number])

    def infer_sizes(self, node: Apply, inputs: Shapes, sizes: Sizes) -> Shapes:
        square_size(inputs[0], sizes)
        return [inputs[0][:-2], inputs[0][:-2]]

    def lowering(self, node: Apply) -> Lowering:
        return self.called(node, "slogdet")

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        return self.finished(node, xp.linalg.slogdet(precise(arrays[0])), xp)

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        (x,) = inputs
        by_sign, by_logarithm = output_gradients
        parts = []
        if not isinstance(by_logarithm.type, DisconnectedType):
            parts.append(by_logarithm)
        if not isinstance(by_sign.type, DisconnectedType) and x.type.dtype in COMPLEX:
            along = imag(mul(conjugate(outputs[0]), by_sign))  # the unit circle
            parts.append(mul(cast(along, x.type.dtype), 1j))
        if not parts:  # the sign of a real determinant is constant
            return [zeros_like(x)]
        number = cast(parts[0] if len(parts) == 1 else add(*parts), x.type.dtype)
        return [mul(as_matrices(number), adjoint(matrix_inverse(x)))]


class Cofactors(MatrixOp):
    """The matrix of cofactors: the derivative of the determinant by each element."""

    batched = True
    device_arrays = True
    make_node = MatrixInverse.make_node
    infer_sizes = MatrixInverse.infer_sizes

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        x = arrays[0].astype("float64")
        found = xp.zeros_like(x)
        for place in np.ndindex(*x.shape[:-2]):
            found[place] = self._one(x[place], xp)
        return self.finished(node, [found], xp)

    def _one(self, x: Any, xp: Any) -> Any:
        known = _by_inverse(x, xp)
        if known is not None:
            number, turned = known
            return number * turned
        sign, u, s, vt = _turned(x, xp)
        return sign * (u * _others(s, xp)) @ vt

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        return [CofactorsGradient()(inputs[0], output_gradients[0])]


class CofactorsGradient(MatrixOp):
    """The gradient of sum(g * cofactors(x)) by x: the second derivative of a determinant.

    Raises: LinAlgError for its own gradient by a singular x.
    """

    batched = True
    device_arrays = True

    def make_node(self, x: Any, g: Any) -> Apply:
        x, g = self.matrix(x), self.matrix(g)
        return Apply(self, [x, g], [make_variable(x.type)])

    def infer_sizes(self, node: Apply, inputs: Shapes, sizes: Sizes) -> Shapes:
        size = square_size(inputs[0], sizes)
        return [(*inputs[0][:-2], size, size)]

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        x, g = (array.astype("float64") for array in arrays)
        found = xp.zeros_like(x)
        for place in np.ndindex(*x.shape[:-2]):
            found[place] = self._one(x[place], g[place], xp)
        return self.finished(node, [found], xp)

    def _one(self, x: Any, g: Any, xp: Any) -> Any:
        known = _by_inverse(x, xp)
        if known is not None:
            number, w = known
            return number * ((w * g).sum() * w - w @ g.T @ w)
        sign, u, s, vt = _turned(x, xp)
        inner = u.T @ g @ vt.T
        kept = _others(xp.where(xp.eye(len(s), dtype=bool), 1.0, s), xp)
        kept = xp.where(xp.eye(len(s), dtype=bool), 0.0, kept)
        result = xp.diag(kept @ xp.diag(inner)) - kept * inner.T
        return sign * u @ result @ vt

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        """By x as the derivative of det(x) (<w, g> w - w g^T w) with w = x^-T."""
        (x, g), (h,) = inputs, output_gradients
        w = swapped(matrix_inverse(x))
        by_g, by_h = (matmul(matmul(w, swapped(v)), w) for v in (g, h))
        along_g, along_h, across = (
            sum_over(mul(a, b), axis=(-2, -1), keepdims=True)
            for a, b in ((w, g), (w, h), (by_g, h))
        )
        both = sub(mul(along_g, along_h), across)
        single = neg(add(mul(along_h, by_g), mul(along_g, by_h)))
        turned = [matmul(matmul(a, swapped(b)), w) for a, b in ((by_g, h), (by_h, g))]
        third = mul(as_matrices(det(x)), add(mul(both, w), add(single, add(*turned))))
        return [third, self(x, h)]


def _by_inverse(x: Any, xp: Any) -> tuple[Any, Any] | None:
    """The determinant and the transposed inverse, where they are exact."""
    try:
        with np.errstate(all="ignore"):
            number, inverse = xp.linalg.det(x), xp.linalg.inv(x)
            condition = _largest_column(x) * _largest_column(inverse)
    except np.linalg.LinAlgError:
        return None
    if not xp.isfinite(x).all():
        return number, inverse.T
    usual = xp.isfinite(number) and abs(number) > np.finfo(x.dtype).tiny
    return (number, inverse.T) if usual and condition < WELL_CONDITIONED else None


def _largest_column(x: Any) -> Any:
    """The largest sum of the sizes of a column's elements."""
    return abs(x).sum(axis=0).max() if x.size else 0.0


def _turned(x: Any, xp: Any) -> tuple[Any, Any, Any, Any]:
    """sign, u, s, vt with x = u diag(s) vt; sign: that of det(u) det(vt)."""
    u, s, vt = xp.linalg.svd(x)
    return xp.sign(xp.linalg.det(u) * xp.linalg.det(vt)), u, s, vt


def _others(s: Any, xp: Any) -> Any:
    """For each number of the last axis the product of all others."""
    one = xp.ones_like(s[..., :1])
    before = xp.cumprod(xp.concatenate([one, s[..., :-1]], axis=-1), axis=-1)
    turned = s[..., ::-1]
    behind = xp.cumprod(xp.concatenate([one, turned[..., :-1]], axis=-1), axis=-1)
    return before * behind[..., ::-1]


det = Det()
cofactors = Cofactors()
_slogdet = SLogDet()


def slogdet(x: Any) -> list[Variable]:
    """The sign and the logarithm of the absolute value of a determinant: see SLogDet.

    Example: `sign, logdet = slogdet(covariance)`.
    """
    return _slogdet(x, return_list=True)
