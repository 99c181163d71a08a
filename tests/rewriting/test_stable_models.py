"""Likelihoods and distances as they are written by hand, where their pieces leave the range
of float32; against many digits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest

import symnet
import symnet.tensor as T

MODES = ["FAST_RUN", "FAST_COMPILE"]


class Digits:
    """What the forms need of a namespace, over arrays of numbers of many digits."""

    exp, log, tanh, cosh, erf, arccosh = (
        np.frompyfunc(getattr(mpmath, name), 1, 1)
        for name in ("exp", "log", "tanh", "cosh", "erf", "acosh")
    )
    log1p = np.frompyfunc(lambda x: mpmath.log(1 + x), 1, 1)
    arctanh = np.frompyfunc(mpmath.atanh, 1, 1)
    dot = staticmethod(np.dot)

    @staticmethod
    def ifelse(condition: Any, yes: Any, no: Any) -> Any:
        return yes if condition else no


class Symbols:
    """The same of expressions."""

    exp, log, tanh, erf, arccosh = T.exp, T.log, T.tanh, T.erf, T.arccosh
    log1p, arctanh, dot, ifelse = T.log1p, T.arctanh, T.dot, symnet.ifelse.ifelse


def sigmoid(m: Any, x: Any) -> Any:
    return 1 / (1 + m.exp(-x))


def shares(m: Any, x: Any) -> Any:
    return m.exp(x) / m.exp(x).sum()


def below(m: Any, x: Any) -> Any:
    """The normal distribution's function."""
    return 0.5 * (1 + m.erf(x / 2**0.5))


def mixed_by_dot(m: Any, x: Any, y: Any) -> Any:
    return m.log(m.dot(m.exp(-0.5 * (x / y) ** 2) / y, shares(m, y)))


def entropy_gap(m: Any, x: Any, y: Any) -> Any:
    p, q = sigmoid(m, x), sigmoid(m, y)
    middle = (p + q) / 2
    return p * m.log(p / middle) + (1 - p) * m.log((1 - p) / (1 - middle))


# Of a namespace and two vectors, the second between 0.5 and 3.
FORMS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "picked by a product": lambda m, x, y: m.log(((y > 1) * shares(m, x)).sum()),
    "shares of weights": lambda m, x, y: (
        (y > 1) * m.exp(x) / ((y > 1) * m.exp(x)).sum()
    ),
    "discrete logistic, mixed": lambda m, x, y: m.log(
        (shares(m, y) * (sigmoid(m, (x + 1) / y) - sigmoid(m, (x - 1) / y))).sum()
    ),
    "discrete by tanh, mixed": lambda m, x, y: m.log(
        (shares(m, y) * (m.tanh(x + y) - m.tanh(x - y))).sum()
    ),
    "scaled truncated normal": lambda m, x, y: m.log(
        y * (below(m, x / 9 + y) - below(m, x / 9 - y))
    ),
    "noise contrast": lambda m, x, y: m.log(1 - m.exp(x) / (m.exp(x) + 5 * y)),
    "Jensen and Shannon": entropy_gap,
    "not in a mixture": lambda m, x, y: m.log(
        1 - (0.25 * sigmoid(m, x) + 0.75 * sigmoid(m, x + y))
    ),
    "mixed by dot": mixed_by_dot,
    "dot of exponentials": lambda m, x, y: m.log(m.dot(m.exp(x), m.exp(x * y))),
    "Student's t": lambda m, x, y: m.log(1 + (y / m.exp(x)) ** 2 / 3),
    "Student's t by log1p": lambda m, x, y: m.log1p((y / m.exp(x)) ** 2 / 3),
    "weight of any sign": lambda m, x, y: m.log(1 + y * y * m.exp(x)),
    "effective samples": lambda m, x, y: m.exp(x).sum() ** 2 / (m.exp(x) ** 2).sum(),
    "continuous Bernoulli": lambda m, x, y: m.log(
        2 * m.arctanh(1 - 2 * sigmoid(m, x)) / (1 - 2 * sigmoid(m, x))
    ),
    "absolute slope": lambda m, x, y: m.log(abs(1 - m.tanh(x) * m.tanh(x))),
    "near in hyperbolic space": lambda m, x, y: m.arccosh(1 + m.exp(x)),
    "a condition": lambda m, x, y: m.log(
        1 - m.ifelse(y.sum() > 1, sigmoid(m, x), sigmoid(m, -x))
    ),
    "a condition over shares": lambda m, x, y: m.log(
        m.ifelse(y.sum() > 1, shares(m, x), shares(m, -x))
    ),
}
PLACES = [[-60.0, 0.5, 40.0], [-150.0, -120.0, -200.0], [130.0, 90.0, 170.0]]


