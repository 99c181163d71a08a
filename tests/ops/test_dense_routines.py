"""Operations that are native calls of routines: every dtype, sizes 0 and 1, every layout,
in all modes and on the reference device, against NumPy and SciPy."""

# ruff: noqa: B023  (what takes a loop variable is called at once)
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.linalg

import symnet
import symnet.tensor as T
from symnet.graph.types import COMPLEX, DTYPES, TensorType
from symnet.kernels.cpu.library import dense_calls, fourier_steps, matrix_functions

REAL = [d for d in DTYPES if d not in COMPLEX]
PRECISE = ["float32", "float64", "complex64", "complex128"]
SHAPES = [(0,), (1,), (1500,), (0, 3), (3, 0), (5, 600), (2, 3, 4)]
LAYOUTS: dict[str, Callable[[Any], Any]] = {
    "C": lambda x: x,
    "F": np.asfortranarray,
    "backwards": lambda x: x[::-1].copy()[::-1],
    "apart": lambda x: np.repeat(x, 2, axis=-1)[..., ::2],
}
WAYS = ["FAST_RUN", "DebugMode"]  # which runs the program on the reference device, too


def numbers(shape: tuple[int, ...], dtype: str, seed: int = 0) -> Any:
    """Numbers with ties, and with NaN where there is such a thing."""
    rng = np.random.default_rng(seed)
    kind = np.dtype(dtype).kind
    if kind in "bui":
        return rng.integers(0, 2 if kind == "b" else 100, shape).astype(dtype)
    x = np.round(rng.normal(size=shape), 1).astype(dtype)
    if kind == "c":
        x = x + 1j * np.round(rng.normal(size=shape), 1).astype(dtype)
    return x.astype(dtype)


def variable(value: Any) -> Any:
    return TensorType(value.dtype, (None,) * value.ndim)()


def native(f: Any) -> bool:
    return len(f.engine.segments) == 1


def check(
    build: Callable[..., Any],
    want: Callable[..., Any],
    arrays: list[Any],
    layout: str = "C",
    tolerance: float = 0.0,
) -> None:
    inputs = [variable(a) for a in arrays]
    given = [LAYOUTS[layout](a) for a in arrays]
    expected = want(*arrays)
    for way in WAYS:
        f = symnet.function(inputs, build(*inputs), mode=way)
        assert way != "FAST_RUN" or native(f)
        got = f(*given)
        np.testing.assert_allclose(
            got, expected, rtol=tolerance, atol=tolerance, equal_nan=True
        )
        assert got.shape == expected.shape
        assert got.dtype == build(*inputs).type.dtype


@pytest.mark.parametrize("dtype", [*REAL, "complex64", "complex128"])
def test_rows_in_order(dtype: str) -> None:
    for shape in SHAPES:
        x = numbers(shape, dtype)
        if np.dtype(dtype).kind == "f" and x.size > 3:
            x.flat[[1, 3]] = np.nan
        for axis in {-1, 0}:
            check(lambda v: T.sort(v, axis), lambda a: np.sort(a, axis), [x])
            check(
                lambda v: T.argsort(v, axis),
                lambda a: np.argsort(a, axis, kind="stable"),
                [x],
            )


@pytest.mark.parametrize("layout", LAYOUTS)
def test_rows_in_order_however_they_lie(layout: str) -> None:
    x = numbers((5, 6), "float32")
    check(lambda v: T.sort(v, 0), lambda a: np.sort(a, 0), [x], layout)
    check(lambda v: T.sort(v.T[::-1]), lambda a: np.sort(a.T[::-1]), [x], layout)
    check(
        lambda v: T.argtopk(v, 2),
        lambda a: np.argsort(-a, 1, kind="stable")[:, :2],
        [x],
        layout,
    )


def largest(x: Any, k: int) -> Any:
    order = np.argsort(x[..., ::-1], kind="stable")
    count = x.shape[-1]
    if k > 0:
        order = count - 1 - order[..., ::-1]
    else:
        order = np.argsort(x, kind="stable")
    return order[..., : abs(k)]


