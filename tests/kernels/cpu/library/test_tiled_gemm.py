"""Products by tiles against NumPy: every way to lie, every rest, numbers from memory."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from symnet import config
from symnet.kernels.cpu.library import tiled_gemm as steps
from symnet.kernels.cpu.library.narrow_gemm import own_gemm
from symnet.kernels.cpu.library.tiled_gemm import LONGEST_SUM, tiled_gemm
from symnet.kernels.cpu.library.tiled_gemm_code import multiply_tiles, pack_left
from symnet.kernels.cpu.runtime import threads
from symnet.kernels.library import GemmCall
from symnet.kernels.llvm.machine import machine
from tests.kernels.cpu.library.steps import carry_out

rng = np.random.default_rng(6)


@pytest.fixture(autouse=True)
def _whatever_the_processor(monkeypatch):
    """The tiles are right where the BLAS is preferred, too."""
    monkeypatch.setattr(steps, "WIDE", 0)
    monkeypatch.setattr(steps, "MIDDLE", 0)


def call_of(a, b, c, alpha=1.0, beta=0.0):
    rank = a.ndim - 2
    loops = [(a.shape[0], a.strides[0], b.strides[0], c.strides[0])][:rank]
    sizes = (a.shape[-2], b.shape[-1], a.shape[-1])
    strides = (a.strides[-2:], b.strides[-2:], c.strides[-2:])
    return GemmCall(a.dtype.name, sizes, strides, alpha, beta, tuple(loops))


def run(call, a, b, c, alpha=None, beta=None, at_once=0, make=tiled_gemm):
    """Carry out the step of a call, so many items at a time (0: all)."""
    step = make(call)
    assert step is not None
    carry_out(step, (alpha, a, b, beta, c), at_once)
    return c


def matrix(rows, columns, dtype, order="C", gap=0):
    """Random numbers; `gap`: what stands between its rows (columns)."""
    shape = (rows, columns + gap) if order == "C" else (rows + gap, columns)
    made = np.array(rng.normal(size=shape), dtype, order=order)
    return made[:rows, :columns]


def close(got, want):
    single = got.dtype == np.float32
    np.testing.assert_allclose(got, want, rtol=1e-4 if single else 1e-12, atol=1e-3)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("orders", list(itertools.product("CF", repeat=3)))
def test_every_order_and_rest(dtype, orders):
    for m, n, k in ((13, 40, 90), (70, 33, 17), (5, 200, 64), (24, 65, 700)):
        shapes = ((m, k), (k, n), (m, n))
        for gap in (0, 3):
            a, b, c = (
                matrix(*shape, dtype, order, gap)
                for shape, order in zip(shapes, orders, strict=True)
            )
            for alpha, beta in ((1.0, 0.0), (-0.5, 1.0), (2.0, 0.25)):
                want = alpha * (a @ b) + beta * c
                call = call_of(a, b, c, alpha, beta)
                close(
                    run(call, a, b, c.copy(order="K") if not gap else c, at_once=2),
                    want,
                )


@pytest.fixture
def always_packed(monkeypatch):
    """As if it always paid to pack A."""
    for name, value in {"FAR_STEP": 0, "FEW_SETS": 1, "OFTEN": 0}.items():
        monkeypatch.setattr(steps, name, value)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("orders", list(itertools.product("CF", repeat=3)))
@pytest.mark.parametrize("sizes", [(13, 40, 90), (29, 45, 17), (8, 70, 700)])
def test_a_that_is_packed_before(dtype, orders, sizes, always_packed):
    m, n, k = sizes
    shapes = ((m, k), (k, n), (m, n))
    a, b, c = (
        matrix(*shape, dtype, order, gap=2)
        for shape, order in zip(shapes, orders, strict=True)
    )
    call = call_of(a, b, c, 2.0, 0.25)
    step = tiled_gemm(call)
    assert step.code is pack_left
    assert step.words[steps.W.left] > 0
    want = 2.0 * (a @ b) + 0.25 * c
    close(run(call, a, b, c, at_once=2), want)


def test_packing_hides_no_nan_and_changes_no_bit(always_packed, monkeypatch):
    a, b = matrix(40, 300, "float32", "F"), matrix(300, 100, "float32")
    a[3, 4], a[9, 299] = np.nan, np.inf
    c = np.zeros((40, 100), "float32")
    packed = run(call_of(a, b, c), a, b, c.copy())
    monkeypatch.setattr(steps, "MOST_PACKED", 0)
    assert tiled_gemm(call_of(a, b, c)).code is multiply_tiles
    np.testing.assert_array_equal(packed, run(call_of(a, b, c), a, b, c))


@pytest.mark.parametrize(
    ("m", "n", "k", "order", "packed"),
    [
        pytest.param(100, 500, 600, "F", True, id="by columns"),
        pytest.param(100, 64, 600, "F", False, id="too few columns"),
        pytest.param(40, 500, 600, "F", False, id="columns near each other"),
        pytest.param(100, 500, 600, "C", False, id="by rows"),
        pytest.param(100, 500, 1024, "C", True, id="rows on few sets"),
    ],
)
def test_where_a_is_packed(m, n, k, order, packed):
    a, b = matrix(m, k, "float32", order), matrix(k, n, "float32")
    c = np.empty((m, n), "float32")
    assert (tiled_gemm(call_of(a, b, c)).code is pack_left) == packed
    close(run(call_of(a, b, c), a, b, c), a @ b)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_numbers_from_memory(dtype):
    a, b, c = (matrix(*s, dtype) for s in ((20, 50), (50, 40), (20, 40)))
    alpha, beta = np.array(1.5, dtype), np.array(-0.5, dtype)
    want = alpha * (a @ b) + beta * c
    close(run(call_of(a, b, c, None, None), a, b, c, alpha, beta), want)


def test_batches():
    a, b = (rng.normal(size=s).astype("float32") for s in ((5, 12, 40), (5, 40, 50)))
    c = np.zeros((5, 12, 50), "float32")
    close(run(call_of(a, b, c), a, b, c, at_once=3), a @ b)


def test_zero_hides_no_nan_but_the_number_0_does_not_read_c():
    a, b, c = (matrix(*s, "float32") for s in ((12, 50), (50, 40), (12, 40)))
    a[3, 4], c[1, 2] = np.inf, np.nan
    zero = np.array(0, "float32")
    with np.errstate(all="ignore"):
        for alpha, beta in ((zero, zero), (np.float32(1), zero), (zero, np.float32(1))):
            want = alpha * (a @ b) + beta * c
            numbers = np.array(alpha), np.array(beta)
            got = run(call_of(a, b, c, None, None), a, b, c.copy(), *numbers)
            np.testing.assert_array_equal(np.isnan(got), np.isnan(want))
    got = run(call_of(a, b, c), a, b, c.copy())
    assert not np.isnan(got[1, 2])


@pytest.mark.parametrize("order", "CF")
def test_the_number_of_threads_changes_no_bit(order):
    a, b = matrix(150, 600, "float32", order), matrix(600, 300, "float32")
    c = matrix(150, 300, "float32")
    before, found = config.num_threads, []
    try:
        for count in (1, 2, 3, 8):
            config.num_threads = count
            found.append(run(call_of(a, b, c), a, b, c.copy(), at_once=count))
    finally:
        config.num_threads = before
        threads.use(before)
    for other in found[1:]:
        np.testing.assert_array_equal(found[0], other)


def plain_call(m, n, k, products=0):
    loops = ((products, m * k * 4, k * n * 4, m * n * 4),) if products else ()
    strides = ((4 * k, 4), (4 * n, 4), (4 * n, 4))
    return GemmCall("float32", (m, n, k), strides, loops=loops)


@pytest.mark.parametrize(
    ("sizes", "packed", "pieces"),
    [
        pytest.param((600, 2048, 784), 1, range(12, 20), id="enough columns"),
        pytest.param((4096, 2048, 1000), 8, range(12, 200), id="A is too large"),
        pytest.param((4096, 32, 64), 20, range(12, 20), id="too few columns"),
        pytest.param((40, 40, 40), 1, range(1, 2), id="hardly any work"),
        pytest.param((64, 64, 64, 40), 1, range(40, 41), id="many products"),
    ],
)
def test_how_often_b_is_packed(sizes, packed, pieces):
    """Each block of rows packs B anew: rows are cut for the cache, or for want of columns."""
    step = tiled_gemm(plain_call(*sizes))
    assert step.words[steps.W.tile_blocks] <= packed
    assert step.total in pieces


@pytest.mark.parametrize("m", [9, 109, 700, 2500])
@pytest.mark.parametrize("n", [31, 33, 300, 2100])
def test_every_cut_makes_all_of_c(m, n):
    """Blocks of rows and columns of every size, a last one of its own among them."""
    a, b = matrix(m, 90, "float32"), matrix(90, n, "float32")
    c = np.full((m, n), np.nan, "float32")
    run(call_of(a, b, c), a, b, c, at_once=1)
    close(c, a @ b)


@pytest.mark.parametrize(
    ("n", "k", "beta", "ahead"),
    [
        pytest.param(500, 600, 0.0, False, id="C is not read, or near"),
        pytest.param(500, 600, 1.0, True, id="added to C"),
        pytest.param(500, 600, np.float64(0.5), True, id="numbers of NumPy"),
        pytest.param(500, 600, None, True, id="perhaps added to C"),
        pytest.param(1024, 600, 0.0, True, id="rows of C on few sets"),
        pytest.param(1024, 20, 1.0, False, id="short sums"),
    ],
)
def test_where_c_is_asked_for_ahead(n, k, beta, ahead, monkeypatch):
    asked = []
    make = steps.tile_words

    def words(*arguments):
        asked.append(arguments[-1])
        return make(*arguments)

    monkeypatch.setattr(steps, "tile_words", words)
    a, b, c = (matrix(*s, "float32") for s in ((40, k), (k, n), (40, n)))
    want = a @ b + (1 if beta is None else beta) * c
    number = np.ones(1, "float32")
    close(run(call_of(a, b, c, 1.0, beta), a, b, c, beta=number), want)
    assert asked == [ahead]


@pytest.mark.skipif(machine().target.registers != 32, reason="there is one tile only")
@pytest.mark.parametrize(
    ("cache", "rows", "columns", "vectors"),
    [
        pytest.param(48, 600, 500, 3, id="room for wide strips"),
        pytest.param(32, 600, 500, 2, id="no room"),
        pytest.param(48, 12, 500, 2, id="all rows in one tile"),
        pytest.param(48, 600, 49, 2, id="a second strip for one column"),
        pytest.param(48, 600, 48, 3, id="one strip"),
        pytest.param(48, 600, 10, 2, id="less than a vector"),
    ],
)
def test_how_wide_tiles_are(cache, rows, columns, vectors, monkeypatch):
    monkeypatch.setattr(steps, "first_cache", lambda: cache * 1024)
    a, b = matrix(rows, 300, "float32"), matrix(300, columns, "float32")
    c = np.full((rows, columns), np.nan, "float32")
    assert steps.tile_vectors(call_of(a, b, c)) == vectors
    close(run(call_of(a, b, c), a, b, c), a @ b)


def test_the_width_of_tiles_changes_no_bit(monkeypatch):
    a, b = matrix(50, 600, "float32"), matrix(600, 300, "float32")
    c, found = np.zeros((50, 300), "float32"), []
    for size in (32, 48):
        monkeypatch.setattr(steps, "first_cache", lambda size=size: size * 1024)
        found.append(run(call_of(a, b, c), a, b, c.copy()))
    np.testing.assert_array_equal(*found)


def test_what_is_left_to_the_blas():
    def served(m, n, k, dtype="float32"):
        a, b, c = (
            np.zeros((m, k), dtype),
            np.zeros((k, n), dtype),
            np.zeros((m, n), dtype),
        )
        return tiled_gemm(call_of(a, b, c)) is not None

    assert served(20, 500, 784)
    assert not served(1, 500, 784)
    assert not served(500, 1, 784)
    assert not served(4, 4, 4)
    assert not served(100, 100, LONGEST_SUM + 1)
    assert not served(20, 500, 784, "complex64")
    a, b, c = np.zeros((40, 100)), np.zeros((100, 80)), np.zeros((40, 40))
    assert tiled_gemm(call_of(a, b[:, ::2], c)) is None


@pytest.mark.parametrize(
    ("sizes", "orders", "served"),
    [
        pytest.param((600, 5, 784), "CCC", True, id="few columns"),
        pytest.param((64, 5, 784), "CCC", False, id="few columns and rows"),
        pytest.param((600, 10, 784), "CCC", False, id="columns of a vector and a bit"),
        pytest.param((20, 500, 784), "CCC", True, id="few rows"),
        pytest.param((500, 20, 784), "FFF", True, id="few rows, transposed"),
        pytest.param((20, 1024, 784), "CCC", False, id="rows of B on one set"),
        pytest.param((20, 500, 784), "CFC", False, id="few rows, B by columns"),
        pytest.param((600, 500, 30), "CFC", True, id="short sums"),
        pytest.param((600, 500, 30), "FCC", False, id="short sums, A by columns"),
        pytest.param((600, 500, 20), "FCC", True, id="shorter sums"),
        pytest.param((600, 500, 784), "CCC", False, id="large"),
    ],
)
def test_with_narrow_vectors_tiles_serve_thin_products(
    sizes, orders, served, monkeypatch
):
    monkeypatch.setattr(steps, "WIDE", 4096)  # as if the processor had narrow vectors
    m, n, k = sizes
    shapes = ((m, k), (k, n), (m, n))
    a, b, c = (
        matrix(*shape, "float32", order)
        for shape, order in zip(shapes, orders, strict=True)
    )
    step = own_gemm(call_of(a, b, c))
    assert (step is not None) == served
    if served:
        close(run(call_of(a, b, c), a, b, c, make=own_gemm), a @ b)


def test_with_narrow_vectors_short_sums_are_not_added_to_what_is_there(monkeypatch):
    monkeypatch.setattr(steps, "WIDE", 4096)
    a, b, c = (matrix(*shape, "float32") for shape in ((80, 20), (20, 80), (80, 80)))
    assert own_gemm(call_of(a, b, c)) is not None
    assert own_gemm(call_of(a, b, c, 1.0, 1.0)) is None
    assert own_gemm(call_of(a, b, c, 1.0, None)) is None


def test_long_sums_are_exact():
    """Equal terms of single precision, where roundings of partial sums go one way."""
    a = np.full((40, LONGEST_SUM), 0.1, "float32")
    b, c = np.ones((LONGEST_SUM, 32), "float32"), np.empty((40, 32), "float32")
    exact = float(np.float32(0.1)) * LONGEST_SUM
    np.testing.assert_allclose(run(call_of(a, b, c), a, b, c), exact, rtol=1e-5)
