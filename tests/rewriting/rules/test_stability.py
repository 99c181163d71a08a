from __future__ import annotations

import functools
import operator
import warnings
from typing import Any

import mpmath
import numpy as np
import pytest
import scipy.special

import symnet.tensor as T
from symnet.compile.function import function
from symnet.compile.pipeline import rewrite_graph
from symnet.gradient import grad
from symnet.graph.evaluate import evaluate
from symnet.graph.traverse import Graph
from symnet.graph.types import TensorType
from symnet.graph.variables import Variable
from symnet.ops.advanced import AdvancedSubtensor
from symnet.ops.arithmetic import log, neg, reciprocal, sqr, sqrt, switch
from symnet.ops.creation import arange
from symnet.ops.functions import cos, exp, log1p, log2, log10, sigmoid, softplus
from symnet.ops.nnet.activations import LogSoftmax, Softmax, softmax
from symnet.ops.nnet.logsumexp import LogSumExp
from symnet.ops.reduce import max as max_over
from symnet.ops.reduce import sum as sum_over
from symnet.ops.shape import dimshuffle
from symnet.ops.statistics import mean
from symnet.rewriting.patterns import Rule, instantiate
from symnet.rewriting.rules.stability import SCALAR, x
from symnet.rewriting.stable import stable_graph
from tests.rewriting.rules.tools import EXPRESSIONS, check, compare, refuse, simplified

LOGITS = np.array([[1e3, -1e3, 2.0], [3.0, 3.0, 3.0], [-800.0, -801.0, -802.0]])


def tensor(name: str, *sizes: int | None, dtype: str = "float64") -> Any:
    return TensorType(dtype, sizes)(name)


def value(output: Variable, values: dict[Variable, Any]) -> Any:
    (new,) = simplified(output)
    return evaluate([new], values)[0]


# ---- the forms are better, not only other


EXACT = {
    "add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b,
    "true_div": lambda a, b: a / b, "neg": lambda a: -a, "sqr": lambda a: a * a,
    "cos": mpmath.cos, "cosh": mpmath.cosh,
    "sqrt": mpmath.sqrt, "exp": mpmath.exp, "log": mpmath.log, "expm1": mpmath.expm1,
    "log1p": mpmath.log1p, "erf": mpmath.erf, "erfc": mpmath.erfc,
    "sigmoid": lambda a: 1 / (1 + mpmath.exp(-a)),
    "softplus": lambda a: mpmath.log(1 + mpmath.exp(a)),
}  # fmt: skip


def exactly(pattern: Variable, number: float) -> Any:
    """A pattern in 600 digits, x = number."""
    if pattern is x:
        return mpmath.mpf(number)
    if pattern.owner is None:
        return mpmath.mpf(pattern.data.item())  # type: ignore[attr-defined]
    return EXACT[pattern.owner.op.name](
        *(exactly(v, number) for v in pattern.owner.inputs)
    )


POINTS = [
    -700.0,
    -40.0,
    -5.0,
    -0.5,
    -1e-9,
    1e-300,
    1e-9,
    0.25,
    0.5,
    3.0,
    25.0,
    300.0,
    700.0,
]
BELOW_ONE = ("log_of_one_minus",)


@pytest.mark.parametrize("rule", SCALAR, ids=lambda rule: rule.name)
def test_every_form_agrees_with_many_digits(rule: Rule) -> None:
    assert set(EXACT) <= set(EXPRESSIONS)
    assert isinstance(rule.pattern, Variable)
    vector = tensor("v", None)
    left = instantiate(rule.pattern, {x: vector})
    new = value_of_rule(rule, left, vector)
    with mpmath.workdps(700):
        for number, got in zip(POINTS, new, strict=True):
            if number <= 0 and "root" in rule.name or number == 0:
                continue
            if number <= -1 and rule.name == "log_of_one_plus":
                continue
            if number >= 1 and rule.name in BELOW_ONE:
                continue
            want = exactly(rule.pattern, number)
            if abs(want) > 1.7e308:
                assert np.isinf(got)
            else:
                assert abs(float(want) - got) <= 1e-15 * abs(float(want)) * 20 + 1e-320


def value_of_rule(rule: Rule, left: Variable, vector: Variable) -> Any:
    new = check(rule.name, left, {vector: np.zeros(0)})
    with np.errstate(all="ignore"):
        return evaluate([new], {vector: np.array(POINTS)})[0]


