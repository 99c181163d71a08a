"""Products of chosen blocks, by loops over the blocks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet.tensor.nnet import blocksparse
from tests.helpers import run

RNG = np.random.default_rng(8)
SHAPES = {"W": (4, 5, 3, 2), "h": (6, 2, 3), "b": (5, 2), "o": (6, 3, 2)}
ROWS, COLUMNS = RNG.integers(0, 4, (6, 2)), RNG.integers(0, 5, (6, 3))


def leaves(dtype: str = "float64") -> Any:
    kinds = {name: (None,) * len(shape) for name, shape in SHAPES.items()}
    found = {name: T.TensorType(dtype, kind)(name) for name, kind in kinds.items()}
    values = {found[n]: RNG.normal(size=s).astype(dtype) for n, s in SHAPES.items()}
    return found, values


def products(o: Any, W: Any, h: Any) -> Any:
    result = o.copy()
    for r, j, i in np.ndindex(6, 3, 2):
        result[r, j] += h[r, i] @ W[ROWS[r, i], COLUMNS[r, j]]
    return result


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_products_of_chosen_blocks(dtype: str) -> None:
    own, values = leaves(dtype)
    o, W, h, b = (own[name] for name in "oWhb")
    rows, columns = T.lmatrix("rows"), T.lmatrix("columns")
    given = {**values, rows: ROWS, columns: COLUMNS}
    want = products(values[o], values[W], values[h])
    got = run(blocksparse.sparse_block_gemv(o, W, h, rows, columns), given)
    np.testing.assert_allclose(got, want, rtol=1e-5 if dtype == "float32" else 1e-13)
    y = blocksparse.sparse_block_dot(W, h, rows, b, columns)
    want = products(values[b][COLUMNS], values[W], values[h])
    np.testing.assert_allclose(run(y, given), want, rtol=1e-5, atol=1e-6)


def test_vectors_without_a_batch() -> None:
    own, values = leaves()
    W, b, h = own["W"], own["b"], T.dmatrix("h")
    y = blocksparse.sparse_block_dot(W, h, ROWS[0], b, COLUMNS[0])
    value = RNG.normal(size=(2, 3))
    got = symnet.function([W, b, h], y)(values[W], values[b], value)
    want = values[b][COLUMNS[0]]
    for j, i in np.ndindex(3, 2):
        want[j] += value[i] @ values[W][ROWS[0, i], COLUMNS[0, j]]
    np.testing.assert_allclose(got, want[None])


def test_gradients() -> None:
    """By the outer products of blocks, and by differences."""
    own, values = leaves()
    o, W, h, g = own["o"], own["W"], own["h"], T.dtensor3("g")
    y = blocksparse.sparse_block_gemv(o, W, h, ROWS, COLUMNS)
    by_w, by_h = symnet.grad((y * g).sum(), [W, h])
    outer = blocksparse.sparse_block_outer(T.zeros_like(W), h, g, ROWS, COLUMNS)
    weights = RNG.normal(size=SHAPES["o"])
    f = symnet.function([o, W, h, g], [by_w, outer, by_h], on_unused_input="ignore")
    got = f(values[o], values[W], values[h], weights)
    want = np.zeros(SHAPES["W"])
    for r, i, j in np.ndindex(6, 2, 3):
        want[ROWS[r, i], COLUMNS[r, j]] += np.outer(values[h][r, i], weights[r, j])
    np.testing.assert_allclose(got[0], want, atol=1e-14)
    np.testing.assert_allclose(got[1], want, atol=1e-14)
    back = np.zeros(SHAPES["h"])
    for r, i, j in np.ndindex(6, 2, 3):
        back[r, i] += values[W][ROWS[r, i], COLUMNS[r, j]] @ weights[r, j]
    np.testing.assert_allclose(got[2], back, atol=1e-14)
    scaled = blocksparse.SparseBlockOuter()(W, h, g, ROWS, COLUMNS, 0.5)
    got = symnet.function([W, h, g], scaled)(values[W], values[h], weights)
    np.testing.assert_allclose(got, values[W] + want / 2)


def test_wrong_inputs() -> None:
    own, values = leaves()
    o, W, h = own["o"], own["W"], own["h"]
    with pytest.raises(TypeError, match="ranks 3, 4, 3, 2, 2"):
        blocksparse.sparse_block_gemv(o, h, W, ROWS, COLUMNS)
    with pytest.raises(TypeError, match="of integers"):
        blocksparse.sparse_block_gemv(o, W, h, ROWS * 1.0, COLUMNS)
    f = symnet.function(
        [o, W, h], blocksparse.sparse_block_gemv(o, W, h, ROWS + 4, COLUMNS)
    )
    with pytest.raises(IndexError):
        f(values[o], values[W], values[h])
