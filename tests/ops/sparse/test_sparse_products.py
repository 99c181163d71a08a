"""Products with sparse matrices: values, gradients of both kinds, what is refused."""

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
    UNLIKE,
    agree,
    check,
    check_gradient,
    matrix,
    twisted,
)

RNG = np.random.default_rng(3)


def numbers(shape: Any, dtype: str) -> Any:
    return RNG.integers(0, 9, shape).astype(dtype)


@pytest.mark.parametrize("dtypes", [
    ("float32", "float32"), ("float64", "float64"), ("int8", "float32"),
    ("int64", "int16"), ("complex64", "complex64"), ("float64", "float32"),
])  # fmt: skip
@pytest.mark.parametrize("shape, density", UNLIKE)
@pytest.mark.parametrize("format", FORMATS)
def test_sparse_times_dense(
    format: str, shape: Any, density: float, dtypes: Any
) -> None:
    x = matrix(format, shape, density, dtypes[0])
    full = x.toarray().astype(np.result_type(*dtypes))
    fast = ("FAST_RUN",)
    for columns in (3, 1, 0):
        y = numbers((shape[1], columns), dtypes[1])
        z = numbers((columns, shape[0]), dtypes[1])
        for product in (sparse.structured_dot, sparse.dot, sparse.true_dot):
            check(product, [x, y], full @ y, fast)
            check(product, [z, x], z @ full, fast)
    v, w = numbers(shape[1], dtypes[1]), numbers(shape[0], dtypes[1])
    check(sparse.dot, [x, v], full @ v, fast)
    check(sparse.dot, [w, x], w @ full, fast)


@pytest.mark.parametrize("columns", [1, 7, 8, 15, 16, 17, 64, 65, 130])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("format", FORMATS)
def test_columns_of_every_number(format: str, dtype: str, columns: int) -> None:
    x = twisted(matrix(format, (40, 30), 0.3, dtype))
    y = RNG.normal(size=(30, columns)).astype(dtype)
    check(sparse.structured_dot, [x, y], x.toarray() @ y, ("FAST_RUN",))
    # Rows and columns with gaps, and backwards.
    wide = RNG.normal(size=(columns, 60)).astype(dtype)
    check(
        lambda v, w: sparse.dot(v, w[:, ::-2].T),
        [x, wide],
        x @ wide[:, ::-2].T,
        ("FAST_RUN",),
    )


@pytest.mark.parametrize("formats", [("csr", "csr"), ("csr", "csc"), ("csc", "csr")])
def test_sparse_times_sparse(formats: Any) -> None:
    x, y = matrix(formats[0], (5, 7)), matrix(formats[1], (7, 4), dtype="float32")
    want = x @ y
    for product in (sparse.structured_dot, sparse.dot, sparse.true_dot):
        check(product, [x, y], want)
    assert sparse.true_dot(x, y).type.format == formats[0]
    assert isinstance(sparse.dot(x, y).type, T.TensorType)


def test_no_number_is_lost() -> None:
    """NaN and infinity pass, also against zeros; an empty row gives 0."""
    x = matrix("csr", (4, 3), 0.0).tolil()
    x[0, 1], x[2, 0], x[3, 2] = 2.0, np.inf, 0.0
    x = x.tocsr()
    x = type(x)(
        (np.array([2.0, np.inf, 0.0]), [1, 0, 2], [0, 1, 1, 2, 3]), shape=(4, 3)
    )
    y = np.array([[0.0, 1.0], [np.nan, 2.0], [np.inf, 3.0]])
    want = np.array([[np.nan, 4.0], [0, 0], [np.nan, np.inf], [np.nan, 0]])
    for format in FORMATS:
        got = sparse.dot(sparse.constant(x.asformat(format)), y).eval()
        np.testing.assert_array_equal(got, want)


def test_long_sums_keep_their_digits() -> None:
    """One row of many equal numbers: single precision alone would lose the last ones."""
    count = 200_000
    x = matrix("csr", (1, 1)).__class__(np.full((1, count), 0.1, "float32"))
    for made in (x,):
        v = sparse.SparseType(made.format, "float32")()
        total = symnet.function([v], sparse.dot(v, T.ones((count, 2), "float32")))(made)
        want = np.float64(np.float32(0.1)) * count
        tolerance = 2e-5  # one after another: 2e-3
        np.testing.assert_allclose(total, [[want, want]], rtol=tolerance)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("format", FORMATS)
def test_the_number_of_threads_changes_no_bit(format: str, threads: int) -> None:
    x = matrix(format, (3000, 2000), 0.01, "float32")
    x.data = RNG.normal(size=x.nnz).astype("float32")
    y = np.random.default_rng(0).normal(size=(2000, 40)).astype("float32")
    v, w = sparse.SparseType(format, "float32")(), T.fmatrix()
    found = []
    for count in (1, threads):
        with symnet.config.change_flags(num_threads=count):
            found.append(symnet.function([v, w], sparse.dot(v, w))(x, y))
    np.testing.assert_array_equal(*found)
    agree(found[0] / 100, x @ y / 100)


PRODUCTS = [sparse.structured_dot, sparse.dot, sparse.true_dot]