# ---- what looks like it, but is not


def test_forms_that_only_resemble_a_sigmoid() -> None:
    v = tensor("v", None)
    points = {v: np.array([-2.0, 0.5, 3.0])}
    for output in (
        1 / (2 + exp(-v)),
        exp(v) / (1 - exp(v)),
        exp(v) / (1 + exp(2 * v)),
        1 / (1 - exp(-v)),
    ):
        compare(value(output, points), evaluate([output], points)[0])
    refuse("log_of_exponentials", log(exp(tensor("z", None, dtype="complex128"))))
    refuse("log_of_one_plus", log(2 + v))


# ---- softmax


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_softmax_written_out(axis: int) -> None:
    t = tensor("t", None, None, None)
    array = np.random.default_rng(0).normal(size=(2, 3, 4))
    powers = exp(t)
    output = powers / powers.sum(axis=axis, keepdims=True)
    assert check("quotient_of_exponentials", output, {t: array}).owner.op == Softmax(
        axis
    )
    (new,) = simplified(exp(t - max_over(t, axis, keepdims=True)) / 1)
    assert not isinstance(new.owner.op, Softmax)
    shifted = exp(t - max_over(t, axis, keepdims=True))
    (new,) = simplified(shifted / shifted.sum(axis=axis, keepdims=True))
    assert new.owner.op == Softmax(axis) and new.owner.inputs == [t]


def test_softmax_of_vectors_and_rows() -> None:
    v, m = tensor("v", None), tensor("m", None, None)
    assert check(
        "quotient_of_exponentials", exp(v) / exp(v).sum(), {v: LOGITS[1]}
    ).owner.op == Softmax(0)
    rows = exp(m) / exp(m).sum(axis=0)
    assert check(
        "quotient_of_exponentials", rows, {m: LOGITS / 500}
    ).owner.op == Softmax(0)
    values = {m: LOGITS / 500}
    for output in (
        exp(m) / exp(m).sum(axis=1),  # a row where a column was meant
        exp(m) / dimshuffle(exp(m).sum(axis=0), 0, "x"),
        exp(m) / exp(2 * m).sum(axis=0),
    ):
        new = check("quotient_of_exponentials", output, values)
        assert not isinstance(new.owner.op, Softmax)
    assert np.all(np.isfinite(value(rows, {m: LOGITS})))


def test_log_of_softmax() -> None:
    m = tensor("m", None, None)
    for output in (
        log(softmax(m)), log(softmax(m).T), log(softmax(m)[1:, 0]), log(softmax(m).flatten()),
        log(softmax(m)[np.array([0, 2]), np.array([1, 1])]), log(softmax(m, axis=0)),
    ):  # fmt: skip
        check("log_of_exponentials", output, {m: LOGITS / 100}, rtol=1e-11)
        assert np.all(np.isfinite(value(output, {m: LOGITS})))
    refuse("log_of_exponentials", log(softmax(m) + 1e-7))


def test_exp_of_logsoftmax() -> None:
    m = tensor("m", None, None)
    new = check("exp_of_logsoftmax", exp(LogSoftmax(1)(m)), {m: LOGITS})
    assert new.owner.op == Softmax(1)


@pytest.mark.parametrize("axis", [0, 1, (0, 1)])
def test_log_of_sum_of_exp(axis: Any) -> None:
    m = tensor("m", None, None)
    output = log(sum_over(exp(m), axis))
    check("log_of_exponentials", output, {m: LOGITS / 100})
    assert np.all(np.isfinite(value(output, {m: LOGITS})))
    infinite = np.array(
        [[np.inf, 1.0], [-np.inf, -np.inf], [np.nan, 0.0], [np.inf, -np.inf]]
    )
    for row in infinite:
        values = {m: np.broadcast_to(row, (2, 2))}
        compare(value(output, values), evaluate([output], values)[0])
    (again,) = simplified(output)
    assert simplified(again) == [again]


def test_gradient_of_log_of_sum_of_exp_is_a_softmax() -> None:
    m = tensor("m", None, None)
    (new,) = simplified(grad(sum_over(log(sum_over(exp(m), 1))), m))
    # But for lines of minus infinity, whose result does not move.
    assert new.owner.op == switch and new.owner.inputs[2].owner.op == Softmax(1)
    weights = tensor("w", None)
    (new,) = simplified(grad(sum_over(weights * log(sum_over(exp(m), 1))), m))
    values = {m: LOGITS / 100, weights: np.array([1.0, 2, 3])}
    slow = evaluate([grad(sum_over(weights * log(sum_over(exp(m), 1))), m)], values)[0]
    compare(evaluate([new], values)[0], slow)
    assert np.all(np.isfinite(evaluate([new], {**values, m: LOGITS})[0]))


