"""What mathematical functions mean: by NumPy and SciPy, not by the expansions."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

from symnet.kernels.loopir.interpret import MEANING, gammaln

Function = Callable[..., Any]


def sigmoid(x: Any) -> Any:
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + small), small / (1 + small))


def softplus(x: Any) -> Any:
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def power(x: Any, y: Any) -> Any:
    """Of integers the part before the point where the exponent is negative."""
    if x.dtype.kind == "f":
        return np.power(x, y)
    if y.dtype.kind != "i":
        return x**y
    odd_or_even = np.where(y % 2 == 0, 1, x)
    inverse = np.where(np.abs(x) == 1, odd_or_even, 0)
    return np.where(y < 0, inverse, x ** np.maximum(y, 0))


def reciprocal(x: Any) -> Any:
    return 1 / x if x.dtype.kind == "f" else np.where(np.abs(x) == 1, x, 0)


def sign(x: Any) -> Any:
    """Of -0.0 it is 0.0."""
    return x if x.dtype.kind == "b" else np.sign(x) + np.zeros((), x.dtype)


NUMPY = (
    "exp exp2 expm1 tanh sinh cosh log log2 log10 log1p arcsinh arccosh arctanh sin cos "
    "tan arcsin arccos arctan arctan2 hypot square"
)
OWN = {f.__name__: f for f in (sigmoid, softplus, reciprocal, sign, gammaln)}
FUNCTIONS: dict[str, Function] = {
    **MEANING,
    **{name: getattr(np, name) for name in NUMPY.split()},
    **OWN,
    "pow": power,
}


def function_of(name: str) -> Function:
    """The function of a scalar's name; those that are none of these are SciPy's.

    Raises: AttributeError for a name that nobody knows."""
    found = FUNCTIONS.get(name)
    if found is None:
        # scipy.special takes long to import, and few programs need it.
        found = getattr(importlib.import_module("scipy.special"), name)
        FUNCTIONS[name] = found
    return found


__all__ = ["function_of"]
