"""Calls: operations with settings, each with three meanings and how one is drawn.

A step {"do": "call", "name": a name in `CALLS`, ...} is computed by the row of that name.
Where no meaning in many digits is given, NumPy's function is tried on arrays of objects;
what it has no loop for is `Unknown`, and then judged by NumPy alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.fuzz.spaces import (
    NEARLY,
    TINY,
    Arrays,
    Doubtful,
    Near,
    Symbols,
    Tie,
    Unknown,
)

Drawn = tuple[list[Any], dict[str, Any]]  # arguments, and what else the step holds


@dataclass(frozen=True)
class Call:
    """symbols, arrays: (step, *arguments) -> value; wide: (namespace, step, *arguments);
    near: raises Tie where roundings decide what a call of arrays does;
    draw: generator -> arguments and the rest of a step, or None where nothing fits."""

    symbols: Callable[..., Any]
    arrays: Callable[..., Any]
    draw: Callable[[Any], Drawn | None]
    wide: Callable[..., Any] | None = None
    near: Callable[..., None] | None = None

    def value(self, m: Any, s: Mapping[str, Any], *given: Any) -> Any:
        if m is Symbols:
            return self.symbols(s, *given)
        if m is Near and self.near:
            self.near(s, *given)
        if m in (Arrays, Near):
            return self.arrays(s, *given)
        try:
            found = self.wide(m, s, *given) if self.wide else self.arrays(s, *given)
            if any(v is None for v in np.ravel(np.asarray(found, object))):
                raise TypeError(f"{s['name']} leaves objects out")
            return found
        except (TypeError, AttributeError) as error:  # no such loop over objects
            raise Unknown(str(error)) from error


# ---- what is drawn

Fits = Callable[[Any], bool]


def any_array(a: Any) -> bool:
    return bool(a.ndim >= 1)


def numbers(a: Any) -> bool:
    """Real numbers, whole ones too."""
    return a.dtype.kind in "iuf" and a.ndim >= 1


def floats(a: Any) -> bool:
    return bool(a.dtype.kind == "f")


def rows(a: Any) -> bool:
    return floats(a) and a.ndim >= 1


def whole(a: Any) -> bool:
    return a.dtype.kind in "iu"


def matrices(a: Any) -> bool:
    return bool(a.ndim == 2)


def one(fits: Fits, **rest: Any) -> Callable[[Any], Drawn | None]:
    """One argument; what is callable in `rest` is called with the generator and its value."""

    def draw(self: Any) -> Drawn | None:
        x = self.pick(fits)
        if x is None:
            return None
        return [x], {k: drawn(v, self, self.values[x]) for k, v in rest.items()}

    return draw


def two(
    fits: Fits, other: Callable[[Any, Any], bool], **rest: Any
) -> Callable[[Any], Drawn | None]:
    """A second one that fits the first."""

    def draw(self: Any) -> Drawn | None:
        x = self.pick(fits)
        if x is None:
            return None
        old = self.values[x]
        y = self.pick(lambda a: other(old, a))
        return [x, y], {k: drawn(v, self, old) for k, v in rest.items()}

    return draw


def drawn(value: Any, self: Any, array: Any) -> Any:
    if isinstance(value, dict):
        return {k: drawn(v, self, array) for k, v in value.items()}
    return value(self, array) if callable(value) else value


def of(*choices: Any) -> Callable[[Any, Any], Any]:
    return lambda self, a: self.one_of(choices)


def axis(self: Any, a: Any) -> int:
    return int(self.below(2 * a.ndim) - a.ndim)


def axis_or_none(self: Any, a: Any) -> int | None:
    return None if self.chance(0.3) else axis(self, a)


def alike(a: Any, b: Any) -> bool:
    return a.shape == b.shape and a.dtype == b.dtype


def same_dtype(a: Any, b: Any) -> bool:
    return bool(a.dtype == b.dtype)


# ---- orders that roundings decide


def apart(m: Any, x: Any, axis: int | None = -1) -> None:
    """Raises: Tie, where `m` is `Doubtful` and two elements along an axis are next to each
    other."""
    x = np.asarray(x)
    if m is not Doubtful or x.dtype != object or not x.size:
        return
    x = np.sort(x, axis=axis)
    gaps = np.diff(x, axis=-1 if axis is None else axis)
    sizes = np.max(np.abs(x))
    if gaps.size and np.any(gaps <= NEARLY * sizes + TINY):
        raise Tie("a tie, or nearly")
