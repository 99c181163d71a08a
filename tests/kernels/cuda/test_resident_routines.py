"""Routines by the library of arrays: values and errors are the CPU's, and nothing travels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet.config import config
from symnet.kernels.cuda.array_routines import ANSWERS
from symnet.kernels.gpus import GPUS
from symnet.kernels.memory import Moved, NoRoom
from tests.kernels.cuda.sample_arrays import (
    BATCH,
    HOLES,
    NAN,
    POSITIVE,
    POSITIVES,
    SQUARE,
    WIDE,
)
from tests.kernels.programs import on

pytestmark = pytest.mark.filterwarnings("error::symnet.compile.refusals.HostFallback")


def whole(u: Any, s: Any, vt: Any) -> Any:
    return T.batched_tensordot(u * s[..., None, :], vt, ((2,), (1,)))


def spectrum(x: Any, lower: str = "L") -> list[Any]:
    """Eigenvalues, and what does not depend on the signs of vectors."""
    values, vectors = T.nlinalg.eigh(x, lower)
    return [values, T.dot(vectors * values, T.conj(vectors.T))]


def singular(x: Any, full: bool) -> list[Any]:
    u, s, vt = T.nlinalg.svd(x, full_matrices=full)
    k = T.minimum(x.shape[0], x.shape[1])
    return [s, T.dot(u[:, :k] * s, vt[:k]), T.dot(T.conj(u.T), u)]


def turned(x: Any, mode: str) -> list[Any]:
    q, r = T.nlinalg.qr(x, mode)
    return [T.dot(q, r), T.dot(T.conj(q.T), q), abs(r)]


Case = tuple[Callable[[Any], Any], np.ndarray]
CASES: dict[str, Case] = {
    "sort": (lambda x: T.sort(x, 0), HOLES),
    "sort of rows that lie apart": (lambda x: T.sort(x[::-1, ::2]), HOLES),
    "argsort": (lambda x: T.argsort(x), HOLES),
    "topk": (lambda x: T.topk_and_argtopk(x, 2), HOLES),
    "bottomk": (lambda x: T.topk_and_argtopk(x, -3, axis=0), HOLES),
    "rows of one value": (lambda x: T.argsort(x * 0), SQUARE),
    "gradient of sort": (lambda x: T.grad((T.sort(x) ** 2).sum(), x), SQUARE),
    "places": (lambda x: T.searchsorted(T.sort(x[0]), x), SQUARE),
    "inverse": (T.nlinalg.matrix_inverse, SQUARE),
    "inverses": (T.nlinalg.matrix_inverse, BATCH),
    "gradient of an inverse": (
        lambda x: T.grad((T.nlinalg.matrix_inverse(x) ** 2).sum(), x), SQUARE,
    ),
    "solution": (lambda x: T.slinalg.solve(x, x.T[::-1]), SQUARE),
    "solution of a vector": (lambda x: T.slinalg.solve(x, x[0]), SQUARE),
    "solutions": (lambda x: T.slinalg.solve(x, x * x), BATCH),
    "solutions of vectors": (lambda x: T.slinalg.solve(x, x[..., 0]), BATCH),
    "lower": (lambda x: T.slinalg.solve_lower_triangular(x, x[:, :2]), SQUARE),
    "upper": (lambda x: T.slinalg.solve_upper_triangular(x, x[0]), SQUARE),
    "lowers": (lambda x: T.slinalg.solve_lower_triangular(x, x), BATCH),
    "uppers of vectors": (
        lambda x: T.slinalg.solve_upper_triangular(x, x[..., 1]), BATCH,
    ),
    "cholesky": (T.slinalg.cholesky, POSITIVE),
    "choleskies": (T.slinalg.Cholesky(lower=False), POSITIVES),
    "gradient of cholesky": (
        lambda x: T.grad(T.slinalg.cholesky(x).sum(), x), POSITIVE,
    ),
    "cholesky or NaN": (
        lambda x: T.slinalg.Cholesky(on_error="nan")(T.stack([x, -x, x])), POSITIVE,
    ),
    "determinants": (T.nlinalg.det, BATCH),
    "logarithms of determinants": (T.nlinalg.slogdet, BATCH),
    "of a singular matrix": (lambda x: T.nlinalg.slogdet(x * 0), SQUARE),
    "eigenvalues": (spectrum, POSITIVE),
    "eigenvalues of the other triangle": (lambda x: spectrum(x, "U"), SQUARE),
    "eigenvalues of a batch": (lambda x: T.nlinalg.eigh(x)[0], POSITIVES),
    "singular values": (lambda x: T.nlinalg.svd(x, compute_uv=False), BATCH),
    "all vectors": (lambda x: singular(x, True), WIDE),
    "few vectors": (lambda x: singular(x, False), WIDE.T),
    "pseudo-inverse": (T.nlinalg.pinv, WIDE),
    "least squares": (lambda x: T.nlinalg.lstsq(x, x[:, 0], -1.0)[0], SQUARE[:, :2]),
    "reduced": (lambda x: turned(x, "reduced"), WIDE.T),
    "reduced of a wide one": (lambda x: turned(x, "reduced"), WIDE),
    "complete": (lambda x: turned(x, "complete"), WIDE.T),
    "with columns of zeros": (lambda x: turned(x * [0.0, 1, 0, 1], "complete"), SQUARE),
    "exponential": (T.slinalg.expm, SQUARE),
}  # fmt: skip
REAL_CASES: dict[str, Case] = {
    "real": (lambda x: T.fft.rfft(x), WIDE),
    "real and back": (lambda x: T.fft.irfft(T.fft.rfft(x), is_odd=True), WIDE[:, :3]),
    "along several axes": (lambda x: T.fft.rfft(x), BATCH),
    "with a factor": (lambda x: T.fft.rfft(x, norm="ortho"), WIDE),
    "gradient": (lambda x: T.grad((T.fft.rfft(x) ** 2).sum(), x), BATCH),
}
MATRICES = {k: v for k, v in CASES.items() if k not in ("places", "exponential")}


def listed(found: Any) -> list[Any]:
    return list(found) if isinstance(found, (list, tuple)) else [found]


def results(device: str, case: Case, dtype: str, value: np.ndarray) -> list[Any]:
    with config.change_flags(device=device):
        x = T.TensorType(dtype, [None] * value.ndim)("x")
        f = on(device, [x], listed(case[0](x)))
        return [f(value) for _ in range(3)][-1]


TOLERANCES = {
    "float16": 2e-3, "float32": 2e-4, "complex64": 2e-4, "float64": 1e-9, "complex128": 1e-9,
}  # fmt: skip


def check(case: Case, gpu: str, dtype: str, value: np.ndarray) -> None:
    value = value.astype(dtype)
    near = {"rtol": TOLERANCES[dtype], "atol": TOLERANCES[dtype]}
    with config.change_flags(device="cpu"):
        wanted = results("cpu", case, dtype, value)
    for got, want in zip(results(gpu, case, dtype, value), wanted, strict=True):
        assert got.dtype == want.dtype and got.shape == want.shape
        np.testing.assert_allclose(got, want, **near)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", CASES | REAL_CASES)
def test_values_are_the_cpus(name: str, gpu: str, dtype: str) -> None:
    case = (CASES | REAL_CASES)[name]
    check(case, gpu, dtype, case[1])


NO_ORDER = ("topk", "bottomk", "places", "least", "pseudo", "exponential", "gradient")


@pytest.mark.parametrize(
    "name", [k for k in CASES if not k.startswith((*NO_ORDER, "logarithms"))]
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_complex_numbers(name: str, gpu: str) -> None:
    case = CASES[name]
    value = case[1] + 0.1j * np.flip(case[1], -1)
    if "chole" in name:  # it takes Hermitian ones
        value = case[1] + 0.1j * np.triu(np.ones(4), 1)
        value = (value + value.conj().swapaxes(-1, -2)) / 2
    check(case, gpu, "complex128", value)


@pytest.mark.parametrize(
    "name",
    ["sort", "argsort", "topk", "inverse", "solution", "lowers", "cholesky", "determinants",
     "real", "real and back"],
)  # fmt: skip
def test_halves(name: str, gpu: str) -> None:
    """As on the CPU, LAPACK's functions compute them in float32."""
    with config.change_flags(floatX="float32"):
        case = (CASES | REAL_CASES)[name]
        check(case, gpu, "float16", case[1])


