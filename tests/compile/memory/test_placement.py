"""Where results lie: updates in place, nothing read too late."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import symnet.tensor as T
from symnet import function, shared
from symnet.compile.memory.arena import lifetimes
from tests.compile.memory.written_programs import (
    check_contents,
    program_of,
    temporaries,
    written,
)
from tests.test_fuzz import Builder, programs


class Writer(Builder):
    """Programs that write and join more than they compute, over few and small sizes."""

    STEPS = ["write", "write", "slice", "index", "join", "reshape", "binary"]

    def __init__(self, draw):
        super().__init__(draw)
        self.sizes = [1 + n % 2 for n in self.sizes]


@pytest.mark.filterwarnings("ignore")
@settings(
    max_examples=300,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(st.one_of(programs(), programs(Writer)))
def test_nothing_is_read_after_it_was_overwritten(program):
    _, outputs, updates = program
    found = program_of(outputs, updates)
    check_contents(found)
    lives = lifetimes(found.steps, found.placement)
    assert all(home.kind == "temporary" and a <= b for home, (a, b) in lives.items())


# ---- results


def test_results_are_written_where_they_are_handed_out():
    x, w = T.dmatrix("x"), shared(np.eye(3))
    product = T.dot(x, w)
    assert written(program_of([T.tanh(x), product])) == ["output", "output"]
    assert written(program_of([T.tanh(product)])) == ["temporary", "output"]
    views = program_of([product.T, product[::-1]])
    assert written(views)[0] == "temporary" and written(views)[1:] == [
        "output",
        "output",
    ]


def test_one_result_twice_is_written_twice():
    x = T.dvector("x")
    y = T.tanh(x)
    program = program_of([y, y])
    assert written(program) == ["output", "output"]
    home = program.placement.home
    assert len({home(view.buffer) for s in program.steps for view in s.outputs}) == 2


def test_inputs_and_constants_are_copied_never_written():
    x, c = T.dmatrix("x"), T.constant(np.arange(6.0).reshape(2, 3))
    program = program_of(
        [x, c, T.set_subtensor(x[0], 1.0), T.inc_subtensor(c[:, 1], 5.0)]
    )
    check_contents(program)
    assert set(written(program)) == {"output"}
    f = function([x], [T.set_subtensor(x[0], 1.0), T.inc_subtensor(c[:, 1], 5.0), c])
    value = np.zeros((2, 3))
    for _ in range(2):
        got = f(value)
        np.testing.assert_array_equal(got[0], [[1, 1, 1], [0, 0, 0]])
        np.testing.assert_array_equal(got[1], [[0, 6, 2], [3, 9, 5]])
        np.testing.assert_array_equal(got[2], np.arange(6.0).reshape(2, 3))
    assert not value.any()


# ---- temporaries


def test_an_elementwise_result_lies_over_its_dying_input():
    x, w = T.dmatrix("x"), shared(np.eye(3))
    hidden = T.tanh(T.dot(x, w))
    program = program_of([T.dot(hidden, w)])
    assert written(program) == ["temporary", "temporary", "output"]
    buffers = [program.steps[k].outputs[0].buffer for k in (0, 1)]
    first, second = map(program.placement.home, buffers)
    assert first is second and len(temporaries(program)) == 1


def test_an_input_that_is_still_needed_is_not_overwritten():
    x, w = T.dmatrix("x"), shared(np.eye(3))
    product = T.dot(x, w)
    program = program_of([T.dot(T.tanh(product), product.T)])
    check_contents(program)
    assert len(temporaries(program)) == 2
    # Here the other reader simply goes first.
    program = program_of([T.dot(T.tanh(product), w), T.dot(product, w)])
    check_contents(program)
    assert len(temporaries(program)) == 1


def test_a_broadcast_input_is_not_overwritten():
    """A row that is added to a matrix is read again for each line."""
    x, w = T.dmatrix("x"), shared(np.eye(3))
    row = T.dot(x, w).sum(axis=0)
    f = function([x], T.dot(T.dot(x, w) + row, w))
    value = np.random.default_rng(0).normal(size=(4, 3))
    np.testing.assert_allclose(f(value), value + value.sum(axis=0))
    check_contents(program_of([T.dot(T.dot(x, w) + row, w)]))


def test_softmax_does_not_overwrite_what_later_passes_read():
    x, w = T.dmatrix("x"), shared(np.eye(3))
    f = function([x], T.dot(T.nnet.softmax(T.dot(x, w)), w))
    value = np.random.default_rng(0).normal(size=(4, 3))
    e = np.exp(value)
    np.testing.assert_allclose(f(value), e / e.sum(axis=1, keepdims=True))


def test_a_written_part_goes_into_a_dying_temporary():
    x = T.dmatrix("x")
    fresh = T.tanh(x)
    program = program_of([T.set_subtensor(fresh[0], 7.0).sum(axis=0)])
    assert len(temporaries(program)) == 1
    check_contents(program)
