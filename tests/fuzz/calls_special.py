"""Functions of single numbers that formulas of arrays do not have: inverse, special and
activation functions, at arguments that are brought into their domains first.

Beside NumPy's and SciPy's functions stand mpmath's, where they are quick in many digits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mpmath
import numpy as np
import scipy.special

import symnet.tensor as T
from tests.fuzz.calls import Call, Drawn, floats, two
from tests.fuzz.spaces import NEARLY, TINY, Doubtful, Tie, Unknown

DTYPES = ("float32", "float64")


@dataclass(frozen=True)
class Function:
    """One function for symbols, arrays and mpmath's numbers (None: too slow in digits).

    domain: what its arguments go through first; bends: where it has no derivative."""

    symbols: Callable[..., Any]
    arrays: Callable[..., Any]
    wide: Callable[..., Any] | None
    domain: str = "any"
    bends: tuple[float, ...] = ()


# What brings a number into a domain: by symbols and arrays (which have one `tanh` each), and
# by mpmath.
DOMAINS: dict[str, Callable[[Any, Any], Any]] = {
    "any": lambda tanh, x: x,
    "near 0": lambda tanh, x: tanh(x) * 0.75,
    "positive": lambda tanh, x: x * x * 0.25 + 0.5,
    "above 1": lambda tanh, x: x * x * 0.25 + 1.5,
    "moderate": lambda tanh, x: tanh(x * 0.25) * 3,
}


def _log_odds(p: Any, t: Any, log1p_exp: Any) -> Any:
    """-t log(sigmoid(p)) - (1 - t) log(1 - sigmoid(p))."""
    return log1p_exp(p) - p * t


def _softplus(x: Any) -> Any:
    return mpmath.log1p(mpmath.exp(x))


def _xlogx(x: Any) -> Any:
    return x * mpmath.log(x)


ONE: dict[str, Function] = {
    "tan": Function(T.tan, np.tan, mpmath.tan, "near 0"),
    "arcsin": Function(T.arcsin, np.arcsin, mpmath.asin, "near 0"),
    "arccos": Function(T.arccos, np.arccos, mpmath.acos, "near 0"),
    "arctanh": Function(T.arctanh, np.arctanh, mpmath.atanh, "near 0"),
    "arctan": Function(T.arctan, np.arctan, mpmath.atan),
    "arcsinh": Function(T.arcsinh, np.arcsinh, mpmath.asinh),
    "arccosh": Function(T.arccosh, np.arccosh, mpmath.acosh, "above 1"),
    "sinh": Function(T.sinh, np.sinh, mpmath.sinh, "moderate"),
    "cosh": Function(T.cosh, np.cosh, mpmath.cosh, "moderate"),
    "log2": Function(T.log2, np.log2, lambda x: mpmath.log(x, 2), "positive"),
    "exp2": Function(T.exp2, np.exp2, lambda x: mpmath.mpf(2) ** x, "moderate"),
    "gamma": Function(T.gamma, scipy.special.gamma, None, "positive"),
    "gammaln": Function(
        T.gammaln, scipy.special.gammaln, mpmath.loggamma, "positive"
    ),
    "erfcx": Function(
        T.erfcx, scipy.special.erfcx, lambda x: mpmath.exp(x * x) * mpmath.erfc(x), "moderate"
    ),
    "erfinv": Function(T.erfinv, scipy.special.erfinv, None, "near 0"),
    "erfcinv": Function(
        lambda x: T.erfcinv(1 - x), lambda x: scipy.special.erfcinv(1 - x), None, "near 0"
    ),
    "j0": Function(T.j0, scipy.special.j0, mpmath.j0),
    "j1": Function(T.j1, scipy.special.j1, mpmath.j1),
    "i0": Function(T.i0, scipy.special.i0, lambda x: mpmath.besseli(0, x), "moderate"),
    "i1": Function(T.i1, scipy.special.i1, lambda x: mpmath.besseli(1, x), "moderate"),
    "softsign": Function(
        T.nnet.softsign, lambda x: x / (1 + abs(x)), lambda x: x / (1 + abs(x)), bends=(0.0,)
    ),
    "relu": Function(
        lambda x: T.nnet.relu(x, 0.125), lambda x: np.where(x > 0, x, x * 0.125),
        lambda x: x if x > 0 else x / 8, bends=(0.0,),
    ),
    "elu": Function(
        lambda x: T.nnet.elu(x, 0.5),
        lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0)) * 0.5),
        lambda x: x if x > 0 else mpmath.expm1(x) / 2, bends=(0.0,),
    ),
    "xlogx": Function(
        T.xlogx.xlogx, lambda x: x * np.log(x), _xlogx, "positive"
    ),
    "hard_sigmoid": Function(
        T.nnet.hard_sigmoid, lambda x: np.clip(x * 0.2 + 0.5, 0, 1), None,
        bends=(-2.5, 2.5),
    ),
    "log_cosh": Function(
        lambda x: T.log(T.cosh(x)), lambda x: np.logaddexp(x, -x) - np.log(2.0),
        lambda x: mpmath.log(mpmath.cosh(x)),
    ),
}  # fmt: skip
PAIRS: dict[str, Function] = {
    "arctan2": Function(T.arctan2, np.arctan2, mpmath.atan2, "above 1"),
    "power": Function(T.pow, np.power, lambda x, y: x**y, "positive"),
    "log odds": Function(
        T.nnet.sigmoid_binary_crossentropy,
        lambda p, t: _log_odds(p, t, lambda p: np.logaddexp(p, np.zeros_like(p))),
        lambda p, t: _log_odds(p, t, _softplus),
    ),
    "gammainc": Function(T.gammainc, scipy.special.gammainc, None, "positive"),
    "xlogy0": Function(
        T.xlogx.xlogy0, lambda x, y: x * np.log(y), lambda x, y: x * mpmath.log(y), "positive"
    ),
}  # fmt: skip
FUNCTIONS = ONE | PAIRS
CONSTANT = {"gammainc": 0}  # an argument that has no gradient


def _given(s: Any, x: Any, y: Any) -> tuple[Any, ...]:
    return (x, y) if s["function"] in PAIRS else (x,)


def symbolic(s: Any, x: Any, y: Any) -> Any:
    found = FUNCTIONS[s["function"]]
    given = [DOMAINS[found.domain](T.tanh, a) for a in _given(s, x, y)]
    if s["function"] in CONSTANT:
        given[0] = T.disconnected_grad(given[0])
    return found.symbols(*given)


def by_numpy(s: Any, x: Any, y: Any) -> Any:
    found = FUNCTIONS[s["function"]]
    given = [DOMAINS[found.domain](np.tanh, a) for a in _given(s, x, y)]
    return np.asarray(found.arrays(*given), x.dtype)


def by_digits(m: Any, s: Any, x: Any, y: Any) -> Any:
    found = FUNCTIONS[s["function"]]
    if found.wide is None:
        raise Unknown(f"{s['function']} of many digits takes long")
    tanh = np.frompyfunc(mpmath.tanh, 1, 1)
    given = [
        np.asarray(DOMAINS[found.domain](tanh, a), object) for a in _given(s, x, y)
    ]
    for bend in found.bends:
        if any(abs(v - bend) <= NEARLY * abs(v) + TINY for v in np.ravel(given[0])):
            raise (Tie if m is Doubtful else Unknown)("next to a bend")
    many = np.frompyfunc(found.wide, len(given), 1)
    return np.asarray(many(*given), object)


def draw(self: Any) -> Drawn | None:
    fits = lambda a: floats(a) and a.dtype in DTYPES and a.ndim >= 1  # noqa: E731
    found = two(fits, lambda a, b: a.shape == b.shape and a.dtype == b.dtype)(self)
    if found is None:
        return None
    return found[0], {"function": self.one_of(list(FUNCTIONS))}


CALLS = {"special": Call(symbolic, by_numpy, draw, by_digits)}
