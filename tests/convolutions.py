"""A convolution written as loops over its definition, for tests to judge by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def zeros_around(border: Any, covered: int) -> tuple[int, int]:
    """The zeros before and after an axis."""
    if isinstance(border, tuple):
        return border
    if isinstance(border, int):
        return border, border
    both = {"valid": 0, "half": covered // 2, "full": covered - 1}[border]
    return both, both


def direct(
    x: Any,
    w: Any,
    border: Any = "valid",
    strides: Sequence[int] | None = None,
    dilations: Sequence[int] | None = None,
    flip: bool = True,
    groups: int = 1,
    unshared: bool = False,
) -> Any:
    """The convolution of x (n, c, *spatial) with w, in float64 or integers: at each place
    the sum of an input's window times the filter."""
    rank = x.ndim - 2
    strides = strides or (1,) * rank
    dilations = dilations or (1,) * rank
    taps = w.shape[-rank:]
    covered = [(t - 1) * d + 1 for t, d in zip(taps, dilations)]
    borders = border if isinstance(border, tuple) else (border,) * rank
    zeros = [zeros_around(b, c) for b, c in zip(borders, covered)]
    wide = np.int64 if x.dtype.kind in "iu" else np.float64
    padded = np.pad(x.astype(wide), [(0, 0), (0, 0), *zeros])
    places = [(n - c) // s + 1 for n, c, s in zip(padded.shape[2:], covered, strides)]
    if flip:
        w = w[(..., *[slice(None, None, -1)] * rank)]
    each, own = w.shape[0] // groups, x.shape[1] // groups
    y = np.zeros((x.shape[0], w.shape[0], *places), wide)
    for place in np.ndindex(*places):
        window = padded[
            (
                ...,
                *(
                    slice(p * s, p * s + c, d)
                    for p, s, c, d in zip(place, strides, covered, dilations)
                ),
            )
        ]
        for g in range(groups):
            filters = w[slice(g * each, (g + 1) * each)]
            filters = filters[(slice(None), *place)] if unshared else filters
            part = window[:, g * own : (g + 1) * own, None].swapaxes(1, 2)
            product = part * filters[None].astype(wide)
            terms = product.sum(axis=tuple(range(2, product.ndim)))
            y[(slice(None), slice(g * each, (g + 1) * each), *place)] = terms
    return y
