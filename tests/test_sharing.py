"""Threads, forks and pools that use the same functions and shared variables.

What may crash or hang runs in a process of its own.  Memory that was given back too early
shows in arrays made right after, or ends that process.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

import symnet.tensor as T
from symnet import function, shared
from tests.helpers import reference_sort

ROOT = Path(__file__).parent.parent
HEAD = """
import faulthandler, os, signal, sys, threading, time
faulthandler.dump_traceback_later(50, exit=True)
import numpy as np
import numpy.testing  # a child finds what another thread is importing locked
import symnet, symnet.tensor as T
from symnet import function, shared

def until_direct(f, *args):
    '''Call until calls are done without Python code.'''
    end = time.time() + 20
    while '__call__' not in type(f).__dict__ and time.time() < end:
        f(*args)
        time.sleep(0.02)
    f(*args)

def as_long_as(work, *args):
    '''Do `work` again and again on another thread; ends it and shows its errors.'''
    stop, errors = threading.Event(), []
    def go():
        while not stop.is_set():
            try:
                work(*args)
            except BaseException as error:
                errors.append(repr(error))
                return
    thread = threading.Thread(target=go)
    thread.start()
    def end():
        stop.set()
        thread.join()
        assert not errors, errors
    return end
"""


def run(program: str, *args: str) -> str:
    """What a program prints, which must end well."""
    done = subprocess.run(
        [sys.executable, "-c", HEAD + program, *args],
        capture_output=True,
        text=True,
        timeout=90,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


# ---- a value is replaced while a call uses it

REPLACED = """
how, n = sys.argv[1], 400_000
w, x, m = shared(np.ones(n)), T.dscalar(), T.lscalar()
deep = T.tanh(T.exp(-T.sqr(w)) + x) * T.cos(w) + T.log1p(T.sqr(w))
if how.startswith('write'):
    f = function([x], [], updates=[(w, deep)])
else:
    f = function([x], deep.sum())
grow = function([m], [], updates=[(w, T.ones((m,)))])
until_direct(f, 0.1)
grow(n)
end = as_long_as(f, 0.1)
finish, k, foreign = time.time() + 1, 0, 0
while time.time() < finish:
    k += 1
    size = n + k % 7 * 1000 - 3000
    if how.endswith('shape'):
        w.set_value(np.ones(size))
    elif how.endswith('borrow'):
        w.set_value(np.ones(n), borrow=True)
    elif how.endswith('grow'):
        grow(size)
    else:
        w.set_value(np.ones(n))
    fresh = [np.full(n, 7.0) for _ in range(2)]
    time.sleep(0.003)
    foreign += any((a != 7.0).any() for a in fresh)
end()
assert k > 3 and not foreign, (k, foreign)
"""


@pytest.mark.parametrize("what", ["", "shape", "borrow", "grow"])
@pytest.mark.parametrize("use", ["read", "write"])
def test_a_value_is_replaced_while_a_call_uses_it(use: str, what: str) -> None:
    run(REPLACED, use + what)


WHOLE = """
n = 200_000
a, b = shared(np.zeros(n)), shared(np.zeros(n))
h = shared(np.zeros(1))
step = function([], [], updates=[(a, a + 1), (b, b + 1), (h, T.concatenate([h, h[:1]]))])
look = function([], [a.min(), a.max(), b.min(), b.max(), h.shape[0]])
until_direct(look)
step(); step()
end = as_long_as(step)
finish, seen = time.time() + 1, 0
while time.time() < finish or seen < 4:
    low, high, low_b, high_b, count = (float(v) for v in look())
    assert low == high == low_b == high_b == count - 1, (low, high, low_b, high_b, count)
    value = a.get_value()
    assert (value == value[0]).all()
    seen += 1
end()
"""


def test_updates_of_a_call_are_seen_together_and_values_whole() -> None:
    run(WHOLE)


KEPT = """
import copy, io, pickle
from symnet.misc import pkl_utils
from symnet.tensor.shared_randomstreams import RandomStreams

def out_of_band(w):
    buffers = []
    data = pickle.dumps(w, protocol=5, buffer_callback=buffers.append)
    return pickle.loads(data, buffers=buffers)

def zipped(w):
    file = io.BytesIO()
    pkl_utils.dump(w, file)
    return pkl_utils.load(file)

w = shared(np.zeros(200_000), name="w")
step = function([], [], updates=[(w, w + 1)])
step(); step()
end = as_long_as(step)
for keep in (copy.deepcopy, lambda w: pickle.loads(pickle.dumps(w)), out_of_band, zipped,
             lambda w: pickle.loads(pickle.dumps((step, w)))[1]):
    for _ in range(20 if keep is not zipped else 3):
        value = keep(w).get_value()
        assert (value == value[0]).all(), keep
