"""The long division, against C's fmod."""

from __future__ import annotations

import ctypes
import math
from typing import Any

import numpy as np
import pytest

from symnet.kernels.llvm.lanes import Lanes
from symnet.kernels.llvm.machine import machine
from symnet.kernels.llvm.object_code import load_objects
from symnet.kernels.llvm.remainders import long_remainder
from symnet.kernels.llvm.text import REGISTER
from tests.kernels.llvm.written_functions import writer

LARGE = {"float32": 3.4e38, "float64": 1.7e308}
SMALL = {"float32": 1.4e-45, "float64": 5e-324}


def fmod(dtype: str) -> Any:
    own, kind = writer(), REGISTER[dtype]
    on = Lanes(own.here(), 0)
    result = long_remainder(on, dtype, "%x", "%y")
    own.finish(f"define {kind} @rest({kind} %x, {kind} %y)", f"ret {kind} {result}")
    library = load_objects([machine().compile(own.module.text())], ["rest"])
    number = ctypes.c_float if dtype == "float32" else ctypes.c_double
    function = ctypes.CFUNCTYPE(number, number, number)(library.addresses[0])
    return lambda x, y, library=library: function(x, y)


def same(got: float, want: float) -> bool:
    if math.isnan(want):
        return math.isnan(got)
    return got == want and math.copysign(1, got) == math.copysign(1, want)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_quotients_of_any_size(dtype: str) -> None:
    rest, rng = fmod(dtype), np.random.default_rng(0)
    ends = [0.0, 1.0, 0.1, 7.0, LARGE[dtype], SMALL[dtype], 3 * SMALL[dtype], math.inf]
    cases = [(x, y) for x in [*ends, math.nan] for y in [*ends, math.nan]]
    powers = 10 ** rng.uniform(-37, 37, (300, 2))
    cases += [tuple(pair) for pair in powers.tolist()]
    for x, y in cases:
        x, y = (float(np.array(v, dtype)) for v in (x, y))
        for a, b in ((x, y), (-x, y), (x, -y)):
            invalid = math.isinf(a) or b == 0 or math.isnan(a + b)
            want = math.nan if invalid else math.fmod(a, b)
            assert same(rest(a, b), want), (a, b)
