"""Inverses, factors and solutions of systems of linear equations.

These are LAPACK's, called natively; only float16 is a reference step, in float32.  Gradients
are of real matrices; an op that reads one triangle only has the gradient with respect to that
triangle.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symnet.errors import ShapeError, message
from symnet.graph.op import Gradients, Vars
from symnet.graph.types import COMPLEX, NullType, TensorType
from symnet.graph.variables import Apply, Variable, make_variable, operand_text
from symnet.kernels.loopir import views
from symnet.kernels.loopir.views import Size
from symnet.kernels.routines import MatrixFunction, TriangularSolve
from symnet.ops.arithmetic import add, mul, neg, real_dtype, sub
from symnet.ops.base import TensorOp, as_tensor, common_dtype, to_float
from symnet.ops.creation import eye, tri, tril, triu
from symnet.ops.elementwise import cast
from symnet.ops.linalg.products import adjoint, matmul, swapped
from symnet.ops.lowerings import CallOf, Lowering, Shapes, Sizes
from symnet.ops.shape import dimshuffle
from symnet.ops.sizes import shape_i

__all__ = [
    "Cholesky", "cholesky", "matrix_inverse", "MatrixInverse", "Solve", "solve",
    "solve_lower_triangular", "solve_symmetric", "solve_upper_triangular",
]  # fmt: skip


class MatrixOp(TensorOp):
    """An op whose first input is a matrix.

    batched: whether it may also be many, in its last two axes; results then have the axes
    before these, too.
    """

    batched = False

    def matrix(self, x: Any, square: bool = True) -> Variable:
        """`x` as a matrix of floats, or a batch of them.

        Raises: TypeError for another rank; ShapeError where it is known not to be square.
        """
        variable = as_tensor(x)
        rank = variable.type.ndim
        if rank < 2 or (rank > 2 and not self.batched):
            raise TypeError(
                message(f"{self} takes a matrix", operands=[operand_text(variable)])
            )
        rows, columns = variable.type.shape[-2:]
        if square and None not in (rows, columns) and rows != columns:
            raise ShapeError(
                message(
                    f"{self} takes a square matrix", operands=[operand_text(variable)]
                )
            )
        return cast(variable, to_float(variable.type.dtype))

    def outputs(self, x: Variable, *shapes: Sequence[int | None]) -> list[Variable]:
        """Variables of x's dtype and these shapes, for each matrix of x."""
        batch = x.type.shape[:-2]
        kinds = [TensorType(x.type.dtype, (*batch, *shape)) for shape in shapes]
        return [make_variable(kind) for kind in kinds]

    def called(self, node: Apply, kind: str, refusal: str = "") -> Lowering:
        """The native call of a function of the inputs (see `routines.MatrixFunction`).

        refusal: why a matrix is refused, as LinAlgError; "": what fails is NaN.
        """
        routine = MatrixFunction(kind, node.inputs[0].type.dtype, bool(refusal))
        reads = tuple(range(len(node.inputs)))
        return CallOf(routine, reads, refusal=refusal, error=np.linalg.LinAlgError)

    def finished(self, node: Apply, values: Sequence[Any], xp: Any) -> list[Any]:
        return [
            xp.asarray(value, dtype=output.type.dtype)
            for value, output in zip(values, node.outputs, strict=True)
        ]


def precise(x: Any) -> Any:
    """`x` in a dtype that LAPACK knows."""
    return x.astype("float32") if x.dtype == "float16" else x


def known_size(x: Variable) -> int | None:
    """The size of a square matrix, from either axis."""
    rows, columns = x.type.shape[-2:]
    size: int | None = columns if rows is None else rows
    return size


def square_size(shape: Sequence[Size], sizes: Sizes) -> Size:
    """The one size of a square matrix, which is demanded."""
    return sizes.equal(shape[-2], shape[-1], "the rows and columns of a square matrix")


def rows_of(x: Variable) -> Variable:
    """How many rows a matrix has, or each of a batch."""
    return shape_i(x, x.type.ndim - 2)


def only_real(op: object, x: Variable) -> Variable | None:
    """The answer for a complex matrix; None for a real one."""
    if x.type.dtype in COMPLEX:
        return make_variable(NullType(f"{op} has no gradient for complex matrices"))
    return None


def read_triangle(full: Variable, lower: bool) -> Variable:
    """The gradient with respect to one triangle of a symmetric (or Hermitian) matrix, which
    stands for both, from that with respect to the whole matrix."""
    n, dtype = rows_of(full), real_dtype(full.type.dtype)
    mask = sub(tri(n, dtype=dtype), mul(eye(n, dtype=dtype), 0.5))
    result: Variable = mul(add(full, adjoint(full)), mask if lower else swapped(mask))
    return result


