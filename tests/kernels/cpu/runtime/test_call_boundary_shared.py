"""Calls that use shared variables and windows of arrays, and `execute`."""

from __future__ import annotations

import sys
import threading

import numpy as np
import pytest

from symnet.kernels.cpu.library.call_steps import python_step
from symnet.kernels.cpu.runtime.call_block import (
    RETURN_NONE,
    RETURN_ONE,
    Argument,
    Window,
    call_block,
)
from symnet.kernels.cpu.runtime.call_boundary import make_builtin
from symnet.kernels.cpu.runtime.layouts import (
    BlockWords,
    StoreWords,
)
from symnet.kernels.cpu.runtime.run_block import execute
from symnet.kernels.cpu.runtime.runner import (
    READS,
    WRITES,
)
from symnet.kernels.cpu.runtime.store import Store
from tests.kernels.cpu.runtime.copying_programs import Program, natively, refused


def reading(value, use=READS, **settings):
    """A program that returns a shared variable's value, and the variable's store."""
    store = Store(value)
    cell = (store, value.dtype.name, value.shape)
    program = Program(
        [], form=RETURN_ONE, cells=[(cell[1:], cell)], use=use, **settings
    )
    return program, store


def test_shared_variables():
    program, store = reading(np.arange(3.0))
    assert natively(program).tolist() == [0, 1, 2]
    store.array[:] += 1
    assert natively(program).tolist() == [1, 2, 3]
    store.put(np.arange(3.0) + 10)
    assert natively(program).tolist() == [10, 11, 12]
    for other in (np.zeros(4), np.zeros((3, 1)), np.zeros(3, "f4")):
        store.put(other)
        refused(program)
    store.put(np.arange(3.0))
    assert natively(program).tolist() == [0, 1, 2]
    assert program.block[BlockWords.busy] == 0


@pytest.mark.parametrize("release", [False, True])
@pytest.mark.parametrize("use", [READS, WRITES])
def test_a_shared_variable_in_use_is_left_to_the_fallback(use, release):
    program, store = reading(np.arange(3.0), use, release=release)
    assert natively(program).tolist() == [0, 1, 2]
    assert not store.words[: StoreWords.version].any()
    store.queue.append("somebody who waits")
    refused(program)
    store.queue.clear()
    store.words[StoreWords.writer] = 77
    refused(program)
    store.words[: StoreWords.version] = 1, 0  # a reader
    if use == READS:
        assert natively(program).tolist() == [0, 1, 2]
    else:
        refused(program)
    assert store.words[: StoreWords.version].tolist() == [1, 0]
    program.queue.append("somebody who waits")
    refused(program)


def test_a_long_call_pins_what_it_uses():
    seen = []

    def during():
        seen.append(store.words[: StoreWords.version].tolist())
        seen.append(sys.getrefcount(store.array))
        store.put(np.arange(3.0) + 5)

    for use in (READS, WRITES):
        step = python_step(during)
        program, store = reading(
            np.arange(3.0), use, release=True, extra=[step.arrangement]
        )
        before = sys.getrefcount(store.array)
        me = threading.get_ident()
        assert natively(program).tolist() == [0, 1, 2]
        assert seen[-2] == ([1, 0] if use == READS else [0, me])
        assert seen[-1] == before + 1
        assert store.words[: StoreWords.version].tolist() == [0, 0]


@pytest.mark.parametrize(
    "dtype", ["int64", "int32", "int16", "int8", "uint8", "uint32", "bool"]
)
def test_windows(dtype):
    place = np.zeros(1, np.int64)
    high = 1 if dtype == "bool" else 5
    block_of = {
        "arguments": [Argument(dtype, (), 0)],
        "base_count": 1,
        "windows": [Window(place.ctypes.data, 0, dtype, 24, 1000, 0, high)],
        "form": RETURN_NONE,
        "failure": None,
    }
    program = Program([])
    call = make_builtin(call_block(**block_of, fallback=program.fallback))
    program.call = call
    numbers = [np.array(high, dtype), np.dtype(dtype).type(high)]
    for number in [*numbers, high if dtype != "bool" else True]:
        place[:] = 0
        assert natively(program, number) is None
        assert place == 1000 + 24 * high
    if dtype != "bool":
        refused(program, 6)
        refused(program, -1)
    if dtype == "uint8":
        refused(program, 200)


def test_a_window_of_floats_is_an_error():
    with pytest.raises(TypeError, match="float64"):
        call_block(
            windows=[Window(0, 0, "float64", 1, 0, 0, 1)],
            base_count=1, fallback=print, failure=print,
        )  # fmt: skip


def test_execute_does_the_same():
    program = Program([("float32", (2, 3), 0), ("float64", (), 0)])
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    results = execute(program.block, [values, np.array(2.5)])
    assert np.array_equal(results[0], values)
    assert results[1] == 2.5
    for wrong in (
        values.T,
        values.astype(float),
        values[:1],
        np.zeros((2, 6), "f4")[:, ::2],
    ):
        with pytest.raises(ValueError, match="argument 0 must be float32"):
            execute(program.block, [wrong, np.array(2.5)])
    with pytest.raises(ValueError, match="zip"):
        execute(program.block, [values])
    assert program.block[BlockWords.busy] == 0


def test_execute_reports_failures():
    def fail():
        raise ValueError("inside")

    step = python_step(fail)
    program = Program([], extra=[step.arrangement])
    with pytest.raises(ArithmeticError, match="step 0"):
        execute(program.block, [])
    assert program.block[BlockWords.busy] == 0


def test_execute_checks_windows():
    place = np.zeros(1, np.int64)
    block = call_block(
        arguments=[Argument("int64", (), 0)],
        base_count=1,
        windows=[Window(place.ctypes.data, 0, "int64", 2, 5, 0, 9)],
        fallback=print,
        failure=print,
    )
    assert execute(block, [np.array(4)]) == []
    assert place == 13
    with pytest.raises(IndexError):
        execute(block, [np.array(10)])
    assert execute(block, [np.array(10)], windows=False) == []
