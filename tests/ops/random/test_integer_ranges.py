"""Random bits scaled to ranges, against Python's integers."""

from __future__ import annotations

import numpy as np

from symnet.ops.base import constant
from symnet.ops.random.integer_ranges import scale_bits
from tests.helpers import run


def test_bits_are_scaled_to_the_length_of_the_range() -> None:
    bits = np.array([0, 2**64 - 1, 2**63, 12345678901234567890], np.uint64)
    for length in (1, 7, 2**32 + 1, 2**63 - 1):
        want = [int(b) * length >> 64 for b in bits.tolist()]
        found = run(scale_bits(constant(bits), np.int64(0), np.int64(length)))
        assert found.tolist() == want
