"""Random bits made integers in a range."""

from __future__ import annotations

from typing import Any

import numpy as np

from symnet.kernels.loopir.scalars import Scalar, call, cast, literal, select
from symnet.ops.elementwise import elementwise


def _high_product(x: Scalar, y: Scalar) -> Scalar:
    """The upper 64 bits of a product of two uint64."""
    mask = literal(0xFFFFFFFF, "uint64")
    a, b = call("shift_right", x, 32), call("and", x, mask)
    c, d = call("shift_right", y, 32), call("and", y, mask)
    middle = a * d + call("shift_right", b * d, 32)
    lower = b * c + call("and", middle, mask)
    return a * c + call("shift_right", middle, 32) + call("shift_right", lower, 32)


def _scale_body(bits: Scalar, low: Scalar, high: Scalar) -> Scalar:
    """low + floor(bits * (high - low) / 2**64): each integer with the same probability up
    to (high - low) / 2**64.

    Source: Lemire, "Fast random integer generation in an interval", ACM TOMACS 29 (2019),
    without its rejection.
    """
    length = cast(high, "uint64") - cast(low, "uint64")
    length = select(low < high, length, 0)
    return low + cast(_high_product(bits, length), "int64")


def _scale_reference(xp: Any, bits: Any, low: Any, high: Any) -> Any:
    length = xp.where(
        low < high, high.astype("uint64") - low.astype("uint64"), np.uint64(0)
    )
    shift, mask = np.uint64(32), np.uint64(0xFFFFFFFF)
    a, b, c, d = bits >> shift, bits & mask, length >> shift, length & mask
    middle = a * d + ((b * d) >> shift)
    lower = b * c + (middle & mask)
    return low + (a * c + (middle >> shift) + (lower >> shift)).astype("int64")


scale_bits = elementwise(
    _scale_body, None, _scale_reference,
    name="scale_bits", arity=3, compute="own", result="int64", accepts="iu",
)  # fmt: skip
