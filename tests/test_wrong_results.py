"""Values that compilers of this kind once got wrong without saying so.

Each test compares with NumPy, or with the number itself, compiled and uncompiled; where
a gradient is in question, through `grad`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet.errors import ShapeError

RNG = np.random.default_rng(20)
Compile = Callable[..., Any]


@pytest.fixture(params=["FAST_RUN", "FAST_COMPILE"])
def compile(request: pytest.FixtureRequest) -> Compile:
    """`function` in one of the modes."""
    return lambda inputs, outputs, **keywords: symnet.function(
        inputs, outputs, mode=request.param, **keywords
    )


def same(got: Any, want: Any, rtol: float = 1e-12) -> None:
    np.testing.assert_allclose(got, want, rtol=rtol, atol=1e-14, strict=True)


# ---- reductions


def test_a_sum_of_products_is_not_a_product_of_all(compile: Compile) -> None:
    a = T.dmatrix()
    value = np.array([[0.1, 0.2], [0.3, 0.5]])
    same(compile([a], T.prod(a, axis=1).sum())(value), np.float64(0.17))
    same(compile([a], T.sum(a, axis=0).prod())(value), np.float64(0.4 * 0.7))


AXES = [*range(3), *itertools.combinations(range(3), 2), (0, 1, 2), None]


@pytest.mark.parametrize("reduce", ["sum", "prod", "max"])
def test_reductions_of_reductions(compile: Compile, reduce: str) -> None:
    x = T.dtensor3()
    value = RNG.uniform(0.5, 1.5, (2, 3, 4))
    symbolic, numeric = getattr(T, reduce), getattr(np, reduce)
    outputs, wanted = [], []
    for first in AXES:
        inner = numeric(value, axis=first)
        second = [
            *range(inner.ndim),
            None,
            *([tuple(range(inner.ndim))] if inner.ndim else []),
        ]
        for axis in second:
            outputs.append(symbolic(symbolic(x, axis=first), axis=axis))
            wanted.append(numeric(inner, axis=axis))
    for got, want in zip(compile([x], outputs)(value), wanted, strict=True):
        same(got, want)


@pytest.mark.parametrize("axis", [0, 1, -1, None, (0, 1)])
def test_a_sum_of_quotients_with_a_moved_axis(compile: Compile, axis: Any) -> None:
    x, y = T.dmatrix(), T.dvector()
    a, b = RNG.uniform(1, 2, (3, 3)), RNG.uniform(1, 2, 3)
    rows = compile([x, y], T.sum(x / y.dimshuffle("x", 0), axis=axis))
    columns = compile([x, y], T.sum(x / y.dimshuffle(0, "x"), axis=axis))
    same(rows(a, b), np.sum(a / b, axis=axis))
    same(columns(a, b), np.sum(a / b[:, None], axis=axis))


def test_the_sum_of_a_stack_keeps_its_axis(compile: Compile) -> None:
    a = T.dvector()
    value = np.arange(1.0, 6.0)
    same(compile([a], T.sum(T.stack([a, a]), axis=1))(value), np.array([15.0, 15.0]))
    same(compile([a], T.sum(T.stack([a, a]), axis=0))(value), 2 * value)
    same(compile([a], T.sum(T.stack([a, a], axis=1), axis=1))(value), 2 * value)


@pytest.mark.parametrize("name", ["max", "min", "argmax", "argmin"])
def test_extremes_know_nan(compile: Compile, name: str) -> None:
    for dtype in ("float32", "float64"):
        x = T.matrix(dtype=dtype)
        value = RNG.normal(size=(5, 19)).astype(dtype)
        value[1, 3] = value[4, 18] = value[2, 0] = np.nan
        for axis in (0, 1, None):
            f = compile([x], getattr(T, name)(x, axis=axis))
            want = getattr(np, name)(value, axis=axis)
            np.testing.assert_array_equal(f(value), want)
    pair = compile([x], [T.maximum(x, 0.0), T.minimum(x, 0.0)])(value)
    assert np.isnan(pair[0][1, 3])
    assert np.isnan(pair[1][1, 3])


MONOTONE = ["exp", "log", "tanh", "sqrt", "neg", "arctan", "log1p", "nnet.sigmoid"]


@pytest.mark.parametrize("name", [*MONOTONE, "nnet.softmax", "inv"])
def test_the_largest_result_is_not_the_largest_operand(
    compile: Compile, name: str
) -> None:
    function: Any = T
    for part in name.split("."):
        function = getattr(function, part)
    x = T.dmatrix()
    value = RNG.uniform(0.5, 3, (4, 5))
    y = function(x)
    outputs = [T.max(y), T.max(y, axis=1), T.argmax(y, axis=1), T.min(y, axis=0)]
    found = compile([x], [y, *outputs])(value)
    same(found[1], found[0].max())
    same(found[2], found[0].max(axis=1))
    np.testing.assert_array_equal(found[3], found[0].argmax(axis=1))
    same(found[4], found[0].min(axis=0))


def test_a_scalar_summed_in_another_dtype_is_converted(compile: Compile) -> None:
    for dtype, wide in (
        ("float32", "float64"),
        ("int8", "int64"),
        ("int32", "float64"),
    ):
        x = T.scalar(dtype=dtype)
        f = compile([x], [T.sum(x, dtype=wide), T.prod(x, dtype=wide)])
        for got in f(np.asarray(3, dtype)):
            assert got.dtype == wide
            assert got == 3


@pytest.mark.parametrize("shape", [(4097, 3), (5000, 2, 3), (4099, 1, 2, 2), (3, 5000)])
def test_every_pattern_of_reduced_axes(
    compile: Compile, shape: tuple[int, ...]
) -> None:
    x = T.TensorType("float32", (None,) * len(shape))()
    value = RNG.uniform(0, 1, shape).astype("float32")
    axes = range(len(shape))
    patterns = [p for n in axes for p in itertools.combinations(axes, n + 1)]
    found = compile([x], [x.sum(axis=p) for p in patterns])(value)
    for got, pattern in zip(found, patterns, strict=True):
        same(
            got, value.astype("float64").sum(axis=pattern).astype("float32"), rtol=1e-5
        )


# ---- formulas that only look like others


def test_what_is_not_a_sigmoid_stays(compile: Compile) -> None:
    x = T.dvector()
    value = np.array([-3.0, -0.5, 0.25, 2.0])
    e = np.exp(value)
    outputs = [
        1 / (2 + T.exp(-x)), T.exp(x) / (1 - T.exp(x)), 1 / (1 - T.exp(-x)),
        T.exp(x) / (2 + T.exp(x)), T.exp(x) / (1 + T.exp(-x)), T.exp(-x) / (1 + T.exp(x)),
    ]  # fmt: skip
    wanted = [1 / (2 + 1 / e), e / (1 - e), 1 / (1 - 1 / e), e / (2 + e), e / (1 + 1 / e),
              1 / e / (1 + e)]  # fmt: skip
    for got, want in zip(compile([x], outputs)(value), wanted, strict=True):
        same(got, want)


def test_roots_of_squares(compile: Compile) -> None:
    x = T.dvector()
    f = compile([x], [T.sqrt(T.sqr(x)), T.sqr(T.sqrt(x)), (x**2) ** 0.5, (x**0.5) ** 2])
    with np.errstate(invalid="ignore"):
        found = f([-2.0, 9.0])
    for root, square in (found[:2], found[2:]):
        same(root, np.array([2.0, 9.0]))
        assert np.isnan(square[0])
        same(square[1], np.float64(9.0))


def test_a_choice_between_equals_keeps_its_shape(compile: Compile) -> None:
    x = T.dvector()
    f = compile([x], [T.switch(x > 0, 1, 1), T.switch(T.gt(x, 0), x, x)])
    ones, twice = f([1.0, 2.0])
    np.testing.assert_array_equal(ones, [1, 1])
    same(twice, np.array([1.0, 2.0]))
    row = T.drow()
    same(compile([x, row], T.switch(x > 0, row, row))([1.0, 2.0], [[5.0, 6.0]]),
         np.array([[5.0, 6.0]]))  # fmt: skip


def test_a_bound_that_is_the_value_itself(compile: Compile) -> None:
    x = T.dscalar()
    clipped = T.clip(x, 0, x)
    assert compile([x], T.grad(clipped, x))(5.0) == 1
    assert compile([x], T.grad(T.clip(x, 0, 3), x))(5.0) == 0
    assert compile([x], T.grad(T.clip(x, x, 7), x))(5.0) == 1


def test_powers_of_two_in_small_integers(compile: Compile) -> None:
    """Theano kept the exponent's dtype, int8, for the Python number 2."""
    p = T.bvector()
    value = np.array([0, 6, 7, 8, 20], "int8")
    f = compile([p], T.pow(np.int64(2), p))
    np.testing.assert_array_equal(f(value), [1, 64, 128, 256, 2**20])
    wide = T.lvector()
    np.testing.assert_array_equal(
        compile([wide], T.pow(2, wide))(value), 2 ** value.astype(int)
    )


