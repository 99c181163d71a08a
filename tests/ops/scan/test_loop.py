"""`scan` and its kin: what Theano promises of them, each against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet.ops.scan.loop import Scan
from symnet.printing import Print
from symnet.scan_module import until
from tests.helpers import run

RNG = np.random.default_rng(3)


def loops(variables):
    """The loops that a graph holds."""
    return [v.owner for v in symnet.gof.graph.ancestors(variables)
            if v.owner and isinstance(v.owner.op, Scan) and v.index == 0]  # fmt: skip


def only_loop(variable):
    (node,) = loops([variable])
    return node


# ---- arguments of fn


def test_powers_as_in_theanos_tutorial():
    a, k = T.vector("a"), T.iscalar("k")
    rows, updates = symnet.scan(
        lambda prior, a: prior * a,
        outputs_info=T.ones_like(a),
        non_sequences=a,
        n_steps=k,
    )
    assert not updates
    assert run(rows[-1], {a: np.arange(5.0), k: 3}).tolist() == [0, 1, 8, 27, 64]


def test_the_order_of_arguments():
    """Sequences and outputs in the order of their taps, then the non-sequences."""
    x, y, h = T.vector("x"), T.vector("y"), T.vector("h")
    seen = []

    def fn(*arguments):
        seen.extend(v.name for v in arguments)
        return arguments[0] * 0, arguments[0]

    symnet.scan(
        fn,
        [{"input": x, "taps": [1, -2]}, y],
        [{"initial": h, "taps": [-3, -1]}, None],
        [T.scalar("w"), symnet.shared(1.0, "s")],
    )
    assert seen == ["x[t+1]", "x[t-2]", "y[t]", "h[t-3]", "h[t-1]", "w", "s"]


def test_non_sequences_are_handed_over_as_they_are():
    w = symnet.shared(np.ones(3), "w")
    v = T.vector("v")
    seen = []

    def fn(*arguments):
        seen.extend(arguments)
        return arguments[0] + arguments[1].sum()

    symnet.scan(fn, non_sequences=[w, v, 2], n_steps=2)
    assert seen[0] is w
    assert seen[1] is v
    assert seen[2].data == 2


@pytest.mark.parametrize("form", ["bare", "list", "tuple", "dict"])
def test_forms_of_sequences(form):
    x = T.vector("x")
    given = {"bare": x, "list": [x], "tuple": (x,), "dict": {"input": x, "taps": 0}}
    rows, _ = symnet.scan(lambda v: v * 2, given[form])
    assert run(rows, {x: [1.0, 2.0]}).tolist() == [2, 4]


def test_arrays_and_lists_are_sequences():
    rows, _ = symnet.scan(
        lambda a, b: a + b, [np.arange(3.0), T.as_tensor_variable([1.0, 2.0, 3.0])]
    )
    assert run(rows).tolist() == [1, 3, 5]


def test_an_int_as_taps():
    x = T.vector("x")
    rows, _ = symnet.scan(lambda v: v, {"input": x, "taps": -1})
    assert run(rows, {x: [1.0, 2.0, 3.0]}).tolist() == [1, 2]


def test_fibonacci():
    rows, _ = symnet.scan(
        lambda a, b: a + b,
        outputs_info={"initial": np.array([1, 1]), "taps": [-2, -1]},
        n_steps=8,
    )
    assert rows.type.dtype == "int64"
    assert run(rows).tolist() == [2, 3, 5, 8, 13, 21, 34, 55]


def test_more_initial_rows_than_taps_reach():
    """The first ones count, as in Theano."""
    rows, _ = symnet.scan(
        lambda v: v + 1, outputs_info={"initial": T.arange(5), "taps": [-2]}, n_steps=3
    )
    assert run(rows).tolist() == [1, 2, 2]


def test_none_everywhere_is_map():
    x = T.matrix("x")
    for info in (None, [], [None, None], [{}, None]):
        rows, _ = symnet.scan(lambda v: [v.sum(), v * 2], x, info)
        a, b = run(rows, {x: np.arange(6.0).reshape(3, 2)})
        assert a.tolist() == [1, 5, 9]
        assert b.tolist() == [[0, 2], [4, 6], [8, 10]]


def test_outputs_in_the_order_of_outputs_info():
    x = T.vector("x")
    rows, _ = symnet.scan(
        lambda v, b, d: [v * 10, b + v, v * 20, d * v],
        x,
        [None, T.constant(0.0), None, T.constant(1.0)],
    )
    a, b, c, d = run(rows, {x: [1.0, 2.0, 3.0]})
    assert a.tolist() == [10, 20, 30]
    assert b.tolist() == [1, 3, 6]
    assert c.tolist() == [20, 40, 60]
    assert d.tolist() == [1, 2, 6]


# ---- what fn may return


@pytest.mark.parametrize(
    "reply",
    [
        lambda v, s: (v, {s: s + 1}),
        lambda v, s: ([v], {s: s + 1}),
        lambda v, s: ({s: s + 1}, v),
        lambda v, s: ([v], [(s, s + 1)]),
        lambda v, s: (v, symnet.OrderedUpdates({s: s + 1})),
        lambda v, s: ([v], {s: s + 1}, until(T.gt(v, 99))),
        lambda v, s: (v, until(T.gt(v, 99)), {s: s + 1}),
    ],
)
def test_outputs_and_updates(reply):
    s = symnet.shared(np.int64(5), "s")
    rows, updates = symnet.scan(lambda v: reply(v, s), T.arange(3))
    assert isinstance(updates, symnet.OrderedUpdates)
    f = symnet.function([], rows, updates=updates)
    assert f().tolist() == [0, 1, 2]
    assert s.get_value() == 8


def test_updates_alone():
    s = symnet.shared(1.0, "s")
    rows, updates = symnet.scan(lambda: {s: s * 2}, n_steps=10)
    assert rows is None
    symnet.function([], [], updates=updates)()
    assert s.get_value() == 1024


def test_numbers_as_outputs():
    rows, _ = symnet.scan(lambda v: (v, 3), T.arange(2))
    assert run(rows[1]).tolist() == [3, 3]


def test_return_list():
    x = T.vector()
    assert isinstance(symnet.scan(lambda v: v, x, return_list=True)[0], list)
    assert not isinstance(symnet.scan(lambda v: v, x)[0], list)


# ---- the number of steps


def test_the_shortest_sequence_counts():
    x, y = T.vector("x"), T.matrix("y")
    rows, _ = symnet.scan(lambda a, b: a + b.sum(), [x, y])
    values = {x: np.arange(5.0), y: np.ones((3, 2))}
    assert run(rows, values).tolist() == [2, 3, 4]
    values = {x: np.arange(2.0), y: np.ones((3, 2))}
    assert run(rows, values).tolist() == [2, 3]


def test_taps_shorten_the_walk():
    x = T.vector("x")
    rows, _ = symnet.scan(
        lambda a, b, c: a * 100 + b * 10 + c, {"input": x, "taps": [-1, 0, 2]}
    )
    assert run(rows, {x: np.arange(6.0)}).tolist() == [13, 124, 235]


@pytest.mark.parametrize("steps", [0, 1, 2, 4])
def test_a_given_number_of_steps(steps):
    x = T.vector("x")
    for n in (steps, np.int32(steps), float(steps), T.constant(steps)):
        rows, _ = symnet.scan(lambda v: v, x, n_steps=n)
        assert run(rows, {x: np.arange(4.0)}).tolist() == list(range(steps))


def test_one_program_for_all_numbers_of_steps():
    x, n = T.scalar("x"), T.lscalar("n")
    rows, _ = symnet.scan(lambda v: v * 2, outputs_info=x, n_steps=n)
    f = symnet.function([x, n], rows)
    for steps in (3, 0, 7, 1):
        assert f(1.0, steps).tolist() == [2.0 ** (k + 1) for k in range(steps)]


def test_no_steps():
    x, h = T.matrix("x"), T.vector("h")
    rows, _ = symnet.scan(lambda v, h: [v + h, T.outer(v, h)], x, [h, None])
    a, b = run(rows, {x: np.ones((0, 2)), h: np.ones(2)})
    assert a.shape == (0, 2)
    assert b.shape == (0, 2, 2)
    cost = rows[0].sum() + rows[1].sum()
    assert run(symnet.grad(cost, h), {x: np.ones((0, 2)), h: np.ones(2)}).tolist() == [
        0,
        0,
    ]


# ---- direction, stopping


def test_go_backwards():
    x, y = T.vector("x"), T.vector("y")
    rows, _ = symnet.scan(lambda a, b: a * 10 + b, [x, y], go_backwards=True)
    values = {x: np.arange(4.0), y: np.arange(3.0)}
    assert run(rows, values).tolist() == [32, 21, 10]  # each from its own end
    rows, _ = symnet.scan(lambda a: a, x, n_steps=2, go_backwards=True)
    assert run(rows, {x: np.arange(4.0)}).tolist() == [3, 2]


def test_backwards_with_taps():
    x = T.vector("x")
    rows, _ = symnet.scan(
        lambda a, b: a * 10 + b, {"input": x, "taps": [-1, 1]}, go_backwards=True
    )
    assert run(rows, {x: np.arange(5.0)}).tolist() == [24, 13, 2]


def test_until():
    """As in Theano's tutorial; the step at which the condition holds counts."""
    limit = T.scalar("limit")
    rows, _ = symnet.scan(
        lambda p, limit: (p * 2, until(p * 2 > limit)),
        outputs_info=T.constant(1.0),
        non_sequences=limit,
        n_steps=1024,
    )
    assert run(rows, {limit: 45.0}).tolist() == [2, 4, 8, 16, 32, 64]
    assert run(rows, {limit: 1.0}).tolist() == [2]
    assert run(rows[-1], {limit: 1000.0}) == 1024


