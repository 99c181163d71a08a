"""Upsampling, against `numpy.interp` and the transposed convolution that Theano takes."""

from __future__ import annotations

import numpy as np
import pytest

from symnet.config import config
from symnet.gradient import verify_grad
from symnet.ops.inputs import lscalar, matrix, tensor4
from symnet.ops.nnet.conv import conv2d_grad_wrt_inputs
from symnet.ops.nnet.upsampling import (
    bilinear_kernel_1D,
    bilinear_kernel_2D,
    bilinear_upsampling,
    frac_bilinear_upsampling,
)
from tests.helpers import run

RANDOM = np.random.default_rng(23)


def interpolated(x, p, q, axis):
    """One axis, line by line."""
    length = x.shape[axis]
    at = (np.arange(-(-length * p // q)) * q - (p - 1) // 2) / p
    return np.apply_along_axis(lambda v: np.interp(at, np.arange(length), v), axis, x)


@pytest.mark.parametrize("ratio", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("size", [(1, 1), (2, 3), (5, 4)])
def test_whole_ratios(ratio, size):
    x = RANDOM.normal(size=(2, 3, *size))
    a, r = tensor4(dtype="float64"), lscalar()
    want = interpolated(interpolated(x, ratio, 1, 2), ratio, 1, 3)
    for value in (ratio, r):
        for by_lines in (True, False):
            y = bilinear_upsampling(a, value, use_1D_kernel=by_lines)
            values = {a: x, r: ratio} if value is r else {a: x}
            np.testing.assert_allclose(run(y, values), want, atol=1e-12)


@pytest.mark.parametrize("ratio", [2, 3, 4])
def test_it_is_the_transposed_convolution_of_a_pyramid(ratio):
    x = RANDOM.normal(size=(2, 1, 4, 3))
    bordered = np.pad(x, [(0, 0), (0, 0), (1, 1), (1, 1)], mode="edge")
    kernel = bilinear_kernel_2D(ratio).astype("float64")[None, None]
    pad = 2 * ratio - (ratio - 1) // 2 - 1
    sizes = (None, None, 4 * ratio, 3 * ratio)
    up = conv2d_grad_wrt_inputs(bordered, kernel, sizes, None, pad, (ratio, ratio))
    got = run(bilinear_upsampling(x, ratio), {})
    np.testing.assert_allclose(got, run(up, {}), rtol=1e-6)


@pytest.mark.parametrize(
    "ratios", [((7, 4), (5, 3)), ((4, 2), (1, 3)), ((2, 1), (6, 9))]
)
def test_ratios_of_whole_numbers(ratios):
    x = RANDOM.normal(size=(1, 2, 5, 6))
    (p, q), (r, s) = ((a // np.gcd(a, b), b // np.gcd(a, b)) for a, b in ratios)
    want = interpolated(interpolated(x, p, q, 2), r, s, 3)
    got = run(bilinear_upsampling(x, frac_ratio=ratios, use_1D_kernel=False), {})
    np.testing.assert_allclose(got, want, atol=1e-12)
    same = run(frac_bilinear_upsampling(x, (3, 2)), {})
    np.testing.assert_array_equal(
        same, run(frac_bilinear_upsampling(x, ((3, 2), (3, 2))), {})
    )


def test_dtypes_and_gradients():
    x = RANDOM.normal(size=(1, 1, 3, 4))
    verify_grad(lambda a: bilinear_upsampling(a, 3), [x])
    half = bilinear_upsampling(x.astype("float16"), 2)
    assert half.type.dtype == "float16"
    np.testing.assert_allclose(
        run(half, {}), run(bilinear_upsampling(x, 2), {}), atol=2e-3
    )
    assert (
        bilinear_upsampling(np.ones((1, 1, 2, 2), "int8"), 2).type.dtype
        == config.floatX
    )


def test_infinity_does_not_spread():
    x = np.array([[[[1.0, np.inf, 3.0]]]])
    got = run(bilinear_upsampling(x, 3), {})[0, 0, 0]
    inf = np.inf
    np.testing.assert_array_equal(got, [1, 1, inf, inf, inf, inf, inf, 3, 3])


def test_kernels():
    r = lscalar()
    for ratio in (1, 2, 5):
        rise = np.arange(1, ratio + 1)
        want = np.concatenate([rise, rise[-2::-1]]) if ratio > 1 else rise
        got = run(bilinear_kernel_1D(r, normalize=False), {r: ratio})
        np.testing.assert_array_equal(got, want)
        np.testing.assert_allclose(run(bilinear_kernel_1D(ratio), {}), want / ratio)
    got = run(bilinear_kernel_2D((2, 3), normalize=False), {})
    np.testing.assert_array_equal(got, np.outer([1, 2, 1], [1, 2, 3, 2, 1]))


def test_what_is_refused():
    x = tensor4()
    for ratios in ({}, {"ratio": 2, "frac_ratio": (3, 2)}):
        with pytest.raises(ValueError, match="either ratio or frac_ratio"):
            bilinear_upsampling(x, **ratios)
    with pytest.raises(ValueError, match="at least 1, not 0"):
        bilinear_upsampling(x, 0)
    for wrong in ([3, 2], (3, 2, 1), ((3, 2), 1), (0, 2)):
        with pytest.raises(ValueError, match="frac_ratio"):
            bilinear_upsampling(x, frac_ratio=wrong)
    for images in (matrix(), x.astype("complex64")):
        with pytest.raises(TypeError, match="an upsampling takes images"):
            bilinear_upsampling(images, 2)
