"""Convolutions as networks use them, against loops (`tests.convolutions`), SciPy, finite
differences and PyTorch."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import scipy.signal

from symnet.compile.function import function
from symnet.errors import DeclaredShapeError, ShapeError
from symnet.gradient import grad, verify_grad
from symnet.graph.types import TensorType
from symnet.ops.base import constant
from symnet.ops.inputs import dmatrix, dtensor3, ftensor4, lscalar, tensor4
from symnet.ops.nnet import conv
from tests.convolutions import direct
from tests.helpers import run

RANDOM = np.random.default_rng(7)


def normal(*shape, dtype="float64"):
    return RANDOM.normal(size=shape).astype(dtype)


def tensor(rank, dtype="float64", name=None):
    return TensorType(dtype, (None,) * rank)(name)


@pytest.mark.parametrize(
    "left, right, dtype",
    [
        ("float32", "float64", "float64"), ("float16", "float32", "float32"),
        ("int8", "float32", "float32"), ("float32", "int32", "float64"),
        ("int8", "int32", "int32"),
    ],
)  # fmt: skip
def test_operands_of_two_dtypes(left, right, dtype):
    x = np.arange(32).reshape(1, 2, 4, 4).astype(left)
    w = np.arange(8).reshape(1, 2, 2, 2).astype(right)
    got = run(conv.conv2d(constant(x), constant(w)), {})
    assert got.dtype == dtype
    np.testing.assert_array_equal(got, direct(x, w))


@pytest.mark.parametrize("order", [(1, 2, 3, 0), (0, 1, 3, 2), (3, 0, 2, 1)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_images_as_their_own_filters(dtype, order):
    """One view in which taps have gaps is both operands."""
    x = tensor(4, dtype)
    value = normal(2, 3, 2, 3, dtype=dtype)
    view = value.transpose(order)
    shown = x.dimshuffle(*order)
    got = run(conv.conv2d(shown, shown, border_mode=1, filter_flip=False), {x: value})
    np.testing.assert_allclose(got, direct(view, view, 1, flip=False), atol=1e-5)


@pytest.mark.parametrize("mode", ["valid", "full"])
def test_against_scipy(mode):
    x, w = normal(2, 3, 6, 7), normal(4, 3, 3, 2)
    a, b = tensor4("x", dtype="float64"), tensor4("w", dtype="float64")
    got = run(conv.conv2d(a, b, border_mode=mode), {a: x, b: w})
    for n in range(2):
        for o in range(4):
            pairs = zip(x[n], w[o])
            want = sum(scipy.signal.convolve2d(p, q, mode) for p, q in pairs)
            np.testing.assert_allclose(got[n, o], want, atol=1e-12)


def test_golden_values():
    """PyTorch 2.14.1, float64, on the CPU: conv2d(x, w, stride=(2, 1), padding=(1, 2),
    dilation=(1, 2), groups=2) and the gradients of its squares' sum; conv_transpose2d."""
    x = np.sin(np.arange(2 * 4 * 5 * 6.0)).reshape(2, 4, 5, 6)
    w = np.cos(np.arange(6 * 2 * 3 * 2.0)).reshape(6, 2, 3, 2)
    a, b = tensor(4), tensor(4)
    y = conv.conv2d(
        a, b, None, None, (1, 2), (2, 1), False, filter_dilation=(1, 2), num_groups=2
    )
    by_x, by_w = grad((y**2).sum(), [a, b])
    got, by_x, by_w = run([y, by_x, by_w], {a: x, b: w}, rtol=1e-10)
    assert got.shape == (2, 6, 3, 8)
    np.testing.assert_allclose(got[1, 4, 1, 2:5], GOLDEN_Y, rtol=1e-12)
    np.testing.assert_allclose(by_x[1, 3, 2, 1:4], GOLDEN_X, rtol=1e-12)
    np.testing.assert_allclose(by_w[5, 1, :, 0], GOLDEN_W, rtol=1e-12)
    up = conv.conv2d_transpose(
        a, b, (None, None, 10, 8), None, (1, 0), (2, 1), False, (1, 2), 2
    )
    # 4 input channels: filters (4, 3, 3, 2) of two groups
    wide = np.cos(np.arange(4 * 3 * 3 * 2.0)).reshape(4, 3, 3, 2)
    got = run(up, {a: x, b: wide})
    np.testing.assert_allclose(got[1, 4, 3, 2:5], GOLDEN_UP, rtol=1e-12)