end()
"""


def test_pickles_and_deep_copies_are_whole_while_a_thread_updates() -> None:
    run(KEPT)


def test_get_value_and_set_value_of_one_variable_in_many_threads() -> None:
    """Each value is one of those that were set, from end to end."""
    w = shared(np.zeros(5000))
    wrong = []

    def use(seed: int) -> None:
        for k in range(60):
            w.set_value(np.full(5000 if k % 3 else 4000, float(seed * 100 + k)))
            value = w.get_value()
            if (value != value[0]).any():
                wrong.append(value)

    in_threads(use, 4)
    assert not wrong


# ---- no update is lost


def in_threads(work, count: int) -> None:
    """work(0), ..., work(count - 1), each on a thread; none may raise."""
    errors = []

    def go(k: int) -> None:
        try:
            work(k)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=go, args=(k,)) for k in range(count)]
    with changing_often():
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not errors, errors


@contextmanager
def changing_often(seconds: float = 1e-6) -> Iterator[None]:
    """Another thread goes on after every few lines of Python code."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(seconds)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


@pytest.mark.parametrize("mode", ["FAST_RUN", "FAST_COMPILE"])
@pytest.mark.parametrize("size", [1, 60_000])
def test_functions_that_update_one_variable_lose_nothing(mode: str, size: int) -> None:
    total, other = shared(np.zeros(size)), shared(np.zeros(size))
    by_one = function([], [], updates=[(total, total + 1)], mode=mode)
    both = function([], [], updates=[(total, total + 1), (other, other + 1)], mode=mode)
    back = function([], [], updates=[(other, other + 1), (total, total + 1)], mode=mode)
    calls = 40 if mode == "FAST_COMPILE" else 150
    used = [by_one, both, back]

    def work(k: int) -> None:
        for _ in range(calls):
            used[k % 3]()

    in_threads(work, 6)
    np.testing.assert_array_equal(total.get_value(), np.full(size, 6.0 * calls))
    np.testing.assert_array_equal(other.get_value(), np.full(size, 4.0 * calls))


LITTER = """
import gc, weakref
gc.set_threshold(20)
gone = weakref.WeakSet()
class Thing: pass
total = shared(np.zeros(60_000))
f = function([], [], updates=[(total, total + 1)])
def work():
    for _ in range(100):
        for _ in range(3):
            thing = Thing(); thing.me = thing; gone.add(thing)
        f()
sys.setswitchinterval(1e-5)
threads = [threading.Thread(target=work) for _ in range(6)]
for t in threads: t.start()
for t in threads: t.join()
assert (total.get_value() == 600).all()
"""


def test_callbacks_of_garbage_do_not_hold_up_who_waits() -> None:
    """They let other threads go on in the midst of whatever makes an object."""
    run(LITTER)


def test_sizes_that_change_lose_nothing() -> None:
    history = shared(np.zeros(0))
    x = T.dscalar()
    add = function([x], [], updates=[(history, T.concatenate([history, T.stack([x])]))])

    def work(k: int) -> None:
        for _ in range(50):
            add(float(k))

    in_threads(work, 4)
    found = np.bincount(history.get_value().astype(int))
    assert found.tolist() == [50] * 4


def test_a_graph_with_numpy_operations_sees_one_moment() -> None:
    """Its segments run one after another; another thread updates between them."""
    w = shared(np.zeros(2000))
    f = function(
        [], reference_sort(w * 1.0)[0] - (w * 1.0)[0] + 0 * reference_sort(w).sum()
    )
    step = function([], [], updates=[(w, w + 1)])
    f(), step()
    stop = threading.Event()

    def move() -> None:
        while not stop.is_set():
            step()

    mover = threading.Thread(target=move)
    with changing_often():
        mover.start()
        found = [float(f()) for _ in range(200)]
        stop.set()
        mover.join()
    assert set(found) == {0.0}


# ---- in turn

TURNS = """
n = shared(np.zeros(100_000))
f = function([], n.sum(), updates=[(n, n + 1)])
until_direct(f)
stop, counts = time.time() + 2, [0] * 8
def go(k):
    while time.time() < stop:
        f()
        counts[k] += 1
threads = [threading.Thread(target=go, args=(k,)) for k in range(8)]
[t.start() for t in threads]
[t.join() for t in threads]
assert min(counts) * 4 > max(counts) > 8, counts
"""


def test_threads_that_wait_for_one_function_are_served_in_turn() -> None:
    run(TURNS)
