"""Gradients of guarded expressions: what was not chosen contributes nothing.

Every form is judged by a closed form of its gradient, written in NumPy; second derivatives
by differences of that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet.graph.traverse import toposort
from symnet.graph.variables import Variable
from symnet.ifelse import ifelse

Form = Callable[[Any], Any]
MODES = ("FAST_RUN", "FAST_COMPILE", "DebugMode")

V = np.array([0.0, -1.0, 4.0])
M = np.array([[1.0, 2.0, 0.0], [0.0, 0.0, 0.0]])


def chosen(condition: Any, value: Callable[[Any], Any], otherwise: Any) -> Any:
    """NumPy's value where the condition holds; it is asked for nothing elsewhere."""
    result = np.broadcast_to(np.asarray(otherwise, "float64"), condition.shape).copy()
    result[condition] = value(condition)
    return result


def where_positive(f: Form, otherwise: Any = 0.0) -> Form:
    return lambda v: chosen(v > 0, lambda where: f(v[where]), otherwise)


def where_nonzero(f: Form, otherwise: Any = 0.0) -> Form:
    return lambda v: chosen(v != 0, lambda where: f(v[where]), otherwise)


def half_root(v: Any) -> Any:
    with np.errstate(divide="ignore"):
        return 0.5 / np.sqrt(v)


root = where_positive(half_root)


def shared_root(x: Any) -> Any:
    s = T.sqrt(x)
    return T.switch(x > 0, s, 0) + T.switch(x > 1, s * s, 0)


def opposite(x: Any) -> Any:
    s = T.sqrt(x)
    return T.switch(x > 0, s, x) * T.switch(x <= 0, 1, s)


def nested(x: Any) -> Any:
    yes = T.switch(x > 2, T.log(x - 2), T.sqrt(x))
    return T.switch(x > 0, yes, T.switch(x < -2, T.sqrt(-x - 2), x))


def halves(x: Any) -> Any:
    a, b = T.split(T.sqrt(x), [1, 2], 2)
    return T.switch(a > 0, a, 0).sum() + T.switch(b > 0, b, 0).sum()


def without_nan(x: Any) -> Any:
    y = T.log(x - 1)
    return T.set_subtensor(y[T.isnan(y).nonzero()], 0)


