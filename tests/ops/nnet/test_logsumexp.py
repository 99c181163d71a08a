from __future__ import annotations

import itertools

import numpy as np
import pytest
import scipy.special

import symnet
from symnet.gradient import verify_grad
from symnet.graph.types import TensorType
from symnet.ops.base import constant
from symnet.ops.nnet.logsumexp import LogSumExp
from tests.helpers import run

AXES = [(0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2)]


def test_values() -> None:
    rng = np.random.default_rng(0)
    for dtype, axes in itertools.product(("float32", "float64"), AXES):
        x = TensorType(dtype, (None, None, None))("x")
        array = (rng.normal(size=(2, 3, 4)) * 300).astype(dtype)
        got = run(
            LogSumExp(axes)(x), {x: array}, rtol=1e-5 if dtype == "float32" else None
        )
        assert got.dtype == np.dtype(dtype)
        np.testing.assert_allclose(
            got, scipy.special.logsumexp(array, axis=axes), rtol=1e-6
        )


def test_infinities_and_nan() -> None:
    x = TensorType("float64", (None, None))("x")
    rows = [
        [np.inf, 1],
        [-np.inf, -np.inf],
        [np.nan, 0],
        [np.inf, -np.inf],
        [1e308, 1e308],
    ]
    got = run(LogSumExp((1,))(x), {x: np.array(rows)})
    np.testing.assert_array_equal(got[:4], [np.inf, -np.inf, np.nan, np.inf])
    assert np.isfinite(got[4])


def test_integers_become_floats() -> None:
    assert LogSumExp((0,))(constant(np.array([1, 2]))).type.dtype == "float64"


def test_gradient() -> None:
    array = np.random.default_rng(1).normal(size=(2, 3))
    for axes in ((0,), (1,), (0, 1)):
        verify_grad(lambda x, axes=axes: LogSumExp(axes)(x), [array])


@pytest.mark.parametrize("mode", ["FAST_RUN", "FAST_COMPILE", "DebugMode"])
def test_of_no_elements(mode: str) -> None:
    """What the formulas give: a sum of nothing is 0, a quotient of nothing is empty."""
    x = symnet.tensor.dmatrix("x")
    powers = symnet.tensor.exp(x)
    outputs = [
        symnet.tensor.log(powers.sum(1)),
        symnet.tensor.log(powers.sum()),
        powers / powers.sum(1, keepdims=True),
        symnet.tensor.nnet.softmax(x),
        symnet.tensor.nnet.logsoftmax(x),
        symnet.grad(symnet.tensor.log(powers.sum(1)).sum(), x),
    ]
    f = symnet.function([x], outputs, mode=mode)
    rows, whole, *rest = f(np.zeros((2, 0)))
    assert rows.tolist() == [-np.inf, -np.inf] and whole == -np.inf
    assert [r.shape for r in rest] == [(2, 0)] * 4
