"""Theano's older convolutions, against loops and SciPy."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.signal

from symnet.errors import DeclaredShapeError, NotScalarConstantError
from symnet.gradient import grad, verify_grad
from symnet.graph.types import TensorType
from symnet.ops.base import constant
from symnet.ops.inputs import dmatrix, dtensor3, iscalar, tensor4
from symnet.ops.nnet import legacy_conv as legacy
from tests.convolutions import direct
from tests.helpers import run

RANDOM = np.random.default_rng(19)


def normal(*shape):
    return RANDOM.normal(size=shape)


@pytest.mark.parametrize("border", ["valid", "full"])
def test_the_first_conv2d(border):
    x, w = normal(3, 2, 7, 5), normal(5, 2, 2, 3)
    a, b = tensor4(dtype="float64"), tensor4(dtype="float64")
    shapes = constant(np.array([3, 2, 7, 5])), (constant(5), None, 2, 3)
    y = legacy.legacy_conv2d(
        a, b, *shapes, border, (2, 1), unroll_batch=2, version=-1, openmp=None
    )
    assert y.type.shape[:2] == (3, 5)
    np.testing.assert_allclose(
        run(y, {a: x, b: w}), direct(x, w, border, (2, 1)), atol=1e-12
    )


def test_what_the_first_conv2d_refuses():
    x = tensor4()
    for border in ("half", 1):
        with pytest.raises(ValueError, match="'valid' or 'full'"):
            legacy.legacy_conv2d(x, x, border_mode=border)
    with pytest.raises(ValueError, match="imshp_logical is not supported"):
        legacy.legacy_conv2d(x, x, imshp_logical=(3, 3))
    with pytest.raises(TypeError, match="'unroll'"):
        legacy.legacy_conv2d(x, x, unroll=2)
    with pytest.raises(NotScalarConstantError, match="constant sizes"):
        legacy.legacy_conv2d(x, x, (3, 2, 8, iscalar()))
    with pytest.raises(TypeError, match="sizes are integers"):
        legacy.legacy_conv2d(x, x, (3, 2, 8, 1.5))
    with pytest.raises(DeclaredShapeError):
        legacy.legacy_conv2d(x, x, (3, 2, 8, 8), (4, 3, 5, 5))
    with pytest.raises(NotImplementedError, match="T.nnet.conv2d"):
        legacy.ConvOp(output_mode="valid", dx=1, dy=1)


@pytest.mark.parametrize("border", ["valid", "full"])
@pytest.mark.parametrize("images, filters", [(0, 0), (2, 0), (0, 3), (2, 3)])
def test_images_and_filters_without_channels(border, images, filters):
    x, w = normal(max(images, 1), 7, 6), normal(max(filters, 1), 3, 2)
    want = np.array(
        [[scipy.signal.convolve2d(one, k, border)[:, ::2] for k in w] for one in x]
    )
    a, b = (dtensor3() if n else dmatrix() for n in (images, filters))
    x, w = (v if n else v[0] for v, n in ((x, images), (w, filters)))
    want = want[(slice(None) if images else 0, slice(None) if filters else 0)]
    for shapes in ((None, None), (x.shape, w.shape), ((7, 6), (3, 2))):
        y = legacy.signal_conv2d(a, b, *shapes, border, (1, 2))
        np.testing.assert_allclose(run(y, {a: x, b: w}), want, atol=1e-12)
    with pytest.raises(ValueError, match="two axes or three"):
        legacy.signal_conv2d(tensor4(), b)


@pytest.mark.parametrize("border", ["valid", "full", "half", ("full", "half", "valid")])
def test_films(border):
    signals, filters = normal(2, 5, 3, 6, 7), normal(4, 2, 3, 3, 2)
    kind = TensorType("float64", (None,) * 5)
    a, b = kind(), kind()
    y = legacy.spatiotemporal_conv3d(a, b, (None, 5, 3, 6, 7), filters.shape, border)
    want = direct(signals.swapaxes(1, 2), filters.swapaxes(1, 2), border)
    got = run(y, {a: signals, b: filters})
    np.testing.assert_allclose(got, want.swapaxes(1, 2), atol=1e-12)
    with pytest.raises(TypeError, match="signals have five axes"):
        legacy.spatiotemporal_conv3d(dtensor3(), b)


@pytest.mark.parametrize(
    "shape, i0, i1", [((7, 4), 0, 1), ((4, 3, 7), 2, 0), ((5, 5), -2, -1)]
)
def test_stripes(shape, i0, i1):
    x = normal(*shape)
    v = TensorType("float64", (None,) * len(shape))()
    got = run(legacy.diagonal_subtensor(v, i0, i1), {v: x})
    moved = np.moveaxis(x, (i0, i1), (-2, -1))
    m, n = moved.shape[-2:]
    want = np.array(
        [[moved[..., i + n - 1 - j, j] for j in range(n)] for i in range(m - n + 1)]
    )
    want = np.moveaxis(np.moveaxis(want, (0, 1), (-2, -1)), (-2, -1), (i0, i1))
    np.testing.assert_array_equal(got, want)
    verify_grad(lambda a: legacy.diagonal_subtensor(a, i0, i1), [x])
    seed = TensorType("float64", (None,) * len(shape))()
    added = legacy.inc_diagonal_subtensor(v, i0, i1, seed)
    derived = grad((legacy.diagonal_subtensor(v, i0, i1) * seed).sum(), v)
    amount = normal(*got.shape)
    values = {v: x, seed: amount}
    np.testing.assert_allclose(run(added, values), x + run(derived, values))
    with pytest.raises(ValueError, match="twice"):
        legacy.DiagonalSubtensor(inplace=True)(v, i0, i0)


@pytest.mark.parametrize("border", ["valid", "full"])
@pytest.mark.parametrize("stride", [(1, 1), (2, 3)])
def test_the_shape_of_a_first_convolution(border, stride):
    image, taps = np.ones((9, 8)), np.ones((3, 2))
    whole = scipy.signal.convolve2d(image, taps, mode=border)
    want = whole[:: stride[0], :: stride[1]].shape
    shape = legacy.ConvOp.getOutputShape
    assert tuple(shape((9, 8), (3, 2), stride, border)) == want
    assert tuple(shape((None, 8), (3, 2), stride, border)) == (None, want[1])
    rows = iscalar("rows")
    found = shape((rows, 8), (3, 2), stride, border)[0]
    assert found.eval({rows: 9}) == want[0]
