"""Error and gamma functions as arithmetic, against mpmath: in units in the last place, region by
region, and where regions end.  SciPy's own errors are larger in most of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
import scipy.special

import symnet
from symnet.kernels.loopir.interpret import evaluate
from symnet.kernels.loopir.math.expand import WIDE, expand
from symnet.kernels.loopir.scalars import argument, call
from tests.kernels.loopir.test_math import run_native

COUNT = 150
DIGITS = 40
SMALLEST, LARGEST = 5e-324, float(np.finfo(np.float64).max)
# Where psi is 0.
ROOT, NEGATIVE_ROOT = 1.4616321449683622, -0.5040830082644554


def gammaln(x: Any) -> Any:
    return mpmath.re(mpmath.loggamma(x)) if x > 0 else mpmath.log(abs(mpmath.gamma(x)))


def erfcx(x: Any) -> Any:
    if x > 1e9:  # where nothing else of the series is left
        return 1 / (x * mpmath.sqrt(mpmath.pi))
    return mpmath.exp(x * x) * mpmath.erfc(x)


def erfcinv(y: Any) -> Any:
    """By Newton's method on the logarithm of erfc."""
    if y > 1:
        return -erfcinv(2 - y)
    w = -mpmath.log(y * (2 - y))
    v = mpmath.sqrt(w - mpmath.log(mpmath.sqrt(w * mpmath.pi) + 1)) if w > 1 else 0
    for _ in range(60):
        now = mpmath.erfc(v)
        slope = 2 / mpmath.sqrt(mpmath.pi) * mpmath.exp(-v * v) / now
        step = mpmath.log(now / y) / slope
        v += step
        if abs(step) <= abs(v) * mpmath.mpf(10) ** (4 - DIGITS):
            break
    return v


def erfinv(x: Any) -> Any:
    if abs(x) > 1e-4:
        return erfcinv(1 - x)
    square = mpmath.pi * x * x
    terms = 1 + square / 12 + 7 * square**2 / 480 + 127 * square**3 / 40320
    return mpmath.sqrt(mpmath.pi) / 2 * x * terms


EXACT: dict[str, Callable[[Any], Any]] = {
    "gamma": mpmath.gamma,
    "gammaln": gammaln,
    "psi": lambda x: mpmath.psi(0, x),
    "erfcx": erfcx,
    "erfinv": erfinv,
    "erfcinv": erfcinv,
}


def between(low: float, high: float) -> Callable[[np.random.Generator], Any]:
    return lambda random: random.uniform(low, high, COUNT)


def sizes(low: float, high: float, sign: int = 1, near: float = 0) -> Any:
    """Numbers whose distance from `near` is a power of two between two."""
    return lambda random: near + sign * np.exp2(random.uniform(low, high, COUNT))


