"""Convolutions with every combination of arguments, against loops over their definition
(`tests.convolutions`)."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from symnet.compile.function import function
from symnet.gradient import grad
from symnet.graph.types import TensorType
from symnet.ops.nnet.filter_use import filter_use
from symnet.printing.stages import Stages
from tests.convolutions import direct

RANDOM = np.random.default_rng(11)


def normal(*shape):
    return RANDOM.normal(size=shape)


def tensor(rank, dtype="float64"):
    return TensorType(dtype, (None,) * rank)()


@st.composite
def uses(draw):
    """Arguments of a convolution, with an input and filters that fit."""
    rank = draw(st.sampled_from([1, 2, 2, 2, 3]))

    def each(strategy):
        return tuple(draw(strategy) for _ in range(rank))

    pair = st.tuples(st.integers(0, 3), st.integers(0, 3))
    border = draw(
        st.sampled_from(["valid", "half", "full", 0, 2])
        | st.just(each(st.integers(0, 2) | pair))
    )
    strides, dilations = each(st.integers(1, 3)), each(st.integers(1, 2))
    groups, flip = draw(st.integers(1, 3)), draw(st.booleans())
    taps = each(st.integers(1, 3))
    covered = [(t - 1) * d + 1 for t, d in zip(taps, dilations)]
    spatial = [c + draw(st.integers(0, 3)) for c in covered]
    own, each_ = draw(st.integers(0, 2)), draw(st.integers(0, 2))
    x = normal(draw(st.integers(0, 2)), own * groups, *spatial)
    w = normal(each_ * groups, own, *taps)
    arguments = (border, strides, dilations, flip, groups)
    return rank, arguments, x, w


def made(rank, arguments, unshared=False):
    border, strides, dilations, flip, groups = arguments
    return filter_use(
        rank, None, None, border, strides, flip, dilations, groups, unshared
    )


@settings(max_examples=50)
@given(uses())
def test_every_combination_of_arguments(case):
    """The value, and both gradients by name beside those that grad() makes."""
    rank, arguments, x, w = case
    a, b = tensor(2 + rank), tensor(2 + rank)
    use = made(rank, arguments)
    y = use.convolve(a, b)
    want = direct(x, w, *arguments)
    g = normal(*want.shape)
    seed = tensor(2 + rank)
    named = [
        use.input_gradient(b, seed, [a.shape[2 + k] for k in range(rank)]),
        use.filter_gradient(a, seed, [b.shape[2 + k] for k in range(rank)]),
    ]
    derived = grad(None, [a, b], known_grads={y: seed})
    f = function([a, b, seed], [y, *named, *derived])
    got, by_x, by_w, also_by_x, also_by_w = f(x, w, g)
    np.testing.assert_allclose(got, want, atol=1e-12)
    assert by_x.shape == x.shape and by_w.shape == w.shape
    np.testing.assert_allclose(by_x, also_by_x, atol=1e-12)
    np.testing.assert_allclose(by_w, also_by_w, atol=1e-12)
    # Both are the transposes of maps that are linear: <g, y(x, w)> is the same thrice.
    np.testing.assert_allclose((by_x * x).sum(), (g * want).sum(), atol=1e-9)
    np.testing.assert_allclose((by_w * w).sum(), (g * want).sum(), atol=1e-9)


@settings(max_examples=15)
@given(uses())
def test_filters_that_are_not_shared(case):
    rank, arguments, x, w = case
    places = direct(x, w, *arguments).shape[2:]
    w = normal(w.shape[0], *places, *w.shape[1:])
    a, b, seed = tensor(2 + rank), tensor(2 + 2 * rank), tensor(2 + rank)
    use = made(rank, arguments, unshared=True)
    y = use.convolve(a, b)
    by_x = use.input_gradient(b, seed, [a.shape[2 + k] for k in range(rank)])
    by_w = use.filter_gradient(a, seed, [b.shape[-rank + k] for k in range(rank)])
    want = direct(x, w, *arguments, unshared=True)
    g = normal(*want.shape)
    got, by_x, by_w = function([a, b, seed], [y, by_x, by_w])(x, w, g)
    np.testing.assert_allclose(got, want, atol=1e-12)
    np.testing.assert_allclose((by_x * x).sum(), (g * want).sum(), atol=1e-9)
    np.testing.assert_allclose((by_w * w).sum(), (g * want).sum(), atol=1e-9)
    assert by_x.shape == x.shape and by_w.shape == w.shape


@settings(max_examples=20)
@given(uses(), st.sampled_from(["int8", "int64", "uint8", "float16", "float32"]))
def test_dtypes(case, dtype):
    """Integers wrap around; float16 is computed in float32."""
    rank, arguments, x, w = case
    x, w = (np.round(9 * v).astype(dtype) for v in (x, w))
    a, b = tensor(2 + rank, dtype), tensor(2 + rank, dtype)
    got = function([a, b], made(rank, arguments).convolve(a, b))(x, w)
    assert got.dtype == dtype
    with np.errstate(all="ignore"):
        want = direct(x, w, *arguments).astype(dtype)
    np.testing.assert_array_equal(got, want)


def test_results_of_groups_are_not_copied():
    """They are made in the place and order of the output."""
    x, w, g = (tensor(4) for _ in range(3))
    y = made(2, (1, (1, 1), (1, 1), False, 3)).convolve(x, w)
    images, filters = normal(2, 6, 5, 5), normal(9, 2, 3, 3)
    values = images, filters, normal(2, 9, 5, 5)
    for output in (y, *grad(None, [x, w], known_grads={y: g})):
        f = function([x, w, g], output, on_unused_input="ignore")
        assert f(*values).shape in (images.shape, filters.shape, values[2].shape)
        assert "output 0 becomes temporary" in Stages(f).text("program")