def test_until_never():
    rows, _ = symnet.scan(lambda v: (v, until(T.lt(v, 0))), T.arange(4))
    assert run(rows).tolist() == [0, 1, 2, 3]


def test_until_the_first_step():
    rows, _ = symnet.scan(
        lambda v, s: ([v + s, v], until(T.ge(v, 0))), T.arange(4), [T.constant(5), None]
    )
    a, b = run(rows)
    assert a.tolist() == [5]
    assert b.tolist() == [0]


def test_until_without_steps():
    rows, _ = symnet.scan(lambda v: (v, until(T.ge(v, 0))), T.arange(0))
    assert run(rows).tolist() == []


# ---- dtypes


@pytest.mark.parametrize(
    "dtype",
    ["bool", "int8", "uint8", "int32", "int64", "float32", "float64", "complex128"],
)
def test_dtypes_of_states(dtype):
    first = T.TensorType(dtype, (None,))("first")
    rows, _ = symnet.scan(lambda v: T.cast(v * 3, dtype), outputs_info=first, n_steps=3)
    assert rows.type.dtype == dtype
    value = np.array([0, 1, 5], dtype)
    with np.errstate(all="ignore"):
        want = [value * np.array(3, dtype) ** np.array(k, "int64") for k in (1, 2, 3)]
    if dtype == "bool":
        want = [value] * 3
    np.testing.assert_array_equal(
        run(rows, {first: value}), np.array(want).astype(dtype)
    )


