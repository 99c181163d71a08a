"""Pseudo-inverses and least squares, made of singular values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symnet.graph.op import Gradients, Vars
from symnet.graph.types import NullType, TensorType
from symnet.graph.variables import Apply, Variable, make_variable
from symnet.ops.arithmetic import absolute, add, mul, reciprocal, sqr, sub, switch
from symnet.ops.base import as_tensor, common_dtype, disconnected, to_float
from symnet.ops.comparison import and_, eq, gt, lt
from symnet.ops.composed import Composed
from symnet.ops.elementwise import cast
from symnet.ops.indexing import getitem
from symnet.ops.linalg.products import adjoint, matmul
from symnet.ops.linalg.solving import MatrixOp, as_columns, precise
from symnet.ops.linalg.spectral import SVD, column, connected
from symnet.ops.lowerings import Shapes, Sizes
from symnet.ops.reduce import sum as sum_over
from symnet.ops.reduce import top_over
from symnet.ops.shape import dimshuffle
from symnet.ops.sizes import shape_i

__all__ = ["Lstsq", "lstsq", "MatrixPinv", "pinv"]

# Singular values that are not above this part of the largest count as 0 in `pinv`.
NEGLIGIBLE = 1e-15


class Decomposed:
    """A matrix, or each of a batch, by its singular values above a limit.

    limit: the part of the largest value up to which others count as 0.
    """

    def __init__(self, x: Variable, limit: Any) -> None:
        u, self.values, vt = SVD(full_matrices=False)(x, return_list=True)
        self.left, self.right = adjoint(u), adjoint(vt)
        axis = self.values.type.ndim - 1
        largest = as_columns(top_over(self.values, [axis]))
        self.kept = gt(self.values, mul(cast(limit, self.values.type.dtype), largest))
        inverse = reciprocal(switch(self.kept, self.values, 1))
        self.inverse = switch(self.kept, inverse, 0)

    def solution(self, y: Variable) -> Variable:
        """What the pseudo-inverse makes of the columns of y."""
        found = mul(column(self.inverse), matmul(self.left, y))
        return matmul(self.right, found)

    @property
    def pseudo_inverse(self) -> Variable:
        return matmul(self.right, mul(column(self.inverse), self.left))


def towards_matrix(x: Variable, p: Variable, g: Variable) -> Variable:
    """The gradient with respect to a matrix, from that with respect to its pseudo-inverse p.

    Source: Golub & Pereyra 1973.
    """
    turned = adjoint(p)
    rows = matmul(matmul(adjoint(g), p), turned)
    columns = matmul(matmul(turned, p), adjoint(g))
    outside = sub(rows, matmul(x, matmul(p, rows)))
    inside = sub(columns, matmul(matmul(columns, p), x))
    result: Variable = sub(add(outside, inside), matmul(turned, matmul(g, turned)))
    return result


class MatrixPinv(MatrixOp, Composed):
    """The Moore-Penrose pseudo-inverse of a matrix, or of each of a batch.

    Shapes: (..., m, n) -> (..., n, m).
    Singular values that are not above 1e-15 of the largest count as 0.
    Raises: numpy.linalg.LinAlgError where they do not converge.

    Source of the gradient: Golub & Pereyra 1973.

    >>> x = T.dmatrix("x")
    >>> T.nlinalg.MatrixPinv()(x).eval({x: [[2.0, 0.0], [0.0, 0.0]]})
    array([[0.5, 0. ],
           [0. , 0. ]])
    """

    batched = True

    def make_node(self, x: Any) -> Apply:
        x = self.matrix(x, square=False)
        rows, columns = x.type.shape[-2:]
        return Apply(self, [x], self.outputs(x, (columns, rows)))

    def infer_sizes(self, node: Apply, inputs: Shapes, sizes: Sizes) -> Shapes:
        *batch, rows, columns = inputs[0]
        return [(*batch, columns, rows)]

    def expand(self, *inputs: Variable) -> Variable:
        return Decomposed(inputs[0], NEGLIGIBLE).pseudo_inverse

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        return self.finished(node, [xp.linalg.pinv(precise(arrays[0]))], xp)

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        (x,), (p,), (g,) = inputs, outputs, output_gradients
        return [towards_matrix(x, p, g)]


pinv = MatrixPinv()


class Lstsq(MatrixOp, Composed):
    """The least squares solution of x s = y: lstsq(x, y, rcond).

    Shapes: x (m, n), y (m,) or (m, k) -> s, the sums of squared residues (of no size where
    x has not full rank or m <= n), the rank of x, its singular values (min(m, n),).
    Singular values that are not above rcond of the largest count as 0; a negative rcond is
    the dtype's rounding.
    The solution has a gradient (Golub & Pereyra 1973), at a rank that does
    not change; what else it gives has none.
    The residues' size is decided by values: what depends on it begins a new native program.
    """

    def make_node(self, x: Any, y: Any, rcond: Any) -> Apply:
        x, y, limit = self.matrix(x, square=False), as_tensor(y), as_tensor(rcond)
        dtype = to_float(common_dtype([x, y]))
        x, y = cast(x, dtype), cast(y, dtype)
        rows, columns = x.type.shape
        least = None if rows is None or columns is None else min(rows, columns)
        kind = np.zeros(0, dtype).real.dtype
        outputs = [
            make_variable(TensorType(dtype, (columns, *y.type.shape[1:]))),
            make_variable(TensorType(kind, (None,))),
            make_variable(TensorType("int64")),
            make_variable(TensorType(kind, (least,))),
        ]
        return Apply(self, [x, y, cast(limit, "float64")], outputs)

    def expand(self, *inputs: Variable) -> Sequence[Variable]:
        x, y, limit = inputs
        vector = y.type.ndim == 1
        right = as_columns(y) if vector else y
        parts = Decomposed(x, _limit(limit, x))
        solution = parts.solution(right)
        rank = sum_over(parts.kept)
        m, n = shape_i(x, 0), shape_i(x, 1)
        missing = absolute(sub(right, matmul(x, solution)))
        residues = sum_over(sqr(missing), axis=0)
        determined = cast(and_(eq(rank, n), gt(m, n)), "int64")
        shown = getitem(residues, slice(None, mul(shape_i(right, 1), determined)))
        found = dimshuffle(solution, 0) if vector else solution
        return [found, shown, rank, parts.values]

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        x, y, limit = arrays
        results = xp.linalg.lstsq(precise(x), precise(y), rcond=float(limit))
        return self.finished(node, results, xp)

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        x, y, limit = inputs
        if any(connected(g) for g in output_gradients[1:]):
            why = f"{self} has a gradient of the solution only"
            none = make_variable(NullType(why))
            return [none, none, disconnected()]
        g = output_gradients[0]
        vector = y.type.ndim == 1
        if vector:
            g, y = as_columns(g), as_columns(y)
        p = Decomposed(x, _limit(limit, x)).pseudo_inverse
        by_y = matmul(adjoint(p), g)
        by_x = towards_matrix(x, p, matmul(g, adjoint(y)))
        return [by_x, dimshuffle(by_y, 0) if vector else by_y, disconnected()]


def _limit(limit: Variable, x: Variable) -> Variable:
    """LAPACK's: a negative one is the rounding of x's dtype."""
    rounding = float(np.finfo(x.type.dtype).eps) / 2
    result: Variable = switch(lt(limit, 0), rounding, limit)
    return result


def lstsq(*arguments: Any) -> Any:
    """The operation, which is then applied, as in Theano: `lstsq()(x, y, rcond)`; or
    `lstsq(x, y, rcond)` at once.  See Lstsq."""
    return Lstsq()(*arguments) if arguments else Lstsq()
