"""Where updates lie: in place, after those who read the old value and those who may fail."""

from __future__ import annotations

import numpy as np
import pytest

import symnet.tensor as T
from symnet import function, scan, shared
from symnet.compile.lower.program import LibraryCall
from symnet.kernels.routines import MatrixProduct
from tests.compile.memory.written_programs import (
    check_contents,
    program_of,
    temporaries,
    written,
)


def kinds(program):
    return [type(step).__name__ for step in program.steps]


def test_a_gradient_step_is_one_product_into_the_weights():
    x, e = T.fmatrices("x", "e")
    w = shared(np.ones((3, 2), "f4"), "w")
    program = program_of([], {w: w - np.float32(0.1) * T.dot(x.T, e)})
    assert kinds(program) == ["LibraryCall"] and written(program) == ["shared"]
    (step,) = program.steps
    assert isinstance(step, LibraryCall) and step.routine == MatrixProduct(
        "float32", scaled=True
    )
    f = function([x, e], [], updates=[(w, w - np.float32(0.1) * T.dot(x.T, e))])
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(5, 3)).astype("f4"), rng.normal(size=(5, 2)).astype("f4")
    f(a, b)
    f(a, b)
    np.testing.assert_allclose(w.get_value(), 1 - 0.2 * (a.T @ b), rtol=1e-5)


def test_an_elementwise_update_is_one_loop_in_place():
    w, v = shared(np.ones(4), "w"), shared(np.zeros(4), "v")
    moved = 0.9 * v - 0.1 * w
    program = program_of([], {v: moved, w: w + moved})
    assert kinds(program) == ["KernelLaunch"] and written(program) == [
        "shared",
        "shared",
    ]


def test_an_update_waits_for_those_who_read_the_old_value():
    w = shared(np.eye(3), "w")
    x = T.dmatrix("x")
    outputs, updates = [T.dot(x, w), w.sum()], {w: w * 2}
    program = program_of(outputs, updates)
    check_contents(program)
    assert written(program)[-1] == "shared"
    f = function([x], outputs, updates=updates)
    for k in range(3):
        product, total = f(np.eye(3))
        np.testing.assert_array_equal(product, np.eye(3) * 2**k)
        assert total == 3 * 2**k


def test_the_start_of_an_update_waits_for_readers_too():
    """Both results start from one array; the copy that starts the update must not come
    before the old value is read for the other."""
    s, t = shared(np.array([1.0, 2.0]), "s"), shared(np.array([3.0, 4.0]), "t")
    x = T.dscalar("x")
    start = T.set_subtensor(s[0], t[0])
    out, new = T.set_subtensor(start[0], s[-1]), T.set_subtensor(start[0], x)
    check_contents(program_of([out], {s: new}))
    f = function([x], out, updates=[(s, new)])
    np.testing.assert_array_equal(f(7.0), [2, 2])
    np.testing.assert_array_equal(s.get_value(), [7, 2])
    np.testing.assert_array_equal(f(8.0), [2, 2])


def test_the_start_of_an_update_waits_for_steps_that_may_fail():
    s, t, i = shared(np.zeros(2), "s"), shared(np.ones(2), "t"), T.lvector("i")
    new = T.set_subtensor((t * 2)[1:], 5.0)
    check_contents(program_of([t[i].sum(), (t * 2).sum()], {s: s + new}))
    f = function(
        [i],
        [t[i].sum(), t * 2],
        updates=[(s, T.inc_subtensor((t * 2 + 0 * s)[1:], 1.0))],
    )
    with pytest.raises(IndexError):
        f([4])
    assert not s.get_value().any()


def test_swapped_values():
    a, b, c = (shared(np.full(3, float(k)), "abc"[k]) for k in range(3))
    f = function([], [], updates=[(a, b), (b, c), (c, a)])
    check_contents(program_of([], {a: b, b: c, c: a}))
    for iteration in range(1, 5):
        f()
        assert [int(s.get_value()[0]) for s in (a, b, c)] == [
            (k + iteration) % 3 for k in range(3)
        ]


@pytest.mark.parametrize("turned", [False, True])
def test_an_update_with_the_old_value_of_one_in_place(turned):
    """Fibonacci: b takes the old a, wherever a has been written already."""
    a, b = shared(np.ones(2), "a"), shared(np.zeros(2), "b")
    updates = [(a, a + b), (b, a)][:: -1 if turned else 1]
    check_contents(program_of([], dict(updates)))
    f = function([], [], updates=updates)
    for want in (1, 2, 3, 5, 8):
        f()
        np.testing.assert_array_equal(a.get_value(), np.full(2, want))
    np.testing.assert_array_equal(b.get_value(), np.full(2, 5))


def test_swapped_products():
    """Neither product may be written where the other still reads."""
    a, b = shared(np.eye(2) * 2), shared(np.array([[0.0, 1.0], [1.0, 0.0]]))
    x, y = a.get_value(), b.get_value()
    f = function([], [], updates=[(a, T.dot(a, b)), (b, T.dot(b, a) + b)])
    for _ in range(3):
        f()
        x, y = x @ y, y @ x + y
        np.testing.assert_allclose(a.get_value(), x)
        np.testing.assert_allclose(b.get_value(), y)


