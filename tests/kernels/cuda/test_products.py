"""Products by cuBLAS: what it is asked for, by a stand-in that demands what cuBLAS documents,
beside NumPy's own sums."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet.config import config
from symnet.kernels.cuda import cublas, gemm_work, launched
from symnet.kernels.cuda.cublas import SUMS, Cublas, CublasProduct, candidates
from symnet.kernels.cuda.emulated_cublas import EmulatedCublas
from symnet.kernels.cuda.emulated_driver import EmulatedDriver, HostAllocation
from symnet.kernels.cuda.gemm_work import KernelStep, work_of_product
from symnet.kernels.gpus import EMULATED
from symnet.kernels.library import GemmCall

TOLERANCES = {"float16": 2e-3, "float32": 2e-6, "float64": 1e-14}


def there(array: Any, driver: EmulatedDriver) -> tuple[HostAllocation, int, Any]:
    """An array with its gaps in the emulated memory: the memory, the address of its first
    element, and the same array there."""
    low = sum(min(0, s * (n - 1)) for s, n in zip(array.strides, array.shape))
    high = sum(max(0, s * (n - 1)) for s, n in zip(array.strides, array.shape))
    memory = driver.allocate(high - low + array.itemsize)
    memory.bytes[:] = 0x7B  # a number, so that what is read by mistake shows
    lies = driver.view(memory, -low, array.dtype.name, array.shape, array.strides)
    if array.size:
        lies[...] = array
    return memory, memory.address - low, lies


def multiplied(
    call: GemmCall, arrays: Sequence[Any], moving: bool = False, rounded: str = ""
) -> Any:
    """What a call makes of alpha, A, B, beta, C (None: not needed)."""
    driver = EMULATED.driver
    placed = [None if a is None else there(a, driver) for a in arrays]
    work = work_of_product(call, [moving] * 5, rounded)
    assert work is not None
    if moving:
        assert all(number >= 5 for number in work.fixed)
    needed = [one.source for one in work.steps if isinstance(one, KernelStep)]
    codes = dict(zip(needed, driver.compile(needed)))
    scratch = driver.allocate(work.scratch_bytes)
    pointers = [0 if one is None else one[1] for one in placed]
    launches, _held = launched.launches_of(driver, codes, work, pointers, 0, scratch)
    for launch in launches:
        launched.begin(driver, launch)
    assert placed[4] is not None
    return placed[4][2].copy()


def gemm_call(a: Any, b: Any, c: Any, alpha: Any, beta: Any) -> GemmCall:
    m, k = a.shape[-2:]
    loops = [
        (c.shape[d], *(x.strides[d] for x in (a, b, c))) for d in range(c.ndim - 2)
    ]
    strides = tuple(x.strides[-2:] for x in (a, b, c))
    return GemmCall(c.dtype.name, (m, c.shape[-1], k), strides, alpha, beta, (*loops,))  # type: ignore[arg-type]


def laid(array: Any, how: str) -> Any:
    """The same numbers, lying in another way."""
    rows, columns = array.shape[-2:]
    batch = array.shape[:-2]
    if how == "columns":
        return np.ascontiguousarray(array.swapaxes(-1, -2)).swapaxes(-1, -2)
    wide = np.full((*batch, 2 * rows + 1, 2 * columns + 3), np.nan, array.dtype)
    part = {
        "rows": wide[..., :rows, :columns],
        "gaps": wide[..., : 2 * rows : 2, : 2 * columns : 2],
        "backwards": wide[..., rows - 1 :: -1, :columns]
        if rows
        else wide[..., :0, :columns],
    }[how]
    part[...] = array
    return part


def factors(dtype: str, known: bool) -> tuple[Any, Any, Any, Any]:
    """alpha and beta, as the call knows them and as arrays."""
    alpha, beta = np.array(2, dtype), np.array(-1, dtype)
    return (2.0, -1.0, None, None) if known else (None, None, alpha, beta)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("moving", [False, True])
@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("longest", [2, 4096])
def test_values_of_every_layout(
    dtype: str, moving: bool, known: bool, longest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gemm_work, "LONGEST_SUM", longest)
    random = np.random.default_rng(3)
    ways = ("rows", "columns", "gaps", "backwards")
    for number in range(32):
        batch = ((), (3,), (1,), (2, 2))[number // 8]
        shapes = ((3, 5), (5, 4), (3, 4))
        a, b, c = (
            laid(random.normal(size=(*batch, *s)).astype(dtype), ways[number >> k & 3])
            for k, s in enumerate(shapes)
        )
        alpha, beta, there_alpha, there_beta = factors(dtype, known)
        call = gemm_call(a, b, c, alpha, beta)
        got = multiplied(call, (there_alpha, a, b, there_beta, c), moving)
        wide = [x.astype("float64") for x in (a, b, c)]
        wanted = 2 * wide[0] @ wide[1] - wide[2]
        scale = np.abs(wanted).max()
        np.testing.assert_allclose(got, wanted, atol=TOLERANCES[dtype] * scale * 4)


@pytest.mark.parametrize("moving", [False, True])
@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("sizes", list(np.ndindex(3, 4, 3)))
def test_sizes_of_0_and_1(sizes: Any, known: bool, moving: bool) -> None:
    m, n, k = sizes
    random = np.random.default_rng(4)
    a, b, c = (random.normal(size=s) for s in ((m, k), (k, n), (m, n)))
    alpha, beta, there_alpha, there_beta = factors("float64", known)
    call = gemm_call(a, b, c, alpha, beta)
    got = multiplied(call, (there_alpha, a, b, there_beta, c), moving)
    np.testing.assert_allclose(got, 2 * a @ b - c, atol=1e-14)


@pytest.mark.parametrize("k", [0, 2])
def test_what_is_not_read_and_what_is(k: int) -> None:
    """With the number beta = 0 C is not looked at; numbers in memory meet NaN."""
    a, b, c = np.ones((2, k)), np.ones((k, 3)), np.full((2, 3), np.nan)
    for moving in (False, True):
        got = multiplied(gemm_call(a, b, c, 1.0, 0.0), (None, a, b, None, c), moving)
        np.testing.assert_array_equal(got, k)
        zero = np.array(0.0)
        call = gemm_call(a, b, c, 1.0, None)
        assert np.isnan(multiplied(call, (None, a, b, zero, c), moving)).all()
    if k:
        a[0, 0], c[...] = np.inf, 0
        call = gemm_call(a, b, c, None, 0.0)
        got = multiplied(call, (np.array(0.0), a, b, None, c))
        np.testing.assert_array_equal(np.isnan(got[:, 0]), [True, False])


def test_long_sums_of_one_sign_and_of_small_numbers() -> None:
    """Roundings that all go one way do not add up; sums of float16 are made in float32."""
    count = 300_000
    a = np.full((1, count), 1.1, "float32")
    c = np.zeros((1, 1), "float32")
    got = multiplied(gemm_call(a, a.T, c, 1.0, 0.0), (None, a, a.T, None, c))
    assert abs(got[0, 0] / (count * float(a[0, 0]) ** 2) - 1) < 2e-6
    a, c = np.full((1, count), 0.25, "float16"), np.zeros((1, 1), "float16")
    b = np.full((count, 1), 0.125, "float16")
    got = multiplied(gemm_call(a, b, c, 1.0, 0.0), (None, a, b, None, c))
    assert abs(float(got[0, 0]) / (count / 32) - 1) < 1e-3


def test_tf32_is_off_unless_asked_for() -> None:
    a = np.full((2, 2), 1 + 2.0**-12, "float32")
    c = np.zeros((2, 2), "float32")
    call = gemm_call(a, a, c, 1.0, 0.0)
    exact = multiplied(call, (None, a, a, None, c))
    rounded = multiplied(call, (None, a, a, None, c), rounded="tf32")
    np.testing.assert_array_equal(rounded, 2)
    np.testing.assert_array_equal(exact, a @ a)
    x = T.fmatrix("x")
    with config.change_flags(device="emulated", gpu_tf32="on"):
        np.testing.assert_array_equal(symnet.function([x], T.dot(x, x))(a), 2)
    with config.change_flags(device="emulated"):
        np.testing.assert_array_equal(symnet.function([x], T.dot(x, x))(a), a @ a)


def as_bfloat16(x: Any) -> Any:
    """The nearest numbers with 8 bits, of two the even one: by their digits, not their bits."""
    digits, exponents = np.frexp(x.astype("float64"))
    return np.ldexp(np.rint(digits * 2**8) / 2**8, exponents)


HALFWAY = np.array([1 + 2**-8, 1 + 3 * 2**-8, -1 - 2**-8, 3.0, 0.0, 2.5e-30], "float32")


@pytest.mark.parametrize("moving", [False, True])
def test_factors_of_bfloat16(moving: bool) -> None:
    """Factors are rounded to the nearest, sums are float32's; and it is off unless asked for."""
    random = np.random.default_rng(6)
    a, b = (random.normal(size=s).astype("float32") for s in ((6, 50), (50, 4)))
    a[:, 0], b[0] = HALFWAY, 1 + 2.0**-20
    c = np.zeros((6, 4), "float32")
    call = gemm_call(a, b, c, 1.0, 0.0)
    got = multiplied(call, (None, a, b, None, c), moving, "bfloat16")
    size = np.abs(a) @ np.abs(b)
    near = np.abs(got - as_bfloat16(a) @ as_bfloat16(b)) / size
    assert near.max() < 50 * 2**-24
    exact = a.astype("float64") @ b.astype("float64")
    error = np.abs(got - exact) / size
    assert 2**-13 < error.max() < 2 * 2**-8 + 2**-16 + 50 * 2**-24
    plain = multiplied(call, (None, a, b, None, c), moving)
    assert (np.abs(plain - exact) / size).max() < 50 * 2**-24


