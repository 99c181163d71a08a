"""Products with the Jacobian, Jacobians and Hessians."""

from __future__ import annotations

import numpy as np
import pytest

from symnet.errors import (
    DisconnectedInputError,
)
from symnet.gradient import (
    Lop,
    Rop,
    grad,
    hessian,
    jacobian,
    numeric_grad,
)
from symnet.graph.evaluate import evaluate
from symnet.ops import functions as F
from symnet.ops.alloc import alloc
from symnet.ops.indexing import inc_subtensor, set_subtensor
from symnet.ops.inputs import (
    matrix,
    vector,
)
from symnet.ops.joining import concatenate
from symnet.ops.linalg.products import batched_dot, dot
from symnet.ops.nnet.activations import logsoftmax, softmax
from symnet.ops.reduce import max as max_over
from symnet.ops.sizes import specify_shape
from tests.helpers import run
from tests.test_gradient import RANDOM, Undefined


def test_lop_and_rop():
    x, w = vector("x"), matrix("w")
    u, v, m = vector("u"), vector("v"), matrix("m")
    y = F.tanh(dot(x, w)) * x.sum()
    values = {
        x: RANDOM.normal(size=3),
        w: RANDOM.normal(size=(3, 2)),
        u: RANDOM.normal(size=2),
        v: RANDOM.normal(size=3),
        m: RANDOM.normal(size=(3, 2)),
    }
    hidden = np.tanh(values[x] @ values[w])
    slope, total = 1 - hidden**2, values[x].sum()
    jacobian = (values[w] * slope).T * total + hidden[:, None]
    np.testing.assert_allclose(run(Lop(y, x, u), values), values[u] @ jacobian)
    np.testing.assert_allclose(run(Rop(y, x, v), values), jacobian @ values[v])
    both = Rop([y, x * 2], [x, w], [v, m])
    want = jacobian @ values[v] + slope * total * (values[x] @ values[m])
    np.testing.assert_allclose(run(both[0], values), want)
    np.testing.assert_allclose(run(both[1], values), 2 * values[v])


def test_lop_of_results_that_need_each_other():
    x = vector("x")
    first = x**2
    second = first**2
    found = Lop([first, second], x, [np.ones(2), np.ones(2)])
    values = np.array([1.0, 2.0])
    np.testing.assert_allclose(run(found, {x: values}), 2 * values + 4 * values**3)


def test_rop_with_respect_to_what_needs_each_other():
    x = vector("x")
    y = x**2
    found = Rop(y * x, [x, y], [np.ones(2), np.ones(2)])
    values = np.array([1.0, 2.0])
    np.testing.assert_allclose(run(found, {x: values}), 3 * values**2 + values)


def test_rop_of_what_is_not_connected():
    x, y, v = vector("x"), vector("y"), vector("v")
    with pytest.raises(DisconnectedInputError):
        Rop(y * 2, x, v)
    zeros = Rop(y * 2, x, v, disconnected_outputs="ignore")
    np.testing.assert_array_equal(run(zeros, {y: [1.0, 2.0]}), [0, 0])
    with pytest.raises(ValueError, match="eval_points"):
        Rop(y * 2, [x, y], [v])
    with pytest.raises(TypeError, match="rank"):
        Lop(y * 2, y, matrix())


def test_rop_through_a_maximum():
    x = matrix("x")
    v = np.array([[1.0, 2, 3], [4, 5, 6]])
    found = Rop(max_over(x, axis=1), x, v)
    assert run(found, {x: [[1.0, 9, 2], [7, 3, 0]]}).tolist() == [2, 4]


# ---- Jacobians and Hessians

POINT = np.array([0.3, -1.2, 2.0])
WEIGHTS = RANDOM.normal(size=(3, 3))
INDICES = np.array([2, 0, 2, 1])

