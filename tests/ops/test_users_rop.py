"""`R_op` of users' operations: asked by Rop, and what it gives checked."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symnet
import symnet.tensor as T
from symnet import Apply, Op
from symnet.errors import ShapeError
from symnet.ifelse import ifelse

MODES = ("FAST_RUN", "FAST_COMPILE", "DebugMode")
V = np.array([1.0, 2.0, 0.5])
W = np.array([0.5, -1.0, 2.0])


class Cube(Op):
    """v ** 3 without a gradient; `product` is what its R_op gives."""

    def __init__(self, product: Any = lambda v, w: [3 * v**2 * w]) -> None:
        self.product = product
        self.asked = 0

    def make_node(self, v: Any) -> Apply:
        v = T.as_tensor_variable(v)
        return Apply(self, [v], [v.type()])

    def perform(self, node: Any, inputs: Any, output_storage: Any) -> None:
        output_storage[0][0] = inputs[0] ** 3

    def R_op(self, inputs: Any, eval_points: Any) -> Any:
        self.asked += 1
        return self.product(inputs[0], eval_points[0])


class WithGradient(Cube):
    """A gradient that is wrong on purpose: R_op, where it is defined, is what counts."""

    def grad(self, inputs: Any, output_gradients: Any) -> Any:
        return [5 * output_gradients[0]]


class Both(Op):
    """(a * b, a + b); R_op is told None where there is no eval point."""

    def make_node(self, a: Any, b: Any) -> Apply:
        a, b = T.as_tensor_variable(a), T.as_tensor_variable(b)
        return Apply(self, [a, b], [a.type(), a.type()])

    def perform(self, node: Any, inputs: Any, output_storage: Any) -> None:
        output_storage[0][0] = inputs[0] * inputs[1]
        output_storage[1][0] = inputs[0] + inputs[1]

    def R_op(self, inputs: Any, eval_points: Any) -> Any:
        (a, b), (da, db) = inputs, eval_points
        products = [x * y for x, y in ((da, b), (db, a)) if x is not None]
        sums = [x for x in (da, db) if x is not None]
        return [sum(products[1:], products[0]), sum(sums[1:], sums[0])]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("kind", [Cube, WithGradient])
def test_rop_asks_the_operation(mode: str, dtype: str, kind: Any) -> None:
    v, w = T.vector("v", dtype=dtype), T.vector("w", dtype=dtype)
    op = kind()
    y = T.sin(op(2 * v)) * v
    f = symnet.function([v, w], T.Rop(y, v, w), mode=mode)
    cube = 8 * V**3
    wanted = (np.sin(cube) + np.cos(cube) * 24 * V**3) * W
    found = f(V.astype(dtype), W.astype(dtype))
    assert op.asked and found.dtype == dtype
    tolerance = 1e-10 if dtype == "float64" else 2e-4
    np.testing.assert_allclose(found, wanted, rtol=tolerance)


@pytest.mark.parametrize("mode", MODES)
def test_several_inputs_and_outputs(mode: str) -> None:
    a, b, w = T.dvectors("a", "b", "w")
    product, total = Both()(a, b)
    outputs = [
        *T.Rop([product, total], a, w),
        T.Rop(product, b, w),
        T.Rop(product + total, [a, b], [w, 2 * w]),
    ]
    found = symnet.function([a, b, w], outputs, mode=mode)(V, V + 1, W)
    one, other = V, V + 1
    wanted = [
        other * W,
        W,
        one * W,
        (other + 2 * one + 3) * W,
    ]
    for x, y in zip(found, wanted, strict=True):
        np.testing.assert_allclose(x, y)


@pytest.mark.parametrize("mode", MODES)
def test_within_loops_and_conditions(mode: str) -> None:
    m, v, w = T.dmatrix("m"), T.dvector("v"), T.dvector("w")
    rows, _ = symnet.scan(lambda row: Both()(row, v)[0], m)
    powers, _ = symnet.scan(lambda h: Cube()(h), outputs_info=v, n_steps=2)
    chosen = ifelse(T.gt(v.sum(), 0), Cube()(v), v)
    outputs = [
        T.Rop(rows, v, w),
        T.Rop(rows, m, T.ones_like(m)),
        T.Rop(powers[-1], v, w),
        T.Rop(chosen, v, w),
    ]
    matrix = np.stack([V, 2 * V])
    found = symnet.function([m, v, w], outputs, mode=mode)(matrix, V, W)
    wanted = [matrix * W, np.stack([V, V]), 9 * V**8 * W, 3 * V**2 * W]
    for x, y in zip(found, wanted, strict=True):
        np.testing.assert_allclose(x, y)


def test_without_an_r_op_the_gradient_serves() -> None:
    def refuses(v: Any, w: Any) -> Any:
        raise NotImplementedError

    v, w = T.dvectors("v", "w")
    found = symnet.function([w], T.Rop(WithGradient(refuses)(v), v, w))(W)
    np.testing.assert_allclose(found, 5 * W)


def test_gradients_of_products() -> None:
    v, w = T.dvectors("v", "w")
    pushed = T.Rop(Cube()(v), v, w)
    found = symnet.function([v, w], T.grad(pushed.sum(), v))(V, W)
    np.testing.assert_allclose(found, 6 * V * W)


def test_no_flow() -> None:
    v, w = T.dvectors("v", "w")
    for nothing in (lambda v, w: [None], lambda v, w: (w * 0.0,)):
        pushed = T.Rop(Cube(nothing)(v) + v, v, w)
        f = symnet.function([v, w], pushed, on_unused_input="ignore")
        np.testing.assert_allclose(f(V, W), W)


def test_all_flow_stopped_is_disconnected() -> None:
    v, w = T.dvectors("v", "w")
    y = Cube(lambda v, w: [None])(v) * 2
    with pytest.raises(symnet.DisconnectedInputError, match="does not depend"):
        T.Rop(y, v, w)
    zeros = T.Rop(y, v, w, disconnected_outputs="ignore").eval({v: V})
    np.testing.assert_array_equal(zeros, 0 * V)
    none = T.Rop(y, v, w, disconnected_outputs="ignore", return_disconnected="None")
    assert none is None
    np.testing.assert_array_equal(
        T.Rop(T.floor(Cube()(v)), v, w).eval({v: V, w: W}), 0 * V
    )


@pytest.mark.parametrize(
    ("product", "error", "what"),
    [
        (lambda v, w: w, TypeError, "for 1 outputs"),
        (lambda v, w: None, TypeError, "for 1 outputs"),
        (lambda v, w: [], TypeError, "for 1 outputs"),
        (lambda v, w: [w, w], TypeError, "for 1 outputs"),
        (lambda v, w: ["text"], TypeError, "R_op gave 'text'"),
        (lambda v, w: [w.sum()], TypeError, "which has rank 0, and the output 1"),
        (lambda v, w: [T.cast(w, "int64")], TypeError, "which is no float"),
        (lambda v, w: [w > 0], TypeError, "which is no float"),
    ],
)
def test_wrong_products_are_refused(product: Any, error: Any, what: str) -> None:
    v, w = T.dvectors("v", "w")
    y = Cube(product)(v)  # this line
    with pytest.raises(error, match=what) as found:
        T.Rop(y, v, w)
    assert "Cube" in str(found.value) and "# this line" in str(found.value)


class Exact(Cube):
    """A cube of which the type tells the sizes."""

    def make_node(self, x: Any) -> Any:
        return symnet.Apply(self, [x], [T.TensorType(x.dtype, x.type.shape)()])


def test_products_of_another_size() -> None:
    known = T.TensorType("float64", (3,))("v")
    with pytest.raises(ValueError, match=r"shape \(4,\) for output 0, of \(3,\)"):
        T.Rop(Exact(lambda v, w: [np.ones(4)])(known), known, T.dvector("w"))
    v, w = T.dvectors("v", "w")
    for product in (lambda v, w: [w[1:]], lambda v, w: [w.sum().dimshuffle("x")]):
        y = Cube(product)(v)  # this line
        for mode in MODES:
            f = symnet.function([v, w], T.Rop(y, v, w), mode=mode)
            with pytest.raises(ShapeError, match="Cube") as found:
                f(V, W)
            assert "# this line" in str(found.value)


def test_an_error_in_r_op_keeps_its_kind() -> None:
    v, w = T.dvectors("v", "w")
    y = Cube(lambda v, w: [w / (1 // 0)])(v)  # this line
    with pytest.raises(ZeroDivisionError) as found:
        T.Rop(y, v, w)
    assert "R_op of Cube" in found.value.__notes__[0]
    assert "# this line" in found.value.__notes__[0]
