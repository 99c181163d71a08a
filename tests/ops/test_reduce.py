"""Reductions, against NumPy."""

# ruff: noqa: B023 (the functions are called inside the loops that define them)
from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from symnet.gradient import grad, verify_grad
from symnet.ops import inputs
from symnet.ops import reduce as R
from symnet.ops.complex_parts import real
from tests.helpers import run
from tests.ops.scalars import apply, of_kinds, samples

RANDOM = np.random.default_rng(7)
AXES = [
    None, 0, 1, 2, -1, -3, (), (0,), (0, 2), [2, 1], (-1, 0), (0, 1, 2), np.array([1, 2]),
    range(1, 3),
]  # fmt: skip
PLAIN = ["sum", "prod", "max", "min", "all", "any"]


def as_numpy(axis):
    return axis if axis is None or isinstance(axis, int) else tuple(map(int, axis))


def flat_position(name, x, axis, keepdims):
    """argmax over several axes: their elements in C order."""
    axes = sorted(
        range(x.ndim) if axis is None else np.atleast_1d(axis).astype(int) % x.ndim
    )
    kept = [k for k in range(x.ndim) if k not in axes]
    moved = x.transpose(*kept, *axes).reshape([x.shape[k] for k in kept] + [-1])
    found = getattr(np, name)(moved, axis=-1)
    return np.expand_dims(found, tuple(axes)) if keepdims else found


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axis", AXES, ids=str)
@pytest.mark.parametrize("name", [*PLAIN, "argmax", "argmin"])
def test_axes(name, axis, keepdims):
    x = RANDOM.normal(size=(2, 3, 4))
    function = getattr(R, name)
    if name.startswith("arg"):
        want = flat_position(name, x, axis, keepdims)
    else:
        want = getattr(np, name)(x, axis=as_numpy(axis), keepdims=keepdims)
    apply(lambda x: function(x, axis=axis, keepdims=keepdims), x, expected=want)


@pytest.mark.parametrize("dtype", of_kinds("biufc"))
def test_dtypes_of_sums(dtype):
    x = samples(dtype)[:9].reshape(-1, 1)
    for name in ("sum", "prod"):
        with np.errstate(all="ignore"):
            wide = "float32" if dtype == "float16" else None
            want = getattr(np, name)(x, axis=0, dtype=wide)
            want = want.astype(x.dtype) if dtype == "float16" else want
            apply(getattr(R, name), x, expected=want[0])
    kind = np.dtype(dtype).kind
    want_dtype = {"b": "int64", "i": "int64", "u": "uint64"}.get(kind, dtype)
    assert R.sum(inputs.tensor(dtype, shape=(None,))).type.dtype == want_dtype


@pytest.mark.parametrize("dtype", of_kinds("biuf"))
def test_extrema_of_all_dtypes(dtype):
    x = samples(dtype, extreme=False)
    for name in ("max", "min", "argmax", "argmin", "all", "any"):
        apply(getattr(R, name), x, expected=getattr(np, name)(x))


def test_nan_wins():
    for x in ([1.0, np.nan, 3.0], [np.nan, np.inf, np.nan], [-np.inf, np.nan]):
        x = np.array(x)
        for name in [*PLAIN, "argmax", "argmin"]:
            apply(getattr(R, name), x, expected=getattr(np, name)(x))


@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0), (1, 1), (1,)])
def test_small_sizes(shape):
    x = RANDOM.normal(size=shape)
    for axis in (None, *range(len(shape))):
        for name in ("sum", "prod", "all", "any"):
            want = getattr(np, name)(x, axis=axis)
            apply(lambda x: getattr(R, name)(x, axis=axis), x, expected=want)
        for name in ("max", "argmin"):
            try:
                want = getattr(np, name)(x, axis=axis)
            except ValueError:
                with pytest.raises(ValueError, match="no elements"):
                    apply(lambda x: getattr(R, name)(x, axis=axis), x)
            else:
                apply(lambda x: getattr(R, name)(x, axis=axis), x, expected=want)


def test_of_scalars():
    x = np.array(2.5)
    for name in PLAIN:
        apply(getattr(R, name), x, expected=getattr(np, name)(x))
    assert apply(R.argmax, x) == 0


@pytest.mark.parametrize("kind", ["sum", "prod"])
@pytest.mark.parametrize(
    "have, result", [("uint32", "int32"), ("uint16", "int8"), ("int64", "uint64")]
)
def test_integers_of_another_sign_keep_all_digits(kind, have, result):
    x = np.array([[np.iinfo(have).max, 3], [np.iinfo(have).max - 7, 5]], have)
    want = getattr(np, kind)(x, axis=0, dtype=result)
    apply(lambda v: getattr(R, kind)(v, axis=0, dtype=result), x, expected=want)


