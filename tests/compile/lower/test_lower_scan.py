"""Loops as native steps: values against the operation's own evaluation, memory, plans."""

from __future__ import annotations

import numpy as np
import pytest

import symnet.tensor as T
from symnet import function, grad, scan, shared
from symnet.compile.lower.program import (
    LibraryCall,
    Linearise,
    Loop,
    every_instruction,
)
from symnet.ops.scan.loop import Scan, State
from tests.helpers import reference_sort

rng = np.random.default_rng(5)


def native_steps(f):
    """All steps of a function, which must have no part that NumPy computes."""
    assert not any(segment.reference for segment in f.engine.segments)
    return [s for n in f.engine.native for s in every_instruction(n.program.steps)]


def run_both(outputs, values, updates=(), native=True):
    """The function, after comparing two calls with those of the reference."""
    kept = [(v, v.get_value()) for v, _ in updates]
    found = []
    for mode in ("FAST_COMPILE", None):
        f = function(list(values), outputs, updates=list(updates), mode=mode)
        results = [f(*values.values()) for _ in range(2)]
        found.append([results, [v.get_value() for v, _ in updates]])
        for v, old in kept:
            v.set_value(old)
    (want, want_state), (got, got_state) = found
    for first, second in zip([*want, want_state], [*got, got_state], strict=True):
        for a, b in zip(first, second, strict=True):
            assert a.dtype == b.dtype
            assert a.shape == b.shape
            rough = a.dtype == np.float16
            np.testing.assert_allclose(b, a, rtol=1e-2 if rough else 1e-6, atol=1e-9)
    if native:
        assert any(isinstance(s, Loop) for s in native_steps(f))
    return f


def loop(inner_inputs, inner_outputs, outer, states, sequences=0, collected=0, **more):
    """The outputs of a Scan; `outer` begins with the number of steps."""
    op = Scan(inner_inputs, inner_outputs, sequences, states, collected, **more)
    return list(op.make_node(*outer).outputs)


# ---- states


@pytest.mark.parametrize("steps", [0, 1, 2, 7])
@pytest.mark.parametrize("taps", [(-1,), (-2, -1), (-3,), (-5, -2)])
@pytest.mark.parametrize("more", [None, 0, 1, 4])
@pytest.mark.parametrize("rank", [0, 1, 2])
def test_taps_and_rows_kept(steps, taps, more, rank):
    depth = -taps[0]
    keep = None if more is None else depth + more
    row = T.TensorType("float64", (None,) * rank)
    x, xs = row("x"), T.TensorType("float64", (None,) * (rank + 1))("xs")
    reads = [row() for _ in taps]
    new = x * 0.5 + sum(k * r for k, r in enumerate(reads, 1)) / 4
    start = T.TensorType("float64", (None,) * (rank + 1))("start")
    n = T.lscalar("n")
    inner = [x, *reads]
    outputs = loop(inner, [new, new - x], [n, xs, start], [State(taps, keep)], 1, 1)
    shape = (2, 3)[:rank]
    values = {
        n: steps,
        xs: rng.standard_normal((8, *shape)),
        start: rng.standard_normal((depth, *shape)),
    }
    run_both(outputs, values)


def test_a_state_that_may_be_overwritten_has_one_place():
    h, x, w, start = T.dmatrix(), T.dmatrix(), T.dmatrix(), T.dtensor3()
    xs = T.dtensor3()
    (last,) = loop(
        [x, h, w], [T.tanh(T.dot(h, w) + x)], [xs.shape[0], xs, start, w],
        [State((-1,), 1)], 1,
    )  # fmt: skip
    shapes = ((6, 2, 3), (1, 2, 3), (3, 3))
    f = run_both([last], dict(zip((xs, start, w), map(rng.standard_normal, shapes))))
    assert not any(isinstance(s, Linearise) for s in native_steps(f))
    arenas = []
    for steps in (6, 600):
        f(rng.standard_normal((steps, 2, 3)), np.zeros((1, 2, 3)), np.eye(3))
        plan = next(reversed(f.engine.native[0].plans.values()))
        arenas.append(plan.loaded.arena_bytes)
    assert arenas[0] == arenas[1]


