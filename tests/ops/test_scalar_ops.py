"""Operations on numbers that users write: with a body, with a Python function, with both; and
Theano's classes."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from scipy import special

import symnet
import symnet.tensor as T
from symnet import function
from symnet.compile.debugmode import BadCode
from symnet.gradient import verify_grad
from symnet.kernels.loopir.scalars import select
from symnet.scalar import (
    BinaryScalarOp,
    ScalarOp,
    UnaryScalarOp,
    call,
    same_out,
    upgrade_to_float,
)

MODES = ("FAST_RUN", "FAST_COMPILE", "DebugMode")
V = np.array([0.2, 0.5, 0.9])


class LogOdds(UnaryScalarOp):
    """log(x / (1 - x))"""

    def body(self, x: Any) -> Any:
        return call("log", x) - call("log1p", -x)

    def grad(self, inputs: Any, output_gradients: Any) -> Any:
        (x,), (g,) = inputs, output_gradients
        return [g / (x * (1 - x))]


class ByPython(UnaryScalarOp):
    """The same without a body."""

    def impl(self, x: float) -> float:
        return float(special.logit(x))

    grad = LogOdds.grad


class Smaller(BinaryScalarOp):
    """The smaller one, times a number that is an attribute."""

    __props__ = ("factor",)

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def body(self, x: Any, y: Any) -> Any:
        return select(x < y, x, y) * self.factor

    def grad(self, inputs: Any, output_gradients: Any) -> Any:
        (x, y), (g,) = inputs, output_gradients
        first = T.lt(x, y)
        return [g * first * self.factor, g * (1 - first) * self.factor]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("op", [LogOdds(), ByPython()], ids=str)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_values_and_gradients(op: Any, mode: str, dtype: str) -> None:
    x = T.vector("x", dtype=dtype)
    y = op(x)
    f = function([x], [y, T.grad(y.sum(), x)], mode=mode)
    value, slope = f(V.astype(dtype))
    assert value.dtype == slope.dtype == dtype
    tolerance = 1e-14 if dtype == "float64" else 1e-5
    np.testing.assert_allclose(value, special.logit(V), rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(slope, 1 / (V * (1 - V)), rtol=tolerance)
    for size in (0, 1):
        assert f(np.full(size, 0.5, dtype))[0].shape == (size,)


def test_a_body_is_fused() -> None:
    x = T.dvector("x")
    f = function([x], T.exp(LogOdds()(x * 0.5)) + 1)
    np.testing.assert_allclose(f(V), V / 2 / (1 - V / 2) + 1, rtol=1e-14)
    assert len(f.engine.native) == 1 and len(f.engine.native[0].program.steps) == 1
    slow = function([x], T.exp(ByPython()(x * 0.5)) + 1)
    assert len(slow.engine.native) == 2  # Python between two programs


def test_broadcasting_and_second_derivatives() -> None:
    rng = np.random.default_rng(0)
    op = Smaller(3.0)
    verify_grad(op, [rng.normal(size=(2, 3)), rng.normal(size=3)])
    verify_grad(lambda x: T.grad(LogOdds()(x).sum(), x), [V])
    m, v = T.dmatrix("m"), T.dvector("v")
    a, b = rng.normal(size=(2, 3)), rng.normal(size=3)
    np.testing.assert_allclose(op(m, v).eval({m: a, v: b}), np.minimum(a, b) * 3)
    with pytest.raises(ValueError, match="sizes do not agree"):
        op(m, v).eval({m: a, v: b[:1]})


def test_equal_ones_are_computed_once() -> None:
    assert Smaller(2.0) == Smaller(2.0) != Smaller(3.0)
    assert hash(Smaller(2.0)) == hash(Smaller(2.0))
    x, y = T.dvectors("x", "y")
    f = function([x, y], [Smaller(2.0)(x, y), Smaller(2.0)(x, y), Smaller(3.0)(x, y)])
    assert len(f.maker.fgraph.toposort()) == 2


def test_dtypes_of_results() -> None:
    i = T.lvector("i")
    assert LogOdds(upgrade_to_float)(i).dtype == "float64"
    assert Smaller(2)(i, T.constant(np.int8(3))).dtype == "int64"
    assert ByPython(same_out, name="mine")(i).dtype == "int64"
    assert str(ByPython(name="mine")) == "mine"


def test_in_loops() -> None:
    x = T.dvector("x")
    for op in (LogOdds(), ByPython()):
        rows, _ = symnet.scan(lambda one, s: s + op(one), x, T.constant(0.0))  # noqa: B023
        f = function([x], [rows, T.grad(rows[-1], x)])
        value, slope = f(V)
        np.testing.assert_allclose(value, np.cumsum(special.logit(V)), atol=1e-14)
        np.testing.assert_allclose(slope, 1 / (V * (1 - V)), rtol=1e-13)


def test_pickles() -> None:
    x, y = T.dvectors("x", "y")
    f = function([x, y], Smaller(2.0)(x, y))
    again = pickle.loads(pickle.dumps(f))
    np.testing.assert_array_equal(again(V, V[::-1]), f(V, V[::-1]))
    assert pickle.loads(pickle.dumps(Smaller(2.0))) == Smaller(2.0)


def test_theanos_way_to_make_one_of_arrays() -> None:
    op = ByPython(upgrade_to_float, name="log_odds")
    assert T.Elemwise(op) is op and T.Elemwise(T.exp) is T.exp
    assert isinstance(op, T.Elemwise)


def test_debug_mode_holds_the_body_to_the_function() -> None:
    class Wrong(LogOdds):
        def impl(self, x: float) -> float:
            return float(special.logit(x)) + 1

    x = T.dvector("x")
    with pytest.raises(BadCode, match="Wrong"):
        function([x], Wrong()(x), mode="DebugMode")(V)


# ---- wrong ones


def test_neither_body_nor_function() -> None:
    class Nothing(UnaryScalarOp):
        def c_code(self, *arguments: Any) -> str:
            return "z = x;"

    with pytest.raises(
        TypeError, match="neither body nor impl; c_code is not"
    ) as caught:
        Nothing()
    assert "test_scalar_ops.py" in str(caught.value)


@pytest.mark.parametrize(
    ("body", "error", "what"),
    [
        (lambda x: "text", TypeError, "body gave 'text'"),
        (lambda x: call("nothing", x), ValueError, "no scalar function .* 'nothing'"),
        (lambda x: call("j0", x), TypeError, "j0 has no reference"),
    ],
)
def test_wrong_bodies_name_the_line(body: Any, error: Any, what: str) -> None:
    class Wrong(UnaryScalarOp):
        pass

    Wrong.body = lambda self, x: body(x)  # type: ignore[attr-defined]
    op = Wrong()
    with pytest.raises(error, match=what) as caught:
        op(T.dvector("x"))
    assert "test_scalar_ops.py" in str(caught.value)


def test_wrong_numbers_of_arguments() -> None:
    class Two(ScalarOp):
        def body(self, x: Any, y: Any) -> Any:
            return x + y

    assert Two().arity == 2
    with pytest.raises(TypeError, match="takes 2 arguments, got 1"):
        Two()(T.dvector("x"))


def test_no_gradient() -> None:
    class Plain(UnaryScalarOp):
        def body(self, x: Any) -> Any:
            return x * x

    x = T.dvector("x")
    with pytest.raises(symnet.NullTypeGradError, match="Plain has no gradient"):
        T.grad(Plain()(x).sum(), x)


def test_a_subclass_need_not_call_the_constructor() -> None:
    class Times(ScalarOp):
        def __init__(self) -> None:
            self.output_types_preference = upgrade_to_float

        def impl(self, n: Any, x: Any) -> Any:
            return n * x

        def grad(self, inputs: Any, gradients: Any) -> Any:
            n, _ = inputs
            return [symnet.gradient.grad_not_implemented(self, 0, n), gradients[0] * n]

    x = T.dvector("x")
    y = T.Elemwise(Times())(2, x)
    value, slope = symnet.function([x], [y, T.grad(y.sum(), x)])([1.0, 2.5])
    np.testing.assert_array_equal(value, [2, 5])
    np.testing.assert_array_equal(slope, [2, 2])
    assert Times() == Times() and str(Times()) == "Times"
    assert pickle.loads(pickle.dumps(Modest())) == Modest()
    with pytest.raises(symnet.NullTypeGradError):
        T.grad(Times()(x, 2).sum(), x)


class Modest(ScalarOp):
    def __init__(self) -> None:
        pass

    def impl(self, x: Any) -> Any:
        return x
