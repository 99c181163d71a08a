"""What Philox draws, computed by NumPy alone: the reference that native draws are judged by.

Nothing here comes from `kernels`.  Blocks are integer arithmetic on arrays.  Counts, gamma
numbers and permutations are drawn by NumPy's own `Generator`, or by its rule for whole
numbers, from a bit generator written in Python, which begins anew at each element's
counter: slow, and independent of the native one.

Source: Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3",
Proc. SC11 (2011); its library Random123 gives known blocks.
"""

from __future__ import annotations

import ctypes
import math
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

FACTORS = (0xD2511F53, 0xCD9E8D57)
GOLDEN_RATIO, ROOT_OF_THREE = (
    0x9E3779B9,
    0xBB67AE85,
)  # what a key grows by in each round
LOWER = 0xFFFFFFFF
BLOCKS_AT_ONCE = (
    8  # of every element together; what is needed beyond is made one by one
)

Array = np.ndarray[Any, Any]
Words = list[Array]


def blocks(places: Any, stream: int, key: int, row: Any = 0) -> Words:
    """The four words of each position's block, as uint64."""
    mask, row = np.uint64(LOWER), np.asarray(row, np.uint64)
    shift = np.uint64(32)
    a, b = places & mask, places >> shift
    c = np.full(np.shape(places), stream & LOWER, np.uint64)
    d = np.zeros(np.shape(places), np.uint64) + (row & mask)
    first, second = key & LOWER, key >> 32
    for _ in range(10):
        left, right = a * np.uint64(FACTORS[0]), c * np.uint64(FACTORS[1])
        a, b = (right >> shift) ^ b ^ np.uint64(first), right & mask
        c, d = (left >> shift) ^ d ^ np.uint64(second), left & mask
        first, second = (first + GOLDEN_RATIO) & LOWER, (second + ROOT_OF_THREE) & LOWER
    return [a, b, c, d]


# ---- from a block to a number


def bits_reference(words: Words, dtype: str) -> Array:
    if dtype == "uint32":
        return words[0].astype(dtype)
    return np.asarray(words[0] | (words[1] << np.uint64(32)))


def uniform_reference(words: Words, dtype: str) -> Array:
    if dtype == "float64":
        joined = words[0] | (words[1] << np.uint64(32))
        return np.asarray((joined >> np.uint64(12)).astype(np.float64) * 2.0**-52)
    kept = 24 if dtype == "float32" else 11
    whole = (words[0] >> np.uint64(32 - kept)).astype(np.float64)
    return np.asarray(whole * 2.0**-kept).astype(dtype)


def normal_reference(words: Words, dtype: str) -> Array:
    above: Any
    angle: Any
    if dtype == "float64":
        above = 1.0 - uniform_reference(words[:2], dtype)
        angle = (uniform_reference(words[2:], dtype) - 0.5) * (2 * np.pi)
        return np.asarray(np.sqrt(-2 * np.log(above)) * np.cos(angle))
    whole = (words[0] >> np.uint64(1)).astype(np.float32)
    above = whole * np.float32(2.0**-31) + np.float32(2.0**-32)
    turn = words[1].astype(np.uint32).view(np.int32).astype(np.float32)
    angle = turn * np.float32(np.pi * 2.0**-31)
    radius = np.sqrt(np.log(above) * np.float32(-2))
    return np.asarray(radius * np.cos(angle)).astype(dtype)


REFERENCES = {
    "bits": bits_reference,
    "uniform": uniform_reference,
    "normal": normal_reference,
}


# ---- a bit generator for NumPy


class _Interface(ctypes.Structure):
    """NumPy's `bitgen_t`: a state, and what draws from it."""

    _fields_ = [
        ("state", ctypes.c_void_p),
        ("next_uint64", ctypes.c_void_p),
        ("next_uint32", ctypes.c_void_p),
        ("next_double", ctypes.c_void_p),
        ("next_raw", ctypes.c_void_p),
    ]


