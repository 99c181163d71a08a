"""Convolution and pooling by their definition, on arrays of numbers of any kind.

`m` is a namespace of `spaces` in which sums and maxima are taken, so that the same lines
mean NumPy's numbers and numbers of many digits, with their ties.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np


def convolve(m: Any, x: Any, w: Any, s: Mapping[str, Any]) -> Any:
    """Filters w (o, c of one group, *taps) over images x (n, c, *spatial).

    s: border, strides, dilations, flip and groups, as `T.nnet.conv2d` has them.
    Raises: ValueError where there is no such convolution.
    """
    x, w, groups = wide(x), wide(w), s["groups"]
    taps, rank = w.shape[2:], w.ndim - 2
    if x.shape[1] != groups * w.shape[1] or w.shape[0] % groups or min(taps) < 1:
        raise ValueError(f"no filters {w.shape} in {groups} groups for {x.shape}")
    covered = [(t - 1) * d + 1 for t, d in zip(taps, s["dilations"])]
    border = s["border"] if isinstance(s["border"], list) else [s["border"]] * rank
    zeros = [zeros_around(b, n) for b, n in zip(border, covered)]
    sizes = [n + below + above for n, (below, above) in zip(x.shape[2:], zeros)]
    padded = np.zeros((*x.shape[:2], *sizes), x.dtype)
    inner = [slice(below, below + n) for n, (below, _) in zip(x.shape[2:], zeros)]
    padded[(..., *inner)] = x
    axes = tuple(range(2, 2 + rank))
    shown = np.lib.stride_tricks.sliding_window_view(padded, covered, axes)
    steps = [slice(None, None, n) for n in (*s["strides"], *s["dilations"])]
    shown = shown[(slice(None), slice(None), *steps)]
    w = np.flip(w, axes) if s["flip"] else w
    each, own = w.shape[0] // groups, w.shape[1]
    parts = []
    for g in range(groups):  # (n, o, c, *places, *taps)
        filters = w[g * each : (g + 1) * each].reshape(each, own, *[1] * rank, *taps)
        product = shown[:, None, g * own : (g + 1) * own] * filters
        parts.append(
            m.reduce("sum", product, (2, *range(3 + rank, 3 + 2 * rank)), False)
        )
    return np.concatenate(parts, axis=1)


def zeros_around(border: Any, covered: int) -> tuple[int, int]:
    """The zeros before and after an axis, for a filter that covers so many elements."""
    if isinstance(border, str):
        border = {"valid": 0, "half": covered // 2, "full": covered - 1}[border]
    return (border[0], border[1]) if isinstance(border, list) else (border, border)


def pool(m: Any, x: Any, s: Mapping[str, Any]) -> Any:
    """The maximum, sum or average of windows over the last two axes of x.

    s: window, strides, padding, ignore_border and mode, as `pool_2d` has them.
    Raises: ValueError for an image of lower rank, and the maximum of padding alone.
    """
    if np.ndim(x) < 2:
        raise ValueError("no image")
    x = wide(x)
    rules = list(zip(x.shape[-2:], s["window"], s["strides"], s["padding"]))
    counts = [count_windows(*rule, s["ignore_border"]) for rule in rules]
    result = np.zeros((*x.shape[:-2], *counts), x.dtype)
    for place in np.ndindex(*counts):
        box, size = [], 1
        for q, (n, w, step, p) in zip(place, rules):
            first = q * step - p
            box.append(slice(max(first, 0), max(first + w, 0)))
            size *= min(first + w, n + p) - first
        part = x[(..., *box)]
        if s["mode"] == "max":
            value = m.reduce("max", part, (-2, -1), False)
        else:
            value = m.reduce("sum", part, (-2, -1), False)
            if s["mode"] == "average_exc_pad":
                size = part.shape[-2] * part.shape[-1]
            value = value if s["mode"] == "sum" else m.divide(value, size)
        result[(..., *place)] = value
    return result


def count_windows(n: int, w: int, step: int, p: int, ignore_border: bool) -> int:
    """How many windows begin within n elements and their padding: those that fit, or, where
    borders count, those that have an element that none before has."""
    if ignore_border:
        return max(n + 2 * p - w + step, 0) // step
    firsts = range(0, n, step)
    return sum(q == 0 or min(q + w, n) > min(q - step + w, n) for q in firsts)


def wide(x: Any) -> Any:
    """x in 64 bits; numbers of many digits as they are."""
    x = np.asarray(x)
    return x if x.dtype == object else x.astype(f"{x.dtype.kind}8")