@pytest.mark.parametrize("dtype", [*REAL, "complex64", "complex128"])
def test_largest(dtype: str) -> None:
    for shape in ((1,), (7,), (1, 1), (3, 300), (2, 3, 4)):
        x = numbers(shape, dtype)
        if np.dtype(dtype).kind == "f" and x.size > 3:
            x.flat[[1, 3]] = np.nan
        # The few that are kept while others pass by, and all of a row.
        for k in {1, -1, shape[-1] // 4 or 1, -(shape[-1] // 4) or -1, shape[-1]}:
            check(lambda v: T.argtopk(v, k), lambda a: largest(a, k), [x])
            check(
                lambda v: T.topk(v, k),
                lambda a: np.take_along_axis(a, largest(a, k), -1),
                [x],
            )
    k = T.lscalar()
    f = symnet.function([k], T.argtopk(np.arange(5.0), k))
    np.testing.assert_array_equal(f(2), [4, 3])
    np.testing.assert_array_equal(f(-2), [0, 1])
    with pytest.raises(ValueError, match="fewer than k"):
        f(6)


def test_rows_along_an_axis_that_a_run_tells() -> None:
    x, axis, value = T.dmatrix(), T.scalar(), numbers((4, 5), "float64")
    f = symnet.function([x, axis], [T.sort(x, axis), T.argsort(x, axis)])
    for one in (0, 1, -1):
        ours, order = f(value, one)
        np.testing.assert_array_equal(ours, np.sort(value, one))
        np.testing.assert_array_equal(order, np.argsort(value, one, kind="stable"))
    with pytest.raises(IndexError):
        f(value, 2)
    symnet.gradient.verify_grad(lambda v: T.sort(v, T.constant(0)) ** 2, [value])


def test_operations_that_are_made_first() -> None:
    from symnet.tensor.sort import ArgSortOp, SortOp, TopKOp

    x, value = T.dmatrix(), numbers((4, 5), "float64")
    built = [
        SortOp("mergesort")(x, 0),
        ArgSortOp()(x),
        TopKOp(return_indices=False)(x, 2),
    ]
    ours, order, most = symnet.function([x], built)(value)
    np.testing.assert_array_equal(ours, np.sort(value, 0))
    np.testing.assert_array_equal(order, np.argsort(value, 1, kind="stable"))
    np.testing.assert_array_equal(most, np.sort(value)[:, ::-1][:, :2])
    assert SortOp("mergesort", []) != SortOp("quicksort", [])
    assert len(TopKOp()(x, 1)) == 2
    with pytest.raises(ValueError, match="neither"):
        TopKOp(return_values=False, return_indices=False)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("dtype", REAL)
def test_places(dtype: str, side: str) -> None:
    for length in (0, 1, 2, 9, 64):
        for shape in ((), (0,), (13,), (3, 4)):
            x = np.sort(numbers((length,), dtype))
            v = numbers(shape, dtype, 1)
            if np.dtype(dtype).kind == "f" and length > 4 and v.size > 3:
                x[-2:], v.flat[2] = np.nan, np.nan
            check(
                lambda x, v: T.searchsorted(x, v, side),
                lambda x, v: np.asarray(np.searchsorted(x, v, side)),
                [x, v],
            )


@pytest.mark.parametrize(
    "dtype", ["int32", "uint32", "int64", "uint64", "float32", "float64"]
)
def test_long_rows_of_all_bits(dtype: str) -> None:
    """With numbers of both signs, zeros of both, infinities, NaN of both, subnormals."""
    rng = np.random.default_rng(3)
    words = rng.integers(0, 256, (2, 3000 * np.dtype(dtype).itemsize), dtype=np.uint8)
    x = words.view(dtype)
    if np.dtype(dtype).kind == "f":
        some = [0.0, -0.0, np.inf, -np.inf, np.nan, -np.nan, 5e-324, -1e-40]
        x[:, ::50] = rng.choice(np.array(some).astype(dtype), x[:, ::50].shape)
    v = variable(x)
    f = symnet.function(
        [v], [T.sort(v), T.argsort(v), T.sort(v // 1000 if x.dtype.kind != "f" else v)]
    )
    ours, order, _ = f(x)
    np.testing.assert_array_equal(ours, np.sort(x))
    np.testing.assert_array_equal(order, np.argsort(x, kind="stable"))


def test_places_of_another_dtype() -> None:
    check(
        lambda x, v: T.searchsorted(x, v),
        np.searchsorted,
        [np.array([1, 3, 5], "int8"), np.array([0.5, 3.0, 3.5])],
    )


@pytest.mark.parametrize("dtype", REAL)
def test_running_totals(dtype: str) -> None:
    for shape in SHAPES:
        x = numbers(shape, dtype)
        kind = np.dtype(dtype).kind
        wide = dtype if kind == "f" else "uint64" if kind == "u" else "int64"
        for axis in range(x.ndim):
            for ours, numpys in ((T.cumsum, np.cumsum), (T.cumprod, np.cumprod)):
                with np.errstate(all="ignore"):
                    check(
                        lambda v: ours(v, axis),
                        lambda a: numpys(a, axis, dtype=wide),
                        [x],
                    )


@pytest.mark.parametrize("layout", LAYOUTS)
def test_running_totals_however_arrays_lie(layout: str) -> None:
    x = numbers((5, 6), "float64")
    for axis in (0, 1, None):
        check(lambda v: T.cumsum(v, axis), lambda a: np.cumsum(a, axis), [x], layout)
        check(
            lambda v: T.cumprod(v.T[:, ::-1], axis),
            lambda a: np.cumprod(a.T[:, ::-1], axis),
            [x],
            layout,
        )


def test_running_totals_in_a_loop_are_native() -> None:
    x = T.dmatrix()
    rows, _ = symnet.scan(lambda row: T.sort(T.cumsum(row)), x)
    value = numbers((4, 9), "float64")
    f = symnet.function([x], rows)
    assert native(f)
    np.testing.assert_array_equal(f(value), np.sort(np.cumsum(value, 1), 1))


# ---- linear algebra


def matrix(n: int, dtype: str, seed: int = 0) -> Any:
    return numbers((n, n), dtype, seed) + (3 * np.eye(n)).astype(dtype)


def positive(n: int, dtype: str) -> Any:
    x = matrix(n, dtype)
    return (x @ x.conj().T + np.eye(n)).astype(dtype)


def precision(dtype: str) -> float:
    return 3e-3 if dtype in ("float32", "complex64") else 1e-9


NL, SL = T.nlinalg, T.slinalg
MATRIX_FUNCTIONS: dict[str, tuple[Any, Any, Any]] = {
    "inverse": (NL.matrix_inverse, np.linalg.inv, matrix),
    "det": (NL.det, lambda x: np.asarray(np.linalg.det(x)), matrix),
    "sign": (lambda x: NL.slogdet(x)[0], lambda x: np.asarray(np.linalg.slogdet(x)[0]), matrix),
    "logdet": (lambda x: NL.slogdet(x)[1], lambda x: np.asarray(np.linalg.slogdet(x)[1]), matrix),
    "cholesky": (SL.cholesky, np.linalg.cholesky, positive),
    "upper": (SL.Cholesky(lower=False), lambda x: np.linalg.cholesky(x).conj().T, positive),
    "eigenvalues": (lambda x: NL.eigh(x)[0], lambda x: np.linalg.eigh(x)[0], positive),
    "eigenvectors": (
        lambda x: T.dot(NL.eigh(x, "U")[1] * T.log(NL.eigh(x, "U")[0]),
                        NL.eigh(x, "U")[1].T),
        lambda x: scipy.linalg.logm(x) if len(x) else x, positive,
    ),
    "singular values": (lambda x: NL.svd(x, compute_uv=0), lambda x: np.linalg.svd(x)[1], matrix),
}  # fmt: skip


@pytest.mark.parametrize("dtype", PRECISE)
@pytest.mark.parametrize("name", MATRIX_FUNCTIONS)
def test_functions_of_matrices(name: str, dtype: str) -> None:
    ours, numpys, make = MATRIX_FUNCTIONS[name]
    if name == "eigenvectors" and dtype in COMPLEX:
        pytest.skip("products with logarithms of complex numbers are another test's")
    for n in (0, 1, 30):
        check(ours, numpys, [make(n, dtype)], tolerance=precision(dtype))
    for layout in LAYOUTS:
        check(ours, numpys, [make(4, dtype)], layout, tolerance=precision(dtype))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(4, 4), (5, 3), (3, 5), (1, 4), (3, 0), (0, 2)])
@pytest.mark.parametrize("full", [True, False])
def test_singular_vectors(shape: tuple[int, int], dtype: str, full: bool) -> None:
    x = numbers(shape, dtype)

    def again(v: Any) -> Any:
        u, s, vt = NL.svd(v, full_matrices=full)
        k = s.shape[0]
        return T.dot(u[:, :k] * s, vt[:k])

    check(again, lambda a: a, [x], tolerance=precision(dtype))
    for place in (0, 2):
        turned = lambda v, place=place: NL.svd(v, full_matrices=full)[place]  # noqa: E731
        check(
            turned,
            lambda a, place=place: np.linalg.svd(a, full)[place],
            [x],
            tolerance=precision(dtype),
        )


@pytest.mark.parametrize("dtype", PRECISE)
@pytest.mark.parametrize("columns", [None, 0, 1, 30])
def test_systems_of_equations(columns: int | None, dtype: str) -> None:
    for n in (0, 1, 5):
        a = matrix(n, dtype)
        b = numbers((n,) if columns is None else (n, columns), dtype, 1)
        for layout in LAYOUTS if n == 5 else ["C"]:
            near = precision(dtype)
            check(SL.solve, np.linalg.solve, [a, b], layout, near)
            for lower, ours in (
                (True, SL.solve_lower_triangular),
                (False, SL.solve_upper_triangular),
            ):
                part = np.tril if lower else np.triu
                check(
                    ours, lambda a, b: np.linalg.solve(part(a), b), [a, b], layout, near
                )


@pytest.mark.parametrize("dtype", PRECISE)
@pytest.mark.parametrize("mode", ["reduced", "complete", "r", "raw"])
def test_orthogonal_factors(mode: str, dtype: str) -> None:
    v = TensorType(dtype, (None, None))()
    f, debug = (symnet.function([v], NL.qr(v, mode), mode=m) for m in WAYS)
    assert native(f) or dtype in COMPLEX  # which have no triangles in native loops
    for shape in ((4, 4), (30, 3), (3, 5), (1, 3), (3, 0), (0, 2)):
        x = numbers(shape, dtype)
        want = np.linalg.qr(x, mode)
        for way in (f, debug):
            got = way(x)
            for ours, numpys in zip(
                [got] if mode == "r" else got,
                [want] if mode == "r" else want,
                strict=True,
            ):
                np.testing.assert_allclose(ours, numpys, atol=precision(dtype))
                assert ours.dtype == dtype


@pytest.mark.parametrize("device", ["cpu", "reference"])
@pytest.mark.parametrize(
    ("build", "value", "text"),
    [
        (NL.matrix_inverse, np.ones((2, 2)), "Singular"),
        (lambda x: SL.solve(x, x[0]), np.zeros((3, 3)), "Singular"),
        (lambda x: SL.solve(x, x), np.zeros((3, 3)), "Singular"),
        (lambda x: SL.solve_lower_triangular(x, x), np.diag([1.0, 0.0]), "ingular"),
        (lambda x: SL.solve_upper_triangular(x, x), np.diag([0.0, 1.0]), "ingular"),
        (SL.cholesky, -np.eye(3), "positive definite"),
        (lambda x: NL.svd(x)[1], np.full((2, 2), np.nan), "converge"),
    ],
)
def test_what_has_no_answer_changes_nothing(
    build: Any, value: Any, text: str, device: str
) -> None:
    x, kept = T.dmatrix(), symnet.shared(np.zeros(3))
    found = build(x)
    f = symnet.function(
        [x], found, updates=[(kept, kept + 1 + 0 * found.sum())], device=device
    )
    good = np.eye(len(value))
    f(good)
    with pytest.raises(np.linalg.LinAlgError, match=text) as caught:
        f(value)
    assert "test_dense_routines.py" in str(caught.value)  # the user's line
    np.testing.assert_array_equal(kept.get_value(), np.ones(3))
    f(good)
    np.testing.assert_array_equal(kept.get_value(), np.full(3, 2.0))


def test_what_is_no_number_is_no_error() -> None:
    x = T.dmatrix()
    value = np.array([[1.0, np.nan], [2.0, 3.0]])
    for build in (NL.matrix_inverse, NL.det, lambda v: SL.solve(v, v[0])):
        assert np.isnan(symnet.function([x], build(x))(value)).any()
    f = symnet.function([x], SL.Cholesky(on_error="nan")(x))
    assert np.isnan(f(-np.eye(2))).all()
    np.testing.assert_array_equal(f(np.eye(2)), np.eye(2))


def test_flags_of_earlier_operations_are_no_failure() -> None:
    """An invalid operation before the call, in another loop of the program."""
    x = T.dmatrix()
    f = symnet.function([x], [T.log(x).sum(), NL.matrix_inverse(x)])
    number, inverse = f(-np.eye(2))
    assert np.isnan(number)
    np.testing.assert_array_equal(inverse, -np.eye(2))


def batch(function: Any) -> Any:
    """A function of NumPy's on each matrix."""

    def apply(*arrays: Any) -> Any:
        return np.stack([function(*one) for one in zip(*arrays, strict=True)])

    return apply


BATCHED: dict[str, tuple[Any, Any]] = {
    "inverse": (NL.matrix_inverse, np.linalg.inv),
    "det": (NL.det, np.linalg.det),
    "logdet": (lambda x: NL.slogdet(x)[1], lambda x: np.linalg.slogdet(x)[1]),
    "cholesky": (SL.cholesky, np.linalg.cholesky),
    "upper": (SL.Cholesky(lower=False), lambda x: np.linalg.cholesky(x).T),
    "eigenvalues": (lambda x: NL.eigh(x)[0], lambda x: np.linalg.eigh(x)[0]),
    "projected": (
        lambda x: T.sqr(NL.eigh(x)[1][..., :1]), lambda x: np.linalg.eigh(x)[1][:, :1] ** 2,
    ),
    "singular values": (lambda x: NL.svd(x, compute_uv=0), lambda x: np.linalg.svd(x)[1]),
    "singular vectors": (
        lambda x: T.sqr(NL.svd(x, full_matrices=0)[2]), lambda x: np.linalg.svd(x)[2] ** 2,
    ),
    "vectors": (lambda x: SL.solve(x, x[..., 0]), lambda x: np.linalg.solve(x, x[:, 0])),
    "matrices": (lambda x: SL.solve(x, x[..., :2]), lambda x: np.linalg.solve(x, x[:, :2])),
    "lower": (
        lambda x: SL.solve_lower_triangular(x, x), lambda x: np.linalg.solve(np.tril(x), x),
    ),
    "upper vectors": (
        lambda x: SL.solve_upper_triangular(x, x[..., 1]),
        lambda x: np.linalg.solve(np.triu(x), x[:, 1]),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BATCHED)
def test_batches(name: str) -> None:
    ours, numpys = BATCHED[name]
    for count, n in ((1, 3), (4, 5)):
        value = np.stack([positive(n, "float64") + k * np.eye(n) for k in range(count)])
        check(ours, batch(numpys), [value], tolerance=1e-9)
    value = value[:2, :3, :3]
    symnet.gradient.verify_grad(ours, [value])
    symnet.gradient.verify_grad(
        lambda v: symnet.grad((ours(v) ** 2).sum(), v), [value], n_tests=1
    )
    x = T.dtensor3()
    f = symnet.function([x], ours(x))
    assert f(np.zeros((0, 3, 3))).shape[0] == 0


def test_batches_fail_as_a_whole() -> None:
    x, b = T.dtensor3(), T.dmatrix()
    value = np.stack([np.eye(3), np.zeros((3, 3)), np.eye(3)])
    for build in (
        NL.matrix_inverse,
        SL.cholesky,
        lambda v: SL.solve_lower_triangular(v, v),
    ):
        with pytest.raises(np.linalg.LinAlgError):
            symnet.function([x], build(x))(value)
    f = symnet.function([x], SL.Cholesky(on_error="nan")(x))
    np.testing.assert_array_equal(np.isnan(f(value)).all(axis=(1, 2)), [0, 1, 0])
    g = symnet.function([x, b], SL.solve(x, b))
    with pytest.raises(ValueError, match="axis 0 of A and b"):
        g(np.stack([np.eye(3)] * 2), np.ones((3, 3)))


def test_without_numpys_functions_results_are_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Another build of NumPy may hide them: then the operations are reference steps."""
    monkeypatch.setattr(matrix_functions, "inner_loop", lambda *names: None)
    monkeypatch.setattr(fourier_steps, "inner_loop", lambda *names: None)
    monkeypatch.setattr(dense_calls, "order_function", lambda *names: None)
    x, value = T.dmatrix(), positive(5, "float64")
    for build, want in (
        (NL.matrix_inverse, np.linalg.inv),
        (T.sort, np.sort),
        (lambda v: T.fft.rfft(v)[..., 0], lambda v: np.fft.rfft(v).real),
    ):
        f = symnet.function([x], build(x))
        assert not native(f)
        np.testing.assert_allclose(f(value), want(value), atol=1e-12)
