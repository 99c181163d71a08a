"""Theano's functions for pooling: their names, old and new, and what they refuse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet.tensor.signal import downsample, pool

RNG = np.random.default_rng(5)
VALUE = RNG.integers(0, 5, (2, 5, 7)).astype(float)


def evaluated(z: Any) -> Any:
    return symnet.function([], z)()


def test_older_names_mean_the_same() -> None:
    new = evaluated(pool.pool_2d(VALUE, (3, 2), True, (2, 1), (1, 0)))
    for old in [
        pool.pool_2d(VALUE, ds=(3, 2), ignore_border=True, st=(2, 1), padding=(1, 0)),
        downsample.max_pool_2d(VALUE, (3, 2), True, (2, 1), (1, 0)),
        downsample.DownsampleFactorMax(True)(VALUE, (3, 2), (2, 1), (1, 0)),
        pool.Pool(True, "max_deterministic")(VALUE, np.array([3, 2]), [2, 1], (1, 0)),
    ]:
        np.testing.assert_array_equal(evaluated(old), new)
    assert evaluated(pool.pool_2d(VALUE, (2, 2))).shape == (2, 3, 4)


def test_shapes_without_arrays() -> None:
    assert pool.Pool.out_shape((9, 8, 6), (2, 2)) == [9, 4, 3]
    assert pool.Pool.out_shape((5, 5), (2, 2)) == [3, 3]
    assert pool.Pool.out_shape((5, 5), (2, 2), True) == [2, 2]
    assert pool.Pool.out_shape((6, 7, 5), (3,), True, (2,), (1,), ndim=1) == [6, 7, 3]
    n = T.lscalar("n")
    (rows, columns) = pool.Pool.out_shape((n, 7), (3, 3), False, (2, 2))
    assert [rows.eval({n: k}) for k in (1, 3, 4, 5, 6)] == [1, 1, 2, 2, 3]
    assert columns == 3
    with pytest.raises(TypeError, match="1 sizes"):
        pool.Pool.out_shape((4,), (2, 2))


def test_all_but_the_maxima_become_zero() -> None:
    image = np.array([[1.0, 2, 2, 0, 9], [2, 0, -1, -3, 9], [7, 7, 7, 7, 7]])
    want = [[0, 2, 2, 0, 0], [2, 0, 0, 0, 0], [0] * 5]
    np.testing.assert_array_equal(
        evaluated(pool.max_pool_2d_same_size(image, (2, 2))), want
    )


def test_gradients_by_their_own_names() -> None:
    x, g = T.dtensor3("x"), T.dtensor3("g")
    ws, st, pad = (3, 3), (2, 2), (1, 1)
    z = pool.pool_2d(x, ws, True, st, pad)
    own = pool.MaxPoolGrad(True)(x, z, g, ws, st, pad)
    average = pool.pool_2d(x, ws, True, st, pad, "average_exc_pad")
    shares = pool.AveragePoolGrad(True, "average_exc_pad")(x, g, ws, st, pad)
    f = symnet.function(
        [x, g],
        [
            own - symnet.grad((z * g).sum(), x),
            shares - symnet.grad((average * g).sum(), x),
        ],
    )
    for difference in f(VALUE, RNG.normal(size=(2, 3, 4))):
        np.testing.assert_allclose(difference, np.zeros_like(VALUE), atol=1e-14)
    v = T.dtensor3("v")
    picked = pool.DownsampleFactorMaxGradGrad(True)(x, z, v, ws, st, pad)
    transposed = symnet.grad((own * v).sum(), g)
    f = symnet.function([x, g, v], picked - transposed, on_unused_input="ignore")
    got = f(VALUE, RNG.normal(size=(2, 3, 4)), RNG.normal(size=VALUE.shape))
    np.testing.assert_allclose(got, np.zeros((2, 3, 4)), atol=1e-14)


def test_sums_of_nothing_but_padding_give_no_gradient() -> None:
    """Windows in the padding alone, before the image and behind it."""
    x, g = T.dvector("x"), T.dvector("g")
    own = pool.AveragePoolGrad(True, "sum", ndim=1)(x, g, (2,), (1,), (2,))
    f = symnet.function([x, g], own, on_unused_input="ignore")
    weights = RNG.normal(size=8)
    want = [weights[k + 1] + weights[k + 2] for k in range(5)]
    np.testing.assert_allclose(f(np.zeros(5), weights), want)


def test_sizes_in_short_integers() -> None:
    x, ws = T.dmatrix("x"), T.ivector("ws")
    z = pool.pool_2d(x, ws, True, ws - 1)
    f = symnet.function([x, ws], symnet.grad((z**2).sum(), x))
    image = np.arange(20.0).reshape(4, 5)
    want = np.zeros((4, 5))
    for at in [(2, 2), (2, 4)]:
        want[at] = 2 * image[at]
    np.testing.assert_array_equal(f(image, np.array([3, 3], "int32")), want)


def test_padding_that_only_a_call_knows_must_be_none_with_borders() -> None:
    x, pad = T.dmatrix("x"), T.ivector("pad")
    z = pool.pool_2d(x, (2, 2), False, (2, 2), pad)
    f = symnet.function([x, pad], [z, symnet.grad(z.sum(), x)])
    got, slope = f(VALUE[0], np.zeros(2, "int32"))
    np.testing.assert_array_equal(got, evaluated(pool.pool_2d(VALUE[0], (2, 2), False)))
    assert slope.shape == (5, 7)
    with pytest.raises(NotImplementedError, match="ignore_border=True"):
        f(VALUE[0], np.array([0, 1], "int32"))


@pytest.mark.parametrize(
    ("arguments", "kind", "match"),
    [
        ({}, ValueError, "needs the size of its windows"),
        ({"ws": (2, 2), "ds": (2, 2)}, ValueError, "ws or ds"),
        ({"ws": (2, 2), "stride": (1, 1), "st": (1, 1)}, ValueError, "stride or st"),
        (
            {"ws": (2, 2), "pad": (1, 1), "padding": (1, 1)},
            ValueError,
            "pad or padding",
        ),
        ({"ws": (2, 2), "mode": "median"}, ValueError, "no mode 'median'"),
        ({"ws": (2, 0)}, ValueError, "a window of pooling is 1 at least"),
        ({"ws": (2, -2)}, ValueError, "a window of pooling is 1 at least"),
        ({"ws": (2, 2), "stride": (0, 1)}, ValueError, "a stride of pooling is 1"),
        ({"ws": (2, 2), "pad": (-1, 0), "ignore_border": True}, ValueError, "negative"),
        ({"ws": (2, 2), "pad": (1, 0)}, NotImplementedError, "ignore_border=True"),
        (
            {"ws": (2, 2), "pad": (0, 2), "ignore_border": True},
            NotImplementedError,
            "smaller than its window",
        ),
        ({"ws": (2, 2.5)}, TypeError, "integer"),
        ({"ws": np.array([2.0, 2.0])}, TypeError, "tuple of 2 ints"),
        ({"ws": (2, 2, 2)}, ValueError, "2 numbers"),
        ({"ws": np.array([2, 2, 2])}, ValueError, "2 numbers"),
    ],
)
def test_wrong_arguments(arguments: Any, kind: Any, match: str) -> None:
    with pytest.raises(kind, match=match):
        pool.pool_2d(T.dtensor4("x"), **arguments)
