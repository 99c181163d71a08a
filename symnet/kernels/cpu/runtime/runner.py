"""The runner: executes a list of steps that lies in memory.

The records that it reads stand in `layouts`.  A step is the address of a function `i64
f(arguments, begin, end)`, the address of its argument block, how many items there are,
and up to how many of them are not worth sharing among threads.  The function does the
items from `begin` up to `end` and returns 0, or another number where it failed.  Compiled
loops, calls of libraries and whole inner programs are all steps.

A patch puts an address where a step will look for it: the address of
the place, the number of a base (an argument, an output, a shared variable, the arena) and
the distance in bytes from there.

A window is a number that depends on an integer argument of the call, such as the distance
of a minibatch from the start of its array: start + value * step, for values from `low`
to `high`, is written to a place (the distance of a patch, or a number that a kernel
reads).

A call block is the list of all that (see `call_block`, which writes it).

A call has two parts.  The first steps compute; they may fail, and between them and in
loops the runner looks, ten times in a second, whether Python has a signal to handle: an
exception of the handler ends the call.  The last steps, which write shared variables, run
to their end, so that a call changes all or nothing.  A fork waits for those (`GATE`), so
that no child finds a variable half written.
"""

from __future__ import annotations

import ctypes
import os
import platform
import time

from symnet.kernels.cpu.jit.intrinsics import (
    C_LIBRARY,
    CFunction,
    Symbol,
    atomic_add,
    atomic_load,
    call,
    load,
    load_i8,
    load_i16,
    load_i32,
    memcpy,
    memset,
    pause,
    stack,
    store,
)
from symnet.kernels.cpu.jit.native import lazily_compiled
from symnet.kernels.cpu.runtime.layouts import (
    BlockWords,
    BranchWords,
    CellWords,
    ChoiceWords,
    GateWords,
    LineariseWords,
    ListWords,
    MoveWords,
    PatchWords,
    RepeatWords,
    RingWords,
    StepWords,
    WatchWords,
    WindowWords,
)
from symnet.kernels.cpu.runtime.threads import parallel_for

# What a call does to a shared variable.
READS, WRITES, REPLACES = 0, 1, 2
# Results of a run that are no number of a step (far from what a step may return).
BREAK = -(1 << 40)
INTERRUPTED = BREAK  # a signal handler has raised: the exception is set
CONFLICT = BREAK - 1  # a signal handler has changed a variable that this call updates

LOOK_NS = 250_000
ASK_NS = 100_000_000

gate_words = (ctypes.c_int64 * GateWords.count)()
GATE = Symbol("symnet gate", ctypes.addressof(gate_words))

TIMED = hasattr(time, "CLOCK_MONOTONIC")
if TIMED:
    clock_gettime = CFunction("clock_gettime", "i32(i32, i64)", C_LIBRARY)
    CLOCK = time.CLOCK_MONOTONIC
CPYTHON = platform.python_implementation() == "CPython"
if CPYTHON:
    take_lock = CFunction("PyGILState_Ensure", "i32()", ctypes.pythonapi)
    leave_lock = CFunction("PyGILState_Release", "i32(i32)", ctypes.pythonapi)
    check_signals = CFunction("PyErr_CheckSignals", "i32()", ctypes.pythonapi)
    save_thread = CFunction("PyEval_SaveThread", "i64()", ctypes.pythonapi)
    restore_thread = CFunction("PyEval_RestoreThread", "i64(i64)", ctypes.pythonapi)
YIELDS = hasattr(os, "sched_yield")
if YIELDS:
    sched_yield = CFunction("sched_yield", "i32()", C_LIBRARY)


@lazily_compiled
def patch(patches: int, count: int, bases: int) -> int:
    """Write the addresses of this call where the steps expect them."""
    for k in range(count):
        record = patches + 8 * PatchWords.count * k
        base = load(bases, load(record, PatchWords.base))
        store(
            load(record, PatchWords.place), 0, base + load(record, PatchWords.distance)
        )
    return 0


@lazily_compiled
def run_step(step: int) -> int:
    """Do one step; its result."""
    code = load(step, StepWords.code)
    arguments = load(step, StepWords.arguments)
    total = load(step, StepWords.total)
    grain = load(step, StepWords.grain)
    if total > grain:
        return parallel_for(code, arguments, total, grain)
    return call(code, arguments, 0, total)


