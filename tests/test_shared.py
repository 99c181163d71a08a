"""Shared variables: making, reading and writing them, and where their memory is."""

from __future__ import annotations

import copy
import pickle
import sys

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet import function, shared
from symnet.config import config
from symnet.errors import AsTensorError
from symnet.graph.types import DTYPES
from symnet.shared import SharedVariable


def address(variable):
    return variable.get_value(borrow=True).ctypes.data


def holds(variable, want):
    """The value, by every way to read it, and what native code is told."""
    value = variable.get_value()
    np.testing.assert_array_equal(value, want)
    assert value.flags.c_contiguous and value.dtype == variable.type.dtype
    np.testing.assert_array_equal(variable.array, want)
    assert (
        variable.store.box[0] is variable.array and not variable.store.words[:2].any()
    )
    f = function([], variable, no_default_updates=True)
    np.testing.assert_array_equal(f(), want)


# ---- making


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (3,), (0, 2), (2, 1, 3)])
def test_arrays_of_every_dtype(dtype, shape):
    value = np.ones(shape, dtype)
    s = shared(value, "s")
    assert (
        s.type.dtype == dtype and s.type.shape == (None,) * len(shape) and s.name == "s"
    )
    np.testing.assert_array_equal(s.get_value(), value)


@pytest.mark.parametrize("floatX", ["float32", "float64"])
def test_python_numbers_and_lists(floatX):
    with config.change_flags(floatX=floatX):
        assert shared(1.5).type.dtype == floatX
        assert shared(3).type.dtype == "int64"
        assert shared(True).type.dtype == "bool"
        assert shared(2j).type.dtype == "complex128"
        assert shared(np.float64(1)).type.dtype == "float64"
    assert shared([1, 2]).type.dtype == "int64"


def test_dtype_pattern_and_shape():
    assert shared([1, 2], dtype="float32").type.dtype == "float32"
    assert shared(np.ones((1, 3)), broadcastable=(True, False)).type.shape == (1, None)
    assert shared(np.ones((2, 3)), shape=(2, None)).type.shape == (2, None)
    with pytest.raises(ValueError, match="axis 0"):
        shared(np.ones((2, 3)), broadcastable=(True, False))
    with pytest.raises(TypeError, match="rank"):
        shared(np.ones((2, 3)), broadcastable=(True,))


@pytest.mark.parametrize("value", [None, ["a"], np.array(["a"])])
def test_what_is_no_number(value):
    with pytest.raises(TypeError, match="takes numbers"):
        shared(value)


@pytest.mark.parametrize("value", ["text", object(), {}])
def test_one_object_is_kept_for_users_operations(value):
    kept = shared(value, "kept")
    assert kept.get_value() is value
    with pytest.raises(AsTensorError):
        T.exp(kept)
    kept.set_value("other")
    assert kept.get_value() == "other"


def test_symbolic_values_are_refused():
    with pytest.raises(TypeError, match="eval"):
        shared(T.dvector("x"))


def test_unusual_layouts_are_made_plain():
    base = np.arange(24.0).reshape(4, 6)
    unaligned = np.zeros(8 * 3 + 1, np.uint8)[1:].view(np.float64)
    for value in (base.T, base[::2, ::-1], base.astype(">f8"), unaligned, base[1]):
        s = shared(value, borrow=True)
        holds(s, value)
        assert s.array.flags.aligned and s.array.dtype.isnative


# ---- borrowing


def test_values_are_copied_unless_borrowed():
    value = np.zeros(3)
    s, b = shared(value), shared(value, borrow=True)
    value[0] = 1
    assert s.get_value()[0] == 0 and b.get_value()[0] == 1
    assert b.get_value(borrow=True) is value
    s.get_value()[...] = 7
    holds(s, [0, 0, 0])
    s.get_value(borrow=True)[1] = 5
    holds(s, [0, 5, 0])