def test_states_of_several_dtypes():
    rows, _ = symnet.scan(
        lambda i, x, flag: [i + 1, x * T.cast(i, "float32"), T.invert(flag)],
        outputs_info=[
            np.int32(1),
            np.float32(1.0),
            T.constant(np.array(True)),
        ],
        n_steps=4,
    )
    i, x, flag = run(rows)
    assert [a.dtype.name for a in (i, x, flag)] == ["int32", "float32", "bool"]
    assert i.tolist() == [2, 3, 4, 5]
    assert x.tolist() == [1, 2, 6, 24]
    assert flag.tolist() == [False, True, False, True]


def test_a_bare_number_takes_the_dtype_of_the_state():
    x = T.fvector("x")
    for first in (0, 0.0):
        rows, _ = symnet.scan(lambda v, s: s + v, x, first)
        assert run(rows, {x: [1, 2, 3]}).tolist() == [1, 3, 6]
    rows, _ = symnet.scan(lambda v, s: v * 2, x, [0])
    assert rows.type.dtype == "float32"


def test_a_smaller_dtype_is_cast():
    x = T.fvector("x")
    rows, _ = symnet.scan(lambda v, s: v, x, T.constant(np.float64(0)))
    assert rows.type.dtype == "float64"


# ---- what fn takes from outside


