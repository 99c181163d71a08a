"""Routines in the words of a library of arrays in NumPy's language: on a GPU CuPy, whose
results stay in its memory; on an emulated one NumPy.

`ANSWERS` is the table.  What stands here uses what CuPy has, by the names and settings that
both know; where the two differ, `ArrayLibrary` has a field.  CuPy does not look at what
cuSOLVER says of a matrix that has no answer unless asked to, which `strict` does; the host
then waits for it, as the CPU's errors demand.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from typing import Any, TypeAlias

import numpy as np

from symnet.data_classes import dataclass
from symnet.kernels.library import DenseCall
from symnet.kernels.routines import (
    Fourier,
    Largest,
    MatrixFunction,
    Ordering,
    Routine,
    Running,
    TriangularSolve,
)
from symnet.kernels.stepwise import Refused

# What cuSOLVER, cuFFT and LAPACK know; float16 is computed in float32.
FLOATS = ("float16", "float32", "float64", "complex64", "complex128")


@dataclass(frozen=True)
class ArrayLibrary:
    """A library of arrays over a device's memory.

    xp: NumPy or CuPy.  strict: makes a context in which a matrix that has no answer raises
    LinAlgError.  solve_triangular: (a, b, lower) -> x, for batches too.
    lacks: whether it has no "linalg", or no "fft".
    """

    xp: Any
    strict: Callable[[], AbstractContextManager[Any]]
    solve_triangular: Callable[[Any, Any, bool], Any]
    lacks: Callable[[str], bool] = lambda part: False


@dataclass(frozen=True)
class Given:
    """What a routine is asked for: arrays of its inputs, and host integers."""

    routine: Any
    arrays: Sequence[Any]
    sizes: Sequence[int]
    library: ArrayLibrary

    @property
    def xp(self) -> Any:
        return self.library.xp

    @property
    def x(self) -> Any:
        return self.arrays[0]


Answer: TypeAlias = Callable[[Given], Sequence[Any]]


# ---- running totals


def running_sum(given: Given) -> Sequence[Any]:
    return [given.xp.cumsum(given.x, axis=given.routine.axis, dtype=given.x.dtype)]


def running_product(given: Given) -> Sequence[Any]:
    return [given.xp.cumprod(given.x, axis=given.routine.axis, dtype=given.x.dtype)]


def recurrence(given: Given) -> Sequence[Any]:
    """One element after the other: factors that are multiplied first may overflow."""
    axis = given.routine.axis
    factors, terms = (given.xp.moveaxis(a, axis, 0) for a in given.arrays)
    result = terms.copy()
    for k in range(1, result.shape[0]):
        result[k] += factors[k] * result[k - 1]
    return [given.xp.moveaxis(result, 0, axis)]


# ---- order


def comparable(given: Given) -> Any:
    """The elements with one NaN for all: where numbers are sorted by their bits, one with a
    sign would come first."""
    if given.x.dtype.kind != "f":
        return given.x
    found = given.x.copy()
    found[given.xp.isnan(found)] = np.nan
    return found


def sorted_rows(given: Given) -> Sequence[Any]:
    return [given.xp.sort(comparable(given), axis=-1, kind="stable")]


def sorting_places(given: Given) -> Sequence[Any]:
    return [given.xp.argsort(comparable(given), axis=-1, kind="stable")]


def largest(given: Given) -> Sequence[Any]:
    """Those at the end of a row that is sorted from its end, so that equals keep their
    order; for a negative number those at its beginning."""
    xp, x, (count,) = given.xp, comparable(given), given.sizes
    if count > 0:
        back = xp.argsort(xp.flip(x, -1), axis=-1, kind="stable")
        order = x.shape[-1] - 1 - xp.flip(back, -1)
    else:
        order = xp.argsort(x, axis=-1, kind="stable")
    order = order[..., : abs(count)]
    return [xp.take_along_axis(given.x, order, axis=-1), order]


# ---- Fourier transforms


def complex_of(given: Given) -> Any:
    """Complex numbers of pairs of real ones."""
    kind = "complex64" if given.x.dtype == "float32" else "complex128"
    return given.x.view(kind)[..., 0]


def pairs_of(given: Given, found: Any) -> Sequence[Any]:
    """Pairs of real numbers of complex ones."""
    whole = given.xp.ascontiguousarray(found)
    real = np.zeros(0, whole.dtype).real.dtype
    return [whole.view(real).reshape(*whole.shape, 2)]


def fourier(given: Given) -> Sequence[Any]:
    found = given.xp.fft.fft(complex_of(given), axis=-2, norm="backward")
    return pairs_of(given, found)


def fourier_back(given: Given) -> Sequence[Any]:
    found = given.xp.fft.ifft(complex_of(given), axis=-2, norm="forward")
    return pairs_of(given, found)


def real_fourier(given: Given) -> Sequence[Any]:
    return pairs_of(given, given.xp.fft.rfft(given.x, axis=-1, norm="backward"))


def real_fourier_back(given: Given) -> Sequence[Any]:
    (n,) = given.sizes
    x = complex_of(given)
    return [given.xp.fft.irfft(x, n=n, axis=-1, norm="forward")]


# ---- functions of matrices


def transposed(x: Any) -> Any:
    """The conjugate transpose of each matrix."""
    return x.swapaxes(-1, -2).conj()


def refuse_where(found: Any) -> None:
    """Raises: Refused where something is true; the host waits for it."""
    if bool(found.any()):
        raise Refused


def inverse(given: Given) -> Sequence[Any]:
    return [given.xp.linalg.inv(given.x)]


def solution(given: Given) -> Sequence[Any]:
    return [given.xp.linalg.solve(*given.arrays)]


def solution_of_vectors(given: Given) -> Sequence[Any]:
    a, b = given.arrays
    return [given.xp.linalg.solve(a, b[..., None])[..., 0]]


def triangular_solution(given: Given) -> Sequence[Any]:
    a, b = given.arrays
    refuse_where(given.xp.diagonal(a, axis1=-2, axis2=-1) == 0)
    return [given.library.solve_triangular(a, b, given.routine.lower)]


def cholesky(given: Given) -> Sequence[Any]:
    """Whatever is said of it, a pivot that is not positive is none; NaN is handed on."""
    x = given.x if given.routine.kind == "cholesky_lo" else transposed(given.x)
    try:
        found = cholesky_or_refused(given, x)
    except (np.linalg.LinAlgError, Refused):
        if given.routine.fallible:
            raise
        found = given.xp.full_like(x, np.nan)
        for place in np.ndindex(*x.shape[:-2] if x.ndim > 2 else ()):
            with suppress(np.linalg.LinAlgError, Refused):
                found[place] = cholesky_or_refused(given, x[place])
    return [found if given.routine.kind == "cholesky_lo" else transposed(found)]


def cholesky_or_refused(given: Given, x: Any) -> Any:
    found = given.xp.linalg.cholesky(x)
    refuse_where(given.xp.diagonal(found, axis1=-2, axis2=-1).real <= 0)
    return found


def determinant(given: Given) -> Sequence[Any]:
    return [given.xp.linalg.det(given.x)]


def log_determinant(given: Given) -> Sequence[Any]:
    return list(given.xp.linalg.slogdet(given.x))


def eigenvectors(given: Given) -> Sequence[Any]:
    triangle = "L" if given.routine.kind == "eigh_lo" else "U"
    return list(given.xp.linalg.eigh(given.x, UPLO=triangle))


def symmetric_eigenvalues(given: Given) -> Sequence[Any]:
    return [given.xp.linalg.eigvalsh(given.x, UPLO="L")]


def singular_values(given: Given) -> Sequence[Any]:
    """NaN is refused, as LAPACK does."""
    refuse_where(given.xp.isnan(given.x))
    kind = given.routine.kind
    if kind == "svd":
        return [given.xp.linalg.svd(given.x, compute_uv=False)]
    return list(given.xp.linalg.svd(given.x, full_matrices=kind == "svd_f"))


def reflections(given: Given) -> Sequence[Any]:
    turned, factors = given.xp.linalg.qr(given.x, mode="raw")
    return [turned.swapaxes(-1, -2), factors]


def orthogonal_factor(given: Given) -> Sequence[Any]:
    """The first columns of the product of reflections 1 - factor v v^H.

    That is 1 - V T V^H, with columns v in V, and T = (1 + D U)^-1 D for the factors D and
    the products U of different v.  Source: Joffrain et al. 2006, "Accumulating Householder
    transformations, revisited".
    """
    (x, factors), xp = given.arrays, given.xp
    rows, count = x.shape[0], factors.shape[0]
    columns = rows if given.routine.kind == "qr_complete" else count
    first = xp.eye(rows, columns, dtype=x.dtype)
    if not count:
        return [first]
    v = xp.tril(x[:, :count], -1) + xp.eye(rows, count, dtype=x.dtype)
    between = xp.triu(xp.matmul(transposed(v), v), 1)
    system = factors[:, None] * between + xp.eye(count, dtype=x.dtype)
    right = factors[:, None] * xp.matmul(transposed(v), first)
    return [first - xp.matmul(v, given.library.solve_triangular(system, right, False))]


ANSWERS: dict[str, Answer] = {
    "sort": sorted_rows,
    "argsort": sorting_places,
    "topk": largest,
    "running add": running_sum,
    "running mul": running_product,
    "running linear": recurrence,
    "fft": fourier,
    "ifft": fourier_back,
    "rfft": real_fourier,
    "irfft": real_fourier_back,
    "triangular solve": triangular_solution,
    "LAPACK inv": inverse,
    "LAPACK solve": solution,
    "LAPACK solve1": solution_of_vectors,
    "LAPACK cholesky_lo": cholesky,
    "LAPACK cholesky_up": cholesky,
    "LAPACK det": determinant,
    "LAPACK slogdet": log_determinant,
    "LAPACK eigh_lo": eigenvectors,
    "LAPACK eigh_up": eigenvectors,
    "LAPACK eigvalsh_lo": symmetric_eigenvalues,
    "LAPACK svd": singular_values,
    "LAPACK svd_s": singular_values,
    "LAPACK svd_f": singular_values,
    "LAPACK qr_r_raw": reflections,
    "LAPACK qr_reduced": orthogonal_factor,
    "LAPACK qr_complete": orthogonal_factor,
}


def name_of(routine: Routine) -> str:
    """The routine's entry in the table."""
    return f"running {routine.kind}" if isinstance(routine, Running) else routine.name


