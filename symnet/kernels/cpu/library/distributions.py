"""Native steps that draw from distributions by functions of NumPy and a bit generator.

NumPy's module `_generator` exports the C functions behind its distributions; each takes a
`bitgen_t`: the address of a state and of the functions that draw bits from it.  Here that
is NumPy's Mersenne Twister over a state in an array (Theano's `RandomStreams`), or our
Philox over a counter (`symnet.random`), where every number has a counter of its own and
threads may share the work.
"""

from __future__ import annotations

import ctypes
from functools import cache

import numpy as np

from symnet.kernels.cpu.jit.floats import (
    add,
    apply,
    divide,
    draw_count,
    draw_float,
    draw_successes,
    less,
    multiply,
    next_float,
    same,
    subtract,
    to_bits,
)
from symnet.kernels.cpu.jit.intrinsics import (
    C_LIBRARY,
    CFunction,
    call,
    load,
    load_i32,
    stack,
    store,
    store_i32,
)
from symnet.kernels.cpu.jit.native import native
from symnet.kernels.cpu.library import philox_bits
from symnet.kernels.cpu.library.call_steps import CallArrangement
from symnet.kernels.routines import GAUSS, HAS_GAUSS

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
LOGARITHM, ROOT = 9, 10  # C functions
GENERATOR = 11  # a bitgen_t, lacking its state: five words
COUNTED = 16  # whether every draw has its own Philox counter

ONE, TWO, ZERO = to_bits(1.0), to_bits(2.0), 0
MINUS_TWO = to_bits(-2.0)
LARGEST = 9223372036854775807
NS = {"uniform": 5.0, "normal": 20.0, "integers": 5.0, "search": 20.0}


@native
def gauss(arguments: int, bits: int, state: int) -> int:
    """A normal number, as `RandomState` draws it: the second of every pair is kept.

    Source: Marsaglia and Bray, "A convenient method for generating normal variables",
    SIAM Review 6 (1964).
    """
    if load_i32(state, HAS_GAUSS) != 0:
        store_i32(state, HAS_GAUSS, 0)
        kept = load(state + 4 * GAUSS, 0)
        store(state + 4 * GAUSS, 0, 0)
        return kept
    x = ZERO
    y = ZERO
    square = ZERO
    while less(square, ONE) == 0 or same(square, ZERO) != 0:
        x = subtract(multiply(TWO, next_float(load(bits, 3), load(bits, 0))), ONE)
        y = subtract(multiply(TWO, next_float(load(bits, 3), load(bits, 0))), ONE)
        square = add(multiply(x, x), multiply(y, y))
        if less(square, ONE) != 0 and same(square, ZERO) == 0:
            break
    logarithm = apply(load(arguments, LOGARITHM), square)
    factor = apply(
        load(arguments, ROOT), divide(multiply(MINUS_TWO, logarithm), square)
    )
    store(state + 4 * GAUSS, 0, multiply(factor, x))
    store_i32(state, HAS_GAUSS, 1)
    return multiply(factor, y)


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
    function: int, bits: int, row: int, chances: int, classes: int, left: int
) -> int:
    """How often each class is drawn in `left` draws: binomial numbers one by one."""
    memory = stack(40)
    memset(memory, 0, 320)
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
def is_chance(number: int) -> int:
    if less(number, ZERO) != 0 or less(ONE, number) != 0:
        return 0
    return same(number, number)


@native
def refused(kind: int, first: int, second: int, width: int) -> int:
    """Whether parameters are outside of what the distribution has."""
    if kind == NORMAL:
        return less(load(second, 0), ZERO)
    if kind == BINOMIAL:
        if load(first, 0) < 0:
            return 1
        return 1 - is_chance(load(second, 0))
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
def draw_one(arguments: int, bits: int, first: int, second: int, place: int) -> int:
    """One draw; parameters and result by address.  Not 0: the parameters are wrong."""
    kind = load(arguments, KIND)
    function = load(arguments, FUNCTION)
    width = load(arguments, WIDTH)
    if refused(kind, first, second, width) != 0:
        return 1
    if kind == UNIFORM:
        part = next_float(load(bits, 3), load(bits, 0))
        length = subtract(load(second, 0), load(first, 0))
        store(place, 0, add(load(first, 0), multiply(length, part)))
    elif kind == NORMAL:
        part = gauss(arguments, bits, load(bits, 0))
        store(place, 0, add(load(first, 0), multiply(load(second, 0), part)))
    elif kind == BINOMIAL:
        memory = stack(40)
        memset(memory, 0, 320)
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
        share_out(function, bits, place, second, width, load(first, 0))
    elif kind == SEARCH:
        part = next_float(load(bits, 3), load(bits, 0))
        store(place, 0, position(first, load(arguments, SECOND_STEP), part))
    return 0