@lazily_compiled
def nanoseconds() -> int:
    """The time of a clock that only goes forward (0 where the system has none)."""
    if TIMED:
        now = stack(2)
        clock_gettime(CLOCK, now)
        return load(now, 0) * 1000000000 + load(now, 1)
    return 0


@lazily_compiled
def list_item(box: int, k: int) -> int:
    """The address of an object in a list."""
    return load(load(box, ListWords.items), k)


@lazily_compiled
def moved(block: int) -> int:
    """Whether a variable that the call updates has another array than at its beginning."""
    if CPYTHON:
        for k in range(load(block, BlockWords.cell_count)):
            record = load(block, BlockWords.cells) + 8 * CellWords.count * k
            now = list_item(load(record, CellWords.box), 0)
            if load(record, CellWords.use) != READS and now != load(
                record, CellWords.array
            ):
                return 1
    return 0


@lazily_compiled
def ask(block: int) -> int:
    """Let Python handle the signals that have come; a BREAK if the call cannot go on."""
    status = 0
    if CPYTHON:
        state = take_lock()
        store(GATE, GateWords.asking, load(GATE, GateWords.asking) + 1)
        if check_signals() != 0:
            status = INTERRUPTED
        elif moved(block):
            status = CONFLICT
        store(GATE, GateWords.asking, load(GATE, GateWords.asking) - 1)
        leave_lock(state)
    return status


@lazily_compiled
def inquire(watch: int, now: int) -> int:
    """A BREAK if the call is to end; asks Python, if it is time for that."""
    store(watch, WatchWords.looked, now)
    if load(watch, WatchWords.active) == 0:
        return 0
    if now - load(watch, WatchWords.asked) < ASK_NS:
        return 0
    status = ask(load(watch, WatchWords.block))
    store(watch, WatchWords.asked, nanoseconds())
    return status


@lazily_compiled
def look(watch: int) -> int:
    """Look at the clock, choose when to look again, and inquire."""
    now = nanoseconds()
    stride = load(watch, WatchWords.stride)
    fair = stride * LOOK_NS // (now - load(watch, WatchWords.looked) + 1)
    stride = 2 * stride
    if fair < stride:
        stride = fair
    if stride < 1:
        stride = 1
    store(watch, WatchWords.stride, stride)
    store(watch, WatchWords.left, stride)
    return inquire(watch, now)


@lazily_compiled
def glance(watch: int) -> int:
    """Like `look`, for long steps that look by themselves."""
    if watch == 0:
        return 0
    store(watch, WatchWords.stride, 1)
    store(watch, WatchWords.left, 1)
    return inquire(watch, nanoseconds())


@lazily_compiled
def tick(watch: int) -> int:
    """Something has been done: now and then, look whether the call is to end."""
    if watch == 0:
        return 0
    left = load(watch, WatchWords.left) - 1
    store(watch, WatchWords.left, left)
    if left > 0:
        return 0
    return look(watch)


@lazily_compiled
def begin_watch(watch: int, block: int) -> int:
    """Let the watch look from now on."""
    now = nanoseconds()
    store(watch, WatchWords.left, 1)
    store(watch, WatchWords.stride, 1)
    store(watch, WatchWords.looked, now)
    store(watch, WatchWords.asked, now)
    store(watch, WatchWords.block, block)
    store(watch, WatchWords.active, now != 0)
    return 0


@lazily_compiled
def run(steps: int, count: int, watch: int) -> int:
    """Do the steps one after another; 0, 1 + the number of the step that failed, or a
    BREAK."""
    for k in range(count):
        status = run_step(steps + 8 * StepWords.count * k)
        if status == 0:
            status = tick(watch)
        if status != 0:
            if status <= BREAK:
                return status
            return k + 1
    return 0


@lazily_compiled
def run_timed(steps: int, count: int, times: int, watch: int) -> int:
    """Like `run`; adds the nanoseconds of step k to word k of `times`."""
    before = nanoseconds()
    for k in range(count):
        status = run(steps + 8 * StepWords.count * k, 1, watch)
        if status != 0:
            if status <= BREAK:
                return status
            return k + 1
        now = nanoseconds()
        store(times, k, load(times, k) + now - before)
        before = now
    return 0