def test_the_logarithm_of_one_is_zero(compile: Compile) -> None:
    k = T.dscalar("k")
    f = compile([k], [T.log(k / 2), T.log(k * 0.5), T.log(1 + (k - 2)), T.log10(k / 2)])
    for got in f(2.0):
        assert got == 0


def test_rounding_is_to_even(compile: Compile) -> None:
    x = T.dvector()
    value = np.array([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 3.49])
    f = compile([x], [T.round(x), T.round(x, mode="half_away_from_zero"), T.iround(x)])
    even, away, whole = f(value)
    same(even, np.round(value))
    same(away, np.array([-3.0, -2.0, -1.0, 1.0, 2.0, 3.0, 3.0]))
    np.testing.assert_array_equal(whole, np.round(value).astype("int64"))


# ---- stability


@pytest.mark.parametrize("scale", [1e3, 1e5])
def test_logarithms_of_extreme_softmax(scale: float) -> None:
    """Rewritten: log(softmax) in whatever form it is written."""
    x, y = T.dmatrix(), T.lvector()
    p = T.nnet.softmax(x)
    value, labels = RNG.normal(size=(3, 4)) * scale, np.array([0, 3, 1])
    logarithms, mean, slope = extreme_softmax(value, labels)
    loss = T.nnet.categorical_crossentropy(p, y).mean()
    picked = -T.log(p)[T.arange(y.shape[0]), y].mean()
    outputs = [T.log(p.T).T, T.log(p), loss, picked, T.grad(loss, x), T.grad(picked, x)]
    found = symnet.function([x, y], outputs)(value, labels)
    for got, want in zip(
        found, [logarithms] * 2 + [mean] * 2 + [slope] * 2, strict=True
    ):
        np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("scale", [1e3, 1e5])
