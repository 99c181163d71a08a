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
    apply,
    divide,
    draw_successes,
    less,
    multiply,
    next_float,
    same,
    subtract,
    to_bits,
    whole_part,
)
from symnet.kernels.cpu.jit.intrinsics import (
    C_LIBRARY,
    call,
    float_bits,
    load,
    load_i32,
    stack,
    store,
    store_i32,
)
from symnet.kernels.cpu.jit.native import hot
from symnet.kernels.cpu.library import twister_code
from symnet.kernels.cpu.library.call_steps import CallArrangement
from symnet.kernels.cpu.library.distributions import (
    BINOMIAL,
    FIRST,
    FIRST_STEP,
    FUNCTION,
    GENERATOR,
    INTEGERS,
    KIND,
    NORMAL,
    OWN,
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
    refused,
)
from symnet.kernels.routines import GAUSS, HAS_GAUSS

USED = 624  # the word of a state that says how many are used; also how many there are

# Words of the argument block behind those of `distributions`.
# Functions of `twister_code`.
TWIST, FRACTIONS, WORDS, SUCCESSES, COUNTS = OWN, OWN + 1, OWN + 2, OWN + 3, OWN + 4
ROUTINES = {
    "uniform": ("twist", "fractions"), "normal": ("twist", "fractions"),
    "search": ("twist", "fractions"), "integers": ("twist", "words"),
    "binomial": ("twist", "successes", "counts"),
}  # fmt: skip
PLACES = {"twist": TWIST, "fractions": FRACTIONS, "words": WORDS,
          "successes": SUCCESSES, "counts": COUNTS}  # fmt: skip
# C functions.
LOGARITHM, ROOT, EXPONENTIAL = OWN + 5, OWN + 6, OWN + 7

ZERO, HALF, ONE, TWO, TEN = 0, to_bits(0.5), to_bits(1.0), to_bits(2.0), to_bits(10.0)
MINUS_ONE, MINUS_TWO, THIRTY = to_bits(-1.0), to_bits(-2.0), to_bits(30.0)
WORD = 4294967295
CHUNK = 256  # pairs of numbers, or words, that are looked at together
NS = {"uniform": 0.6, "normal": 6.0, "integers": 2.0, "search": 10.0, "binomial": 2.0}


# ---- numbers of the generator


@hot
def refreshed(arguments: int, state: int) -> int:
    """How many words are used, of a block that has some left."""
    if load_i32(state, USED) >= USED:
        call(load(arguments, TWIST), state)
        store_i32(state, USED, 0)
    return load_i32(state, USED)


@hot
def fill(arguments: int, target: int, count: int, low: int, length: int) -> int:
    """low + length * u for `count` numbers u from [0, 1)."""
    state = load(arguments, STATE)
    done = 0
    while done < count:
        used = refreshed(arguments, state)
        here = (USED - used) >> 1
        if (
            here == 0
        ):  # a number of the last word of this block and the first of the next
            u = next_float(load(arguments, GENERATOR + 3), state)
            store(target, done, add(low, multiply(length, u)))
            done = done + 1
            continue
        if here > count - done:
            here = count - done
        place = state + 4 * used
        call(load(arguments, FRACTIONS), place, here, target + 8 * done, low, length)
        store_i32(state, USED, used + 2 * here)
        done = done + here
    return 0


# ---- distributions


@hot
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


@hot
def put_normal(arguments: int, k: int, number: int) -> int:
    """mean + deviation * number, as number k of the result."""
    mean = load(load(arguments, FIRST) + k * load(arguments, FIRST_STEP), 0)
    deviation = load(load(arguments, SECOND) + k * load(arguments, SECOND_STEP), 0)
    return store(load(arguments, RESULT), k, add(mean, multiply(deviation, number)))


