"""Means, variances and norms, against NumPy."""

# ruff: noqa: B023 (the functions are called inside the loops that define them)
from __future__ import annotations

import itertools

import numpy as np
import pytest

from symnet.config import config
from symnet.gradient import grad, verify_grad
from symnet.ops import inputs
from symnet.ops import statistics as S
from symnet.ops.reduce import sum as sum_over
from tests.helpers import run
from tests.ops.scalars import apply, of_kinds, samples

RANDOM = np.random.default_rng(7)
AXES = [None, 0, -1, (), (0,), (0, 2), [2, 1], (-1, 0), (0, 1, 2), np.array([1, 2])]


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axis", AXES, ids=str)
@pytest.mark.parametrize("name", ["mean", "var", "std"])
def test_axes(name, axis, keepdims):
    x = RANDOM.uniform(0.5, 2, (2, 3, 4))  # means near 0 would have no digits
    axes = axis if axis is None or isinstance(axis, int) else tuple(map(int, axis))
    want = getattr(np, name)(x, axis=axes, keepdims=keepdims)
    function = getattr(S, name)
    apply(lambda x: function(x, axis=axis, keepdims=keepdims), x, expected=want)


def test_of_scalars():
    x = np.array(2.5)
    for name in ("mean", "var", "std"):
        apply(getattr(S, name), x, expected=getattr(np, name)(x))


@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0)])
def test_the_mean_of_nothing_is_nan(shape):
    assert np.isnan(apply(S.mean, np.zeros(shape)))


def test_the_mean_beside_nan_is_nan():
    for x in ([1.0, np.nan, 3.0], [np.nan, np.inf, np.nan], [-np.inf, np.nan]):
        assert np.isnan(apply(S.mean, np.array(x)))


@pytest.mark.parametrize("dtype", of_kinds("biuf"))
def test_means_of_all_dtypes(dtype):
    x = samples(dtype, extreme=False)
    value = apply(S.mean, x)
    assert value.dtype == (dtype if np.dtype(dtype).kind == "f" else "float64")
    np.testing.assert_allclose(value, x.astype(float).mean(), rtol=1e-3)


def test_dtypes_of_means():
    assert apply(S.mean, np.full(70000, 1.0, np.float16)) == 1
    with config.change_flags(floatX="float32"):
        assert S.mean(inputs.imatrix()).type.dtype == "float32"


def test_variance():
    x = RANDOM.normal(size=(4, 5)) + 1000
    for ddof, corrected in itertools.product((0, 1), (False, True)):
        want = x.var(axis=1, ddof=ddof)
        apply(
            lambda x: S.var(x, 1, ddof=ddof, corrected=corrected),
            x,
            expected=want,
            rtol=1e-9,
        )
        apply(lambda x: S.std(x, 1, ddof, True), x, rtol=1e-9,
              expected=x.std(axis=1, ddof=ddof, keepdims=True))  # fmt: skip


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
@pytest.mark.parametrize("corrected", [False, True])
def test_the_variance_of_complex_numbers_is_real(dtype, corrected):
    x = (RANDOM.normal(size=(4, 5)) + 1j * RANDOM.normal(size=(4, 5))).astype(dtype)
    z = inputs.TensorType(dtype, (None, None))("z")
    for axis, ddof in itertools.product((None, 0, 1), (0, 1)):
        for name in ("var", "std"):
            want = getattr(x, name)(axis=axis, ddof=ddof)
            got = run(getattr(S, name)(z, axis, ddof, corrected=corrected), {z: x})
            assert got.dtype == want.dtype
            np.testing.assert_allclose(got, want, rtol=1e-5)


@pytest.mark.parametrize("order", [1, 1.5, 2, 3, np.inf])
def test_the_gradient_of_a_norm_at_its_corner(order):
    """0 there, as that of abs; beside it, and for the other rows, what it is."""
    x = inputs.dmatrix()
    cost = sum_over(S.norm(x, order, axis=1))
    value = np.array([[0.0, 0, 0], [1, -2, 2], [0, 3, 0]])
    got = run(grad(cost, x), {x: value})
    for row, slope in zip(value, got, strict=True):
        want = np.zeros(3)
        for k in range(3):
            step = np.eye(3)[k] * 1e-6
            more, less = (np.linalg.norm(row + s, order) for s in (step, -step))
            want[k] = (more - less) / 2e-6
        if order == np.inf and row[1] == -2:  # two largest elements: both count
            want = np.array([0.0, -1, 1])
        np.testing.assert_allclose(slope, want, atol=2e-3)
    for dtype in ("float16", "float32", "int32"):
        got = apply(lambda x: S.norm(x, 2, axis=1), np.array([[3, 4], [0, 0]], dtype))
        assert got.tolist() == [5, 0]


def test_norms():
    x = RANDOM.normal(size=(3, 4))
    for order in (1, 2, 3, 2.5, np.inf):
        want = [np.linalg.norm(row, order) for row in x]
        apply(lambda x: S.norm(x, order, axis=1), x, expected=want)
    with pytest.raises(NotImplementedError):
        S.norm(x, 0)


@pytest.mark.parametrize("axis", [None, 0, -1, (0, 2), ()], ids=str)
@pytest.mark.parametrize("name", ["mean", "var", "std"])
def test_gradients(name, axis):
    if name in ("std", "var") and axis == ():
        return  # constant zero; the root has no derivative there
    x = RANDOM.permutation(24).reshape(2, 3, 4) / 10 + 0.1
    for keepdims in (False, True):
        verify_grad(lambda x: getattr(S, name)(x, axis, keepdims=keepdims), [x])
    first = lambda x: grad((getattr(S, name)(x, axis) ** 2).sum(), x)  # noqa: E731
    verify_grad(first, [x])


@pytest.mark.parametrize("axis", [None, 0, 1])
@pytest.mark.parametrize("shape", [(200_000, 3), (3, 200_000), (500, 600)])
def test_long_float32_means_are_exact_along_every_axis(axis, shape):
    """Where all roundings go one way a sum in order loses 1e-4."""
    squares = (RANDOM.integers(-16, 17, shape) / 4) ** 2
    x = inputs.matrix("x", dtype="float32")
    got = run([S.mean(x, axis), S.var(x, axis)], {x: squares.astype("f4")}, rtol=1e-6)
    for one, want in zip(got, [squares.mean(axis), squares.var(axis)], strict=True):
        np.testing.assert_allclose(one, want, rtol=1e-6)


@pytest.mark.parametrize("order", [1, 2, 3, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["int8", "uint8", "bool"])
def test_norms_of_small_integers_do_not_wrap(dtype, order):
    x = np.array([[-128, 127, 3], [100, -100, 0]], "int8").astype(dtype)
    want = [np.linalg.norm(row, order) for row in x]
    apply(lambda v: S.norm(v, order, axis=1), x, expected=np.array(want, "float64"))