def test_what_is_stable_without_rewriting(compile: Compile, scale: float) -> None:
    x, y = T.dmatrix(), T.lvector()
    value, labels = RNG.normal(size=(3, 4)) * scale, np.array([0, 3, 1])
    logarithms, mean, slope = extreme_softmax(value, labels)
    log_p = T.nnet.logsoftmax(x)
    loss = -log_p[T.arange(y.shape[0]), y].mean()
    f = compile([x, y], [log_p, loss, T.grad(loss, x), T.nnet.softmax(x)])
    for got, want in zip(
        f(value, labels), [logarithms, mean, slope, np.exp(logarithms)]
    ):
        np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-12)
    signed = T.dvector()
    g = compile(
        [signed],
        [T.nnet.softplus(signed), T.grad(T.nnet.softplus(signed).sum(), signed)],
    )
    soft, steep = g([-scale, 0.0, scale])
    same(soft, np.array([0.0, np.log(2), scale]))
    same(steep, np.array([0.0, 0.5, 1.0]))


def extreme_softmax(value: Any, labels: Any) -> tuple[Any, Any, Any]:
    """The logarithms of the softmax of rows, their mean loss, and its gradient."""
    shifted = value - value.max(axis=1, keepdims=True)
    logarithms = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    loss = -logarithms[range(len(labels)), labels].mean()
    ones = np.eye(value.shape[1])[labels]
    return logarithms, loss, (np.exp(logarithms) - ones) / len(labels)


def test_the_second_derivative_of_relu_at_zero(compile: Compile) -> None:
    x, w = T.dvector(), T.dmatrix()
    cost = (T.nnet.relu(T.dot(x, w)) ** 2).sum()
    first = T.grad(cost, w)
    second = T.grad(first.sum(), x)
    found = compile([x, w], [first, second])([0.0, 0.0], np.zeros((2, 3)))
    for array in found:
        same(array, np.zeros(array.shape))
    y = T.dscalar()
    slope = T.grad(T.nnet.relu(y), y)
    again = T.grad(slope, y, disconnected_inputs="ignore")
    assert compile([y], again, on_unused_input="ignore")(0.0) == 0


# ---- linear algebra


