"""Users' operations on numbers: values, types, gradients, errors; and Theano's classes."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet import scalar
from symnet.ops.scalar_ops import (
    CLASSES,
    BinaryScalarOp,
    Composite,
    ScalarOp,
    UnaryScalarOp,
    same_out,
    scalar_type,
    specific_out,
    transfer_type,
    upcast_out,
    upgrade_to_float,
)


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
    assert Cube(specific_out(scalar_type("int16")))(x).dtype == "int16"
    assert Line(transfer_type(1))(x, T.dvector()).dtype == "float64"
    assert Line(transfer_type(0))(x, T.dvector()).dtype == dtype
    value = np.array([0, 1], dtype)
    assert Cube(same_out)(x).eval({x: value}).dtype == dtype


def test_complex_numbers_may_be_refused() -> None:
    with pytest.raises(TypeError, match="complex numbers are not supported"):
        Cube(scalar.upgrade_to_float_no_complex)(T.cvector())


def test_equal_ops_are_merged_and_printed_by_name() -> None:
    assert Cube(same_out) == Cube(same_out)
    assert hash(Cube(same_out)) == hash(Cube(same_out))
    assert Cube(same_out) != Line(same_out)
    assert str(Cube(same_out, name="cube")) == "cube"
    assert str(Cube(same_out)) == "Cube"
    x = T.dvector("x")
    assert "cube" in symnet.pp(Cube(same_out, name="cube")(x))


def test_functions_with_them_are_pickled() -> None:
    x = T.dvector("x")
    f = symnet.function([x], Cube(upgrade_to_float)(x))
    assert pickle.loads(pickle.dumps(f))([2.0]).tolist() == [8]


def test_what_is_missing_or_wrong() -> None:
    class Nothing(UnaryScalarOp):
        pass

    x = T.dvector("x")
    with pytest.raises(TypeError, match="Cube takes 1 inputs, got 2"):
        Cube(same_out)(x, x)
    with pytest.raises(NotImplementedError, match="says no types"):
        Cube()(x)
    with pytest.raises(TypeError, match="is a function of types"):
        Cube("float64")  # type: ignore[arg-type]
    with pytest.raises(NotImplementedError, match="defines no impl"):
        Nothing(same_out)(x).eval({x: [1.0]})
    with pytest.raises(symnet.NullTypeGradError, match="has no gradient"):
        symnet.grad(Nothing(same_out)(x).sum(), x)
    with pytest.raises(TypeError, match="impl gave 2 results, not 1"):
        type("Two", (UnaryScalarOp,), {"impl": lambda self, a: (a, a)})(same_out)(
            x
        ).eval({x: [1.0]})


def test_errors_in_impl_name_the_users_line() -> None:
    class Failing(UnaryScalarOp):
        def impl(self, x: Any) -> Any:
            raise ValueError("not for this number")

    x = T.dvector("x")
    with pytest.raises(ValueError, match="not for this number") as failed:
        Failing(same_out)(x).eval({x: [1.0]})
    assert "test_scalar_ops.py" in str(failed.value)


def test_a_composite_is_written_out_for_arrays() -> None:
    a, b = scalar_type("float64")("a"), scalar_type("float64")("b")
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


def test_a_composite_of_users_ops() -> None:
    a = scalar_type("float64")("a")
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