@pytest.mark.parametrize("cut", [1, 5, 9])
def test_parts_that_change_places_are_joined_beside_the_old_value(cut):
    x = shared(np.arange(10.0))
    f = function([], [], updates=[(x, T.concatenate([x[cut:], x[:cut]]))])
    for iterations in (1, 2):
        f()
        np.testing.assert_array_equal(
            x.get_value(), np.roll(range(10), -cut * iterations)
        )


def test_updates_that_read_another_position_of_themselves():
    s = shared(np.arange(6.0), "s")
    for new, meaning in [
        (s[::-1] + s, lambda v: v[::-1] + v),
        (T.concatenate([s[1:], s[:1]]), lambda v: np.roll(v, -1)),
        (T.set_subtensor(s[1:], s[:-1]), lambda v: np.concatenate([v[:1], v[:-1]])),
        (s - s.sum(), lambda v: v - v.sum()),
        (s[T.arange(5, -1, -1)], lambda v: v[::-1]),
        (T.cumsum(s), np.cumsum),
    ]:
        f = function([], [], updates=[(s, new)])
        before = s.get_value()
        f()
        np.testing.assert_allclose(s.get_value(), meaning(before))
    m = shared(np.arange(9.0).reshape(3, 3))
    for new, meaning in [
        (m.T + 1, lambda v: v.T + 1),
        (m + m.T, lambda v: v + v.T),
        (m / m.sum(axis=0), lambda v: v / v.sum(axis=0)),
        (T.nnet.softmax(m), lambda v: np.exp(v) / np.exp(v).sum(axis=1, keepdims=True)),
        (m + m[0], lambda v: v + v[0]),
        (
            m - m.mean(axis=1, keepdims=True),
            lambda v: v - v.mean(axis=1, keepdims=True),
        ),
    ]:
        before = m.get_value()
        function([], [], updates=[(m, new)])()
        np.testing.assert_allclose(m.get_value(), meaning(before))


def test_a_row_is_written_into_a_table_without_copying_it():
    table, row, i = (
        shared(np.zeros((1000, 4)), "table"),
        T.lscalar("row"),
        T.lvector("i"),
    )
    program = program_of([], {table: T.set_subtensor(table[row], 1.0)})
    assert written(program) == ["shared"]
    g = function([row], [], updates=[(table, T.set_subtensor(table[row], 2.0))])
    where = table.get_value(borrow=True)
    g(-1)
    assert where[-1, 0] == 2.0
    table.zero()
    f = function([i], [], updates=[(table, T.inc_subtensor(table[i], 1.0))])
    f([1, 1, -1])
    assert table.get_value().sum() == 12 and table.get_value()[1, 0] == 2


def test_computed_rows_are_written_into_a_table_without_copying_it():
    table, i, g = shared(np.zeros((1000, 4)), "table"), T.lvector("i"), T.dmatrix("g")
    for new in (T.inc_subtensor(table[i], g), T.set_subtensor(table[i], g[0])):
        program = program_of([], {table: new})
        check_contents(program)
        assert sorted(written(program)) == ["shared", "temporary"]
        assert all(b.sizes == () for b in temporaries(program))  # of the check
    where = table.get_value(borrow=True)
    f = function([i, g], [], updates=[(table, T.inc_subtensor(table[i], g))])
    f([1, 1, -1], np.arange(12.0).reshape(3, 4))
    np.testing.assert_array_equal(where[1], [4, 6, 8, 10])
    np.testing.assert_array_equal(where[-1], [8, 9, 10, 11])
    assert where[[0, 2]].sum() == 0 and table.get_value(borrow=True) is where


@pytest.mark.parametrize("write", [T.set_subtensor, T.inc_subtensor])
@pytest.mark.parametrize("columns", [0, 1, 5])
def test_positions_are_checked_before_anything_is_written(write, columns):
    start = np.arange(3.0 * columns).reshape(3, columns)
    table, i, j = shared(start), T.lvector("i"), T.lvector("j")
    f = function([i], [], updates=[(table, write(table[i], 1.0))])
    g = function([i, j], [], updates=[(table, write(table[i, j], 1.0))])
    h = function([i], [], updates=[(table, write(table[1:, i], 1.0))])
    if columns:
        for call in (lambda: f([0, 3]), lambda: f([-4, 0]), lambda: g([0, 1], [0, columns]),
                     lambda: g([0, 7], [0, 0]), lambda: h([0, -columns - 1])):  # fmt: skip
            with pytest.raises(IndexError):
                call()
            np.testing.assert_array_equal(table.get_value(), start)
        g([0, -1], [0, columns - 1])
        h([0])
    f([])
    f([0, -1])
    assert table.get_value()[1:2].shape == (1, columns)