def has_answer(routine: Routine, library: ArrayLibrary) -> bool:
    """Whether the table, and the library, have it for its dtype."""
    if name_of(routine) not in ANSWERS:
        return False
    match routine:
        case MatrixFunction() | TriangularSolve():
            return routine.dtype in FLOATS and not library.lacks("linalg")
        case Fourier():
            return routine.dtype in FLOATS and not library.lacks("fft")
    return isinstance(routine, (Ordering, Largest, Running))


def answer(call: DenseCall, arrays: Sequence[Any], library: ArrayLibrary) -> None:
    """Do what a call says with arrays of its operands.

    Raises: Refused."""
    targets = arrays[-call.outputs :]
    if not any(target.size for target in targets):
        return
    inputs = arrays[: len(arrays) - call.outputs]
    if isinstance(call.routine, (MatrixFunction, TriangularSolve, Fourier)):
        inputs = [a.astype("float32") if a.dtype == "float16" else a for a in inputs]
    given = Given(call.routine, inputs, call.sizes, library)
    try:
        with library.strict():
            results = ANSWERS[name_of(call.routine)](given)
    except np.linalg.LinAlgError as error:
        raise Refused from error
    for target, result in zip(targets, results, strict=True):
        target[...] = result


__all__ = ["ANSWERS", "ArrayLibrary", "answer", "has_answer"]
