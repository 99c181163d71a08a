"""How much variables vary together."""

from __future__ import annotations

from typing import Any

from symnet.graph.variables import Variable, operand_text
from symnet.ops.alloc import alloc
from symnet.ops.arithmetic import mul, sub, true_div
from symnet.ops.base import as_tensor, constant, to_float
from symnet.ops.complex_parts import conjugate
from symnet.ops.elementwise import cast
from symnet.ops.joining import concatenate
from symnet.ops.linalg.products import dot
from symnet.ops.reduce import sum as sum_over
from symnet.ops.shape import shape_padleft, squeeze, transpose
from symnet.ops.sizes import shape_i

__all__ = ["cov"]


def cov(
    m: Any,
    y: Any = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: Any = None,
    fweights: Any = None,
    aweights: Any = None,
) -> Variable:
    """The covariances of the rows of a matrix, and of those of y below it.

    Shapes: (variables, observations) -> (variables, variables); with `rowvar` false the
        columns are the variables; a vector is one variable; of one variable a scalar.
    ddof: what is taken off the number of observations (0 with `bias`, else 1).
    fweights, aweights: how often each observation counts, and how much.
    Dtypes: floats and complex numbers keep theirs, integers give floats.  Of complex numbers
        an element is the mean of a * conj(b).
    Source: NumPy's `cov`.

    >>> T.cov([[1.0, 2.0, 3.0], [6.0, 4.0, 2.0]]).eval()
    array([[ 1., -2.],
           [-2.,  4.]])
    """
    rows = _variables_as_rows(m, rowvar)
    if y is not None:
        rows = concatenate([rows, _variables_as_rows(y, rowvar)], axis=0)
    ddof = (0 if bias else 1) if ddof is None else ddof
    given = [
        cast(as_tensor(w), rows.type.dtype)
        for w in (fweights, aweights)
        if w is not None
    ]
    weights = alloc(constant(1, dtype=rows.type.dtype), shape_i(rows, 1))
    for one in given:
        weights = mul(weights, one)
    total = sum_over(weights)
    mean = true_div(sum_over(mul(rows, weights), axis=1, keepdims=True), total)
    centered = sub(rows, mean)
    lost = cast(ddof, rows.type.dtype)
    if aweights is not None:
        lost = true_div(mul(lost, sum_over(mul(weights, given[-1]))), total)
    products = dot(mul(centered, weights), transpose(conjugate(centered)))
    return squeeze(true_div(products, sub(total, lost)))


def _variables_as_rows(m: Any, rowvar: bool) -> Variable:
    """Raises: TypeError for an array of more than two axes."""
    matrix = as_tensor(m)
    matrix = cast(matrix, to_float(matrix.type.dtype))
    if matrix.type.ndim > 2:
        raise TypeError(f"cov takes a matrix or a vector, not {operand_text(matrix)}")
    if matrix.type.ndim < 2:
        return shape_padleft(matrix, 2 - matrix.type.ndim)
    return matrix if rowvar else transpose(matrix)
