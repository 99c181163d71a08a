"""Roots, powers and logarithms of what is exponentially small, as users write them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import mpmath
import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet.graph.traverse import Graph
from symnet.rewriting.stable import stable_graph

POINTS = [0, 1, 3, 12.5, 20, 90, 110, 800]
POINTS += [-x for x in POINTS if x]
mp, e, S, sp = mpmath, T.exp, T.nnet.sigmoid, T.nnet.softplus


def p(x: Any) -> Any:
    return 1 / (1 + T.exp(-x))


def sigmoid(x: Any) -> Any:
    return 1 / (1 + mp.exp(-x))


def softplus(x: Any) -> Any:
    return mp.log1p(mp.exp(x))


def cloglog(x: Any) -> Any:
    return mp.log(-mp.expm1(-mp.exp(x)))


def gumbel(x: Any) -> Any:
    return mp.exp(-x - mp.exp(-x))


def hazard(x: Any) -> Any:
    return mp.exp(x) / mp.expm1(mp.exp(x))


def to(power: float, function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda x: function(x) ** mp.mpf(power)


# Each as it is written, and in many digits.
FORMS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "root of a sigmoid": (lambda x: T.sqrt(p(x)), to(0.5, sigmoid)),
    "root of sigmoid": (lambda x: T.sqrt(S(x)), to(0.5, sigmoid)),
    "power of a sigmoid": (lambda x: p(x) ** 0.3, to(0.3, sigmoid)),
    "power above one": (lambda x: S(x) ** 1.5, to(1.5, sigmoid)),
    "inverse root": (lambda x: (1 + e(-x)) ** -0.5, to(0.5, sigmoid)),
    "reciprocal root": (lambda x: 1 / T.sqrt(1 + e(-x)), to(0.5, sigmoid)),
    "large inverse power": (lambda x: (1 + e(-x)) ** -4.5, to(4.5, sigmoid)),
    "root of the other side": (lambda x: T.sqrt(1 - p(x)), lambda x: to(0.5, sigmoid)(-x)),
    "deviation": (lambda x: T.sqrt(p(x) * (1 - p(x))),
                  lambda x: mp.sqrt(sigmoid(x) * sigmoid(-x))),
    "root of erfc": (lambda x: T.sqrt(T.erfc(x)), to(0.5, mp.erfc)),
    "root of a normal density": (lambda x: e(-(x**2) / 2) ** 0.25, lambda x: mp.exp(-x * x / 8)),
    "root of 1 - tanh**2": (lambda x: T.sqrt(1 - T.tanh(x) ** 2), lambda x: 1 / mp.cosh(x)),
    "root of softplus": (lambda x: T.sqrt(sp(x)), to(0.5, softplus)),
    "root of an entropy": (lambda x: T.sqrt(-T.log(p(x))), lambda x: to(0.5, softplus)(-x)),
    "root of a deviance": (lambda x: T.sqrt(-2 * T.log(p(x))),
                           lambda x: mp.sqrt(2 * softplus(-x))),
    "power of softplus": (lambda x: (sp(x) / 3) ** 0.3,
                          lambda x: to(0.3, lambda x: softplus(x) / 3)(x)),
    "sigmoid to the sigmoid": (lambda x: p(x) ** p(x), lambda x: sigmoid(x) ** sigmoid(x)),
    "sigmoid to a slope": (lambda x: S(-x) ** S(x), lambda x: sigmoid(-x) ** sigmoid(x)),
    "arcsinh of exp": (lambda x: T.arcsinh(e(x)), lambda x: mp.asinh(mp.exp(x))),
    "arcsinh of a sum": (lambda x: T.arcsinh(2 * e(x) + 3), lambda x: mp.asinh(2 * mp.exp(x) + 3)),
    "arccosh": (lambda x: T.arccosh(e(x) + 2), lambda x: mp.acosh(mp.exp(x) + 2)),
    "arcsinh of sinh": (lambda x: T.arcsinh(T.sinh(x)), lambda x: x),
    "arctanh of tanh": (lambda x: T.arctanh(T.tanh(x / 2)), lambda x: x / 2),
    "arctanh of sigmoid": (lambda x: T.arctanh(p(x)),
                           lambda x: (mp.log1p(sigmoid(x)) + softplus(x)) / 2),
    "log of a bin": (lambda x: T.log(p(x + 1) - p(x)),
                     lambda x: mp.log(sigmoid(x + 1) - sigmoid(x))),
    "log of a bin of tanh": (lambda x: T.log(T.tanh((x + 1) / 2) - T.tanh((x - 1) / 2)),
                             lambda x: mp.log(mp.tanh((x + 1) / 2) - mp.tanh((x - 1) / 2))),
    "cloglog": (lambda x: T.log(1 - e(-e(x))), cloglog),
    "cloglog, expm1": (lambda x: T.log(-T.expm1(-e(x))), cloglog),
    "cloglog, log1p": (lambda x: T.log1p(-e(-e(x))), cloglog),
    "cloglog of a share": (lambda x: T.log(1 - e(-sp(x))), lambda x: -softplus(-x)),
    "probability": (lambda x: 1 - e(-e(x)), lambda x: -mp.expm1(-mp.exp(x))),
    "log of -log": (lambda x: T.log(-T.log(p(x))), lambda x: mp.log(softplus(-x))),
    "log of softplus": (lambda x: T.log(sp(x)), lambda x: mp.log(softplus(x))),
    "log of log1p": (lambda x: T.log(T.log1p(e(x))), lambda x: mp.log(softplus(x))),
    "log of log": (lambda x: T.log(2 * T.log(1 + e(x))), lambda x: mp.log(2 * softplus(x))),
    "log of expm1": (lambda x: T.log(T.expm1(e(x))), lambda x: cloglog(x) + mp.exp(x)),
    "gumbel": (lambda x: e(-x - e(-x)), gumbel),
    "gumbel, sum": (lambda x: e(-(x + e(-x))), gumbel),
    "gumbel, product": (lambda x: e(-x) * e(-e(-x)), gumbel),
    "gumbel, distribution": (lambda x: e(-e(-x)), lambda x: mp.exp(-mp.exp(-x))),
    "hazard": (lambda x: e(x) * e(-e(x)) / (1 - e(-e(x))), hazard),
    "hazard, expm1": (lambda x: e(x) / (e(e(x)) - 1), hazard),
    "arctan": (lambda x: T.arctan(e(x)), lambda x: mp.atan(mp.exp(x))),
    "log(1 - tanh)": (lambda x: T.log(1 - T.tanh(x)), lambda x: mp.log(2) - softplus(2 * x)),
    "log(1 + tanh)": (lambda x: T.log(1 + T.tanh(x)), lambda x: mp.log(2) - softplus(-2 * x)),
    "log of half": (lambda x: T.log(0.5 + 0.5 * T.tanh(x)), lambda x: -softplus(-2 * x)),
    "squashed": (lambda x: T.log(1 - T.tanh(x) ** 2), lambda x: -2 * mp.log(mp.cosh(x))),
    "log(1 - S**2)": (lambda x: T.log(1 - S(x) ** 2),
                      lambda x: mp.log1p(sigmoid(x)) - softplus(x)),
    "log(1 - sqrt(S))": (lambda x: T.log(1 - T.sqrt(S(x))),
                         lambda x: mp.log(-mp.expm1(-softplus(-x) / 2))),
    "focal": (lambda x: -((1 - p(x)) ** 1.5) * T.log(p(x)),
              lambda x: to(1.5, sigmoid)(-x) * softplus(-x)),
    "odds": (lambda x: T.sqrt(p(x) / (1 - p(x))) * e(-x), lambda x: mp.exp(-x / 2)),
    "share of tails": (lambda x: e(-(x**2)) / T.erfc(x), lambda x: mp.exp(-x * x) / mp.erfc(x)),
    "log1p(exp) / exp": (lambda x: T.log1p(e(x)) / e(x), lambda x: softplus(x) / mp.exp(x)),
    "product": (lambda x: e(2 * x) * e(-3 * x), lambda x: mp.exp(-x)),
}  # fmt: skip
# Parts of the size of x**2 cancel in the second derivative.
STEEP = ("share of tails",)


@cache
def wanted(name: str, point: float, order: int) -> Any:
    """The derivative of a form in many digits."""
    with mpmath.workdps(500 if abs(point) > 200 else 160):
        exact, at = FORMS[name][1], mpmath.mpf(point)
        return mpmath.diff(exact, at, order, h=mpmath.mpf(10) ** -30)


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("mode", ["FAST_RUN", "FAST_COMPILE"])
def test_values_and_derivatives(name: str, mode: Any) -> None:
    written, _ = FORMS[name]
    for dtype in ("float16", "float32", "float64"):
        x = T.vector(dtype=dtype)
        first = symnet.grad(written(x).sum(), x)
        outputs = [written(x), first, symnet.grad(first.sum(), x)]
        array = np.array(POINTS, dtype)
        for order, got in enumerate(symnet.function([x], outputs, mode=mode)(array)):
            if order == 2 and name in STEEP:
                continue
            for point, value in zip(POINTS, got, strict=True):
                compare(name, float(value), point, order, dtype)


def compare(name: str, value: float, point: float, order: int, dtype: str) -> None:
    """The value to its last digits; of derivatives, in which parts may cancel, at least
    the digits after the point."""
    limits = np.finfo(dtype)
    want = wanted(name, point, order)
    if abs(want) >= limits.max:
        return
    slope = abs(wanted(name, point, order + 1) * point)
    error = abs(mpmath.mpf(value) - want)
    allowed = (100 + 8 * abs(point)) * abs(want) + 8 * slope + 100 * (order > 0)
    assert error <= float(limits.eps) * allowed + 4 * float(limits.tiny), (
        dtype, order, point, value, want,
    )  # fmt: skip


@pytest.mark.parametrize("mode", ["FAST_RUN", "FAST_COMPILE"])
def test_powers_of_softplus_at_infinity(mode: Any) -> None:
    """An infinite root times a derivative of zero is zero, as the limit is."""
    inf = np.inf
    roots = (
        lambda x: T.sqrt(sp(x)),
        lambda x: T.sqrt(T.log(1 + e(x))),
        lambda x: T.sqrt(-T.log(p(-x))),
        lambda x: T.sqrt(-2 * T.log(1 - S(x))),
        lambda x: T.sqrt(T.log1p(e(x)) / 3),
        lambda x: sp(x) ** 0.3,
    )
    for dtype in ("float32", "float64"):
        x = T.vector(dtype=dtype)
        ends = np.array([-inf, inf], dtype)
        for root in roots:
            y = root(x)
            first = symnet.grad(y.sum(), x)
            second = symnet.grad(first.sum(), x)
            got = symnet.function([x], [y, first, second], mode=mode)(ends)
            np.testing.assert_array_equal(got, [[0, inf], [0, 0], [0, 0]])


def test_vectors_with_minus_infinity_have_roots_of_probabilities() -> None:
    x = T.dmatrix()
    root = T.sqrt(T.nnet.softmax(x))
    gradient = symnet.grad((root * np.array([1.0, 2, 3])).sum(), x)
    scores = np.array([[1.0, 2, -np.inf], [-np.inf, 0, -np.inf], [900.0, 0, -900]])
    value, found = symnet.function([x], [root, gradient])(scores)
    q = np.exp(scores - scores.max(1, keepdims=True))
    q /= q.sum(1, keepdims=True)
    np.testing.assert_allclose(value, np.sqrt(q), rtol=1e-13, atol=1e-190)
    weighted = 0.5 * np.sqrt(q) * np.array([1.0, 2, 3])
    want = weighted - q * weighted.sum(1, keepdims=True)
    np.testing.assert_allclose(found, want, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("mode", ["FAST_RUN", "FAST_COMPILE"])
def test_entropies_of_masked_scores(mode: Any) -> None:
    x = T.dmatrix()
    q = e(x) / e(x).sum(axis=1, keepdims=True)
    scores = np.array([[1.0, 2, -np.inf], [-np.inf, 0, -np.inf], [900.0, 0, -900]])
    exact = np.exp(scores - scores.max(1, keepdims=True))
    exact /= exact.sum(1, keepdims=True)
    logs = np.log(np.where(exact > 0, exact, 1))
    want = -(exact * logs).sum(1)
    slope = -exact * (logs + want[:, None])
    for entropy in (-(q * T.log(q)).sum(axis=1), (-q * T.log(q)).sum(axis=1),
                    (T.nnet.logsoftmax(x) * -T.nnet.softmax(x)).sum(axis=1)):  # fmt: skip
        gradient = symnet.grad(entropy.sum(), x)
        again = symnet.grad((gradient * np.array([1.0, 2, 3])).sum(), x)
        found = symnet.function([x], [entropy, gradient, again], mode=mode)(scores)
        np.testing.assert_allclose(found[0], want, rtol=1e-13, atol=1e-15)
        np.testing.assert_allclose(found[1], slope, rtol=1e-12, atol=1e-15)
        assert np.isfinite(found[2]).all() and np.all(
            found[2][~np.isfinite(scores)] == 0
        )


def test_ratios_of_small_probabilities() -> None:
    x, y = T.dmatrix(), T.dmatrix()
    ratio = T.nnet.softmax(x)[:, 0] / T.nnet.softmax(y)[:, 0]
    by_x, by_y = symnet.grad(ratio.sum(), [x, y])
    levels = np.array([[-1000.0, 0.0], [1.0, 2.0]])
    f = symnet.function([x, y], [ratio, by_x, by_y])
    value, found, other = f(levels, levels + [[1.0, 0.0], [0.0, 1.0]])
    near, far = 1 / (1 + np.e), 1 / (1 + np.e**2)
    want = np.array([np.exp(-1), near / far])
    np.testing.assert_allclose(value, want, rtol=1e-12)
    np.testing.assert_allclose(found[:, 0], want * [1, 1 - near], rtol=1e-12)
    np.testing.assert_allclose(other[:, 0], -want * [1, 1 - far], rtol=1e-12)


def test_the_other_side_of_a_sigmoid_keeps_its_digits() -> None:
    for dtype in ("float32", "float64"):
        x = T.vector(dtype=dtype)
        points = np.array([-50, -1, 0, 1, 20, 50, 80], dtype)
        (value,) = symnet.function([x], [1 - p(x)])(points)
        want = 1 / (1 + np.exp(points.astype("float64")))
        np.testing.assert_allclose(value, want, rtol=4 * np.finfo(dtype).eps)


def test_what_is_fine_as_it_is_written_stays() -> None:
    x, y = T.dvector("x"), T.dvector("y")
    s = S(x)
    for v in (
        T.sqrt(x), T.sqrt(1 + x**2), S(x) ** 2, T.sqrt(S(x) + 1e-3), x**0.5,
        s * (1 - s), (1 - s) * y + s * x, T.log(sp(x) + 1e-6), sp(x) ** 2,
        e(x) * S(y), e(x) * e(x), e(x)[:, None] * e(y), T.sqrt(T.sqr(x).sum()),
        e(x - x.max()) * e(y - y.max()),
    ):  # fmt: skip
        graph = Graph([x, y], [v])
        assert stable_graph(graph) is graph, symnet.pp(v)
