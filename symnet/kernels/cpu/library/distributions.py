"""Native steps that draw from distributions by functions of NumPy and a bit generator.

NumPy's module `_generator` exports the C functions behind its distributions; each takes a
`bitgen_t`: the address of a state and of the functions that draw bits from it.  Here that
is our Philox over a counter (`symnet.random`), where every number has a counter of its own
and threads may share the work.  `twister_draws` has the steps of the Mersenne Twister.
"""

from __future__ import annotations

import ctypes
from functools import cache

import numpy as np

from symnet.kernels.cpu.jit.floats import (
    add,
    divide,
    draw_count,
    draw_float,
    draw_successes,
    less,
    same,
    subtract,
    to_bits,
)
from symnet.kernels.cpu.jit.intrinsics import (
    C_LIBRARY,
    CFunction,
    call,
    load,
    stack,
    store,
    store_i32,
)
from symnet.kernels.cpu.jit.native import native
from symnet.kernels.cpu.library import philox_bits
from symnet.kernels.cpu.library.call_steps import CallArrangement

memset = CFunction("memset", "i64(i64, i32, i64)", C_LIBRARY)

# What is drawn.
UNIFORM, NORMAL, BINOMIAL, POISSON, INTEGERS = 0, 1, 2, 3, 4
PERMUTATION, MULTINOMIAL, SEARCH, GAMMA = 5, 6, 7, 8
KINDS = {
    "uniform": UNIFORM, "normal": NORMAL, "binomial": BINOMIAL, "poisson": POISSON,
    "integers": INTEGERS, "permutation": PERMUTATION, "multinomial": MULTINOMIAL,
    "search": SEARCH, "gamma": GAMMA,
}  # fmt: skip
FUNCTIONS = {
    "binomial": "random_binomial", "poisson": "random_poisson",
    "integers": "random_bounded_uint64", "permutation": "random_interval",
    "multinomial": "random_binomial", "gamma": "random_standard_gamma",
}  # fmt: skip

# The argument block, by word.
KIND, FUNCTION = 0, 1
STATE, RESULT = 2, 3  # pointers
FIRST, FIRST_STEP = 4, 5  # a parameter, and its distance in bytes from number to number
SECOND, SECOND_STEP = 6, 7
WIDTH = 8  # how many numbers make one draw
GENERATOR = 9  # a bitgen_t, lacking its state: five words
OWN = 14  # where words of other steps begin

ONE, ZERO = to_bits(1.0), 0
LARGEST = 9223372036854775807
MEAN = to_bits(9.223372006484771e18)  # ten standard deviations below it, as NumPy's


@native
def full_mask(number: int) -> int:
    """The smallest 2**k - 1 that is not below a number."""
    mask = number
    mask = mask | (mask >> 1)
    mask = mask | (mask >> 2)
    mask = mask | (mask >> 4)
    mask = mask | (mask >> 8)
    mask = mask | (mask >> 16)
    return mask | (mask >> 32)


@native
def shuffle(function: int, bits: int, row: int, count: int) -> int:
    """0 to count - 1 in random order."""
    for k in range(count):
        store(row, k, k)
    for back in range(1, count):
        k = count - back
        other = call(function, bits, k)
        kept = load(row, k)
        store(row, k, load(row, other))
        store(row, other, kept)
    return 0


@native
def share_out(
    function: int,
    bits: int,
    memory: int,
    row: int,
    chances: int,
    classes: int,
    left: int,
) -> int:
    """How often each class is drawn in `left` draws: binomial numbers one by one."""
    rest = ONE
    for k in range(classes):
        store(row, k, 0)
    for k in range(classes - 1):
        chance = divide(load(chances, k), rest)
        count = draw_successes(function, bits, chance, left, memory)
        store(row, k, count)
        left = left - count
        if left <= 0:
            return 0
        rest = subtract(rest, load(chances, k))
    if classes > 0:
        store(row, classes - 1, left)
    return 0


@native
def is_chance(number: int) -> int:
    if less(number, ZERO) != 0 or less(ONE, number) != 0:
        return 0
    return same(number, number)


@native
def refused(kind: int, first: int, second: int, width: int) -> int:
    """Whether parameters are outside of what the distribution has."""
    if kind == BINOMIAL:
        if load(first, 0) < 0:
            return 1
        return 1 - is_chance(load(second, 0))
    if kind == POISSON and less(MEAN, load(first, 0)) != 0:
        return 1
    if kind == POISSON or kind == GAMMA:  # noqa: SIM109
        if same(load(first, 0), load(first, 0)) == 0:
            return 1
        return less(load(first, 0), ZERO)
    if kind == INTEGERS:
        if load(second, 0) < load(first, 0):
            return 1
        return 0
    if kind == MULTINOMIAL:
        if load(first, 0) < 0:
            return 1
        total = ZERO
        for k in range(width):
            if is_chance(load(second, k)) == 0:
                return 1
            if k + 1 < width:
                total = add(total, load(second, k))
        return less(SLIGHTLY_MORE, total)
    return 0