@pytest.mark.parametrize("product", PRODUCTS)
@pytest.mark.parametrize("format", FORMATS)
def test_gradients(format: str, product: Any) -> None:
    x, y = matrix(format, (4, 5)), matrix("csr", (5, 3), seed=4)
    left, right = RNG.normal(size=(3, 4)), RNG.normal(size=(5, 2))
    check_gradient(product, [x, right])
    check_gradient(product, [left, x])
    check_gradient(product, [x, y])
    if product is not sparse.structured_dot:
        check_gradient(product, [x, right], structured=False)
        check_gradient(product, [left, x], structured=False)
        check_gradient(product, [x, y], structured=False)
    if product is sparse.dot:
        check_gradient(product, [x, RNG.normal(size=5)])
        check_gradient(product, [RNG.normal(size=4), x], structured=False)
    check_gradient(lambda v, w: sparse.true_dot(v, w, False), [x, right])


def test_gradients_have_the_entries_that_they_are_to_have() -> None:
    x, w = sparse.csr_matrix("x"), T.dmatrix("w")
    value, weights = matrix("csr", (4, 5)), RNG.normal(size=(5, 2))
    full = np.ones((4, 2)) @ weights.T
    for product, want in [
        (sparse.structured_dot, full * value.astype(bool).toarray()), (sparse.dot, full),
    ]:  # fmt: skip
        gradient = symnet.grad(product(x, w).sum(), x)
        f = symnet.function([x, w], gradient, on_unused_input="ignore")
        agree(f(value, weights), want, x.type)


@pytest.mark.parametrize("format", FORMATS)
def test_second_derivatives(format: str) -> None:
    x, w = matrix(format, (4, 5)), RNG.normal(size=(5, 2))

    def slope(data: Any, v: Any) -> Any:
        made = sparse.CSM(format)(data, x.indices, x.indptr, x.shape)
        cost = (sparse.structured_dot(made, v) ** 3).sum()
        return symnet.grad(cost, data)

    symnet.gradient.verify_grad(slope, [x.data, w])


@pytest.mark.parametrize("format", FORMATS)
def test_sampling_dot(format: str) -> None:
    p = matrix(format, (4, 5))
    u, v = RNG.normal(size=(4, 3)), RNG.normal(size=(5, 3))
    check(sparse.sampling_dot, [u, v, p], p.multiply(u @ v.T))
    check_gradient(sparse.sampling_dot, [u, v, p])
    none = matrix(format, (4, 5), 0.0)
    check(sparse.sampling_dot, [u, v, none], none)
    for inner in (0, 1, 16, 33):
        u, v = np.ones((4, inner)), np.ones((5, inner))
        check(sparse.sampling_dot, [u, v, p], p * inner, ("FAST_RUN",))


def test_usmm() -> None:
    x, y = matrix("csc", (4, 5)), RNG.normal(size=(5, 3))
    z = RNG.normal(size=(4, 3))
    check(lambda a, b, c: sparse.usmm(-2.0, a, b, c), [x, y, z], -2.0 * (x @ y) + z)
    check(
        lambda a, b, c: sparse.usmm([[3.0]], a, b, c),
        [y.T, x.T, z.T],
        3.0 * (x @ y).T + z.T,
    )
    with pytest.raises(TypeError, match="a number alpha"):
        sparse.usmm(T.dvector(), x, y, z)
    with pytest.raises(TypeError, match="one operand at least"):
        sparse.usmm(1.0, T.dmatrix(), T.dmatrix(), z)


def test_products_of_tensors_with_sparse_variables() -> None:
    x, value, w = sparse.csr_matrix(), matrix("csr", (5, 5)), RNG.normal(size=(5, 5))
    v = symnet.shared(w)
    for made, want in [
        (T.dot(x, v), value @ w), (T.dot(v, x), w @ value), (x @ v, value @ w),
        (v @ x, w @ value), (v.dot(x), w @ value), (x.dot(v), value @ w),
        (symnet.dot(x, v), value @ w),
    ]:  # fmt: skip
        np.testing.assert_allclose(symnet.function([x], made)(value), want)


@pytest.mark.parametrize("product", PRODUCTS)
def test_operands_that_are_refused(product: Any) -> None:
    x = sparse.csr_matrix("x")
    with pytest.raises(TypeError, match="one operand at least is sparse"):
        product(T.dmatrix(), T.dmatrix())
    with pytest.raises(TypeError, match="matrix|matrices"):
        product(x, T.dtensor3())
    for other in (T.dmatrix(), sparse.csc_matrix()):
        f = symnet.function([x, other], product(x, other))
        wrong = (
            np.ones((4, 2))
            if isinstance(other.type, T.TensorType)
            else matrix("csc", (4, 2))
        )
        with pytest.raises((ShapeError, ValueError)):
            f(matrix("csr", (5, 7)), wrong)


def test_an_index_outside_is_found_natively() -> None:
    data, indices = T.dvector(), T.ivector()
    for format in FORMATS:
        x = sparse.CSM(format)(data, indices, [0, 1, 2], (2, 2))
        f = symnet.function([data, indices], sparse.dot(x, np.ones((2, 3))))
        f(np.ones(2), np.array([0, 1], "int32"))
        for wrong in ([0, 2], [-1, 0], [2**31 - 1, 0]):
            with pytest.raises(ValueError, match="an index is outside"):
                f(np.ones(2), np.array(wrong, "int32"))
