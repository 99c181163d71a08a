"""Rows of numbers added to others: a native loop of convolutions."""

from __future__ import annotations

import ctypes
from typing import Any

from symnet.kernels.cpu.jit.intrinsics import NativeInstruction
from symnet.kernels.cpu.jit.native import hot
from symnet.kernels.cpu.library.panels_code import BLOCK


def _adding(kind: str) -> NativeInstruction[[int, int]]:
    """What adds the numbers at `source` to those at `target`; kind: LLVM's type."""
    count, number = kind[1:-1].split(" x ") if "x" in kind else ("1", kind)
    real: Any = {"float": ctypes.c_float, "double": ctypes.c_double}[number]

    def meaning(target: int, source: int) -> int:
        result = (real * int(count)).from_address(target)
        for k, other in enumerate((real * int(count)).from_address(source)):
            result[k] += other
        return 0

    return NativeInstruction(
        f"""
        %p = inttoptr i64 {{target}} to ptr
        %q = inttoptr i64 {{source}} to ptr
        %old = load {kind}, ptr %p, align 4
        %other = load {kind}, ptr %q, align 4
        %new = fadd {kind} %old, %other
        store {kind} %new, ptr %p, align 4
        """,
        meaning,
    )


add_single, add_double = _adding("float"), _adding("double")
add_singles, add_doubles = _adding("<16 x float>"), _adding("<8 x double>")
add_few_singles, add_few_doubles = _adding("<4 x float>"), _adding("<2 x double>")


@hot
def add_numbers(target: int, source: int, count: int, item: int) -> int:
    """Add `count` bytes of numbers to others."""
    done = 0
    if item == 4:
        while done + BLOCK <= count:
            add_singles(target + done, source + done)
            done += BLOCK
        while done + 16 <= count:
            add_few_singles(target + done, source + done)
            done += 16
        while done < count:
            add_single(target + done, source + done)
            done += 4
        return 0
    while done + BLOCK <= count:
        add_doubles(target + done, source + done)
        done += BLOCK
    while done < count:
        add_double(target + done, source + done)
        done += 8
    return 0