def test_bfloat16_of_numbers_at_the_edges() -> None:
    """NaN of any bits stays NaN, and what is beyond the largest number is infinite."""
    bits = [0x7FFFFFFF, 0x7F800001, 0xFFFFFFFF, 0x7F800000, 0x7F7FFFFF, 0x7F7F7FFF, 0x1]
    a = np.array(bits, "uint32").view("float32").reshape(-1, 1)
    b, c = np.ones((1, 1), "float32"), np.zeros((len(bits), 1), "float32")
    call, arrays = gemm_call(a, b, c, 1.0, 0.0), (None, a, b, None, c)
    top = float.fromhex("0x1.fep127")
    wanted = [np.nan, np.nan, np.nan, np.inf, np.inf, top, 0]
    got = multiplied(call, arrays, rounded="bfloat16")
    np.testing.assert_array_equal(got.ravel(), wanted)
    assert np.isnan(multiplied(call, arrays, rounded="tf32")[:3]).all()


FLAGS = {
    ("off", "off"): "", ("on", "off"): "tf32", ("off", "on"): "bfloat16",
    ("on", "on"): "bfloat16",
}  # fmt: skip


@pytest.mark.parametrize("flags", FLAGS)
def test_formats_that_settings_allow(flags: tuple[str, str]) -> None:
    """Of products and convolutions alike; a function keeps what it was made with."""
    tf32, bf16 = flags
    steps = {"": 2.0**-14, "tf32": 2.0**-10, "bfloat16": 2.0**-7}
    x, y = T.fmatrix("x"), T.ftensor4("y")
    with config.change_flags(device="emulated", gpu_tf32=tf32, gpu_bf16=bf16):
        f = symnet.function([x], T.dot(x, x))
        filters = np.ones((5, 1, 1, 1), "float32")
        g = symnet.function([y], T.nnet.conv2d(y, filters))
    step = steps[FLAGS[flags]]
    for beyond in (0.0, 0.25):  # of the format's last place, which is lost
        number = np.float32(1 + step * (1 + beyond))
        lost = np.float32(1 + step) if FLAGS[flags] else number
        a = np.diag(np.full(3, number))
        for _ in range(3):
            np.testing.assert_array_equal(f(a), np.diag(np.full(3, lost * lost)))
        found = g(np.full((2, 1, 4, 3), number))
        np.testing.assert_array_equal(found, np.full((2, 5, 4, 3), lost))


