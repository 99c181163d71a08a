"""float16 for processors without instructions for it: x86 before 2012, and virtual machines
that stand for such.

LLVM calls a function for each number there.  Compilers have them in a library of theirs;
here they are linked to every library of such a processor.

Formats: IEEE 754-2019, table 3.5.  float16 has 10 bits of fraction and a bias of 15,
float32 23 bits and 127: their exponents are (127 - 15) * 2**23 apart, as integers.
"""

from __future__ import annotations

from symnet.kernels.llvm.target import Target

# To narrow: where float16 has all its digits, half a unit is added (a bit less for even
# numbers, so that ties go to even ones) and the rest cut off; an overflow becomes infinity by
# itself.  Below, 0.5 is added, whose last bit is float16's smallest number, so that the
# addition rounds.
TEXT = """
define half @__truncsfhf2(float %x) #0 {
  %bits = bitcast float %x to i32
  %sign = and i32 %bits, u0x80000000
  %size = and i32 %bits, u0x7FFFFFFF
  %unit = lshr i32 %size, 13
  %odd = and i32 %unit, 1
  %moved = sub i32 %size, u0x38000000
  %most = add i32 %moved, u0xFFF
  %rounded = add i32 %most, %odd
  %digits = lshr i32 %rounded, 13
  %value = bitcast i32 %size to float
  %sum = fadd float %value, 5.0e-01
  %sum.bits = bitcast float %sum to i32
  %count = sub i32 %sum.bits, u0x3F000000
  %small = icmp ult i32 %size, u0x38800000
  %finite = select i1 %small, i32 %count, i32 %digits
  %payload = and i32 %unit, u0x3FF
  %quiet = or i32 %payload, u0x7E00
  %nan = icmp ugt i32 %size, u0x7F800000
  %special = select i1 %nan, i32 %quiet, i32 u0x7C00
  %large = icmp uge i32 %size, u0x47800000
  %half = select i1 %large, i32 %special, i32 %finite
  %top = lshr i32 %sign, 16
  %whole = or i32 %half, %top
  %narrow = trunc i32 %whole to i16
  %result = bitcast i16 %narrow to half
  ret half %result
}

define float @__extendhfsf2(half %x) #0 {
  %narrow = bitcast half %x to i16
  %bits = zext i16 %narrow to i32
  %sign = and i32 %bits, u0x8000
  %top = shl i32 %sign, 16
  %size = and i32 %bits, u0x7FFF
  %digits = shl i32 %size, 13
  %usual = add i32 %digits, u0x38000000
  %special = or i32 %digits, u0x7F800000
  %count = uitofp i32 %size to float
  %value = fmul float %count, 0x3E70000000000000
  %value.bits = bitcast float %value to i32
  %small = icmp ult i32 %size, u0x400
  %finite = select i1 %small, i32 %value.bits, i32 %usual
  %large = icmp uge i32 %size, u0x7C00
  %wide = select i1 %large, i32 %special, i32 %finite
  %whole = or i32 %wide, %top
  %result = bitcast i32 %whole to float
  ret float %result
}
"""


def conversions_text(target: Target) -> str:
    """The LLVM module of both functions."""
    return (
        f'target triple = "{target.triple}"\n{TEXT}\n'
        f"attributes #0 = {{ {target.attributes} }}\n"
    )
