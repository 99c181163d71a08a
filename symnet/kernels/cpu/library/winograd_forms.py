"""Winograd's minimal filtering F(m, 3): the three matrices, from points on a line.

The m numbers y = A ((G w) * (B x)) are m neighbouring outputs of a filter w of three taps over
m + 2 inputs x, with m + 2 products where 3 m would be multiplied otherwise.  Two dimensions
nest: y = A ((G w G.T) * (B x B.T)) A.T.

Source: Winograd 1980, "Arithmetic complexity of computations"; Lavin and Gray 2016, "Fast
algorithms for convolutional neural networks".  The matrices are Toom's and Cook's: polynomials
are known by their values at points, of which one is infinity.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from functools import cache
from typing import TypeAlias

from symnet.data_classes import dataclass

Matrix: TypeAlias = tuple[tuple[Fraction, ...], ...]
TAPS = 3

# Points besides infinity, by m: 0, and pairs of opposite ones, which share half of the work.
# With 5/8 and 3/2 F(4, 3) loses half of what it loses with the usual 1 and 2: large powers
# meet the last coefficients, and small ones divide the filters.
POINTS = {
    2: (Fraction(0), Fraction(1), Fraction(-1)),
    4: (
        Fraction(0), Fraction(5, 8), Fraction(-5, 8), Fraction(3, 2), Fraction(-3, 2),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class MinimalFilter:
    """F(outputs, 3).

    inputs: B, (size, size); filters: G, (size, 3); results: A, (outputs, size); size =
    outputs + 2.
    """

    outputs: int
    inputs: Matrix
    filters: Matrix
    results: Matrix

    @property
    def size(self) -> int:
        """Inputs, and products, along one axis."""
        return self.outputs + TAPS - 1


@cache
def minimal_filter(outputs: int) -> MinimalFilter:
    """F(outputs, 3) of the points above.

    Example:
        >>> form = minimal_filter(2)
        >>> [[str(number) for number in row] for row in form.filters]
        [['-1', '0', '0'], ['1/2', '1/2', '1/2'], ['1/2', '-1/2', '1/2'], ['0', '0', '1']]
    """
    points, size = POINTS[outputs], outputs + TAPS - 1
    others = [[q for q in points if q != p] for p in points]
    inputs = [_with_roots(rest) for rest in others]
    inputs.append(_with_roots(points))
    filters, last = [], [Fraction(0)] * (TAPS - 1) + [Fraction(1)]
    for point, rest in zip(points, others, strict=True):
        divisor = math.prod((point - q for q in rest), start=Fraction(1))
        filters.append([point**k / divisor for k in range(TAPS)])
    results = [
        [*(point**k for point in points), Fraction(int(k == outputs - 1))]
        for k in range(outputs)
    ]
    return MinimalFilter(
        outputs,
        tuple((*row, *[Fraction(0)] * (size - len(row))) for row in inputs),
        tuple(map(tuple, [*filters, last])),
        tuple(map(tuple, results)),
    )


def _with_roots(roots: Sequence[Fraction]) -> list[Fraction]:
    """The coefficients of the polynomial with these roots, the last one 1."""
    found = [Fraction(1)]
    for root in roots:
        lower, higher = [*found, Fraction(0)], [Fraction(0), *found]
        found = [high - root * low for low, high in zip(lower, higher, strict=True)]
    return found
