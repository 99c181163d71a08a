"""Binomial numbers of a `RandomState`, bit for bit.

It has an inversion of its own, which NumPy does not export: exp(n log(1 - p)) where newer
generators take log1p, and a number drawn for no trials.
"""

from __future__ import annotations

from symnet.kernels.cpu.jit.floats import (
    add,
    apply,
    divide,
    draw_successes,
    less,
    multiply,
    next_float,
    subtract,
    to_bits,
    whole_part,
)
from symnet.kernels.cpu.jit.intrinsics import (
    call,
    float_bits,
    load,
    stack,
    store,
    store_i32,
)
from symnet.kernels.cpu.jit.native import native
from symnet.kernels.cpu.library.distributions import (
    BINOMIAL,
    FIRST,
    FIRST_STEP,
    FUNCTION,
    GENERATOR,
    RESULT,
    SECOND,
    SECOND_STEP,
    STATE,
    memset,
    refused,
)
from symnet.kernels.cpu.library.twister_words import (
    COUNTS,
    EXPONENTIAL,
    LOGARITHM,
    ROOT,
    SUCCESSES,
    USED,
    refreshed,
)

HALF, ONE, TEN, THIRTY = to_bits(0.5), to_bits(1.0), to_bits(10.0), to_bits(30.0)


@native
def none_succeeds(arguments: int, count: int, rest: int) -> int:
    """The chance of that, `rest` being that of one failure."""
    logarithm = apply(load(arguments, LOGARITHM), rest)
    return apply(load(arguments, EXPONENTIAL), multiply(count, logarithm))


@native
def greatest(arguments: int, trials: int, chance: int) -> int:
    """The number of successes beyond which another number is drawn."""
    mean = multiply(float_bits(trials), chance)
    spread = add(multiply(mean, subtract(ONE, chance)), ONE)
    most = add(mean, multiply(TEN, apply(load(arguments, ROOT), spread)))
    if less(most, float_bits(trials)) != 0:
        return whole_part(most)
    return trials


@native
def following(now: int, k: int, trials: int, chance: int) -> int:
    """The chance of k successes, `now` being that of one less."""
    above = multiply(multiply(float_bits(trials - k + 1), chance), now)
    return divide(above, multiply(float_bits(k), subtract(ONE, chance)))


@native
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


@native
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


@native
def chance_table(arguments: int, table: int, trials: int, chance: int) -> int:
    """The chances of 0, 1, ... successes; the result is the last number there is one of."""
    bound = greatest(arguments, trials, chance)
    now = none_succeeds(arguments, float_bits(trials), subtract(ONE, chance))
    store(table, 0, now)
    for k in range(1, bound + 1):
        now = following(now, k, trials, chance)
        store(table, k, now)
    return bound


@native
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


@native
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


@native
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
