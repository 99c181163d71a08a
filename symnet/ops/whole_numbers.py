"""Whole numbers near a number, element by element.  The derivatives are zero."""

from __future__ import annotations

from typing import Any

import numpy as np

from symnet.graph.variables import Variable
from symnet.kernels.loopir.scalars import Scalar, call, literal, select
from symnet.ops.comparison import kind
from symnet.ops.elementwise import Elementwise, cast, elementwise


def _rounding(name: str, primitive: str, reference: str, about: str) -> Elementwise:
    return elementwise(
        lambda x: call(primitive, x) if kind(x) == "f" else x,
        None,
        lambda xp, x: getattr(xp, reference)(x) if x.dtype.kind == "f" else x,
        name=name,
        accepts="biuf",
        about=about,
    )


floor = _rounding(
    "floor",
    "floor",
    "floor",
    about="The greatest whole number that is not above x, in x's dtype.  Gradient: 0.  "
    "Example: T.floor(-1.5) = -2.0",
)
ceil = _rounding(
    "ceil",
    "ceil",
    "ceil",
    about="The least whole number that is not below x, in x's dtype.  Gradient: 0.  Example: "
    "T.ceil(1.2) = 2.0",
)
trunc = _rounding(
    "trunc",
    "trunc",
    "trunc",
    about="x without its fraction, in x's dtype.  Gradient: 0.  Example: T.trunc(-1.7) = -1.0",
)
round_half_to_even = _rounding(
    "round_half_to_even",
    "rint",
    "rint",
    about="The nearest whole number, a half rounded to an even one, in x's dtype.  Gradient: "
    "0.  Example: T.round_half_to_even(2.5) = 2.0",
)


def _half_away(x: Scalar) -> Scalar:
    if kind(x) != "f":
        return x
    whole = call("trunc", x)
    step = call("copysign", literal(1.0, x.dtype), x)
    return select(call("abs", x - whole) >= 0.5, whole + step, whole)


def _half_away_reference(xp: Any, x: Any) -> Any:
    if x.dtype.kind != "f":
        return x
    whole = xp.trunc(x)
    return xp.where(xp.abs(x - whole) >= 0.5, whole + xp.copysign(1, x), whole)


round_half_away_from_zero = elementwise(
    _half_away,
    None,
    _half_away_reference,
    name="round_half_away_from_zero",
    accepts="biuf",
    about="The nearest whole number, a half rounded away from zero.  Gradient: 0.  Example: "
    "T.round_half_away_from_zero(2.5) = 3.0",
)


def round_half_away_from_zero_vec(a: Any) -> np.ndarray[Any, Any]:
    """What `round_half_away_from_zero` does, to an array of NumPy's.

    >>> symnet.scalar.round_half_away_from_zero_vec([2.5, -2.5])
    array([ 3., -3.])
    """
    array = np.asarray(a)
    return np.asarray(_half_away_reference(np, array), dtype=array.dtype)


def round(a: Any, mode: str | None = None) -> Variable:
    """The nearest whole number, in `a`'s dtype.

    mode: "half_to_even" (the default, as NumPy) or "half_away_from_zero".
    Raises: ValueError for another mode.

    >>> T.round([0.5, 1.5, -2.6]).eval()
    array([ 0.,  2., -3.])
    """
    modes = {
        None: round_half_to_even,
        "half_to_even": round_half_to_even,
        "half_away_from_zero": round_half_away_from_zero,
    }
    if mode not in modes:
        raise ValueError(f"round: no mode {mode!r}: there are {[*modes][1:]}")
    return modes[mode](a)


def iround(a: Any, mode: str | None = None) -> Variable:
    """`round(a, mode)` as int64.

    >>> T.iround([1.2, 2.7]).eval()
    array([1, 3])
    """
    return cast(round(a, mode), "int64")
