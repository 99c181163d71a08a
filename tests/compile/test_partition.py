"""Graphs that are not one native program: where they are cut, and their values."""

from __future__ import annotations

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet import function, shared
from symnet.compile.partition import is_native, split
from symnet.compile.pipeline import rewrite_graph
from symnet.graph.op import Op
from symnet.graph.traverse import Graph
from symnet.graph.variables import Apply
from symnet.ifelse import ifelse
from symnet.kernels.cpu.cpu_device import CPU
from tests.helpers import reference_sort, run

RNG = np.random.default_rng(0)


class Same(Op):
    """Hands out its very input, as users' ops may."""

    __props__ = ()

    def make_node(self, x):
        return Apply(self, [x], [x.type()])

    def perform(self, node, inputs, output_storage):
        output_storage[0][0] = inputs[0]

    def grad(self, inputs, output_gradients):
        return output_gradients


same = Same()


def count(outputs, updates=None):
    """How many segments a graph has after rewriting, and how many reference operations."""
    updates = updates or {}
    graph = rewrite_graph(Graph([], [*outputs, *updates.values()]))
    values = graph.outputs
    news = dict(zip(updates, values[len(outputs) :]))
    found = split(Graph([], values), news, CPU)
    return len(found), sum(len(segment.reference) for segment in found)


# ---- where graphs are cut


def test_ordinary_graphs_are_one_segment():
    x, n = T.dmatrix("x"), T.lscalar("n")
    w = shared(np.eye(3))
    cost = T.nnet.softmax(T.dot(x[n:], w)).sum() + T.arange(n).sum()
    assert count([cost], {w: w - symnet.grad(cost, w)}) == (1, 0)
    assert count([]) == (1, 0) and count([x]) == (1, 0)


def test_each_reference_operation_ends_a_segment():
    x = T.dvector("x")
    assert count([same(x)]) == (2, 1)
    assert count([same(x) + same(x * 2)]) == (2, 2)
    assert count([same(same(x))]) == (3, 2)
    assert count([same(T.tanh(same(T.exp(x)))) * 2]) == (3, 2)


def test_native_work_is_done_once_and_handed_on():
    x = T.dvector("x")
    y = T.tanh(x)
    first, last = split(Graph([], [same(y) + y, T.exp(y)]), {}, CPU)
    assert first.leaves == [x] and set(last.leaves) >= {y}
    assert y in first.wanted and len(first.reference) == 1


def test_sizes_from_computed_integers_cut_too():
    x = T.dvector("x")
    assert count([T.arange(T.argmax(x))]) == (2, 0)
    assert count([x[: T.argmax(x)]]) == (2, 0)
    assert count([x[T.nonzero(x)[0]]])[0] == 2


def test_a_value_that_a_segment_turned_out_to_need_is_known_before_it():
    x = T.dvector("x")
    n = T.cast(T.exp(x).sum(), "int64")
    y = ifelse(T.gt(n, 2), x[:2], x[:2] * 2) + n
    condition = y.owner.inputs[0].owner.inputs[0]
    assert len(split(Graph([x], [y]), {}, CPU)) == 1
    first, last = split(Graph([x], [y]), {}, CPU, early={condition})
    assert condition in first.wanted and condition in last.leaves


def test_shapes_of_what_a_segment_makes_need_no_cut():
    x = T.dmatrix("x")
    hidden = T.tanh(T.dot(x, x.T))
    assert count([T.zeros(hidden.shape) + hidden.shape[0]]) == (1, 0)


def test_which_operations_are_native():
    def native(output):
        return is_native(output.owner, CPU)

    x, y, rows, z = T.dmatrix(), T.dmatrix(), T.lvector(), T.zmatrix()
    assert native(T.tanh(x)) and native(T.dot(x, y))
    assert native(x[1:]) and native(x.shape)
    assert native(T.set_subtensor(x[rows], 0.0))
    assert not native(T.dot(T.lmatrix(), T.lmatrix()))  # BLAS has no integers
    assert not native(reference_sort(x)) and not native(same(x))
    assert native(T.dot(z, z)) and native(z.T)
    assert native(z * 2) and not native(T.arccos(z))


def test_a_condition_is_native_where_both_branches_are():
    x, c = T.dvector(), T.iscalar()

    def native(branch):
        # What only one branch needs is moved inside.
        graph = rewrite_graph(Graph([], [symnet.ifelse.ifelse(c, branch, x)]))
        return is_native(graph.outputs[0].owner, CPU)

    assert native(T.exp(x)) and not native(reference_sort(x))


# ---- values