@lazily_compiled
def read_integer(address: int, size: int, mask: int) -> int:
    """An integer of `size` bytes; `mask` cuts unsigned ones."""
    if size == 8:
        return load(address, 0)
    if size == 4:
        return load_i32(address, 0) & mask
    if size == 2:
        return load_i16(address, 0) & mask
    return load_i8(address, 0) & mask


@lazily_compiled
def slide(block: int) -> int:
    """Set the windows by the integers of this call; 0 if one is out of its range."""
    bases = load(block, BlockWords.bases)
    for k in range(load(block, BlockWords.window_count)):
        window = load(block, BlockWords.windows) + 8 * WindowWords.count * k
        address = load(bases, load(window, WindowWords.base))
        size = load(window, WindowWords.bytes)
        value = read_integer(address, size, load(window, WindowWords.mask))
        if value < load(window, WindowWords.low):
            return 0
        if value > load(window, WindowWords.high):
            return 0
        moved_by = value * load(window, WindowWords.step)
        place = load(window, WindowWords.place)
        store(place, 0, load(window, WindowWords.start) + moved_by)
    return 1


@lazily_compiled
def enter_commit() -> int:
    """From here on shared variables are written; waits while a fork is under way."""
    atomic_add(GATE, GateWords.writing, 1)
    while atomic_load(GATE, GateWords.closed) != 0:
        atomic_add(GATE, GateWords.writing, -1)
        while atomic_load(GATE, GateWords.closed) != 0:
            if YIELDS:
                sched_yield()
            else:
                pause()
        atomic_add(GATE, GateWords.writing, 1)
    return 0


@lazily_compiled
def leave_commit() -> int:
    """The other end of `enter_commit`."""
    atomic_add(GATE, GateWords.writing, -1)
    return 0


@lazily_compiled
def run_part(block: int, first: int, count: int, watch: int) -> int:
    """Do `count` steps of a block from number `first` on; result as of `run`."""
    steps = load(block, BlockWords.steps) + 8 * StepWords.count * first
    times = load(block, BlockWords.times)
    if times != 0:
        return run_timed(steps, count, times + 8 * first, watch)
    return run(steps, count, watch)


@lazily_compiled
def start(block: int) -> int:
    """Run a call block whose bases are set; result as of `run`.  `leave` comes next."""
    patch(
        load(block, BlockWords.patches),
        load(block, BlockWords.patch_count),
        load(block, BlockWords.bases),
    )
    watch = load(block, BlockWords.watch)
    count = load(block, BlockWords.step_count)
    if watch == 0:
        return run_part(block, 0, count, 0)
    begin_watch(watch, block)
    commit = load(block, BlockWords.commit)
    status = run_part(block, 0, commit, watch)
    store(watch, WatchWords.active, 0)
    if status != 0 or commit == count:
        return status
    enter_commit()
    store(watch, WatchWords.writing, 1)
    status = run_part(block, commit, count - commit, 0)
    if status != 0:
        return commit + status
    return 0


@lazily_compiled
def leave(block: int) -> int:
    """End a run, with Python's lock: no fork comes between the steps that write shared
    variables and the exchange of others, which the caller does at once."""
    watch = load(block, BlockWords.watch)
    if watch != 0 and load(watch, WatchWords.writing) != 0:
        store(watch, WatchWords.writing, 0)
        leave_commit()
    return 0


@lazily_compiled
def start_unlocked(block: int) -> int:
    """Like `start`, called with Python's lock, without which the steps of long calls run."""
    # To call this from Python takes memory, and may so run the garbage collector.
    if moved(block):
        return CONFLICT
    if not CPYTHON or load(block, BlockWords.release) == 0:
        return start(block)
    state = save_thread()
    status = start(block)
    restore_thread(state)
    leave(block)
    return status


@lazily_compiled
def rewind(arguments: int) -> int:
    """Set the pointers of a loop to where they are in the first iteration."""
    for k in range(load(arguments, RepeatWords.move_count)):
        record = load(arguments, RepeatWords.moves) + 8 * MoveWords.count * k
        store(load(record, MoveWords.place), 0, load(record, MoveWords.origin))
    for k in range(load(arguments, RepeatWords.ring_count)):
        record = load(arguments, RepeatWords.rings) + 8 * RingWords.count * k
        first = load(record, RingWords.first)
        store(record, RingWords.slot, first)
        distance = first * load(record, RingWords.step)
        store(
            load(record, RingWords.place), 0, load(record, RingWords.origin) + distance
        )
    return 0