def test_read_only_arrays_are_never_borrowed():
    value = np.zeros(3)
    value.flags.writeable = False
    s = shared(value, borrow=True)
    function([], [], updates=[(s, s + 1)])()
    holds(s, [1, 1, 1])
    s.set_value(value, borrow=True)
    function([], [], updates=[(s, s + 1)])()
    holds(s, [1, 1, 1])
    assert value.sum() == 0


def test_set_value_copies_unless_borrowed():
    s = shared(np.zeros(3))
    value = np.ones(3)
    s.set_value(value)
    value[0] = 7
    holds(s, [1, 1, 1])
    s.set_value(value, borrow=True)
    value[0] = 9
    holds(s, [9, 1, 1])
    assert s.array is value


# ---- set_value


def test_the_address_stays_while_the_size_does():
    s = shared(np.zeros(3))
    f = function([], s * 1)
    where = address(s)
    for value in (np.ones(3), np.arange(6.0)[::2], [7.0, 8.0, 9.0]):
        s.set_value(value)
        assert address(s) == where
        holds(s, value)
        np.testing.assert_array_equal(f(), value)
    function([], [], updates=[(s, s + 1)])()
    assert address(s) == where


def test_values_of_other_sizes():
    s = shared(np.zeros(3))
    f = function([], s + 1)
    for n in (5, 0, 3, 1):
        f()
        s.set_value(np.full(n, 2.0))
        holds(s, np.full(n, 2.0))
        np.testing.assert_array_equal(f(), np.full(n, 3.0))


def test_borrowed_values_move():
    s = shared(np.zeros(3))
    f = function([], s + 1)
    f()
    for start in range(3):
        value = np.full(3, float(start))
        s.set_value(value, borrow=True)
        assert s.array is value
        np.testing.assert_array_equal(f(), np.full(3, start + 1.0))


def test_a_view_of_the_value_itself():
    s = shared(np.arange(4.0))
    s.set_value(s.get_value(borrow=True)[::-1])
    holds(s, [3, 2, 1, 0])
    s.set_value(s.get_value(borrow=True)[1:3])
    holds(s, [2, 1])
    s.set_value(s.get_value(borrow=True), borrow=True)
    holds(s, [2, 1])


def test_values_that_do_not_fit():
    s = shared(np.zeros((2, 3), "f4"), "s")
    with pytest.raises(TypeError, match="precision"):
        s.set_value(np.zeros((2, 3)))
    with pytest.raises(TypeError, match="rank"):
        s.set_value(np.zeros(3, "f4"))
    row = shared(np.zeros((1, 3)), broadcastable=(True, False))
    with pytest.raises(ValueError, match="axis 0"):
        row.set_value(np.zeros((2, 3)))
    holds(s, np.zeros((2, 3)))
    loose = shared(np.zeros(2, "f4"), allow_downcast=True)
    loose.set_value(np.array([0.1, 0.2]))
    holds(loose, np.array([0.1, 0.2], "f4"))
    strict = shared(np.zeros(2), strict=True)
    with pytest.raises(TypeError, match="strict"):
        strict.set_value([1.0, 2.0])


def test_zero():
    for value in (np.ones((2, 3), "f4"), np.ones((), "i8"), np.ones((0, 2))):
        s = shared(value)
        where = address(s)
        s.zero()
        holds(s, np.zeros_like(value))
        assert address(s) == where


def test_replace_takes_the_array_itself():
    s = shared(np.zeros(2))
    fresh = np.arange(3.0)
    s.store.put(fresh)
    assert s.array is fresh
    holds(s, [0, 1, 2])


# ---- functions and sharing


def test_functions_write_where_the_value_lies():
    s = shared(np.zeros(3))
    inside = s.get_value(borrow=True)
    f = function([], s.sum(), updates=[(s, s + 1)])
    for k in range(3):
        assert f() == 3 * k
        np.testing.assert_array_equal(inside, np.full(3, k + 1.0))


def test_two_functions_share_one_value():
    s, x = shared(0.0), T.dscalar("x")
    add, read = function([x], [], updates=[(s, s + x)]), function([], s)
    add(2.0)
    add(3.0)
    assert read() == 5.0
    s.set_value(1.0)
    add(1.0)
    assert read() == 2.0


