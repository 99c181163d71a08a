"""F(m, 3) in exact numbers: m outputs of a filter of three taps."""

from __future__ import annotations

from fractions import Fraction

import pytest

from symnet.kernels.cpu.library.winograd_forms import POINTS, minimal_filter


def times(matrix, vector):
    return [sum(a * b for a, b in zip(row, vector, strict=True)) for row in matrix]


@pytest.mark.parametrize("outputs", POINTS)
def test_the_matrices_filter(outputs):
    form = minimal_filter(outputs)
    x = [Fraction(k * k - 7 * k + 3, k + 2) for k in range(form.size)]
    w = [Fraction(2, 3), Fraction(-5), Fraction(1, 7)]
    pairs = zip(times(form.filters, w), times(form.inputs, x), strict=True)
    found = times(form.results, [a * b for a, b in pairs])
    assert found == [sum(w[t] * x[p + t] for t in range(3)) for p in range(outputs)]


@pytest.mark.parametrize("outputs", POINTS)
def test_what_code_relies_on(outputs):
    """Points come as 0 and opposite pairs, and those of inputs are numbers that float32 has."""
    first, *pairs = POINTS[outputs]
    assert first == 0
    assert pairs[::2] == [-p for p in pairs[1::2]]
    for row in (*minimal_filter(outputs).inputs, *minimal_filter(outputs).results):
        assert all(f.denominator & (f.denominator - 1) == 0 for f in row)
