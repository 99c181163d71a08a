"""The loops over single numbers of a `RandomState`: normal ones, and integers."""

from __future__ import annotations

from symnet.kernels.cpu.jit.floats import (
    add,
    apply,
    divide,
    less,
    multiply,
    same,
    to_bits,
)
from symnet.kernels.cpu.jit.intrinsics import load, load_i32, stack, store, store_i32
from symnet.kernels.cpu.jit.native import hot
from symnet.kernels.cpu.library.distributions import (
    FIRST,
    FIRST_STEP,
    RESULT,
    SECOND,
    SECOND_STEP,
    STATE,
)
from symnet.kernels.cpu.library.twister_words import LOGARITHM, ROOT, fill
from symnet.kernels.routines import GAUSS, HAS_GAUSS

ZERO, ONE, TWO = 0, to_bits(1.0), to_bits(2.0)
MINUS_ONE, MINUS_TWO = to_bits(-1.0), to_bits(-2.0)
CHUNK = 256  # pairs of numbers that are looked at together


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
def accepted(
    words: int, count: int, mask: int, low: int, length: int, target: int
) -> int:
    """Words, cut by a mask, that are not above `length`; how many there are."""
    done = 0
    for k in range(count):
        number = load_i32(words, k) & mask
        if number <= length:
            store(target, done, low + number)
            done = done + 1
    return done