@pytest.mark.parametrize(
    ("left", "right", "axes"),
    [
        ((2, 3, 4), (4, 3, 5), [[1, 2], [1, 0]]),
        ((2, 3, 4), (3, 5, 2), [[0, 1], [2, 0]]),
        ((3, 4), (4, 3, 2), 1),
        ((2, 3), (4, 3, 5), [[1], [1]]),
        ((2, 3, 4), (4, 2, 3), [[2, 0, 1], [0, 1, 2]]),
        ((2, 3), (4,), 0),
    ],
)
def test_gradients_of_tensordot(left: Any, right: Any, axes: Any) -> None:
    a, b = RNG.normal(size=left), RNG.normal(size=right)
    x = T.TensorType("float64", (None,) * a.ndim)()
    y = T.TensorType("float64", (None,) * b.ndim)()
    for mode in ("FAST_RUN", "FAST_COMPILE"):
        product = symnet.function([x, y], T.tensordot(x, y, axes), mode=mode)
        same(product(a, b), np.tensordot(a, b, axes), rtol=1e-11)
        T.verify_grad(
            lambda p, q: T.tensordot(p, q, axes), [a, b], n_tests=1, mode=mode
        )


def test_batched_products_of_arrays_in_any_layout(compile: Compile) -> None:
    x, y = T.dtensor3(), T.dtensor3()
    f = compile(
        [x, y], [T.batched_dot(x, y), T.batched_dot(y.dimshuffle(0, 2, 1), x[:, ::-1])]
    )
    square = RNG.normal(size=(5, 6, 6))
    for left in (
        square,
        np.asfortranarray(square),
        square[::-1],
        square.transpose(0, 2, 1),
    ):
        for right in (square, np.repeat(square, 2, axis=2)[:, :, ::2], square[:, ::-1]):
            plain, moved = f(left, right)
            same(plain, left @ right, rtol=1e-10)
            same(moved, right.transpose(0, 2, 1) @ left[:, ::-1], rtol=1e-10)


def test_gradients_of_cumulative_and_batched_products() -> None:
    a, b = RNG.uniform(0.5, 1.5, (3, 4)), RNG.normal(size=(2, 3, 4))
    for mode in ("FAST_RUN", "FAST_COMPILE"):
        T.verify_grad(lambda x: T.cumprod(x, axis=1), [a], n_tests=1, mode=mode)
        T.verify_grad(lambda x: T.cumsum(x), [a], n_tests=1, mode=mode)
        T.verify_grad(
            lambda x: T.batched_dot(x, x.dimshuffle(0, 2, 1)), [b], n_tests=1, mode=mode
        )


# ---- sizes


def test_sizes_of_what_cannot_be_joined(compile: Compile) -> None:
    x, y = T.dmatrix("x"), T.dmatrix("y")
    f = compile([x, y], T.join(0, x, y).shape)
    np.testing.assert_array_equal(f(np.ones((5, 4)), np.ones((3, 4))), [8, 4])
    with pytest.raises(ValueError, match=r"(?s)axis|size"):
        f(np.ones((5, 4)), np.ones((3, 3)))


@pytest.mark.parametrize("combine", [T.add, T.mul, T.maximum, T.eq])
def test_sizes_of_what_cannot_be_combined(compile: Compile, combine: Any) -> None:
    x, y = T.dvector("x"), T.dvector("y")
    both = combine(x, y)
    f = compile([x, y], [both.shape, both.shape[0] * 2, T.zeros_like(both)])
    assert f([1.0, 2.0], [3.0, 4.0])[1] == 4
    for left, right in ((3, 2), (2, 3), (1, 2), (2, 1)):
        with pytest.raises(ShapeError):
            f(np.ones(left), np.ones(right))


def test_a_declared_size_that_is_not_the_real_one(compile: Compile) -> None:
    x = T.TensorType("float64", (None, 3))("x")
    f = compile([x], (x * 2).sum(axis=1))
    with pytest.raises(ValueError, match="3"):
        f(np.ones((2, 4)))
    y = T.dmatrix("y")
    g = compile([y], T.specify_shape(y, (2, 3)) * 1)
    with pytest.raises(ValueError, match="3"):
        g(np.ones((2, 4)))
    weights = symnet.shared(np.ones((1, 3)), broadcastable=(True, False))
    with pytest.raises(ValueError, match="1"):
        weights.set_value(np.ones((2, 3)))


# ---- memory