# name: (expression of a vector, its gradient)
VECTORS: dict[str, tuple[Form, Form]] = {
    "first branch": (lambda x: T.switch(x > 0, T.sqrt(x), 0), root),
    "second branch": (lambda x: T.where(x <= 0, 0.0, T.sqrt(x)), root),
    "log": (lambda x: T.switch(x > 0, T.log(x), x), where_positive(lambda v: 1 / v, 1)),
    "x log x": (
        lambda x: T.where(x > 0, x * T.log(x), 0),
        where_positive(lambda v: np.log(v) + 1),
    ),
    "quotient": (
        lambda x: T.switch(T.eq(x, 0), 0, 1 / x),
        where_nonzero(lambda v: -1 / v**2),
    ),
    "power": (
        lambda x: T.switch(x > 0, x**0.3, 1),
        where_positive(lambda v: 0.3 * v**-0.7),
    ),
    "power of itself": (
        lambda x: T.switch(x > 0, x**x, 1),
        where_positive(lambda v: v**v * (np.log(v) + 1)),
    ),
    "chain": (
        lambda x: T.switch(x > 0, T.exp(-1 / x), 0),
        where_positive(lambda v: np.exp(-1 / v) / v**2),
    ),
    "chain of a root": (
        lambda x: T.switch(x > 0, T.tanh(2 * T.sqrt(x) + 1), 2 * x),
        where_positive(
            lambda v: 2 * (1 - np.tanh(2 * np.sqrt(v) + 1) ** 2) * half_root(v), 2
        ),
    ),
    "nested": (
        nested,
        lambda v: np.where(v > 2, 1 / (v - 2), np.where(v > 0, half_root(abs(v)), 1)),
    ),
    "one expression twice": (shared_root, where_positive(lambda v: half_root(v) + 1)),
    "opposite conditions": (opposite, lambda v: np.ones_like(v)),
    "sine of x by x": (
        lambda x: T.switch(T.eq(x, 0), 1.0, T.sin(x) / x),
        where_nonzero(lambda v: (np.cos(v) - np.sin(v) / v) / v),
    ),
    "overflow": (
        lambda x: T.switch(x > 3, x, T.exp(300 * x)),
        lambda v: np.where(v > 3, 1, 300 * np.exp(300 * np.minimum(v, 0))),
    ),
    "function of a sum": (
        lambda x: T.exp(-T.switch(x > 0, T.sqrt(x), 0).sum()) * x,
        lambda v: np.exp(-np.sqrt(v[2])) * (1 - v.sum() * root(v)),
    ),
    "maximum": (
        lambda x: T.maximum(T.sqrt(abs(x)), 0.5),
        where_nonzero(lambda v: np.sign(v) * half_root(abs(v))),
    ),
    "clip": (
        lambda x: T.clip(T.sqrt(abs(x)), 0.5, 10),
        where_nonzero(lambda v: np.sign(v) * half_root(abs(v))),
    ),
    "maximum over an axis": (
        lambda x: T.sqrt(abs(x)).max(),
        lambda v: np.array([0, 0, half_root(v[2])]),
    ),
    "set_subtensor": (lambda x: T.set_subtensor(T.sqrt(x)[:2], 0), root),
    "NaN written over": (
        without_nan,
        lambda v: chosen(v > 1, lambda where: 1 / (v[where] - 1), 0),
    ),
    "slice": (lambda x: T.switch((x > 0)[1:], T.sqrt(x)[1:], 0), root),
    "index array": (lambda x: T.switch((x > 0)[[2, 0]], T.sqrt(x)[[2, 0]], 0), root),
    "reversed": (lambda x: T.switch((x > 0)[::-1], T.sqrt(x)[::-1], 0), root),
    "joined": (
        lambda x: T.switch(
            T.concatenate([x, x]) > 0, T.concatenate([T.sqrt(x), T.log(x)]), 0
        ),
        where_positive(lambda v: half_root(v) + 1 / v),
    ),
    "stacked": (
        lambda x: T.switch(T.stack([x, x]) > 0, T.stack([T.sqrt(x), T.log(x)]), 0),
        where_positive(lambda v: half_root(v) + 1 / v),
    ),
    "split": (halves, root),
    "reshaped": (
        lambda x: T.switch((x > 0).reshape((3, 1)), T.sqrt(x).reshape((3, 1)), 0),
        root,
    ),
    "repeated": (
        lambda x: T.switch(T.repeat(x, 2) > 0, T.repeat(T.sqrt(x), 2), 0),
        lambda v: 2 * root(v),
    ),
    "diagonal": (lambda x: T.switch(T.eye(3) * x > 0, T.diag(T.sqrt(x)), 0), root),
    "running sum": (
        lambda x: T.switch(T.arange(3) > 5, T.cumsum(T.sqrt(x)), x),
        lambda v: np.ones_like(v),
    ),
    "one condition for all": (
        lambda x: T.switch(x.sum() > 100, T.dot(T.sqrt(x), np.ones((3, 2))), 1.0),
        lambda v: 0 * v,
    ),
    "condition of a sum": (
        lambda x: T.switch(T.all(x > 0), T.log(x).sum(), x.sum()),
        lambda v: np.ones_like(v),
    ),
    "product with a constant": (
        lambda x: T.dot(T.switch(x > 0, T.sqrt(x), 0), np.array([1.0, 2, 3])),
        lambda v: root(v) * np.array([1, 2, 3]),
    ),
    "ifelse": (
        lambda x: ifelse(T.gt(x.sum(), 0), T.switch(x > 0, T.sqrt(x), 0), x),
        root,
    ),
    "softmax": (
        lambda x: T.switch(x > 5, T.nnet.softmax(T.log(x).dimshuffle(0, "x"))[:, 0], x),
        lambda v: np.ones_like(v),
    ),
    "complex modulus": (
        lambda x: T.switch(T.eq(x, 0), 0, abs(T.complex(x, x))),
        where_nonzero(lambda v: np.sqrt(2) * np.sign(v)),
    ),
}


def directional(f: Form, x: Any) -> tuple[Variable, Variable, Any]:
    """The gradient of the sum of f(x), and of its product with fixed numbers."""
    weights = np.linspace(1, 2, 3)
    gradient = T.grad(f(x).sum(), x)
    cost = (gradient * weights).sum()
    return gradient, T.grad(cost, x, disconnected_inputs="ignore"), weights


def differences(wanted: Form, v: Any, weights: Any) -> Any:
    step = 1e-5
    moved = [(wanted(v + step * e) - wanted(v - step * e)) @ weights for e in np.eye(3)]
    return np.array(moved) / (2 * step)