def test_an_accumulator_is_one_product_into_its_own_memory():
    acc, a, b = T.dmatrix(), T.dmatrix(), T.dmatrix()
    xs, ys, start = T.dtensor3(), T.dtensor3(), T.dtensor3()
    # A loop that may stop early: others leave such sums until all steps are done.
    results = [acc + T.dot(a.T, b), a.sum() > 1e9]
    total, _ = loop(
        [a, b, acc], results, [xs.shape[0], xs, ys, start], [State((-1,), 1)], 2,
        until=True,
    )  # fmt: skip
    shapes = ((5, 4, 3), (5, 4, 2), (1, 3, 2))
    f = run_both([total], dict(zip((xs, ys, start), map(rng.standard_normal, shapes))))
    (repeat,) = (s for s in native_steps(f) if isinstance(s, Loop))
    calls = [s for s in repeat.body.steps if isinstance(s, LibraryCall)]
    assert [s.routine.name for s in calls] == ["gemm"]
    assert len(repeat.body.steps) == 2


def test_states_that_change_places():
    a, b = T.dvector(), T.dvector()
    first, second, n = T.dmatrix(), T.dmatrix(), T.lscalar()
    values = {n: 5, first: np.ones((1, 3)), second: np.arange(3.0)[None]}
    for keep in (None, 1):
        states = [State((-1,), keep)] * 2
        run_both(loop([a, b], [b, a], [n, first, second], states), values)
        run_both(loop([a, b], [b, a + b], [n, first, second], states), values)
        run_both(loop([a, b], [b[::-1], a], [n, first, second], states), values)


@pytest.mark.parametrize("keep", [None, 1])
def test_values_handed_out_as_they_are(keep):
    """A state as it is, a sequence's element, a constant, an argument, one value twice."""
    x, h, c = T.dvector(), T.dvector(), T.dvector()
    xs, start, n = T.dmatrix(), T.dmatrix(), T.lscalar()
    five = T.constant(np.full(3, 5.0))
    new = h + x
    outputs = loop(
        [x, h, h2 := T.dvector(), c], [new, h2, h, x, five, c, new, h[::-1]],
        [n, xs, start, start * 2, c], [State((-1,), keep)] * 2, 1, 6,
    )  # fmt: skip
    values = {
        n: 4,
        xs: rng.standard_normal((4, 3)),
        start: rng.standard_normal((1, 3)),
        c: rng.standard_normal(3),
    }
    run_both(outputs, values)


def test_a_value_computed_before_the_loop_is_handed_out():
    x, a = T.dscalar(), T.dscalar()
    inner = T.dscalar()
    n = T.lscalar()
    outputs = loop([inner], [inner], [n, T.sin(x) + a], [], 0, 1)
    run_both([*outputs, T.cos(x)], {n: 3, x: 0.5, a: 2.0})


@pytest.mark.parametrize("transposed", [False, True])
def test_a_state_whose_new_value_is_a_view_of_it(transposed):
    h, n, start = T.dmatrix(), T.lscalar(), T.dtensor3()
    new = h.T if transposed else h[::-1, ::-1]
    values = {n: 3, start: rng.standard_normal((1, 3, 3))}
    for keep in (None, 1):
        run_both(loop([h], [new], [n, start], [State((-1,), keep)]), values)


@pytest.mark.parametrize(
    "dtype", ["bool", "int8", "uint16", "int32", "int64", "float16", "float32"]
)
@pytest.mark.parametrize("rank", [0, 1])
def test_every_dtype_is_carried(dtype, rank):
    row = T.TensorType(dtype, (3,) * rank)
    h, x = row(), row()
    xs = T.TensorType(dtype, (None, *(3,) * rank))()
    start = T.TensorType(dtype, (1, *(3,) * rank))()
    new = T.cast(h ^ x if dtype == "bool" else h * 3 + x, dtype)
    values = {
        xs: rng.integers(0, 2, (9, *(3,) * rank)).astype(dtype),
        start: np.ones((1, *(3,) * rank), dtype),
    }
    count = T.cast(x, "int64") + 1
    for keep in (None, 1):
        states = [State((-1,), keep)]
        outer = [xs.shape[0], xs, start]
        run_both(loop([x, h], [new, count], outer, states, 1, 1), values)


def test_mixed_dtypes():
    k, h = T.iscalar(), T.fvector()
    outputs = loop(
        [h, k], [h * 0.5 + T.cast(k, "float32"), k + 1],
        [n := T.lscalar(), a := T.fmatrix(), b := T.ivector()],
        [State((-1,)), State((-1,), 1)],
    )  # fmt: skip
    values = {n: 6, a: np.ones((1, 4), np.float32), b: np.array([3], np.int32)}
    run_both(outputs, values)


