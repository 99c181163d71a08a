"""Running programs: direct calls, moving shared variables, threads, failures."""

from __future__ import annotations

import gc
import threading
import time
import weakref

import numpy as np
import pytest

import symnet.tensor as T
from symnet import function, shared
from symnet.compile.pipeline import compile_graph
from symnet.graph.op import Op
from symnet.graph.traverse import Graph
from symnet.graph.variables import Apply
from symnet.kernels.cpu.runtime import call_boundary, runner
from symnet.kernels.devices import get_device
from tests.helpers import reference_sort

RNG = np.random.default_rng(0)


def python_calls(f):
    """A list that grows with each call that comes by way of Python."""
    calls, plain = [], f.call
    f.call = lambda *args, **kwargs: calls.append(args) or plain(*args, **kwargs)
    return calls


def until_compiled(f):
    """Call until the run time is compiled, which happens beside the first calls."""
    finish = time.time() + 30
    while not call_boundary.enter._address or not runner.start._address:
        assert time.time() < finish
        f(np.ones((2, 3)))
        time.sleep(0.01)
    f(np.ones((2, 3)))


# ---- without Python


def test_equal_calls_go_to_native_code():
    x = T.dmatrix("x")
    f = function([x], [T.tanh(x), x.sum()])
    f(np.ones((2, 3)))
    until_compiled(f)
    calls = python_calls(f)
    for _ in range(3):
        value = RNG.normal(size=(2, 3))
        np.testing.assert_allclose(f(value)[0], np.tanh(value))
    assert not calls
    f(np.ones((4, 3)))
    assert len(calls) == 1
    f(np.ones((4, 3)))
    assert len(calls) == 1


def test_other_calls_go_by_way_of_python():
    x, y = T.dmatrix("x"), T.dscalar("y")
    f = function([x, y], x * y)
    value = RNG.normal(size=(3, 4))
    f(value, 2.0)
    calls = python_calls(f)
    for args, kwargs in [
        ((value.T.copy().T, 2.0), {}),
        ((value[::-1], 2.0), {}),
        ((value.tolist(), 2.0), {}),
        ((value.astype("f4"), 2.0), {}),
        ((value,), {"y": 2.0}),
    ]:
        before = len(calls)
        want = np.asarray(args[0]) * 2.0
        np.testing.assert_allclose(f(*args, **kwargs), want)
        assert len(calls) >= before
    with pytest.raises(TypeError):
        f(value)
    with pytest.raises(TypeError):
        f(value, 2.0, 3.0)
    np.testing.assert_array_equal(f(value, 2.0), value * 2)


@pytest.mark.parametrize("dtype", ["float64", "int8", "bool", "complex64"])
def test_an_unused_input_does_not_go_by_way_of_python(dtype):
    x, y = T.dvector("x"), T.TensorType(dtype, (None, None))("y")
    f = function([y, x], x * 2, on_unused_input="ignore")
    unused = np.ones((2, 3), dtype)
    for _ in range(2):
        f(unused, np.ones(3))
    calls = python_calls(f)
    np.testing.assert_array_equal(f(unused, np.arange(3.0)), [0, 2, 4])
    assert not calls
    np.testing.assert_array_equal(f(np.ones((4, 1), dtype), np.ones(2)), [2, 2])


def test_an_unused_input_is_still_checked():
    x, y = T.dvectors("x", "y")
    f = function([x, y], x * 2, on_unused_input="ignore")
    for _ in range(3):
        np.testing.assert_array_equal(f(np.ones(2), np.ones(7)), [2, 2])
    with pytest.raises(TypeError):
        f(np.ones(2), np.ones((2, 2)))


# ---- shared variables


def test_a_value_that_moves_is_followed():
    s = shared(np.zeros(3))
    f = function([], s + 1, updates=[(s, s + 1)])
    f()
    f()
    for value in (np.full(3, 10.0), np.full(5, 20.0), np.full(3, 30.0)):
        for borrow in (False, True):
            s.set_value(value.copy(), borrow=borrow)
            for k in range(3):
                np.testing.assert_array_equal(f(), value + k + 1)
            np.testing.assert_array_equal(s.get_value(), value + 3)


def test_a_value_that_another_function_replaces_is_followed():
    s, x = shared(np.zeros(1)), T.dvector("x")
    grow = function([x], [], updates=[(s, T.concatenate([s, x]))])
    total = function([], s.sum(), updates=[(s, s * 2)])
    grow(np.ones(1))
    want = 1.0
    for n in (2, 1, 0, 3):
        for _ in range(2):
            assert total() == want
            want *= 2
        grow(np.ones(n))
        want += n


# ---- integers that move


def test_moving_integers_beside_shared_variables_that_move():
    data, i = shared(np.arange(12.0).reshape(6, 2)), T.lscalar("i")
    f = function([i], data[2 * i : 2 * i + 2].sum())
    for table in (
        np.arange(12.0).reshape(6, 2),
        RNG.normal(size=(6, 2)),
        RNG.normal(size=(8, 2)),
    ):
        data.set_value(table, borrow=True)
        for k in (0, 1, 2, -1, 0, 3):
            np.testing.assert_allclose(f(k), table[2 * k : 2 * k + 2].sum(), atol=1e-12)


@pytest.mark.parametrize("value", [2, np.int64(2), np.array(2), np.int8(2), True])
def test_python_and_numpy_integers(value):
    data, i = shared(np.arange(6.0)), T.lscalar("i")
    f = function([i], data[i : i + 2])
    for k in (0, value, 1, value):
        np.testing.assert_array_equal(f(k), np.arange(6.0)[int(k) : int(k) + 2])


# ---- threads


