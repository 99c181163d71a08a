"""The runner: executes a list of steps that lies in memory.

A step is four words: the address of a function `i64 f(arguments, begin, end)`, the
address of its argument block, how many items there are, and up to how many of them are
not worth sharing among threads.  The function does the items from `begin` up to `end`
and returns 0, or another number where it failed.  Compiled loops, calls of libraries and
whole inner programs are all steps.

A patch is three words that put an address where a step will look for it: the address of
the place, the number of a base (an argument, an output, a shared variable, the arena) and
the distance in bytes from there.

A window is a number that depends on an integer argument of the call, such as the distance
of a minibatch from the start of its array: start + value * step, for values from `low`
to `high`, is written to a place (the third word of a patch, or a number that a kernel
reads).

A call block is the list of all that (see `callblock`, which writes it).

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
    pause,
    stack,
    store,
)
from symnet.kernels.cpu.jit.native import patient
from symnet.kernels.cpu.runtime.threads import parallel_for

STEP_WORDS = 4
PATCH_WORDS = 3
MOVE_WORDS = 3  # place, origin, bytes
RING_WORDS = 6  # place, origin, bytes, slots, first, slot
WINDOW_WORDS = 8  # place, base, bytes of the integer, mask, step, start, low, high

# The call block, by word.
BUSY = 0  # the thread that is running it, or 0
ARGUMENT_COUNT, ARGUMENTS = 1, 2
CELL_COUNT, CELLS = 3, 4
OUTPUT_COUNT, OUTPUTS = 5, 6
WINDOW_COUNT, WINDOWS = 7, 8
PATCH_COUNT, PATCHES = 9, 10
PROGRAM_COUNT, PROGRAM = 11, 12  # the steps
BASES = 13
FORM = 14  # of the result
RELEASE = 15  # whether other Python threads may run meanwhile
TIMES = 16  # address of a counter for each step, or 0
FALLBACK, FAILURE = 17, 18  # Python functions
COMMIT = 19  # how many steps come before the first that writes shared memory
WATCH = 20  # address of the watch's words; 0: the call is too short for one
QUEUE = 21  # the list of calls that go by Python
WAKE = 22  # Python function: lets calls in queues go on
LARGE_OUTPUTS = 23  # whether there are some that are kept (see `spares`)
HEADER_WORDS = 24

# A shared variable in the call block.  The first words are those of an argument's record.
CELL_WORDS = 12
C_BOX, C_WORDS, C_QUEUE, C_WRITES, C_ARRAY, C_VERSION = 6, 7, 8, 9, 10, 11
READS, WRITES, REPLACES = 0, 1, 2
# The words of its store: native calls that work on its array without Python's lock, and a
# number that no other array has had.
READERS, WRITER, VERSION = 0, 1, 2

LIST_SIZE, LIST_ITEMS = 2, 3  # words of a list of Python's

# Results of a run that are no number of a step (far from what a step may return).
BREAK = -(1 << 40)
INTERRUPTED = BREAK  # a signal handler has raised: the exception is set
CONFLICT = BREAK - 1  # a signal handler has changed a variable that this call updates

# The watch of a program, by word: ticks until it looks at the clock, how many there are
# from look to look, when it looked last and when it asked Python, whether it may ask.
LEFT, STRIDE, LOOKED, ASKED, ACTIVE, BLOCK = range(6)
WATCH_WORDS = 6
LOOK_NS = 250_000
ASK_NS = 100_000_000

# One for the process, by word: calls that are writing shared variables, whether a fork
# keeps others from beginning to (2: and products too), handlers at work, products.
gate_words = (ctypes.c_int64 * 4)()
GATE = Symbol("symnet gate", ctypes.addressof(gate_words))
WRITING, CLOSED, ASKING, MULTIPLYING = range(4)

TIMED = hasattr(time, "CLOCK_MONOTONIC")
memcpy = CFunction("memcpy", "i64(i64, i64, i64)", C_LIBRARY)
memset = CFunction("memset", "i64(i64, i32, i64)", C_LIBRARY)
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


@patient
def patch(patches: int, count: int, bases: int) -> int:
    """Write the addresses of this call where the steps expect them."""
    for k in range(count):
        record = patches + 8 * PATCH_WORDS * k
        base = load(bases, load(record, 1))
        store(load(record, 0), 0, base + load(record, 2))
    return 0


@patient
def run_step(step: int) -> int:
    """Do one step; its result."""
    total = load(step, 2)
    if total > load(step, 3):
        return parallel_for(load(step, 0), load(step, 1), total, load(step, 3))
    return call(load(step, 0), load(step, 1), 0, total)


@patient
def nanoseconds() -> int:
    """The time of a clock that only goes forward (0 where the system has none)."""
    if TIMED:
        now = stack(2)
        clock_gettime(CLOCK, now)
        return load(now, 0) * 1000000000 + load(now, 1)
    return 0


@patient
def list_item(box: int, k: int) -> int:
    """The address of an object in a list."""
    return load(load(box, LIST_ITEMS), k)


@patient
def moved(block: int) -> int:
    """Whether a variable that the call updates has another array than at its beginning."""
    if CPYTHON:
        for k in range(load(block, CELL_COUNT)):
            record = load(block, CELLS) + 8 * CELL_WORDS * k
            now = list_item(load(record, C_BOX), 0)
            if load(record, C_WRITES) != READS and now != load(record, C_ARRAY):
                return 1
    return 0


@patient
def ask(block: int) -> int:
    """Let Python handle the signals that have come; a BREAK if the call cannot go on."""
    status = 0
    if CPYTHON:
        state = take_lock()
        store(GATE, ASKING, load(GATE, ASKING) + 1)
        if check_signals() != 0:
            status = INTERRUPTED
        elif moved(block):
            status = CONFLICT
        store(GATE, ASKING, load(GATE, ASKING) - 1)
        leave_lock(state)
    return status


@patient
def inquire(watch: int, now: int) -> int:
    """A BREAK if the call is to end; asks Python, if it is time for that."""
    store(watch, LOOKED, now)
    if load(watch, ACTIVE) == 0:
        return 0
    if now - load(watch, ASKED) < ASK_NS:
        return 0
    status = ask(load(watch, BLOCK))
    store(watch, ASKED, nanoseconds())
    return status


@patient
def look(watch: int) -> int:
    """Look at the clock, choose when to look again, and inquire."""
    now = nanoseconds()
    stride = load(watch, STRIDE)
    fair = stride * LOOK_NS // (now - load(watch, LOOKED) + 1)
    stride = 2 * stride
    if fair < stride:
        stride = fair
    if stride < 1:
        stride = 1
    store(watch, STRIDE, stride)
    store(watch, LEFT, stride)
    return inquire(watch, now)


@patient
def glance(watch: int) -> int:
    """Like `look`, for long steps that look by themselves."""
    if watch == 0:
        return 0
    store(watch, STRIDE, 1)
    store(watch, LEFT, 1)
    return inquire(watch, nanoseconds())


@patient
def tick(watch: int) -> int:
    """Something has been done: now and then, look whether the call is to end."""
    if watch == 0:
        return 0
    left = load(watch, LEFT) - 1
    store(watch, LEFT, left)
    if left > 0:
        return 0
    return look(watch)


@patient
def begin_watch(watch: int, block: int) -> int:
    """Let the watch look from now on."""
    now = nanoseconds()
    store(watch, LEFT, 1)
    store(watch, STRIDE, 1)
    store(watch, LOOKED, now)
    store(watch, ASKED, now)
    store(watch, BLOCK, block)
    store(watch, ACTIVE, now != 0)
    return 0


@patient
def run(steps: int, count: int, watch: int) -> int:
    """Do the steps one after another; 0, 1 + the number of the step that failed, or a
    BREAK."""
    for k in range(count):
        status = run_step(steps + 8 * STEP_WORDS * k)
        if status == 0:
            status = tick(watch)
        if status != 0:
            if status <= BREAK:
                return status
            return k + 1
    return 0


@patient
def run_timed(steps: int, count: int, times: int, watch: int) -> int:
    """Like `run`; adds the nanoseconds of step k to word k of `times`."""
    before = nanoseconds()
    for k in range(count):
        status = run(steps + 8 * STEP_WORDS * k, 1, watch)
        if status != 0:
            if status <= BREAK:
                return status
            return k + 1
        now = nanoseconds()
        store(times, k, load(times, k) + now - before)
        before = now
    return 0


@patient
def read_integer(address: int, size: int, mask: int) -> int:
    """An integer of `size` bytes; `mask` cuts unsigned ones."""
    if size == 8:
        return load(address, 0)
    if size == 4:
        return load_i32(address, 0) & mask
    if size == 2:
        return load_i16(address, 0) & mask
    return load_i8(address, 0) & mask


@patient
def slide(block: int) -> int:
    """Set the windows by the integers of this call; 0 if one is out of its range."""
    bases = load(block, BASES)
    for k in range(load(block, WINDOW_COUNT)):
        window = load(block, WINDOWS) + 8 * WINDOW_WORDS * k
        address = load(bases, load(window, 1))
        value = read_integer(address, load(window, 2), load(window, 3))
        if value < load(window, 6) or value > load(window, 7):
            return 0
        store(load(window, 0), 0, load(window, 5) + value * load(window, 4))
    return 1


@patient
def enter_commit() -> int:
    """From here on shared variables are written; waits while a fork is under way."""
    atomic_add(GATE, WRITING, 1)
    while atomic_load(GATE, CLOSED) != 0:
        atomic_add(GATE, WRITING, -1)
        while atomic_load(GATE, CLOSED) != 0:
            if YIELDS:
                sched_yield()
            else:
                pause()
        atomic_add(GATE, WRITING, 1)
    return 0


@patient
def leave_commit() -> int:
    """The other end of `enter_commit`."""
    atomic_add(GATE, WRITING, -1)
    return 0


@patient
def run_part(block: int, first: int, count: int, watch: int) -> int:
    """Do `count` steps of a block from number `first` on; result as of `run`."""
    steps = load(block, PROGRAM) + 8 * STEP_WORDS * first
    times = load(block, TIMES)
    if times != 0:
        return run_timed(steps, count, times + 8 * first, watch)
    return run(steps, count, watch)


@patient
def start(block: int) -> int:
    """Run a call block whose bases are set; result as of `run`."""
    patch(load(block, PATCHES), load(block, PATCH_COUNT), load(block, BASES))
    watch = load(block, WATCH)
    count = load(block, PROGRAM_COUNT)
    commit = load(block, COMMIT)
    if watch == 0:
        return run_part(block, 0, count, 0)
    begin_watch(watch, block)
    status = run_part(block, 0, commit, watch)
    store(watch, ACTIVE, 0)
    if status != 0 or commit == count:
        return status
    enter_commit()
    status = run_part(block, commit, count - commit, 0)
    leave_commit()
    if status != 0:
        return commit + status
    return 0


@patient
def start_unlocked(block: int) -> int:
    """Like `start`, called with Python's lock, without which the steps run."""
    if CPYTHON:
        # To call this from Python takes memory, and may so run the garbage collector.
        if moved(block):
            return CONFLICT
        state = save_thread()
        status = start(block)
        restore_thread(state)
        return status
    return start(block)


