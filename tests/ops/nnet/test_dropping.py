"""Dropout: which elements stay, what they become, and their gradient."""

from __future__ import annotations

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet.sandbox.rng_mrg import MRG_RandomStreams
from symnet.tensor.nnet import dropout
from symnet.tensor.shared_randomstreams import RandomStreams


@pytest.mark.parametrize("kind", [MRG_RandomStreams, RandomStreams])
@pytest.mark.parametrize("p", [0.25, 0.8])
def test_elements_are_dropped_or_scaled(kind: type, p: float) -> None:
    x = T.fmatrix("x")
    y = dropout(x, p, kind(3))
    f = symnet.function([x], [y, symnet.grad(y.sum(), x)])
    value = np.arange(1, 10001, dtype="float32").reshape(100, 100)
    first, slope = f(value)
    kept = first != 0
    np.testing.assert_allclose(first[kept], (value / (1 - p))[kept], rtol=1e-6)
    np.testing.assert_allclose(slope, kept / (1 - p), rtol=1e-6)
    # 10000 draws: within five standard deviations of the mean.
    assert abs(kept.mean() - (1 - p)) < 5 * np.sqrt(p * (1 - p) / 10000)
    assert ((f(value)[0] != 0) != kept).any()


def test_axes_that_share_what_is_dropped_and_no_scale() -> None:
    x, p = T.dtensor3("x"), T.dscalar("p")
    y = dropout(x, p, MRG_RandomStreams(5), shared_axes=(1, -1), scale=False)
    got = symnet.function([x, p], y)(np.ones((200, 3, 4)), 0.5)
    assert set(got.sum(axis=(1, 2))) == {0.0, 12.0}


def test_nothing_dropped_and_wrong_arguments() -> None:
    x, streams = T.dmatrix("x"), MRG_RandomStreams(1)
    assert dropout(x, 0, streams) is x
    for p in (-0.1, 1, 2.0):
        with pytest.raises(ValueError, match="from 0 to below 1"):
            dropout(x, p, streams)
    with pytest.raises(TypeError, match="floats"):
        dropout(T.lmatrix(), 0.5, streams)
