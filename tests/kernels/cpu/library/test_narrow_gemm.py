"""Products with few columns against NumPy: every way to lie, every rest."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from symnet.kernels.cpu.library.narrow_gemm import LONGEST_PIECE, narrow_gemm
from symnet.kernels.cpu.library.narrow_gemm_code import put_number
from symnet.kernels.cpu.library.tiles import lanes
from symnet.kernels.llvm.machine import machine
from tests.kernels.cpu.library.test_tiled_gemm import (
    call_of,
    close,
    matrix,
    run,
)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("orders", list(itertools.product("CF", repeat=2)))
@pytest.mark.parametrize("columns", [1, 2, 5, 7])
def test_every_order_and_rest(dtype, orders, columns):
    width = lanes(dtype, machine().target)
    for m, k in ((64, 128), (101, 333), (67, LONGEST_PIECE + 77)):
        for gap in (0, 3):
            a, b = (
                matrix(*shape, dtype, order, gap)
                for shape, order in zip(((m, k), (k, columns)), orders, strict=True)
            )
            c = matrix(m, columns, dtype, gap=gap)
            for alpha, beta in ((1.0, 0.0), (-0.5, 1.0), (2.0, 0.25)):
                want = alpha * (a @ b) + beta * c
                step = narrow_gemm(call_of(a, b, c, alpha, beta))
                # A vector lies both ways; enough columns for a vector are not few.
                if step is None and (columns == 1 or columns >= width):
                    continue
                close(
                    run(call_of(a, b, c, alpha, beta), a, b, c, make=narrow_gemm), want
                )


# Results with 7 columns are narrow for vectors of 8 numbers and more.
wide_vectors = pytest.mark.skipif(
    lanes("float32", machine().target) < 8, reason="7 columns fill a vector here"
)


@wide_vectors
@pytest.mark.parametrize("order", "CF")
def test_numbers_from_memory_and_nan(order):
    a, b = matrix(70, 200, "float32", order), matrix(200, 6, "float32")
    c = matrix(70, 6, "float32")
    a[3, 4], c[1, 2] = np.inf, np.nan
    with np.errstate(all="ignore"):
        for numbers in itertools.product((0.0, 1.5), repeat=2):
            alpha, beta = (np.array(number, "float32") for number in numbers)
            want = alpha * (a @ b) + beta * c
            call = call_of(a, b, c, None, None)
            got = run(call, a, b, c.copy(), alpha, beta, make=narrow_gemm)
            np.testing.assert_allclose(got, want, rtol=1e-3, atol=1e-3)
    got = run(call_of(a, b, c), a, b, c.copy(), make=narrow_gemm)
    assert not np.isnan(got[1, 2]) and np.isinf(got[3]).any()


@wide_vectors
@pytest.mark.parametrize("order", "CF")
def test_pieces_of_the_work_change_no_bit(order):
    a, b = matrix(400, 300, "float32", order), matrix(300, 7, "float32")
    call = call_of(a, b, np.zeros((400, 7), "float32"))
    found = [
        run(call, a, b, np.zeros((400, 7), "float32"), at_once=many, make=narrow_gemm)
        for many in (0, 1, 3)
    ]
    for other in found[1:]:
        np.testing.assert_array_equal(found[0], other)


def test_what_is_left_to_others():
    def served(m, n, k):
        a, b, c = np.zeros((m, k)), np.zeros((k, n)), np.zeros((m, n))
        return narrow_gemm(call_of(a, b, c)) is not None

    assert served(600, lanes("float64", machine().target) - 1, 784)
    assert not served(600, 100, 784)
    assert not served(10, 7, 784)
    assert not served(600, 7, 20)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_number_is_put(dtype):
    """In Python as natively."""
    for put in (put_number, put_number.python):
        target, beta, alpha, source = np.array([[2.0], [0.5], [-3.0], [1.5]], dtype)
        item = target.itemsize
        places = [array.ctypes.data for array in (target, beta, alpha, source)]
        put(*places, item)
        assert target[0] == 0.5 * 2.0 - 3.0 * 1.5
        put(places[0], 0, *places[2:], item)
        assert target[0] == -3.0 * 1.5
