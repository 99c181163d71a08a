"""Work on a thread of its own: whatever has to do with LLVM.

The exception of a signal's handler comes in the main thread, at any point of Python code.
Between two steps of llvmlite's it would leave objects that are given back twice, and locks
that nobody opens.  So a function marked
`on_compiler_thread` runs on another thread, and who called it
only waits: an exception ends the waiting, and the work is done all the same.  A handler,
which runs while the main thread waits, may compile too; nobody waits for the thread in
which it runs.

A fork waits until no such work is under way, and keeps new work from beginning: a child
has one thread only, and would find locks that nobody will open.
"""

from __future__ import annotations

import _thread
import atexit
import os
import sys
import threading
from collections.abc import Callable
from functools import partial, wraps
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

_here = threading.local()  # `inside`: this thread does such work


class _Gate:
    """How much is under way, and whether more may begin."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.running, self.closed = 0, False

    def enter(self) -> None:
        with self.changed:
            while self.closed:
                self.changed.wait()
            self.running += 1

    def leave(self) -> None:
        with self.changed:
            self.running -= 1
            self.changed.notify_all()

    def close(self) -> None:
        with self.changed:
            while self.closed:  # another thread forks
                self.changed.wait()
            self.closed = True
            while self.running:
                self.changed.wait()

    def open(self) -> None:
        with self.changed:
            self.closed = False
            self.changed.notify_all()

    def finish(self) -> None:
        with self.changed:
            while self.running:
                self.changed.wait()


_gate = _Gate()
atexit.register(lambda: _gate.finish())  # no thread is in LLVM when the process ends


class _Job:
    """One call of a function on another thread."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self.work = work
        self.result: Any = None
        self.error: BaseException | None = None
        self.over = threading.Lock()
        self.over.acquire()

    def run(self) -> None:
        try:
            _gate.enter()
            try:
                self.result = inside(self.work)
            finally:
                _gate.leave()
        except BaseException as error:
            self.error = error
        self.over.release()

    def outcome(self) -> Any:
        """Wait for the result.  Raises: what the function raised."""
        self.over.acquire()
        if self.error is not None:
            raise self.error
        return self.result


def inside(work: Callable[[], R]) -> R:
    """Do `work` as part of what this thread, or its caller, does as compiler thread: what is
    marked `on_compiler_thread` stays on this thread."""
    before, _here.inside = is_inside(), True
    try:
        return work()
    finally:
        _here.inside = before


def is_inside() -> bool:
    return getattr(_here, "inside", False)


def begin(work: Callable[[], Any]) -> _Job:
    """Have `work` done on a thread of its own, which nobody waits for."""
    job = _Job(work)
    # Not `threading.Thread`: an exception in the midst of its `start` upsets it.
    _thread.start_new_thread(job.run, ())
    return job


def on_compiler_thread(function: Callable[P, R]) -> Callable[P, R]:
    """Decorator: have calls of a function run on another thread."""

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        if is_inside():
            return function(*args, **kwargs)
        work = partial(function, *args, **kwargs)
        try:
            job = begin(work)
        except RuntimeError:  # no more threads, as at the end of the interpreter
            return work()
        result: R = job.outcome()
        return result

    return call


_held: Any = None  # llvmlite's lock, while a fork is under way


def _llvmlite_lock() -> Any:
    """llvmlite's own lock, which also the finalizers of its objects take, on any thread;
    None before it is imported."""
    ffi = sys.modules.get("llvmlite.binding.ffi")
    return getattr(getattr(ffi, "lib", None), "_lock", None)


def _close() -> None:
    global _held
    _gate.close()
    _held = _llvmlite_lock()
    if _held is not None:
        _held.__enter__()


def _open() -> None:
    if _held is not None:
        _held.__exit__(None, None, None)
    _gate.open()


def _open_in_child() -> None:
    global _gate
    _gate = _Gate()
    _open()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_close, after_in_parent=_open, after_in_child=_open_in_child
    )