# ---- inverses

SINGULAR = "Singular matrix"


class MatrixInverse(MatrixOp):
    """The inverse of a square matrix, or of each of a batch.

    Shapes: (..., n, n) -> the same.
    Raises: numpy.linalg.LinAlgError for a singular one.

    >>> x = T.dmatrix("x")
    >>> T.nlinalg.MatrixInverse()(x).eval({x: [[2.0, 0.0], [0.0, 4.0]]})
    array([[0.5 , 0.  ],
           [0.  , 0.25]])
    """

    batched = True

    def make_node(self, x: Any) -> Apply:
        x = self.matrix(x)
        size = known_size(x)
        return Apply(self, [x], self.outputs(x, (size, size)))

    def infer_sizes(self, node: Apply, inputs: Shapes, sizes: Sizes) -> Shapes:
        size = square_size(inputs[0], sizes)
        return [(*inputs[0][:-2], size, size)]

    def lowering(self, node: Apply) -> Lowering:
        return self.called(node, "inv", SINGULAR)

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        return self.finished(node, [xp.linalg.inv(precise(arrays[0]))], xp)

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        turned = adjoint(outputs[0])
        return [neg(matmul(turned, matmul(output_gradients[0], turned)))]


matrix_inverse = MatrixInverse()


# ---- Cholesky


class Cholesky(MatrixOp):
    """The triangular factor L of a positive definite matrix L L^T (or U of U^T U), or of
    each of a batch.

    lower: whether L, read from the lower triangle, or U, from the upper one.
    on_error: what a matrix that is not positive definite does: "raise" LinAlgError, or
        "nan" fills the result.
    Source of the gradient: Murray 2016, equation 10.

    >>> x = T.dmatrix("x")
    >>> T.slinalg.Cholesky()(x).eval({x: [[4.0, 2.0], [2.0, 5.0]]})
    array([[2., 0.],
           [1., 2.]])
    """

    __props__ = ("lower", "on_error")
    batched = True

    def __init__(self, lower: bool = True, on_error: str = "raise") -> None:
        if on_error not in ("raise", "nan"):
            raise ValueError(f"on_error is 'raise' or 'nan', not {on_error!r}")
        self.lower, self.on_error = bool(lower), on_error

    make_node = MatrixInverse.make_node
    infer_sizes = MatrixInverse.infer_sizes

    def lowering(self, node: Apply) -> Lowering:
        refusal = "Matrix is not positive definite" if self.on_error == "raise" else ""
        return self.called(node, f"cholesky_{'lo' if self.lower else 'up'}", refusal)

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        x = precise(arrays[0])
        factor = xp.zeros_like(x)
        for place in np.ndindex(*x.shape[:-2]):
            one = x[place]
            try:
                found = xp.linalg.cholesky(one if self.lower else one.conj().T)
            except np.linalg.LinAlgError:
                if self.on_error == "raise":
                    raise
                found = xp.full_like(one, np.nan)
            factor[place] = found if self.lower else found.conj().T
        return self.finished(node, [factor], xp)

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        factor, g = outputs[0], output_gradients[0]
        if not self.lower:
            factor, g = adjoint(factor), adjoint(g)
        n, dtype = rows_of(factor), real_dtype(factor.type.dtype)
        mask = sub(tri(n, dtype=dtype), mul(eye(n, dtype=dtype), 0.5))
        middle = mul(matmul(adjoint(factor), g), mask)
        half = solve_upper_triangular(adjoint(factor), middle)
        full = adjoint(solve_upper_triangular(adjoint(factor), adjoint(half)))
        result = read_triangle(full, lower=True)
        return [result if self.lower else adjoint(result)]


cholesky = Cholesky()


# ---- systems of equations

STRUCTURES = ("general", "symmetric", "lower_triangular", "upper_triangular")