def test_closures():
    """Leaves, results, and shared variables that fn uses without being given them."""
    x, w = T.vector("x"), T.matrix("w")
    s = symnet.shared(np.array([1.0, 2.0]), "s")
    product = T.dot(w, s)
    rows, _ = symnet.scan(lambda v: v * product + s, x)
    values = {x: [1.0, 2.0], w: [[1.0, 0.0], [1.0, 1.0]]}
    assert run(rows, values).tolist() == [[2, 5], [3, 8]]
    assert product in only_loop(rows).inputs


def test_what_does_not_change_is_computed_outside():
    x, w = T.vector("x"), T.matrix("w")
    rows, _ = symnet.scan(lambda v: T.dot(w, w.T).sum() * v, x)
    inside = [str(node.op) for node in only_loop(rows).op.graph.order]
    assert inside == ["mul"]


def test_strict():
    x, w = T.vector("x"), symnet.shared(2.0, "w")
    rows, _ = symnet.scan(lambda v, w: v * w, x, non_sequences=w, strict=True)
    assert run(rows, {x: [1.0, 2.0]}).tolist() == [2, 4]
    y = T.scalar("y")
    rows, _ = symnet.scan(
        lambda v, e, _: v * e * w, x, non_sequences=[T.exp(y), w], strict=True
    )
    assert run(rows, {x: [1.0], y: 0.0}).tolist() == [2]
    rows, _ = symnet.scan(lambda v: v + T.exp(y), x, strict=True)  # y is not shared
    assert run(rows, {x: [1.0], y: 0.0}).tolist() == [2]
    with pytest.raises(ValueError, match="uses w"):
        symnet.scan(lambda v, _: v * (w + y), x, non_sequences=y, strict=True)


def test_givens_reach_into_loops():
    x, y = T.vector("x"), T.vector("y")
    middle = x * 2
    rows, _ = symnet.scan(lambda v: v + middle.sum(), y)
    f = symnet.function([y], rows, givens={middle: np.array([10.0])})
    assert f([1.0, 2.0]).tolist() == [11, 12]


def test_shared_updates_are_seen_by_the_next_step():
    s = symnet.shared(1.0, "s")
    rows, updates = symnet.scan(lambda v: (s * v, {s: s + v}), T.arange(1, 4))
    f = symnet.function([], rows, updates=updates)
    assert f().tolist() == [1, 4, 12]
    assert s.get_value() == 7
    assert f().tolist() == [7, 16, 30]


def test_a_given_shared_variable_may_be_updated():
    s = symnet.shared(1.0, "s")
    rows, updates = symnet.scan(
        lambda s: (s + 0, {s: s * 2}), non_sequences=s, n_steps=3, strict=True
    )
    f = symnet.function([], rows, updates=updates)
    assert f().tolist() == [1, 2, 4]
    assert s.get_value() == 8


# ---- loops within loops


