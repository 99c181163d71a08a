"""Complex numbers: two real arrays become one complex, which goes through a few steps, and
comes back real.

In many digits an element is an mpmath complex number; next to a cut or to 0, where roundings
choose the side, nothing is said.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np

import symnet.tensor as T
from tests.fuzz.calls import Call, Drawn, same_dtype, two
from tests.fuzz.spaces import NEARLY, TINY, Doubtful, Tie, Unknown

Meanings = tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any]]
FACTOR = 0.5 - 0.25j


def each(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    many = np.frompyfunc(function, 1, 1)
    return lambda z: np.asarray(many(z), object)


def beside_a_cut(function: Callable[[Any], Any], begins: float) -> Callable[[Any], Any]:
    """A function with a cut along the real axis, below a number."""

    def apart(z: Any) -> Any:
        if abs(z.imag) <= NEARLY * abs(z) + TINY and z.real < begins + TINY:
            raise Tie("next to a cut")
        return function(z)

    return each(apart)


def same(function: Callable[[Any], Any]) -> Meanings:
    return function, function, function


def _exact(value: complex) -> Any:
    return mpmath.mpc(value)


def times(z: Any, factor: complex) -> Any:
    """In the dtype of z: a complex64 stays one."""
    return z * (z.dtype.type(factor) if z.dtype.kind == "c" else _exact(factor))


def _divided(z: Any) -> Any:
    return z / (1 + abs(z))


def _symbolic_factor(z: Any) -> Any:
    return z * T.constant(FACTOR, dtype=z.dtype)


def row_sums(z: Any) -> Any:
    return z - z.sum(axis=-1, keepdims=True) * 0.5 if z.ndim else z


def products(z: Any, dot: Any) -> Any:
    """z z^H z, for matrices; other ranks stay."""
    return dot(dot(z, z.conj().T), z) * 0.125 if z.ndim == 2 else z


def _conj_of_objects(z: Any) -> Any:
    return each(mpmath.conj)(z)


def _wide_products(z: Any) -> Any:
    if z.ndim != 2:
        return z
    return z.dot(_conj_of_objects(z).T).dot(z) * mpmath.mpf(0.125)


def log1p(z: Any) -> Any:
    """NumPy's adds 1 first, and loses what is small beside it."""
    x, y = z.real, z.imag
    small = np.log1p(x * (2 + x) + y * y) / 2 + 1j * np.arctan2(y, 1 + x)
    return np.where(abs(z) < 0.125, small.astype(z.dtype), np.log1p(z))