def values(n=6):
    return RNG.normal(size=n)


@pytest.mark.parametrize(
    "build",
    [
        lambda x: reference_sort(x) * 2,
        lambda x: T.exp(reference_sort(T.tanh(x))).sum() + x,
        lambda x: x[T.argsort(x)],
        lambda x: T.nonzero(T.gt(x, 0))[0],
        lambda x: x[T.nonzero(T.gt(x, 0))[0]].sum(),
        lambda x: x[T.gt(x, 0).nonzero()] * 2,
        lambda x: T.set_subtensor(x[T.nonzero(T.lt(x, 0))[0]], 0.0),
        lambda x: T.arange(T.cast(T.sum(T.gt(x, 0)), "int64")) * 2,
        lambda x: T.arange(T.argmax(x) + 1).sum() * x,
        lambda x: x[: T.argmax(x) + 1],
        lambda x: x[T.argmin(x)],
        lambda x: T.zeros((T.argmax(x) + 1, 2)) + reference_sort(x)[0],
        lambda x: same(x),
        lambda x: same(same(x) + 1) * same(x * 2),
        lambda x: T.repeat(x, T.cast(T.abs_(T.round(x)), "int64")),
    ],
)
@pytest.mark.parametrize("n", [1, 2, 7])
def test_values(build, n):
    x = T.dvector("x")
    run(build(x), {x: values(n)})


@pytest.mark.parametrize(
    "build",
    [
        lambda z: z * 2 + 1,
        lambda z: T.real(z) * T.imag(z),
        lambda z: abs(z) ** 2,
        lambda z: T.exp(z).sum(),
        lambda z: T.conj(z)[::-1],
        lambda z: T.outer(z, z).T,
        lambda z: T.dot(T.outer(z, z), z),
    ],
)
def test_complex_values(build):
    z = T.zvector("z")
    run(build(z), {z: values(5) + 1j * values(5)})


def test_reference_results_of_results_of_several_sizes():
    x = T.dvector("x")
    f = function([x], [reference_sort(x)[::-1], T.arange(T.argmax(x)), x.sum()])
    for n in (1, 4, 2, 9, 4):
        value = values(n)
        down, counting, total = f(value)
        np.testing.assert_array_equal(down, np.sort(value)[::-1])
        np.testing.assert_array_equal(counting, np.arange(np.argmax(value)))
        np.testing.assert_allclose(total, value.sum())


# ---- aliasing


def test_results_are_nobodys_memory():
    x, s = T.dvector("x"), shared(np.zeros(3))
    f = function([x], [same(x), same(s), same(same(x)), same(T.constant([1.0, 2.0]))])
    value = np.zeros(3)
    for result in f(value):
        result[...] = 7
    assert not value.any() and not s.get_value().any()
    np.testing.assert_array_equal(f(value)[3], [1, 2])


def test_a_reference_result_that_is_the_shared_array_itself():
    s = shared(np.arange(3.0))
    f = function([], [same(s) * 10, same(s)], updates=[(s, s + 1)])
    for k in range(3):
        ten, one = f()
        np.testing.assert_array_equal(ten, (np.arange(3.0) + k) * 10)
        np.testing.assert_array_equal(one, np.arange(3.0) + k)


def test_an_update_in_place_does_not_disturb_a_reference_view():
    s, r = shared(np.arange(5.0)), shared(np.zeros(5))
    f = function([], T.exp(same(s)), updates=[(s, s + same(s)[::-1]), (r, r + same(s))])
    np.testing.assert_allclose(f(), np.exp(np.arange(5.0)))
    np.testing.assert_array_equal(s.get_value(), [4, 4, 4, 4, 4])
    np.testing.assert_array_equal(r.get_value(), np.arange(5.0))


def test_a_shared_variable_updated_with_its_own_reference_view():
    s, r = shared(np.arange(3.0)), shared(np.zeros(3))
    f = function([], [], updates=[(s, same(s)[::-1]), (r, same(s))])
    f()
    np.testing.assert_array_equal(s.get_value(), [2, 1, 0])
    np.testing.assert_array_equal(r.get_value(), [0, 1, 2])


# ---- what is known of sizes behind a cut


