"""Basic indexing and writes to what was indexed, against NumPy."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symnet.compile.function import function
from symnet.config import config
from symnet.errors import ShapeError
from symnet.gradient import grad, verify_grad
from symnet.graph.evaluate import evaluate
from symnet.graph.types import TensorType
from symnet.ops import indexing as I
from symnet.ops import operators  # noqa: F401  (attaches + to variables)
from symnet.ops.alloc import zeros
from symnet.ops.joining import stack
from symnet.ops.reduce import sum as sum_over
from symnet.ops.subtensor import IncSubtensor, Narrowing, Subtensor
from tests.helpers import run

RANDOM = np.random.default_rng(4)
VALUE = RANDOM.standard_normal((4, 3, 5))


def variable(*shape, dtype="float64", name="x"):
    return TensorType(dtype, shape)(name)


def cube():
    return variable(None, None, None)


def integers(*names):
    return [variable(dtype="int64", name=name) for name in names]


KEYS = [
    (1,), (-1,), (slice(None),), (slice(1, 3),), (slice(None, None, -1),),
    (slice(-2, None),), (slice(3, 0, -2),), (slice(10, 20),), (slice(2, 1),),
    (slice(None, -100, -1),), (0, slice(None), 2), (Ellipsis, 1), (1, Ellipsis),
    (Ellipsis,), (), (slice(None), 1, slice(None, None, 2)), (None, 1), (1, None, Ellipsis),
    (slice(1, None), None, 0, None), (np.int64(2),), (np.array(1), slice(None, 2)),
    (0, 0, 0), (slice(-1, None, -1), slice(0, 0), -5),
]  # fmt: skip


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_read_and_write(key):
    x = cube()
    expected = VALUE[key]
    got = run(x[key], {x: VALUE})
    assert got.shape == expected.shape
    np.testing.assert_array_equal(got, expected)
    value = RANDOM.standard_normal(expected.shape)
    for write, replace in ((I.set_subtensor, True), (I.inc_subtensor, False)):
        wanted = VALUE.copy()
        wanted[key] = value if replace else wanted[key] + value
        np.testing.assert_array_equal(run(write(x[key], value), {x: VALUE}), wanted)
        wanted[key] = 2.0 if replace else VALUE[key] + 2.0
        np.testing.assert_array_equal(run(write(x[key], 2), {x: VALUE}), wanted)


def test_a_list_with_slices_is_a_tuple():
    """As in Theano, where programs put such lists together."""
    x, n = cube(), variable(dtype="int64", name="n")
    for key in ([slice(1, 3), 0], [slice(None), [0, 2]], [slice(None, None, -1)] * 3):
        np.testing.assert_array_equal(run(x[key], {x: VALUE}), VALUE[tuple(key)])
    symbolic = [slice(None, n), slice(n, None)]
    np.testing.assert_array_equal(run(x[symbolic], {x: VALUE, n: 2}), VALUE[:2, 2:])
    cut = I.set_subtensor(x[symbolic], 0.0)
    assert not run(cut, {x: VALUE, n: 2})[:2, 2:].any()


@pytest.mark.parametrize("key", KEYS[1:20:3], ids=str)
def test_gradients(key):
    part = RANDOM.standard_normal(VALUE[key].shape)
    verify_grad(lambda x: x[key] * part, [VALUE])
    weights = RANDOM.standard_normal(VALUE.shape)
    for write in (I.set_subtensor, I.inc_subtensor):
        verify_grad(lambda x, y, w=write: w(x[key], y) * weights, [VALUE, part])
        verify_grad(
            lambda x, y, w=write: w(x[key], y) * weights, [VALUE, np.array(0.5)]
        )


def test_second_order():
    key = (slice(None, None, -2), 1)

    def gradient(x):
        return grad(sum_over(x[key] ** 3), x)

    verify_grad(gradient, [VALUE])
    verify_grad(
        lambda x, y: grad(sum_over(I.set_subtensor(x[key], y) ** 3), x), [VALUE, 1.5]
    )


# ---- symbolic bounds: one program for all of them

BOUND = st.integers(-9, 9)


def compiled(outputs, *variables):
    return function(list(variables), outputs)


@pytest.fixture(scope="module")
def sliced():
    """A function of x, a, b, c, k: x[a:b:c], x[a:], x[:b, a::-1] and two writes."""
    x = cube()
    a, b, c, k = integers(*"abck")
    part = x[a:b:c]
    outputs = [
        part,
        x[a:],
        x[:b, a::-1],
        I.set_subtensor(part, k),
        I.inc_subtensor(x[a:b], k),
    ]
    return compiled(outputs, x, a, b, c, k), ([x, a, b, c, k], outputs)


@settings(max_examples=80, deadline=None)
@given(BOUND, BOUND, st.integers(-3, 3).filter(bool), st.integers(0, 4))
def test_symbolic_slices(sliced, a, b, c, rows):
    program, (variables, outputs) = sliced
    x = VALUE[:rows]
    part, written, increased = x[a:b:c], x.copy(), x.copy()
    written[a:b:c] = 7
    increased[a:b] += 7
    expected = [part, x[a:], x[:b, a::-1], written, increased]
    given_values = dict(zip(variables, [x, *map(np.array, (a, b, c, 7))], strict=True))
    for results in (program(x, a, b, c, 7), evaluate(outputs, given_values)):
        for got, want in zip(results, expected, strict=True):
            assert got.shape == want.shape
            np.testing.assert_array_equal(got, want)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_slice_of_a_slice(picked, data):
    """`x[a:b:-1][c]` with small bounds of either sign."""
    a, b = data.draw(BOUND), data.draw(BOUND)
    inner = VALUE[a:b:-1]
    if len(inner):
        c = data.draw(st.integers(-len(inner), len(inner) - 1))
        np.testing.assert_array_equal(picked(VALUE, a, b, c), inner[c])
    for wrong in (len(inner), -len(inner) - 1):
        with pytest.raises(IndexError):
            picked(VALUE, a, b, wrong)


@pytest.fixture(scope="module")
def picked():
    x = cube()
    a, b, c = integers(*"abc")
    return compiled(x[a:b:-1][c], x, a, b, c)


def test_minibatch():
    x, (i,) = cube(), integers("i")
    minibatch = compiled(x[i * 2 : (i + 1) * 2] * 2, x, i)
    for k in range(3):
        np.testing.assert_array_equal(minibatch(VALUE, k), VALUE[k * 2 : k * 2 + 2] * 2)


def test_bounds_of_other_dtypes():
    x = cube()
    for dtype in ("int8", "uint8", "int32", "uint64"):
        i = variable(dtype=dtype, name="i")
        np.testing.assert_array_equal(run(x[i:, i], {x: VALUE, i: 2}), VALUE[2:, 2])


def test_bounds_that_are_computed():
    x, v = variable(None), variable(3, dtype="int64", name="v")
    value = np.arange(9.0)
    got = run(x[v[0] : v[1] * 2 : v.max()], {x: value, v: [1, 4, 3]})
    np.testing.assert_array_equal(got, value[1:8:4])


# ---- what is known at once


def test_static_sizes():
    x = variable(10, None, 1)
    assert x[2:].type.shape == (8, None, 1)
    assert x[-3:, :, 0].type.shape == (3, None)
    assert x[::-3].type.shape == (4, None, 1)
    assert x[:, 1:, None].type.shape == (10, None, 1, 1)
    (i,) = integers("i")
    assert x[i:].type.shape == (None, None, 1)


def test_ops_are_values():
    x = cube()
    for op in (Subtensor(("i", "a::")), IncSubtensor(("i",), set=True)):
        assert pickle.loads(pickle.dumps(op)) == op
    assert x[1:].owner.op == x[2:].owner.op
    assert IncSubtensor(("i",), set=True) != IncSubtensor(("i",), set=False)


# ---- wrong input


@pytest.mark.parametrize("key", [1.0, 0.5, "a", (slice(0.0, 2),), 1j])
def test_refused_indices(key):
    with pytest.raises(TypeError):
        cube()[key]


def test_refused_variables_as_indices():
    x = cube()
    with pytest.raises(TypeError, match="integer"):
        x[variable(dtype="float64")]
    with pytest.raises(TypeError, match="integer"):
        x[: variable(None, dtype="int64")]


def test_positions_out_of_range():
    x, (i,) = cube(), integers("i")
    with pytest.raises(IndexError):
        x[0, 0, 0, 0]
    with pytest.raises(IndexError):
        x[..., 0, ...]
    for axis, wrong in ((0, 4), (0, -5)):
        with pytest.raises(IndexError, match=str(axis)):
            variable(4, 3)[wrong]
        for how in (lambda e, k: evaluate([e], {x: VALUE, i: np.array(k)}),
                    lambda e, k: compiled(e, x, i)(VALUE, k)):  # fmt: skip
            with pytest.raises(IndexError):
                how(x[i], wrong)
            with pytest.raises(IndexError):
                how(I.set_subtensor(x[i], 0), wrong)
    with pytest.raises(ValueError, match="step"):
        x[::0]
    with pytest.raises(ValueError, match="step"):
        compiled(x[::i], x, i)(VALUE, 0)


def test_refused_writes():
    x, y = cube(), variable(None, name="y")
    floats = variable(3, dtype="float32")
    with pytest.raises(TypeError, match="index"):
        I.set_subtensor(x, 1)
    with pytest.raises(TypeError, match="float64 into float32"):
        I.set_subtensor(floats[0], np.array(2.0))
    with pytest.raises(TypeError):
        I.set_subtensor(variable(3, dtype="int64")[0], 1.5)
    with pytest.raises(ValueError, match="rank"):
        I.set_subtensor(x[0, 0], VALUE)
    with pytest.raises(ShapeError):
        I.set_subtensor(floats[:2], np.zeros(3, "float32"))
    for run_it in (lambda e: evaluate([e], {x: VALUE, y: np.ones(1)}),
                   lambda e: compiled(e, x, y)(VALUE, np.ones(1))):  # fmt: skip
        with pytest.raises(ShapeError):
            run_it(I.set_subtensor(x[0, 0, 1:3], y))


def test_weak_numbers_take_the_dtype():
    x = variable(None, dtype="float32")
    assert I.set_subtensor(x[0], 0.1).type.dtype == "float32"
    got = run(I.inc_subtensor(x[1:], 0.5), {x: np.ones(3, "float32")})
    np.testing.assert_array_equal(got, np.array([1, 1.5, 1.5], "float32"))
    flags = variable(None, dtype="bool")
    got = run(I.set_subtensor(flags[0], True), {flags: np.zeros(2, bool)})
    np.testing.assert_array_equal(got, [True, False])


def test_only_the_last_index_counts():
    x = cube()
    wanted = VALUE[1].copy()
    wanted[0] = 5
    np.testing.assert_array_equal(run(I.set_subtensor(x[1][0], 5), {x: VALUE}), wanted)


def test_arguments_are_not_written_to():
    x = cube()
    before = VALUE.copy()
    run([I.set_subtensor(x[0], 1), I.inc_subtensor(x[0], 1), x[0]], {x: VALUE})
    np.testing.assert_array_equal(VALUE, before)


# ---- wrong results of the past


def test_sum_of_stack_keeps_its_axis():
    a = variable(None, name="a")
    value = np.arange(1.0, 6.0)
    got = run(sum_over(stack([a, a]), axis=1), {a: value})
    np.testing.assert_array_equal(got, [15, 15])


def test_sum_with_a_set_constant():
    """A vector and one-element zeros that were written to."""
    x = variable(7)
    part = I.set_subtensor(zeros((1,))[np.array([0])], np.array([5.0]))
    got = run(x + part, {x: np.arange(7) * 10.0})
    np.testing.assert_array_equal(got, np.arange(7) * 10.0 + 5)


def test_sum_with_what_was_set_at_one_position_twice():
    x, v = variable(3), variable(2, name="v")
    written = I.set_subtensor(zeros((3,))[np.array([1, 1])], v)
    got = run(x + written, {x: [0.0, 2.0, 0.0], v: [10.0, 20.0]})
    np.testing.assert_array_equal(got, [0, 22, 0])


def test_increment_of_one_position_twice_then_read():
    index = variable(2, dtype="int64", name="i")
    y = variable(2, name="y")
    increased = I.inc_subtensor(zeros((2,))[index], y)
    got = run(increased[index], {index: [0, 0], y: [1.0, 2.0]})
    np.testing.assert_array_equal(got, [3, 3])


def test_iteration():
    x = variable(3, None)
    assert len(list(x)) == 3
    with pytest.raises(TypeError, match="scan"):
        list(cube())


# ---- Theano's writing of wider dtypes


@pytest.mark.parametrize("how", [I.set_subtensor, I.inc_subtensor])
@pytest.mark.parametrize("key", [0, slice(None, 2), [1, 0]])
@pytest.mark.parametrize(
    "into, what", [("float32", "float64"), ("int8", "int64"), ("int8", "int16")]
)
def test_a_wider_value_is_cast_for_programs_written_for_theano(
    monkeypatch, how, key, into, what
):
    monkeypatch.setattr(Narrowing, "allowed", True)
    x, y = variable(3, dtype=into), TensorType(what, ())("y")
    with pytest.warns(UserWarning, match=f"{what} is cast to {into}"):
        z = how(x[key], y)
    value, wide = np.arange(3).astype(into), np.array(1.7).astype(what)
    wanted = value.copy()
    wanted[key] = (wide if how is I.set_subtensor else value[key] + wide).astype(into)
    np.testing.assert_array_equal(compiled(z, x, y)(value, wide), wanted, strict=True)
    if into == "float32":
        slope = compiled(grad(z.sum(), y), x, y)(value, wide)
        np.testing.assert_array_equal(slope, float(np.size(value[key])), strict=True)


def test_no_kind_is_left_for_programs_written_for_theano(monkeypatch):
    monkeypatch.setattr(Narrowing, "allowed", True)
    for into, what in (
        ("int64", "float64"),
        ("bool", "int8"),
        ("float64", "complex128"),
    ):
        with pytest.raises(TypeError, match=f"{what} into {into}"):
            I.set_subtensor(variable(3, dtype=into)[0], TensorType(what, ())("y"))


# ---- Theano's reading of None


@pytest.mark.parametrize(
    ("shape", "key", "ndim"),
    [
        ((None, 1), (slice(None), None), 2),
        ((None, 1, 1), (slice(None), None), 2),
        ((None, 1), (slice(None, None, -1), None), 2),
        ((None, 1), (0, None), 1),
        ((None, 3), (slice(None), None), 3),  # Theano refused it
        ((None, 1), (slice(None), slice(None), None), 3),
        ((None, 1), (Ellipsis, None), 3),
        ((None, 1), (slice(None),), 2),
    ],
)
def test_theanos_none_leaves_out_axes_of_size_one(shape, key, ndim):
    x = variable(*shape)
    value = RANDOM.standard_normal([4 if size is None else size for size in shape])
    assert x[key].ndim == value[key].ndim
    dropped = value[key].ndim - ndim
    with config.change_flags(newaxis="theano"):
        if dropped:
            with pytest.warns(UserWarning, match="NumPy keeps them"):
                y = x[key]
        else:
            y = x[key]
    wanted = value[key].reshape(value[key].shape[:ndim])
    assert y.ndim == ndim
    np.testing.assert_array_equal(run(y, {x: value}), wanted)
    slope = run(grad((y**2).sum(), x), {x: value})
    expected = np.zeros_like(value)
    expected[key] = 2 * value[key]
    np.testing.assert_allclose(slope, expected)
