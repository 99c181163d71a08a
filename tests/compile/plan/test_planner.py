"""Plans: which calls share one, what compiles anew, and what follows an integer."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import convolve2d

import symnet
import symnet.tensor as T
from symnet import function, grad, shared
from symnet.compile.compiled_segment import PLANS_KEPT
from symnet.compile.plan import planner
from symnet.compile.plan.planner import shape_arguments
from symnet.errors import ShapeError
from symnet.kernels.cpu.runtime.step_table import leaf_tasks
from symnet.kernels.llvm.object_code import statistics

RNG = np.random.default_rng(0)


def native(f):
    (only,) = f.engine.native
    return only


def plans(f):
    return list(native(f).plans.values())


def compiled():
    return statistics.compiled + statistics.loaded


# ---- columns, in one loop or in several


@pytest.fixture
def two_threads():
    symnet.config.num_threads = 2
    yield
    symnet.config.num_threads = 0


@pytest.mark.parametrize("shape", [(300, 700), (20000, 10), (7, 5), (0, 5), (7, 0)])
@pytest.mark.parametrize("order", ["C", "F", "strided"])
def test_columns_are_reduced_and_mapped(two_threads, shape, order):
    """Many columns, few of many rows (several loops), and hardly any; with a mean that is
    kept from call to call, and may be overwritten only after it was read."""
    x = T.dmatrix("x")
    kept = shared(np.zeros((1, shape[1])), "kept", broadcastable=(True, False))
    rows = np.maximum(shape[0], 1)
    mean = x.sum(axis=0, keepdims=True) / rows
    spread = T.sqrt(T.sqr(x - mean).sum(axis=0, keepdims=True) / rows + 1)
    f = function([x], (x - mean) / spread + kept, updates={kept: kept / 2 + mean})
    value = RNG.normal(size=tuple(2 * n for n in shape))[::2, ::2]
    value = value if order == "strided" else np.array(value, order=order)
    old = np.zeros((1, shape[1]))
    for _ in range(3):
        center = value.sum(0, keepdims=True) / rows
        apart = value - center
        wide = np.sqrt((apart**2).sum(0, keepdims=True) / rows + 1)
        np.testing.assert_allclose(f(value), apart / wide + old, atol=1e-12)
        old = old / 2 + center
        np.testing.assert_allclose(kept.get_value(), old, atol=1e-12)


@pytest.mark.parametrize("shape", [(300, 700), (20000, 10), (5, 40, 30), (3, 4000, 3)])
def test_softmax_over_an_outer_axis(two_threads, shape):
    x = T.TensorType("float32", (None,) * len(shape))("x")
    axis = len(shape) - 2
    f = function([x], T.nnet.softmax(x, axis=axis))
    value = RNG.normal(size=shape).astype("f4")
    wide = np.exp(value.astype("f8"))
    want = wide / wide.sum(axis, keepdims=True)
    np.testing.assert_allclose(f(value), want, rtol=2e-6)


def test_few_columns_are_several_loops(two_threads):
    x = T.fmatrix("x")
    f = function([x], T.nnet.softmax(x, axis=0))
    counts = []
    for shape in [(300, 700), (20000, 10)]:
        f(np.zeros(shape, "f4"))
        counts.append(len(plans(f)[-1].loaded.paths))
    assert counts == [1, 5]


# ---- which calls share a plan


def test_equal_shapes_share_a_plan():
    x = T.dmatrix("x")
    f = function([x], T.tanh(x).sum(axis=0))
    for shape in [(2, 3), (4, 3), (2, 3), (3, 2), (4, 3)]:
        value = RNG.normal(size=shape)
        np.testing.assert_allclose(f(value), np.tanh(value).sum(axis=0))
    assert len(plans(f)) == 3


def test_old_plans_are_forgotten():
    x = T.dvector("x")
    f = function([x], x * 2)
    for n in range(PLANS_KEPT + 10):
        np.testing.assert_array_equal(f(np.ones(n)), np.full(n, 2.0))
    assert len(plans(f)) == PLANS_KEPT
    first = plans(f)[0]
    np.testing.assert_array_equal(f(np.ones(0)), np.ones(0))
    assert first not in plans(f) and len(plans(f)) == PLANS_KEPT


def test_free_forgets_plans_and_the_next_call_makes_one():
    x = T.dvector("x")
    f = function([x], T.dot(x * 2, x))
    assert f(np.ones(3)) == 6.0
    f.free()
    assert not plans(f)
    assert f(np.ones(3)) == 6.0 and len(plans(f)) == 1


def network(n_in=7, n_out=5):
    x, y = T.fmatrix("x"), T.lvector("y")
    w, b = (
        shared(np.zeros((n_in, n_out), "f4"), "w"),
        shared(np.zeros(n_out, "f4"), "b"),
    )
    p = T.nnet.softmax(T.dot(x, w) + b)
    cost = -T.log(p)[T.arange(y.shape[0]), y].mean()
    updates = [(v, v - np.float32(0.1) * grad(cost, v)) for v in (w, b)]
    return x, y, cost, updates


def test_ten_batch_sizes_share_their_code():
    x, y, cost, updates = network()
    f = function([x, y], cost, updates=updates)
    f(np.ones((16, 7), "f4"), np.zeros(16, "i8"))
    before = compiled()
    for n in (1, 2, 3, 5, 8, 17, 33, 64, 100, 256):
        assert np.isfinite(f(np.ones((n, 7), "f4"), np.zeros(n, "i8")))
    assert compiled() == before and len(plans(f)) == 11


def test_equal_kernels_are_compiled_once_in_the_process():
    x, z = T.dmatrices("x", "z")
    f = function([x], T.tanh(x * 1.75) - 0.125)
    f(np.ones((4, 5)))
    before = compiled()
    g = function([z], T.tanh(z * 1.75) - 0.125)
    g(np.ones((9, 2)))
    assert compiled() == before


# ---- integers that move pointers


def minibatches(rows=100, size=20):
    data = RNG.normal(size=(rows, 3))
    resident, x, i = shared(data), T.dmatrix("x"), T.lscalar("i")
    f = function([i], x * 2, givens={x: resident[i * size : (i + 1) * size]})
    return f, data


def test_minibatches_are_one_plan_and_need_no_python():
    f, data = minibatches()
    for k in (0, 1, 2, 3, 4, 0, 4):
        np.testing.assert_array_equal(f(k), data[20 * k : 20 * k + 20] * 2)
    assert len(plans(f)) == 1
    calls = []
    plain = f.call
    f.call = lambda *args: calls.append(args) or plain(*args)
    for k in range(5):
        f(k)
    assert not calls
    f(5)
    assert calls  # the window ends there


def test_values_at_and_beyond_the_ends():
    f, data = minibatches(rows=50)
    for k in (0, 1, 2, 3, -1, -2, -3, 1, 10**6, -(10**6), 2, 0):
        np.testing.assert_array_equal(f(k), data[20 * k : 20 * (k + 1)] * 2)
    assert len(plans(f)) == 3  # 20 rows, 10 rows, none


@pytest.mark.parametrize("dtype", ["int8", "int32", "int64", "uint8", "uint16"])
def test_indices_of_any_dtype(dtype):
    data = RNG.normal(size=(12, 3))
    resident, i = shared(data), T.scalar("i", dtype=dtype)
    f = function([i], [resident[i], resident[i:].sum()])
    for k in (0, 3, 11, 5):
        row, total = f(k)
        np.testing.assert_array_equal(row, data[k])
        np.testing.assert_allclose(total, data[k:].sum())
    with pytest.raises(IndexError):
        f(12)


def test_rows_of_a_temporary_follow_an_index():
    a, i = T.dmatrix("a"), T.lscalar("i")
    f = function([a, i], [T.dot(a, a)[i] * 2, T.dot(a, a)[:, i : i + 2].sum()])
    value = RNG.normal(size=(4, 4))
    for k in (0, 1, 3, -1, 2):
        row, total = f(value, k)
        np.testing.assert_allclose(row, (value @ value)[k] * 2)
        np.testing.assert_allclose(
            total, (value @ value)[:, k : k + 2].sum(), atol=1e-12
        )


def test_rows_of_a_constant_follow_an_index():
    table, i = T.constant(np.arange(12.0).reshape(4, 3)), T.lscalar("i")
    f = function([i], table[i] + 1)
    for k in (0, 3, -2, 1):
        np.testing.assert_array_equal(f(k), np.arange(12.0).reshape(4, 3)[k] + 1)


def test_integers_inside_kernels_follow():
    x, i, j = T.dvector("x"), T.lscalar("i"), T.lscalar("j")
    one, two = (
        function([x, i], T.arange(x.shape[0]) + i),
        function([x, i, j], x * i - j),
    )
    for k in range(-3, 4):
        np.testing.assert_array_equal(one(np.zeros(3), k), np.arange(3) + k)
        np.testing.assert_array_equal(two(np.ones(2), k, k * k), [k - k * k] * 2)
    assert len(plans(one)) == len(plans(two)) == 1


def test_two_moving_integers():
    data = RNG.normal(size=(10, 8))
    resident, i, j = shared(data), T.lscalar("i"), T.lscalar("j")
    f = function([i, j], resident[i, j : j + 2] * 3)
    for k in range(10):
        for m in (0, 3, 6):
            np.testing.assert_array_equal(f(k, m), data[k, m : m + 2] * 3)
    assert len(plans(f)) == 1


def test_sizes_that_change_with_every_value():
    n = T.lscalar("n")
    f = function([n], [T.arange(n), T.zeros((n, 2)).sum(axis=1)])
    for k in (3, 0, 5, 3, 1):
        counting, zeros = f(k)
        np.testing.assert_array_equal(counting, np.arange(k))
        np.testing.assert_array_equal(zeros, np.zeros(k))
    assert len(plans(f)) == 4
    with pytest.raises(ValueError, match="negative"):
        f(-1)


def test_indices_that_are_not_a_straight_line():
    data = RNG.normal(size=(10, 2))
    resident, i = shared(data), T.lscalar("i")
    f = function([i], resident[i * i % 10] + resident[i // 2])
    for k in range(10):
        np.testing.assert_array_equal(f(k), data[k * k % 10] + data[k // 2])


# ---- shared variables


def test_a_shared_variable_of_another_size_is_another_plan():
    s = shared(np.ones((2, 3)))
    f = function([], s.sum(axis=0))
    for shape in [(2, 3), (5, 3), (2, 3), (0, 3), (2, 1)]:
        s.set_value(np.ones(shape))
        np.testing.assert_array_equal(f(), np.full(shape[1], shape[0]))
    assert len(plans(f)) == 4


def test_the_row_number_may_be_shared():
    data, position = RNG.normal(size=(6, 2)), shared(0)
    resident = shared(data)
    f = function([], resident[position] * 1, updates=[(position, (position + 1) % 6)])
    for k in range(9):
        np.testing.assert_array_equal(f(), data[k % 6])


# ---- errors of a call


def test_failing_demands_name_sizes_operands_and_line():
    x, y = T.dmatrix("x"), T.dvector("y")
    total = x + y
    f = function([x, y], total)
    f(np.ones((2, 3)), np.ones(3))
    with pytest.raises(ShapeError) as error:
        f(np.ones((2, 3)), np.ones(4))
    text = str(error.value)
    for part in (
        "3 and 4",
        "add",
        "x, float64 matrix, shape (2, 3)",
        "y",
        "total = x + y",
    ):
        assert part in text
    assert len(plans(f)) == 1
    np.testing.assert_array_equal(f(np.ones((1, 4)), np.ones(4)), np.full((1, 4), 2.0))


def test_of_many_shapes_the_nearest_are_told():
    x, y = T.dmatrix("x"), T.dmatrix("y")
    weights = [shared(np.ones((3, 3)), name=f"w{k}") for k in range(40)]
    total = T.dot(x, weights[0])
    for weight in weights[1:-1]:
        total = T.tanh(T.dot(total, weight))
    f = function([x, y], T.dot(T.dot(y, weights[-1]), total))
    with pytest.raises(ShapeError) as error:
        f(np.ones((2, 3)), np.ones((4, 3)))
    last = str(error.value).splitlines()[-1]
    assert "y: (4, 3); " in last and "w39: (3, 3)" in last and "w38: (3, 3)" in last
    assert "w1:" not in last and last.count("(3, 3)") == 11
    assert last.endswith("; and 30 that are farther from it")


def test_a_size_of_1_is_told_how_to_broadcast():
    x, y = T.dmatrices("x", "y")
    f = function([x, y], x * y)
    with pytest.raises(ShapeError, match="addbroadcast"):
        f(np.ones((2, 3)), np.ones((2, 1)))


def test_demands_on_values_are_checked_at_each_call():
    x, i = T.dvector("x"), T.lscalar("i")
    f = function([x, i], x[i])
    value = np.arange(3.0)
    for k in (0, 2, -3):
        assert f(value, k) == value[k]
    for k in (3, -4):
        with pytest.raises(IndexError) as error:
            f(value, k)
        assert "x[i]" in str(error.value)
    assert f(value, 1) == 1.0
    g = function([x, i], x.reshape((i, 2)))
    assert g(np.ones(6), 3).shape == (3, 2)
    with pytest.raises(ValueError):
        g(np.ones(6), 2)


# ---- pieces


def test_shape_arguments_reads_sizes_and_values():
    x, i, s = T.dmatrix("x"), T.lscalar("i"), shared(np.ones((4, 2)))
    f = function([x, i], x[i] + s[0, 0] + s.sum())
    program = native(f).program
    read = shape_arguments(program)
    arrays = {"x": np.ones((3, 5)), "i": np.array(2)}
    found = read(
        [arrays[v.name] for v in program.inputs], [v.array for v in program.shared]
    )
    for one, number in zip(program.arguments, found, strict=True):
        array = arrays.get(one.leaf.name, s.get_value())
        assert number == (array if one.axis is None else array.shape[one.axis])


def test_temporaries_share_one_arena():
    x = T.dmatrix("x")
    y = x
    for _ in range(20):
        y = T.dot(y, x)
    f = function([x], y)
    f(np.eye(64))
    (plan,) = plans(f)
    assert 64 * 64 * 8 <= plan.loaded.arena_bytes <= 3 * 64 * 64 * 8


def test_a_function_without_work():
    x = T.dvector("x")
    assert function([x], [], on_unused_input="ignore")(np.ones(3)) == []
    np.testing.assert_array_equal(function([x], x)(np.ones(3)), np.ones(3))
    empty = function([x], [T.tanh(x), x.sum(), T.dot(x, x)])(np.ones(0))
    assert [r.shape for r in empty] == [(0,), (), ()] and empty[1] == empty[2] == 0
    assert symnet.function([], T.constant(3.0))() == 3.0


@pytest.mark.parametrize("mode", ["FAST_RUN", "DebugMode"])
def test_steps_work_in_free_places_of_the_arena(monkeypatch, mode):
    """What many bytes of a step's own lie in between its temporaries, whatever lives then."""
    monkeypatch.setattr(planner, "SHARED_SCRATCH", 0)
    rng = np.random.default_rng(3)
    a, b = (rng.normal(size=(90, 70)).astype("float32") for _ in "ab")
    pictures = rng.normal(size=(2, 3, 12, 12)).astype("float32")
    filters = rng.normal(size=(4, 3, 3, 3)).astype("float32")
    x, y, p = T.fmatrix("x"), T.fmatrix("y"), T.ftensor4("p")
    kept = T.exp(x * 0.5)
    first = T.dot(x.T, T.tanh(y))
    states = symnet.scan(
        lambda s: T.tanh(T.dot(s, first) * 0.01) + T.dot(s, first.T) * 0.01,
        outputs_info=[T.dot(kept, first)],
        n_steps=3,
    )[0]
    convolved = T.nnet.conv2d(p, T.constant(filters))
    f = function(
        [x, y, p], [states[-1], T.dot(kept.T, y), convolved, kept.sum()], mode=mode
    )
    found = f(a, b, pictures)
    wide = a.astype("float64")
    product = wide.T @ np.tanh(b)
    state = np.exp(wide / 2) @ product
    for _ in range(3):
        state = np.tanh(state @ product * 0.01) + state @ product.T * 0.01
    np.testing.assert_allclose(found[0], state, rtol=1e-3, atol=1e-3 * abs(state).max())
    np.testing.assert_allclose(found[1], np.exp(wide / 2).T @ b, rtol=1e-4, atol=1e-4)
    for k, m in np.ndindex(2, 4):
        layers = [convolve2d(pictures[k, c], filters[m, c], "valid") for c in range(3)]
        np.testing.assert_allclose(found[2][k, m], sum(layers), rtol=1e-4, atol=1e-4)
    if mode == "FAST_RUN":
        tasks = [t for plan in plans(f) for t in leaf_tasks(plan.tasks)]
        needing = [t for t in tasks if t.arrangement.scratch_bytes]
        assert needing and all(t.scratch is not None for t in needing)
