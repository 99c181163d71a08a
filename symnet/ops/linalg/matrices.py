"""Functions of matrices: powers, norms, products, tensors as matrices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symnet.errors import ShapeError, message
from symnet.graph.variables import Variable, operand_text
from symnet.ops.arithmetic import absolute, mul, pow, sqr
from symnet.ops.base import as_tensor
from symnet.ops.comparison import neq
from symnet.ops.creation import eye
from symnet.ops.elementwise import cast
from symnet.ops.linalg.products import dot, size_product
from symnet.ops.linalg.solving import matrix_inverse, solve
from symnet.ops.linalg.spectral import svd
from symnet.ops.reduce import max as max_over
from symnet.ops.reduce import min as min_over
from symnet.ops.reduce import sum as sum_over
from symnet.ops.reshape import reshape
from symnet.ops.shape import dimshuffle
from symnet.ops.sizes import shape_i, sizes_of
from symnet.ops.statistics import as_floats, root_of_norm

__all__ = [
    "kron", "matrix_dot", "matrix_power", "norm", "tensorinv",
    "tensorsolve",
]  # fmt: skip


def matrix_dot(*args: Any) -> Variable:
    """The product of several matrices, from the left to the right."""
    result = as_tensor(args[0])
    for factor in args[1:]:
        result = dot(result, factor)
    return result


def matrix_power(M: Any, n: int) -> Variable:
    """`M` multiplied n times; for a negative n its inverse.

    Raises: TypeError for an n that is no integer; ShapeError for a matrix known not to be
    square.
    """
    if not isinstance(n, (int, np.integer)):
        raise TypeError(f"matrix_power: n is an int, not {type(n).__name__}")
    square = as_tensor(M)
    if square.type.ndim != 2:
        raise TypeError(
            message("matrix_power takes a matrix", operands=[operand_text(square)])
        )
    rows, columns = square.type.shape
    if None not in (rows, columns) and rows != columns:
        raise ShapeError(message("matrix_power", operands=[operand_text(square)]))
    if n < 0:
        square, n = matrix_inverse(square), -n
    if n == 0:
        return eye(shape_i(square, 0), dtype=square.type.dtype)
    result: Variable | None = None
    while n:
        if n % 2:
            result = square if result is None else dot(result, square)
        n //= 2
        square = dot(square, square) if n else square
    assert result is not None
    return result


def kron(a: Any, b: Any) -> Variable:
    """The Kronecker product: b times each element of a, side by side.

    Shapes: (m, n), (p, q) -> (m p, n q); axes that one lacks count as of size 1.
    """
    a, b = as_tensor(a), as_tensor(b)
    rank = max(a.type.ndim, b.type.ndim)
    a, b = (
        dimshuffle(v, *["x"] * (rank - v.type.ndim), *range(v.type.ndim))
        for v in (a, b)
    )
    outer = mul(
        dimshuffle(a, *[p for k in range(rank) for p in (k, "x")]),
        dimshuffle(b, *[p for k in range(rank) for p in ("x", k)]),
    )
    sizes = [size_product(pair) for pair in zip(sizes_of(a), sizes_of(b))]
    return reshape(outer, sizes, ndim=rank)


def norm(x: Any, ord: Any = None) -> Variable:
    """The norm of a vector or matrix, as `numpy.linalg.norm` defines it.

    ord: for vectors None (2), a number, "inf" or "-inf"; for matrices None or "fro", 1,
    -1, "inf", "-inf", 2 and -2 (the greatest and least singular value), "nuc".
    The gradient at 0, where a norm has a corner, is 0.
    Raises: ValueError for another, and for a number; NotImplementedError for higher ranks.
    """
    variable = as_floats(x)
    ord = {np.inf: "inf", -np.inf: "-inf"}.get(ord, ord) if ord is not None else None
    if variable.type.ndim == 1:
        return _vector_norm(variable, ord)
    if variable.type.ndim == 2:
        return _matrix_norm(variable, ord)
    kind = NotImplementedError if variable.type.ndim else ValueError
    raise kind(
        message("norm takes a vector or a matrix", operands=[operand_text(variable)])
    )


def _vector_norm(x: Variable, ord: Any) -> Variable:
    size = absolute(x)
    if ord == "inf":
        return max_over(size)
    if ord == "-inf":
        return min_over(size)
    if ord is None or ord == 2:
        return root_of_norm(sum_over(sqr(size)), 2)
    if ord == 0:
        return sum_over(cast(neq(x, 0), size.type.dtype))
    if isinstance(ord, str):
        raise ValueError(f"norm: no order {ord!r} for a vector")
    return root_of_norm(sum_over(pow(size, ord)), ord)


def _matrix_norm(x: Variable, ord: Any) -> Variable:
    size = absolute(x)
    if ord is None or ord == "fro":
        return root_of_norm(sum_over(sqr(size)), 2)
    if ord in ("inf", "-inf", 1, -1):
        lines = sum_over(size, axis=1 if isinstance(ord, str) else 0)
        return max_over(lines) if ord in ("inf", 1) else min_over(lines)
    if ord in (2, -2, "nuc"):
        values = svd(x, compute_uv=0)
        if ord == "nuc":
            return sum_over(values)
        return max_over(values) if ord == 2 else min_over(values)
    raise ValueError(f"norm: no order {ord!r} for a matrix")


# ---- tensors as matrices


def tensorinv(a: Any, ind: int = 2) -> Variable:
    """The inverse of `a` under tensordot over its last axes; the first `ind` axes are the
    rows of the matrix that it stands for.  Raises: ValueError for an ind that is not
    between 0 and the rank."""
    a = as_tensor(a)
    if not 0 < ind < a.type.ndim:
        raise ValueError(f"tensorinv: ind={ind} for {operand_text(a)}")
    sizes = sizes_of(a)
    rows, columns = size_product(sizes[:ind]), size_product(sizes[ind:])
    inverse = matrix_inverse(reshape(a, [rows, columns], ndim=2))
    return reshape(inverse, [*sizes[ind:], *sizes[:ind]], ndim=a.type.ndim)


def tensorsolve(a: Any, b: Any, axes: Sequence[int] | None = None) -> Variable:
    """The x with tensordot(a, x, x.ndim) == b; `axes` of a are first moved to its end."""
    a, b = as_tensor(a), as_tensor(b)
    if axes is not None:
        moved = [int(k) % a.type.ndim for k in axes]
        a = dimshuffle(a, *[k for k in range(a.type.ndim) if k not in moved], *moved)
    sizes = sizes_of(a)
    rest = sizes[b.type.ndim :]
    square = reshape(a, [size_product(sizes_of(b)), size_product(rest)], ndim=2)
    solution = solve(square, reshape(b, [size_product(sizes_of(b))], ndim=1))
    return reshape(solution, rest, ndim=len(rest))