def test_nested_loops():
    x = T.matrix("x")

    def outer(row, total):
        inner, _ = symnet.scan(lambda v, s: s + v * total, row, T.constant(0.0))
        return inner[-1]

    rows, _ = symnet.scan(outer, x, T.constant(1.0))
    value = RNG.normal(size=(3, 4))
    want, total = [], 1.0
    for row in value:
        total = (row * total).sum()
        want.append(total)
    np.testing.assert_allclose(run(rows, {x: value}), want)
    slope = run(symnet.grad(rows[-1], x), {x: value})
    sums = value.sum(1)
    np.testing.assert_allclose(
        slope, np.repeat(sums.prod() / sums, 4).reshape(3, 4), rtol=1e-10
    )


def test_an_inner_loop_of_changing_length():
    n = T.lvector("n")
    rows, _ = symnet.scan(
        lambda k: symnet.scan(lambda s: s * 2, outputs_info=T.constant(1), n_steps=k)[
            0
        ].sum(),
        n,
    )
    f = symnet.function([n], rows)
    assert f([0, 1, 3]).tolist() == [0, 2, 14]


# ---- map, reduce, folds


def test_map_and_folds():
    x = T.vector("x")
    value = {x: [1.0, 2.0, 3.0]}
    rows, _ = symnet.map(lambda v, k: v * k, x, 2)
    assert run(rows, value).tolist() == [2, 4, 6]
    last, _ = symnet.reduce(lambda v, s: s * 2 + v, x, T.constant(0.0))
    assert run(last, value) == 11
    last, _ = symnet.foldl(lambda v, s: s * 2 + v, x, T.constant(0.0))
    assert run(last, value) == 11
    last, _ = symnet.foldr(lambda v, s: s * 2 + v, x, T.constant(0.0))
    assert run(last, value) == 17
    several, _ = symnet.reduce(lambda v, a, b: [a + v, b * v], x, [0.0, 1.0])
    assert [float(one) for one in run(several, value)] == [6, 6]


# ---- looking inside


@pytest.mark.parametrize("how", [{"mode": "DebugMode"}, {"python_loop": True}])
def test_steps_as_plain_python(how, capsys):
    x = T.vector("x")
    rows, _ = symnet.scan(lambda v, s: Print("sum")(s + v), x, T.constant(0.0), **how)
    f = symnet.function([x], rows)
    assert f([1.0, 2.0, 3.0]).tolist() == [1, 3, 6]
    assert capsys.readouterr().out.split("\n")[:3] == [
        f"sum __str__ = {k}" for k in (1.0, 3.0, 6.0)
    ]
    assert only_loop(rows).op.python_loop


def test_print_inside(capsys):
    x = T.vector("x")
    rows, _ = symnet.scan(lambda v: Print("v")(v) * 2, x)
    f = symnet.function([x], rows)
    assert f([1.0, 2.0]).tolist() == [2, 4]
    assert capsys.readouterr().out.count("v __str__ =") == 2


def test_debug_mode_of_the_function():
    x, h = T.matrix("x"), T.vector("h")
    rows, _ = symnet.scan(lambda v, h: T.tanh(v + h), x, h)
    f = symnet.function([x, h], [rows, symnet.grad(rows.sum(), h)], mode="DebugMode")
    assert f(np.ones((3, 2)), np.ones(2))[0].shape == (3, 2)


def test_names():
    x = T.vector("x")
    rows, _ = symnet.scan(lambda v: v, x, name="walk")
    assert str(only_loop(rows).op) == "Scan{walk}"


def test_values_of_tests_flow_through_loops():
    x = T.vector("x")
    x.tag.test_value = np.arange(3.0)
    with symnet.config.change_flags(compute_test_value="raise"):
        rows, _ = symnet.scan(lambda v, s: s + v, x, T.constant(0.0))
    assert rows.tag.test_value.tolist() == [0, 1, 3]
