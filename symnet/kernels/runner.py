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
"""

from __future__ import annotations

import time

from symnet.kernels.llvm.native import patient
from symnet.kernels.llvm.words import (
    C_LIBRARY,
    External,
    call,
    compare_exchange,
    load,
    load_i8,
    load_i16,
    load_i32,
    stack,
    store,
)
from symnet.kernels.threads import parallel_for

STEP_WORDS = 4
PATCH_WORDS = 3
MOVE_WORDS = 4
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
HEADER_WORDS = 19

TIMED = hasattr(time, "CLOCK_MONOTONIC")
if TIMED:
    clock_gettime = External("clock_gettime", "i32(i32, i64)", C_LIBRARY)
    CLOCK = time.CLOCK_MONOTONIC


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
def run(steps: int, count: int) -> int:
    """Do the steps one after another; 0, or 1 + the number of the step that failed."""
    for k in range(count):
        if run_step(steps + 8 * STEP_WORDS * k) != 0:
            return k + 1
    return 0


@patient
def nanoseconds() -> int:
    """The time of a clock that only goes forward (0 where the system has none)."""
    if TIMED:
        now = stack(2)
        clock_gettime(CLOCK, now)
        return load(now, 0) * 1000000000 + load(now, 1)
    return 0


@patient
def run_timed(steps: int, count: int, times: int) -> int:
    """Like `run`; adds the nanoseconds of step k to word k of `times`."""
    before = nanoseconds()
    for k in range(count):
        if run_step(steps + 8 * STEP_WORDS * k) != 0:
            return k + 1
        now = nanoseconds()
        store(times, k, load(times, k) + now - before)
        before = now
    return 0


@patient
def claim(block: int, thread: int) -> int:
    """Begin to use a call block; 0 if somebody does already."""
    return compare_exchange(block, BUSY, 0, thread)


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
def start(block: int) -> int:
    """Run a call block whose bases are set; result as of `run`."""
    patch(load(block, PATCHES), load(block, PATCH_COUNT), load(block, BASES))
    if load(block, TIMES) != 0:
        return run_timed(
            load(block, PROGRAM), load(block, PROGRAM_COUNT), load(block, TIMES)
        )
    return run(load(block, PROGRAM), load(block, PROGRAM_COUNT))


# The argument block of `repeat`, by word.
TURNS = 0  # how often at most
STEPS, STEP_COUNT = 1, 2
MOVES, MOVE_COUNT = 3, 4
UNTIL = 5  # address of a byte, looked at after each turn: stop if it is not 0; or 0
TURNS_DONE = 6
FAILED_STEP = 7  # 1 + the number of the inner step that failed
REPEAT_WORDS = 8


@patient
def move(moves: int, count: int) -> int:
    """Advance pointers: [place, bytes, end, length].

    The word at `place` grows by `bytes`; where it reaches `end` (not 0) it goes back by
    `length`, so that a few slots can serve many turns.
    """
    for k in range(count):
        record = moves + 8 * MOVE_WORDS * k
        place = load(record, 0)
        moved = load(place, 0) + load(record, 1)
        if moved == load(record, 2):
            moved -= load(record, 3)
        store(place, 0, moved)
    return 0


@patient
def repeat(arguments: int, begin: int, end: int) -> int:
    """A step that does a list of steps again and again, and moves pointers in between."""
    store(arguments, FAILED_STEP, 0)
    turns = 0
    while turns < load(arguments, TURNS):
        failed = run(load(arguments, STEPS), load(arguments, STEP_COUNT))
        if failed != 0:
            store(arguments, TURNS_DONE, turns)
            store(arguments, FAILED_STEP, failed)
            return 1
        turns += 1
        move(load(arguments, MOVES), load(arguments, MOVE_COUNT))
        if load(arguments, UNTIL) != 0 and load_i8(load(arguments, UNTIL), 0) != 0:
            break
    store(arguments, TURNS_DONE, turns)
    return 0
