"""The table of routines, by a stand-in for CuPy, and by CuPy's names where it is installed."""

from __future__ import annotations

import ast
import inspect
from typing import Any

import numpy as np
import pytest

from symnet.kernels.cuda import array_routines
from symnet.kernels.cuda.array_routines import (
    ANSWERS,
    ArrayLibrary,
    answer,
    has_answer,
    name_of,
)
from symnet.kernels.cuda.emulated_driver import solve_triangular
from symnet.kernels.library import DenseCall
from symnet.kernels.routines import (
    EntryRows,
    Fourier,
    Largest,
    MatrixFunction,
    MatrixProduct,
    Ordering,
    Places,
    Running,
    TriangularSolve,
)
from symnet.kernels.stepwise import Refused
from tests.kernels.cuda.array_stand_in import AsCupy, held, plain
from tests.kernels.cuda.sample_arrays import BATCH, HOLES, POSITIVE, SQUARE, WIDE

SINGULAR = np.array([[1.0, 2.0], [2.0, 4.0]])

# ---- the table


def run(routine: Any, arrays: list[Any], outputs: list[Any], *sizes: int) -> list[Any]:
    every = [held(np.array(a)) for a in (*arrays, *outputs)]
    call = DenseCall(routine, (), len(outputs), sizes, lambda given: given)
    answer(call, every, AsCupy().library())
    return [plain(one) for one in every[len(arrays) :]]


def test_arrays_stay_where_they_are() -> None:
    """By what a stand-in knows of CuPy: names, settings, arrays of its own kind only."""
    (found,) = run(Ordering("float64", False), [HOLES], [HOLES])
    np.testing.assert_array_equal(found, np.sort(HOLES))
    (places,) = run(Ordering("float64", True), [HOLES], [WIDE.astype("int64")])
    np.testing.assert_array_equal(places, np.argsort(HOLES, kind="stable"))
    values, places = run(Largest("float64"), [HOLES], [HOLES[:, :2]] * 2, 2)
    np.testing.assert_array_equal(values, np.flip(np.sort(HOLES), -1)[:, :2])
    for kind, wanted in (("add", np.cumsum), ("mul", np.cumprod)):
        routine = Running(kind, "complex128", 1)
        (found,) = run(routine, [SQUARE * 1j], [SQUARE * 0j])
        np.testing.assert_allclose(found, wanted(SQUARE * 1j, axis=1))
    routine = Running("linear", "complex128", 1)
    (found,) = run(routine, [SQUARE * 1j, SQUARE + 0j], [SQUARE * 0j])
    wanted = SQUARE + 0j
    for k in (1, 2, 3):
        wanted[:, k] += 1j * SQUARE[:, k] * wanted[:, k - 1]
    np.testing.assert_allclose(found, wanted)


def test_transforms_stay_where_they_are() -> None:
    pairs = np.stack([BATCH[0], BATCH[1]], -1)
    numbers = BATCH[0] + 1j * BATCH[1]
    for kind, wanted in (
        ("fft", np.fft.fft(numbers, axis=-2)),
        ("ifft", np.fft.ifft(numbers, axis=-2, norm="forward")),
    ):
        (found,) = run(Fourier(kind, "float64"), [pairs], [pairs])
        np.testing.assert_allclose(found[..., 0] + 1j * found[..., 1], wanted)
    half = np.fft.rfft(WIDE)
    two = np.stack([half.real, half.imag], -1)
    (found,) = run(Fourier("rfft", "float64"), [WIDE], [two * 0])
    np.testing.assert_allclose(found, two)
    (found,) = run(Fourier("irfft", "float64"), [two], [WIDE], 4)
    np.testing.assert_allclose(found, WIDE * 4)


def test_matrices_stay_where_they_are() -> None:
    def of(kind: str, arrays: list[Any], outputs: list[Any]) -> list[Any]:
        return run(MatrixFunction(kind, "float64"), arrays, outputs)

    np.testing.assert_allclose(
        of("inv", [SQUARE], [SQUARE])[0] @ SQUARE, np.eye(4), atol=1e-9
    )
    for kind, right in (("solve", SQUARE[:, :3]), ("solve1", SQUARE[0])):
        (found,) = of(kind, [SQUARE, right], [right])
        np.testing.assert_allclose(SQUARE @ found, right)
    (found,) = run(TriangularSolve(True, "float64"), [SQUARE, WIDE.T], [WIDE.T])
    np.testing.assert_allclose(np.tril(SQUARE) @ found, WIDE.T)
    (low,) = of("cholesky_lo", [POSITIVE], [SQUARE])
    (high,) = of("cholesky_up", [POSITIVE], [SQUARE])
    np.testing.assert_allclose(low @ low.T, POSITIVE)
    np.testing.assert_allclose(high, low.T)
    (found,) = of("det", [SQUARE], [0.0])
    np.testing.assert_allclose(found, np.linalg.det(SQUARE))
    found = of("slogdet", [-SQUARE], [0.0, 0.0])
    np.testing.assert_allclose(found, np.linalg.slogdet(-SQUARE))
    for kind, triangle in (("eigh_lo", "L"), ("eigh_up", "U")):
        values, vectors = of(kind, [SQUARE], [SQUARE[0], SQUARE])
        np.testing.assert_allclose(values, np.linalg.eigvalsh(SQUARE, triangle))
        part = np.tril(SQUARE) if triangle == "L" else np.triu(SQUARE).T
        symmetric = part + np.tril(part, -1).T
        np.testing.assert_allclose(symmetric @ vectors, vectors * values, atol=1e-9)
    (found,) = of("eigvalsh_lo", [SQUARE], [SQUARE[0]])
    np.testing.assert_allclose(found, np.linalg.eigvalsh(SQUARE))
    u, s, vt = of("svd_f", [WIDE], [np.eye(3), WIDE[:, 0], np.eye(4)])
    np.testing.assert_allclose(u * s @ vt[:3], WIDE)
    u, s, vt = of("svd_s", [WIDE], [np.eye(3), WIDE[:, 0], WIDE])
    np.testing.assert_allclose(u * s @ vt, WIDE)
    np.testing.assert_allclose(of("svd", [WIDE], [WIDE[:, 0]])[0], s)