# By function: the largest error in float64 and where it is looked for.  Near the zeros of
# gammaln and psi on the left of these it is the difference that is as exact, as SciPy's.
REGIONS: dict[str, dict[str, tuple[float, Any]]] = {
    "gamma": {
        "small": (2.5, sizes(-1021, -1)),
        "to 5/2": (3.0, between(0, 2.5)),
        "to the largest": (2.0, between(2.5, 171.6)),
        "small negative": (3.0, sizes(-1021, -1, -1)),
        "to -20": (4.0, between(-20, 0)),
        "to -170": (4.0, between(-170, -20)),
        "to 0": (4.0, between(-190, -170)),
    },
    "gammaln": {
        "small": (1.5, sizes(-1074, -1)),
        "to 1/2": (2.0, between(0, 0.5)),
        "to 5/2": (3.0, between(0.5, 2.5)),
        "below 1": (3.0, sizes(-52, -2, -1, 1)),
        "above 1": (3.0, sizes(-52, -2, 1, 1)),
        "below 2": (3.0, sizes(-52, -2, -1, 2)),
        "above 2": (3.0, sizes(-51, -2, 1, 2)),
        "to 13": (2.5, between(2.5, 13)),
        "to 1000": (1.8, between(13, 1000)),
        "large": (2.0, sizes(10, 1014)),
        "small negative": (1.5, sizes(-1074, -1, -1)),
        "to -2": (3.0, between(-2, -0.5)),
        "to -1e6": (2.0, between(-1e6, -40)),
    },
    "psi": {
        "small": (1.5, sizes(-1021, -1)),
        "to 1": (3.0, between(0, 1)),
        "to 5/2": (2.5, between(1, 2.5)),
        "below the root": (2.5, sizes(-51, -4, -1, ROOT)),
        "above the root": (2.5, sizes(-51, -4, 1, ROOT)),
        "to 13": (2.0, between(2.5, 13)),
        "large": (1.5, sizes(4, 1020)),
        "small negative": (3.5, sizes(-1021, -2, -1)),
        "to -3/4": (3.5, between(-0.75, -0.25)),
        "below the negative root": (3.5, sizes(-52, -5, -1, NEGATIVE_ROOT)),
        "above the negative root": (3.5, sizes(-52, -5, 1, NEGATIVE_ROOT)),
    },
    "erfcx": {
        "to 27": (2.0, between(0, 27)),
        "beyond": (1.8, between(26.5, 200)),
        "small": (2.0, sizes(-1074, 0)),
        "small negative": (2.0, sizes(-1074, 0, -1)),
        "to -5": (2.0, between(-5, 0)),
        "to the largest": (2.0, between(-26.628, -5)),
    },
    "erfinv": {
        "all": (2.5, between(-1, 1)),
        "small": (1.8, sizes(-1074, -3)),
        "near 1": (2.5, sizes(-53, -1, -1, 1)),
        "near -1": (2.5, sizes(-53, -1, 1, -1)),
    },
    "erfcinv": {
        "all": (2.5, between(0, 2)),
        "small": (2.5, sizes(-1074, -1)),
        "around 1": (2.5, between(0.999, 1.001)),
        "near 2": (2.5, sizes(-52, -1, -1, 2)),
    },
}
CASES = [(name, region) for name, regions in REGIONS.items() for region in regions]


def expanded(name: str, x: Any) -> Any:
    (root,) = expand([call(name, argument(0, x.dtype.name))])
    with np.errstate(all="ignore"):
        return evaluate([root], [x])[0]


def errors(name: str, x: Any, value: Any) -> Any:
    """In units of the last place of the exact values."""
    found = []
    for one, got in zip(x, value, strict=True):
        exact = EXACT[name](mpmath.mpf(float(one)))
        unit = float(np.spacing(abs(x.dtype.type(float(exact)))))
        found.append(float(abs(mpmath.mpf(float(got)) - exact) / unit))
    return np.array(found)


@pytest.fixture(autouse=True)
def digits() -> Any:
    with mpmath.workdps(DIGITS):
        yield


def points(name: str, region: str, dtype: str) -> Any:
    limit, draw = REGIONS[name][region]
    x = draw(np.random.default_rng(11)).astype(dtype)
    if name in ("gamma", "gammaln", "psi"):
        x = x[(x > 0) | (x != np.rint(x))]  # not the poles
    return limit, x[np.isfinite(x) & (x != 0)]


@pytest.mark.parametrize("name, region", CASES)
def test_float64(name: str, region: str) -> None:
    limit, x = points(name, region, "float64")
    for value in (expanded(name, x), run_native(name, x)):
        assert errors(name, x, value).max() <= limit


@pytest.mark.parametrize("name, region", CASES)
def test_float32_is_rounded_once(name: str, region: str) -> None:
    _, x = points(name, region, "float32")
    inside = {"erfinv": abs(x) < 1, "erfcinv": (x > 0) & (x < 2)}
    edges = {"erfcx": x > -9.38, "psi": abs(x) > 3e-39, "gammaln": abs(x) < 4e36}
    edges["gamma"] = (abs(x) > 3e-39) & (x < 35)
    x = x[inside.get(name, True) & edges.get(name, True)]
    if name in ("gamma", "gammaln", "psi"):
        with np.errstate(all="ignore"):
            x = x[np.isfinite(getattr(scipy.special, name)(x.astype("float64")))]
    for value in (expanded(name, x), run_native(name, x)):
        assert value.dtype == np.float32
        if x.size:
            assert errors(name, x, value).max() <= 0.501