@pytest.mark.parametrize("shape", [(0, 4, 4), (2, 0, 0), (0, 0), (1, 1)])
@pytest.mark.parametrize(
    "name",
    ["inverse", "cholesky", "determinants", "logarithms of determinants", "lowers", "sort",
     "argsort", "singular values", "solutions"],
)  # fmt: skip
def test_empty_and_single_ones(name: str, shape: Any, gpu: str) -> None:
    check(CASES[name], gpu, "float64", np.ones(shape))


@pytest.mark.parametrize("shape", [(3, 0), (0, 3)])
@pytest.mark.parametrize("name", ["all vectors", "few vectors", "reduced", "complete"])
def test_matrices_without_elements(name: str, shape: Any, gpu: str) -> None:
    check(CASES[name], gpu, "float64", np.ones(shape))


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint8", "int64", "uint64"])
@pytest.mark.parametrize("name", ["sort", "argsort", "topk", "bottomk"])
def test_whole_numbers_in_order(name: str, dtype: str, gpu: str) -> None:
    value = np.array([[3, 1, 0, 200], [1, 1, 2, 0], [0, 5, 7, 255]]).astype(dtype)
    with config.change_flags(device="cpu"):
        wanted = results("cpu", CASES[name], dtype, value)
    for got, want in zip(results(gpu, CASES[name], dtype, value), wanted, strict=True):
        np.testing.assert_array_equal(got, want)
        assert got.dtype == want.dtype


