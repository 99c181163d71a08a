"""The words of a `RandomState` in an array, and how steps take numbers from them."""

from __future__ import annotations

from symnet.kernels.cpu.jit.floats import (
    add,
    multiply,
    next_float,
)
from symnet.kernels.cpu.jit.intrinsics import (
    call,
    load,
    load_i32,
    store,
    store_i32,
)
from symnet.kernels.cpu.jit.native import native
from symnet.kernels.cpu.library.distributions import (
    GENERATOR,
    OWN,
    STATE,
)

USED = 624  # the word of a state that says how many are used; also how many there are

# Words of the argument block behind those of `distributions`.
# Functions of `twister_code`.
TWIST, FRACTIONS, WORDS, SUCCESSES, COUNTS = OWN, OWN + 1, OWN + 2, OWN + 3, OWN + 4
PLACES = {"twist": TWIST, "fractions": FRACTIONS, "words": WORDS,
          "successes": SUCCESSES, "counts": COUNTS}  # fmt: skip
# C functions.
LOGARITHM, ROOT, EXPONENTIAL = OWN + 5, OWN + 6, OWN + 7


@native
def refreshed(arguments: int, state: int) -> int:
    """How many words are used, of a block that has some left."""
    if load_i32(state, USED) >= USED:
        call(load(arguments, TWIST), state)
        store_i32(state, USED, 0)
    return load_i32(state, USED)


@native
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
