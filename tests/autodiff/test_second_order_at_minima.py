"""Hessians where the gradient is 0: of (f(x) - f(here))^2 at `here`.

There the Hessian is 2 J' J.  What drops zeros of a first gradient, or multiplies by a mask of
it, loses all of that without a word.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet import sparse
from symnet.ifelse import ifelse

HERE = np.array([[0.75, 0.5, -0.25], [0.25, 0.125, 0.625]])
WAY = np.array([[1.0, 2.0, -1.0], [3.0, -4.0, 0.5]])
OTHER = np.array([[1.0, 2.0], [3.0, 4.0], [-1.0, 0.5]])
LIKE = np.array([[2.0, -1.0, 0.5], [1.0, 3.0, -2.0]])

Formula = Callable[[Any], Any]


def csr(x: Any) -> Any:
    return sparse.csr_from_dense(x)


def dense(x: Any) -> Any:
    return sparse.dense_from_sparse(x)


FORMULAS: dict[str, Formula] = {
    "exp": T.exp,
    "tanh": T.tanh,
    "abs": abs,
    "relu": T.nnet.relu,
    "maximum": lambda x: T.maximum(x, LIKE),
    "switch": lambda x: T.switch(x > 0, x**2, x * 3),
    "power": lambda x: (x**2) ** 0.75,
    "root": lambda x: T.sqrt(x**2 + 1),
    "softmax": T.nnet.softmax,
    "logsumexp": lambda x: T.log(T.exp(x).sum(axis=1)),
    "product": lambda x: x.prod(axis=1),
    "running product": lambda x: T.cumprod(x, axis=1),
    "largest": lambda x: x.max(axis=1),
    "sorted": lambda x: T.sort(x, axis=1),
    "median by sorting": lambda x: T.sort(x.flatten())[2:4].mean(),
    "norm": lambda x: x.norm(2),
    "dot": lambda x: T.dot(x, OTHER),
    "dot with itself": lambda x: T.dot(x, x.T),
    "inverse": lambda x: T.nlinalg.matrix_inverse(T.dot(x, x.T)),
    "determinant": lambda x: T.nlinalg.det(T.dot(x, x.T)),
    "Cholesky": lambda x: T.slinalg.cholesky(T.dot(x, x.T)),
    "indexing": lambda x: x[[0, 1, 0], [2, 1, 2]],
    "writing": lambda x: T.set_subtensor(T.exp(x)[0], x[1] ** 2),
    "picked by a mask": lambda x: (x**2)[(x > 0.2).nonzero()],
    "repeated": lambda x: T.repeat(x**2, 2, axis=0),
    "joined": lambda x: T.concatenate([x**2, T.exp(x)], axis=1),
    "loop": lambda x: symnet.scan(
        lambda row, s: T.tanh(s * row), x, T.ones_like(x[0]), n_steps=2
    )[0],
    "condition": lambda x: ifelse(T.lt(x.sum(), 9), x**2, x),
    "transform": lambda x: T.fft.rfft(x),
    "convolution": lambda x: T.nnet.conv2d(
        x.dimshuffle("x", "x", 0, 1), LIKE[None, None, :, :2]
    ),
    "pooling": lambda x: T.signal.pool.pool_2d(x, (2, 2), ignore_border=False),
    "sparse and back": lambda x: dense(sparse.sin(csr(x))),
    "sparse sum": lambda x: sparse.sp_sum(csr(x)),
    "sparse sum of rows": lambda x: sparse.sp_sum(csr(x), axis=1),
    "sparse sum of columns, entries": lambda x: sparse.sp_sum(csr(x), 0, True),
    "sparse times dense": lambda x: sparse.dot(csr(x), OTHER),
    "structured": lambda x: sparse.structured_dot(csr(x), OTHER),
    "sparse times vector": lambda x: sparse.dot(csr(x), OTHER[:, 0]),
    "dense times sparse": lambda x: sparse.dot(LIKE.T, csr(x)),
    "sparse times sparse": lambda x: sparse.dot(csr(x), csr(T.constant(OTHER))),
    "true": lambda x: dense(sparse.true_dot(csr(x), csr(T.constant(OTHER)))),
    "true of both": lambda x: dense(sparse.true_dot(csr(x), csr(x).T)),
    "by a sparse constant": lambda x: sparse.dot(csr(T.constant(LIKE.T)), x),
    "entry by entry": lambda x: dense(csr(x) * csr(x + 1)),
    "entry by dense": lambda x: dense(csr(x) * LIKE),
    "sparse and dense": lambda x: csr(x) + LIKE,
    "columns scaled": lambda x: dense(sparse.col_scale(csr(x), x[0])),
    "columns and a vector": lambda x: dense(sparse.structured_add_s_v(csr(x), x[0])),
    "part": lambda x: dense(csr(x)[:1]),
    "stacked": lambda x: dense(sparse.vstack([csr(x), csr(x)])),
    "all elements of a sparse one": lambda x: sparse.DenseFromSparse(False)(csr(x)),
}


@pytest.mark.parametrize("name", FORMULAS)
def test_hessian_where_the_gradient_is_0(name: str) -> None:
    x = T.dmatrix("x")
    made = FORMULAS[name](x)
    f = symnet.function([x], made)
    there = f(HERE)
    gradient = T.grad(((made - there) ** 2).sum(), x)
    pushed = T.Rop(gradient, x, T.constant(WAY))
    pulled = T.grad((gradient * WAY).sum(), x)
    first, *seconds = symnet.function([x], [gradient, pushed, pulled])(HERE)
    assert not first.any()

    def moved(by: Any) -> Any:
        return (f(HERE + by) - f(HERE - by)).ravel() / 2e-6

    units = np.eye(HERE.size).reshape(-1, *HERE.shape) * 1e-6
    jacobian = np.stack([moved(unit) for unit in units], axis=1)
    expected = 2 * (jacobian.T @ (jacobian @ WAY.ravel())).reshape(HERE.shape)
    assert abs(expected).max() > 0.01
    for second in seconds:
        np.testing.assert_allclose(second, expected, rtol=2e-5, atol=2e-6)
