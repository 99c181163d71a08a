"""Quotients by a sum of an exponential and of what may have any sign, and logarithms of them,
against many digits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet.graph.types import TensorType

# Of e, a namespace's exp and log, x and r.
FORMS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "share of the number": lambda m, x, r: r / (r + m.exp(x)),
    "share of the power": lambda m, x, r: m.exp(x) / (r + m.exp(x)),
    "inverse": lambda m, x, r: 1 / (m.exp(x) + r),
    "inverse square": lambda m, x, r: (m.exp(x) + r) ** -2,
    "other above": lambda m, x, r: (x + 2) / (r + m.exp(x)),
    "power over the square": lambda m, x, r: m.exp(x) / (r + m.exp(x)) ** 2,
    "two sums": lambda m, x, r: (2 * r + m.exp(x)) / (r + m.exp(x)),
    "difference": lambda m, x, r: r / (m.exp(x) - r - 3),
    "difference below 0": lambda m, x, r: m.exp(x) / (r - m.exp(x) - 4),
    "two powers": lambda m, x, r: r / (r + m.exp(x) + m.exp(2 * x)),
    "factor": lambda m, x, r: r / (r + x * x * m.exp(x)),
}
LOGARITHMS = {
    "log of the number's share": lambda m, x, r: m.log(r / (r + m.exp(x))),
    "log of the power's share": lambda m, x, r: m.log(m.exp(x) / (r + m.exp(x))),
    "log of the inverse": lambda m, x, r: m.log(1 / (r + m.exp(x))),
    "scaled": lambda m, x, r: r * m.log(r / (r + m.exp(x))) + 2,
    "negative binomial": lambda m, x, r: (
        3 * m.log(m.exp(x) / (r + m.exp(x))) + r * m.log(r / (r + m.exp(x)))
    ),
    "of two": lambda m, x, r: m.log((r * r) / (r * (r + m.exp(x)))),
}
NUMBERS = [0.5, 2.0, 700.0]
LEVELS = [-800.0, -90.0, -3.0, 0.25, 3.0, 90.0, 300.0, 800.0]


class Digits:
    exp, log = staticmethod(mpmath.exp), staticmethod(mpmath.log)


def truth(form: Any, x: float, r: float) -> list[float]:
    """The value and both derivatives in 900 digits."""
    with mpmath.workdps(900):
        at = (mpmath.mpf(x), mpmath.mpf(r))
        whole = lambda *given: form(Digits, *given)  # noqa: E731
        step = mpmath.mpf(10) ** -400
        slopes = [
            (whole(at[0] + a, at[1] + b) - whole(at[0] - a, at[1] - b)) / (2 * step)
            for a, b in ((step, 0), (0, step))
        ]
        return [float(v) for v in (whole(*at), *slopes)]


@pytest.mark.parametrize("mode", ["FAST_RUN", "FAST_COMPILE"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", [*FORMS, *LOGARITHMS])
def test_values_and_gradients(name: str, dtype: str, mode: str) -> None:
    form = (FORMS | LOGARITHMS)[name]
    x, r = (TensorType(dtype, (None,))(n) for n in "xr")
    result = form(T, x, r)
    slopes = T.grad(result.sum(), [x, r])
    f = symnet.function([x, r], [result, *slopes], mode=mode)
    signs = [1] if name in LOGARITHMS else [1, -1]
    pairs = [
        (np.float64(np.dtype(dtype).type(a)), s * b)
        for a in LEVELS
        for b in NUMBERS
        for s in signs
        if not (b == 700 and a == 3)
    ]
    wanted = np.array([truth(form, a, b) for a, b in pairs]).T
    eps = np.finfo(dtype).eps
    found = f(*np.array(pairs, dtype).T)
    # What is next to 0 is a difference of shares, and of their multiples.
    sizes = np.abs(np.array(pairs)[:, 1]).clip(1)
    for got, want in zip(found, wanted, strict=True):
        assert got.dtype == dtype
        np.testing.assert_array_less(
            np.abs(got - want), eps * (100 * np.abs(want) + 8 * sizes)
        )


@pytest.mark.parametrize("mode", ["FAST_RUN", "FAST_COMPILE"])
def test_logarithms_of_what_was_moved(mode: str) -> None:
    x, r = T.dmatrix("x"), T.dscalar("r")
    share = r / (r + T.exp(x))
    for moved, back in (
        (share.flatten()[::-1], lambda a: a.ravel()[::-1]),
        (share.T[1], lambda a: a.T[1]),
        (T.concatenate([share, 2 * share]), lambda a: np.concatenate([a, a + np.log(2)])),
    ):  # fmt: skip
        f = symnet.function([x, r], T.log(moved), mode=mode)
        value = np.array([[-800.0, 1.0], [90.0, 800.0]])
        want = np.log(2.0) - np.logaddexp(np.log(2.0), value)
        np.testing.assert_allclose(f(value, 2.0), back(want), rtol=1e-12, atol=1e-300)


def test_second_derivatives() -> None:
    x, r = T.dvector("x"), T.dscalar("r")
    cost = T.log(r / (r + T.exp(x))).sum()
    f = symnet.function([x, r], T.grad(T.grad(cost, x).sum(), x))
    value = np.array([-800.0, -1.0, 1.0, 800.0])
    share = 1 / (1 + np.exp(np.log(2.0) - value))
    np.testing.assert_allclose(
        f(value, 2.0), -share * (1 - share), rtol=1e-12, atol=1e-300
    )


def test_powers_that_were_shifted_by_hand() -> None:
    """Their logarithms need no exponential."""
    x, w = T.dmatrix("x"), T.dmatrix("w")
    share = w * T.exp(x - x.max(axis=1, keepdims=True))
    f = symnet.function([x, w], T.log(share))
    value = np.array([[0.0, -900.0, 3.0], [1.0, 2000.0, 3.0]])
    np.testing.assert_allclose(
        f(value, np.full((2, 3), 2.0)),
        np.log(2) + value - value.max(1, keepdims=True),
    )