# Vectors of three made from a vector of three; each goes through other operations.
VECTORS = {
    "elementwise": lambda x: F.sin(x) * x + 2,
    "broadcast": lambda x: (x[:, None] * x).sum(axis=1),
    "dot": lambda x: dot(WEIGHTS, F.tanh(dot(x, WEIGHTS))),
    "products of matrices": lambda x: dot(x * WEIGHTS, dot(WEIGHTS, x * WEIGHTS)).sum(
        axis=0
    ),
    "matrix from the left": lambda x: dot(dot(WEIGHTS, x[:, None] * x), x),
    "parts": lambda x: x[::-1] * x[0] + x[1:].sum(),
    "written parts": lambda x: set_subtensor((x**2)[1:], x[:2] * 3),
    "added parts": lambda x: inc_subtensor(x[0], x[2] ** 2) * x,
    "positions": lambda x: (x[INDICES] ** 2)[:3] * x[-1],
    "reshape": lambda x: (x * WEIGHTS).reshape((9,))[:3] ** 2,
    "join": lambda x: concatenate([x[:1] ** 2, x[1:] * x[0]]),
    "softmax": lambda x: softmax(x, axis=0),
    "logsoftmax": lambda x: logsoftmax(x * WEIGHTS).sum(axis=1),
    "maximum": lambda x: (x * WEIGHTS).max(axis=0),
    "scalars": lambda x: F.exp(x.sum()) * x * x.mean(),
    "batches": lambda x: (
        batched_dot(x * WEIGHTS, (x * WEIGHTS)[:, :, None]).sum(axis=1) * x
    ),
    "alloc": lambda x: alloc(x.sum(), 3) * x,
    "not connected to all": lambda x: concatenate([x[:1], alloc(1.0, 2) * x[0]]),
}


@pytest.mark.parametrize("name", VECTORS)
def test_jacobian(name):
    x = vector("x")
    y = VECTORS[name](x)

    def element(k):
        return lambda *point: evaluate([y], {x: point[0]})[0][k]

    want = [numeric_grad(element(k), POINT).gf for k in range(3)]
    np.testing.assert_allclose(
        run(jacobian(y, x), {x: POINT}), want, rtol=1e-7, atol=1e-8
    )


def test_jacobian_of_several_variables():
    x, w = vector("x"), matrix("w")
    y = F.tanh(dot(x, w))
    values = {x: POINT, w: RANDOM.normal(size=(3, 2))}
    by_x, by_w = run(jacobian(y, [x, w]), values)
    slope = 1 - np.tanh(POINT @ values[w]) ** 2
    np.testing.assert_allclose(by_x, (values[w] * slope).T)
    want = np.einsum("n,i,nj->nij", slope, POINT, np.eye(2))
    np.testing.assert_allclose(by_w, want)
    assert isinstance(jacobian(y, (x, w)), tuple)
    np.testing.assert_allclose(run(jacobian(y.sum(), x), values), by_x.sum(0))
    other = vector("other")
    with pytest.raises(DisconnectedInputError):
        jacobian(y, other)
    zeros = jacobian(y, other, disconnected_inputs="ignore")
    assert (
        run(zeros, {**values, other: np.ones(5)}).tolist() == np.zeros((2, 5)).tolist()
    )
    with pytest.raises(TypeError, match="vector of floats"):
        jacobian(w, x)


@pytest.mark.parametrize(
    "name", ["elementwise", "dot", "softmax", "parts", "positions"]
)
def test_hessian(name):
    x = vector("x")
    cost = (VECTORS[name](x) ** 2).sum()
    found = hessian(cost, x)
    slope = grad(cost, x)

    def element(k):
        return lambda *point: evaluate([slope], {x: point[0]})[0][k]

    want = [numeric_grad(element(k), POINT).gf for k in range(3)]
    np.testing.assert_allclose(run(found, {x: POINT}), want, rtol=1e-6, atol=1e-7)
    assert run(found, {x: POINT[:0]} if name == "elementwise" else {x: POINT}).ndim == 2


def test_hessian_of_a_matrix_is_refused():
    with pytest.raises(TypeError, match="vectors"):
        hessian(matrix("x").sum(), matrix("y"))


def test_an_operation_without_rule_is_looped_over():
    x = vector("x")
    y = Undefined(lambda op, v, g: [None, op(v[0], g)])(x, F.exp(x))
    want = np.diag(POINT * np.exp(POINT))
    for expression in (y, specify_shape(y, (3,))):
        found = jacobian(expression, x)
        np.testing.assert_allclose(evaluate([found], {x: POINT})[0], want)
    assert run(jacobian(y, x), {x: POINT[:0]}).shape == (0, 0)
