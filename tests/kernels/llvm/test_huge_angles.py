"""Sines, cosines and tangents of huge numbers without a C library, against mpmath."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest

from symnet.kernels.llvm.huge_angles import pi_bits, table_text
from symnet.kernels.loopir.scalars import Kernel, Output, call, load
from tests.kernels.kernel_reference import operand
from tests.kernels.llvm.thread_reference import run_threads

# Of all float64 the nearest to a multiple of pi/2.  Source: Muller 2016, section 11.
NEAREST = 6381956970095103 * 2.0**797


def test_the_digits_of_pi() -> None:
    with mpmath.workdps(500):
        assert abs(pi_bits(1280) - mpmath.floor(mpmath.pi * 2**1280)) <= 1
        word = int(table_text().split("[i64 0, i64 ")[1].split(",")[0])
        assert word == mpmath.floor(2 / mpmath.pi * 2**64)


def numbers(dtype: str) -> Any:
    rng = np.random.default_rng(0)
    most = 38 if dtype == "float32" else 308
    x = 10 ** rng.uniform(5 if dtype == "float32" else 9, most, 300)
    x = np.concatenate([x, [np.finfo(dtype).max, 1e22 if most > 38 else 1e10]])
    if dtype == "float64":
        x = np.concatenate([x, [NEAREST, 2.0**1000, 1.5 * 2.0**40]])
    return np.concatenate([x, -x]).astype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["sin", "cos", "tan"])
def test_values(name: str, dtype: str) -> None:
    full = operand(dtype, [1])
    value = call(name, load(0, dtype))
    kernel = Kernel(1, (False,), (full,), (Output(full, value),))
    x = numbers(dtype)
    out = np.zeros_like(x)
    run_threads(kernel, x.shape, [x, out])
    with mpmath.workdps(700):
        want = [getattr(mpmath, name)(mpmath.mpf(float(number))) for number in x]
        errors = [abs(float((mpmath.mpf(float(o)) - w) / w)) for o, w in zip(out, want)]
    assert max(errors) < (1 if dtype == "float32" else 3) * np.finfo(dtype).eps


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_is_not_finite(dtype: str) -> None:
    full = operand(dtype, [1])
    for name in ("sin", "cos", "tan"):
        kernel = Kernel(
            1, (False,), (full,), (Output(full, call(name, load(0, dtype))),)
        )
        x = np.array([np.inf, -np.inf, np.nan, 0.0, -0.0], dtype)
        out = np.zeros_like(x)
        run_threads(kernel, x.shape, [x, out])
        assert np.isnan(out[:3]).all()
        np.testing.assert_array_equal(out[3:], getattr(np, name)(x[3:]))