@pytest.mark.parametrize("name", VECTORS)
def test_gradient_of_what_was_chosen(name: str) -> None:
    f, wanted = VECTORS[name]
    x = T.dvector("x")
    gradient, second, weights = directional(f, x)
    with np.errstate(all="ignore"):
        first, slopes = wanted(V), differences(wanted, V, weights)
    ordinary = V != 0  # the others are where the condition changes
    for mode in MODES[:2]:
        found, again = symnet.function([x], [gradient, second], mode=mode)(V)
        np.testing.assert_allclose(found, first, rtol=1e-9, atol=1e-12)
        assert np.isfinite(again).all()
        np.testing.assert_allclose(
            again[ordinary], slopes[ordinary], rtol=1e-4, atol=1e-6
        )


@pytest.mark.parametrize("name", ["first branch", "nested", "stacked", "maximum"])
def test_jacobian_hessian_and_products(name: str) -> None:
    f, wanted = VECTORS[name]
    x = T.dvector("x")
    y, point = f(x), np.array([1.0, 2.0, 3.0])
    rows = [
        T.jacobian(y.flatten(), x).sum(axis=0),
        T.Rop(y.sum(), x, point),
        T.hessian(y.sum(), x),
    ]
    for mode in MODES:
        jacobian, pushed, hessian = symnet.function([x], rows, mode=mode)(V)
        np.testing.assert_allclose(jacobian, wanted(V), rtol=1e-9)
        np.testing.assert_allclose(pushed, wanted(V) @ point, rtol=1e-9)
        assert np.isfinite(hessian).all()


def unit_rows(v: Any) -> Any:
    """The gradient of the sum of v / |v|, for each row that is not zero."""
    norm = np.sqrt((v**2).sum(axis=1, keepdims=True))
    safe = np.where(norm > 0, norm, 1)
    return np.where(norm > 0, 1 / safe - v * v.sum(1, keepdims=True) / safe**3, 0)


def length(x: Any, keepdims: bool = True) -> Any:
    return T.sqrt((x**2).sum(axis=1, keepdims=keepdims))


def column(x: Any) -> Any:
    return x.dimshuffle(0, "x")


MATRICES: dict[str, tuple[Form, Form]] = {
    "condition a column": (
        lambda x: T.switch(length(x) > 0, x / length(x), 0),
        unit_rows,
    ),
    "condition a vector": (
        lambda x: T.switch(
            column(length(x, False) > 0), x / column(length(x, False)), 0
        ),
        unit_rows,
    ),
    "condition in full": (
        lambda x: T.switch(T.second(x, length(x)) > 0, x / length(x), 0),
        unit_rows,
    ),
    "bounded norm": (
        lambda x: x / T.maximum(length(x), 1e-3),
        lambda v: np.where(abs(v).sum(1, keepdims=True) > 0, unit_rows(v), 1e3),
    ),
    "mean": (
        lambda x: T.switch(x.sum(1) > 0, T.sqrt(x.mean(1)), 0),
        lambda v: np.outer([half_root(v[0].mean()) / 3, 0], np.ones(3)),
    ),
    "rows of a product": (
        lambda x: T.switch(
            column(x.sum(1) > 0), T.dot(T.log(x + column(x.sum(1))), np.ones((3, 2))), 0
        ),
        lambda v: np.stack([2 / (v[0] + 3) + (2 / (v[0] + 3)).sum(), np.zeros(3)]),
    ),
    "product with a vector": (
        lambda x: T.switch(
            x.sum(1) > 0, T.dot(T.log(x + column(x.sum(1))), np.ones(3)), 0
        ),
        lambda v: np.stack([1 / (v[0] + 3) + (1 / (v[0] + 3)).sum(), np.zeros(3)]),
    ),
    "batch of products": (
        lambda x: T.switch(
            (x.sum(1) > 0).dimshuffle(0, "x", "x"),
            T.batched_dot(
                T.log(x + column(x.sum(1))).dimshuffle(0, "x", 1), np.ones((2, 3, 2))
            ),
            0,
        ),
        lambda v: np.stack([2 / (v[0] + 3) + (2 / (v[0] + 3)).sum(), np.zeros(3)]),
    ),
    "transposed": (
        lambda x: T.switch(x.T > 0, T.sqrt(x).T, 0),
        lambda v: where_positive(half_root)(v),
    ),
    "standard deviation": (
        lambda x: T.switch(x.var(1) > 0, x.std(1), 0),
        lambda v: np.stack([(v[0] - v[0].mean()) / 3 / v[0].std(), np.zeros(3)]),
    ),
}