def test_empty_rows():
    x, h = T.dvector(), T.dvector()
    xs, start = T.dmatrix(), T.dmatrix()
    outputs = loop([x, h], [h + x, x.sum()], [xs.shape[0], xs, start], [State()], 1, 1)
    run_both(outputs, {xs: np.zeros((4, 0)), start: np.zeros((1, 0))})


def test_nan_and_infinity_are_carried():
    x, h = T.dscalar(), T.dscalar()
    xs, start = T.dvector(), T.dvector()
    outputs = loop(
        [x, h], [h * x, T.isnan(h)], [xs.shape[0], xs, start], [State()], 1, 1
    )
    run_both(outputs, {xs: np.array([1.0, np.inf, 0.0, 2.0]), start: np.array([2.0])})


# ---- sequences


VIEWS = {
    "reversed": lambda a: a[::-1],
    "every second": lambda a: a[::2],
    "transposed": lambda a: a.T,
    "columns reversed": lambda a: a[:, ::-1],
    "from the third": lambda a: a[2:],
    "one row again and again": lambda a: T.alloc(a[0], 4, a.shape[1]),
    "computed": lambda a: T.exp(a),
}


@pytest.mark.parametrize("name", VIEWS)
def test_sequences_that_are_views(name):
    a, x, h = T.dmatrix(), T.dvector(), T.dvector()
    xs = VIEWS[name](a)
    start = T.zeros((1, xs.shape[1]))
    outer = [xs.shape[0], xs, start]
    run_both(loop([x, h], [h * 0.5 + x], outer, [State()], 1), {a: rng.random((6, 5))})


def test_a_sequence_that_starts_where_an_index_says():
    """The start moves a pointer: there is one plan for all."""
    x, h, k = T.dvector(), T.dvector(), T.lscalar()
    data = shared(rng.random((20, 3)))
    xs = data[k * 5 : k * 5 + 5]
    outputs = loop([x, h], [h + x], [5, xs, T.zeros((1, 3))], [State()], 1)
    f = function([k], outputs)
    for number in (0, 1, 2, 3, 1):
        (got,) = f(number)
        rows = data.get_value()[5 * number : 5 * number + 5]
        np.testing.assert_allclose(got[1:], np.cumsum(rows, 0))
    assert f.engine.native[0].plans_made == 1


def test_a_new_length_is_a_new_plan_and_no_new_code():
    from symnet.kernels.llvm.kernel_cache import statistics

    x, h, w = T.dvector(), T.dvector(), T.dmatrix()
    xs, start = T.dmatrix(), T.dmatrix()
    outputs = loop(
        [x, h, w], [T.tanh(T.dot(h, w) + x)], [xs.shape[0], xs, start, w], [State()], 1
    )
    f = function([xs, start, w], outputs)
    f(np.ones((4, 3)), np.ones((1, 3)), np.eye(3))
    compiled = statistics.compile_ms
    for steps in (5, 50, 1, 7):
        (got,) = f(np.ones((steps, 3)), np.ones((1, 3)), np.eye(3))
        assert got.shape == (steps + 1, 3)
    assert f.engine.native[0].plans_made == 5
    assert statistics.compile_ms == compiled


# ---- until


@pytest.mark.parametrize("limit", [-1.0, 2.5, 100.0])
@pytest.mark.parametrize("keep", [None, 1])
@pytest.mark.parametrize("rank", [0, 1])
def test_until(limit, keep, rank):
    row = T.TensorType("float64", (None,) * rank)
    h, start = row(), T.TensorType("float64", (None,) * (rank + 1))()
    new = h + 1
    n = T.lscalar()
    states, collected, done = loop(
        [h], [new, h * 2, T.gt(new.sum(), limit)], [n, start],
        [State((-1,), keep)], 0, 1, until=True,
    )  # fmt: skip
    rows = states if keep else states[: done + 1]
    values = {n: 6, start: np.zeros((1, 1)[: rank + 1])}
    f = run_both([rows, collected[:done], done], values)
    assert f(*values.values())[2] == {-1.0: 1, 2.5: 3, 100.0: 6}[limit]


