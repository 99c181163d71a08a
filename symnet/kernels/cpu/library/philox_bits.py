"""Philox-4x32-10 as a bit generator for functions of NumPy: see `kernels.loopir.philox_body`."""

from __future__ import annotations

from functools import cache, partial

from symnet.kernels.llvm.machine import machine
from symnet.kernels.llvm.object_code import (
    Library,
    load_objects,
    made_object,
    object_code,
    source_digest,
)
from symnet.kernels.loopir import philox_body
from symnet.kernels.loopir.philox_body import KEY_STEPS, MULTIPLIERS, ROUNDS

# Its state, by 32-bit word: the key, the counter, the present block, and how many of its
# words are used.
KEY, COUNTER, BLOCK, USED = 0, 2, 6, 10
STATE_WORDS = 12
NAMES = ["next_uint64", "next_uint32", "next_double"]


@cache
def bit_generator() -> tuple[int, int, int]:
    """Addresses of the C functions next_uint64, next_uint32 and next_double of a state."""
    first, second, third = _library().addresses
    return first, second, third


@cache
def _library() -> Library:
    """The code, for good."""
    digest = source_digest(__file__, philox_body.__file__)
    key, build = f"philox {digest}", partial(machine().compile, text())
    data = object_code(key, build)
    return load_objects([data], NAMES, again=lambda: [made_object(key, build)])


def text() -> str:
    """The LLVM IR of the bit generator."""
    return "\n".join(
        [f'target triple = "{machine().target.triple}"', block_text(), NEXT]
    )


def block_text() -> str:
    """The function that fills the block from the counter, and counts draws in word 3."""
    lines = ["define internal void @fill(ptr %state) {"]
    names = {}
    for number, name in enumerate(["k0", "k1", "a", "b", "c", "d"]):
        lines += [
            f"%p{number} = getelementptr i32, ptr %state, i64 {number}",
            f"%v{number} = load i32, ptr %p{number}",
        ]
        names[name] = f"%v{number}"
    draws = names["d"]
    for number in range(ROUNDS):
        lines += round_text(number, names)
    lines += [f"%more = add i32 {draws}, 1", "store i32 %more, ptr %p5"]
    for number, name in enumerate("abcd"):
        lines += [
            f"%q{number} = getelementptr i32, ptr %state, i64 {BLOCK + number}",
            f"store i32 {names[name]}, ptr %q{number}",
        ]
    return "\n".join([*lines, "ret void", "}"])


def round_text(number: int, names: dict[str, str]) -> list[str]:
    """One round; `names` are changed to those of the new values."""
    lines = []
    for letter, factor in zip("ac", MULTIPLIERS, strict=True):
        lines += [
            f"%w{letter}{number} = zext i32 {names[letter]} to i64",
            f"%m{letter}{number} = mul i64 %w{letter}{number}, {factor}",
            f"%s{letter}{number} = lshr i64 %m{letter}{number}, 32",
            f"%h{letter}{number} = trunc i64 %s{letter}{number} to i32",
            f"%l{letter}{number} = trunc i64 %m{letter}{number} to i32",
        ]
    for new, high, old, key in (("a", "c", "b", "k0"), ("c", "a", "d", "k1")):
        lines += [
            f"%x{new}{number} = xor i32 %h{high}{number}, {names[old]}",
            f"%y{new}{number} = xor i32 %x{new}{number}, {names[key]}",
        ]
    for key, step in zip(("k0", "k1"), KEY_STEPS, strict=True):
        lines.append(f"%{key}.{number} = add i32 {names[key]}, {step - 2**32}")
        names[key] = f"%{key}.{number}"
    names.update(a=f"%ya{number}", b=f"%lc{number}", c=f"%yc{number}", d=f"%la{number}")
    return lines


# A float64 between 0 and 1 has 53 bits, as in NumPy's bit generators.
NEXT = f"""
define i32 @next_uint32(ptr %state) {{
  %place = getelementptr i32, ptr %state, i64 {USED}
  %used = load i32, ptr %place
  %empty = icmp uge i32 %used, 4
  br i1 %empty, label %again, label %take
again:
  call void @fill(ptr %state)
  br label %take
take:
  %k = phi i32 [ %used, %0 ], [ 0, %again ]
  %next = add i32 %k, 1
  store i32 %next, ptr %place
  %wide = zext i32 %k to i64
  %from = add i64 %wide, {BLOCK}
  %where = getelementptr i32, ptr %state, i64 %from
  %word = load i32, ptr %where
  ret i32 %word
}}
define i64 @next_uint64(ptr %state) {{
  %a = call i32 @next_uint32(ptr %state)
  %b = call i32 @next_uint32(ptr %state)
  %low = zext i32 %a to i64
  %high = zext i32 %b to i64
  %up = shl i64 %high, 32
  %all = or i64 %up, %low
  ret i64 %all
}}
define double @next_double(ptr %state) {{
  %all = call i64 @next_uint64(ptr %state)
  %most = lshr i64 %all, 11
  %number = uitofp i64 %most to double
  %part = fmul double %number, 0x3CA0000000000000
  ret double %part
}}
"""
