"""What is replaced after a gradient was taken is in the gradient, or refused."""

from __future__ import annotations

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet import function, grad

Z = np.array([-1.0, 0.5, 2.0])


def logistic():
    z = T.vector("z")
    p = 1 / (1 + T.exp(-z))
    return z, p, -T.log(p).sum()


@pytest.mark.parametrize("mode", ["FAST_RUN", "FAST_COMPILE"])
def test_a_replaced_probability_is_refused(mode):
    z, p, cost = logistic()
    g = grad(cost, z)
    other = T.vector("other")
    with pytest.raises(ValueError, match="stable form without it") as error:
        function([z, other], [cost, g], givens={p: other}, mode=mode)
    assert f"your line: {__file__}" in str(error.value)
    with pytest.raises(ValueError, match="grad\\(cost"):
        function([p, z], [2 * g], mode=mode)


def test_named_variables_stay():
    z, p, cost = logistic()
    g, _ = grad(cost, [z, p])
    other = T.vector("other")
    f = function([z, other], [cost, g], givens={p: other})
    value, gradient = f(Z, np.full(3, 0.25))
    np.testing.assert_allclose(value, -3 * np.log(0.25))
    # dcost/dp at the replacement, times dp/dz as p is made of z
    p_at_z = 1 / (1 + np.exp(-Z))
    np.testing.assert_allclose(gradient, -1 / 0.25 * p_at_z * (1 - p_at_z))


def test_what_a_gradient_goes_through_is_replaced():
    z, p, cost = logistic()
    g = grad(cost, z)
    f = function([z], [cost, g], givens={z: 2 * z})
    np.testing.assert_allclose(f(Z)[1], 1 / (1 + np.exp(-2 * Z)) - 1)
    values = function([z], cost, givens={p: T.exp(z)})(Z)  # no gradient in it
    np.testing.assert_allclose(values, -Z.sum())


def test_a_gradient_of_the_replaced_graph():
    z, p, cost = logistic()
    replaced = symnet.clone(cost, {p: T.exp(z)})
    np.testing.assert_allclose(function([z], grad(replaced, z))(Z), -1)