# The argument block of `repeat`, by word.
TURNS = 0  # how often at most
STEPS, STEP_COUNT = 1, 2
MOVES, MOVE_COUNT = 3, 4
RINGS, RING_COUNT = 5, 6
UNTIL = 7  # address of a byte, looked at after each turn: stop if it is not 0; or 0
DONE = 8  # address of a word for the number of turns done, or 0
TURNS_DONE = 9
FAILED_STEP = 10  # 1 + the number of the inner step that failed, or 0
INNER_TIMES = 11  # address of a counter for each inner step, or 0
INNER_WATCH = 12  # address of the watch, or 0
REPEAT_WORDS = 13


@patient
def rewind(arguments: int) -> int:
    """Set the pointers of a loop to where they are in the first turn."""
    for k in range(load(arguments, MOVE_COUNT)):
        record = load(arguments, MOVES) + 8 * MOVE_WORDS * k
        store(load(record, 0), 0, load(record, 1))
    for k in range(load(arguments, RING_COUNT)):
        record = load(arguments, RINGS) + 8 * RING_WORDS * k
        first = load(record, 4)
        store(record, 5, first)
        store(load(record, 0), 0, load(record, 1) + first * load(record, 2))
    return 0


@patient
def move(moves: int, count: int) -> int:
    """Advance pointers: the word at a record's place grows by its bytes."""
    for k in range(count):
        record = moves + 8 * MOVE_WORDS * k
        place = load(record, 0)
        store(place, 0, load(place, 0) + load(record, 2))
    return 0