def choices(x, y):
    """Arrays of one size, by what an operation of the graph demands, or by their making:
    (needs, yes, no), all behind a cut by the condition."""
    empty, shown = x[2:2], x[: x.shape[0] // x.shape[0] + 1]
    longer = T.concatenate([x, [1.0]])
    return [
        ([x + y], x, y),
        ([x * 2 + y[:2]], x * 2, T.exp(y[:2])),
        ([empty * 2], T.concatenate([x * 2, empty * 2]), x * 3),
        ([longer * 2], T.concatenate([y, [2.0]]) + longer, longer * 2),
        ([longer * 2], T.concatenate([longer * 2, [3.0]]),
         T.concatenate([x, [1.0, 2.0]]) * 3),
        ([shown * 2], shown * 2, T.exp(shown)),
        ([longer * 2], longer[: y.shape[0]], y[::-1]),
    ]  # fmt: skip


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("number", range(7))
def test_a_choice_of_sizes_that_agree_by_what_came_before_a_cut(number, turned):
    x, y = T.dvector("x"), T.dvector("y")
    needs, yes, no = choices(x, y)[number]
    totals = [reference_sort(v).sum() for v in (*needs, yes, no)]
    chosen = ifelse(T.gt(sum(totals), 0), yes, no)
    outputs = [chosen, *needs] if turned else [*needs, chosen]
    for sign in (1, -1):
        at = {x: sign * np.array([1.0, 2.0]), y: sign * np.array([3.0, 4.0])}
        run(outputs, at)


def test_sizes_that_must_agree_by_what_comes_after_a_cut_and_do_not():
    """The error tells the line that demands it."""
    x, y, c = T.dvector("x"), T.dvector("y"), T.dvector("c")
    total = x * 2 + y
    f = function([x, y, c], [total, ifelse(T.gt(reference_sort(c)[0], 0), x, y)])
    assert len(f(values(2), values(2), values(1))) == 2
    with pytest.raises(ValueError, match=r"sizes do not agree") as error:
        f(values(2), values(3), values(1))
    assert "total = x * 2 + y" in str(error.value)


# ---- updates


def test_updates_by_reference_operations():
    s, n, x = shared(np.array([3.0, 1.0, 2.0])), shared(0), T.dvector("x")
    f = function([x], s.sum(), updates=[(s, reference_sort(s + x)), (n, n + 1)])
    assert f(np.array([0.0, 5.0, 0.0])) == 6.0
    np.testing.assert_array_equal(s.get_value(), [2, 3, 6])
    assert f(np.zeros(3)) == 11.0 and n.get_value() == 2


def test_nothing_is_updated_when_a_reference_operation_fails():
    s, n = shared(np.eye(2)), shared(0)
    f = function([], T.nlinalg.matrix_inverse(s), updates=[(s, s * 0), (n, n + 1)])
    f()
    for _ in range(2):
        with pytest.raises(np.linalg.LinAlgError) as error:
            f()
        assert "T.nlinalg.matrix_inverse(s)" in str(error.value)
        assert n.get_value() == 1 and not s.get_value().any()


def test_nothing_is_updated_when_a_later_segment_fails():
    s, x, i = shared(np.zeros(3)), T.dvector("x"), T.lvector("i")
    f = function([x, i], reference_sort(x)[i].sum(), updates=[(s, s + 1)])
    with pytest.raises(IndexError):
        f(values(3), [5])
    assert not s.get_value().any()
    f(values(3), [0])
    assert s.get_value().all()


def test_updates_of_another_size_from_data():
    s, x = shared(np.zeros(0)), T.dvector("x")
    f = function([x], s.sum(), updates=[(s, x[T.nonzero(T.gt(x, 0))[0]])])
    f(np.array([1.0, -1.0, 2.0]))
    np.testing.assert_array_equal(s.get_value(), [1, 2])
    assert f(np.array([-1.0])) == 3.0 and s.get_value().shape == (0,)


def test_gradients_through_reference_operations():
    x = T.dvector("x")
    gradient = symnet.grad((same(T.sqr(x)) * 3).sum(), x)
    run(gradient, {x: values(4)})
    np.testing.assert_allclose(gradient.eval({x: np.arange(3.0)}), 6 * np.arange(3.0))


def test_sizes_by_a_condition_that_is_computed_in_the_same_segment():
    """Behind a product of float16, which has no native form, a choice between arrays whose
    rows agree by a demand."""
    half = [T.TensorType("float16", (None,) * rank) for rank in (1, 2, 2)]
    v, a, b = (kind() for kind in half)
    product = T.dot(a, b)
    chosen = ifelse(T.gt(T.dot(v, v), 0), product, b)
    f = function([v, a, b], T.concatenate([chosen, product[:-1]]))
    x, y = np.ones((1, 1), "float16"), np.full((1, 3), 2, "float16")
    for sign in (0, 1):
        np.testing.assert_array_equal(f(np.full(2, sign, "float16"), x, y), y)