def test_a_table_written_from_its_own_rows_is_copied():
    table, i, j = shared(np.arange(4.0)), T.lvector("i"), T.lvector("j")
    f = function(
        [i, j], table[i], updates=[(table, T.set_subtensor(table[i], table[j]))]
    )
    np.testing.assert_array_equal(f([0, 1, 2], [3, 0, 1]), [0, 1, 2])
    np.testing.assert_array_equal(table.get_value(), [3, 0, 1, 3])
    with pytest.raises(IndexError):
        f([0], [4])
    with pytest.raises(IndexError):
        f([4], [0])
    np.testing.assert_array_equal(table.get_value(), [3, 0, 1, 3])


def test_a_step_that_may_fail_comes_before_every_update():
    w, n, i = shared(np.ones((4, 2)), "w"), shared(0.0, "n"), T.lvector("i")
    updates = {n: n + 1, w: w * 2}
    check_contents(program_of([w[i].sum()], updates))
    f = function([i], w[i].sum(), updates=updates)
    with pytest.raises(IndexError):
        f([7])
    assert n.get_value() == 0 and (w.get_value() == 1).all()
    assert f([0]) == 2.0 and n.get_value() == 1


def test_two_steps_that_may_fail_change_nothing_if_the_second_does():
    a, b = shared(np.zeros(3), "a"), shared(np.zeros(3), "b")
    i, j = T.lvectors("i", "j")
    f = function(
        [i, j], [],
        updates=[(a, T.inc_subtensor(a[i], 1.0)), (b, T.inc_subtensor(b[j], 1.0))],
    )  # fmt: skip
    for bad in ([[0], [5]], [[5], [0]]):
        with pytest.raises(IndexError):
            f(*bad)
        assert not a.get_value().any() and not b.get_value().any()
    f([0], [1])
    np.testing.assert_array_equal(a.get_value(), [1, 0, 0])
    np.testing.assert_array_equal(b.get_value(), [0, 1, 0])


def test_a_scatter_that_fails_half_way_leaves_the_table_as_it_was():
    table, i = shared(np.zeros(4), "table"), T.lvector("i")
    f = function([i], [], updates=[(table, T.inc_subtensor(table[i], 1.0))])
    with pytest.raises(IndexError):
        f([0, 1, 9])
    assert not table.get_value().any()


# ---- what starts from a copy


STARTED = {
    "of another, read inside": (
        lambda w, x: T.inc_subtensor(x[:], w),
        lambda w, x: x + w,
    ),
    "of itself, turned round": (
        lambda w, x: T.set_subtensor(w[::-1][0], 9.0),
        lambda w, x: np.concatenate([[[9.0] * 3], w[::-1][1:]]),
    ),
    "of itself, reading beside": (
        lambda w, x: T.inc_subtensor(w[1:], w[:-1]),
        lambda w, x: np.concatenate([w[:1], w[1:] + w[:-1]]),
    ),
    "of itself transposed": (
        lambda w, x: T.inc_subtensor(w.T[1], 5.0),
        lambda w, x: w.T + np.array([[0.0], [5.0], [0.0]]),
    ),
}


@pytest.mark.parametrize("name", STARTED)
def test_a_start_is_not_laid_over_what_is_read(name):
    new, want = STARTED[name]
    value = np.arange(9.0).reshape(3, 3)
    w, x = shared(value.copy(), "w"), T.dmatrix("x")
    f = function([x], [], updates=[(w, new(w, x))], on_unused_input="ignore")
    expected = value
    for rows in (value * 10, value + 3):
        f(rows)
        expected = want(expected, rows)
        np.testing.assert_array_equal(w.get_value(), expected)


@pytest.mark.parametrize("name", STARTED)
def test_a_start_in_a_loop_is_not_laid_over_what_is_read(name):
    new, want = STARTED[name]
    x, s = T.dtensor3("x"), T.dmatrix("s")
    last = scan(lambda x, s: new(s, x), sequences=x, outputs_info=s)[0][-1]
    rows, expected = np.arange(36.0).reshape(4, 3, 3), np.arange(9.0).reshape(3, 3)
    got = function([x, s], last, on_unused_input="ignore")(rows, expected)
    for row in rows:
        expected = want(expected, row)
    np.testing.assert_array_equal(got, expected)


def test_a_part_of_an_update_stays_in_place():
    w, x = shared(np.arange(6.0), "w"), T.dvector("x")
    assert written(program_of([], {w: T.inc_subtensor(w[1:3], x)})) == ["shared"]
    part = T.set_subtensor(w[1:3], 2 * w[1:3] + x)
    assert written(program_of([], {w: part})) == ["temporary", "shared"]


def test_complex_values_lie_over_dying_ones():
    z = T.zmatrix("z")
    double = z * 2
    product = T.tensordot(double, double, [[1, 0], [1, 0]])
    value = np.arange(20).reshape(5, 4) * (1 + 2j)
    np.testing.assert_allclose(function([z], product)(value), (4 * value**2).sum())


def test_updates_that_free_nothing_come_last():
    """What comes before them can be broken off; a gradient's buffer is freed at once."""
    count, w = shared(np.zeros(3), "count"), shared(np.eye(4), "w")
    y = w
    for _ in range(3):
        y = T.tanh(T.dot(y, y))
    places = written(program_of([y.sum()], {count: count + 1}))
    assert places.index("shared") == len(places) - 1
