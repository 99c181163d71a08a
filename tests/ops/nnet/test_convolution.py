"""The operation itself, against loops over its equation and against SciPy."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st

from symnet.compile.function import function
from symnet.config import config
from symnet.errors import ShapeError
from symnet.gradient import Rop, grad, verify_grad
from symnet.graph.types import TensorType
from symnet.kernels.cpu.library import winograd_steps, winograd_sums_steps
from symnet.ops.base import constant
from symnet.ops.inputs import lscalar
from symnet.ops.nnet.conv import conv2d
from symnet.ops.nnet.convolution import Convolution, in_order, mirrored
from tests.helpers import run

RANDOM = np.random.default_rng(5)


def loops(op, x, w, low, sizes):
    """The equation, element by element."""
    y = np.zeros((x.shape[0], x.shape[1], w.shape[1], *sizes))
    for place in np.ndindex(*sizes):
        for tap in np.ndindex(*w.shape[3:]):
            at = [
                p * s + t * d - b
                for p, s, t, d, b in zip(place, op.strides, tap, op.dilations, low)
            ]
            if any(a % e for a, e in zip(at, op.spreads)):
                continue
            q = tuple(a // e for a, e in zip(at, op.spreads))
            if all(0 <= k < n for k, n in zip(q, x.shape[3:])):
                part = (slice(None), slice(None), slice(None))
                terms = np.einsum("gnc,goc->gno", x[(*part, *q)], w[(*part, *tap)])
                y[(*part, *place)] += terms
    return y


def variables(rank, dtype="float64"):
    kind = TensorType(dtype, (None,) * (3 + rank))
    return kind("x"), kind("w")


@st.composite
def cases(draw):
    rank = draw(st.sampled_from([1, 1, 2, 3]))
    small = st.integers(1, 3)

    def each(numbers):
        return tuple(draw(numbers) for _ in range(rank))

    order = tuple(draw(st.permutations(range(3))))
    op = Convolution(each(small), each(small), each(small), order)
    groups, images, filters, channels = (draw(st.integers(0, 3)) for _ in range(4))
    inputs, taps = each(st.integers(0, 5)), each(st.integers(0, 3))
    low, sizes = each(st.integers(-3, 5)), each(st.integers(0, 5))
    x = RANDOM.normal(size=(groups, images, channels, *inputs))
    w = RANDOM.normal(size=(groups, filters, channels, *taps))
    return op, x, w, low, sizes, each(st.sampled_from([1, -1]))


@settings(max_examples=120)
@given(cases())
def test_all_combinations(case):
    """Sizes 0 and 1, borders that cut off, spread and reversed inputs, one to three axes."""
    op, x, w, low, sizes, steps = case
    reversed_ = (..., *(slice(None, None, step) for step in steps))
    a, b = variables(op.rank)
    numbers = [lscalar() for _ in range(2 * op.rank)]
    given_values = {a: x, b: w, **dict(zip(numbers, [*low, *sizes]))}
    got = run(op(a[reversed_], b, *numbers), given_values)
    want = loops(op, x[reversed_], w, low, sizes)
    want = want.transpose(*op.order, *range(3, want.ndim))
    np.testing.assert_allclose(got, want, atol=1e-12)


@pytest.mark.parametrize(
    "x_shape, w_shape, low, sizes",
    [
        ((1, 2, 3, 20, 30), (1, 8, 3, 3, 3), (0, 0), (18, 28)),  # along the output
        ((1, 2, 3, 4, 5), (1, 2, 3, 3, 3), (2, 2), (6, 7)),  # along the input
        ((1, 2, 3, 20, 30), (1, 8, 3, 18, 28), (0, 0), (3, 3)),  # along the taps
    ],
)
def test_reversed_axes_of_all_operands(x_shape, w_shape, low, sizes):
    x, w = RANDOM.normal(size=x_shape), RANDOM.normal(size=w_shape)
    a, b = variables(2)
    for mirror in ((slice(None, None, -1), slice(None)), (slice(None, None, -1),) * 2):
        index = (..., *mirror)
        op = Convolution((1, 1))
        got = run(op(a[index], b[index], *low, *sizes), {a: x, b: w})
        want = loops(op, x[index], w[index], low, sizes)
        np.testing.assert_allclose(got, want, atol=1e-10)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("flip", [False, True])
def test_against_scipy(dtype, flip):
    x = RANDOM.normal(size=(2, 2, 3, 9, 8)).astype(dtype)
    w = RANDOM.normal(size=(2, 4, 3, 3, 2)).astype(dtype)
    a, b = variables(2, dtype)
    y = Convolution((1, 1))(a, mirrored(b, 2) if flip else b, 0, 0, 7, 7)
    got = run(y, {a: x, b: w}, rtol=1e-5 if dtype == "float32" else None)
    assert got.dtype == dtype
    with_scipy = scipy.signal.convolve2d if flip else scipy.signal.correlate2d
    for g, n, o in itertools.product(range(2), range(2), range(4)):
        want = sum(with_scipy(x[g, n, c], w[g, o, c], "valid") for c in range(3))
        np.testing.assert_allclose(got[g, n, o], want, atol=1e-5)


@pytest.mark.parametrize(
    "op, low, sizes",
    [
        (Convolution((1,)), (1,), (6,)),
        (Convolution((2,), (2,), (1,)), (1,), (3,)),
        (Convolution((3,), (1,), (2,)), (-1,), (4,)),
        (Convolution((1, 2), (2, 1), (3, 1)), (2, -1), (5, 2)),
        (Convolution((2, 1, 1), (1, 1, 2), (1, 2, 1)), (0, 1, 1), (2, 4, 3)),
        (Convolution((2,), order=(1, 0, 2)), (1,), (3,)),
        (Convolution((1,), (2,), order=(2, 0, 1)), (1,), (4,)),
    ],
)
def test_gradients_of_both_orders(op, low, sizes):
    inputs, taps = (5, 4, 3)[: op.rank], (3, 2, 2)[: op.rank]
    x = RANDOM.normal(size=(2, 1, 2, *inputs))
    w = RANDOM.normal(size=(2, 2, 2, *taps))

    def value(a, b):
        return op(a, b, *low, *sizes)

    verify_grad(value, [x, w])

    def slope(a, b):
        y = value(a, b)
        return sum((g**2).sum() for g in grad((y**3).sum(), [a, b]))

    verify_grad(slope, [x, w])


def test_gradients_know_no_more_sizes_than_their_variables():
    x, w = variables(1)
    known = constant(RANDOM.normal(size=(1, 2, 3, 9)))
    filters = constant(RANDOM.normal(size=(1, 2, 3, 2)))
    for y in (Convolution((1,))(known, w, 0, 5), Convolution((1,))(x, filters, 0, 5)):
        leaf = w if y.owner.inputs[1] is w else x
        assert grad(y.sum(), leaf).type == leaf.type


def test_nan_and_infinity_stay_where_they_are():
    x = np.ones((1, 1, 1, 6))
    x[..., 2] = np.inf
    x[..., 5] = np.nan
    a, b = variables(1)
    got = run(Convolution((1,))(a, b, 0, 5), {a: x, b: np.ones((1, 1, 1, 2))})
    np.testing.assert_array_equal(got[0, 0, 0], [2, np.inf, np.inf, 2, np.nan])


def test_sizes_are_known_where_the_numbers_are():
    x = TensorType("float32", (1, None, 3, None))("x")
    w = TensorType("float32", (None, 4, 3, 5))("w")
    assert Convolution((1,))(x, w, 0, 7).type.shape == (1, None, 4, 7)
    assert Convolution((1,))(x, w, 0, lscalar()).type.shape == (1, None, 4, None)
    swapped = Convolution((1,), order=(1, 2, 0))
    assert swapped(x, w, 0, 7).type.shape == (None, 4, 1, 7)


def test_views_need_no_copies():
    x = RANDOM.normal(size=(7, 9, 2, 1, 3))
    w = RANDOM.normal(size=(3, 2, 4, 4, 1))
    a, b = variables(2)
    y = Convolution((1, 1))(
        a.transpose(4, 3, 2, 0, 1)[..., ::-1, ::2],
        b.transpose(0, 2, 1, 4, 3)[..., ::-2],
        0, 0, 7, 4,
    )  # fmt: skip
    got = run(y, {a: x, b: w})
    seen_x = x.transpose(4, 3, 2, 0, 1)[..., ::-1, ::2]
    seen_w = w.transpose(0, 2, 1, 4, 3)[..., ::-2]
    want = loops(y.owner.op, seen_x, seen_w, (0, 0), (7, 4))
    np.testing.assert_allclose(got, want, atol=1e-12)


def test_filters_laid_in_order_are_the_same_filters():
    v = TensorType("float64", (None,) * 4)("v")
    w = RANDOM.normal(size=(2, 3, 4, 5))
    laid = in_order(mirrored(v, 2).transpose(1, 0, 3, 2))
    np.testing.assert_array_equal(
        run(laid, {v: w}), w[..., ::-1, ::-1].transpose(1, 0, 3, 2)
    )
    assert run(laid, {v: w[:0]}).shape == (3, 0, 5, 4)
    verify_grad(lambda a: in_order(a.transpose(1, 0, 2, 3)) ** 2, [w])


def test_derivatives_forwards():
    x, w = variables(1)
    a, b = RANDOM.normal(size=(1, 2, 3, 6)), RANDOM.normal(size=(1, 2, 3, 2))
    y = Convolution((2,))(x, w, 1, 3)
    along = [v.type() for v in (x, w)]
    p, q = RANDOM.normal(size=a.shape), RANDOM.normal(size=b.shape)
    values = {x: a, w: b, along[0]: p, along[1]: q}
    # The convolution is linear in each of its operands.
    want = loops(y.owner.op, p, b, (1,), (3,)) + loops(y.owner.op, a, q, (1,), (3,))
    np.testing.assert_allclose(run(Rop(y, [x, w], along), values), want, atol=1e-12)


def test_wrong_settings():
    for settings_ in [((),), ((0,),), ((1, 1), (1,)), ((1,) * 4,), ((1,), (1,), (-1,))]:
        with pytest.raises(ValueError, match="one positive int"):
            Convolution(*settings_)
    with pytest.raises(ValueError, match="a permutation"):
        Convolution((1,), order=(0, 1, 1))


def test_wrong_operands():
    x, w = variables(1)
    op = Convolution((1,))
    with pytest.raises(TypeError, match="two arrays of rank 4"):
        op(x, w[0], 0, 3)
    with pytest.raises(TypeError, match="two arrays of rank 4"):
        op(x, w.astype("float32"), 0, 3)
    with pytest.raises(TypeError, match="two arrays of rank 4"):
        op(x.astype("int32"), w.astype("int32"), 0, 3)
    with pytest.raises(TypeError, match="two arrays of rank 4"):
        op(x, w, 0)
    with pytest.raises(TypeError, match="is an integer"):
        op(x, w, 0.5, 3)


def test_known_sizes_that_differ():
    x = TensorType("float64", (2, None, 3, None))("x")
    for shape, what in (((1, 4, 3, 2), "groups"), ((2, 4, 5, 2), "channels")):
        with pytest.raises(ShapeError, match=what):
            Convolution((1,))(x, TensorType("float64", shape)("w"), 0, 3)


def test_sizes_that_differ_at_a_run():
    x, w = variables(1)
    size = lscalar("size")
    f = function([x, w, size], Convolution((1,))(x, w, 0, size))
    ones = np.ones
    with pytest.raises(ShapeError, match="channels of input and filters"):
        f(ones((1, 1, 2, 5)), ones((1, 1, 3, 2)), 4)
    with pytest.raises(ShapeError, match="groups of input and filters"):
        f(ones((2, 1, 2, 5)), ones((1, 1, 2, 2)), 4)
    with pytest.raises(ValueError, match="size below 0") as caught:
        f(ones((1, 1, 2, 5)), ones((1, 1, 2, 2)), -1)
    assert "f = function([x, w, size]" in str(caught.value)


def test_axes_of_one_element_are_not_mirrored() -> None:
    value = np.arange(24.0).reshape(2, 3, 1, 4)
    for shape in ((2, 3, 1, 4), (None, None, None, None), (2, 3, 1, None)):
        v = TensorType("float64", shape)("v")
        np.testing.assert_array_equal(run(mirrored(v, 2), {v: value}), value[..., ::-1])
    one = TensorType("float64", (None, None, 1, 1))("one")
    assert mirrored(one, 2) is one


# ---- by fewer multiplications (Winograd's forms), where there are many channels


def layer(dtype, mode=None):
    """y, its gradients, and theirs, as a function of x, w and a weight v of y."""
    kind = TensorType(dtype, (None,) * 5)
    x, w, v = (kind(name) for name in "xwv")
    y = Convolution((1, 1))(x, w, 1, 1, x.shape[3], x.shape[4])
    first = grad((y * y * v).sum(), [x, w])
    second = grad(sum((g * g).sum() for g in first), [x, w])
    return function([x, w, v], [y, *first, *second], mode=mode)


def layer_arguments(dtype, images, size):
    x = RANDOM.normal(size=(1, images, 16, *size)).astype(dtype)
    w = RANDOM.normal(size=(1, 24, 16, 3, 3)).astype(dtype)
    v = RANDOM.normal(size=(1, images, 24, *size)).astype(dtype)
    return x, w, v


@pytest.mark.parametrize("dtype, error", [("float32", 1e-5), ("float64", 1e-13)])
@pytest.mark.parametrize("images, size", [(3, (17, 30)), (1, (31, 16))])
def test_winograds_forms_in_both_orders(dtype, error, images, size, monkeypatch):
    # Where they are used depends on the processor; here they are to be used everywhere.
    for module in (winograd_steps, winograd_sums_steps):
        monkeypatch.setattr(module, "winograd_costs", lambda: winograd_steps.COSTS[64])
    given = layer_arguments(dtype, images, size)
    reference = layer("float64", "FAST_COMPILE")
    with config.change_flags(winograd="off"):
        usual, wants = (
            layer(dtype)(*given),
            reference(*(a.astype(float) for a in given)),
        )
    found = layer(dtype)(*given)
    for got, other, want in zip(found, usual, wants, strict=True):
        scale = abs(want).max()
        np.testing.assert_allclose(got / scale, want / scale, rtol=0, atol=error)
        assert (got != other).any(), "it was not used"
    op = Convolution((1, 1))
    expected = loops(op, *given[:2], (1, 1), size)
    np.testing.assert_allclose(found[0], expected, rtol=0, atol=error * 200)


def test_a_nan_reaches_through_winograds_forms_whom_it_concerns():
    x, w, v = layer_arguments("float32", 2, (20, 30))
    x[0, 1, 5, 7, 13] = np.nan
    y, back, forth, *_ = layer("float32")(x, w, v)
    want = np.zeros(y.shape, bool)
    want[0, 1, :, 6:9, 12:15] = True
    np.testing.assert_array_equal(np.isnan(y), want)
    want = np.zeros(x.shape, bool)
    want[0, 1, :, 5:10, 11:16] = True
    np.testing.assert_array_equal(np.isnan(back), want)
    assert np.isnan(forth).all()


@pytest.mark.parametrize("sizes", [(1, 1), (3, 2)], ids=["a pixel", "pictures"])
@pytest.mark.parametrize("turned", [(-1, 1), (1, -1), (-1, -1)])
def test_images_and_filters_turned_round(sizes, turned):
    """Filters of one tap may become products, whose rows the BLAS wants forward."""
    rng = np.random.default_rng(4)
    x, w = rng.normal(size=(3, 2, *sizes)), rng.normal(size=(4, 2, 1, 1))
    images, filters = (
        TensorType("float64", (None,) * 4)("images"),
        TensorType("float64", (None,) * 4)("filters"),
    )
    place = tuple(slice(None, None, step) for step in turned)
    y = conv2d(images[place], filters[place])
    want = np.einsum("ncij,oc->noij", x[place], w[place][:, :, 0, 0])
    np.testing.assert_allclose(function([images, filters], y)(x, w), want)
