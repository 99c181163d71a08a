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
from symnet import function, scalar
from symnet.compile.debugmode import BadCode
from symnet.gradient import verify_grad
from symnet.kernels.loopir.scalars import select
from symnet.ops.scalar_classes import CLASSES
from symnet.scalar import (
    BinaryScalarOp,
    Composite,
    ScalarOp,
    UnaryScalarOp,
    call,
    get_scalar_type,
    same_out,
    specific_out,
    transfer_type,
    upcast_out,
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


class Cube(UnaryScalarOp):
    def impl(self, x: Any) -> Any:
        return x**3

    def grad(self, inputs: Any, gradients: Any) -> Any:
        # Theano's programs look at types of numbers here.
        assert inputs[0].type in scalar.float_types
        return [gradients[0] * 3 * inputs[0] ** 2]


class Line(BinaryScalarOp):
    def impl(self, a: Any, b: Any) -> Any:
        return 2 * a + b

    def grad(self, inputs: Any, gradients: Any) -> Any:
        return [gradients[0] * 2, gradients[0]]


class Both(UnaryScalarOp):
    nout = 2

    def impl(self, x: Any) -> Any:
        return x, -x

    def grad(self, inputs: Any, gradients: Any) -> Any:
        return [gradients[0] - 3 * gradients[1]]


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


# ---- types, results, gradients


@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (0, 2), (1, 1)])
def test_values_and_gradients_of_any_shape(shape: tuple[int, ...]) -> None:
    x = T.TensorType("float64", (None,) * len(shape))("x")
    y = Cube(upgrade_to_float, name="cube")(x)
    f = symnet.function([x], [y, symnet.grad(y.sum(), x), y.shape])
    value = np.random.default_rng(0).normal(size=shape)
    found, slope, sizes = f(value)
    np.testing.assert_allclose(found, value**3)
    np.testing.assert_allclose(slope, 3 * value**2)
    assert tuple(sizes) == shape


def test_inputs_are_broadcast() -> None:
    x, v = T.dmatrix(), T.dvector()
    z = Line(upcast_out)(x, v)
    f = symnet.function([x, v], [z, *symnet.grad(z.sum(), [x, v])])
    found, by_x, by_v = f(np.ones((2, 3)), [1.0, 2.0, 3.0])
    np.testing.assert_array_equal(found, [[3, 4, 5]] * 2)
    np.testing.assert_array_equal(by_x, np.full((2, 3), 2))
    np.testing.assert_array_equal(by_v, [2, 2, 2])
    with pytest.raises(symnet.errors.ShapeError):
        f(np.ones((2, 3)), [1.0, 2.0])


def test_second_derivatives() -> None:
    T.verify_grad(
        lambda x: symnet.grad(Cube(same_out)(x).sum(), x), [np.array([0.5, 2.0])],
        rng=np.random.RandomState(0),
    )  # fmt: skip


def test_several_results_and_those_that_nothing_uses() -> None:
    v = T.dvector()
    up, down = Both(lambda t: [t, t])(v)
    f = symnet.function(
        [v], [up, down, symnet.grad((2 * up + down).sum(), v), symnet.grad(up.sum(), v)]
    )
    assert [one.tolist() for one in f([1.0, 2.0])] == [
        [1, 2], [-1, -2], [-1, -1], [1, 1]
    ]  # fmt: skip


def test_a_gradient_without_the_input_has_its_shape() -> None:
    class Twice(UnaryScalarOp):
        def impl(self, x: Any) -> Any:
            return 2 * x

        def grad(self, inputs: Any, gradients: Any) -> Any:
            return [T.constant(2.0)]

    x = T.dmatrix()
    slope = symnet.grad(Twice(same_out)(x).sum(), x)
    np.testing.assert_array_equal(slope.eval({x: np.ones((2, 3))}), np.full((2, 3), 2))


@pytest.mark.parametrize(
    ("dtype", "float_dtype"),
    [("bool", "float32"), ("int8", "float32"), ("uint16", "float32"), ("int32", "float64"),
     ("int64", "float64"), ("float16", "float16"), ("float32", "float32"),
     ("complex64", "complex64")],
)  # fmt: skip
def test_types_of_results(dtype: str, float_dtype: str) -> None:
    x = T.vector(dtype=dtype)
    assert Cube(same_out)(x).dtype == dtype
    assert Cube(upgrade_to_float)(x).dtype == float_dtype
    assert Cube(specific_out(get_scalar_type("int16")))(x).dtype == "int16"
    assert Line(transfer_type(1))(x, T.dvector()).dtype == "float64"
    assert Line(transfer_type(0))(x, T.dvector()).dtype == dtype
    value = np.array([0, 1], dtype)
    assert Cube(same_out)(x).eval({x: value}).dtype == dtype


