"""Philox-4x32-10: random numbers by counting, as a scalar body.

Source: Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3",
Proc. SC11 (2011).

A block of four 32-bit words is a function of a counter (four words) and a key (two): so
any number can be drawn at any time, by any thread, from its position alone.
"""

from __future__ import annotations

from collections.abc import Sequence

from symnet.kernels.loopir.scalars import Scalar, call, cast, literal

ROUNDS = 10
MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
KEY_STEPS = (0x9E3779B9, 0xBB67AE85)  # the golden ratio, and the root of 3 less 1


def philox(counter: Sequence[Scalar], key: Sequence[Scalar]) -> list[Scalar]:
    """The block of a counter: four uint32 from four uint32, with a key of two.

    Words are kept in uint64, whose upper half is looked at by nobody: so a round is two
    products, two shifts and four exclusive ors, with nothing between to pack or unpack.
    """
    a, b, c, d = (cast(word, "uint64") for word in counter)
    first, second = key
    for _ in range(ROUNDS):
        left, right = wide_product(a, MULTIPLIERS[0]), wide_product(c, MULTIPLIERS[1])
        a, b = mixed(right, b, first), right
        c, d = mixed(left, d, second), left
        first, second = first + KEY_STEPS[0], second + KEY_STEPS[1]
    return [cast(word, "uint32") for word in (a, b, c, d)]


def wide_product(x: Scalar, factor: int) -> Scalar:
    """The product of the lower half of x and 32 bits."""
    return call("and", x, 0xFFFFFFFF) * literal(factor, "uint64")


def mixed(product: Scalar, word: Scalar, key: Scalar) -> Scalar:
    """The upper half of a product, a word and a key."""
    upper = call("shift_right", product, 32)
    return call("xor", call("xor", upper, word), cast(key, "uint64"))


def halves(x: Scalar) -> tuple[Scalar, Scalar]:
    """The lower and the upper word of a uint64."""
    return cast(x, "uint32"), cast(call("shift_right", x, 32), "uint32")