def test_until_with_zero_steps():
    h, start, n = T.dscalar(), T.dvector(), T.lscalar()
    rows, done = loop([h], [h, T.gt(h, 0)], [n, start], [State()], until=True)
    run_both([rows[: done + 1], done], {n: 0, start: np.array([1.0])})


def test_until_a_constant():
    h, start, n = T.dscalar(), T.dvector(), T.lscalar()
    stop = T.constant(np.bool_(True))
    _, done = loop([h], [h + 1, stop], [n, start], [State()], until=True)
    run_both([done], {n: 5, start: np.array([1.0])})


# ---- loops in loops, several loops


def test_nested_loops():
    xs, w, h0 = T.dtensor3("xs"), T.dmatrix("w"), T.dmatrix("h0")

    def step(x, h):
        inner, _ = scan(lambda row, s: T.tanh(s + row * h.sum()), x, h[0])
        return h * 0.5 + inner[-1] + T.dot(h, w), inner.sum()

    (hs, sums), _ = scan(step, xs, [h0, None])
    values = {
        xs: rng.standard_normal((5, 4, 3)) / 4,
        w: rng.standard_normal((3, 3)) / 4,
        h0: rng.standard_normal((2, 3)),
    }
    f = run_both([hs, sums], values)
    repeats = [s for s in native_steps(f) if isinstance(s, Loop)]
    assert len(repeats) == 2
    assert repeats[1] in repeats[0].body.steps
    cost = (hs**2).sum() + sums.sum()
    run_both([cost, *grad(cost, [xs, w, h0])], values)


def test_a_loop_over_numbers_inside_a_loop():
    xs = T.dmatrix()

    def step(row, total):
        inner, _ = scan(lambda v, s: s * 0.5 + v, row, total)
        return inner[-1]

    sums, _ = scan(step, xs, T.constant(1.0))
    run_both([sums], {xs: rng.standard_normal((6, 4))})


def test_two_equal_bodies_with_different_starts():
    xs, a, b = T.dmatrix(), T.dvector(), T.dvector()

    def step(x, h, carried):
        return h * 0.9 + carried, x

    first = scan(step, xs, [a, b])[0]
    second = scan(step, xs, [b, a])[0]
    values = {xs: rng.random((5, 3)), a: np.ones(3), b: np.zeros(3)}
    run_both([*first, *second], values)


def test_a_loop_over_the_results_of_another():
    xs = T.dmatrix()
    hs, _ = scan(lambda x, h: h * 0.5 + x, xs, T.zeros((3,)))
    ys, _ = scan(lambda h, y: y + h, hs[::-1], T.ones((3,)))
    run_both([ys[-1], hs], {xs: rng.random((4, 3))})


# ---- shared variables


def test_a_shared_variable_that_the_steps_update():
    count, total = shared(np.int64(3)), shared(np.zeros(2))
    xs = T.dmatrix()

    def step(x):
        return x * count, {count: count + 1, total: total + x}

    ys, updates = scan(step, xs)
    run_both([ys], {xs: rng.random((4, 2))}, list(updates.items()))


def test_a_failed_loop_changes_no_shared_variable():
    total, table, ks = shared(np.zeros(2)), T.dmatrix(), T.lvector()

    def step(k):
        return table[k], {total: total + table[k]}

    rows, updates = scan(step, ks)
    f = function([table, ks], rows, updates=updates)
    native_steps(f)
    data = rng.random((3, 2))
    f(data, np.array([0, 2, -1]))
    np.testing.assert_allclose(total.get_value(), data[0] + 2 * data[2])
    kept = total.get_value()
    with pytest.raises(IndexError, match=r"in step 1: .*") as caught:
        f(data, np.array([0, 3, 1]))
    np.testing.assert_array_equal(total.get_value(), kept)
    assert "table[k]" in str(caught.value)
    assert "test_lower_scan.py" in str(caught.value)


def test_the_native_report_names_the_step_of_each_loop():
    ks, x = T.lmatrix(), T.dvector()
    rows, _ = scan(lambda row: scan(lambda k: x[k], row)[0], ks)
    f = function([ks, x], rows)
    f(np.zeros((2, 3), np.int64), np.ones(4))
    plan = next(reversed(f.engine.native[0].plans.values()))
    entry = f.engine.native[0].entries[plan]
    bad = np.zeros((2, 3), np.int64)
    bad[1, 2] = 7
    with pytest.raises(IndexError, match="in step 1: in step 2: an index"):
        entry.run([bad, np.ones(4)], (), (), ())