@patient
def go_round(rings: int, count: int) -> int:
    """Advance pointers to the next slot of a ring, so that a few slots serve many turns."""
    for k in range(count):
        record = rings + 8 * RING_WORDS * k
        slot = load(record, 5) + 1
        if slot == load(record, 3):
            slot = 0
        store(record, 5, slot)
        store(load(record, 0), 0, load(record, 1) + slot * load(record, 2))
    return 0


@patient
def run_body(steps: int, count: int, times: int, watch: int) -> int:
    """Do the steps inside a loop or a branch once; result as of `run`."""
    if times != 0:
        return run_timed(steps, count, times, watch)
    return run(steps, count, watch)


@patient
def repeat(arguments: int, begin: int, end: int) -> int:
    """A step that does a list of steps again and again, and moves pointers in between."""
    rewind(arguments)
    steps = load(arguments, STEPS)
    count = load(arguments, STEP_COUNT)
    limit = load(arguments, TURNS)
    until = load(arguments, UNTIL)
    times = load(arguments, INNER_TIMES)
    watch = load(arguments, INNER_WATCH)
    failed = 0
    turns = 0
    while turns < limit:
        failed = run_body(steps, count, times, watch)
        if count == 0:
            failed = tick(watch)
        if failed != 0:
            break
        turns += 1
        if until != 0 and load_i8(until, 0) != 0:
            break
        move(load(arguments, MOVES), load(arguments, MOVE_COUNT))
        go_round(load(arguments, RINGS), load(arguments, RING_COUNT))
    store(arguments, TURNS_DONE, turns)
    store(arguments, FAILED_STEP, failed)
    if load(arguments, DONE) != 0:
        store(load(arguments, DONE), 0, turns)
    return failed