GOLDEN_Y = [0.19747000847079177, 0.3899079676868135, 0.22386633956429952]
GOLDEN_X = [-0.044706307395198985, 2.270907906884224, 1.3673202494995862]
GOLDEN_W = [-8.505894172403789, 2.3208082667531764, 9.136410108652978]
GOLDEN_UP = [0.6747186739617494, 0.8404128029509068, 0.2334352766692136]


@pytest.mark.parametrize("unshared", [False, True])
def test_derivatives_of_both_orders(unshared):
    x = normal(1, 2, 4, 3)
    w = normal(2, *((4, 3) if unshared else ()), 1, 2, 2)

    def value(a, b):
        return conv.conv2d(
            a, b, None, None, ((1, 0), 1), (1, 1), True, None, (1, 2), 2, unshared
        )

    verify_grad(value, [x, w])

    def slope(a, b):
        return sum((g**2).sum() for g in grad((value(a, b) ** 2).sum(), [a, b]))

    verify_grad(slope, [x, w])


# ---- single functions


def test_volumes():
    x, w = normal(2, 2, 4, 5, 3), normal(3, 2, 2, 3, 2)
    a, b = tensor(5), tensor(5)
    got = run(conv.conv3d(a, b, border_mode="half", subsample=(2, 1, 1)), {a: x, b: w})
    np.testing.assert_allclose(got, direct(x, w, "half", (2, 1, 1)), atol=1e-12)


def test_transposed_convolution():
    """Every element of the input adds a mirrored filter to the output."""
    x, w = normal(2, 3, 4, 3), normal(3, 2, 3, 2)
    a, b, rows = tensor(4), tensor(4), lscalar()
    up = conv.conv2d_transpose(a, b, (2, 2, rows, 8), None, "valid", (2, 3))
    assert up.type.shape == (2, 2, None, 8)
    for size in (9, 10):
        want = np.zeros((2, 2, size, 8))
        for i, j in np.ndindex(4, 3):
            patch = np.einsum("nc,cohw->nohw", x[:, :, i, j], w[:, :, ::-1, ::-1])
            want[:, :, 2 * i : 2 * i + 3, 3 * j : 3 * j + 2] += patch
        got = run(up, {a: x, b: w, rows: size})
        np.testing.assert_allclose(got, want, atol=1e-12)
    with pytest.raises(ShapeError, match="sizes of the output"):
        function([a, b, rows], up)(x, w, 11)


def test_separable_convolutions():
    x, depth, point = normal(2, 3, 5, 6), normal(6, 1, 3, 2), normal(4, 6, 1, 1)
    a, b, c = tensor(4), tensor(4), tensor(4)
    y = conv.separable_conv2d(a, b, c, 3, border_mode="half", subsample=(2, 1))
    between = direct(x, depth, "half", (2, 1), groups=3)
    got = run(y, {a: x, b: depth, c: point})
    np.testing.assert_allclose(got, direct(between, point), atol=1e-12)
    x, depth, point = x[..., None], depth[..., None], point[..., None]
    a, b, c = tensor(5), tensor(5), tensor(5)
    got = run(conv.separable_conv3d(a, b, c, 3), {a: x, b: depth, c: point})
    want = direct(direct(x, depth, groups=3), point)
    np.testing.assert_allclose(got, want, atol=1e-12)
    with pytest.raises(ShapeError, match="pointwise filter has one element"):
        conv.separable_conv2d(a[..., 0], b[..., 0], np.ones((4, 6, 2, 1)), 3)