@hot
def normals(arguments: int, count: int) -> int:
    """Normal numbers as `RandomState` draws them: the second of every pair is kept.

    Source: Marsaglia and Bray, "A convenient method for generating normal variables",
    SIAM Review 6 (1964).
    """
    state = load(arguments, STATE)
    done = 0
    if count > 0 and load_i32(state, HAS_GAUSS) != 0:
        put_normal(arguments, 0, load(state + 4 * GAUSS, 0))
        store_i32(state, HAS_GAUSS, 0)
        store(state + 4 * GAUSS, 0, 0)
        done = 1
    points = stack(512)
    while done < count:
        # Not more than are needed if all lie in the circle, so none is left over.
        pairs = (count - done + 1) >> 1
        if pairs > CHUNK:
            pairs = CHUNK
        fill(arguments, points, 2 * pairs, MINUS_ONE, TWO)
        for k in range(pairs):
            x = load(points, 2 * k)
            y = load(points, 2 * k + 1)
            square = add(multiply(x, x), multiply(y, y))
            if less(square, ONE) == 0 or same(square, ZERO) != 0:
                continue
            logarithm = apply(load(arguments, LOGARITHM), square)
            quotient = divide(multiply(MINUS_TWO, logarithm), square)
            factor = apply(load(arguments, ROOT), quotient)
            put_normal(arguments, done, multiply(factor, y))
            done = done + 1
            if done < count:
                put_normal(arguments, done, multiply(factor, x))
                done = done + 1
            else:
                store(state + 4 * GAUSS, 0, multiply(factor, x))
                store_i32(state, HAS_GAUSS, 1)
    return 0


@hot
def refuses_deviation(arguments: int, count: int) -> int:
    if load(arguments, SECOND_STEP) == 0 and count > 1:
        count = 1
    for k in range(count):
        deviation = load(arguments, SECOND) + k * load(arguments, SECOND_STEP)
        if less(load(deviation, 0), ZERO) != 0:
            return 1
    return 0


@hot
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


@hot
def searches(arguments: int, count: int) -> int:
    target = load(arguments, RESULT)
    sums = load(arguments, FIRST)
    fill(arguments, target, count, ZERO, ONE)
    for k in range(count):
        found = position(sums, load(arguments, SECOND_STEP), load(target, k))
        store(target, k, found)
    return 0


@hot
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


@hot
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
        for k in range(here):
            number = load_i32(words, k) & mask
            if number <= length:
                store(target, done, low + number)
                done = done + 1
    return 0


# Binomial numbers.  `RandomState` has an inversion of its own, which NumPy does not export:
# exp(n log(1 - p)) where newer generators take log1p, and a number drawn for no trials.


@hot
def none_succeeds(arguments: int, count: int, rest: int) -> int:
    """The chance of that, `rest` being that of one failure."""
    logarithm = apply(load(arguments, LOGARITHM), rest)
    return apply(load(arguments, EXPONENTIAL), multiply(count, logarithm))


@hot
def greatest(arguments: int, trials: int, chance: int) -> int:
    """The number of successes beyond which another number is drawn."""
    mean = multiply(float_bits(trials), chance)
    spread = add(multiply(mean, subtract(ONE, chance)), ONE)
    most = add(mean, multiply(TEN, apply(load(arguments, ROOT), spread)))
    if less(most, float_bits(trials)) != 0:
        return whole_part(most)
    return trials


@hot
def following(now: int, k: int, trials: int, chance: int) -> int:
    """The chance of k successes, `now` being that of one less."""
    above = multiply(multiply(float_bits(trials - k + 1), chance), now)
    return divide(above, multiply(float_bits(k), subtract(ONE, chance)))


@hot
def inverted(arguments: int, trials: int, chance: int) -> int:
    """Successes in some trials, of a chance up to a half."""
    state = load(arguments, STATE)
    none = none_succeeds(arguments, float_bits(trials), subtract(ONE, chance))
    bound = greatest(arguments, trials, chance)
    found = 0
    now = none
    u = next_float(load(arguments, GENERATOR + 3), state)
    while less(now, u) != 0:
        found = found + 1
        if found > bound:
            found = 0
            now = none
            u = next_float(load(arguments, GENERATOR + 3), state)
        else:
            u = subtract(u, now)
            now = following(now, found, trials, chance)
    return found


@hot
def binomials_from(arguments: int, bits: int, begin: int, end: int) -> int:
    """Numbers `begin` to `end`, one after the other."""
    memory = stack(40)
    memset(memory, 0, 320)
    for item in range(begin, end):
        first = load(arguments, FIRST) + item * load(arguments, FIRST_STEP)
        second = load(arguments, SECOND) + item * load(arguments, SECOND_STEP)
        if refused(BINOMIAL, first, second, 1) != 0:
            return 1
        trials = load(first, 0)
        chance = load(second, 0)
        smaller = chance
        if less(HALF, chance) != 0:
            smaller = subtract(ONE, chance)
        if less(THIRTY, multiply(smaller, float_bits(trials))) != 0:
            function = load(arguments, FUNCTION)
            found = draw_successes(function, bits, chance, trials, memory)
        elif smaller == chance:
            found = inverted(arguments, trials, chance)
        else:
            found = trials - inverted(arguments, trials, smaller)
        store(load(arguments, RESULT), item, found)
    return 0


