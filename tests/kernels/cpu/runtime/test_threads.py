"""The pool: every item is done once, whoever asks, also nested and after a fork."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import numpy as np
import pytest

import symnet.tensor as T
from symnet import function
from symnet.config import config
from symnet.kernels.cpu.jit.intrinsics import (
    C_LIBRARY,
    CFunction,
    atomic_add,
    load,
    store,
)
from symnet.kernels.cpu.jit.native import Native, native, print_module
from symnet.kernels.cpu.runtime import threads
from symnet.kernels.cpu.runtime.threads import parallel_for

pthread_self = CFunction("pthread_self", "i64()", C_LIBRARY)


@native
def count_items(arguments: int, begin: int, end: int) -> int:
    """Add 1 to each item's word; note the thread that did it; fail at one item."""
    marks = load(arguments, 0)
    for k in range(begin, end):
        store(marks, k, load(marks, k) + 1)
    atomic_add(arguments, 2, 1)
    if begin <= load(arguments, 1) and load(arguments, 1) < end:
        return 7
    return 0


@native
def note_thread(arguments: int, begin: int, end: int) -> int:
    """Work for a while, and write who did item k into word k."""
    for k in range(begin, end):
        spins = 0
        while spins < 20000:
            spins += 1
            store(arguments, 1000, spins)
        store(arguments, k, pthread_self())
    return 0


@native
def outer(arguments: int, begin: int, end: int) -> int:
    """Each item is a parallel loop itself, over its own 100 words."""
    for k in range(begin, end):
        block = load(arguments, 0) + 24 * k
        if parallel_for(count_items.address, block, 100, 1) != 0:
            return 1
    return 0


@native
def many_loops(arguments: int, turns: int, total: int) -> int:
    for _ in range(turns):
        if parallel_for(count_items.address, arguments, total, 1) != 0:
            return 1
    return 0


@pytest.fixture(autouse=True)
def _four_threads():
    before = load(threads.POOL, threads.THREADS)
    threads.use(4)
    yield
    threads.use(before)


def loop(total, grain, fails_at=-1):
    marks = np.zeros(max(total, 1), np.int64)
    block = np.array([marks.ctypes.data, fails_at, 0])
    status = parallel_for(count_items.address, block.ctypes.data, total, grain)
    return marks[:total], status, block[2]


@pytest.mark.parametrize("total", [0, 1, 2, 3, 7, 31, 32, 33, 1000, 12345])
@pytest.mark.parametrize("grain", [0, 1, 10, 900, 10**9])
def test_every_item_is_done_once(total, grain):
    marks, status, chunks = loop(total, grain)
    assert (marks == 1).all()
    assert status == 0
    if total <= grain:
        assert chunks == 1
    elif total > 1 and threads.POOLED:
        assert 1 < chunks <= 32


def test_a_failure_is_reported_and_all_else_is_done():
    marks, status, _ = loop(1000, 1, fails_at=517)
    assert status == 7
    assert (marks == 1).all()
    assert loop(1000, 1)[1] == 0


def test_many_loops_in_a_row():
    marks = np.zeros(100, np.int64)
    block = np.array([marks.ctypes.data, -1, 0])
    assert many_loops(block.ctypes.data, 3000, 100) == 0
    assert (marks == 3000).all()


def test_nested_loops_run_in_their_caller():
    marks = np.zeros((20, 100), np.int64)
    blocks = np.array([[row.ctypes.data, -1, 0] for row in marks])
    whole = np.array([blocks.ctypes.data])
    assert parallel_for(outer.address, whole.ctypes.data, 20, 1) == 0
    assert (marks == 1).all()
    assert (blocks[:, 2] == 1).all()


def test_two_python_threads_at_once():
    results = []

    def use_pool():
        marks = np.zeros(500, np.int64)
        block = np.array([marks.ctypes.data, -1, 0])
        many_loops(block.ctypes.data, 200, 500)
        results.append((marks == 200).all())

    users = [threading.Thread(target=use_pool) for _ in range(3)]
    for user in users:
        user.start()
    for user in users:
        user.join()
    assert results == [True] * 3


@pytest.mark.skipif(not threads.POOLED, reason="no pool on this system")
def test_workers_take_part():
    threads.stop()
    for _ in range(200):
        words = np.zeros(1001, np.int64)
        parallel_for(note_thread.address, words.ctypes.data, 200, 1)
        if len(set(words[:200])) > 1:
            break
    assert len(set(words[:200])) > 1
    assert 0 not in words[:200]
    assert threads.description() == "4 threads, 3 of them started by symnet"


def test_the_number_of_threads_can_be_changed():
    assert threads.use(1) == 1
    assert loop(1000, 1)[2] == 1
    assert load(threads.POOL, threads.ALIVE) == 0
    assert threads.use() == threads.wanted(0)
    threads.use(3)
    assert (loop(1000, 1)[0] == 1).all()
    threads.stop()
    assert load(threads.POOL, threads.ALIVE) == 0
    assert (loop(1000, 1)[0] == 1).all()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_has_a_pool_of_its_own():
    loop(1000, 1)
    child = os.fork()
    if child == 0:
        fine = bool((loop(1000, 1)[0] == 1).all() and (loop(999, 1)[0] == 1).all())
        threads.stop()
        os._exit(0 if fine else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert (loop(1000, 1)[0] == 1).all()


def test_elsewhere_nothing_of_linux_is_used(monkeypatch):
    natives = [value for value in vars(threads).values() if isinstance(value, Native)]
    assert "@syscall(" in print_module(natives)
    monkeypatch.setattr(threads, "POOLED", False)
    calls = [line for line in print_module(natives).splitlines() if "call i" in line]
    assert calls
    for name in ("syscall", "sched_yield", "pthread_create", "pthread_detach"):
        assert not any(f"@{name}(" in line for line in calls), name
    assert threads.wanted(4) == 1
    assert "no pool" in threads.description()


PROGRAM = """
from symnet.kernels.cpu.runtime import threads
from symnet.kernels.cpu.jit.intrinsics import load
print(load(threads.POOL, threads.THREADS))
"""


@pytest.mark.skipif(not threads.POOLED, reason="no pool on this system")
def test_the_environment_gives_the_number():
    out = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "SYMNET_NUM_THREADS": "3"},
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert out.strip() == "3"


@pytest.mark.skipif(not threads.POOLED, reason="no pool on this system")
def test_a_number_set_later_holds_from_the_next_function():
    x = T.dvector("x")
    try:
        for count in (1, 3, 0):
            config.num_threads = count
            function([x], T.exp(x))(np.ones(5))
            assert load(threads.POOL, threads.THREADS) == threads.wanted(count)
    finally:
        config.num_threads = 0
        threads.use(0)
