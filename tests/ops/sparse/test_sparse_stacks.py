"""Matrices side by side, and sparse gradients of dense matrices."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse

import symnet
import symnet.sparse as sparse
import symnet.tensor as T
from tests.ops.sparse.matrices import FORMATS, agree, check, check_gradient, matrix

FAST = ("FAST_RUN", "FAST_COMPILE")


@pytest.mark.parametrize("format", [None, *FORMATS])
def test_side_by_side(format: Any) -> None:
    x, y = matrix("csr", (4, 5)), matrix("csc", (4, 3), dtype="float32")
    z, none = matrix("csr", (2, 5), dtype="int8"), matrix("csc", (0, 5))
    both = scipy.sparse.hstack([x, y])
    check(lambda *v: sparse.hstack(v, format), [x, y], both, FAST)
    check(
        lambda *v: sparse.vstack(v, format),
        [x, z, none],
        scipy.sparse.vstack([x, z]),
        FAST,
    )
    check(lambda v: sparse.hstack([v], format, "float32"), [x], x, FAST)
    assert sparse.hstack([x, y], format).type.format == (format or "csc")
    sizes = symnet.function([], sparse.hstack([x, y]).shape)
    assert tuple(sizes()) == (4, 8)


@pytest.mark.parametrize("structured", [True, False])
def test_gradients(structured: bool) -> None:
    x, y, z = matrix("csr", (4, 5)), matrix("csc", (4, 3)), matrix("csr", (2, 5))
    check_gradient(lambda *v: sparse.hstack(v), [x, y], structured)
    check_gradient(lambda *v: sparse.vstack(v, "csr"), [x, z], structured)


def test_what_is_refused() -> None:
    x = sparse.csr_matrix()
    with pytest.raises(ValueError, match="no matrices"):
        sparse.hstack([])
    with pytest.raises(TypeError, match="no format"):
        sparse.vstack([x], "coo")
    with pytest.raises(TypeError, match="sparse"):
        sparse.hstack([x, T.dmatrix()])
    f = symnet.function([x], sparse.hstack([x, matrix("csr", (3, 3))]))
    with pytest.raises(ValueError):
        f(matrix("csr", (4, 5)))


def rows(position: Any, count: int = 6) -> Any:
    rng = np.random.default_rng(1)
    values = rng.normal(size=(len(position), 3))
    want = np.zeros((count, 3))
    np.add.at(want, position, values)
    return values, want


@pytest.mark.parametrize("position", [[4, 0, 4, -1], [], [2]])
def test_a_matrix_of_some_rows(position: Any) -> None:
    values, want = rows(position)
    index = np.array(position, "int64")
    x = np.zeros((6, 3))
    check(sparse.construct_sparse_from_list, [x, values, index], want)
    check_gradient(lambda v: sparse.construct_sparse_from_list(x, v, index), [values])
    with pytest.raises(TypeError):
        sparse.construct_sparse_from_list(T.dvector(), values, index)
    with pytest.raises(TypeError):
        sparse.construct_sparse_from_list(x, values, T.dvector())


@pytest.mark.parametrize("position", [[4, 0, 4, -1], [2]])
def test_rows_with_a_sparse_gradient(position: Any) -> None:
    table = np.random.default_rng(2).normal(size=(6, 3))
    x, index = T.dmatrix(), T.ivector()
    taken = symnet.sparse_grad(x[index])
    cost = (taken**3).sum()
    gradient = symnet.grad(cost, x)
    assert gradient.type == sparse.csc_dmatrix
    f = symnet.function([x, index], [taken, gradient])
    got, slope = f(table, np.array(position, "int32"))
    np.testing.assert_array_equal(got, table[position])
    want = np.zeros_like(table)
    np.add.at(want, position, 3 * table[position] ** 2)
    agree(slope, want)


def test_a_step_that_changes_some_rows() -> None:
    table = np.random.default_rng(2).normal(size=(6, 3))
    w, index = symnet.shared(table), T.ivector()
    cost = (symnet.sparse_grad(w[index]) ** 2).sum() + (w[0] ** 2).sum()
    step = symnet.function([index], cost, updates=[(w, w - 0.1 * symnet.grad(cost, w))])
    step(np.array([1, 1, 5], "int32"))
    slope = np.zeros_like(table)
    np.add.at(slope, [0, 1, 1, 5], 2 * table[[0, 1, 1, 5]])
    np.testing.assert_allclose(w.get_value(), table - 0.1 * slope)


@pytest.mark.parametrize(
    "wrong",
    [T.dmatrix(), T.dvector()[T.ivector()], T.dmatrix()[T.imatrix()], T.dmatrix()[1:]],
)
def test_what_has_no_sparse_gradient(wrong: Any) -> None:
    with pytest.raises(TypeError, match="rows of a matrix"):
        symnet.sparse_grad(wrong)