def test_other_dtypes_keep_their_precision() -> None:
    for dtype in ("float16", "float64"):
        a = np.full((2, 2), 1 + 2.0**-10, dtype)
        with config.change_flags(device="emulated", gpu_tf32="on", gpu_bf16="on"):
            x = T.matrix("x", dtype)
            found = symnet.function([x], T.dot(x, x))(a)
        np.testing.assert_array_equal(found, (a.astype("float64") @ a).astype(dtype))


def test_what_cublas_has_no_words_for() -> None:
    for dtype in ("int64", "bool", "complex64"):
        a = np.ones((2, 2), dtype)
        assert work_of_product(gemm_call(a, a, a, 1.0, 0.0), [False] * 5, "") is None
    far = GemmCall("float32", (2**31, 1, 1), ((4, 4), (4, 4), (4, 4)))
    assert work_of_product(far, [False] * 5, "") is None


# ---- the library


@pytest.fixture
def library() -> tuple[Cublas, EmulatedCublas]:
    held = EmulatedCublas(lambda where, size: True)
    return Cublas(held, HostAllocation(256)), held


def good(memory: Any) -> CublasProduct:
    where = memory.ctypes.data
    return CublasProduct(
        "float32", "float32", (2, 3, 4), (False, False), 1.0, 0.0,
        (2, 4, 2), (0, 0, 0), 1, "", (where, where + 32, where + 80),
    )  # fmt: skip


