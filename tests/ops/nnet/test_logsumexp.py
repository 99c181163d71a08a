from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import scipy.special

import symnet
import symnet.tensor as T
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


with np.errstate(divide="ignore"):
    TRANSITIONS = np.log([[0.5, 0.5, 0], [0, 0.3, 0.7], [0, 0, 1]])
START = np.array([0.0, -np.inf, -np.inf])


def _alphas(likelihoods: Any, join: Any) -> Any:
    """The forward algorithm of a chain that goes one way only: most is never reached."""
    states, _ = symnet.scan(
        lambda now, before: now + join(before.dimshuffle(0, "x") + TRANSITIONS),
        sequences=likelihoods[1:],
        outputs_info=START + likelihoods[0],
    )
    return states[-1, 2]


def _by_numpy(likelihoods: Any) -> Any:
    before = START + likelihoods[0]
    for now in likelihoods[1:]:
        before = now + scipy.special.logsumexp(before[:, None] + TRANSITIONS, axis=0)
    return before[2]


@pytest.mark.parametrize("device", ["cpu", "reference"])
@pytest.mark.parametrize("mode", ["FAST_RUN", "FAST_COMPILE"])
@pytest.mark.parametrize("how", ["log of a sum", "logsumexp", "logaddexp"])
def test_what_is_never_reached_has_no_gradient(
    how: str, mode: str, device: str
) -> None:
    """Sums of minus infinities only: their shares are not 0 / 0."""
    join: Any = {
        "log of a sum": lambda a: T.log(T.sum(T.exp(a), axis=0)),
        "logsumexp": lambda a: T.nnet.logsumexp(a, axis=0),
        "logaddexp": lambda a: T.logaddexp(T.logaddexp(a[0], a[1]), a[2]),
    }[how]
    x = T.dmatrix("x")
    total = _alphas(x, join)
    outputs = [total, symnet.grad(total, x)]
    f = symnet.function([x], outputs, mode=mode, device=device)
    array = np.random.default_rng(2).normal(size=(5, 3))
    got, slopes = f(array)
    np.testing.assert_allclose(got, _by_numpy(array))
    wanted = np.zeros_like(array)
    for place in np.ndindex(array.shape):
        step = np.zeros_like(array)
        step[place] = 1e-5
        wanted[place] = (_by_numpy(array + step) - _by_numpy(array - step)) / 2e-5
    np.testing.assert_allclose(slopes, wanted, atol=1e-9)


def test_lines_of_minus_infinity_beside_others() -> None:
    for dtype, axis in itertools.product(("float32", "float64"), (0, 1)):
        x = TensorType(dtype, (None, None))("x")
        array = np.array([[-np.inf, -np.inf, 0], [-np.inf, 1, np.nan]], dtype)
        total = T.nnet.logsumexp(x, axis=axis)
        got = run(symnet.grad(total.sum(), x), {x: array})
        with np.errstate(invalid="ignore"):
            wanted = scipy.special.softmax(array, axis=axis)
        wanted[np.isneginf(array).all(axis, keepdims=True) & np.isneginf(array)] = 0
        np.testing.assert_allclose(got, wanted, rtol=1e-6)
