"""Computations for many rows at once, against one row after the other."""

from __future__ import annotations

import numpy as np
import pytest

import symnet.tensor as T
from symnet.autodiff.batching import NotBatched, for_all_rows
from symnet.graph.evaluate import evaluate

rng = np.random.default_rng(2)

EXPRESSIONS = {
    "elementwise": lambda x, y, c: T.tanh(x) * y + c[0],
    "products": lambda x, y, c: T.dot(x, c) + T.dot(y, c),
    "product of both": lambda x, y, c: T.dot(x, y.T),
    "from the left": lambda x, y, c: T.dot(c.T, x.T) + T.dot(c.T, y.T),
    "one of them only": lambda x, y, c: T.exp(y).sum(axis=1),
    "softmax": lambda x, y, c: T.nnet.softmax(x - y),
    "parts": lambda x, y, c: x[::-1, 1:] + T.join(1, y, x)[:, -2:],
    "reshaped": lambda x, y, c: (x * y).reshape((-1, 1)),
}


@pytest.mark.parametrize("name", EXPRESSIONS)
@pytest.mark.parametrize("count", [0, 1, 4])
def test_rows_in_the_place_of_several_variables(name, count):
    x, y, c = T.dmatrix("x"), T.dmatrix("y"), T.dmatrix("c")
    xs, ys, n = T.dtensor3("xs"), T.dtensor3("ys"), T.lscalar("n")
    wanted = EXPRESSIONS[name](x, y, c)
    found = for_all_rows([wanted], {x: xs, y: ys}, n)[wanted]
    values = {
        xs: rng.standard_normal((count, 2, 3)),
        ys: rng.standard_normal((count, 2, 3)),
    }
    values |= {c: rng.standard_normal((3, 3)), n: np.array(count)}
    (got,) = evaluate([found], values)
    assert got.shape[0] == count
    for k in range(count):
        one = {x: values[xs][k], y: values[ys][k], c: values[c]}
        np.testing.assert_allclose(got[k], evaluate([wanted], one)[0], rtol=1e-12)


def test_what_depends_on_none_of_them_has_no_rows():
    x, c, xs = T.dmatrix("x"), T.dmatrix("c"), T.dtensor3("xs")
    fixed = T.exp(c)
    wanted = x + fixed
    found = for_all_rows([wanted], {x: xs}, xs.shape[0])
    assert wanted in found
    assert fixed not in found


def test_operations_without_a_rule_are_named():
    x, xs = T.dmatrix("x"), T.dtensor3("xs")
    with pytest.raises(NotBatched, match="Sort"):
        for_all_rows([T.sort(x, axis=1)], {x: xs}, xs.shape[0])
