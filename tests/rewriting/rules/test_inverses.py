"""Inverse hyperbolic functions and powers, at infinities, and beside each other.

Their values and derivatives at ordinary places stand in `test_powers`.
"""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet.graph.traverse import Graph
from symnet.rewriting.stable import stable_graph

inf = np.inf


@pytest.mark.parametrize("mode", ["FAST_RUN", "FAST_COMPILE"])
def test_infinities_stay_infinities(mode: Any) -> None:
    x = T.dvector("x")
    ends = np.array([-inf, inf, np.nan])
    outputs = [T.arcsinh(T.exp(x)), T.arctanh(T.nnet.sigmoid(x)), T.arcsinh(T.sinh(x)),
               T.arctanh(T.tanh(x)), T.arccosh(T.cosh(x))]  # fmt: skip
    found = symnet.function([x], outputs, mode=mode)(ends)
    want = [[0, inf], [0, inf], [-inf, inf], [-inf, inf], [inf, inf]]
    np.testing.assert_array_equal(found, [[*row, np.nan] for row in want])


def test_arccosh_of_cosh_near_zero() -> None:
    x = T.dvector("x")
    values = np.array([-1e-3, 0.0, 0.5, 30.0])
    (found,) = symnet.function([x], [T.arccosh(T.cosh(x))])(values)
    np.testing.assert_allclose(found, np.abs(values), rtol=1e-14, atol=1e-11)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_powers_with_exponents_that_vary(dtype: str) -> None:
    """The value, and both derivatives, of s(x)**y."""
    x, y = T.vector("x", dtype=dtype), T.vector("y", dtype=dtype)
    power = T.nnet.sigmoid(x) ** y
    by_x, by_y = symnet.grad(power.sum(), [x, y])
    twice = symnet.grad(by_x.sum(), y)
    f = symnet.function([x, y], [power, by_x, by_y, twice])
    pairs = [
        (a, b)
        for a in (-800.0, -90.0, -1.0, 3.0, 800.0)
        for b in (1e-2, 0.5, 0, -0.1, 2.5)
    ]
    got = f(*np.array(pairs, dtype).T)
    with mpmath.workdps(800):
        for k, (a, b) in enumerate(np.array(pairs, dtype)):
            at, to = mpmath.mpf(float(a)), mpmath.mpf(float(b))
            s = 1 / (1 + mpmath.exp(-at))
            value = s**to
            want = [value, to * value * (1 - s), value * mpmath.log(s),
                    value * (1 - s) * (1 + to * mpmath.log(s))]  # fmt: skip
            for number, exact in zip(got, want, strict=True):
                if abs(exact) > np.finfo(dtype).max:
                    continue
                error = abs(mpmath.mpf(float(number[k])) - exact)
                limit = 900 * np.finfo(dtype).eps * abs(exact) + np.finfo(dtype).tiny
                assert error <= limit, (a, b, number[k], exact)


def test_powers_of_zero_and_infinity() -> None:
    x, y = T.dvector("x"), T.dvector("y")
    f = symnet.function([x, y], [T.nnet.sigmoid(x) ** y, T.exp(x) ** y])
    at = np.array([-inf, -inf, -inf, inf, inf, inf, 1.0])
    to = np.array([0.0, 2.0, -2.0, 0.0, 2.0, -2.0, np.nan])
    with np.errstate(all="ignore"):
        want = [(1 / (1 + np.exp(-at))) ** to, np.exp(at) ** to]
    np.testing.assert_allclose(f(at, to), want, rtol=1e-15)


def test_widths_of_logistic_bins() -> None:
    """The likelihood of a discretised logistic: bins of any width, and none."""
    low, high = T.dvector("low"), T.dvector("high")
    cost = T.log(T.nnet.sigmoid(high) - T.nnet.sigmoid(low))
    by_low, by_high = symnet.grad(cost.sum(), [low, high])
    lows = np.array([-800.0, -3.0, -300.0, 700.0, 0.0, 2.0, 5.0])
    highs = np.array([-799.5, 4.0, 300.0, 701.0, 1e-9, 2.0, 4.0])
    value, found_low, found_high = symnet.function(
        [low, high], [cost, by_low, by_high]
    )(lows, highs)
    with mpmath.workdps(1000):
        a, b = ([mpmath.mpf(v) for v in values] for values in (lows, highs))
        s = [[1 / (1 + mpmath.exp(-v)) for v in values] for values in (a, b)]
        gaps = [v - u for u, v in zip(*s, strict=True)]
        logs = [float(mpmath.log(gap)) for gap in gaps[:5]]
        slopes = [
            [float(u * (1 - u) / gap) for u, gap in zip(side, gaps[:5])] for side in s
        ]
    np.testing.assert_allclose(value[:5], logs, rtol=1e-13)
    assert value[5] == -inf and np.isnan(value[6])
    np.testing.assert_allclose(found_low[:5], -np.array(slopes[0]), rtol=1e-7)
    np.testing.assert_allclose(found_high[:5], slopes[1], rtol=1e-7)


def test_what_is_fine_as_it_is_written_stays() -> None:
    x, y = T.dvector("x"), T.dvector("y")
    for v in (T.arcsinh(x), T.arccosh(1 + x**2), T.arctanh(x * y), T.arcsinh(T.nnet.sigmoid(x)),
              x**y, T.nnet.sigmoid(x) - T.nnet.sigmoid(y), (1 + x**2) ** y):  # fmt: skip
        graph = Graph([x, y], [v])
        assert stable_graph(graph) is graph, symnet.pp(v)


PERIODIC = ["exp", "expm1", "sinh", "cosh", "tanh", "sin", "cos", "square"]
UNDOING = ["log", "log1p", "sqrt", "arcsinh", "arccosh", "arctanh", "arcsin", "arccos"]


@pytest.mark.parametrize("mode", ["FAST_RUN", "FAST_COMPILE"])
def test_of_complex_numbers_nothing_is_undone(mode: str) -> None:
    """Most have many numbers whose exp, sinh, square is the same; the inverse gives one."""
    rng = np.random.default_rng(0)
    value = rng.normal(size=20) * 1.5 + 1j * rng.uniform(-9, 9, 20)
    z = T.zvector("z")
    outputs, wants = [], []
    for name in PERIODIC:
        inner = getattr(T, {"square": "sqr"}.get(name, name))(z)
        there = getattr(np, name)(value)
        for other in UNDOING:
            outputs.append(getattr(T, other)(inner))
            wants.append(getattr(np, other)(there))
        for power in (0.5, 1.5, -0.5, 2, -2):
            outputs.append(inner**power)
            wants.append(there**power)
    found = symnet.function([z], outputs, mode=mode)(value)
    for got, want in zip(found, wants, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-7)
