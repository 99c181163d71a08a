"""Arithmetic, comparison, logic and choice, against NumPy."""

from __future__ import annotations

import operator
import pickle

import numpy as np
import pytest

import symnet
from symnet.config import config
from symnet.errors import ShapeError
from symnet.gradient import grad, verify_grad
from symnet.graph.types import TensorType
from symnet.ops import arithmetic as A
from symnet.ops import comparison as C
from symnet.ops import inputs
from symnet.ops import whole_numbers as W
from symnet.ops.elementwise import REGISTRY, cast
from symnet.ops.functions import xlogy0
from tests.helpers import run
from tests.ops.scalars import apply, of_kinds, pairs, samples

RANDOM = np.random.default_rng(5)


def quiet(function, *arrays):
    with np.errstate(all="ignore"):
        return function(*arrays)


@pytest.mark.parametrize("dtype", of_kinds("biufc"))
@pytest.mark.parametrize(
    "op, numpy_op",
    [
        (A.add, np.add), (A.mul, np.multiply), (C.eq, np.equal), (C.neq, np.not_equal),
    ],
    ids=str,
)  # fmt: skip
def test_of_all_dtypes(op, numpy_op, dtype):
    x, y = pairs(dtype)
    apply(op, x, y, expected=quiet(numpy_op, x, y))


@pytest.mark.parametrize("dtype", of_kinds("iuf"))
@pytest.mark.parametrize(
    "op, numpy_op",
    [
        (A.sub, np.subtract), (A.int_div, np.floor_divide), (A.mod, np.mod),
        (A.maximum, np.maximum), (A.minimum, np.minimum), (C.lt, np.less),
        (C.le, np.less_equal), (C.gt, np.greater), (C.ge, np.greater_equal),
    ],
    ids=str,
)  # fmt: skip
def test_of_two_reals(op, numpy_op, dtype):
    x, y = pairs(dtype)
    apply(op, x, y, expected=quiet(numpy_op, x, y))


@pytest.mark.parametrize("dtype", of_kinds("biu"))
@pytest.mark.parametrize(
    "op, numpy_op",
    [
        (C.and_, np.bitwise_and),
        (C.or_, np.bitwise_or),
        (C.xor, np.bitwise_xor),
    ],
    ids=str,
)
def test_logic(op, numpy_op, dtype):
    x, y = pairs(dtype)
    apply(op, x, y, expected=numpy_op(x, y))
    apply(C.invert, x, expected=np.invert(x))


@pytest.mark.parametrize("dtype", of_kinds("biuf"))
def test_of_one_real(dtype):
    x = samples(dtype)
    for op, function in [
        (A.absolute, np.abs), (W.floor, np.floor), (W.ceil, np.ceil), (W.trunc, np.trunc),
        (W.round, np.round), (C.isnan, np.isnan), (C.isinf, np.isinf), (A.identity, np.copy),
    ]:  # fmt: skip
        want = function(x)
        same_kind = want.dtype == x.dtype or want.dtype == bool
        apply(op, x, expected=want if same_kind else x)


@pytest.mark.parametrize("dtype", of_kinds("iufc"))
def test_of_one_number(dtype):
    x = samples(dtype)
    apply(A.neg, x, expected=quiet(np.negative, x))
    apply(A.sgn, x, expected=quiet(np.sign, x))
    apply(A.sqr, x, expected=quiet(np.square, x))


@pytest.mark.parametrize("dtype", of_kinds("fc"))
def test_of_one_float(dtype):
    x = samples(dtype)
    apply(A.sqrt, x, expected=quiet(np.sqrt, x))
    apply(A.log, x, expected=quiet(np.log, x))
    apply(A.reciprocal, x, expected=quiet(lambda x: 1 / x, x))


@pytest.mark.parametrize("dtype", of_kinds("biufc"))
def test_true_division_gives_floats(dtype):
    x, y = pairs(dtype)
    value = apply(A.true_div, x, y)
    if np.dtype(dtype).kind in "biu":
        assert value.dtype == "float64"
    want = quiet(np.true_divide, x, y).astype(value.dtype)
    np.testing.assert_allclose(value, want, rtol=1e-7)


@pytest.mark.parametrize("dtype", of_kinds("f"))
def test_powers_of_floats(dtype):
    x, y = pairs(dtype)
    with np.errstate(all="ignore"):
        apply(A.pow, x, y, expected=np.power(x, y))


@pytest.mark.parametrize("dtype", of_kinds("iu"))
def test_powers_of_integers_wrap_and_truncate(dtype):
    x, y = pairs(dtype)
    y = y[:, np.abs(y.astype(float))[0] < 101]
    value = apply(A.pow, x, y)
    for i, base in enumerate(x.ravel()):
        for j, power in enumerate(y.ravel()):
            b, p = int(base), int(power)
            exact = b**p if p >= 0 else int(b**-p if abs(b) == 1 else 0)
            assert value[i, j] == np.array(exact % 2**64, np.uint64).astype(dtype)