def test_complex_numbers_may_be_refused() -> None:
    with pytest.raises(TypeError, match="complex numbers are not supported"):
        Cube(scalar.upgrade_to_float_no_complex)(T.cvector())


def test_what_is_missing_or_wrong() -> None:
    x = T.dvector("x")
    with pytest.raises(TypeError, match="Cube takes 1 arguments, got 2"):
        Cube(same_out)(x, x)
    with pytest.raises(TypeError, match="is a function of types"):
        Cube("float64")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="types of its 1 results were said to be"):
        Cube(transfer_type(0, 0))(x)
    with pytest.raises(TypeError, match="impl gave 2 results, not 1"):
        type("Two", (UnaryScalarOp,), {"impl": lambda self, a: (a, a)})(same_out)(
            x
        ).eval({x: [1.0]})
    with pytest.raises(TypeError, match="a body gives one result, not 2"):
        type("Two", (LogOdds,), {"nout": 2})()


def test_errors_in_impl_name_the_users_line() -> None:
    class Failing(UnaryScalarOp):
        def impl(self, x: Any) -> Any:
            raise ValueError("not for this number")

    x = T.dvector("x")
    with pytest.raises(ValueError, match="not for this number") as failed:
        Failing(same_out)(x).eval({x: [1.0]})
    assert "test_scalar_ops.py" in str(failed.value)


def test_a_composite_is_written_out_for_arrays() -> None:
    a, b = get_scalar_type("float64")("a"), get_scalar_type("float64")("b")
    both = Composite([a, b], [a * b + 1, T.exp(a)])
    x, v = T.dmatrix(), T.fvector()
    f = symnet.function([x, v], both(x, v))
    value, factors = np.ones((2, 3)), np.array([1, 2, 3], "float32")
    product, power = f(value, factors)
    np.testing.assert_allclose(product, value * factors + 1)
    np.testing.assert_allclose(power, np.exp(value))
    assert len(f.engine.segments) == 1
    T.verify_grad(
        lambda x: both(x, x)[0] * both(x, x)[1], [np.array([[0.3, -0.2]])],
        rng=np.random.RandomState(0),
    )  # fmt: skip
    with pytest.raises(TypeError, match="none of its inputs"):
        Composite([a], [a + b])
    with pytest.raises(TypeError, match="takes 2 inputs, got 1"):
        both(x)


def test_bodies_compute_in_a_dtype_that_holds_their_operands() -> None:
    class Sum(BinaryScalarOp):
        def body(self, x: Any, y: Any) -> Any:
            return x + y

        def grad(self, inputs: Any, gradients: Any) -> Any:
            assert {v.dtype for v in inputs} == {"float64"}
            return [gradients[0], gradients[0]]

    i, x = T.bvector("i"), T.dvector("x")
    large, halves = np.array([100, -128], "int8"), np.array([0.5, 0.75])
    for preference, dtype in (
        (transfer_type(0), "int8"), (transfer_type(1), "float64"), (None, "float64"),
        (specific_out(get_scalar_type("float32")), "float32"),
    ):  # fmt: skip
        total = Sum(preference)(i, x)
        again = total.owner.clone_with_new_inputs(total.owner.inputs).outputs[0]
        for one in (total, again):
            found = one.eval({i: large, x: halves})
            assert found.dtype == one.dtype == dtype
            np.testing.assert_array_equal(found, (large + halves).astype(dtype))
    wide = Sum(upgrade_to_float)(i, i)
    assert wide.dtype == "float32"
    assert wide.eval({i: large}).tolist() == [200, -256]
    (slope,) = symnet.grad(Sum()(i, x).sum(), [x])
    assert slope.eval({i: large, x: halves}).tolist() == [1, 1]


def test_python_functions_get_numbers_of_python() -> None:
    class Power(BinaryScalarOp):
        def impl(self, x: Any, k: Any) -> Any:
            assert type(k) is int
            return x**k

    i, x = T.bvector("i"), T.dvector("x")
    assert Power(transfer_type(0))(x, i).eval({x: [2.0], i: [3]}).tolist() == [8]
    assert Power()(x, 3).dtype == "float64"
    # What does not fit wraps around, as it does in arrays.
    wrapped = Power(same_out)(i, i).eval({i: [5]})
    assert wrapped.tolist() == [np.int64(5**5).astype("int8")]
    assert Power(same_out)(T.lvector(), i).type.shape == (None,)