def hammer(work, count=4, times=60):
    """Run work(number of the thread, turn) in threads; whatever one raises is raised."""
    failures = []

    def loop(number):
        try:
            for turn in range(times):
                work(number, turn)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=loop, args=(k,)) for k in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def test_threads_with_different_sizes_and_indices():
    table, i, x = RNG.normal(size=(40, 3)), T.lscalar("i"), T.dmatrix("x")
    resident = shared(table)
    f = function([x, i], T.dot(x, x.T).sum() + resident[4 * i : 4 * i + 4].sum(axis=0))

    def work(number, turn):
        value, k = np.full((number + turn % 3, 2), 1.0), (number + turn) % 12
        want = (value @ value.T).sum() + table[4 * k : 4 * k + 4].sum(axis=0)
        np.testing.assert_allclose(f(value, k), want, atol=1e-12)

    hammer(work)


def test_threads_that_update_one_shared_variable():
    total, x = shared(0.0), T.dvector("x")
    f = function([x], x.sum(), updates=[(total, total + x.sum())])
    hammer(lambda number, turn: f(np.full(number + 1, 1.0)), count=4, times=50)
    assert total.get_value() == 50 * (1 + 2 + 3 + 4)


def test_threads_through_segments():
    x = T.dvector("x")
    f = function([x], reference_sort(T.tanh(x)) * 2)

    def work(number, turn):
        value = RNG.permutation(number + 3) * 0.1
        np.testing.assert_allclose(f(value), np.sort(np.tanh(value)) * 2)

    hammer(work, times=30)


class Calls(Op):
    """Calls another compiled function, or the very one in which it stands."""

    __props__ = ()

    def __init__(self):
        self.target = None

    def make_node(self, x):
        return Apply(self, [x], [x.type()])

    def perform(self, node, inputs, output_storage):
        small = inputs[0].size < 2
        output_storage[0][0] = inputs[0] if small else self.target(inputs[0][1:].copy())


def test_a_function_may_call_itself():
    x, op = T.dvector("x"), Calls()
    f = op.target = function([x], op(x * 2) + 1)
    np.testing.assert_array_equal(f(np.ones(1)), [3])
    np.testing.assert_array_equal(f(np.ones(3)), [8 + 1 + 1 + 1])


# ---- failures


def test_an_index_out_of_range_is_told_as_numpy_would():
    x, i = T.dmatrix("x"), T.lvector("i")
    taken = x[i].sum()
    f = function([x, i], taken)
    value = np.ones((3, 2))
    for _ in range(2):
        assert f(value, [0, -3]) == 4
        with pytest.raises(IndexError) as error:
            f(value, [0, 3])
        text = str(error.value)
        assert "taken = x[i].sum()" in text and "3" in text


def test_a_failure_in_a_direct_call():
    """The call before was in native code already."""
    x, i = T.dvector("x"), T.lscalar("i")
    f = function([x, i], x[i] * 2)
    value = np.arange(4.0)
    assert [f(value, k) for k in (0, 1, 2, 3)] == [0, 2, 4, 6]
    for k in (4, -5):
        with pytest.raises(IndexError, match=r"x\[i\]"):
            f(value, k)
    assert f(value, -4) == 0


def test_unexpected_arguments_after_direct_calls():
    x = T.dvector("x")
    f = function([x], x + 1)
    f(np.ones(3))
    f(np.ones(3))
    for wrong in (np.ones((3, 3)), "text", None, T.dvector()):
        with pytest.raises(TypeError):
            f(wrong)
    np.testing.assert_array_equal(f(np.ones(3)), [2, 2, 2])


# ---- memory


def test_an_engine_dies_with_its_function():
    x = T.dmatrix("x")
    f = function([x], T.dot(T.tanh(x), x))
    f(np.eye(3))
    f(np.eye(3))
    gone = weakref.ref(f.engine)
    result = f(np.eye(3))
    del f
    gc.collect()
    assert gone() is None and result.shape == (3, 3)


def test_results_outlive_the_function():
    x = T.dvector("x")
    results = [function([x], [x * 2, x])(np.full(3, float(k))) for k in range(5)]
    gc.collect()
    for k, (double, same) in enumerate(results):
        np.testing.assert_array_equal(double, np.full(3, 2.0 * k))
        np.testing.assert_array_equal(same, np.full(3, float(k)))


# ---- without `function`


def test_an_engine_by_itself():
    x, s = T.dvector("x"), shared(np.zeros(2))
    engine = compile_graph(Graph([x], [x * 2, s + x]), [s])
    (double,) = engine.run([np.ones(2)])
    np.testing.assert_array_equal(double, [2, 2])
    np.testing.assert_array_equal(s.get_value(), [1, 1])


@pytest.mark.parametrize("device", ["cpu", "reference"])
def test_a_rehearsal_changes_nothing(device):
    x, s, t = T.dvector("x"), shared(np.zeros(2), "s"), shared(np.ones(2), "t")
    news = [s + x, T.concatenate([t, x])]  # in place, and by a new array
    graph = Graph([x], [x * s, *news])
    engine = compile_graph(graph, [s, t], device=get_device(device))
    for _ in range(2):
        (product,), news = engine.rehearse([np.full(2, 3.0)])
        np.testing.assert_array_equal(product, [0, 0])
        np.testing.assert_array_equal(news[s], [3, 3])
        np.testing.assert_array_equal(news[t], [1, 1, 3, 3])
        assert s.get_value().tolist() == [0, 0] and t.get_value().tolist() == [1, 1]
    engine.run([np.full(2, 3.0)])
    assert s.get_value().tolist() == [3, 3] and t.get_value().shape == (4,)