def test_python_base_is_at_least_int64():
    p = np.array([7, 8, 20], np.int8)
    value = apply(lambda p: A.pow(2, p), p)
    assert value.dtype == "int64" and value.tolist() == [128, 256, 2**20]
    assert apply(lambda p: A.pow(p, 2), p).dtype == "int8"
    assert A.pow(2, inputs.tensor("uint64", shape=())).type.dtype == "uint64"
    assert A.pow(2, inputs.fscalar()).type.dtype == "float32"


@pytest.mark.parametrize("dtype", of_kinds("biufc"))
def test_switch(dtype):
    x, y = pairs(dtype)
    for condition in (np.array([True]), np.array(0.0), np.array([[np.nan], [0.0]])):
        if condition.ndim == 2:
            condition = np.resize(condition, (x.shape[0], 1))
        apply(
            A.switch, condition, x, y, expected=np.where(condition.astype(bool), x, y)
        )


def test_switch_of_equal_constants_keeps_its_shape():
    value = apply(lambda x: A.switch(C.gt(x, 0), 1, 1), np.array([1.0, 2.0]))
    assert value.tolist() == [1, 1]


@pytest.mark.parametrize("dtype", of_kinds("iuf"))
def test_clip(dtype):
    x = samples(dtype)
    with np.errstate(all="ignore"):
        apply(lambda x: A.clip(x, 1, 5), x, expected=np.clip(x, 1, 5))
    apply(A.clip, x, x[1:2], x[:1], expected=np.clip(x, x[1], x[0]))


def test_rounding_of_halves():
    x = np.array(
        [0.5, 1.5, 2.5, -0.5, -1.5, 0.49999999999999994, 2.0**52 + 1, np.nan, -np.inf]
    )
    even = np.rint(x)
    apply(W.round, x, expected=even)
    away = np.array([1, 2, 3, -1, -2, 0, 2.0**52 + 1, np.nan, -np.inf])
    apply(lambda x: W.round(x, "half_away_from_zero"), x, expected=away)
    assert run(W.iround(cast(2.5, "float32"))).dtype == "int64"
    with pytest.raises(ValueError, match="no mode"):
        W.round(inputs.scalar(), "up")


@pytest.mark.parametrize(
    "shapes", [((0,), ()), ((1,), (3,)), ((2, 1), (3,)), ((0, 1), (1, 4))]
)
def test_broadcasting_and_small_sizes(shapes):
    x, y = (RANDOM.normal(size=shape) for shape in shapes)
    apply(A.add, x, y, expected=x + y)
    y = y.astype(np.int32)
    apply(A.second, x, y, expected=np.broadcast_to(y, np.broadcast(x, y).shape))


def test_sizes_not_known_to_be_one_must_agree():
    x, y = inputs.vectors("xy")
    with pytest.raises(ValueError, match="axis 0: 1 and 3"):
        run(x + y, {x: np.ones(1), y: np.ones(3)})
    with pytest.raises(ShapeError, match="sizes do not agree"):
        A.add(inputs.tensor(shape=(2,)), inputs.tensor(shape=(3,)))


def test_many_operands():
    x = np.array([1.0, 5.0, 3.0])
    assert apply(lambda x: A.add(x, x, x), x).tolist() == [3, 15, 9]
    assert apply(lambda x: A.mul(x, x, 2, x), x).tolist() == [2, 250, 54]
    assert apply(lambda x: A.largest(x, 2.0, 4), x).tolist() == [4, 5, 4]
    assert apply(lambda x: A.smallest(x, 2.0, 4), x).tolist() == [1, 2, 2]
    v = inputs.scalar()
    assert A.add(v) is v


def test_division_helpers():
    x, y = np.array([7, -7, 0]), np.array([2, 2, 5])
    assert apply(lambda x, y: A.ceil_intdiv(x, y), x, y).tolist() == [4, -3, 0]
    quotient, rest = A.divmod(*(inputs.lvector() for _ in "xy"))
    assert (quotient.owner.op, rest.owner.op) == (A.int_div, A.mod)


def test_isclose():
    x = np.array([1.0, np.inf, np.inf, np.nan, 1.0])
    y = np.array([1 + 1e-9, np.inf, -np.inf, np.nan, 1.1])
    for equal in (False, True):
        want = np.isclose(x, y, equal_nan=equal)
        apply(
            lambda x, y, equal=equal: A.isclose(x, y, equal_nan=equal),
            x,
            y,
            expected=want,
        )


