"""Forks, pools of processes, and the end of the process, while functions are called."""

from __future__ import annotations

import os
import time

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet import function, shared
from tests.test_sharing import in_threads, run

FORK = """
x = T.dmatrix()
total = shared(np.zeros(50_000))
f = function([x], T.tanh(T.exp(-T.sqr(x))).sum(), updates=[(total, total + 1)])
A = np.ones((500, 400))
until_direct(f, A)
def compile_one(k=[0]):
    k[0] += 1
    z = T.dvector()
    made = function([z], T.tanh(z * k[0]) + T.exp(z) / (k[0] + 1.5))(np.ones(5))
    np.testing.assert_allclose(made, np.tanh(k[0]) + np.e / (k[0] + 1.5))
def fork_and_wait(work):
    pid = os.fork()
    if pid == 0:
        try:
            work()
            value = total.get_value()
            assert (value == value[0]).all(), 'half written'
            os._exit(0)
        finally:
            os._exit(1)
    end = time.time() + 12
    while time.time() < end:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            assert status == 0, status
            return
        time.sleep(0.005)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    raise SystemExit('a child hangs')
g, B = function([x], T.dot(x, x).sum()), np.ones((300, 300))
until_direct(g, B)
end = as_long_as(g, B)
for _ in range(15):
    fork_and_wait(lambda: (g(B), g(B)))
end()
for meanwhile in (lambda: f(A), compile_one, lambda: total.set_value(np.ones(50_000))):
    end = as_long_as(meanwhile)
    try:
        for work in (lambda: f(A), compile_one) * 3:
            time.sleep(0.02)
            fork_and_wait(work)
    finally:
        end()
f(A)
compile_one()
"""

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")


@needs_fork
def test_forks_while_another_thread_calls_or_compiles() -> None:
    run(FORK)


FORK_AT_FIRST = """
from symnet.kernels.cpu.runtime import run_block
run_block._native = lambda: False  # as long as the run time is not compiled
n, x = 1_000_000, T.dscalar()
for turn in range(12):
    w, v = shared(np.zeros(n)), shared(np.zeros(n))
    f = function([x], [], updates=[(w, w + x), (v, T.tanh(v) * 0 + w + x)])
    thread = threading.Thread(target=lambda: [f(1.0) for _ in range(2)])
    thread.start()
    while thread.is_alive():
        pid = os.fork()
        if pid == 0:
            a, b = w.get_value(), v.get_value()
            os._exit(0 if (a == a[0]).all() and (b == a[0]).all() else 1)
        assert os.waitpid(pid, 0)[1] == 0, 'half written'
    thread.join()
    assert (w.get_value() == 2).all()
"""


@needs_fork
def test_forks_while_another_thread_calls_for_the_first_time() -> None:
    """Then calls go by Python, until the run time is compiled."""
    run(FORK_AT_FIRST)


FORK_IN_HANDLER = """
x, k, n = T.dvector(), T.lscalar(), shared(0)
out, _ = symnet.scan(lambda s: T.tanh(s * 1.0001) + 0.001, outputs_info=x, n_steps=k)
f = function([x, k], out[-1].sum(), updates=[(n, n + 1)])
f(np.ones(300), 10); f(np.ones(300), 10)
start = time.time()
want = f(np.ones(300), 50_000)
turns = int(50_000 * 0.6 / (time.time() - start))
parent, pids = os.getpid(), []
def handler(number, frame):
    pids.append(os.fork())
signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.15)
found = f(np.ones(300), turns)
assert len(pids) == 1 and n.get_value() == 4
f(np.ones(300), 10)
assert n.get_value() == 5
if os.getpid() != parent:
    os._exit(0)
assert os.waitpid(pids[0], 0)[1] == 0
"""


@needs_fork
def test_a_fork_within_a_long_call() -> None:
    """The handler of a signal forks; the call goes on in the parent and in the child."""
    run(FORK_IN_HANDLER)


