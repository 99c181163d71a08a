from __future__ import annotations

from typing import Any

import numpy as np

from symnet.graph.types import TensorType
from symnet.ops.arithmetic import neg
from symnet.ops.functions import cosh, exp, sigmoid, softplus
from symnet.ops.nnet.activations import softmax
from symnet.rewriting.rules.cancel import factors_of, is_positive, terms_of
from tests.rewriting.rules.tools import apply, check, refuse


def vector(name: str) -> Any:
    return TensorType("float64", (None,))(name)


a, b, x = vector("a"), vector("b"), vector("x")
VALUES = {
    a: np.array([1.0, -2, 3]),
    b: np.array([0.5, 7, -1]),
    x: np.array([-1.0, 0.3, 2]),
}


def test_what_is_positive() -> None:
    for positive in (sigmoid(x), exp(x), softplus(x), cosh(x), 1 - sigmoid(x)):
        assert is_positive(positive)
    for other in (x, neg(sigmoid(x)), 1 - exp(x), 2 - sigmoid(x), sigmoid(x) - 1):
        assert not is_positive(other)
    assert is_positive(softmax(TensorType("float64", (None, None))("m")))


def test_factors_and_terms() -> None:
    product = factors_of(-a * b / (x * b) / (a / x))
    assert (
        product.sign == -1
        and product.above == [a, b, x]
        and set(product.below) == {x, b, a}
    )
    signs = [(term.sign, term.above) for term in terms_of(a - (b - x * a))]
    assert signs == [(1, [a]), (-1, [b]), (1, [x, a])]
    deep = a
    for _ in range(500):
        deep = deep * b
    assert len(factors_of(deep).above) < 20


def test_positive_factors_cancel() -> None:
    for s in (sigmoid(x), exp(x), 1 - sigmoid(x)):
        for output in ((a / s) * s, s * (a / s), (a / s * b) * s, -(a / s) * (s * b)):
            new = check("cancel_in_product", output, VALUES)
            assert not factors_of(new).below
        check("cancel_in_quotient", (a * s) / s, VALUES)
        check("cancel_in_quotient", (a * s) / (s * b), VALUES)
        assert apply("cancel_in_quotient", s / s)[1]


def test_what_may_be_zero_does_not_cancel() -> None:
    for name, output in (
        ("cancel_in_product", (a / b) * b),
        ("cancel_in_quotient", b / b),
    ):
        refuse(name, output)
    refuse("cancel_in_product", (a / sigmoid(x)) * sigmoid(a))


def test_sums_are_multiplied_out_only_where_all_terms_cancel() -> None:
    s, r = sigmoid(x), 1 - sigmoid(x)
    check("cancel_in_product", (a / s - b) * s, VALUES)
    check("cancel_in_product", (a / s + b / r) * s * r, VALUES)
    check("cancel_in_product", ((-a / s + b / r) / 3.0) * s * r, VALUES)
    _, count = apply("cancel_in_product", (a / s + b / r) * s)
    assert count == 0
    refuse("cancel_in_product", (a + b) * s)


def test_zero_over_zero_is_gone() -> None:
    far = {**VALUES, x: np.array([-800.0, 800.0, -1000])}
    s = sigmoid(x)
    check("cancel_in_product", (a / s) * s, far, better=True)
    check("cancel_in_product", (a / s + b / (1 - s)) * s * (1 - s), far, better=True)


def test_target_rules() -> None:
    s, z = sigmoid(x), vector("z")
    values = {**VALUES, z: np.array([2.0, 3, 4])}
    check("sigmoid_against_target", a * (1 - s) + (a - 1) * s, VALUES, rtol=1e-13)
    check(
        "sigmoid_against_target_divided",
        a * (1 - s) / z + (a - 1) * s / z,
        values,
        rtol=1e-13,
    )
    check(
        "sigmoid_against_target_scaled",
        a * (1 - s) * z + (a - 1) * s * z,
        values,
        rtol=1e-13,
    )
    refuse("sigmoid_against_target", a * (1 - b) + (a - 1) * b)


def test_cross_entropy_of_a_sigmoid() -> None:
    scores = np.array([-np.inf, np.inf, np.nan, -800, -1e-9, 0, 0.5, 30, 800])
    for target in (0, 1, 0.25, -1, 3):
        values = {x: scores, a: np.full(len(scores), target)}
        output = softplus(-x) * a + softplus(x) * (1 - a)
        check("crossentropy_of_sigmoid", output, values, rtol=1e-13)
        check(
            "crossentropy_of_sigmoid", (1 - a) * softplus(x) + a * softplus(-x), values
        )
