"""Library steps: matrix products of all layouts and sizes against NumPy, and the rest."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import weakref

import numpy as np
import pytest
from numpy import linalg

from symnet.kernels.cpu.library.blas import (
    blas_address,
    blas_threads,
    enter_serial,
    leave_serial,
    map_buffers,
    openblas,
)
from symnet.kernels.cpu.library.call_steps import (
    StridesError,
    copy_launch,
    fill_step,
    gemm_step,
    python_step,
    usable,
)
from symnet.kernels.cpu.runtime import threads
from symnet.kernels.cpu.runtime.runner import run

DTYPES = ["float32", "float64", "complex64", "complex128"]
TOLERANCE = {"float32": 2e-5, "float64": 1e-13, "complex64": 2e-5, "complex128": 1e-13}


def run_step(arrangement, pointers):
    """Run one step with the runner."""
    words = np.array([*arrangement.words, 0])
    for slot, pointer in zip(arrangement.pointer_slots, pointers, strict=True):
        words[slot] = pointer
    record = np.array(
        [arrangement.address, words.ctypes.data, arrangement.total, arrangement.grain]
    )
    return run(record.ctypes.data, 1, 0)


def random(rng, shape, dtype):
    values = rng.standard_normal(shape)
    if np.dtype(dtype).kind == "c":
        values = values + 1j * rng.standard_normal(shape)
    return values.astype(dtype)


def laid_out(array, layout):
    """The same values: by rows, by columns, or as part of something larger."""
    rows, columns = array.shape
    if layout == "columns":
        return np.asfortranarray(array)
    if layout == "part of rows":
        wide = np.full((rows + 1, columns + 3), np.nan, array.dtype)
        wide[:rows, 2 : 2 + columns] = array
        return wide[:rows, 2 : 2 + columns]
    if layout == "part of columns":
        return laid_out(array.T, "part of rows").T
    return np.ascontiguousarray(array)


LAYOUTS = ["rows", "columns", "part of rows", "part of columns"]


def check(m, n, k, dtype, layouts=("rows",) * 3, alpha=1.0, beta=0.0, seed=0):
    rng = np.random.default_rng(seed)
    a, b, start = (random(rng, s, dtype) for s in ((m, k), (k, n), (m, n)))
    want = alpha * (a.astype("c16") @ b.astype("c16"))
    if beta:
        want = want + beta * start
    else:
        start[...] = np.nan  # must not be read
    a, b, c = (laid_out(x, how) for x, how in zip((a, b, start), layouts, strict=True))
    step = gemm_step(dtype, m, n, k, a.strides, b.strides, c.strides, alpha, beta)
    around = None if c.base is None else c.base.copy()
    assert run_step(step, [x.ctypes.data for x in (a, b, c)]) == 0
    scale = 1 + np.sqrt(max(k, 1))
    np.testing.assert_allclose(c, want, rtol=0, atol=20 * scale * TOLERANCE[dtype])
    if around is not None and c.base.size > c.size:
        assert np.isnan(around).sum() <= np.isnan(c.base).sum() + c.size


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "sizes", [(3, 4, 5), (1, 7, 3), (7, 1, 3), (1, 1, 9), (40, 33, 50)]
)
def test_products_of_all_layouts(dtype, sizes):
    for number in range(64):
        layouts = [LAYOUTS[number // 4**k % 4] for k in range(3)]
        check(*sizes, dtype, layouts)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("beta", [0.0, 1.0, -0.5])
def test_degenerate_sizes(dtype, beta):
    for m in (0, 1, 2):
        for n in (0, 1, 2):
            for k in (0, 1, 2):
                check(m, n, k, dtype, alpha=1.5, beta=beta)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("sizes", [(1, 500, 300), (500, 1, 300), (1, 1, 120000)])
def test_vectors_go_to_their_own_routine(dtype, sizes):
    for number in range(0, 64, 5):
        layouts = [LAYOUTS[number // 4**k % 4] for k in range(3)]
        check(*sizes, dtype, layouts, alpha=-2.0, beta=0.5 * (number % 2))


def test_complex_scalars():
    check(3, 4, 5, "complex128", alpha=1 - 2j, beta=0.5j)
    check(3, 4, 5, "complex64", alpha=1 - 2j, beta=0.5j)


@pytest.mark.parametrize("dtype", DTYPES)
def test_scalars_from_memory(dtype):
    rng = np.random.default_rng(1)
    a, b, c = (random(rng, s, dtype) for s in ((3, 4), (4, 5), (3, 5)))
    step = gemm_step(dtype, 3, 5, 4, a.strides, b.strides, c.strides, None, None)
    for _ in range(3):
        alpha, beta = random(rng, (), dtype), random(rng, (), dtype)
        want = alpha * (a @ b) + beta * c
        scalars = [np.array(alpha), np.array(beta)]
        assert run_step(step, [x.ctypes.data for x in (a, b, c, *scalars)]) == 0
        np.testing.assert_allclose(c, want, rtol=1e-4)
    only_beta = gemm_step(dtype, 3, 5, 4, a.strides, b.strides, c.strides, 2.0, None)
    want = 2 * (a @ b) + scalars[1] * c
    run_step(only_beta, [x.ctypes.data for x in (a, b, c, scalars[1])])
    np.testing.assert_allclose(c, want, rtol=1e-4)


def test_products_in_loops():
    rng = np.random.default_rng(2)
    a, b = rng.standard_normal((6, 5, 3, 4)), rng.standard_normal((5, 4, 2))
    c = np.zeros((6, 5, 2, 3)).swapaxes(2, 3)  # by columns
    loops = [
        (6, a.strides[0], 0, c.strides[0]),
        (5, a.strides[1], b.strides[0], c.strides[1]),
    ]
    step = gemm_step(
        "float64", 3, 2, 4, a.strides[2:], b.strides[1:], c.strides[2:], loops=loops
    )
    assert step.total == 30
    assert run_step(step, [x.ctypes.data for x in (a, b, c)]) == 0
    np.testing.assert_allclose(c, a @ b, atol=1e-14)


def test_many_products_are_shared_among_threads():
    before = threads.use(4)
    rng = np.random.default_rng(3)
    a, b = rng.standard_normal((3000, 8, 8)), rng.standard_normal((3000, 8, 8))
    c = np.zeros_like(a)
    loops = [(3000, a.strides[0], b.strides[0], c.strides[0])]
    step = gemm_step(
        "float64", 8, 8, 8, a.strides[1:], b.strides[1:], c.strides[1:], loops=loops
    )
    assert step.grain < step.total
    assert run_step(step, [x.ctypes.data for x in (a, b, c)]) == 0
    threads.use(before)
    np.testing.assert_allclose(c, a @ b, atol=1e-13)


def test_no_product_in_an_empty_loop():
    step = gemm_step(
        "float64", 2, 2, 2, (16, 8), (16, 8), (16, 8), loops=[(0, 32, 32, 32)]
    )
    assert step.total == 0
    assert run_step(step, [0, 0, 0]) == 0


@pytest.mark.parametrize(
    "strides", [(64, 16), (-32, 8), (0, 8), (8, 8), (20, 8), (8, 16)]
)
def test_unusable_strides_are_named(strides):
    assert not usable(3, 4, strides, "float64")
    good_a, good_b, good_c = (32, 8), (16, 8), (16, 8)
    with pytest.raises(StridesError, match="matrix A") as caught:
        gemm_step("float64", 3, 2, 4, strides, good_b, good_c)
    assert caught.value.operand == 0
    with pytest.raises(StridesError, match="matrix C"):
        gemm_step("float64", 3, 4, 4, good_a, (32, 8), strides)


def test_strides_of_single_rows_do_not_matter():
    assert usable(1, 4, (-8, 8), "float64")
    assert usable(4, 1, (24, -16), "float64")
    assert usable(1, 1, (0, 0), "float64")
    assert usable(1, 4, (8, 40), "float64")
    assert not usable(1, 4, (8, -8), "float64")


def test_errors():
    with pytest.raises(TypeError, match="int64"):
        gemm_step("int64", 1, 1, 1, (8, 8), (8, 8), (8, 8))
    with pytest.raises(ValueError, match="too large"):
        gemm_step("float32", 2**31, 1, 1, (4, 4), (4, 4), (4, 4))
    with pytest.raises(KeyError):
        blas_address("no_such_routine")


def large_products(count, seed):
    rng = np.random.default_rng(seed)
    a, b = rng.standard_normal((150, 160)), rng.standard_normal((160, 170))
    want = np.einsum("ik,kj->ij", a, b)
    for _ in range(count):
        c = np.full((150, 170), np.nan)
        step = gemm_step("float64", 150, 170, 160, a.strides, b.strides, c.strides)
        run_step(step, [x.ctypes.data for x in (a, b, c)])
        vector = a @ b[:, 0]
        if not (np.allclose(c, want) and np.allclose(vector, want[:, 0])):
            return False
    return True


def test_threaded_products_of_several_python_threads():
    """Ours and NumPy's at once: they share one pool and its scratch memory."""
    results = []
    users = [
        threading.Thread(target=lambda k=k: results.append(large_products(60, k)))
        for k in range(3)
    ]
    for user in users:
        user.start()
    for user in users:
        user.join()
    assert results == [True] * 3


