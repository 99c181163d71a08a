"""Shapes of all variables of a graph."""

from __future__ import annotations

import numpy as np
import pytest

import symnet.tensor as T
from symnet.errors import ShapeError
from symnet.gof import FunctionGraph
from symnet.tensor.utils import hash_from_ndarray, shape_of_variables


def test_shapes_follow_from_those_of_the_inputs() -> None:
    x, y = T.dmatrix("x"), T.dmatrix("y")
    product = T.dot(x, y)
    total = product.sum(axis=0)
    graph = FunctionGraph([x, y], [total], clone=False)
    found = shape_of_variables(graph, {x: (1024, 3), y: (3, 7)})
    assert found[x] == (1024, 3)
    assert found[product] == (1024, 7)
    assert found[total] == (7,)
    with pytest.raises(ShapeError):
        shape_of_variables(graph, {x: (2, 3), y: (4, 7)})
    with pytest.raises(ValueError, match="no shape is given"):
        shape_of_variables(graph, {x: (2, 3)})


def test_equal_arrays_have_one_hash() -> None:
    a = np.arange(6.0)
    assert hash_from_ndarray(a) == hash_from_ndarray(a.copy())
    others = [a + 1, a.astype("float32"), a.reshape(2, 3), a.reshape(3, 2).T]
    assert len({hash_from_ndarray(v) for v in (a, *others)}) == 5
