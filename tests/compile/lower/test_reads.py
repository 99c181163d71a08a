"""Which inputs an operation reads as arrays."""

from __future__ import annotations

import pytest

import symnet.tensor as T
from symnet.compile.lower.reads import data_inputs
from symnet.ops.linalg.gemm import gemm

x, y = T.dmatrices("x", "y")
v, rows = T.dvector("v"), T.lvector("rows")
n = T.lscalar("n")


@pytest.mark.parametrize(
    "output, positions",
    [
        (x + y, [0, 1]),
        (T.tanh(x), [0]),
        (T.second(x, 0.0), [1]),  # the first one serves by its size
        (T.switch(T.gt(x, 0), x, y), [0, 1, 2]),
        (x.sum(axis=0), [0]),
        (T.alloc(v, n, v.shape[0]), [0]),
        (T.arange(n), [0, 2]),  # the end serves by the size that follows from it
        (T.zeros((n, 3)), [0]),
        (x.dimshuffle(1, "x", 0), [0]),
        (x.reshape((n, 3)), [0]),
        (x[n : n + 3, ::2], [0]),
        (T.set_subtensor(x[n], v), [0, 1]),
        (T.inc_subtensor(x[1:], y), [0, 1]),
        (x[rows], [0, 1]),
        (T.set_subtensor(x[rows], v), [0, 1, 2]),
        (T.inc_subtensor(x[rows], 1.0), [0, 1, 2]),
        (T.concatenate([x, y, x], axis=1), [0, 1, 2]),
        (T.dot(x, y), [0, 1]),
        (gemm(1.0, x, y, 1.0, x), [0, 1, 2, 3, 4]),
    ],
)
def test_data_inputs(output, positions):
    node = output.owner
    found = list(data_inputs(node))
    assert found == positions


def test_operations_without_native_form_read_everything():
    node = T.sort(x).owner
    assert list(data_inputs(node)) == list(range(len(node.inputs)))


def test_complex_operations_read_everything():
    z = T.zmatrix("z")
    assert list(data_inputs(T.second(z, z).owner)) == [0, 1]


def test_inputs_read_only_at_the_loops_position_or_anywhere():
    """Where an index is itself computed, both the array and the index are read."""
    node = x[rows, rows].owner
    assert [node.inputs[k].type.ndim for k in data_inputs(node)] == [2, 1, 1]