@native
def draw_variates(arguments: int, begin: int, end: int) -> int:
    """Draws number `begin` to `end`, from one state or from a counter for each."""
    bits = stack(5)
    for k in range(1, 5):
        store(bits, k, load(arguments, GENERATOR + k))
    state = load(arguments, STATE)
    own = stack(6)
    kind = load(arguments, KIND)
    size = 8
    if kind == PERMUTATION or kind == MULTINOMIAL:  # noqa: SIM109
        size = 8 * load(arguments, WIDTH)
    for item in range(begin, end):
        store(bits, 0, state)
        if load(arguments, COUNTED) != 0:
            store(own, 0, load(state, 0))  # the key
            store(own, 1, load(state, 2) + item)  # 64 bits of counter
            store(own, 2, load(state, 1) & 4294967295)  # the stream; no draws yet
            store_i32(own, 10, 4)
            store(bits, 0, own)
        first = load(arguments, FIRST) + item * load(arguments, FIRST_STEP)
        second = load(arguments, SECOND)
        if kind != SEARCH:
            second = second + item * load(arguments, SECOND_STEP)
        place = load(arguments, RESULT) + item * size
        if draw_one(arguments, bits, first, second, place) != 0:
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


@cache
def twister_generator() -> tuple[int, ...]:
    """The words of a `bitgen_t` of the Mersenne Twister, without state."""
    generator = np.random.MT19937()
    words = (ctypes.c_int64 * 5).from_address(generator.ctypes.bit_generator.value)
    return (0, *words[1:])


def counter_generator() -> tuple[int, ...]:
    wide, narrow, real = philox_bits.bit_generator()
    return (0, wide, narrow, real, wide)


@cache
def library_functions() -> tuple[int, int]:
    """The addresses of the C functions log and sqrt."""
    names = ("log", "sqrt")
    found = [ctypes.cast(_mathematics()[n], ctypes.c_void_p).value or 0 for n in names]
    return found[0], found[1]


def _mathematics() -> ctypes.CDLL:
    try:
        C_LIBRARY["log"]
        return C_LIBRARY
    except AttributeError:
        return ctypes.CDLL("libm.so.6")


def variates_step(
    kind: str,
    count: int,
    steps: tuple[int, int],
    width: int = 1,
    counted: bool = False,
) -> CallArrangement:
    """Draw `count` times.  The pointers are those of the state (read and written), of the
    first and the second parameter, and of the result: int64 or float64 throughout.

    steps: bytes from a parameter to the next (0: the same for all; for "search" the second
    is how many sums there are).  width: how many numbers a draw has.
    counted: the state is that of `symnet.random` (key, stream, position), which stays as
    it is; else a Mersenne Twister's.
    """
    name = FUNCTIONS.get(kind)
    function = numpy_function(name) if name is not None else 0
    generator = counter_generator() if counted else twister_generator()
    words = (
        KINDS[kind], function or 0, 0, 0, 0, steps[0], 0, steps[1], width,
        *library_functions(), *generator, int(counted),
    )  # fmt: skip
    each = NS.get(kind, 50.0) * (width if kind in ("permutation", "multinomial") else 1)
    cost = each * count
    grain = max(1, int(20_000 / max(each, 1.0))) if counted else max(1, count)
    slots = (STATE, FIRST, SECOND, RESULT)
    return CallArrangement(draw_variates, words, slots, count, grain, cost)