def test_linear_algebra_of_numpy_goes_on_working():
    rng = np.random.default_rng(4)
    a = rng.standard_normal((400, 400))
    spd = a @ a.T + 400 * np.eye(400)
    np.testing.assert_allclose(linalg.solve(spd, spd @ np.ones(400)), 1, atol=1e-8)
    np.testing.assert_allclose(linalg.inv(spd) @ spd, np.eye(400), atol=1e-8)
    lower = linalg.cholesky(spd)
    np.testing.assert_allclose(lower @ lower.T, spd, atol=1e-8)
    q, r = linalg.qr(a)
    np.testing.assert_allclose(q @ r, a, atol=1e-10)
    w, v = linalg.eigh(spd)
    np.testing.assert_allclose(v * w @ v.T, spd, atol=1e-8)
    u, s, vt = linalg.svd(a[:100])
    np.testing.assert_allclose(u * s @ vt[:100], a[:100], atol=1e-10)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_products_in_a_forked_child():
    assert large_products(3, 0)
    child = os.fork()
    if child == 0:
        fine = large_products(3, 1)
        threads.stop()
        os._exit(0 if fine else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert large_products(3, 2)


PROGRAM = """
import atexit, numpy as np
def late():
    a = np.ones((300, 300))
    assert (a @ a == 300).all()
    print("late")
atexit.register(late)
from symnet.kernels.cpu.library import blas
assert blas.blas_address("dgemm")
late()
"""


def test_the_blas_still_works_when_the_interpreter_ends():
    out = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    ).stdout
    assert out.split() == ["late", "late"]


