"""A loop shared among threads: `parallel_for`, for native code.

The pool belongs to the process and is made of plain threads of the system that run
machine code only, never Python.  A loop is cut into chunks, which the caller and the
workers take one after another, so a worker that gets no processor costs nothing but its
chunk.  A worker without work waits in a short loop (some 30 microseconds: the next loop
usually follows at once) and then sleeps in the kernel.  Nobody waits for the pool: where
it is in use, in a nested loop or another Python thread's, the caller does all the work
itself.  Neither which thread does a chunk nor how many there are changes a result: what
is rounded by its cut (sums in parts, blocks of a product) is cut by sizes alone.

Outside Linux, and after a failure to start threads, loops run serially.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import platform
import sys

from symnet.config import config
from symnet.kernels.cpu.jit.intrinsics import (
    C_LIBRARY,
    CFunction,
    Symbol,
    atomic_add,
    atomic_load,
    call,
    compare_exchange,
    exchange,
    load,
    pause,
    stack,
    store,
)
from symnet.kernels.cpu.jit.native import native
from symnet.kernels.llvm.machine import processors

# The pool's words.  Those written by different threads lie on different cache lines.
TICKET = 0  # number of the loop (upper half) and chunks not yet taken (lower half)
DONE = 8  # chunks finished
FAILED = 16  # the nonzero result of a chunk
FUNCTION, ARGUMENTS, TOTAL, SIZE, CHUNKS = 24, 25, 26, 27, 28  # the loop
SLEEPING = 32  # workers asleep
BUSY = 40  # whether a loop is running
THREADS, STARTED, STOP = 48, 49, 50  # threads wanted (with the caller), workers made
GENERATION = 51  # 1, and one more after each fork
ALIVE = 56  # workers that have not ended

SPINS = 2000  # iterations of the waiting loop before sleep
JOIN_SPINS = 1000  # iterations before the caller lets others have the processor
CHUNKS_PER_THREAD = 8
LOWER_HALF = 0xFFFFFFFF
FUTEX = {"x86_64": 202, "aarch64": 98}.get(platform.machine(), 0)
WAIT, WAKE = 128, 129  # private to the process
POOLED = sys.platform == "linux" and FUTEX > 0 and sys.byteorder == "little"

_memory = (ctypes.c_int64 * 72)()  # one line more than used, to begin on a line
POOL = Symbol("symnet pool", -(-ctypes.addressof(_memory) // 64) * 64)

if POOLED:
    futex = CFunction("syscall", "i64(i64, i64, i64, i64, i64, i64, i64)", C_LIBRARY)
    sched_yield = CFunction("sched_yield", "i32()", C_LIBRARY)
    pthread_create = CFunction("pthread_create", "i32(i64, i64, i64, i64)", C_LIBRARY)
    pthread_detach = CFunction("pthread_detach", "i32(i64)", C_LIBRARY)


@native
def take_chunks() -> int:
    """Do chunks of the present loop until none is left to take."""
    while True:
        ticket = atomic_load(POOL, TICKET)
        left = ticket & LOWER_HALF
        if left == 0:
            return 0
        if compare_exchange(POOL, TICKET, ticket, ticket - 1):
            # The loop cannot end, so its words cannot change, before DONE counts this.
            begin = (load(POOL, CHUNKS) - left) * load(POOL, SIZE)
            end = begin + load(POOL, SIZE)
            if end > load(POOL, TOTAL):
                end = load(POOL, TOTAL)
            status = call(load(POOL, FUNCTION), load(POOL, ARGUMENTS), begin, end)
            if status != 0:
                exchange(POOL, FAILED, status)
            atomic_add(POOL, DONE, 1)


@native
def wait_for_loop(seen: int) -> int:
    """The number of a loop other than `seen`, as soon as there is one."""
    now = seen
    for _ in range(SPINS):
        now = atomic_load(POOL, TICKET) >> 32
        if now != seen:
            return now
        pause()
    if POOLED:
        while now == seen:
            # The order matters: announced first, then the kernel compares the number.
            atomic_add(POOL, SLEEPING, 1)
            futex(FUTEX, POOL + 4, WAIT, seen, 0, 0, 0)
            atomic_add(POOL, SLEEPING, -1)
            now = atomic_load(POOL, TICKET) >> 32
    return now


@native
def worker(unused: int) -> int:
    """The life of a thread of the pool."""
    seen = 0
    while atomic_load(POOL, STOP) == 0:
        seen = wait_for_loop(seen)
        take_chunks()
    atomic_add(POOL, ALIVE, -1)
    return 0


@native
def announce(chunks: int, wanted: int) -> int:
    """Give out the numbered ticket of a loop and wake up to `wanted` sleepers."""
    number = ((load(POOL, TICKET) >> 32) + 1) & 0x7FFFFFFF
    exchange(POOL, TICKET, (number << 32) | chunks)
    if POOLED and atomic_load(POOL, SLEEPING) > 0:
        futex(FUTEX, POOL + 4, WAKE, wanted, 0, 0, 0)
    return 0


@native
def start_workers(threads: int) -> int:
    """Make the workers that are missing for so many threads; 0 if the system refuses."""
    if POOLED:
        identity = stack(1)
        while load(POOL, STARTED) < threads - 1:
            atomic_add(POOL, ALIVE, 1)
            if pthread_create(identity, 0, worker.address, 0) != 0:
                atomic_add(POOL, ALIVE, -1)
                return 0
            pthread_detach(load(identity, 0))
            store(POOL, STARTED, load(POOL, STARTED) + 1)
    return 1


@native
def stop_workers() -> int:
    """End all workers and wait until they are gone."""
    exchange(POOL, STOP, 1)
    announce(0, LOWER_HALF >> 1)
    if POOLED:
        while atomic_load(POOL, ALIVE) > 0:
            sched_yield()
    store(POOL, STARTED, 0)
    exchange(POOL, STOP, 0)
    return 0


@native
def wait_for_chunks(chunks: int) -> int:
    """Return when all chunks are finished."""
    spins = 0
    while atomic_load(POOL, DONE) != chunks:
        spins += 1
        pause()
        if POOLED and spins > JOIN_SPINS:
            sched_yield()
    return 0


@native
def share(function: int, arguments: int, total: int, size: int, threads: int) -> int:
    """Do a loop in chunks of `size` items, by all who come; the caller holds BUSY."""
    chunks = (total + size - 1) // size
    store(POOL, FUNCTION, function)
    store(POOL, ARGUMENTS, arguments)
    store(POOL, TOTAL, total)
    store(POOL, SIZE, size)
    store(POOL, CHUNKS, chunks)
    exchange(POOL, FAILED, 0)
    exchange(POOL, DONE, 0)
    announce(chunks, threads - 1)
    take_chunks()
    wait_for_chunks(chunks)
    return atomic_load(POOL, FAILED)


@native
def parallel_for(function: int, arguments: int, total: int, grain: int) -> int:
    """Call function(arguments, begin, end) for pieces that make up 0..total.

    Up to `grain` items are not worth the hand-over and are done by the caller.
    Returns 0, or the nonzero result of a piece that failed.
    """
    threads = load(POOL, THREADS)
    if total <= grain or total < 2 or threads < 2:
        return call(function, arguments, 0, total)
    if not compare_exchange(POOL, BUSY, 0, 1):
        return call(function, arguments, 0, total)
    start_workers(threads)
    size = total // (threads * CHUNKS_PER_THREAD)
    if size < grain // CHUNKS_PER_THREAD:
        size = grain // CHUNKS_PER_THREAD
    status = share(function, arguments, total, size + 1, threads)
    exchange(POOL, BUSY, 0)
    return status


@native
def set_threads(count: int) -> int:
    """Let later loops run on `count` threads; waits for a running loop to end."""
    while not compare_exchange(POOL, BUSY, 0, 1):
        pause()
    stop_workers()
    store(POOL, THREADS, count)
    exchange(POOL, BUSY, 0)
    return count


def wanted(count: int) -> int:
    """`count` threads, or one per processor for 0, where there can be a pool."""
    return (count or processors()) if POOLED else 1


def use(count: int = 0) -> int:
    """Let loops run on `count` threads, the caller's included; 0: one per processor.

    Returns the number that will be used.  Results do not depend on it.
    """
    if wanted(count) != load(POOL, THREADS):
        set_threads(wanted(count))
    return wanted(count)


def description() -> str:
    """How loops run, for people."""
    if not POOLED:
        return "1 thread: there is no pool for this system"
    threads, started = load(POOL, THREADS), load(POOL, STARTED)
    return f"{threads} thread{'s' * (threads > 1)}, {started} of them started by symnet"


def forget() -> None:
    """In a forked child no worker lives: begin anew."""
    threads, generation = load(POOL, THREADS), load(POOL, GENERATION)
    ctypes.memset(int(POOL), 0, 64 * 8)
    store(POOL, THREADS, threads)
    store(POOL, GENERATION, generation + 1)


def stop() -> None:
    """End the workers; the next loop starts new ones."""
    if load(POOL, ALIVE):
        stop_workers()


store(POOL, THREADS, wanted(config.num_threads))
store(POOL, GENERATION, 1)
# Machine code is unloaded when the interpreter ends: no thread may be in it then.
atexit.register(stop)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=forget)