class CountedBits:
    """What `numpy.random.Generator` draws bits from: element by element, each from the
    blocks of its own counter, whose last word counts the blocks."""

    def __init__(self, state: Array, count: int) -> None:
        self.key, self.stream, start = (int(n) for n in state)
        with np.errstate(over="ignore"):
            self.places = np.uint64(start) + np.arange(count, dtype=np.uint64)
        self.together: list[list[list[int]]] = []  # block, element, word
        self.lock = threading.Lock()
        self.begin(0)
        wide = ctypes.CFUNCTYPE(ctypes.c_uint64, ctypes.c_void_p)
        narrow = ctypes.CFUNCTYPE(ctypes.c_uint32, ctypes.c_void_p)
        real = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_void_p)
        self._functions = (
            wide(lambda _: self.wide()),
            narrow(lambda _: self.word()),
            real(lambda _: (self.wide() >> 11) * 2.0**-53),
        )
        places = [ctypes.cast(f, ctypes.c_void_p) for f in self._functions]
        self._interface = _Interface(None, *places, places[0])
        make = ctypes.pythonapi.PyCapsule_New
        make.restype = ctypes.py_object
        make.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
        self.capsule = make(ctypes.addressof(self._interface), b"BitGenerator", None)

    def begin(self, element: int) -> None:
        self.element, self.used = element, 0

    def word(self) -> int:
        """The next 32 bits."""
        number, place = divmod(self.used, 4)
        self.used += 1
        if number >= BLOCKS_AT_ONCE:
            one = self.places[self.element : self.element + 1]
            return int(blocks(one, self.stream, self.key, number)[place][0])
        while len(self.together) <= number:
            words = blocks(self.places, self.stream, self.key, len(self.together))
            self.together.append(np.stack(words, axis=1).tolist())
        return self.together[number][self.element][place]

    def wide(self) -> int:
        """The next 64 bits, the lower half first."""
        low = self.word()
        return low | (self.word() << 32)

    def below(self, largest: int) -> int:
        """A whole number from 0 to `largest`: as many bits as it has, until they fit."""
        mask = (1 << largest.bit_length()) - 1
        draw = self.word if largest <= LOWER else self.wide
        while True:
            number = draw() & mask
            if number <= largest:
                return number


# ---- distributions


def variates_reference(
    kind: str,
    state: Array,
    first: Array,
    second: Array,
    shape: tuple[int, ...],
    dtype: str,
) -> Array:
    """Numbers of a distribution, see `PhiloxVariates`.  Raises: ValueError for parameters
    that it does not have."""
    result: Array = np.zeros(shape, dtype)
    if kind == "permutation":
        rows = result.reshape(math.prod(shape[:-1]), shape[-1])
        bits = CountedBits(state, len(rows))
        for k, row in enumerate(rows):
            bits.begin(k)
            _shuffle(bits, row)
        return result
    flat = result.reshape(-1)
    firsts = np.broadcast_to(first, shape).reshape(-1)
    seconds = np.broadcast_to(second, shape).reshape(-1)
    _check(kind, firsts, seconds)
    bits = CountedBits(state, flat.size)
    draw = _drawer(kind, np.random.Generator(bits))  # type: ignore[arg-type]
    for k, parameters in enumerate(zip(firsts.tolist(), seconds.tolist(), strict=True)):
        bits.begin(k)
        flat[k] = draw(*parameters)
    return result


def _drawer(kind: str, generator: np.random.Generator) -> Callable[[Any, Any], Any]:
    if kind == "poisson":
        return lambda mean, _: generator.poisson(mean)
    if kind == "gamma":
        return lambda shape, _: generator.standard_gamma(shape)
    return lambda trials, chance: generator.binomial(trials, chance)


def _check(kind: str, first: Array, second: Array) -> None:
    if kind == "binomial":
        fine = (first >= 0) & (second >= 0) & (second <= 1)
    else:
        fine = first >= 0
    if not np.all(fine):
        raise ValueError(f"{kind}: parameters that it does not have")


def _shuffle(bits: CountedBits, row: Array) -> None:
    """0 to n - 1, each place changed with one that is not behind it, the last one first."""
    row[:] = np.arange(len(row))
    for k in range(len(row) - 1, 0, -1):
        other = bits.below(k)
        row[k], row[other] = row[other], row[k]
