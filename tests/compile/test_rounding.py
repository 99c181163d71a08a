"""Which operations round: those that only move or choose numbers do not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symnet.tensor as T
from symnet.compile.rounding import off_by_rounding
from symnet.graph.evaluate import evaluate
from symnet.tensor import fft, nlinalg, slinalg
from symnet.tensor.signal.pool import pool_2d

X, Z = T.dmatrix("x"), T.zmatrix("z")
ONES_FIRST = np.array([[1.0, 0, 0], [1, 0, 0], [1, 0, 0]])
MOVES = {
    "transpose": X.T,
    "reverse": X[::-1],
    "sort": T.sort(X, axis=1),
    "join": T.concatenate([X, X]),
    "set": T.set_subtensor(X[0], 0.0),
    "maximum": T.max(X, axis=1),
    "larger": T.maximum(X, 0.5),
}
ROUNDS = {
    "sum": X.sum(),
    "product": T.dot(X, X),
    "totals": T.cumsum(X, axis=1),
    "inverse": nlinalg.matrix_inverse(X),
    "cholesky": slinalg.cholesky(X),
    "transform": fft.rfft(X),
    "transform back": fft.irfft(fft.rfft(X)),
}


def off(variable: Any, value: Any) -> tuple[Any, Any]:
    """What the last operation gives, and that off by rounding."""
    node = variable.owner
    arrays = evaluate(node.inputs, {X: value})
    results = node.op.compute(node, arrays, np)

    def compute(node: Any, arrays: Any) -> Any:
        return list(node.op.compute(node, arrays, np))

    rng = np.random.default_rng(0)
    return results[0], off_by_rounding(node, arrays, results, compute, rng)[0]


@pytest.mark.parametrize("name", list(MOVES))
@pytest.mark.parametrize("value", [ONES_FIRST, np.zeros((3, 3)), np.eye(3)])
def test_what_moves_numbers_is_exact(name: str, value: Any) -> None:
    right, moved = off(MOVES[name], value)
    np.testing.assert_array_equal(moved, right)


@pytest.mark.parametrize("name", list(ROUNDS))
def test_numbers_that_are_there_by_chance_are_rounded(name: str) -> None:
    """All results are numbers of the operands: an inverse of ones and zeros has the same."""
    right, moved = off(ROUNDS[name], np.eye(3))
    assert not np.array_equal(moved, right)
    np.testing.assert_allclose(moved, right, atol=1e-13)


def test_a_matrix_may_be_one_next_to_it() -> None:
    """The digits of a determinant are lost to the roundings inside of it."""
    value = np.array([[1.0, 2, 3], [4, 5, 6], [7, 8, 9 + 1e-9]])
    right, moved = off(nlinalg.det(X), value)
    assert 1e-16 < abs(moved - right) < 1e-12
    assert np.abs(moved - right) > 1e-8 * np.abs(right)


def test_parts_of_complex_numbers_beyond_their_range_are_any() -> None:
    cubes = T.dmatrix("x") * np.complex128(1 + 2j) * 1.0
    node = cubes.owner
    given = [np.full((2, 8), complex(np.nan, -np.inf)), np.ones((1, 1), complex)]
    moved = off_by_rounding(
        node, given, [given[0]], lambda node, arrays: [given[0]],
        np.random.default_rng(0),
    )[0]  # fmt: skip
    assert not np.isfinite(moved.real).any() and np.isinf(moved.real).any()


@pytest.mark.parametrize("mode", ["sum", "average_exc_pad", "average_inc_pad"])
def test_pooled_terms_that_cancel_leave_their_rounding(mode: str) -> None:
    """As of every sum; a maximum is one of its terms."""
    terms = np.array([[1.0, 1e3, -1e3], [-1.0, 1e-9, 0.0], [0.0, 0.0, 0.0]])
    pooled, disturbed = off(pool_2d(X, ws=(3, 3), mode=mode), terms)
    gap = abs(pooled - disturbed).item()
    assert 0 < gap < 1e-11 and gap > 1e3 * np.spacing(abs(pooled)).item()
    largest, same = off(pool_2d(X, ws=(3, 3), mode="max"), terms)
    np.testing.assert_array_equal(largest, same)
