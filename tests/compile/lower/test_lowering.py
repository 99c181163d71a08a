"""From graphs to steps: what is computed at all, what is a view, what is copied."""

from __future__ import annotations

import numpy as np
import pytest

import symnet.tensor as T
from symnet import function
from symnet.compile.lower.lowering import lower, needed_nodes
from symnet.compile.lower.program import (
    Access,
    KernelLaunch,
    LibraryCall,
    as_pairs,
    copy_launch,
)
from symnet.compile.pipeline import rewrite_graph
from symnet.graph.traverse import Graph, leaves
from symnet.graph.variables import Constant
from symnet.kernels.loopir.scalars import argument
from symnet.kernels.loopir.views import ONE, ZERO, View, contiguous_strides, size
from symnet.sizes.infer import Inference
from tests.helpers import run

RNG = np.random.default_rng(0)
x, y = T.dmatrices("x", "y")
v, rows = T.dvector("v"), T.lvector("rows")
n = T.lscalar("n")


def lowered(*outputs):
    """The lowering of a rewritten graph, and its outputs."""
    found = rewrite_graph(Graph([], outputs)).outputs
    given = [leaf for leaf in leaves(found) if not isinstance(leaf, Constant)]
    return lower(given, found, Inference(given)), found


def steps(*outputs):
    return lowered(*outputs)[0].steps


def names(step):
    return [getattr(node.op, "name", type(node.op).__name__) for node in step.nodes]


def kinds(*outputs):
    return [type(step).__name__ for step in steps(*outputs)]


def normal(*shape):
    return RNG.normal(size=shape)


# ---- what is computed


def test_what_serves_only_by_its_size_is_not_computed():
    product = T.dot(x, y)
    (step,) = steps(T.zeros(product.shape) + product.shape[1])
    assert isinstance(step, KernelLaunch) and "Product" not in names(step)
    wanted = T.zeros_like(T.exp(x))
    assert list(needed_nodes([wanted], [x]))[-1] is wanted.owner
    assert not any(
        getattr(n.op, "name", "") == "exp" for n in needed_nodes([wanted], [x])
    )
    run(T.zeros(product.shape) + product.shape[1], {x: normal(2, 3), y: normal(3, 4)})


def test_needed_nodes_come_in_order():
    out = T.tanh(T.dot(x, y)) + T.exp(x).sum()
    nodes = needed_nodes([out], [x, y])
    made = {x, y}
    for node in nodes:
        assert all(i in made or i.owner is None for i in node.inputs)
        made.update(node.outputs)
    assert list(nodes)[-1] is out.owner


# ---- views


@pytest.mark.parametrize(
    "build",
    [
        lambda: x.T,
        lambda: x[1:, ::2],
        lambda: x[n],
        lambda: x[::-1].T[1:],
        lambda: x.dimshuffle(0, "x", 1),
        lambda: x.flatten(),
        lambda: x.reshape((-1, 2)),
        lambda: T.diagonal(x),
    ],
)
def test_views_are_no_steps(build):
    lowering, (out,) = lowered(build())
    assert lowering.steps == []
    (leaf,) = [leaf for leaf in leaves([out]) if leaf.name == "x"]
    assert lowering.view_of(out).buffer is lowering.view_of(leaf).buffer


def test_views_that_need_a_copy():
    assert kinds(x.T.flatten()) == ["KernelLaunch"]
    assert kinds(x[:, ::2].reshape((-1,))) == ["KernelLaunch"]
    run(x.T.flatten(), {x: normal(3, 4)})
    run(x[:, ::2].reshape((-1,)), {x: normal(3, 4)})


# ---- operands of library calls


@pytest.mark.parametrize(
    "left, right",
    [
        (lambda: x, lambda: y),
        (lambda: x.T, lambda: y),
        (lambda: x.T, lambda: y.T),
        (lambda: x[1:], lambda: y),
        (lambda: x[:, 1:], lambda: y),
        (lambda: x[::2], lambda: y),
        (lambda: x[n : n + 3], lambda: y),
    ],
)
def test_blas_reads_views_without_copies(left, right):
    assert kinds(T.dot(left(), right())) == ["LibraryCall"]


@pytest.mark.parametrize(
    "left",
    [lambda: x[:, ::2], lambda: x[::-1], lambda: x[:, ::-1], lambda: x[:, ::2].T],
)
def test_what_blas_cannot_read_is_copied(left):
    assert kinds(T.dot(left(), y)) == ["KernelLaunch", "LibraryCall"]
    value = normal(6, 6)
    a = left().eval({x: value})
    np.testing.assert_allclose(
        T.dot(left(), y).eval({x: value, y: np.eye(a.shape[1])}), a, atol=1e-12
    )


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
@pytest.mark.parametrize("ranks", [(2, 2), (2, 1), (1, 2), (1, 1), (3, 3)])
def test_products_of_strided_operands(dtype, ranks):
    a, b = (T.TensorType(dtype, (None,) * rank)() for rank in ranks)
    forms = [lambda t: t, lambda t: t[::-1], lambda t: t[1:], lambda t: t.T.copy().T]
    product = T.batched_dot if ranks == (3, 3) else T.dot
    for form in forms:
        left = form(a) if ranks != (3, 3) else a
        values = {}
        for variable, rank in ((a, ranks[0]), (b, ranks[1])):
            value = normal(*(4,) * rank)
            values[variable] = (
                (value + 1j * normal(*(4,) * rank)) if dtype[0] == "c" else value
            )
        right = b[: left.shape[-1]] if ranks != (3, 3) else b[:, ::-1]
        run(product(left, right), values)


