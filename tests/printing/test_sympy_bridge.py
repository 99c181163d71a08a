from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sympy

import symnet
import symnet.tensor as T
from symnet.printing import from_sympy, pp, to_sympy

X, Y = sympy.symbols("x y", real=True)
x, y = T.dvectors("x", "y")
VALUES = np.array([0.3, 1.7, -2.1, 0.9]), np.array([1.3, 0.4, 0.7, -1.9])

EXPRESSIONS: list[Any] = [
    X / Y,
    -X * Y / 3,
    X - Y,
    sympy.exp(-(X**2) / 2).diff(X, 2),
    sympy.sqrt(X**2 + 1) / Y**2,
    (X**2 + 1) ** sympy.Rational(-1, 2),
    (X**2 + 1) ** sympy.Rational(3, 2),
    sympy.Abs(X) ** Y,
    sympy.Piecewise((X, X > Y), (Y**2, X < 0), (1, True)),
    sympy.Max(X, Y, sympy.Rational(1, 2)) + sympy.Min(X, Y),
    sympy.pi * X + sympy.E,
    sympy.atan2(X, Y) + sympy.asin(X / 10) + sympy.acosh(2 + X**2),
    sympy.tanh(X) + sympy.erf(Y) + sympy.erfc(X),
    sympy.log(1 + sympy.exp(X)),
    sympy.gamma(3 + X**2) + sympy.loggamma(1 + Y**2) + sympy.digamma(1 + Y**2),
    sympy.sign(X) + sympy.floor(Y) + sympy.ceiling(X) + sympy.Mod(X, 2),
    sympy.Piecewise((X, sympy.And(X > 0, sympy.Not(Y > 1))), (0, True)),
    sympy.Float("0.25") * X,
    sympy.Piecewise((X, X > 0)),
]  # fmt: skip


@pytest.mark.parametrize("expression", EXPRESSIONS, ids=str)
def test_from_sympy_has_its_values(expression: Any) -> None:
    graph = from_sympy(expression, {X: x, Y: y})
    got = symnet.function([x, y], graph, on_unused_input="ignore")(*VALUES)
    want = sympy.lambdify([X, Y], expression, ["scipy", "numpy"])(*VALUES)
    np.testing.assert_allclose(got, want, rtol=1e-12)


@pytest.mark.parametrize("expression", EXPRESSIONS[:12], ids=str)
def test_there_and_back(expression: Any) -> None:
    graph = from_sympy(expression, {X: x, Y: y})
    back = to_sympy(graph, {x: X, y: Y})
    assert sympy.simplify(
        sympy.nsimplify(back - expression, rational=True)
    ) == 0 or np.isclose(complex((back - expression).subs({X: 0.3, Y: 1.3})), 0)


def test_quotients_are_written_as_such() -> None:
    assert pp(from_sympy(X / Y, {"x": x, "y": y})) == "x / y"
    assert pp(from_sympy(X**2 / 3, {"x": x})) == "x ** 2 / 3"


def test_gradients_agree() -> None:
    a, b = T.dscalars("a", "b")
    cost = T.log(T.exp(a) + T.exp(b * a)) - T.tanh(a) / (1 + T.sqr(b))
    symbols: dict[Any, Any] = {}
    want = sympy.diff(to_sympy(cost, symbols), symbols[a] if symbols else 0)
    got = T.grad(cost, a).eval({a: 0.7, b: -1.2})
    exact = want.subs({symbols[a]: 0.7, symbols[b]: -1.2})
    np.testing.assert_allclose(got, float(exact), rtol=1e-12)


def test_symbols() -> None:
    n = T.lscalar("n")
    other = T.dvector("x")
    symbols: dict[Any, Any] = {}
    expression = to_sympy(x * other + n, symbols)
    assert symbols[x].is_real and symbols[n].is_integer
    assert symbols[x] != symbols[other] and len(expression.free_symbols) == 3
    assert to_sympy(T.exp(x), {x: 2 * X}) == sympy.exp(2 * X)
    assert to_sympy(x.dimshuffle("x", 0) * 2) == 2 * sympy.Symbol("x", real=True)


def test_what_has_no_counterpart_is_refused() -> None:
    with pytest.raises(TypeError, match="no variable for the symbol y"):
        from_sympy(X + Y, {X: x})
    with pytest.raises(TypeError, match="no function here for Derivative"):
        from_sympy(sympy.Derivative(sympy.Function("f")(X), X), {X: x})
    with pytest.raises(TypeError, match="no form for one element"):
        to_sympy(x.sum())
    with pytest.raises(TypeError, match="more than one number"):
        to_sympy(x + np.arange(4.0))
