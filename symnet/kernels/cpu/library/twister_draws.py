"""Native steps that draw from the state of a `RandomState`, in an array.

Numbers are NumPy's, bit for bit.  They are made by vectors (`twister_code`) where it is
known how many of the generator's words each of them takes; a number for which that hangs
on the last bits is drawn by NumPy's own function from the place that has been reached.
"""

from __future__ import annotations

import ctypes
from functools import cache

import numpy as np

from symnet.kernels.cpu.jit.floats import (
    add,
    less,
    multiply,
    subtract,
    to_bits,
)
from symnet.kernels.cpu.jit.intrinsics import (
    c_function,
    call,
    load,
    stack,
    store,
    store_i32,
)
from symnet.kernels.cpu.jit.native import native
from symnet.kernels.cpu.library import twister_code
from symnet.kernels.cpu.library.call_steps import CallArrangement
from symnet.kernels.cpu.library.distributions import (
    BINOMIAL,
    FIRST,
    FIRST_STEP,
    GENERATOR,
    INTEGERS,
    KIND,
    NORMAL,
    RESULT,
    SEARCH,
    SECOND,
    SECOND_STEP,
    STATE,
    UNIFORM,
    draw_one,
    full_mask,
    head_words,
    item_size,
    memset,
)
from symnet.kernels.cpu.library.twister_binomials import binomials
from symnet.kernels.cpu.library.twister_loops import (
    accepted,
    normals,
    refuses_deviation,
)
from symnet.kernels.cpu.library.twister_words import (
    PLACES,
    USED,
    WORDS,
    fill,
    refreshed,
)

ROUTINES = {
    "uniform": ("twist", "fractions"), "normal": ("twist", "fractions"),
    "search": ("twist", "fractions"), "integers": ("twist", "words"),
}  # fmt: skip
ZERO, ONE, TWO = 0, to_bits(1.0), to_bits(2.0)
MINUS_ONE, MINUS_TWO = to_bits(-1.0), to_bits(-2.0)
WORD = 4294967295
CHUNK = 256  # pairs of numbers, or words, that are looked at together
NS = {"uniform": 0.6, "normal": 6.0, "integers": 2.0, "search": 10.0, "binomial": 2.0}


@native
def uniforms(arguments: int, count: int) -> int:
    target = load(arguments, RESULT)
    first = load(arguments, FIRST)
    second = load(arguments, SECOND)
    if load(arguments, FIRST_STEP) + load(arguments, SECOND_STEP) == 0:
        low = load(first, 0)
        return fill(arguments, target, count, low, subtract(load(second, 0), low))
    fill(arguments, target, count, ZERO, ONE)
    for k in range(count):
        low = load(first + k * load(arguments, FIRST_STEP), 0)
        high = load(second + k * load(arguments, SECOND_STEP), 0)
        part = multiply(subtract(high, low), load(target, k))
        store(target, k, add(low, part))
    return 0


@native
def position(sums: int, count: int, number: int) -> int:
    """How many of the sums are not above a number."""
    low = 0
    high = count
    while low < high:
        middle = (low + high) >> 1
        if less(number, load(sums, middle)) != 0:
            high = middle
        else:
            low = middle + 1
    return low


@native
def searches(arguments: int, count: int) -> int:
    target = load(arguments, RESULT)
    sums = load(arguments, FIRST)
    fill(arguments, target, count, ZERO, ONE)
    for k in range(count):
        found = position(sums, load(arguments, SECOND_STEP), load(target, k))
        store(target, k, found)
    return 0


@native
def one_by_one(arguments: int, bits: int, memory: int, begin: int, end: int) -> int:
    """Draws number `begin` to `end` by NumPy's functions."""
    size = item_size(arguments)
    for item in range(begin, end):
        first = load(arguments, FIRST) + item * load(arguments, FIRST_STEP)
        second = load(arguments, SECOND) + item * load(arguments, SECOND_STEP)
        place = load(arguments, RESULT) + item * size
        if draw_one(arguments, bits, memory, first, second, place) != 0:
            return 1
    return 0


@native
def integers(arguments: int, bits: int, memory: int, count: int) -> int:
    """Integers of one range: words cut to the bits of its length, without those above it."""
    low = load(load(arguments, FIRST), 0)
    length = load(load(arguments, SECOND), 0) - low
    steps = load(arguments, FIRST_STEP) + load(arguments, SECOND_STEP)
    if steps != 0 or length <= 0 or length > WORD:
        return one_by_one(arguments, bits, memory, 0, count)
    state = load(arguments, STATE)
    target = load(arguments, RESULT)
    mask = full_mask(length)
    words = stack(128)
    done = 0
    while done < count:
        used = refreshed(arguments, state)
        here = USED - used
        if here > CHUNK:
            here = CHUNK
        if here > count - done:
            here = count - done
        call(load(arguments, WORDS), state + 4 * used, here, words)
        store_i32(state, USED, used + here)
        place = target + 8 * done
        done = done + accepted(words, here, mask, low, length, place)
    return 0


@native
def draw_twister(arguments: int, begin: int, end: int) -> int:
    """All draws, 0 to `end`, one after the other.  Not 0: parameters are wrong."""
    kind = load(arguments, KIND)
    if kind == UNIFORM:
        return uniforms(arguments, end)
    if kind == SEARCH:
        return searches(arguments, end)
    if kind == NORMAL:
        if refuses_deviation(arguments, end) != 0:
            return 1
        return normals(arguments, end)
    bits = stack(5)
    for k in range(1, 5):
        store(bits, k, load(arguments, GENERATOR + k))
    store(bits, 0, load(arguments, STATE))
    if kind == BINOMIAL:
        return binomials(arguments, bits, end)
    memory = stack(40)
    memset(memory, 0, 320)
    if kind == INTEGERS:
        return integers(arguments, bits, memory, end)
    return one_by_one(arguments, bits, memory, begin, end)


# ---- the step


@cache
def twister_generator() -> tuple[int, ...]:
    """The words of a `bitgen_t` of the Mersenne Twister, without state."""
    generator = np.random.MT19937()
    words = (ctypes.c_int64 * 5).from_address(generator.ctypes.bit_generator.value)
    return (0, *words[1:])


def twister_step(
    kind: str, count: int, steps: tuple[int, int], width: int = 1
) -> CallArrangement:
    """Draw `count` times.  The pointers are those of the state (read and written), of the
    first and the second parameter, and of the result: int64 or float64 throughout.

    steps: bytes from a parameter to the next (0: the same for all; for "search" the second
    is how many sums there are).  width: how many numbers a draw has.
    """
    words = (
        *head_words(kind, steps, width), *twister_generator(), *[0] * len(PLACES),
        *[c_function(name) for name in ("log", "sqrt", "exp")],
    )  # fmt: skip
    each = NS.get(kind, 50.0) * (width if kind in ("permutation", "multinomial") else 1)
    names = ROUTINES.get(kind, ())
    if kind == "binomial":
        names = ("twist", "successes" if any(steps) else "counts")
    found = [(PLACES[name], twister_code.routine(name)) for name in names]
    return CallArrangement(
        draw_twister, words, (STATE, FIRST, SECOND, RESULT), count, max(1, count),
        each * count, routines=tuple(found),
    )  # fmt: skip
