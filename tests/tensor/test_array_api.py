"""The array API's names, beside NumPy, which has them too."""

from __future__ import annotations

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet.tensor import array_api

RNG = np.random.default_rng(3)
X, Y = RNG.uniform(0.1, 0.9, (2, 3, 4)), RNG.uniform(0.1, 0.9, (3, 4))
WHOLE = np.array([[3, -1, 3], [0, 7, -1]])
ONE = "acos asin asinh atan atanh negative positive isfinite logical_not".split()
TWO = (
    "atan2 divide floor_divide multiply remainder subtract equal not_equal greater "
    "greater_equal less less_equal hypot logaddexp logical_and logical_or logical_xor"
).split()


def check(found, want):
    found = found.eval()
    assert found.dtype == want.dtype
    np.testing.assert_allclose(found, want, rtol=1e-14)


def test_every_name_is_one_of_tensor():
    assert all(
        getattr(T, name) is getattr(array_api, name) for name in array_api.__all__
    )
    assert set(array_api.__all__) <= set(T.__all__)


@pytest.mark.parametrize("name", ONE)
def test_of_one_array(name):
    x = (
        np.array([0.5, 0.0, -0.25])
        if name != "isfinite"
        else np.array([1, np.nan, np.inf])
    )
    check(getattr(T, name)(T.constant(x)), getattr(np, name)(x))


def test_of_one_array_elsewhere():
    check(T.acosh(T.constant(X + 1)), np.acosh(X + 1))
    check(T.bitwise_invert(T.constant(WHOLE)), np.bitwise_invert(WHOLE))
    check(T.asarray([1, 2]), np.array([1, 2]))


@pytest.mark.parametrize("name", TWO)
def test_of_two_arrays(name):
    for x, y in ((X, Y), (X, X), (np.round(X), np.ones(4))):
        check(getattr(T, name)(T.constant(x), T.constant(y)), getattr(np, name)(x, y))


def test_shapes():
    x = T.constant(X)
    check(T.permute_dims(x, (2, 0, 1)), np.permute_dims(X, (2, 0, 1)))
    check(T.matrix_transpose(x), np.matrix_transpose(X))
    check(T.concat([x, x], axis=1), np.concat([X, X], axis=1))
    check(T.concat([x, T.constant(Y)], axis=None), np.concat([X, Y], axis=None))
    for axis in (0, 1, -1):
        for found, want in zip(
            T.unstack(x, axis=axis), np.unstack(X, axis=axis), strict=True
        ):
            check(found, want)
    for found, want in zip(
        T.broadcast_arrays(x, T.constant(Y[:1]), 2),
        np.broadcast_arrays(X, Y[:1], 2),
        strict=True,
    ):
        check(found, want)
    assert T.broadcast_arrays() == []
    check(T.empty_like(x, dtype="int32") + 1, np.ones_like(X, dtype="int32"))
    with pytest.raises(TypeError, match="axis 0 of v is not known"):
        T.unstack(T.dvector("v"))


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("initial", [False, True])
def test_cumulative(axis, initial):
    for x in (X, X[:, :0]):
        for name in ("cumulative_sum", "cumulative_prod"):
            found = getattr(T, name)(T.constant(x), axis=axis, include_initial=initial)
            check(found, getattr(np, name)(x, axis=axis, include_initial=initial))
    check(T.cumulative_sum([1, 2], dtype="float32"), np.array([1, 3], "float32"))
    with pytest.raises(ValueError, match="of rank 3 need an axis"):
        T.cumulative_sum(X)


def test_sums_and_products():
    check(T.count_nonzero(T.constant(WHOLE), axis=0), np.count_nonzero(WHOLE, axis=0))
    check(T.vecdot(T.constant(X), T.constant(Y)), np.vecdot(X, Y))
    small = np.array([100, 100, -3], "int8")
    check(T.vecdot(T.constant(small), T.constant(small)), np.vecdot(small, small))
    z = X + 1j * Y
    check(T.vecdot(T.constant(z), T.constant(X), axis=1), np.vecdot(z, X, axis=1))


