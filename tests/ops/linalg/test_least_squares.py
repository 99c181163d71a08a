"""Pseudo-inverses and least squares, against NumPy and differences."""

from __future__ import annotations

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet.errors import NullTypeGradError
from symnet.gradient import grad, verify_grad
from symnet.ops.linalg.least_squares import lstsq, pinv

RANDOM = np.random.default_rng(8)
SHAPES = [(4, 4), (5, 3), (3, 5), (1, 1), (1, 4), (0, 3), (3, 0)]
TOLERANCE = {"float32": 2e-4, "complex64": 2e-4, "float64": 1e-9, "complex128": 1e-9}


def numbers(shape, dtype):
    found = RANDOM.normal(size=shape).astype(dtype)
    if found.dtype.kind == "c":
        found.imag = RANDOM.normal(size=shape)
    return found


def natively(inputs, outputs, *values):
    f = symnet.function(inputs, outputs)
    assert not any(segment.reference for segment in f.engine.segments)
    return f(*values)


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_pseudo_inverses(dtype):
    x = T.TensorType(dtype, (None, None))("x")
    f = symnet.function([x], pinv(x))
    assert not any(segment.reference for segment in f.engine.segments)
    for shape in SHAPES:
        value = numbers(shape, dtype)
        got = f(value)
        assert got.dtype == dtype
        np.testing.assert_allclose(got, np.linalg.pinv(value), atol=TOLERANCE[dtype])
    low = np.outer([1.0, 2, 3], [1.0, -1]).astype(dtype)  # of rank 1
    if dtype in ("float64", "complex128"):  # in fewer digits 1e-15 is no limit
        np.testing.assert_allclose(f(low), np.linalg.pinv(low), atol=TOLERANCE[dtype])
    np.testing.assert_array_equal(f(low * 0), low.T * 0)


def test_pseudo_inverses_of_batches():
    x = T.dtensor3("x")
    value = RANDOM.normal(size=(3, 4, 2))
    np.testing.assert_allclose(natively([x], pinv(x), value), np.linalg.pinv(value))
    assert natively([x], pinv(x), value[:0]).shape == (0, 2, 4)
    verify_grad(pinv, [value])
    with pytest.raises(np.linalg.LinAlgError):
        natively([x], pinv(x), value * np.nan)


@pytest.mark.parametrize("shape", [(4, 4), (5, 3), (3, 5)])
def test_gradients_of_pseudo_inverses(shape):
    x = RANDOM.normal(size=shape)
    verify_grad(pinv, [x])
    variable = T.dmatrix()

    def slope(x):
        return grad((pinv(x) ** 2).sum(), x)

    verify_grad(slope, [x])
    assert grad(pinv(variable).sum(), variable).type == variable.type


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("columns", [(), (2,)])
def test_least_squares(dtype, columns):
    x = T.TensorType(dtype, (None, None))("x")
    y = T.TensorType(dtype, (None,) * (1 + len(columns)))("y")
    found = lstsq(x, y, -1.0)
    solution = symnet.function([x, y], [found[0], found[2], found[3]])
    assert not any(segment.reference for segment in solution.engine.segments)
    everything = symnet.function([x, y], found)
    for shape in [(6, 3), (3, 6), (4, 4), (1, 1), (3, 1)]:
        a, b = numbers(shape, dtype), numbers((shape[0], *columns), dtype)
        want = np.linalg.lstsq(a, b, rcond=-1)
        for got, expected in zip(everything(a, b), want, strict=True):
            assert got.shape == np.shape(expected)
            limit = TOLERANCE[dtype]
            np.testing.assert_allclose(got, expected, rtol=limit, atol=limit)
        assert solution(a, b)[1] == want[2]
    low = np.outer([1.0, 2, 3], [1.0, -1]).astype(dtype)
    b = numbers((3, *columns), dtype)
    wide = symnet.function([x, y], lstsq(x, y, 1e-4))
    for got, expected in zip(wide(low, b), np.linalg.lstsq(low, b, rcond=1e-4)):
        assert got.shape == np.shape(expected)
        np.testing.assert_allclose(got, expected, atol=1e-4)


@pytest.mark.parametrize("shape", [(6, 3), (3, 6), (4, 4)])
@pytest.mark.parametrize("columns", [(), (2,)])
def test_gradients_of_least_squares(shape, columns):
    x, y = RANDOM.normal(size=shape), RANDOM.normal(size=(shape[0], *columns))
    verify_grad(lambda x, y: lstsq(x, y, -1.0)[0], [x, y])
    v, w = T.dmatrix(), T.TensorType("float64", (None,) * y.ndim)()
    with pytest.raises(NullTypeGradError, match="solution only"):
        grad(lstsq(v, w, -1.0)[3].sum(), v)


def test_debugmode_judges_them():
    v, w = T.dmatrix(), T.dvector()
    f = symnet.function([v, w], [pinv(v), *lstsq(v, w, -1.0)], mode="DebugMode")
    f(RANDOM.normal(size=(5, 3)), RANDOM.normal(size=5))