# ---- positions that the loop computes


@pytest.mark.parametrize("ks", [[0, 2, 1], [-1, -3, 0], []])
def test_positions_that_change(ks):
    x, y, k = T.dtensor3(), T.dmatrix(), T.lvector()

    def step(k, acc):
        row = x[k, 1:, k] + x[0, k, :2]
        return T.inc_subtensor(acc[k], row), T.set_subtensor(acc[1:, k], 3.0), acc[0, k]

    parts, _ = scan(step, k, [y, None, None])
    values = {x: rng.random((3, 3, 3)), y: np.zeros((3, 2)), k: np.array(ks, np.int64)}
    if any(abs(n) > 1 for n in ks):  # beyond the second axis of the state
        with pytest.raises(IndexError):
            function(list(values), parts)(*values.values())
        values[k] = np.array([0, 1, -1])
    f = run_both(parts, values)
    assert any(s.fallible for s in native_steps(f))


def test_an_index_that_stays_the_same_is_no_gather():
    x, k, n = T.dmatrix(), T.lscalar(), T.lscalar()
    rows, _ = scan(lambda h: h + x[k], outputs_info=T.zeros((3,)), n_steps=n)
    f = run_both([rows], {x: rng.random((4, 3)), k: 2, n: 3})
    inside = [s for s in native_steps(f) if not isinstance(s, Loop)]
    assert not any(s.fallible for s in inside)


def test_what_has_no_native_form_is_a_reference_step():
    xs, h = T.dmatrix(), T.dvector()
    rows, _ = scan(lambda x, h: reference_sort(x + h), xs, h)
    f = run_both([rows], {xs: rng.random((3, 4)), h: np.ones(4)}, native=False)
    (node,) = (n for s in f.engine.segments for n in s.reference)
    assert isinstance(node.op, Scan)


def test_python_loop_is_not_compiled():
    h, start = T.dscalar(), T.dvector()
    (rows,) = loop([h], [h + 1], [3, start], [State()], python_loop=True)
    f = run_both([rows], {start: np.ones(1)}, native=False)
    assert sum(len(s.reference) for s in f.engine.segments) == 1


# ---- sizes


def test_sizes_are_checked_before_the_loop():
    xs, h = T.dmatrix(), T.dvector()
    rows, _ = scan(lambda x, h: x + h, xs, h)
    f = function([xs, h], rows)
    with pytest.raises(ValueError, match="sizes do not agree"):
        f(np.ones((3, 4)), np.ones(5))


def test_too_few_rows():
    x, xs, n = T.dscalar(), T.dvector(), T.lscalar()
    f = function([xs, n], loop([x], [x], [n, xs], [], 1, 1))
    with pytest.raises(ValueError, match="fewer rows"):
        f(np.ones(3), 4)
    with pytest.raises(ValueError, match="negative"):
        f(np.ones(3), -1)


# ---- products


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", [1, 5, 8, 16, 21])
def test_weights_are_brought_into_panels_once(dtype, size):
    matrix = T.TensorType(dtype, (None, None))
    xs, w, start = T.TensorType(dtype, (None,) * 3)(), matrix(), matrix()

    def step(x, h):
        gate = T.tanh(T.dot(h, w) * 0.5 + x)
        return gate - 0.25 * T.dot(gate, w.T), T.dot(x[:, ::-1], w[::-1])

    hs, _ = scan(step, xs, [start, None])
    values = {
        xs: rng.standard_normal((5, 3, size)).astype(dtype),
        w: rng.standard_normal((size, size)).astype(dtype) / 4,
        start: rng.standard_normal((3, size)).astype(dtype),
    }
    reference = function(list(values), hs, mode="FAST_COMPILE")
    f = function(list(values), hs)
    precision = np.finfo(dtype).eps
    for want, got in zip(reference(*values.values()), f(*values.values()), strict=True):
        np.testing.assert_allclose(got, want, rtol=0, atol=100 * size * precision)
    (repeat,) = (s for s in native_steps(f) if isinstance(s, Loop))
    calls = [s for s in repeat.body.steps if hasattr(s, "routine")]
    assert all(s.routine.packed for s in calls)
