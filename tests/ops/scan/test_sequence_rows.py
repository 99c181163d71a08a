"""The rows that a loop walks over, without the loop."""

from __future__ import annotations

import numpy as np
import pytest

import symnet.tensor as T
from symnet import function, scan
from symnet.errors import ShapeError
from symnet.ops.scan.sequence_rows import FirstRows
from tests.helpers import run

rows = FirstRows("sequence 0 (x)")


@pytest.mark.parametrize("count", [0, 1, 3])
@pytest.mark.parametrize("dtype", ["float32", "int8", "bool", "complex128"])
def test_first_rows(count, dtype):
    x, n = T.TensorType(dtype, (None, None))("x"), T.lscalar("n")
    data = np.arange(6).reshape(3, 2).astype(dtype)
    found = run(rows(x, n) * rows(x[::-1], n), {x: data, n: count})
    np.testing.assert_array_equal(found, data[:count] * data[::-1][:count])


def test_sizes_that_are_known():
    x = T.TensorType("float64", (None, 4))("x")
    assert rows(x, 3).type.shape == (3, 4)
    assert rows(x, T.lscalar()).type.shape == (None, 4)


@pytest.mark.parametrize("mode", ["FAST_COMPILE", "FAST_RUN"])
def test_rows_that_are_not_there(mode):
    x, n = T.dmatrix("x"), T.lscalar("n")
    f = function([x, n], T.exp(rows(x, n)), mode=mode)
    with pytest.raises(ShapeError, match=r"sequence 0 \(x\) has fewer rows"):
        f(np.ones((3, 2)), 4)
    with pytest.raises(ValueError, match="negative"):
        f(np.ones((3, 2)), -1)


@pytest.mark.parametrize("mode", ["FAST_COMPILE", "FAST_RUN", "DebugMode"])
@pytest.mark.parametrize("steps", [6, -1])
def test_a_loop_that_is_no_longer_there_is_still_checked(mode, steps):
    """The sum of products is one product, of which both factors are cut alike."""
    xs, ys, n = T.dtensor3("xs"), T.dtensor3("ys"), T.lscalar("n")
    totals, _ = scan(
        lambda a, b, t: t + T.dot(a.T, b), [xs, ys], [T.zeros((3, 2))], n_steps=n
    )
    total = totals[-1]
    f = function([xs, ys, n], total, mode=mode)
    data = np.ones((5, 4, 3)), np.ones((5, 4, 2))
    np.testing.assert_allclose(f(*data, 5), 20)
    with pytest.raises(ValueError, match=r"fewer rows|negative") as caught:
        f(*data, steps)
    assert "test_sequence_rows" in str(caught.value)
