"""Matrices that the tests of sparse operations share, and how they are compared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import scipy.sparse

import symnet
import symnet.sparse as sparse
from symnet.gradient import verify_grad
from symnet.graph.evaluate import evaluate
from symnet.graph.variables import Variable

FORMATS = ("csr", "csc")
MODES = ("FAST_RUN", "FAST_COMPILE", "DebugMode")
# Rows and columns; how full; 0 is a matrix without entries.
SIZES = [((5, 7), 0.4), ((5, 7), 0.0), ((1, 1), 1.0), ((0, 4), 0.0), ((4, 0), 0.0)]
UNLIKE = [((6, 5), 0.5), ((6, 5), 0.0), ((3, 0), 0.0), ((0, 0), 0.0)]


def matrix(
    format: str,
    shape: tuple[int, int] = (5, 7),
    density: float = 0.4,
    dtype: str = "float64",
    seed: int = 0,
) -> Any:
    """A matrix of numbers that every dtype holds, none of them 0."""
    rng = np.random.default_rng(seed)
    found = scipy.sparse.random(*shape, density, format=format, rng=rng)
    signs = rng.choice([-1, 1] if np.dtype(dtype).kind != "u" else [1], found.nnz)
    found.data = signs * rng.integers(1, 9, found.nnz)
    return found.astype(dtype)


def twisted(x: Any) -> Any:
    """The same matrix with its entries out of order, and one of them in four parts."""
    rows, columns = x.tocoo().row, x.tocoo().col
    order = np.arange(x.nnz)[::-1]
    values = x.tocoo().data[order]
    parts = np.concatenate([values, values[:1], -values[:1], values[:1] * 0])
    where = [
        np.concatenate([p[order], np.repeat(p[order][:1], 3)]) for p in (rows, columns)
    ]
    major, minor = where if x.format == "csr" else where[::-1]
    stable = np.argsort(major, kind="stable")
    size = x.shape[0 if x.format == "csr" else 1]
    indptr = np.concatenate([[0], np.cumsum(np.bincount(major, minlength=size))])
    return type(x)((parts[stable], minor[stable], indptr), shape=x.shape)


def dense(value: Any) -> Any:
    return value.toarray() if hasattr(value, "toarray") else np.asarray(value)


def agree(got: Any, want: Any, kind: Any = None) -> None:
    """Whether values are equal as arrays, to their dtype's precision; kind: the type that
    the first one is to have."""
    if kind is not None:
        assert str(got.dtype) == kind.dtype
        assert getattr(got, "format", None) == getattr(kind, "format", None)
    have, wanted = dense(got), dense(want)
    assert have.shape == wanted.shape
    tolerance = 1e-5 if have.dtype.name in ("float32", "complex64") else 1e-12
    np.testing.assert_allclose(have, wanted, rtol=tolerance, atol=tolerance)


def check(
    function: Callable[..., Variable],
    values: Sequence[Any],
    want: Any,
    modes: Sequence[str] = MODES,
) -> None:
    """Whether `function` of variables gives, for these values, what SciPy does: compiled in
    every mode, on the reference device, and operation by operation."""
    leaves = [leaf(v) for v in values]
    made = function(*leaves)
    entered = [v.type.filter(value) for v, value in zip(leaves, values, strict=True)]
    (found,) = evaluate([made], dict(zip(leaves, entered, strict=True)))
    agree(found, want, made.type)
    ways = [{"mode": mode} for mode in modes] + [{"device": "reference"}]
    for way in ways:
        compiled = symnet.function(leaves, made, on_unused_input="ignore", **way)
        agree(compiled(*values), want, made.type)


def leaf(value: Any) -> Variable:
    if scipy.sparse.issparse(value):
        return sparse.SparseType(value.format, value.dtype)()
    array = np.asarray(value)
    return symnet.tensor.TensorType(array.dtype, (None,) * array.ndim)()


def check_gradient(
    function: Callable[..., Variable], values: Sequence[Any], structured: bool = True
) -> None:
    """Compare gradients with differences: with respect to the stored entries of matrices,
    or (not `structured`) to all elements."""
    points: list[Any] = []
    makers: list[Callable[[Variable], Variable]] = []
    for value in values:
        if not scipy.sparse.issparse(value):
            points.append(value)
            makers.append(lambda v: v)
        elif structured:
            points.append(value.data)
            makers.append(lambda v, m=value: of_data(m, v))  # type: ignore[misc]
        else:
            points.append(value.toarray())
            from_dense = getattr(sparse, f"{value.format}_from_dense")
            makers.append(from_dense)

    def whole(*leaves: Variable) -> Variable:
        made = function(*(make(v) for make, v in zip(makers, leaves, strict=True)))
        if isinstance(made.type, sparse.SparseType):
            made = sparse.DenseFromSparse(structured)(made)
        return made**2 + made

    verify_grad(whole, points)


def of_data(x: Any, data: Variable) -> Variable:
    return sparse.CSM(x.format)(data, x.indices, x.indptr, x.shape)
