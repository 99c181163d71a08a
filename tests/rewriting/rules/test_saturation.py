"""Logarithms of affine forms at the ends of functions' ranges, however they are written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import special

import symnet
import symnet.tensor as T
from symnet.rewriting.rules.saturation import affine_of

S = T.nnet.sigmoid
TANH, ERF, ERFC = T.tanh, T.erf, T.erfc
LOG_2 = np.log(2.0)


def below(x: Any) -> Any:
    """log(1 - sigmoid(x))."""
    return special.log_expit(-x)


def no_erf(x: Any) -> Any:
    """log(1 - erf(x))."""
    return special.log_ndtr(-x * np.sqrt(2.0)) + LOG_2


FORMS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "1 + -1 S": (lambda x: 1 + (-1) * S(x), below),
    "1 - 1 S": (lambda x: 1 - 1 * S(x), below),
    "2 - S - 1": (lambda x: 2 - S(x) - 1, below),
    "halves": (lambda x: 0.5 * (2 - 2 * S(x)), below),
    "3 - 3 S": (lambda x: 3 - 3 * S(x), lambda x: below(x) + np.log(3)),
    "-(S - 1)": (lambda x: -(S(x) - 1), below),
    "-2 (S - 1) / 2": (lambda x: -2 * (S(x) - 1) / 2, below),
    "1 - (1 - S)": (lambda x: 1 - (1 - S(x)), lambda x: below(-x)),
    "(1 - 2 S) + S": (lambda x: (1 - 2 * S(x)) + S(x), below),
    "1 - 1 / (1 + e)": (lambda x: 1 + (-1) / (1 + T.exp(-x)), below),
    "flat": (lambda x: 2 - 2 * S(x).reshape((1, -1))[0], lambda x: below(x) + LOG_2),
    "stacked": (lambda x: (2 - 2 * T.stack([S(x), TANH(x)]))[0],
                lambda x: below(x) + LOG_2),
    "2 - 2 tanh": (lambda x: 2 - 2 * TANH(x), lambda x: below(2 * x) + 2 * LOG_2),
    "tanh as a sigmoid": (lambda x: 1 - (TANH(x / 2) + 1) / 2, below),
    "half + half tanh": (lambda x: 0.5 + 0.5 * TANH(x / 2), lambda x: below(-x)),
    "half - half erf": (lambda x: 0.5 - 0.5 * ERF(x), lambda x: no_erf(x) - LOG_2),
    "1 - half erfc": (lambda x: 1 - ERFC(x) / 2, lambda x: no_erf(-x) - LOG_2),
    "2 - erfc": (lambda x: 2 - ERFC(x), lambda x: no_erf(-x)),
    "1 - S S": (lambda x: 1 - S(x) * S(x), lambda x: below(x) + np.log1p(special.expit(x))),
    "1 - S of two": (lambda x: 1 - S(3 * x) * S(x),
                     lambda x: np.logaddexp(below(3 * x), below(x) + below(-3 * x))),
    "2 - 2 S**3": (lambda x: 2 - 2 * S(x) ** 3, lambda x: LOG_2 + below(x)
                   + np.log1p(special.expit(x) + special.expit(x) ** 2)),
    "1 - tanh tanh": (lambda x: 1 - TANH(x) * TANH(x),
                      lambda x: below(2 * x) + below(-2 * x) + 2 * LOG_2),
    "chosen": (lambda x: 1 - T.switch(T.gt(x, 0), S(x), S(-x)), lambda x: below(abs(x))),
    "chosen or a number": (lambda x: 3 - 3 * T.switch(T.gt(x, 0), S(x), 0.75),
                           lambda x: np.log(3) + np.where(x > 0, below(x), np.log(0.25))),
    "a quarter over S": (lambda x: 0.25 / S(x), lambda x: np.log(0.25) - below(-x)),
    "3 + 3 erf": (lambda x: 3 + 3 * ERF(x), lambda x: no_erf(-x) + np.log(3)),
}  # fmt: skip


@pytest.mark.parametrize("name", FORMS)
def test_the_logarithm_of_a_tail(name: str) -> None:
    form, reference = FORMS[name]
    value = np.array([-30.0, -2.0, -0.5, 0.25, 3.0, 9.0, 25.0, 60.0, 1000.0])
    step = 1e-5
    slope = (reference(value + step) - reference(value - step)) / (2 * step)
    for dtype, mode in (("float32", "FAST_COMPILE"), ("float64", "FAST_RUN")):
        x = T.vector("x", dtype=dtype)
        y = T.log(form(x))
        g = symnet.grad(y.sum(), x)
        f = symnet.function([x], [y, g, symnet.grad(g.sum(), x)], mode=mode)
        got = f(value.astype(dtype))
        near = 1e-12 if dtype == "float64" else 1e-5
        np.testing.assert_allclose(got[0], reference(value), rtol=near, atol=near)
        np.testing.assert_allclose(got[1], slope, rtol=1e-4, atol=1e-5)
        assert np.isfinite(got[2]).all()


@pytest.mark.parametrize("axis", [0, 1, (0, 1)])
def test_the_chance_of_all_others(axis: Any) -> None:
    """log(1 - softmax(x)), where one class has nearly all."""
    value = np.array([[1000.0, 0.0, -1000.0], [30.0, -40.0, 28.0], [1.0, 1.0, 1.0]])
    axes = axis if isinstance(axis, tuple) else (axis,)
    want = np.empty_like(value)
    for place in np.ndindex(value.shape):
        group = tuple(slice(None) if k in axes else place[k] for k in range(2))
        others = value.copy()
        others[place] = -np.inf
        want[place] = special.logsumexp(others[group]) - special.logsumexp(value[group])
    for dtype, mode in (("float32", "FAST_COMPILE"), ("float64", "FAST_RUN")):
        x = T.matrix("x", dtype=dtype)
        e = T.exp(x)
        share = e / e.sum(axis=axis, keepdims=True)
        y = T.log(1 - share)
        slope = symnet.grad(y.sum(), x)
        got = symnet.function([x], [y, slope], mode=mode)(value.astype(dtype))
        near = 1e-12 if dtype == "float64" else 1e-5
        np.testing.assert_allclose(got[0], want, rtol=near, atol=near)
        # A shift of all changes nothing.
        assert np.isfinite(got[1]).all()
        np.testing.assert_allclose(got[1].sum(axis=axis), 0, atol=1e-5)
    shift = np.zeros_like(value)
    shift[1] = [1e-6, -2e-6, 3e-6]
    f = symnet.function([x], [y.sum(), slope])
    difference = (f(value + shift)[0] - f(value - shift)[0]) / 2
    np.testing.assert_allclose((f(value)[1] * shift).sum(), difference, rtol=1e-4)


def test_what_reaches_no_end_is_as_written() -> None:
    x = T.dvector("x")
    value = np.array([-40.0, 0.5, 4.0])
    p = special.expit(value)
    for form, want in (
        (T.log(1.5 - S(x)), np.log(1.5 - p)), (T.log(S(x) - 1), np.full(3, np.nan)),
        (T.log(0.5 * S(x) - 1), np.full(3, np.nan)), (T.log(0 * S(x) + 2), np.log([2.0] * 3)),
    ):  # fmt: skip
        np.testing.assert_allclose(symnet.function([x], form)(value), want)


def test_sums_of_one_variable_are_one_form() -> None:
    x = T.dvector("x")
    found = affine_of(-(3 - 2 * x) / 4 + x)
    assert (found.shift, found.factor, found.base) == (-0.75, 1.5, x)
    for whole in (x - x, x + x.sum(), T.ivector() + 1, x * np.inf):
        assert affine_of(whole).base is whole


def test_what_is_divided_by_a_tail() -> None:
    """1 / (1 - sigmoid(x)) is 1 + exp(x)."""
    value = np.array([-50.0, -1.0, 2.0, 16.0, 25.0, 60.0])
    grown = np.exp(value)
    for dtype, mode in (("float32", "FAST_COMPILE"), ("float64", "FAST_RUN")):
        x = T.vector("x", dtype=dtype)
        y = 3 / (2 - 2 * S(x))
        f = symnet.function([x], [y, symnet.grad(y.sum(), x)], mode=mode)
        near = 1e-12 if dtype == "float64" else 1e-5
        got = f(value.astype(dtype))
        np.testing.assert_allclose(got[0], 1.5 * (1 + grown), rtol=near)
        np.testing.assert_allclose(got[1], 1.5 * grown, rtol=near)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_density_over_its_tail(sign: int) -> None:
    """The hazard of a normal variable, whatever factors its exponent is written with."""
    value = np.array([-3.0, 0.5, 8.0, 30.0, 100.0, 3000.0])
    want = 1 / special.erfcx(value / np.sqrt(2))
    forms = (
        lambda x: T.exp(-(x**2) / 2) / T.erfc(sign * x / np.sqrt(2)),
        lambda x: T.exp(-0.5 * x * x) / (1 - T.erf(sign * x * np.sqrt(0.5))),
        lambda x: T.exp(-2 * (x / 2 - 1.5 + 1.5) ** 2) / T.erfc(sign * x / np.sqrt(2)),
        lambda x: T.exp(-0.5 * T.sqr(x)) / (1 + T.erf(-sign * x / 2**0.5)),
    )
    for form in forms:
        for dtype, mode in (("float32", "FAST_COMPILE"), ("float64", "FAST_RUN")):
            x = T.vector("x", dtype=dtype)
            y = form(x)
            f = symnet.function([x], [y, symnet.grad(y.sum(), x)], mode=mode)
            got, slope = f((sign * value).astype(dtype))
            near = 1e-12 if dtype == "float64" else 1e-5
            np.testing.assert_allclose(got, want, rtol=near)
            # The inverse Mills ratio m of a normal variable has the slope m (m - x).
            m = want * np.sqrt(2 / np.pi)
            exact = sign * want * (m - value)
            np.testing.assert_allclose(slope[:4], exact[:4], rtol=1e-3)
            np.testing.assert_allclose(slope[4:], sign * np.sqrt(np.pi / 2), rtol=1e-3)


def test_a_tail_without_its_density() -> None:
    """exp(x**2) erfc(x), of which one is infinite where the other is zero."""
    value = np.array([-9.0, -3.0, 0.5, 8.0, 30.0, 200.0])
    want = special.erfcx(value)
    for form in (
        lambda x: T.exp(x**2) * T.erfc(x),
        lambda x: T.erfc(2 * x / 2) * T.exp(x * x),
        lambda x: (1 - T.erf(x)) / T.exp(-(x**2)),
    ):
        for dtype, mode in (("float32", "FAST_COMPILE"), ("float64", "FAST_RUN")):
            x = T.vector("x", dtype=dtype)
            y = form(x)
            f = symnet.function([x], [y, symnet.grad(y.sum(), x)], mode=mode)
            got, slope = f(value.astype(dtype))
            near = 1e-12 if dtype == "float64" else 1e-5
            np.testing.assert_allclose(got, want, rtol=near)
            # 2 x erfcx(x) - 2 / sqrt(pi), which has no digits far out.
            exact = 2 * value * want - 2 / np.sqrt(np.pi)
            np.testing.assert_allclose(slope, exact, rtol=1e-3, atol=1e-2)


def test_the_hyperbolic_cotangent_is_one_far_out() -> None:
    value = np.array([-1000.0, -2.0, 0.5, 100.0, 800.0])
    for dtype, mode in (("float32", "FAST_COMPILE"), ("float64", "FAST_RUN")):
        x = T.vector("x", dtype=dtype)
        y = T.cosh(x) / T.sinh(x)
        f = symnet.function([x], [y, symnet.grad(y.sum(), x)], mode=mode)
        got, slope = f(value.astype(dtype))
        near = 1e-12 if dtype == "float64" else 1e-5
        np.testing.assert_allclose(got, 1 / np.tanh(value), rtol=near)
        exact = [-1 / np.sinh(v) ** 2 if abs(v) < 50 else 0 for v in value]
        np.testing.assert_allclose(slope, exact, rtol=1e-4, atol=near)


A, B = np.array([-800.0, 900.0, 3.0]), np.array([2.0, 0.5, 700.0])
LOG_B = np.log(B)
CHOICES: dict[str, tuple[Callable[[Any, Any], Any], list[float]]] = {
    "switch": (lambda x, y: T.switch(x > y, T.exp(x), y), [LOG_B[0], 900, LOG_B[2]]),
    "other side": (lambda x, y: T.switch(x > y, y, T.exp(x)), [-800, LOG_B[1], 3]),
    "join": (lambda x, y: T.concatenate([y, T.exp(x)]), [*LOG_B, *A]),
    "set": (lambda x, y: T.set_subtensor(T.exp(x)[1], y[0]), [-800, LOG_B[0], 3]),
    "set in": (lambda x, y: T.set_subtensor(y[1], T.exp(x)[0]), [LOG_B[0], -800, LOG_B[2]]),
}  # fmt: skip


@pytest.mark.parametrize("name", list(CHOICES))
@pytest.mark.parametrize("mode", ["FAST_RUN", "FAST_COMPILE"])
def test_one_side_of_a_choice_is_enough(name: str, mode: str) -> None:
    """Of the other side nothing is known, not even its sign."""
    x, y = T.dvectors("x", "y")
    make, want = CHOICES[name]
    log = T.log(make(x, y))
    found, slope = symnet.function([x, y], [log, T.grad(log.sum(), x)], mode=mode)(A, B)
    np.testing.assert_allclose(found, want, rtol=1e-15)
    np.testing.assert_array_equal(slope, [float(v in want) for v in A])
