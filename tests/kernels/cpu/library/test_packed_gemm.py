"""Products with a matrix in panels, against NumPy: every height of a tile, every rest."""

from __future__ import annotations

import numpy as np
import pytest

from symnet.kernels.cpu.library.packed_gemm import packed_gemm
from symnet.kernels.library import PackedGemm, panel_width
from tests.kernels.cpu.library.steps import carry_out

rng = np.random.default_rng(3)


def in_panels(matrix):
    """The matrix in panels; what lies beyond its columns is NaN."""
    rows, columns = matrix.shape
    width = panel_width(matrix.dtype.name)
    panels = np.full((-(-columns // width), rows, width), np.nan, matrix.dtype)
    for p, panel in enumerate(panels):
        part = matrix[:, p * width : (p + 1) * width]
        panel[:, : part.shape[1]] = part
    return panels


def run(a, b, c, alpha=1.0, beta=0.0, pointers=False, at_once=0, added=None):
    """C = alpha A B + beta C, in place; or plus beta times another array."""
    d = c if added is None else added
    sizes = (a.shape[0], c.shape[1], a.shape[1])
    given = (None, None) if pointers else (alpha, beta)
    strides = (a.strides, c.strides, d.strides)
    step = packed_gemm(PackedGemm(a.dtype.name, sizes, strides, *given))
    numbers = np.array([[alpha], [beta]], a.dtype)
    arrays = (numbers[0], a, in_panels(b), numbers[1], d, c)
    carry_out(step, arrays, at_once)


def check(dtype, rows, inner, columns, alpha=1.0, beta=0.0, turned=False, **how):
    a = rng.standard_normal((inner, rows)).astype(dtype).T
    a = a if turned else np.ascontiguousarray(a)
    b = rng.standard_normal((inner, columns)).astype(dtype)
    whole = rng.standard_normal((rows, columns + 3)).astype(dtype)
    before, c = whole.copy(), whole[:, :columns]
    if beta == 0 and not how.get("pointers"):
        c[:] = np.nan
    run(a, b, c, alpha, beta, **how)
    want = alpha * (a @ b) + (beta * before[:, :columns] if beta else 0)
    precision = np.finfo(dtype).eps
    np.testing.assert_allclose(c, want, rtol=0, atol=precision * (10 + 4 * inner))
    np.testing.assert_array_equal(whole[:, columns:], before[:, columns:])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rows", [0, 1, 2, 3, 4, 5, 6, 7, 12, 13, 17, 29])
@pytest.mark.parametrize("inner", [0, 1, 5, 256, 257, 600])
def test_all_sizes(dtype, rows, inner):
    for columns in (0, 1, 7, 8, 9, 15, 16, 17, 33):
        check(dtype, rows, inner, columns)
    check(dtype, rows, inner, 21, 2.0, 0.5, turned=True)
    check(dtype, rows, inner, 32, -1.0, 1.0, turned=True)
    check(dtype, rows, inner, 40, 0.5, 1.0, pointers=True, at_once=1)
    check(dtype, rows, inner, 40, 1.5, 0.0, pointers=True)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("inner", [0, 3, 256, 600])
def test_what_is_added_may_lie_elsewhere(dtype, inner):
    """Also one row for all."""
    a = rng.standard_normal((13, inner)).astype(dtype)
    b = rng.standard_normal((inner, 21)).astype(dtype)
    for d in (
        rng.standard_normal((13, 30)).astype(dtype)[:, 4:25],
        np.broadcast_to(rng.standard_normal(21).astype(dtype), (13, 21)),
    ):
        c = np.full((13, 21), np.nan, dtype)
        run(a, b, c, 2.0, 0.5, added=d)
        precision = np.finfo(dtype).eps * (10 + 4 * inner)
        np.testing.assert_allclose(c, 2 * (a @ b) + d / 2, rtol=0, atol=precision)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_nan_and_infinity_come_through(dtype):
    a, b = np.ones((7, 3), dtype), np.ones((3, 20), dtype)
    a[2, 1], b[0, 17] = np.nan, np.inf
    c = np.zeros((7, 20), dtype)
    run(a, b, c, 1.0, 1.0)
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(c, a @ b)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_scalar_that_turns_out_as_zero_hides_no_nan(dtype):
    a, b = np.ones((5, 3), dtype), np.ones((3, 20), dtype)
    c = np.zeros((5, 20), dtype)
    c[1, 2], a[3, 1] = np.nan, np.inf
    with np.errstate(all="ignore"):
        for alpha, beta in ((1.0, 0.0), (0.0, 1.0), (-0.0, -0.0)):
            got, want = c.copy(), (alpha * (a @ b) + beta * c).astype(dtype)
            run(a, b, got, alpha, beta, pointers=True)
            np.testing.assert_array_equal(got, want)
