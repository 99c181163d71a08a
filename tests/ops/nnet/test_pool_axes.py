"""How many windows there are along an axis, by walking along it."""

from __future__ import annotations

import itertools

import numpy as np

import symnet
import symnet.tensor as T
from symnet.ops.nnet.pool_axes import Axis, count_windows


def walked(n: int, w: int, s: int, p: int, ignore: bool) -> list[tuple[int, int]]:
    """Windows as (begin, end) within the padded axis."""
    whole = n + 2 * p
    if ignore:
        return [(k, k + w) for k in range(0, whole, s) if k + w <= whole]
    found = [(0, min(w, whole))] if whole else []
    while found and found[-1][0] + max(w, s) < whole:
        begin = found[-1][0] + s
        found.append((begin, min(begin + w, whole)))
    return found


CASES = [
    (n, w, s, p, ignore)
    for n, w, s, p in itertools.product(range(8), range(1, 5), range(1, 5), range(4))
    for ignore in (True, False)
    if p < w and (ignore or p == 0)
]


def test_counts_of_numbers_and_of_variables() -> None:
    n, w, s, p = T.lscalars("n", "w", "s", "p")
    functions = {
        ignore: symnet.function([n, w, s, p], count_windows(n, w, s, p, ignore))
        for ignore in (True, False)
    }
    for *numbers, ignore in CASES:
        want = len(walked(*numbers, ignore))
        assert count_windows(*numbers, ignore) == want
        assert functions[ignore](*numbers) == want


def test_elements_of_windows() -> None:
    for n, w, s, p, ignore in CASES[::7]:
        windows = walked(n, w, s, p, ignore)
        axis = Axis(n, w, s, p, len(windows), ignore)
        for padding in (True, False):
            low, high = (0, n + 2 * p) if padding else (p, n + p)
            want = [min(end, high) - max(begin, low) for begin, end in windows]
            got = axis.elements(padding)
            if not isinstance(got, int):
                got = got.eval()
            np.testing.assert_array_equal(np.broadcast_to(got, len(want)), want)
        if windows:
            assert axis.end >= windows[-1][1]
            assert axis.inside == (p == 0 and axis.end <= n)