@pytest.mark.parametrize("name", MATRICES)
def test_conditions_that_are_broadcast_and_reduced(name: str) -> None:
    f, wanted = MATRICES[name]
    for dtype in ("float64", "float32"):
        x = T.TensorType(dtype, (None, None))("x")
        gradient = T.grad(f(x).sum(), x)
        second = T.grad((gradient**2).sum(), x)
        for mode in MODES[:2]:
            found, again = symnet.function([x], [gradient, second], mode=mode)(
                M.astype(dtype)
            )
            tolerance = 50 * np.finfo(dtype).eps
            np.testing.assert_allclose(found, wanted(M), rtol=tolerance, atol=tolerance)
            assert np.isfinite(again).all()


def test_scalars_and_empty_arrays() -> None:
    x, v = T.dscalar("x"), T.dvector("v")
    far = T.grad(T.switch(x < 50, T.exp(x), 3 * x), x)
    assert symnet.function([x], far)(1000.0) == 3
    none = symnet.function([v], T.grad(T.switch(v > 0, T.sqrt(v), 0).sum(), v))
    assert none(np.zeros(0)).shape == (0,)


def test_missing_data() -> None:
    """A NaN that a condition leaves out does not reach what it was compared with."""
    data, center = T.dvector("data"), T.dscalar("center")
    values = np.array([np.nan, 1.0, 2.0])
    for error, slope in (
        (T.sqr, lambda d: 2 * d),
        (T.tanh, lambda d: 1 - np.tanh(d) ** 2),
    ):
        cost = T.switch(T.isnan(data), 0, error(center - data)).sum()
        found = symnet.function([data, center], T.grad(cost, center))(values, 0.5)
        np.testing.assert_allclose(found, slope(0.5 - values[1:]).sum())


def test_without_a_guard_arithmetic_is_ieee() -> None:
    x = T.dvector("x")
    found = symnet.function([x], T.grad((0 * T.log(x)).sum(), x), mode="FAST_COMPILE")
    assert np.isnan(found(np.zeros(1))).all()
    root = symnet.function([x], T.grad(T.sqrt(x).sum(), x))
    assert np.isinf(root(np.zeros(1))).all()


def test_zeros_are_put_back_only_where_they_may_be_lost() -> None:
    x, w = T.dmatrix("x"), T.dmatrix("w")

    def choices(activation: Form) -> int:
        hidden = activation(T.dot(x, w))
        gradient = T.grad((T.dot(hidden, w.T) ** 2).sum(), w)
        return sum(str(node.op) == "switch" for node in toposort([gradient]))

    relu = choices(lambda z: T.switch(z > 0, z, 0))
    assert relu == 2  # itself, and its gradient
    assert choices(lambda z: T.maximum(z, 0)) == 1
    assert choices(lambda z: T.switch(z > 0, z, 0.01 * z)) == 3
    assert choices(lambda z: T.switch(z > 0, z, T.exp(z))) == 4


def test_a_scan_with_a_guard_in_its_step() -> None:
    x = T.dvector("x")
    rows, _ = symnet.scan(
        lambda v, total: T.switch(v > 0, total + T.sqrt(v), total),
        sequences=x,
        outputs_info=T.constant(0.0),
    )
    found = symnet.function([x], T.grad(rows[-1], x))
    np.testing.assert_allclose(found(V), root(V))


def test_guards_around_and_inside_of_a_scan() -> None:
    """The mask goes into the loop and out of it, also to the second order."""
    x = T.dvector("x")
    rows, _ = symnet.scan(lambda v: T.sqrt(v), sequences=x)
    given, _ = symnet.scan(lambda s: T.switch(s > 0, s, 0), sequences=T.sqrt(x))
    inside, _ = symnet.scan(lambda v: T.switch(v > 0, T.sqrt(v), 0), sequences=x)
    for y in (T.switch(x > 0, rows, 0), given, inside):
        gradient = T.grad(y.sum(), x)
        second = T.grad(gradient.sum(), x)
        for mode in MODES:
            first, again = symnet.function([x], [gradient, second], mode=mode)(V)
            np.testing.assert_allclose(first, root(V))
            np.testing.assert_allclose(again, [0, 0, -0.25 * 4**-1.5])
