"""Indexing by integer arrays and masks, and writes to such positions, against NumPy."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symnet.compile.function import function
from symnet.errors import ShapeError
from symnet.gradient import grad, verify_grad
from symnet.graph.evaluate import evaluate
from symnet.graph.traverse import toposort
from symnet.graph.types import DTYPES, TensorType
from symnet.ops import indexing as I
from symnet.ops import operators  # noqa: F401  (attaches + to variables)
from symnet.ops import picks as P
from symnet.ops.advanced import AdvancedIncSubtensor, AdvancedSubtensor, Stretched
from symnet.ops.creation import arange
from symnet.ops.functions import log
from symnet.ops.reduce import sum as sum_over
from tests.helpers import run

RANDOM = np.random.default_rng(5)
VALUE = RANDOM.standard_normal((4, 3, 5))
PAIRS = np.array([[0, 2], [1, 1]])
MASK = VALUE > 0.3


def variable(*shape, dtype="float64", name="x"):
    return TensorType(dtype, shape)(name)


def cube():
    return variable(None, None, None)


KEYS = [
    ([0, 2, 2],), (PAIRS,), (PAIRS, slice(1, None)), (slice(None), PAIRS),
    (0, slice(None), PAIRS), (slice(None), 0, PAIRS), (PAIRS, PAIRS[:1]),
    (PAIRS, slice(None), PAIRS), (PAIRS, None, PAIRS), (None, PAIRS),
    (slice(None), PAIRS, None, PAIRS), (slice(None), None, PAIRS), (Ellipsis, PAIRS),
    (slice(2, 0, -1), slice(0, 3), [1, -2]), ([-1, -4],), ([],), (slice(1, 3), 0, [0, 4]),
    (np.array([1], "uint8"), [0, 2], [1, 1]), (np.zeros((0, 2), int),),
    (slice(None), [[0], [2]], [3, 4]), (0, [1, 1], None, slice(1, 2)),
    (None, 2, Ellipsis, PAIRS, 1), (slice(1, None), [0, 2], Ellipsis, 1),
    (None, PAIRS, Ellipsis, PAIRS, 1), (None, Ellipsis, PAIRS, 2, PAIRS),
    (MASK,), (slice(None), np.array([True, False, True])), (MASK[:, :, 0],),
    (slice(1, None), MASK[0]), ([0, 1], np.array([True, False, True]), slice(None)),
    (np.zeros(4, bool),), (Ellipsis, MASK[0, 0]),
]  # fmt: skip


def symbolic(key):
    """The key with each array as a variable, and their values."""
    entries, values = [], {}
    for k, entry in enumerate(key):
        if isinstance(entry, (list, np.ndarray)):
            array = np.asarray(entry, dtype=None if len(entry) else "int64")
            shape = [1 if n == 1 else None for n in array.shape]
            v = variable(*shape, dtype=array.dtype, name=f"index{k}")
            values[v] = array
            entries.append(v)
        else:
            entries.append(entry)
    return tuple(entries), values


@pytest.mark.parametrize("key", KEYS, ids=[str(k) for k in range(len(KEYS))])
@pytest.mark.parametrize("known", [True, False])
def test_read_and_write(key, known):
    x = cube()
    entries, values = (key, {}) if known else symbolic(key)
    values[x] = VALUE
    numpy_key = tuple(np.asarray(e, int) if isinstance(e, list) else e for e in key)
    expected = VALUE[numpy_key]
    got = run(x[entries], values)
    assert got.shape == expected.shape
    np.testing.assert_array_equal(got, expected)
    part = RANDOM.standard_normal(expected.shape)
    set_, increased, one = VALUE.copy(), VALUE.copy(), VALUE.copy()
    set_[numpy_key] = part
    np.add.at(increased, numpy_key, part)
    one[numpy_key] = 3.5
    results = run(
        [
            I.set_subtensor(x[entries], part),
            I.inc_subtensor(x[entries], part),
            I.set_subtensor(x[entries], 3.5),
        ],
        values,
    )
    np.testing.assert_array_equal(results[0], set_)
    np.testing.assert_allclose(results[1], increased, rtol=1e-14)
    np.testing.assert_array_equal(results[2], one)


@pytest.mark.parametrize("key", KEYS[:28:4], ids=str)
def test_gradients(key):
    numpy_key = tuple(np.asarray(e, int) if isinstance(e, list) else e for e in key)
    part = RANDOM.standard_normal(VALUE[numpy_key].shape)
    weights = RANDOM.standard_normal(VALUE.shape)
    verify_grad(lambda x: x[key] * part, [VALUE])
    for write in (I.set_subtensor, I.inc_subtensor):
        verify_grad(lambda x, y, w=write: w(x[key], y) * weights, [VALUE, part])
    verify_grad(lambda x: grad(sum_over(x[key] ** 3), x), [VALUE])


def test_gradient_of_positions_that_come_twice():
    """What was overwritten has no part in the result."""
    weights = np.arange(1.0, 5.0)
    index = np.array([1, 3, 1, 1])
    for write in (I.set_subtensor, I.inc_subtensor):
        verify_grad(
            lambda x, y, w=write: w(x[index], y) ** 2 * weights,
            [np.ones(4), np.arange(4.0)],
        )


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(-4, 3), max_size=6), st.lists(st.integers(-5, 4), max_size=6)
)
def test_pairs_of_vectors(picks, rows, columns):
    length = min(len(rows), len(columns))
    rows, columns = np.array(rows[:length], int), np.array(columns[:length], int)
    y = np.arange(1.0, length + 1)
    x = VALUE[:, 0]
    set_, increased = x.copy(), x.copy()
    set_[rows, columns] = y
    np.add.at(increased, (rows, columns), y)
    program, (variables, outputs) = picks
    values = dict(zip(variables, [x, rows, columns, y], strict=True))
    for results in (program(x, rows, columns, y), evaluate(outputs, values)):
        np.testing.assert_array_equal(results[0], x[rows, columns])
        np.testing.assert_array_equal(results[1], set_)
        np.testing.assert_allclose(results[2], increased, rtol=1e-14)
        np.testing.assert_array_equal(results[3], increased[rows])


@pytest.fixture(scope="module")
def picks():
    x = variable(None, None)
    i, j = (variable(None, dtype="int64", name=name) for name in "ij")
    y = variable(None, name="y")
    part = x[i, j]
    increased = I.inc_subtensor(part, y)
    outputs = [part, I.set_subtensor(part, y), increased, increased[i]]
    return function([x, i, j, y], outputs), ([x, i, j, y], outputs)


def test_picks_of_a_cross_entropy():
    p = variable(None, None, name="p")
    y = variable(None, dtype="int32", name="y")
    probabilities = RANDOM.uniform(0.1, 1, (6, 3))
    labels = np.array([0, 2, 1, 1, 0, 2])
    loss = -log(p)[arange(y.shape[0]), y].mean()
    got = run([loss, grad(loss, p)], {p: probabilities, y: labels})
    picked = probabilities[np.arange(6), labels]
    np.testing.assert_allclose(got[0], -np.log(picked).mean(), rtol=1e-12)
    gradient = np.zeros((6, 3))
    gradient[np.arange(6), labels] = -1 / picked / 6
    np.testing.assert_allclose(got[1], gradient, rtol=1e-12)


def test_index_of_an_index():
    x, i = cube(), variable(None, dtype="int64", name="i")
    got = run(x[1][i][:, ::-1], {x: VALUE, i: [2, 0]})
    np.testing.assert_array_equal(got, VALUE[1][[2, 0]][:, ::-1])
    wanted = VALUE[1].copy()
    wanted[[2, 0]] = 4
    got = run(I.set_subtensor(x[1][i], 4), {x: VALUE, i: [2, 0]})
    np.testing.assert_array_equal(got, wanted)


def test_static_sizes():
    x = variable(10, None, 4)
    assert x[[1, 2, 3]].type.shape == (3, None, 4)
    assert x[1:, :, [[0], [1]]].type.shape == (9, None, 2, 1)
    assert x[[0], :, [0, 1]].type.shape == (2, None)


def test_ops_are_values():
    for op in (
        AdvancedSubtensor((0, 2), 1, True),
        AdvancedIncSubtensor((1,), 1, set=True),
    ):
        assert pickle.loads(pickle.dumps(op)) == op


def test_out_of_range():
    x, i = cube(), variable(None, dtype="int64", name="i")
    for wrong in (4, -5):
        for expression in (x[i], I.set_subtensor(x[i], 1), I.inc_subtensor(x[i], 1)):
            with pytest.raises(IndexError):
                evaluate([expression], {x: VALUE, i: np.array([0, wrong])})
            with pytest.raises(IndexError):
                function([x, i], expression)(VALUE, np.array([0, wrong]))


def test_sizes_that_do_not_agree():
    x = cube()
    i, j = (variable(None, dtype="int64", name=name) for name in "ij")
    y, mask = variable(None, name="y"), variable(None, dtype="bool", name="m")
    values = {x: VALUE, i: np.zeros(2, int), j: np.zeros(3, int), y: np.zeros(3)}
    values[mask] = np.ones(3, bool)
    for expression in (x[i, j], I.set_subtensor(x[i, 0, 0], y), x[mask]):
        with pytest.raises(ShapeError):
            evaluate([expression], values)
        with pytest.raises(ShapeError):
            program = function([x, i, j, y, mask], expression, on_unused_input="ignore")
            program(*(values[v] for v in (x, i, j, y, mask)))
    with pytest.raises(IndexError):
        variable(4, 3)[np.ones(3, bool)]
    with pytest.raises(ShapeError):
        x[[0, 1], [0, 1, 2]]


def test_refused():
    x = cube()
    for key in ([0.5], np.ones(2), [[1.0]], variable(None)):
        with pytest.raises(TypeError, match="integer"):
            x[key]
    with pytest.raises(IndexError):
        x[MASK, 0]


# ---- functions


def test_nonzero():
    x = variable(None, None)
    value = np.array([[0, 1.5, np.nan], [0, 0, -2]])
    found = run(I.nonzero(x), {x: value})
    for got, want in zip(found, np.nonzero(value), strict=True):
        np.testing.assert_array_equal(got, want)
    matrix = run(x.nonzero(return_matrix=True), {x: value})
    np.testing.assert_array_equal(matrix, np.array(np.nonzero(value)))
    np.testing.assert_array_equal(
        run(I.flatnonzero(x), {x: value}), np.flatnonzero(value)
    )
    np.testing.assert_array_equal(
        run(x.nonzero_values(), {x: value}), value[value != 0]
    )
    with pytest.raises(ValueError):
        I.nonzero(variable())


@pytest.mark.parametrize("axis", [None, 0, 1, -1])
@pytest.mark.parametrize("indices", [1, [0, 2, 1], PAIRS])
def test_take(axis, indices):
    x = cube()
    expected = np.take(VALUE, indices, axis=axis)
    np.testing.assert_array_equal(run(x.take(indices, axis), {x: VALUE}), expected)
    verify_grad(lambda v: I.take(v, indices, axis) * 2, [VALUE])


@pytest.mark.parametrize("mode", ["wrap", "clip"])
def test_take_out_of_range(mode):
    x = cube()
    indices = np.array([-7, -1, 0, 3, 9])
    got = run(x.take(indices, 1, mode), {x: VALUE})
    np.testing.assert_array_equal(got, np.take(VALUE, indices, 1, mode=mode))
    with pytest.raises(ValueError):
        x.take(indices, 1, "other")


def test_take_along_axis():
    x = cube()
    order = np.argsort(VALUE, axis=1)
    got = run(P.take_along_axis(x, order, 1), {x: VALUE})
    np.testing.assert_array_equal(got, np.sort(VALUE, axis=1))


def test_compress():
    x = cube()
    got = run(P.compress([True, False, True], x, axis=0), {x: VALUE})
    np.testing.assert_array_equal(got, VALUE[[0, 2]])
    m = variable(None, dtype="bool", name="m")
    flat = run(m.compress(x), {x: VALUE, m: [False, True]})
    np.testing.assert_array_equal(flat, VALUE.reshape(-1)[1:2])


def test_choose_keeps_axes_of_size_1():
    a, options = TensorType("int32", ())("a"), np.arange(8.0).reshape(4, 1, 2)
    for value in (options, options[:, :, :1], options[:, 0]):
        got = run(P.choose(a, value), {a: np.int32(3)})
        np.testing.assert_array_equal(got, np.choose(3, value))
        assert got.shape == P.choose(a, value).type.shape


def test_choose():
    a = variable(None, dtype="int64", name="a")
    options = RANDOM.standard_normal((3, 4))
    numbers = np.array([2, 0, 1, 1])
    x = variable(None, None)
    expected = np.choose(numbers, options)
    np.testing.assert_array_equal(
        run(P.choose(a, x), {a: numbers, x: options}), expected
    )
    listed = P.choose(a, [x[0], x[1], x[2]])
    np.testing.assert_array_equal(run(listed, {a: numbers, x: options}), expected)
    mixed = run(P.choose(a, [x, 1.0]), {a: [0, 1, 0, 1], x: options})
    np.testing.assert_array_equal(mixed, np.choose([0, 1, 0, 1], [options, 1.0]))
    wrapped = run(P.choose(a, x, mode="wrap"), {a: numbers + 3, x: options})
    np.testing.assert_array_equal(wrapped, expected)
    verify_grad(lambda v: P.choose(numbers, v) ** 2, [options])


def test_one_hot():
    y = variable(None, dtype="int32", name="y")
    got = run(P.to_one_hot(y, 4, dtype="float32"), {y: [3, 0, 1]})
    np.testing.assert_array_equal(got, np.eye(4, dtype="float32")[[3, 0, 1]])
    with pytest.raises(IndexError):
        evaluate([P.to_one_hot(y, 3)], {y: np.array([3], "int32")})
    with pytest.raises(TypeError):
        P.to_one_hot(variable(None), 3)


# ---- all dtypes, unusual inputs


@pytest.mark.parametrize("dtype", DTYPES)
def test_dtypes(dtype):
    x, y = variable(None, None, dtype=dtype), variable(None, dtype=dtype, name="y")
    i = variable(None, dtype="int32", name="i")
    value = RANDOM.integers(0, 3, (3, 4)).astype(dtype)
    row = RANDOM.integers(0, 3, 2).astype(dtype)
    rows = np.array([2, 0])
    values = {x: value, y: row, i: rows}
    for key, entries in (((rows, 1), (i, 1)), ((0, slice(1, 3)), (0, slice(1, 3)))):
        np.testing.assert_array_equal(run(x[entries], values), value[key])
        expected = value.copy()
        expected[key] = row
        np.testing.assert_array_equal(
            run(I.set_subtensor(x[entries], y), values), expected
        )
        np.add.at(expected, key, row)
        got = run(I.inc_subtensor(I.set_subtensor(x[entries], y)[entries], y), values)
        np.testing.assert_array_equal(got, expected)


def test_inputs_that_are_not_contiguous():
    x, i = cube(), variable(None, dtype="int64", name="i")
    value = np.asfortranarray(VALUE)[::-1, :, ::2]
    rows = np.array([3, 9, 0, 9, 1])[::2]
    program = function([x, i], [x[i], x[:, 1], I.inc_subtensor(x[i], 1)])
    expected = value.copy()
    np.add.at(expected, rows, 1)
    for got, want in zip(
        program(value, rows), (value[rows], value[:, 1], expected), strict=True
    ):
        np.testing.assert_array_equal(got, want)


def test_without_elements():
    x, i = cube(), variable(None, dtype="int64", name="i")
    empty = np.zeros((0, 3, 5))
    none = np.zeros(0, int)
    values = {x: empty, i: none}
    for expression in (
        x[i],
        I.set_subtensor(x[i], 1),
        x[1:],
        I.inc_subtensor(x[:, 1], 2),
    ):
        assert run(expression, values).shape == (0, 3, 5) or expression.type.ndim < 3
    np.testing.assert_array_equal(run(x[:, i], {x: VALUE, i: none}), VALUE[:, none])


# ---- index arrays whose sizes show at a run only

MODES = ["FAST_RUN", "FAST_COMPILE", "DebugMode"]
SHAPES = [(), (1,), (3,), (4, 1), (1, 3), (4, 3), (1, 1), (0,), (4, 0), (2, 1, 1)]
FORMS = [
    lambda x, i, j: x[i, j], lambda x, i, j: x[i, :, j], lambda x, i, j: x[1:, i, j],
    lambda x, i, j: x[i, None, j], lambda x, i, j: x[..., i, j], lambda x, i, j: x[i, 2, j],
]  # fmt: skip


class Key:
    """Gives the index itself."""

    def __getitem__(self, key):
        return key


def compare(outputs, inputs, values, wants, mode):
    """Wants of None are refused by NumPy; so must they be here."""
    for output, want in zip(outputs, wants):
        f = function(inputs, output, mode=mode, on_unused_input="ignore")
        if want is None:
            with pytest.raises((IndexError, ValueError)):
                f(*values)
        else:
            got = f(*values)
            assert got.shape == want.shape
            np.testing.assert_array_equal(got, want)


def numpys(form, *key):
    """The part, the array with the part replaced, and how often each element is in it."""
    try:
        part = form(VALUE, *key)
    except (IndexError, ValueError):
        return None, None, None
    where, written, counts = form(Key(), *key), VALUE.copy(), np.zeros(VALUE.shape)
    written[where] = 7
    np.add.at(counts, where, 1.0)
    return part, written, counts


@pytest.mark.parametrize("first", SHAPES, ids=str)
def test_sizes_of_one_that_show_at_a_run(first):
    for number, second in enumerate(SHAPES):
        i = variable(*[None] * len(first), dtype="int64", name="i")
        j = variable(*[None] * len(second), dtype="int64", name="j")
        x, form = cube(), FORMS[(number + len(first)) % len(FORMS)]
        key = [RANDOM.integers(-3, 3, size=shape) for shape in (first, second)]
        part = form(x, i, j)
        outputs = [part, I.set_subtensor(part, 7.0), grad(part.sum(), x)]
        values, wants = [VALUE, *key], numpys(form, *key)
        compare(outputs, [x, i, j], values, wants, MODES[number % 3])
        compare([(part * 2).sum()], [x, i, j], values,
                [None if w is None else np.asarray((w * 2).sum()) for w in wants[:1]],
                "FAST_COMPILE")  # fmt: skip


def test_index_arrays_of_one_shape_by_their_making_are_read_as_they_are():
    y = variable(None, dtype="int64", name="y")
    x = variable(None, None)
    mask = variable(None, None, dtype="bool", name="mask")
    plain = [
        x[arange(y.shape[0]), y], x[arange(y.shape[0]), -y], x[mask],
        x[arange(y.size), y], x[I.nonzero(mask)],
    ]  # fmt: skip
    for part in plain:
        assert not any(
            v.owner is not None and isinstance(v.owner.op, Stretched)
            for v in part.owner.inputs
        )
    part = P.take_along_axis(x, x.argsort(1), axis=1)
    f = function([x], part)
    assert "Stretched" not in str([n.op for n in toposort(f.maker.fgraph.outputs)])
    value = RANDOM.standard_normal((4, 5))
    np.testing.assert_array_equal(f(value), np.sort(value, axis=1))


# ---- scalar booleans

TRUTHS = [
    lambda x, b, v, m: x[b], lambda x, b, v, m: x[b, 1], lambda x, b, v, m: x[1, b],
    lambda x, b, v, m: x[:, b], lambda x, b, v, m: x[b, None], lambda x, b, v, m: x[None, b],
    lambda x, b, v, m: x[b, v], lambda x, b, v, m: x[v, b], lambda x, b, v, m: x[v, :, b],
    lambda x, b, v, m: x[..., b], lambda x, b, v, m: x[b, ..., v], lambda x, b, v, m: x[m, b],
    lambda x, b, v, m: x[1:, b, v], lambda x, b, v, m: x[b, 1:, v], lambda x, b, v, m: x[b, b],
    lambda x, b, v, m: x[0, b, :2], lambda x, b, v, m: x[:, b, 1:],
]  # fmt: skip


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("form", TRUTHS)
def test_a_scalar_boolean_is_a_mask_over_no_axis(form, mode):
    x, b = cube(), variable(dtype="bool", name="b")
    v = variable(None, dtype="int64", name="v")
    m = variable(None, None, dtype="bool", name="m")
    vector, mask = np.array([1, 0, 2]), RANDOM.random(VALUE.shape[:2]) < 0.5
    for truth in (True, False):
        wants = numpys(form, truth, vector, mask)
        for key in (b, truth, np.bool_(truth), np.array(truth)):
            part = form(x, key, v, m)
            outputs = [part, I.set_subtensor(part, 7.0), grad(part.sum(), x)]
            values = [VALUE, truth, vector, mask]
            compare(
                outputs if key is b else outputs[:2], [x, b, v, m], values, wants, mode
            )


def test_a_scalar_boolean_of_a_scalar():
    x = variable()
    for truth, want in ((True, [2.0]), (False, [])):
        np.testing.assert_array_equal(function([x], x[truth])(2.0), want)