SLIGHTLY_MORE = to_bits(1.0 + 1e-12)


@native
def draw_one(
    arguments: int, bits: int, memory: int, first: int, second: int, place: int
) -> int:
    """One draw; parameters and result by address.  Not 0: the parameters are wrong.

    memory: 40 words, in which NumPy's binomial keeps what it knows of its parameters.
    """
    kind = load(arguments, KIND)
    function = load(arguments, FUNCTION)
    width = load(arguments, WIDTH)
    if refused(kind, first, second, width) != 0:
        return 1
    if kind == BINOMIAL:
        count = load(first, 0)
        found = draw_successes(function, bits, load(second, 0), count, memory)
        store(place, 0, found)
    elif kind == POISSON:
        store(place, 0, draw_count(function, bits, load(first, 0)))
    elif kind == GAMMA:
        store(place, 0, draw_float(function, bits, load(first, 0)))
    elif kind == INTEGERS:
        low = load(first, 0)
        length = load(second, 0) - low
        store(place, 0, call(function, bits, low, length, full_mask(length), 1))
    elif kind == PERMUTATION:
        shuffle(function, bits, place, width)
    elif kind == MULTINOMIAL:
        share_out(function, bits, memory, place, second, width, load(first, 0))
    return 0


@native
def item_size(arguments: int) -> int:
    """The bytes of what one draw gives."""
    kind = load(arguments, KIND)
    if kind == PERMUTATION or kind == MULTINOMIAL:  # noqa: SIM109
        return 8 * load(arguments, WIDTH)
    return 8


@native
def draw_variates(arguments: int, begin: int, end: int) -> int:
    """Draws number `begin` to `end`, each from a counter of its own."""
    bits = stack(5)
    for k in range(1, 5):
        store(bits, k, load(arguments, GENERATOR + k))
    memory = stack(40)
    memset(memory, 0, 320)
    state = load(arguments, STATE)
    own = stack(6)
    store(bits, 0, own)
    size = item_size(arguments)
    for item in range(begin, end):
        store(own, 0, load(state, 0))  # the key
        store(own, 1, load(state, 2) + item)  # 64 bits of counter
        store(own, 2, load(state, 1) & 4294967295)  # the stream; no draws yet
        store_i32(own, 10, 4)
        first = load(arguments, FIRST) + item * load(arguments, FIRST_STEP)
        second = load(arguments, SECOND) + item * load(arguments, SECOND_STEP)
        place = load(arguments, RESULT) + item * size
        if draw_one(arguments, bits, memory, first, second, place) != 0:
            return 1
    return 0


# ---- NumPy's functions


@cache
def numpy_function(name: str) -> int | None:
    """The address of a C function of NumPy's distributions; None where it is hidden."""
    module = getattr(np.random, "_generator", None)
    try:
        library = ctypes.CDLL(module.__file__)  # type: ignore[union-attr]
        return ctypes.cast(library[name], ctypes.c_void_p).value
    except (AttributeError, OSError):
        return None


def available(kind: str) -> bool:
    """Whether a distribution can be drawn natively here."""
    name = FUNCTIONS.get(kind)
    return name is None or numpy_function(name) is not None


def counter_generator() -> tuple[int, ...]:
    wide, narrow, real = philox_bits.bit_generator()
    return (0, wide, narrow, real, wide)


def variates_step(
    kind: str, count: int, steps: tuple[int, int], width: int = 1
) -> CallArrangement:
    """Draw `count` times.  The pointers are those of the state of `symnet.random` (key,
    stream, position), of the first and the second parameter, and of the result: int64 or
    float64 throughout.

    steps: bytes from a parameter to the next (0: the same for all).  width: how many
    numbers a draw has.
    """
    words = (*head_words(kind, steps, width), *counter_generator())
    each = 50.0 * (width if kind in ("permutation", "multinomial") else 1)
    grain = max(1, int(20_000 / max(each, 1.0)))
    slots = (STATE, FIRST, SECOND, RESULT)
    return CallArrangement(draw_variates, words, slots, count, grain, each * count)


def head_words(kind: str, steps: tuple[int, int], width: int) -> tuple[int, ...]:
    """The words of an argument block up to the generator."""
    name = FUNCTIONS.get(kind)
    function = numpy_function(name) if name is not None else 0
    return KINDS[kind], function or 0, 0, 0, 0, steps[0], 0, steps[1], width