POOLS = """
import asyncio, concurrent.futures as futures, multiprocessing
x, w = T.dvector(), shared(np.ones(60_000))
f = function([x], T.tanh(w * x[0]).sum(), updates=[(w, w * 1.0)])
def work(value):
    return float(f(np.array([float(value)])))
def main():
    numbers = range(5)
    want = [60_000 * np.tanh(k) for k in numbers]
    until_direct(f, np.ones(1))
    with futures.ThreadPoolExecutor(4) as pool:
        np.testing.assert_allclose(list(pool.map(work, numbers)), want)
    async def gather():
        loop = asyncio.get_running_loop()
        jobs = [loop.run_in_executor(None, work, k) for k in numbers]
        return await asyncio.gather(*jobs)
    np.testing.assert_allclose(asyncio.run(gather()), want)
    end = as_long_as(work, 1)
    context = multiprocessing.get_context('fork')
    with futures.ProcessPoolExecutor(2, mp_context=context) as pool:
        np.testing.assert_allclose(list(pool.map(work, numbers)), want)
    end()
main()
"""


FORKS_BETWEEN = """
# Some values are written where they lie, others exchanged, for their sizes change.
size = int(sys.argv[1])
count, many, rows = shared(np.zeros(1)), shared(np.zeros(size)), shared(np.zeros(1))
work = T.tanh(T.ones((size,)) * count[0]).sum() * 0
f = function([], work, updates=[
    (count, count + 1 + work), (many, many + 1),
    (rows, T.alloc(count[0] + 1 + work, 1 + T.cast(count[0], 'int64') % 3)),
])
for _ in range(3):
    f()
end = as_long_as(f)
failed, stop = 0, time.time() + 2
while time.time() < stop and not failed:
    sum(range(3000))  # others wait for Python's lock
    pid = os.fork()
    if not pid:
        values = [v.get_value(borrow=True) for v in (count, many, rows)]
        os._exit(len({values[0][0], values[1][0], values[1][-1], values[2][0]}) - 1)
    failed += os.waitpid(pid, 0)[1] != 0
end()
assert not failed
"""


@needs_fork
@pytest.mark.parametrize("size", [100, 200_000])
def test_a_child_sees_all_updates_of_a_call_or_none(size: int) -> None:
    """Of short calls, which keep Python's lock, and of long ones."""
    run(FORKS_BETWEEN, str(size))


@needs_fork
def test_pools_of_threads_and_of_processes() -> None:
    run(POOLS)


def double(value: float) -> float:
    x = T.dscalar()
    return float(function([x], x * 2)(value))


def test_a_pool_of_spawned_processes() -> None:
    import concurrent.futures
    import multiprocessing

    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
        assert list(pool.map(double, [1.0, 2.5])) == [2.0, 5.0]


EXIT = """
import atexit
w = shared(np.ones(300_000))
f = function([], T.tanh(w).sum(), updates=[(w, w * 1.0)])
until_direct(f)
def last():
    for _ in range(5):
        f()
        time.sleep(0.02)
    z = T.dvector()
    print('compiled', float(function([z], T.exp(z * 3.25).sum())(np.zeros(3))))
threading.Thread(target=last).start()
def for_ever():
    while True:
        f()
for _ in range(3):
    threading.Thread(target=for_ever, daemon=True).start()
atexit.register(lambda: print('at exit', round(float(f()))))
"""


def test_the_interpreter_ends_while_threads_call() -> None:
    found = run(EXIT)
    assert "compiled 3.0" in found and "at exit 228478" in found


def test_functions_do_not_wait_for_each_other_for_ever() -> None:
    """Each updates what an operation of the other's calls: the order does not matter."""
    a, b = shared(0.0), shared(0.0)
    first = function([], [], updates=[(a, a + 1)])
    second = function([], [], updates=[(b, b + 1)])

    class Calls(symnet.Op):
        def __init__(self, inner) -> None:
            self.inner = inner

        def make_node(self, x):
            return symnet.Apply(self, [T.as_tensor_variable(x)], [T.dscalar()])

        def perform(self, node, inputs, outputs) -> None:
            time.sleep(0.001)
            self.inner()
            outputs[0][0] = np.array(float(inputs[0]))

    x = T.dscalar()
    outer = [
        function([x], Calls(second)(x), updates=[(a, a + 1)]),
        function([x], Calls(first)(x), updates=[(b, b + 1)]),
    ]
    refused = []

    def work(k: int) -> None:
        for _ in range(20):
            try:
                outer[k](1.0)
            except RuntimeError as error:
                refused.append(str(error))

    in_threads(work, 2)
    assert all("wait for each other" in text for text in refused)
