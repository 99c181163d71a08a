"""What ops tell the compiler: the kind of work, which inputs they read as arrays."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import symnet.tensor as T
from symnet import function
from symnet.graph.op import Op
from symnet.graph.variables import Apply
from symnet.kernels.loopir.views import ONE, subtract
from symnet.kernels.routines import MatrixProduct, NumpyDistribution
from symnet.ops.base import PointOp, SameShape, ViewOp, lowering_of
from symnet.ops.linalg.gemm import gemm
from symnet.ops.lowerings import (
    CallOf,
    Concatenate,
    HostValue,
    PointLoop,
    Reduction,
    Reference,
    Scatter,
    ViewOf,
    WritePart,
)
from symnet.ops.random.random_state import StateDraw
from tests.helpers import reference_sort

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
def test_which_inputs_are_read_as_arrays(output, positions):
    assert list(lowering_of(output.owner).reads) == positions


@pytest.mark.parametrize(
    "output, kind",
    [
        (x + y, PointLoop),
        (T.arange(n), PointLoop),
        (x[rows], PointLoop),
        (x.sum(axis=0), Reduction),
        (x.argmax(), Reduction),
        (x.T, ViewOf),
        (x[1:], ViewOf),
        (T.set_subtensor(x[0], v), WritePart),
        (T.inc_subtensor(x[rows], v), Scatter),
        (T.concatenate([x, y]), Concatenate),
        (T.dot(x, y), CallOf),
        (x.shape, HostValue),
        (x.shape[0], HostValue),
        (reference_sort(x), Reference),
    ],
)
def test_the_kind_of_work(output, kind):
    assert isinstance(lowering_of(output.owner), kind)


def test_equal_operations_have_equal_lowerings():
    for make in (T.exp, T.sum, lambda a: T.dot(a, a)):
        assert lowering_of(make(x).owner) == lowering_of(make(x).owner)
    assert lowering_of(T.sum(x).owner) != lowering_of(T.prod(x).owner)


def test_inputs_read_only_at_the_loops_position_or_anywhere():
    """Where an index is itself computed, both the array and the index are read."""
    node = x[rows, rows].owner
    found = lowering_of(node)
    assert [node.inputs[k].type.ndim for k in found.reads] == [2, 1, 1]
    assert found.gathered == (0,) and not found.elementwise
    assert lowering_of((x + y).owner).gathered == ()


def test_the_operations_of_a_formula():
    found = lowering_of(T.switch(T.gt(x, 0), x, y).owner)
    assert found.elementwise and "select" in found.operations
    assert "tanh" in lowering_of(T.tanh(x).owner).operations


def test_a_view_that_only_moves_axes_says_how():
    assert lowering_of(x.dimshuffle(1, "x", 0).owner).axes == (1, None, 0)
    assert lowering_of(x.reshape((n, 3)).owner).axes is None


def test_loops_know_complex_numbers_but_not_every_function_of_them():
    z, u = T.zmatrix("z"), T.zmatrix("u")
    kinds = {
        z * 2: PointLoop, z.sum(): Reduction, T.concatenate([z, u]): Concatenate,
        T.set_subtensor(z[0], 0): WritePart, T.set_subtensor(z[rows], 0): Scatter,
        T.arccos(z): Reference, z.prod(): Reference, z.shape: HostValue,
    }  # fmt: skip
    for output, kind in kinds.items():
        assert isinstance(lowering_of(output.owner), kind)
    assert lowering_of(z.T.owner).axes == (1, 0)
    assert lowering_of(T.dot(z, u).owner).routine == MatrixProduct("complex128")


def test_routines_are_data():
    assert lowering_of(T.dot(x, y).owner).routine == MatrixProduct("float64")
    call = lowering_of(gemm(1.0, x, y, 1.0, x).owner)
    assert call.routine == MatrixProduct("float64", scaled=True) and call.initial == 4
    state = T.vector(dtype="uint32")
    sample = StateDraw("poisson")(state, v.sum(), v.sum(), 3)[1]
    call = lowering_of(sample.owner)
    assert call.routine == NumpyDistribution("poisson", "twister")
    assert call.reads == (0, 1, 2) and call.initial == 0 and "mean" in call.refusal


class Own(Op):
    def make_node(self, a):
        return Apply(self, [a], [a.type()])


def test_ops_of_users_are_run_as_they_are():
    assert lowering_of(Own()(x).owner) == Reference()


class Backwards(SameShape, PointOp):
    """x[::-1] of a vector."""

    def make_node(self, a):
        return Apply(self, [a], [a.type()])

    def point(self, node, reads, index):
        (a,) = reads
        return a.at([a.sizes[0] - 1 - index[0]])


class Tail(ViewOp):
    """x[1:] of a vector, which needs no work."""

    def make_node(self, a):
        return Apply(self, [a], [a.type()])

    def infer_sizes(self, node, inputs, sizes):
        return [(subtract(inputs[0][0], ONE),)]

    def view(self, node, view, sizes):
        return view.sliced(0, ONE, ONE, subtract(view.sizes[0], ONE))


def test_an_op_needs_its_lowering_and_no_more_to_run_natively():
    f = function([v], Tail()(Backwards()(v)) * 2)
    np.testing.assert_array_equal(f([1.0, 2.0, 3.0]), [4.0, 2.0])
    assert not any(segment.reference for segment in f.engine.segments)


def test_a_node_keeps_its_lowering_and_pickles_without_it():
    node = T.tanh(T.dmatrix("x")).owner
    assert lowering_of(node) is lowering_of(node)
    twin = pickle.loads(pickle.dumps(node))
    assert twin.op == node.op and twin._lowering is None
    assert lowering_of(twin) == lowering_of(node)
