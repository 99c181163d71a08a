"""Work on threads of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from typing import Any

import pytest
from llvmlite.binding import ffi

from symnet.kernels.llvm import compiler_thread as module
from symnet.kernels.llvm.compiler_thread import (
    begin,
    inside,
    is_inside,
    on_compiler_thread,
)
from symnet.kernels.llvm.machine import in_threads


@on_compiler_thread
def where(value: int = 0) -> tuple[int, int, bool]:
    """A function that is marked."""
    return value, threading.get_ident(), is_inside()


def test_a_marked_function_runs_on_another_thread() -> None:
    value, thread, within = where(value=5)
    assert value == 5 and thread != threading.get_ident() and within
    assert not is_inside()
    assert where.__doc__ == "A function that is marked."


def test_what_it_calls_stays_on_that_thread() -> None:
    @on_compiler_thread
    def outer() -> tuple[int, int]:
        return threading.get_ident(), where()[1]

    first, second = outer()
    assert first == second
    mine = threading.get_ident()
    assert inside(lambda: where()[1]) == mine


def test_threads_for_many_jobs_belong_to_it() -> None:
    found = []

    @on_compiler_thread
    def outer() -> None:
        in_threads([lambda: found.append(is_inside())] * 5)

    outer()
    assert found == [True] * 5
    in_threads([lambda: found.append(is_inside())] * 3)
    assert found[5:] == [False] * 3


def test_errors_come_through() -> None:
    @on_compiler_thread
    def fail() -> None:
        raise LookupError("inside")

    with pytest.raises(LookupError, match="inside"):
        fail()
    assert module._gate.running == 0


def test_where_there_are_no_more_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(module._thread, "start_new_thread", refuse)
    assert where()[1] == threading.get_ident()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_fork_waits_until_all_is_done() -> None:
    ended = []

    def slow() -> None:
        time.sleep(0.3)
        ended.append(1)

    job = begin(slow)
    while not module._gate.running:
        time.sleep(0.01)
    pid = os.fork()
    if pid == 0:
        os._exit(0 if ended and where(3)[0] == 3 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    job.outcome()
    assert where(4)[0] == 4


def free_for_others(lock: Any) -> bool:
    """Whether another thread could take the lock (llvmlite's, which is recursive)."""
    found = []

    def look() -> None:
        found.append(lock._lock.acquire(blocking=False))
        if found[0]:
            lock._lock.release()

    other = threading.Thread(target=look)
    other.start()
    other.join()
    return found[0]


def test_nobody_is_in_llvmlite_during_a_fork() -> None:
    lock = ffi.lib._lock
    module._close()
    try:
        assert not free_for_others(lock)
    finally:
        module._open()
    assert free_for_others(lock)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_fork_before_llvmlite_is_imported() -> None:
    """Parent and child compile afterwards."""
    code = """
import os, sys, symnet
assert "llvmlite" not in sys.modules
pid = os.fork()
x = symnet.tensor.dvector()
assert symnet.function([x], x * 2)([1.5]) == [3.0]
if pid:
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