@hot
def chance_table(arguments: int, table: int, trials: int, chance: int) -> int:
    """The chances of 0, 1, ... successes; the result is the last number there is one of."""
    bound = greatest(arguments, trials, chance)
    now = none_succeeds(arguments, float_bits(trials), subtract(ONE, chance))
    store(table, 0, now)
    for k in range(1, bound + 1):
        now = following(now, k, trials, chance)
        store(table, k, now)
    return bound


@hot
def of_one_chance(arguments: int, bits: int, count: int) -> int:
    """Successes in several trials, all of one chance."""
    trials = load(load(arguments, FIRST), 0)
    chance = load(load(arguments, SECOND), 0)
    base = 0
    sign = 1
    if less(HALF, chance) != 0:
        chance = subtract(ONE, chance)
        base = trials
        sign = -1
    if less(THIRTY, multiply(chance, float_bits(trials))) != 0:
        return binomials_from(arguments, bits, 0, count)
    table = stack(96)
    bound = chance_table(arguments, table, trials, chance)
    state = load(arguments, STATE)
    target = load(arguments, RESULT)
    done = 0
    while done < count:
        used = refreshed(arguments, state)
        here = (USED - used) >> 1
        if here > count - done:
            here = count - done
        found = call(
            load(arguments, COUNTS),
            state + 4 * used, here, table, bound, base, sign, target + 8 * done,
        )  # fmt: skip
        store_i32(state, USED, used + 2 * found)
        done = done + found
        if done < count and (found < here or here == 0):
            binomials_from(arguments, bits, done, done + 1)
            done = done + 1
    return 0


@hot
def of_one_trial(arguments: int, bits: int, count: int) -> int:
    """One trial each, of chances of their own."""
    state = load(arguments, STATE)
    target = load(arguments, RESULT)
    chances = load(arguments, SECOND)
    done = 0
    while done < count:
        used = refreshed(arguments, state)
        here = (USED - used) >> 1
        if here > count - done:
            here = count - done
        found = call(
            load(arguments, SUCCESSES),
            state + 4 * used, here, chances + 8 * done, target + 8 * done,
        )  # fmt: skip
        store_i32(state, USED, used + 2 * found)
        done = done + found
        if done < count and (found < here or here == 0):
            if binomials_from(arguments, bits, done, done + 1) != 0:
                return 1
            done = done + 1
    return 0


@hot
def binomials(arguments: int, bits: int, count: int) -> int:
    if count == 0:
        return 0
    first = load(arguments, FIRST)
    if load(arguments, FIRST_STEP) != 0:
        return binomials_from(arguments, bits, 0, count)
    if load(arguments, SECOND_STEP) != 0:
        if load(first, 0) == 1:
            return of_one_trial(arguments, bits, count)
        return binomials_from(arguments, bits, 0, count)
    if refused(BINOMIAL, first, load(arguments, SECOND), 1) != 0:
        return 1
    return of_one_chance(arguments, bits, count)


@hot
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


@cache
def library_functions() -> tuple[int, ...]:
    """The addresses of the C functions log, sqrt, exp."""
    names = ("log", "sqrt", "exp")
    found = [ctypes.cast(_mathematics()[n], ctypes.c_void_p).value or 0 for n in names]
    return tuple(found)


def _mathematics() -> ctypes.CDLL:
    try:
        C_LIBRARY["log"]
        return C_LIBRARY
    except AttributeError:
        return ctypes.CDLL("libm.so.6")


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
        *library_functions(),
    )  # fmt: skip
    each = NS.get(kind, 50.0) * (width if kind in ("permutation", "multinomial") else 1)
    found = [(PLACES[n], twister_code.routine(n)) for n in ROUTINES.get(kind, ())]
    return CallArrangement(
        draw_twister, words, (STATE, FIRST, SECOND, RESULT), count, max(1, count),
        each * count, routines=tuple(found),
    )  # fmt: skip