@pytest.mark.parametrize(
    "value", [WIDE, WIDE.T, SQUARE * [0, 1, 0, 1], WIDE + 1j * WIDE[::-1]]
)
@pytest.mark.parametrize("kind", ["qr_reduced", "qr_complete"])
def test_reflections_and_their_product(value: np.ndarray, kind: str) -> None:
    dtype, (m, n) = value.dtype.name, value.shape
    inside, factors = run(
        MatrixFunction("qr_r_raw", dtype, False),
        [value],
        [value, value[0, : min(m, n)]],
    )
    columns = m if kind == "qr_complete" else min(m, n)
    (q,) = run(
        MatrixFunction(kind, dtype, False),
        [inside, factors],
        [np.zeros((m, columns), dtype)],
    )
    np.testing.assert_allclose(q.conj().T @ q, np.eye(columns), atol=1e-12)
    np.testing.assert_allclose(
        q[:, : min(m, n)] @ np.triu(inside)[: min(m, n)], value, atol=1e-12
    )


@pytest.mark.parametrize(
    ("routine", "arrays"),
    [
        (MatrixFunction("inv", "float64"), [SINGULAR]),
        (MatrixFunction("solve", "float64"), [SINGULAR, SINGULAR]),
        (MatrixFunction("cholesky_lo", "float64"), [-POSITIVE]),
        (MatrixFunction("svd", "float64"), [HOLES]),
        (TriangularSolve(False, "float64"), [np.eye(2) - 1, SINGULAR]),
    ],
)
def test_what_has_no_answer_is_refused(routine: Any, arrays: list[Any]) -> None:
    output = arrays[0][0] if routine.name.endswith("svd") else arrays[0]
    with pytest.raises(Refused):
        run(routine, arrays, [output])


def test_a_pivot_that_is_not_positive_is_refused_whatever_is_said() -> None:
    """Also where the library says nothing of it."""
    library = AsCupy()
    library.linalg.cholesky = lambda x: x
    x = held(np.diag([1.0, -1.0]))
    call = DenseCall(
        MatrixFunction("cholesky_lo", "float64"), (), 1, (), lambda given: given
    )
    with pytest.raises(Refused):
        answer(call, [x, x.copy()], library.library())


def test_which_routines_there_are() -> None:
    library = AsCupy().library()
    for routine in (
        Ordering("bool", True),
        Largest("float16"),
        Fourier("fft", "float16"),
        MatrixFunction("eigh_lo", "complex64"),
        TriangularSolve(True, "float16"),
        Running("linear", "complex128", 0),
    ):
        assert has_answer(routine, library), routine
    for other in (
        Running("max", "complex128", 0),
        MatrixFunction("eig", "complex128"),
        MatrixProduct("float32"),
        Places("complex64", True),
        EntryRows(),
    ):
        assert not has_answer(other, library), other
    fewer = ArrayLibrary(np, library.strict, solve_triangular, lambda part: True)
    assert has_answer(Ordering("bool", True), fewer)
    assert not has_answer(Fourier("fft", "float32"), fewer)
    assert not has_answer(MatrixFunction("inv", "float32"), fewer)
    assert not has_answer(TriangularSolve(True, "float32"), fewer)
    assert name_of(Running("add", "float32", 3)) in ANSWERS


def said_of_cupy() -> list[tuple[str, int, list[str]]]:
    """The functions of the library that the table's code calls: names, arguments, settings."""
    found = []
    tree = ast.parse(inspect.getsource(array_routines))
    for call in (one for one in ast.walk(tree) if isinstance(one, ast.Call)):
        name = ast.unparse(call.func)
        if name.startswith(("xp.", "given.xp.")) and not isinstance(
            call.args[0], ast.Starred
        ):
            keys = [one.arg or "" for one in call.keywords]
            found.append((name.partition("xp.")[2], len(call.args), keys))
    return found


def test_the_stand_in_has_what_is_said() -> None:
    said, library = said_of_cupy(), AsCupy()
    assert len(said) > 25
    for name, *_ in said:
        part, _, last = name.rpartition(".")
        assert hasattr(getattr(library, part) if part else library, last), name


def test_cupy_has_what_is_said() -> None:
    """Names and settings, where CuPy is installed; it takes no GPU."""
    cupy = pytest.importorskip("cupy")
    for name, count, keys in said_of_cupy():
        function = cupy
        for part in name.split("."):
            function = getattr(function, part)
        if not isinstance(function, cupy.ufunc) and name != "matmul":
            inspect.signature(function).bind(*range(count), **dict.fromkeys(keys))
    for name in (
        "astype",
        "copy",
        "swapaxes",
        "conj",
        "view",
        "reshape",
        "any",
        "real",
    ):
        assert hasattr(cupy.ndarray, name)
    cupyx = pytest.importorskip("cupyx")
    inspect.signature(cupyx.errstate).bind(linalg="raise")
