"""Shared variables, `givens` and `updates` of functions."""

from __future__ import annotations

import numpy as np
import pytest

import symnet.tensor as T
from symnet import function, grad, shared
from symnet.errors import MissingInputError, UnusedInputError
from symnet.kernels.llvm.object_code import statistics
from tests.compile.test_function import MODES


@pytest.fixture(params=MODES)
def mode(request):
    return request.param


def test_slides_update_as_one_pair(mode):
    x_val = shared(1)
    f = function([], x_val * 2, updates=(x_val, x_val + 1), mode=mode)
    assert [int(f()) for _ in range(3)] == [2, 4, 6]
    assert x_val.get_value() == 4


def test_integer_shared_for_a_float_scalar(mode):
    x = T.dscalar("x")
    x_val = shared(3)
    f = function([], 2 * x**2 + 5 * x, givens={x: x_val}, mode=mode)
    assert f() == 33.0


def test_updates_see_old_values(mode):
    a, b = shared(np.arange(3.0), "a"), shared(np.arange(3.0) + 10, "b")
    c = shared(np.zeros(3), "c")
    f = function([], a.sum(), updates=[(a, b), (b, a), (c, a + b)], mode=mode)
    assert f() == 3.0
    np.testing.assert_array_equal(a.get_value(), np.arange(3.0) + 10)
    np.testing.assert_array_equal(b.get_value(), np.arange(3.0))
    np.testing.assert_array_equal(c.get_value(), np.arange(3.0) * 2 + 10)


def test_update_with_itself_and_with_views(mode):
    a = shared(np.arange(6.0).reshape(2, 3), "a")
    b = shared(np.ones((3, 2)), "b")
    function([], [], updates=[(a, a), (b, a.T)], mode=mode)()
    np.testing.assert_array_equal(a.get_value(), np.arange(6.0).reshape(2, 3))
    np.testing.assert_array_equal(b.get_value(), np.arange(6.0).reshape(2, 3).T)
    square = shared(np.arange(4.0).reshape(2, 2))
    function([], [], updates=[(square, square.T)], mode=mode)()
    np.testing.assert_array_equal(square.get_value(), [[0, 2], [1, 3]])
    function([], [], updates=[(square, square[::-1])], mode=mode)()
    np.testing.assert_array_equal(square.get_value(), [[1, 3], [0, 2]])
    function([], [], updates=[(square, square + square.T)], mode=mode)()
    np.testing.assert_array_equal(square.get_value(), [[2, 3], [3, 4]])
    function([], [], updates=[(square, T.dot(square, square))], mode=mode)()
    np.testing.assert_array_equal(square.get_value(), [[13, 18], [18, 25]])


def test_update_of_another_size(mode):
    s, x = shared(np.zeros(2), "s"), T.dvector("x")
    f = function([x], s.sum(), updates=[(s, x)], mode=mode)
    total = function([], s.sum(), mode=mode)
    for n in (3, 0, 5):
        f(np.ones(n))
        assert s.get_value().shape == (n,) and total() == n


def test_output_and_update_are_one_expression(mode):
    s = shared(np.arange(3.0))
    new = s * 2
    result = function([], [new, s, new], updates={s: new}, mode=mode)()
    for got, factor in zip(result, (2, 1, 2)):
        np.testing.assert_array_equal(got, np.arange(3.0) * factor)
    result[0][...] = 7
    np.testing.assert_array_equal(s.get_value(), np.arange(3.0) * 2)


def test_givens_replace_all_at_once(mode):
    x, y = T.dscalar("x"), T.dscalar("y")
    f = function([x, y], x - y, givens={x: y, y: x}, mode=mode)
    assert f(1.0, 3.0) == 2.0


