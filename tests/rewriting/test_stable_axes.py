"""Softmax, logsoftmax and logsumexp written by hand, over any axes, and what is made of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.special

import symnet
import symnet.tensor as T
from tests.rewriting.test_stable import MODES

SCORES = np.random.default_rng(0).normal(size=(3, 4, 5))


LEVELS = {
    "small": 2 * SCORES,
    "far": 500 * SCORES,
    "high": SCORES + 1000,
    "low": SCORES - 1200,
}


def total(x: Any, axis: Any) -> Any:
    return T.exp(x).sum(axis=axis, keepdims=True)


SOFTMAX: dict[str, Callable[[Any, Any], Any]] = {
    "keepdims": lambda x, a: T.exp(x) / total(x, a),
    "scaled": lambda x, a: T.exp(x) / (2 * T.exp(x)).sum(axis=a, keepdims=True) * 2,
    "by the reciprocal": lambda x, a: T.exp(x) * (1 / total(x, a)),
    "shifted": lambda x, a: (
        lambda e: e / e.sum(axis=a, keepdims=True)
    )(T.exp(x - x.max(axis=a, keepdims=True))),
    "masked": lambda x, a: (
        lambda e: e / e.sum(axis=a, keepdims=True)
    )(T.exp(x) * T.ge(x, -1e9)),
    "by the logarithm": lambda x, a: T.exp(x - T.log(total(x, a))),
}  # fmt: skip


LOGSOFTMAX: dict[str, Callable[[Any, Any], Any]] = {
    "log of softmax": lambda x, a: T.log(T.exp(x) / total(x, a)),
    "difference": lambda x, a: x - T.log(total(x, a)),
    "shifted": lambda x, a: (
        lambda m: x - m - T.log(T.exp(x - m).sum(axis=a, keepdims=True))
    )(x.max(axis=a, keepdims=True)),
    "flat": lambda x, a: T.log((T.exp(x) / total(x, a)).flatten()).reshape(x.shape),
    "transposed": lambda x, a: T.log((T.exp(x) / total(x, a)).T).T,
}


LOGSUMEXP: dict[str, Callable[[Any, Any], Any]] = {
    "log of the sum": lambda x, a: T.log(total(x, a)),
    "scaled": lambda x, a: (
        T.log((0.5 * T.exp(x)).sum(axis=a, keepdims=True)) + np.log(2)
    ),
    "weighted": lambda x, a: T.log(
        (T.exp(x) * (T.ge(x, -1e9) / T.ones_like(x))).sum(axis=a, keepdims=True)
    ),
    "base 2": lambda x, a: T.log2(total(x, a)) * np.log(2),
    "shifted": lambda x, a: (
        lambda m: m + T.log(T.exp(x - m).sum(axis=a, keepdims=True))
    )(x.max(axis=a, keepdims=True)),
}


AXES = [0, 1, -1, (0, 2), (1, 2), None]


def softmax_gradient(p: Any, weights: Any, axis: Any) -> Any:
    return p * (weights - (p * weights).sum(axis=axis, keepdims=True))


@pytest.mark.parametrize("axis", AXES, ids=str)
@pytest.mark.parametrize("name", SOFTMAX)
def test_softmax_written_by_hand(name: str, axis: Any) -> None:
    weights = np.random.default_rng(1).normal(size=SCORES.shape)
    x = T.dtensor3()
    y = SOFTMAX[name](x, axis)
    f = symnet.function([x], [y, symnet.grad((y * weights).sum(), x)])
    for scores in LEVELS.values():
        p = scipy.special.softmax(scores, axis)
        value, gradient = f(scores)
        np.testing.assert_allclose(value, p, rtol=1e-11, atol=1e-13)
        want = softmax_gradient(p, weights, axis)
        np.testing.assert_allclose(gradient, want, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("axis", AXES, ids=str)
@pytest.mark.parametrize("name", LOGSOFTMAX)
def test_logsoftmax_written_by_hand(name: str, axis: Any) -> None:
    weights = np.random.default_rng(1).normal(size=SCORES.shape)
    x = T.dtensor3()
    y = LOGSOFTMAX[name](x, axis)
    f = symnet.function([x], [y, symnet.grad((y * weights).sum(), x)])
    for scores in LEVELS.values():
        p = scipy.special.softmax(scores, axis)
        value, gradient = f(scores)
        np.testing.assert_allclose(
            value, scipy.special.log_softmax(scores, axis), rtol=1e-12, atol=1e-12
        )
        want = weights - p * weights.sum(axis=axis, keepdims=True)
        np.testing.assert_allclose(gradient, want, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("axis", AXES, ids=str)
@pytest.mark.parametrize("name", LOGSUMEXP)
def test_logsumexp_written_by_hand(name: str, axis: Any) -> None:
    x = T.dtensor3()
    y = LOGSUMEXP[name](x, axis)
    f = symnet.function([x], [y, symnet.grad(y.sum(), x)])
    for scores in LEVELS.values():
        value, gradient = f(scores)
        want = scipy.special.logsumexp(scores, axis, keepdims=True)
        np.testing.assert_allclose(value, want, rtol=1e-13, atol=1e-13)
        shares = scipy.special.softmax(scores, axis)
        np.testing.assert_allclose(gradient, shares, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("mode", MODES, ids=str)
def test_axes_put_back_in_other_ways(mode: Any) -> None:
    x = T.dmatrix()
    e = T.exp(x)
    rows, columns = e.sum(axis=1), e.sum(axis=0)
    forms = [
        e / rows[:, None], e / rows.dimshuffle(0, "x"), e / rows.reshape((-1, 1)),
        e / rows.reshape((x.shape[0], 1)), (e.T / rows).T,
        T.exp(x - T.log(rows)[:, None]), e / T.dot(e, T.ones((3,)))[:, None],
        e / e.mean(axis=1, keepdims=True) / 3,
    ]  # fmt: skip
    scores = np.array([[1000.0, 999, -1000], [-800, -801, -802]])
    want = scipy.special.softmax(scores, 1)
    for number, y in enumerate(forms):
        value, gradient = symnet.function(
            [x], [y, symnet.grad((y**2).sum(), x)], mode=mode
        )(scores)
        np.testing.assert_allclose(
            value, want, rtol=1e-12, atol=1e-15, err_msg=str(number)
        )
        np.testing.assert_allclose(
            gradient, softmax_gradient(want, 2 * want, 1), atol=1e-12
        )
    y = e / columns
    value = symnet.function([x], y, mode=mode)(scores)
    np.testing.assert_allclose(value, scipy.special.softmax(scores, 0), rtol=1e-12)


@pytest.mark.parametrize("mode", MODES, ids=str)
def test_products_with_matrices_and_means(mode: Any) -> None:
    x, w = T.dmatrix(), T.dmatrix()
    scores = np.array([[1000.0, 999, -1000], [-800, -801, -802]])
    weights = np.array([[1.0, 2], [0.5, 1], [3, 0.25]])
    y = T.log(T.dot(T.exp(x), w))
    left = T.log(T.dot(T.transpose(w), T.exp(x).T))
    mean = T.dot(T.exp(x), w) / T.exp(x).sum(axis=1, keepdims=True)
    outputs = [y, left, mean, *symnet.grad(y.sum(), [x, w]), symnet.grad(mean.sum(), x)]
    found = symnet.function([x, w], outputs, mode=mode)(scores, weights)
    top = scores.max(1, keepdims=True)
    shifted = np.exp(scores - top)
    want = np.log(shifted @ weights) + top
    shares = scipy.special.softmax(scores, 1)
    by_x = shifted * ((1 / (shifted @ weights)) @ weights.T)
    by_w = shifted.T @ (1 / (shifted @ weights))
    totals = np.broadcast_to(weights.sum(1), scores.shape)
    by_mean = softmax_gradient(shares, totals, 1)
    for got, exact in zip(found, [want, want.T, shares @ weights, by_x, by_w, by_mean]):
        np.testing.assert_allclose(got, exact, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("mode", MODES, ids=str)
def test_cross_entropies_of_hand_written_probabilities(mode: Any) -> None:
    x, y = T.dmatrix(), T.ivector()
    p = T.exp(x) / T.exp(x).sum(axis=1, keepdims=True)
    hot = T.extra_ops.to_one_hot(y, 3)
    costs = [
        -T.log(p)[T.arange(y.shape[0]), y].mean(), -T.log(p[T.arange(y.shape[0]), y]).mean(),
        T.nnet.categorical_crossentropy(p, y).mean(), -(hot * T.log(p)).sum() / 3,
        T.nnet.categorical_crossentropy(p, hot).mean(),
    ]  # fmt: skip
    scores = np.array([[1000.0, 0, -1000], [3, 2, 1], [-700, -705, -800]])
    classes = np.array([2, 0, 1], "int32")
    logs = scipy.special.log_softmax(scores, 1)
    want = -logs[range(3), classes].mean()
    by_x = (np.exp(logs) - np.eye(3)[classes]) / 3
    f = symnet.function(
        [x, y], [*costs, *(symnet.grad(c, x) for c in costs)], mode=mode
    )
    found = f(scores, classes)
    for value, gradient in zip(found[:5], found[5:]):
        np.testing.assert_allclose(value, want, rtol=1e-14)
        np.testing.assert_allclose(gradient, by_x, atol=1e-15)


def test_the_logistic_regression_of_the_introduction() -> None:
    rng = np.random.default_rng(0)
    features, targets = rng.normal(size=(40, 300)), rng.integers(0, 2, 40)
    for dtype in ("float32", "float64"):
        w = symnet.shared((10 * rng.normal(size=300)).astype(dtype))
        start = w.get_value().astype(float)
        x, y = T.matrix(dtype=dtype), T.vector(dtype=dtype)
        p_1 = 1 / (1 + T.exp(-T.dot(x, w)))
        cost = (-y * T.log(p_1) - (1 - y) * T.log(1 - p_1)).mean()
        step = symnet.function([x, y], cost, updates=[(w, w - T.grad(cost, w))])
        step(features.astype(dtype), targets.astype(dtype))
        z = features @ start
        want = start - features.T @ (scipy.special.expit(z) - targets) / 40
        np.testing.assert_allclose(w.get_value(), want, rtol=1e-3, atol=1e-3)
