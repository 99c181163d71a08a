"""Operations on numbers that users write: types, results, gradients."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from scipy import special

import symnet
import symnet.tensor as T
from symnet import scalar
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
from tests.ops.test_scalar_ops import LogOdds


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
    assert "test_scalar_op_types.py" in str(failed.value)


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
