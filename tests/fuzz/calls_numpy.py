"""NumPy's functions, called on variables as on arrays: symnet answers for its own."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np

from tests.fuzz.calls import (
    Call,
    alike,
    any_array,
    apart,
    axis,
    axis_or_none,
    drawn,
    floats,
    matrices,
    numbers,
    of,
    rows,
    same_dtype,
)
from tests.fuzz.spaces import Doubtful, _each, _untied

anything = lambda a: True  # noqa: E731
not_truths = lambda a: a.dtype.kind != "b"  # noqa: E731
not_complex = lambda a: a.dtype.kind != "c"  # noqa: E731
sums = lambda a: a.dtype.kind in "iufc" and a.ndim >= 1  # noqa: E731
full = lambda a: numbers(a) and a.size > 0  # noqa: E731
square = lambda a: a.ndim == 2 and a.dtype.kind != "b"  # noqa: E731
offset = of(0, 0, 1, -1, 2, -3)

# Of one array: what fits, and its keywords.
ONE: dict[str, Any] = {
    "cumsum": (sums, {"axis": axis_or_none}),
    "cumprod": (sums, {"axis": axis_or_none}),
    "diff": (any_array, {"n": of(1, 1, 2, 3), "axis": axis}),
    "sort": (numbers, {"axis": axis_or_none}),
    "argsort": (numbers, {"axis": axis_or_none, "kind": "stable"}),
    "std": (lambda a: rows(a) and a.size > 0, {"axis": axis_or_none}),
    "var": (full, {"axis": axis_or_none, "ddof": of(0, 0, 1)}),
    "mean": (full, {"axis": axis_or_none}),
    "ptp": (full, {"axis": axis_or_none}),
    "max": (full, {"axis": axis_or_none}),
    "argmax": (full, {"axis": axis_or_none}),
    "argmin": (full, {"axis": axis_or_none}),
    "all": (any_array, {"axis": axis_or_none}),
    "any": (any_array, {"axis": axis_or_none}),
    "count_nonzero": (any_array, {"axis": axis_or_none}),
    "prod": (sums, {"axis": axis_or_none}),
    "trace": (square, {"offset": offset}),
    "diagonal": (matrices, {"offset": offset}),
    "diag": (lambda a: a.ndim in (1, 2), {"k": offset}),
    "tril": (matrices, {"k": offset}),
    "triu": (matrices, {"k": offset}),
    "swapaxes": (any_array, {"axis1": axis, "axis2": axis}),
    "moveaxis": (any_array, {"source": axis, "destination": axis}),
    "rollaxis": (any_array, {"axis": axis}),
    "expand_dims": (anything, {"axis": of(0, -1)}),
    "tile": (any_array, {"reps": of(0, 1, 2, 3)}),
    "repeat": (any_array, {"repeats": of(0, 1, 2, 3), "axis": axis_or_none}),
    "roll": (any_array, {"shift": of(1, -1, 2, 7), "axis": axis_or_none}),
    "flip": (any_array, {"axis": axis_or_none}),
    "ravel": (anything, {}),
    "transpose": (anything, {}),
    "atleast_2d": (lambda a: a.ndim <= 2, {}),
    "clip": (floats, {"a_min": of(-1.0, 0.0), "a_max": of(0.5, 2.0)}),
    "round": (lambda a: a.dtype.kind == "f", {}),
    "nan_to_num": (floats, {}),
    "zeros_like": (anything, {}),
    "ones_like": (anything, {}),
    # Of floats it has no gradient, which is said.
    "unique": (lambda a: a.dtype.kind in "biu" and a.ndim >= 1, {}),
    "flatnonzero": (any_array, {}),
    "linalg.norm": (
        lambda a: floats(a) and a.ndim in (1, 2), {"ord": of(None, None, 1, np.inf)}
    ),
    "add.reduce": (sums, {"axis": axis}),
    "multiply.reduce": (sums, {"axis": axis}),
    "maximum.reduce": (full, {"axis": axis}),
    "exp2": (floats, {}), "expm1": (floats, {}), "log1p": (floats, {}),
    "arctan": (floats, {}), "arcsinh": (floats, {}), "sinh": (floats, {}),
    "cosh": (floats, {}), "deg2rad": (floats, {}), "rint": (floats, {}),
    "trunc": (floats, {}), "ceil": (floats, {}), "reciprocal": (floats, {}),
    "isfinite": (floats, {}), "logical_not": (not_complex, {}),
    "positive": (not_truths, {}), "absolute": (not_truths, {}),
    "conjugate": (not_truths, {}), "square": (not_truths, {}),
}  # fmt: skip


def multiplies(a: Any, b: Any) -> bool:
    return bool(
        a.dtype == b.dtype and b.ndim in (1, 2) and b.shape[0] == a.shape[-1]
    )  # fmt: skip


two_rows = lambda a: a.dtype.kind in "fc" and a.ndim in (1, 2)  # noqa: E731
both = lambda a, b: a.dtype == b.dtype and b.ndim == a.ndim  # noqa: E731
same_rows = lambda a, b: both(a, b) and a.shape[-1:] == b.shape[-1:]  # noqa: E731
TWO: dict[str, Any] = {
    "outer": (two_rows, same_dtype, {}),
    "inner": (two_rows, same_rows, {}),
    "vdot": (two_rows, alike, {}),
    "kron": (lambda a: a.dtype.kind in "fi" and a.ndim == 2, both, {}),
    "matmul": (two_rows, multiplies, {}),
    "tensordot": (two_rows, multiplies, {"axes": 1}),
    "append": (any_array, same_dtype, {}),
    "fmax": (floats, alike, {}),
    "fmin": (floats, alike, {}),
    "hypot": (floats, alike, {}),
    "arctan2": (floats, alike, {}),
    "logaddexp": (floats, alike, {}),
    "logaddexp2": (floats, alike, {}),
    "heaviside": (floats, alike, {}),
    "isclose": (floats, alike, {}),
    "allclose": (floats, alike, {}),
    "array_equal": (anything, alike, {}),
    "not_equal": (anything, alike, {}),
    "less_equal": (numbers, alike, {}),
    "logical_or": (not_complex, alike, {}),
    "logical_xor": (not_complex, alike, {}),
    "floor_divide": (floats, alike, {}),
    "remainder": (floats, alike, {}),
}
MANY: dict[str, Any] = {
    "exp2": _each(lambda x: mpmath.mpf(2) ** x),
    "expm1": _each(lambda x: mpmath.exp(x) - 1),
    "log1p": _each(lambda x: mpmath.log(1 + x) if x > -1 else mpmath.nan),
    "arctan": _each(lambda x: mpmath.atan(x)),
    "arcsinh": _each(lambda x: mpmath.asinh(x)),
    "sinh": _each(lambda x: mpmath.sinh(x)),
    "cosh": _each(lambda x: mpmath.cosh(x)),
    "deg2rad": _each(lambda x: x * mpmath.pi / 180),
    "reciprocal": _each(lambda x: 1 / x),
    "hypot": _each(lambda x, y: mpmath.sqrt(x * x + y * y)),
    "arctan2": _each(lambda x, y: mpmath.atan2(x, y)),
    "logaddexp": _each(lambda x, y: mpmath.log(mpmath.exp(x) + mpmath.exp(y))),
    "logaddexp2": _each(
        lambda x, y: mpmath.log(mpmath.mpf(2) ** x + mpmath.mpf(2) ** y) / mpmath.log(2)
    ),
    "ceil": _each(lambda x: mpmath.ceil(x)),
}
TRUTHS = ("logical_or", "logical_xor", "logical_not", "all", "any")
ORDERS = (
    "sort",
    "argsort",
    "argmax",
    "argmin",
    "max",
    "ptp",
    "unique",
    "maximum.reduce",
)
# What an elementwise function compares: where the two sides meet it jumps or bends.
half_ways = lambda x: np.floor(x) + 0.5  # noqa: E731
nearest = lambda x: np.floor(x + mpmath.mpf(0.5))  # noqa: E731
EDGES: dict[str, Any] = {
    "clip": lambda s, x: [(x, s["a_min"]), (x, s["a_max"])],
    "absolute": lambda s, x: [(x, 0)],
    "heaviside": lambda s, x, y: [(x, 0)],
    "round": lambda s, x: [(x, half_ways(x))],
    "rint": lambda s, x: [(x, half_ways(x))],
    "ceil": lambda s, x: [(x, nearest(x))],
    "trunc": lambda s, x: [(x, nearest(x))],
    "floor_divide": lambda s, x, y: [(x / y, nearest(x / y))],
    "remainder": lambda s, x, y: [(x / y, nearest(x / y))],
    **dict.fromkeys(
        ("fmax", "fmin", "less_equal", "not_equal"), lambda s, x, y: [(x, y)]
    ),
}


def function(name: str) -> Any:
    found: Any = np
    for part in name.split("."):
        found = getattr(found, part)
    return found


def meaning(s: Any, *given: Any) -> Any:
    return function(s["function"])(*given, **s["with"])


def many_digits(m: Any, s: Any, *given: Any) -> Any:
    name = s["function"]
    if name in ORDERS:
        apart(m, given[0], s["with"].get("axis"))
    if name in TRUTHS:  # of objects NumPy gives one of them, not a truth value
        given = tuple(np.asarray(a).astype(bool) for a in given)
    if m is Doubtful and name in EDGES and np.asarray(given[0]).dtype == object:
        for x, y in EDGES[name](s["with"], *given):
            _each(_untied)(x, y, spread=True)
    if name in MANY and np.asarray(given[0]).dtype == object:
        return MANY[name](*given)
    if name in ("std", "var"):
        return _spread(name, given[0], **s["with"])
    if name in ("round", "rint", "linalg.norm"):
        raise TypeError(f"{name} has no many digits here")
    return meaning(s, *given)


def _spread(name: str, x: Any, axis: int | None, ddof: int = 0) -> Any:
    x = np.asarray(x, object) * mpmath.mpf(1)
    count = x.size if axis is None else x.shape[axis]
    off = x - np.sum(x, axis=axis, keepdims=True) / count
    found = np.asarray(np.sum(off * off, axis=axis) / (count - ddof), object)
    return _each(lambda v: mpmath.sqrt(v))(found) if name == "std" else found


def draw(self: Any) -> Any:
    """Of what has one array and what has two."""
    if self.chance(0.3):
        name = self.one_of(list(TWO))
        fits, other, keywords = TWO[name]
    else:
        name = self.one_of(list(ONE))
        (fits, keywords), other = ONE[name], None
    x = self.pick(fits)
    if x is None:
        return None
    old = self.values[x]
    arguments = [x]
    if other is not None:
        arguments.append(self.pick(lambda a: other(old, a)))
    return arguments, {"function": name, "with": drawn(keywords, self, old)}


CALLS = {"numpy": Call(meaning, meaning, draw, many_digits)}