def test_dtype_and_acc_dtype():
    x = np.full(5, 100, np.int8)
    assert apply(lambda x: R.sum(x, dtype="float32"), x) == np.float32(500)
    assert apply(lambda x: R.sum(x, dtype="int8"), x) == np.int8(-12)
    assert apply(lambda x: R.sum(x, acc_dtype="float64"), x) == 500
    half = np.full(70000, 1.0, np.float16)
    assert apply(lambda x: R.sum(x, dtype="float32"), half) == 70000
    matrix = inputs.dmatrix()
    with pytest.raises(TypeError, match="lose precision"):
        R.sum(matrix, acc_dtype="float32")
    with pytest.raises(TypeError, match="lose precision"):
        R.sum(inputs.zvector(), dtype="float64")
    assert R.sum(matrix, dtype="float32").type.dtype == "float32"
    assert (
        R.sum(inputs.tensor("float16", shape=(None,))).owner.op.acc_dtype == "float32"
    )


def test_refusals():
    x = inputs.matrix("x")
    for axis in (2, -3, (0, 5)):
        with pytest.raises(ValueError, match="no axis"):
            R.sum(x, axis=axis)
    with pytest.raises(ValueError, match="twice"):
        R.sum(x, axis=(0, -2))
    with pytest.raises(TypeError, match="an axis is an int"):
        R.sum(x, axis=1.5)
    with pytest.raises(TypeError, match="no order"):
        R.max(inputs.zvector())


def test_derived_reductions():
    x = RANDOM.normal(size=(3, 4))
    apply(lambda x: R.ptp(x, 0), x, expected=np.ptp(x, axis=0))
    both = inputs.dmatrix()
    highest, where = R.max_and_argmax(both, axis=1)
    assert run(highest, {both: x}).tolist() == x.max(1).tolist()
    assert run(where, {both: x}).tolist() == x.argmax(1).tolist()
    assert apply(lambda x, y: R.allclose(x, y), x, x + 1e-12)
    assert not apply(lambda x, y: R.allclose(x, y), x, x + 1)


@given(
    st.lists(st.integers(0, 4), min_size=1, max_size=4),
    st.sampled_from(["sum", "max", "any"]),
    st.data(),
)
def test_any_shape_and_axes(shape, name, data):
    axes = data.draw(st.lists(st.integers(0, len(shape) - 1), unique=True))
    x = np.random.default_rng(0).integers(-9, 9, shape)
    if name == "max":
        x = np.abs(x) if x.size else np.zeros([max(n, 1) for n in shape], int)
    want = getattr(np, name)(x, axis=tuple(axes))
    apply(lambda x: getattr(R, name)(x, axis=axes), x, expected=want)


# ---- famous wrong results


def test_prod_then_sum():
    value = apply(lambda x: R.sum(R.prod(x, 1)), np.array([[0.1, 0.2], [0.3, 0.5]]))
    assert abs(value - 0.17) < 1e-12


@pytest.mark.parametrize("name", ["sum", "prod"])
def test_two_in_a_row(name):
    x = RANDOM.normal(size=(2, 3, 4))
    inner = [0, 1, 2, -1, (0, 1), (1, 2), (0, 2)]
    for first in inner:
        middle = getattr(x, name)(axis=first)
        for second in range(-middle.ndim, middle.ndim):
            want = getattr(middle, name)(axis=second)
            op = getattr(R, name)
            apply(lambda x: op(op(x, first), second), x, expected=want)


def test_sum_of_quotient_with_dimshuffle():
    x, y = RANDOM.uniform(1, 2, (3, 4)), RANDOM.uniform(1, 2, 4)
    for axis in (0, 1, None):
        apply(
            lambda x, y: R.sum(x / y.dimshuffle("x", 0), axis),
            x,
            y,
            expected=(x / y).sum(axis),
        )


# ---- gradients


@pytest.mark.parametrize("axis", [None, 0, -1, (0, 2), ()], ids=str)
@pytest.mark.parametrize("name", ["sum", "prod", "max", "min"])
def test_gradients(name, axis):
    x = RANDOM.permutation(24).reshape(2, 3, 4) / 10 + 0.1
    for keepdims in (False, True):
        verify_grad(lambda x: getattr(R, name)(x, axis, keepdims=keepdims), [x])
    first = lambda x: grad((getattr(R, name)(x, axis) ** 2).sum(), x)  # noqa: E731
    verify_grad(first, [x])


@pytest.mark.parametrize("zeros", [[], [0], [0, 2], [0, 1, 2]], ids=str)
def test_product_with_zeros_has_two_derivatives(zeros):
    x = RANDOM.uniform(0.5, 2, (2, 4))
    x[0, zeros] = 0
    verify_grad(lambda x: R.prod(x, 1), [x])
    weights = RANDOM.normal(size=(2, 4))
    verify_grad(
        lambda x: grad((R.prod(x, 1) ** 2 + R.prod(x, 1)).sum(), x) * weights, [x]
    )


def gradient_at(function, point):
    x = inputs.tensor("float64", shape=(None,) * np.ndim(point))
    return run(grad(function(x).sum(), x), {x: point}).tolist()