def test_minibatches_by_index_need_one_plan():
    data = np.arange(20.0).reshape(10, 2)
    x, i = T.dmatrix("x"), T.lscalar("i")
    resident = shared(data)
    f = function([i], x.sum(axis=1), givens={x: resident[i * 3 : (i + 1) * 3]})
    for k in range(4):
        np.testing.assert_array_equal(f(k), data[3 * k : 3 * k + 3].sum(axis=1))
    for k in (-1, -2, 100, 3, 0):
        np.testing.assert_array_equal(f(k), data[3 * k : 3 * (k + 1)].sum(axis=1))
    assert len(f.engine.native[0].plans) == 3  # three rows, one row, none


def test_ten_batch_sizes_compile_once():
    x, w = T.fmatrix("x"), shared(np.ones((7, 5), "f4"))
    p = T.nnet.softmax(T.dot(x, w))
    f = function([x], [p, p.sum(axis=0)], updates=[(w, w - grad(T.log(p).mean(), w))])
    f(np.ones((4, 7), "f4"))
    before = statistics.compiled + statistics.loaded
    for n in (1, 2, 3, 5, 8, 16, 17, 33, 100, 0):
        assert f(np.ones((n, 7), "f4"))[0].shape == (n, 5)
    assert statistics.compiled + statistics.loaded == before


def test_two_runs_are_identical():
    rng = np.random.default_rng(3)
    x, w = T.dmatrix("x"), shared(rng.normal(size=(50, 40)))
    f = function([x], [T.tanh(T.dot(x, w)).sum(), T.nnet.softmax(T.dot(x, w)).std()])
    value = rng.normal(size=(200, 50))
    first = f(value)
    for _ in range(3):
        for a, b in zip(first, f(value)):
            assert a.tobytes() == b.tobytes()


def test_type_of_updates():
    s = shared(np.zeros(3, "f4"), "s")
    x = T.dvector("x")
    with pytest.raises(TypeError, match="lose precision") as error:
        function([x], [], updates=[(s, s + x)])
    assert "float64 comes from" in str(error.value) and "astype" in str(error.value)
    with pytest.raises(TypeError, match="ranks differ"):
        function([], [], updates=[(s, s.sum())])
    with pytest.raises(TypeError, match="shared variables"):
        function([x], [], updates=[(x, x + 1)])
    with pytest.raises(ValueError, match="twice"):
        function([], [], updates=[(s, s + 1), (s, s * 2)])
    with pytest.raises(TypeError, match="pairs"):
        function([], [], updates=[s])
    ints = shared(np.arange(3), "ints")
    function([], [], updates=[(s, ints.astype("int8"))])()
    np.testing.assert_array_equal(s.get_value(), [0, 1, 2])


def test_sizes_of_one_and_unknown_sizes_unite(mode):
    row = shared(np.ones((1, 3)), "row", broadcastable=(True, False))
    plain = shared(np.ones((1, 3)), "plain")
    function([], [], updates=[(row, row + plain), (plain, row * 3)], mode=mode)()
    np.testing.assert_array_equal(row.get_value(), np.full((1, 3), 2.0))
    np.testing.assert_array_equal(plain.get_value(), np.full((1, 3), 3.0))


def test_wrong_requests():
    x, y = T.dvector("x"), T.dvector("y")
    with pytest.raises(MissingInputError, match="givens") as error:
        function([x], x + y)
    assert "your line" in str(error.value) and __file__ in str(error.value)
    with pytest.raises(UnusedInputError, match="on_unused_input"):
        function([x, y], x)
    with pytest.warns(UserWarning, match="not used"):
        function([x, y], x, on_unused_input="warn")
    with pytest.raises(ValueError, match="twice"):
        function([x, x], x)
    with pytest.raises(TypeError, match="list"):
        function(x, x)
    with pytest.raises(TypeError, match="givens"):
        function([x], x, givens={"x": y})
    with pytest.raises(TypeError, match="shared"):
        function([shared(1.0)], x)
    with pytest.raises(ValueError, match="mode"):
        function([x], x, mode="FASTER")
    with pytest.raises(TypeError, match="ranks"):
        function([x], x, givens={x: T.dmatrix()})