# ---- dtypes


@pytest.mark.parametrize(
    "left, right, want",
    [
        ("int8", "int8", "int8"), ("int8", "uint8", "int16"), ("int32", "float32", "float64"),
        ("float16", "float32", "float32"), ("bool", "bool", "bool"), ("bool", "int8", "int8"),
        ("float32", "complex64", "complex64"), ("int8", 200, "int16"), ("int8", 5, "int8"),
        ("float32", 2.5, "float32"), ("float16", 2, "float16"), ("int32", 2.5, "float64"),
        ("bool", 1, "int64"), ("float32", 1j, "complex64"), ("uint8", -1, "int16"),
    ],
)  # fmt: skip
def test_dtypes_of_sums(left, right, want):
    x = inputs.tensor(left, shape=())
    y = inputs.tensor(right, shape=()) if isinstance(right, str) else right
    assert (x + y).type.dtype == (y + x).type.dtype == want


def test_float32_stays_float32_under_floatx():
    with config.change_flags(floatX="float32"):
        assert (inputs.ivector() * inputs.fvector()).type.dtype == "float32"
        assert (inputs.ivector() / 2).type.dtype == "float32"
        assert (inputs.ivector() + 0.5).type.dtype == "float32"
    with config.change_flags(floatX="float32", cast_policy="custom"):
        assert (inputs.ivector() * inputs.fvector()).type.dtype == "float64"


def test_refusals():
    flag = inputs.tensor("bool", shape=())
    for make in (
        lambda: A.sub(flag, flag),
        lambda: -flag,
        lambda: C.and_(flag, 1.5),
    ):
        with pytest.raises(TypeError, match="not defined for"):
            make()
    with pytest.raises(TypeError, match="takes 1 arguments"):
        A.sqrt(1, 2)


# ---- gradients


SMOOTH = [
    (A.add, 2), (A.sub, 2), (A.mul, 2), (A.true_div, 2), (A.mod, 2), (A.maximum, 2),
    (A.minimum, 2), (A.neg, 1), (A.reciprocal, 1), (A.sqr, 1), (A.absolute, 1),
    (A.identity, 1), (A.second, 2), (A.clip, 3),
    (lambda x: A.sqrt(A.absolute(x)), 1), (lambda x: A.log(A.absolute(x)), 1),
    (lambda x, y: A.pow(A.absolute(x), y), 2), (lambda x: x**3, 1), (lambda x: abs(x) ** -1.5, 1),
    (lambda x, y: A.switch(C.gt(x, 0), x * y, y), 2),
]  # fmt: skip


@pytest.mark.parametrize("function, arity", SMOOTH, ids=lambda p: str(p)[:12])
def test_gradients(function, arity):
    points = [
        RANDOM.uniform(0.3, 2, (2, 3)) * RANDOM.choice([-1, 1], (2, 3))
        for _ in range(arity)
    ]
    points[-1] = points[-1][:1]  # stretched
    verify_grad(function, points)

    def first_order(*inputs):
        return grad(
            A.sqr(function(*inputs)).sum(), inputs[-1], disconnected_inputs="ignore"
        )

    verify_grad(first_order, points)


def gradient_at(function, *points):
    inputs_ = [inputs.dvector() for _ in points]
    found = grad(function(*inputs_).sum(), inputs_)
    return [v.tolist() for v in run(found, dict(zip(inputs_, map(np.array, points))))]


def test_gradients_at_special_points():
    assert gradient_at(lambda x: A.clip(x, 0, x), [5.0, -1.0]) == [[1, 1]]
    assert gradient_at(abs, [0.0, -2.0]) == [[0, -1]]
    assert gradient_at(A.sqrt, [0.0]) == [[np.inf]]
    assert gradient_at(lambda x: x**2, [0.0]) == [[0]]
    assert gradient_at(lambda x: x**1, [0.0]) == [[1]]
    assert gradient_at(lambda x: x**0, [0.0]) == [[0]]
    assert gradient_at(A.pow, [0.0, 0.0, 0.0], [2.0, 1.0, 0.0]) == [
        [0, 1, 0],
        [0, 0, 0],
    ]
    # Where both are equal the first one has the whole gradient.
    assert gradient_at(A.maximum, [1.0, 2.0], [1.0, 3.0]) == [[1, 0], [0, 1]]
    # The branch that is not taken may be anything.
    assert gradient_at(lambda x: A.switch(C.gt(x, 0), x, 0 * x), [0.0, 2.0]) == [[0, 1]]
    # Bounds in the wrong order: the upper one wins, and has the gradient.
    assert gradient_at(A.clip, [0.0], [3.0], [1.0]) == [[0], [0], [1]]