@pytest.mark.parametrize("endpoint", [True, False])
@pytest.mark.parametrize("num", [0, 1, 2, 7])
def test_linspace(num, endpoint):
    for start, stop in ((0.0, 1.0), (2.0, -3.5)):
        check(
            T.linspace(start, stop, num, endpoint=endpoint),
            np.linspace(start, stop, num, endpoint=endpoint),
        )
    check(T.linspace(0, 4, 5, dtype="int64"), np.linspace(0, 4, 5, dtype="int64"))
    check(T.linspace(-3, 1, 6, dtype="int64"), np.linspace(-3, 1, 6, dtype="int64"))
    with pytest.raises(ValueError, match="not -1"):
        T.linspace(0, 1, -1)
    with pytest.raises(TypeError, match="num is an integer, not 2.5"):
        T.linspace(0, 1, 2.5)


def test_linspace_of_a_number_that_a_run_tells_and_of_another_floatx():
    n = T.lscalar("n")
    f = symnet.function([n], T.linspace(1.0, 2.0, n))
    for num in (0, 1, 5):
        np.testing.assert_allclose(f(num), np.linspace(1.0, 2.0, num))
    with symnet.config.change_flags(floatX="float32"):
        assert T.linspace(0, 1.0, 3).dtype == "float32"
        assert T.linspace(T.dscalar(), 1.0, 3).dtype == "float64"


def test_gradient_of_linspace():
    a, b = T.dscalars("a", "b")
    slopes = symnet.grad((T.linspace(a, b, 3) ** 2).sum(), [a, b])
    np.testing.assert_allclose([s.eval({a: 1.0, b: 3.0}) for s in slopes], [4.0, 8.0])


def test_unique():
    x = T.constant(WHOLE)
    for name in ("unique_all", "unique_counts", "unique_inverse"):
        for found, want in zip(
            getattr(T, name)(x), getattr(np, name)(WHOLE), strict=True
        ):
            check(found, want)
    check(T.unique_values(x), np.unique(WHOLE))  # NumPy's own may have another order
    check(T.astype(x, "float32"), WHOLE.astype("float32"))


def test_signs():
    x = np.array([1.5, -2.0, 0.0, -0.0, np.inf, -np.inf])
    y = np.array([-0.0, 0.0, -1.0, 1.0, -np.inf, 2.0])
    check(T.signbit(T.constant(x)), np.signbit(x))
    check(T.copysign(T.constant(x), T.constant(y)), np.copysign(x, y))
    check(T.signbit(T.constant(WHOLE)), WHOLE < 0)
    small = np.array([-128, 3, 0], "int8")
    check(T.copysign(T.constant(small), -1.0), np.copysign(small, -1.0))


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "int64", "uint64"])
def test_shifts(dtype):
    info = np.iinfo(dtype)
    x = np.array([0, 1, 5, info.max, info.min, info.max // 3], dtype)[:, None]
    places = np.arange(info.bits, dtype=dtype)
    check(T.bitwise_left_shift(T.constant(x), T.constant(places)), x << places)
    check(T.bitwise_right_shift(T.constant(x), T.constant(places)), x >> places)
    with pytest.raises(TypeError, match="shifts are of integers, not float64"):
        T.bitwise_left_shift(1.5, 2)


def test_dtypes():
    x, i = T.fvector("x"), T.bvector("i")
    assert T.finfo(x).max == np.finfo("float32").max and T.finfo("float16").bits == 16
    assert T.iinfo(i).min == -128
    assert T.isdtype("float32", ("integral", "real floating"))
    assert T.isdtype("int8", "int8") and not T.isdtype("int8", "bool")
    assert T.can_cast(i, "float32") and not T.can_cast(x, i)
    assert (
        T.result_type(x, i) == "float32" and T.result_type(i, np.ones(2)) == "float64"
    )
