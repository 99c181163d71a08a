"""Types, leaves and constants of sparse matrices, and what is refused."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
import scipy.sparse

import symnet
import symnet.sparse as sparse
import symnet.tensor as T
from symnet.ops.sparse.sparse_type import SPARSE_DTYPES
from tests.ops.sparse.matrices import FORMATS, agree, matrix, twisted


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("dtype", SPARSE_DTYPES)
def test_a_matrix_goes_in_and_comes_out(format: str, dtype: str) -> None:
    x = sparse.matrix(format, "x", dtype)
    assert (x.format, x.dtype, x.ndim, x.name) == (format, dtype, 2, "x")
    value = matrix(format, dtype=dtype)
    got = symnet.function([x], x)(value)
    agree(got, value, x.type)
    assert not x.type.may_share_memory(got, value)


def test_types_are_equal_by_format_and_dtype() -> None:
    kind = sparse.SparseType("csr", "float32")
    assert kind == sparse.csr_fmatrix == pickle.loads(pickle.dumps(kind))
    assert hash(kind) == hash(sparse.csr_fmatrix)
    assert kind != sparse.csc_fmatrix and kind != sparse.csr_dmatrix
    assert kind != T.fmatrix.type if hasattr(T.fmatrix, "type") else kind != T.fmatrix
    assert kind.clone(dtype="int8", format="csc") == sparse.SparseType("csc", "int8")
    with symnet.config.change_flags(floatX="float32"):
        assert sparse.csr_matrix().dtype == sparse.SparseType("csc", "floatX").dtype


@pytest.mark.parametrize(
    "wrong", [("bsr", "float64"), ("csr", "bool"), ("csr", "float16")]
)
def test_what_is_no_sparse_type(wrong: tuple[str, str]) -> None:
    with pytest.raises(TypeError, match="there are"):
        sparse.SparseType(*wrong)


def argument(value: Any, kind: Any = sparse.csr_dmatrix, **settings: Any) -> Any:
    x = kind("x")
    return symnet.function([symnet.In(x, **settings)], x)(value)


def test_arguments_that_are_converted() -> None:
    value = matrix("csr")
    agree(argument(value.tocsc()), value, sparse.csr_dmatrix)
    agree(argument(value.tocoo()), value, sparse.csr_dmatrix)
    agree(argument(scipy.sparse.csr_array(value)), value, sparse.csr_dmatrix)
    agree(argument(value.astype("float32")), value, sparse.csr_dmatrix)
    narrow = argument(value, sparse.csr_fmatrix, allow_downcast=True)
    agree(narrow, value, sparse.csr_fmatrix)


def test_indices_of_64_bits_and_in_no_order() -> None:
    value = matrix("csc")
    value.indices, value.indptr = (
        value.indices.astype("int64"),
        value.indptr.astype("int64"),
    )
    agree(argument(value, sparse.csc_dmatrix), value)
    for format in FORMATS:
        odd = twisted(matrix(format))
        assert not odd.has_canonical_format
        agree(argument(odd, sparse.SparseType(format, "float64")), matrix(format))


@pytest.mark.parametrize(
    "wrong, settings, told",
    [
        (np.eye(3), {}, "dense array.*scipy.sparse.csr_matrix"),
        ([[1.0]], {}, "got list"),
        (matrix("csc"), {"strict": True}, "strict"),
        (matrix("csr", dtype="complex128"), {}, "lose precision"),
        (scipy.sparse.csr_array(np.ones(3)), {}, "rank 1"),
    ],
)
def test_arguments_that_are_refused(wrong: Any, settings: Any, told: str) -> None:
    with pytest.raises(TypeError, match=f"(?s){told}"):
        argument(wrong, **settings)


def test_a_sparse_argument_where_a_dense_one_is_meant() -> None:
    x = T.dmatrix("x")
    with pytest.raises(TypeError, match="float64 matrix"):
        symnet.function([x], x)(matrix("csr"))


@pytest.mark.parametrize(
    "indices, indptr, told",
    [
        ([0, 7], [0, 1, 2], "outside of 0 to 2: they are from 0 to 7"),
        ([0, -1], [0, 1, 2], "from -1 to 0"),
        ([0, 1], [0, 2, 1], "does not rise"),
        ([0, 1], [1, 1, 2], "does not rise from 0 in 2 steps"),
        ([0, 1], [0, 1, 9], "there are 9 entries, but 2 numbers"),
    ],
)
def test_arrays_that_are_no_matrix(indices: Any, indptr: Any, told: str) -> None:
    value = scipy.sparse.csr_matrix((2, 3))
    value.data = np.ones(2)
    value.indices, value.indptr = np.array(indices, "int32"), np.array(indptr, "int32")
    with pytest.raises(ValueError, match=told):
        argument(value)


def test_room_behind_the_entries_is_not_read() -> None:
    value = matrix("csr")
    padded = value.copy()
    padded.data = np.append(value.data, np.nan)
    padded.indices = np.append(value.indices, 99).astype("int32")
    agree(argument(padded), value)


def test_constants() -> None:
    value = matrix("csc")
    x = sparse.as_sparse_variable(value, "x")
    assert isinstance(x, sparse.SparseConstant) and x.data is not value
    value.data[:] = 0
    agree(symnet.function([], x * 2)(), matrix("csc") * 2)
    assert sparse.as_sparse_variable(x) is x
    again = pickle.loads(pickle.dumps(x))
    agree(again.eval(), x.data)
    assert "csc" in repr(sparse.constant(matrix("csc")))


@pytest.mark.parametrize("wrong", [np.eye(2), 3, matrix("csr").tocoo(), T.dmatrix()])
def test_what_is_no_sparse_variable(wrong: Any) -> None:
    with pytest.raises(TypeError, match="csr|sparse"):
        sparse.as_sparse_variable(wrong)


def test_tensor_operations_refuse_sparse_variables() -> None:
    x = sparse.csr_matrix("x")
    for wrong in (T.exp, T.sum, T.concatenate, lambda v: T.zeros_like(v) + v[0:1]):
        with pytest.raises((TypeError, ValueError)):
            wrong(x)
    with pytest.raises(TypeError, match="dense_from_sparse"):
        T.exp(x)


def test_values_are_compared_wherever_they_are_stored() -> None:
    kind, value = sparse.csr_dmatrix, matrix("csr")
    other = value.copy()
    other.data[0] += 1e-3
    assert kind.values_eq(value, twisted(value)) and not kind.values_eq(value, other)
    assert kind.values_eq_approx(value, twisted(value))
    assert kind.values_eq_approx(value, value * (1 + 1e-12))
    assert not kind.values_eq_approx(value, other)
    assert not kind.values_eq_approx(value, value.astype("float32"))
    assert not kind.values_eq_approx(value, value.toarray())
    assert kind.values_eq_approx(value * 0, value * 0)
    assert not kind.values_eq_approx(value * 0, value)
    none = type(value)(value.shape)
    assert kind.values_eq_approx(none, none) and kind.values_eq(none, none)
    assert kind.is_valid_value(value) and not kind.is_valid_value(value.tocsc())
