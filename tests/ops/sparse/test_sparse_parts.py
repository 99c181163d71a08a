"""The reference evaluation of sparse operations by their dense forms."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import scipy.sparse

import symnet
import symnet.sparse as sparse
import symnet.tensor as T
from symnet.errors import ShapeError
from symnet.graph.evaluate import evaluate
from symnet.ops.sparse.sparse_arithmetic import AddSD
from tests.ops.sparse.matrices import FORMATS, matrix


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """Of which additions a dense form has been made."""
    found: list[Any] = []
    right = AddSD.dense

    def dense(self: AddSD, node: Any, inputs: Any, forms: Any) -> Any:
        found.append(self)
        return right(self, node, inputs, forms)

    monkeypatch.setattr(AddSD, "dense", dense)
    yield found


@pytest.mark.parametrize("format", FORMATS)
def test_a_dense_form_is_made_once_for_values_of_all_sizes(
    format: str, made: list[Any]
) -> None:
    x, y = sparse.matrix(format, "x", "float32"), T.fmatrix("y")
    total = x + y
    random = np.random.default_rng(0)
    for shape in ((3, 4), (1, 1), (0, 2), (5, 2), (2, 0)):
        value = matrix(format, shape, 0.5, "float32")
        dense = random.normal(size=shape).astype("float32")
        (got,) = evaluate([total], {x: value, y: dense})
        assert got.dtype == np.float32 and got.shape == shape
        np.testing.assert_array_equal(got, value.toarray() + dense)
    assert len(made) == 1
    with symnet.config.change_flags(floatX="float32"):
        (got,) = evaluate([total], {x: value, y: dense})
    assert got.dtype == np.float32 and len(made) == 2


def test_a_matrix_that_stands_on_both_sides() -> None:
    x = sparse.csr_matrix("x", "float64")
    value = matrix("csr", (4, 4), 0.5)
    (got,) = evaluate([x + x], {x: value})
    np.testing.assert_array_equal(got.toarray(), 2 * value.toarray())


def test_a_dense_form_goes_with_its_operation(made: list[Any]) -> None:
    x, y = sparse.csr_matrix("x", "float64"), T.dmatrix("y")
    total = x + y
    evaluate([total], {x: matrix("csr", (2, 3)), y: np.ones((2, 3))})
    node = weakref.ref(total.owner)
    del total
    gc.collect()
    assert len(made) == 1 and node() is None


def test_errors_name_the_line_of_the_operation() -> None:
    x, y = sparse.csr_matrix("x", "float64"), T.dmatrix("y")
    total = x + y  # the line
    value = scipy.sparse.csr_matrix(np.eye(3))
    for wrong in (np.ones((3, 4)), np.ones((2, 3))):
        with pytest.raises(ValueError, match="the line"):
            evaluate([total], {x: value, y: wrong})


def test_an_error_is_told_once_with_matrices_and_the_users_line() -> None:
    x = T.dmatrix("x")
    matrix = sparse.csr_from_dense(x)
    f = symnet.function([x], sparse.dense_from_sparse(sparse.true_dot(matrix, matrix)))
    with pytest.raises(ShapeError, match="cannot be multiplied") as told:
        f(np.ones((2, 3)))
    text = str(told.value)
    assert text.count("operation: TrueDot") == text.count("your line") == 1
    assert text.count("csr matrix, value float64 (2, 3)") == 2
    assert "test_sparse_parts.py" in text and "indptr" not in text