# The argument block of `choose`, by word: two lists of steps, each with its times.
CONDITION = 0  # address of a byte
FIRST_STEPS, SECOND_STEPS = 1, 4
CHOICE_FAILED = 7  # as FAILED_STEP
TAKEN = 8  # 0: the first, 1: the second
CHOICE_WATCH = 9  # as INNER_WATCH
CHOICE_WORDS = 10


@patient
def choose(arguments: int, begin: int, end: int) -> int:
    """A step that does the first list of steps if a byte is not 0, else the second."""
    body = arguments + 8 * FIRST_STEPS
    store(arguments, TAKEN, 0)
    if load_i8(load(arguments, CONDITION), 0) == 0:
        body = arguments + 8 * SECOND_STEPS
        store(arguments, TAKEN, 1)
    watch = load(arguments, CHOICE_WATCH)
    failed = run_body(load(body, 0), load(body, 1), load(body, 2), watch)
    store(arguments, CHOICE_FAILED, failed)
    return failed


# The argument block of `straighten`, by word.
RING, TARGET, TURNS_AT = 0, 1, 2  # addresses: slots, rows, the number of turns
ROW_BYTES, SLOTS, DEPTH, KEPT = 3, 4, 5, 6
STRAIGHTEN_WORDS = 7


@patient
def straighten(arguments: int, begin: int, end: int) -> int:
    """Copy the last rows of a history from its ring into their order.

    The history begins with DEPTH rows and grows by one in each turn; row number r lies
    in slot r modulo SLOTS, a power of two.  Rows before the first are filled with zeros.
    """
    size = load(arguments, ROW_BYTES)
    row = load(arguments, DEPTH) + load(load(arguments, TURNS_AT), 0)
    row -= load(arguments, KEPT)
    for k in range(load(arguments, KEPT)):
        target = load(arguments, TARGET) + k * size
        if row < 0:
            memset(target, 0, size)
        else:
            slot = row & (load(arguments, SLOTS) - 1)
            memcpy(target, load(arguments, RING) + slot * size, size)
        row += 1
    return 0
