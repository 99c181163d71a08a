"""Theano's classes of operations recognise the package's own, and make them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet import scalar
from symnet.errors import ShapeError
from symnet.ops.operation_objects import Any_
from symnet.ops.theano_classes import get_idx_list
from symnet.scalar import UnaryScalarOp, same_out
from symnet.tensor import elemwise
from symnet.tensor.signal.pool import Pool, pool_2d

X = np.arange(12.0).reshape(3, 4)
B = X % 2 == 0


class Half(UnaryScalarOp):
    def impl(self, x: Any) -> Any:
        return x / 2


def test_elemwise() -> None:
    x = T.dmatrix()
    assert isinstance((x + 1).owner.op, T.Elemwise)
    assert isinstance(Half(same_out)(x).owner.op, T.Elemwise)
    assert not isinstance(x.sum().owner.op, T.Elemwise)
    assert T.Elemwise(scalar.add) is T.add
    value = T.Elemwise(Half(same_out), {0: 0}, name="half")(x).eval({x: X})
    np.testing.assert_array_equal(value, X / 2)
    a = scalar.float64("a")
    both = T.Elemwise(scalar.Composite([a], [a * a + 1]))(x)
    np.testing.assert_array_equal(both.eval({x: X}), X * X + 1)
    with pytest.raises(TypeError, match="takes an operation on numbers"):
        T.Elemwise(3)


def test_dimshuffle() -> None:
    x = T.dmatrix()
    op = T.DimShuffle(x.broadcastable, (1, "x", 0))
    np.testing.assert_array_equal(op(x).eval({x: X}), X.T[:, None, :])
    assert isinstance(x.T.owner.op, T.DimShuffle)
    assert op == x.dimshuffle(1, "x", 0).owner.op
    assert T.DimShuffle((True, False), (1,))(T.drow()).ndim == 1
    with pytest.raises(ValueError, match="axis 0 is to be dropped"):
        T.DimShuffle((False, False), (1,))


REDUCTIONS = {
    "add": np.add, "mul": np.multiply, "maximum": np.maximum, "minimum": np.minimum,
    "and_": np.logical_and, "or_": np.logical_or, "xor": np.logical_xor,
}  # fmt: skip


@pytest.mark.parametrize("axis", [None, 0, 1, (0, 1), (-1,), ()])
@pytest.mark.parametrize("name", REDUCTIONS)
def test_reductions(name: str, axis: Any) -> None:
    value = B if name in ("and_", "or_", "xor") else X.astype("int8")
    x = T.constant(value)
    found = elemwise.CAReduce(getattr(scalar, name), axis)(x).eval()
    axes = tuple(range(2)) if axis is None else axis
    expected = REDUCTIONS[name].reduce(value, axes, dtype=value.dtype)
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == value.dtype


def test_reductions_of_booleans_stay_booleans() -> None:
    for name, kind in (("add", np.logical_or), ("mul", np.logical_and)):
        found = elemwise.CAReduce(getattr(scalar, name), 1)(T.constant(B)).eval()
        np.testing.assert_array_equal(found, kind.reduce(B, 1))
        assert found.dtype == bool


def test_reductions_by_class() -> None:
    x = T.dmatrix()
    assert isinstance(x.max(0).owner.op, elemwise.CAReduce)
    assert not isinstance((x + 1).owner.op, elemwise.CAReduce)
    op = elemwise.CAReduce(scalar.add, 0, dtype="float32")
    assert op(x).dtype == "float32"
    assert op == elemwise.CAReduce(scalar.add, axis=0, dtype="float32")
    with pytest.raises(TypeError, match="not associative"):
        elemwise.CAReduce(scalar.sub, 0)
    with pytest.raises(TypeError, match="over the bits of int64"):
        elemwise.CAReduce(scalar.xor, 0)(T.lvector())


def test_joins_and_parts() -> None:
    x, v = T.dmatrix("x"), T.dvector("v")
    assert isinstance(T.join(0, x, x).owner.op, T.Join)
    np.testing.assert_array_equal(
        T.Join()(1, x, x).eval({x: X}), np.concatenate([X, X], 1)
    )
    first, second = T.Split(2)(x, 0, [1, 2])
    np.testing.assert_array_equal(second.eval({x: X}), X[1:])
    assert isinstance(first.owner.op, T.Split)
    part = T.Subtensor([T.lscalar, slice(T.lscalar, None)])(x, 1, 2)
    np.testing.assert_array_equal(part.eval({x: X}), X[1, 2:])
    assert isinstance(x[0].owner.op, T.Subtensor)
    with pytest.raises(TypeError, match="an index of 1 bounds got 2"):
        T.Subtensor([T.lscalar])(x, 1, 2)
    put = T.subtensor.IncSubtensor([0], set_instead_of_inc=True)(x, v)
    want = X.copy()
    want[0] = 7
    np.testing.assert_array_equal(put.eval({x: X, v: np.full(4, 7.0)}), want)
    known = T.SpecifyShape()(x, (3, 4))
    assert known.type.shape == (3, 4)
    with pytest.raises(ShapeError):
        known.eval({x: X.T})


def test_indices_in_theanos_form() -> None:
    x, n = T.dtensor3("x"), T.lscalar("n")
    kind = n.type
    for part, want in (
        (x[n], [kind]),
        (
            x[1:n, :, ::-1],
            [slice(kind, kind, None), slice(None), slice(None, None, kind)],
        ),
        (x[:, -1], [slice(None), kind]),
    ):
        node = part.owner
        assert node.op.idx_list[: len(want)] == want
        index = get_idx_list(node.inputs, node.op.idx_list)
        value = np.arange(24.0).reshape(2, 3, 4)
        again = symnet.function([x, n], [part, x[index]], on_unused_input="ignore")
        got = again(value, 1)
        np.testing.assert_array_equal(got[0], got[1])
        written = T.inc_subtensor(part, 1.0).owner
        assert written.op.idx_list == node.op.idx_list
        assert get_idx_list(written.inputs[1:], written.op.idx_list) == index
    with pytest.raises(TypeError, match="1 bounds got 0"):
        get_idx_list([x], [kind])


X3, POSITIONS, N = T.dtensor3("X"), T.lvector("positions"), T.lscalar("n")

# a variable, the class of the op that makes it, and one that it is not of
RECOGNISED = [
    (X3.sum(0), T.Sum, T.elemwise.Prod),
    (X3.prod(), T.elemwise.Prod, T.Sum),
    (T.all(X3), elemwise.All, Any_),
    (T.any(X3, 1), Any_, elemwise.All),
    (T.argmax(X3, 1), T.Argmax, T.Sum),
    (T.cumsum(X3, 1), T.extra_ops.CumOp, T.extra_ops.CumprodOp),
    (T.cumsum(X3, 1), T.extra_ops.CumsumOp, T.Sum),
    (T.cumprod(X3, 1), T.extra_ops.CumprodOp, T.extra_ops.CumsumOp),
    (X3[POSITIONS], T.AdvancedSubtensor1, T.Subtensor),
    (X3[:, POSITIONS], T.AdvancedSubtensor, T.AdvancedSubtensor1),
    (X3[1:], T.Subtensor, T.AdvancedSubtensor1),
    (T.inc_subtensor(X3[POSITIONS], 1.0), T.AdvancedIncSubtensor1, T.IncSubtensor),
    (T.set_subtensor(X3[:, POSITIONS], 1.0), T.AdvancedIncSubtensor,
     T.AdvancedIncSubtensor1),
    (symnet.gradient.disconnected_grad(X3), symnet.gradient.DisconnectedGrad,
     symnet.gradient.ZeroGrad),
    (symnet.gradient.zero_grad(X3), symnet.gradient.ZeroGrad,
     symnet.gradient.UndefinedGrad),
    (pool_2d(X3, (2, 2), ignore_border=True), Pool, T.Sum),
    (X3.shape, symnet.compile.Shape, symnet.compile.Shape_i),
]  # fmt: skip


@pytest.mark.parametrize(("variable", "kind", "other"), RECOGNISED)
def test_classes_recognise_their_ops(variable: Any, kind: Any, other: Any) -> None:
    op = variable.owner.op
    assert isinstance(op, kind)
    assert not isinstance(op, other)
    assert not isinstance(variable, kind)
    own = type("Own", (kind,), {})
    assert not isinstance(op, own)
    assert isinstance(X3.sum(0).owner.op, elemwise.CAReduceDtype)


def test_settings_of_ops_by_theanos_names() -> None:
    assert X3.sum((0, 2)).owner.op.axis == (0, 2)
    assert X3.sum((0, 2)).owner.op.scalar_op == T.add
    assert T.any(X3, 1).owner.op.scalar_op == scalar.or_
    with pytest.raises(AttributeError, match="joins no two elements"):
        T.argmax(X3, 1).owner.op.scalar_op  # noqa: B018
    for write in (T.inc_subtensor, T.set_subtensor):
        for part in (X3[1:], X3[POSITIONS]):
            op = write(part, 1.0).owner.op
            assert op.set_instead_of_inc is (write is T.set_subtensor)
            assert op.inplace is False
    assert X3.dimshuffle(1, "x", 0, 2).owner.op.new_order == (1, "x", 0, 2)


def test_rewrites_track_them() -> None:
    @symnet.gof.local_optimizer([T.AdvancedSubtensor1])
    def first_row(node: Any) -> Any:
        return [node.inputs[0][node.inputs[1] * 0]]

    rewrite = symnet.gof.TopoOptimizer(first_row, ignore_newtrees=True)
    x = T.dvector("x")
    graph = symnet.FunctionGraph([x, POSITIONS], [x[POSITIONS] + x[1:].sum()])
    rewrite.optimize(graph)
    f = symnet.function(graph.inputs, graph.outputs)
    np.testing.assert_array_equal(f([1.0, 2.0, 4.0], [2, 1])[0], [7.0, 7.0])
