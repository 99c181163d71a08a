"""Short rows of zeros, and copies of numbers that lie apart: by whole vectors."""

from __future__ import annotations

import ctypes
from typing import Any

from symnet.kernels.cpu.jit.intrinsics import (
    NativeInstruction,
    instruction,
    load,
    load_i32,
    store,
    store_i32,
)
from symnet.kernels.cpu.jit.native import hot
from symnet.kernels.cpu.library.panels_code import BLOCK


@instruction("""
    %p = inttoptr i64 {target} to ptr
    store <64 x i8> zeroinitializer, ptr %p, align 1
""")
def clear_block(target: int) -> int:
    """Set 64 bytes to 0."""
    ctypes.memset(target, 0, BLOCK)
    return 0


@hot
def clear_blocks(target: int, count: int) -> int:
    """Set bytes to 0, and up to 63 behind: of a few, quicker than the C library's."""
    done = 0
    while done < count:
        clear_block(target + done)
        done += BLOCK
    return 0


@hot
def scatter_numbers(
    target: int, step: int, source: int, stride: int, count: int, item: int
) -> int:
    """Copy numbers that lie `stride` bytes apart to places `step` bytes apart."""
    if item == 4:
        for _ in range(count):
            store_i32(target, 0, load_i32(source, 0))
            target += step
            source += stride
        return 0
    for _ in range(count):
        store(target, 0, load(source, 0))
        target += step
        source += stride
    return 0


def _picking(kind: str, step: int) -> NativeInstruction[[int, int]]:
    """What copies every `step`-th number from `source` on; kind: LLVM's type of the copy."""
    count, number = kind[1:-1].split(" x ")
    real: Any = {"float": ctypes.c_float, "double": ctypes.c_double}[number]
    many = int(count) * step
    wide = f"<{many} x {number}>"
    picked = ", ".join(f"i32 {k}" for k in range(0, many, step))

    def meaning(target: int, source: int) -> int:
        numbers = (real * many).from_address(source)[::step]
        (real * int(count)).from_address(target)[:] = numbers
        return 0

    return NativeInstruction(
        f"""
        %p = inttoptr i64 {{target}} to ptr
        %q = inttoptr i64 {{source}} to ptr
        %all = load {wide}, ptr %q, align 4
        %some = shufflevector {wide} %all, {wide} poison, <{count} x i32> <{picked}>
        store {kind} %some, ptr %p, align 4
        """,
        meaning,
    )


second_singles, second_doubles = (
    _picking("<16 x float>", 2),
    _picking("<8 x double>", 2),
)
third_singles, third_doubles = _picking("<16 x float>", 3), _picking("<8 x double>", 3)
fourth_singles, fourth_doubles = (
    _picking("<16 x float>", 4),
    _picking("<8 x double>", 4),
)


@hot
def gather_numbers(target: int, source: int, stride: int, count: int, item: int) -> int:
    """Copy numbers that lie `stride` bytes apart; nothing behind the last one is read."""
    lanes = BLOCK // item
    step = stride // item
    done = 0
    if step * item == stride and step >= 2 and step <= 4:
        # What is loaded ends before the first number of the next block.
        while done + lanes < count:
            if item == 4:
                if step == 2:
                    second_singles(target, source)
                elif step == 3:
                    third_singles(target, source)
                else:
                    fourth_singles(target, source)
            elif step == 2:
                second_doubles(target, source)
            elif step == 3:
                third_doubles(target, source)
            else:
                fourth_doubles(target, source)
            target += BLOCK
            source += lanes * stride
            done += lanes
    scatter_numbers(target, item, source, stride, count - done, item)
    return 0