def test_updates_of_shared_variables_by_each_other(compile: Compile) -> None:
    a, b, c = (symnet.shared(np.full(3, v)) for v in (1.0, 2.0, 3.0))
    d = symnet.shared(np.full(3, 4.0))
    f = compile([], [a, a + b], updates=[(a, a), (b, c), (c, b), (d, a + b + c)])
    first, total = f()
    for array, want in ((first, 1), (total, 3), (a, 1), (b, 3), (c, 2), (d, 6)):
        value = array.get_value() if hasattr(array, "get_value") else array
        same(value, np.full(3, float(want)))
    f()
    for shared, want in ((a, 1), (b, 2), (c, 3), (d, 6)):
        same(shared.get_value(), np.full(3, float(want)))


def test_an_update_by_a_part_of_itself(compile: Compile) -> None:
    a = symnet.shared(np.arange(6.0))
    f = compile([], a.sum(), updates=[(a, a[::-1])])
    assert f() == 15
    same(a.get_value(), np.arange(6.0)[::-1].copy())
    m = symnet.shared(np.arange(9.0).reshape(3, 3))
    compile([], [], updates=[(m, m.T + m)])()
    value = np.arange(9.0).reshape(3, 3)
    same(m.get_value(), value + value.T)


def test_an_argument_that_is_a_view_of_another(compile: Compile) -> None:
    x, y = T.dmatrix("x"), T.dvector("y")
    f = compile([symnet.In(x, mutable=True), y], [x * 2, y * 2])
    value = RNG.normal(size=(3, 4))
    before = value.copy()
    twice, row = f(value, value[1])
    same(twice, 2 * before)
    same(row, 2 * before[1])
    same(value[1], before[1])


def test_results_belong_to_the_caller(compile: Compile) -> None:
    a = symnet.shared(np.zeros(3))
    x = T.dvector("x")
    f = compile([x], [a, a + 0, x, x * 1, T.constant([1.0, 2.0])])
    value = np.ones(3)
    for result in f(value):
        result[...] = 7
    same(a.get_value(), np.zeros(3))
    same(value, np.ones(3))
    same(f(value)[4], np.array([1.0, 2.0]))
    got = a.get_value()
    got[...] = 5
    start = np.full(3, 2.0)
    a.set_value(start)
    start[...] = 9
    same(a.get_value(), np.full(3, 2.0))


def test_results_of_calls_do_not_share_memory(compile: Compile) -> None:
    x = T.dvector("x")
    f = compile([x], [x + 1, x.reshape((2, 2)), x[1:]])
    first = f([1.0, 2.0, 3.0, 4.0])
    second = f([5.0, 6.0, 7.0, 8.0])
    same(first[0], np.array([2.0, 3.0, 4.0, 5.0]))
    same(first[1], np.array([[1.0, 2.0], [3.0, 4.0]]))
    same(second[2], np.array([6.0, 7.0, 8.0]))


def test_results_of_references_stay_themselves(compile: Compile) -> None:
    """A result without native form, handed out beside native ones made from it."""
    x = T.dvector("x")
    ordered = T.sort(x)
    f = compile([x], [ordered, ordered * 3, ordered.sum(), T.sort(-ordered), x])
    value = np.array([3.0, 1.0, 2.0])
    for _ in range(2):
        found = f(value)
        same(found[0], np.array([1.0, 2.0, 3.0]))
        same(found[1], np.array([3.0, 6.0, 9.0]))
        same(found[2], np.float64(6.0))
        same(found[3], np.array([-3.0, -2.0, -1.0]))
        same(found[4], value)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "bool"])
def test_arguments_in_any_layout(compile: Compile, dtype: str) -> None:
    x = T.matrix(dtype=dtype)
    f = compile([x], [x.T, T.cast(x, "float64").sum(axis=0), T.switch(x, 2, 3)])
    base = RNG.integers(0, 2, (6, 8)).astype(dtype)
    layouts = [
        base, np.asfortranarray(base), base[::2, ::-1], base.T, base[1:, 3:], base[:0],
        np.broadcast_to(base[0], (3, 8)), base.astype(np.dtype(dtype).newbyteorder()),
    ]  # fmt: skip
    for value in layouts:
        turned, total, chosen = f(value)
        np.testing.assert_array_equal(turned, value.T)
        same(total, value.astype("float64").sum(axis=0))
        np.testing.assert_array_equal(chosen, np.where(value != 0, 2, 3))