class Solve(MatrixOp):
    """The solution x of A x = b: solve(A, b), for each of a batch.

    A_structure: which part of A is read; "symmetric" promises, and changes nothing.
    Shapes: A (..., n, n), b (..., n) or (..., n, k), with the same axes in front -> as b.
    Raises: LinAlgError for a singular A.

    >>> A, b = T.dmatrix("A"), T.dvector("b")
    >>> T.slinalg.Solve()(A, b).eval({A: [[2.0, 0.0], [1.0, 1.0]], b: [4.0, 3.0]})
    array([2., 1.])
    """

    __props__ = ("A_structure", "lower")
    batched = True

    def __init__(
        self,
        A_structure: str = "general",
        lower: bool = False,
        overwrite_A: bool = False,
        overwrite_b: bool = False,
    ) -> None:
        if A_structure not in STRUCTURES:
            raise ValueError(f"A_structure is one of {STRUCTURES}, not {A_structure!r}")
        self.A_structure, self.lower = A_structure, bool(lower)

    def make_node(self, A: Any, b: Any) -> Apply:
        A, b = self.matrix(A), as_tensor(b)
        rank = A.type.ndim
        if b.type.ndim not in (rank - 1, rank):
            raise TypeError(
                message(
                    "solve: b is a vector or a matrix for each matrix A",
                    operands=[operand_text(A), operand_text(b)],
                )
            )
        dtype = to_float(common_dtype([A, b]))
        A, b = cast(A, dtype), cast(b, dtype)
        size = known_size(A)
        if size is not None and b.type.shape[rank - 2] not in (None, size):
            raise ShapeError(
                message(
                    "solve: A and b have different numbers of rows",
                    operands=[operand_text(A), operand_text(b)],
                )
            )
        return Apply(self, [A, b], [make_variable(b.type)])

    def infer_sizes(self, node: Apply, inputs: Shapes, sizes: Sizes) -> Shapes:
        A, b = inputs
        size, found = square_size(A, sizes), list(b)
        for axis, one in enumerate(A[:-2]):
            found[axis] = sizes.equal(one, b[axis], f"axis {axis} of A and b")
        row = len(A) - 2
        found[row] = sizes.equal(size, b[row], "the rows of A and b")
        return [tuple(found)]

    @staticmethod
    def of_vectors(node: Apply) -> bool:
        A, b = node.inputs
        return bool(b.type.ndim < A.type.ndim)

    @property
    def triangular(self) -> bool:
        return self.A_structure.endswith("triangular")

    def lowering(self, node: Apply) -> Lowering:
        if not self.triangular:
            kind = "solve1" if self.of_vectors(node) else "solve"
            return self.called(node, kind, SINGULAR)
        lower = self.A_structure == "lower_triangular"
        routine = TriangularSolve(lower, node.inputs[0].type.dtype)
        return CallOf(routine, (0, 1), refusal=SINGULAR, error=np.linalg.LinAlgError)

    def compute(self, node: Apply, arrays: Sequence[Any], xp: Any) -> Sequence[Any]:
        A, b = map(precise, arrays)
        if A.shape[-1] != A.shape[-2] or A.shape[:-1] != b.shape[: A.ndim - 1]:
            raise ShapeError(f"solve: A has shape {A.shape}, b {b.shape}")
        solution = xp.zeros_like(b)
        for place in np.ndindex(*A.shape[:-2]):
            solution[place] = self._one(A[place], b[place], xp)
        return self.finished(node, [solution], xp)

    def _one(self, A: Any, b: Any, xp: Any) -> Any:
        lower = self.A_structure == "lower_triangular"
        if self.triangular and xp is np:
            import scipy.linalg  # slow to import, and only needed here

            return scipy.linalg.solve_triangular(A, b, lower=lower, check_finite=False)
        if self.triangular:
            return xp.linalg.solve(xp.tril(A) if lower else xp.triu(A), b)
        return xp.linalg.solve(A, b)

    def L_op(self, inputs: Vars, outputs: Vars, output_gradients: Vars) -> Gradients:
        (A, b), (x,) = inputs, outputs
        turned = {
            "lower_triangular": "upper_triangular",
            "upper_triangular": "lower_triangular",
        }.get(self.A_structure, self.A_structure)
        by_b = Solve(turned)(adjoint(A), output_gradients[0])
        if b.type.ndim < A.type.ndim:
            by_A = neg(mul(as_columns(by_b), adjoint(as_columns(x))))
        else:
            by_A = neg(matmul(by_b, adjoint(x)))
        part = {"lower_triangular": tril, "upper_triangular": triu}.get(
            self.A_structure
        )
        return [by_A if part is None else part(by_A), by_b]


def as_columns(x: Variable) -> Variable:
    """Vectors as matrices of one column."""
    return dimshuffle(x, *range(x.type.ndim), "x")


solve = Solve()
solve_symmetric = Solve("symmetric")
solve_lower_triangular = Solve("lower_triangular")
solve_upper_triangular = Solve("upper_triangular")


def smallest_size(x: Sequence[Size]) -> Size:
    """The lesser of a matrix's sizes."""
    return views.minimum(x[-2], x[-1])
