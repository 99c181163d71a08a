"""Native steps with sparse matrices, against SciPy, in parts and for other processors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse

from symnet.kernels.cpu.library.sparse_steps import entries_step
from symnet.kernels.cpu.library.sparse_tiles import (
    PIECE,
    DotsTile,
    EntriesTile,
    GatherTile,
    ScatterTile,
)
from symnet.kernels.llvm.machine import machine
from symnet.kernels.llvm.target import Target
from symnet.kernels.llvm.text import Module
from symnet.kernels.routines import (
    EntryCheck,
    EntryRows,
    OnEntries,
    SampledProduct,
    SparseProduct,
)
from tests.kernels.cpu.library.steps import carry_out

RNG = np.random.default_rng(4)


def matrix(rows: int, columns: int, dtype: str, density: float = 0.3) -> Any:
    found = scipy.sparse.random(rows, columns, density, format="csr", rng=RNG)
    return found.astype(dtype)


def step(routine: OnEntries, *arrays: Any, at_once: int = 0) -> Any:
    made = entries_step(routine, [a.shape for a in arrays])
    carry_out(made, arrays, at_once)
    return arrays[-1]


@pytest.mark.parametrize("at_once", [0, 1, 3])
@pytest.mark.parametrize("columns", [1, 5, 16, 33, 100])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_products(dtype: str, columns: int, at_once: int) -> None:
    x = matrix(19, 23, dtype)
    b, g = (RNG.normal(size=(n, columns)).astype(dtype) for n in (23, 19))
    tolerance = 1e-5 if dtype == "float32" else 1e-13
    arrays = (x.data, x.indices, x.indptr)
    # Memory that must be written to, and nothing behind it.
    for transposed, given, want in ((False, b, x @ b), (True, g, x.T @ g)):
        room = np.full((want.shape[0] + 1, columns), np.nan, dtype)
        routine = SparseProduct(dtype, transposed)
        step(routine, *arrays, given, room[:-1], at_once=at_once)
        np.testing.assert_allclose(room[:-1], want, tolerance, tolerance)
        assert np.isnan(room[-1]).all()
    found = np.full(x.nnz, np.nan, dtype)
    step(SampledProduct(dtype), x.indices, x.indptr, g, b, found, at_once=at_once)
    rows = np.repeat(np.arange(19), np.diff(x.indptr))
    want = (g[rows] * b[x.indices]).sum(1)
    np.testing.assert_allclose(found, want, 10 * tolerance, 10 * tolerance)


@pytest.mark.parametrize(
    "count", [0, 1, 2, 3, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE + 2]
)
def test_rows_of_every_length(count: int) -> None:
    x = scipy.sparse.csr_matrix(RNG.normal(size=(1, max(count, 1)))[:, :count])
    b = RNG.normal(size=(count, 20))
    found = np.full((1, 20), np.nan)
    arrays = x.data, x.indices.astype("int32"), x.indptr.astype("int32")
    step(SparseProduct("float64", False), *arrays, b, found)
    np.testing.assert_allclose(found, x @ b, 1e-12, 1e-12)


def test_where_entries_are() -> None:
    x = matrix(19, 23, "float64")
    rows = step(EntryRows(), x.indptr, x.indices, np.full(x.nnz, -1, "int32"))
    np.testing.assert_array_equal(rows, x.tocoo().row)
    limit = np.array(23)
    same = step(EntryCheck(), x.indptr, x.indices, limit, np.full(x.nnz, -1, "int32"))
    np.testing.assert_array_equal(same, x.indices)


@pytest.mark.parametrize("indices", [[0, 4], [-1, 0], [2**31 - 1, 0]])
@pytest.mark.parametrize("transposed", [False, True])
def test_indices_outside(transposed: bool, indices: Any) -> None:
    arrays = np.ones(2), np.array(indices, "int32"), np.array([0, 1, 2], "int32")
    b = np.ones((2 if transposed else 4, 3))
    c = np.zeros((4 if transposed else 2, 3))
    with pytest.raises(AssertionError):
        step(SparseProduct("float64", transposed), *arrays, b, c)
    out = np.zeros(2, "int32")
    with pytest.raises(AssertionError):
        step(EntryCheck(), arrays[2], arrays[1], np.array(4), out)


@pytest.mark.parametrize(
    "indptr", [[0, 3, 2], [0, -1, 2], [1, 1, 2], [0, 1, 1], [0, 1, 9]]
)
def test_an_indptr_that_does_not_fit(indptr: Any) -> None:
    indices, starts = np.zeros(2, "int32"), np.array(indptr, "int32")
    for routine, extra in ((EntryRows(), ()), (EntryCheck(), (np.array(4),))):
        with pytest.raises(AssertionError):
            step(routine, starts, indices, *extra, np.zeros(2, "int32"))


def test_entries_of_a_matrix_without_columns() -> None:
    arrays = np.ones(1), np.zeros(1, "int32"), np.array([0, 1], "int32")
    with pytest.raises(AssertionError):
        step(SparseProduct("float64", False), *arrays, np.ones((0, 3)), np.ones((1, 3)))


@pytest.mark.parametrize("tile", [GatherTile, ScatterTile, DotsTile])
@pytest.mark.parametrize("bytes", [16, 32, 64])
def test_other_processors(bytes: int, tile: type[EntriesTile]) -> None:
    """The text is one that LLVM takes, for vectors of any length."""
    from dataclasses import replace

    host = machine()
    target: Target = replace(host.target, vector_bytes=bytes)
    module = Module(target)
    tile(module, "float32", 4).write("tile")
    assert f"<{bytes // 4} x float>" in module.text()
    assert host.compile(module.text())
