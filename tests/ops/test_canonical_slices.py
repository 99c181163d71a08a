"""Slices in one form, against Python's."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet.ops.canonical_slices import get_canonical_form_slice

BOUNDS = (None, -9, -3, -1, 0, 2, 5, 9)


@pytest.mark.parametrize("length", [0, 1, 5])
def test_slices_of_numbers_and_of_variables(length: int) -> None:
    bounds = T.lscalars("start", "stop", "step", "length")
    asked = {}
    for given in itertools.product((True, False), repeat=3):
        parts = [v if one else None for v, one in zip(bounds, given)]
        found, direction = get_canonical_form_slice(slice(*parts), bounds[3])
        outputs = [found.start, found.stop, found.step, T.as_tensor_variable(direction)]
        asked[given] = symnet.function(list(bounds), outputs, on_unused_input="ignore")
    array = np.arange(length)
    for start, stop, step in itertools.product(BOUNDS, BOUNDS, (None, -3, -1, 1, 2)):
        numbers = [start, stop, step]
        f = asked[tuple(one is not None for one in numbers)]
        a, b, c, d = map(int, f(*(one or 0 for one in numbers), length))
        assert 0 <= a <= b <= length or a == b
        assert c > 0
        expected = array[slice(*numbers)].tolist()
        assert array[a:b:c][::d].tolist() == expected, numbers


def test_an_index_becomes_not_negative() -> None:
    i = T.lscalar("i")
    index, direction = get_canonical_form_slice(i, 4)
    assert direction == 1
    assert [index.eval({i: k}).item() for k in (-4, -1, 0, 3)] == [0, 3, 0, 3]