@pytest.mark.parametrize("name", ["gammaln", "psi"])
def test_near_zeros_on_the_left_differences_are_as_exact(name: str) -> None:
    random = np.random.default_rng(1)
    x = np.concatenate([random.uniform(-k - 1, -k, 12) for k in range(1, 34)])
    value = expanded(name, x)
    for one, got in zip(x, value, strict=True):
        exact = EXACT[name](mpmath.mpf(float(one)))
        # That of the largest of the terms that are added.
        size = max(abs(float(exact)), float(abs(mpmath.loggamma(-one))), 2.0)
        assert abs(mpmath.mpf(float(got)) - exact) < 6e-16 * size


SPECIAL = [
    0.0, SMALLEST, 1e-310, 2.3e-308, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 2.5, 3.0, 10.5, 26.0, 27.0,
    27.5, 30.0, 1e10, 2.0**52, 2.0**53, 1e305, 2.5e305, 2.6e305, LARGEST, np.inf, np.nan,
    1 - 2**-53, 1 + 2**-52, 2 - 2**-52,
]  # fmt: skip


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("name", WIDE)
def test_ends_poles_and_what_is_no_number(name: str, dtype: str) -> None:
    """Infinite and NaN where SciPy's functions are, but for the smallest numbers, whose
    logarithms are finite and SciPy's infinite; mpmath's values elsewhere."""
    with np.errstate(all="ignore"):
        x = np.unique(np.array([*SPECIAL, *(-np.array(SPECIAL))]).astype(dtype))
        x = np.concatenate([x, np.array([0.0, -0.0], dtype)])
        wanted = getattr(scipy.special, name)(x.astype("float64"))
        tiny = (x != 0) & (abs(x.astype("float64")) < 1e-307)
        known = np.isfinite(wanted) | (
            tiny & (name in ("gammaln", "erfcinv")) & (x > 0)
        )
        for k in np.flatnonzero(known & np.isfinite(x)):
            wanted[k] = float(EXACT[name](mpmath.mpf(float(x[k]))))
        known |= ~tiny
        wanted = wanted.astype(dtype)[known]
        for found in (expanded(name, x)[known], run_native(name, x)[known]):
            near = 4 * np.finfo(dtype).eps
            np.testing.assert_allclose(found, wanted, rtol=near, atol=3e-16)


def test_factorials_are_exact() -> None:
    x = np.arange(1.0, 23)
    wanted = [float(mpmath.factorial(n - 1)) for n in x]
    for dtype in ("float32", "float64"):
        np.testing.assert_array_equal(
            expanded("gamma", x.astype(dtype)), np.array(wanted).astype(dtype)
        )


def test_zeros_have_the_sign_of_the_limit() -> None:
    assert not np.signbit(expanded("gammaln", np.array([1.0, 2.0]))).any()
    found = expanded("erfinv", np.array([0.0, -0.0]))
    assert list(np.signbit(found)) == [False, True]
    found = expanded("psi", np.array([0.0, -0.0]))
    assert found[0] == -np.inf and found[1] == np.inf


def test_the_reference_has_finite_logarithms_of_the_smallest_numbers() -> None:
    """So DebugMode, which holds one against the other, has nothing to say."""
    x = symnet.tensor.dvector("x")
    f = symnet.function([x], symnet.tensor.gammaln(x), mode="DebugMode")
    value = np.array([SMALLEST, -1e-310, 3e-308, 0.0, 2.5, np.nan])
    wanted = [744.4400719213812, 713.8013788281542, np.nan, np.inf, np.nan, np.nan]
    wanted[2], wanted[4] = -np.log(3e-308), float(gammaln(mpmath.mpf(2.5)))
    np.testing.assert_allclose(f(value), wanted, rtol=1e-14)