# ---- kernels


def test_one_load_for_each_place_that_is_read():
    (step,) = steps(T.tanh(x) * x + x.T[0, 0] + x)
    reads = [(a.view.offset, a.axes) for a in step.accesses[: len(step.inputs)]]
    assert len(reads) == len(set(reads)) == 2
    run(T.tanh(x) * x + x.T[0, 0] + x, {x: normal(3, 4)})


def test_single_numbers_are_part_of_the_code_and_tables_are_read():
    lowering, _ = lowered(x * 2.5 + T.constant([1.0, 2.0]))
    (step,) = lowering.steps
    assert len(step.inputs) == 2 and len(lowering.constants) == 1


def test_host_integers_reach_kernels_by_memory():
    """So that another size or index is no other code."""
    lowering, _ = lowered(x * x.shape[0] + n * 2)
    (step,) = lowering.steps
    assert len(lowering.parameters) >= 1
    assert any(view.buffer.kind == "parameters" for view in step.inputs)
    f = function([x, n], x * x.shape[0] + n * 2)
    for k in (2, 5):
        value = normal(k, 3)
        np.testing.assert_allclose(f(value, k * 7), value * k + k * 14)


def test_equal_kernels_are_one_object():
    a, b = T.dvectors("a", "b")
    (first,), (second,) = steps(T.tanh(a * 3)), steps(T.tanh(b * 3))
    assert first.kernel is second.kernel


def test_axes_of_size_1_are_no_loops():
    one = T.TensorType("float64", (1, None, 1))("one")
    (step,) = steps(T.exp(one))
    assert step.kernel.rank == 1
    run(T.exp(one).sum(axis=(0, 2)), {one: normal(1, 5, 1)})
    run(T.argmax(one, axis=0), {one: normal(1, 5, 1)})


# ---- writes and joins


def test_a_part_is_written_into_a_copy():
    (step,) = steps(T.inc_subtensor(x[1:, 0], v))
    assert step.initial is not None and step.initial.buffer.leaf.name == "x"
    assert not step.fallible
    values = {x: normal(4, 3), v: normal(3)}
    run(T.inc_subtensor(x[1:, 0], v), values)
    run(T.set_subtensor(x[1:, 0], v), values)
    flags = T.TensorType("bool", (None,))("flags")
    run(T.inc_subtensor(flags[1:], True), {flags: [False, True, False]})


def test_computed_positions_may_fail():
    (gather,), (scatter,) = steps(x[rows]), steps(T.inc_subtensor(x[rows], 1.0))
    assert gather.fallible and scatter.fallible and scatter.initial is not None
    assert scatter.kernel.outputs[0].mode == "add"
    (write,) = steps(T.set_subtensor(x[rows], 1.0))
    assert write.kernel.outputs[0].mode == "set"


def test_joined_arrays_are_copied_once():
    lowering, (out,) = lowered(T.concatenate([x, T.exp(y)], axis=0))
    target = lowering.view_of(out).buffer
    copies = [s for s in lowering.steps if s.outputs[0].buffer is target]
    assert len(copies) == 2


def test_splits_are_views():
    a, b = T.split(x, [1, 2], 2, axis=1)
    lowering, outs = lowered(a, b)
    assert lowering.steps == []
    run([a, b], {x: normal(4, 3)})


# ---- pieces of programs


def matrix_view(dtype="float64"):
    sizes = (argument(0, "int64"), size(3))
    return View(
        "memory", dtype, sizes, contiguous_strides(sizes, np.dtype(dtype).itemsize)
    )


def test_accesses_say_how_a_loop_moves():
    view = matrix_view()
    plain, turned = Access(view, (0, 1)), Access(view, (1, None))
    assert plain.strides(2) == (size(24), size(8))
    assert turned.strides(3) == (ZERO, size(24), ZERO)
    assert plain.operand(2).axes == (True, True) and plain.operand(2).indexed == 0
    assert turned.operand(2).axes == (False, True)
    anywhere = Access(view, (), indexed=True)
    assert anywhere.strides(2) == (ZERO, ZERO)
    assert anywhere.operand(2).indexed == 2 and anywhere.operand(2).axes == (
        False,
        False,
    )


def test_copies_broadcast_their_source():
    target, row = matrix_view(), View("row", "float64", (ONE, size(3)), (ZERO, size(8)))
    step = copy_launch(row, target)
    assert step.sizes == target.sizes and step.accesses[0].strides(2) == (ZERO, size(8))


def test_complex_arrays_are_copied_as_pairs():
    view = matrix_view("complex64")
    pairs = as_pairs(view)
    assert pairs.dtype == "float32" and pairs.sizes == (*view.sizes, size(2))
    assert pairs.strides == (*view.strides, size(4))
    assert copy_launch(view, view).kernel.rank == 3
    z = T.zmatrix("z")
    run(z.T, {z: normal(2, 3) + 1j * normal(2, 3)})
    run(z[::-1, ::2], {z: normal(4, 3) + 1j * normal(4, 3)})


def test_steps_know_the_users_line():
    (step,) = steps(T.tanh(x * 2))
    assert step.origin.filename == __file__
    assert copy_launch(matrix_view(), matrix_view()).origin is None
    assert all(
        isinstance(s, (KernelLaunch, LibraryCall)) for s in steps(T.dot(x, y) + 1)
    )