@pytest.mark.parametrize("count", [1, 2])
def test_complex_products(count: int, library: Any) -> None:
    """No program has them yet; the binding does."""
    random = np.random.default_rng(5)
    for dtype in ("complex64", "complex128"):
        a, b, c = (
            (random.normal(size=(count, *s)) + 1j).astype(dtype)
            for s in ((4, 2), (4, 3), (3, 2))
        )
        product = CublasProduct(
            dtype, dtype, (2, 3, 4), (False, True), 2 + 1j, 1j, (2, 3, 2),
            (8, 12, 6), count, "", (a.ctypes.data, b.ctypes.data, c.ctypes.data),
        )  # fmt: skip
        wanted = (2 + 1j) * b.transpose(0, 2, 1) @ a + 1j * c
        library[0].multiply(product)
        np.testing.assert_allclose(
            c, wanted, rtol=1e-5 if dtype == "complex64" else 1e-12
        )


def test_arguments_that_cublas_refuses(library: Any) -> None:
    one, _ = library
    memory = np.ones(64, "float32")
    one.multiply(good(memory))
    for changed, told in (
        ({"leading": (1, 4, 2)}, "INVALID_VALUE"),
        ({"leading": (2, 3, 2)}, "INVALID_VALUE"),
        ({"leading": (2, 4, 1)}, "INVALID_VALUE"),
        ({"sizes": (-1, 3, 4)}, "INVALID_VALUE"),
        ({"result": "float64"}, "NOT_SUPPORTED"),
        ({"result": "float16"}, "NOT_SUPPORTED"),
    ):
        with pytest.raises(RuntimeError, match=f"cublasGemmEx .*{told}"):
            one.multiply(replace(good(memory), **changed))


def test_streams_have_handles_of_their_own(library: Any) -> None:
    """The workspace is set behind the stream, which would take it away."""
    one, held = library
    memory = np.ones(64, "float32")
    for stream in (0, 4096, 0):
        one.multiply(good(memory), stream)
    first, second = held.handles.values()
    assert first["cublasSetStream_v2"] == (0,) and second["cublasSetStream_v2"] == (
        4096,
    )
    workspace = (one.workspace.address, one.workspace.size)
    assert (
        first["cublasSetWorkspace_v2"] == second["cublasSetWorkspace_v2"] == workspace
    )
    del one


def test_types_and_numbers_are_those_of_the_header() -> None:
    """As cublas_api.h and library_types.h have them."""
    assert cublas.DATA == {
        "float32": 0, "float64": 1, "float16": 2, "complex64": 4, "complex128": 5,
    }  # fmt: skip
    assert cublas.COMPUTE["float32"] == 68 and cublas.COMPUTE["float64"] == 70
    assert set(SUMS) == set(cublas.DATA)
    rounded = {name: set(known.values()) for name, known in cublas.ROUNDED.items()}
    assert rounded == {"tf32": {77}, "bfloat16": {75}}
    plain, batched = (
        cublas.SIGNATURES[name]
        for name in ("cublasGemmEx", "cublasGemmStridedBatchedEx")
    )
    assert len(plain) == 19 and len(batched) == 23
    steps = [k for k, kind in enumerate(batched) if kind is ctypes.c_longlong]
    assert steps == [10, 14, 19]


def test_where_it_is_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = tmp_path / "nvidia" / "cu13" / "lib" / "libcublas.so.13"
    older = tmp_path / "nvidia" / "cublas" / "lib" / "libcublas.so.12"
    cuda = tmp_path / "cuda" / "lib64" / "libcublas.so.12"
    windows = tmp_path / "nvidia" / "cublas" / "bin" / "cublas64_12.dll"
    for file in (wheel, older, cuda, windows):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    found = SimpleNamespace(submodule_search_locations=[str(tmp_path / "nvidia")])
    monkeypatch.setattr(cublas, "find_spec", lambda name: found)
    monkeypatch.setenv("CUDA_PATH", str(tmp_path / "cuda"))
    monkeypatch.delenv("CUDA_HOME", raising=False)
    files = list(candidates("linux"))
    names = ["libcublas.so.13", "libcublas.so.12"]
    assert files[:5] == [*names, str(wheel), str(older), str(cuda)]
    assert str(windows) in list(candidates("win32"))
    assert list(candidates("darwin")) == []


def test_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def load() -> Any:
        raise OSError("none of libcublas.so.13 can be loaded")

    assert "could be called by address (none of libcublas" in cublas.missing_products(
        load
    )
    assert cublas.missing_products(lambda: None) == ""
