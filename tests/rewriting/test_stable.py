"""Stable forms as users write them by hand: values, first and second derivatives."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import mpmath
import numpy as np
import pytest
import scipy.special

import symnet
import symnet.tensor as T
from symnet.compile.modes import Mode
from symnet.config import config
from symnet.errors import DisconnectedInputError
from symnet.graph.traverse import Graph, ancestors
from symnet.rewriting.stable import stable_graph

MODES = ["FAST_RUN", "FAST_COMPILE", Mode(optimizer=None)]
# The same numbers in float32.
POINTS = [0, 0.25, 1, 12.5, 50, 100, 800, 1e4, 2.0**-27]
POINTS += [-x for x in POINTS if x]
ROOT = float(np.sqrt(2))

exp, log = mpmath.exp, mpmath.log


def sigmoid(x: Any) -> Any:
    return 1 / (1 + exp(-x))


def softplus(x: Any) -> Any:
    return log(1 + exp(x))


def normal(x: Any) -> Any:
    return mpmath.erfc(-x / mpmath.mpf(ROOT)) / 2


def p(x: Any) -> Any:
    return 1 / (1 + T.exp(-x))


# Each as it is written, and in many digits.
FORMS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "sigmoid": (p, sigmoid),
    "sigmoid as a power": (lambda x: (1 + T.exp(-x)) ** -1, sigmoid),
    "sigmoid as a reciprocal": (lambda x: T.inv(1.0 + T.exp(-x)), sigmoid),
    "sigmoid, exp above": (lambda x: T.exp(x) / (1 + T.exp(x)), sigmoid),
    "sigmoid of -x": (lambda x: T.exp(-x) / (1 + T.exp(-x)), lambda x: sigmoid(-x)),
    "1 - sigmoid": (lambda x: 1 - p(x), lambda x: sigmoid(-x)),
    "share": (lambda x: T.exp(-x) / (T.exp(-x) + T.exp(-2 * x)), sigmoid),
    "no sigmoid": (lambda x: 3 / (2 + T.exp(-x)), lambda x: 3 / (2 + exp(-x))),
    "guarded": (lambda x: T.exp(x) / (T.exp(x) + 0.125),
                lambda x: 1 / (1 + exp(-x) / 8)),
    "density": (lambda x: T.exp(-x) / (1 + T.exp(-x)) ** 2,
                lambda x: sigmoid(x) * sigmoid(-x)),
    "swish": (lambda x: x / (1 + T.exp(-x)), lambda x: x * sigmoid(x)),
    "either side": (lambda x: T.switch(x > 0, p(x), T.exp(x) / (1 + T.exp(x))), sigmoid),
    "tanh": (lambda x: (T.exp(x) - T.exp(-x)) / (T.exp(x) + T.exp(-x)), mpmath.tanh),
    "tanh of 2 x": (lambda x: (T.exp(2 * x) - 1) / (T.exp(2 * x) + 1), mpmath.tanh),
    "tanh of -2 x": (lambda x: (1 - T.exp(-2 * x)) / (1 + T.exp(-2 * x)), mpmath.tanh),
    "sech": (lambda x: 2 / (T.exp(x) + T.exp(-x)), lambda x: 1 / mpmath.cosh(x)),
    "1 / cosh": (lambda x: 1 / T.cosh(x), lambda x: 1 / mpmath.cosh(x)),
    "1 / exp": (lambda x: 1 / T.exp(x), lambda x: exp(-x)),
    "ratio": (lambda x: T.exp(2 * x) / T.exp(x), exp),
    "root": (lambda x: T.sqrt(T.exp(x)), lambda x: exp(x / 2)),
    "sigmoid by exp": (lambda x: T.nnet.sigmoid(x) * T.exp(-x), lambda x: sigmoid(-x)),
    "bose": (lambda x: 1 / (T.exp(x) - 1), lambda x: 1 / mpmath.expm1(x)),
    "bose above": (lambda x: T.exp(x) / (1 - T.exp(x)), lambda x: 1 / mpmath.expm1(-x)),
    "log sigmoid": (lambda x: T.log(p(x)), lambda x: -softplus(-x)),
    "-log(1 - sigmoid)": (lambda x: -T.log(1 - p(x)), softplus),
    "log1p(-sigmoid)": (lambda x: T.log1p(-p(x)), lambda x: -softplus(x)),
    "logit": (lambda x: T.log(p(x) / (1 - p(x))), lambda x: x),
    "softplus": (lambda x: T.log(1 + T.exp(x)), softplus),
    "softplus, log1p": (lambda x: T.log1p(T.exp(x)), softplus),
    "log of a constant and exp": (lambda x: T.log(3 + T.exp(x)), lambda x: log(3 + exp(x))),
    "log of a value and exp": (lambda x: T.log(x**2 + T.exp(x)),
                               lambda x: log(x * x + exp(x))),
    "logaddexp": (lambda x: T.log(T.exp(x) + T.exp(2 * x)),
                  lambda x: log(exp(x) + exp(2 * x))),
    "three terms": (lambda x: T.log(T.exp(x) + 2 * T.exp(2 * x) + 0.5 * T.exp(-x)),
                    lambda x: log(exp(x) + 2 * exp(2 * x) + exp(-x) / 2)),
    "mixture": (lambda x: T.log(T.exp(-((x / 2) ** 2)) / 2 + T.exp(-((x - 5) ** 2))),
                lambda x: log(exp(-x * x / 4) / 2 + exp(-((x - 5) ** 2)))),
    "weighted": (lambda x: T.log(x**2 * T.exp(x) + T.exp(-x)),
                 lambda x: log(x * x * exp(x) + exp(-x))),
    "log cosh": (lambda x: T.log(T.cosh(x)), lambda x: log(mpmath.cosh(x))),
    "log2": (lambda x: T.log2(p(x)), lambda x: -softplus(-x) / log(2)),
    "log10": (lambda x: T.log10(1 + T.exp(x)), lambda x: softplus(x) / log(10)),
    "log of a square": (lambda x: T.log(T.exp(x) ** 2), lambda x: 2 * x),
    "log erfc": (lambda x: T.log(T.erfc(x)), lambda x: log(mpmath.erfc(x))),
    "log(1 - erf)": (lambda x: T.log(1 - T.erf(x)), lambda x: log(mpmath.erfc(x))),
    "log normal": (lambda x: T.log(0.5 * (1 + T.erf(x / ROOT))), lambda x: log(normal(x))),
    "log normal, sum": (lambda x: T.log(0.5 + 0.5 * T.erf(x / ROOT)),
                        lambda x: log(normal(x))),
    "log of the tail": (lambda x: T.log(1 - 0.5 * (1 + T.erf(x / ROOT))),
                        lambda x: log(normal(-x))),
    "log(1 - exp(-x))": (lambda x: T.log(1 - T.exp(-x)), lambda x: log(-mpmath.expm1(-x))),
    "log1p(-exp(-x))": (lambda x: T.log1p(-T.exp(-x)), lambda x: log(-mpmath.expm1(-x))),
    "log(exp(x) - 1)": (lambda x: T.log(T.exp(x) - 1), lambda x: log(mpmath.expm1(x))),
    "reshaped": (lambda x: T.log(p(x).reshape((-1, 1)).flatten()), lambda x: -softplus(-x)),
    "concatenated": (lambda x: T.log(T.concatenate([1 - p(x), p(x)]))[: x.shape[0]],
                     lambda x: -softplus(x)),
    "stacked": (lambda x: T.log(T.stack([p(x), 1 - p(x)], axis=1))[:, 1],
                lambda x: -softplus(x)),
    "chosen, one and a negative": (
        lambda x: T.log(T.switch(T.gt(x, 1e30), p(x), 1 + (-p(x)))), lambda x: -softplus(x)),
    "ones_like": (lambda x: T.log(T.ones_like(x) - p(x)), lambda x: -softplus(x)),
    "an array of ones": (lambda x: T.log(T.ones(x.shape, x.dtype) - p(x)),
                         lambda x: -softplus(x)),
    "cross-entropy": (lambda x: T.nnet.binary_crossentropy(p(x), 0.25),
                      lambda x: softplus(x) * 3 / 4 + softplus(-x) / 4),
    "plain log": (lambda x: T.log(T.nnet.sigmoid(x) + 1e-3),
                  lambda x: log(sigmoid(x) + mpmath.mpf(1e-3))),
}  # fmt: skip
POSITIVE = ("log(1 - exp(-x))", "log1p(-exp(-x))", "log(exp(x) - 1)")
POLES = ("bose", "bose above")


@pytest.mark.parametrize("name", FORMS)
def test_forms_written_by_hand(name: str) -> None:
    written, _ = FORMS[name]
    points = [
        x
        for x in POINTS
        if (x > 0 or name not in POSITIVE) and (x or name not in POLES)
    ]
    for dtype in ("float32", "float64"):
        x = T.vector(dtype=dtype)
        first = symnet.grad(written(x).sum(), x)
        outputs = [written(x), first, symnet.grad(first.sum(), x)]
        array = np.array(points, dtype)
        for mode in MODES:
            results = symnet.function([x], outputs, mode=mode)(array)
            for order, got in enumerate(results):
                compare(name, got, array, order)


def compare(name: str, got: Any, points: Any, order: int) -> None:
    """As near as the last bit of x, and of the parts that cancel in a derivative."""
    limits = np.finfo(points.dtype)
    for value, point in zip(got, points, strict=True):
        want = wanted(name, float(point), order)
        if abs(want) < float(limits.max):
            allowed = (30 + 4 * abs(point)) * abs(want) + (30 if order else 4)
            error = abs(float(value) - want)
            assert error <= limits.eps * allowed, (order, point, value, want)


@cache
def wanted(name: str, point: float, order: int) -> float:
    """The derivative of a form in many digits."""
    exact = FORMS[name][1]
    with mpmath.workdps(110):
        step = mpmath.mpf(10) ** -40
        return float(mpmath.diff(exact, mpmath.mpf(point), order, h=step))


# ---- what the caller names


@pytest.mark.parametrize("mode", MODES, ids=str)
def test_variables_in_between_stay_where_they_are(mode: Any) -> None:
    z = T.dvector("z")
    p_1 = 1 / (1 + T.exp(-z))
    cost = -T.log(p_1).sum()
    by_p, by_z = symnet.grad(cost, [p_1, z])
    assert p_1 in ancestors([by_p])
    points = np.array([1.0, -3, 30])
    found = symnet.function([z], [by_p, by_z], mode=mode)(points)
    np.testing.assert_allclose(found[0], -1 - np.exp(-points), rtol=1e-14)
    np.testing.assert_allclose(
        found[1], -scipy.special.expit(-points), rtol=1e-12, atol=1e-15
    )
    far = np.array([-900.0, 0, 900])
    given = symnet.grad(None, z, known_grads={p_1: T.ones_like(p_1)})
    stopped = symnet.grad(
        cost + z.sum(), z, consider_constant=[p_1], disconnected_inputs="ignore"
    )
    found = symnet.function([z], [given, stopped], mode=mode)(far)
    np.testing.assert_allclose(found[0], [0, 0.25, 0], atol=1e-15)
    np.testing.assert_array_equal(found[1], 1)


def test_parts_of_a_graph() -> None:
    z = T.dvector("z")
    p_1 = 1 / (1 + T.exp(-z))
    of_p, by_p = symnet.gradient.subgraph_grad([p_1], [p_1], cost=(p_1**2).sum())
    of_z, _ = symnet.gradient.subgraph_grad([z], [z], start={p_1: by_p[0]})
    far = np.array([-900.0, 0, 900])
    value, found = symnet.function([z], [of_p[0], of_z[0]])(far)
    np.testing.assert_allclose(value, [0, 1, 2], atol=1e-15)
    np.testing.assert_allclose(found, [0, 0.25, 0], atol=1e-15)


@pytest.mark.parametrize("mode", MODES, ids=str)
def test_products_with_jacobians(mode: Any) -> None:
    z, u = T.dvector("z"), T.dvector("u")
    y = T.log(1 + T.exp(z))
    total = T.log(T.exp(z).sum())
    outputs = [
        T.Rop(y, z, u), T.Lop(y, z, u), T.jacobian(y, z), T.hessian(total, z)
    ]  # fmt: skip
    points, ones = np.array([-900.0, 0, 900]), np.ones(3)
    found = symnet.function([z, u], outputs, mode=mode)(points, ones)
    slope = scipy.special.expit(points)
    for got, want in zip(found, [slope, slope, np.diag(slope)]):
        np.testing.assert_allclose(got, want, atol=1e-15)
    q = scipy.special.softmax(points)
    np.testing.assert_allclose(found[3], np.diag(q) - np.outer(q, q), atol=1e-15)


@pytest.mark.parametrize("mode", MODES, ids=str)
def test_inside_of_loops_and_conditions(mode: Any) -> None:
    x, flag = T.dvector("x"), T.iscalar("flag")

    def step(element: Any, cost: Any) -> Any:
        return cost - T.log(1 - 1 / (1 + T.exp(-element)))

    costs, _ = symnet.scan(
        step, sequences=[x], outputs_info=[T.constant(0.0, dtype="float64")]
    )
    loop = costs[-1]
    choice = symnet.ifelse.ifelse(
        flag, T.log(1 + T.exp(x)).sum(), T.log(T.exp(x).sum())
    )
    first = symnet.grad(loop, x)
    f = symnet.function(
        [x, flag],
        [loop, first, T.jacobian(first, x), choice, symnet.grad(choice, x)],
        mode=mode,
    )
    points = np.array([-800.0, 1, 800, 50])
    slope = scipy.special.expit(points)
    value, by_x, curvature, chosen, by_choice = f(points, 1)
    np.testing.assert_allclose(value, np.logaddexp(0, points).sum())
    np.testing.assert_allclose(by_x, slope, atol=1e-15)
    np.testing.assert_allclose(curvature, np.diag(slope * (1 - slope)), atol=1e-15)
    np.testing.assert_allclose(chosen, np.logaddexp(0, points).sum())
    np.testing.assert_allclose(by_choice, slope, atol=1e-15)
    *_, chosen, by_choice = f(points, 0)
    np.testing.assert_allclose(chosen, 800)
    np.testing.assert_allclose(by_choice, scipy.special.softmax(points), atol=1e-15)


def test_what_is_not_connected_is_told_of_the_graph_as_written() -> None:
    x, y = T.dvector("x"), T.dvector("y")
    cost = T.log(1 + T.exp(T.round(x))).sum()
    with pytest.raises(DisconnectedInputError, match="does not depend on y"):
        symnet.grad(cost, y)
    stopped = T.log(1 + T.exp(symnet.gradient.disconnected_grad(x))).sum()
    with pytest.raises(
        DisconnectedInputError, match="through DisconnectedGrad"
    ) as raised:
        symnet.grad(stopped, x)
    assert "log" in str(raised.value) and "softplus" not in str(raised.value)


def test_samples_flow_through_stable_forms() -> None:
    with config.change_flags(compute_test_value="raise"):
        x = T.dvector("x")
        x.tag.test_value = np.array([1.0, 800.0])
        gradient = symnet.grad(T.log(1 + T.exp(x)).sum(), x)
    want = scipy.special.expit([1.0, 800.0])
    np.testing.assert_allclose(gradient.tag.test_value, want)


def test_operations_keep_the_line_of_those_they_replace() -> None:
    x = T.dvector("x")
    cost = T.log(1 + T.exp(x)).sum()
    gradient = symnet.grad(cost, x)
    origins = {v.owner.origin for v in ancestors([gradient]) if v.owner is not None}
    assert {origin.line for origin in origins if origin} == {cost.origin.line}


# ---- what changes, and what does not


def test_a_graph_without_such_forms_is_left_as_it_is() -> None:
    x = T.dvector("x")
    for y in (
        T.sin(x) * 2,
        T.exp(x) + 1,
        T.nnet.sigmoid(x),
        T.log(x),
        T.exp(x) * T.exp(x),
    ):
        graph = Graph([x], [y])
        assert stable_graph(graph) is graph


def test_what_does_not_change_is_the_same_variable() -> None:
    x = T.dvector("x")
    shared_part, again = T.sin(x) + 1, T.sin(x) + 1
    y = T.log(1 + T.exp(shared_part)) * again
    (found,) = stable_graph(Graph([x], [y])).outputs
    assert shared_part in ancestors([found])


def test_forms_that_are_fine_as_they_are_written_stay() -> None:
    x, w = T.dmatrix(), T.dmatrix()
    m = x.max(axis=1, keepdims=True)
    for y in (
        T.log(T.nnet.softmax(x) + 1e-7), T.log(x**2 + 1), T.log(T.dot(x, w)),
        T.log(T.clip(T.nnet.sigmoid(x), 1e-7, 1 - 1e-7)), x / x.sum(axis=1, keepdims=True),
        m + T.log(T.exp(x - m).sum(axis=1, keepdims=True)),
    ):  # fmt: skip
        (found,) = stable_graph(Graph([x, w], [y])).outputs
        names = {str(v.owner.op) for v in ancestors([found]) if v.owner is not None}
        assert not any("LogSumExp" in name or "Softmax{" in name for name in names - {
            "Softmax{axis=1}"}), names  # fmt: skip
    z = T.zvector()
    graph = Graph([z], [T.log(T.exp(z)), T.exp(z) / (1 + T.exp(z))])
    assert stable_graph(graph) is graph


def test_ones_that_stretch_keep_their_shape() -> None:
    x = T.dmatrix("x")
    for ones in (np.ones((3, 1)), T.ones((3, 1))):
        y = T.log(ones - p(T.addbroadcast(x, 0)))
        value, slope = symnet.function([x], [y, symnet.grad(y.sum(), x)])(
            [[40.0, 100.0]]
        )
        np.testing.assert_allclose(value, [[-40.0, -100.0]] * 3)
        np.testing.assert_allclose(slope, [[-3.0, -3.0]])


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_one_less_a_cosine_keeps_its_digits(dtype: str, sign: int) -> None:
    """(1 - cos(x)) / x**2, as of rotations, is 1/2 - x**2 / 24 near zero."""
    x = T.vector("x", dtype=dtype)
    value = np.array([1e-9, 1e-6, 1e-3, 0.03], dtype)
    for mode in ("FAST_RUN", "FAST_COMPILE"):
        for function, even in ((T.cos, -1), (T.cosh, 1)):
            y = sign * (1 - function(x) if sign > 0 else function(x) - 1) / x**2
            f = symnet.function(
                [x], [y, symnet.grad((1 - function(x)).sum(), x)], mode=mode
            )
            got, slope = f(value)
            want = -even * (0.5 + even * value**2 / 24)
            near = 1e-5 if dtype == "float32" else 1e-8
            np.testing.assert_allclose(got, want, rtol=near)
            exact = np.sin(value) if even < 0 else -np.sinh(value)
            np.testing.assert_allclose(slope, exact, rtol=near)