# ---- rules that look at how an operand is made


def test_logarithms_of_exponentials() -> None:
    v, w = tensor("v", None), tensor("w", None)
    values = {v: np.array([-3.0, 0.5, 2]), w: np.array([0.5, 2.0, 3.0])}
    for name, output in {
        "log_of_exponentials": log(exp(v) * w / 3),
        "log2_of_exponentials": log2(exp(v) + exp(2 * v)),
        "log10_of_exponentials": log10(sigmoid(v)),
        "log1p_of_exponentials": log1p(exp(v)),
        "log_of_weighted_exponentials": log(sum_over(exp(v) * w)),
        "softmax_of_weighted_exponentials": exp(v) * w / sum_over(exp(v) * w),
        "quotient_of_exponentials": w / (1 + exp(v)) / exp(v),
        "power_of_exponentials": (1 + exp(v)) ** -2,
        "reciprocal_of_exponentials": reciprocal(1 + exp(v)),
        "product_of_exponentials": sigmoid(v) * exp(-v),
        "crossentropy_in_difference": -w * softplus(-v) - (1 - w) * softplus(v),
        "logsoftmax_written_out": v - LogSumExp([0])(v),
        "exp_of_minus_softplus": exp(-softplus(v)),
        "root_of_exponentials": sqrt(exp(v)),
    }.items():
        check(name, output, values, rtol=1e-13)
    refuse("log_of_exponentials", log(w * v))
    refuse("log_of_exponentials", log(v + w))
    refuse("log_of_exponentials", log(exp(v) * v * w))
    refuse("log_of_weighted_exponentials", log(sum_over(v * w)))
    refuse("quotient_of_exponentials", w / (1 + sigmoid(v)))
    refuse("product_of_exponentials", sigmoid(v) * exp(v))
    refuse("logsoftmax_written_out", w - LogSumExp([0])(v))
    refuse("crossentropy_in_difference", -w * softplus(-v) - (2 - w) * softplus(v))


def test_what_shifts_is_not_shifted_again() -> None:
    v, w = tensor("v", None), tensor("w", None)
    for output in (log(sum_over(exp(v) * w)), log(exp(-sqr(v)) * w + exp(v))):
        graph = Graph([v, w], [output])
        found = stable_graph(graph)
        assert found is not graph and stable_graph(found) is found
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            rewrite_graph(graph)


# ---- losses as users write them, with large scores


def test_cross_entropy_of_classes_and_its_gradient() -> None:
    m, y = tensor("m", None, None), tensor("y", None, dtype="int64")
    cost = -mean(log(softmax(m))[arange(y.shape[0]), y])
    values = {m: LOGITS, y: np.array([1, 0, 2])}
    expected = LOGITS.max(1) + np.log(
        np.exp(LOGITS - LOGITS.max(1, keepdims=True)).sum(1)
    )
    loss = (expected - LOGITS[np.arange(3), values[y]]).mean()
    assert abs(value(cost, values) - loss) < 1e-10
    probabilities = np.exp(LOGITS - expected[:, None])
    probabilities[np.arange(3), values[y]] -= 1
    np.testing.assert_allclose(
        value(grad(cost, m), values), probabilities / 3, atol=1e-15
    )


def test_cross_entropy_of_a_sigmoid_and_its_gradient() -> None:
    m, t = tensor("m", None), tensor("t", None)
    p = sigmoid(m)
    scores = np.array([-800.0, -30.0, 0.0, 40.0, 800.0])
    costs = [
        (mean(-t * log(p) - (1 - t) * log(1 - p)), 0.2),
        (sum_over(-(t * log(p) + (1 - t) * log(1 - p))), 1),
        (sum_over(-t * log(p) - (1 - t) * log1p(-p)) * 0.5, 0.5),
    ]
    for target in (0.0, 1.0, 0.3):
        values = {m: scores, t: np.full(5, target)}
        loss = np.maximum(scores, 0) - scores * target + np.log1p(np.exp(-abs(scores)))
        step = 1 / (1 + np.exp(-np.clip(scores, -700, None))) - target
        for cost, factor in costs:
            np.testing.assert_allclose(
                value(cost, values), loss.sum() * factor, rtol=1e-13
            )
            slope = value(grad(cost, m), values)
            np.testing.assert_allclose(slope, step * factor, rtol=1e-12, atol=1e-15)


