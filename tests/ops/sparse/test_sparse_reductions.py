"""Sums, scales, diagonals and the order of entries against SciPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symnet
import symnet.sparse as sparse
import symnet.tensor as T
from symnet.errors import ShapeError
from tests.ops.sparse.matrices import (
    FORMATS,
    SIZES,
    agree,
    check,
    check_gradient,
    matrix,
    twisted,
)


@pytest.mark.parametrize("dtype", ["int32", "float32", "float64", "complex64"])
@pytest.mark.parametrize("shape, density", SIZES)
@pytest.mark.parametrize("format", FORMATS)
def test_sums_and_scales(format: str, shape: Any, density: float, dtype: str) -> None:
    x = matrix(format, shape, density, dtype)
    fast = ("FAST_RUN",)
    for axis in (None, 0, 1):
        want = x.toarray().sum(axis).astype(dtype)
        check(lambda v, axis=axis: sparse.sp_sum(v, axis), [x], want, fast)
    columns, rows = (np.arange(1, n + 1).astype(dtype) for n in shape[::-1])
    check(sparse.col_scale, [x, columns], x.toarray() * columns, fast)
    check(sparse.row_scale, [x, rows], x.toarray() * rows[:, None], fast)
    check(sparse.mul_s_v, [x, columns], x.toarray() * columns, fast)
    shifted = x.toarray() + x.astype(bool).toarray() * columns
    check(sparse.structured_add_s_v, [x, columns], shifted, fast)


@pytest.mark.parametrize("size", [0, 1, 5])
@pytest.mark.parametrize("format", FORMATS)
def test_diagonals(format: str, size: int) -> None:
    x = matrix(format, (size, size), 0.6 if size else 0.0)
    check(sparse.diag, [x], x.diagonal())
    vector = np.arange(1.0, size + 1)
    check(sparse.square_diagonal, [vector], np.diag(vector))
    if size == 5:
        odd = twisted(x)
        check(sparse.diag, [odd], odd.diagonal())
        check_gradient(sparse.diag, [x])
        check_gradient(sparse.diag, [x], structured=False)
        check_gradient(sparse.square_diagonal, [vector])


@pytest.mark.parametrize("format", FORMATS)
def test_every_mode(format: str) -> None:
    x = twisted(matrix(format))
    check(lambda v: sparse.sp_sum(v, 0), [x], x.toarray().sum(0))
    check(sparse.row_scale, [x, np.arange(5.0)], x.toarray() * np.arange(5.0)[:, None])


@pytest.mark.parametrize("format", FORMATS)
def test_gradients(format: str) -> None:
    x = matrix(format, (4, 5))
    for axis in (None, 0, 1):
        for structured in (True, False):
            check_gradient(
                lambda v, a=axis, s=structured: sparse.sp_sum(v, a, s), [x], structured
            )
    columns, rows = np.arange(1.0, 6), np.arange(1.0, 5)
    for structured in (True, False):
        check_gradient(sparse.col_scale, [x, columns], structured)
        check_gradient(sparse.row_scale, [x, rows], structured)
        check_gradient(sparse.clean, [x], structured)
    check_gradient(sparse.structured_add_s_v, [x, columns])


@pytest.mark.parametrize("format", FORMATS)
def test_the_order_of_entries(format: str) -> None:
    x = matrix(format)
    x.data[3] = 0
    lines = [slice(a, b) for a, b in zip(x.indptr[:-1], x.indptr[1:])]
    for line in lines:
        x.indices[line], x.data[line] = x.indices[line][::-1], x.data[line][::-1]
    x.has_sorted_indices = x.has_canonical_format = False
    v = sparse.SparseType(format, "float64")()
    ordered, without, clean = symnet.function(
        [v], [sparse.ensure_sorted_indices(v), sparse.remove0(v), sparse.clean(v)]
    )(x)
    for got in (ordered, without, clean):
        agree(got, x, v.type)
    assert ordered.has_sorted_indices and ordered.nnz == x.nnz
    assert without.nnz == clean.nnz < x.nnz and (clean.data != 0).all()
    np.testing.assert_array_equal(ordered.indices, x.sorted_indices().indices)


def test_what_is_refused() -> None:
    x = sparse.csr_matrix("x")
    with pytest.raises(ValueError, match="axis is None, 0 or 1"):
        sparse.sp_sum(x, 2)
    with pytest.raises(TypeError, match="a sparse matrix and a vector"):
        sparse.col_scale(x, T.dmatrix())
    with pytest.raises(TypeError, match="takes a vector"):
        sparse.square_diagonal(T.dmatrix())
    with pytest.raises(TypeError, match="expected a sparse matrix"):
        sparse.sp_sum(T.dmatrix())
    with pytest.raises(ShapeError):
        symnet.function([x], sparse.diag(x))(matrix("csr", (5, 7)))
    v = T.dvector()
    for function in (sparse.col_scale, sparse.row_scale):
        for wrong in (4, 6, 1):
            with pytest.raises(ShapeError):
                symnet.function([x, v], function(x, v))(
                    matrix("csr", (5, 7)), np.ones(wrong)
                )


@pytest.mark.parametrize("make", [sparse.csr_from_dense, sparse.csc_from_dense])
def test_the_gradient_of_a_vector_added_counts_stored_entries_only(make: Any) -> None:
    """Also where the gradient of the result has all elements, as that of `dot` has."""
    x, v, w = T.dmatrix("x"), T.dvector("v"), T.dmatrix("w")
    value = np.array([[1.0, 0.0, 2.0], [0.0, 3.0, 4.0]])
    weights = np.arange(6.0).reshape(3, 2) + 1
    cost = sparse.dot(sparse.structured_add_s_v(make(x), v), w).sum()
    found = symnet.function([x, v, w], T.grad(cost, [x, v]))(value, np.ones(3), weights)
    all_elements = np.ones((2, 2)) @ weights.T
    stored = (value != 0) * all_elements
    np.testing.assert_allclose(found[0], stored)
    np.testing.assert_allclose(found[1], stored.sum(axis=0))