@pytest.mark.parametrize("stride, dilation", [(1, 1), (2, 3)])
def test_causal_convolution(stride, dilation):
    x, w = normal(2, 3, 9), normal(4, 3, 3)
    a, b = dtensor3(), dtensor3()
    y = conv.causal_conv1d(
        a, b, (None, None, 3), subsample=stride, filter_dilation=dilation
    )
    got = run(y, {a: x, b: w})
    left = 2 * dilation
    want = direct(x, w, ((left, 0),), (stride,), (dilation,))
    np.testing.assert_allclose(got, want, atol=1e-12)
    # What comes later changes nothing.
    later = x.copy()
    later[..., 5:] = np.nan
    seen = -(-5 // stride)
    np.testing.assert_array_equal(run(y, {a: later, b: w})[..., :seen], got[..., :seen])


def test_the_order_of_arguments_of_both_conv2d():
    a, b = ftensor4("a"), ftensor4("b")
    x, w = normal(1, 2, 6, 6, dtype="float32"), normal(2, 2, 2, 2, dtype="float32")
    shapes = ((None, 2, 6, 6), (2, 2, 2, 2))
    with pytest.warns(UserWarning, match="input_shape"):
        one = conv.conv2d(
            a, b, None, shapes[1], "full", (2, 1), False, shapes[0], (1, 2), 1, False
        )
    other = conv.abstract_conv2d(a, b, *shapes, "full", (2, 1), False, (1, 2), 1, False)
    values = {a: x, b: w}
    np.testing.assert_array_equal(run(one, values), run(other, values))
    with warnings.catch_warnings(), pytest.raises(ValueError, match="old name"):
        conv.conv2d(a, b, (1, 2, 6, 6), image_shape=(1, 2, 6, 6))


# ---- sizes


def test_static_sizes_are_inferred():
    x = TensorType("float32", (8, 3, 28, None))("x")
    w = TensorType("float32", (16, 3, 5, 5))("w")
    assert conv.conv2d(x, w).type.shape == (8, 16, 24, None)
    assert conv.conv2d(x, w, border_mode="half", subsample=(3, 1)).type.shape == (
        (8, 16, 10, None)
    )
    free = ftensor4()
    declared = conv.conv2d(free, free, (None, 4, 9, 9), (6, 2, 3, 3), num_groups=2)
    assert declared.type.shape == (None, 6, 7, 7)
    grads = conv.conv2d_grad_wrt_weights(
        free, free, (6, 2, 3, 3), (None, 4, 9, 9), num_groups=2
    )
    assert grads.type.shape == (6, 2, 3, 3)


def test_one_channel_and_one_filter():
    """Sizes known to be 1 need no cast, whatever is known of the other operand."""
    x, w = normal(3, 1, 5, 5), normal(1, 1, 2, 2)
    one = TensorType("float64", (None, 1, None, None))("one")
    for a in (one, tensor(4)):
        for b in (TensorType("float64", (1, 1, None, None))("b"), tensor(4)):
            y = conv.conv2d(a, b)
            by_a, by_b = grad(y.sum(), [a, b])
            assert (by_a.type, by_b.type) == (a.type, b.type)
            got, *_ = run([y, by_a, by_b], {a: x, b: w})
            np.testing.assert_allclose(got, direct(x, w), atol=1e-12)


def test_gradients_have_the_types_of_their_variables():
    x, w = ftensor4("x"), ftensor4("w")
    known = constant(np.zeros((3, 5, 7, 11), "float32"))
    for flip in (True, False):
        by_w = grad(conv.conv2d(known, w, filter_flip=flip).sum(), w)
        by_x = grad(conv.conv2d(x, known, filter_flip=flip).sum(), x)
        assert (by_w.type, by_x.type) == (w.type, x.type)


def zeros(*shape):
    return np.zeros(shape, "float32")


RUN_ERRORS = [
    ({}, (1, 3, 5, 5), (2, 4, 3, 3), ShapeError, "channels of the input"),
    ({}, (1, 3, 5, 5), (2, 3, 6, 3), ValueError, "axis 2 the filter is larger"),
    ({}, (1, 3, 5, 5), (2, 3, 3, 6), ValueError, "axis 3 the filter is larger"),
    ({}, (1, 3, 5, 5), (2, 3, 0, 3), ValueError, "filter has no elements"),
    ({"filter_dilation": (1, 3)}, (1, 3, 5, 5), (2, 3, 3, 3), ValueError, "dilation 3"),
    ({"num_groups": 2}, (1, 4, 5, 5), (3, 2, 3, 3), ShapeError, "num_groups=2"),
    ({"num_groups": 2}, (1, 6, 5, 5), (4, 2, 3, 3), ShapeError, "num_groups"),
    (
        {"input_shape": (None, 3, 5, 6)}, (1, 3, 5, 5), (2, 3, 3, 3),
        DeclaredShapeError, "axis 3 has another size than 6",
    ),
    (
        {"filter_shape": (4, None, None, None)}, (1, 3, 5, 5), (2, 3, 3, 3),
        AssertionError, "filter_shape .*axis 0 has another size than 4",
    ),
]  # fmt: skip


@pytest.mark.parametrize("settings_, x, w, kind, what", RUN_ERRORS)
def test_sizes_that_a_run_finds_wrong(settings_, x, w, kind, what):
    a, b = ftensor4("a"), ftensor4("b")
    f = function([a, b], conv.conv2d(a, b, **settings_))
    with pytest.raises(kind, match=what) as caught:
        f(zeros(*x), zeros(*w))
    assert "conv.conv2d(a, b, **settings_)" in str(caught.value)
    assert f"a: {x}; b: {w}" in str(caught.value)


@pytest.mark.parametrize(
    "settings_, x, w, kind, what",
    [
        case
        for case in RUN_ERRORS
        if case[3] not in (DeclaredShapeError, AssertionError)
    ],
)
def test_known_sizes_that_are_wrong(settings_, x, w, kind, what):
    with pytest.raises(kind):
        conv.conv2d(zeros(*x), zeros(*w), **settings_)


def test_sizes_of_arrays_without_elements():
    a, b = ftensor4("a"), ftensor4("b")
    y = conv.conv2d(a, b)
    f = function([a, b], [y, *grad(y.sum(), [a, b])])
    for x, w in (
        ((0, 3, 5, 5), (2, 3, 3, 3)),
        ((1, 0, 5, 5), (2, 0, 3, 3)),
        ((1, 3, 5, 5), (0, 3, 3, 3)),
    ):
        got, by_x, by_w = f(zeros(*x), zeros(*w))
        assert got.shape == (x[0], w[0], 3, 3) and not got.any()
        assert by_x.shape == x and by_w.shape == w


@pytest.mark.parametrize(
    "settings_, kind, what",
    [
        ({"border_mode": -1}, ValueError, "at least 0, not -1"),
        ({"border_mode": "same"}, ValueError, "'valid', 'full', 'half'"),
        ({"border_mode": (1, 2, 3)}, ValueError, "one border for each of 2 axes"),
        ({"border_mode": ((1, 2, 3), 1)}, ValueError, "a pair of numbers"),
        ({"border_mode": 1.5}, ValueError, "a number of zeros"),
        ({"subsample": (0, 1)}, ValueError, "subsample: at least 1, not 0"),
        ({"subsample": (1, 1, 1)}, ValueError, "one int for each of 2 axes"),
        ({"subsample": (1.5, 1)}, TypeError, "an integer, not 1.5"),
        ({"filter_dilation": (1, -1)}, ValueError, "filter_dilation: at least 1"),
        ({"num_groups": 0}, ValueError, "num_groups: at least 1"),
        ({"input_shape": (1, 2)}, ValueError, "4 sizes, or None"),
        ({"input_shape": (1, 2, lscalar(), 3)}, ValueError, "ints, constants or None"),
        ({"filter_shape": (1, 2, -3, 3)}, ValueError, "at least 0, not -3"),
        (
            {"input_shape": (1, 4, 9, 9), "filter_shape": (2, 3, 3, 3)},
            DeclaredShapeError, "has 4 channels, and filter_shape",
        ),
        ({"unroll_batch": 4}, TypeError, "'unroll_batch'"),
    ],
)  # fmt: skip
def test_arguments_that_say_nothing(settings_, kind, what):
    with pytest.raises(kind, match=what):
        conv.conv2d(ftensor4(), ftensor4(), **settings_)


def test_wrong_operands():
    x = ftensor4("x")
    with pytest.raises(TypeError, match="filters has 4 axes, not 2"):
        conv.conv2d(x, dmatrix())
    with pytest.raises(TypeError, match="input has 5 axes, not 4"):
        conv.conv3d(x, x)
    with pytest.raises(TypeError, match="filters has 6 axes, not 4"):
        conv.conv2d(x, x, unshared=True)
    with pytest.raises(TypeError, match="no convolution of complex64"):
        conv.conv2d(x, x.astype("complex64"))
    with pytest.raises(TypeError, match="is one of floats"):
        numbers = np.ones((1, 1, 3, 3), "int32")
        conv.conv2d_grad_wrt_weights(numbers, numbers, (1, 1, 1, 1))
    for shape in (None, (1, 1, None, 3), (1, 1, 3)):
        with pytest.raises(ValueError, match="the last 2 of which are ints"):
            conv.conv2d_grad_wrt_inputs(x, x, shape)
