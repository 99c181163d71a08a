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

from symnet.graph.types import DisconnectedType, TensorType
from symnet.graph.variables import Apply, Gradients, Variable, Vars, make_variable
from symnet.ops.alloc import zeros_like
from symnet.ops.arithmetic import add, mul, neg, sub
from symnet.ops.linalg.products import dot, swapped
from symnet.ops.linalg.solving import (
    MatrixInverse,
    MatrixOp,
    matrix_inverse,
    only_real,
    precise,
    square_size,
)
from symnet.ops.lowerings import Lowering, Shapes, Sizes
from symnet.ops.reduce import sum as sum_over

__all__ = ["Det", "SLogDet", "det", "slogdet"]

# With a condition number up to this the inverse gives cofactors to ten digits.
WELL_CONDITIONED = 1e6


class Det(MatrixOp):
    """The determinant of a square matrix; of one without elements it is 1.

    Its gradient is the matrix of cofactors, at singular matrices too.
    """

    def make_node(self, x: Any) -> Apply:
        x = self.matrix(x)
        return Apply(self, [x], self.outputs(x, ()))

    def infer_sizes(self, node: Apply, inputs: Shapes, sizes: Sizes) -> Shapes:
        square_size(inputs[0], sizes)
        return [()]

    def lowering(self, node: Apply) -> Lowering:
        return self.called(node, "det")

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        return self.finished(node, [xp.linalg.det(precise(arrays[0]))], xp)

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        (x,) = inputs
        complex_answer = only_real(self, x)
        if complex_answer is not None:
            return [complex_answer]
        return [mul(output_gradients[0], cofactors(x))]


class SLogDet(MatrixOp):
    """The sign of a determinant, and the logarithm of its absolute value.

    It is exact where the determinant itself is too large or too small for its dtype; of a
    singular matrix it is 0 and minus infinity, of one without elements 1 and 0.
    Shapes: (n, n) -> (), ().
    Dtypes: those of x; the sign of a complex matrix is a complex number of size 1, the
    logarithm is real.
    Raises: LinAlgError for the gradient at a singular matrix, where there is none.
    """

    def make_node(self, x: Any) -> Apply:
        x = self.matrix(x)
        kind = np.dtype(x.type.dtype).type(0).real.dtype.name
        return Apply(
            self, [x], [*self.outputs(x, ()), make_variable(TensorType(kind, ()))]
        )

    def infer_sizes(self, node: Apply, inputs: Shapes, sizes: Sizes) -> Shapes:
        square_size(inputs[0], sizes)
        return [(), ()]

    def lowering(self, node: Apply) -> Lowering:
        return self.called(node, "slogdet")

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        return self.finished(node, xp.linalg.slogdet(precise(arrays[0])), xp)

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        (x,) = inputs
        by_logarithm = output_gradients[1]
        complex_answer = only_real(self, x)
        if complex_answer is not None:
            return [complex_answer]
        if isinstance(by_logarithm.type, DisconnectedType):  # the sign is constant
            return [zeros_like(x)]
        return [mul(by_logarithm, swapped(matrix_inverse(x)))]


class Cofactors(MatrixOp):
    """The matrix of cofactors: the derivative of the determinant by each element."""

    make_node = MatrixInverse.make_node
    infer_sizes = MatrixInverse.infer_sizes

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        x = arrays[0].astype("float64")
        known = _by_inverse(x, xp)
        if known is not None:
            number, turned = known
            return self.finished(node, [number * turned], xp)
        sign, u, s, vt = _turned(x, xp)
        return self.finished(node, [sign * (u * _others(s, xp)) @ vt], xp)

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        return [CofactorsGradient()(inputs[0], output_gradients[0])]


class CofactorsGradient(MatrixOp):
    """The gradient of sum(g * cofactors(x)) by x: the second derivative of a determinant.

    Raises: LinAlgError for its own gradient by a singular x.
    """

    def make_node(self, x: Any, g: Any) -> Apply:
        x, g = self.matrix(x), self.matrix(g)
        return Apply(self, [x, g], [make_variable(x.type)])

    def infer_sizes(self, node: Apply, inputs: Shapes, sizes: Sizes) -> Shapes:
        size = square_size(inputs[0], sizes)
        return [(size, size)]

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        x, g = (array.astype("float64") for array in arrays)
        known = _by_inverse(x, xp)
        if known is not None:
            number, w = known
            return self.finished(node, [number * ((w * g).sum() * w - w @ g.T @ w)], xp)
        sign, u, s, vt = _turned(x, xp)
        inner = u.T @ g @ vt.T
        kept = _others(xp.where(xp.eye(len(s), dtype=bool), 1.0, s), xp)
        kept = xp.where(xp.eye(len(s), dtype=bool), 0.0, kept)
        result = xp.diag(kept @ xp.diag(inner)) - kept * inner.T
        return self.finished(node, [sign * u @ result @ vt], xp)

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        """By x as the derivative of det(x) (<w, g> w - w g^T w) with w = x^-T."""
        (x, g), (h,) = inputs, output_gradients
        w = swapped(matrix_inverse(x))
        by_g, by_h = dot(dot(w, swapped(g)), w), dot(dot(w, swapped(h)), w)
        along_g, along_h = sum_over(mul(w, g)), sum_over(mul(w, h))
        both = sub(mul(along_g, along_h), sum_over(mul(by_g, h)))
        single = neg(add(mul(along_h, by_g), mul(along_g, by_h)))
        double = add(dot(dot(by_g, swapped(h)), w), dot(dot(by_h, swapped(g)), w))
        third = mul(det(x), add(mul(both, w), add(single, double)))
        return [third, self(x, h)]


def _by_inverse(x: Any, xp: Any) -> tuple[Any, Any] | None:
    """The determinant and the transposed inverse, where they are exact."""
    try:
        with np.errstate(all="ignore"):
            number, inverse = xp.linalg.det(x), xp.linalg.inv(x)
            condition = abs(x).sum(axis=0).max(initial=0) * abs(inverse).sum(
                axis=0
            ).max(initial=0)
    except np.linalg.LinAlgError:
        return None
    if not xp.isfinite(x).all():
        return number, inverse.T
    usual = xp.isfinite(number) and abs(number) > np.finfo(x.dtype).tiny
    return (number, inverse.T) if usual and condition < WELL_CONDITIONED else None


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
