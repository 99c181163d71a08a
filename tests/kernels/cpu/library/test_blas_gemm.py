"""Products of matrices: long sums are exact, a factor of 0 hides nothing, and the number
of threads changes no bit."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from symnet.config import config
from symnet.kernels.cpu.library import blas_gemm, call_steps
from symnet.kernels.cpu.library.call_steps import gemm_step
from symnet.kernels.cpu.runtime import threads
from tests.kernels.cpu.library.test_call_steps import (
    LAYOUTS,
    laid_out,
    random,
    run_step,
)


def product(a, b, c=None, alpha=1.0, beta=0.0, scalars=()):
    """alpha * a @ b + beta * c, in c's memory; scalars: where None stands for a number."""
    dtype = a.dtype.name
    (m, k), n = a.shape, b.shape[1]
    c = np.full((m, n), np.nan, dtype) if c is None else c
    step = gemm_step(dtype, m, n, k, a.strides, b.strides, c.strides, alpha, beta)
    held = [np.array(s, dtype) for s in scalars]
    assert run_step(step, [x.ctypes.data for x in (a, b, c, *held)]) == 0
    return c


SHAPES = [(1, 1), (1, 3), (3, 1), (40, 1), (2, 2), (1, 16), (10, 10), (70, 65)]


@pytest.mark.parametrize("k", [5000, 100_003, 1_000_000])
@pytest.mark.parametrize("shape", SHAPES)
def test_long_sums_of_positive_float32(shape, k):
    """With BLAS alone up to 1e-5 of the result: an error that grows with the length."""
    m, n = shape
    if m * n * k > 2e7:
        k = 20_000_000 // (m * n)
    rng = np.random.default_rng(k)
    a, b = rng.random((m, k), np.float32), rng.random((k, n), np.float32)
    want = a.astype("f8") @ b.astype("f8")
    for number in (0, 1, 4, 5):  # by rows and columns
        layouts = LAYOUTS[number % 4], LAYOUTS[number // 4]
        left, right = (laid_out(x, how) for x, how in zip((a, b), layouts, strict=True))
        error = np.max(np.abs(product(left, right) / want - 1))
        assert error < (2e-6 if k == 5000 else 6e-7)


@pytest.mark.parametrize("k", [5000, 300_000])
@pytest.mark.parametrize("shape", [*SHAPES[:-1], (1, 6), (1, 40)])
def test_roundings_that_all_go_one_way(shape, k):
    """Squares of squares of quarters: from some thousand on every sum in order loses in
    the same direction, BLAS 1e-5 to 1e-3."""
    rng = np.random.default_rng(0)
    row = ((rng.integers(-16, 17, k) / 4) ** 2).astype("f4")
    a, b = np.tile(row, (shape[0], 1)), np.tile(row[:, None], (1, shape[1]))
    want = float(np.sum(row.astype("f8") ** 2))
    for left in (a, np.asfortranarray(a)):
        for right in (b, np.asfortranarray(b)):
            np.testing.assert_allclose(product(left, right), want, rtol=3e-7)


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
@pytest.mark.parametrize("sizes", [(3, 9000, 4), (1, 70_000, 3), (3, 70_000, 1)])
def test_long_sums_with_scalars(dtype, sizes):
    m, k, n = sizes
    rng = np.random.default_rng(1)
    a, b, c = (random(rng, s, dtype) for s in ((m, k), (k, n), (m, n)))
    wide = (x.astype("c16") for x in (a, b, c))
    left, right, start = wide
    for alpha, beta in itertools.product((1.0, -0.5), (0.0, 1.0, 2.0)):
        want = alpha * (left @ right) + beta * start
        atol = (
            2e-3 if np.dtype(dtype).itemsize in (4, 8) and "64" not in dtype else 1e-9
        )
        atol = 2e-3 if dtype == "complex64" else atol
        for columns in (False, True):
            held = np.array(c, order="F" if columns else "C")
            if beta == 0:
                held[...] = np.nan  # must not be read
            got = product(a, b, held, alpha, beta)
            np.testing.assert_allclose(got, want, rtol=0, atol=atol)
        if beta:
            got = product(a, b, c.copy(), None, None, (alpha, beta))
            np.testing.assert_allclose(got, want, rtol=0, atol=atol)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "sizes", [(2, 3, 2), (1, 3, 4), (4, 3, 1), (300, 400, 1), (1, 400, 300),
              (70, 60, 65), (3, 9000, 2), (300, 200, 250), (0, 3, 2), (2, 0, 3)]
)  # fmt: skip
def test_a_scalar_that_is_zero_hides_no_nan(dtype, sizes):
    m, k, n = sizes
    rng = np.random.default_rng(2)
    a, b, c = (random(rng, s, dtype) for s in ((m, k), (k, n), (m, n)))
    for where, bad in itertools.product((a, b, c, None), (np.nan, np.inf)):
        x, y, z = (v.copy() for v in (a, b, c))
        for mine, given in ((x, a), (y, b), (z, c)):
            if where is given and mine.size:
                mine.flat[mine.size // 2] = bad
        for alpha, beta in itertools.product((0.0, -0.0, 1.5), (0.0, -0.0, -2.0)):
            with np.errstate(invalid="ignore"):
                want = alpha * (x @ y) + beta * z
            got = product(x, y, z.copy(), None, None, (alpha, beta))
            tolerance = 1e-3 if dtype == "float32" else 1e-9
            np.testing.assert_allclose(got, want, rtol=0, atol=tolerance)


def test_a_zero_from_memory_beside_a_result_that_is_not_read():
    a, b = np.full((2, 2), np.inf), np.eye(2)
    assert np.isnan(product(a, b, None, None, 0.0, (0.0,))).all()
    assert np.array_equal(product(b, b, None, None, 0.0, (0.0,)), np.zeros((2, 2)))


@pytest.mark.parametrize("beta", [0.0, 2.0])
def test_without_memory_for_partial_products(beta, monkeypatch):
    """By the plain Python meaning of the native code."""
    rng = np.random.default_rng(0)
    a, b, c = (random(rng, s, "float64") for s in ((3, 20_000), (20_000, 4), (3, 4)))
    want = a @ b + beta * c
    step = gemm_step(
        "float64", 3, 4, 20_000, a.strides, b.strides, c.strides, 1.0, beta
    )
    words = np.array(step.words)
    for slot, array in zip(step.pointer_slots, (a, b, c), strict=True):
        words[slot] = array.ctypes.data
    assert words[blas_gemm.PART] > 0
    monkeypatch.setattr(blas_gemm, "malloc", lambda size: 0)
    monkeypatch.setattr(
        blas_gemm, "multiply_in_parts", blas_gemm.multiply_in_parts.python
    )
    assert blas_gemm.multiply.python(words.ctypes.data, 0, 1) == 0
    np.testing.assert_allclose(c, want, rtol=1e-11)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "sizes", [(200, 784, 500), (784, 200, 500), (300, 300, 300), (50, 500, 500),
              (503, 100, 401), (1, 2000, 1501), (2001, 1500, 1), (3, 90_000, 17)]
)  # fmt: skip
def test_threads_change_no_bit(dtype, sizes, monkeypatch):
    """However many processors the machine has for which products are cut."""
    m, k, n = sizes
    rng = np.random.default_rng(3)
    a, b = random(rng, (m, k), dtype), random(rng, (k, n), dtype)
    before = config.num_threads
    try:
        for processors in (1, 2, 6):
            monkeypatch.setattr(call_steps, "PROCESSORS", processors)
            found = []
            for count in (1, 2, 3, 4, 8):
                config.num_threads = count
                found.append(product(a, b))
            assert all(np.array_equal(found[0], other) for other in found[1:])
    finally:
        config.num_threads = before
        threads.use(before)