STEPS: dict[str, Meanings] = {
    "times": (_symbolic_factor, lambda z: times(z, FACTOR), lambda z: times(z, FACTOR)),
    "square": (T.sqr, np.square, lambda z: z * z),
    "cube": (lambda z: z**3, lambda z: z**3, lambda z: z * z * z),
    "conj": (T.conj, np.conj, _conj_of_objects),
    "neg": same(lambda z: -z),
    "divided": (_divided, _divided, each(_divided)),
    "exp": (
        lambda z: T.exp(z * 0.25), lambda z: np.exp(z * z.dtype.type(0.25)),
        each(lambda z: mpmath.exp(z / 4)),
    ),
    "log": (T.log, np.log, beside_a_cut(mpmath.log, 0.0)),
    "sqrt": (T.sqrt, np.sqrt, beside_a_cut(mpmath.sqrt, 0.0)),
    "log1p": (T.log1p, log1p, beside_a_cut(lambda z: mpmath.log(1 + z), -1.0)),
    "sin": (
        lambda z: T.sin(z * 0.25), lambda z: np.sin(z * z.dtype.type(0.25)),
        each(lambda z: mpmath.sin(z / 4)),
    ),
    "tanh": (
        lambda z: T.tanh(z * 0.25), lambda z: np.tanh(z * z.dtype.type(0.25)),
        each(lambda z: mpmath.tanh(z / 4)),
    ),
    "less its row": (row_sums, row_sums, row_sums),
    "product of rows": (
        lambda z: z * T.prod(z * 0.5, axis=-1, keepdims=True),
        lambda z: z * np.prod(z * z.dtype.type(0.5), axis=-1, keepdims=True),
        lambda z: z * np.prod(z / 2, axis=-1, keepdims=True),
    ),
    "running products": (
        lambda z: T.cumprod(z, axis=-1), lambda z: np.cumprod(z, axis=-1),
        lambda z: np.cumprod(z, axis=-1),
    ),
    "running sums": (
        lambda z: T.cumsum(z, axis=0), lambda z: np.cumsum(z, axis=0),
        lambda z: np.cumsum(z, axis=0),
    ),
    "log1p of tanh": (
        lambda z: T.log1p(T.tanh(z * 0.25)),
        lambda z: log1p(np.tanh(z * z.dtype.type(0.25))),
        beside_a_cut(lambda z: mpmath.log(1 + mpmath.tanh(z / 4)), 0.0),
    ),
    "products": (
        lambda z: products(z, T.dot), lambda z: products(z, np.dot), _wide_products,
    ),
    "backwards": (lambda z: z[::-1], lambda z: z[::-1], lambda z: z[::-1]),
    "joined": (
        lambda z: T.concatenate([z, z.conj()]), lambda z: np.concatenate([z, z.conj()]),
        lambda z: np.concatenate([z, _conj_of_objects(z)]),
    ),
}  # fmt: skip
ENDS: dict[str, Meanings] = {
    "real": (T.real, np.real, each(lambda z: z.real)),
    "imag": (T.imag, np.imag, each(lambda z: z.imag)),
    "abs": (abs, abs, each(abs)),
    "angle": (T.angle, np.angle, beside_a_cut(mpmath.arg, 0.0)),
    "size": (
        lambda z: T.real(z * T.conj(z)), lambda z: np.real(z * np.conj(z)),
        each(lambda z: z.real * z.real + z.imag * z.imag),
    ),
}  # fmt: skip


def symbolic(s: Any, x: Any, y: Any) -> Any:
    z = T.complex(x, y)
    for name in s["chain"]:
        z = STEPS[name][0](z)
    return ENDS[s["end"]][0](z)


def by_numpy(s: Any, x: Any, y: Any) -> Any:
    z = (x + 1j * y).astype("complex64" if x.dtype == "float32" else "complex128")
    for name in s["chain"]:
        z = np.asarray(STEPS[name][1](z))
    return np.asarray(ENDS[s["end"]][1](z))


def _away_from_zero(z: Any, m: Any) -> None:
    """No derivative is defined where a number is 0, and none is exact next to it."""
    if any(abs(v) <= TINY for v in np.ravel(z)):
        raise (Tie if m is Doubtful else Unknown)("next to 0")


def by_digits(m: Any, s: Any, x: Any, y: Any) -> Any:
    z = np.asarray(np.frompyfunc(mpmath.mpc, 2, 1)(x, y), object)
    try:
        for name in s["chain"]:
            if name in ("log", "sqrt", "divided"):
                _away_from_zero(z, m)
            z = np.asarray(STEPS[name][2](z), object)
        if s["end"] in ("abs", "angle"):
            _away_from_zero(z, m)
        return np.asarray(ENDS[s["end"]][2](z), object)
    except Tie as tie:
        if m is Doubtful:
            raise
        raise Unknown(str(tie)) from tie


def draw(self: Any) -> Drawn | None:
    fits = lambda a: a.ndim >= 1 and a.dtype in ("float32", "float64")  # noqa: E731
    found = two(fits, lambda a, b: a.shape == b.shape and same_dtype(a, b))(self)
    if found is None:
        return None
    chain = [self.one_of(list(STEPS)) for _ in range(1 + self.below(4))]
    return found[0], {"chain": chain, "end": self.one_of(list(ENDS))}


CALLS = {"complex": Call(symbolic, by_numpy, draw, by_digits)}