def test_any_number_of_inputs() -> None:
    class Total(ScalarOp):
        def impl(self, *numbers: Any) -> Any:
            return sum(numbers)

    x, v = T.dmatrix("x"), T.dvector("v")
    assert Total().arity == -1
    assert Total()(x).eval({x: [[1.0]]}).tolist() == [[1]]
    three = Total()(x, v, 2)
    assert three.eval({x: [[1.0, 2.0]], v: [3.0, 4.0]}).tolist() == [[6, 8]]


def test_types_by_a_method_and_gradients_with_the_result() -> None:
    class Exponential(UnaryScalarOp):
        def impl(self, x: Any) -> Any:
            return np.exp(x)

        def output_types(self, types: Any) -> Any:
            return [scalar.float64 for _ in types]

        def L_op(self, inputs: Any, outputs: Any, gradients: Any) -> Any:
            assert inputs[0].type in scalar.float_types
            return [gradients[0] * outputs[0]]

    x = T.fmatrix("x")
    y = Exponential()(x)
    assert y.dtype == "float64"
    value = np.array([[0.5, -1.0]], "float32")
    slope = symnet.grad(y.sum(), x).eval({x: value})
    np.testing.assert_allclose(slope, np.exp(value), rtol=1e-6)


def test_preferences_are_kept_in_pickles() -> None:
    for preference in (
        scalar.upgrade_to_float_no_complex, scalar.same_out_nocomplex, transfer_type(0),
        specific_out(get_scalar_type("int8")),
    ):  # fmt: skip
        op = Cube(preference)
        assert pickle.loads(pickle.dumps(op)) == op != Cube(upcast_out)
        assert Both(preference) == pickle.loads(pickle.dumps(Both(preference)))


def test_a_composite_of_users_ops() -> None:
    a = get_scalar_type("float64")("a")
    op = Composite([a], [Cube(same_out)(a) + 1])
    assert op(T.constant([1.0, 2.0])).eval().tolist() == [2, 9]


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_classes_of_theano_know_their_operation(name: str) -> None:
    kind = getattr(scalar, name)
    op = kind()
    assert isinstance(op, kind)
    assert not isinstance(T.dot, kind)
    assert kind(same_out) == kind(same_out)


def test_results_of_another_type() -> None:
    x = T.ivector("x")
    kept = scalar.Add(transfer_type(0))(x, 2.7)
    assert kept.dtype == "int32"
    assert kept.eval({x: [1]}).tolist() == [3]
    assert str(scalar.Add(transfer_type(0))) == "add"


def test_numbers_of_theano_scalar() -> None:
    assert [str(t) for t in scalar.all_types][:3] == ["bool", "int8", "int16"]
    assert scalar.float64 == T.TensorType("float64", ())
    assert scalar.as_scalar(3).eval() == 3
    a, b = scalar.floats("a", "b")
    assert (a + b).eval({a: 1.0, b: 2.0}) == 3
    assert scalar.convert_to_int8(T.dscalar()).dtype == "int8"
    assert [v.dtype for v in scalar.ints("i")] == ["int64"]
    assert [v.dtype for v in scalar.complexs("z")] == ["complex128"]
    assert pickle.loads(pickle.dumps(scalar.float32)) == scalar.float32
    with pytest.raises(TypeError):
        scalar.as_scalar(T.dvector())
    assert issubclass(UnaryScalarOp, ScalarOp)


@pytest.mark.parametrize("name", ["sin", "cos", "tan"])
def test_a_body_of_what_the_c_library_computes(name: str) -> None:
    """It has a reference of its own; `impl` beside it is another."""

    class Wave(UnaryScalarOp):
        def body(self, x: Any) -> Any:
            return call(name, x) * 2.0

    class Judged(Wave):
        def impl(self, x: Any) -> Any:
            return getattr(np, name)(x) * 2

    class Gamma(UnaryScalarOp):
        def body(self, x: Any) -> Any:
            return call("gamma", x)

        def impl(self, x: Any) -> Any:
            return special.gamma(x)

    x, value = T.dvector("x"), np.array([0.5, 1.0, 1e6])
    for op in (Wave(), Judged()):
        found = symnet.function([x], op(x), mode="DebugMode")(value)
        np.testing.assert_allclose(found, 2 * getattr(np, name)(value), rtol=1e-13)
    found = symnet.function([x], Gamma()(x), mode="DebugMode")(value[:2])
    np.testing.assert_allclose(found, special.gamma(value[:2]), rtol=1e-13)


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
        (lambda x: call("gamma", x), TypeError, "gamma has no reference"),
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