@pytest.mark.parametrize("name", CASES | REAL_CASES)
def test_nothing_travels(name: str, gpu: str) -> None:
    make, value = (CASES | REAL_CASES)[name]
    x = symnet.shared(value)
    outputs = [T.abs_(one).sum() for one in listed(make(x))]
    total = symnet.shared(0.0)
    f = on(gpu, [], [], updates=[(total, total + T.cast(sum(outputs), "float64"))])
    for _ in range(3):
        f()
    before = GPUS[gpu].transfers.traffic
    f()
    moved = GPUS[gpu].transfers.traffic - before
    assert moved.to_device == moved.to_host == Moved(0, 0)
    profile = f.profile(repeat=2)
    assert profile.transfers.to_device == profile.transfers.to_host == Moved(0, 0)


# ---- errors

x, b = T.dmatrix("x"), T.dvector("b")
SINGULAR = np.array([[1.0, 2.0], [2.0, 4.0]])
REFUSED: dict[str, tuple[Any, np.ndarray, str]] = {
    "inverse": (T.nlinalg.matrix_inverse(x), SINGULAR, "Singular matrix"),
    "inverses": (T.nlinalg.matrix_inverse(T.stack([x, x])), SINGULAR, "Singular"),
    "solution": (T.slinalg.solve(x, x[0]), SINGULAR, "Singular matrix"),
    "lower": (T.slinalg.solve_lower_triangular(x, x), 0 * SINGULAR, "Singular"),
    "cholesky": (T.slinalg.cholesky(x), -np.eye(2), "not positive definite"),
    "upper": (T.slinalg.Cholesky(lower=False)(x), SINGULAR - 3, "not positive"),
    "svd": (T.nlinalg.svd(x, compute_uv=False), SINGULAR * NAN, "did not converge"),
    "pinv": (T.nlinalg.pinv(x), SINGULAR * NAN, "did not converge"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_errors_are_the_cpus(name: str, gpu: str) -> None:
    """With their lines, and in the second and third call too; nothing is updated."""
    output, value, says = REFUSED[name]
    texts = []
    for device in ("cpu", gpu):
        with config.change_flags(device=device):
            count = symnet.shared(0.0)
            f = on(device, [x], output, updates=[(count, count + 1)])
            f(np.array([[4.0, 1.0], [1.0, 3.0]]))
            for _ in range(3):
                with pytest.raises(np.linalg.LinAlgError, match=says) as error:
                    f(value)
            texts.append(str(error.value))
            assert count.get_value() == 1
            assert "your line: " in texts[-1] and "test_resident_routines" in texts[-1]
            f(np.eye(2))
            assert count.get_value() == 2
    assert texts[0] == texts[1]


def test_where_a_routine_finds_no_memory(
    gpu: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the library works in besides: the call's largest arrays are named."""

    def full(given: Any) -> Any:
        raise MemoryError("4 GB more")

    f = on(gpu, [x], T.exp(T.sort(x)))
    f(SINGULAR)
    monkeypatch.setitem(ANSWERS, "sort", full)
    for _ in range(2):
        with pytest.raises(NoRoom, match="no memory left on the GPU") as error:
            f(SINGULAR)
        assert "4 GB more" in str(error.value) and "largest" in str(error.value)
    monkeypatch.undo()
    np.testing.assert_allclose(f(SINGULAR), np.exp(SINGULAR))


def test_loops_with_such_steps(gpu: str) -> None:
    """Values, and the iteration that fails."""
    rows = T.dtensor3("rows")

    def step(one: Any, old: Any) -> Any:
        return T.sort(T.slinalg.solve(one, old)) + T.cumsum(old)

    values = np.stack([np.eye(3) * (k + 1) for k in range(5)])
    broken = values.copy()
    broken[3] = 0
    found, texts = [], []
    for device in ("cpu", gpu):
        with config.change_flags(device=device):
            history, _ = symnet.scan(step, rows, T.constant([3.0, 1.0, 2.0]))
            cost = history[-1].sum()
            f = on(device, [rows], [history, T.grad(cost, rows)])
            found.append([f(values) for _ in range(3)][-1])
            with pytest.raises(np.linalg.LinAlgError) as error:
                f(broken)
            texts.append(str(error.value))
    for got, want in zip(found[1], found[0], strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-12)
    assert texts[0] == texts[1]


def test_a_condition_with_such_steps(gpu: str) -> None:
    k = T.dscalar("k")
    chosen = symnet.ifelse.ifelse(k > 0, T.sort(b), T.cumsum(b))
    f = on(gpu, [k, b], chosen)
    for _ in range(3):
        np.testing.assert_array_equal(f(1.0, [3.0, 1.0]), [1, 3])
        np.testing.assert_array_equal(f(0.0, [3.0, 1.0]), [3, 4])