@lazily_compiled
def move(moves: int, count: int) -> int:
    """Advance pointers: the word at a record's place grows by its bytes."""
    for k in range(count):
        record = moves + 8 * MoveWords.count * k
        place = load(record, MoveWords.place)
        store(place, 0, load(place, 0) + load(record, MoveWords.step))
    return 0


@lazily_compiled
def go_round(rings: int, count: int) -> int:
    """Advance pointers to the next slot of a ring, so that a few slots serve many iterations."""
    for k in range(count):
        record = rings + 8 * RingWords.count * k
        slot = load(record, RingWords.slot) + 1
        if slot == load(record, RingWords.slots):
            slot = 0
        store(record, RingWords.slot, slot)
        distance = slot * load(record, RingWords.step)
        store(
            load(record, RingWords.place), 0, load(record, RingWords.origin) + distance
        )
    return 0


@lazily_compiled
def run_body(steps: int, count: int, times: int, watch: int) -> int:
    """Do the steps inside a loop or a branch once; result as of `run`."""
    if times != 0:
        return run_timed(steps, count, times, watch)
    return run(steps, count, watch)


@lazily_compiled
def repeat(arguments: int, begin: int, end: int) -> int:
    """A step that does a list of steps again and again, and moves pointers in between."""
    rewind(arguments)
    steps = load(arguments, RepeatWords.steps)
    count = load(arguments, RepeatWords.step_count)
    limit = load(arguments, RepeatWords.iterations)
    until = load(arguments, RepeatWords.until)
    times = load(arguments, RepeatWords.times)
    watch = load(arguments, RepeatWords.watch)
    failed = 0
    iterations = 0
    while iterations < limit:
        failed = run_body(steps, count, times, watch)
        if count == 0:
            failed = tick(watch)
        if failed != 0:
            break
        iterations += 1
        if until != 0 and load_i8(until, 0) != 0:
            break
        move(
            load(arguments, RepeatWords.moves), load(arguments, RepeatWords.move_count)
        )
        go_round(
            load(arguments, RepeatWords.rings), load(arguments, RepeatWords.ring_count)
        )
    store(arguments, RepeatWords.iterations_done, iterations)
    store(arguments, RepeatWords.failed_step, failed)
    if load(arguments, RepeatWords.done) != 0:
        store(load(arguments, RepeatWords.done), 0, iterations)
    return failed


@lazily_compiled
def choose(arguments: int, begin: int, end: int) -> int:
    """A step that does the first list of steps if a byte is not 0, else the second."""
    body = arguments + 8 * ChoiceWords.first
    store(arguments, ChoiceWords.taken, 0)
    if load_i8(load(arguments, ChoiceWords.condition), 0) == 0:
        body = arguments + 8 * ChoiceWords.second
        store(arguments, ChoiceWords.taken, 1)
    watch = load(arguments, ChoiceWords.watch)
    steps = load(body, BranchWords.steps)
    count = load(body, BranchWords.step_count)
    failed = run_body(steps, count, load(body, BranchWords.times), watch)
    store(arguments, ChoiceWords.failed_step, failed)
    return failed


@lazily_compiled
def linearise(arguments: int, begin: int, end: int) -> int:
    """Copy the last rows of a history from its ring into their order.

    The history begins with `depth` rows and grows by one in each iteration; row number r lies
    in slot r modulo `slots`, a power of two.  Rows before the first are filled with zeros.
    """
    size = load(arguments, LineariseWords.row_bytes)
    row = load(arguments, LineariseWords.depth) + load(
        load(arguments, LineariseWords.iterations), 0
    )
    row -= load(arguments, LineariseWords.kept)
    for k in range(load(arguments, LineariseWords.kept)):
        target = load(arguments, LineariseWords.target) + k * size
        if row < 0:
            memset(target, 0, size)
        else:
            slot = row & (load(arguments, LineariseWords.slots) - 1)
            memcpy(target, load(arguments, LineariseWords.ring) + slot * size, size)
        row += 1
    return 0