def test_the_simplified_gradient_of_a_sigmoid_loss_is_short() -> None:
    m, t = tensor("m", None), tensor("t", None)
    p = sigmoid(m)
    (new,) = simplified(grad(sum_over(-t * log(p) - (1 - t) * log(1 - p)), m))
    names = [node.op.name for node in (new.owner, new.owner.inputs[0].owner) if node]
    assert names == ["sub", "sigmoid"]


def test_parts_that_are_no_parts_of_a_softmax() -> None:
    m = tensor("m", None, None)
    part = AdvancedSubtensor((0,), 0)
    refuse("log_of_exponentials", log(part(neg(softmax(m)), np.array([0]))))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rank", [1, 2, 3, 4])
def test_gradient_of_logsumexp_over_each_axis(rank: int, dtype: str) -> None:
    values = np.random.default_rng(0).normal(size=(2, 3, 2, 2)[:rank]).astype(dtype)
    for axis in range(rank):
        x = tensor("x", *[None] * rank, dtype=dtype)
        kept = ["x" if k == axis else k - (k > axis) for k in range(rank)]
        powers = np.exp(values.astype("float64"))
        wanted = powers / powers.sum(axis, keepdims=True)
        for total in (
            sum_over(exp(x), axis, keepdims=True),
            dimshuffle(sum_over(exp(x), axis), *kept),
        ):
            gradient = grad(log(total).sum(), x)
            found = function([x], gradient)(values)
            np.testing.assert_allclose(found, wanted, rtol=20 * np.finfo(dtype).eps)


@pytest.mark.parametrize("count", range(2, 7))
@pytest.mark.parametrize("zero", [False, True])
def test_many_weighted_exponentials_are_shifted_once(count: int, zero: bool) -> None:
    """However long the maximum is that was taken out, it is known again."""
    x = tensor("x", None)
    terms = [exp(x * k) * (cos(x + k) + 1.5) for k in range(1, count + 1)]
    total = functools.reduce(operator.add, terms)
    graph = Graph([x], [log(total + 0.0) if zero else log(total)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = stable_graph(graph)
    assert found is not graph and stable_graph(found) is found
    (new,) = found.outputs
    at = np.array([-200.0, -2.0, 0.5, 200.0])
    wanted = scipy.special.logsumexp(
        [k * at + np.log(np.cos(at + k) + 1.5) for k in range(1, count + 1)],
        axis=0,
    )
    compare(evaluate([new], {found.inputs[0]: at})[0], wanted)


@pytest.mark.parametrize("form", ["distribution", "error functions", "tails", "turned"])
@pytest.mark.parametrize("mode", ["FAST_RUN", "FAST_COMPILE"])
def test_what_a_normal_distribution_has_between_bounds(form: str, mode: str) -> None:
    z = tensor("z", None)
    low, high = (1 - z) / np.sqrt(2), (2 - z) / np.sqrt(2)
    written = {
        "distribution": lambda: 0.5 * (1 + T.erf(high)) - 0.5 * (1 + T.erf(low)),
        "error functions": lambda: (T.erf(high) - T.erf(low)) / 2,
        "tails": lambda: 0.5 * T.erfc(low) - 0.5 * T.erfc(high),
        "turned": lambda: (1 - T.erf(low) / 2) - (1 - T.erf(high) / 2),
    }
    cost = log(written[form]())
    slope = grad(sum_over(cost), z)
    points = np.array([-30.0, -10, 0, 1.5, 10, 30])
    got = function([z], [cost, slope, grad(sum_over(slope), z)], mode=mode)(points)

    def exact(m: Any) -> Any:
        if m < 1.5:
            return mpmath.log(mpmath.ncdf(m - 1) - mpmath.ncdf(m - 2))
        return mpmath.log(mpmath.ncdf(2 - m) - mpmath.ncdf(1 - m))

    with mpmath.workdps(60):
        for order in range(3):
            want = [mpmath.diff(exact, mpmath.mpf(p), order) for p in points.tolist()]
            np.testing.assert_allclose(
                got[order], np.array(want, float), rtol=1e-9, atol=1e-12
            )