def many_digits(array: Any) -> Any:
    return np.vectorize(mpmath.mpf, otypes=[object])(np.asarray(array, np.float64))


def truth(form: Any, x: Any, y: Any) -> tuple[Any, Any]:
    """The value and the derivative of its sum by x, in 400 digits."""
    with mpmath.workdps(400):
        at, other = many_digits(x), many_digits(y)
        step = mpmath.mpf(10) ** -150
        slopes = []
        for k in range(len(x)):
            move = np.array([step if j == k else mpmath.mpf(0) for j in range(len(x))])
            up, down = (np.sum(form(Digits, v, other)) for v in (at + move, at - move))
            slopes.append((up - down) / (2 * step))
        return np.vectorize(float)(form(Digits, at, other)), np.array(slopes, float)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", FORMS)
def test_value_and_gradient(name: str, mode: str) -> None:
    x, y = T.fvectors("x", "y")
    cost = FORMS[name](Symbols, x, y)
    outputs = [cost, symnet.grad(cost.sum(), x)]
    f = symnet.function([x, y], outputs, mode=mode, on_unused_input="ignore")
    second = np.array([0.75, 2.5, 1.5], np.float32)
    for place in PLACES:
        first = np.array(place, np.float32)
        value, slope = truth(FORMS[name], first, second)
        found, gradient = f(first, second)
        np.testing.assert_allclose(found, value, 2e-4, 1e-5)
        np.testing.assert_allclose(gradient, slope, 2e-4, 1e-5)


def test_masked_weights_by_themselves() -> None:
    """The slope by a weight of zero is the share that it would have."""
    x, w = T.dvectors("x", "w")
    cost = T.log((w * T.exp(x)).sum())
    slope = symnet.function([x, w], symnet.grad(cost, w))
    found = slope([1.0, 3.0, 900.0], [1.0, 0.5, 0.0])
    total = np.exp(1.0) + 0.5 * np.exp(3.0)
    np.testing.assert_allclose(found[:2], np.exp([1.0, 3.0]) / total)
    assert found[2] > 1e300


def test_a_power_is_kept_by_small_arguments() -> None:
    """log(1 + w exp(a)) and arccosh(1 + t) keep the digits of what is small."""
    x, w = T.dvectors("x", "w")
    f = symnet.function([x, w], [T.log(1 + w * T.exp(x)), T.arccosh(1 + T.exp(x))])
    odds, distance = f([-50.0], [-3.0])
    np.testing.assert_allclose(odds, -3 * np.exp(-50.0))
    np.testing.assert_allclose(distance, np.sqrt(2 * np.exp(-50.0)))


@pytest.mark.parametrize("mode", MODES)
def test_powers_of_matrices(mode: str) -> None:
    """log(dot(exp(A), exp(B))), as steps of a chain are joined."""
    a, b = T.fmatrices("a", "b")
    f = symnet.function([a, b], T.log(T.dot(T.exp(a), T.exp(b))), mode=mode)
    levels = np.array([[200.0, 199.0], [-150.0, -151.0], [1.0, 2.0]], np.float32)
    found = f(levels, -2 * levels[:2])
    sums = levels[:, :, None] - 2 * levels[None, :2]
    np.testing.assert_allclose(found, np.logaddexp(*np.moveaxis(sums, 1, 0)), 1e-5)
