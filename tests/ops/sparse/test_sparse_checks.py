"""Sparse matrices that are checked to have a shape."""

from __future__ import annotations

import numpy as np
import pytest

import symnet
import symnet.sparse as sparse
import symnet.tensor as T
from symnet.errors import DeclaredShapeError
from tests.ops.sparse.matrices import FORMATS, MODES, SIZES, agree, matrix


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("mode", MODES)
def test_what_fits_passes_unchanged(format: str, mode: str) -> None:
    x, shape = sparse.matrix(format, "x", "float64"), T.lvector("shape")
    y = T.specify_shape(x, shape)
    assert y.type == x.type
    slope = symnet.grad(sparse.sp_sum(sparse.mul(y, y)), x)
    f = symnet.function([x, shape], [y, y.shape, slope], mode=mode)
    for size, density in SIZES:
        value = matrix(format, size, density)
        same, sizes, by_x = f(value, size)
        agree(same, value)
        np.testing.assert_array_equal(sizes, size)
        agree(by_x, 2 * value)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("mode", MODES)
def test_what_does_not_fit_is_an_error_whatever_is_read(format: str, mode: str) -> None:
    x, value = sparse.matrix(format, "x", "float64"), matrix(format)
    for shape in ((5, 8), (4, 7), (None, 8), (4, None), (7, 5)):
        y = T.specify_shape(x, shape)
        entries, places, starts, sizes = sparse.csm_properties(y)
        for read in (y, entries, places, starts, sizes, sparse.sp_sum(y)):
            with pytest.raises(DeclaredShapeError, match="test_sparse_checks.py"):
                symnet.function([x], read, mode=mode)(value)
    for shape in ((None, 7), (5, None)):
        agree(symnet.function([x], T.specify_shape(x, shape), mode=mode)(value), value)


def test_two_sizes_are_asked_for() -> None:
    x, shape = sparse.csr_matrix("x"), T.ivector("shape")
    assert T.specify_shape(x, (None, None)) is x
    with pytest.raises(DeclaredShapeError, match="3 sizes for a matrix"):
        T.specify_shape(x, (1, 2, 3))
    f = symnet.function([x, shape], T.specify_shape(x, shape))
    with pytest.raises(DeclaredShapeError, match="3 and 2"):
        f(matrix("csr"), [5, 7, 1])
