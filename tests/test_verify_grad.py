"""`verify_grad`: the check of gradients against differences."""

from __future__ import annotations

import numpy as np
import pytest

from symnet.gradient import (
    GradientError,
    grad_scale,
    numeric_grad,
    verify_grad,
)
from symnet.ops import functions as F
from symnet.ops.comparison import eq
from symnet.ops.elementwise import cast, elementwise
from symnet.ops.nnet.activations import softmax
from tests.test_gradient import RANDOM

wrong = elementwise(
    lambda x: x * x,
    lambda g, out, x: (g * x,),
    lambda xp, x: x * x,
    name="test_wrong_square",
)
almost = elementwise(
    lambda x: x * x,
    lambda g, out, x: (g * x * 2.001,),
    lambda xp, x: x * x,
    name="test_almost_square",
)


def test_verify_grad_finds_a_wrong_gradient():
    point = RANDOM.normal(size=(2, 3))
    for function in (wrong, almost, lambda x: wrong(x) + x, lambda x: x * wrong(x)):
        with pytest.raises(GradientError, match="numerically"):
            verify_grad(function, [point])
    assert verify_grad.E_grad is GradientError


def test_verify_grad_finds_a_wrong_element():
    one = elementwise(
        lambda x: x * x,
        lambda g, out, x: (g * x * (2 + 0.01 * cast(eq(x, 3.0), "float64")),),
        lambda xp, x: x * x,
        name="test_wrong_at_3",
    )
    point = np.arange(6.0)
    with pytest.raises(GradientError, match="position 3"):
        verify_grad(one, [point])
    verify_grad(one, [point + 0.5])


def test_verify_grad_finds_nan():
    bad = elementwise(
        lambda x: x * x,
        lambda g, out, x: (g * (x - x) / (x - x),),
        lambda xp, x: x * x,
        name="test_nan_gradient",
    )
    with pytest.raises(GradientError):
        verify_grad(bad, [np.ones(2)])


def test_verify_grad_accepts_what_is_right():
    x = RANDOM.normal(size=(2, 3))
    for dtype in ("float16", "float32", "float64"):
        verify_grad(lambda x: x * x, [x.astype(dtype)])
    verify_grad(lambda x, y: [x * y, x - y], [x, x])
    verify_grad(lambda x: F.exp(x).sum(), [x[:, :1]], rng=np.random.RandomState(1))
    verify_grad(F.exp, [x], eps=1e-4, abs_tol=1e-4, rel_tol=1e-4, n_tests=1)
    verify_grad(lambda x: x**2, [np.zeros((0, 3))])
    verify_grad(lambda x: cast(x, "float64"), [x.astype("float32")])
    with pytest.raises(TypeError, match="float arrays"):
        verify_grad(F.exp, [np.arange(3)])
    with pytest.raises(TypeError, match="list"):
        verify_grad(F.exp, x)


def test_numeric_grad():
    found = numeric_grad(
        lambda a, b: (a * b).sum(), [np.array([1.0, 2.0]), np.array([3.0, 4.0])]
    )
    np.testing.assert_allclose(found.gf[0], [3, 4], rtol=1e-9)
    np.testing.assert_allclose(found.gf[1], [1, 2], rtol=1e-9)
    single = numeric_grad(lambda a: (a**2).sum(), np.array([1.0, 2.0]))
    np.testing.assert_allclose(single.gf, [2, 4], rtol=1e-9)
    assert single.max_err(np.array([2.0, 4.0]), 1e-4, 1e-4)[2] < 1e-8
    where = single.max_err(np.array([2.0, 5.0]), 1e-4, 1e-4)
    assert where[:2] == (0, 1) and abs(where[2] - 1) < 1e-6
    with pytest.raises(ValueError, match="shape"):
        single.max_err(np.ones(3), 1e-4, 1e-4)


def test_verify_grad_of_what_is_finite_in_stable_form_only():
    point, draws = np.array([[1000.0, 0, -2000], [3, 2, 1]]), np.random.default_rng(0)
    verify_grad(lambda x: F.log(softmax(x)), [point], rng=draws, eps=1e-3)
    with pytest.raises(GradientError):
        verify_grad(
            lambda x: F.log(softmax(grad_scale(x, 2))), [point], rng=draws, eps=1e-3
        )
    with pytest.raises(GradientError, match="numerically it is nan"):
        verify_grad(lambda x: F.log(softmax(x)), [point], rng=draws, mode="reference")
