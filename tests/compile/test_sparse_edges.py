"""Where sparse matrices become arrays: what a program takes, and room behind entries."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symnet
import symnet.sparse as sparse
import symnet.tensor as T
from symnet.compile.sparse_edges import MOST_PADDED, Edges, with_room
from symnet.sparse_shared import SparseSharedVariable
from tests.ops.sparse.matrices import FORMATS, agree, matrix


def test_dense_functions_stay_as_they_are() -> None:
    x, w = T.dmatrix(), symnet.shared(np.eye(2))
    edges = Edges([x], [x + w], {w: w * 2})
    assert edges.plain and edges.inputs == [x] and list(edges.updates) == [w]
    values = [np.eye(2)]
    assert edges.split(values) == values and edges.joined(values) == values
    assert symnet.function([x], x + w).edges.plain


@pytest.mark.parametrize("format", FORMATS)
def test_a_program_takes_and_gives_arrays(format: str) -> None:
    x, y = sparse.matrix(format, "x"), T.dscalar("y")
    w = symnet.shared(matrix(format), "w")
    assert isinstance(w, SparseSharedVariable)
    edges = Edges([x, y], [x * y, y], {w: w + x})
    names = [v.name for v in edges.inputs]
    assert names == ["x.data", "x.indices", "x.indptr", "x.minor", "y"]
    assert len(edges.outputs) == 5 and list(edges.updates) == list(w.arrays)
    for v in (*edges.inputs, *edges.outputs, *edges.updates.values()):
        assert isinstance(v.type, T.TensorType)
    value = matrix(format)
    arrays = edges.split([value, 2.0])
    assert len(arrays) == 5
    agree(edges.joined([*arrays[:4], arrays[4]])[0], value)


def steps(function: Any, x: Any) -> int:
    """How many plans a function makes for matrices of many numbers of entries."""
    w = T.dmatrix()
    f = symnet.function([x, w], function(x, w))
    weights = np.ones((30, 2))
    for k in range(40):
        value = matrix(x.format, (20, 30), 0.5 + k / 1000, seed=k)
        want = function(sparse.constant(value), weights).eval()
        agree(f(value, weights), want)
    (native,) = f.engine.native
    return int(native.plans_made)


@pytest.mark.parametrize("format", FORMATS)
def test_products_need_few_plans(format: str) -> None:
    x = sparse.matrix(format)
    assert steps(sparse.dot, x) <= 4
    assert (
        steps(lambda v, w: sparse.dot(v, w).sum(0) + sparse.dot(w.T, v.T).sum(), x) <= 4
    )
    assert steps(lambda v, w: sparse.dot(v * 2, w), x) > 10


def test_where_there_may_be_room() -> None:
    x, w = sparse.csr_matrix(), T.dmatrix()
    product = sparse.dot(x, w)
    assert Edges([x, w], [product], {}).roomy == {0}
    for other in (
        x,
        sparse.csm_data(x),
        x.nnz,
        sparse.csm_indices(x),
        sparse.sp_sum(x),
    ):
        assert not Edges([x, w], [product, other], {}).roomy
    assert Edges([x, w], [product, sparse.csm_indptr(x), x.shape], {}).roomy == {0}


@pytest.mark.parametrize("count", [0, 1, 8, 9, 100, 1000, MOST_PADDED])
def test_room(count: int) -> None:
    array = np.arange(1.0, count + 1)
    longer = with_room(array)
    np.testing.assert_array_equal(longer[:count], array)
    assert not longer[count:].any()
    assert len(longer) <= max(1.13 * count, count + 8)
    assert with_room(longer) is longer
