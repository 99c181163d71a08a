"""Parts of sparse matrices against SciPy, and their gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symnet
import symnet.sparse as sparse
import symnet.tensor as T
from tests.ops.sparse.matrices import FORMATS, check, check_gradient, matrix, twisted

FAST = ("FAST_RUN", "FAST_COMPILE")
KEYS: list[Any] = [
    slice(1, 3), slice(None), slice(None, None, 2), slice(-2, None), slice(9, 20),
    (slice(1, 4), slice(2, 5)), (slice(None), slice(-3, -1)),
    (slice(None, None, -1), slice(1, 6, 2)),
    (slice(2, 2), slice(None)), (slice(0, 1), slice(0, 1)),
]  # fmt: skip


@pytest.mark.parametrize("key", KEYS, ids=str)
@pytest.mark.parametrize("format", FORMATS)
def test_slices(format: str, key: Any) -> None:
    x = matrix(format, dtype="float32")
    check(lambda v: v[key], [x], x[key], FAST)
    check_gradient(lambda v: v[key], [matrix(format)])
    check_gradient(lambda v: v[key], [matrix(format)], structured=False)


@pytest.mark.parametrize("format", FORMATS)
def test_slices_with_variables(format: str) -> None:
    x, a, b = sparse.matrix(format), T.iscalar(), T.lscalar()
    f = symnet.function([x, a, b], x[a:b, b - 2 :: a])
    value = matrix(format)
    np.testing.assert_array_equal(f(value, 1, 4).toarray(), value[1:4, 2::1].toarray())


@pytest.mark.parametrize("rows", [[0], [3, 1, 1], [-1, 0], []])
@pytest.mark.parametrize("format", FORMATS)
def test_rows_of_a_list(format: str, rows: Any) -> None:
    x = twisted(matrix(format))
    want = x.toarray()[np.array(rows, int)]
    check(lambda v: v[rows], [x], want, FAST)
    check(
        lambda v, w: sparse.get_item_list(v, w),
        [x, np.array(rows, "int64")],
        want,
        FAST,
    )
    check_gradient(lambda v: v[rows], [matrix(format)])
    check_gradient(lambda v: v[rows], [matrix(format)], structured=False)


@pytest.mark.parametrize("format", FORMATS)
def test_numbers_by_two_lists(format: str) -> None:
    x = twisted(matrix(format, dtype="float32"))
    rows, columns = [0, 4, 4, -1], [1, -1, 6, 0]
    check(lambda v: v[rows, columns], [x], x.toarray()[rows, columns], FAST)
    check_gradient(lambda v: v[rows, columns], [matrix(format)])
    check_gradient(lambda v: v[rows, columns], [matrix(format)], structured=False)


@pytest.mark.parametrize("format", FORMATS)
def test_one_number(format: str) -> None:
    x = twisted(matrix(format))
    for row, column in [(0, 0), (4, 6), (-1, -7), (2, 3)]:
        check(lambda v, i=row, j=column: v[i, j], [x], x.toarray()[row, column], FAST)
    check(lambda v, i: v[i, i + 1], [x, np.array(2)], x.toarray()[2, 3], FAST)
    check_gradient(lambda v: v[1, 2], [matrix(format)])
    check_gradient(lambda v: v[-1, -2], [matrix(format)], structured=False)


def test_positions_that_do_not_exist() -> None:
    x, value = sparse.csr_matrix(), matrix("csr")
    for key in ([5], [-6], ([0], [7]), (5, 0), (0, -8), ([0, 1], [0])):
        with pytest.raises(IndexError):
            symnet.function([x], x[key])(value)


@pytest.mark.parametrize("key", [0, (0, slice(None)), (slice(None), 1), "a", (None, 1)])
def test_keys_that_are_refused(key: Any) -> None:
    with pytest.raises(NotImplementedError, match="would be a sparse vector"):
        sparse.csr_matrix()[key]


def test_kinds_that_are_refused() -> None:
    x = sparse.csr_matrix()
    with pytest.raises(IndexError, match="two axes"):
        x[:, :, :]
    with pytest.raises(TypeError, match="vector of integers"):
        x[[0.5]]
    with pytest.raises(TypeError, match="bounds of a slice"):
        x[T.dscalar() :]
