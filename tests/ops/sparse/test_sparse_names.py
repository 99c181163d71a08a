"""Sparse operations by Theano's other names, against SciPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

import symnet
import symnet.sparse as sparse
import symnet.tensor as T

A = sp.csr_matrix(np.array([[1.0, 0, 2], [0, -1, 0]]))
B = sp.csr_matrix(np.array([[1.0, 3, 0], [0, -2, 0]]))
SIGNS = {
    "equal": "==", "not_equal": "!=", "less_than": "<", "greater_than": ">",
    "less_equal": "<=", "greater_equal": ">=",
}  # fmt: skip


@pytest.mark.parametrize("name", SIGNS)
def test_comparisons(name: str) -> None:
    x, y, d = sparse.csr_matrix("x"), sparse.csr_matrix("y"), T.dmatrix("d")
    want = eval(f"a {SIGNS[name]} b", {"a": A.toarray(), "b": B.toarray()})  # noqa: S307
    found = symnet.function([x, y], getattr(sparse, f"{name}_s_s")(x, y))(A, B)
    np.testing.assert_array_equal(found.toarray(), want)
    dense: Any = symnet.function([x, d], getattr(sparse, f"{name}_s_d")(x, d))
    np.testing.assert_array_equal(dense(A, B.toarray()), want)
    with pytest.raises(TypeError):
        getattr(sparse, f"{name}_s_s")(x, d)


def test_casts_drop_imaginary_parts_as_scipy() -> None:
    x = sparse.csr_matrix("x", dtype="complex64")
    value = sp.csr_matrix(np.array([[1 + 2j, 0], [0, 3.7]], "complex64"))
    found = symnet.function([x], sparse.bcast(x))(value)
    assert found.dtype == np.int8
    assert found.toarray().tolist() == [[1, 0], [0, 3]]
    assert sparse.dcast(x).dtype == "float64"


def test_classes_build_the_expression() -> None:
    x, s = sparse.csc_matrix("x"), T.dvector("s")
    scaled = symnet.function([x, s], sparse.ColScaleCSC()(x, s))
    found = scaled(A.tocsc(), np.array([1.0, 2, 3]))
    np.testing.assert_array_equal(found.toarray(), A.toarray() * [1, 2, 3])
    assert sparse.RowScaleCSC() == sparse.RowScaleCSC()


def test_a_function_of_the_entries() -> None:
    @sparse.structured_monoid(T.cos)
    def cosine(x: Any) -> None:
        "cos of the entries."

    x = sparse.csr_matrix("x")
    found = symnet.function([x], cosine(x))(A)
    np.testing.assert_allclose(found.data, np.cos(A.data))
    assert found.nnz == A.nnz
    assert cosine.__name__ == "cosine"


def test_classes_of_products_take_either_sparse() -> None:
    x, y, dense = sparse.csr_matrix("x"), T.dmatrix("y"), np.arange(8.0).reshape(4, 2)
    outputs = [sparse.Dot()(y, x), sparse.Dot()(x, x.T), sparse.TrueDot()(y, x)]
    plain, gram, kept = symnet.function([y, x], outputs)(dense, A)
    np.testing.assert_array_equal(plain, dense @ A.toarray())
    np.testing.assert_array_equal(gram, A.toarray() @ A.T.toarray())
    np.testing.assert_array_equal(kept.toarray(), dense @ A.toarray())
    assert isinstance(sparse.dot(x, y).owner.op, sparse.Dot)
    assert isinstance(sparse.true_dot(x, x).owner.op, sparse.TrueDot)
    with pytest.raises(TypeError):
        sparse.Dot()(y, y)