def test_clones_show_the_same_value():
    s = shared(np.zeros(2), "s")
    twin = s.clone()
    assert isinstance(twin, SharedVariable) and twin.name == "s" and twin is not s
    function([], [], updates=[(s, s + 1)])()
    holds(twin, [1, 1])
    twin.set_value(np.full(2, 5.0))
    holds(s, [5, 5])


def test_clones_follow_a_value_of_another_size():
    s = shared(np.zeros(2), "s")
    twin = s.clone()
    s.set_value(np.ones(3))
    holds(twin, [1, 1, 1])
    twin.set_value(np.ones(4))
    holds(s, [1, 1, 1, 1])


def test_pickled_shared_variables():
    s = shared(np.arange(3.0), "s", allow_downcast=True)
    s.tag.note = "n"
    s.default_update = s + 1
    first, second = pickle.loads(pickle.dumps((s, s)))
    assert first is second and first is not s
    assert first.name == "s" and first.allow_downcast is True and first.type == s.type
    assert first.tag.note == "n"
    first.set_value(np.zeros(3))
    holds(s, [0, 1, 2])
    holds(first, [0, 0, 0])
    f = function([], first * 1)
    f()
    holds(first, [1, 1, 1])


def test_deep_copies_have_their_own_value():
    s = shared(np.arange(3.0))
    twin = copy.deepcopy(s)
    function([], [], updates=[(twin, twin * 10)])()
    holds(s, [0, 1, 2])
    holds(twin, [0, 10, 20])


def test_default_updates():
    s = shared(0)
    s.default_update = s + 1
    f = function([], s * 10)
    assert [int(f()) for _ in range(3)] == [0, 10, 20]
    g = function([], s, no_default_updates=True)
    assert g() == g() == 3
    h = function([], s, updates=[(s, s - 3)])
    assert h() == 3 and s.get_value() == 0
    assert symnet.function([], s, no_default_updates=[s])() == 0


def test_clones_in_one_function_stand_for_one_value():
    s = shared(np.zeros(3), "s")
    twin = s.clone("twin")
    f = function([], [twin * 2, s + twin], updates=[(s, twin + 1)])
    for k in range(3):
        doubled, total = f()
        np.testing.assert_array_equal(doubled, np.full(3, 2.0 * k))
        np.testing.assert_array_equal(total, np.full(3, 2.0 * k))
    with pytest.raises(ValueError, match="twice"):
        function([], [], updates=[(s, s + 1), (twin, twin + 1)])


def test_clones_pickled_together_stay_one_value():
    s = shared(np.zeros(2))
    first, second = pickle.loads(pickle.dumps((s, s.clone())))
    first.set_value(np.ones(3))
    holds(second, [1, 1, 1])


def test_default_updates_survive_pickling():
    s = shared(1)
    s.default_update = s * 2
    twin = pickle.loads(pickle.dumps(s))
    f = function([], twin)
    assert [int(f()) for _ in range(3)] == [1, 2, 4] and s.get_value() == 1


def test_values_go_to_other_libraries_as_copies() -> None:
    w = symnet.shared(np.arange(3.0))
    taken = np.from_dlpack(w)
    np.testing.assert_array_equal(taken, [0.0, 1.0, 2.0])
    w.set_value(np.zeros(3), borrow=True)
    np.testing.assert_array_equal(taken, [0.0, 1.0, 2.0])
    assert w.__dlpack_device__() == np.zeros(3).__dlpack_device__()


@pytest.mark.skipif(
    sys.version_info < (3, 12), reason="memoryview asks classes from 3.12"
)
def test_the_buffer_of_a_shared_variable_is_a_copy() -> None:
    w = symnet.shared(np.arange(3.0))
    view = memoryview(w)
    view[0] = 7.0
    assert view.tolist() == [7.0, 1.0, 2.0]
    np.testing.assert_array_equal(w.get_value(), [0.0, 1.0, 2.0])
