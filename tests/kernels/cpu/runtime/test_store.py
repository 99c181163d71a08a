"""Values of shared variables in a memory that is not the host's: an object with a shape and a
dtype, whose numbers only the functions of its memory reach."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet.compile.modes import ReferenceEngine
from symnet.graph.types import TensorType
from symnet.kernels.cpu.runtime.store import Store
from symnet.kernels.interface import READS, WRITES, with_ticket
from symnet.kernels.memory import HOST, Memory
from symnet.shared import SharedVariable


class Remote:
    """An array elsewhere."""

    def __init__(self, numbers):
        self.shape, self.dtype = numbers.shape, numbers.dtype
        self._numbers = np.array(numbers, order="C")

    def __array__(self, *_, **__):
        raise AssertionError("the host has read what is not in its memory")


def write(array, numbers):
    assert isinstance(numbers, np.ndarray) and numbers.shape == array.shape
    array._numbers[...] = numbers


ELSEWHERE = Memory(
    from_host=lambda a: a if isinstance(a, Remote) else Remote(a),
    to_host=lambda a: a._numbers.copy(),
    copy_in=Remote,
    copy_out=lambda a: a._numbers.copy(),
    copy=lambda a: Remote(a._numbers),
    write=write,
    holds=lambda value: isinstance(value, Remote),
    writable=lambda array: True,
    lends=lambda array: False,
    overlap=lambda a, b: a is b,
    alignment=256,
)


@pytest.fixture(params=[3, 1000])
def value(request):
    return np.arange(float(request.param))


@pytest.fixture
def variable(value):
    kind = TensorType("float64", (None,))
    return SharedVariable(kind, Store(value, ELSEWHERE), "v")


def test_values_are_brought_in_and_out(variable, value):
    assert isinstance(variable.array, Remote)
    for borrow in (False, True):
        np.testing.assert_array_equal(variable.get_value(borrow=borrow), value)
    mine = variable.get_value()
    mine[:] = 7
    np.testing.assert_array_equal(variable.get_value(), value)


def test_the_internal_type_is_the_array_there(variable, value):
    assert variable.get_value(borrow=True, return_internal_type=True) is variable.array
    copy = variable.get_value(return_internal_type=True)
    assert isinstance(copy, Remote) and copy is not variable.array
    np.testing.assert_array_equal(ELSEWHERE.to_host(copy), value)


@pytest.mark.parametrize("borrow", [False, True])
def test_new_values_are_written_in_their_place_or_moved_there(variable, value, borrow):
    place, new = variable.array, value[::-1].copy()
    variable.set_value(new, borrow=borrow)
    assert isinstance(variable.array, Remote)
    assert borrow or variable.array is place
    new[:] = 7
    np.testing.assert_array_equal(variable.get_value(), value[::-1])
    variable.set_value(np.ones(2), borrow=borrow)
    assert isinstance(variable.array, Remote) and variable.array is not place
    np.testing.assert_array_equal(variable.get_value(), np.ones(2))
    variable.zero()
    np.testing.assert_array_equal(variable.get_value(), np.zeros(2))


def test_new_values_are_checked_before(variable, value):
    with pytest.raises(TypeError):
        variable.set_value(np.ones((2, 2)))
    np.testing.assert_array_equal(variable.get_value(), value)


def test_clones_and_pickles(variable, value):
    assert variable.clone().store is variable.store
    again = pickle.loads(pickle.dumps(variable))
    assert again.store.memory is HOST
    np.testing.assert_array_equal(again.get_value(), value)


def test_reference_evaluation_reads_and_updates_it(variable, value):
    x = T.dscalar("x")
    total, new = (variable * x).sum(), variable + x
    reference = ReferenceEngine([x], [total], {variable: new})
    (total,) = reference.run([np.array(2.0)])
    assert total == 2 * value.sum()
    assert isinstance(variable.array, Remote)
    np.testing.assert_array_equal(variable.get_value(), value + 2)


def test_no_function_is_compiled_for_another_device(variable):
    with pytest.raises(
        TypeError, match="v lies in the memory of another device"
    ) as error:
        symnet.function([], variable + 1)
    assert "set_value" in str(error.value)


def test_a_call_that_reads_keeps_its_value(variable, value):
    """A value that is read is written in a copy, which lies in the same memory."""

    def outer(ticket):
        def inner(own):
            ELSEWHERE.write(own.array(variable.store), value + 1)

        with_ticket({variable.store: WRITES}, None, inner)
        return ticket.array(variable.store)

    read = with_ticket({variable.store: READS}, None, outer)
    np.testing.assert_array_equal(ELSEWHERE.to_host(read), value)
    np.testing.assert_array_equal(variable.get_value(), value + 1)
