"""The number of threads changes no bit of a result: products, reductions, softmax, loops,
random numbers.  (Products of all shapes: `tests/kernels/test_multiply.py`.)"""

from __future__ import annotations

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet.config import config
from symnet.kernels.cpu.runtime import threads
from symnet.random import RandomStream

COUNTS = (1, 2, 3, 8)


@pytest.fixture(autouse=True)
def restored():
    before = config.num_threads
    yield
    config.num_threads = before
    threads.use(before)


def same(make, *arrays):
    """Results of functions that are made and run with different numbers of threads."""
    found = []
    for count in COUNTS:
        config.num_threads = count
        found.append(make()(*arrays))
    for other in found[1:]:
        for one, two in zip(found[0], other, strict=True):
            assert np.asarray(one).tobytes() == np.asarray(two).tobytes()


def normal(dtype, *shape):
    return np.random.default_rng(0).standard_normal(shape).astype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "shape", [(10, 30_000), (30_000, 10), (600, 700), (1, 400_000), (400_000, 1)]
)
def test_reductions(dtype, shape):
    x = T.TensorType(dtype, (None, None))("x")
    every = [
        x.sum(), x.sum(0), x.sum(1), x.T.sum(0), x[::2, ::3].sum(), x[::2, ::3].sum(0),
        x.mean(0), x.var(), x.var(1), x.std(0), T.sum(x * T.exp(x)), T.prod(1 + 1e-4 * x),
        x.norm(2), x.max(), x.argmax(0), T.cumsum(x, axis=0),
    ]  # fmt: skip
    same(lambda: symnet.function([x], every), normal(dtype, *shape))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(10, 20_000), (20_000, 10), (500, 600)])
def test_rows_and_columns_that_are_reduced_and_then_mapped(dtype, shape):
    x = T.TensorType(dtype, (None, None))("x")
    rows, columns = T.nnet.softmax(x), T.nnet.softmax(x.T).T
    every = [
        rows, columns, T.nnet.logsoftmax(x), (x - x.mean(0)) / x.std(0),
        symnet.grad(T.sum(rows**3), x), symnet.grad(T.sum(columns**3), x),
        T.log(T.sum(T.exp(x), axis=0)), x / abs(x).sum(1, keepdims=True),
    ]  # fmt: skip
    same(lambda: symnet.function([x], every), normal(dtype, *shape))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_products(dtype):
    x, y = (T.TensorType(dtype, (None, None))(name) for name in "xy")
    a, b = (T.TensorType(dtype, (None, None, None))(name) for name in "ab")
    every = [
        T.dot(x, y), T.dot(y.T, x.T), T.dot(x[:, ::2], y[::2]), T.dot(x[0], y),
        T.dot(x, y[:, 0]), T.dot(x[0], x[1]), T.dot(x, x.T), T.batched_dot(a, b),
        T.tensordot(a, b, [[0, 2], [0, 1]]),
    ]  # fmt: skip
    values = [(300, 500), (500, 401), (3, 200, 301), (3, 301, 150)]
    arrays = [normal(dtype, *shape) for shape in values]
    same(lambda: symnet.function([x, y, a, b], every), *arrays)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("batch, size", [(1, 300), (20, 200), (200, 150)])
def test_loops_and_their_gradients(dtype, batch, size):
    steps, start = (
        T.TensorType(dtype, (None,) * 3)("s"),
        T.TensorType(dtype, (None,) * 2)("h"),
    )
    weights = T.TensorType(dtype, (None, None))("w")
    states, _ = symnet.scan(
        lambda x, h, w: T.tanh(T.dot(h, w) + x), steps, start, weights
    )
    every = [states, *symnet.grad(states.sum(), [steps, start, weights])]
    arrays = [
        normal(dtype, *s) for s in ((5, batch, size), (batch, size), (size, size))
    ]
    same(lambda: symnet.function([steps, start, weights], every), *arrays)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_random_numbers(dtype):
    def draws():
        stream = RandomStream(3)
        return symnet.function(
            [],
            [
                stream.normal(size=(700, 333), dtype=dtype),
                stream.uniform(size=(100_001,), dtype=dtype),
                stream.integers(low=0, high=1000, size=(90_000,)),
                stream.permutation(10_000),
                stream.gamma(size=(5000,), shape=2.5),
            ],
        )

    same(draws)
