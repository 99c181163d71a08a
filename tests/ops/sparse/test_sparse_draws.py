"""Random sparse matrices: their places, their distributions, their streams."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse

import symnet
import symnet.tensor as T
from symnet import sparse
from symnet.errors import NullTypeGradError
from symnet.sparse.sandbox import sp2
from symnet.tensor.shared_randomstreams import RandomStreams
from tests.ops.sparse.matrices import FORMATS, matrix


@pytest.mark.parametrize("format", FORMATS)
def test_poisson(format: str) -> None:
    x = sparse.matrix(format)
    value = abs(matrix(format, (200, 300), 0.5))
    f = symnet.function([x], sp2.poisson(x, RandomStreams(3)))
    one, two = f(value), f(value)
    np.testing.assert_array_equal(one.indices, value.indices)
    assert (
        one.format == format and one.dtype == "float64" and (one.data != two.data).any()
    )
    for mean in (1, 8):
        drawn = one.data[value.data == mean]
        assert abs(drawn.mean() - mean) < 5 * np.sqrt(mean / len(drawn))
        assert abs(drawn.var() - mean) < 0.2 * mean
    again = symnet.function([x], sp2.poisson(x, RandomStreams(3)))
    np.testing.assert_array_equal(again(value).data, one.data)
    with pytest.raises(ValueError):
        f(-value)


@pytest.mark.parametrize(
    "own", [sp2.csr_fbinomial, sp2.csc_fbinomial, sp2.csr_dbinomial, sp2.csc_dbinomial]
)
def test_binomial(own: sp2.Binomial) -> None:
    n, p, shape = T.iscalar(), T.dscalar(), T.lvector()
    made = own(n, p, shape, RandomStreams(5))
    assert made.type == sparse.SparseType(own.format, own.dtype)
    drawn = symnet.function([n, p, shape], made)(10, 0.1, [300, 200])
    assert drawn.shape == (300, 200) and set(np.unique(drawn.data)) <= set(range(1, 11))
    assert abs(drawn.toarray().mean() - 1.0) < 0.05
    assert symnet.function([n, p, shape], made)(10, 0.1, [0, 3]).shape == (0, 3)
    with pytest.raises(TypeError, match="an integer"):
        own(T.dscalar(), p, shape)


def test_multinomial() -> None:
    p = scipy.sparse.csr_matrix(np.array([[0.1, 0, 0.9], [0, 1, 0], [0.5, 0.5, 0]]))
    v, n = sparse.csr_matrix(), T.lvector()
    drawn = symnet.function([n, v], sp2.multinomial(n, v, RandomStreams(1)))(
        [1000, 7, 1000], p
    )
    np.testing.assert_array_equal(drawn.indices, p.indices)
    np.testing.assert_array_equal(drawn.sum(1).ravel(), [[1000, 7, 1000]])
    np.testing.assert_allclose(
        drawn.toarray()[[0, 2]] / 1000, p.toarray()[[0, 2]], atol=0.06
    )
    f = symnet.function([v], sp2.multinomial(5, v, RandomStreams(1)))
    assert (f(p).sum(1) == 5).all()
    with pytest.raises(ValueError, match="2 numbers of draws for 3 rows"):
        symnet.function([n, v], sp2.multinomial(n, v))([1, 2], p)
    with pytest.raises(TypeError, match="CSR"):
        sp2.multinomial(3, sparse.csc_matrix())
    with pytest.raises(NullTypeGradError, match="no gradient"):
        symnet.grad(sparse.sp_sum(sp2.multinomial(n, v)), v)
