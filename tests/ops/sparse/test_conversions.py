"""Sparse matrices, their arrays, and dense ones: values and gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symnet
import symnet.sparse as sparse
import symnet.tensor as T
from tests.ops.sparse.matrices import (
    FORMATS,
    SIZES,
    agree,
    check,
    check_gradient,
    matrix,
    twisted,
)

DTYPES = ("int8", "uint16", "int64", "float32", "float64", "complex64")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape, density", SIZES)
@pytest.mark.parametrize("format", FORMATS)
def test_conversions_of_all_kinds(
    format: str, shape: Any, density: float, dtype: str
) -> None:
    x = matrix(format, shape, density, dtype)
    fast = ("FAST_RUN",)
    check(sparse.dense_from_sparse, [x], x.toarray(), fast)
    check(sparse.transpose, [x], x.T, fast)
    check(sparse.neg, [x], -x, fast)
    check(lambda v: sparse.cast(v, "complex128"), [x], x.astype("complex128"), fast)
    check(lambda v: v.shape, [x], np.array(shape), fast)
    check(lambda v: v.size, [x], np.array(x.nnz), fast)
    check(sparse.sp_ones_like, [x], x.astype(bool).astype(dtype), fast)
    check(sparse.sp_zeros_like, [x], x * 0, fast)
    other = "csc" if format == "csr" else "csr"
    check(lambda v: sparse.sparse_format(v, other), [x], x, fast)
    from_dense = getattr(sparse, f"{format}_from_dense")
    check(from_dense, [x.toarray()], x, fast)


@pytest.mark.parametrize("format", FORMATS)
def test_every_mode(format: str) -> None:
    x = matrix(format)
    check(lambda v: sparse.dense_from_sparse(-v.T), [x], -x.T.toarray())
    check(
        lambda v: sparse.csc_from_dense(sparse.dense_from_sparse(v) + 1),
        [x],
        x.toarray() + 1,
    )


@pytest.mark.parametrize("format", FORMATS)
def test_entries_in_any_order_and_in_parts(format: str) -> None:
    x = twisted(matrix(format))
    check(sparse.dense_from_sparse, [x], x.toarray())
    check(lambda v: v.T, [x], x.T)


@pytest.mark.parametrize("format", FORMATS)
def test_the_arrays_of_a_matrix(format: str) -> None:
    value = matrix(format, dtype="float32")
    x = sparse.matrix(format, dtype="float32")
    arrays = sparse.csm_properties(x)
    assert [v.type.dtype for v in arrays] == ["float32", "int32", "int32", "int32"]
    data, indices, indptr, shape = symnet.function([x], arrays)(value)
    for got, want in zip(
        (data, indices, indptr), (value.data, value.indices, value.indptr)
    ):
        np.testing.assert_array_equal(got, want)
    assert tuple(shape) == value.shape
    one_by_one = [
        sparse.csm_data,
        sparse.csm_indices,
        sparse.csm_indptr,
        sparse.csm_shape,
    ]
    for part, want in zip(one_by_one, (data, indices, indptr, shape)):
        np.testing.assert_array_equal(part(x).eval({x: value}), want)


@pytest.mark.parametrize("kinds", ["ivector", "lvector"])
@pytest.mark.parametrize("format", FORMATS)
def test_a_matrix_of_its_arrays(format: str, kinds: str) -> None:
    value = twisted(matrix(format))
    data, kind = T.dvector(), getattr(T, kinds)
    indices, indptr, shape = kind(), kind(), kind()
    x = sparse.CSM(format)(data, indices, indptr, shape)
    f = symnet.function([data, indices, indptr, shape], [x, x * 2, x.shape])
    dtype = indices.type.dtype
    given = [np.asarray(a, dtype) for a in (value.indices, value.indptr, value.shape)]
    got, twice, sizes = f(value.data, *given)
    agree(got, value, x.type)
    agree(twice, value * 2)
    assert tuple(sizes) == value.shape


@pytest.mark.parametrize(
    "arrays, error",
    [
        (([1.0, 2.0], [0], [0, 1], (1, 3)), ValueError),
        (([1.0], [0], [0, 1, 1], (1, 3)), ValueError),
        (([1.0], [3], [0, 1], (1, 3)), ValueError),
        (([1.0], [-1], [0, 1], (1, 3)), ValueError),
        (([1.0], [0], [0, 5], (1, 3)), ValueError),
        (([1.0], [0], [1, 1], (1, 3)), ValueError),
    ],
)
@pytest.mark.parametrize("mode", ["FAST_RUN", "FAST_COMPILE"])
def test_arrays_that_are_no_matrix(arrays: Any, error: Any, mode: str) -> None:
    leaves = [T.dvector(), T.ivector(), T.ivector(), T.ivector()]
    x = sparse.CSR(*leaves)
    f = symnet.function(leaves, sparse.dense_from_sparse(x), mode=mode)
    g = symnet.function(leaves, sparse.dot(x, np.ones((3, 2))), mode=mode)
    given = [np.asarray(a, v.type.dtype) for a, v in zip(arrays, leaves)]
    for one in (f, g):
        with pytest.raises(error):
            one(*given)


@pytest.mark.parametrize(
    "arrays",
    [
        (T.dmatrix(), T.ivector(), T.ivector(), T.ivector()),
        (T.dvector(), T.dvector(), T.ivector(), T.ivector()),
        (T.dvector(), T.ivector(), T.imatrix(), T.ivector()),
        (T.dvector(), T.ivector(), T.ivector(), T.iscalar()),
    ],
)
def test_what_is_no_array_of_a_matrix(arrays: Any) -> None:
    with pytest.raises(TypeError, match="is a vector"):
        sparse.CSC(*arrays)
    with pytest.raises(TypeError, match="no format"):
        sparse.CSM("coo")


def test_a_dense_array_of_three_axes_is_no_matrix() -> None:
    with pytest.raises(TypeError, match="two axes"):
        sparse.csr_from_dense(T.dtensor3())
    check(
        sparse.csr_from_dense, [np.array([1.0, 0.0, 2.0])], np.array([[1.0, 0.0, 2.0]])
    )


@pytest.mark.parametrize("structured", [True, False])
@pytest.mark.parametrize("format", FORMATS)
def test_gradients(format: str, structured: bool) -> None:
    x = matrix(format, (4, 5))
    for function in (
        sparse.transpose, sparse.neg, sparse.DenseFromSparse(structured),
        lambda v: sparse.cast(v, "float64"), lambda v: sparse.sparse_format(v, "csr"),
        lambda v: sparse.csm_data(v * 2) if structured else v,
    ):  # fmt: skip
        check_gradient(function, [x], structured)


@pytest.mark.parametrize("format", FORMATS)
def test_gradients_by_sparse_variables_are_sparse(format: str) -> None:
    """A structured one has the entries of the variable, others what they need."""
    x, value = sparse.matrix(format), matrix(format)
    weights = np.arange(1.0, 36).reshape(5, 7)
    for structured in (True, False):
        cost = (sparse.DenseFromSparse(structured)(x) * weights).sum()
        gradient = symnet.grad(cost, x)
        assert gradient.type == x.type
        got = symnet.function([x], gradient, on_unused_input="ignore")(value)
        where = value.astype(bool).toarray() if structured else 1
        agree(got, weights * where)


def test_gradients_add_up_wherever_their_entries_are() -> None:
    x = sparse.csr_matrix("x")
    value = matrix("csr")
    weights = np.arange(1.0, 36).reshape(5, 7)
    cost = (sparse.dense_from_sparse(x) * weights).sum()
    cost = cost + sparse.sp_sum(x) + 3 * sparse.sp_sum(x, sparse_grad=True)
    got = symnet.grad(cost, x).eval({x: value})
    agree(got, (weights + 3) * value.astype(bool).toarray() + 1)


def test_a_gradient_of_what_is_not_used() -> None:
    x, y = sparse.csr_matrix("x"), sparse.csc_matrix("y")
    cost = sparse.sp_sum(x)
    found = symnet.grad(cost, [x, y], disconnected_inputs="ignore")
    f = symnet.function([x, y], found, on_unused_input="ignore")
    _, nothing = f(matrix("csr"), matrix("csc"))
    agree(nothing, matrix("csc") * 0)
    with pytest.raises(symnet.DisconnectedInputError):
        symnet.grad(cost, y)


def test_a_picked_gradient_sums_what_is_stored_twice() -> None:
    """x and g store different entries; those of g in parts."""
    x, g = matrix("csr", seed=1), twisted(matrix("csr", seed=2))
    data = T.dvector()
    made = sparse.CSR(data, x.indices, x.indptr, x.shape)
    cost = sparse.sp_sum(made * sparse.constant(g))
    got = symnet.function([data], symnet.grad(cost, data))(x.data)
    rows, columns = x.nonzero()
    np.testing.assert_allclose(got, g.toarray()[rows, columns])