def test_ops_are_values():
    for op in REGISTRY.values():
        assert pickle.loads(pickle.dumps(op)) is op


@pytest.mark.parametrize("mode", ["FAST_RUN", "FAST_COMPILE"])
@pytest.mark.parametrize("name", ["lt", "le", "gt", "ge", "eq", "neq"])
@pytest.mark.parametrize("dtype", ["int8", "int32", "int64"])
def test_signed_and_unsigned_numbers_are_compared_as_numbers(name, dtype, mode):
    """Also those that float64, their common dtype, cannot tell apart."""
    limits = np.iinfo(dtype)
    signed = [limits.min, limits.min + 1, -1, 0, 1, limits.max - 1, limits.max]
    unsigned = [0, 1, 127, 2**31, 2**63 - 2, 2**63 - 1, 2**63, 2**63 + 1, 2**64 - 1]
    x = TensorType(dtype, (None, 1))("x")
    y = TensorType("uint64", (1, None))("y")
    compare = symnet.function(
        [x, y], [getattr(C, name)(x, y), getattr(C, name)(y, x)], mode=mode
    )
    rows, columns = np.array(signed, dtype)[:, None], np.array(unsigned, "uint64")[None]
    plain = {"neq": "ne"}.get(name, name)
    want = [[getattr(operator, plain)(s, u) for u in unsigned] for s in signed]
    back = [[getattr(operator, plain)(u, s) for u in unsigned] for s in signed]
    got = compare(rows, columns)
    np.testing.assert_array_equal(got[0], want)
    np.testing.assert_array_equal(got[1], back)
    with config.change_flags(floatX="float32"):
        again = symnet.function([x, y], getattr(C, name)(x, y), mode=mode)
    np.testing.assert_array_equal(again(rows, columns), want)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_mixed_derivatives_of_a_power_where_the_exponent_is_zero(dtype):
    """d2/dxdy x**y = x**(y-1) (1 + y log x), which is 1/x there and not 0."""
    x, y = inputs.scalar("x", dtype=dtype), inputs.scalar("y", dtype=dtype)
    along_x, along_y = grad(x**y, [x, y])
    found = [along_x, grad(along_x, y), grad(along_y, x), grad(along_x, x)]
    f = symnet.function([x, y], found)
    for base in (0.25, 2.0, -4.0):
        slope, mixed, turned, bend = f(base, 0.0)
        assert slope == 0 and bend == 0
        assert np.isnan(mixed) or mixed == 1 / base
        assert np.isnan(turned) or turned == 1 / base
        assert base < 0 or not np.isnan(mixed + turned)
    assert [float(v) for v in f(0.0, 0.0)][:2] == [0, 0]
    assert f(np.asarray(1e-45, "float32"), 0.0)[0] == 0  # 1/x is infinite


def test_mixed_derivative_of_x_log_y_at_zero():
    x, y = inputs.dscalar("x"), inputs.dscalar("y")
    along_x, along_y = grad(xlogy0(x, y), [x, y])
    f = symnet.function([x, y], [along_x, along_y, grad(along_x, y), grad(along_y, x)])
    assert [float(v) for v in f(0.0, 4.0)] == [np.log(4.0), 0, 0.25, 0.25]
    assert f(0.0, 0.0)[1] == 0 and f(0.0, np.nan)[1] == 0


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_floats_that_do_not_fit_uint32(dtype):
    x = np.array([np.nan, np.inf, -np.inf, 1e10, -3e9, 3e9, -0.5] * 3, dtype)
    want = np.array([0, 0, 0, 10**10 % 2**32, -3 * 10**9 % 2**32, 3 * 10**9, 0] * 3)
    apply(lambda v: cast(v, "uint32"), x, expected=want.astype("uint32"))
    apply(lambda v: cast(v, "uint32"), x[4], expected=want[4].astype("uint32"))
    assert run(cast(float("nan"), "uint32")) == 0


@pytest.mark.parametrize("dtype", ["int8", "int32", "int64"])
def test_isclose_of_the_least_integer(dtype):
    info = np.iinfo(dtype)
    x = np.array([info.min, info.max, info.min, 100, -100], dtype)
    y = np.array([info.min + 1, info.min, info.min, -100, 100], dtype)
    want = np.isclose(x.astype("float64"), y.astype("float64"), rtol=0.01)
    apply(lambda a, b: A.isclose(a, b, rtol=0.01), x, y, expected=want)


def test_booleans_beside_a_number_that_int64_does_not_hold():
    x = np.array([True, False])
    want = np.array([2**63 + 1, 2**63], "uint64")
    apply(lambda b: b + 2**63, x, expected=want)
    apply(lambda b: b < 2**63, x, expected=np.array([True, True]))
