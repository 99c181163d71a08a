"""Calls whose cost is the call itself."""

from __future__ import annotations

import numpy as np

from benchmarks.cases.case import Case
from benchmarks.problem import Counter, Formula


def scalar() -> Formula:
    """2 x^2 + 5 y on two float64 scalars."""
    return Formula(
        lambda names, x, y: 2 * x * x + 5 * y,
        [np.array(1.5), np.array(-0.25)],
        text="2 * a * a + 5 * b",
    )


# NumPy's arithmetic on two scalars is no compiled call: shown, but not a peer.
CASES = (
    Case(
        "scalar call", scalar, goal=0.5, build_goal=0.5, aside=("numpy",), compiled=True
    ),
    Case("shared counter", Counter, goal=0.5),
)
