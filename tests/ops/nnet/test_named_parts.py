"""Parts of softmax and cross-entropy under Theano's names."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.special

import symnet
import symnet.tensor as T
from symnet.tensor import nnet
from tests.helpers import run

RNG = np.random.default_rng(9)
X, Y, G = RNG.normal(size=(4, 3)), np.array([2, 0, 1, 2]), RNG.normal(size=4)


def test_gradients_written_out() -> None:
    x, g, dy = T.dmatrix("x"), T.dvector("g"), T.dmatrix("dy")
    sm = nnet.softmax(x)
    entropy = nnet.categorical_crossentropy(sm, Y)
    weights = RNG.normal(size=(4, 3))
    pairs = [
        (nnet.softmax_grad(dy, sm), symnet.grad((sm * dy).sum(), x)),
        (
            nnet.crossentropy_softmax_1hot_with_bias_dx(g, sm, Y),
            symnet.grad((entropy * g).sum(), x),
        ),
    ]
    for own, derived in pairs:
        got = run([own, derived], {x: X, g: G, dy: weights})
        np.testing.assert_allclose(got[0], got[1], atol=1e-14)
    p = T.dmatrix("p")
    value = scipy.special.softmax(X, axis=1)
    own = nnet.crossentropy_categorical_1hot_grad(g, p, Y)
    want = np.zeros((4, 3))
    want[np.arange(4), Y] = -G / value[np.arange(4), Y]
    np.testing.assert_allclose(run(own, {p: value, g: G}), want)
    same = nnet.CrossentropySoftmax1HotWithBiasDx()(2.0, sm, Y)
    want = 2 * (value - np.eye(3)[Y])
    np.testing.assert_allclose(run(same, {x: X}), want)


def test_first_columns() -> None:
    x = T.fmatrix("x")
    for y, first in [
        (nnet.prepend_0_to_each_row(x), 0),
        (nnet.prepend_1_to_each_row(x), 1),
        (nnet.prepend_scalar_to_each_row(2.5, x), 2.5),
        (nnet.Prepend_scalar_to_each_row()(T.constant(3), x), 3),
        (nnet.Prepend_scalar_constant_to_each_row(-1)(x), -1),
    ]:
        want = np.insert(X.astype("float32"), 0, first, axis=1)
        np.testing.assert_array_equal(run(y, {x: X}), want)


def test_operations_as_functions() -> None:
    x, b = T.dmatrix("x"), T.dvector("b")
    bias = RNG.normal(size=3)
    want = scipy.special.softmax(X + bias, axis=1)
    given = {x: X, b: bias}
    np.testing.assert_allclose(run(nnet.SoftmaxWithBias()(x, b), given), want)
    entropy, sm, most = nnet.CrossentropySoftmaxArgmax1HotWithBias()(x, b, Y)
    got = run([entropy, sm, most], given)
    np.testing.assert_allclose(got[0], -np.log(want[np.arange(4), Y]))
    np.testing.assert_allclose(got[1], want)
    np.testing.assert_array_equal(got[2], want.argmax(axis=1))
    entropy = nnet.CrossentropyCategorical1Hot()(T.constant(want), Y)
    np.testing.assert_allclose(run(entropy), -np.log(want[np.arange(4), Y]))
    slope = nnet.CrossentropyCategorical1HotGrad()(G, want, Y)
    assert run(slope).shape == (4, 3)
    np.testing.assert_allclose(
        run(nnet.SoftmaxGrad()(X, want)),
        want * (X - (X * want).sum(axis=1, keepdims=True)),
    )
    np.testing.assert_allclose(
        run(nnet.logsoftmax_op(x), given), scipy.special.log_softmax(X, 1)
    )


def test_numbers_of_no_class() -> None:
    x, g, y = T.dmatrix("x"), T.dvector("g"), T.lvector("y")
    for slope in (
        nnet.crossentropy_softmax_1hot_with_bias_dx(g, x, y),
        nnet.crossentropy_categorical_1hot_grad(g, x, y),
    ):
        f = symnet.function([x, g, y], slope)
        for wrong in (-1, 3):
            with pytest.raises(IndexError, match="number of no class"):
                f(X, G, np.array([0, 1, wrong, 2]))


def test_wrong_ranks() -> None:
    with pytest.raises(TypeError, match="ranks 2, 2"):
        nnet.softmax_grad(G, X)
    with pytest.raises(TypeError, match="ranks 0, 2"):
        nnet.prepend_scalar_to_each_row(G, X)
    with pytest.raises(TypeError, match="ranks 1, 2, 1"):
        nnet.crossentropy_categorical_1hot_grad(X, X, Y)