def test_gradients_at_special_points():
    assert gradient_at(R.max, [1.0, 3.0, 3.0]) == [0, 1, 1]
    assert gradient_at(R.min, [1.0, 1.0, 3.0]) == [1, 1, 0]
    assert gradient_at(lambda x: R.prod(x, 1), [[2.0, 0.0, 3.0], [0.0, 0.0, 5.0]]) == [
        [0, 6, 0],
        [0, 0, 0],
    ]
    assert gradient_at(R.sum, np.zeros((0, 2))) == []
    assert gradient_at(lambda x: R.argmax(x) * x, [1.0, 2.0]) == [1, 1]


def test_reductions_are_values():
    x = inputs.matrix()
    a, b = R.sum(x, 0).owner.op, R.sum(x, [0]).owner.op
    assert a == b and hash(a) == hash(b) and pickle.loads(pickle.dumps(a)) == a
    assert a != R.sum(x, 1).owner.op
    with pytest.raises(ValueError, match="no reduction"):
        R.Reduce("median", (0,), "float64")


@pytest.mark.parametrize("axis", [None, 0, 1])
@pytest.mark.parametrize("shape", [(200_000, 3), (3, 200_000), (500, 600)])
def test_long_float32_sums_are_exact_along_every_axis(axis, shape):
    """Where all roundings go one way a sum in order loses 1e-4."""
    squares = (RANDOM.integers(-16, 17, shape) / 4) ** 2
    x = inputs.matrix("x", dtype="float32")
    every = [R.sum(x, axis), R.sum(x * x, axis)]
    want = [squares.sum(axis), (squares**2).sum(axis)]
    got = run(every, {x: squares.astype("f4")}, rtol=1e-6)
    for one, right in zip(got, want, strict=True):
        np.testing.assert_allclose(one, right, rtol=1e-6)


@pytest.mark.parametrize("axis", ["a", (0, "b"), 1.5, None.__class__, True, {}])
def test_axes_that_are_no_numbers(axis):
    with pytest.raises(TypeError, match="max: an axis is an int"):
        R.max(inputs.matrix("x"), axis=axis)


def test_axes_that_are_variables():
    with pytest.raises(TypeError, match="known while the graph is made") as caught:
        R.sum(inputs.matrix("x"), axis=inputs.iscalar("i"))
    assert "i, int32 scalar" in str(caught.value)


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
def test_products_of_others_that_leave_the_range(dtype):
    """The product of all is zero, infinite or below the normal numbers; those of the others
    are not."""
    limits = np.finfo(dtype)
    least, half, tiny = limits.smallest_subnormal, limits.max / 4, limits.tiny
    small, large = np.sqrt(tiny), np.sqrt(limits.max)
    for factors, others in (
        ([tiny], [1.0]),
        ([least], [1.0]),
        ([half], [1.0]),
        ([small / 8, small / 4], [small / 4, small / 8]),
        ([large * 8, large * 4], [large * 4, large * 8]),
        ([half, 2.0, 4.0], [8.0, 4 * half, 2 * half]),
        ([tiny, 0.5, 1 / half], [0.5 / half, 0.0, tiny / 2]),
    ):
        x = inputs.tensor(dtype, shape=(None,))
        slope = grad(real(R.prod(x)), x)
        found = run(slope, {x: np.array(factors, dtype)})
        want = np.array(others, limits.dtype)
        np.testing.assert_allclose(found.real, want, rtol=8 * limits.eps)


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize("axis", [None, 0, 1, (0, 2), (1, 2)])
def test_derivatives_of_a_product_to_the_fourth_order(axis, dtype):
    """However many elements are zero: its terms are those of the products of the others."""
    rng = np.random.default_rng(0)
    shape = (2, 3, 2)
    value = rng.uniform(0.5, 1.5, shape) * (rng.random(shape) < 0.5)
    along = rng.normal(size=(4, *shape))
    x = inputs.tensor(dtype, shape=shape)
    orders = [R.sum(R.prod(x, axis) ** 2)]
    orders[0] = orders[0].real if dtype == "complex128" else orders[0]
    for direction in along:
        slope = grad(orders[-1], x)
        slope = slope.real if dtype == "complex128" else slope
        orders.append(R.sum(slope * direction))
    got = run(orders[1:], {x: value.astype(dtype)})

    def cost(moves):
        products = np.prod(value + sum(moves, np.zeros(shape)), axis=axis)
        return np.sum(products**2)

    for k in range(1, 5):
        # A polynomial in each step: the mixed difference has no error of truncation but
        # that of even powers, which shrinks by Richardson's extrapolation.
        found = [mixed(cost, along[:k], step) for step in (0.04, 0.02, 0.01)]
        first = [(4 * b - a) / 3 for a, b in zip(found, found[1:])]
        want = (16 * first[1] - first[0]) / 15
        np.testing.assert_allclose(got[k - 1], want, rtol=1e-4, atol=1e-4)


def mixed(cost, along, step):
    """The derivative along all directions, by central differences."""
    total = 0.0
    for signs in np.ndindex(*(2,) * len(along)):
        sides = 2 * np.array(signs) - 1
        moves = [side * step * a for side, a in zip(sides, along)]
        total += np.prod(sides) * cost(moves)
    return total / (2 * step) ** len(along)
