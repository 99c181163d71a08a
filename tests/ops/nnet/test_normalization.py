"""Batch normalization.  Golden values: PyTorch 2.13.0, float64, on the CPU."""

from __future__ import annotations

import numpy as np
import pytest

from symnet.gradient import grad, verify_grad
from symnet.ops.inputs import matrix, tensor4, vector
from symnet.ops.nnet.normalization import (
    batch_normalization,
    batch_normalization_test,
    batch_normalization_train,
)
from tests.helpers import run

RANDOM = np.random.default_rng(3)
X = np.sin(np.arange(12.0).reshape(3, 4))
GAMMA, BETA = np.array([1.0, 2.0, 0.5, 1.5]), np.array([0.0, 1.0, -1.0, 0.5])


def variables():
    x, names = matrix("x"), "gamma beta mean var".split()
    parameters = [vector(name) for name in names]
    values = dict(zip(parameters, [GAMMA, BETA, np.full(4, 0.1), np.full(4, 2.0)]))
    return x, parameters, {x: X, **values}


def test_golden_values_of_training():
    x, (gamma, beta, mean, var), values = variables()
    results = batch_normalization_train(
        x, gamma, beta, epsilon=1e-4, running_mean=mean, running_var=var
    )
    out, center, inverse, new_mean, new_var = run(results, values)
    want = [
        [
            -0.10841133115138578,
            2.935908025900091,
            -0.3033851081811309,
            0.9515065667086365,
        ],
        [
            -1.1668151608257222,
            -1.753500834554349,
            -1.2436560368373337,
            2.0690732765745716,
        ],
        [
            1.275226491977108,
            1.8175928086542583,
            -1.452958854981535,
            -1.5205798432832083,
        ],
    ]
    np.testing.assert_allclose(out, want, rtol=1e-12)
    np.testing.assert_allclose(center, X.mean(0))
    np.testing.assert_allclose(inverse, 1 / np.sqrt(X.var(0) + 1e-4))
    means = [
        0.0977518583771818,
        0.0998221731795505,
        0.09286202725791289,
        0.0832705466742651,
    ]
    np.testing.assert_allclose(new_mean, means, rtol=1e-12)
    variances = [
        1.8766776182288019,
        1.8884254151449518,
        1.8599198220075677,
        1.8718970499074623,
    ]
    np.testing.assert_allclose(new_var, variances, rtol=1e-12)
    slope = [
        [
            -4.072058757962171,
            14.521026658716341,
            0.04925304783293426,
            -11.427638421144609,
        ],
        [
            2.307027563167848,
            4.543317183209119,
            -0.27411789967052785,
            7.8707985669530895,
        ],
        [
            1.765031194794326,
            -19.06434384192546,
            0.22486485183759433,
            3.5568398541915176,
        ],
    ]
    found = run(grad((results[0] ** 3).sum(), x), values)
    np.testing.assert_allclose(found, slope, rtol=1e-10, atol=1e-10)


def test_given_statistics():
    x, (gamma, beta, mean, var), values = variables()
    want = (X - 0.1) / np.sqrt(2.0 + 1e-4) * GAMMA + BETA
    found = run(batch_normalization_test(x, gamma, beta, mean, var), values)
    np.testing.assert_allclose(found, want)
    for mode in ("low_mem", "high_mem"):
        found = run(batch_normalization(x, gamma, beta, mean, var**0.5, mode), values)
        np.testing.assert_allclose(found, (X - 0.1) / np.sqrt(2.0) * GAMMA + BETA)


@pytest.mark.parametrize(
    "axes", ["spatial", (0, 2, 3), "per-activation", (0,), (1, -1)]
)
def test_axes(axes):
    x = RANDOM.normal(size=(2, 3, 2, 4))
    over = {"spatial": (0, 2, 3), "per-activation": (0,)}.get(axes, axes)
    over = tuple(a % 4 for a in over)
    shape = [n for k, n in enumerate(x.shape) if k not in over]
    gamma, beta = RANDOM.normal(size=shape), RANDOM.normal(size=shape)
    mean, var = x.mean(over, keepdims=True), x.var(over, keepdims=True)
    full = np.expand_dims(gamma, over), np.expand_dims(beta, over)
    want = (x - mean) / np.sqrt(var + 1e-4) * full[0] + full[1]
    v = tensor4("v")
    for g, b in ((gamma, beta), full):
        out, *_ = batch_normalization_train(v, g, b, axes)
        np.testing.assert_allclose(run(out, {v: x}), want)
    verify_grad(
        lambda *v: batch_normalization_train(*v, axes)[0], [x, gamma, beta], n_tests=1
    )


def test_wrong_arguments():
    x = matrix("x")
    with pytest.raises(ValueError, match="epsilon"):
        batch_normalization_train(x, GAMMA, BETA, epsilon=1e-9)
    with pytest.raises(ValueError, match="axes is"):
        batch_normalization_train(x, GAMMA, BETA, axes="everywhere")
    with pytest.raises(ValueError, match="parameter"):
        batch_normalization_train(x, np.ones((1, 1, 4)), BETA)
    with pytest.raises(ValueError, match="mode"):
        batch_normalization(x, GAMMA, BETA, GAMMA, BETA, mode="other")


def test_mean_and_spread_have_the_rank_of_the_parameters():
    x, names = tensor4("x"), "gamma beta mean var".split()
    image = RANDOM.normal(size=(3, 2, 4, 5))
    for pattern in (None, ("x", 0, "x", "x")):
        short = [vector(name) for name in names]
        given = dict(zip(short, [np.ones(2), np.zeros(2), np.zeros(2), np.ones(2)]))
        own = [p.dimshuffle(*pattern) if pattern else p for p in short]
        gamma, beta, mean, var = own
        results = batch_normalization_train(
            x, gamma, beta, "spatial", running_mean=mean, running_var=var
        )
        got = run(list(results[1:]), {x: image, **given})
        wide = (1, 2, 1, 1) if pattern else (2,)
        want = image.mean((0, 2, 3)).reshape(wide)
        spread = image.var((0, 2, 3)).reshape(wide)
        unbiased = image.var((0, 2, 3), ddof=1).reshape(wide)
        np.testing.assert_allclose(got[0], want, atol=1e-15)
        np.testing.assert_allclose(got[1], 1 / np.sqrt(spread + 1e-4))
        np.testing.assert_allclose(got[2], 0.1 * want, atol=1e-15)
        np.testing.assert_allclose(got[3], 0.9 + 0.1 * unbiased)


def test_parameters_must_fit_each_other():
    x, (gamma, beta, mean, var), _ = variables()
    wide = gamma.dimshuffle("x", 0)
    with pytest.raises(ValueError, match="both running averages"):
        batch_normalization_train(x, gamma, beta, running_mean=mean)
    with pytest.raises(ValueError, match="different ranks"):
        batch_normalization_train(x, wide, beta)
    with pytest.raises(ValueError, match="different ranks"):
        batch_normalization_train(x, wide, wide, running_mean=mean, running_var=var)
    with pytest.raises(ValueError, match="different ranks"):
        batch_normalization_test(x, gamma, beta, mean, wide)
