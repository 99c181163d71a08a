"""MRG31k3p as instructions: for the lanes of a CPU's vectors and for a GPU's threads.

Source: L'Ecuyer and Touzin, "Fast combined multiple recursive generators with multipliers
of the form a = +-2^q +-2^r", Proc. 2000 Winter Simulation Conference, 683-689.

Two recurrences of three numbers each, below the primes M1 and M2:
  x[n] = 2**22 x[n-2] + (2**7 + 1) x[n-3] mod M1
  y[n] = 2**15 y[n-1] + (2**15 + 1) y[n-3] mod M2
A draw is (x[n] - y[n]) mod M1, from 1 to M1.  A product by 2**q modulo 2**31 - c is a
rotation of 31 bits with the upper part times c: shifts, masks and one small product.

A state is x[n-1], x[n-2], x[n-3], and so of y: int32.
"""

from __future__ import annotations

from collections.abc import Sequence

from symnet.kernels.llvm.lanes import Lanes
from symnet.kernels.llvm.text import MEMORY, REGISTER, splat_constant, type_text
from symnet.kernels.routines import M1, M2, NORMS


def advance(on: Lanes, state: Sequence[str]) -> tuple[list[str], str]:
    """One step: the new state, and the draw."""
    x1, x2, x3, y1, y2, y3 = state
    x = integer(on, "add", times_power(on, x2, 22, 1), times_power(on, x3, 7, 1))
    x = reduce(on, x, M1)
    x = reduce(on, integer(on, "add", x, x3), M1)
    first = reduce(on, times_power(on, y1, 15, 21069), M2)
    second = reduce(on, times_power(on, y3, 15, 21069), M2)
    y = reduce(on, integer(on, "add", second, y3), M2)
    y = reduce(on, integer(on, "add", y, first), M2)
    difference = integer(on, "sub", x, y)
    below = on.compare("le", "int32", x, y)
    wrapped = integer(on, "add", difference, M1)
    draw = on.select(below, "int32", wrapped, difference)
    return [x, x1, x2, y, y1, y2], draw


def integer(on: Lanes, name: str, left: str, right: str | int) -> str:
    if isinstance(right, int):
        right = on.constant(right, "int32")
    return on.binary(name, "int32", left, right)


def reduce(on: Lanes, value: str, modulus: int) -> str:
    """A sum below 2**32, minus the modulus where it is not below it."""
    less = integer(on, "sub", value, modulus)
    return on.intrinsic("umin", "int32", value, less)


def times_power(on: Lanes, value: str, power: int, multiple: int) -> str:
    """value * 2**power modulo 2**31 - multiple, not yet below it."""
    kept = 31 - power
    low = integer(on, "and", value, (1 << kept) - 1)
    shifted = integer(on, "shl", low, power)
    high = integer(on, "lshr", value, kept)
    if multiple != 1:
        high = integer(on, "mul", high, multiple)
    return integer(on, "add", shifted, high)


def number(on: Lanes, draw: str, dtype: str) -> str:
    """A draw as a number between 0 and 1, as it lies in memory.

    A float16 takes 15 bits, plus 1: that times its factor of 9 bits is exact in
    float32, so the only rounding is the last one.
    """
    if dtype == "float16":
        draw = integer(on, "add", integer(on, "and", draw, 0x7FFF), 1)
    value = on.convert("sitofp", "int32", dtype, draw)
    factor = splat_constant(NORMS[dtype], dtype, on.lanes)
    value = on.binary("fmul", dtype, value, factor)
    if MEMORY[dtype] == REGISTER[dtype]:
        return value
    kind = type_text(MEMORY[dtype], on.lanes)
    return on.scope.emit(f"fptrunc {on.type(dtype)} {value} to {kind}")


__all__ = ["advance", "number"]