def test_the_blas_has_its_threads_back():
    blas_address("dgemm")
    before = blas_threads()
    if before is None:
        return
    enter_serial()
    enter_serial()
    assert blas_threads() == 1
    leave_serial()
    assert blas_threads() == 1
    leave_serial()
    assert blas_threads() == before
    assert large_products(2, 0) and blas_threads() == before


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64"])
@pytest.mark.parametrize("m, n, k", [(20, 500, 784), (784, 500, 20), (333, 211, 200),
                                     (3000, 1, 2000), (1, 3000, 2000)])  # fmt: skip
@pytest.mark.parametrize("turned", [0, 1, 2, 3, 4, 7])
def test_products_in_blocks(dtype, m, n, k, turned):
    """Cut for several threads, in every layout; C counts, too."""
    rng = np.random.default_rng(m)
    shapes = [(m, k), (k, n), (m, n)]
    a, b, c = (
        rng.standard_normal(s[::-1] if turned >> i & 1 else s).astype(dtype)
        for i, s in enumerate(shapes)
    )
    a, b, c = (x.T if turned >> i & 1 else x for i, x in enumerate((a, b, c)))
    want = 2 * np.einsum("ik,kj->ij", a, b, optimize=True) + 0.5 * c
    step = gemm_step(dtype, m, n, k, a.strides, b.strides, c.strides, 2.0, 0.5)
    assert (step.total > 1) == (threads.wanted(0) > 1)
    assert run_step(step, [x.ctypes.data for x in (a, b, c)]) == 0
    tolerance = 1e-3 if dtype != "float64" else 1e-10
    np.testing.assert_allclose(
        c, want, rtol=tolerance, atol=tolerance * np.abs(want).max()
    )


def test_buffers_are_mapped_and_given_back():
    """Products go on working, with NumPy's threads as well; without OpenBLAS nothing is
    done."""
    map_buffers.cache_clear()
    assert map_buffers(3) == (openblas() is not None)
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, 300, 300))
    np.testing.assert_allclose((a @ b)[7, 9], (a[7] * b[:, 9]).sum())


@pytest.mark.parametrize("count", [0, 1, 1000, 3_000_000])
def test_copy_and_fill(count):
    source = np.random.default_rng(0).integers(0, 255, count + 1).astype(np.uint8)
    target = np.full(count + 1, 7, np.uint8)
    assert run_step(copy_launch(count), [target.ctypes.data, source.ctypes.data]) == 0
    assert np.array_equal(target[:count], source[:count])
    assert target[count] == 7
    assert run_step(fill_step(count, 9), [target.ctypes.data]) == 0
    assert (target[:count] == 9).all()
    assert target[count] == 7
    run_step(fill_step(count), [target.ctypes.data])
    assert not target[:count].any()


def test_python_steps():
    calls = []

    def function():
        calls.append(1)
        if len(calls) == 3:
            raise LookupError("third")

    step = python_step(function)
    assert [run_step(step.arrangement, []) for _ in range(4)] == [0, 0, 1, 0]
    error = step.take_error()
    assert isinstance(error, LookupError)
    assert step.take_error() is None
    before = sys.getrefcount(function)
    for _ in range(1000):
        run_step(step.arrangement, [])
    assert sys.getrefcount(function) == before


def test_a_python_step_is_collected():
    class Function:
        def __call__(self):
            pass

    function = Function()
    alive = weakref.ref(function)
    step = python_step(function)
    assert run_step(step.arrangement, []) == 0
    del function, step
    gc.collect()
    assert alive() is None
