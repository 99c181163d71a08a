"""Sine, cosine and tangent of numbers so large that pi/2 must have a thousand digits.

CPUs ask the C library; a GPU has none.  A float64 is an integer m below 2**53 times a power
of two.  Of 2/pi only those bits matter that, times m, are not whole turns: 192 of them, read
from a table at the place that the exponent says, give the quadrant and 124 bits of what is
left, of which a float64 near a multiple of pi/2 takes away 62 at most.

Source: Payne and Hanek 1983, "Radian reduction for trigonometric functions"; Muller 2016,
"Elementary functions", section 11.4 (how near to a multiple a float64 comes).
"""

from __future__ import annotations

import math
from functools import cache

from symnet.kernels.llvm.primitives import apply
from symnet.kernels.llvm.text import Scope, constant
from symnet.kernels.loopir.math.expand import expand
from symnet.kernels.loopir.math.trigonometric import turned
from symnet.kernels.loopir.scalars import Scalar, argument, walk

TABLE = "two_over_pi"
WORDS = 21  # of 64 bits: those before the point, which are zero, and 1280 behind it
LEADING = 64  # zeros, for numbers that are hardly large
BIAS = 1075  # of the exponent of m


def huge_angle(scope: Scope, name: str, x: str) -> str:
    """sin, cos or tan (`name`) of one float64 of 2**-9 or more in size.

    Infinities and NaN give NaN.
    """
    scope.module.declarations[TABLE] = table_text()
    quadrant, r = reduced(scope, x)
    q, angle = argument(0, "int64"), argument(1, "float64")
    results = {
        "sin": lambda: turned(angle, q),
        "cos": lambda: turned(angle, q + 1),
        "tan": lambda: turned(angle, q) / turned(angle, q + 1),
    }
    (root,) = expand([results[name]()])
    value = write_scalars(scope, root, {q: quadrant, angle: r})
    nothing = scope.emit(f"fsub double {x}, {x}")  # NaN of what is not finite
    finite = scope.emit(f"fcmp ord double {nothing}, {nothing}")
    return scope.emit(f"select i1 {finite}, double {value}, double {nothing}")


def reduced(scope: Scope, x: str) -> tuple[str, str]:
    """(quadrant, r): x = quadrant pi/2 + r, up to whole turns; |r| <= pi/4."""
    emit = scope.emit
    bits = emit(f"bitcast double {x} to i64")
    field = emit(f"and i64 {emit(f'lshr i64 {bits}, 52')}, 2047")
    fraction = emit(f"and i64 {bits}, {(1 << 52) - 1}")
    mantissa = emit(f"or i64 {fraction}, {1 << 52}")
    high, low = turns(scope, mantissa, emit(f"add i64 {field}, {LEADING - 2 - BIAS}"))
    whole = emit(f"lshr i64 {high}, 62")
    left = scope.call(
        "llvm.fshl.i64", "i64", [("i64", high), ("i64", low), ("i64", "2")]
    )
    # As a signed number what is left is the difference to the nearest quadrant.
    up = emit(f"lshr i64 {left}, 63")
    quadrant = emit(f"add i64 {whole}, {up}")
    first = emit(f"sitofp i64 {left} to double")
    second = emit(f"uitofp i64 {emit(f'shl i64 {low}, 2')} to double")
    quarter = constant(math.pi / 2 * 2.0**-64, "float64")
    tail = emit(f"fmul double {second}, {constant(2.0**-64, 'float64')}")
    r = emit(f"fmul double {emit(f'fadd double {first}, {tail}')}, {quarter}")
    negative = emit(f"icmp slt i64 {bits}, 0")
    other, back = emit(f"sub i64 0, {quadrant}"), emit(f"fneg double {r}")
    return (
        emit(f"select i1 {negative}, i64 {other}, i64 {quadrant}"),
        emit(f"select i1 {negative}, double {back}, double {r}"),
    )


def turns(scope: Scope, mantissa: str, place: str) -> tuple[str, str]:
    """The product with 2/pi modulo 4, as a fraction of 4 in 128 bits; `place`: the first
    bit of the table that matters."""
    emit = scope.emit
    index, shift = emit(f"lshr i64 {place}, 6"), emit(f"and i64 {place}, 63")
    words = []
    for k in range(4):
        at = emit(f"add i64 {index}, {k}")
        slot = emit(f"getelementptr i64, ptr @{TABLE}, i64 {at}")
        words.append(emit(f"load i64, ptr {slot}, align 8"))
    parts = [
        scope.call("llvm.fshl.i64", "i64", [("i64", a), ("i64", b), ("i64", shift)])
        for a, b in zip(words, words[1:], strict=False)
    ]
    wide = emit(f"zext i64 {mantissa} to i128")
    products = [
        emit(f"mul i128 {emit(f'zext i64 {part} to i128')}, {wide}") for part in parts
    ]
    carried = emit(f"add i128 {products[1]}, {emit(f'lshr i128 {products[2]}, 64')}")
    over = emit(f"trunc i128 {emit(f'lshr i128 {carried}, 64')} to i64")
    top = emit(f"trunc i128 {products[0]} to i64")
    return emit(f"add i64 {top}, {over}"), emit(f"trunc i128 {carried} to i64")


def write_scalars(scope: Scope, root: Scalar, known: dict[Scalar, str]) -> str:
    """The value of an expression of single numbers."""
    names = dict(known)
    for node in walk([root]):
        if node.op == "literal":
            names[node] = constant(node.value, node.dtype)
        elif node not in names:
            sources = [a.dtype for a in node.args]
            values = [names[a] for a in node.args]
            names[node] = apply(scope, node.op, node.dtype, sources, values, 0)
    return names[root]


@cache
def table_text() -> str:
    """The bits of 2/pi as a constant array."""
    behind = 64 * WORDS - LEADING
    number = (2 << (2 * behind)) // pi_bits(behind)
    words = [number >> 64 * k & (1 << 64) - 1 for k in reversed(range(WORDS))]
    # (LLVM reads i64 as signed or unsigned.)
    values = ", ".join(f"i64 {word}" for word in words)
    kind = f"[{WORDS} x i64]"
    return f"@{TABLE} = internal unnamed_addr constant {kind} [{values}], align 8"


def pi_bits(count: int) -> int:
    """pi times 2**count, rounded down or one less.

    Source: Machin 1706: pi/4 = 4 arctan(1/5) - arctan(1/239).
    """
    one = 1 << count + 32

    def arctangent(inverse: int) -> int:
        power, total, k = one // inverse, 0, 1
        while power:
            total += power // k if k % 4 == 1 else -(power // k)
            power //= inverse * inverse
            k += 2
        return total

    return 4 * (4 * arctangent(5) - arctangent(239)) >> 32
