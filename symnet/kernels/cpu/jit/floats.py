"""Instructions on float64 for native code, whose values are 64-bit integers: a float64
is the integer of its bits."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable
from typing import Any

import numpy as np

from symnet.kernels.cpu.jit.intrinsics import NativeInstruction, instruction


def to_bits(number: float) -> int:
    """The bits of a float64."""
    return int(struct.unpack("<q", struct.pack("<d", number))[0])


def from_bits(bits: int) -> float:
    """The float64 of these bits."""
    return float(struct.unpack("<d", struct.pack("<q", bits))[0])


Two = NativeInstruction[[int, int]]


def _binary(name: str, meaning: Callable[[float, float], float]) -> Two:
    """`name` of LLVM on two float64."""

    def body(left: int, right: int) -> int:
        with np.errstate(all="ignore"):
            return to_bits(meaning(np.float64(from_bits(left)), from_bits(right)))

    return NativeInstruction(
        f"""%a = bitcast i64 {{left}} to double
            %b = bitcast i64 {{right}} to double
            %c = {name} double %a, %b
            {{result}} = bitcast double %c to i64""",
        body,
    )


add = _binary("fadd", lambda a, b: a + b)
subtract = _binary("fsub", lambda a, b: a - b)
multiply = _binary("fmul", lambda a, b: a * b)
divide = _binary("fdiv", lambda a, b: a / b)


def _comparison(name: str, meaning: Callable[[float, float], bool]) -> Two:
    def body(left: int, right: int) -> int:
        return int(meaning(from_bits(left), from_bits(right)))

    return NativeInstruction(
        f"""%a = bitcast i64 {{left}} to double
            %b = bitcast i64 {{right}} to double
            %c = fcmp {name} double %a, %b
            {{result}} = zext i1 %c to i64""",
        body,
    )


less = _comparison("olt", lambda a, b: a < b)
same = _comparison("oeq", lambda a, b: a == b)


@instruction("""
    %a = bitcast i64 {bits} to double
    %b = fptrunc double %a to float
    %c = fpext float %b to double
    {result} = bitcast double %c to i64
""")
def single(bits: int) -> int:
    """The nearest number that float32 has."""
    return to_bits(ctypes.c_float(from_bits(bits)).value)


@instruction("""
    %i = trunc i64 {bits} to i32
    %f = bitcast i32 %i to float
    %d = fpext float %f to double
    {result} = bitcast double %d to i64
""")
def wide_bits(bits: int) -> int:
    """The bits of a float32, in the lower half, as those of the same float64."""
    number = ctypes.c_float.from_buffer(ctypes.c_uint32(bits & 0xFFFFFFFF)).value
    return to_bits(number)


@instruction("""
    %a = bitcast i64 {bits} to double
    {result} = fptosi double %a to i64
""")
def whole_part(bits: int) -> int:
    """The integer of a float64 within its range, without the fraction."""
    return int(from_bits(bits))


@instruction("""
    %f = inttoptr i64 {function} to ptr
    %a = bitcast i64 {bits} to double
    %b = call double %f(double %a)
    {result} = bitcast double %b to i64
""")
def apply(function: int, bits: int) -> int:
    """The C function double(double) at that address."""
    kind = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)
    return to_bits(kind(function)(from_bits(bits)))


@instruction("""
    %f = inttoptr i64 {function} to ptr
    %b = call double %f(i64 {address})
    {result} = bitcast double %b to i64
""")
def next_float(function: int, address: int) -> int:
    """The C function double(void *) at that address."""
    kind = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_int64)
    return to_bits(kind(function)(address))


@instruction("""
    %f = inttoptr i64 {function} to ptr
    %a = bitcast i64 {number} to double
    {result} = call i64 %f(i64 {address}, double %a)
""")
def draw_count(function: int, address: int, number: int) -> int:
    """The C function int64(void *, double) at that address."""
    kind = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64, ctypes.c_double)
    return int(kind(function)(address, from_bits(number)))


@instruction("""
    %f = inttoptr i64 {function} to ptr
    %a = bitcast i64 {number} to double
    {result} = call i64 %f(i64 {address}, double %a, i64 {count}, i64 {memory})
""")
def draw_successes(
    function: int, address: int, number: int, count: int, memory: int
) -> int:
    """The C function int64(void *, double, int64, void *) at that address."""
    words: list[Any] = [ctypes.c_int64, ctypes.c_double, *[ctypes.c_int64] * 2]
    kind = ctypes.CFUNCTYPE(ctypes.c_int64, *words)
    return int(kind(function)(address, from_bits(number), count, memory))


@instruction("""
    %f = inttoptr i64 {function} to ptr
    %a = bitcast i64 {number} to double
    %b = call double %f(i64 {address}, double %a)
    {result} = bitcast double %b to i64
""")
def draw_float(function: int, address: int, number: int) -> int:
    """The C function double(void *, double) at that address."""
    kind = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_int64, ctypes.c_double)
    return to_bits(kind(function)(address, from_bits(number)))
